/* A statement on a node in this process: a session of its own, on a thread with the stack that parsing needs.
 *
 * Lock: the call's own, which makes its caller wait. */
#include "api/embedded.h"
#include "base/table.h"
#include "os/thread.h"
#include "query/session.h"
#include "server/pg/values.h"

#include <stdlib.h>
#include <string.h>

enum { CELL_BYTES_MAX = 1 << 30 };

/* On its caller's stack until it is answered. */
struct sql_call {
	struct os_task task;
	struct os_job job;
	struct embedded *log;
	const char *text;
	struct base_bytes *parameters;
	size_t parameter_count;
	struct pyr_rows *rows;
	enum pyr_status status;
	struct pyr_failure *failure;
	struct query_error error;
	struct os_mutex lock;
	struct os_condition answered;
	bool done;
};

/* ---- on a query's thread ---- */

static enum pyr_status fail_query(const struct sql_call *call)
{
	return api_fail(call->failure, PYR_STATUS_QUERY, call->error.sqlstate, "%s", call->error.message);
}

static enum pyr_status take_cell(struct pyr_rows *into, struct query_cell cell, uint32_t type,
                                 struct pyr_failure *failure)
{
	struct base_writer writer;
	struct base_slice written = {0};
	struct query_error error;
	base_writer_init(&writer, CELL_BYTES_MAX);
	bool converted = pg_value_write(&writer, cell, type, false, &error).code == PYR_OK;
	pyr_result result = converted ? base_writer_take(&writer, &written) : pyr_ok();
	base_writer_deinit(&writer);
	if (!converted)
		return api_fail(failure, PYR_STATUS_QUERY, error.sqlstate, "%s", error.message);
	if (result.code != PYR_OK)
		return api_rows_settle(result, failure);
	bool is_null = (int32_t)base_load_u32be(written.data) < 0;
	struct base_bytes text = {is_null ? NULL : written.data + 4, is_null ? 0 : written.bytes - 4};
	result = api_rows_cell(into, text);
	base_slice_release(&written);
	return api_rows_settle(result, failure);
}

enum pyr_status embedded_take_rows(struct pyr_rows *into, const struct query_statement *statement, size_t rows,
                                   struct pyr_failure *failure)
{
	size_t columns = query_statement_column_count(statement);
	for (size_t i = 0; i < rows * columns; i++) {
		struct query_cell cell = query_statement_cell(statement, i / columns, i % columns);
		enum pyr_status status =
			take_cell(into, cell, query_statement_column(statement, i % columns)->type, failure);
		if (status != PYR_STATUS_OK)
			return status;
	}
	return PYR_STATUS_OK;
}

enum pyr_status embedded_take_columns(struct pyr_rows *into, const struct query_statement *statement,
                                      struct pyr_failure *failure)
{
	size_t columns = query_statement_column_count(statement);
	for (size_t i = 0; i < columns; i++) {
		const struct query_column *column = query_statement_column(statement, i);
		pyr_result result = api_rows_column(into, columns, column->name, column->type);
		if (result.code != PYR_OK)
			return api_rows_settle(result, failure);
	}
	return PYR_STATUS_OK;
}

static enum pyr_status take_rows(struct sql_call *call, struct query_statement *statement)
{
	size_t rows;
	do {
		if (query_statement_next(statement, &rows, &call->error).code != PYR_OK)
			return fail_query(call);
		enum pyr_status status = embedded_take_rows(call->rows, statement, rows, call->failure);
		if (status != PYR_STATUS_OK)
			return status;
	} while (rows > 0);
	return PYR_STATUS_OK;
}

bool embedded_is_for_a_session(enum query_kind kind)
{
	return kind != QUERY_KIND_ROWS && kind != QUERY_KIND_EXPLAIN && kind != QUERY_KIND_INSERT &&
	       kind != QUERY_KIND_ALTER_TOPIC && kind != QUERY_KIND_COMMAND;
}

static enum pyr_status take_all(struct sql_call *call, struct query_statement *statement)
{
	enum pyr_status status = embedded_take_columns(call->rows, statement, call->failure);
	if (status == PYR_STATUS_OK && query_statement_column_count(statement) > 0)
		status = take_rows(call, statement);
	if (query_statement_kind(statement) == QUERY_KIND_INSERT)
		call->rows->affected = query_statement_affected(statement);
	return status;
}

