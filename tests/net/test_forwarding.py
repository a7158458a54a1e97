# SPDX-License-Identifier: BSD-3-Clause
"""
Packets of kernel peers through the router:

    lan                       weir                       wan
    10.1.0.2/24 [lan0] -- 10.1.0.1/24  10.2.0.1/24 -- [wan0] 10.2.0.2/24
"""
import json
import re
import resource

import pytest

import jumbo_lab
from iperf import tcp_passes, udp_passes_whole
from path_tools import both_see


def test_first_pings_arrive_although_neighbours_are_unknown(fresh_router):
    sent, received, output = fresh_router.lan.ping("10.2.0.2", count=5, interval=0.01)
    assert (sent, received) == (5, 5), output


def test_a_burst_to_an_unknown_neighbour_waits_whole_for_it(fresh_router):
    """As many as Linux keeps for one, whose queue is as long."""
    sent, received, output = fresh_router.lan.ping("10.2.0.2", "-l", 100, count=100, interval=0)
    assert (sent, received) == (100, 100), output


@pytest.mark.parametrize("size", [0, 56, 1472, 4000, 20000])
def test_ping_of_any_size_passes(router, size):
    sent, received, output = router.lan.ping("10.2.0.2", "-s", size)
    assert (sent, received) == (3, 3), output


def test_ttl_is_one_less_behind_the_router(router):
    _, _, output = router.lan.ping("10.2.0.2", count=1)
    assert "ttl=63" in output
    _, _, output = router.wan.ping("10.1.0.2", "-t", 2, count=1)
    assert "ttl=63" in output


def test_ping_flood_loses_nothing(router):
    sent, received, output = router.lan.ping("10.2.0.2", "-f", count=2000, interval=0)
    assert (sent, received) == (2000, 2000), output


def test_ping_flood_passes_though_the_kernel_keeps_no_signals(fresh_router):
    """Its word for that there are more of a TAP's than it keeps is a SIGIO."""
    resource.prlimit(fresh_router.weir.process.pid, resource.RLIMIT_SIGPENDING, (1, 1))
    sent, received, output = fresh_router.lan.ping("10.2.0.2", "-f", count=5000, interval=0)
    assert (sent, received) == (5000, 5000), output


def test_traceroute_names_the_router_and_the_peer(router):
    output = router.lan.exec("traceroute", "-n", "-w", 2, "-q", 2, "10.2.0.2").stdout
    hops = [line.split()[1] for line in output.splitlines()[1:]]
    assert hops == ["10.1.0.1", "10.2.0.2"], output


def test_traceroute_by_icmp_names_them_too(router):
    words = ["traceroute", "-n", "-I", "-m", "4", "-w", "2", "-q", "2", "10.1.0.2"]
    (_, seen), _ = both_see(words, router.wan, router.wan)
    assert [line.split()[1] for line in seen[1:]] == ["10.2.0.1", "10.1.0.2"], seen


def test_mtr_sees_two_hops_without_loss(router):
    report = json.loads(router.lan.exec("mtr", "-n", "-j", "-c", 3, "-i", 0.2, "10.2.0.2").stdout)
    hops = [(hub["host"], hub["Loss%"]) for hub in report["report"]["hubs"]]
    assert hops == [("10.1.0.1", 0.0), ("10.2.0.2", 0.0)]


@pytest.mark.parametrize("direction", [[], ["-R"]], ids=["there", "back"])
def test_tcp_streams_pass(router, direction):
    tcp_passes(router.lan, router.wan, "10.2.0.2", *direction)


@pytest.fixture
def jumbo(lab):
    jumbo_lab.start(lab, ["10.1.0.1/24", "10.2.0.1/24"])
    for net, peer in ((1, lab.lan), (2, lab.wan)):
        peer.ip_all([f"address add 10.{net}.0.2/24 dev {peer.dev}", f"route add default via 10.{net}.0.1"])
    return lab


def test_jumbo_frames_pass_from_end_to_end(jumbo):
    """9,000 bytes lie in five packet buffers; one MTU a link, for both directions."""
    capture = jumbo.wan.capture(jumbo.dir / "wan0.pcap")
    for size in (2000, 2048, 4096, 8971, 8972):
        sent, received, output = jumbo.lan.ping("10.2.0.2", "-M", "do", "-s", size)
        assert (sent, received) == (3, 3), output
    assert jumbo.lan.ping("10.1.0.1", "-s", 8972, "-M", "do")[1] == 3
    assert jumbo.lan.ping("10.1.0.1", "-s", 20000)[1] == 3
    before = jumbo.weir.quiet()
    # Only one side is jumbo: told, or cut.
    jumbo.weir.ctl("link", "set", "dev", "wan", "mtu", "1500")
    assert "mtu = 1500" in jumbo.lan.ping("10.2.0.2", "-M", "do", "-s", 8972, count=1, wait=1)[2]
    jumbo.lan.ip("route", "flush", "cache")
    jumbo.lan.ping("10.2.0.2", "-M", "dont", "-s", 8972, count=2, wait=1)
    after = jumbo.weir.quiet()
    assert after["fragments"] - before["fragments"] == 2 * 7
    # Replies of 9,000 bytes are more than wan takes from its peer now.
    assert jumbo.weir.drops("link_oversize") == 2
    assert after["difference"] == 0
    capture.check()


@pytest.mark.parametrize("direction", [[], ["-R"]], ids=["there", "back"])
def test_udp_streams_pass_whole(router, direction):
    udp_passes_whole(router.lan, router.wan, "10.2.0.2", *direction)


def test_every_packet_is_accounted_for_when_quiet(router):
    router.lan.ping("10.2.0.2", count=20, interval=0.01)
    stats = router.weir.quiet()
    assert stats["difference"] == 0
    assert stats["rx"] >= 40 and stats["tx"] >= 40
    assert stats["dropped"] == router.weir.drops()
    assert stats["rx"] + stats["originated"] + stats["cloned"] + stats["fragments"] == (
        stats["tx"] + stats["punted"] + stats["consumed"] + stats["held"] + stats["dropped"])


def test_nothing_was_dropped_for_want_of_room(router):
    """After all of the above, whatever was dropped had a reason in the packet itself."""
    assert not [reason for reason in router.weir.drop_reasons() if re.search("full|room|no_mbuf", reason)]
