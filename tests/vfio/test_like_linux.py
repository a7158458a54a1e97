# SPDX-License-Identifier: BSD-3-Clause
"""
The same changes of links in weir and in Linux: what is refused, and what MTU, MAC address and state every
link has after each step, must be the same.

    v71 - v7 - p0, p1      weir: ports of net_null; Linux: veths in a network namespace of the guest

Where the two differ on purpose, the step says how and why: found are exactly those differences.
"""
import json
import re
import time
from typing import NamedTuple

import pytest

from router import Daemon

MACS = {"p0": "02:00:00:00:00:a0", "p1": "02:00:00:00:00:a1"}
FIELDS = ("mtu", "address", "up", "operstate")
OWN_MAC = "02:00:00:00:00:77"
SETTLE_SECONDS = 20  # Linux looks at a changed carrier when it comes to it
WEIR = """
eal = [ "--no-pci" ];
workers: { lcores = "1"; };
memory: { mbufs = 8192; };
links = (
  { name = "p0"; device = "net_null0,no-rx=1"; mac = "02:00:00:00:00:a0"; },
  { name = "p1"; device = "net_null1,no-rx=1"; mac = "02:00:00:00:00:a1"; }
);
"""


class Change(NamedTuple):
    """Lines for `ip -batch` and for `weirctl -b`."""
    linux: list
    weir: list


class Step(NamedTuple):
    changes: list
    refused: tuple = (None, None)  # what the last of them is refused with: by Linux, by weir
    differs: dict = {}  # link.field: (value in Linux, value in weir)
    why: str = ""


def step(*changes, refused=(None, None), differs=None, why=""):
    """A word for a change is one that both understand."""
    assert bool(why) == bool(differs or (refused[0] is None) != (refused[1] is None))
    return Step([change if isinstance(change, Change) else Change([change], [change]) for change in changes],
                refused, differs or {}, why)


def vlan(name, parent, vid, protocol="802.1Q", mac=None, mtu=None):
    size = f"mtu {mtu}" if mtu else ""
    return Change([f"link add link {parent} name {name} {size} {f'address {mac}' if mac else ''} "
                   f"type vlan protocol {protocol} id {vid}", up(name)],
                  [f"link add name {name} type vlan parent {parent} vid {vid} protocol {protocol} "
                   f"{size} {f'mac {mac}' if mac else ''}"])


def master(name, kind, member=None, linux="", weir=""):
    lines = [f"link add name {name} address {OWN_MAC} type {kind} {linux}"]
    if member:
        # A bond takes none that is up.
        lines += [f"link set dev {member} down", f"link set dev {member} master {name}", f"link set dev {member} up"]
    members = f" members name {member}" if member else ""
    return Change([*lines, f"link set dev {name} up"],
                  [f"link add name {name} type {kind} mac {OWN_MAC} {weir}{members}"])


def bond(name, member=None):
    return master(name, "bond", member, "mode active-backup miimon 10 fail_over_mac none", "mode active-backup")


def set_mtu(name, value):
    return f"link set dev {name} mtu {value}"


def up(name):
    return f"link set dev {name} up"


def down(name):
    return f"link set dev {name} down"


STACK = (vlan("v7", "p0", 7), vlan("v71", "v7", 71))
TOO_LARGE = ("Numerical result out of range", "the link takes MTUs of 68 to")
KEEPS_STATE = "the administrative state is the operator's: what is below does not change it, but takes the carrier away"
KEEPS_OWN = "members of a bond keep MAC address and MTU of their own; those of the bond fit them"
MEMBER_MAC = {"p0.address": (OWN_MAC, MACS["p0"])}
IS_OFF = {"up": (False, True), "operstate": ("DOWN", "LOWERLAYERDOWN")}


def each(name, fields):
    return {f"{name}.{field}": values for field, values in fields.items()}


def there_only(name):
    """A VLAN on p0 that Linux alone has."""
    return each(name, {field: (value, None) for field, value in zip(FIELDS, (1500, MACS["p0"], True, "UP"))})


def here_only(name):
    return {field: values[::-1] for field, values in there_only(name).items()}


