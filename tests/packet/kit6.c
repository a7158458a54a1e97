/* SPDX-License-Identifier: BSD-3-Clause */

/* What the tests of IPv6 share. See kit6.h. */
#include "kit6.h"

const char router6_config[] =
	"memory: { hugepages = \"off\"; };\n"
	"sysctl: { addrconf: { dad_transmits = 0; }; ipv6: { icmp: { ratelimit = 0; }; }; };\n"
	"links = (\n"
	"  { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"
	"    addresses = [ \"192.0.2.1/24\", \"" LAN6 "/64\" ]; },\n"
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"
	"    addresses = [ \"" WAN6 "/64\" ]; },\n"
	"  { name = \"dmz\"; device = \"net_ring_p2\"; mac = \"" DMZ_MAC "\";\n"
	"    addresses = [ \"2001:db8:3::1/64\" ]; }\n"
	");\n"
	"neighbors = (\n"
	"  { to = \"" HOST6 "\"; lladdr = \"" HOST_MAC "\"; dev = \"lan\"; },\n"
	"  { to = \"" HOST6_LINK "\"; lladdr = \"" HOST_MAC "\"; dev = \"lan\"; },\n"
	"  { to = \"" PEER6 "\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; },\n"
	"  { to = \"2001:db8:3::10\"; lladdr = \"" DMZ_HOST "\"; dev = \"dmz\"; }\n"
	");\n"
	"routes = (\n"
	"  { to = \"::/0\"; via = \"" PEER6 "\"; },\n"
	"  { to = \"2001:db8:f::/48\"; via = \"2001:db8:3::10\"; }\n"
	");\n";

static void put_ip6(uint8_t *to, const char *text)
{
	struct ip_addr addr;

	REQUIRE(ip_addr_parse(text, &addr) == 0 && addr.family == AF_INET6);
	memcpy(to, addr.bytes, sizeof(addr.bytes));
}

static void put_mac(struct rte_ether_addr *to, const char *text)
{
	struct mac_addr mac;

	REQUIRE(mac_addr_parse(text, &mac) == 0);
	memcpy(to->addr_bytes, mac.bytes, sizeof(to->addr_bytes));
}

/* Ethernet and IPv6; the payload's length comes later. */
static void put_headers(struct frame *frame, const char *src_mac, const char *dst_mac,
	const char *src, const char *dst, uint8_t proto, uint8_t hop_limit)
{
	struct rte_ether_hdr *ether = frame_ether(frame);
	struct rte_ipv6_hdr *ip = frame_ip6_hdr(frame);

	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = RTE_BE32(0x60000000), .proto = proto, .hop_limits = hop_limit
	};
	put_ip6(ip->src_addr, src);
	put_ip6(ip->dst_addr, dst);
	put_mac(&ether->src_addr, src_mac != NULL ? src_mac : HOST_MAC);
	put_mac(&ether->dst_addr, dst_mac != NULL ? dst_mac : LAN_MAC);
	if (dst_mac == NULL && ip->dst_addr[0] == 0xff) {
		memcpy(ether->dst_addr.addr_bytes, "\x33\x33", 2);
		memcpy(ether->dst_addr.addr_bytes + 2, ip->dst_addr + 12, 4);
	}
	ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
}

