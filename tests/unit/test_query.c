/* query/session.h over topics in memory: rows, names, types, bounds, refusals, cancelling. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "fake_source.h"
#include "query/session.h"

#include <pthread.h>
#include <stdio.h>

struct world {
	struct fake_source source;
	struct query_engine *engine;
	struct query_session *session;
	struct query_error error;
	char text[1 << 16]; /* of the last result: cells by '|', rows by '\n' */
	char names[4096]; /* of its columns, with their types: "count:20|?column?:23" */
};

static const struct catalog_principal somebody = {.name = "anonymous"};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	struct query_engine_options options = query_engine_options_default();
	struct pyr_error error;
	assert_non_null(world);
	fake_source_init(&world->source);
	assert_int_equal(query_engine_new(&options, &world->engine, &error).code, PYR_OK);
	assert_int_equal(query_session_new(world->engine, &world->source.base, &somebody, &world->session).code,
	                 PYR_OK);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;
	query_session_free(world->session);
	query_engine_free(world->engine);
	assert_int_equal(atomic_load(&world->source.live_scans), 0);
	free(world);
	return 0;
}

static void append(struct world *world, const char *format, ...)
{
	size_t used = strlen(world->text);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(world->text + used, sizeof world->text - used, format, arguments);
	va_end(arguments);
}

static void append_cell(struct world *world, struct query_cell cell)
{
	switch (cell.kind) {
	case QUERY_CELL_NULL:
		append(world, "NULL");
		break;
	case QUERY_CELL_BOOL:
		append(world, cell.integer ? "t" : "f");
		break;
	case QUERY_CELL_FLOAT4:
	case QUERY_CELL_FLOAT8:
		append(world, "%g", cell.real);
		break;
	case QUERY_CELL_DECIMAL:
		append(world, "%lld/%u", (long long)cell.lower, cell.scale);
		break;
	case QUERY_CELL_TEXT:
		append(world, "%.*s", (int)cell.bytes.bytes, (const char *)cell.bytes.data);
		break;
	case QUERY_CELL_BYTES:
		for (size_t i = 0; i < cell.bytes.bytes; i++)
			append(world, "%02x", cell.bytes.data[i]);
		break;
	default:
		append(world, "%lld", (long long)cell.integer);
	}
}

static void append_rows(struct world *world, const struct query_statement *statement, size_t rows)
{
	size_t columns = query_statement_column_count(statement);
	for (size_t row = 0; row < rows; row++) {
		for (size_t column = 0; column < columns; column++) {
			append(world, column > 0 ? "|" : "");
			append_cell(world, query_statement_cell(statement, row, column));
		}
		append(world, "\n");
	}
}

static pyr_result read_all(struct world *world, struct query_statement *statement)
{
	size_t rows = 1, used = 0;
	world->names[0] = world->text[0] = 0;
	for (size_t i = 0; i < query_statement_column_count(statement); i++) {
		const struct query_column *column = query_statement_column(statement, i);
		used += (size_t)snprintf(world->names + used, sizeof world->names - used, "%s%s:%u", i > 0 ? "|" : "",
		                         column->name, column->type);
	}
	while (rows > 0) {
		PYR_TRY(query_statement_next(statement, &rows, &world->error));
		append_rows(world, statement, rows);
	}
	return pyr_ok();
}

static pyr_result run_with(struct world *world, const char *sql, const uint32_t *types, const char *const *values,
                           size_t count)
{
	struct query_script *script;
	struct query_statement *statement;
	struct base_bytes parameters[8];
	memset(&world->error, 0, sizeof world->error);
	for (size_t i = 0; i < count; i++)
		parameters[i] = (struct base_bytes){(const uint8_t *)values[i], values[i] ? strlen(values[i]) : 0};
	PYR_TRY(query_script_new(sql, strlen(sql), &script, &world->error));
	pyr_result result =
		query_statement_new(world->session, script, 0, types, types ? count : 0, &statement, &world->error);
	query_script_free(script);
	PYR_TRY(result);
	result = query_statement_start(statement, parameters, count, &world->error);
	if (result.code == PYR_OK)
		result = read_all(world, statement);
	query_statement_free(statement);
	return result;
}

