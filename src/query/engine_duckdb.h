/* Shared by the files that know DuckDB's C API: nobody else includes its header. */
#ifndef PYRALOG_QUERY_ENGINE_DUCKDB_H
#define PYRALOG_QUERY_ENGINE_DUCKDB_H

#include "query/engine_priv.h"

#include <duckdb.h>

struct query_engine {
	struct query_engine_options options;
	struct query_admission *admission;
	struct os_mutex lock; /* of everything below */
	bool is_open;
	duckdb_database database;
	struct base_table runs; /* of struct query_run, by handle */
	uint64_t next_handle;
	unsigned tails; /* queries over TAIL */
};

struct query_prepared {
	const struct query_run *run;
	duckdb_prepared_statement duckdb;
	int numeric_scale; /* of numerics without one in it */
};

/* engine_setup.c: run when the engine is opened, before it is sealed off. */
extern const char *const query_engine_setup[];
extern const size_t query_engine_setup_count;

/* engine_topics.c: pyralog_topics, pyralog_columns. engine_misfits.c: pyralog_errors. */
bool query_engine_register_topics(struct query_engine *engine, duckdb_connection connection);
bool query_engine_register_errors(struct query_engine *engine, duckdb_connection connection);

/* engine_progress.c: pyralog_queries. */
bool query_engine_register_progress(struct query_engine *engine, duckdb_connection connection);

/* engine_scan.c: registers pyralog_scan, and all the others, on the engine's first connection. */
bool query_engine_register_functions(struct query_engine *engine, duckdb_connection connection);
/* The run of that handle, or NULL. */
struct query_run *query_engine_find_run(struct query_engine *engine, uint64_t handle);

/* engine_settings.c: pyralog_setting, pyralog_set_setting, pyralog_user, pyralog_settings. */
bool query_engine_register_settings(struct query_engine *engine, duckdb_connection connection);

/* engine_groups.c, engine_metrics.c, engine_coord.c: see engine_listing.h. */
struct query_listing;
extern const struct query_listing query_listing_groups, query_listing_metrics, query_listing_slots,
	query_listing_sessions, query_listing_locks;

/* engine_avg.c: pyralog_avg. */
bool query_engine_register_avg(duckdb_connection connection);

/* engine_to_char.c: pyralog_time_text, pyralog_number_text, pyralog_time_value. */
bool query_engine_register_to_char(duckdb_connection connection);

/* engine_scarab.c: pyralog_scarab, scarab_time, scarab_node, scarab_text, scarab_id. */
bool query_engine_register_scarab(struct query_engine *engine, duckdb_connection connection);

/* Ends a table function's statement. */
void query_set_function_error(duckdb_function_info info, enum pyr_code code, const char *text);

/* Starts an error of our own functions, before a SQLSTATE, a colon and a sentence. */
#define QUERY_OWN_ERROR "pyralog:"

/* engine_error.c: the engine's message as a SQLSTATE and a sentence. */
pyr_result query_fail_engine(struct query_error *error, const char *message);

#endif
