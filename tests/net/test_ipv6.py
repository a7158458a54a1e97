# SPDX-License-Identifier: BSD-3-Clause
"""
IPv6 between kernel peers: forwarding, neighbour discovery, errors, duplicate addresses.

    lan                                weir                               wan
    2001:db8:1::2 [lan0] -- 2001:db8:1::1/64  2001:db8:2::1/64 -- [wan0] 2001:db8:2::2
                            fe80::ff:fe00:1   fe80::ff:fe00:2

All frames that weir sends in these tests are captured (but for the bulk of iperf3's) and judged by
tshark at the end: no malformed packet, no wrong checksum.
"""
import json
import re
import socket

import pytest

import jumbo_lab
from harness import LAN_MAC, WAN_MAC, WEIR_LAN_MAC, run, tshark_problems, wait_until
from iperf import tcp_passes, udp_passes_whole

LAN, WAN = "2001:db8:1::2", "2001:db8:2::2"
WEIR_LAN, WEIR_WAN = "2001:db8:1::1", "2001:db8:2::1"
WEIR_LAN_LINK = "fe80::ff:fe00:1"


def enable(peer, address, gateway):
    peer.enable_ip6(peer.dev, address)
    peer.ip("-6", "route", "add", "default", "via", gateway)


def capture(lab, peer):
    """Starts writing down what comes in from weir."""
    path = lab.dir / f"{peer.dev}.pcap"
    path.touch()
    process = peer.popen("tcpdump", "-Z", "root", "-q", "-U", "-s", "0", "-Q", "in", "-i", peer.dev, "-w", path,
                         "not port 5201")
    # The file's header is there once it listens.
    wait_until(lambda: path.stat().st_size >= 24, what="tcpdump listens")
    return process, path


def is_usable(weir, local):
    infos = [info for row in weir.ctl("addr", "show") for info in row["addr_info"] if info["local"] == local]
    return infos and "tentative" not in infos[0]


@pytest.fixture(scope="module")
def net(module_lab):
    module_lab.router(lan={"addresses": ["10.1.0.1/24", f"{WEIR_LAN}/64"]},
                      wan={"addresses": ["10.2.0.1/24", f"{WEIR_WAN}/64"]},
                      sysctl={"addrconf": {"addr_gen_mode": "eui64"}, "ipv6": {"icmp": {"ratelimit": 0}}})
    captures = [capture(module_lab, peer) for peer in (module_lab.lan, module_lab.wan)]
    enable(module_lab.lan, LAN, WEIR_LAN)
    enable(module_lab.wan, WAN, WEIR_WAN)
    wait_until(lambda: is_usable(module_lab.weir, WEIR_WAN), what="weir's addresses are usable")
    yield module_lab
    assert module_lab.weir.quiet()["difference"] == 0
    for process, path in captures:
        process.terminate()
        process.wait(10)
        assert_well_formed(path)


def assert_well_formed(path):
    frames = run("tshark", "-r", path, "-T", "fields", "-e", "frame.number").stdout.split()
    assert len(frames) > 20, f"{path} has hardly anything in it"
    assert tshark_problems(path) == []


def test_pings_pass_although_neighbours_are_unknown(net):
    sent, received, output = net.lan.ping(WAN, count=5, interval=0.01)
    assert (sent, received) == (5, 5), output
    assert "ttl=63" in output
    sent, received, output = net.wan.ping(LAN, count=5, interval=0.01)
    assert (sent, received) == (5, 5), output


@pytest.mark.parametrize("size", [0, 56, 1452, 4000, 20000])
def test_ping_of_any_size_passes(net, size):
    sent, received, output = net.lan.ping(WAN, "-s", size)
    assert (sent, received) == (3, 3), output


@pytest.mark.parametrize("address", [WEIR_LAN, f"{WEIR_LAN_LINK}%lan0"])
@pytest.mark.parametrize("size", [1452, 1453, 4000, 60000, 65487])
def test_ping_of_any_size_is_answered(net, address, size):
    """In fragments both ways, from a kernel that makes whole what weir has cut (RFC 8200 4.5)."""
    sent, received, output = net.lan.ping(address, "-s", size)
    assert (sent, received) == (3, 3), output


