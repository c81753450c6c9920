/* A result in memory, and the ways to write one. */
#ifndef PYRALOG_SHELL_TABLE_H
#define PYRALOG_SHELL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct shell_palette;

struct shell_column {
	char *name;
	uint32_t type; /* PostgreSQL's object id */
};

struct shell_table {
	struct shell_column *columns;
	size_t column_count;
	size_t row_count;
	size_t dropped; /* of them, from the first on: see shell_table_drop() */
	char *bytes; /* cells one behind the other, each with a zero */
	size_t used, room;
	size_t *cells; /* where each begins; SIZE_MAX: null */
	size_t cell_room;
	size_t written; /* rows, so far: see shell_write_rows() */
	struct shell_arrow *arrow; /* the file that is being written: arrow_file.h */
	char problem[200]; /* why it can't be */
	size_t *widths; /* of the columns as they were written first */
	bool failed; /* memory was out */
};

void shell_table_reset(struct shell_table *table); /* empties it; a zeroed one is empty */
void shell_table_columns(struct shell_table *table, size_t count, const char *const *names, const uint32_t *types);
void shell_table_row(struct shell_table *table, const char *const *cells, const size_t *bytes);
void shell_table_drop(struct shell_table *table); /* forgets the rows that were written; their number stays */
const char *shell_table_cell(const struct shell_table *table, size_t row, size_t column); /* NULL: null */
bool shell_type_is_number(uint32_t type);
size_t shell_text_width(const char *text); /* on a terminal: its characters */

enum shell_format {
	SHELL_ALIGNED,
	SHELL_PLAIN, /* tabs between cells, no head */
	SHELL_CSV,
	SHELL_JSON,
	SHELL_MARKDOWN,
	SHELL_ARROW, /* a file of Arrow's IPC format */
};

extern const char *const shell_format_names[];
enum { SHELL_FORMATS = SHELL_ARROW + 1 };

struct shell_style {
	enum shell_format format;
	bool expanded; /* a line a cell, for ALIGNED */
	bool bare; /* no count of rows behind them */
	const char *null_text;
	unsigned columns; /* of the terminal; 0: nobody reads it there */
	const struct shell_palette *palette; /* NULL: no colour */
};

/* Writes the rows that were not written yet, the head in front of the first. */
void shell_write_rows(struct shell_table *table, const struct shell_style *style, FILE *out);
/* What stands behind the last. */
void shell_write_end(struct shell_table *table, const struct shell_style *style, FILE *out);
/* Lines that the whole would take. */
size_t shell_table_lines(const struct shell_table *table, const struct shell_style *style);
/* Bars, or a line, of the first column with numbers over the first without. False, and a sentence, if there is none. */
bool shell_write_chart(const struct shell_table *table, bool line, unsigned columns, FILE *out, const char **ret_why);

#endif
