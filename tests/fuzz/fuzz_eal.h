/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * EAL for targets whose bench lives as long as they do: what only its memory points to is no leak. The sanitizer does
 * not know of that memory.
 */
#include <rte_memory.h>
#include <sanitizer/lsan_interface.h>

#include "harness.h"

static int fuzz_register_memory(const struct rte_memseg_list *list, void *ctx)
{
	(void)ctx;
	__lsan_register_root_region(list->base_va, list->len);
	return 0;
}

static void fuzz_init_eal(void)
{
	bench_init_eal();
	rte_memseg_list_walk(fuzz_register_memory, NULL);
}
