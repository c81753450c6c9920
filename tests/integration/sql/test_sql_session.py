"""What a connection keeps: transactions, cursors, portals, settings, writes; message by message and through psycopg."""
import datetime
import decimal
import struct
import time
import uuid

import pgwire
import psycopg
import pytest
from psycopg.types.json import Json, Jsonb
from confluent_kafka import Consumer, TopicPartition
from pgwire import SYNC, bind, describe, execute, fields, kinds, parse, query

SECONDS = 30


def texts(messages):
    """The DataRows' fields, as texts."""
    rows = []
    for kind, body in messages:
        if kind != b"D":
            continue
        row, at = [], 2
        for _ in range(struct.unpack(">h", body[:2])[0]):
            length, = struct.unpack(">i", body[at:at + 4])
            row.append(None if length < 0 else body[at + 4:at + 4 + length].decode())
            at += 4 + max(length, 0)
        rows.append(row)
    return rows


def status(messages):
    return messages[-1][1].decode()


def code(messages):
    return [fields(body)["C"] for kind, body in messages if kind in (b"E", b"N")]


# ---- transactions ----

def test_the_status_follows_the_transaction(node):
    with pgwire.Connection(node) as connection:
        for text, expected, codes in [
            ("BEGIN", "T", []), ("BEGIN", "T", ["25001"]), ("SELECT 1/0", "E", ["22012"]),
            ("SELECT 1", "E", ["25P02"]), ("SAVEPOINT a", "E", ["25P02"]), ("COMMIT", "I", []), ("COMMIT", "I", ["25P01"]),
            ("ROLLBACK", "I", ["25P01"]), ("SAVEPOINT a", "I", ["25P01"]), ("BEGIN", "T", []), ("SAVEPOINT a", "T", []),
            ("SELECT nope", "E", ["42703"]), ("ROLLBACK TO a", "T", []), ("SELECT 1", "T", []),
            ("RELEASE SAVEPOINT a", "T", []), ("ROLLBACK TO a", "E", ["3B001"]), ("ROLLBACK", "I", []),
            ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY", "T", []), ("END", "I", []),
        ]:
            answers = connection.ask(query(text))
            assert (status(answers), code(answers)) == (expected, codes), text
        failed = connection.ask(query("BEGIN; SELECT 1/0"))
        assert status(failed) == "E"
        assert [body for kind, body in connection.ask(query("COMMIT")) if kind == b"C"] == [b"ROLLBACK\0"]


def test_rows_of_a_transaction_come_when_it_commits(sql):
    topic = sql.topic([{"n": 0}], partition=0)
    with sql.connect(autocommit=False) as connection, sql.connect() as other:
        def count():
            return other.execute(f'SELECT count(*) FROM "{topic}"').fetchone()[0]
        insert = f'INSERT INTO "{topic}" (key, value) VALUES (%s, %s)'
        connection.execute(insert, ("a", "1"))
        connection.execute("SAVEPOINT s")
        connection.execute(insert, ("b", "2"))
        connection.execute("ROLLBACK TO s")
        connection.execute(insert, ("c", "3"))
        assert count() == 1
        connection.commit()
        assert count() == 3
        connection.execute(insert, ("d", "4"))
        connection.rollback()
        assert count() == 3
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            connection.execute(insert + ' RETURNING "offset"', ("e", "5"))
    assert sql.rows(f'SELECT value FROM "{topic}" WHERE key IS NOT NULL ORDER BY 1') == [("1",), ("3",)]


def test_statements_sent_together_are_one_transaction(sql, node):
    topic = sql.topic([{"n": 0}])
    with pgwire.Connection(node) as connection:
        insert = f"INSERT INTO \"{topic}\" (value) VALUES ('x')"
        assert kinds(connection.ask(query(f"{insert}; {insert}; SELECT 1/0"))) == "CCEZ"
        assert sql.rows(f'SELECT count(*) FROM "{topic}"') == [(1,)]
        assert kinds(connection.ask(query(f"{insert}; {insert}"))) == "CCZ"
        assert sql.rows(f'SELECT count(*) FROM "{topic}"') == [(3,)]
        one = parse("", insert) + bind("", "") + execute()
        assert kinds(connection.ask(one + one + parse("", "SELECT nope") + one + SYNC)) == "12C12CEZ"
        assert sql.rows(f'SELECT count(*) FROM "{topic}"') == [(3,)]
        assert kinds(connection.ask(one + one + SYNC)) == "12C12CZ"
        assert sql.rows(f'SELECT count(*) FROM "{topic}"') == [(5,)]


