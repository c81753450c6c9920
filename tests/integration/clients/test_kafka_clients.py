"""Kafka clients of other languages, unmodified, against a server. Each is a program with two modes:

    basic BROKER TOPIC           topics, records, offsets; a line "did ..." for each thing shown; its exit code counts
    member BROKER GROUP TOPIC    a member of a group, until it is ended: "owned 0 1" when its partitions change, "got N" when it
                                 has consumed N records in all

Both say "version ..." first. A group of three loses a member to SIGKILL and one to SIGSTOP, and gets both back.
"""
import functools
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from conftest import HERE, ROOT, folder, run
from waiting import wait_until

ARGUMENTS = ["--group-heartbeat-ms", "500", "--group-session-ms", "6000"]
SOURCES = HERE / "kafka"
RUN_SECONDS, GROUP_SECONDS, PARTITIONS, RECORDS = 90, 60, 6, 120
numbers = itertools.count()


# ---- what makes each program: a command ----


def java():
    classes, libraries = folder("kafka-java"), ROOT / ".deps" / "kafka" / "lib" / "*"
    run("javac", "-nowarn", "-cp", libraries, "-d", classes, SOURCES / "java" / "KafkaClient.java")
    return ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
            "-cp", f"{classes}:{libraries}", "KafkaClient"]


def go(name):
    program = folder("kafka-go") / name
    run("go", "build", "-o", program, f"./{name}", cwd=SOURCES / "go")
    return [program]


@functools.cache
def node_folder():
    path = folder("kafka-node")
    for file in os.listdir(SOURCES / "node"):
        shutil.copy(SOURCES / "node" / file, path / file)
    # librdkafka comes as source: what it needs is the system's, not fetched.
    run("npm", "ci", "--silent", cwd=path, env=os.environ | {"CKJS_LINKING": "dynamic"})
    return path


def node_js(name):
    return ["node", node_folder() / f"{name}.mjs"]


def rust(_):
    path = folder("kafka-rust")
    shutil.copytree(SOURCES / "rust", path, dirs_exist_ok=True)
    run("cargo", "build", "-q", cwd=path)
    return [path / "target" / "debug" / "client"]


def python(name):
    return [sys.executable, SOURCES / "python" / f"{name}.py"]


CLIENTS = {
    "Apache Kafka Java client": (java,),
    "franz-go": (go, "franz"),
    "sarama": (go, "sarama"),
    "@confluentinc/kafka-javascript": (node_js, "confluent"),
    "kafkajs": (node_js, "kafkajs"),
    "@platformatic/kafka": (node_js, "platformatic"),
    "confluent-kafka": (python, "confluent_client"),
    "aiokafka": (python, "aiokafka_client"),
    "kafka-python-ng": (python, "kafka_python_client"),
    "rskafka": (rust, "client"),
}
GROUPS = [name for name in CLIENTS if name != "rskafka"]  # it has none
BOTH = ["Apache Kafka Java client", "confluent-kafka"]  # have groups of the consumer protocol, too: told which to join


@pytest.fixture(scope="session")
def command():
    """command(client): how to start its program, built once."""
    built = {}

    def make(client):
        if client not in built:
            builder, *arguments = CLIENTS[client]
            built[client] = [str(part) for part in builder(*arguments)]
        return built[client]
    return make


# ---- alone ----


@pytest.mark.parametrize("client", CLIENTS)
def test_alone(node, command, shows, client):
    told = []
    try:
        output = run(*command(client), "basic", node.kafka, f"alone-{next(numbers)}", seconds=RUN_SECONDS)
        told = [line.split(" ", 1) for line in output.splitlines() if line.startswith(("version ", "did "))]
    finally:
        facts = [text for kind, text in told if kind == "did"]
        version = next((text for kind, text in told if kind == "version"), "?")
        shows(client, version, "; ".join(facts) or "topics, records, offsets")
    assert facts


# ---- in a group ----


class Member:
    """A process that is a member."""

    def __init__(self, command, node, group, topic, *arguments):
        self.owned, self.got, self.version, self.lines = set(), 0, "?", []
        parts = [*command, "member", node.kafka, group, topic, *arguments]
        self.process = subprocess.Popen(parts, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            kind, _, rest = line.strip().partition(" ")
            if kind == "owned":
                self.owned = {int(number) for number in rest.split()}
            elif kind == "got":
                self.got = int(rest)
            elif kind == "version":
                self.version = rest

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        self.signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(RUN_SECONDS)


def share_all(members):
    owned = sorted(sum((sorted(member.owned) for member in members), []))
    return owned == list(range(PARTITIONS)) and all(member.owned for member in members)


def lose_and_return(node, start, members, topic):
    """The group's whole story; what is acknowledged at its end is consumed."""
    def wait(condition, what):
        wait_until(condition, GROUP_SECONDS, what)

    members += [start() for _ in range(3)]
    wait(lambda: share_all(members), "three members share the topic")
    killed, paused, left = members
    killed.end()
    wait(lambda: share_all([paused, left]), "two take what a killed one had")
    paused.signal(signal.SIGSTOP)
    wait(lambda: left.owned == set(range(PARTITIONS)), "one takes what a paused one had")
    paused.signal(signal.SIGCONT)
    wait(lambda: share_all([paused, left]), "the paused one is back")
    members.append(start())
    wait(lambda: share_all([paused, left, members[-1]]), "a new one in place of the killed one")
    producer = Producer({"bootstrap.servers": node.kafka})
    for i in range(RECORDS):
        producer.produce(topic, value=b"%d" % i, partition=i % PARTITIONS)
    assert producer.flush(RUN_SECONDS) == 0
    wait(lambda: sum(member.got for member in members) >= RECORDS, "all records")


@pytest.mark.parametrize("client, protocol", [(name, "classic") for name in GROUPS] + [(name, "consumer") for name in BOTH])
def test_a_group_of_three(node, command, shows, client, protocol):
    topic, members = f"group-{next(numbers)}", []
    arguments = [protocol] if client in BOTH else []
    admin = AdminClient({"bootstrap.servers": node.kafka})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(RUN_SECONDS)
    program = command(client)
    try:
        lose_and_return(node, lambda: Member(program, node, f"{topic}-of", topic, *arguments), members, topic)
    except BaseException:
        print(*[f"---- member {i}\n{''.join(member.lines[-40:])}" for i, member in enumerate(members)], sep="\n")
        raise
    finally:
        version = members[0].version if members else "?"
        shows(client, version, f"a group of three, {protocol} protocol: a member killed, one paused, both returned")
        for member in members:
            member.end()
