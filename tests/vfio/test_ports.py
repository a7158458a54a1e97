# SPDX-License-Identifier: BSD-3-Clause
"""weir on two e1000e NICs behind an IOMMU."""
import time

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether

from router import PORTS, ROUTER_MACS, Pinger, Router

PAIRS = [("a", "b"), ("b", "a")]


@pytest.fixture(autouse=True)
def _nothing_on_the_cables(weir):
    for host in weir.hosts.values():
        host.drain()


def test_the_log_tells_what_the_driver_took(weir):
    log = weir.log()
    for name in PORTS:
        assert (f"port link={name} driver=net_e1000_em rx_queues=1 tx_queues=1 rx_offloads=none "
                "tx_offloads=VLAN_INSERT+MULTI_SEGS") in log


@pytest.mark.parametrize("name", PORTS)
def test_arp_is_answered(weir, name):
    reply = weir.hosts[name].ask_router()
    assert (reply[ARP].hwsrc, reply.src, reply.dst) == (ROUTER_MACS[name], ROUTER_MACS[name], weir.hosts[name].mac)


@pytest.mark.parametrize("name", PORTS)
def test_ping_of_its_own_address_is_answered(weir, name):
    reply = weir.hosts[name].ping()
    assert (reply.src, reply.dst) == (ROUTER_MACS[name], weir.hosts[name].mac)
    assert (reply[IP].src, reply[IP].dst) == (weir.hosts[name].router, weir.hosts[name].address)


@pytest.mark.parametrize("source, target", PAIRS)
@pytest.mark.parametrize("length", [46, 1500])
def test_packets_are_forwarded(weir, source, target, length):
    frame = weir.pass_packet(source, target, length, ttl=17)
    assert (frame.src, frame.dst) == (ROUTER_MACS[target], weir.hosts[target].mac)
    assert (frame[IP].ttl, frame[IP].len) == (16, length)
    wanted = frame[IP].copy()
    del wanted.chksum
    assert frame[IP].chksum == IP(bytes(wanted)).chksum


def counters_at_once(weir, name):
    """Of link, driver and cable, with no packet in between: weir itself says something now and then."""
    host = weir.hosts[name]
    deadline = time.monotonic() + 30

    def read():
        host.drain()
        return weir.link(name)["stats64"], weir.xstats(name), (host.cable.n_sent, host.cable.n_received)

    while True:
        first, second = read(), read()
        if first == second:
            return first
        assert time.monotonic() < deadline, f"{name} is never quiet"


def test_counters_of_link_driver_and_cable_agree(weir):
    weir.pass_packet("a", "b", 100)
    before = {name: counters_at_once(weir, name) for name in PORTS}
    for _ in range(20):
        weir.pass_packet("a", "b", 500)
    for i, (name, side, driver) in enumerate([("a", "rx", "rx_good_packets"), ("b", "tx", "tx_good_packets")]):
        link, xstats, n_frames = counters_at_once(weir, name)
        n = link[side]["packets"] - before[name][0][side]["packets"]
        # Beside the 20 there are those of neighbour discovery, as many as the time it takes makes them.
        assert n == n_frames[i] - before[name][2][i] >= 20
        assert 20 * 514 <= link[side]["bytes"] - before[name][0][side]["bytes"] <= 20 * 514 + (n - 20) * 100
        assert link[side]["packets"] == xstats[driver]
        assert link[side]["errors"] == link[side]["dropped"] == 0
        assert xstats["rx_missed_errors"] == xstats["rx_errors"] == xstats["tx_errors"] == 0
    assert weir.ctl("stats show")["difference"] == 0


@pytest.mark.parametrize("name, other", PAIRS)
def test_a_cable_is_pulled_and_put_back(weir, name, other):
    weir.pass_packet(name, other, 100)
    weir.set_carrier(name, False)
    weir.wait_operstate(name, "DOWN")
    assert "NO-CARRIER" in weir.link(name)["flags"]
    assert f"carrier link={name} state=down" in weir.log()
    weir.hosts[other].ping()
    weir.set_carrier(name, True)
    weir.wait_operstate(name, "UP")
    assert "NO-CARRIER" not in weir.link(name)["flags"]
    assert f"carrier link={name} state=up" in weir.log()
    weir.pass_packet(name, other, 100)
    weir.pass_packet(other, name, 100)


def test_a_smaller_mtu_holds_at_once(weir):
    weir.guest.sh(weir.weirctl("link set dev b mtu 1000"))
    weir.pass_packet("a", "b", 1000)
    host = weir.hosts["a"]
    host.cable.send(host.packet_to(weir.hosts["b"], 1001, flags="DF"))
    error = host.expect(lambda f: ICMP in f and f[ICMP].type == 3)
    assert (error[ICMP].code, error[ICMP].nexthopmtu) == (4, 1000)
    oversize = weir.dropped("link_oversize")
    weir.hosts["b"].cable.send(weir.hosts["b"].packet_to(host, 1001))
    weir.pass_packet("b", "a", 1000)
    assert weir.dropped("link_oversize") == oversize + 1
    weir.guest.sh(weir.weirctl("link set dev b mtu 1500"))
    weir.pass_packet("a", "b", 1500)


