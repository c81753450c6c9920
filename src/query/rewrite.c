/* One statement for the engine: walks PostgreSQL's parse tree and edits the text where the engine would differ.
 *
 * What it does: topics become calls of the engine's table function pyralog_scan(topic, scan, handle, bytes); columns
 * get PostgreSQL's names; sums get PostgreSQL's types; -> and ->> get brackets, for they bind looser in the engine; divisors are checked;
 * declared parameters get casts; key_bytes and value_bytes are there when named, but not in *. Statements that would
 * change something, and functions that reach out, are refused. Recursion is bounded by the depth of the tree (parse.c).
 * Runs on a query's thread: looking a topic up may block.
 */
#include "query/fields.h"
#include "query/plan_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pyr_result walk(struct query_rewrite *rewrite, json_t *node);

static pyr_result fail_at(struct query_rewrite *rewrite, json_t *body, pyr_result result)
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

/* ---- relations ---- */

static bool is_with_name(const struct query_rewrite *rewrite, const char *name)
{
	for (size_t i = 0; i < rewrite->name_count; i++)
		if (strcmp(rewrite->names[i], name) == 0)
			return true;
	return false;
}

/* Replaces the relation's name, schema and all, keeping an alias that follows. */
static void replace_relation(struct query_rewrite *rewrite, json_t *body, const char *call)
{
	char quoted[300];
	size_t first = query_token_of(rewrite, body), last = first;
	while (query_is_mark(rewrite, last + 1, '.'))
		last += 2;
	if (last >= rewrite->parse->token_count)
		return;
	size_t at = rewrite->parse->tokens[first].at;
	bool has_alias = json_object_get(body, "alias") != NULL;
	const char *name = query_quote_name(query_node_string(body, "relname"), quoted, sizeof quoted);
	query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at, query_token_end(rewrite, last) - at, "%s%s%s", call,
	               has_alias ? "" : " AS ", has_alias ? "" : name);
}

pyr_result query_plan_columns(struct query_rewrite *rewrite, const char *topic, struct query_scan *scan,
                              char **ret_literal)
{
	struct query_source *source = rewrite->options->source;
	struct pyr_error below = {0};
	if (source->ops->topic_columns(source, rewrite->options->principal, topic, &scan->columns, &below).code !=
	    PYR_OK)
		return query_fail_below(rewrite->error, &below);
	*ret_literal = query_fields_literal(scan->columns);
	return *ret_literal ? pyr_ok() : query_fail_memory(rewrite->error);
}

/* A scan more, and its call, for the caller to free(). `errors`: not the topic's rows, but what is wrong with them. */
static pyr_result new_scan(struct query_rewrite *rewrite, const struct query_topic *topic, bool errors, char **ret_call)
{
	struct query_plan *plan = rewrite->plan;
	unsigned long long handle = (unsigned long long)rewrite->options->handle;
	char *fields = NULL;
	if (plan->scan_count == QUERY_TOPICS_MAX)
		return query_fail(rewrite->error, "54000", "the statement names more than %d topics", QUERY_TOPICS_MAX);
	struct query_scan *scan = &plan->scans[plan->scan_count++];
	memcpy(scan->topic, topic->name, sizeof topic->name);
	if (topic->column_count > 0)
		PYR_TRY(query_plan_columns(rewrite, topic->name, scan, &fields));
	const char *literal = fields ? fields : "'[]'", *bytes = rewrite->bytes_wanted ? "true, " : "false, ";
	int written = asprintf(ret_call, "%s('%s', %zu, %llu, %s%s)", errors ? "pyralog_errors" : "pyralog_scan",
	                       topic->name, plan->scan_count - 1, handle, errors ? "" : bytes, literal);
	free(fields);
	return written < 0 ? query_fail_memory(rewrite->error) : pyr_ok();
}

static pyr_result add_scan(struct query_rewrite *rewrite, json_t *body, const struct query_topic *topic, bool errors)
{
	char *call = NULL;
	PYR_TRY(new_scan(rewrite, topic, errors, &call));
	replace_relation(rewrite, body, call);
	free(call);
	return pyr_ok();
}

