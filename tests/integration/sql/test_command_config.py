"""cluster.toml, the reference page, completion and the man page: all of one table."""
import json
import os
import pathlib
import subprocess

import psycopg
import pytest
from conftest import Sql

ROOT = pathlib.Path(__file__).resolve().parents[3]
SECONDS = 30


def run(binary, *arguments, code=0, **environment):
    done = subprocess.run([str(binary), *arguments], capture_output=True, text=True, timeout=SECONDS, check=False,
                          env={**os.environ, **environment})
    assert done.returncode == code, (done.returncode, done.stdout[-500:], done.stderr)
    return done


def check(binary, folder, text, code=0):
    (folder / "cluster.toml").write_text(text)
    return run(binary, "config", "check", str(folder / "cluster.toml"), code=code)


def test_a_file_is_checked(binary, tmp_path):
    good = check(binary, tmp_path, '# a comment\ndata = "/x \\"y\\""  # another\nkafka_port = 19_092\nshards = 0\n'
                                   "durability = 'interval'\r\n\n")
    assert good.stdout.splitlines() == ['data = /x "y"', "kafka-port = 19092", "shards = 0", "durability = interval"]


@pytest.mark.parametrize("text, sentence", [
    ("kafka-prot = 1", "line 1: there is no key kafka-prot: is it kafka-port?"), ("data = x", "no value"),
    ("\ndata = ", "line 2: there is no value"), ('data = "x', "no end"), ("just words", "key = value"),
    ("[server]", "no tables"), ("kafka-port = 70000", "--kafka-port 70000 is not valid"), ("data = true", "data is no matter"),
    ('data = "x" y', "behind the value"), ('durability = "never"', "durability"), ('host = "0.0.0.0"', "open to the network"),
    ('data = "\\q"', "single quotes"), ("help = true", "there is no key help"),
])
def test_what_is_wrong_is_named(binary, tmp_path, text, sentence):
    assert sentence in check(binary, tmp_path, text, code=1).stderr


def test_the_server_obeys_it_and_stronger_ones(binary, tmp_path, new_node):
    (tmp_path / "cluster.toml").write_text("partitions = 7\nkafka-port = 1\n")
    node = new_node("--config", str(tmp_path / "cluster.toml"))  # with --kafka-port 0
    topic = Sql(node).topic([{"n": 1}])
    listed = run(binary, "topic", "list", "--format", "plain", "--broker", node.kafka).stdout
    assert f"{topic}\t7\t" in listed
    failed = run(binary, "server", "--config", str(tmp_path / "nowhere"), code=2)
    assert "can't be read" in failed.stderr
    assert "is it --kafka-port" in run(binary, "server", "--kafka-prot", "1", code=2).stderr
    assert "70000" in run(binary, "server", "--data", str(tmp_path / "d"), "--pg-port", "70000", code=2).stderr


def test_it_is_the_server_by_its_other_name(binary, tmp_path):
    (tmp_path / "pyralog-server").symlink_to(binary)
    assert "usage: pyralog server" in run(tmp_path / "pyralog-server", "--help").stdout


def test_the_seeds_command_starts_a_server(binary, tmp_path):
    """pyralog-server --config cluster.toml, as the first page of the project's idea has it."""
    (tmp_path / "pyralog-server").symlink_to(binary)
    (tmp_path / "cluster.toml").write_text('data = "data"\nkafka-port = 0\npg_port = 0\nhttp-port = 0\n')
    command = [str(tmp_path / "pyralog-server"), "--config", "cluster.toml", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        ports = json.loads(process.stdout.readline())
        connected = f"host=127.0.0.1 port={ports['postgres']} user=u dbname=pyralog"
        with psycopg.connect(connected, autocommit=True) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        process.terminate()
        assert process.wait(SECONDS) == 0
    assert (tmp_path / "data").is_dir()


def test_the_reference_page_is_what_the_table_says(binary):
    assert (ROOT / "docs" / "CONFIG.md").read_text() == run(binary, "config", "reference").stdout, \
        "run: build/src/cli/pyralog config reference > docs/CONFIG.md"


def test_completion(binary):
    script = f"""source <({binary} completion bash)
        complete_at() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pyralog; echo "${{COMPREPLY[*]}}"; }}
        complete_at pyralog to; complete_at pyralog topic in; complete_at pyralog server --kafka"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert done.stdout.splitlines() == ["topic", "infer", "--kafka-port"]
    assert "compdef _pyralog pyralog" in run(binary, "completion", "zsh").stdout
    assert "-l kafka-port -r" in run(binary, "completion", "fish").stdout
    run(binary, "completion", "tcsh", code=2)


def test_the_man_page_has_every_command_and_option(binary):
    page = run(binary, "man").stdout
    for name in ("server", "sql", "topic", "produce", "consume", "group", "bench"):
        assert f".SS pyralog {name} " in page
    assert "\\-\\-kafka-port" in page and not any(line.startswith("'") for line in page.splitlines())
