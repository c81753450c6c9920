"""pyralog sql: a shell on a terminal (a pseudo-terminal here), and for scripts: formats, exit codes, commands."""
import csv
import datetime
import decimal
import io
import json
import os
import pty
import re
import signal
import subprocess
import threading

import pyarrow.ipc
import pytest
from waiting import wait_until

SECONDS = 30


class Shell:
    """Runs `pyralog sql` against one node."""

    def __init__(self, binary, sql, folder):
        self.folder = folder
        self.command = [str(binary), "sql", "--pg-port", str(sql.port)]
        self.environment = {**os.environ, "HOME": str(folder), "TERM": "xterm", "PAGER": "cat"}

    def run(self, *arguments, text=None, code=0):
        done = subprocess.run([*self.command, *arguments], input=text, stdin=None if text is not None else subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=SECONDS, check=False, env=self.environment)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done


class Terminal:
    """The shell at a pseudo-terminal: what it shows, and typing."""

    def __init__(self, shell, *arguments):
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.execve(shell.command[0], [*shell.command, *arguments], shell.environment)
        self.shown = ""
        self.ended = None
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                data = os.read(self.file, 65536)
            except OSError:
                return
            if not data:
                return
            self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r", "", data.decode(errors="replace"))

    def wait(self, text):
        """Waits until the text is shown, and forgets everything up to it."""
        wait_until(lambda: text in self.shown, SECONDS, f"the shell shows {text!r}: {self.shown!r}")
        front, _, self.shown = self.shown.partition(text)
        return front

    def type(self, text):
        os.write(self.file, text.encode())

    def end(self):
        self.type("\\q\n")
        wait_until(self._is_over, SECONDS, f"the shell ends: {self.shown!r}")
        os.close(self.file)
        return self.ended

    def _is_over(self):
        if self.ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.ended = os.waitstatus_to_exitcode(status) if pid else None
        return self.ended is not None


@pytest.fixture
def shell(binary, sql, tmp_path):
    return Shell(binary, sql, tmp_path)


@pytest.fixture
def terminal(shell):
    made = Terminal(shell)
    made.wait("pyralog=> ")
    yield made
    if made.ended is None:
        os.kill(made.pid, signal.SIGKILL)
        os.waitpid(made.pid, 0)


VALUES = "SELECT * FROM (VALUES (1, 'one', true, 1.5), (2, 'a,\"b\"|c', false, null)) v(id, name, flag, x)"


def test_a_pipe_is_plain_and_a_statement_needs_no_semicolon(shell):
    assert shell.run("SELECT 1 AS a, 'x\ty' AS b, null").stdout == "1\tx y\t\n"
    assert shell.run(text="SELECT 1;\n-- a comment; with one\nSELECT 'a;b'").stdout == "1\na;b\n"


def test_formats(shell):
    rows = json.loads(shell.run("--json", VALUES).stdout)
    assert rows == [{"id": 1, "name": "one", "flag": True, "x": 1.5}, {"id": 2, "name": 'a,"b"|c', "flag": False, "x": None}]
    table = list(csv.reader(io.StringIO(shell.run("--csv", VALUES).stdout)))
    assert table == [["id", "name", "flag", "x"], ["1", "one", "t", "1.5"], ["2", 'a,"b"|c', "f", ""]]
    assert shell.run("--format", "markdown", VALUES).stdout.splitlines() == [
        "| id | name | flag | x |", "|---:|---|---|---:|", "| 1 | one | t | 1.5 |", '| 2 | a,"b"\\|c | f |  |']
    assert shell.run("--format", "aligned", "--null", "-", VALUES).stdout.splitlines() == [
        " id |  name   | flag |  x", "----+---------+------+-----", "  1 | one     | t    | 1.5", '  2 | a,"b"|c | f    |   -']
    assert "name | one\n" in shell.run("--expanded", VALUES).stdout
    assert json.loads(shell.run("--json", "SELECT 1 AS a WHERE false").stdout) == []
    assert json.loads(shell.run("--json", "SELECT '{\"b\": [1]}'::json AS a, 'NaN'::float8 AS n").stdout) == [
        {"a": {"b": [1]}, "n": "NaN"}]


