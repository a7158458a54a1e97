# SPDX-License-Identifier: BSD-3-Clause
"""
Links of kind bond, on the cable.

Two daemons, each other's LACP partner over two memif lines, between two kernels:

    lan                 near                              far                wan
    10.1.0.2 [lan0] -- 10.1.0.1 | 10.3.0.1 == m0, m1 == 10.3.0.2 | 10.2.0.1 -- [wan0] 10.2.0.2

Three daemons, two of them in place of switches whose uplinks meet in a kernel's bridge. One of them dies, and near's
port loses its carrier. Ports of net_tap and net_af_packet cannot: of the first weir does not ask, the other's is always
up.

    lan                near                              far             sw
    10.1.0.2 [lan0] -- 10.1.0.1 | 10.2.0.1 == m0 == [m0 - br0 - t0] -- [t00 \\
                                           == m1 == [m1 - br0 - t1] -- [t10 -- br0] 10.2.0.2

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
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr
from scapy.layers.l2 import ARP, Ether
from scapy.utils import RawPcapReader

from harness import LAN_MAC, WAN_MAC, base_conf, link_conf, wait_until
from wire import Wire

BOND_MAC = "02:00:00:00:0b:00"
SLOW_GROUP = "01:80:c2:00:00:02"
PARTNER = "02:00:00:00:55:01"
NUMBER = struct.Struct("!I")
# With DAD an address would be announced a second after the start, whatever fails.
NO_DAD = {"addrconf": {"addr_gen_mode": "none", "dad_transmits": 0}}
UP = 0x3f  # active, short timeout, aggregatable, in sync, collecting, distributing
SHORT_TIMEOUT = 2


def bond_conf(*addresses, **settings):
    return {"name": "bond0", "type": "bond", "members": ["m0", "m1"], "addresses": list(addresses), **settings}


def n_active(weir):
    return weir.ctl("bond", "show")[0]["n_active"]


def await_active(weir, number):
    wait_until(lambda: n_active(weir) == number, 30, f"{number} members are active")


def reaches(host, to):
    """One echo at a time: of several, ping waits for the last no longer than for those before."""
    return all(host.ping(to, count=1, wait=10)[1] == 1 for _ in range(5))


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

    def longest_hole(self, first):
        """How many in a row did not come, of those from first on: milliseconds, or more where load slows the sender."""
        arrived = [first - 1, *sorted(number for number in self.came if number >= first)]
        return max(b - a - 1 for a, b in zip(arrived, arrived[1:]))

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


def comes_by(lab, stream, lines):
    """
    Which line a sender uses is by its port: of 64, each with one packet, a quarter at least by each of these lines.
    By another one there is nothing but what LACP says.
    """
    before = [tx_of(lab.near, f"m{number}") for number in range(2)]
    stream.send(64)
    sent = [tx_of(lab.near, f"m{number}") - before[number] for number in range(2)]
    return all(sent[number] >= 16 if number in lines else sent[number] < 4 for number in range(2))


def test_a_line_between_two_daemons_fails_and_comes_back(pair, stream):
    assert pair.near.link("bond0")["linkinfo"]["info_data"]["mode"] == "802.3ad"
    wait_until(lambda: comes_by(pair, stream, {0, 1}), 20, "packets on both lines")
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
    assert reaches(pair.lan, "10.2.0.2")

    pair.near.ctl("link", "set", "m0", "up")
    for weir in (pair.near, pair.far):
        await_active(weir, 2)
    wait_until(lambda: comes_by(pair, stream, {0, 1}), 20, "packets on both lines")
    for weir in (pair.near, pair.far):
        assert weir.quiet()["difference"] == 0


# A line that loses its carrier


MULTI_CHASSIS = "02:00:00:00:55:02"


def member(weir, number):
    return weir.ctl("bond", "show")[0]["members"][number]


def has_failed(weir, number, count):
    row = member(weir, number)
    return (row["mii_status"], row["active"], row["link_failure_count"]) == ("down", False, count)


def switch_conf(lab, number, mode):
    """A bridge of a line and a tap. With LACP the line is a bond of one; both bonds say that they are one system."""
    end, line = f"m{number}", memif(lab, number, "client", 2)
    bonds = []
    if mode == "802.3ad":
        bonds = [{"name": "bond0", "type": "bond", "mode": mode, "lacp_rate": "fast", "members": [end],
                  "mac": MULTI_CHASSIS}]
        end = "bond0"
    return base_conf(memory={"hugepages": "auto", "mbufs": 8192},
                     links=[line, {"name": f"t{number}", "device": f"net_tap{number},iface=t{number}0"}, *bonds,
                            {"name": "br0", "type": "bridge", "members": [end, f"t{number}"]}])


def start_switch(lab, number):
    lab.far[number].start()
    lab.switch.ip("link", "set", f"t{number}0", "master", "br0", "up")


def switched(lab, mode):
    """lab.near with a bond, lab.far with a daemon at the end of each line, lab.switch with a kernel's bridge."""
    settings = {"active-backup": {"primary": "m0"}, "802.3ad": {"lacp_rate": "fast"}}.get(mode, {})
    bond = bond_conf("10.2.0.1/24", "2001:db8:2::1/64", mac=BOND_MAC, mode=mode, xmit_hash_policy="layer3+4",
                     **settings)
    home = lab.namespace("gw")
    lab.near = lab.daemon(base_conf(
        sysctl=NO_DAD, memory={"hugepages": "auto", "mbufs": 8192},
        links=[link_conf("lan", 1, "10.1.0.1/24"), memif(lab, 0, "server", 1), memif(lab, 1, "server", 1), bond],
        neighbors=[{"to": "10.2.0.2", "lladdr": SWITCH_MAC, "dev": "bond0"}]), netns=home).start()
    lab.lan = lab.peer("lan", home, LAN_MAC, ["10.1.0.2/24"], "10.1.0.1")
    lab.switch = lab.namespace("sw")
    bridged(lab.switch, (), "10.2.0.2/24", "10.2.0.1")
    lab.far = [lab.daemon(switch_conf(lab, number, mode), netns=lab.switch) for number in range(2)]
    for number in range(2):
        start_switch(lab, number)
    # All that can be in use is.
    await_active(lab.near, 1 if mode == "active-backup" else 2)
    wait_until(lambda: all(member(lab.near, number)["mii_status"] == "up" for number in range(2)), 20, "two carriers")


