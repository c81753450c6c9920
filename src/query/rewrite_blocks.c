/* Whole queries: columns get PostgreSQL's names, key_bytes and value_bytes are there when named but not in *, WITH's names are
 * known while their query is read, table functions are named as PostgreSQL names them.
 *
 * Runs on a query's thread: looking a topic up may block.
 */
#include "query/fields.h"
#include "query/plan_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Behind the last token of a target list's last target. */
static size_t targets_end(const struct query_rewrite *rewrite, size_t token)
{
	static const char *const stops[] = {"from",   "where", "group", "having", "window", "union", "intersect",
	                                    "except", "order", "limit", "offset", "fetch",  "for",   "into"};
	const struct query_parse *parse = rewrite->parse;
	size_t previous = token;
	for (size_t i = token; i < parse->token_count && parse->tokens[i].at < rewrite->to; i++) {
		if (query_is_mark(rewrite, i, ')') || query_is_mark(rewrite, i, ']') || query_is_mark(rewrite, i, ';'))
			return i;
		for (size_t k = 0; k < sizeof stops / sizeof *stops && parse->tokens[i].kind == QUERY_TOKEN_WORD; k++)
			if (query_is_word(rewrite, i, stops[k]) && !query_is_word(rewrite, previous, "distinct") &&
			    !query_is_word(rewrite, previous, "within") && !query_is_mark(rewrite, previous, '.'))
				return i;
		previous = i;
		if (query_is_mark(rewrite, i, '(') || query_is_mark(rewrite, i, '['))
			i = query_bracket_end(parse, i) - 1;
	}
	size_t end = token;
	while (end < parse->token_count && parse->tokens[end].at < rewrite->to)
		end += 1;
	return end;
}

/* The token behind target i: the comma before the next one, or whatever ends the list. */
static size_t target_end(const struct query_rewrite *rewrite, json_t *targets, size_t i)
{
	json_t *next = json_object_get(json_array_get(targets, i + 1), "ResTarget");
	if (next) {
		size_t token = query_token_of(rewrite, next);
		return token > 0 ? token - 1 : 0;
	}
	return targets_end(rewrite, query_token_of(rewrite, json_object_get(json_array_get(targets, i), "ResTarget")));
}

static void name_targets(struct query_rewrite *rewrite, json_t *targets)
{
	json_t *node;
	size_t i;
	char quoted[300];
	json_array_foreach(targets, i, node)
	{
		json_t *target = json_object_get(node, "ResTarget");
		const char *name =
			query_node_string(target, "name") ? NULL : query_column_name(json_object_get(target, "val"));
		size_t end = name ? target_end(rewrite, targets, i) : 0;
		if (end == 0)
			continue;
		query_edit_add(&rewrite->edits, QUERY_EDIT_AFTER, query_token_end(rewrite, end - 1), 0, " AS %s",
		               query_quote_name(name, quoted, sizeof quoted));
	}
}

static bool is_topic_item(const struct query_item *items, size_t count, const char *qualifier)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].scan != SIZE_MAX && (!qualifier || is(items[i].name, qualifier)))
			return true;
	return false;
}

/* * and t.* leave out what is there only because it was named elsewhere. */
static void narrow_stars(struct query_rewrite *rewrite, json_t *targets, const struct query_item *items, size_t count)
{
	json_t *node;
	size_t i;
	json_array_foreach(targets, i, node)
	{
		json_t *value = json_object_get(json_object_get(node, "ResTarget"), "val");
		json_t *fields = json_object_get(json_object_get(value, "ColumnRef"), "fields");
		size_t names = json_array_size(fields);
		if (names == 0 || names > 2 || !json_object_get(json_array_get(fields, names - 1), "A_Star") ||
		    !is_topic_item(items, count, names == 2 ? query_node_name(fields, 0) : NULL))
			continue;
		size_t end = target_end(rewrite, targets, i);
		if (end > 0)
			query_edit_add(&rewrite->edits, QUERY_EDIT_AFTER, query_token_end(rewrite, end - 1), 0,
			               " EXCLUDE (key_bytes, value_bytes)");
	}
}

