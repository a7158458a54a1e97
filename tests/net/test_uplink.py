# SPDX-License-Identifier: BSD-3-Clause
"""
conf/uplink.conf at work, as it is: a gateway behind a DSL line, in whose picture the hosts are.

    192.168.1.10 [weir-lan] -- lan 192.168.1.1/24  wan 203.0.113.1/24 -- [weir-wan] 203.0.113.10
    192.168.1.11                                                                    198.51.100.1

The line is slow enough for any machine: up 1.9 mbit/s, down 15 mbit/s, in ATM cells.
"""
import statistics

import pytest

from harness import ROOT, wait_until
from qdisc_lab import Flood, Sink, Streams, after, measured, median_ping, qdisc, since, traffic_class, within

CONF = ROOT / "conf" / "uplink.conf"
HOST, OTHER, MODEM, FAR = "192.168.1.10", "192.168.1.11", "203.0.113.10", "198.51.100.1"
EF = 46 << 2
UP, DOWN = 1.9e6, 15e6


@pytest.fixture(scope="module", name="net")
def net_fixture(module_lab):
    lab = module_lab
    home = lab.namespace("gw")
    lab.weir = lab.daemon("", netns=home)
    text = CONF.read_text(encoding="utf-8")
    assert text.count("memory: { ") == 1
    text = text.replace("memory: { ", 'memory: { hugepages = "off"; ')
    lab.weir.conf.write_text(f'{text}control: {{ socket = "{lab.weir.socket}"; }};\n', encoding="utf-8")
    lab.weir.start()
    lab.lan = lab.peer("lan", home, "02:00:00:00:01:10", [f"{HOST}/24", f"{OTHER}/24"], "192.168.1.1", dev="weir-lan")
    lab.wan = lab.peer("wan", home, "02:00:00:00:02:10", [f"{MODEM}/24"], dev="weir-wan")
    lab.wan.ip("address", "add", f"{FAR}/32", "dev", "lo")
    wait_until(lambda: lab.lan.ping(FAR, count=1)[1] == 1, what="the world is reached")
    yield lab
    assert lab.weir.quiet()["difference"] == 0


def on_the_line(size):
    """Bytes that a frame takes there: cells of it, of 18 bytes more and of what is missing in the last one."""
    return (size + 18 + 47) // 48 * 53


def line_rate(arrivals):
    arrivals = after(arrivals, 0.5)
    bits = sum(on_the_line(one.size) for one in arrivals[1:]) * 8
    return bits / (arrivals[-1].at - arrivals[0].at)


@pytest.mark.parametrize("size", [100, 1500])
def test_an_upload_takes_what_the_line_takes_of_it(net, size):
    def attempt():
        with Sink(net.wan, FAR, 7001) as out, Flood(net.lan, HOST, FAR, 7001, 2.5e6, size=size):
            wait_until(lambda: len(out.take()) > 1 and after(out.arrivals, 2), 30, "there is a load")
        within(0.95 * UP, line_rate(out.arrivals), 1.01 * UP, "bit/s of the line")

    measured(attempt)


def test_a_call_is_quick_beside_an_upload_and_so_is_what_is_typed(net):
    def attempt():
        calls = traffic_class(net.weir, "voice")["stats"]
        with Streams(net.lan, net.wan, FAR, 4), Sink(net.wan, FAR, 7002) as out:
            wait_until(lambda: traffic_class(net.weir, "bulk")["stats"]["packets"] > 200, 30, "there is an upload")
            with Flood(net.lan, HOST, FAR, 7002, 80e3, size=200, tos=EF):
                typed = median_ping(net.lan, FAR)
            waited = [one.at - one.sent for one in out.take()]
        n_packets, n_drops = since(calls, traffic_class(net.weir, "voice")["stats"], "packets", "drops")
        assert n_packets >= len(waited) > 10 and n_drops == 0
        # One packet that is on its way takes 7 ms.
        within(0, 1000 * statistics.median(waited), 25, "milliseconds of a call's packet")
        within(0, typed, 50, "milliseconds of a ping")

    measured(attempt)


def test_who_marks_everything_as_a_call_has_half_of_the_line(net):
    def attempt():
        with Sink(net.wan, FAR, 7001) as out, Flood(net.lan, HOST, FAR, 7001, 3e6, tos=EF):
            wait_until(lambda: len(out.take()) > 1 and after(out.arrivals, 1.5), 30, "there is a load")
        within(0.93e6, line_rate(out.arrivals), 1.05e6, "bit/s of the line")

    measured(attempt)


def test_downloads_share_the_line_by_host(net):
    """One host has ten connections, the other one; what they send up for that is little."""
    def received(host):
        return sum(row["reply"]["bytes"] for row in net.weir.ctl("conntrack", "list", "-p", "tcp")
                   if row["orig"]["src"] == host and row["orig"]["dport"] in (5201, 5202))

    def attempt():
        before = [received(host) for host in (HOST, OTHER)]
        sent = traffic_class(net.weir, "download", "lan")["stats"]["bytes"]
        wait_until(lambda: traffic_class(net.weir, "download", "lan")["stats"]["bytes"] > sent + 2e6, 30,
                   "something was downloaded")
        many, one = (received(host) - then for host, then in zip((HOST, OTHER), before))
        within(0.5, many / max(one, 1), 2, "ten connections to one")

    with Streams(net.lan, net.wan, FAR, 10, port=5201, options=["-R", "-B", HOST]), \
            Streams(net.lan, net.wan, FAR, 1, port=5202, options=["-R", "-B", OTHER]):
        measured(attempt, 8)
        assert median_ping(net.lan, "192.168.1.1") < 50, "the router itself is not behind them"
    assert qdisc(net.weir, "htb", "lan")["options"]["direct_packets_stat"] > 0


def test_a_download_is_a_little_less_than_the_line_brings(net):
    def attempt():
        load = Flood(net.wan, FAR, None, None, 1.6 * DOWN, own_port=7003)
        with Sink(net.lan, HOST, 7003) as out:
            # It has been asked for, by a first packet.
            out.sock.sendto(b"", (FAR, 7003))
            load.to = load.sock.recvfrom(100)[1]
            with load:
                wait_until(lambda: len(out.take()) > 1 and after(out.arrivals, 1.5), 30, "there is a load")
        within(0.95 * DOWN, line_rate(out.arrivals), 1.01 * DOWN, "bit/s of the line")

    measured(attempt)
