# SPDX-License-Identifier: BSD-3-Clause
"""What the net ring stands on: network namespaces, the daemon, its client.

A Lab owns everything a test makes. Lab.close() stops the daemons, judges how they ended and takes
everything away again, whatever happened before. Names carry the pid of the test run; what a killed
run left is removed by the next one, but only once that pid is dead.
"""
import contextlib
import ctypes
import errno
import fcntl
import functools
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import libconfig
from wire import Wire

ROOT = Path(__file__).resolve().parents[2]
PLAIN = ROOT / "build/gcc"
BUILD = ROOT / os.environ.get("WEIR_BUILD", PLAIN)
PREFIX = "weirt"
START_SECONDS = 60  # the sanitized daemon on a busy machine
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
SLEEPS = (35, 230, 232, 281, 441)  # nanosleep, clock_nanosleep, epoll_wait, epoll_pwait, epoll_pwait2 (x86-64)
PR_SET_PDEATHSIG = 1
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, WAIT_ALL = 17, 0x4206, 0x4207, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def program(name, build=BUILD):
    for path in (build / "app" / name, build / "app" / name / name):
        if path.is_file():
            return str(path)
    raise FileNotFoundError(f"{name} is not under {build}/app")


def client():
    """For what tests want to know on their way: the plain weirctl, since the sanitized one takes five times as long."""
    return program("weirctl", PLAIN if (PLAIN / "app/weirctl/weirctl").is_file() else BUILD)


