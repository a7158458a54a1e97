# SPDX-License-Identifier: BSD-3-Clause
"""
Routes while packets flow:

    lan                       weir                       wan
    10.1.0.2/24 [lan0] -- 10.1.0.1/24  10.2.0.1/24 -- [wan0] 10.2.0.2/24, 10.2.0.3/24
                                                      [lo]   203.0.113.0/24, all of it
"""
import threading

import pytest

from harness import wait_until

STATIC = [
    {"to": "203.0.113.0/24", "via": "10.2.0.2"},
    {"to": "198.18.0.0/15", "type": "blackhole"},
]


@pytest.fixture(scope="module")
def net(module_lab):
    lab = module_lab.router(routes=STATIC)
    lab.wan.ip("address", "add", "10.2.0.3/24", "dev", "wan0")
    # Replies come from whatever address was asked.
    lab.wan.ip("route", "add", "local", "203.0.113.0/24", "dev", "lo")
    return lab


def route(weir, dst):
    return weir.row("route", "show", dst=dst)


class Stream:
    """Numbered datagrams from lan to wan, as long as it is open; counts what arrives."""

    def __init__(self, net, destination):
        self.receiver = net.wan.udp_socket("0.0.0.0", 7000)
        self.sender = net.lan.udp_socket("10.1.0.2")
        self.destination = (destination, 7000)
        self.n_sent = 0
        self.seen = []
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.send), threading.Thread(target=self.receive)]

    def send(self):
        while not self.done.wait(0.001):
            self.sender.sendto(b"%d" % self.n_sent, self.destination)
            self.n_sent += 1
        for _ in range(20):
            self.sender.sendto(b"end", self.destination)

    def receive(self):
        while (data := self.receiver.recv(100)) != b"end":
            self.seen.append(int(data))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_until(lambda: len(self.seen) > 50, what="the stream flows")
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join(20)
        self.sender.close()
        self.receiver.close()

    def advance(self, n=20):
        """Lets so many more arrive."""
        goal = len(self.seen) + n
        wait_until(lambda: len(self.seen) >= goal, what=f"{n} more datagrams")


def test_connected_and_static_routes_are_shown_with_the_keys_of_ip_route(net):
    connected, static = route(net.weir, "10.1.0.0/24"), route(net.weir, "203.0.113.0/24")
    assert (connected["dev"], connected["protocol"]) == ("lan", "kernel")
    assert "gateway" not in connected
    assert (static["gateway"], static["dev"]) == ("10.2.0.2", "wan")
    for row in net.weir.ctl("route", "show"):
        assert isinstance(row["flags"], list) and isinstance(row["protocol"], str)
    theirs = net.lan.ip_json("route", "show", "default")[0]
    assert {"dst", "gateway", "dev", "protocol", "flags"} - {"protocol"} <= set(theirs) & set(static)
    assert route(net.weir, "198.18.0.0/15")["type"] == "blackhole"


def test_route_get_tells_the_way(net):
    (far,) = net.weir.ctl("route", "get", "203.0.113.9")
    assert (far["dst"], far["gateway"], far["dev"], far["prefsrc"]) == ("203.0.113.9", "10.2.0.2", "wan", "10.2.0.1")
    (near,) = net.weir.ctl("route", "get", "10.1.0.77")
    assert (near["dst"], near["dev"], near["prefsrc"]) == ("10.1.0.77", "lan", "10.1.0.1")
    assert "gateway" not in near
    (from_lan,) = net.weir.ctl("route", "get", "203.0.113.9", "from", "10.1.0.2", "iif", "lan")
    assert from_lan["gateway"] == "10.2.0.2"


@pytest.mark.parametrize("dst", ["8.8.8.8", "198.18.0.1"], ids=["no_route", "blackhole"])
def test_route_get_fails_where_nothing_leads(net, dst):
    status, line = net.weir.refused("route", "get", dst)
    assert status == 1 and line


def test_routes_come_and_go_by_command(net):
    weir = net.weir
    sent, received, _ = net.lan.ping("10.99.0.1", count=1, wait=1)
    assert received == 0
    net.wan.ip("address", "add", "10.99.0.1/32", "dev", "lo")
    weir.ctl("route", "add", "10.99.0.0/16", "via", "10.2.0.2", "dev", "wan", "metric", "7")
    row = route(weir, "10.99.0.0/16")
    assert (row["gateway"], row["dev"], row["metric"]) == ("10.2.0.2", "wan", 7)
    sent, received, output = net.lan.ping("10.99.0.1")
    assert (sent, received) == (3, 3), output
    weir.ctl("route", "del", "10.99.0.0/16", "metric", "7")
    assert route(weir, "10.99.0.0/16") is None
    _, _, output = net.lan.ping("10.99.0.1", count=1, wait=1)
    assert "Net Unreachable" in output


def test_the_longest_prefix_and_then_the_lowest_metric_win(net):
    weir = net.weir
    for words in (["10.98.0.0/16", "via", "10.2.0.2"], ["10.98.1.0/24", "via", "10.2.0.3"],
                  ["10.98.1.0/24", "via", "10.2.0.4", "metric", "50"], ["10.98.1.7", "via", "10.2.0.5"]):
        weir.ctl("route", "add", *words)

    def gateway(address):
        return weir.ctl("route", "get", address)[0]["gateway"]

    assert (gateway("10.98.2.1"), gateway("10.98.1.1"), gateway("10.98.1.7")) == ("10.2.0.2", "10.2.0.3", "10.2.0.5")
    weir.ctl("route", "del", "10.98.1.0/24", "via", "10.2.0.3")
    assert gateway("10.98.1.1") == "10.2.0.4"
    weir.ctl("route", "del", "10.98.1.0/24")
    weir.ctl("route", "del", "10.98.1.7")
    assert (gateway("10.98.1.1"), gateway("10.98.1.7")) == ("10.2.0.2", "10.2.0.2")
    weir.ctl("route", "del", "10.98.0.0/16")
    assert not [row for row in weir.ctl("route", "show") if row["dst"].startswith("10.98.")]