def test_ping_flood_loses_nothing(net):
    sent, received, output = net.lan.ping(WAN, "-f", count=2000, interval=0)
    assert (sent, received) == (2000, 2000), output


@pytest.mark.parametrize("address", [WEIR_LAN, WEIR_WAN, f"{WEIR_LAN_LINK}%lan0"])
def test_every_address_of_the_router_answers(net, address):
    sent, received, output = net.lan.ping(address)
    assert (sent, received) == (3, 3), output


def test_all_nodes_and_all_routers_are_answered_from_its_link_local_address(net):
    for group in ("ff02::1", "ff02::2"):
        _, received, output = net.lan.ping(f"{group}%lan0", count=1)
        assert received >= 1 and f"from {WEIR_LAN_LINK}" in output, output


def test_neighbours_are_known_on_both_sides(net):
    net.lan.ping(WAN, count=1)
    row = net.weir.row("neigh", "show", dst=LAN)
    assert (row["dev"], row["lladdr"]) == ("lan", LAN_MAC)
    assert net.weir.row("neigh", "show", dst=WAN)["lladdr"] == WAN_MAC
    (theirs,) = [row for row in net.lan.ip_json("-6", "neigh", "show") if row["dst"] == WEIR_LAN]
    # The router flag of RFC 4861 4.4.
    assert theirs["lladdr"] == WEIR_LAN_MAC and "router" in theirs


def test_a_stale_neighbour_is_asked_again_and_answers(net):
    net.weir.ctl("neigh", "replace", LAN, "lladdr", LAN_MAC, "dev", "lan", "nud", "stale")
    net.weir.ctl("sysctl", "set", "neigh.delay_first_probe_time", "100ms")
    try:
        net.lan.ping(WEIR_LAN, count=1)
        wait_until(lambda: net.weir.row("neigh", "show", dst=LAN)["state"] == ["REACHABLE"], what="it is confirmed")
    finally:
        net.weir.ctl("sysctl", "set", "neigh.delay_first_probe_time", "5s")


@pytest.mark.parametrize("address", [WEIR_LAN, WEIR_LAN_LINK])
def test_ndisc6_finds_the_routers_mac_address(net, address):
    output = net.lan.exec("ndisc6", "-1", address, "lan0").stdout
    assert re.search(rf"Target link-layer address:\s+{WEIR_LAN_MAC}", output, re.IGNORECASE), output


def test_router_solicitations_are_counted_and_not_answered(net):
    before = net.weir.drops("nd_router_solicitation")
    done = net.lan.exec("rdisc6", "-1", "-r", 1, "-w", 200, "lan0", check=False)
    assert done.returncode != 0 and "Timed out" in done.stdout + done.stderr
    wait_until(lambda: net.weir.drops("nd_router_solicitation") > before, what="it is counted")


def test_traceroute_names_the_router_and_the_peer(net):
    output = net.lan.exec("traceroute", "-6", "-n", "-w", 2, "-q", 2, WAN).stdout
    hops = [line.split()[1] for line in output.splitlines()[1:]]
    assert hops == [WEIR_LAN, WAN], output


def test_tracepath_names_them_too(net):
    output = net.wan.exec("tracepath", "-6", "-n", LAN).stdout
    hops = re.findall(r"^\s*\d+:\s+(\S+)\s+[\d.]+ms", output, re.MULTILINE)
    assert hops[0] == WEIR_WAN and hops[-1] == LAN, output


@pytest.mark.parametrize("direction", [[], ["-R"]], ids=["there", "back"])
def test_tcp_streams_pass(net, direction):
    tcp_passes(net.lan, net.wan, WAN, *direction)


@pytest.mark.parametrize("direction", [[], ["-R"]], ids=["there", "back"])
def test_udp_streams_pass_whole(net, direction):
    udp_passes_whole(net.lan, net.wan, WAN, *direction)


