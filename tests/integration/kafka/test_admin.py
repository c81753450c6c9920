"""What an administrator changes while the node runs: partitions, settings, quotas; and what of it survives a restart."""
import os
import struct
import time

import pytest
from by_hand import ask, compact, varint
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, ResourceType
from raw import Connection, batch, fetch, produce, request, text
from waiting import wait_until

SECONDS = 30


def one(futures):
    return next(iter(futures.values())).result(SECONDS)


def configs(client, topic, kind="topic"):
    return one(client.admin.describe_configs([ConfigResource(kind, topic)]))


def alter(client, topic, **changes):
    """IncrementalAlterConfigs; NAME=None goes back to the default, (op, value) is another operation than set."""
    entries = []
    for name, value in changes.items():
        operation = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
        if isinstance(value, tuple):
            operation, value = value
        entries.append(ConfigEntry(name.replace("__", "."), value, incremental_operation=operation))
    one(client.admin.incremental_alter_configs([ConfigResource("topic", topic, incremental_configs=entries)]))


# ---- partitions ----


def test_a_topic_grows_and_keeps_what_it_has(new_node, new_client):
    node = new_node()
    client = new_client(node)
    topic, other = client.topic(partitions=2), client.topic(partitions=3)
    client.produce(topic, [b"before"], partition=1)
    for count in (3, 7):
        one(client.admin.create_partitions([NewPartitions(topic, count)]))
        assert len(client.admin.list_topics(topic).topics[topic].partitions) == count
    client.produce(topic, [b"after"], partition=6)
    client.produce(other, [b"other"], partition=2)
    node.kill()
    node.start()
    client = new_client(node)
    assert len(client.admin.list_topics(topic).topics[topic].partitions) == 7
    assert [client.consume(topic, 1, partition=p)[0].value() for p in (1, 6)] == [b"before", b"after"]
    assert client.consume(other, 1, partition=2)[0].value() == b"other"
    client.produce(client.topic(partitions=2), [b"new"], partition=1)
    assert client.consume(topic, 1, partition=6)[0].value() == b"after"


def test_growth_that_is_refused(client):
    topic = client.topic(partitions=2)
    for count in (1, 2, 20000):
        with pytest.raises(KafkaException, match="INVALID_PARTITIONS|partitions"):
            one(client.admin.create_partitions([NewPartitions(topic, count)]))
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC|no topic"):
        one(client.admin.create_partitions([NewPartitions("nobody", 4)]))
    one(client.admin.create_partitions([NewPartitions(topic, 4)], validate_only=True))
    assert len(client.admin.list_topics(topic).topics[topic].partitions) == 2


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_takes_new_partitions(client, node, join, protocol):
    topic = client.topic(partitions=1)
    config = {"group.protocol": protocol, "topic.metadata.refresh.interval.ms": 500}
    member = join(node, f"grows-{protocol}", topic, **config)
    wait_until(lambda: member.owned == {0}, SECONDS, "the first partition")
    one(client.admin.create_partitions([NewPartitions(topic, 3)]))
    wait_until(lambda: member.owned == {0, 1, 2}, SECONDS, "the new partitions")


def test_sql_sees_new_partitions(client, node):
    psycopg = pytest.importorskip("psycopg")
    topic = client.topic(partitions=1)
    client.produce(topic, [b"a"])
    one(client.admin.create_partitions([NewPartitions(topic, 3)]))
    client.produce(topic, [b"b"], partition=2)
    with psycopg.connect(host="127.0.0.1", port=node.ports["postgres"], user="me", dbname="me") as connection:
        rows = connection.execute(f'SELECT partition, value FROM "{topic}" ORDER BY 1').fetchall()
    assert rows == [(0, "a"), (2, "b")]


def grow_body(topic, count):
    return struct.pack(">i", 1) + text(topic) + struct.pack(">iiib", count, -1, 1000, 0)


def test_two_growths_at_once_are_one(client, node):
    """Both are under way before the first is durable: the log orders them, and the second is refused."""
    topic, CREATE_PARTITIONS, INVALID_PARTITIONS = client.topic(partitions=2), 37, 37
    with Connection(node) as connection:
        connection.send(b"".join(request(CREATE_PARTITIONS, 0, grow_body(topic, count)) for count in (4, 6)))
        errors = [struct.unpack_from(">h", connection.response(), 4 + 4 + 4 + 4 + 2 + len(topic))[0] for _ in range(2)]
    assert errors == [0, INVALID_PARTITIONS]
    assert len(client.admin.list_topics(topic).topics[topic].partitions) == 4
    client.produce(topic, [b"x"], partition=3)


