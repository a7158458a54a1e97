# SPDX-License-Identifier: BSD-3-Clause
"""The cases of scripts/bench: what is run in turn, and what is made of the figures."""
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time

import lab

PCAP_FRAMES_MAX = 4096


class Load:
    """A source of packets: the device string, and what has to be in the environment."""

    def __init__(self, args, directory, family, size, n_packets, n_queues=1, name="load", vids=(None,), half=None):
        load = lab.packets(lab.rng_of(2), family, size, n_packets, half)
        self.env, self.cost = {}, None
        if n_packets <= PCAP_FRAMES_MAX:
            path = f"{directory}/{name}.pcap"
            lab.write_pcap(path, load, vids)
            self.device = f"net_pcap{half or 0}" + f",rx_pcap={path}" * n_queues + ",infinite_rx=1"
            return
        lab.write_records(f"{directory}/{name}.gen", load)
        self.cost = f"{directory}/{name}.cost"
        self.device = f"net_null0,size={lab.SIZES[size][-1]}"
        self.env = {"LD_PRELOAD": lab.build_generator(args.build), "BENCH_GEN": f"{directory}/{name}.gen",
                    "BENCH_GEN_COST": self.cost}

    def generator_cycles(self):
        if self.cost is None or not os.path.exists(self.cost):
            return None
        with open(self.cost, encoding="ascii") as file:
            return float(file.read())


class Daemon:
    """One kind of run: a configuration that is started anew for every round."""

    def __init__(self, args, directory, name, load, routes, **settings):
        self.args, self.load, self.last = args, load, None
        self.socket = f"{directory}/{name}.sock"
        self.config = f"{directory}/{name}.conf"
        devices = settings.pop("devices", [load.device])
        settings.setdefault("lcores", str(args.cpu))
        lab.write_config(self.config, self.socket, devices, routes, lab.rng_of(3), **settings)

    def start(self):
        return lab.Weir(self.args.build, self.config, self.socket, self.load.env)

    def measure(self, prepare=None, may_drop=0.0):
        weir = self.start()
        if prepare is not None:
            prepare(weir)
        mpps = weir.measure(self.args.seconds, may_drop=may_drop)
        self.last = {"cycles": weir.cycles(), "workers": weir.call("worker.show")}
        weir.stop()
        return mpps


def forward(args, directory):
    load = Load(args, directory, args.family, args.size, args.frames)
    routes = lab.random_routes(lab.rng_of(1), args.family, args.routes)
    weir = Daemon(args, directory, "weir", load, routes, family=args.family)
    ours, theirs = lab.rounds(args.rounds, weir.measure,
                              lambda: lab.testpmd(load.device, args.cpu, args.seconds, env=load.env))
    result = {"load": f"{args.frames} packets, IPv{args.family}, {args.size} bytes, {args.routes} routes, one core",
              "weir, Mpps": lab.summary(ours), "testpmd mac, Mpps": lab.summary(theirs),
              "ratio": lab.ratios(ours, theirs)}
    if load.cost is not None:
        result["generator, cycles per packet"] = load.generator_cycles()
    if args.graph:
        result["cycles per packet"] = weir.last["cycles"]
    return result


def routes(args, directory):
    """Random destinations, so many that no cache holds them; the table grows."""
    load = Load(args, directory, args.family, "64", 1 << 20)
    counts = (1, 10000, 1000000 if args.family == 4 else 200000)
    daemons = [Daemon(args, directory, f"routes{n}", load, lab.random_routes(lab.rng_of(1), args.family, n),
                      family=args.family) for n in counts]
    if args.family == 4:
        daemons.append(Daemon(args, directory, "both", load, lab.random_routes(lab.rng_of(1), 4, 10000),
                              routes6=lab.random_routes(lab.rng_of(2), 6, 10000)))
    figures = lab.rounds(args.rounds, *(daemon.measure for daemon in daemons))
    result = {"load": f"1,048,576 random destinations, IPv{args.family}, one core",
              "generator, cycles per packet": load.generator_cycles()}
    if args.family == 4:
        result["10000 routes of IPv6 besides to none"] = lab.ratios(figures[3], figures[1])
    for n, mpps, daemon in zip(counts, figures, daemons):
        result[f"{n} routes, Mpps"] = lab.summary(mpps)
        result[f"{n} routes to 10000"] = lab.ratios(mpps, figures[1])
        if args.graph:
            result[f"{n} routes, cycles per packet"] = daemon.last["cycles"]
    return result


REQUEST_MAX = 1 << 20  # bytes of a line


def route_lists(items):
    """The items of requests that add these routes, each request as long as may be."""
    texts, room = [], 0
    for prefix, hop in items:
        text = json.dumps({"to": prefix, "via": hop}) + ","
        if room < len(text):
            if texts:
                yield "".join(texts)[:-1]
            texts, room = [], REQUEST_MAX - 100
        texts.append(text)
        room -= len(text)
    yield "".join(texts)[:-1]


