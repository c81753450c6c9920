"""kill -9 under load, again and again: what a real client was told is stored is there, in order, once.

    pytest tests/integration/crash --rounds 100

The node has a small ring and small checkpoints, so that kills fall into sealing and recycling, too.
"""
import random
import threading

import psycopg
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from waiting import wait_until

PARTITIONS = 4
SMALL = ["--ring-file-mib", "1", "--checkpoint-mib", "1", "--tail-cache-mib", "1"]


def run_seed():
    return random.SystemRandom().randrange(1 << 32)


class Load:
    """An idempotent producer that remembers what was acknowledged: partition -> {offset: value}."""

    def __init__(self, node, topic, round_number, acknowledged):
        self.producer = Producer(
            {"bootstrap.servers": node.kafka, "enable.idempotence": True, "acks": "all", "linger.ms": 1,
             "message.timeout.ms": 60000, "socket.timeout.ms": 5000, "log_level": 0})
        self.topic = topic
        self.round = round_number
        self.acknowledged = acknowledged
        self.stopping = threading.Event()
        self.count = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def on_delivery(self, error, message):
        if error is None:
            self.count += 1
            self.acknowledged[message.partition()][message.offset()] = message.value()

    def run(self):
        number = 0
        filler = "x" * 200
        while not self.stopping.is_set():
            value = f"{self.round}/{number}/{filler[:number % 200]}".encode()
            try:
                self.producer.produce(self.topic, value, partition=number % PARTITIONS, on_delivery=self.on_delivery)
                number += 1
            except BufferError:
                self.producer.poll(0.01)
            self.producer.poll(0)

    def end(self):
        """After the node's death: what was not acknowledged stays unknown."""
        self.stopping.set()
        self.thread.join(10)
        self.producer.purge()
        self.producer.poll(0)


def fetch_some(consumer, found, ended):
    for message in consumer.consume(10000, timeout=0.5):
        if message.error():
            assert message.error().code() == -191, message.error()  # the end of a partition
            ended.add(message.partition())
            continue
        expected = len(found[message.partition()])
        assert message.offset() == expected, f"offset {message.offset()} where {expected} comes next"
        found[message.partition()][message.offset()] = message.value()


def fetch_all(node, topic):
    """Everything there is, by Kafka fetch: partition -> {offset: value}, checked for gaps."""
    consumer = Consumer({"bootstrap.servers": node.kafka, "group.id": "none", "enable.auto.commit": False,
                         "enable.partition.eof": True, "log_level": 0})
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    found = [{} for _ in range(PARTITIONS)]
    ended = set()

    def everything():
        fetch_some(consumer, found, ended)
        return len(ended) == PARTITIONS

    wait_until(everything, 60, "the end of every partition")
    consumer.close()
    return found


def query_all(node, topic):
    with psycopg.connect(f"host=127.0.0.1 port={node.ports['postgres']} user=test dbname=test") as connection:
        rows = connection.execute(f'SELECT partition, "offset", value FROM {topic}').fetchall()
    found = [{} for _ in range(PARTITIONS)]
    for partition, offset, value in rows:
        assert offset not in found[partition], f"partition {partition}: offset {offset} came twice"
        found[partition][offset] = value.encode()
    return found


def check(acknowledged, found, how):
    for partition in range(PARTITIONS):
        for offset, value in acknowledged[partition].items():
            assert found[partition].get(offset) == value, f"{how}: partition {partition}, offset {offset} is not as acknowledged"
        values = list(found[partition].values())
        assert len(set(values)) == len(values), f"{how}: partition {partition} has a record twice"


@pytest.mark.parametrize("shards", [1, 2])
def test_rounds(new_node, request, shards):
    rounds = max(1, request.config.getoption("--rounds") // 2)
    seed = run_seed()
    chance = random.Random(seed)
    print(f"seed {seed}")
    node = new_node(*SMALL, "--shards", str(shards))
    acknowledged = [{} for _ in range(PARTITIONS)]
    for number in range(rounds):
        topic = f"kills{number // 10}"  # a fresh one now and then, to keep the checks short
        if number % 10 == 0:
            acknowledged = [{} for _ in range(PARTITIONS)]
        load = Load(node, topic, number, acknowledged)
        least = chance.randrange(1, 20000)
        wait_until(lambda: load.count >= least, 30, "the load is acknowledged")  # noqa: B023
        node.kill()
        load.end()
        node.start()
        check(acknowledged, query_all(node, topic), f"round {number}, SQL")
        if number % 5 == 4 or number == rounds - 1:
            check(acknowledged, fetch_all(node, topic), f"round {number}, fetch")
    node.stop()


@pytest.mark.parametrize("times", [3])
def test_killed_while_starting(new_node, times):
    """A node that dies during its recovery recovers again."""
    node = new_node(*SMALL)
    acknowledged = [{} for _ in range(PARTITIONS)]
    load = Load(node, "early", 0, acknowledged)
    wait_until(lambda: load.count >= 5000, 30, "the load is acknowledged")
    node.kill()
    load.end()
    for _ in range(times):
        node.start()
        node.kill()
    node.start()
    check(acknowledged, fetch_all(node, "early"), "after deaths at the start")
    node.stop()
