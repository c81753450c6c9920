/* Values made of declared columns (see fields_write.h).
 *
 * The shape is a tree of JSON objects, made when the statement is planned; its leaves are the numbers of fields. A row is
 * written along it: what is null is left out, and so is an object with nothing in it. Invariant: what is written reads back as
 * the same value through the column. A session's thread.
 */
#include "query/fields_write.h"

#include "query/fields.h"
#include "query/text.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { VALUE_BYTES_MAX = 64 << 20 };

/* ---- the shape ---- */

static pyr_result collide(const struct query_insert *insert, size_t declared, struct query_error *error)
{
	return query_fail(error, "42701", "column \"%s\" is a field that another column is, too, or is within",
	                  insert->declared->list[declared].name);
}

pyr_result query_fields_shape(struct query_insert *insert, size_t declared, size_t field, struct query_error *error)
{
	const char *path = insert->declared->list[declared].path, *at = path;
	char name[COLUMN_JSON_NAME_MAX + 1], next[COLUMN_JSON_NAME_MAX + 1];
	bool any, more = true;
	if (!insert->shape && !(insert->shape = json_object()))
		return query_fail_memory(error);
	json_t *object = insert->shape;
	bool named = column_json_path_name(path, &at, name, &any);
	while (named && any && more) {
		named = column_json_path_name(path, &at, next, &more);
		json_t *there = json_object_get(object, name);
		if (there && (!more || !json_is_object(there)))
			return collide(insert, declared, error);
		if (!there &&
		    json_object_set_new(object, name, more ? json_object() : json_integer((json_int_t)field)) != 0)
			return query_fail_memory(error);
		object = json_object_get(object, name);
		memcpy(name, next, sizeof name);
	}
	return named ? pyr_ok()
	             : query_fail(error, "0A000", "column \"%s\" is a place in an array (%s): write value instead",
	                          insert->declared->list[declared].name, path);
}

/* ---- one value ---- */

struct row {
	const struct query_insert *insert;
	const struct query_field *fields;
	struct base_writer value, scratch;
	struct query_error *error;
	pyr_result result;
};