# ---- settings ----


def test_two_changes_at_once_both_hold(client, node):
    topic, INCREMENTAL_ALTER_CONFIGS = client.topic(), 44
    with Connection(node) as connection:
        for name, value in (("retention.ms", "1000"), ("retention.bytes", "2000")):
            body = struct.pack(">ib", 1, 2) + text(topic) + struct.pack(">i", 1) + text(name) + b"\0" + text(value) + b"\0"
            connection.send(request(INCREMENTAL_ALTER_CONFIGS, 0, body))
        assert [connection.response()[16:18] for _ in range(2)] == [b"\0\0"] * 2
    found = configs(client, topic)
    assert (found["retention.ms"].value, found["retention.bytes"].value) == ("1000", "2000")


def test_settings_change_and_survive(new_node, new_client):
    node = new_node()
    client = new_client(node)
    topic = client.topic(**{"retention.ms": "5000", "max.message.bytes": "100000"})
    alter(client, topic, retention__ms="60000", segment__bytes="1048576")
    alter(client, topic, max__message__bytes=None)
    node.kill()
    node.start()
    client = new_client(node)
    found = configs(client, topic)
    assert (found["retention.ms"].value, found["segment.bytes"].value) == ("60000", "1048576")
    assert found["max.message.bytes"].is_default and found["max.message.bytes"].value == "16777216"


def test_alter_configs_gives_all_anew(client):
    topic = client.topic(**{"retention.ms": "5000"})
    one(client.admin.alter_configs([ConfigResource("topic", topic, set_config={"retention.bytes": "1000000"})]))
    found = configs(client, topic)
    assert found["retention.ms"].is_default and found["retention.bytes"].value == "1000000"


def test_changed_settings_are_obeyed(client):
    topic = client.topic()
    client.produce(topic, [b"x" * 5000])
    alter(client, topic, max__message__bytes="1000")
    with pytest.raises(AssertionError, match="MSG_SIZE_TOO_LARGE"):
        client.produce(topic, [b"x" * 5000])
    now_ms = int(time.time() * 1000)
    alter(client, topic, message__timestamp__before__max__ms="60000", message__timestamp__after__max__ms="60000")
    client.produce(topic, [b"x"], timestamp=now_ms)
    for stamp in (now_ms - 120_000, now_ms + 120_000):
        with pytest.raises(AssertionError, match="INVALID_TIMESTAMP"):
            client.produce(topic, [b"x"], timestamp=stamp)
    alter(client, topic, message__timestamp__type="LogAppendTime")
    client.produce(topic, [b"x"], timestamp=now_ms - 120_000)


@pytest.mark.parametrize(
    "name, value, told",
    [
        ("retention.ms", "soon", "whole number"),
        ("retention.ms", "-2", "-1 for no limit"),
        ("max.message.bytes", "-1", "0 or more"),
        ("min.cleanable.dirty.ratio", "1.5", "from 0 to 1"),
        ("cleanup.policy", "shred", "compact,delete"),
        ("segment.ms", "1000", "sealed by size"),
        ("remote.storage.enable", "true", "no remote storage"),
        ("compression.type", "lz4", "producer"),
        ("no.such.setting", "1", "no.such.setting"),
    ],
)
def test_settings_that_are_refused(client, name, value, told):
    topic = client.topic()
    with pytest.raises(KafkaException, match=told):
        alter(client, topic, **{name.replace(".", "__"): value})
    with pytest.raises(KafkaException, match=told):
        one(client.admin.create_topics([NewTopic(topic + "-2", 1, 1, config={name: value})]))
    assert configs(client, topic)["retention.ms"].is_default


def test_what_can_only_be_one_value_may_be_given(client):
    topic = client.topic(**{"segment.ms": "604800000", "unclean.leader.election.enable": "false"})
    alter(client, topic, cleanup__policy=(AlterConfigOpType.APPEND, "delete"), min__cleanable__dirty__ratio="0.25")
    found = configs(client, topic)
    assert found["cleanup.policy"].value == "delete" and found["min.cleanable.dirty.ratio"].value == "0.25"


