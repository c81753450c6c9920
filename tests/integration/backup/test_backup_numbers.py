"""Ids, timestamps, sequences, sessions and tokens of a directory that was restored, or copied by its files: none that its original
gave, before or after it was copied, comes again."""
import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "pharaoh"))
from wire import Client  # noqa: E402

SECONDS = 60
NODE_MASK, COUNT_BITS = (1 << 11) - 1, 12


def numbers_of(ids):
    return {number >> COUNT_BITS & NODE_MASK for number in ids}


def take(node, count=2000):
    """One of everything, and some ids."""
    client = Client(node.ports["pharaoh"])
    taken = {"ids": client.must("ids", count=count)["numbers"], "timestamp": client.must("timestamps", count=1000)["first"],
             "value": client.must("sequence", count=50, name=b"orders", lease=1)["first"],
             "session": client.must("open", ttl=20000, slot=3)["session"]}
    taken["epoch"] = client.must("ids", count=1, slot=3)["epoch"]
    client.close()
    return taken


def check_later(after, before):
    assert not set(after["ids"]) & set(before["ids"])
    assert all(after[what] > before[what] for what in ("timestamp", "value", "session", "epoch")), (after, before)


@pytest.fixture
def original(new_node, tmp_path, binary):
    """A node, what it gave, and a backup that was made in the middle of that."""
    node = new_node("--pharaoh-port", "0", "--id-node", "77")
    first = take(node)
    subprocess.run([binary, "backup", "make", "--data", node.folder / "data", "--to", tmp_path / "backup"], check=True, timeout=SECONDS,
                   capture_output=True)
    second = take(node)
    second["ids"] += first["ids"]
    return node, second


def restored(binary, new_node, tmp_path, *arguments):
    node = new_node("--pharaoh-port", "0", *arguments)
    node.stop()
    shutil.rmtree(node.folder / "data")
    subprocess.run([binary, "restore", "--data", node.folder / "data", "--from", tmp_path / "backup"], check=True, timeout=SECONDS,
                   capture_output=True)
    return node.start()


def test_what_was_restored_goes_on_beyond_its_original(binary, new_node, tmp_path, original):
    node = restored(binary, new_node, tmp_path)
    taken = take(node)
    check_later(taken, original[1])
    assert len(numbers_of(taken["ids"])) == 1 and numbers_of(taken["ids"]) != {77}
    assert "is a copy of one whose ids have the node number 77" in node.errors()
    node.kill()
    again = take(node.start())
    assert numbers_of(again["ids"]) == numbers_of(taken["ids"])
    check_later(again, taken)


def test_what_was_restored_may_have_its_originals_number(binary, new_node, tmp_path, original):
    """The operator says that the original is gone: its ids are all earlier."""
    original[0].kill()
    node = restored(binary, new_node, tmp_path, "--id-node", "77")
    taken = take(node)
    check_later(taken, original[1])
    assert numbers_of(taken["ids"]) == {77} and min(taken["ids"]) > max(original[1]["ids"])


def test_a_directory_that_was_copied_has_another_number(new_node, original):
    """By its files, while its server was stopped; the original keeps its number."""
    node, _ = original
    node.arguments = ["--pharaoh-port", "0"]
    node.stop()
    copy = new_node("--pharaoh-port", "0")
    copy.stop()
    shutil.rmtree(copy.folder / "data")
    subprocess.run(["cp", "-r", "--sparse=always", node.folder / "data", copy.folder / "data"], check=True, timeout=SECONDS)
    number = numbers_of(take(copy.start())["ids"])
    assert numbers_of(take(node.start())["ids"]) == {77} != number
    copy.kill()
    assert numbers_of(take(copy.start())["ids"]) == number
