/* SPDX-License-Identifier: BSD-3-Clause */

/* The table of prefixes (lib/fib/rib.h), checked against plain arrays and linear search. */
#include "fib/rib.h"

#include <arpa/inet.h>
#include <errno.h>

#include "suite.h"

enum { N_MODEL = 2000, N_STEPS = 12000, N_MANY = 300000 };

static uint64_t random_state = 88172645463325252u;

static uint32_t random_u32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static struct ip_prefix prefix_of(const char *text)
{
	struct ip_prefix prefix;

	ck_assert_int_eq(ip_prefix_parse(text, &prefix), 0);
	return prefix;
}

/* Few enough different ones that they cover each other, of both families. */
static struct ip_prefix prefix_random(void)
{
	struct ip_prefix prefix = { 0 };

	if (random_u32() % 2) {
		prefix.addr = ip_addr_v4(htonl(0x0a000000 | (random_u32() & 0x00030303)));
		prefix.len = (uint8_t)(random_u32() % 33);
	} else {
		prefix.addr.family = AF_INET6;
		prefix.addr.words[0] = htonl(0x20010db8);
		prefix.addr.words[1] = htonl(random_u32() & 0x03030003);
		prefix.addr.words[3] = htonl(random_u32() & 3);
		prefix.len = (uint8_t)(random_u32() % 129);
	}
	return ip_prefix_network(&prefix);
}

static struct rib_node *model_lookup(struct rib_node **model, const struct ip_prefix *prefix)
{
	for (unsigned int i = 0; i < N_MODEL; i++)
		if (model[i] != NULL && memcmp(&model[i]->prefix, prefix, sizeof(*prefix)) == 0)
			return model[i];
	return NULL;
}

static struct rib_node *model_cover(
	struct rib_node **model, const struct ip_addr *addr, int max_len)
{
	struct rib_node *best = NULL;

	for (unsigned int i = 0; i < N_MODEL; i++) {
		struct rib_node *node = model[i];

		if (node != NULL && node->prefix.len <= max_len &&
			ip_prefix_contains(&node->prefix, addr) &&
			(best == NULL || node->prefix.len > best->prefix.len))
			best = node;
	}
	return best;
}

/* Puts the prefix into a free place of table and model, or takes what is in that place out. */
static void step_random(struct rib *rib, struct rib_node **model)
{
	struct ip_prefix prefix = prefix_random();
	unsigned int place = random_u32() % N_MODEL;
	struct rib_node *node;

	if (model[place] != NULL) {
		rib_remove(rib, model[place]);
		free(model[place]);
		model[place] = NULL;
		return;
	}
	node = malloc(sizeof(*node));
	node->prefix = prefix;
	if (model_lookup(model, &prefix) != NULL) {
		ck_assert_int_eq(rib_insert(rib, node), -EEXIST);
		free(node);
		return;
	}
	ck_assert_int_eq(rib_insert(rib, node), 0);
	model[place] = node;
}

START_TEST(random_changes_agree_with_linear_search)
{
	static struct rib_node *model[N_MODEL];
	struct rib rib;

	rib_init(&rib);
	for (unsigned int i = 0; i < N_STEPS; i++) {
		struct ip_prefix prefix = prefix_random();

		step_random(&rib, model);
		ck_assert_ptr_eq(rib_lookup(&rib, &prefix), model_lookup(model, &prefix));
		ck_assert_ptr_eq(rib_parent(&rib, &prefix),
			model_cover(model, &prefix.addr, prefix.len - 1));
		ck_assert_ptr_eq(
			rib_match(&rib, &prefix.addr), model_cover(model, &prefix.addr, 128));
	}
	for (unsigned int i = 0; i < N_MODEL; i++) {
		if (model[i] != NULL)
			rib_remove(&rib, model[i]);
		free(model[i]);
	}
	ck_assert_uint_eq(rib.n_nodes, 0);
	rib_fini(&rib);
}
END_TEST

START_TEST(many_prefixes_are_all_found_and_walked_once)
{
	struct rib_node *nodes = calloc(N_MANY, sizeof(*nodes));
	struct rib rib;
	size_t cursor = 0, n = 0;

	rib_init(&rib);
	for (unsigned int i = 0; i < N_MANY; i++) {
		nodes[i].prefix.addr = ip_addr_v4(htonl(i << 8));
		nodes[i].prefix.len = 24;
		ck_assert_int_eq(rib_insert(&rib, &nodes[i]), 0);
	}
	ck_assert_uint_eq(rib.n_nodes, N_MANY);
	for (unsigned int i = 0; i < N_MANY; i++)
		ck_assert_ptr_eq(rib_lookup(&rib, &nodes[i].prefix), &nodes[i]);
	for (struct rib_node *node; (node = rib_next(&rib, &cursor)) != NULL; n++) {
		ck_assert_uint_eq(node->prefix.len, 24);
		node->prefix.pad[0] = 1; /* visited; not looked up any more */
	}
	ck_assert_uint_eq(n, N_MANY);
	for (unsigned int i = 0; i < N_MANY; i++)
		ck_assert_uint_eq(nodes[i].prefix.pad[0], 1);
	rib_fini(&rib);
	free(nodes);
}
END_TEST

START_TEST(families_do_not_meet_at_their_defaults)
{
	struct rib_node v4 = { .prefix = prefix_of("default") };
	struct rib_node v6 = { .prefix = prefix_of("::/0") };
	struct ip_prefix in_v4 = prefix_of("192.0.2.0/24"), in_v6 = prefix_of("2001:db8::/32");
	struct rib rib;

	rib_init(&rib);
	ck_assert_ptr_null(rib_match(&rib, &in_v4.addr));
	ck_assert_int_eq(rib_insert(&rib, &v6), 0);
	ck_assert_ptr_null(rib_parent(&rib, &in_v4));
	ck_assert_int_eq(rib_insert(&rib, &v4), 0);
	ck_assert_ptr_eq(rib_parent(&rib, &in_v4), &v4);
	ck_assert_ptr_eq(rib_match(&rib, &in_v6.addr), &v6);
	ck_assert_ptr_null(rib_parent(&rib, &v4.prefix));
	rib_fini(&rib);
}
END_TEST

SUITE_MAIN("rib", PLAIN_TEST(random_changes_agree_with_linear_search),
	PLAIN_TEST(many_prefixes_are_all_found_and_walked_once),
	PLAIN_TEST(families_do_not_meet_at_their_defaults))
