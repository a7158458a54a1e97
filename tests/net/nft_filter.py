# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios of filtering: verdicts, what rules match, state, the router's own hooks."""
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from nft_lab import MACS
from nft_script import Table, Talk

table = Table()
group, scenario = table.group, table.scenario

# Addresses that rules name: beside those that scenarios have of their own.
FOUR, SIX = "10.32.240", "2001:db8:32:f0:"


def far(run, number):
    """Host NUMBER of the network that the rules below speak of."""
    return f"{FOUR}.{number}" if run.family == 4 else f"{SIX}:{number}"


VERDICTS = group("verdicts", forward={"rules": [
    {"name": "reset", "proto": "tcp", "dport": 101, "action": "reject", "to": "tcp-reset"},
    {"name": "port", "proto": "udp", "dport": 102, "action": "reject", "to": "port-unreachable"},
    {"name": "admin", "dport": 103, "proto": "udp", "action": "reject", "to": "admin-prohibited"},
    {"name": "host", "dport": 104, "proto": "udp", "action": "reject", "to": "host-unreachable"},
    {"name": "route", "dport": 105, "proto": "udp", "action": "reject", "to": "no-route"},
    {"name": "admin-tcp", "dport": 103, "proto": "tcp", "action": "reject", "to": "admin-prohibited"},
    {"name": "drop", "dport": 106, "proto": "udp", "action": "drop"},
    {"name": "first", "dport": 107, "proto": "udp", "action": "accept"},
    {"name": "shadowed", "dport": 107, "proto": "udp", "action": "drop"},
    {"name": "only logged", "dport": 108, "proto": "udp", "log": "seen"},
    {"name": "after the log", "dport": 108, "proto": "udp", "action": "drop"},
    {"name": "echo", "proto": "icmp", "icmp_type": "echo-request", "dst": f"{FOUR}.1", "action": "reject",
     "to": "admin-prohibited"},
    {"name": "echo6", "proto": "icmpv6", "icmp_type": "echo-request", "dst": f"{SIX}:1", "action": "reject",
     "to": "admin-prohibited"},
    # Each scenario runs for both families, and a limit counts them together.
    *({"name": f"limit {port}", "proto": "udp", "dport": port, "limit": "1/hour burst 3", "action": "accept"}
      for port in (114, 116)),
    *({"name": f"limited {port}", "proto": "udp", "dport": port, "action": "drop"} for port in (114, 116)),
    *({"name": f"over {port}", "proto": "udp", "dport": port, "limit": "over 1/hour burst 2", "action": "reject",
       "to": "admin-prohibited"} for port in (124, 126)),
    {"name": "from the wan", "in": "wan", "out": "lan", "proto": "udp", "dport": 109, "action": "drop"},
]})


@scenario(VERDICTS)
def a_syn_is_answered_with_a_reset(run):
    run.lan(run.tcp(run.a, run.b, dport=101, seq=77), gives="l")


@scenario(VERDICTS)
def an_ack_is_answered_with_a_reset_of_its_number(run):
    run.lan(run.tcp(run.a, run.b, dport=101, flags="A", seq=77, ack=9999), gives="l")


@scenario(VERDICTS)
def data_with_an_ack_is_answered_with_a_reset(run):
    run.lan(run.tcp(run.a, run.b, dport=101, flags="PA", seq=77, ack=9999) / Raw(b"data"), gives="l")


@scenario(VERDICTS)
def a_fin_without_ack_is_no_connection(run):
    run.lan(run.tcp(run.a, run.b, dport=101, flags="F", seq=77), gives="l")


@scenario(VERDICTS)
def a_reset_is_not_answered(run):
    run.lan(run.tcp(run.a, run.b, dport=101, flags="R", seq=77))


@scenario(VERDICTS)
def syn_with_data_is_reset_beyond_the_data(run):
    run.lan(run.tcp(run.a, run.b, dport=101, seq=77) / Raw(b"early"), gives="l")


@scenario(VERDICTS)
def tcp_is_reset_from_the_wan_too(run):
    run.wan(run.tcp(run.b, run.a, dport=101, seq=77), gives="w")


