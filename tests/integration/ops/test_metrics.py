"""/metrics, read by Prometheus's own client: whole, true, and the same as in SQL, also under load."""
import json
import pathlib
import re
import subprocess
import threading
import time

from asking import SECONDS, families, get, produce, sql, totals
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

ROOT = pathlib.Path(__file__).resolve().parents[3]
ARGUMENTS = ("--pharaoh-port", "0")  # so that its figures are there too
LAG = re.compile("pyralog_group_lag")  # not in pyralog.metrics: SQL has pyralog.consumer_groups


def test_what_happens_is_counted(node):
    before = totals(node)
    produce(node, "counted", 500)
    assert sql(node, "SELECT count(*) FROM counted") == [(500,)]
    after = totals(node)
    for name in ["pyralog_log_batches_total", "pyralog_log_appended_bytes_total", "pyralog_log_groups_total",
                 "pyralog_log_partitions", "pyralog_kafka_requests_total", "pyralog_kafka_produced_batches_total",
                 "pyralog_pg_statements_total", "pyralog_pg_connections_accepted_total", "pyralog_http_requests_total"]:
        assert after[name] > before[name], name
    assert after["pyralog_log_appended_bytes_total"] - before["pyralog_log_appended_bytes_total"] > 500 * 100
    assert after["pyralog_pg_statements_total"] - before["pyralog_pg_statements_total"] == 1
    assert after["pyralog_http_requests_total"] - before["pyralog_http_requests_total"] == 1


def test_what_the_process_uses(node):
    values = totals(node)
    assert values["process_resident_memory_bytes"] == max(values["process_resident_memory_bytes"], 10 << 20)
    assert abs(values["process_resident_memory_bytes"] - node.resident_bytes()) < 64 << 20
    assert 10 < values["process_open_fds"] < values["process_max_fds"]
    assert 0 < values["process_cpu_seconds_total"] < 1000
    assert time.time() - 600 < values["process_start_time_seconds"] <= time.time() + 1
    assert values["process_threads"] > 3


def test_sql_says_the_same(node):
    produce(node, "same", 10)
    in_sql = {(name, shard): value for name, shard, value in sql(node, "SELECT name, shard, value FROM pyralog.metrics")}
    on_page = {(sample.name, int(sample.labels["shard"]) if sample.labels else None): sample.value
               for family in families(node).values() for sample in family.samples if not LAG.match(sample.name)}
    assert in_sql.keys() == on_page.keys()
    for name in "pyralog_log_batches_total", "pyralog_log_appended_bytes_total", "pyralog_log_partitions":
        for shard in {shard for _, shard in in_sql} - {None}:
            assert in_sql[name, shard] == on_page[name, shard], (name, shard)


def test_the_documented_names_are_those_of_the_page(node, binary):
    page = (ROOT / "docs" / "METRICS.md").read_text()
    assert page == subprocess.run([str(binary), "config", "metrics"], capture_output=True, text=True, check=True).stdout, \
        "make docs/METRICS.md anew: pyralog config metrics >docs/METRICS.md"
    documented = dict((name, (kind, text)) for name, kind, text in
                      re.findall(r"^\| `(\w+)` \| (counter|gauge) \| (.+) \|$", page, re.M))
    told = {}
    for family in families(node).values():
        told[family.name + ("_total" if family.type == "counter" else "")] = (family.type, family.documentation)
    assert told == documented


def test_names_follow_prometheus(node):
    for family in families(node).values():
        assert family.type in ("counter", "gauge") and family.documentation, family.name
        assert re.fullmatch(r"(pyralog|process)_[a-z_]+", family.name)
        for sample in family.samples:
            labels = {"group", "topic", "partition"} if sample.name.startswith("pyralog_group_lag_") else {"shard"}
            assert sample.labels.keys() <= labels
            assert sample.name == family.name + ("_total" if family.type == "counter" else "")


def lags(node, unit="records"):
    """{(group, topic, partition): lag}"""
    return {(one.labels["group"], one.labels["topic"], int(one.labels["partition"])): one.value
            for one in families(node)[f"pyralog_group_lag_{unit}"].samples}


def commit(node, group, topic, **offsets):
    consumer = Consumer({"bootstrap.servers": node.kafka, "group.id": group, "enable.auto.commit": False})
    try:
        consumer.commit(offsets=[TopicPartition(topic, int(index[1:]), offset) for index, offset in offsets.items()],
                        asynchronous=False)
    finally:
        consumer.close()


