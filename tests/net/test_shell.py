# SPDX-License-Identifier: BSD-3-Clause
"""
weirctl at a terminal: the shell, its completion, that of bash, and the live view. No peers:

    weir 10.1.0.1/24 [lan]   [wan] 10.2.0.1/24   (net_null: no packets)
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import stat
import struct
import subprocess
import termios
import time

import pytest

from harness import base_conf, die_with_parent, program, run, wait_until

ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>])")
UP, CTRL_C, CTRL_D = "\x10", "\x03", "\x04"
SLOW_S = 30  # a sanitized program on a busy machine


def null_conf():
    return base_conf(links=[
        {"name": "lan", "device": "net_null0,no-rx=1", "addresses": ["10.1.0.1/24"]},
        {"name": "wan", "device": "net_null1,no-rx=1", "addresses": ["10.2.0.1/24"]}])


@pytest.fixture(scope="module")
def weir(module_lab):
    return module_lab.daemon(null_conf()).start()


class Terminal:
    """weirctl on a terminal of its own, and what it has shown there."""

    def __init__(self, socket, state, *words, size=(24, 100)):
        self.shown = ""
        self.seen = 0  # how much of it expect() has passed
        # The other end stays open here, so that the settings can be read when weirctl is gone.
        self.fd, self.end_fd = pty.openpty()
        self.resize(*size)
        self.settings = termios.tcgetattr(self.fd)
        env = {**os.environ, "WEIR_SOCKET": socket, "XDG_STATE_HOME": str(state), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        # pylint: disable-next=consider-using-with,subprocess-popen-preexec-fn
        self.process = subprocess.Popen([program("weirctl"), *words], stdin=self.end_fd, stdout=self.end_fd,
                                        stderr=self.end_fd, env=env, preexec_fn=take_terminal)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)
        os.close(self.end_fd)

    def resize(self, lines, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, seconds):
        """False when nothing came in that time."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        self.shown += os.read(self.fd, 1 << 16).decode(errors="replace")
        return True

    def keys(self, text):
        os.write(self.fd, text.encode())

    def plain(self):
        return ESCAPES.sub("", self.shown)

    def expect(self, text, raw=False):
        """Waits until text is shown behind what was expected before; what came up to it."""
        deadline = time.monotonic() + SLOW_S
        while True:
            shown = self.shown if raw else self.plain()
            found = shown.find(text, self.seen)
            if found >= 0:
                before, self.seen = shown[self.seen:found], found + len(text)
                return before
            assert time.monotonic() < deadline, f"no {text!r} in {shown[self.seen:]!r}"
            self.read(0.2)

    def prompt(self):
        """Waits until keys are taken one by one: libedit sees to that only behind its prompt."""
        before = self.expect("weir> ")
        wait_until(lambda: not termios.tcgetattr(self.fd)[3] & termios.ICANON, SLOW_S, "a line is edited")
        return before

    def do(self, line):
        """A line at the prompt; what is shown up to the next prompt."""
        self.keys(line + "\r")
        self.expect("\r\n")
        return self.prompt()

    def end(self):
        """Waits for its end; the exit code. The terminal has to be as it was."""
        wait_until(lambda: not self.read(0.1) and self.process.poll() is not None, SLOW_S, "it ends")
        assert termios.tcgetattr(self.fd) == self.settings
        return self.process.returncode


def take_terminal():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    die_with_parent()


@pytest.fixture
def shell(weir, tmp_path):
    with Terminal(weir.socket, tmp_path) as terminal:
        terminal.prompt()
        yield terminal


# The shell

def test_tab_completes_objects_verbs_keywords_and_names(shell):
    shown = shell.do("ad\tsh\tde\twa\t")
    assert "10.2.0.1/24" in shown and "10.1.0.1/24" not in shown