@pytest.mark.parametrize("address", [WEIR_LAN, WEIR_WAN])
def test_a_closed_udp_port_is_refused(net, address):
    with net.lan.entered():
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(5)
        sock.connect((address, 9))
        sock.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(1)


def unreachable(net, destination, *words):
    """What ping says about the answer it got instead of an echo."""
    return net.lan.ping(destination, *words, count=1)[2]


def test_who_cannot_be_reached_is_said(net):
    net.weir.ctl("route", "add", "2001:db8:a::/48", "type", "prohibit")
    net.weir.ctl("route", "add", "2001:db8:b::/48", "type", "unreachable")
    try:
        # "Reject route" of RFC 4443 has no name in ping.
        for destination, text in (("2001:db8:a::1", "Administratively prohibited"), ("2001:db8:b::1", "code 6"),
                                  ("2001:db8:c::1", "No route")):
            output = unreachable(net, destination)
            assert f"From {WEIR_LAN} " in output and text in output, output
    finally:
        net.weir.ctl("route", "del", "2001:db8:a::/48")
        net.weir.ctl("route", "del", "2001:db8:b::/48")


def test_a_host_that_is_not_there_is_unreachable(net):
    output = net.lan.ping("2001:db8:2::99", count=1, wait=6)[2]
    assert f"From {WEIR_LAN} " in output and "Address unreachable" in output, output


def test_a_link_local_source_does_not_leave_its_link(net):
    (info,) = [info for info in net.lan.ip_json("-6", "addr", "show", "lan0")[0]["addr_info"]
               if info["scope"] == "link"]
    output = net.lan.ping(WAN, "-I", f'{info["local"]}%lan0', count=1)[2]
    assert "Beyond scope of source address" in output, output


def test_the_mtu_of_a_path_is_told_and_learned(net):
    net.weir.ctl("link", "set", "dev", "wan", "mtu", 1280)
    net.wan.ip("link", "set", "wan0", "mtu", 1280)
    try:
        output = net.lan.ping(WAN, "-M", "do", "-s", 1400, count=1)[2]
        assert "mtu=1280" in output or "mtu: 1280" in output, output
        # 1232 and the headers of ICMPv6 and IPv6 are 1280.
        assert net.lan.ping(WAN, "-M", "do", "-s", 1232, count=1)[1] == 1
        # What is larger comes in fragments of the path's MTU, as the kernel has learned it.
        assert net.lan.ping(WAN, "-M", "dont", "-s", 4000, count=2)[1] == 2
        assert "mtu 1280" in net.lan.ip("-6", "route", "get", WAN).stdout
    finally:
        net.weir.ctl("link", "set", "dev", "wan", "mtu", 1500)
        net.wan.ip("link", "set", "wan0", "mtu", 1500)
        net.lan.ip("-6", "route", "flush", "cache")


@pytest.fixture
def jumbo(lab):
    jumbo_lab.start(lab, [f"{WEIR_LAN}/64", f"{WEIR_WAN}/64"], sysctl={
        "addrconf": {"addr_gen_mode": "eui64", "dad_transmits": 0}, "ipv6": {"icmp": {"ratelimit": 0}}})
    enable(lab.lan, LAN, WEIR_LAN)
    enable(lab.wan, WAN, WEIR_WAN)
    return lab


