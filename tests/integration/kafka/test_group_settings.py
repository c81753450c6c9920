"""Settings of consumer groups (KIP-848, KIP-1043): kept, told, in force at once, refused with a sentence."""
import struct

import pytest
from by_hand import ask, compact, varint
from confluent_kafka import KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from raw import Connection, request
from waiting import wait_until

SECONDS = 30
SESSION, HEARTBEAT = "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"
TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
UNSUPPORTED_VERSION, INVALID_CONFIG, INVALID_REQUEST = 35, 40, 42


def one(futures):
    return next(iter(futures.values())).result(SECONDS)


def alter(client, group, **changes):
    """session=, heartbeat=, or a whole name with __ for its dots; None goes back to the default."""
    entries = []
    for name, value in changes.items():
        name = {"session": SESSION, "heartbeat": HEARTBEAT}.get(name, name.replace("__", "."))
        operation = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
        entries.append(ConfigEntry(name, str(value), incremental_operation=operation))
    one(client.admin.incremental_alter_configs([ConfigResource(ResourceType.GROUP, group, incremental_configs=entries)]))


def settings(client, group):
    """{name: (value, is it the default?)}"""
    found = one(client.admin.describe_configs([ConfigResource(ResourceType.GROUP, group)]))
    return {name: (int(entry.value), entry.is_default) for name, entry in found.items()}


def resources(node, *types, version=1):
    """ListConfigResources: the error, and {(type, name)}."""
    body = varint(len(types) + 1) + bytes(types) if version else b""
    answer = ask(node, 74, version, body + b"\0", flexible=True)
    error, found = answer.take("h"), set()
    for _ in range(answer.varint() - 1):
        name = answer.compact()
        found.add((answer.take("b") if version else CLIENT_METRICS, name))
        answer.take("b")
    return error, found


def test_settings_of_groups_are_kept(new_node, new_client):
    node = new_node()
    client = new_client(node)
    assert settings(client, "nobody") == {SESSION: (45000, True), HEARTBEAT: (5000, True)}
    alter(client, "kept", session=50000, heartbeat=1000)
    alter(client, "kept-too", session=60000)
    alter(client, "gone", session=60000)
    alter(client, "kept", heartbeat=None)
    alter(client, "gone", session=None)
    for end in node.kill, node.stop:  # read back from the log, and from a checkpoint
        end()
        node.start()
        client = new_client(node)
        assert settings(client, "kept") == {SESSION: (50000, False), HEARTBEAT: (5000, True)}
        assert resources(node, GROUP) == (0, {(GROUP, "kept"), (GROUP, "kept-too")})


def test_alter_configs_gives_all_anew(client):
    alter(client, "anew", session=50000, heartbeat=1000)
    one(client.admin.alter_configs([ConfigResource(ResourceType.GROUP, "anew", set_config={HEARTBEAT: "2000"})]))
    assert settings(client, "anew") == {SESSION: (45000, True), HEARTBEAT: (2000, False)}
    alter(client, "anew", heartbeat=None)


def test_two_changes_at_once_both_hold(client, node):
    with Connection(node) as connection:
        for name, value in ((SESSION, "50000"), (HEARTBEAT, "1000")):
            change = compact(name) + b"\0" + compact(value) + b"\0"
            body = varint(2) + bytes([GROUP]) + compact("both") + varint(2) + change + b"\0\0\0"
            connection.send(request(44, 1, body, flexible=True))
        assert all(connection.response() for _ in range(2))
    assert settings(client, "both") == {SESSION: (50000, False), HEARTBEAT: (1000, False)}
    alter(client, "both", session=None, heartbeat=None)


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"session": "soon"}, "whole number"),
        ({"session": 99}, "from 100"),
        ({"heartbeat": 60001}, "to 60000"),
        ({"session": 5000}, "must be more than"),
        ({"heartbeat": 45000}, "must be more than"),
        ({"share__session__timeout__ms": 45000}, "no share groups"),
        ({"streams__num__standby__replicas": 1}, "streams protocol"),
        ({"no__such__setting": 1}, "no group setting"),
        ({"no__such__setting": None}, "no group setting"),
    ],
)
def test_settings_that_are_refused(client, node, changes, told):
    with pytest.raises(KafkaException, match=told):
        alter(client, "refused", **changes)
    assert (GROUP, "refused") not in resources(node, GROUP)[1]


