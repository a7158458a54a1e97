# SPDX-License-Identifier: BSD-3-Clause
"""
The same commands over IPv6 through weir and through a kernel in its place, and IPv6 fragments to the router
itself: what is made whole and answered, what is refused aloud, what in silence (RFC 8200 4.5, 5722, 6946, 6980,
7112).

    lan                               weir, or Linux                         wan
    2001:db8:1::2 [lan0] -- 2001:db8:1::1/64  2001:db8:2::1/64 -- [wan0] 2001:db8:2::2
                       MTU 1500                             MTU 1400

    routes: 2001:db8:a::/48 blackhole, 2001:db8:b::/48 unreachable, 2001:db8:c::/48 prohibit
"""
import shlex

import pytest
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NS, HBHOptUnknown, IPv6,
                                IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, PadN)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness import LAN_MAC, WEIR_LAN_MAC, wait_until
from path_tools import both_see, path_tools, traceroute_to_nowhere

LAN, OTHER, ROUTER = "2001:db8:1::2", "2001:db8:1::77", "2001:db8:1::1"
WAN, OTHER_SIDE = "2001:db8:2::2", "2001:db8:2::1"
ROUTES = {"2001:db8:a::/48": "blackhole", "2001:db8:b::/48": "unreachable", "2001:db8:c::/48": "prohibit"}
WAN_MTU = 1400
MARK = 0x7777


@pytest.fixture(scope="module")
def weir(module_lab):
    """With everything that it sends captured, on both sides."""
    lab = module_lab.router(lan={"addresses": [f"{ROUTER}/64"]},
                            wan={"addresses": [f"{OTHER_SIDE}/64"], "mtu": WAN_MTU},
                            sysctl={"addrconf": {"addr_gen_mode": "eui64", "dad_transmits": 0},
                                    "ipv6": {"icmp": {"ratelimit": 0}}},
                            routes=[{"to": to, "type": kind} for to, kind in ROUTES.items()])
    lab.wan.ip("link", "set", "wan0", "mtu", WAN_MTU)
    lab.captures = [peer.capture(lab.dir / f"{peer.dev}.pcap") for peer in (lab.lan, lab.wan)]
    prepare(lab)
    return lab


@pytest.fixture(scope="module")
def linux(module_lab_of_its_own):
    lab = module_lab_of_its_own.linux_router(wan_mtu=WAN_MTU)
    enable(lab.gateway, "lan", ROUTER)
    enable(lab.gateway, "wan", OTHER_SIDE)
    lab.gateway.sysctl("net.ipv6.icmp.ratelimit=0", "net.ipv6.conf.all.forwarding=1")
    for to, kind in ROUTES.items():
        lab.gateway.ip("-6", "route", "add", kind, to)
    prepare(lab)
    return lab


def enable(host, dev, address):
    """Link-local addresses, too, are usable at once."""
    host.sysctl(f"net.ipv6.conf.{dev}.dad_transmits=0")
    host.enable_ip6(dev, address)


def prepare(lab):
    """Peers that answer everything, and no answer has to wait for its next hop."""
    for peer, address, gateway in ((lab.lan, LAN, ROUTER), (lab.wan, WAN, OTHER_SIDE)):
        enable(peer, peer.dev, address)
        peer.ip("-6", "route", "add", "default", "via", gateway)
        peer.sysctl("net.ipv6.icmp.ratelimit=0")
    for to in (ROUTER, WAN):
        wait_until(lambda to=to: lab.lan.ping(to, count=1, wait=0.3)[1] == 1, 30, "all know each other")


# One at a time: an error ends it, however late it comes.
PING = ["ping", "-6", "-n", "-c", "1", "-W", "20"]


def twice(*words):
    """The second is sent by what the first has learned."""
    return ["sh", "-c", f"{shlex.join([*PING, *words])}; {shlex.join([*PING, *words])}"]


