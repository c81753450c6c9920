"""Memory with a limit and a place to spill to, progress that others see, hints with limits."""
import threading

import psycopg
import pytest
from waiting import wait_until

SECONDS = 60
LARGE = "SELECT count(*) FROM (SELECT md5(i::text) AS m, count(*) FROM generate_series(1, 2000000) g(i) GROUP BY 1) t"


def test_what_does_not_fit_spills(new_node, new_sql):
    node = new_node("--sql-memory-mib", "100")
    sql = new_sql(node)
    spilled = node.folder / "data" / "sql-spill"
    seen = []
    done = threading.Event()

    def look():
        while not done.wait(0.01):
            seen.extend(path.name for path in spilled.iterdir())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        assert sql.rows(LARGE) == [(2000000,)]
    finally:
        done.set()
        watcher.join()
    assert seen, "nothing was spilled"


def test_without_a_place_it_is_refused_with_a_hint(new_node, new_sql):
    sql = new_sql(new_node("--sql-memory-mib", "64", "--sql-spill-mib", "0"))
    with sql.connect() as connection:
        with pytest.raises(psycopg.errors.OutOfMemory) as caught:
            connection.execute(LARGE)
        assert "--sql-memory-mib" in caught.value.diag.message_hint
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_what_a_killed_server_spilled_is_removed(new_node, new_sql):
    node = new_node()
    left = node.folder / "data" / "sql-spill" / "duckdb_temp_storage_DEFAULT-0.tmp"
    left.write_bytes(b"x" * 1000)
    node.kill()
    node.start()
    assert not left.exists() and new_sql(node).rows("SELECT 1") == [(1,)]


def test_limits_have_hints(sql):
    with sql.connect() as connection:
        for statement, part in (("SELECT " + "(" * 2000 + "1" + ")" * 2000, "limits"), ("UPDATE x SET a = 1", "docs/SQL.md"),
                                ("SELECT * FROM nowhere", "create it")):
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(statement)
            assert part in caught.value.diag.message_hint


def test_others_see_how_far_a_query_is(sql):
    topic = sql.topic([{"n": n} for n in range(20000)])
    with sql.connect() as slow, sql.connect() as other:
        pid = slow.info.backend_pid
        query = f'SELECT count(*) FROM "{topic}" a, "{topic}" b WHERE a.value || b.value = \'\''
        failed = []

        def run():
            try:
                slow.execute(query)
            except psycopg.errors.QueryCanceled as error:
                failed.append(error)

        runner = threading.Thread(target=run)
        runner.start()

        def row():
            rows = other.execute("SELECT user_name, rows_total, rows_read, percent FROM pyralog.queries WHERE pid = %s",
                                 (pid,)).fetchall()
            return rows[0] if rows and rows[0][2] > 0 else None

        wait_until(row, SECONDS, "the query is listed")
        user, total, read, percent = row()
        assert user == "somebody" and total == 40000 and 0 < read <= 40000 and 0 < percent <= 100
        slow.cancel()
        runner.join(SECONDS)
        assert failed
        assert other.execute("SELECT count(*) FROM pyralog.queries WHERE pid = %s", (pid,)).fetchone() == (0,)
