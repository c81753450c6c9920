/* Statements by their kind: which planner makes a plan of one, and queries and EXPLAIN themselves.
 *
 * What is not there is refused with a sentence that says what to do instead. Runs on a query's thread.
 */
#include "base/cursor.h"
#include "query/plan_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BRIEF_ROWS = 10000 };

pyr_result query_plan_apply(struct query_rewrite *rewrite, size_t from, size_t to, const char *before,
                            const char *after)
{
	char *edited = query_edits_apply(&rewrite->edits, rewrite->parse->text, from, to);
	if (!edited || asprintf(&rewrite->plan->sql, "%s%s%s", before, edited, after) < 0) {
		rewrite->plan->sql = NULL;
		free(edited);
		return query_fail_memory(rewrite->error);
	}
	free(edited);
	return pyr_ok();
}

/* SELECT ... FROM topic LIMIT 10, and nothing that needs to see more. */
static bool is_brief(json_t *body)
{
	static const char *const others[] = {"groupClause", "havingClause", "distinctClause",
	                                     "sortClause",  "windowClause", "larg",
	                                     "withClause",  "whereClause",  "limitOffset"};
	json_t *constant = json_object_get(json_object_get(body, "limitCount"), "A_Const");
	json_t *from = json_object_get(body, "fromClause");
	if (!json_object_get(constant, "ival") || json_array_size(from) != 1 ||
	    !json_object_get(json_array_get(from, 0), "RangeVar"))
		return false;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (json_object_get(body, others[i]))
			return false;
	return json_integer_value(json_object_get(json_object_get(constant, "ival"), "ival")) <= BRIEF_ROWS &&
	       !query_needs_all_rows(json_object_get(body, "targetList"));
}

pyr_result query_plan_select(struct query_rewrite *rewrite, json_t *body, size_t from)
{
	rewrite->plan->kind = QUERY_KIND_ROWS;
	rewrite->plan->tag = "SELECT";
	rewrite->bytes_wanted = query_names_bytes(body);
	bool brief = is_brief(body);
	PYR_TRY(query_rewrite_select(rewrite, body));
	rewrite->plan->brief = brief && rewrite->plan->scan_count == 1;
	PYR_TRY(query_plan_tail_check(rewrite, body));
	return query_plan_apply(rewrite, from, rewrite->to, "", "");
}

/* VALUES by itself: its columns are column1, column2. */
static pyr_result plan_values(struct query_rewrite *rewrite, json_t *body, size_t columns)
{
	struct base_writer writer;
	struct base_slice names = {0};
	char part[32];
	PYR_TRY(query_rewrite_select(rewrite, body));
	base_writer_init(&writer, QUERY_TEXT_MAX);
	base_write_bytes(&writer, "\n) AS v(", 8);
	for (size_t i = 0; i < columns; i++)
		base_write_bytes(&writer, part,
		                 (size_t)snprintf(part, sizeof part, "%scolumn%zu", i > 0 ? ", " : "", i + 1));
	base_write_bytes(&writer, ")", 2);
	if (base_writer_take(&writer, &names).code != PYR_OK)
		return base_writer_deinit(&writer), query_fail_memory(rewrite->error);
	pyr_result result =
		query_plan_apply(rewrite, rewrite->from, rewrite->to, "SELECT * FROM (", (const char *)names.data);
	base_slice_release(&names);
	return result;
}

static pyr_result plan_select(struct query_rewrite *rewrite, json_t *body)
{
	json_t *row = json_object_get(json_array_get(json_object_get(body, "valuesLists"), 0), "List");
	rewrite->plan->kind = QUERY_KIND_ROWS;
	rewrite->plan->tag = "SELECT";
	if (row && !json_object_get(body, "withClause") &&
	    query_is_word(rewrite, query_parse_token_at(rewrite->parse, rewrite->from), "values"))
		return plan_values(rewrite, body, json_array_size(json_object_get(row, "items")));
	PYR_TRY(query_plan_select(rewrite, body, rewrite->from));
	query_plan_direct(rewrite, body);
	return pyr_ok();
}

static bool is_analyze(json_t *options)
{
	json_t *option;
	size_t i;
	json_array_foreach(options, i, option)
	{
		json_t *body = json_object_get(option, "DefElem");
		if (is(query_node_string(body, "defname"), "analyze"))
			return !is(query_node_string(json_object_get(json_object_get(body, "arg"), "String"), "sval"),
			           "off");
	}
	return false;
}

static pyr_result plan_explain(struct query_rewrite *rewrite, json_t *body)
{
	json_t *select = json_object_get(json_object_get(body, "query"), "SelectStmt");
	if (!select)
		return query_fail(rewrite->error, "0A000", "only queries can be explained");
	PYR_TRY(query_plan_select(rewrite, select, rewrite->from));
	free(rewrite->plan->sql);
	rewrite->plan->sql = NULL;
	rewrite->plan->kind = QUERY_KIND_EXPLAIN;
	rewrite->plan->tag = "EXPLAIN";
	size_t token = query_parse_token_at(rewrite->parse, rewrite->from) + 1;
	while (query_is_word(rewrite, token, "analyze") || query_is_word(rewrite, token, "verbose"))
		token += 1;
	/* A bracket after EXPLAIN holds options, unless a query stands in it. */
	if (query_is_mark(rewrite, token, '(') && json_object_get(body, "options") &&
	    !query_is_mark(rewrite, token + 1, '(') && !query_is_word(rewrite, token + 1, "select") &&
	    !query_is_word(rewrite, token + 1, "with") && !query_is_word(rewrite, token + 1, "values"))
		token = query_bracket_end(rewrite->parse, token);
	if (token >= rewrite->parse->token_count)
		return query_fail(rewrite->error, "42601", "syntax error at end of input");
	return query_plan_apply(rewrite, rewrite->parse->tokens[token].at, rewrite->to,
	                        is_analyze(json_object_get(body, "options")) ? "EXPLAIN ANALYZE " : "EXPLAIN ", "");
}

