"""A running application goes over from the classic protocol to the consumer protocol, member by member, and back, while records
come in: each is seen once (KIP-848, "Consumer Group Migration")."""
import json
import signal
import subprocess

import pytest
from by_hand import ask, compact, varint
from confluent_kafka import ConsumerGroupType
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from group_load import (CONSUMER, COOPERATIVE, EAGER, SECONDS, Load, check_committed, check_once, shared,
                        start, wait_for_all)  # noqa: F401
from group_member import shared as shared_by
from waiting import wait_until

ARGUMENTS = ["--group-heartbeat-ms", "300"]


def type_of(client, group):
    return client.admin.describe_consumer_groups([group])[group].result(SECONDS).type


def replace(workers, i, fresh):
    """The other is ended when the new one has its share, as a rolling restart does that keeps the number up. One that is ended in
    the middle of a rebalance leaves before it commits: librdkafka's way, of any group."""
    wait_until(lambda: shared(*workers, fresh), SECONDS, "four share")
    workers[i].end()
    workers[i] = fresh
    wait_until(lambda: shared(*workers), SECONDS, f"three share, member {i} is a new one")
    before = [worker.seen for worker in workers]
    wait_until(lambda: all(worker.seen > seen for worker, seen in zip(workers, before)), SECONDS, "each goes on")


@pytest.mark.parametrize("classic", [EAGER, COOPERATIVE], ids=["range", "cooperative-sticky"])
def test_a_rolling_restart_changes_the_protocol_and_back(client, node, start, classic):  # noqa: F811
    topic, group = client.topic(partitions=6), f"rolling-{classic['partition.assignment.strategy']}"
    load = Load(node, topic)
    every = []

    def make(config):
        every.append(start(group, topic, config))
        return every[-1]

    try:
        workers = [make(classic) for _ in range(3)]
        wait_until(lambda: shared(*workers), SECONDS, "three share")
        for config, kind in [(CONSUMER, ConsumerGroupType.CONSUMER), (classic, ConsumerGroupType.CLASSIC)]:
            for i in range(3):
                replace(workers, i, make(config))
            assert type_of(client, group) == kind
    finally:
        load.end()
    wait_for_all(load, every)
    for worker in workers:
        worker.end()
    check_once(load, every)


def test_instances_change_the_protocol_and_keep_what_they_have(client, node, start):  # noqa: F811
    topic, group = client.topic(partitions=6), "instances"
    load, every = Load(node, topic), []

    def make(config, i):
        every.append(start(group, topic, config | {"group.instance.id": f"i{i}"}))
        return every[-1]

    try:
        workers = [make(COOPERATIVE, i) for i in range(3)]
        wait_until(lambda: shared(*workers), SECONDS, "three share")
        for config in CONSUMER, COOPERATIVE:
            for i in range(3):
                workers[i].end()
                workers[i] = make(config, i)
                wait_until(lambda: shared(*workers), SECONDS, f"three share, instance {i} is back")
                assert len(workers[i].owned) == 2
        assert type_of(client, group) == ConsumerGroupType.CLASSIC
    finally:
        load.end()
    wait_for_all(load, every)
    for worker in workers:
        worker.end()
    check_once(load, every)


