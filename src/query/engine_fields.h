/* Declared columns in the engine's vectors; shared by the table functions that read topics. */
#ifndef PYRALOG_QUERY_ENGINE_FIELDS_H
#define PYRALOG_QUERY_ENGINE_FIELDS_H

#include "query/engine_duckdb.h"
#include "query/fields.h"

/* The columns a scan reads, with the paths of their fields. */
struct query_field_set {
	struct column_json_paths *paths; /* NULL: none are read */
	struct query_field_column columns[COLUMN_JSON_PATHS_MAX]; /* names and paths are borrowed */
	size_t vectors[COLUMN_JSON_PATHS_MAX]; /* of the chunk, which each goes into */
	size_t count;
};

/* The columns in a literal that a table function was given; false: the error is set. */
bool query_bind_fields(duckdb_bind_info info, idx_t parameter, struct query_fields *ret_fields);
duckdb_logical_type query_field_engine_type(const struct query_field_column *column); /* for the caller to destroy */
pyr_result query_field_set_init(struct query_field_set *set, struct pyr_error *error); /* its columns are there */
void query_field_set_deinit(struct query_field_set *set);
/* Fills the set's vectors for these values; *misfits is raised by what does not fit. False: memory is out. */
bool query_field_set_fill(const struct query_field_set *set, const struct base_bytes *values, size_t count,
                          struct base_writer *scratch, duckdb_data_chunk chunk, uint64_t *misfits);

#endif
