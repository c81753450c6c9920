"""The tour: `make demo`, or `tools/demo.py BUILD`.

A node on a temporary directory and free ports takes 336,776 real flights as JSON over the Kafka protocol while SQL already
runs on them, answers three questions, is killed with SIGKILL in the middle of a second load, and loses nothing. Only
standard clients are used: confluent-kafka and psycopg. Exits with 0 when every step did what it says.
"""
import csv
import json
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import psycopg
from confluent_kafka import Producer

ROOT = pathlib.Path(__file__).resolve().parents[1]
FLIGHTS = ROOT / ".deps" / "data" / "flights.csv"
NUMBERS = {"year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
           "flight", "air_time", "distance", "hour", "minute"}
COLOUR = sys.stdout.isatty()
START_SECONDS = 20

QUESTIONS = [
    ("Which carriers run late?", """
        SELECT key AS carrier, count(*) AS flights, round(avg((value->>'dep_delay')::numeric), 1) AS avg_delay_min
        FROM flights GROUP BY key ORDER BY avg_delay_min DESC LIMIT 8"""),
    ("Which routes are busiest?", """
        SELECT value->>'origin' AS origin, value->>'dest' AS dest, count(*) AS flights,
               round(avg((value->>'arr_delay')::numeric), 1) AS avg_arrival_delay_min
        FROM flights GROUP BY 1, 2 ORDER BY flights DESC LIMIT 8"""),
    ("When in the day do delays build up?", """
        SELECT (value->>'hour')::int AS hour, count(*) AS flights,
               round(avg((value->>'dep_delay')::numeric), 1) AS avg_delay_min
        FROM flights GROUP BY 1 ORDER BY 1"""),
]


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def step(text):
    print(f"\n{paint('==', '36')} {paint(text, '1')}", flush=True)


