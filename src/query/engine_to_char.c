/* The engine's functions over to_char.h: pyralog_time_text(us, format, zoned), pyralog_number_text(value, format),
 * pyralog_time_value(text, format). Null in, null out. Threads: the engine's.
 */
#include "query/engine_duckdb.h"
#include "query/to_char.h"

#include <stdio.h>
#include <string.h>

static void *data_of(duckdb_data_chunk chunk, idx_t i)
{
	return duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, i));
}

static void read_text(const void *data, idx_t row, char room[QUERY_TO_CHAR_MAX])
{
	duckdb_string_t *string = (duckdb_string_t *)(uintptr_t)data + row;
	snprintf(room, QUERY_TO_CHAR_MAX, "%.*s", (int)duckdb_string_t_length(*string), duckdb_string_t_data(string));
}

static bool any_null(duckdb_data_chunk chunk, idx_t row)
{
	for (idx_t i = 0; i < duckdb_data_chunk_get_column_count(chunk); i++) {
		uint64_t *validity = duckdb_vector_get_validity(duckdb_data_chunk_get_vector(chunk, i));
		if (validity && !duckdb_validity_row_is_valid(validity, row))
			return true;
	}
	return false;
}

static void time_text(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector output)
{
	const int64_t *us = data_of(chunk, 0);
	const bool *zoned = data_of(chunk, 2);
	char format[QUERY_TO_CHAR_MAX], room[QUERY_TO_CHAR_MAX];
	(void)info;
	for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
		if (any_null(chunk, row))
			continue;
		read_text(data_of(chunk, 1), row, format);
		size_t bytes = query_time_format(us[row], format, zoned[row], room);
		duckdb_vector_assign_string_element_len(output, row, room, bytes);
	}
}

static void number_text(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector output)
{
	const double *values = data_of(chunk, 0);
	char format[QUERY_TO_CHAR_MAX], room[QUERY_TO_CHAR_MAX];
	(void)info;
	for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
		if (any_null(chunk, row))
			continue;
		read_text(data_of(chunk, 1), row, format);
		size_t bytes = query_number_format(values[row], format, room);
		duckdb_vector_assign_string_element_len(output, row, room, bytes);
	}
}

static void time_value(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector output)
{
	char text[QUERY_TO_CHAR_MAX], format[QUERY_TO_CHAR_MAX], message[QUERY_TO_CHAR_MAX * 2 + 64];
	int64_t *values = duckdb_vector_get_data(output);
	for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
		values[row] = 0;
		if (any_null(chunk, row))
			continue;
		read_text(data_of(chunk, 0), row, text);
		read_text(data_of(chunk, 1), row, format);
		if (query_time_read(text, format, &values[row]))
			continue;
		snprintf(message, sizeof message, QUERY_OWN_ERROR "22007:invalid value \"%s\" for \"%s\"", text,
		         format);
		duckdb_scalar_function_set_error(info, message);
		return;
	}
}

static bool add(duckdb_connection connection, const char *name, const duckdb_type *types, size_t count,
                duckdb_type result, duckdb_scalar_function_t body)
{
	duckdb_scalar_function function = duckdb_create_scalar_function();
	duckdb_logical_type type = duckdb_create_logical_type(result);
	duckdb_scalar_function_set_name(function, name);
	duckdb_scalar_function_set_return_type(function, type);
	duckdb_destroy_logical_type(&type);
	for (size_t i = 0; i < count; i++) {
		type = duckdb_create_logical_type(types[i]);
		duckdb_scalar_function_add_parameter(function, type);
		duckdb_destroy_logical_type(&type);
	}
	duckdb_scalar_function_set_function(function, body);
	bool good = duckdb_register_scalar_function(connection, function) == DuckDBSuccess;
	duckdb_destroy_scalar_function(&function);
	return good;
}

bool query_engine_register_to_char(duckdb_connection connection)
{
	static const duckdb_type times[] = {DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_BOOLEAN};
	static const duckdb_type numbers[] = {DUCKDB_TYPE_DOUBLE, DUCKDB_TYPE_VARCHAR};
	static const duckdb_type texts[] = {DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_VARCHAR};
	return add(connection, "pyralog_time_text", times, 3, DUCKDB_TYPE_VARCHAR, time_text) &&
	       add(connection, "pyralog_number_text", numbers, 2, DUCKDB_TYPE_VARCHAR, number_text) &&
	       add(connection, "pyralog_time_value", texts, 2, DUCKDB_TYPE_TIMESTAMP, time_value);
}
