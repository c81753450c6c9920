/* The error table, turned into look-ups. Pure; any thread. */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

struct error_row {
	const char *name;
	int kafka;
	const char *sqlstate;
	bool retryable;
	const char *text;
};

#define X(code, kafka, sqlstate, retryable, text) [code] = {#code, kafka, sqlstate, retryable, text},
static const struct error_row error_rows[] = {PYR_ERRORS(X)};
#undef X

static const struct error_row *row_of(enum pyr_code code)
{
	assert((unsigned)code < PYR_CODE_COUNT);
	return &error_rows[code];
}

const char *pyr_code_name(enum pyr_code code)
{
	return row_of(code)->name;
}

const char *pyr_code_text(enum pyr_code code)
{
	return row_of(code)->text;
}

int pyr_code_kafka(enum pyr_code code)
{
	return row_of(code)->kafka;
}

const char *pyr_code_sqlstate(enum pyr_code code)
{
	return row_of(code)->sqlstate;
}

bool pyr_code_retryable(enum pyr_code code)
{
	return row_of(code)->retryable;
}

pyr_result pyr_fail(struct pyr_error *error, enum pyr_code code, const char *format, ...)
{
	assert(code != PYR_OK);
	if (error) {
		va_list arguments;
		error->code = code;
		va_start(arguments, format);
		vsnprintf(error->text, sizeof error->text, format, arguments);
		va_end(arguments);
	}
	return pyr_result_of(code);
}
