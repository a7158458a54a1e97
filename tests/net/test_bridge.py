# SPDX-License-Identifier: BSD-3-Clause
"""
conf/switch.conf at work: two VLANs on the ports of one bridge, their gateways, a NAT uplink. switch_lab.py has
the picture. Hosts are kernels; what no kernel would send is written onto the cables.
"""
import re
import subprocess

import pytest
from scapy.layers.inet6 import ICMPv6ND_NS
from scapy.layers.l2 import ARP, Ether
from scapy.utils import RawPcapReader

import switch_lab
from harness import pings_go_on, program, run, wait_until
from iperf import iperf3
from switch_lab import (FAR, HOSTS, OUTSIDE, WAN, Bench, address, dynamic, frame, gateway, ids_of,
                        set_member, station, where)
from test_vlan import stream

BRIDGE_MAC = "02:00:00:00:00:02"
each_family = pytest.mark.parametrize("family", [4, 6], ids="ipv{}".format)
# A marker from eth1 reaches the office, one from eth4 with tag 20 the guests, one from eth2 the first port.
MARKS = [(("eth1", ()), ("eth2", "eth4")), (("eth4", (20,)), ("eth3",)), (("eth2", ()), ("eth1",))]
NEIGHBOURS = [("office1", "office2"), ("office2", "office3"), ("office3", "office1"), ("guest1", "guest2"),
              ("guest2", "guest1")]


@pytest.fixture(scope="module", name="switch")
def switch_fixture(module_lab):
    with switch_lab.start(module_lab):
        yield module_lab
        assert module_lab.weir.quiet()["difference"] == 0


@pytest.fixture(name="bench")
def bench_fixture(switch):
    with Bench(switch.cables, MARKS) as bench:
        yield bench


def reaches(host, to):
    """One echo at a time: of several, ping waits for the last no longer than for those before."""
    return all(host.ping(to, count=1, wait=10)[1] == 1 for _ in range(3))


# Within a VLAN


@each_family
@pytest.mark.parametrize("one, other", NEIGHBOURS)
def test_hosts_of_one_vlan_talk(switch, one, other, family):
    assert reaches(switch.hosts[one], address(family, other))


@pytest.mark.parametrize("one, other", NEIGHBOURS)
def test_hosts_of_one_vlan_see_each_others_own_mac_address(switch, one, other):
    """What answers is the host, not the gateway for it."""
    (link,) = switch.hosts[other].ip_json("link", "show", "dev", switch.hosts[other].dev)
    host = switch.hosts[one]
    done = host.exec("arping", "-C", 1, "-w", 10, "-I", host.dev, address(4, other), check=False)
    assert done.returncode == 0 and link["address"] in done.stdout, done.stdout


@pytest.mark.parametrize("one, other", NEIGHBOURS[:2] + NEIGHBOURS[3:4])
def test_tcp_streams_pass_within_a_vlan(switch, one, other):
    before = switch.weir.ctl("conntrack", "count")
    # The trunk is slow: it is a part of the test.
    size = "4M" if "eth4" in (HOSTS[one][2], HOSTS[other][2]) else "20M"
    _, theirs = iperf3(switch.hosts[one], switch.hosts[other], address(4, other), "-n", size)
    # What is in buffers when the client is through does not count.
    assert theirs["end"]["sum_received"]["bytes"] > 500_000
    assert theirs["start"]["accepted_connection"]["host"].removeprefix("::ffff:") == address(4, one)
    assert switch.weir.ctl("conntrack", "count") == before, "what is switched is no connection of the router's"


def test_hosts_are_learned_where_they_are(switch):
    for name, host in switch.hosts.items():
        vlan, _, port = HOSTS[name]
        host.ping(gateway(4, vlan), count=1)
        (link,) = host.ip_json("link", "show", "dev", host.dev)
        wait_until(lambda a=link["address"], v=vlan, p=port: where(switch.weir, a, vlan=v) == p,
                   what=f"{name} is learned")
    (row,) = [row for row in switch.weir.ctl("fdb", "show", "dev", "br0") if row["mac"] == BRIDGE_MAC]
    assert (row["ifname"], row["state"]) == ("br0", "permanent")
    assert {row["ifname"] for row in switch.weir.ctl("fdb", "show", "dev", "eth2")} == {"eth2"}