COMMANDS = {
    **path_tools(WAN, ROUTER, OTHER_SIDE),
    "traceroute_to_prohibited": traceroute_to_nowhere(LAN, "2001:db8:c::1"),
    "traceroute_to_no_route": traceroute_to_nowhere(LAN, "2001:db8:d::1"),
    "ping_do_fits": [*PING, "-M", "do", "-s", str(WAN_MTU - 48), WAN],
    "ping_do_one_more": twice("-M", "do", "-s", str(WAN_MTU - 47), WAN),
    "ping_do_whole": twice("-M", "do", "-s", "1452", WAN),
    "ping_do_too_large_here": [*PING, "-M", "do", "-s", "1453", WAN],
    "ping_want_one_more": twice("-M", "want", "-s", str(WAN_MTU - 47), WAN),
    "ping_want_large": twice("-M", "want", "-s", "5000", WAN),
    "ping_dont_one_more": twice("-M", "dont", "-s", str(WAN_MTU - 47), WAN),
    "ping_dont_large": twice("-M", "dont", "-s", "5000", WAN),
    "ping_dont_largest": twice("-M", "dont", "-s", "65527", WAN),
    "ping_the_router": [*PING, ROUTER],
    "ping_its_other_side": [*PING, OTHER_SIDE],
    "ping_its_other_side_in_many_fragments": [*PING, "-s", "65487", OTHER_SIDE],
    "ping_prohibited": [*PING, "2001:db8:c::1"],
    "ping_no_route": [*PING, "2001:db8:d::1"],
    "ping_blackhole": [*PING, "-W", "1", "2001:db8:a::1"],
    "ping_nobody": [*PING, "2001:db8:2::99"],
    "ping_hop_limit_one": [*PING, "-t", "1", WAN],
    "ping_hop_limit_one_to_the_router": [*PING, "-t", "1", ROUTER],
    "ping_hop_limit_one_to_its_other_side": [*PING, "-t", "1", OTHER_SIDE],
    "ping_hop_limit_two": [*PING, "-t", "2", WAN],
    "ping_hop_limit_one_large": [*PING, "-t", "1", "-M", "do", "-s", "1452", WAN],
    "ping_hop_limit_one_to_no_route": [*PING, "-t", "1", "2001:db8:d::1"],
    "ping_traffic_class": [*PING, "-Q", "0xb8", WAN],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_sees_the_same(weir, linux, command):
    ours, theirs = both_see(COMMANDS[command], weir.lan, linux.lan)
    assert ours == theirs


def test_an_unreachable_route_is_called_a_reject_route(weir, linux):
    """RFC 4443 3.1 has a code for it, 6. Linux says that there is no route, code 0."""
    (ours_status, ours), (theirs_status, theirs) = (lab.lan.sees([*PING, "2001:db8:b::1"]) for lab in (weir, linux))
    assert ours_status == theirs_status == 1
    assert f"From {ROUTER} icmp_seq=1 Destination unreachable: No route" in theirs
    assert ours == [line.replace("No route", "Unknown code 6") for line in theirs]
    ours, theirs = (lab.lan.sees(traceroute_to_nowhere(LAN, "2001:db8:b::1")) for lab in (weir, linux))
    assert theirs[1][1:] == [f"1 {ROUTER} !N"]
    assert ours == (theirs[0], [line.replace("!N", "!<6>") for line in theirs[1]])


def whole(*layers):
    """The bytes behind the IPv6 header of a packet from lan to the router, checksums right."""
    packet = IPv6(src=LAN, dst=ROUTER)
    for layer in layers:
        packet = packet / layer
    return bytes(packet)[40:]


def piece(data, first, end, next_header=58, *, number, more=None, before=()):
    """A fragment with bytes first to end of data."""
    frame = Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IPv6(src=LAN, dst=ROUTER)
    for layer in before:
        frame = frame / layer
    more = end < len(data) if more is None else more
    return frame / IPv6ExtHdrFragment(offset=first // 8, m=int(more), id=number, nh=next_header) / Raw(data[first:end])


ECHO = whole(ICMPv6EchoRequest(id=1, seq=1, data=bytes(range(256)) * 5))
DATAGRAM = whole(UDP(sport=4000, dport=9000) / Raw(bytes(2000)))
SYN = whole(TCP(sport=4000, dport=9000))
HOP_BY_HOP = IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))])
PADDING = IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])
UNKNOWN = IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x9e, optdata=bytes(4))])
WITH_PADDING = whole(PADDING, ICMPv6EchoRequest(id=1, seq=1, data=bytes(1200)))
WITH_UNKNOWN = whole(UNKNOWN, ICMPv6EchoRequest(id=1, seq=1, data=bytes(1200)))
SOLICITATION = whole(ICMPv6ND_NS(tgt=ROUTER))

