/* A statement on a node in this process whose rows are taken as they come: a session on a thread of its own, which makes the
 * next rows when they are asked for, and lends its place to others while nobody asks.
 *
 * Life: started by pyr_query_start(), which does not wait; over when its last rows, or its failure, were taken; freed when its
 * job is done. Lock: the query's own; under it a session is cancelled, which takes the session's list of
 * cursors and the line of large statements (query/). */
#include "api/embedded.h"
#include "base/table.h"
#include "os/thread.h"
#include "query/session.h"

#include <stdlib.h>
#include <string.h>

struct running {
	struct os_task task;
	struct os_job job;
	struct embedded *log;
	char *text;
	struct base_bytes *parameters; /* their texts behind them */
	size_t parameter_count;
	struct query_waits waits;

	/* The query's thread. */
	struct query_session *session;
	struct query_statement *statement;
	struct query_error error;

	/* Both, under the lock. */
	struct os_mutex lock;
	struct os_condition changed;
	struct query_session *cancellable; /* while there is something to cancel */
	struct pyr_rows *wanted; /* to be filled; NULL: nothing is asked for */
	enum pyr_status status; /* of what was asked for last */
	struct pyr_failure failure;
	bool answered; /* it was */
	bool cancelled, finish, done;
};

/* ---- on the query's thread ---- */

static enum pyr_status fail_query(struct running *running)
{
	return api_fail(&running->failure, PYR_STATUS_QUERY, running->error.sqlstate, "%s", running->error.message);
}

static void answer(struct running *running, enum pyr_status status)
{
	os_mutex_lock(&running->lock);
	if (running->cancelled && status == PYR_STATUS_QUERY)
		status = api_fail(&running->failure, PYR_STATUS_QUERY, "57014",
		                  "canceling statement due to user request");
	running->status = status;
	running->wanted = NULL;
	running->answered = true;
	os_condition_broadcast(&running->changed);
	os_mutex_unlock(&running->lock);
}

/* NULL: nothing will be asked for any more. */
static struct pyr_rows *wait_for_wish(struct running *running)
{
	os_job_park(&running->job);
	os_mutex_lock(&running->lock);
	while (!running->wanted && !running->finish)
		os_condition_wait(&running->changed, &running->lock);
	struct pyr_rows *wanted = running->finish ? NULL : running->wanted;
	os_mutex_unlock(&running->lock);
	os_job_unpark(&running->job);
	return wanted;
}

static enum pyr_status fill(struct running *running, struct pyr_rows *rows)
{
	size_t count = 0;
	enum pyr_status status = embedded_take_columns(rows, running->statement, &running->failure);
	if (status != PYR_STATUS_OK)
		return status;
	if (query_statement_kind(running->statement) == QUERY_KIND_INSERT)
		rows->affected = query_statement_affected(running->statement);
	if (query_statement_column_count(running->statement) == 0)
		return PYR_STATUS_OK;
	if (query_statement_next(running->statement, &count, &running->error).code != PYR_OK)
		return fail_query(running);
	status = embedded_take_rows(rows, running->statement, count, &running->failure);
	query_session_yield(running->session); /* from here on at its reader's pace */
	return status;
}

static void serve(struct running *running)
{
	struct pyr_rows *wanted;
	while ((wanted = wait_for_wish(running))) {
		enum pyr_status status = fill(running, wanted);
		bool over = status != PYR_STATUS_OK || pyr_rows_count(wanted) == 0;
		answer(running, status);
		if (over)
			return;
	}
}

static enum pyr_status start(struct running *running)
{
	struct query_statement *statement = running->statement;
	enum query_kind kind = query_statement_kind(statement);
	if (embedded_is_for_a_session(kind) || kind == QUERY_KIND_COMMAND)
		return api_fail(&running->failure, PYR_STATUS_NOT_SUPPORTED, "", "%s gives no rows: use pyr_sql()",
		                query_statement_tag(statement));
	if (running->parameter_count != query_statement_parameter_count(statement))
		return api_fail(&running->failure, PYR_STATUS_QUERY, "08P01",
		                "the statement has %zu parameters, and %zu are given",
		                query_statement_parameter_count(statement), running->parameter_count);
	if (query_statement_start(statement, running->parameters, running->parameter_count, &running->error).code !=
	    PYR_OK)
		return fail_query(running);
	return PYR_STATUS_OK;
}

static enum pyr_status prepare(struct running *running, struct query_script **ret_script)
{
	if (query_script_new(running->text, strlen(running->text), ret_script, &running->error).code != PYR_OK)
		return fail_query(running);
	if (query_script_count(*ret_script) != 1)
		return api_fail(&running->failure, PYR_STATUS_QUERY, "42601", "a call runs one statement");
	if (query_statement_new(running->session, *ret_script, 0, NULL, 0, &running->statement, &running->error).code !=
	    PYR_OK)
		return fail_query(running);
	return start(running);
}

