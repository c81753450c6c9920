"""/metrics, read by Prometheus's own client: whole, true, and the same as in SQL, also under load."""
import pathlib
import re
import subprocess
import threading
import time

from asking import families, get, produce, sql, totals

ROOT = pathlib.Path(__file__).resolve().parents[3]


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
               for family in families(node).values() for sample in family.samples}
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
            assert sample.labels.keys() <= {"shard"}
            assert sample.name == family.name + ("_total" if family.type == "counter" else "")


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
