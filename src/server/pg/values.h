/* Values as they travel: cells to PostgreSQL's text and binary formats, binary parameters to text. Pure; any thread.
 *
 * Source: PostgreSQL 15, the _out, _send and _recv functions of each type (src/backend/utils/adt).
 */
#ifndef PYRALOG_SERVER_PG_VALUES_H
#define PYRALOG_SERVER_PG_VALUES_H

#include "base/cursor.h"
#include "query/cell.h"
#include "query/error.h"

#include <stdbool.h>

/* A DataRow's field: length and bytes, -1 for null. `type` is the column's. 2202E: an array with rows of several
 * lengths, in binary. */
pyr_result pg_value_write(struct base_writer *writer, struct query_cell cell, uint32_t type, bool binary,
                          struct query_error *error);

/* The text alone, as COPY writes it; not of a null. */
void pg_value_write_text(struct base_writer *writer, const struct query_cell *cell);

/* Appends a parameter, as the engine reads its text. 22P03: not a value of this type in binary. */
pyr_result pg_parameter_write(struct base_writer *writer, struct base_bytes value, uint32_t type, bool binary,
                              struct query_error *error);

#endif
