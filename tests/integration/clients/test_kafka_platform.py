"""What is built on Kafka, unmodified, against a server: Kafka Streams' WordCount, Kafka Connect's file connectors."""
import collections
import functools
import json
import re
import socket
import subprocess
import urllib.request

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from conftest import HERE, folder, run
from waiting import wait_until

SOURCES = HERE / "kafka" / "java"
SECONDS = 60
JAVA = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]


@functools.cache
def libraries():
    path = folder("kafka-platform")
    run("mvn", "-q", "-B", "-f", SOURCES / "pom.xml", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={path}")
    return path


def version():
    return next(re.search(r"-([\d.]+)\.jar", path.name)[1] for path in libraries().glob("kafka-clients-*.jar"))


@pytest.fixture
def start(tmp_path):
    """start(*command): a process that is ended with the test; what it says is shown when that fails."""
    processes = []

    def make(*command):
        log = tmp_path / f"process-{len(processes)}"
        with open(log, "w", encoding="utf-8") as output:
            processes.append((subprocess.Popen([str(part) for part in command], stdout=output, stderr=subprocess.STDOUT), log))
        return processes[-1][0]

    yield make
    for process, log in processes:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        print(log.read_text(errors="replace")[-6000:])


@pytest.fixture
def topics(node):
    """topics(*names): made with three partitions."""
    admin = AdminClient({"bootstrap.servers": node.kafka})

    def make(*names):
        for name, made in admin.create_topics([NewTopic(name, 3, 1) for name in names]).items():
            made.result(SECONDS)
            assert name
        return names
    return make


class Reader:
    """All records of a topic of three partitions, as they come."""

    def __init__(self, node, topic):
        self.consumer = Consumer({"bootstrap.servers": node.kafka, "group.id": "reader", "enable.auto.commit": False})
        self.consumer.assign([TopicPartition(topic, partition, 0) for partition in range(3)])
        self.records = []

    def read(self):
        self.records += [(one.key(), one.value()) for one in self.consumer.consume(500, timeout=0.2) if not one.error()]
        return self.records


def test_streams_word_count(node, topics, start, shows, tmp_path):
    shows("Kafka Streams", version(), "WordCount through a repartition topic; its state restored from a compacted changelog")
    source, target = topics("words-in", "words-out")
    classes = folder("kafka-streams")
    run("javac", "-nowarn", "-cp", libraries() / "*", "-d", classes, SOURCES / "WordCount.java")
    command = [*JAVA, "-cp", f"{classes}:{libraries()}/*", "WordCount", node.kafka, source, target]
    first = start(*command, tmp_path / "state-0")
    producer = Producer({"bootstrap.servers": node.kafka})

    def say():
        for i in range(300):
            producer.produce(source, value=b"the quick fox jumps over the lazy dog" if i % 3 else b"the end")
        assert producer.flush(SECONDS) == 0

    expected = {b"the": 500, b"quick": 200, b"fox": 200, b"jumps": 200, b"over": 200, b"lazy": 200, b"dog": 200, b"end": 100}
    reader = Reader(node, target)

    def newest():
        counts = collections.defaultdict(int)
        for key, value in reader.read():
            counts[key] = max(counts[key], int(value))
        return counts

    say()
    wait_until(lambda: newest() == expected, SECONDS, "all words are counted")
    first.terminate()
    first.wait(SECONDS)
    start(*command, tmp_path / "state-1")
    say()
    twice = {word: 2 * count for word, count in expected.items()}
    wait_until(lambda: newest() == twice, SECONDS, "the counts go on where they were")


def properties(path, **settings):
    path.write_text("".join(f"{name.replace('_', '.')}={value}\n" for name, value in settings.items()))
    return path


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_connect_distributed(node, topics, start, shows, tmp_path):
    shows("Kafka Connect", version(), "file source and file sink, distributed: its state in compacted topics, read again by a second worker")
    (topic,) = topics("more-lines")
    converter = "org.apache.kafka.connect.storage.StringConverter"
    storage = {f"{kind}_storage_{name}": value for kind in ("offset", "config", "status")
               for name, value in (("topic", f"connect-{kind}"), ("replication_factor", 1))}

    def rest(port, path, body=None):
        data = json.dumps(body).encode() if body else None
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(asked, timeout=SECONDS) as answer:
                return json.load(answer)
        except OSError:
            return None

    def start_worker():
        port = free_port()
        worker = properties(tmp_path / f"worker-{port}", bootstrap_servers=node.kafka, group_id="connect", key_converter=converter,
                            value_converter=converter, offset_flush_interval_ms=500, session_timeout_ms=6000,
                            heartbeat_interval_ms=500, listeners=f"http://127.0.0.1:{port}", plugin_discovery="only_scan",
                            scheduled_rebalance_max_delay_ms=1000, **storage)
        process = start(*JAVA, "-cp", libraries() / "*", "org.apache.kafka.connect.cli.ConnectDistributed", worker)
        wait_until(lambda: rest(port, "connectors") is not None, SECONDS, "the worker answers")
        return process, port

    process, port = start_worker()
    (tmp_path / "in.txt").write_text("".join(f"line {i}\n" for i in range(200)))
    out = tmp_path / "out.txt"
    source = {"connector.class": "FileStreamSource", "tasks.max": "1", "file": str(tmp_path / "in.txt"), "topic": topic}
    sink = {"connector.class": "FileStreamSink", "tasks.max": "1", "file": str(out), "topics": topic}
    for name, config in (("source", source), ("sink", sink)):
        wait_until(lambda: rest(port, "connectors", {"name": name, "config": config}), SECONDS, f"{name} is made")
    wait_until(lambda: out.exists() and len(out.read_text().splitlines()) == 200, SECONDS, "all lines in the other file")
    process.terminate()
    process.wait(SECONDS)
    process, port = start_worker()
    wait_until(lambda: set(rest(port, "connectors") or []) == {"source", "sink"}, SECONDS, "the connectors are known")
    with open(tmp_path / "in.txt", "a", encoding="utf-8") as more:
        more.write("one more\n")
    wait_until(lambda: "one more" in out.read_text().splitlines(), SECONDS, "a line that came later")
    assert len(out.read_text().splitlines()) == 201, "the source went on where it was"


def test_connect_files(node, topics, start, shows, tmp_path):
    shows("Kafka Connect", version(), "file source and file sink, standalone")
    (topic,) = topics("lines")
    port, converter = free_port(), "org.apache.kafka.connect.storage.StringConverter"
    worker = properties(tmp_path / "worker", bootstrap_servers=node.kafka, key_converter=converter, value_converter=converter,
                        offset_storage_file_filename=tmp_path / "offsets", offset_flush_interval_ms=500,
                        listeners=f"http://127.0.0.1:{port}", plugin_discovery="only_scan")
    source = properties(tmp_path / "source", name="source", connector_class="FileStreamSource", tasks_max=1,
                        file=tmp_path / "in.txt", topic=topic)
    sink = properties(tmp_path / "sink", name="sink", connector_class="FileStreamSink", tasks_max=1, file=tmp_path / "out.txt",
                      topics=topic)
    lines = [f"line {i}" for i in range(500)]
    (tmp_path / "in.txt").write_text("\n".join(lines) + "\n")
    start(*JAVA, "-cp", libraries() / "*", "org.apache.kafka.connect.cli.ConnectStandalone", worker, source, sink)
    out = tmp_path / "out.txt"
    wait_until(lambda: out.exists() and sorted(out.read_text().splitlines()) == sorted(lines), SECONDS, "all lines in the other file")
    with open(tmp_path / "in.txt", "a", encoding="utf-8") as more:
        more.write("one more\n")
    wait_until(lambda: "one more" in out.read_text().splitlines(), SECONDS, "a line that came later")
