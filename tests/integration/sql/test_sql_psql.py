"""psql at a terminal (a pseudo-terminal here): completion by Tab, which asks the catalog, and \\copy."""
import os
import shutil

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from test_sql_shell import Terminal

SECONDS = 30


class Psql:
    """What Terminal starts."""

    def __init__(self, sql, folder):
        self.command = [shutil.which("psql"), "-X", "-h", "127.0.0.1", "-p", str(sql.port), "-U", "somebody", "-d", "pyralog"]
        self.environment = {**os.environ, "HOME": str(folder), "TERM": "dumb", "PAGER": "cat", "INPUTRC": "/dev/null"}


@pytest.fixture
def psql(sql, tmp_path):
    admin = AdminClient({"bootstrap.servers": sql.node.kafka})
    if "completed_topic" not in admin.list_topics(timeout=SECONDS).topics:
        admin.create_topics([NewTopic("completed_topic", 1)])["completed_topic"].result(SECONDS)
    terminal = Terminal(Psql(sql, tmp_path))
    terminal.wait("pyralog=")
    yield terminal
    terminal.type("\\q\n")


def test_tables_and_columns_are_completed(psql):
    psql.type("SELECT count(*) FROM completed_\t")
    psql.wait("completed_topic")
    psql.type("WHERE partit\t")
    psql.wait("partition")
    psql.type("= 0;\n")
    psql.wait("(1 row)")


def test_commands_are_completed(psql):
    psql.type("\\d completed_\t")
    psql.wait("completed_topic")
    psql.type("\n")
    psql.wait("timestamp with time zone")
    psql.wait("pyralog=")
    psql.type("SHOW search_\t")
    psql.wait("search_path")
    psql.type(";\n")
    psql.wait("(1 row)")


def test_copy_both_ways(sql, psql, tmp_path):
    (tmp_path / "in.csv").write_text('key,value\na,"{""n"": 1}"\nb,"{""n"": 2}"\n')
    psql.type(f"\\copy completed_topic (key, value) FROM '{tmp_path}/in.csv' CSV HEADER\n")
    psql.wait("COPY 2")
    psql.type(f"\\copy (SELECT key, value->>'n' FROM completed_topic ORDER BY key) TO '{tmp_path}/out.csv' CSV\n")
    psql.wait("COPY 2")
    assert (tmp_path / "out.csv").read_text() == "a,1\nb,2\n"
