# SPDX-License-Identifier: BSD-3-Clause
"""Configurations that are right, wrong, and wrong in several ways at once. No packet is sent."""
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

import libconfig
from harness import ROOT, base_conf, link_conf, program, run

ERROR_LINE = re.compile(r"(?P<file>[^:]+):(?P<line>\d+): (?P<path>\S+): (?P<text>.+)")


def check(path, *words):
    return run(program("weir"), "-c", path, "--check", *words, check=False)


@pytest.fixture
def judge(tmp_path):
    """Writes a configuration, --checks it: (exit code, its error lines taken apart)."""

    def run_check(text):
        path = tmp_path / "weir.conf"
        path.write_text(text if isinstance(text, str) else libconfig.text(text))
        done = check(path)
        lines = done.stderr.splitlines()
        errors = [ERROR_LINE.fullmatch(line) for line in lines]
        assert all(errors), done.stderr
        assert all(error["file"] == str(path) for error in errors)
        return done.returncode, [(int(error["line"]), error["path"], error["text"]) for error in errors]

    return run_check


def good(**sections):
    return base_conf(links=[link_conf("lan", 0, "10.1.0.1/24"), link_conf("wan", 1, "10.2.0.1/24")], **sections)


def test_a_good_configuration_is_checked_silently(judge):
    assert judge(good()) == (0, [])


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.conf")), ids=lambda path: path.name)
def test_shipped_configurations_pass_the_check(path):
    done = check(path)
    assert (done.returncode, done.stderr) == (0, "")


# What the documentation shows of each section; a file may hold any of them.
EXAMPLES = {
    "workers": 'workers: { lcores = "1-3"; idle = "adaptive"; };     # idle: poll | adaptive',
    "eal": 'eal = [ "--no-pci" ];',
    "memory": 'memory: { hugepages = "auto"; mbufs = 65536; };',
    "control": 'control: { socket = "/run/weir/control.sock"; group = "weir"; };',
    "links": """links = (
      { name = "wan"; type = "port"; device = "0000:03:00.0"; mtu = 1500; queues = 2;
        addresses = [ "203.0.113.2/24" ]; },
      { name = "lan"; type = "port"; device = "net_tap0,iface=lan0"; mac = "02:00:00:00:00:01";
        addresses = [ "192.168.1.1/24" ]; }
    );""",
    "routes": """routes = (
      { to = "default"; via = "203.0.113.1"; },
      { to = "10.0.0.0/8"; type = "blackhole"; },                          # also unreachable, prohibit
      { to = "10.64.0.0/10"; type = "unreachable"; }, { to = "10.128.0.0/9"; type = "prohibit"; },
      { to = "172.16.0.0/12"; dev = "lan"; metric = 4294967295L; }
    );""",
    "neighbors": 'neighbors = ( { to = "192.168.1.10"; lladdr = "02:00:00:00:00:0a"; dev = "lan"; } );',
    "policers": """policers = (
      { link = "wan"; rate = "100mbit"; burst = "200kb"; },                # one rate: beyond it is dropped
      { link = "lan"; rate = "10mbit"; burst = "100kb"; excess_burst = "200kb";
        yellow = "dscp"; yellow_dscp = "af12"; red = "drop"; }
      );""",
    "qdiscs": """qdiscs = (
      { link = "wan"; kind = "tbf"; rate = "1mbit"; burst = "32kbit"; latency = "400ms"; },
      { link = "lan"; kind = "prio"; bands = 3; filters = ( { proto = "tcp"; dport = 22; band = 0; } ); default_band = 1; }
    );""",
    "sysctl": "sysctl: { ipv4: { default_ttl = 64; icmp_msgs_per_sec = 1000; }; };",
}


def test_the_examples_of_all_sections_pass_the_check_together(judge):
    assert judge("\n".join(EXAMPLES.values())) == (0, [])


