"""What tools ask when they connect and browse: Grafana's PostgreSQL data source (its postgresMetaQuery.ts), Metabase (its
driver postgres.clj and pgjdbc's metadata), DBeaver (its PostgreSQL model). Written anew after what they ask for, with the
same functions, relations and constructs."""
import pytest

IN_PATH = """quote_ident(table_schema) IN (
    SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
    FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),
                         array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
         string_to_array(current_setting('search_path'), ',') s)"""


@pytest.fixture
def topic(sql):
    name = sql.topic([{"n": 1, "at": "2013-01-01T05:00:00Z"}, {"n": 41, "at": "2013-01-01T05:10:00Z"}]).replace("-", "_")
    plain = f"tool_{name}"
    sql.produce(plain, [{"n": 1, "at": "2013-01-01T05:00:00Z"}, {"n": 41, "at": "2013-01-01T05:10:00Z"}])
    with sql.connect() as connection:
        connection.execute(f"ALTER TOPIC {plain} ADD COLUMN n int, ADD COLUMN left_at timestamptz PATH 'at'")
    return plain


def test_grafana_finds_version_schemas_tables_and_columns(sql, topic):
    assert sql.rows("SELECT current_setting('server_version_num')::int/100 as version") == [(1500,)]
    assert sql.rows("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'") == []
    schemas = sql.rows("""SELECT schema_name AS "name" FROM information_schema.schemata
        WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast') ORDER BY schema_name""")
    assert ("public",) in schemas
    tables = sql.rows(f"""SELECT CASE WHEN {IN_PATH} THEN quote_ident(table_name)
        ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table" FROM information_schema.tables
        WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog')
        ORDER BY CASE WHEN {IN_PATH} THEN 0 ELSE 1 END, 1""")
    assert (topic,) in tables
    of_schema = sql.rows("""SELECT quote_ident(table_name) AS "table" FROM information_schema.tables
        WHERE quote_ident(table_schema) = 'public' ORDER BY 1""")
    assert (topic,) in of_schema
    for name in (topic, f"public.{topic}"):
        columns = dict(sql.rows(f"""SELECT quote_ident(column_name) AS "column", data_type AS "type"
            FROM information_schema.columns WHERE
            CASE WHEN array_length(parse_ident('{name}'), 1) = 2
            THEN quote_ident(table_schema) = (parse_ident('{name}'))[1] AND quote_ident(table_name) = (parse_ident('{name}'))[2]
            ELSE quote_ident(table_name) = '{name}' AND {IN_PATH} END"""))
        assert columns["n"] == "integer" and columns["left_at"] == "timestamp with time zone", columns


def test_grafana_draws_a_time_series(sql, topic):
    rows = sql.rows(f"""SELECT floor(extract(epoch from left_at)/600)*600 AS "time", sum(n) AS value FROM {topic}
        WHERE left_at BETWEEN '2013-01-01T04:00:00Z' AND '2013-01-01T06:00:00Z' GROUP BY 1 ORDER BY 1""")
    assert [int(time) for time, _ in rows] == [1357016400, 1357017000] and [value for _, value in rows] == [1, 41]


def test_metabase_lists_tables_with_their_sizes(sql, topic):
    rows = sql.rows("""SELECT n.nspname AS "schema", c.relname AS "name",
        CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW'
            WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END AS "type",
        d.description AS "description", stat.n_live_tup AS "estimated_row_count"
        FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
        LEFT JOIN pg_catalog.pg_description AS d
            ON (c.oid = d.objoid) AND (d.objsubid = 0) AND (d.classoid = 'pg_class'::regclass)
        LEFT JOIN pg_stat_user_tables AS stat ON (n.nspname = stat.schemaname) AND (c.relname = stat.relname)
        WHERE (c.relnamespace = n.oid) AND (n.nspname !~ '^pg_') AND (n.nspname <> 'information_schema')
            AND c.relkind in ('r', 'p', 'v', 'f', 'm') AND (n.nspname IN ('public'))
        ORDER BY "type" ASC, "schema" ASC, "name" ASC""")
    assert ("public", topic, "TABLE") in [row[:3] for row in rows]


