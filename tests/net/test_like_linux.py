# SPDX-License-Identifier: BSD-3-Clause
"""
The same commands and the same frames through weir and through a kernel in its place: what users see
must be the same, whatever the path MTU, the options, the errors.

    lan                 weir, or Linux                  wan
    10.1.0.2/24 [lan0] -- 10.1.0.1/24  10.2.0.1/24 -- [wan0] 10.2.0.2/24
                 MTU 1500                       MTU 1400

    routes: 192.0.2.0/26 blackhole, 192.0.2.64/26 unreachable, 192.0.2.128/26 prohibit
"""
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import wrpcap

from harness import LAN_MAC, WEIR_LAN_MAC, tshark_problems
from path_tools import both_see, path_tools, traceroute_to_nowhere

# Linux counts unreachable routes per sender, with limits of its own: each case has its own sender.
SENDERS = [f"10.1.0.{n}" for n in range(11, 20)]
ROUTES = {"192.0.2.0/26": "blackhole", "192.0.2.64/26": "unreachable", "192.0.2.128/26": "prohibit"}
WAN_MTU = 1400


@pytest.fixture(scope="module")
def weir(module_lab):
    """With everything that it sends captured, on both sides."""
    lab = module_lab.router(wan={"mtu": WAN_MTU}, sysctl={"ipv4": {"icmp_ratelimit": 0}},
                            routes=[{"to": to, "type": kind} for to, kind in ROUTES.items()])
    lab.wan.ip("link", "set", "wan0", "mtu", WAN_MTU)
    lab.captures = [peer.capture(lab.dir / f"{peer.dev}.pcap") for peer in (lab.lan, lab.wan)]
    prepare(lab)
    return lab


@pytest.fixture(scope="module")
def linux(module_lab_of_its_own):
    lab = module_lab_of_its_own.linux_router(wan_mtu=WAN_MTU)
    lab.gateway.sysctl("net.ipv4.icmp_ratelimit=0")
    for to, kind in ROUTES.items():
        lab.gateway.ip("route", "add", kind, to)
    prepare(lab)
    return lab


def prepare(lab):
    """Peers that answer everything, and several senders."""
    for peer in (lab.lan, lab.wan):
        peer.sysctl("net.ipv4.icmp_ratelimit=0")
    for sender in SENDERS:
        lab.lan.ip("address", "add", f"{sender}/24", "dev", lab.lan.dev)
        # So that no error has to wait for its next hop.
        assert lab.lan.ping("10.1.0.1", "-I", sender, count=1)[1] == 1
    assert lab.lan.ping("10.2.0.2", count=1)[1] == 1


