"""Random tables, rows and queries, from a seed: what three engines must answer alike.

Numbers are small and floats are quarters, so that sums are exact in any order; divisors are never 0. What is known to differ
(docs/SQL.md) is not made: scales of computed numerics, patterns, formats, sign(), round() and trunc() in correlated subqueries.
"""
import datetime
import json

KINDS = ("int", "bigint", "text", "boolean", "double precision", "numeric(12,2)", "date", "timestamp")
WORDS = ("a", "b", "ab", "B", "xyz", "", "Zed", "né", "a b")
DAY = datetime.date(2024, 1, 30)


class Table:
    """Name, columns by kind, and rows; `id` is unique."""

    def __init__(self, chance, name):
        self.name = name
        self.columns = [("id", "int")] + [(f"{name}{i}", chance.choice(KINDS)) for i in range(chance.randint(4, 8))]
        self.columns += [(f"{name}n", "int"), (f"{name}t", "text")]
        self.rows = [[i, *(cell(chance, kind) for _, kind in self.columns[1:])] for i in range(chance.choice([0, 3, 40, 300]))]

    def definition(self):
        return ", ".join(f"{name} {kind}" for name, kind in self.columns)

    def declaration(self):
        return ", ".join(f"ADD COLUMN {name} {kind}" for name, kind in self.columns)

    def from_json(self):
        """The table as a subquery that reads the values' fields."""
        return "(SELECT " + ", ".join(f"(value->>'{name}')::{kind} AS {name}" for name, kind in self.columns) + f" FROM {self.name})"

    def values(self, chance):
        """Each row as JSON; a null may be missing."""
        for row in self.rows:
            fields = {name: plain(value) for (name, _), value in zip(self.columns, row) if value is not None or chance.random() < 0.5}
            yield json.dumps(fields, ensure_ascii=chance.random() < 0.5)


def plain(value):
    return str(value).replace(" ", "T") if isinstance(value, (datetime.date, datetime.datetime)) else value


def cell(chance, kind):
    if chance.random() < 0.15:
        return None
    return {
        "int": lambda: chance.randint(-9, 20), "bigint": lambda: chance.randint(-9, 9) * 10**chance.choice([0, 9, 12]),
        "text": lambda: chance.choice(WORDS), "boolean": lambda: chance.random() < 0.5,
        "double precision": lambda: chance.randint(-40, 40) / 4, "numeric(12,2)": lambda: str(chance.randint(-999, 999)) + ".25",
        "date": lambda: DAY + datetime.timedelta(days=chance.randint(0, 40)),
        "timestamp": lambda: datetime.datetime(2024, 1, 30) + datetime.timedelta(minutes=chance.randint(0, 60000)),
    }[kind]()


