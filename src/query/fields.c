/* Declared columns as text: a JSON array of [name, type, modifier, path] (see fields.h). */
#include "query/fields.h"

#include "query/text.h"

#include "query/types.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MODIFIER_BASE = 4, NUMERIC_DIGITS = 38 }; /* PostgreSQL's VARHDRSZ; the engine's most */

static const struct {
	const char *name;
	uint32_t oid;
	enum column_type type;
} types[] = {
	{"bool", QUERY_TYPE_BOOL, COLUMN_TYPE_BOOL},
	{"int2", QUERY_TYPE_INT2, COLUMN_TYPE_INT2},
	{"int4", QUERY_TYPE_INT4, COLUMN_TYPE_INT4},
	{"int8", QUERY_TYPE_INT8, COLUMN_TYPE_INT8},
	{"float4", QUERY_TYPE_FLOAT4, COLUMN_TYPE_FLOAT4},
	{"float8", QUERY_TYPE_FLOAT8, COLUMN_TYPE_FLOAT8},
	{"numeric", QUERY_TYPE_NUMERIC, COLUMN_TYPE_NUMERIC},
	{"text", QUERY_TYPE_TEXT, COLUMN_TYPE_TEXT},
	{"varchar", QUERY_TYPE_TEXT, COLUMN_TYPE_TEXT},
	{"bpchar", QUERY_TYPE_TEXT, COLUMN_TYPE_TEXT},
	{"json", QUERY_TYPE_JSON, COLUMN_TYPE_JSON},
	{"jsonb", QUERY_TYPE_JSON, COLUMN_TYPE_JSON},
	{"date", QUERY_TYPE_DATE, COLUMN_TYPE_DATE},
	{"time", QUERY_TYPE_TIME, COLUMN_TYPE_TIME},
	{"timestamp", QUERY_TYPE_TIMESTAMP, COLUMN_TYPE_TIMESTAMP},
	{"timestamptz", QUERY_TYPE_TIMESTAMPTZ, COLUMN_TYPE_TIMESTAMPTZ},
	{"uuid", QUERY_TYPE_UUID, COLUMN_TYPE_UUID},
};

bool query_field_type(uint32_t oid, int32_t modifier, struct column_field_type *ret_type)
{
	size_t i = 0;
	while (i < sizeof types / sizeof *types && types[i].oid != oid)
		i += 1;
	if (i == sizeof types / sizeof *types)
		return false;
	*ret_type = (struct column_field_type){types[i].type, NUMERIC_DIGITS, QUERY_NUMERIC_SCALE};
	if (oid == QUERY_TYPE_NUMERIC && modifier >= MODIFIER_BASE) {
		int precision = (modifier - MODIFIER_BASE) >> 16, scale = (modifier - MODIFIER_BASE) & 0xffff;
		if (precision < 1 || precision > NUMERIC_DIGITS || scale > precision)
			return false;
		ret_type->precision = (uint8_t)precision;
		ret_type->scale = (uint8_t)scale;
	}
	return true;
}

uint32_t query_field_type_named(const char *name)
{
	for (size_t i = 0; name && i < sizeof types / sizeof *types; i++)
		if (strcmp(types[i].name, name) == 0)
			return types[i].oid;
	return 0;
}

enum column_fit query_field_convert(const struct query_field_column *column, const struct column_json *field,
                                    struct base_writer *scratch, union column_field_value *ret_value)
{
	enum column_fit fit = column_field_convert(column->type, field, scratch, ret_value);
	bool is_text = column->type.type == COLUMN_TYPE_TEXT || column->type.type == COLUMN_TYPE_JSON;
	if (fit == COLUMN_FIT && is_text && !query_text_is_valid(ret_value->text.data, ret_value->text.bytes))
		return COLUMN_FIT_NOT_TEXT;
	return fit;
}

/* ---- text ---- */

static char *quote(const char *text)
{
	size_t quotes = 0, at = 0;
	for (const char *c = text; *c; c++)
		quotes += *c == '\'';
	char *quoted = malloc(strlen(text) + quotes + 3);
	if (!quoted)
		return NULL;
	quoted[at++] = '\'';
	for (const char *c = text; *c; c++) {
		if (*c == '\'')
			quoted[at++] = '\'';
		quoted[at++] = *c;
	}
	quoted[at++] = '\'';
	quoted[at] = 0;
	return quoted;
}

char *query_fields_literal(const struct catalog_columns *columns)
{
	json_t *rows = json_array();
	for (size_t i = 0; rows && columns && i < columns->count; i++) {
		const struct catalog_column *column = &columns->list[i];
		json_t *row = json_pack("[s,I,I,s]", column->name, (json_int_t)column->type,
		                        (json_int_t)column->modifier, column->path);
		if (!row || json_array_append_new(rows, row) != 0) {
			json_decref(rows);
			return NULL;
		}
	}
	char *text = json_dumps(rows, JSON_COMPACT), *quoted = text ? quote(text) : NULL;
	free(text);
	json_decref(rows);
	return quoted;
}

static bool read_row(json_t *row, struct query_field_column *ret_column)
{
	const char *name = json_string_value(json_array_get(row, 0)), *path = json_string_value(json_array_get(row, 3));
	uint32_t oid = (uint32_t)json_integer_value(json_array_get(row, 1));
	int32_t modifier = (int32_t)json_integer_value(json_array_get(row, 2));
	if (!name || !path || !query_field_type(oid, modifier, &ret_column->type))
		return false;
	ret_column->oid = oid;
	ret_column->name = strdup(name);
	ret_column->path = strdup(path);
	return ret_column->name && ret_column->path;
}

bool query_fields_read(const char *text, struct query_fields *ret_fields)
{
	json_error_t detail;
	json_t *rows = json_loads(text, 0, &detail), *row;
	size_t count = json_array_size(rows), i;
	struct query_fields fields = {calloc(count + 1, sizeof *fields.list), 0};
	bool good = rows && fields.list && count <= CATALOG_COLUMNS_MAX;
	json_array_foreach(rows, i, row)
	{
		if (!good)
			break;
		fields.count = i + 1;
		good = read_row(row, &fields.list[i]);
	}
	json_decref(rows);
	if (good)
		*ret_fields = fields;
	else
		query_fields_deinit(&fields);
	return good;
}

void query_fields_deinit(struct query_fields *fields)
{
	for (size_t i = 0; i < fields->count; i++) {
		free(fields->list[i].name);
		free(fields->list[i].path);
	}
	free(fields->list);
	*fields = (struct query_fields){0};
}
