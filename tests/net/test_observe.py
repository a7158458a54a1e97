# SPDX-License-Identifier: BSD-3-Clause
"""
What weir tells of itself: drops, statistics, workers, graph, trace, tunables.

    10.1.0.2 [lan0] -- 10.1.0.1/24 weir 10.2.0.1/24 -- [wan0] 10.2.0.2
"""
import json
import re
import subprocess

from harness import program, wait_until


def test_each_drop_is_in_one_named_row(router):
    weir = router.weir
    weir.ctl("route", "replace", "192.0.2.0/24", "type", "blackhole")
    before = weir.drops()
    router.lan.ping("192.0.2.1", count=4, wait=1)
    wait_until(lambda: weir.drops() == before + 4, what="four drops")
    for row in weir.ctl("drop", "show"):
        assert re.fullmatch(r"[a-z0-9_]+", row["reason"]) and row["node"] and row["packets"] > 0
        assert row["help"] and not row["help"].endswith(".")
    pairs = [(row["reason"], row["node"]) for row in weir.ctl("drop", "show")]
    assert len(pairs) == len(set(pairs))
    stats = weir.quiet()
    assert stats["dropped"] == weir.drops()
    assert stats["difference"] == 0


def test_stats_show_has_exactly_the_terms_of_the_balance(router):
    assert set(router.weir.ctl("stats", "show")) == {
        "rx", "originated", "cloned", "fragments", "tx", "punted", "consumed", "held", "dropped", "difference"}


def test_worker_show_tells_its_load(router):
    router.lan.ping("10.2.0.2", count=20, interval=0.01)
    (row,) = router.weir.ctl("worker", "show")
    assert row["worker"] == 0 and row["packets"] >= 40
    assert 0 <= row["busy_percent"] <= 100
    assert row["cycles_per_packet"] > 0


def test_an_idle_worker_sleeps(router):
    router.weir.quiet()
    before = router.weir.ctl("worker", "show")[0]["sleeps"]
    wait_until(lambda: router.weir.ctl("worker", "show")[0]["sleeps"] > before, what="it sleeps")


def test_graph_show_counts_each_node(router):
    before = {row["node"]: row for row in router.weir.ctl("graph", "show")}
    router.lan.ping("10.2.0.2", count=10)
    after = {row["node"]: row for row in router.weir.ctl("graph", "show")}
    assert list(after) == list(before)
    for node in ("rx", "plain", "tx"):
        assert after[node]["calls"] > before[node]["calls"], node
        assert after[node]["packets"] - before[node]["packets"] >= 20, node
    assert {"node", "calls", "packets", "cycles"} <= set(after["tx"])


def test_graph_dot_draws_a_pipeline_that_only_leads_down(router):
    text = router.weir.ctl("graph", "dot")
    assert text.startswith("digraph")
    nodes = re.findall(r"^\s*\"?(\w+)\"? \[label=", text, re.MULTILINE)
    edges = re.findall(r"^\s*\"?(\w+)\"? -> \"?(\w+)\"?", text, re.MULTILINE)
    rank = {node: i for i, node in enumerate(nodes)}
    assert nodes == [row["node"] for row in router.weir.ctl("graph", "show")]
    assert len(edges) > 5
    assert [edge for edge in edges if rank[edge[0]] >= rank[edge[1]]] == []
    plain = router.weir.weirctl("graph", "dot")
    assert plain.returncode == 0 and plain.stdout.startswith("digraph"), "ready for dot(1) without -j"


