"""Hostile bytes on the Kafka port: whatever comes, the server lives, serves others, and its memory stays bounded."""
import contextlib
import os
import random
import resource
import select
import socket
import struct
import time

import pytest
import raw
from waiting import wait_until

MIB = 1 << 20
GROWTH_BYTES_MAX = 200 * MIB  # of resident memory, over all that is done here to one server


@pytest.fixture(autouse=True)
def still_served(client, node):
    """Around every test: memory does not run away, and a well-behaved client gets what it wants."""
    topic = client.topic()
    before = node.resident_bytes()
    yield
    assert node.is_running(), node.errors()
    client.produce(topic, [b"still here"])
    assert client.consume(topic, 1)[0].value() == b"still here"
    assert node.resident_bytes() - before < GROWTH_BYTES_MAX


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0, 101 * MIB])
def test_an_impossible_length_ends_the_connection(node, length):
    with raw.Connection(node) as connection:
        connection.send(struct.pack(">I", length) + b"x" * 100)
        assert connection.is_closed_by_peer()


def test_a_large_length_costs_nothing(node):
    """500 connections promise 90 MB each and send next to nothing."""
    before = node.resident_bytes()
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            connection = stack.enter_context(raw.Connection(node))
            connection.send(struct.pack(">I", 90 * MIB) + b"\0" * 10)
        with raw.Connection(node) as other:
            other.ask(raw.request(raw.API_VERSIONS, 0))
        assert node.resident_bytes() - before < 50 * MIB


def test_garbage(node):
    chance = random.Random(1)
    for _ in range(100):
        with raw.Connection(node) as connection:
            with contextlib.suppress(ConnectionError):
                connection.send(chance.randbytes(chance.randrange(1, 20000)))
    for protocol in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        with raw.Connection(node) as connection:
            connection.send(protocol)
            assert connection.is_closed_by_peer()


def test_garbage_behind_a_good_header(node):
    chance = random.Random(2)
    for _ in range(300):
        key = chance.choice([0, 1, 2, 3, 18, 19, 20, 21, 22, 23, 32, 60])
        body = chance.randbytes(chance.randrange(0, 300))
        with raw.Connection(node) as connection:
            connection.send(raw.request(key, chance.randrange(0, 14), body, flexible=chance.random() < 0.5))


def test_counts_that_promise_more_than_there_is(node):
    for count in (0x7FFFFFFF, 1000000):
        with raw.Connection(node) as connection:
            connection.send(raw.request(raw.METADATA, 1, struct.pack(">i", count)))
            assert connection.is_closed_by_peer()


def test_a_million_empty_topics(node):
    """20 MB of topics without partitions would decode into many times that."""
    with raw.Connection(node) as connection:
        body = struct.pack(">iiiibi", -1, 0, 0, 1000, 0, 2_000_000) + struct.pack(">hi", 0, 0) * 2_000_000
        with contextlib.suppress(ConnectionError):
            connection.send(raw.request(raw.FETCH, 4, body))
        assert connection.is_closed_by_peer()


def test_half_requests_are_kept_and_others_served(node):
    whole = raw.request(raw.API_VERSIONS, 0)
    with contextlib.ExitStack() as stack:
        halves = [stack.enter_context(raw.Connection(node)) for _ in range(200)]
        for i, connection in enumerate(halves):
            connection.send(whole[: 1 + i % (len(whole) - 1)])
        with raw.Connection(node) as other:
            other.ask(whole)
        for i, connection in enumerate(halves):
            connection.ask(whole[1 + i % (len(whole) - 1) :])


def test_idle_connections(node):
    count = 5000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 1000:
        pytest.skip(f"only {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 1000), hard))
    before = node.resident_bytes()
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(raw.Connection(node)) for _ in range(count)]
        with raw.Connection(node) as other:
            other.ask(raw.request(raw.API_VERSIONS, 0))
        assert node.resident_bytes() - before < 100 * MIB
        for connection in idle[::100]:
            connection.ask(raw.request(raw.API_VERSIONS, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_slow_readers(client, node):
    """50 clients order 50 fetches of a megabyte each and never read: 2.5 GB if the server obeyed."""
    topic = client.topic()
    client.produce(topic, [os.urandom(1_000_000)], config={"message.max.bytes": 2_000_000})
    orders = b"".join(raw.fetch(topic, 0, max_bytes=2 * MIB, correlation=i) for i in range(50))
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(raw.Connection(node)) for _ in range(50)]
        for reader in readers:
            reader.send(orders)
        with raw.Connection(node) as other:
            other.ask(raw.fetch(topic, 0, max_bytes=2 * MIB))
        for reader in readers[:3]:
            for i in range(50):
                assert struct.unpack_from(">i", reader.response(), 4)[0] == i


def test_a_flood_of_requests_without_reading(node):
    """Pipelining without end: the server stops reading instead of piling up."""
    one = raw.request(raw.METADATA, 1, struct.pack(">i", -1)) * 1000
    with raw.Connection(node) as connection:
        connection.socket.setblocking(False)
        sent, stalled_at = 0, time.monotonic()
        while time.monotonic() - stalled_at < 1 and sent < 300 * MIB:
            _, writable, _ = select.select([], [connection.socket], [], 0.2)
            if writable:
                with contextlib.suppress(BlockingIOError):
                    sent += connection.socket.send(one)
                    stalled_at = time.monotonic()
        assert sent < 300 * MIB


def test_connections_cut_in_the_middle(client, node):
    """Resets while requests are under way: their answers have nowhere to go."""
    topic = client.topic()
    for i in range(200):
        connection = raw.Connection(node)
        connection.send(raw.produce(topic, raw.batch([b"v" * (i * 50)])) + raw.fetch(topic, 0, max_wait_ms=1000, min_bytes=1 << 30))
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.socket.close()

    def all_gone():
        with raw.Connection(node) as other:
            return other.ask(raw.request(raw.API_VERSIONS, 0))

    wait_until(all_gone, 20, "the server answers")
