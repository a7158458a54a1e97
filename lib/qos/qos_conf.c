/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The grammar of qdiscs: rows of their settings, which are those of the section `qdiscs`, of a qdisc within
 * another and of the commands `qdisc add` and `qdisc replace`. Names and meanings are tc(8)'s where it has them.
 */
#include "qos/qos_conf.h"

#include "qos/qos_edit.h"
#include "qos/rate.h"

const struct field_enum qdisc_kinds[] = {
	{ "pfifo", QDISC_PFIFO, "a queue, limited in packets" },
	{ "bfifo", QDISC_BFIFO, "a queue, limited in bytes" },
	{ "tbf", QDISC_TBF, "a token bucket: lets pass a rate and bursts" },
	{ "prio", QDISC_PRIO, "bands, of which the first that has something is served" },
	{ "htb", QDISC_HTB,
		"a hierarchy of token buckets: classes with rates that borrow from others" },
	{ "fq_codel", QDISC_FQ_CODEL, "a queue for each flow, kept short (RFC 8290)" },
	{ 0 },
};

static const struct field_enum linklayers[] = {
	{ "ethernet", 0, "frames as they are" },
	{ "atm", 1, "in cells of 53 bytes with 48 of payload" },
	{ 0 },
};

const struct field_enum qdisc_pers[] = {
	{ "flow", QDISC_PER_FLOW, "each has a queue" },
	{ "source", QDISC_PER_SOURCE,
		"all flows of a host share one, by source before translation" },
	{ "destination", QDISC_PER_DESTINATION, "the same by destination" },
	{ 0 },
};

#define AT(member) offsetof(struct qdisc_conf, member)