# (from, tags) -> where a broadcast comes out, with which tags
FLOODS = {
    ("eth1", ()): {"eth2": (), "eth4": ()},
    ("eth1", (10,)): {"eth2": (), "eth4": ()},
    ("eth1", (0,)): {"eth2": (), "eth4": ()},
    ("eth3", ()): {"eth4": (20,)},
    ("eth3", (20,)): {"eth4": (20,)},
    ("eth4", ()): {"eth1": (), "eth2": ()},
    ("eth4", (0,)): {"eth1": (), "eth2": ()},
    ("eth4", (10,)): {"eth1": (), "eth2": ()},
    ("eth4", (20,)): {"eth3": ()},
    # What is behind the tag of the VLAN is payload.
    ("eth4", (20, 10)): {"eth3": (10,)},
}


@pytest.mark.parametrize("port, tags", FLOODS, ids=str)
def test_a_broadcast_stays_in_its_vlan_and_is_tagged_on_the_trunk_only(bench, port, tags):
    seen = bench.send(port, frame(station(1), tags=tags))
    assert {name: [ids_of(data) for data in frames] for name, frames in seen.items()} == {
        name: [ids] for name, ids in FLOODS[port, tags].items()}


# (port, tags) -> why the frame goes nowhere
WRONG = {
    ("eth1", (20,)): "bridge_vlan_denied",
    ("eth1", (1,)): "bridge_vlan_denied",
    ("eth3", (10,)): "bridge_vlan_denied",
    ("eth4", (30,)): "bridge_vlan_denied",
    ("eth1", (4095,)): "bridge_vlan_denied",
    ("eth4", (4095,)): "bridge_vlan_denied",
    ("eth4", (4094, 4095)): "bridge_vlan_denied",
    # The outer tag would be taken off, and the inner one lead into the other VLAN.
    ("eth1", (10, 20)): "bridge_double_tag",
    ("eth4", (10, 20)): "bridge_double_tag",
    ("eth1", (0, 20)): "bridge_double_tag",
    ("eth3", (20, 10)): "bridge_double_tag",
    ("eth3", (20, 4095)): "bridge_double_tag",
}


@pytest.mark.parametrize("port, tags", WRONG, ids=str)
def test_a_frame_with_wrong_tags_goes_nowhere(switch, bench, port, tags):
    reason = WRONG[port, tags]
    before = switch.weir.drops(reason)
    assert bench.send(port, *[frame(station(2), tags=tags)] * 3) == {}
    assert switch.weir.drops(reason) == before + 3
    assert dynamic(switch.weir, mac=station(2)) == []


# Between VLANs


@each_family
@pytest.mark.parametrize("one, other", [("office1", "guest1"), ("office1", "guest2"), ("office3", "guest2")])
def test_the_office_reaches_guests_through_the_gateway(switch, one, other, family):
    assert reaches(switch.hosts[one], address(family, other))


@each_family
@pytest.mark.parametrize("one, other", [("guest1", "office1"), ("guest2", "office3")])
def test_guests_are_told_that_they_may_not_reach_the_office(switch, one, other, family):
    sent, received, text = switch.hosts[one].ping(address(family, other), count=2, interval=0.2, wait=2)
    assert sent > 0 and received == 0
    assert re.search(r"Packet filtered|Administratively prohibited", text), text


def test_guests_do_not_hear_the_office(switch):
    """Nobody answers for an office host in the guests' VLAN, even to who asks."""
    host = switch.hosts["guest1"]
    done = host.exec("arping", "-c", 1, "-w", 1, "-I", host.dev, "-S", address(4, "guest1"), address(4, "office1"),
                     check=False)
    assert done.returncode != 0 and "1 packets transmitted" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", HOSTS)
def test_everybody_reaches_the_internet_behind_the_address_of_wan(switch, name):
    host = switch.hosts[name]
    assert reaches(host, FAR)
    own, seen = stream(switch, host, WAN[4], 5202)
    assert (own[0], seen[0]) == (address(4, name), OUTSIDE[4])
    assert reaches(host, WAN[6])
    rows = [str(row) for row in switch.weir.ctl("conntrack", "list") if row["orig"]["dst"] == WAN[6]]
    rows = [row for row in rows if f"'{address(6, name)}'" in row]
    assert rows and all(f"'{OUTSIDE[6]}'" in row for row in rows), "IPv6 is masqueraded, too"


