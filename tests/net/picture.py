# SPDX-License-Identifier: BSD-3-Clause
"""
Frames as text, so that what two routers made of the same frames can be compared.

A picture shows every field of a packet, also of one that an ICMP error quotes. What two routers may
do differently is named here, all of it, with the reason:

  - IP identification, flow label and don't-fragment of packets that the router itself made: it may
    choose them. Forwarded packets are known by the identification that their sender gave them.
  - identification of IPv6 fragments: Linux reassembles, and fragments again with one of its own.
  - ports, ICMP identifiers and addresses that a translation chose, when the scenario says from which
    range: they become names in order of appearance. That they lie in the range is checked.
  - checksums: they depend on the above, so they are computed again and shown as right or wrong; where
    they cannot be, since a quote is cut short, they are shown as they are unless a name is about.
  - fragments of one datagram: shown as the datagram and its pieces in order, for a router that
    reassembles sends them later, and in another order, than one that does not.
  - TTL of what the router quotes in its own errors: Linux has counted it down when a rule of forward
    rejects, weir quotes the packet as it came.
  - bytes after the end of the IP packet: padding of the link.
"""
import socket
import struct

TCP, UDP, ICMP, ICMP6, FRAGMENT6 = 6, 17, 1, 58, 44
V6_HEADERS = (0, 43, 60)
ERRORS = {ICMP: (3, 4, 5, 11, 12), ICMP6: (1, 2, 3, 4)}
ECHOES = {ICMP: (0, 8), ICMP6: (128, 129)}
TCP_FLAGS = "FSRPAUEC"


