# SPDX-License-Identifier: BSD-3-Clause
"""Every change that can be made while weir runs, and what traffic sees of it. Topology: Lab.router()."""
import re

import pytest

from harness import wait_until

HOST = "10.2.0.2"  # behind weir, seen from lan


@pytest.fixture(scope="module")
def net(module_lab):
    return module_lab.router()


def answers(net, destination, *words, count=2):
    """How many of count echo requests from lan come back."""
    return net.lan.ping(destination, *words, count=count, wait=0.5)[1]


def ttl_of_answer(net, destination):
    return int(re.search(r"ttl=(\d+)", net.lan.ping(destination, count=1)[2])[1])


def test_addresses(net):
    assert answers(net, "10.1.0.77") == 0
    net.weir.ctl("addr", "add", "10.1.0.77/24", "dev", "lan")
    assert answers(net, "10.1.0.77") == 2
    net.weir.ctl("addr", "del", "10.1.0.77/24", "dev", "lan")
    net.lan.ip("neigh", "flush", "all")
    assert answers(net, "10.1.0.77") == 0
    assert answers(net, HOST) == 2
    # A second network on the same link is routed at once.
    net.wan.ip("addr", "add", "10.77.0.2/24", "dev", net.wan.dev)
    net.weir.ctl("addr", "add", "10.77.0.1/24", "dev", "wan")
    assert answers(net, "10.77.0.2") == 2
    net.weir.ctl("addr", "del", "10.77.0.1/24", "dev", "wan")
    net.wan.ip("addr", "del", "10.77.0.2/24", "dev", net.wan.dev)
    assert answers(net, "10.77.0.2") == 0


def test_neighbours(net):
    assert answers(net, HOST) == 2
    # A wrong address leads astray, the right one back.
    net.weir.ctl("neigh", "replace", HOST, "lladdr", "02:00:00:00:00:99", "dev", "wan")
    assert answers(net, HOST) == 0
    net.weir.ctl("neigh", "del", HOST, "dev", "wan")
    assert answers(net, HOST) == 2
    net.weir.ctl("neigh", "flush", "dev", "wan")
    assert answers(net, HOST) == 2


def test_mtu(net):
    size = ("-s", "1400", "-M", "do")
    assert answers(net, HOST, *size) == 2
    net.weir.ctl("link", "set", "dev", "wan", "mtu", "1000")
    sent, received, output = net.lan.ping(HOST, *size, count=2, wait=0.5)
    assert received == 0 and "mtu" in output, output
    net.weir.ctl("link", "set", "dev", "wan", "mtu", "1500")
    net.lan.ip("route", "flush", "cache")
    wait_until(lambda: answers(net, HOST, *size) == 2, what="packets of the old size")


def test_link_state(net):
    net.weir.ctl("link", "set", "dev", "wan", "down")
    assert answers(net, HOST) == 0
    assert "DOWN" == net.weir.link("wan")["operstate"]
    net.weir.ctl("link", "set", "dev", "wan", "up")
    wait_until(lambda: answers(net, HOST) == 2, what="traffic over the link that is up again")


def test_sysctl(net):
    assert ttl_of_answer(net, "10.1.0.1") == 64
    net.weir.ctl("sysctl", "set", "ipv4.default_ttl", "99")
    assert ttl_of_answer(net, "10.1.0.1") == 99
    net.weir.ctl("sysctl", "set", "ipv4.default_ttl", "64")
    net.weir.ctl("sysctl", "set", "ipv4.icmp_echo_ignore_all", "true")
    assert answers(net, "10.1.0.1") == 0
    assert answers(net, HOST) == 2
    net.weir.ctl("sysctl", "set", "ipv4.icmp_echo_ignore_all", "false")
    assert answers(net, "10.1.0.1") == 2


def test_nothing_is_left_of_the_changes(net):
    stats = net.weir.quiet()
    assert stats["difference"] == 0
    assert answers(net, HOST, count=20) == 20
