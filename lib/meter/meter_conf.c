/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Settings of policers: the section `policers`, and the arguments of `policer add` and `policer
 * replace`, which are the same but for the name of the link's. What can be wrong with them is found
 * here, for both. Control thread.
 */
#include "meter/meter_priv.h"

#include "base/mem.h"
#include "link/link_kind.h"
#include "match/match.h"

static const struct field_enum meter_actions[] = {
	{ "pass", METER_PASS, "let them go on as they are" },
	{ "drop", METER_DROP, "drop them" },
	{ "dscp", METER_DSCP, "write another DSCP into their IP header" },
	{ 0 },
};

#define POLICER_FIELD(field, field_type, text)                                                     \
	.name = #field, .type = (field_type), .offset = offsetof(struct policer_conf, field),      \
	.help = (text)
#define POLICER_RATE .min = METER_BPS_MIN, .max = METER_BPS_MAX
#define POLICER_SIZE .min = 1, .max = METER_BURST_MAX

/* clang-format off */
#define POLICER_FIELDS(link_word)                                                                  \
	{ .name = (link_word), .type = FIELD_STRING,                                               \
	  .flags = FIELD_REQUIRED | FIELD_POSITIONAL,                                              \
	  .offset = offsetof(struct policer_conf, link), .complete = "link.show:ifname",           \
	  .help = "link whose received frames it polices: a port, a bond, or a VLAN on one of "    \
		  "these",                                                                         \
	  .example = "wan", .json = "dev" },                                                       \
	{ POLICER_FIELD(rate, FIELD_RATE,                                                          \
		"frames within this rate and `burst` are green (CIR); without FCS, as for tc"),    \
	  .flags = FIELD_REQUIRED, POLICER_RATE, .example = "100mbit" },                           \
	{ POLICER_FIELD(burst, FIELD_SIZE,                                                         \
		"bytes that may come at once (CBS); a frame of the link's MTU at least"),          \
	  .flags = FIELD_REQUIRED, POLICER_SIZE, .example = "200kb" },                             \
	{ POLICER_FIELD(excess_burst, FIELD_SIZE,                                                  \
		"bytes beyond `burst` that are yellow, and more red (EBS, RFC 2697)"),             \
	  POLICER_SIZE, .example = "400kb" },                                                      \
	{ POLICER_FIELD(peakrate, FIELD_RATE,                                                      \
		"frames beyond `rate` up to this rate and `peakburst` are yellow, and beyond "     \
		"it red (PIR, RFC 2698)"),                                                         \
	  POLICER_RATE, .example = "200mbit" },                                                    \
	{ POLICER_FIELD(peakburst, FIELD_SIZE, "bytes that may come at once at `peakrate` (PBS)"), \
	  POLICER_SIZE, .example = "64kb" },                                                       \
	{ POLICER_FIELD(yellow, FIELD_ENUM, "what becomes of yellow frames"),                      \
	  .flags = FIELD_NAMED, .enums = meter_actions, .def = "pass",                             \
	  .json = "yellow_action" },                                                               \
	{ POLICER_FIELD(yellow_dscp, FIELD_STRING,                                                 \
		"the DSCP of yellow frames then: cs0 to cs7, af11 to af43, ef, va, be, df, "       \
		"lephb, or 0 to 63"),                                                              \
	  .flags = FIELD_DIGITS, .max = 15, .example = "af12" },                                   \
	{ POLICER_FIELD(red, FIELD_ENUM, "what becomes of red frames"),                            \
	  .flags = FIELD_NAMED, .enums = meter_actions, .def = "drop",                             \
	  .json = "red_action" },                                                                  \
	{ POLICER_FIELD(red_dscp, FIELD_STRING,                                                    \
		"the DSCP of red frames then, written as for `yellow_dscp`"),                      \
	  .flags = FIELD_DIGITS, .max = 15, .example = "af13" },                                   \
	{ .type = FIELD_END }
/* clang-format on */

const struct object policer_object = {
	.name = "policer",
	.help = "a rate that frames received by a link are held to",
	.size = sizeof(struct policer_conf),
	.fields = (const struct field[]){ POLICER_FIELDS("link") },
};

const struct object policer_args_object = {
	.name = "policer",
	.size = sizeof(struct policer_conf),
	.fields = (const struct field[]){ POLICER_FIELDS("dev") },
};

struct policer_conf *meter_conf_copy(const struct policer_conf *conf)
{
	struct policer_conf *copy = mem_zalloc(sizeof(*copy));

