/* Shared by the files that know DuckDB's C API: nobody else includes its header. */
#ifndef PYRALOG_QUERY_ENGINE_DUCKDB_H
#define PYRALOG_QUERY_ENGINE_DUCKDB_H

#include "query/engine_priv.h"

#include <duckdb.h>

struct query_engine {
	struct query_engine_options options;
	struct os_mutex lock; /* of everything below */
	bool is_open;
	duckdb_database database;
	struct base_table runs; /* of struct query_run, by handle */
	uint64_t next_handle;
};

/* engine_scan.c: registers pyralog_scan and pyralog_topics on the engine's first connection. */
bool query_engine_register_functions(struct query_engine *engine, duckdb_connection connection);
/* The run of that handle, or NULL. */
struct query_run *query_engine_find_run(struct query_engine *engine, uint64_t handle);

/* Starts an error of our own functions, before a SQLSTATE, a colon and a sentence. */
#define QUERY_OWN_ERROR "pyralog:"

/* engine_error.c: the engine's message as a SQLSTATE and a sentence. */
pyr_result query_fail_engine(struct query_error *error, const char *message);

#endif
