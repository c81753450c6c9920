"""Groups whose members come, go, are killed and paused while records come in: nothing is lost, and what was committed before a
member got its partition is not seen again. Members are processes (group_worker.py), of both protocols."""
import collections
import json
import pathlib
import signal
import subprocess
import sys
import threading

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from waiting import wait_until

PROGRAM = pathlib.Path(__file__).parent / "group_worker.py"
SECONDS, PARTITIONS, RECORDS_PER_S = 40, 6, 500
ARGUMENTS = ["--group-heartbeat-ms", "300"]
CLASSIC = {"group.protocol": "classic", "session.timeout.ms": 6000, "heartbeat.interval.ms": 300}
PROTOCOLS = {
    "classic-eager": CLASSIC | {"partition.assignment.strategy": "range"},
    "classic-cooperative": CLASSIC | {"partition.assignment.strategy": "cooperative-sticky"},
    "consumer": {"group.protocol": "consumer"},
}


class Load:
    """Numbered records to every partition in turn, until it is over."""

    def __init__(self, node, topic):
        self.producer = Producer({"bootstrap.servers": node.kafka, "linger.ms": 5})
        self.topic, self.count, self.failed = topic, 0, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.over.wait(0.02):
            for _ in range(RECORDS_PER_S // 50):
                self.producer.produce(self.topic, value=b"%d" % self.count, partition=self.count % PARTITIONS,
                                      on_delivery=lambda error, _: error and self.failed.append(error))
                self.count += 1
            self.producer.poll(0)

    def end(self):
        self.over.set()
        self.thread.join()
        assert self.producer.flush(SECONDS) == 0 and not self.failed


class Worker:
    """A process, and what it told."""

    def __init__(self, node, group, topic, config):
        command = [sys.executable, str(PROGRAM), node.kafka, group, topic, json.dumps(config)]
        self.events, self.owned, self.seen = [], set(), 0
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            if not line.endswith("\n"):
                break  # it was killed in the middle
            what, _, *rest = event = json.loads(line)
            if what == "assigned":
                self.owned |= set(rest[0])
            elif what in ("revoked", "lost"):
                self.owned -= set(rest[0])
            elif what == "seen":
                self.seen += len(rest[1])
            self.events.append(event)

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        self.send(number)
        assert self.process.wait(SECONDS) in (0, -number), "it failed"
        self.thread.join(SECONDS)

    def count(self, what):
        return sum(event[0] == what for event in self.events)


@pytest.fixture
def start(node, client):
    workers = []

    def make(group, topic, config):
        workers.append(Worker(node, group, topic, config))
        return workers[-1]

    yield make
    for worker in workers:
        if worker.process.poll() is None:
            worker.send(signal.SIGCONT)
            worker.process.kill()
            worker.process.wait(SECONDS)


def shared(*workers):
    owned = [sorted(worker.owned) for worker in workers]
    return sorted(sum(owned, [])) == list(range(PARTITIONS)) and all(owned)


def records(workers):
    """[(worker, event's time, partition, offset, value)]"""
    return [(worker, event[1], event[2], offset, int(value)) for worker in workers for event in worker.events
            if event[0] == "seen" for offset, value in event[3]]


def values_seen(workers):
    return {value for _, _, _, _, value in records(workers)}


def check_committed(workers):
    """What a member sees, having got a partition, is not below what anybody had committed of it before."""
    commits = collections.defaultdict(list)
    for worker in workers:
        for event in worker.events:
            if event[0] == "committed":
                for partition, offset in event[3].items():
                    commits[int(partition)].append((event[1], event[2], offset))
    assert len(commits) == PARTITIONS
    for worker in workers:
        floor = {}
        for what, at, *rest in worker.events:
            if what == "assigned":
                floor |= {one: max([offset for acked, _, offset in commits[one] if acked < at], default=0) for one in rest[0]}
            elif what == "seen":
                partition, offsets = rest[0], [offset for offset, _ in rest[1]]
                assert min(offsets) >= floor[partition], f"partition {partition}: {min(offsets)} was committed before"
                assert offsets == list(range(offsets[0], offsets[0] + len(offsets))), "in order, without a gap"
    for partition, all_of_it in commits.items():
        for _, began, offset in all_of_it:
            before = max([other for acked, _, other in all_of_it if acked < began], default=0)
            assert offset >= before, f"partition {partition}: {offset} was committed after {before}"


def wait_for_all(load, workers):
    load.end()
    wait_until(lambda: len(values_seen(workers)) == load.count, SECONDS, f"{load.count} records, each seen by somebody")


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
    assert sum(worker.count("uncommitted") + worker.count("lost") for worker in workers) == 0
    every = sorted(value for _, _, _, _, value in records(workers))
    assert every == list(range(load.count)), f"{len(every) - len(set(every))} were seen twice"
    check_committed(workers)


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
