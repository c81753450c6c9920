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

enum { ROW_BYTES_MAX = 1 << 30 };

/* On its caller's stack until it is answered. */
struct sql_call {
	struct os_task task;
	struct os_job job;
	struct embedded *log;
	const char *text;
	struct base_bytes *parameters;
	size_t parameter_count;
	struct pyr_rows *rows;
	pyr_result result;
	struct query_error error;
	struct os_mutex lock;
	struct os_condition answered;
	bool done;
};

/* ---- on a query's thread ---- */

static pyr_result take_cell(struct sql_call *call, struct query_cell cell, uint32_t type)
{
	struct base_writer writer;
	struct base_slice written = {0};
	base_writer_init(&writer, ROW_BYTES_MAX);
	pyr_result result = pg_value_write(&writer, cell, type, false, &call->error);
	if (result.code == PYR_OK)
		result = base_writer_take(&writer, &written);
	base_writer_deinit(&writer);
	if (result.code != PYR_OK)
		return result;
	bool is_null = (int32_t)base_load_u32be(written.data) < 0;
	struct base_bytes text = {is_null ? NULL : written.data + 4, is_null ? 0 : written.bytes - 4};
	result = api_rows_cell(call->rows, text);
	base_slice_release(&written);
	return result;
}

static pyr_result take_rows(struct sql_call *call, struct query_statement *statement)
{
	size_t columns = query_statement_column_count(statement), rows;
	do {
		PYR_TRY(query_statement_next(statement, &rows, &call->error));
		for (size_t i = 0; i < rows * columns; i++) {
			size_t column = i % columns;
			struct query_cell cell = query_statement_cell(statement, i / columns, column);
			if (take_cell(call, cell, query_statement_column(statement, column)->type).code != PYR_OK)
				return query_fail_memory(&call->error);
		}
	} while (rows > 0);
	return pyr_ok();
}

static pyr_result run_statement(struct sql_call *call, struct query_statement *statement)
{
	enum query_kind kind = query_statement_kind(statement);
	size_t columns = query_statement_column_count(statement);
	if (call->parameter_count != query_statement_parameter_count(statement))
		return query_fail(&call->error, "08P01", "the statement has %zu parameters, and %zu are given",
		                  query_statement_parameter_count(statement), call->parameter_count);
	if (kind != QUERY_KIND_ROWS && kind != QUERY_KIND_EXPLAIN && kind != QUERY_KIND_INSERT &&
	    kind != QUERY_KIND_ALTER_TOPIC && kind != QUERY_KIND_COMMAND)
		return query_fail(&call->error, "0A000", "%s needs a session, as psql has one",
		                  query_statement_tag(statement));
	if (kind == QUERY_KIND_COMMAND)
		return pyr_ok(); /* does nothing */
	PYR_TRY(query_statement_start(statement, call->parameters, call->parameter_count, &call->error));
	for (size_t i = 0; i < columns; i++) {
		const struct query_column *column = query_statement_column(statement, i);
		if (api_rows_column(call->rows, columns, column->name, column->type, column->modifier).code != PYR_OK)
			return query_fail_memory(&call->error);
	}
	if (columns > 0)
		PYR_TRY(take_rows(call, statement));
	call->rows->affected = kind == QUERY_KIND_INSERT ? query_statement_affected(statement) : 0;
	return pyr_ok();
}

static pyr_result run_script(struct sql_call *call, struct query_session *session, struct query_script *script)
{
	struct query_statement *statement;
	if (query_script_count(script) > 1)
		return query_fail(&call->error, "42601", "cannot insert multiple commands into a prepared statement");
	if (query_script_count(script) == 0)
		return pyr_ok();
	PYR_TRY(query_statement_new(session, script, 0, NULL, 0, &statement, &call->error));
	query_session_begin(session, QUERY_BLOCK_IMPLICIT);
	pyr_result result = run_statement(call, statement);
	query_statement_free(statement);
	if (result.code == PYR_OK)
		return query_session_commit(session, &call->error);
	query_session_rollback(session);
	return result;
}

static void run(struct os_job *job)
{
	struct sql_call *call = BASE_CONTAINER(job, struct sql_call, job);
	struct query_session *session;
	struct query_script *script;
	call->result = query_session_new(node_host_engine(call->log->host), node_host_source(call->log->host),
	                                 &embedded_principal, &session);
	if (call->result.code != PYR_OK) {
		call->result = query_fail_memory(&call->error);
		return;
	}
	call->result = query_script_new(call->text, strlen(call->text), &script, &call->error);
	if (call->result.code == PYR_OK) {
		call->result = run_script(call, session, script);
		query_script_free(script);
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
	                        .rows = rows};
	call.parameters = calloc(parameter_count + 1, sizeof *call.parameters);
	if (!call.parameters)
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	for (size_t i = 0; i < parameter_count; i++)
		if (parameters[i])
			call.parameters[i] = (struct base_bytes){(const uint8_t *)parameters[i], strlen(parameters[i])};
	wait_for(&call);
	free(call.parameters);
	return call.result.code == PYR_OK
	               ? PYR_STATUS_OK
	               : api_fail(failure, PYR_STATUS_QUERY, call.error.sqlstate, "%s", call.error.message);
}
