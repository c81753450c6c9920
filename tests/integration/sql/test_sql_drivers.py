"""Python's drivers for PostgreSQL, unmodified: psycopg 2, asyncpg with its pool, SQLAlchemy, pandas. psycopg 3 is in the
other files; drivers of other languages are in tests/clients."""
import asyncio
import datetime
import decimal
import io
import uuid

import asyncpg
import pandas
import psycopg
import psycopg2
import pytest
import sqlalchemy

SECONDS = 30


@pytest.fixture
def topic(sql):
    return sql.topic([{"n": i} for i in range(100)], key=b"k", partition=0)


# ---- psycopg 2 ----

@pytest.fixture
def old(sql):
    connection = psycopg2.connect(host="127.0.0.1", port=sql.port, user="somebody", dbname="pyralog")
    yield connection
    connection.close()


def test_psycopg2(old, topic):
    cursor = old.cursor()
    cursor.execute(f'INSERT INTO "{topic}" (key, value) VALUES (%s, %s)', ("new", '{"n": 1}'))
    old.commit()
    cursor.execute(f'SELECT count(*), max("offset") FROM "{topic}" WHERE key = %s', ("new",))
    assert cursor.fetchone()[0] == 1
    named = old.cursor("big")
    named.execute("SELECT x, x::text FROM generate_series(1, 5000) s(x)")
    assert len(named.fetchall()) == 5000
    named.close()
    old.commit()
    with pytest.raises(psycopg2.errors.UndefinedColumn):
        cursor.execute("SELECT nope")
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        cursor.execute("SELECT 1")
    old.rollback()


def test_psycopg2_copies(old, topic):
    cursor, out = old.cursor(), io.StringIO()
    cursor.copy_expert(f"COPY \"{topic}\" (key, value) FROM STDIN WITH (FORMAT csv, HEADER)",
                       io.StringIO('key,value\nc1,"a ""b""\nc"\nc2,\n"",x\n'))
    old.commit()
    cursor.copy_expert(f"COPY (SELECT key, value FROM \"{topic}\" WHERE key <> 'k' OR key IS NULL ORDER BY key) TO STDOUT CSV HEADER", out)
    assert out.getvalue() == 'key,value\n"",x\nc1,"a ""b""\nc"\nc2,\n'


# ---- asyncpg ----

def test_asyncpg(sql, topic):
    asyncio.run(use_asyncpg(sql, topic))


async def use_asyncpg(sql, topic):
    pool = await asyncpg.create_pool(host="127.0.0.1", port=sql.port, user="somebody", database="pyralog", min_size=1,
                                     max_size=4, timeout=SECONDS)
    async with pool.acquire() as connection:
        await connection.execute("SET application_name = 'dirty'")
    async with pool.acquire() as connection:  # has been reset
        assert await connection.fetchval("SHOW application_name") == ""
        await check_values(connection)
        await check_statements(connection, topic)
        await check_copies(connection, topic)
    counts = await asyncio.gather(*(pool.fetchval(f'SELECT count(*) FROM "{topic}"') for _ in range(20)))
    assert len(set(counts)) == 1
    await pool.close()


async def check_values(connection):
    moment = datetime.datetime(2013, 1, 2, 3, 4, 5, 678, datetime.timezone.utc)
    values = [("int2", 7), ("int4", -7), ("int8", 1 << 40), ("float8", 0.25), ("text", "\u20ac"), ("bytea", b"\0\xff"),
              ("bool", True), ("timestamptz", moment), ("timestamp", moment.replace(tzinfo=None)), ("date", moment.date()),
              ("time", moment.time()), ("interval", datetime.timedelta(days=3, seconds=7)), ("uuid", uuid.UUID(int=7)),
              ("numeric", decimal.Decimal("-1.25")), ("int4[]", [1, None, 2]), ("text[]", ["a", "{b}", ""]), ("json", "[1]"),
              ("jsonb", '{"a":1}')]
    for name, value in values:
        assert await connection.fetchval(f"SELECT $1::{name}", value) == value, name