def loading(args, directory):
    """A large table of both families into a running daemon: by a file of commands, and by lists in requests."""
    counts = {4: 1000000, 6: 200000}
    items = [item for family, n in counts.items()
             for item in zip(lab.random_routes(lab.rng_of(1), family, n), itertools.cycle(lab.hops(family)))]
    socket, config, batch = (f"{directory}/load.{kind}" for kind in ("sock", "conf", "batch"))
    lab.write_config(config, socket, ["net_null0"], [], lab.rng_of(3), idle="adaptive", family=6)
    with open(batch, "w", encoding="ascii") as out:
        out.writelines(f"route add {prefix} via {hop}\n" for prefix, hop in items)
    lists = [f'{{"jsonrpc":"2.0","id":1,"method":"route.add","params":{{"routes":[{text}]}}}}\n'
             for text in route_lists(items)]
    memory = {}

    def count(summary):
        return sum(row["routes"] for row in summary["families"])

    def timed(fill):
        weir = lab.Weir(args.build, config, socket)
        before, start = count(weir.call("route.summary")), time.monotonic()
        fill(weir)
        seconds = time.monotonic() - start
        summary = weir.call("route.summary")
        if count(summary) - before != len(items):
            raise SystemExit(f"of {len(items)} routes {count(summary) - before} are there")
        memory.update({name: round(value / 1e6) for name, value in summary.items() if name.endswith("_bytes")})
        weir.stop()
        return seconds

    def by_file(_):
        subprocess.run([f"{args.build}/app/weirctl/weirctl", "-S", socket, "-b", batch], check=True)

    def by_lists(weir):
        for text in lists:
            weir.lines.write(text)
            weir.lines.flush()
            answer = weir.lines.readline()
            if '"error"' in answer:
                raise SystemExit(answer)

    figures = lab.rounds(args.rounds, lambda: timed(by_file), lambda: timed(by_lists))
    return {"load": f"{counts[4]} IPv4 and {counts[6]} IPv6 routes",
            "weirctl -b, seconds": lab.summary(figures[0]),
            f"{len(lists)} lists of at most {max(map(len, lists))} bytes, seconds": lab.summary(figures[1]),
            "memory, MB": memory}


def vlan(args, directory):
    """What tags cost: packets that come with one, that leave with one, or both; of one VLAN and of many in turn."""
    table = lab.random_routes(lab.rng_of(1), 4, args.routes)
    untagged, one, eight = (Load(args, directory, 4, "64", args.frames, name=f"vlan{len(vids)}{vids[0]}", vids=vids)
                            for vids in ((None,), (1,), range(1, 9)))

    def on(vid):
        return {"type": "vlan", "parent": "p0", "vid": vid}

    kinds = {"untagged": (untagged, []), "tag taken off": (one, [on(1)]), "tag put on": (untagged, [on(1)]),
             "tag taken off and put on": (one, [on(1)]), "the same, 8 VLANs": (eight, [on(vid) for vid in range(1, 9)])}
    daemons = [Daemon(args, directory, f"kind{i}", load, table,
                      devices=[{"device": load.device, "hops": name == "tag taken off"}, *above])
               for i, (name, (load, above)) in enumerate(kinds.items())]
    figures = lab.rounds(args.rounds, *(daemon.measure for daemon in daemons))
    result = {"load": f"{args.frames} frames of 64 bytes and their tags, {args.routes} routes, one core"}
    for name, mpps, daemon in zip(kinds, figures, daemons):
        result[f"{name}, Mpps"] = lab.summary(mpps)
        if mpps is not figures[0]:
            result[f"{name}, cycles more"] = lab.summary(
                [lab.TSC_MHZ / a - lab.TSC_MHZ / b for a, b in zip(mpps, figures[0])], 1)
        if args.graph:
            result[f"{name}, cycles per packet"] = daemon.last["cycles"]
    return result


def bond(args, directory):
    """What it costs to choose a member: packets that leave by a bond of two, against one port."""
    table = lab.random_routes(lab.rng_of(1), 4, args.routes)
    load = Load(args, directory, 4, "64", args.frames)
    sinks = ["net_null0,no-rx=1", "net_null1,no-rx=1"]

    def over(**settings):
        return [load.device, *sinks, {"type": "bond", "members": ["p1", "p2"], **settings}]

    kinds = {"one port": [load.device, sinks[0]], "active-backup": over(mode="active-backup"),
             "balance-xor, layer2": over(mode="balance-xor"),
             "balance-xor, layer3+4": over(mode="balance-xor", xmit_hash_policy="layer3+4"),
             "balance-rr": over(mode="balance-rr")}
    daemons = [Daemon(args, directory, f"bond{i}", load, table, devices=devices)
               for i, devices in enumerate(kinds.values())]
    figures = lab.rounds(args.rounds, *(daemon.measure for daemon in daemons))
    result = {"load": f"{args.frames} frames of 64 bytes, {args.routes} routes, one core"}
    for name, mpps, daemon in zip(kinds, figures, daemons):
        result[f"{name}, Mpps"] = lab.summary(mpps)
        if mpps is not figures[0]:
            result[f"{name}, cycles more"] = lab.summary(
                [lab.TSC_MHZ / a - lab.TSC_MHZ / b for a, b in zip(mpps, figures[0])], 1)
        if args.graph:
            result[f"{name}, cycles per packet"] = daemon.last["cycles"]
    return result


