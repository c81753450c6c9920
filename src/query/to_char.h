/* to_char, to_date and to_timestamp: values by a template (PostgreSQL 15's documentation, section 9.8). Pure; any thread.
 *
 * Templates of times: YYYY YY MM MON Mon mon MONTH Month month DD DDD D DY Dy dy DAY Day day HH HH12 HH24 MI SS MS US AM PM
 * am pm TZ Q WW IW IYYY J, FM, and text in quotes. Of numbers: 9 0 . , D G FM S MI. Anything else stands for itself.
 */
#ifndef PYRALOG_QUERY_TO_CHAR_H
#define PYRALOG_QUERY_TO_CHAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QUERY_TO_CHAR_MAX = 512 };

/* Microseconds since 1970 UTC. Returns bytes written, at most QUERY_TO_CHAR_MAX - 1; the end is zero. */
size_t query_time_format(int64_t us, const char *format, bool zoned, char room[QUERY_TO_CHAR_MAX]);
size_t query_number_format(double value, const char *format, char room[QUERY_TO_CHAR_MAX]);
/* False: the text does not fit the template. */
bool query_time_read(const char *text, const char *format, int64_t *ret_us);

#endif