# What is sent, and how many answers it gets.
CASES = {
    "in_order": (1, [piece(ECHO, 0, 400, number=1), piece(ECHO, 400, 800, number=1), piece(ECHO, 800, 1288, number=1)]),
    "reversed": (1, [piece(ECHO, 800, 1288, number=2), piece(ECHO, 400, 800, number=2), piece(ECHO, 0, 400, number=2)]),
    "a_duplicate": (1, [piece(ECHO, 0, 400, number=3), piece(ECHO, 0, 400, number=3), piece(ECHO, 400, 1288, number=3)]),
    "an_overlap": (0, [piece(ECHO, 0, 400, number=4), piece(ECHO, 392, 1288, number=4)]),
    "an_overlap_from_behind": (0, [piece(ECHO, 400, 1288, number=5), piece(ECHO, 0, 408, number=5)]),
    "a_gap": (0, [piece(ECHO, 0, 400, number=6), piece(ECHO, 408, 1288, number=6)]),
    "headers_in_front": (1, [piece(ECHO, 0, 400, number=7, before=[HOP_BY_HOP, PADDING]),
                             piece(ECHO, 400, 1288, number=7)]),
    "headers_behind": (1, [piece(WITH_PADDING, 400, 1216, 60, number=8), piece(WITH_PADDING, 0, 400, 60, number=8)]),
    "an_unknown_option_in_front": (1, [piece(ECHO, 0, 400, number=9, before=[UNKNOWN])]),
    "an_unknown_option_behind": (1, [piece(WITH_UNKNOWN, 0, 400, 60, number=10),
                                     piece(WITH_UNKNOWN, 400, 1216, 60, number=10)]),
    "a_closed_port": (1, [piece(DATAGRAM, 0, 1000, 17, number=11), piece(DATAGRAM, 1000, 2008, 17, number=11)]),
    "uneven": (1, [piece(DATAGRAM, 0, 1001, 17, number=12)]),
    "uneven_later": (1, [piece(DATAGRAM, 1000, 1012, 17, number=13)]),
    "uneven_later_of_icmp": (1, [piece(bytes([200]) * 2000, 1000, 1012, number=14)]),
    "beyond_the_largest": (1, [piece(bytes(65536 + 8), 65528, 65544, 17, number=15)]),
    "no_header": (1, [piece(DATAGRAM, 0, 0, 17, number=16)]),
    "half_a_tcp_header": (1, [piece(SYN, 0, 16, 6, number=17)]),
    "nothing_of_an_unknown_protocol": (1, [piece(DATAGRAM, 0, 0, 253, number=18)]),
    "an_atomic_one": (1, [piece(ECHO, 0, 1288, number=19)]),
    "an_atomic_one_among_others": (1, [piece(ECHO, 0, 400, number=20), piece(ECHO, 0, 1288, number=20)]),
    "neighbour_discovery": (0, [piece(SOLICITATION, 0, 16, number=21), piece(SOLICITATION, 16, 24, number=21)]),
    "atomic_neighbour_discovery": (0, [piece(SOLICITATION, 0, 24, number=22)]),
}


def is_mark(frame, number):
    return ICMPv6EchoReply in frame and (frame[ICMPv6EchoReply].id, frame[ICMPv6EchoReply].seq) == (MARK, number)


def seen_after(lab, frames):
    """All that came of the frames before the answers to two pings."""
    got = []
    with lab.lan.wire() as lan:
        lan.send(*frames)
        # What a busy router still makes of the frames is done when pings have gone through twice.
        for number in (1, 2):
            lan.send(Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IPv6(src=LAN, dst=ROUTER)
                     / ICMPv6EchoRequest(id=MARK, seq=number))
            got += lan.until(lambda f, n=number: is_mark(f, n))
    return got


def answers(lab, frames):
    """What they are told by ICMPv6."""
    return [fields(f) for f in seen_after(lab, frames) if IPv6 in f and f[IPv6].nh == 58 and is_told(f)]


def is_timeout(frame, number):
    """About a first fragment of that number, which lies behind two IPv6 headers and eight bytes of ICMPv6."""
    data = bytes(frame[IPv6]) if IPv6 in frame else b""
    return data[40:42] == b"\3\1" and int.from_bytes(data[92:96], "big") == number


