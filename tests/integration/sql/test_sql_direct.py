"""Reads by partition and offset go around the engine's planner: the same statements, answered both ways, byte by byte."""
import itertools
import random
import struct

import pgwire
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

names = itertools.count()
SECONDS = 30

PARTITIONS = 3
NUMBERS = [0, 1, 2, 5, 17, 39, 40, 41, 1000, -1, 2147483647, 2147483648, 3000000000, 9223372036854775806, 9223372036854775807,
           -9223372036854775808, 99999999999999999999]
COLUMNS = ['"offset"', "partition", "timestamp", "key", "value", "headers", "key_bytes", "value_bytes", "carrier", "delay",
           "air", "price", "at", "day", "noon", "ok", "id", "dep", "real4", "small", "big", '"Mixed"']
DECLARED = """ADD COLUMN carrier text, ADD COLUMN delay int, ADD COLUMN air double precision, ADD COLUMN price numeric,
    ADD COLUMN cost numeric(20, 4) PATH 'price', ADD COLUMN at timestamptz, ADD COLUMN day date, ADD COLUMN noon time,
    ADD COLUMN ok boolean, ADD COLUMN id uuid, ADD COLUMN dep json, ADD COLUMN real4 real, ADD COLUMN small smallint PATH 'delay',
    ADD COLUMN big bigint PATH 'delay', ADD COLUMN "Mixed" text PATH 'carrier'"""


def values():
    chance = random.Random(5)
    for n in range(40):
        yield {"carrier": chance.choice(["UA", "Æ\"\\\n", "", None]), "delay": chance.choice([n, -n, 70000 + n, "x", 1.5]),
               "air": chance.choice([0.1, 1e300, 7]), "price": chance.choice([1.25, "12.50", 100, 0]), "at": 1357016400000 + n,
               "day": "2013-01-01", "noon": "12:00:01.5", "ok": n % 2 == 0, "id": f"00000000-0000-0000-0000-{n:012d}",
               "dep": {"a": [1, 2], "b": "é"}, "real4": 0.1}
    yield b"no JSON"
    yield b"\xff\x00bytes"
    yield None
    yield b""


@pytest.fixture
def topic(sql):
    name = f"direct-{next(names)}"
    admin = AdminClient({"bootstrap.servers": sql.node.kafka})
    admin.create_topics([NewTopic(name, PARTITIONS)])[name].result(SECONDS)
    for partition in range(PARTITIONS):
        for i, key in enumerate((b"k", None, b"\xfe")):
            sql.produce(name, values(), partition=partition, key=key, headers=[("trace", b"1\xff"), ("b", None)] if i else [])
    with sql.connect() as connection:
        connection.execute(f'ALTER TOPIC "{name}" {DECLARED}')
    return name


def answer(connection, statement, types, parameters, formats):
    """Everything the server says to one statement, prepared, described and run."""
    said = connection.ask(pgwire.parse("", statement, types) + pgwire.describe(b"S") + pgwire.bind("", "", parameters, formats) +
                          pgwire.describe(b"P") + pgwire.execute() + pgwire.SYNC)
    if any(kind == b"E" for kind, _ in said):
        return [(kind, pgwire.fields(body).get("C") if kind == b"E" else body) for kind, body in said]
    rows = sorted(body for kind, body in said if kind == b"D")
    in_order = "ORDER BY" in statement or "LIMIT" in statement
    return [(kind, body) for kind, body in said if kind != b"D" or in_order] + ([] if in_order else rows)


def count(sql):
    return sql.rows("SELECT sum(value) FROM pyralog.metrics WHERE name = 'pyralog_pg_direct_reads_total'")[0][0]


class Statements:
    def __init__(self, seed, topic):
        self.chance = random.Random(seed)
        self.topic = topic

    def operand(self, parameters, most):
        number = self.chance.choice(NUMBERS[:most])
        if self.chance.random() < 0.5:
            return str(number)
        parameters.append((str(number) if self.chance.random() < 0.95 else self.chance.choice([None, "x", " 5", "+5", "1.0"]),
                           self.chance.choice([0, 0, 20, 23, 21, 25])))
        return f"${len(parameters)}"

    def condition(self, parameters):
        column = self.chance.choice(["partition", '"offset"'])
        kind = self.chance.randrange(10)
        most = 12 if kind else len(NUMBERS)
        if kind == 1:
            return f"{column} BETWEEN {self.operand(parameters, most)} AND {self.operand(parameters, most)}"
        if kind == 2:
            return f"{self.operand(parameters, most)} {self.chance.choice(['=', '<', '>=', '<>'])} {column}"
        return f"{column} {self.chance.choice(['=', '=', '=', '<', '<=', '>', '>='])} {self.operand(parameters, most)}"

    def targets(self):
        kind = self.chance.randrange(6)
        if kind == 0:
            return "*"
        if kind == 1:
            return self.chance.choice(["t.*", "t.*, key_bytes", "*, 1", "count(*)"])
        names = self.chance.sample(COLUMNS, self.chance.randint(1, 5))
        if self.chance.random() < 0.2:
            names.append(self.chance.choice(['key AS "offset"', "value AS v", "t.key", "t.key AS key", "no_such", '"KEY"', "key, key"]))
        return ", ".join(names)

    def next(self):
        parameters = []
        where = " AND ".join(self.condition(parameters) for _ in range(self.chance.randint(0, 3)))
        if self.chance.random() < 0.6:
            where = f"partition = {self.chance.randrange(PARTITIONS)}" + (f" AND {where}" if where else "")
        text = f'SELECT {self.targets()} FROM "{self.topic}" t' + (f" WHERE {where}" if where else "")
        ordered = self.chance.random() < 0.5
        if ordered:
            text += self.chance.choice([' ORDER BY "offset"', ' ORDER BY partition, "offset"', ' ORDER BY partition, t."offset" ASC',
                                        ' ORDER BY partition, "offset" DESC'])
        if ordered and "ORDER BY partition," in text and self.chance.random() < 0.6:
            text += f" LIMIT {self.operand(parameters, 10)}"
        return text, [kind for _, kind in parameters], [value if value is None else value.encode() for value, _ in parameters]


