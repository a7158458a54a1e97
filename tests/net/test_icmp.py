# SPDX-License-Identifier: BSD-3-Clause
"""
What weir answers by ICMP, byte by byte. The peers are silent, the test speaks for them:

    10.1.0.2 [lan0] -- 10.1.0.1/24 weir 10.2.0.1/24 -- [wan0] 10.2.0.2

    routes: 192.0.2.0/26 blackhole, 192.0.2.64/26 unreachable, 192.0.2.128/26 prohibit
"""
import pytest
from scapy.layers.inet import ICMP, IP, UDP, IPerror, fragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness import LAN_MAC, WAN_MAC, WEIR_LAN_MAC, WEIR_WAN_MAC, wait_until

TYPE_UNREACHABLE, TYPE_TIME_EXCEEDED = 3, 11
ROUTES = [
    {"to": "192.0.2.0/26", "type": "blackhole"},
    {"to": "192.0.2.64/26", "type": "unreachable"},
    {"to": "192.0.2.128/26", "type": "prohibit"},
]


@pytest.fixture(scope="module")
def net(module_lab):
    # Where the rate is not the subject it must not be in the way.
    return module_lab.router(is_scripted=True, routes=ROUTES, sysctl={"ipv4": {"icmp_ratelimit": 0}})


def from_lan(dst, payload=b"0123456789abcdef", **fields):
    return Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IP(src="10.1.0.2", dst=dst, **fields) / UDP(
        sport=4000, dport=9000) / Raw(payload)


def is_icmp(frame, kind=None):
    return ICMP in frame and kind in (None, frame[ICMP].type)


def is_marker(frame):
    return Raw in frame and frame[Raw].load.startswith(b"marker")


def marker():
    """A packet that comes out on wan."""
    return from_lan("10.2.0.2", b"marker")


def test_echo_to_each_of_its_addresses_is_answered(net):
    with net.lan.wire() as wire:
        for address in ("10.1.0.1", "10.2.0.1"):
            request = Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IP(src="10.1.0.2", dst=address, id=77) / ICMP(
                id=5, seq=9) / Raw(b"echo me")
            wire.send(request)
            answer = wire.expect(lambda f: is_icmp(f, 0))
            assert (answer[Ether].src, answer[Ether].dst) == (WEIR_LAN_MAC, LAN_MAC)
            assert (answer[IP].src, answer[IP].dst, answer[IP].ttl) == (address, "10.1.0.2", 64)
            assert (answer[ICMP].id, answer[ICMP].seq, bytes(answer[ICMP].payload)[:7]) == (5, 9, b"echo me")
            assert_checksums(answer)


def assert_checksums(frame):
    """Computed anew by scapy they are what was received."""
    again = frame.copy()
    for layer in (IP, ICMP):
        if layer in again:
            del again[layer].chksum
    again = Ether(bytes(again))
    for layer in (IP, ICMP):
        if layer in frame:
            assert frame[layer].chksum == again[layer].chksum


def test_a_forwarded_frame_is_rewritten_and_nothing_else(net):
    sent = from_lan("10.2.0.2", b"marker 1", ttl=9, id=321, tos=0x48)
    with net.lan.wire() as lan, net.wan.wire() as wan:
        lan.send(sent)
        got = wan.expect(is_marker)
    assert (got[Ether].src, got[Ether].dst) == (WEIR_WAN_MAC, WAN_MAC)
    assert (got[IP].ttl, got[IP].id, got[IP].tos) == (8, 321, 0x48)
    assert_checksums(got)
    assert bytes(got[UDP])[:8 + 8] == bytes(sent[UDP])


def test_ttl_one_is_answered_with_time_exceeded(net):
    sent = from_lan("10.2.0.2", ttl=1, id=1234)
    with net.lan.wire() as wire:
        wire.send(sent)
        error = wire.expect(is_icmp)
    assert (error[ICMP].type, error[ICMP].code) == (TYPE_TIME_EXCEEDED, 0)
    assert (error[IP].src, error[IP].dst) == ("10.1.0.1", "10.1.0.2")
    quoted = error[IPerror]
    assert (quoted.src, quoted.dst, quoted.id) == ("10.1.0.2", "10.2.0.2", 1234)
    assert bytes(error[ICMP].payload)[20:28] == bytes(sent[UDP])[:8]
    assert_checksums(error)


