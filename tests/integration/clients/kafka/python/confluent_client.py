"""confluent-kafka (librdkafka) against a server; see test_kafka_clients.py for what it says.

    confluent_client.py basic BROKER TOPIC | member BROKER GROUP TOPIC [PROTOCOL]
"""
import sys

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, ResourceType

SECONDS = 20
CODECS = "none", "gzip", "snappy", "lz4", "zstd"


def say(line):
    print(line, flush=True)


def one(futures):
    return next(iter(futures.values())).result(SECONDS)


def alter(admin, kind, name, setting, value):
    change = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    one(admin.incremental_alter_configs([ConfigResource(kind, name, incremental_configs=[change])]))
    assert one(admin.describe_configs([ConfigResource(kind, name)]))[setting].value == value


def settings(broker, topic):
    admin = AdminClient({"bootstrap.servers": broker})
    one(admin.create_topics([NewTopic(topic, 2, 1)]))
    one(admin.create_partitions([NewPartitions(topic, 4)]))
    alter(admin, ResourceType.TOPIC, topic, "retention.ms", "86400000")
    alter(admin, ResourceType.GROUP, topic, "consumer.session.timeout.ms", "30000")
    say("did create and grow topics, change settings of topics and groups")
    return admin


def produce(broker, topic):
    for codec in CODECS:
        producer = Producer({"bootstrap.servers": broker, "compression.type": codec, "enable.idempotence": True})
        for i in range(100):
            producer.produce(topic, value=b"%d" % i, key=b"k%d" % i)
        assert producer.flush(SECONDS) == 0


def consume(broker, topic, protocol):
    consumer = Consumer({"bootstrap.servers": broker, "group.id": f"{topic}-{protocol}", "group.protocol": protocol,
                         "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([topic])
    got = 0
    while got < 100 * len(CODECS):
        messages = consumer.consume(100, timeout=SECONDS)
        assert messages and not any(message.error() for message in messages)
        got += len(messages)
    consumer.commit(asynchronous=False)
    places = consumer.committed([TopicPartition(topic, partition) for partition in range(4)], SECONDS)
    assert sum(max(place.offset, 0) for place in places) == got
    consumer.close()


def basic(broker, topic):
    admin = settings(broker, topic)
    produce(broker, topic)
    for protocol in "classic", "consumer":
        consume(broker, topic, protocol)
    say("did produce idempotently with five codecs, and consume and commit in groups of both protocols")
    for protocol in "classic", "consumer":
        one(admin.describe_consumer_groups([f"{topic}-{protocol}"]))
        one(admin.delete_consumer_groups([f"{topic}-{protocol}"]))
    one(admin.delete_topics([topic]))
    say("did describe and delete groups, delete topics")


def member(broker, group, topic, protocol):
    owned, got = set(), 0

    def tell():
        say("owned " + " ".join(str(partition) for partition in sorted(owned)))

    def on_assign(_, partitions):
        owned.update(place.partition for place in partitions)
        tell()

    def on_revoke(_, partitions):
        owned.difference_update(place.partition for place in partitions)
        tell()

    config = {"bootstrap.servers": broker, "group.id": group, "group.protocol": protocol, "auto.offset.reset": "earliest",
              "enable.auto.commit": False}
    if protocol == "classic":
        config |= {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    consumer = Consumer(config)
    consumer.subscribe([topic], on_assign=on_assign, on_revoke=on_revoke, on_lost=on_revoke)
    while True:
        messages = [message for message in consumer.consume(100, timeout=0.2) if not message.error()]
        if messages:
            got += len(messages)
            say(f"got {got}")
            try:
                consumer.commit(asynchronous=False)
            except KafkaException as late:
                say(f"late {late}")


say(f"version {confluent_kafka.__version__}, librdkafka {confluent_kafka.libversion()[0]}")
if sys.argv[1] == "basic":
    basic(*sys.argv[2:])
else:
    member(*sys.argv[2:])
