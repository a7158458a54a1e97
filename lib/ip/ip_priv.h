/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/ip; nobody else includes this. */
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <rte_jhash.h>
#include <rte_random.h>
#include <rte_vect.h>

#include "fib/fib.h"
#include "fib/multipath.h"
#include "ip/ip.h"
#include "ip/ip_cut.h"
#include "ip/ip_reassemble.h"
#include "neigh/neigh.h"
#include "neigh/rewrite.h"
#include "net/parse.h"

#define IP6_DROPS(X)                                                                               \
	X(IP6_DROP_MARTIAN_SOURCE, "ip6_martian_source",                                           \
		"source address multicast, loopback, IPv4-mapped or no proper link-local one")     \
	X(IP6_DROP_MARTIAN_DEST, "ip6_martian_destination",                                        \
		"destination address unspecified, loopback or IPv4-mapped")                        \
	X(IP6_DROP_UNSPECIFIED_SOURCE, "ip6_unspecified_source",                                   \
		"from nobody (::), and not neighbour discovery on the link")                       \
	X(IP6_DROP_SOURCE_IS_OURS, "ip6_source_is_ours",                                           \
		"with one of our own addresses as source, or made here for one of them")           \
	X(IP6_DROP_MULTICAST, "ip6_multicast", "to a group that we are not in; none is routed")    \
	X(IP6_DROP_LINK_BROADCAST, "ip6_link_broadcast",                                           \
		"link-layer broadcast or multicast of a packet to a host elsewhere")               \
	X(IP6_DROP_LINK_LOCAL, "ip6_link_local", "to a link-local address that is not ours")       \
	X(IP6_DROP_SCOPE, "ip6_beyond_scope",                                                      \
		"from a link-local address, and would have left its link")                         \
	X(IP6_DROP_NO_ROUTE, "ip6_no_route", "no route to the destination")                        \
	X(IP6_DROP_BLACKHOLE, "ip6_blackhole", "the route is a blackhole")                         \
	X(IP6_DROP_UNREACHABLE, "ip6_unreachable", "the route says unreachable")                   \
	X(IP6_DROP_PROHIBITED, "ip6_prohibited", "the route says prohibit")                        \
	X(IP6_DROP_HOP_LIMIT, "ip6_hop_limit_exceeded", "the hop limit ran out here")              \
	X(IP6_DROP_TOO_BIG, "ip6_too_big", "larger than the MTU of the next link")                 \
	X(IP6_DROP_TENTATIVE, "ip6_tentative",                                                     \
		"to an address of ours that is not known to be ours alone")                        \
	X(IP6_DROP_FRAGMENT_NO_BUFFER, "ip6_fragment_no_buffer",                                   \
		"made here and had to be cut into fragments, but no buffer was left for them")     \
	X(IP6_DROP_FRAGMENT_BAD, "ip6_fragment_bad",                                               \
		"a fragment to us that is empty, uneven, ends beyond 65,535 bytes or is one of a " \
		"fragment")                                                                        \
	X(IP6_DROP_FRAGMENT_TINY, "ip6_fragment_tiny",                                             \
		"a first fragment to us without the whole L4 header (RFC 7112)")                   \
	X(IP6_DROP_FRAGMENT_DUPLICATE, "ip6_fragment_duplicate", "a fragment to us came twice")    \
	X(IP6_DROP_FRAGMENT_OVERLAP, "ip6_fragment_overlap",                                       \
		"fragments to us overlap, or disagree about the end (RFC 5722)")                   \
	X(IP6_DROP_FRAGMENTS_TOO_MANY, "ip6_fragments_too_many",                                   \
		"of more than 64 fragments to us")                                                 \
	X(IP6_DROP_REASSEMBLY_FULL, "ip6_reassembly_full",                                         \
		"too many datagrams, or too many buffers, wait to be whole")                       \
	X(IP6_DROP_REASSEMBLY_TIMEOUT, "ip6_reassembly_timeout",                                   \
		"other fragments did not come within ip6frag_time")                                \
	X(IP6_DROP_BAD_OPTIONS, "ip6_bad_options",                                                 \
		"to us, with an option that is longer than its header")                            \
	X(IP6_DROP_UNKNOWN_OPTION, "ip6_unknown_option",                                           \
		"to us, with an option that must not be passed over")                              \
	X(IP6_DROP_ROUTING_HEADER, "ip6_routing_header",                                           \
		"to us, to be sent on by a routing header (RFC 5095)")                             \
	X(IP6_DROP_NO_NEXT_HEADER, "ip6_no_next_header", "to us, with nothing in it")              \
	X(IP6_DROP_NO_PROTOCOL, "ip6_no_protocol", "a protocol that nothing here listens to")      \
	X(IP6_DROP_NO_LISTENER, "ip6_no_listener", "a port that nothing here listens to")          \
	X(IP6_DROP_NO_SOURCE, "ip6_no_source", "made here, but no address to send it from")        \
	X(IP6_DROP_L4_BAD_CHECKSUM, "ip6_l4_bad_checksum",                                         \
		"UDP or TCP to us, with a wrong checksum or none")                                 \
	X(ICMP6_DROP_BAD_CHECKSUM, "icmp6_bad_checksum", "ICMPv6 to us with a wrong checksum")     \
	X(ICMP6_DROP_ECHO_IGNORED, "icmp6_echo_ignored",                                           \
		"an ICMPv6 echo request to us, which are not to be answered")                      \
	X(ICMP6_DROP_ECHO_LIMITED, "icmp6_echo_limited",                                           \
		"an ICMPv6 echo request to us, and the reply would be beyond the rate limit")      \
	X(ICMP6_DROP_UNHANDLED, "icmp6_unhandled", "ICMPv6 to us that asks for nothing")           \
	X(ICMP6_DROP_ND_FRAGMENT, "icmp6_nd_fragment",                                             \
		"neighbour discovery with a fragment header (RFC 6980)")                           \
	X(ICMP6_DROP_MLD, "icmp6_mld", "multicast listener discovery: no group is forwarded")