def run(*command, check=True, timeout=60, **options):
    """A command to its end, output as text. A failing one raises with what it printed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=timeout, check=False, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def wait_until(condition, timeout=10.0, what="condition"):
    """Polls until condition() is true and returns what it gave: the longer it takes, the less often."""
    start = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - start
        if waited > timeout:
            raise AssertionError(f"{what}: not within {timeout} s, last was {value!r}")
        time.sleep(min(0.02 + waited / 8, 0.2))


# What weir and its peers say, and what tshark itself needs. All else it would guess from port numbers, and find malformed.
TSHARK_READS = re.compile(r"_ws.*|frame|data|eth|ethertype|vlan|ieee8021ad|llc|arp|slow|lacp|marker|udp|tcp|icmp|icmpv6"
                          r"|ip|ipv6(\..*)?")


@functools.cache
def tshark_home():
    """Its directory of settings."""
    # pylint: disable-next=consider-using-with
    home = tempfile.TemporaryDirectory(prefix=f"{PREFIX}-{os.getpid()}-")
    names = [line.split("\t")[2] for line in run("tshark", "-G", "protocols").stdout.splitlines()]
    others = [name for name in names if not TSHARK_READS.fullmatch(name)]
    Path(home.name, "disabled_protos").write_text("\n".join(others), encoding="utf-8")
    return home


def tshark_problems(path):
    """What tshark finds wrong with the frames of a capture, headers and checksums, a line each."""
    checks = [word for layer in ("ip", "udp", "tcp") for word in ("-o", f"{layer}.check_checksum:TRUE")]
    fields = [word for field in ("frame.number", "frame.protocols", "_ws.expert.message") for word in ("-e", field)]
    # The start of a TCP segment that an ICMP error quotes is summed up as if it were all of it: no wonder it is wrong.
    wrong = ('(_ws.expert.severity == "Error" && !((icmp || icmpv6) && tcp)) || _ws.malformed'
             ' || ip.checksum.status == "Bad" || icmp.checksum.status == "Bad" || icmpv6.checksum.status == "Bad"')
    done = run("tshark", "-n", "-r", path, *checks, "-Y", wrong, "-T", "fields", *fields,
               env={**os.environ, "WIRESHARK_CONFIG_DIR": tshark_home().name})
    return done.stdout.splitlines()


class Capture:
    """What comes in at a peer's device, in a file. Every frame must be one that tshark likes."""

    def __init__(self, namespace, path, dev=None):
        self.path = path
        self.log = Path(f"{path}.log")
        with open(self.log, "wb") as log:
            # Without delay it keeps whole slots: they must be small for many to fit.
            self.tcpdump = namespace.popen(
                "tcpdump", "-Z", "root", "-U", "--immediate-mode", "-s", 10000, "-B", 65536, "-Q", "in", "-n",
                "-i", dev or namespace.dev, "-w", path, stdout=log, stderr=log)
        wait_until(lambda: "listening on" in self.log.read_text(), what="tcpdump listens")

    def stop(self):
        """Ends it, once nothing more comes."""
        sizes = [None]

        def is_still():
            sizes.append(os.stat(self.path).st_size)
            return sizes[-1] == sizes[-2]

        wait_until(is_still, what="the capture is still")
        self.tcpdump.send_signal(signal.SIGINT)
        assert self.tcpdump.wait(20) == 0, self.log.read_text()
        assert "\n0 packets dropped by kernel" in self.log.read_text(), self.log.read_text()

    def check(self):
        """Ends it; fails when tshark finds an error in any frame, or when there is none."""
        self.stop()
        assert os.stat(self.path).st_size > 24, f"{self.path}: nothing was captured"
        problems = tshark_problems(self.path)
        assert not problems, "\n".join([str(self.path), *problems])


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Namespace:
    """A network namespace with a peer of the router in it."""

    def __init__(self, name):
        self.name = name
        self.dev = None
        self.background = []
        run("ip", "netns", "add", name)
        with self.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
        # Neighbour discovery and router solicitations would blur the counters.
        self.sysctl("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")

    def sysctl(self, *settings):
        """As sysctl -w, without a process for it."""
        with self.entered():
            for name, value in (setting.split("=") for setting in settings):
                Path("/proc/sys", *name.split(".")).write_text(value, encoding="ascii")

    def enable_ip6(self, dev, address):
        """The kernel's IPv6 on a device, with an address that is usable at once."""
        self.sysctl("net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0",
                    f"net.ipv6.conf.{dev}.disable_ipv6=0", f"net.ipv6.conf.{dev}.accept_ra=0")
        self.ip("address", "add", f"{address}/64", "dev", dev, "nodad")
        wait_until(lambda: "tentative" not in self.ip("-6", "address", "show", "dev", dev).stdout,
                   what="the kernel's addresses are usable")

    def exec(self, *command, **options):
        return run("ip", "netns", "exec", self.name, *command, **options)

    def ip(self, *words, **options):
        return run("ip", "-n", self.name, *words, **options)

    def ip_all(self, lines):
        """Several commands of ip(8) at once, which is quicker."""
        return run("ip", "-n", self.name, "-batch", "-", input="".join(f"{line}\n" for line in lines))

    def ip_json(self, *words):
        return json.loads(run("ip", "-n", self.name, "-j", *words).stdout)

    def popen(self, *command, **options):
        """Started here, killed with the namespace."""
        # pylint: disable-next=consider-using-with,subprocess-popen-preexec-fn
        child = subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, command)], text=True,
                                 stdin=subprocess.DEVNULL, preexec_fn=die_with_parent, **options)
        self.background.append(child)
        return child

    @contextlib.contextmanager
    def entered(self):
        """Sockets made inside belong to this namespace, for good."""
        with open("/proc/self/ns/net", "rb") as home, open(f"/run/netns/{self.name}", "rb") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                libc.setns(home.fileno(), CLONE_NEWNET)

    def udp_socket(self, address, port=0):
        with self.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address, port))
        sock.settimeout(5)
        return sock

    def wire(self):
        with self.entered():
            return Wire(self.dev)

    def ping(self, destination, *words, count=3, interval=0.05, timeout=60, wait=2):
        """Echo requests, quietly spaced; (sent, received, output)."""
        done = self.exec("ping", "-n", "-c", count, "-i", interval, "-W", wait, *words, destination, check=False,
                         timeout=timeout)
        found = re.search(r"(\d+) packets transmitted, (\d+) received", done.stdout)
        assert found, f"ping {destination}: {done.stdout}{done.stderr}"
        return int(found[1]), int(found[2]), done.stdout

    def sees(self, words):
        """What a command about a path prints, without what differs by time or chance."""
        for family in ("-4", "-6"):
            self.ip(family, "route", "flush", "cache")
        done = self.exec(*words, check=False)
        text = done.stdout + done.stderr
        text = re.sub(r"\d+(\.\d+)? ?ms|time=\S+|^rtt .*$", "", text, flags=re.M)
        # Timestamps: the first is absolute, the others count from it.
        text = re.sub(r"-?\d+ absolute|(?<=\t)-?\d+$", "TIME", text, flags=re.M)
        return done.returncode, [" ".join(line.split()) for line in text.splitlines() if line.strip()]

    def capture(self, path, dev=None):
        """From now on, what comes in, at the usual device or another one, goes to a file, for Capture.check()."""
        return Capture(self, path, dev)

    def close(self):
        for child in self.background:
            if child.poll() is None:
                child.kill()
            child.wait()
            for stream in (child.stdout, child.stderr):
                if stream:
                    stream.close()
        run("ip", "netns", "del", self.name, check=False)


