/* One statement for the engine: walks PostgreSQL's parse tree and edits the text where the engine would differ.
 *
 * What is done where: relations and topics in rewrite_relations.c, calls, operators and columns in rewrite_expressions.c, whole
 * queries in rewrite_blocks.c; here is the walk, and what all of them use. Statements that would change something are refused.
 * Recursion is bounded by the depth of the tree (parse.c). Runs on a query's thread: looking a topic up may block.
 */
#include "query/fields.h"
#include "query/plan_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pyr_result query_fail_at(struct query_rewrite *rewrite, json_t *body, pyr_result result)
{
	long at = query_node_location(body);
	if (result.code != PYR_OK && at >= 0)
		rewrite->error->position = query_parse_position(rewrite->parse, (size_t)at);
	return result;
}

size_t query_token_of(const struct query_rewrite *rewrite, json_t *body)
{
	long at = query_node_location(body);
	return at < 0 ? rewrite->parse->token_count : query_parse_token_at(rewrite->parse, (size_t)at);
}

size_t query_token_end(const struct query_rewrite *rewrite, size_t token)
{
	const struct query_token *at = &rewrite->parse->tokens[token];
	return at->at + at->bytes;
}

bool query_is_mark(const struct query_rewrite *rewrite, size_t token, char mark)
{
	const struct query_token *at = &rewrite->parse->tokens[token];
	return token < rewrite->parse->token_count && at->kind == QUERY_TOKEN_MARK &&
	       rewrite->parse->text[at->at] == mark;
}

bool query_is_word(const struct query_rewrite *rewrite, size_t token, const char *word)
{
	return token < rewrite->parse->token_count &&
	       query_token_is(rewrite->parse->text, &rewrite->parse->tokens[token], word);
}

/* "a""b" for a"b, into a buffer cut at its end. */
const char *query_quote_name(const char *name, char *room, size_t bytes)
{
	size_t used = 0;
	room[used++] = '"';
	for (; *name && used + 3 < bytes; name++) {
		if (*name == '"')
			room[used++] = '"';
		room[used++] = *name;
	}
	room[used++] = '"';
	room[used] = 0;
	return room;
}

static pyr_result visit(struct query_rewrite *rewrite, const char *kind, json_t *body)
{
	if (is(kind, "SelectStmt"))
		return query_rewrite_select(rewrite, body);
	if (is(kind, "RangeVar"))
		return query_rewrite_relation(rewrite, body);
	if (is(kind, "RangeFunction"))
		return query_rewrite_range_function(rewrite, body);
	if (is(kind, "FuncCall"))
		return query_rewrite_function(rewrite, body, false);
	if (is(kind, "A_Expr"))
		return query_rewrite_expression(rewrite, body);
	if (is(kind, "ParamRef"))
		return query_rewrite_parameter(rewrite, body);
	if (is(kind, "BoolExpr") && json_array_size(json_object_get(body, "args")) > QUERY_CONDITIONS_MAX)
		return query_fail(rewrite->error, "54001", "more than %d conditions in one chain: use IN, or fewer",
		                  QUERY_CONDITIONS_MAX);
	if (is(kind, "TypeCast"))
		return query_rewrite_cast(rewrite, body, false);
	if (is(kind, "CollateClause"))
		return query_rewrite_collation(rewrite, body);
	if (is(kind, "ResTarget")) {
		json_t *cast = json_object_get(json_object_get(body, "val"), "TypeCast");
		return cast ? query_rewrite_cast(rewrite, cast, true) : query_rewrite_walk(rewrite, body);
	}
	if (is(kind, "SQLValueFunction"))
		query_rewrite_value(rewrite, body);
	if (is(kind, "ColumnRef"))
		query_rewrite_column(rewrite, body);
	if (is(kind, "typeName") || is(kind, "TypeName"))
		query_rewrite_type(rewrite, body);
	if (is(kind, "InsertStmt") || is(kind, "UpdateStmt") || is(kind, "DeleteStmt") || is(kind, "MergeStmt"))
		return query_fail(rewrite->error, "0A000", "a query can't write: INSERT is a statement of its own");
	return query_rewrite_walk(rewrite, body);
}

pyr_result query_rewrite_node(struct query_rewrite *rewrite, json_t *node, json_t *dropped)
{
	/* The tokens of the cast that goes away: "::regclass", in front of what the outer one takes away. */
	struct query_cast_extent extent =
		dropped ? query_cast_extent(rewrite->parse, dropped) : (struct query_cast_extent){0};
	if (extent.to > 0 && !extent.is_word)
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, extent.sign, extent.to - extent.sign, "%s", "");
	else if (extent.to > 0) {
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, extent.from, extent.operand - extent.from, "(");
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, extent.sign, extent.to - extent.sign, ")");
	}
	return query_rewrite_walk(rewrite, node);
}

pyr_result query_rewrite_walk(struct query_rewrite *rewrite, json_t *node)
{
	const char *key;
	json_t *value;
	size_t i;
	if (json_is_array(node)) {
		json_array_foreach(node, i, value) PYR_TRY(query_rewrite_walk(rewrite, value));
		return pyr_ok();
	}
	json_object_foreach(node, key, value) if (json_is_object(value) || json_is_array(value))
		PYR_TRY(visit(rewrite, key, value));
	return pyr_ok();
}

bool query_names_bytes(json_t *node)
{
	const char *key;
	json_t *value;
	size_t i;
	if (json_is_array(node)) {
		json_array_foreach(node, i, value) if (query_names_bytes(value)) return true;
		return false;
	}
	json_object_foreach(node, key, value)
	{
		if (strcmp(key, "ColumnRef") == 0) {
			json_t *fields = json_object_get(value, "fields");
			const char *name = query_node_name(fields, json_array_size(fields) - 1);
			if (is(name, "key_bytes") || is(name, "value_bytes"))
				return true;
		} else if (query_names_bytes(value)) {
			return true;
		}
	}
	return false;
}
