/* A table function over a list that the source gives when the statement begins: pyralog.consumer_groups, pyralog.metrics. */
#ifndef PYRALOG_QUERY_ENGINE_LISTING_H
#define PYRALOG_QUERY_ENGINE_LISTING_H

#include "query/engine_duckdb.h"

struct query_listing_column {
	const char *name;
	duckdb_type type; /* VARCHAR or BIGINT */
};

/* Static: DuckDB keeps a pointer to it. */
struct query_listing {
	const char *function; /* its name; it takes the run's handle */
	const struct query_listing_column *columns;
	size_t column_count;
	size_t row_bytes;
	/* All rows, for free(). */
	pyr_result (*load)(const struct query_run *run, void **ret_rows, size_t *ret_count, struct pyr_error *error);
	void (*fill)(duckdb_data_chunk chunk, idx_t at, const void *row);
};

bool query_engine_register_listing(struct query_engine *engine, duckdb_connection connection,
                                   const struct query_listing *listing);

/* For `fill`. A number below 0 and an empty text are null. */
void query_listing_set_number(duckdb_data_chunk chunk, idx_t column, idx_t at, int64_t value);
void query_listing_set_text(duckdb_data_chunk chunk, idx_t column, idx_t at, const char *text);

#endif
