# SPDX-License-Identifier: BSD-3-Clause
"""
The switch of conf/switch.conf with hosts, all of them kernels, on its ports:

    office1  192.168.10.11 [weir-eth1] -- eth1 \\                                        wan
    office2  192.168.10.12 [weir-eth2] -- eth2 -- br0 - br0.10 192.168.10.1             203.0.113.10
    guest1   192.168.20.11 [weir-eth3] -- eth3 /|     - br0.20 192.168.20.1             198.51.100.1
    office3  192.168.10.13 \\                    |                      203.0.113.1 wan -- [weir-wan]
    guest2   192.168.20.13 - [weir-eth4] -- eth4
                  (tag 20)

For IPv6 fd00:10::11 and so on, and 2001:db8:2::10 for wan.
"""
import struct

from scapy.layers.l2 import Ether

from harness import ROOT, wait_until
from trunk import CTAG, Trunk, take_tags

CONF = ROOT / "conf" / "switch.conf"
BROADCAST = "ff:ff:ff:ff:ff:ff"
PORTS = ("eth1", "eth2", "eth3", "eth4")
# name: (VLAN, host number, port), those behind the trunk last.
HOSTS = {"office1": (10, 11, "eth1"), "office2": (10, 12, "eth2"), "guest1": (20, 11, "eth3"),
         "office3": (10, 13, "eth4"), "guest2": (20, 13, "eth4")}
WAN = {4: "203.0.113.10", 6: "2001:db8:2::10"}
OUTSIDE = {4: "203.0.113.1", 6: "2001:db8:2::1"}
FAR = "198.51.100.1"
# Types for local experiments (IEEE 802): what is asked about, and what says that it would have come by now.
PROBE, MARKER = 0x88b5, 0x88b6
MARKER_MACS = {number: f"02:0b:00:00:00:0{number}" for number in "1234"}


def address(family, name):
    vlan, number, _ = HOSTS[name]
    return f"192.168.{vlan}.{number}" if family == 4 else f"fd00:{vlan}::{number}"


def gateway(family, vlan):
    return f"192.168.{vlan}.1" if family == 4 else f"fd00:{vlan}::1"


def station(number):
    """The MAC address of one that only sends what a test writes."""
    return f"02:0a:00:00:{number >> 8:02x}:{number & 0xff:02x}"


def frame(src, dst=BROADCAST, tags=(), kind=PROBE, text=b"frame"):
    """A frame of at least 60 bytes with these VLAN ids, outermost first."""
    header = bytes(Ether(src=src, dst=dst))[:12] + b"".join(struct.pack("!HH", CTAG, vid) for vid in tags)
    return header + struct.pack("!H", kind) + bytes(text).ljust(46, b"\0")


def kind_of(data):
    """The type of a frame below its tags."""
    return struct.unpack_from("!H", take_tags(data)[1], 12)[0]


def ids_of(data):
    return tuple(tci & 0xfff for _, tci in take_tags(data)[0])


def dynamic(weir, **wanted):
    """The stations that it has learned: rows of `fdb show`."""
    return [row for row in weir.ctl("fdb", "show")
            if row["state"] == "" and all(row.get(key) == value for key, value in wanted.items())]


def where(weir, station, **wanted):
    """The port that a station was learned behind."""
    rows = dynamic(weir, mac=station, **wanted)
    assert len(rows) < 2, rows
    return rows[0]["ifname"] if rows else None


def set_member(weir, port, **settings):
    """`link set`, with values that the command line has no words for."""
    with weir.rpc() as rpc:
        answer = rpc.call("link.set", dev=port, **settings)
    assert "error" not in answer, answer


def start_switch(lab):
    """The daemon with the very file, but without huge pages and with a socket of its own."""
    home = lab.namespace("gw")
    lab.weir = lab.daemon("", netns=home)
    text = CONF.read_text(encoding="utf-8")
    assert text.count("memory: { ") == 1
    text = text.replace("memory: { ", 'memory: { hugepages = "off"; ')
    lab.weir.conf.write_text(f'{text}control: {{ socket = "{lab.weir.socket}"; }};\n', encoding="utf-8")
    lab.weir.start()
    return home


def with_ip6(host, own, router):
    host.enable_ip6(host.dev, own)
    host.ip("-6", "route", "add", "default", "via", router)


def start_hosts(lab, home):
    lab.wan = lab.peer("wan", home, "02:00:00:00:02:10", [f"{WAN[4]}/24"], dev="weir-wan")
    lab.wan.ip("address", "add", f"{FAR}/32", "dev", "lo")
    lab.wan.enable_ip6(lab.wan.dev, WAN[6])
    lab.hosts, lab.cables = {}, {}
    for name, (vlan, number, port) in HOSTS.items():
        if port != "eth4":
            lab.cables[port] = lab.peer(name, home, f"02:00:00:00:{vlan:02x}:{number:02x}",
                                        [f"{address(4, name)}/24"], gateway(4, vlan), dev=f"weir-{port}")
            lab.hosts[name] = lab.cables[port]
    lab.cables["eth4"] = lab.peer("eth4", home, "02:00:00:00:04:00", dev="weir-eth4")


def start(lab):
    """All of the picture; ends with the trunk, which the caller closes."""
    start_hosts(lab, start_switch(lab))
    trunk = Trunk(lab, lab.cables["eth4"])
    for name, (vlan, _, port) in HOSTS.items():
        if port == "eth4":
            tags = [] if vlan == 10 else [(CTAG, vlan)]
            lab.hosts[name] = trunk.host(name, tags, address(4, name), gateway(4, vlan))
    for name, host in lab.hosts.items():
        with_ip6(host, address(6, name), gateway(6, HOSTS[name][0]))
        for family in (4, 6):
            wait_until(lambda h=host, f=family, v=HOSTS[name][0]: h.ping(gateway(f, v), count=1, wait=0.3)[1] == 1,
                       timeout=30, what=f"{name} reaches its gateway")
    return trunk


class Bench:
    """Hands on several cables of one switch: what comes out where."""

    def __init__(self, cables, marks):
        """marks: (cable, tags) to send from, (cables) where that comes out; between them they reach all."""
        self.wires = {name: cable.wire() for name, cable in cables.items()}
        self.marks = marks
        self.n_marks = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for wire in self.wires.values():
            wire.__exit__()

    def mark(self, seen):
        """What comes out up to a marker from everywhere."""
        for (name, tags), outs in self.marks:
            self.n_marks += 1
            text = b"marker %d" % self.n_marks
            self.wires[name].send(frame(MARKER_MACS[name[-1]], tags=tags, kind=MARKER, text=text))
            for out in outs:
                self.collect(out, text, seen)

    def collect(self, name, text, seen):
        deadline_s = 20
        while (data := self.wires[name].receive_bytes(deadline_s)) is not None:
            if kind_of(data) == PROBE:
                seen.setdefault(name, []).append(data)
            if kind_of(data) == MARKER and text + b"\0" in data:
                return
        raise AssertionError(f"{name}: no {text!r} within {deadline_s} s")

    def send(self, name, *frames):
        """{where: [bytes]} of what the switch makes of them."""
        seen = {}
        self.wires[name].send(*frames)
        # A queue that is polled later may still hold them when the first marker is through, not with the second.
        for _ in range(2):
            self.mark(seen)
        return seen