CASES = {
    "mtu: as much as the link below": [
        step(vlan("v7", "p0", 7)),
        step(set_mtu("p0", 1900), vlan("v8", "p0", 8)),
        step(vlan("v9", "p0", 9, mtu=1300)),
        step(vlan("v10", "p0", 10, mtu=1900)),
        step(vlan("v11", "p0", 11, mtu=1901), refused=("Invalid argument", "MTU 1901 is larger than the 1900")),
    ],
    "mtu: below, equal and above that of the link below": [
        step(vlan("v7", "p0", 7), set_mtu("v7", 1300)),
        step(set_mtu("v7", 1500)),
        step(set_mtu("v7", 1501), refused=TOO_LARGE),
        step(set_mtu("v7", 68)),
        step(set_mtu("v7", 67), refused=(None, "out of range: 68 to"), differs={"v7.mtu": (67, 68)},
             why="no IPv4 passes a link below 68 bytes (RFC 791)"),
    ],
    "mtu: lowered with the link below, and never raised": [
        step(vlan("v7", "p0", 7), vlan("v8", "p0", 8, mtu=1300), set_mtu("p0", 1400)),
        step(set_mtu("p0", 1500)),
        step(set_mtu("p0", 1300)),
        step(set_mtu("p0", 1299)),
        step(set_mtu("p0", 1500), set_mtu("v7", 1500), set_mtu("v8", 1501), refused=TOO_LARGE),
    ],
    "mtu: two tags": [
        step(*STACK, set_mtu("v71", 1501), refused=TOO_LARGE),
        step(set_mtu("p0", 1400)),
        step(set_mtu("v7", 1350)),
        step(set_mtu("v71", 1351), refused=TOO_LARGE),
        step(set_mtu("p0", 1360)),
        step(set_mtu("p0", 1500), set_mtu("v71", 1351), refused=TOO_LARGE),
        step(set_mtu("v7", 1500), set_mtu("v71", 1400), set_mtu("v7", 1450)),
        step(set_mtu("p0", 1340)),
    ],
    "mac: that of the link below, or its own": [
        step(*STACK),
        step(vlan("v8", "p0", 8, mac=OWN_MAC), vlan("v81", "v8", 81)),
        step(vlan("v82", "v8", 82, mac="02:00:00:00:00:78")),
        step(vlan("v9", "p0", 9, mac=OWN_MAC)),
        step(vlan("v10", "p0", 10, mac="01:00:5e:00:00:01"), refused=("Invalid link address", "cannot be multicast")),
    ],
    "mac: changes": [
        step(*STACK, vlan("v8", "p0", 8, mac=OWN_MAC), f"link set dev p0 address {MACS['p1']}",
             refused=(None, "address"),
             differs={f"{name}.address": (MACS["p1"], MACS["p0"]) for name in ("p0", "v7", "v71")},
             why="addresses come with the link; Linux takes those without one of their own along"),
    ],
    "ids": [
        step(vlan("v1", "p0", 1), vlan("v4094", "p0", 4094)),
        step(vlan("v4095", "p0", 4095), refused=("Invalid VLAN id", "4094")),
        step(vlan("v0", "p0", 0), refused=(None, "1 to 4094"), why="a tag of id 0 is a priority: the link's own",
             differs=there_only("v0")),
    ],
    "ids: once per link and type of tag": [
        step(vlan("v7", "p0", 7), vlan("again", "p0", 7),
             refused=("VLAN device already exists", "already link \"v7\"")),
        step(vlan("s7", "p0", 7, "802.1ad"), vlan("q7", "p1", 7), vlan("v77", "v7", 7)),
        step(vlan("again", "p0", 7, "802.1ad"), refused=("VLAN device already exists", "already link \"s7\"")),
        step(vlan("v7", "p0", 8), refused=("File exists", "there is a link \"v7\" already")),
        step(vlan("x", "nobody", 8), refused=("Cannot find device", "there is no link \"nobody\"")),
        step("link del dev v77", "link del dev v7", vlan("again", "p0", 7)),
    ],
    "ids: five tags": [
        step(*STACK, vlan("v711", "v71", 711), vlan("v4", "v711", 4)),
        step(vlan("v5", "v4", 5), refused=(None, "at most 4 tags"), differs=there_only("v5"),
             why="so many tags are looked at"),
    ],
    "state: of the link itself": [
        step(*STACK, vlan("v8", "p0", 8), down("v8")),
        step(up("v8"), down("v71")),
        step(up("v71")),
    ],
    "state: down and up with the link below": [
        step(*STACK, vlan("v8", "p0", 8), down("p0"), why=KEEPS_STATE,
             differs={**each("v7", IS_OFF), **each("v71", IS_OFF), **each("v8", IS_OFF)}),
        step(up("v7"), refused=("Network is down", None), why=KEEPS_STATE,
             differs={**each("v7", IS_OFF), **each("v71", IS_OFF), **each("v8", IS_OFF)}),
        step(up("p0")),
        step(down("v8"), down("p0"), why=KEEPS_STATE, differs={**each("v7", IS_OFF), **each("v71", IS_OFF)}),
        step(up("p0"), why=KEEPS_STATE, differs=each("v8", {"up": (True, False), "operstate": ("UP", "DOWN")})),
    ],
    "del: of a link that another stands on": [
        step(*STACK, "link del dev v7", refused=(None, "links stand on it: v71"), why="nothing goes that was not named",
             differs={**here_only("v7"), **here_only("v71")}),
    ],
    "bridge": [
        step(master("br0", "bridge")),
        step("link del dev br0", master("br0", "bridge", "p0"), vlan("v7", "br0", 7)),
        step(set_mtu("br0", 1400)),
        step(set_mtu("br0", 1500), set_mtu("v7", 1401)),
        step(set_mtu("v7", 1501), refused=TOO_LARGE),
        step(set_mtu("br0", 1501), refused=(None, "68 to 1500"), differs={"br0.mtu": (1501, 1500)},
             why="what is larger than a member's MTU would not leave by it"),
    ],
    "bond": [
        step(bond("bond0")),
        step("link del dev bond0", bond("bond0", "p0"), vlan("v7", "bond0", 7), differs=MEMBER_MAC, why=KEEPS_OWN),
        step(set_mtu("v7", 1501), refused=TOO_LARGE, differs=MEMBER_MAC, why=KEEPS_OWN),
        step(set_mtu("bond0", 1400), differs={"p0.mtu": (1400, 1500), **MEMBER_MAC}, why=KEEPS_OWN),
        step(set_mtu("bond0", 1500), set_mtu("v7", 1500), differs=MEMBER_MAC, why=KEEPS_OWN),
        step(set_mtu("bond0", 1501), refused=(None, "68 to 1500"), why=KEEPS_OWN,
             differs={"p0.mtu": (1501, 1500), "bond0.mtu": (1501, 1500), **MEMBER_MAC}),
    ],
}


