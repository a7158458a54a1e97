# SPDX-License-Identifier: BSD-3-Clause
"""
What benchmarks stand on: frames, tuples and routes made from one seed, a run of the daemon, a run of
testpmd, statistics over rounds. Loads are the same bytes for every program that is compared.
"""
import atexit
import json
import os
import random
import re
import signal
import socket
import statistics
import struct
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUR_MAC = bytes.fromhex("020000000001")
PEER_MAC = bytes.fromhex("0200000000aa")
N_NEXT_HOPS = 16
# Frames without FCS. The IMIX is the usual 7:4:1 of 64, 594 and 1518 bytes.
SIZES = {"64": [60], "512": [508], "1500": [1514], "imix": [60] * 7 + [590] * 4 + [1514]}
HUGE = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"


# What the kernel found the time stamp counter to run at.
with open("/proc/cpuinfo", encoding="ascii") as cpuinfo:
    TSC_MHZ = float(re.search(r"cpu MHz\s*: ([\d.]+)", cpuinfo.read())[1])


# Loads

def random_unicast4(rng):
    while True:
        first = rng.randrange(1, 224)
        if first not in (10, 127):
            return bytes([first]) + rng.randbytes(3)


def random_unicast6(rng):
    return bytes([0x20 | rng.randrange(16)]) + rng.randbytes(15)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Packet:
    """What one packet of a load is; as a frame, or as a record of the generator (gen.c). half: of the destinations."""

    def __init__(self, rng, family, size, half=None):
        pick = random_unicast4 if family == 4 else random_unicast6
        self.family, self.size = family, size
        self.src, self.dst = pick(rng), pick(rng)
        while half not in (None, self.dst[0] >> 7):
            self.dst = pick(rng)
        self.sport, self.dport = rng.randrange(1024, 65536), rng.randrange(1, 65536)

    def frame(self):
        rest = self.size - 14 - (20 if self.family == 4 else 40)
        udp = struct.pack("!HHHH", self.sport, self.dport, rest, 0) + bytes(rest - 8)
        if self.family == 4:
            head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + rest, 0, 0, 64, 17, 0, self.src, self.dst)
            head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
            return OUR_MAC + PEER_MAC + b"\x08\x00" + head + udp
        head = struct.pack("!IHBB16s16s", 6 << 28, rest, 17, 64, self.src, self.dst)
        return OUR_MAC + PEER_MAC + b"\x86\xdd" + head + udp

    def record(self):
        return struct.pack("16s16s", self.src, self.dst) + struct.pack("!HH", self.sport, self.dport) + struct.pack(
            "=HBB", self.size, self.family == 6, 17)


def packets(rng, family, size, n, half=None):
    sizes = SIZES[size]
    return [Packet(rng, family, max(sizes[i % len(sizes)], 62 if family == 6 else 0), half) for i in range(n)]


def tagged(frame, vid):
    return frame if vid is None else frame[:12] + struct.pack("!HH", 0x8100, vid) + frame[12:]


def write_frames(path, frames):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def write_pcap(path, load, vids=(None,)):
    """vids: the packets' VLANs, in turn."""
    write_frames(path, [tagged(packet.frame(), vids[i % len(vids)]) for i, packet in enumerate(load)])


def write_records(path, load):
    with open(path, "wb") as out:
        for packet in load:
            out.write(packet.record())


def random_routes(rng, family, n):
    """Prefixes of the lengths of real tables, in text. The default route is not among them."""
    lengths = ((8, 16, 19, 20, 21, 22, 23, 24, 28), (1, 8, 6, 7, 6, 12, 11, 48, 1)) if family == 4 else \
        ((29, 32, 36, 40, 44, 46, 48, 64), (3, 15, 4, 7, 12, 5, 50, 4))
    pick, bits = (random_unicast4, 32) if family == 4 else (random_unicast6, 128)
    found = set()
    while len(found) < n:
        missing = n - len(found)
        for length in rng.choices(*lengths, k=missing):
            found.add((int.from_bytes(pick(rng), "big") >> (bits - length) << (bits - length), length))
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    return [f"{socket.inet_ntop(kind, value.to_bytes(bits // 8, 'big'))}/{length}" for value, length in sorted(found)]


