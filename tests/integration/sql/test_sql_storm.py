"""A hundred sessions at once that are cancelled, broken off and left in every state of the protocol: nothing is left of them."""
import os
import random
import socket
import struct
import threading

import pgwire
import pytest
from pgwire import SYNC, bind, describe, execute, message, parse, query
from waiting import wait_until

SECONDS = 60
SESSIONS, STEPS = 100, 12
SETTLED = 4  # rounds until the memory that sessions use is there
ARGUMENTS = ("--sql-large-mib", "1", "--sql-large", "2")
COPY_IN = "COPY {0} (key, value) FROM STDIN"


def statements(topic):
    """What a session may send, each from the idle state; it need not wait for an answer."""
    name = f'"{topic}"'
    join = f"SELECT count(*) FROM {name} a, {name} b WHERE a.value || b.value = ''"
    return [
        query("SELECT 1"), query("SELECT 1/0"), query("BEGIN"), query("BEGIN; SELECT 1/0"), query(join),
        query(f"SELECT a.value FROM {name} a, {name} b"), query(f"SELECT value FROM TAIL({name}, from => 'earliest')"),
        query(f"SELECT value FROM TAIL({name})"), query(COPY_IN.format(name)),
        query(COPY_IN.format(name)) + message(b"d", b"a\t{}\n") * 3, query(COPY_IN.format(name)) + message(b"f", b"no\0"),
        query(f"COPY {name} (key) FROM STDIN") + message(b"d", b"a\tb\tc\n") + message(b"c"),
        query(f"COPY (SELECT a.value FROM {name} a, {name} b) TO STDOUT"),
        query(f"BEGIN; DECLARE c CURSOR FOR SELECT value FROM {name}; FETCH 3 FROM c"),
        query(f"DECLARE h CURSOR WITH HOLD FOR SELECT value FROM {name}; FETCH 3 FROM h"),
        query(f"BEGIN; INSERT INTO {name} (value) VALUES ('{{}}')"), query("SELECT pg_sleep(100)"),
        parse("p", f"SELECT value FROM {name}"), parse("", "SELECT $1::int") + bind("", "", [b"1"]) + execute(),
        parse("", f"SELECT value FROM {name}") + bind("", "") + describe(b"P") + execute("", 2) + SYNC,
        query("BEGIN") + parse("", f"SELECT value FROM {name}") + bind("x", "") + execute("x", 2) + SYNC,
        parse("", "SELECT nope") + bind("", "") + execute(), parse("", join) + bind("", "") + execute() + SYNC,
        query("SELECT 1")[:7], message(b"Q", b"SELECT 1\0" * 3), b"\0\0\0\0\0", SYNC,
    ]


def reset(peer):
    """Ends a connection as a broken network does."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def cancel(node, key):
    with pgwire.Connection(node, start=False) as other:
        other.send(pgwire.startup(pgwire.CANCEL, struct.pack(">ii", *key)))


def begin(connection, packet):
    connection.socket.settimeout(SECONDS if len(packet) > 20 else 0.05)
    connection.send(packet)
    connection.key = next(struct.unpack(">ii", body) for kind, body in connection.until(b"Z") if kind == b"K")
    connection.socket.settimeout(0.05)


def listen(connection):
    """Up to ReadyForQuery, to a moment's silence, or so many messages of what has no end."""
    try:
        for _ in range(300):
            if connection.receive()[0] == b"Z":
                return
    except TimeoutError:
        pass


def live(node, topic, chance):
    """One session: some steps, answers read or not, cancels in between; then it is gone in one way or another."""
    connection = pgwire.Connection(node, start=False)
    try:
        begin(connection, pgwire.startup()[:chance.choice([3, 8, 20] + [None] * 17)])
        for _ in range(chance.randrange(STEPS)):
            connection.send(chance.choice(statements(topic)))
            if chance.random() < 0.5:
                listen(connection)
            if chance.random() < 0.5:
                cancel(node, connection.key)
    except (TimeoutError, ConnectionError, OSError):
        pass
    if chance.random() < 0.5:
        reset(connection.socket)
    else:
        connection.socket.close()


def storm(node, topic, seed):
    failed = []

    def run(number):
        try:
            live(node, topic, random.Random(seed * 1000 + number))
        except Exception as error:  # what is no network's error is the test's
            failed.append((number, error))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()
    assert not failed, (seed, failed[:3])


class Usage:
    """What the server holds just now."""

    def __init__(self, node):
        self.folder = f"/proc/{node.process.pid}"

    def sockets(self):
        return sum(self.is_socket(name) for name in os.listdir(self.folder + "/fd"))

    def is_socket(self, name):
        try:
            return os.readlink(f"{self.folder}/fd/{name}").startswith("socket:")
        except FileNotFoundError:  # closed meanwhile
            return False

    def threads(self):
        return len(os.listdir(self.folder + "/task"))


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_left_of_a_hundred_sessions(new_node, new_sql, seed, request):
    node = new_node(*ARGUMENTS)
    sql = new_sql(node)
    usage = Usage(node)
    sockets = usage.sockets()
    topic = sql.topic([{"n": n, "text": "x" * 100} for n in range(20000)])
    sql.rows("SELECT count(*) FROM pyralog.queries")
    threads = usage.threads()
    for round_number in range(SETTLED + 2):
        storm(node, topic, seed * 10 + round_number)
        wait_until(lambda: usage.sockets() == sockets, SECONDS, f"the sockets are closed (seed {seed})")
        wait_until(lambda: sql.rows("SELECT count(*) FROM pyralog.queries") == [(0,)], SECONDS, f"no statement is left (seed {seed})")
        wait_until(lambda: usage.threads() <= threads + 64, SECONDS, f"threads that stood in have left (seed {seed})")
        if round_number == SETTLED - 1:
            resident = node.resident_bytes()
    grown = node.resident_bytes() - resident
    limit = (200 if "asan" in request.config.getoption("--build") else 100) << 20
    assert grown < limit, f"{grown >> 20} MiB more after two more rounds (seed {seed})"
    assert sql.rows(f'SELECT count(*) >= 20000 FROM "{topic}"') == [(True,)]
    node.stop()
