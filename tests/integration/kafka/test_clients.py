"""Real clients, unmodified: what confluent-kafka and kcat produce is what they consume."""
import os
import subprocess
import time

import psycopg
import pytest
import raw
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException, TopicPartition
from confluent_kafka.admin import ConfigResource, NewTopic, OffsetSpec
from waiting import wait_until

SECONDS = 30
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def kcat(node, *arguments, text=None):
    command = ["kcat", "-b", node.kafka, *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=SECONDS, check=True).stdout


@pytest.mark.parametrize("acks", [0, 1, "all"])
@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_and_acks(client, codec, acks):
    topic = client.topic()
    values = [f"{codec} {acks} {i} ".encode() + b"x" * 100 for i in range(200)]
    client.produce(topic, values, config={"compression.codec": codec, "acks": acks, "linger.ms": 20})
    messages = client.consume(topic, len(values))
    assert [message.value() for message in messages] == values
    assert [message.offset() for message in messages] == list(range(len(values)))


def test_keys_nulls_headers_and_timestamps_come_back(client):
    topic = client.topic()
    producer = client.producer()
    producer.produce(topic, key=b"k", value=b"v", headers=[("h", b"1"), ("h", None), ("", b"")], timestamp=1700000000123)
    producer.produce(topic, key=None, value=None)
    producer.produce(topic, key=b"", value=b"")
    assert producer.flush(SECONDS) == 0
    first, second, third = client.consume(topic, 3)
    assert (first.key(), first.value(), first.timestamp()[1]) == (b"k", b"v", 1700000000123)
    assert first.headers() == [("h", b"1"), ("h", None), ("", b"")]
    assert (second.key(), second.value()) == (None, None)
    assert (third.key(), third.value()) == (b"", b"")


def test_idempotent_producer(client):
    topic = client.topic()
    values = [str(i).encode() for i in range(5000)]
    client.produce(topic, values, config={"enable.idempotence": True, "linger.ms": 1, "batch.num.messages": 50})
    assert [message.value() for message in client.consume(topic, len(values))] == values


def test_asking_for_a_topic_makes_it_with_four_partitions(client):
    topic = f"made-{time.monotonic_ns()}"
    client.produce(topic, [b"hello"], partition=3)
    found = client.admin.list_topics(topic, timeout=SECONDS).topics[topic]
    assert len(found.partitions) == 4
    assert client.consume(topic, 1, partition=3)[0].value() == b"hello"


def test_from_beginning_end_offset_and_time(client):
    topic = client.topic()
    for i in range(10):
        client.produce(topic, [str(i).encode()], timestamp=1_000_000 + i * 1000)
    assert client.consume(topic, 10, offset=OFFSET_BEGINNING)[0].value() == b"0"
    assert client.consume(topic, 3, offset=7)[0].value() == b"7"
    consumer = client.consumer()
    for wanted, offset in [(0, 0), (1_003_000, 3), (1_003_001, 4), (1_009_000, 9), (2_000_000, OFFSET_END)]:
        found = consumer.offsets_for_times([TopicPartition(topic, 0, wanted)], timeout=SECONDS)
        assert found[0].offset == offset, wanted
    consumer.assign([TopicPartition(topic, 0, OFFSET_END)])
    assert consumer.poll(0.5) is None
    client.produce(topic, [b"late"])
    message = consumer.poll(SECONDS)
    assert (message.value(), message.offset()) == (b"late", 10)
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0)) == (0, 11)


def test_an_offset_inside_a_batch(client):
    topic = client.topic()
    client.produce(topic, [str(i).encode() for i in range(100)], config={"linger.ms": 100})
    assert client.consume(topic, 1, offset=57)[0].value() == b"57"


def test_a_waiting_consumer_hears_at_once(client):
    topic = client.topic()
    consumer = client.consumer(**{"fetch.wait.max.ms": 20000})
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert consumer.poll(0.3) is None
    start = time.monotonic()
    client.produce(topic, [b"now"])
    assert consumer.poll(SECONDS).value() == b"now"
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("codec", CODECS)
def test_records_of_10_mb(client, codec):
    topic = client.topic(**{"max.message.bytes": "20000000"})
    values = [os.urandom(10_000_000), b"y" * 10_000_000]
    client.produce(topic, values, config={"message.max.bytes": 20_000_000, "compression.codec": codec})
    messages = client.consume(topic, 2, **{"fetch.message.max.bytes": 1000})
    assert [message.value() for message in messages] == values


def test_a_record_over_the_limit_is_refused(client):
    topic = client.topic(**{"max.message.bytes": "5000"})
    with pytest.raises(AssertionError, match="MSG_SIZE_TOO_LARGE"):
        client.produce(topic, [os.urandom(6000)])
    client.produce(topic, [b"small"])
    assert len(client.consume(topic, 1)) == 1


def test_many_partitions_at_once(client):
    topic = client.topic(partitions=50)
    producer = client.producer(**{"linger.ms": 20})
    for i in range(5000):
        producer.produce(topic, value=str(i).encode(), partition=i % 50)
    assert producer.flush(SECONDS) == 0
    consumer = client.consumer()
    consumer.assign([TopicPartition(topic, i, 0) for i in range(50)])
    seen = set()

    def all_seen():
        seen.update(int(message.value()) for message in consumer.consume(5000, timeout=0.2))
        return len(seen) == 5000

    wait_until(all_seen, SECONDS, "5000 records of 50 partitions")


def test_log_append_time(client):
    topic = client.topic(**{"message.timestamp.type": "LogAppendTime"})
    before = int(time.time() * 1000)
    client.produce(topic, [b"v"], timestamp=1000)
    kind, stamp = client.consume(topic, 1)[0].timestamp()
    assert kind == 2  # log append time
    assert before - 1000 <= stamp <= int(time.time() * 1000) + 1000


