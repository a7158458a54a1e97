/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * IPv4 options (RFC 791 3.1): what a router must find wrong, and what it must write into them.
 * Record route and timestamp are filled in as packets leave (RFC 1812 5.2.4.1, 5.2.4.3); all others
 * pass as they are, but for source routes, which weir refuses (RFC 7126 4.3). Errors are judged, and
 * pointed at, as Linux does. Called by the IPv4 stages, on the owning worker.
 */
#include "ip/ip_priv.h"

enum {
	/* Bytes of an option. */
	OPTION_TYPE = 0,
	OPTION_LEN = 1,
	OPTION_POINTER = 2, /* RR and TS: the next free byte, counted from 1 */
	OPTION_FLAGS = 3,   /* TS: overflow counter and flags */
	OPTION_RR_MIN = 3,
	OPTION_TS_MIN = 4,
	OPTION_RA_MIN = 4,
	OPTION_OVERFLOW_MAX = 15,
};

enum { OPTIONS_DAY_MS = 86400000 };

static bool option_is_single(uint8_t type)
{
	return type == IPOPT_EOL || type == IPOPT_NOP;
}

/* Bytes that an entry of a timestamp option takes; 0: no such kind. */
static uint8_t option_ts_size(uint8_t flags)
{
	switch (flags & 15) {
	case IPOPT_TS_TSONLY:
		return 4;
	case IPOPT_TS_TSANDADDR:
	case IPOPT_TS_PRESPEC:
		return 8;
	default:
		return 0;
	}
}

/* The byte that is wrong with it, counted from 1; 0: none. */
static uint8_t option_rr_fault(const uint8_t *option, uint8_t len)
{
	if (len < OPTION_RR_MIN)
		return OPTION_LEN + 1;
	if (option[OPTION_POINTER] < OPTION_RR_MIN + 1)
		return OPTION_POINTER + 1;
	if (option[OPTION_POINTER] <= len && option[OPTION_POINTER] + 3 > len)
		return OPTION_POINTER + 1;
	return 0;
}

static uint8_t option_ts_fault(const uint8_t *option, uint8_t len)
{
	uint8_t size;

	if (len < OPTION_TS_MIN)
		return OPTION_LEN + 1;
	if (option[OPTION_POINTER] < OPTION_TS_MIN + 1)
		return OPTION_POINTER + 1;
	size = option_ts_size(option[OPTION_FLAGS]);
	if (option[OPTION_POINTER] > len) {
		/* Full: who finds no room is counted, as long as the counter has some. */
		bool is_counted = (option[OPTION_FLAGS] & 15) != IPOPT_TS_PRESPEC;

		return is_counted && option[OPTION_FLAGS] >> 4 == OPTION_OVERFLOW_MAX
			       ? OPTION_FLAGS + 1
			       : 0;
	}
	if (size == 0)
		return OPTION_FLAGS + 1;
	return option[OPTION_POINTER] + size - 1 > len ? OPTION_POINTER + 1 : 0;
}

static uint8_t option_fault(const uint8_t *option, uint8_t len)
{
	switch (option[OPTION_TYPE]) {
	case IPOPT_RR:
		return option_rr_fault(option, len);
	case IPOPT_TS:
		return option_ts_fault(option, len);
	case IPOPT_RA:
		return len < OPTION_RA_MIN ? OPTION_LEN + 1 : 0;
	default:
		return 0;
	}
}

enum ip_drop ip4_options_check(
	const struct rte_ipv4_hdr *ip, const struct pkt_meta *meta, uint8_t *pointer)
{
	const uint8_t *option = (const uint8_t *)(ip + 1);
	unsigned int left = meta->l4_off - meta->l3_off - (unsigned int)sizeof(*ip);

	while (left > 0 && *option != IPOPT_EOL) {
		uint8_t len = 1, fault = 0;

		*pointer = (uint8_t)(option - (const uint8_t *)ip);
		if (!option_is_single(*option)) {
			len = left > 1 ? option[OPTION_LEN] : 0;
			if (len < 2 || len > left)
				return IP4_DROP_BAD_OPTIONS;
			fault = option_fault(option, len);
		}
		if (fault != 0) {
			*pointer = (uint8_t)(*pointer + fault - 1);
			return IP4_DROP_BAD_OPTIONS;
		}
		if (*option == IPOPT_LSRR || *option == IPOPT_SSRR)
			return IP4_DROP_SOURCE_ROUTE;
		option += len;
		left -= len;
	}
	return IP_N_DROPS;
}