def hops(family, half=0):
    return [f"10.{128 * half}.0.{i + 2}" if family == 4 else f"fd00::{i + 2:x}" for i in range(N_NEXT_HOPS)]


def is_upper(prefix):
    return ":" not in prefix and int(prefix.split(".")[0]) >= 128


def write_config(path, socket_path, devices, routes, rng, lcores="1", idle="poll", family=4, mbufs=65536, routes6=(),
                 more=""):
    """
    devices: device strings, or dicts of link settings, also of VLANs on p0; "mac" is the last byte of its address.
    The one with "hops", else the last one, has the next hops; of two with "hops" each has those of one half of
    IPv4. routes6: of IPv6, besides those of IPv4. more: sections as text.
    """
    tables = [(family, routes), *([(6, routes6)] if routes6 else [])]
    with open(path, "w", encoding="utf-8") as out:
        out.write(f'workers: {{ lcores = "{lcores}"; idle = "{idle}"; }};\ncontrol: {{ socket = "{socket_path}"; }};\n'
                  f"memory: {{ mbufs = {mbufs}; }};\n")
        links = []
        hop_links = [i for i, device in enumerate(devices) if isinstance(device, dict) and device.get("hops")]
        hop_links = hop_links or [len(devices) - 1]
        n_halves = len(hop_links)
        for i, device in enumerate(devices):
            settings = {"device": device} if isinstance(device, str) else device
            text = "".join(f" {key} = {json.dumps(value)};" for key, value in settings.items()
                           if key not in ("hops", "mac"))
            if i in hop_links:
                addresses = [f"10.{128 * hop_links.index(i)}.0.1/{7 + n_halves}"]
                addresses += ["fd00::1/64"] if tables[-1][0] == 6 else []
                text += f" addresses = {json.dumps(addresses)};"
            mac = settings.get("mac", 1 if "parent" in settings else i + 1)
            links.append(f'  {{ name = "p{i}"; mac = "02:00:00:00:00:{mac:02x}";{text} }}')
        out.write("links = (\n" + ",\n".join(links) + "\n);\n")
        out.write("neighbors = (\n" + ",\n".join(
            f'  {{ to = "{hop}"; lladdr = "02:00:00:00:01:{i:02x}"; dev = "p{link}"; }}'
            for kind, _ in tables for half, link in enumerate(hop_links)
            for i, hop in enumerate(hops(kind, half))) + "\n);\n")
        defaults = {4: ["0.0.0.0/0", "128.0.0.0/1"][:n_halves], 6: ["::/0"]}
        out.write("routes = (\n" + ",\n".join(
            f'  {{ to = "{prefix}"; via = "{rng.choice(hops(kind, n_halves > 1 and is_upper(prefix)))}"; }}'
            for kind, table in tables for prefix in [*defaults[kind], *table]) + "\n);\n")
        out.write(more)


# Programs

class Weir:
    """One run of the daemon; packets are counted over its control socket."""

    def __init__(self, build, config, socket_path, env=None):
        self.path = socket_path
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen([f"{build}/app/weir/weir", "-c", config], stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, **(env or {})})
        atexit.register(self.process.kill)  # of no effect on one that has ended
        for _ in range(2400):
            if os.path.exists(self.path):
                break
            if self.process.poll() is not None:
                raise SystemExit("weir ended: " + self.process.stderr.read())
            time.sleep(0.05)
        self.lines = self.connect()

    def connect(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.path)
        return sock.makefile("rw")

    def call(self, method, params=None, lines=None):
        lines = lines or self.lines
        lines.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}) + "\n")
        lines.flush()
        answer = json.loads(lines.readline())
        if "error" in answer:
            raise SystemExit(f"{method}: {answer['error']}")
        return answer["result"]

    def measure(self, seconds, warm_up=0.5, may_drop=0.0):
        """Mpps sent, over that time; ends the benchmark when more than that share was dropped."""
        time.sleep(warm_up)
        begin, start = self.call("stats.show"), time.monotonic()
        time.sleep(seconds)
        end, elapsed = self.call("stats.show"), time.monotonic() - start
        dropped, received = end["dropped"] - begin["dropped"], end["rx"] - begin["rx"]
        if dropped > may_drop * received:
            raise SystemExit(f"weir dropped {dropped} of {received} packets: {self.call('drop.show')}")
        return (end["tx"] - begin["tx"]) / elapsed / 1e6

    def cycles(self):
        return {row["node"]: row["cycles"] for row in self.call("graph.show") if row["packets"] > 0}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=60) != 0:
            raise SystemExit("weir failed: " + self.process.stderr.read())


