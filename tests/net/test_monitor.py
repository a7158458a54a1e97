# SPDX-License-Identifier: BSD-3-Clause
"""
Events of the control plane, as a stream:

    10.1.0.2 [lan0] -- 10.1.0.1/24 weir 10.2.0.1/24 -- [wan0] 10.2.0.2
"""
import json
import signal
import subprocess
import threading

import pytest

from harness import WAN_MAC, pings_go_on, program, wait_until

N_ROUTES = 100_000


class Monitor:
    """A client that has subscribed."""

    def __init__(self, weir, **params):
        self.client = weir.rpc()
        self.client.send("monitor.start", **params)
        self.client.call("stats.show")  # answers come in order: it is subscribed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.__exit__()

    def next(self):
        message = self.client.read()
        assert message["method"] == "monitor.start" and "id" not in message
        return message["params"]


def test_a_route_is_told_as_route_show_has_it_and_deleted_when_it_goes(router):
    with Monitor(router.weir, route=True) as monitor:
        router.weir.ctl("route", "add", "192.0.2.0/24", "via", "10.2.0.2", "metric", "7")
        shown = router.weir.row("route", "show", dst="192.0.2.0/24")
        assert monitor.next() == shown
        router.weir.ctl("route", "del", "192.0.2.0/24")
        assert monitor.next() == {"deleted": True, **shown}


def test_a_replaced_route_is_told_once(router):
    with Monitor(router.weir, route=True) as monitor:
        for words in (["add", "192.0.2.0/24", "via", "10.2.0.2"], ["replace", "192.0.2.0/24", "via", "10.1.0.2"],
                      ["del", "192.0.2.0/24"]):
            router.weir.ctl("route", *words)
        told = [monitor.next() for _ in range(3)]
    assert [(row["gateway"], row.get("deleted")) for row in told] == [
        ("10.2.0.2", None), ("10.1.0.2", None), ("10.1.0.2", True)]


def test_a_link_is_told_as_link_show_has_it(router):
    with Monitor(router.weir, link=True) as monitor:
        router.weir.ctl("link", "set", "lan", "mtu", "1400")
        assert monitor.next() == router.weir.row("link", "show", ifname="lan")
        router.weir.ctl("link", "set", "lan", "mtu", "1500")
        assert monitor.next()["mtu"] == 1500


def test_an_address_is_told_as_ip_monitor_does(router):
    with Monitor(router.weir, addr=True) as monitor:
        router.weir.ctl("addr", "add", "192.0.2.1/24", "dev", "wan")
        (shown,) = router.weir.ctl("addr", "show", "wan")
        (info,) = [info for info in shown["addr_info"] if info["local"] == "192.0.2.1"]
        assert monitor.next() == {"index": shown["ifindex"], "dev": "wan", **info}
        router.weir.ctl("addr", "del", "192.0.2.1/24", "dev", "wan")
        assert monitor.next() == {"deleted": True, "index": shown["ifindex"], "dev": "wan", **info}


def test_a_neighbours_states_are_told(router):
    router.weir.ctl("neigh", "flush")
    with Monitor(router.weir, neigh=True) as monitor:
        router.lan.ping("10.2.0.2", count=1)
        told = []
        while not any(row["dst"] == "10.2.0.2" and row["state"] == ["REACHABLE"] for row in told):
            told.append(monitor.next())
        (row,) = [row for row in told if row["dst"] == "10.2.0.2" and row["state"] == ["REACHABLE"]]
        assert row == {"dst": "10.2.0.2", "dev": "wan", "lladdr": WAN_MAC, "state": ["REACHABLE"]}
        router.weir.ctl("neigh", "del", "10.2.0.2", "dev", "wan")
        wait_until(lambda: monitor.next() == {"deleted": True, "dst": "10.2.0.2", "dev": "wan", "state": ["NONE"]},
                   what="it is told to be gone")


