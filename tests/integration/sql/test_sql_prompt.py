"""Statements that the connection's loop carries out itself: the same as on a thread, byte by byte, whatever comes between."""
import itertools
import struct
import threading

import pgwire
import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

names = itertools.count()
SECONDS = 30
PARTITIONS = 3  # on a node of three shards each has one
LARGE = 2000  # records of a batch that goes to an extent
BATCHES = (("none", 30, 20), ("zstd", 30, 20), ("none", LARGE, 100), ("lz4", LARGE, 100), ("none", 5, 20))
ROWS = sum(count for _, count, _ in BATCHES)
OFF = pgwire.query("SET pyralog.prompt_statements = off")


def prompts(sql):
    return int(sql.rows("SELECT sum(value) FROM pyralog.metrics WHERE name = 'pyralog_pg_prompt_statements_total'")[0][0])


@pytest.fixture(scope="module")
def topic(node):
    name = f"prompt-{next(names)}"
    admin = AdminClient({"bootstrap.servers": node.kafka})
    admin.create_topics([NewTopic(name, PARTITIONS)])[name].result(SECONDS)
    for codec, count, size in BATCHES:
        producer = Producer({"bootstrap.servers": node.kafka, "linger.ms": 100, "compression.codec": codec, "batch.size": 900000})
        for n in range(count):
            text = f'{{"n": {n}, "x": "{"é" * (n % 7)}"}}'.ljust(size)
            for partition in range(PARTITIONS):
                producer.produce(name, key=f"{codec}{n}" if n % 3 else None, value=text, partition=partition)
        assert producer.flush(SECONDS) == 0
    with psycopg.connect(f"host=127.0.0.1 port={node.ports['postgres']} user=somebody", autocommit=True) as connection:
        connection.execute(f'ALTER TOPIC "{name}" ADD COLUMN n int, ADD COLUMN x text')
    return name


def select(topic, where='partition = $1 AND "offset" = $2', columns='"offset", key, value, n, x, timestamp', tail=""):
    return f'SELECT {columns} FROM "{topic}" WHERE {where} {tail}'


def number(value):
    return str(value).encode()


def ask_both(sql, conversation):
    """The same messages on a connection whose loop does what it can, and on one where threads do all: twice, as the first
    statement of a connection is a thread's, and what was read once is in memory."""
    with pgwire.Connection(sql.node) as prompt, pgwire.Connection(sql.node) as threaded:
        threaded.ask(OFF)
        prompt.ask(pgwire.query("SELECT 1"))
        for _ in range(2):
            for data in conversation:
                answers = [connection.ask(data) for connection in (prompt, threaded)]
                assert answers[0] == answers[1], data
                yield answers[0]


PLACES = [0, 1, 29, 30, 45, 59, 60, 61, 99, 1000, 60 + LARGE - 1, 60 + LARGE, 60 + LARGE + 777, ROWS - 1, ROWS, ROWS + 1, 2 ** 40, -1]


@pytest.mark.parametrize("formats", [(), (1,), (0, 1, 0, 1, 0, 1)])
def test_a_row_by_its_place(sql, topic, formats):
    before = prompts(sql)
    text = select(topic)
    parsed = pgwire.parse("s", text, (23, 20)) + pgwire.SYNC
    runs = [pgwire.bind("", "s", [number(partition), number(offset)], formats) + pgwire.describe(b"P") + pgwire.execute() + pgwire.SYNC
            for partition in range(PARTITIONS) for offset in PLACES]
    unnamed = [pgwire.parse("", text) + pgwire.bind("", "", [number(1), number(offset)], formats) + pgwire.execute() + pgwire.SYNC
               for offset in PLACES]
    simple = [pgwire.query(select(topic, f'partition = {partition} AND "offset" = {offset}'))
              for partition in range(PARTITIONS) for offset in PLACES]
    close = pgwire.message(b"C", b"Ss\0") + pgwire.SYNC
    found = 0
    for said in ask_both(sql, [parsed, *runs, *unnamed, *simple, close]):
        found += pgwire.kinds(said).count("D")
    assert found == 2 * (PARTITIONS * 2 + 1) * sum(0 <= offset < ROWS for offset in PLACES)
    assert prompts(sql) - before > len(PLACES)


