"""pyralog backup of a directory while its server runs under load, and restore: what was acknowledged before it began is there."""
import os
import shutil
import subprocess
import threading
import time

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from waiting import wait_until

SECONDS = 60
PARTITIONS = 4
BYTES_A_SECOND = 64 << 20
# Small files, so that checkpoints, merges and files used again happen all the time.
SMALL = ("--ring-file-mib", "4", "--checkpoint-mib", "8", "--spare-mib", "64", "--tail-cache-mib", "8")


class Load(threading.Thread):
    """Produces numbered records to every partition until it is told to stop; `acknowledged` has each partition's last. It keeps
    to BYTES_A_SECOND: under ASan a copy takes long, and what was written meanwhile must fit on the disk."""

    def __init__(self, node, topic, bytes_each):
        super().__init__(daemon=True)
        self.producer = Producer({"log_level": 0, "bootstrap.servers": node.kafka, "linger.ms": 2, "batch.size": 1 << 20,
                                  "queue.buffering.max.messages": 20000, "queue.buffering.max.kbytes": 65536,
                                  "message.timeout.ms": 60000})  # none is left out
        self.node, self.topic, self.padding = node, topic, os.urandom(bytes_each // 2).hex().encode()
        self.acknowledged, self.stopped = [-1] * PARTITIONS, threading.Event()

    def on_delivery(self, error, message):
        if not error:
            at = message.partition()
            self.acknowledged[at] = max(self.acknowledged[at], message.offset())

    def run(self):
        number, began = 0, time.monotonic()
        while not self.stopped.is_set():
            ahead = number * len(self.padding) / BYTES_A_SECOND - (time.monotonic() - began)
            if ahead > 0.01:
                self.producer.poll(ahead)
            try:
                self.producer.produce(self.topic, key=str(number), value=b"%d " % number + self.padding,
                                      partition=number % PARTITIONS, on_delivery=self.on_delivery)
                number += 1
            except BufferError:
                self.producer.poll(0.01)
            self.producer.poll(0)
        self.producer.flush(6)

    def reach(self, offset):
        """Returns when a partition's record at `offset` is acknowledged."""
        wait_until(lambda: max(self.acknowledged) >= offset, SECONDS, f"offset {offset} acknowledged")

    def end(self):
        self.stopped.set()
        if not self.node.is_running():
            self.producer.purge()
        self.join(SECONDS)


def run(binary, *arguments, code=0):
    done = subprocess.run([str(binary), *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == code, (arguments, done.stdout, done.stderr)
    return done.stdout + done.stderr


def make_topic(node, name, **config):
    admin = AdminClient({"bootstrap.servers": node.kafka})
    admin.create_topics([NewTopic(name, PARTITIONS, config=config)])[name].result(SECONDS)


def ends(node, topic):
    consumer = Consumer({"bootstrap.servers": node.kafka, "group.id": "ends"})
    found = [consumer.get_watermark_offsets(TopicPartition(topic, i), timeout=SECONDS)[1] for i in range(PARTITIONS)]
    consumer.close()
    return found


def check_records(node, topic, acknowledged):
    """Every record up to what was acknowledged is there, as it was sent."""
    for partition, end in enumerate(ends(node, topic)):
        assert end > acknowledged[partition], (partition, end, acknowledged)
    with psycopg.connect(f"host=127.0.0.1 port={node.ports['postgres']} user=x dbname=x", autocommit=True) as connection:
        rows = connection.execute(f"""SELECT partition, count(*), max("offset"), sum(CASE WHEN key = split_part(value, ' ', 1)
            AND key::bigint = "offset" * {PARTITIONS} + partition THEN 0 ELSE 1 END) FROM {topic} GROUP BY 1 ORDER BY 1""").fetchall()
    for partition, count, last, wrong in rows:
        assert (count, wrong) == (last + 1, 0), (partition, count, last, wrong)


def open_copy(new_node, folder, *arguments):
    """A server on a directory that is there already."""
    node = new_node(*arguments)
    node.kill()
    shutil.rmtree(node.folder / "data")
    shutil.move(folder, node.folder / "data")
    return node.start()


@pytest.mark.parametrize("bytes_each, shards", [(100, 1), (3000, 1), (1000, 2), (60000, 1)])
def test_what_was_acknowledged_before_it_began_is_restored(new_node, binary, tmp_path, bytes_each, shards):
    arguments = (*SMALL, "--shards", str(shards))
    node = new_node(*arguments)
    make_topic(node, "numbers")
    load = Load(node, "numbers", bytes_each)
    load.start()
    load.reach(0)
    known = []
    for number in range(3):
        before = list(load.acknowledged)
        run(binary, "backup", "make", "--data", node.folder / "data", "--to", tmp_path / f"copy{number}")
        known.append(before)
    assert node.is_running() and max(load.acknowledged) > max(known[0])
    node.kill()
    load.end()
    for number, acknowledged in enumerate(known):
        copy, back = tmp_path / f"copy{number}", tmp_path / f"back{number}"
        assert "whole" in run(binary, "backup", "verify", copy)
        run(binary, "restore", "--from", copy, "--data", back)
        restored = open_copy(new_node, back, *arguments)
        check_records(restored, "numbers", acknowledged)
        restored.stop()


def test_a_server_that_is_killed_meanwhile_and_one_that_does_not_run(new_node, binary, tmp_path):
    node = new_node(*SMALL, "--shards", "1")
    make_topic(node, "numbers")
    load = Load(node, "numbers", 1000)
    load.start()
    backup = subprocess.Popen([str(binary), "backup", "make", "--data", str(node.folder / "data"), "--to", str(tmp_path / "one")])
    acknowledged = list(load.acknowledged)
    node.kill()
    load.end()
    assert backup.wait(SECONDS) == 0
    run(binary, "backup", "make", "--data", node.folder / "data", "--to", tmp_path / "two")
    for name, least in (("one", [-1] * PARTITIONS), ("two", acknowledged)):
        run(binary, "restore", "--from", tmp_path / name, "--data", tmp_path / f"back-{name}")
        restored = open_copy(new_node, tmp_path / f"back-{name}", *SMALL, "--shards", "1")
        check_records(restored, "numbers", least)
        restored.stop()


def test_topics_that_come_and_go_while_it_copies(new_node, binary, tmp_path):
    node = new_node(*SMALL)
    make_topic(node, "numbers", **{"retention.bytes": str(8 << 20), "segment.bytes": str(1 << 20)})
    load = Load(node, "numbers", 2000)
    load.start()
    ended = threading.Event()

    def come_and_go():
        admin = AdminClient({"bootstrap.servers": node.kafka})
        for number in range(1000):
            if ended.is_set():
                return
            admin.create_topics([NewTopic(f"short{number}", 2)])[f"short{number}"].result(SECONDS)
            admin.delete_topics([f"short{number}"])[f"short{number}"].result(SECONDS)

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        for number in range(3):
            before = list(load.acknowledged)
            run(binary, "backup", "make", "--data", node.folder / "data", "--to", tmp_path / f"copy{number}")
    finally:
        ended.set()
        other.join(SECONDS)
        load.end()
    run(binary, "restore", "--from", tmp_path / "copy2", "--data", tmp_path / "back")
    restored = open_copy(new_node, tmp_path / "back", *SMALL)
    assert all(end > least for end, least in zip(ends(restored, "numbers"), before))
    restored.stop()


@pytest.fixture
def copy(new_node, binary, tmp_path):
    node = new_node(*SMALL)
    make_topic(node, "numbers")
    load = Load(node, "numbers", 1000)
    load.start()
    load.reach(20000)
    wait_until(lambda: any((node.folder / "data").glob("*/manifest/*")), SECONDS, "a checkpoint")
    load.end()
    run(binary, "backup", "make", "--data", node.folder / "data", "--to", tmp_path / "copy")
    return tmp_path / "copy"


def test_a_copy_that_was_changed_is_refused(binary, copy, tmp_path):
    paths = sorted(path for path in copy.rglob("*") if path.is_file() and path.stat().st_size > 0)
    assert {"ring", "segments", "manifest"} <= {path.parent.name for path in paths}
    for number, path in enumerate(paths):
        whole = path.read_bytes()
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1:])
        said = run(binary, "backup", "verify", copy, code=1)
        assert path.name in said, (path, said)
        if number % 5 == 0:
            run(binary, "restore", "--from", copy, "--data", tmp_path / f"to{number}", code=1)
            assert not (tmp_path / f"to{number}" / "shards").exists()
        path.write_bytes(whole)
    paths[0].unlink()
    run(binary, "backup", "verify", copy, code=1)


def test_nothing_is_written_over(new_node, binary, copy, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").write_text("mine")
    assert "not empty" in run(binary, "restore", "--from", copy, "--data", tmp_path / "full", code=1)
    assert "not empty" in run(binary, "backup", "make", "--data", copy, "--to", tmp_path / "full", code=1)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["something"]
    assert "shards" in run(binary, "backup", "make", "--data", tmp_path / "nowhere", "--to", tmp_path / "x", code=1)
    assert "BACKUP" in run(binary, "restore", "--from", tmp_path / "full", "--data", tmp_path / "y", code=1)
    run(binary, "backup", "make", code=2)
    run(binary, "restore", code=2)
    assert not (tmp_path / "nowhere").exists() and not (tmp_path / "y").exists()


def test_damage_in_the_original_is_told(new_node, binary, tmp_path):
    node = new_node(*SMALL, "--shards", "1")
    make_topic(node, "numbers")
    load = Load(node, "numbers", 1000)
    load.start()
    load.reach(20000)
    load.end()
    node.stop()
    folder = node.folder / "data" / "shard-0"
    sealed = [path for path in sorted((folder / "segments").glob("*.seg")) if path.read_bytes()[-64:-60] == b"PYRT"]
    whole = sealed[-1].read_bytes()
    assert "fail their checksums" not in run(binary, "backup", "make", "--data", node.folder / "data", "--to", tmp_path / "good")
    sealed[-1].write_bytes(whole[:4200] + bytes([whole[4200] ^ 1]) + whole[4201:])  # in its first block
    said = run(binary, "backup", "make", "--data", node.folder / "data", "--to", tmp_path / "copy")
    assert "1 segments fail their checksums" in said


def test_a_ring_that_is_damaged_is_told(new_node, binary, tmp_path):
    node = new_node("--shards", "1")
    make_topic(node, "numbers")
    load = Load(node, "numbers", 1000)
    load.start()
    load.reach(2000)
    load.end()
    node.stop()
    damaged = 0
    for ring in (node.folder / "data" / "shard-0" / "ring").iterdir():
        data = bytearray(ring.read_bytes())
        second = 4096 + int.from_bytes(data[4108:4112], "little")
        if data[4096:4100] == b"PGRP" and data[second:second + 4] == b"PGRP":
            data[4096 + 20] ^= 1  # the first group's header, with others behind it
            ring.write_bytes(data)
            damaged += 1
    assert damaged
    said = run(binary, "backup", "make", "--data", node.folder / "data", "--to", tmp_path / "ring", code=1)
    assert "is damaged" in said and not (tmp_path / "ring" / "BACKUP").exists()
