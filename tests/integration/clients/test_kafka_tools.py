"""Apache Kafka's own command-line tools, as they come with Kafka, against a server."""
import glob
import json
import re
import subprocess

import pytest
from conftest import ROOT, run

ARGUMENTS = ["--group-heartbeat-ms", "500", "--group-session-ms", "6000"]
LIBRARIES = ROOT / ".deps" / "kafka" / "lib"
JAVA = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
SECONDS = 60
TOOLS = "org.apache.kafka.tools."
TOPICS, CONFIGS = TOOLS + "TopicCommand", "kafka.admin.ConfigCommand"
GROUPS = TOOLS + "consumer.group.ConsumerGroupCommand"
VERSION = next((re.search(r"-([\d.]+)\.jar", path)[1] for path in glob.glob(str(LIBRARIES / "kafka-clients-*.jar"))), "?")


@pytest.fixture
def tool(node, shows):
    def call(name, *arguments, what=None, bootstrap=True, **options):
        if what:
            shows("Apache Kafka's tools", VERSION, what)
        server = ["--bootstrap-server", node.kafka] if bootstrap else []
        return run(*JAVA, "-cp", f"{LIBRARIES}/*", name, *server, *arguments, seconds=SECONDS, **options)
    return call


@pytest.fixture
def topic(tool, request):
    name = "tools-" + re.sub(r"\W", "-", request.node.name)
    tool(TOPICS, "--create", "--topic", name, "--partitions", "3", "--config", "retention.ms=100000")
    return name


def test_topics(tool, topic):
    tool(TOPICS, "--alter", "--topic", topic, "--partitions", "5", what="kafka-topics: create, alter, describe, list, delete")
    described = tool(TOPICS, "--describe", "--topic", topic)
    assert "PartitionCount: 5" in described and "retention.ms=100000" in described and "Leader: 1" in described
    assert topic in tool(TOPICS, "--list").split()
    tool(TOPICS, "--delete", "--topic", topic)
    assert topic not in tool(TOPICS, "--list").split()


def test_console(tool, topic):
    properties = ["--property", "parse.key=true", "--property", "key.separator=:"]
    tool(TOOLS + "ConsoleProducer", "--topic", topic, *properties, input="".join(f"k{i}:v{i}\n" for i in range(20)),
         what="console producer and consumer")
    shown = tool(TOOLS + "consumer.ConsoleConsumer", "--topic", topic, "--from-beginning", "--max-messages", "20", "--property",
                 "print.key=true")
    assert sorted(shown.split("\n")[:-1]) == sorted(f"k{i}\tv{i}" for i in range(20))


def test_consumer_groups(tool, topic):
    tool(TOOLS + "VerifiableProducer", "--topic", topic, "--max-messages", "30", "--throughput", "-1")
    tool(TOOLS + "consumer.ConsoleConsumer", "--topic", topic, "--group", "tools", "--from-beginning", "--max-messages", "30",
         what="kafka-consumer-groups: list, describe, reset, delete offsets, delete")
    assert "tools" in tool(GROUPS, "--list").split()

    def offsets():
        rows = [line.split() for line in tool(GROUPS, "--describe", "--group", "tools").splitlines()]
        return {int(row[2]): (row[3], row[4], row[5]) for row in rows if row[:2] == ["tools", topic]}

    assert sum(int(committed) for committed, _, _ in offsets().values()) == 30
    assert all(lag == "0" for _, _, lag in offsets().values())
    tool(GROUPS, "--reset-offsets", "--group", "tools", "--topic", topic, "--to-earliest", "--execute")
    assert sum(int(lag) for _, _, lag in offsets().values()) == 30
    assert "Successful" in tool(GROUPS, "--delete-offsets", "--group", "tools", "--topic", f"{topic}:0")
    assert "was successful" in tool(GROUPS, "--delete", "--group", "tools")
    assert "tools" not in tool(GROUPS, "--list").split()


def test_configs(tool, topic):
    entity = ["--entity-type", "topics", "--entity-name", topic]
    tool(CONFIGS, "--alter", *entity, "--add-config", "retention.ms=5000,max.message.bytes=2000000",
         what="kafka-configs: topics, groups, brokers, quotas of clients and users")
    assert "retention.ms=5000 " in tool(CONFIGS, "--describe", *entity)
    tool(CONFIGS, "--alter", *entity, "--delete-config", "retention.ms")
    shown = tool(CONFIGS, "--describe", *entity, "--all")
    assert "retention.ms=604800000 sensitive=false synonyms={DEFAULT_CONFIG:log.retention.ms=604800000}" in shown
    assert "log.retention.ms=" in tool(CONFIGS, "--describe", "--entity-type", "brokers", "--entity-name", "1", "--all")
    group = ["--group", "tools-configs"]
    tool(CONFIGS, "--alter", *group, "--add-config", "consumer.session.timeout.ms=50000,consumer.heartbeat.interval.ms=1000")
    assert "consumer.session.timeout.ms=50000 " in tool(CONFIGS, "--describe", *group)
    assert "tools-configs" in tool(CONFIGS, "--describe", "--entity-type", "groups")
    tool(CONFIGS, "--alter", *group, "--delete-config", "consumer.session.timeout.ms")
    shown = tool(CONFIGS, "--describe", *group, "--all")
    assert "consumer.session.timeout.ms=6000 sensitive=false synonyms={DEFAULT_CONFIG:group.consumer.session.timeout.ms" in shown
    assert "consumer.heartbeat.interval.ms=1000 " in shown
    tool(CONFIGS, "--alter", "--entity-type", "clients", "--entity-name", "slow", "--add-config", "producer_byte_rate=100000")
    assert "producer_byte_rate=100000" in tool(CONFIGS, "--describe", "--entity-type", "clients")
    tool(CONFIGS, "--alter", "--entity-type", "users", "--entity-default", "--add-config", "request_percentage=2000")
    assert "request_percentage=2000" in tool(CONFIGS, "--describe", "--entity-type", "users")


