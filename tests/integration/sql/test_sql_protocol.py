"""The PostgreSQL protocol message by message, and bytes that are none."""
import contextlib
import random
import resource
import struct

import pgwire
import pytest
from pgwire import SYNC, bind, describe, execute, fields, kinds, parse, query
from waiting import wait_until

MIB = 1 << 20
GROWTH_BYTES_MAX = 600 * MIB  # of resident memory, over all that is done here to one server


@pytest.fixture(autouse=True)
def still_served(node):
    """Around every test: memory does not run away, and a well-behaved client gets what it wants."""
    with pgwire.Connection(node) as connection:
        connection.ask(query("SELECT 1"))
        before = node.resident_bytes()
        yield
        assert node.is_running(), node.errors()
        assert kinds(connection.ask(query("SELECT 1"))) == "TDCZ"
        assert node.resident_bytes() - before < GROWTH_BYTES_MAX


def test_encryption_is_declined(node):
    for code in (pgwire.SSL, pgwire.GSSENC):
        with pgwire.Connection(node, start=False) as connection:
            connection.send(pgwire.startup(code, b""))
            assert connection.exactly(1) == b"N"
            connection.send(pgwire.startup())
            assert kinds(connection.until(b"Z"))[0] == "R"


def test_describe_does_not_execute(node):
    with pgwire.Connection(node) as connection:
        answers = connection.ask(parse("s", "SELECT $1::int4 AS a", []) + describe(b"S", "s") + SYNC)
        assert kinds(answers) == "1tTZ"
        assert answers[1][1] == struct.pack(">hi", 1, 23)
        assert kinds(connection.ask(bind("", "s", [b"5"]) + describe(b"P") + execute() + SYNC)) == "2TDCZ"
        assert kinds(connection.ask(parse("", "SET application_name = 'x'") + describe(b"S") + SYNC)) == "1tnZ"
        assert kinds(connection.ask(parse("", "") + bind("", "") + execute() + SYNC)) == "12IZ"


def test_portals_stop_after_so_many_rows(node):
    with pgwire.Connection(node) as connection:
        start = query("BEGIN") + parse("", "SELECT x FROM generate_series(1, 5) s(x)") + bind("p", "")
        connection.send(start + execute("p", 2) + SYNC)
        assert kinds(connection.until(b"Z") + connection.until(b"Z")) == "CZ12DDsZ"
        assert kinds(connection.ask(execute("p", 2) + SYNC)) == "DDsZ"
        answers = connection.ask(execute("p", 2) + SYNC)
        assert kinds(answers) == "DCZ" and answers[1][1] == b"SELECT 1\0"
        assert kinds(connection.ask(query("COMMIT"))) == "CZ"
        failed = connection.ask(execute("p") + SYNC)
        assert fields(failed[0][1])["C"] == "34000"


def test_after_an_error_everything_up_to_sync_is_skipped(node):
    with pgwire.Connection(node) as connection:
        answers = connection.ask(parse("", "SELECT nope") + bind("", "") + execute() + SYNC)
        assert kinds(answers) == "EZ" and fields(answers[0][1])["C"] == "42703"
        assert kinds(connection.ask(parse("", "SELECT 1") + bind("", "") + execute() + SYNC)) == "12DCZ"


def test_binary_and_text_results(node):
    with pgwire.Connection(node) as connection:
        both = parse("", "SELECT 258, 258") + bind("", "", [], [1, 0]) + execute() + SYNC
        row = dict(connection.ask(both))[b"D"]
        assert row == struct.pack(">hi", 2, 4) + struct.pack(">i", 258) + struct.pack(">i", 3) + b"258"


def test_cancel_needs_the_secret(node):
    with pgwire.Connection(node) as connection:
        pid, secret = connection.key
        for key in ((pid, secret ^ 1), (pid + 1000, secret)):
            with pgwire.Connection(node, start=False) as other:
                other.send(pgwire.startup(pgwire.CANCEL, struct.pack(">ii", *key)))
                assert other.is_closed_by_peer()
        connection.send(query("SELECT count(*) FROM generate_series(1, 100000000000) a"))

        def cancelled():
            with pgwire.Connection(node, start=False) as other:
                other.send(pgwire.startup(pgwire.CANCEL, struct.pack(">ii", pid, secret)))
                assert other.is_closed_by_peer()
            connection.socket.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                return connection.socket.recv(1, 2)  # MSG_PEEK

        assert wait_until(cancelled, 20, "the statement ends")
        connection.socket.settimeout(20)
        assert "57014" in str([fields(body).get("C") for kind, body in connection.until(b"Z") if kind == b"E"])


