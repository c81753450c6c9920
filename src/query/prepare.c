/* Statements made ready: a script's text, the plan of each of its statements, what the engine says of them.
 *
 * Invariants: what a statement is described as stays so, whatever becomes of its topics; a statement that can be read without
 * the engine's planner (direct.h) is prepared in the engine only when it has to be. A session's thread.
 */
#include "query/session_priv.h"

#include "base/cursor.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
		.numeric_scale = statement->numeric_scale,
	};
	query_plan_free(statement->plan);
	statement->plan = NULL;
	return query_plan_new(&statement->script->parse, i, &options, &statement->plan, error);
}

static pyr_result prepare(struct query_statement *statement, const char *sql, struct query_error *error)
{
	query_prepared_free(statement->prepared);
	statement->prepared = NULL;
	PYR_TRY(query_prepared_new(statement->session->connection, sql, &statement->prepared, error));
	query_prepared_set_scale(statement->prepared, statement->numeric_scale);
	return pyr_ok();
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

/* What needs no planner is not prepared until it turns out to need it: its plan tells columns and parameters. */
static pyr_result describe_direct(struct query_statement *statement, struct query_error *error)
{
	const struct query_direct_plan *direct = statement->plan->direct;
	statement->columns = calloc(direct->column_count, sizeof *statement->columns);
	if (!statement->columns)
		return query_fail_memory(error);
	statement->column_count = direct->column_count;
	for (size_t i = 0; i < direct->column_count; i++) {
		statement->columns[i] =
			(struct query_column){strdup(direct->columns[i].name), direct->columns[i].type, -1};
		if (!statement->columns[i].name)
			return query_fail_memory(error);
	}
	return pyr_ok();
}

static pyr_result build_direct(struct query_statement *statement, size_t i, const uint32_t *types, size_t type_count,
                               struct query_error *error)
{
	size_t count = statement->plan->parameter_count;
	statement->parameter_types = calloc(count + 1, sizeof *statement->parameter_types);
	if (!statement->parameter_types)
		return query_fail_memory(error);
	if (complete_types(statement, types, type_count))
		PYR_TRY(plan(statement, i, statement->parameter_types, count, error));
	assert(statement->plan->direct);
	return describe_direct(statement, error);
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
		.numeric_scale = statement->numeric_scale,
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
	char part[160];
	base_write_bytes(writer, part, (size_t)snprintf(part, sizeof part, format, i, type));
}

/* SELECT c0, CAST(c1 AS VARCHAR) FROM (the statement) AS t(c0, c1): what can't be read is read as something else. */
static pyr_result make_readable(struct query_statement *statement, struct query_error *error)
{
	struct base_writer writer;
	struct base_slice sql;
	char room[QUERY_INSERT_TYPE_BYTES];
	base_writer_init(&writer, QUERY_TEXT_MAX * 64);
	base_write_bytes(&writer, "SELECT ", 7);
	for (size_t i = 0; i < statement->column_count; i++) {
		const char *type = cast_of(statement, i);
		base_write_bytes(&writer, ",", i > 0);
		bool declared = statement->plan->kind == QUERY_KIND_INSERT && query_insert_type(statement, i, room);
		if (declared)
			write_part(&writer, "CAST(CAST(c%zu AS %s) AS VARCHAR)", i, room);
		else
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
	if (statement->session->unhurried && (!statement->plan->direct || !statement->session->connection))
		return pyr_result_of(PYR_BUSY);
	if (!statement->session->connection) {
		/* The handle in the text is known only now. */
		PYR_TRY(query_session_connect(statement->session, error));
		PYR_TRY(plan(statement, i, types, type_count, error));
	}
	if (statement->plan->direct)
		return build_direct(statement, i, types, type_count, error);
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

pyr_result query_statement_prepare(struct query_statement *statement, struct query_error *error)
{
	if (statement->prepared)
		return pyr_ok();
	PYR_TRY(prepare(statement, statement->plan->sql, error));
	return is_readable(statement) ? pyr_ok() : make_readable(statement, error);
}

/* The text alone is taken over from the new plan: what else is in it is the same. */
pyr_result query_statement_replan(struct query_statement *statement, int numeric_scale, struct query_error *error)
{
	struct query_plan *kept = statement->plan;
	int before = statement->numeric_scale;
	statement->plan = NULL;
	statement->numeric_scale = numeric_scale;
	pyr_result result = plan(statement, statement->index, statement->parameter_types, kept->parameter_count, error);
	if (result.code == PYR_OK) {
		char *sql = kept->sql;
		kept->sql = statement->plan->sql;
		statement->plan->sql = sql;
		query_prepared_free(statement->prepared);
		statement->prepared = NULL;
	}
	query_plan_free(statement->plan);
	statement->plan = kept;
	statement->numeric_scale = before;
	return result;
}

pyr_result query_statement_new(struct query_session *session, struct query_script *script, size_t i,
                               const uint32_t *types, size_t type_count, struct query_statement **ret_statement,
                               struct query_error *error)
{
	assert(i < query_script_count(script));
	PYR_TRY(query_session_begin_statement(session, error));
	struct query_statement *statement = calloc(1, sizeof *statement);
	if (!statement)
		return query_fail_memory(error);
	statement->session = session;
	statement->index = i;
	statement->script = script;
	statement->numeric_scale = QUERY_NUMERIC_SCALE;
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
	if (statement->ready)
		query_statement_close_scans(statement);
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
