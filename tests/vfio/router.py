# SPDX-License-Identifier: BSD-3-Clause
"""weir inside the guest, and hosts at the far ends of its cables."""
import json
import os
import re
import threading
import time

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

BUILD = os.environ.get("WEIR_BUILD", "build/gcc")
CONF = "/tmp/weir.conf"
LOG = "/tmp/weir.log"
START_SECONDS = 60

PORTS = {"a": ("0000:00:10.0", "10.0.1.1"), "b": ("0000:00:11.0", "10.0.2.1")}

TEXT = """
workers: { lcores = "1"; };
memory: { mbufs = 8192; };
links = (
  { name = "a"; device = "0000:00:10.0"; addresses = [ "10.0.1.1/24" ]; },
  { name = "b"; device = "0000:00:11.0"; addresses = [ "10.0.2.1/24" ]; mac = "02:00:00:00:00:0b"; }
);
"""
ROUTER_MACS = {"a": "52:54:00:00:00:0a", "b": "02:00:00:00:00:0b"}


class Daemon:
    """weir inside, with that configuration."""

    def __init__(self, guest, text):
        self.guest = guest
        self.text = text

    def start(self):
        """Until it answers."""
        guest = self.guest
        guest.sh(f"cat >{CONF} <<'END'\n{self.text}\nEND\nrm -f /tmp/weir.status")
        guest.sh(f"(build=$PWD/{BUILD}; cd /tmp; $build/app/weir/weir -c {CONF} >{LOG} 2>&1; "
                 "echo $? >/tmp/weir.status) </dev/null >/dev/null 2>&1 &")
        guest.wait(f"[ -e /tmp/weir.status ] || {self.weirctl('link show')}", START_SECONDS)
        assert guest.run("[ -e /tmp/weir.status ]")[0] != 0, f"weir has ended:\n{self.log()}"

    def stop(self):
        """(exit code, log)"""
        self.guest.run("kill $(pidof weir)")
        status = int(self.guest.wait("grep . /tmp/weir.status", 60))
        log = self.log()
        assert status == 0, f"weir ended with {status}:\n{log}"
        assert not re.search(r"Sanitizer|runtime error|leak|^ERR", log, re.MULTILINE), log
        return log

    def log(self):
        return self.guest.sh(f"cat {LOG}")

    @staticmethod
    def weirctl(words):
        return f"{BUILD}/app/weirctl/weirctl {words}"

    def ctl(self, words):
        return json.loads(self.guest.sh(self.weirctl("-j " + words)) or "null")

    def link(self, name):
        (row,) = self.ctl(f"-s link show dev {name}")
        return row

    def wait_operstate(self, name, state, seconds=30):
        deadline = time.monotonic() + seconds
        while self.link(name)["operstate"] != state:
            assert time.monotonic() < deadline, f"{name} is not {state} after {seconds} s\n{self.log()}"

    def xstats(self, name):
        return {row["name"]: row["value"] for row in self.ctl(f"xstats show dev {name}")}

    def dropped(self, reason):
        return sum(row["packets"] for row in self.ctl("drop show") if row["reason"] == reason)


class Router(Daemon):
    """On both NICs."""

    def __init__(self, guest, more=""):
        """more: configuration on top of TEXT."""
        super().__init__(guest, TEXT + more)
        self.hosts = {name: Host(guest.cables[name], name) for name in PORTS}

    def start(self):
        """Until both carriers are there."""
        super().start()
        for name in PORTS:
            self.wait_operstate(name, "UP")

    def set_carrier(self, name, is_up):
        self.guest.qmp("set_link", name=f"nic-{name}", up=is_up)

    def pass_packet(self, source, target, length, **options):
        """Sends an IP packet of that length from one host to the other: the frame that came out."""
        here, there = self.hosts[source], self.hosts[target]
        packet = here.packet_to(there, length, **options)
        here.cable.send(packet)
        return there.expect(lambda frame: UDP in frame and frame[UDP].sport == packet[UDP].sport)


class Host:
    """Who sits at the far end of a cable: answers ARP, sends and receives."""
    n_packets = 0

    def __init__(self, cable, name):
        self.cable = cable
        self.mac = f"02:00:00:00:01:{ord(name):02x}"
        self.router = PORTS[name][1]
        self.address = self.router[:-1] + "2"
        self.router_mac = ROUTER_MACS[name]

    def ether(self):
        return Ether(src=self.mac, dst=self.router_mac)

    def packet_to(self, other, length, ttl=64, flags=0):
        Host.n_packets += 1
        body = Raw(os.urandom(length - 28))
        return self.ether() / IP(src=self.address, dst=other.address, ttl=ttl, flags=flags) / UDP(
            sport=10000 + Host.n_packets, dport=9) / body

    def answer_arp(self, frame):
        if ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == self.address:
            self.cable.send(Ether(src=self.mac, dst=frame.src) / ARP(
                op=2, hwsrc=self.mac, psrc=self.address, hwdst=frame[ARP].hwsrc, pdst=frame[ARP].psrc))

    def expect(self, match, timeout=30):
        """The next frame that matches; questions for our address are answered meanwhile."""
        def is_wanted(frame):
            self.answer_arp(frame)
            return match(frame)

        return self.cable.expect(is_wanted, timeout)

    def drain(self):
        while self.cable.receive(0.001) is not None:
            pass

    def ask_router(self):
        """The answer to an ARP request for the router's address."""
        self.cable.send(Ether(src=self.mac, dst="ff:ff:ff:ff:ff:ff") / ARP(
            op=1, hwsrc=self.mac, psrc=self.address, pdst=self.router))
        return self.expect(lambda f: ARP in f and f[ARP].op == 2)

    def ping(self, seq=1, timeout=30, length=84):
        """The router's echo reply."""
        self.cable.send(self.ether() / IP(src=self.address, dst=self.router) / ICMP(id=77, seq=seq) /
                        Raw(bytes(length - 28)))
        return self.expect(lambda f: ICMP in f and f[ICMP].type == 0 and f[ICMP].seq == seq, timeout)


class Pinger(threading.Thread):
    """Pings the router until it is told to stop; counts what was not answered."""

    def __init__(self, host):
        super().__init__()
        self.host = host
        self.is_over = threading.Event()
        self.n_answered = 0
        self.longest_s = 0.0
        self.failure = None

    def run(self):
        try:
            while not self.is_over.is_set():
                start = time.monotonic()
                self.host.ping(seq=self.n_answered + 1000, timeout=10)
                self.longest_s = max(self.longest_s, time.monotonic() - start)
                self.n_answered += 1
        except AssertionError as error:
            self.failure = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.join()
