"""Continuous reads: TAIL(topic) streams what is appended until it is cancelled, its LIMIT is reached or the client leaves."""
import json
import queue
import subprocess
import threading

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from waiting import wait_until

SECONDS = 30


class Reader(threading.Thread):
    """Streams a query's rows into a queue."""

    def __init__(self, sql, query, parameters=None):
        super().__init__(daemon=True)
        self.rows, self.error = queue.Queue(), None
        self.connection = sql.connect()
        self.arguments = (query, parameters)
        self.start()

    def run(self):
        try:
            for row in self.connection.cursor().stream(*self.arguments):
                self.rows.put(row)
        except psycopg.Error as error:
            self.error = error

    def take(self, count):
        return [self.rows.get(timeout=SECONDS) for _ in range(count)]

    def end(self):
        self.connection.cancel()
        self.join(SECONDS)
        assert not self.is_alive() and self.error.sqlstate == "57014"
        assert self.connection.execute("SELECT 1").fetchone() == (1,)
        self.connection.close()


def test_rows_come_as_they_are_appended(sql):
    topic = sql.topic([{"n": 0}])
    reader = Reader(sql, f"SELECT (value->>'n')::int FROM TAIL(\"{topic}\", from => 'earliest')")
    assert reader.take(1) == [(0,)]
    for n in range(1, 20):
        sql.produce(topic, [{"n": n}])
        assert reader.take(1) == [(n,)]
    reader.end()


def test_every_record_once_whatever_the_pace(sql):
    topic = sql.topic([{"n": 0}])
    reader = Reader(sql, f"SELECT (value->>'n')::int FROM TAIL(\"{topic}\", from => 'earliest')")
    for start in range(1, 5001, 500):
        sql.produce(topic, [{"n": n} for n in range(start, start + 500)])
    assert sorted(n for n, in reader.take(5001)) == list(range(5001))
    reader.end()
    assert reader.rows.empty()


def test_without_a_start_it_begins_now(sql):
    topic = sql.topic([{"n": n} for n in range(100)])
    reader = Reader(sql, f'SELECT value FROM TAIL("{topic}")')

    def appears():  # until the reader has begun, what is appended is not for it
        sql.produce(topic, [{"n": -1}])
        return not reader.rows.empty()

    wait_until(appears, SECONDS, "a new row arrives")
    assert json.loads(reader.take(1)[0][0]) == {"n": -1}
    reader.end()


def test_conditions_parameters_and_declared_columns(sql):
    topic = sql.topic([{"n": n} for n in range(100)])
    with sql.connect() as connection:
        connection.execute(f'ALTER TOPIC "{topic}" ADD COLUMN n int')
    reader = Reader(sql, f"SELECT t.n * 2 AS twice FROM TAIL(\"{topic}\", from => 'earliest') AS t WHERE t.n >= %s", (98,))
    assert sorted(reader.take(2)) == [(196,), (198,)]
    sql.produce(topic, [{"n": 3}, {"n": 1000}])
    assert reader.take(1) == [(2000,)]
    reader.end()


def test_it_joins_what_is_there(sql):
    names = sql.topic([{"id": 1, "name": "one"}])
    topic = sql.topic([{"id": 1}])
    reader = Reader(sql, f"""SELECT n.value->>'name' FROM TAIL("{topic}", from => 'earliest') AS t
        JOIN "{names}" AS n ON (n.value->>'id') = (t.value->>'id')""")
    assert reader.take(1) == [("one",)]
    sql.produce(names, [{"id": 2, "name": "two"}])
    sql.produce(topic, [{"id": 2}])
    assert reader.take(1) == [("two",)]
    reader.end()


def test_from_a_time(sql):
    topic = sql.topic([{"n": 1}], timestamp=1000)
    sql.produce(topic, [{"n": 2}], timestamp=5000)
    rows = sql.rows(f"SELECT value->>'n' FROM TAIL(\"{topic}\", from => '1970-01-01 00:00:02Z') LIMIT 1")
    assert rows == [("2",)]


def test_limit_counts_over_all_rounds(sql):
    topic = sql.topic([{"n": 0}])
    reader = Reader(sql, f"SELECT value FROM TAIL(\"{topic}\", from => 'earliest') LIMIT 3")
    reader.take(1)
    sql.produce(topic, [{"n": 1}])
    reader.take(1)
    sql.produce(topic, [{"n": n} for n in range(10)])
    reader.take(1)
    reader.join(SECONDS)
    assert not reader.is_alive() and reader.error is None and reader.rows.empty()


