/* Plans of INSERT and COPY.
 *
 * INSERT's rows are an ordinary query for the engine; which column of the topic each of its columns is, is settled here.
 * COPY TO is a query whose rows travel in another format; COPY FROM has nothing for the engine. Runs on a query's thread.
 */
#include "base/cursor.h"
#include "query/fields_write.h"
#include "query/plan_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const write_names[QUERY_WRITE_COLUMNS] = {
	[QUERY_WRITE_KEY] = "key",
	[QUERY_WRITE_VALUE] = "value",
	[QUERY_WRITE_HEADERS] = "headers",
	[QUERY_WRITE_TIMESTAMP] = "timestamp",
	[QUERY_WRITE_PARTITION] = "partition",
	[QUERY_WRITE_KEY_BYTES] = "key_bytes",
	[QUERY_WRITE_VALUE_BYTES] = "value_bytes",
};

static const char *const return_names[QUERY_RETURN_COLUMNS] = {
	[QUERY_RETURN_OFFSET] = "offset",       [QUERY_RETURN_PARTITION] = "partition",
	[QUERY_RETURN_TIMESTAMP] = "timestamp", [QUERY_RETURN_KEY] = "key",
	[QUERY_RETURN_VALUE] = "value",
};

static size_t place_of(const char *const *names, size_t count, const char *name)
{
	size_t i = 0;
	while (i < count && !is(name, names[i]))
		i += 1;
	return i;
}

/* ---- the topic and its columns ---- */

pyr_result query_plan_find_topic(struct query_rewrite *rewrite, json_t *relation)
{
	const char *schema = query_node_string(relation, "schemaname"), *name = query_node_string(relation, "relname");
	const struct query_plan_options *options = rewrite->options;
	struct query_topic topic;
	struct pyr_error below = {0};
	char view[QUERY_VIEW_BYTES];
	pyr_result found = pyr_result_of(PYR_UNKNOWN_PARTITION);
	if (!schema || is(schema, "public"))
		found = options->source->ops->topic_find(options->source, options->principal, name, &topic, &below);
	if (found.code == PYR_OK) {
		memcpy(rewrite->plan->insert.topic, topic.name, sizeof topic.name);
		return pyr_ok();
	}
	if (found.code != PYR_UNKNOWN_PARTITION)
		return query_fail_below(rewrite->error, &below);
	if (query_system_relation(schema, name, options->handle, view, sizeof view))
		return query_fail(rewrite->error, "42501", "permission denied for table %s", name);
	return query_fail_unknown(rewrite, schema, name);
}

/* A declared column's number behind the others. */
static pyr_result find_declared(struct query_rewrite *rewrite, const char *name, size_t *ret_column)
{
	struct query_insert *insert = &rewrite->plan->insert;
	struct query_source *source = rewrite->options->source;
	struct pyr_error below = {0};
	if (!insert->declared &&
	    source->ops->topic_columns(source, rewrite->options->principal, insert->topic, &insert->declared, &below)
	                    .code != PYR_OK)
		return query_fail_below(rewrite->error, &below);
	for (size_t i = 0; insert->declared && i < insert->declared->count; i++) {
		if (!is(name, insert->declared->list[i].name))
			continue;
		*ret_column = QUERY_WRITE_COLUMNS + i;
		return query_fields_shape(insert, i, insert->column_count, rewrite->error);
	}
	return query_fail(rewrite->error, "42703", "column \"%s\" of relation \"%s\" does not exist", name,
	                  insert->topic);
}

/* What is made of columns is the whole value. */
static pyr_result check_value(struct query_rewrite *rewrite)
{
	const struct query_insert *insert = &rewrite->plan->insert;
	for (size_t i = 0; i < insert->column_count && insert->shape; i++)
		if (insert->columns[i] == QUERY_WRITE_VALUE || insert->columns[i] == QUERY_WRITE_VALUE_BYTES)
			return query_fail(rewrite->error, "42601",
			                  "%s is made of the declared columns that are named: leave them out, or it",
			                  write_names[insert->columns[i]]);
	return pyr_ok();
}

