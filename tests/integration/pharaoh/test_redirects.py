"""Clients of a network of several nodes: the map of slots, redirects, nodes that are gone. One node is real, the others are by hand,
from docs/formats/pharaoh.md: they own nothing, and know who does, or don't."""
import contextlib
import socket
import struct
import subprocess
import threading

import pytest
from wire import CODES, OPS

SECONDS = 60
MOVED, MAP = CODES.index("MOVED"), OPS["map"]


class Stranger(threading.Thread):
    """A node that has no slot. `owner` is the port that it names in redirects (0: none), `mapped` the one in its map."""

    def __init__(self, owner, mapped):
        super().__init__(daemon=True)
        self.owner, self.mapped, self.asked = owner, mapped, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, peer):
        left = b""
        with contextlib.suppress(OSError), peer:
            while data := peer.recv(65536):
                left += data
                while len(left) >= 4 and len(left) >= (end := 4 + struct.unpack_from("<I", left)[0]):
                    number, op = struct.unpack_from("<IB", left, 4)
                    left = left[end:]
                    peer.sendall(self.reply(number, op))

    def reply(self, number, op):
        host = b"127.0.0.1"
        self.asked.append(op)
        if op == MAP:
            run = struct.pack("<HHQHB", 0, 1024, 9, self.mapped, len(host)) + host if self.mapped else b""
            body = struct.pack("<IBBHQ", number, op, 0, 0, 0) + struct.pack("<H", len(run)) + run
        else:
            host = host if self.owner else b""
            body = struct.pack("<IBBHQ", number, op, MOVED, 0, 9) + struct.pack("<HB", self.owner, len(host)) + host
        return struct.pack("<I", len(body)) + body


@pytest.fixture
def stranger():
    made = []

    def make(owner=0, mapped=0):
        made.append(Stranger(owner, mapped))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.listener.close()


def seq(binary, *nodes, code=0):
    done = subprocess.run([str(binary), "seq", "orders", "--pharaoh", ",".join(f"127.0.0.1:{node}" for node in nodes)], capture_output=True,
                          text=True, timeout=SECONDS, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout.strip() if code == 0 else done.stderr


def test_a_redirect_is_followed(obelisk, stranger, binary):
    real = obelisk().ports["pharaoh"]
    one = stranger(owner=real)
    assert [seq(binary, one.port) for _ in range(3)] == ["1", "2", "3"]
    two = stranger(owner=one.port)  # from one to the next
    assert seq(binary, two.port) == "4"
    assert OPS["sequence"] in one.asked and OPS["sequence"] in two.asked


def test_who_is_gone_is_gone_around(obelisk, stranger, binary):
    real = obelisk().ports["pharaoh"]
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = closed.getsockname()[1]
    assert seq(binary, gone, real) == "1"
    assert seq(binary, stranger(owner=gone).port, real) == "2"  # it names one that is gone


def test_nobody_has_the_slot(stranger, binary):
    one = stranger()
    assert "has no owner at the moment" in seq(binary, one.port, code=1)
    assert one.asked.count(OPS["sequence"]) > 5  # again and again, while it may
    two = stranger(owner=one.port)
    one.owner = two.port  # each names the other: it ends all the same
    assert "has no owner at the moment" in seq(binary, two.port, code=1)


def test_a_map_is_believed_until_a_reply_says_otherwise(obelisk, stranger, binary):
    """The library asks many times by one handle: the map sends it to the owner, and what was wrong in it does no harm."""
    real = obelisk().ports["pharaoh"]
    right, wrong = stranger(owner=real, mapped=real), stranger(owner=real)
    wrong.mapped = wrong.port
    program = binary.parents[2] / "examples" / "one_at_a_time"
    for number, node in enumerate((right, wrong), 1):
        done = subprocess.run([str(program), f"127.0.0.1:{node.port}"], capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0 and done.stdout.endswith(f"invoice {number}\n"), done.stderr
    assert len(right.asked) <= 3 and len(wrong.asked) <= 3  # the owner's own map is the next that is known