def test_exit_codes(shell):
    failed = shell.run(text="SELECT 1; SELECT 1/0; SELECT 2", code=1)
    assert failed.stdout == "1\n" and "division by zero" in failed.stderr
    assert shell.run("--keep-going", text="SELECT 1; SELECT 1/0; SELECT 2", code=1).stdout == "1\n2\n"
    shell.run("-c", "SELECT 1/0", "-c", "SELECT 2", code=1)
    shell.run("-f", "/nowhere", code=1)
    assert "Connection refused" in shell.run("--pg-port", "1", "SELECT 1", code=2).stderr
    assert "--format" in shell.run("--format", "odd", "SELECT 1", code=2).stderr
    shell.run(text="SELECT 1; \\nonsense", code=1)


def test_files_and_output(shell, tmp_path):
    (tmp_path / "inner.sql").write_text("SELECT 'inner';\n")
    (tmp_path / "outer.sql").write_text(f"\\i {tmp_path}/inner.sql\nSELECT 'outer'\n;\n\\o {tmp_path}/out\nSELECT 7;\n\\o\n\\echo done")
    assert shell.run("-f", str(tmp_path / "outer.sql")).stdout == "inner\nouter\ndone\n"
    assert (tmp_path / "out").read_text() == "7\n"


def arrow(path):
    with pyarrow.ipc.open_file(path) as file:
        return file.read_all()


def test_an_arrow_file_has_arrows_types(shell, tmp_path):
    """One row of values, one of nulls, and those at the types' ends."""
    path = tmp_path / "types.arrow"
    shell.run("--format", "arrow", "-o", str(path), "-c", """SELECT true AS a, 2::int2 AS b, 3 AS c, 4::int8 AS d, 1.5::float4 AS e,
        2.5::float8 AS f, 12.25 AS g, '\\x00ff'::bytea AS h, date '2024-02-29' AS i, timestamp '1969-12-31 23:59:59.5' AS j,
        timestamptz '2024-02-29 01:02:03.000001+00' AS k, 'Grüße "' AS l, interval '1 day' AS m
        UNION ALL SELECT NULL, NULL::int2, NULL, NULL, NULL::float4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        UNION ALL SELECT false, '-32768'::int2, '-2147483648'::int4, 9223372036854775807, '-Infinity'::float4, 'NaN'::float8, -0.5, ''::bytea, date '0001-01-01',
        timestamp '9999-12-31 00:00:00', timestamptz '1970-01-01 00:00:00+00', '', interval '0' ORDER BY c NULLS FIRST""")
    table = arrow(path)
    assert [str(field.type) for field in table.schema] == [
        "bool", "int16", "int32", "int64", "float", "double", "decimal128(38, 16)", "binary", "date32[day]", "timestamp[us]",
        "timestamp[us, tz=UTC]", "string", "string"]
    none, low, first = table.to_pylist()
    assert set(none.values()) == {None}
    assert list(first.values()) == [
        True, 2, 3, 4, 1.5, 2.5, decimal.Decimal("12.25"), b"\0\xff", datetime.date(2024, 2, 29),
        datetime.datetime(1969, 12, 31, 23, 59, 59, 500000),
        datetime.datetime(2024, 2, 29, 1, 2, 3, 1, tzinfo=datetime.timezone.utc), 'Grüße "', "1 day"]
    assert (low["a"], low["b"], low["c"], low["d"], low["g"]) == (False, -32768, -2**31, 2**63 - 1, decimal.Decimal("-0.5"))
    assert low["h"] == b"" and low["l"] == "" and low["i"] == datetime.date(1, 1, 1) and low["j"].year == 9999


def test_an_arrow_file_is_written_as_rows_come(shell, tmp_path):
    path = tmp_path / "many.arrow"
    shell.run("--format", "arrow", "-o", str(path), "-c", "SELECT i, 'row ' || i AS t FROM generate_series(1, 2500) AS g(i) ORDER BY i")
    with pyarrow.ipc.open_file(path) as file:
        assert file.num_record_batches >= 3
    assert arrow(path).column("t").to_pylist() == [f"row {i}" for i in range(1, 2501)]
    shell.run("--format", "arrow", "-o", str(path), "-c", "SELECT 1 AS one WHERE false")
    assert arrow(path).num_rows == 0 and arrow(path).schema.names == ["one"]


def test_what_no_arrow_file_can_hold_is_said(shell, tmp_path):
    path = tmp_path / "no.arrow"
    done = shell.run("--format", "arrow", "-o", str(path), "-c", "SELECT 1e25::numeric AS large", code=1)
    assert "column large" in done.stderr and "cast it to text" in done.stderr
    done = shell.run("--format", "arrow", "-o", str(path), "-c", "SELECT 1", "-c", "SELECT 2", code=1)
    assert "holds one result" in done.stderr and arrow(path).num_rows == 1
    done = shell.run("-o", str(tmp_path / "no" / "such"), "-c", "SELECT 1", code=2)
    assert "can't write" in done.stderr


