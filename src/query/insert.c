/* Writing: INSERT's rows and COPY's become records, blocks append theirs when they commit (see session.h).
 *
 * Invariants: a statement that fails leaves nothing behind in the block; out of a block, what was answered is durable.
 * In an implicit block INSERT ... RETURNING appends at once, because only the log knows offsets. A session's thread.
 */
#include "query/fields.h"
#include "query/session_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- appending ---- */

pyr_result query_writes_flush(struct query_session *session, struct query_error *error)
{
	struct pyr_error below = {0};
	struct query_writes *writes = &session->writes;
	if (writes->count == 0)
		return pyr_ok();
	pyr_result result = session->run.source->ops->append(session->run.source, &session->principal, writes->records,
	                                                     writes->count, &below);
	if (result.code == PYR_OK)
		return pyr_ok();
	query_writes_cut(writes, 0);
	if (below.code == PYR_OK)
		return query_fail(error, pyr_code_sqlstate(result.code), "%s", pyr_code_text(result.code));
	return query_fail_below(error, &below);
}

/* The block's records, all of which are durable, go; those from `from` on are what RETURNING shows. */
static void keep_returned(struct query_statement *statement, size_t from)
{
	struct query_writes *writes = &statement->session->writes;
	query_writes_deinit(&statement->returned);
	if (statement->plan->insert.return_count > 0) {
		statement->returned = *writes;
		statement->returned.savepoints = NULL;
		statement->returned.savepoint_count = 0;
		writes->records = NULL;
		writes->count = writes->room = writes->bytes = 0;
	}
	query_writes_cut(writes, 0);
	statement->returned_at = from;
	statement->returned_from = from;
}

static pyr_result append_unless_in_block(struct query_statement *statement, size_t from, struct query_error *error)
{
	struct query_session *session = statement->session;
	bool returns = statement->plan->insert.return_count > 0;
	if (session->block == QUERY_BLOCK_EXPLICIT || (session->block == QUERY_BLOCK_IMPLICIT && !returns))
		return pyr_ok();
	PYR_TRY(query_writes_flush(session, error));
	keep_returned(statement, from);
	return pyr_ok();
}

/* ---- rows ---- */

enum { NUMBER_BYTES = 24 };

static struct query_field field_of(const struct query_cell *cell, char room[NUMBER_BYTES])
{
	struct query_field field = {0};
	switch (cell->kind) {
	case QUERY_CELL_NULL:
		return field;
	case QUERY_CELL_INTEGER:
		field.text = (struct base_bytes){
			(const uint8_t *)room, (size_t)snprintf(room, NUMBER_BYTES, "%lld", (long long)cell->integer)};
		return field;
	case QUERY_CELL_TIMESTAMPTZ:
		field.is_time = true;
		field.us = cell->integer;
		return field;
	default:
		assert(cell->kind == QUERY_CELL_TEXT || cell->kind == QUERY_CELL_BYTES);
		field.text = cell->bytes;
		field.is_bytes = cell->kind == QUERY_CELL_BYTES;
		return field;
	}
}

static pyr_result add_rows(struct query_statement *statement, size_t rows, struct query_error *error)
{
	const struct query_insert *insert = &statement->plan->insert;
	struct query_field fields[QUERY_INSERT_COLUMNS_MAX];
	char numbers[QUERY_INSERT_COLUMNS_MAX][NUMBER_BYTES];
	for (size_t row = 0; row < rows; row++) {
		for (size_t i = 0; i < insert->column_count; i++) {
			struct query_cell cell = query_result_cell(statement->result, row, i);
			fields[i] = field_of(&cell, numbers[i]);
		}
		PYR_TRY(query_writes_add(&statement->session->writes, insert, fields, error));
	}
	statement->affected += rows;
	return pyr_ok();
}