@scenario(VERDICTS)
def udp_is_rejected_port_unreachable(run):
    run.lan(run.udp(run.a, run.b, dport=102), gives="l")


@scenario(VERDICTS)
def udp_is_rejected_admin_prohibited(run):
    run.lan(run.udp(run.a, run.b, dport=103), gives="l")


@scenario(VERDICTS)
def udp_is_rejected_host_unreachable(run):
    run.lan(run.udp(run.a, run.b, dport=104), gives="l")


@scenario(VERDICTS)
def udp_is_rejected_no_route(run):
    run.lan(run.udp(run.a, run.b, dport=105), gives="l")


@scenario(VERDICTS)
def tcp_is_rejected_admin_prohibited(run):
    run.lan(run.tcp(run.a, run.b, dport=103), gives="l")


@scenario(VERDICTS)
def a_large_packet_is_quoted_as_far_as_the_family_has_it(run):
    run.lan(run.udp(run.a, run.b, dport=102, data=bytes(range(256)) * 5), gives="l")


@scenario(VERDICTS)
def udp_is_dropped(run):
    run.lan(run.udp(run.a, run.b, dport=106))


@scenario(VERDICTS)
def the_first_match_wins(run):
    run.lan(run.udp(run.a, run.b, dport=107), gives="w")


@scenario(VERDICTS)
def a_log_rule_goes_on(run):
    run.lan(run.udp(run.a, run.b, dport=108))


@scenario(VERDICTS)
def an_echo_request_is_rejected_by_type(run):
    run.lan(run.echo(run.a, far(run, 1)), gives="l")
    run.lan(run.echo(run.a, far(run, 2)), gives="w")


@scenario(VERDICTS)
def a_rule_of_one_way_leaves_the_other(run):
    run.wan(run.udp(run.b, run.a, dport=109))
    run.lan(run.udp(run.a, run.b, dport=109), gives="w")


@scenario(VERDICTS)
def an_answer_from_a_dropped_way_passes(run):
    (out,) = run.lan(run.udp(run.a, run.b, sport=109, dport=109), gives="w")
    run.wan(run.answer(out), gives="l")


@scenario(VERDICTS)
def a_limit_is_for_new_connections(run):
    port = 110 + run.family
    for number in range(3):
        (out,) = run.lan(run.udp(run.a, run.b, sport=4000 + number, dport=port), gives="w")
        run.wan(run.answer(out), gives="l")
    for number, gives in enumerate(("w", "w", "w", "", "")):
        run.lan(run.udp(run.a, run.b, sport=4000 + number, dport=port, data=b"again"), gives=gives)


@scenario(VERDICTS)
def what_is_over_a_limit_is_rejected(run):
    for number, gives in enumerate(("w", "w", "l", "l")):
        run.lan(run.udp(run.a, run.b, sport=4000 + number, dport=120 + run.family), gives=gives)


@scenario(VERDICTS)
def what_no_rule_names_passes(run):
    run.lan(run.udp(run.a, run.b, dport=4444), gives="w")
    run.wan(run.tcp(run.b, run.a, dport=4444), gives="l")


@scenario(VERDICTS)
def an_expired_packet_that_a_rule_drops(run):
    """It is told of before the rules of forward are asked."""
    run.lan(run.udp(run.a, run.b, dport=106, ttl=1), gives="l")