@pytest.mark.parametrize("line, wanted", [
    ("sysctl get ipv4.default\t", "ipv4.default_ttl"),
    ("route show typ\tblack\t", ""),
    ("route show 10.2\tdev w\t", "10.2.0.0/24"),
    ("addr show lan\t", "10.1.0.1/24"),
    ("netns \t", "default"),
])
def test_tab_completes_words_of_enumerations_and_values(shell, line, wanted):
    shown = shell.do(line)
    assert wanted in shown and "weirctl:" not in shown


def test_tab_shows_the_choice_when_there_is_one(shell):
    shell.keys("link show \t")
    shown = shell.prompt()
    assert re.search(r"^  lan\b", shown, re.M) and re.search(r"^  wan\b", shown, re.M)
    assert "10.2.0.1" not in shell.do(CTRL_C)


def test_question_mark_helps_without_enter_and_keeps_the_line(weir, shell):
    shell.keys("link set lan ?")
    shown = shell.prompt()
    assert re.search(r"mtu MTU +largest IP packet in bytes", shown) and re.search(r"^  up\b", shown, re.M)
    assert re.search(r"master MASTER +bridge or bond to join", shown)
    shell.do("mtu 1400")
    assert weir.link("lan")["mtu"] == 1400
    shell.do("link set lan mtu 1500")


def test_question_mark_says_what_value_is_wanted(shell):
    shell.keys("route add ?")
    shown = shell.prompt()
    assert "destination prefix" in shown
    shell.keys("192.0.2.0/24 metric ?")
    assert re.search(r"metric METRIC +among routes", shell.prompt())


def test_question_mark_within_quotes_is_a_character(shell):
    assert "filter: " in shell.do('trace "what?"')


def test_an_error_does_not_end_the_shell(shell):
    assert "unknown object 'bogus'" in shell.do("bogus")
    assert "does not exist" in shell.do("link show nowhere")
    assert "quote" in shell.do("route add 'x")
    assert "default" in shell.do("netns list")


def test_interrupt_gives_up_the_line(weir, shell):
    shell.keys("route add 192.0.2.0/24 via 10.2.0.2" + CTRL_C)
    assert "^C" in shell.prompt()
    shell.do("")
    assert weir.row("route", "show", dst="192.0.2.0/24") is None


def test_interrupt_ends_a_stream_but_not_the_shell(weir, shell):
    shell.keys("monitor route\r")
    shell.expect("monitor route")

    def is_told():
        weir.ctl("route", "replace", "192.0.2.0/24", "via", "10.2.0.2")
        shell.read(0.2)
        return "192.0.2.0/24 via 10.2.0.2 dev wan proto boot" in shell.plain()

    wait_until(is_told, SLOW_S, "the route is told")
    shell.keys(CTRL_C)
    shell.prompt()
    weir.ctl("route", "del", "192.0.2.0/24")
    assert "default" in shell.do("netns list")
    assert "Deleted" not in shell.plain()


@pytest.mark.parametrize("keys", [CTRL_D, "exit\r", "quit\r"], ids=["^D", "exit", "quit"])
def test_the_shell_ends_when_asked_to(shell, keys):
    shell.keys(keys)
    assert shell.end() == 0


def test_a_signal_ends_the_shell_with_the_terminal_in_order(shell):
    shell.keys("link sh")
    shell.process.send_signal(signal.SIGTERM)
    assert shell.end() == 0


def test_history_is_kept_for_its_owner_only(weir, shell, tmp_path):
    shell.do("netns list")
    shell.keys(CTRL_D)
    shell.end()
    path = tmp_path / "weirctl" / "history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with Terminal(weir.socket, tmp_path) as later:
        later.prompt()
        assert "default" in later.do(UP)


def test_options_hold_in_the_shell(weir, tmp_path):
    with Terminal(weir.socket, tmp_path, "-j", "-s", "-n", "default") as shell:
        shell.prompt()
        shown = shell.do("link show lan")
        (row,) = json.loads(shown[shown.index("["):])
        assert row["ifname"] == "lan" and "stats64" in row


