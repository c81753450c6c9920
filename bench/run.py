"""`make bench`: Pyralog and Apache Kafka side by side on this machine, with the same load generator and the same payload.

    bench/run.py BUILD [--long] [--cases WORD,...] [--rounds N] [--seconds S] [--data DIR]

Both brokers run at the same time, but are loaded in turn (A B A B ...); what is told is the median. All figures of all runs
go to BUILD/bench/runs.jsonl and summary.json; a full run (no --cases) also writes its table into docs/PERFORMANCE.md and
the chart docs/images/throughput.svg. Nothing else should run meanwhile.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import clients  # noqa: E402
import first  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
from cases import BOTH, CASES, WARM_UP, WARM_UP_SHORT  # noqa: E402
from waiting import wait_until  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
RUN_SECONDS_MAX = 240  # beyond what it is to measure
FREE_BYTES = 20 << 30
BOUNDED = ("100x5000", "100x100", "1000x500")
SETTLE_SECONDS = 20  # for what the last run left behind
SETTLE_WINDOW = 0.25
IDLE_CPU = 0.1  # of a core, of a broker that has nothing to do: a JVM is never quite still


def say(text):
    print(text, file=sys.stderr, flush=True)


def pick(result, path):
    for name in path:
        result = result[name]
    return result


def footprint(peer):
    """What grows while a process works: its CPU seconds, and the bytes that it has the disk write."""
    with open(f"/proc/{peer.pid}/io", encoding="ascii") as counters:
        written = next(int(line.split()[1]) for line in counters if line.startswith("write_bytes"))
    return clients.cpu_seconds(peer.pid), written


def settle(both):
    """Waits until both brokers are done with what came before (compiling, sealing, deleting) and the disk is, too."""
    os.sync()
    last = [time.monotonic(), [footprint(peer) for peer in both]]

    def is_quiet():
        seconds = time.monotonic() - last[0]
        if seconds < SETTLE_WINDOW:
            return False
        now = [footprint(peer) for peer in both]
        quiet = all(after[0] - before[0] <= IDLE_CPU * seconds + 0.011 and after[1] == before[1]
                    for before, after in zip(last[1], now))
        last[:] = [time.monotonic(), now]
        return quiet

    try:
        wait_until(is_quiet, SETTLE_SECONDS, "both brokers come to rest")
    except AssertionError:
        say(f"  a broker still works {SETTLE_SECONDS} s after its load: going on")
    os.sync()


class Bystanders:
    """How much of the machine somebody else used meanwhile: 0 to 1, of all cores; the kernel's own threads count, too."""

    def __enter__(self):
        self.began, self.busy = time.monotonic(), self.busy_seconds()
        self.children = os.times().children_user + os.times().children_system
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.began
        self.busy = self.busy_seconds() - self.busy
        self.children = os.times().children_user + os.times().children_system - self.children

    @staticmethod
    def busy_seconds():
        with open("/proc/stat", encoding="ascii") as stat:
            user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
        return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")

    def share(self, result):
        """The broker's CPU is known for the measured time; it is taken to have been as busy in the rest of the run."""
        broker = result["broker_cpu_s"] * self.seconds / max(result["seconds"], 0.001)
        return max(0.0, self.busy - self.children - broker) / (self.seconds * os.cpu_count())