static void option_record_route(uint8_t *option, uint32_t addr_be)
{
	uint8_t at = option[OPTION_POINTER];

	if (at > option[OPTION_LEN])
		return;
	memcpy(option + at - 1, &addr_be, sizeof(addr_be));
	option[OPTION_POINTER] = (uint8_t)(at + sizeof(addr_be));
}

/* Milliseconds since midnight UT (RFC 791), in network order. */
static uint32_t options_time(const struct worker *w, const struct ip_worker *ip_worker)
{
	uint64_t offset = __atomic_load_n(ip_worker->utc_offset_ms, __ATOMIC_RELAXED);

	return rte_cpu_to_be_32(
		(uint32_t)((w->now / (w->dp->tsc_hz / 1000) + offset) % OPTIONS_DAY_MS));
}

static void option_record_time(const struct worker *w, const struct ip_worker *ip_worker,
	const struct pkt_meta *meta, uint8_t *option, uint32_t addr_be)
{
	uint8_t kind = option[OPTION_FLAGS] & 15;
	uint8_t *entry = option + option[OPTION_POINTER] - 1;
	uint32_t named, time = options_time(w, ip_worker);

	if (option[OPTION_POINTER] > option[OPTION_LEN]) {
		if (kind != IPOPT_TS_PRESPEC && option[OPTION_FLAGS] >> 4 < OPTION_OVERFLOW_MAX)
			option[OPTION_FLAGS] += 0x10;
		return;
	}
	memcpy(&named, entry, sizeof(named));
	/* Asked for the time at named addresses: only they answer. */
	if (kind == IPOPT_TS_PRESPEC &&
		lpm4_lookup(ip_worker->fib4[meta->ns], rte_be_to_cpu_32(named)) != ADJ_LOCAL)
		return;
	if (kind == IPOPT_TS_TSANDADDR)
		memcpy(entry, &addr_be, sizeof(addr_be));
	option[OPTION_POINTER] = (uint8_t)(option[OPTION_POINTER] + option_ts_size(kind));
	memcpy(option + option[OPTION_POINTER] - 1 - sizeof(time), &time, sizeof(time));
}

/* Writes route_be into record route, time_be into timestamp, and makes the checksum anew. */
static void options_record(const struct worker *w, const struct ip_worker *ip_worker,
	struct rte_mbuf *m, const struct pkt_meta *meta, uint32_t route_be, uint32_t time_be)
{
	struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);
	uint8_t *option = (uint8_t *)(ip + 1);
	const uint8_t *end = (const uint8_t *)ip + (meta->l4_off - meta->l3_off);

	RTE_ASSERT(pkt_writable(m));
	while (option < end && *option != IPOPT_EOL) {
		if (*option == IPOPT_RR)
			option_record_route(option, route_be);
		else if (*option == IPOPT_TS)
			option_record_time(w, ip_worker, meta, option, time_be);
		option += option_is_single(*option) ? 1 : option[OPTION_LEN];
	}
	ip->hdr_checksum = 0;
	ip->hdr_checksum =
		(uint16_t)~checksum_ip4_sum(ip, (unsigned int)(end - (const uint8_t *)ip) / 4);
}

void ip4_options_arrive(const struct worker *w, const struct ip_worker *ip_worker,
	struct rte_mbuf *m, const struct pkt_meta *meta)
{
	uint32_t own_be = pkt_ip4(m, meta)->dst_addr;

	options_record(w, ip_worker, m, meta, own_be, own_be);
}

/* As Linux: record route says where it leaves, timestamp where it came in. */
void ip4_options_leave(const struct worker *w, const struct ip_worker *ip_worker,
	struct rte_mbuf *m, const struct pkt_meta *meta)
{
	const struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);
	uint32_t own_be = ip->src_addr;

	if (meta->flags & PKT_ORIGINATED)
		options_record(w, ip_worker, m, meta, own_be, own_be);
	else
		options_record(w, ip_worker, m, meta,
			ns_source4_select(w->dp, meta->out_link, ip->dst_addr),
			ns_source4_select(w->dp, meta->in_link, ip->src_addr));
}

uint8_t ip4_options_keep(uint8_t *options, uint8_t len, bool (*is_kept)(uint8_t type))
{
	const uint8_t *option = options, *end = options + len;
	uint8_t *to = options;

	while (option < end && *option != IPOPT_EOL) {
		uint8_t n = option_is_single(*option) ? 1 : option[OPTION_LEN];

		if (is_kept(*option)) {
			memmove(to, option, n);
			to += n;
		}
		option += n;
	}
	while ((to - options) % 4 != 0)
		*to++ = IPOPT_EOL;
	return (uint8_t)(to - options);
}
