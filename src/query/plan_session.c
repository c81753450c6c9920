/* Plans of statements that concern the session: settings, transactions, cursors, what it keeps.
 *
 * Most have nothing for the engine; the session or the protocol's adapter carries them out. Runs on a query's thread.
 */
#include "base/cursor.h"
#include "query/plan_priv.h"
#include "query/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pyr_result take_kind(struct query_rewrite *rewrite, enum query_kind kind, const char *tag)
{
	rewrite->plan->kind = kind;
	rewrite->plan->tag = tag;
	return pyr_ok();
}

/* ---- settings ---- */

/* One value of a SET: SET search_path TO a, 'b', 3. */
static void write_value(struct base_writer *writer, json_t *node)
{
	json_t *constant = json_object_get(node, "A_Const");
	if (!constant) /* SET TIME ZONE INTERVAL '0' and the like */
		constant = json_object_get(json_object_get(json_object_get(node, "TypeCast"), "arg"), "A_Const");
	const char *text = query_node_string(json_object_get(constant, "sval"), "sval");
	char number[32] = "";
	if (!text)
		text = query_node_string(json_object_get(constant, "fval"), "fval");
	if (!text && json_object_get(constant, "ival")) {
		snprintf(number, sizeof number, "%lld",
		         (long long)json_integer_value(json_object_get(json_object_get(constant, "ival"), "ival")));
		text = number;
	}
	base_write_bytes(writer, text ? text : "", text ? strlen(text) : 0);
}

static pyr_result take_value(struct query_rewrite *rewrite, json_t *arguments)
{
	struct base_writer writer;
	struct base_slice written;
	json_t *node;
	size_t i;
	base_writer_init(&writer, QUERY_TEXT_MAX);
	json_array_foreach(arguments, i, node)
	{
		base_write_bytes(&writer, ", ", i > 0 ? 2 : 0);
		write_value(&writer, node);
	}
	base_write_u8(&writer, 0);
	if (base_writer_take(&writer, &written).code == PYR_OK)
		rewrite->plan->value = strdup((const char *)written.data);
	base_slice_release(&written);
	base_writer_deinit(&writer);
	return rewrite->plan->value ? pyr_ok() : query_fail_memory(rewrite->error);
}

static pyr_result plan_set(struct query_rewrite *rewrite, json_t *body)
{
	const char *kind = query_node_string(body, "kind"), *name = query_node_string(body, "name");
	bool resets = is(kind, "VAR_RESET") || is(kind, "VAR_RESET_ALL");
	if (is(kind, "VAR_RESET_ALL"))
		return take_kind(rewrite, QUERY_KIND_RESET_ALL, "RESET");
	/* SET TRANSACTION and SET SESSION CHARACTERISTICS: every mode is kept. */
	if (is(kind, "VAR_SET_MULTI") || is(kind, "VAR_SET_CURRENT"))
		return take_kind(rewrite, QUERY_KIND_COMMAND, "SET");
	if (!query_setting_name(name))
		return query_fail(rewrite->error, "42704", "unrecognized configuration parameter \"%s\"", name);
	rewrite->plan->name = name;
	rewrite->plan->local = json_is_true(json_object_get(body, "is_local"));
	if (is(kind, "VAR_SET_VALUE"))
		PYR_TRY(take_value(rewrite, json_object_get(body, "args")));
	return take_kind(rewrite, QUERY_KIND_SET, resets ? "RESET" : "SET");
}

static pyr_result plan_show(struct query_rewrite *rewrite, json_t *body)
{
	const char *name = query_node_string(body, "name");
	unsigned long long handle = (unsigned long long)rewrite->options->handle;
	char quoted[300];
	int written;
	if (is(name, "all")) {
		written = asprintf(&rewrite->plan->sql,
		                   "SELECT name, setting, '' AS description FROM pyralog_settings(%llu)", handle);
	} else {
		name = query_setting_name(name);
		if (!name)
			return query_fail(rewrite->error, "42704", "unrecognized configuration parameter \"%s\"",
			                  query_node_string(body, "name"));
		written = strchr(name, '\'')
		                  ? -1
		                  : asprintf(&rewrite->plan->sql, "SELECT pyralog_get_setting(%llu, '%s', false) AS %s",
		                             handle, name, query_quote_name(name, quoted, sizeof quoted));
	}
	if (written < 0) {
		rewrite->plan->sql = NULL;
		return query_fail_memory(rewrite->error);
	}
	return take_kind(rewrite, QUERY_KIND_ROWS, "SHOW");
}

/* ---- transactions ---- */

