"""Coordination through the C library: the same promises in this process and of a node, the example, nodes that are killed."""
import subprocess

import pytest
from test_library import SECONDS, run


@pytest.fixture
def build(binary):
    return binary.parents[2]


@pytest.fixture
def obelisk(new_node):
    return new_node("--roles", "obelisk", "--pharaoh-port", "0")


@pytest.mark.parametrize("way", ["open", "attach", "connect"])
def test_contract(build, way, tmp_path, request):
    if way == "connect":
        place = f"127.0.0.1:{request.getfixturevalue('obelisk').ports['pharaoh']}"
    else:
        place = tmp_path / "data"
    told = run(build, "tests/integration/api/contract_pharaoh", way, place).splitlines()
    assert told == ["ok ids", "ok timestamps", "ok sequences", "ok sessions", "ok locks", "ok threads"]


def test_one_at_a_time(build, tmp_path, obelisk):
    """In a directory and over a port, and a directory is that of a server, too: its sequence goes on."""
    for invoice in (1, 2):
        told = run(build, "examples/one_at_a_time", "directory", tmp_path / "coordination")
        assert told == f"the lock is ours: with a token\ninvoice {invoice}\n"
    told = run(build, "examples/one_at_a_time", f"127.0.0.1:{obelisk.ports['pharaoh']}")
    assert told.endswith("invoice 1\n")
    obelisk.stop()
    assert run(build, "examples/one_at_a_time", "directory", obelisk.folder / "data").endswith("invoice 2\n")


def test_a_directory_that_a_node_has_is_busy(build, obelisk):
    done = subprocess.run([build / "examples/one_at_a_time", "directory", obelisk.folder / "data"], capture_output=True, text=True,
                          timeout=SECONDS)
    assert done.returncode == 1 and done.stderr.startswith("PYR_STATUS_BUSY")


def test_nobody_there(build):
    done = subprocess.run([build / "examples/one_at_a_time", "127.0.0.1:1"], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1 and done.stderr.startswith("PYR_STATUS_NETWORK: 127.0.0.1:1 can't be reached")
    done = subprocess.run([build / "examples/one_at_a_time", "nowhere"], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1 and done.stderr.startswith("PYR_STATUS_USAGE")