def trace(router, destination, *words):
    """Runs weirctl until it has its packets, which the pings to destination are; its output."""
    # pylint: disable-next=consider-using-with
    child = subprocess.Popen([program("weirctl"), "-S", router.weir.socket, *words], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def feed():
        router.lan.ping(destination, count=1, wait=0.2)
        return child.poll() is not None

    try:
        wait_until(feed, 30, "weirctl trace has its packets")
    finally:
        child.kill()
        output, errors = child.communicate()
    assert child.returncode == 0, errors
    return output


def test_trace_tells_a_packets_way_through_the_nodes(router):
    router.lan.ping("10.2.0.2", count=1)
    output = trace(router, "10.2.0.2", "-j", "trace", "-c", "1", "icmp[icmptype] == icmp-echo")
    events = [json.loads(line) for line in output.splitlines()]
    (packet,) = [event for event in events if event and "steps" in event]
    nodes = [step["node"] for step in packet["steps"]]
    graph = [row["node"] for row in router.weir.ctl("graph", "show")]
    assert nodes == sorted(nodes, key=graph.index), "one step after the other, downwards"
    assert {"rx", "plain", "ip4_forward", "tx"} <= set(nodes)


def test_trace_is_readable_and_names_the_reason_of_a_drop(router):
    router.weir.ctl("route", "replace", "192.0.2.0/24", "type", "blackhole")
    output = trace(router, "192.0.2.77", "trace", "-c", "1", "host", "192.0.2.77")
    assert "plain" in output and "drop" in output and "blackhole" in output


def test_trace_refuses_a_filter_that_is_none(router):
    status, line = router.weir.refused("trace", "-c", "1", "no such filter")
    assert status == 2 and "filter" in line


def test_one_trace_at_a_time_and_it_ends_when_its_client_leaves(router):
    with router.weir.rpc() as client:
        client.send("trace.start", count=100, filter="host 192.0.2.200")
        client.call("stats.show")  # answers come in order: the trace runs
        status, line = router.weir.refused("trace", "-c", "1", "icmp")
        assert status == 1 and "another trace" in line
    assert trace(router, "10.2.0.2", "trace", "-c", "1", "icmp")


def test_tunables_are_shown_read_and_changed(router):
    weir = router.weir
    names = [row["name"] for row in weir.ctl("sysctl", "show")]
    assert {"ipv4.default_ttl", "ipv4.icmp_msgs_per_sec"} <= set(names)
    assert weir.ctl("sysctl", "get", "ipv4.default_ttl")[0]["value"] == 64
    weir.ctl("sysctl", "set", "ipv4.default_ttl", "33")
    assert "ttl=33" in router.lan.ping("10.1.0.1", count=1)[2]
    weir.ctl("sysctl", "set", "ipv4.default_ttl", "64")
    assert "255" in weir.refused("sysctl", "set", "ipv4.default_ttl", "256")[1]
    assert "no_such" in weir.refused("sysctl", "get", "ipv4.no_such")[1]
    assert "ttl=64" in router.lan.ping("10.1.0.1", count=1)[2]


def test_tables_for_people_have_a_head_and_the_same_rows(router):
    output = router.weir.weirctl("link", "show").stdout.splitlines()
    assert len(output) == 1 + len(router.weir.ctl("link", "show"))
    assert "lan" in output[1] and "wan" in output[2]


def test_pretty_json_is_the_same_json(router):
    plain = router.weir.weirctl("-j", "link", "show").stdout
    pretty = router.weir.weirctl("-j", "-p", "link", "show").stdout
    assert json.loads(plain) == json.loads(pretty)
    assert plain.count("\n") == 1 < pretty.count("\n")


def test_config_show_is_a_configuration_that_passes_the_check(router, tmp_path):
    text = router.weir.weirctl("config", "show").stdout
    assert "10.1.0.1/24" in text
    saved = tmp_path / "saved.conf"
    saved.write_text(text)
    done = subprocess.run([program("weir"), "-c", str(saved), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def what_config_show_covers(weir):
    routes = [{key: value for key, value in row.items() if key != "protocol"} for row in weir.ctl("route", "show")]
    neighbors = [row for row in weir.ctl("neigh", "show") if row["state"] == ["PERMANENT"]]
    policers = [{key: row[key] for key in row if key not in ("green", "yellow", "red", "dropped")}
                for row in weir.ctl("policer", "show")]
    return [weir.ctl("addr", "show"), routes, neighbors, weir.ctl("sysctl", "show"), policers]


def test_config_show_of_a_changed_router_starts_the_same_router(lab):
    weir = lab.router().weir
    for line in ("addr add 10.3.0.1/24 dev lan", "addr del 10.2.0.1/24 dev wan", "addr add 10.2.0.9/24 dev wan",
                 "route add 192.0.2.0/24 via 10.3.0.7 metric 4000000000", "route add 203.0.113.0/24 dev wan",
                 "route add 198.51.100.0/24 via 203.0.113.9", "route add blackhole 10.9.0.0/16",
                 "policer add lan rate 10mbit burst 20kb", "policer add wan rate 1mbit burst 9kb excess_burst 9kb",
                 "policer replace lan rate 20mbit burst 30kb red dscp red_dscp cs1",
                 "neigh add 10.3.0.7 lladdr 02:00:00:00:03:07 dev lan", "link set dev lan mtu 1400",
                 "link set dev lan down", "sysctl set ipv4.default_ttl 33", "sysctl set neigh.locktime 250ms"):
        weir.ctl(*line.split())
    before = what_config_show_covers(weir)
    text = weir.weirctl("config", "show").stdout
    assert weir.stop() == 0
    again = lab.daemon(text, netns=lab.namespace("again"))
    again.socket = weir.socket
    again.start()
    assert what_config_show_covers(again) == before
    assert again.weirctl("config", "show").stdout == text


def shape(value):
    """Keys and types, without values."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


def assert_within(ours, theirs, extra=()):
    """Every field of ours is one of theirs, of the same type; extra ones are not asked for."""
    for key in ours.keys() - set(extra):
        assert key in theirs, f"{key} is not known to ip"
        if isinstance(ours[key], dict):
            assert_within(ours[key], theirs[key], extra)
        elif ours[key] and theirs[key] and isinstance(ours[key], list) and isinstance(ours[key][0], dict):
            assert_within(ours[key][0], theirs[key][0], extra)
        elif ours[key] != [] and theirs[key] != []:
            assert ours[key] == theirs[key], key


def test_json_has_the_fields_of_iproute2(router):
    router.lan.ping("10.2.0.2", count=1)
    router.lan.ip("route", "replace", "192.0.2.0/24", "via", "10.1.0.1", "metric", "7")
    router.weir.ctl("route", "replace", "192.0.2.128/25", "via", "10.1.0.2", "metric", "7")
    for ours, theirs in (
            (["link", "show", "dev", "lan"], ["-d", "link", "show", "dev", "lan0"]),
            (["-s", "link", "show", "dev", "lan"], ["-d", "-s", "link", "show", "dev", "lan0"]),
            (["addr", "show", "dev", "lan"], ["-d", "addr", "show", "dev", "lan0"]),
            (["route", "get", "10.2.0.2"], ["route", "get", "10.1.0.1"]),
            (["route", "get", "192.0.2.130"], ["route", "get", "192.0.2.130"]),
            (["neigh", "show"], ["neigh", "show"])):
        assert_within(shape(router.weir.ctl(*ours)[0]), shape(router.lan.ip_json(*theirs)[0]),
                      ("device", "steering", "rx_vlan_offload", "tx_vlan_offload", "broadcast"))
    connected = (router.weir.row("route", "show", dst="10.1.0.0/24"), "10.1.0.0/24")
    behind = (router.weir.row("route", "show", dst="192.0.2.128/25"), "192.0.2.0/24")
    for row, dst in (connected, behind):
        (theirs,) = [other for other in router.lan.ip_json("route", "show") if other["dst"] == dst]
        # ip leaves out the protocol "boot" of what was added by hand.
        theirs.setdefault("protocol", "boot")
        assert_within(shape(row), shape(theirs))
        assert {key: row.get(key) for key in ("protocol", "scope", "metric", "flags")} == {
            key: theirs.get(key) for key in ("protocol", "scope", "metric", "flags")}
    assert router.weir.ctl("route", "get", "10.1.0.2")[0].keys() >= {"dst", "dev", "prefsrc"}


def test_addresses_for_people_have_their_lengths(router):
    assert "10.1.0.1/24" in router.weir.weirctl("addr", "show", "dev", "lan").stdout


def test_refused_routes_say_which_kind_they_are(router):
    for kind in ("blackhole", "unreachable", "prohibit"):
        router.weir.ctl("route", "replace", "192.0.2.64/26", "type", kind)
        status, line = router.weir.refused("route", "get", "192.0.2.65")
        assert status == 1 and f"{kind} route" in line
    router.weir.ctl("route", "del", "192.0.2.64/26")


def test_rpc_list_names_what_weirctl_can_say(router):
    with router.weir.rpc() as client:
        methods = {f'{row["object"]}.{row["verb"]}' for row in client.call("rpc.list")["result"]}
    assert {"link.show", "link.set", "addr.add", "route.add", "route.get", "neigh.replace", "stats.show", "drop.show",
            "worker.show", "graph.dot", "sysctl.set", "config.show", "rpc.list"} <= methods
