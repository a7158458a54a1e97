# SPDX-License-Identifier: BSD-3-Clause
"""
Offline runs: frames come from one file and go to others, no privileges needed.

    in.pcap > [net_pcap] a 10.1.0.1/24  weir  10.2.0.1/24 b [net_pcap] > b.pcap
                         > a.pcap
"""
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from scapy.utils import PcapReader, wrpcap

from harness import WEIR_LAN_MAC, base_conf, wait_until

PEER_MAC = "02:00:00:00:02:02"


def frame(i, dst="10.2.0.2", mac=WEIR_LAN_MAC, **fields):
    return Ether(src="02:00:00:00:01:02", dst=mac) / IP(src="10.1.0.2", dst=dst, **fields) / UDP(
        sport=1000 + i % 1000, dport=9) / Raw(b"%06d" % i)


class Offline:
    """A daemon over files, until idle."""

    def __init__(self, lab, frames, idle_ms=300, a=None, b=None, **sections):
        self.lab = lab
        self.files = {name: str(lab.dir / f"{name}.pcap") for name in ("in", "a", "b")}
        wrpcap(self.files["in"], frames, linktype=1)
        links = [
            {"name": "a", "device": f"net_pcap0,rx_pcap={self.files['in']},tx_pcap={self.files['a']}",
             "mac": WEIR_LAN_MAC, "addresses": ["10.1.0.1/24"], **(a or {})},
            {"name": "b", "device": f"net_pcap1,tx_pcap={self.files['b']}", "mac": "02:00:00:00:00:02",
             "addresses": ["10.2.0.1/24"], **(b or {})},
        ]
        sections.setdefault("neighbors", [{"to": "10.2.0.2", "lladdr": PEER_MAC, "dev": "b"}])
        self.weir = lab.daemon(base_conf(links=links, **sections), "--until-idle", idle_ms)

    def run(self):
        """To the end, by itself; what came out of b."""
        self.weir.spawn()
        assert self.weir.wait(120) == 0, self.weir.stderr()
        return self.frames("b")

    def frames(self, name, layer=IP):
        """What was sent; without the ARP announcements that come with every start."""
        with PcapReader(self.files[name]) as reader:
            return [f for f in reader if layer in f]


def test_all_frames_are_routed_and_weir_leaves_by_itself(lab):
    out = Offline(lab, [frame(i) for i in range(5000)]).run()
    assert [bytes(f[Raw])[:6] for f in out] == [b"%06d" % i for i in range(5000)]
    assert {(f[Ether].src, f[Ether].dst, f[IP].ttl) for f in out} == {("02:00:00:00:00:02", PEER_MAC, 63)}


def test_no_privileges_are_needed(lab):
    offline = Offline(lab, [frame(i) for i in range(100)])
    offline.weir.as_nobody()
    assert len(offline.run()) == 100


def test_an_empty_capture_is_no_work(lab):
    assert Offline(lab, []).run() == []


def test_frames_to_other_hosts_are_taken_only_when_promiscuous(lab):
    frames = [frame(0, mac="02:00:00:00:99:99"), frame(1)]
    assert [bytes(f[Raw])[:6] for f in Offline(lab, frames).run()] == [b"000001"]


def test_promiscuous_routes_whatever_address_the_frames_bear(lab):
    frames = [frame(0, mac="02:00:00:00:99:99"), frame(1)]
    out = Offline(lab, frames, a={"promiscuous": True}).run()
    assert [bytes(f[Raw])[:6] for f in out] == [b"000000", b"000001"]


def test_errors_go_back_to_the_sender(lab):
    offline = Offline(lab, [frame(0, ttl=1), frame(1, dst="203.0.113.1")], neighbors=[
        {"to": "10.2.0.2", "lladdr": PEER_MAC, "dev": "b"},
        {"to": "10.1.0.2", "lladdr": "02:00:00:00:01:02", "dev": "a"}])
    assert offline.run() == []
    assert {(f[ICMP].type, f[ICMP].code) for f in offline.frames("a", ICMP)} == {(11, 0), (3, 0)}


def test_idle_waits_for_what_is_held(lab):
    """The neighbour never answers: weir asks its three times, gives up, and only then is idle."""
    offline = Offline(lab, [frame(0)], idle_ms=50, neighbors=[], sysctl={"neigh": {"retrans_time": "200ms"}})
    assert offline.run() == []
    asked = [float(f.time) for f in offline.frames("b", ARP) if f[ARP].pdst == "10.2.0.2"]
    assert len(asked) == 3
    # Also when the first frame is there before the first tick: see the second question.
    assert all(later - earlier > 0.15 for earlier, later in zip(asked, asked[1:])), asked


def test_a_worker_that_does_not_run_is_not_idle(lab):
    """Stopped like one that waits for its CPU: nobody knows what its ports have to give."""
    offline = Offline(lab, [frame(0)], idle_ms=2000)  # long enough to be stopped in time
    offline.weir.start()
    with offline.weir.workers_stopped():
        with pytest.raises(subprocess.TimeoutExpired):
            offline.weir.wait(4)
        assert offline.weir.ctl("worker", "show")  # not on its way out, either
    assert offline.weir.wait() == 0


def test_counters_can_be_read_meanwhile(lab):
    offline = Offline(lab, [frame(i) for i in range(100)] + [frame(0, dst="203.0.113.1")], idle_ms=3000)
    offline.weir.start()
    stats = wait_until(lambda: (s := offline.weir.ctl("stats", "show"))["rx"] == 101 and s, what="all is read")
    assert offline.weir.quiet()["difference"] == 0, stats
    # The link was announced too.
    assert offline.weir.link("b")["stats64"]["tx"]["packets"] == 101
    assert offline.weir.wait() == 0


def test_links_are_announced_unless_told_otherwise(lab):
    def announced(arp_notify):
        offline = Offline(lab, [], sysctl={"neigh": {"arp_notify": arp_notify}})
        offline.run()
        return [(f[ARP].psrc, f[ARP].pdst, f[ARP].hwsrc) for f in offline.frames("a", ARP)]

    assert announced(True) == [("10.1.0.1", "10.1.0.1", WEIR_LAN_MAC)]
    assert announced(False) == []


def test_sigterm_ends_it_before_it_is_idle(lab):
    offline = Offline(lab, [frame(0)], idle_ms=600_000)
    offline.weir.start()
    assert offline.weir.stop() == 0
    assert len(offline.frames("b")) == 1


@pytest.mark.parametrize("device", ["net_null0", "eth_null0", "net_pcap0,rx_pcap=IN,infinite_rx=1",
                                    "net_pcap0,rx_pcap=IN,infinite_rx=2"])
def test_a_port_that_never_runs_dry_is_an_error(lab, device):
    capture = str(lab.dir / "in.pcap")
    wrpcap(capture, [frame(0)])
    weir = lab.daemon(base_conf(links=[{"name": "a", "device": device.replace("IN", capture)}]), "--until-idle", 100)
    weir.may_fail = True
    weir.spawn()
    assert weir.wait() == 2
    assert "links[0].device" in weir.stderr()


def test_large_frames_in_several_segments_pass(lab):
    big = Ether(src="02:00:00:00:01:02", dst=WEIR_LAN_MAC) / IP(src="10.1.0.2", dst="10.2.0.2") / UDP() / Raw(
        bytes(i % 251 for i in range(8000)))
    out = Offline(lab, [big, frame(1)], a={"mtu": 9000}, b={"mtu": 9000}).run()
    assert [f[IP].len for f in out] == [8028, 34]
    assert bytes(out[0][UDP].payload) == bytes(big[UDP].payload)
