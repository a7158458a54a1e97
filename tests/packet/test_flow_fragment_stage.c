/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The stage flow_fragment by itself: packets enter it by inject, already parsed, and a double of
 * `track` only writes down what comes out. So a test says which fragments share a pass, which the
 * appliance as a whole cannot (test_flow_fragments.c has that).
 */
#include "kit.h"

#include "dp/trace.h"
#include "flow/flow.h"
#include "flow/fragments.h"

enum { SPORT = 1000, DPORT = 2000 };
#define PORTS (RTE_BE16(SPORT) | (uint32_t)RTE_BE16(DPORT) << 16)
enum { SEEN_MAX = 512, N_MBUFS = 4095, PAYLOAD_MAX = 66000 };

/* The double */

static struct {
	unsigned int n;
	struct seen {
		struct pkt_meta meta;
		uint64_t pass;
		uint32_t pkt_len, sum; /* of its bytes, however they lie in segments */
		uint16_t first;
		uint32_t id;
	} pkts[SEEN_MAX];
} seen;

static uint32_t packet_sum(const struct rte_mbuf *m)
{
	uint32_t sum = 0;

	for (; m != NULL; m = m->next)
		for (uint16_t i = 0; i < m->data_len; i++)
			sum = sum * 31 + rte_pktmbuf_mtod(m, const uint8_t *)[i];
	return sum;
}

/* Where the fragment says that it belongs; in these tests a fragment header ends at l4_off. */
static void seen_read(struct seen *to, const struct rte_mbuf *m)
{
	const struct pkt_meta *meta = &to->meta;
	const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *), *ext;

	if (meta->ethertype == RTE_ETHER_TYPE_IPV4) {
		const struct rte_ipv4_hdr *ip = meta->l3;

		to->id = rte_be_to_cpu_16(ip->packet_id);
		to->first = (uint16_t)(rte_be_to_cpu_16(ip->fragment_offset) * 8);
		return;
	}
	if (!(meta->flags & PKT_FRAGMENT_LATER))
		return;
	ext = bytes + meta->l4_off - 8;
	to->first = (uint16_t)((ext[2] << 8 | ext[3]) & ~7);
	to->id = ext[7];
}

static void track_run(struct worker *w, struct stage_node *node)
{
	for (uint32_t i = 0; i < node->n; i++) {
		struct rte_mbuf *m = node->pkts[i];
		struct seen *to = &seen.pkts[seen.n++];

		REQUIRE(seen.n < SEEN_MAX);
		*to = (struct seen){ .meta = *pkt_meta(m),
			.pass = w->passes,
			.pkt_len = m->pkt_len,
			.sum = packet_sum(m) };
		seen_read(to, m);
		rte_pktmbuf_free(m);
		w->stats.consumed++;
	}
}

static const struct stage track_double = { .name = "track", .help = "a double", .run = track_run };

/* The appliance without a configuration, and with the double in its place. */
static struct dp *lab_create(unsigned int n_workers)
{
	static const struct stage *stages[STAGE_MAX + 1];
	const struct dp_conf conf = {
		.modules = modules, .stages = stages, .n_workers = n_workers, .n_mbufs = N_MBUFS
	};
	struct dp *dp;

	for (unsigned int i = 0; pipeline[i] != NULL; i++)
		stages[i] = pipeline[i] == &track_stage ? &track_double : pipeline[i];
	REQUIRE(dp_create(&conf, &dp) == 0);
	seen.n = 0;
	return dp;
}

static void lab_run(struct dp *dp)
{
	for (unsigned int i = 0; i < 8; i++)
		worker_pass(dp->workers[0]);
}

static void lab_destroy(struct dp *dp)
{
	struct dp_totals totals;

	lab_run(dp);
	dp_totals(dp, &totals);
	ck_assert_int_eq(totals.difference, 0);
	ck_assert_int_eq(dp_destroy(dp), 0);
}

