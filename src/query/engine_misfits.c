/* The table function behind topic$errors: pyralog_errors(topic, scan, handle, fields) gives a row for each value that does
 * not fit its declared column, and one without a column for each record whose value is no JSON.
 *
 * Threads: the engine's; one reads each scan, as rows that are wrong are few.
 */
#include "query/engine_fields.h"
#include "query/text.h"

#include <stdlib.h>
#include <string.h>

enum { SCRATCH_BYTES_MAX = 64 << 20 };

struct errors_bind {
	uint64_t slot, handle;
	struct query_fields fields;
};

struct errors_state {
	struct query_run *run;
	const struct column_scan *scan;
	struct column_reader *reader;
	size_t unit, unit_count;
	bool in_unit;
	struct query_field_set fields;
	struct column_json found[COLUMN_JSON_PATHS_MAX];
	struct base_writer scratch;
	size_t row, field; /* the next cell that is looked at */
	struct column_rows rows;
};

static uint64_t number_parameter(duckdb_bind_info info, idx_t i)
{
	duckdb_value value = duckdb_bind_get_parameter(info, i);
	uint64_t number = duckdb_get_uint64(value);
	duckdb_destroy_value(&value);
	return number;
}

static void bind_free(void *data)
{
	struct errors_bind *bind = data;
	query_fields_deinit(&bind->fields);
	free(bind);
}

static void errors_bind(duckdb_bind_info info)
{
	static const struct {
		const char *name;
		duckdb_type type;
	} shown[] = {{"partition", DUCKDB_TYPE_INTEGER},
	             {"offset", DUCKDB_TYPE_BIGINT},
	             {"column", DUCKDB_TYPE_VARCHAR},
	             {"value", DUCKDB_TYPE_VARCHAR},
	             {"reason", DUCKDB_TYPE_VARCHAR}};
	struct errors_bind *bind = calloc(1, sizeof *bind);
	if (!bind) {
		duckdb_bind_set_error(info, QUERY_OWN_ERROR "53200:out of memory");
		return;
	}
	bind->slot = number_parameter(info, 1);
	bind->handle = number_parameter(info, 2);
	duckdb_bind_set_bind_data(info, bind, bind_free);
	if (!query_bind_fields(info, 3, &bind->fields))
		return;
	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
		duckdb_logical_type type = duckdb_create_logical_type(shown[i].type);
		duckdb_bind_add_result_column(info, shown[i].name, type);
		duckdb_destroy_logical_type(&type);
	}
}

static void state_free(void *data)
{
	struct errors_state *state = data;
	column_reader_free(state->reader);
	query_field_set_deinit(&state->fields);
	base_writer_deinit(&state->scratch);
	free(state);
}

static void errors_init(duckdb_init_info info)
{
	const struct errors_bind *bind = duckdb_init_get_bind_data(info);
	struct query_run *run = query_engine_find_run(duckdb_init_get_extra_info(info), bind->handle);
	bool runs = run && run->scans && bind->slot < run->scan_count;
	struct errors_state *state = runs ? calloc(1, sizeof *state) : NULL;
	struct pyr_error error = {0};
	if (!state) {
		duckdb_init_set_error(info, QUERY_OWN_ERROR "55000:this scan belongs to no statement that runs");
		return;
	}
	state->run = run;
	state->scan = run->scans[bind->slot].scan;
	state->unit_count = column_scan_unit_count(state->scan);
	base_writer_init(&state->scratch, SCRATCH_BYTES_MAX);
	for (size_t i = 0; i < bind->fields.count; i++)
		state->fields.columns[state->fields.count++] = bind->fields.list[i];
	duckdb_init_set_init_data(info, state, state_free);
	duckdb_init_set_max_threads(info, 1);
	if (query_field_set_init(&state->fields, &error).code != PYR_OK)
		duckdb_init_set_error(info, error.text);
}

/* ---- rows ---- */

static pyr_result next_rows(struct errors_state *state, struct pyr_error *error)
{
	state->rows.count = state->row = state->field = 0;
	if (!state->reader)
		PYR_TRY(column_reader_new(state->scan, COLUMN_OFFSET | COLUMN_PARTITION | COLUMN_VALUE,
		                          &state->reader));
	while (state->in_unit || state->unit < state->unit_count) {
		if (atomic_load_explicit(&state->run->cancelled, memory_order_relaxed))
			return pyr_fail(error, PYR_TIMED_OUT, "canceling statement due to user request");
		if (!state->in_unit)
			PYR_TRY(column_reader_seek(state->reader, state->unit++, error));
		state->in_unit = true;
		PYR_TRY(column_reader_next(state->reader, &state->rows, error));
		if (state->rows.count > 0)
			return pyr_ok();
		state->in_unit = false;
	}
	return pyr_ok();
}

