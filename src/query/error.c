/* Building SQL errors. Pure; any thread. */
#include "query/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A message cut in the middle of a character would not be UTF-8 any more. */
static void end_on_character(char *text, size_t room)
{
	size_t bytes = strlen(text);
	if (bytes + 1 < room)
		return;
	while (bytes > 0 && ((unsigned char)text[bytes - 1] & 0xc0) == 0x80)
		bytes -= 1;
	if (bytes > 0 && (unsigned char)text[bytes - 1] >= 0xc0)
		bytes -= 1;
	text[bytes] = 0;
}

/* Limits, and what can be done about them. */
static const char *hint_of(const char *sqlstate)
{
	static const struct {
		const char *sqlstate, *hint;
	} rows[] = {
		{"53200", "Read less at once: bound \"offset\", partition or timestamp; or raise the server's "
	                  "--sql-memory-mib and "
	                  "--sql-spill-mib."},
		{"53300", "Close connections or end statements that are not needed any more, and try again."},
		{"53400", "Close portals and statements that are not needed any more, or use another connection."},
		{"54000", "Split the statement; docs/SQL.md lists the limits."},
		{"54001", "Simplify or split the statement; docs/SQL.md lists the limits."},
		{"54011", "Name fewer columns; docs/SQL.md lists the limits."},
		{"0A000", "docs/SQL.md tells what is there."},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strcmp(rows[i].sqlstate, sqlstate) == 0)
			return rows[i].hint;
	return "";
}

pyr_result query_fail(struct query_error *error, const char *sqlstate, const char *format, ...)
{
	va_list arguments;
	assert(strlen(sqlstate) == QUERY_SQLSTATE_BYTES && format);
	*error = (struct query_error){0};
	memcpy(error->sqlstate, sqlstate, QUERY_SQLSTATE_BYTES);
	snprintf(error->hint, sizeof error->hint, "%s", hint_of(sqlstate));
	va_start(arguments, format);
	vsnprintf(error->message, sizeof error->message, format, arguments);
	va_end(arguments);
	end_on_character(error->message, sizeof error->message);
	return pyr_result_of(PYR_USAGE);
}

pyr_result query_fail_memory(struct query_error *error)
{
	pyr_ignore(query_fail(error, "53200", "out of memory: raise the server's memory or ask for less"));
	return pyr_result_of(PYR_OUT_OF_MEMORY);
}

pyr_result query_fail_below(struct query_error *error, const struct pyr_error *below)
{
	assert(below->code != PYR_OK);
	pyr_ignore(query_fail(error, pyr_code_sqlstate(below->code), "%s",
	                      below->text[0] ? below->text : pyr_code_text(below->code)));
	return pyr_result_of(below->code);
}