def table(names, rows):
    cells = [[str(name) for name in names]] + [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    numeric = [all(not isinstance(row[i], str) for row in rows) for i in range(len(names))]
    for number, row in enumerate(cells):
        line = "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric))
        print("   " + (paint(line, "1") if number == 0 else line).rstrip())
        if number == 0:
            print("   " + "  ".join("─" * w for w in widths))


class Bar:
    """A progress bar on a terminal, a line every ten percent elsewhere."""

    def __init__(self, total):
        self.total = total
        self.shown = -1

    def show(self, done, note):
        percent = 100 * done // self.total
        if COLOUR:
            blocks = "█" * (percent * 30 // 100)
            print(f"\r   {blocks:<30} {percent:3d} %  {note}\033[K", end="" if done < self.total else "\n", flush=True)
        elif percent // 10 > self.shown:
            self.shown = percent // 10
            print(f"   {percent:3d} %  {note}", flush=True)


class Node:
    """The server process: `start()` waits until it has told its ports."""

    def __init__(self, binary, folder):
        self.command = [str(binary), "server", "--data", str(folder / "data"), "--kafka-port", "0", "--pg-port", "0",
                        "--http-port", "off", "--log-level", "warning"]

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        watchdog = threading.Timer(START_SECONDS, self.process.kill)
        watchdog.start()
        self.ports = {}
        for line in self.process.stdout:
            name, _, rest = line.partition(" ")
            if name == "ready:":
                break
            self.ports[name] = int(rest.rpartition(":")[2])
            print(f"   {line.strip()}")
        watchdog.cancel()
        if "postgres" not in self.ports:
            raise SystemExit("the server did not start: see the message above")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(START_SECONDS)

    def producer(self):
        return Producer({"bootstrap.servers": f"127.0.0.1:{self.ports['kafka']}", "enable.idempotence": True, "acks": "all",
                         "linger.ms": 5, "compression.type": "lz4", "queue.buffering.max.messages": 200000,
                         "log_level": 0})

    def sql(self):
        return psycopg.connect(f"host=127.0.0.1 port={self.ports['postgres']} user=demo dbname=demo", autocommit=True)


def read_flights():
    with open(FLIGHTS, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            event = {}
            for name, value in row.items():
                missing = value in ("", "NA")
                event[name] = None if missing else int(float(value)) if name in NUMBERS else value
            yield event["carrier"], json.dumps(event, separators=(",", ":"))


class Watcher(threading.Thread):
    """SQL while the events come in: is what was just acknowledged already there?"""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.connection = node.sql()
        self.acknowledged = queue.SimpleQueue()
        self.delays_ms = []
        self.count = 0
        self.over = False

    def run(self):
        while not self.over:
            try:
                partition, offset, at = self.acknowledged.get(timeout=0.2)
            except queue.Empty:
                continue
            row = self.connection.execute(
                'SELECT count(*) FROM flights WHERE partition = %s AND "offset" = %s', (partition, offset)).fetchone()
            if row[0] != 1:
                raise SystemExit(f"partition {partition}, offset {offset} was acknowledged but SQL does not see it")
            self.delays_ms.append((time.perf_counter() - at) * 1000)
            self.count = self.connection.execute("SELECT count(*) FROM flights").fetchone()[0]
            while not self.acknowledged.empty():  # only the newest is worth asking for
                self.acknowledged.get()

    def end(self):
        self.over = True
        self.join(10)
        self.connection.close()


def load(node, flights):
    producer, watcher, bar, done = node.producer(), Watcher(node), Bar(len(flights)), [0]
    watcher.start()

    def delivered(error, message):
        if error is not None:
            raise SystemExit(f"a record was not stored: {error}")
        done[0] += 1
        if done[0] % 500 == 0:
            watcher.acknowledged.put((message.partition(), message.offset(), time.perf_counter()))

    began = time.perf_counter()
    for number, (carrier, event) in enumerate(flights):
        while True:
            try:
                producer.produce("flights", event, key=carrier, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.05)
        if number % 1000 == 0:
            producer.poll(0)
            bar.show(done[0], f"{done[0]:,} stored, SQL counts {watcher.count:,}")
    while producer.flush(0.1) > 0:
        bar.show(min(done[0], len(flights) - 1), f"{done[0]:,} stored, SQL counts {watcher.count:,}")
    seconds = time.perf_counter() - began
    watcher.end()
    bar.show(len(flights), f"{done[0]:,} stored")
    delays = sorted(watcher.delays_ms) or [0.0]
    print(f"   {len(flights) / seconds:,.0f} records/s, each synced to disk before its acknowledgement (Python client)")
    print(f"   acknowledged to visible in SQL: median {delays[len(delays) // 2]:.1f} ms, "
          f"slowest {delays[-1]:.1f} ms, of {len(delays)} probes under load (query included)")


def analyse(node, expected):
    with node.sql() as connection:
        count = connection.execute("SELECT count(*) FROM flights").fetchone()[0]
        if count != expected:
            raise SystemExit(f"{expected} records were stored, but SQL counts {count}")
        for question, statement in QUESTIONS:
            step(question)
            began = time.perf_counter()
            cursor = connection.execute(statement)
            rows = cursor.fetchall()
            table([column.name for column in cursor.description], rows)
            print(f"   {count:,} JSON events in {time.perf_counter() - began:.2f} s")


def load_and_kill(node, flights):
    """Produces until a third is acknowledged, then SIGKILL. Returns what was acknowledged."""
    producer, acknowledged = node.producer(), {}

    def delivered(error, message):
        if error is None:
            acknowledged[message.partition(), message.offset()] = message.value()

    for carrier, event in flights:
        while len(producer) > 50000:
            producer.poll(0.01)
        producer.produce("again", event, key=carrier, on_delivery=delivered)
        producer.poll(0)
        if len(acknowledged) > len(flights) // 3:
            break
    in_flight = len(producer)
    node.kill()
    producer.purge()
    producer.flush(1)
    print(f"   SIGKILL with {len(acknowledged):,} records acknowledged and {in_flight:,} more on their way")
    return acknowledged


def verify(node, acknowledged):
    with node.sql() as connection:
        rows = connection.execute('SELECT partition, "offset", value FROM again').fetchall()
    stored = {(partition, offset): value.encode() for partition, offset, value in rows}
    missing = [place for place, value in acknowledged.items() if stored.get(place) != value]
    if missing:
        raise SystemExit(f"{len(missing)} acknowledged records are missing or changed, the first at {missing[0]}")
    print(f"   {paint('✓', '32')} all {len(acknowledged):,} acknowledged records are there, byte for byte "
          f"({len(stored):,} stored in all)")


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pyralog-demo-"))
    node = Node(build / "src" / "cli" / "pyralog", folder)
    try:
        step("A node, on a temporary directory")
        node.start()
        step("Flights out of New York, 2013, as JSON events over the Kafka protocol")
        flights = list(read_flights())
        print(f"   {len(flights):,} events, key = carrier")
        load(node, flights)
        analyse(node, len(flights))
        step("kill -9 in the middle of a second load")
        acknowledged = load_and_kill(node, flights)
        node.start()
        verify(node, acknowledged)
        if node.stop() != 0:
            raise SystemExit("the server did not stop in order")
        print(f"\n{paint('Done.', '1')} `make run` starts a node to play with; README.md goes on from here.")
    finally:
        if node.process.poll() is None:
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)


main()
