# SPDX-License-Identifier: BSD-3-Clause
"""
Links of kind bond, on the cable.

Two daemons, each other's LACP partner over two memif lines, between two kernels:

    lan                 near                              far                wan
    10.1.0.2 [lan0] -- 10.1.0.1 | 10.3.0.1 == m0, m1 == 10.3.0.2 | 10.2.0.1 -- [wan0] 10.2.0.2

One daemon with two taps, which a kernel bridges in place of a switch (active-backup), or behind which scapy plays a
partner that breaks what rules LACP has.
"""
import contextlib
import select
import socket
import struct
import time

import pytest
from scapy.contrib.lacp import LACP, SlowProtocol
from scapy.layers.l2 import Ether

from harness import LAN_MAC, WAN_MAC, base_conf, link_conf, wait_until
from wire import Wire

BOND_MAC = "02:00:00:00:0b:00"
SLOW_GROUP = "01:80:c2:00:00:02"
PARTNER = "02:00:00:00:55:01"
NUMBER = struct.Struct("!I")
UP = 0x3f  # active, short timeout, aggregatable, in sync, collecting, distributing


def bond_conf(address, **settings):
    return {"name": "bond0", "type": "bond", "members": ["m0", "m1"], "addresses": [address], **settings}


def n_active(weir):
    return weir.ctl("bond", "show")[0]["n_active"]


def await_active(weir, number):
    wait_until(lambda: n_active(weir) == number, 30, f"{number} members are active")


# Two daemons


def memif(lab, number, role, side):
    return {"name": f"m{number}", "device": f"net_memif{number},role={role},id=0,socket={lab.dir}/m{number}.sock,"
            f"socket-abstract=no,mac=02:00:00:00:{side:02x}:0{number}"}


def gateway(lab, role, side, local, own, other, far_net):
    """A daemon with a tap to its kernel and two lines to the other one. Memif needs memory that can be shared."""
    home = lab.namespace(f"gw{side}")
    conf = base_conf(
        memory={"hugepages": "auto", "mbufs": 8192},
        links=[link_conf(local, side, f"10.{side}.0.1/24"), memif(lab, 0, role, side), memif(lab, 1, role, side),
               bond_conf(f"{own}/24", mode="802.3ad", lacp_rate="fast", xmit_hash_policy="layer3+4")],
        routes=[{"to": far_net, "via": other}])
    weir = lab.daemon(conf, netns=home).start()
    peer = lab.peer(local, home, LAN_MAC if side == 1 else WAN_MAC, [f"10.{side}.0.2/24"], f"10.{side}.0.1")
    return weir, peer


@pytest.fixture(name="pair")
def pair_fixture(lab, alone):  # pylint: disable=unused-argument
    lab.near, lab.lan = gateway(lab, "server", 1, "lan", "10.3.0.1", "10.3.0.2", "10.2.0.0/24")
    lab.far, lab.wan = gateway(lab, "client", 2, "wan", "10.3.0.2", "10.3.0.1", "10.1.0.0/24")
    for weir in (lab.near, lab.far):
        await_active(weir, 2)
    # Whatever has to be asked for by ARP is known.
    wait_until(lambda: lab.lan.ping("10.2.0.2", count=1)[1] == 1, 20, "a ping comes through")
    return lab