static pyr_result add_all(struct query_statement *statement, struct query_error *error)
{
	size_t rows = 1;
	while (rows > 0) {
		if (atomic_load(&statement->session->run.cancelled))
			return query_fail(error, "57014", "canceling statement due to user request");
		PYR_TRY(query_result_next(statement->result, &rows, error));
		PYR_TRY(add_rows(statement, rows, error));
	}
	statement->drained = true;
	return pyr_ok();
}

pyr_result query_insert_run(struct query_statement *statement, struct query_error *error)
{
	struct query_session *session = statement->session;
	size_t from = session->writes.count;
	if (session->block == QUERY_BLOCK_EXPLICIT && statement->plan->insert.return_count > 0)
		return query_fail(error, "0A000",
		                  "RETURNING is not there in a transaction block, whose rows get their offsets when it "
		                  "commits: leave it out, or INSERT without BEGIN");
	pyr_result result = add_all(statement, error);
	query_result_free(statement->result);
	statement->result = NULL;
	if (result.code == PYR_OK)
		result = append_unless_in_block(statement, from, error);
	if (result.code != PYR_OK)
		query_writes_cut(&session->writes, from < session->writes.count ? from : session->writes.count);
	return result;
}

/* ---- COPY ---- */

pyr_result query_statement_add_row(struct query_statement *statement, const struct query_field *fields,
                                   struct query_error *error)
{
	struct query_writes *writes = &statement->session->writes;
	pyr_result result = query_writes_add(writes, &statement->plan->insert, fields, error);
	if (result.code == PYR_OK)
		statement->affected += 1;
	else
		query_statement_drop_rows(statement);
	return result;
}

void query_statement_drop_rows(struct query_statement *statement)
{
	struct query_writes *writes = &statement->session->writes;
	assert(statement->affected <= writes->count);
	query_writes_cut(writes, writes->count - statement->affected);
	statement->affected = 0;
}

pyr_result query_statement_end_rows(struct query_statement *statement, struct query_error *error)
{
	pyr_result result = append_unless_in_block(statement, 0, error);
	if (result.code != PYR_OK)
		statement->affected = 0; /* they are gone */
	return result;
}

/* ---- what it looks like ---- */

const char *query_insert_cast(const struct query_statement *statement, size_t column, bool readable)
{
	uint32_t type = statement->columns[column].type;
	if (statement->plan->insert.columns[column] >= QUERY_WRITE_COLUMNS)
		return "VARCHAR"; /* of what query_insert_type() says */
	switch (statement->plan->insert.columns[column]) {
	case QUERY_WRITE_TIMESTAMP:
		return type == QUERY_TYPE_TIMESTAMPTZ ? NULL : "TIMESTAMP WITH TIME ZONE";
	case QUERY_WRITE_PARTITION:
		return type == QUERY_TYPE_INT4 ? NULL : "INTEGER";
	default:
		return type == QUERY_TYPE_BYTEA || (readable && (type == QUERY_TYPE_TEXT || type == QUERY_TYPE_JSON))
		               ? NULL
		               : "VARCHAR";
	}
}

bool query_insert_type(const struct query_statement *statement, size_t column, char ret_type[QUERY_INSERT_TYPE_BYTES])
{
	const struct query_insert *insert = &statement->plan->insert;
	struct column_field_type type;
	size_t declared = insert->columns[column] - (size_t)QUERY_WRITE_COLUMNS;
	if (insert->columns[column] < QUERY_WRITE_COLUMNS)
		return false;
	const struct catalog_column *to = &insert->declared->list[declared];
	snprintf(ret_type, QUERY_INSERT_TYPE_BYTES, "%s", query_type_engine_name(to->type));
	if (to->type == QUERY_TYPE_NUMERIC && query_field_type(to->type, to->modifier, &type))
		snprintf(ret_type, QUERY_INSERT_TYPE_BYTES, "DECIMAL(%u,%u)", type.precision, type.scale);
	return true;
}