def test_both_ways_say_the_same(sql, topic):
    before = count(sql)
    used = 0
    with pgwire.Connection(sql.node) as direct, pgwire.Connection(sql.node) as planned:
        planned.ask(pgwire.query("SET pyralog.direct_reads = off"))
        for seed in range(600):
            text, types, parameters = Statements(seed, topic).next()
            formats = (1,) if seed % 3 == 0 else ()
            if any(kind in (20, 21, 23) for kind in types) and seed % 2:
                formats = ()
            answers = [answer(one, text, types, parameters, formats) for one in (direct, planned)]
            if 'ORDER BY "offset"' in text and "partition = " not in text.split("ORDER BY")[0]:
                answers = [sorted(map(repr, said)) for said in answers]  # of several partitions, in any order
            assert answers[0] == answers[1], (seed, text, types, parameters)
            used += 1
    assert count(sql) - before > used / 5  # many of them went around the planner


def test_the_usual_ones_go_around_the_planner(sql, topic):
    with sql.connect() as connection:
        for text, parameters in [
            (f'SELECT value FROM "{topic}" WHERE partition = %s AND "offset" = %s', (1, 7)),
            (f'SELECT * FROM "{topic}" WHERE partition = 0 AND "offset" BETWEEN %s AND %s ORDER BY "offset"', (3, 9)),
            (f'SELECT key, delay FROM {topic.replace("-", "_")} LIMIT 5', None),
        ]:
            before = count(sql)
            assert connection.execute(text, parameters).fetchall()
            assert count(sql) == before + 1, text


def test_a_statement_that_reads_much_is_the_engines(sql, topic):
    """Its plan is chosen with each run: the same statement is read both ways."""
    with sql.connect() as connection:
        text = f'SELECT count(*) FROM (SELECT "offset" FROM "{topic}") q'
        before = count(sql)
        assert connection.execute(text).fetchone() == (PARTITIONS * 3 * 44,)
        assert count(sql) == before


def test_rows_come_in_portions_and_can_be_left(sql, topic):
    text = f'SELECT "offset" FROM "{topic}" WHERE partition = 2 ORDER BY "offset"'
    with pgwire.Connection(sql.node) as connection:
        said = connection.ask(pgwire.query("BEGIN"))
        said = connection.ask(pgwire.parse("", text) + pgwire.bind("p", "") + pgwire.execute("p", 5) + pgwire.execute("p", 130) +
                              pgwire.SYNC)
        assert pgwire.kinds(said) == "12" + "D" * 5 + "s" + "D" * 127 + "CZ"
        numbers = [int(body[6:]) for kind, body in said if kind == b"D"]
        assert numbers == list(range(132))
        said = connection.ask(pgwire.parse("", text) + pgwire.bind("q", "") + pgwire.execute("q", 5) + pgwire.SYNC)
        assert pgwire.kinds(said) == "12DDDDDsZ"
        assert pgwire.kinds(connection.ask(pgwire.query("COMMIT"))) == "CZ"


def test_columns_declared_meanwhile_change_nothing(sql, topic):
    with pgwire.Connection(sql.node) as connection:
        connection.ask(pgwire.parse("s", f'SELECT * FROM "{topic}" WHERE partition = 0 AND "offset" < $1') + pgwire.SYNC)
        run = pgwire.bind("", "s", [b"2"]) + pgwire.describe(b"P") + pgwire.execute() + pgwire.SYNC
        before = connection.ask(run)
        with sql.connect() as other:
            other.execute(f'ALTER TOPIC "{topic}" ADD COLUMN later text')
        assert connection.ask(run) == before
        connection.ask(pgwire.query("SET pyralog.direct_reads = off"))
        assert connection.ask(run) == before
        fields = struct.unpack(">h", next(body for kind, body in before if kind == b"T")[:2])[0]
        assert fields == 6 + 15
