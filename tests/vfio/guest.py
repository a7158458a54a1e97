# SPDX-License-Identifier: BSD-3-Clause
"""The machine that weir runs on in these tests, and the far ends of its two cables.

QEMU hands each frame of a NIC to a Unix datagram socket and takes frames from there, so a cable is
a socket of this process. Paths are relative, since a socket's path is short: Guest works in a
directory of its own under build/vfio, which goes with it.
"""
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from scapy.layers.l2 import Ether

TREE = Path(__file__).resolve().parents[2]
VFIO = TREE / "build/vfio"
BOOT_SECONDS = 120
COMMAND_SECONDS = 120
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Lines:
    """JSON objects, one a line, over a Unix stream socket that QEMU listens on."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.pending = b""

    def send(self, value):
        self.sock.sendall(json.dumps(value).encode() + b"\n")

    def receive(self, timeout):
        self.sock.settimeout(timeout)
        while b"\n" not in self.pending:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("the other end has hung up")
            self.pending += data
        line, _, self.pending = self.pending.partition(b"\n")
        return json.loads(line)


class Cable:
    """The far end of a NIC's cable."""

    def __init__(self, name):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(f"{name}.here")
        self.peer = f"{name}.qemu"
        self.n_sent = self.n_received = 0

    def send(self, *frames):
        self.sock.settimeout(30)  # a socket takes some ten frames until QEMU reads them
        for frame in frames:
            self.sock.sendto(bytes(frame), self.peer)
            self.n_sent += 1

    def receive(self, timeout):
        """The next frame, or None."""
        self.sock.settimeout(max(timeout, 0.001))
        try:
            frame = Ether(self.sock.recv(65536))
        except (socket.timeout, BlockingIOError):
            return None
        self.n_received += 1
        return frame

    def until(self, match, timeout=30):
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

    def expect(self, match, timeout=30):
        return self.until(match, timeout)[-1]


class Guest:
    """cables: {netdev name: MAC address}; the NICs get the PCI addresses 0000:00:10.0 and on."""

    def __init__(self, cables):
        self.home = os.getcwd()
        self.dir = Path(tempfile.mkdtemp(prefix="run-", dir=VFIO))
        os.chdir(self.dir)
        self.process = None
        try:
            self.cables = {name: Cable(name) for name in cables}
            self.spawn(cables)
            self.monitor = self.connect("monitor")
            self.monitor.receive(BOOT_SECONDS)
            self.qmp("qmp_capabilities")
            self.agent = self.connect("agent")
            assert self.agent.receive(BOOT_SECONDS) == {"ready": True}
        except BaseException:
            print(self.console())
            self.close()
            raise

    def spawn(self, cables):
        words = ["-M", "q35",
                 "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1536",
                 "-nodefaults", "-display", "none", "-no-reboot", "-serial", "file:console",
                 "-device", "intel-iommu,caching-mode=on,aw-bits=48",
                 "-kernel", next((VFIO / "kernel/boot").glob("vmlinuz-*")), "-initrd", VFIO / "initramfs.cpio",
                 "-append", f"console=ttyS0 intel_iommu=on iommu=pt no_timer_check panic=-1 quiet WEIR_TREE={TREE}",
                 "-virtfs", "local,path=/,mount_tag=outside,security_model=none,readonly=on,multidevs=remap",
                 "-qmp", "unix:monitor,server=on,wait=off",
                 "-chardev", "socket,id=agent,path=agent,server=on,wait=off",
                 "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=agent"]
        for i, (name, mac) in enumerate(cables.items()):
            words += ["-netdev", f"dgram,id={name},local.type=unix,local.path={name}.qemu,"
                                 f"remote.type=unix,remote.path={name}.here",
                      "-device", f"e1000e,netdev={name},id=nic-{name},mac={mac},bus=pcie.0,addr={0x10 + i:#x}"]
        # pylint: disable-next=consider-using-with,subprocess-popen-preexec-fn
        self.process = subprocess.Popen(["qemu-system-x86_64", *map(str, words)], stdin=subprocess.DEVNULL,
                                        preexec_fn=die_with_parent)

    def connect(self, path):
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            try:
                return Lines(path)
            except (FileNotFoundError, ConnectionRefusedError):
                assert self.process.poll() is None, "QEMU has ended"
                assert time.monotonic() < deadline, f"QEMU opens no {path}"
                time.sleep(0.05)

    def console(self):
        path = self.dir / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def qmp(self, command, **arguments):
        self.monitor.send({"execute": command, "arguments": arguments})
        while "return" not in (answer := self.monitor.receive(30)):
            assert "error" not in answer, answer
        return answer["return"]

    def run(self, command):
        """A shell command inside: (exit code, output)."""
        self.agent.send({"sh": command})
        answer = self.agent.receive(COMMAND_SECONDS)
        return answer["status"], answer["out"]

    def sh(self, command):
        """A shell command inside that must work: its output."""
        status, out = self.run(command)
        assert status == 0, f"{command}: exit {status}\n{out}"
        return out

    def wait(self, command, seconds=30):
        """Polls until a shell command succeeds inside: its output."""
        deadline = time.monotonic() + seconds
        while True:
            status, out = self.run(command)
            if status == 0:
                return out
            assert time.monotonic() < deadline, f"{command}: still {status} after {seconds} s\n{out}"
            time.sleep(0.1)

    def close(self):
        """A QEMU that a signal ended before us leaves a mark for scripts/test-vfio: no test says anything then."""
        if self.process is not None:
            if (self.process.poll() or 0) < 0:
                (VFIO / "qemu-died").touch()
            self.process.kill()
            self.process.wait()
        os.chdir(self.home)
        shutil.rmtree(self.dir, ignore_errors=True)