MATCHES = group("matches", prerouting={"rules": [
    {"name": "mark", "in": "lan", "proto": "udp", "dport": 201, "action": "mark", "to": "7"},
    {"name": "untracked", "proto": "udp", "dport": 202, "action": "notrack"},
    {"name": "ef", "in": "lan", "proto": "udp", "dport": 203, "action": "dscp", "to": "ef"},
    {"name": "early drop", "in": "lan", "proto": "udp", "dport": 204, "action": "drop"},
]}, forward={"policy": "drop", "rules": [
    {"name": "marked", "mark": "7", "action": "accept"},
    {"name": "untracked", "state": "untracked", "in": "lan", "action": "accept"},
    {"name": "dscp", "dscp": "af41", "proto": "udp", "dport": 205, "action": "accept"},
    {"name": "ef passes", "proto": "udp", "dport": 203, "action": "accept"},
    {"name": "range", "dst": f"{FOUR}.10-{FOUR}.19", "action": "accept"},
    {"name": "range6", "dst": f"{SIX}:10-{SIX}:19", "action": "accept"},
    {"name": "list", "dst": [f"{FOUR}.30", f"{FOUR}.32/31"], "action": "accept"},
    {"name": "list6", "dst": [f"{SIX}:30", f"{SIX}:32/127"], "action": "accept"},
    {"name": "not that", "dst": f"!{FOUR}.0/24", "proto": "udp", "dport": 206, "action": "accept"},
    {"name": "not that6", "dst": f"!{SIX}:/64", "proto": "udp", "dport": 206, "action": "accept"},
    {"name": "ports", "proto": "udp", "dport": "210-219", "action": "accept"},
    {"name": "several", "proto": "tcp", "dport": [220, "222-223"], "action": "accept"},
    {"name": "not ports", "proto": "tcp", "sport": "!1-4999", "dport": 224, "action": "accept"},
    {"name": "source port", "proto": "udp", "sport": 225, "action": "accept"},
    {"name": "syn only", "proto": "tcp", "dport": 226, "tcp_flags": "syn/fin,syn,rst,ack", "action": "accept"},
    {"name": "echo", "proto": "icmp", "icmp_type": "echo-request", "action": "accept"},
    {"name": "echo6", "proto": "icmpv6", "icmp_type": "echo-request", "action": "accept"},
    {"name": "other protocol", "proto": 132, "action": "accept"},
    {"name": "both ends", "src": "10.16.0.0/16", "dst": f"{FOUR}.40", "in": "lan", "out": "wan", "action": "accept"},
    {"name": "both ends6", "src": "2001:db8:16::/48", "dst": f"{SIX}:40", "in": "lan", "out": "wan",
     "action": "accept"},
    {"name": "wrong way", "in": "wan", "out": "wan", "proto": "udp", "dport": 227, "action": "accept"},
]}, postrouting={"rules": [
    {"name": "last word", "out": "wan", "proto": "udp", "dport": 219, "action": "drop"},
]})


@scenario(MATCHES)
def a_mark_of_prerouting_is_seen_in_forward(run):
    (out,) = run.lan(run.udp(run.a, run.b, dport=201), gives="w")
    run.wan(run.answer(out), gives="l")
    run.lan(run.udp(run.a, run.b, dport=201, data=b"again"), gives="w")


@scenario(MATCHES)
def without_the_mark_the_policy_drops(run):
    run.wan(run.udp(run.b, run.a, dport=201))


@scenario(MATCHES)
def an_untracked_answer_needs_a_rule_of_its_own(run):
    (out,) = run.lan(run.udp(run.a, run.b, sport=202, dport=202), gives="w")
    run.wan(run.answer(out))
    run.lan(run.udp(run.a, run.b, sport=202, dport=202, data=b"again"), gives="w")


@scenario(MATCHES)
def dscp_is_set_for_all_packets_of_a_flow(run):
    for data in (b"first", b"second"):
        run.lan(run.udp(run.a, run.b, dport=203, data=data), gives="w")


@scenario(MATCHES, families=(4,))
def dscp_leaves_ecn_alone(run):
    run.lan(run.udp(run.a, run.b, dport=203, tos=0x22 | 1), gives="w")


@scenario(MATCHES)
def prerouting_drops(run):
    run.lan(run.udp(run.a, far(run, 10), dport=204))
    run.lan(run.udp(run.a, far(run, 10), dport=1204), gives="w")


@scenario(MATCHES)
def dscp_is_matched(run):
    field = "tos" if run.family == 4 else "tc"
    run.lan(run.udp(run.a, run.b, dport=205))
    run.lan(run.udp(run.a, run.b, sport=4001, dport=205, **{field: 34 << 2}), gives="w")
    run.lan(run.udp(run.a, run.b, sport=4002, dport=205, **{field: 34 << 2 | 2}), gives="w")
    run.lan(run.udp(run.a, run.b, sport=4003, dport=205, **{field: 36 << 2}))


