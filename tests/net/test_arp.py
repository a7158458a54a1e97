# SPDX-License-Identifier: BSD-3-Clause
"""
Neighbours. Kernel peers where the kernel's own behaviour matters, else silent peers that the test
speaks for:

    10.1.0.2 [lan0] -- 10.1.0.1/24 weir 10.2.0.1/24 -- [wan0] 10.2.0.0/24, whoever the test is
"""
import re

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from harness import LAN_MAC, WAN_MAC, WEIR_LAN_MAC, WEIR_WAN_MAC, wait_until

BROADCAST = "ff:ff:ff:ff:ff:ff"
# A neighbour that does not answer is given up after 3 requests.
QUICK = {"neigh": {"retrans_time": "100ms", "locktime": "0ms"}}


@pytest.fixture(scope="module")
def net(module_lab):
    return module_lab.router(is_scripted=True, sysctl=QUICK)


@pytest.fixture(scope="module")
def kernel(module_lab_of_its_own):
    return module_lab_of_its_own.router(sysctl=QUICK)


def packet(dst, payload):
    return Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IP(src="10.1.0.2", dst=dst) / UDP(sport=1, dport=2) / Raw(payload)


def is_request_for(address):
    return lambda frame: ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == address


def reply(request, mac):
    """What the owner of the address would answer."""
    return Ether(src=mac, dst=request[Ether].src) / ARP(
        op=2, hwsrc=mac, psrc=request[ARP].pdst, hwdst=request[ARP].hwsrc, pdst=request[ARP].psrc)


def neighbour(weir, address):
    return weir.row("neigh", "show", dst=address)


def test_arping_gets_the_links_own_address(kernel):
    output = kernel.lan.exec("arping", "-i", "lan0", "-c", 2, "10.1.0.1").stdout
    assert re.search(rf"from {WEIR_LAN_MAC}", output), output
    assert "2 packets received" in output


def test_only_addresses_of_the_link_are_answered(net):
    def ask(address):
        return Ether(src=LAN_MAC, dst=BROADCAST) / ARP(op=1, hwsrc=LAN_MAC, psrc="10.1.0.2", pdst=address)

    with net.lan.wire() as wire:
        wire.send(ask("10.1.0.77"), ask("10.2.0.1"), ask("10.1.0.255"), ask("10.1.0.1"))
        answers = wire.until(lambda f: ARP in f and f[ARP].op == 2)
    assert [f[ARP].psrc for f in answers if ARP in f] == ["10.1.0.1"]
    assert (answers[-1][ARP].hwsrc, answers[-1][ARP].hwdst) == (WEIR_LAN_MAC, LAN_MAC)
    assert (answers[-1][Ether].src, answers[-1][Ether].dst) == (WEIR_LAN_MAC, LAN_MAC)


def test_a_probe_without_sender_address_is_answered(net):
    """RFC 5227: who wants the address must hear that it is taken."""
    with net.lan.wire() as wire:
        wire.send(Ether(src=LAN_MAC, dst=BROADCAST) / ARP(op=1, hwsrc=LAN_MAC, psrc="0.0.0.0", pdst="10.1.0.1"))
        answer = wire.expect(lambda f: ARP in f and f[ARP].op == 2)
    assert (answer[ARP].psrc, answer[ARP].hwsrc, answer[ARP].hwdst) == ("10.1.0.1", WEIR_LAN_MAC, LAN_MAC)


def test_packets_wait_for_the_answer_and_leave_in_order(net):
    mac = "02:00:00:00:02:10"
    with net.lan.wire() as lan, net.wan.wire() as wan:
        lan.send(*(packet("10.2.0.10", b"held %d" % i) for i in range(5)))
        request = wan.expect(is_request_for("10.2.0.10"))
        assert (request[ARP].psrc, request[ARP].hwsrc) == ("10.2.0.1", WEIR_WAN_MAC)
        assert request[Ether].dst == BROADCAST
        assert net.weir.ctl("stats", "show")["held"] == 5
        wan.send(reply(request, mac))
        got = [wan.expect(lambda f: Raw in f and f[Raw].load.startswith(b"held")) for _ in range(5)]
    assert [bytes(f[Raw].load)[:6] for f in got] == [b"held %d" % i for i in range(5)]
    assert {f[Ether].dst for f in got} == {mac}
    entry = neighbour(net.weir, "10.2.0.10")
    assert (entry["dev"], entry["lladdr"], entry["state"]) == ("wan", mac, ["REACHABLE"])
    assert net.weir.quiet()["difference"] == 0


def test_a_late_answer_after_lost_requests_is_enough(net):
    with net.lan.wire() as lan, net.wan.wire() as wan:
        lan.send(packet("10.2.0.11", b"patience"))
        wan.expect(is_request_for("10.2.0.11"))
        wan.send(reply(wan.expect(is_request_for("10.2.0.11")), "02:00:00:00:02:11"))
        assert wan.expect(lambda f: Raw in f and b"patience" in f[Raw].load)[Ether].dst == "02:00:00:00:02:11"


def test_a_host_that_does_not_answer_is_unreachable(net):
    with net.lan.wire() as lan, net.wan.wire() as wan:
        lan.send(packet("10.2.0.99", b"anybody"))
        error = lan.expect(lambda f: ICMP in f)
        asked = [f for f in wan.until(is_request_for("10.2.0.99"))]
    assert asked
    assert (error[ICMP].type, error[ICMP].code, error[IP].src) == (3, 1, "10.1.0.1")
    assert neighbour(net.weir, "10.2.0.99")["state"] == ["FAILED"]
    assert net.weir.quiet()["difference"] == 0