static bool is_taken(const struct query_insert *insert, const char *name)
{
	for (size_t i = 0; i < insert->column_count; i++) {
		unsigned column = insert->columns[i];
		if (is(name, column < QUERY_WRITE_COLUMNS ? write_names[column]
		                                          : insert->declared->list[column - QUERY_WRITE_COLUMNS].name))
			return true;
	}
	return false;
}

static pyr_result take_column(struct query_rewrite *rewrite, const char *name)
{
	struct query_insert *insert = &rewrite->plan->insert;
	size_t column = place_of(write_names, QUERY_WRITE_COLUMNS, name);
	if (is(name, "offset"))
		return query_fail(rewrite->error, "428C9",
		                  "cannot insert a value into column \"offset\": the log gives it; leave it out");
	if (is_taken(insert, name))
		return query_fail(rewrite->error, "42701", "column \"%s\" specified more than once", name);
	if (column == QUERY_WRITE_COLUMNS)
		PYR_TRY(find_declared(rewrite, name, &column));
	insert->columns[insert->column_count++] = (uint16_t)column;
	return pyr_ok();
}

/* ---- INSERT ---- */

static pyr_result take_return(struct query_rewrite *rewrite, size_t column, const char *name)
{
	struct query_insert *insert = &rewrite->plan->insert;
	if (insert->return_count == sizeof insert->returning / sizeof *insert->returning)
		return query_fail(rewrite->error, "54011", "RETURNING has too many columns");
	insert->returning[insert->return_count] = (enum query_return_column)column;
	snprintf(insert->return_names[insert->return_count], sizeof insert->return_names[0], "%s", name);
	insert->return_count += 1;
	return pyr_ok();
}

static pyr_result take_returning(struct query_rewrite *rewrite, json_t *targets)
{
	json_t *node;
	size_t i;
	json_array_foreach(targets, i, node)
	{
		json_t *target = json_object_get(node, "ResTarget"), *value = json_object_get(target, "val");
		json_t *fields = json_object_get(json_object_get(value, "ColumnRef"), "fields");
		size_t last = json_array_size(fields) - 1;
		const char *alias = query_node_string(target, "name"), *name = query_node_name(fields, last);
		size_t column = place_of(return_names, QUERY_RETURN_COLUMNS, name);
		if (fields && json_object_get(json_array_get(fields, last), "A_Star")) {
			for (size_t k = 0; k < QUERY_RETURN_COLUMNS; k++)
				PYR_TRY(take_return(rewrite, k, return_names[k]));
		} else if (column < QUERY_RETURN_COLUMNS) {
			PYR_TRY(take_return(rewrite, column, alias ? alias : name));
		} else {
			return query_fail(rewrite->error, "0A000",
			                  "RETURNING knows \"offset\", partition, timestamp, key, value and *");
		}
	}
	return pyr_ok();
}

/* The type of a parameter that stands where a column's value does. */
static uint32_t type_of(const struct query_insert *insert, unsigned column)
{
	if (column >= QUERY_WRITE_COLUMNS)
		return insert->declared->list[column - QUERY_WRITE_COLUMNS].type;
	switch (column) {
	case QUERY_WRITE_TIMESTAMP:
		return QUERY_TYPE_TIMESTAMPTZ;
	case QUERY_WRITE_PARTITION:
		return QUERY_TYPE_INT4;
	case QUERY_WRITE_KEY_BYTES:
	case QUERY_WRITE_VALUE_BYTES:
		return QUERY_TYPE_BYTEA;
	default:
		return QUERY_TYPE_TEXT;
	}
}

static pyr_result hint_row(struct query_rewrite *rewrite, json_t *items, bool targets)
{
	const struct query_insert *insert = &rewrite->plan->insert;
	json_t *node;
	size_t i;
	if (json_array_size(items) > insert->column_count)
		return query_fail(rewrite->error, "42601", "INSERT has more expressions than target columns");
	json_array_foreach(items, i, node)
	{
		json_t *value = targets ? json_object_get(json_object_get(node, "ResTarget"), "val") : node;
		size_t number =
			(size_t)json_integer_value(json_object_get(json_object_get(value, "ParamRef"), "number"));
		if (number > 0 && number <= QUERY_PARAMETERS_MAX)
			rewrite->plan->hints[number - 1] = type_of(insert, insert->columns[i]);
		json_t *unset = json_object_get(value, "SetToDefault");
		size_t token = unset ? query_token_of(rewrite, unset) : rewrite->parse->token_count;
		if (token < rewrite->parse->token_count)
			query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, rewrite->parse->tokens[token].at,
			               rewrite->parse->tokens[token].bytes, "NULL");
	}
	return pyr_ok();
}

