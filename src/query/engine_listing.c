/* Table functions over lists of the source (see engine_listing.h). Threads: the engine's; one reads a list. */
#include "query/engine_listing.h"

#include <stdlib.h>

/* What a function is registered with: freed with it. */
struct registered {
	struct query_engine *engine;
	const struct query_listing *listing;
};

struct listing_state {
	const struct query_listing *listing;
	void *rows;
	size_t count;
	size_t next;
};

static void listing_bind(duckdb_bind_info info)
{
	const struct registered *registered = duckdb_bind_get_extra_info(info);
	duckdb_value value = duckdb_bind_get_parameter(info, 0);
	uint64_t *handle = malloc(sizeof *handle);
	if (handle)
		*handle = duckdb_get_uint64(value);
	duckdb_destroy_value(&value);
	if (!handle) {
		duckdb_bind_set_error(info, QUERY_OWN_ERROR "53200:out of memory");
		return;
	}
	duckdb_bind_set_bind_data(info, handle, free);
	for (size_t i = 0; i < registered->listing->column_count; i++) {
		duckdb_logical_type type = duckdb_create_logical_type(registered->listing->columns[i].type);
		duckdb_bind_add_result_column(info, registered->listing->columns[i].name, type);
		duckdb_destroy_logical_type(&type);
	}
}

static void listing_free(void *data)
{
	struct listing_state *state = data;
	free(state->rows);
	free(state);
}

static void listing_init(duckdb_init_info info)
{
	const struct registered *registered = duckdb_init_get_extra_info(info);
	const uint64_t *handle = duckdb_init_get_bind_data(info);
	struct query_run *run = query_engine_find_run(registered->engine, *handle);
	struct listing_state *state = run ? calloc(1, sizeof *state) : NULL;
	struct pyr_error error = {0};
	if (!state) {
		duckdb_init_set_error(info, QUERY_OWN_ERROR "53200:out of memory");
		return;
	}
	state->listing = registered->listing;
	duckdb_init_set_init_data(info, state, listing_free);
	duckdb_init_set_max_threads(info, 1);
	if (registered->listing->load(run, &state->rows, &state->count, &error).code != PYR_OK)
		duckdb_init_set_error(info, error.text);
}

static void listing_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
	struct listing_state *state = duckdb_function_get_init_data(info);
	idx_t at = 0, most = duckdb_vector_size();
	for (; at < most && state->next < state->count; at++, state->next++)
		state->listing->fill(chunk, at, (const char *)state->rows + state->next * state->listing->row_bytes);
	duckdb_data_chunk_set_size(chunk, at);
}

bool query_engine_register_listing(struct query_engine *engine, duckdb_connection connection,
                                   const struct query_listing *listing)
{
	struct registered *registered = malloc(sizeof *registered);
	if (!registered)
		return false;
	*registered = (struct registered){engine, listing};
	duckdb_table_function function = duckdb_create_table_function();
	duckdb_logical_type type = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
	duckdb_table_function_set_name(function, listing->function);
	duckdb_table_function_add_parameter(function, type);
	duckdb_destroy_logical_type(&type);
	duckdb_table_function_set_extra_info(function, registered, free);
	duckdb_table_function_set_bind(function, listing_bind);
	duckdb_table_function_set_init(function, listing_init);
	duckdb_table_function_set_function(function, listing_rows);
	bool good = duckdb_register_table_function(connection, function) == DuckDBSuccess;
	duckdb_destroy_table_function(&function);
	return good;
}

void query_listing_set_number(duckdb_data_chunk chunk, idx_t column, idx_t at, int64_t value)
{
	duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
	((int64_t *)duckdb_vector_get_data(vector))[at] = value;
	if (value >= 0)
		return;
	duckdb_vector_ensure_validity_writable(vector);
	duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), at);
}

void query_listing_set_text(duckdb_data_chunk chunk, idx_t column, idx_t at, const char *text)
{
	duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
	if (text[0]) {
		duckdb_vector_assign_string_element(vector, at, text);
		return;
	}
	duckdb_vector_ensure_validity_writable(vector);
	duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), at);
}
