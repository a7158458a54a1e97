# SPDX-License-Identifier: BSD-3-Clause
"""
The case `qdisc` of scripts/bench: how exactly links are shaped, what that costs, and how long packets wait.

  accuracy  rates from 64 kbit/s to 1 gbit/s, by tbf and by htb, of a load that is always too much, against the clock
  speed     qdiscs that never limit, as ratios to testpmd in mode mac
  latency   a ping beside eight TCP streams through 20 mbit, between two network namespaces over taps
"""
import json
import os
import statistics
import subprocess
import sys
import time

import cases
import lab

SINK = "net_null0,no-rx=1"
ROUNDS_MAX = 3  # of accuracy: each is a mean of many packets already
RATES = {"64kbit": 64e3, "1mbit": 1e6, "10mbit": 1e7, "100mbit": 1e8, "1gbit": 1e9}
N_FRAMES_MIN = 40  # that a rate is measured by, at least
SSH = [{"proto": "tcp", "dport": 22, "band": 0}]
# As much as any port carries, in bursts as large as they can be.
WIDE = {"kind": "tbf", "rate": "100gbit", "burst": "1gb", "limit": "1gb"}


# Accuracy

def shaper(kind, text):
    """Bursts of ten milliseconds, which is more than what a worker may be held up for."""
    burst = str(max(3028, int(RATES[text] / 8 / 100)))
    if kind == "tbf":
        return {"kind": "tbf", "rate": text, "burst": burst, "latency": "50ms"}
    return {"kind": "htb", "default": "all", "classes": [{"name": "all", "rate": text, "burst": burst,
                                                          "cburst": burst}]}


def sent(weir):
    """Bytes that have left by the sink, and when that was so."""
    (link,) = weir.call("link.show", {"dev": "p1", "statistics": True})
    return link["stats64"]["tx"]["bytes"], time.monotonic()


def next_sent(weir):
    """The same, just after a frame has left."""
    before, _ = sent(weir)
    while True:
        now = sent(weir)
        if now[0] != before:
            return now
        time.sleep(0.0005)


def error_percent(weir, seconds, settings, rate, frame):
    weir.call("qdisc.replace", {"dev": "p1", **settings})
    # Until the first burst, and what was there before, is gone.
    time.sleep(0.2 + 4 * frame * 8 / rate)
    begin, start = next_sent(weir)
    time.sleep(max(seconds, N_FRAMES_MIN * frame * 8 / rate))
    end, stop = next_sent(weir)
    return 100 * ((end - begin) * 8 / (stop - start) / rate - 1)


def accuracy(args, directory):
    result = {}
    for size, frames in lab.SIZES.items():
        load = cases.Load(args, directory, 4, size, 1200, name=f"accuracy{size}")
        weir = cases.Daemon(args, directory, f"accuracy{size}", load, [], devices=[load.device, SINK]).start()
        frame = statistics.mean(frames)
        for kind in ("tbf", "htb"):
            errors = {text: [error_percent(weir, args.seconds, shaper(kind, text), rate, frame)
                             for _ in range(min(args.rounds, ROUNDS_MAX))] for text, rate in RATES.items()}
            result.update({f"{kind}, {size} bytes, {text}: error, %": lab.summary(found, 3)
                           for text, found in errors.items()})
        weir.stop()
    return result


# Speed

def many_classes(n):
    """Of an htb: each for as many destination ports as any other."""
    width = 65536 // n
    classes = [{"name": f"c{i}", "parent": "all", "rate": "10mbit", "ceil": "100gbit"} for i in range(n)]
    filters = [{"proto": "udp", "dport": f"{i * width}-{(i + 1) * width - 1}", "class": f"c{i}"} for i in range(n)]
    return {"kind": "htb", "default": "c0", "classes": [{"name": "all", "rate": "100gbit"}, *classes],
            "filters": filters}


def kinds():
    return {"no qdisc": None,
            "tbf + prio, priomap": {**WIDE, "child": {"kind": "prio"}},
            "tbf + prio, filter of ssh": {**WIDE, "child": {"kind": "prio", "filters": SSH, "default_band": 1}},
            "fq_codel": {"kind": "fq_codel"},
            "htb, 10 classes": many_classes(10),
            "htb, 10,000 classes": many_classes(10000)}


def text_of(value):
    """As libconfig has it."""
    if isinstance(value, dict):
        return "{ " + " ".join(f"{key} = {text_of(inner)};" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "( " + ",\n".join(map(text_of, value)) + " )"
    return json.dumps(value)


def speed(args, directory):
    table = lab.random_routes(lab.rng_of(1), 4, args.routes)
    load = cases.Load(args, directory, 4, args.size, args.frames)
    daemons = {}
    for i, (name, settings) in enumerate(kinds().items()):
        daemons[name] = cases.Daemon(args, directory, f"speed{i}", load, table)
        if settings is not None:
            with open(daemons[name].config, "a", encoding="utf-8") as out:
                out.write(f"qdiscs = ( {text_of({'link': 'p0', **settings})} );\n")
    figures = lab.rounds(args.rounds, *(daemon.measure for daemon in daemons.values()),
                         lambda: lab.testpmd(load.device, args.cpu, args.seconds, env=load.env))
    result = {"load": f"{args.frames} packets, {args.size} bytes, {args.routes} routes, one core",
              "testpmd mac, Mpps": lab.summary(figures[-1])}
    for (name, daemon), mpps in zip(daemons.items(), figures):
        result[f"{name}, Mpps"] = lab.summary(mpps)
        result[f"{name}, ratio"] = lab.ratios(mpps, figures[-1])
        if mpps is not figures[0]:
            result[f"{name}, cycles more"] = lab.summary(
                [lab.TSC_MHZ / a - lab.TSC_MHZ / b for a, b in zip(mpps, figures[0])], 1)
        if args.graph:
            result[f"{name}, cycles per packet"] = daemon.last["cycles"]
    return result


# Latency

PINGS = """
import os, sys
sys.path.insert(0, "{top}/tests/net")
os.environ["WEIR_BUILD"] = "{build}"
import harness, qdisc_lab as lab
net = harness.Lab()
try:
    net.router()
    wan, tbf = "10.2.0.2", dict(kind="tbf", rate="20mbit", burst="10kb", limit="4mb")
    net.lan.ping(wan, count=1)
    print("idle", *lab.ping_times(net.lan, wan, n=100))
    for child in (dict(kind="pfifo", limit=1000), dict(kind="fq_codel")):
        with lab.shaped(net.weir, **tbf, child=child), lab.Streams(net.lan, net.wan, wan, 8):
            # The queue is as long as it gets after some seconds.
            harness.wait_until(lambda: lab.qdisc(net.weir, "tbf")["packets"] > 10000, 60)
            print(child["kind"], *lab.ping_times(net.lan, wan, n=100))
finally:
    net.close()
"""


def latency(args, _):
    code = PINGS.format(top=lab.TOP, build=os.path.abspath(args.build))
    text = subprocess.run([sys.executable, "-B", "-c", code], check=True, capture_output=True, text=True).stdout
    times = {words[0]: [float(word) for word in words[1:]] for words in map(str.split, text.splitlines())}
    result = {f"ping, {name}, ms": lab.summary(found) for name, found in times.items()}
    result["fq_codel above idle, ms"] = round(statistics.median(times["fq_codel"]) - statistics.median(times["idle"]), 2)
    return result


ROWS = {"accuracy": accuracy, "speed": speed, "latency": latency}


def qdisc(args, directory):
    result = {}
    for row in args.rows or ROWS:
        result.update(ROWS[row](args, directory))
    return result
