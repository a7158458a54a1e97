# SPDX-License-Identifier: BSD-3-Clause
"""A peer's hands on the cable: sends frames and sees those that come in, byte by byte.

A packet socket is made inside the peer's namespace and used from the test's own process, so a
frame is an in-process call away. Absence is shown by order, not by waiting: send what must not
come through, then a marker, and look at all that came before the marker.
"""
import socket
import struct
import time

from scapy.layers.l2 import Ether

ETH_P_ALL = 3
PACKET_OUTGOING = 4
SOL_PACKET, PACKET_AUXDATA = 263, 8
AUXDATA = struct.Struct("=IIIHHHH")  # status, length, length captured, offsets of MAC and network, TCI, TPID
VLAN_VALID = 0x10


def with_tag(data, ancillary):
    """The kernel takes the outer VLAN tag off and tells it beside the frame: puts it back."""
    for level, kind, value in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, *_, tci, tpid = AUXDATA.unpack(value[:AUXDATA.size])
            if status & VLAN_VALID:
                return data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


class Wire:
    def __init__(self, dev):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.bind((dev, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, *frames):
        for frame in frames:
            self.sock.send(bytes(frame))

    def receive_bytes(self, timeout):
        """The next frame that came in, as it is, or None."""
        deadline = time.monotonic() + timeout
        while True:
            self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data, ancillary, _, address = self.sock.recvmsg(65536, 256)
            except (socket.timeout, BlockingIOError):
                return None
            if address[2] != PACKET_OUTGOING:
                return with_tag(data, ancillary)
            if time.monotonic() > deadline:
                return None

    def receive(self, timeout):
        """The next frame that came in, taken apart, or None."""
        data = self.receive_bytes(timeout)
        return None if data is None else Ether(data)

    def until(self, match, timeout=10):
        """All frames up to the first that matches, that one last."""
        seen = []
        deadline = time.monotonic() + timeout
        while True:
            frame = self.receive(deadline - time.monotonic())
            if frame is None:
                raise AssertionError(f"no such frame within {timeout} s, only {[f.summary() for f in seen]}")
            seen.append(frame)
            if match(frame):
                return seen

    def expect(self, match, timeout=10):
        return self.until(match, timeout)[-1]