class Maker:
    """Makes expressions over the columns in scope: (text, kind)."""

    def __init__(self, chance, columns):
        self.chance, self.columns = chance, columns

    def of(self, kind, depth=2):
        if depth == 0 or self.chance.random() < 0.3:
            return self.leaf(kind)
        return self.chance.choice(self.forms(kind))(depth - 1)

    def leaf(self, kind):
        names = [name for name, other in self.columns if other == kind]
        if names and self.chance.random() < 0.8:
            return self.chance.choice(names)
        value = None if self.chance.random() < 0.1 else cell(self.chance, kind)
        if kind == "text":  # a literal NULL takes its type from || with it
            value = value or "a"
        return f"NULL::{kind}" if value is None else f"'{value}'::{kind}" if kind not in ("int", "boolean") else f"({value})"

    def forms(self, kind):
        def of(other, depth):
            return self.of(other, depth)

        def pick(*kinds):
            return self.chance.choice(kinds)

        common = [lambda d: f"CASE WHEN {of('boolean', d)} THEN {of(kind, d)} ELSE {of(kind, d)} END",
                  lambda d: f"coalesce({of(kind, d)}, {of(kind, d)})", lambda d: f"nullif({of(kind, d)}, {of(kind, d)})",
                  lambda d: f"{pick('greatest', 'least')}({of(kind, d)}, {of(kind, d)})"]
        return common + {
            "int": [lambda d: f"({of('int', d)} {pick('+', '-', '*')} {of('int', d)})", lambda d: f"({of('int', d)} / 7)",
                    lambda d: f"({of('int', d)} % 5)", lambda d: f"abs({of('int', d)})", lambda d: f"length({of('text', d)})",
                    lambda d: f"({of('date', d)} - {of('date', d)})",
                    lambda d: f"extract({pick('year', 'month', 'day', 'dow', 'doy')} FROM {of(pick('date', 'timestamp'), d)})::int",
                    lambda d: f"strpos({of('text', d)}, 'a')", lambda d: f"(- {of('int', d)})"],
            "bigint": [lambda d: f"({of('bigint', d)} {pick('+', '-')} {of(pick('bigint', 'int'), d)})", lambda d: f"({of('bigint', d)} / 1000)",
                       lambda d: f"({of('int', d)})::bigint", lambda d: f"({of('bigint', d)} % 97)"],
            "text": [lambda d: f"{pick('upper', 'lower', 'reverse', 'trim')}({of('text', d)})", lambda d: f"({of('text', d)} || {of('text', d)})",
                     lambda d: f"substr({of('text', d)}, {self.chance.randint(1, 3)}, {self.chance.randint(0, 3)})",
                     lambda d: f"{pick('left', 'right')}({of('text', d)}, {self.chance.randint(-2, 3)})",
                     lambda d: f"({of(pick('int', 'bigint', 'boolean', 'date'), d)})::text", lambda d: f"replace({of('text', d)}, 'a', 'xx')",
                     lambda d: f"repeat({of('text', d)}, 2)", lambda d: f"lpad({of('text', d)}, 3, '*')"],
            "boolean": [lambda d: self.comparison(d), lambda d: self.comparison(d), lambda d: f"({of('boolean', d)} {pick('AND', 'OR')} {of('boolean', d)})",
                        lambda d: f"(NOT {of('boolean', d)})", lambda d: f"({of(pick(*KINDS), d)} IS {pick('', 'NOT ')}NULL)",
                        lambda d: f"({of('boolean', d)} IS {pick('', 'NOT ')}{pick('TRUE', 'FALSE')})",
                        lambda d: f"({of('text', d)} LIKE {pick(chr(39) + 'a%' + chr(39), chr(39) + '_' + chr(39), chr(39) + '%b' + chr(39))})"],
            "double precision": [lambda d: f"({of('double precision', d)} {pick('+', '-')} {of('double precision', d)})",
                                 lambda d: f"({of('double precision', d)} * 0.5::float8)", lambda d: f"({of('int', d)})::float8",
                                 lambda d: f"{pick('floor', 'ceil', 'abs')}({of('double precision', d)})"],
            "numeric(12,2)": [lambda d: f"({of('numeric(12,2)', d)})::numeric(12,2)", lambda d: f"abs({of('numeric(12,2)', d)})"],
            "date": [lambda d: f"({of('date', d)} + {self.chance.randint(-40, 40)})", lambda d: f"({of('timestamp', d)})::date",
                     lambda d: f"date_trunc('{pick('month', 'year', 'day', 'week')}', {of('timestamp', d)})::date"],
            "timestamp": [lambda d: f"({of('timestamp', d)} + interval '{pick('1 day', '1 month', '-36 hours', '5 minutes')}')",
                          lambda d: f"date_trunc('{pick('hour', 'day', 'month')}', {of('timestamp', d)})",
                          lambda d: f"({of('date', d)})::timestamp"],
        }[kind]

    def comparison(self, depth):
        kind = self.chance.choice(KINDS)
        one, two = self.of(kind, depth), self.of(kind, depth)
        form = self.chance.randrange(4)
        if form == 0:
            return f"({one} IS {self.chance.choice(['', 'NOT '])}DISTINCT FROM {two})"
        if form == 1:
            return f"({one} {self.chance.choice(['', 'NOT '])}BETWEEN {two} AND {self.of(kind, depth)})"
        if form == 2:
            return f"({one} {self.chance.choice(['', 'NOT '])}IN ({two}, {self.of(kind, depth)}))"
        return f"({one} {self.chance.choice(['=', '<>', '<', '<=', '>', '>='])} {two})"

    def any(self):
        kind = self.chance.choice(KINDS)
        return self.of(kind)

    def aggregate(self):
        pick = self.chance.choice
        return pick([lambda: "count(*)", lambda: f"count({pick(['', 'DISTINCT '])}{self.any()})", lambda: f"sum({self.of('int')})",
                     lambda: f"sum({self.of('double precision')})", lambda: f"sum({self.leaf('numeric(12,2)')})",
                     lambda: f"{pick(['min', 'max'])}({self.of(pick(['int', 'bigint', 'text', 'double precision', 'date', 'timestamp']))})",
                     lambda: f"bool_{pick(['and', 'or'])}({self.of('boolean')})", lambda: f"count(*) FILTER (WHERE {self.of('boolean')})",
                     lambda: f"(SELECT 7)", lambda: (lambda text: f"string_agg({text}, ',' ORDER BY {text})")(self.of("text"))])()