static void write_text(struct row *row, const char *text)
{
	base_write_bytes(&row->value, text, strlen(text));
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool is_json_number(const char *text, size_t bytes)
{
	size_t at = bytes > 0 && text[0] == '-', digits = at;
	while (at < bytes && text[at] >= '0' && text[at] <= '9')
		at += 1;
	if (at == digits || (text[digits] == '0' && at > digits + 1))
		return false;
	if (at < bytes && text[at] == '.') {
		digits = ++at;
		while (at < bytes && text[at] >= '0' && text[at] <= '9')
			at += 1;
		if (at == digits)
			return false;
	}
	if (at < bytes && (text[at] | 0x20) == 'e') {
		at += 1 + (at + 1 < bytes && (text[at + 1] == '+' || text[at + 1] == '-'));
		digits = at;
		while (at < bytes && text[at] >= '0' && text[at] <= '9')
			at += 1;
		if (at == digits)
			return false;
	}
	return at == bytes;
}

static void write_real(struct row *row, struct base_bytes text, double value)
{
	char number[40];
	if (is_json_number((const char *)text.data, text.bytes)) {
		base_write_bytes(&row->value, text.data, text.bytes);
		return;
	}
	snprintf(number, sizeof number, "%.17g", value);
	write_text(row, number);
}

static void write_numeric(struct row *row, __int128 value, uint8_t scale)
{
	char digits[64];
	size_t at = sizeof digits, behind = 0;
	struct query_cell cell = query_cell_numeric(value, scale);
	unsigned __int128 left = (unsigned __int128)(uint64_t)cell.integer << 64 | cell.lower;
	bool negative = cell.integer < 0;
	left = negative ? -left : left;
	do {
		digits[--at] = (char)('0' + (int)(left % 10));
		left /= 10;
		if (++behind == cell.scale)
			digits[--at] = '.';
	} while (left > 0 || behind <= cell.scale);
	if (negative)
		digits[--at] = '-';
	base_write_bytes(&row->value, digits + at, sizeof digits - at);
}

static bool is_json(struct base_bytes text)
{
	json_error_t detail;
	json_t *read = json_loadb((const char *)text.data, text.bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, &detail);
	json_decref(read);
	return read;
}

static void write_converted(struct row *row, struct column_field_type type, struct base_bytes text,
                            const union column_field_value *value)
{
	char number[32];
	switch (type.type) {
	case COLUMN_TYPE_BOOL:
		write_text(row, value->boolean ? "true" : "false");
		break;
	case COLUMN_TYPE_INT2:
	case COLUMN_TYPE_INT4:
	case COLUMN_TYPE_INT8:
		snprintf(number, sizeof number, "%lld", (long long)value->integer);
		write_text(row, number);
		break;
	case COLUMN_TYPE_FLOAT4:
	case COLUMN_TYPE_FLOAT8:
		write_real(row, text, value->real);
		break;
	case COLUMN_TYPE_NUMERIC:
		write_numeric(row, value->wide, type.scale);
		break;
	default:
		query_text_write_json(&row->value, text);
	}
}

static const char *sqlstate_of(enum column_fit fit)
{
	return fit == COLUMN_FIT_RANGE                                                                       ? "22003"
	       : fit == COLUMN_FIT_NOT_TEXT                                                                  ? "22021"
	       : fit == COLUMN_FIT_NOT_DATE || fit == COLUMN_FIT_NOT_TIME || fit == COLUMN_FIT_NOT_TIMESTAMP ? "22007"
	                                                                                                     : "22P02";
}

/* False: it is null, or can't be (row->result). */
static bool write_field(struct row *row, size_t i)
{
	const struct catalog_column *column =
		&row->insert->declared->list[row->insert->columns[i] - QUERY_WRITE_COLUMNS];
	struct base_bytes text = row->fields[i].text;
	struct column_json field = {.kind = COLUMN_JSON_STRING, .text = text};
	struct query_field_column to = {.oid = column->type};
	union column_field_value value = {0};
	if (!text.data)
		return false;
	bool known = query_field_type(column->type, column->modifier, &to.type);
	assert(known);
	enum column_fit fit = COLUMN_FIT;
	if (to.type.type == COLUMN_TYPE_JSON) {
		fit = is_json(text) ? COLUMN_FIT : COLUMN_FIT_NOT_JSON;
		base_write_bytes(&row->value, text.data, fit == COLUMN_FIT ? text.bytes : 0);
	} else {
		fit = query_field_convert(&to, &field, &row->scratch, &value);
		if (fit == COLUMN_FIT)
			write_converted(row, to.type, text, &value);
	}
	if (fit != COLUMN_FIT)
		row->result = query_fail(row->error, sqlstate_of(fit), "\"%.*s\" in column \"%s\" is %s",
		                         text.bytes < 100 ? (int)text.bytes : 100, (const char *)text.data,
		                         column->name, column_fit_reason(fit));
	return fit == COLUMN_FIT;
}

/* False: there is nothing in it, and nothing was written. */
static bool write_object(struct row *row, json_t *shape)
{
	size_t start = row->value.bytes;
	bool any = false;
	const char *name;
	json_t *node;
	base_write_u8(&row->value, '{');
	json_object_foreach(shape, name, node)
	{
		size_t before = row->value.bytes;
		base_write_bytes(&row->value, ", ", any ? 2 : 0);
		query_text_write_json(&row->value, (struct base_bytes){(const uint8_t *)name, strlen(name)});
		base_write_bytes(&row->value, ": ", 2);
		bool wrote = json_is_integer(node) ? write_field(row, (size_t)json_integer_value(node))
		                                   : write_object(row, node);
		if (row->result.code != PYR_OK)
			return false;
		if (!wrote)
			row->value.bytes = before;
		any |= wrote;
	}
	base_write_u8(&row->value, '}');
	if (!any)
		row->value.bytes = start;
	return any;
}

pyr_result query_fields_write(const struct query_insert *insert, const struct query_field *fields,
                              struct base_slice *ret_value, struct query_error *error)
{
	struct row row = {.insert = insert, .fields = fields, .error = error, .result = pyr_ok()};
	base_writer_init(&row.value, VALUE_BYTES_MAX);
	base_writer_init(&row.scratch, VALUE_BYTES_MAX);
	if (!write_object(&row, insert->shape) && row.result.code == PYR_OK)
		write_text(&row, "{}");
	if (row.result.code == PYR_OK && (row.scratch.failed || base_writer_take(&row.value, ret_value).code != PYR_OK))
		row.result = query_fail(error, "54000", "a row is larger than %d MiB, or memory is out",
		                        VALUE_BYTES_MAX >> 20);
	base_writer_deinit(&row.value);
	base_writer_deinit(&row.scratch);
	return row.result;
}