def test_a_kernel_peer_sees_host_unreachable(kernel):
    sent, received, output = kernel.lan.ping("10.2.0.98", count=1, wait=10)
    assert (sent, received) == (1, 0)
    assert "From 10.1.0.1" in output and "Destination Host Unreachable" in output


def test_gratuitous_arp_moves_a_neighbour(net):
    old, new = "02:00:00:00:02:20", "02:00:00:00:02:21"
    with net.lan.wire() as lan, net.wan.wire() as wan:
        lan.send(packet("10.2.0.20", b"one"))
        wan.send(reply(wan.expect(is_request_for("10.2.0.20")), old))
        assert wan.expect(lambda f: Raw in f)[Ether].dst == old
        wan.send(Ether(src=new, dst=BROADCAST) / ARP(
            op=1, hwsrc=new, psrc="10.2.0.20", hwdst="00:00:00:00:00:00", pdst="10.2.0.20"))
        wait_until(lambda: neighbour(net.weir, "10.2.0.20")["lladdr"] == new, what="the new address is taken")
        lan.send(packet("10.2.0.20", b"two"))
        assert wan.expect(lambda f: Raw in f and f[Raw].load.startswith(b"two"))[Ether].dst == new


def test_gratuitous_arp_of_a_stranger_teaches_nothing(net):
    """As Linux does with arp_accept=0: nobody fills the table unasked."""
    mac = "02:00:00:00:02:30"
    with net.wan.wire() as wan:
        wan.send(Ether(src=mac, dst=BROADCAST) / ARP(op=1, hwsrc=mac, psrc="10.2.0.30", pdst="10.2.0.30"),
                 Ether(src=mac, dst=WEIR_WAN_MAC) / ARP(op=2, hwsrc=mac, psrc="10.2.0.31", hwdst=WEIR_WAN_MAC,
                                                        pdst="10.2.0.1"),
                 Ether(src=WAN_MAC, dst=BROADCAST) / ARP(op=1, hwsrc=WAN_MAC, psrc="10.2.0.2", pdst="10.2.0.1"))
        wan.expect(lambda f: ARP in f and f[ARP].op == 2)
    assert neighbour(net.weir, "10.2.0.30") is None
    assert neighbour(net.weir, "10.2.0.31") is None


def test_nobody_takes_over_a_static_neighbour_or_our_own_address(net):
    thief = "02:00:00:00:66:66"
    with net.lan.wire() as lan, net.wan.wire() as wan:
        for address in ("10.2.0.2", "10.2.0.1"):
            wan.send(Ether(src=thief, dst=BROADCAST) / ARP(op=1, hwsrc=thief, psrc=address, pdst=address))
        lan.send(packet("10.2.0.2", b"static"))
        frames = wan.until(lambda f: Raw in f and f[Raw].load.startswith(b"static"))
    assert frames[-1][Ether].dst == WAN_MAC
    assert not [f for f in frames if is_request_for("10.2.0.2")(f)]
    entry = neighbour(net.weir, "10.2.0.2")
    assert (entry["lladdr"], entry["state"]) == (WAN_MAC, ["PERMANENT"])


def test_neighbours_are_added_replaced_and_deleted_by_command(net):
    weir = net.weir
    weir.ctl("neigh", "add", "10.2.0.40", "lladdr", "02:00:00:00:02:40", "dev", "wan")
    assert neighbour(weir, "10.2.0.40") == {
        "dst": "10.2.0.40", "dev": "wan", "lladdr": "02:00:00:00:02:40", "state": ["PERMANENT"]}
    status, line = weir.refused("neigh", "add", "10.2.0.40", "lladdr", "02:00:00:00:02:41", "dev", "wan")
    assert status == 1 and "10.2.0.40" in line
    weir.ctl("neigh", "replace", "10.2.0.40", "lladdr", "02:00:00:00:02:42", "dev", "wan")
    with net.lan.wire() as lan, net.wan.wire() as wan:
        lan.send(packet("10.2.0.40", b"replaced"))
        assert wan.expect(lambda f: Raw in f)[Ether].dst == "02:00:00:00:02:42"
    weir.ctl("neigh", "del", "10.2.0.40", "dev", "wan")
    assert neighbour(weir, "10.2.0.40") is None
    status, _ = weir.refused("neigh", "del", "10.2.0.40", "dev", "wan")
    assert status == 1


def test_flush_forgets_what_was_learned_but_keeps_what_was_given(net):
    with net.lan.wire() as lan, net.wan.wire() as wan:
        lan.send(packet("10.2.0.50", b"learn"))
        wan.send(reply(wan.expect(is_request_for("10.2.0.50")), "02:00:00:00:02:50"))
        wan.expect(lambda f: Raw in f)
        net.weir.ctl("neigh", "flush")
        assert neighbour(net.weir, "10.2.0.50") is None
        assert neighbour(net.weir, "10.2.0.2")["state"] == ["PERMANENT"]
        lan.send(packet("10.2.0.50", b"again"))
        wan.send(reply(wan.expect(is_request_for("10.2.0.50")), "02:00:00:00:02:51"))
        assert wan.expect(lambda f: Raw in f)[Ether].dst == "02:00:00:00:02:51"


def test_neigh_show_has_the_keys_of_ip_neigh(kernel):
    kernel.lan.ping("10.2.0.2", count=1)
    (theirs,) = kernel.wan.ip_json("neigh", "show", "10.2.0.1")
    ours = neighbour(kernel.weir, "10.2.0.2")
    assert set(ours) == {"dst", "dev", "lladdr", "state"} <= set(theirs)
    assert ours["lladdr"] == WAN_MAC and ours["dev"] == "wan"
    assert isinstance(ours["state"], list)
