# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the net ring. WEIR_BUILD names the build to test, build/gcc when it is not set."""
import fcntl
import os
import signal
import tempfile
from pathlib import Path

import pytest

import harness


def pytest_configure(config):
    if os.geteuid() != 0:
        pytest.exit("the net ring makes network namespaces: run it as root", 1)
    # A plain SIGTERM would end the run without its teardowns.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    supp = harness.ROOT / "tests" / "lsan.supp"
    os.environ.setdefault("LSAN_OPTIONS", f"suppressions={supp}:print_suppressions=0")
    os.environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    harness.remove_leftovers()


def _lab():
    lab = harness.Lab()
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture
def lab():
    """Whatever one test wants to build."""
    yield from _lab()


@pytest.fixture(scope="module")
def module_lab():
    yield from _lab()


@pytest.fixture(scope="module")
def module_lab_of_its_own():
    """For modules that need a second topology beside the first."""
    yield from _lab()


@pytest.fixture
def alone():
    """For tests of what a machine has once: its huge pages, what runs left behind. Rings may run beside each other."""
    with open(Path(tempfile.gettempdir()) / f"{harness.PREFIX}.lock", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def router(module_lab):
    """Kernel peers on both sides, shared by the tests of a module: they leave it as they found it."""
    return module_lab.router()


@pytest.fixture
def fresh_router(lab):
    """The same, for one test alone."""
    return lab.router()


@pytest.fixture(scope="module")
def scripted(module_lab):
    """Silent peers: the test speaks for them."""
    return module_lab.router(is_scripted=True)
