/* See arrays.h. Source: PostgreSQL 15's documentation, section 8.15.6. */
#include "query/arrays.h"

#include <stdlib.h>
#include <string.h>

/* As a list has it; JSON has no capitals. */
void query_array_write_null(struct base_writer *writer, enum query_array_kind kind)
{
	base_write_bytes(writer, kind == QUERY_ARRAY_JSONS ? "null" : "NULL", 4);
}

void query_array_write_element(struct base_writer *writer, const uint8_t *text, size_t bytes,
                               enum query_array_kind kind)
{
	if (kind == QUERY_ARRAY_JSONS) {
		base_write_bytes(writer, text, bytes);
		return;
	}
	base_write_u8(writer, '"');
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '"' || text[i] == '\\')
			base_write_u8(writer, '\\');
		base_write_u8(writer, text[i]);
	}
	base_write_u8(writer, '"');
}

/* Behind the element that starts at `at`; its text goes into `room`, as large as the array. */
static size_t read_element(struct base_bytes text, size_t at, uint8_t *room, size_t *ret_bytes, bool *ret_quoted)
{
	size_t used = 0;
	bool quoted = false;
	*ret_quoted = false;
	for (; at < text.bytes; at++) {
		uint8_t c = text.data[at];
		if (!quoted && (c == ',' || c == '}'))
			break;
		if (c == '"') {
			quoted = !quoted;
			*ret_quoted = true;
			continue;
		}
		if (c == '\\' && at + 1 < text.bytes)
			c = text.data[++at];
		room[used++] = c;
	}
	*ret_bytes = used;
	return at;
}

/* PostgreSQL's hexadecimal form; what is none is left for the engine to refuse. */
static void write_bytea(struct base_writer *writer, const uint8_t *text, size_t bytes)
{
	bool hex = bytes >= 2 && bytes % 2 == 0 && text[0] == '\\' && text[1] == 'x';
	base_write_u8(writer, '"');
	for (size_t i = hex ? 2 : 0; i < bytes; i++) {
		base_write_bytes(writer, "\\\\x", hex && i % 2 == 0 ? 3 : 0);
		if (!hex && (text[i] == '"' || text[i] == '\\'))
			base_write_u8(writer, '\\');
		base_write_u8(writer, text[i]);
	}
	base_write_u8(writer, '"');
}

/* A bracket inside the outer ones, and not in quotes. */
static bool has_dimensions(struct base_bytes text)
{
	bool quoted = false;
	for (size_t i = 1; i < text.bytes; i++) {
		if (text.data[i] == '\\')
			i += 1;
		else if (text.data[i] == '"')
			quoted = !quoted;
		else if (text.data[i] == '{' && !quoted)
			return true;
	}
	return false;
}

static void convert(struct base_writer *writer, struct base_bytes text, uint8_t *room, enum query_array_kind kind)
{
	for (size_t i = 0; i < text.bytes;) {
		uint8_t c = text.data[i];
		if (c == '{' || c == '}' || c == ',' || c == ' ') {
			base_write_u8(writer, c == '{' ? '[' : c == '}' ? ']' : c);
			i += 1;
			continue;
		}
		size_t bytes;
		bool quoted;
		i = read_element(text, i, room, &bytes, &quoted);
		if (!quoted && bytes == 4 && strncasecmp((const char *)room, "null", 4) == 0)
			query_array_write_null(writer, kind);
		else if (kind == QUERY_ARRAY_BYTEAS)
			write_bytea(writer, room, bytes);
		else
			query_array_write_element(writer, room, bytes, kind);
	}
}

pyr_result query_array_write(struct base_writer *writer, struct base_bytes text, enum query_array_kind kind)
{
	if (text.bytes < 2 || text.data[0] != '{' || text.data[text.bytes - 1] != '}')
		return pyr_result_of(PYR_INVALID_REQUEST);
	if (has_dimensions(text))
		return pyr_result_of(PYR_NOT_SUPPORTED);
	uint8_t *room = malloc(text.bytes);
	if (!room)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	convert(writer, text, room, kind);
	free(room);
	return pyr_ok();
}