static enum pyr_status run_statement(struct sql_call *call, struct query_statement *statement)
{
	enum query_kind kind = query_statement_kind(statement);
	size_t wanted = query_statement_parameter_count(statement);
	if (embedded_is_for_a_session(kind))
		return api_fail(call->failure, PYR_STATUS_NOT_SUPPORTED, "", "%s needs a session, as psql has one",
		                query_statement_tag(statement));
	if (call->parameter_count != wanted)
		return api_fail(call->failure, PYR_STATUS_QUERY, "08P01",
		                "the statement has %zu parameters, and %zu are given", wanted, call->parameter_count);
	if (kind == QUERY_KIND_COMMAND)
		return PYR_STATUS_OK; /* does nothing */
	if (query_statement_start(statement, call->parameters, call->parameter_count, &call->error).code != PYR_OK)
		return fail_query(call);
	return take_all(call, statement);
}

static enum pyr_status run_script(struct sql_call *call, struct query_session *session, struct query_script *script)
{
	struct query_statement *statement;
	if (query_script_count(script) > 1)
		return api_fail(call->failure, PYR_STATUS_QUERY, "42601", "a call runs one statement, not several");
	if (query_script_count(script) == 0)
		return PYR_STATUS_OK;
	if (query_statement_new(session, script, 0, NULL, 0, &statement, &call->error).code != PYR_OK)
		return fail_query(call);
	query_session_begin(session, QUERY_BLOCK_IMPLICIT);
	enum pyr_status status = run_statement(call, statement);
	query_statement_free(statement);
	if (status != PYR_STATUS_OK)
		query_session_rollback(session);
	else if (query_session_commit(session, &call->error).code != PYR_OK)
		status = fail_query(call);
	return status;
}

static void run(struct os_job *job)
{
	struct sql_call *call = BASE_CONTAINER(job, struct sql_call, job);
	struct query_session *session;
	struct query_script *script;
	pyr_result result = query_session_new(node_host_engine(call->log->host), node_host_source(call->log->host),
	                                      &embedded_principal, &session);
	if (result.code != PYR_OK) {
		call->status = api_rows_settle(result, call->failure);
		return;
	}
	if (query_script_new(call->text, strlen(call->text), &script, &call->error).code == PYR_OK) {
		call->status = run_script(call, session, script);
		query_script_free(script);
	} else {
		call->status = fail_query(call);
	}
	query_session_free(session);
}

/* ---- there and back ---- */

static void on_run(struct os_job *job)
{
	struct sql_call *call = BASE_CONTAINER(job, struct sql_call, job);
	os_mutex_lock(&call->lock);
	call->done = true;
	os_condition_signal(&call->answered);
	os_mutex_unlock(&call->lock);
}

static void on_call(struct os_task *task)
{
	struct sql_call *call = BASE_CONTAINER(task, struct sql_call, task);
	call->job.run = run;
	call->job.done = on_run;
	os_submit(call->log->queries, &call->job);
}

static void wait_for(struct sql_call *call)
{
	os_mutex_init(&call->lock);
	os_condition_init(&call->answered);
	os_loop_post(node_host_loop(call->log->host, 0), &call->task);
	os_mutex_lock(&call->lock);
	while (!call->done)
		os_condition_wait(&call->answered, &call->lock);
	os_mutex_unlock(&call->lock);
	os_condition_deinit(&call->answered);
	os_mutex_deinit(&call->lock);
}

enum pyr_status embedded_sql(struct pyralog *log, const char *text, const char *const *parameters,
                             size_t parameter_count, struct pyr_rows *rows, struct pyr_failure *failure)
{
	struct sql_call call = {.task.run = on_call,
	                        .log = embedded_of(log),
	                        .text = text,
	                        .parameter_count = parameter_count,
	                        .rows = rows,
	                        .failure = failure};
	call.parameters = calloc(parameter_count + 1, sizeof *call.parameters);
	if (!call.parameters)
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	for (size_t i = 0; i < parameter_count; i++)
		if (parameters[i])
			call.parameters[i] = (struct base_bytes){(const uint8_t *)parameters[i], strlen(parameters[i])};
	wait_for(&call);
	free(call.parameters);
	return call.status;
}
