# SPDX-License-Identifier: BSD-3-Clause
"""
What scripts of scenarios are written with: a Run to talk to, packets, TCP connections, the table.

A script sends frames on either side, step by step, and may use what came out of earlier steps, so
that it can answer to a port that a translation chose. It runs once on Linux and once on weir; the
records of the two runs are compared.
"""
import ipaddress
import itertools

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig, \
    IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from nft_lab import MACS, other
from picture import Names, Packet, pictures


# Scenarios of a group; networks from here on are for rules to name.
MAX_INDEX = 200


class Out:
    """A packet that a router sent, with what a script wants of it."""

    def __init__(self, side, packet):
        self.side = side
        self.packet = packet
        self.src, self.dst = packet.src, packet.dst
        self.bytes = packet.data
        ports = int.from_bytes(packet.payload[:2], "big"), int.from_bytes(packet.payload[2:4], "big")
        self.sport, self.dport = ports
        self.id = int.from_bytes(packet.payload[4:6], "big")
        self.icmp_seq = int.from_bytes(packet.payload[6:8], "big")


# Kind of error: (type, code) in IPv4 and in IPv6.
ERRORS = {"port": ((3, 3), (1, 4)), "host": ((3, 1), (1, 3)), "admin": ((3, 13), (1, 1)), "time": ((11, 0), (3, 0)),
          "too-big": ((3, 4), (2, 0)), "parameter": ((12, 0), (4, 0))}


