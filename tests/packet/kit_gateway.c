/* SPDX-License-Identifier: BSD-3-Clause */

#include "kit_gateway.h"

#include "flow/flow_walk.h"

const char gateway_config[] =
	"sysctl: { addrconf: { dad_transmits = 0; }; conntrack: { max = 4096; }; };\n"
	"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"
	"    addresses = [ \"192.0.2.1/24\", \"" LAN6 "/64\" ]; },\n"
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"
	"    addresses = [ \"198.51.100.1/24\", \"" WAN6 "/64\" ]; } );\n"
	"neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" HOST_MAC "\"; dev = \"lan\"; },\n"
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );\n"
	"routes = ( { to = \"10.0.0.0/8\"; via = \"192.0.2.10\"; },\n"
	"  { to = \"default\"; via = \"198.51.100.10\"; } );\n"
	"firewall: { forward: { policy = \"drop\"; rules = ( { in = \"lan\"; action = \"accept\"; "
	"} ); };\n"
	"  postrouting: { rules = ( { out = \"wan\"; action = \"masquerade\"; } ); }; };\n";

static const char *host(unsigned int i)
{
	static char text[32];

	snprintf(text, sizeof(text), "10.%u.7.%u", i % 5, 10 + i);
	return text;
}

void gateway_send(struct bench *b, unsigned int i, uint8_t proto, uint16_t payload_len)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = HOST_MAC,
				  .src = host(i),
				  .dst = "8.8.8.8",
				  .proto = proto,
				  .sport = 4000,
				  .dport = 53,
				  .icmp_type = 8,
				  .payload_len = payload_len });
	bench_send(b, LAN, &frame);
}

void gateway_answer(struct frame *frame)
{
	struct rte_ipv4_hdr *ip = frame_ip(frame);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)frame_l4(frame);
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)udp;
	uint32_t addr = ip->src_addr;
	uint16_t port = udp->src_port;

	ip->src_addr = ip->dst_addr;
	ip->dst_addr = addr;
	frame_ether(frame)->src_addr = frame_ether(frame)->dst_addr;
	rte_ether_unformat_addr(WAN_MAC, &frame_ether(frame)->dst_addr);
	if (ip->next_proto_id == IPPROTO_ICMP) {
		icmp->icmp_type = 0;
		icmp->icmp_cksum = (uint16_t)(icmp->icmp_cksum + RTE_BE16(0x0800) +
					      (icmp->icmp_cksum + RTE_BE16(0x0800) > UINT16_MAX));
	} else {
		udp->src_port = udp->dst_port;
		udp->dst_port = port;
	}
}

void gateway_complain(struct frame *error, const struct frame *about)
{
	const struct rte_ipv4_hdr *failed =
		(const struct rte_ipv4_hdr *)(about->bytes + RTE_ETHER_HDR_LEN);
	struct rte_icmp_hdr *icmp;
	char to[32];

	snprintf(to, sizeof(to), "198.51.100.1");
	frame_ip4(error, &(struct ip4_spec){ .src_mac = PEER_MAC,
				 .dst_mac = WAN_MAC,
				 .src = "198.51.100.10",
				 .dst = to,
				 .proto = IPPROTO_ICMP,
				 .icmp_type = 11,
				 .payload_len = 28 });
	icmp = (struct rte_icmp_hdr *)frame_l4(error);
	memcpy(icmp + 1, failed, 28);
	icmp->icmp_ident = icmp->icmp_seq_nb = 0;
	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, sizeof(*icmp) + 28);
}

unsigned int gateway_count(struct bench *b, uint8_t proto)
{
	unsigned int n = 0;
	struct frame got;

	while (bench_receive(b, LAN, &got)) {
		frame_check_ip4(&got);
		ck_assert_uint_eq(
			frame_ip(&got)->dst_addr & RTE_BE32(0xff000000), RTE_BE32(0x0a000000));
		ck_assert_uint_eq(frame_ip(&got)->next_proto_id, proto);
		n++;
	}
	return n;
}

void move_bucket(struct bench *b, unsigned int bucket, unsigned int to)
{
	char params[64];

	snprintf(params, sizeof(params), "{\"bucket\": %u, \"worker\": %u}", bucket, to);
	json_decref(bench_call_only(b, "worker.rebalance", params));
}

static void list_slice(struct flow_walk *walk)
{
}

void list_sum(struct bench *b, unsigned int worker, unsigned int *n, unsigned int *n_packets,
	unsigned int *n_of_worker)
{
	struct flow_filter any;
	struct flow_walk *walk;

	flow_filter_init(&any);
	*n = *n_packets = *n_of_worker = 0;
	walk = flow_walk_create(b->dp, &any, list_slice, NULL);
	while (flow_walk_step(walk)) {
		bench_run(b);
		for (unsigned int i = 0; i < walk->n; i++) {
			const struct flow_info *info = &walk->rows[i];

			*n += 1;
			*n_packets += (unsigned int)(info->packets[0] + info->packets[1]);
			*n_of_worker += info->worker == worker;
		}
	}
	flow_walk_destroy(walk);
}
