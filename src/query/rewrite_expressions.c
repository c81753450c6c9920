/* Expressions: sums get PostgreSQL's types, divisors are checked, -> and ->> get brackets, for they bind looser in the engine,
 * declared parameters get casts, columns that collide with the engine's words quotes.
 *
 * Functions that reach out are refused. Runs on a query's thread.
 */
#include "query/fields.h"
#include "query/plan_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void type_sum(struct query_rewrite *rewrite, json_t *body)
{
	json_t *arguments = json_object_get(body, "args");
	int width =
		json_array_size(arguments) == 1 ? query_integer_width(rewrite->scope, json_array_get(arguments, 0)) : 0;
	struct query_extent call = query_call_extent(rewrite->parse, query_token_of(rewrite, body));
	if (width == 0 || call.to == 0)
		return;
	query_edit_add(&rewrite->edits, QUERY_EDIT_OPEN, call.from, 0, "CAST(");
	query_edit_add(&rewrite->edits, QUERY_EDIT_CLOSE, call.to, 0, " AS %s)",
	               width == 4 ? "BIGINT" : "DECIMAL(38,0)");
}

/* An int4 that is written down, or a parameter declared as one. */
static bool is_int4(struct query_rewrite *rewrite, json_t *node)
{
	json_t *cast = json_object_get(node, "TypeCast"), *constant = json_object_get(node, "A_Const");
	json_t *sign = json_object_get(node, "A_Expr");
	if (sign && !json_object_get(sign, "lexpr"))
		return is_int4(rewrite, json_object_get(sign, "rexpr"));
	if (cast)
		return query_integer_width(rewrite->scope, node) == 4 &&
		       (json_object_get(json_object_get(cast, "arg"), "ParamRef") ||
		        json_object_get(json_object_get(cast, "arg"), "A_Const"));
	return json_object_get(constant, "ival") != NULL;
}

/* What stands for it in FROM. generate_series gives int4 for int4 there: the engine's gives int8 always. */
static const char *table_name(struct query_rewrite *rewrite, json_t *body, const char *name)
{
	json_t *node;
	size_t i;
	if (is(name, "generate_subscripts"))
		return "generate_subscripts/table";
	if (!is(name, "generate_series"))
		return name;
	if (rewrite->ordinality || json_array_size(json_object_get(body, "args")) != 2)
		return "";
	json_array_foreach(json_object_get(body, "args"), i, node) if (!is_int4(rewrite, node)) return "";
	return "generate_series/int4";
}

pyr_result query_rewrite_function(struct query_rewrite *rewrite, json_t *body, bool as_table)
{
	json_t *names = json_object_get(body, "funcname");
	size_t count = json_array_size(names);
	const char *name = query_node_name(names, count - 1);
	const char *schema = count == 2 ? query_node_name(names, 0) : NULL;
	if (!name || count > 2 || (schema && !is(schema, "pg_catalog") && !is(schema, "information_schema")))
		return query_fail_at(rewrite, body,
		                     query_fail(rewrite->error, "42883", "functions have no schema but pg_catalog"));
	PYR_TRY(query_fail_at(rewrite, body, query_function_check(name, as_table, rewrite->error)));
	if (is(name, "sum"))
		type_sum(rewrite, body);
	if (query_rewrite_syntax_call(rewrite, body, name))
		return query_rewrite_walk(rewrite, body);
	query_rewrite_call(rewrite, body, as_table ? table_name(rewrite, body, name) : name);
	return query_rewrite_walk(rewrite, body);
}

/* The operator at a token; OPERATOR(pg_catalog.~) has more of them. */
static void replace_operator(struct query_rewrite *rewrite, size_t at, const char *text)
{
	size_t from = rewrite->parse->tokens[at].at, end = query_operator_end(rewrite->parse, at);
	query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, from, query_token_end(rewrite, end - 1) - from, "%s", text);
}

static void wrap_operator(struct query_rewrite *rewrite, json_t *body, const char *open, const char *between,
                          const char *close)
{
	struct query_extent extent = query_operator_extent(rewrite->parse, body);
	size_t at = query_token_of(rewrite, body);
	if (extent.to == 0 || at >= rewrite->parse->token_count)
		return;
	query_edit_add(&rewrite->edits, QUERY_EDIT_OPEN, extent.from, 0, "%s", open);
	query_edit_add(&rewrite->edits, QUERY_EDIT_CLOSE, extent.to, 0, "%s", close);
	if (between)
		replace_operator(rewrite, at, between);
}

/* A literal that says itself that it is not zero. */
static bool is_nonzero(const struct query_rewrite *rewrite, json_t *node)
{
	json_t *constant = json_object_get(node, "A_Const");
	size_t token = constant ? query_token_of(rewrite, constant) : rewrite->parse->token_count;
	if (token >= rewrite->parse->token_count || rewrite->parse->tokens[token].kind != QUERY_TOKEN_NUMBER)
		return false;
	const struct query_token *number = &rewrite->parse->tokens[token];
	return rewrite->parse->text[number->at] >= '1' && rewrite->parse->text[number->at] <= '9';
}

