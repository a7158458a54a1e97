# SPDX-License-Identifier: BSD-3-Clause
"""
QinQ on bridges and bonds: 802.1Q VLAN 20 on 802.1ad VLAN 10 on a link with members. Hosts behind these are kernels that
a trunk carries (.20 and .30, see trunk.py), or the test itself (.10).

    h1 10.20.0.20 [p1 trunk] -- p1 \\                                             wan
                                    -- br0 - svc - svc.20 10.20.0.1    10.2.0.1 -- [wan0] 10.2.0.2
    h2 10.20.0.30 [p2 trunk] -- p2 /

    h1 10.20.0.20 [trunk br0 - p10] -- p1 == bond0 - svc - svc.20, and so on
                  [          - p20] -- p2 ==

In front of the bond a kernel's bridge is in place of a switch.
"""
import contextlib

import pytest
from scapy.layers.l2 import ARP

from gateway_lab import NO_LIMITS
from harness import WAN_MAC, WEIR_WAN_MAC, Lab, base_conf, link_conf, pings_go_on, wait_until
from switch_lab import where
from test_vlan import BROADCAST, HOST_MAC, Vlan, echo, ip_of, is_icmp, tagged, tags_of
from trunk import CTAG, STAG, Trunk

MASTER_MAC = "02:00:00:00:0b:00"
TAGS = [(STAG, 10), (CTAG, 20)]
SVC = [{"name": "svc", "type": "vlan", "protocol": "802.1ad", "vid": 10},
       {"name": "svc.20", "type": "vlan", "parent": "svc", "vid": 20, "addresses": ["10.20.0.1/24"]}]


def start(lab, **master):
    """The daemon, with svc.20 on such a link over p1 and p2, and wan; where the other ends of p1 and p2 are."""
    home = lab.namespace("gw")
    ports = [{"name": f"p{n}", "device": f"net_tap{n},iface=p{n}0", "mac": f"02:00:00:00:0b:0{n}"} for n in (1, 2)]
    master = {"mac": MASTER_MAC, "members": ["p1", "p2"], **master}
    svc = [{**SVC[0], "parent": master["name"]}, SVC[1]]
    wan = link_conf("wan", 0, "10.2.0.1/24", mac=WEIR_WAN_MAC)
    lab.weir = lab.daemon(base_conf(links=[*ports, wan, master, *svc], sysctl={"ipv4": NO_LIMITS}), netns=home).start()
    lab.wan = lab.peer("wan", home, WAN_MAC, ["10.2.0.2/24"], "10.2.0.1")
    return home


@contextlib.contextmanager
def lab_for_a_while():
    lab = Lab()
    try:
        yield lab
        assert lab.weir.quiet()["difference"] == 0
    finally:
        lab.close()


def reaches(host, to, *words):
    """One echo at a time: of several, ping waits for the last no longer than for those before."""
    return all(host.ping(to, *words, count=1, wait=10)[1] == 1 for _ in range(3))


def vlan_behind(outer):
    return Vlan("svc.20", "10.20.0", [*outer, *TAGS], MASTER_MAC)


# Bridges: settings of br0, of its members, and what p2 has outside the two tags.
BRIDGES = {"plain": ({}, ["p1", "p2"], []),
           "filtering": ({"vlan_filtering": True}, ["p1", "p2"], []),
           "tagged": ({}, ["p1", {"name": "p2", "vlans": "1,5"}], [(CTAG, 1)])}


@pytest.fixture(scope="module", name="bridged", params=BRIDGES)
def bridged_fixture(request):
    settings, members, outer = BRIDGES[request.param]
    with lab_for_a_while() as lab, contextlib.ExitStack() as stack:
        home = start(lab, name="br0", type="bridge", **settings, members=tuple(members))
        lab.kind, lab.vlans, lab.cables, lab.hosts = request.param, {}, {}, {}
        for name, own, number in (("p1", [], 20), ("p2", outer, 30)):
            vlan = lab.vlans[name] = vlan_behind(own)
            lab.cables[name] = lab.peer(name, home, f"02:00:00:00:03:{number}")
            trunk = stack.enter_context(Trunk(lab, lab.cables[name]))
            lab.hosts[name] = trunk.host(f"h{name[1]}", vlan.tags, f"10.20.0.{number}", vlan.gateway)
        yield lab


@pytest.mark.parametrize("name", ["p1", "p2"])
def test_hosts_on_a_bridge_reach_wan_and_each_other(bridged, name):
    host, other = bridged.hosts[name], {"p1": "10.20.0.30", "p2": "10.20.0.20"}[name]
    for to in ("10.20.0.1", "10.2.0.2", other):
        assert reaches(host, to), to
    own = {"p1": "10.20.0.20", "p2": "10.20.0.30"}[name]
    assert reaches(bridged.wan, own)
    # What has a third tag is longer than a tap sends.
    size = 1472 if len(bridged.vlans["p2"].tags) == 2 else 1468
    assert reaches(host, other, "-s", size, "-M", "do")
    size = 1472 if len(bridged.vlans[name].tags) == 2 else 1468
    assert reaches(host, "10.2.0.2", "-s", size, "-M", "do")
    assert reaches(bridged.wan, own, "-s", size, "-M", "do")


