/* UTF-8, and text in JSON (RFC 8259, section 7): for the few places that write some. */
#ifndef PYRALOG_BASE_JSON_TEXT_H
#define PYRALOG_BASE_JSON_TEXT_H

#include "base/cursor.h"

/* Of the UTF-8 character that `text` begins with; 0: it is none. The terminating zero ends every look ahead. */
size_t base_utf8_bytes(const char *text);
/* The text between quotes. Bytes that are no UTF-8 become U+FFFD, one each. */
void base_write_json_text(struct base_writer *writer, const char *text);

#endif
