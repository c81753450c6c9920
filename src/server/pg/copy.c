/* COPY as a conversation: CopyOutResponse and rows, or CopyInResponse and what the client sends (see backend_priv.h).
 *
 * Invariant: a COPY FROM that fails, or whose client gives up, leaves no row behind.
 */
#include "server/pg/backend_priv.h"

#include "server/pg/values.h"

#include <stdlib.h>
#include <string.h>

enum { FIELD_BYTES_MAX = 256 << 20 };

static void write_response(struct pg_backend *backend, char type, const struct query_copy *copy, size_t columns)
{
	bool binary = copy->format == QUERY_COPY_BINARY;
	size_t at = pg_message_begin(&backend->output, type);
	base_write_u8(&backend->output, binary);
	base_write_u16be(&backend->output, (uint16_t)columns);
	for (size_t i = 0; i < columns; i++)
		base_write_u16be(&backend->output, binary);
	pg_message_end(&backend->output, at);
}

/* ---- out ---- */

static void write_text(struct pg_backend *backend, const struct query_copy *copy, const struct query_cell *cell,
                       struct base_writer *scratch, bool alone)
{
	struct base_slice text = {0};
	if (cell->kind == QUERY_CELL_NULL || cell->kind == QUERY_CELL_TEXT) {
		pg_copy_write_field(&backend->output, copy, cell->bytes, alone);
		return;
	}
	pg_value_write_text(scratch, cell);
	if (base_writer_take(scratch, &text).code != PYR_OK)
		backend->output.failed = true;
	else
		pg_copy_write_field(&backend->output, copy, (struct base_bytes){text.data, text.bytes}, alone);
	base_slice_release(&text);
}

static pyr_result write_row(struct pg_backend *backend, const struct query_statement *query, size_t row,
                            struct base_writer *scratch, struct query_error *error)
{
	const struct query_copy *copy = &query_statement_plan(query)->copy;
	size_t count = query_statement_column_count(query), start = backend->output.bytes;
	size_t at = pg_message_begin(&backend->output, 'd');
	bool binary = copy->format == QUERY_COPY_BINARY;
	if (binary)
		base_write_u16be(&backend->output, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		struct query_cell cell = query_statement_cell(query, row, i);
		if (binary) {
			pyr_result result = pg_value_write(&backend->output, cell,
			                                   query_statement_column(query, i)->type, true, error);
			if (result.code != PYR_OK)
				return pg_check_row(backend, start, result, error);
			continue;
		}
		base_write_bytes(&backend->output, &copy->delimiter, i > 0);
		write_text(backend, copy, &cell, scratch, count == 1);
	}
	base_write_bytes(&backend->output, "\n", !binary);
	pg_message_end(&backend->output, at);
	return pg_check_row(backend, start, pyr_ok(), error);
}

static void write_header(struct pg_backend *backend, const struct query_statement *query)
{
	const struct query_copy *copy = &query_statement_plan(query)->copy;
	size_t count = query_statement_column_count(query);
	if (copy->format != QUERY_COPY_BINARY && !copy->header)
		return;
	size_t at = pg_message_begin(&backend->output, 'd');
	pg_copy_write_start(&backend->output, copy);
	for (size_t i = 0; i < count && copy->format != QUERY_COPY_BINARY; i++) {
		const char *name = query_statement_column(query, i)->name;
		base_write_bytes(&backend->output, i > 0 ? &copy->delimiter : "", i > 0);
		pg_copy_write_field(&backend->output, copy, (struct base_bytes){(const uint8_t *)name, strlen(name)},
		                    count == 1);
	}
	base_write_bytes(&backend->output, "\n", copy->format != QUERY_COPY_BINARY);
	pg_message_end(&backend->output, at);
}