static pyr_result gather_items(struct query_rewrite *rewrite, json_t *node, struct query_item *items, size_t *count)
{
	json_t *body = NULL;
	const char *kind = query_node_kind(node, &body);
	if (is(kind, "JoinExpr")) {
		PYR_TRY(gather_items(rewrite, json_object_get(body, "larg"), items, count));
		PYR_TRY(gather_items(rewrite, json_object_get(body, "rarg"), items, count));
		return query_rewrite_walk(rewrite, json_object_get(body, "quals"));
	}
	if (*count == QUERY_ITEMS_MAX)
		return query_fail(rewrite->error, "54000", "a query may join at most %d relations", QUERY_ITEMS_MAX);
	size_t scans = rewrite->plan->scan_count;
	PYR_TRY(query_rewrite_walk(rewrite, node));
	json_t *alias = json_object_get(body, "alias");
	bool is_tail = rewrite->plan->tail.on && rewrite->plan->tail.scan == scans;
	bool is_topic = (is(kind, "RangeVar") || is_tail) && rewrite->plan->scan_count > scans;
	items[*count] = (struct query_item){
		.name = alias     ? query_node_string(alias, "aliasname")
	                : is_tail ? rewrite->plan->scans[scans].topic
	                          : query_node_string(body, "relname"),
		.scan = is_topic ? scans : SIZE_MAX,
		.renamed = json_object_get(alias, "colnames") != NULL,
	};
	*count += 1;
	return pyr_ok();
}

static pyr_result push_name(struct query_rewrite *rewrite, const char *name)
{
	if (rewrite->name_count == QUERY_NAMES_MAX)
		return query_fail(rewrite->error, "54000", "more than %d WITH queries in scope", QUERY_NAMES_MAX);
	rewrite->names[rewrite->name_count++] = name;
	return pyr_ok();
}

static pyr_result walk_with(struct query_rewrite *rewrite, json_t *with)
{
	json_t *node;
	size_t i;
	bool recursive = json_is_true(json_object_get(with, "recursive"));
	for (int round = recursive ? 0 : 1; round < 2; round++) {
		json_array_foreach(json_object_get(with, "ctes"), i, node)
		{
			json_t *query = json_object_get(node, "CommonTableExpr");
			if (round == 1)
				PYR_TRY(query_rewrite_walk(rewrite, json_object_get(query, "ctequery")));
			if (round == 0 || !recursive)
				PYR_TRY(push_name(rewrite, query_node_string(query, "ctename")));
		}
	}
	return pyr_ok();
}

static pyr_result walk_block(struct query_rewrite *rewrite, json_t *body)
{
	struct query_item items[QUERY_ITEMS_MAX];
	static const char *const rest[] = {"targetList",   "distinctClause", "whereClause", "groupClause",
	                                   "havingClause", "windowClause",   "valuesLists", "sortClause",
	                                   "limitOffset",  "limitCount"};
	size_t count = 0, i;
	json_t *node;
	if (json_array_size(json_object_get(body, "targetList")) > QUERY_TARGETS_MAX)
		return query_fail(rewrite->error, "54011", "target lists can have at most %d entries",
		                  QUERY_TARGETS_MAX);
	json_array_foreach(json_object_get(body, "fromClause"), i, node)
		PYR_TRY(gather_items(rewrite, node, items, &count));
	query_bounds_collect(rewrite->plan, json_object_get(body, "whereClause"), items, count);
	name_targets(rewrite, json_object_get(body, "targetList"));
	if (rewrite->bytes_wanted)
		narrow_stars(rewrite, json_object_get(body, "targetList"), items, count);
	for (i = 0; i < sizeof rest / sizeof *rest; i++)
		PYR_TRY(query_rewrite_walk(rewrite, json_object_get(body, rest[i])));
	return pyr_ok();
}

