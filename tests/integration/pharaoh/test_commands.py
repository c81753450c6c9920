"""pyralog seq, session, lock and pharaoh, as a shell would use them."""
import json
import subprocess
import sys

import pytest
from waiting import wait_until

SECONDS = 60


@pytest.fixture
def run(obelisk, binary):
    node = obelisk()

    def command(*arguments, code=0, error=""):
        options, rest = list(arguments), []
        if "--" in options:
            at = options.index("--")
            options, rest = options[:at], options[at:]
        done = subprocess.run([str(binary), *options, "--pharaoh", f"127.0.0.1:{node.ports['pharaoh']}", *rest],
                              capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == code and error in done.stderr, (done.returncode, done.stdout, done.stderr)
        return done.stdout

    command.node = node
    yield command
    if node.is_running():
        node.stop()


def test_seq(run):
    assert run("seq", "orders", "--count", "3") == "1\n2\n3\n"
    assert run("seq", "orders") == "4\n"
    run("seq", code=2, error="which sequence")
    run("seq", "orders", "--count", "0", code=2, error="--count 0 is not valid")


def test_session(run):
    session = run("session", "open", "--ttl-ms", "20000").strip()
    run("session", "keep", session)
    run("session", "close", session)
    run("session", "keep", session, code=1, error="has ended")
    run("session", "close", session, code=1, error="no such session")
    run("session", "keep", code=2, error="which session")
    run("session", "open", "--ttl-ms", "50000", code=1, error="may 100 to 20000")


def test_status(run):
    run("seq", "orders")
    rows = {row["counter"]: row["value"] for row in json.loads(run("pharaoh", "status", "--format", "json"))}
    assert rows["values"] == 1 and rows["slots"] == 1024
    assert run("pharaoh", "slots").split("\t")[:2] == ["0-1023", f"127.0.0.1:{run.node.ports['pharaoh']}"]
    run("pharaoh", "nothing", code=2, error="say what to show")


def test_a_program_under_a_lock(run, tmp_path):
    token = run("lock", "run", "job", "--", sys.executable, "-c", "import os; print(os.environ['PYRALOG_LOCK_TOKEN'])").strip()
    assert int(token) > 0
    run("lock", "run", "job", "--", sys.executable, "-c", "raise SystemExit(7)", code=7)
    run("lock", "run", "job", "--", str(tmp_path / "nothing"), code=1, error="can't be run")
    run("lock", "look", "job", code=1, error="nobody holds")
    run("lock", "run", "job", code=2, error="what shall run")


def test_programs_take_turns(run, binary, tmp_path):
    """Eight at once append a line when they begin and when they end: none begins before the one before has ended."""
    file = tmp_path / "turns"
    code = f"f = open({str(file)!r}, 'a'); print('begin', file=f, flush=True); sum(range(10**6)); print('end', file=f, flush=True)"
    where = f"127.0.0.1:{run.node.ports['pharaoh']}"
    programs = [subprocess.Popen([str(binary), "lock", "run", "turns", "--pharaoh", where, "--", sys.executable, "-c", code])
                for _ in range(8)]
    assert [program.wait(SECONDS) for program in programs] == [0] * 8
    assert file.read_text().split() == ["begin", "end"] * 8


def test_a_lock_outlives_its_nodes_restart(run, binary):
    """Killed and started again on the same port within the session's time: the program goes on, others don't get the lock."""
    port = run.node.ports["pharaoh"]
    program = subprocess.Popen([str(binary), "lock", "run", "held", "--ttl-ms", "20000", "--pharaoh", f"127.0.0.1:{port}", "--",
                                sys.executable, "-c", "import sys; print('runs', flush=True); sys.stdin.read()"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdout.readline() == "runs\n"
    token = run("lock", "look", "held").split()[3]
    run.node.kill()
    run.node.arguments = ["--roles", "obelisk", "--pharaoh-port", str(port)]
    run.node.start()
    look = [str(binary), "lock", "look", "held", "--pharaoh", f"127.0.0.1:{port}"]
    wait_until(lambda: subprocess.run(look, capture_output=True, text=True, check=False).stdout.split()[3:4] == [token], 30,
               "the lock is claimed")
    run("lock", "run", "held", "--wait-ms", "0", "--", "true", code=1, error="held by another session")
    assert program.poll() is None
    program.stdin.close()
    assert program.wait(SECONDS) == 0
    run("lock", "look", "held", code=1, error="nobody holds")


def test_a_program_whose_lock_is_lost_is_ended(run, binary):
    where = f"127.0.0.1:{run.node.ports['pharaoh']}"
    program = subprocess.Popen([str(binary), "lock", "run", "held", "--ttl-ms", "3000", "--pharaoh", where, "--", sys.executable, "-c",
                                "import signal; print('runs', flush=True); signal.pause()"], stdout=subprocess.PIPE, text=True)
    assert program.stdout.readline() == "runs\n"
    run("lock", "run", "held", "--wait-ms", "0", "--", "true", code=1, error="held by another session")
    run.node.kill()
    wait_until(lambda: program.poll() is not None, 30, "the program ends")
    assert program.returncode == 75