def test_nobody_comes_in_from_outside(switch):
    switch.wan.ip("route", "add", "192.168.0.0/16", "via", OUTSIDE[4])
    before = switch.weir.drops()
    for name in ("office1", "guest2"):
        assert switch.wan.ping(address(4, name), count=1, wait=1)[1] == 0
    assert switch.weir.drops() >= before + 2
    switch.wan.ip("route", "del", "192.168.0.0/16")


@pytest.mark.parametrize("name", ["office1", "guest1"])
def test_the_router_itself_can_be_pinged_and_no_more(switch, name):
    host, router = switch.hosts[name], gateway(4, HOSTS[name][0])
    before = switch.weir.drops("firewall_drop_input")
    assert reaches(host, router)
    with host.udp_socket(address(4, name)) as sock:
        sock.sendto(b"anybody?", (router, 53))
    wait_until(lambda: switch.weir.drops("firewall_drop_input") == before + 1, what="it is dropped")


# What the bridge sends


# What has an address in a VLAN for a while only, and what nobody has.
OWN = {(10, 4): "192.168.10.250", (10, 6): "fd00:10::250", (20, 4): "192.168.20.250", (20, 6): "fd00:20::250"}
NOBODY = {(10, 4): "192.168.10.99", (10, 6): "fd00:10::99", (20, 4): "192.168.20.99", (20, 6): "fd00:20::99"}
# Where a VLAN comes out, with which tags.
OUTS = {10: {"eth1": (), "eth2": (), "eth4": ()}, 20: {"eth3": (), "eth4": (20,)}}


def said(path):
    """{(who asks, bridge or host, about which address, with which tags)} by ARP or neighbour discovery in a capture."""
    found = set()
    for data, _ in RawPcapReader(str(path)):
        seen = Ether(data)
        who = "bridge" if seen.src == BRIDGE_MAC else "host"
        if ARP in seen and seen[ARP].op == 1:
            found.add((who, seen[ARP].pdst, ids_of(data)))
        if ICMPv6ND_NS in seen:
            found.add((who, seen[ICMPv6ND_NS].tgt, ids_of(data)))
    return found


def make_it_talk(switch, vlan, family, name):
    """Has the bridge announce an address or probe for it, and ask for a host; has the host ask for nobody."""
    dev, host = f"br0.{vlan}", switch.hosts[name]
    switch.weir.ctl("addr", "add", f"{OWN[vlan, family]}/{24 if family == 4 else 64}", "dev", dev)
    switch.weir.weirctl("neigh", "del", address(family, name), "dev", dev)
    assert reaches(host, FAR if family == 4 else WAN[6])
    host.ping(NOBODY[vlan, family], count=1, wait=0.1)


def test_tshark_likes_what_the_bridge_says_and_what_it_floods(switch):
    captures = {port: cable.capture(switch.dir / f"said-{port}.pcap") for port, cable in switch.cables.items()}
    wanted = {port: set() for port in captures}
    try:
        for (vlan, family), own in OWN.items():
            name = "office1" if vlan == 10 else "guest1"
            make_it_talk(switch, vlan, family, name)
            for port, tags in OUTS[vlan].items():
                wanted[port] |= {("bridge", own, tags), ("bridge", address(family, name), tags)}
                if port != HOSTS[name][2]:
                    wanted[port].add(("host", NOBODY[vlan, family], tags))
        for port, capture in captures.items():
            wait_until(lambda p=port, c=capture: wanted[p] <= said(c.path), what=f"{port}: {wanted[port]}")
            capture.check()
            assert {vid for *_, tags in said(capture.path) for vid in tags} == ({20} if port == "eth4" else set())
    finally:
        for (vlan, family), own in OWN.items():
            switch.weir.weirctl("addr", "del", f"{own}/{24 if family == 4 else 64}", "dev", f"br0.{vlan}")


# Stations


def test_a_station_that_moves_is_followed(switch, bench):
    here, other = station(0x30), station(0x31)
    for port in ("eth1", "eth4", "eth2"):
        bench.send(port, frame(here))
        wait_until(lambda p=port: where(switch.weir, here, vlan=10) == p, what=f"it is behind {port}")
        asker = "eth1" if port != "eth1" else "eth2"
        assert list(bench.send(asker, frame(other, here))) == [port]


def test_a_station_is_another_one_in_another_vlan(switch, bench):
    here = station(0x38)
    bench.send("eth1", frame(here))
    bench.send("eth3", frame(here))
    wait_until(lambda: where(switch.weir, here, vlan=20) == "eth3", what="it is behind eth3")
    assert where(switch.weir, here, vlan=10) == "eth1"
    assert list(bench.send("eth4", frame(station(0x39), here, (20,)))) == ["eth3"]
    assert list(bench.send("eth4", frame(station(0x39), here))) == ["eth1"]


