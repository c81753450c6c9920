"""First figures of one node on this machine: `make bench`, or `bench/run.py BUILD`.

Each line says what was measured, the result and the target of docs/PERFORMANCE.md. Nothing else should run meanwhile.
"""
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests" / "integration" / "kafka")]
import psycopg  # noqa: E402
import raw  # noqa: E402
from conftest import Node  # noqa: E402

ACKS = 4000
VISIBLE = 400


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


def receive(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise ConnectionError("the server closed the connection")
        data += piece
    return data


def ask(sock, request):
    sock.sendall(request)
    return receive(sock, int.from_bytes(receive(sock, 4), "big"))


def create_topic(node, name):
    subprocess.run(["kcat", "-b", node.kafka, "-P", "-t", name], input=b"first\n", check=True)


def start_seconds(node):
    before = time.perf_counter()
    node.start()
    return time.perf_counter() - before


def acknowledge_ms(node):
    """One record in flight, acks=all, synced before the answer; the client is this script, its cost included."""
    request = raw.produce("bench", raw.batch([b"x" * 100]), acks=-1)
    times = []
    with raw.Connection(node) as connection:
        for _ in range(ACKS):
            before = time.perf_counter()
            ask(connection.socket, request)
            times.append((time.perf_counter() - before) * 1000)
    return times[ACKS // 10:]


def visible_ms(node):
    """From the acknowledgement to the answer of a SELECT that must hold the record."""
    times = []
    request = raw.produce("seen", raw.batch([b"x" * 100]), acks=-1)
    with raw.Connection(node) as connection, psycopg.connect(
            f"host=127.0.0.1 port={node.ports['postgres']} user=bench dbname=bench", autocommit=True) as sql:
        for _ in range(VISIBLE):
            response = ask(connection.socket, request)
            error, offset = raw.produce_error(b"\0\0\0\0" + response)
            assert error == 0, f"the record was refused with error {error}"
            before = time.perf_counter()
            found = sql.execute(f'SELECT count(*) FROM seen WHERE partition = 0 AND "offset" = {offset}').fetchone()[0]
            times.append((time.perf_counter() - before) * 1000)
            assert found == 1, f"the record at offset {offset} was acknowledged but not found"
    return times[VISIBLE // 10:]


def throughput(node, records, seconds=5, connections=4, in_flight=4):
    """Prebuilt batches of random 100-byte values, acks=all; several connections, each to a partition of its own."""
    batch = raw.batch([random.randbytes(100) for _ in range(records)])
    answered = [0] * connections

    def load(number):
        request = raw.produce("bulk", batch, acks=-1, partition=number)
        until = time.perf_counter() + seconds
        sent = 0
        with raw.Connection(node) as connection:
            while answered[number] < sent or sent == 0:
                while sent - answered[number] < in_flight and time.perf_counter() < until:
                    connection.socket.sendall(request)
                    sent += 1
                response = receive(connection.socket, int.from_bytes(receive(connection.socket, 4), "big"))
                error, _ = raw.produce_error(b"\0\0\0\0" + response)
                assert error == 0, f"a batch was refused with error {error}"
                answered[number] += 1

    threads = [threading.Thread(target=load, args=(i,)) for i in range(connections)]
    before = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = sum(answered) / (time.perf_counter() - before)
    return rate * records, rate * len(batch)


def show(what, value, target):
    print(f"{what:<52} {value:<28} target {target}", flush=True)


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
    with tempfile.TemporaryDirectory(prefix="pyralog-bench-", dir=ROOT / "build") as folder:
        node = Node(build / "src" / "cli" / "pyralog", pathlib.Path(folder))
        show("start, empty directory", f"{start_seconds(node):.3f} s", "< 0.3 s")
        try:
            show("resident memory, idle, before the first query", f"{node.resident_bytes() / 2**20:.1f} MiB", "<= 64 MiB")
            create_topic(node, "bench")
            create_topic(node, "seen")
            times = acknowledge_ms(node)
            show("durable acknowledge of one 100-byte record",
                 f"p50 {percentile(times, 50):.3f} p99 {percentile(times, 99):.3f} ms", "p50 <= 0.25, p99 < 1 ms")
            times = visible_ms(node)
            show("acknowledged to selected, round trip included",
                 f"p50 {percentile(times, 50):.2f} p99 {percentile(times, 99):.2f} ms", "p99 <= 5 ms")
            create_topic(node, "bulk")
            for records in (5000, 100):
                per_second, bytes_per_second = throughput(node, records)
                show(f"durable throughput, {records} x 100 B a batch, Python client",
                     f"{per_second / 1e6:.2f} M/s, {bytes_per_second / 1e6:.0f} MB/s", "none yet")
            node.kill()
            show("start after kill -9", f"{start_seconds(node):.3f} s", "< 0.3 s")
        finally:
            if node.is_running():
                node.kill()


main()