class Side(NamedTuple):
    batch: str  # shell commands: changes what the lines say, then shows all links, also when one was refused
    after: str
    anew: str  # what makes a port as it was

    def script(self, lines):
        return "\n".join([f"{self.batch} 2>&1 <<'END' {self.after}", *lines, "link show", "END", ""])


class Answer(NamedTuple):
    error: str
    failed: int  # number of the first line that was refused; 0: none
    links: dict  # {name: fields}, those that others stand on first


def read_answer(out):
    lines = out.splitlines()
    (shown,) = [line for line in lines if line.startswith("[")]
    error = "\n".join(line for line in lines if not line.startswith("["))
    failed = re.search(r"(?:-|stdin):(\d+)", error)
    return Answer(error, int(failed[1]) if failed else 0, {
        row["ifname"]: {"mtu": row["mtu"], "address": row["address"], "up": "UP" in row["flags"],
                        "operstate": row["operstate"]}
        for row in sorted(json.loads(shown), key=lambda row: row["ifindex"])
        if row["ifname"] not in ("lo", "x0", "x1")})


class Both:
    """Linux and weir, in this order everywhere."""

    def __init__(self, guest):
        self.guest = guest
        self.daemon = Daemon(guest, WEIR)
        self.links = [{}, {}]
        self.sides = [Side("ip -n like -j -force -batch -", "", "mtu 1500 up address {}"),
                      Side(self.daemon.weirctl("-j -b -"), f"|| {self.daemon.weirctl('-j link show')}", "mtu 1500 up")]

    def start(self):
        self.guest.sh("modprobe -a 8021q bonding bridge veth && ip netns add like")
        for name, mac in MACS.items():
            self.guest.sh(f"ip -n like link add name {name} address {mac} up type veth peer name x{name[1]} && "
                          f"ip -n like link set dev x{name[1]} up")
        self.daemon.start()

    def stop(self):
        self.guest.sh("ip netns del like")
        self.daemon.stop()

    def change(self, linux=(), weir=()):
        """The answers of both."""
        out = self.guest.sh("echo ==\n".join(side.script(lines) for side, lines in zip(self.sides, (linux, weir))))
        answers = [read_answer(part) for part in out.split("==\n")]
        self.links = [answer.links for answer in answers]
        return answers

    def undo(self):
        """What leaves two links each, as they were, and nothing else."""
        return Change(*([f"link del dev {name}" for name in reversed(links) if name not in MACS] +
                        [f"link set dev {name} {side.anew.format(mac)}" for name, mac in MACS.items()]
                        for side, links in zip(self.sides, self.links)))


@pytest.fixture(scope="module", name="both")
def _both(guest):
    pair = Both(guest)
    pair.start()
    yield pair
    pair.stop()


def differences(linux, weir):
    """{link.field: (value in Linux, value in weir)}; None: no such link"""
    return {f"{name}.{field}": pair for name in linux | weir for field in FIELDS
            if len(set(pair := tuple(side.get(name, {}).get(field) for side in (linux, weir)))) > 1}


def check_answer(answer, changes, wanted):
    """changes: those of one side, as lists of lines; only the last may be refused."""
    assert (answer.failed > 0) == (wanted is not None), answer
    assert answer.failed == 0 or answer.failed > len(sum(changes[:-1], [])), answer
    assert (wanted or "") in answer.error


@pytest.mark.parametrize("case", CASES)
def test_links_change_as_in_linux(both, case):
    undo = [both.undo()]
    for this in CASES[case]:
        changes = tuple(zip(*undo, *this.changes))
        undo = []
        answers = both.change(*(sum(lines, []) for lines in changes))
        for answer, lines, wanted in zip(answers, changes, this.refused):
            check_answer(answer, lines, wanted)
        deadline = time.monotonic() + SETTLE_SECONDS
        while (found := differences(*both.links)) != this.differs and time.monotonic() < deadline:
            both.change()
        assert found == this.differs, this
