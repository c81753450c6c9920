/* The table function pyralog_scan, which reads a topic's scan.
 *
 * pyralog_scan(topic, scan, handle, bytes, fields): binding tells the columns, the declared ones (fields.h) behind the
 * others; starting takes scan number `scan` of the run that `handle` names, which its session opened just before; the
 * engine's threads then read units side by side, each with a reader of its own. Only the columns asked for are decoded. Columns are numbered; `offset` is 0 because count(*) asks
 * for column 0. Threads: the engine's and the session's; a run's scans do not change while its statement runs.
 */
#include "query/engine_fields.h"
#include "query/engine_listing.h"

#include "codec/batch.h"
#include "query/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_COLUMNS = 6, ALL_COLUMNS = 8, HEADERS_TEXT_MAX = 64 << 20 };

static const struct {
	const char *name;
	duckdb_type type;
	enum column_set needs;
} columns[ALL_COLUMNS] = {
	{"offset", DUCKDB_TYPE_BIGINT, COLUMN_OFFSET},
	{"partition", DUCKDB_TYPE_INTEGER, COLUMN_PARTITION},
	{"timestamp", DUCKDB_TYPE_TIMESTAMP_TZ, COLUMN_TIMESTAMP},
	{"key", DUCKDB_TYPE_VARCHAR, COLUMN_KEY},
	{"value", DUCKDB_TYPE_VARCHAR, COLUMN_VALUE},
	{"headers", DUCKDB_TYPE_VARCHAR, COLUMN_HEADERS},
	{"key_bytes", DUCKDB_TYPE_BLOB, COLUMN_KEY},
	{"value_bytes", DUCKDB_TYPE_BLOB, COLUMN_VALUE},
};

struct scan_bind {
	uint64_t slot;
	uint64_t handle;
	size_t own_columns; /* the declared ones follow */
	struct query_fields fields;
};

/* One execution: shared by the threads that read it. */
struct scan_state {
	struct query_run *run;
	struct column_scan *scan;
	size_t unit_count;
	atomic_size_t next_unit;
	size_t column_count;
	struct {
		uint8_t column;
		size_t vector; /* of the chunk */
	} wanted[ALL_COLUMNS];
	struct query_field_set fields;
	unsigned set; /* of enum column_set */
};

/* One thread's part of it. */
struct scan_local {
	struct column_reader *reader;
	bool in_unit;
	struct base_writer text; /* scratch */
	struct base_writer field; /* scratch of declared columns */
	struct column_rows rows;
};

void query_set_function_error(duckdb_function_info info, enum pyr_code code, const char *text)
{
	char message[PYR_ERROR_TEXT_MAX + 32];
	snprintf(message, sizeof message, QUERY_OWN_ERROR "%s:%s", pyr_code_sqlstate(code),
	         text[0] ? text : pyr_code_text(code));
	duckdb_function_set_error(info, message);
}

/* ---- binding ---- */

static uint64_t number_parameter(duckdb_bind_info info, idx_t i)
{
	duckdb_value value = duckdb_bind_get_parameter(info, i);
	uint64_t number = duckdb_get_uint64(value);
	duckdb_destroy_value(&value);
	return number;
}

static void add_column(duckdb_bind_info info, const char *name, duckdb_type id)
{
	duckdb_logical_type type = duckdb_create_logical_type(id);
	duckdb_bind_add_result_column(info, name, type);
	duckdb_destroy_logical_type(&type);
}

static void bind_free(void *data)
{
	struct scan_bind *bind = data;
	query_fields_deinit(&bind->fields);
	free(bind);
}

bool query_bind_fields(duckdb_bind_info info, idx_t parameter, struct query_fields *ret_fields)
{
	duckdb_value value = duckdb_bind_get_parameter(info, parameter);
	char *text = duckdb_get_varchar(value);
	bool good = text && query_fields_read(text, ret_fields);
	duckdb_free(text);
	duckdb_destroy_value(&value);
	if (!good)
		duckdb_bind_set_error(info, QUERY_OWN_ERROR "53200:out of memory");
	return good;
}

