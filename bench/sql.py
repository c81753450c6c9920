"""SQL side by side with PostgreSQL 15 in one run: latencies over the wire, and aggregates over all rows.

    python bench/sql.py BUILD                10 M rows, writes docs/PERFORMANCE.md between its marks
    python bench/sql.py BUILD --trial        200,000 rows, writes nothing

Both answer one client (psycopg, prepared statements, loopback) by turns, so that what else goes on hits both. PostgreSQL has
a table with a primary key over (partition, "offset") and the settings of its package, but 256 MB of shared buffers, and is
vacuumed; Pyralog the same rows as a topic, sealed.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "bench")]
import psycopg  # noqa: E402
import psycopg.types.string  # noqa: E402
from conftest import Node  # noqa: E402
from confluent_kafka import Producer  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
from postgres import running  # noqa: E402
from report import number  # noqa: E402

BEGIN, END = "<!-- bench-sql:begin -->", "<!-- bench-sql:end -->"
PARTITIONS = 4
SECONDS = 600
CARRIERS = ["AA", "B6", "DL", "UA", "WN", "F9", "HA"]
POINT = 'SELECT value FROM flights WHERE partition = %s AND "offset" = %s'
RANGE = 'SELECT "offset", key, value FROM flights WHERE partition = %s AND "offset" BETWEEN %s AND %s'
COUNT = "SELECT count(*) FROM flights"
GROUPS = "SELECT key, count(*) FROM flights GROUP BY key ORDER BY key"
FIELDS = "SELECT value->>'carrier', sum((value->>'delay')::int) FROM flights GROUP BY 1 ORDER BY 1"


def row(n):
    """Key and value of row n."""
    carrier = CARRIERS[n * 7919 % len(CARRIERS)]
    return carrier, json.dumps({"carrier": carrier, "delay": n % 180 - 20, "flight": n, "tail": f"N{n % 5000:05d}"})


def fill_ours(node, rows):
    admin = AdminClient({"bootstrap.servers": node.kafka})
    admin.create_topics([NewTopic("flights", PARTITIONS)])["flights"].result(SECONDS)
    producer = Producer({"bootstrap.servers": node.kafka, "linger.ms": 20, "queue.buffering.max.messages": 500000,
                         "batch.size": 500000})
    for n in range(rows):
        key, value = row(n)
        while True:
            try:
                producer.produce("flights", key=key, value=value, partition=n % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
        if n % 1000 == 0:
            producer.poll(0)
    assert producer.flush(SECONDS) == 0


def fill_theirs(connection, rows):
    connection.execute('CREATE TABLE flights ("offset" bigint, partition int, timestamp timestamptz DEFAULT now(), key text, value json)')
    with connection.cursor().copy('COPY flights ("offset", partition, key, value) FROM STDIN') as copy:
        for n in range(rows):
            copy.write_row((n // PARTITIONS, n % PARTITIONS, *row(n)))
    connection.execute('ALTER TABLE flights ADD PRIMARY KEY (partition, "offset")')
    connection.execute("VACUUM ANALYZE flights")


def ask(connection, query, parameters=None):
    start = time.perf_counter()
    answer = connection.execute(query, parameters, prepare=True).fetchall()
    return time.perf_counter() - start, answer


def by_turns(ours, theirs, query, parameters_of, times):
    """Latencies of both in seconds; answers must be alike."""
    found = [], []
    for i in range(times + times // 10 + 1):
        parameters = parameters_of(i)
        pairs = [ask(connection, query, parameters) for connection in (ours, theirs)]
        assert sorted(map(str, pairs[0][1])) == sorted(map(str, pairs[1][1])), (query, parameters)
        if i > times // 10:
            for times_of, (seconds, _) in zip(found, pairs):
                times_of.append(seconds)
    return found


def line(title, ours, theirs):
    p50, other = statistics.median(ours), statistics.median(theirs)
    p99s = (f"{number(sorted(part)[int(len(part) * 0.99)] * 1000)}" if len(part) >= 100 else "-" for part in (ours, theirs))
    return [title, number(p50 * 1000), number(other * 1000), f"{p50 / other:.2f} x", " / ".join(p99s)]


def measure(node, postgres, rows, times):
    port = node.ports["postgres"]
    last = rows // PARTITIONS
    with psycopg.connect(f"host=127.0.0.1 port={port} user=bench dbname=pyralog", autocommit=True) as ours:
        postgres.adapters.register_loader("json", psycopg.types.string.TextLoader)
        def point(i):
            return i % PARTITIONS, i * 7919 % last

        yield line("one row by partition and offset, not read before", *by_turns(ours, postgres, POINT, point, times))
        for connection in (ours, postgres):
            ask(connection, GROUPS)  # all rows: from now on they are in the system's page cache, as PostgreSQL's are since it wrote them
        yield line("one row by partition and offset", *by_turns(ours, postgres, POINT, point, times))
        yield line("1,000 rows by partition and offset", *by_turns(
            ours, postgres, RANGE, lambda i: (i % PARTITIONS, i * 7919 % (last - 1000), i * 7919 % (last - 1000) + 999), times // 5))
        for title, query in ((f"count(*) of {number(rows)} rows", COUNT), ("the same, by key", GROUPS), ("sum of a JSON field by another", FIELDS)):
            yield line(title, *by_turns(ours, postgres, query, lambda _: None, 3))


HEAD = ["query", "Pyralog ms", "PostgreSQL ms", "Pyralog takes", "p99 ms"]


def write(lines, rows):
    table = ["| " + " | ".join(cells) + " |" for cells in [HEAD, ["---"] * len(HEAD), *lines]]
    text = "\n".join([BEGIN, "", f"Medians, one client, {number(rows)} rows, {os.cpu_count()} cores, by `make bench-sql`:", "", *table, "", END])
    path = ROOT / "docs" / "PERFORMANCE.md"
    document = path.read_text()
    before, after = document[:document.index(BEGIN)], document[document.index(END) + len(END):]
    path.write_text(before + text + after)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--trial", action="store_true")
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    rows, times = (200_000, 300) if options.trial else (options.rows, 2000)
    with tempfile.TemporaryDirectory() as folder, running("-c", "shared_buffers=256MB") as postgres:
        node = Node(pathlib.Path(options.build).resolve() / "src" / "cli" / "pyralog", pathlib.Path(folder)).start()
        try:
            fill_ours(node, rows)
            fill_theirs(postgres, rows)
            lines = []
            for cells in measure(node, postgres, rows, times):
                lines.append(cells)
                print("  ".join(cell.ljust(36 if i == 0 else 14) for i, cell in enumerate(cells)), flush=True)
        finally:
            node.stop()
    if not options.trial:
        write(lines, rows)


if __name__ == "__main__":
    main()
