"""Declared columns: ALTER TOPIC, typed columns in every client, what does not fit, and that they last."""
import datetime
import decimal
import threading
import uuid

import psycopg
import psycopg.types.json
import pytest

FLIGHTS = [
    {"carrier": "UA", "dep": {"delay": 2, "at": "2013-01-01T05:17:00Z"}, "tags": ["a", "b"], "air": 227.5, "ok": True},
    {"carrier": "AA", "dep": {"delay": -7, "at": 1357016400000}, "tags": [], "air": 12, "ok": "false"},
    {"carrier": "B6", "dep": {"delay": "many", "at": "yesterday"}, "air": None},
    b"no JSON at all",
    None,
]


@pytest.fixture
def flights(sql):
    topic = sql.topic(FLIGHTS, partition=0)
    sql.rows(f"SELECT count(*) FROM \"{topic}\"")
    with sql.connect() as connection:
        connection.execute(f"""ALTER TOPIC "{topic}" ADD COLUMN carrier text, ADD COLUMN delay int PATH 'dep.delay',
            ADD COLUMN left_at timestamptz PATH 'dep.at', ADD COLUMN tag text PATH 'tags[0]',
            ADD COLUMN air numeric(6, 1), ADD COLUMN ok boolean, ADD COLUMN dep json""")
    return topic


def test_fields_are_typed_columns(sql, flights):
    rows = sql.rows(f'SELECT carrier, delay, left_at, tag, air, ok, dep FROM "{flights}" ORDER BY "offset"')
    at = datetime.datetime(2013, 1, 1, 5, 17, tzinfo=datetime.timezone.utc)
    other = datetime.datetime(2013, 1, 1, 5, 0, tzinfo=datetime.timezone.utc)
    assert rows[0] == ("UA", 2, at, "a", decimal.Decimal("227.5"), True, FLIGHTS[0]["dep"])
    assert rows[1] == ("AA", -7, other, None, decimal.Decimal("12.0"), False, FLIGHTS[1]["dep"])
    assert rows[2][:6] == ("B6", None, None, None, None, None)
    assert rows[3] == rows[4] == (None,) * 7


def test_a_star_shows_them_behind_the_others(sql, flights):
    with sql.connect() as connection:
        cursor = connection.execute(f'SELECT * FROM "{flights}" WHERE delay > 0')
        assert [column.name for column in cursor.description] == [
            "offset", "partition", "timestamp", "key", "value", "headers", "carrier", "delay", "left_at", "tag", "air", "ok",
            "dep"]
        assert [column.type_code for column in cursor.description][6:] == [25, 23, 1184, 25, 1700, 16, 114]
        assert len(cursor.fetchall()) == 1


def test_integers_are_summed_as_postgresql_does(sql, flights):
    with sql.connect() as connection:
        cursor = connection.execute(f'SELECT sum(delay), avg(delay) FROM "{flights}"')
        assert cursor.description[0].type_code == 20
        assert cursor.fetchone() == (-5, decimal.Decimal("-2.5"))


def test_the_errors_view_lists_what_does_not_fit(sql, flights):
    rows = sql.rows(f'SELECT partition, "offset", "column", value, reason FROM "{flights}$errors" ORDER BY 2, 3')
    assert rows == [
        (0, 2, "delay", "many", "not a number"),
        (0, 2, "left_at", "yesterday", "not a timestamp"),
        (0, 3, None, "no JSON at all", "the record's value is not JSON"),
    ]
    assert sql.rows(f'SELECT count(*) FROM "{flights}$errors" WHERE "offset" > 2') == [(1,)]


def test_catalogs_know_them(sql, flights):
    shown = sql.psql("-c", f'\\d "{flights}"').stdout
    for line in ("carrier   | text", "delay     | integer", "air       | numeric(6,1)", "ok        | boolean"):
        assert line in shown, shown
    rows = sql.rows("SELECT column_name, data_type, ordinal_position, numeric_precision, numeric_scale "
                    "FROM information_schema.columns WHERE table_name = %s AND ordinal_position > 6 ORDER BY 3", (flights,))
    assert rows[1] == ("delay", "integer", 8, 32, 0) and rows[4] == ("air", "numeric", 11, 6, 1)


