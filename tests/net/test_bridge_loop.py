# SPDX-License-Identifier: BSD-3-Clause
"""
A loop, which no spanning tree opens: two bridges joined by four cables (by two, a frame would go round, but not
become more), and a third bridge with hosts that have nothing to do with it. All in one daemon with one worker.

    [h1] -- bra ==== x1 .. x4 -- cables -- y1 .. y4 ==== brb -- [h2]         [h3] -- brc -- [h4]

A cable is a kernel bridge that does not learn.
"""
import pytest

from harness import base_conf, wait_until
from switch_lab import BROADCAST, frame, station, where

CABLES = (1, 2, 3, 4)
PORTS = ["h1", "h2", "h3", "h4", *[f"{side}{n}" for side in "xy" for n in CABLES]]
BRIDGES = {"bra": ["h1", *[f"x{n}" for n in CABLES]], "brb": ["h2", *[f"y{n}" for n in CABLES]], "brc": ["h3", "h4"]}


def lay_cables(lab, home):
    room = lab.namespace("cables")
    for n in CABLES:
        room.ip("link", "add", f"k{n}", "type", "bridge", "mcast_snooping", 0)
        for dev in (f"x{n}0", f"y{n}0"):
            home.ip("link", "set", dev, "netns", room.name)
            room.ip("link", "set", dev, "master", f"k{n}", "up")
            room.ip("link", "set", dev, "type", "bridge_slave", "learning", "off")
        room.ip("link", "set", f"k{n}", "up")
    wait_until(lambda: room.exec("bridge", "link", "show").stdout.count("forwarding") == 2 * len(CABLES),
               what="all cables carry")
    return room


@pytest.fixture(name="net")
def net_fixture(lab):
    links = [{"name": name, "type": "port", "device": f"net_tap{i},iface={name}0"} for i, name in enumerate(PORTS)]
    links += [{"name": name, "type": "bridge", "members": members} for name, members in BRIDGES.items()]
    home = lab.namespace("gw")
    # A TAP keeps a thousand buffers in readiness.
    memory = {"hugepages": "off", "mbufs": 32768}
    lab.weir = lab.daemon(base_conf(links=links, memory=memory), netns=home).start()
    lab.room = lay_cables(lab, home)
    addresses = {"h3": ["10.3.0.3/24"], "h4": ["10.3.0.4/24"]}
    lab.hosts = {name: lab.peer(name, home, f"02:00:00:00:05:0{name[1]}", addresses.get(name, ()))
                 for name in ("h1", "h2", "h3", "h4")}
    return lab


def open_loop(weir):
    for n in CABLES[1:]:
        weir.ctl("link", "set", f"x{n}", "down")


def close_loop(weir):
    for n in CABLES[1:]:
        weir.ctl("link", "set", f"x{n}", "up")


def lost(net):
    """Frames of the storm that found no room: in a pass of weir, which names them, or in the queue of a cable's end."""
    ends = net.room.exec("sh", "-c", "cat /sys/class/net/[xy]*/statistics/tx_dropped").stdout.split()
    return net.weir.drops("bridge_flood_full") + sum(map(int, ends))


def passes_once(net, number):
    """A broadcast from h1 comes to h2, and a marker behind it: nothing else in between."""
    text = b"once %d" % number
    with net.hosts["h1"].wire() as h1, net.hosts["h2"].wire() as h2:
        h1.send(frame(station(1), text=text), frame(station(1), text=text + b" behind"))
        seen = h2.until(lambda f: text + b" behind" in bytes(f))
    assert len(seen) == 2
    wait_until(lambda: where(net.weir, station(1), master="brb") == "y1", what="it is learned on the other side")


def test_a_broadcast_in_a_loop_finds_its_limit_and_disturbs_nobody_else(net):
    weir = net.weir
    open_loop(weir)
    passes_once(net, 1)
    # They know each other: a broadcast of theirs might find no room among those of the storm.
    assert net.hosts["h3"].ping("10.3.0.4", count=1, wait=10)[1] == 1
    close_loop(weir)
    assert weir.quiet()["difference"] == 0

    with net.hosts["h1"].wire() as h1:
        h1.send(frame(station(2), BROADCAST))
    wait_until(lambda: lost(net) > 1000, 30, "the storm finds its limit")
    _, received, output = net.hosts["h3"].ping("10.3.0.4", count=50, interval=0.02, wait=10)
    assert received >= 45, output
    before = lost(net)
    wait_until(lambda: lost(net) > before, what="it has been going on all the time")

    open_loop(weir)
    # On a busy machine the worker may be interrupted in the middle of a pass, which looks quiet, too.
    wait_until(lambda: weir.quiet()["difference"] == 0, 30, "all is quiet, and every frame accounted for")
    passes_once(net, 2)
    assert net.hosts["h3"].ping("10.3.0.4", count=1, wait=10)[1] == 1
