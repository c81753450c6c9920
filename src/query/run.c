/* Statements run: started with their parameters, read, stopped.
 *
 * Invariants: one statement of a session runs at a time; its scans live from start to stop and are freed after the engine's
 * result, which reads them. A session's thread.
 */
#include "query/session_priv.h"

#include <assert.h>
#include <string.h>

/* An interruption has one SQLSTATE, and two reasons. */
static pyr_result explain(const struct query_session *session, pyr_result result, struct query_error *error)
{
	if (result.code != PYR_OK && atomic_load(&session->run.timed_out) && strcmp(error->sqlstate, "57014") == 0)
		return query_fail(error, "57014", "canceling statement due to statement timeout");
	return result;
}

static pyr_result check_count(const struct query_statement *statement, size_t count, struct query_error *error)
{
	if (count == 0 && statement->plan->parameter_count > 0)
		return query_fail(error, "42P02", "there is no parameter $1");
	if (count != statement->plan->parameter_count)
		return query_fail(error, "08P01", "the statement has %zu parameters, %zu were given",
		                  statement->plan->parameter_count, count);
	return pyr_ok();
}

static pyr_result bind_all(struct query_statement *statement, const struct base_bytes *parameters, size_t count,
                           struct query_error *error)
{
	PYR_TRY(query_statement_widen(statement, parameters, count, error));
	PYR_TRY(query_statement_prepare(statement, error));
	for (size_t i = 0; i < count; i++)
		PYR_TRY(query_prepared_bind(statement->prepared, i + 1, parameters[i], error));
	return pyr_ok();
}

static pyr_result declare_columns(struct query_session *session, const struct query_plan *plan,
                                  struct query_error *error)
{
	struct pyr_error below = {0};
	struct base_bytes actions = {plan->actions.data, plan->actions.bytes};
	const char *topic = plan->insert.topic;
	if (session->block == QUERY_BLOCK_EXPLICIT)
		return query_fail(error, "25001", "ALTER TOPIC cannot run inside a transaction block");
	if (actions.bytes == 0)
		return pyr_ok();
	pyr_result result = session->run.source->ops->topic_declare(session->run.source, &session->principal, topic,
	                                                            actions, &below);
	if (result.code == PYR_EXISTS)
		return query_fail(error, "42701", "a column of relation \"%s\" already exists", topic);
	if (result.code == PYR_NOT_FOUND)
		return query_fail(error, "42703", "a column of relation \"%s\" does not exist", topic);
	if (result.code == PYR_TOO_LARGE)
		return query_fail(error, "54011", "a topic can have up to %d columns, dropped ones too",
		                  CATALOG_COLUMNS_MAX);
	return result.code == PYR_OK ? result : query_fail_below(error, &below);
}

/* What needs no engine. */
static pyr_result carry_out(struct query_statement *statement, struct query_error *error)
{
	const struct query_plan *plan = statement->plan;
	struct query_session *session = statement->session;
	if (plan->kind == QUERY_KIND_SET)
		return query_settings_set(session->settings, plan->name, plan->value, plan->local,
		                          session->block != QUERY_BLOCK_NONE, error);
	if (plan->kind == QUERY_KIND_ALTER_TOPIC)
		return declare_columns(session, plan, error);
	if (plan->kind == QUERY_KIND_RESET_ALL || plan->kind == QUERY_KIND_DISCARD)
		query_settings_reset(session->settings);
	return pyr_ok();
}

/* Everything was looked at before: see prompt.c. */
static pyr_result start_ready(struct query_statement *statement, const struct base_bytes *parameters, size_t count,
                              struct query_error *error)
{
	bool begun;
	statement->ready = false;
	PYR_TRY(query_direct_begin(statement, parameters, count, &begun, error));
	assert(begun);
	return pyr_ok();
}

