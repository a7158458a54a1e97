/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * One table per object: a row of struct field for each setting gives the libconfig reader, the
 * validator, JSON in and out, command line arguments, `config show` and the reference page.
 * Control thread only (the tables themselves are constant).
 *
 * A decoded object is a C struct whose first member is struct object_head. Modules of higher
 * floors may add fields to an object of a lower one (struct object_ext): their values live in a
 * struct of their own behind the object's.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/diag.h"
#include "schema/node.h"

enum field_type {
	FIELD_END = 0, /* closes a table */
	FIELD_BOOL,    /* bool. On a command line: the bare name means true */
	FIELD_INT,     /* int64_t, min..max. Also accepted as a string of digits or 0x hex digits */
	FIELD_STRING, /* char *, heap, NULL when not given; at most max bytes (0: 255), no control characters */
	FIELD_ENUM,   /* int, one of .enums. On a command line: the bare word, unless FIELD_NAMED */
	FIELD_ADDR,   /* struct ip_addr */
	FIELD_PREFIX, /* struct ip_prefix, host bits kept */
	FIELD_MAC,    /* struct mac_addr */
	FIELD_TIME,   /* uint64_t ns, min..max in ns */
	FIELD_SIZE,   /* uint64_t bytes, min..max */
	FIELD_RATE,   /* uint64_t bit/s, min..max */
	FIELD_SET, /* struct number_set, text as "1-3,5"; may be empty where that is not the default */
	FIELD_GROUP,   /* an embedded struct described by .object */
	FIELD_LIST,    /* struct field_list of .object structs, or of scalars of type .item */
	FIELD_REST,    /* char *: all remaining words of a command line, joined by spaces */
	FIELD_PENDING, /* in the contract, not yet in weir: refused with an error that says so */
};

enum field_flag {
	FIELD_REQUIRED = 1 << 0,
	FIELD_POSITIONAL =
		1 << 1,		/* on a command line the keyword may be left out; in table order */
	FIELD_NAMED = 1 << 2,	/* enum that needs its keyword on a command line */
	FIELD_NO_SHOW = 1 << 3, /* left out of schema_to_json() */
	FIELD_RUNTIME = 1 << 4, /* may be changed while running (sysctl, link set) */
	FIELD_FILE = 1 << 5,	/* a file's name: on a command line it counts from where one is */
	FIELD_DIGITS = 1 << 6,	/* text that may be a number: an integer is taken as its digits */
	FIELD_SWITCH = 1 << 7,	/* text that may be true or false as well */
	FIELD_SHORT =
		1 << 8, /* list of objects: a text is one of which only the first field is given */
	/*
	 * list of objects: one or none, written as a group. Its object may be one that it is itself in;
	 * descriptions end at the second of these within each other.
	 */
	FIELD_ONE = 1 << 9,
};

struct field_enum {
	const char *name; /* NULL closes the list */
	int value;
	const char *help;
};

struct field {
	const char *name; /* the key, snake_case, iproute2's word where it has one */
	enum field_type type;
	unsigned int flags;
	size_t offset;	  /* of the value in its struct */
	int64_t min, max; /* inclusive; both 0: any value of the type (INT: 0..INT64_MAX) */
	const char *def;  /* default, as text in the field's own grammar; NULL: zero */
	const char *help; /* one sentence, no final dot */
	const char *
		example; /* a value for the reference, as text; NULL: the default, or of the type */
	const char *json; /* name in answers; NULL: same as name */
	/* "METHOD:PATH": what a show command has there may be the value; for completion */
	const char *complete;
	const struct field_enum *enums;
	const struct object *object; /* FIELD_GROUP, FIELD_LIST of objects */
	enum field_type
		item; /* FIELD_LIST of scalars: their type; a single scalar is a list of one */
};

struct field_list {
	void *items; /* contiguous: structs of object->size_total, or scalars */
	unsigned int n;
};

/* Of the numbers 0 to 255, such as CPUs. */
struct number_set {
	uint64_t mask[4];
};

