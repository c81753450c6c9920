/* A result as a file of Apache Arrow's IPC format, a lot of rows a record batch (Feather version 2 is the same).
 *
 * bool, int2, int4, int8, oid, float4, float8, numeric (decimal128(38, 16)), bytea, date (date32), timestamp and timestamptz
 * (microseconds; UTC) become Arrow's own types, all others utf8 with PostgreSQL's text: as the library's (pyralog.h).
 */
#ifndef PYRALOG_SHELL_ARROW_FILE_H
#define PYRALOG_SHELL_ARROW_FILE_H

#include "shell/table.h"

/* The rows that were not written yet; the file's beginning in front of the first. What can't be written is told in
 * table->problem, and nothing more is. */
void shell_arrow_write_rows(struct shell_table *table, FILE *out);
void shell_arrow_write_end(struct shell_table *table, FILE *out);
void shell_arrow_free(struct shell_arrow *arrow); /* NULL is fine */

#endif
