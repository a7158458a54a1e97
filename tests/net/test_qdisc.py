# SPDX-License-Identifier: BSD-3-Clause
"""
Traffic control as the hosts on both sides, and the words of tc(8), see it:

    lan                       weir                       wan
    10.1.0.2/24 [lan0] -- 10.1.0.1/24  10.2.0.1/24 -- [wan0] 10.2.0.2/24

What goes from lan to wan is shaped, or what a test says. qdisc_lab.py tells which claims hold on any machine.
"""
import json
import re
import socket
import statistics
import subprocess
import threading
import time

import pytest

from gateway_lab import weir_gateway
from harness import ROOT, program, run, wait_until
from qdisc_lab import (Flood, Sink, Source, Streams, after, call, kernel_counter, measured,
                       median_ping, never_faster, ping_times, qdisc, rate_of, shaped, since, traffic_class, within)

LAN, WAN = "10.1.0.2", "10.2.0.2"
TBF = {"kind": "tbf", "rate": "1mbit", "burst": "32kbit", "latency": "400ms"}
PRIO = {"kind": "prio", "bands": 3, "filters": [{"proto": "tcp", "dport": 22, "band": 0}], "default_band": 1}
# A queue of a second and more, where a test wants one.
TBF_20 = {"kind": "tbf", "rate": "20mbit", "burst": "10kb", "limit": "4mb"}


@pytest.fixture(scope="module", name="net")
def net_fixture(module_lab):
    net = module_lab.router()
    for host in (net.lan, net.wan):
        host.sysctl("net.ipv4.tcp_ecn=0")
    wait_until(lambda: net.lan.ping(WAN, count=1)[1] == 1, what="wan is reached")
    yield net
    assert net.weir.quiet()["difference"] == 0


def flood(net, port, rate, **options):
    return Flood(net.lan, LAN, WAN, port, rate, **options)


def sink(net, port):
    return Sink(net.wan, WAN, port)


# A rate, and how long it makes wait


def test_a_tbf_lets_its_rate_pass_and_a_full_queue_waits_for_its_latency(net):
    def attempt():
        with shaped(net.weir, **TBF), sink(net, 7001) as out:
            with flood(net, 7001, 3e6):
                wait_until(lambda: len(out.take()) > 1 and after(out.arrivals, 2.5), what="there is a load")
                row = qdisc(net.weir, "tbf")
            arrivals = out.take()
        # As in tc the limit is what the rate carries within the latency, and a burst of 33 ms.
        assert row["drops"] > 0 and row["backlog"] <= row["options"]["limit"] == 50000 + 4096
        never_faster(arrivals, 1e6, 4096)
        steady = after(arrivals, 1)
        within(0.95e6, rate_of(steady), 1.05e6, "bit/s")
        within(0.38, statistics.median(one.at - one.sent for one in steady), 0.45, "seconds in a full queue")

    measured(attempt)


# Bands


def echo_server(host, port):
    """Gives back what one client sends."""
    with host.entered():
        listener = socket.create_server((WAN, port))

    def serve():
        with listener, listener.accept()[0] as peer:
            while data := peer.recv(1000):
                peer.sendall(data)

    threading.Thread(target=serve, daemon=True).start()


def round_trips(host, port, n):
    """Seconds that each takes, over one connection."""
    times = []
    with host.entered():
        sock = socket.socket()
    with sock:
        sock.settimeout(30)
        sock.connect((WAN, port))
        for _ in range(n):
            start = time.monotonic()
            sock.sendall(b"x" * 100)
            assert sock.recv(1000)
            times.append(time.monotonic() - start)
    return times


@pytest.fixture(name="full_band")
def full_band_fixture(net):
    """The contract's bands below its slow link, the second of them full: 1000 packets, 1.5 s."""
    with shaped(net.weir, kind="tbf", rate="8mbit", burst="2kb", latency="5s", child=PRIO), sink(net, 7001), \
            flood(net, 7001, 16e6):
        wait_until(lambda: band(net, 1)["stats"]["qlen"] >= 990, 30, "the band is full")
        yield
        assert band(net, 1)["stats"]["qlen"] >= 900


