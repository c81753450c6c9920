"""Coordination: the sequencer, each service of a Pharaoh node over its port, a simulated network; PostgreSQL's nextval and etcd's
leases and transactions beside.

    python bench/coord.py BUILD              about two minutes; writes docs/PERFORMANCE.md between its marks
    python bench/coord.py BUILD --trial      half a minute, writes nothing

The node has the role obelisk; its one client, on loopback, shares its processors. What is compared is measured in one run, by
turns where it is short. Goals are those of the issue "Coordination".
"""
import argparse
import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "bench")]
from conftest import Node  # noqa: E402
from postgres import another_user, programs, running  # noqa: E402
from report import number  # noqa: E402

BEGIN, END = "<!-- bench-coord:begin -->", "<!-- bench-coord:end -->"
HEAD = ["work", "measured", "goal", ""]
MILLION = 1_000_000
NETWORKS = [256, 512, 1024, 2048]
# Title, operation, units in a request, requests in flight.
SERVICES = [("timestamps", "timestamps", 1000, 16), ("ids, batched (4,096 a millisecond are all there are)", "ids", 4096, 8),
            ("transactions' begin: an id and a timestamp", "begin", 1000, 8), ("values of a sequence", "sequence", 1000, 16),
            ("ids, one a request", "ids", 1, 256), ("timestamps, one a request", "timestamps", 1, 256),
            ("values of a sequence, one a request", "sequence", 1, 256), ("locks taken and given back", "lock", 1, 256)]


class Bench:
    def __init__(self, build, rounds, seconds):
        self.program, self.rounds, self.seconds = build / "bench" / "micro" / "bench_coord", rounds, seconds
        self.lines = []

    def run(self, *arguments):
        return json.loads(subprocess.run([str(self.program), *map(str, arguments)], check=True, capture_output=True, text=True).stdout)

    def median(self, key, *arguments):
        return statistics.median(self.run(*arguments)[key] for _ in range(self.rounds))

    def tell(self, work, measured, goal="", reached=None):
        self.lines.append([work, measured, goal, "" if reached is None else "reached" if reached else "**not reached**"])
        print("  ".join(cell.ljust(width) for cell, width in zip(self.lines[-1], (58, 26, 26, 0))), flush=True)


def sequencer(bench, folder):
    runs = [bench.run("obelisk", folder) for _ in range(bench.rounds)]
    found = {key: statistics.median(run[key] for run in runs) for key in ("leased_ratio", "leased_ns", "durable_1", "durable_64", "open_us")}
    slowest = max(max(run["recovery_us"]) for run in runs)
    bench.tell("Obelisk, leased, one thread", f"{found['leased_ratio']:.1%} of a bare fetch_add ({found['leased_ns']:.2f} ns)", ">= 95 %",
               found["leased_ratio"] >= 0.95)
    bench.tell("Obelisk, every value durable, 64 callers", f"{number(found['durable_64'])}/s", ">= 50,000/s", found["durable_64"] >= 50000)
    times = found["durable_64"] / found["durable_1"]
    bench.tell("the same beside one caller", f"{times:.1f} x ({number(found['durable_1'])}/s)", ">= 8 x", times >= 8)
    bench.tell("Obelisk, recovery: open and stat, values 1, 2^20, 2^40", f"{slowest:.1f} us", "< 10 us", slowest < 10)
    bench.tell("the whole opening, with the sync of its epoch", f"{number(found['open_us'])} us")


def services(bench, node):
    port = node.ports["pharaoh"]
    for title, operation, batch, depth in SERVICES:
        per_s = bench.median("units_per_s", "load", port, operation, batch, depth, bench.seconds)
        goal = ">= 4 M/s" if operation in ("ids", "timestamps") and batch > 1 else ""
        bench.tell(title, f"{number(per_s)}/s", goal, per_s >= 4e6 if goal else None)
    idle = node.resident_bytes()
    run = bench.run("load", port, "keep", 1000, 16, bench.seconds, MILLION)
    grown = node.resident_bytes() - idle
    bench.tell("a million live sessions", f"{number(grown / 1e6)} MB, of a node of {number(idle / 1e6)} MB", "<= 200 MB", grown <= 200e6)
    bench.tell("keep-alives of those, 1,000 a request", f"{number(run['units_per_s'])}/s", ">= 1 M/s", run["units_per_s"] >= 1e6)
    bench.tell("sessions opened, one a request", f"{number(run['opened_per_s'])}/s")


