"""First figures of one Pyralog alone on this machine: a part of `make bench`, or `bench/first.py BUILD`.

Each line says what was measured, the result and the target. Nothing else should run meanwhile.
"""
import pathlib
import subprocess
import sys
import tempfile
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


def load(build, node):
    """What a start after a crash has to read: some seconds of full load."""
    subprocess.run([str(build / "src" / "cli" / "pyralog"), "bench", "--broker", node.kafka, "--seconds", "5", "--keep",
                    "--quiet", "--batch-records", "5000"], check=True, stdout=subprocess.DEVNULL)


def figures(build):
    """[(what, measured, target)]"""
    build, found = pathlib.Path(build).resolve(), []

    def show(what, value, target):
        found.append((what, value, target))
        print(f"  {what:<52} {value}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="pyralog-bench-", dir=build) as folder:
        node = Node(build / "src" / "cli" / "pyralog", pathlib.Path(folder))
        show("start, empty directory", f"{start_seconds(node):.3f} s", "< 0.3 s")
        try:
            show("resident memory, idle, before the first query", f"{node.resident_bytes() / 2**20:.1f} MiB", "<= 64 MiB")
            create_topic(node, "bench")
            create_topic(node, "seen")
            times = acknowledge_ms(node)
            show("durable acknowledge of one 100-byte record, Python client",
                 f"p50 {percentile(times, 50):.3f} p99 {percentile(times, 99):.3f} ms", "p50 <= 0.25, p99 < 1 ms")
            times = visible_ms(node)
            show("acknowledged to selected, round trip included",
                 f"p50 {percentile(times, 50):.2f} p99 {percentile(times, 99):.2f} ms", "p99 <= 5 ms")
            load(build, node)
            node.kill()
            show("start after kill -9 under load", f"{start_seconds(node):.3f} s", "< 0.3 s")
        finally:
            if node.is_running():
                node.kill()
    return found


if __name__ == "__main__":
    figures(sys.argv[1] if len(sys.argv) > 1 else "build")
