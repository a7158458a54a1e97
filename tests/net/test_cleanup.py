# SPDX-License-Identifier: BSD-3-Clause
"""The net ring itself: a test that fails, wherever it does, leaves no process, namespace or file behind."""
import os
import re
import sys
import tempfile

import pytest

from harness import PREFIX, ROOT, is_dead, remove_leftovers, run, wait_until

# Prints who it is and whom it has started.
FILE = """
import os
import signal
import pytest
from gateway_lab import weir_gateway

def note(lab):
    children = [lab.weir.process, *(child for namespace in lab.namespaces for child in namespace.background)]
    print("pids", os.getpid(), *(child.pid for child in children), flush=True)

@pytest.fixture
def gateway(lab):
    weir_gateway(lab)
    lab.wan.popen("iperf3", "-s")
    lab.inner.popen("sleep", 1000)
    note(lab)
    {in_fixture}
    return lab

def test_it(gateway):
    {in_test}
"""
FAILURES = {
    "in_the_test": ("pass", "assert not gateway.lan.ping('10.2.0.2')[1]"),
    "in_its_fixture": ("raise OSError('no such thing')", "pass"),
    "by_interrupt": ("pass", "os.kill(os.getpid(), signal.SIGTERM)"),
    "by_kill": ("pass", "os.kill(os.getpid(), signal.SIGKILL)"),
}


def left_of(pid):
    """Namespaces and directories of a test run."""
    names = [line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines() if line]
    names += os.listdir(tempfile.gettempdir())
    return [name for name in names if name.startswith(f"{PREFIX}-{pid}-")]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("where", FAILURES)
def test_a_failing_test_leaves_nothing(tmp_path, where):
    in_fixture, in_test = FAILURES[where]
    file = tmp_path / "test_failing.py"
    file.write_text(FILE.format(in_fixture=in_fixture, in_test=in_test), encoding="utf-8")
    done = run(sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-p", "conftest", "-s",
               "--rootdir", tmp_path, file, check=False,
               env={**os.environ, "PYTHONPATH": str(ROOT / "tests" / "net")})
    assert done.returncode != 0, done.stdout
    own, *started = [int(pid) for pid in re.search(r"pids ([\d ]+)", done.stdout)[1].split()]
    assert len(started) == 3
    wait_until(lambda: all(map(is_dead, started)), what="its processes have ended")
    if where == "by_kill":
        assert left_of(own)
        remove_leftovers()  # as the next run does
    assert left_of(own) == []
