"""SIGTERM drains, SIGHUP reads the configuration again, and the service manager is told."""
import os
import re
import signal
import socket
import threading
import time

import psycopg
import pytest
from asking import SECONDS, get, produce, sql, totals
from confluent_kafka import Consumer, Producer
from waiting import wait_until


# Some seconds of work, and some hours.
SLOW = "SELECT count(*) FROM generate_series(1, 30000) a(x), generate_series(1, 20000) b(y) WHERE (x * y) % 7 = 3"
ENDLESS = "SELECT count(*) FROM generate_series(1, 3000000) a(x), generate_series(1, 2000000) b(y) WHERE (x * y) % 7 = 3"


def told(node, text):
    return wait_until(lambda: text in (node.folder / "stderr").read_text(), SECONDS, f"the log says: {text}")


def slow_statement(node, outcome, statement):
    try:
        outcome.append(sql(node, statement)[0])
    except psycopg.Error as error:
        outcome.append(error)


def cpu_seconds(node):
    return float(re.search(r"^process_cpu_seconds_total (.*)$", get(node, "/metrics")[1], re.M)[1])


def start_slow(node, statement):
    """A thread that runs it, once the server does, and where its outcome will be."""
    outcome = []
    produce(node, "first", 10)
    before = cpu_seconds(node)
    thread = threading.Thread(target=slow_statement, args=(node, outcome, statement))
    thread.start()
    wait_until(lambda: outcome or cpu_seconds(node) > before + 0.5, SECONDS, "it runs")
    assert not outcome, outcome
    return thread, outcome


def test_a_statement_under_way_is_answered(new_node):
    node = new_node("--drain-s", "30")
    thread, outcome = start_slow(node, SLOW)
    idle = psycopg.connect(f"host=127.0.0.1 port={node.ports['postgres']} user=idle dbname=pyralog", autocommit=True)
    idle.execute("SELECT 1")
    node.process.send_signal(signal.SIGTERM)
    status, body = wait_until(lambda: (answer := get(node, "/ready"))[0] == 503 and answer, SECONDS, "it drains")
    assert "the server is stopping" in body
    assert get(node, "/health")[0] == 200
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", node.ports["postgres"]), timeout=SECONDS)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", node.ports["kafka"]), timeout=SECONDS)
    with pytest.raises(psycopg.errors.AdminShutdown):
        idle.execute("SELECT 1")
    assert node.process.poll() is None
    assert node.process.wait(SECONDS) == 0
    thread.join()
    assert outcome[0][0] > 0
    told(node, "all requests are answered")


def test_what_never_ends_is_told(new_node):
    """A query over TAIL, and a cursor over one, get 57P01, and nobody waits for the end of the drain."""
    node = new_node("--drain-s", "60")
    produce(node, "first", 10)
    errors, seen = [], threading.Semaphore(0)

    def follow(statements):
        connection = psycopg.connect(f"host=127.0.0.1 port={node.ports['postgres']} user=u dbname=pyralog", autocommit=True)
        try:
            for statement in statements[:-1]:
                connection.execute(statement)
                seen.release()
            for _ in connection.cursor().stream(statements[-1]):
                seen.release()
        except psycopg.Error as error:
            errors.append(error.sqlstate)
        connection.close()

    tail = "SELECT key FROM TAIL(first, from => 'earliest')"
    threads = [threading.Thread(target=follow, args=(statements,))
               for statements in ([tail], ["BEGIN", f"DECLARE c CURSOR FOR {tail}", "FETCH 10 FROM c", "FETCH 10 FROM c"])]
    for thread in threads:
        thread.start()
    for _ in range(10 + 3):
        assert seen.acquire(timeout=SECONDS)
    began = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(SECONDS) == 0
    assert time.monotonic() - began < 20
    for thread in threads:
        thread.join()
    assert errors == ["57P01", "57P01"]
    told(node, "all requests are answered")


def test_a_statement_that_takes_too_long_is_cut_off(new_node):
    node = new_node("--drain-s", "1")
    thread, outcome = start_slow(node, ENDLESS)
    began = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(SECONDS) == 0
    assert 0.9 < time.monotonic() - began < 10
    thread.join()
    assert isinstance(outcome[0], psycopg.Error)
    told(node, "requests that took longer than --drain-s are cut off")