/* The engine divides by zero and gives null; PostgreSQL refuses. */
static void guard_divisor(struct query_rewrite *rewrite, json_t *body)
{
	struct query_extent extent = query_operator_extent(rewrite->parse, body);
	size_t at = query_token_of(rewrite, body) + 1;
	if (extent.to == 0 || at >= rewrite->parse->token_count || is_nonzero(rewrite, json_object_get(body, "rexpr")))
		return;
	query_edit_add(&rewrite->edits, QUERY_EDIT_OPEN, rewrite->parse->tokens[at].at, 0, "pyralog_divisor(");
	query_edit_add(&rewrite->edits, QUERY_EDIT_CLOSE, extent.to, 0, ")");
}

/* An array whose type nobody declared is one of what it is compared with. */
static void hint_array(struct query_rewrite *rewrite, json_t *body)
{
	json_t *parameter = json_object_get(json_object_get(body, "rexpr"), "ParamRef");
	size_t number = (size_t)json_integer_value(json_object_get(parameter, "number"));
	if (number == 0 || number > QUERY_PARAMETERS_MAX)
		return;
	bool integers = query_integer_width(rewrite->scope, json_object_get(body, "lexpr")) > 0;
	rewrite->plan->hints[number - 1] = integers ? QUERY_TYPE_INT8_ARRAY : QUERY_TYPE_TEXT_ARRAY;
}

/* x = ANY (array) and x <> ALL (array), which the engine makes a join that it can't always do. */
static void rewrite_array_test(struct query_rewrite *rewrite, json_t *body, bool all)
{
	size_t at = query_token_of(rewrite, body);
	const char *name = query_node_name(json_object_get(body, "name"), 0);
	if (!is(name, all ? "<>" : "=") || !query_is_mark(rewrite, at + 2, '('))
		return;
	hint_array(rewrite, body);
	wrap_operator(rewrite, body, all ? "(NOT pyralog_any(" : "pyralog_any(", ",", all ? "))" : ")");
	query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, rewrite->parse->tokens[at + 1].at,
	               rewrite->parse->tokens[at + 1].bytes, "%s", "");
}

/* A literal like '{0}' that is compared is an array's: the engine would read it as something else. */
static void convert_braces(struct query_rewrite *rewrite, json_t *node)
{
	json_t *constant = json_object_get(node, "A_Const");
	const char *text = query_node_string(json_object_get(constant, "sval"), "sval");
	size_t bytes = text ? strlen(text) : 0, token = constant ? query_token_of(rewrite, constant) : 0;
	if (bytes < 3 || text[0] != '{' || text[bytes - 1] != '}' || strspn(text + 1, "0123456789,") != bytes - 2)
		return;
	if (token < rewrite->parse->token_count)
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, rewrite->parse->tokens[token].at,
		               rewrite->parse->tokens[token].bytes, "'[%.*s]'", (int)bytes - 2, text + 1);
}

/* COLLATE "C" and "default" are what the engine does anyway. */
pyr_result query_rewrite_collation(struct query_rewrite *rewrite, json_t *body)
{
	json_t *names = json_object_get(body, "collname");
	const char *name = query_node_name(names, json_array_size(names) - 1);
	size_t first = query_token_of(rewrite, body), last = first + 1;
	if (!is(name, "default") && !is(name, "C") && !is(name, "POSIX") && !is(name, "C.UTF-8") &&
	    !is(name, "ucs_basic"))
		return query_fail(rewrite->error, "42704", "collation \"%s\" does not exist: there are C and default",
		                  name ? name : "");
	while (query_is_mark(rewrite, last + 1, '.'))
		last += 2;
	if (last < rewrite->parse->token_count) {
		size_t from = rewrite->parse->tokens[first].at;
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, from, query_token_end(rewrite, last) - from, "%s",
		               "");
	}
	return query_rewrite_walk(rewrite, json_object_get(body, "arg"));
}