# ---- writing ----

def test_insert_is_a_produce(sql, node):
    topic = sql.topic([{"n": 0}], partition=0)
    rows = sql.rows(f"""INSERT INTO "{topic}" (key, value, headers, timestamp, partition)
        VALUES ('k', '{{"a": 1}}', '{{"trace": "7"}}', '2024-01-02 03:04:05.678+01', 0), (NULL, NULL, NULL, NULL, 0)
        RETURNING "offset", partition AS p, key, timestamp""")
    assert [row[:3] for row in rows] == [(1, 0, "k"), (2, 0, None)]
    assert rows[0][3] == datetime.datetime(2024, 1, 2, 2, 4, 5, 678000, datetime.timezone.utc)
    consumer = Consumer({"bootstrap.servers": node.kafka, "group.id": "none", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 1)])
    message = consumer.poll(SECONDS)
    assert (message.key(), message.value(), message.headers()) == (b"k", b'{"a": 1}', [("trace", b"7")])
    assert consumer.poll(SECONDS).value() is None
    consumer.close()


def test_insert_select_and_parameters(sql):
    source, target = sql.topic([{"n": i} for i in range(5000)]), sql.topic([None])
    with sql.connect() as connection:
        cursor = connection.execute(f'INSERT INTO "{target}" (key, value) SELECT value->>\'n\', value FROM "{source}"')
        assert cursor.statusmessage == "INSERT 0 5000"
        assert connection.execute(f'SELECT count(DISTINCT key), sum(key::int) FROM "{target}"').fetchone() == (
            5000, 5000 * 4999 // 2)
        connection.execute(f'INSERT INTO "{target}" (key_bytes, value_bytes) VALUES (%b, %b)', (b"\0\xff", b"\xfe"))
        assert connection.execute(f'SELECT value_bytes FROM "{target}" WHERE key = \'\\x00ff\'').fetchone() == (b"\xfe",)
        cursor = connection.cursor()
        cursor.executemany(f'INSERT INTO "{target}" (key, value) VALUES (%s, %s)', [(f"m{i}", "v") for i in range(100)])
        assert connection.execute(f'SELECT count(*) FROM "{target}" WHERE key LIKE \'m%\'').fetchone() == (100,)
        connection.execute(f'INSERT INTO "{target}" (value, timestamp) SELECT x * 1.5, now() FROM generate_series(1, 2) s(x)')
        assert connection.execute(f'SELECT value FROM "{target}" ORDER BY timestamp DESC, value LIMIT 2').fetchall() == [
            ("1.5",), ("3.0",)]


def test_keys_go_where_kafka_clients_send_them(sql):
    """murmur2, as the Java client and librdkafka's murmur2_random."""
    from confluent_kafka import Producer
    topic = sql.topic([None], partition=0)
    keys = ["", "a", "key-1", "abcd", "h\u00e9llo w\u00f6rld", *(f"user{i}" for i in range(60))]
    producer = Producer({"bootstrap.servers": sql.node.kafka, "partitioner": "murmur2_random"})
    for key in keys[1:]:
        producer.produce(topic, key=key, value="kafka")
    assert producer.flush(SECONDS) == 0
    with sql.connect() as connection:
        connection.cursor().executemany(f'INSERT INTO "{topic}" (key, value) VALUES (%s, \'sql\')', [(key,) for key in keys[1:]])
    rows = sql.rows(f'SELECT key, count(DISTINCT partition), count(*) FROM "{topic}" WHERE key IS NOT NULL GROUP BY key')
    assert len(rows) == len(keys) - 1 and all(row[1:] == (1, 2) for row in rows)
    assert sql.rows(f'SELECT count(DISTINCT partition) > 1 FROM "{topic}"') == [(True,)]


def test_writes_that_cannot_be_say_what_to_do(sql):
    topic = sql.topic([{"n": 0}])
    for text, state in [
        (f'UPDATE "{topic}" SET value = 1', "0A000"), (f'DELETE FROM "{topic}"', "0A000"),
        (f'INSERT INTO "{topic}" VALUES (1)', "42601"), (f'INSERT INTO "{topic}" (key, value) VALUES (1)', "42601"),
        (f'INSERT INTO "{topic}" (key) VALUES (1, 2)', "42601"), (f'INSERT INTO "{topic}" ("offset") VALUES (1)', "428C9"),
        (f'INSERT INTO "{topic}" (partition) VALUES (10000)', "42P01"), (f'INSERT INTO "{topic}" (partition) VALUES (\'x\')', "22P02"),
        (f'INSERT INTO "{topic}" (headers) VALUES (\'[]\')', "22P02"), (f'INSERT INTO "{topic}" (nope) VALUES (1)', "42703"),
        (f'INSERT INTO "{topic}" (key) VALUES (1) ON CONFLICT DO NOTHING', "0A000"), (f'TRUNCATE "{topic}"', "0A000"),
        (f'INSERT INTO "{topic}" (value) VALUES (repeat(\'x\', 20000000))', "54000"),
    ]:
        with pytest.raises(psycopg.Error) as caught:
            sql.rows(text)
        assert caught.value.sqlstate == state, text
    assert sql.rows(f'SELECT count(*) FROM "{topic}"') == [(1,)]


# ---- cursors and portals ----

def test_cursors(sql):
    with sql.connect(autocommit=False) as connection:
        connection.execute("DECLARE c CURSOR FOR SELECT x FROM generate_series(1, 10000) s(x)")
        connection.execute("DECLARE \"d d\" NO SCROLL CURSOR WITHOUT HOLD FOR SELECT 'a' AS name")
        for first in (1, 4, 7):  # statements between do not disturb it
            cursor = connection.execute("FETCH FORWARD 3 FROM c")
            assert cursor.statusmessage == "FETCH 3" and cursor.description[0].name == "x"
            assert cursor.fetchall() == [(first,), (first + 1,), (first + 2,)]
            assert connection.execute("SELECT count(*) FROM generate_series(1, 5000)").fetchone() == (5000,)
        assert connection.execute("MOVE 9000 FROM c").statusmessage == "MOVE 9000"
        assert connection.execute("FETCH NEXT FROM c").fetchall() == [(9010,)]
        assert len(connection.execute("FETCH ALL FROM c").fetchall()) == 990
        assert connection.execute("FETCH c").fetchall() == []
        assert connection.execute('FETCH "d d"').fetchall() == [("a",)]
        connection.execute("CLOSE c")
        with pytest.raises(psycopg.errors.InvalidCursorName):
            connection.execute("FETCH c")
        connection.rollback()
        connection.autocommit = True
        with pytest.raises(psycopg.errors.NoActiveSqlTransaction):
            connection.execute("DECLARE c CURSOR FOR SELECT 1")
        connection.execute("DECLARE held CURSOR WITH HOLD FOR SELECT 5")
        assert connection.execute("FETCH held").fetchone() == (5,)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            connection.execute("FETCH BACKWARD 1 FROM held")
        connection.execute("CLOSE ALL")


@pytest.mark.parametrize("in_binary", [False, True])
def test_server_side_cursors(sql, in_binary):
    topic = sql.topic([{"n": i} for i in range(3000)], partition=0)
    with sql.connect(autocommit=False) as connection:
        with connection.cursor(name="big", binary=in_binary) as cursor:
            cursor.itersize = 100
            cursor.execute(f'SELECT "offset" FROM "{topic}" WHERE "offset" >= %s ORDER BY 1', (10,))
            assert [row[0] for row in cursor] == list(range(10, 3000))


def test_portals_beside_each_other(node):
    with pgwire.Connection(node) as connection:
        connection.ask(query("BEGIN"))
        text = "SELECT x FROM generate_series($1::int, $2::int) s(x)"
        assert kinds(connection.ask(parse("s", text) + SYNC)) == "1Z"
        both = bind("a", "s", [b"1", b"5000"]) + bind("b", "s", [b"11", b"5000"]) + execute("a", 2) + execute("b", 2)
        assert texts(connection.ask(both + SYNC)) == [["1"], ["2"], ["11"], ["12"]]
        assert texts(connection.ask(query("SELECT 0"))) == [["0"]]
        answers = connection.ask(execute("a", 1) + describe(b"P", "b") + execute("b", 1) + SYNC)
        assert kinds(answers) == "DsTDsZ" and texts(answers) == [["3"], ["13"]]
        assert len(texts(connection.ask(execute("a") + SYNC))) == 4997
        assert kinds(connection.ask(pgwire.message(b"C", b"Pb\0") + execute("b") + SYNC)) == "3EZ"


def test_a_pipeline_skips_until_sync(node):
    with pgwire.Connection(node) as connection:
        one = parse("", "SELECT 1") + bind("", "") + execute()
        connection.send(one + parse("", "SELECT nope") + one + SYNC + one + SYNC)
        assert kinds(connection.until(b"Z") + connection.until(b"Z")) == "12DCEZ12DCZ"
        connection.send(one + pgwire.FLUSH)
        assert kinds(connection.until(b"C")) == "12DC"
        assert kinds(connection.ask(SYNC)) == "Z"


# ---- settings ----

def test_settings_are_kept_and_told(node):
    with pgwire.Connection(node) as connection:
        answers = connection.ask(query("SET application_name = 'me'"))
        assert kinds(answers) == "CSZ" and answers[1][1] == b"application_name\0me\0"
        assert texts(connection.ask(query("SHOW application_name"))) == [["me"]]
        connection.ask(query("BEGIN; SET LOCAL application_name = 'here'; SET search_path TO a, \"B\""))
        assert texts(connection.ask(query("SELECT current_setting('application_name'), current_setting('search_path')"))) == [
            ["here", "a, B"]]
        assert kinds(connection.ask(query("COMMIT"))) == "CSZ"
        assert texts(connection.ask(query("SHOW application_name; SHOW search_path"))) == [["me"], ["a, B"]]
        connection.ask(query("BEGIN; SET application_name = 'gone'; ROLLBACK"))
        assert texts(connection.ask(query("SHOW application_name"))) == [["me"]]
        assert texts(connection.ask(query("SELECT set_config('my.own', '5', false), current_setting('my.own')"))) == [["5", "5"]]
        assert texts(connection.ask(query("SELECT current_setting('my.other', true)"))) == [[None]]
        assert code(connection.ask(query("SELECT current_setting('no_such')"))) == ["42704"]
        assert code(connection.ask(query("SET no_such = 1"))) == ["42704"]
        assert code(connection.ask(query("SET enable_seqscan = maybe"))) == ["22023"]
        assert code(connection.ask(query("SET timezone = 'Europe/Berlin'"))) == ["0A000"]
        assert kinds(connection.ask(query("RESET application_name"))) == "CSZ"
        assert kinds(connection.ask(query("DISCARD ALL"))) == "CZ"
        assert texts(connection.ask(query("SHOW search_path"))) == [['"$user", public']]
        assert ["work_mem", "4MB", ""] in texts(connection.ask(query("SHOW ALL")))


def test_settings_of_the_startup_packet(node):
    packet = pgwire.startup(settings=b"user\0me\0application_name\0first\0options\0-c statement_timeout=7s -c x.y=a\\ b\0\0")
    with pgwire.Connection(node, start=False) as connection:
        connection.send(packet)
        assert (b"S", b"application_name\0first\0") in connection.until(b"Z")
        shown = connection.ask(query("SHOW statement_timeout; SHOW application_name; SHOW x.y; SELECT current_user"))
        assert texts(shown) == [["7s"], ["first"], ["a b"], ["me"]]


def test_statement_timeout(sql):
    endless = "SELECT count(*) FROM generate_series(1, 100000000000) a"
    with sql.connect() as connection:
        connection.execute("SET statement_timeout = '100ms'")
        began = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
            connection.execute(endless)
        assert time.monotonic() - began < SECONDS
        assert connection.execute("SELECT 1").fetchone() == (1,)
        connection.execute("SET statement_timeout = 0")
        assert connection.execute("SELECT count(*) FROM generate_series(1, 10000000) a").fetchone() == (10000000,)


def test_cancel_reaches_a_cursor(sql):
    with sql.connect(autocommit=False) as connection:
        connection.execute("SET LOCAL statement_timeout = '100ms'")
        connection.execute("DECLARE c CURSOR FOR SELECT x FROM generate_series(1, 100000000000) s(x)")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("MOVE ALL FROM c")


# ---- values ----

VALUES = [
    ("bool", True), ("int2", -7), ("int4", 70000), ("int8", 1 << 40), ("float4", 2.5), ("float8", 1e300), ("text", "\u20ac, {}"),
    ("varchar", "x"), ("bytea", b"\0\xff"), ("numeric", decimal.Decimal("-12345.678")), ("date", datetime.date(1999, 12, 31)),
    ("time", datetime.time(1, 2, 3, 4)), ("timestamp", datetime.datetime(2013, 1, 1, 5, 6, 7, 890)),
    ("timestamptz", datetime.datetime(2013, 1, 1, 5, 6, 7, 890, datetime.timezone.utc)),
    ("interval", datetime.timedelta(days=3, seconds=4, microseconds=5)), ("interval", -datetime.timedelta(hours=30)),
    ("uuid", uuid.UUID("12345678-9abc-def0-8000-00805f9b34fb")), ("int4[]", [1, None, 3]), ("int8[]", [1 << 40]),
    ("text[]", ["a", 'b"c\\', "", None, "NULL", "{x,y}"]), ("float8[]", [0.5]), ("text[]", []),
    ("bool[]", [True, False]), ("timestamptz[]", [datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)]),
    ("json", Json({"a": [1, None, 'x,"y']})), ("jsonb", Jsonb([1, {"b": "c"}])), ("json[]", [Json({"a": 'x,"y}'}), None, Json(2)]),
    ("jsonb[]", [Jsonb({"a": 1}), Jsonb([1, 2])]), ("bytea[]", [b"\0ab\xff", b"", None]), ("int2[]", [1, None, -2]), ("float4[]", [1.5]),
    ("varchar[]", ["a"]), ("time[]", [datetime.time(1, 2, 3)]), ("timestamp[]", [datetime.datetime(2020, 1, 1)]),
    ("interval[]", [datetime.timedelta(days=1, seconds=2)]), ("oid", 5),
    ("uuid[]", [uuid.UUID(int=5)]), ("numeric[]", [decimal.Decimal("1.5")]), ("date[]", [datetime.date(2000, 1, 1)]),
]


