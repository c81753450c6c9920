/* The operands of bounds, made numbers when a statement starts: that is when parameters and the time of day are known.
 *
 * Numbers are read here. Times are put into one small query and evaluated by the engine, so that they mean exactly what
 * they will mean in the statement. Rule: a bound may be too wide, never too narrow. now() is a little earlier here than
 * in the statement that follows, so it bounds from below only.
 */
#include "query/session_priv.h"

#include "query/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXPRESSION_MAX = 1 << 16, TIMES_MAX = 32, TIME_DEPTH_MAX = 16 };

struct evaluation {
	const struct query_statement *statement;
	const struct base_bytes *parameters;
	size_t parameter_count;
};

static bool is(const char *name, const char *wanted)
{
	return name && strcmp(name, wanted) == 0;
}

/* ---- numbers ---- */

static bool number_of_text(const char *text, size_t bytes, int64_t *ret_number)
{
	char copy[32], *end;
	if (bytes == 0 || bytes >= sizeof copy)
		return false;
	memcpy(copy, text, bytes);
	copy[bytes] = 0;
	long long number = strtoll(copy, &end, 10);
	if (end == copy || *end || number == INT64_MAX || number == INT64_MIN)
		return false;
	*ret_number = number;
	return true;
}

/* From the text, not from the tree, whose JSON has 0 for every negative number. */
bool query_operand_constant(const struct query_parse *parse, json_t *body, int64_t *ret_number)
{
	if (!json_object_get(body, "ival") && !json_object_get(body, "fval"))
		return false;
	size_t token = query_parse_token_at(parse, (size_t)query_node_location(body));
	bool negative = token < parse->token_count && parse->text[parse->tokens[token].at] == '-';
	token += negative;
	if (token >= parse->token_count || parse->tokens[token].kind != QUERY_TOKEN_NUMBER)
		return false;
	int64_t number;
	if (!number_of_text(parse->text + parse->tokens[token].at, parse->tokens[token].bytes, &number))
		return false;
	*ret_number = negative ? -number : number;
	return true;
}

static bool number_of_constant(const struct query_parse *parse, json_t *body, int64_t *ret_number)
{
	const char *string = query_node_string(json_object_get(body, "sval"), "sval");
	return string ? number_of_text(string, strlen(string), ret_number)
	              : query_operand_constant(parse, body, ret_number);
}

static const struct base_bytes *parameter_of(const struct evaluation *evaluation, json_t *body)
{
	size_t number = (size_t)json_integer_value(json_object_get(body, "number"));
	if (number == 0 || number > evaluation->parameter_count || !evaluation->parameters[number - 1].data)
		return NULL;
	return &evaluation->parameters[number - 1];
}

static bool is_integer_type(json_t *cast)
{
	json_t *names = json_object_get(json_object_get(cast, "typeName"), "names");
	const char *name = query_node_name(names, json_array_size(names) - 1);
	return is(name, "int2") || is(name, "int4") || is(name, "int8") || is(name, "bigint") || is(name, "integer");
}

static bool number_of(const struct evaluation *evaluation, json_t *operand, int64_t *ret_number)
{
	json_t *body;
	const char *kind = query_node_kind(operand, &body);
	if (is(kind, "TypeCast") && is_integer_type(body))
		return number_of(evaluation, json_object_get(body, "arg"), ret_number);
	if (is(kind, "A_Const"))
		return number_of_constant(&evaluation->statement->script->parse, body, ret_number);
	if (is(kind, "ParamRef")) {
		const struct base_bytes *text = parameter_of(evaluation, body);
		return text && number_of_text((const char *)text->data, text->bytes, ret_number);
	}
	return false;
}

