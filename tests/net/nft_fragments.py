# SPDX-License-Identifier: BSD-3-Clause
"""
Scenarios of fragments that somebody refuses. To Linux a datagram in fragments is one packet; weir sends
fragments on one by one, and must not let pass a part of what it refuses as a whole.
"""
from scapy.layers.inet import TCP
from scapy.packet import Raw

from nft_script import Table, Talk

table = Table()
group, scenario = table.group, table.scenario

DATA = bytes(range(120))


def orders(pieces):
    first, second, third = pieces
    return (first, second, third), (third, second, first), (second, first, third)


# What is not named passes, whatever is the matter with it.
OPEN = group("fragments-open", forward={"rules": [
    {"name": "nothing begins in the wan", "in": "wan", "state": "new", "action": "drop"},
    {"name": "no ping", "proto": "icmp", "icmp_type": "echo-request", "action": "drop"},
    {"name": "no ping6", "proto": "icmpv6", "icmp_type": "echo-request", "action": "drop"},
    {"name": "no syn", "proto": "tcp", "tcp_flags": "syn/syn,ack", "dport": 99, "action": "drop"},
    {"name": "one by one", "proto": "udp", "dport": 98, "limit": "1/hour burst 1", "action": "accept"},
    {"name": "no more", "proto": "udp", "dport": 98, "action": "drop"},
    {"name": "closed", "proto": "udp", "dport": 96, "action": "drop"},
]})


@scenario(OPEN)
def nothing_of_a_datagram_that_may_not_begin(run):
    for number, pieces in enumerate(orders(run.fragments(run.udp(run.b, run.a, data=DATA), 40, 80))):
        run.wan(*pieces)
        run.wan(*run.fragments(run.udp(run.b, run.a, sport=4001 + number, data=DATA), 40, 80))


@scenario(OPEN)
def nothing_of_a_datagram_that_may_not_begin_one_by_one(run):
    for piece in run.fragments(run.udp(run.b, run.a, data=DATA), 40, 80):
        run.wan(piece)


@scenario(OPEN)
def nothing_of_a_refused_echo(run):
    for pieces in orders(run.fragments(run.echo(run.a, run.b, data=DATA), 40, 80)):
        run.lan(*pieces)


@scenario(OPEN)
def nothing_of_a_refused_syn(run):
    run.lan(*run.fragments(run.tcp(run.a, run.b, dport=99) / Raw(DATA), 40, 80))
    run.lan(*run.fragments(run.tcp(run.a, run.b, dport=97) / Raw(DATA), 40, 80), gives="www")


@scenario(OPEN)
def nothing_of_a_datagram_beyond_a_limit(run):
    if run.family == 6:
        run.lan(*run.fragments(run.udp(run.a, run.b, dport=98, data=DATA), 40, 80))
        return
    run.lan(*run.fragments(run.udp(run.a, run.b, dport=98, data=DATA), 40, 80), gives="www")
    run.lan(*run.fragments(run.udp(run.a, run.b, sport=4001, dport=98, data=DATA), 40, 80))


@scenario(OPEN)
def a_refused_datagram_leaves_others_of_its_identification_alone(run):
    """The same hosts and identification, first of what is refused, then of a connection."""
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    refused = run.udp(run.b, run.a, sport=81, data=DATA)
    answer = run.answer(out, DATA)
    for packet in (refused, answer):
        if run.family == 4:
            packet.id = 0x7777
        else:
            packet.fl = 0x7777
    run.wan(*run.fragments(refused, 40, 80))
    run.wan(*run.fragments(answer, 40, 80), gives="lll")
    run.wan(*run.fragments(refused, 40, 80))


@scenario(OPEN)
def what_is_invalid_passes_in_fragments_too(run):
    """No rule here is about what is invalid."""
    run.lan(*run.fragments(run.tcp(run.a, run.b, flags="FPU") / Raw(DATA), 40, 80), gives="www")
    run.lan(*run.fragments(run.echo(run.a, run.b, is_reply=True, data=DATA), 40, 80), gives="www")


def options6(next_header):
    return bytes([next_header, 0, 1, 4, 0, 0, 0, 0])


def pieces6(run, packet, before, names):
    """
    A datagram whose part in fragments begins with destination options; before: headers in front of the fragment
    header, (kind, what makes one); names: what each fragment's header says that follows.
    """
    whole = options6(packet.nh) + bytes(packet.payload)
    pieces = []
    for n, name in enumerate(names):
        data, offset = whole[n * 40:(n + 1) * 40 if n + 1 < len(names) else None], n * 5
        data = bytes([name, 0, *(offset << 3 | (n + 1 < len(names))).to_bytes(2, "big"),
                      *packet.fl.to_bytes(4, "big")]) + data
        number = 44
        for kind, make in reversed(before):
            data, number = make(number) + data, kind
        pieces.append(run.ip(packet.src, packet.dst, nh=number) / Raw(data))
    return pieces


