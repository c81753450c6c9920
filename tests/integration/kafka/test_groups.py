"""Consumer groups with real clients: who gets which partitions, what is committed, what outlives a crash."""
import signal
import subprocess
import sys
import time

import pytest
from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic
from group_member import SECONDS, shared
from waiting import wait_until


STRATEGIES = ["range", "roundrobin", "cooperative-sticky"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_three_members_share_and_take_over(client, node, join, strategy):
    topic, group = client.topic(partitions=6), f"share-{strategy}"
    config = {"partition.assignment.strategy": strategy}
    members = [join(node, group, topic, **config) for _ in range(3)]
    wait_until(lambda: shared(members, 6), SECONDS, "six partitions for three members")
    for partition in range(6):
        client.produce(topic, [f"{partition}-{i}".encode() for i in range(10)], partition=partition)
    wait_until(lambda: sum(len(member.seen) for member in members) == 60, SECONDS, "every record once")
    members[0].close()
    wait_until(lambda: shared(members[1:], 6), SECONDS, "two members take over what the third had")
    members.append(join(node, group, topic, **config))
    wait_until(lambda: shared(members[1:], 6), SECONDS, "a new member gets its share")


def test_cooperative_members_keep_what_they_have(client, node, join):
    topic = client.topic(partitions=4)
    config = {"partition.assignment.strategy": "cooperative-sticky"}
    first = join(node, "cooperative", topic, **config)
    wait_until(lambda: first.owned == {0, 1, 2, 3}, SECONDS, "all for the first")
    second = join(node, "cooperative", topic, **config)
    wait_until(lambda: shared([first, second], 4) and len(second.owned) == 2, SECONDS, "half for each")
    assert first.revocations == 2, "the first gave up only what the second got"


def test_a_member_that_stops_is_left_out_and_comes_back(client, node, join):
    topic = client.topic(partitions=4)
    paused, other = join(node, "pause", topic, **{"max.poll.interval.ms": 6000}), join(node, "pause", topic)
    wait_until(lambda: shared([paused, other], 4), SECONDS, "half for each")
    paused.awake.clear()  # it no longer polls, so its client leaves after max.poll.interval.ms
    wait_until(lambda: other.owned == {0, 1, 2, 3}, SECONDS, "all for the one that polls")
    paused.awake.set()
    wait_until(lambda: shared([paused, other], 4), SECONDS, "half for each again")


MEMBER = """
import sys
from confluent_kafka import Consumer
consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": sys.argv[2], "session.timeout.ms": 6000,
                     "heartbeat.interval.ms": 500, "auto.offset.reset": "earliest"})
consumer.subscribe([sys.argv[3]], on_assign=lambda _, partitions: print(len(partitions), flush=True))
while True:
    consumer.poll(0.1)
"""


def test_a_killed_member_s_partitions_are_taken_over(client, node, join):
    topic = client.topic(partitions=4)
    process = subprocess.Popen([sys.executable, "-c", MEMBER, node.kafka, "killed", topic], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().strip() == "4"
        other = join(node, "killed", topic)
        wait_until(lambda: len(other.owned) == 2, SECONDS, "half for each")
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: other.owned == {0, 1, 2, 3}, SECONDS, "all for the one that lives")
    finally:
        process.kill()
        process.wait()


def test_static_members_come_back_without_a_rebalance(client, node, join):
    topic, config = client.topic(partitions=4), {"session.timeout.ms": 20000}
    first = join(node, "static", topic, **config, **{"group.instance.id": "one"})
    second = join(node, "static", topic, **config, **{"group.instance.id": "two"})
    wait_until(lambda: shared([first, second], 4), SECONDS, "half for each")
    kept, revoked = set(first.owned), second.revocations
    first.close()
    again = join(node, "static", topic, **config, **{"group.instance.id": "one"})
    wait_until(lambda: again.owned == kept, SECONDS, "the same partitions for the same instance")
    assert second.revocations == revoked, "the other one noticed nothing"


def test_commits_outlive_a_crash_and_members_go_on(new_node, new_client, join):
    node = new_node()
    client = new_client(node)
    topic = client.topic(partitions=2)
    for partition in (0, 1):
        client.produce(topic, [str(i).encode() for i in range(50)], partition=partition)
    member = join(node, "crash", topic)
    wait_until(lambda: len(member.seen) == 100, SECONDS, "every record")
    committed = {one.partition: one.offset for one in member.commit()}
    assert committed == {0: 50, 1: 50}
    port = node.ports["kafka"]
    node.arguments += ["--kafka-port", str(port)]
    node.kill()
    node.start()
    client = new_client(node)
    client.produce(topic, [b"after"], partition=1)
    wait_until(lambda: (1, 50, b"after") in member.seen, SECONDS, "the member goes on")
    assert len(member.seen) == 101, "nothing is seen twice"
    described = client.admin.describe_consumer_groups(["crash"])["crash"].result(SECONDS)
    assert described.state == ConsumerGroupState.STABLE and len(described.members) == 1
    member.close()


def test_another_consumer_resumes_at_the_commit(client, node, join):
    topic = client.topic()
    client.produce(topic, [str(i).encode() for i in range(20)])
    consumer = client.consumer(**{"group.id": "resume"})
    consumer.commit(offsets=[TopicPartition(topic, 0, 7, metadata="half way")], asynchronous=False)
    assert consumer.committed([TopicPartition(topic, 0)], SECONDS)[0].metadata == "half way"
    member = join(node, "resume", topic)
    wait_until(lambda: len(member.seen) == 13, SECONDS, "the rest")
    assert member.seen[0][1] == 7


def group_offsets(client, group):
    listed = client.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(SECONDS)
    return {(one.topic, one.partition): one.offset for one in listed.topic_partitions}


def test_administration(client, node, join):
    topic, group = client.topic(partitions=2), "administered"
    member = join(node, group, topic)
    wait_until(lambda: member.owned == {0, 1}, SECONDS, "an assignment")
    client.produce(topic, [b"x"] * 5)
    wait_until(lambda: len(member.seen) == 5, SECONDS, "the records")
    member.commit()
    listed = client.admin.list_consumer_groups().result(SECONDS)
    assert not listed.errors and {one.group_id: one.state for one in listed.valid}[group] == ConsumerGroupState.STABLE
    described = client.admin.describe_consumer_groups([group])[group].result(SECONDS)
    assert described.partition_assignor == "range" and not described.is_simple_consumer_group
    assert {one.partition for one in described.members[0].assignment.topic_partitions} == {0, 1}
    assert group_offsets(client, group)[topic, 0] == 5
    with pytest.raises(KafkaException, match="NON_EMPTY_GROUP"):
        client.admin.delete_consumer_groups([group])[group].result(SECONDS)
    member.close()
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 2)])
    client.admin.alter_consumer_group_offsets([wanted])[group].result(SECONDS)
    assert group_offsets(client, group)[topic, 0] == 2
    client.admin.delete_consumer_groups([group])[group].result(SECONDS)
    assert group not in {one.group_id for one in client.admin.list_consumer_groups().result(SECONDS).valid}
    with pytest.raises(KafkaException, match="GROUP_ID_NOT_FOUND"):
        client.admin.delete_consumer_groups([group])[group].result(SECONDS)