#define IP_DROPS(X)                                                                                \
	X(IP4_DROP_MARTIAN_SOURCE, "ip4_martian_source",                                           \
		"source address in 0/8, 127/8, multicast or reserved")                             \
	X(IP4_DROP_MARTIAN_DEST, "ip4_martian_destination",                                        \
		"destination address in 0/8, 127/8 or reserved")                                   \
	X(IP4_DROP_SOURCE_IS_OURS, "ip4_source_is_ours",                                           \
		"received with one of our own or a broadcast address as source")                   \
	X(IP4_DROP_MULTICAST, "ip4_multicast", "multicast, which is not routed")                   \
	X(IP4_DROP_BROADCAST, "ip4_broadcast",                                                     \
		"broadcast, or directed broadcast of a network here")                              \
	X(IP4_DROP_LINK_BROADCAST, "ip4_link_broadcast",                                           \
		"link-layer broadcast or multicast of a packet to a host elsewhere")               \
	X(IP4_DROP_SOURCE_ROUTE, "ip4_source_route", "asks to be source routed")                   \
	X(IP4_DROP_BAD_OPTIONS, "ip4_bad_options", "an option's length is beyond the header")      \
	X(IP4_DROP_NO_ROUTE, "ip4_no_route", "no route to the destination")                        \
	X(IP4_DROP_BLACKHOLE, "ip4_blackhole", "the route is a blackhole")                         \
	X(IP4_DROP_UNREACHABLE, "ip4_unreachable", "the route says unreachable")                   \
	X(IP4_DROP_PROHIBITED, "ip4_prohibited", "the route says prohibit")                        \
	X(IP4_DROP_TTL_EXCEEDED, "ip4_ttl_exceeded", "the time to live ran out here")              \
	X(IP4_DROP_FRAG_NEEDED, "ip4_frag_needed",                                                 \
		"larger than the MTU of the next link, and must not be fragmented")                \
	X(IP4_DROP_FRAGMENT_NO_BUFFER, "ip4_fragment_no_buffer",                                   \
		"had to be cut into fragments, but no buffer was left for them")                   \
	X(IP4_DROP_FRAGMENT_BAD, "ip4_fragment_bad",                                               \
		"a fragment that is empty, uneven or ends beyond 65,535 bytes")                    \
	X(IP4_DROP_FRAGMENT_DUPLICATE, "ip4_fragment_duplicate", "a fragment to us came twice")    \
	X(IP4_DROP_FRAGMENT_OVERLAP, "ip4_fragment_overlap",                                       \
		"fragments to us overlap, or disagree about the end")                              \
	X(IP4_DROP_FRAGMENTS_TOO_MANY, "ip4_fragments_too_many",                                   \
		"of more than 64 fragments to us")                                                 \
	X(IP4_DROP_REASSEMBLY_FULL, "ip4_reassembly_full",                                         \
		"too many datagrams, or too many buffers, wait to be whole")                       \
	X(IP4_DROP_REASSEMBLY_TIMEOUT, "ip4_reassembly_timeout",                                   \
		"other fragments did not come within ipfrag_time")                                 \
	X(IP4_DROP_NO_PROTOCOL, "ip4_no_protocol", "a protocol that nothing here listens to")      \
	X(IP4_DROP_NO_LISTENER, "ip4_no_listener", "a port that nothing here listens to")          \
	X(IP4_DROP_NO_SOURCE, "ip4_no_source", "made here, but no address to send it from")        \
	X(IP4_DROP_L4_TRUNCATED, "l4_truncated", "to us, with a cut off L4 header")                \
	X(IP4_DROP_L4_BAD_LEN, "l4_bad_len", "to us, with a wrong L4 length")                      \
	X(ICMP_DROP_BAD_CHECKSUM, "icmp_bad_checksum", "ICMP to us with a wrong checksum")         \
	X(ICMP_DROP_ECHO_IGNORED, "icmp_echo_ignored",                                             \
		"an ICMP echo request to us, which are not to be answered")                        \
	X(ICMP_DROP_ECHO_LIMITED, "icmp_echo_limited",                                             \
		"an ICMP echo request to us, and the reply would be beyond the rate limit")        \
	X(ICMP_DROP_UNHANDLED, "icmp_unhandled", "ICMP to us that asks for nothing")               \
	X(IP_DROP_SHARED, "ip_shared", "to us, but somebody else still reads its bytes")           \
	IP6_DROPS(X)