/* n packets for that reason, none for another one of this stage. */
#define DROP_NAME(member, name, help) name,
static void expect_drops(const struct dp *dp, const char *reason, uint64_t n)
{
	static const char *const names[] = { FLOW_FRAGMENT_DROPS(DROP_NAME) };

	for (unsigned int i = 0; i < RTE_DIM(names); i++) {
		uint64_t want = strcmp(names[i], reason) == 0 ? n : 0;

		ck_assert_msg(dp_drops(dp, names[i]) == want,
			"%" PRIu64 " dropped as %s, %" PRIu64 " wanted", dp_drops(dp, names[i]),
			names[i], want);
	}
}

/* Packets */

struct piece {
	uint16_t first;
	uint32_t end;
	bool is_last;
	uint8_t id, proto; /* 0: UDP */
	/* IPv6: headers in front of the fragment header and the first of them; behind it, likewise. */
	const char *before;
	uint8_t before_proto, before_len;
	uint8_t next; /* what the fragment header names; 0: proto */
};

/* What every datagram here carries: ports where they belong, a header that TCP and ICMP can be. */
static const uint8_t *payload(void)
{
	static uint8_t bytes[PAYLOAD_MAX];
	static const uint8_t header[20] = { SPORT >> 8, SPORT & 255, DPORT >> 8, DPORT & 255, 0xff,
		0xe3, 0, 0, 0, 0, 0, 0, 0x50 };

	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	memcpy(bytes, header, sizeof(header));
	return bytes;
}

static void append(struct rte_mbuf *m, const void *bytes, uint32_t len)
{
	struct rte_mbuf *seg = rte_pktmbuf_lastseg(m);
	const uint8_t *at = bytes;

	while (len > 0) {
		uint16_t n = (uint16_t)RTE_MIN(len, (uint32_t)rte_pktmbuf_tailroom(seg));

		memcpy(rte_pktmbuf_mtod_offset(seg, uint8_t *, seg->data_len), at, n);
		seg->data_len = (uint16_t)(seg->data_len + n);
		m->pkt_len += n;
		at += n;
		len -= n;
		if (len > 0) {
			seg->next = rte_pktmbuf_alloc(m->pool);
			seg = seg->next;
			REQUIRE(seg != NULL);
			m->nb_segs++;
		}
	}
}

static uint8_t proto_of(const struct piece *piece)
{
	return piece->proto != 0 ? piece->proto : IPPROTO_UDP;
}

static void append_ip4(struct rte_mbuf *m, const struct piece *piece, uint32_t len)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(ip) + len)),
		.packet_id = rte_cpu_to_be_16(piece->id),
		.fragment_offset = rte_cpu_to_be_16(
			(uint16_t)((piece->is_last ? 0 : 0x2000) | piece->first / 8)),
		.time_to_live = 64,
		.next_proto_id = proto_of(piece),
		.src_addr = RTE_BE32(0xc000020a),
		.dst_addr = RTE_BE32(0xc633640a),
	};

	ip.hdr_checksum = (uint16_t)~rte_raw_cksum(&ip, sizeof(ip));
	append(m, &ip, sizeof(ip));
}

static void append_ip6(struct rte_mbuf *m, const struct piece *piece, uint32_t len)
{
	uint32_t payload_len = piece->before_len + 8 + len;
	struct rte_ipv6_hdr ip = {
		.vtc_flow = RTE_BE32(0x60000000),
		.payload_len = rte_cpu_to_be_16((uint16_t)payload_len),
		.proto = piece->before_len > 0 ? piece->before_proto : IPPROTO_FRAGMENT,
		.hop_limits = 64,
		.src_addr = { 0x20, 1, 0xd, 0xb8, [15] = 1 },
		.dst_addr = { 0x20, 1, 0xd, 0xb8, [15] = 2 },
	};
	uint8_t ext[8] = { piece->next != 0 ? piece->next : proto_of(piece), 0,
		(uint8_t)(piece->first >> 8), (uint8_t)((piece->first & 0xf8) | !piece->is_last), 0,
		0, 0, piece->id };

	append(m, &ip, sizeof(ip));
	append(m, piece->before, piece->before_len);
	append(m, ext, sizeof(ext));
}