static void check(struct world *world, const char *sql, const char *names, const char *rows)
{
	pyr_result result = run_with(world, sql, NULL, NULL, 0);
	if (result.code != PYR_OK)
		fail_msg("%s: %s %s", sql, world->error.sqlstate, world->error.message);
	if (names)
		assert_string_equal(world->names, names);
	if (rows)
		assert_string_equal(world->text, rows);
}

static void check_refused(struct world *world, const char *sql, const char *sqlstate)
{
	pyr_result result = run_with(world, sql, NULL, NULL, 0);
	if (result.code == PYR_OK)
		fail_msg("%s: was not refused, %s expected", sql, sqlstate);
	if (strcmp(world->error.sqlstate, sqlstate) != 0)
		fail_msg("%s: %s expected, not %s %s", sql, sqlstate, world->error.sqlstate, world->error.message);
}

static void a_topic_is_a_table(void **state)
{
	struct world *world = *state;
	check(world, "SELECT count(*) FROM flights", "count:20", "4000\n");
	check(world, "SELECT * FROM flights WHERE partition = 2 AND \"offset\" = 5",
	      "offset:20|partition:23|timestamp:1184|key:25|value:25|headers:25",
	      "5|2|1356998405000000|AA|{\"carrier\": \"AA\", \"delay\": 5, \"n\": 5}|{\"h\": \"v\"}\n");
	check(world, "SELECT count(*), count(DISTINCT \"offset\"), min(partition), max(partition) FROM public.flights",
	      "count:20|count:20|min:23|max:23", "4000|1000|0|3\n");
	check(world, "SELECT count(*) FROM empty", NULL, "0\n");
}

static void names_with_dashes_are_found_both_ways(void **state)
{
	struct world *world = *state;
	check(world, "SELECT count(*) FROM \"user-events\"", NULL, "10\n");
	check(world, "SELECT count(*) FROM user_events", NULL, "10\n");
	check(world, "SELECT user_events.\"offset\" FROM user_events WHERE user_events.\"offset\" = 3", NULL, "3\n");
	check(world, "SELECT \"user-events\".\"offset\" FROM \"user-events\" LIMIT 1", NULL, "0\n");
	check_refused(world, "SELECT * FROM nothing", "42P01");
	assert_string_equal(world->error.message, "relation \"nothing\" does not exist");
	assert_int_equal(world->error.position, 15);
}

static void json_is_read_with_arrows(void **state)
{
	struct world *world = *state;
	check(world, "SELECT value->>'carrier', count(*) FROM flights GROUP BY 1 ORDER BY 1", "?column?:25|count:20",
	      "AA|1333\nB6|1333\nUA|1334\n");
	check(world, "SELECT count(*) FROM flights WHERE 'UA' = value->>'carrier' AND NOT value->>'carrier' = 'AA'",
	      NULL, "1334\n");
	check(world, "SELECT 'x' || (value->>'carrier') FROM flights WHERE \"offset\"=0 AND partition=0", NULL,
	      "xUA\n");
	check(world, "SELECT (value->>'delay')::int + 1 AS d FROM flights WHERE \"offset\"=3 AND partition=0", "d:23",
	      "4\n");
	check(world, "SELECT count(*) FROM flights WHERE value->>'carrier' ~ '^U' AND key !~ 'z' AND key ~* 'u'", NULL,
	      "1334\n");
	check(world, "SELECT headers->>'h' FROM flights LIMIT 1", NULL, "v\n");
}

