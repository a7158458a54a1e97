# SPDX-License-Identifier: BSD-3-Clause
"""
The same frames through a bridge of weir and through one of Linux: what comes out where, and whom they
learned, must be the same.

    [p1] [p2] [p3] [p4] -- weir, or Linux: br0

The kernel here knows no VLANs, so tags are payload to both. Linux snoops no multicast here, as weir never does.
"""
import json

import pytest

from harness import base_conf, wait_until
from switch_lab import BROADCAST, Bench, frame, set_member, station, where

BRIDGE_MAC = "02:00:00:00:00:10"
CABLES = ("p1", "p2", "p3", "p4")
PORT_MACS = {name: f"02:00:00:00:00:1{name[1]}" for name in CABLES}


class Weir:
    def __init__(self, lab):
        ports = [{"name": name, "type": "port", "device": f"net_tap{i},iface={name}0", "mac": PORT_MACS[name]}
                 for i, name in enumerate(CABLES)]
        bridge = {"name": "br0", "type": "bridge", "mac": BRIDGE_MAC, "members": list(CABLES)}
        home = lab.namespace("gw")
        self.weir = lab.weir = lab.daemon(base_conf(links=[*ports, bridge]), netns=home).start()
        self.bench = Bench({name: lab.peer(name, home, f"02:00:00:00:02:1{name[1]}") for name in CABLES}, MARKS)

    def where(self, address):
        return where(self.weir, address)

    def isolate(self, names, is_isolated):
        for name in names:
            set_member(self.weir, name, isolated=is_isolated)

    def rows(self):
        return self.weir.ctl("fdb", "show")

    def add_static(self, address, name):
        self.weir.ctl("fdb", "add", address, "dev", name)


class Linux:
    def __init__(self, lab):
        self.home = lab.namespace("linux")
        self.home.ip("link", "add", "br0", "address", BRIDGE_MAC, "type", "bridge", "mcast_snooping", 0)
        cables = {}
        for name in CABLES:
            peer = cables[name] = lab.namespace(name)
            peer.dev = f"{name}0"
            self.home.ip("link", "add", name, "address", PORT_MACS[name], "type", "veth", "peer", "name", peer.dev,
                         "address", f"02:00:00:00:02:1{name[1]}", "netns", peer.name)
            self.home.ip("link", "set", name, "master", "br0", "up")
            peer.ip("link", "set", peer.dev, "up")
        self.home.ip("link", "set", "br0", "up")
        wait_until(lambda: all("forwarding" in self.bridge("link", "show", "dev", name) for name in CABLES),
                   what="all ports forward")
        self.bench = Bench(cables, MARKS)

    def bridge(self, *words):
        return self.home.exec("bridge", *words).stdout

    def rows(self):
        return json.loads(self.bridge("-j", "fdb", "show", "br", "br0"))

    def where(self, address):
        for row in self.rows():
            if (row["mac"], row["state"]) == (address, ""):
                return row["ifname"]
        return None

    def isolate(self, names, is_isolated):
        for name in names:
            self.bridge("link", "set", "dev", name, "isolated", "on" if is_isolated else "off")

    def add_static(self, address, name):
        self.bridge("fdb", "add", address, "dev", name, "master", "static")


# p4 is never isolated.
MARKS = [(("p4", ()), ("p1", "p2", "p3")), (("p1", ()), ("p4",))]


@pytest.fixture(scope="module", name="systems")
def systems_fixture(module_lab):
    systems = [Linux(module_lab), Weir(module_lab)]
    yield systems
    for system in systems:
        system.bench.__exit__()
    assert module_lab.weir.quiet()["difference"] == 0


class Step:
    """A frame in; stations are letters, or addresses."""

    def __init__(self, port, src, dst, tags=()):
        self.port, self.src, self.dst, self.tags = port, src, dst, tags


def named(case, name):
    """Each case has stations of its own."""
    return station((1 + list(CASES).index(case)) << 4 | "ABC".index(name)) if name in "ABC" else name


