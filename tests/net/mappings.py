# SPDX-License-Identifier: BSD-3-Clause
"""Which port an inside host is seen with by servers on wan: real sockets on both sides."""
import contextlib
import socket

from gateway_lab import INNER, LAN

OWN = {"lan": LAN, "inner": INNER}


class Mappings:
    """Hosts that all send from the same port, for one family and tcp or udp. Connections live until the end."""

    def __init__(self, lab, family, proto, port):
        self.lab, self.family, self.port = lab, family, port
        self.is_tcp = proto == "tcp"
        self.sockets = contextlib.ExitStack()
        self.servers, self.clients = {}, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sockets.close()

    def socket(self, namespace, address, port):
        kind = socket.SOCK_STREAM if self.is_tcp else socket.SOCK_DGRAM
        with namespace.entered():
            sock = self.sockets.enter_context(
                socket.socket(socket.AF_INET if self.family == 4 else socket.AF_INET6, kind))
        sock.settimeout(10)
        # Several connections from one port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        return sock

    def server(self, address, port):
        if (address, port) not in self.servers:
            sock = self.servers[address, port] = self.socket(self.lab.wan, address, port)
            if self.is_tcp:
                sock.listen()
        return self.servers[address, port]

    def client(self, host):
        """A socket of UDP speaks to all, one of TCP to one."""
        if self.is_tcp or host not in self.clients:
            self.clients[host] = self.socket(getattr(self.lab, host), OWN[host][self.family], self.port)
        return self.clients[host]

    def port_of(self, host, address, port):
        """The source port that the server there sees; its answer arrives."""
        server, client = self.server(address, port), self.client(host)
        if self.is_tcp:
            client.connect((address, port))
            sock, peer = server.accept()
            self.sockets.enter_context(sock)
            sock.sendall(b"answer")
        else:
            client.sendto(b"question", (address, port))
            peer = server.recvfrom(100)[1]
            server.sendto(b"answer", peer)
        assert client.recv(100) == b"answer"
        return peer[1]