def test_the_shell_survives_the_daemon(lab, tmp_path):
    daemon = lab.daemon(null_conf()).start()
    with Terminal(daemon.socket, tmp_path) as shell:
        shell.prompt()
        daemon.stop()
        shell.expect("the daemon has gone away")
        shell.prompt()
        assert "cannot reach the daemon" in shell.do("netns list")
        daemon.start()
        assert "default" in shell.do("netns list")
        shell.keys(CTRL_D)
        assert shell.end() == 0


def test_a_shell_needs_a_terminal(weir):
    assert weir.refused()[0] == 2


# -n

def test_the_default_namespace_may_be_named_and_no_other(weir):
    assert weir.ctl("netns", "list") == [{"name": "default", "id": 0}]
    for words in (["link", "show"], ["route", "show"], ["stats", "show"], ["monitor", "no"], ["top"]):
        default, other = weir.weirctl("-n", "default", *words), weir.refused("-n", "red", *words)
        assert (default.returncode, default.stderr) == (0, "") or words[0] == "monitor"
        assert other == (2, "weirctl: -n red: no namespace of that name"), words


# bash

def bash(weir, line, socket=None):
    """What bash would offer at the end of line; its stderr has to be silent."""
    script = ('source <(weirctl completion bash)\nCOMP_LINE=$1 COMP_POINT=${#1}\n_weirctl\n'
              'printf "%s\\n" "${COMPREPLY[@]}"\ncomplete -p weirctl >/dev/null')
    env = {**os.environ, "PATH": f"{os.path.dirname(program('weirctl'))}:{os.environ['PATH']}",
           "WEIR_SOCKET": socket or weir.socket}
    done = run("bash", "-c", script, "bash", line, env=env)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("line, wanted", [
    ("weirctl lin", ["link"]),
    ("weirctl link ", ["show", "set", "add", "del"]),
    ("weirctl link set ", ["lan", "wan", "dev", "up", "down", "mtu", "master", "nomaster", "pvid", "vlans",
                               "isolated", "learning", "flood", "fdb_max"]),
    ("weirctl -j link show dev w", ["wan"]),
    ("weirctl link set lan d", ["down"]),
    ("weirctl sysctl get ipv4.default", ["ipv4.default_ttl"]),
    ("weirctl route get 10.9.9.9 iif l", ["lan"]),
    ("weirctl addr del 10.1", ["10.1.0.1/24"]),
    ("weirctl policer ", ["show", "add", "replace", "del"]),
    ("weirctl policer add w", ["wan"]),
    ("weirctl policer add lan rate 1mbit burst 9kb red d", ["drop", "dscp"]),
    ("weirctl to", ["top"]),
    ("weirctl completion ", ["bash"]),
    ("weirctl -n ", ["default"]),
    ("weirctl -", ["-j", "-p", "-s", "-n", "-S", "-w", "-b"]),
    ("weirctl -S /etc/hostn", ["/etc/hostname"]),
    ("weirctl config check /etc/hostn", ["/etc/hostname"]),
    ("weirctl bogus ", []),
    ("weirctl link show dev lan dev ", []),
])
def test_bash_offers_what_can_come_next(weir, line, wanted):
    assert bash(weir, line) == wanted


def test_bash_offers_nothing_without_a_daemon(weir):
    assert bash(weir, "weirctl link ", socket="/nonexistent/socket") == []


def test_bash_takes_a_colon_for_the_end_of_a_word(tmp_path):
    stub = tmp_path / "weirctl"
    stub.write_text("#!/bin/sh\nprintf '%s\\n' 2001:db8::1 2001:db8::2\n")
    stub.chmod(0o755)
    done = run("bash", "-c", f"source <({program('weirctl')} completion bash)\nCOMP_LINE='{stub} x 2001:db8:'\n"
               "COMP_POINT=${#COMP_LINE}\n_weirctl\necho \"${COMPREPLY[@]}\"")
    assert (done.stdout, done.stderr) == (":1 :2\n", "")