# name: (steps, isolated ports)
CASES = {
    "unknown_unicast": ([Step("p1", "A", "B")], ()),
    "broadcast": ([Step("p2", "A", BROADCAST)], ()),
    "multicast_of_ip": ([Step("p1", "A", "01:00:5e:01:02:03")], ()),
    "multicast_of_ip6": ([Step("p1", "A", "33:33:00:00:00:42")], ()),
    "multicast_of_others": ([Step("p1", "A", "03:00:00:00:00:01")], ()),
    "known_unicast": ([Step("p2", "B", BROADCAST), Step("p1", "A", "B"), Step("p2", "B", "A")], ()),
    "moved_station": ([Step("p1", "A", BROADCAST), Step("p2", "B", "A"), Step("p3", "A", BROADCAST),
                       Step("p2", "B", "A")], ()),
    "behind_the_same_port": ([Step("p1", "A", BROADCAST), Step("p1", "B", "A")], ()),
    "to_itself": ([Step("p1", "A", BROADCAST), Step("p1", "A", "A")], ()),
    "to_the_bridge": ([Step("p1", "A", BRIDGE_MAC)], ()),
    "to_a_member": ([Step("p1", "A", PORT_MACS["p2"])], ()),
    "pause": ([Step("p1", "A", "01:80:c2:00:00:01")], ()),
    "slow_protocols": ([Step("p1", "A", "01:80:c2:00:00:02")], ()),
    "port_access": ([Step("p1", "A", "01:80:c2:00:00:03")], ()),
    "nearest_bridge": ([Step("p1", "A", "01:80:c2:00:00:0e")], ()),
    "last_reserved_group": ([Step("p1", "A", "01:80:c2:00:00:0f")], ()),
    "first_group_not_reserved": ([Step("p1", "A", "01:80:c2:00:00:10")], ()),
    "source_is_a_group": ([Step("p1", "03:00:00:00:00:01", "B")], ()),
    "source_is_everybody": ([Step("p1", BROADCAST, BROADCAST)], ()),
    "source_is_zero": ([Step("p1", "00:00:00:00:00:00", BROADCAST)], ()),
    "tag_is_payload": ([Step("p1", "A", BROADCAST, (7,)), Step("p2", "B", "A", (9,)), Step("p1", "A", "B")], ()),
    "tags_are_payload": ([Step("p1", "A", "B", (7, 4095))], ()),
    "priority_tag_is_payload": ([Step("p1", "A", "B", (0,))], ()),
    "isolated_flood": ([Step("p1", "A", "B"), Step("p3", "C", BROADCAST)], ("p1", "p2")),
    "isolated_unicast": ([Step("p1", "A", BROADCAST), Step("p2", "B", "A"), Step("p3", "C", "A"),
                          Step("p1", "A", "C")], ("p1", "p2")),
}


# Linux learns whom these came from all the same.
NOT_LEARNED_FROM = {"slow_protocols", "port_access", "nearest_bridge", "last_reserved_group"}


def learned_alike(case, linux, weir, addresses):
    for address in addresses:
        theirs = linux.where(address)
        if case in NOT_LEARNED_FROM:
            assert (theirs, weir.where(address)) == ("p1" if address == named(case, "A") else None, None)
            continue
        # Workers tell the control thread whom they saw.
        wait_until(lambda a=address, t=theirs: weir.where(a) == t, what=f"{address} is behind {theirs}")


@pytest.mark.parametrize("case", CASES)
def test_frames_go_the_same_ways(systems, case):
    steps, isolated = CASES[case]
    for system in systems:
        system.isolate(isolated, True)
    try:
        for step in steps:
            src, dst = named(case, step.src), named(case, step.dst)
            data = frame(src, dst, step.tags, text=case.encode())
            theirs, ours = (system.bench.send(step.port, data) for system in systems)
            assert ours == theirs
            learned_alike(case, *systems, {src, dst})
    finally:
        for system in systems:
            system.isolate(isolated, False)


# Where weir differs, and means to: (frame, where Linux sends it, reason of weir's drop).
DIFFERENT = {
    "spanning_tree": (Step("p1", "A", "01:80:c2:00:00:00"), {"p2", "p3", "p4"}, "bridge_reserved"),
    "source_is_the_bridge": (Step("p1", BRIDGE_MAC, BROADCAST), {"p2", "p3", "p4"}, "bridge_bad_source"),
    "source_is_a_member": (Step("p1", PORT_MACS["p2"], BROADCAST), {"p2", "p3", "p4"}, "bridge_bad_source"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_what_linux_floods_is_dropped_by_name(systems, case):
    step, floods_to, reason = DIFFERENT[case]
    linux, weir = systems
    before = weir.weir.drops(reason)
    src = station(0xff00) if step.src == "A" else step.src
    data = frame(src, step.dst)
    assert set(linux.bench.send(step.port, data)) == floods_to
    assert weir.bench.send(step.port, data) == {}
    assert weir.weir.drops(reason) == before + 1


def test_a_static_entry_is_shown_alike_but_only_linux_lets_it_move(systems):
    """Who claims the address of a station that is static gets nothing of what is for it."""
    here, other = station(0xff10), station(0xff11)
    for system in systems:
        system.add_static(here, "p1")
    theirs, ours = ({row["mac"]: row for row in system.rows()}[here] for system in systems)
    assert {key: ours[key] for key in ("mac", "ifname", "master", "state")} == {
        "mac": here, "ifname": "p1", "master": "br0", "state": "static"}
    assert {key: theirs[key] for key in ("mac", "ifname", "state")} == {"mac": here, "ifname": "p1", "state": "static"}
    got = []
    for system in systems:
        system.bench.send("p3", frame(here))
        got.append(set(system.bench.send("p2", frame(other, here))))
    assert got == [{"p3"}, {"p1"}]


def test_fdb_show_has_the_shape_of_bridge_fdb(systems):
    """`bridge -j fdb show br br0`: the same names, and the same states."""
    address = station(0xff20)
    for system in systems:
        system.bench.send("p2", frame(address))
    wait_until(lambda: systems[1].where(address) == "p2", what="it is learned")
    theirs, ours = ([row for row in system.rows() if row["mac"] in (address, BRIDGE_MAC)] for system in systems)
    for row in ours:
        (like,) = {(r["mac"], r["state"], r["ifname"]) for r in theirs if r["mac"] == row["mac"] and "vlan" not in r}
        assert like == (row["mac"], row["state"], row["ifname"])
    assert {"mac", "ifname", "master", "state"} <= set(ours[0])
    text = systems[1].weir.weirctl("fdb", "show").stdout
    assert address in text and "MASTER" in text