def test_producers_and_consumers_do_not_hold_it(new_node):
    """A consumer that waits long for records, and a producer that never pauses: every acknowledged record is there after."""
    node = new_node("--drain-s", "20")
    produce(node, "first", 10)
    consumer = Consumer({"bootstrap.servers": node.kafka, "group.id": "g", "fetch.wait.max.ms": 60000, "fetch.min.bytes": 100000,
                         "socket.timeout.ms": 70000, "auto.offset.reset": "latest"})
    consumer.subscribe(["first"])
    consumer.poll(3)
    acknowledged, over = [], threading.Event()
    producer = Producer({"bootstrap.servers": node.kafka, "linger.ms": 0, "message.timeout.ms": 30000})

    def produce_on():
        while not over.is_set():
            producer.produce("busy", b"x" * 100, on_delivery=lambda error, _: error or acknowledged.append(1))
            producer.poll(0.001)

    thread = threading.Thread(target=produce_on)
    thread.start()
    wait_until(lambda: len(acknowledged) > 100, SECONDS, "records are acknowledged")
    began = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(SECONDS) == 0
    assert time.monotonic() - began < 10, "nobody waited for the end of the drain"
    over.set()
    thread.join()
    producer.purge()
    consumer.close()
    count = len(acknowledged)
    node.start()
    assert sql(node, "SELECT count(*) FROM busy")[0][0] >= count
    node.stop()


def test_a_second_signal_ends_it_at_once(new_node):
    node = new_node("--drain-s", "600")
    thread, _ = start_slow(node, ENDLESS)
    node.process.send_signal(signal.SIGTERM)
    told(node, "the server stops")
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(SECONDS) == 128 + signal.SIGTERM
    thread.join()


def test_reload(new_node, tmp_path):
    file = tmp_path / "cluster.toml"
    file.write_text('log-level = "info"\npartitions = 2\n')
    node = new_node("--config", str(file))
    produce(node, "two", 1)
    file.write_text('log-level = "debug"\npartitions = 6\nsql-memory-mib = 512\n')
    node.process.send_signal(signal.SIGHUP)
    told(node, "partitions is 6 from now on")
    told(node, "log-level is debug from now on")
    told(node, "sql-memory-mib can't change while the server runs: restart it")
    produce(node, "six", 1)
    for topic, partitions in ("two", 2), ("six", 6):
        described = Producer({"bootstrap.servers": node.kafka}).list_topics(topic, timeout=SECONDS)
        assert len(described.topics[topic].partitions) == partitions
    file.write_text("partitions = 6\npartitoins = 7\n")
    node.process.send_signal(signal.SIGHUP)
    told(node, "the configuration was not read anew")
    told(node, "is it partitions?")
    file.write_text('log-level = "error"\n')
    node.process.send_signal(signal.SIGHUP)
    told(node, "partitions is 4 from now on")  # which the level does not hide: it changes behind
    node.stop()
    assert "the server has stopped" not in (node.folder / "stderr").read_text()


def test_reloaded_limits_are_obeyed(new_node, tmp_path):
    """A tail cache of a mebibyte a shard keeps less than what was just written, one of many keeps it all."""
    file = tmp_path / "cluster.toml"
    file.write_text("tail-cache-mib = 256\n")
    node = new_node("--config", str(file))
    produce(node, "large", 20000, 1000)
    assert totals(node)["pyralog_log_tail_cache_bytes"] > 15 << 20
    file.write_text("tail-cache-mib = 4\n")
    node.process.send_signal(signal.SIGHUP)
    told(node, "tail-cache-mib is 4 from now on")

    def shrunk():
        produce(node, "large", 1)
        return totals(node)["pyralog_log_tail_cache_bytes"] <= 6 << 20

    wait_until(shrunk, SECONDS, "the cache shrinks with what is written next")
    node.stop()


class Manager:
    """The service manager's side of sd_notify(3)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(SECONDS)
        self.heard = []

    def hear(self, word):
        while word not in self.heard:
            self.heard += self.socket.recv(4096).decode().split("\n")


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_is_told(new_node, tmp_path, monkeypatch, abstract):
    name = f"pyralog-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    manager = Manager("\0" + name if abstract else name)
    monkeypatch.setenv("NOTIFY_SOCKET", "@" + name if abstract else name)
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    node = new_node()
    manager.hear("READY=1")
    manager.heard.clear()
    for _ in range(5):
        manager.hear("WATCHDOG=1")
        manager.heard.clear()
    node.process.send_signal(signal.SIGHUP)
    manager.hear("RELOADING=1")
    assert any(word.startswith("MONOTONIC_USEC=") for word in manager.heard)
    manager.hear("READY=1")
    node.stop()
    manager.hear("STOPPING=1")


def test_no_watchdog_while_it_hangs(new_node, tmp_path, monkeypatch):
    manager = Manager(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    node = new_node()
    manager.hear("WATCHDOG=1")
    node.process.send_signal(signal.SIGSTOP)
    manager.socket.settimeout(0.6)
    with pytest.raises(TimeoutError):
        while True:
            manager.socket.recv(4096)
    node.process.send_signal(signal.SIGCONT)
    manager.socket.settimeout(SECONDS)
    manager.heard.clear()
    manager.hear("WATCHDOG=1")
    node.stop()
