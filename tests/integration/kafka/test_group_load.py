"""Groups whose members come, go, are killed and paused while records come in: nothing is lost, and what was committed before a
member got its partition is not seen again. Members are processes (group_worker.py), of both protocols."""
import signal

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from group_load import (CONSUMER, COOPERATIVE, EAGER, PARTITIONS, SECONDS, Load, check_committed, check_once, shared,
                        start, wait_for_all)  # noqa: F401
from waiting import wait_until

ARGUMENTS = ["--group-heartbeat-ms", "300"]
PROTOCOLS = {"classic-eager": EAGER, "classic-cooperative": COOPERATIVE, "consumer": CONSUMER}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_lost_or_repeated_when_members_come_and_go(client, node, start, protocol):
    topic, group, config = client.topic(partitions=PARTITIONS), f"come-and-go-{protocol}", PROTOCOLS[protocol]
    load = Load(node, topic)
    try:
        workers = [start(group, topic, config)]
        wait_until(lambda: shared(workers[0]) and workers[0].seen, SECONDS, "all for the first")
        workers += [start(group, topic, config) for _ in range(2)]
        wait_until(lambda: shared(*workers), SECONDS, "three share")
        workers[0].end()
        wait_until(lambda: shared(*workers[1:]), SECONDS, "two share")
        workers.append(start(group, topic, config))
        wait_until(lambda: shared(*workers[1:]), SECONDS, "three share again")
        begun = [worker.seen for worker in workers[1:]]
        wait_until(lambda: all(worker.seen > before for worker, before in zip(workers[1:], begun)), SECONDS, "each goes on")
    finally:
        load.end()
    wait_for_all(load, workers)
    for worker in workers[1:]:
        worker.end()
    check_once(load, workers)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_was_committed_is_not_seen_again_when_members_die(client, node, start, protocol):
    topic, group, config = client.topic(partitions=PARTITIONS), f"die-{protocol}", PROTOCOLS[protocol]
    change = ConfigEntry("consumer.session.timeout.ms", "3000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=[change])
    next(iter(client.admin.incremental_alter_configs([resource]).values())).result(SECONDS)
    load = Load(node, topic)
    try:
        workers = [start(group, topic, config) for _ in range(3)]
        killed, paused, left = workers
        wait_until(lambda: shared(*workers), SECONDS, "three share")
        wait_until(lambda: all(worker.count("committed") > 1 for worker in workers), SECONDS, "each commits")
        killed.end(signal.SIGKILL)
        paused.send(signal.SIGSTOP)
        wait_until(lambda: left.owned == set(range(PARTITIONS)), SECONDS, "one takes what two had")
        paused.send(signal.SIGCONT)
        wait_until(lambda: shared(paused, left), SECONDS, "the paused one is back")
        workers.append(start(group, topic, config))
        wait_until(lambda: shared(*workers[1:]), SECONDS, "three share again")
    finally:
        load.end()
    wait_for_all(load, workers)
    for worker in workers[1:]:
        worker.end()
    check_committed(workers)
