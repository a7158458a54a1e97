/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How many ICMP errors may be sent (RFC 1812 4.3.2.8), with Linux's tunables and meanings: to one
 * destination, one in icmp_ratelimit milliseconds with bursts of ICMP_PEER_BURST; to all together
 * icmp_msgs_per_sec with bursts of icmp_msgs_burst. Both are token buckets that keep their credit in
 * TSC cycles. An error takes from both or from neither, so that one greedy destination does not use
 * up what all share. Run by the worker that owns the buckets.
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

bool icmp_rate_allow(const struct worker *w, struct icmp_rate *rate,
	const struct icmp_limits *limits, const void *addr, uint32_t addr_len, uint16_t ns)
{
	/* Once each: the control thread may change them meanwhile, to zero as well. */
	int64_t per_sec = __atomic_load_n(&limits->msgs_per_sec, __ATOMIC_RELAXED);
	int64_t burst = __atomic_load_n(&limits->msgs_burst, __ATOMIC_RELAXED);
	int64_t interval_ms = __atomic_load_n(&limits->ratelimit, __ATOMIC_RELAXED);
	int64_t n_workers = w->dp->n_workers;
	uint64_t cost_all, cost_peer = w->dp->tsc_hz / 1000 * (uint64_t)interval_ms;
	struct icmp_bucket *peer = NULL;

	if (per_sec == 0)
		return false;
	cost_all = w->dp->tsc_hz * (uint64_t)n_workers / (uint64_t)per_sec;
	burst = RTE_MAX((burst + n_workers - 1) / n_workers, 1);
	if (addr != NULL)
		peer = icmp_peer_bucket(rate, addr, addr_len, ns, w->now);
	if ((peer != NULL && !bucket_has(peer, w->now, cost_peer, ICMP_PEER_BURST)) ||
		!bucket_has(&rate->all, w->now, cost_all, (uint64_t)burst))
		return false;
	if (peer != NULL)
		peer->credit -= cost_peer;
	rate->all.credit -= cost_all;
	return true;
}
