"""pyralog group: what an operator sees and changes."""
import json
import subprocess
import time

import pytest
from confluent_kafka import TopicPartition
from group_member import SECONDS
from waiting import wait_until


@pytest.fixture
def group(binary, node):
    def run(*arguments, code=0):
        command = [str(binary), "group", *arguments, "--broker", node.kafka]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr
    return run


def described(group, name):
    return {row["partition"]: row for row in json.loads(group("describe", name, "--format", "json"))}


def test_lag_in_records_and_in_time(client, group):
    topic = client.topic(partitions=3)
    hour_ago = int(time.time() * 1000) - 3_600_000
    client.produce(topic, [b"x"] * 5, partition=0, timestamp=hour_ago)
    client.produce(topic, [b"x"] * 4, partition=1)
    offsets = [TopicPartition(topic, 0, 2), TopicPartition(topic, 1, 4)]
    client.consumer(**{"group.id": "lag"}).commit(offsets=offsets, asynchronous=False)
    rows = described(group, "lag")
    assert set(rows) == {0, 1}
    assert (rows[0]["offset"], rows[0]["end"], rows[0]["lag"]) == (2, 5, 3)
    assert 3_600_000 <= rows[0]["lag_ms"] < 3_700_000 and rows[0]["age"].startswith("1 h")
    assert (rows[1]["lag"], rows[1]["lag_ms"]) == (0, 0)
    table = group("describe", "lag", "--format", "table")
    assert table.splitlines()[0] == "group lag: classic, Empty, 0 members"
    assert table.splitlines()[2].split() == ["TOPIC", "PARTITION", "OFFSET", "END", "LAG", "LAG-MS", "AGE", "CLIENT", "MEMBER"]
    assert group("describe", "lag").splitlines()[0].split("\t")[:5] == [topic, "0", "2", "5", "3"]


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_members_are_told_and_protected(client, node, join, group, protocol):
    topic, name = client.topic(partitions=2), f"members-{protocol}"
    member = join(node, name, topic, **{"group.protocol": protocol, "client.id": "reader"})
    wait_until(lambda: member.owned == {0, 1}, SECONDS, "an assignment")
    listed = {row["group"]: row for row in json.loads(group("list", "--format", "json"))}
    assert (listed[name]["type"], listed[name]["protocol"]) == (protocol, "consumer")
    rows = described(group, name)
    assert {row["client"] for row in rows.values()} == {"reader"} and rows[1]["offset"] is None
    assert "NON_EMPTY_GROUP" in group("delete", name, code=1)
    assert "stop them first" in group("reset", name, "--topic", topic, "--to", "earliest", code=1)
    member.close()
    group("delete", name)
    assert "there is no group" in group("describe", name, code=1)


def test_reset(client, group):
    topic = client.topic(partitions=2)
    for stamp in (1000, 2000, 3000):
        client.produce(topic, [b"x"], partition=0, timestamp=stamp)
    client.consumer(**{"group.id": "reset"}).commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    for where, expected in [("latest", 3), ("earliest", 0), ("2", 2), ("@1500", 1), ("@9000", 3), ("77", 3)]:
        group("reset", "reset", "--topic", topic, "--partition", "0", "--to", where)
        assert described(group, "reset")[0]["offset"] == expected, where
    group("reset", "reset", "--topic", topic, "--to", "earliest")
    assert {number: row["offset"] for number, row in described(group, "reset").items()} == {0: 0, 1: 0}


@pytest.mark.parametrize(
    "arguments, code, told",
    [
        (["describe"], 2, "which group?"),
        (["describe", "nobody"], 1, "there is no group nobody"),
        (["reset", "g", "--topic", "none", "--to", "earliest"], 1, "there is no topic none"),
        (["reset", "g"], 2, "--topic"),
        (["list", "--format", "xml"], 2, "table, plain or json"),
        (["dance"], 2, "list, describe, reset or delete"),
    ],
)
def test_mistakes_are_explained(group, arguments, code, told):
    assert told in group(*arguments, code=code)