/* One load: of a set that another thread changes a reader sees each number as it was or is. */
static inline bool number_set_has(const struct number_set *set, uint8_t number)
{
	return __atomic_load_n(&set->mask[number / 64], __ATOMIC_RELAXED) >> (number % 64) & 1;
}

struct object_head {
	int line;	/* where the object stands in the file; 0 for JSON */
	uint64_t given; /* bit i: field i was written down (base fields first, then extensions) */
};

/* Fields that a module adds to another's object. Registered once at start, before any decoding. */
struct object_ext {
	const struct field *fields; /* offsets are into the extension's own struct */
	size_t size;		    /* of that struct */
	size_t offset;		    /* set by object_extend() */
	/* Finds what is wrong with them in an object that is about to be made at runtime. NULL: nothing can be. */
	void (*judge)(void *ctx, const void *object, struct diag *found);
	struct object_ext *next;
};

struct object {
	const char *name; /* "link", "route" */
	const char *help;
	size_t size; /* of the C struct */
	const struct field *fields;
	struct object_ext **exts; /* NULL: cannot be extended; else the head of a static list */
};

void object_extend(const struct object *object, struct object_ext *ext);
/* Size of a decoded object with all its extensions; the stride of a field_list. */
size_t object_size(const struct object *object);
/* The extension's struct inside a decoded object. */
static inline void *object_ext_of(const void *instance, const struct object_ext *ext)
{
	return (char *)instance + ext->offset;
}
/* Every field of an object, base fields first, then those of its extensions. */
typedef void object_field_fn(const struct field *field, void *ctx);
void object_each_field(const struct object *object, object_field_fn *fn, void *ctx);
/* "int", "prefix": the word for a type in rpc.list and in the reference. */
const char *field_type_name(enum field_type type);
/* Item i of a list of objects. */
void *field_list_item(const struct object *object, const struct field_list *list, unsigned int i);
/* Was the field of that name (base or extension) written down? */
bool object_has(const struct object *object, const void *instance, const char *name);

/*
 * Decodes a group node. Every problem goes into diag (unknown key, wrong type, out of range,
 * missing), path is what their paths start with ("" at the top). Returns a heap object with all
 * defaults filled in, or NULL if anything was wrong. node may be NULL: all defaults.
 */
void *schema_decode(
	const struct object *object, const struct node *node, const char *path, struct diag *diag);
/*
 * The same, but an object comes out in any case: what was wrong has its default, and required text
 * is never NULL. So that checks can find what else is wrong; nothing else may use such an object.
 */
void *schema_decode_loose(
	const struct object *object, const struct node *node, const char *path, struct diag *diag);
void schema_free(const struct object *object, void *instance);

/*
 * A new object with what is given in base (NULL: nothing) and, in its place, what is given in from, an
 * instance of another object, in fields of the same name. NULL when anything is wrong, told in diag.
 */
void *schema_merge(const struct object *object, const void *base, const struct object *from_object,
	const void *from, struct diag *diag);

/* Sets one scalar field of a decoded object from text. -EINVAL with the reason in diag. */
int schema_set_text(const struct object *object, void *instance, const char *name, const char *text,
	struct diag *diag);
/* The value of one field as JSON (number, string, boolean, array, object). New reference. */
json_t *schema_field_json(const struct field *field, const void *instance);
/* All fields that are given or have a default, under their .json names. New reference. */
json_t *schema_to_json(const struct object *object, const void *instance);
/* What is written down of the fields that `wanted` has, too, as schema_decode() of that reads it. New reference. */
json_t *schema_given(
	const struct object *wanted, const struct object *object, const void *instance);
/* As libconfig text that schema_decode() reads back: only fields that differ from their default. */
void schema_print(FILE *out, const struct object *object, const void *instance, int indent);
/* The table itself, for rpc.list, completion and the reference: [{name,type,required,positional,
 * default,min,max,enum[],help,fields[]}]. New reference. */
json_t *schema_describe(const struct object *object);