/* Where an operand ends must be seen right, whatever it is made of. */
static void operands_of_every_kind(void **state)
{
	struct world *world = *state;
	check(world, "SELECT value->>CASE WHEN partition = 0 THEN 'carrier' ELSE 'n' END = 'UA' FROM flights LIMIT 1",
	      NULL, "t\n");
	check(world,
	      "SELECT (value->>'n')::double precision + 1, value->>'n'::character varying(10) || 'x' FROM flights "
	      "WHERE \"offset\" = 7 AND partition = 0",
	      NULL, "8|7x\n");
	check(world, "SELECT value->>lower('CARRIER') ~ ('^' || 'U') AND key ~ upper('u')::text FROM flights LIMIT 1",
	      NULL, "t\n");
	check(world,
	      "SELECT f.value->>('car' || 'rier'), ('{\"a\": [1, 2]}'::jsonb)->'a'->>1, '[1,2]'::json->>-1 FROM "
	      "flights f LIMIT 1",
	      NULL, "UA|2|2\n");
	check(world, "SELECT max(value->>'carrier') FILTER (WHERE value->>'n' = '1') || 'x' FROM flights",
	      "?column?:25", "UAx\n");
	check(world,
	      "SELECT CASE WHEN key ~ 'U' THEN value->>'carrier' ELSE 'no' END, NOT key !~ 'U' FROM flights LIMIT 1",
	      NULL, "UA|t\n");
	check(world,
	      "SELECT count(*) FROM flights WHERE \"offset\" = ANY (ARRAY[1, 2]) AND partition <> ALL(ARRAY[0, 1+1])",
	      NULL, "4\n");
	check(world, "SELECT coalesce(sum((value->>'delay')::int) FILTER (WHERE key = 'none'), 0) AS s FROM flights",
	      "s:20", "0\n");
}

static void bytes_that_are_not_text_show_as_hex(void **state)
{
	struct world *world = *state;
	check(world, "SELECT value FROM odd ORDER BY \"offset\"", NULL, "h\xc3\xa9llo\n\\xfffe01\nNULL\n\\x610062\n");
	check(world, "SELECT value_bytes, key_bytes FROM odd ORDER BY \"offset\"", "value_bytes:17|key_bytes:17",
	      "68c3a96c6c6f|NULL\nfffe01|NULL\nNULL|NULL\n610062|NULL\n");
	check(world, "SELECT * FROM odd WHERE value_bytes IS NULL",
	      "offset:20|partition:23|timestamp:1184|key:25|value:25|headers:25", NULL);
	check(world, "SELECT o.*, value_bytes FROM odd o LIMIT 0",
	      "offset:20|partition:23|timestamp:1184|key:25|value:25|headers:25|value_bytes:17", "");
}

static void columns_are_named_as_postgresql_names_them(void **state)
{
	struct world *world = *state;
	check(world,
	      "SELECT count(*), 1+1, 'a', lower('A'), max(partition) + 1, CASE WHEN true THEN 1 END, "
	      "coalesce(1, 2), '1'::int, (SELECT 7), (SELECT count(*) FROM empty), now() IS NULL, "
	      "EXISTS (SELECT 1), 1 IS DISTINCT FROM 2 FROM flights",
	      "count:20|?column?:23|?column?:25|lower:25|?column?:23|case:23|coalesce:23|int4:23|?column?:23|count:20|"
	      "?column?:16|exists:16|?column?:16",
	      NULL);
	check(world, "SELECT count FROM (SELECT count(*) FROM empty) s", "count:20", "0\n");
	check(world, "SELECT 1 AS a, 2 AS a, count(*) \"Total\" FROM empty", "a:23|a:23|Total:20", "1|2|0\n");
}

