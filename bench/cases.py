"""What is measured: a table of cases for `pyralog bench`, the same for every broker.

Unless a case says otherwise: 4 partitions, 4 connections with 4 requests in flight each, acks=all, random text.
"""
from collections.abc import Callable
from dataclasses import dataclass, field

import upkeep

FSYNC, OS = "fsync", "os"
BOTH = (FSYNC, OS)


@dataclass(frozen=True)
class Case:
    key: str
    title: str
    arguments: tuple
    metric: tuple = ("produced", "records_per_s")  # where in the JSON
    latency: tuple = ("produced", "latency")  # shown beside it
    less_is_better: bool = False
    told_in: str | None = None  # the unit, if it is another
    durability: tuple = (FSYNC,)
    long_only: bool = False
    seconds: float | None = None
    seconds_min: float = 0  # of a run: one of the brokers does not come to a pace of its own sooner
    once: bool = False  # repeats itself
    settings: str = ""  # a pair of brokers of its own: see peers.SETTINGS
    measure: Callable | None = None  # (suite, peer) -> figures, instead of `pyralog bench`
    half_of: str | None = None  # --rate: half of what Kafka did in that case
    chart: bool = False
    extra: tuple = field(default=())  # another metric worth telling: (name, path)

    def unit(self):
        return self.told_in or ("ms" if self.less_is_better else "records/s")


def batches(records, record_bytes=100):
    return ("--batch-records", str(records), "--record-bytes", str(record_bytes))


def partitions(count, per_request, **options):
    """1 KB a batch, spread over many partitions."""
    return Case(f"partitions-{count}", f"{count:,} partition{'s' if count > 1 else ''}, 100 B x 10 a batch, "
                f"{per_request} in a request", (*batches(10), "--partitions", str(count), "--partitions-per-request",
                                               str(per_request)), **options)


def connections(count, **options):
    return Case(f"connections-{count}", f"{count} connection{'s' if count > 1 else ''}, 100 B x 100",
                (*batches(100), "--connections", str(count)), **options)


MEMBERS = ("members", "--connections", "1000")

CASES = [
    Case("100x5000", "100 B x 5,000", batches(5000), durability=BOTH, chart=True),
    Case("100x100", "100 B x 100", batches(100), durability=BOTH, chart=True),
    Case("100x10", "100 B x 10", batches(10), chart=True),
    Case("100x1", "100 B x 1", batches(1), durability=BOTH, chart=True),
    Case("1000x500", "1 KB x 500", batches(500, 1000), durability=BOTH, chart=True),
    Case("lz4", "flights as JSON x 1,500, lz4", ("--payload", "flights", "--codec", "lz4", "--batch-records", "1500"),
         durability=BOTH, chart=True),
    Case("latency", "one record in flight, p50", (*batches(1), "--connections", "1", "--in-flight", "1"),
         ("produced", "latency", "p50_ms"), less_is_better=True, durability=BOTH),
    Case("rate", "half of Kafka's 100 B x 100, open loop, p99", batches(100), ("produced", "latency", "p99_ms"),
         less_is_better=True, durability=BOTH, half_of="100x100"),
    Case("tail", "sent to consumed, 50,000 records/s, 100 B x 50, p50", ("tail", *batches(50), "--rate", "50000"),
         ("tail", "p50_ms"), ("tail",), less_is_better=True, durability=BOTH),
    partitions(1, 1),
    partitions(16, 4),
    partitions(256, 64, seconds_min=8),
    partitions(4096, 256, seconds_min=8),
    connections(1),
    connections(8, long_only=True),
    connections(64),
    Case("fetch", "reading 100 B x 1,000", ("fetch", *batches(1000)), ("fetched", "records_per_s"),
         ("fetched", "latency"), chart=True),
    Case("fetch-lz4", "reading flights as JSON x 1,500, lz4",
         ("fetch", "--payload", "flights", "--codec", "lz4", "--batch-records", "1500"), ("fetched", "records_per_s"),
         ("fetched", "latency"), chart=True),
    Case("mixed", "100 B x 1,000 while one consumer catches up", ("mixed", *batches(1000)), durability=(FSYNC,),
         extra=("read", ("fetched", "records_per_s"))),
    Case("commit", "offset commits: 1,000 groups in turn, one partition in a request", ("commit",),
         ("committed", "requests_per_s"), ("committed", "latency"), told_in="commits/s"),
    Case("members", "1,000 members settle, each broker's own first delay (0.5 s, Kafka 3 s)", MEMBERS, ("settled", "p50_ms"),
         ("settled",), less_is_better=True, once=True),
    Case("members-delay", "1,000 members settle, both with a first delay of 0.5 s", MEMBERS, ("settled", "p50_ms"),
         ("settled",), less_is_better=True, once=True, settings="delay"),
    Case("idle-groups", "10,000 idle groups of one offset: growth of the resident set (of Kafka's heap with its garbage)", (),
         ("group_bytes",), ("committed", "latency"), less_is_better=True, told_in="bytes/group", once=True, settings="groups",
         measure=upkeep.idle_groups),
    Case("compaction", "compacting 2 GiB, 100 B, 100,000 keys", (), ("clean_mb_per_s",), (), told_in="MB/s cleaned",
         once=True, settings="compaction", measure=upkeep.compaction),
    Case("sustained", "100 B x 1,000, sustained, 1 GiB of retention a partition",
         (*batches(1000), "--topic-config", "retention.bytes=1073741824,segment.bytes=268435456"), long_only=True, seconds=60, durability=BOTH),
]

# Before anything is measured: what a JVM needs to compile its code.
WARM_UP = [(*batches(100), "--seconds", "5"), (*batches(1), "--seconds", "4"), (*batches(1000), "--seconds", "4"),
           ("fetch", *batches(1000), "--seconds", "3"), ("tail", *batches(10), "--seconds", "2"), ("commit", "--seconds", "3")]
# Of a pair with settings of its own: few groups and no batches, whose memory would come back while that of groups is looked at.
WARM_UP_SHORT = [("commit", "--groups", "16", "--seconds", "3")]
