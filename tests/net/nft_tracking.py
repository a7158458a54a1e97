# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios of connection tracking: TCP's states and windows, broken packets, fragments."""
from scapy.layers.inet import ICMP
from scapy.packet import Raw

from nft_script import Table, Talk

table = Table()
group, scenario = table.group, table.scenario

# What is invalid is dropped; everything else passes in both directions, so that only the state counts.
STRICT = group("strict", forward={"policy": "drop", "rules": [
    {"name": "invalid", "state": "invalid", "action": "drop"},
    {"name": "new", "state": "new", "action": "accept"},
]})


def crossing(run, start=100):
    return Talk(run, run.a, run.b, seq=start, server_seq=start * 50)


@scenario(STRICT)
def a_whole_connection(run):
    talk = crossing(run).open()
    talk.client("PA", "w", data=b"question")
    talk.server("A", "l")
    talk.server("PA", "l", data=b"answer")
    talk.client("A", "w")
    talk.client("FA", "w")
    talk.server("A", "l")
    talk.server("PA", "l", data=b"half closed")
    talk.client("A", "w")
    talk.server("FA", "l")
    talk.client("A", "w")


@scenario(STRICT)
def both_sides_close_at_once(run):
    talk = crossing(run).open()
    talk.client("FA", "w")
    talk.server("FA", "l", seq=talk.seq[1], ack=talk.seq[0] - 1)
    talk.seq[1] += 1
    talk.client("A", "w")
    talk.server("A", "l")


@scenario(STRICT)
def data_beyond_the_window_is_invalid(run):
    talk = crossing(run).open()
    talk.client("PA", data=b"far away", seq=talk.seq[0] + 500000)
    talk.client("PA", "w", data=b"here")


@scenario(STRICT)
def old_data_passes_and_is_no_matter(run):
    """The receiver will answer it; so does Linux since 6.1."""
    talk = crossing(run, 1000000).open()
    talk.client("PA", "w", data=b"long ago", seq=talk.seq[0] - 500000)
    talk.server("PA", "l", data=b"long ago", seq=talk.seq[1] - 500000)
    talk.client("PA", "w", data=b"now")


@scenario(STRICT)
def an_answer_beyond_the_window_is_invalid(run):
    talk = crossing(run).open()
    talk.server("PA", data=b"far away", seq=talk.seq[1] + 500000)
    talk.server("PA", "l", data=b"here")


@scenario(STRICT)
def an_acknowledgement_of_what_was_never_sent_is_invalid(run):
    talk = crossing(run).open()
    talk.server("A", ack=talk.seq[0] + 100000)
    talk.server("A", "l")


@scenario(STRICT)
def an_acknowledgement_of_long_ago_passes_and_is_no_matter(run):
    talk = crossing(run, 1000000).open()
    talk.server("A", "l", ack=talk.seq[0] - 500000)
    talk.server("A", "l")


@scenario(STRICT)
def a_retransmission_passes(run):
    talk = crossing(run).open()
    talk.client("PA", "w", data=b"question")
    talk.client("PA", "w", data=b"question", seq=talk.seq[0] - 8)
    talk.server("A", "l")
    talk.client("PA", "w", data=b"question", seq=talk.seq[0] - 8)


@scenario(STRICT)
def a_keepalive_passes(run):
    talk = crossing(run).open()
    talk.client("A", "w", seq=talk.seq[0] - 1)
    talk.server("A", "l")


@scenario(STRICT)
def segments_out_of_order_pass(run):
    talk = crossing(run).open()
    talk.client("PA", "w", data=b"second", seq=talk.seq[0] + 5)
    talk.client("PA", "w", data=b"first")


@scenario(STRICT)
def the_window_is_used_to_its_end(run):
    talk = crossing(run).open()
    talk.client("A", "w", data=bytes(1000), seq=talk.seq[0] + 7000)


@scenario(STRICT)
def the_window_is_not_used_beyond_its_end(run):
    talk = crossing(run).open()
    talk.client("A", data=bytes(1000), seq=talk.seq[0] + 80000)