def test_names_that_are_refused(client, node):
    with pytest.raises(KafkaException, match="1 to 249 bytes"):
        alter(client, "x" * 250, session=50000)
    alter(client, "x" * 249, session=50000)
    alter(client, "x" * 249, session=None)
    body = varint(2) + bytes([GROUP]) + compact("") + b"\0\0\0\0\0"
    answer = ask(node, 32, 4, body, flexible=True)
    assert answer.varint() == 2 and answer.take("h") == INVALID_REQUEST


def test_a_thousand_groups_have_settings(new_node, new_client):
    node = new_node()
    client = new_client(node)

    def all_of(count, operation):
        change = ConfigEntry(SESSION, "50000", incremental_operation=operation)
        wanted = [ConfigResource(ResourceType.GROUP, f"many-{i}", incremental_configs=[change]) for i in range(count)]
        return [future.exception(SECONDS) for future in client.admin.incremental_alter_configs(wanted).values()]

    failed = [str(error) for error in all_of(1003, AlterConfigOpType.SET) if error]
    assert len(failed) == 3 and all("as many groups" in error for error in failed)
    with pytest.raises(KafkaException, match="as many groups"):
        alter(client, "one-more", session=50000)
    node.kill()
    node.start()
    client = new_client(node)
    assert len(resources(node, GROUP)[1]) == 1000
    assert not any(all_of(1003, AlterConfigOpType.DELETE))
    assert resources(node, GROUP) == (0, set())


def test_resources_with_settings_are_listed(client, node):
    topic = client.topic()
    alter(client, "listed", session=50000)
    assert resources(node, GROUP) == (0, {(GROUP, "listed")})
    assert (TOPIC, topic) in resources(node, TOPIC)[1] and all(type == TOPIC for type, _ in resources(node, TOPIC)[1])
    assert resources(node, TOPIC, GROUP, BROKER) == (0, resources(node)[1])
    assert resources(node, BROKER) == (0, {(BROKER, "1")})
    assert resources(node, CLIENT_METRICS, BROKER_LOGGER) == resources(node, version=0) == (0, set())
    assert resources(node, 7) == (UNSUPPORTED_VERSION, set())
    alter(client, "listed", session=None)


# ---- in force ----


class Member:
    """One of a group, by hand: heartbeats only when it is told to."""

    def __init__(self, connection, group, member, topic):
        self.connection, self.names = connection, compact(group) + compact(member)
        nothing = b"\0\0"  # no instance, no rack
        join = nothing + struct.pack(">i", 30000) + varint(2) + compact(topic) + b"\0\0" + varint(1) + b"\0"
        self.error, self.epoch, self.heartbeat_ms = self._ask(0, join)

    def _ask(self, epoch, rest):
        body = self.names + struct.pack(">i", epoch) + rest
        answer = self.connection.ask(request(68, 1, body, flexible=True))
        error, at = struct.unpack_from(">h", answer, 13)[0], 15
        at += max(answer[at] - 1, 0) + 1  # the sentence
        at += max(answer[at] - 1, 0) + 1  # the member's id
        return error, *struct.unpack_from(">ii", answer, at)

    def beat(self):
        same = b"\0\0" + struct.pack(">i", -1) + b"\0" * 5
        self.error, self.epoch, self.heartbeat_ms = self._ask(self.epoch, same)
        self.epoch = max(self.epoch, 0)
        return self.error


def test_settings_are_in_force_at_once(client, node):
    topic, group = client.topic(partitions=2), "at-once"

    def members():
        return len(client.admin.describe_consumer_groups([group])[group].result(SECONDS).members)

    alter(client, group, heartbeat=2345)
    with Connection(node) as connection:
        member = Member(connection, group, "one", topic)
        assert (member.error, member.heartbeat_ms) == (0, 2345)
        alter(client, group, heartbeat=250, session=1000)
        assert (member.beat(), member.heartbeat_ms) == (0, 250)
        assert members() == 1
        wait_until(lambda: members() == 0, 10, "it is out after the group's session, not the server's")
        alter(client, group, heartbeat=None, session=None)
        again = Member(connection, group, "two", topic)
        assert (again.error, again.heartbeat_ms) == (0, 5000)
