"""What a broker's own work costs, seen from outside: memory of idle groups, and how fast a topic is compacted.

Each function loads one peer and returns figures as `pyralog bench --json` does, with one of its own beside them.
"""
import subprocess
import time

import clients
from sizes import topic_bytes
from waiting import wait_until

GROUPS = 10_000
KEYS, PARTITIONS, VALUE_BYTES = 25_000, 4, 100  # keys of each partition
LOAD_BYTES = 2 << 30
LAG_SECONDS = 1
STABLE_SECONDS = 2
MEMORY_SECONDS = 12  # longer than freed memory is kept
MEMORY_NOISE_BYTES = 256 << 10  # less growth than that is told as that
CLEAN_SHARE = 0.25  # of what was loaded: above that, compaction is not over
NEARLY = 1.01  # times what is left in the end: what trickles in later has nothing to do with the rate
CLEAN_SECONDS = 120


def resident_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


def settled_bytes(pid):
    """Resident, once no more of what the warm-up took is given back."""
    seen = [(resident_bytes(pid), time.monotonic())]

    def is_settled():
        found = resident_bytes(pid)
        if abs(found - seen[-1][0]) > MEMORY_NOISE_BYTES:
            seen.append((found, time.monotonic()))
        return time.monotonic() - seen[-1][1] > MEMORY_SECONDS

    wait_until(is_settled, 5 * MEMORY_SECONDS, "its memory has settled")
    return resident_bytes(pid)


def idle_groups(suite, peer):
    """Growth of the resident set. Of a JVM that is its heap with all garbage in it: what lives there is not to be seen."""
    before = settled_bytes(peer.pid)
    result = suite.bench(peer, ("commit", "--groups", str(GROUPS), "--records", str(GROUPS), "--keep"), 1)
    suite.settle()
    result["group_bytes"] = max(settled_bytes(peer.pid) - before, MEMORY_NOISE_BYTES) / GROUPS
    return result


def wait_until_clean(peer, topic, loaded):
    """(bytes in the end, when they were nearly reached)."""
    seen = [(loaded, time.monotonic())]

    def is_clean():
        found = topic_bytes(peer.broker, topic)
        if found != seen[-1][0]:
            seen.append((found, time.monotonic()))
        return found < CLEAN_SHARE * loaded and time.monotonic() - seen[-1][1] > STABLE_SECONDS

    wait_until(is_clean, CLEAN_SECONDS, f"{peer.name} has compacted {topic}")
    clean = seen[-1][0]
    return clean, next(at for found, at in seen if found <= NEARLY * clean)


def compaction(suite, peer, load_bytes=LOAD_BYTES):
    """Loads without compaction, then asks for it: bytes that went, by the time until nearly the last of them had gone. One record
    more for each partition, once the lag is over, has brokers begin a new segment: the active one is never compacted."""
    topic = f"compacted-{time.monotonic_ns()}"
    keyed = ("--topic", topic, "--keys", str(KEYS), "--honest", "--record-bytes", str(VALUE_BYTES))
    began, cpu = time.monotonic(), clients.cpu_seconds(peer.pid)
    suite.bench(peer, (*keyed, "--partitions", str(PARTITIONS), "--topic-config", "segment.bytes=67108864",
                       "--records", str(load_bytes // VALUE_BYTES)), 1)
    suite.settle()
    loaded = topic_bytes(peer.broker, topic)
    subprocess.run([str(suite.binary), "topic", "alter", topic, "--broker", peer.broker, "--set",
                    "cleanup.policy=compact,min.cleanable.dirty.ratio=0.01,max.compaction.lag.ms=1000"], check=True,
                   capture_output=True)
    asked = time.monotonic()
    wait_until(lambda: time.monotonic() > asked + LAG_SECONDS, 2 * LAG_SECONDS, "the lag is over")
    suite.bench(peer, (*keyed, "--batch-records", "1", "--connections", str(PARTITIONS), "--records", str(PARTITIONS)), 1)
    clean, at = wait_until_clean(peer, topic, loaded)
    return {"clean_mb_per_s": (loaded - clean) / (at - asked) / 1e6, "seconds": time.monotonic() - began,
            "clean_s": at - asked, "loaded_bytes": loaded, "clean_bytes": clean,
            "broker_cpu_s": clients.cpu_seconds(peer.pid) - cpu, "broker_peak_bytes": resident_bytes(peer.pid)}
