/* Columns declared over a topic's values: which JSON field each reads, and of which type.
 *
 * A column's number is its own for ever: a dropped one's is never given again, so that whoever keeps numbers (PostgreSQL's
 * attnum) is not misled. What a type means is known above (query/types.h): here it is PostgreSQL's object id. Owner: the
 * catalog's thread. docs/formats/catalog.md.
 */
#ifndef PYRALOG_CATALOG_COLUMNS_H
#define PYRALOG_CATALOG_COLUMNS_H

#include "base/cursor.h"
#include "base/error.h"

#include <stdint.h>

enum {
	CATALOG_COLUMNS_MAX = 256, /* of a topic, dropped ones too */
	CATALOG_COLUMN_NAME_MAX = 63,
	CATALOG_COLUMN_PATH_MAX = 255,
	CATALOG_COLUMN_ACTIONS_BYTES_MAX = 1 << 17,
};

struct catalog_column {
	char name[CATALOG_COLUMN_NAME_MAX + 1];
	char path[CATALOG_COLUMN_PATH_MAX + 1]; /* of the field: "a.b[0]" */
	uint32_t type;
	int32_t modifier; /* PostgreSQL's typmod; -1: none */
	uint16_t number; /* from 1; 0 in an action: the next one */
};

/* Of one topic, in the order of their numbers. */
struct catalog_columns {
	struct catalog_column *list;
	size_t count;
	uint16_t last_number; /* given out so far */
};

void catalog_columns_free(struct catalog_columns *columns); /* of the heap; NULL is fine */

pyr_result catalog_columns_copy(const struct catalog_columns *columns, struct catalog_columns **ret_columns);

/* ---- actions: what an event of the catalog does to them ---- */

enum catalog_column_action {
	CATALOG_COLUMN_ADD = 1,
	CATALOG_COLUMN_DROP = 2, /* by name */
	CATALOG_COLUMN_FLOOR = 3, /* numbers up to `number` are taken */
};

void catalog_column_action_write(struct base_writer *writer, enum catalog_column_action action,
                                 const struct catalog_column *column);
/* The actions that would make these columns. */
void catalog_columns_write(struct base_writer *writer, const struct catalog_columns *columns);
/* All of them or none. *columns is replaced (NULL: there are none). PYR_CORRUPT: these are no actions; PYR_EXISTS: a
 * column of that name is there; PYR_NOT_FOUND: there is none to drop; PYR_TOO_LARGE: too many. */
pyr_result catalog_columns_apply(struct catalog_columns **columns, struct base_bytes actions);

#endif