/* Columns that every relation of PostgreSQL has without showing them say nothing here. */
static bool is_hidden(const char *name)
{
	static const char *const names[] = {"tableoid", "xmin", "xmax", "cmin", "cmax", "ctid"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (is(name, names[i]))
			return true;
	return false;
}

/* Words that are names to PostgreSQL, and keywords to the engine. */
static void quote_keyword(struct query_rewrite *rewrite, size_t token)
{
	static const char *const words[] = {"at",          "describe", "lambda",    "pivot", "pivot_longer",
	                                    "pivot_wider", "qualify",  "summarize", "show",  "unpivot"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (query_is_word(rewrite, token, words[i]))
			query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, rewrite->parse->tokens[token].at,
			               rewrite->parse->tokens[token].bytes, "\"%s\"", words[i]);
}

/* pg_catalog.pg_class.relname: the relation stands for itself. */
void query_rewrite_column(struct query_rewrite *rewrite, json_t *body)
{
	json_t *fields = json_object_get(body, "fields");
	const char *schema = query_node_name(fields, 0);
	size_t first = query_token_of(rewrite, body), last = first;
	while (query_is_mark(rewrite, last + 1, '.'))
		last += 2;
	if (is_hidden(query_node_name(fields, json_array_size(fields) - 1)) && last < rewrite->parse->token_count) {
		size_t from = rewrite->parse->tokens[first].at;
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, from, query_token_end(rewrite, last) - from,
		               "CAST(0 AS UINTEGER)");
		return;
	}
	quote_keyword(rewrite, last);
	if (json_array_size(fields) != 3 || !query_is_mark(rewrite, first + 1, '.') ||
	    (!is(schema, "pg_catalog") && !is(schema, "information_schema") && !is(schema, "public")))
		return;
	size_t at = rewrite->parse->tokens[first].at;
	query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at, query_token_end(rewrite, first + 1) - at, "%s", "");
}

pyr_result query_rewrite_expression(struct query_rewrite *rewrite, json_t *body)
{
	json_t *names = json_object_get(body, "name");
	const char *name = query_node_name(names, 0), *kind = query_node_string(body, "kind");
	if (is(kind, "AEXPR_OP_ANY") || is(kind, "AEXPR_OP_ALL"))
		rewrite_array_test(rewrite, body, is(kind, "AEXPR_OP_ALL"));
	if (json_array_size(names) == 2 && is(query_node_name(names, 0), "pg_catalog") && is(kind, "AEXPR_OP")) {
		name = query_node_name(names, 1);
		if (!strchr(name, '~') || strchr(name, '~') != strrchr(name, '~'))
			replace_operator(rewrite, query_token_of(rewrite, body), name);
	}
	if (is(name, "=") || is(name, "<>"))
		convert_braces(rewrite, json_object_get(body, "rexpr"));
	if (is(kind, "AEXPR_LIKE") || is(kind, "AEXPR_ILIKE"))
		query_rewrite_like(rewrite, body);
	if (is(kind, "AEXPR_SIMILAR"))
		query_rewrite_similar(rewrite, body);
	if (is(kind, "AEXPR_OP")) {
		if (is(name, "->") || is(name, "->>"))
			wrap_operator(rewrite, body, "(", NULL, ")");
		else if (is(name, "/") || is(name, "%"))
			guard_divisor(rewrite, body);
		else if (is(name, "#>") || is(name, "#>>")) {
			wrap_operator(rewrite, body, "(", NULL, ")");
			query_rewrite_path(rewrite, body, name);
		} else if (is(name, "#"))
			wrap_operator(rewrite, body, "xor(", ",", ")");
		else if (is(name, "~") && json_object_get(body, "lexpr"))
			wrap_operator(rewrite, body, "regexp_matches(", ",", ")");
		else if (is(name, "!~"))
			wrap_operator(rewrite, body, "(NOT regexp_matches(", ",", "))");
		else if (is(name, "~*"))
			wrap_operator(rewrite, body, "regexp_matches(", ",", ", 'i')");
		else if (is(name, "!~*"))
			wrap_operator(rewrite, body, "(NOT regexp_matches(", ",", ", 'i'))");
	}
	return query_rewrite_walk(rewrite, body);
}

pyr_result query_rewrite_parameter(struct query_rewrite *rewrite, json_t *body)
{
	size_t number = (size_t)json_integer_value(json_object_get(body, "number"));
	const struct query_plan_options *options = rewrite->options;
	if (number == 0 || number > QUERY_PARAMETERS_MAX)
		return query_fail_at(
			rewrite, body,
			query_fail(rewrite->error, "42P02", "parameters are $1 to $%d", QUERY_PARAMETERS_MAX));
	if (number > rewrite->plan->parameter_count)
		rewrite->plan->parameter_count = number;
	uint32_t oid = number <= options->parameter_type_count ? options->parameter_types[number - 1] : 0;
	const char *type = query_type_engine_name(oid ? oid : rewrite->plan->hints[number - 1]);
	char numeric[32];
	snprintf(numeric, sizeof numeric, "DECIMAL(38,%d)", options->numeric_scale);
	if (oid == QUERY_TYPE_NUMERIC)
		type = numeric;
	size_t token = query_token_of(rewrite, body);
	if (type && token < rewrite->parse->token_count && options->null_parameters)
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, rewrite->parse->tokens[token].at,
		               rewrite->parse->tokens[token].bytes, "CAST(NULL AS %s)", type);
	else if (type && token < rewrite->parse->token_count)
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, rewrite->parse->tokens[token].at,
		               rewrite->parse->tokens[token].bytes, "CAST(CAST($%zu AS VARCHAR) AS %s)", number, type);
	return pyr_ok();
}