static void assign(struct errors_state *state, duckdb_vector vector, size_t row, struct base_bytes text)
{
	if (query_text_is_valid(text.data, text.bytes)) {
		duckdb_vector_assign_string_element_len(vector, row, (const char *)text.data, text.bytes);
		return;
	}
	state->scratch.bytes = 0;
	query_text_write_hex(&state->scratch, text.data, text.bytes);
	if (!state->scratch.failed)
		duckdb_vector_assign_string_element_len(vector, row, (const char *)state->scratch.buffer->data,
		                                        state->scratch.bytes);
}

/* column NULL: of the whole record. */
static void add_row(struct errors_state *state, duckdb_data_chunk chunk, size_t row, const char *column,
                    struct base_bytes value, enum column_fit fit)
{
	duckdb_vector columns = duckdb_data_chunk_get_vector(chunk, 2);
	((int32_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0)))[row] =
		state->rows.partition[state->row];
	((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1)))[row] =
		state->rows.offset[state->row];
	duckdb_vector_ensure_validity_writable(columns);
	if (column)
		duckdb_vector_assign_string_element(columns, row, column);
	else
		duckdb_validity_set_row_invalid(duckdb_vector_get_validity(columns), row);
	assign(state, duckdb_data_chunk_get_vector(chunk, 3), row, value);
	duckdb_vector_assign_string_element(duckdb_data_chunk_get_vector(chunk, 4), row, column_fit_reason(fit));
}

/* What is wrong with the record at hand, from its next field on; true: a row was added. */
static bool look_at_record(struct errors_state *state, duckdb_data_chunk chunk, size_t row)
{
	const struct query_field_set *set = &state->fields;
	struct base_bytes value = state->rows.value[state->row];
	if (set->count == 0 || !value.data)
		return false;
	if (state->field == 0 && !column_json_find(set->paths, value, state->found)) {
		state->field = set->count;
		add_row(state, chunk, row, NULL, value, COLUMN_FIT_NOT_JSON);
		return true;
	}
	while (state->field < set->count) {
		size_t i = state->field++;
		union column_field_value converted;
		enum column_fit fit =
			query_field_convert(&set->columns[i], &state->found[i], &state->scratch, &converted);
		if (fit > COLUMN_FIT_NULL) {
			add_row(state, chunk, row, set->columns[i].name, state->found[i].text, fit);
			return true;
		}
	}
	return false;
}

static void errors_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
	struct errors_state *state = duckdb_function_get_init_data(info);
	size_t count = 0, most = duckdb_vector_size();
	struct pyr_error error = {0};
	while (count < most) {
		if (state->row == state->rows.count) {
			/* What was found so far points into nothing of these rows: its text was copied. */
			pyr_result result = next_rows(state, &error);
			if (result.code != PYR_OK) {
				query_set_function_error(info, result.code, error.text);
				return;
			}
			if (state->rows.count == 0)
				break;
		}
		if (look_at_record(state, chunk, count)) {
			count += 1;
			continue;
		}
		state->row += 1;
		state->field = 0;
	}
	duckdb_data_chunk_set_size(chunk, count);
}

bool query_engine_register_errors(struct query_engine *engine, duckdb_connection connection)
{
	static const duckdb_type parameters[] = {DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_BIGINT,
	                                         DUCKDB_TYPE_VARCHAR};
	duckdb_table_function function = duckdb_create_table_function();
	duckdb_table_function_set_name(function, "pyralog_errors");
	for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
		duckdb_logical_type type = duckdb_create_logical_type(parameters[i]);
		duckdb_table_function_add_parameter(function, type);
		duckdb_destroy_logical_type(&type);
	}
	duckdb_table_function_set_extra_info(function, engine, NULL);
	duckdb_table_function_set_bind(function, errors_bind);
	duckdb_table_function_set_init(function, errors_init);
	duckdb_table_function_set_function(function, errors_rows);
	bool good = duckdb_register_table_function(connection, function) == DuckDBSuccess;
	duckdb_destroy_table_function(&function);
	return good;
}
