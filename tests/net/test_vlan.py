# SPDX-License-Identifier: BSD-3-Clause
"""
Links of kind vlan, on the cable. Hosts in VLANs of lan are the test itself (.10), or real kernels that a
trunk carries there (.20, see trunk.py); a kernel without VLANs is on either side:

    lan                             weir                                   wan
    10.1.0.2 [lan0]     ------ 10.1.0.1/24 lan        10.2.0.1/24 -- [wan0] 10.2.0.2/24
    10.100.0.0/24       -100-- 10.100.0.1 lan.100
    10.200.0.0/24       -200-- 10.200.0.1 lan.200, with a MAC address of its own
    10.20.0.0/24     -s10-20-- 10.20.0.1 svc.20 on svc: 802.1ad 10 outside, 802.1Q 20 inside
"""
import contextlib
import socket

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from gateway_lab import NO_LIMITS
from harness import WAN_MAC, WEIR_LAN_MAC, WEIR_WAN_MAC, Lab, link_conf, pings_go_on, program, run, wait_until
from test_monitor import Monitor
from trunk import CTAG, STAG, Trunk

HOST_MAC, OWN_MAC = "02:00:00:00:01:64", "02:00:00:00:00:c8"
BROADCAST = "ff:ff:ff:ff:ff:ff"
LAYERS = {CTAG: Dot1Q, STAG: Dot1AD}


def tagged(tags, priority=0, dei=0, **addresses):
    """A frame's header with these tags, (TPID, VLAN id), outermost first."""
    frame = Ether(**addresses)
    for tpid, vid in tags:
        frame /= LAYERS[tpid](vlan=vid, prio=priority, id=dei)
    return frame


def tags_of(frame):
    """[(TPID, VLAN id, priority, DEI)], outermost first."""
    tags, tpid = [], frame.type
    while tpid in LAYERS:
        frame = frame.payload
        tags.append((tpid, frame.vlan, frame.prio, frame.id))
        tpid = frame.type
    return tags


class Vlan:
    """A VLAN of weir and the hosts in it."""

    def __init__(self, name, net, tags, mac=WEIR_LAN_MAC):
        self.name, self.tags, self.mac = name, tags, mac
        self.gateway, self.host, self.kernel = f"{net}.1", f"{net}.10", f"{net}.20"

    def frame(self, payload, priority=0, dei=0):
        """What the host sends to weir."""
        return tagged(self.tags, priority, dei, src=HOST_MAC, dst=self.mac) / payload

    def has(self, frame):
        return [tag[:2] for tag in tags_of(frame)] == self.tags

    def answer_arp(self, wire, frame):
        """The host says where it is."""
        if self.has(frame) and ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == self.host:
            # All are asked, or it alone, whether it is still there.
            assert frame.dst in (BROADCAST, HOST_MAC) and (frame.src, frame[ARP].hwsrc) == (self.mac, self.mac)
            wire.send(self.frame(ARP(op=2, hwsrc=HOST_MAC, psrc=self.host, hwdst=self.mac, pdst=self.gateway)))

    def converse(self, wire, frame, is_answer):
        """Sends a frame; the first that answers it, in whatever VLAN. Speaks for the host meanwhile."""
        wire.send(frame)

        def match(got):
            self.answer_arp(wire, got)
            return is_answer(got)

        return wire.expect(match)


VLANS = {vlan.name: vlan for vlan in (
    Vlan("lan.100", "10.100.0", [(CTAG, 100)]),
    Vlan("lan.200", "10.200.0", [(CTAG, 200)], OWN_MAC),
    Vlan("svc.20", "10.20.0", [(STAG, 10), (CTAG, 20)]))}
each_vlan = pytest.mark.parametrize("vlan", VLANS.values(), ids=list(VLANS))