@scenario(STRICT)
def a_scaled_window_allows_more(run):
    talk = crossing(run)
    scale = [("MSS", 1460), ("WScale", 7)]
    talk.client("S", "w", options=scale)
    talk.server("SA", "l", options=scale)
    talk.client("A", "w")
    # 8000 * 128 is a million.
    talk.server("A", "l")
    talk.client("A", "w", data=bytes(1000), seq=talk.seq[0] + 900000)
    talk.client("A", "", data=bytes(1000), seq=talk.seq[0] + 2500000)


@scenario(STRICT)
def no_more_than_a_window_beyond_the_window_passes(run):
    """Some senders do so: Linux lets it pass and takes no note of it."""
    talk = crossing(run).open()
    talk.client("A", "w", data=bytes(1000), seq=talk.seq[0] + 10000)
    talk.client("A", "", data=bytes(1000), seq=talk.seq[0] + 20000)


@scenario(STRICT)
def a_window_is_scaled_only_if_both_say_so(run):
    talk = crossing(run)
    talk.client("S", "w", options=[("MSS", 1460), ("WScale", 7)])
    talk.server("SA", "l", options=[("MSS", 1460)])
    talk.client("A", "w")
    talk.server("A", "l")
    talk.client("A", "", data=bytes(1000), seq=talk.seq[0] + 900000)


@scenario(STRICT)
def a_selective_acknowledgement_passes(run):
    talk = crossing(run)
    options = [("MSS", 1460), ("SAckOK", b"")]
    talk.client("S", "w", options=options)
    talk.server("SA", "l", options=options)
    talk.client("A", "w")
    talk.client("PA", "w", data=b"later", seq=talk.seq[0] + 100)
    talk.server("A", "l", options=[("NOP", None), ("NOP", None), ("SAck", (talk.seq[0] + 100, talk.seq[0] + 105))])


@scenario(STRICT)
def a_window_of_nothing_and_its_probe(run):
    talk = crossing(run).open()
    talk.server("A", "l", window=0)
    talk.client("A", "w", data=b"x")
    talk.server("A", "l", window=0, ack=talk.seq[0] - 1)


@scenario(STRICT)
def a_reset_beyond_the_window_is_invalid(run):
    talk = crossing(run).open()
    talk.server("R", seq=talk.seq[1] + 500000)
    talk.client("PA", "w", data=b"alive")
    talk.server("A", "l")


@scenario(STRICT)
def a_reset_within_the_window_but_not_at_its_edge(run):
    """RFC 5961: only a reset at the very edge is believed. Linux lets it pass, and keeps the connection."""
    talk = crossing(run).open()
    talk.server("R", "l", seq=talk.seq[1] + 100)
    talk.client("PA", "w", data=b"alive")
    talk.server("A", "l")


@scenario(STRICT)
def a_reset_at_the_edge_ends_it(run):
    talk = crossing(run).open()
    talk.server("R", "l")
    talk.client("R", "w")


@scenario(STRICT)
def a_reset_answers_a_syn(run):
    talk = crossing(run)
    talk.client("S", "w")
    talk.server("RA", "l", seq=0)


@scenario(STRICT)
def a_reset_that_does_not_answer_the_syn_is_invalid(run):
    talk = crossing(run)
    talk.client("S", "w")
    talk.server("RA", "", seq=0, ack=talk.seq[0] + 5000)
    talk.server("SA", "l")


@scenario(STRICT)
def a_reset_without_a_connection_is_invalid(run):
    run.lan(run.tcp(run.a, run.b, flags="R"))
    run.lan(run.tcp(run.a, run.b, flags="RA", ack=1))


@scenario(STRICT)
def a_syn_ack_without_a_syn_is_invalid(run):
    run.wan(run.tcp(run.b, run.a, 80, 4000, flags="SA", ack=1))


@scenario(STRICT)
def a_fin_does_not_pick_a_connection_up(run):
    run.lan(run.tcp(run.a, run.b, flags="FA", ack=1))


@scenario(STRICT)
def an_ack_picks_a_connection_up(run):
    talk = Talk(run, run.a, run.b)
    talk.client("A", "w")
    talk.server("PA", "l", data=b"still here")
    talk.client("PA", "w", data=b"good")