def band(net, number):
    return traffic_class(net.weir, f"2:{number + 1}")


def test_ssh_does_not_wait_behind_a_full_band(net, full_band):
    echo_server(net.wan, 22)
    before = band(net, 0)["stats"]
    assert max(round_trips(net.lan, 22, 20)) < 0.75
    n_packets, n_drops = since(before, band(net, 0)["stats"], "packets", "drops")
    assert n_packets >= 20 and n_drops == 0
    assert min(ping_times(net.lan, WAN, n=30, interval=0.02)) > 1000, "what is no ssh waits"


def test_bulk_over_ssh_leaves_little_to_the_bands_below(net, full_band):
    def attempt():
        bands = [band(net, number)["stats"] for number in range(3)]
        time.sleep(1)
        (first,), (second,), (third,) = (since(then, band(net, number)["stats"], "bytes")
                                         for number, then in enumerate(bands))
        assert third == 0
        within(0.8, first / (first + second), 1, "share of ssh")

    with Streams(net.lan, net.wan, WAN, 1, port=22):
        measured(attempt, 10)


# Classes


def htb(*classes, **settings):
    """Classes below one of 10 mbit, each for the port 7001, 7002 ..."""
    leaves = [{"parent": "all", **one} for one in classes]
    filters = [{"proto": "udp", "dport": 7001 + i, "class": one["name"]} for i, one in enumerate(classes)]
    return {"kind": "htb", "default": classes[-1]["name"], "filters": filters,
            "classes": [{"name": "all", "rate": "10mbit"}, *leaves], **settings}


BORROWERS = htb({"name": "a", "rate": "7mbit", "ceil": "10mbit"}, {"name": "b", "rate": "3mbit", "ceil": "10mbit"})


def steady_rates(sinks, seconds=1.5):
    """What comes to each from now on, once their queues are in balance."""
    time.sleep(0.2)
    for one in sinks:
        one.take().clear()
    time.sleep(seconds)
    return [rate_of(one.take()) for one in sinks]


def test_classes_of_an_htb_have_what_they_are_sure_of(net):
    def attempt():
        with flood(net, 7001, 12e6), flood(net, 7002, 12e6):
            a, b = steady_rates(sinks)
        for one in sinks:
            never_faster(one.arrivals, 10e6, 15000)
        within(0.66, a / (a + b), 0.74, "share of a class")
        within(9.5e6, a + b, 10.1e6, "both")

    with shaped(net.weir, **BORROWERS), sink(net, 7001) as one, sink(net, 7002) as other:
        sinks = [one, other]
        measured(attempt)


def test_a_class_borrows_what_others_leave_and_gives_it_back(net):
    def attempt():
        before = traffic_class(net.weir, "b")
        with flood(net, 7002, 14e6):
            (alone,) = steady_rates([other])
            lost = traffic_class(net.weir, "a")["stats"]["drops"]
            with flood(net, 7001, 2e6):
                first, second = steady_rates([one, other])
        assert since(before, traffic_class(net.weir, "b"), "borrowed")[0] > 0
        assert traffic_class(net.weir, "a")["stats"]["drops"] == lost, "what is sure is not dropped"
        never_faster(other.arrivals, 10e6, 15000)
        within(9.5e6, alone, 10.1e6, "the class alone")
        within(1.8e6, first, 2.2e6, "another that does not use up its rate")
        within(7.5e6, second, 8.3e6, "the class beside that")

    with shaped(net.weir, **BORROWERS), sink(net, 7001) as one, sink(net, 7002) as other:
        measured(attempt)


def test_a_ceil_is_not_passed_though_nobody_else_sends(net):
    def attempt():
        with flood(net, 7001, 10e6):
            (rate,) = steady_rates([out])
        never_faster(out.arrivals, 2e6, 4200)
        within(1.9e6, rate, 2.1e6, "bit/s")

    classes = {"name": "a", "rate": "1mbit", "ceil": "2mbit"}, {"name": "b", "rate": "1mbit"}
    with shaped(net.weir, **htb(*classes)), sink(net, 7001) as out:
        measured(attempt)


