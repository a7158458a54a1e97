/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What users see of NAT: the command `nat show`. Rules are lib/firewall's; what is added here is how much of
 * their addresses is in use. Control thread.
 */
#include "nat/nat_priv.h"

static const char *const kind_names[] = {
	[NAT_MASQUERADE] = "masquerade",
	[NAT_SNAT] = "snat",
	[NAT_DNAT] = "dnat",
	[NAT_REDIRECT] = "redirect",
};

static const char *const hook_names[HOOK_N] = {
	[HOOK_PREROUTING] = "prerouting",
	[HOOK_INPUT] = "input",
	[HOOK_FORWARD] = "forward",
	[HOOK_OUTPUT] = "output",
	[HOOK_POSTROUTING] = "postrouting",
};

struct listing {
	const struct dp *dp;
	const struct nat_state *state;
	json_t *rows;
};

/* One of the addresses that connections are translated to, with the live ones by protocol. */
static json_t *address_row(const struct nat_use *use)
{
	struct ip_addr addr = { .family = use->family };
	json_int_t exhausted = 0;
	char text[IP_ADDR_TEXT_MAX];
	json_t *row;

	memcpy(addr.bytes, use->addr.bytes, sizeof(addr.bytes));
	row = json_pack("{s:s}", "address", ip_addr_text(&addr, text));
	for (unsigned int i = 0; i < NAT_N_PROTOS; i++) {
		json_object_set_new(row, nat_proto_names[i], json_integer(use->n[i]));
		exhausted += (json_int_t)use->exhausted[i];
	}
	json_object_set_new(row, "exhausted", json_integer(exhausted));
	return row;
}

static void list_rule(const struct firewall_nat_rule *rule, void *ctx)
{
	const struct firewall_nat *nat = rule->nat;
	json_int_t mappings = 0, exhausted = 0;
	struct listing *listing = ctx;
	json_t *addresses = json_array();

	for (unsigned int i = 0; i < NAT_USE_ROWS; i++) {
		const struct nat_use *use = &listing->state->sums.rows[i];

		if (!nat_use_is_of(listing->dp, use, nat))
			continue;
		for (unsigned int proto = 0; proto < NAT_N_PROTOS; proto++) {
			mappings += use->n[proto];
			exhausted += (json_int_t)use->exhausted[proto];
		}
		json_array_append_new(addresses, address_row(use));
	}
	json_array_append_new(
		listing->rows, json_pack("{s:s, s:i, s:s*, s:s, s:s*, s:I, s:I, s:I, s:o}", "hook",
				       hook_names[nat->hook], "index", nat->rule, "name",
				       rule->name, "kind", kind_names[nat->kind], "to", rule->to,
				       "connections", (json_int_t)rule->connections, "mappings",
				       mappings, "exhausted", exhausted, "addresses", addresses));
}

static int nat_show(struct call *call, const void *args)
{
	struct dp *dp = call->ctx;
	struct nat_state *state = dp_slot(dp, &nat_module);
	struct listing listing = { .dp = dp, .state = state, .rows = json_array() };

	nat_use_sum(dp, state);
	firewall_each_nat(dp, NS_DEFAULT, list_rule, &listing);
	call->result = listing.rows;
	return 0;
}

static const struct column nat_columns[] = {
	{ "hook", "HOOK" },
	{ "index", "INDEX" },
	{ "name", "NAME" },
	{ "kind", "KIND" },
	{ "to", "TO" },
	{ "connections", "CONNECTIONS" },
	{ "mappings", "MAPPINGS" },
	{ "exhausted", "EXHAUSTED" },
	{ "addresses.address", "ADDRESSES", true },
	{ "addresses.tcp", "TCP", true },
	{ "addresses.udp", "UDP", true },
	{ "addresses.icmp", "ICMP", true },
	{ 0 },
};

const struct command nat_commands[] = {
	{ .object = "nat",
		.verb = "show",
		.help = "rules that translate, the new connections that they have decided, and the "
			"live ones on the addresses that they may use",
		.columns = nat_columns,
		.run = nat_show,
		.is_read_only = true },
	{ 0 },
};
