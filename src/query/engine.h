/* The engine that plans and runs queries: DuckDB, behind this header.
 *
 * Opened at the first query, so that a server nobody queries stays small. It reaches neither files nor extensions.
 * One engine a process; any thread.
 */
#ifndef PYRALOG_QUERY_ENGINE_H
#define PYRALOG_QUERY_ENGINE_H

#include "base/error.h"

#include <stdint.h>

struct query_engine;

struct query_engine_options {
	uint64_t memory_bytes; /* for all queries together */
	const char *spill_folder; /* for what does not fit: borrowed; NULL: nowhere */
	uint64_t spill_bytes; /* there, at most */
	unsigned threads; /* that run queries, besides those of the sessions */
	uint64_t large_bytes; /* a statement that reads more of topics waits for its turn */
	unsigned large_max; /* such statements at once; 0: as many as threads and memory are enough for */
	unsigned tails_max; /* queries over TAIL at once */
};

struct query_engine_options query_engine_options_default(void); /* 1 GiB, nothing on disk, 2 threads, 64 MiB */

/* PYR_UNSUPPORTED_VERSION: the library found is not the one this program was built for. Does not open it yet. */
pyr_result query_engine_new(const struct query_engine_options *options, struct query_engine **ret_engine,
                            struct pyr_error *error);
unsigned query_engine_tails(struct query_engine *engine); /* queries over TAIL that run now; any thread */
void query_engine_free(struct query_engine *engine); /* all sessions must be gone; NULL is fine */

#endif
