/* Rows on standard output: an aligned table for people, tab-separated lines or JSON for programs. */
#ifndef PYRALOG_CLI_TABLE_H
#define PYRALOG_CLI_TABLE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { CLI_COLUMNS_MAX = 12, CLI_CELL_BYTES = 300 };

struct cli_option;

enum cli_format { CLI_TABLE, CLI_PLAIN, CLI_JSON };

struct cli_column {
	const char *name; /* "LAG"; in JSON in lower case, '-' as '_' */
	bool is_number; /* an empty cell is null in JSON, "-" in a table */
};

struct cli_table {
	const struct cli_column *columns;
	size_t column_count;
	char (*cells)[CLI_CELL_BYTES]; /* row after row */
	size_t row_count, row_capacity;
	bool failed; /* memory was out */
};

/* `columns` must live as long. */
void cli_table_init(struct cli_table *table, const struct cli_column *columns, size_t column_count);
void cli_table_free(struct cli_table *table);
void cli_table_row(struct cli_table *table); /* begins one, its cells empty */
[[gnu::format(printf, 3, 4)]] void cli_table_set(struct cli_table *table, size_t column, const char *format, ...);
/* `options`: of the command, for --color. PYR_OUT_OF_MEMORY. */
pyr_result cli_table_print(const struct cli_table *table, enum cli_format format, const struct cli_option *options);
/* An array of objects, without a line's end. */
void cli_table_json(const struct cli_table *table);
/* "2 h 5 min", into at most 32 bytes. */
void cli_table_duration(long long ms, char ret_text[32]);

#endif
