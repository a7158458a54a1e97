# SPDX-License-Identifier: BSD-3-Clause
"""weir under a service manager: what it tells it, what privileges it keeps, its unit."""
import contextlib
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from harness import ROOT, base_conf, link_conf, program, run

NET_ADMIN, NET_RAW, IPC_LOCK, SYS_ADMIN = 12, 13, 14, 21
KEPT = 1 << NET_ADMIN | 1 << NET_RAW | 1 << IPC_LOCK


@contextlib.contextmanager
def manager(monkeypatch, name):
    """The socket of a service manager; '@' begins an abstract name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name[1:] if name[0] == "@" else name)
        sock.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield sock


def told(sock):
    return dict(line.split("=", 1) for line in sock.recv(4096).decode().splitlines())


def told_until(sock, key):
    """The next message with that key; others are passed over."""
    while key not in (message := told(sock)):
        pass
    return message


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_it_says_ready_when_the_control_socket_answers_and_stopping_at_the_end(lab, monkeypatch, kind):
    name = f"@weirt-{os.getpid()}-notify" if kind == "abstract" else str(lab.dir / "notify")
    with manager(monkeypatch, name) as sock:
        weir = lab.daemon(base_conf(links=[])).spawn()
        message = told(sock)
        assert message == {"READY": "1", "STATUS": "running, 1 workers, 0 links"}
        assert weir.is_ready()
        assert weir.ctl("link", "show") == []
        weir.process.send_signal(signal.SIGTERM)
        assert told(sock) == {"STOPPING": "1"}
        assert weir.wait() == 0


def test_a_reload_is_told_before_and_after(lab, monkeypatch):
    with manager(monkeypatch, str(lab.dir / "notify")) as sock:
        weir = lab.daemon(base_conf(links=[])).spawn()
        told_until(sock, "READY")
        weir.process.send_signal(signal.SIGHUP)
        message = told(sock)
        assert message["RELOADING"] == "1" and int(message["MONOTONIC_USEC"]) > 0
        assert told(sock)["READY"] == "1"


def test_the_watchdog_is_petted_if_there_is_one(lab, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    with manager(monkeypatch, str(lab.dir / "notify")) as sock:
        weir = lab.daemon(base_conf(links=[])).spawn()
        told_until(sock, "READY")
        for _ in range(5):
            assert told(sock) == {"WATCHDOG": "1"}
        assert weir.stop() == 0


def test_the_watchdog_of_another_process_is_none_of_its_business(lab, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    with manager(monkeypatch, str(lab.dir / "notify")) as sock:
        weir = lab.daemon(base_conf(links=[])).spawn()
        told_until(sock, "READY")
        weir.process.send_signal(signal.SIGTERM)
        assert told(sock) == {"STOPPING": "1"}
        assert weir.wait() == 0


@pytest.mark.parametrize("name", [None, "", "/nowhere/notify", "@nobody-listens-here", "relative", "/" + 200 * "x"])
def test_without_a_manager_nothing_happens(lab, monkeypatch, name):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if name is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", name)
    weir = lab.daemon(base_conf(links=[])).start()
    assert weir.stop() == 0


# Privileges

def threads(weir):
    """{thread: {"CapEff": ..., ...}} of the daemon once it answers: a connection alone it takes earlier."""
    assert weir.ctl("stats", "show")["rx"] >= 0
    found = {}
    for task in Path(f"/proc/{weir.process.pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
        found[f"{status['Name']} {task.name}"] = status
    return found


def test_every_thread_keeps_only_what_running_needs(lab):
    lab.router()
    found = threads(lab.weir)
    assert len(found) >= 3, found  # control, a worker, the EAL's interrupt thread
    for thread, status in found.items():
        for key, wanted in (("CapPrm", KEPT), ("CapEff", KEPT), ("CapInh", 0), ("CapAmb", 0)):
            assert int(status[key], 16) == wanted, (thread, key, status[key])
        assert status["NoNewPrivs"] == "1", thread
    assert "privileges" not in lab.weir.stderr()


@pytest.mark.usefixtures("alone")
def test_physical_addresses_of_huge_pages_take_one_capability_more(lab):
    weir = lab.daemon(base_conf(links=[], memory={"hugepages": "auto", "mbufs": 8192}, eal=["--iova-mode=pa"])).start()
    wanted = KEPT if "ordinary memory" in weir.stderr() else KEPT | 1 << SYS_ADMIN
    assert {int(status["CapEff"], 16) for status in threads(weir).values()} == {wanted}


def test_with_what_is_kept_it_does_all_that_running_needs(lab):
    lab.router()
    weir = lab.weir
    weir.ctl("link", "set", "lan", "mtu", "1400")
    weir.ctl("link", "set", "lan", "down")
    weir.ctl("link", "set", "lan", "up")
    sent, received, output = lab.lan.ping("10.2.0.2", count=3)
    assert (sent, received) == (3, 3), output
    assert weir.stop() == 0
    assert not os.path.exists(weir.socket)


def test_what_is_kept_suffices_to_make_a_tap(lab):
    """What starts with these capabilities alone can make the same links later."""
    weir = lab.daemon(base_conf(links=[link_conf("lan", 0, "10.1.0.1/24")]), netns=lab.namespace("gw"))
    weir.user = ["setpriv", "--bounding-set=-all,+net_admin,+net_raw,+ipc_lock", "--no-new-privs"]
    weir.start()
    assert [row["ifname"] for row in weir.ctl("link", "show")] == ["lan"]


def test_a_user_without_privileges_has_none_to_give_up(lab):
    weir = lab.daemon(base_conf(links=[])).as_nobody().start()
    for thread, status in threads(weir).items():
        assert int(status["CapPrm"], 16) == 0 and status["NoNewPrivs"] == "1", thread
    assert "privileges" not in weir.stderr()


# The unit

def unit_text():
    text = (ROOT / "conf" / "systemd" / "weir.service.in").read_text(encoding="utf-8")
    text = text.replace("@sbindir@/weir", program("weir")).replace("@sysconfdir@", "/etc")
    assert not re.search(r"@\w+@", text)
    return text


def test_the_unit_gives_no_capability_but_those_of_starting():
    (line,) = re.findall(r"^CapabilityBoundingSet=(.*)$", unit_text(), re.M)
    assert set(line.split()) == {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_CHOWN"}


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    path = tmp_path / "weir.service"
    path.write_text(unit_text(), encoding="utf-8")
    done = run("systemd-analyze", "verify", "--man=no", path, check=False)
    assert done.returncode == 0 and "weir.service" not in done.stderr, done.stderr


@pytest.mark.usefixtures("alone")
def test_huge_pages_that_were_asked_for_are_given_back(lab):
    pages = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")

    def count(name):
        return int((pages / name).read_text(encoding="ascii"))

    # 2560 bytes a buffer: about ten pages more than are free.
    mbufs = max((count("free_hugepages") + 10) * (2 << 20) // 2560, 8192)
    before = count("nr_hugepages")
    weir = lab.daemon(base_conf(links=[], memory={"hugepages": "auto", "mbufs": mbufs})).start()
    # A kernel without so much memory in one piece gives none, and what it gave at first goes back at once.
    is_given = "ordinary memory" not in weir.stderr()
    assert count("nr_hugepages") > before if is_given else count("nr_hugepages") == before
    assert weir.stop() == 0
    assert count("nr_hugepages") == before
