"""aiokafka against a server; see test_kafka_clients.py for what it says.

    aiokafka_client.py basic BROKER TOPIC | member BROKER GROUP TOPIC
"""
import asyncio
import sys

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType


def say(line):
    print(line, flush=True)


async def admin(broker, topic):
    client = AIOKafkaAdminClient(bootstrap_servers=broker)
    await client.start()
    await client.create_topics([NewTopic(topic, 2, 1)])
    await client.create_partitions({topic: NewPartitions(4)})
    described = await client.describe_topics([topic])
    assert len(described[0]["partitions"]) == 4
    await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "86400000"})])
    configs = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    assert any(entry[0] == "retention.ms" and entry[1] == "86400000" for entry in configs[0].resources[0][4])
    await client.close()
    say("did create and grow topics, change settings")


async def basic(broker, topic):
    await admin(broker, topic)
    for options in ({}, {"compression_type": "gzip"}, {"enable_idempotence": True, "acks": "all"}):
        producer = AIOKafkaProducer(bootstrap_servers=broker, **options)
        await producer.start()
        await asyncio.gather(*[await producer.send(topic, b"%d" % i, b"k%d" % i) for i in range(100)])
        await producer.stop()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker, group_id=topic, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    got = 0
    while got < 300:
        got += sum(len(batch) for batch in (await asyncio.wait_for(consumer.getmany(timeout_ms=500), 20)).values())
    say("did produce plain, with gzip and idempotently, and consume in a group")
    await consumer.commit()
    places = [TopicPartition(topic, p) for p in range(4)]
    assert sum([await consumer.committed(p) or 0 for p in places]) == 300
    assert sum((await consumer.end_offsets(places)).values()) == 300
    found = await consumer.offsets_for_times({places[0]: 0})
    assert found[places[0]].offset == 0
    await consumer.stop()
    say("did commit, end offsets, offsets by time")


class Listener(ConsumerRebalanceListener):
    async def on_partitions_revoked(self, revoked):
        say("owned")

    async def on_partitions_assigned(self, assigned):
        say("owned " + " ".join(str(p.partition) for p in assigned))


async def member(broker, group, topic):
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False,
                                session_timeout_ms=6000, heartbeat_interval_ms=500, metadata_max_age_ms=2000)
    consumer.subscribe([topic], listener=Listener())
    await consumer.start()
    got = 0
    while True:
        records = await consumer.getmany(timeout_ms=200)
        count = sum(len(batch) for batch in records.values())
        if count:
            got += count
            say(f"got {got}")
            try:
                await consumer.commit()
            except aiokafka.errors.CommitFailedError as error:
                say(f"late {error}")


say(f"version {aiokafka.__version__}")
asyncio.run(basic(*sys.argv[2:]) if sys.argv[1] == "basic" else member(*sys.argv[2:]))
