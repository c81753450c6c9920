/* Makes the engine's macros of the tables of catalog.h.
 *
 * A column's type is a letter: o oid, r regproc, n name, t text, c "char", b bool, s int2, i int4, l int8, f float4,
 * d float8, z timestamptz, v interval, y bytea, x oidvector; capitals are arrays: O, S, T, F; but L, I and D are an
 * int8, an int4 and a float8 that may be null.
 */
#include "query/catalog.h"

#include "base/cursor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { STATEMENT_BYTES_MAX = 1 << 20 };

static const struct letter {
	char letter;
	const char *type; /* the engine's */
	const char *unsaid; /* what stands where our rows say nothing */
	uint32_t oid;
} letters[] = {
	{'o', "UINTEGER", "0", 26},      {'r', "VARCHAR", "'-'", 24},
	{'n', "VARCHAR", "''", 19},      {'t', "VARCHAR", "NULL", 25},
	{'c', "VARCHAR", "''", 18},      {'b', "BOOLEAN", "false", 16},
	{'s', "SMALLINT", "0", 21},      {'i', "INTEGER", "0", 23},
	{'l', "BIGINT", "0", 20},        {'f', "FLOAT", "0", 700},
	{'d', "DOUBLE", "0", 701},       {'z', "TIMESTAMP WITH TIME ZONE", "NULL", 1184},
	{'v', "INTERVAL", "NULL", 1186}, {'y', "BLOB", "NULL", 17},
	{'x', "UINTEGER[]", "[]", 30},   {'O', "UINTEGER[]", "NULL", 1028},
	{'S', "SMALLINT[]", "NULL", 22}, {'T', "VARCHAR[]", "NULL", 1009},
	{'F', "FLOAT[]", "NULL", 1021},  {'L', "BIGINT", "NULL", 20},
	{'I', "INTEGER", "NULL", 23},    {'D', "DOUBLE", "NULL", 701},
};

static const struct letter *letter_of(char c)
{
	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
		if (letters[i].letter == c)
			return &letters[i];
	return &letters[3];
}

/* The next "name:type" at *at, which moves behind it. False: there is none. */
static bool next_column(const char **at, char room[64], const struct letter **ret_letter)
{
	int used = 0;
	while (**at == ' ')
		*at += 1;
	if (sscanf(*at, "%63[^:]:%n", room, &used) != 1 || used == 0)
		return false;
	*ret_letter = letter_of((*at)[used]);
	*at += used + 1;
	return true;
}

[[gnu::format(printf, 2, 3)]] static void write(struct base_writer *writer, const char *format, ...)
{
	char part[512];
	va_list arguments;
	va_start(arguments, format);
	int bytes = vsnprintf(part, sizeof part, format, arguments);
	va_end(arguments);
	base_write_bytes(writer, part, bytes < (int)sizeof part ? (size_t)bytes : sizeof part - 1);
}

static bool run_written(struct base_writer *writer, bool (*run)(void *context, const char *sql), void *context)
{
	struct base_slice sql = {0};
	base_write_u8(writer, 0);
	bool good = base_writer_take(writer, &sql).code == PYR_OK && run(context, (const char *)sql.data);
	base_slice_release(&sql);
	base_writer_deinit(writer);
	return good;
}

/* CREATE MACRO pyr.x(h) AS TABLE SELECT all columns FROM (our rows UNION ALL BY NAME nothing of all columns). */
static bool build_relation(const struct catalog_relation *relation, bool (*run)(void *context, const char *sql),
                           void *context)
{
	struct base_writer writer;
	const struct letter *letter;
	const char *rows = query_catalog_rows(relation->name), *at;
	char name[64];
	base_writer_init(&writer, STATEMENT_BYTES_MAX);
	write(&writer, "CREATE MACRO pyr.\"%s\"(h) AS TABLE SELECT ", relation->name);
	for (at = relation->columns; next_column(&at, name, &letter);)
		write(&writer, "CAST(coalesce(q.\"%s\", %s) AS %s) AS \"%s\",", name, letter->unsaid, letter->type,
		      name);
	write(&writer, " FROM (");
	if (rows) {
		base_write_bytes(&writer, rows, strlen(rows));
		write(&writer, " UNION ALL BY NAME ");
	}
	write(&writer, "SELECT ");
	for (at = relation->columns; next_column(&at, name, &letter);)
		write(&writer, "NULL::%s AS \"%s\",", letter->type, name);
	write(&writer, " WHERE false) q");
	return run_written(&writer, run, context);
}

/* What pg_class and pg_attribute tell of the system's own relations. */
static bool build_columns(bool (*run)(void *context, const char *sql), void *context)
{
	struct base_writer writer;
	const struct letter *letter;
	char name[64];
	base_writer_init(&writer, STATEMENT_BYTES_MAX);
	write(&writer, "INSERT INTO pyr.attributes VALUES ");
	for (size_t i = 0; i < query_catalog_relation_count; i++) {
		const struct catalog_relation *relation = &query_catalog_relations[i];
		const char *at = relation->columns;
		for (int number = 1; next_column(&at, name, &letter); number++)
			write(&writer, "(%u,'%s',%u,%d),", relation->oid, name, letter->oid, number);
	}
	return run_written(&writer, run, context);
}

/* The oid of a schema. */
static int namespace_of(const char *schema)
{
	if (strcmp(schema, "pg_catalog") == 0)
		return 11;
	return strcmp(schema, "pyralog") == 0 ? 13100 : 13000;
}

static bool build_relations(bool (*run)(void *context, const char *sql), void *context)
{
	struct base_writer writer;
	base_writer_init(&writer, STATEMENT_BYTES_MAX);
	write(&writer, "INSERT INTO pyr.relations VALUES ");
	for (size_t i = 0; i < query_catalog_relation_count; i++) {
		const struct catalog_relation *relation = &query_catalog_relations[i];
		write(&writer, "(%u,'%s',%d,'%c'),", relation->oid, relation->name, namespace_of(relation->schema),
		      relation->kind);
	}
	return run_written(&writer, run, context);
}

bool query_catalog_build(bool (*run)(void *context, const char *sql), void *context)
{
	for (size_t i = 0; i < query_catalog_before_count; i++)
		if (!run(context, query_catalog_before[i]))
			return false;
	if (!build_relations(run, context) || !build_columns(run, context))
		return false;
	for (size_t i = 0; i < query_catalog_relation_count; i++)
		if (!build_relation(&query_catalog_relations[i], run, context))
			return false;
	return true;
}