static void numbers_are_postgresqls(void **state)
{
	struct world *world = *state;
	check(world, "SELECT 1/2, 7/2, -7/2", NULL, "0|3|-3\n");
	check(world, "SELECT 6/(1+1), 7/x, 7%x, 8/x/2, 8/-x, 1.5/x::double precision FROM (VALUES (2)) v(x)", NULL,
	      "3|3|1|2|-4|0.75\n");
	check(world,
	      "SELECT sum(partition)/count(*), 7 / CASE WHEN true THEN 2 ELSE 0 END, 1/x FROM flights, (SELECT "
	      "NULL::int) "
	      "s(x) GROUP BY x",
	      NULL, "1|3|NULL\n");
	check_refused(world, "SELECT 1/0", "22012");
	assert_string_equal(world->error.message, "division by zero");
	check_refused(world, "SELECT 5 % (\"offset\" - \"offset\") FROM flights", "22012");
	check_refused(world, "SELECT 1.5::float8 / x FROM (VALUES (0)) v(x)", "22012");
	check(world, "SELECT sum((value->>'delay')::int) FROM flights", "sum:20", "11988\n");
	check(world, "SELECT sum(\"offset\") FROM flights", "sum:1700", "1998000/0\n");
	check(world, "SELECT sum(x), sum(t.y) FROM (SELECT partition AS x, \"offset\" AS y FROM flights) t",
	      "sum:20|sum:1700", NULL);
	check(world, "WITH w AS (SELECT partition + 1 AS n FROM flights) SELECT sum(n) FROM w", "sum:20", NULL);
	check(world, "SELECT sum(n) FROM (SELECT count(*) AS n FROM flights GROUP BY partition) c", "sum:1700",
	      "4000/0\n");
	check(world, "SELECT sum(x), sum(y) FROM (VALUES (1, 2::int8), (3, 4)) v(x, y)", "sum:20|sum:1700", "4|6/0\n");
	check(world, "SELECT sum(i) FROM generate_series(1, 10) AS s(i)", "sum:20", "55\n");
	check(world, "SELECT sum(length(a)) FROM (SELECT 'ab' AS a UNION ALL SELECT 'c') u", "sum:20", "3\n");
	check(world,
	      "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 4) SELECT sum(n) FROM r",
	      "sum:20", "10\n");
	check(world, "SELECT sum(DISTINCT partition) FILTER (WHERE partition > 1) FROM flights", "sum:20", "5\n");
	check(world, "SELECT sum(1.5::float8), sum(x::numeric(10,2)) FROM (VALUES (1), (2)) v(x)", "sum:701|sum:1700",
	      "3|300/2\n");
	check(world, "SELECT sum(partition) OVER (ORDER BY \"offset\") FROM user_events LIMIT 1", "sum:20", "0\n");
}

static void bounds_prune_segments(void **state)
{
	static const struct {
		const char *where;
		uint64_t read;
	} cases[] = {
		{"true", 40},
		{"partition = 1", 10},
		{"partition IN (0, 1) AND \"offset\" < 100", 2},
		{"\"offset\" BETWEEN 150 AND 250", 8},
		{"\"offset\" >= 950", 4},
		{"950 <= \"offset\" AND 1 = partition", 1},
		{"f.\"offset\" = '10' AND f.partition = 0", 1},
		{"\"offset\" > -5 AND \"offset\" < 5", 4},
		{"\"offset\" < -5", 0},
		{"timestamp >= '2013-01-01 00:15:00Z'", 4},
		{"timestamp < timestamptz '2013-01-01 00:01:00+00' AND partition = 3", 1},
		{"timestamp > now() - interval '1 hour'", 0},
		{"timestamp < now()", 40}, /* bounds from below only */
		{"partition = 1 OR \"offset\" < 5", 40},
		{"NOT (partition = 1)", 40},
		{"(partition = 2 AND (\"offset\" < 100)) AND key IS NOT NULL", 1},
		{"\"offset\" NOT BETWEEN 5 AND 10", 40},
	};
	struct world *world = *state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char sql[512];
		uint64_t before = query_session_statistics(world->session).segments_read;
		snprintf(sql, sizeof sql, "SELECT count(*) FROM flights f WHERE %s", cases[i].where);
		check(world, sql, NULL, NULL);
		uint64_t read = query_session_statistics(world->session).segments_read - before;
		if (read != cases[i].read)
			fail_msg("%s: %llu segments read, not %llu", cases[i].where, (unsigned long long)read,
			         (unsigned long long)cases[i].read);
	}
}