/* RFC 8200 8.1, by rte_ipv6_phdr_cksum() on a header of its own. */
static uint16_t l4_checksum(
	const struct rte_ipv6_hdr *ip, const void *l4, uint16_t len, uint8_t proto)
{
	struct rte_ipv6_hdr pseudo = *ip;
	uint32_t sum;

	pseudo.payload_len = rte_cpu_to_be_16(len);
	pseudo.proto = proto;
	sum = (uint32_t)rte_ipv6_phdr_cksum(&pseudo, 0) + rte_raw_cksum(l4, len);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

/* Writes the L4 header, without its checksum, and returns its length. */
static uint16_t put_l4(const struct ip6_spec *spec, uint8_t proto, uint8_t *at)
{
	uint16_t sport = rte_cpu_to_be_16(spec->sport != 0 ? spec->sport : 1000);
	uint16_t dport = rte_cpu_to_be_16(spec->dport != 0 ? spec->dport : 2000);

	switch (proto) {
	case IPPROTO_UDP:
		*(struct rte_udp_hdr *)at = (struct rte_udp_hdr){ sport, dport,
			rte_cpu_to_be_16((uint16_t)(8 + spec->payload_len)), 0 };
		return sizeof(struct rte_udp_hdr);
	case IPPROTO_TCP:
		*(struct rte_tcp_hdr *)at = (struct rte_tcp_hdr){ .src_port = sport,
			.dst_port = dport,
			.data_off = 0x50,
			.tcp_flags = RTE_TCP_SYN_FLAG,
			.rx_win = 0xffff };
		return sizeof(struct rte_tcp_hdr);
	case IPPROTO_ICMPV6:
		*(struct rte_icmp_hdr *)at = (struct rte_icmp_hdr){ .icmp_type = spec->icmp_type,
			.icmp_code = spec->icmp_code,
			.icmp_ident = sport,
			.icmp_seq_nb = dport };
		return sizeof(struct rte_icmp_hdr);
	default:
		return 0;
	}
}

static void put_checksum(struct frame *frame, uint8_t *l4, uint16_t len, uint8_t proto)
{
	struct rte_ipv6_hdr *ip = frame_ip6_hdr(frame);
	unsigned int at = proto == IPPROTO_UDP ? 6 : proto == IPPROTO_TCP ? 16 : 2;
	uint16_t sum;

	if (proto != IPPROTO_UDP && proto != IPPROTO_TCP && proto != IPPROTO_ICMPV6)
		return;
	memset(l4 + at, 0, 2);
	sum = l4_checksum(ip, l4, len, proto);
	memcpy(l4 + at, &sum, 2);
}

void frame_ip6(struct frame *frame, const struct ip6_spec *spec)
{
	struct rte_ipv6_hdr *ip = frame_ip6_hdr(frame);
	uint8_t proto = spec->proto != 0 ? spec->proto : IPPROTO_UDP;
	uint8_t *l4 = (uint8_t *)(ip + 1) + spec->ext_len;
	uint16_t len;

	put_headers(frame, spec->src_mac, spec->dst_mac, spec->src != NULL ? spec->src : HOST6,
		spec->dst != NULL ? spec->dst : FAR6, spec->ext_len > 0 ? spec->ext_proto : proto,
		spec->hop_limit != 0 ? spec->hop_limit : 64);
	if (spec->ext_len > 0)
		memcpy(ip + 1, spec->ext, spec->ext_len);
	len = put_l4(spec, proto, l4);
	for (uint16_t i = 0; i < spec->payload_len; i++)
		l4[len + i] = (uint8_t)i;
	len += spec->payload_len;
	ip->payload_len = rte_cpu_to_be_16((uint16_t)(spec->ext_len + len));
	frame->len = (uint32_t)(RTE_ETHER_HDR_LEN + sizeof(*ip)) + spec->ext_len + len;
	put_checksum(frame, l4, len, proto);
}

void frame_fix_ip6(struct frame *frame)
{
	struct rte_ipv6_hdr *ip = frame_ip6_hdr(frame);

	put_checksum(frame, (uint8_t *)(ip + 1), rte_be_to_cpu_16(ip->payload_len), ip->proto);
}

void frame_nd(struct frame *frame, const struct nd_spec *spec)
{
	struct rte_ipv6_hdr *ip = frame_ip6_hdr(frame);
	uint8_t *message = (uint8_t *)(ip + 1);
	uint8_t type = spec->type != 0 ? spec->type : ND_NEIGHBOR_SOLICIT;
	char group[IP_ADDR_TEXT_MAX];
	struct rte_ether_addr mac;
	uint8_t target[16];
	uint16_t len = 24;

	put_ip6(target, spec->target);
	snprintf(group, sizeof(group), "ff02::1:ff%02x:%02x%02x", target[13], target[14],
		target[15]);
	put_headers(frame, spec->src_mac, spec->dst_mac, spec->src != NULL ? spec->src : HOST6,
		spec->dst != NULL ? spec->dst : group, IPPROTO_ICMPV6,
		spec->hop_limit != 0 ? spec->hop_limit : 255);
	memset(message, 0, 8);
	message[0] = type;
	message[4] = spec->flags;
	memcpy(message + 8, target, sizeof(target));
	if (spec->lladdr != NULL) {
		put_mac(&mac, spec->lladdr);
		message[24] = type == ND_NEIGHBOR_ADVERT ? 2 : 1;
		message[25] = 1;
		memcpy(message + 26, &mac, sizeof(mac));
		len += 8;
	}
	ip->payload_len = rte_cpu_to_be_16(len);
	frame->len = (uint32_t)(RTE_ETHER_HDR_LEN + sizeof(*ip)) + len;
	frame_fix_ip6(frame);
}

void frame_forward6(struct frame *frame, const char *src_mac, const char *dst_mac)
{
	put_mac(&frame_ether(frame)->src_addr, src_mac);
	put_mac(&frame_ether(frame)->dst_addr, dst_mac);
	frame_ip6_hdr(frame)->hop_limits--;
	frame->len = RTE_ETHER_HDR_LEN + (uint32_t)sizeof(struct rte_ipv6_hdr) +
		     rte_be_to_cpu_16(frame_ip6_hdr(frame)->payload_len);
}

static const char *text_of(const uint8_t *bytes)
{
	static char text[4][IP_ADDR_TEXT_MAX];
	static unsigned int i;
	struct ip_addr addr = ip_addr_v6(bytes);

	i = (i + 1) % 4;
	return ip_addr_text(&addr, text[i]);
}

const char *frame_src6(struct frame *frame)
{
	return text_of(frame_ip6_hdr(frame)->src_addr);
}

const char *frame_dst6(struct frame *frame)
{
	return text_of(frame_ip6_hdr(frame)->dst_addr);
}

void frame_check_icmp6(
	struct frame *frame, const char *src, const char *dst, uint8_t type, uint8_t code)
{
	struct rte_ipv6_hdr *ip = frame_ip6_hdr(frame);
	uint16_t len = rte_be_to_cpu_16(ip->payload_len);
	struct frame_icmp6 *icmp = frame_icmp6(frame);
	uint16_t got;

	REQUIRE(frame_ether(frame)->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6));
	REQUIRE(ip->proto == IPPROTO_ICMPV6 && ip->vtc_flow == RTE_BE32(0x60000000));
	REQUIRE(frame->len == RTE_ETHER_HDR_LEN + sizeof(*ip) + len);
	REQUIRE_MSG(icmp->type == type && icmp->code == code,
		"ICMPv6 type %u code %u instead of %u, %u", icmp->type, icmp->code, type, code);
	ck_assert_str_eq(frame_src6(frame), src);
	ck_assert_str_eq(frame_dst6(frame), dst);
	got = icmp->checksum;
	icmp->checksum = 0;
	REQUIRE(got == l4_checksum(ip, icmp, len, IPPROTO_ICMPV6));
	icmp->checksum = got;
}
