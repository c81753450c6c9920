/* Declared columns as bytes and as a list (see columns.h).
 *
 * Invariants: names and numbers are unique; a list is replaced whole or not at all. Failure modes: actions that do not
 * apply leave the columns as they were. Owner: whoever owns the list.
 */
#include "catalog/columns.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void catalog_columns_free(struct catalog_columns *columns)
{
	if (!columns)
		return;
	free(columns->list);
	free(columns);
}

/* ---- bytes ---- */

static void write_text(struct base_writer *writer, const char *text)
{
	base_write_u8(writer, (uint8_t)strlen(text));
	base_write_bytes(writer, text, strlen(text));
}

void catalog_column_action_write(struct base_writer *writer, enum catalog_column_action action,
                                 const struct catalog_column *column)
{
	base_write_u8(writer, (uint8_t)action);
	base_write_u16le(writer, column->number);
	base_write_u32le(writer, column->type);
	base_write_u32le(writer, (uint32_t)column->modifier);
	write_text(writer, column->name);
	write_text(writer, column->path);
}

void catalog_columns_write(struct base_writer *writer, const struct catalog_columns *columns)
{
	struct catalog_column floor = {.number = columns->last_number};
	for (size_t i = 0; i < columns->count; i++)
		catalog_column_action_write(writer, CATALOG_COLUMN_ADD, &columns->list[i]);
	catalog_column_action_write(writer, CATALOG_COLUMN_FLOOR, &floor);
}

static void read_text(struct base_reader *reader, char *room, size_t most)
{
	uint8_t bytes = base_read_u8(reader);
	const uint8_t *text = bytes <= most ? base_read_bytes(reader, bytes) : NULL;
	if (text && !memchr(text, 0, bytes))
		memcpy(room, text, bytes);
	else
		reader->failed = true;
}

static uint8_t read_action(struct base_reader *reader, struct catalog_column *ret_column)
{
	*ret_column = (struct catalog_column){0};
	uint8_t action = base_read_u8(reader);
	ret_column->number = base_read_u16le(reader);
	ret_column->type = base_read_u32le(reader);
	ret_column->modifier = (int32_t)base_read_u32le(reader);
	read_text(reader, ret_column->name, CATALOG_COLUMN_NAME_MAX);
	read_text(reader, ret_column->path, CATALOG_COLUMN_PATH_MAX);
	return action;
}

/* ---- the list ---- */

static size_t place_of(const struct catalog_columns *columns, const char *name)
{
	size_t i = 0;
	while (i < columns->count && strcmp(columns->list[i].name, name) != 0)
		i += 1;
	return i;
}

static pyr_result add(struct catalog_columns *columns, struct catalog_column *column)
{
	if (!column->name[0] || !column->path[0])
		return pyr_result_of(PYR_CORRUPT);
	if (place_of(columns, column->name) < columns->count)
		return pyr_result_of(PYR_EXISTS);
	if (column->number == 0)
		column->number = columns->last_number + 1;
	if (columns->count == CATALOG_COLUMNS_MAX || column->number > CATALOG_COLUMNS_MAX)
		return pyr_result_of(PYR_TOO_LARGE);
	if (column->number <= columns->last_number)
		return pyr_result_of(PYR_CORRUPT);
	columns->last_number = column->number;
	columns->list[columns->count++] = *column;
	return pyr_ok();
}

static pyr_result drop(struct catalog_columns *columns, const char *name)
{
	size_t i = place_of(columns, name);
	if (i == columns->count)
		return pyr_result_of(PYR_NOT_FOUND);
	columns->count -= 1;
	memmove(&columns->list[i], &columns->list[i + 1], (columns->count - i) * sizeof *columns->list);
	return pyr_ok();
}

static pyr_result apply_one(struct catalog_columns *columns, struct base_reader *reader)
{
	struct catalog_column column;
	uint8_t action = read_action(reader, &column);
	if (reader->failed)
		return pyr_result_of(PYR_CORRUPT);
	switch (action) {
	case CATALOG_COLUMN_ADD:
		return add(columns, &column);
	case CATALOG_COLUMN_DROP:
		return drop(columns, column.name);
	case CATALOG_COLUMN_FLOOR:
		if (column.number > CATALOG_COLUMNS_MAX)
			return pyr_result_of(PYR_CORRUPT);
		if (column.number > columns->last_number)
			columns->last_number = column.number;
		return pyr_ok();
	default:
		return pyr_result_of(PYR_CORRUPT);
	}
}

static struct catalog_columns *copy(const struct catalog_columns *columns)
{
	struct catalog_columns *fresh = calloc(1, sizeof *fresh);
	struct catalog_column *list = calloc(CATALOG_COLUMNS_MAX, sizeof *list);
	if (!fresh || !list) {
		free(fresh);
		free(list);
		return NULL;
	}
	if (columns && columns->count > 0)
		memcpy(list, columns->list, columns->count * sizeof *list);
	*fresh = (struct catalog_columns){list, columns ? columns->count : 0, columns ? columns->last_number : 0};
	return fresh;
}

pyr_result catalog_columns_copy(const struct catalog_columns *columns, struct catalog_columns **ret_columns)
{
	struct catalog_columns *fresh = copy(columns);
	if (!fresh)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	*ret_columns = fresh;
	return pyr_ok();
}

pyr_result catalog_columns_apply(struct catalog_columns **columns, struct base_bytes actions)
{
	struct base_reader reader = base_reader_init(actions.data, actions.bytes);
	struct catalog_columns *fresh = copy(*columns);
	pyr_result result = fresh ? pyr_ok() : pyr_result_of(PYR_OUT_OF_MEMORY);
	while (result.code == PYR_OK && base_reader_left(&reader) > 0)
		result = apply_one(fresh, &reader);
	if (result.code != PYR_OK) {
		catalog_columns_free(fresh);
		return result;
	}
	assert(fresh->count <= CATALOG_COLUMNS_MAX && fresh->count <= fresh->last_number);
	/* What is kept is as large as it has to be. */
	struct catalog_column *fitted = realloc(fresh->list, (fresh->count + 1) * sizeof *fitted);
	if (fitted)
		fresh->list = fitted;
	catalog_columns_free(*columns);
	*columns = fresh;
	return pyr_ok();
}