pyr_result query_rewrite_tail(struct query_rewrite *rewrite, json_t *range, json_t *function, const char *name)
{
	struct query_source *source = rewrite->options->source;
	struct query_topic topic;
	struct pyr_error below = {0};
	char quoted[300], *call = NULL;
	size_t first = query_token_of(rewrite, function);
	pyr_result found = source->ops->topic_find(source, rewrite->options->principal, name, &topic, &below);
	if (found.code == PYR_UNKNOWN_PARTITION)
		return fail_at(rewrite, function, query_fail_unknown(rewrite, NULL, name));
	if (found.code != PYR_OK)
		return query_fail_below(rewrite->error, &below);
	PYR_TRY(new_scan(rewrite, &topic, false, &call));
	size_t end = query_bracket_end(rewrite->parse, first + 1);
	if (end == 0 || end > rewrite->parse->token_count) {
		free(call);
		return query_fail(rewrite->error, "42601", "syntax error at end of input");
	}
	size_t at = rewrite->parse->tokens[first].at;
	bool has_alias = json_object_get(range, "alias") != NULL;
	query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at, query_token_end(rewrite, end - 1) - at, "%s%s%s", call,
	               has_alias ? "" : " AS ", has_alias ? "" : query_quote_name(topic.name, quoted, sizeof quoted));
	free(call);
	return pyr_ok();
}

/* topic$errors: the topic's name, in `room`. */
static bool is_errors_view(const char *name, char room[CATALOG_NAME_MAX + 1])
{
	static const char suffix[] = "$errors";
	size_t bytes = strlen(name), less = sizeof suffix - 1;
	if (bytes <= less || bytes - less > CATALOG_NAME_MAX || strcmp(name + bytes - less, suffix) != 0)
		return false;
	memcpy(room, name, bytes - less);
	room[bytes - less] = 0;
	return true;
}

pyr_result query_fail_unknown(struct query_rewrite *rewrite, const char *schema, const char *name)
{
	pyr_result result = query_fail(rewrite->error, "42P01", "relation \"%s%s%s\" does not exist",
	                               schema ? schema : "", schema ? "." : "", name);
	snprintf(rewrite->error->hint, sizeof rewrite->error->hint,
	         "Every topic is a table: create it, or look at the names in information_schema.tables.");
	return result;
}

static pyr_result resolve_relation(struct query_rewrite *rewrite, json_t *body)
{
	const char *schema = query_node_string(body, "schemaname"), *name = query_node_string(body, "relname");
	struct query_topic topic;
	struct pyr_error below = {0};
	char watched[CATALOG_NAME_MAX + 1];
	const struct query_plan_options *options = rewrite->options;
	if (query_node_string(body, "catalogname"))
		return query_fail(rewrite->error, "0A000",
		                  "cross-database references are not supported: name only the table");
	if (!schema && is_with_name(rewrite, name))
		return pyr_ok();
	if (!schema || is(schema, "public")) {
		bool errors = is_errors_view(name, watched);
		pyr_result found = options->source->ops->topic_find(options->source, options->principal,
		                                                    errors ? watched : name, &topic, &below);
		if (found.code == PYR_OK)
			return add_scan(rewrite, body, &topic, errors);
		if (found.code != PYR_UNKNOWN_PARTITION)
			return query_fail_below(rewrite->error, &below);
	}
	char view[QUERY_VIEW_BYTES];
	if (!query_system_relation(schema, name, options->handle, view, sizeof view))
		return query_fail_unknown(rewrite, schema, name);
	if (view[0])
		replace_relation(rewrite, body, view);
	return pyr_ok();
}

static pyr_result on_relation(struct query_rewrite *rewrite, json_t *body)
{
	return fail_at(rewrite, body, resolve_relation(rewrite, body));
}

/* ---- expressions ---- */

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

/* generate_series in FROM gives int4 for int4: the engine's gives int8 always. */
static const char *table_name(struct query_rewrite *rewrite, json_t *body, const char *name)
{
	json_t *node;
	size_t i;
	if (!is(name, "generate_series"))
		return name;
	if (rewrite->ordinality || json_array_size(json_object_get(body, "args")) != 2)
		return "";
	json_array_foreach(json_object_get(body, "args"), i, node) if (!is_int4(rewrite, node)) return "";
	return "generate_series/int4";
}

static pyr_result on_call(struct query_rewrite *rewrite, json_t *body, bool as_table)
{
	json_t *names = json_object_get(body, "funcname");
	size_t count = json_array_size(names);
	const char *name = query_node_name(names, count - 1);
	const char *schema = count == 2 ? query_node_name(names, 0) : NULL;
	if (!name || count > 2 || (schema && !is(schema, "pg_catalog") && !is(schema, "information_schema")))
		return fail_at(rewrite, body,
		               query_fail(rewrite->error, "42883", "functions have no schema but pg_catalog"));
	PYR_TRY(fail_at(rewrite, body, query_function_check(name, as_table, rewrite->error)));
	if (is(name, "sum"))
		type_sum(rewrite, body);
	if (query_rewrite_syntax_call(rewrite, body, name))
		return walk(rewrite, body);
	query_rewrite_call(rewrite, body, as_table ? table_name(rewrite, body, name) : name);
	return walk(rewrite, body);
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
static pyr_result on_collation(struct query_rewrite *rewrite, json_t *body)
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
	return walk(rewrite, json_object_get(body, "arg"));
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
static void on_column(struct query_rewrite *rewrite, json_t *body)
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

static pyr_result on_expression(struct query_rewrite *rewrite, json_t *body)
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
	return walk(rewrite, body);
}