def test_create_describe_delete(client):
    topic = client.topic(partitions=2, **{"retention.ms": "12345"})
    described = client.admin.describe_configs([ConfigResource("topic", topic)])
    configs = next(iter(described.values())).result(SECONDS)
    assert configs["retention.ms"].value == "12345" and not configs["retention.ms"].is_default
    assert configs["max.message.bytes"].is_default
    broker = client.admin.describe_configs([ConfigResource("broker", "1")])
    assert next(iter(broker.values())).result(SECONDS)["num.partitions"].value == "4"
    assert len(client.admin.describe_cluster().result(SECONDS).nodes) == 1
    client.admin.delete_topics([topic])[topic].result(SECONDS)
    assert topic not in client.admin.list_topics(timeout=SECONDS).topics


@pytest.mark.parametrize(
    "wanted, error",
    [
        (NewTopic("bad name", 1, 1), "not a valid topic name"),
        (NewTopic("copies", 1, 3), "stands alone"),
        (NewTopic("none", 0, 1), "partitions"),
        (NewTopic("odd", 1, 1, config={"no.such.setting": "1"}), "no.such.setting"),
        (NewTopic("odd", 1, 1, config={"retention.ms": "soon"}), "retention.ms"),
    ],
)
def test_a_wrong_topic_is_refused_with_a_sentence(client, wanted, error):
    with pytest.raises(KafkaException) as raised:
        client.admin.create_topics([wanted])[wanted.topic].result(SECONDS)
    assert error in raised.value.args[0].str()


def test_a_topic_is_made_once(client):
    topic = client.topic()
    with pytest.raises(KafkaException) as raised:
        client.admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(SECONDS)
    assert raised.value.args[0].name() == "TOPIC_ALREADY_EXISTS"


def test_a_topic_of_a_deleted_one_s_name_is_empty(client):
    topic = client.topic()
    client.produce(topic, [b"old"])
    client.admin.delete_topics([topic])[topic].result(SECONDS)
    client.admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(SECONDS)
    client.produce(topic, [b"new"])
    assert client.consume(topic, 1)[0].value() == b"new"


def test_delete_records_moves_the_beginning(client):
    topic = client.topic()
    client.produce(topic, [str(i).encode() for i in range(10)])
    moved = client.admin.delete_records([TopicPartition(topic, 0, 4)])
    assert next(iter(moved.values())).result(SECONDS).low_watermark == 4
    assert client.consume(topic, 1, offset=OFFSET_BEGINNING)[0].value() == b"4"


def test_the_largest_time_stamp_is_found(client):
    topic = client.topic()
    for stamp in (5000, 9000, 7000):
        client.produce(topic, [str(stamp).encode()], timestamp=stamp)
    listed = client.admin.list_offsets({TopicPartition(topic, 0): OffsetSpec.max_timestamp()})
    assert next(iter(listed.values())).result(SECONDS).offset == 1


def test_transactions_are_refused_clearly(client):
    producer = client.producer(**{"transactional.id": "t"})
    with pytest.raises(KafkaException):
        producer.init_transactions(SECONDS)


def test_kcat(client, node):
    topic = client.topic()
    kcat(node, "-P", "-t", topic, "-K", ":", "-z", "lz4", text="a:1\nb:2\nc:3\n")
    assert kcat(node, "-C", "-t", topic, "-e", "-o", "beginning", "-f", "%o %k=%s\n") == "0 a=1\n1 b=2\n2 c=3\n"
    assert kcat(node, "-C", "-t", topic, "-e", "-o", "-1", "-f", "%s\n") == "3\n"
    assert f'topic "{topic}" with 1 partitions' in kcat(node, "-L")


@pytest.mark.parametrize("codec", ["lz4", "snappy", "gzip"])
def test_an_old_librdkafka_compresses(client, node, codec):
    """Debian's kcat has librdkafka 2.0.2, which stops to, silently, where Produce does not begin at version 0 (KAFKA-18659)."""
    topic = client.topic()
    kcat(node, "-P", "-t", topic, "-z", codec, "-X", "linger.ms=200", text=("x" * 1000 + "\n") * 100)
    with raw.Connection(node) as connection:
        stored = connection.ask(raw.fetch(topic, 0))
    assert len(client.consume(topic, 100)) == 100
    assert len(stored) < 20_000, "what came is a hundred times a thousand bytes"


def test_everything_acknowledged_outlives_a_crash(new_node, new_client):
    node = new_node()
    client = new_client(node)
    topic = client.topic()
    client.produce(topic, [str(i).encode() for i in range(1000)], config={"enable.idempotence": True})
    node.kill()
    node.start()
    client = new_client(node)
    client.produce(topic, [b"after"])
    values = [message.value() for message in client.consume(topic, 1001)]
    assert values == [str(i).encode() for i in range(1000)] + [b"after"]


def test_sql_finds_records_earlier_than_their_batch_s_first(new_node, new_client):
    """A batch's header tells the time of its first record and the latest; a crash leaves nothing but the header."""
    node = new_node()
    topic = new_client(node).topic()
    producer = new_client(node).producer(**{"linger.ms": 200})
    for hour in (5, 3, 4, 1):
        producer.produce(topic, value=str(hour).encode(), partition=0, timestamp=hour * 3_600_000)
    assert producer.flush(SECONDS) == 0
    query = f"SELECT value FROM \"{topic}\" WHERE timestamp < '1970-01-01 02:00:00+00'"
    for crash in (False, True):
        if crash:
            node.kill()
            node.start()
        with psycopg.connect(f"host=127.0.0.1 port={node.ports['postgres']} dbname=pyralog user=test", autocommit=True) as sql:
            assert sql.execute(query).fetchall() == [("1",)]
