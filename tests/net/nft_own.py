# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios of translation towards the router itself: which hooks ask, and what its answers look like."""
from nft_script import Table

table = Table()
group, scenario = table.group, table.scenario

OWN = group("dnat-own", prerouting={"rules": [
    {"name": "far side", "in": "lan", "proto": "udp", "dport": [90, 91], "action": "dnat", "to": "10.2.0.1"},
    {"name": "far side 6", "in": "lan", "proto": "udp", "dport": [90, 91], "action": "dnat", "to": "2001:db8:2::1"},
    {"name": "near side", "in": "lan", "proto": "tcp", "dport": [90, 91, 92], "action": "redirect", "to": "4090"},
    {"name": "echo", "in": "lan", "proto": ["icmp", "icmpv6"], "mark": 0, "action": "redirect"},
]}, input={"rules": [
    {"name": "as asked", "proto": ["tcp", "udp"], "dport": [91, 92], "action": "drop"},
    {"name": "as translated", "src": "10.16.0.0/16", "proto": "tcp", "dport": 4090, "action": "reject",
     "to": "tcp-reset"},
]}, forward={"rules": [
    {"name": "never asked", "in": "lan", "proto": ["tcp", "udp"], "action": "drop"},
]})


@scenario(OWN)
def a_datagram_for_our_other_side(run):
    run.lan(run.udp(run.a, run.b, dport=90), gives="l")
    run.lan(run.udp(run.a, run.b, dport=91))
    run.lan(run.udp(run.a, run.b, dport=93))


@scenario(OWN)
def a_segment_redirected_is_judged_as_translated(run):
    for port in (90, 91, 92):
        run.lan(run.tcp(run.a, run.b, sport=4000 + port, dport=port), gives="l")
    run.lan(run.tcp(run.a, run.b, dport=93))


@scenario(OWN)
def an_echo_redirected_is_answered_as_asked(run):
    (out,) = run.lan(run.echo(run.a, run.b), gives="l")
    assert out.src == run.b
    run.lan(*run.fragments(run.echo(run.a, run.b, ident=701, data=bytes(range(120))), 40, 80), gives="l")