def announced(path):
    """What the bond has said of its addresses without being asked: gratuitous ARP, neighbour advertisements."""
    said = []
    for data, _ in RawPcapReader(str(path)):
        frame = Ether(data) if data[12:14] != b"\x08\x00" else None
        if frame is not None and ARP in frame and frame[ARP].psrc == frame[ARP].pdst:
            said.append((frame[ARP].hwsrc, frame[ARP].psrc))
        if frame is not None and ICMPv6ND_NA in frame and not frame[ICMPv6ND_NA].S:
            said.append((frame[ICMPv6NDOptDstLLAddr].lladdr, frame[ICMPv6ND_NA].tgt))
    return sorted(said)


class Counts:
    """What becomes of packets on their way out by a bond, from here on."""

    def __init__(self, weir):
        self.weir = weir
        self.before = self.now()

    def now(self):
        """What a bond says by itself in the middle of this would be counted on one side only."""
        while True:
            originated = self.weir.quiet()["originated"]
            reasons = self.weir.drop_reasons()
            dropped = sum(reasons.get(reason, 0) for reason in ("link_tx_full", "link_down", "bond_no_member"))
            left = tx_of(self.weir, "m0") + tx_of(self.weir, "m1")
            if self.weir.quiet()["originated"] == originated:
                return dropped, originated, left

    def since(self):
        """(dropped on the way out, made by weir itself, sent by members)"""
        return tuple(now - before for now, before in zip(self.now(), self.before))


@pytest.mark.parametrize("mode, lines", [("active-backup", {0}), ("balance-xor", {0, 1}), ("802.3ad", {0, 1})],
                         ids=["active-backup", "balance-xor", "802.3ad"])