LINKS = [
    link_conf("lan", 0, "10.1.0.1/24"), link_conf("wan", 1, "10.2.0.1/24"),
    {"name": "lan.100", "type": "vlan", "parent": "lan", "vid": 100, "addresses": ["10.100.0.1/24"]},
    {"name": "lan.200", "type": "vlan", "parent": "lan", "vid": 200, "mac": OWN_MAC, "addresses": ["10.200.0.1/24"]},
    {"name": "svc", "type": "vlan", "parent": "lan", "vid": 10, "protocol": "802.1ad"},
    {"name": "svc.20", "type": "vlan", "parent": "svc", "vid": 20, "addresses": ["10.20.0.1/24"]}]
SETTINGS = {"links": LINKS, "sysctl": {"ipv4": NO_LIMITS, "addrconf": {"addr_gen_mode": "none"}}}


def kernel_in(trunk, vlan):
    return trunk.host(f"v{vlan.tags[-1][1]}", vlan.tags, vlan.kernel, vlan.gateway)


@pytest.fixture(scope="module", name="net")
def net_fixture(module_lab):
    module_lab.router(**SETTINGS)
    with Trunk(module_lab, module_lab.lan) as trunk:
        module_lab.hosts = {name: kernel_in(trunk, vlan) for name, vlan in VLANS.items()}
        yield module_lab
        assert module_lab.weir.quiet()["difference"] == 0


# A host in a VLAN and what answers it


def echo(vlan, dst, seq, **fields):
    return IP(src=vlan.host, dst=dst, **fields) / ICMP(id=0x1ee, seq=seq) / Raw(b"0123456789")


def is_icmp(kind):
    return lambda frame: ICMP in frame and frame[ICMP].type == kind


@each_vlan
def test_a_host_in_a_vlan_pings_a_kernel_on_wan(net, vlan):
    with net.lan.wire() as wire:
        for seq in range(1, 4):
            answer = vlan.converse(wire, vlan.frame(echo(vlan, "10.2.0.2", seq), 5),
                                   lambda f, n=seq: is_icmp(0)(f) and f[ICMP].seq == n)
            assert (answer.src, answer.dst) == (vlan.mac, HOST_MAC)
            assert (answer[IP].src, answer[IP].dst) == ("10.2.0.2", vlan.host)
            # The answer had no tag on wan, and so no priority that could be written back.
            assert tags_of(answer) == [(*tag, 0, 0) for tag in vlan.tags]


# What weir says itself: (what the host sends, what the answer is like, is the priority written back). Errors
# are packets of their own, with none.
OWN_ANSWERS = {
    "echo_reply": (lambda v: echo(v, v.gateway, 7), is_icmp(0), True),
    "arp_reply": (lambda v: ARP(op=1, hwsrc=HOST_MAC, psrc=v.host, pdst=v.gateway),
                  lambda f: ARP in f and f[ARP].op == 2, True),
    "time_exceeded": (lambda v: echo(v, "10.2.0.2", 8, ttl=1), is_icmp(11), False),
    "network_unreachable": (lambda v: echo(v, "203.0.113.1", 9), is_icmp(3), False),
    "port_unreachable": (lambda v: IP(src=v.host, dst=v.gateway) / UDP(sport=9, dport=9), is_icmp(3), False),
}


@pytest.mark.parametrize("priority, dei", [(0, 0), (5, 0), (7, 1)])
@pytest.mark.parametrize("name", OWN_ANSWERS)
@each_vlan
def test_what_weir_answers_in_a_vlan_has_its_tags(net, vlan, name, priority, dei):
    ask, is_answer, keeps_priority = OWN_ANSWERS[name]
    with net.lan.wire() as wire:
        answer = vlan.converse(wire, vlan.frame(ask(vlan), priority, dei), is_answer)
    assert tags_of(answer) == [(*tag, *((priority, dei) if keeps_priority else (0, 0))) for tag in vlan.tags]
    assert (answer.src, answer.dst) == (vlan.mac, HOST_MAC)
    if ARP in answer:
        assert (answer[ARP].psrc, answer[ARP].hwsrc) == (vlan.gateway, vlan.mac)
    else:
        assert (answer[IP].src, answer[IP].dst) == (vlan.gateway, vlan.host)