static pyr_result refuse(struct query_rewrite *rewrite, const char *kind)
{
	static const struct {
		const char *kind, *sqlstate, *sentence;
	} refused[] = {
		{"UpdateStmt", "0A000",
	         "a topic's records never change: INSERT a new record with the same key instead"},
		{"DeleteStmt", "0A000",
	         "a topic's records are not deleted one by one: INSERT a null value for the key, or delete the oldest "
	         "with Kafka's DeleteRecords"},
		{"MergeStmt", "0A000", "MERGE is not for topics: INSERT appends to one"},
		{"TruncateStmt", "0A000", "a topic is not truncated by SQL: use Kafka's DeleteRecords"},
		{"CreateStmt", "0A000", "tables are topics: create one with a Kafka client, or just produce to it"},
		{"CreateTableAsStmt", "0A000", "tables are topics: create one, then INSERT INTO it SELECT"},
		{"DropStmt", "0A000", "nothing can be dropped by SQL: delete the topic with a Kafka client"},
		{"PrepareStmt", "0A000", "PREPARE is not there: prepare through your driver"},
		{"ExecuteStmt", "0A000", "EXECUTE is not there: prepare through your driver"},
		{"LoadStmt", "42501", "permission denied to load a library"},
	};
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (is(kind, refused[i].kind))
			return query_fail(rewrite->error, refused[i].sqlstate, "%s", refused[i].sentence);
	return query_fail(rewrite->error, "0A000",
	                  "this kind of statement is not supported yet: there are SELECT, VALUES, INSERT, COPY, "
	                  "EXPLAIN, SHOW, SET, cursors and transactions");
}

static pyr_result plan_statement(struct query_rewrite *rewrite, json_t *statement)
{
	json_t *body = NULL;
	const char *kind = query_node_kind(statement, &body);
	if (!kind)
		return query_fail(rewrite->error, "42601", "this is no statement");
	query_planner *planner = is(kind, "SelectStmt")       ? plan_select
	                         : is(kind, "AlterTableStmt") ? query_plan_alter
	                         : is(kind, "ExplainStmt")    ? plan_explain
	                                                      : query_plan_session(kind);
	if (!planner)
		planner = query_plan_write(kind);
	return planner ? planner(rewrite, body) : refuse(rewrite, kind);
}

static void place(struct query_rewrite *rewrite, json_t *row)
{
	json_t *length = json_object_get(row, "stmt_len");
	size_t from = (size_t)json_integer_value(json_object_get(row, "stmt_location"));
	rewrite->from = from;
	rewrite->to = length ? from + (size_t)json_integer_value(length) : rewrite->parse->bytes;
	assert(rewrite->from <= rewrite->to && rewrite->to <= rewrite->parse->bytes);
	/* Skip comments before it, so that the first token is the statement's. */
	size_t token = query_parse_token_at(rewrite->parse, from);
	if (token < rewrite->parse->token_count && rewrite->parse->tokens[token].at < rewrite->to)
		rewrite->from = rewrite->parse->tokens[token].at;
}

pyr_result query_plan_new(const struct query_parse *parse, size_t i, const struct query_plan_options *options,
                          struct query_plan **ret_plan, struct query_error *error)
{
	struct query_rewrite rewrite = {.parse = parse, .options = options, .error = error, .numeric_scale = -1};
	json_t *row = json_array_get(parse->statements, i);
	assert(row);
	rewrite.plan = calloc(1, sizeof *rewrite.plan);
	if (!rewrite.plan)
		return query_fail_memory(error);
	place(&rewrite, row);
	pyr_result result = plan_statement(&rewrite, json_object_get(row, "stmt"));
	query_edits_deinit(&rewrite.edits);
	if (result.code == PYR_OK && rewrite.plan->tail.on && rewrite.plan->kind != QUERY_KIND_ROWS &&
	    rewrite.plan->kind != QUERY_KIND_DECLARE)
		result = query_fail(error, "0A000", "TAIL never ends: it stands in a SELECT or a cursor by itself");
	if (result.code != PYR_OK)
		query_plan_free(rewrite.plan);
	else
		*ret_plan = rewrite.plan;
	return result;
}

void query_plan_free(struct query_plan *plan)
{
	if (!plan)
		return;
	free(plan->sql);
	free(plan->value);
	free(plan->direct);
	catalog_columns_free(plan->insert.declared);
	json_decref(plan->insert.shape);
	base_slice_release(&plan->actions);
	for (size_t i = 0; i < plan->scan_count; i++)
		catalog_columns_free(plan->scans[i].columns);
	free(plan);
}
