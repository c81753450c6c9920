/* Text or bytes. The check runs over every key and value that a query shows: eight bytes at a time while they are ASCII.
 */
#include "query/text.h"

#include "codec/batch.h"

#include <stdio.h>
#include <string.h>

/* Eight bytes, none of them zero or above 0x7f. */
static bool is_plain(const uint8_t *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof word);
	return ((word | (word - 0x0101010101010101u)) & 0x8080808080808080u) == 0;
}

/* Bytes of the character at `at`, 0 when it is none (RFC 3629, section 4). */
static size_t character_bytes(const uint8_t *at, size_t left)
{
	uint8_t c = at[0];
	if (c < 0x80)
		return c != 0;
	size_t bytes = c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
	if (bytes == 0 || bytes > left)
		return 0;
	for (size_t i = 1; i < bytes; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && at[1] < 0xa0) || (c == 0xed && at[1] > 0x9f) || (c == 0xf0 && at[1] < 0x90) ||
	    (c == 0xf4 && at[1] > 0x8f))
		return 0;
	return bytes;
}

bool query_text_is_valid(const void *data, size_t bytes)
{
	const uint8_t *at = data;
	for (size_t i = 0; i < bytes;) {
		if (bytes - i >= 8 && is_plain(at + i)) {
			i += 8;
			continue;
		}
		size_t step = character_bytes(at + i, bytes - i);
		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

void query_text_write_hex(struct base_writer *writer, const void *data, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *at = data;
	base_write_bytes(writer, "\\x", 2);
	for (size_t i = 0; i < bytes; i++) {
		base_write_u8(writer, (uint8_t)digits[at[i] >> 4]);
		base_write_u8(writer, (uint8_t)digits[at[i] & 15]);
	}
}

static void write_json_character(struct base_writer *writer, uint8_t c)
{
	char escaped[8];
	if (c == '"' || c == '\\') {
		base_write_u8(writer, '\\');
		base_write_u8(writer, c);
	} else if (c < 0x20) {
		snprintf(escaped, sizeof escaped, "\\u%04x", c);
		base_write_bytes(writer, escaped, 6);
	} else {
		base_write_u8(writer, c);
	}
}

void query_text_write_json(struct base_writer *writer, struct base_bytes bytes)
{
	base_write_u8(writer, '"');
	if (query_text_is_valid(bytes.data, bytes.bytes)) {
		for (size_t i = 0; i < bytes.bytes; i++)
			write_json_character(writer, bytes.data[i]);
	} else {
		base_write_u8(writer, '\\'); /* the backslash of \x, escaped */
		query_text_write_hex(writer, bytes.data, bytes.bytes);
	}
	base_write_u8(writer, '"');
}

void query_text_write_headers(struct base_writer *writer, struct base_bytes headers, uint32_t count)
{
	struct base_reader reader = base_reader_init(headers.data, headers.bytes);
	struct codec_header header;
	base_write_u8(writer, '{');
	for (uint32_t i = 0; i < count && codec_header_next(&reader, &header); i++) {
		base_write_bytes(writer, ", ", i > 0 ? 2 : 0);
		query_text_write_json(writer, header.key);
		base_write_bytes(writer, ": ", 2);
		if (header.value.data)
			query_text_write_json(writer, header.value);
		else
			base_write_bytes(writer, "null", 4);
	}
	base_write_u8(writer, '}');
}
