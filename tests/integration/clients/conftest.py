"""What the tests of clients share: building them, and a record of what each has shown, of which tools/compatibility.py makes
docs/COMPATIBILITY.md."""
import json
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
BUILT = ROOT / ".deps" / "clients"
RESULTS = BUILT / "results"
BUILD_SECONDS = 500


def run(*command, seconds=BUILD_SECONDS, **options):
    """Standard output of a command that must succeed."""
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=seconds, check=False, **options)
    assert result.returncode == 0, (command, result.stdout[-3000:], result.stderr[-3000:])
    return result.stdout


def folder(name):
    path = BUILT / name
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture
def shows(request):
    """shows(client, version, what): what this test shows of a client, whether it passes or not."""
    return lambda *told: request.node.user_properties.append(("shows", told))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    told = [value for name, value in item.user_properties if name == "shows"]
    if call.when != "call" or not told:
        return
    RESULTS.mkdir(parents=True, exist_ok=True)
    protocol = "Kafka" if "kafka" in item.nodeid else "SQL"
    rows = [{"protocol": protocol, "client": client, "version": version, "what": what, "passed": outcome.get_result().passed}
            for client, version, what in told]
    name = "".join(c if c.isalnum() else "-" for c in item.name)
    (RESULTS / f"{name}.json").write_text(json.dumps(rows, indent=1))
