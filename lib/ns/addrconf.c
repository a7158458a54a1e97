/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The address that every link gives itself (RFC 4862 5.3, RFC 4291 2.5.6): fe80::/64 with the
 * modified EUI-64 of its MAC address. It follows that address and stays for the life of the link.
 * Whether an address is somebody else's already is found out by lib/neigh. Control thread.
 */
#include "ns/ns_priv.h"

static const struct field_enum gen_modes[] = {
	{ "eui64", ADDR_GEN_EUI64, "fe80::/64 with the EUI-64 of the link's MAC address" },
	{ "none", ADDR_GEN_NONE, "no address but those given" },
	{ NULL },
};

static const struct field addrconf_fields[] = {
	{ .name = "addr_gen_mode",
		.type = FIELD_ENUM,
		.offset = offsetof(struct ns_addrconf, addr_gen_mode),
		.def = "eui64",
		.enums = gen_modes,
		.help = "the link-local address that a link gives itself when it is made" },
	{ .name = "dad_transmits",
		.type = FIELD_INT,
		.flags = FIELD_RUNTIME,
		.offset = offsetof(struct ns_addrconf, dad_transmits),
		.min = 0,
		.max = 100,
		.def = "1",
		.help = "probes for an IPv6 address before it is used; 0: it is used at once" },
	{ .type = FIELD_END },
};

static const struct object addrconf_object = {
	.name = "addrconf",
	.help = "IPv6 addresses of links",
	.size = sizeof(struct ns_addrconf),
	.fields = addrconf_fields,
};

const struct sysctl_group ns_sysctls[] = {
	{ .name = "addrconf",
		.object = &addrconf_object,
		.offset = offsetof(struct ns_state, addrconf) },
	{ .name = NULL },
};

const struct ns_addrconf *ns_addrconf(const struct dp *dp)
{
	const struct ns_state *state = dp_slot(dp, &ns_module);

	return &state->addrconf;
}

/* RFC 4291 appendix A: the MAC address with ff:fe in its middle and the universal bit turned. */
static struct ip_prefix link_local_of(const struct mac_addr *mac)
{
	const uint8_t *b = mac->bytes;
	const uint8_t bytes[16] = { 0xfe, 0x80, [8] = b[0] ^ 2, b[1], b[2], 0xff, 0xfe, b[3], b[4],
		b[5] };

	return (struct ip_prefix){ .addr = ip_addr_v6(bytes), .len = 64 };
}

struct generated {
	struct ip_prefix prefix;
	bool is_there;
};

static void find_generated(const struct ns_addr *addr, void *ctx)
{
	struct generated *generated = ctx;

	if (!(addr->flags & NS_ADDR_GENERATED))
		return;
	generated->prefix = addr->prefix;
	generated->is_there = true;
}

void ns_addrconf_link(struct dp *dp, struct link *link, bool is_new)
{
	struct ip_prefix want = link_local_of(&link->mac);
	struct generated old = { 0 };

	ns_addr_each_kept(dp, link->ifindex, find_generated, &old);
	/* Deleted by hand it stays away. */
	if (is_new ? ns_addrconf(dp)->addr_gen_mode == ADDR_GEN_NONE : !old.is_there)
		return;
	if (old.is_there && ip_addr_is_equal(&old.prefix.addr, &want.addr))
		return;
	if (old.is_there)
		ns_addr_del(dp, link, &old.prefix);
	ns_addr_insert(dp, link, &want, NS_ADDR_GENERATED); /* -EEXIST: also given by hand */
}