@scenario(STRICT)
def data_picks_a_connection_up(run):
    talk = Talk(run, run.a, run.b)
    talk.client("PA", "w", data=b"as I said")
    talk.server("A", "l")
    talk.server("PA", "l", data=b"yes")


@scenario(STRICT)
def a_picked_up_connection_does_not_know_the_scale(run):
    talk = Talk(run, run.a, run.b)
    talk.client("A", "w")
    talk.server("A", "l")
    talk.client("A", "w", data=bytes(1000), seq=talk.seq[0] + 900000)


@scenario(STRICT)
def a_scan_is_invalid(run):
    for number, flags in enumerate(("", "F", "FPU", "SF", "SR", "FR", "SFRPAU", "P", "U", "SFA")):
        run.lan(run.tcp(run.a, run.b, sport=4000 + number, flags=flags))


@scenario(STRICT)
def a_syn_with_push_or_urgent(run):
    """PSH is no matter; SYN with URG is allowed by the same table."""
    run.lan(run.tcp(run.a, run.b, sport=4000, flags="SP"), gives="w")
    run.lan(run.tcp(run.a, run.b, sport=4001, flags="SU"), gives="w")


@scenario(STRICT)
def a_syn_with_ecn(run):
    talk = crossing(run)
    talk.client("SEC", "w")
    talk.server("SAE", "l")
    talk.client("A", "w")


@scenario(STRICT)
def a_syn_with_data(run):
    talk = crossing(run)
    talk.client("S", "w", data=b"fast")
    talk.server("SA", "l")
    talk.client("A", "w")


@scenario(STRICT)
def a_syn_again_before_its_answer(run):
    talk = crossing(run)
    talk.client("S", "w")
    talk.client("S", "w", seq=talk.seq[0] - 1)
    talk.server("SA", "l")
    talk.server("SA", "l", seq=talk.seq[1] - 1)
    talk.client("A", "w")


@scenario(STRICT)
def another_syn_before_the_answer(run):
    """The client starts again with another number."""
    talk = crossing(run)
    talk.client("S", "w")
    talk.seq[0] = 700000
    talk.client("S", "w")
    talk.server("SA", "l")
    talk.client("A", "w")


@scenario(STRICT)
def a_syn_ack_with_a_wrong_number(run):
    talk = crossing(run)
    talk.client("S", "w")
    talk.server("SA", "", ack=talk.seq[0] + 77777)
    talk.server("SA", "l")


@scenario(STRICT)
def a_syn_within_a_connection(run):
    """Ignored, so that an answer may resynchronise: it passes, and the connection lives."""
    talk = crossing(run).open()
    talk.client("S", "w", seq=900000)
    talk.server("A", "l")
    talk.client("PA", "w", data=b"alive")


@scenario(STRICT)
def a_syn_from_the_server_within_a_connection(run):
    talk = crossing(run).open()
    talk.server("S", "", seq=900000)
    talk.client("PA", "w", data=b"alive")


@scenario(STRICT)
def a_syn_ack_within_a_connection(run):
    talk = crossing(run).open()
    talk.client("SA", "", seq=talk.seq[0])
    talk.server("SA", "l", seq=talk.seq[1] - 1)
    talk.client("A", "w")


@scenario(STRICT)
def a_lost_state_is_resynchronised(run):
    """The client forgot and starts anew; the server's challenge makes it reset, then it starts again."""
    talk = crossing(run).open()
    talk.client("S", "w", seq=900000)
    talk.server("A", "l")
    talk.client("R", "w", seq=talk.seq[0])
    talk.seq[0], talk.seq[1] = 900000, 800000
    talk.client("S", "w")
    talk.server("SA", "l")
    talk.client("A", "w")
    talk.client("PA", "w", data=b"anew")


@scenario(STRICT)
def both_open_at_once(run):
    talk = crossing(run)
    talk.client("S", "w")
    talk.server("S", "l")
    talk.client("SA", "w", seq=talk.seq[0] - 1)
    talk.server("SA", "l", seq=talk.seq[1] - 1)
    talk.client("PA", "w", data=b"hello")
    talk.server("PA", "l", data=b"hello")