/* clang-format off */
#define QDISC_ROWS                                                                                 \
	{ .name = "kind",                                                                          \
		.type = FIELD_ENUM,                                                                \
		.flags = FIELD_REQUIRED | FIELD_POSITIONAL,                                        \
		.offset = AT(kind),                                                                \
		.enums = qdisc_kinds,                                                              \
		.help = "kind of qdisc" },                                                         \
	{ .name = "rate",                                                                          \
		.type = FIELD_RATE,                                                                \
		.offset = AT(rate),                                                                \
		.min = RATE_BPS_MIN,                                                               \
		.max = (int64_t)RATE_BPS_MAX,                                                      \
		.example = "20mbit",                                                               \
		.help = "tbf: what it lets pass in the long run" },                                \
	{ .name = "burst",                                                                         \
		.type = FIELD_SIZE,                                                                \
		.offset = AT(burst),                                                               \
		.min = 1,                                                                          \
		.max = INT32_MAX,                                                                  \
		.example = "32kb",                                                                 \
		.help = "tbf: what may pass at once" },                                            \
	{ .name = "latency",                                                                       \
		.type = FIELD_TIME,                                                                \
		.offset = AT(latency_ns),                                                          \
		.min = 1,                                                                          \
		.max = INT64_C(3600000000000),                                                     \
		.example = "50ms",                                                                 \
		.help = "tbf, in place of `limit`: no packet has to wait longer" },                \
	{ .name = "limit",                                                                         \
		.type = FIELD_SIZE,                                                                \
		.offset = AT(limit),                                                               \
		.min = 1,                                                                          \
		.max = INT32_MAX,                                                                  \
		.example = "1000",                                                                 \
		.help = "what may wait: packets (pfifo, 1000 unless given; fq_codel, 10240) or "   \
			"bytes (bfifo, 1514000; tbf)" },                                           \
	{ .name = "peakrate",                                                                      \
		.type = FIELD_RATE,                                                                \
		.offset = AT(peakrate),                                                            \
		.min = RATE_BPS_MIN,                                                               \
		.max = (int64_t)RATE_BPS_MAX,                                                      \
		.example = "40mbit",                                                               \
		.help = "tbf: what a burst is limited to" },                                       \
	{ .name = "mtu",                                                                           \
		.type = FIELD_SIZE,                                                                \
		.offset = AT(mtu),                                                                 \
		.min = 1,                                                                          \
		.max = INT32_MAX,                                                                  \
		.example = "2kb",                                                                  \
		.help = "tbf: what may pass at once of the peak rate" },                           \
	{ .name = "overhead",                                                                      \
		.type = FIELD_INT,                                                                 \
		.offset = AT(overhead),                                                            \
		.min = -64,                                                                        \
		.max = 256,                                                                        \
		.def = "0",                                                                        \
		.help = "tbf, htb: bytes that each frame has more on the link below" },            \
	{ .name = "mpu",                                                                           \
		.type = FIELD_INT,                                                                 \
		.offset = AT(mpu),                                                                 \
		.min = 0,                                                                          \
		.max = 2048,                                                                       \
		.def = "0",                                                                        \
		.help = "tbf, htb: bytes that each frame counts for at least" },                   \
	{ .name = "linklayer",                                                                     \
		.type = FIELD_ENUM,                                                                \
		.flags = FIELD_NAMED,                                                              \
		.offset = AT(is_atm),                                                              \
		.enums = linklayers,                                                               \
		.def = "ethernet",                                                                 \
		.help = "tbf, htb: how the link below carries frames" },                           \
	{ .name = "bands",                                                                         \
		.type = FIELD_INT,                                                                 \
		.offset = AT(bands),                                                               \
		.min = 2,                                                                          \
		.max = QDISC_BANDS_MAX,                                                            \
		.def = "3",                                                                        \
		.help = "prio: number of bands" },                                                 \
	{ .name = "priomap",                                                                       \
		.type = FIELD_LIST,                                                                \
		.item = FIELD_INT,                                                                 \
		.offset = AT(priomap),                                                             \
		.max = QDISC_BANDS_MAX - 1,                                                        \
		.example = "1",                                                                    \
		.help = "prio: band of each of the 16 priorities that the TOS field stands for; "  \
			"those of Linux unless given" },                                           \
	{ .name = "default_band",                                                                  \
		.type = FIELD_INT,                                                                 \
		.offset = AT(default_band),                                                        \
		.min = -1,                                                                         \
		.max = QDISC_BANDS_MAX - 1,                                                        \
		.def = "-1",                                                                       \
		.help = "prio: band of what no filter names; -1: by `priomap`" },                  \
	{ .name = "default",                                                                       \
		.type = FIELD_STRING,                                                              \
		.offset = AT(default_class),                                                       \
		.max = QDISC_CLASS_NAME_MAX,                                                       \
		.example = "bulk",                                                                 \
		.help = "htb: class of what no filter names; unshaped unless given" },             \
	{ .name = "classes",                                                                       \
		.type = FIELD_LIST,                                                                \
		.offset = AT(classes),                                                             \
		.object = &qdisc_class_object,                                                     \
		.help = "htb: the classes; prio: what bands have of their own" },                  \
	{ .name = "filters",                                                                       \
		.type = FIELD_LIST,                                                                \
		.offset = AT(filters),                                                             \
		.object = &qdisc_filter_object,                                                    \
		.help = "prio, htb: which packets go where; the first that matches decides" },     \
	{ .name = "flows",                                                                         \
		.type = FIELD_INT,                                                                 \
		.offset = AT(flows),                                                               \
		.min = 1,                                                                          \
		.max = 65536,                                                                      \
		.def = "1024",                                                                     \
		.help = "fq_codel: number of queues" },                                            \
	{ .name = "target",                                                                        \
		.type = FIELD_TIME,                                                                \
		.offset = AT(target_ns),                                                           \
		.min = 1000,                                                                       \
		.max = INT64_C(10000000000),                                                       \
		.def = "5ms",                                                                      \
		.help = "fq_codel: what a queue may make packets wait" },                          \
	{ .name = "interval",                                                                      \
		.type = FIELD_TIME,                                                                \
		.offset = AT(interval_ns),                                                         \
		.min = 1000,                                                                       \
		.max = INT64_C(10000000000),                                                       \
		.def = "100ms",                                                                    \
		.help = "fq_codel: for how long they may wait longer than that" },                 \
	{ .name = "quantum",                                                                       \
		.type = FIELD_INT,                                                                 \
		.offset = AT(quantum),                                                             \
		.min = 256,                                                                        \
		.max = 1 << 20,                                                                    \
		.def = "1514",                                                                     \
		.help = "fq_codel: bytes of each queue's turn" },                                  \
	{ .name = "ecn",                                                                           \
		.type = FIELD_BOOL,                                                                \
		.offset = AT(has_ecn),                                                             \
		.def = "true",                                                                     \
		.help = "fq_codel: packets whose ends know of it are marked in place of dropped" },\
	{ .name = "ce_threshold",                                                                  \
		.type = FIELD_TIME,                                                                \
		.offset = AT(ce_threshold_ns),                                                     \
		.min = 1000,                                                                       \
		.max = INT64_C(10000000000),                                                       \
		.example = "1ms",                                                                  \
		.help = "fq_codel: packets that had to wait longer are marked in any case" },      \
	{ .name = "memory_limit",                                                                  \
		.type = FIELD_SIZE,                                                                \
		.offset = AT(memory_limit),                                                        \
		.min = 4096,                                                                       \
		.max = INT64_C(1) << 36,                                                           \
		.def = "32mb",                                                                     \
		.help = "fq_codel: memory that packets may take" },                                \
	{ .name = "per",                                                                           \
		.type = FIELD_ENUM,                                                                \
		.flags = FIELD_NAMED,                                                              \
		.offset = AT(per),                                                                 \
		.enums = qdisc_pers,                                                                \
		.def = "flow",                                                                     \
		.help = "fq_codel: whose queues they are" },                                       \
	{ .name = "child",                                                                         \
		.type = FIELD_LIST,                                                                \
		.flags = FIELD_ONE,                                                                \
		.offset = AT(child),                                                               \
		.object = &qdisc_child_object,                                                     \
		.help = "tbf: the qdisc whose packets it lets pass; bfifo unless given" }