static void add_columns(duckdb_bind_info info, const struct scan_bind *bind)
{
	for (size_t i = 0; i < bind->own_columns; i++)
		add_column(info, columns[i].name, columns[i].type);
	for (size_t i = 0; i < bind->fields.count; i++) {
		duckdb_logical_type type = query_field_engine_type(&bind->fields.list[i]);
		duckdb_bind_add_result_column(info, bind->fields.list[i].name, type);
		duckdb_destroy_logical_type(&type);
	}
}

static void scan_bind(duckdb_bind_info info)
{
	struct scan_bind *bind = malloc(sizeof *bind);
	if (!bind) {
		duckdb_bind_set_error(info, QUERY_OWN_ERROR "53200:out of memory");
		return;
	}
	*bind = (struct scan_bind){.slot = number_parameter(info, 1), .handle = number_parameter(info, 2)};
	bind->own_columns = number_parameter(info, 3) ? ALL_COLUMNS : SHOWN_COLUMNS;
	duckdb_bind_set_bind_data(info, bind, bind_free);
	if (!query_bind_fields(info, 4, &bind->fields))
		return;
	add_columns(info, bind);
	struct query_run *run = query_engine_find_run(duckdb_bind_get_extra_info(info), bind->handle);
	if (run && run->scans && bind->slot < run->scan_count)
		duckdb_bind_set_cardinality(info, column_scan_row_estimate(run->scans[bind->slot].scan), false);
}

/* ---- starting ---- */

static void want_field(struct scan_state *state, const struct scan_bind *bind, size_t field, size_t vector)
{
	struct query_field_set *set = &state->fields;
	if (field >= bind->fields.count || set->count == COLUMN_JSON_PATHS_MAX)
		return;
	set->columns[set->count] = bind->fields.list[field];
	set->vectors[set->count++] = vector;
	state->set |= COLUMN_VALUE;
}

static void project(duckdb_init_info info, const struct scan_bind *bind, struct scan_state *state)
{
	size_t count = duckdb_init_get_column_count(info);
	for (size_t i = 0; i < count; i++) {
		idx_t column = duckdb_init_get_column_index(info, i);
		if (column >= bind->own_columns && column < bind->own_columns + bind->fields.count) {
			want_field(state, bind, column - bind->own_columns, i);
		} else if (state->column_count < ALL_COLUMNS) {
			uint8_t own = column < bind->own_columns ? (uint8_t)column : 0;
			state->wanted[state->column_count].column = own;
			state->wanted[state->column_count++].vector = i;
			state->set |= columns[own].needs;
		}
	}
}

static void state_free(void *data)
{
	struct scan_state *state = data;
	query_field_set_deinit(&state->fields);
	free(state);
}

static void scan_init(duckdb_init_info info)
{
	const struct scan_bind *bind = duckdb_init_get_bind_data(info);
	struct query_run *run = query_engine_find_run(duckdb_init_get_extra_info(info), bind->handle);
	struct scan_state *state = run && run->scans && bind->slot < run->scan_count ? calloc(1, sizeof *state) : NULL;
	struct pyr_error error = {0};
	if (!state) {
		duckdb_init_set_error(info, QUERY_OWN_ERROR "55000:this scan belongs to no statement that runs");
		return;
	}
	state->run = run;
	state->scan = run->scans[bind->slot].scan;
	state->unit_count = column_scan_unit_count(state->scan);
	project(info, bind, state);
	/* DuckDB hands the state to its threads; ThreadSanitizer does not see inside it, but sees this and the load. */
	atomic_store_explicit(&state->next_unit, 0, memory_order_release);
	duckdb_init_set_init_data(info, state, state_free);
	if (query_field_set_init(&state->fields, &error).code != PYR_OK)
		duckdb_init_set_error(info, error.text);
	duckdb_init_set_max_threads(info, state->unit_count > 0 ? state->unit_count : 1);
}

static void local_free(void *data)
{
	struct scan_local *local = data;
	column_reader_free(local->reader);
	base_writer_deinit(&local->text);
	base_writer_deinit(&local->field);
	free(local);
}