def test_a_line_loses_its_carrier_and_gets_it_back(lab, alone, mode, lines):  # pylint: disable=unused-argument
    """
    What it loses are packets that tx found no room for, which weir counts, and those that the driver took and nobody
    reads any more. The driver keeps these to itself: for weir they are sent.
    """
    switched(lab, mode)
    near = lab.near
    with contextlib.closing(Stream(lab.lan, lab.switch)) as stream:
        wait_until(lambda: comes_by(lab, stream, lines), 20, f"packets by {lines}")
        stream.finish()
        capture = lab.switch.capture(lab.dir / "t10.pcap", "t10")
        first, counts = len(stream.sent), Counts(near)
        stream.send(200)
        lab.far[0].may_fail = True
        lab.far[0].process.kill()
        # A kernel that is busy takes its time to end it, and only then does the line hang up.
        while lab.far[0].process.poll() is None:
            stream.send(1)
        gone = len(stream.sent)
        stream.send(200)
        wait_until(lambda: has_failed(near, 0, 1), what="the bond has noticed")
        stream.finish()
        assert stream.longest_hole(gone) < 100
        assert n_active(near) == 1 and member(near, 1)["link_failure_count"] == 0

        missing = [number for number in stream.missing() if number >= first]
        dropped, originated, left = counts.since()
        kept = left - originated - (len(stream.sent) - first - len(missing))
        assert kept >= 0 and len(missing) == dropped + kept, (missing, dropped, originated, left)
        moved = [(BOND_MAC, "10.2.0.1"), (BOND_MAC, "2001:db8:2::1")] if mode == "active-backup" else []
        wait_until(lambda: announced(capture.path) == moved, what="it is said where the bond is")
        capture.check()

        start_switch(lab, 0)
        lab.far[0].may_fail = False
        wait_until(lambda: member(near, 0)["active"], 30, "the line is back")
        wait_until(lambda: comes_by(lab, stream, lines), 20, f"packets by {lines}")
        stream.finish()
    row = member(near, 0)
    assert (row["mii_status"], row["link_failure_count"]) == ("up", 1)
    assert n_active(near) == len(lines)


# A kernel in place of a switch


SWITCH_MAC = "02:00:00:00:03:02"


def taps(lab, **settings):
    """A daemon with a bond of two taps, both moved to a namespace of their own. It asks nobody where 10.3.0.2 is."""
    home = lab.namespace("gw")
    conf = base_conf(sysctl=NO_DAD,
                     links=[{"name": f"m{n}", "device": f"net_tap{n},iface=m{n}0", "mac": f"02:00:00:00:0b:0{n}"}
                            for n in range(2)] + [bond_conf("10.3.0.1/24", "2001:db8:3::1/64", **settings)],
                     neighbors=[{"to": "10.3.0.2", "lladdr": SWITCH_MAC, "dev": "bond0"}])
    weir = lab.daemon(conf, netns=home).start()
    there = lab.namespace("sw")
    for dev in ("m00", "m10"):
        home.ip("link", "set", dev, "netns", there.name)
        there.ip("link", "set", dev, "up")
    return weir, there


def capture_both(lab, there):
    """What the bond sends by either member."""
    return [there.capture(lab.dir / f"{dev}.pcap", dev) for dev in ("m00", "m10")]


def bridged(switch, devs, own, bond):
    """A kernel's bridge with these devices, which asks nobody where the bond is."""
    switch.ip_all(["link add br0 address " + SWITCH_MAC + " type bridge mcast_snooping 0",
                   *(f"link set {dev} master br0 up" for dev in devs), "link set br0 up",
                   f"address add {own} dev br0", f"neigh add {bond} lladdr {BOND_MAC} nud permanent dev br0"])


def fdb_dev(switch, mac):
    rows = [line.split() for line in switch.exec("bridge", "fdb", "show", "br", "br0").stdout.splitlines()]
    return [row[2] for row in rows if row[0] == mac and "permanent" not in row]


