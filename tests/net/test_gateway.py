# SPDX-License-Identifier: BSD-3-Clause
"""
weir as a NAT gateway between real peers: streams both ways, what a STUN client finds, traceroute and
path MTU discovery. Where Linux can say what is right, it does.

    inner             lan                        weir, or Linux              wan                outer
    10.3.0.2 ---- 10.3.0.1  10.1.0.2 [lan0] -- 10.1.0.1  10.2.0.1 -- [wan0] 10.2.0.2  10.4.0.1 ---- 10.4.0.2
        MTU 1300                 MTU 1500                    MTU 1400    10.2.0.3          MTU 1300

For IPv6 the same with 2001:db8:N::H; gateway_lab.py has the rules.
"""
import re
import subprocess

import pytest

from gateway_lab import (FAMILIES, FAR_MTU, INNER, LAN, OUTER, OUTSIDE, PORTS, WAN, WAN_MTU, WAN_TOO, address,
                         linux_gateway, weir_gateway)
from harness import wait_until
from iperf import SERVER_PORT, iperf3
from mappings import Mappings
from path_tools import both_see

STUN_PORT = 3478
BINDING_REQUEST, BINDING_RESPONSE = bytes.fromhex("0001 0000 2112a442") + bytes(12), bytes.fromhex("0101")
# What kernels tell each other unasked: no packet of ours.
NOISE = {"ip6_multicast"}
each_family = pytest.mark.parametrize("family", FAMILIES, ids="ipv{}".format)


@pytest.fixture(scope="module")
def weir(module_lab):
    yield weir_gateway(module_lab)
    assert module_lab.weir.quiet()["difference"] == 0


@pytest.fixture(scope="module")
def linux(module_lab_of_its_own):
    return linux_gateway(module_lab_of_its_own)


def drops(lab):
    return {reason: n for reason, n in lab.weir.drop_reasons().items() if reason not in NOISE}


STREAMS = {"tcp": ["-n", "20M"], "udp": ["-u", "-l", 1200, "-b", "40M", "-n", "2M"]}


@pytest.mark.parametrize("direction", [[], ["-R"]], ids=["there", "back"])
@pytest.mark.parametrize("stream", STREAMS)
@each_family
@pytest.mark.parametrize("is_forwarded", [False, True], ids=["masqueraded", "forwarded"])
def test_streams_pass(weir, is_forwarded, family, stream, direction):
    before = drops(weir)
    if is_forwarded:
        client, server, to, port, seen_as = weir.wan, weir.lan, OUTSIDE, PORTS["lan"], WAN
    else:
        client, server, to, port, seen_as = weir.lan, weir.wan, WAN, SERVER_PORT, OUTSIDE
    ours, theirs = iperf3(client, server, to[family], *STREAMS[stream], *direction, port=port)
    assert theirs["start"]["accepted_connection"]["host"].removeprefix("::ffff:") == seen_as[family]
    got = (ours if direction else theirs)["end"]
    if stream == "tcp":
        assert got["sum_received"]["bytes"] > 10_000_000
    else:
        # A busy machine may overrun a socket's buffer; the router's own count is judged below.
        assert got["sum"]["packets"] > 1000 and got["sum"]["lost_percent"] < 50
    assert weir.weir.quiet()["difference"] == 0
    assert drops(weir) == before


def stun_servers(lab):
    """One for each family, with two addresses and two ports (RFC 5780)."""
    for family in FAMILIES:
        with open(lab.dir / f"turnserver{family}.log", "wb") as log:
            lab.wan.popen("turnserver", "-n", "--no-auth", "--no-cli", "--no-tcp", "--no-tls", "--no-dtls", "-m", 1,
                          "-L", WAN[family], "-L", WAN_TOO[family], "--log-file", "stdout", "--userdb",
                          lab.dir / f"turnserver{family}.db", "--pidfile", lab.dir / f"turnserver{family}.pid",
                          stdout=log, stderr=log, cwd=lab.dir)
    wait_until(lambda: lab.wan.exec("ss", "-Hlun").stdout.count(f":{STUN_PORT}") == 2 * len(FAMILIES),
               what="turnserver listens")
    return lab


@pytest.fixture(scope="module")
def stun(weir, linux):
    """Both labs, Linux first."""
    return [stun_servers(lab) for lab in (linux, weir)]