def sum16(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


class Packet:
    """The IP packet of a frame, or of a quote, taken apart as far as it goes."""

    def __init__(self, data):
        self.version = data[0] >> 4
        self.is_fragment = self.has_more = False
        self.offset = 0
        (self._four if self.version == 4 else self._six)(data)
        self.is_whole = len(self.payload) == self.payload_len

    def _four(self, data):
        header_len = (data[0] & 15) * 4
        self.header = data[:header_len]
        self.tos, total, self.id, piece = struct.unpack("!xBHHH", data[:8])
        self.ttl, self.proto = data[8], data[9]
        self.src, self.dst = (socket.inet_ntop(socket.AF_INET, data[n:n + 4]) for n in (12, 16))
        self.extra = data[20:header_len].hex()
        self.has_dont_fragment = bool(piece & 0x4000)
        self.has_more, self.offset = bool(piece & 0x2000), (piece & 0x1fff) * 8
        self.is_fragment = self.has_more or self.offset > 0
        self.data = data[:total]
        self.payload_len = total - header_len
        self.payload = data[header_len:total]

    def _six(self, data):
        self.header = data[:40]
        word, total, self.proto, self.ttl = struct.unpack("!IHBB", data[:8])
        self.tos = word >> 20 & 0xff
        self.src, self.dst = (socket.inet_ntop(socket.AF_INET6, data[n:n + 16]) for n in (8, 24))
        self.extra = ""
        self.id, self.has_dont_fragment = word & 0xfffff, False
        self.data = data[:40 + total]
        self.payload = self.data[40:]
        self.payload_len = total
        while self.proto in (*V6_HEADERS, FRAGMENT6) and len(self.payload) >= 8:
            self._next_header()

    def _next_header(self):
        size = 8 if self.proto == FRAGMENT6 else 8 + self.payload[1] * 8
        if self.proto == FRAGMENT6:
            piece, self.id = struct.unpack("!HI", self.payload[2:8])
            self.has_more, self.offset, self.is_fragment = bool(piece & 1), piece & 0xfff8, True
        else:
            self.extra += f" header {self.proto} {self.payload[:size].hex()}"
        self.proto, self.payload = self.payload[0], self.payload[size:]
        self.payload_len -= size

    @property
    def packed(self):
        return b"".join(socket.inet_pton(socket.AF_INET if self.version == 4 else socket.AF_INET6, a)
                        for a in (self.src, self.dst))

    def pseudo_header(self):
        if self.proto == ICMP:
            return b""
        return self.packed + struct.pack("!IxxxB", self.payload_len, self.proto)

    def ports(self):
        """Ports and ICMP identifiers in it, also in what it quotes."""
        data = self.payload
        if self.offset or len(data) < 4:
            return set()
        if self.proto in (TCP, UDP):
            return set(struct.unpack("!HH", data[:4]))
        if self.proto in ECHOES and data[0] in ECHOES[self.proto] and len(data) >= 6:
            return {struct.unpack("!H", data[4:6])[0]}
        if self.proto in ERRORS and data[0] in ERRORS[self.proto] and len(data) >= 28:
            return Packet(data[8:]).ports()
        return set()


class Names:
    """What one run of a scenario knows of numbers: those it sent, those a translation chose."""

    def __init__(self, ports=None, addresses=()):
        self.range = ports
        self.pool = set(addresses)
        self.chosen = {}
        self.sent_ports = set()
        self.sent_ids = set()
        self.is_own = False  # the packet being shown is the router's own

    def learn(self, packet):
        """A packet that is about to be sent."""
        self.sent_ports |= packet.ports() - set(self.chosen)
        self.sent_ids.add(packet.id)

    def port(self, number):
        if self.range is None or number in self.sent_ports:
            return str(number)
        if number not in self.chosen:
            low, high = self.range
            if not low <= number <= high:
                return f"{number} (not within {low}-{high})"
            count = sum(isinstance(key, int) for key in self.chosen)
            self.chosen[number] = f"port{count + 1}"
        return self.chosen[number]

    def address(self, text):
        if text not in self.pool:
            return text
        if text not in self.chosen:
            count = sum(isinstance(key, str) for key in self.chosen)
            self.chosen[text] = f"address{count + 1}"
        return self.chosen[text]


def checksum(given, computed, names):
    """Right or not; computed is what the sum over all, with it, folds to, or None."""
    if computed is None:
        return f"{given:04x}" if not names.chosen else "of a quote"
    return "right" if computed == 0xffff else "wrong"


def show(packet, names, is_quote=False):
    """The lines of a packet, and of what it quotes."""
    is_own = not is_quote and packet.id not in names.sent_ids
    names.is_own = is_own or (is_quote and names.is_own)
    ttl = "" if is_quote and names.is_own and packet.ttl > 1 else f"ttl {packet.ttl}"
    words = [f"{names.address(packet.src)} > {names.address(packet.dst)}", f"proto {packet.proto}",
             ttl, f"tos {packet.tos:#x}", f"len {packet.payload_len}", packet.extra]
    if not is_own and not (packet.version == 6 and packet.is_fragment):
        words.append(f"id {packet.id:#x}{' DF' if packet.has_dont_fragment else ''}")
    if packet.version == 4:
        words.append(f"sum {'right' if sum16(packet.header) == 0xffff else 'wrong'}")
    if packet.is_fragment:
        words.append(f"at {packet.offset}{' more' if packet.has_more else ''}")
    if not packet.is_whole:
        words.append(f"cut to {len(packet.payload)}")
    return [("quotes " if is_quote else "") + " ".join(filter(None, words)), *show_payload(packet, names)]


def show_payload(packet, names):
    data = packet.payload
    shapes = {TCP: (show_tcp, 20), UDP: (show_udp, 8), ICMP: (show_icmp, 8), ICMP6: (show_icmp, 8)}
    shape, least = shapes.get(packet.proto, (None, 0))
    if shape is None or packet.offset or len(data) < least:
        return [show_bytes(packet, names)]
    can_sum = packet.is_whole and not packet.is_fragment
    total = sum16(packet.pseudo_header() + data) if can_sum else None
    return shape(packet, names, lambda given: checksum(given, total, names))


def show_bytes(packet, names):
    """A header cut short keeps its ports readable: those may be translated."""
    data = packet.payload
    if packet.proto in (TCP, UDP) and not packet.offset and len(data) >= 4:
        ports = struct.unpack("!HH", data[:4])
        return f"ports {names.port(ports[0])} > {names.port(ports[1])} bytes {data[4:].hex()}"
    return f"bytes {data.hex()}"


def show_tcp(packet, names, verdict):
    sport, dport, seq, ack, bits, window, given, urgent = struct.unpack("!HHIIHHHH", packet.payload[:20])
    header_len = (bits >> 12) * 4
    flags = "".join(letter for n, letter in enumerate(TCP_FLAGS) if bits >> n & 1)
    return [f"tcp {names.port(sport)} > {names.port(dport)} {flags or 'none'} seq {seq} ack {ack} win {window}"
            f" urg {urgent} sum {verdict(given)} options {packet.payload[20:header_len].hex()}"
            f" data {packet.payload[header_len:].hex()}"]


def show_udp(packet, names, verdict):
    sport, dport, length, given = struct.unpack("!HHHH", packet.payload[:8])
    return [f"udp {names.port(sport)} > {names.port(dport)} length {length}"
            f" sum {verdict(given) if given else 'none'} data {packet.payload[8:].hex()}"]


def show_icmp(packet, names, verdict):
    data = packet.payload
    kind, code, given = struct.unpack("!BBH", data[:4])
    line = f"icmp type {kind} code {code} sum {verdict(given)}"
    if kind in ECHOES[packet.proto]:
        ident, seq = struct.unpack("!HH", data[4:8])
        return [f"{line} id {names.port(ident)} seq {seq} data {data[8:].hex()}"]
    line += f" word {data[4:8].hex()}"
    if kind in ERRORS[packet.proto] and len(data) >= 28:
        return [line, *show(Packet(data[8:]), names, is_quote=True)]
    return [f"{line} data {data[8:].hex()}"]


def joined(pieces):
    """The datagram of fragments, or None when some is missing or they do not fit."""
    pieces = sorted(pieces, key=lambda p: p.offset)
    data = b""
    for piece in pieces:
        if piece.offset != len(data):
            return None
        data += piece.payload
    if pieces[-1].has_more:
        return None
    whole = pieces[0]
    whole.payload, whole.payload_len = data, len(data)
    whole.is_fragment = whole.has_more = False
    if whole.version == 6:
        whole.id = None
    return whole


def pictures(packets, names):
    """A list of texts, one for each packet or whole datagram, in order of appearance."""
    shown, pieces = [], {}
    for packet in packets:
        if packet.is_fragment:
            key = (packet.src, packet.dst, packet.proto, packet.id)
            if key not in pieces:
                shown.append(key)
            pieces.setdefault(key, []).append(packet)
        else:
            shown.append(packet)
    texts = []
    for item in shown:
        if isinstance(item, Packet):
            texts.append("\n".join(show(item, names)))
        else:
            texts += of_fragments(pieces[item], names)
    return texts


def of_fragments(pieces, names):
    geometry = sorted((p.offset, len(p.payload), p.has_more, p.ttl) for p in pieces)
    whole = joined(pieces)
    if whole is None:
        return ["\n".join(show(piece, names)) for piece in pieces]
    return ["\n".join([*show(whole, names), f"in pieces {geometry}"])]