#define IP_DROP_ENUM(member, name, help) member,
enum ip_drop { IP_DROPS(IP_DROP_ENUM) IP_N_DROPS };
#undef IP_DROP_ENUM

/* Tunables `sysctl: { ipv4: {...} }`, with Linux's names and meanings. */
struct ip4_sysctl {
	struct object_head head;
	int64_t default_ttl;
	int64_t icmp_msgs_per_sec, icmp_msgs_burst; /* whole appliance, both families */
	int64_t icmp_ratelimit; /* ms between errors to one destination; 0: no limit */
	int64_t icmp_ratemask;	/* bit i: the limits hold for type i */
	int64_t ipfrag_time;	/* s */
	bool icmp_echo_ignore_all;
	bool icmp_echo_ignore_broadcasts;
	bool icmp_errors_use_inbound_ifaddr;
	int64_t fib_multipath_hash_policy; /* enum multipath_policy */
};

/* Tunables `sysctl: { ipv6: { icmp: {...} } }`, likewise. */
struct icmp6_sysctl {
	struct object_head head;
	int64_t ratelimit;	    /* as icmp_ratelimit */
	struct number_set ratemask; /* types that the limits hold for */
	bool echo_ignore_all;
	bool echo_ignore_multicast;
};

/* Tunables `sysctl: { ipv6: {...} }`, likewise. */
struct ip6_sysctl {
	struct object_head head;
	int64_t hop_limit;
	int64_t ip6frag_time;		   /* s */
	int64_t fib_multipath_hash_policy; /* enum multipath_policy */
	struct icmp6_sysctl icmp;
};
extern const struct object ip6_sysctl_object;