def test_jumbo_frames_pass_from_end_to_end(jumbo):
    """9,000 bytes lie in five packet buffers; one MTU a link, for both directions."""
    captures = [peer.capture(jumbo.dir / f"{peer.dev}.pcap") for peer in (jumbo.lan, jumbo.wan)]
    for to, size in [*((WAN, size) for size in (2000, 2048, 4096, 8951, 8952, 8953, 20000)),
                     (WEIR_LAN, 8952), (WEIR_LAN, 20000)]:
        # One at a time: of several, ping waits for the last no longer than for those before.
        _, received, output = jumbo.lan.ping(to, "-s", size, "-M", "do" if size <= 8952 else "dont", count=1, wait=10)
        assert received == 1, output
    assert jumbo.weir.drops("link_oversize") == jumbo.weir.drops("ip6_too_big") == 0
    before = jumbo.weir.quiet()
    # Only one side is jumbo: told, never cut.
    jumbo.weir.ctl("link", "set", "dev", "wan", "mtu", 1500)
    assert "mtu=1500" in jumbo.lan.ping(WAN, "-M", "do", "-s", 8952, count=1, wait=10)[2]
    # The sender cuts it then. Replies of 9,000 bytes are more than wan takes from its peer now.
    assert jumbo.lan.ping(WAN, "-M", "dont", "-s", 8952, count=2, wait=1)[1] == 0
    wait_until(lambda: jumbo.weir.drops("link_oversize") == 2, what="both replies are dropped")
    after = jumbo.weir.quiet()
    assert after["fragments"] == before["fragments"]
    assert jumbo.weir.drops("ip6_too_big") == 1
    assert after["difference"] == 0
    for capture in captures:
        capture.check()


def test_an_address_of_the_router_is_found_duplicate_by_a_host(net):
    net.lan.ip("address", "add", f"{WEIR_WAN}0/64", "dev", "lan0", "nodad")
    net.lan.ip("address", "add", f"{WEIR_LAN}/64", "dev", "lan0")
    try:
        wait_until(lambda: "dadfailed" in net.lan.ip("-6", "address", "show", "dev", "lan0").stdout,
                   what="the kernel sees that somebody has it")
    finally:
        net.lan.ip("address", "del", f"{WEIR_LAN}/64", "dev", "lan0")
        net.lan.ip("address", "del", f"{WEIR_WAN}0/64", "dev", "lan0")
    assert is_usable(net.weir, WEIR_LAN)


def test_an_address_of_a_host_is_found_duplicate_by_the_router(net):
    net.weir.ctl("addr", "add", f"{LAN}/64", "dev", "lan")

    def info():
        (row,) = net.weir.ctl("addr", "show", "dev", "lan")
        return [info for info in row["addr_info"] if info["local"] == LAN][0]

    try:
        wait_until(lambda: info().get("dadfailed"), what="weir sees that somebody has it")
        assert "somebody else has our new address" in net.weir.stderr()
        # The host keeps it.
        assert net.lan.ping(WEIR_LAN, count=1)[1] == 1
    finally:
        net.weir.ctl("addr", "del", f"{LAN}/64", "dev", "lan")


def test_a_new_address_is_usable_after_a_second(net):
    net.weir.ctl("addr", "add", "2001:db8:1::77/64", "dev", "lan")
    wait_until(lambda: is_usable(net.weir, "2001:db8:1::77"), what="it is usable")
    assert net.lan.ping("2001:db8:1::77")[1] == 3
    net.weir.ctl("addr", "del", "2001:db8:1::77/64", "dev", "lan")
    assert net.lan.ping("2001:db8:1::77", count=1, wait=1)[1] == 0


def test_a_default_route_over_a_link_local_gateway_works(net):
    net.lan.ip("-6", "route", "replace", "default", "via", WEIR_LAN_LINK, "dev", "lan0")
    try:
        assert net.lan.ping(WAN)[1] == 3
    finally:
        net.lan.ip("-6", "route", "replace", "default", "via", WEIR_LAN)


def test_addresses_in_config_show_are_those_that_were_given(net):
    text = net.weir.weirctl("config", "show").stdout
    assert f'"{WEIR_LAN}/64"' in text and "fe80" not in text


def test_trace_shows_ip6_addresses(net):
    with net.weir.rpc() as client:
        client.send("trace.start", count=1, filter="icmp6 and ip6[40] == 128")
        client.call("stats.show")  # answers come in order: the trace runs
        net.lan.ping(WAN, count=1)
        seen = json.dumps(client.read())
    assert f"{LAN} to {WAN}" in seen, seen
