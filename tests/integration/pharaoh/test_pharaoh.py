"""The services of the Pharaoh network over its binary protocol, spoken by another implementation of it."""
import socket
import struct
import subprocess
import threading

import psycopg
import pytest
from waiting import wait_until
from wire import SLOTS, Client, encode, slot_of

TTL_MS = 1000
MIB = 1 << 20


@pytest.mark.parametrize("role", ["obelisk", "all"])
def test_services(new_node, connect, role):
    node = new_node("--roles", role, "--pharaoh-port", "0")
    client = connect(node)
    ids = client.must("ids", count=4096)["numbers"]
    ids += client.must("ids", count=10, slot=SLOTS - 1)["numbers"]
    assert list(ids) == sorted(set(ids)) and len(ids) == 4106
    first = client.must("timestamps", count=1000)
    second = client.must("timestamps", count=1)
    assert second["first"] >= first["first"] + 1000
    begun = client.must("begin", count=3)
    assert begun["first"] > second["first"] and len(begun["numbers"]) == 3 and begun["numbers"][0] > ids[-1]
    assert client.must("sequence", name=b"orders", count=5, lease=5)["first"] == 1
    assert client.must("sequence", name=b"orders", count=1)["first"] == 6
    assert client.must("sequence", name=b"lines", count=1)["first"] == 1
    if role == "all":
        with psycopg.connect(f"host=127.0.0.1 port={node.ports['postgres']} user=test dbname=test") as connection:
            assert connection.execute("SELECT scarab()").fetchone()[0] > begun["numbers"][-1]
    node.stop()


def test_values_survive_kill(obelisk, connect):
    node = obelisk()
    client = connect(node)
    last = {"id": client.must("ids", count=100)["numbers"][-1], "ts": client.must("timestamps", count=1)["first"]}
    values = [client.must("sequence", name=b"s", count=1, lease=1)["first"] for _ in range(20)]
    assert values == list(range(1, 21))
    epoch = client.must("ids", count=1)["epoch"]
    node.kill()
    node.start()
    client = connect(node)
    ids = client.must("ids", count=1)
    assert ids["numbers"][0] > last["id"] and ids["epoch"] > epoch
    assert client.must("timestamps", count=1)["first"] > last["ts"]
    assert client.must("sequence", name=b"s", count=1)["first"] == 21  # a lease of one wastes nothing
    assert client.ask("ids", count=1, epoch=epoch)["code"] == "STALE"


def test_the_map_names_the_owner(obelisk, connect):
    node = obelisk()
    client = connect(node)
    value = client.must("map")["value"]
    first, count, epoch, port, host_bytes = struct.unpack_from("<HHQHB", value)
    assert (first, count, port, value[15:15 + host_bytes]) == (0, SLOTS, node.ports["pharaoh"], b"127.0.0.1")
    assert epoch == client.must("ids", count=1)["epoch"] > 0


def test_sessions_end(obelisk, connect):
    node = obelisk()
    client = connect(node)
    lives, ends = (client.must("open", ttl=TTL_MS, slot=slot)["session"] for slot in (3, 4))
    assert lives >> 53 == 3

    def gone():
        assert client.must("keep", numbers=[lives])["numbers"] == ()
        return dict(status(client))["sessions"] == 1

    wait_until(gone, 10, "the session that is not heard of ends")
    assert client.must("keep", numbers=[lives, ends])["numbers"] == (ends,)
    client.must("close", session=lives)
    assert client.ask("close", session=lives)["code"] == "NOT_FOUND"
    assert client.ask("open", ttl=10)["code"] == "MALFORMED"


def status(client):
    value, at = client.must("status")["value"], 0
    while at < len(value):
        size = value[at]
        yield value[at + 1:at + 1 + size].decode(), struct.unpack_from("<Q", value, at + 1 + size)[0]
        at += 1 + size + 8


def test_locks_go_down_their_line(obelisk, connect):
    node = obelisk()
    clients = [connect(node) for _ in range(3)]
    sessions = [client.must("open", ttl=20000)["session"] for client in clients]
    held = clients[0].must("lock", session=sessions[0], name=b"l", value=b"first")
    assert held["slot"] == slot_of(b"l")
    assert clients[1].ask("lock", session=sessions[1], name=b"l")["code"] == "BUSY"
    waiting = [clients[i].send("lock", session=sessions[i], name=b"l", wait=30000, value=b"later") for i in (1, 2)]
    assert clients[1].must("ids", count=1)  # the connection goes on meanwhile
    wait_until(lambda: clients[0].must("look", name=b"l")["count"] == 2, 10, "both are in line")
    found = clients[0].must("look", name=b"l")
    assert (found["session"], found["token"], found["value"]) == (sessions[0], held["token"], b"first")
    clients[0].must("unlock", session=sessions[0], token=held["token"], name=b"l")
    second = clients[1].reply_to(waiting[0])
    assert second["code"] == "OK" and second["token"] > held["token"]
    clients[1].close()  # the session lives on, and so does the lock
    assert clients[0].must("look", name=b"l")["session"] == sessions[1]
    clients[0].must("close", session=sessions[1])
    third = clients[2].reply_to(waiting[1])
    assert third["code"] == "OK" and third["token"] > second["token"]
    assert clients[0].ask("lock", session=sessions[0], name=b"l", wait=50)["code"] == "TIMED_OUT"


