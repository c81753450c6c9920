/* An SQL error as a client of PostgreSQL expects it. Owned by the caller, written on failure only. */
#ifndef PYRALOG_QUERY_ERROR_H
#define PYRALOG_QUERY_ERROR_H

#include "base/error.h"

#include <stddef.h>

enum { QUERY_MESSAGE_MAX = 1024, QUERY_HINT_MAX = 256, QUERY_SQLSTATE_BYTES = 5 };

struct query_error {
	char sqlstate[QUERY_SQLSTATE_BYTES + 1];
	char message[QUERY_MESSAGE_MAX];
	char hint[QUERY_HINT_MAX]; /* "" when there is none */
	int position; /* in characters of the statement's text, from 1; 0: nowhere */
};

/* Fills `error` with a SQLSTATE (PostgreSQL 15, appendix A) and a printf sentence; gives PYR_USAGE, or PYR_INTERNAL for
 * the classes that are not the client's doing. */
[[gnu::format(printf, 3, 4)]] pyr_result query_fail(struct query_error *error, const char *sqlstate, const char *format,
                                                    ...);
pyr_result query_fail_memory(struct query_error *error);
/* From the layers below. */
pyr_result query_fail_below(struct query_error *error, const struct pyr_error *below);

#endif