def test_dropped_columns_are_gone_and_their_numbers_too(sql, flights):
    with sql.connect() as connection:
        connection.execute(f'ALTER TABLE "{flights}" DROP COLUMN delay')
        connection.execute(f'ALTER TOPIC "{flights}" ADD COLUMN late float8 PATH \'dep.delay\'')
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute(f'SELECT delay FROM "{flights}"')
        places = connection.execute("SELECT attname, attnum FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid "
                                    "WHERE relname = %s AND attnum > 6", (flights,)).fetchall()
    assert ("late", 14) in places and "delay" not in dict(places)
    assert sql.rows(f'SELECT sum(late) FROM "{flights}"') == [(-5.0,)]


def test_a_prepared_statement_keeps_the_columns_it_was_made_with(sql, flights):
    with sql.connect() as connection:
        query = f'SELECT sum(delay) FROM "{flights}"'
        assert connection.execute(query, prepare=True).fetchone() == (-5,)
        with sql.connect() as other:
            other.execute(f'ALTER TOPIC "{flights}" DROP COLUMN delay')
        assert connection.execute(query, prepare=True).fetchone() == (-5,)


@pytest.mark.parametrize("statement, sqlstate", [
    ("ADD COLUMN delay int", "42701"), ("ADD COLUMN key text", "42701"), ("DROP COLUMN nothing", "42703"),
    ("DROP COLUMN value", "0A000"), ("ADD COLUMN a int[]", "0A000"), ("ADD COLUMN a point", "0A000"),
    ("ADD COLUMN a int PATH 'a..b'", "22023"), ("ADD COLUMN a int NOT NULL", "0A000"),
    ("ADD COLUMN a numeric(60, 2)", "22023"), ("RENAME TO other", "0A000"), ("ADD COLUMN a int, ADD COLUMN a int", "42701"),
])
def test_what_can_not_be_declared(sql, flights, statement, sqlstate):
    with sql.connect() as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(f'ALTER TOPIC "{flights}" {statement}')
    assert caught.value.sqlstate == sqlstate


def test_if_exists_and_blocks(sql, flights):
    with sql.connect() as connection:
        connection.execute(f'ALTER TOPIC "{flights}" ADD COLUMN IF NOT EXISTS delay text')
        connection.execute(f'ALTER TOPIC "{flights}" DROP COLUMN IF EXISTS nothing')
        with pytest.raises(psycopg.errors.ActiveSqlTransaction), connection.transaction():
            connection.execute(f'ALTER TOPIC "{flights}" DROP COLUMN delay')
    with sql.connect() as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("ALTER TOPIC nowhere ADD COLUMN a int")


def test_types(sql):
    number = str(uuid.uuid4())
    topic = sql.topic([{"a": -32768, "b": 2**62, "c": 1.5, "d": "2.25", "e": "2020-02-29", "f": "12:30:00.5", "g": number,
                        "h": "2020-02-29 12:30:00", "i": {"j": [1, 2]}, "k": "\u00e9\n", "l m": 1},
                       {"a": 32768, "b": 0.5, "c": "x", "d": 1e39, "e": "2021-02-29", "f": "25:00", "g": "1", "h": "",
                        "i": 7, "k": "a\u0000b", "l m": "1"}], partition=0)
    with sql.connect() as connection:
        connection.execute(f"""ALTER TOPIC "{topic}" ADD a int2, ADD b int8, ADD c float4, ADD d numeric, ADD e date,
            ADD f time, ADD g uuid, ADD h timestamp, ADD j int4 PATH 'i.j[1]', ADD k text, ADD "l m" bigint""")
    first, second = sql.rows(f'SELECT a, b, c, d, e, f, g, h, j, k, "l m" FROM "{topic}" ORDER BY "offset"')
    assert first == (-32768, 2**62, 1.5, decimal.Decimal("2.25"), datetime.date(2020, 2, 29),
                     datetime.time(12, 30, 0, 500000), uuid.UUID(number), datetime.datetime(2020, 2, 29, 12, 30), 2,
                     "\u00e9\n", 1)
    assert second == (None,) * 10 + (1,)
    reasons = dict(sql.rows(f'SELECT "column", reason FROM "{topic}$errors"'))
    assert reasons == {"a": "out of range", "b": "not a whole number", "c": "not a number", "d": "out of range",
                       "e": "not a date", "f": "not a time", "g": "not a uuid", "h": "not a timestamp",
                       "k": "no valid text"}


