/* Casts and names of types: what PostgreSQL calls a type and the engine does not, or means something else by.
 *
 * regclass and its like are numbers where they are compared and names where they are shown: a literal cast to one is
 * looked up, a number cast to one and then to text, or shown as a column, is named.
 */
#include "query/arrays.h"
#include "query/plan_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Types by one word; more words are the engine's own, or casts of their own below. */
static const char *const type_names[][2] = {
	{"jsonb", "json"},
	{"name", "VARCHAR"},
	{"char", "VARCHAR"},
	{"oid", "UINTEGER"},
	{"xid", "UINTEGER"},
	{"cid", "UINTEGER"},
	{"regproc", "VARCHAR"},
	{"regprocedure", "VARCHAR"},
	{"cstring", "VARCHAR"},
	{"unknown", "VARCHAR"},
	{"regclass", "UINTEGER"},
	{"regtype", "UINTEGER"},
	{"regnamespace", "UINTEGER"},
	{"regrole", "UINTEGER"},
	{"int2vector", "SMALLINT[]"},
	{"oidvector", "UINTEGER[]"},
	{"inet", "VARCHAR"},
	{"citext", "VARCHAR"},
};

/* The types that are looked up by name: the function that does, and the one that names. */
static const struct lookup {
	const char *type, *find, *name;
} lookups[] = {
	{"regclass", "pyralog_regclass", "pyralog_regclass_name"},
	{"regtype", "pyralog_regtype", "pyralog_regtype_name"},
	{"regnamespace", "pyralog_regnamespace", "pyralog_regnamespace_name"},
	{"regrole", "pyralog_regrole", "pyralog_regrole_name"},
};

static const char *type_of(json_t *cast)
{
	json_t *names = json_object_get(json_object_get(cast, "typeName"), "names");
	return query_node_name(names, json_array_size(names) - 1);
}

static const struct lookup *lookup_of(json_t *cast)
{
	const char *type = type_of(cast);
	for (size_t i = 0; i < sizeof lookups / sizeof *lookups; i++)
		if (is(type, lookups[i].type) && !json_object_get(json_object_get(cast, "typeName"), "arrayBounds"))
			return &lookups[i];
	return NULL;
}

static const char *literal_of(json_t *node)
{
	return query_node_string(json_object_get(json_object_get(node, "A_Const"), "sval"), "sval");
}

/* ---- names of types ---- */

void query_rewrite_type(struct query_rewrite *rewrite, json_t *type)
{
	json_t *names = json_object_get(type, "names");
	const char *name = query_node_name(names, json_array_size(names) - 1), *engine = NULL;
	size_t first = query_token_of(rewrite, type), last = first;
	if (first >= rewrite->parse->token_count)
		return;
	while (query_is_mark(rewrite, last + 1, '.'))
		last += 2;
	bool array = json_object_get(type, "arrayBounds") != NULL;
	for (size_t i = 0; name && i < sizeof type_names / sizeof *type_names; i++)
		if (is(name, type_names[i][0]))
			engine = type_names[i][1];
	/* An unquoted char is character(1), whose name is bpchar: this one was "char". */
	size_t at = rewrite->parse->tokens[first].at, to = query_token_end(rewrite, last);
	if (is(name, "numeric") && !json_object_get(type, "typmods"))
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at, to - at, "DECIMAL(38,%d)",
		               rewrite->numeric_scale >= 0 ? rewrite->numeric_scale : rewrite->options->numeric_scale);
	else if (engine)
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at, to - at, "%s", engine);
	else if (last > first && is(query_node_name(names, 0), "pg_catalog"))
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at, rewrite->parse->tokens[last].at - at, "%s", "");
	(void)array;
}

/* ---- casts as calls ---- */

/* (x)::type or CAST(x AS type) becomes open x close. */
static void make_call(struct query_rewrite *rewrite, json_t *cast, const char *open, const char *close)
{
	const struct query_parse *parse = rewrite->parse;
	struct query_cast_extent extent = query_cast_extent(parse, cast);
	if (extent.to == 0)
		return;
	if (extent.is_word) /* CAST ( */
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, extent.from, extent.operand - extent.from, "%s",
		               open);
	else
		query_edit_add(&rewrite->edits, QUERY_EDIT_OPEN, extent.from, 0, "%s", open);
	query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, extent.sign, extent.to - extent.sign, "%s", close);
}

static void look_up(struct query_rewrite *rewrite, json_t *cast, const char *function)
{
	char open[96];
	snprintf(open, sizeof open, "%s(%llu, ", function, (unsigned long long)rewrite->options->handle);
	make_call(rewrite, cast, open, ")");
}