# Short queues


def loaded_ping(net, child):
    """Milliseconds beside eight streams, once the queue has become what it stays."""
    with shaped(net.weir, **TBF_20, child=child), Streams(net.lan, net.wan, WAN, 8):
        wait_until(lambda: qdisc(net.weir, "tbf")["packets"] > 2500, 30, "there is a load")
        return median_ping(net.lan, WAN, n=30)


def test_fq_codel_keeps_a_ping_quick_beside_streams_that_fill_a_pfifo(net):
    def attempt():
        idle = median_ping(net.lan, WAN)
        slow = loaded_ping(net, {"kind": "pfifo", "limit": 1000})
        quick = loaded_ping(net, {"kind": "fq_codel"})
        within(idle + 150, slow, 1000, "milliseconds, pfifo")
        within(0, quick, idle + 30, "milliseconds, fq_codel")

    measured(attempt)


@pytest.fixture(name="ecn")
def ecn_fixture(net):
    for host in (net.lan, net.wan):
        host.sysctl("net.ipv4.tcp_ecn=1")
    yield
    for host in (net.lan, net.wan):
        host.sysctl("net.ipv4.tcp_ecn=0")


def congested(net):
    """The fq_codel after streams had to slow down, and how many marks arrived."""
    came = kernel_counter(net.wan, "IpExtInCEPkts")
    with shaped(net.weir, **TBF_20, child={"kind": "fq_codel"}):
        with Streams(net.lan, net.wan, WAN, 4):
            wait_until(lambda: qdisc(net.weir, "fq_codel")["ecn_mark"] + qdisc(net.weir, "fq_codel")["drops"] > 20, 30,
                       "fq_codel has something to say")
        wait_until(lambda: qdisc(net.weir, "tbf")["qlen"] == 0, what="the queue is empty")
        return qdisc(net.weir, "fq_codel"), kernel_counter(net.wan, "IpExtInCEPkts") - came


def test_packets_of_streams_that_know_ecn_are_marked_in_place_of_dropped(net, ecn):
    row, n_came = congested(net)
    assert row["ecn_mark"] == n_came > 20
    assert row["drops"] < row["ecn_mark"] / 10, "but retransmissions, which nobody may mark"


def test_packets_of_streams_that_do_not_know_ecn_are_dropped(net):
    row, n_came = congested(net)
    assert row["ecn_mark"] == n_came == 0 and row["drops"] > 20


# Hosts behind NAT


@pytest.mark.parametrize("per, low, high", [("source", 0.5, 2), ("flow", 4, 20)])
def test_hosts_behind_nat_share_as_per_says(gateway, per, low, high):
    """One of them has ten connections, the other one. Behind the translation they are one address."""
    child = {"kind": "fq_codel", "per": per, "flows": 65536}

    def n_bytes(host):
        return sum(row["orig"]["bytes"] for row in gateway.weir.ctl("conntrack", "list", "-p", "tcp")
                   if row["orig"]["src"] == host)

    def attempt():
        hosts = (LAN, "10.3.0.2")
        before = [n_bytes(host) for host in hosts]
        time.sleep(1.5)
        many, one = (n_bytes(host) - then for host, then in zip(hosts, before))
        within(low, many / max(one, 1), high, "ten connections to one")

    with shaped(gateway.weir, **TBF_20, child=child), Streams(gateway.lan, gateway.wan, WAN, 10, port=5201), \
            Streams(gateway.inner, gateway.wan, WAN, 1, port=5202):
        wait_until(lambda: qdisc(gateway.weir, "tbf")["packets"] > 2000, 30, "there is a load")
        measured(attempt, 8)


@pytest.fixture(scope="module", name="gateway")
def gateway_fixture(module_lab_of_its_own):
    yield weir_gateway(module_lab_of_its_own)
    assert module_lab_of_its_own.weir.quiet()["difference"] == 0


# Several workers