def test_they_outlive_a_crash_and_a_checkpoint(new_node, new_sql):
    node = new_node()
    sql = new_sql(node)
    topic = sql.topic([{"n": 1}, {"n": 41}])
    with sql.connect() as connection:
        connection.execute(f'ALTER TOPIC "{topic}" ADD COLUMN n int, ADD COLUMN gone int')
        connection.execute(f'ALTER TOPIC "{topic}" DROP COLUMN gone')
    for end in (node.kill, node.stop):
        end()
        node.start()
        sql = new_sql(node)
        assert sql.rows(f'SELECT sum(n) FROM "{topic}"') == [(42,)]
    with sql.connect() as connection:
        connection.execute(f'ALTER TOPIC "{topic}" ADD COLUMN again int')
    assert sql.rows("SELECT attnum FROM pg_attribute WHERE attname = 'again'") == [(9,)]


def test_columns_added_at_once_by_many(sql):
    topic = sql.topic([{"n": 1}])
    failed = []

    def add(i):
        try:
            with sql.connect() as connection:
                connection.execute(f'ALTER TOPIC "{topic}" ADD COLUMN n{i % 4} int PATH \'n\'')
        except psycopg.errors.DuplicateColumn:
            failed.append(i)

    threads = [threading.Thread(target=add, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failed) == 4
    assert sql.rows(f'SELECT n0 + n1 + n2 + n3 FROM "{topic}"') == [(4,)]


WRITTEN = """ADD COLUMN b boolean, ADD COLUMN i2 smallint, ADD COLUMN i4 int PATH 'n.i4', ADD COLUMN i8 bigint PATH 'n.deep.i8',
    ADD COLUMN f4 real, ADD COLUMN f8 double precision, ADD COLUMN num numeric, ADD COLUMN dec numeric(20, 4), ADD COLUMN t text,
    ADD COLUMN j json, ADD COLUMN d date, ADD COLUMN tm time, ADD COLUMN ts timestamp, ADD COLUMN tz timestamptz,
    ADD COLUMN u uuid, ADD COLUMN place text PATH 'tags[0]', ADD COLUMN twin text PATH 't', ADD COLUMN "odd name" text PATH '"a.b"'"""
NAMES = ["b", "i2", "i4", "i8", "f4", "f8", "num", "dec", "t", "j", "d", "tm", "ts", "tz", "u", '"odd name"']
TEXTS = ["t", "-32768", "2147483647", "-9223372036854775808", "0.1", "1e+300", "12.50", "1234567890123456.5678",
         'Grüße "\\\n', '{"a": [1, null]}', "2013-01-01", "05:17:00.25", "2013-01-01 05:17:00.000001", "2013-01-01 05:17:00+02",
         "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "x"]
VALUES = (True, -32768, 2147483647, -2**63, 0.1, 1e300, decimal.Decimal("12.5"), decimal.Decimal("1234567890123456.5678"),
          'Grüße "\\\n', {"a": [1, None]}, datetime.date(2013, 1, 1), datetime.time(5, 17, 0, 250000),
          datetime.datetime(2013, 1, 1, 5, 17, 0, 1), datetime.datetime(2013, 1, 1, 3, 17, tzinfo=datetime.timezone.utc),
          uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "x")


@pytest.fixture
def written(sql):
    topic = sql.topic([])
    sql.produce(topic, [None], partition=0)
    with sql.connect() as connection:
        connection.execute(f'ALTER TOPIC "{topic}" {WRITTEN}')
    return topic


def read_back(sql, topic):
    rows = sql.rows(f'SELECT {", ".join(NAMES)} FROM "{topic}" WHERE value IS NOT NULL ORDER BY "offset"')
    assert sql.rows(f'SELECT count(*) FROM "{topic}$errors"') == [(0,)]
    return rows


def test_an_insert_into_columns_is_a_value(sql, written):
    """By literals, by parameters in text and in binary, and from a query; what comes back is what was written."""
    literals = ", ".join("'" + text.replace("'", "''") + "'" for text in TEXTS)
    columns = ", ".join(NAMES)
    with sql.connect() as connection:
        cursor = connection.execute(f'INSERT INTO "{written}" (partition, key, {columns}) VALUES (0, \'k\', {literals}) RETURNING key, value')
        key, value = cursor.fetchone()
        assert key == "k" and '"n": {"i4": 2147483647, "deep": {"i8": -9223372036854775808}}' in value
        assert '"num": 12.5,' in value and '"b": true' in value and '"a.b": "x"' in value and '"j": {"a": [1, null]}' in value
        marks = ", ".join(["%s"] * len(NAMES))
        connection.execute(f'INSERT INTO "{written}" (partition, {columns}) VALUES (0, {marks})', TEXTS)
        parameters = [psycopg.types.json.Json(value) if isinstance(value, dict) else value for value in VALUES]
        connection.cursor(binary=True).execute(f'INSERT INTO "{written}" (partition, {columns}) VALUES (0, {marks})', parameters)
        connection.execute(f'INSERT INTO "{written}" (partition, {columns}) SELECT 0, {columns} FROM "{written}" WHERE b LIMIT 1')
    rows = read_back(sql, written)
    assert len(rows) == 4
    for row in rows:
        assert row[:4] == VALUES[:4] and row[4] == pytest.approx(0.1) and row[5:] == VALUES[5:], row


def test_nulls_are_left_out(sql, written):
    with sql.connect() as connection:
        connection.execute(f'INSERT INTO "{written}" (partition, i4, i8, t) VALUES (0, NULL, NULL, NULL), (0, NULL, 1, DEFAULT), (0, 2, NULL, \'\')')
    values = sql.rows(f'SELECT value FROM "{written}" WHERE value IS NOT NULL ORDER BY "offset"')
    assert values == [("{}",), ('{"n": {"deep": {"i8": 1}}}',), ('{"n": {"i4": 2}, "t": ""}',)]


def test_copy_into_columns(sql, written):
    with sql.connect() as connection:
        with connection.cursor().copy(f'COPY "{written}" (partition, {", ".join(NAMES)}) FROM STDIN') as copy:
            copy.write_row([0, *TEXTS])
            copy.write_row([0, *[None] * len(TEXTS)])
        rows = read_back(sql, written)
        assert rows[0][:4] == VALUES[:4] and rows[0][6:] == VALUES[6:] and rows[1] == (None,) * len(NAMES)
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="text or CSV"):
            with connection.cursor().copy(f'COPY "{written}" (i4) FROM STDIN (FORMAT binary)') as copy:
                copy.write(b"")


@pytest.mark.parametrize("column,text,state", [
    ("i4", "many", "22P02"), ("i2", "32768", "22003"), ("b", "perhaps", "22P02"), ("d", "yesterday-ish", "22007"), ("u", "1", "22P02"),
    ("j", "{", "22P02"), ("dec", "1e35", "22003"), ("f8", "many", "22P02")])
def test_what_does_not_fit_is_refused(sql, written, column, text, state):
    """By INSERT and by COPY; nothing of the statement is written."""
    with sql.connect() as connection:
        for statement in (f'INSERT INTO "{written}" (t, {column}) VALUES (\'good\', NULL), (\'bad\', \'{text}\')',):
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(statement)
            assert refused.value.sqlstate in (state, "22P02", "22003", "22007"), refused.value
        with pytest.raises(psycopg.Error) as refused:
            with connection.cursor().copy(f'COPY "{written}" (t, {column}) FROM STDIN') as copy:
                copy.write_row(["good", None])
                copy.write_row(["bad", text])
        assert refused.value.sqlstate == state, refused.value
    assert read_back(sql, written) == []


@pytest.mark.parametrize("columns,state,words", [
    ("i4, value", "42601", "leave them out"), ("value_bytes, t", "42601", "value_bytes is made"), ("place", "0A000", "tags"),
    ("t, twin", "42701", "another column"), ("t, t", "42701", "more than once"), ("no_such", "42703", "does not exist")])
def test_columns_that_cannot_be_written_together(sql, written, columns, state, words):
    marks = ", ".join("NULL" for _ in columns.split(","))
    with sql.connect() as connection:
        for statement in (f'INSERT INTO "{written}" ({columns}) VALUES ({marks})', f'COPY "{written}" ({columns}) FROM STDIN'):
            with pytest.raises(psycopg.Error, match=words) as refused:
                connection.execute(statement)
            assert refused.value.sqlstate == state
