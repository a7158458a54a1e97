/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a classifier sees of a frame (lib/qos/view.h): tags, fragments, extension headers; and of each of these frames
 * every beginning, in a buffer that ends with it, so that a sanitizer finds who reads on.
 */
#include "suite.h"

#include "qos/view.h"

#include <netinet/in.h>
#include <string.h>

#define MACS	 "\x02\0\0\0\0\x01\x02\0\0\0\0\x02"
#define IP4(...) "\x08\x00" __VA_ARGS__
/* 10.1.2.3 > 10.4.5.6, TOS 0xb9 (ef, ECT(1)). */
#define IP4_HEADER(len, id_flags, proto)                                                           \
	"\x45\xb9\x00" len "\0\x01" id_flags "\x40" proto "\0\0\x0a\x01\x02\x03\x0a\x04\x05\x06"
#define IP4_OPTIONS                                                                                \
	"\x46\xb9\0\x28\0\x01\0\0\x40\x06\0\0\x0a\x01\x02\x03\x0a\x04\x05\x06\x01\x01\x01\0"
/* 2001:db8::1 > 2001:db8::2, traffic class 0xb9. */
#define IP6_HEADER(next)                                                                           \
	"\x6b\x90\0\0\0\x40" next                                                                  \
	"\x40\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
/* 4660 > 22, SYN and ACK */
#define TCP_HEADER "\x12\x34\0\x16\0\0\0\0\0\0\0\0\x50\x12\0\0\0\0\0\0"
#define UDP_HEADER "\x12\x34\0\x35\0\x08\0\0"

