"""pg_catalog and information_schema, as psql and those who look before they ask see them."""
import re

import psycopg
import pytest

# Each must answer without an error; the text must be in what it shows, with {topic} for the topic's name.
COMMANDS = [
    (r"\d", "{topic} "), (r"\dt", "{topic} "), (r"\dt+", "permanent"), (r"\dn", "public"), (r"\dn+", "public"), (r"\l", "pyralog"),
    (r"\l+", "pg_default"), (r"\du", "somebody"), (r"\dg", "somebody"), (r"\df", "(0 rows)"), (r"\da", "0 rows"), (r"\dv", ""),
    (r"\di", ""), (r"\ds", ""), (r"\dm", ""), (r"\dE", ""), (r"\dT", "(0 rows)"), (r"\dx", "(0 rows)"), (r"\dp", "{topic} "), (r"\z", ""),
    (r"\db", "pg_default"), (r"\dD", ""), (r"\dy", ""), (r"\des", ""), (r"\dew", ""), (r"\det", ""), (r"\deu", ""), (r"\dF", ""),
    (r"\dO", ""), (r"\drds", ""), (r"\dRp", ""), (r"\dRs", ""), (r"\dc", ""), (r"\dC", ""), (r"\dL", ""), (r"\dA", "heap"),
    (r"\dX", ""), (r"\ddp", ""), (r"\conninfo", "somebody"), (r"\encoding", "UTF8"), (r"\d pg_class", "relname"),
    (r"\d information_schema.tables", "table_name"), (r"\dt *.*", "pg_type"), (r"\dt public.*", "{topic} "),
]


@pytest.fixture(scope="module")
def topic(node):
    from conftest import Sql
    return Sql(node).topic([{"n": 1}])


@pytest.mark.parametrize("command, shown", COMMANDS)
def test_psql_describes(sql, topic, command, shown):
    result = sql.psql("-c", command, check=False)
    assert result.returncode == 0 and "ERROR" not in result.stderr, result.stderr
    assert shown.format(topic=topic) in result.stdout


def test_psql_describes_a_topic(sql, topic):
    for command in (f'\\d "{topic}"', f'\\d+ "{topic}"'):
        lines = [[cell.strip() for cell in line.split("|")] for line in sql.psql("-c", command).stdout.splitlines() if "|" in line]
        assert [line[:2] + line[3:4] for line in lines[1:]] == [
            ["offset", "bigint", "not null"], ["partition", "integer", "not null"], ["timestamp", "timestamp with time zone", ""],
            ["key", "text", ""], ["value", "text", ""], ["headers", "text", ""]]
    missing = sql.psql("-c", r"\d nope", check=False)
    assert 'Did not find any relation named "nope"' in missing.stderr


def test_psql_copies(sql, topic, tmp_path):
    (tmp_path / "in.csv").write_text('key,value\na,"x, ""y"""\nb,\n')
    sql.psql("-c", f"\\copy \"{topic}\" (key, value) from '{tmp_path}/in.csv' csv header")
    sql.psql("-c", f"\\copy (select key, value from \"{topic}\" where key is not null order by key) to '{tmp_path}/out' csv header")
    assert (tmp_path / "out").read_text() == (tmp_path / "in.csv").read_text()


@pytest.mark.parametrize("query, expected", [
    ("SELECT oid FROM pg_type WHERE typname = 'timestamptz'", 1184),
    ("SELECT typarray FROM pg_type WHERE oid = 'int4'::regtype", 1007),
    ("SELECT nspname FROM pg_namespace WHERE oid = 11", "pg_catalog"),
    ("SELECT 'pg_catalog.pg_class'::regclass::oid", 1259),
    ("SELECT 1259::regclass::text", "pg_class"),
    ("SELECT 'character varying'::regtype::oid", 1043),
    ("SELECT 1043::regtype", "character varying"),
    ("SELECT format_type(1700, 655366)", "numeric(10,2)"),
    ("SELECT format_type(1184, NULL)", "timestamp with time zone"),
    ("SELECT to_regclass('nope') IS NULL", True),
    ("SELECT pg_catalog.quote_ident('a b')", '"a b"'),
    ("SELECT (current_schemas(false))[1]", "public"),
    ("SELECT current_schema", "public"),
    ("SELECT current_catalog", "pyralog"),
    ("SELECT pg_get_userbyid(10)", "pyralog"),
    ("SELECT has_table_privilege('pg_class', 'SELECT')", True),
    ("SELECT setting FROM pg_settings WHERE name = 'server_version_num'", "150000"),
    ("SELECT obj_description('pg_class'::regclass, 'pg_class') IS NULL", True),
    ("SELECT count(*) FROM pg_index", 0),
    ("SELECT count(*) > 0 FROM information_schema.schemata WHERE schema_name = 'public'", True),
    ("SELECT string_to_array(current_setting('search_path'), ',')", ['"$user"', " public"]),
    ("SELECT pg_backend_pid() > 0", True),
    ("SELECT version() LIKE 'PostgreSQL 15%'", True),
])
def test_facts(sql, query, expected):
    assert sql.rows(query) == [(expected,)]


def test_topics_have_ids_that_stay(sql):
    first = sql.topic([{"n": 1}])
    oid = sql.rows(f"SELECT '\"{first}\"'::regclass::oid")
    sql.topic([{"n": 1}])
    assert sql.rows(f"SELECT '\"{first}\"'::regclass::oid") == oid == sql.rows("SELECT oid FROM pg_class WHERE relname = %s", (first,))
    assert sql.rows("SELECT relname FROM pg_class WHERE oid = %s", oid[0]) == [(first,)]
    with pytest.raises(psycopg.errors.UndefinedTable):
        sql.rows("SELECT 'nope'::regclass")


def test_information_schema_tells_columns(sql, topic):
    rows = sql.rows("SELECT column_name, data_type, udt_name, is_nullable, ordinal_position FROM information_schema.columns"
                    " WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position", (topic,))
    assert rows[0] == ("offset", "bigint", "int8", "NO", 1) and rows[2][:3] == ("timestamp", "timestamp with time zone", "timestamptz")
    assert len(rows) == 6
    assert sql.rows("SELECT table_type, is_insertable_into FROM information_schema.tables WHERE table_name = %s", (topic,)) == [
        ("BASE TABLE", "YES")]


def test_every_relation_can_be_read(sql):
    """All of them, with all their columns."""
    names = sql.rows("SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                     " WHERE n.nspname <> 'public'")
    assert len(names) > 100
    with sql.connect() as connection:
        for name, in names:
            assert re.fullmatch(r"(pg_catalog|information_schema|pyralog)\.[a-z_]+", name)
            connection.execute(f"SELECT * FROM {name} LIMIT 3").fetchall()
