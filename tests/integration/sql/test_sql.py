"""Topics as tables, asked by psql and psycopg 3: what Kafka clients were acknowledged is what SELECT shows."""
import datetime
import decimal
import threading

import psycopg
import pytest
from waiting import wait_until

SECONDS = 30


def test_psql_shows_what_was_produced(sql):
    topic = sql.topic([{"carrier": "UA", "delay": i} for i in range(10)], key=b"UA", partition=0)
    shown = sql.psql("-At", "-c", f'SELECT count(*), sum((value->>\'delay\')::int) FROM "{topic}" WHERE key = \'UA\'')
    assert shown.stdout == "10|45\n"
    table = sql.psql("-c", f'SELECT "offset", partition, value->>\'carrier\' AS carrier FROM "{topic}" LIMIT 1').stdout
    assert [cell.strip() for cell in table.splitlines()[0].split("|")] == ["offset", "partition", "carrier"]
    assert sql.psql("-At", "-c", f"SELECT count(*) FROM {topic.replace('-', '_')}").stdout == "10\n"


def test_psql_tells_errors_with_their_place(sql):
    failed = sql.psql("-v", "VERBOSITY=verbose", "-c", "SELECT * FROM no_such_topic", check=False)
    assert failed.returncode == 1
    assert "42P01: relation \"no_such_topic\" does not exist" in failed.stderr
    assert "LINE 1: SELECT * FROM no_such_topic" in failed.stderr and "HINT" in failed.stderr
    failed = sql.psql("-v", "VERBOSITY=verbose", "-c", "SELECT 1 +", check=False)
    assert "42601: syntax error at end of input" in failed.stderr


def test_psql_lists_topics(sql):
    topic = sql.topic([{"n": 1}])
    assert f"public|{topic}|table|pyralog" in sql.psql("-At", "-c", "\\dt").stdout.splitlines()
    assert "pyralog" in sql.psql("-At", "-c", "SELECT datname FROM pg_database").stdout


def test_psql_runs_scripts(sql):
    shown = sql.psql("-At", "-c", "BEGIN; SELECT 1; SELECT 1/2; COMMIT", "-c", "SHOW server_version_num", "-c", "")
    assert shown.stdout.split() == ["BEGIN", "1", "0", "COMMIT", "150000"]


def test_a_topic_is_a_table_the_moment_it_exists(sql):
    topic = sql.topic([])  # nothing asks for it yet
    with pytest.raises(psycopg.errors.UndefinedTable):
        sql.rows(f'SELECT * FROM "{topic}"')
    sql.produce(topic, [{"n": 1}])
    assert sql.rows(f'SELECT count(*) FROM "{topic}"') == [(1,)]
    assert (topic,) in sql.rows("SELECT table_name FROM information_schema.tables")


def test_acknowledged_is_visible(sql):
    """Every query sees all that was acknowledged before it began, while a producer goes on."""
    topic = sql.topic([])
    acknowledged = 0
    with sql.connect() as connection:
        for round_number in range(30):
            sql.produce(topic, [{"n": i} for i in range(100)])
            acknowledged += 100
            (count, distinct), = connection.execute(
                f'SELECT count(*), count(DISTINCT (partition, "offset")) FROM "{topic}"').fetchall()
            assert count == distinct == acknowledged


def test_all_columns(sql):
    before = datetime.datetime.now(datetime.timezone.utc)
    topic = sql.topic([{"a": {"b": 1}}], key=b"k", headers=[("trace", b"1"), ("none", None)], partition=2)
    with sql.connect() as connection:
        cursor = connection.execute(f'SELECT * FROM "{topic}"')
        names = [column.name for column in cursor.description]
        row = dict(zip(names, cursor.fetchone()))
    assert names == ["offset", "partition", "timestamp", "key", "value", "headers"]
    assert (row["offset"], row["partition"], row["key"], row["value"]) == (0, 2, "k", '{"a": {"b": 1}}')
    assert row["headers"] == '{"trace": "1", "none": null}'
    assert abs(row["timestamp"] - before) < datetime.timedelta(seconds=SECONDS)
    assert sql.rows(f'SELECT value->\'a\'->>\'b\', headers->>\'trace\' FROM "{topic}"') == [("1", "1")]


def test_bytes_are_exact(sql):
    values = [b"\xff\xfe", b"plain", None, b"a\0b", "h\u00e9".encode(), b""]
    topic = sql.topic(values, partition=0)
    rows = sql.rows(f'SELECT value, value_bytes FROM "{topic}" ORDER BY "offset"')
    assert [row[1] for row in rows] == values
    assert [row[0] for row in rows] == ["\\xfffe", "plain", None, "\\x610062", "h\u00e9", ""]


