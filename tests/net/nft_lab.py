# SPDX-License-Identifier: BSD-3-Clause
"""
One set of rules, one script of frames, two routers: weir and a Linux kernel with nftables.

    lan                      weir, or Linux                     wan
    [lan0] ---- 10.1.0.1/24              10.2.0.1/24 ---- [wan0]
                2001:db8:1::1/64    2001:db8:2::1/64
    10.16.0.0/16, 2001:db8:16::/48      10.32.0.0/16, 2001:db8:32::/48
    are behind 10.1.0.2, 2001:db8:1::2  are behind 10.2.0.2, 2001:db8:2::2

Both peers are packet sockets; all hosts behind them are spoken for by the test. Each scenario has
hosts of its own, so that no flow of one meets another: host n of scenario i is 10.16.i.n on the lan
side and 10.32.i.n on the wan side.

Rules are stated once, as weir's configuration has them; nft_rules.py translates them.

After each step come marker packets, untracked and allowed by rules of their own: what a frame caused
is out when markers, sent after it, have gone through twice in both directions.
"""
import itertools
import time

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness import LAN_MAC, WAN_MAC, WEIR_LAN_MAC, WEIR_WAN_MAC, Lab
from nft_rules import Nft
from picture import Packet

MARKERS = {"lan": "10.16.255.250", "wan": "10.32.255.250"}
MARKER_PORT = 9
HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
ROUTES = {"10.16.0.0/16": "10.1.0.2", "10.32.0.0/16": "10.2.0.2",
          "2001:db8:16::/48": "2001:db8:1::2", "2001:db8:32::/48": "2001:db8:2::2"}
ADDRESSES = {"lan": ("10.1.0.1/24", "2001:db8:1::1/64"), "wan": ("10.2.0.1/24", "2001:db8:2::1/64")}
NEIGHBORS = {"10.1.0.2": "lan", "10.2.0.2": "wan", "2001:db8:1::2": "lan", "2001:db8:2::2": "wan"}
MACS = {"lan": (LAN_MAC, WEIR_LAN_MAC), "wan": (WAN_MAC, WEIR_WAN_MAC)}
WAN_MTU = 1400
ND_TYPES = (130, 131, 132, 133, 134, 135, 136, 137, 143)


def other(side):
    return "wan" if side == "lan" else "lan"


def with_markers(firewall):
    """The rules of a group, with those that let the markers through."""
    mine = {"src": list(MARKERS.values())}
    full = {hook: {**firewall.get(hook, {})} for hook in HOOKS if hook in firewall or hook in ("prerouting", "forward")}
    full["prerouting"]["rules"] = [{**mine, "action": "notrack"}, *full["prerouting"].get("rules", [])]
    full["forward"]["rules"] = [{**mine, "action": "accept"}, *full["forward"].get("rules", [])]
    return full


class System:
    """A router with a hand on the cable at both sides."""

    def __init__(self, lab):
        self.lab = lab
        self.wires = {"lan": lab.lan.wire(), "wan": lab.wan.wire()}
        self.markers = itertools.count(1)

    def step(self, side, frames):
        """Sends frames on one side; [(side, IP packet)] of all that came of it."""
        for frame in frames:
            self.wires[side].sock.send(frame)
        got = []
        for sender in ("lan", "wan", "lan", "wan"):
            got += self.marker(sender)
        return got

    def marker(self, sender):
        number = f"marker {next(self.markers)}".encode()
        frame = (Ether(src=MACS[sender][0], dst=MACS[sender][1]) / IP(src=MARKERS[sender], dst=MARKERS[other(sender)])
                 / UDP(sport=MARKER_PORT, dport=MARKER_PORT) / Raw(number))
        self.wires[sender].send(frame)
        return [(side, data) for side in (other(sender), sender) for data in self.seen(side, side != sender and number)]

    def seen(self, side, marker):
        """IP packets that came in: up to a marker, or, without one, those that are there already."""
        deadline = time.monotonic() + (30 if marker else 0)
        while True:
            data = self.wires[side].receive_bytes(deadline - time.monotonic())
            if data is None:
                assert not marker, f"no marker came through to {side} within 30 s"
                return
            if marker and data.endswith(marker):
                return
            if is_of_a_scenario(data):
                yield data

    def close(self):
        for wire in self.wires.values():
            wire.sock.close()
        self.lab.close()


def is_of_a_scenario(data):
    """Not ARP, nor the link's own ND and MLD."""
    if data[12:14] == b"\x08\x00":
        return True
    if data[12:14] != b"\x86\xdd":
        return False
    packet = Packet(data[14:])
    return not (packet.proto == 58 and packet.payload and packet.payload[0] in ND_TYPES)


def linux_system(firewall):
    lab = Lab()
    try:
        lab.gateway, lab.lan, lab.wan = (lab.namespace(role) for role in ("linux", "lan", "wan"))
        lab.gateway.sysctl(*LINUX_SYSCTLS)
        for role, peer in (("lan", lab.lan), ("wan", lab.wan)):
            linux_link(lab.gateway, peer, role)
        for to, via in ROUTES.items():
            lab.gateway.ip("route", "add", to, "via", via)
        for to, dev in NEIGHBORS.items():
            lab.gateway.ip("neighbor", "replace", to, "lladdr", MACS[dev][0], "dev", dev, "nud", "permanent")
        rules = lab.dir / "rules.nft"
        rules.write_text(Nft(with_markers(firewall)).text(), encoding="utf-8")
        lab.gateway.exec("nft", "-f", rules)
        return System(lab)
    except BaseException:
        lab.close()
        raise


LINUX_SYSCTLS = [
    "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0", "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0",
    "net.ipv4.icmp_msgs_per_sec=1000000", "net.ipv4.icmp_msgs_burst=100000",
    # weir sends no redirects.
    "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.default.send_redirects=0"]


def linux_link(gateway, peer, role):
    peer.dev = f"{role}0"
    mtu = WAN_MTU if role == "wan" else 1500
    peer.ip("link", "add", peer.dev, "address", MACS[role][0], "type", "veth", "peer", "name", role,
            "address", MACS[role][1], "netns", gateway.name)
    # Peers take what comes, so that a router that sends too much is seen.
    peer.ip("link", "set", peer.dev, "mtu", 1500, "up")
    # Checksums on this cable are real ones.
    gateway.exec("ethtool", "-K", role, "tx", "off", "gro", "off", "gso", "off", "tso", "off")
    gateway.ip("link", "set", role, "mtu", mtu, "up")
    for address in ADDRESSES[role]:
        gateway.ip("address", "add", address, "dev", role, *(["nodad"] if ":" in address else []))


def weir_system(firewall):
    lab = Lab()
    try:
        lab.router(is_scripted=True, lan={"addresses": list(ADDRESSES["lan"])},
                   wan={"addresses": list(ADDRESSES["wan"]), "mtu": WAN_MTU},
                   neighbors=[{"to": to, "lladdr": MACS[dev][0], "dev": dev} for to, dev in NEIGHBORS.items()],
                   routes=[{"to": to, "via": via} for to, via in ROUTES.items()],
                   firewall=with_markers(firewall), sysctl=WEIR_SYSCTLS)
        return System(lab)
    except BaseException:
        lab.close()
        raise


NO_LIMITS = {"icmp_ratelimit": 0, "icmp_msgs_per_sec": 1000000, "icmp_msgs_burst": 100000}
WEIR_SYSCTLS = {"addrconf": {"addr_gen_mode": "none", "dad_transmits": 0}, "ipv4": NO_LIMITS,
                "ipv6": {"icmp": {"ratelimit": 0}}}