@pytest.mark.parametrize("to", VLANS)
@each_vlan
def test_what_is_routed_between_vlans_keeps_its_priority(net, vlan, to):
    """Even back into its own VLAN."""
    there = VLANS[to]
    payload = f"{vlan.name} to {to}".encode()
    with net.lan.wire() as wire:
        frame = vlan.frame(IP(src=vlan.host, dst=there.host) / UDP(sport=1, dport=2) / Raw(payload), 6)
        # Not what goes out: that comes from the host.
        got = there.converse(wire, frame, lambda f: UDP in f and payload in bytes(f[UDP]) and f.src == there.mac)
    assert tags_of(got) == [(*tag, 6, 0) for tag in there.tags]
    assert (got.dst, got[IP].ttl) == (HOST_MAC, 63)


@each_vlan
def test_a_priority_tag_from_wan_is_written_into_the_vlan(net, vlan):
    with net.lan.wire() as lan, net.wan.wire() as wan:
        wan.send(tagged([(CTAG, 0)], 3, src=WAN_MAC, dst=WEIR_WAN_MAC) / IP(src="10.2.0.2", dst=vlan.host) / UDP() /
                 Raw(b"priority"))

        def match(frame):
            vlan.answer_arp(lan, frame)
            return UDP in frame and b"priority" in bytes(frame[UDP])

        got = lan.expect(match)
    assert tags_of(got) == [(*tag, 3, 0) for tag in vlan.tags]


# Kernels in VLANs


@each_vlan
def test_kernels_in_vlans_reach_wan_and_all_other_vlans(net, vlan):
    host = net.hosts[vlan.name]
    for to in ("10.2.0.2", "10.1.0.2", *(other.kernel for other in VLANS.values())):
        assert host.ping(to, count=2)[1] == 2, to
    assert net.wan.ping(vlan.kernel)[1] == 3


@each_vlan
def test_packets_of_full_size_pass_with_their_tags(net, vlan):
    for host, to in ((net.hosts[vlan.name], "10.2.0.2"), (net.wan, vlan.kernel)):
        assert host.ping(to, "-s", 1472, "-M", "do")[1] == 3
        assert host.ping(to, "-s", 4000)[1] == 3, "in fragments"


def test_the_mtu_of_a_vlan_is_told_to_who_sends_more(net):
    net.weir.ctl("link", "set", "lan.200", "mtu", 1400)
    try:
        _, received, output = net.wan.ping(VLANS["lan.200"].kernel, "-s", 1372 + 1, "-M", "do", count=1)
        assert received == 0 and "Frag needed and DF set (mtu = 1400)" in output, output
        assert net.wan.ping(VLANS["lan.200"].kernel, "-s", 1372, "-M", "do")[1] == 3
        assert net.wan.ping(VLANS["lan.100"].kernel, "-s", 1472, "-M", "do")[1] == 3
    finally:
        net.weir.ctl("link", "set", "lan.200", "mtu", 1500)
        net.wan.ip("route", "flush", "cache")


def test_tshark_likes_what_weir_sends_and_finds_the_right_ids(net):
    for vlan in VLANS.values():
        net.weir.weirctl("neigh", "del", vlan.kernel, "dev", vlan.name)  # it will ask for it
    capture = net.lan.capture(net.dir / "lan.pcap")
    for vlan in VLANS.values():
        host = net.hosts[vlan.name]
        for words in (("10.2.0.2",), ("10.2.0.2", "-s", 3000), (vlan.gateway,)):
            assert host.ping(*words)[1] == 3
        host.ping("10.2.0.2", "-t", 1, count=1)
    net.lan.ping("10.2.0.2")
    with net.lan.wire() as wire:
        vlan = VLANS["svc.20"]
        vlan.converse(wire, vlan.frame(echo(vlan, vlan.gateway, 99), 4), is_icmp(0))
    capture.check()
    assert tshark_tags(capture.path) == {("", "", ""), ("", "100", "0"), ("", "200", "0"), ("10", "20", "0"),
                                         ("10", "20", "4")}


