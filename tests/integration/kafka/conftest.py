"""Kafka clients for these tests: confluent-kafka's, with short names for what the tests do all the time."""
import itertools
import sys
import pathlib

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from group_member import Member  # noqa: E402
from waiting import wait_until  # noqa: E402

FLUSH_SECONDS = 30
numbers = itertools.count()


class Client:
    """What one node's tests need of a client."""

    def __init__(self, node):
        self.node = node
        self.consumers = []
        self.admin = AdminClient({"bootstrap.servers": node.kafka})

    def topic(self, partitions=1, **config):
        """A new topic with a name of its own."""
        name = f"topic-{next(numbers)}"
        made = self.admin.create_topics([NewTopic(name, partitions, 1, config=config)])
        made[name].result(FLUSH_SECONDS)
        return name

    def producer(self, **config):
        return Producer({"bootstrap.servers": self.node.kafka, **config})

    def produce(self, topic, values, partition=0, config=None, **options):
        """Produces and waits for every acknowledgement; the offsets, in order of values."""
        reports = []
        producer = self.producer(**(config or {}))
        for value in values:
            producer.produce(topic, value=value, partition=partition, on_delivery=lambda *r: reports.append(r), **options)
            producer.poll(0)
        assert producer.flush(FLUSH_SECONDS) == 0, "some records were never acknowledged"
        failed = [error for error, _ in reports if error]
        if failed:
            raise AssertionError(f"{len(failed)} records refused: {failed[0]}")
        return [message.offset() for _, message in reports]

    def consumer(self, **config):
        settings = {"bootstrap.servers": self.node.kafka, "group.id": "none", "enable.auto.commit": False}
        settings |= {"message.max.bytes": 100_000_000, "fetch.wait.max.ms": 100}
        self.consumers.append(Consumer({**settings, **config}))
        return self.consumers[-1]

    def consume(self, topic, count, offset=0, partition=0, **config):
        """That many messages from an offset on."""
        consumer = self.consumer(**config)
        consumer.assign([TopicPartition(topic, partition, offset)])
        messages = []

        def enough():
            for message in consumer.consume(count - len(messages), timeout=0.2):
                assert not message.error(), message.error()
                messages.append(message)
            return len(messages) >= count

        wait_until(enough, FLUSH_SECONDS, f"{count} messages of {topic}, {len(messages)} came")
        return messages

    def close(self):
        for consumer in self.consumers:
            consumer.close()


@pytest.fixture
def client(node):
    made = Client(node)
    yield made
    made.close()


@pytest.fixture
def new_client():
    """Clients for nodes of the test's own: new_client(node)."""
    made = []

    def make(node):
        made.append(Client(node))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def join():
    """join(node, group, topic, **config): a member that leaves at the end of the test."""
    members = []

    def make(*arguments, **config):
        members.append(Member(*arguments, **config))
        return members[-1]

    yield make
    for member in members:
        if member.running.is_set():
            member.close()
