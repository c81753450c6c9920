"""pyralog.slots, pyralog.sessions, pyralog.locks: the same that the protocol tells."""
import psycopg


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
