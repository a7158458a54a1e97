/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/meter; nobody else includes this. */
#include "dp/worker.h"
#include "link/link.h"
#include "meter/color.h"
#include "meter/meter.h"
#include "net/vlan.h"

enum meter_action { METER_PASS, METER_DROP, METER_DSCP };

/* As in the section `policers`, and as arguments of `policer add` and `policer replace`. */
struct policer_conf {
	struct object_head head;
	char *link;
	uint64_t rate, peakrate;		 /* bit/s; peakrate 0: none */
	uint64_t burst, excess_burst, peakburst; /* bytes; the latter two 0: none */
	int yellow, red;			 /* enum meter_action */
	char *yellow_dscp, *red_dscp;		 /* NULL: none */
};

/* Workers read it. Of one setting of a link's policer: immutable but for the buckets. */
struct policer {
	struct meter_profile profile;
	uint16_t ifindex;
	uint8_t action[COLOR_N]; /* enum meter_action */
	uint8_t dscp[COLOR_N];
	struct meter_buckets buckets; /* a line of its own */
} __rte_cache_aligned;
static_assert(offsetof(struct policer, buckets) == RTE_CACHE_LINE_SIZE, "one line to read");
static_assert(sizeof(struct policer) == 2 * RTE_CACHE_LINE_SIZE, "and one to write");

/* Links that are no ports, one on the other: a bond, and tags. */
enum { METER_STEPS_MAX = VLAN_TAGS_MAX + 1 };

/*
 * The policers that frames of a link meet, from the lowest link up. A port's own is met by all that
 * it receives; what then goes on to links above it meets theirs. Immutable once published.
 */
struct meter_way {
	unsigned int n;
	struct meter_step {
		struct policer *policer;
		uint32_t n_tag_bytes; /* that a frame still had there, and has no more */
	} step[METER_STEPS_MAX];
};

struct meter_count {
	uint64_t packets, bytes;
};

/* Of one link's policer, on one worker: its own to write. One line. */
struct meter_counters {
	struct meter_count color[COLOR_N];
	uint64_t dropped; /* packets */
	struct meter_fractions owed;
};
static_assert(sizeof(struct meter_counters) == RTE_CACHE_LINE_SIZE, "one line");

/* A link that has a policer. Control thread. */
struct meter_link {
	struct policer_conf *conf;	      /* a copy of its own */
	struct meter_counters counted_before; /* by workers, for policers that were here before */
};

struct meter_state {
	struct meter_link *links[LINK_MAX]; /* by ifindex; NULL: no policer */
	struct policer *policers[LINK_MAX]; /* the same */
	struct meter_way *ways[LINK_MAX];   /* what workers read, also links on those; NULL: none */
};

struct meter_worker {
	struct meter_way *const *ways;
	const uint16_t *input_link;
	const struct link_dp *links;
	struct meter_counters counters[LINK_MAX] __rte_cache_aligned;
};

#define METER_DROPS(X)                                                                             \
	X(METER_DROP_RED, "meter_red", "red for the policer of its link: beyond its rates")        \
	X(METER_DROP_YELLOW, "meter_yellow",                                                       \
		"yellow for the policer of its link, which drops these, too")

#define METER_DROP_ENUM(member, name, help) member,
enum meter_drop { METER_DROPS(METER_DROP_ENUM) METER_N_DROPS };
#undef METER_DROP_ENUM

/* meter.c */
/*
 * A policer for that link, in place of the one that it has, which leaves its counters and what is
 * in its buckets. The settings have been judged. -ENOMEM.
 */
int meter_set(struct dp *dp, struct link *link, const struct policer_conf *conf);
/* It has one. */
void meter_del(struct dp *dp, struct link *link);
/* Of its policer, over all workers, since it was made. */
void meter_sum_counters(const struct dp *dp, const struct link *link, struct meter_counters *out);

/* meter_conf.c */
enum meter_kind meter_conf_kind(const struct policer_conf *conf);
/*
 * What is wrong with the settings of a policer for a link of that MTU, goes to found; paths are
 * names of settings.
 */
void meter_conf_judge(const struct policer_conf *conf, unsigned int mtu, struct diag *found);
/* -EINVAL: it is none. */
int meter_parse_dscp(const char *text, uint8_t *dscp);
/*
 * NULL: a policer may be there; else why not. bottom: kind of the link that all below it stands on.
 */
const char *meter_refuse_kind(int kind, int bottom);
struct policer_conf *meter_conf_copy(const struct policer_conf *conf);
void meter_conf_free(struct policer_conf *conf);

extern const struct object policer_object;	/* of the section */
extern const struct object policer_args_object; /* the same, as commands take it */
extern const struct section meter_sections[];

/* meter_ctl.c */
extern const struct command meter_commands[];
extern const struct counter_table meter_counter_tables[];

static inline struct meter_state *meter_state(const struct dp *dp)
{
	return dp_slot(dp, &meter_module);
}