static pyr_result hint_rows(struct query_rewrite *rewrite, json_t *select)
{
	json_t *rows = json_object_get(select, "valuesLists"), *row;
	size_t i;
	if (!rows)
		return json_object_get(select, "targetList")
		               ? hint_row(rewrite, json_object_get(select, "targetList"), true)
		               : pyr_ok();
	json_array_foreach(rows, i, row)
		PYR_TRY(hint_row(rewrite, json_object_get(json_object_get(row, "List"), "items"), false));
	return pyr_ok();
}

/* Where the rows' query begins: behind INTO name [AS alias] (columns). */
static size_t rows_token(const struct query_rewrite *rewrite, json_t *body)
{
	json_t *relation = json_object_get(body, "relation");
	size_t token = query_token_of(rewrite, relation);
	while (query_is_mark(rewrite, token + 1, '.'))
		token += 2;
	token += 1;
	if (json_object_get(relation, "alias"))
		token += query_is_word(rewrite, token, "as") ? 2 : 1;
	if (query_is_mark(rewrite, token, '('))
		token = query_bracket_end(rewrite->parse, token);
	if (query_is_word(rewrite, token, "overriding"))
		token += 3;
	return token;
}

static size_t returning_at(const struct query_rewrite *rewrite, size_t token, bool returns)
{
	const struct query_parse *parse = rewrite->parse;
	for (; returns && token < parse->token_count && parse->tokens[token].at < rewrite->to; token++) {
		if (query_is_word(rewrite, token, "returning"))
			return parse->tokens[token].at;
		if (query_is_mark(rewrite, token, '(') || query_is_mark(rewrite, token, '['))
			token = query_bracket_end(parse, token) - 1;
	}
	return rewrite->to;
}

static pyr_result check_insert(struct query_rewrite *rewrite, json_t *body)
{
	if (json_object_get(body, "onConflictClause"))
		return query_fail(rewrite->error, "0A000",
		                  "ON CONFLICT is not for topics, which only grow: leave it out");
	if (json_object_get(body, "withClause"))
		return query_fail(rewrite->error, "0A000",
		                  "put WITH behind INSERT INTO ...: INSERT INTO t (...) WITH ...");
	if (!json_object_get(json_object_get(body, "selectStmt"), "SelectStmt"))
		return query_fail(rewrite->error, "0A000", "DEFAULT VALUES is not for topics: give a key or a value");
	if (json_array_size(json_object_get(body, "cols")) == 0)
		return query_fail(rewrite->error, "42601",
		                  "name the columns to insert into: INSERT INTO topic (key, value) VALUES ...");
	return pyr_ok();
}

static pyr_result plan_insert(struct query_rewrite *rewrite, json_t *body)
{
	json_t *select = json_object_get(json_object_get(body, "selectStmt"), "SelectStmt"), *node;
	json_t *returning = json_object_get(body, "returningList");
	size_t i;
	PYR_TRY(query_plan_find_topic(rewrite, json_object_get(body, "relation")));
	PYR_TRY(check_insert(rewrite, body));
	json_array_foreach(json_object_get(body, "cols"), i, node)
		PYR_TRY(take_column(rewrite, query_node_string(json_object_get(node, "ResTarget"), "name")));
	PYR_TRY(check_value(rewrite));
	PYR_TRY(take_returning(rewrite, returning));
	PYR_TRY(hint_rows(rewrite, select));
	size_t token = rows_token(rewrite, body), to = rewrite->to;
	if (token >= rewrite->parse->token_count)
		return query_fail(rewrite->error, "42601", "syntax error at end of input");
	rewrite->to = returning_at(rewrite, token, json_array_size(returning) > 0);
	pyr_result result = query_plan_select(rewrite, select, rewrite->parse->tokens[token].at);
	rewrite->to = to;
	rewrite->plan->kind = QUERY_KIND_INSERT;
	rewrite->plan->tag = "INSERT";
	return result;
}