/* A fragment, parsed; bytes: what it carries, from `first` on. */
static struct rte_mbuf *fragment_new(
	struct dp *dp, bool is_ip6, const struct piece *piece, const uint8_t *bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp->pool);
	struct pkt_meta *meta;
	uint32_t len = piece->end - piece->first;

	REQUIRE(m != NULL);
	append(m, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0", RTE_ETHER_HDR_LEN);
	if (is_ip6)
		append_ip6(m, piece, len);
	else
		append_ip4(m, piece, len);
	append(m, bytes, len);
	meta = pkt_meta(m);
	*meta = (struct pkt_meta){ .in_link = 1,
		.l3_off = RTE_ETHER_HDR_LEN,
		.ethertype = is_ip6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4,
		.l3 = rte_pktmbuf_mtod_offset(m, void *, RTE_ETHER_HDR_LEN) };
	REQUIRE((is_ip6 ? parse_ip6(m, meta) : parse_ip4(m, meta)) == PARSE_OK);
	REQUIRE(meta->flags & PKT_FRAGMENT);
	return m;
}

static void send_bytes(struct dp *dp, bool is_ip6, const struct piece *piece, const uint8_t *bytes)
{
	dp_originate(dp, dp->workers[0], fragment_new(dp, is_ip6, piece, bytes),
		dp_stage_index(dp, "flow_fragment"));
}

static void send_piece(struct dp *dp, bool is_ip6, const struct piece *piece)
{
	send_bytes(dp, is_ip6, piece, payload() + piece->first);
}

/* Orders */

static const struct piece three[] = { { 0, 1480 }, { 1480, 2000 }, { 2000, 3001, true } };
static const unsigned int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 },
	{ 2, 0, 1 }, { 2, 1, 0 } };

/* Behind the first one, and in an order that is as little changed as that allows. */
static void expect_order(const unsigned int *order, bool is_ip6)
{
	uint16_t want[3] = { 0 };
	unsigned int n = 1;

	for (unsigned int i = 0; i < 3; i++)
		if (order[i] != 0)
			want[n++] = three[order[i]].first;
	ck_assert_uint_eq(seen.n, 3);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_uint_eq(seen.pkts[i].first, want[i]);
		ck_assert_uint_eq(seen.pkts[i].meta.ports_be, PORTS);
		ck_assert_uint_eq(seen.pkts[i].meta.proto, IPPROTO_UDP);
		ck_assert_uint_eq(seen.pkts[i].meta.ethertype,
			is_ip6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
		/* When the first one's pass is over its connection is there. */
		ck_assert(i == 0 || seen.pkts[i].pass > seen.pkts[0].pass);
	}
}

static const bool is_ip6_of[] = { false, true };

static const struct {
	bool is_ip6, has_own_pass;
} ways[] = { { false, false }, { false, true }, { true, false }, { true, true } };

START_TEST(all_fragments_reach_track_behind_the_first_in_any_order)
{
	struct dp *dp = lab_create(1);
	bool is_ip6 = ways[_i].is_ip6, has_own_pass = ways[_i].has_own_pass;

	for (unsigned int o = 0; o < RTE_DIM(orders); o++) {
		seen.n = 0;
		for (unsigned int i = 0; i < 3; i++) {
			send_piece(dp, is_ip6, &three[orders[o][i]]);
			if (has_own_pass)
				worker_pass(dp->workers[0]);
		}
		lab_run(dp);
		expect_order(orders[o], is_ip6);
		ck_assert_int_eq(dp->workers[0]->stats.held, 0);
	}
	expect_drops(dp, "none", 0);
	lab_destroy(dp);
}
END_TEST

