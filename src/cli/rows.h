/* Records out of text: lines, JSON lines, CSV; fed in pieces, as they are read. Pure. */
#ifndef PYRALOG_CLI_ROWS_H
#define PYRALOG_CLI_ROWS_H

#include "base/cursor.h"
#include "base/error.h"
#include "column/json.h"

#include <stdbool.h>

enum cli_rows_format { CLI_ROWS_LINES, CLI_ROWS_JSON, CLI_ROWS_CSV };

enum { CLI_CSV_COLUMNS_MAX = 1024, CLI_ROW_BYTES_MAX = 16 << 20 };

struct cli_rows {
	enum cli_rows_format format;
	char separator; /* LINES: between key and value; 0: there are no keys */
	struct column_json_paths *key; /* JSON and CSV: the field that is the key; NULL: none */
	struct base_writer pending; /* a row that is not whole yet */
	struct base_writer value; /* CSV: the object it becomes */
	char *names[CLI_CSV_COLUMNS_MAX];
	size_t name_count;
	bool has_head;
	uint64_t row; /* from 1 */
};

/* key: a path, "" none. PYR_SYNTAX, PYR_OUT_OF_MEMORY. */
pyr_result cli_rows_init(struct cli_rows *rows, enum cli_rows_format format, const char *key, char separator,
                         struct pyr_error *error);
void cli_rows_deinit(struct cli_rows *rows); /* a zeroed one is fine */

/* Calls `take` for each record that is whole with these bytes; `last`: nothing follows. Stops at its first failure.
 * PYR_SYNTAX names the row. */
typedef pyr_result cli_rows_take(void *context, struct base_bytes key, struct base_bytes value,
                                 struct pyr_error *error);
pyr_result cli_rows_feed(struct cli_rows *rows, struct base_bytes bytes, bool last, cli_rows_take *take, void *context,
                         struct pyr_error *error);

#endif