static void scan_local_init(duckdb_init_info info)
{
	struct scan_local *local = calloc(1, sizeof *local);
	if (!local) {
		duckdb_init_set_error(info, QUERY_OWN_ERROR "53200:out of memory");
		return;
	}
	base_writer_init(&local->text, HEADERS_TEXT_MAX);
	base_writer_init(&local->field, HEADERS_TEXT_MAX);
	duckdb_init_set_init_data(info, local, local_free);
}

/* ---- filling ---- */

static void set_null(duckdb_vector vector, size_t row)
{
	duckdb_vector_ensure_validity_writable(vector);
	duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

static bool assign_written(struct scan_local *local, duckdb_vector vector, size_t row)
{
	struct base_slice written;
	if (base_writer_take(&local->text, &written).code != PYR_OK)
		return false;
	duckdb_vector_assign_string_element_len(vector, row, (const char *)written.data, written.bytes);
	base_slice_release(&written);
	return true;
}

/* Text as it is; bytes that are no text as \x and hexadecimal digits. */
static bool fill_text(struct scan_local *local, duckdb_vector vector, const struct base_bytes *cells)
{
	for (size_t row = 0; row < local->rows.count; row++) {
		struct base_bytes cell = cells[row];
		if (!cell.data) {
			set_null(vector, row);
		} else if (query_text_is_valid(cell.data, cell.bytes)) {
			duckdb_vector_assign_string_element_len(vector, row, (const char *)cell.data, cell.bytes);
		} else {
			query_text_write_hex(&local->text, cell.data, cell.bytes);
			if (!assign_written(local, vector, row))
				return false;
		}
	}
	return true;
}

static void fill_bytes(const struct scan_local *local, duckdb_vector vector, const struct base_bytes *cells)
{
	for (size_t row = 0; row < local->rows.count; row++) {
		if (!cells[row].data)
			set_null(vector, row);
		else
			duckdb_vector_assign_string_element_len(vector, row, (const char *)cells[row].data,
			                                        cells[row].bytes);
	}
}

static bool fill_headers(struct scan_local *local, duckdb_vector vector)
{
	for (size_t row = 0; row < local->rows.count; row++) {
		query_text_write_headers(&local->text, local->rows.headers[row], local->rows.header_count[row]);
		if (!assign_written(local, vector, row))
			return false;
	}
	return true;
}

static void fill_timestamps(const struct scan_local *local, duckdb_vector vector)
{
	int64_t *cells = duckdb_vector_get_data(vector);
	for (size_t row = 0; row < local->rows.count; row++) {
		int64_t timestamp_ms = local->rows.timestamp_ms[row];
		cells[row] = 0;
		if (!query_timestamp_is_shown(timestamp_ms))
			set_null(vector, row);
		else
			cells[row] = timestamp_ms * 1000;
	}
}

static bool fill(struct scan_local *local, unsigned column, duckdb_vector vector)
{
	const struct column_rows *rows = &local->rows;
	switch (column) {
	case 0:
		memcpy(duckdb_vector_get_data(vector), rows->offset, rows->count * sizeof rows->offset[0]);
		return true;
	case 1:
		memcpy(duckdb_vector_get_data(vector), rows->partition, rows->count * sizeof rows->partition[0]);
		return true;
	case 2:
		return fill_timestamps(local, vector), true;
	case 3:
		return fill_text(local, vector, rows->key);
	case 4:
		return fill_text(local, vector, rows->value);
	case 5:
		return fill_headers(local, vector);
	case 6:
		return fill_bytes(local, vector, rows->key), true;
	default:
		return fill_bytes(local, vector, rows->value), true;
	}
}

/* The next rows of this thread's units; 0 rows: none are left for it. */
static pyr_result next_rows(struct scan_state *state, struct scan_local *local, struct pyr_error *error)
{
	(void)atomic_load_explicit(&state->next_unit, memory_order_acquire);
	local->rows.count = 0;
	if (!local->reader)
		PYR_TRY(column_reader_new(state->scan, state->set, &local->reader));
	for (;;) {
		if (atomic_load_explicit(&state->run->cancelled, memory_order_relaxed))
			return pyr_fail(error, PYR_TIMED_OUT, "canceling statement due to user request");
		if (!local->in_unit) {
			size_t unit = atomic_fetch_add(&state->next_unit, 1);
			if (unit >= state->unit_count)
				return pyr_ok();
			PYR_TRY(column_reader_seek(local->reader, unit, error));
			local->in_unit = true;
		}
		PYR_TRY(column_reader_next(local->reader, &local->rows, error));
		if (local->rows.count > 0) {
			atomic_fetch_add_explicit(&state->run->rows_read, local->rows.count, memory_order_relaxed);
			return pyr_ok();
		}
		local->in_unit = false;
	}
}

static pyr_result fill_fields(struct scan_state *state, struct scan_local *local, duckdb_data_chunk chunk)
{
	uint64_t misfits = 0;
	if (!query_field_set_fill(&state->fields, local->rows.value, local->rows.count, &local->field, chunk, &misfits))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	if (misfits > 0)
		atomic_fetch_add_explicit(&state->run->misfits, misfits, memory_order_relaxed);
	return pyr_ok();
}

static void scan_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
	struct scan_state *state = duckdb_function_get_init_data(info);
	struct scan_local *local = duckdb_function_get_local_init_data(info);
	struct pyr_error error = {0};
	pyr_result result = next_rows(state, local, &error);
	for (size_t i = 0; i < state->column_count && result.code == PYR_OK && local->rows.count > 0; i++)
		if (!fill(local, state->wanted[i].column, duckdb_data_chunk_get_vector(chunk, state->wanted[i].vector)))
			result = pyr_result_of(PYR_OUT_OF_MEMORY);
	if (result.code == PYR_OK && state->fields.count > 0)
		result = fill_fields(state, local, chunk);
	if (result.code != PYR_OK)
		query_set_function_error(info, result.code, error.text);
	else
		duckdb_data_chunk_set_size(chunk, local->rows.count);
}

