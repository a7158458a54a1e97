/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What can be wrong with links: each by itself, when the configuration is read and when one is added, and
 * those of a configuration among each other. Changes nothing. Control thread.
 */
#include "base/mem.h"
#include "link/link_priv.h"
#include "net/vlan.h"

/* The device of a string: what stands before the first comma. */
static bool device_is_same(const char *a, const char *b)
{
	size_t len = strcspn(a, ",");

	return len == strcspn(b, ",") && strncmp(a, b, len) == 0;
}

static void link_check_pair(const struct config *config, struct diag *diag, unsigned int i,
	const struct link_conf *conf, const struct link_conf *earlier)
{
	char path[64];

	if (strcmp(conf->name, earlier->name) == 0) {
		snprintf(path, sizeof(path), "links[%u].name", i);
		conf_error(config, diag, path, "\"%s\" is already the name of another link",
			conf->name);
	}
	if (conf->device != NULL && earlier->device != NULL &&
		device_is_same(conf->device, earlier->device)) {
		snprintf(path, sizeof(path), "links[%u].device", i);
		conf_error(config, diag, path, "this device already belongs to link \"%s\"",
			earlier->name);
	}
}

static bool link_name_is_valid(const char *name)
{
	return name[0] != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       name[strcspn(name, "/: \t")] == '\0';
}

/* Settings that not every kind has. */
static const struct {
	const char *name;
	unsigned int kinds, needed_by; /* bits by number of kind */
} link_special[] = {
	{ "device", 1 << LINK_KIND_PORT, 1 << LINK_KIND_PORT },
	{ "queues", 1 << LINK_KIND_PORT, 0 },
	{ "promiscuous", 1 << LINK_KIND_PORT, 0 },
	{ "parent", 1 << LINK_KIND_VLAN, 1 << LINK_KIND_VLAN },
	{ "vid", 1 << LINK_KIND_VLAN, 1 << LINK_KIND_VLAN },
	{ "protocol", 1 << LINK_KIND_VLAN, 0 },
	{ "members", 1 << LINK_KIND_BRIDGE | 1 << LINK_KIND_BOND, 0 },
	{ "mode", 1 << LINK_KIND_BOND, 0 },
	{ "xmit_hash_policy", 1 << LINK_KIND_BOND, 0 },
	{ "primary", 1 << LINK_KIND_BOND, 0 },
	{ "min_links", 1 << LINK_KIND_BOND, 0 },
	{ "miimon", 1 << LINK_KIND_BOND, 0 },
	{ "updelay", 1 << LINK_KIND_BOND, 0 },
	{ "lacp_rate", 1 << LINK_KIND_BOND, 0 },
	{ "lacp_active", 1 << LINK_KIND_BOND, 0 },
	{ "ad_select", 1 << LINK_KIND_BOND, 0 },
};

void link_conf_judge(const struct link_conf *conf, struct diag *found)
{
	const char *kind = link_kinds[conf->kind].name;

	if (!link_name_is_valid(conf->name))
		diag_error(found, 0, "name",
			"a name has 1 to %u characters without '/', ':' and spaces",
			LINK_NAME_MAX - 1);
	if (rte_is_multicast_ether_addr((const struct rte_ether_addr *)&conf->mac))
		diag_error(found, 0, "mac", "a link's own address cannot be multicast");
	if (link_kind_ops(conf->kind) == NULL) {
		diag_error(found, 0, "type", "type \"%s\" is in the contract but not yet in weir",
			kind);
		return;
	}
	for (unsigned int i = 0; i < LINK_N_KINDS; i++)
		if (link_kind_ops(i) != NULL && link_kind_ops(i)->judge != NULL)
			link_kind_ops(i)->judge(conf, found);
	for (unsigned int i = 0; i < RTE_DIM(link_special); i++) {
		bool is_given = object_has(&link_object, conf, link_special[i].name);

		if (is_given && !(link_special[i].kinds & 1u << conf->kind))
			diag_error(
				found, 0, link_special[i].name, "a %s has no such setting", kind);
		if (!is_given && (link_special[i].needed_by & 1u << conf->kind))
			diag_error(found, 0, link_special[i].name, "a %s needs a %s", kind,
				link_special[i].name);
	}
}

