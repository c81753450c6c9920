"""Groups of the protocol of KIP-848: the server assigns. Real clients, as in test_groups.py."""
import pytest
from confluent_kafka import ConsumerGroupType, KafkaException, TopicPartition
from group_member import SECONDS, shared
from waiting import wait_until

NEW = {"group.protocol": "consumer"}
ARGUMENTS = ["--group-heartbeat-ms", "300"]


@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_three_members_share_and_take_over(client, node, join, assignor):
    topic, group = client.topic(partitions=6), f"new-{assignor}"
    config = {**NEW, "group.remote.assignor": assignor}
    members = [join(node, group, topic, **config) for _ in range(3)]
    wait_until(lambda: shared(members, 6), SECONDS, "six partitions for three members")
    for partition in range(6):
        client.produce(topic, [f"{partition}-{i}".encode() for i in range(10)], partition=partition)
    wait_until(lambda: sum(len(member.seen) for member in members) == 60, SECONDS, "every record once")
    members[0].close()
    wait_until(lambda: shared(members[1:], 6), SECONDS, "two members take over what the third had")


def test_what_moves_is_as_little_as_can_be(client, node, join):
    topic = client.topic(partitions=4)
    first = join(node, "little", topic, **NEW)
    wait_until(lambda: first.owned == {0, 1, 2, 3}, SECONDS, "all for the first")
    second = join(node, "little", topic, **NEW)
    wait_until(lambda: shared([first, second], 4) and len(second.owned) == 2, SECONDS, "half for each")
    assert first.revocations == 2, "the first gave up only what the second got"


def test_a_regular_expression_finds_topics_that_come_later(client, node, join):
    from confluent_kafka.admin import NewTopic
    client.admin.create_topics([NewTopic("orders-eu", 1, 1)])["orders-eu"].result(SECONDS)
    member = join(node, "pattern", "^orders-.*", **NEW)
    client.produce("orders-eu", [b"one"])
    wait_until(lambda: [value for _, _, value in member.seen] == [b"one"], SECONDS, "a record of the first topic")
    client.admin.create_topics([NewTopic("orders-us", 1, 1)])["orders-us"].result(SECONDS)
    client.produce("orders-us", [b"two"])
    wait_until(lambda: len(member.seen) == 2, SECONDS, "a record of the second topic")


def test_commits_and_members_outlive_a_crash(new_node, new_client, join):
    node = new_node(*ARGUMENTS)
    client = new_client(node)
    topic = client.topic(partitions=2)
    client.produce(topic, [b"x"] * 50, partition=0)
    client.produce(topic, [b"x"] * 50, partition=1)
    member = join(node, "crash", topic, **NEW)
    wait_until(lambda: len(member.seen) == 100, SECONDS, "every record")
    assert {one.partition: one.offset for one in member.commit()} == {0: 50, 1: 50}
    node.arguments += ["--kafka-port", str(node.ports["kafka"])]
    node.kill()
    node.start()
    client = new_client(node)
    client.produce(topic, [b"after"], partition=1)
    wait_until(lambda: (1, 50, b"after") in member.seen, SECONDS, "the member goes on")
    assert len(member.seen) == 101, "nothing is seen twice"
    member.close()


def test_static_members_come_back_to_what_they_had(client, node, join):
    topic = client.topic(partitions=4)
    first = join(node, "new-static", topic, **NEW, **{"group.instance.id": "one"})
    second = join(node, "new-static", topic, **NEW, **{"group.instance.id": "two"})
    wait_until(lambda: shared([first, second], 4), SECONDS, "half for each")
    kept, revoked = set(first.owned), second.revocations
    first.close()
    again = join(node, "new-static", topic, **NEW, **{"group.instance.id": "one"})
    wait_until(lambda: again.owned == kept, SECONDS, "the same partitions for the same instance")
    assert second.revocations == revoked, "the other one noticed nothing"


def test_it_is_described_and_deleted(client, node, join):
    topic, group = client.topic(partitions=2), "new-described"
    member = join(node, group, topic, **NEW)
    wait_until(lambda: member.owned == {0, 1}, SECONDS, "an assignment")
    described = client.admin.describe_consumer_groups([group])[group].result(SECONDS)
    assert described.type == ConsumerGroupType.CONSUMER and described.partition_assignor == "uniform"
    assert {one.partition for one in described.members[0].assignment.topic_partitions} == {0, 1}
    assert {one.topic for one in described.members[0].target_assignment.topic_partitions} == {topic}
    listed = client.admin.list_consumer_groups(types={ConsumerGroupType.CONSUMER}).result(SECONDS)
    assert group in {one.group_id for one in listed.valid}
    member.close()
    client.admin.delete_consumer_groups([group])[group].result(SECONDS)
    with pytest.raises(KafkaException, match="GROUP_ID_NOT_FOUND"):
        client.admin.delete_consumer_groups([group])[group].result(SECONDS)


def test_an_empty_group_changes_its_protocol_and_keeps_its_offsets(client, node, join):
    topic, group = client.topic(), "changing"
    client.produce(topic, [b"x"] * 10)
    for config in ({}, NEW, {}, NEW):
        member = join(node, group, topic, **config)
        wait_until(lambda: member.owned == {0}, SECONDS, f"the partition, with {config}")
        client.produce(topic, [b"y"])
        wait_until(lambda: member.seen, SECONDS, "a record")
        member.commit()
        member.close()
    consumer = client.consumer(**{"group.id": group})
    assert consumer.committed([TopicPartition(topic, 0)], SECONDS)[0].offset == 14
    assert [offset for _, offset, _ in member.seen] == [13], "it began where the one before had ended"