def test_ranges_limits_and_what_is_too_much(sql, topic):
    wheres = ['partition = 1 AND "offset" BETWEEN 10 AND 40', 'partition = 1 AND "offset" >= 100 AND "offset" < 200',
              'partition = 0 AND "offset" BETWEEN 0 AND 3000', 'partition = 2 AND "offset" > 5', '"offset" = 7', "partition = 1",
              'partition = 1 AND "offset" BETWEEN 5 AND 4', 'partition = 9 AND "offset" = 1', 'partition = -1 AND "offset" = 1']
    statements = [select(topic, where, "*", tail) for where in wheres if where.startswith("partition")
                  for tail in ('ORDER BY "offset"', 'ORDER BY "offset" LIMIT 7', 'ORDER BY "offset" LIMIT 0')]
    assert any("DDD" in pgwire.kinds(said) for said in ask_both(sql, [pgwire.query(text) for text in statements]))


def test_errors_are_the_same(sql, topic):
    point = select(topic)
    bad = [pgwire.parse("", point) + pgwire.bind("", "", [b"0"]) + pgwire.execute() + pgwire.SYNC,
           pgwire.parse("", point) + pgwire.bind("", "", [b"0", b"x"]) + pgwire.execute() + pgwire.SYNC,
           pgwire.parse("", point, (23, 20)) + pgwire.bind("", "", [b"0", None]) + pgwire.execute() + pgwire.SYNC,
           pgwire.parse("", point) + pgwire.bind("", "", [b"0", b"1"], (0, 1)) + pgwire.execute() + pgwire.SYNC,
           pgwire.bind("", "nothing", []) + pgwire.execute() + pgwire.SYNC,
           pgwire.execute("nothing") + pgwire.SYNC,
           pgwire.describe(b"S", "nothing") + pgwire.SYNC,
           pgwire.query(select(topic, columns="nothing")),
           pgwire.query('SELECT value FROM "no such" WHERE partition = 0 AND "offset" = 0'),
           pgwire.query('SELECT value FROM "' + topic + '" WHERE partition = 0 AND "offset" = '),
           pgwire.query("COMMIT TO nothing"), pgwire.query("SET nothing = 1"), pgwire.query("SET TimeZone = 'Mars'"),
           pgwire.query("BEGIN; SELECT 1; COMMIT")]
    block = [pgwire.query("BEGIN"), pgwire.query(select(topic, columns="nothing")), pgwire.query(select(topic, 'partition = 0 AND "offset" = 0')),
             pgwire.query("COMMIT"), pgwire.query("COMMIT"), pgwire.query("ROLLBACK"), pgwire.query("BEGIN"), pgwire.query("BEGIN"),
             pgwire.query("ROLLBACK")]
    said = list(ask_both(sql, bad + block))
    assert sum("E" in pgwire.kinds(messages) for messages in said) >= 2 * len(bad) - 2


def test_pipelines_keep_their_order(sql, topic):
    """What the loop can do and what it can't, sent at once: point reads, a long one, an error that skips the rest."""
    read = b"".join(pgwire.bind("", "s", [b"0", number(offset)]) + pgwire.execute() for offset in range(0, 2000, 50))
    slow = pgwire.parse("", "SELECT sum(range) FROM range(200000)") + pgwire.bind("", "") + pgwire.execute()
    wrong = pgwire.parse("", "SELECT 1/0") + pgwire.bind("", "") + pgwire.execute()
    conversation = [pgwire.parse("s", select(topic), (23, 20)) + pgwire.SYNC, read + pgwire.SYNC, read + slow + read + pgwire.SYNC,
                    read + wrong + read + pgwire.SYNC, read + pgwire.FLUSH + read + pgwire.SYNC,
                    pgwire.bind("p", "s", [b"0", b"5"]) + pgwire.execute("p", 1) + pgwire.execute("p", 1) + pgwire.SYNC,
                    pgwire.message(b"C", b"Ss\0") + pgwire.SYNC]
    counts = [pgwire.kinds(said).count("D") for said in ask_both(sql, conversation)]
    assert counts[:6] == [0, 40, 81, 40, 80, 1]