static void bounds_do_not_change_answers(void **state)
{
	struct world *world = *state;
	check(world, "SELECT count(*) FROM flights WHERE \"offset\" BETWEEN 150 AND 250", NULL, "404\n");
	check(world, "SELECT count(*) FROM flights WHERE \"offset\" > -5 AND \"offset\" <= 5", NULL, "24\n");
	check(world,
	      "SELECT count(*) FROM flights a LEFT JOIN flights b ON b.partition = a.partition AND b.\"offset\" = "
	      "a.\"offset\" WHERE b.\"offset\" < 10",
	      NULL, "40\n");
	check(world, "WITH flights AS (SELECT * FROM flights WHERE partition = 1) SELECT count(*) FROM flights", NULL,
	      "1000\n");
	check(world, "SELECT count(*) FROM flights AS f(\"partition\", \"offset\") WHERE \"offset\" = 1", NULL,
	      "1000\n");
}

static void parameters_are_bound_when_run(void **state)
{
	struct world *world = *state;
	static const uint32_t types[] = {QUERY_TYPE_INT8, QUERY_TYPE_INT2};
	static const char *const values[] = {"950", "1"};
	static const char *const time[] = {"2013-01-01 00:16:00+00"};
	uint64_t before = query_session_statistics(world->session).segments_read;
	const char *sql = "SELECT count(*) FROM flights WHERE \"offset\" >= $1 AND partition = $2";
	assert_int_equal(run_with(world, sql, types, values, 2).code, PYR_OK);
	assert_string_equal(world->text, "50\n");
	assert_int_equal(run_with(world, sql, NULL, values, 2).code, PYR_OK);
	assert_string_equal(world->text, "50\n");
	assert_int_equal(query_session_statistics(world->session).segments_read - before, 2);
	sql = "SELECT count(*) FROM flights WHERE timestamp >= $1";
	assert_int_equal(run_with(world, sql, NULL, time, 1).code, PYR_OK);
	assert_string_equal(world->text, "160\n");
	assert_int_equal(query_session_statistics(world->session).segments_read - before, 2 + 4);
	assert_int_equal(run_with(world, "SELECT $1", NULL, values, 1).code, PYR_OK);
	assert_string_equal(world->text, "950\n");
	assert_int_equal(run_with(world, "SELECT $1", NULL, NULL, 0).code, PYR_USAGE);
	assert_string_equal(world->error.sqlstate, "42P02");
}

static void one_statement_takes_one_snapshot(void **state)
{
	struct world *world = *state;
	unsigned before = atomic_load(&world->source.opens);
	check(world, "SELECT (SELECT count(*) FROM flights) + (SELECT count(*) FROM flights)", NULL, "8000\n");
	assert_int_equal(atomic_load(&world->source.opens) - before, 1);
}

static void what_is_not_there_says_so(void **state)
{
	struct world *world = *state;
	check_refused(world, "SELEC 1", "42601");
	assert_int_equal(world->error.position, 1);
	assert_string_equal(world->error.message, "syntax error at or near \"SELEC\"");
	check_refused(world, "INSERT INTO flights VALUES (1)", "42601");
	check_refused(world, "INSERT INTO flights (\"offset\") VALUES (1)", "428C9");
	check_refused(world, "INSERT INTO flights (nope) VALUES (1)", "42703");
	check_refused(world, "INSERT INTO pg_class (key) VALUES (1)", "42501");
	check_refused(world, "UPDATE flights SET value = 1", "0A000");
	check_refused(world, "DELETE FROM flights", "0A000");
	check_refused(world, "CREATE TABLE x (a int)", "0A000");
	check_refused(world, "DROP TABLE flights", "0A000");
	check_refused(world, "WITH x AS (DELETE FROM flights RETURNING *) SELECT * FROM x", "0A000");
	check_refused(world, "SELECT * INTO x FROM flights", "0A000");
	check_refused(world, "SELECT * FROM flights FOR UPDATE", "0A000");
	check_refused(world, "SELECT * FROM flights AS OF OFFSET 5", "0A000");
	check_refused(world, "SELECT nope FROM flights", "42703");
	check_refused(world, "SELECT nope('x')", "42883");
	check_refused(world, "SELECT 'x'::int", "22P02");
	check_refused(world, "SHOW nope", "42704");
	check_refused(world, "SET timezone = 'Europe/Berlin'", "0A000");
}

