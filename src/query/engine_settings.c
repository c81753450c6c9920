/* The engine's functions over a session's settings, found by its handle (see settings.h).
 *
 * pyralog_get_setting(handle, name, missing_ok), pyralog_set_setting(handle, name, value, is_local), pyralog_user(handle), pyralog_pid(handle),
 * and the table pyralog_settings(handle). All are volatile: the engine must not compute them when it prepares.
 * Threads: the engine's and the session's.
 */
#include "query/engine_duckdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct argument {
	const void *data;
	uint64_t *validity;
};

static struct argument argument_of(duckdb_data_chunk chunk, idx_t i)
{
	duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, i);
	return (struct argument){duckdb_vector_get_data(vector), duckdb_vector_get_validity(vector)};
}

static bool is_null(struct argument argument, idx_t row)
{
	return argument.validity && !duckdb_validity_row_is_valid(argument.validity, row);
}

static void read_text(struct argument argument, idx_t row, char room[QUERY_SETTING_MAX])
{
	duckdb_string_t *string = (duckdb_string_t *)(uintptr_t)argument.data + row;
	snprintf(room, QUERY_SETTING_MAX, "%.*s", (int)duckdb_string_t_length(*string), duckdb_string_t_data(string));
}

static void set_null(duckdb_vector vector, idx_t row)
{
	duckdb_vector_ensure_validity_writable(vector);
	duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

static struct query_run *run_of(duckdb_function_info info, struct argument handle, idx_t row)
{
	uint64_t number = (uint64_t)((const int64_t *)handle.data)[row];
	struct query_run *run = query_engine_find_run(duckdb_scalar_function_get_extra_info(info), number);
	if (!run)
		duckdb_scalar_function_set_error(info, QUERY_OWN_ERROR "55000:this session is gone");
	return run;
}

static void setting(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector output)
{
	struct argument handle = argument_of(chunk, 0), name = argument_of(chunk, 1), missing = {0};
	char text[QUERY_SETTING_MAX], value[QUERY_SETTING_MAX], message[QUERY_SETTING_MAX + 100];
	if (duckdb_data_chunk_get_column_count(chunk) > 2)
		missing = argument_of(chunk, 2);
	for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
		struct query_run *run = run_of(info, handle, row);
		if (!run)
			return;
		if (is_null(name, row)) {
			set_null(output, row);
			continue;
		}
		read_text(name, row, text);
		if (query_settings_get(run->settings, text, value)) {
			duckdb_vector_assign_string_element(output, row, value);
		} else if (missing.data && !is_null(missing, row) && ((const bool *)missing.data)[row]) {
			set_null(output, row);
		} else {
			snprintf(message, sizeof message,
			         QUERY_OWN_ERROR "42704:unrecognized configuration parameter \"%s\"", text);
			duckdb_scalar_function_set_error(info, message);
			return;
		}
	}
}

static void set_setting(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector output)
{
	struct argument handle = argument_of(chunk, 0), name = argument_of(chunk, 1), value = argument_of(chunk, 2),
			local = argument_of(chunk, 3);
	char text[QUERY_SETTING_MAX], wanted[QUERY_SETTING_MAX] = "", message[QUERY_MESSAGE_MAX + 32];
	for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
		struct query_run *run = run_of(info, handle, row);
		struct query_error error;
		if (!run)
			return;
		if (is_null(name, row)) {
			duckdb_scalar_function_set_error(info, QUERY_OWN_ERROR "22004:a setting has a name");
			return;
		}
		read_text(name, row, text);
		if (!is_null(value, row))
			read_text(value, row, wanted);
		bool is_local = !is_null(local, row) && ((const bool *)local.data)[row];
		if (query_settings_set(run->settings, text, is_null(value, row) ? NULL : wanted, is_local,
		                       run->in_block, &error)
		            .code != PYR_OK) {
			snprintf(message, sizeof message, QUERY_OWN_ERROR "%s:%s", error.sqlstate, error.message);
			duckdb_scalar_function_set_error(info, message);
			return;
		}
		if (!query_settings_get(run->settings, text, wanted))
			wanted[0] = 0;
		duckdb_vector_assign_string_element(output, row, wanted);
	}
}

static void user(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector output)
{
	struct argument handle = argument_of(chunk, 0);
	for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
		struct query_run *run = run_of(info, handle, row);
		if (!run)
			return;
		duckdb_vector_assign_string_element(output, row, run->user);
	}
}

static void pid(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector output)
{
	struct argument handle = argument_of(chunk, 0);
	int32_t *cells = duckdb_vector_get_data(output);
	for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
		struct query_run *run = run_of(info, handle, row);
		if (!run)
			return;
		cells[row] = (int32_t)run->pid;
	}
}