/* False: it was cancelled before. */
static bool make_cancellable(struct running *running, struct query_session *session)
{
	os_mutex_lock(&running->lock);
	running->cancellable = session;
	bool cancelled = running->cancelled;
	os_mutex_unlock(&running->lock);
	return !cancelled;
}

static void run(struct os_job *job)
{
	struct running *running = BASE_CONTAINER(job, struct running, job);
	struct query_script *script = NULL;
	enum pyr_status status = api_rows_settle(query_session_new(node_host_engine(running->log->host),
	                                                           node_host_source(running->log->host),
	                                                           &embedded_principal, &running->session),
	                                         &running->failure);
	if (status == PYR_STATUS_OK) {
		query_session_set_waits(running->session, &running->waits);
		if (!make_cancellable(running, running->session))
			query_session_stop(running->session);
		status = prepare(running, &script);
	}
	if (status == PYR_STATUS_OK)
		serve(running);
	else if (wait_for_wish(running))
		answer(running, status);
	(void)make_cancellable(running, NULL);
	query_statement_free(running->statement);
	query_script_free(script);
	query_session_free(running->session);
}

/* ---- on the loop, and the caller's thread ---- */

static void on_done(struct os_job *job)
{
	struct running *running = BASE_CONTAINER(job, struct running, job);
	os_mutex_lock(&running->lock);
	running->done = true;
	os_condition_broadcast(&running->changed);
	os_mutex_unlock(&running->lock);
}

static void on_start(struct os_task *task)
{
	struct running *running = BASE_CONTAINER(task, struct running, task);
	running->job.run = run;
	running->job.done = on_done;
	os_submit(running->log->queries, &running->job);
}

static void park(void *context)
{
	os_job_park(&((struct running *)context)->job);
}

static void unpark(void *context)
{
	os_job_unpark(&((struct running *)context)->job);
}

static bool copy_texts(struct running *running, const char *text, const char *const *parameters)
{
	size_t bytes = (running->parameter_count + 1) * sizeof *running->parameters;
	for (size_t i = 0; i < running->parameter_count; i++)
		bytes += parameters[i] ? strlen(parameters[i]) : 0;
	running->text = strdup(text);
	running->parameters = calloc(1, bytes);
	if (!running->text || !running->parameters)
		return false;
	uint8_t *at = (uint8_t *)(running->parameters + running->parameter_count + 1);
	for (size_t i = 0; i < running->parameter_count; i++) {
		size_t length = parameters[i] ? strlen(parameters[i]) : 0;
		if (length > 0)
			memcpy(at, parameters[i], length);
		running->parameters[i] = (struct base_bytes){parameters[i] ? at : NULL, length};
		at += length;
	}
	return true;
}

/* Until what was asked for is there. */
static enum pyr_status take_answer(struct running *running, struct pyr_failure *failure)
{
	os_mutex_lock(&running->lock);
	while (!running->answered)
		os_condition_wait(&running->changed, &running->lock);
	running->answered = false;
	enum pyr_status status = running->status;
	if (status != PYR_STATUS_OK)
		*failure = running->failure;
	os_mutex_unlock(&running->lock);
	return status;
}

enum pyr_status embedded_query_start(struct pyr_query *query, const char *text, const char *const *parameters,
                                     size_t parameter_count, struct pyr_failure *failure)
{
	struct running *running = calloc(1, sizeof *running);
	if (!running)
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	running->log = embedded_of(query->log);
	running->task.run = on_start;
	running->parameter_count = parameter_count;
	running->waits = (struct query_waits){park, unpark, running};
	os_mutex_init(&running->lock);
	os_condition_init(&running->changed);
	query->way = running;
	if (!copy_texts(running, text, parameters)) {
		running->done = true;
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	}
	os_loop_post(node_host_loop(running->log->host, 0), &running->task);
	return PYR_STATUS_OK;
}

enum pyr_status embedded_query_next(struct pyr_query *query, struct pyr_rows *rows, struct pyr_failure *failure)
{
	struct running *running = query->way;
	os_mutex_lock(&running->lock);
	running->wanted = rows;
	os_condition_broadcast(&running->changed);
	os_mutex_unlock(&running->lock);
	return take_answer(running, failure);
}

void embedded_query_cancel(struct pyr_query *query)
{
	struct running *running = query->way;
	os_mutex_lock(&running->lock);
	running->cancelled = true;
	if (running->cancellable)
		query_session_stop(running->cancellable);
	os_mutex_unlock(&running->lock);
}

void embedded_query_free(struct pyr_query *query)
{
	struct running *running = query->way;
	embedded_query_cancel(query);
	os_mutex_lock(&running->lock);
	running->finish = true;
	os_condition_broadcast(&running->changed);
	while (!running->done)
		os_condition_wait(&running->changed, &running->lock);
	os_mutex_unlock(&running->lock);
	os_condition_deinit(&running->changed);
	os_mutex_deinit(&running->lock);
	free(running->parameters);
	free(running->text);
	free(running);
}