static void nothing_reaches_out(void **state)
{
	static const char *const statements[] = {
		"SELECT * FROM read_csv('/etc/passwd')",
		"SELECT * FROM read_text('/etc/passwd')",
		"SELECT * FROM glob('*')",
		"SELECT getenv('HOME')",
		"SELECT * FROM query('SELECT 1')",
		"SELECT * FROM pyralog_scan('flights', 0, 1, false)",
		"SELECT * FROM duckdb_settings()",
		"COPY flights TO '/tmp/x'",
		"LOAD 'httpfs'",
	};
	struct world *world = *state;
	for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
		check_refused(world, statements[i], "42501");
	check_refused(world, "SELECT * FROM \"/etc/passwd\"", "42P01");
	check_refused(world, "SELECT * FROM \"x.parquet\"", "42P01");
	check_refused(world, "SELECT * FROM duckdb_tables", "42P01");
	check_refused(world, "ATTACH 'x'", "42601");
	check_refused(world, "PRAGMA version", "42601");
}

static char *repeated(const char *part, size_t times, const char *end)
{
	size_t bytes = strlen(part);
	char *text = malloc(bytes * times + strlen(end) + 1);
	assert_non_null(text);
	for (size_t i = 0; i < times; i++)
		memcpy(text + i * bytes, part, bytes);
	strcpy(text + bytes * times, end);
	return text;
}

static void deep_nesting_is_refused(void **state)
{
	static const struct {
		const char *part, *end;
		size_t times;
	} cases[] = {
		{"SELECT (", "1", 1001},  {"SELECT (", "1", 40000},
		{"(", "1", 90000},        {"(", "1", 1000000},
		{"NOT ", "1", 90000},     {"case ", "1", 90000},
		{"-- \n- ", "1", 90000},  {"SELECT 1 UNION ", "1", 2000},
		{"x.end + (", "1", 2000}, {"SELECT 1 IN (1+", "1", 1001},
		{"a->", "b", 1001},       {"1::int", "", 1001},
	};
	struct world *world = *state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *sql = repeated(cases[i].part, cases[i].times, cases[i].end);
		check_refused(world, sql, "54001");
		free(sql);
	}
	char *large = repeated(" ", QUERY_TEXT_MAX, "SELECT 1");
	check_refused(world, large, "54000");
	free(large);
}

static void *run_long_chains(void *argument)
{
	struct world *world = argument;
	char *sum = repeated("1+", 500, "1"), *select;
	assert_true(asprintf(&select, "SELECT %s", sum) > 0);
	check(world, select, NULL, "501\n");
	free(select);
	free(sum);
	char *both = repeated("true AND 1=1+(0) AND ", 3000, "true");
	assert_true(asprintf(&select, "SELECT %s", both) > 0);
	check(world, select, NULL, "t\n");
	free(select);
	free(both);
	char *many = repeated("1,", QUERY_TARGETS_MAX, "1");
	assert_true(asprintf(&select, "SELECT %s", many) > 0);
	check_refused(world, select, "54011");
	free(select);
	free(many);
	char *list = repeated("1,", 20000, "1)");
	assert_true(asprintf(&select, "SELECT 1 IN (%s", list) > 0);
	check(world, select, NULL, "t\n");
	free(select);
	free(list);
	return NULL;
}

/* The parser builds the tree of a long chain by recursion: that is what the stack is for. */
static void long_chains_do_not_crash(void **state)
{
	pthread_attr_t attributes;
	pthread_t thread;
	pthread_attr_init(&attributes);
	assert_int_equal(pthread_attr_setstacksize(&attributes, QUERY_STACK_BYTES), 0);
	assert_int_equal(pthread_create(&thread, &attributes, run_long_chains, *state), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attributes);
}