def test_metabase_describes_fields(sql, topic):
    rows = sql.rows("""SELECT c.column_name AS "name",
        CASE WHEN c.udt_schema IN ('public', 'pg_catalog') THEN FORMAT('%%s', c.udt_name)
             ELSE FORMAT('"%%s"."%%s"', c.udt_schema, c.udt_name) END AS "database-type",
        c.ordinal_position - 1 AS "database-position", c.table_schema AS "table-schema", c.table_name AS "table-name",
        pk.column_name IS NOT NULL AS "pk?",
        COL_DESCRIPTION(CAST(CAST(FORMAT('%%I.%%I', CAST(c.table_schema AS TEXT), CAST(c.table_name AS TEXT)) AS REGCLASS)
            AS OID), c.ordinal_position) AS "field-comment",
        ((column_default IS NULL) OR (LOWER(column_default) = 'null')) AND (is_nullable = 'NO')
            AND NOT ((column_default IS NOT NULL AND column_default LIKE '%%nextval(%%') OR (is_identity <> 'NO'))
            AS "database-required"
        FROM information_schema.columns AS c LEFT JOIN (
            SELECT tc.table_schema, tc.table_name, kc.column_name FROM information_schema.table_constraints AS tc
            INNER JOIN information_schema.key_column_usage AS kc ON (tc.constraint_name = kc.constraint_name)
                AND (tc.table_schema = kc.table_schema) AND (tc.table_name = kc.table_name)
            WHERE tc.constraint_type = 'PRIMARY KEY') AS pk
        ON (c.table_schema = pk.table_schema) AND (c.table_name = pk.table_name) AND (c.column_name = pk.column_name)
        WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND (c.table_name IN (%s))
        ORDER BY 3""", (topic,))
    assert [row[:3] for row in rows][-2:] == [("n", "int4", 6), ("left_at", "timestamptz", 7)]


def test_metabase_asks_for_the_time_zone_and_enums(sql):
    assert sql.rows("show timezone") == [("UTC",)]
    assert sql.rows("""SELECT nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE t.oid IN (SELECT DISTINCT enumtypid FROM pg_enum e)""") == []


def test_dbeaver_reads_databases_schemas_types_and_tables(sql, topic):
    with sql.connect() as connection:
        for statement in ("SET extra_float_digits = 3", "SET application_name = 'DBeaver 24 - Main'",
                          "SHOW search_path", "SELECT current_schema(), session_user"):
            connection.execute(statement)
        databases = connection.execute("""SELECT db.oid, db.* FROM pg_catalog.pg_database db
            WHERE datallowconn AND NOT datistemplate ORDER BY db.datname""")
        assert "pyralog" in databases.fetchone()
        schemas = connection.execute("""SELECT n.oid, n.*, d.description FROM pg_catalog.pg_namespace n
            LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.objsubid = 0
                AND d.classoid = 'pg_namespace'::regclass ORDER BY nspname""").fetchall()
        public = next(row[0] for row in schemas if "public" in row)
        types = connection.execute("""SELECT t.oid, t.*, c.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod)
            AS base_type_name, d.description FROM pg_catalog.pg_type t
            LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid = t.typelem
            LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
            LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid = d.objoid
            WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c')
                AND (et.typcategory IS NULL OR et.typcategory <> 'C')""").fetchall()
        assert len(types) > 50
        tables = connection.execute("""SELECT c.oid, c.*, d.description,
            pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_expr,
            pg_catalog.pg_get_partkeydef(c.oid) AS partition_key
            FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid
                AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
            WHERE c.relnamespace = %s AND c.relkind NOT IN ('i', 'I', 'c')""", (public,)).fetchall()
        table = next(row[0] for row in tables if topic in row)
        columns = connection.execute("""SELECT c.relname, a.*, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true)
            AS def_value, dsc.description, dep.objid FROM pg_catalog.pg_attribute a
            INNER JOIN pg_catalog.pg_class c ON (a.attrelid = c.oid)
            LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid = ad.adrelid AND a.attnum = ad.adnum)
            LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid)
            LEFT OUTER JOIN pg_depend dep ON dep.refobjid = a.attrelid AND dep.deptype = 'i'
                AND dep.refobjsubid = a.attnum AND dep.classid = dep.refclassid
            WHERE NOT a.attisdropped AND c.oid = %s ORDER BY a.attnum""", (table,)).fetchall()
        assert len(columns) == 8
        constraints = connection.execute("""SELECT c.oid, c.*, t.relname AS tabrelname, rt.relnamespace AS refnamespace,
            d.description FROM pg_catalog.pg_constraint c INNER JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
            LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid = c.confrelid
            LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0
            WHERE c.conrelid = %s ORDER BY c.oid""", (table,)).fetchall()
        assert constraints == []
        assert connection.execute("SELECT version()").fetchone()[0].startswith("PostgreSQL 15")