/* A literal's token, when it is nothing but one. */
static size_t literal_token(const struct query_rewrite *rewrite, json_t *cast)
{
	json_t *constant = json_object_get(json_object_get(cast, "arg"), "A_Const");
	size_t token = constant ? query_token_of(rewrite, constant) : rewrite->parse->token_count;
	bool is_string =
		token < rewrite->parse->token_count && rewrite->parse->tokens[token].kind == QUERY_TOKEN_STRING;
	return is_string ? token : rewrite->parse->token_count;
}

static void replace_literal(struct query_rewrite *rewrite, size_t token, struct base_writer *text)
{
	struct base_slice written = {0};
	base_write_u8(text, 0);
	if (token < rewrite->parse->token_count && base_writer_take(text, &written).code == PYR_OK)
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, rewrite->parse->tokens[token].at,
		               rewrite->parse->tokens[token].bytes, "'%s'", (const char *)written.data);
	base_slice_release(&written);
	base_writer_deinit(text);
}

/* Quotes of an SQL literal are doubled. */
static void write_sql(struct base_writer *writer, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		base_write_bytes(writer, "'", text[i] == '\'');
		base_write_u8(writer, (uint8_t)text[i]);
	}
}

/* '{1,2}' becomes '["1","2"]'. */
static pyr_result convert_array(struct query_rewrite *rewrite, size_t token, const char *literal,
                                enum query_array_kind kind)
{
	struct base_writer list, writer;
	struct base_slice written = {0};
	base_writer_init(&list, QUERY_TEXT_MAX * 4);
	base_writer_init(&writer, QUERY_TEXT_MAX * 8);
	pyr_result result =
		query_array_write(&list, (struct base_bytes){(const uint8_t *)literal, strlen(literal)}, kind);
	if (result.code == PYR_OK)
		result = base_writer_take(&list, &written);
	if (result.code == PYR_OK)
		write_sql(&writer, (const char *)written.data, written.bytes);
	base_slice_release(&written);
	base_writer_deinit(&list);
	if (result.code != PYR_OK) {
		base_writer_deinit(&writer);
		if (result.code == PYR_NOT_SUPPORTED)
			return query_fail(rewrite->error, "0A000", QUERY_ARRAY_DIMENSIONS);
		return query_fail(rewrite->error, "22P02", "malformed array literal: \"%s\"", literal);
	}
	replace_literal(rewrite, token, &writer);
	return pyr_ok();
}

/* '\x00ff' is '\x00\xFF' to the engine. */
static pyr_result convert_bytea(struct query_rewrite *rewrite, size_t token, const char *literal)
{
	struct base_writer writer;
	size_t bytes = strlen(literal);
	bool hex = literal[0] == '\\' && literal[1] == 'x';
	char part[8];
	if (hex && (bytes % 2 != 0 || strspn(literal + 2, "0123456789abcdefABCDEF") != bytes - 2))
		return query_fail(rewrite->error, "22023", "invalid hexadecimal data in \"%s\"", literal);
	base_writer_init(&writer, QUERY_TEXT_MAX * 8);
	for (size_t i = hex ? 2 : 0; i < bytes; i += hex ? 2 : 1) {
		int used = hex ? snprintf(part, sizeof part, "\\x%.2s", literal + i)
		               : snprintf(part, sizeof part, "\\x%02X", (unsigned char)literal[i]);
		base_write_bytes(&writer, part, (size_t)used);
	}
	replace_literal(rewrite, token, &writer);
	return pyr_ok();
}

/* Any start of true, false, yes, no, on, off, and digits. */
static pyr_result convert_bool(struct query_rewrite *rewrite, size_t token, const char *literal)
{
	static const char *const words[][2] = {{"true", "true"}, {"false", "false"}, {"yes", "true"}, {"no", "false"},
	                                       {"on", "true"},   {"off", "false"},   {"1", "true"},   {"0", "false"}};
	char word[8] = "";
	sscanf(literal, " %7s", word);
	for (size_t i = 0; i < sizeof words / sizeof *words && word[0] && strcasecmp(word, "o") != 0; i++) {
		if (strncasecmp(words[i][0], word, strlen(word)) != 0)
			continue;
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, rewrite->parse->tokens[token].at,
		               rewrite->parse->tokens[token].bytes, "'%s'", words[i][1]);
		return pyr_ok();
	}
	return query_fail(rewrite->error, "22P02", "invalid input syntax for type boolean: \"%s\"", literal);
}

static bool is_integer_type(const char *type)
{
	return is(type, "int2") || is(type, "int4") || is(type, "int8");
}

