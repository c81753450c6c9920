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

pyr_result query_fail(struct query_error *error, const char *sqlstate, const char *format, ...)
{
	va_list arguments;
	assert(strlen(sqlstate) == QUERY_SQLSTATE_BYTES && format);
	*error = (struct query_error){0};
	memcpy(error->sqlstate, sqlstate, QUERY_SQLSTATE_BYTES);
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