const struct link_conf *link_conf_find(
	const struct conf_section *links, unsigned int n, const char *name)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct link_conf *conf = links->objects[i];

		if (strcmp(conf->name, name) == 0)
			return conf;
	}
	return NULL;
}

/* The index of the link of that name among the first n; n: there is none. */
static unsigned int link_conf_index(
	const struct conf_section *links, unsigned int n, const char *name)
{
	unsigned int i = 0;

	while (i < n && strcmp(((const struct link_conf *)links->objects[i])->name, name) != 0)
		i++;
	return i;
}

/* The largest MTU that a link can have for those below it, which stand before it. */
static unsigned int link_conf_mtu_max(const struct conf_section *links, unsigned int i,
	const unsigned int *mtus, const struct link_conf *conf)
{
	unsigned int max = LINK_MTU_MAX, k;

	if (conf->parent != NULL && (k = link_conf_index(links, i, conf->parent)) < i)
		max = mtus[k];
	for (unsigned int m = 0; m < conf->members.n; m++) {
		const struct link_member_conf *member =
			field_list_item(&link_member_object, &conf->members, m);

		k = link_conf_index(links, i, member->name);
		if (k < i)
			max = RTE_MIN(max, mtus[k]);
	}
	return max;
}

/* What is wrong with it, and what it will be when the link is made. */
static unsigned int link_check_mtu(const struct config *config, struct diag *diag, unsigned int i,
	const unsigned int *mtus, const struct link_conf *conf)
{
	const struct conf_section *links = conf_section(config, "links");
	unsigned int max = link_conf_mtu_max(links, i, mtus, conf);
	char path[64];

	if (conf->mtu > max) {
		snprintf(path, sizeof(path), "links[%u].mtu", i);
		conf_error(config, diag, path, "larger than the %u of what it stands on", max);
	}
	if (conf->mtu != 0)
		return (unsigned int)conf->mtu;
	return conf->parent != NULL || conf->members.n > 0 ? max : LINK_MTU_DEFAULT;
}

/* The link at its bottom, as far as it is known. */
static const struct link_conf *link_conf_bottom(
	const struct conf_section *links, unsigned int n, const struct link_conf *conf)
{
	for (unsigned int depth = 0; conf->parent != NULL && depth <= n; depth++) {
		const struct link_conf *parent = link_conf_find(links, n, conf->parent);

		if (parent == NULL)
			break;
		conf = parent;
	}
	return conf;
}

static unsigned int link_conf_depth(
	const struct conf_section *links, unsigned int n, const struct link_conf *conf)
{
	unsigned int depth = 0;

	while (conf != NULL && conf->parent != NULL && depth <= n) {
		conf = link_conf_find(links, n, conf->parent);
		depth++;
	}
	return depth;
}

/* Who else has that VLAN of the parent, among the first n? */
static const struct link_conf *link_conf_twin(
	const struct conf_section *links, unsigned int n, const struct link_conf *conf)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct link_conf *other = links->objects[i];

		if (other->parent != NULL && strcmp(other->parent, conf->parent) == 0 &&
			other->vid == conf->vid && other->tpid == conf->tpid)
			return other;
	}
	return NULL;
}

/* Who of the first n has that member, and as a member before the k-th if it is the last of them? NULL: nobody. */
static const struct link_conf *link_conf_master(
	const struct conf_section *links, unsigned int n, unsigned int k, const char *name)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct link_conf *conf = links->objects[i];
		unsigned int n_members = i < n - 1 ? conf->members.n : k;

		for (unsigned int j = 0; j < n_members; j++) {
			const struct link_member_conf *member =
				field_list_item(&link_member_object, &conf->members, j);

			if (strcmp(member->name, name) == 0)
				return conf;
		}
	}
	return NULL;
}