def test_only_topics_can_be_changed(client):
    change = ConfigEntry("log.retention.ms", "1", incremental_operation=AlterConfigOpType.SET)
    with pytest.raises(KafkaException, match="options at its start"):
        one(client.admin.incremental_alter_configs([ConfigResource("broker", "1", incremental_configs=[change])]))


def test_every_setting_of_kafka_is_described(client):
    found = configs(client, client.topic(**{"retention.ms": "5000"}))
    assert {"segment.ms", "flush.messages", "unclean.leader.election.enable", "index.interval.bytes"} < set(found)
    assert found["flush.messages"].value == "9223372036854775807" and found["flush.messages"].is_default
    assert set(found["retention.ms"].synonyms) == {"retention.ms", "log.retention.ms"}
    node = configs(client, "1", "broker")
    assert node["log.retention.ms"].value == "604800000" and node["log.retention.ms"].is_read_only
    assert len(node) > 40


# ---- by hand: what confluent-kafka does not ask ----


def test_topics_are_described_in_pages(client, node):
    first, second = sorted([client.topic(partitions=3), client.topic(partitions=4)])
    DESCRIBE_TOPIC_PARTITIONS, pages, cursor = 75, [], b"\xff"
    while cursor:
        body = varint(3) + compact(second) + b"\0" + compact(first) + b"\0" + struct.pack(">i", 2) + cursor + b"\0"
        answer = ask(node, DESCRIBE_TOPIC_PARTITIONS, 0, body, flexible=True)
        page = []
        for _ in range(answer.varint() - 1):
            assert answer.take("h") == 0
            name = answer.compact()
            answer.take("16sb")
            for _ in range(answer.varint() - 1):
                error, index, leader, epoch = answer.take("hiii")
                assert (error, leader, epoch) == (0, 1, 0)
                counts = []
                for _ in range(5):  # replicas, in sync, eligible, last known, offline; none null: Java would break
                    counts.append(answer.varint() - 1)
                    answer.take("i" * counts[-1] + "0s")
                assert counts == [1, 1, 0, 0, 0]
                answer.take("b")
                page.append((name, index))
            answer.take("ib")
        pages.append(page)
        cursor = b""
        if answer.take("b") >= 0:
            cursor = b"\1" + compact(answer.compact()) + struct.pack(">i", answer.take("i")) + b"\0"
    assert [place for page in pages for place in page] == [(t, p) for t, n in ((first, 3), (second, 4)) for p in range(n)] \
        or [place for page in pages for place in page] == [(first, p) for p in range(4)] + [(second, p) for p in range(3)]
    assert [len(page) for page in pages] == [2, 2, 2, 1]


def test_log_directories(client, node):
    topic = client.topic(partitions=3)
    client.produce(topic, [b"x" * 10000], partition=1)
    DESCRIBE_LOG_DIRS = 35
    for wanted in (struct.pack(">i", 1) + text(topic) + struct.pack(">iiii", 3, 0, 1, 2), struct.pack(">i", -1)):
        answer = ask(node, DESCRIBE_LOG_DIRS, 1, wanted)
        assert answer.take("ih") == (1, 0)
        answer.text()
        sizes = {}
        for _ in range(answer.take("i")):
            name = answer.text()
            for _ in range(answer.take("i")):
                index, size, _, _ = answer.take("iqqb")
                sizes[name, index] = size
        assert sizes[topic, 1] > 10000 and sizes[topic, 0] == sizes[topic, 2] == 0


def test_the_disk_is_told(client, node):
    """On whatever shard the request arrives."""
    topic, DESCRIBE_LOG_DIRS = client.topic(partitions=4), 35
    partitions = varint(5) + b"".join(struct.pack(">i", i) for i in range(4))
    disk = os.statvfs(node.folder / "data")
    for _ in range(4):
        answer = ask(node, DESCRIBE_LOG_DIRS, 4, varint(2) + compact(topic) + partitions + b"\0\0", flexible=True)
        assert (answer.take("h"), answer.varint(), answer.take("h"), answer.compact()) == (0, 2, 0, "data")
        assert answer.varint() == 2 and answer.compact() == topic and answer.varint() == 5
        assert [answer.take("iqqbb")[0] for _ in range(4)] == [0, 1, 2, 3] and answer.take("b") == 0
        total, usable = answer.take("qq")
        assert total == disk.f_blocks * disk.f_frsize and 0 < usable < total


