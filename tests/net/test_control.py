# SPDX-License-Identifier: BSD-3-Clause
"""
The control socket: what it promises, and what it bears. All the while the lan peer's pings pass:

    10.1.0.2 [lan0] -- 10.1.0.1/24 weir 10.2.0.1/24 -- [wan0] 10.2.0.2
"""
import contextlib
import json
import os
import re
import socket
import stat

import pytest

from harness import base_conf, pings_go_on, program, run, wait_until

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602


def is_well(router):
    with router.weir.rpc() as client:
        return client.call("stats.show")["result"]["difference"] is not None


def test_the_socket_is_for_owner_and_group_only(router):
    mode = os.stat(router.weir.socket).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660


@pytest.mark.parametrize("line, code", [
    (b"\n", None),
    (b"what?\n", PARSE_ERROR),
    (b'{"jsonrpc": "2.0", "id": 1, "method"\n', PARSE_ERROR),
    (b"\xff\xfe\x00\n", PARSE_ERROR),
    (b"[" * 100_000 + b"\n", PARSE_ERROR),
    (b"[]\n", INVALID_REQUEST),
    (b"5\n", INVALID_REQUEST),
    (b"{}\n", INVALID_REQUEST),
    (b'{"jsonrpc": "1.0", "id": 1, "method": "stats.show"}\n', INVALID_REQUEST),
    (b'{"jsonrpc": "2.0", "id": 1, "method": 5}\n', INVALID_REQUEST),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "stats.no_such"}\n', NO_METHOD),
    (b'{"jsonrpc": "2.0", "id": 1, "method": ""}\n', NO_METHOD),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "stats.show", "params": {"no_such": 1}}\n', INVALID_PARAMS),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "link.show", "params": [1]}\n', INVALID_PARAMS),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "link.show", "params": {"dev": 5}}\n', INVALID_PARAMS),
], ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else str(value))
def test_a_bad_request_is_answered_and_the_connection_lives_on(router, line, code):
    with router.weir.rpc() as client:
        client.write(line)
        if code is not None:
            answer = client.read()
            assert answer["error"]["code"] == code and answer["error"]["message"]
        assert "result" in client.call("stats.show")


def test_a_request_without_id_is_not_answered(router):
    with router.weir.rpc() as client:
        client.write(b'{"jsonrpc": "2.0", "method": "stats.show"}\n')
        assert client.call("stats.show")["id"] == 1


def test_requests_may_come_in_a_heap_and_byte_by_byte(router):
    with router.weir.rpc() as client:
        ids = [client.send("stats.show") for _ in range(1000)]
        assert [client.read()["id"] for _ in ids] == ids
        for byte in b'{"jsonrpc": "2.0", "id": "slow", "method": "stats.show"}\n':
            client.write(bytes([byte]))
        assert client.read()["id"] == "slow"


def test_a_line_over_a_mebibyte_ends_the_connection(router):
    with pings_go_on(router), router.weir.rpc() as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.write(b"x" * (1 << 21))
        with contextlib.suppress(ConnectionResetError):
            while client.read() is not None:
                pass
    assert is_well(router)


def test_a_long_line_below_that_is_served(router):
    with router.weir.rpc() as client:
        client.write(b" " * 1_000_000)
        assert "result" in client.call("stats.show")


def test_a_reader_that_never_reads_stalls_nobody(router):
    with pings_go_on(router), router.weir.connect() as deaf:
        deaf.setblocking(False)
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "rpc.list"}).encode() + b"\n"
        n_sent = 0
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while n_sent < 8 << 20:
                n_sent += deaf.send(request * 100)
        assert is_well(router)


def test_half_a_request_and_a_sudden_end_harm_nothing(router):
    with pings_go_on(router):
        for data in (b"", b"{", b'{"jsonrpc": "2.0", "id": 1, "method": "rpc.list"}\n' * 50):
            for _ in range(50):
                with router.weir.connect() as sock:
                    sock.sendall(data)
        assert is_well(router)


def test_hundreds_of_connections_leave_room_for_one_more(router):
    with pings_go_on(router), contextlib.ExitStack() as stack:
        for _ in range(400):
            # One more than there is room for is refused, or ended before it has said anything.
            with contextlib.suppress(ConnectionRefusedError, BlockingIOError, BrokenPipeError):
                sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                sock.settimeout(0.2)
                sock.connect(router.weir.socket)
                sock.send(b"{")
    wait_until(lambda: _answers(router), what="it serves again once they are gone")


