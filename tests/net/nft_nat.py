# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios of address translation, both ways, with errors and fragments."""
from scapy.layers.inet import TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, PadN
from scapy.layers.sctp import SCTP, SCTPChunkInit, SCTPChunkInitAck
from scapy.packet import Raw

from nft_script import Table, Talk

table = Table()
group, scenario = table.group, table.scenario

SERVER = {4: "10.16.250.10", 6: "2001:db8:16:fa::10"}
OTHER_SERVER = {4: "10.16.250.20", 6: "2001:db8:16:fa::20"}
PUBLIC = {4: "203.0.113.20", 6: "2001:db8:cb::20"}
ANY_PORT = (1024, 65535)
PORTS = (80, 443, 4000)

NO_INVALID = {"name": "invalid", "state": "invalid", "action": "drop"}
OUTWARD = {"policy": "drop", "rules": [NO_INVALID, {"name": "out", "in": "lan", "out": "wan", "action": "accept"}]}

MASQUERADE = group("masquerade", forward=OUTWARD, postrouting={"rules": [{"out": "wan", "action": "masquerade"}]})


@scenario(MASQUERADE)
def udp_there_and_back(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    assert (out.src, out.sport) == (run.router["wan"], 4000)
    run.wan(run.answer(out), gives="l")
    run.lan(run.udp(run.a, run.b, data=b"again"), gives="w")


@scenario(MASQUERADE)
def echo_there_and_back(run):
    for seq in (1, 2):
        (out,) = run.lan(run.echo(run.a, run.b, seq=seq), gives="w")
        run.wan(run.answer(out), gives="l")


@scenario(MASQUERADE)
def tcp_from_syn_to_fin(run):
    talk = Talk(run, run.a, run.b).open()
    talk.client("PA", "w", data=b"GET / HTTP/1.0\r\n\r\n")
    talk.server("PA", "l", data=b"HTTP/1.0 200 OK\r\n\r\n")
    talk.server("FA", "l")
    talk.client("A", "w")
    talk.client("FA", "w")
    talk.server("A", "l")


@scenario(MASQUERADE)
def tcp_reset_by_the_server(run):
    talk = Talk(run, run.a, run.b).open()
    talk.server("RA", "l")


@scenario(MASQUERADE)
def tcp_refused_by_the_server(run):
    talk = Talk(run, run.a, run.b)
    talk.client("S", "w")
    talk.server("RA", "l", seq=0)


@scenario(MASQUERADE)
def tcp_reset_by_the_client(run):
    talk = Talk(run, run.a, run.b).open()
    talk.client("RA", "w")


@scenario(MASQUERADE)
def tcp_options_go_through_unchanged(run):
    options = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 0)), ("NOP", None), ("WScale", 7)]
    talk = Talk(run, run.a, run.b)
    talk.client("S", "w", options=options)
    talk.server("SA", "l", options=options)


@scenario(MASQUERADE, ports=ANY_PORT)
def a_second_host_with_the_same_port_gets_another(run):
    (first,) = run.lan(run.udp(run.a, run.b), gives="w")
    (second,) = run.lan(run.udp(run.host("lan", 2), run.b), gives="w")
    assert first.sport == 4000 != second.sport
    run.wan(run.answer(second), gives="l")
    run.wan(run.answer(first), gives="l")
    run.lan(run.udp(run.host("lan", 2), run.b, data=b"again"), gives="w")


@scenario(MASQUERADE, ports=ANY_PORT)
def a_second_tcp_client_with_the_same_port_gets_another(run):
    first = Talk(run, run.a, run.b).open()
    second = Talk(run, run.host("lan", 2), run.b, seq=3000).open()
    second.server("PA", "l", data=b"to the second")
    first.server("PA", "l", data=b"to the first")


@scenario(MASQUERADE, ports=(0, 65535))
def a_second_host_with_the_same_identifier_gets_another(run):
    (first,) = run.lan(run.echo(run.a, run.b), gives="w")
    (second,) = run.lan(run.echo(run.host("lan", 2), run.b), gives="w")
    assert first.id == 700 != second.id
    run.wan(run.answer(second), gives="l")
    run.wan(run.answer(first), gives="l")