START_TEST(fragments_wait_for_the_first_and_leave_as_they_came)
{
	struct dp *dp = lab_create(1);
	struct rte_mbuf *m;
	uint32_t sum[3], len[3];

	for (unsigned int i = 3; i-- > 0;) {
		m = fragment_new(dp, is_ip6_of[_i], &three[i], payload() + three[i].first);
		sum[i] = packet_sum(m);
		len[i] = m->pkt_len;
		dp_originate(dp, dp->workers[0], m, dp_stage_index(dp, "flow_fragment"));
		lab_run(dp);
		ck_assert_int_eq(dp->workers[0]->stats.held, i == 0 ? 0 : 3 - i);
	}
	ck_assert_uint_eq(seen.n, 3);
	for (unsigned int i = 0; i < 3; i++) {
		unsigned int k = i == 0 ? 0 : 3 - i; /* the last came before the middle one */

		ck_assert_uint_eq(seen.pkts[i].sum, sum[k]);
		ck_assert_uint_eq(seen.pkts[i].pkt_len, len[k]);
	}
	lab_destroy(dp);
}
END_TEST

START_TEST(datagrams_in_one_pass_do_not_mix)
{
	struct dp *dp = lab_create(1);
	uint8_t bytes[8] = { 0 };

	for (uint8_t id = 0; id < 60; id++)
		send_piece(dp, false, &(struct piece){ 8, 16, true, .id = id });
	lab_run(dp);
	ck_assert_uint_eq(seen.n, 0);
	for (uint8_t id = 60; id-- > 0;) {
		bytes[1] = id;
		bytes[5] = 16;
		send_bytes(dp, false, &(struct piece){ 0, 8, .id = id }, bytes);
	}
	lab_run(dp);
	ck_assert_uint_eq(seen.n, 120);
	for (unsigned int i = 0; i < seen.n; i++)
		ck_assert_uint_eq(seen.pkts[i].meta.ports_be >> 8 & 255, seen.pkts[i].id);
	lab_destroy(dp);
}
END_TEST

START_TEST(namespaces_do_not_share_datagrams)
{
	struct dp *dp = lab_create(1);
	struct rte_mbuf *m;

	for (unsigned int i = 0; i < 2; i++) {
		m = fragment_new(dp, is_ip6_of[_i], &three[i], payload() + three[i].first);
		pkt_meta(m)->ns = (uint16_t)i;
		dp_originate(dp, dp->workers[0], m, dp_stage_index(dp, "flow_fragment"));
	}
	lab_run(dp);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_int_eq(dp->workers[0]->stats.held, 1);
	lab_destroy(dp);
}
END_TEST

/* What is learned */

#define IDENT		 RTE_BE16(0xffe3)
#define KIND(type, code) ((uint32_t)RTE_BE16((type) << 8 | (code)) << 16)

static const struct {
	uint8_t proto;
	bool is_ip6;
	uint32_t ports_be;
	uint8_t icmp_type;
} kinds[] = {
	{ IPPROTO_UDP, false, PORTS },
	{ IPPROTO_TCP, false, PORTS },
	{ IPPROTO_UDPLITE, false, PORTS },
	{ IPPROTO_SCTP, true, PORTS },
	{ IPPROTO_DCCP, true, PORTS },
	{ IPPROTO_TCP, true, PORTS },
	{ IPPROTO_ICMP, false, IDENT | KIND(8, 5), 8 },
	{ IPPROTO_ICMP, false, IDENT | KIND(14, 5), 14 },
	{ IPPROTO_ICMPV6, true, IDENT | KIND(128, 5), 128 },
	/* Errors are of no connection of their own. */
	{ IPPROTO_ICMP, false, KIND(3, 5), 3 },
	{ IPPROTO_ICMPV6, true, KIND(2, 5), 2 },
	/* The other family's ICMP is a protocol like any. */
	{ IPPROTO_ICMP, true, 0, 8 },
	{ IPPROTO_ICMPV6, false, 0, 128 },
	{ IPPROTO_ESP, false, 0 },
	{ IPPROTO_GRE, true, 0 },
};

START_TEST(all_fragments_have_what_the_first_one_says)
{
	struct dp *dp = lab_create(1);
	uint8_t bytes[4096];

	memcpy(bytes, payload(), sizeof(bytes));
	if (kinds[_i].icmp_type != 0) {
		bytes[0] = kinds[_i].icmp_type;
		bytes[1] = 5;
	}
	for (unsigned int i = 3; i-- > 0;) {
		struct piece piece = three[i];

		piece.proto = kinds[_i].proto;
		send_bytes(dp, kinds[_i].is_ip6, &piece, bytes + piece.first);
	}
	lab_run(dp);
	ck_assert_uint_eq(seen.n, 3);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_uint_eq(seen.pkts[i].meta.ports_be, kinds[_i].ports_be);
		ck_assert_uint_eq(seen.pkts[i].meta.proto, kinds[_i].proto);
	}
	lab_destroy(dp);
}
END_TEST

