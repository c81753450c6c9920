/* COPY's formats, both ways: text, CSV and binary (PostgreSQL 15's documentation of COPY, "File Formats"). Pure.
 *
 * Reading takes bytes as they come, cut anywhere, and gives whole rows. Bounded by the bytes of one row.
 */
#ifndef PYRALOG_SERVER_PG_COPY_H
#define PYRALOG_SERVER_PG_COPY_H

#include "base/cursor.h"
#include "query/cell.h"
#include "query/error.h"
#include "query/plan.h"
#include "query/writes.h"

enum { PG_COPY_ROW_BYTES_MAX = 8 << 20 };

/* ---- reading ---- */

struct pg_copy_in;

/* Called for each row; `fields` live until it returns. */
struct pg_copy_sink {
	pyr_result (*row)(void *context, const struct query_field *fields, struct query_error *error);
	void *context;
};

/* NULL: memory is out. */
struct pg_copy_in *pg_copy_in_new(const struct query_copy *copy, size_t column_count, const struct pg_copy_sink *sink);
void pg_copy_in_free(struct pg_copy_in *in); /* NULL is fine */
/* 22P04: not of the format; 54000: a row too large; or what the sink says. */
pyr_result pg_copy_in_take(struct pg_copy_in *in, struct base_bytes bytes, struct query_error *error);
/* No more comes. */
pyr_result pg_copy_in_end(struct pg_copy_in *in, struct query_error *error);

/* ---- writing ---- */

/* What stands before the first row, a row, what stands behind the last. Fields are written one by one. */
void pg_copy_write_start(struct base_writer *writer, const struct query_copy *copy);
/* A field of text or CSV. `text` NULL data: null. */
void pg_copy_write_field(struct base_writer *writer, const struct query_copy *copy, struct base_bytes text, bool alone);

#endif
