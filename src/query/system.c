/* Relations of the system, as far as they are there: a list of topics for clients that look before they ask.
 *
 * information_schema.tables and the three relations that psql's \dt joins are views of our own over the topics; a few
 * others are the engine's, which knows none of our topics but has the columns that drivers ask for. The rest of
 * pg_catalog is not there. Object ids are PostgreSQL's where it fixes them (src/include/catalog, *.dat).
 */
#include "query/plan_priv.h"

#include <stdio.h>
#include <string.h>

#define TOPICS "pyralog_topics(%llu)"

static const struct {
	const char *schema, *name;
	const char *view; /* with one %llu for the handle, or none; NULL: the engine's */
} relations[] = {
	{"information_schema", "tables", TOPICS},
	{"pg_catalog", "pg_tables",
         "(SELECT table_schema AS schemaname, table_name AS tablename, 'pyralog' AS tableowner FROM " TOPICS ")"},
	{"pg_catalog", "pg_class",
         "(SELECT 16384 + row_number() OVER (ORDER BY table_name) AS oid, table_name AS relname, 2200 AS relnamespace, "
         "10 AS relowner, 2 AS relam, 'r' AS relkind, 'p' AS relpersistence, false AS relispartition, "
         "false AS relhasindex, false AS relhasrules, false AS relhastriggers, 0 AS reltoastrelid FROM " TOPICS ")"},
	{"pg_catalog", "pg_namespace", "(SELECT 2200 AS oid, 'public' AS nspname, 10 AS nspowner)"},
	{"pg_catalog", "pg_am", "(SELECT 2 AS oid, 'heap' AS amname)"},
	{"pg_catalog", "pg_database",
         "(SELECT 5 AS oid, 'pyralog' AS datname, 10 AS datdba, 6 AS encoding, 'C' AS datcollate, 'C.UTF-8' AS "
         "datctype, "
         "true AS datallowconn, false AS datistemplate)"},
	{"pg_catalog", "pg_type", NULL},
	{"pg_catalog", "pg_attribute", NULL},
	{"pg_catalog", "pg_proc", NULL},
	{"pg_catalog", "pg_index", NULL},
	{"pg_catalog", "pg_constraint", NULL},
	{"pg_catalog", "pg_views", NULL},
	{"pg_catalog", "pg_enum", NULL},
	{"pg_catalog", "pg_description", NULL},
	{"pg_catalog", "pg_attrdef", NULL},
	{"information_schema", "columns", NULL},
	{"information_schema", "schemata", NULL},
	{"information_schema", "table_constraints", NULL},
	{"information_schema", "key_column_usage", NULL},
};

bool query_system_relation(const char *schema, const char *name, uint64_t handle, char *room, size_t room_bytes)
{
	for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
		/* Without a schema pg_catalog is looked through, as PostgreSQL does. */
		if (strcmp(relations[i].name, name) != 0 ||
		    strcmp(relations[i].schema, schema ? schema : "pg_catalog") != 0)
			continue;
		room[0] = 0;
		if (relations[i].view && strstr(relations[i].view, "%llu"))
			snprintf(room, room_bytes, "%.*s%llu%s",
			         (int)(strstr(relations[i].view, "%llu") - relations[i].view), relations[i].view,
			         (unsigned long long)handle, strstr(relations[i].view, "%llu") + 4);
		else if (relations[i].view)
			snprintf(room, room_bytes, "%s", relations[i].view);
		return true;
	}
	return false;
}
