/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/schema; nobody else includes this. */
#include "schema/schema.h"

/* A walk over all fields of an object, base fields first, then its extensions. */
struct field_at {
	const struct field *field;    /* type FIELD_END: the walk is over */
	const struct object_ext *ext; /* extensions still to come */
	size_t base;		      /* of the struct that field->offset counts in */
	unsigned int index;	      /* bit in object_head.given */
};

struct field_at field_first(const struct object *object);
struct field_at field_next(struct field_at at);
struct field_at field_find(const struct object *object, const char *name);

/* Size of one item of a list. */
size_t field_item_size(const struct field *field);