def rebalance(weir):
    """Until nothing moves any more: the poller of the only queue has less time for flows."""
    for _ in range(20):
        time.sleep(1.3)
        if not weir.call("worker.rebalance"):
            return


# Every packet is one of a connection; each flow of the load becomes one.
TRACKED = """firewall: { forward: { policy = "drop"; rules = ( { proto = "udp"; action = "accept"; } ); }; };
sysctl: { conntrack: { max = 16384; max_ipv6 = 64; }; };
"""


def workers(args, directory):
    table = lab.random_routes(lab.rng_of(1), 4, args.routes)
    one = Load(args, directory, 4, "64", args.frames)
    two = Load(args, directory, 4, "64", args.frames, n_queues=2, name="two")
    halves = [Load(args, directory, 4, "64", args.frames, name=f"half{half}", half=half) for half in range(2)]
    sink = "net_null0,no-rx=1"  # it has a transmit queue for every worker

    def daemon(name, load, device, **settings):
        # Buffers go round through all of the pool when one worker takes them and another frees them:
        # with more of them than the caches hold, both wait for memory.
        return Daemon(args, directory, name, load, table, **{"devices": [device, sink], "mbufs": 16384, **settings})

    # Of two queues of one port these drivers keep counters in one cache line; of two ports they do not.
    lines = [{"device": load.device, "mac": 1} for load in halves]
    lines += [{"device": f"net_null{half},no-rx=1", "hops": True} for half in range(2)]

    behind_one = {"device": one.device, "steering": "software"}
    single = daemon("single", one, one.device)
    both = daemon("both", two, {"device": two.device, "queues": 2}, lcores="0-1")
    ports = daemon("ports", halves[0], None, lcores="0-1", devices=lines)
    one_of_ports = daemon("one_of_ports", halves[0], None, devices=lines)
    steered = daemon("steered", one, behind_one, lcores="0-1")
    tracked = daemon("tracked", one, one.device, more=TRACKED)
    steered_tracked = daemon("steered_tracked", one, behind_one, lcores="0-1", more=TRACKED)
    figures = lab.rounds(args.rounds, single.measure, both.measure,
                         lambda: steered.measure(rebalance, may_drop=1.0), tracked.measure,
                         lambda: steered_tracked.measure(rebalance, may_drop=1.0), one_of_ports.measure, ports.measure)
    result = {"load": f"{args.frames} frames of 64 bytes, {args.routes} routes",
              "one worker, Mpps": lab.summary(figures[0]),
              "two workers, a queue each, Mpps": lab.summary(figures[1]),
              "two to one": lab.ratios(figures[1], figures[0]),
              "one worker, two ports, Mpps": lab.summary(figures[5]),
              "two workers, two ports, a queue each, Mpps": lab.summary(figures[6]),
              "two to one, two ports": lab.ratios(figures[6], figures[5]),
              "two, two ports, to one of one port": lab.ratios(figures[6], figures[0]),
              "one worker, connections tracked, Mpps": lab.summary(figures[3])}
    for name, run, mpps, alone in (("", steered, figures[2], figures[0]),
                                   (", connections tracked", steered_tracked, figures[4], figures[3])):
        cycles = run.last["cycles"]
        result[f"two workers behind one queue{name}, Mpps"] = lab.summary(mpps)
        result[f"steered to one{name}"] = lab.ratios(mpps, alone)
        result[f"hand-over{name}, cycles per packet"] = {stage: cycles.get(stage) for stage in ("steer", "handover")}
        result[f"steered workers{name}"] = {
            f"worker {row['worker']}": f"{row['busy_percent']} % busy, {row['buckets']} buckets, "
                                       f"handed over {row['handed_over']}, taken over {row['taken_over']}"
            for row in run.last["workers"]}
    return result


