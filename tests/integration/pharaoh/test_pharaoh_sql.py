"""pyralog.slots, pyralog.sessions, pyralog.locks: the same that the protocol tells."""
import threading
import time

import psycopg
from wire import encode


def rows(node, statement):
    with psycopg.connect(f"host=127.0.0.1 port={node.ports['postgres']} user=test dbname=test") as connection:
        return connection.execute(statement).fetchall()


def test_tables(new_node, connect):
    node = new_node("--pharaoh-port", "0", "--shards", "2")
    client = connect(node)
    assert rows(node, "SELECT * FROM pyralog.sessions") == rows(node, "SELECT * FROM pyralog.locks") == []
    owner, count, epochs = rows(node, "SELECT min(owner), count(*), count(DISTINCT epoch) FROM pyralog.slots")[0]
    assert (owner, count, epochs) == (f"127.0.0.1:{node.ports['pharaoh']}", 1024, 1)
    session = client.must("open", ttl=15000, slot=77)["session"]
    other = client.must("open", ttl=20000, slot=78)["session"]
    held = client.must("lock", session=session, name=b"job\xff", value=b"abc")
    client.send("lock", session=other, name=b"job\xff", wait=10000)
    assert client.must("look", name=b"job\xff")["count"] == 1
    assert rows(node, "SELECT name, slot, session_id, token, waiting, value_bytes FROM pyralog.locks") == [
        ("job?", held["slot"], session, held["token"], 1, 3)]
    found = rows(node, "SELECT session_id, slot, ttl_ms, left_ms BETWEEN 1 AND ttl_ms, locks FROM pyralog.sessions ORDER BY slot")
    assert found == [(session, 77, 15000, True, 1), (other, 78, 20000, True, 0)]
    assert dict(rows(node, "SELECT name, value FROM pyralog.metrics"))["pyralog_pharaoh_sessions"] == 2
    node.stop()


def test_without_the_port_they_are_empty(new_node):
    node = new_node()
    for table in ("slots", "sessions", "locks"):
        assert rows(node, f"SELECT * FROM pyralog.{table}") == []
    node.stop()


def test_many_sessions_keep_nobody_waiting(new_node, connect):
    """SQL copies 300,000 of them while another client asks for ids: nobody waits for the whole copy, and each is told once."""
    count = 300000
    node = new_node("--pharaoh-port", "0")
    client, asker = connect(node), connect(node)
    frames = encode("open", 1, slot=5, ttl=20000) * 10000
    for _ in range(count // 10000):
        client.socket.sendall(frames)
        left = 10000 * 32  # a reply: length, header, ttl, session
        while left > 0:
            left -= len(client.socket.recv(left))
    waits, over = [], threading.Event()

    def ask():
        while not over.is_set():
            began = time.monotonic()
            asker.must("ids", count=1)
            waits.append(time.monotonic() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    found = [rows(node, "SELECT count(*), count(DISTINCT session_id), min(slot), max(slot) FROM pyralog.sessions")[0] for _ in range(3)]
    over.set()
    thread.join()
    assert found == [(count, count, 5, 5)] * 3
    assert len(waits) > 100 and sorted(waits)[len(waits) * 99 // 100] < 0.1
    node.stop()


def test_many_locks(new_node, connect):
    """As many as take several pages: each is told once."""
    node = new_node("--pharaoh-port", "0")
    client = connect(node)
    session = client.must("open", ttl=20000, slot=5)["session"]
    names = [f"lock {i}" for i in range(20000)]
    for at in range(0, len(names), 1000):
        for name in names[at:at + 1000]:
            client.send("lock", session=session, name=name.encode())
        for _ in range(1000):
            assert client.receive()["code"] == "OK"
    assert sorted(name for (name,) in rows(node, "SELECT name FROM pyralog.locks")) == sorted(names)
    assert rows(node, "SELECT locks FROM pyralog.sessions") == [(len(names),)]
    node.stop()