def tshark_tags(path):
    """{(outer id of 802.1ad, id of 802.1Q, its priority)} of all frames."""
    fields = [word for field in ("ieee8021ad.id", "vlan.id", "vlan.priority") for word in ("-e", field)]
    rows = run("tshark", "-n", "-r", path, "-T", "fields", *fields).stdout.splitlines()
    return {tuple(row.split("\t")) for row in rows}


def test_ipv6_finds_its_neighbours_in_a_vlan(lab):
    addresses = {"svc.20": "2001:db8:20::1/64", "wan": "2001:db8:2::1/64"}
    links = [{**link, "addresses": [addresses[link["name"]]]} if link["name"] in addresses else link for link in LINKS]
    lab.router(links=links, sysctl={"addrconf": {"addr_gen_mode": "none", "dad_transmits": 0}})
    vlan = VLANS["svc.20"]
    with Trunk(lab, lab.lan) as trunk:
        host = kernel_in(trunk, vlan)
        for peer, net in ((host, "2001:db8:20:"), (lab.wan, "2001:db8:2:")):
            peer.enable_ip6(peer.dev, f"{net}:2")
            peer.ip("route", "add", "default", "via", f"{net}:1")
        capture = lab.lan.capture(lab.dir / "lan.pcap")
        assert host.ping("2001:db8:2::2")[1] == 3
        assert lab.wan.ping("2001:db8:20::2")[1] == 3
        capture.check()
    assert tshark_tags(capture.path) == {("10", "20", "0")}
    assert lab.weir.quiet()["difference"] == 0


# Links that come and go


@contextlib.contextmanager
def added(weir, name, parent, *words):
    """A VLAN with id 7 on the parent, for a while; the row that shows it."""
    weir.ctl("link", "add", "name", name, "type", "vlan", "parent", parent, "vid", 7, *words)
    try:
        weir.ctl("addr", "add", "10.7.0.1/24", "dev", name)
        yield weir.row("link", "show", ifname=name)
    finally:
        weir.ctl("link", "del", name)


def link_is_told(monitor, name):
    """Passes over the events of other links."""
    while (row := monitor.next())["ifname"] != name:
        pass
    return row


# Parent of the new link: (tags, MAC address) of what is below
PARENTS = {"lan": ([], WEIR_LAN_MAC), "svc": ([(STAG, 10)], WEIR_LAN_MAC), "lan.200": ([(CTAG, 200)], OWN_MAC)}


@pytest.mark.parametrize("parent", PARENTS)
def test_a_vlan_comes_and_goes_without_a_packet_of_others_lost(net, parent):
    tags, mac = PARENTS[parent]
    vlan = Vlan("new.7", "10.7.0", [*tags, (CTAG, 7)], mac)
    before, drops = net.weir.ctl("link", "show"), net.weir.drop_reasons()
    with pings_go_on(net), pings_go_on(net, net.hosts["lan.100"]), pings_go_on(net, net.hosts["svc.20"]), \
            Monitor(net.weir, link=True) as monitor, net.lan.wire() as wire:
        for seq in range(3):
            question = vlan.frame(echo(vlan, "10.2.0.2", seq))
            with added(net.weir, vlan.name, parent) as shown:
                assert link_is_told(monitor, vlan.name) == shown
                assert (shown["link"], shown["address"], shown["operstate"]) == (parent, mac, "UP")
                assert shown["linkinfo"] == {"info_kind": "vlan", "info_data": {"protocol": "802.1Q", "id": 7}}
                vlan.converse(wire, question, lambda f: vlan.has(f) and is_icmp(0)(f))
            told = link_is_told(monitor, vlan.name)
            assert (told["deleted"], told["ifindex"]) == (True, shown["ifindex"])
            assert net.weir.row("route", "show", dst="10.7.0.0/24") is None
            assert net.weir.row("neigh", "show", dst=vlan.host) is None
            wire.send(question)  # nobody's, now
    assert net.weir.ctl("link", "show") == before
    assert net.weir.quiet()["difference"] == 0
    drops["vlan_unknown"] = drops.get("vlan_unknown", 0) + 3
    assert net.weir.drop_reasons() == drops


