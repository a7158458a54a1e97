# SPDX-License-Identifier: BSD-3-Clause
"""
Links and addresses by command:

    lan                       weir                       wan
    10.1.0.2/24 [lan0] -- 10.1.0.1/24  10.2.0.1/24 -- [wan0] 10.2.0.2/24
"""
import re

import pytest

from harness import WEIR_LAN_MAC, base_conf, link_conf, wait_until


def test_link_show_has_the_keys_of_ip_link(router):
    rows = router.weir.ctl("link", "show")
    (theirs,) = router.lan.ip_json("link", "show", "lan0")
    assert [row["ifname"] for row in rows] == ["lan", "wan"]
    for row in rows:
        for key in ("ifindex", "ifname", "link_type", "flags", "mtu", "operstate", "address"):
            assert isinstance(row[key], type(theirs[key])), key
        assert "stats64" not in row
    lan = rows[0]
    assert (lan["link_type"], lan["mtu"], lan["operstate"], lan["address"]) == ("ether", 1500, "UP", WEIR_LAN_MAC)
    assert "UP" in lan["flags"]
    assert lan["linkinfo"]["info_kind"] == "port"


def test_statistics_come_with_s_and_count(router):
    before = router.weir.link("lan")["stats64"]
    router.lan.ping("10.2.0.2", "-s", 100, count=10)
    router.weir.quiet()
    after = router.weir.link("lan")["stats64"]
    theirs = router.lan.ip_json("-s", "link", "show", "lan0")[0]["stats64"]
    for side in ("rx", "tx"):
        for key in ("bytes", "packets", "errors", "dropped"):
            assert isinstance(after[side][key], int) and key in theirs[side]
        n = after[side]["packets"] - before[side]["packets"]
        assert n >= 10
        assert after[side]["bytes"] - before[side]["bytes"] >= 10 * (14 + 20 + 8 + 100)
        assert after[side]["errors"] == before[side]["errors"]


def test_one_link_is_shown_by_name_and_an_unknown_one_is_refused(router):
    (row,) = router.weir.ctl("link", "show", "dev", "wan")
    assert row["ifname"] == "wan"
    assert router.weir.ctl("link", "show", "wan") == [row]
    status, line = router.weir.refused("link", "show", "dev", "nowhere")
    assert status == 1 and "nowhere" in line


def test_a_link_that_is_down_passes_nothing_until_it_is_up(fresh_router):
    lab, weir = fresh_router, fresh_router.weir
    assert lab.lan.ping("10.2.0.2")[1] == 3
    weir.ctl("link", "set", "dev", "wan", "down")
    link = weir.link("wan")
    assert "UP" not in link["flags"] and link["operstate"] == "DOWN"
    sent_before = link["stats64"]["tx"]["packets"]
    assert lab.lan.ping("10.2.0.2", count=2, wait=1)[1] == 0
    assert lab.wan.ping("10.2.0.1", count=2, wait=1)[1] == 0
    assert weir.link("wan")["stats64"]["tx"]["packets"] == sent_before
    assert lab.lan.ping("10.1.0.1")[1] == 3, "the other link goes on"
    weir.ctl("link", "set", "wan", "up")
    assert weir.link("wan")["operstate"] == "UP"
    assert lab.lan.ping("10.2.0.2")[1] == 3
    assert weir.quiet()["difference"] == 0


def test_a_link_may_start_down(lab):
    lab.router(wan={"up": False})
    assert lab.weir.link("wan")["operstate"] == "DOWN"
    assert lab.lan.ping("10.2.0.2", count=1, wait=1)[1] == 0
    lab.weir.ctl("link", "set", "dev", "wan", "up")
    assert lab.lan.ping("10.2.0.2")[1] == 3


def test_a_small_mtu_is_told_to_the_sender(fresh_router):
    lab = fresh_router
    lab.weir.ctl("link", "set", "dev", "wan", "mtu", "1400")
    assert lab.weir.link("wan")["mtu"] == 1400
    # With DF: the error names the MTU, and the kernel believes it.
    _, received, output = lab.lan.ping("10.2.0.2", "-s", 1472, "-M", "do", count=1, wait=1)
    assert received == 0
    assert re.search(r"From 10\.1\.0\.1.*Frag needed and DF set \(mtu = 1400\)", output), output
    assert "mtu 1400" in lab.lan.ip("route", "get", "10.2.0.2").stdout
    # What just fits passes.
    assert lab.lan.ping("10.2.0.2", "-s", 1372, "-M", "do")[1] == 3
    lab.weir.ctl("link", "set", "dev", "wan", "mtu", "1500")
    lab.lan.ip("route", "flush", "cache")
    assert lab.lan.ping("10.2.0.2", "-s", 1472, "-M", "do")[1] == 3
    assert lab.weir.quiet()["difference"] == 0


