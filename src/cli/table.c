/* Rows, printed three ways (see table.h). */
#include "cli/table.h"

#include "cli/answer.h"
#include "shell/color.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cli_table_init(struct cli_table *table, const struct cli_column *columns, size_t column_count)
{
	assert(column_count <= CLI_COLUMNS_MAX);
	*table = (struct cli_table){.columns = columns, .column_count = column_count};
}

void cli_table_free(struct cli_table *table)
{
	free(table->cells);
	table->cells = NULL;
}

static char *cell(const struct cli_table *table, size_t row, size_t column)
{
	return table->cells[row * table->column_count + column];
}

void cli_table_row(struct cli_table *table)
{
	if (table->row_count == table->row_capacity) {
		size_t capacity = table->row_capacity * 2 + 16;
		void *cells = realloc(table->cells, capacity * table->column_count * CLI_CELL_BYTES);
		if (!cells) {
			table->failed = true;
			return;
		}
		table->cells = cells;
		table->row_capacity = capacity;
	}
	table->row_count += 1;
	for (size_t i = 0; i < table->column_count; i++)
		cell(table, table->row_count - 1, i)[0] = '\0';
}

void cli_table_set(struct cli_table *table, size_t column, const char *format, ...)
{
	va_list arguments;
	if (table->failed)
		return;
	va_start(arguments, format);
	vsnprintf(cell(table, table->row_count - 1, column), CLI_CELL_BYTES, format, arguments);
	va_end(arguments);
}

static void print_aligned(const struct cli_table *table, const struct shell_palette *palette)
{
	size_t widths[CLI_COLUMNS_MAX];
	for (size_t i = 0; i < table->column_count; i++) {
		widths[i] = strlen(table->columns[i].name);
		for (size_t row = 0; row < table->row_count; row++)
			if (strlen(cell(table, row, i)) > widths[i])
				widths[i] = strlen(cell(table, row, i));
	}
	for (size_t row = 0; row <= table->row_count; row++)
		for (size_t i = 0; i < table->column_count; i++) {
			const char *text = row == 0 ? table->columns[i].name : cell(table, row - 1, i);
			bool is_last = i + 1 == table->column_count;
			int width = is_last && !table->columns[i].is_number ? 0 : (int)widths[i];
			printf(table->columns[i].is_number ? "%s%*s%s%s" : "%s%-*s%s%s",
			       row == 0 ? palette->heading : "", width, text[0] ? text : "-",
			       row == 0 ? palette->end : "", is_last ? "\n" : "  ");
		}
}

static void print_plain(const struct cli_table *table)
{
	for (size_t row = 0; row < table->row_count; row++)
		for (size_t i = 0; i < table->column_count; i++)
			printf("%s%c", cell(table, row, i), i + 1 == table->column_count ? '\n' : '\t');
}

void cli_table_json(const struct cli_table *table)
{
	printf("[");
	for (size_t row = 0; row < table->row_count; row++) {
		printf("%s\n  {", row > 0 ? "," : "");
		for (size_t i = 0; i < table->column_count; i++) {
			printf(i > 0 ? ", \"" : "\"");
			for (const char *c = table->columns[i].name; *c; c++)
				putchar(*c == '-' ? '_' : tolower((unsigned char)*c));
			printf("\": ");
			if (!table->columns[i].is_number)
				cli_json_text(cell(table, row, i));
			else
				printf("%s", cell(table, row, i)[0] ? cell(table, row, i) : "null");
		}
		printf("}");
	}
	printf("%s]", table->row_count > 0 ? "\n" : "");
}

pyr_result cli_table_print(const struct cli_table *table, enum cli_format format, const struct cli_option *options)
{
	if (table->failed)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	if (format == CLI_JSON) {
		cli_table_json(table);
		putchar('\n');
	}
	if (format == CLI_PLAIN)
		print_plain(table);
	if (format == CLI_TABLE)
		print_aligned(table, cli_palette(options, stdout));
	return pyr_ok();
}

void cli_table_duration(long long ms, char ret_text[32])
{
	long long s = ms / 1000;
	if (ms < 1000)
		snprintf(ret_text, 32, "%lld ms", ms);
	else if (s < 60)
		snprintf(ret_text, 32, "%lld s", s);
	else if (s < 3600)
		snprintf(ret_text, 32, "%lld min %lld s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(ret_text, 32, "%lld h %lld min", s / 3600, s / 60 % 60);
	else
		snprintf(ret_text, 32, "%lld d %lld h", s / 86400, s / 3600 % 24);
}
