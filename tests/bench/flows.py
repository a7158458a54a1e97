# SPDX-License-Identifier: BSD-3-Clause
"""The case `flows` of scripts/bench: connections that are tracked, filtered and masqueraded.

Clients behind p0, their servers behind p1, both net_null ports of one worker, with the generator of
gen_flows.c, half TCP, half UDP, random tuples, as many packets in each direction. `stateless` is the same
traffic without a firewall.
"""
import mmap
import os
import struct
import time

import lab

NEVER = "100000s"
SETUP_TIMEOUT = 120
TRAFFIC = 3  # enum flows_phase


class Generator:
    """The generator's side of one run: a file that both map (struct gen_state)."""
    INPUTS = ("n_flows", "tcp_share", "new_per_second", "is_quiet", "n_resets")
    NAMES = (*INPUTS, "hz", "phase", "packets", "cycles", "n_new", "longest_gap")

    def __init__(self, path, **inputs):
        with open(path, "wb") as out:
            out.write(bytes(8 * len(self.NAMES)))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 8 * len(self.NAMES))
        for name, value in inputs.items():
            self.put(name, value)

    def get(self, name):
        return struct.unpack_from("=Q", self.map, 8 * self.NAMES.index(name))[0]

    def put(self, name, value):
        struct.pack_into("=Q", self.map, 8 * self.NAMES.index(name), value)

    def wait_for_traffic(self, process):
        end = time.monotonic() + SETUP_TIMEOUT
        while self.get("phase") != TRAFFIC:
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit(f"flows are not set up: phase {self.get('phase')}, {self.get('packets')} packets")
            time.sleep(0.01)


def rules_text(n):
    """The last of n rules is the one that matches."""
    others = [f'{{ src = "192.0.2.{i % 256}"; proto = "tcp"; dport = {1000 + i}; action = "accept"; }}'
              for i in range(n - 1)]
    return ",\n    ".join([*others, '{ in = "p0"; out = "p1"; action = "accept"; }'])


def write_config(path, socket, cpu, devices, n_rules, conntrack):
    """Without rules it forwards statelessly."""
    inside, outside = ("p0", "p1") if len(devices) == 2 else ("p0", "p0")
    addresses = {outside: ['"10.0.0.1/24"']}
    addresses.setdefault(inside, []).append('"192.168.0.1/24"')
    links = [f'{{ name = "p{i}"; mac = "02:00:00:00:00:{i + 1:02x}"; device = "{device}"; '
             f'addresses = [ {", ".join(addresses[f"p{i}"])} ]; }}' for i, device in enumerate(devices)]
    tunables = " ".join(f"{name} = {value};" for name, value in conntrack.items())
    with open(path, "w", encoding="utf-8") as out:
        out.write(f"""workers: {{ lcores = "{cpu}"; idle = "poll"; }};
control: {{ socket = "{socket}"; }};
memory: {{ mbufs = 16384; }};
links = ( {", ".join(links)} );
neighbors = ( {{ to = "192.168.0.2"; lladdr = "02:00:00:00:01:00"; dev = "{inside}"; }},
              {{ to = "10.0.0.2"; lladdr = "02:00:00:00:01:01"; dev = "{outside}"; }} );
routes = ( {{ to = "100.64.0.0/10"; via = "192.168.0.2"; }}, {{ to = "default"; via = "10.0.0.2"; }} );
""")
        if n_rules > 0:
            rules = rules_text(n_rules).replace('"p0"', f'"{inside}"').replace('"p1"', f'"{outside}"')
            if inside == outside:
                rules = rules.replace(f'in = "{inside}"', 'src = "100.64.0.0/10"')
            masquerade = f'{{ out = "{outside}"; src = "100.64.0.0/10"; action = "masquerade"; }}'
            out.write(f"""firewall: {{
  input: {{ policy = "drop"; }};
  forward: {{ policy = "drop"; rules = (
    {rules} ); }};
  postrouting: {{ rules = ( {masquerade} ); }};
}};
sysctl: {{ conntrack: {{ {tunables} }}; }};
""")