def test_a_switch_hears_where_the_bond_is_after_a_fail_over(lab):
    weir, switch = taps(lab, mode="active-backup", primary="m0")
    bridged(switch, ("m00", "m10"), "10.3.0.2/24", "10.3.0.1")
    assert wait_until(lambda: switch.ping("10.3.0.1", count=1)[1], 20, "a ping comes through") == 1
    assert fdb_dev(switch, BOND_MAC) == ["m00"]
    # Both know each other for good: it is what weir says of the fail-over that moves the address.
    captures = capture_both(lab, switch)
    for state, dev in (("down", "m10"), ("up", "m00")):
        weir.ctl("link", "set", "m0", state)
        wait_until(lambda d=dev: fdb_dev(switch, BOND_MAC) == [d], 10, f"the bond is behind {dev}")
        assert reaches(switch, "10.3.0.1")
    for capture in captures:
        capture.check()
        assert announced(capture.path) == [(BOND_MAC, "10.3.0.1"), (BOND_MAC, "2001:db8:3::1")]
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


def partners_of(there):
    return [Partner(there, dev, 1 + n) for n, dev in enumerate(("m00", "m10"))]


def is_lacp(data):
    return data[12:15] == b"\x88\x09\x01"


def marker(number, src=PARTNER, kind=1):
    """A marker, or the answer to it (kind 2), IEEE 802.1AX-2008 5.5."""
    system = bytes.fromhex(PARTNER.replace(":", ""))
    tlv = struct.pack("!BBH6sIH", kind, 16, 1 + number, system, 0xabcd0000 + number, 0)
    return bytes(Ether(src=src, dst=SLOW_GROUP, type=0x8809)) + b"\x02\x01" + tlv + bytes(92)


def is_answer(data, number):
    return data[12:17] == b"\x88\x09\x02\x01\x02" and data[18:20] == struct.pack("!H", 1 + number)


def speak_until(partners, condition, what, timeout=30):
    def is_so():
        for partner in partners:
            partner.speak()
        time.sleep(0.1)
        return condition()

    wait_until(is_so, timeout, what)


def test_a_partner_that_breaks_the_rules_harms_its_own_line_only(lab):
    weir, there = taps(lab, mode="802.3ad", lacp_rate="fast")
    captures = capture_both(lab, there)
    partners = partners_of(there)
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
    for capture in captures:
        capture.check()
        assert any(is_lacp(data) for data, _ in RawPcapReader(str(capture.path)))
    assert weir.quiet()["difference"] == 0


def test_slow_lacp_bears_silence_and_answers_markers(lab):
    """Ends that may be silent for 90 s: three seconds, which are too long for fast ones, are nothing."""
    weir, there = taps(lab, mode="802.3ad", lacp_rate="slow")
    captures = capture_both(lab, there)
    partners = partners_of(there)
    for partner in partners:
        partner.says["actor_state"] = UP & ~SHORT_TIMEOUT
    speak_until(partners, lambda: n_active(weir) == 2, "both lines are used")
    silent_since = time.monotonic()
    for number, partner in enumerate(partners):
        partner.wire.send(marker(number))
        answer = bytes(partner.wire.expect(lambda frame, n=number: is_answer(bytes(frame), n)))
        assert answer == marker(number, f"02:00:00:00:0b:0{number}", 2)
        lacp = member(weir, number)["lacp"]
        assert (lacp["counters"]["markers"], lacp["periodic"]) == (1, "slow_periodic")
        partner.listen()
        assert not partner.heard.actor_state & SHORT_TIMEOUT and partner.heard.partner_system == PARTNER
    wait_until(lambda: time.monotonic() > silent_since + 3.5, what="both were silent for longer than three seconds")
    for number, partner in enumerate(partners):
        lacp = member(weir, number)["lacp"]
        assert (lacp["receive"], lacp["counters"]["expired"], member(weir, number)["active"]) == ("current", 0, True)
        partner.wire.sock.close()
    for capture in captures:
        capture.check()
    assert weir.quiet()["difference"] == 0
