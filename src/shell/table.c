/* Results in memory (see table.h). Failure modes: without memory the table says `failed` and stays as it was. */
#include "shell/table.h"

#include "shell/arrow_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void shell_table_reset(struct shell_table *table)
{
	for (size_t i = 0; i < table->column_count; i++)
		free(table->columns[i].name);
	free(table->columns);
	free(table->bytes);
	free(table->cells);
	free(table->widths);
	shell_arrow_free(table->arrow);
	*table = (struct shell_table){0};
}

void shell_table_columns(struct shell_table *table, size_t count, const char *const *names, const uint32_t *types)
{
	shell_table_reset(table);
	table->columns = calloc(count + 1, sizeof *table->columns);
	table->failed = !table->columns;
	for (size_t i = 0; i < count && !table->failed; i++) {
		table->columns[i] = (struct shell_column){strdup(names[i]), types[i]};
		table->failed = !table->columns[i].name;
		table->column_count = i + 1;
	}
}

static bool reserve(struct shell_table *table, size_t bytes)
{
	size_t cells = (table->row_count - table->dropped + 1) * table->column_count;
	if (table->used + bytes > table->room) {
		size_t room = (table->used + bytes) * 2;
		char *grown = realloc(table->bytes, room);
		if (!grown)
			return false;
		table->bytes = grown;
		table->room = room;
	}
	if (cells > table->cell_room) {
		size_t *grown = realloc(table->cells, cells * 2 * sizeof *grown);
		if (!grown)
			return false;
		table->cells = grown;
		table->cell_room = cells * 2;
	}
	return true;
}

void shell_table_row(struct shell_table *table, const char *const *cells, const size_t *bytes)
{
	size_t all = 0, at = (table->row_count - table->dropped) * table->column_count;
	for (size_t i = 0; i < table->column_count; i++)
		all += cells[i] ? bytes[i] + 1 : 0;
	if (table->failed || !reserve(table, all)) {
		table->failed = true;
		return;
	}
	for (size_t i = 0; i < table->column_count; i++) {
		table->cells[at + i] = cells[i] ? table->used : SIZE_MAX;
		if (!cells[i])
			continue;
		memcpy(table->bytes + table->used, cells[i], bytes[i]);
		table->bytes[table->used + bytes[i]] = 0;
		table->used += bytes[i] + 1;
	}
	table->row_count += 1;
}

void shell_table_drop(struct shell_table *table)
{
	assert(table->written == table->row_count);
	table->dropped = table->row_count;
	table->used = 0;
}

const char *shell_table_cell(const struct shell_table *table, size_t row, size_t column)
{
	assert(row >= table->dropped && row < table->row_count && column < table->column_count);
	size_t at = table->cells[(row - table->dropped) * table->column_count + column];
	return at == SIZE_MAX ? NULL : table->bytes + at;
}

bool shell_type_is_number(uint32_t type)
{
	static const uint32_t numbers[] = {20, 21, 23, 26, 700, 701, 1700};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (numbers[i] == type)
			return true;
	return false;
}

size_t shell_text_width(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}