def test_the_first_vlan_of_a_port_disturbs_nobody(net):
    """Frames of its port go through one more stage then, until the last VLAN goes."""
    vlan = Vlan("wan.7", "10.7.0", [(CTAG, 7)], WEIR_WAN_MAC)
    with pings_go_on(net), pings_go_on(net, net.hosts["lan.200"]), net.wan.wire() as wire:
        for seq in range(3):
            with added(net.weir, vlan.name, "wan"):
                vlan.converse(wire, vlan.frame(echo(vlan, "10.1.0.1", seq)), lambda f: vlan.has(f) and is_icmp(0)(f))
    assert net.weir.quiet()["difference"] == 0


def test_a_parent_that_is_down_takes_its_vlans_along_until_it_is_up(net):
    for parent, vlans in (("svc", ["svc.20"]), ("lan", list(VLANS))):
        net.weir.ctl("link", "set", parent, "down")
        for vlan in VLANS.values():
            is_below = vlan.name in vlans
            assert net.weir.link(vlan.name)["operstate"] == ("LOWERLAYERDOWN" if is_below else "UP")
            assert net.hosts[vlan.name].ping("10.2.0.2", count=1, wait=1)[1] == (0 if is_below else 1)
        net.weir.ctl("link", "set", parent, "up")
        for vlan in VLANS.values():
            assert net.weir.link(vlan.name)["operstate"] == "UP"
            assert net.hosts[vlan.name].ping("10.2.0.2")[1] == 3


@pytest.mark.parametrize("words, status, says", [
    ("del svc", 1, "svc.20"),
    ("del lan", 1, "port"),
    ("del nowhere", 1, "nowhere"),
    ("del", 2, ""),
    ("add name x type vlan parent nowhere vid 7", 1, "nowhere"),
    ("add name x type vlan parent x vid 7", 1, "x"),
    ("add name x type vlan parent lan vid 4095", 2, "4094"),
    ("add name x type vlan parent lan vid 0", 2, "4094"),
    ("add name x type vlan parent lan vid many", 2, "vid"),
    ("add name x type vlan parent lan vid 100", 1, "lan.100"),
    ("add name x type vlan parent lan vid 10 protocol 802.1ad", 1, "svc"),
    ("add name lan.100 type vlan parent lan vid 7", 1, "lan.100"),
    ("add name x type vlan parent lan", 2, "vid"),
    ("add name x type vlan vid 7", 2, "parent"),
    ("add name x type vlan parent lan vid 7 mtu 1501", 1, "1500"),
    ("add name x type vlan parent lan vid 7 mac 01:00:5e:00:00:01", 2, "multicast"),
    ("add name x type vlan parent lan vid 7 device net_null0", 2, "device"),
    ("add name x/y type vlan parent lan vid 7", 2, "name"),
    ("add name abcdefghijklmnop type vlan parent lan vid 7", 2, "name"),
    ("add name x type port device net_null0", 1, "port"),
    ("add name x type veth", 2, "veth"),
    ("add type vlan parent lan vid 7", 2, "name"),
    ("set lan.100 mtu 1501", 1, "1500"),
])
def test_a_wrong_command_about_a_vlan_changes_nothing(net, words, status, says):
    before = net.weir.ctl("link", "show")
    got, line = net.weir.refused("link", *words.split())
    assert (got, says in line) == (status, True), line
    assert net.weir.ctl("link", "show") == before