@pytest.mark.parametrize("dst, code", [
    ("203.0.113.7", 0),   # no route: network unreachable
    ("192.0.2.65", 1),    # unreachable: host unreachable
    ("192.0.2.129", 13),  # prohibit: administratively prohibited
], ids=["no_route", "unreachable", "prohibit"])
def test_a_route_that_leads_nowhere_says_so(net, dst, code):
    with net.lan.wire() as wire:
        wire.send(from_lan(dst))
        error = wire.expect(is_icmp)
    assert (error[ICMP].type, error[ICMP].code) == (TYPE_UNREACHABLE, code)
    assert error[IP].src == "10.1.0.1"
    assert error[IPerror].dst == dst
    assert_checksums(error)


def answers_before_echo(net, *frames):
    """Sends frames and then an echo request; what came back ahead of its answer."""
    before = net.weir.ctl("stats", "show")["rx"]
    with net.lan.wire() as wire:
        wire.send(*frames)
        # Within one burst an echo is answered before an error is made: it has to come in a later one.
        wait_until(lambda: net.weir.ctl("stats", "show")["rx"] >= before + len(frames), what="they came in")
        wire.send(Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IP(src="10.1.0.2", dst="10.1.0.1") / ICMP(id=99))
        return wire.until(lambda f: is_icmp(f, 0) and f[ICMP].id == 99)[:-1]


def test_blackhole_is_silent_and_counted(net):
    before = net.weir.drops()
    assert answers_before_echo(net, from_lan("192.0.2.1"), from_lan("192.0.2.1")) == []
    assert net.weir.drops() == before + 2


@pytest.mark.parametrize("dst, code", [("192.0.2.65", 1), ("192.0.2.129", 13), ("203.0.113.7", 0)])
def test_what_led_nowhere_is_counted_under_one_name(net, dst, code):
    net.weir.quiet()
    before = net.weir.drop_reasons()
    with net.lan.wire() as wire:
        wire.send(from_lan(dst), from_lan(dst))
        wire.expect(lambda f: is_icmp(f) and f[ICMP].code == code)
        wire.expect(lambda f: is_icmp(f) and f[ICMP].code == code)
    stats = net.weir.quiet()
    after = net.weir.drop_reasons()
    risen = {reason: n - before.get(reason, 0) for reason, n in after.items() if n != before.get(reason, 0)}
    # A packet turned into its own error is not dropped; one that was answered aside is, by name.
    assert risen == {} or list(risen.values()) == [2], risen
    assert stats["difference"] == 0


def no_error_frames():
    lan = Ether(src=LAN_MAC, dst=WEIR_LAN_MAC)
    udp = UDP(sport=1, dport=2) / Raw(b"x" * 64)
    error = ICMP(type=3, code=1) / IP(src="203.0.113.7", dst="10.1.0.2") / UDP()
    return {
        "about_an_icmp_error": lan / IP(src="10.1.0.2", dst="203.0.113.7") / error,
        "about_a_later_fragment": lan / IP(src="10.1.0.2", dst="203.0.113.7", frag=100) / Raw(b"x" * 64),
        "to_a_link_broadcast": Ether(src=LAN_MAC, dst="ff:ff:ff:ff:ff:ff") / IP(src="10.1.0.2", dst="203.0.113.7") / udp,
        "to_multicast": lan / IP(src="10.1.0.2", dst="224.0.0.99") / udp,
        "to_limited_broadcast": lan / IP(src="10.1.0.2", dst="255.255.255.255") / udp,
        "from_a_multicast_source": lan / IP(src="224.0.0.5", dst="203.0.113.7") / udp,
        "from_loopback": lan / IP(src="127.0.0.1", dst="203.0.113.7") / udp,
        "from_zero": lan / IP(src="0.0.0.0", dst="203.0.113.7") / udp,
        "to_loopback": lan / IP(src="10.1.0.2", dst="127.0.0.1") / udp,
        "to_a_class_e_address": lan / IP(src="10.1.0.2", dst="240.0.0.1") / udp,
    }


@pytest.mark.parametrize("case", no_error_frames())
def test_no_error_is_sent(net, case):
    """RFC 1122 3.2.2, RFC 1812 4.3.2.7 and 5.3.7."""
    assert answers_before_echo(net, no_error_frames()[case]) == []