@scenario(MASQUERADE)
def the_same_port_to_another_destination_is_kept(run):
    for number in (1, 2, 3):
        (out,) = run.lan(run.udp(run.host("lan", number), run.host("wan", number)), gives="w")
        run.wan(run.answer(out), gives="l")


@scenario(MASQUERADE)
def one_port_serves_many_destinations(run):
    for port in PORTS:
        (out,) = run.lan(run.udp(run.a, run.b, dport=port), gives="w")
        run.wan(run.answer(out), gives="l")


@scenario(MASQUERADE, ports=(1, 511))
def a_low_port_gives_way_to_a_low_port(run):
    run.lan(run.udp(run.a, run.b, sport=500, dport=5000), gives="w")
    (out,) = run.lan(run.udp(run.host("lan", 2), run.b, sport=500, dport=5000), gives="w")
    run.wan(run.answer(out), gives="l")


@scenario(MASQUERADE)
def udp_without_checksum_stays_without(run):
    packet = run.udp(run.a, run.b)
    packet[1].chksum = 0
    (out,) = run.lan(packet, gives="w")
    answer = run.answer(out)
    answer[1].chksum = 0
    run.wan(answer, gives="l")


@scenario(MASQUERADE)
def a_stranger_does_not_reach_the_mapping(run):
    """It is for the router then, which has nothing there."""
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(run.udp(run.host("wan", 2), out.src, 80, out.sport), gives="w")
    run.wan(run.udp(run.b, out.src, 81, out.sport), gives="w")


@scenario(MASQUERADE)
def a_connection_from_outside_to_inside_is_dropped(run):
    run.wan(run.udp(run.b, run.a))


@scenario(MASQUERADE)
def a_bad_checksum_is_invalid(run):
    packet = run.udp(run.a, run.b)
    packet[1].chksum = 0x1234
    run.lan(packet)
    packet = run.tcp(run.a, run.b)
    packet[1].chksum = 0x1234
    run.lan(packet)