SHAPED = """links = ( { name = "dsl"; device = "net_null0"; }, { name = "lab"; device = "net_null1"; } );
    qdiscs = (
      { link = "dsl"; kind = "htb"; default = "bulk";
        classes = ( { name = "voice"; rate = "2mbit"; ceil = "20mbit"; prio = 0; },
                    { name = "bulk"; rate = "18mbit"; ceil = "20mbit"; prio = 1; child = { kind = "fq_codel"; }; } );
        filters = ( { dscp = "ef"; class = "voice"; } ); },
      { link = "lab"; kind = "tbf"; rate = "8mbit"; burst = "2kb"; latency = "5s"; child = { kind = "prio"; bands = 3; }; }
    );"""


def test_examples_of_qdiscs_within_qdiscs_pass_the_check(judge):
    assert judge(SHAPED) == (0, [])


@pytest.mark.parametrize("section", [name for name in EXAMPLES if name not in ("routes", "neighbors", "policers", "qdiscs")])
def test_the_example_of_a_section_passes_the_check_alone(judge, section):
    assert judge(EXAMPLES[section]) == (0, [])


def test_the_configuration_in_the_readme_passes_the_check(judge):
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"^A configuration:\n\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    assert judge(block) == (0, [])


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))])
def test_what_the_documentation_links_to_is_there(page):
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_check_needs_no_root(tmp_path):
    path = tmp_path / "weir.conf"
    path.write_text(libconfig.text(good()))
    for parent in [path, *path.parents]:
        if Path(tempfile.gettempdir()) in parent.parents:
            parent.chmod(0o755)
    done = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program("weir"), "-c", path, "--check",
               check=False)
    assert (done.returncode, done.stderr) == (0, "")


LINKS = 'links = ( { name = "a"; device = "net_null0"; addresses = [ "10.1.0.1/24" ]; },\n' \
        '          { name = "b"; device = "net_null1"; addresses = [ "10.2.0.1/24" ]; } );\n'

# a is in VLAN 10 and, tagged, in 20; b in 1 as nothing else is said; c in no bridge.
BRIDGE = 'links = ( { name = "a"; device = "net_null0"; }, { name = "b"; device = "net_null1"; },\n' \
         '{ name = "c"; device = "net_null2"; }, { name = "br0"; type = "bridge";' \
         ' members = ( { name = "a"; pvid = 10; vlans = "20"; }, "b" ); } );\n'
PLAIN_BRIDGE = BRIDGE.replace('pvid = 10; vlans = "20"; ', "")


def station(words):
    return f'{{ mac = "02:00:00:00:00:0a"; {words} }}'


def stations(*entries):
    return "fdb = ( " + ",\n".join(map(station, entries)) + " );"


def policers(*entries):
    return "policers = ( " + ",\n".join(f"{{ {words} }}" for words in entries) + " );"


