# SPDX-License-Identifier: BSD-3-Clause
"""An idle worker sleeps until a NIC interrupts, and is not fooled by one that never does."""
import statistics
import time

import pytest

from router import Router

INTERRUPTS = "awk '/vfio/ { for (i = 2; i <= 3; i++) n += $i } END { print n }' /proc/interrupts"


@pytest.fixture(name="router", scope="module", params=["msix", "msi", "legacy"])
def _router(guest, request):
    guest.sh("scripts/bind --force 00:10.0 00:11.0")
    router = Router(guest, f'eal = [ "--vfio-intr={request.param}" ];')
    router.mode = request.param
    router.start()
    yield router
    router.stop()


def passes(router):
    return sum(row["passes"] for row in router.ctl("-s worker show"))


def test_an_idle_worker_does_next_to_nothing(router):
    """Counted in passes, not in time: how long one takes is the emulator's business. Polling takes
    millions of them, short sleeps tens of thousands; who waits for an interrupt looks ten times a second.
    With MSI-X one packet does not yet tell the worker that no interrupt will come: this test is the first."""
    router.hosts["a"].ping()
    time.sleep(1)  # the span that is measured starts when the worker has had time to fall asleep
    before = passes(router)
    time.sleep(5)
    n = passes(router) - before
    assert n < 1000
    router.hosts["a"].ping()


def ping_times(host, n):
    """Seconds that each of n pings took of a router that was idle, at all phases of its sleep."""
    times = []
    for i in range(n):
        time.sleep(0.5 + 0.013 * i)
        start = time.monotonic()
        host.ping(seq=100 + i)
        times.append(time.monotonic() - start)
    return times


def test_an_idle_worker_wakes_for_a_packet(router):
    """With MSI-X this driver interrupts never, though it says so: found out after three pings."""
    host = router.hosts["a"]
    host.ping()
    ping_times(host, 6)
    before = int(router.guest.sh(INTERRUPTS))
    times = ping_times(host, 8)
    n_interrupts = int(router.guest.sh(INTERRUPTS)) - before
    assert statistics.median(times) < 0.02, times
    assert n_interrupts >= 8 if router.mode != "msix" else n_interrupts == 0