def network(bench):
    runs = {count: [] for count in NETWORKS}
    for _ in range(bench.rounds):
        for count in NETWORKS:
            runs[count].append(bench.run("network", count, bench.seconds * 2))
    cost = {count: statistics.median(run["request_ns"] for run in found) for count, found in runs.items()}
    base = cost[NETWORKS[0]]
    for count in NETWORKS:
        run = runs[count][0]
        goal = "within 5 % of 256 nodes" if count >= 1024 else ""
        bench.tell(f"a network of {count:,} nodes, a request", f"{cost[count]:.1f} ns ({cost[count] / base - 1:+.1%})", goal,
                   abs(cost[count] / base - 1) <= 0.05 if goal else None)
        bench.tell("its leases: a renewal; slots given", f"{run['renewal_us']:.1f} us; {run['moves']:,}")


def nextval(bench):
    with running("-c", "shared_buffers=256MB") as postgres:
        postgres.execute("CREATE SEQUENCE s")
        port = postgres.info.port
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write("SELECT nextval('s');\n")
            script.flush()
            os.chmod(script.name, 0o644)
            for clients in (1, 8, 64):
                told = subprocess.run([str(programs() / "pgbench"), "-n", "-M", "prepared", "-f", script.name, "-c", str(clients), "-j", "2",
                                       "-T", str(max(2, int(bench.seconds))), "-h", "127.0.0.1", "-p", str(port), "-U", "postgres",
                                       "postgres"], check=True, capture_output=True, text=True, cwd="/", **another_user()).stdout
                per_s = float(next(line for line in told.splitlines() if line.startswith("tps")).split()[2])
                bench.tell(f"PostgreSQL's nextval, {clients} clients", f"{number(per_s)}/s")


@contextlib.contextmanager
def etcd(folder):
    """One node of etcd, in a folder of its own on the same disk: the port of its clients."""
    ports = []
    for _ in range(2):
        with socket.socket() as picked:
            picked.bind(("127.0.0.1", 0))
            ports.append(picked.getsockname()[1])
    client, peer = (f"http://127.0.0.1:{port}" for port in ports)
    process = subprocess.Popen(["etcd", "--data-dir", str(folder / "etcd"), "--listen-client-urls", client, "--advertise-client-urls", client,
                                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"127.0.0.1:{ports[0]}"
    finally:
        process.terminate()
        process.wait(30)


def etcd_peer(bench, folder):
    """What it has of the same: leases, which live as sessions do, and transactions, which a sequence or a lock takes."""
    load = ROOT / ".deps" / "etcd" / "etcd_load"
    with etcd(folder) as endpoint:
        for kind, title in (("lease", "leases granted"), ("keep", "keep-alives of leases"), ("txn", "transactions: compare and put")):
            for clients in (1, 64):
                told = subprocess.run([str(load), endpoint, kind, str(clients), str(max(1, bench.seconds))], check=True, capture_output=True,
                                      text=True).stdout
                bench.tell(f"etcd's {title}, {clients} clients", f"{number(json.loads(told)['per_s'])}/s")


def write(lines):
    table = ["| " + " | ".join(cells) + " |" for cells in [HEAD, ["---"] * len(HEAD), *lines]]
    text = "\n".join([BEGIN, "", f"Medians, {os.cpu_count()} cores, client and node on the same, by `make bench-coord`:", "", *table, "", END])
    path = ROOT / "docs" / "PERFORMANCE.md"
    document = path.read_text()
    path.write_text(document[:document.index(BEGIN)] + text + document[document.index(END) + len(END):])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--trial", action="store_true")
    options = parser.parse_args()
    build = pathlib.Path(options.build).resolve()
    bench = Bench(build, 1 if options.trial else 3, 0.5 if options.trial else 2)
    with tempfile.TemporaryDirectory() as folder:
        sequencer(bench, folder)
        node = Node(build / "src" / "cli" / "pyralog", pathlib.Path(folder), ["--roles", "obelisk", "--pharaoh-port", "0"]).start()
        try:
            services(bench, node)
        finally:
            node.stop()
    network(bench)
    nextval(bench)
    with tempfile.TemporaryDirectory() as folder:
        etcd_peer(bench, pathlib.Path(folder))
    if not options.trial:
        write(bench.lines)


if __name__ == "__main__":
    main()