def test_the_default_route_is_called_default(net):
    net.weir.ctl("route", "add", "default", "via", "10.2.0.2")
    assert route(net.weir, "default")["gateway"] == "10.2.0.2"
    net.weir.ctl("route", "del", "default")
    assert route(net.weir, "default") is None


@pytest.mark.parametrize("words, status", [
    (["add", "203.0.113.0/24", "via", "10.2.0.3"], 1),   # exists
    (["del", "10.55.0.0/16"], 1),                        # does not exist
    (["add", "10.55.0.0/16", "via", "172.16.0.1"], 1),   # gateway is on no link
    (["add", "10.55.0.0/16", "via", "10.1.0.1"], 1),     # gateway is weir itself
    (["add", "10.55.0.0/16", "dev", "nowhere"], 1),
    (["add", "10.55.0.0/33", "via", "10.2.0.2"], 2),
    (["add", "10.55.0.0/16", "via", "not-an-address"], 2),
    (["add"], 2),
    (["add", "10.55.0.0/16", "via", "10.2.0.2", "weight-watchers"], 2),
], ids=lambda value: " ".join(value) if isinstance(value, list) else str(value))
def test_a_wrong_route_command_changes_nothing(net, words, status):
    before = net.weir.ctl("route", "show")
    assert net.weir.refused("route", *words)[0] == status
    assert net.weir.ctl("route", "show") == before


def test_no_datagram_is_lost_while_routes_change(net):
    """Replaces the flow's own route, adds and deletes others around it, fifty times."""
    weir = net.weir
    for gateway in ("10.2.0.2", "10.2.0.3"):
        weir.ctl("route", "replace", "203.0.113.0/24", "via", gateway)
        net.lan.ping("203.0.113.1", count=1)
    with Stream(net, "203.0.113.1") as stream:
        for i in range(50):
            weir.ctl("route", "replace", "203.0.113.0/24", "via", f"10.2.0.{2 + i % 2}")
            weir.ctl("route", "add", "203.0.113.1", "via", "10.2.0.2")
            weir.ctl("route", "add", f"203.0.{i}.0/24", "via", "10.2.0.2")
            stream.advance(5)
            weir.ctl("route", "del", "203.0.113.1")
            weir.ctl("route", "del", f"203.0.{i}.0/24")
    assert stream.seen == list(range(stream.n_sent))
    assert weir.quiet()["difference"] == 0


def test_a_deleted_route_stops_the_flow_and_a_new_one_resumes_it(net):
    weir = net.weir
    weir.ctl("route", "replace", "203.0.113.0/24", "via", "10.2.0.2")
    with Stream(net, "203.0.113.1") as stream:
        weir.ctl("route", "replace", "203.0.113.0/24", "type", "blackhole")
        before = weir.drops()
        wait_until(lambda: weir.drops() > before + 20, what="the flow falls into the hole")
        weir.ctl("route", "replace", "203.0.113.0/24", "via", "10.2.0.2")
        stream.advance(50)
    assert len(stream.seen) < stream.n_sent
    assert stream.seen == sorted(set(stream.seen))
    assert weir.quiet()["difference"] == 0


def test_many_routes_come_and_go_in_lists_and_are_shown_in_order(net):
    """Several slices each way; another client is served meanwhile."""
    weir = net.weir
    routes = [f"11.{i >> 8}.{i & 255}.0/24" for i in range(20000)]
    with weir.rpc() as client, weir.rpc() as other:
        shuffled = routes[::-1]
        for i in range(0, len(shuffled), 5000):
            items = [{"to": to} for to in shuffled[i:i + 5000]]
            answer = client.call("route.add", routes=items, via="10.2.0.2")
            assert answer["result"] == {"done": 5000}
        shown = client.send("route.show")
        assert "result" in other.call("stats.show")
        answer = client.read()
        assert answer["id"] == shown
        many = [row for row in answer["result"] if row["dst"].startswith("11.")]
        assert [row["dst"] for row in many] == routes
        assert {row["gateway"] for row in many} == {"10.2.0.2"}
        answer = client.call("route.add", routes=[{"to": "12.0.0.0/24"}, {"to": routes[7]}], via="10.2.0.2")
        assert answer["error"]["data"]["index"] == 1 and "routes[1]" in answer["error"]["message"]
        summary = client.call("route.summary")["result"]
        assert summary["families"][0]["protocols"]["boot"] >= len(routes)
        answer = client.call("route.del", routes=[{"to": to} for to in routes + ["12.0.0.0/24"]])
        assert answer["result"] == {"done": len(routes) + 1}
    assert not [row for row in weir.ctl("route", "show") if row["dst"].startswith("11.")]


def test_flows_are_spread_over_next_hops_from_the_command_line(net):
    weir = net.weir
    weir.ctl("route", "add", "203.0.112.0/24", "nexthop", "via", "10.2.0.2", "weight", "2", "nexthop", "via", "10.2.0.3")
    row = route(weir, "203.0.112.0/24")
    assert [(hop["gateway"], hop["dev"], hop["weight"], hop["flags"]) for hop in row["nexthops"]] == [
        ("10.2.0.2", "wan", 2, []), ("10.2.0.3", "wan", 1, [])]
    taken = {weir.ctl("route", "get", f"203.0.112.{i}")[0]["gateway"] for i in range(100)}
    assert taken == {"10.2.0.2", "10.2.0.3"}
    weir.ctl("route", "del", "203.0.112.0/24")