class Stream:
    """Numbered packets, one each millisecond, of 16 conversations in turn; when each was sent, and which came."""

    def __init__(self, lan, wan):
        self.receiver = wan.udp_socket("10.2.0.2", 9000)
        self.receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.receiver.setblocking(False)
        self.senders = [lan.udp_socket("10.1.0.2") for _ in range(64)]
        self.sent, self.came = [], set()

    def close(self):
        for sock in (self.receiver, *self.senders):
            sock.close()

    def read(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.came.add(NUMBER.unpack(self.receiver.recv(64))[0])

    def send(self, count):
        for _ in range(count):
            number = len(self.sent)
            self.senders[number % len(self.senders)].sendto(NUMBER.pack(number), ("10.2.0.2", 9000))
            self.sent.append(time.monotonic())
            # The pause is a wait for answers, so that none is lost to a full socket.
            select.select([self.receiver], [], [], 0.001)
            self.read()
            time.sleep(max(0, self.sent[-1] + 0.001 - time.monotonic()))

    def finish(self):
        """Reads until the last one is there; as long as it is not there is one more."""

        def is_there():
            self.read()
            if len(self.sent) - 1 in self.came:
                return True
            self.send(1)
            return False

        wait_until(is_there, what="the end of the stream")

    def missing(self):
        return sorted(set(range(len(self.sent))) - self.came)

    def longest_gap(self):
        """Seconds between the last packet before a hole in the numbers and the first behind it, as they were sent."""
        arrived = sorted(self.came)
        return max(self.sent[b] - self.sent[a] if b > a + 1 else 0.0 for a, b in zip(arrived, arrived[1:]))


@pytest.fixture(name="stream")
def stream_fixture(pair):
    stream = Stream(pair.lan, pair.wan)
    yield stream
    stream.close()


def tx_of(weir, link):
    return weir.link(link)["stats64"]["tx"]["packets"]


def uses_both(pair, stream):
    """Which line a sender uses is by its port: of 64, each with one packet, a quarter at least by either line."""
    before = [tx_of(pair.near, link) for link in ("m0", "m1")]
    stream.send(64)
    return all(tx_of(pair.near, link) - n >= 16 for link, n in zip(("m0", "m1"), before))


def test_a_line_between_two_daemons_fails_and_comes_back(pair, stream):
    assert pair.near.link("bond0")["linkinfo"]["info_data"]["mode"] == "802.3ad"
    wait_until(lambda: uses_both(pair, stream), 20, "packets on both lines")
    before = pair.near.drop_reasons()
    stream.send(300)
    with pair.near.rpc() as rpc:
        assert "result" in rpc.call("link.set", dev="m0", state="down")
        stream.send(300)
    stream.finish()
    # Load makes the sender slow, and so the numbers few; what is lost it does not make more.
    missing = stream.missing()
    assert stream.longest_gap() < 0.1
    after = pair.near.drop_reasons()
    dropped = {reason: after[reason] - before.get(reason, 0) for reason in after
               if after[reason] != before.get(reason, 0)}
    assert sum(dropped.values()) == len(missing), (dropped, missing)
    assert set(dropped) <= {"link_down"}
    assert n_active(pair.near) == 1
    # The other end is told by silence only: three seconds of it.
    await_active(pair.far, 1)
    assert pair.lan.ping("10.2.0.2", count=20, interval=0.01)[:2] == (20, 20)

    pair.near.ctl("link", "set", "m0", "up")
    for weir in (pair.near, pair.far):
        await_active(weir, 2)
    wait_until(lambda: uses_both(pair, stream), 20, "packets on both lines")
    for weir in (pair.near, pair.far):
        assert weir.quiet()["difference"] == 0


# A kernel in place of a switch


SWITCH_MAC = "02:00:00:00:03:02"


def taps(lab, **settings):
    """A daemon with a bond of two taps, both moved to a namespace of their own. It asks nobody where 10.3.0.2 is."""
    home = lab.namespace("gw")
    conf = base_conf(links=[{"name": f"m{n}", "device": f"net_tap{n},iface=m{n}0", "mac": f"02:00:00:00:0b:0{n}"}
                            for n in range(2)] + [bond_conf("10.3.0.1/24", **settings)],
                     neighbors=[{"to": "10.3.0.2", "lladdr": SWITCH_MAC, "dev": "bond0"}])
    weir = lab.daemon(conf, netns=home).start()
    there = lab.namespace("sw")
    for dev in ("m00", "m10"):
        home.ip("link", "set", dev, "netns", there.name)
        there.ip("link", "set", dev, "up")
    return weir, there


def fdb_dev(switch, mac):
    rows = [line.split() for line in switch.exec("bridge", "fdb", "show", "br", "br0").stdout.splitlines()]
    return [row[2] for row in rows if row[0] == mac and "permanent" not in row]


def test_a_switch_hears_where_the_bond_is_after_a_fail_over(lab):
    weir, switch = taps(lab, mode="active-backup", primary="m0")
    switch.ip("link", "add", "br0", "address", SWITCH_MAC, "type", "bridge")
    for dev in ("m00", "m10"):
        switch.ip("link", "set", dev, "master", "br0")
    switch.ip("link", "set", "br0", "up")
    switch.ip("address", "add", "10.3.0.2/24", "dev", "br0")
    switch.ip("neigh", "add", "10.3.0.1", "lladdr", BOND_MAC, "nud", "permanent", "dev", "br0")
    assert wait_until(lambda: switch.ping("10.3.0.1", count=1)[1], 20, "a ping comes through") == 1
    assert fdb_dev(switch, BOND_MAC) == ["m00"]
    # Both know each other for good: it is what weir says of the fail-over that moves the address.
    for state, dev in (("down", "m10"), ("up", "m00")):
        weir.ctl("link", "set", "m0", state)
        wait_until(lambda d=dev: fdb_dev(switch, BOND_MAC) == [d], 10, f"the bond is behind {dev}")
        assert switch.ping("10.3.0.1", count=5, interval=0.01)[:2] == (5, 5)
    assert weir.quiet()["difference"] == 0


# A partner that breaks the rules


class Partner:
    """The other end of one tap: hears what weir says, and says what it is told to."""

    def __init__(self, there, dev, port):
        with there.entered():
            self.wire = Wire(dev)
        self.says = {"actor_system": PARTNER, "actor_key": 7, "actor_port_number": port, "actor_state": UP}
        self.heard = None

    def listen(self):
        while (frame := self.wire.receive(0.001)) is not None:
            if LACP in frame:
                self.heard = frame[LACP]

    def pdu(self, **changes):
        self.listen()
        about = {}
        if self.heard is not None:
            about = {f"partner_{field}": getattr(self.heard, f"actor_{field}") for field in (
                "system", "system_priority", "key", "port_number", "port_priority", "state")}
        lacp = LACP(**{**about, **self.says, **changes})
        return Ether(src=PARTNER, dst=SLOW_GROUP) / SlowProtocol() / lacp

    def speak(self, **changes):
        self.wire.send(self.pdu(**changes))


def member(weir, number):
    return weir.ctl("bond", "show")[0]["members"][number]


def speak_until(partners, condition, what, timeout=30):
    def is_so():
        for partner in partners:
            partner.speak()
        time.sleep(0.1)
        return condition()

    wait_until(is_so, timeout, what)


def test_a_partner_that_breaks_the_rules_harms_its_own_line_only(lab):
    weir, there = taps(lab, mode="802.3ad", lacp_rate="fast")
    partners = [Partner(there, dev, 1 + n) for n, dev in enumerate(("m00", "m10"))]
    partners[0].says["actor_state"] = UP & ~8
    speak_until(partners, lambda: n_active(weir) == 1, "the line whose end is in sync is used")
    assert member(weir, 0)["lacp"]["partner"]["system"] == PARTNER
    assert not member(weir, 0)["active"]
    partners[0].says["actor_state"] = UP
    speak_until(partners, lambda: n_active(weir) == 2, "both lines are used")

    # TLVs that are none: as if nothing had been said.
    bad = member(weir, 0)["lacp"]["counters"]["bad"]
    wrong = ({"actor_type": 9}, {"actor_length": 0}, {"partner_length": 255}, {"collector_type": 0},
             {"terminator_type": 5}, {"version": 0})
    for changes in wrong:
        partners[0].speak(**{"actor_system": "02:00:00:00:66:66", **changes})
    wait_until(lambda: member(weir, 0)["lacp"]["counters"]["bad"] == bad + len(wrong), what="broken PDUs are counted")
    assert n_active(weir) == 2

    # Another key: no longer one aggregate.
    partners[0].says["actor_key"] = 8
    speak_until(partners, lambda: n_active(weir) == 1, "a line with another key is left")
    partners[0].says["actor_key"] = 7
    speak_until(partners, lambda: n_active(weir) == 2, "it is back")

    # A flood of strangers: the other line does not notice.
    frame = bytes(partners[0].pdu(actor_system="02:00:00:00:66:66"))
    expired = member(weir, 1)["lacp"]["counters"]["expired"]

    def is_flooded():
        for _ in range(500):
            partners[0].wire.sock.send(frame)
        partners[1].speak()
        return weir.drops("lacp_full") > 1000

    wait_until(is_flooded, 20, "a flood is dropped by name")
    assert member(weir, 1)["active"] and member(weir, 1)["lacp"]["counters"]["expired"] == expired
    speak_until(partners, lambda: n_active(weir) == 2, "all is well again")
    for partner in partners:
        partner.wire.sock.close()
    assert weir.quiet()["difference"] == 0