def test_the_lag_of_groups(node):
    """On whatever shard a partition is, and as in SQL; a group's name may be any text."""
    admin = AdminClient({"bootstrap.servers": node.kafka})
    admin.create_topics([NewTopic("lagging", 4, 1)])["lagging"].result(SECONDS)
    producer = Producer({"bootstrap.servers": node.kafka})
    for number in range(40):
        producer.produce("lagging", value=b"x", partition=number % 4)
    assert producer.flush(SECONDS) == 0
    name = "quoted \"\\\n é"
    commit(node, "behind", "lagging", p0=10, p1=7, p3=0)
    commit(node, name, "lagging", p2=1)
    expected = {("behind", "lagging", 0): 0, ("behind", "lagging", 1): 3, ("behind", "lagging", 3): 10, (name, "lagging", 2): 9}
    assert {key: lag for key, lag in lags(node).items() if key[1] == "lagging"} == expected
    in_sql = sql(node, "SELECT group_id, topic, partition, lag FROM pyralog.consumer_groups WHERE topic = 'lagging'")
    assert {row[:3]: row[3] for row in in_sql} == expected
    admin.delete_topics(["lagging"])["lagging"].result(SECONDS)
    assert all(key[1] != "lagging" for key in lags(node))


def test_the_lag_in_time(node, binary):
    """By the time stamp of the first record that is not committed, as SQL and the command tell it; it goes on with the group, and
    with the log's start."""
    admin, hour_ago = AdminClient({"bootstrap.servers": node.kafka}), int(time.time() * 1000) - 3_600_000
    admin.create_topics([NewTopic("late", 3, 1)])["late"].result(SECONDS)
    producer = Producer({"bootstrap.servers": node.kafka})
    for number in range(10):
        producer.produce("late", value=b"x", partition=0, timestamp=hour_ago + number * 360_000)
    producer.produce("late", value=b"x", partition=1)
    assert producer.flush(SECONDS) == 0

    def told():
        return {key[2]: lag for key, lag in lags(node, "seconds").items() if key[:2] == ("slow", "late")}

    def check(partition, seconds):
        lag = told()[partition]
        assert seconds <= lag < seconds + SECONDS
        (in_sql,), = sql(node, f"SELECT lag_ms FROM pyralog.consumer_groups WHERE group_id = 'slow' AND partition = {partition}")
        assert lag <= in_sql / 1000 < lag + SECONDS
        command = [str(binary), "group", "describe", "slow", "--broker", node.kafka, "--format", "json"]
        rows = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert lag <= next(row["lag_ms"] for row in rows if row["partition"] == partition) / 1000 < lag + SECONDS

    commit(node, "slow", "late", p0=0, p1=1, p2=0)
    assert told()[1] == told()[2] == 0, "it has all there is"
    check(0, 3600)
    assert told()[0] >= 3600, "it grows with time, and is not read again"
    commit(node, "slow", "late", p0=5)
    check(0, 1800)
    admin.delete_records([TopicPartition("late", 0, 8)])[TopicPartition("late", 0)].result(SECONDS)
    check(0, 720)
    commit(node, "slow", "late", p0=10)
    assert told() == {0: 0, 1: 0, 2: 0}
    admin.delete_topics(["late"])["late"].result(SECONDS)


def test_the_lags_are_bounded(node):
    admin = AdminClient({"bootstrap.servers": node.kafka})
    admin.create_topics([NewTopic("wide", 1000, 1)])["wide"].result(SECONDS)
    every = {f"p{index}": 0 for index in range(1000)}
    for group in "one", "two", "three":
        commit(node, group, "wide", **every)
    commit(node, "x" * 250, "wide", p0=0)
    assert len(lags(node)) == 2000
    assert totals(node)["pyralog_group_lags_omitted"] >= 1001
    for group in "one", "two", "three", "x" * 250:
        admin.delete_consumer_groups([group])[group].result(SECONDS)
    admin.delete_topics(["wide"])["wide"].result(SECONDS)
    assert totals(node)["pyralog_group_lags_omitted"] == 0


def test_the_page_under_load(node):
    over = threading.Event()
    pages, failures = [], []

    def scrape():
        while not over.is_set():
            try:
                pages.append(totals(node))
            except Exception as failure:  # told below, by the test itself
                failures.append(failure)
                return

    readers = [threading.Thread(target=scrape) for _ in range(4)]
    for reader in readers:
        reader.start()
    produce(node, "loaded", 20000)
    over.set()
    for reader in readers:
        reader.join()
    assert not failures, failures[:1]
    last = totals(node)
    assert len(pages) >= 8
    assert all(page["pyralog_log_batches_total"] <= last["pyralog_log_batches_total"] for page in pages)
    assert all(page.keys() == last.keys() for page in pages)


def test_other_requests(node):
    assert get(node, "/metrics", "HEAD") == (200, "")
    assert get(node, "/nowhere") == (404, '{"error":"there is nothing at /nowhere"}\n')
    assert get(node, "/metrics", "DELETE")[0] == 405
    assert get(node, "/health") == (200, '{"status":"alive"}\n')
    assert get(node, "/ready") == (200, '{"status":"ready"}\n')