/* Its columns are RETURNING's from now on. */
pyr_result query_insert_describe(struct query_statement *statement, struct query_error *error)
{
	static const uint32_t types[QUERY_RETURN_COLUMNS] = {
		[QUERY_RETURN_OFFSET] = QUERY_TYPE_INT8,
		[QUERY_RETURN_PARTITION] = QUERY_TYPE_INT4,
		[QUERY_RETURN_TIMESTAMP] = QUERY_TYPE_TIMESTAMPTZ,
		[QUERY_RETURN_KEY] = QUERY_TYPE_TEXT,
		[QUERY_RETURN_VALUE] = QUERY_TYPE_TEXT,
	};
	const struct query_insert *insert = &statement->plan->insert;
	struct query_column *columns = calloc(insert->return_count + 1, sizeof *columns);
	if (!columns)
		return query_fail_memory(error);
	for (size_t i = 0; i < statement->column_count; i++)
		free(statement->columns[i].name);
	free(statement->columns);
	statement->columns = columns;
	statement->column_count = insert->return_count;
	for (size_t i = 0; i < insert->return_count; i++) {
		columns[i] = (struct query_column){strdup(insert->return_names[i]), types[insert->returning[i]], -1};
		if (!columns[i].name)
			return query_fail_memory(error);
	}
	return pyr_ok();
}

struct query_cell query_insert_cell(const struct query_statement *statement, size_t row, size_t column)
{
	const struct query_record *record = &statement->returned.records[statement->returned_from + row];
	switch (statement->plan->insert.returning[column]) {
	case QUERY_RETURN_OFFSET:
		return (struct query_cell){.kind = QUERY_CELL_INTEGER, .integer = record->offset};
	case QUERY_RETURN_PARTITION:
		return (struct query_cell){.kind = QUERY_CELL_INTEGER, .integer = record->partition};
	case QUERY_RETURN_TIMESTAMP:
		return (struct query_cell){.kind = QUERY_CELL_TIMESTAMPTZ, .integer = record->timestamp_ms * 1000};
	case QUERY_RETURN_KEY:
		return (struct query_cell){.kind = record->key.data ? QUERY_CELL_TEXT : QUERY_CELL_NULL,
		                           .bytes = record->key};
	default:
		return (struct query_cell){.kind = record->value.data ? QUERY_CELL_TEXT : QUERY_CELL_NULL,
		                           .bytes = record->value};
	}
}

/* ---- transactions ---- */

void query_session_begin(struct query_session *session, enum query_block block)
{
	assert(block != QUERY_BLOCK_NONE);
	session->block = block;
}

static void end(struct query_session *session, bool committed)
{
	query_writes_cut(&session->writes, 0);
	query_writes_forget_savepoints(&session->writes);
	query_settings_end_block(session->settings, committed);
	session->block = QUERY_BLOCK_NONE;
}

pyr_result query_session_commit(struct query_session *session, struct query_error *error)
{
	pyr_result result = query_writes_flush(session, error);
	end(session, result.code == PYR_OK);
	return result;
}

void query_session_rollback(struct query_session *session)
{
	end(session, false);
}

pyr_result query_session_savepoint(struct query_session *session, const struct query_statement *statement,
                                   struct query_error *error)
{
	const char *name = statement->plan->name;
	if (session->block != QUERY_BLOCK_EXPLICIT)
		return query_fail(error, "25P01", "%s can only be used in transaction blocks",
		                  statement->plan->kind == QUERY_KIND_RELEASE       ? "RELEASE SAVEPOINT"
		                  : statement->plan->kind == QUERY_KIND_ROLLBACK_TO ? "ROLLBACK TO SAVEPOINT"
		                                                                    : "SAVEPOINT");
	if (statement->plan->kind == QUERY_KIND_SAVEPOINT)
		return query_writes_savepoint(&session->writes, name, error);
	return statement->plan->kind == QUERY_KIND_RELEASE ? query_writes_release(&session->writes, name, error)
	                                                   : query_writes_rollback_to(&session->writes, name, error);
}