def test_producers_are_described(client, node):
    topic = client.topic(partitions=2)
    client.produce(topic, [b"a", b"b"], partition=1, config={"enable.idempotence": True, "batch.num.messages": 1})
    DESCRIBE_PRODUCERS = 61
    body = varint(2) + compact(topic) + varint(3) + struct.pack(">ii", 0, 1) + b"\0\0"
    answer = ask(node, DESCRIBE_PRODUCERS, 0, body, flexible=True)
    assert answer.varint() == 2 and answer.compact() == topic and answer.varint() == 3
    assert (answer.take("ih"), answer.compact(), answer.varint(), answer.take("b")) == ((0, 0), None, 1, 0)
    assert (answer.take("ih"), answer.compact(), answer.varint()) == ((1, 0), None, 2)
    producer, epoch, sequence, stamp, _, begin = answer.take("qiiqiq")
    assert producer > 0 and (epoch, sequence, begin) == (0, 1, -1) and abs(stamp / 1000 - time.time()) < 60


def test_one_node_leads_all(client, node):
    topic = client.topic()
    ELECT, REASSIGN, REASSIGNMENTS, ELECTION_NOT_NEEDED, INVALID_REPLICAS = 43, 45, 46, 84, 39
    body = struct.pack(">i", 1) + text(topic) + struct.pack(">iii", 1, 0, 1000)
    answer = ask(node, ELECT, 0, body)
    assert (answer.take("i"), answer.text(), answer.take("iih")) == (1, topic, (1, 0, ELECTION_NOT_NEEDED))
    for replica, expected in ((1, 0), (2, INVALID_REPLICAS)):
        body = struct.pack(">i", 1000) + varint(2) + compact(topic) + varint(2) + struct.pack(">i", 0)
        body += varint(2) + struct.pack(">i", replica) + b"\0\0\0"
        answer = ask(node, REASSIGN, 0, body, flexible=True)
        assert (answer.take("h"), answer.compact(), answer.varint(), answer.compact()) == (0, None, 2, topic)
        assert (answer.varint(), answer.take("ih")) == (2, (0, expected))
    answer = ask(node, REASSIGNMENTS, 0, struct.pack(">i", 1000) + b"\0\0", flexible=True)
    assert (answer.take("h"), answer.compact(), answer.varint()) == (0, None, 1)


# ---- quotas ----

ALTER_QUOTAS, DESCRIBE_QUOTAS = 49, 48


def nullable(value):
    return struct.pack(">h", -1) if value is None else text(value)


def set_quota(node, entity, **values):
    """entity: {"user": name or None for the default, "client-id": ...}; a value of None takes the quota away."""
    body = struct.pack(">ii", 1, len(entity)) + b"".join(text(k) + nullable(v) for k, v in entity.items())
    body += struct.pack(">i", len(values))
    for key, value in values.items():
        body += text(key) + struct.pack(">db", value or 0, value is None)
    answer = ask(node, ALTER_QUOTAS, 0, body + b"\0")
    assert answer.take("i") == 1
    return answer.take("h"), answer.text()


def quotas(node, components=(), strict=False):
    body = struct.pack(">i", len(components))
    for kind, match, name in components:
        body += text(kind) + struct.pack(">b", match) + nullable(name)
    answer = ask(node, DESCRIBE_QUOTAS, 0, body + struct.pack(">b", strict))
    assert answer.take("h") == 0
    answer.text()
    found = {}
    for _ in range(answer.take("i")):
        entity = tuple((answer.text(), answer.text()) for _ in range(answer.take("i")))
        found[entity] = {answer.text(): answer.take("d") for _ in range(answer.take("i"))}
    return found


def test_quotas_are_kept(new_node):
    node = new_node()
    assert set_quota(node, {"client-id": "slow"}, producer_byte_rate=1000, consumer_byte_rate=2000)[0] == 0
    assert set_quota(node, {"user": None, "client-id": None}, request_percentage=50)[0] == 0
    assert set_quota(node, {"client-id": "slow"}, consumer_byte_rate=None)[0] == 0
    expected = {(("client-id", "slow"),): {"producer_byte_rate": 1000},
                (("user", None), ("client-id", None)): {"request_percentage": 50}}
    assert quotas(node) == expected
    node.kill()
    node.start()
    assert quotas(node) == expected
    assert list(quotas(node, [("client-id", 0, "slow")])) == [(("client-id", "slow"),)]
    assert list(quotas(node, [("client-id", 2, None)], strict=True)) == [(("client-id", "slow"),)]
    assert list(quotas(node, [("user", 1, None)])) == [(("user", None), ("client-id", None))]
    assert set_quota(node, {"client-id": "slow"}, producer_byte_rate=None)[0] == 0
    assert len(quotas(node)) == 1


