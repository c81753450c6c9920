"""Real clients against a broker: Kafka's own ProducerPerformance, and kcat producing and consuming a file."""
import os
import random
import re
import string
import subprocess
import time

from peers import Kafka

RECORDS = 2_000_000
CLIENT_SECONDS = 300
# By default this client fetches nothing from a partition for a second when 100,000 records wait in its queue, so that the
# faster a broker answers, the longer its consumer rests; and it asks for half a second whether the end is the end (-e).
NEVER_RESTS = ("-X", f"queued.min.messages={RECORDS}", "-X", "queued.max.messages.kbytes=1000000")
RATE = re.compile(r"([\d.]+) records/sec")


def cpu_seconds(pid):
    """User and system time of a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(peer, command, stdin=None):
    """(seconds, the broker's CPU seconds, output)."""
    cpu, began = cpu_seconds(peer.pid), time.perf_counter()
    done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=CLIENT_SECONDS)
    took = time.perf_counter() - began
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} against {peer.name} failed: {done.stderr.strip()[-500:]}")
    return took, cpu_seconds(peer.pid) - cpu, done.stdout


def producer_performance(peer, topic):
    command = Kafka.java("org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", str(RECORDS),
                         "--record-size", "100", "--throughput", "-1", "--producer-props",
                         f"bootstrap.servers={peer.broker}", "acks=all")
    _, cpu, output = timed(peer, command)
    rates = RATE.findall(output)
    if not rates:
        raise SystemExit(f"ProducerPerformance against {peer.name} told no rate: {output[-500:]}")
    return float(rates[-1]), cpu


def lines_file(folder):
    path = folder / "lines.txt"
    if not path.exists():
        chance = random.Random(1)
        text = "".join(chance.choices(string.ascii_letters + string.digits, k=1 << 20))
        with open(path, "w", encoding="ascii") as file:
            for _ in range(RECORDS):
                at = chance.randrange(len(text) - 100)
                file.write(text[at:at + 100] + "\n")
    return path


def kcat(peer, topic, folder):
    with open(lines_file(folder), "rb") as lines:
        produced, cpu_in, _ = timed(peer, ["kcat", "-q", "-P", "-b", peer.broker, "-t", topic, "-X", "acks=all"], lines)
    consumed, cpu_out, output = timed(peer, ["kcat", "-q", "-C", "-b", peer.broker, "-t", topic, "-o", "beginning",
                                             "-c", str(RECORDS), "-f", "%p\n", *NEVER_RESTS])
    if output.count("\n") != RECORDS:
        raise SystemExit(f"kcat produced {RECORDS} records on {peer.name} and consumed {output.count(chr(10))}")
    return (RECORDS / produced, cpu_in), (RECORDS / consumed, cpu_out)


def measure(peer, folder):
    """[(title, records/s, the broker's CPU seconds per million records)]."""
    java = producer_performance(peer, "clients-java")
    written, read = kcat(peer, "clients-kcat", folder)
    found = [("Kafka's ProducerPerformance, 100 B, acks=all", java), ("kcat producing, 100 B, acks=all", written),
             ("kcat consuming", read)]
    return [(title, rate, cpu / RECORDS * 1e6) for title, (rate, cpu) in found]
