"""Other Kafka clients for Python, shortly: their groups and those of other languages are in make test-clients."""
import pathlib
import subprocess
import sys

import pytest

PROGRAMS = pathlib.Path(__file__).resolve().parents[1] / "clients" / "kafka" / "python"
SECONDS = 60


@pytest.mark.parametrize("name", ["aiokafka", "kafka_python"])
def test_topics_records_and_offsets(node, name):
    command = [sys.executable, str(PROGRAMS / f"{name}_client.py"), "basic", node.kafka, f"python-{name}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0 and "did commit" in done.stdout, done.stdout + done.stderr
