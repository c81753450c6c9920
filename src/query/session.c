/* Sessions over the engine: planning, preparing, running.
 *
 * Invariants: one statement runs at a time; its scans live from start to stop and are freed after the engine's result,
 * which reads them. Failure modes: any error leaves the session usable.
 */
#include "query/session_priv.h"

#include "base/cursor.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct query_session *session_new(struct query_engine *engine, struct query_source *source,
                                         const char *principal)
{
	struct query_session *session = calloc(1, sizeof *session);
	char *name = strdup(principal), *user = strdup("pyralog");
	if (!session || !name || !user) {
		free(session);
		free(name);
		free(user);
		return NULL;
	}
	session->engine = engine;
	session->principal_name = name;
	session->principal.name = name;
	session->run.source = source;
	session->run.principal = &session->principal;
	session->run.user = user;
	os_mutex_init(&session->lock);
	base_list_init(&session->children);
	base_list_init(&session->node);
	return session;
}

pyr_result query_session_new(struct query_engine *engine, struct query_source *source,
                             const struct catalog_principal *principal, struct query_session **ret_session)
{
	struct query_session *session = session_new(engine, source, principal->name);
	if (!session)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	session->settings = session->run.settings = query_settings_new();
	if (!session->settings) {
		query_session_free(session);
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	*ret_session = session;
	return pyr_ok();
}

pyr_result query_session_new_beside(struct query_session *parent, struct query_session **ret_session)
{
	struct query_session *session = session_new(parent->engine, parent->run.source, parent->principal.name);
	if (!session || query_session_set_user(session, parent->run.user).code != PYR_OK) {
		query_session_free(session);
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	session->settings = session->run.settings = parent->settings;
	session->parent = parent;
	session->run.pid = parent->run.pid;
	session->waits = parent->waits;
	os_mutex_lock(&parent->lock);
	base_list_append(&parent->children, &session->node);
	atomic_store(&session->run.stopped, atomic_load(&parent->run.stopped));
	os_mutex_unlock(&parent->lock);
	*ret_session = session;
	return pyr_ok();
}

void query_session_free(struct query_session *session)
{
	if (!session)
		return;
	assert(!session->running && base_list_empty(&session->children));
	if (session->parent) {
		os_mutex_lock(&session->parent->lock);
		base_list_remove(&session->node);
		os_mutex_unlock(&session->parent->lock);
	} else {
		query_settings_free(session->settings);
	}
	query_connection_free(session->connection);
	query_writes_deinit(&session->writes);
	os_mutex_deinit(&session->lock);
	free(session->principal_name);
	free((void *)(uintptr_t)session->run.user);
	free(session);
}

pyr_result query_session_set_user(struct query_session *session, const char *user)
{
	char *copy = strdup(user);
	if (!copy)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	free((void *)(uintptr_t)session->run.user);
	session->run.user = copy;
	return pyr_ok();
}

void query_session_set_pid(struct query_session *session, uint32_t pid)
{
	session->run.pid = pid;
}

void query_session_set_waits(struct query_session *session, const struct query_waits *waits)
{
	session->waits = *waits;
}

void query_session_yield(struct query_session *session)
{
	struct query_admission *admission = query_engine_admission(session->engine);
	query_admission_leave(admission, &session->run.ticket);
	os_mutex_lock(&session->lock);
	for (struct base_list *node = session->children.next; node != &session->children; node = node->next)
		query_admission_leave(admission, &BASE_CONTAINER(node, struct query_session, node)->run.ticket);
	os_mutex_unlock(&session->lock);
}

struct query_settings *query_session_settings(struct query_session *session)
{
	return session->settings;
}

static void interrupt(struct query_session *session, bool late, bool stop)
{
	if (stop)
		atomic_store(&session->run.stopped, true);
	if (late)
		atomic_store(&session->run.timed_out, true);
	atomic_store(&session->run.cancelled, true);
	struct query_connection *connection = atomic_load(&session->connection);
	if (connection)
		query_connection_interrupt(connection);
}

static void interrupt_all(struct query_session *session, bool late, bool stop)
{
	interrupt(session, late, stop);
	os_mutex_lock(&session->lock);
	for (struct base_list *node = session->children.next; node != &session->children; node = node->next)
		interrupt(BASE_CONTAINER(node, struct query_session, node), late, stop);
	os_mutex_unlock(&session->lock);
	query_admission_wake(query_engine_admission(session->engine));
}

void query_session_cancel(struct query_session *session)
{
	interrupt_all(session, false, false);
}

void query_session_time_out(struct query_session *session)
{
	interrupt_all(session, true, false);
}

void query_session_stop(struct query_session *session)
{
	interrupt_all(session, false, true);
}

/* A cancellation concerns what runs: a new statement forgets an old one. Clearing comes before the look at `stopped`,
 * which its setter sets first, so that a stop is never forgotten. */
static pyr_result begin(struct query_session *session, struct query_error *error)
{
	if (session->running)
		query_statement_stop(session->running);
	atomic_store(&session->run.cancelled, false);
	atomic_store(&session->run.timed_out, false);
	if (atomic_load(&session->run.stopped))
		return query_fail(error, "57P01", "terminating connection due to administrator command");
	return pyr_ok();
}

/* An interruption has one SQLSTATE, and two reasons. */
static pyr_result explain(const struct query_session *session, pyr_result result, struct query_error *error)
{
	if (result.code != PYR_OK && atomic_load(&session->run.timed_out) && strcmp(error->sqlstate, "57014") == 0)
		return query_fail(error, "57014", "canceling statement due to statement timeout");
	return result;
}

struct query_statistics query_session_statistics(const struct query_session *session)
{
	return session->statistics;
}

static pyr_result connect_engine(struct query_session *session, struct query_error *error)
{
	struct query_connection *connection;
	if (session->connection)
		return pyr_ok();
	PYR_TRY(query_connection_new(session->engine, &session->run, &connection, error));
	atomic_store(&session->connection, connection);
	return pyr_ok();
}

/* ---- scripts ---- */

pyr_result query_script_new(const char *text, size_t bytes, struct query_script **ret_script, struct query_error *error)
{
	struct query_script *script = calloc(1, sizeof *script);
	if (!script)
		return query_fail_memory(error);
	pyr_result result = query_parse_init(&script->parse, text, bytes, error);
	if (result.code != PYR_OK) {
		free(script);
		return result;
	}
	script->references = 1;
	*ret_script = script;
	return pyr_ok();
}

void query_script_free(struct query_script *script)
{
	if (!script || --script->references > 0)
		return;
	query_parse_deinit(&script->parse);
	free(script);
}

size_t query_script_count(const struct query_script *script)
{
	return query_parse_count(&script->parse);
}

bool query_script_ends_transaction(const struct query_script *script, size_t i)
{
	json_t *statement = json_object_get(json_array_get(script->parse.statements, i), "stmt");
	const char *kind = query_node_string(json_object_get(statement, "TransactionStmt"), "kind");
	return kind && (strcmp(kind, "TRANS_STMT_COMMIT") == 0 || strcmp(kind, "TRANS_STMT_ROLLBACK") == 0 ||
	                strcmp(kind, "TRANS_STMT_ROLLBACK_TO") == 0);
}

/* ---- preparing ---- */

static pyr_result plan(struct query_statement *statement, size_t i, const uint32_t *types, size_t type_count,
                       struct query_error *error)
{
	struct query_session *session = statement->session;
	struct query_plan_options options = {
		.source = session->run.source,
		.principal = &session->principal,
		.handle = session->run.handle,
		.parameter_types = types,
		.parameter_type_count = type_count,
	};
	query_plan_free(statement->plan);
	statement->plan = NULL;
	return query_plan_new(&statement->script->parse, i, &options, &statement->plan, error);
}

static pyr_result prepare(struct query_statement *statement, const char *sql, struct query_error *error)
{
	query_prepared_free(statement->prepared);
	statement->prepared = NULL;
	return query_prepared_new(statement->session->connection, sql, &statement->prepared, error);
}

/* Types not declared are the engine's guess, or text. Returns whether it had to guess. */
static bool complete_types(struct query_statement *statement, const uint32_t *types, size_t type_count)
{
	bool guessed = false;
	for (size_t i = 0; i < statement->plan->parameter_count; i++) {
		uint32_t type = i < type_count ? types[i] : 0;
		if (!query_type_engine_name(type)) {
			type = statement->plan->hints[i];
			if (!type)
				type = query_prepared_parameter_type(statement->prepared, i + 1);
			guessed = true;
		}
		statement->parameter_types[i] = query_type_engine_name(type) ? type : QUERY_TYPE_TEXT;
	}
	return guessed;
}

static pyr_result resolve_parameters(struct query_statement *statement, size_t i, const uint32_t *types,
                                     size_t type_count, struct query_error *error)
{
	size_t count = statement->plan->parameter_count;
	if (count == 0)
		return pyr_ok();
	statement->parameter_types = calloc(count, sizeof *statement->parameter_types);
	if (!statement->parameter_types)
		return query_fail_memory(error);
	if (!complete_types(statement, types, type_count))
		return pyr_ok();
	PYR_TRY(plan(statement, i, statement->parameter_types, count, error));
	return prepare(statement, statement->plan->sql, error);
}

/* Some of the engine's functions tell no columns while a parameter has no value: the same statement with nulls does. */
static pyr_result find_shape(struct query_statement *statement, struct query_error *error)
{
	struct query_session *session = statement->session;
	struct query_plan_options options = {
		.source = session->run.source,
		.principal = &session->principal,
		.handle = session->run.handle,
		.parameter_types = statement->parameter_types,
		.parameter_type_count = statement->plan->parameter_count,
		.null_parameters = true,
	};
	struct query_plan *plan = NULL;
	statement->shape = NULL;
	if (statement->plan->parameter_count == 0 || query_prepared_is_resolved(statement->prepared))
		return pyr_ok();
	PYR_TRY(query_plan_new(&statement->script->parse, statement->index, &options, &plan, error));
	pyr_result result = query_prepared_new(session->connection, plan->sql, &statement->shape, error);
	query_plan_free(plan);
	return result;
}

static struct query_prepared *shape_of(const struct query_statement *statement)
{
	return statement->shape ? statement->shape : statement->prepared;
}

static pyr_result describe(struct query_statement *statement, struct query_error *error)
{
	size_t all = query_prepared_column_count(shape_of(statement));
	statement->first_column = statement->plan->kind == QUERY_KIND_EXPLAIN && all > 1 ? 1 : 0;
	size_t count = all - statement->first_column;
	statement->columns = calloc(count > 0 ? count : 1, sizeof *statement->columns);
	if (!statement->columns)
		return query_fail_memory(error);
	statement->column_count = count;
	for (size_t i = 0; i < count; i++) {
		struct query_column *column = &statement->columns[i];
		column->name = statement->first_column > 0 ? strdup("QUERY PLAN")
		                                           : query_prepared_column_name(shape_of(statement), i);
		column->type = query_prepared_column_type(shape_of(statement), i + statement->first_column);
		column->modifier = -1;
		if (!column->name)
			return query_fail_memory(error);
	}
	return pyr_ok();
}

/* What a column has to be cast to before it can be read; NULL: it is read as it is. */
static const char *cast_of(const struct query_statement *statement, size_t i)
{
	if (statement->plan->kind == QUERY_KIND_INSERT)
		return query_insert_cast(statement, i, query_prepared_column_readable(shape_of(statement), i));
	return query_prepared_column_readable(shape_of(statement), i + statement->first_column) ? NULL : "VARCHAR";
}

static bool is_readable(const struct query_statement *statement)
{
	for (size_t i = 0; i < statement->column_count; i++)
		if (cast_of(statement, i))
			return false;
	return true;
}

static void write_part(struct base_writer *writer, const char *format, size_t i, const char *type)
{
	char part[96];
	base_write_bytes(writer, part, (size_t)snprintf(part, sizeof part, format, i, type));
}

/* SELECT c0, CAST(c1 AS VARCHAR) FROM (the statement) AS t(c0, c1): what can't be read is read as something else. */
static pyr_result make_readable(struct query_statement *statement, struct query_error *error)
{
	struct base_writer writer;
	struct base_slice sql;
	base_writer_init(&writer, QUERY_TEXT_MAX * 64);
	base_write_bytes(&writer, "SELECT ", 7);
	for (size_t i = 0; i < statement->column_count; i++) {
		const char *type = cast_of(statement, i);
		base_write_bytes(&writer, ",", i > 0);
		write_part(&writer, type ? "CAST(c%zu AS %s)" : "c%zu", i, type);
	}
	base_write_bytes(&writer, " FROM (", 7);
	base_write_bytes(&writer, statement->plan->sql, strlen(statement->plan->sql));
	base_write_bytes(&writer, "\n) AS t(", 8);
	for (size_t i = 0; i < statement->column_count; i++) {
		base_write_bytes(&writer, ",", i > 0);
		write_part(&writer, "c%zu", i, NULL);
	}
	base_write_bytes(&writer, ")", 2);
	if (base_writer_take(&writer, &sql).code != PYR_OK)
		return base_writer_deinit(&writer), query_fail_memory(error);
	pyr_result result = prepare(statement, (const char *)sql.data, error);
	base_slice_release(&sql);
	return result;
}

static pyr_result build(struct query_statement *statement, size_t i, const uint32_t *types, size_t type_count,
                        struct query_error *error)
{
	PYR_TRY(plan(statement, i, types, type_count, error));
	if (!statement->plan->sql)
		return pyr_ok();
	if (!statement->session->connection) {
		/* The handle in the text is known only now. */
		PYR_TRY(connect_engine(statement->session, error));
		PYR_TRY(plan(statement, i, types, type_count, error));
	}
	PYR_TRY(prepare(statement, statement->plan->sql, error));
	PYR_TRY(resolve_parameters(statement, i, types, type_count, error));
	PYR_TRY(find_shape(statement, error));
	PYR_TRY(describe(statement, error));
	if (statement->plan->kind == QUERY_KIND_INSERT &&
	    statement->column_count != statement->plan->insert.column_count)
		return query_fail(error, "42601", "INSERT has %s",
		                  statement->column_count < statement->plan->insert.column_count
		                          ? "more target columns than expressions"
		                          : "more expressions than target columns");
	if (!is_readable(statement))
		PYR_TRY(make_readable(statement, error));
	return statement->plan->kind == QUERY_KIND_INSERT ? query_insert_describe(statement, error) : pyr_ok();
}

pyr_result query_statement_new(struct query_session *session, struct query_script *script, size_t i,
                               const uint32_t *types, size_t type_count, struct query_statement **ret_statement,
                               struct query_error *error)
{
	assert(i < query_script_count(script));
	PYR_TRY(begin(session, error));
	struct query_statement *statement = calloc(1, sizeof *statement);
	if (!statement)
		return query_fail_memory(error);
	statement->session = session;
	statement->index = i;
	statement->script = script;
	script->references += 1;
	pyr_result result = build(statement, i, types, type_count, error);
	if (result.code != PYR_OK)
		query_statement_free(statement);
	else
		*ret_statement = statement;
	return result;
}

pyr_result query_statement_copy(struct query_session *session, const struct query_statement *statement,
                                struct query_statement **ret_statement, struct query_error *error)
{
	return query_statement_new(session, statement->script, statement->index, statement->parameter_types,
	                           statement->plan->parameter_count, ret_statement, error);
}

void query_statement_free(struct query_statement *statement)
{
	if (!statement)
		return;
	query_statement_stop(statement);
	query_writes_deinit(&statement->returned);
	base_slice_release(&statement->explained);
	query_prepared_free(statement->prepared);
	query_prepared_free(statement->shape);
	query_plan_free(statement->plan);
	for (size_t i = 0; i < statement->column_count; i++)
		free(statement->columns[i].name);
	free(statement->columns);
	free(statement->parameter_types);
	query_script_free(statement->script);
	free(statement);
}

enum query_kind query_statement_kind(const struct query_statement *statement)
{
	return statement->plan->kind;
}

const char *query_statement_tag(const struct query_statement *statement)
{
	return statement->plan->tag;
}

const struct query_plan *query_statement_plan(const struct query_statement *statement)
{
	return statement->plan;
}

uint64_t query_statement_affected(const struct query_statement *statement)
{
	return statement->affected;
}

size_t query_statement_parameter_count(const struct query_statement *statement)
{
	return statement->plan->parameter_count;
}

uint32_t query_statement_parameter_type(const struct query_statement *statement, size_t i)
{
	assert(i < statement->plan->parameter_count);
	return statement->parameter_types[i];
}

size_t query_statement_column_count(const struct query_statement *statement)
{
	return statement->column_count;
}

const struct query_column *query_statement_column(const struct query_statement *statement, size_t i)
{
	assert(i < statement->column_count);
	return &statement->columns[i];
}

/* ---- running ---- */

static pyr_result bind_all(struct query_statement *statement, const struct base_bytes *parameters, size_t count,
                           struct query_error *error)
{
	if (count == 0 && statement->plan->parameter_count > 0)
		return query_fail(error, "42P02", "there is no parameter $1");
	if (count != statement->plan->parameter_count)
		return query_fail(error, "08P01", "the statement has %zu parameters, %zu were given",
		                  statement->plan->parameter_count, count);
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

static pyr_result start(struct query_statement *statement, const struct base_bytes *parameters, size_t count,
                        struct query_error *error)
{
	statement->affected = 0;
	statement->session->run.in_block = statement->session->block != QUERY_BLOCK_NONE;
	if (!statement->prepared)
		return carry_out(statement, error);
	PYR_TRY(bind_all(statement, parameters, count, error));
	if (statement->plan->tail.on)
		return query_tail_begin(statement, error);
	PYR_TRY(query_statement_open_admitted(statement, parameters, count, error));
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
	PYR_TRY(begin(session, error));
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
	PYR_TRY(query_result_next(statement->result, ret_rows, error));
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
	if (statement->result)
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
	if (statement->requests && !statement->drained && connection)
		query_connection_settle(connection);
	query_statement_close_scans(statement);
	query_tail_end(statement);
	query_admission_leave(query_engine_admission(session->engine), &session->run.ticket);
	session->running = NULL;
}