@pytest.mark.parametrize("in_binary", [False, True])
@pytest.mark.parametrize("name, value", VALUES)
def test_values_both_ways(sql, name, value, in_binary):
    mark = "%b" if in_binary else "%t"
    with sql.connect() as connection:
        for binary_parameter in (mark, "%s"):
            cursor = connection.cursor(binary=in_binary)
            shown = cursor.execute(f"SELECT {binary_parameter}::{name}", (value,)).fetchone()[0]
            assert shown == plain(value) and type(shown) is type(plain(value))


def plain(value):
    """What comes back of a value: JSON without the driver's wrapping."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.obj if isinstance(value, (Json, Jsonb)) else value


def test_arrays_of_arrays_are_said_to_be_too_much(sql):
    with sql.connect() as connection:
        for statement, parameters in (("SELECT '{{1,2},{3,4}}'::int4[]", None), ("SELECT %t::int4[]", ([[1, 2], [3, 4]],)),
                                      ("SELECT %b::int4[]", ([[1, 2], [3, 4]],))):
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="has one dimension") as refused:
                connection.execute(statement, parameters)
            assert refused.value.diag.message_hint
        assert connection.execute("SELECT ARRAY[ARRAY[1, 2], ARRAY[3, 4]]").fetchone()[0] == [[1, 2], [3, 4]]
        assert connection.execute("SELECT '{\"{1,2}\"}'::text[]").fetchone()[0] == ["{1,2}"]


def test_results_of_every_kind(sql):
    for in_binary in (False, True):
        with sql.connect() as connection:
            row = connection.cursor(binary=in_binary).execute(
                "SELECT interval '1 year 2 mons -3 days 04:05:06.7', ARRAY[1, 2], '{a,b}'::text[], '[1]'::json,"
                " '{\"a\": 1}'::jsonb, ARRAY[ARRAY[1], ARRAY[2]], gen_random_uuid() IS NOT NULL, NULL::int[]").fetchone()
        assert row == (datetime.timedelta(days=425 - 3, hours=4, minutes=5, seconds=6, microseconds=700000), [1, 2],
                       ["a", "b"], [1], {"a": 1}, [[1], [2]], True, None)
    assert sql.psql("-At", "-c", "SELECT interval '1 year 2 mons -3 days 04:05:06.7', ARRAY['a', 'b c', NULL]").stdout == (
        '1 year 2 mons -3 days +04:05:06.7|{a,"b c",NULL}\n')
