"""cleanup.policy=compact through Kafka's clients: the newest value of each key is left, in order, after a crash, too."""
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from waiting import wait_until

KEYS, ROUNDS, VALUE_BYTES = 200, 60, 100
COMPACTED_SECONDS = 60


@pytest.fixture
def node(new_node):
    return new_node("--ring-file-mib", "1", "--checkpoint-mib", "1")


def create(node, name, **config):
    admin = AdminClient({"bootstrap.servers": node.kafka})
    admin.create_topics(
        [NewTopic(name, 1, 1, config={key.replace("_", "."): value for key, value in config.items()})])[name].result(10)


def produce(node, topic, rounds, codec="none"):
    """Every key once a round; every tenth key ends with a tombstone. What a reader must find in the end."""
    producer = Producer({"bootstrap.servers": node.kafka, "enable.idempotence": True, "compression.codec": codec,
                         "linger.ms": 5})
    failures = []
    expected = {}
    for i in rounds:
        for key in range(KEYS):
            name = f"key-{key}"
            expected[name] = None if key % 10 == 0 and i == rounds[-1] else f"{name} in round {i} ".ljust(VALUE_BYTES, "x")
            producer.produce(topic, expected[name], name, on_delivery=lambda error, _: error and failures.append(error))
            producer.poll(0)
        producer.flush(20)
    assert not failures, failures[0]
    return expected


def read(node, topic):
    """All records from the beginning: (offset, key, value or None)."""
    consumer = Consumer({"bootstrap.servers": node.kafka, "group.id": "nobody", "enable.auto.commit": False,
                         "check.crcs": True})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    consumer.assign([TopicPartition(topic, 0, 0)])
    records = []

    def is_at_end():
        records.extend((m.offset(), m.key().decode(), m.value() and m.value().decode()) for m in consumer.consume(1000, 0.2)
                       if not m.error())
        return consumer.position([TopicPartition(topic, 0)])[0].offset == end

    wait_until(is_at_end, 20, "the consumer reaches the end")
    consumer.close()
    return records


def newest(records):
    found = {}
    for _, key, value in records:
        found[key] = value
    return found


def test_the_newest_value_of_each_key_is_left(node):
    codecs = ["none", "lz4", "zstd"]
    expected = {}
    for codec in codecs:
        create(node, codec, cleanup_policy="compact", min_cleanable_dirty_ratio="0.01", max_compaction_lag_ms="1000")
        expected[codec] = produce(node, codec, range(ROUNDS), codec)

    def is_compacted(codec):
        records = read(node, codec)
        assert [r[0] for r in records] == sorted({r[0] for r in records})
        assert newest(records) == expected[codec]
        return len(records) < 3 * KEYS

    wait_until(lambda: all(is_compacted(codec) for codec in codecs), COMPACTED_SECONDS, "most old values are gone")
    node.kill()
    node.start()
    for codec in codecs:
        assert newest(read(node, codec)) == expected[codec]
        later = produce(node, codec, range(ROUNDS, ROUNDS + 2), codec)
        assert newest(read(node, codec)) == later


def test_tombstones_go_in_the_end(node):
    create(node, "graves", cleanup_policy="compact", min_cleanable_dirty_ratio="0.01", max_compaction_lag_ms="1000",
           delete_retention_ms="100")
    expected = produce(node, "graves", range(3))

    def are_gone():
        produce(node, "graves", range(100, 101))  # something to compact again
        return not any(value is None and offset < 3 * KEYS for offset, _, value in read(node, "graves"))

    wait_until(are_gone, COMPACTED_SECONDS, "tombstones are gone")
    assert set(newest(read(node, "graves"))) <= set(expected)


def test_a_record_needs_a_key(node):
    create(node, "keyed", cleanup_policy="compact")
    producer = Producer({"bootstrap.servers": node.kafka, "enable.idempotence": False})
    outcome = []
    producer.produce("keyed", b"value", on_delivery=lambda error, _: outcome.append(error))
    producer.flush(20)
    assert outcome[0] is not None and "INVALID_RECORD" in str(outcome[0]) or "Broker failed to validate" in str(outcome[0])