	*copy = *conf;
	copy->link = mem_strdup(conf->link);
	copy->yellow_dscp = conf->yellow_dscp != NULL ? mem_strdup(conf->yellow_dscp) : NULL;
	copy->red_dscp = conf->red_dscp != NULL ? mem_strdup(conf->red_dscp) : NULL;
	return copy;
}

void meter_conf_free(struct policer_conf *conf)
{
	if (conf != NULL)
		schema_free(&policer_object, conf);
}

enum meter_kind meter_conf_kind(const struct policer_conf *conf)
{
	if (conf->peakrate != 0)
		return METER_TRTCM;
	return conf->excess_burst != 0 ? METER_SRTCM : METER_POLICE;
}

int meter_parse_dscp(const char *text, uint8_t *dscp)
{
	struct match_conf conf = { .dscp = { .items = &text, .n = text != NULL } };
	struct match_source source = { .path = "" };
	const struct match_list *list;
	struct match_spec spec;
	struct diag diag;
	int err;

	diag_init(&diag, NULL);
	source.diag = &diag;
	err = match_spec_parse(&conf, &source, &spec);
	list = &spec.lists[MATCH_DSCP];
	if (err == 0 &&
		(list->n != 1 || list->is_negated || list->ranges[0].first != list->ranges[0].last))
		err = -EINVAL;
	if (err == 0)
		*dscp = (uint8_t)list->ranges[0].first;
	match_spec_fini(&spec);
	diag_fini(&diag);
	return err;
}

/* What is wrong */

static void judge_burst(struct diag *found, const char *name, uint64_t bytes, unsigned int mtu)
{
	if (bytes != 0 && bytes < mtu + RTE_ETHER_HDR_LEN)
		diag_error(found, 0, name,
			"must hold a frame of the link's MTU, which is %u bytes: larger ones never "
			"find room",
			mtu + RTE_ETHER_HDR_LEN);
}

static void judge_rates(const struct policer_conf *conf, struct diag *found)
{
	if (conf->excess_burst != 0 && conf->peakrate != 0)
		diag_error(found, 0, "excess_burst",
			"is of no use with a peakrate: yellow is what comes beyond rate or burst, "
			"up to one of them");
	if (conf->peakrate != 0 && conf->peakrate < conf->rate)
		diag_error(found, 0, "peakrate", "must not be lower than the rate");
	if (conf->peakrate != 0 && conf->peakburst == 0)
		diag_error(found, 0, "peakburst", "is missing: a peakrate needs one");
	if (conf->peakrate == 0 && conf->peakburst != 0)
		diag_error(found, 0, "peakburst", "is of no use without a peakrate");
}

static void judge_dscp(
	struct diag *found, const char *name, const char *action, int value, const char *text)
{
	uint8_t dscp;

	if (value == METER_DSCP && text == NULL)
		diag_error(found, 0, name, "is missing: %s is \"dscp\"", action);
	else if (value != METER_DSCP && text != NULL)
		diag_error(found, 0, name, "is of no use unless %s is \"dscp\"", action);
	else if (text != NULL && meter_parse_dscp(text, &dscp) < 0)
		diag_error(found, 0, name,
			"must be a DSCP such as \"ef\", \"cs1\", \"af11\" or 0 to 63");
}

void meter_conf_judge(const struct policer_conf *conf, unsigned int mtu, struct diag *found)
{
	bool has_yellow = meter_conf_kind(conf) != METER_POLICE;

	judge_rates(conf, found);
	judge_burst(found, "burst", conf->burst, mtu);
	judge_burst(found, "excess_burst", conf->excess_burst, mtu);
	judge_burst(found, "peakburst", conf->peakburst, mtu);
	if (!has_yellow && object_has(&policer_object, conf, "yellow"))
		diag_error(found, 0, "yellow",
			"nothing is yellow without an excess_burst or a peakrate");
	judge_dscp(found, "yellow_dscp", "yellow", conf->yellow, conf->yellow_dscp);
	judge_dscp(found, "red_dscp", "red", conf->red, conf->red_dscp);
}

const char *meter_refuse_kind(int kind, int bottom)
{
	if (kind == LINK_KIND_BRIDGE)
		return "is a bridge: its members can be policed";
	if (bottom == LINK_KIND_BRIDGE)
		return "stands on a bridge: the members of that can be policed";
	if (kind != LINK_KIND_PORT && kind != LINK_KIND_VLAN && kind != LINK_KIND_BOND)
		return "is no port, VLAN or bond";
	return NULL;
}

/* The section */

