"""Every statement of differential.txt asked of PostgreSQL 15, which runs for the test, and of the server."""
import pathlib

import psycopg
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from postgres import running

SECONDS = 30
STATEMENTS = [line for line in (pathlib.Path(__file__).parent / "differential.txt").read_text().splitlines()
              if line and not line.startswith("#")]
ROWS = """SELECT x::bigint AS "offset", 0 AS partition, timestamptz '2024-01-01 00:00:00+00' + x * interval '17 minutes' AS timestamp,
    CASE x % 4 WHEN 0 THEN 'a' WHEN 1 THEN 'b' WHEN 2 THEN 'c' END AS key,
    CASE WHEN x % 5 <> 3 THEN '{"n": ' || x || ', "s": "v' || x % 3 || '"}' END AS value, '{}'::text AS headers
    FROM generate_series(0, 19) s(x) ORDER BY x"""


def ask(connection, statement):
    """Names, types and texts of the result, or the SQLSTATE."""
    result = connection.pgconn.exec_(statement.encode())
    if result.status not in (psycopg.pq.ExecStatus.TUPLES_OK, psycopg.pq.ExecStatus.COMMAND_OK):
        return result.error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode()
    columns = range(result.nfields)
    return ([(result.fname(i), result.ftype(i)) for i in columns],
            [[result.get_value(row, i) for i in columns] for row in range(result.ntuples)])


@pytest.fixture(scope="module")
def postgres():
    with running("-F", "-c", "shared_buffers=1MB") as connection:
        connection.execute(f"CREATE TABLE t AS {ROWS}")
        yield connection


@pytest.fixture(scope="module")
def ours(node):
    from conftest import Sql
    sql = Sql(node)
    admin = AdminClient({"bootstrap.servers": node.kafka})
    admin.create_topics([NewTopic("t", 1)])["t"].result(SECONDS)
    with sql.connect() as connection:
        connection.execute(f"INSERT INTO t (partition, timestamp, key, value, headers) SELECT partition, timestamp, key, value,"
                           f" headers FROM ({ROWS}) q")
        yield connection


@pytest.mark.parametrize("statement", STATEMENTS)
def test_same_as_postgresql(postgres, ours, statement):
    known, text = statement.startswith("! "), statement.removeprefix("! ")
    expected, answered = ask(postgres, text), ask(ours, text)
    assert known == (answered != expected), (answered, expected)
