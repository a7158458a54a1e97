# SPDX-License-Identifier: BSD-3-Clause
"""
scripts/demo: a NAT gateway between two network namespaces, as conf/nat-gateway.conf draws it.

scripts/demo --pcap: a capture with anything in it through the router of two net_pcap ports.

    FILE [in] 192.0.2.1/24 weir 198.51.100.1/24 [out] weir-out.pcap
"""
import json
import os
import re

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from scapy.utils import rdpcap, wrpcap, wrpcapng

from harness import ROOT, run


def demo(directory, name):
    # Its own build is what it shows; whoever cannot write there uses what is there.
    return run(ROOT / "scripts" / "demo", "--pcap", name, cwd=directory, check=False, timeout=600)


def packets(n):
    """To any MAC address: a capture was taken anywhere."""
    return [Ether(src="02:aa:00:00:00:01", dst=f"0a:00:00:00:00:{i % 250:02x}") /
            IP(src="10.0.0.1", dst=f"203.0.113.{i % 250}") / UDP(sport=1000 + i) / Raw(bytes(i % 700))
            for i in range(n)]


def test_a_capture_with_broken_frames_is_routed_and_accounted_for(tmp_path):
    good = packets(300)
    broken = [Raw(bytes(good[i])[:i]) for i in range(1, 42)] + [Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(pdst="192.0.2.1"),
              Ether() / IP(dst="203.0.113.1") / Raw(bytes(4000))]
    wrpcap(str(tmp_path / "a, b.pcap"), good + broken, linktype=1)
    done = demo(tmp_path, "a, b.pcap")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^difference 0$", done.stdout, re.MULTILINE)
    assert re.search(r"^rx 343$", done.stdout, re.MULTILINE)
    out = rdpcap(str(tmp_path / "weir-out.pcap"))
    assert [packet[IP].dst for packet in out] == [packet[IP].dst for packet in good]
    assert {packet[IP].ttl for packet in out} == {63} and {packet.dst for packet in out} == {"02:00:00:00:00:fe"}


@pytest.mark.parametrize("n", [0, 7])
def test_as_many_frames_come_out_as_went_in(tmp_path, n):
    if n > 0:
        wrpcapng(str(tmp_path / "x"), packets(n))
    else:
        (tmp_path / "x").write_bytes(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000"))
    done = demo(tmp_path, "x")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "weir-out.pcap").stat().st_size >= 24
    assert len(rdpcap(str(tmp_path / "weir-out.pcap"))) == n
    assert re.search(r"^difference 0$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("data, part", [
    (None, "cannot read"), (b"", "no capture"), (b"hello", "no capture"),
    (bytes.fromhex("d4c3b2a1020004000000000000000000ffff000065000000"), "Ethernet"),  # raw IP
])
def test_what_is_no_capture_of_frames_is_refused(tmp_path, data, part):
    if data is not None:
        (tmp_path / "x.pcap").write_bytes(data)
    done = demo(tmp_path, "x.pcap")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and part in done.stderr
    assert os.listdir(tmp_path) == (["x.pcap"] if data is not None else [])


# The names of a demo are fixed: it runs in namespaces of the test's own, where nothing outlives the script.
ASIDE = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-euc"]
GATEWAY = """
mount -t tmpfs demo /run
scripts/demo --stay
echo end of the demo
for words in 'conntrack list' 'firewall show' 'nat show' 'stats show'; do
    build/gcc/app/weirctl/weirctl -j $words
done
scripts/demo --stop
echo "left: $(ip netns list) $(ls -x /run/weir) $(pgrep -x weir)"
"""


@pytest.mark.usefixtures("alone")
def test_the_gateway_translates_both_ways_and_says_so_and_nothing_is_left():
    done = run(*ASIDE, GATEWAY, cwd=ROOT, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    shown, _, after = done.stdout.partition("end of the demo\n")
    assert shown.count(" 0% packet loss") == 2 and shown.count("iperf Done.") == 2
    for command in ("conntrack list", "firewall show", "nat show", "stats show", "drop show"):
        assert re.search(rf"^\$ \S+weirctl {command}$", shown, re.MULTILINE), command
    # As tables: from inside behind the gateway's address, and from outside to the server inside.
    assert re.search(r"^tcp .* 192\.168\.1\.10 +203\.0\.113\.10 .* 203\.0\.113\.1 .*SRC_NAT", shown, re.MULTILINE)
    assert re.search(r"^tcp .* 203\.0\.113\.1 .* 8080 .* 192\.168\.1\.10 .* 5201 .*DST_NAT", shown, re.MULTILINE)

    *answers, left = after.splitlines()
    connections, rules, translations, stats = map(json.loads, answers)
    assert {row["proto"] for row in connections} == {"icmp", "tcp"}
    packets = {row["name"]: row["packets"] for hook in ("prerouting", "forward", "postrouting")
               for row in rules if row["hook"] == hook and row["name"] != "policy"}
    # iperf3 has one connection for control and one for data.
    assert packets["iperf"] == packets["forwarded"] == 2
    assert packets["out"] == packets["masquerade"] == 4
    assert {row["name"]: row["connections"] for row in translations} == {"iperf": 2, "masquerade": 4}
    assert stats["difference"] == 0
    assert left.split() == ["left:"]