@scenario(MATCHES)
def a_range_of_addresses_has_both_ends(run):
    numbers = (9, 10, 19, 20) if run.family == 4 else ("f", "10", "19", "1a")
    for number, gives in zip(numbers, ("", "w", "w", "")):
        run.lan(run.udp(run.a, far(run, number), dport=4444), gives=gives)


@scenario(MATCHES)
def a_list_of_addresses_has_each(run):
    for number, gives in ((30, "w"), (31, ""), (32, "w"), (33, "w"), (34, "")):
        run.lan(run.udp(run.a, far(run, number), dport=4444), gives=gives)


@scenario(MATCHES)
def a_negated_network_is_all_but_it(run):
    run.lan(run.udp(run.a, run.b, dport=206), gives="w")
    run.lan(run.udp(run.a, far(run, 50), dport=206))


@scenario(MATCHES)
def a_range_of_ports_has_both_ends(run):
    for port, gives in ((209, ""), (210, "w"), (218, "w"), (220, "")):
        run.lan(run.udp(run.a, run.b, dport=port), gives=gives)


@scenario(MATCHES)
def a_list_of_ports_has_each(run):
    for port, gives in ((219, ""), (220, "w"), (221, ""), (222, "w"), (223, "w")):
        run.lan(run.tcp(run.a, run.b, dport=port), gives=gives)


@scenario(MATCHES)
def negated_ports_are_all_but_those(run):
    run.lan(run.tcp(run.a, run.b, sport=4999, dport=224))
    run.lan(run.tcp(run.a, run.b, sport=5000, dport=224), gives="w")


@scenario(MATCHES)
def a_source_port_is_matched(run):
    run.lan(run.udp(run.a, run.b, sport=225, dport=1), gives="w")
    run.lan(run.udp(run.a, run.b, sport=226, dport=1))


@scenario(MATCHES)
def tcp_flags_are_matched_under_a_mask(run):
    run.lan(run.tcp(run.a, run.b, dport=226, flags="A"))
    run.lan(run.tcp(run.a, run.b, sport=4001, dport=226, flags="S"), gives="w")
    # ECN's two bits are beyond the mask.
    run.lan(run.tcp(run.a, run.b, sport=4002, dport=226, flags="SEC"), gives="w")


@scenario(MATCHES)
def an_icmp_type_is_matched(run):
    run.lan(run.echo(run.a, run.b), gives="w")
    run.wan(run.echo(run.b, run.a, ident=701, is_reply=True))


@scenario(MATCHES)
def both_ends_and_both_links_are_matched(run):
    run.lan(run.udp(run.a, far(run, 40), dport=4444), gives="w")
    run.wan(run.udp(far(run, 40), run.a, dport=4445))


@scenario(MATCHES)
def a_rule_for_another_way_does_not_match(run):
    run.lan(run.udp(run.a, run.b, dport=227))
    run.wan(run.udp(run.b, run.a, dport=227))


@scenario(MATCHES)
def postrouting_drops(run):
    run.lan(run.udp(run.a, run.b, dport=219))


GATE = group("gate", forward={"policy": "drop", "rules": [
    {"name": "invalid", "state": "invalid", "action": "drop"},
    {"name": "known", "state": ["established", "related"], "action": "accept"},
    {"name": "out", "in": "lan", "out": "wan", "state": "new", "action": "accept"},
    {"name": "web", "in": "wan", "proto": "tcp", "dport": 80, "state": "new", "action": "accept"},
]})


@scenario(GATE)
def an_answer_passes_and_an_unsolicited_one_does_not(run):
    run.wan(run.udp(run.b, run.a, sport=80, dport=4000))
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(run.answer(out), gives="l")
    # Another port, another host.
    run.wan(run.udp(run.b, run.a, sport=80, dport=4001))
    run.wan(run.udp(run.host("wan", 2), run.a, sport=80, dport=4000))


@scenario(GATE)
def an_echo_reply_passes_only_when_asked_for(run):
    run.wan(run.echo(run.b, run.a, is_reply=True))
    (out,) = run.lan(run.echo(run.a, run.b), gives="w")
    run.wan(run.answer(out), gives="l")
    run.wan(run.echo(run.b, run.a, ident=701, is_reply=True))


@scenario(GATE)
def an_echo_request_from_outside_is_dropped(run):
    run.wan(run.echo(run.b, run.a))


