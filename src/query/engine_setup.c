/* What the engine is taught when it is opened: functions that PostgreSQL's users rely on and it has not, or has otherwise.
 *
 * A macro of several types is chosen by its arguments' types when a statement is prepared. calls.c and casts.c say what
 * stands for what. Data only; any thread.
 */
#include "query/engine_duckdb.h"

#define FAIL(sqlstate_and_sentence) "error('" QUERY_OWN_ERROR sqlstate_and_sentence "')"

/* By the type of x, which is known when it is planned. Overloads by type would not do: a column of the query around a
 * subquery has none while they are chosen. */
#define LENGTH(name, of_text)                                                                                          \
	"CAST(CASE typeof(x) WHEN 'VARCHAR' THEN " of_text "(CAST(x AS VARCHAR)) WHEN 'BLOB' THEN "                    \
	"octet_length(TRY_CAST(x AS BLOB)) WHEN '\"NULL\"' THEN NULL ELSE error('" QUERY_OWN_ERROR                     \
	"42883:function " name "(' || lower(typeof(x)) || ') does not exist') END AS INTEGER)"

const char *const query_engine_setup[] = {
	"CREATE MACRO version() AS 'PostgreSQL 15.0 (Pyralog)'",
	"CREATE MACRO current_database() AS 'pyralog'",
	"CREATE MACRO current_schema() AS 'public'",
	"CREATE MACRO current_schemas(implicit) AS CASE WHEN implicit THEN ['pg_catalog', 'public'] ELSE ['public'] "
	"END",
	"CREATE MACRO regexp_full_match(a, b) AS regexp_matches(a, b)",
	"CREATE MACRO pyralog_divisor(b) AS CASE WHEN b = 0 THEN " FAIL("22012:division by zero") " ELSE b END",
	"CREATE MACRO pyralog_any(x, list) AS list_contains(list, x)",

	/* ---- the system's ---- */
	"CREATE MACRO pyralog_setting(h, n) AS pyralog_get_setting(h, n, false), (h, n, missing) AS "
	"pyralog_get_setting(h, n, missing)",
	"CREATE MACRO pg_is_in_recovery() AS false",
	"CREATE MACRO pg_get_userbyid(id) AS CASE WHEN id = 10 THEN 'pyralog' ELSE 'unknown (OID=' || id || ')' END",
	"CREATE MACRO pg_encoding_to_char(id) AS 'UTF8'",
	"CREATE MACRO pg_char_to_encoding(name) AS 6",
	"CREATE MACRO pg_client_encoding() AS 'UTF8'",
	"CREATE MACRO getdatabaseencoding() AS 'UTF8'",
	"CREATE MACRO inet_server_addr() AS NULL::VARCHAR",
	"CREATE MACRO inet_client_addr() AS NULL::VARCHAR",
	"CREATE MACRO inet_server_port() AS 5432",
	"CREATE MACRO inet_client_port() AS NULL::INTEGER",
	"CREATE MACRO txid_current() AS 1::BIGINT",
	"CREATE MACRO pg_current_xact_id() AS 1::BIGINT",
	"CREATE MACRO pg_my_temp_schema() AS 0::UINTEGER",
	"CREATE MACRO pg_is_other_temp_schema(id) AS false",
	"CREATE MACRO pg_size_pretty(n) AS CASE WHEN n < 10240 THEN n || ' bytes' WHEN n < 10485760 THEN "
	"(n // 1024) || ' kB' WHEN n < 10737418240 THEN (n // 1048576) || ' MB' ELSE (n // 1073741824) || ' GB' END",
	"CREATE MACRO quote_ident(name) AS CASE WHEN regexp_matches(name, '^[a-z_][a-z0-9_$]*$') THEN name ELSE "
	"'\"' || replace(name, '\"', '\"\"') || '\"' END",
	"CREATE MACRO quote_literal(x) AS '''' || replace(CAST(x AS VARCHAR), '''', '''''') || ''''",
	"CREATE MACRO quote_nullable(x) AS coalesce('''' || replace(CAST(x AS VARCHAR), '''', '''''') || '''', 'NULL')",
	"CREATE MACRO parse_ident(x) AS list_transform(regexp_extract_all(x, '\"(?:[^\"]|\"\")*\"|[^.]+'), lambda p: "
	"CASE "
	"WHEN starts_with(p, '\"') THEN replace(p[2:-2], '\"\"', '\"') ELSE lower(trim(p)) END)",
	/* format(): %s, %I and %L; its arguments are quoted as their place in the text says, and go where %s stands */
	"CREATE MACRO pyralog_format_part(f, i, x) AS CASE regexp_extract_all(replace(f, '%%', ''), '%[sIL]')[i] WHEN "
	"'%I' "
	"THEN quote_ident(CAST(x AS VARCHAR)) WHEN '%L' THEN quote_nullable(x) ELSE coalesce(CAST(x AS VARCHAR), '') "
	"END",
	"CREATE MACRO pyralog_format_text(f) AS regexp_replace(f, '%[IL]', '%s', 'g')",
	"CREATE MACRO pyralog_format(f) AS printf(f), (f, a) AS printf(pyralog_format_text(f), pyralog_format_part(f, "
	"1, a)), "
	"(f, a, b) AS printf(pyralog_format_text(f), pyralog_format_part(f, 1, a), pyralog_format_part(f, 2, b)), "
	"(f, a, b, c) AS printf(pyralog_format_text(f), pyralog_format_part(f, 1, a), pyralog_format_part(f, 2, b), "
	"pyralog_format_part(f, 3, c)), (f, a, b, c, d) AS printf(pyralog_format_text(f), pyralog_format_part(f, 1, "
	"a), "
	"pyralog_format_part(f, 2, b), pyralog_format_part(f, 3, c), pyralog_format_part(f, 4, d))",
	"CREATE MACRO pyralog_privilege(a, b) AS true, (a, b, c) AS true, (a, b, c, d) AS true",
	"CREATE MACRO pyralog_no_text(a) AS NULL::VARCHAR, (a, b) AS NULL::VARCHAR, (a, b, c) AS NULL::VARCHAR",
	"CREATE MACRO pyralog_is_visible(a) AS true, (a, b) AS true",
	"CREATE MACRO pyralog_table_is_visible(id) AS id NOT BETWEEN 13000 AND 13999",
	"CREATE MACRO pyralog_no_size(a) AS 0::BIGINT, (a, b) AS 0::BIGINT",
	"CREATE MACRO pyralog_void() AS ''::VARCHAR, (a) AS ''::VARCHAR, (a, b) AS ''::VARCHAR",
	"CREATE MACRO format_type(id, modifier) AS CASE WHEN id IS NULL THEN NULL WHEN id = 1700 AND modifier > 4 THEN "
	"'numeric(' || ((modifier - 4) >> 16) || ',' || ((modifier - 4) & 65535) || ')' WHEN id IN (1043, 1042) AND "
	"modifier > 4 THEN (SELECT q.formatted FROM pyr.types q WHERE q.oid = id) || '(' || (modifier - 4) || ')' "
	"ELSE coalesce((SELECT q.formatted FROM pyr.types q WHERE q.oid = id), repeat('?', 3)) END",

	/* ---- names of objects: 'x', 'public.x', '"X"', '16384' ---- */
	"CREATE MACRO pyralog_bare(name) AS replace(regexp_replace(regexp_replace(name, "
	"'^(\"?(public|pg_catalog|information_schema|pyralog)\"?\\.)+', ''), '^\"(.*)\"$', '\\1'), '\"\"', '\"')",
	"CREATE MACRO pyralog_to_regclass(h, name) AS CASE WHEN regexp_matches(CAST(name AS VARCHAR), '^[0-9]+$') THEN "
	"TRY_CAST(name AS UINTEGER) ELSE (SELECT min(q.oid) FROM pyr.pg_class(h) q WHERE q.relname = "
	"pyralog_bare(CAST(name AS VARCHAR)) OR (q.relnamespace = 2200 AND translate(q.relname, '-.', '__') = "
	"pyralog_bare(CAST(name AS VARCHAR)))) END",
	"CREATE MACRO pyralog_regclass(h, name) AS CASE WHEN name IS NULL THEN NULL ELSE "
	"coalesce(pyralog_to_regclass(h, name), "
	"error('" QUERY_OWN_ERROR "42P01:relation \"' || CAST(name AS VARCHAR) || '\" does not exist')) END",
	"CREATE MACRO pyralog_regclass_name(h, id) AS coalesce((SELECT CASE WHEN q.relnamespace = 13000 THEN "
	"'information_schema.' ELSE '' END || quote_ident(q.relname) FROM pyr.pg_class(h) q WHERE q.oid = "
	"pyralog_regclass(h, id)), CASE WHEN CAST(id AS VARCHAR) = '0' THEN '-' ELSE CAST(id AS VARCHAR) END)",
	"CREATE MACRO pyralog_regtype(h, name) AS CASE WHEN name IS NULL THEN NULL WHEN regexp_matches(CAST(name AS "
	"VARCHAR), "
	"'^[0-9]+$') THEN TRY_CAST(name AS UINTEGER) ELSE coalesce((SELECT min(q.oid) FROM pyr.types q WHERE "
	"pyralog_bare(CAST(name AS VARCHAR)) IN (q.typname, q.formatted)), "
	"CASE pyralog_bare(CAST(name AS VARCHAR)) WHEN 'int' THEN 23 WHEN 'int[]' THEN 1007 WHEN 'decimal' THEN 1700 "
	"WHEN "
	"'float' THEN 701 WHEN 'int4[]' THEN 1007 WHEN 'int8[]' THEN 1016 WHEN 'varchar[]' THEN 1015 END, "
	"error('" QUERY_OWN_ERROR "42704:type \"' || CAST(name AS VARCHAR) || '\" does not exist')) END",
	"CREATE MACRO to_regtype(name) AS (SELECT min(q.oid) FROM pyr.types q WHERE pyralog_bare(name) IN (q.typname, "
	"q.formatted))",
	"CREATE MACRO pyralog_regtype_name(h, id) AS CASE WHEN CAST(id AS VARCHAR) = '0' THEN '-' ELSE "
	"format_type(pyralog_regtype(h, id), -1) END",
	"CREATE MACRO to_regnamespace(name) AS CASE name WHEN 'pg_catalog' THEN 11 WHEN 'public' THEN 2200 WHEN "
	"'information_schema' THEN 13000 END",
	"CREATE MACRO pyralog_regnamespace(h, name) AS coalesce(to_regnamespace(CAST(name AS VARCHAR)), "
	"TRY_CAST(name AS UINTEGER))",
	"CREATE MACRO pyralog_regnamespace_name(h, id) AS CASE CAST(id AS VARCHAR) WHEN '11' THEN 'pg_catalog' WHEN "
	"'2200' "
	"THEN 'public' WHEN '13000' THEN 'information_schema' ELSE CAST(id AS VARCHAR) END",
	"CREATE MACRO pyralog_regrole(h, name) AS CASE CAST(name AS VARCHAR) WHEN 'pyralog' THEN 10::UINTEGER ELSE "
	"16383 END",
	"CREATE MACRO pyralog_regrole_name(h, id) AS CASE CAST(id AS VARCHAR) WHEN '10' THEN 'pyralog' ELSE "
	"pyralog_user(h) "
	"END",
	"CREATE MACRO pyr.keywords() AS TABLE SELECT keyword_name AS word, CASE keyword_category WHEN 'reserved' THEN "
	"'R' "
	"ELSE 'U' END AS catcode, keyword_category AS catdesc FROM duckdb_keywords()",
	"CREATE MACRO _pg_expandarray(list) AS unnest(list_transform(list, lambda v, k: {'x': v, 'n': k}))",

	/* ---- numbers ---- */
	"CREATE MACRO pyralog_trunc(x DOUBLE) AS trunc(x), (x BIGINT) AS trunc(CAST(x AS DOUBLE)), (x DECIMAL(38,11)) "
	"AS "
	"CAST(trunc(x) AS DECIMAL(38,0)), (x DECIMAL(38,11), n BIGINT) AS CAST(trunc(x * 10 ** n) / 10 ** n AS "
	"DECIMAL(38,11))",
	"CREATE MACRO pyralog_round(x DOUBLE) AS round_even(x, 0), (x BIGINT) AS CAST(x AS DOUBLE), (x DECIMAL(38,11)) "
	"AS "
	"CAST(round(x) AS DECIMAL(38,0)), (x, n) AS round(x, n)",
	"CREATE MACRO pyralog_sign(x DOUBLE) AS CAST(sign(x) AS DOUBLE), (x BIGINT) AS CAST(sign(x) AS DOUBLE), "
	"(x DECIMAL(38,11)) AS CAST(sign(x) AS DECIMAL(38,0))",
	"CREATE MACRO pyralog_gcd(x INTEGER, y INTEGER) AS CAST(gcd(x, y) AS INTEGER), (x BIGINT, y BIGINT) AS "
	"CAST(gcd(x, y) AS BIGINT)",
	"CREATE MACRO pyralog_lcm(x INTEGER, y INTEGER) AS CAST(lcm(x, y) AS INTEGER), (x BIGINT, y BIGINT) AS "
	"CAST(lcm(x, y) AS BIGINT)",
	"CREATE MACRO pyralog_width_bucket(x, low, high, n) AS CAST(CASE WHEN x < low THEN 0 WHEN x >= high THEN n + 1 "
	"ELSE "
	"floor((x - low) * n / (high - low)) + 1 END AS INTEGER)",
	"CREATE MACRO pyralog_series(a INTEGER, b INTEGER) AS unnest(CAST(generate_series(a, b) AS INTEGER[])), (a, b) "
	"AS "
	"unnest(generate_series(a, b)), (a, b, c) AS unnest(generate_series(a, b, c))",
	"CREATE MACRO pyr.series(a, b) AS TABLE SELECT CAST(q.n AS INTEGER) AS generate_series FROM generate_series(a, "
	"b) "
	"q(n)",
	"CREATE MACRO pyralog_subscripts_of(a, n) AS CAST(CASE n WHEN 1 THEN range(1, len(a) + 1) ELSE [] END AS "
	"INTEGER[])",
	"CREATE MACRO pyralog_subscripts(a, n) AS unnest(pyralog_subscripts_of(a, n)), (a, n, back) AS "
	"unnest(CASE WHEN back THEN list_reverse(pyralog_subscripts_of(a, n)) ELSE pyralog_subscripts_of(a, n) END)",
	"CREATE MACRO pyr.subscripts(a, n) AS TABLE SELECT unnest(pyralog_subscripts_of(a, n)) AS generate_subscripts",
	"CREATE MACRO trim_scale(x) AS CAST(x AS DECIMAL(38,11))",
	"CREATE MACRO num_nonnulls(x) AS CAST(x IS NOT NULL AS INTEGER), (x, y) AS CAST(x IS NOT NULL AS INTEGER) + "
	"CAST(y IS NOT NULL AS INTEGER)",
	"CREATE MACRO num_nulls(x) AS CAST(x IS NULL AS INTEGER), (x, y) AS CAST(x IS NULL AS INTEGER) + CAST(y IS "
	"NULL AS "
	"INTEGER)",
	"CREATE MACRO pyralog_sqrt(x) AS CASE WHEN x < 0 THEN " FAIL(
		"2201F:cannot take square root of a negative number") " ELSE sqrt(x) END",
	"CREATE MACRO pyralog_mod(a, b) AS a % pyralog_divisor(b)",
	"CREATE MACRO pyralog_div(a, b) AS CAST(trunc(a / pyralog_divisor(b)) AS DECIMAL(38,0))",

	/* ---- texts ---- */
	"CREATE MACRO pyralog_initcap(x) AS array_to_string(list_transform(regexp_extract_all(x, "
	"'[[:alnum:]]+|[^[:alnum:]]+'), lambda w: upper(left(w, 1)) || lower(substr(w, 2))), '')",
	"CREATE MACRO pyralog_lpad(x, n) AS lpad(x, CAST(n AS INTEGER), ' '), (x, n, f) AS lpad(x, CAST(n AS INTEGER), "
	"f)",
	"CREATE MACRO pyralog_rpad(x, n) AS rpad(x, CAST(n AS INTEGER), ' '), (x, n, f) AS rpad(x, CAST(n AS INTEGER), "
	"f)",
	"CREATE MACRO pyralog_octet_length(x) AS " LENGTH("octet_length", "strlen"),
	"CREATE MACRO pyralog_bit_length(x) AS 8 * " LENGTH("bit_length", "strlen"),
	"CREATE MACRO pyralog_overlay(x, y, f) AS left(x, f - 1) || y || substr(x, f + length(y)), "
	"(x, y, f, n) AS left(x, f - 1) || y || substr(x, f + n)",
	"CREATE MACRO pyralog_encode(x, f) AS CASE lower(f) WHEN 'hex' THEN lower(hex(x)) WHEN 'base64' THEN base64(x) "
	"ELSE "
	"CAST(x AS VARCHAR) END",
	"CREATE MACRO pyralog_decode(x, f) AS CASE lower(f) WHEN 'hex' THEN unhex(x) WHEN 'base64' THEN from_base64(x) "
	"ELSE "
	"encode(x) END",
	"CREATE MACRO pyralog_split_part(x, d, n) AS CASE WHEN n = 0 THEN " FAIL(
		"22023:field position must not be zero") " WHEN d = '' THEN CASE WHEN abs(n) = 1 THEN x ELSE '' END "
							 "ELSE "
							 "split_part(x, d, CAST(n AS BIGINT)) END",
	"CREATE MACRO pyralog_regexp_match(x, p) AS CASE WHEN regexp_matches(x, p) THEN CASE WHEN p LIKE '%(%' THEN "
	"[regexp_extract(x, p, 1)] ELSE [regexp_extract(x, p)] END END",
	"CREATE MACRO pyralog_substr(x, f) AS CASE WHEN f < 1 THEN x ELSE substr(x, f) END, "
	"(x, f VARCHAR) AS regexp_extract(x, f), (x, f, n) AS CASE WHEN n < 0 THEN " FAIL(
		"22011:negative substring length not allowed") " WHEN f < 1 THEN left(x, greatest(f + n - 1, 0)) ELSE "
							       "substr(x, f, n) END",
	"CREATE MACRO pyralog_to_hex(x) AS lower(CASE WHEN typeof(x) IN ('INTEGER', 'SMALLINT') THEN "
	"to_hex(CAST(x AS BIGINT) & 4294967295) ELSE to_hex(x) END)",
	"CREATE MACRO pyralog_position(x, y) AS CAST(strpos(x, y) AS INTEGER)",
	"CREATE MACRO pyralog_position_in(y, x) AS CAST(strpos(x, y) AS INTEGER)",
	"CREATE MACRO pyralog_length(x) AS " LENGTH("length", "length"),
	"CREATE MACRO pyralog_ascii(x) AS CASE WHEN x = '' THEN 0 ELSE CAST(unicode(x) AS INTEGER) END",
	"CREATE MACRO pyralog_to_number(x, f) AS CAST(replace(x, ',', '') AS DECIMAL(38,11))",
	"CREATE MACRO pyralog_typeof(x) AS CASE typeof(x) WHEN 'INTEGER' THEN 'integer' WHEN 'BIGINT' THEN 'bigint' "
	"WHEN "
	"'SMALLINT' THEN 'smallint' WHEN 'VARCHAR' THEN 'text' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'DOUBLE' THEN "
	"'double precision' WHEN 'FLOAT' THEN 'real' WHEN 'BLOB' THEN 'bytea' WHEN 'TIMESTAMP' THEN "
	"'timestamp without time zone' WHEN 'TIMESTAMP WITH TIME ZONE' THEN 'timestamp with time zone' WHEN 'HUGEINT' "
	"THEN "
	"'numeric' WHEN 'UINTEGER' THEN 'oid' WHEN '\"NULL\"' THEN 'unknown' WHEN 'TIME' THEN 'time without time zone' "
	"ELSE "
	"CASE WHEN typeof(x) LIKE 'DECIMAL%' THEN 'numeric' ELSE lower(typeof(x)) END END",

	"CREATE MACRO regexp_like(x, p) AS regexp_matches(x, p)",
	"CREATE MACRO regexp_count(x, p) AS CAST(len(regexp_extract_all(x, p)) AS INTEGER)",
	"CREATE MACRO regexp_substr(x, p) AS CASE WHEN regexp_matches(x, p) THEN regexp_extract(x, p) END",
	"CREATE MACRO convert_from(x, e) AS decode(CAST(x AS BLOB))",
	"CREATE MACRO convert_to(x, e) AS encode(CAST(x AS VARCHAR))",
	"CREATE MACRO normalize(x) AS nfc_normalize(x)",
	"CREATE MACRO json_object_keys(x) AS unnest(json_keys(x))",
	"CREATE MACRO jsonb_object_keys(x) AS unnest(json_keys(x))",

	/* ---- time ---- */
	"CREATE MACRO pyralog_to_char(x TIMESTAMP WITH TIME ZONE, f) AS pyralog_time_text(epoch_us(x), f, true), "
	"(x TIMESTAMP, f) AS pyralog_time_text(epoch_us(x), f, false), (x DATE, f) AS "
	"pyralog_time_text(epoch_us(x), f, false), (x INTERVAL, f) AS pyralog_time_text(CAST(epoch(x) * 1000000 AS "
	"BIGINT), f, "
	"false), (x DOUBLE, f) AS pyralog_number_text(x, f), (x DECIMAL(38,11), f) AS pyralog_number_text(CAST(x AS "
	"DOUBLE), "
	"f), (x BIGINT, f) AS pyralog_number_text(CAST(x AS DOUBLE), f), (x TIME, f) AS pyralog_time_text(epoch_us(x), "
	"f, "
	"false)",
	"CREATE MACRO pyralog_to_date(x, f) AS CAST(pyralog_time_value(x, f) AS DATE)",
	"CREATE MACRO pyralog_to_timestamp(x) AS to_timestamp(x), (x, f) AS CAST(pyralog_time_value(x, f) AS TIMESTAMP "
	"WITH "
	"TIME ZONE)",
	"CREATE MACRO pyralog_extract(f, x) AS CAST(date_part(f, x) AS DECIMAL(38,0))",
	"CREATE MACRO pyralog_extract_exact(f, x) AS CAST(CASE lower(f) WHEN 'epoch' THEN date_part('epoch', x) ELSE "
	"date_part('microseconds', x) / 1000000 END AS DECIMAL(38,6))",
	"CREATE MACRO pyralog_date_part(f, x) AS CAST(CASE WHEN lower(f) IN ('second', 'seconds') THEN "
	"date_part('microseconds', x) / 1000000.0 ELSE date_part(f, x) END AS DOUBLE)",
	"CREATE MACRO pyralog_date_bin(i, t, o) AS time_bucket(CAST(i AS INTERVAL), t, o)",

	"CREATE MACRO make_interval(years := 0, months := 0, weeks := 0, days := 0, hours := 0, mins := 0, secs := 0) "
	"AS "
	"to_years(years) + to_months(months) + to_days(CAST(weeks * 7 + days AS INTEGER)) + to_hours(hours) + "
	"to_minutes(mins) + to_microseconds(CAST(round(secs * 1000000) AS BIGINT))",

	/* ---- arrays ---- */
	"CREATE MACRO pyralog_array_position(x, y) AS CAST(list_position(x, y) AS INTEGER)",
	"CREATE MACRO pyralog_array_upper(x, n) AS CASE WHEN n = 1 AND len(x) > 0 THEN CAST(len(x) AS INTEGER) END",
	"CREATE MACRO pyralog_array_lower(x, n) AS CASE WHEN n = 1 AND len(x) > 0 THEN 1 END",
	"CREATE MACRO pyralog_array_ndims(x) AS CASE WHEN len(x) > 0 THEN 1 END",
	"CREATE MACRO pyralog_cardinality(x) AS CAST(len(x) AS INTEGER)",
	"CREATE MACRO pyralog_array_remove(x, v) AS list_filter(x, lambda e: e IS DISTINCT FROM v)",
	"CREATE MACRO pyralog_array_replace(x, f, t) AS list_transform(x, lambda e: CASE WHEN e IS NOT DISTINCT FROM f "
	"THEN "
	"t ELSE e END)",
	"CREATE MACRO pyralog_array_to_string(x, d) AS array_to_string(list_filter(x, lambda e: e IS NOT NULL), d), "
	"(x, d, n) AS array_to_string(list_transform(x, lambda e: coalesce(CAST(e AS VARCHAR), n)), d)",
	"CREATE MACRO pyralog_string_to_array(x, d) AS CASE WHEN x = '' THEN []::VARCHAR[] ELSE string_to_array(x, d) "
	"END, "
	"(x, d, n) AS list_transform(string_to_array(x, d), lambda e: nullif(e, n))",

	/* ---- JSON ---- */
	"CREATE MACRO pyralog_json_length(x) AS CAST(json_array_length(x) AS INTEGER)",
	"CREATE MACRO pyralog_json_typeof(x) AS CASE json_type(x) WHEN 'VARCHAR' THEN 'string' WHEN 'OBJECT' THEN "
	"'object' "
	"WHEN 'ARRAY' THEN 'array' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL' THEN 'null' ELSE 'number' END",
	"CREATE MACRO pyralog_json_path_text(x, a) AS x ->> a, (x, a, b) AS x -> a ->> b, (x, a, b, c) AS x -> a -> b "
	"->> c",
};

const size_t query_engine_setup_count = sizeof query_engine_setup / sizeof *query_engine_setup;