/* clang-format on */

const struct object qdisc_object = {
	.name = "qdisc",
	.help = "a queueing discipline: what a link sends when",
	.size = sizeof(struct qdisc_conf),
	.fields =
		(const struct field[]){
			{ .name = "link",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED,
				.offset = AT(link),
				.example = "wan",
				.help = "the link",
				.complete = "link.show:ifname" },
			QDISC_ROWS,
			{ .type = FIELD_END },
		},
};

const struct object qdisc_child_object = {
	.name = "qdisc",
	.help = "a queueing discipline within another one",
	.size = sizeof(struct qdisc_conf),
	.fields = (const struct field[]){ QDISC_ROWS, { .type = FIELD_END } },
};

const struct object qdisc_args_object = {
	.name = "qdisc",
	.size = sizeof(struct qdisc_args),
	.fields =
		(const struct field[]){
			{ .name = "dev",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED,
				.offset = AT(link),
				.example = "wan",
				.help = "the link",
				.complete = "link.show:ifname" },
			{ .name = "parent",
				.type = FIELD_STRING,
				.offset = offsetof(struct qdisc_args, parent),
				.example = "voice",
				.help = "the class that it is to be the qdisc of, by name or "
					"handle; of "
					"the link unless given" },
			{ .name = "root",
				.type = FIELD_BOOL,
				.offset = offsetof(struct qdisc_args, is_root),
				.help = "the qdisc of the link" },
			QDISC_ROWS,
			{ .type = FIELD_END },
		},
};

#undef AT
#define AT(member) offsetof(struct qdisc_class_conf, member)

/* clang-format off */
#define CLASS_ROWS                                                                                \
	{ .name = "name",                                                                         \
		.type = FIELD_STRING,                                                             \
		.offset = AT(name),                                                               \
		.max = QDISC_CLASS_NAME_MAX,                                                      \
		.example = "voice",                                                               \
		.help = "what filters and rules call it; of prio the number of the "              \
			"band "                                                                   \
			"unless given" },                                                         \
	{ .name = "parent",                                                                       \
		.type = FIELD_STRING,                                                             \
		.offset = AT(parent),                                                             \
		.max = QDISC_CLASS_NAME_MAX,                                                      \
		.example = "all",                                                                 \
		.help = "htb: class that it borrows from; without one it borrows "                \
			"from none" },                                                            \
	{ .name = "band",                                                                         \
		.type = FIELD_INT,                                                                \
		.offset = AT(band),                                                               \
		.min = -1,                                                                        \
		.max = QDISC_BANDS_MAX - 1,                                                       \
		.def = "-1",                                                                      \
		.example = "0",                                                                   \
		.help = "prio: which band this is about" },                                       \
	{ .name = "rate",                                                                         \
		.type = FIELD_RATE,                                                               \
		.offset = AT(rate),                                                               \
		.min = RATE_BPS_MIN,                                                              \
		.max = (int64_t)RATE_BPS_MAX,                                                     \
		.example = "2mbit",                                                               \
		.help = "htb: what it has in any case" },                                         \
	{ .name = "ceil",                                                                         \
		.type = FIELD_RATE,                                                               \
		.offset = AT(ceil),                                                               \
		.min = RATE_BPS_MIN,                                                              \
		.max = (int64_t)RATE_BPS_MAX,                                                     \
		.example = "20mbit",                                                              \
		.help = "htb: what it may have with what others leave; `rate` "                   \
			"unless given" },                                                         \
	{ .name = "burst",                                                                        \
		.type = FIELD_SIZE,                                                               \
		.offset = AT(burst),                                                              \
		.min = 1,                                                                         \
		.max = INT32_MAX,                                                                 \
		.example = "15kb",                                                                \
		.help = "htb: what may pass of `rate` at once; 10 ms of it and a "                \
			"packet "                                                                 \
			"unless given" },                                                         \
	{ .name = "cburst",                                                                       \
		.type = FIELD_SIZE,                                                               \
		.offset = AT(cburst),                                                             \
		.min = 1,                                                                         \
		.max = INT32_MAX,                                                                 \
		.example = "15kb",                                                                \
		.help = "htb: the same of `ceil`" },                                              \
	{ .name = "prio",                                                                         \
		.type = FIELD_INT,                                                                \
		.offset = AT(prio),                                                               \
		.min = 0,                                                                         \
		.max = 7,                                                                         \
		.def = "0",                                                                       \
		.help = "htb: those of the lowest number have first what is left "                \
			"over" },                                                                 \
	{ .name = "quantum",                                                                      \
		.type = FIELD_INT,                                                                \
		.offset = AT(quantum),                                                            \
		.min = 256,                                                                       \
		.max = 1 << 20,                                                                   \
		.example = "1514",                                                                \
		.help = "htb: bytes of its turn among those who borrow; in "                      \
			"proportion to "                                                          \
			"`rate` unless given" },                                                  \
	{ .name = "child",                                                                        \
		.type = FIELD_LIST,                                                               \
		.flags = FIELD_ONE,                                                               \
		.offset = AT(child),                                                              \
		.object = &qdisc_child_object,                                                    \
		.help = "the qdisc of its packets; pfifo unless given" }