def test_an_arrow_file_from_within(shell, tmp_path):
    text = f"\\o {tmp_path}/a.arrow\n\\format arrow\nSELECT 1 AS a;\n\\o {tmp_path}/b.arrow\nSELECT 2 AS b;\n"
    shell.run(text=text)
    assert arrow(tmp_path / "a.arrow").to_pylist() == [{"a": 1}] and arrow(tmp_path / "b.arrow").to_pylist() == [{"b": 2}]


def test_copy_both_ways(sql, shell):
    topic = sql.topic([{"n": 0}])
    shell.run(text=f'COPY "{topic}" (key, value) FROM STDIN;\na\tone\nb\ttwo\n\\.\nSELECT 1;')
    assert sorted(shell.run(f'COPY "{topic}" (key) TO STDOUT').stdout.split()) == ["\\N", "a", "b"]


def test_charts(shell):
    bars = shell.run("SELECT 'row ' || i, i * 10 AS n FROM generate_series(1, 3) AS g(i) \\chart").stdout.splitlines()
    assert bars[0] == "n" and [line.count("█") for line in bars[1:]] == sorted(line.count("█") for line in bars[1:])
    assert bars[3].startswith("row 3 30 ")
    line = shell.run("SELECT i, i % 5 AS n FROM generate_series(1, 50) AS g(i) \\chart line").stdout
    assert len(line.splitlines()) == 12 and "█" in line
    assert "no column of numbers" in shell.run("SELECT 'a' \\chart").stderr