static const struct {
	const char *name, *bytes;
	size_t len;
	uint8_t pcp, family, proto;
	uint16_t sport, dport, icmp;
	uint8_t tcp_flags;
	bool is_fragment;
	/* How many bytes there have to be for its parts to be seen; 0: never is. */
	uint32_t pcp_at, ip_at, proto_at, l4_at;
} frames[] = {
#define FRAME(name, bytes, ...)                                                                    \
	{                                                                                          \
		(name), (bytes), sizeof(bytes) - 1, __VA_ARGS__                                    \
	}
	FRAME("tcp", MACS IP4(IP4_HEADER("\x28", "\0\0", "\x06") TCP_HEADER), .family = AF_INET,
		.proto = IPPROTO_TCP, .sport = 4660, .dport = 22, .tcp_flags = 0x12, .ip_at = 34,
		.proto_at = 34, .l4_at = 48),
	FRAME("udp", MACS IP4(IP4_HEADER("\x1c", "\0\0", "\x11") UDP_HEADER), .family = AF_INET,
		.proto = IPPROTO_UDP, .sport = 4660, .dport = 53, .ip_at = 34, .proto_at = 34,
		.l4_at = 38),
	FRAME("icmp", MACS IP4(IP4_HEADER("\x1c", "\0\0", "\x01") "\x03\x04\0\0\0\0\0\0"),
		.family = AF_INET, .proto = IPPROTO_ICMP, .icmp = 0x304, .ip_at = 34,
		.proto_at = 34, .l4_at = 38),
	FRAME("options", MACS IP4(IP4_OPTIONS TCP_HEADER), .family = AF_INET, .proto = IPPROTO_TCP,
		.sport = 4660, .dport = 22, .tcp_flags = 0x12, .ip_at = 34, .proto_at = 34,
		.l4_at = 52),
	FRAME("esp", MACS IP4(IP4_HEADER("\x1c", "\0\0", "\x32") UDP_HEADER), .family = AF_INET,
		.proto = IPPROTO_ESP, .ip_at = 34, .proto_at = 34),
	FRAME("first fragment", MACS IP4(IP4_HEADER("\x1c", "\x20\0", "\x11") UDP_HEADER),
		.family = AF_INET, .proto = IPPROTO_UDP, .sport = 4660, .dport = 53,
		.is_fragment = true, .ip_at = 34, .proto_at = 34, .l4_at = 38),
	FRAME("later fragment", MACS IP4(IP4_HEADER("\x1c", "\0\x02", "\x11") UDP_HEADER),
		.family = AF_INET, .proto = IPPROTO_UDP, .is_fragment = true, .ip_at = 34,
		.proto_at = 34),
	/* What follows the end of the packet is padding, not its header. */
	FRAME("padded", MACS IP4(IP4_HEADER("\x14", "\0\0", "\x11") UDP_HEADER), .family = AF_INET,
		.proto = IPPROTO_UDP, .ip_at = 34, .proto_at = 34),
	FRAME("version 5",
		MACS IP4("\x55\xb9\0\x1c\0\x01\0\0\x40\x11\0\0\x0a\x01\x02\x03\x0a\x04\x05"
			 "\x06" UDP_HEADER),
		.family = 0),
	FRAME("header of 16 bytes",
		MACS IP4("\x44\xb9\0\x1c\0\x01\0\0\x40\x11\0\0\x0a\x01\x02\x03\x0a\x04\x05"
			 "\x06" UDP_HEADER),
		.family = 0),
	FRAME("tag", MACS "\x81\0\xa0\x64" IP4(IP4_HEADER("\x1c", "\0\0", "\x11") UDP_HEADER),
		.pcp = 5, .family = AF_INET, .proto = IPPROTO_UDP, .sport = 4660, .dport = 53,
		.pcp_at = 18, .ip_at = 38, .proto_at = 38, .l4_at = 42),
	FRAME("two tags",
		MACS
		"\x88\xa8\xe0\x64\x81\0\x20\x07" IP4(IP4_HEADER("\x1c", "\0\0", "\x11") UDP_HEADER),
		.pcp = 7, .family = AF_INET, .proto = IPPROTO_UDP, .sport = 4660, .dport = 53,
		.pcp_at = 18, .ip_at = 42, .proto_at = 42, .l4_at = 46),
	FRAME("five tags",
		MACS "\x81\0\x20\x01\x81\0\x40\x01\x81\0\x60\x01\x81\0\x80\x01\x81\0\xa0\x01" IP4(
			IP4_HEADER("\x1c", "\0\0", "\x11") UDP_HEADER),
		.pcp = 1, .pcp_at = 18),
	FRAME("arp", MACS "\x08\x06\0\x01\x08\0\x06\x04\0\x01", .family = 0),
	FRAME("tcp6", MACS "\x86\xdd" IP6_HEADER("\x06") TCP_HEADER, .family = AF_INET6,
		.proto = IPPROTO_TCP, .sport = 4660, .dport = 22, .tcp_flags = 0x12, .ip_at = 54,
		.proto_at = 54, .l4_at = 68),
	FRAME("hop-by-hop and destination options",
		MACS
		"\x86\xdd" IP6_HEADER("\0") "\x3c\0\x01\x04\0\0\0\0"
					    "\x11\x01\x01\x0c\0\0\0\0\0\0\0\0\0\0\0\0" UDP_HEADER,
		.family = AF_INET6, .proto = IPPROTO_UDP, .sport = 4660, .dport = 53, .ip_at = 54,
		.proto_at = 70, .l4_at = 82),
	FRAME("first fragment of IPv6",
		MACS "\x86\xdd" IP6_HEADER("\x2c") "\x11\0\0\x01\0\0\0\x07" UDP_HEADER,
		.family = AF_INET6, .proto = IPPROTO_UDP, .sport = 4660, .dport = 53,
		.is_fragment = true, .ip_at = 54, .proto_at = 62, .l4_at = 66),
	FRAME("later fragment of IPv6",
		MACS "\x86\xdd" IP6_HEADER("\x2c") "\x11\0\0\x08\0\0\0\x07" UDP_HEADER,
		.family = AF_INET6, .proto = IPPROTO_UDP, .is_fragment = true, .ip_at = 54,
		.proto_at = 62),
	FRAME("version 4 in IPv6",
		MACS
		"\x86\xdd"
		"\x4b\x90\0\0\0\x40\x11"
		"\x40\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0"
		"\0\0\x02" UDP_HEADER,
		.family = 0),
	FRAME("icmpv6", MACS "\x86\xdd" IP6_HEADER("\x3a") "\x80\x01\0\0\0\0\0\0",
		.family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp = 0x8001, .ip_at = 54,
		.proto_at = 54, .l4_at = 58),
};

/* A packet of these bytes and no room behind them. */
static struct rte_mbuf packet_of(const void *bytes, size_t len, void **buffer)
{
	*buffer = malloc(len + (len == 0));
	memcpy(*buffer, bytes, len);
	return (struct rte_mbuf){
		.buf_addr = *buffer,
		.data_len = (uint16_t)len,
		.pkt_len = (uint32_t)len,
		.nb_segs = 1,
	};
}