def test_a_static_entry_stays_whoever_claims_it(switch, bench):
    weir, here = switch.weir, station(0x40)
    weir.ctl("fdb", "add", here, "dev", "eth2", "vlan", 10)
    try:
        row = weir.row("fdb", "show", mac=here)
        assert (row["ifname"], row["vlan"], row["master"], row["state"]) == ("eth2", 10, "br0", "static")
        bench.send("eth4", frame(here))
        assert list(bench.send("eth1", frame(station(0x41), here))) == ["eth2"]
        assert weir.row("fdb", "show", mac=here)["ifname"] == "eth2"
        weir.ctl("fdb", "flush", "dev", "eth2")
        assert weir.row("fdb", "show", mac=here) == row, "only what was learned is flushed"
        passes_the_check(switch)
        assert weir.refused("fdb", "add", here, "dev", "eth1", "vlan", 10)[0] == 1
        assert weir.refused("fdb", "add", here, "dev", "eth1", "vlan", 20)[0] == 1
    finally:
        weir.ctl("fdb", "del", here, "dev", "eth2", "vlan", 10)
    assert weir.row("fdb", "show", mac=here) is None
    assert weir.refused("fdb", "del", here, "dev", "eth2", "vlan", 10)[0] == 1


def test_invented_addresses_push_nobody_out(switch, bench):
    """conf/switch.conf lets 64 stations be learned behind eth3."""
    weir, host = switch.weir, switch.hosts["guest1"]
    # Our own probes have been there as well.
    weir.ctl("fdb", "flush", "dev", "eth3")
    host.ping(gateway(4, 20), count=1)
    (link,) = host.ip_json("link", "show", "dev", host.dev)
    wait_until(lambda: where(weir, link["address"]) == "eth3", what="the guest is learned")
    before = {(row["mac"], row["vlan"]): row["ifname"] for row in dynamic(weir)}
    for first in range(0, 3000, 100):
        bench.send("eth3", *[frame(station(0x1000 + n)) for n in range(first, first + 100)])
    wait_until(lambda: len(dynamic(weir, ifname="eth3")) >= 64, what="as many are learned as may be")
    after = {(row["mac"], row["vlan"]): row["ifname"] for row in dynamic(weir)}
    assert len(dynamic(weir, ifname="eth3")) == 64
    assert before.items() <= after.items(), "all are where they were"
    assert reaches(host, FAR) and reaches(switch.hosts["office1"], address(4, "office2"))
    # Who was not learned is flooded to, not cut off.
    assert list(bench.send("eth4", frame(station(0x50), station(0x1000 + 2999), (20,)))) == ["eth3"]
    weir.ctl("fdb", "flush", "dev", "eth3")
    assert dynamic(weir, ifname="eth3") == []


# Members


def passes_the_check(switch):
    """What `config show` prints of the bridge as it is now."""
    path = switch.dir / "shown.conf"
    text = switch.weir.weirctl("config", "show").stdout
    path.write_text(text, encoding="utf-8")
    done = run(program("weir"), "-c", path, "--check", check=False)
    assert (done.returncode, done.stderr) == (0, ""), text
    return text


@pytest.mark.parametrize("words, wanted", [
    ("isolated", {"isolated": True}), ("isolated off", {"isolated": False}), ("isolated on", {"isolated": True}),
    ("learning false flood off", {"learning": False, "flood": False, "isolated": True}),
    ("learning on flood true isolated off", {"learning": True, "flood": True, "isolated": False})])
def test_settings_of_members_have_words(switch, words, wanted):
    switch.weir.ctl("link", "set", "dev", "eth4", *words.split())
    (row,) = switch.weir.ctl("link", "show", "dev", "eth4")
    assert {key: row["linkinfo"]["info_slave_data"][key] for key in wanted} == wanted