/* clang-format on */

const struct object qdisc_class_object = {
	.name = "class",
	.help = "a part of the traffic of a qdisc",
	.size = sizeof(struct qdisc_class_conf),
	.fields = (const struct field[]){ CLASS_ROWS, { .type = FIELD_END } },
};

const struct object class_args_object = {
	.name = "class",
	.size = sizeof(struct class_args),
	.fields =
		(const struct field[]){
			QDISC_DEV_ROW(struct class_args, FIELD_REQUIRED),
			CLASS_ROWS,
			{ .type = FIELD_END },
		},
};

#undef AT
#define AT(member) offsetof(struct qdisc_filter_conf, member)

/* clang-format off */
#define FILTER_ROWS                                                                               \
	{ .name = "vlan_priority",                                                                \
		.type = FIELD_INT,                                                                \
		.offset = AT(vlan_priority),                                                      \
		.min = -1,                                                                        \
		.max = 7,                                                                         \
		.def = "-1",                                                                      \
		.example = "5",                                                                   \
		.help = "priority code point of the VLAN tag that the packet came "               \
			"with; "                                                                  \
			"-1: any" },                                                              \
	{ .name = "class",                                                                        \
		.type = FIELD_STRING,                                                             \
		.offset = AT(class),                                                              \
		.max = QDISC_CLASS_NAME_MAX,                                                      \
		.example = "voice",                                                               \
		.help = "where it goes" },                                                        \
	{ .name = "band",                                                                         \
		.type = FIELD_INT,                                                                \
		.offset = AT(band),                                                               \
		.min = -1,                                                                        \
		.max = QDISC_BANDS_MAX - 1,                                                       \
		.def = "-1",                                                                      \
		.example = "0",                                                                   \
		.help = "prio: the same by number" }
/* clang-format on */

const struct object qdisc_filter_object = {
	.name = "filter",
	.help = "which packets go to a class",
	.size = sizeof(struct qdisc_filter_conf),
	.fields =
		(const struct field[]){
			MATCH_FIELDS(struct qdisc_filter_conf, match),
			FILTER_ROWS,
			{ .type = FIELD_END },
		},
};

const struct object filter_args_object = {
	.name = "filter",
	.size = sizeof(struct filter_args),
	.fields =
		(const struct field[]){
			QDISC_DEV_ROW(struct filter_args, FIELD_REQUIRED),
			{ .name = "parent",
				.type = FIELD_STRING,
				.offset = offsetof(struct filter_args, parent),
				.example = "1:",
				.help = "the qdisc, by handle or by a class of it; that of the "
					"link "
					"unless given" },
			{ .name = "index",
				.type = FIELD_INT,
				.offset = offsetof(struct filter_args, index),
				.min = -1,
				.max = INT32_MAX,
				.def = "-1",
				.help = "its place among the others; -1: behind them" },
			MATCH_FIELDS(struct qdisc_filter_conf, match),
			FILTER_ROWS,
			{ .type = FIELD_END },
		},
};