/* What it will have; depth: of links that stand on one another, which may be a wrong circle. */
static unsigned int mtu_of(
	const struct config *config, const struct link_conf *conf, unsigned int depth)
{
	const struct link_conf *parent = link_conf_of(config, conf->parent);
	unsigned int mtu = LINK_MTU_DEFAULT;

	if (conf->mtu != 0)
		return (unsigned int)conf->mtu;
	if (depth > METER_STEPS_MAX)
		return mtu;
	if (parent != NULL)
		return mtu_of(config, parent, depth + 1);
	for (unsigned int i = 0; i < conf->members.n; i++) {
		const struct link_member_conf *member =
			field_list_item(&link_member_object, &conf->members, i);
		const struct link_conf *link = link_conf_of(config, member->name);
		unsigned int own = link != NULL ? mtu_of(config, link, depth + 1) : mtu;

		mtu = i == 0 ? own : RTE_MIN(mtu, own);
	}
	return mtu;
}

static int bottom_of(const struct config *config, const struct link_conf *conf)
{
	for (unsigned int depth = 0; depth <= METER_STEPS_MAX; depth++) {
		const struct link_conf *parent = link_conf_of(config, conf->parent);

		if (parent == NULL)
			break;
		conf = parent;
	}
	return conf->kind;
}

/* The link of policer i. Its MTU; 0: it has none that could be policed, and diag says so. */
static unsigned int check_link(const struct config *config, const struct conf_section *section,
	unsigned int i, struct diag *diag)
{
	const struct policer_conf *conf = section->objects[i];
	const struct link_conf *link = link_conf_of(config, conf->link);
	const char *refusal;
	char path[48];

	snprintf(path, sizeof(path), "policers[%u].link", i);
	for (unsigned int k = 0; k < i; k++) {
		const struct policer_conf *other = section->objects[k];

		if (strcmp(conf->link, other->link) == 0)
			conf_error(config, diag, path, "\"%s\" has a policer already, policers[%u]",
				conf->link, k);
	}
	if (link == NULL) {
		conf_error(config, diag, path, "there is no link \"%s\"", conf->link);
		return 0;
	}
	refusal = meter_refuse_kind(link->kind, bottom_of(config, link));
	if (refusal != NULL) {
		conf_error(config, diag, path, "\"%s\" %s", conf->link, refusal);
		return 0;
	}
	return mtu_of(config, link, 0);
}

/* With any MTU that is possible something can be said. */
static void check_settings(const struct config *config, const struct policer_conf *conf,
	unsigned int i, unsigned int mtu, struct diag *diag)
{
	struct diag found;
	char path[64];

	diag_init(&found, NULL);
	meter_conf_judge(conf, mtu, &found);
	for (unsigned int k = 0; k < found.n_entries; k++) {
		snprintf(path, sizeof(path), "policers[%u].%s", i, found.entries[k].path);
		conf_error(config, diag, path, "%s", found.entries[k].text);
	}
	diag_fini(&found);
}

static void policers_check(const struct config *config, struct diag *diag)
{
	const struct conf_section *section = conf_section(config, "policers");

	for (unsigned int i = 0; i < section->n_objects; i++) {
		unsigned int mtu = check_link(config, section, i, diag);

		check_settings(config, section->objects[i], i, mtu, diag);
	}
}

static int policer_apply(struct dp *dp, const void *object, const char *path, struct diag *diag)
{
	const struct policer_conf *conf = object;
	struct link *link = link_by_name(dp, conf->link);
	int err;

	if (link == NULL)
		return diag_error(
			diag, conf->head.line, path, "there is no link \"%s\"", conf->link);
	err = meter_set(dp, link, conf);
	if (err < 0)
		diag_error(diag, conf->head.line, path, "there is no memory for it");
	return err;
}

struct policer_print {
	const struct meter_state *state;
	FILE *out;
	unsigned int n;
};

static void print_one(struct link *link, void *ctx)
{
	struct policer_print *print = ctx;
	const struct meter_link *here = print->state->links[link->ifindex];

	if (here == NULL)
		return;
	fputs(print->n++ == 0 ? "policers = (\n\t{\n" : ",\n\t{\n", print->out);
	schema_print(print->out, &policer_object, here->conf, 2);
	fputs("\t}", print->out);
}

static void policers_print(struct dp *dp, FILE *out)
{
	struct policer_print print = { .state = meter_state(dp), .out = out };

	link_each(dp, print_one, &print);
	if (print.n > 0)
		fputs("\n);\n", out);
}

const struct section meter_sections[] = {
	{ .key = "policers",
		.help = "what links may receive: a rate each, or two",
		.object = &policer_object,
		.is_list = true,
		.check = policers_check,
		.apply = policer_apply,
		.print = policers_print },
	{ .key = NULL },
};
