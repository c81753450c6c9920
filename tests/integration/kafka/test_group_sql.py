"""pyralog.consumer_groups: groups and their lag, as SQL sees them."""
import time

import psycopg
import pytest
from confluent_kafka import TopicPartition
from group_member import SECONDS
from waiting import wait_until

COLUMNS = "partition, committed_offset, end_offset, lag, lag_ms, member_id, client_id, state, protocol"


@pytest.fixture
def rows(node):
    with psycopg.connect(host="127.0.0.1", port=node.ports["postgres"], user="me", dbname="me", autocommit=True) as connection:
        def ask(group, columns=COLUMNS):
            query = f"SELECT {columns} FROM pyralog.consumer_groups WHERE group_id = %s ORDER BY topic, partition"
            return connection.execute(query, [group]).fetchall()
        yield ask


def test_lag(client, rows):
    topic = client.topic(partitions=3)
    hour_ago = int(time.time() * 1000) - 3_600_000
    client.produce(topic, [b"x"] * 5, partition=0, timestamp=hour_ago)
    client.produce(topic, [b"x"] * 4, partition=1)
    offsets = [TopicPartition(topic, 0, 2), TopicPartition(topic, 1, 4), TopicPartition(topic, 2, 0)]
    client.consumer(**{"group.id": "sql-lag"}).commit(offsets=offsets, asynchronous=False)
    first, second, third = rows("sql-lag")
    assert first[:4] == (0, 2, 5, 3) and 3_600_000 <= first[4] < 3_700_000
    assert second == (1, 4, 4, 0, 0, None, None, "Empty", "classic")
    assert third[:5] == (2, 0, 0, 0, 0)
    assert rows("nobody") == []


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_members(client, node, join, rows, protocol):
    topic, name = client.topic(partitions=2), f"sql-{protocol}"
    member = join(node, name, topic, **{"group.protocol": protocol, "client.id": "reader"})
    wait_until(lambda: member.owned == {0, 1}, SECONDS, "an assignment")
    found = rows(name)
    assert [row[:5] for row in found] == [(0, None, 0, None, None), (1, None, 0, None, None)]
    assert {row[6:] for row in found} == {("reader", "Stable", protocol)} and len({row[5] for row in found}) == 1


def test_a_topic_that_is_gone(client, rows):
    topic = client.topic()
    client.consumer(**{"group.id": "sql-gone"}).commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    client.admin.delete_topics([topic])[topic].result(SECONDS)
    wait_until(lambda: all(row[2] is None for row in rows("sql-gone")), SECONDS, "no end")


def test_tools_find_it(node):
    with psycopg.connect(host="127.0.0.1", port=node.ports["postgres"], user="me", dbname="me") as connection:
        found = connection.execute("SELECT column_name, data_type FROM information_schema.columns "
                                   "WHERE table_schema = 'pyralog' AND table_name = 'consumer_groups'").fetchall()
        assert ("lag", "bigint") in found and len(found) == 11
        assert connection.execute("SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                                  "WHERE relname = 'consumer_groups'").fetchall() == [("pyralog",)]