def test_after_a_restart_holders_come_first(obelisk, connect):
    node = obelisk("--session-ttl-max-ms", str(TTL_MS))
    client = connect(node)
    session = client.must("open", ttl=TTL_MS)["session"]
    token = client.must("lock", session=session, name=b"l")["token"]
    node.kill()
    node.start()
    client, other = connect(node), connect(node)
    rival = other.must("open", ttl=TTL_MS)["session"]
    waiting = other.send("lock", session=rival, name=b"l", wait=20000)
    client.must("resume", session=session, ttl=TTL_MS)
    client.must("claim", session=session, token=token, name=b"l")
    kept = []

    def time_passes():
        kept.append(client.must("keep", numbers=[session, rival])["count"])
        return len(kept) > 30

    wait_until(time_passes, 10, "the grace is over")
    assert set(kept) == {2} and client.must("look", name=b"l")["token"] == token
    client.must("unlock", session=session, token=token, name=b"l")
    assert other.reply_to(waiting)["token"] > token
    assert client.ask("claim", session=session, token=token, name=b"l")["code"] == "NOT_FOUND"


def test_memory_of_the_role(obelisk, connect, request):
    if "asan" in request.config.getoption("--build"):
        pytest.skip("memory with the sanitizer says nothing")
    node = obelisk()
    client = connect(node)
    client.must("ids", count=1)
    idle = node.resident_bytes()
    assert idle < 50 * MIB, f"{idle / MIB:.1f} MiB"
    opened = 0
    for _ in range(100):
        numbers = [client.send("open", ttl=20000, slot=i) for i in range(1000)]
        opened += sum(client.reply_to(number)["code"] == "OK" for number in numbers)
    assert opened == 100000
    assert node.resident_bytes() - idle < 20 * MIB


def test_hostile_bytes(obelisk, connect):
    """A length that is none, an operation that is none, frames a byte at a time, a client that does not read."""
    node = obelisk()
    for bad in (b"\xff\xff\xff\xff", b"\0\0\0\0", encode("ids", 1, count=1)[:8] + b"\x63" + encode("ids", 1, count=1)[9:],
                struct.pack("<I", 20) + bytes(20)):
        with socket.create_connection(("127.0.0.1", node.ports["pharaoh"]), timeout=20) as peer:
            peer.sendall(bad + bytes(100))
            while peer.recv(1 << 16):
                pass
    with socket.create_connection(("127.0.0.1", node.ports["pharaoh"]), timeout=20) as peer:
        for byte in encode("ids", 7, count=1):
            peer.sendall(bytes([byte]))
        assert peer.recv(4) == struct.pack("<I", 16 + 4 + 8)
    before = node.resident_bytes()
    with socket.create_connection(("127.0.0.1", node.ports["pharaoh"]), timeout=20) as peer:
        peer.settimeout(1)
        try:
            for _ in range(2000):
                peer.sendall(encode("ids", 7, count=4096) * 50)
        except TimeoutError:
            pass  # it is not read any more
        assert node.resident_bytes() - before < 64 * MIB
        assert connect(node).must("ids", count=1)  # others are served
    node.stop()


def test_many_at_once(obelisk):
    """No value twice, whoever asks."""
    node = obelisk()
    taken, errors = [], []

    def take():
        client = Client(node.ports["pharaoh"])
        try:
            for _ in range(200):
                reply = client.must("sequence", name=b"shared", count=2, lease=2)
                taken.extend((reply["first"], reply["first"] + 1))
        except AssertionError as error:
            errors.append(error)
        client.close()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and sorted(taken) == list(range(1, 3201))
    node.stop()


def test_the_role_from_a_file(new_node, connect, tmp_path):
    file = tmp_path / "cluster.toml"
    file.write_text('roles = ["obelisk"] # alone\npharaoh_port = 0\n')
    node = new_node("--config", str(file))
    assert set(node.ports) == {"pharaoh", "http"}
    assert connect(node).must("ids", count=1)["numbers"]
    node.stop()


@pytest.mark.parametrize("text, sentence", [('roles = ["obelisk", "other"]', "give all or obelisk"), ('roles = ["obelisk"]', "give a port"),
                                            ('roles = [obelisk]', "a list is of texts"), ('roles = ["all"', "ends with ]")])
def test_roles_that_are_none(binary, tmp_path, text, sentence):
    file = tmp_path / "cluster.toml"
    file.write_text(text + "\n")
    done = subprocess.run([str(binary), "server", "--data", str(tmp_path / "data"), "--config", str(file)], capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode == 2 and sentence in done.stderr, done.stderr


def test_what_ended_empty_needs_no_grace(obelisk, connect):
    """After an end in order without sessions and locks, locks are granted at once; after a session was left, they are not."""
    node = obelisk()
    session = connect(node).must("open", ttl=20000, slot=1)["session"]
    connect(node).must("close", session=session)
    node.stop()
    client = connect(node.start())
    session = client.must("open", ttl=20000, slot=1)["session"]
    client.must("lock", session=session, name=b"job")
    node.stop()
    client = connect(node.start())
    other = client.must("open", ttl=20000, slot=1)["session"]
    assert client.ask("lock", session=other, name=b"job")["code"] == "BUSY"
    node.stop()