/* ---- COPY ---- */

static const char *option_text(json_t *argument)
{
	const char *text = query_node_string(json_object_get(argument, "String"), "sval");
	if (text)
		return text;
	json_t *on = json_object_get(argument, "Boolean");
	json_t *number = json_object_get(argument, "Integer");
	if (number)
		return json_integer_value(json_object_get(number, "ival")) ? "true" : "false";
	return on && !json_is_true(json_object_get(on, "boolval")) ? "false" : "true";
}

static pyr_result take_sign(struct query_rewrite *rewrite, const char *name, const char *text, char *ret_sign)
{
	if (strlen(text) != 1 || *text == '\n' || *text == '\r')
		return query_fail(rewrite->error, "0A000", "COPY %s must be a single one-byte character", name);
	*ret_sign = *text;
	return pyr_ok();
}

static pyr_result take_option(struct query_rewrite *rewrite, json_t *option)
{
	struct query_copy *copy = &rewrite->plan->copy;
	const char *name = query_node_string(option, "defname"), *text = option_text(json_object_get(option, "arg"));
	if (is(name, "delimiter"))
		return take_sign(rewrite, "delimiter", text, &copy->delimiter);
	if (is(name, "quote"))
		return take_sign(rewrite, "quote", text, &copy->quote);
	if (is(name, "escape"))
		return take_sign(rewrite, "escape", text, &copy->escape);
	if (is(name, "header"))
		copy->header = strcasecmp(text, "false") != 0 && strcasecmp(text, "off") != 0;
	else if (is(name, "null"))
		snprintf(copy->null_text, sizeof copy->null_text, "%s", text);
	else if (is(name, "force_quote"))
		copy->force_quote = true;
	else if (is(name, "encoding") && strcasecmp(text, "utf8") != 0 && strcasecmp(text, "utf-8") != 0)
		return query_fail(rewrite->error, "0A000", "COPY speaks UTF8 only");
	else if (!is(name, "format") && !is(name, "encoding") && !is(name, "freeze"))
		return query_fail(rewrite->error, "0A000", "COPY option \"%s\" is not supported", name);
	return pyr_ok();
}

static pyr_result take_format(struct query_rewrite *rewrite, json_t *options)
{
	struct query_copy *copy = &rewrite->plan->copy;
	json_t *node;
	size_t i;
	json_array_foreach(options, i, node)
	{
		json_t *option = json_object_get(node, "DefElem");
		const char *text = option_text(json_object_get(option, "arg"));
		if (!is(query_node_string(option, "defname"), "format"))
			continue;
		if (!is(text, "text") && !is(text, "csv") && !is(text, "binary"))
			return query_fail(rewrite->error, "22023", "COPY format \"%s\" not recognized", text);
		copy->format = is(text, "csv")      ? QUERY_COPY_CSV
		               : is(text, "binary") ? QUERY_COPY_BINARY
		                                    : QUERY_COPY_TEXT;
	}
	bool csv = copy->format == QUERY_COPY_CSV;
	copy->delimiter = csv ? ',' : '\t';
	copy->quote = copy->escape = '"';
	snprintf(copy->null_text, sizeof copy->null_text, "%s", csv ? "" : "\\N");
	json_array_foreach(options, i, node) PYR_TRY(take_option(rewrite, json_object_get(node, "DefElem")));
	return pyr_ok();
}

/* COPY (query) TO STDOUT. */
static pyr_result plan_copy_query(struct query_rewrite *rewrite, json_t *body)
{
	json_t *select = json_object_get(json_object_get(body, "query"), "SelectStmt");
	size_t token = query_parse_token_at(rewrite->parse, rewrite->from) + 1, to = rewrite->to;
	if (!select)
		return query_fail(rewrite->error, "0A000", "COPY takes a SELECT in its brackets");
	size_t end = query_bracket_end(rewrite->parse, token);
	if (end >= rewrite->parse->token_count || token + 1 >= end)
		return query_fail(rewrite->error, "42601", "syntax error at end of input");
	rewrite->to = rewrite->parse->tokens[end - 1].at;
	pyr_result result = query_plan_select(rewrite, select, rewrite->parse->tokens[token + 1].at);
	rewrite->to = to;
	return result;
}

