"""Every statement of differential.txt asked of PostgreSQL 15 and of the server. PostgreSQL runs for the test, on a port
and in a folder of its own, as a user that is not root, which it refuses to be."""
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile

import psycopg
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from waiting import wait_until

SECONDS = 30
STATEMENTS = [line for line in (pathlib.Path(__file__).parent / "differential.txt").read_text().splitlines()
              if line and not line.startswith("#")]
ROWS = """SELECT x::bigint AS "offset", 0 AS partition, timestamptz '2024-01-01 00:00:00+00' + x * interval '17 minutes' AS timestamp,
    CASE x % 4 WHEN 0 THEN 'a' WHEN 1 THEN 'b' WHEN 2 THEN 'c' END AS key,
    CASE WHEN x % 5 <> 3 THEN '{"n": ' || x || ', "s": "v' || x % 3 || '"}' END AS value, '{}'::text AS headers
    FROM generate_series(0, 19) s(x) ORDER BY x"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def another_user():
    """Whom a server started by root runs as; nobody else needs another."""
    return {"user": pwd.getpwnam("nobody").pw_uid, "group": pwd.getpwnam("nobody").pw_gid} if os.geteuid() == 0 else {}


def programs():
    """Debian keeps them out of PATH, by version: where psql's wrapper finds them."""
    listed = subprocess.run(["dpkg", "-L", "postgresql-15"], capture_output=True, text=True, check=True).stdout.split()
    return pathlib.Path(next(path for path in listed if path.endswith("/bin/initdb"))).parent


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
    folder = pathlib.Path(tempfile.mkdtemp())
    user, port = another_user(), free_port()
    if user:
        os.chown(folder, user["user"], user["group"])
    options = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **user}
    subprocess.run([programs() / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8",
                    "--locale=C.UTF-8"], check=True, **options)
    server = subprocess.Popen([programs() / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder, "-F", "-h",
                               "127.0.0.1", "-c", "timezone=UTC", "-c", "shared_buffers=1MB"], **options)
    try:
        connection = wait_until(lambda: connect(port), SECONDS, "PostgreSQL takes connections")
        connection.execute(f"CREATE TABLE t AS {ROWS}")
        yield connection
        connection.close()
    finally:
        server.terminate()
        server.wait(SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def connect(port):
    try:
        return psycopg.connect(f"host=127.0.0.1 port={port} user=postgres dbname=postgres", autocommit=True)
    except psycopg.OperationalError:
        return None


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
