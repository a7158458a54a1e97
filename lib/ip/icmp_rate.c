/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How many ICMP errors may be sent (RFC 1812 4.3.2.8, RFC 4443 2.4 f), with Linux's tunables and meanings: to one
 * destination, one in icmp_ratelimit (IPv6: icmp.ratelimit) milliseconds with bursts of
 * ICMP_PEER_BURST; to all together, of both families, icmp_msgs_per_sec with bursts of icmp_msgs_burst.
 * Both are token buckets that keep their credit in TSC cycles. An error takes from both or from neither, so
 * that one greedy destination does not use up what all share. Run by the worker that owns the buckets.
 *
 * Each worker has its share of the common limit, but buckets of its own for destinations: what one
 * sender causes mostly comes by one worker. The table of destinations is small and forgets one when
 * another needs its place: who is forgotten may have a burst again, within the common limit.
 */
#include <rte_jhash.h>

#include "ip/ip_priv.h"

enum { ICMP_PEER_BURST = 6 };

/* Brings a bucket up to now. Is there enough in it for one? */
static bool bucket_has(struct icmp_bucket *bucket, uint64_t now, uint64_t cost, uint64_t burst)
{
	bucket->credit = RTE_MIN(bucket->credit + (now - bucket->refilled), cost * burst);
	bucket->refilled = now;
	return bucket->credit >= cost;
}

/* The bucket of a destination: full when it is new. addr: 4 or 16 bytes, as they lie in a packet. */
static struct icmp_bucket *icmp_peer_bucket(
	struct icmp_rate *rate, const void *addr, uint32_t len, uint16_t ns, uint64_t now)
{
	uint32_t index = rate->seed, tag = ns;
	uint32_t words[4]; /* aligned, as the hash wants them */
	struct icmp_peer *peer;

	RTE_ASSERT(len % 4 == 0 && len <= sizeof(words));
	memcpy(words, addr, len);
	rte_jhash_32b_2hashes(words, len / 4, &index, &tag);
	peer = &rate->peers[index % ICMP_PEERS];
	if (peer->tag != tag) {
		*peer = (struct icmp_peer){ .tag = tag,
			.bucket = { .credit = UINT64_MAX / 2, .refilled = now } };
	}
	return &peer->bucket;
}

void icmp_rate_init(struct icmp_rate *rate, uint32_t seed)
{
	rate->seed = seed;
	/* Cut down to the burst at first use. */
	rate->all = (struct icmp_bucket){ .credit = UINT64_MAX / 2, .refilled = rte_rdtsc() };
}

static bool icmp_rate_allow(const struct worker *w, struct ip_worker *ip_worker,
	int64_t interval_ms, const void *addr, uint32_t addr_len, uint16_t ns)
{
	const struct ip4_sysctl *sysctl = ip_worker->sysctl;
	struct icmp_rate *rate = &ip_worker->icmp_rate;
	/* Once each: the control thread may change them meanwhile, to zero as well. */
	int64_t per_sec = __atomic_load_n(&sysctl->icmp_msgs_per_sec, __ATOMIC_RELAXED);
	int64_t burst = __atomic_load_n(&sysctl->icmp_msgs_burst, __ATOMIC_RELAXED);
	int64_t n_workers = w->dp->n_workers;
	uint64_t cost_all, cost_peer = w->dp->tsc_hz / 1000 * (uint64_t)interval_ms;
	struct icmp_bucket *peer;

	if (per_sec == 0)
		return false;
	cost_all = w->dp->tsc_hz * (uint64_t)n_workers / (uint64_t)per_sec;
	burst = RTE_MAX((burst + n_workers - 1) / n_workers, 1);
	peer = icmp_peer_bucket(rate, addr, addr_len, ns, w->now);
	if (!bucket_has(peer, w->now, cost_peer, ICMP_PEER_BURST) ||
		!bucket_has(&rate->all, w->now, cost_all, (uint64_t)burst))
		return false;
	peer->credit -= cost_peer;
	rate->all.credit -= cost_all;
	return true;
}

/* What is not in the mask is free of limits, and so is path MTU discovery in any case. */
bool icmp4_rate_allow(const struct worker *w, struct ip_worker *ip_worker, uint8_t type,
	uint8_t code, uint32_t to_be, uint16_t ns)
{
	const struct ip4_sysctl *sysctl = ip_worker->sysctl;

	if (type >= 32 || !(sysctl->icmp_ratemask & UINT32_C(1) << type) ||
		(type == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED))
		return true;
	return icmp_rate_allow(w, ip_worker,
		__atomic_load_n(&sysctl->icmp_ratelimit, __ATOMIC_RELAXED), &to_be, sizeof(to_be),
		ns);
}

/* Whatever the length of the route to it: Linux 6.18 was measured not to shorten the time for wide prefixes. */
bool icmp6_rate_allow(const struct worker *w, struct ip_worker *ip_worker, uint8_t type,
	const uint8_t *to, uint16_t ns)
{
	const struct icmp6_sysctl *sysctl = &ip_worker->sysctl6->icmp;

	if (!number_set_has(&sysctl->ratemask, type))
		return true;
	return icmp_rate_allow(
		w, ip_worker, __atomic_load_n(&sysctl->ratelimit, __ATOMIC_RELAXED), to, 16, ns);
}
