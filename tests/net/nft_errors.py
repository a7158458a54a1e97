# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios of ICMP errors that quote what nobody has sent like this: crafted, cut short, of the wrong way."""
from nft_script import Table

table = Table()
group, scenario = table.group, table.scenario

# What is invalid is dropped, so that only what is related comes through; nothing begins in the wan.
MASQUERADED = group("errors-masqueraded", forward={"policy": "drop", "rules": [
    {"name": "invalid", "state": "invalid", "action": "drop"},
    {"name": "out", "in": "lan", "out": "wan", "action": "accept"},
]}, postrouting={"rules": [{"out": "wan", "action": "masquerade"}]})


def patched(data, at, *values):
    return data[:at] + bytes(values) + data[at + len(values):]


def about(run, out, quote):
    """The error of a router in the wan to whom we look like the sender; quote: the bytes that it quotes."""
    packet = run.error(out, "time", src=run.host("wan", 99))
    packet[1].remove_payload()
    return packet / quote


@scenario(MASQUERADED, families=(4,))
def headers_in_a_quote_that_are_not_as_they_left(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    data = out.bytes
    for quote, gives in (
            (data, "l"),
            (patched(data, 8, 0), "l"),             # time to live
            (patched(data, 2, 0, 0), "l"),          # total length
            (patched(data, 2, 255, 255), "l"),
            (patched(data, 10, 0, 0), "l"),         # checksum
            (patched(data, 1, 0xff), "l"),          # TOS
            (patched(data, 6, 0x20, 0), "l"),       # more fragments
            (patched(data, 6, 0, 1), ""),           # a later fragment
            (patched(data, 0, 0x44), ""),           # header length
            (patched(data, 0, 0x4f), ""),
            (patched(data, 9, 6), ""),              # protocol
            (patched(data, 15, 77), ""),            # source
            (patched(data, 19, 77), ""),            # destination
            (patched(data, 24, 0, 0), "l"),         # length of UDP
            (data[:28], "l"),
            (data[:27], ""),
            (data[:20], ""),
            (b"", "")):
        run.wan(about(run, out, quote), gives=gives)


@scenario(MASQUERADED, families=(6,))
def headers_in_a_quote_that_are_not_as_they_left_6(run):
    (out,) = run.lan(run.udp(run.a, run.b), gives="w")
    data = out.bytes
    options = bytes([17, 0, 1, 4, 0, 0, 0, 0])
    first, later = (bytes([17, 0, 0, n, 0, 0, 0, 9]) for n in (1, 9))
    for quote, gives in (
            (data, "l"),
            (patched(data, 7, 0), "l"),             # hop limit
            (patched(data, 4, 0, 0), "l"),          # payload length
            (patched(data, 4, 255, 255), "l"),
            (patched(data, 6, 6), ""),              # protocol
            (patched(data, 23, 77), ""),            # source
            (patched(data, 39, 77), ""),            # destination
            (patched(data[:40], 6, 60) + options + data[40:], "l"),
            (patched(data[:40], 6, 44) + first + data[40:], "l"),
            (patched(data[:40], 6, 44) + later + data[40:], ""),
            (patched(data[:40], 6, 60) + patched(options, 1, 9) + data[40:], ""),
            (data[:48], "l"),
            (data[:47], ""),
            (data[:40], ""),
            (b"", "")):
        run.wan(about(run, out, quote), gives=gives)


@scenario(MASQUERADED)
def quotes_of_the_wrong_way(run):
    sent = run.udp(run.a, run.b)
    (out,) = run.lan(sent, gives="w")
    answer = run.answer(out)
    run.wan(answer, gives="l")
    # As it was before it was translated; then what we would have to have sent; then the receiver's own.
    run.wan(run.error(bytes(sent), "time", dst=run.router["wan"]))
    run.wan(run.error(bytes(sent), "time"))
    run.wan(run.error(bytes(answer), "time", src=run.host("wan", 99), dst=run.router["wan"]))
    # A router inside that got it back.
    run.lan(run.error(out, "time", src=run.host("lan", 99)), gives="l")
    run.lan(run.error(bytes(sent), "time", src=run.host("lan", 99), dst=run.b))
