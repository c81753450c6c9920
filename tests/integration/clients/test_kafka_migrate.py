"""Java's client in a running application that goes over from the classic to the consumer protocol, member by member, and back, under
load: each record is seen, and none again that was committed (KIP-848, "Consumer Group Migration")."""
import sys

import pytest
from confluent_kafka import ConsumerGroupType
from confluent_kafka.admin import AdminClient, NewTopic
from conftest import HERE, ROOT, folder, run
from waiting import wait_until

sys.path.insert(0, str(HERE.parent / "kafka"))
from group_load import PARTITIONS, SECONDS, Load, Worker, check_once, shared, start, wait_for_all  # noqa: E402, F401

ARGUMENTS = ["--group-heartbeat-ms", "500", "--group-session-ms", "10000"]
CLASSIC = "group.protocol=classic,session.timeout.ms=10000,heartbeat.interval.ms=300,partition.assignment.strategy="
PACKAGE = "org.apache.kafka.clients.consumer."
STRATEGIES = ["RangeAssignor", "CooperativeStickyAssignor"]
CONSUMER = "group.protocol=consumer"


@pytest.fixture(scope="module")
def program():
    classes, libraries = folder("kafka-java"), ROOT / ".deps" / "kafka" / "lib" / "*"
    run("javac", "-nowarn", "-cp", libraries, "-d", classes, HERE / "kafka" / "java" / "KafkaWorker.java",
        HERE / "kafka" / "java" / "KafkaClient.java")
    java = ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
            "-cp", f"{classes}:{libraries}"]
    return [str(part) for part in java]


def version(node, program):
    """As its program for all else says it, which fails at once without a topic."""
    done = run("sh", "-c", '"$@" || true', "sh", *program, "KafkaClient", "version", node.kafka, "", "")
    return next((line.split()[1] for line in done.splitlines() if line.startswith("version ")), "?")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_rolling_restart_changes_the_protocol_and_back(node, program, shows, start, strategy):  # noqa: F811
    admin, group = AdminClient({"bootstrap.servers": node.kafka}), f"rolling-{strategy}"
    admin.create_topics([NewTopic(group, PARTITIONS, 1)])[group].result(SECONDS)
    shows("Apache Kafka Java client", version(node, program),
          f"a rolling restart from the classic protocol ({strategy}) to the consumer protocol and back, under load")
    classic = CLASSIC + PACKAGE + strategy
    load, every = Load(node, group), []

    def make(config):
        every.append(start(group, group, config, [*program, "KafkaWorker"]))
        return every[-1]

    try:
        workers = [make(classic) for _ in range(3)]
        wait_until(lambda: shared(*workers), SECONDS, "three share")
        for config, kind in [(CONSUMER, ConsumerGroupType.CONSUMER), (classic, ConsumerGroupType.CLASSIC)]:
            for i in range(3):
                fresh = make(config)
                wait_until(lambda: shared(*workers, fresh), SECONDS, "four share")
                workers[i].end()
                workers[i] = fresh
                wait_until(lambda: shared(*workers), SECONDS, f"three share, member {i} is a new one")
            assert admin.describe_consumer_groups([group])[group].result(SECONDS).type == kind
    finally:
        load.end()
    wait_for_all(load, every)
    for worker in workers:
        worker.end()
    check_once(load, every)
