"""The C library: the same program on a node of its own and on a server; the examples."""
import os
import subprocess

import pytest

SECONDS = 60


def run(build, program, *arguments):
    """What it printed; its output is shown when it fails."""
    done = subprocess.run([build / program, *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"{program} {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def build(binary):
    return binary.parents[2]


@pytest.fixture(params=["open", "connect"])
def place(request, tmp_path):
    """The arguments that say where: a directory, or a server's ports."""
    if request.param == "open":
        return ["open", tmp_path / "data"]
    node = request.getfixturevalue("new_node")()
    return ["connect", node.ports["kafka"], node.ports["postgres"]]


def test_contract(build, place):
    told = run(build, "tests/integration/api/contract", *place).splitlines()
    assert len(told) >= 8 and all(line.startswith("ok ") for line in told)


def test_getting_started(build, place):
    arguments = place[1:] if place[0] == "open" else ["127.0.0.1", *place[1:]]
    told = run(build, "examples/getting_started", *arguments)
    assert told == "wrote user-123 at partition 0, offset 0\nread login\nuser-123: 2\nuser-456: 1\n"


def test_a_directory_that_a_server_has_is_busy(build, new_node):
    node = new_node()
    program = build / "examples/getting_started"
    done = subprocess.run([program, node.folder / "data"], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1 and done.stderr.startswith("PYR_STATUS_BUSY")


def test_only_what_the_header_declares_is_exported(build):
    library = build / "src/api/libpyralog.so"
    listed = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True)
    names = {line.split()[-1].split("@")[0] for line in listed.stdout.splitlines() if " T " in line}
    header = (pytest.importorskip("pathlib").Path(__file__).parents[3] / "include/pyralog/pyralog.h").read_text()
    assert names and all(name.startswith("pyr_") and f"{name}(" in header for name in names)
    assert os.path.getsize(library) > 0
