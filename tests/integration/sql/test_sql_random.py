"""Random tables and queries (random_sql.py): as topics with declared columns and as JSON beside DuckDB over the same rows, and
beside PostgreSQL 15. A failure names its seed; --seconds N goes on with new seeds for so long."""
import random
import time

import duckdb
import logic
import psycopg
import pytest
import random_sql
from confluent_kafka.admin import AdminClient, NewTopic
from postgres import running

SECONDS = 30
QUERIES = 60
TYPE_ERRORS = ("42883", "42804", "42725")
DIFFERENT = ("SELECT chr(0)", "SELECT chr(2147483647)", "SELECT date '2024-01-31' - 2147483647")


@pytest.fixture(scope="module")
def postgres():
    with running("-F") as connection:
        yield connection


def make_ours(sql, table, chance):
    admin = AdminClient({"bootstrap.servers": sql.node.kafka})
    admin.create_topics([NewTopic(table.name, chance.randint(1, 3))])[table.name].result(SECONDS)
    sql.produce(table.name, [value.encode() for value in table.values(chance)])
    with sql.connect() as connection:
        connection.execute(f"ALTER TOPIC {table.name} {table.declaration()}")


def make_theirs(connection, table, mark):
    connection.execute(f"CREATE TABLE {table.name} ({table.definition()})")
    places = ", ".join([mark] * len(table.columns))
    for row in table.rows:
        connection.execute(f"INSERT INTO {table.name} VALUES ({places})", row)


def plain(value):
    """Numbers by their value, whatever type a driver gives them."""
    if isinstance(value, bool) or value is None:
        return value
    try:
        return float(value) if not isinstance(value, str) else value
    except (TypeError, ValueError):
        return str(value)


def normal(rows):
    return sorted(repr([plain(value) for value in row]) for row in rows)


def answer(ask, text):
    try:
        return normal(ask(text))
    except (psycopg.Error, duckdb.Error) as error:
        return "error " + (getattr(error, "sqlstate", None) or "")


def check(seed, sql, postgres):
    chance = random.Random(seed)
    one, two = random_sql.Table(chance, f"ra{seed}"), random_sql.Table(chance, f"rb{seed}")
    engine = duckdb.connect()
    for setting in ("integer_division=true", "default_null_order='nulls_last_on_asc_first_on_desc'", "threads=1"):
        engine.execute(f"SET {setting}")
    for table in (one, two):
        make_ours(sql, table, chance)
        make_theirs(engine, table, "?")
        make_theirs(postgres, table, "%s")
    with sql.connect() as ours:
        for number in range(QUERIES):
            query = random_sql.make_query(chance, one, two)
            from_names, from_json = ({"one": source(one), "two": source(two)} for source in
                                     (lambda table: table.name, random_sql.Table.from_json))
            text = query.format(**from_names)
            expected = answer(lambda q: postgres.execute(q).fetchall(), text)
            if expected == "error 22003":
                continue  # which row overflows first is nobody's promise
            declared = answer(lambda q: ours.execute(q).fetchall(), text)
            assert declared == expected, f"seed {seed}, query {number}: {text}"
            in_json = answer(lambda q: ours.execute(q).fetchall(), query.format(**from_json))
            assert in_json == expected, f"seed {seed}, query {number}, over JSON: {query.format(**from_json)}"
            other = answer(lambda q: engine.execute(q).fetchall(), text)
            if not other.__class__ is str:  # what DuckDB has no function for is PostgreSQL's alone
                assert declared == other, f"seed {seed}, query {number}, DuckDB: {text}"


def seeds(request, count):
    """So many fixed ones, or new ones for so many seconds."""
    seconds = request.config.getoption("--seconds")
    seed, end = (time.time_ns() % 10**9, time.monotonic() + seconds) if seconds else (1, 0)
    last = seed + count
    while seed < last or time.monotonic() < end:
        print(f"seed {seed}")
        yield seed
        seed += 1


def test_queries_over_random_tables(sql, postgres, request):
    for seed in seeds(request, 4):
        check(seed, sql, postgres)


def one_row(connection, text):
    """Type and text, or the SQLSTATE; a NULL's type is not looked at."""
    head, rows = logic.ask(connection, logic.Block(["query", text], 1))
    return head[-1] if head[0] == "statement" else "NULL" if rows == ["NULL"] else (head[-1], rows[0])


def test_operators_and_functions_of_random_literals(sql, postgres, request):
    """Type errors are left out: the engine casts where PostgreSQL finds no operator; quotients and roots of numerics are float8 here."""
    with sql.connect() as ours:
        for seed in seeds(request, 3):
            chance = random.Random(seed)
            for _ in range(300):
                text = random_sql.make_expression(chance)
                expected = one_row(postgres, text)
                known = expected[0] == "N" and (" / " in text or "sqrt" in text)
                if expected in TYPE_ERRORS or text in DIFFERENT or known:
                    continue
                assert one_row(ours, text) == expected, f"seed {seed}: {text}"