def is_for_us(frame):
    """Nothing that a bridge floods, such as what others answer late."""
    return (frame.src, frame.dst) == (MASTER_MAC, HOST_MAC)


def is_echo_reply(frame):
    return is_for_us(frame) and is_icmp(0)(frame)


@contextlib.contextmanager
def host_behind(lab, name):
    """Its cable, once the bridge knows that the host which the test is has moved there."""
    vlan = lab.vlans[name]
    announcement = ARP(op=1, hwsrc=HOST_MAC, psrc=vlan.host, pdst=vlan.host)
    with lab.cables[name].wire() as wire:

        def is_known():
            wire.send(tagged(vlan.tags, src=HOST_MAC, dst=BROADCAST) / announcement)
            return where(lab.weir, HOST_MAC) == name

        wait_until(is_known, what=f"the host is behind {name}")
        yield wire


def asks(vlan):
    return ((ARP(op=1, hwsrc=HOST_MAC, psrc=vlan.host, pdst=vlan.gateway),
             lambda f: is_for_us(f) and ARP in f and f[ARP].op == 2),
            (echo(vlan, vlan.gateway, 7), is_echo_reply))


@pytest.mark.parametrize("priority, dei", [(0, 0), (5, 1)])
@pytest.mark.parametrize("name", ["p1", "p2"])
def test_answers_on_a_bridge_have_all_tags_and_their_priority(bridged, name, priority, dei):
    vlan = bridged.vlans[name]
    with host_behind(bridged, name) as wire:
        for payload, is_answer in asks(vlan):
            answer = vlan.converse(wire, vlan.frame(payload, priority, dei), is_answer)
            assert tags_of(answer) == [(*tag, priority, dei) for tag in vlan.tags]


def is_dropped(lab, wire, vlan, tags, reason):
    """Frames with these tags, for that reason; what comes behind is answered as ever."""
    lab.weir.quiet()
    before, before_all = lab.weir.drops(reason), lab.weir.drops()
    wire.send(*[bytes(tagged(tags, src=HOST_MAC, dst=MASTER_MAC) / ip_of(vlan))] * 5)
    vlan.converse(wire, vlan.frame(echo(vlan, vlan.gateway, 11)), is_echo_reply)
    assert lab.weir.quiet()["difference"] == 0
    assert (lab.weir.drops(reason) - before, lab.weir.drops() - before_all) == (5, 5), lab.weir.drop_reasons()


