"""A subscribed consumer for the tests of groups: polled on a thread of its own until it is closed."""
import threading

from confluent_kafka import Consumer
from waiting import wait_until

SECONDS = 30


class Member:
    """Knows what it owns and has seen."""

    def __init__(self, node, group, topic, **config):
        settings = {"bootstrap.servers": node.kafka, "group.id": group, "auto.offset.reset": "earliest"}
        settings |= {"enable.auto.commit": False}
        if config.get("group.protocol") != "consumer":
            settings |= {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
        self.consumer = Consumer(settings | config)
        self.owned, self.seen, self.revocations, self.errors = set(), [], 0, []
        self.wanted, self.committed = False, None
        self.incremental = config.get("group.protocol") == "consumer" or "cooperative" in str(config)
        self.lock = threading.Lock()
        self.running = threading.Event()
        self.running.set()
        self.awake = threading.Event()
        self.awake.set()
        self.consumer.subscribe([topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _assign(self, _, partitions):
        with self.lock:
            self.owned |= {one.partition for one in partitions}

    def _revoke(self, _, partitions):
        with self.lock:
            self.revocations += len(partitions)
            self.owned -= {one.partition for one in partitions}

    def _run(self):
        while self.running.is_set():
            self.awake.wait()
            for message in self.consumer.consume(100, timeout=0.1):
                if message.error():
                    self.errors.append(message.error())
                else:
                    self.seen.append((message.partition(), message.offset(), message.value()))
            if self.wanted:
                self.committed = self.consumer.commit(asynchronous=False)
                self.wanted = False

    def commit(self):
        """Commits what was seen, on the thread that polls; the client hangs when two threads use it."""
        self.wanted = True
        wait_until(lambda: not self.wanted, SECONDS, "the commit")
        return self.committed

    def close(self):
        self.running.clear()
        self.awake.set()
        self.thread.join(SECONDS)
        self.consumer.close()


def shared(members, count):
    """Do the members own all partitions, each by one of them, and nobody none?"""
    owned = [sorted(member.owned) for member in members]
    return sorted(sum(owned, [])) == list(range(count)) and all(owned)
