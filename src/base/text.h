/* Reading small things out of text. */
#ifndef PYRALOG_BASE_TEXT_H
#define PYRALOG_BASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/* The 16 hexadecimal digits, in lower case, that `text` begins with, as our file names do. False: it does not. */
static inline bool base_text_hex64(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;
	for (int i = 0; i < 16; i++) {
		char c = text[i];
		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
		value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*ret_value = value;
	return true;
}

#endif