# Tags of frames to br0's address, and why they are dropped where VLANs are not filtered, and where they are.
WRONG = {
    "inner_unknown": ([(STAG, 10), (CTAG, 99)], "vlan_unknown", "vlan_unknown"),
    "outer_unknown": ([(STAG, 11), (CTAG, 20)], "vlan_unknown", "vlan_unknown"),
    "customer_tag_outside": ([(CTAG, 10), (CTAG, 20)], "vlan_unknown", "bridge_vlan_denied"),
    "service_tag_inside": ([(STAG, 10), (STAG, 20)], "vlan_unknown", "vlan_unknown"),
    "three": ([(STAG, 10), (CTAG, 20), (CTAG, 20)], "vlan_unknown", "vlan_unknown"),
    "behind_a_priority": ([(STAG, 0), (CTAG, 20)], "vlan_unknown", "bridge_double_tag"),
    "the_other_way_round": ([(CTAG, 20), (STAG, 10)], "vlan_unknown", "bridge_vlan_denied"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrongly_tagged_frame_to_a_bridge_is_dropped_by_name(bridged, name):
    tags, *reasons = WRONG[name]
    with host_behind(bridged, "p1") as wire:
        is_dropped(bridged, wire, bridged.vlans["p1"], tags, reasons[bridged.kind != "plain"])


def test_a_member_of_a_bridge_leaves_and_joins_below_a_service_vlan(bridged):
    weir, host = bridged.weir, bridged.hosts["p2"]
    settings = ("vlans", "1,5") if bridged.kind == "tagged" else ()
    with pings_go_on(bridged, bridged.hosts["p1"]):
        weir.ctl("link", "set", "dev", "p2", "nomaster")
        assert host.ping("10.2.0.2", count=1, wait=1)[1] == 0
        weir.ctl("link", "set", "dev", "p2", "master", "br0", *settings)
        wait_until(lambda: host.ping("10.2.0.2", count=1, wait=1)[1] == 1, what="the host is back")


def test_a_bridge_with_a_service_vlan_on_it_is_not_deleted(bridged):
    for name, upper in (("br0", "svc"), ("svc", "svc.20")):
        status, text = bridged.weir.refused("link", "del", name)
        assert (status, text.endswith(f"links stand on it: {upper}")) == (1, True), text


# Bonds

MODES = {"balance-rr": {}, "active-backup": {"primary": "p1"}, "balance-xor": {"xmit_hash_policy": "layer3+4"}}


def switch(lab, home):
    """A kernel's bridge of the bond's lines, which it does not forward between."""
    there = lab.namespace("sw")
    for dev in ("p10", "p20"):
        home.ip("link", "set", dev, "netns", there.name)
    there.ip_all(["link add br0 type bridge mcast_snooping 0",
                  *(f"link set {dev} master br0 mtu 1508 up" for dev in ("p10", "p20")),
                  "link set br0 mtu 1508 promisc on up"])
    for dev in ("p10", "p20"):
        there.exec("bridge", "link", "set", "dev", dev, "isolated", "on")
    there.dev = "br0"
    return there


@pytest.fixture(scope="module", name="bonded", params=MODES)
def bonded_fixture(request):
    with lab_for_a_while() as lab:
        home = start(lab, name="bond0", type="bond", mode=request.param, **MODES[request.param])
        lab.mode, lab.vlan, lab.lan = request.param, vlan_behind([]), switch(lab, home)
        with Trunk(lab, lab.lan) as trunk:
            lab.host = trunk.host("h1", lab.vlan.tags, "10.20.0.20", lab.vlan.gateway)
            wait_until(lambda: lab.host.ping(lab.vlan.gateway, count=1, wait=1)[1] == 1, 30, "the bond is reached")
            yield lab


def test_a_host_behind_a_bond_reaches_wan(bonded):
    for to in ("10.20.0.1", "10.2.0.2"):
        assert reaches(bonded.host, to), to
        assert reaches(bonded.host, to, "-s", 1472, "-M", "do"), to
    assert reaches(bonded.wan, "10.20.0.20", "-s", 1472, "-M", "do")
    assert reaches(bonded.wan, "10.20.0.20", "-s", 4000), "in fragments"


@pytest.mark.parametrize("priority, dei", [(0, 0), (5, 1)])
def test_answers_on_a_bond_have_both_tags_and_their_priority(bonded, priority, dei):
    vlan = bonded.vlan
    with bonded.lan.wire() as wire, bonded.wan.wire() as wan:
        for payload, is_answer in asks(vlan):
            answer = vlan.converse(wire, vlan.frame(payload, priority, dei), is_answer)
            assert tags_of(answer) == [(*tag, priority, dei) for tag in vlan.tags]
        # The priority of what is routed here stays with it.
        frame = tagged([(CTAG, 0)], priority, dei, src=WAN_MAC, dst=WEIR_WAN_MAC) / ip_of(vlan)
        frame["IP"].src, frame["IP"].dst = "10.2.0.2", vlan.host
        wan.send(frame)

        def match(got):
            vlan.answer_arp(wire, got)
            return b"not for anybody" in bytes(got) and got.src == MASTER_MAC

        assert tags_of(wire.expect(match)) == [(*tag, priority, dei) for tag in vlan.tags]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrongly_tagged_frame_to_a_bond_is_dropped_by_name(bonded, name):
    tags, reason, _ = WRONG[name]
    with bonded.lan.wire() as wire:
        # Until it is known where the bond is, frames to it go by both lines.
        bonded.vlan.converse(wire, bonded.vlan.frame(echo(bonded.vlan, bonded.vlan.gateway, 1)), is_echo_reply)
        bonded.lan.exec("bridge", "fdb", "replace", MASTER_MAC, "dev", "p10", "master", "static")
        is_dropped(bonded, wire, bonded.vlan, tags, reason)


def test_a_member_of_a_bond_leaves_and_joins_below_a_service_vlan(bonded):
    weir, host = bonded.weir, bonded.host
    # Where the switch sends is for weir to say.
    bonded.lan.exec("bridge", "fdb", "del", MASTER_MAC, "dev", "p10", "master", check=False)
    for _ in range(2):
        weir.ctl("link", "set", "dev", "p1", "nomaster")
        wait_until(lambda: bonded.wan.ping("10.20.0.20", count=1, wait=1)[1] == 1, what="the host is reached by p2")
        assert reaches(host, "10.2.0.2")
        weir.ctl("link", "set", "dev", "p1", "master", "bond0")
        wait_until(lambda: bonded.wan.ping("10.20.0.20", count=1, wait=1)[1] == 1, what="the host is reached")
        assert reaches(host, "10.2.0.2")


def test_a_bond_with_a_service_vlan_on_it_is_not_deleted(bonded):
    for name, upper in (("bond0", "svc"), ("svc", "svc.20")):
        status, text = bonded.weir.refused("link", "del", name)
        assert (status, text.endswith(f"links stand on it: {upper}")) == (1, True), text