#define OPTS(next) "\x3c\0\x01\x04\0\0\0\0" next "\0\x01\x04\0\0\0\0"
/* Hop-by-hop and destination options, then the fragment header. */
#define CHAIN OPTS("\x2c")

/* RFC 8200 4.5: what the others' fragment headers name does not count. */
START_TEST(rfc8200_extension_headers_may_be_on_both_sides_of_the_fragment_header)
{
	static const struct piece pieces[] = {
		{ 0, 88, .before = CHAIN, .before_len = 16, .next = IPPROTO_DSTOPTS },
		{ 88, 96, .next = IPPROTO_DSTOPTS },
		{ 96, 100, true, .before = CHAIN, .before_len = 16, .next = IPPROTO_ESP },
	};
	uint8_t bytes[88] = { IPPROTO_UDP, 0, 1, 4 };

	memcpy(bytes + 8, payload(), sizeof(bytes) - 8);
	for (unsigned int o = 0; o < RTE_DIM(orders); o++) {
		struct dp *dp = lab_create(1);

		for (unsigned int i = 0; i < 3; i++)
			send_bytes(dp, true, &pieces[orders[o][i]], bytes);
		lab_run(dp);
		ck_assert_uint_eq(seen.n, 3);
		for (unsigned int i = 0; i < 3; i++) {
			ck_assert_uint_eq(seen.pkts[i].meta.ports_be, PORTS);
			ck_assert_uint_eq(seen.pkts[i].meta.proto, IPPROTO_UDP);
		}
		lab_destroy(dp);
	}
}
END_TEST

/* RFC 6946: a fragment header that says "all of it" is no fragment's. */
START_TEST(rfc6946_an_atomic_fragment_header_is_passed_over)
{
	static const char atomic[] = "\x2c\0\0\0\0\0\0\x63";
	struct dp *dp = lab_create(1);

	for (unsigned int i = 3; i-- > 0;) {
		struct piece piece = three[i];

		piece.before = atomic;
		piece.before_len = 8;
		piece.before_proto = IPPROTO_FRAGMENT;
		send_piece(dp, true, &piece);
	}
	lab_run(dp);
	ck_assert_uint_eq(seen.n, 3);
	ck_assert_uint_eq(seen.pkts[1].meta.ports_be, PORTS);
	lab_destroy(dp);
}
END_TEST

/* What is refused */