def test_no_packet_is_forwarded_to_or_from_what_is_no_host(net):
    frames = list(no_error_frames().values()) + [
        Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IP(src="10.1.0.2", dst="10.2.0.255") / UDP() / Raw(b"directed broadcast"),
        Ether(src=LAN_MAC, dst="02:00:00:00:00:77") / IP(src="10.1.0.2", dst="10.2.0.2") / UDP() / Raw(b"not to us"),
        Ether(src=LAN_MAC, dst="ff:ff:ff:ff:ff:ff") / IP(src="10.1.0.2", dst="10.2.0.2") / UDP() / Raw(b"link broadcast"),
        Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IP(src="127.0.0.1", dst="10.2.0.2") / UDP() / Raw(b"from loopback"),
        Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IP(src="224.0.0.1", dst="10.2.0.2") / UDP() / Raw(b"from multicast"),
    ]
    with net.lan.wire() as lan, net.wan.wire() as wan:
        lan.send(*frames, marker())
        assert [f for f in wan.until(is_marker)[:-1] if IP in f] == []


def broken_frames():
    lan = Ether(src=LAN_MAC, dst=WEIR_LAN_MAC)
    good = bytes(from_lan("10.2.0.2", b"broken"))
    return {
        "short_ethernet": good[:13],
        "ethernet_header_only": good[:14],
        "cut_in_the_ip_header": good[:14 + 19],
        "total_length_beyond_the_frame": bytes(lan / IP(src="10.1.0.2", dst="10.2.0.2", len=2000) / Raw(b"broken")),
        "total_length_below_the_header": bytes(lan / IP(src="10.1.0.2", dst="10.2.0.2", len=12) / Raw(b"broken")),
        "header_length_below_five": good[:14] + b"\x44" + good[15:],
        "header_length_beyond_the_packet": bytes(lan / IP(src="10.1.0.2", dst="10.2.0.2", ihl=15, len=30) / Raw(b"broken")),
        "version_six_in_an_ipv4_frame": good[:14] + b"\x65" + good[15:],
        "wrong_header_checksum": bytes(lan / IP(src="10.1.0.2", dst="10.2.0.2", chksum=0x1234) / Raw(b"broken")),
    }


@pytest.mark.parametrize("case", broken_frames())
def test_a_broken_packet_is_dropped_by_name(net, case):
    net.weir.quiet()
    before = net.weir.drops()
    with net.lan.wire() as lan, net.wan.wire() as wan:
        # The kernel refuses to send less than a header: then the frame never was.
        try:
            lan.send(broken_frames()[case])
            n_sent = 1
        except OSError:
            n_sent = 0
        lan.send(marker())
        assert [f for f in wan.until(is_marker)[:-1] if IP in f] == []
    wait_until(lambda: net.weir.drops() == before + n_sent, what="the drop is counted")


def test_a_port_nobody_listens_on_is_unreachable(net):
    with net.lan.wire() as wire:
        wire.send(from_lan("10.1.0.1"))
        error = wire.expect(is_icmp)
    assert (error[ICMP].type, error[ICMP].code, error[IP].src) == (TYPE_UNREACHABLE, 3, "10.1.0.1")
    assert_checksums(error)


def test_fragments_are_forwarded_as_they_came(net):
    pieces = fragment(IP(src="10.1.0.2", dst="10.2.0.2", id=4321) / UDP(sport=1, dport=2) / Raw(b"f" * 3000), 1000)
    with net.lan.wire() as lan, net.wan.wire() as wan:
        lan.send(*(Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / piece for piece in pieces), marker())
        got = [f[IP] for f in wan.until(is_marker)[:-1] if IP in f and f[IP].id == 4321]
    assert [(p.frag, p.flags) for p in got] == [(p.frag, p.flags) for p in pieces]


def test_errors_are_limited_in_rate(net):
    """icmp_msgs_per_sec: a burst beyond it gets no more answers than that, the rest is dropped."""
    before = net.weir.ctl("sysctl", "get", "ipv4.icmp_msgs_per_sec")[0]["value"]
    net.weir.ctl("sysctl", "set", "ipv4.icmp_msgs_per_sec", "5")
    try:
        wait_until(lambda: answers_before_echo(net, from_lan("203.0.113.7")), what="one of five a second")
        got = answers_before_echo(net, *[from_lan("203.0.113.7") for _ in range(200)])
        # What is earned may be saved up, as in Linux (icmp_msgs_burst, 50).
        assert len([f for f in got if is_icmp(f, TYPE_UNREACHABLE)]) <= 50
    finally:
        net.weir.ctl("sysctl", "set", "ipv4.icmp_msgs_per_sec", str(before))


def test_all_that_is_accounted_for(net):
    assert net.weir.quiet()["difference"] == 0