class Run:
    """One kind of run: how many flows, through what."""

    def __init__(self, args, directory, name, n_flows, n_rules=1, new_per_second=0, **conntrack):
        self.args, self.n_flows, self.new_per_second, self.n_rules = args, n_flows, new_per_second, n_rules
        self.path = f"{directory}/{name}"
        self.cycles, self.own, self.last = [], [], {}
        room = {"max": max(n_flows + n_flows // 4, 1024), "max_ipv6": 64}
        write_config(f"{self.path}.conf", f"{self.path}.sock", args.cpu,
                     [f"net_null{i},size={lab.SIZES['64'][-1]}" for i in range(2)], n_rules, {**room, **conntrack})

    def start(self):
        generator = Generator(f"{self.path}.state", n_flows=self.n_flows,
                              tcp_share=self.args.tcp * 256 // 100, new_per_second=self.new_per_second)
        weir = lab.Weir(self.args.build, f"{self.path}.conf", f"{self.path}.sock",
                        {"LD_PRELOAD": lab.build_generator(self.args.build), "BENCH_FLOWS": f"{self.path}.state"})
        generator.wait_for_traffic(weir.process)
        # UDP is a stream two seconds after its first packet, and then of the quick path for good.
        if self.n_flows > 0 and self.n_rules > 0:
            time.sleep(2.5)
        return generator, weir

    def measure_in(self, generator, weir):
        """Mpps; what was sent outside and back. Keeps cycles per packet, and the generator's own among them."""
        begin = {name: generator.get(name) for name in ("packets", "cycles")}
        mpps = weir.measure(self.args.seconds)
        packets, cycles = (generator.get(name) - begin[name] for name in ("packets", "cycles"))
        self.own.append(cycles / packets)
        self.cycles.append(generator.get("hz") / mpps / 1e6 - cycles / packets)
        self.last = {"cycles": weir.cycles()}
        return mpps

    def measure(self):
        generator, weir = self.start()
        mpps = self.measure_in(generator, weir)
        weir.stop()
        return mpps


def report(result, args, name, run, mpps, yardstick=None):
    result[f"{name}, Mpps"] = lab.summary(mpps)
    result[f"{name}, cycles without generator"] = lab.summary(run.cycles, 1)
    result[f"{name}, generator's own"] = lab.summary(run.own, 1)
    if yardstick is not None:
        result[f"{name}, to stateless"] = lab.ratios(yardstick.cycles, run.cycles)
    if args.graph:
        result[f"{name}, cycles per stage"] = run.last["cycles"]


def established(args, directory):
    """The same flows, forwarded without and with state."""
    result = {}
    for n in args.flows:
        runs = [Run(args, directory, "stateless", n, n_rules=0), Run(args, directory, "tracked", n)]
        figures = lab.rounds(args.rounds, *(run.measure for run in runs))
        report(result, args, f"{n} flows, stateless", runs[0], figures[0])
        report(result, args, f"{n} flows, masqueraded", runs[1], figures[1], runs[0])
    return result


def rules(args, directory):
    runs = [Run(args, directory, f"rules{n}", 10000, n_rules=n) for n in (1, 1000)]
    figures = lab.rounds(args.rounds, *(run.measure for run in runs))
    result = {}
    for run, mpps in zip(runs, figures):
        report(result, args, f"10000 flows, {run.n_rules} rules", run, mpps)
    result["1000 rules to 1"] = lab.ratios(runs[0].cycles, runs[1].cycles)
    return result


def new(args, directory):
    """UDP datagrams, each of a new flow; the table is full, and the oldest unanswered one gives way."""
    run = Run(args, directory, "new", 0, n_rules=100, new_per_second=1, max=262144)
    mpps = lab.rounds(args.rounds, run.measure)[0]
    result = {"new flows a second, 100 rules, 262144 at most (early drop)":
              lab.summary([1e6 * value for value in mpps], 0)}
    result["new flow, cycles without generator"] = lab.summary(run.cycles, 0)
    if args.graph:
        result["new flow, cycles per stage"] = run.last["cycles"]
    return result


def capture(path, n):
    """Frames of n flows, both directions of each. Ports are kept, so answers are known beforehand."""
    rng, frames = lab.rng_of(5), []
    for i in range(n):
        src = bytes([100, 64 + rng.randrange(64)]) + rng.randbytes(2)
        dst = bytes([11 + rng.randrange(89)]) + rng.randbytes(3)
        ports = 1024 + i, 1 + rng.randrange(65535)
        for addrs, (sport, dport) in ((src + dst, ports), (dst + bytes([10, 0, 0, 1]), ports[::-1])):
            is_tcp = i % 2 == 0
            if is_tcp:
                l4 = struct.pack("!HHIIBBHHH", sport, dport, 1000, 1000, 0x50, 0x10, 65535, 0, 0) + bytes(6)
            else:
                l4 = struct.pack("!HHHH", sport, dport, 26, 0) + bytes(18)
            pseudo = addrs + struct.pack("!HH", 6 if is_tcp else 17, len(l4))
            at = 16 if is_tcp else 6
            l4 = l4[:at] + struct.pack("!H", lab.checksum(pseudo + l4)) + l4[at + 2:]
            head = struct.pack("!BBHHHBBH", 0x45, 0, 46, 0, 0, 64, 6 if is_tcp else 17, 0) + addrs
            head = head[:10] + struct.pack("!H", lab.checksum(head)) + head[12:]
            frames.append(lab.OUR_MAC + lab.PEER_MAC + b"\x08\x00" + head + l4)
    rng.shuffle(frames)
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def pcap(args, directory):
    """Against testpmd, from captures; sequence numbers stand still there."""
    path = f"{directory}/flows.pcap"
    capture(path, 4096)
    device = f"net_pcap0,rx_pcap={path},infinite_rx=1"
    write_config(f"{directory}/pcap.conf", f"{directory}/pcap.sock", args.cpu, [device], 1,
                 {"max": 16384, "max_ipv6": 64})

    def measure():
        weir = lab.Weir(args.build, f"{directory}/pcap.conf", f"{directory}/pcap.sock")
        mpps = weir.measure(args.seconds, warm_up=3)
        weir.stop()
        return mpps
    ours, theirs = lab.rounds(args.rounds, measure, lambda: lab.testpmd(device, args.cpu, args.seconds))
    return {"4096 flows from net_pcap, Mpps": lab.summary(ours), "testpmd mac, Mpps": lab.summary(theirs),
            "4096 flows to testpmd mac": lab.ratios(ours, theirs)}


def memory(args, directory):
    """What a table of 1,048,576 more flows takes: the difference in size of the whole process."""
    def size(conntrack):
        run = Run(args, directory, "memory", 1000, max=conntrack[0], max_ipv6=conntrack[1])
        _, weir = run.start()
        with open(f"/proc/{weir.process.pid}/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
        weir.stop()
        return pages * os.sysconf("SC_PAGE_SIZE")
    least = size((2048, 64))
    return {f"{name}, bytes per flow": round((size(conntrack) - least) / (1 << 20))
            for name, conntrack in (("IPv4", (1 << 20, 64)), ("IPv6", (2048, 1 << 20)))}


def churn(args, directory):
    """Many are held while others come and go. A packet that is lost ends the benchmark."""
    run = Run(args, directory, "churn", args.held, new_per_second=100000, max=args.held + 1500000,
              udp_timeout='"8s"', udp_timeout_stream=f'"{NEVER}"')
    generator, weir = run.start()
    # Until as many go as come.
    time.sleep(8)
    before, start = generator.get("n_new"), time.monotonic()
    mpps = [run.measure_in(generator, weir) for _ in range(args.rounds)]
    rate = (generator.get("n_new") - before) / (time.monotonic() - start)
    weir.stop()
    return {f"{args.held} flows held, new ones a second": round(rate),
            f"{args.held} flows held, Mpps, nothing lost": lab.summary(mpps)}


def expiry(args, directory):
    """A million flows fall silent together; the longest time between two looks at the port is a pass."""
    run = Run(args, directory, "expiry", 1000000, udp_timeout='"8s"', udp_timeout_stream='"8s"',
              tcp_timeout_established='"8s"', tcp_timeout_unacknowledged='"8s"')
    generator, weir = run.start()

    def longest_us(seconds):
        generator.put("n_resets", generator.get("n_resets") + 1)
        time.sleep(seconds)
        return 1e6 * generator.get("longest_gap") / generator.get("hz")
    longest_us(9)
    busy = longest_us(2)
    generator.put("is_quiet", 1)
    idle = longest_us(5)
    ending = longest_us(5)
    weir.stop()
    return {"longest pass, traffic, us": round(busy, 1), "longest pass, silence, us": round(idle, 1),
            "longest pass, 1,000,000 flows end, us": round(ending, 1)}


ROWS = {"established": established, "pcap": pcap, "rules": rules, "new": new, "memory": memory, "churn": churn,
        "expiry": expiry}


def flows(args, directory):
    result = {"load": f"60 byte frames, {args.tcp} % TCP, the rest UDP, both directions, one core"}
    for name in args.rows or ROWS:
        result.update(ROWS[name](args, directory))
    return result