static pyr_result plan_transaction(struct query_rewrite *rewrite, json_t *body)
{
	static const struct {
		const char *name, *tag;
		enum query_kind kind;
	} rows[] = {
		{"TRANS_STMT_BEGIN", "BEGIN", QUERY_KIND_BEGIN},
		{"TRANS_STMT_START", "START TRANSACTION", QUERY_KIND_BEGIN},
		{"TRANS_STMT_COMMIT", "COMMIT", QUERY_KIND_COMMIT},
		{"TRANS_STMT_ROLLBACK", "ROLLBACK", QUERY_KIND_ROLLBACK},
		{"TRANS_STMT_SAVEPOINT", "SAVEPOINT", QUERY_KIND_SAVEPOINT},
		{"TRANS_STMT_RELEASE", "RELEASE", QUERY_KIND_RELEASE},
		{"TRANS_STMT_ROLLBACK_TO", "ROLLBACK", QUERY_KIND_ROLLBACK_TO},
	};
	const char *kind = query_node_string(body, "kind");
	if (json_is_true(json_object_get(body, "chain")))
		return query_fail(rewrite->error, "0A000", "AND CHAIN is not supported: BEGIN again");
	rewrite->plan->name = query_node_string(body, "savepoint_name");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (is(kind, rows[i].name))
			return take_kind(rewrite, rows[i].kind, rows[i].tag);
	return query_fail(rewrite->error, "0A000", "two-phase commit is not supported: COMMIT instead");
}

/* ---- cursors ---- */

enum { CURSOR_SCROLL = 2, CURSOR_HOLD = 32 }; /* CURSOR_OPT_ of PostgreSQL's parsenodes.h */

/* The cursor's query begins behind FOR. */
static pyr_result plan_declare(struct query_rewrite *rewrite, json_t *body)
{
	json_t *select = json_object_get(json_object_get(body, "query"), "SelectStmt");
	long options = (long)json_integer_value(json_object_get(body, "options"));
	size_t token = query_parse_token_at(rewrite->parse, rewrite->from);
	if (!select)
		return query_fail(rewrite->error, "42601", "a cursor is over a query");
	if (options & CURSOR_SCROLL)
		return query_fail(rewrite->error, "0A000", "SCROLL cursors are not supported: leave SCROLL out");
	while (token < rewrite->parse->token_count && !query_is_word(rewrite, token, "for"))
		token += 1;
	if (token + 1 >= rewrite->parse->token_count)
		return query_fail(rewrite->error, "42601", "syntax error at end of input");
	PYR_TRY(query_plan_select(rewrite, select, rewrite->parse->tokens[token + 1].at));
	rewrite->plan->name = query_node_string(body, "portalname");
	rewrite->plan->hold = options & CURSOR_HOLD;
	return take_kind(rewrite, QUERY_KIND_DECLARE, "DECLARE CURSOR");
}

static pyr_result plan_fetch(struct query_rewrite *rewrite, json_t *body)
{
	struct query_plan *plan = rewrite->plan;
	plan->name = query_node_string(body, "portalname");
	plan->moves = json_is_true(json_object_get(body, "ismove"));
	plan->row_count = (int64_t)json_integer_value(json_object_get(body, "howMany"));
	plan->backward = !is(query_node_string(body, "direction"), "FETCH_FORWARD") || plan->row_count < 0;
	return take_kind(rewrite, QUERY_KIND_FETCH, plan->moves ? "MOVE" : "FETCH");
}

static pyr_result plan_close(struct query_rewrite *rewrite, json_t *body)
{
	rewrite->plan->name = query_node_string(body, "portalname");
	return take_kind(rewrite, QUERY_KIND_CLOSE, rewrite->plan->name ? "CLOSE CURSOR" : "CLOSE CURSOR ALL");
}

/* ---- what the session keeps ---- */

static pyr_result plan_deallocate(struct query_rewrite *rewrite, json_t *body)
{
	rewrite->plan->name = query_node_string(body, "name");
	return take_kind(rewrite, QUERY_KIND_DEALLOCATE, rewrite->plan->name ? "DEALLOCATE" : "DEALLOCATE ALL");
}

static pyr_result plan_discard(struct query_rewrite *rewrite, json_t *body)
{
	static const char *const rows[][2] = {{"DISCARD_PLANS", "DISCARD PLANS"},
	                                      {"DISCARD_SEQUENCES", "DISCARD SEQUENCES"},
	                                      {"DISCARD_TEMP", "DISCARD TEMP"}};
	const char *target = query_node_string(body, "target");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (is(target, rows[i][0]))
			return take_kind(rewrite, QUERY_KIND_COMMAND, rows[i][1]);
	return take_kind(rewrite, QUERY_KIND_DISCARD, "DISCARD ALL");
}

static pyr_result plan_unlisten(struct query_rewrite *rewrite, json_t *body)
{
	(void)body;
	return take_kind(rewrite, QUERY_KIND_COMMAND, "UNLISTEN");
}

static pyr_result plan_constraints(struct query_rewrite *rewrite, json_t *body)
{
	(void)body;
	return take_kind(rewrite, QUERY_KIND_COMMAND, "SET CONSTRAINTS");
}

query_planner *query_plan_session(const char *kind)
{
	static const struct {
		const char *kind;
		query_planner *plan;
	} planners[] = {
		{"VariableSetStmt", plan_set},
		{"VariableShowStmt", plan_show},
		{"TransactionStmt", plan_transaction},
		{"DeclareCursorStmt", plan_declare},
		{"FetchStmt", plan_fetch},
		{"ClosePortalStmt", plan_close},
		{"DeallocateStmt", plan_deallocate},
		{"DiscardStmt", plan_discard},
		{"UnlistenStmt", plan_unlisten},
		{"ConstraintsSetStmt", plan_constraints},
	};
	for (size_t i = 0; i < sizeof planners / sizeof *planners; i++)
		if (is(kind, planners[i].kind))
			return planners[i].plan;
	return NULL;
}