/* The least and the greatest of an IN list, or of the one operand. */
static bool range_of(const struct evaluation *evaluation, json_t *operand, int64_t *ret_least, int64_t *ret_greatest)
{
	json_t *items = json_object_get(json_object_get(operand, "List"), "items"), *item;
	int64_t number = 0, least = INT64_MAX, greatest = INT64_MIN;
	size_t i;
	if (!items) {
		bool good = number_of(evaluation, operand, ret_least);
		*ret_greatest = good ? *ret_least : 0;
		return good;
	}
	json_array_foreach(items, i, item)
	{
		if (!number_of(evaluation, item, &number))
			return false;
		least = number < least ? number : least;
		greatest = number > greatest ? number : greatest;
	}
	*ret_least = least;
	*ret_greatest = greatest;
	return json_array_size(items) > 0;
}

static void apply_number(const struct evaluation *evaluation, const struct query_bound *bound,
                         struct column_bounds *bounds)
{
	int64_t least, greatest;
	if (!range_of(evaluation, bound->operand, &least, &greatest))
		return;
	least += bound->strict; /* numbers at either end of the range are none: see number_of_text() */
	greatest -= bound->strict;
	if (bound->column == QUERY_BOUND_OFFSET) {
		if (bound->lower && least > bounds->offset_min)
			bounds->offset_min = least;
		if (bound->upper && greatest < bounds->offset_max)
			bounds->offset_max = greatest;
		return;
	}
	if (bound->lower && least > bounds->partition_min)
		bounds->partition_min = least < INT32_MAX ? (int32_t)least : INT32_MAX;
	if (bound->upper && greatest < bounds->partition_max)
		bounds->partition_max = greatest > -1 ? (int32_t)greatest : -1;
}

/* ---- times ---- */

static bool write_time(const struct evaluation *evaluation, json_t *operand, struct base_writer *writer, bool *moving,
                       unsigned depth);

static void write_text(struct base_writer *writer, const char *text)
{
	base_write_bytes(writer, text, strlen(text));
}

static void write_literal(struct base_writer *writer, const char *text, size_t bytes)
{
	base_write_u8(writer, '\'');
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\'')
			base_write_u8(writer, '\'');
		base_write_u8(writer, (uint8_t)text[i]);
	}
	base_write_u8(writer, '\'');
}

static bool write_cast(const struct evaluation *evaluation, json_t *body, struct base_writer *writer, bool *moving,
                       unsigned depth)
{
	static const char *const types[] = {"timestamptz", "timestamp", "date", "interval"};
	json_t *names = json_object_get(json_object_get(body, "typeName"), "names");
	const char *name = query_node_name(names, json_array_size(names) - 1);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (!is(name, types[i]))
			continue;
		write_text(writer, "CAST(");
		if (!write_time(evaluation, json_object_get(body, "arg"), writer, moving, depth + 1))
			return false;
		write_text(writer, " AS ");
		write_text(writer, name);
		write_text(writer, ")");
		return true;
	}
	return false;
}

static bool write_parameter(const struct evaluation *evaluation, json_t *body, struct base_writer *writer)
{
	const struct base_bytes *text = parameter_of(evaluation, body);
	size_t number = (size_t)json_integer_value(json_object_get(body, "number"));
	const char *type = text ? query_type_engine_name(evaluation->statement->parameter_types[number - 1]) : NULL;
	if (!type)
		return false;
	write_text(writer, "CAST(");
	write_literal(writer, (const char *)text->data, text->bytes);
	write_text(writer, " AS ");
	write_text(writer, type);
	write_text(writer, ")");
	return true;
}

static bool write_sum(const struct evaluation *evaluation, json_t *body, struct base_writer *writer, bool *moving,
                      unsigned depth)
{
	const char *name = query_node_name(json_object_get(body, "name"), 0);
	if (!is(query_node_string(body, "kind"), "AEXPR_OP") || (!is(name, "+") && !is(name, "-")))
		return false;
	write_text(writer, "(");
	if (!write_time(evaluation, json_object_get(body, "lexpr"), writer, moving, depth + 1))
		return false;
	write_text(writer, is(name, "+") ? " + " : " - ");
	if (!write_time(evaluation, json_object_get(body, "rexpr"), writer, moving, depth + 1))
		return false;
	write_text(writer, ")");
	return true;
}