struct ip_state {
	struct ip4_sysctl ip4;
	struct ip6_sysctl ip6;
	uint64_t utc_offset_ms;	 /* time of day less the TSC's; read by workers (relaxed) */
	uint64_t next_expiry_ns; /* when to have workers look for fragments that waited too long */
};

/* Token buckets of ICMP errors of both families (icmp_rate.c), in TSC cycles. */
enum { ICMP_PEERS = 1024 };

struct icmp_bucket {
	uint64_t credit, refilled;
};

struct icmp_rate {
	struct icmp_bucket all;
	uint32_t seed;
	struct icmp_peer {
		struct icmp_bucket bucket;
		uint32_t tag; /* of the address */
	} peers[ICMP_PEERS];
};

/* Per worker. */
struct ip_worker {
	const struct adj *adjs;
	const struct ip4_sysctl *sysctl;
	const struct link_dp *links;	/* by ifindex */
	const uint16_t *input_link;	/* ifindex by mbuf->port */
	struct ns_own4 *const *own4;	/* by namespace, published pointers */
	const struct lpm *fib4[NS_MAX]; /* by namespace */
	struct multipath multipath;
	const uint64_t *utc_offset_ms;
	uint16_t ip_id; /* identification of the next packet made here */
	uint8_t forward_stage, output_stage, tx_stage;
	struct icmp_rate icmp_rate;
	uint8_t forward6_stage, output6_stage, track_stage;
	const struct ip6_sysctl *sysctl6;
	struct ns_own6 *const *own6;	/* by namespace, published pointers */
	const struct lpm *fib6[NS_MAX]; /* by namespace */
	struct ip_reassembly reassembly[IP_N_REASSEMBLIES];
};

/* Echo requests to a broadcast address are answered only if the operator wants it (RFC 1122 3.2.2.6). */
static inline bool ip4_takes_broadcast(
	const struct ip_worker *ip_worker, const struct pkt_meta *meta)
{
	return !ip_worker->sysctl->icmp_echo_ignore_broadcasts && meta->proto == IPPROTO_ICMP &&
	       !(meta->flags & PKT_FRAGMENT);
}

/* Are connections tracked where this packet is? */
static inline bool ip_is_tracked(const struct ip_worker *ip_worker, const struct pkt_meta *meta)
{
	return ip_worker->links[meta->in_link].flags & LINK_TRACKED;
}

/*
 * An answer made of the packet that asked leaves a stage by an exit that leads to output; where
 * connections are tracked it enters again instead.
 */
static inline unsigned int ip_leave_own(struct worker *w, const struct ip_worker *ip_worker,
	struct rte_mbuf *m, const struct pkt_meta *meta, unsigned int exit)
{
	w->stats.consumed++;
	w->stats.originated++;
	if (likely(!ip_is_tracked(ip_worker, meta)))
		return exit;
	worker_inject(w, w, m, ip_worker->track_stage);
	return STAGE_CONSUMED;
}

/* ip6.c */
void ip6_worker_init(struct dp *dp, struct worker *w);

/* What tells the ICMP errors of the two families apart, in bytes and host byte order. */
struct ip_error_form {
	uint16_t ethertype;
	uint16_t ip_header_len;
	uint16_t max_len; /* of the IP packet that carries the error */
	uint8_t proto;
};

/* How the stages that send errors end, as they tell a trace. */
enum ip_error_end { IP_ERROR_SENT, IP_ERROR_FORBIDDEN, IP_ERROR_LIMITED, IP_ERROR_NO_BUFFER };

/*
 * An error about a packet, with as much of it as fits: all but the two headers in front of the quote
 * is done. NULL: out of packets.
 */
struct rte_mbuf *ip_error_new(struct worker *w, const struct ip_error_form *form,
	const struct rte_mbuf *m, const struct pkt_meta *meta);