static void check_view(unsigned int i, uint32_t len, enum qos_depth depth)
{
	void *buffer;
	struct rte_mbuf m = packet_of(frames[i].bytes, len, &buffer);
	bool has_pcp = frames[i].pcp_at != 0 && len >= frames[i].pcp_at;
	bool has_ip = frames[i].ip_at != 0 && len >= frames[i].ip_at;
	bool has_l4 = depth == QOS_VIEW_ALL && frames[i].l4_at != 0 && len >= frames[i].l4_at;
	struct qos_view view;

	memset(&view, 0xa5, sizeof(view));
	qos_view(&m, depth, &view);
	ck_assert_msg(view.pcp == (has_pcp ? frames[i].pcp : 0), "%s, %u: pcp %u", frames[i].name,
		len, view.pcp);
	ck_assert_msg(view.key.family == (has_ip ? frames[i].family : 0), "%s, %u: family %u",
		frames[i].name, len, view.key.family);
	ck_assert_uint_eq(view.tos, has_ip ? 0xb9 : 0);
	ck_assert_uint_eq(view.key.dscp, has_ip ? 46 : 0);
	ck_assert_msg(view.key.has_l4 == has_l4, "%s, %u: has_l4 %u", frames[i].name, len,
		view.key.has_l4);
	if (has_l4) {
		ck_assert_uint_eq(view.key.sport, frames[i].sport);
		ck_assert_uint_eq(view.key.dport, frames[i].dport);
		ck_assert_uint_eq(view.key.icmp, frames[i].icmp);
		ck_assert_uint_eq(view.key.tcp_flags, frames[i].tcp_flags);
	}
	if (depth == QOS_VIEW_ALL && has_ip && len >= frames[i].proto_at) {
		ck_assert_msg(view.key.proto == frames[i].proto, "%s, %u: proto %u", frames[i].name,
			len, view.key.proto);
		ck_assert_msg(view.is_fragment == frames[i].is_fragment, "%s, %u: is_fragment %u",
			frames[i].name, len, view.is_fragment);
	}
	free(buffer);
}

START_TEST(every_beginning_of_a_frame_is_seen_as_far_as_it_goes)
{
	for (uint32_t len = 0; len <= frames[_i].len; len++) {
		check_view((unsigned int)_i, len, QOS_VIEW_ALL);
		check_view((unsigned int)_i, len, QOS_VIEW_TOS);
	}
}
END_TEST

START_TEST(addresses_are_those_of_the_header)
{
	static const uint8_t src[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	static const uint8_t dst[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 2 };

	for (unsigned int i = 0; i < RTE_DIM(frames); i++) {
		struct qos_view view;
		void *buffer;
		struct rte_mbuf m = packet_of(frames[i].bytes, frames[i].len, &buffer);

		qos_view(&m, QOS_VIEW_ALL, &view);
		if (frames[i].family == AF_INET) {
			ck_assert_uint_eq(view.key.src.v4, 0x0a010203);
			ck_assert_uint_eq(view.key.dst.v4, 0x0a040506);
		} else if (frames[i].family == AF_INET6) {
			ck_assert_mem_eq(view.key.src.v6, src, sizeof(src));
			ck_assert_mem_eq(view.key.dst.v6, dst, sizeof(dst));
		}
		free(buffer);
	}
}
END_TEST

/* What a NIC or the stage l2 has taken off counts, unless there is a tag in the frame: that is further out. */
START_TEST(the_priority_of_a_tag_that_was_taken_off_is_known)
{
	static const struct {
		unsigned int frame;
		uint64_t flags;
		uint8_t want;
	} rows[] = { { 0, RTE_MBUF_F_RX_VLAN, 6 }, { 0, 0, 0 }, { 10, RTE_MBUF_F_RX_VLAN, 5 } };

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct qos_view view;
		void *buffer;
		struct rte_mbuf m =
			packet_of(frames[rows[i].frame].bytes, frames[rows[i].frame].len, &buffer);

		m.ol_flags = rows[i].flags;
		m.vlan_tci = 0xd007;
		qos_view(&m, QOS_VIEW_TOS, &view);
		ck_assert_uint_eq(view.pcp, rows[i].want);
		free(buffer);
	}
}
END_TEST

/* Any bytes at all: nothing is read that is not there. */
START_TEST(random_bytes_do_no_harm)
{
	static const uint8_t types[][2] = { { 0x08, 0 }, { 0x86, 0xdd }, { 0x81, 0 },
		{ 0x88, 0xa8 } };
	uint32_t seed = 1;

	for (unsigned int i = 0; i < 200000; i++) {
		uint8_t bytes[120];
		struct qos_view view;
		struct rte_mbuf m;
		void *buffer;
		size_t len;

		for (unsigned int k = 0; k < sizeof(bytes); k++) {
			seed = seed * 1103515245 + 12345;
			bytes[k] = (uint8_t)(seed >> 16) & ((seed >> 28 & 3) != 0 ? 0x3c : 0xff);
		}
		memcpy(bytes + 12, types[seed >> 16 & 3], 2);
		memcpy(bytes + 16, types[seed >> 18 & 3], 2);
		bytes[14] = types[seed >> 16 & 3][0] == 0x08 ? 0x45 : 0x60;
		len = (seed >> 20) % sizeof(bytes);
		m = packet_of(bytes, len, &buffer);
		qos_view(&m, QOS_VIEW_ALL, &view);
		ck_assert(view.key.family == 0 || len >= 34);
		free(buffer);
	}
}
END_TEST

SUITE_MAIN("view", LOOP_TEST(every_beginning_of_a_frame_is_seen_as_far_as_it_goes, frames),
	PLAIN_TEST(addresses_are_those_of_the_header),
	PLAIN_TEST(the_priority_of_a_tag_that_was_taken_off_is_known),
	PLAIN_TEST(random_bytes_do_no_harm))
