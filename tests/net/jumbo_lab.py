# SPDX-License-Identifier: BSD-3-Clause
"""Links of 9,000 bytes. net_tap sends no frame above 1,522 bytes, but net_pcap on a veth does."""
from harness import LAN_MAC, WAN_MAC, base_conf

MTU = 9000
SIDES = {"lan": LAN_MAC, "wan": WAN_MAC}


def start(lab, prefixes, **sections):
    """The usual topology; prefixes: weir's address on lan and on wan. The peers are without."""
    home = lab.namespace("gw")
    links = []
    for i, (role, prefix) in enumerate(zip(SIDES, prefixes)):
        home.ip("link", "add", role, "mtu", MTU, "type", "veth", "peer", "name", f"{role}0", "mtu", MTU)
        home.ip("link", "set", role, "up")
        links.append({"name": role, "device": f"net_pcap{i},rx_iface_in={role},tx_iface={role}", "mtu": MTU,
                      "mac": f"02:00:00:00:00:0{i + 1}", "addresses": [prefix], "promiscuous": False})
    lab.weir = lab.daemon(base_conf(links=links, **sections), netns=home).start()
    lab.lan, lab.wan = (lab.peer(role, home, mac) for role, mac in SIDES.items())
    return lab