def test_a_stream_of_rows(sql, shell):
    topic = sql.topic([{"n": 0}])
    command = [*shell.command, "--json", f"SELECT value FROM TAIL(\"{topic}\", from => 'earliest') LIMIT 2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=shell.environment) as process:
        shown = bytearray()
        reader = threading.Thread(target=lambda: [shown.extend(byte) for byte in iter(lambda: process.stdout.read(1), b"")])
        reader.start()
        wait_until(lambda: b'\\"n\\": 0' in shown, SECONDS, "the first row is shown")
        assert b'\\"n\\": 1' not in shown
        sql.produce(topic, [{"n": 1}])
        reader.join(SECONDS)
        assert process.wait(SECONDS) == 0 and len(json.loads(shown)) == 2


def test_ctrl_c_ends_a_stream(sql, shell):
    topic = sql.topic([{"n": 0}])
    command = [*shell.command, f"SELECT value FROM TAIL(\"{topic}\", from => 'earliest')"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=shell.environment) as process:
        assert process.stdout.readline() == b'{"n": 0}\n'
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 1 and b"user request" in process.stderr.read()


def test_statements_of_several_lines(terminal):
    terminal.type("SELECT 'a\n")
    terminal.wait("pyralog'> ")
    terminal.type("b' AS text,\n")
    terminal.wait("pyralog-> ")
    terminal.type("(1\n")
    terminal.wait("pyralog(> ")
    terminal.type(") AS n; SELECT 'second';\n")
    shown = terminal.wait("pyralog=> ")
    assert " a   +| 1\n b    |" in shown and "(1 row)" in shown and "second" in shown
    assert terminal.end() == 0


def test_commands_at_the_terminal(sql, terminal):
    topic = sql.topic([{"n": 0}]).replace("-", "_")
    terminal.type(f"\\d {topic.replace('_', '-')}\n")
    assert "| timestamp with time zone |" in terminal.wait("pyralog=> ")
    terminal.type("\\dt\n")
    assert "table" in terminal.wait("pyralog=> ")
    terminal.type("\\timing\nSELECT 7;\n")
    terminal.wait("Timing is on.")
    assert re.search(r"Time: \d+\.\d+ ms", terminal.wait("ms\n") + "ms")
    terminal.type("\\x on\nSELECT 7 AS seven;\n")
    terminal.wait("-[ RECORD 1 ]")
    terminal.wait("seven | 7")
    terminal.type("\\format csv\nSELECT 1 AS one;\n")
    terminal.wait("one\n1\n")
    terminal.type("\\?\n")
    terminal.wait("\\watch [SECONDS]")
    terminal.type("SELECT 1/0;\n")
    terminal.wait("ERROR:  division by zero")
    assert terminal.end() == 0


def test_completion_of_names_and_keywords(sql, terminal):
    with sql.connect() as connection:
        topic = sql.topic([{"n": 0}])
        connection.execute(f'ALTER TOPIC "{topic}" ADD COLUMN departure_delay int')
    terminal.type("sel\t 5 + 5 AS n, count(depar\t) FROM \"" + topic + "\";\n")
    shown = terminal.wait("(1 row)")
    assert re.search(r"10 +\| +1|10 +\| +0", shown), shown
    assert terminal.end() == 0


def test_watch_until_ctrl_c(terminal):
    terminal.type("SELECT 40 + 2 AS answer \\watch 0.1\n")
    for _ in range(3):
        terminal.wait("42")
    terminal.type("\x03")
    terminal.wait("pyralog=> ")
    assert terminal.end() == 0


def test_ctrl_c_ends_what_runs_and_not_the_shell(terminal):
    terminal.type("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b;\n")
    terminal.wait("b;\n")
    terminal.type("\x03")
    terminal.wait("canceling statement due to user request")
    terminal.type("SELECT 'still ' || 'here';\n")
    terminal.wait("still here")
    assert terminal.end() == 0


def test_ctrl_c_before_a_statement_runs_does_not_end_the_shell(terminal):
    """Between a line and its statement, and at the prompt, where it throws away what was typed."""
    for _ in range(20):
        terminal.type("SELECT 'not ' || 'this'\x03")
        terminal.type("\n")
        terminal.type("SELECT 1;\n\x03")
    terminal.type("\n;\n")
    terminal.type("SELECT 'still ' || 'here';\n")
    terminal.wait("still here")
    assert terminal.end() == 0


def test_history_is_kept(shell):
    first = Terminal(shell)
    first.wait("pyralog=> ")
    first.type("SELECT 'remember' || ' me';\n")
    first.wait("remember me")
    assert first.end() == 0
    second = Terminal(shell)
    second.wait("pyralog=> ")
    second.type("\x1b[A\x1b[A\n")  # behind \q
    second.wait("remember me")
    assert second.end() == 0


def test_a_server_that_goes_away(new_node, new_sql, binary, tmp_path):
    node = new_node()
    terminal = Terminal(Shell(binary, new_sql(node), tmp_path))
    terminal.wait("pyralog=> ")
    node.kill()
    terminal.type("SELECT 1;\n")
    wait_until(terminal._is_over, SECONDS, "the shell ends")
    assert terminal.ended == 2


def test_a_directory_without_a_server(new_node, new_sql, binary, tmp_path):
    """The same statements on the same records, by a server and by the shell alone; only one of them at a time."""
    node = new_node()
    sql = new_sql(node)
    topic = sql.topic([{"n": n} for n in range(100)])
    alone = Shell(binary, sql, tmp_path)
    alone.command = [str(binary), "sql", "--data", str(node.folder / "data")]
    done = alone.run("-c", "SELECT 1", code=2)
    assert done.stderr.startswith("pyralog sql: ") and "another process" in done.stderr and done.stdout == ""
    statements = ["-c", f'SELECT sum((value->>\'n\')::int) FROM "{topic}"', "-c", "\\d", "-c", f'SELECT * FROM "{topic}" ORDER BY "offset", partition']
    told = Shell(binary, sql, tmp_path).run(*statements).stdout
    node.stop()
    assert alone.run(*statements).stdout == told and told.startswith("4950\n")
    alone.run("-c", f"INSERT INTO \"{topic}\" (value) VALUES ('{{\"n\": 50}}')")
    assert alone.run(text=f"SELECT sum((value->>'n')::int) FROM \"{topic}\";\n").stdout == "5000\n"
    alone.environment["PYRALOG_DATA"] = "/nowhere"
    alone.command = [str(binary), "sql", "--pg-port", "1"]
    assert "connect" in alone.run("-c", "SELECT 1", code=2).stderr


def test_ctrl_c_on_a_directory(binary, new_node, new_sql, tmp_path):
    node = new_node()
    sql = new_sql(node)
    topic = sql.topic([{"n": 1}])
    node.stop()
    alone = Shell(binary, sql, tmp_path)
    alone.command = [str(binary), "sql", "--data", str(node.folder / "data")]
    terminal = Terminal(alone)
    terminal.wait("pyralog=> ")
    terminal.type(f"SELECT value FROM TAIL(\"{topic}\", from => 'earliest');\n")
    terminal.wait('"n": 1')
    terminal.type("\x03")
    terminal.wait("canceling statement")
    terminal.wait("pyralog=> ")
    assert terminal.end() == 0