async def check_statements(connection, topic):
    rows = await connection.fetch(f'SELECT "offset" FROM "{topic}" WHERE "offset" < $1 AND partition = ANY($2) ORDER BY 1 LIMIT $3',
                                  50, [0, 1, 2, 3], 2)
    assert [row["offset"] for row in rows] == [0, 1]
    await connection.execute(f'INSERT INTO "{topic}" (key, value, timestamp, partition) VALUES ($1, $2, $3, $4)', "a", "b",
                             datetime.datetime.now(datetime.timezone.utc), 0)
    await connection.executemany(f'INSERT INTO "{topic}" (key, value) VALUES ($1, $2)', [("many", str(i)) for i in range(50)])
    assert await connection.fetchval(f"SELECT count(*) FROM \"{topic}\" WHERE key = 'many'") == 50
    async with connection.transaction():
        seen = 0
        async for _ in connection.cursor("SELECT x FROM generate_series(1, 1000) s(x)", prefetch=100):
            seen += 1
        assert seen == 1000
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with connection.transaction():
                await connection.execute(f"INSERT INTO \"{topic}\" (key) VALUES ('undone')")
                await connection.execute("SELECT 1 / 0")
        await connection.execute(f"INSERT INTO \"{topic}\" (key) VALUES ('done')")
    assert await connection.fetch(f"SELECT key FROM \"{topic}\" WHERE key LIKE '%done'") == [("done",)]


async def check_copies(connection, topic):
    records = [("copied", "\u20ac"), ("copied", None)]
    assert await connection.copy_records_to_table(topic, records=records, columns=["key", "value"]) == "COPY 2"
    out = io.BytesIO()
    await connection.copy_from_query(f"SELECT key, value FROM \"{topic}\" WHERE key = 'copied' ORDER BY value", output=out)
    assert out.getvalue() == "copied\t\u20ac\ncopied\t\\N\n".encode()
    assert await connection.copy_from_table(topic, columns=["key"], output=io.BytesIO(), format="binary") != "COPY 0"


# ---- SQLAlchemy and pandas ----

@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_sqlalchemy(sql, topic, driver):
    engine = sqlalchemy.create_engine(f"postgresql+{driver}://somebody@127.0.0.1:{sql.port}/pyralog")
    inspector = sqlalchemy.inspect(engine)
    assert "public" in inspector.get_schema_names() and topic in inspector.get_table_names()
    assert inspector.has_table(topic) and not inspector.has_table("nope") and inspector.get_view_names() == []
    assert [(column["name"], str(column["type"])) for column in inspector.get_columns(topic)] == [
        ("offset", "BIGINT"), ("partition", "INTEGER"), ("timestamp", "TIMESTAMP"), ("key", "TEXT"), ("value", "TEXT"),
        ("headers", "TEXT")]
    assert not inspector.get_indexes(topic) and not inspector.get_foreign_keys(topic)
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine, only=[topic])
    table = metadata.tables[topic]
    with engine.begin() as connection:
        connection.execute(sqlalchemy.insert(table), [{"key": driver, "value": str(i)} for i in range(10)])
    with engine.connect() as connection:
        query = sqlalchemy.select(table.c.key, sqlalchemy.func.count()).where(table.c.key == driver).group_by(table.c.key)
        assert connection.execute(query).all() == [(driver, 10)]
    frame = pandas.read_sql(f'SELECT partition, timestamp, value FROM "{topic}" WHERE key = \'k\'', engine)
    assert frame.shape == (100, 3) and str(frame.dtypes["timestamp"]) == "datetime64[us, UTC]"
    assert pandas.read_sql_table(topic, engine).shape == (110, 6)
    engine.dispose()


WIDE = ["123456789012345678901234567890", "-99999999999999999999999999999999999999", "123456789012345678901234567890.12345678", "1e37",
        "1.23456789012", "0", "-1E-5"]


@pytest.mark.parametrize("place", ["%t", "%b"])
def test_numeric_parameters_have_38_digits(sql, place):
    """Where they stand of themselves, by turns in one prepared statement; PostgreSQL has more, which is refused with a sentence."""
    with sql.connect() as connection:
        for text in WIDE + WIDE:
            value = decimal.Decimal(text)
            assert connection.execute(f"SELECT {place}::numeric, {place}::numeric = {text}, 1.5::numeric", (value, value), prepare=True,
                                      binary=place == "%b").fetchone() == (value, True, decimal.Decimal("1.5")), text
        for text in ("1e38", "1234567890123456789012345678901234.12345"):
            with pytest.raises(psycopg.errors.NumericValueOutOfRange, match="parameter .1 has more than 38 digits"):
                connection.execute(f"SELECT {place}::numeric", (decimal.Decimal(text),))
        total = connection.execute(f"SELECT sum(x) FROM (VALUES ({place}::numeric), (1)) AS v(x)", (decimal.Decimal("1e29"),)).fetchone()
        assert total == (decimal.Decimal("100000000000000000000000000001"),)
