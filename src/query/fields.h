/* Declared columns on their way from the catalog into the engine: which types there are, and a text that carries them.
 *
 * A statement keeps the columns it was planned with, as text in its calls of the scan functions: a column that is declared
 * or dropped meanwhile changes nothing for it. Pure; any thread.
 */
#ifndef PYRALOG_QUERY_FIELDS_H
#define PYRALOG_QUERY_FIELDS_H

#include "catalog/columns.h"
#include "column/field.h"
#include "query/error.h"

#include <stdbool.h>

struct query_field_column {
	char *name, *path;
	uint32_t oid;
	struct column_field_type type;
};

struct query_fields {
	struct query_field_column *list;
	size_t count;
};

/* False: a topic's column can't have this type. */
bool query_field_type(uint32_t oid, int32_t modifier, struct column_field_type *ret_type);
/* 0: no type that a column can have. Types that are shown as another become that one. */
uint32_t query_field_type_named(const char *name);
/* What the column makes of a field, as far as it may be shown: text has to be text. As column_field_convert(). */
enum column_fit query_field_convert(const struct query_field_column *column, const struct column_json *field,
                                    struct base_writer *scratch, union column_field_value *ret_value);
/* As a literal for the engine, in quotes; for the caller to free(). NULL: memory is out. */
char *query_fields_literal(const struct catalog_columns *columns);
/* What stands in the literal. False: memory is out, or it is something else. */
bool query_fields_read(const char *text, struct query_fields *ret_fields);
void query_fields_deinit(struct query_fields *fields); /* a zeroed one is fine */

#endif