/* COPY topic (columns) TO STDOUT is SELECT columns FROM topic: made of a text of its own. */
static pyr_result plan_copy_topic(struct query_rewrite *rewrite, json_t *body)
{
	struct query_plan *plan = rewrite->plan;
	struct base_writer writer;
	struct base_slice text;
	char quoted[300], call[CATALOG_NAME_MAX + 128], *fields = NULL;
	json_t *columns = json_object_get(body, "attlist"), *node;
	size_t i;
	PYR_TRY(query_plan_find_topic(rewrite, json_object_get(body, "relation")));
	base_writer_init(&writer, QUERY_TEXT_MAX);
	base_write_bytes(&writer, "SELECT ", 7);
	json_array_foreach(columns, i, node)
	{
		query_quote_name(query_node_string(json_object_get(node, "String"), "sval"), quoted, sizeof quoted);
		base_write_bytes(&writer, ",", i > 0);
		base_write_bytes(&writer, quoted, strlen(quoted));
	}
	plan->scan_count = 1;
	memcpy(plan->scans[0].topic, plan->insert.topic, sizeof plan->scans[0].topic);
	PYR_TRY(query_plan_columns(rewrite, plan->insert.topic, &plan->scans[0], &fields));
	snprintf(call, sizeof call, "%s FROM pyralog_scan('%s', 0, %llu, %s, ", i == 0 ? "*" : "", plan->insert.topic,
	         (unsigned long long)rewrite->options->handle, i == 0 ? "false" : "true");
	base_write_bytes(&writer, call, strlen(call));
	base_write_bytes(&writer, fields, strlen(fields));
	base_write_bytes(&writer, ")", 2);
	free(fields);
	if (base_writer_take(&writer, &text).code == PYR_OK)
		plan->sql = strdup((const char *)text.data);
	base_slice_release(&text);
	base_writer_deinit(&writer);
	return plan->sql ? pyr_ok() : query_fail_memory(rewrite->error);
}

static pyr_result plan_copy_in(struct query_rewrite *rewrite, json_t *body)
{
	json_t *columns = json_object_get(body, "attlist"), *node;
	size_t i;
	PYR_TRY(query_plan_find_topic(rewrite, json_object_get(body, "relation")));
	if (json_array_size(columns) == 0)
		return query_fail(rewrite->error, "42601",
		                  "name the columns to copy into: COPY topic (key, value) FROM STDIN");
	json_array_foreach(columns, i, node)
		PYR_TRY(take_column(rewrite, query_node_string(json_object_get(node, "String"), "sval")));
	return check_value(rewrite);
}

static pyr_result plan_copy(struct query_rewrite *rewrite, json_t *body)
{
	bool in = json_is_true(json_object_get(body, "is_from"));
	if (query_node_string(body, "filename"))
		return query_fail(rewrite->error, "42501",
		                  "COPY reaches no file of the server: use STDIN, STDOUT or psql's \\copy");
	if (json_object_get(body, "whereClause"))
		return query_fail(rewrite->error, "0A000", "COPY FROM ... WHERE is not supported: filter before");
	PYR_TRY(in                               ? plan_copy_in(rewrite, body)
	        : json_object_get(body, "query") ? plan_copy_query(rewrite, body)
	                                         : plan_copy_topic(rewrite, body));
	rewrite->plan->kind = in ? QUERY_KIND_COPY_IN : QUERY_KIND_COPY_OUT;
	rewrite->plan->tag = "COPY";
	PYR_TRY(take_format(rewrite, json_object_get(body, "options")));
	if (rewrite->plan->insert.shape && rewrite->plan->copy.format == QUERY_COPY_BINARY)
		return query_fail(rewrite->error, "0A000",
		                  "COPY in binary is not for declared columns: use text or CSV");
	return pyr_ok();
}

query_planner *query_plan_write(const char *kind)
{
	return is(kind, "InsertStmt") ? plan_insert : is(kind, "CopyStmt") ? plan_copy : NULL;
}
