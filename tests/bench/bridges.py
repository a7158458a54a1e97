# SPDX-License-Identifier: BSD-3-Clause
"""What bridges cost: frames between two ports with few and many stations, VLAN filtering, floods."""
import os

import lab

CAPTURED = 4096  # stations that a capture holds; more come from the generator


class Stations:
    """
    Two devices, each with half of the stations behind it, which send to those of the other half. In captures, or
    (is_generated) from net_null and the generator of gen.c, which has room for many.
    """

    def __init__(self, args, directory, n, is_generated):
        rng = lab.rng_of(4)
        here, there = ([bytes([10 + side]) + i.to_bytes(3, "big") for i in range(n // 2)] for side in (0, 1))
        self.cost = f"{directory}/stations{n}.cost"
        self.env = {}
        load = lab.packets(rng, 4, "64", n // 2)
        for i, packet in enumerate(load):
            packet.src, packet.dst = here[i], rng.choice(there)
        rng.shuffle(load)
        if is_generated:
            lab.write_records(f"{directory}/stations{n}.gen", load)
            self.devices = ["net_null0,size=60", "net_null1,size=60"]
            self.env = {"LD_PRELOAD": lab.build_generator(args.build), "BENCH_GEN": f"{directory}/stations{n}.gen",
                        "BENCH_GEN_COST": self.cost, "BENCH_GEN_STATIONS": "1"}
            return
        self.devices = []
        for side in (0, 1):
            path = f"{directory}/stations{n}.{side}.pcap"
            lab.write_frames(path, [self.frame(packet, side) for packet in load])
            self.devices.append(f"net_pcap{side},rx_pcap={path},infinite_rx=1")

    @staticmethod
    def frame(packet, side):
        src, dst = (packet.dst, packet.src) if side else (packet.src, packet.dst)
        packet.src, packet.dst = src, dst
        frame = packet.frame()
        if side:
            packet.src, packet.dst = dst, src
        return b"\x02\x00" + dst + b"\x02\x00" + src + frame[12:]

    def generator_cycles(self):
        if not os.path.exists(self.cost):
            return 0.0
        with open(self.cost, encoding="ascii") as file:
            return float(file.read())


class Floods:
    """A device that gives frames of that length to a station that nobody knows, and eight that take them."""

    def __init__(self, directory, size):
        path = f"{directory}/flood{size}.pcap"
        lab.write_frames(path, [bytes.fromhex("02000bffffff") + b"\x02\x00\x0a" + i.to_bytes(3, "big") + b"\x88\xb5" +
                                bytes(size - 14) for i in range(1024)])
        self.devices = [f"net_pcap0,rx_pcap={path},infinite_rx=1",
                        *(f"net_null{i},no-rx=1" for i in range(8))]
        self.env = {}


class Bridge:
    """A daemon with a bridge over devices."""

    def __init__(self, args, directory, name, stations, members, devices=None):
        self.args, self.stations, self.cycles = args, stations, None
        self.socket, self.config = f"{directory}/{name}.sock", f"{directory}/{name}.conf"
        devices = devices or stations.devices
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(f'workers: {{ lcores = "{args.cpu}"; idle = "poll"; }};\n'
                      f'control: {{ socket = "{self.socket}"; }};\nmemory: {{ mbufs = 65536; }};\nlinks = (\n')
            for i, device in enumerate(devices):
                out.write(f'  {{ name = "p{i}"; device = "{device}"; mac = "06:00:00:00:00:{i + 1:02x}"; }},\n')
            out.write(f'  {{ name = "br0"; type = "bridge"; members = ( {members} ); }} );\n')

    def measure(self):
        weir = lab.Weir(self.args.build, self.config, self.socket, self.stations.env)
        mpps = weir.measure(self.args.seconds, warm_up=2.0)
        self.cycles = weir.cycles()
        weir.stop()
        return mpps


def bridge(args, directory):
    few = Stations(args, directory, CAPTURED, False)
    few_made = Stations(args, directory, 4096, True)
    many = Stations(args, directory, 100000, True)
    plain = Bridge(args, directory, "few", few, '"p0", "p1"')
    access = Bridge(args, directory, "access", few, '{ name = "p0"; pvid = 7; }, { name = "p1"; pvid = 7; }')
    plain_made = Bridge(args, directory, "few_made", few_made, '"p0", "p1"')
    plain_many = Bridge(args, directory, "many", many, '"p0", "p1"')
    all_of_nine = ", ".join(f'"p{i}"' for i in range(9))
    floods = [Bridge(args, directory, f"flood{size}", Floods(directory, size), all_of_nine)
              for size in (60, 1514)]
    figures = lab.rounds(args.rounds, plain.measure, access.measure, plain_made.measure, plain_many.measure,
                         lambda: lab.testpmd(few.devices, args.cpu, args.seconds),
                         *(flood.measure for flood in floods))

    def without_source(mpps, stations):
        return [lab.TSC_MHZ / value - stations.generator_cycles() for value in mpps]

    made, made_many = without_source(figures[2], few_made), without_source(figures[3], many)
    result = {"load": "frames of 64 bytes between two ports, one core",
              "4096 stations, Mpps": lab.summary(figures[0]),
              "with VLAN filtering, Mpps": lab.summary(figures[1]),
              "testpmd mac, Mpps": lab.summary(figures[4]),
              "ratio": lab.ratios(figures[0], figures[4]),
              "ratio with VLAN filtering": lab.ratios(figures[1], figures[4]),
              "4096 stations, generated, cycles": lab.summary(made, 1),
              "100000 stations, generated, cycles": lab.summary(made_many, 1),
              "100000 stations to 4096": lab.ratios(made, made_many),
              "generator, cycles per packet": many.generator_cycles(),
              "flood of 64 bytes to 8 ports, cycles for each": lab.summary([lab.TSC_MHZ / v for v in figures[5]], 1),
              "flood of 1518 bytes, cycles for each": lab.summary([lab.TSC_MHZ / v for v in figures[6]], 1)}
    if args.graph:
        result.update({f"{name}, cycles per packet": daemon.cycles for name, daemon in
                       (("4096", plain), ("filtering", access), ("100000", plain_many))})
    return result
