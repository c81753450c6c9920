/* pg_catalog and information_schema, made of tables of facts: relations, columns, rows.
 *
 * A relation becomes a table macro of the engine, pyr.NAME(handle), with all its columns in PostgreSQL's order; what our
 * rows do not say is zero, false or null. Pure but for query_catalog_build(), which runs once, when the engine opens.
 */
#ifndef PYRALOG_QUERY_CATALOG_H
#define PYRALOG_QUERY_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct catalog_relation {
	const char *schema, *name;
	uint32_t oid;
	char kind; /* relkind: 'r', 'v' */
	const char *columns; /* "name:type name:type" */
};

extern const struct catalog_relation query_catalog_relations[];
extern const size_t query_catalog_relation_count;

/* NULL: it is empty. A query that may use `h`, the session's handle. */
const char *query_catalog_rows(const char *name);

/* Plain SQL that runs before and behind the relations are made. */
extern const char *const query_catalog_before[];
extern const size_t query_catalog_before_count;

/* Gives every statement to `run`; false as soon as it does, or when memory is out. */
bool query_catalog_build(bool (*run)(void *context, const char *sql), void *context);

#endif