@scenario(OPEN, families=(6,))
def no_header_of_a_fragment_hides_its_ports(run):
    """Only what the first fragment's header names counts (RFC 8200 4.5)."""
    for before in ([], [(0, options6)], [(0, options6), (60, options6)]):
        for names in ((60, 60, 60), (60, 6, 58), (60, 44, 59), (60, 17, 0)):
            # Linux makes one packet of them, which leaves so if it fits.
            for port, gives in ((96, ""), (95, "w")):
                packet = run.udp(run.a, run.b, 4000 + len(run.record), port, data=DATA)
                packet.nh = 17
                first, second, third = pieces6(run, packet, before, names)
                run.lan(third, first, second, gives=gives, weir=3 * gives)


@scenario(OPEN, families=(4,))
def identifications_are_of_a_protocol(run):
    """Fragments with the identification of what is let through, but of another protocol."""
    good = run.udp(run.a, run.b, data=DATA)
    bad = run.echo(run.a, run.b, data=DATA)
    bad.id = good.id
    first, second, third = run.fragments(good, 40, 80)
    run.lan(first, *run.fragments(bad, 40, 80), second, third, gives="www")


# What is invalid is dropped.
STATEFUL = group("fragments-stateful", forward={"policy": "drop", "rules": [
    {"name": "invalid", "state": "invalid", "action": "drop"},
    {"name": "new", "state": "new", "action": "accept"},
]})


@scenario(STATEFUL)
def nothing_of_a_segment_beyond_the_window(run):
    talk = Talk(run, run.a, run.b).open()
    talk.client("PA", "w", data=b"before")
    run.lan(*run.fragments(run.ip(run.a, run.b) / TCP(
        sport=4000, dport=80, flags="PA", seq=talk.seq[0] + 500000, ack=talk.seq[1], window=8000) / Raw(DATA), 40, 80))
    talk.client("PA", "w", data=b"behind")


@scenario(STATEFUL)
def a_syn_in_fragments_opens_no_window(run):
    """Anybody can send it who knows the ports: it passes, as it might be true, and proves nothing."""
    talk = Talk(run, run.a, run.b).open()
    run.lan(*run.fragments(run.tcp(run.a, run.b, seq=77) / Raw(DATA), 40, 80), gives="www")
    talk.client("PA", "", data=b"far", seq=talk.seq[0] + 500000)
    talk.server("PA", "", data=b"far", seq=talk.seq[1] + 500000)
    talk.client("PA", "w", data=b"near")


@scenario(STATEFUL)
def nothing_of_a_segment_with_impossible_flags(run):
    Talk(run, run.a, run.b).open()
    run.lan(*run.fragments(run.tcp(run.a, run.b, flags="SFPU") / Raw(DATA), 40, 80))


@scenario(STATEFUL)
def nothing_of_an_answer_to_nothing(run):
    run.lan(*run.fragments(run.echo(run.a, run.b, is_reply=True, data=DATA), 40, 80))


# Without tracking each fragment meets the rules by itself: with all that its datagram has to show.
STATELESS = group("fragments-stateless", prerouting={"rules": [
    {"name": "new ones", "proto": ["icmp", "icmpv6", "tcp"], "action": "notrack"},
    {"name": "limited", "proto": "udp", "dport": 53, "action": "notrack"},
]}, forward={"policy": "drop", "rules": [
    {"name": "invalid", "state": "invalid", "action": "drop"},
    {"name": "ping", "state": "untracked", "proto": "icmp", "icmp_type": "echo-request", "action": "accept"},
    {"name": "ping6", "state": "untracked", "proto": "icmpv6", "icmp_type": "echo-request", "action": "accept"},
    {"name": "within", "state": "untracked", "proto": "tcp", "tcp_flags": "ack/syn,ack", "action": "accept"},
    {"name": "syn", "in": "lan", "state": "untracked", "proto": "tcp", "tcp_flags": "syn/syn,ack", "action": "accept"},
    {"name": "limited", "in": "lan", "state": "untracked", "proto": "udp", "dport": 53, "limit": "1/hour burst 1",
     "action": "accept"},
]})


@scenario(STATELESS)
def an_untracked_echo(run):
    for pieces in orders(run.fragments(run.echo(run.a, run.b, data=DATA), 40, 80)):
        run.lan(*pieces, gives="www")


@scenario(STATELESS)
def nothing_of_a_refused_untracked_echo_reply(run):
    run.lan(*run.fragments(run.echo(run.a, run.b, is_reply=True, data=DATA), 40, 80))


@scenario(STATELESS)
def untracked_segments(run):
    run.lan(*run.fragments(run.tcp(run.a, run.b) / Raw(DATA), 40, 80), gives="www")
    run.wan(*run.fragments(run.tcp(run.b, run.a, 80, 4000, flags="PA") / Raw(DATA), 40, 80), gives="lll")
    run.wan(*run.fragments(run.tcp(run.b, run.a, 80, 4000) / Raw(DATA), 40, 80))


@scenario(STATELESS, families=(4,))
def a_limit_takes_datagrams(run):
    run.lan(*run.fragments(run.udp(run.a, run.b, dport=53, data=DATA), 40, 80), gives="www")
    run.lan(*run.fragments(run.udp(run.a, run.b, sport=4001, dport=53, data=DATA), 40, 80))