def test_an_mtu_that_the_device_refuses_is_an_error_at_start(lab):
    """net_tap of DPDK 22.11 would take it and send nothing larger than 1,522 bytes."""
    weir = lab.daemon(base_conf(links=[link_conf("lan", 0, "10.1.0.1/24", mtu=9000)]), netns=lab.namespace("gw"))
    weir.may_fail = True
    assert weir.spawn().wait() != 0
    assert "links[0].device: the device takes no MTU of 9000" in weir.stderr()


def test_what_is_larger_than_the_mtu_goes_on_in_fragments(fresh_router):
    lab = fresh_router
    lab.weir.ctl("link", "set", "dev", "wan", "mtu", "1400")
    lab.wan.ip("link", "set", "wan0", "mtu", "1400")
    assert lab.lan.ping("10.2.0.2", "-s", 1372, "-M", "dont")[1] == 3
    assert lab.weir.quiet()["fragments"] == 0
    assert lab.lan.ping("10.2.0.2", "-s", 1373, "-M", "dont", count=2)[1] == 2
    assert lab.weir.quiet()["fragments"] == 2 * 2
    assert lab.weir.quiet()["difference"] == 0


@pytest.mark.parametrize("words, status", [
    (["set", "dev", "nowhere", "up"], 1),
    (["set", "dev", "wan", "mtu", "67"], 2),
    (["set", "dev", "wan", "mtu", "99999"], 2),
    (["set", "dev", "wan", "mtu", "many"], 2),
    (["set", "dev", "wan", "sideways"], 2),
    (["set"], 2),
], ids=lambda value: " ".join(value) if isinstance(value, list) else str(value))
def test_a_wrong_link_command_changes_nothing(router, words, status):
    before = router.weir.ctl("link", "show")
    assert router.weir.refused("link", *words)[0] == status
    assert router.weir.ctl("link", "show") == before


def addresses(weir, link):
    (row,) = [row for row in weir.ctl("addr", "show") if row["ifname"] == link]
    return [f'{info["local"]}/{info["prefixlen"]}' for info in row["addr_info"]]


def test_addr_show_has_the_keys_of_ip_addr(router):
    (ours,) = router.weir.ctl("addr", "show", "dev", "lan")
    (theirs,) = router.lan.ip_json("addr", "show", "lan0")
    assert {"ifindex", "ifname", "flags", "mtu", "operstate", "link_type", "address", "addr_info"} <= set(ours)
    (info,) = ours["addr_info"]
    (their_info,) = theirs["addr_info"]
    assert set(info) <= set(their_info) | {"broadcast"}
    assert {key: info[key] for key in ("family", "local", "prefixlen", "scope")} == {
        "family": "inet", "local": "10.1.0.1", "prefixlen": 24, "scope": "global"}


def test_addresses_come_and_go_by_command(router):
    weir = router.weir
    router.wan.ip("address", "add", "10.3.0.2/24", "dev", "wan0")
    weir.ctl("addr", "add", "10.3.0.1/24", "dev", "wan")
    assert addresses(weir, "wan") == ["10.2.0.1/24", "10.3.0.1/24"]
    assert weir.row("route", "show", dst="10.3.0.0/24")["dev"] == "wan"
    assert router.lan.ping("10.3.0.1")[1] == 3, "it answers"
    assert router.lan.ping("10.3.0.2")[1] == 3, "its network is reached"
    assert weir.refused("addr", "add", "10.3.0.1/24", "dev", "wan")[0] == 1
    weir.ctl("addr", "del", "10.3.0.1/24", "dev", "wan")
    assert addresses(weir, "wan") == ["10.2.0.1/24"]
    assert weir.row("route", "show", dst="10.3.0.0/24") is None
    assert router.lan.ping("10.3.0.1", count=1, wait=1)[1] == 0
    assert weir.refused("addr", "del", "10.3.0.1/24", "dev", "wan")[0] == 1
    router.wan.ip("address", "del", "10.3.0.2/24", "dev", "wan0")


@pytest.mark.parametrize("words, status", [
    (["add", "10.4.0.1/24", "dev", "nowhere"], 1),
    (["add", "10.4.0.1/33", "dev", "lan"], 2),
    (["add", "10.4.0.1/24"], 2),
    (["add", "10.2.0.1/16", "dev", "lan"], 1),  # wan has this address
], ids=lambda value: " ".join(value) if isinstance(value, list) else str(value))
def test_a_wrong_addr_command_changes_nothing(router, words, status):
    before = router.weir.ctl("addr", "show")
    assert router.weir.refused("addr", *words)[0] == status
    assert router.weir.ctl("addr", "show") == before


def test_xstats_are_the_drivers_own_counters(router):
    router.lan.ping("10.1.0.1", count=1)
    rows = wait_until(lambda: router.weir.ctl("xstats", "show", "dev", "lan"), what="xstats")
    values = {row["name"]: row["value"] for row in rows}
    assert values["rx_good_packets"] > 0
    assert router.weir.refused("xstats", "show", "dev", "nowhere")[0] == 1