def is_told(frame):
    """No neighbour discovery, no multicast listeners, no mark."""
    return not 130 <= bytes(frame[IPv6])[40] <= 143 and not is_mark(frame, 1) and not is_mark(frame, 2)


def fields(answer):
    data = bytes(answer[IPv6])
    return {"from": answer[IPv6].src, "to": answer[IPv6].dst, "hop_limit": answer[IPv6].hlim, "type": data[40],
            "code": data[41], "word": data[44:48].hex(), "behind": data[48:].hex()}


@pytest.mark.parametrize("case", CASES)
def test_fragments_are_answered_alike(weir, linux, case):
    n, frames = CASES[case]
    ours, theirs = answers(weir, frames), answers(linux, frames)
    assert ours == theirs
    assert len(ours) == n


def test_the_time_of_fragments_that_wait_is_limited_alike(weir, linux):
    """RFC 8200 4.5: time exceeded, code 1, once the first fragment has waited in vain."""
    (shown,) = [row for row in weir.weir.ctl("sysctl", "show") if row["name"] == "ipv6.ip6frag_time"]
    assert shown["value"] == int(linux.gateway.exec("sysctl", "-n", "net.ipv6.ip6frag_time").stdout) == 60
    weir.weir.ctl("sysctl", "set", "ipv6.ip6frag_time", "1")
    linux.gateway.sysctl("net.ipv6.ip6frag_time=1")
    told = []
    for lab in (weir, linux):
        with lab.lan.wire() as lan:
            lan.send(piece(ECHO, 400, 800, number=98), piece(ECHO, 0, 400, number=99))
            seen = lan.until(lambda f: is_timeout(f, 99), timeout=30)
            assert not [frame for frame in seen if is_timeout(frame, 98)]
            told.append(fields(seen[-1]))
    assert told[0] == told[1]
    assert (told[0]["type"], told[0]["code"]) == (3, 1)


def errors_in_a_burst(lab, n):
    """How many of n packets to no route are answered."""
    probe = Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IPv6(src=OTHER, dst="2001:db8:d::1") / UDP(sport=4000, dport=9000)
    return len([f for f in seen_after(lab, [probe] * n) if IPv6 in f and bytes(f[IPv6])[40:42] == b"\1\0"])


def test_a_burst_of_errors_is_limited_alike(weir, linux):
    """After the first six there is one in 10 s; what the mask does not have is not limited."""
    got = {}
    for name, lab in (("weir", weir), ("linux", linux)):
        # Nobody there had an error yet, and the router knows the way.
        lab.lan.ip("address", "add", f"{OTHER}/64", "dev", lab.lan.dev, "preferred_lft", 0, "nodad")
        assert lab.lan.ping(ROUTER, "-I", OTHER)[:2] == (3, 3)
        for mask in ("0-1,3-127", "0,2-127"):
            set_icmp6(lab, ratemask=mask, ratelimit=10000)
            got[name, mask] = errors_in_a_burst(lab, 20)
        set_icmp6(lab, ratemask="0-1,3-127", ratelimit=0)
    assert got == {("weir", "0-1,3-127"): 6, ("linux", "0-1,3-127"): 6,
                   ("weir", "0,2-127"): 20, ("linux", "0,2-127"): 20}


def set_icmp6(lab, **values):
    for name, value in values.items():
        if lab.weir is None:
            lab.gateway.sysctl(f"net.ipv6.icmp.{name}={value}")
        else:
            lab.weir.ctl("sysctl", "set", f"ipv6.icmp.{name}", str(value))


@pytest.mark.parametrize("size", [1453, 4000, 60000])
def test_a_ping_of_many_fragments_is_answered_alike(weir, linux, size):
    for lab in (weir, linux):
        assert lab.lan.ping(ROUTER, "-s", size)[:2] == (3, 3)


def test_tshark_finds_nothing_wrong_with_what_weir_sent(weir):
    """Last: all of the above."""
    weir.weir.ctl("sysctl", "set", "ipv6.ip6frag_time", "1")  # what still waits goes
    for capture in weir.captures:
        capture.check()
    assert weir.weir.quiet()["difference"] == 0
