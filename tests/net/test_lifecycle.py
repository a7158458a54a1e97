# SPDX-License-Identifier: BSD-3-Clause
"""
Start, stop, and more than one worker:

    10.1.0.2 [lan0] -- 10.1.0.1/24 weir 10.2.0.1/24 -- [wan0] 10.2.0.2
"""
import os
import signal
import time
from pathlib import Path

import pytest

from harness import base_conf, wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_stops_it_cleanly_under_traffic(lab, number):
    lab.router()
    lab.lan.popen("ping", "-q", "-f", "-i", "0.002", "10.2.0.2")
    wait_until(lambda: lab.weir.ctl("stats", "show")["tx"] > 200, what="traffic flows")
    begin = time.monotonic()
    lab.weir.process.send_signal(number)
    assert lab.weir.wait(30) == 0, lab.weir.stderr()
    assert time.monotonic() - begin < 10
    assert not os.path.exists(lab.weir.socket)


def test_it_stops_while_packets_are_held(lab):
    lab.router()
    lab.lan.ping("10.2.0.99", count=3, interval=0.01, wait=0.1)
    assert lab.weir.stop() == 0


def test_without_links_it_just_answers(lab):
    weir = lab.daemon(base_conf(links=[])).start()
    assert weir.ctl("link", "show") == []
    assert weir.ctl("route", "show") == []
    assert weir.quiet()["difference"] == 0
    assert weir.stop() == 0


@pytest.mark.usefixtures("alone")
def test_without_privileges_it_takes_what_memory_there_is_and_says_so_in_one_line(lab):
    n_free = int(Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read_text(encoding="ascii"))
    weir = lab.daemon(base_conf(links=[], memory={"hugepages": "auto", "mbufs": 8192})).as_nobody().start()
    assert weir.ctl("link", "show") == []
    assert weir.stop() == 0
    lines = [line for line in weir.stderr().splitlines() if "ordinary memory" in line]
    # Huge pages that somebody else has left free are anybody's.
    assert len(lines) <= 1 if n_free > 0 else len(lines) == 1


def test_told_to_use_ordinary_memory_it_does_so_without_a_word(lab):
    weir = lab.daemon(base_conf(links=[], memory={"hugepages": "off", "mbufs": 8192})).start()
    assert weir.stop() == 0
    assert "memory" not in weir.stderr()


@pytest.mark.parametrize("idle", ["adaptive", "poll"])
def test_two_workers_forward_between_their_ports(lab, idle):
    lab.router(workers={"lcores": "0-1", "idle": idle})
    rows = lab.weir.ctl("worker", "show")
    assert [row["worker"] for row in rows] == [0, 1]
    assert sorted(queue for row in rows for queue in row["queues"]) == ["lan:0", "wan:0"]
    assert all(len(row["queues"]) == 1 for row in rows)
    # Each worker polls one port, so each packet crosses from one worker's port to the other's.
    sent, received, output = lab.lan.ping("10.2.0.2", count=500, interval=0.002)
    assert (sent, received) == (500, 500), output
    sent, received, output = lab.wan.ping("10.1.0.2", count=500, interval=0.002)
    assert (sent, received) == (500, 500), output
    stats = lab.weir.quiet()
    assert stats["difference"] == 0
    busy = [row["packets"] for row in lab.weir.ctl("worker", "show")]
    assert min(busy) >= 500, busy


def test_poll_mode_forwards_too(lab):
    lab.router(workers={"lcores": base_conf()["workers"]["lcores"], "idle": "poll"})
    sent, received, output = lab.lan.ping("10.2.0.2", count=200, interval=0.002)
    assert (sent, received) == (200, 200), output


def test_a_reload_of_the_same_file_disturbs_nothing(lab):
    lab.router()
    lab.lan.ping("10.2.0.2", count=1)
    lab.weir.process.send_signal(signal.SIGHUP)
    sent, received, output = lab.lan.ping("10.2.0.2", count=100, interval=0.01)
    assert (sent, received) == (100, 100), output
    assert lab.weir.process.poll() is None
