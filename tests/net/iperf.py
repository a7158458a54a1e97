# SPDX-License-Identifier: BSD-3-Clause
"""Streams of iperf3 between two hosts, and what both ends say of them."""
import json
import subprocess

from harness import wait_until

SERVER_PORT = 5201


def iperf3(client, server, to, *words, port=SERVER_PORT):
    """A server on one side and a client on the other, which connects to that port; what both ends report."""
    log = server.popen("iperf3", "-s", "-1", "-J", "-p", SERVER_PORT, stdout=subprocess.PIPE)
    # A probing connection would be taken for the one client: look, do not touch.
    wait_until(lambda: f":{SERVER_PORT}" in server.exec("ss", "-Hltn").stdout, what="iperf3 listens")
    ours = client.exec("iperf3", "-J", "-c", to, "-p", port, *words, check=False).stdout
    reports = [json.loads(ours), json.loads(log.communicate(timeout=20)[0])]
    for report in reports:
        assert "error" not in report, report["error"]
    assert log.wait(20) == 0
    return reports


def overruns(host):
    """Datagrams that found the buffer of their socket full."""
    words = ["nstat", "-a", "-s", "-z", "-j", "UdpRcvbufErrors", "Udp6RcvbufErrors"]
    return sum(json.loads(host.exec(*words).stdout)["kernel"].values())


def tcp_passes(client, server, to, *words):
    ours, _ = iperf3(client, server, to, "-t", 2, *words)
    assert ours["end"]["sum_received"]["bytes"] > 100_000


def udp_passes_whole(client, server, to, *words):
    """A busy machine may overrun a socket's buffer, which the host counts: nothing else may be lost."""
    receiver = client if "-R" in words else server
    before = overruns(receiver)
    ours, _ = iperf3(client, server, to, "-u", "-b", "5M", "-l", 1000, "-t", 2, *words)
    assert ours["end"]["sum"]["packets"] > 500
    assert ours["end"]["sum"]["lost_packets"] <= overruns(receiver) - before