@pytest.mark.parametrize(
    "entity, values, told",
    [
        ({"ip": "127.0.0.1"}, {"connection_creation_rate": 1}, "ip"),
        ({"client-id": "a"}, {"controller_mutation_rate": 1}, "controller_mutation_rate"),
        ({"client-id": "a"}, {"producer_byte_rate": -5}, "more than nothing"),
        ({"client-id": "a" * 300}, {"producer_byte_rate": 5}, "249"),
    ],
)
def test_quotas_that_are_refused(node, entity, values, told):
    code, message = set_quota(node, entity, **values)
    assert code == 42 and told in message
    assert quotas(node) == {}


def throttled(response, at):
    return struct.unpack_from(">i", response, at)[0]


def test_a_producer_over_its_quota_waits(client, node):
    topic, began = client.topic(), time.monotonic()
    assert set_quota(node, {"client-id": "raw"}, producer_byte_rate=10000)[0] == 0
    records = batch([b"x" * 11000])
    with Connection(node) as connection:
        assert throttled(connection.ask(produce(topic, records)), -4) < 1000  # within the burst of a second, nearly
        held = throttled(connection.ask(produce(topic, records)), -4)
        assert 500 < held < 3000
        connection.ask(produce(topic, records))
        assert time.monotonic() - began > held / 1000
    set_quota(node, {"client-id": "raw"}, producer_byte_rate=None)
    with Connection(node) as connection:
        assert [throttled(connection.ask(produce(topic, records)), -4) for _ in range(3)] == [0, 0, 0]


def test_a_quota_is_shared_by_connections(client, node):
    """Over all shards: connections go to each in turn. Another rate than in other tests begins anew."""
    topic, records = client.topic(), batch([b"x" * 11000])
    assert set_quota(node, {"client-id": "raw"}, producer_byte_rate=9000)[0] == 0
    held = []
    for _ in range(4):
        with Connection(node) as connection:
            held.append(throttled(connection.ask(produce(topic, records)), -4))
    set_quota(node, {"client-id": "raw"}, producer_byte_rate=None)
    assert held == sorted(held) and 2500 < held[3] < 4500


def test_a_consumer_over_its_quota_waits(client, node):
    topic, began = client.topic(), time.monotonic()
    client.produce(topic, [b"x" * 11000])
    assert set_quota(node, {"client-id": None}, consumer_byte_rate=10000)[0] == 0
    with Connection(node) as connection:
        connection.ask(fetch(topic, 0))
        answer = connection.ask(fetch(topic, 0))
        held = throttled(answer, 8)
        assert 500 < held < 3000 and len(answer) > 11000
        connection.ask(fetch(topic, 0))
        assert time.monotonic() - began > held / 1000
    set_quota(node, {"client-id": None}, consumer_byte_rate=None)


def test_requests_over_their_quota_wait(node):
    assert set_quota(node, {"user": "anonymous"}, request_percentage=0.001)[0] == 0

    def is_held():
        with Connection(node) as connection:
            connection.ask(request(3, 1, struct.pack(">i", 0)))
            return throttled(connection.ask(request(3, 3, struct.pack(">ib", -1, 0))), 8) > 0

    wait_until(is_held, SECONDS, "a throttled request")
    # What sets it free is held back, too, and answered first.
    assert set_quota(node, {"user": "anonymous"}, request_percentage=None)[0] == 0


def test_a_client_over_its_quota_loses_nothing(client, node):
    topic = client.topic()
    assert set_quota(node, {"client-id": "held"}, producer_byte_rate=200_000, consumer_byte_rate=200_000)[0] == 0
    values = [b"%d" % i + b"x" * 1000 for i in range(400)]
    client.produce(topic, values, config={"client.id": "held"})
    got = client.consume(topic, 400, **{"client.id": "held"})
    assert [message.value() for message in got] == values
    set_quota(node, {"client-id": "held"}, producer_byte_rate=None, consumer_byte_rate=None)