/* The link below comes first in the file: so none can stand on itself, and they are made in that order. */
static void link_check_parent(const struct config *config, struct diag *diag, unsigned int i,
	const struct link_conf *conf)
{
	const struct conf_section *links = conf_section(config, "links");
	const struct link_conf *parent = link_conf_find(links, i, conf->parent), *twin, *master;
	char path[64];

	snprintf(path, sizeof(path), "links[%u].parent", i);
	if (parent == NULL) {
		bool is_later = link_conf_find(links, links->n_objects, conf->parent) != NULL;

		conf_error(config, diag, path,
			is_later ? "link \"%s\" must stand above this one in the list"
				 : "there is no link \"%s\"",
			conf->parent);
		return;
	}
	master = link_conf_master(links, i + 1, 0, conf->parent);
	if (master != NULL && master->kind == LINK_KIND_BOND)
		conf_error(config, diag, path,
			"\"%s\" is a member of \"%s\", which its frames are for", conf->parent,
			master->name);
	if (link_conf_depth(links, i, conf) > VLAN_TAGS_MAX)
		conf_error(config, diag, path, "at most %u tags on a frame are possible",
			VLAN_TAGS_MAX);
	twin = link_conf_twin(links, i, conf);
	if (twin != NULL) {
		snprintf(path, sizeof(path), "links[%u].vid", i);
		conf_error(config, diag, path, "VLAN %u of \"%s\" is already link \"%s\"",
			(unsigned int)conf->vid, conf->parent, twin->name);
	}
}

/* Does a link stand on that one, among the first n? */
static bool link_conf_has_upper(const struct conf_section *links, unsigned int n, const char *name)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct link_conf *conf = links->objects[i];

		if (conf->parent != NULL && strcmp(conf->parent, name) == 0)
			return true;
	}
	return false;
}

static void link_check_member(const struct config *config, struct diag *diag, unsigned int i,
	const struct link_conf *conf, unsigned int k)
{
	const struct conf_section *links = conf_section(config, "links");
	const struct link_member_conf *member =
		field_list_item(&link_member_object, &conf->members, k);
	const struct link_conf *link = link_conf_find(links, i, member->name), *master;
	char path[64];

	snprintf(path, sizeof(path), "links[%u].members[%u]", i, k);
	if (link == NULL) {
		bool is_later = link_conf_find(links, links->n_objects, member->name) != NULL;

		conf_error(config, diag, path,
			is_later ? "link \"%s\" must stand above this one in the list"
				 : "there is no link \"%s\"",
			member->name);
		return;
	}
	master = link_conf_master(links, i + 1, k, member->name);
	if (master != NULL)
		conf_error(config, diag, path, "\"%s\" is a member of \"%s\" already", member->name,
			master->name);
	if (conf->kind == LINK_KIND_BOND && link->kind != LINK_KIND_PORT)
		conf_error(config, diag, path, "a bond takes ports only");
	else if (conf->kind == LINK_KIND_BOND && link_conf_has_upper(links, i, member->name))
		conf_error(config, diag, path, "links stand on \"%s\"", member->name);
	else if (link_conf_bottom(links, i, link)->kind == LINK_KIND_BRIDGE)
		conf_error(
			config, diag, path, "a bridge takes none that is, or stands on, a bridge");
}

/* What is wrong with a link by itself, told at its place. Unless its kind is wrong: what it needs is unknown then. */
static void link_check_one(const struct config *config, struct diag *diag, unsigned int i,
	const struct link_conf *conf)
{
	struct diag found;
	char path[64];

	snprintf(path, sizeof(path), "links[%u].type", i);
	if (conf_is_wrong(config, diag, path))
		return;
	diag_init(&found, NULL);
	link_conf_judge(conf, &found);
	for (unsigned int k = 0; k < found.n_entries; k++) {
		snprintf(path, sizeof(path), "links[%u].%s", i, found.entries[k].path);
		conf_error(config, diag, path, "%s", found.entries[k].text);
	}
	diag_fini(&found);
}

void link_check(const struct config *config, struct diag *diag)
{
	const struct conf_section *links = conf_section(config, "links");
	unsigned int *mtus = mem_zalloc((links->n_objects + 1) * sizeof(*mtus));

	if (links->n_objects >= LINK_MAX)
		conf_error(config, diag, "links", "at most %u links are possible", LINK_MAX - 1);
	for (unsigned int i = 0; i < links->n_objects; i++) {
		const struct link_conf *conf = links->objects[i];

		link_check_one(config, diag, i, conf);
		if (conf->kind == LINK_KIND_VLAN && conf->parent != NULL)
			link_check_parent(config, diag, i, conf);
		for (unsigned int k = 0; k < conf->members.n; k++)
			link_check_member(config, diag, i, conf, k);
		mtus[i] = link_check_mtu(config, diag, i, mtus, conf);
		for (unsigned int j = 0; j < i; j++)
			link_check_pair(config, diag, i, conf, links->objects[j]);
	}
	free(mtus);
}
