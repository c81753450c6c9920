/* EXPLAIN: what the statement reads of each topic, then the engine's plan, a line a row.
 *
 * The scans are opened as for the statement itself, so what is told of segments is what was decided. Failure modes: the
 * engine's. A session's thread.
 */
#include "query/session_priv.h"

#include "base/cursor.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXPLAIN_BYTES_MAX = 1 << 24 };

[[gnu::format(printf, 2, 3)]] static void write(struct base_writer *writer, const char *format, ...)
{
	char part[512];
	va_list arguments;
	va_start(arguments, format);
	int bytes = vsnprintf(part, sizeof part, format, arguments);
	va_end(arguments);
	base_write_bytes(writer, part, bytes < (int)sizeof part ? (size_t)bytes : sizeof part - 1);
}

static void write_range(struct base_writer *writer, const char *name, int64_t least, int64_t greatest, int64_t none_min,
                        int64_t none_max)
{
	if (least <= none_min && greatest >= none_max)
		return;
	write(writer, "  Bounds of %s:", name);
	if (least > none_min)
		write(writer, " from %lld", (long long)least);
	if (greatest < none_max)
		write(writer, " to %lld", (long long)greatest);
	write(writer, "\n");
}

static void write_scan(struct base_writer *writer, const struct query_scan_request *request)
{
	const struct column_bounds *bounds = &request->bounds, all = column_bounds_all();
	struct column_scan_statistics read = column_scan_statistics_get(request->scan);
	write(writer, "Scan of topic %s\n", request->topic);
	write_range(writer, "offset", bounds->offset_min, bounds->offset_max, all.offset_min, all.offset_max);
	write_range(writer, "partition", bounds->partition_min, bounds->partition_max, all.partition_min,
	            all.partition_max);
	write_range(writer, "timestamp, in ms", bounds->timestamp_ms_min, bounds->timestamp_ms_max,
	            all.timestamp_ms_min, all.timestamp_ms_max);
	write(writer, "  Partitions with rows: %llu\n", (unsigned long long)read.partitions);
	write(writer, "  Segments: %llu read, %llu pruned\n", (unsigned long long)read.segments_read,
	      (unsigned long long)read.segments_pruned);
	write(writer, "  Hot rows: up to %llu, in %llu batches\n", (unsigned long long)read.hot_rows,
	      (unsigned long long)read.hot_batches);
	write(writer, "  Bytes: %llu sealed, %llu hot\n", (unsigned long long)read.sealed_bytes,
	      (unsigned long long)read.hot_bytes);
	write(writer, "  Rows: up to %llu\n", (unsigned long long)column_scan_row_estimate(request->scan));
}

/* All of the engine's answer; its last column is the text. */
static pyr_result write_plan(struct query_statement *statement, struct base_writer *writer, struct query_error *error)
{
	size_t rows = 0;
	for (;;) {
		PYR_TRY(query_result_next(statement->result, &rows, error));
		if (rows == 0)
			return pyr_ok();
		for (size_t i = 0; i < rows; i++) {
			struct query_cell cell = query_result_cell(statement->result, i, statement->first_column);
			base_write_bytes(writer, cell.bytes.data, cell.bytes.bytes);
			write(writer, "\n");
		}
	}
}

pyr_result query_explain_run(struct query_statement *statement, struct query_error *error)
{
	struct base_writer writer;
	struct query_run *run = &statement->session->run;
	base_writer_init(&writer, EXPLAIN_BYTES_MAX);
	for (size_t i = 0; i < statement->plan->scan_count; i++)
		write_scan(&writer, &statement->requests[i]);
	pyr_result result = write_plan(statement, &writer, error);
	statement->drained = result.code == PYR_OK;
	query_result_free(statement->result);
	statement->result = NULL;
	unsigned long long misfits = (unsigned long long)atomic_load(&run->misfits);
	if (misfits > 0)
		write(&writer, "Values that did not fit their columns: %llu\n", misfits);
	if (result.code == PYR_OK && base_writer_take(&writer, &statement->explained).code != PYR_OK)
		result = query_fail_memory(error);
	statement->explained_at = 0;
	base_writer_deinit(&writer);
	return result;
}

/* ---- its rows ---- */

size_t query_explain_next(struct query_statement *statement)
{
	size_t count = 0;
	const char *text = (const char *)statement->explained.data;
	for (statement->line_count = 0;
	     count < QUERY_EXPLAIN_LINES && statement->explained_at < statement->explained.bytes;) {
		size_t left = statement->explained.bytes - statement->explained_at;
		const char *from = text + statement->explained_at, *end = memchr(from, '\n', left);
		size_t bytes = end ? (size_t)(end - from) : left;
		statement->explained_at += bytes + (end != NULL);
		if (bytes > 0)
			statement->lines[count++] = (struct base_bytes){(const uint8_t *)from, bytes};
	}
	statement->line_count = count;
	return count;
}

struct query_cell query_explain_cell(const struct query_statement *statement, size_t row)
{
	assert(row < statement->line_count);
	return (struct query_cell){.kind = QUERY_CELL_TEXT, .bytes = statement->lines[row]};
}