@scenario(GATE)
def a_connection_to_the_server_passes(run):
    talk = Talk(run, run.b, run.a, side="wan").open()
    talk.client("PA", "l", data=b"GET")
    talk.server("PA", "w", data=b"200 OK")


@scenario(GATE)
def a_connection_to_another_port_does_not(run):
    run.wan(run.tcp(run.b, run.a, dport=81))


@scenario(GATE)
def an_error_about_a_connection_passes(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(run.error(out), gives="l")


@scenario(GATE)
def an_error_of_a_router_on_the_way_passes(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(run.error(out, "time", src=run.host("wan", 99)), gives="l")


@scenario(GATE)
def an_error_with_the_least_quote_passes(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(run.error(out, quote=28 if run.family == 4 else 48), gives="l")


@scenario(GATE)
def an_error_with_less_than_the_least_quote_is_dropped(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(run.error(out, quote=22 if run.family == 4 else 42))


@scenario(GATE)
def an_error_about_nothing_is_dropped(run):
    run.wan(run.error(run.udp(run.a, run.b)))


@scenario(GATE)
def an_error_about_another_port_is_dropped(run):
    run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(run.error(run.udp(run.a, run.b, sport=4001)))


@scenario(GATE)
def an_error_about_what_the_receiver_never_sent_is_dropped(run):
    """The quote is of a packet from b to a; the error goes to a, which did not send it."""
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(run.answer(out), gives="l")
    run.wan(run.error(run.udp(run.b, run.a, 80, 4000), src=run.b, dst=run.a))


@scenario(GATE)
def an_error_about_an_error_is_dropped(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    (error,) = run.wan(run.error(out), gives="l")
    run.wan(run.error(error, src=run.b))


@scenario(GATE)
def an_error_about_an_echo_passes(run):
    (out,) = run.lan(run.echo(run.a, run.b), gives="w")
    run.wan(run.error(out, "host", src=run.host("wan", 99)), gives="l")


@scenario(GATE)
def an_error_about_a_tcp_connection_passes(run):
    talk = Talk(run, run.a, run.b).open()
    (out,) = talk.client("PA", "w", data=b"x" * 100)
    run.wan(run.error(out, "too-big", src=run.host("wan", 99)), gives="l")
    talk.server("A", "l")


@scenario(GATE)
def a_bad_checksum_makes_an_error_invalid(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    error = run.error(out)
    error[1].cksum = error[1].chksum = 0x1234
    run.wan(error)


@scenario(GATE)
def a_packet_with_a_low_ttl_is_told_of(run):
    run.lan(run.udp(run.a, run.b, ttl=1), gives="l")
    # The policy would drop it.
    run.wan(run.udp(run.b, run.a, ttl=1), gives="w")


@scenario(GATE)
def a_packet_too_large_is_told_of(run):
    fields = {"flags": "DF"} if run.family == 4 else {}
    run.lan(run.udp(run.a, run.b, data=bytes(1440), **fields), gives="l")


@scenario(GATE)
def an_established_packet_too_large_is_told_of(run):
    fields = {"flags": "DF"} if run.family == 4 else {}
    run.lan(run.udp(run.a, run.b, **fields), gives="w")
    run.lan(run.udp(run.a, run.b, data=bytes(1440), **fields), gives="l")
    run.lan(run.udp(run.a, run.b, data=bytes(1300), **fields), gives="w")


@scenario(GATE)
def a_packet_for_nowhere_is_told_of(run):
    run.lan(run.udp(run.a, "198.51.100.1" if run.family == 4 else "2001:db8:99::1"), gives="l")


@scenario(GATE, families=(4,))
def a_packet_that_needs_fragments_leaves_in_two(run):
    run.lan(run.udp(run.a, run.b, data=bytes(1440)), gives="ww")


LOCAL = group("local", input={"policy": "drop", "rules": [
    {"name": "ping", "proto": "icmp", "icmp_type": "echo-request", "action": "accept"},
    {"name": "ping6", "proto": "icmpv6", "icmp_type": "echo-request", "action": "accept"},
    {"name": "reset", "proto": "tcp", "dport": 301, "action": "reject", "to": "tcp-reset"},
    {"name": "closed", "proto": "tcp", "dport": 302, "action": "accept"},
    {"name": "closed udp", "proto": "udp", "dport": 302, "action": "accept"},
    {"name": "port", "proto": "udp", "dport": 303, "action": "reject", "to": "port-unreachable"},
    {"name": "admin", "in": "wan", "proto": "udp", "dport": 304, "action": "reject", "to": "admin-prohibited"},
]}, output={"rules": [
    {"name": "no connections", "dst": f"{FOUR}.60", "action": "drop"},
    {"name": "no connections6", "dst": f"{SIX}:60", "action": "drop"},
]})


@scenario(LOCAL)
def the_router_answers_an_echo(run):
    run.lan(run.echo(run.a, run.router["lan"]), gives="l")
    run.wan(run.echo(run.b, run.router["wan"]), gives="w")


@scenario(LOCAL)
def the_router_answers_for_its_other_side(run):
    run.lan(run.echo(run.a, run.router["wan"]), gives="l")


@scenario(LOCAL)
def a_closed_tcp_port_resets(run):
    run.lan(run.tcp(run.a, run.router["lan"], dport=302), gives="l")


@scenario(LOCAL)
def a_closed_udp_port_is_unreachable(run):
    run.lan(run.udp(run.a, run.router["lan"], dport=302), gives="l")


@scenario(LOCAL)
def input_rejects(run):
    run.lan(run.tcp(run.a, run.router["lan"], dport=301), gives="l")
    run.lan(run.udp(run.a, run.router["lan"], dport=303), gives="l")
    run.wan(run.udp(run.b, run.router["wan"], dport=304), gives="w")


@scenario(LOCAL)
def input_drops_by_policy(run):
    run.lan(run.tcp(run.a, run.router["lan"], dport=305))
    run.lan(run.udp(run.a, run.router["lan"], dport=304))


@scenario(LOCAL)
def output_does_not_see_what_belongs_to_a_connection(run):
    """Its rules are for the first packet of a connection: neither of these is one."""
    run.wan(run.udp(far(run, 60), run.router["wan"], dport=304), gives="w")
    run.wan(run.echo(far(run, 60), run.router["wan"]), gives="w")


@scenario(LOCAL)
def forwarding_is_no_matter_of_input(run):
    run.lan(run.udp(run.a, run.b, dport=305), gives="w")
    run.wan(run.tcp(run.b, run.a, dport=305), gives="l")


@scenario(LOCAL, families=(4,))
def broadcast_is_not_forwarded_nor_answered(run):
    frame = Ether(src=MACS["lan"][0], dst="ff:ff:ff:ff:ff:ff")
    run.lan(frame / IP(src=run.a, dst="10.1.255.255") / UDP(sport=1, dport=302) / Raw(b"all"))
    run.lan(frame / IP(src=run.a, dst="10.1.0.255") / UDP(sport=1, dport=303) / Raw(b"all"))
    run.lan(frame / IP(src=run.a, dst=run.b) / UDP(sport=1, dport=302) / Raw(b"all"))
    run.lan(frame / IP(src=run.a, dst="10.1.0.255") / TCP(sport=1, dport=301))


@scenario(LOCAL, families=(4,))
def multicast_is_not_forwarded_nor_answered(run):
    frame = Ether(src=MACS["lan"][0], dst="01:00:5e:00:00:63")
    run.lan(frame / IP(src=run.a, dst="224.0.0.99") / UDP(sport=1, dport=303) / Raw(b"group"))


OUTPUT = group("output", output={"policy": "drop", "rules": [
    {"name": "errors to some", "dst": ["10.16.0.0/16", "10.32.0.0/17"], "proto": "icmp", "action": "accept"},
]})


@scenario(OUTPUT)
def an_answer_belongs_to_its_question(run):
    run.lan(run.echo(run.a, run.router["lan"]), gives="l")


@scenario(OUTPUT)
def an_error_belongs_to_what_caused_it(run):
    run.lan(run.udp(run.a, run.b, ttl=1), gives="l")
    run.lan(run.udp(run.a, run.router["lan"], dport=302), gives="l")
