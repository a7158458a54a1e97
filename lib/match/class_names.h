/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Names of traffic classes as numbers, so that packets can carry them: who gives packets a class (firewall rules) and
 * who has classes (qdiscs) mean the same by the same name. A number is never taken back. Any thread.
 */
#include <stdbool.h>
#include <stdint.h>

enum { CLASS_NONE = 0, CLASS_NAMES_MAX = 65535 };

/* CLASS_NONE: there are too many names already. */
uint16_t class_number(const char *name);
/* The number of a name that somebody has asked for before; CLASS_NONE: nobody has. */
uint16_t class_find(const char *name);

/* Somebody gives packets classes: until then nobody need ask which one a packet has. */
void class_use(void);
bool class_is_used(void);
