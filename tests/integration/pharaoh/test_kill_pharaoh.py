"""kill -9 under load, again and again: no id, timestamp, value or token is there twice, and each client's rise.

    pytest tests/integration/pharaoh/test_kill_pharaoh.py --rounds 200

The checker knows nothing of how the numbers are made: it has every reply that a client read, in the order in which it read them,
and what was asked after a restart counts as later than all of before.
"""
import os
import random
import threading
import time

from waiting import wait_until
from wire import Client

TTL_MS = 1000
CLIENTS = 3
SEQUENCES = [b"orders", b"lines", b"x" * 200]


class Load:
    """One client: asks for everything until the node dies."""

    def __init__(self, port, seed, known):
        self.client, self.chance, self.known = Client(port), random.Random(seed), known
        self.ids, self.stamps, self.values, self.tokens = [], [], {name: [] for name in SEQUENCES}, {}
        self.session = self.wrong = None
        self.count = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while True:
                self.step()
                self.count += 1
        except OSError:
            pass  # the node is dead
        except AssertionError as error:
            self.wrong = None if "closed" in str(error) else error

    def step(self):
        what = self.chance.randrange(4)
        if what == 0:
            self.ids.append(self.client.must("ids", count=self.chance.randrange(1, 4097), slot=self.chance.randrange(1024))["numbers"])
        elif what == 1:
            reply = self.client.must("begin", count=self.chance.randrange(1, 100))
            self.ids.append(reply["numbers"])
            self.stamps.append((reply["first"], reply["count"]))
        elif what == 2:
            name = self.chance.choice(SEQUENCES)
            reply = self.client.must("sequence", name=name, count=self.chance.randrange(1, 10), lease=self.chance.choice([1, 50, 0]))
            self.values[name].append((reply["first"], reply["count"]))
        else:
            self.lock()

    def lock(self):
        if self.session is None:
            self.session = self.client.must("open", ttl=TTL_MS, slot=self.chance.randrange(1024))["session"]
        if self.client.must("keep", numbers=[self.session])["count"] == 0:
            self.session = None
            return
        name = b"lock%d" % self.chance.randrange(3)
        reply = self.client.ask("lock", session=self.session, name=name, wait=self.chance.choice([0, 20]))
        if reply["code"] == "OK":
            self.tokens.setdefault(name, []).append((reply["token"], self.session))
            self.client.must("unlock", session=self.session, token=reply["token"], name=name)


class Checker:
    def __init__(self):
        self.ids, self.last_id, self.last_stamp = set(), 0, 0
        self.values = {name: 0 for name in SEQUENCES}
        self.tokens, self.sessions = set(), set()
        self.highest = {}

    def rises(self, ranges, last, what):
        for first, count in ranges:
            assert first > last, f"{what}: {first} is not above {last}"
            last = first + count - 1
        return last

    def check(self, loads):
        before_id, before_stamp, before_values, before_tokens = self.last_id, self.last_stamp, dict(self.values), dict(self.highest)
        given = []
        for load in loads:
            assert load.wrong is None, load.wrong
            last = before_id
            for batch in load.ids:
                assert list(batch) == sorted(batch) and batch[0] > last, "ids do not rise"
                last = batch[-1]
                assert self.ids.isdisjoint(batch), "an id is there twice"
                self.ids.update(batch)
            self.last_id = max(self.last_id, last)
            self.last_stamp = max(self.last_stamp, self.rises(load.stamps, before_stamp, "timestamps"))
            for name in SEQUENCES:
                self.values[name] = max(self.values[name], self.rises(load.values[name], before_values[name], "values"))
                given += [(name, *r) for r in load.values[name]]
            given += [(b"", *r) for r in load.stamps]
            for name, tokens in load.tokens.items():
                last = before_tokens.get(name, 0)
                for token, session in tokens:
                    assert token > last and (name, token) not in self.tokens, f"token {token:x} of {name}"
                    last = token
                    self.tokens.add((name, token))
                    assert session not in self.sessions, "a session of an earlier life"
                self.highest[name] = max(self.highest.get(name, 0), last)
        self.sessions.update(load.session for load in loads if load.session)
        given.sort()
        for (name, first, count), (other, next_first, _) in zip(given, given[1:]):
            assert name != other or first + count <= next_first, f"{name}: {next_first} is there twice"


def test_rounds(obelisk, request):
    rounds = request.config.getoption("--rounds")
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")
    chance, checker = random.Random(seed), Checker()
    node = obelisk("--session-ttl-max-ms", str(TTL_MS))
    for number in range(rounds):
        loads = [Load(node.ports["pharaoh"], seed + number * CLIENTS + i, checker) for i in range(CLIENTS)]
        least = chance.randrange(1, 200)
        until = time.monotonic() + 30
        wait_until(lambda: all(load.count >= least or load.wrong for load in loads), 30, "the load is answered")  # noqa: B023
        assert time.monotonic() < until
        node.kill()
        for load in loads:
            load.thread.join(30)
            load.client.close()
        checker.check(loads)
        began = time.monotonic()
        node.start()
        assert time.monotonic() - began < 15
    node.stop()


def test_epochs_rise_with_each_start(obelisk, connect):
    """Also when the lives before were short."""
    node = obelisk()
    last = 0
    for _ in range(5):
        reply = connect(node).must("ids", count=1)
        assert reply["epoch"] > last
        last = reply["epoch"]
        node.kill()
        node.start()
    node.stop()
