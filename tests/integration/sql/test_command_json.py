"""--json of every command: the table of commands says what there is, each is run, and what it prints is parsed."""
import json
import subprocess

import pytest
from conftest import Sql

SECONDS = 60
ARGUMENTS = ("--pharaoh-port", "0")
PLACES = {"broker": "kafka", "pg-port": "postgres", "pharaoh": "pharaoh"}
WITHOUT = {"completion", "help"}  # a program for a shell, and a page; `man --json` is what `help` says, as data


def run(binary, *arguments, text=None, code=0):
    done = subprocess.run([str(binary), *arguments], input=text, stdin=None if text is not None else subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def table(binary):
    return {row["name"]: row for row in json.loads(run(binary, "man", "--json"))}


@pytest.fixture(scope="module")
def ask(binary, node, table):
    """Runs a command of the table against the node, with --json."""
    def ask(name, *words, text=None):
        words, rest = (words[:words.index("--")], words[words.index("--"):]) if "--" in words else (words, ())
        options = {option["name"] for option in table[name]["options"]}
        where = []
        for option, port in PLACES.items():
            if option in options and name != "server":
                address = str(node.ports[port])
                where += [f"--{option}", address if option == "pg-port" else f"127.0.0.1:{address}"]
        return run(binary, name, *words, *where, "--json", *rest, text=text)
    return ask


def test_every_command_has_it(table):
    assert {name for name, row in table.items() if "json" not in {option["name"] for option in row["options"]}} == WITHOUT
    assert all("color" in {option["name"] for option in row["options"]} for name, row in table.items()
               if name not in WITHOUT | {"server"})
    assert {"server", "sql", "topic", "backup", "restore", "config", "version", "lock"} <= set(table)


def test_every_word_of_every_command_gives_json(binary, node, new_node, table, ask, tmp_path):
    topic = Sql(node).topic([{"n": n} for n in range(10)], key="k")
    other = new_node()
    other.stop()
    backup, data, file = tmp_path / "backup", str(other.folder / "data"), tmp_path / "cluster.toml"
    file.write_text("partitions = 7\n")
    session = json.loads(ask("session", "open"))["session"]
    ran = {"session": {"open"}}

    def told(name, *words, text=None):
        word = words[0] if words and words[0] in table[name]["words"] else None
        ran.setdefault(name, set()).update([word] if word else [])
        return json.loads(ask(name, *words, text=text))

    assert told("version") == {"version": run(binary, "version").split()[1]}
    assert "kafka-port" in {option["name"] for option in told("config", "reference")}
    assert {"name", "type", "help"} <= set(told("config", "metrics")[0])
    assert told("config", "check", str(file)) == {"partitions": "7"}
    assert told("man")[0]["name"] == "server"
    assert told("topic", "create", "made", "--partitions", "3") == {"topic": "made", "done": "create"}
    assert {"topic": "made", "partitions": 3, "internal": "no"} in told("topic", "list")
    assert told("topic", "alter", "made", "--set", "retention.ms=7200000")["done"] == "alter"
    described = told("topic", "describe", "made")
    assert len(described["partitions"]) == 3
    assert {"setting": "retention.ms", "value": "7200000", "set": "yes"} in described["settings"]
    assert told("produce", "made", text="a\nb\n") == {"topic": "made", "records": 2}
    assert told("topic", "infer", topic)["columns"] == [{"name": "n", "type": "integer", "path": "n"}]
    assert told("topic", "delete", "made")["done"] == "delete"
    lines = [json.loads(line) for line in ask("consume", topic).splitlines()]
    ran["consume"] = set()
    assert len(lines) == 10 and lines[0]["key"] == "k"
    assert told("sql", f'SELECT count(*) AS n FROM "{topic}"') == [{"n": 10}]
    assert told("group", "reset", "g", "--topic", topic, "--to", "earliest")[0]["offset"] == 0
    assert told("group", "list")[0]["group"] == "g"
    assert sum(row["lag"] for row in told("group", "describe", "g")) == 10
    assert told("group", "delete", "g") == {"group": "g", "done": "delete"}
    ids = told("id", "--count", "3")
    assert len(ids) == 3 and told("id", "decode", ids[0])[0]["id"] == ids[0]
    assert told("seq", "orders", "--count", "3") == [1, 2, 3]
    assert told("session", "keep", str(session)) == {"session": session, "done": "keep"}
    assert told("session", "close", str(session))["done"] == "close"
    look = (str(binary), "lock", "look", "job", "--pharaoh", f"127.0.0.1:{node.ports['pharaoh']}", "--json")
    assert set(told("lock", "run", "job", "--", *look)) == {"session", "token", "waiting"}  # what the program prints
    ran["lock"].add("look")
    assert told("pharaoh", "slots")[0]["slots"] == "0-1023"
    assert told("pharaoh", "status")[0]["counter"]
    assert told("inspect", data)[0]["kind"]
    made = told("backup", "make", "--data", data, "--to", str(backup))
    assert made["files"] > 0 and made["doubtful"] == 0
    assert told("backup", "verify", str(backup))["bytes"] == made["bytes"]
    assert told("restore", "--from", str(backup), "--data", str(tmp_path / "restored"))["files"] == made["files"]
    for mode in table["bench"]["words"]:
        assert told("bench", mode, "--seconds", "0.2", "--warmup", "0", "--quiet", "--prepare-mib", "1")
    ran["server"] = set()  # below
    assert ran.keys() == table.keys() - WITHOUT
    assert {name: set(row["words"]) for name, row in table.items() if name not in WITHOUT} == ran


def test_a_server_tells_its_ports(binary, tmp_path):
    command = [str(binary), "server", "--json", "--data", str(tmp_path), *(f"--{name}-port=0" for name in ("kafka", "pg", "http"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        told = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(SECONDS) == 0
    assert told["data"] == str(tmp_path) and min(told["kafka"], told["postgres"], told["http"]) > 0 and told["pharaoh"] == 0