# What is wrong: (text, line, path, part of what is said)
WRONG = {
    "unknown_key_at_the_top": (LINKS + 'colour = "red";', 3, "colour", "is not a setting"),
    "unknown_key_of_a_link": ('links = ( { name = "a"; device = "net_null0";\ncolour = "red"; } );', 2,
                              "links[0].colour", "is not a setting"),
    "unknown_key_of_a_route": (LINKS + 'routes = ( { to = "10.0.0.0/8";\nthrough = "10.1.0.2"; } );', 4,
                               "routes[0].through", "is not a setting"),
    "wrong_type": (LINKS + 'memory: { mbufs = "many"; };', 3, "memory.mbufs", "integer"),
    "group_for_a_list": ('links = { name = "a"; };', 1, "links", ""),
    "string_for_a_list": ('links = "a";', 1, "links", ""),
    "out_of_range": ('links = ( { name = "a"; device = "net_null0";\n mtu = 20; } );', 2, "links[0].mtu", "68"),
    "missing_name": ('links = ( { device = "net_null0"; } );', 1, "links[0].name", ""),
    "missing_device": ('links = (\n{ name = "a"; } );', 2, "links[0].device", "device"),
    "unknown_type_of_link": ('links = ( { name = "a";\n type = "tunnel"; device = "net_null0"; } );', 2,
                             "links[0].type", "port"),
    "wrong_prefix": ('links = ( { name = "a"; device = "net_null0"; addresses = [ "10.1.0.1/24",\n "10.1.0.1/40" ]; } );',
                     2, "links[0].addresses[1]", "prefix"),
    "wrong_mac": ('links = ( { name = "a"; device = "net_null0"; mac = "02:00:00:00:00"; } );', 1, "links[0].mac", ""),
    "multicast_mac": ('links = ( { name = "a"; device = "net_null0"; mac = "03:00:00:00:00:01"; } );', 1,
                      "links[0].mac", "multicast"),
    "duplicate_link": (LINKS.replace('"b"', '"a"'), 2, "links[1].name", "a"),
    "duplicate_device": (LINKS.replace("net_null1", "net_null0"), 2, "links[1].device", "a"),
    "duplicate_address": (LINKS.replace("10.2.0.1/24", "10.1.0.1/16"), 2, "links[1].addresses[0]", "already"),
    "neighbour_on_no_link": (LINKS + 'neighbors = ( { to = "10.1.0.9"; lladdr = "02:00:00:00:00:09"; dev = "c"; } );',
                             3, "neighbors[0].dev", "c"),
    "route_over_no_link": (LINKS + 'routes = ( { to = "10.9.0.0/16"; dev = "c"; } );', 3, "routes[0].dev", "c"),
    "gateway_on_no_link": (LINKS + 'routes = ( { to = "10.9.0.0/16"; via = "172.16.0.1"; } );', 3, "routes[0].via",
                           "connected"),
    "duplicate_route": (LINKS + 'routes = ( { to = "10.9.0.0/16"; via = "10.1.0.2"; },\n'
                        '{ to = "10.9.0.0/16"; via = "10.1.0.3"; } );', 4, "routes[1].to", ""),
    "blackhole_with_a_gateway": (LINKS + 'routes = ( { to = "10.9.0.0/16"; type = "blackhole"; via = "10.1.0.2"; } );',
                                 3, "routes[0].via", ""),
    "integer_beyond_32_bits": ('links = ( { name = "a"; device = "net_null0"; mtu = 4294968796; } );', 1,
                               "links[0].mtu", "4294968796"),
    "duplicate_key": (LINKS + "links = ();", 3, "links", "duplicate"),
    "unknown_sysctl": (LINKS + "sysctl: { ipv4: { default_ttl = 64;\n forwarding = 1; }; };", 4,
                       "sysctl.ipv4.forwarding", "is not a setting"),
    "sysctl_out_of_range": (LINKS + "sysctl: { ipv4: { default_ttl = 256; }; };", 3, "sysctl.ipv4.default_ttl", "255"),
    "station_on_no_link": (BRIDGE + stations('dev = "x";'), 3, "fdb[0].dev", "no link"),
    "station_behind_no_member": (BRIDGE + stations('dev = "c";'), 3, "fdb[0].dev", "no member"),
    "station_behind_the_bridge": (BRIDGE + stations('dev = "br0";'), 3, "fdb[0].dev", "no member"),
    "station_in_a_vlan_of_others": (BRIDGE + stations('dev = "a"; vlan = 1;'), 3, "fdb[0].vlan", "not in VLAN 1"),
    "station_in_another_vlan": (BRIDGE + stations('dev = "b"; vlan = 10;'), 3, "fdb[0].vlan", "not in VLAN 10"),
    "station_in_no_vlan": (BRIDGE.replace("pvid = 10; ", "") + stations('dev = "a";'), 3, "fdb[0].vlan", "not in VLAN 0"),
    "station_in_a_vlan_where_there_are_none": (PLAIN_BRIDGE + stations('dev = "a"; vlan = 1;'), 3, "fdb[0].vlan",
                                               "does not filter"),
    "station_twice": (BRIDGE + stations('dev = "a";', 'dev = "a"; vlan = 10;'), 4, "fdb[1].mac", "fdb[0]"),
    "station_behind_two_members": (PLAIN_BRIDGE + stations('dev = "a";', 'dev = "b";'), 4, "fdb[1].mac", "fdb[0]"),
    "policer_on_no_link": (LINKS + policers('link = "c"; rate = "1mbit"; burst = "9kb";'), 3, "policers[0].link",
                           "no link"),
    "policer_of_nothing": (LINKS + policers('link = "a"; rate = "0"; burst = "9kb";'), 3, "policers[0].rate", "1kbit"),
    "policer_twice": (LINKS + policers('link = "a"; rate = "1mbit"; burst = "9kb";',
                                       'link = "a"; rate = "2mbit"; burst = "9kb";'), 4, "policers[1].link",
                      "policers[0]"),
    "policer_that_holds_no_frame": (LINKS + policers('link = "a"; rate = "1mbit";\nburst = 1513;'), 4,
                                    "policers[0].burst", "1514"),
    "policer_of_two_kinds": (LINKS + policers('link = "a"; rate = "1mbit"; burst = "9kb"; peakrate = "2mbit"; '
                                              'peakburst = "9kb";\nexcess_burst = "9kb";'), 4,
                             "policers[0].excess_burst", "peakrate"),
    "policer_with_a_lower_peak": (LINKS + policers('link = "a"; rate = "2mbit"; burst = "9kb"; peakburst = "9kb";\n'
                                                   'peakrate = "1mbit";'), 4, "policers[0].peakrate", "lower"),
    "policer_without_yellow": (LINKS + policers('link = "a"; rate = "1mbit"; burst = "9kb";\nyellow = "drop";'), 4,
                               "policers[0].yellow", "nothing is yellow"),
    "policer_of_a_bridge": (BRIDGE + policers('link = "br0"; rate = "1mbit"; burst = "9kb";'), 3, "policers[0].link",
                            "its members"),
    "wrong_idle": (LINKS + 'workers: { idle = "lazy"; };', 3, "workers.idle", "adaptive"),
    "wrong_lcores": (LINKS + 'workers: { lcores = "one"; };', 3, "workers.lcores", "ranges of 0 to 255"),
    "wrong_hugepages": (LINKS + 'memory: { hugepages = "maybe"; };', 3, "memory.hugepages", "auto"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_line_and_path(judge, case):
    text, line, path, part = WRONG[case]
    status, errors = judge(text)
    assert status == 2
    assert [(error[0], error[1]) for error in errors] == [(line, path)], errors
    assert part in errors[0][2]


def test_stations_of_bridges_are_taken_in_each_vlan_of_their_member(judge):
    assert judge(BRIDGE + stations('dev = "a";', 'dev = "a"; vlan = 20;', 'dev = "b"; vlan = 1;')) == (0, [])
    assert judge(BRIDGE + stations('dev = "b";', 'dev = "a"; vlan = 10;')) == (0, [])
    assert judge(PLAIN_BRIDGE + stations('dev = "b";')) == (0, [])


# In the contract, not yet in weir: never ignored.
PENDING = {
    "namespaces": ('namespaces = ( { name = "red"; } );', "namespaces"),
    "metrics": ('control: { metrics = "127.0.0.1:9169"; };', "control.metrics"),
}


@pytest.mark.parametrize("case", PENDING)
def test_what_is_not_yet_there_is_refused(judge, case):
    text, path = PENDING[case]
    status, errors = judge(LINKS + text)
    assert status == 2
    assert [(error[0], error[1]) for error in errors] == [(3, path)]
    assert "not yet" in errors[0][2]


@pytest.mark.parametrize("kind", ["veth"])
def test_kinds_of_link_that_are_not_yet_there_are_refused(judge, kind):
    status, errors = judge(f'links = ( {{ name = "x";\n type = "{kind}"; }} );')
    assert status == 2
    assert [(error[0], error[1]) for error in errors] == [(2, "links[0].type")]
    assert "not yet" in errors[0][2]


def test_several_errors_are_all_told_in_the_order_of_their_lines(judge):
    status, errors = judge("""\
links = (
  { name = "a"; device = "net_null0"; mtu = 10;
    colour = "red"; },
  { device = "net_null1";
    addresses = [ "10.1.0.1/64" ]; }
);
routes = ( { to = "10.0.0.0/8";
             via = "nobody"; } );
memory: { mbufs = -1; };
shape = "round";
""")
    assert status == 2
    assert [error[:2] for error in errors] == [
        (2, "links[0].mtu"), (3, "links[0].colour"), (4, "links[1].name"), (5, "links[1].addresses[0]"),
        (8, "routes[0].via"), (9, "memory.mbufs"), (10, "shape")]


def test_several_errors_between_objects_are_all_told(judge):
    status, errors = judge(LINKS + """\
neighbors = ( { to = "10.1.0.9"; lladdr = "02:00:00:00:00:09"; dev = "c"; },
              { to = "10.1.0.9"; lladdr = "03:00:00:00:00:09"; dev = "a"; } );
routes = ( { to = "10.9.0.0/16"; via = "172.16.0.1"; },
           { to = "10.8.0.0/16"; via = "10.1.0.1"; } );
""")
    assert status == 2
    assert {error[:2] for error in errors} >= {
        (3, "neighbors[0].dev"), (4, "neighbors[1].lladdr"), (5, "routes[0].via"), (6, "routes[1].via")}


def test_errors_of_settings_and_between_objects_are_told_together(judge):
    status, errors = judge("""\
links = ( { name = "a"; device = "net_null0"; mtu = 10; addresses = [ "10.1.0.1/24" ]; },
          { name = "a"; device = "net_null0"; colour = "red"; },
          { name = "b"; type = "vlan"; device = "x";
            addresses = [ "10.1.0.1/16" ]; } );
routes = ( { to = "10.9.0.0/16"; via = "172.16.0.1"; },
           { to = "10.8.0.0/16"; dev = "c"; metric = -1; },
           { to = "10.7.0.0/16"; dev = "a"; type = "round"; },
           { to = "10.6.0.0/16"; nexthops = (); } );
neighbors = ( { to = "10.1.0.9"; lladdr = "03:00:00:00:00:09"; dev = "c"; }, 5 );
qdiscs = ( { link = "c"; kind = "pfifo"; } );
memory: { mbufs = 1; };
""")
    assert status == 2
    assert sorted(error[:2] for error in errors) == sorted([
        (1, "links[0].mtu"), (2, "links[1].name"), (2, "links[1].device"), (2, "links[1].colour"),
        (3, "links[2].parent"), (3, "links[2].vid"), (3, "links[2].device"), (4, "links[2].addresses[0]"), (5, "routes[0].via"),
        (6, "routes[1].dev"), (6, "routes[1].metric"), (7, "routes[2].type"), (8, "routes[3].to"),
        (9, "neighbors[0].dev"), (9, "neighbors[0].lladdr"), (9, "neighbors[1]"), (10, "qdiscs[0].link"),
        (11, "memory.mbufs")]), errors


def test_what_follows_from_an_error_is_not_told_as_another(judge):
    status, errors = judge("""\
links = ( { name = "a"; device = "net_null0"; addresses = [ "10.1.0.1/99" ]; } );
routes = ( { to = "10.9.0.0/16"; via = "10.1.0.2"; },
           { to = "10.8.0.0/16"; via = "10.1"; } );
""")
    assert status == 2
    assert [error[:2] for error in errors] == [(1, "links[0].addresses[0]"), (3, "routes[1].via")]


def test_an_unknown_key_is_told_with_the_known_ones(judge):
    _, ((_, _, text),) = judge(LINKS + 'workers: { lcore = "1"; };')
    assert text == "is not a setting of workers; allowed: lcores, idle"


def test_a_syntax_error_is_told_with_its_line(tmp_path):
    path = tmp_path / "weir.conf"
    path.write_text('links = (\n  { name = ; }\n);\n')
    done = check(path)
    assert done.returncode == 2
    assert re.fullmatch(rf"{path}:2: .*syntax error.*\n", done.stderr), done.stderr


@pytest.mark.parametrize("path", ["/nonexistent/weir.conf", "/"])
def test_a_file_that_cannot_be_read_is_bad_configuration(path):
    done = check(path)
    assert done.returncode == 2
    assert path in done.stderr and done.stderr.count("\n") == 1


def test_a_bad_configuration_starts_nothing(lab):
    weir = lab.daemon("links = ( { name = 5; } );")
    weir.may_fail = True
    weir.spawn()
    assert weir.wait() == 2
    assert ERROR_LINE.fullmatch(weir.stderr().splitlines()[0])["path"] == "links[0].name"


def test_a_device_that_does_not_exist_is_a_failed_start(lab):
    conf = base_conf(links=[{"name": "a", "device": "net_pcap0,rx_pcap=/nonexistent.pcap"}])
    weir = lab.daemon(conf)
    weir.may_fail = True
    weir.spawn()
    assert weir.wait() in (1, 2)
    lines = [line for line in weir.stderr().splitlines() if ERROR_LINE.fullmatch(line)]
    assert [ERROR_LINE.fullmatch(line)["path"] for line in lines] == ["links[0].device"], weir.stderr()


@pytest.mark.parametrize("words, status, where", [
    (["--version"], 0, "stdout"), (["--help"], 0, "stdout"),
    ([], 2, "stderr"), (["--no-such-option"], 2, "stderr"), (["-c"], 2, "stderr"),
    (["-c", "x.conf", "--until-idle", "soon"], 2, "stderr"), (["-c", "x.conf", "surplus"], 2, "stderr"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else str(value))
@pytest.mark.parametrize("name", ["weir"])
def test_usage_of_the_daemon(name, words, status, where):
    done = run(program(name), *words, check=False)
    assert done.returncode == status, done.stderr
    assert getattr(done, where).strip()
    if status == 0:
        assert "weir" in done.stdout and not done.stderr


@pytest.mark.parametrize("words, status", [(["--version"], 0), (["--help"], 0), (["--no-such-option"], 2)])
def test_usage_of_the_client(words, status):
    done = run(program("weirctl"), *words, check=False)
    assert done.returncode == status, done.stderr
    assert (done.stdout if status == 0 else done.stderr).strip()


@pytest.mark.parametrize("user", [[], ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]],
                         ids=["root", "nobody"])
def test_the_doctor_needs_neither_a_configuration_nor_privileges(user):
    done = run(*user, program("weir"), "--doctor", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1] == "weir can run here"
    for name in ("processor", "memory", "hugepages", "iommu", "vfio-pci", "/dev/vfio", "/dev/net/tun", "nic",
                 "isolated cpus", "governor", "thp", "clocksource", "memlock", "capabilities"):
        assert any(re.match(f"(ok|warn|missing) +{name} ", line) for line in lines), name
    assert not any("links" in line for line in lines)


@pytest.mark.parametrize("device, status, line", [
    ("net_null0", 0, "ok       links          net_null0"),
    ("ffff:1f:1f.7", 1, "missing  links          ffff:1f:1f.7: there is no such device"),
])
def test_the_doctor_looks_at_what_a_configuration_needs(lab, device, status, line):
    weir = lab.daemon(libconfig.text(base_conf(links=[{"name": "a", "device": device}])))
    done = run(program("weir"), "--doctor", "-c", weir.conf, check=False)
    assert done.returncode == status
    assert line in done.stdout.splitlines()


@pytest.mark.parametrize("words", [["--check"], ["--until-idle", "10"], ["-c", "/nonexistent"]])
def test_the_doctor_refuses_what_makes_no_sense(words):
    done = run(program("weir"), "--doctor", *words, check=False)
    assert done.returncode == 2 and done.stderr and not done.stdout


def test_relative_paths_are_relative_to_the_configuration(lab):
    weir = lab.daemon(libconfig.text(base_conf(control={"socket": "control.sock"}, links=[])))
    weir.start()
    assert weir.ctl("link", "show") == []
    assert weir.stop() == 0


def test_stdin_is_no_configuration_file():
    done = subprocess.run([program("weir"), "--check"], capture_output=True, text=True, check=False, input="")
    assert done.returncode == 2