def test_an_offset_of_a_topic_made_anew_is_not_believed(client):
    topic = client.topic()
    consumer = client.consumer(**{"group.id": "anew"})
    client.produce(topic, [b"x"] * 3)
    consumer.commit(offsets=[TopicPartition(topic, 0, 3)], asynchronous=False)
    client.admin.delete_topics([topic])[topic].result(SECONDS)
    client.admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(SECONDS)
    assert consumer.committed([TopicPartition(topic, 0)], SECONDS)[0].offset < 0


def test_what_is_not_there_can_t_be_committed(client):
    topic = client.topic()
    consumer = client.consumer(**{"group.id": "nowhere"})
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"):
        consumer.commit(offsets=[TopicPartition(topic, 7, 1)], asynchronous=False)
    with pytest.raises(KafkaException, match="OFFSET_METADATA_TOO_LARGE"):
        consumer.commit(offsets=[TopicPartition(topic, 0, 1, metadata="x" * 5000)], asynchronous=False)


def test_the_server_s_own_topic_is_its_own(client):
    topic = client.topic()
    client.consumer(**{"group.id": "own"}).commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    with pytest.raises(AssertionError):
        client.produce("__consumer_offsets", [b"x"])
    with pytest.raises(KafkaException):
        client.admin.delete_topics(["__consumer_offsets"])["__consumer_offsets"].result(SECONDS)
    assert client.consume("__consumer_offsets", 1)[0].key()[:2] in (b"\0\1", b"\0\2")


def test_kcat_consumes_as_a_member(client, node):
    topic = client.topic(partitions=2)
    client.produce(topic, [b"a", b"b"], partition=0)
    client.produce(topic, [b"c"], partition=1)
    command = ["kcat", "-b", node.kafka, "-G", "kcat", "-c", "3", "-X", "auto.offset.reset=earliest", topic]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    assert sorted(done.stdout.split()) == ["a", "b", "c"]
    assert group_offsets(client, "kcat") == {(topic, 0): 2, (topic, 1): 1}


def test_a_member_that_waits_for_others_does_not_keep_the_server(new_node, new_client, join):
    """A stop answers whoever waits in a rebalance."""
    node = new_node()
    client = new_client(node)
    topic = client.topic()
    join(node, "stop", topic, **{"max.poll.interval.ms": 300000})
    started = time.monotonic()
    node.stop()
    assert time.monotonic() - started < 10