@pytest.mark.parametrize("address", ["10.1.0.1/24", "224.0.0.1/24", "0.0.0.0/0"])
def test_a_vlan_with_an_address_that_addr_add_refuses_is_refused(net, address):
    assert net.weir.refused("addr", "add", address, "dev", "lan.100")[0] == 1
    try:
        net.weir.refused("link", "add", "name", "x", "type", "vlan", "parent", "lan", "vid", 7, "addresses", address)
    finally:
        net.weir.weirctl("link", "del", "x")


def test_what_config_show_prints_of_vlans_passes_the_check(net):
    with added(net.weir, "deep", "svc.20", "mtu", 1400):
        text = net.weir.weirctl("config", "show").stdout
    for word in ('"lan.100"', '"svc.20"', '"802.1ad"', '"deep"', OWN_MAC, "10.7.0.1/24"):
        assert word in text, text
    path = net.dir / "shown.conf"
    path.write_text(text, encoding="utf-8")
    done = run(program("weir"), "-c", path, "--check", check=False)
    assert (done.returncode, done.stderr) == (0, ""), text


# What is wrong on the cable


def ip_of(vlan):
    return IP(src=vlan.host, dst="10.2.0.2") / UDP(sport=1, dport=2) / Raw(b"not for anybody")


# (tags, how many bytes of the frame are sent, why it is dropped)
WRONG_FRAMES = {
    "unknown": ([(CTAG, 99)], None, "vlan_unknown"),
    "of_service_but_unknown": ([(STAG, 100)], None, "vlan_unknown"),
    "inner_unknown": ([(STAG, 10), (CTAG, 99)], None, "vlan_unknown"),
    "inner_below_a_vlan_without_any": ([(CTAG, 100), (CTAG, 100)], None, "vlan_unknown"),
    "inner_alone": ([(CTAG, 20)], None, "vlan_unknown"),
    "reserved": ([(CTAG, 4095)], None, "vlan_unknown"),
    "reserved_inside": ([(STAG, 10), (CTAG, 4095)], None, "vlan_unknown"),
    "six_tags": ([(STAG, 10), (CTAG, 20), *[(CTAG, 0)] * 4], None, "vlan_too_many"),
    "six_priorities": ([(CTAG, 0)] * 6, None, "vlan_too_many"),
    "six_vlans": ([(CTAG, 100)] * 6, None, "vlan_unknown"),
    "type_only": ([(CTAG, 100)], 14, "vlan_truncated"),
    "half_a_tag": ([(CTAG, 100)], 16, "vlan_truncated"),
    "no_type_behind_the_tag": ([(CTAG, 100)], 17, "vlan_truncated"),
    "no_inner_tag": ([(STAG, 10), (CTAG, 20)], 18, "vlan_truncated"),
    "half_an_inner_tag": ([(STAG, 10), (CTAG, 20)], 21, "vlan_truncated"),
    "nothing_behind_the_tag": ([(CTAG, 100)], 18, "ip4_truncated"),
}


@pytest.mark.parametrize("name", WRONG_FRAMES)
def test_a_wrongly_tagged_frame_is_dropped_by_name(net, name):
    tags, length, reason = WRONG_FRAMES[name]
    vlan = VLANS["lan.100"]
    frame = bytes(tagged(tags, src=HOST_MAC, dst=vlan.mac) / ip_of(vlan))[:length]
    net.weir.quiet()
    before, before_all = net.weir.drops(reason), net.weir.drops()
    with net.lan.wire() as wire:
        wire.send(*[frame] * 5)
        # What comes behind is answered as ever.
        vlan.converse(wire, vlan.frame(echo(vlan, vlan.gateway, 11)), is_icmp(0))
    assert net.weir.quiet()["difference"] == 0
    assert (net.weir.drops(reason) - before, net.weir.drops() - before_all) == (5, 5), net.weir.drop_reasons()


# Firewall and NAT

