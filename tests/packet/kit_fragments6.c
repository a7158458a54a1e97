/* SPDX-License-Identifier: BSD-3-Clause */

/* IPv6 in fragments. See kit_fragments6.h. */
#include "kit_fragments6.h"

#include "base/mem.h"

struct bench *bench6_start(const char *more)
{
	char *config = mem_printf("%s%s", router6_config, more);
	struct bench *b = bench_start(config);

	free(config);
	return b;
}

void bench_set_mtu(struct bench *b, const char *dev, unsigned int mtu)
{
	char *params = mem_printf("{\"dev\": \"%s\", \"mtu\": %u}", dev, mtu);

	json_decref(bench_call(b, "link.set", params));
	free(params);
}

int64_t bench_held(const struct bench *b)
{
	return b->dp->workers[0]->stats.held;
}

/* RFC 8200 8.1, over an ICMPv6 message between these. 0: it is right. */
uint16_t icmp6_sum(const char *src, const char *dst, const void *message, uint32_t len)
{
	struct rte_ipv6_hdr ip = { .payload_len = rte_cpu_to_be_16((uint16_t)len),
		.proto = IPPROTO_ICMPV6 };
	struct ip_addr addr;
	uint32_t sum;

	REQUIRE(ip_addr_parse(src, &addr) == 0);
	memcpy(ip.src_addr, addr.bytes, sizeof(ip.src_addr));
	REQUIRE(ip_addr_parse(dst, &addr) == 0);
	memcpy(ip.dst_addr, addr.bytes, sizeof(ip.dst_addr));
	sum = (uint32_t)rte_ipv6_phdr_cksum(&ip, 0) + rte_raw_cksum(message, len);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

/* An echo request of len bytes from src to dst, behind n bytes of extension headers. */
struct datagram6 *datagram6_request_between(
	const char *src, const char *dst, const char *headers, uint32_t n, uint32_t len)
{
	struct datagram6 *d = mem_zalloc(sizeof(*d));
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)(d->bytes + n);

	for (uint32_t i = 0; i < len; i++)
		d->bytes[n + i] = (uint8_t)(i * 7 + i / 256);
	memcpy(d->bytes, headers, n);
	*icmp = (struct rte_icmp_hdr){
		.icmp_type = ICMP6_ECHO_REQUEST, .icmp_ident = 1, .icmp_seq_nb = 2
	};
	icmp->icmp_cksum = icmp6_sum(src, dst, icmp, len);
	d->len = n + len;
	return d;
}

struct datagram6 *datagram6_request(uint32_t len)
{
	return datagram6_request_between(HOST6, LAN6, "", 0, len);
}

void frame_piece6(struct frame *frame, const struct datagram6 *d, const struct piece6 *piece)
{
	uint16_t len = (uint16_t)(piece->end - piece->first);
	uint8_t ext[64];
	uint8_t *at = ext + piece->before_len;

	if (piece->before_len > 0)
		memcpy(ext, piece->before, piece->before_len);
	memset(at, 0, 8);
	at[0] = piece->next != 0 ? piece->next : IPPROTO_ICMPV6;
	at[2] = (uint8_t)(piece->first >> 8);
	at[3] = (uint8_t)((piece->first & 0xf8) | !piece->is_last);
	at[7] = piece->id;
	frame_ip6(frame,
		&(struct ip6_spec){ .src = piece->src,
			.dst = piece->dst != NULL ? piece->dst : LAN6,
			.proto = 253,
			.ext = ext,
			.ext_len = (uint16_t)(piece->before_len + 8),
			.ext_proto = piece->before_len > 0 ? piece->before_proto : IPPROTO_FRAGMENT,
			.payload_len = len });
	memcpy(frame->bytes + frame->len - len, d->bytes + piece->first, len);
}

void piece6_send(struct bench *b, const struct datagram6 *d, const struct piece6 *piece)
{
	struct frame frame;

	frame_piece6(&frame, d, piece);
	if (piece->port == WAN)
		memcpy(&frame_ether(&frame)->dst_addr, "\x02\0\0\0\0\x02", 6);
	bench_send_segs(b, piece->port, &frame, piece->seg_len != 0 ? piece->seg_len : 2048);
	bench_run(b);
}

