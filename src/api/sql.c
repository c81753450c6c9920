/* Statements and their rows (see pyralog.h).
 *
 * Invariant: cells lie row by row; each is a text in `bytes`, which ends with a zero. */
#include "api/api_priv.h"
#include "base/array.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *skip_comments(const char *text)
{
	for (;;) {
		const char *end = NULL;
		while (isspace((unsigned char)*text))
			text += 1;
		if (strncmp(text, "--", 2) == 0)
			end = strchr(text, '\n');
		else if (strncmp(text, "/*", 2) == 0)
			end = strstr(text + 2, "*/");
		if (!end)
			return text;
		text = end + (*end == '*' ? 2 : 1);
	}
}

/* What would change the session that the next statement may or may not get. */
bool api_concerns_session(const char *text)
{
	static const char *const words[] = {"begin",  "start",     "commit",  "end",        "rollback",
	                                    "abort",  "savepoint", "release", "set",        "reset",
	                                    "copy",   "declare",   "fetch",   "move",       "close",
	                                    "listen", "prepare",   "execute", "deallocate", "discard"};
	size_t bytes = 0;
	text = skip_comments(text);
	while (isalpha((unsigned char)text[bytes]))
		bytes += 1;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strlen(words[i]) == bytes && strncasecmp(words[i], text, bytes) == 0)
			return true;
	return false;
}

enum pyr_status pyr_sql(struct pyralog *log, const char *text, const char *const *parameters, size_t parameter_count,
                        struct pyr_rows **ret_rows, struct pyr_failure *failure)
{
	struct pyr_failure unwanted;
	if (api_concerns_session(text))
		return api_fail(failure, PYR_STATUS_NOT_SUPPORTED, "",
		                "each statement stands for itself: this one is for a session, as psql has one");
	struct pyr_rows *rows = calloc(1, sizeof *rows);
	if (!rows)
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	enum pyr_status status =
		log->ways->sql(log, text, parameters, parameter_count, rows, failure ? failure : &unwanted);
	if (status != PYR_STATUS_OK)
		pyr_rows_free(rows);
	else
		*ret_rows = rows;
	return status;
}

/* ---- filling ---- */

pyr_result api_rows_column(struct pyr_rows *rows, size_t column_count, const char *name, uint32_t type)
{
	if (!rows->columns)
		rows->columns = calloc(column_count, sizeof *rows->columns);
	char *copy = strdup(name);
	if (!rows->columns || !copy) {
		free(copy);
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	rows->columns[rows->column_count++] = (struct api_column){copy, type};
	return pyr_ok();
}

pyr_result api_rows_cell(struct pyr_rows *rows, struct base_bytes text)
{
	if (rows->byte_count + text.bytes > API_ROWS_BYTES_MAX)
		return pyr_result_of(PYR_TOO_LARGE);
	if (!base_array_reserve(&rows->cells, &rows->cell_room, rows->cell_count + 1, sizeof *rows->cells) ||
	    !base_array_reserve(&rows->bytes, &rows->byte_room, rows->byte_count + text.bytes + 1, 1))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	rows->cells[rows->cell_count++].at = text.data ? rows->byte_count : SIZE_MAX;
	if (!text.data)
		return pyr_ok();
	memcpy(rows->bytes + rows->byte_count, text.data, text.bytes);
	rows->bytes[rows->byte_count + text.bytes] = '\0';
	rows->byte_count += text.bytes + 1;
	return pyr_ok();
}

enum pyr_status api_rows_settle(pyr_result result, struct pyr_failure *failure)
{
	if (result.code == PYR_OK)
		return PYR_STATUS_OK;
	if (result.code == PYR_TOO_LARGE)
		return api_fail(failure, PYR_STATUS_TOO_LARGE, "",
		                "the result has more than %d MiB of text: ask for less", API_ROWS_BYTES_MAX >> 20);
	return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
}

/* ---- reading ---- */

void pyr_rows_free(struct pyr_rows *rows)
{
	if (!rows)
		return;
	for (size_t i = 0; i < rows->column_count; i++)
		free(rows->columns[i].name);
	free(rows->columns);
	free(rows->cells);
	free(rows->bytes);
	free(rows);
}

size_t pyr_rows_count(const struct pyr_rows *rows)
{
	return rows->column_count > 0 ? rows->cell_count / rows->column_count : 0;
}

size_t pyr_rows_column_count(const struct pyr_rows *rows)
{
	return rows->column_count;
}

const char *pyr_rows_column_name(const struct pyr_rows *rows, size_t column)
{
	return column < rows->column_count ? rows->columns[column].name : NULL;
}

uint32_t pyr_rows_column_type(const struct pyr_rows *rows, size_t column)
{
	return column < rows->column_count ? rows->columns[column].type : 0;
}

const char *pyr_rows_value(const struct pyr_rows *rows, size_t row, size_t column)
{
	if (column >= rows->column_count || row >= pyr_rows_count(rows))
		return NULL;
	size_t at = rows->cells[row * rows->column_count + column].at;
	return at == SIZE_MAX ? NULL : rows->bytes + at;
}

uint64_t pyr_rows_affected(const struct pyr_rows *rows)
{
	return rows->affected;
}
