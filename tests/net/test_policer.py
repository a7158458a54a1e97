# SPDX-License-Identifier: BSD-3-Clause
"""
Policers of the real daemon, on taps: that a stream has the rate that it is held to, that colours are what RFC 2697
has them to be as the receiver sees them, and that both can be changed while it runs.
"""
import json
import subprocess

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness import LAN_MAC, WEIR_LAN_MAC, wait_until

SECONDS, PAYLOAD, HEADERS = 3, 1000, 42
RATE, BURST = 4_000_000, 200 * 1024
PORT = 5201


def policed(weir, dev="lan"):
    (row,) = weir.ctl("policer", "show", "dev", dev)
    return row


def stream(client, server, to, mbit):
    """UDP for SECONDS: what of it has come, in bytes of frames, and for how long it was sent."""
    log = server.popen("iperf3", "-s", "-1", "-J", "-p", PORT, stdout=subprocess.PIPE)
    # A probing connection would be taken for the one client: look, do not touch.
    wait_until(lambda: f":{PORT}" in server.exec("ss", "-Hltn").stdout, what="iperf3 listens")
    client.exec("iperf3", "-J", "-c", to, "-p", PORT, "-u", "-b", f"{mbit}M", "-l", PAYLOAD, "-t", SECONDS, check=False)
    report = json.loads(log.communicate(timeout=30)[0])
    assert "error" not in report, report["error"]
    end = report["end"]["sum"]
    received = end["packets"] - end["lost_packets"]
    return received * (PAYLOAD + HEADERS), end["seconds"]


def held_to(lab, rate, burst):
    """A stream has no more than its rate, ever, and no less while nothing but the rate is in its way."""
    for _ in range(6):
        n_bytes, seconds = stream(lab.lan, lab.wan, "10.2.0.2", 20)
        # It begins with a full bucket, or one that has been filling since.
        wanted = rate / 8 * seconds + burst
        assert n_bytes < 1.02 * wanted, (n_bytes, wanted, seconds)
        if n_bytes > 0.95 * wanted:
            return seconds
    raise AssertionError((n_bytes, wanted, seconds))


@pytest.fixture(name="weir")
def fixture_weir(lab):
    return lab.router(policers=[{"link": "lan", "rate": f"{RATE}bit", "burst": BURST}]).weir


def test_a_stream_has_the_rate_that_it_is_held_to(lab, weir):
    held_to(lab, RATE, BURST)
    row = policed(weir)
    assert row["kind"] == "police" and row["dropped"] == row["red"]["packets"] == weir.drops("meter_red") > 1000
    assert weir.link("lan")["stats64"]["rx"]["dropped"] >= row["dropped"]
    assert weir.quiet()["difference"] == 0


def test_what_is_within_the_rate_passes_whole(lab, weir):
    # However late some of it comes, all of it is no more than the burst.
    weir.ctl("policer", "replace", "lan", "rate", f"{RATE}bit", "burst", "1mb")
    n_bytes, _ = stream(lab.lan, lab.wan, "10.2.0.2", 2)
    row = policed(weir)
    assert row["red"]["packets"] == 0 and row["green"]["bytes"] >= n_bytes > 500_000


def test_a_rate_is_replaced_under_a_stream(lab, weir):
    weir.ctl("policer", "replace", "lan", "rate", "1gbit", "burst", "5mb")
    stream(lab.lan, lab.wan, "10.2.0.2", 10)
    row = policed(weir)
    assert row["red"]["packets"] == 0 and row["green"]["packets"] > 0
    weir.ctl("policer", "replace", "lan", "rate", "1mbit", "burst", "200kb", "peakrate", "3mbit", "peakburst", "200kb",
             "yellow", "dscp", "yellow_dscp", "cs1")
    seconds = held_to(lab, 3_000_000, 200 * 1024)
    row = policed(weir)
    assert row["kind"] == "trtcm" and row["yellow"]["bytes"] > 0.9 * 1_000_000 / 8 * seconds
    assert row["red"]["packets"] == row["dropped"] > 0
    weir.ctl("policer", "del", "lan")
    assert weir.ctl("policer", "show") == []
    assert lab.lan.ping("10.2.0.2")[1] == 3


def test_colours_reach_the_receiver_as_dscp(lab):
    """Three frames are green, two yellow, the rest red: as the far end sees them."""
    policer = {"link": "lan", "rate": "1kbit", "burst": 3200, "excess_burst": 2200, "yellow": "dscp",
               "yellow_dscp": "af12", "red": "dscp", "red_dscp": 14}
    weir = lab.router(is_scripted=True, policers=[policer]).weir
    frames = [Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IP(src="10.1.0.2", dst="10.2.0.2", id=i, tos=0xb9) /
              UDP(sport=1, dport=2) / Raw(bytes(1000 - HEADERS)) for i in range(8)]
    with lab.lan.wire() as lan, lab.wan.wire() as wan:
        lan.send(*frames)
        seen = [frame[IP] for frame in wan.until(lambda f: IP in f and f[IP].id == 7) if IP in frame]
    # EF as it came, AF12, AF13; the bits of ECN stay.
    assert [packet.tos for packet in seen] == 3 * [0xb9] + 2 * [12 << 2 | 1] + 3 * [14 << 2 | 1]
    for packet in seen:
        again = packet.copy()
        del again.chksum
        assert IP(bytes(again)).chksum == packet.chksum
    row = policed(weir)
    assert [row[color]["bytes"] for color in ("green", "yellow", "red")] == [3000, 2000, 3000] and row["dropped"] == 0


def test_the_table_for_people(weir):
    head, row = weir.weirctl("policer", "show").stdout.splitlines()
    assert head.split()[:4] == ["DEV", "KIND", "RATE", "BURST"]
    assert row.split()[:4] == ["lan", "police", "4mbit", "200k"]
    assert weir.refused("policer", "add", "lan", "rate", "1mbit", "burst", "20kb") == \
        (1, 'weirctl: "lan" has a policer already')
    assert weir.refused("policer", "add", "wan", "rate", "1mbit", "burst", "1kb")[0] == 2
    assert weir.refused("policer", "del", "wan")[0] == 1
