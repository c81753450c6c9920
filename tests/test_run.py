"""The runner itself: what it counts, and that a failure, an overrun, a crash or silence is never taken for a pass."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys

import pytest

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")
loader = importlib.machinery.SourceFileLoader("runner", RUN)
runner = importlib.util.module_from_spec(importlib.util.spec_from_loader("runner", loader))
sys.dont_write_bytecode = True
loader.exec_module(runner)

CMOCKA_FAILED = """[  PASSED  ] 3 test(s).
[  FAILED  ] 2 test(s), listed below:
[  FAILED  ] one
[  FAILED  ] two

 2 FAILED TEST(S)
"""


@pytest.mark.parametrize("output, counts", [
    ("[==========] 4 test(s) run.\n[  PASSED  ] 4 test(s).\n", (4, 0)),
    (CMOCKA_FAILED, (3, 2)),
    ("1..2\nok 1 - a\nnot ok 2 - b\n", (1, 1)),
    ("simulation\n7 passed, 0 failed\n", (7, 0)),
    ("7 passed, 0 failed, 1 skipped\n", (7, 0)),
    ("===== 1 failed, 12 passed, 3 warnings in 0.42s =====\n", (12, 1)),
    ("15 passed in 75.00s (0:01:15)\n", (15, 0)),
    ("1 passed, 2 errors in 0.01s\n", (1, 2)),
    ("no tests ran in 0.01s\n", (0, 0)),
    ("it said 3 passed, 1 failed\n", (0, 0)),
])
def test_counts_what_runners_print(output, counts):
    assert runner.count(output) == counts


def run(tmp_path, command, budget=5, more="", arguments=()):
    config = tmp_path / "suites.toml"
    config.write_text(f"[[suite]]\nname = 'a'\ncommand = {command!r}\nbudget_seconds = {budget}\n{more}")
    done = subprocess.run([sys.executable, RUN, "--config", str(config), *arguments], capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout.splitlines()[-1] if done.stdout else done.stderr, done.stdout


def test_a_passing_suite_passes(tmp_path):
    code, last, output = run(tmp_path, ["echo", "3 passed, 0 failed"])
    assert (code, last) == (0, "3 passed, 0 failed")
    assert output.count("3 passed, 0 failed\n") == 1


@pytest.mark.parametrize("command, last, why", [
    (["sh", "-c", "echo 3 passed, 1 failed; exit 1"], "3 passed, 1 failed", "exit code 1"),
    (["sh", "-c", "echo 3 passed, 1 failed"], "3 passed, 1 failed", "FAIL"),
    (["sh", "-c", "echo 3 passed, 0 failed; exit 2"], "3 passed, 1 failed", "exit code 2"),
    (["sh", "-c", "echo 3 passed, 0 failed; kill -SEGV $$"], "3 passed, 1 failed", "SIGSEGV"),
    (["true"], "0 passed, 1 failed", "ran no test"),
    (["sh", "-c", "tail -f /dev/null & echo 3 passed, 0 failed"], "3 passed, 1 failed", "left processes"),
])
def test_a_failing_suite_fails(tmp_path, command, last, why):
    code, closing, output = run(tmp_path, command)
    assert (code, closing) == (1, last)
    assert why in output


def test_an_overrun_fails_and_ends_all_its_processes(tmp_path):
    child = tmp_path / "child"
    script = f"tail -f /dev/null & echo $! >{child}; echo 3 passed, 0 failed; wait"
    code, closing, output = run(tmp_path, ["sh", "-c", script], budget=1)
    assert (code, closing) == (1, "3 passed, 1 failed")
    assert "budget" in output
    state = f"/proc/{child.read_text().strip()}/stat"
    assert not os.path.exists(state) or open(state).read().split()[2] == "Z"


def test_soak_suites_run_only_when_asked(tmp_path):
    soak = "when = 'soak'\nseconds = 1\n"
    command = ["sh", "-c", "echo {seconds} passed, 0 failed"]
    assert run(tmp_path, command, more=soak)[:2] == (1, "0 passed, 1 failed")
    assert run(tmp_path, command, more=soak, arguments=["--soak", "--seconds", "9"])[:2] == (0, "9 passed, 0 failed")
    assert run(tmp_path, command, more=soak, arguments=["a"])[:2] == (0, "1 passed, 0 failed")


def test_an_unknown_suite_is_refused_by_name(tmp_path):
    code, said, _ = run(tmp_path, ["true"], arguments=["gone"])
    assert code != 0 and "gone" in said
