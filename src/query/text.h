/* What records hold, as SQL shows it. Pure; any thread. */
#ifndef PYRALOG_QUERY_TEXT_H
#define PYRALOG_QUERY_TEXT_H

#include "base/cursor.h"

/* UTF-8 without a zero byte, which PostgreSQL's text can't hold. */
bool query_text_is_valid(const void *data, size_t bytes);
/* \x and two hexadecimal digits a byte, as PostgreSQL writes bytea. */
void query_text_write_hex(struct base_writer *writer, const void *data, size_t bytes);
/* A JSON string in quotes; bytes that are not text go as \x hex. */
void query_text_write_json(struct base_writer *writer, struct base_bytes bytes);
/* A record's headers as a JSON object; one that comes twice is in it twice. */
void query_text_write_headers(struct base_writer *writer, struct base_bytes headers, uint32_t count);

/* A record without a time stamp has -1; one beyond what the engine can count in microseconds is shown as none too. */
static inline bool query_timestamp_is_shown(int64_t timestamp_ms)
{
	return timestamp_ms >= 0 && timestamp_ms <= INT64_MAX / 1000 - 1;
}

#endif
