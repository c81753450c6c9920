/* Scarab IDs in SQL: scarab() takes one of the node's for each row, and the others look into one.
 *
 * pyralog_scarab(handle) is volatile; scarab_time(id), scarab_node(id), scarab_text(id) and scarab_id(text) are pure. Ids are
 * bigints with the same 64 bits. Threads: the engine's, which wait when a promise is made durable.
 */
#include "query/engine_duckdb.h"

#include "coord/scarab.h"

#include <stdio.h>

static bool is_null(duckdb_data_chunk chunk, idx_t row)
{
	uint64_t *validity = duckdb_vector_get_validity(duckdb_data_chunk_get_vector(chunk, 0));
	return validity && !duckdb_validity_row_is_valid(validity, row);
}

static const void *cells_of(duckdb_data_chunk chunk)
{
	return duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
}

static void fail(duckdb_function_info info, const char *sqlstate, const char *text)
{
	char message[PYR_ERROR_TEXT_MAX + 32];
	snprintf(message, sizeof message, QUERY_OWN_ERROR "%s:%s", sqlstate, text);
	duckdb_scalar_function_set_error(info, message);
}

static void take(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector output)
{
	idx_t count = duckdb_data_chunk_get_size(chunk), taken = 0;
	uint64_t *ids = duckdb_vector_get_data(output);
	struct pyr_error error = {0};
	if (count == 0)
		return;
	uint64_t handle = (uint64_t)((const int64_t *)cells_of(chunk))[0];
	struct query_run *run = query_engine_find_run(duckdb_scalar_function_get_extra_info(info), handle);
	if (!run || !run->source->ops->id_take) {
		fail(info, run ? "0A000" : "55000", run ? "there are no ids here" : "this session is gone");
		return;
	}
	while (taken < count) {
		idx_t some = count - taken < QUERY_IDS_MAX ? count - taken : QUERY_IDS_MAX;
		pyr_result result = run->source->ops->id_take(run->source, run->principal, ids + taken, some, &error);
		if (result.code != PYR_OK) {
			fail(info, pyr_code_sqlstate(result.code),
			     error.text[0] ? error.text : pyr_code_text(result.code));
			return;
		}
		taken += some;
	}
}

static void time_of(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector output)
{
	const uint64_t *ids = cells_of(chunk);
	int64_t *times = duckdb_vector_get_data(output);
	(void)info;
	for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++)
		times[row] = is_null(chunk, row) ? 0 : (int64_t)scarab_ms(ids[row]) * 1000;
}

static void node_of(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector output)
{
	const uint64_t *ids = cells_of(chunk);
	int32_t *nodes = duckdb_vector_get_data(output);
	(void)info;
	for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++)
		nodes[row] = is_null(chunk, row) ? 0 : (int32_t)scarab_node(ids[row]);
}

static void text_of(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector output)
{
	const uint64_t *ids = cells_of(chunk);
	char text[SCARAB_TEXT_BYTES];
	(void)info;
	for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
		if (is_null(chunk, row))
			continue;
		scarab_write(ids[row], text);
		duckdb_vector_assign_string_element_len(output, row, text, sizeof text);
	}
}

static void id_of(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector output)
{
	duckdb_string_t *texts = (duckdb_string_t *)(uintptr_t)cells_of(chunk);
	uint64_t *ids = duckdb_vector_get_data(output);
	struct pyr_error error;
	for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
		ids[row] = 0;
		if (is_null(chunk, row))
			continue;
		struct base_bytes text = {(const uint8_t *)duckdb_string_t_data(&texts[row]),
		                          duckdb_string_t_length(texts[row])};
		if (scarab_parse(text, &ids[row], &error).code == PYR_OK)
			continue;
		fail(info, "22P02", error.text);
		return;
	}
}

static const struct function {
	const char *name;
	duckdb_type argument, result;
	duckdb_scalar_function_t body;
	bool is_volatile;
} functions[] = {
	{"pyralog_scarab", DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_BIGINT, take, true},
	{"scarab_time", DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_TIMESTAMP_TZ, time_of, false},
	{"scarab_node", DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_INTEGER, node_of, false},
	{"scarab_text", DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_VARCHAR, text_of, false},
	{"scarab_id", DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_BIGINT, id_of, false},
};

static bool add(struct query_engine *engine, duckdb_connection connection, const struct function *row)
{
	duckdb_scalar_function function = duckdb_create_scalar_function();
	duckdb_logical_type argument = duckdb_create_logical_type(row->argument);
	duckdb_logical_type result = duckdb_create_logical_type(row->result);
	duckdb_scalar_function_set_name(function, row->name);
	duckdb_scalar_function_add_parameter(function, argument);
	duckdb_scalar_function_set_return_type(function, result);
	duckdb_scalar_function_set_extra_info(function, engine, NULL);
	duckdb_scalar_function_set_function(function, row->body);
	if (row->is_volatile)
		duckdb_scalar_function_set_volatile(function);
	bool good = duckdb_register_scalar_function(connection, function) == DuckDBSuccess;
	duckdb_destroy_logical_type(&argument);
	duckdb_destroy_logical_type(&result);
	duckdb_destroy_scalar_function(&function);
	return good;
}

bool query_engine_register_scarab(struct query_engine *engine, duckdb_connection connection)
{
	bool good = true;
	for (size_t i = 0; good && i < sizeof functions / sizeof *functions; i++)
		good = add(engine, connection, &functions[i]);
	return good;
}