def test_a_rate_is_one_rate_whichever_worker_packets_come_to(lab):
    """What comes from lan is handed over to the worker that has wan, whose own answers pass the same qdisc."""
    lab.router(workers={"lcores": "0-1", "idle": "adaptive"})
    wait_until(lambda: lab.lan.ping(WAN, count=1)[1] == 1, what="wan is reached")

    def attempt():
        with shaped(lab.weir, kind="tbf", rate="2mbit", burst="4kb", latency="100ms"), sink(lab, 7001) as out:
            pings = lab.wan.popen("ping", "-q", "-n", "-i", "0.02", "-s", 1000, "10.2.0.1", stdout=subprocess.DEVNULL)
            with flood(lab, 7001, 4e6):
                wait_until(lambda: len(out.take()) > 1 and after(out.arrivals, 1.5), what="there is a load")
            arrivals = list(out.arrivals)
            total = qdisc(lab.weir, "tbf")["bytes"]
            pings.kill()
        never_faster(arrivals, 2e6, 4096)
        assert total > sum(one.size for one in arrivals), "answers to pings are in it"
        within(1.2e6, rate_of(arrivals), 1.95e6, "bit/s that pings leave")

    measured(attempt)
    assert {row["worker"] for row in lab.weir.ctl("worker", "show") if row["packets"] > 0} == {0, 1}
    assert lab.weir.quiet()["difference"] == 0


# Changes while packets wait


KINDS = [
    {"kind": "tbf", "rate": "4mbit", "burst": "4kb", "limit": "500kb"},
    {"kind": "prio"},
    {"kind": "tbf", "rate": "5mbit", "burst": "4kb", "limit": "500kb", "child": {"kind": "fq_codel"}},
    {"kind": "htb", "default": "a", "classes": [{"name": "a", "rate": "4mbit"}]},
    {"kind": "htb", "default": "b", "classes": [{"name": "b", "rate": "6mbit", "child": PRIO}]},
    {"kind": "fq_codel"},
]