def test_what_was_committed_is_not_seen_again_when_members_die_between_protocols(client, node, start):  # noqa: F811
    topic, group = client.topic(partitions=6), "dying"
    change = ConfigEntry("consumer.session.timeout.ms", "3000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=[change])
    next(iter(client.admin.incremental_alter_configs([resource]).values())).result(SECONDS)
    load, every = Load(node, topic), []

    def make(config):
        every.append(start(group, topic, config))
        return every[-1]

    def wait_for(workers, what):
        wait_until(lambda: shared(*workers), SECONDS, what)
        before = [worker.count("committed") for worker in workers]
        wait_until(lambda: all(worker.count("committed") > count for worker, count in zip(workers, before)), SECONDS, "commits")

    try:
        workers = [make(COOPERATIVE), make(COOPERATIVE), make(CONSUMER)]
        wait_for(workers, "three share")
        workers[0].end(signal.SIGKILL)
        workers[0] = make(CONSUMER)
        wait_for(workers, "one of the classic protocol was killed")
        workers[0].send(signal.SIGSTOP)
        workers[2].end(signal.SIGKILL)
        wait_for(workers[1:2], "nobody is left but one of the classic protocol")
        assert type_of(client, group) == ConsumerGroupType.CLASSIC
        workers[0].send(signal.SIGCONT)
        wait_for(workers[:2], "one of the consumer protocol is back")
        assert type_of(client, group) == ConsumerGroupType.CONSUMER
    finally:
        load.end()
    wait_for_all(load, every)
    for worker in workers[:2]:
        worker.end()
    check_committed(every)


def member_types(node, group):
    """{client id: 0 for the classic protocol, 1 for the consumer protocol}, of ConsumerGroupDescribe v1."""
    answer = ask(node, 69, 1, varint(2) + compact(group) + b"\0\0", flexible=True)
    assert answer.varint() == 2 and answer.take("h") == 0
    for _ in range(3):
        answer.compact()  # message, group, state
    answer.take("ii")
    answer.compact()
    types = {}

    def skip_assignment():
        for _ in range(answer.varint() - 1):
            answer.take("16s")
            answer.compact()
            for _ in range(answer.varint() - 1):
                answer.take("i")
            answer.take("B")
        answer.take("B")

    for _ in range(answer.varint() - 1):
        for _ in range(3):
            answer.compact()  # member, instance, rack
        answer.take("i")
        client = answer.compact()
        answer.compact()
        for _ in range(answer.varint() - 1):
            answer.compact()  # topics
        answer.compact()
        skip_assignment()
        skip_assignment()
        types[client] = answer.take("b")
        answer.take("B")
    return types


def test_a_mixed_group_outlives_a_crash_and_is_described(new_node, new_client, join, binary):
    node = new_node(*ARGUMENTS)
    client = new_client(node)
    topic = client.topic(partitions=4)
    old = join(node, "mixed", topic, **{"client.id": "old"})
    wait_until(lambda: old.owned == {0, 1, 2, 3}, SECONDS, "all for the first")
    new = join(node, "mixed", topic, **CONSUMER, **{"client.id": "new"})
    wait_until(lambda: shared_by([old, new], 4), SECONDS, "half for each")
    assert member_types(node, "mixed") == {"old": 0, "new": 1}
    command = [str(binary), "group", "describe", "mixed", "--broker", node.kafka, "--format", "json"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert {row["partition"]: row["client"] for row in told} == \
        {one: "old" for one in old.owned} | {one: "new" for one in new.owned}
    for partition in range(4):
        client.produce(topic, [b"x"] * 10, partition=partition)
    wait_until(lambda: len(old.seen) + len(new.seen) == 40, SECONDS, "every record")
    old.commit(), new.commit()
    kept = {"old": set(old.owned), "new": set(new.owned)}
    node.arguments += ["--kafka-port", str(node.ports["kafka"])]
    node.kill()
    node.start()
    assert member_types(node, "mixed") == {"old": 0, "new": 1}
    client = new_client(node)
    for partition in range(4):
        client.produce(topic, [b"y"], partition=partition)
    wait_until(lambda: len(old.seen) + len(new.seen) == 44, SECONDS, "both go on")
    assert {"old": old.owned, "new": new.owned} == kept
    old.commit(), new.commit()
    new.close()
    wait_until(lambda: old.owned == {0, 1, 2, 3}, SECONDS, "all for the one that is left")
    assert type_of(client, "mixed") == ConsumerGroupType.CLASSIC
    client.produce(topic, [b"z"], partition=min(kept["new"]))
    wait_until(lambda: (min(kept["new"]), 11, b"z") in old.seen, SECONDS, "a record of what the other had")
    assert len(old.seen) + len(new.seen) == 45, "nothing is seen twice"


@pytest.mark.parametrize("policy", ["upgrade", "downgrade", "disabled"])
def test_the_policy_is_kept_and_told(new_node, new_client, join, policy):
    node = new_node(*ARGUMENTS, "--group-migration", policy)
    client = new_client(node)
    topic = client.topic(partitions=2)
    resource = ConfigResource(ResourceType.BROKER, "1")
    told = next(iter(client.admin.describe_configs([resource]).values())).result(SECONDS)
    assert told["group.consumer.migration.policy"].value == policy
    member = join(node, "kept", topic)
    wait_until(lambda: member.owned == {0, 1}, SECONDS, "an assignment")
    other = join(node, "kept", topic, **CONSUMER)
    if policy == "upgrade":
        wait_until(lambda: shared_by([member, other], 2), SECONDS, "one for each")
        other.close()
        wait_until(lambda: member.owned == {0, 1}, SECONDS, "all for the one that is left")
    else:
        wait_until(lambda: other.errors, SECONDS, "it is told that it may not")
        assert "group id does not exist" in str(other.errors[0])
    assert type_of(client, "kept") == (ConsumerGroupType.CONSUMER if policy == "upgrade" else ConsumerGroupType.CLASSIC)
