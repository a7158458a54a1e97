/* SPDX-License-Identifier: BSD-3-Clause */

/* What the tests of bonds share. See kit_bond.h. */
#include "kit_bond.h"

#include <rte_ethdev.h>
#include <stdlib.h>

#include "base/mem.h"

#define PORT(n)                                                                                    \
	"{ name = \"m" n "\"; device = \"net_ring_p" n "\"; mac = \"" MEMBER_MAC n "\"; },\n"

static char *bond_config(const struct bond_spec *spec)
{
	return mem_printf(
		"links = (\n" PORT("0") PORT("1") PORT("2") PORT(
			"3") "{ name = \"wan\"; device = \"net_ring_p4\"; mac = \"" WAN_MAC "\";\n"
			     "  addresses = [ \"198.51.100.1/24\" ]; },\n"
			     "{ name = \"bond0\"; type = \"bond\"; %s\n"
			     "  addresses = [ \"192.0.2.1/24\" ]; }%s );\n"
			     "neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" HOST_MAC
			     "\"; dev = \"bond0\"; },\n"
			     "  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC
			     "\"; dev = \"wan\"; } );\n"
			     "routes = ( { to = \"default\"; via = \"198.51.100.10\"; },\n"
			     "  { to = \"10.0.0.0/8\"; via = \"192.0.2.10\"; } );\n%s",
		spec->settings, spec->links != NULL ? spec->links : "",
		spec->sections != NULL ? spec->sections : "");
}

struct bench *bond_start(const struct bond_spec *spec)
{
	char *config = bond_config(spec);
	struct bench *b = bench_create(config, RTE_MAX(spec->n_workers, 1u), 16384);

	free(config);
	bench_advance(b, 10);
	bench_discard(b);
	return b;
}

void bond_carrier(struct bench *b, unsigned int port, bool is_up)
{
	REQUIRE((is_up ? rte_eth_dev_set_link_up(b->ports[port])
		       : rte_eth_dev_set_link_down(b->ports[port])) == 0);
}

void bond_set(struct bench *b, const char *dev, const char *state)
{
	char *params = mem_printf("{\"dev\": \"%s\", \"state\": \"%s\"}", dev, state);

	json_decref(bench_call(b, "link.set", params));
	free(params);
}

void bond_packet(struct frame *frame, const char *dst, uint16_t sport)
{
	frame_ip4(frame, &(struct ip4_spec){ .src_mac = PEER_MAC,
				 .dst_mac = WAN_MAC,
				 .src = "198.51.100.10",
				 .dst = dst,
				 .sport = sport,
				 .payload_len = 64 });
}

unsigned int bond_leaves_by(struct bench *b, const struct frame *frame, struct frame *got)
{
	unsigned int by = N_MEMBERS;

	bench_push(b, UPLINK, frame);
	for (unsigned int i = 0; i < N_MEMBERS; i++) {
		if (!bench_receive(b, i, got))
			continue;
		REQUIRE_MSG(by == N_MEMBERS, "a frame left by two members");
		by = i;
	}
	REQUIRE_MSG(by < N_MEMBERS, "a frame left by no member");
	bench_expect_nothing(b);
	return by;
}

bool bond_receives(struct bench *b, unsigned int member)
{
	struct frame frame, want;

	frame_ip4(&frame, &(struct ip4_spec){ .dst_mac = BOND_MAC,
				  .src = "192.0.2.10",
				  .dst = "8.8.8.8",
				  .payload_len = 64 });
	want = frame;
	frame_forward(&want, WAN_MAC, PEER_MAC);
	bench_push(b, member, &frame);
	if (rte_ring_empty(b->tx[UPLINK]))
		return false;
	bench_expect_bytes(b, UPLINK, &want);
	bench_expect_nothing(b);
	return true;
}

const char *bond_link_text(struct bench *b, const char *dev, const char *path)
{
	static char text[128];
	char *params = mem_printf("{\"dev\": \"%s\"}", dev), *at = mem_printf("0.%s", path);
	json_t *links = bench_call(b, "link.show", params);

	snprintf(text, sizeof(text), "%s", json_text_at(links, at));
	json_decref(links);
	free(params);
	free(at);
	return text;
}

json_t *bond_row(struct bench *b)
{
	json_t *rows = bench_call(b, "bond.show", "{\"dev\": \"bond0\"}");
	json_t *row = json_incref(json_at(rows, "0"));

	json_decref(rows);
	return row;
}

int64_t bond_n_active(struct bench *b)
{
	json_t *row = bond_row(b);
	int64_t n = json_int_at(row, "n_active");

	json_decref(row);
	return n;
}