static void clients_settings_work(void **state)
{
	struct world *world = *state;
	check(world, "SHOW server_version", "server_version:25", "15.0 (Pyralog)\n");
	check(world, "SHOW TRANSACTION ISOLATION LEVEL", "transaction_isolation:25", "read committed\n");
	check(world, "SET application_name = 'x'", "", "");
	check(world, "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY", "", "");
	check(world, "SELECT version(), current_database(), pg_catalog.current_schema()",
	      "version:25|current_database:25|current_schema:25", "PostgreSQL 15.0 (Pyralog)|pyralog|public\n");
	check(world, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1", NULL,
	      "empty\nflights\nodd\nuser-events\n");
	check(world, "EXPLAIN SELECT * FROM flights", "QUERY PLAN:25", NULL);
	check(world, "VALUES (1), (2)", NULL, "1\n2\n");
	check(world, "SELECT generate_series FROM generate_series(1, 2)", NULL, "1\n2\n");
	check(world, "SELECT interval '1 day', '{1,2}'::text, ARRAY[1,2]", NULL, NULL);
}

static void check_written(struct world *world, const char *sql, unsigned appended)
{
	check(world, sql, NULL, NULL);
	assert_int_equal(atomic_load(&world->source.appended), appended);
}

static void inserts_are_appended_when_their_block_commits(void **state)
{
	struct world *world = *state;
	check_written(world, "INSERT INTO empty (key, value) VALUES ('a', 'b'), ('c', NULL)", 2);
	check(world,
	      "INSERT INTO empty (value, partition) SELECT x, 0 FROM generate_series(1, 2) s(x) RETURNING \"offset\" "
	      "AS o, "
	      "partition, value",
	      "o:20|partition:23|value:25", "2|0|1\n3|0|2\n");
	query_session_begin(world->session, QUERY_BLOCK_EXPLICIT);
	check_written(world, "INSERT INTO empty (key) VALUES ('d')", 4);
	check_refused(world, "INSERT INTO empty (key) VALUES ('e') RETURNING \"offset\"", "0A000");
	check_refused(world, "INSERT INTO empty (headers) VALUES ('nope')", "22P02");
	assert_int_equal(query_session_commit(world->session, &world->error).code, PYR_OK);
	assert_int_equal(atomic_load(&world->source.appended), 5);
	query_session_begin(world->session, QUERY_BLOCK_EXPLICIT);
	check_written(world, "INSERT INTO empty (key) VALUES ('f')", 5);
	query_session_rollback(world->session);
	check_written(world, "SELECT 1", 5);
	check_refused(world, "INSERT INTO flights (key) VALUES ('g')", "53400");
	check_written(world, "INSERT INTO empty (key) SELECT 'h' WHERE false", 5);
}

static void settings_belong_to_the_session(void **state)
{
	struct world *world = *state;
	check(world, "SET statement_timeout = '90s'", NULL, NULL);
	assert_int_equal(query_settings_timeout_us(query_session_settings(world->session)), 90000000);
	check(world, "SHOW statement_timeout", "statement_timeout:25", "90s\n");
	check(world, "SELECT current_setting('TimeZone'), set_config('work_mem', '5MB', false), current_user", NULL,
	      "UTC|5MB|pyralog\n");
	query_session_begin(world->session, QUERY_BLOCK_EXPLICIT);
	check(world, "SET LOCAL work_mem = '7MB'", NULL, NULL);
	assert_int_equal(query_session_commit(world->session, &world->error).code, PYR_OK);
	check(world, "SHOW work_mem", NULL, "5MB\n");
	check(world, "RESET ALL", NULL, NULL);
	check(world, "SHOW work_mem", NULL, "4MB\n");
	check_refused(world, "SET statement_timeout = 'soon'", "22023");
}