@scenario(MASQUERADE)
def an_error_of_the_receiver_comes_back(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(run.error(out), gives="l")


@scenario(MASQUERADE)
def an_error_about_tcp_comes_back(run):
    talk = Talk(run, run.a, run.b).open()
    (out,) = talk.client("PA", "w", data=b"x" * 64)
    run.wan(run.error(out, "too-big", src=run.host("wan", 99)), gives="l")


@scenario(MASQUERADE)
def an_error_with_eight_bytes_of_tcp_comes_back(run):
    talk = Talk(run, run.a, run.b).open()
    (out,) = talk.client("PA", "w", data=b"x" * 64)
    run.wan(run.error(out, "time", src=run.host("wan", 99), quote=28 if run.family == 4 else 48), gives="l")


@scenario(MASQUERADE)
def an_error_about_an_echo_comes_back(run):
    (out,) = run.lan(run.echo(run.a, run.b), gives="w")
    run.wan(run.error(out, "time", src=run.host("wan", 99)), gives="l")


@scenario(MASQUERADE, ports=ANY_PORT)
def an_error_about_a_chosen_port_comes_back(run):
    run.lan(run.udp(run.a, run.b), gives="w")
    (out,) = run.lan(run.udp(run.host("lan", 2), run.b), gives="w")
    run.wan(run.error(out), gives="l")
    run.wan(run.error(out, "time", src=run.host("wan", 99), quote=28 if run.family == 4 else 48), gives="l")


@scenario(MASQUERADE)
def an_error_about_udp_without_checksum_comes_back(run):
    packet = run.udp(run.a, run.b)
    packet[1].chksum = 0
    (out,) = run.lan(packet, gives="w")
    run.wan(run.error(out), gives="l")


@scenario(MASQUERADE)
def an_error_from_inside_about_an_answer_goes_out(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    (answer,) = run.wan(run.answer(out), gives="l")
    run.lan(run.error(answer), gives="w")


@scenario(MASQUERADE)
def an_error_of_a_router_inside_about_an_answer_goes_out(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    (answer,) = run.wan(run.answer(out), gives="l")
    run.lan(run.error(answer, "host", src=run.host("lan", 99)), gives="w")


@scenario(MASQUERADE)
def an_error_about_another_mapping_is_dropped(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(run.error(run.udp(out.src, out.dst, out.sport + 1)))


@scenario(MASQUERADE)
def traceroute_by_udp(run):
    run.lan(run.udp(run.a, run.b, dport=33434, ttl=1), gives="l")
    for hop in (2, 3):
        (out,) = run.lan(run.udp(run.a, run.b, dport=33434 + hop, ttl=hop), gives="w")
        run.wan(run.error(out, "time", src=run.host("wan", 90 + hop)), gives="l")
    (out,) = run.lan(run.udp(run.a, run.b, dport=33440, ttl=4), gives="w")
    run.wan(run.error(out), gives="l")


@scenario(MASQUERADE)
def traceroute_by_echo(run):
    run.lan(run.echo(run.a, run.b, ttl=1), gives="l")
    (out,) = run.lan(run.echo(run.a, run.b, seq=2, ttl=2), gives="w")
    run.wan(run.error(out, "time", src=run.host("wan", 92)), gives="l")
    (out,) = run.lan(run.echo(run.a, run.b, seq=3, ttl=3), gives="w")
    run.wan(run.answer(out), gives="l")


@scenario(MASQUERADE)
def traceroute_by_syn(run):
    run.lan(run.ip(run.a, run.b, ttl=1) / TCP(sport=4000, dport=80, flags="S", seq=9), gives="l")
    (out,) = run.lan(run.ip(run.a, run.b, ttl=2) / TCP(sport=4000, dport=80, flags="S", seq=9), gives="w")
    run.wan(run.error(out, "time", src=run.host("wan", 92)), gives="l")


@scenario(MASQUERADE)
def an_answer_that_expires_is_told_of_from_outside(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(run.udp(run.b, out.src, 80, out.sport, ttl=1), gives="w")


@scenario(MASQUERADE)
def an_established_packet_that_expires_is_told_of(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(run.answer(out), gives="l")
    run.lan(run.udp(run.a, run.b, ttl=1), gives="l")


@scenario(MASQUERADE)
def a_packet_too_large_is_told_of(run):
    fields = {"flags": "DF"} if run.family == 4 else {}
    run.lan(run.udp(run.a, run.b, data=bytes(1440), **fields), gives="l")
    run.lan(run.udp(run.a, run.b, **fields), gives="w")
    run.lan(run.udp(run.a, run.b, data=bytes(1440), **fields), gives="l")


@scenario(MASQUERADE, families=(4,))
def a_packet_that_needs_fragments_leaves_translated(run):
    run.lan(run.udp(run.a, run.b, data=bytes(1440)), gives="ww")
    run.lan(run.udp(run.a, run.b, data=bytes(range(256)) * 5 + bytes(160)), gives="ww")


@scenario(MASQUERADE)
def fragments_in_order(run):
    run.lan(*run.fragments(run.udp(run.a, run.b, data=bytes(range(200))), 64, 128), gives="www")


@scenario(MASQUERADE)
def fragments_in_reverse(run):
    run.lan(*reversed(run.fragments(run.udp(run.a, run.b, data=bytes(range(200))), 64, 128)), gives="www")


@scenario(MASQUERADE)
def fragments_with_the_first_in_the_middle(run):
    first, second, last = run.fragments(run.udp(run.a, run.b, data=bytes(range(200))), 64, 128)
    run.lan(second, first, last, gives="www")


@scenario(MASQUERADE)
def fragments_of_an_answer(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(*run.fragments(run.answer(out, data=bytes(range(200))), 64), gives="ll")
    run.wan(*reversed(run.fragments(run.answer(out, data=bytes(range(200))), 64)), gives="ll")


@scenario(MASQUERADE)
def fragments_of_an_echo(run):
    (out, _) = run.lan(*run.fragments(run.echo(run.a, run.b, data=bytes(200)), 104), gives="ww")
    run.wan(*run.fragments(run.echo(run.b, out.src, 700, 1, True, data=bytes(200)), 104), gives="ll")


@scenario(MASQUERADE)
def fragments_of_tcp(run):
    talk = Talk(run, run.a, run.b).open()
    packet = run.tcp(run.a, run.b, flags="PA", seq=1001, ack=5001) / Raw(bytes(range(100)))
    run.lan(*run.fragments(packet, 24, 80), gives="www")
    talk.seq[0] += 100
    talk.server("A", "l")


@scenario(MASQUERADE, ports=ANY_PORT)
def fragments_get_the_chosen_port(run):
    run.lan(run.udp(run.a, run.b), gives="w")
    packet = run.udp(run.host("lan", 2), run.b, data=bytes(range(200)))
    run.lan(*run.fragments(packet, 64, 128), gives="www")


@scenario(MASQUERADE)
def fragments_of_two_datagrams_at_once(run):
    one = run.fragments(run.udp(run.a, run.b, sport=4001, data=bytes(range(100))), 48)
    two = run.fragments(run.udp(run.a, run.b, sport=4002, data=bytes(range(100, 200))), 56)
    run.lan(one[0], two[1], one[1], two[0], gives="wwww")


@scenario(MASQUERADE)
def a_protocol_without_ports_is_translated_by_addresses(run):
    field = "proto" if run.family == 4 else "nh"
    run.lan(run.ip(run.a, run.b, **{field: 254}) / Raw(b"there" * 4), gives="w")
    run.wan(run.ip(run.b, run.router["wan"], **{field: 254}) / Raw(b"back" * 4), gives="l")


@scenario(MASQUERADE)
def gre_is_translated_by_addresses(run):
    field = "proto" if run.family == 4 else "nh"
    run.lan(run.ip(run.a, run.b, **{field: 47}) / Raw(bytes.fromhex("00000800") + bytes(24)), gives="w")
    run.wan(run.ip(run.b, run.router["wan"], **{field: 47}) / Raw(bytes.fromhex("00000800") + bytes(24)), gives="l")


@scenario(MASQUERADE)
def sctp_keeps_its_ports(run):
    field = "proto" if run.family == 4 else "nh"
    (out,) = run.lan(run.ip(run.a, run.b, **{field: 132}) / SCTP(sport=5000, dport=80)
                     / SCTPChunkInit(init_tag=7, a_rwnd=8000, n_out_streams=1, n_in_streams=1), gives="w")
    run.wan(run.ip(run.b, out.src, **{field: 132}) / SCTP(sport=80, dport=5000, tag=7)
            / SCTPChunkInitAck(init_tag=9, a_rwnd=8000, n_out_streams=1, n_in_streams=1), gives="l")


def with_options(run, src, dst, ttl=64):
    """An IP header with something between it and what it carries."""
    if run.family == 4:
        return run.ip(src, dst, ttl=ttl, options=[IPOption_NOP()] * 4)
    return run.ip(src, dst, ttl=ttl) / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(10))])


@scenario(MASQUERADE)
def options_of_the_header_are_no_matter(run):
    (out,) = run.lan(with_options(run, run.a, run.b) / UDP(sport=4000, dport=80) / Raw(b"question"), gives="w")
    run.wan(with_options(run, run.b, run.router["wan"]) / UDP(sport=80, dport=4000) / Raw(b"answer"), gives="l")
    assert out.src == run.router["wan"]


@scenario(MASQUERADE)
def an_error_about_a_packet_with_options_comes_back(run):
    (out,) = run.lan(with_options(run, run.a, run.b) / UDP(sport=4000, dport=80) / Raw(b"question"), gives="w")
    run.wan(run.error(out), gives="l")


@scenario(MASQUERADE)
def a_packet_with_options_that_expires_is_told_of(run):
    run.lan(with_options(run, run.a, run.b, ttl=1) / UDP(sport=4000, dport=80) / Raw(b"question"), gives="l")


@scenario(MASQUERADE)
def an_error_about_a_later_fragment_is_dropped(run):
    """It does not say of which connection."""
    packet = run.udp(run.a, run.b, data=bytes(range(120)))
    run.lan(*run.fragments(packet, 40), gives="ww")
    _, later = run.fragments(run.udp(run.router["wan"], run.b, data=bytes(range(120))), 40)
    run.wan(run.error(later))


@scenario(MASQUERADE)
def an_error_about_a_first_fragment_comes_back(run):
    run.lan(*run.fragments(run.udp(run.a, run.b, data=bytes(range(120))), 40), gives="ww")
    first, _ = run.fragments(run.udp(run.router["wan"], run.b, data=bytes(range(120))), 40)
    run.wan(run.error(first, "time"), gives="l")


def pair(action, four, six, to_four, to_six, key="src", **fields):
    """The same rule for both families; with key None it does not say whose addresses it means."""
    return [{**({key: net} if key else {}), **fields, "action": action, "to": to}
            for net, to in ((four, to_four), (six, to_six))]


ALL4, ALL6 = "10.16.0.0/16", "2001:db8:16::/48"
SNAT = group("snat", forward=OUTWARD, postrouting={"rules": [
    {"name": "not this", "proto": "udp", "dport": 15, "action": "accept"},
    *pair("snat", "10.16.200.0/24", "2001:db8:16:c8::/64", "203.0.114.0/24", "2001:db8:cc::/64"),
    *pair("snat", ALL4, ALL6, "203.0.113.5", "2001:db8:cb::5", proto="udp", dport=11),
    *pair("snat", ALL4, ALL6, "203.0.113.10-203.0.113.13", "2001:db8:cb::10-2001:db8:cb::13", proto="udp", dport=12),
    *pair("snat", ALL4, ALL6, "203.0.113.6:5000-5009", "[2001:db8:cb::6]:5000-5009", proto="udp", dport=13),
    *pair("snat", ALL4, ALL6, "203.0.113.7:6000", "[2001:db8:cb::7]:6000", proto="udp", dport=14),
    *pair("snat", ALL4, ALL6, "203.0.113.8", "2001:db8:cb::8", proto="tcp"),
    {"name": "with ports", "proto": "udp", "dport": 16, "out": "wan", "action": "masquerade", "to": "7000-7009"},
    {"name": "the rest", "out": "wan", "action": "masquerade"},
]})
POOL = {4: ("203.0.113.10", "203.0.113.13"), 6: ("2001:db8:cb::10", "2001:db8:cb::13")}


@scenario(SNAT)
def snat_to_an_address(run):
    (out,) = run.lan(run.udp(run.a, run.b, dport=11), gives="w")
    assert out.src == ("203.0.113.5" if run.family == 4 else "2001:db8:cb::5")
    run.wan(run.answer(out), gives="l")
    run.wan(run.error(out), gives="l")


@scenario(SNAT)
def an_accepted_one_is_not_translated(run):
    (out,) = run.lan(run.udp(run.a, run.b, dport=15), gives="w")
    assert out.src == run.a
    run.wan(run.answer(out), gives="l")


@scenario(SNAT, pool=POOL)
def snat_to_a_pool_pairs_hosts_with_addresses(run):
    """Which address a host gets is free, that it keeps it is not."""
    (out,) = run.lan(run.udp(run.a, run.b, dport=12), gives="w")
    assert out.src in run.names.pool
    run.wan(run.answer(out), gives="l")
    for number in (2, 3):
        (again,) = run.lan(run.udp(run.a, run.host("wan", number), sport=4000 + number, dport=12), gives="w")
        assert again.src == out.src


@scenario(SNAT, ports=(5000, 5009))
def snat_to_a_range_of_ports(run):
    (out,) = run.lan(run.udp(run.a, run.b, dport=13), gives="w")
    run.wan(run.answer(out), gives="l")
    (other,) = run.lan(run.udp(run.host("lan", 2), run.b, dport=13), gives="w")
    assert out.sport != other.sport
    run.wan(run.answer(other), gives="l")


@scenario(SNAT)
def a_port_within_the_range_is_kept(run):
    run.lan(run.udp(run.a, run.b, sport=5005, dport=13), gives="w")


@scenario(SNAT, ports=(5000, 5009))
def a_range_of_ports_is_used_up(run):
    for number in range(1, 11):
        run.lan(run.udp(run.host("lan", number), run.b, sport=4000 + number, dport=13), gives="w")
    run.lan(run.udp(run.host("lan", 11), run.b, sport=4011, dport=13))


@scenario(SNAT)
def a_used_port_is_free_to_another_destination(run):
    for number in (1, 2):
        (out,) = run.lan(run.udp(run.host("lan", number), run.host("wan", number), sport=5007, dport=13), gives="w")
        assert out.sport == 5007


@scenario(SNAT)
def one_port_is_for_one_host(run):
    (out,) = run.lan(run.udp(run.a, run.b, dport=14), gives="w")
    assert out.sport == 6000
    run.lan(run.udp(run.host("lan", 2), run.b, dport=14))
    run.wan(run.answer(out), gives="l")


@scenario(SNAT, ports=(7000, 7009))
def masquerade_to_a_range_of_ports(run):
    (out,) = run.lan(run.udp(run.a, run.b, dport=16), gives="w")
    run.wan(run.answer(out), gives="l")


@scenario(SNAT)
def a_network_is_translated_one_to_one(run):
    for number in (1, 77, 254):
        host = f"10.16.200.{number}" if run.family == 4 else f"2001:db8:16:c8::{number:x}"
        (out,) = run.lan(run.udp(host, run.b), gives="w")
        run.wan(run.answer(out), gives="l")
        (out,) = run.lan(run.echo(host, run.b), gives="w")
        run.wan(run.answer(out), gives="l")


@scenario(SNAT)
def tcp_through_snat(run):
    talk = Talk(run, run.a, run.b).open()
    talk.client("PA", "w", data=b"question")
    talk.server("FPA", "l", data=b"answer")
    talk.client("FA", "w")
    talk.server("A", "l")


@scenario(SNAT)
def snat_does_not_open_the_address(run):
    run.wan(run.udp(run.b, "203.0.113.5" if run.family == 4 else "2001:db8:cb::5", 11, 4000), gives="w")


def inward(action, to, **fields):
    """A rule for the router's outer address, in both families."""
    return [{"dst": dst, **fields, "action": action, "to": to[family]}
            for family, dst in ((4, "10.2.0.1"), (6, "2001:db8:2::1"))]


def at(servers, port):
    return {4: f"{servers[4]}:{port}", 6: f"[{servers[6]}]:{port}"}


DNAT = group("dnat", prerouting={"rules": [
    *inward("dnat", at(SERVER, 80), proto="tcp", dport=8080),
    *inward("dnat", SERVER, proto="udp", dport=53),
    *inward("dnat", at(SERVER, 5300), proto="udp", dport=5353),
    *inward("dnat", at(SERVER, "9000-9009"), proto="udp", dport="9000-9009"),
    *pair("dnat", PUBLIC[4], PUBLIC[6], OTHER_SERVER[4], OTHER_SERVER[6], key="dst"),
    *pair("dnat", "203.0.115.0/24", "2001:db8:cd::/64", "10.16.251.0/24", "2001:db8:16:fb::/64", key="dst"),
    {"name": "tcp here", "in": "wan", "proto": "tcp", "dport": 2222, "action": "redirect", "to": "302"},
    {"name": "udp here", "in": "wan", "proto": "udp", "dport": 2222, "action": "redirect", "to": "302"},
    {"name": "outward here", "in": "lan", "proto": "tcp", "dport": 3128, "action": "redirect", "to": "302"},
]}, forward={"policy": "drop", "rules": [
    NO_INVALID,
    {"name": "out", "in": "lan", "out": "wan", "action": "accept"},
    *({"dst": net, "action": "accept"} for net in ("10.16.250.0/23", "2001:db8:16:fa::/63")),
]}, postrouting={"rules": [
    {"name": "hairpin", "src": ALL4, "out": "lan", "action": "masquerade"},
    {"name": "hairpin6", "src": ALL6, "out": "lan", "action": "masquerade"},
    {"name": "out", "out": "wan", "action": "masquerade"},
]})


def ends(out):
    return out.src, out.sport, out.dst, out.dport


@scenario(DNAT)
def tcp_to_another_port(run):
    talk = Talk(run, run.b, run.router["wan"], dport=8080, side="wan")
    (out,) = talk.client("S", "l")
    assert ends(out) == (run.b, 4000, SERVER[run.family], 80)
    talk.server("SA", "w")
    talk.client("A", "l")
    talk.client("PA", "l", data=b"GET / HTTP/1.0\r\n\r\n")
    talk.server("FPA", "w", data=b"HTTP/1.0 200 OK\r\n\r\n")
    talk.client("FA", "l")
    talk.server("A", "w")


@scenario(DNAT)
def tcp_reset_by_the_server_behind(run):
    talk = Talk(run, run.b, run.router["wan"], dport=8080, side="wan")
    talk.client("S", "l")
    talk.server("RA", "w", seq=0)


@scenario(DNAT)
def udp_keeps_its_port(run):
    (out,) = run.wan(run.udp(run.b, run.router["wan"], dport=53), gives="l")
    assert ends(out) == (run.b, 4000, SERVER[run.family], 53)
    run.lan(run.answer(out), gives="w")


@scenario(DNAT)
def udp_to_another_port(run):
    (out,) = run.wan(run.udp(run.b, run.router["wan"], dport=5353), gives="l")
    run.lan(run.answer(out), gives="w")


@scenario(DNAT)
def a_range_keeps_the_port(run):
    for port in (9000, 9004, 9009):
        (out,) = run.wan(run.udp(run.b, run.router["wan"], dport=port), gives="l")
        assert out.dport == port
        run.lan(run.answer(out), gives="w")


@scenario(DNAT)
def a_port_beside_is_not_translated(run):
    run.wan(run.udp(run.b, run.router["wan"], dport=9010), gives="w")
    run.wan(run.tcp(run.b, run.router["wan"], dport=53), gives="w")


@scenario(DNAT)
def two_clients_with_one_port(run):
    for number in (1, 2):
        (out,) = run.wan(run.udp(run.host("wan", number), run.router["wan"], dport=53), gives="l")
        run.lan(run.answer(out), gives="w")


@scenario(DNAT)
def a_whole_host(run):
    (out,) = run.wan(run.udp(run.b, PUBLIC[run.family], dport=7), gives="l")
    run.lan(run.answer(out), gives="w")
    (out,) = run.wan(run.echo(run.b, PUBLIC[run.family]), gives="l")
    run.lan(run.answer(out), gives="w")
    Talk(run, run.b, PUBLIC[run.family], side="wan").open()


@scenario(DNAT)
def a_whole_host_with_other_protocols(run):
    field = "proto" if run.family == 4 else "nh"
    run.wan(run.ip(run.b, PUBLIC[run.family], **{field: 254}) / Raw(b"there" * 4), gives="l")
    run.lan(run.ip(OTHER_SERVER[run.family], run.b, **{field: 254}) / Raw(b"back" * 4), gives="w")


@scenario(DNAT)
def a_network_one_to_one(run):
    for number in (1, 200):
        public = f"203.0.115.{number}" if run.family == 4 else f"2001:db8:cd::{number:x}"
        (out,) = run.wan(run.udp(run.b, public), gives="l")
        run.lan(run.answer(out), gives="w")


@scenario(DNAT)
def redirected_tcp_is_answered_from_the_port_asked(run):
    (out,) = run.wan(run.tcp(run.b, run.router["wan"], dport=2222), gives="w")
    assert out.sport == 2222


@scenario(DNAT)
def redirected_udp_is_answered_about_the_port_asked(run):
    run.wan(run.udp(run.b, run.router["wan"], dport=2222), gives="w")


@scenario(DNAT)
def a_redirect_takes_what_was_for_others(run):
    (out,) = run.lan(run.tcp(run.a, run.b, dport=3128), gives="l")
    assert (out.src, out.sport) == (run.b, 3128)


@scenario(DNAT)
def a_hairpin_turns_on_the_same_link(run):
    talk = Talk(run, run.a, run.router["wan"], dport=8080)
    talk.sides = ("lan", "lan")
    (out,) = talk.client("S", "l")
    assert ends(out) == (run.router["lan"], 4000, SERVER[run.family], 80)
    talk.server("SA", "l")


@scenario(DNAT)
def a_hairpin_by_udp(run):
    (out,) = run.lan(run.udp(run.a, run.router["wan"], dport=53), gives="l")
    run.lan(run.answer(out), gives="l")
    run.lan(run.error(out), gives="l")


@scenario(DNAT)
def an_error_of_the_server_goes_out(run):
    (out,) = run.wan(run.udp(run.b, run.router["wan"], dport=5353), gives="l")
    run.lan(run.error(out), gives="w")


@scenario(DNAT)
def an_error_about_the_servers_answer_comes_in(run):
    (out,) = run.wan(run.udp(run.b, run.router["wan"], dport=5353), gives="l")
    (answer,) = run.lan(run.answer(out), gives="w")
    run.wan(run.error(answer), gives="l")


@scenario(DNAT)
def the_path_mtu_of_the_server_is_told(run):
    talk = Talk(run, run.b, run.router["wan"], dport=8080, side="wan").open()
    (out,) = talk.server("PA", "w", data=bytes(1000))
    run.wan(run.error(out, "too-big", src=run.host("wan", 99)), gives="l")


@scenario(DNAT)
def the_server_is_told_of_our_own_mtu(run):
    """In IPv4 it asks for it by don't-fragment."""
    talk = Talk(run, run.b, run.router["wan"], dport=8080, side="wan").open()
    packet = run.ip(SERVER[run.family], run.b, **({"flags": "DF"} if run.family == 4 else {}))
    run.lan(packet / TCP(sport=80, dport=4000, flags="A", seq=talk.seq[1], ack=talk.seq[0]) / Raw(bytes(1400)),
            gives="l")


@scenario(DNAT)
def an_expiring_packet_is_told_of_as_it_was(run):
    run.wan(run.udp(run.b, run.router["wan"], dport=5353, ttl=1), gives="w")


@scenario(DNAT)
def fragments_to_the_server(run):
    packet = run.udp(run.b, run.router["wan"], dport=5353, data=bytes(range(200)))
    run.wan(*run.fragments(packet, 64, 128), gives="lll")
    packet = run.udp(run.b, run.router["wan"], dport=5353, data=bytes(range(200)))
    run.wan(*reversed(run.fragments(packet, 64, 128)), gives="lll")


@scenario(DNAT)
def the_server_itself_is_masqueraded(run):
    (out,) = run.lan(run.udp(SERVER[run.family], run.b, sport=4444), gives="w")
    assert out.src == run.router["wan"]
    run.wan(run.answer(out), gives="l")


@scenario(DNAT, ports=(0, 65535))
def masquerade_avoids_a_forwarded_connection(run):
    """The server's answers leave as router:53 to b:4000; a client inside wants the same."""
    (out,) = run.wan(run.udp(run.b, run.router["wan"], dport=53), gives="l")
    run.lan(run.udp(run.a, run.b, sport=53, dport=4000), gives="w")
    run.lan(run.answer(out), gives="w")
