"""EXPLAIN: what is read of each topic, then the engine's plan, a line a row as psql expects."""
import re


def plan(sql, query):
    with sql.connect() as connection:
        cursor = connection.execute(query)
        assert [column.name for column in cursor.description] == ["QUERY PLAN"]
        return [line for line, in cursor.fetchall()]


def test_topics_come_first(sql):
    topic = sql.topic([{"n": n} for n in range(100)], partition=0)
    lines = plan(sql, f'EXPLAIN SELECT count(*) FROM "{topic}"')
    assert lines[0] == f"Scan of topic {topic}"
    assert lines[1] == "  Partitions with rows: 1"
    assert lines[2] == "  Segments: 0 read, 0 pruned"
    assert re.fullmatch(r"  Hot rows: up to 100, in [1-9]\d* batches", lines[3])
    assert lines[4].startswith("  Bytes: 0 sealed, ") and lines[5] == "  Rows: up to 100"
    assert any("PYRALOG_SCAN" in line for line in lines[6:]) and not any("\n" in line for line in lines)


def test_bounds_are_told(sql):
    topic = sql.topic([{"n": n} for n in range(100)])
    lines = plan(sql, f"""EXPLAIN SELECT * FROM "{topic}" WHERE "offset" >= 10 AND "offset" < 20 AND partition = 7
                          AND timestamp > '1970-01-01 00:00:01Z'""")
    assert lines[1:4] == ["  Bounds of offset: from 10 to 19", "  Bounds of partition: from 7 to 7",
                          "  Bounds of timestamp, in ms: from 1000"], lines
    assert "  Partitions with rows: 0" in lines


def test_a_join_tells_both(sql):
    first, second = sql.topic([{"n": 1}]), sql.topic([{"n": 1}])
    lines = plan(sql, f'EXPLAIN SELECT * FROM "{first}" JOIN "{second}" USING (value)')
    assert f"Scan of topic {first}" in lines and f"Scan of topic {second}" in lines


def test_analyze_runs_it(sql):
    topic = sql.topic([{"n": 1}, {"n": "x"}])
    with sql.connect() as connection:
        connection.execute(f'ALTER TOPIC "{topic}" ADD COLUMN n int')
    lines = plan(sql, f'EXPLAIN ANALYZE SELECT sum(n) FROM "{topic}"')
    assert any("Total Time" in line for line in lines)
    assert lines[-1] == "Values that did not fit their columns: 1"
    assert not any("did not fit" in line for line in plan(sql, f'EXPLAIN SELECT sum(n) FROM "{topic}"'))


def test_psql_shows_it(sql):
    topic = sql.topic([{"n": 1}])
    shown = sql.psql("-c", f'EXPLAIN SELECT 1 FROM "{topic}"').stdout
    assert "QUERY PLAN" in shown and f" Scan of topic {topic}" in shown
