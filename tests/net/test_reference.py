# SPDX-License-Identifier: BSD-3-Clause
"""
What is made from the tables, against the programs themselves: the default configuration, the pages of
docs/reference. That they are current is what `scripts/reference --check` says in the style ring.
"""
import re
import subprocess

import pytest

from harness import ROOT, base_conf, link_conf, program, run

CONF = ROOT / "conf" / "weir.conf"


def page(name):
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")


def table(name, title):
    """The first cells of the tables below a heading of a page, without what is not yet in weir."""
    text = page(name).split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    tables = [part for part in text.split("\n\n") if not part.startswith("| not yet in weir")]
    return re.findall(r"^\| `([^`]+)` \|", "\n".join(tables), re.M)


def headings(name):
    return re.findall(r"^## (.+)$", page(name), re.M)


def sysctl_names():
    """As their page has them: a group within another one is a section of its own, its row there no tunable."""
    names, group = [], None
    for line in page("sysctls").splitlines():
        heading, row = re.match(r"##+ (.+)", line), re.match(r"\| `([^`]+)` \| (\w+)", line)
        if heading:
            group = heading[1]
        elif row and row[2] != "group":
            names.append(f"{group}.{row[1]}")
    return names


def uncommented():
    """The default configuration with every default and every example taken at its word."""
    return re.sub(r"^#(?=[^ \n])", "", CONF.read_text(encoding="utf-8"), flags=re.M)


def check(path):
    done = run(program("weir"), "-c", path, "--check", check=False)
    return done.returncode, done.stderr


def test_the_default_configuration_says_nothing_and_passes():
    lines = CONF.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    assert check(CONF) == (0, "")


def test_with_all_defaults_written_down_it_passes_too(tmp_path):
    path = tmp_path / "weir.conf"
    path.write_text(uncommented(), encoding="utf-8")
    assert 'idle = "adaptive";' in re.sub(r"#.*", "", uncommented())
    assert check(path) == (0, "")


def test_the_examples_of_settings_without_a_default_pass_too(tmp_path):
    path = tmp_path / "weir.conf"
    text, n = re.subn(r"^(\t+)# (\w+ = .*;)$", r"\1\2", uncommented(), flags=re.M)
    assert n > 0
    path.write_text(text, encoding="utf-8")
    assert check(path) == (0, "")


@pytest.mark.parametrize("section", [*headings("settings")[:-1], "sysctl"])
def test_every_setting_is_in_the_default_configuration(section):
    text = CONF.read_text(encoding="utf-8")
    assert re.search(rf"^#{section}(: \{{| = )", text, re.M), f"conf/weir.conf.in has no example of {section}"
    part = text.split(f"# {section}: ", 1)[1].split("\n\n", 1)[0]
    if section == "sysctl":
        fields = [field for group in headings("sysctls") for field in [group, *table("sysctls", group)]]
    else:
        fields = table("settings", section)
    assert fields or section == "eal"
    assert [field for field in fields if not re.search(rf"^#.*\b{field}(:| =)", part, re.M)] == []


def test_the_reference_knows_every_counter_that_is_shown(lab):
    weir = lab.daemon(base_conf(links=[link_conf("lan", 0, "10.1.0.1/24")]), netns=lab.namespace("gw")).start()
    assert table("counters", "stats show") == list(weir.ctl("stats", "show"))
    # `queues` is a list of names, the only member that counts nothing.
    assert set(weir.ctl("worker", "show")[0]) - {"queues"} == set(table("counters", "worker show"))
    weir.ctl("policer", "add", "lan", "rate", "1gbit", "burst", "1mb")
    policer = weir.row("policer", "show", dev="lan")
    for color in ("green", "yellow", "red"):
        assert list(policer[color]) == table("counters", f"policer show: {color}")
    assert table("counters", "policer show") == ["dropped"] and policer["dropped"] == 0
    stats = weir.link("lan")["stats64"]
    for direction in ("rx", "tx"):
        assert list(stats[direction]) == table("counters", f"link show: stats64.{direction}")