/* ---- registering ---- */

static void add_parameter(duckdb_table_function function, duckdb_type id)
{
	duckdb_logical_type type = duckdb_create_logical_type(id);
	duckdb_table_function_add_parameter(function, type);
	duckdb_destroy_logical_type(&type);
}

static bool register_scan(struct query_engine *engine, duckdb_connection connection)
{
	duckdb_table_function function = duckdb_create_table_function();
	duckdb_table_function_set_name(function, "pyralog_scan");
	add_parameter(function, DUCKDB_TYPE_VARCHAR);
	add_parameter(function, DUCKDB_TYPE_BIGINT);
	add_parameter(function, DUCKDB_TYPE_BIGINT);
	add_parameter(function, DUCKDB_TYPE_BOOLEAN);
	add_parameter(function, DUCKDB_TYPE_VARCHAR);
	duckdb_table_function_set_extra_info(function, engine, NULL);
	duckdb_table_function_set_bind(function, scan_bind);
	duckdb_table_function_set_init(function, scan_init);
	duckdb_table_function_set_local_init(function, scan_local_init);
	duckdb_table_function_set_function(function, scan_rows);
	duckdb_table_function_supports_projection_pushdown(function, true);
	bool good = duckdb_register_table_function(connection, function) == DuckDBSuccess;
	duckdb_destroy_table_function(&function);
	return good;
}

bool query_engine_register_functions(struct query_engine *engine, duckdb_connection connection)
{
	return register_scan(engine, connection) && query_engine_register_topics(engine, connection) &&
	       query_engine_register_errors(engine, connection) && query_engine_register_progress(engine, connection) &&
	       query_engine_register_listing(engine, connection, &query_listing_groups) &&
	       query_engine_register_listing(engine, connection, &query_listing_metrics) &&
	       query_engine_register_listing(engine, connection, &query_listing_slots) &&
	       query_engine_register_listing(engine, connection, &query_listing_sessions) &&
	       query_engine_register_listing(engine, connection, &query_listing_locks) &&
	       query_engine_register_settings(engine, connection) && query_engine_register_avg(connection) &&
	       query_engine_register_to_char(connection) && query_engine_register_scarab(engine, connection);
}