class Suite:
    """One run of `make bench`: the options, what was found so far, and how far it is."""

    def __init__(self, options):
        self.options = options
        self.binary = pathlib.Path(options.build).resolve() / "src" / "cli" / "pyralog"
        self.out = pathlib.Path(options.build).resolve() / "bench"
        self.out.mkdir(parents=True, exist_ok=True)
        self.data = pathlib.Path(options.data).resolve() / "bench-data" if options.data else self.out / "data"
        self.runs = open(self.out / "runs.jsonl", "w", encoding="utf-8")
        self.cases = [case for case in CASES if self.is_wanted(case)]
        self.done = 0
        self.seconds_done = 0.0
        self.both = []
        self.total = sum(2 * self.rounds(case) for mode in BOTH for case in self.cases if mode in case.durability)

    def is_wanted(self, case):
        words = self.options.cases.split(",") if self.options.cases else None
        if words:
            return any(word in case.key for word in words)
        return self.options.long or not case.long_only

    def wants_clients(self):
        return not self.options.cases or "clients" in self.options.cases.split(",")

    def rounds(self, case):
        return 1 if case.seconds or case.once else self.options.rounds

    def bench(self, peer, arguments, seconds, warmup=1.0):
        command = [str(self.binary), "bench", *arguments, "--broker", peer.broker, "--pid", str(peer.pid), "--json", "--quiet"]
        if "--seconds" not in arguments:
            command += ["--seconds", str(seconds), "--warmup", str(warmup)]
        command += ["--flights", str(ROOT / ".deps" / "data" / "flights.csv")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + RUN_SECONDS_MAX)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip()[-500:])
        return json.loads(done.stdout)

    def settle(self):
        settle(self.both)

    def arguments(self, case, medians):
        if not case.half_of:
            return case.arguments
        base = medians.get(case.half_of)
        rate = base["Kafka"]["value"] / 2 if base and base["Kafka"] else 100000
        return (*case.arguments, "--rate", str(round(rate)))

    def one_run(self, peer, case, arguments, durability, number):
        seconds = case.seconds * self.options.minutes if case.seconds else max(self.options.seconds, case.seconds_min)
        began = time.monotonic()
        settle(self.both)
        try:
            with Bystanders() as bystanders:
                result = case.measure(self, peer) if case.measure else self.bench(peer, arguments, seconds)
            result["other_cpu"] = bystanders.share(result)
        except (AssertionError, RuntimeError, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            say(f"  {peer.name} failed: {error}")
            result = {"error": str(error)}
        self.done += 1
        record = {"case": case.key, "peer": peer.name, "durability": durability, "round": number, "arguments": arguments,
                  "load": os.getloadavg()[0], "result": result}
        self.runs.write(json.dumps(record) + "\n")
        self.runs.flush()
        if "error" in result:
            return None
        self.seconds_done += time.monotonic() - began
        left = self.seconds_done / self.done * (self.total - self.done) / 60
        say(f"  [{self.done}/{self.total}, {left:.0f} min left] {durability:<5} {case.title:<58} {peer.name:<8} "
            f"{report.number(pick(result, case.metric)) + ' ' + case.unit():<18} others used {result['other_cpu']:.0%}")
        return result

    def one_case(self, both, case, durability, medians):
        """Each peer in turn, and the medians: {"Pyralog": {...} or None, "Kafka": ...}."""
        arguments = self.arguments(case, medians)
        found = {peer.name: [] for peer in both}
        for number in range(self.rounds(case)):
            for peer in both:
                result = self.one_run(peer, case, arguments, durability, number)
                if result:
                    found[peer.name].append(result)
        return {name: summary(case, results) if results else None for name, results in found.items()}

    def warm_up(self, both, loads):
        for peer in both:
            say(f"  warming up {peer.name}")
            for arguments in loads:
                self.bench(peer, arguments, 5)

    def one_pair(self, durability, settings, cases, medians):
        """Fills medians for the cases of a pair of brokers with those settings. What real clients did with it."""
        both = [peers.Pyralog(self.binary, self.data, durability, settings), peers.Kafka(self.data, durability, settings)]
        self.both = both
        try:
            for peer in both:
                peer.start()
            self.warm_up(both, WARM_UP_SHORT if settings else WARM_UP)
            for case in cases:
                medians[case.key] = self.one_case(both, case, durability, medians)
            if durability == "fsync" and not settings and self.wants_clients():
                return {peer.name: self.real_clients(peer) for peer in both}
        finally:
            for peer in both:
                peer.stop()
        return {}

    def one_mode(self, durability):
        """[(case, medians of both)] with that durability, and what real clients did."""
        cases = [case for case in self.cases if durability in case.durability]
        medians, real = {}, {}
        of_cases = [case.settings for case in cases]
        for settings in dict.fromkeys(["", *of_cases] if durability == "fsync" and self.wants_clients() else of_cases):
            real |= self.one_pair(durability, settings, [case for case in cases if case.settings == settings], medians)
        return [(case, medians[case.key]) for case in cases], real

    def real_clients(self, peer):
        say(f"  real clients against {peer.name}")
        return clients.measure(peer, self.data)


def summary(case, results):
    """Medians over the rounds."""
    def median(of):
        values = [of(result) for result in results]
        return None if None in values else statistics.median(values)

    def cpu(result):
        moved = sum(result.get(flow, {}).get("records", 0) for flow in ("produced", "fetched", "committed"))
        return result["broker_cpu_s"] / moved * 1e6 if moved else None

    def latency(result, name):
        return pick(result, case.latency)[name] if case.latency else None

    found = {"value": median(lambda result: pick(result, case.metric)), "rounds": len(results),
             "p50_ms": median(lambda result: latency(result, "p50_ms")),
             "p99_ms": median(lambda result: latency(result, "p99_ms")),
             "mb_per_s": median(lambda result: result.get("produced", result.get("fetched", {})).get("mb_per_s", 0)),
             "cpu_s_per_million": median(cpu),
             "other_cpu": max(result["other_cpu"] for result in results),
             "peak_mib": median(lambda result: result["broker_peak_bytes"] / 2**20)}
    if case.extra:
        found["extra"] = [case.extra[0], median(lambda result: pick(result, case.extra[1]))]
    return found


def limits(suite):
    """What the machine itself can do."""
    say("  the machine's own limits")
    program = suite.binary.parents[2] / "bench" / "micro" / "bench_limits"
    suite.data.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([str(program), str(suite.data)], capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)


def against_sink(suite, sink_arguments, load):
    """What the load generator has produced against a broker that keeps nothing, or nothing that can be read."""
    program = suite.binary.parents[2] / "bench" / "micro" / "bench_sink"
    sink = subprocess.Popen([str(program), *sink_arguments], stdout=subprocess.PIPE, text=True)
    try:
        broker = f"127.0.0.1:{int(sink.stdout.readline())}"
        done = subprocess.run([str(suite.binary), "bench", *load, "--broker", broker, "--topic", "sink", "--json", "--quiet",
                               "--seconds", "2"], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["produced"]
    finally:
        sink.kill()
        sink.wait()


def generator_limit(suite):
    return against_sink(suite, [], ["--batch-records", "1000"])["mb_per_s"]


def bounds(suite):
    """For cases of throughput, records/s of a broker that only checks, writes and syncs: on used space, and on fresh space."""
    say("  a durable broker that does nothing else")
    found = {}
    for case in CASES:
        if case.key in BOUNDED:
            file = str(suite.data / "sink")
            found[case.title] = [against_sink(suite, [file, *how], case.arguments)["records_per_s"] for how in ([], ["fresh"])]
    return found


def machine():
    model = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                  if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo", encoding="ascii") if line.startswith("MemTotal"))
    return {"cores": os.cpu_count(), "model": model, "memory_gib": round(memory / 2**20)}


def parse():
    parser = argparse.ArgumentParser(description="Pyralog and Apache Kafka side by side", prog="make bench")
    parser.add_argument("build")
    parser.add_argument("--long", action="store_true", help="every case, five rounds of ten seconds")
    parser.add_argument("--cases", default="", help="only cases whose key contains one of these words, clients: real ones; writes no document")
    parser.add_argument("--again", action="store_true", help="with --cases: what is measured takes its place in the last full table")
    parser.add_argument("--rounds", type=int, help="runs of each case against each broker (3; long: 5)")
    parser.add_argument("--seconds", type=float, help="measured in each run (2; long: 10)")
    parser.add_argument("--minutes", type=float, default=3, help="of a sustained run")
    parser.add_argument("--data", default="", help="where the brokers' data lies (BUILD/bench/data)")
    options = parser.parse_args()
    options.rounds = options.rounds or (5 if options.long else 3)
    options.seconds = options.seconds or (10 if options.long else 2)
    return options


def main():
    options = parse()
    if not peers.kafka_is_installed():
        sys.exit("Apache Kafka is not in .deps/kafka: run tools/deps.sh bench")
    suite = Suite(options)
    shutil.rmtree(suite.data, ignore_errors=True)
    suite.data.mkdir(parents=True)
    if shutil.disk_usage(suite.data).free < FREE_BYTES:
        sys.exit(f"less than {FREE_BYTES >> 30} GiB are free for {suite.data}: free some, or give another place with --data")
    say(f"{suite.total} runs of {options.seconds:g} s; raw figures in {suite.out}")
    found = {"machine": machine(), "date": datetime.date.today().isoformat(), "rounds": options.rounds,
             "seconds": options.seconds, "long": options.long, "modes": {}, "clients": {},
             "versions": {"Pyralog": peers.Pyralog(suite.binary, suite.data, "fsync").version(),
                          "Kafka": peers.Kafka(suite.data, "fsync").version()}}
    found["limits"] = limits(suite) | {"generator_mb_per_s": generator_limit(suite), "bounds": bounds(suite)}
    for durability in BOTH:
        rows, real = suite.one_mode(durability)
        found["modes"][durability] = [{"key": case.key, "title": case.title, "unit": case.unit(),
                                       "less_is_better": case.less_is_better, "chart": case.chart, **medians}
                                      for case, medians in rows]
        found["clients"] |= real
    if not options.cases:
        say("  first figures of Pyralog alone")
        found["first"] = first.figures(options.build)
    shutil.rmtree(suite.data, ignore_errors=True)
    print(report.text(found))
    if options.again:
        found = report.replaced(json.loads((suite.out / "summary.json").read_text()), found)
    if options.again or not options.cases:
        (suite.out / "summary.json").write_text(json.dumps(found, indent=2))
        report.write(found, ROOT)
        say("written: docs/PERFORMANCE.md, docs/images/throughput.svg")


if __name__ == "__main__":
    main()