static const struct {
	const char *name, *reason;
	struct piece pieces[4];
	uint64_t n; /* dropped for it */
	unsigned int n_seen;
	bool is_ip6;
} refused[] = {
	{ "nothing in it", "flow_fragment_bad", { { 8, 8 } }, 1, 0, false },
	{ "nothing in it, IPv6", "flow_fragment_bad", { { 8, 8 } }, 1, 0, true },
	{ "uneven", "flow_fragment_bad", { { 0, 1001 } }, 1, 0, false },
	{ "uneven, IPv6", "flow_fragment_bad", { { 8, 17 } }, 1, 0, true },
	{ "beyond 65,535", "flow_fragment_bad", { { 65512, 65516, true } }, 1, 0, false },
	{ "up to 65,535", "none", { { 65512, 65515, true }, { 0, 8 } }, 0, 2, false },
	{ "beyond 65,535, IPv6", "flow_fragment_bad", { { 65528, 65536, true } }, 1, 0, true },
	{ "up to 65,535, IPv6", "none", { { 65528, 65535, true }, { 0, 8 } }, 0, 2, true },
	{ "beyond 65,535 with headers in front, IPv6", "flow_fragment_bad",
		{ { 65520, 65528, true, .before = CHAIN, .before_len = 16 } }, 1, 0, true },
	{ "half of TCP's header (RFC 1858)", "flow_fragment_tiny",
		{ { 0, 8, .proto = IPPROTO_TCP } }, 1, 0, false },
	{ "flags, but not all of TCP's header (RFC 1858, RFC 3128)", "flow_fragment_tiny",
		{ { 0, 16, .proto = IPPROTO_TCP } }, 1, 0, false },
	{ "half of TCP's header (RFC 7112)", "flow_fragment_tiny",
		{ { 0, 16, .proto = IPPROTO_TCP } }, 1, 0, true },
	{ "all of TCP's header", "none",
		{ { 0, 24, .proto = IPPROTO_TCP }, { 24, 32, true, .proto = IPPROTO_TCP } }, 0, 2,
		false },
	{ "the rest of a tiny first one is not let through", "flow_fragment_tiny",
		{ { 0, 8, .proto = IPPROTO_TCP }, { 8, 40, true, .proto = IPPROTO_TCP } }, 1, 0,
		false },
	{ "TCP's flags once more (RFC 1858, RFC 3128)", "flow_fragment_overlap",
		{ { 0, 24, .proto = IPPROTO_TCP }, { 8, 16, .proto = IPPROTO_TCP } }, 1, 1, false },
	{ "a duplicate", "flow_fragment_duplicate",
		{ { 0, 8 }, { 8, 16 }, { 8, 16 }, { 16, 17, true } }, 1, 3, false },
	{ "a duplicate of one that waits", "flow_fragment_duplicate",
		{ { 8, 16 }, { 8, 16 }, { 0, 8 }, { 16, 17, true } }, 1, 3, true },
	{ "overlap, and what waits goes as well", "flow_fragment_overlap",
		{ { 8, 16 }, { 24, 32 }, { 16, 40 } }, 3, 0, false },
	{ "overlap with what has gone on", "flow_fragment_overlap", { { 0, 16 }, { 8, 16 } }, 1, 1,
		true },
};

START_TEST(what_no_proper_datagram_has_is_dropped_by_name)
{
	struct dp *dp = lab_create(1);

	for (unsigned int i = 0; i < 4 && refused[_i].pieces[i].end > 0; i++) {
		send_piece(dp, refused[_i].is_ip6, &refused[_i].pieces[i]);
		lab_run(dp);
	}
	expect_drops(dp, refused[_i].reason, refused[_i].n);
	ck_assert_uint_eq(seen.n, refused[_i].n_seen);
	lab_destroy(dp);
}
END_TEST

/* RFC 5722: "including those constituent fragments not yet received". */
START_TEST(rfc5722_what_comes_of_a_refused_datagram_later_is_refused_as_well)
{
	struct dp *dp = lab_create(1);

	send_piece(dp, is_ip6_of[_i], &(struct piece){ 8, 16 });
	send_piece(dp, is_ip6_of[_i], &(struct piece){ 8, 24 });
	lab_run(dp);
	expect_drops(dp, "flow_fragment_overlap", 2);
	send_piece(dp, is_ip6_of[_i], &(struct piece){ 0, 8 });
	send_piece(dp, is_ip6_of[_i], &(struct piece){ 24, 25, true });
	lab_run(dp);
	ck_assert_uint_eq(dp_drops(dp, "flow_fragment_refused"), 2);
	ck_assert_uint_eq(seen.n, 0);
	/* Others are not concerned. */
	send_piece(dp, is_ip6_of[_i], &(struct piece){ 0, 8, .id = 1 });
	lab_run(dp);
	ck_assert_uint_eq(seen.n, 1);
	lab_destroy(dp);
}
END_TEST

/* A first fragment whose payload is a fragment of something else has no L4 header anywhere. */
START_TEST(a_fragment_of_a_fragment_is_dropped_by_name)
{
	struct dp *dp = lab_create(1);

	send_bytes(dp, true, &(struct piece){ 0, 16, .next = IPPROTO_FRAGMENT },
		(const uint8_t *)"\x11\0\0\x08\0\0\0\x63\x03\xe8\x07\xd0\0\x08\0\0");
	lab_run(dp);
	expect_drops(dp, "flow_fragment_bad", 1);
	lab_destroy(dp);
}
END_TEST