class Run:
    """One scenario on one router: what its script talks to. like: the record of Linux, for weir to match."""

    def __init__(self, system, scenario, family, index, like=None):
        self.system = system
        self.family, self.index = family, index
        self.like = like
        self.ids = itertools.count(0x4001)
        self.names = Names(scenario.ports, self.pool(scenario))
        self.record = []
        self.router = {"lan": "10.1.0.1", "wan": "10.2.0.1"} if family == 4 else {"lan": "2001:db8:1::1",
                                                                                  "wan": "2001:db8:2::1"}
        self.a, self.b = self.host("lan"), self.host("wan")

    def pool(self, scenario):
        first, last = scenario.pool.get(self.family, (None, None))
        if first is None:
            return []
        low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
        return [str(low + n) for n in range(int(high) - int(low) + 1)]

    def host(self, side, number=1):
        net = {"lan": 16, "wan": 32}[side]
        return (f"10.{net}.{self.index}.{number}" if self.family == 4
                else f"2001:db8:{net}:{self.index:x}::{number:x}")

    def ip(self, src, dst, ttl=64, **fields):
        """An IP header of the scenario's family, known again by its identification."""
        number = next(self.ids)
        if self.family == 4:
            return IP(src=src, dst=dst, ttl=ttl, id=number, **fields)
        return IPv6(src=src, dst=dst, hlim=ttl, fl=number, **fields)

    def udp(self, src, dst, sport=4000, dport=80, data=b"question", **fields):
        return self.ip(src, dst, **fields) / UDP(sport=sport, dport=dport) / Raw(data)

    def tcp(self, src, dst, sport=4000, dport=80, flags="S", seq=1000, **fields):
        return self.ip(src, dst) / TCP(sport=sport, dport=dport, flags=flags, seq=seq, **fields)

    def echo(self, src, dst, ident=700, seq=1, is_reply=False, data=b"echo", **fields):
        four, six = (ICMP(type=0 if is_reply else 8), (ICMPv6EchoReply if is_reply else ICMPv6EchoRequest)())
        layer = four if self.family == 4 else six
        layer.id, layer.seq = ident, seq
        return self.ip(src, dst, **fields) / layer / Raw(data)

    def answer(self, out, data=b"answer"):
        """What the receiver of a UDP packet or an echo request sends back."""
        if out.packet.proto == 17:
            return self.udp(out.dst, out.src, out.dport, out.sport, data)
        return self.echo(out.dst, out.src, out.id, out.icmp_seq, True, data)

    def fragments(self, packet, *cuts):
        """A packet in pieces, cut at these offsets (multiples of 8) of what follows its IP header."""
        whole = Packet(bytes(packet))
        header = packet.copy()
        header.remove_payload()
        spans = list(zip((0, *cuts), (*cuts, None)))
        pieces = []
        for start, end in spans:
            has_more = end is not None
            if self.family == 4:
                piece = header.copy()
                piece.proto, piece.frag, piece.flags, piece.len = whole.proto, start // 8, "MF" if has_more else 0, None
            else:
                piece = header.copy() / IPv6ExtHdrFragment(nh=whole.proto, offset=start // 8, m=has_more, id=packet.fl)
                piece.nh, piece.plen = 44, None
            pieces.append(piece / Raw(whole.payload[start:end]))
        return pieces

    def error(self, about, kind="port", src=None, dst=None, quote=None, mtu=1280, **fields):
        """
        The ICMP error that the receiver of a packet (or src) sends to its sender (or dst). about: an Out, or the
        scapy packet; quote: how many bytes of it are quoted, all unless given.
        """
        data = about.bytes if isinstance(about, Out) else bytes(about)
        packet = Packet(data)
        number, code = ERRORS[kind][self.family == 6]
        # The word after the checksum: MTU of the next hop, where there is one.
        word = mtu if kind == "too-big" else 0
        header = self.ip(src or packet.dst, dst or packet.src, **fields)
        if self.family == 4:
            return header / ICMP(type=number, code=code, nexthopmtu=word) / Raw(data[:quote])
        layer = ICMPv6PacketTooBig(mtu=word) if kind == "too-big" else ICMPv6DestUnreach()
        layer.type, layer.code = number, code
        return header / layer / Raw(data[:quote])

    def lan(self, *packets, gives="", weir=None):
        """
        Sends packets, or bytes, from the lan side. gives: the sides where something comes out, a
        letter for each packet in order, as Linux does it. weir: what weir gives, where it differs on
        purpose; the packets are then not compared.
        """
        return self._step("lan", packets, gives, weir)

    def wan(self, *packets, gives="", weir=None):
        return self._step("wan", packets, gives, weir)

    def _step(self, side, packets, gives, weir):
        frames = [self._frame(side, packet) for packet in packets]
        # In the order of lan, wan: which of two sides was faster is no matter.
        got = sorted(((s, Packet(data[14:]), data[:12]) for s, data in self.system.step(side, frames)),
                     key=lambda one: one[0])
        shown = self._pictures(got)
        step = len(self.record)
        if self.like is None or weir is not None:
            letters, due = "".join(s[0] for s, *_ in got), gives if self.like is None else weir
            assert letters == "".join(sorted(due)), f"step {step + 1}: gave {letters!r}, not {due!r}: {shown}"
        else:
            assert shown == self.like[step], f"step {step + 1}: {shown}, nftables {self.like[step]}"
        self.record.append(shown)
        return [Out(s, packet) for s, packet, _ in got]

    def _frame(self, side, packet):
        if isinstance(packet, bytes):
            kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
            packet = Ether(src=MACS[side][0], dst=MACS[side][1], type=int.from_bytes(kind, "big")) / Raw(packet)
        elif not isinstance(packet, Ether):
            packet = Ether(src=MACS[side][0], dst=MACS[side][1]) / packet
        data = bytes(packet)
        self.names.learn(Packet(data[14:]))
        return data

    def _pictures(self, got):
        shown = []
        for side in ("lan", "wan"):
            mine = [(packet, macs) for s, packet, macs in got if s == side]
            for _, macs in mine:
                wanted = b"".join(bytes.fromhex(mac.replace(":", "")) for mac in MACS[side])
                assert macs == wanted, f"addresses of the frame: {macs.hex()}, not {wanted.hex()}"
            shown += [f"{side}: {text}" for text in pictures([packet for packet, _ in mine], self.names)]
        return shown


class Talk:
    """A TCP connection between two hosts; keeps count of sequence numbers and of what NAT made of them."""

    def __init__(self, run, src, dst, sport=4000, dport=80, side="lan", seq=1000, server_seq=5000):
        self.run = run
        self.client_end = (src, dst, sport, dport)
        # As the server sees it: known once something came through.
        self.server_end = (dst, src, dport, sport)
        self.sides = (side, other(side))
        self.seq = [seq, server_seq]

    def client(self, flags, gives="", data=b"", **fields):
        got = self._send(0, self.client_end, flags, gives, data, fields)
        for out in got:
            if out.side == self.sides[1] and out.packet.proto == 6:
                self.server_end = (out.dst, out.src, out.dport, out.sport)
        return got

    def server(self, flags, gives="", data=b"", **fields):
        return self._send(1, self.server_end, flags, gives, data, fields)

    def _send(self, who, ends, flags, gives, data, fields):
        """seq and ack override what is due, and then do not count."""
        is_due = "seq" not in fields
        weir = fields.pop("weir", None)
        fields.setdefault("seq", self.seq[who])
        if "A" in flags:
            fields.setdefault("ack", self.seq[1 - who])
        fields.setdefault("window", 8000)
        packet = self.run.tcp(*ends, flags=flags, **fields)
        if data:
            packet = packet / Raw(data)
        if is_due:
            self.seq[who] += len(data) + ("S" in flags) + ("F" in flags)
        send = self.run.lan if self.sides[who] == "lan" else self.run.wan
        return send(packet, gives=gives, weir=weir)

    def open(self, **fields):
        """The three packets of the beginning, all let through."""
        there, back = self.sides[1][0], self.sides[0][0]
        self.client("S", there, **fields)
        self.server("SA", back, **fields)
        self.client("A", there)
        return self


class Scenario:
    """A script with the rules that it runs under."""

    def __init__(self, script, group, families, ports, pool):
        self.name = script.__name__
        self.script = script
        self.group = group
        self.families = families
        self.ports = ports
        self.pool = pool or {}


class Table:
    """Scenarios in the order of their groups, filled by the decorator below."""

    def __init__(self):
        self.groups = {}
        self.scenarios = []

    def group(self, name, **hooks):
        self.groups[name] = hooks
        return name

    def scenario(self, group, families=(4, 6), ports=None, pool=None):
        """
        ports: the range from which a translation may choose; pool: that of addresses, by family.
        """
        def add(script):
            self.scenarios.append(Scenario(script, group, families, ports, pool))
            return script
        return add

    def runs(self):
        """(group, scenario, family, index) of all, groups together; index tells those of a group apart."""
        for group in self.groups:
            mine = [(s, family) for s in self.scenarios if s.group == group for family in s.families]
            assert len(mine) < MAX_INDEX, f"{group}: no more networks for hosts"
            yield from ((group, s, family, index) for index, (s, family) in enumerate(mine, 1))