/* All of it, in pieces of step bytes. */
void datagram6_send(
	struct bench *b, const struct datagram6 *d, const struct piece6 *like, uint32_t step)
{
	for (uint32_t first = 0; first < d->len; first += step) {
		struct piece6 piece = *like;

		piece.first = first;
		piece.end = RTE_MIN(first + step, d->len);
		piece.is_last = piece.end == d->len;
		piece6_send(b, d, &piece);
	}
}

/* One frame of an answer: whole, or a fragment that is no larger than it may be. */
static void datagram_take(struct datagram6 *d, struct frame *frame, uint16_t mtu)
{
	const struct rte_ipv6_hdr *ip = frame_ip6_hdr(frame);
	const uint8_t *payload = (const uint8_t *)(ip + 1);
	uint32_t len = rte_be_to_cpu_16(ip->payload_len), first = 0;
	bool is_last = true;

	REQUIRE(frame->len == RTE_ETHER_HDR_LEN + sizeof(*ip) + len);
	if (ip->proto == IPPROTO_FRAGMENT) {
		uint16_t field = (uint16_t)(payload[2] << 8 | payload[3]);

		REQUIRE(payload[0] == IPPROTO_ICMPV6 && payload[1] == 0 && !(field & 6));
		REQUIRE(sizeof(*ip) + len <= RTE_MIN(mtu, (uint16_t)CUT6_MTU));
		first = field & RTE_IPV6_EHDR_FO_MASK;
		is_last = !(field & RTE_IPV6_EHDR_MF_MASK);
		REQUIRE(d->n == 0 || memcmp(&d->id_be, payload + 4, 4) == 0);
		memcpy(&d->id_be, payload + 4, 4);
		payload += 8;
		len -= 8;
		REQUIRE(len > 0 && (is_last || len % 8 == 0));
	} else {
		REQUIRE(ip->proto == IPPROTO_ICMPV6 && sizeof(*ip) + len <= mtu);
	}
	REQUIRE(first + len <= sizeof(d->bytes));
	memcpy(d->bytes + first, payload, len);
	d->have += len;
	d->n++;
	if (is_last)
		d->len = first + len;
	snprintf(d->src, sizeof(d->src), "%s", frame_src6(frame));
	snprintf(d->dst, sizeof(d->dst), "%s", frame_dst6(frame));
	d->hop_limit = ip->hop_limits;
}

/* What came out of the port must be the reply to the request, n bytes of headers not among it. */
struct datagram6 *datagram6_reply(struct bench *b, unsigned int port,
	const struct datagram6 *request, uint32_t n, uint16_t mtu)
{
	struct datagram6 *reply = mem_zalloc(sizeof(*reply));
	struct frame frame;

	while (bench_receive(b, port, &frame))
		datagram_take(reply, &frame, mtu);
	ck_assert_uint_gt(reply->n, 0);
	ck_assert_uint_eq(reply->len, request->len - n);
	ck_assert_uint_eq(reply->have, reply->len);
	ck_assert_uint_eq(reply->hop_limit, 64);
	ck_assert_uint_eq(reply->bytes[0], ICMP6_ECHO_REPLY);
	ck_assert_uint_eq(icmp6_sum(reply->src, reply->dst, reply->bytes, reply->len), 0);
	ck_assert_mem_eq(reply->bytes + 4, request->bytes + n + 4, reply->len - 4);
	return reply;
}

void datagram6_expect_reply(struct bench *b, const struct datagram6 *request)
{
	struct datagram6 *reply = datagram6_reply(b, LAN, request, 0, 1500);

	ck_assert_str_eq(reply->src, LAN6);
	ck_assert_str_eq(reply->dst, HOST6);
	ck_assert_int_eq(bench_held(b), 0);
	free(reply);
}

/* In the order of a permutation of n pieces, numbered from 0 to n! - 1. */
void datagram6_send_permuted(struct bench *b, const struct datagram6 *d,
	const struct piece6 *pieces, unsigned int n, unsigned int permutation)
{
	unsigned int left[8], n_left = n;

	for (unsigned int i = 0; i < n; i++)
		left[i] = i;
	while (n_left > 0) {
		unsigned int k = permutation % n_left;

		permutation /= n_left;
		piece6_send(b, d, &pieces[left[k]]);
		left[k] = left[--n_left];
	}
}