def columns_of(table, alias):
    return [(f"{alias}.{name}", kind) for name, kind in table.columns]


def make_query(chance, one, two):
    """A query over tables {one} and {two}; braces stand for where the rows come from."""
    maker = Maker(chance, columns_of(one, "a"))
    where = f" WHERE {maker.of('boolean')}" if chance.random() < 0.7 else ""
    form = chance.randrange(8)
    if form == 0:
        return f"SELECT {', '.join(maker.any() for _ in range(3))} FROM {{one}} a{where}"
    if form == 1:
        keys = [maker.any() for _ in range(chance.randint(1, 2))]
        having = f" HAVING count(*) > {chance.randint(0, 3)}" if chance.random() < 0.3 else ""
        numbers = ", ".join(str(i + 1) for i in range(len(keys)))
        return f"SELECT {', '.join(keys)}, {maker.aggregate()}, {maker.aggregate()} FROM {{one}} a{where} GROUP BY {numbers}{having}"
    if form == 2:
        return f"SELECT {maker.aggregate()}, {maker.aggregate()}, {maker.aggregate()} FROM {{one}} a{where}"
    both = Maker(chance, columns_of(one, "a") + columns_of(two, "b"))
    kind = chance.choice(["int", "text"])
    on = f"{maker.of(kind, 1)} = {Maker(chance, columns_of(two, 'b')).of(kind, 1)}"
    if form == 3:
        join = chance.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        on = "a.id = b.id" if join == "FULL JOIN" else on  # PostgreSQL's hash and merge joins alone are full
        extra = f" AND {both.of('boolean', 1)}" if join != "FULL JOIN" and chance.random() < 0.5 else ""
        return f"SELECT a.id, b.id, {both.any()} FROM {{one}} a {join} {{two}} b ON {on}{extra}"
    if form == 4:
        not_ = chance.choice(["", "NOT "])
        return f"SELECT a.id, {maker.any()} FROM {{one}} a WHERE {not_}EXISTS (SELECT 1 FROM {{two}} b WHERE {on})"
    if form == 5:
        window = f"PARTITION BY {maker.of(chance.choice(['int', 'text', 'boolean']), 1)} ORDER BY a.id"
        function = chance.choice(["row_number()", "rank()", "sum(a.id)", "count(*)", f"lag({maker.of('int', 1)})",
                                  f"first_value({maker.of('text', 1)})", f"max({maker.of('date', 1)})"])
        return f"SELECT a.id, {function} OVER ({window}) FROM {{one}} a{where}"
    if form == 6:
        operator = chance.choice(["UNION", "UNION ALL", "INTERSECT", "EXCEPT"])
        return f"SELECT {maker.of(kind)} FROM {{one}} a{where} {operator} SELECT {Maker(chance, columns_of(two, 'b')).of(kind)} FROM {{two}} b"
    order = chance.choice(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])
    return f"SELECT a.id, {maker.any()} FROM {{one}} a{where} ORDER BY a.id % 5{order}, a.id LIMIT {chance.randint(1, 9)} OFFSET {chance.randint(0, 3)}"


LITERALS = ("1", "(-7)", "2.5", "1.5::float8", "3::int8", "4::int2", "'a'::text", "'1'::text", "true", "NULL::int", "NULL::text",
            "date '2024-01-31'", "timestamp '2024-01-31 10:00:00'", "'2024-01-01'::text", "0", "(-2.5)::numeric(10,2)", "false", "2147483647", "9223372036854775807")
OPERATORS = ("+", "-", "*", "/", "%", "=", "<", "||", "AND", "OR", "IS DISTINCT FROM", "LIKE", "&", "#", ">=", "|")
FUNCTIONS = ("abs", "length", "upper", "round", "ceil", "sqrt", "to_hex", "md5", "reverse", "initcap", "ascii", "chr", "sign", "trunc")


def make_expression(chance):
    """SELECT of one operator or function over literals: its type, its value, or its error."""
    if chance.random() < 0.25:
        return f"SELECT {chance.choice(FUNCTIONS)}({chance.choice(LITERALS)})"
    return f"SELECT {chance.choice(LITERALS)} {chance.choice(OPERATORS)} {chance.choice(LITERALS)}"