def test_only_what_was_named_is_told_and_all_of_it_else(router):
    with Monitor(router.weir, route=True) as routes, Monitor(router.weir) as everything:
        router.weir.ctl("neigh", "add", "10.2.0.77", "lladdr", "02:00:00:00:00:77", "dev", "wan")
        router.weir.ctl("neigh", "del", "10.2.0.77", "dev", "wan")
        router.weir.ctl("route", "add", "192.0.2.0/24", "via", "10.2.0.2")
        router.weir.ctl("route", "del", "192.0.2.0/24")
        assert [routes.next()["dst"] for _ in range(2)] == ["192.0.2.0/24"] * 2
        told = []
        while len([row for row in told if row["dst"] in ("10.2.0.77", "192.0.2.0/24")]) < 4:
            told.append(everything.next())


@pytest.mark.parametrize("options, wanted", [
    ([], "192.0.2.0/24 via 10.2.0.2 dev wan proto boot"),
    (["-j"], {"dst": "192.0.2.0/24", "gateway": "10.2.0.2", "dev": "wan", "protocol": "boot", "flags": []}),
])
def test_weirctl_prints_a_line_for_each_event(router, options, wanted):
    # pylint: disable-next=consider-using-with
    child = subprocess.Popen([program("weirctl"), "-S", router.weir.socket, *options, "monitor", "route"], text=True,
                             stdout=subprocess.PIPE)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(child.stdout))
    reader.start()
    try:
        # It says nothing when it has begun to listen.
        def is_told():
            router.weir.ctl("route", "replace", "192.0.2.0/24", "via", "10.2.0.2")
            router.weir.ctl("route", "del", "192.0.2.0/24")
            return len(lines) >= 2

        wait_until(is_told, 30, "an event is printed")
    finally:
        child.send_signal(signal.SIGINT)
        reader.join(20)
        child.stdout.close()
    assert child.wait(20) == 0, "^C is how a stream ends"
    told = [json.loads(line) for line in lines] if options else [line.rstrip("\n") for line in lines]
    deleted = {"deleted": True, **wanted} if options else f"Deleted {wanted}"
    start = told.index(wanted)
    assert told[start:start + 2] == [wanted, deleted]


class Reader:
    """Reads a stream as fast as it can and judges it later."""

    def __init__(self, weir):
        self.monitor = Monitor(weir, route=True)
        self.data = bytearray()
        self.n_lines = 0
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        # What Monitor has buffered beyond the answer it waited for: nothing, no route has changed yet.
        while self.n_lines < 2 * N_ROUTES:
            chunk = self.monitor.client.sock.recv(1 << 20)
            if not chunk:
                return
            self.data += chunk
            self.n_lines += chunk.count(b"\n")

    def events(self):
        self.thread.join(120)
        self.monitor.client.__exit__()
        return [json.loads(line)["params"] for line in self.data.splitlines()]


def prefix(i):
    return f"100.{i >> 16}.{i >> 8 & 255}.{i & 255}"


def test_who_does_not_read_is_cut_off_and_others_hear_everything_in_order(router, tmp_path):
    batch = tmp_path / "churn"
    batch.write_text("".join(f"route {verb} {prefix(i)}/32 via 10.2.0.2\n" for verb in ("add", "del")
                             for i in range(N_ROUTES)))
    with pings_go_on(router), Monitor(router.weir, route=True, text=True) as deaf:
        readers = [Reader(router.weir) for _ in range(2)]
        n_asked = [0]
        is_over = threading.Event()

        def ask():
            with router.weir.rpc() as client:
                while not is_over.wait(0.05):
                    assert client.call("stats.show")["result"]
                    n_asked[0] += 1

        asker = threading.Thread(target=ask)
        asker.start()
        done = router.weir.weirctl("-b", batch, timeout=150)
        is_over.set()
        asker.join()
        assert done.returncode == 0, done.stderr
        assert n_asked[0] >= 5, "the control thread has time for others"
        for reader in readers:
            events = reader.events()
            assert [row["dst"] for row in events] == [prefix(i) for i in range(N_ROUTES)] * 2
            assert [row.get("deleted", False) for row in events] == [False] * N_ROUTES + [True] * N_ROUTES
        n_told = 0
        try:
            while deaf.client.lines.readline():
                n_told += 1
        except ConnectionResetError:
            pass
        assert n_told < 2 * N_ROUTES, "it was cut off"
    assert "client does not read" in router.weir.stderr()
    assert router.weir.quiet()["difference"] == 0
