/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Prefixes in open hash tables with linear probing (rib.h). Control thread; no DPDK.
 *
 * Longest match goes through the lengths that exist, from long to short, one exact look-up each:
 * the control plane does that once per change, and a trie of a million nodes would cost more memory
 * and as many cache misses, one after the other. Here the slots of some lengths are asked for at
 * once before the first is looked at.
 *
 * The table is split into parts by hash, each of which doubles by itself: the longest pause is that
 * of one part, 1/256 of what doubling a single table would take. A slot keeps 32 bits of the hash,
 * so that probing and doubling hardly ever look at the nodes.
 */
#include "fib/rib.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

enum { PART_SHIFT = 56, PART_MIN = 8, N_PROBES = 8 };

_Static_assert(RIB_PARTS == 1 << (64 - PART_SHIFT), "chosen by the upper bits of a hash");

_Static_assert(sizeof(struct ip_prefix) == 24, "hashed as three words, compared as a whole");

struct rib_slot {
	struct rib_node *node; /* NULL: empty */
	uint32_t hash;
};

struct rib_part {
	struct rib_slot *slots;
	uint32_t n, n_slots; /* a power of two, or 0 */
};

static uint64_t mix(uint64_t x)
{
	/* The finalizer of SplitMix64 (Steele, Lea, Flood 2014). */
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t prefix_hash(const struct ip_prefix *prefix)
{
	uint64_t words[3];

	memcpy(words, prefix, sizeof(words));
	return mix(mix(mix(words[0]) + words[1]) + words[2]);
}

static size_t *len_count(struct rib *rib, const struct ip_prefix *prefix)
{
	return &rib->n_by_len[prefix->addr.family == AF_INET6][prefix->len];
}

void rib_init(struct rib *rib)
{
	*rib = (struct rib){ .parts = mem_zalloc(RIB_PARTS * sizeof(*rib->parts)) };
}

void rib_fini(struct rib *rib)
{
	for (unsigned int i = 0; rib->parts != NULL && i < RIB_PARTS; i++)
		free(rib->parts[i].slots);
	free(rib->parts);
	*rib = (struct rib){ 0 };
}

size_t rib_size(const struct rib *rib)
{
	size_t size = RIB_PARTS * sizeof(*rib->parts);

	for (unsigned int i = 0; i < RIB_PARTS; i++)
		size += rib->parts[i].n_slots * sizeof(*rib->parts[i].slots);
	return size;
}

/* The slot of a prefix, or the empty one where it would go. The part has an empty slot. */
static uint32_t part_find(
	const struct rib_part *part, uint32_t hash, const struct ip_prefix *prefix)
{
	uint32_t mask = part->n_slots - 1;
	uint32_t i = hash & mask;

	while (part->slots[i].node != NULL) {
		if (part->slots[i].hash == hash &&
			memcmp(&part->slots[i].node->prefix, prefix, sizeof(*prefix)) == 0)
			break;
		i = (i + 1) & mask;
	}
	return i;
}

static int part_grow(struct rib_part *part)
{
	uint32_t n_slots = part->n_slots == 0 ? PART_MIN : 2 * part->n_slots;
	struct rib_slot *slots = calloc(n_slots, sizeof(*slots));

	if (slots == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < part->n_slots; i++) {
		uint32_t to = part->slots[i].hash & (n_slots - 1);

		if (part->slots[i].node == NULL)
			continue;
		while (slots[to].node != NULL)
			to = (to + 1) & (n_slots - 1);
		slots[to] = part->slots[i];
	}
	free(part->slots);
	part->slots = slots;
	part->n_slots = n_slots;
	return 0;
}

int rib_insert(struct rib *rib, struct rib_node *node)
{
	uint64_t hash = prefix_hash(&node->prefix);
	struct rib_part *part = &rib->parts[hash >> PART_SHIFT];
	uint32_t i;

	/* At most three quarters full: probes stay short. */
	if (part->n >= part->n_slots / 4 * 3 && part_grow(part) < 0)
		return -ENOMEM;
	i = part_find(part, (uint32_t)hash, &node->prefix);
	if (part->slots[i].node != NULL)
		return -EEXIST;
	part->slots[i] = (struct rib_slot){ .node = node, .hash = (uint32_t)hash };
	part->n++;
	rib->n_nodes++;
	(*len_count(rib, &node->prefix))++;
	return 0;
}

/* Closes the gap at slot i: whoever would be missed by a probe that ends there moves up. */
static void part_close_gap(struct rib_part *part, uint32_t i)
{
	uint32_t mask = part->n_slots - 1;

	for (uint32_t j = (i + 1) & mask; part->slots[j].node != NULL; j = (j + 1) & mask) {
		uint32_t home = part->slots[j].hash & mask;

		if (((j - home) & mask) < ((j - i) & mask))
			continue;
		part->slots[i] = part->slots[j];
		i = j;
	}
	part->slots[i].node = NULL;
}

void rib_remove(struct rib *rib, const struct rib_node *node)
{
	uint64_t hash = prefix_hash(&node->prefix);
	struct rib_part *part = &rib->parts[hash >> PART_SHIFT];

	part_close_gap(part, part_find(part, (uint32_t)hash, &node->prefix));
	part->n--;
	rib->n_nodes--;
	(*len_count(rib, &node->prefix))--;
}

struct rib_node *rib_lookup(const struct rib *rib, const struct ip_prefix *prefix)
{
	uint64_t hash = prefix_hash(prefix);
	const struct rib_part *part = &rib->parts[hash >> PART_SHIFT];

	if (part->n == 0)
		return NULL;
	return part->slots[part_find(part, (uint32_t)hash, prefix)].node;
}

/* A look-up whose cache line is on its way. */
struct probe {
	struct ip_prefix prefix;
	const struct rib_part *part;
	uint32_t hash;
};

/* Begins the look-ups of the next lengths that exist, from *len down; how many. */
static unsigned int probes_begin(const struct rib *rib, const struct ip_addr *addr, int *len,
	struct probe probes[static N_PROBES])
{
	const size_t *n_by_len = rib->n_by_len[addr->family == AF_INET6];
	unsigned int n = 0;

	for (; *len >= 0 && n < N_PROBES; --*len) {
		struct ip_prefix prefix = { .addr = *addr, .len = (uint8_t)*len };
		struct probe *probe = &probes[n];
		uint64_t hash;

		if (n_by_len[*len] == 0)
			continue;
		probe->prefix = ip_prefix_network(&prefix);
		hash = prefix_hash(&probe->prefix);
		probe->part = &rib->parts[hash >> PART_SHIFT];
		probe->hash = (uint32_t)hash;
		if (probe->part->n == 0)
			continue;
		__builtin_prefetch(&probe->part->slots[probe->hash & (probe->part->n_slots - 1)]);
		n++;
	}
	return n;
}

/* The longest prefix of at most max_len bits that covers addr. */
static struct rib_node *rib_covering(const struct rib *rib, const struct ip_addr *addr, int max_len)
{
	struct probe probes[N_PROBES];
	unsigned int n;

	do {
		n = probes_begin(rib, addr, &max_len, probes);
		for (unsigned int i = 0; i < n; i++) {
			const struct rib_part *part = probes[i].part;
			uint32_t at = part_find(part, probes[i].hash, &probes[i].prefix);

			if (part->slots[at].node != NULL)
				return part->slots[at].node;
		}
	} while (n > 0);
	return NULL;
}

struct rib_node *rib_parent(const struct rib *rib, const struct ip_prefix *prefix)
{
	return rib_covering(rib, &prefix->addr, prefix->len - 1);
}

struct rib_node *rib_match(const struct rib *rib, const struct ip_addr *addr)
{
	return rib_covering(rib, addr, ip_family_bits(addr->family));
}

struct rib_node *rib_next(const struct rib *rib, size_t *cursor)
{
	/* The part in the upper half, the slot in the lower. */
	for (size_t p = *cursor >> 32, i = *cursor & UINT32_MAX; p < RIB_PARTS; p++, i = 0) {
		const struct rib_part *part = &rib->parts[p];

		for (; i < part->n_slots; i++) {
			if (part->slots[i].node == NULL)
				continue;
			*cursor = p << 32 | (i + 1);
			return part->slots[i].node;
		}
	}
	return NULL;
}

void rib_part_each(const struct rib *rib, unsigned int part,
	void (*fn)(struct rib_node *node, void *ctx), void *ctx)
{
	const struct rib_part *p = &rib->parts[part];

	for (uint32_t i = 0; i < p->n_slots; i++)
		if (p->slots[i].node != NULL)
			fn(p->slots[i].node, ctx);
}
