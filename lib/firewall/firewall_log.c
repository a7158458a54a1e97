/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Lines in the log about packets. A worker does not write them: it sends mail with all that a line says,
 * as often as the rule's own limit allows, and the control thread puts names and the rule's prefix to it.
 */
#include "firewall/firewall_priv.h"

#include <netinet/in.h>
#include <string.h>

/* What fits into a mail: the packet as the rule saw it. */
struct log_mail {
	union flow_addr src, dst;
	uint32_t generation; /* of the ruleset */
	uint16_t ns, rule, in_link, out_link, sport_be, dport_be, len;
	uint8_t hook, family, proto, icmp_type, icmp_code, has_l4;
};
static_assert(sizeof(struct log_mail) <= sizeof(((struct mail *)0)->arg), "mail goes by value");

/* The rules that the mail speaks of; NULL: they are gone. */
static struct ruleset *log_ruleset(const struct dp *dp, const struct log_mail *packet)
{
	struct ruleset *ruleset = firewall_state(dp)->rulesets[packet->ns];

	while (ruleset != NULL && ruleset->generation != packet->generation)
		ruleset = ruleset->previous;
	return ruleset;
}

static const char *log_link(const struct dp *dp, uint16_t ifindex)
{
	const struct link *link = link_by_index(dp, ifindex);

	return link != NULL ? link->name : "-";
}

static const char *log_addr(
	const struct log_mail *packet, const union flow_addr *addr, char buf[IP_ADDR_TEXT_MAX])
{
	struct ip_addr text =
		packet->family == AF_INET ? ip_addr_v4(addr->v4_be) : ip_addr_v6(addr->bytes);

	return ip_addr_text(&text, buf);
}

/* What is behind the protocol: ports, ICMP type and code, or nothing. */
static void log_l4(const struct log_mail *packet, char *buf, size_t size)
{
	buf[0] = '\0';
	if (!packet->has_l4)
		return;
	if (parse_has_ports(packet->proto))
		snprintf(buf, size, " sport=%u dport=%u", ntohs(packet->sport_be),
			ntohs(packet->dport_be));
	else if (flow_is_icmp(packet->proto))
		snprintf(buf, size, " type=%u code=%u", packet->icmp_type, packet->icmp_code);
}

/* The rule's place in its hook, and its name if it has one. */
static void log_rule(const struct log_mail *packet, const char *name, char *buf, size_t size)
{
	if (name != NULL)
		snprintf(buf, size, "%u name=%s", packet->rule, name);
	else
		snprintf(buf, size, "%u", packet->rule);
}

/* Runs on the control thread. */
static void log_take(void *receiver, const struct mail *mail)
{
	const struct dp *dp = receiver;
	char src[IP_ADDR_TEXT_MAX], dst[IP_ADDR_TEXT_MAX], l4[40], rule[64 + 16];
	const struct rule_conf *conf;
	struct log_mail packet;
	struct ruleset *ruleset;
	bool is_bare;

	memcpy(&packet, mail->arg, sizeof(packet));
	ruleset = log_ruleset(dp, &packet);
	if (ruleset == NULL || LOG_LEVEL_NOTICE > log_threshold)
		return;
	conf = firewall_conf_rule(ruleset->origin->conf, packet.hook, packet.rule);
	is_bare = strcmp(conf->log, "true") == 0;
	log_rule(&packet, conf->name, rule, sizeof(rule));
	log_l4(&packet, l4, sizeof(l4));
	log_write(&ruleset->sites[ruleset_slot(ruleset, packet.hook, packet.rule)],
		LOG_LEVEL_NOTICE, "firewall",
		"%s%shook=%s rule=%s in=%s out=%s src=%s dst=%s len=%u proto=%u%s",
		is_bare ? "" : conf->log, is_bare ? "" : " ", firewall_hook_name(packet.hook), rule,
		log_link(dp, packet.in_link), log_link(dp, packet.out_link),
		log_addr(&packet, &packet.src, src), log_addr(&packet, &packet.dst, dst),
		packet.len, packet.proto, l4);
}

void firewall_log(struct worker *w, const struct ruleset *ruleset, enum firewall_hook hook,
	unsigned int index, const struct flow_first *f, const struct pkt_meta *meta)
{
	const struct flow_tuple tuple = flow_invert(&f->reply);
	const struct log_mail packet = {
		.src = tuple.src,
		.dst = tuple.dst,
		.generation = ruleset->generation,
		.ns = meta->ns,
		.rule = (uint16_t)index,
		.in_link = f->in_link,
		.out_link = f->out_link,
		.sport_be = tuple.sport_be,
		.dport_be = tuple.dport_be,
		.len = meta->l3_len,
		.hook = (uint8_t)hook,
		.family = f->family,
		.proto = f->proto,
		.icmp_type = f->icmp_type,
		.icmp_code = f->icmp_code,
		.has_l4 = f->has_l4,
	};
	struct mail mail = { .fn = log_take };

	if (!limit_take(ruleset->hooks[hook].rules[index].log_bucket, &ruleset->log_limit, w->now))
		return;
	memcpy(mail.arg, &packet, sizeof(packet));
	/* When the ring is full there is more to say than anybody could read. */
	(void)worker_tell(w, &mail);
}