@pytest.mark.parametrize("length", [0, 3, 7, 10001, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_an_impossible_startup_ends_the_connection(node, length):
    with pgwire.Connection(node, start=False) as connection:
        connection.send(struct.pack(">I", length) + b"x" * 100)
        assert connection.is_closed_by_peer()


@pytest.mark.parametrize("length", [0, 3, 2 * MIB, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_an_impossible_length_ends_the_connection(node, length):
    with pgwire.Connection(node) as connection:
        connection.send(b"Q" + struct.pack(">I", length) + b"SELECT 1\0")
        assert fields(connection.receive()[1])["S"] == "FATAL"
        assert connection.is_closed_by_peer()


def test_a_large_length_costs_nothing(node):
    """500 connections promise a megabyte each and send next to nothing."""
    before = node.resident_bytes()
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(pgwire.Connection(node)).send(b"Q" + struct.pack(">I", MIB) + b"SELECT")
        with pgwire.Connection(node) as other:
            other.ask(query("SELECT 1"))
        assert node.resident_bytes() - before < 50 * MIB


def test_garbage(node):
    chance = random.Random(1)
    for start in [False] * 100 + [True] * 100:
        with pgwire.Connection(node, start=start) as connection, contextlib.suppress(ConnectionError):
            connection.send(chance.randbytes(chance.randrange(1, 20000)))
    for protocol in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        with pgwire.Connection(node, start=False) as connection:
            connection.send(protocol)
            assert connection.is_closed_by_peer()


def test_garbage_behind_a_good_header(node):
    chance = random.Random(2)
    with pgwire.Connection(node) as connection:
        for _ in range(1000):
            kind = chance.choice(b"QPBDECF")
            body = chance.randbytes(chance.randrange(0, 200))
            if chance.random() < 0.5:
                body = body.replace(b"\0", b" ") + b"\0"
            connection.ask(pgwire.message(bytes([kind]), body) + SYNC)
            if kind in b"QF":
                connection.until(b"Z")  # those have one of their own


def test_parameters_that_promise_more_than_there_is(node):
    with pgwire.Connection(node) as connection:
        for body in (b"\0\0" + struct.pack(">hh", 0, 0x7FFF), b"\0\0" + struct.pack(">h", -1),
                     b"\0\0" + struct.pack(">hhi", 0, 1, 0x7FFFFFFF), b"\0\0" + struct.pack(">hhi", 0, 1, -2)):
            answers = connection.ask(parse("", "SELECT $1::int") + pgwire.message(b"B", body) + SYNC)
            assert kinds(answers) == "1EZ" and fields(answers[1][1])["C"] == "08P01"


def test_deep_nesting(node):
    with pgwire.Connection(node) as connection:
        for part, end in (("(", "1"), ("NOT ", "true"), ("- ", "1"), ("1+", "1"), ("a->", "b"), ("(SELECT ", "1"),
                          ("1 UNION SELECT ", "1"), ("CASE WHEN 1=1 THEN ", "1"), ("true AND ", "true"), ("1, ", "1"),
                          ("1; SELECT ", "1"), ("ARRAY[", "1"), ("1 IN (", "1"), ("lower(", "1"), ("1::int", "")):
            text = "SELECT " + part * min(1000000 // len(part), 500000) + end
            answers = connection.ask(query(text))
            assert kinds(answers) in ("TDCZ", "EZ")
            if kinds(answers) == "EZ":
                assert fields(answers[0][1])["C"] == "54001", text[:50]
            few = "SELECT " + part * 1500 + end
            assert kinds(connection.ask(query(few)))[-1] == "Z"


def test_idle_connections(node):
    count = 5000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 1000:
        pytest.skip(f"only {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 1000), hard))
    before = node.resident_bytes()
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(pgwire.Connection(node)) for _ in range(count)]
        with pgwire.Connection(node) as other:
            other.ask(query("SELECT 1"))
        assert node.resident_bytes() - before < 50 * MIB
        for connection in idle[::500]:
            connection.ask(query("SELECT 1"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_slow_readers(node):
    """40 clients order a gigabyte each and read nothing: their statements wait, the others run."""
    before = node.resident_bytes()
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            reader = stack.enter_context(pgwire.Connection(node))
            reader.send(query("SELECT repeat('x', 100) FROM generate_series(1, 10000000)"))
        with pgwire.Connection(node) as other:
            for _ in range(20):
                assert kinds(other.ask(query("SELECT 1"))) == "TDCZ"
        assert node.resident_bytes() - before < 600 * MIB, (node.resident_bytes() - before) // MIB


def test_peers_that_vanish_while_they_are_sent_to(node):
    """Writing to a connection that was reset must not end the process by SIGPIPE."""
    for _ in range(50):
        with pgwire.Connection(node) as connection:
            connection.send(query("SELECT repeat('x', 1000) FROM generate_series(1, 20000)"))
            connection.exactly(1000)  # and closes with the rest unread: a reset


def test_a_flood_of_statements_without_reading(node):
    """Pipelining without end: the server stops reading instead of piling up."""
    one = query("SELECT repeat('x', 10000)") * 1000
    with pgwire.Connection(node) as connection:
        connection.socket.settimeout(1)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 100 * MIB:
                sent += connection.socket.send(one)
        assert sent < 100 * MIB