def test_a_qdisc_that_is_replaced_under_load_loses_nothing(net):
    n_wanted, n_ahead = 2000, 150
    before = net.weir.drops()
    with shaped(net.weir, **KINDS[0]), sink(net, 7001) as out, Source(net.lan, LAN, WAN, 7001, size=500) as source:
        while source.n_sent < n_wanted:
            wait_until(lambda: source.n_sent - len(out.take()) < n_ahead, what="there is room for another one")
            if source.n_sent % 40 == 0:
                call(net.weir, "qdisc.replace", dev="wan", **KINDS[source.n_sent // 40 % len(KINDS)])
            source.send()
        wait_until(lambda: len(out.take()) == n_wanted, what="all have come")
    # Each once. One that comes into an fq_codel from another kind of queue may overtake those before it.
    assert sorted(one.number for one in out.arrivals) == list(range(n_wanted))
    assert net.weir.drops() == before


def test_a_worker_that_slept_through_changes_takes_the_last_one(net):
    with shaped(net.weir, **KINDS[0]):
        net.weir.quiet()
        with net.weir.workers_stopped():
            for settings in KINDS * 2:
                call(net.weir, "qdisc.replace", dev="wan", **settings)
                net.weir.ctl("stats", "show")  # takes long enough for what can be freed to be freed
        assert net.lan.ping(WAN)[1] == 3
        wait_until(lambda: qdisc(net.weir, KINDS[-1]["kind"])["packets"] >= 3, what="the last one counts")


def test_a_rate_that_is_changed_is_another_one_at_once_and_what_waits_stays(net):
    def attempt():
        n_gone = net.weir.drops("qdisc_gone")
        with shaped(net.weir, **TBF_20), sink(net, 7001) as out, flood(net, 7001, 20e6):
            rates = []
            for rate in (4, 12):
                net.weir.ctl("qdisc", "change", "dev", "wan", "root", "kind", "tbf", "rate", f"{rate}mbit")
                rates += steady_rates([out], 1)
                never_faster(out.arrivals, rate * 1e6, 10240)
            assert net.weir.drops("qdisc_gone") == n_gone
        within(3.8e6, rates[0], 4.2e6, "bit/s")
        within(11.4e6, rates[1], 12.6e6, "bit/s")

    measured(attempt)


def test_what_waits_in_a_qdisc_that_is_deleted_is_dropped_by_name_and_the_rest_passes(net):
    def n_gone():
        return net.weir.drops("qdisc_gone") - before

    before = net.weir.drops("qdisc_gone")
    with sink(net, 7001) as out, Source(net.lan, LAN, WAN, 7001) as source:
        with shaped(net.weir, kind="tbf", rate="8kbit", burst="2kb", limit="1mb"):
            for _ in range(50):
                source.send()
            wait_until(lambda: qdisc(net.weir, "tbf")["qlen"] + len(out.take()) == 50, what="all wait")
            waiting = qdisc(net.weir, "tbf")["qlen"]
        assert net.weir.ctl("qdisc", "show") == []
        wait_until(lambda: n_gone() > 0, what="they are gone")
        # One may have left meanwhile.
        assert 40 < waiting - 1 <= n_gone() <= waiting
        for _ in range(20):
            source.send()
        wait_until(lambda: len(out.take()) == 70 - n_gone(), what="those that come now pass")
        assert [one.number for one in out.arrivals][-20:] == list(range(50, 70))


# In the words of tc(8)


# What is said to both, in the words of either.
SAME = {"tbf": {"rate": "1mbit", "burst": "32kbit", "latency": "400ms"}, "pfifo": {"limit": "77"},
        "bfifo": {"limit": "9999"}}
# What ours say of it besides, or not: a default is a class of that name, and a device's own queue is no concern here.
HTB_OPTIONS = {"r2q": 10, "default": "low"}
HTB_CLASSES = {"all": {"rate": "10mbit", "ceil": "20mbit", "burst": "15kb", "cburst": "20kb"},
               "high": {"rate": "1mbit", "ceil": "20mbit", "prio": 1, "quantum": 1600, "burst": "4kb", "cburst": "5kb"},
               "low": {"rate": "8mbit", "prio": 3, "quantum": 2000, "burst": "6kb", "cburst": "7kb"}}
COUNTERS = ("bytes", "packets", "drops", "overlimits", "requeues", "backlog", "qlen")
UNITS = {"": 1, "b": 1, "Kb": 1024, "Mbit": 125000}


@pytest.fixture(scope="module", name="linux")
def linux_fixture(module_lab):
    host = module_lab.namespace("tc")
    host.ip("link", "add", "tc0", "type", "veth", "peer", "name", "tc1")
    return host


def tc(host, *words):
    return host.exec("tc", *words).stdout


def words_of(settings):
    return [word for pair in settings.items() for word in pair]


def kernel_qdisc(host, kind, *words):
    host.exec("tc", "qdisc", "del", "dev", "tc0", "root", check=False)
    tc(host, "qdisc", "add", "dev", "tc0", "root", "handle", "1:", kind, *words)
    (row,) = json.loads(tc(host, "-s", "-j", "qdisc", "show", "dev", "tc0"))
    return row


@pytest.mark.parametrize("kind", SAME)
def test_qdisc_show_has_the_fields_and_values_of_tc(net, linux, kind):
    theirs = kernel_qdisc(linux, kind, *words_of(SAME[kind]))
    with shaped(net.weir, kind=kind, **SAME[kind]):
        ours = qdisc(net.weir, kind)
    # That is how many of the kernel's own hold it.
    assert theirs.keys() - ours.keys() == {"refcnt"}
    assert all(isinstance(ours[key], int) for key in COUNTERS)
    assert {key: ours[key] for key in ("kind", "handle", "root")} == {
        key: theirs[key] for key in ("kind", "handle", "root")}
    assert {key: ours["options"].get(key) for key in theirs["options"]} == theirs["options"]


def number_of(text):
    found = re.fullmatch(r"(\d+)([A-Za-z]*)(/1)?", text)
    return int(found[1]) * UNITS[found[2]]


def kernel_class(host, handle):
    """This tc has no JSON for classes."""
    text = tc(host, "-d", "class", "show", "dev", "tc0")
    (line,) = [line for line in text.splitlines() if line.startswith(f"class htb {handle} ")]
    pairs = dict(re.findall(r"(rate|ceil|burst|cburst|prio|quantum|level) (\S+)", line))
    return {key: number_of(value) for key, value in pairs.items()}


def test_htb_and_its_classes_have_the_fields_and_values_of_tc(net, linux):
    theirs = kernel_qdisc(linux, "htb", "default", "12")
    for i, (name, settings) in enumerate(HTB_CLASSES.items()):
        tc(linux, "class", "add", "dev", "tc0", "parent", "1:" if i == 0 else "1:10", "classid", f"1:1{i}", "htb",
           *words_of(settings))
    classes = [{"name": name, **({"parent": "all"} if name != "all" else {}), **settings}
               for name, settings in HTB_CLASSES.items()]
    with shaped(net.weir, kind="htb", default="low", classes=classes):
        ours = qdisc(net.weir, "htb")
        rows = [traffic_class(net.weir, name) for name in HTB_CLASSES]
    assert theirs.keys() - ours.keys() == {"refcnt"}
    assert ours["options"] == {key: theirs["options"][key] for key in HTB_OPTIONS.keys() - {"default"}} | HTB_OPTIONS
    for i, row in enumerate(rows):
        wanted = kernel_class(linux, f"1:1{i}")
        assert {key: row[key] for key in wanted} == wanted, row
        assert row.keys() >= {"handle", "lended", "borrowed", "tokens", "ctokens", "stats"}
        assert row["stats"].keys() == set(COUNTERS) - {"requeues"}


def test_the_page_about_it_shows_what_works(lab):
    """Its configuration, and its commands one after the other."""
    text = (ROOT / "docs" / "qos.md").read_text(encoding="utf-8")
    (conf,) = re.findall(r"^((?:    .*\n)*    qdiscs = \(\n(?:    .*\n)+)", text, re.MULTILINE)
    commands = re.findall(r"^    weirctl (.*)$", text, re.MULTILINE)
    assert len(commands) > 10
    weir = lab.daemon("", netns=lab.namespace("gw"))
    weir.conf.write_text(f'memory: {{ hugepages = "off"; mbufs = 8192; }};\ncontrol: {{ socket = "{weir.socket}"; }};\n{conf}',
                         encoding="utf-8")
    assert run(program("weir"), "-c", weir.conf, "--check").stderr == ""
    weir.start()
    for words in commands:
        done = weir.weirctl(*words.split())
        assert (done.returncode, done.stderr) == (0, ""), words
    assert [row["dev"] for row in weir.ctl("qdisc", "show") if row.get("root")] == ["wan"]


def test_config_show_gives_back_what_runs(net, lab):
    bulk = {"kind": "fq_codel", "target": "15ms", "per": "source"}
    classes = [{"name": "a", "rate": "7mbit", "ceil": "10mbit", "prio": 1, "child": bulk},
               {"name": "b", "rate": "3mbit"}]
    with shaped(net.weir, **htb(*classes, overhead=18, linklayer="atm")), shaped(net.weir, "lan", **PRIO):
        net.weir.ctl("class", "change", "dev", "wan", "name", "b", "rate", "2mbit")
        shown = net.weir.weirctl("config", "show").stdout
        rows = [net.weir.ctl(what, "show") for what in ("qdisc", "class", "filter")]
    other = lab.daemon(shown.replace(net.weir.socket, "control.sock"), netns=lab.namespace("gw"))
    other.socket = str(other.dir / "control.sock")
    assert run(program("weir"), "-c", other.conf, "--check").stderr == ""
    other.start()
    for what, before in zip(("qdisc", "class", "filter"), rows):
        assert before and settings_of(other.ctl(what, "show")) == settings_of(before)


def settings_of(rows):
    """Without what is counted."""
    counted = {*COUNTERS, "stats", "lended", "borrowed", "tokens", "ctokens", "maxpacket", "new_flow_count"}
    return [{key: value for key, value in row.items() if key not in counted} for row in rows]