/* ---- the table of all ---- */

struct table_state {
	struct query_run *run;
	size_t next;
};

static void table_bind(duckdb_bind_info info)
{
	static const char *const names[] = {"name", "setting"};
	uint64_t *handle = malloc(sizeof *handle);
	duckdb_value value = duckdb_bind_get_parameter(info, 0);
	duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
	if (handle)
		*handle = duckdb_get_uint64(value);
	else
		duckdb_bind_set_error(info, QUERY_OWN_ERROR "53200:out of memory");
	duckdb_destroy_value(&value);
	duckdb_bind_set_bind_data(info, handle, free);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		duckdb_bind_add_result_column(info, names[i], text);
	duckdb_destroy_logical_type(&text);
}

static void table_init(duckdb_init_info info)
{
	const uint64_t *handle = duckdb_init_get_bind_data(info);
	struct query_run *run = query_engine_find_run(duckdb_init_get_extra_info(info), *handle);
	struct table_state *state = run ? calloc(1, sizeof *state) : NULL;
	if (!state) {
		duckdb_init_set_error(info, QUERY_OWN_ERROR "53200:out of memory");
		return;
	}
	state->run = run;
	duckdb_init_set_max_threads(info, 1);
	duckdb_init_set_init_data(info, state, free);
}

static void table_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
	struct table_state *state = duckdb_function_get_init_data(info);
	const char *name;
	char value[QUERY_SETTING_MAX];
	size_t row = 0, most = duckdb_vector_size();
	for (; row < most && query_settings_at(state->run->settings, state->next, &name, value); row++, state->next++) {
		duckdb_vector_assign_string_element(duckdb_data_chunk_get_vector(chunk, 0), row, name);
		duckdb_vector_assign_string_element(duckdb_data_chunk_get_vector(chunk, 1), row, value);
	}
	duckdb_data_chunk_set_size(chunk, row);
}

/* ---- registering ---- */

static bool register_scalar(struct query_engine *engine, duckdb_connection connection, const char *name,
                            const duckdb_type *types, size_t count, duckdb_type result, duckdb_scalar_function_t body)
{
	duckdb_scalar_function function = duckdb_create_scalar_function();
	duckdb_logical_type text = duckdb_create_logical_type(result);
	duckdb_scalar_function_set_name(function, name);
	for (size_t i = 0; i < count; i++) {
		duckdb_logical_type type = duckdb_create_logical_type(types[i]);
		duckdb_scalar_function_add_parameter(function, type);
		duckdb_destroy_logical_type(&type);
	}
	duckdb_scalar_function_set_return_type(function, text);
	duckdb_scalar_function_set_extra_info(function, engine, NULL);
	duckdb_scalar_function_set_function(function, body);
	duckdb_scalar_function_set_volatile(function);
	duckdb_scalar_function_set_special_handling(function);
	bool good = duckdb_register_scalar_function(connection, function) == DuckDBSuccess;
	duckdb_destroy_logical_type(&text);
	duckdb_destroy_scalar_function(&function);
	return good;
}

static bool register_table(struct query_engine *engine, duckdb_connection connection)
{
	duckdb_table_function function = duckdb_create_table_function();
	duckdb_logical_type number = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
	duckdb_table_function_set_name(function, "pyralog_settings");
	duckdb_table_function_add_parameter(function, number);
	duckdb_table_function_set_extra_info(function, engine, NULL);
	duckdb_table_function_set_bind(function, table_bind);
	duckdb_table_function_set_init(function, table_init);
	duckdb_table_function_set_function(function, table_rows);
	bool good = duckdb_register_table_function(connection, function) == DuckDBSuccess;
	duckdb_destroy_logical_type(&number);
	duckdb_destroy_table_function(&function);
	return good;
}

bool query_engine_register_settings(struct query_engine *engine, duckdb_connection connection)
{
	static const duckdb_type types[] = {DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_VARCHAR,
	                                    DUCKDB_TYPE_BOOLEAN};
	static const duckdb_type missing[] = {DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_BOOLEAN};
	return register_scalar(engine, connection, "pyralog_get_setting", missing, 3, DUCKDB_TYPE_VARCHAR, setting) &&
	       register_scalar(engine, connection, "pyralog_set_setting", types, 4, DUCKDB_TYPE_VARCHAR, set_setting) &&
	       register_scalar(engine, connection, "pyralog_user", types, 1, DUCKDB_TYPE_VARCHAR, user) &&
	       register_scalar(engine, connection, "pyralog_pid", types, 1, DUCKDB_TYPE_INTEGER, pid) &&
	       register_table(engine, connection);
}