static void a_session_beside_has_rows_of_its_own(void **state)
{
	struct world *world = *state;
	static const char sql[] = "SELECT count(*) FROM flights";
	struct query_session *beside;
	struct query_script *script;
	struct query_statement *statement, *copy;
	size_t rows = 0;
	assert_int_equal(query_script_new(sql, strlen(sql), &script, &world->error).code, PYR_OK);
	assert_int_equal(query_statement_new(world->session, script, 0, NULL, 0, &statement, &world->error).code,
	                 PYR_OK);
	assert_int_equal(query_session_new_beside(world->session, &beside).code, PYR_OK);
	assert_int_equal(query_statement_copy(beside, statement, &copy, &world->error).code, PYR_OK);
	query_script_free(script);
	assert_int_equal(query_statement_start(copy, NULL, 0, &world->error).code, PYR_OK);
	check(world, sql, "count:20", "4000\n");
	assert_int_equal(query_statement_next(copy, &rows, &world->error).code, PYR_OK);
	assert_int_equal(query_statement_cell(copy, 0, 0).integer, 4000);
	query_session_time_out(world->session); /* reaches both */
	assert_int_equal(query_statement_next(copy, &rows, &world->error).code, PYR_USAGE);
	assert_string_equal(world->error.message, "canceling statement due to statement timeout");
	query_statement_free(copy);
	query_statement_free(statement);
	query_session_free(beside);
}

static void a_statement_is_left_unfinished(void **state)
{
	struct world *world = *state;
	static const char sql[] = "SELECT value FROM flights";
	atomic_store(&world->source.stall,
	             true); /* rows without end: the engine's threads are at work until they are told */
	for (int i = 0; i < 20; i++) {
		struct query_script *script;
		struct query_statement *statement;
		size_t rows;
		assert_int_equal(query_script_new(sql, strlen(sql), &script, &world->error).code, PYR_OK);
		assert_int_equal(
			query_statement_new(world->session, script, 0, NULL, 0, &statement, &world->error).code,
			PYR_OK);
		query_script_free(script);
		assert_int_equal(query_statement_start(statement, NULL, 0, &world->error).code, PYR_OK);
		assert_int_equal(query_statement_next(statement, &rows, &world->error).code, PYR_OK);
		query_statement_free(statement);
		assert_int_equal(atomic_load(&world->source.live_scans), 0);
	}
	atomic_store(&world->source.stall, false);
	check(world, "SELECT count(*) FROM flights", NULL, "4000\n");
}

static void *cancel_later(void *argument)
{
	struct world *world = argument;
	while (atomic_load(&world->source.live_scans) == 0)
		;
	query_session_cancel(world->session);
	return NULL;
}

static void a_statement_is_cancelled(void **state)
{
	struct world *world = *state;
	pthread_t thread;
	atomic_store(&world->source.stall, true);
	assert_int_equal(pthread_create(&thread, NULL, cancel_later, world), 0);
	check_refused(world, "SELECT sum(length(value)) FROM flights", "57014");
	pthread_join(thread, NULL);
	atomic_store(&world->source.stall, false);
	check(world, "SELECT count(*) FROM flights", NULL, "4000\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_topic_is_a_table, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_with_dashes_are_found_both_ways, set_up, tear_down),
		cmocka_unit_test_setup_teardown(json_is_read_with_arrows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(operands_of_every_kind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bytes_that_are_not_text_show_as_hex, set_up, tear_down),
		cmocka_unit_test_setup_teardown(columns_are_named_as_postgresql_names_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers_are_postgresqls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bounds_prune_segments, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bounds_do_not_change_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(parameters_are_bound_when_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_statement_takes_one_snapshot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_there_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_reaches_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deep_nesting_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_chains_do_not_crash, set_up, tear_down),
		cmocka_unit_test_setup_teardown(clients_settings_work, set_up, tear_down),
		cmocka_unit_test_setup_teardown(inserts_are_appended_when_their_block_commits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(settings_belong_to_the_session, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_session_beside_has_rows_of_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_statement_is_left_unfinished, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_statement_is_cancelled, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