FIREWALL = {
    "forward": {"policy": "drop", "rules": [{"name": "from 100", "in": "lan.100", "out": "wan", "action": "accept"},
                                            {"in": "svc.20.*", "out": "wan", "action": "accept"}]},
    "postrouting": {"rules": [{"in": "lan.100", "out": "wan", "action": "masquerade"}]},
}


def stream(net, namespace, to, port):
    """A connection of the kernel's, and who the server thinks it is with."""
    with net.wan.entered():
        listener = socket.create_server((to, port))
    with namespace.entered():
        client = socket.socket(socket.AF_INET)
    with listener, client:
        listener.settimeout(10)
        client.settimeout(10)
        client.connect((to, port))
        server, peer = listener.accept()
        with server:
            server.settimeout(10)
            for sender, receiver in ((client, server), (server, client)):
                sender.sendall(bytes(100_000))
                left = 100_000
                while left > 0:
                    left -= len(receiver.recv(left))
        return client.getsockname(), peer


@pytest.fixture(scope="module", name="nat", params=["1", "0-1"], ids=["one_worker", "two_workers"])
def nat_fixture(request):
    lab = Lab()
    try:
        lab.router(firewall=FIREWALL, workers={"lcores": request.param, "idle": "adaptive"}, **SETTINGS)
        with Trunk(lab, lab.lan) as trunk:
            lab.hosts = {name: kernel_in(trunk, vlan) for name, vlan in VLANS.items()}
            yield lab
            assert lab.weir.quiet()["difference"] == 0
    finally:
        lab.close()


def test_a_connection_out_of_a_vlan_is_masqueraded_and_comes_back_tagged(nat):
    vlan = VLANS["lan.100"]
    capture = nat.lan.capture(nat.dir / "nat.pcap")
    own, seen = stream(nat, nat.hosts["lan.100"], "10.2.0.2", 5201)
    assert own[0] == vlan.kernel and seen[0] == "10.2.0.1"
    assert nat.hosts["lan.100"].ping("10.2.0.2")[1] == 3
    capture.check()
    assert tshark_tags(capture.path) == {("", "100", "0")}
    (row,) = [row for row in nat.weir.ctl("conntrack", "list") if f"{own[1]}" in str(row)]
    assert vlan.kernel in str(row) and "10.2.0.1" in str(row)


@pytest.mark.parametrize("name", ["lan.200", "svc.20", "lan"])
def test_a_rule_about_a_vlan_is_about_no_other_link(nat, name):
    host = nat.hosts.get(name, nat.lan)
    before = nat.weir.drops()
    assert host.ping("10.2.0.2", count=1, wait=1)[1] == 0
    assert nat.weir.drops() > before


def test_a_rule_for_the_beginning_of_a_name_holds_for_vlans_that_come_later(nat):
    """Each time it comes, as soon as they are compiled for it."""
    vlan = Vlan("svc.20.7", "10.7.0", [*VLANS["svc.20"].tags, (CTAG, 7)], VLANS["svc.20"].mac)
    with nat.lan.wire() as wire:
        for seq in range(3):
            with added(nat.weir, vlan.name, "svc.20"):
                wait_until(lambda: nat.weir.ctl("explain", "iif", vlan.name, "src", vlan.host, "dst", "10.2.0.2",
                                                "proto", "udp").get("reason") != "firewall_link_unknown")
                vlan.converse(wire, vlan.frame(echo(vlan, "10.2.0.2", seq)), lambda f: vlan.has(f) and is_icmp(0)(f))
            # By another name it is no rule's.
            with added(nat.weir, "other", "svc.20"):
                before = nat.weir.drops()
                wire.send(vlan.frame(echo(vlan, "10.2.0.2", seq)))
                wait_until(lambda: nat.weir.drops() > before)


def test_a_vlan_that_a_rule_names_is_not_deleted(nat):
    before = nat.weir.ctl("link", "show")
    assert nat.weir.refused("link", "del", "lan.100") == (1, "weirctl: rules name it: forward 0 (from 100)")
    assert nat.weir.ctl("link", "show") == before
