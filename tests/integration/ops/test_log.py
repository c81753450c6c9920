"""What the server tells on standard error: a line an event, as text or as JSON."""
import json
import re
import socket
import subprocess

import pytest
from asking import SECONDS
from waiting import wait_until


def lines(node):
    return (node.folder / "stderr").read_text().splitlines()


def disturb(node):
    """A peer that speaks no Kafka: the server closes the connection and says so."""
    with socket.create_connection(("127.0.0.1", node.ports["kafka"]), timeout=SECONDS) as peer:
        peer.sendall(b"\x7f\xff\xff\xff nothing of Kafka \"\\\n")
        assert peer.recv(1) == b""


def test_text(new_node):
    node = new_node()
    disturb(node)
    node.stop()
    told = lines(node)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO |WARN |ERROR) [a-z]+: \S.*", line) for line in told), told
    sentences = "\n".join(told)
    assert re.search(r"INFO  server: the server starts \(version=\S+ data=\S+\)", sentences)
    assert re.search(r"INFO  server: the server is ready \(shards=\d+ kafka_port=%d pg_port=%d http_port=%d\)"
                     % (node.ports["kafka"], node.ports["postgres"], node.ports["http"]), sentences)
    assert re.search(r"WARN  kafka: a connection was closed: .* \(shard=\d+\)", sentences)
    assert told[-1].endswith("server: the server has stopped")


def test_json(new_node):
    node = new_node("--log-format", "json")
    disturb(node)
    node.stop()
    events = [json.loads(line) for line in lines(node)]
    for event in events:
        assert {"time", "level", "component", "thread", "message"} <= event.keys()
        assert event["level"] in ("debug", "info", "warning", "error")
    messages = [event["message"] for event in events]
    assert messages[0] == "the server starts" and messages[-1] == "the server has stopped"
    assert events[0]["data"] == str(node.folder / "data")
    closed = next(event for event in events if event["component"] == "kafka")
    assert closed["level"] == "warning" and isinstance(closed["shard"], int)


@pytest.mark.parametrize("level, least", [("debug", 4), ("warning", 1), ("error", 0)])
def test_levels(new_node, level, least):
    node = new_node("--log-level", level)
    disturb(node)
    node.stop()
    told = lines(node)
    assert len(told) >= least and (least > 0 or told == [])
    if level == "warning":
        assert all(" WARN " in line for line in told)


def test_wrong_settings(binary):
    for arguments in (["--log-level", "loud"], ["--log-format", "xml"], ["--drain-s", "-1"]):
        done = subprocess.run([str(binary), "server", *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 2 and f"{arguments[0]} {arguments[1]} is not valid" in done.stderr


def test_hostile_peers_do_not_fill_the_log(new_node):
    node = new_node()
    for _ in range(200):
        disturb(node)
    wait_until(lambda: any("more lines like these were left out" in line for line in lines(node)), SECONDS, "lines left out")
    assert len(lines(node)) < 200
    node.stop()