PING = ["ping", "-n", "-c", "2", "-i", "0.05", "-W", "1"]
ROUND = [*PING, "-w", "2"]
COMMANDS = {
    **path_tools("10.2.0.2", "10.1.0.1", "10.2.0.1"),
    "traceroute_to_unreachable": traceroute_to_nowhere(SENDERS[0], "192.0.2.65"),
    "traceroute_to_prohibited": traceroute_to_nowhere(SENDERS[1], "192.0.2.129"),
    "ping_do_fits": [*PING, "-M", "do", "-s", str(WAN_MTU - 28), "10.2.0.2"],
    "ping_do_one_more": [*ROUND, "-M", "do", "-s", str(WAN_MTU - 27), "10.2.0.2"],
    "ping_do_whole": [*ROUND, "-M", "do", "-s", "1472", "10.2.0.2"],
    "ping_do_too_large_here": [*ROUND, "-M", "do", "-s", "1473", "10.2.0.2"],
    "ping_want_one_more": [*ROUND, "-M", "want", "-s", str(WAN_MTU - 27), "10.2.0.2"],
    "ping_want_large": [*ROUND, "-M", "want", "-s", "5000", "10.2.0.2"],
    "ping_dont_fits": [*PING, "-M", "dont", "-s", str(WAN_MTU - 28), "10.2.0.2"],
    "ping_dont_one_more": [*PING, "-M", "dont", "-s", str(WAN_MTU - 27), "10.2.0.2"],
    "ping_dont_fragments_of_fragments": [*PING, "-M", "dont", "-s", "5000", "10.2.0.2"],
    "ping_dont_largest": [*PING, "-M", "dont", "-s", "65507", "10.2.0.2"],
    "ping_the_router_in_fragments": [*PING, "-s", "3000", "10.1.0.1"],
    "ping_the_router_in_many_fragments": [*PING, "-s", "65507", "10.2.0.1"],
    "ping_unreachable": [*PING, "-I", SENDERS[2], "192.0.2.65"],
    "ping_prohibited": [*PING, "-I", SENDERS[3], "192.0.2.129"],
    "ping_no_route": [*PING, "-I", SENDERS[4], "203.0.113.7"],
    "ping_blackhole": [*PING, "192.0.2.1"],
    "ping_ttl_one": [*PING, "-t", "1", "10.2.0.2"],
    "record_route": [*PING, "-R", "10.2.0.2"],
    "record_route_to_the_router": [*PING, "-R", "10.2.0.1"],
    "record_route_in_fragments": [*PING, "-R", "-s", "3000", "10.2.0.2"],
    "timestamps": [*PING, "-T", "tsonly", "10.2.0.2"],
    "timestamps_with_addresses": [*PING, "-T", "tsandaddr", "10.2.0.2"],
    "timestamps_of_one": [*PING, "-T", "tsprespec", "10.2.0.1", "10.2.0.2"],
    "timestamps_of_the_router": [*PING, "-T", "tsandaddr", "10.1.0.1"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_sees_the_same(weir, linux, command):
    ours, theirs = both_see(COMMANDS[command], weir.lan, linux.lan)
    assert ours == theirs


def options(data):
    """As they are, however wrong: scapy would not make these."""
    return [Raw(data)]


IN = Ether(src=LAN_MAC, dst=WEIR_LAN_MAC)
TO_US = UDP(sport=4000, dport=9000) / Raw(b"0123456789abcdef" * 60)
FRAMES = {
    "ttl_one": IN / IP(src="10.1.0.2", dst="10.2.0.2", ttl=1) / TO_US,
    "ttl_one_with_tos": IN / IP(src="10.1.0.2", dst="10.2.0.2", ttl=1, tos=0x48) / TO_US,
    "ttl_one_of_a_first_fragment": IN / IP(src="10.1.0.2", dst="10.2.0.2", ttl=1, flags="MF") / Raw(bytes(64)),
    "no_route": IN / IP(src=SENDERS[5], dst="203.0.113.7") / TO_US,
    "unreachable": IN / IP(src=SENDERS[6], dst="192.0.2.65") / TO_US,
    "prohibited": IN / IP(src=SENDERS[7], dst="192.0.2.129") / TO_US,
    "too_big": IN / IP(src="10.1.0.2", dst="10.2.0.2", flags="DF") / UDP() / Raw(bytes(1400)),
    "too_big_tcp": IN / IP(src="10.1.0.2", dst="10.2.0.2", flags="DF") / TCP() / Raw(bytes(1400)),
    "port": IN / IP(src="10.1.0.2", dst="10.1.0.1") / TO_US,
    "port_of_the_other_side": IN / IP(src="10.1.0.2", dst="10.2.0.1") / TO_US,
    "protocol": IN / IP(src="10.1.0.2", dst="10.1.0.1", proto=253) / Raw(bytes(20)),
    "from_the_other_side": IN / IP(src="10.2.0.2", dst="203.0.113.7") / TO_US,
    "option_beyond_the_header": IN / IP(src="10.1.0.2", dst="10.2.0.2", options=options(b"\x01\x07\x09\x04")) / TO_US,
    "option_of_length_one": IN / IP(src="10.1.0.2", dst="10.2.0.2", options=options(b"\x5e\x01\x00\x00")) / TO_US,
    "record_route_pointer": IN / IP(src="10.1.0.2", dst="10.2.0.2", options=options(b"\x07\x07\x03\0\0\0\0\0")) / TO_US,
    "record_route_room": IN / IP(src="10.1.0.2", dst="10.2.0.2", options=options(b"\x07\x06\x04\0\0\0\0\0")) / TO_US,
    "timestamp_pointer": IN / IP(src="10.1.0.2", dst="10.2.0.2", options=options(b"\x44\x08\x04\0\0\0\0\0")) / TO_US,
    "timestamp_overflow": IN / IP(src="10.1.0.2", dst="10.2.0.2",
                                  options=options(b"\x44\x08\x09\xf0\0\0\0\0")) / TO_US,
    "router_alert_short": IN / IP(src="10.1.0.2", dst="10.2.0.2", options=options(b"\x94\x03\0\0")) / TO_US,
    "bad_option_to_the_router": IN / IP(src="10.1.0.2", dst="10.2.0.1", options=options(b"\x5e\x01\x00\x00")) / TO_US,
    # No error at all.
    "blackhole": IN / IP(src="10.1.0.2", dst="192.0.2.1") / TO_US,
    "about_an_error": IN / IP(src="10.1.0.2", dst="203.0.113.7") / ICMP(type=3) / IP() / UDP(),
    "later_fragment": IN / IP(src="10.1.0.2", dst="203.0.113.7", frag=1) / Raw(bytes(20)),
    "broadcast": Ether(src=LAN_MAC, dst="ff:ff:ff:ff:ff:ff") / IP(src="10.1.0.2", dst="10.1.0.255") / TO_US,
    "link_broadcast": Ether(src=LAN_MAC, dst="ff:ff:ff:ff:ff:ff") / IP(src="10.1.0.2", dst="10.1.0.1") / TO_US,
    "broadcast_ping": Ether(src=LAN_MAC, dst="ff:ff:ff:ff:ff:ff") / IP(src="10.1.0.2", dst="10.1.0.255") / ICMP(),
    "multicast": Ether(src=LAN_MAC, dst="01:00:5e:00:00:63") / IP(src="10.1.0.2", dst="224.0.0.99") / TO_US,
}


def answers(lab, frame):
    """The ICMP errors that came of a frame, on either side, before the answers to two pings."""
    got = []
    with lab.lan.wire() as lan, lab.wan.wire() as wan:
        lan.send(frame)
        # What a busy router still makes of the frame is done when pings have gone through twice.
        for number in (1, 2):
            ask = ICMP(type=8, id=0x7777, seq=number)
            lan.send(IN / IP(src="10.1.0.2", dst="10.2.0.2") / ask)
            got += wan.until(lambda f, n=number: is_echo(f, 8, n))
            got += lan.until(lambda f, n=number: is_echo(f, 0, n))
    return [f for f in got if ICMP in f and f[ICMP].type not in (0, 8)]


def is_echo(frame, kind, number):
    return ICMP in frame and (frame[ICMP].type, frame[ICMP].id, frame[ICMP].seq) == (kind, 0x7777, number)


def fields(error):
    """All of an error but what its maker is free to choose."""
    icmp = bytes(error[ICMP])
    return {"from": error[IP].src, "to": error[IP].dst, "tos": error[IP].tos, "ttl": error[IP].ttl,
            "flags": str(error[IP].flags), "len": error[IP].len, "type": icmp[0], "code": icmp[1],
            "word": icmp[4:8].hex(), "quoted": icmp[8:].hex(), "macs": (error[Ether].src, error[Ether].dst)}


@pytest.mark.parametrize("case", FRAMES)
def test_a_frame_is_answered_alike(weir, linux, case):
    ours, theirs = ([fields(error) for error in answers(lab, FRAMES[case])] for lab in (weir, linux))
    assert ours == theirs


def test_source_routes_are_refused_aloud(weir, linux):
    """RFC 1812 5.2.7.1, RFC 7126 4.3. Linux refuses them, too, but does not say so."""
    frame = IN / IP(src="10.1.0.2", dst="10.2.0.2", options=options(b"\x83\x07\x04\x0a\x02\x00\x09\x00")) / TO_US
    (error,) = [fields(error) for error in answers(weir, frame)]
    assert (error["type"], error["code"], error["from"]) == (3, 5, "10.1.0.1")
    assert answers(linux, frame) == []


def test_the_time_of_fragments_that_wait_is_limited_alike(weir, linux):
    """RFC 792: time exceeded, code 1, once the first fragment has waited in vain."""
    weir.weir.ctl("sysctl", "set", "ipv4.ipfrag_time", "1")
    linux.gateway.sysctl("net.ipv4.ipfrag_time=1")
    frame = IN / IP(src="10.1.0.2", dst="10.1.0.1", flags="MF", id=99) / Raw(bytes(64))
    told = []
    for lab in (weir, linux):
        with lab.lan.wire() as lan:
            lan.send(frame)
            told.append(fields(lan.expect(lambda f: ICMP in f and f[ICMP].type == 11, timeout=30)))
    assert told[0] == told[1]
    assert (told[0]["type"], told[0]["code"]) == (11, 1)


def test_tshark_finds_nothing_wrong_with_what_weir_sent(weir):
    """Last: all of the above."""
    for capture in weir.captures:
        capture.check()
    assert weir.weir.quiet()["difference"] == 0


def test_tshark_would_find_what_is_wrong(lab):
    """The check itself: a wrong checksum and a length beyond the frame are found."""
    good = Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IP(src="10.1.0.2", dst="10.2.0.2") / TO_US
    path = lab.dir / "broken.pcap"
    guessed = Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IP(src="10.1.0.2", dst="10.2.0.2") / UDP(sport=44818) / b"no EtherNet/IP"
    wrpcap(str(path), [good, guessed])
    assert tshark_problems(path) == []
    for broken in (IP(src="10.1.0.2", dst="10.2.0.2", chksum=0x1234), IP(src="10.1.0.2", dst="10.2.0.2", ihl=4)):
        wrpcap(str(path), [good, Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / broken / TO_US])
        assert len(tshark_problems(path)) == 1