def test_offsets_and_records(tool, topic, tmp_path):
    tool(TOOLS + "VerifiableProducer", "--topic", topic, "--max-messages", "30", "--throughput", "-1",
         what="kafka-get-offsets and kafka-delete-records")

    def ends(*arguments):
        lines = tool(TOOLS + "GetOffsetShell", "--topic", topic, *arguments).split()
        return {int(line.split(":")[1]): int(line.split(":")[2]) for line in lines}

    found = ends()
    assert sum(found.values()) == 30
    partition = max(found, key=found.get)
    deleted = {"partitions": [{"topic": topic, "partition": partition, "offset": found[partition]}], "version": 1}
    (tmp_path / "delete.json").write_text(json.dumps(deleted))
    assert f"low_watermark: {found[partition]}" in tool(TOOLS + "DeleteRecordsCommand", "--offset-json-file", tmp_path / "delete.json")
    assert ends("--time", "earliest")[partition] == found[partition]


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_verifiable(tool, topic, protocol):
    sent = tool(TOOLS + "VerifiableProducer", "--topic", topic, "--max-messages", "1000", "--throughput", "-1",
                what=f"VerifiableProducer and VerifiableConsumer, {protocol} protocol")
    assert json.loads(sent.splitlines()[-1])["acked"] == 1000
    seen = tool(TOOLS + "VerifiableConsumer", "--topic", topic, "--group-id", f"verifiable-{protocol}", "--group-protocol", protocol,
                "--max-messages", "1000", "--reset-policy", "earliest")
    events = [json.loads(line) for line in seen.splitlines()]
    assert sum(event["count"] for event in events if event["name"] == "records_consumed") >= 1000
    assert all(event["success"] for event in events if event["name"] == "offsets_committed")


def test_performance(tool, topic, node):
    props = ["--producer-props", f"bootstrap.servers={node.kafka}"]
    shown = tool(TOOLS + "ProducerPerformance", "--topic", topic, "--num-records", "50000", "--record-size", "100", "--throughput",
                 "-1", *props, bootstrap=False, what="ProducerPerformance, ConsumerPerformance, EndToEndLatency")
    assert "50000 records sent" in shown
    shown = tool(TOOLS + "ConsumerPerformance", "--topic", topic, "--messages", "50000", "--timeout", "20000")
    assert int(shown.splitlines()[-1].split(", ")[4]) >= 50000
    assert "Avg latency" in tool(TOOLS + "EndToEndLatency", node.kafka, topic, "100", "all", "100", bootstrap=False)


def test_the_cluster(tool, topic, node):
    shown = tool(TOOLS + "LogDirsCommand", "--describe", "--topic-list", topic,
                 what="log dirs, leader election, reassignments, transactions, API versions, cluster id")
    assert f"{topic}-2" in shown
    assert "already elected" in tool(TOOLS + "LeaderElectionCommand", "--election-type", "preferred", "--topic", topic, "--partition", "0")
    assert "No partition reassignments" in tool(TOOLS + "reassign.ReassignPartitionsCommand", "--list")
    assert "TransactionalId" in tool(TOOLS + "TransactionsCommand", "list")
    assert "ProducerEpoch" in tool(TOOLS + "TransactionsCommand", "describe-producers", "--topic", topic, "--partition", "0")
    assert "DescribeTopicPartitions(75): 0" in tool(TOOLS + "BrokerApiVersionsCommand")
    assert "Cluster ID" in tool(TOOLS + "ClusterTool", "cluster-id", "--bootstrap-server", node.kafka, bootstrap=False)


def test_a_mistake_is_told(node, topic):
    """The sentence reaches who types the command."""
    command = [*JAVA, "-cp", f"{LIBRARIES}/*", CONFIGS, "--bootstrap-server", node.kafka, "--alter", "--entity-type", "topics",
               "--entity-name", topic, "--add-config", "segment.ms=1000"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert result.returncode != 0 and "sealed by size" in result.stdout + result.stderr
