# SPDX-License-Identifier: BSD-3-Clause
"""
A NAT gateway with a host behind either peer: weir, or a Linux kernel with nftables and the same rules.

    inner             lan                        weir, or Linux              wan                outer
    10.3.0.2 ---- 10.3.0.1  10.1.0.2 [lan0] -- 10.1.0.1  10.2.0.1 -- [wan0] 10.2.0.2  10.4.0.1 ---- 10.4.0.2
        MTU 1300                 MTU 1500                    MTU 1400    10.2.0.3          MTU 1300

For IPv6 the same with 2001:db8:N::H in place of 10.N.0.H. What leaves for wan is masqueraded, both families;
port 8080 of the gateway's outside is forwarded to port 5201 of lan, port 8081 to that of inner.
"""
from harness import wait_until
from iperf import SERVER_PORT
from nft_rules import Nft

FAMILIES = (4, 6)
WAN_MTU, FAR_MTU = 1400, 1300
PORTS = {"lan": 8080, "inner": 8081}


def address(family, net, host):
    return f"10.{net}.0.{host}" if family == 4 else f"2001:db8:{net}::{host}"


def prefix(family, net, host):
    return f"{address(family, net, host)}/{24 if family == 4 else 64}"


INNER, LAN, OUTSIDE, WAN, WAN_TOO, OUTER = (
    {family: address(family, net, host) for family in FAMILIES}
    for net, host in ((3, 2), (1, 2), (2, 1), (2, 2), (2, 3), (4, 2)))
ROUTES = [(prefix(family, net, 0), address(family, via, 2)) for family in FAMILIES for net, via in ((3, 1), (4, 2))]


def forward(family, host, port):
    at = f"[{host[family]}]" if family == 6 else host[family]
    return {"in": "wan", "dst": OUTSIDE[family], "proto": ["tcp", "udp"], "dport": port, "action": "dnat",
            "to": f"{at}:{SERVER_PORT}"}


FIREWALL = {
    "prerouting": {"rules": [forward(family, host, port) for family in FAMILIES
                             for host, port in ((LAN, PORTS["lan"]), (INNER, PORTS["inner"]))]},
    "input": {"policy": "drop", "rules": [
        {"proto": "icmp", "action": "accept"}, {"proto": "icmpv6", "action": "accept"},
        {"in": "lan", "action": "accept"}]},
    "forward": {"policy": "drop", "rules": [
        {"in": "lan", "out": "wan", "action": "accept"},
        {"in": "wan", "out": "lan", "proto": ["tcp", "udp"], "dport": SERVER_PORT, "action": "accept"}]},
    "postrouting": {"rules": [{"out": "wan", "action": "masquerade"}]},
}
PEER_SYSCTLS = [
    "net.ipv4.ip_forward=1", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0",
    "net.ipv6.conf.default.dad_transmits=0", "net.ipv6.conf.all.forwarding=1", "net.ipv4.icmp_ratelimit=0",
    "net.ipv6.icmp.ratelimit=0", "net.ipv4.icmp_msgs_per_sec=1000000", "net.ipv4.icmp_msgs_burst=100000"]
NO_LIMITS = {"icmp_ratelimit": 0, "icmp_msgs_per_sec": 1000000, "icmp_msgs_burst": 100000}


def weir_gateway(lab, **sections):
    settings = ({"addresses": [prefix(family, net, 1) for family in FAMILIES]} for net in (1, 2))
    lan, wan = settings
    lab.router(lan=lan, wan={**wan, "mtu": WAN_MTU}, firewall=FIREWALL,
               routes=[{"to": to, "via": via} for to, via in ROUTES],
               sysctl={"addrconf": {"addr_gen_mode": "none", "dad_transmits": 0}, "ipv4": NO_LIMITS,
                       "ipv6": {"icmp": {"ratelimit": 0}}}, **sections)
    lab.wan.ip("link", "set", lab.wan.dev, "mtu", WAN_MTU)
    return with_peers(lab)


def linux_gateway(lab):
    lab.linux_router(wan_mtu=WAN_MTU)
    lab.gateway.sysctl(*PEER_SYSCTLS)
    for role, net in (("lan", 1), ("wan", 2)):
        lab.gateway.sysctl(f"net.ipv6.conf.{role}.disable_ipv6=0")
        lab.gateway.ip("address", "add", prefix(6, net, 1), "dev", role, "nodad")
    for to, via in ROUTES:
        lab.gateway.ip("route", "add", to, "via", via)
    rules = lab.dir / "rules.nft"
    rules.write_text(Nft(FIREWALL).text(), encoding="utf-8")
    lab.gateway.exec("nft", "-f", rules)
    return with_peers(lab)


def with_peers(lab):
    """The peers as routers with a host behind each, which can be reached from the gateway."""
    for peer, net in ((lab.lan, 1), (lab.wan, 2)):
        peer.sysctl(*PEER_SYSCTLS, f"net.ipv6.conf.{peer.dev}.dad_transmits=0",
                    f"net.ipv6.conf.{peer.dev}.disable_ipv6=0")
        peer.ip("address", "add", prefix(6, net, 2), "dev", peer.dev, "nodad")
        peer.ip("route", "add", "default", "via", address(6, net, 1))
    for family in FAMILIES:
        # Nothing is sent from it unasked.
        lab.wan.ip("address", "add", f"{WAN_TOO[family]}/{24 if family == 4 else 64}", "dev", lab.wan.dev,
                   *(["nodad"] if family == 6 else []), "preferred_lft", 0)
    lab.inner = behind(lab, lab.lan, "inner", 3)
    lab.outer = behind(lab, lab.wan, "outer", 4)
    for family in FAMILIES:
        # All know their neighbours then.
        for host, to in ((lab.lan, address(family, 1, 1)), (lab.inner, OUTER[family])):
            wait_until(lambda h=host, t=to: h.ping(t, count=1)[1] == 1, what=f"{host.dev} reaches {to}")
    return lab


def behind(lab, router, role, net):
    host = lab.namespace(role)
    host.dev = f"{role}0"
    host.sysctl(*PEER_SYSCTLS, "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")
    host.ip("link", "add", host.dev, "mtu", FAR_MTU, "type", "veth", "peer", "name", role, "mtu", FAR_MTU, "netns",
            router.name)
    host.ip("link", "set", host.dev, "up")
    router.ip("link", "set", role, "up")
    for family in FAMILIES:
        nodad = ["nodad"] if family == 6 else []
        router.ip("address", "add", prefix(family, net, 1), "dev", role, *nodad)
        host.ip("address", "add", prefix(family, net, 2), "dev", host.dev, *nodad)
        # TCP is promised more than the path takes: it has to find out.
        host.ip("route", "add", "default", "via", address(family, net, 1), "advmss", 1440)
    return host
