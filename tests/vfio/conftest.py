# SPDX-License-Identifier: BSD-3-Clause
"""One guest for all tests: booting it takes longer than they do.

    cable a --- 0000:00:10.0 a 10.0.1.1/24  weir  b 10.0.2.1/24 0000:00:11.0 --- cable b
    10.0.1.2                                                                     10.0.2.2
"""
import pytest

from guest import Guest
from router import Router

MACS = {"a": "52:54:00:00:00:0a", "b": "52:54:00:00:00:0b"}


@pytest.fixture(scope="session", name="guest")
def _guest():
    machine = Guest(MACS)
    yield machine
    machine.close()


@pytest.fixture(name="kernel_nics")
def _kernel_nics(guest):
    """Both NICs are eth0 and eth1 of the guest's kernel, before and after."""
    guest.sh("scripts/bind --undo-all; modprobe e1000e")
    guest.wait("ip link show eth0 && ip link show eth1")
    yield
    guest.sh("scripts/bind --undo-all; modprobe e1000e")


@pytest.fixture(scope="module", name="weir")
def _weir(guest):
    """weir on both NICs; it must end well."""
    guest.sh("scripts/bind --force 00:10.0 00:11.0")
    router = Router(guest)
    router.start()
    yield router
    router.stop()