def test_the_reference_knows_every_command_and_stage(lab):
    weir = lab.daemon(base_conf(links=[])).start()
    commands = weir.ctl("rpc", "list")
    assert [f"{c['object']} {c['verb']}" for c in commands if c["available"]] == headings("commands")[:-1]
    assert table("commands", "Not yet in weir") == \
        [f"{c['object']} {c['verb']}" for c in commands if not c["available"]]
    stages = re.findall(r"^\| `([^`]+)` \|", page("stages"), re.M)
    assert stages == [row["node"] for row in weir.ctl("graph", "show")]
    assert sysctl_names() == [row["name"] for row in weir.ctl("sysctl", "show")]


@pytest.mark.parametrize("name", ["weir.8", "weirctl.8", "weir.conf.5"])
def test_the_man_pages_are_sound_roff(name):
    done = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", ROOT / "man" / name)
    assert done.stderr == ""


def test_the_first_hour_of_the_readme(lab, tmp_path):
    """What the README has typed, in its order, but for installing and systemd."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## The first hour\n", 1)[1].split("\n## ", 1)[0]
    typed = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    begin, end = typed.index("links = ("), typed.index(");")
    conf = "\n".join(typed[begin:end + 1])
    path = tmp_path / "readme.conf"
    path.write_text(conf, encoding="utf-8")
    assert check(path) == (0, "")

    home = lab.namespace("gw")
    weir = lab.daemon(base_conf(), netns=home)
    weir.conf.write_text(weir.conf.read_text(encoding="utf-8") + conf, encoding="utf-8")
    weir.start()
    n_commands = 0
    for line in typed[end + 1:]:
        words = line.split("#", 1)[0].split()
        if words[0] == "weirctl":
            ping = home.popen("ping", "-q", "192.168.1.1", stdout=subprocess.DEVNULL) if "trace" in words else None
            done = weir.weirctl(*words[1:])
            assert done.returncode == 0, (line, done.stderr)
            n_commands += 1
            if ping is not None:
                assert done.stdout.count("packet ") >= 3, done.stdout
                ping.terminate()
        elif words[0] in ("ip", "ping"):
            home.exec(*words)
    assert n_commands >= 10
    assert weir.stop() == 0


def test_the_tests_that_the_rfcs_are_shown_by_exist():
    names = re.findall(r"`((?:[a-z]+/)?[a-z0-9_]{12,})`", (ROOT / "docs" / "rfcs.md").read_text(encoding="utf-8"))
    assert len(names) > 30
    sources = {ring: "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / ring).glob("test_*"))
               for ring in ("packet", "unit", "net")}

    def is_there(name):
        ring, _, test = name.rpartition("/")
        return re.search(rf"(\(|def ){test}[(),]", sources[ring or "packet"])
    assert [name for name in names if not is_there(name)] == []


def test_every_rfc_that_is_named_has_a_row():
    pages = [path for path in [*(ROOT / "docs").rglob("*.md"), *(ROOT / "conf").glob("*.conf*"), ROOT / "README.md"]
             if path.name != "rfcs.md"]
    rows = re.findall(r"^\| ([0-9, ]+) \|", (ROOT / "docs" / "rfcs.md").read_text(encoding="utf-8"), re.M)
    known = {number for row in rows for number in row.split(", ")}
    named = {(path.name, number) for path in pages
             for numbers in re.findall(r"RFCs? ?(\d+(?:(?:, | and )\d{3,}\b)*)",  # "RFC 4787 and 5382" are two
                                       re.sub(r"\n[# ]*", " ", path.read_text(encoding="utf-8")))
             for number in re.findall(r"\d+", numbers)}
    assert len({number for _, number in named}) > 15
    assert sorted(where for where in named if where[1] not in known) == []