class Pressure:
    """Requests over a connection of its own, so many a second, while something is measured."""

    def __init__(self, weir, per_second, request):
        self.lines, self.per_second, self.request = weir.connect(), per_second, request
        self.is_stopped, self.n_done = False, 0
        self.thread = threading.Thread(target=self.run, args=(weir,))
        self.thread.start()

    def run(self, weir):
        start = time.monotonic()
        while not self.is_stopped:
            while self.n_done < (time.monotonic() - start) * self.per_second and not self.is_stopped:
                self.n_done += self.request(weir, self.lines, self.n_done)
            time.sleep(0.0005)
        self.seconds = time.monotonic() - start

    def stop(self):
        self.is_stopped = True
        self.thread.join()
        return self.n_done / self.seconds


def read_counters(weir, lines, _):
    weir.call("stats.show", lines=lines)
    return 1


def route_changer(table):
    """Adds and deletes routes that cover some of the traffic, a hundred requests in flight."""
    def change(weir, lines, n_done):
        for i in range(100):
            prefix = table[(n_done + i) // 2 % len(table)]
            verb = "add" if (n_done + i) % 2 == 0 else "del"
            params = {"to": prefix, "metric": 7}
            if verb == "add":
                params["via"] = "10.0.0.3"
            lines.write(weir_request(f"route.{verb}", params))
        lines.flush()
        for _ in range(100):
            answer = lines.readline()
            if '"error"' in answer:
                raise SystemExit(f"route change: {answer}")
        return 100
    return change


def weir_request(method, params):
    return '{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}\n' % (method, str(params).replace("'", '"'))


def control(args, directory):
    table = lab.random_routes(lab.rng_of(1), 4, args.routes)
    load = Load(args, directory, 4, "64", args.frames)
    daemon = Daemon(args, directory, "control", load, table)
    others = lab.random_routes(lab.rng_of(9), 4, 5000)
    kinds = {"quiet": None, "1,000 reads of counters a second": (1000, read_counters),
             "10,000 route changes a second": (10000, route_changer(others)),
             "100,000 route changes a second": (100000, route_changer(others))}
    weir = daemon.start()
    figures, rates = {name: [] for name in kinds}, {name: [] for name in kinds}
    for _ in range(args.rounds):
        for name, kind in kinds.items():
            pressure = Pressure(weir, *kind) if kind else None
            figures[name].append(weir.measure(args.seconds, warm_up=0.3))
            rates[name].append(pressure.stop() if pressure else 0)
    weir.stop()
    result = {"load": f"{args.frames} frames of 64 bytes, {args.routes} routes, one core; no packet was dropped"}
    for name in kinds:
        result[f"{name}, Mpps"] = lab.summary(figures[name])
        if name != "quiet":
            result[f"{name}, reached a second"] = lab.summary(rates[name], 0)
            result[f"{name}, to quiet"] = lab.ratios(figures[name], figures["quiet"])
    return result


IDLE_TAPS = """
import os, re, statistics, sys, time
sys.path.insert(0, "{top}/tests/net")
os.environ["WEIR_BUILD"] = "{build}"
import harness
lab = harness.Lab()
try:
    net = lab.router()
    pid = net.weir.process.pid
    def cpu():
        with open(f"/proc/{{pid}}/stat") as f:
            words = f.read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    net.lan.ping("10.1.0.1", count=1)
    time.sleep(2)
    before, start = cpu(), time.monotonic()
    time.sleep({seconds})
    print("cpu", 100 * (cpu() - before) / (time.monotonic() - start))
    for _ in range({n_pings}):
        time.sleep(0.25)
        print("us", 1000 * float(re.search(r"time=([0-9.]+)", net.lan.ping("10.1.0.1", count=1)[2])[1]))
finally:
    lab.close()
"""


def idle(args, directory):
    table = lab.random_routes(lab.rng_of(1), 4, args.routes)
    load = Load(args, directory, 4, "64", args.frames)
    daemons = [Daemon(args, directory, mode, load, table, idle=mode) for mode in ("adaptive", "poll")]
    adaptive, poll = lab.rounds(args.rounds, *(daemon.measure for daemon in daemons))
    code = IDLE_TAPS.format(top=lab.TOP, build=args.build, seconds=10, n_pings=60)
    text = subprocess.run([sys.executable, "-B", "-c", code], check=True, capture_output=True, text=True).stdout
    times = [float(found) for found in re.findall(r"us ([0-9.]+)", text)]
    return {"load": f"{args.frames} frames of 64 bytes, {args.routes} routes, one core",
            "adaptive, Mpps": lab.summary(adaptive), "poll, Mpps": lab.summary(poll),
            "adaptive to poll": lab.ratios(adaptive, poll),
            "idle with two taps, % of a CPU": round(float(re.search(r"cpu ([0-9.]+)", text)[1]), 2),
            "first packet after idle, us": {"median": round(statistics.median(times)), "min": round(min(times)),
                                            "max": round(max(times))}}


CASES = {"forward": forward, "vlan": vlan, "bond": bond, "routes": routes, "load": loading, "workers": workers,
         "control": control, "idle": idle}
