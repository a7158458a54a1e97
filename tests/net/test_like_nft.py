# SPDX-License-Identifier: BSD-3-Clause
"""
The same rules and the same frames through weir and through the kernel's nftables: what comes out is
the same, packet for packet, but for the ports and addresses that a translation chooses freely.

nft_lab.py has the topology and how rules and steps are stated, picture.py what is compared and what
is not. The scenarios are in nft_filter.py, nft_nat.py, nft_tracking.py, nft_fragments.py, nft_tcp.py,
nft_own.py and nft_errors.py; most run for IPv4 and for IPv6. What Linux is expected to give is stated with each step, so that a scenario that tests nothing
fails; where weir differs on purpose, the step says so.
"""
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw

import nft_errors
import nft_filter
import nft_fragments
import nft_nat
import nft_own
import nft_tcp
import nft_tracking
from nft_lab import linux_system, weir_system
from nft_script import Run
from picture import Names, Packet, pictures

TABLES = [nft_filter.table, nft_nat.table, nft_tracking.table, nft_fragments.table, nft_tcp.table, nft_own.table,
          nft_errors.table]
GROUPS = {name: hooks for table in TABLES for name, hooks in table.groups.items()}
RUNS = [run for table in TABLES for run in table.runs()]


def run_id(run):
    return f"{run[0]}-{run[1].name}-ipv{run[2]}"


class Pair:
    """Linux and weir with the rules of one group: made once for all of its scenarios, which follow each other."""

    def __init__(self):
        self.group, self.systems = None, []

    def of(self, group):
        if group != self.group:
            self.close()
            self.group = group
            self.systems.append(linux_system(GROUPS[group]))
            self.systems.append(weir_system(GROUPS[group]))
        return self.systems

    def close(self):
        systems, self.systems, self.group = self.systems, [], None
        try:
            if len(systems) == 2:
                assert systems[1].lab.weir.quiet()["difference"] == 0
        finally:
            for system in reversed(systems):
                system.close()


@pytest.fixture(scope="module", name="pair")
def one_pair():
    pair = Pair()
    try:
        yield pair
    finally:
        pair.close()


@pytest.mark.parametrize("run", RUNS, ids=map(run_id, RUNS))
def test_it_is_as_with_nftables(pair, run):
    _, scenario, family, index = run
    linux, weir = pair.of(run[0])
    theirs = Run(linux, scenario, family, index)
    scenario.script(theirs)
    ours = Run(weir, scenario, family, index, like=theirs.record)
    scenario.script(ours)
    assert len(ours.record) == len(theirs.record) > 0


def shown(layers, names, is_sent=False):
    packet = Packet(bytes(layers))
    if is_sent:
        names.learn(packet)
    return pictures([packet], names)


def test_a_picture_shows_what_a_router_did_wrong():
    """The comparison itself: it sees each byte of which a router is not free to choose."""
    sent = IP(src="10.16.1.1", dst="10.32.1.1", id=7) / UDP(sport=4000, dport=80) / Raw(b"question")
    for change in ({"ttl": 62}, {"tos": 4}, {"id": 8}, {"chksum": 1}, {"src": "10.16.1.2"}, {"flags": "DF"}):
        names = Names()
        good = shown(sent, names, is_sent=True)
        wrong = sent.copy()
        for key, value in change.items():
            setattr(wrong, key, value)
        assert shown(wrong, names) != good, change
    for change in ({"sport": 4001}, {"chksum": 1}, {"chksum": 0}, {"len": 17}):
        names = Names()
        good = shown(sent, names, is_sent=True)
        wrong = sent.copy()
        for key, value in change.items():
            setattr(wrong[UDP], key, value)
        assert shown(wrong, names) != good, change
    assert shown(IP(bytes(sent)[:-1] + b"!"), Names()) != shown(sent, Names())


def test_a_picture_names_only_ports_within_the_range():
    def out(port):
        return IP(src="10.2.0.1", dst="10.32.1.1") / TCP(sport=port, dport=80)

    names = Names(ports=(5000, 5009))
    assert "port1 > 80" in shown(out(5003), names)[0]
    assert "port2 > 80" in shown(out(5004), names)[0]
    assert "port1 > 80" in shown(out(5003), names)[0]
    assert "5010 (not within 5000-5009)" in shown(out(5010), names)[0]


def test_a_picture_looks_into_quotes():
    inner = IP(src="10.16.1.1", dst="10.32.1.1", id=7) / UDP(sport=4000, dport=80) / Raw(b"question")

    def error(quote):
        return shown(IP(src="10.1.0.1", dst="10.16.1.1") / ICMP(type=3, code=3) / Raw(quote), Names())

    assert error(bytes(inner)) == error(bytes(inner))
    for wrong in (IP(src="10.16.1.2", dst="10.32.1.1", id=7) / UDP(sport=4000, dport=80) / Raw(b"question"),
                  IP(src="10.16.1.1", dst="10.32.1.1", id=7) / UDP(sport=4001, dport=80) / Raw(b"question")):
        assert error(bytes(wrong)) != error(bytes(inner))
    broken = bytes(inner)[:26] + b"\x12\x34" + bytes(inner)[28:]
    assert "sum wrong" in error(broken)[0] and "sum wrong" not in error(bytes(inner))[0]