START_TEST(a_datagram_of_more_than_64_fragments_is_refused)
{
	struct dp *dp = lab_create(1);

	for (uint16_t i = 0; i < 65; i++)
		send_piece(dp, false, &(struct piece){ (uint16_t)(8 + 8 * i), 16u + 8u * i });
	lab_run(dp);
	expect_drops(dp, "flow_fragments_too_many", 65);
	ck_assert_int_eq(dp->workers[0]->stats.held, 0);
	lab_destroy(dp);
}
END_TEST

/* Bounds */

START_TEST(too_many_datagrams_are_refused_by_name)
{
	struct dp *dp = lab_create(1);
	struct rte_mbuf *m;

	for (uint32_t id = 0; id < FLOW_FRAGMENT_DATAGRAMS + 3; id++) {
		m = fragment_new(dp, false, &three[0], payload());
		((struct rte_ipv4_hdr *)pkt_meta(m)->l3)->packet_id = (uint16_t)id;
		dp_originate(dp, dp->workers[0], m, dp_stage_index(dp, "flow_fragment"));
		seen.n = 0;
		worker_pass(dp->workers[0]);
	}
	expect_drops(dp, "flow_fragment_full", 3);
	/* The other family has room of its own, and those that are there are served. */
	send_piece(dp, true, &three[0]);
	send_piece(dp, false, &three[1]);
	lab_run(dp);
	ck_assert_uint_eq(seen.n, 2);
	lab_destroy(dp);
}
END_TEST

START_TEST(what_waits_has_its_share_of_the_buffers)
{
	struct dp *dp = lab_create(2);
	uint64_t share = N_MBUFS / 32 / 2; /* of each of two workers */

	for (uint16_t i = 0; i < share + 5; i++)
		send_piece(dp, is_ip6_of[_i],
			&(struct piece){ (uint16_t)(8 + i % 10 * 8), 16u + i % 10 * 8,
				.id = (uint8_t)(i / 10) });
	lab_run(dp);
	expect_drops(dp, "flow_fragment_full", 5);
	ck_assert_int_eq(dp->workers[0]->stats.held, (int64_t)share);
	send_piece(dp, !is_ip6_of[_i], &three[1]);
	lab_run(dp);
	ck_assert_int_eq(dp->workers[0]->stats.held, (int64_t)share + 1);
	lab_destroy(dp);
}
END_TEST

/* Time, and the end */

START_TEST(what_waits_too_long_is_dropped_for_each_family_by_itself)
{
	struct dp *dp = lab_create(1);
	uint64_t next_ns = 0;

	for (unsigned int i = 1; i < 3; i++) {
		send_piece(dp, false, &three[i]);
		send_piece(dp, true, &three[i]);
	}
	lab_run(dp);
	flow_fragment_tick(dp, 1, &next_ns, 60000, 60000);
	lab_run(dp);
	expect_drops(dp, "none", 0);
	/* Once a second is enough. */
	flow_fragment_tick(dp, next_ns - 1, &next_ns, 0, 60000);
	lab_run(dp);
	expect_drops(dp, "none", 0);
	flow_fragment_tick(
		dp, next_ns, &next_ns, is_ip6_of[_i] ? 60000 : 0, is_ip6_of[_i] ? 0 : 60000);
	lab_run(dp);
	expect_drops(dp, "flow_fragment_timeout", 2);
	ck_assert_int_eq(dp->workers[0]->stats.held, 2);
	/* Too late; the other one is in time. */
	send_piece(dp, false, &three[0]);
	send_piece(dp, true, &three[0]);
	lab_run(dp);
	ck_assert_uint_eq(seen.n, 2 + 2);
	lab_destroy(dp);
}
END_TEST

