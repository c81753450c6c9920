/* Rows on their way out: RowDescription, DataRow, CommandComplete (see backend_priv.h). */
#include "server/pg/backend_priv.h"

#include "server/pg/values.h"

#include <stdio.h>
#include <string.h>

bool pg_gives_rows(const struct query_statement *query)
{
	switch (query_statement_kind(query)) {
	case QUERY_KIND_ROWS:
	case QUERY_KIND_EXPLAIN:
		return true;
	case QUERY_KIND_INSERT:
		return query_statement_column_count(query) > 0;
	default:
		return false;
	}
}

void pg_describe_rows(struct pg_backend *backend, const struct query_statement *query, const struct pg_shape *shape)
{
	size_t count = query_statement_column_count(query), at = pg_message_begin(&backend->output, 'T');
	base_write_u16be(&backend->output, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		const struct query_column *column = query_statement_column(query, i);
		pg_write_string(&backend->output, column->name);
		base_write_u32be(&backend->output, 0); /* of no table */
		base_write_u16be(&backend->output, 0);
		base_write_u32be(&backend->output, column->type);
		base_write_u16be(&backend->output, (uint16_t)query_type_bytes(column->type));
		base_write_u32be(&backend->output, (uint32_t)column->modifier);
		base_write_u16be(&backend->output, pg_format_is_binary(shape->formats, shape->format_count, i));
	}
	pg_message_end(&backend->output, at);
}

pyr_result pg_check_row(struct pg_backend *backend, size_t start, pyr_result result, struct query_error *error)
{
	if (result.code == PYR_OK && !backend->output.failed)
		return result;
	backend->output.bytes = start;
	if (!backend->output.failed)
		return result;
	backend->output.failed = false;
	return query_fail(error, "54000", "a row is larger than %d MiB, or memory is out", PG_ROW_BYTES_MAX >> 20);
}

static pyr_result write_row(struct pg_backend *backend, const struct query_statement *query, size_t row,
                            const struct pg_shape *shape, struct query_error *error)
{
	size_t count = query_statement_column_count(query), start = backend->output.bytes;
	size_t at = pg_message_begin(&backend->output, 'D');
	base_write_u16be(&backend->output, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		pyr_result result = pg_value_write(&backend->output, query_statement_cell(query, row, i),
		                                   query_statement_column(query, i)->type,
		                                   pg_format_is_binary(shape->formats, shape->format_count, i), error);
		if (result.code != PYR_OK)
			return pg_check_row(backend, start, result, error);
	}
	pg_message_end(&backend->output, at);
	return pg_check_row(backend, start, pyr_ok(), error);
}

void pg_complete(struct pg_backend *backend, const struct query_statement *query, uint64_t rows)
{
	char tag[64];
	const char *name = query_statement_tag(query);
	unsigned long long count = (unsigned long long)rows;
	switch (query_statement_kind(query)) {
	case QUERY_KIND_INSERT:
		snprintf(tag, sizeof tag, "%s 0 %llu", name, (unsigned long long)query_statement_affected(query));
		break;
	case QUERY_KIND_DECLARE: /* its rows */
		snprintf(tag, sizeof tag, "FETCH %llu", count);
		break;
	case QUERY_KIND_FETCH:
	case QUERY_KIND_COPY_OUT:
	case QUERY_KIND_COPY_IN:
		snprintf(tag, sizeof tag, "%s %llu", name, count);
		break;
	case QUERY_KIND_ROWS:
		snprintf(tag, sizeof tag, strcmp(name, "SELECT") == 0 ? "%s %llu" : "%s", name, count);
		break;
	default:
		snprintf(tag, sizeof tag, "%s", name);
	}
	pg_write_complete(&backend->output, tag);
}

pyr_result pg_send_all(struct pg_backend *backend, struct query_statement *query, const struct pg_shape *shape,
                       struct query_error *error)
{
	size_t rows = 1;
	uint64_t total = 0;
	if (shape->described)
		pg_describe_rows(backend, query, shape);
	while (rows > 0) {
		if (query_statement_is_endless(query) && !pg_backend_flush(backend))
			return pyr_ok();
		PYR_TRY(query_statement_next(query, &rows, error));
		for (size_t row = 0; row < rows; row++) {
			PYR_TRY(write_row(backend, query, row, shape, error));
			if (!pg_backend_flush_if_full(backend))
				return pyr_ok();
		}
		total += rows;
	}
	pg_complete(backend, query, total);
	return pyr_ok();
}

pyr_result pg_send_rows(struct pg_backend *backend, struct portal *portal, uint64_t most, bool moves,
                        const struct pg_shape *shape, bool *ret_more, struct query_error *error)
{
	struct query_statement *query = pg_portal_query(portal);
	for (uint64_t sent = 0;; sent++) {
		if (portal->chunk_at == portal->chunk_rows) {
			if (sent == most && portal->own) { /* no need to know whether there are more */
				*ret_more = true;
				return pyr_ok();
			}
			portal->chunk_at = 0;
			if (query_statement_is_endless(query) && !pg_backend_flush(backend))
				return pyr_ok();
			PYR_TRY(query_statement_next(query, &portal->chunk_rows, error));
			if (portal->chunk_rows == 0)
				return pyr_ok();
		}
		if (sent == most) {
			*ret_more = true;
			return pyr_ok();
		}
		if (!moves)
			PYR_TRY(write_row(backend, query, portal->chunk_at, shape, error));
		portal->chunk_at += 1;
		portal->rows += 1;
		if (!pg_backend_flush_if_full(backend))
			return pyr_ok();
	}
}