static pyr_result check_integer(struct query_rewrite *rewrite, const char *literal, const char *type)
{
	const char *digits = literal + strspn(literal, " \t\n");
	digits += *digits == '-' || *digits == '+';
	size_t bytes = strspn(digits, "0123456789");
	const char *name = is(type, "int2") ? "smallint" : is(type, "int4") ? "integer" : "bigint";
	if (bytes == 0 || digits[bytes + strspn(digits + bytes, " \t\n")])
		return query_fail(rewrite->error, "22P02", "invalid input syntax for type %s: \"%s\"", name, literal);
	return pyr_ok();
}

static pyr_result convert_literal(struct query_rewrite *rewrite, json_t *cast)
{
	const char *literal = literal_of(json_object_get(cast, "arg"));
	size_t token = literal_token(rewrite, cast);
	if (!literal || token >= rewrite->parse->token_count)
		return pyr_ok();
	if (json_object_get(json_object_get(cast, "typeName"), "arrayBounds"))
		return convert_array(rewrite, token, literal,
		                     is(type_of(cast), "bytea")                                ? QUERY_ARRAY_BYTEAS
		                     : is(type_of(cast), "json") || is(type_of(cast), "jsonb") ? QUERY_ARRAY_JSONS
		                                                                               : QUERY_ARRAY_TEXTS);
	if (is(type_of(cast), "bool"))
		return convert_bool(rewrite, token, literal);
	if (is_integer_type(type_of(cast)))
		return check_integer(rewrite, literal, type_of(cast));
	return is(type_of(cast), "bytea") ? convert_bytea(rewrite, token, literal) : pyr_ok();
}

/* varchar(3) cuts what is longer. */
static void cut(struct query_rewrite *rewrite, json_t *cast)
{
	json_t *typmods = json_object_get(json_object_get(cast, "typeName"), "typmods");
	json_t *number = json_object_get(json_object_get(json_array_get(typmods, 0), "A_Const"), "ival");
	struct query_cast_extent extent = query_cast_extent(rewrite->parse, cast);
	if (!number || extent.to == 0)
		return;
	size_t end = extent.is_word ? extent.end : extent.to;
	query_edit_add(&rewrite->edits, QUERY_EDIT_OPEN, extent.from, 0, "left(");
	query_edit_add(&rewrite->edits, QUERY_EDIT_CLOSE, end, 0, ", %lld)",
	               (long long)json_integer_value(json_object_get(number, "ival")));
}

/* Digits behind the point of a number that is written down; -1: it is none. */
static int scale_of(json_t *node)
{
	json_t *constant = json_object_get(node, "A_Const");
	const char *text = query_node_string(json_object_get(constant, "fval"), "fval");
	if (json_object_get(constant, "ival"))
		return 0;
	if (!text)
		text = literal_of(node);
	if (!text || strspn(text, "+-0123456789.") != strlen(text))
		return -1;
	const char *point = strchr(text, '.');
	size_t scale = point ? strlen(point + 1) : 0;
	return scale <= 30 ? (int)scale : -1;
}

static bool is_text(const char *type)
{
	return is(type, "text") || is(type, "varchar") || is(type, "name");
}

pyr_result query_rewrite_cast(struct query_rewrite *rewrite, json_t *body, bool shown)
{
	json_t *argument = json_object_get(body, "arg"), *inner = json_object_get(argument, "TypeCast");
	const struct lookup *lookup = lookup_of(body), *within = inner ? lookup_of(inner) : NULL;
	rewrite->numeric_scale = -1;
	if (within && is_text(type_of(body))) {
		look_up(rewrite, body, within->name);
		return query_rewrite_node(rewrite, json_object_get(inner, "arg"), inner);
	}
	if (lookup) {
		bool is_value = literal_of(argument) || json_object_get(argument, "ParamRef");
		if (shown || is_value)
			look_up(rewrite, body, shown ? lookup->name : lookup->find);
		else
			query_rewrite_type(rewrite, json_object_get(body, "typeName"));
		return query_rewrite_node(rewrite, argument, NULL);
	}
	PYR_TRY(convert_literal(rewrite, body));
	if (is(type_of(body), "varchar") || is(type_of(body), "bpchar"))
		cut(rewrite, body);
	if (is(type_of(body), "numeric"))
		rewrite->numeric_scale = query_integer_width(rewrite->scope, argument) > 0 ? 0 : scale_of(argument);
	query_rewrite_type(rewrite, json_object_get(body, "typeName"));
	rewrite->numeric_scale = -1;
	return query_rewrite_node(rewrite, argument, NULL);
}
