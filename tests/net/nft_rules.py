# SPDX-License-Identifier: BSD-3-Clause
"""
Firewall rules in the words of weir's configuration, translated for nftables.

weir's "packets of a connection whose first packet was accepted pass" becomes a rule of each filter
chain that accepts what is established or related, behind those that only set something. NAT, notrack
and the other rules of one hook become chains of different types, in the order in which the kernel
wants them: notrack before tracking, marks and verdicts before the translation of destinations, and
before that of sources.

One difference is left: to Linux a connection without an answer stays new, and meets the rules again.
"""

SETTERS = ("mark", "dscp", "")
NAT = ("dnat", "redirect", "snat", "masquerade")


class Nft:
    """Rules in weir's words as an nftables ruleset."""

    PRIORITIES = {"prerouting": (-300, -150, -100), "input": (None, 0, None), "forward": (None, 0, None),
                  "output": (-300, 0, -100), "postrouting": (None, 90, 100)}
    REJECTS = {"tcp-reset": "tcp reset", None: "icmpx port-unreachable"}

    def __init__(self, firewall):
        self.chains = [chain for hook, group in firewall.items() for chain in self.hook(hook, group)]

    def text(self):
        return "table inet weir {\n" + "".join(self.chains) + "}\n"

    def hook(self, hook, group):
        rules = group.get("rules", [])
        raw, plain, nat = self.PRIORITIES[hook]
        kinds = {"raw": [r for r in rules if verdict(r) == "notrack"],
                 "filter": [r for r in rules if verdict(r) not in (*NAT, "notrack")],
                 "nat": [r for r in rules if verdict(r) in (*NAT, "accept")]}
        if kinds["raw"]:
            yield self.chain(f"{hook}_raw", "filter", hook, raw, "accept", self.lines(kinds["raw"]))
        if kinds["filter"] or "policy" in group:
            first = [r for r in kinds["filter"] if verdict(r) in SETTERS]
            rest = [r for r in kinds["filter"] if verdict(r) not in SETTERS]
            lines = [*self.lines(first), "ct state established,related accept", *self.lines(rest)]
            yield self.chain(f"{hook}_filter", "filter", hook, plain, group.get("policy", "accept"), lines)
        if any(verdict(r) in NAT for r in rules):
            yield self.chain(f"{hook}_nat", "nat", hook, nat, "accept", self.lines(kinds["nat"]))

    @staticmethod
    def chain(name, kind, hook, priority, policy, lines):
        head = f"type {kind} hook {hook} priority {priority}; policy {policy};"
        return f"\tchain {name} {{\n" + "".join(f"\t\t{line}\n" for line in (head, *lines)) + "\t}\n"

    def lines(self, rules):
        return [line for rule in rules for line in self.rule(rule)]

    def rule(self, rule):
        """One line, or one for each family where nft has a word of its own for each."""
        families = [self.family(rule)]
        if families == [None] and (verdict(rule) == "dscp" or "dscp" in rule):
            families = ["ip", "ip6"]
        for family in families:
            yield " ".join([*self.matches(rule, family), self.action(rule, family)])

    @staticmethod
    def family(rule):
        """That of its addresses: ip, ip6, or None."""
        texts = [one for key in ("src", "dst") for one in as_list(rule.get(key, []))]
        if verdict(rule) in ("dnat", "snat"):
            texts.append(rule["to"])
        if not texts:
            return None
        return "ip6" if texts[0].count(":") > 1 else "ip"

    def matches(self, rule, family):
        for key, word in (("in", "iifname"), ("out", "oifname")):
            if key in rule:
                yield f"{word} {values(rule[key], quoted)}"
        for key, word in (("src", "saddr"), ("dst", "daddr")):
            if key in rule:
                yield f"{family} {word} {values(rule[key])}"
        if "proto" in rule:
            yield f"meta l4proto {values(rule['proto'])}"
        for key in ("sport", "dport"):
            if key in rule:
                yield f"th {key} {values(rule[key])}"
        if "icmp_type" in rule:
            yield f"{'icmp' if rule['proto'] == 'icmp' else 'icmpv6'} type {values(rule['icmp_type'])}"
        if "tcp_flags" in rule:
            want, _, mask = rule["tcp_flags"].partition("/")
            yield f"tcp flags & ({flags(mask or want)}) == {flags(want)}"
        if "state" in rule:
            yield f"ct state {values(rule['state'])}"
        if "mark" in rule:
            yield f"meta mark {values(rule['mark'])}"
        if "dscp" in rule:
            yield f"{family} dscp {values(rule['dscp'])}"
        if "limit" in rule:
            yield f"limit rate {rule['limit']} packets"
        if "log" in rule:
            yield "log"

    def action(self, rule, family):
        action, to = verdict(rule), rule.get("to")
        if action == "reject":
            return f"reject with {self.REJECTS.get(to) or f'icmpx {to}'}"
        if action == "mark":
            return f"meta mark set {to}"
        if action == "dscp":
            return f"{family} dscp set {to}"
        if action in ("dnat", "snat"):
            if "/" in to:
                key = "saddr" if action == "snat" else "daddr"
                net = rule["src" if action == "snat" else "dst"]
                return f"{action} {family} prefix to {family} {key} map {{ {net} : {to} }}"
            # weir pairs an inside address with one of the pool, whatever the destination.
            return f"{action} {family} to {to}{' persistent' if is_pool(to) else ''}"
        if action in ("redirect", "masquerade") and to:
            return f"{action} to :{to}"
        return action


def verdict(rule):
    """A rule that only logs has none."""
    return rule.get("action", "")


def as_list(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def quoted(value):
    return f'"{value}"'


def values(value, shape=str):
    """One value or a set of them, negated by a leading exclamation mark."""
    texts = [str(one) for one in as_list(value)]
    sign = "!= " if texts[0].startswith("!") else ""
    texts = [shape(text.lstrip("!")) for text in texts]
    return sign + (texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }")


def is_pool(to):
    last = to.partition("-")[2]
    return "." in last or ":" in last


def flags(text):
    return "|".join(text.split(",")) if text != "none" else "0x0"
