# SPDX-License-Identifier: BSD-3-Clause
"""
A bond of weir and one of Linux as each other's partner in LACP.

    10.3.0.1 bond0 - m0, m1 weir ==== m00, m10 (taps) - there, Linux 10.3.0.2
"""
import re
import time

import pytest

from router import Daemon

SYSTEMS = {"bond0": "02:00:00:00:0b:00", "there": "02:00:00:00:55:00"}
LINES = {"m0": "m00", "m1": "m10"}
WEIR = """
eal = [ "--no-pci" ];
workers: { lcores = "1"; };
memory: { mbufs = 8192; };
links = (
  { name = "m0"; device = "net_tap0,iface=m00"; mac = "02:00:00:00:0b:00"; },
  { name = "m1"; device = "net_tap1,iface=m10"; mac = "02:00:00:00:0b:01"; },
  { name = "bond0"; type = "bond"; mode = "802.3ad"; lacp_rate = "fast"; members = [ "m0", "m1" ];
    addresses = [ "10.3.0.1/24" ]; }
);
"""
STATES = ("active", "short_timeout", "aggregatable", "in_sync", "collecting", "distributing", "defaulted", "expired")
UP = 0x3f  # all of them up to distributing
FIELDS = ("system priority", "system mac address", "key", "port priority", "port number", "port state")
SETTLE_SECONDS = 60


class Pair:
    def __init__(self, guest):
        self.guest = guest
        self.weir = Daemon(guest, WEIR)

    def start(self):
        self.guest.sh("modprobe -a bonding tun")
        self.weir.start()
        # A tap has the address of its port, which the partner must not have.
        self.guest.sh("ip link add there type bond mode 802.3ad lacp_rate fast miimon 100 && "
                      f"ip link set there address {SYSTEMS['there']} && " + " && ".join(
                          f"ip link set {tap} down address 02:00:00:00:55:1{i} && ip link set {tap} master there"
                          for i, tap in enumerate(LINES.values())) +
                      " && ip link set there up && ip addr add 10.3.0.2/24 dev there")

    def stop(self):
        self.guest.sh("ip link del there")
        self.weir.stop()

    def until(self, condition, what):
        deadline = time.monotonic() + SETTLE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"not within {SETTLE_SECONDS} s: {what}\n{self.linux_text()}"

    def linux_text(self):
        return self.guest.sh("cat /proc/net/bonding/there")

    def linux(self):
        """{tap: (what it says of itself, what it has heard of its partner)}"""
        _, *members = self.linux_text().split("Slave Interface: ")
        return {member.split()[0]: tuple(linux_info(part) for part in re.split("details .* lacp pdu:", member)[1:])
                for member in members}

    def bond(self):
        (bond,) = self.weir.ctl("bond show")
        return bond

    def agreed(self):
        """As linux(), of weir: {tap: (what it has heard of its partner, what it says of itself)}"""
        return {LINES[member["ifname"]]: (weir_info(member["lacp"]["partner"]), weir_info(member["lacp"]["actor"]))
                for member in self.bond()["members"]}

    def n_active(self):
        return self.bond()["n_active"]

    def n_linux(self):
        """How many lines Linux has in use."""
        return int(re.search(r"Number of ports: (\d+)", self.linux_text())[1])

    def await_lines(self, number):
        self.until(lambda: (self.n_active(), self.n_linux()) == (number, number), f"{number} lines are in use")

    def ping(self):
        self.guest.wait("ping -q -c 1 -W 2 10.3.0.1")

    def n_sent(self, name):
        return self.weir.link(name)["stats64"]["tx"]["packets"]


def linux_info(text):
    values = dict(re.findall(r"^ *(?:oper |port )?([a-z ]+): (\S+)$", text, re.MULTILINE))
    return tuple(values[field.removeprefix("port ")] for field in FIELDS)


def weir_info(info):
    state = sum(1 << STATES.index(name) for name in info["state"])
    return tuple(str(value) for value in (info["system_priority"], info["system"], info["key"], info["port_priority"],
                                          info["port"], state))


@pytest.fixture(name="pair", scope="module")
def _pair(guest):
    both = Pair(guest)
    both.start()
    yield both
    both.stop()


def test_both_ends_say_the_same_of_each_line(pair):
    pair.await_lines(2)
    pair.until(lambda: pair.linux() == pair.agreed(), "each has heard what the other says")
    seen = pair.linux()
    assert set(seen) == set(LINES.values())
    for ends in seen.values():
        assert [(end[1], end[-1]) for end in ends] == [(SYSTEMS["there"], str(UP)), (SYSTEMS["bond0"], str(UP))]
    assert f"Partner Mac Address: {SYSTEMS['bond0']}" in pair.linux_text()
    pair.ping()


def test_what_a_line_carried_goes_by_the_other_when_linux_takes_it_down(pair):
    """Either is taken down once, so once the one that carried it."""
    for line, other in (("m0", "m1"), ("m1", "m0")):
        pair.await_lines(2)
        pair.guest.sh(f"ip link set {LINES[line]} down")
        pair.await_lines(1)
        before = pair.n_sent(line), pair.n_sent(other)
        pair.ping()
        assert pair.n_sent(line) == before[0]
        assert pair.n_sent(other) > before[1]
        pair.guest.sh(f"ip link set {LINES[line]} up")
    pair.await_lines(2)
    pair.ping()


def test_a_line_that_weir_takes_down_is_missed_by_linux(pair):
    """It hears nothing for three short periods."""
    pair.await_lines(2)
    pair.guest.sh(pair.weir.weirctl("link set dev m0 down"))
    pair.await_lines(1)
    pair.ping()
    pair.guest.sh(pair.weir.weirctl("link set dev m0 up"))
    pair.await_lines(2)
    pair.ping()
