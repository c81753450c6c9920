/* Records out of text (see rows.h). CSV is RFC 4180's, with a head; each row becomes a JSON object, whose numbers are numbers
 * and whose empty fields are null. */
#include "cli/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pyr_result cli_rows_init(struct cli_rows *rows, enum cli_rows_format format, const char *key, char separator,
                         struct pyr_error *error)
{
	*rows = (struct cli_rows){.format = format, .separator = separator};
	base_writer_init(&rows->pending, CLI_ROW_BYTES_MAX);
	base_writer_init(&rows->value, (size_t)CLI_ROW_BYTES_MAX * 8);
	return key[0] ? column_json_paths_new(&key, 1, &rows->key, error) : pyr_ok();
}

void cli_rows_deinit(struct cli_rows *rows)
{
	base_writer_deinit(&rows->pending);
	base_writer_deinit(&rows->value);
	column_json_paths_free(rows->key);
	for (size_t i = 0; i < rows->name_count; i++)
		free(rows->names[i]);
	rows->name_count = 0;
}

static pyr_result fail(const struct cli_rows *rows, const char *why, struct pyr_error *error)
{
	return pyr_fail(error, PYR_SYNTAX, "row %llu: %s", (unsigned long long)rows->row, why);
}

/* ---- one row ---- */

static pyr_result take_object(struct cli_rows *rows, struct base_bytes value, cli_rows_take *take, void *context,
                              struct pyr_error *error)
{
	struct base_bytes key = {0};
	struct column_json found;
	if (rows->key && !column_json_find(rows->key, value, &found))
		return fail(rows, "it is no JSON", error);
	if (rows->key && found.kind > COLUMN_JSON_NULL)
		key = found.text;
	return take(context, key, value, error);
}

static pyr_result take_line(struct cli_rows *rows, struct base_bytes line, cli_rows_take *take, void *context,
                            struct pyr_error *error)
{
	const uint8_t *sign = rows->separator ? memchr(line.data, rows->separator, line.bytes) : NULL;
	struct base_bytes key = {0}, value = line;
	if (sign) {
		key = (struct base_bytes){line.data, (size_t)(sign - line.data)};
		value = (struct base_bytes){sign + 1, line.bytes - key.bytes - 1};
	}
	return take(context, key, value, error);
}

static bool is_number(const char *text)
{
	struct column_json_paths *none;
	struct column_json unused;
	size_t bytes = strlen(text);
	if (bytes == 0 || strspn(text, "+-0123456789.eE") != bytes ||
	    column_json_paths_new(NULL, 0, &none, NULL).code != PYR_OK)
		return false;
	bool valid = column_json_find(none, (struct base_bytes){(const uint8_t *)text, bytes}, &unused);
	column_json_paths_free(none);
	return valid;
}

static void write_text(struct base_writer *writer, const char *text)
{
	base_write_u8(writer, '"');
	for (; *text; text++) {
		char escaped[8];
		if (*text == '"' || *text == '\\')
			base_write_u8(writer, '\\');
		if ((unsigned char)*text < ' ')
			base_write_bytes(writer, escaped,
			                 (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)*text));
		else
			base_write_u8(writer, (uint8_t)*text);
	}
	base_write_u8(writer, '"');
}

static void write_member(struct cli_rows *rows, size_t i, const char *field, bool quoted)
{
	base_write_bytes(&rows->value, i > 0 ? "," : "{", 1);
	write_text(&rows->value, rows->names[i]);
	base_write_u8(&rows->value, ':');
	if (!field[0] && !quoted)
		base_write_bytes(&rows->value, "null", 4);
	else if (!quoted && is_number(field))
		base_write_bytes(&rows->value, field, strlen(field));
	else
		write_text(&rows->value, field);
}

/* The next field at *at, its quotes taken away in place. */
static char *next_field(char **at, bool *ret_quoted, bool *ret_last)
{
	char *from = *at, *to = *at, *read = *at;
	*ret_quoted = *read == '"';
	if (*ret_quoted) {
		for (read++; *read && (*read != '"' || read[1] == '"'); read++) {
			read += *read == '"';
			*to++ = *read;
		}
		read += *read == '"';
	}
	while (*read && *read != ',')
		*to++ = *read++;
	*ret_last = !*read;
	*at = read + !*ret_last;
	*to = 0;
	return from;
}

static pyr_result take_csv(struct cli_rows *rows, char *line, cli_rows_take *take, void *context,
                           struct pyr_error *error)
{
	bool quoted, last = false;
	size_t i = 0;
	rows->value.bytes = 0;
	for (; !last; i++) {
		const char *field = next_field(&line, &quoted, &last);
		if (i == (rows->has_head ? rows->name_count : CLI_CSV_COLUMNS_MAX))
			return fail(rows, "it has more fields than the head", error);
		if (rows->has_head) {
			write_member(rows, i, field, quoted);
			continue;
		}
		rows->names[i] = strdup(field);
		if (!rows->names[i])
			return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
		rows->name_count = i + 1;
	}
	if (!rows->has_head) {
		rows->has_head = true;
		return pyr_ok();
	}
	base_write_u8(&rows->value, '}');
	if (rows->value.failed)
		return fail(rows, "it is too long", error);
	return take_object(rows, (struct base_bytes){rows->value.buffer->data, rows->value.bytes}, take, context,
	                   error);
}

static pyr_result take_row(struct cli_rows *rows, cli_rows_take *take, void *context, struct pyr_error *error)
{
	rows->row += 1;
	if (rows->pending.bytes > 0 && rows->pending.buffer->data[rows->pending.bytes - 1] == '\r')
		rows->pending.bytes -= 1;
	base_write_u8(&rows->pending, 0);
	if (rows->pending.failed)
		return fail(rows, "it is longer than 16 MiB", error);
	struct base_bytes line = {rows->pending.buffer->data, rows->pending.bytes - 1};
	pyr_result result = pyr_ok();
	if (line.bytes > 0 && rows->format == CLI_ROWS_CSV)
		result = take_csv(rows, (char *)rows->pending.buffer->data, take, context, error);
	else if (line.bytes > 0 && rows->format == CLI_ROWS_JSON)
		result = take_object(rows, line, take, context, error);
	else if (line.bytes > 0)
		result = take_line(rows, line, take, context, error);
	rows->pending.bytes = 0;
	return result;
}

/* ---- pieces ---- */

/* In CSV a line feed between quotes is one of the field's. */
static bool is_whole(const struct cli_rows *rows)
{
	bool open = false;
	for (size_t i = 0; i < rows->pending.bytes && rows->format == CLI_ROWS_CSV; i++)
		open ^= rows->pending.buffer->data[i] == '"';
	return !open;
}

pyr_result cli_rows_feed(struct cli_rows *rows, struct base_bytes bytes, bool last, cli_rows_take *take, void *context,
                         struct pyr_error *error)
{
	while (bytes.bytes > 0) {
		const uint8_t *end = memchr(bytes.data, '\n', bytes.bytes);
		size_t line = end ? (size_t)(end - bytes.data) : bytes.bytes;
		base_write_bytes(&rows->pending, bytes.data, line);
		bytes.data += line + (end != NULL);
		bytes.bytes -= line + (end != NULL);
		if (end && is_whole(rows))
			PYR_TRY(take_row(rows, take, context, error));
		else if (end)
			base_write_u8(&rows->pending, '\n');
	}
	return last && rows->pending.bytes > 0 ? take_row(rows, take, context, error) : pyr_ok();
}