static pyr_result send_rows(struct pg_backend *backend, struct query_statement *query, uint64_t *ret_total,
                            struct query_error *error)
{
	struct base_writer scratch;
	size_t rows = 1, start = 0;
	pyr_result result = pyr_ok();
	base_writer_init(&scratch, FIELD_BYTES_MAX);
	while (rows > 0 && result.code == PYR_OK && !backend->gone) {
		result = query_statement_next(query, &rows, error);
		for (size_t row = 0; row < rows && result.code == PYR_OK && !backend->gone; row++) {
			start = backend->output.bytes;
			result = write_row(backend, query, row, &scratch, error);
			if (result.code != PYR_OK)
				backend->output.bytes = start; /* half a row is none */
			*ret_total += result.code == PYR_OK;
			(void)pg_backend_flush_if_full(backend);
		}
	}
	base_writer_deinit(&scratch);
	return result;
}

pyr_result pg_copy_out(struct pg_backend *backend, struct query_statement *query, struct query_error *error)
{
	const struct query_copy *copy = &query_statement_plan(query)->copy;
	uint64_t total = 0;
	write_response(backend, 'H', copy, query_statement_column_count(query));
	write_header(backend, query);
	PYR_TRY(send_rows(backend, query, &total, error));
	if (copy->format == QUERY_COPY_BINARY) {
		size_t at = pg_message_begin(&backend->output, 'd');
		base_write_u16be(&backend->output, UINT16_MAX);
		pg_message_end(&backend->output, at);
	}
	pg_message_empty(&backend->output, 'c');
	pg_complete(backend, query, total);
	return pyr_ok();
}

/* ---- in ---- */

static pyr_result on_row(void *context, const struct query_field *fields, struct query_error *error)
{
	struct pg_backend *backend = context;
	return query_statement_add_row(backend->copy_query, fields, error);
}

pyr_result pg_copy_begin(struct pg_backend *backend, struct query_statement *query, struct query_error *error)
{
	const struct query_plan *plan = query_statement_plan(query);
	struct pg_copy_sink sink = {on_row, backend};
	backend->copying = pg_copy_in_new(&plan->copy, plan->insert.column_count, &sink);
	if (!backend->copying)
		return query_fail_memory(error);
	backend->copy_query = query;
	write_response(backend, 'G', &plan->copy, plan->insert.column_count);
	return pg_backend_flush(backend) ? pyr_ok() : query_fail(error, "08006", "the client is gone");
}

void pg_copy_end(struct pg_backend *backend)
{
	pg_copy_in_free(backend->copying);
	if (backend->copy_owned)
		query_statement_free(backend->copy_query);
	backend->copying = NULL;
	backend->copy_query = NULL;
	backend->copy_owned = false;
}

static pyr_result finish(struct pg_backend *backend, struct query_error *error)
{
	PYR_TRY(pg_copy_in_end(backend->copying, error));
	uint64_t rows = query_statement_affected(backend->copy_query);
	PYR_TRY(query_statement_end_rows(backend->copy_query, error));
	pg_complete(backend, backend->copy_query, rows);
	return pyr_ok();
}

pyr_result pg_copy_message(struct pg_backend *backend, char type, struct base_bytes body, bool *ret_done,
                           struct query_error *error)
{
	pyr_result result = pyr_ok();
	*ret_done = type != 'd';
	if (type == 'd')
		result = pg_copy_in_take(backend->copying, body, error);
	else if (type == 'c')
		result = finish(backend, error);
	else if (type == 'f')
		result = query_fail(error, "57014", "COPY from stdin failed: %.*s",
		                    (int)strnlen((const char *)body.data, body.bytes), (const char *)body.data);
	else
		result = query_fail(error, "08P01", "unexpected message type 0x%02x during COPY from stdin",
		                    (unsigned char)type);
	if (result.code != PYR_OK)
		query_statement_drop_rows(backend->copy_query);
	if (result.code != PYR_OK || *ret_done)
		pg_copy_end(backend);
	*ret_done = *ret_done || result.code != PYR_OK;
	return result;
}
