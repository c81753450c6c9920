"""Peers of the HTTP port that are slow, many, or speak something else: the others notice nothing, and nothing is left."""
import random
import socket

from asking import get, produce, sql, totals
from waiting import wait_until

CONNECTIONS = 200


def peer(node):
    return socket.create_connection(("127.0.0.1", node.ports["http"]), timeout=30)


def assert_works(node):
    assert get(node, "/ready")[0] == 200
    produce(node, "hostile", 10)
    assert sql(node, "SELECT count(*) >= 10 FROM hostile") == [(True,)]


def test_two_hundred_that_say_nothing(node):
    before = totals(node)["process_open_fds"]
    peers = [peer(node) for _ in range(CONNECTIONS)]
    for number, slow in enumerate(peers):
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: "[:1 + number % 40])
    assert_works(node)
    wait_until(lambda: totals(node)["pyralog_http_connections"] <= 2, 30, "slow peers are ended")
    assert all(slow.recv(1) == b"" for slow in peers)
    for slow in peers:
        slow.close()
    assert totals(node)["process_open_fds"] < before + 20


def test_garbage_and_headers_without_end(node):
    chance = random.Random(11)
    rss = totals(node)["process_resident_memory_bytes"]
    for number in range(100):
        with peer(node) as hostile:
            try:
                head = [b"", b"GET /metrics HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n"][number % 3]
                hostile.sendall(head + chance.randbytes(2000))
                hostile.sendall(b"X-Field: " + b"y" * 300000 + b"\r\n\r\n")
                hostile.shutdown(socket.SHUT_WR)
                while hostile.recv(65536):
                    pass
            except OSError:
                pass  # closed in the middle, as it may
    assert_works(node)
    assert totals(node)["process_resident_memory_bytes"] < rss + (64 << 20)


def test_one_that_asks_and_does_not_read(node):
    with peer(node) as greedy:
        greedy.settimeout(0.2)
        try:
            for _ in range(100000):
                greedy.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
        except OSError:
            pass  # the server does not read on, or has closed
        assert_works(node)


def test_a_body_that_nobody_wants(node):
    with peer(node) as hostile:
        hostile.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n" + b"z" * 1000)
        assert b" 413 " in hostile.recv(65536)


def test_a_header_that_is_too_long_is_told(node):
    for field in (b"Cookie: " + b"y" * 9000, b"Accept: " + b"y" * 20000):
        with peer(node) as long:
            long.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n" + field + b"\r\n\r\n")
            told = b""
            while part := long.recv(65536):
                told += part
            assert told.startswith(b"HTTP/1.1 431 ") and b"a request's header may have 8192 bytes" in told
    with peer(node) as fine:
        fine.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: " + b"y" * 7000 + b"\r\n\r\n")
        assert fine.recv(65536).startswith(b"HTTP/1.1 200 ")