pyr_result query_rewrite_select(struct query_rewrite *rewrite, json_t *body)
{
	size_t names = rewrite->name_count;
	struct query_scope scope = {body, rewrite->scope, rewrite->plan};
	if (json_object_get(body, "intoClause"))
		return query_fail(rewrite->error, "0A000",
		                  "SELECT INTO is not supported yet: produce to a topic instead");
	if (json_object_get(body, "lockingClause"))
		return query_fail(rewrite->error, "0A000",
		                  "FOR UPDATE and FOR SHARE are not supported yet: leave them out");
	rewrite->scope = &scope;
	if (json_object_get(body, "withClause"))
		PYR_TRY(walk_with(rewrite, json_object_get(body, "withClause")));
	if (json_object_get(body, "larg")) {
		PYR_TRY(query_rewrite_select(rewrite, json_object_get(body, "larg")));
		PYR_TRY(query_rewrite_select(rewrite, json_object_get(body, "rarg")));
	}
	PYR_TRY(walk_block(rewrite, body));
	rewrite->name_count = names;
	rewrite->scope = scope.outer;
	return pyr_ok();
}

/* generate_series(1, 3) s has a column s: the engine calls it otherwise. */
static void name_series(struct query_rewrite *rewrite, json_t *body, json_t *function)
{
	json_t *alias = json_object_get(body, "alias");
	const char *name = query_node_string(alias, "aliasname");
	char quoted[300];
	json_t *names = json_object_get(function, "funcname");
	const char *called = query_node_name(names, json_array_size(names) - 1);
	bool ordinal = json_is_true(json_object_get(body, "ordinality"));
	if (!name || json_object_get(alias, "colnames") || strncmp(called, "json_each", 9) == 0 ||
	    is(called, "json_tree") || is(called, "pg_get_keywords"))
		return;
	size_t token = query_token_of(rewrite, function);
	while (token < rewrite->parse->token_count && !query_is_mark(rewrite, token, '('))
		token += 1;
	token = query_bracket_end(rewrite->parse, token) + (ordinal ? 2 : 0);
	token += query_is_word(rewrite, token, "as");
	if (token < rewrite->parse->token_count)
		query_edit_add(&rewrite->edits, QUERY_EDIT_AFTER, query_token_end(rewrite, token), 0, "(%s%s)",
		               query_quote_name(name, quoted, sizeof quoted), ordinal ? ", ordinality" : "");
}

/* A function of one value in FROM is a row with it, for PostgreSQL. */
static void wrap_scalar(struct query_rewrite *rewrite, json_t *function)
{
	struct query_extent call = query_call_extent(rewrite->parse, query_token_of(rewrite, function));
	if (call.to == 0)
		return;
	query_edit_add(&rewrite->edits, QUERY_EDIT_OPEN, call.from, 0, "(SELECT ");
	query_edit_add(&rewrite->edits, QUERY_EDIT_CLOSE, call.to, 0, ")");
}

pyr_result query_rewrite_range_function(struct query_rewrite *rewrite, json_t *body)
{
	json_t *node;
	size_t i;
	json_array_foreach(json_object_get(body, "functions"), i, node)
	{
		json_t *call = json_array_get(json_object_get(json_object_get(node, "List"), "items"), 0);
		json_t *function = json_object_get(call, "FuncCall");
		if (!function)
			return query_fail(rewrite->error, "0A000", "this expression can't stand in FROM");
		if (query_is_tail(function)) {
			PYR_TRY(query_plan_tail(rewrite, body, function));
			continue;
		}
		rewrite->ordinality = json_is_true(json_object_get(body, "ordinality"));
		if (is(query_node_name(json_object_get(function, "funcname"), 0), "string_to_array"))
			wrap_scalar(rewrite, function);
		name_series(rewrite, body, function);
		PYR_TRY(query_rewrite_function(rewrite, function, true));
	}
	return pyr_ok();
}
