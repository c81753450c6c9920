"""A real server for the integration tests: started on free ports in a directory of its own, ended in any case.

    pytest tests/integration --build build/asan     against another build folder
"""
import os
import pathlib
import signal
import subprocess
import threading

import pytest
from waiting import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_SECONDS = 20
STOP_SECONDS = 20


def pytest_addoption(parser):
    parser.addoption("--build", default="build", help="the build folder to test")
    parser.addoption("--rounds", type=int, default=10, help="how often the node is killed")
    parser.addoption("--seconds", type=float, default=0, help="go on for so long with random tests; 0: fixed seeds")


class Node:
    """One server process on one data directory; it can be stopped or killed and started again."""

    def __init__(self, binary, folder, arguments=()):
        self.binary = binary
        self.folder = folder
        self.arguments = list(arguments)
        self.process = None
        self.ports = {}
        self.ready = False

    def start(self):
        """Starts the server and waits until it has told its ports."""
        self.ports, self.ready = {}, False
        command = [str(self.binary), "server", "--data", str(self.folder / "data"), "--host", "127.0.0.1"]
        command += ["--kafka-port", "0", "--pg-port", "0", "--http-port", "0", *self.arguments]
        with open(self.folder / "stderr", "ab") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        threading.Thread(target=self._read_ports, args=(self.process.stdout,), daemon=True).start()
        wait_until(lambda: self.ready or not self.is_running(), START_SECONDS, "the server tells its ports")
        assert self.is_running(), f"the server ended at its start: {self.errors()}"
        return self

    def _read_ports(self, stdout):
        for line in stdout:
            if line.startswith("ready"):
                self.ready = True
            name, _, address = line.strip().partition(" ")
            if ":" in address:
                self.ports[name] = int(address.split()[0].rpartition(":")[2])

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def errors(self):
        return (self.folder / "stderr").read_text(errors="replace")[-4000:]

    def stop(self):
        """Ends the server as an operator would; it must leave in order."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_SECONDS) == 0, f"the server did not stop in order: {self.errors()}"

    def kill(self):
        """Ends the server as a crash would."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    @property
    def kafka(self):
        """host:port for Kafka clients."""
        return f"127.0.0.1:{self.ports['kafka']}"


@pytest.fixture(scope="session")
def binary(request):
    return ROOT / request.config.getoption("--build") / "src" / "cli" / "pyralog"


@pytest.fixture
def new_node(binary, tmp_path):
    """Makes nodes that are gone at the end of the test: new_node(*arguments)."""
    nodes = []

    def make(*arguments):
        folder = tmp_path / f"node{len(nodes)}"
        os.makedirs(folder)
        nodes.append(Node(binary, folder, arguments))
        return nodes[-1].start()

    yield make
    for node in nodes:
        if node.is_running():
            node.kill()


@pytest.fixture(scope="module")
def node(binary, tmp_path_factory, request):
    """One server for all tests of a file, which must still run, and stop in order, when they are over. ARGUMENTS of the
    file are its options."""
    started = Node(binary, tmp_path_factory.mktemp("node"), getattr(request.module, "ARGUMENTS", ())).start()
    yield started
    if started.is_running():
        started.stop()
    else:
        pytest.fail(f"the server died ({started.process.returncode}): {started.errors()}")
