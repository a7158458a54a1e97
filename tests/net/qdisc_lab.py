# SPDX-License-Identifier: BSD-3-Clause
"""
What tests of traffic control stand on: loads, what arrives of them and when, and figures that are measured.

Two kinds of claims are told apart. What weir must never do, however busy the machine is (let pass more than the
rate, lose a packet), is an assert like any other. What takes a machine that has time for it (the rate is reached)
is given by within(), and measured again by measured() when it is missed: a fault is seen each time.
"""
import contextlib
import json
import re
import socket
import statistics
import struct
import subprocess
import threading
import time
from collections import namedtuple

from harness import wait_until

HEADERS = 14 + 20 + 8  # of Ethernet, IPv4 and UDP, in front of a payload
FRAME = 1500
STAMP = struct.Struct("!IQ")  # number, time
SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33
CONGESTION = "cubic"
Arrival = namedtuple("Arrival", "number sent at size")  # times in seconds, size of the frame


class Missed(AssertionError):
    """A figure that is out of its bounds, this time."""


def within(low, value, high, what):
    if not low <= value <= high:
        raise Missed(f"{what}: {value:.4g} is not within {low:.4g} and {high:.4g}")


def measured(attempt, n=6):
    """What attempt() gives, once all its figures are within their bounds."""
    for _ in range(n - 1):
        with contextlib.suppress(Missed):
            return attempt()
    return attempt()


class Sink:
    """Takes datagrams, with room for all that a test sends. When they came is the kernel's word."""

    def __init__(self, host, address, port):
        self.sock = host.udp_socket(address, port)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sock.setblocking(False)
        self.arrivals = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def take(self):
        """All that has come up to now."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data, extra, _, _ = self.sock.recvmsg(2048, 256)
                number, sent_ns = STAMP.unpack_from(data)
                seconds, ns = struct.unpack("qq", extra[0][2])
                self.arrivals.append(Arrival(number, sent_ns / 1e9, seconds + ns / 1e9, len(data) + HEADERS))
        return self.arrivals


class Source:
    """Sends numbered datagrams, each in a frame of that size."""

    def __init__(self, host, own, to, port, size=FRAME, tos=0, own_port=0):
        self.sock = host.udp_socket(own, own_port)
        self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        self.to, self.size, self.n_sent = (to, port), size, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self):
        data = STAMP.pack(self.n_sent, time.time_ns()).ljust(self.size - HEADERS, b"\0")
        self.sock.sendto(data, self.to)
        self.n_sent += 1


class Flood(Source):
    """The same at an even pace, so many bit/s, from a thread."""

    def __init__(self, host, own, to, port, rate, **options):
        super().__init__(host, own, to, port, **options)
        self.interval = self.size * 8 / rate
        self.is_stopped = False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        due = time.monotonic()
        while not self.is_stopped:
            # Whoever was held up does not make up for it all at once.
            due = max(due, time.monotonic() - 0.05)
            while due <= time.monotonic():
                with contextlib.suppress(BlockingIOError, TimeoutError):
                    self.send()
                due += self.interval
            time.sleep(min(self.interval, 0.002))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_stopped = True
        self.thread.join()
        super().__exit__()


def rate_of(arrivals):
    """bit/s, from the first one to the last."""
    assert len(arrivals) > 2, arrivals
    return sum(one.size for one in arrivals[1:]) * 8 / (arrivals[-1].at - arrivals[0].at)


def after(arrivals, seconds):
    """Those that came so long after the first."""
    return [one for one in arrivals if one.at >= arrivals[0].at + seconds]


def never_faster(arrivals, rate, burst):
    """
    In no span of time do more bytes come than burst and rate allow. A packet may be held up between the qdisc, whose
    clock has said that it may go, and the device; the bucket is full again then, hence a second burst.
    """
    total, lowest = 0, float("inf")
    for one in arrivals:
        lowest = min(lowest, total - rate / 8 * 1.001 * (one.at - arrivals[0].at))
        total += one.size
        excess = total - rate / 8 * 1.001 * (one.at - arrivals[0].at) - lowest
        assert excess <= 2 * burst + FRAME, f"{excess:.0f} bytes more than {rate} bit/s, after {one}"


@contextlib.contextmanager
def shaped(weir, dev="wan", **settings):
    """The link has that qdisc for a while."""
    call(weir, "qdisc.replace", dev=dev, **settings)
    try:
        yield
    finally:
        weir.ctl("qdisc", "del", "dev", dev)


def call(weir, method, **params):
    """For settings that the command line has no words for."""
    with weir.rpc() as rpc:
        answer = rpc.call(method, **params)
    assert "error" not in answer, answer
    return answer["result"]


def qdisc(weir, kind, dev="wan"):
    return weir.row("-s", "qdisc", "show", "dev", dev, kind=kind)


def traffic_class(weir, name, dev="wan"):
    (row,) = [row for row in weir.ctl("-s", "class", "show", "dev", dev)
              if row.get("name", row["handle"]) == name]
    return row


def since(before, now, *keys):
    """What counters have counted meanwhile."""
    return tuple(now[key] - before[key] for key in keys)


class Streams:
    """TCP from a host to a server, so many connections, until the body ends."""

    def __init__(self, client, server, to, n, port=5201, options=()):
        self.server = server.popen("iperf3", "-s", "-1", "-p", port, stdout=subprocess.DEVNULL)
        # A probing connection would be taken for the one client: look, do not touch.
        wait_until(lambda: f":{port} " in server.exec("ss", "-Hltn").stdout, what="iperf3 listens")
        self.client = client.popen("iperf3", "-J", "-C", CONGESTION, "-c", to, "-p", port, "-P", n, "-t", 60, *options,
                                   stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """They stop at once: a test has seen enough of them."""
        for process in (self.client, self.server):
            process.kill()
            process.wait()
        self.client.stdout.close()


def ping_times(host, to, *words, n=20, interval=0.05):
    """Milliseconds of each echo that came."""
    text = host.ping(to, *words, count=n, interval=interval, wait=2)[2]
    times = [float(found) for found in re.findall(r"time=([0-9.]+)", text)]
    assert times, text
    return times


def median_ping(*args, **options):
    return statistics.median(ping_times(*args, **options))


def kernel_counter(host, name):
    """One of those of nstat(8), absolute."""
    return json.loads(host.exec("nstat", "-asz", "-j", name).stdout)["kernel"][name]
