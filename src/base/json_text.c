/* Escaping for JSON (see json_text.h). UTF-8 as in RFC 3629: no longer form than needed, no surrogates, up to U+10FFFF. */
#include "base/json_text.h"

#include <stdio.h>

size_t base_utf8_bytes(const char *at)
{
	const unsigned char *text = (const unsigned char *)at;
	size_t bytes = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	if (text[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < bytes; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
	bool beyond = (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf4 && text[1] > 0x8f);
	return overlong || beyond ? 0 : bytes;
}

void base_write_json_text(struct base_writer *writer, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	char escape[8];
	base_write_u8(writer, '"');
	while (*at) {
		size_t bytes = base_utf8_bytes((const char *)at);
		if (bytes == 0) {
			base_write_bytes(writer, "\\ufffd", 6);
		} else if (*at < ' ') {
			snprintf(escape, sizeof escape, "\\u%04x", *at);
			base_write_bytes(writer, escape, 6);
		} else {
			if (*at == '"' || *at == '\\')
				base_write_u8(writer, '\\');
			base_write_bytes(writer, at, bytes);
		}
		at += bytes ? bytes : 1;
	}
	base_write_u8(writer, '"');
}