def test_psql_shows_rows_with_fetch_count(sql):
    topic = sql.topic([{"n": 0}])
    command = ["psql", "-X", "-At", "-h", "127.0.0.1", "-p", str(sql.port), "-U", "somebody", "-d", "pyralog",
               "-v", "FETCH_COUNT=1", "-c", f"SELECT value FROM TAIL(\"{topic}\", from => 'earliest')"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as psql:
        shown = bytearray()  # psql ends a line when the next one comes
        threading.Thread(target=lambda: [shown.extend(byte) for byte in iter(lambda: psql.stdout.read(1), b"")],
                         daemon=True).start()
        wait_until(lambda: b'{"n": 0}' in shown, SECONDS, "the first row is shown")
        sql.produce(topic, [{"n": 1}])
        wait_until(lambda: b'{"n": 1}' in shown, SECONDS, "the second row is shown")
        psql.terminate()


def test_a_cursor_fetches_as_many_as_it_is_asked_for(sql):
    topic = sql.topic([{"n": n} for n in range(5)])
    with sql.connect(autocommit=False) as connection:
        connection.execute(f"DECLARE c CURSOR FOR SELECT 1 FROM TAIL(\"{topic}\", from => 'earliest')")
        assert len(connection.execute("FETCH 3 FROM c").fetchall()) == 3
        assert connection.execute("SELECT 7").fetchone() == (7,)
        assert len(connection.execute("FETCH 2 FROM c").fetchall()) == 2


def test_a_client_that_leaves_ends_it(new_node, new_sql):
    """More of them than may run at once: every one that left has made room."""
    sql = new_sql(new_node())
    topic = sql.topic([{"n": 0}])
    query = f"SELECT value FROM TAIL(\"{topic}\", from => 'earliest')"

    def begins_and_leaves():
        connection = sql.connect()
        try:
            next(connection.cursor().stream(query))
        except psycopg.errors.TooManyConnections:
            return False  # those that left were not noticed yet
        finally:
            connection.pgconn.finish()
        return True

    for _ in range(40):
        wait_until(begins_and_leaves, SECONDS, "there is room for one more")


def test_too_many_are_refused_and_small_queries_go_on(new_node, new_sql):
    sql = new_sql(new_node("--sql-tails", "32"))
    topic = sql.topic([{"n": 0}])
    query = f"SELECT value FROM TAIL(\"{topic}\", from => 'earliest')"
    connections = [sql.connect() for _ in range(33)]
    streams = [connection.cursor().stream(query) for connection in connections]
    for stream in streams[:32]:
        next(stream)
    with pytest.raises(psycopg.errors.TooManyConnections):
        next(streams[32])
    assert sql.rows("SELECT 1") == [(1,)]
    for connection in connections:
        connection.pgconn.finish()


def test_a_topic_that_is_deleted_ends_it(sql):
    topic = sql.topic([{"n": 0}])
    reader = Reader(sql, f"SELECT value FROM TAIL(\"{topic}\", from => 'earliest')")
    reader.take(1)
    admin = AdminClient({"bootstrap.servers": sql.node.kafka})
    admin.delete_topics([topic])[topic].result(SECONDS)
    reader.join(SECONDS)
    assert reader.error.sqlstate == "42P01"


def test_statement_timeout_ends_it(sql):
    topic = sql.topic([{"n": 0}])
    with sql.connect() as connection:
        connection.execute("SET statement_timeout = '200ms'")
        with pytest.raises(psycopg.errors.QueryCanceled, match="timeout"):
            connection.execute(f'SELECT value FROM TAIL("{topic}")')


@pytest.mark.parametrize("query, sqlstate", [
    ("SELECT count(*) FROM TAIL({0})", "0A000"), ("SELECT * FROM TAIL({0}) ORDER BY 1", "0A000"),
    ("SELECT DISTINCT key FROM TAIL({0})", "0A000"), ("SELECT key FROM TAIL({0}) GROUP BY key", "0A000"),
    ("SELECT * FROM (SELECT * FROM TAIL({0})) t", "0A000"), ("SELECT * FROM TAIL({0}) a, TAIL({0}) b", "0A000"),
    ("INSERT INTO {0} (value) SELECT value FROM TAIL({0})", "0A000"), ("EXPLAIN SELECT * FROM TAIL({0})", "0A000"),
    ("COPY (SELECT * FROM TAIL({0})) TO STDOUT", "0A000"), ("SELECT * FROM TAIL(nowhere)", "42P01"),
    ("SELECT * FROM TAIL()", "42601"), ("SELECT * FROM TAIL({0}, from => 'the start')", "22007"),
    ("SELECT * FROM TAIL({0}, till => 'x')", "42601"), ("SELECT row_number() OVER () FROM TAIL({0})", "0A000"),
    ("SELECT 1 FROM TAIL({0}) UNION SELECT 2", "0A000"),
])
def test_what_never_ends_can_not(sql, query, sqlstate):
    topic = sql.topic([{"n": 0}])
    with sql.connect() as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(query.format(f'"{topic}"'))
    assert caught.value.sqlstate == sqlstate


def test_memory_is_bounded(new_node, new_sql):
    node = new_node("--tail-cache-mib", "16")
    sql = new_sql(node)
    topic = sql.topic([{"n": "x" * 1000}] * 10)
    reader = Reader(sql, f"SELECT value FROM TAIL(\"{topic}\", from => 'earliest')")
    reader.take(10)
    before = node.resident_bytes()
    for _ in range(20):
        sql.produce(topic, [{"n": "x" * 1000}] * 5000)
        reader.take(5000)
    assert node.resident_bytes() < before + (160 << 20)
    reader.end()


def test_it_is_listed_while_it_runs(sql):
    """Between two records, too; rows are counted over all rounds."""
    topic = sql.topic([{"n": n} for n in range(5)])
    tails = "SELECT sum(value)::int FROM pyralog.metrics WHERE name = 'pyralog_pg_tails'"
    before = sql.rows(tails)[0][0]
    reader = Reader(sql, f"SELECT value FROM TAIL(\"{topic}\", from => 'earliest')")
    reader.take(5)
    sql.produce(topic, [{"n": 5}])
    reader.take(1)
    pid = reader.connection.info.backend_pid
    listed = f"SELECT state, rows_read, rows_total, percent, place FROM pyralog.queries WHERE pid = {pid}"
    wait_until(lambda: sql.rows(listed) == [("following", 6, None, None, None)], SECONDS, "it is listed")
    assert sql.rows(tails)[0][0] == before + 1
    reader.end()
    assert sql.rows(listed) == [] and sql.rows(tails)[0][0] == before
