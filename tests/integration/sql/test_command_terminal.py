"""What only a person at a terminal gets: colour, and progress of what takes long. A pipe has no escape byte."""
import os
import pty
import re
import signal
import subprocess
import threading

import pytest
from waiting import wait_until

SECONDS = 60
ESCAPE = b"\x1b"
ERASE = b"\r\x1b[K"


class Screen:
    """A command at a pseudo-terminal; `shown` is every byte it wrote."""

    def __init__(self, *command, **environment):
        environment = {**{name: value for name, value in os.environ.items() if name != "NO_COLOR"}, "TERM": "xterm",
                       "PAGER": "cat", **environment}
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, environment)
        self.shown, self.code = b"", None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while True:
            try:
                data = os.read(self.file, 65536)
            except OSError:
                data = b""
            if not data:
                return
            self.shown += data

    def wait(self, pattern):
        wait_until(lambda: re.search(pattern, self.shown), SECONDS, f"{pattern} is shown: {self.shown!r}")
        return re.search(pattern, self.shown)

    def end(self, interrupt=False):
        if interrupt:
            os.write(self.file, b"\x03")
        self.reader.join(SECONDS)
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.file)
        return self.code


@pytest.fixture
def command(binary, sql):
    def command(*arguments):
        return [str(binary), *arguments, "--pg-port", str(sql.port)]
    return command


QUERY = "SELECT 1 AS one, NULL AS nothing"


def test_tables_are_coloured(command):
    screen = Screen(*command("sql", "--null", "(null)", QUERY))
    assert screen.end() == 0
    assert b"\x1b[1mone\x1b[0m" in screen.shown and b"\x1b[2m (null)\x1b[0m" in screen.shown
    screen = Screen(*command("sql", "--expanded", QUERY))
    assert screen.end() == 0 and b"\x1b[1m-[ RECORD 1 ]" in screen.shown


def test_errors_are_coloured(binary, command):
    screen = Screen(*command("sql", "SELECT 1/0"))
    assert screen.end() == 1 and b"\x1b[31mERROR:  division by zero" in screen.shown
    screen = Screen(str(binary), "topic", "describe")
    assert screen.end() == 2 and b"\x1b[31mpyralog topic:\x1b[0m which topic?" in screen.shown
    screen = Screen(str(binary), "sevrer")
    assert screen.end() == 2 and b"\x1b[31mpyralog:" in screen.shown


def test_listings_are_coloured(binary, node, sql):
    sql.topic([{"n": 1}])
    screen = Screen(str(binary), "topic", "list", "--broker", node.kafka)
    assert screen.end() == 0 and b"\x1b[1mTOPIC" in screen.shown


@pytest.mark.parametrize("environment, options", [({"NO_COLOR": "1"}, ()), ({"TERM": "dumb"}, ()), ({}, ("--color", "never")),
                                                  ({"PYRALOG_COLOR": "never"}, ())])
def test_who_wants_none_gets_none(command, environment, options):
    screen = Screen(*command("sql", *options, QUERY), **environment)
    assert screen.end() == 0 and b"one" in screen.shown and ESCAPE not in screen.shown


def test_a_pipe_has_none_but_by_wish(command):
    def run(*arguments, **environment):
        return subprocess.run(command("sql", "--format", "aligned", *arguments), stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=SECONDS, check=False, env={**os.environ, "TERM": "xterm", **environment})
    for arguments in ([QUERY], ["SELECT 1/0"], ["-c", QUERY, "-c", "\\d"]):
        done = run(*arguments)
        assert ESCAPE not in done.stdout + done.stderr
    assert b"\x1b[1mone" in run("--color", "always", QUERY, NO_COLOR="1").stdout
    assert b"--color odd is not valid" in run("--color", "odd", QUERY).stderr


def test_a_file_has_none(command, tmp_path):
    screen = Screen(*command("sql", "--format", "aligned", "-o", str(tmp_path / "out"), QUERY))
    assert screen.end() == 0 and ESCAPE not in (tmp_path / "out").read_bytes()


def slow(sql):
    topic = sql.topic([{"n": n} for n in range(100)])
    return f'SELECT count(*) FROM "{topic}", generate_series(1, 100000000000) AS g(i) WHERE i % 7 = length(value)'


def test_a_long_statement_shows_how_far_it_is(command, sql):
    screen = Screen(*command("sql", slow(sql)))
    shown = screen.wait(rb"\[\x1b\[0m|rows read, \d+ s")
    screen.wait(rb"\[#{24}\]\x1b\[0m 100%  100 of 100 rows read, [1-9]\d* s")
    assert shown.start() == screen.shown.index(shown[0])
    assert screen.end(interrupt=True) == 1
    behind = screen.shown.rpartition(b"rows read")[2]
    assert ERASE in behind and b"canceling statement" in behind.rpartition(ERASE)[2]  # the line was taken away before


def test_a_long_statement_on_a_directory_does_too(binary, new_node, new_sql):
    node = new_node()
    query = slow(new_sql(node))
    node.stop()
    screen = Screen(str(binary), "sql", "--data", str(node.folder / "data"), query)
    screen.wait(rb"100 of 100 rows read, [1-9]\d* s")
    assert screen.end(interrupt=True) == 1


def test_a_statement_over_no_topic_shows_the_time(command):
    screen = Screen(*command("sql", "SELECT count(*) FROM generate_series(1, 100000000000) AS g(i) WHERE i % 7 = 3"))
    screen.wait(rb"running, [1-9]\d* s")
    assert screen.end(interrupt=True) == 1


def test_short_statements_and_pipes_show_nothing(command, sql):
    screen = Screen(*command("sql", "SELECT 1"))
    assert screen.end() == 0 and ERASE not in screen.shown
    with subprocess.Popen(command("sql", slow(sql)), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wait_until(lambda: sql.rows("SELECT count(*) FROM pyralog.queries WHERE rows_read = 100") == [(1,)], SECONDS, "it runs")
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
    assert b"canceling statement" in errors and b"rows read" not in errors and ESCAPE not in errors


def test_producing_for_long_shows_how_much(binary, node, sql, tmp_path):
    topic = sql.topic([{"n": 1}])
    (tmp_path / "lines").write_text("line\n" * 80)
    screen = Screen(str(binary), "produce", topic, "--file", str(tmp_path / "lines"), "--rate", "25", "--broker", node.kafka)
    screen.wait(rb"\x1b\[K\d+ records acknowledged, 2 s")
    assert screen.end() == 0 and screen.shown.rpartition(ERASE)[2] == b"80 records acknowledged\r\n"