@pytest.mark.parametrize("in_binary", [False, True])
def test_types_both_ways(sql, in_binary):
    zone = datetime.timezone.utc
    values = [True, 7, 70000, 1 << 40, 2.5, "text \u20ac", b"\0\xff", datetime.datetime(2013, 1, 1, 5, 6, 7, 890, zone),
              datetime.date(1999, 12, 31), decimal.Decimal("-1234567.25"), None]
    casts = ["bool", "int2", "int4", "int8", "float8", "text", "bytea", "timestamptz", "date", "numeric(20,2)", "text"]
    mark = "%b" if in_binary else "%t"
    query = "SELECT " + ", ".join(f"{mark}::{cast}" for cast in casts)
    with sql.connect() as connection:
        cursor = connection.cursor(binary=in_binary)
        row = cursor.execute(query, values).fetchone()
    assert list(row) == values


def test_numbers_and_names_are_postgresqls(sql):
    with sql.connect() as connection:
        cursor = connection.execute("SELECT 1/2, count(*), sum(x::int), sum(x::bigint), -7 % 3 FROM generate_series(1, 3) s(x)")
        assert cursor.fetchone() == (0, 3, 6, decimal.Decimal(6), -1)
        assert [(column.name, column.type_code) for column in cursor.description] == [
            ("?column?", 23), ("count", 20), ("sum", 20), ("sum", 1700), ("?column?", 23)]
        assert connection.execute("SELECT 'abc' ~ 'b'").fetchone() == (True,)


def test_prepared_statements(sql):
    topic = sql.topic([{"n": i} for i in range(100)], partition=0)
    with sql.connect(prepare_threshold=1) as connection:
        for i in range(20):
            query = f'SELECT count(*) FROM "{topic}" WHERE "offset" < %s AND partition = %s'
            assert connection.execute(query, (i, 0)).fetchone() == (i,)
        query = f'SELECT "offset" FROM "{topic}" WHERE "offset" = ANY(%s) ORDER BY 1 LIMIT %s OFFSET %s'
        assert connection.execute(query, ([3, 5, 70], 1, 1)).fetchall() == [(5,)]
        query = "SELECT %s = ANY(%s), %s::text[] IS NULL"
        assert connection.execute(query, ('a "b', ['x', 'a "b'], None)).fetchone() == (True, True)
        connection.execute("DEALLOCATE ALL")
        assert connection.execute("SELECT %s::int + 1", (1,)).fetchone() == (2,)


def test_transactions(sql):
    with sql.connect(autocommit=False) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute("SELECT nope")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.rollback()
        assert connection.execute("SELECT 2").fetchone() == (2,)


def test_pipelines_stop_at_the_error_and_go_on_behind_it(sql):
    with sql.connect() as connection:
        with pytest.raises(psycopg.errors.UndefinedColumn):
            with connection.pipeline() as pipeline:
                good = connection.execute("SELECT 1")
                connection.execute("SELECT nope")
                pipeline.sync()
        assert good.fetchone() == (1,)
        assert connection.execute("SELECT 2").fetchone() == (2,)


def test_large_results_stream(sql):
    topic = sql.topic([b"x" * 1000] * 20000)
    with sql.connect() as connection:
        before = sql.node.resident_bytes()
        count = sum(1 for _ in connection.cursor().stream(f'SELECT value FROM "{topic}", generate_series(1, 5)'))
        assert count == 100000
        assert sql.node.resident_bytes() - before < 200 << 20


ENDLESS = "SELECT count(*) FROM generate_series(1, 100000000000) a"


def test_a_statement_is_cancelled(sql):
    with sql.connect() as connection:
        canceller = threading.Timer(0.3, connection.cancel)
        canceller.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(ENDLESS)
        canceller.join()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_closing_the_connection_ends_its_statement(sql):
    threads = 100  # more than statements may run at once
    connections = [sql.connect() for _ in range(threads)]
    for connection in connections:
        connection.pgconn.send_query(ENDLESS.encode())
        connection.pgconn.flush()
    for connection in connections:
        connection.close()
    wait_until(lambda: sql.rows("SELECT 1") == [(1,)], SECONDS, "a statement gets its turn")


def test_what_is_not_there_and_files_are_refused(sql):
    for query, error in [
        ("INSERT INTO x VALUES (1)", psycopg.errors.UndefinedTable),
        ("CREATE TABLE x (a int)", psycopg.errors.FeatureNotSupported),
        ("SELECT * FROM read_text('/etc/passwd')", psycopg.errors.InsufficientPrivilege),
        ("COPY (SELECT 1) TO '/tmp/x'", psycopg.errors.InsufficientPrivilege),
        ("SELECT * FROM \"/etc/passwd\"", psycopg.errors.UndefinedTable),
    ]:
        with pytest.raises(error):
            sql.rows(query)


def test_rows_outlive_a_crash(new_node, new_sql):
    node = new_node()
    sql = new_sql(node)
    topic = sql.topic([{"n": i} for i in range(1000)])
    node.kill()
    node.start()
    assert new_sql(node).rows(f'SELECT count(*), sum((value->>\'n\')::int) FROM "{topic}"') == [(1000, 499500)]


def test_the_server_is_small_before_the_first_query(new_node):
    assert new_node().resident_bytes() <= 64 << 20


def test_the_server_stops_while_statements_run(new_node, new_sql):
    node = new_node()
    connection = new_sql(node).connect()
    connection.pgconn.send_query(ENDLESS.encode())
    connection.pgconn.flush()
    node.stop()
    connection.close()
