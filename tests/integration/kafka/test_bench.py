"""pyralog bench against a real node: every mode counts what is there, and errors are never counted as successes."""
import json
import os
import signal
import socket
import subprocess

import pytest
from confluent_kafka import TopicPartition

RUN_SECONDS = 30
FLIGHTS = "year,month,carrier,tailnum\n" + "".join(f"2013,{i % 12},UA,N{i}\n" for i in range(100))


@pytest.fixture
def bench(binary, node):
    """Runs `pyralog bench` on the node: (exit code, result or None, standard error)."""

    def run(*arguments, seconds=0.3, broker=None):
        command = [str(binary), "bench", *arguments, "--json", "--seconds", str(seconds), "--warmup", "0.1"]
        command += ["--broker", broker or node.kafka, "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS)
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr

    return run


def good(outcome):
    code, result, errors = outcome
    assert code == 0, errors
    return result


def watermarks(client, topic, partitions):
    """The sum of all high watermarks, as another client sees them."""
    consumer = client.consumer()
    return sum(consumer.get_watermark_offsets(TopicPartition(topic, i), timeout=10)[1] for i in range(partitions))


@pytest.mark.parametrize("options", [
    ["--batch-records", "100"],
    ["--batch-records", "1", "--connections", "1", "--in-flight", "1", "--acks", "1"],
    ["--batch-records", "50", "--codec", "lz4", "--honest"],
    ["--partitions", "40", "--partitions-per-request", "7", "--connections", "3", "--threads", "2", "--record-bytes", "900"],
    ["--connections", "7", "--partitions", "2", "--codec", "zstd", "--batch-records", "10"],
    ["--records", "5000", "--batch-records", "10"],
    ["--rate", "20000", "--batch-records", "10"],
])
def test_acknowledged_is_what_the_log_holds(bench, client, options):
    topic = client.topic(int(options[options.index("--partitions") + 1]) if "--partitions" in options else 4)
    result = good(bench("produce", "--topic", topic, "--pid", str(client.node.process.pid), *options))
    assert result["acknowledged_records"] > 0
    assert result["acknowledged_records"] == result["sent_records"] == result["log_records"]
    assert watermarks(client, topic, result["partitions"]) == result["acknowledged_records"]
    produced = result["produced"]
    assert 0 < produced["records"] <= result["acknowledged_records"]
    assert produced["records_per_s"] == pytest.approx(produced["records"] / result["seconds"])
    latency = produced["latency"]
    assert 0 < latency["p50_ms"] <= latency["p99_ms"] <= latency["p999_ms"] <= latency["max_ms"]
    assert result["broker_peak_bytes"] > 0 and result["broker_cpu_s"] >= 0
    if "--records" in options:
        assert result["acknowledged_records"] == 5000


def test_what_is_sent_is_what_consumers_get(bench, client, tmp_path):
    (tmp_path / "flights.csv").write_text(FLIGHTS)
    topic = client.topic(1)
    good(bench("--topic", topic, "--payload", "flights", "--flights", str(tmp_path / "flights.csv"), "--records", "30",
               "--batch-records", "10", "--codec", "zstd", "--connections", "1"))
    messages = client.consume(topic, 30)
    assert json.loads(messages[3].value()) == {"year": 2013, "month": 3, "carrier": "UA", "tailnum": "N3"}
    assert messages[3].key() == b"UA"


def test_unanswered_produce_is_not_called_acknowledged(bench):
    result = good(bench("--acks", "0", "--batch-records", "10", "--record-bytes", "10000"))
    assert result["acknowledged_records"] == 0
    assert result["log_records"] == result["sent_records"] >= result["produced"]["records"] > 0
    assert result["produced"]["latency"]["count"] == 0


def test_a_fixed_rate_is_kept(bench):
    result = good(bench("--rate", "5000", "--batch-records", "5", seconds=1))
    assert result["produced"]["records_per_s"] == pytest.approx(5000, rel=0.1)
    assert result["missed_records"] == 0
    assert result["produced"]["latency"]["count"] == pytest.approx(1000, abs=5)


def test_a_rate_beyond_the_broker_is_told(bench):
    result = good(bench("--rate", "1e9", "--connections", "1", "--in-flight", "1", "--batch-records", "1000"))
    assert result["missed_records"] > 0
    # What could not be sent waits longer and longer: a generator that waits for answers would not see it.
    assert result["produced"]["latency"]["p90_ms"] > 100


def test_fetch_reads_all_again_and_again(bench):
    result = good(bench("fetch", "--prepare-mib", "2", "--check", "--batch-records", "100"))
    prepared = 2 * 2**20 // 10000 * 100
    assert result["fetched_records"] > prepared
    assert result["fetched"]["mb_per_s"] > 0


def test_fetch_ends_after_so_many_records(bench, client):
    topic = client.topic(3)
    good(bench("produce", "--topic", topic, "--records", "3000", "--batch-records", "10",
               "--connections", "3"))
    result = good(bench("fetch", "--topic", topic, "--records", "3000", "--connections", "3"))
    assert result["fetched"]["records"] == result["fetched_records"] == 3000
    assert watermarks(client, topic, 3) == 3000


def test_tail_sees_everything_that_is_sent(bench):
    result = good(bench("tail", "--rate", "5000", "--batch-records", "5", "--partitions", "5", "--threads", "2"))
    assert result["fetched_records"] == result["acknowledged_records"] > 0
    assert result["tail"]["count"] == result["produced"]["latency"]["count"]
    assert result["tail"]["p50_ms"] > 0


def test_mixed_reads_and_writes(bench):
    result = good(bench("mixed", "--prepare-mib", "1", "--readers", "2", "--batch-records", "100"))
    assert result["produced"]["records"] > 0 and result["fetched"]["records"] > 0


@pytest.mark.parametrize("options", [["--connections", "3", "--threads", "2"], ["--partitions-per-request", "4", "--in-flight", "1"]])
def test_commits_are_what_other_clients_see(bench, client, options):
    topic = client.topic(4)
    result = good(bench("commit", "--topic", topic, "--groups", "10", "--records", "25", *options))
    each = 4 if "--partitions-per-request" in options else 1
    assert result["committed_offsets"] == result["committed"]["records"] == 25 * each
    assert result["committed"]["requests"] == result["committed"]["latency"]["count"] == 25
    assert "produced" not in result and result["log_records"] == 0
    for number in range(10):
        reader = client.consumer(**{"group.id": f"{topic}-{number}"})
        found = reader.committed([TopicPartition(topic, i) for i in range(each)], timeout=10)
        assert {one.offset for one in found} <= {1, 2, 3} and len(found) == each


def test_commits_go_on_for_the_time_given(bench, client):
    result = good(bench("commit", "--pid", str(client.node.process.pid)))
    assert result["committed"]["requests_per_s"] == pytest.approx(result["committed"]["requests"] / result["seconds"])
    assert result["committed_offsets"] > 0 and 0 < result["committed"]["latency"]["p50_ms"]
    assert result["broker_peak_bytes"] > 0


def test_members_settle_and_leave(bench, client):
    topic = client.topic(5)
    result = good(bench("members", "--topic", topic, "--connections", "20", "--pid", str(client.node.process.pid)))
    settled = result["settled"]
    assert settled["count"] == 3 and 0 < settled["p50_ms"] <= settled["max_ms"] < RUN_SECONDS * 1000
    described = client.admin.describe_consumer_groups([f"{topic}-{number}" for number in range(3)])
    for group in described.values():
        assert group.result(10).members == []


def test_keys_are_as_many_as_were_asked_for(bench, client):
    topic = client.topic(1)
    good(bench("--topic", topic, "--keys", "7", "--records", "200", "--batch-records", "50", "--honest"))
    assert {message.key() for message in client.consume(topic, 200)} == {b"k-%010d" % number for number in range(7)}


def test_its_topic_goes_unless_it_is_kept(bench, client):
    gone = good(bench("--batch-records", "10", seconds=0.05))["topic"]
    kept = good(bench("--batch-records", "10", "--keep", seconds=0.05))["topic"]
    topics = client.admin.list_topics(timeout=10).topics
    assert kept in topics and gone not in topics


def test_a_refused_batch_names_error_and_partition(bench, client):
    topic = client.topic(1, **{"max.message.bytes": "2000"})
    code, result, errors = bench("--topic", topic, "--batch-records", "100")
    assert code == 1 and result is None
    assert "partition 0" in errors and "MESSAGE_TOO_LARGE" in errors
    assert watermarks(client, topic, 1) == 0


def test_its_topic_has_the_settings_that_were_asked_for(bench):
    code, _, errors = bench("--topic-config", "retention.ms=1000000,max.message.bytes=2000", "--batch-records", "100")
    assert code == 1 and "MESSAGE_TOO_LARGE" in errors
    code, _, errors = bench("--topic-config", "max.message.bytes=many")
    assert code == 1 and "INVALID_CONFIG" in errors


def test_a_broker_that_is_not_there_gets_a_sentence(bench):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        code, result, errors = bench(broker=f"127.0.0.1:{free.getsockname()[1]}")
    assert code == 1 and result is None
    assert "no broker answers at 127.0.0.1" in errors


def test_another_protocol_gets_a_sentence(bench, node):
    code, _, errors = bench(broker=f"127.0.0.1:{node.ports['postgres']}")
    assert code == 1 and "no broker answers" in errors


@pytest.mark.parametrize("arguments, sentence", [
    (["--codec", "brotli"], "--codec brotli is not valid"),
    (["--broker=nowhere"], "give HOST:PORT"),
    (["sideways"], "give one of produce, fetch, tail, mixed, commit, members"),
    (["--rate", "5", "--mode", "fetch"], "--rate is for producing"),
    (["commit", "--groups", "3"], "--groups 3 are less than --connections 4"),
    (["--acks", "0", "--mode", "tail"], "--acks 0 tells nothing to follow"),
    (["--threads", "2", "--connections", "1"], "--threads 2 are more than --connections 1"),
    (["--payload", "flights", "--flights", "/nowhere"], "/nowhere can't be read"),
    (["--topic-config", "retention.bytes"], "give KEY=VALUE"),
    (["--pid", "2147483647"], "there is no process 2147483647"),
    (["tail", "--connections", "2", "--partitions", "1"], "a partition for each connection"),
])
def test_a_wrong_command_line_ends_with_2(binary, node, arguments, sentence):
    command = [str(binary), "bench", *arguments, "--seconds", "0.1", "--warmup", "0"]
    command += [] if "--broker=nowhere" in arguments else ["--broker", node.kafka]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr and done.stdout == ""


def test_interrupting_it_tells_what_was_measured(binary, node):
    command = [str(binary), "bench", "--broker", node.kafka, "--warmup", "0", "--seconds", "600", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    assert "records/s in" in line
    os.kill(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 0, errors
    result = json.loads(out)
    assert 0.5 < result["seconds"] < 20 and result["produced"]["records"] > 0