@scenario(STRICT)
def a_closed_connection_is_opened_anew(run):
    talk = crossing(run).open()
    talk.client("FA", "w")
    talk.server("FA", "l")
    talk.client("A", "w")
    talk.seq = [500000, 600000]
    talk.open()
    talk.client("PA", "w", data=b"anew")
    talk.server("A", "l")


@scenario(STRICT)
def a_reset_connection_is_opened_anew(run):
    talk = crossing(run).open()
    talk.server("RA", "l")
    talk.seq = [500000, 600000]
    talk.open()
    talk.client("PA", "w", data=b"anew")


@scenario(STRICT)
def data_that_crosses_a_reset_passes(run):
    talk = crossing(run).open()
    talk.client("RA", "w")
    talk.server("PA", "l", data=b"too late")


@scenario(STRICT)
def sequence_numbers_wrap(run):
    talk = Talk(run, run.a, run.b, seq=2**32 - 10, server_seq=2**32 - 3)
    talk.client("S", "w")
    talk.server("SA", "l")
    talk.client("A", "w")
    talk.client("PA", "w", data=b"across the end of numbers"[:9])
    talk.seq[0] %= 2**32
    talk.server("PA", "l", data=b"ab")
    talk.seq[1] %= 2**32
    talk.client("PA", "w", data=b"beyond")
    talk.server("A", "l")


@scenario(STRICT)
def a_wrong_tcp_checksum_is_invalid(run):
    packet = run.tcp(run.a, run.b)
    packet[1].chksum = 0xbad
    run.lan(packet)
    # Only the first packet's: later ones are the receiver's to check.
    talk = crossing(run).open()
    talk.client("PA", "", data=b"x", seq=talk.seq[0], chksum=0xbad, weir="w")


@scenario(STRICT)
def a_wrong_udp_checksum_is_invalid(run):
    packet = run.udp(run.a, run.b)
    packet[1].chksum = 0xbad
    run.lan(packet)
    # Only the first packet's: later ones are the receiver's to check.
    run.lan(run.udp(run.a, run.b), gives="w")
    run.lan(packet, weir="w")


@scenario(STRICT)
def a_wrong_echo_checksum_is_invalid(run):
    packet = run.echo(run.a, run.b)
    packet[1].chksum = packet[1].cksum = 0xbad
    run.lan(packet)


def raw(run, proto, data):
    return run.ip(run.a, run.b, **{"proto" if run.family == 4 else "nh": proto}) / Raw(data)


@scenario(STRICT)
def a_header_cut_short_is_invalid(run):
    for proto, size in ((6, 0), (6, 8), (6, 19), (17, 0), (17, 7), (1 if run.family == 4 else 58, 4)):
        run.lan(raw(run, proto, bytes.fromhex("0fa00050")[:size] + bytes(max(size - 4, 0))))


@scenario(STRICT)
def a_tcp_header_longer_than_the_packet_is_invalid(run):
    packet = run.tcp(run.a, run.b, dataofs=15)
    run.lan(packet)


@scenario(STRICT)
def a_tcp_header_shorter_than_itself_is_invalid(run):
    run.lan(run.tcp(run.a, run.b, dataofs=4))


@scenario(STRICT)
def udp_longer_than_the_packet_is_invalid(run):
    packet = run.udp(run.a, run.b)
    packet[1].len = 100
    run.lan(packet)


@scenario(STRICT)
def udp_shorter_than_its_header_is_invalid(run):
    packet = run.udp(run.a, run.b)
    packet[1].len = 7
    run.lan(packet)


@scenario(STRICT)
def udp_shorter_than_the_packet_is_invalid(run):
    """Bytes after the end of the datagram: Linux sums up all of the packet."""
    inner = run.udp(run.a, run.b, data=b"four")
    whole = bytes(inner)[20 if run.family == 4 else 40:]
    run.lan(raw(run, 17, whole + b"more"))


@scenario(STRICT)
def port_zero(run):
    """No port to talk to, but nothing that is invalid for UDP."""
    run.lan(run.udp(run.a, run.b, sport=0), gives="w")
    run.lan(run.udp(run.a, run.b, dport=0), gives="w")


