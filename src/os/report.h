/* What happened, for whoever runs the server: one line an event on standard error, as text or as JSON.
 *
 *   2026-01-31T12:00:00.123Z INFO  server: the node is ready (data=pyralog-data shards=2)
 *   {"time":"...","level":"info","component":"server","thread":"pyralog","message":"the node is ready","data":...}
 *
 * A line is written by one call, so that threads' lines do not mix; a message is cut at a kilobyte. Whoever
 * reports is handed a reporter; NULL is one that drops everything. Any thread.
 */
#ifndef PYRALOG_OS_REPORT_H
#define PYRALOG_OS_REPORT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum os_level { OS_DEBUG, OS_INFO, OS_WARNING, OS_ERROR };

/* A detail by its name. `text` NULL: a number. */
struct os_field {
	const char *name;
	const char *text;
	int64_t number;
};

struct os_reporter;

/* To standard error. NULL: memory is out. */
struct os_reporter *os_reporter_new(bool json, enum os_level least);
void os_reporter_free(struct os_reporter *reporter);
void os_reporter_set_level(struct os_reporter *reporter, enum os_level least);

/* A sentence, without a dot; `component` is a word: "kafka". Fields end with one without a name; NULL: none. */
[[gnu::format(printf, 5, 6)]] void os_report(struct os_reporter *reporter, enum os_level level, const char *component,
                                             const struct os_field *fields, const char *format, ...);

/* "debug", "info", "warning", "error". False: none of these. */
bool os_level_parse(const char *name, enum os_level *ret_level);

#endif
