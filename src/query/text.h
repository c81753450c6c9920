/* Bytes that may be shown as text. Pure; any thread. */
#ifndef PYRALOG_QUERY_TEXT_H
#define PYRALOG_QUERY_TEXT_H

#include "base/cursor.h"

/* UTF-8 without a zero byte, which PostgreSQL's text can't hold. */
bool query_text_is_valid(const void *data, size_t bytes);
/* \x and two hexadecimal digits a byte, as PostgreSQL writes bytea. */
void query_text_write_hex(struct base_writer *writer, const void *data, size_t bytes);
/* A JSON string in quotes; bytes that are not text go as \x hex. */
void query_text_write_json(struct base_writer *writer, struct base_bytes bytes);

#endif