@scenario(STRICT, families=(4,))
def icmp_queries_of_old(run):
    """Timestamp and address mask are connections as echo is; information is not asked for any more."""
    for kind, answer in ((13, 14), (17, 18), (15, 16)):
        run.lan(run.ip(run.a, run.b) / ICMP(type=kind, id=9, seq=1), gives="w")
        run.wan(run.ip(run.b, run.a) / ICMP(type=answer, id=9, seq=1), gives="l")


@scenario(STRICT, families=(4,))
def icmp_of_unknown_types_is_invalid(run):
    run.lan(run.ip(run.a, run.b) / ICMP(type=19) / Raw(bytes(8)))
    run.lan(run.ip(run.a, run.b) / ICMP(type=44) / Raw(bytes(8)))


@scenario(STRICT)
def an_echo_reply_without_request_is_invalid(run):
    run.lan(run.echo(run.a, run.b, is_reply=True))


@scenario(STRICT)
def an_error_without_connection_is_invalid(run):
    run.wan(run.error(run.udp(run.a, run.b)))
    run.wan(run.error(run.tcp(run.a, run.b)))
    run.wan(run.error(run.echo(run.a, run.b)))


@scenario(STRICT)
def an_error_about_another_protocol_is_invalid(run):
    run.lan(run.udp(run.a, run.b), gives="w")
    run.wan(run.error(run.tcp(run.a, run.b)))


@scenario(STRICT)
def fragments_of_a_connection(run):
    pieces = run.fragments(run.udp(run.a, run.b, data=bytes(range(120))), 40, 80)
    run.lan(*pieces, gives="www")
    pieces = run.fragments(run.udp(run.b, run.a, 80, 4000, data=bytes(range(120))), 40, 80)
    run.wan(pieces[2], pieces[0], pieces[1], gives="lll")


@scenario(STRICT)
def later_fragments_alone_wait_for_the_first(run):
    pieces = run.fragments(run.udp(run.a, run.b, data=bytes(range(120))), 40, 80)
    run.lan(pieces[1], pieces[2])
    run.lan(pieces[0], gives="www")


@scenario(STRICT)
def a_first_fragment_alone_says_enough(run):
    """Linux keeps it until it has them all; weir knows whose it is and sends it on."""
    first, second = run.fragments(run.udp(run.a, run.b, data=bytes(range(120))), 40)
    run.lan(first, weir="w")
    run.lan(second, gives="ww", weir="w")


@scenario(STRICT)
def a_fragment_twice(run):
    """The same bytes again are no overlap that anybody minds."""
    pieces = run.fragments(run.udp(run.a, run.b, data=bytes(range(120))), 40, 80)
    run.lan(pieces[0], pieces[1], pieces[1], pieces[2], gives="www")


@scenario(STRICT)
def a_fragment_that_overlaps_kills_the_datagram(run):
    """RFC 5722, and for IPv4 as well."""
    packet = run.udp(run.a, run.b, data=bytes(range(120)))
    first, second, third = run.fragments(packet, 40, 80)
    _, overlap = run.fragments(packet, 32)
    run.lan(second, overlap, first, third)


@scenario(STRICT)
def a_wrong_checksum_in_fragments_is_invalid(run):
    packet = run.udp(run.a, run.b, data=bytes(range(120)))
    packet[1].chksum = 0xbad
    # weir sees no datagram as a whole: the receiver checks it.
    run.lan(*run.fragments(packet, 40, 80), weir="www")


@scenario(STRICT)
def a_fragment_of_its_own_is_whole(run):
    """RFC 6946: a fragment header around all of a packet; weir leaves it there."""
    run.lan(*run.fragments(run.udp(run.a, run.b)), gives="w", weir="w")


# Nothing has a rule about its state: what is invalid meets the rules as everything does.
LENIENT = group("lenient", forward={"policy": "drop", "rules": [
    {"name": "tcp", "in": "lan", "proto": "tcp", "action": "accept"},
    {"name": "udp", "in": "lan", "proto": "udp", "action": "accept"},
]})


