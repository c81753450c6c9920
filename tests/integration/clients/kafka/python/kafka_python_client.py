"""kafka-python-ng against a server; see test_kafka_clients.py for what it says.

    kafka_python_client.py basic BROKER TOPIC | member BROKER GROUP TOPIC
"""
import sys
import time

import kafka
from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import CommitFailedError


def say(line):
    print(line, flush=True)


def admin(broker, topic):
    client = KafkaAdminClient(bootstrap_servers=broker)
    client.create_topics([NewTopic(topic, 2, 1)])
    client.create_partitions({topic: NewPartitions(4)})
    assert len(client.describe_topics([topic])[0]["partitions"]) == 4
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "86400000"})])
    configs = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    assert any(entry[0] == "retention.ms" and entry[1] == "86400000" for entry in configs[0].resources[0][4])
    client.close()
    say("did create and grow topics, change settings")


def basic(broker, topic):
    admin(broker, topic)
    for options in ({}, {"compression_type": "gzip"}, {"acks": "all"}):
        producer = KafkaProducer(bootstrap_servers=broker, **options)
        for sent in [producer.send(topic, b"%d" % i, b"k%d" % i) for i in range(100)]:
            sent.get(20)
        producer.close()
    consumer = KafkaConsumer(topic, bootstrap_servers=broker, group_id=topic, auto_offset_reset="earliest", enable_auto_commit=False)
    got, until = 0, time.monotonic() + 20
    while got < 300 and time.monotonic() < until:
        got += sum(len(batch) for batch in consumer.poll(500).values())
    assert got == 300, got
    say("did produce plain and with gzip, and consume in a group")
    consumer.commit()
    places = [TopicPartition(topic, p) for p in range(4)]
    assert sum(consumer.committed(p) or 0 for p in places) == 300
    assert sum(consumer.end_offsets(places).values()) == 300
    assert consumer.offsets_for_times({places[0]: 0})[places[0]].offset == 0
    consumer.close()
    say("did commit, end offsets, offsets by time")


class Listener(ConsumerRebalanceListener):
    def on_partitions_revoked(self, revoked):
        say("owned")

    def on_partitions_assigned(self, assigned):
        say("owned " + " ".join(str(p.partition) for p in assigned))


def member(broker, group, topic):
    consumer = KafkaConsumer(bootstrap_servers=broker, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False,
                             session_timeout_ms=6000, heartbeat_interval_ms=500)
    consumer.subscribe([topic], listener=Listener())
    got = 0
    while True:
        count = sum(len(batch) for batch in consumer.poll(200).values())
        if count:
            got += count
            say(f"got {got}")
            try:
                consumer.commit()
            except CommitFailedError as error:
                say(f"late {error}")


say(f"version {kafka.__version__}")
{"basic": basic, "member": member}[sys.argv[1]](*sys.argv[2:])
