# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios of TCP headers: options, as tracking reads them, and headers that are not whole."""
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from nft_script import Table, Talk

table = Table()
group, scenario = table.group, table.scenario

STRICT = group("tcp-strict", forward={"policy": "drop", "rules": [
    {"name": "invalid", "state": "invalid", "action": "drop"},
    {"name": "new", "state": "new", "action": "accept"},
]})
PADDED = [("NOP", None), ("WScale", 7), ("NOP", None), ("NOP", None), ("NOP", None), ("SAckOK", b""), ("NOP", None)]
ENDED = [("NOP", None), ("EOL", None), ("WScale", 7), ("SAckOK", b"")]


def crossing(run):
    return Talk(run, run.a, run.b)


def opened(run, options, answer):
    talk = crossing(run)
    talk.client("S", "w", options=options)
    talk.server("SA", "l", options=answer)
    talk.client("A", "w")
    talk.server("A", "l")
    return talk


@scenario(STRICT)
def padding_hides_no_option(run):
    """Windows of 8000 are 1024000: the scale counts."""
    talk = opened(run, PADDED, PADDED)
    talk.client("PA", "w", data=b"far", seq=talk.seq[0] + 900000)
    talk.server("PA", "l", data=b"far", seq=talk.seq[1] + 900000)


@scenario(STRICT)
def padding_hides_no_permission_of_sack(run):
    """A block of what was never sent is beyond the bound, if blocks are looked at."""
    talk = opened(run, PADDED, PADDED)
    talk.server("A", "", options=[("NOP", None), ("NOP", None), ("SAck", (talk.seq[0] + 500, talk.seq[0] + 600))])
    talk.client("PA", "w", data=bytes(600))
    talk.server("A", "l", options=[("NOP", None), ("NOP", None), ("SAck", (talk.seq[0] - 100, talk.seq[0]))],
                ack=talk.seq[0] - 600)


@scenario(STRICT)
def without_permission_blocks_are_not_looked_at(run):
    talk = opened(run, [("WScale", 7)], [("WScale", 7)])
    talk.server("A", "l", options=[("NOP", None), ("NOP", None), ("SAck", (talk.seq[0] + 500, talk.seq[0] + 600))])


@scenario(STRICT)
def behind_the_end_there_are_no_options(run):
    talk = opened(run, ENDED, ENDED)
    talk.client("PA", "", data=b"far", seq=talk.seq[0] + 900000)
    talk.client("PA", "w", data=b"near")


# Rules by port; whatever else is the matter with a packet is no matter here.
BY_PORT = group("tcp-by-port", forward={"rules": [
    {"name": "tcp", "proto": "tcp", "dport": 99, "action": "drop"},
    {"name": "udp", "proto": "udp", "dport": 99, "action": "drop"},
    {"name": "to the lan", "proto": ["tcp", "udp"], "sport": 98, "action": "drop"},
]})


@scenario(BY_PORT)
def a_header_cut_short_still_has_its_ports(run):
    for port, gives in ((99, ""), (97, "w")):
        packet = bytes(run.tcp(run.a, run.b, dport=port).payload)
        for size in (4, 8, 12, 19):
            run.lan(run.ip(run.a, run.b, **proto_of(run, 6)) / Raw(packet[:size]), gives=gives)


@scenario(BY_PORT)
def wrong_lengths_hide_no_ports(run):
    for port, gives in ((99, ""), (97, "w")):
        for size in (0, 4, 15):
            run.lan(run.tcp(run.a, run.b, dport=port, dataofs=size), gives=gives)
        for size in (1, 7, 999):
            packet = run.udp(run.a, run.b, dport=port)
            packet[1].len = size
            run.lan(packet, gives=gives)


def options6(next_header):
    return bytes([next_header, 0, 1, 4, 0, 0, 0, 0])


def ah(next_header):
    """An authentication header (RFC 4302) with a value of 12 bytes."""
    return bytes([next_header, 4, 0, 0]) + bytes(20)


# Kind of header: bytes, given what follows.
HEADERS = {0: options6, 60: options6, 43: lambda then: bytes([then, 0, 4, 0, 0, 0, 0, 0]), 51: ah,
           44: lambda then: bytes([then, 0, 0, 0, 0, 0, 0, 7])}


def behind(run, packet, *kinds):
    """An IPv6 packet with headers of these kinds in front of what it carries."""
    carried = bytes(packet.payload)
    number = packet.nh
    for kind in reversed(kinds):
        carried = HEADERS[kind](number) + carried
        number = kind
    return run.ip(packet.src, packet.dst, nh=number) / Raw(carried)


@scenario(BY_PORT, families=(6,))
def no_header_hides_ports(run):
    for kinds in ((60,), (0,), (0, 60), (43,), (60, 60, 60), (44,), (60, 44, 60)):
        for port, gives in ((99, ""), (97, "w")):
            packet = run.tcp(run.a, run.b, dport=port, sport=4000 + len(run.record))
            run.lan(behind(run, IPv6(bytes(packet)), *kinds), gives=gives, weir=gives)


@scenario(BY_PORT, families=(6,))
def an_authentication_header_is_a_protocol(run):
    """Not walked over, for what is behind it counts only for who has the key."""
    for kinds in ((51,), (0, 51, 60)):
        run.lan(behind(run, IPv6(bytes(run.tcp(run.a, run.b, dport=99))), *kinds), gives="w")


def proto_of(run, number):
    return {"proto": number} if run.family == 4 else {"nh": number}