class Rpc:
    """A connection to the control socket: JSON-RPC, an object a line."""

    def __init__(self, sock):
        self.sock = sock
        self.lines = sock.makefile("rb")
        self.last_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.sock.close()

    def write(self, data):
        self.sock.sendall(data)

    def read(self):
        """The next object, or None when the daemon has hung up."""
        line = self.lines.readline()
        return json.loads(line) if line else None

    def send(self, method, **params):
        self.last_id += 1
        request = {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}
        self.write(json.dumps(request).encode() + b"\n")
        return self.last_id

    def call(self, method, **params):
        """Sends a request and returns its answer; what else comes meanwhile is passed over."""
        wanted = self.send(method, **params)
        while (answer := self.read()) is not None:
            if answer.get("id") == wanted:
                return answer
        raise AssertionError(f"{method}: the daemon hung up")


class Weir:
    """One daemon with its configuration, and weirctl to talk to it."""

    def __init__(self, lab, conf, args=(), netns=None):
        self.lab = lab
        self.dir = Path(tempfile.mkdtemp(prefix="weir-", dir=lab.dir))
        self.socket = str(self.dir / "control.sock")
        self.conf = self.dir / "weir.conf"
        self.log = self.dir / "stderr"
        self.netns = netns
        self.user = []
        self.args = [str(word) for word in args]
        self.process = None
        self.may_fail = False
        if isinstance(conf, dict):
            conf = libconfig.text({"control": {"socket": self.socket}, **conf})
        self.conf.write_text(conf, encoding="utf-8")

    def as_nobody(self):
        """From here on it has no privileges, only its files."""
        self.user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        for path in (self.lab.dir, *self.lab.dir.rglob("*")):
            os.chown(path, 65534, 65534)
        return self

    def spawn(self):
        where = (["ip", "netns", "exec", self.netns.name] if self.netns else []) + self.user
        with open(self.log, "ab") as log:
            # pylint: disable-next=consider-using-with,subprocess-popen-preexec-fn
            self.process = subprocess.Popen(
                where + [program("weir"), "-c", str(self.conf)] + self.args, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.lab.dir, preexec_fn=die_with_parent)
        return self

    def start(self):
        self.spawn()
        wait_until(lambda: self.is_ready() or self.process.poll() is not None, START_SECONDS, "weir is ready")
        assert self.process.poll() is None, f"weir ended with {self.process.returncode}:\n{self.stderr()}"
        return self

    def is_ready(self):
        try:
            with self.connect():
                return True
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ECONNREFUSED):
                raise
            return False

    def connect(self):
        sock = socket.socket(socket.AF_UNIX)
        try:
            # Waits while many others wait to be let in; with a time-out it would fail at once.
            sock.connect(self.socket)
        except OSError:
            sock.close()
            raise
        sock.settimeout(30)
        return sock

    def rpc(self):
        return Rpc(self.connect())

    def stderr(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def weirctl(self, *words, **options):
        """weirctl as a user runs it; the finished process."""
        return run(program("weirctl"), "-S", self.socket, *words, check=False, **options)

    def ctl(self, *words):
        """weirctl -j ...: the answer, parsed (None where there is none)."""
        done = run(client(), "-S", self.socket, "-j", *words, check=False)
        assert done.returncode == 0, f"weirctl {' '.join(map(str, words))}: {done.stderr}{self.stderr()[-2000:]}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def refused(self, *words):
        """A command that must fail: (exit code, its one line on stderr)."""
        done = self.weirctl(*words)
        lines = done.stderr.splitlines()
        assert done.returncode != 0, f"weirctl {' '.join(map(str, words))} succeeded: {done.stdout}"
        assert len(lines) == 1, f"one line on stderr was due: {done.stderr!r}"
        return done.returncode, lines[0]

    def row(self, *words, **wanted):
        """The only row of an answer whose fields are as wanted, or None."""
        rows = [row for row in self.ctl(*words) if all(row.get(key) == value for key, value in wanted.items())]
        assert len(rows) < 2, f"{words} {wanted}: {rows}"
        return rows[0] if rows else None

    def link(self, name):
        (link,) = self.ctl("-s", "link", "show", "dev", name)
        return link

    def drops(self, reason=None):
        """Packets dropped, by reason or in all."""
        return sum(row["packets"] for row in self.ctl("drop", "show") if reason in (None, row["reason"]))

    def drop_reasons(self):
        """{reason: packets} over all stages."""
        sums = {}
        for row in self.ctl("drop", "show"):
            sums[row["reason"]] = sums.get(row["reason"], 0) + row["packets"]
        return sums

    def quiet(self):
        """Waits until the counters stand still and nothing is held; the accounting then."""
        last = [None]

        def is_still():
            now = self.ctl("stats", "show")
            still = now == last[0] and now["held"] == 0
            last[0] = now
            return now if still else None

        return wait_until(is_still, 20, "weir is quiet")

    @contextlib.contextmanager
    def workers_stopped(self):
        """
        Stops the threads of the workers, and nothing else, as a debugger does: while they sleep.
        Whoever shares a ring of DPDK with a thread that is stopped in the middle of an exchange spins until it goes on.
        """
        self.ctl("worker", "show")  # who answers has launched them
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        workers = [int(t.name) for t in tasks if "-worker-" in (t / "comm").read_text()]
        assert workers
        for tid in workers:
            for _ in range(1000):
                assert libc.ptrace(PTRACE_SEIZE, tid, None, None) == 0
                assert libc.ptrace(PTRACE_INTERRUPT, tid, None, None) == 0
                os.waitpid(tid, WAIT_ALL)
                if int(Path(f"/proc/{self.process.pid}/task/{tid}/syscall").read_text().split()[0]) in SLEEPS:
                    break
                assert libc.ptrace(PTRACE_DETACH, tid, None, None) == 0
                time.sleep(0.001)
            else:
                raise AssertionError(f"worker {tid} never sleeps")
        try:
            yield
        finally:
            for tid in workers:
                assert libc.ptrace(PTRACE_DETACH, tid, None, None) == 0

    def wait(self, timeout=60):
        self.process.wait(timeout)
        return self.process.returncode

    def stop(self):
        """SIGTERM; returns the exit code."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode if self.process else 0

    def problems(self):
        """Stops it and says what was wrong with how it lived and ended."""
        status = self.stop()
        text = self.stderr() if self.log.exists() else ""
        found = []
        if status != 0 and not self.may_fail:
            found.append(f"weir ended with {status}")
        if re.search(r"Sanitizer|runtime error|leak", text):
            found.append("a sanitizer or a leak spoke up")
        return [f"{'; '.join(found)}\n{text[-20000:]}"] if found else []


def link_conf(name, number, address, **settings):
    """A TAP port whose other end will be NAME0 in the namespace of that name."""
    return {"name": name, "type": "port", "device": f"net_tap{number},iface={name}0",
            "mac": f"02:00:00:00:00:{number + 1:02x}", "addresses": [address], **settings}


def base_conf(sysctl=None, **sections):
    """Links get no link-local addresses unless sysctl says so: their ND would blur the counters."""
    cpu = "1" if (os.cpu_count() or 1) > 1 else "0"
    return {"workers": {"lcores": cpu, "idle": "adaptive"}, "memory": {"hugepages": "off", "mbufs": 8192},
            "sysctl": {"addrconf": {"addr_gen_mode": "none"}, **(sysctl or {})}, **sections}


class Lab:
    """All that one test, or one module of tests, has made."""

    serial = 0

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-"))
        self.namespaces = []
        self.daemons = []
        self.lan = self.wan = self.weir = self.gateway = None

    def namespace(self, role):
        Lab.serial += 1
        namespace = Namespace(f"{PREFIX}-{os.getpid()}-{Lab.serial}-{role}")
        self.namespaces.append(namespace)
        return namespace

    def daemon(self, conf, *args, netns=None):
        """A daemon that is not started yet."""
        weir = Weir(self, conf, args, netns)
        self.daemons.append(weir)
        return weir

    def peer(self, role, gateway_ns, mac, addresses=(), gateway=None, dev=None):
        """Moves the TAP ROLE0, or dev, out of the daemon's namespace into one of its own."""
        peer = self.namespace(role)
        peer.dev = dev or f"{role}0"
        gateway_ns.ip("link", "set", peer.dev, "netns", peer.name)
        peer.ip_all([f"link set {peer.dev} address {mac} up",
                     *(f"address add {address} dev {peer.dev}" for address in addresses),
                     *([f"route add default via {gateway}"] if gateway else [])])
        return peer

    def router(self, is_scripted=False, lan=None, wan=None, **sections):
        """
        The usual topology; lan and wan are settings of these links:

            lan                       weir                       wan
            10.1.0.2/24 [lan0] -- 10.1.0.1/24  10.2.0.1/24 -- [wan0] 10.2.0.2/24

        is_scripted: the peers have no addresses, so their kernels keep silent; weir has static
        neighbours for them, and tests speak for them through Namespace.wire().
        """
        home = self.namespace("gw")
        if is_scripted:
            sections.setdefault("neighbors", [{"to": "10.1.0.2", "lladdr": LAN_MAC, "dev": "lan"},
                                              {"to": "10.2.0.2", "lladdr": WAN_MAC, "dev": "wan"}])
        conf = base_conf(**{"links": [link_conf("lan", 0, "10.1.0.1/24", **(lan or {})),
                                      link_conf("wan", 1, "10.2.0.1/24", **(wan or {}))], **sections})
        self.weir = self.daemon(conf, netns=home).start()
        peers = [("lan", LAN_MAC, "10.1.0.2/24", "10.1.0.1"), ("wan", WAN_MAC, "10.2.0.2/24", "10.2.0.1")]
        self.lan, self.wan = (self.peer(role, home, mac, () if is_scripted else (address,),
                                        None if is_scripted else gateway)
                              for role, mac, address, gateway in peers)
        return self

    def linux_router(self, lan_mtu=1500, wan_mtu=1500):
        """The same topology with a kernel in weir's place: what weir is compared with."""
        self.gateway = self.namespace("linux")
        self.lan, self.wan = self.namespace("lan"), self.namespace("wan")
        self.gateway.sysctl("net.ipv4.ip_forward=1")
        for peer, role, net, mtu, macs in ((self.lan, "lan", "10.1.0", lan_mtu, (LAN_MAC, WEIR_LAN_MAC)),
                                           (self.wan, "wan", "10.2.0", wan_mtu, (WAN_MAC, WEIR_WAN_MAC))):
            peer.dev = f"{role}0"
            peer.ip("link", "add", peer.dev, "mtu", mtu, "address", macs[0], "type", "veth", "peer", "name", role,
                    "mtu", mtu, "address", macs[1], "netns", self.gateway.name)
            self.gateway.ip_all([f"link set {role} up", f"address add {net}.1/24 dev {role}"])
            peer.ip_all([f"link set {peer.dev} up", f"address add {net}.2/24 dev {peer.dev}",
                         f"route add default via {net}.1"])
        return self

    def close(self):
        problems = [problem for weir in self.daemons for problem in weir.problems()]
        for namespace in self.namespaces:
            namespace.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        assert not problems, "\n".join(problems)


LAN_MAC, WAN_MAC = "02:00:00:00:01:02", "02:00:00:00:02:02"
WEIR_LAN_MAC, WEIR_WAN_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"


def ping_answers(log):
    """By number, when each ping was sent that has an answer in the output of ping -D."""
    text = Path(log.name).read_text(encoding="ascii")
    return {int(number): float(received) - float(ms) / 1000 for received, number, ms in
            re.findall(r"^\[([\d.]+)\] .* bytes from .* icmp_seq=(\d+) .*time=([\d.]+) ms$", text, re.MULTILINE)}


@contextlib.contextmanager
def pings_go_on(router, host=None, to="10.2.0.2"):
    """Fails when one ping of the host, lan if none is given, to wan is lost while the body runs."""
    host = host or router.lan
    host.ping(to, count=1)
    with tempfile.NamedTemporaryFile() as log:
        child = host.popen("ping", "-D", "-n", "-i", "0.01", "-W", "2", to, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: ping_answers(log), what="pings go on")
            yield
            end = time.time()
            # What is lost at the end comes before one that is not.
            last = wait_until(lambda: [number for number, sent in ping_answers(log).items() if sent > end],
                              what="a ping after all that is answered")[0]
        finally:
            child.send_signal(2)
            child.wait(20)
        lost = set(range(1, last)) - set(ping_answers(log))
        assert not lost, (lost, Path(log.name).read_text(encoding="ascii")[-500:])


def is_dead(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def remove_leftovers():
    """What test runs left that were killed before they could clean up."""
    listed = run("ip", "netns", "list").stdout.splitlines()
    for name in (line.split()[0] for line in listed if line):
        found = re.fullmatch(rf"{PREFIX}-(\d+)-\d+-\w+", name)
        if found and is_dead(int(found[1])):
            for pid in run("ip", "netns", "pids", name, check=False).stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "del", name, check=False)
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*"):
        found = re.match(rf"{PREFIX}-(\d+)-", path.name)
        if found and is_dead(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)