def test_statements_in_a_block_with_writes(sql, topic):
    """A block that has written, or has a cursor open, is a thread's; its end is one, too."""
    other = sql.topic([{"n": 1}])
    point = pgwire.query(select(topic, 'partition = 0 AND "offset" = 3'))
    conversation = [pgwire.query("BEGIN"), point, pgwire.query(f"""INSERT INTO "{other}" (value) VALUES ('x')"""), point,
                    pgwire.query("ROLLBACK"), point, pgwire.query("BEGIN"), pgwire.query(f'DECLARE c CURSOR FOR SELECT n FROM "{topic}"'),
                    point, pgwire.query("FETCH 2 FROM c"), point, pgwire.query("COMMIT"), pgwire.query("SET work_mem = '5MB'"),
                    pgwire.query("SHOW work_mem"), pgwire.query("BEGIN"), pgwire.query("SET LOCAL work_mem = '7MB'"), point,
                    pgwire.query("COMMIT"), pgwire.query("SHOW work_mem"), pgwire.query("RESET ALL; SET pyralog.prompt_statements = on")]
    with pgwire.Connection(sql.node) as connection:
        said = [connection.ask(data) for data in conversation]
    assert not any("E" in pgwire.kinds(messages) for messages in said)
    assert [bytes(messages[-1][1]) for messages in said[:8]] == [b"T", b"T", b"T", b"T", b"I", b"I", b"T", b"T"]
    assert said[13][1][1][6:] == b"5MB" and said[18][1][1][6:] == b"5MB"
    assert sql.rows(f'SELECT count(*) FROM "{other}"') == [(1,)]


def test_new_records_are_seen_at_once(sql):
    """What was acknowledged before a statement is in it, on the loop as well."""
    name = f"prompt-{next(names)}"
    with sql.connect() as connection:
        connection.prepare_threshold = 0
        for n in range(200):
            sql.produce(name, [{"n": n}], partition=0) if n % 50 == 0 else connection.execute(
                f'INSERT INTO "{name}" (value, partition) VALUES (%s, 0)', (f'{{"n": {n}}}',))
            rows = connection.execute(f'SELECT value FROM "{name}" WHERE partition = %s AND "offset" = %s', (0, n)).fetchall()
            assert rows == [(f'{{"n": {n}}}',)]
            assert connection.execute(f'SELECT value FROM "{name}" WHERE partition = %s AND "offset" = %s', (0, n + 1)).fetchall() == []


def test_a_reader_that_stalls_and_many_that_hurry(sql, topic):
    """A client that takes no answers is a thread's to wait for, and others go on."""
    text = pgwire.parse("s", select(topic, 'partition = 0 AND "offset" BETWEEN $1 AND $2'), (20, 20)) + pgwire.SYNC
    run = pgwire.bind("", "s", [b"60", b"180"]) + pgwire.execute() + pgwire.SYNC
    with pgwire.Connection(sql.node) as stalled, pgwire.Connection(sql.node) as other:
        for connection in (stalled, other):
            connection.ask(text)
        sender = threading.Thread(target=stalled.send, args=(run * 3000,))
        sender.start()
        for _ in range(200):
            assert pgwire.kinds(other.ask(run)).count("D") == 121
        rows = 0
        for _ in range(3000):
            rows += pgwire.kinds(stalled.until(b"Z")).count("D")
        sender.join()
        assert rows == 3000 * 121


def test_a_cancel_between_two_is_nobodys(sql, topic):
    with pgwire.Connection(sql.node) as connection:
        point = pgwire.query(select(topic, 'partition = 0 AND "offset" = 3'))
        for _ in range(20):
            with pgwire.Connection(sql.node, start=False) as canceller:
                canceller.send(pgwire.startup(pgwire.CANCEL, struct.pack(">ii", *connection.key)))
                assert canceller.is_closed_by_peer()
            assert pgwire.kinds(connection.ask(point)) == "TDCZ"
        connection.ask(pgwire.query("SET statement_timeout = '20s'"))
        for _ in range(50):
            assert pgwire.kinds(connection.ask(point)) == "TDCZ"


def test_texts_that_nest_are_no_danger_to_the_loop(sql, topic):
    """What nests, or is a chain of operators, may take long to plan: it is a thread's, and the loop goes on."""
    point = select(topic, 'partition = 0 AND "offset" = 3')
    texts = [point + "AND " + "(" * 150 + "1 = 1" + ")" * 150, point + "AND " + "NOT " * 80 + "true", point + "AND 1 = " + "- " * 150 + "1",
             point + "AND true" + " AND true" * 30, point + "AND " + "CASE WHEN true THEN " * 8 + "true" + " END" * 8]
    for text in texts:
        assert len(text) < 512
        before = prompts(sql)
        list(ask_both(sql, [pgwire.query(text)]))
        assert prompts(sql) == before, text
