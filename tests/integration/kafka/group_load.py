"""A load of numbered records, members of a group that are processes (group_worker.py), and what must hold of what they saw."""
import collections
import json
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest
from confluent_kafka import Producer
from waiting import wait_until

PROGRAM = pathlib.Path(__file__).parent / "group_worker.py"
SECONDS, PARTITIONS, RECORDS_PER_S = 40, 6, 500
CLASSIC = {"group.protocol": "classic", "session.timeout.ms": 6000, "heartbeat.interval.ms": 300}
EAGER = CLASSIC | {"partition.assignment.strategy": "range"}
COOPERATIVE = CLASSIC | {"partition.assignment.strategy": "cooperative-sticky"}
CONSUMER = {"group.protocol": "consumer"}


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
        self.ended = time.monotonic()
        self.over.set()
        self.thread.join()
        assert self.producer.flush(SECONDS) == 0 and not self.failed


class Worker:
    """A process, and what it told. `program`: another than group_worker.py; then config is a text."""

    def __init__(self, node, group, topic, config, program=None):
        start = [*program, node.kafka, group, topic, config] if program else \
            [sys.executable, str(PROGRAM), node.kafka, group, topic, json.dumps(config)]
        self.events, self.owned, self.seen = [], set(), 0
        self.process = subprocess.Popen(start, stdout=subprocess.PIPE, text=True)
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
        assert self.process.wait(SECONDS) in (0, -number, 128 + number), "it failed"  # Java: 128 + number
        self.thread.join(SECONDS)

    def count(self, what):
        return sum(event[0] == what for event in self.events)


@pytest.fixture
def start(node):
    workers = []

    def make(group, topic, config, program=None):
        workers.append(Worker(node, group, topic, config, program))
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


def events_near(workers, at):
    """What everybody told in the second around it, but for what was seen and committed."""
    return sorted((event[1], i, event[0], *event[2:]) for i, worker in enumerate(workers) for event in worker.events
                  if abs(event[1] - at) < 1 and event[0] not in ("seen", "committed"))


def check_once(load, workers):
    """Everybody ended well, so nothing was seen twice either. When the load is over all is committed, and who is ended in the
    middle of a rebalance then, and has left before it commits (librdkafka does), loses nothing."""
    unwanted = [(i, event) for i, worker in enumerate(workers) for event in worker.events
                if event[0] in ("uncommitted", "lost") and event[1] < load.ended]
    assert not unwanted, f"{unwanted}: {[events_near(workers, event[1]) for _, event in unwanted]}"
    every = sorted(value for _, _, _, _, value in records(workers))
    assert every == list(range(load.count)), f"{len(every) - len(set(every))} were seen twice"
    check_committed(workers)