def test_jumbo_frames_pass_once_the_device_has_been_stopped_for_them(weir):
    """The driver was started for one buffer a packet; the other port does not notice."""
    with Pinger(weir.hosts["b"]) as pinger:
        start = time.monotonic()
        weir.guest.sh(weir.weirctl("link set dev a mtu 9000"))
        took_s = time.monotonic() - start
    assert pinger.failure is None and pinger.n_answered > 0
    assert pinger.longest_s < 5
    print(f"mtu 9000: {took_s:.2f} s, {pinger.n_answered} pings meanwhile, the slowest {pinger.longest_s:.3f} s")
    weir.guest.sh(weir.weirctl("link set dev b mtu 9000"))
    for name in PORTS:
        assert weir.link(name)["mtu"] == 9000
        weir.wait_operstate(name, "UP")
    for source, target in PAIRS:
        frame = weir.pass_packet(source, target, 9000)
        assert frame[IP].len == 9000
    assert weir.hosts["a"].ask_router()[ARP].hwsrc == ROUTER_MACS["a"]
    assert weir.hosts["b"].ask_router()[ARP].hwsrc == ROUTER_MACS["b"]
    weir.guest.sh(weir.weirctl("link set dev a mtu 1500"))
    weir.guest.sh(weir.weirctl("link set dev b mtu 1500"))
    weir.pass_packet("a", "b", 1500)


@pytest.mark.parametrize("mtu", [9300, 9600])
def test_an_mtu_beyond_the_device_is_refused(weir, mtu):
    status, out = weir.guest.run(weir.weirctl(f"link set dev a mtu {mtu}"))
    assert status == 1
    assert "the device takes MTUs of 68 to 9216" in out
    assert weir.link("a")["mtu"] == 1500
    weir.pass_packet("a", "b", 1500)


@pytest.fixture(name="vlans")
def fixture_vlans(weir):
    """a.7 and b.9, once the devices take tags off and put them on."""
    for name, vid, address in (("a", 7, "10.7.0.1/24"), ("b", 9, "10.9.0.1/24")):
        weir.guest.sh(weir.weirctl(f"link add name {name}.{vid} vlan parent {name} vid {vid} addresses {address}"))
        weir.guest.wait(weir.weirctl(f"-j link show dev {name}") + " | grep -q '\"rx_vlan_offload\": *true'", 10)
        assert weir.link(name)["linkinfo"]["info_data"]["tx_vlan_offload"] is True
    yield
    for link in ("a.7", "b.9"):
        weir.guest.sh(weir.weirctl(f"link del {link}"))


def arp_for(host, vid, address, router):
    return Ether(src=host.mac, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=vid) / ARP(
        op=1, hwsrc=host.mac, psrc=address, pdst=router)


def test_the_devices_take_tags_off_and_put_them_on(weir, vlans):
    a, b = weir.hosts["a"], weir.hosts["b"]
    b.cable.send(arp_for(b, 9, "10.9.0.2", "10.9.0.1"))
    reply = b.expect(lambda f: Dot1Q in f and ARP in f and f[ARP].op == 2)
    assert (reply[Dot1Q].vlan, reply[ARP].hwsrc) == (9, ROUTER_MACS["b"])
    a.cable.send(a.ether() / Dot1Q(vlan=7, prio=5) / IP(src="10.7.0.2", dst="10.9.0.2", ttl=9) / UDP(sport=77) /
                 bytes(1472))
    frame = b.expect(lambda f: UDP in f and f[UDP].sport == 77)
    assert (frame[Dot1Q].vlan, frame[Dot1Q].prio, frame[IP].ttl, frame[IP].len) == (9, 5, 8, 1500)
    assert bytes(frame[UDP].payload) == bytes(1472)
    a.cable.send(a.ether() / Dot1Q(vlan=8) / IP(src="10.7.0.2", dst="10.9.0.2") / UDP(sport=78))
    a.ping()
    assert weir.dropped("vlan_unknown") == 1


def test_a_burst_is_not_lost_and_keeps_its_order(weir):
    weir.pass_packet("a", "b", 100)
    host, other = weir.hosts["a"], weir.hosts["b"]
    packets = [host.packet_to(other, 60 + i) for i in range(100)]
    host.cable.send(*packets)
    for packet in packets:
        frame = other.expect(lambda f: UDP in f)
        assert frame[UDP].sport == packet[UDP].sport


def test_it_stops_cleanly_and_the_nics_can_be_used_again(weir):
    guest = weir.guest
    log = weir.stop()
    assert "stopping signal=15" in log
    assert guest.sh("cat /proc/sys/vm/nr_hugepages") == "0\n"
    again = Router(guest)
    again.start()
    again.hosts["a"].ping()
    again.pass_packet("a", "b", 200)