def testpmd(device, cpu, seconds, mode="mac", env=None):
    """
    Mpps sent by dpdk-testpmd on one core, from one device back to it, or between two; counts of two looks at
    the ports' statistics.
    """
    devices = [device] if isinstance(device, str) else device
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen(
        ["stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"0@{1 - cpu},1@{cpu}", "--main-lcore", "0", "--no-pci",
         "--in-memory", "--log-level=*:error", *(f"--vdev={name}" for name in devices), "--", "-i",
         f"--forward-mode={mode}", f"--port-topology={'loop' if len(devices) == 1 else 'paired'}", "--nb-cores=1", "--total-num-mbufs=65536"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
        env={**os.environ, **(env or {})})

    def tell(command):
        process.stdin.write(command + "\n")
        process.stdin.flush()

    def look():
        n_seen = total = 0
        tell("show port stats all")
        for line in process.stdout:
            found = re.search(r"TX-packets:\s*(\d+)", line)
            if found:
                n_seen, total = n_seen + 1, total + int(found[1])
            if n_seen == len(devices):
                return total, time.monotonic()
        raise SystemExit("testpmd ended")

    tell("start")
    time.sleep(0.5)
    look()
    count, start = look()
    time.sleep(seconds)
    end_count, end = look()
    tell("stop")
    tell("quit")
    process.communicate(timeout=30)
    return (end_count - count) / (end - start) / 1e6


# Building and summing up

def build(directory):
    if not os.path.exists(f"{directory}/build.ninja"):
        subprocess.run(["meson", "setup", directory, TOP, "--buildtype=release", "-Dnative=true",
                        "-Dtests=false", "-Db_lto=true"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", directory], check=True, stdout=subprocess.DEVNULL)


def build_generator(directory):
    path = f"{directory}/gen.so"
    flags = subprocess.run(["pkg-config", "--cflags", "libdpdk"], check=True, capture_output=True, text=True).stdout
    flags = [flag for flag in flags.split() if not flag.startswith("-march=")]
    subprocess.run(["cc", "-O2", "-march=native", "-shared", "-fPIC", *flags, "-o", path,
                    f"{TOP}/tests/bench/gen.c", f"{TOP}/tests/bench/gen_flows.c", "-ldl"], check=True)
    return path


class Hugepages:
    """Enough of them for the time of the benchmark."""

    def __init__(self, n):
        with open(HUGE, encoding="ascii") as file:
            self.before = int(file.read())
        self.set(max(n, self.before))

    @staticmethod
    def set(n):
        with open(HUGE, "w", encoding="ascii") as file:
            file.write(str(n))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.set(self.before)


def summary(values, digits=2):
    return {"median": round(statistics.median(values), digits), "min": round(min(values), digits),
            "max": round(max(values), digits)}


def ratios(a, b):
    return summary([x / y for x, y in zip(a, b)], 3)


def rounds(n, *measures):
    """Runs the measures in turn, n times: A B A B. A list of results for each."""
    results = [[] for _ in measures]
    for _ in range(n):
        for result, measure in zip(results, measures):
            result.append(measure())
    return results


def rng_of(seed=1):
    return random.Random(seed)
