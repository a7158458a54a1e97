/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Tunables. Modules contribute groups of fields (struct sysctl_group); values lie in the module's
 * control state, scalars only, and are read by workers as single loads. Control thread writes.
 */
#include "dp/dp.h"

/* Puts every group's defaults in place. Once, in dp_create(). */
int sysctl_init(struct dp *dp);

/* The section `sysctl: { GROUP: { ... } }` over all modules' groups; heap. */
struct section *sysctl_section_create(struct module *const *modules);
void sysctl_section_destroy(struct section *section);

extern struct module sysctl_module;
