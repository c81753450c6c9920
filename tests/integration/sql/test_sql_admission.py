"""Large statements wait for their turn, small ones never do; who waits, or reads slowly, keeps nobody from running."""
import threading
import time

import psycopg
import pytest
from waiting import wait_until

SECONDS = 60
ARGUMENTS = ("--sql-large-mib", "0", "--sql-large", "1", "--sql-threads", "1", "--sql-tails", "100")
WAITING = "SELECT pid, place FROM pyralog.queries WHERE state = 'waiting' ORDER BY place"


@pytest.fixture(scope="module")
def topic(node):
    from conftest import Sql
    return Sql(node).topic([{"n": n} for n in range(20000)])


def long_query(topic):
    return f'SELECT count(*) FROM "{topic}" a, "{topic}" b WHERE a.value || b.value = \'\''


class Runner(threading.Thread):
    """Runs a statement on a connection of its own."""

    def __init__(self, sql, query):
        super().__init__(daemon=True)
        self.connection, self.query = sql.connect(), query
        self.pid, self.rows, self.error, self.ended = self.connection.info.backend_pid, None, None, None
        self.start()

    def run(self):
        try:
            self.rows = self.connection.execute(self.query).fetchall()
        except psycopg.Error as error:
            self.error = error
        self.ended = time.monotonic()

    def end(self):
        self.connection.cancel()
        self.join(SECONDS)
        assert not self.is_alive() and self.error.sqlstate == "57014"
        self.connection.close()


def line_up(sql, looker, queries):
    """Starts them one after the other: the first runs, the others wait in this order."""
    runners = []
    for query in queries:
        runners.append(Runner(sql, query))
        if len(runners) == 1:
            wait_until(lambda: looker.execute("SELECT 1 FROM pyralog.queries WHERE state = 'running' AND pid = %s",
                                              (runners[0].pid,)).fetchall(), SECONDS, "the first runs")
        else:
            wait_until(lambda: [pid for pid, _ in looker.execute(WAITING).fetchall()] ==
                       [runner.pid for runner in runners[1:]], SECONDS, "the next waits behind the others")
    return runners


def test_large_ones_wait_in_a_line_and_small_ones_do_not(sql, topic):
    with sql.connect() as looker:
        runners = line_up(sql, looker, [long_query(topic)] * 5)
        assert looker.execute(WAITING).fetchall() == [(runner.pid, i + 1) for i, runner in enumerate(runners[1:])]
        worst = 0
        for _ in range(20):
            before = time.monotonic()
            assert looker.execute(f'SELECT value FROM "{topic}" LIMIT 1').fetchall()
            assert looker.execute("SELECT 1").fetchone() == (1,)
            worst = max(worst, time.monotonic() - before)
        assert worst < 2, f"a small query took {worst:.2f} s"
        # One that waits is cancelled at once, and those behind it move up.
        runners.pop(2).end()
        assert looker.execute(WAITING).fetchall() == [(runner.pid, i + 1) for i, runner in enumerate(runners[1:])]
        for runner in runners:
            runner.end()
        wait_until(lambda: not looker.execute(WAITING).fetchall(), SECONDS, "nobody waits any more")


def test_first_come_first_served(sql, topic):
    counts = [f'SELECT count(*), {n} FROM "{topic}"' for n in range(4)]
    with sql.connect() as looker:
        runners = line_up(sql, looker, [long_query(topic), *counts])
        runners[0].end()
        for runner in runners[1:]:
            runner.join(SECONDS)
        assert [runner.rows for runner in runners[1:]] == [[(20000, n)] for n in range(4)]


def test_a_timeout_counts_while_it_waits(sql, topic):
    with sql.connect() as looker, sql.connect() as late:
        first = line_up(sql, looker, [long_query(topic)])[0]
        late.execute("SET statement_timeout = '200ms'")
        with pytest.raises(psycopg.errors.QueryCanceled, match="timeout"):
            late.execute(f'SELECT count(*) FROM "{topic}"')
        first.end()


def test_a_client_that_leaves_gives_its_place_away(sql, topic):
    with sql.connect() as looker:
        runners = line_up(sql, looker, [long_query(topic), long_query(topic), f'SELECT count(*) FROM "{topic}"'])
        for runner in runners[:2]:
            runner.connection.pgconn.finish()
        runners[2].join(SECONDS)
        assert runners[2].rows == [(20000,)]


def test_a_cursor_that_nobody_reads_holds_no_turn(sql, topic):
    with sql.connect(autocommit=False) as slow:
        slow.execute(f'DECLARE c CURSOR FOR SELECT value FROM "{topic}"')
        assert len(slow.execute("FETCH 3 FROM c").fetchall()) == 3
        assert sql.rows(f'SELECT count(*) FROM "{topic}"') == [(20000,)]
        assert len(slow.execute("FETCH ALL FROM c").fetchall()) == 19997


def test_a_client_that_does_not_read_holds_no_turn(sql, topic):
    with sql.connect() as slow:
        slow.pgconn.send_query(f'SELECT a.value FROM "{topic}" a, "{topic}" b'.encode())
        assert sql.rows(f'SELECT count(*) FROM "{topic}"') == [(20000,)]
        slow.cancel()
        slow.pgconn.finish()


def test_more_waiting_queries_than_threads(sql, topic):
    """A hundred queries over TAIL wait, and statements go on: a wait holds no thread that another needs."""
    query = f"SELECT value FROM TAIL(\"{topic}\", from => 'earliest')"
    connections = [sql.connect() for _ in range(100)]
    streams = [connection.cursor().stream(query) for connection in connections]
    for stream in streams:
        next(stream)
    assert sql.rows("SELECT 1") == [(1,)]
    with sql.connect() as looker:
        with pytest.raises(psycopg.errors.TooManyConnections):
            looker.execute(query)
        for connection in connections:
            connection.pgconn.finish()
        wait_until(lambda: looker.execute("SELECT count(*) FROM pyralog.queries").fetchone() == (0,), SECONDS, "they end")