def test_the_installed_script_is_the_one_that_weirctl_prints():
    built = os.path.join(os.path.dirname(program("weirctl")), "completion", "weirctl")
    with open(built, encoding="utf-8") as file:
        assert file.read() == run(program("weirctl"), "completion", "bash").stdout


# top

def test_top_without_a_terminal_is_one_snapshot(weir):
    done = weir.weirctl("-w", "0.2", "top")
    assert done.returncode == 0 and "\x1b" not in done.stdout
    heads = [line.split()[0] for line in done.stdout.splitlines() if line and line.isupper() or "BUSY%" in line]
    assert heads[:2] == ["LINK", "WORKER"], done.stdout
    assert weir.refused("top", "now")[0] == 2


def test_top_as_json_has_rates(weir):
    rates = weir.ctl("-w", "0.3", "top")
    assert set(rates) == {"period", "links", "workers", "drops", "stages"}
    assert 0.3 <= rates["period"] < SLOW_S
    assert [row["ifname"] for row in rates["links"]] == ["lan", "wan"]
    (worker,) = rates["workers"]
    assert 0 <= worker["busy_percent"] <= 100 and worker["queues"] == ["lan:0", "wan:0"]


def test_top_shows_what_flows(lab):
    """net_null gives frames without an end, and all of them are dropped."""
    daemon = lab.daemon(base_conf(links=[{"name": "flood", "device": "net_null0"}])).start()
    rates = daemon.ctl("-w", "0.5", "top")
    (link,), (worker,) = rates["links"], rates["workers"]
    assert link["rx_pps"] > 1000 and link["rx_drops"] > 1000 and link["tx_pps"] == 0
    # 64 bytes each, up to what a counter was read later than the other
    assert 0.5 < link["rx_bps"] / (link["rx_pps"] * 64 * 8) < 2
    assert worker["busy_percent"] > 10 and worker["pps"] > 1000 and worker["cycles_per_packet"] > 1
    assert rates["drops"][0]["pps"] > 1000
    shares = [row["share_percent"] for row in rates["stages"]]
    assert shares == sorted(shares, reverse=True) and 99 < sum(shares) < 101


@pytest.mark.parametrize("how", ["q", CTRL_C, signal.SIGTERM, signal.SIGHUP], ids=["q", "^C", "SIGTERM", "SIGHUP"])
def test_top_leaves_the_terminal_as_it_was(weir, tmp_path, how):
    with Terminal(weir.socket, tmp_path, "-w", "0.1", "top") as terminal:
        terminal.expect("\x1b[?1049h", raw=True)
        terminal.expect("rates of the last", raw=True)
        terminal.expect("rates of the last", raw=True)
        if isinstance(how, str):
            terminal.keys(how)
        else:
            terminal.process.send_signal(how)
        assert terminal.end() == 0
        assert terminal.shown.rstrip().endswith("\x1b[?25h\x1b[?1049l")


def test_top_follows_the_size_of_the_terminal(weir, tmp_path):
    with Terminal(weir.socket, tmp_path, "-w", "100", "top", size=(40, 100)) as terminal:
        terminal.expect("CYCLES/PACKET", raw=True)
        terminal.expect("\x1b[J", raw=True)
        terminal.resize(40, 30)
        frame = terminal.expect("\x1b[J", raw=True)
        lines = ESCAPES.sub("", frame).split("\r\n")
        assert len(lines) > 5 and max(map(len, lines)) == 30
        terminal.keys("q")
        assert terminal.end() == 0


def test_top_ends_with_the_daemon(lab, tmp_path):
    daemon = lab.daemon(null_conf()).start()
    with Terminal(daemon.socket, tmp_path, "-w", "0.1", "top") as terminal:
        terminal.expect("rates of the last", raw=True)
        daemon.stop()
        assert terminal.end() == 1
        assert "the daemon closed the connection" in terminal.shown.split("\x1b[?1049l")[1]


def test_top_runs_in_the_shell(shell):
    shell.keys("top\r")
    shell.expect("rates of the last")
    shell.keys("q")
    shell.prompt()
    assert "default" in shell.do("netns list")