START_TEST(a_worker_that_holds_nothing_gets_no_mail)
{
	struct dp *dp = lab_create(1);
	uint64_t next_ns = 0;

	flow_fragment_tick(dp, 1, &next_ns, 0, 0);
	ck_assert(rte_ring_empty(dp->workers[0]->mail_in));
	send_piece(dp, is_ip6_of[_i], &three[0]);
	lab_run(dp);
	flow_fragment_tick(dp, next_ns, &next_ns, 0, 0);
	ck_assert(!rte_ring_empty(dp->workers[0]->mail_in));
	lab_run(dp);
	/* What was remembered of it is gone, and no packet was dropped. */
	expect_drops(dp, "none", 0);
	ck_assert(reassembly_is_empty(&flow_fragments(dp->workers[0])->ip4.table));
	ck_assert(reassembly_is_empty(&flow_fragments(dp->workers[0])->ip6.table));
	lab_destroy(dp);
}
END_TEST

START_TEST(what_waits_at_the_end_is_freed)
{
	struct dp *dp = lab_create(1);

	for (uint8_t id = 0; id < 20; id++)
		send_piece(dp, id & 1, &(struct piece){ 8, 9, true, .id = id });
	lab_run(dp);
	ck_assert_int_eq(dp->workers[0]->stats.held, 20);
	lab_destroy(dp); /* leaks nothing, holds nothing */
}
END_TEST

/* Trace */

static const struct {
	const char *want;
	uint8_t exit;
	struct pkt_meta meta;
	uint16_t told; /* 1 and the worker that it goes to */
} formats[] = {
	{ "first fragment, ports 1000 and 2000", 1, { .proto = IPPROTO_UDP, .ports_be = PORTS } },
	{ "later fragment, ports 1000 and 2000", 1,
		{ .proto = IPPROTO_UDP, .ports_be = PORTS, .flags = PKT_FRAGMENT_LATER } },
	{ "later fragment, identifier 1000", 1,
		{ .proto = IPPROTO_ICMP, .ports_be = PORTS, .flags = PKT_FRAGMENT_LATER } },
	{ "waits for the first fragment", STAGE_CONSUMED, { .proto = 0 } },
	{ "goes on in a later pass of worker 1", STAGE_CONSUMED, { .proto = 0 }, 2 },
	{ "", STAGE_DROP, { .proto = 0 } },
};

START_TEST(a_trace_tells_the_ports)
{
	struct trace_record record = {
		.exit = formats[_i].exit, .meta = formats[_i].meta, .extra.arg[0] = formats[_i].told
	};
	char text[80] = "";

	flow_fragment_stage.format(&record, text, sizeof(text));
	ck_assert_str_eq(text, formats[_i].want);
}
END_TEST

PACKET_MAIN("flow_fragment_stage",
	LOOP_TEST(all_fragments_reach_track_behind_the_first_in_any_order, ways),
	LOOP_TEST(fragments_wait_for_the_first_and_leave_as_they_came, is_ip6_of),
	PLAIN_TEST(datagrams_in_one_pass_do_not_mix),
	LOOP_TEST(namespaces_do_not_share_datagrams, is_ip6_of),
	LOOP_TEST(all_fragments_have_what_the_first_one_says, kinds),
	PLAIN_TEST(rfc8200_extension_headers_may_be_on_both_sides_of_the_fragment_header),
	PLAIN_TEST(rfc6946_an_atomic_fragment_header_is_passed_over),
	LOOP_TEST(what_no_proper_datagram_has_is_dropped_by_name, refused),
	LOOP_TEST(rfc5722_what_comes_of_a_refused_datagram_later_is_refused_as_well, is_ip6_of),
	PLAIN_TEST(a_fragment_of_a_fragment_is_dropped_by_name),
	PLAIN_TEST(a_datagram_of_more_than_64_fragments_is_refused),
	PLAIN_TEST(too_many_datagrams_are_refused_by_name),
	LOOP_TEST(what_waits_has_its_share_of_the_buffers, is_ip6_of),
	LOOP_TEST(what_waits_too_long_is_dropped_for_each_family_by_itself, is_ip6_of),
	LOOP_TEST(a_worker_that_holds_nothing_gets_no_mail, is_ip6_of),
	PLAIN_TEST(what_waits_at_the_end_is_freed), LOOP_TEST(a_trace_tells_the_ports, formats))
