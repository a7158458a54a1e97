/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * class_names.h: one table for all of the process, under a mutex, since rules are compiled in a thread of their own.
 * Open addressing, by a hash of the name; it only grows.
 */
#include "match/class_names.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { SLOTS = 1 << 17 };
static_assert((int)SLOTS > (int)CLASS_NAMES_MAX, "there is always an empty slot");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char **names; /* by number */
static uint16_t *slots;
static uint32_t n_names;

static uint32_t name_hash(const char *name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash % SLOTS;
}

static uint16_t find_or_add(const char *name, bool may_add)
{
	uint32_t at = name_hash(name);

	if (slots == NULL && !may_add)
		return CLASS_NONE;
	if (slots == NULL) {
		slots = mem_zalloc(SLOTS * sizeof(*slots));
		names = mem_zalloc((CLASS_NAMES_MAX + 1) * sizeof(*names));
	}
	for (; slots[at] != 0; at = (at + 1) % SLOTS)
		if (strcmp(names[slots[at]], name) == 0)
			return slots[at];
	if (!may_add || n_names == CLASS_NAMES_MAX)
		return CLASS_NONE;
	slots[at] = (uint16_t)++n_names;
	names[n_names] = mem_strdup(name);
	return slots[at];
}

static uint16_t locked_find(const char *name, bool may_add)
{
	uint16_t number;

	pthread_mutex_lock(&lock);
	number = find_or_add(name, may_add);
	pthread_mutex_unlock(&lock);
	return number;
}

static bool is_used; /* relaxed: it orders nothing else */

void class_use(void)
{
	__atomic_store_n(&is_used, true, __ATOMIC_RELAXED);
}

bool class_is_used(void)
{
	return __atomic_load_n(&is_used, __ATOMIC_RELAXED);
}

uint16_t class_number(const char *name)
{
	return locked_find(name, true);
}

uint16_t class_find(const char *name)
{
	return locked_find(name, false);
}