@scenario(LENIENT)
def what_is_invalid_meets_the_rules(run):
    run.lan(run.tcp(run.a, run.b, flags="FPU"), gives="w")
    run.lan(run.tcp(run.a, run.b, sport=4001, flags="SA", ack=1), gives="w")
    run.wan(run.tcp(run.b, run.a, flags="FPU"))


@scenario(LENIENT)
def what_is_invalid_makes_no_connection(run):
    run.lan(run.tcp(run.a, run.b, flags="SA", ack=1), gives="w")
    run.wan(run.tcp(run.b, run.a, 80, 4000, flags="A", seq=1, ack=1001))


@scenario(LENIENT)
def beyond_the_window_meets_the_rules(run):
    talk = crossing(run).open()
    talk.client("PA", "w", data=b"far away", seq=talk.seq[0] + 500000)
    talk.server("PA", "", data=b"far away", seq=talk.seq[1] + 500000)
    talk.server("PA", "l", data=b"here")


@scenario(LENIENT)
def a_wrong_checksum_meets_the_rules(run):
    packet = run.udp(run.a, run.b)
    packet[1].chksum = 0xbad
    run.lan(packet, gives="w")
    run.wan(run.udp(run.b, run.a, 80, 4000))


NEW_ONLY = group("state-new", forward={"policy": "drop", "rules": [
    {"name": "syn", "proto": "tcp", "state": "new", "tcp_flags": "syn/fin,syn,rst,ack", "action": "accept"},
    {"name": "ask", "in": "lan", "proto": "udp", "state": "new", "action": "accept"},
    {"name": "invalid passes", "proto": "tcp", "dport": 99, "state": "invalid", "action": "accept"},
]})


@scenario(NEW_ONLY)
def only_a_syn_begins(run):
    run.lan(run.tcp(run.a, run.b, flags="A", ack=1))
    run.lan(run.tcp(run.a, run.b, flags="PA", ack=1))
    Talk(run, run.a, run.b).open().client("PA", "w", data=b"x")


@scenario(NEW_ONLY)
def a_rule_for_what_is_invalid(run):
    run.lan(run.tcp(run.a, run.b, dport=99, flags="FPU"), gives="w")
    run.lan(run.tcp(run.a, run.b, dport=98, flags="FPU"))


@scenario(NEW_ONLY)
def an_udp_answer_belongs_to_the_question(run):
    run.wan(run.udp(run.b, run.a, 53, 4000))
    (out,) = run.lan(run.udp(run.a, run.b, dport=53), gives="w")
    for data in (b"one", b"two"):
        run.wan(run.answer(out, data), gives="l")
    run.lan(run.udp(run.a, run.b, dport=53), gives="w")


NOTRACK = group("notrack", prerouting={"rules": [
    {"name": "both ways", "proto": "tcp", "dport": 80, "action": "notrack"},
    {"name": "and back", "proto": "tcp", "sport": 80, "action": "notrack"},
]}, forward={"policy": "drop", "rules": [
    {"name": "invalid", "state": "invalid", "action": "drop"},
    {"name": "untracked", "state": "untracked", "action": "accept"},
    {"name": "out", "in": "lan", "state": "new", "action": "accept"},
]}, postrouting={"rules": [{"out": "wan", "action": "masquerade"}]})


@scenario(NOTRACK)
def what_is_untracked_is_not_judged(run):
    run.lan(run.tcp(run.a, run.b, flags="FPU"), gives="w")
    run.wan(run.tcp(run.b, run.a, 80, 4000, flags="SA", ack=9), gives="l")


@scenario(NOTRACK)
def what_is_untracked_is_not_translated(run):
    (out,) = run.lan(run.tcp(run.a, run.b), gives="w")
    assert out.src == run.a
    (out,) = run.lan(run.tcp(run.a, run.b, dport=81), gives="w")
    assert out.src == run.router["wan"]


@scenario(NOTRACK)
def an_error_about_what_is_untracked(run):
    (out,) = run.lan(run.tcp(run.a, run.b), gives="w")
    run.wan(run.error(out))


@scenario(NOTRACK)
def a_fragment_of_what_is_untracked(run):
    packet = run.tcp(run.a, run.b, flags="A") / Raw(bytes(80))
    run.lan(*run.fragments(packet, 40), gives="ww")
