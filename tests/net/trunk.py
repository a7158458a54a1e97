# SPDX-License-Identifier: BSD-3-Clause
"""Real kernels as hosts in VLANs, without a kernel that knows VLANs.

A host is a namespace with a TAP of its own. Trunk carries frames between these and a peer's cable: it
puts the tags of a host on what the host sends and takes them off what comes with exactly these.
"""
import fcntl
import os
import select
import struct
import threading

CTAG, STAG = 0x8100, 0x88a8
TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI = 2, 0x1000


def take_tags(frame):
    """([(TPID, TCI)], outermost first, the frame without them)."""
    tags = []
    while struct.unpack_from("!H", frame, 12)[0] in (CTAG, STAG):
        tags.append(struct.unpack_from("!HH", frame, 12))
        frame = frame[:12] + frame[16:]
    return tags, frame


class Trunk:
    def __init__(self, lab, peer):
        self.lab = lab
        # Two tags on a packet of full size; what has none is no larger than before.
        for route in peer.ip_json("route", "show", "default"):
            peer.ip("route", "change", "default", "via", route["gateway"], "mtu", 1500)
        peer.ip("link", "set", peer.dev, "mtu", 1500 + 8)
        self.wire = peer.wire()
        self.taps = {}  # by tags
        self.wake, self.waker = os.pipe()
        self.thread = threading.Thread(target=self.carry)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.waker)
        self.thread.join()
        self.wire.__exit__()
        for fd in (self.wake, *self.taps.values()):
            os.close(fd)

    def host(self, role, tags, address, gateway):
        """A kernel with that address behind these tags, (TPID, VLAN id), outermost first."""
        host = self.lab.namespace(role)
        host.dev = f"{role}0"
        with host.entered():
            tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", host.dev.encode(), IFF_TAP | IFF_NO_PI))
        host.ip("link", "set", host.dev, "up")
        host.ip("address", "add", f"{address}/24", "dev", host.dev)
        host.ip("route", "add", "default", "via", gateway)
        self.taps[tuple(tags)] = tap
        os.write(self.waker, b".")
        return host

    def carry(self):
        while True:
            taps = dict(self.taps)
            ready = select.select([self.wake, self.wire.sock, *taps.values()], [], [])[0]
            if self.wake in ready and not os.read(self.wake, 1):
                return
            for tags, tap in taps.items():
                if tap in ready:
                    frame = os.read(tap, 65536)
                    self.wire.send(frame[:12] + b"".join(struct.pack("!HH", *tag) for tag in tags) + frame[12:])
            if self.wire.sock in ready:
                self.deliver(self.wire.receive_bytes(0), taps)

    @staticmethod
    def deliver(frame, taps):
        if frame is not None:
            tags, frame = take_tags(frame)
            tap = taps.get(tuple((tpid, tci & 0xfff) for tpid, tci in tags))
            if tap is not None:
                os.write(tap, frame)