static bool write_time(const struct evaluation *evaluation, json_t *operand, struct base_writer *writer, bool *moving,
                       unsigned depth)
{
	json_t *body = NULL;
	const char *kind = query_node_kind(operand, &body);
	const char *string = query_node_string(json_object_get(body, "sval"), "sval");
	if (depth > TIME_DEPTH_MAX)
		return false;
	if (is(kind, "A_Const") && string)
		return write_literal(writer, string, strlen(string)), true;
	if (is(kind, "TypeCast"))
		return write_cast(evaluation, body, writer, moving, depth);
	if (is(kind, "ParamRef"))
		return write_parameter(evaluation, body, writer);
	if (is(kind, "A_Expr"))
		return write_sum(evaluation, body, writer, moving, depth);
	bool is_now = (is(kind, "FuncCall") && is(query_node_name(json_object_get(body, "funcname"), 0), "now")) ||
	              (is(kind, "SQLValueFunction") && is(query_node_string(body, "op"), "SVFOP_CURRENT_TIMESTAMP"));
	if (is_now) {
		*moving = true;
		write_text(writer, "now()");
	}
	return is_now;
}

struct times {
	struct base_writer sql;
	const struct query_bound *bounds[TIMES_MAX];
	bool moving[TIMES_MAX];
	size_t count;
};

static void gather_time(const struct evaluation *evaluation, const struct query_bound *bound, struct times *times)
{
	size_t before = times->sql.bytes;
	bool moving = false;
	if (times->count == TIMES_MAX)
		return;
	write_text(&times->sql, times->count == 0 ? "SELECT " : ", ");
	write_text(&times->sql, "epoch_us(CAST(");
	if (!write_time(evaluation, bound->operand, &times->sql, &moving, 0)) {
		times->sql.bytes = before;
		return;
	}
	write_text(&times->sql, " AS TIMESTAMPTZ))");
	times->moving[times->count] = moving;
	times->bounds[times->count] = bound;
	times->count += 1;
}

static int64_t floor_ms(int64_t us)
{
	return us / 1000 - (us % 1000 < 0);
}

static void apply_times(struct query_statement *statement, struct times *times)
{
	int64_t values[TIMES_MAX];
	bool missing[TIMES_MAX];
	struct base_slice sql;
	struct query_error ignored;
	base_write_u8(&times->sql, 0);
	if (base_writer_take(&times->sql, &sql).code != PYR_OK)
		return;
	/* What does not evaluate bounds nothing: the statement itself will say what is wrong with it. */
	pyr_result result = query_connection_integers(statement->session->connection, (const char *)sql.data,
	                                              times->count, values, missing, &ignored);
	base_slice_release(&sql);
	for (size_t i = 0; i < times->count && result.code == PYR_OK; i++) {
		const struct query_bound *bound = times->bounds[i];
		struct column_bounds *bounds = &statement->requests[bound->scan].bounds;
		if (missing[i])
			continue;
		int64_t ms = floor_ms(values[i]);
		if (bound->lower && ms > bounds->timestamp_ms_min)
			bounds->timestamp_ms_min = ms;
		if (bound->upper && !times->moving[i] && ms < bounds->timestamp_ms_max)
			bounds->timestamp_ms_max = ms;
	}
}

void query_operands_apply(struct query_statement *statement, const struct base_bytes *parameters,
                          size_t parameter_count)
{
	struct evaluation evaluation = {statement, parameters, parameter_count};
	struct times times = {.count = 0};
	base_writer_init(&times.sql, EXPRESSION_MAX);
	for (size_t i = 0; i < statement->plan->bound_count; i++) {
		const struct query_bound *bound = &statement->plan->bounds[i];
		if (bound->column == QUERY_BOUND_TIMESTAMP)
			gather_time(&evaluation, bound, &times);
		else
			apply_number(&evaluation, bound, &statement->requests[bound->scan].bounds);
	}
	if (times.count > 0)
		apply_times(statement, &times);
	base_writer_deinit(&times.sql);
}