def test_members_are_named_on_the_command_line(switch):
    weir = switch.weir
    weir.ctl("link", "set", "dev", "eth4", "nomaster")
    weir.ctl("link", "set", "dev", "eth3", "nomaster")
    weir.ctl("link", "add", "name", "br9", "bridge", "members", "eth3,eth4")
    assert {weir.ctl("link", "show", "dev", name)[0]["master"] for name in ("eth3", "eth4")} == {"br9"}
    weir.ctl("link", "del", "br9")
    weir.ctl("link", "add", "name", "br9", "bridge", "members", "eth3", "members", "name", "eth4", "pvid", 7, "isolated")
    assert weir.ctl("link", "show", "dev", "eth4")[0]["linkinfo"]["info_slave_data"]["pvid"] == 7
    weir.ctl("link", "del", "br9")
    weir.ctl("link", "set", "dev", "eth3", "master", "br0", "pvid", 20, "isolated", "fdb_max", 64)
    weir.ctl("link", "set", "dev", "eth4", "master", "br0", "pvid", 10, "vlans", 20)


def test_explain_says_whose_member_a_link_is(switch):
    done = switch.weir.weirctl("explain", "iif", "eth4", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "udp")
    assert done.returncode == 2
    assert "eth4 is a member of br0" in done.stderr


def test_two_isolated_members_reach_their_gateway_but_not_each_other(switch):
    guest, other = switch.hosts["guest1"], switch.hosts["guest2"]
    set_member(switch.weir, "eth4", isolated=True)
    try:
        for host in (guest, other):
            assert reaches(host, FAR)
        assert guest.ping(address(4, "guest2"), count=1, wait=1)[1] == 0
        # Only among isolated ones.
        assert reaches(switch.hosts["office3"], address(4, "office1"))
    finally:
        set_member(switch.weir, "eth4", isolated=False)
    wait_until(lambda: guest.ping(address(4, "guest2"), count=1)[1] == 1, what="they reach each other again")


def test_nothing_is_sent_by_a_member_that_is_down(switch, bench):
    weir, here = switch.weir, station(0x60)
    bench.send("eth2", frame(here))
    wait_until(lambda: where(weir, here) == "eth2", what="it is learned")
    with pings_go_on(switch, switch.hosts["office1"], FAR):
        weir.ctl("link", "set", "eth2", "down")
        assert dynamic(weir, ifname="eth2") == [], "who was behind it may be anywhere"
        before = weir.drops("bridge_down")
        switch.cables["eth2"].ping(address(4, "office1"), count=1, wait=1)
        assert weir.drops("bridge_down") > before
        # The station has been plugged in elsewhere.
        with switch.cables["eth1"].wire() as office, switch.cables["eth4"].wire() as trunk:
            trunk.send(frame(here))
            wait_until(lambda: where(weir, here) == "eth4", what="it has moved")
            office.send(frame(station(0x61), here, text=b"to the trunk"))
            trunk.expect(lambda f: b"to the trunk" in bytes(f))
        weir.ctl("link", "set", "eth2", "up")
    assert reaches(switch.hosts["office2"], address(4, "office1"))


def test_members_leave_and_join_and_no_other_loses_a_packet(switch):
    weir = switch.weir
    with pings_go_on(switch, switch.hosts["office1"], address(4, "office2")), \
            pings_go_on(switch, switch.hosts["office2"], FAR):
        for _ in range(3):
            weir.ctl("link", "set", "dev", "eth3", "nomaster")
            assert dynamic(weir, ifname="eth3") == []
            assert switch.hosts["guest1"].ping(gateway(4, 20), count=1, wait=0.2)[1] == 0
            weir.ctl("link", "set", "dev", "eth3", "master", "br0", "pvid", 20, "isolated", "fdb_max", 64)
            wait_until(lambda: switch.hosts["guest1"].ping(FAR, count=1, wait=1)[1] == 1, what="the guest is back")
    assert '"eth3"' in passes_the_check(switch).partition('type = "bridge"')[2]


def test_a_ping_goes_on_once_its_member_is_back(switch):
    weir, host = switch.weir, switch.hosts["office1"]
    child = host.popen("ping", "-n", "-O", "-i", "0.1", "-w", 60, address(4, "office2"), stdout=subprocess.PIPE)
    wait_for_line(child, "bytes from")
    weir.ctl("link", "set", "dev", "eth2", "nomaster")
    wait_for_line(child, "no answer yet")
    weir.ctl("link", "set", "dev", "eth2", "master", "br0", "pvid", 10)
    wait_for_line(child, "bytes from")
    lines = [child.stdout.readline() for _ in range(10)]
    child.kill()
    assert all("bytes from" in line for line in lines), "once it is back none is lost"


def wait_for_line(child, text):
    while (line := child.stdout.readline()):
        if text in line:
            return line
    raise AssertionError("ping has ended")
