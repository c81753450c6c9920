/* COPY's formats (see copy.h). Text and CSV are cut into rows by a scan that remembers where it was, so that bytes that
 * come one by one cost no more than all at once; fields are then unescaped into a buffer as large as the row. */
#include "server/pg/copy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct pg_copy_in {
	struct query_copy copy;
	size_t column_count;
	struct pg_copy_sink sink;
	uint8_t *data;
	size_t bytes, capacity;
	size_t scanned; /* of data, from the row's start */
	bool quoted; /* at `scanned`: within quotes */
	bool escaped; /* at `scanned`: behind a backslash, or CSV's escape */
	bool begun; /* the header is behind us */
	bool ended; /* \. or the binary trailer */
	uint8_t *room; /* as large as data */
};

static const uint8_t signature[] = {'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0xff, '\r', '\n', 0};

enum { BINARY_HEADER_BYTES = sizeof signature + 8 };

struct pg_copy_in *pg_copy_in_new(const struct query_copy *copy, size_t column_count, const struct pg_copy_sink *sink)
{
	assert(column_count > 0 && column_count <= QUERY_INSERT_COLUMNS_MAX);
	struct pg_copy_in *in = calloc(1, sizeof *in);
	if (!in)
		return NULL;
	in->copy = *copy;
	in->column_count = column_count;
	in->sink = *sink;
	return in;
}

void pg_copy_in_free(struct pg_copy_in *in)
{
	if (!in)
		return;
	free(in->data);
	free(in->room);
	free(in);
}

/* ---- rows of text ---- */

static pyr_result fail_format(struct query_error *error, const char *sentence)
{
	return query_fail(error, "22P04", "%s", sentence);
}

static uint8_t unescape(uint8_t c)
{
	static const char from[] = "bfnrtv", to[] = "\b\f\n\r\t\v";
	const char *found = c ? strchr(from, c) : NULL;
	return found ? (uint8_t)to[found - from] : c;
}

static int octal_of(uint8_t c)
{
	return c >= '0' && c <= '7' ? c - '0' : -1;
}

/* Behind the escape at `at`; its byte in *ret_byte. */
static size_t read_escape(const uint8_t *row, size_t bytes, size_t at, uint8_t *ret_byte)
{
	int digit = octal_of(row[at]);
	if (digit < 0) {
		*ret_byte = unescape(row[at]);
		return at + 1;
	}
	int value = 0;
	for (size_t i = 0; i < 3 && at < bytes && (digit = octal_of(row[at])) >= 0; i++, at++)
		value = value * 8 + digit;
	*ret_byte = (uint8_t)value;
	return at;
}

/* Behind the field that starts at `at`; unescaped to `room`. */
static size_t read_text_field(const struct pg_copy_in *in, const uint8_t *row, size_t bytes, size_t at, uint8_t *room,
                              struct query_field *ret_field)
{
	size_t start = at, used = 0, null_bytes = strlen(in->copy.null_text);
	while (at < bytes && row[at] != (uint8_t)in->copy.delimiter) {
		if (row[at] == '\\' && at + 1 < bytes)
			at = read_escape(row, bytes, at + 1, &room[used++]);
		else
			room[used++] = row[at++];
	}
	bool is_null = at - start == null_bytes && memcmp(row + start, in->copy.null_text, null_bytes) == 0;
	*ret_field = (struct query_field){.text = {is_null ? NULL : room, is_null ? 0 : used}};
	return at;
}

static size_t read_csv_field(const struct pg_copy_in *in, const uint8_t *row, size_t bytes, size_t at, uint8_t *room,
                             struct query_field *ret_field)
{
	size_t used = 0;
	uint8_t quote = (uint8_t)in->copy.quote, escape = (uint8_t)in->copy.escape;
	bool quoted = false, any = false;
	for (; at < bytes && (quoted || row[at] != (uint8_t)in->copy.delimiter); at++) {
		bool escapes = quoted && row[at] == escape && at + 1 < bytes &&
		               (row[at + 1] == quote || row[at + 1] == escape);
		if (escapes) {
			room[used++] = row[++at];
		} else if (row[at] == quote) {
			quoted = !quoted;
			any = true;
		} else {
			room[used++] = row[at];
		}
	}
	bool is_null = !any && used == strlen(in->copy.null_text) && memcmp(room, in->copy.null_text, used) == 0;
	*ret_field = (struct query_field){.text = {is_null ? NULL : room, is_null ? 0 : used}};
	return at;
}

static pyr_result take_row(struct pg_copy_in *in, const uint8_t *row, size_t bytes, struct query_error *error)
{
	struct query_field fields[QUERY_INSERT_COLUMNS_MAX];
	uint8_t *room = in->room;
	size_t at = 0;
	if (bytes > 0 && row[bytes - 1] == '\r')
		bytes -= 1;
	if (in->copy.header && !in->begun) {
		in->begun = true;
		return pyr_ok();
	}
	if (bytes == 2 && row[0] == '\\' && row[1] == '.') {
		in->ended = true;
		return pyr_ok();
	}
	for (size_t i = 0; i < in->column_count; i++) {
		at = in->copy.format == QUERY_COPY_CSV ? read_csv_field(in, row, bytes, at, room, &fields[i])
		                                       : read_text_field(in, row, bytes, at, room, &fields[i]);
		room += fields[i].text.bytes;
		if (i + 1 < in->column_count && at++ >= bytes)
			return fail_format(error, "missing data for a column of the row");
	}
	if (at < bytes)
		return fail_format(error, "extra data after last expected column");
	return in->sink.row(in->sink.context, fields, error);
}

/* Where the row at the start ends; false: it goes on. */
static bool find_end(struct pg_copy_in *in, const uint8_t *data, size_t bytes, size_t *ret_end)
{
	bool csv = in->copy.format == QUERY_COPY_CSV;
	for (; in->scanned < bytes; in->scanned++) {
		uint8_t c = data[in->scanned];
		if (in->escaped) {
			in->escaped = false;
		} else if (csv) {
			/* A quote that is doubled turns this twice. */
			if (c == (uint8_t)in->copy.quote)
				in->quoted = !in->quoted;
			else if (c == (uint8_t)in->copy.escape && in->quoted && in->copy.escape != in->copy.quote)
				in->escaped = true;
		} else if (c == '\\') {
			in->escaped = true;
		}
		if (c == '\n' && !in->quoted) {
			*ret_end = in->scanned;
			return true;
		}
	}
	return false;
}

static pyr_result take_lines(struct pg_copy_in *in, size_t *ret_used, struct query_error *error)
{
	size_t at = 0, end = 0;
	while (!in->ended && find_end(in, in->data + at, in->bytes - at, &end)) {
		in->scanned = 0;
		in->quoted = in->escaped = false;
		PYR_TRY(take_row(in, in->data + at, end, error));
		at += end + 1;
	}
	*ret_used = in->ended ? in->bytes : at;
	return pyr_ok();
}

/* ---- binary ---- */

/* One tuple off the reader; *ret_whole false: not all of it is here. */
static pyr_result take_tuple(struct pg_copy_in *in, struct base_reader *reader, bool *ret_whole,
                             struct query_error *error)
{
	struct query_field fields[QUERY_INSERT_COLUMNS_MAX];
	uint16_t count = base_read_u16be(reader);
	*ret_whole = !reader->failed;
	if (reader->failed || count == UINT16_MAX) {
		in->ended = !reader->failed;
		return pyr_ok();
	}
	if (count != in->column_count)
		return fail_format(error, "row field count is not the number of columns");
	for (size_t i = 0; i < count; i++) {
		uint32_t bytes = base_read_u32be(reader);
		fields[i] = (struct query_field){.is_bytes = true};
		if (reader->failed || bytes == UINT32_MAX)
			continue;
		if (bytes > PG_COPY_ROW_BYTES_MAX)
			return fail_format(error, "invalid field size");
		fields[i].text = (struct base_bytes){base_read_bytes(reader, bytes), bytes};
	}
	*ret_whole = !reader->failed;
	return reader->failed ? pyr_ok() : in->sink.row(in->sink.context, fields, error);
}

static pyr_result take_tuples(struct pg_copy_in *in, size_t *ret_used, struct query_error *error)
{
	size_t at = 0;
	bool whole = true;
	if (!in->begun) {
		if (in->bytes < BINARY_HEADER_BYTES)
			return pyr_ok();
		if (memcmp(in->data, signature, sizeof signature) != 0)
			return fail_format(error, "COPY file signature not recognized");
		at = BINARY_HEADER_BYTES + base_load_u32be(in->data + sizeof signature + 4);
		if (at > PG_COPY_ROW_BYTES_MAX)
			return fail_format(error, "invalid COPY file header");
		if (in->bytes < at)
			return pyr_ok();
		in->begun = true;
	}
	while (!in->ended) {
		struct base_reader reader = base_reader_init(in->data + at, in->bytes - at);
		PYR_TRY(take_tuple(in, &reader, &whole, error));
		if (!whole)
			break;
		at = in->bytes - base_reader_left(&reader);
	}
	*ret_used = in->ended ? in->bytes : at;
	return pyr_ok();
}

/* ---- both ---- */

static bool keep(struct pg_copy_in *in, struct base_bytes bytes)
{
	size_t wanted = in->bytes + bytes.bytes;
	if (wanted > in->capacity) {
		size_t capacity = wanted * 2;
		uint8_t *data = realloc(in->data, capacity);
		if (data)
			in->data = data;
		uint8_t *room = data ? realloc(in->room, capacity) : NULL;
		if (!room)
			return false;
		in->room = room;
		in->capacity = capacity;
	}
	if (bytes.bytes > 0)
		memcpy(in->data + in->bytes, bytes.data, bytes.bytes);
	in->bytes = wanted;
	return true;
}

pyr_result pg_copy_in_take(struct pg_copy_in *in, struct base_bytes bytes, struct query_error *error)
{
	size_t used = 0;
	if (in->ended)
		return pyr_ok();
	if (!keep(in, bytes))
		return query_fail_memory(error);
	PYR_TRY(in->copy.format == QUERY_COPY_BINARY ? take_tuples(in, &used, error) : take_lines(in, &used, error));
	in->bytes -= used;
	if (used > 0 && in->bytes > 0)
		memmove(in->data, in->data + used, in->bytes);
	if (in->bytes > PG_COPY_ROW_BYTES_MAX)
		return query_fail(error, "54000", "a row of COPY has more than %d MiB", PG_COPY_ROW_BYTES_MAX >> 20);
	return pyr_ok();
}

pyr_result pg_copy_in_end(struct pg_copy_in *in, struct query_error *error)
{
	if (in->ended || (in->bytes == 0 && (in->copy.format != QUERY_COPY_BINARY || in->begun)))
		return pyr_ok();
	if (in->copy.format == QUERY_COPY_BINARY)
		return fail_format(error, "unexpected end of COPY data");
	if (in->quoted)
		return fail_format(error, "unterminated CSV quoted field");
	return take_row(in, in->data, in->bytes, error); /* a last line without its end */
}

/* ---- writing ---- */

void pg_copy_write_start(struct base_writer *writer, const struct query_copy *copy)
{
	if (copy->format != QUERY_COPY_BINARY)
		return;
	base_write_bytes(writer, signature, sizeof signature);
	base_write_zeros(writer, 8);
}

static void write_escaped(struct base_writer *writer, char delimiter, struct base_bytes text)
{
	static const char from[] = "\b\f\n\r\t\v", to[] = "bfnrtv";
	for (size_t i = 0; i < text.bytes; i++) {
		uint8_t c = text.data[i];
		const char *found = c ? strchr(from, c) : NULL;
		if (found || c == '\\' || c == (uint8_t)delimiter)
			base_write_u8(writer, '\\');
		base_write_u8(writer, found ? (uint8_t)to[found - from] : c);
	}
}

static bool needs_quotes(const struct query_copy *copy, struct base_bytes text, bool alone)
{
	if (copy->force_quote ||
	    (text.bytes == strlen(copy->null_text) && memcmp(text.data, copy->null_text, text.bytes) == 0) ||
	    (alone && text.bytes == 2 && memcmp(text.data, "\\.", 2) == 0))
		return true;
	for (size_t i = 0; i < text.bytes; i++)
		if (text.data[i] == (uint8_t)copy->delimiter || text.data[i] == (uint8_t)copy->quote ||
		    text.data[i] == '\n' || text.data[i] == '\r')
			return true;
	return false;
}

static void write_quoted(struct base_writer *writer, const struct query_copy *copy, struct base_bytes text)
{
	base_write_u8(writer, (uint8_t)copy->quote);
	for (size_t i = 0; i < text.bytes; i++) {
		if (text.data[i] == (uint8_t)copy->quote || text.data[i] == (uint8_t)copy->escape)
			base_write_u8(writer, (uint8_t)copy->escape);
		base_write_u8(writer, text.data[i]);
	}
	base_write_u8(writer, (uint8_t)copy->quote);
}

void pg_copy_write_field(struct base_writer *writer, const struct query_copy *copy, struct base_bytes text, bool alone)
{
	if (!text.data)
		base_write_bytes(writer, copy->null_text, strlen(copy->null_text));
	else if (copy->format != QUERY_COPY_CSV)
		write_escaped(writer, copy->delimiter, text);
	else if (needs_quotes(copy, text, alone))
		write_quoted(writer, copy, text);
	else
		base_write_bytes(writer, text.data, text.bytes);
}