static pyr_result start(struct query_statement *statement, const struct base_bytes *parameters, size_t count,
                        struct query_error *error)
{
	statement->affected = 0;
	statement->session->run.in_block = statement->session->block != QUERY_BLOCK_NONE;
	if (!statement->plan->sql)
		return carry_out(statement, error);
	if (statement->ready)
		return start_ready(statement, parameters, count, error);
	PYR_TRY(check_count(statement, count, error));
	bool direct = query_direct_suits(statement, parameters, count), begun = false;
	if (!direct)
		PYR_TRY(bind_all(statement, parameters, count, error));
	if (statement->plan->tail.on)
		return query_tail_begin(statement, error);
	PYR_TRY(query_statement_open_admitted(statement, parameters, count, error));
	if (direct) {
		PYR_TRY(query_direct_begin(statement, parameters, count, &begun, error));
		if (begun)
			return pyr_ok();
		PYR_TRY(bind_all(statement, parameters, count, error));
	}
	atomic_store(&statement->session->run.misfits, 0);
	PYR_TRY(query_result_new(statement->prepared, &statement->result, error));
	if (statement->plan->kind == QUERY_KIND_EXPLAIN)
		return query_explain_run(statement, error);
	return statement->plan->kind == QUERY_KIND_INSERT ? query_insert_run(statement, error) : pyr_ok();
}

pyr_result query_statement_start(struct query_statement *statement, const struct base_bytes *parameters,
                                 size_t parameter_count, struct query_error *error)
{
	struct query_session *session = statement->session;
	pyr_result begun = query_session_begin_statement(session, error);
	if (begun.code != PYR_OK && statement->ready)
		query_statement_close_scans(statement);
	PYR_TRY(begun);
	session->running = statement;
	statement->drained = false;
	session->statistics.statements += 1;
	pyr_result result = explain(session, start(statement, parameters, parameter_count, error), error);
	if (result.code != PYR_OK)
		query_statement_stop(statement);
	return result;
}

static pyr_result next(struct query_statement *statement, size_t *ret_rows, struct query_error *error)
{
	if (atomic_load(&statement->session->run.cancelled))
		return query_fail(error, "57014", "canceling statement due to user request");
	PYR_TRY(statement->direct ? query_direct_next(statement, ret_rows, error)
	                          : query_result_next(statement->result, ret_rows, error));
	statement->drained = *ret_rows == 0;
	statement->session->statistics.rows += *ret_rows;
	return pyr_ok();
}

pyr_result query_statement_next(struct query_statement *statement, size_t *ret_rows, struct query_error *error)
{
	if (statement->session->running != statement)
		return query_fail(error, "55000", "the result is gone: another statement of this session has started");
	*ret_rows = 0;
	if (statement->plan->kind == QUERY_KIND_EXPLAIN) {
		*ret_rows = query_explain_next(statement);
		return pyr_ok();
	}
	if (statement->tailing)
		return explain(statement->session, query_tail_next(statement, ret_rows, error), error);
	if (statement->result || statement->direct)
		return explain(statement->session, next(statement, ret_rows, error), error);
	if (statement->plan->kind == QUERY_KIND_INSERT) {
		*ret_rows = statement->returned.count - statement->returned_at;
		statement->returned_at = statement->returned.count;
	}
	return pyr_ok();
}

bool query_statement_is_endless(const struct query_statement *statement)
{
	return statement->plan->tail.on;
}

struct query_cell query_statement_cell(const struct query_statement *statement, size_t row, size_t column)
{
	if (statement->plan->kind == QUERY_KIND_INSERT)
		return query_insert_cell(statement, row, column);
	if (statement->plan->kind == QUERY_KIND_EXPLAIN)
		return query_explain_cell(statement, row);
	if (statement->direct)
		return query_direct_cell(statement, row, column);
	return query_result_cell(statement->result, row, column + statement->first_column);
}

void query_statement_stop(struct query_statement *statement)
{
	struct query_session *session = statement->session;
	if (session->running != statement)
		return;
	query_result_free(statement->result);
	statement->result = NULL;
	struct query_connection *connection = atomic_load(&session->connection);
	if (statement->requests && !statement->drained && !statement->direct && connection)
		query_connection_settle(connection);
	query_direct_end(statement);
	query_statement_close_scans(statement);
	query_tail_end(statement);
	query_admission_leave(query_engine_admission(session->engine), &session->run.ticket);
	session->running = NULL;
}