def _answers(router):
    try:
        return is_well(router)
    except (OSError, AssertionError):
        return False


def test_random_bytes_are_borne(router):
    noise = b"".join(os.urandom(4000) + b"\n" for _ in range(100))
    with pings_go_on(router), router.weir.rpc() as client:
        client.write(noise)
        n_lines = len([line for line in noise.split(b"\n") if line.strip()])
        assert n_lines > 0
        wait_until(lambda: client.read()["error"]["code"] in (PARSE_ERROR, INVALID_REQUEST), what="an answer")
    assert is_well(router)


def test_commands_that_are_not_yet_there_say_so(router):
    for words in (["capture", "start"], ["config", "commit"], ["xdp", "show"]):
        status, line = router.weir.refused(*words)
        assert status == 1 and "not yet" in line, words
    for words in (["link", "add", "name", "a", "veth", "peer", "b"], ["link", "add", "name", "a", "xdp", "b"]):
        status, line = router.weir.refused(*words)
        assert status == 2 and "not yet in weir" in line, words


def test_weirctl_exit_codes(router):
    weir = router.weir
    assert weir.weirctl("link", "show").returncode == 0
    assert weir.refused("link", "show", "dev", "nowhere")[0] == 1
    assert weir.refused("link", "frobnicate")[0] == 2
    assert weir.refused("frobnicate", "show")[0] == 2
    assert weir.refused("link", "show", "frobnicate", "too")[0] == 2
    for words in (["link", "set", "dev", "lan", "mtu", "12"], ["sysctl", "set", "ipv4.default_ttl", "256"]):
        assert weir.refused(*words)[0] == 2, words
    done = run(program("weirctl"), "-S", "/nonexistent/socket", "link", "show", check=False)
    assert done.returncode == 1 and "/nonexistent/socket" in done.stderr


def test_config_check_takes_a_file_of_the_clients_directory(router, tmp_path):
    (tmp_path / "bad.conf").write_text('links = ( { name = 5; mtu = 1; device = "net_null0"; } );\ncolour = 1;\n')
    (tmp_path / "good.conf").write_text("links = ();\n")
    bad = router.weir.weirctl("config", "check", "bad.conf", cwd=tmp_path)
    assert bad.returncode == 2, "bad configuration"
    assert [line.split(": ")[:2] for line in bad.stderr.splitlines()] == [
        [f"{tmp_path}/bad.conf:1", "links[0].name"], [f"{tmp_path}/bad.conf:1", "links[0].mtu"],
        [f"{tmp_path}/bad.conf:2", "colour"]], bad.stderr
    good = router.weir.weirctl("config", "check", "good.conf", cwd=tmp_path)
    assert (good.returncode, good.stderr) == (0, "")


def test_a_batch_stops_at_its_first_error_and_names_its_line(router, tmp_path):
    batch = tmp_path / "batch"
    batch.write_text("# comment\nroute add 192.0.2.0/26 via 10.2.0.2\n\nroute add 192.0.2.64/26 via 10.2.0.2\n")
    assert router.weir.weirctl("-b", batch).returncode == 0
    assert {"192.0.2.0/26", "192.0.2.64/26"} <= {row["dst"] for row in router.weir.ctl("route", "show")}
    batch.write_text("route del 192.0.2.0/26\nroute del 203.0.113.0/24\nroute del 192.0.2.64/26\n")
    done = router.weir.weirctl("-b", batch)
    assert done.returncode == 1
    assert re.search(r":2: ", done.stderr), done.stderr
    left = {row["dst"] for row in router.weir.ctl("route", "show")}
    assert "192.0.2.0/26" not in left and "192.0.2.64/26" in left
    router.weir.ctl("route", "del", "192.0.2.64/26")


def test_a_dead_socket_is_replaced_and_a_live_one_is_not(lab):
    first = lab.daemon(base_conf(links=[]))
    first.start()
    second = lab.daemon(base_conf(links=[], control={"socket": first.socket}))
    second.may_fail = True
    second.spawn()
    assert second.wait() == 1
    assert first.socket in second.stderr()
    assert first.ctl("link", "show") == []
    first.process.kill()
    first.wait()
    first.may_fail = True
    assert os.path.exists(first.socket)
    third = lab.daemon(base_conf(links=[], control={"socket": first.socket}))
    third.socket = first.socket
    third.start()
    assert third.ctl("link", "show") == []
    assert third.stop() == 0
    assert not os.path.exists(first.socket)