static pyr_result on_parameter(struct query_rewrite *rewrite, json_t *body)
{
	size_t number = (size_t)json_integer_value(json_object_get(body, "number"));
	const struct query_plan_options *options = rewrite->options;
	if (number == 0 || number > QUERY_PARAMETERS_MAX)
		return fail_at(rewrite, body,
		               query_fail(rewrite->error, "42P02", "parameters are $1 to $%d", QUERY_PARAMETERS_MAX));
	if (number > rewrite->plan->parameter_count)
		rewrite->plan->parameter_count = number;
	uint32_t oid = number <= options->parameter_type_count ? options->parameter_types[number - 1] : 0;
	const char *type = query_type_engine_name(oid ? oid : rewrite->plan->hints[number - 1]);
	size_t token = query_token_of(rewrite, body);
	if (type && token < rewrite->parse->token_count && options->null_parameters)
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, rewrite->parse->tokens[token].at,
		               rewrite->parse->tokens[token].bytes, "CAST(NULL AS %s)", type);
	else if (type && token < rewrite->parse->token_count)
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, rewrite->parse->tokens[token].at,
		               rewrite->parse->tokens[token].bytes, "CAST(CAST($%zu AS VARCHAR) AS %s)", number, type);
	return pyr_ok();
}

/* ---- query blocks ---- */

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
		return walk(rewrite, json_object_get(body, "quals"));
	}
	if (*count == QUERY_ITEMS_MAX)
		return query_fail(rewrite->error, "54000", "a query may join at most %d relations", QUERY_ITEMS_MAX);
	size_t scans = rewrite->plan->scan_count;
	PYR_TRY(walk(rewrite, node));
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
				PYR_TRY(walk(rewrite, json_object_get(query, "ctequery")));
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
		PYR_TRY(walk(rewrite, json_object_get(body, rest[i])));
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

static pyr_result on_range_function(struct query_rewrite *rewrite, json_t *body)
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
		PYR_TRY(on_call(rewrite, function, true));
	}
	return pyr_ok();
}

/* ---- the walk ---- */

static pyr_result visit(struct query_rewrite *rewrite, const char *kind, json_t *body)
{
	if (is(kind, "SelectStmt"))
		return query_rewrite_select(rewrite, body);
	if (is(kind, "RangeVar"))
		return on_relation(rewrite, body);
	if (is(kind, "RangeFunction"))
		return on_range_function(rewrite, body);
	if (is(kind, "FuncCall"))
		return on_call(rewrite, body, false);
	if (is(kind, "A_Expr"))
		return on_expression(rewrite, body);
	if (is(kind, "ParamRef"))
		return on_parameter(rewrite, body);
	if (is(kind, "BoolExpr") && json_array_size(json_object_get(body, "args")) > QUERY_CONDITIONS_MAX)
		return query_fail(rewrite->error, "54001", "more than %d conditions in one chain: use IN, or fewer",
		                  QUERY_CONDITIONS_MAX);
	if (is(kind, "TypeCast"))
		return query_rewrite_cast(rewrite, body, false);
	if (is(kind, "CollateClause"))
		return on_collation(rewrite, body);
	if (is(kind, "ResTarget")) {
		json_t *cast = json_object_get(json_object_get(body, "val"), "TypeCast");
		return cast ? query_rewrite_cast(rewrite, cast, true) : walk(rewrite, body);
	}
	if (is(kind, "SQLValueFunction"))
		query_rewrite_value(rewrite, body);
	if (is(kind, "ColumnRef"))
		on_column(rewrite, body);
	if (is(kind, "typeName") || is(kind, "TypeName"))
		query_rewrite_type(rewrite, body);
	if (is(kind, "InsertStmt") || is(kind, "UpdateStmt") || is(kind, "DeleteStmt") || is(kind, "MergeStmt"))
		return query_fail(rewrite->error, "0A000", "a query can't write: INSERT is a statement of its own");
	return walk(rewrite, body);
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
	return walk(rewrite, node);
}

static pyr_result walk(struct query_rewrite *rewrite, json_t *node)
{
	const char *key;
	json_t *value;
	size_t i;
	if (json_is_array(node)) {
		json_array_foreach(node, i, value) PYR_TRY(walk(rewrite, value));
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