def discover(lab, host, family, question, port):
    """turnutils_natdiscovery, at work."""
    own = {"inner": INNER, "lan": LAN}[host][family]
    return getattr(lab, host).popen("turnutils_natdiscovery", question, "-L", own, "-l", port, WAN[family],
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def verdict(process):
    """What it found out: the lines that matter, without their time."""
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 0 and "RFC 5780 response" in text, text
    return [re.sub(r"^\d+: : ", "", line) for line in text.splitlines() if re.search("NAT|timeout|reflexive", line)]


def nat_lines(lines):
    return [line for line in lines if line.startswith("NAT with")]


def test_a_stun_client_finds_the_same_as_behind_linux(stun):
    """Mapping, filtering and hairpinning (RFC 5780, RFC 4787). It waits for what does not come: all at once."""
    asked = [(family, question, port) for family in FAMILIES for question, port in (("-m", 4000), ("-f", 4002),
                                                                                    ("-H", 4004))]
    running = [[discover(lab, "inner", *words) for words in asked] for lab in stun]
    theirs, ours = [dict(zip(asked, map(verdict, processes))) for processes in running]
    assert ours == theirs
    for (_, question, port), lines in theirs.items():
        if question != "-f":
            assert all(line.endswith(f":{port}") for line in lines if "reflexive" in line), lines
    for family in FAMILIES:
        assert nat_lines(theirs[family, "-m", 4000]) == ["NAT with Endpoint Independent Mapping!"]
        assert nat_lines(theirs[family, "-f", 4002]) == ["NAT with Address and Port Dependent Filtering!"]


@each_family
def test_a_stun_client_whose_port_was_taken_has_one_mapping_all_the_same(stun, family):
    """RFC 4787 REQ-1. Another host's connection to one address of the server only has the port."""
    found = []
    for lab in stun:
        with Mappings(lab, family, "udp", 4010) as mappings:
            client = mappings.client("lan")
            client.sendto(BINDING_REQUEST, (WAN[family], STUN_PORT))
            assert client.recv(1000).startswith(BINDING_RESPONSE)
            found.append(verdict(discover(lab, "inner", family, "-m", 4010)))
    for lines in found:
        assert nat_lines(lines) == ["NAT with Endpoint Independent Mapping!"], found


PEERS = [("lan", WAN, 7001), ("inner", WAN, 7001), ("inner", WAN_TOO, 7001), ("inner", WAN, 7002),
         ("lan", WAN_TOO, 7001), ("lan", WAN, 7002)]


@pytest.mark.parametrize("proto", ["udp", "tcp"])
@each_family
def test_an_endpoint_has_the_same_port_towards_all_peers(stun, family, proto):
    """RFC 4787, RFC 5382: REQ-1. Two hosts with the same port; the first keeps it."""
    found = []
    for lab in stun:
        with Mappings(lab, family, proto, 4020) as mappings:
            ports = [mappings.port_of(host, to[family], port) for host, to, port in PEERS]
        others = [port for port in dict.fromkeys(ports) if port != 4020]
        found.append(["own" if port == 4020 else f"other {others.index(port)}" for port in ports])
    assert found[0] == found[1] == ["own", "other 0", "other 0", "other 0", "own", "own"]


@each_family
def test_another_port_is_given_up_with_the_last_connection(weir, family):
    with Mappings(weir, family, "udp", 4030) as mappings:
        assert mappings.port_of("lan", WAN[family], 7001) == 4030
        assert mappings.port_of("inner", WAN[family], 7001) != 4030
    weir.weir.ctl("conntrack", "flush")
    with Mappings(weir, family, "udp", 4030) as mappings:
        assert mappings.port_of("inner", WAN[family], 7001) == 4030


def test_several_workers_give_an_endpoint_one_port_as_well(lab):
    """Each of its connections may be another worker's. The port is not its own, as a rule."""
    weir_gateway(lab, workers={"lcores": "0-1", "idle": "adaptive"})
    for family in FAMILIES:
        for proto in ("udp", "tcp"):
            for host in ("lan", "inner"):
                with Mappings(lab, family, proto, 4040) as mappings:
                    ports = [mappings.port_of(host, to[family], port) for to in (WAN, WAN_TOO)
                             for port in range(7001, 7009)]
                assert len(set(ports)) == 1, ports
    assert {row["worker"] for row in lab.weir.ctl("conntrack", "list", "-p", "udp")} == {0, 1}
    assert lab.weir.quiet()["difference"] == 0


def path_commands(family):
    """{name: (host, words, what must be in the answer)}"""
    flag, head = f"-{family}", 28 if family == 4 else 48
    trace = ["traceroute", flag, "-n", "-m", "8", "-w", "2", "-q", "2", "-N", "1"]
    ping = ["ping", flag, "-n", "-c", "2", "-i", "0.05", "-w", "2"]
    path = ["tracepath", flag, "-n", "-m", "8"]
    outer, outside, gateway = OUTER[family], OUTSIDE[family], address(family, 1, 1)
    there, near, back = f"4 {outer}", f"3 {outer}", f"4 {outside}"
    too_big = "(mtu = {})" if family == 4 else "mtu={}"
    return {
        "udp": ("inner", [*trace, outer], there),
        "udp_one_port": ("inner", [*trace, "-U", "-p", "53", outer], there),
        "icmp": ("inner", [*trace, "-I", outer], there),
        "tcp": ("inner", [*trace, "-T", outer], there),
        "large": ("lan", [*trace, outer, "1390"], near if family == 4 else "!F-1300"),
        "mtu": ("lan", [*trace, "-q", "1", "--mtu", outer], f"{near} F=1300"),
        "to_the_inside_of_the_gateway": ("inner", [*trace, gateway], f"2 {gateway}"),
        "to_the_outside_of_the_gateway": ("inner", [*trace, outside], f"2 {outside}"),
        "forwarded_udp": ("outer", [*trace, "-U", "-p", PORTS["inner"], outside], back),
        "forwarded_tcp": ("outer", [*trace, "-T", "-p", PORTS["inner"], outside], back),
        "icmp_from_outside": ("outer", [*trace, "-I", outside], f"2 {outside}"),
        "tracepath": ("lan", [*path, outer], "pmtu 1300 hops 3 back 3"),
        "tracepath_from_a_small_link": ("inner", [*path, outer], "pmtu 1300 hops 4 back 4"),
        "ping_fits": ("lan", [*ping, "-M", "do", "-s", FAR_MTU - head, outer], "2 received"),
        "ping_too_big_behind": ("lan", [*ping, "-M", "do", "-s", FAR_MTU - head + 1, outer], too_big.format(FAR_MTU)),
        "ping_too_big_here": ("lan", [*ping, "-M", "do", "-s", WAN_MTU - head + 1, outer], too_big.format(WAN_MTU)),
        "ping_in_fragments": ("lan", [*ping, "-M", "dont", "-s", "4000", outer],
                              "2 received" if family == 4 else too_big.format(WAN_MTU)),
        "ping_ttl_here": ("lan", [*ping, "-t", "1", outer], "exceeded"),
        "ping_ttl_behind": ("lan", [*ping, "-t", "2", outer], "exceeded"),
    }


@pytest.mark.parametrize("command", path_commands(4))
@each_family
def test_a_path_through_nat_looks_as_through_linux(weir, linux, family, command):
    host, words, wanted = path_commands(family)[command]
    ours, theirs = both_see(words, getattr(weir, host), getattr(linux, host))
    assert wanted in "\n".join(theirs[1])
    assert ours == theirs


@each_family
@pytest.mark.parametrize("is_forwarded", [False, True], ids=["masqueraded", "forwarded"])
def test_tcp_finds_its_path_mtu(weir, linux, is_forwarded, family):
    """The far end promises more than its own link takes: only errors about translated packets tell."""
    for lab in (linux, weir):
        client, server, to, port = (lab.lan, lab.outer, OUTER[family], SERVER_PORT)
        if is_forwarded:
            client, server, to, port = (lab.wan, lab.inner, OUTSIDE[family], PORTS["inner"])
        client.ip(f"-{family}", "route", "flush", "cache")
        _, theirs = iperf3(client, server, to, "-n", "5M", port=port)
        # The client ends when it has handed over the last byte, not when that has come.
        assert theirs["end"]["sum_received"]["bytes"] > 200_000
        (route,) = client.ip_json("route", "get", to)
        assert route["metrics"][0]["mtu"] == FAR_MTU