/* Leaves with an error for the sender; the packet itself is dropped for reason. */
static inline void ip4_set_error(
	struct pkt_meta *meta, uint8_t type, uint8_t code, uint32_t info, enum ip_drop reason)
{
	ip_set_error(meta, type, code, info, ip_module.drop_base + reason);
}

/* May one more ICMP message of that kind go to that address? Counts it, if it is limited. Worker. */
bool icmp4_rate_allow(const struct worker *w, struct ip_worker *ip_worker, uint8_t type,
	uint8_t code, uint32_t to_be, uint16_t ns);
bool icmp6_rate_allow(const struct worker *w, struct ip_worker *ip_worker, uint8_t type,
	const uint8_t *to, uint16_t ns);
void icmp_rate_init(struct icmp_rate *rate, uint32_t seed);

/*
 * What is wrong with the options of a received packet: IP4_DROP_BAD_OPTIONS, IP4_DROP_SOURCE_ROUTE
 * (*pointer: which byte of the header, RFC 792), or IP_N_DROPS.
 */
enum ip_drop ip4_options_check(
	const struct rte_ipv4_hdr *ip, const struct pkt_meta *meta, uint8_t *pointer);
/*
 * Fill in record route and timestamp of checked options, where a packet has arrived or as it leaves;
 * the header's checksum is made anew.
 */
void ip4_options_arrive(const struct worker *w, const struct ip_worker *ip_worker,
	struct rte_mbuf *m, const struct pkt_meta *meta);
void ip4_options_leave(const struct worker *w, const struct ip_worker *ip_worker,
	struct rte_mbuf *m, const struct pkt_meta *meta);
/* Takes the others out of len bytes of checked options. Their new length, a multiple of 4. */
uint8_t ip4_options_keep(uint8_t *options, uint8_t len, bool (*is_kept)(uint8_t type));

/* The same for IPv6. info: MTU, or pointer from the IPv6 header on. */
static inline void ip6_set_error(
	struct pkt_meta *meta, uint8_t type, uint8_t code, uint32_t info, enum ip_drop reason)
{
	ip_set_error(meta, type, code, info, ip_module.drop_base + reason);
}

/* Neighbour discovery (RFC 4861), by ICMPv6 type. */
static inline bool ip6_is_nd(uint8_t type)
{
	return type >= ND_ROUTER_SOLICIT && type <= ND_REDIRECT;
}

/* ip6_headers.c */
enum ip6_headers_verdict {
	IP6_HEADERS_PASS,
	IP6_HEADERS_DROP,  /* the reason is set */
	IP6_HEADERS_ERROR, /* the reason is set, and the error for the sender */
};

/* Offsets count from the IPv6 header. */
struct ip6_headers {
	uint32_t next_header; /* of the field that names what lies behind them */
	bool has_fragment;    /* a fragment header is among them */
};

/* Does anything in the headers of a packet to us, up to `end`, stop it? Worker. */
enum ip6_headers_verdict ip6_headers_check(const struct ip_worker *ip_worker, struct pkt_meta *meta,
	uint32_t end, struct ip6_headers *headers);

/* The next hop that a multipath group has for an IPv4 packet. Out of line: few routes have one. */
uint32_t ip4_multipath_select(
	const struct ip_worker *ip_worker, uint32_t value, const struct rte_mbuf *m);
uint32_t ip6_multipath_select(
	const struct ip_worker *ip_worker, uint32_t value, struct rte_mbuf *m);

/* What a stage saw: addresses and TTL, for a trace. */
void ip_format_packet(const struct trace_record *record, char *buf, size_t size);
/* What became of the error that a stage was to send; icmp is the protocol's name. */
void ip_format_error(const struct trace_record *record, const char *icmp, char *buf, size_t size);
/* What a lookup found, and for what is sent the link. */
void ip_format_route(const struct trace_record *record, bool is_sent, char *buf, size_t size);
void ip6_format_packet(const struct trace_record *record, char *buf, size_t size);

static inline unsigned int ip_drop(struct pkt_meta *meta, enum ip_drop reason)
{
	return pkt_drop(meta, &ip_module, reason);
}
