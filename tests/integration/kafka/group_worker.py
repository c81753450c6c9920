"""A member of a group as a process that can be killed and paused: commits what it has consumed, and before it gives a
partition up. Every line is a JSON list that begins with what happened and when, on the machine's monotonic clock.

    group_worker.py BROKER GROUP TOPIC CONFIG          CONFIG: JSON, of the consumer
    ["assigned", t, partitions]  ["revoked", t, partitions]  ["lost", t, partitions]
    ["seen", t, partition, [[offset, value], ...]]
    ["uncommitted", t, error]                          when partitions were given up
    ["committed", t, began, {partition: offset}]       t: when it was acknowledged; began: when it was asked for
"""
import json
import pathlib
import signal
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from waiting import wait_until  # noqa: E402

BATCH, COMMIT_S, COMMIT_SECONDS = 50, 0.2, 10
AGAIN = KafkaError.REBALANCE_IN_PROGRESS, 113  # STALE_MEMBER_EPOCH


def say(what, *rest):
    print(json.dumps([what, time.monotonic(), *rest]), flush=True)


class Worker:
    def __init__(self, broker, group, topic, config):
        self.topic, self.next, self.seen, self.running, self.committed_at = topic, {}, {}, True, 0
        settings = {"bootstrap.servers": broker, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
        self.consumer = Consumer(settings | json.loads(config))
        signal.signal(signal.SIGTERM, self.stop)
        self.consumer.subscribe([topic], on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_lost)

    def stop(self, *_):
        self.running = False

    def on_assign(self, _, partitions):
        self.tell_seen()
        say("assigned", [place.partition for place in partitions])

    def on_revoke(self, _, partitions):
        self.tell_seen()
        self.commit_before_revoking(self.places(place.partition for place in partitions))
        self.forget("revoked", partitions)

    def on_lost(self, _, partitions):
        self.tell_seen()
        self.forget("lost", partitions)

    def forget(self, what, partitions):
        for place in partitions:
            self.next.pop(place.partition, None)
        say(what, [place.partition for place in partitions])

    def tell_seen(self):
        for partition, records in self.seen.items():
            say("seen", partition, records)
        self.seen = {}

    def places(self, partitions):
        return [TopicPartition(self.topic, partition, self.next[partition]) for partition in partitions if partition in self.next]

    def commit(self, places):
        """The error, or None."""
        began = time.monotonic()
        try:
            failed = [place.error for place in self.consumer.commit(offsets=places, asynchronous=False) if place.error]
        except KafkaException as refused:
            failed = [refused.args[0]]
        if failed:
            return failed[0].code()
        say("committed", began, {place.partition: place.offset for place in places})
        return None

    def commit_before_revoking(self, places):
        """Who is between two epochs learns the new one with its next heartbeat, and tries again."""
        def is_over():
            error = self.commit(places)
            if error not in AGAIN + (None,):
                say("uncommitted", error)
            return error not in AGAIN

        if places:
            wait_until(is_over, COMMIT_SECONDS, "a commit before the partitions are given up")

    def turn(self):
        for turn in range(BATCH):
            message = self.consumer.poll(0 if turn else 0.1)
            if message is None:
                break
            if not message.error():
                self.seen.setdefault(message.partition(), []).append([message.offset(), message.value().decode()])
                self.next[message.partition()] = message.offset() + 1
        self.tell_seen()
        if self.next and time.monotonic() - self.committed_at > COMMIT_S:
            self.commit(self.places(self.next))  # refused in the middle of a rebalance: soon again
            self.committed_at = time.monotonic()

    def run(self):
        while self.running:
            self.turn()
        self.consumer.close()
        say("closed")


Worker(*sys.argv[1:]).run()
