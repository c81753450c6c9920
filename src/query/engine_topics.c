/* What the catalog's relations are made of: pyralog_topics(handle) lists the topics, pyralog_columns(handle) their columns.
 *
 * Both ask the source when they start, so that a statement sees the topics of that moment. A topic's oid is its first
 * partition's id in the log behind PostgreSQL's last. Threads: the engine's; one reads each list.
 */
#include "query/engine_duckdb.h"
#include "query/types.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_TOPIC_OID = 16384 };

static void add_column(duckdb_bind_info info, const char *name, duckdb_type id)
{
	duckdb_logical_type type = duckdb_create_logical_type(id);
	duckdb_bind_add_result_column(info, name, type);
	duckdb_destroy_logical_type(&type);
}

/* The handle, which both functions are given. False: the error is set. */
static bool bind_handle(duckdb_bind_info info)
{
	duckdb_value value = duckdb_bind_get_parameter(info, 0);
	uint64_t *handle = malloc(sizeof *handle);
	if (handle)
		*handle = duckdb_get_uint64(value);
	duckdb_destroy_value(&value);
	if (!handle) {
		duckdb_bind_set_error(info, QUERY_OWN_ERROR "53200:out of memory");
		return false;
	}
	duckdb_bind_set_bind_data(info, handle, free);
	return true;
}

/* Columns of every topic, in PostgreSQL's terms. */
static const struct {
	const char *name;
	uint32_t type;
	bool filled; /* never null */
} own[] = {
	{"offset", QUERY_TYPE_INT8, true},
	{"partition", QUERY_TYPE_INT4, true},
	{"timestamp", QUERY_TYPE_TIMESTAMPTZ, false},
	{"key", QUERY_TYPE_TEXT, false},
	{"value", QUERY_TYPE_TEXT, false},
	{"headers", QUERY_TYPE_TEXT, false},
};

enum { OWN_COLUMNS = sizeof own / sizeof *own };

/* ---- the list of topics, shaped like information_schema.tables ---- */

struct topics_state {
	struct query_topic *topics;
	size_t count;
	size_t next;
};

static void topics_bind(duckdb_bind_info info)
{
	static const char *const names[] = {"table_catalog", "table_schema", "table_name", "table_type"};
	if (!bind_handle(info))
		return;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		add_column(info, names[i], DUCKDB_TYPE_VARCHAR);
	add_column(info, "oid", DUCKDB_TYPE_UINTEGER);
	add_column(info, "columns", DUCKDB_TYPE_SMALLINT);
}

static void topics_free(void *data)
{
	struct topics_state *state = data;
	free(state->topics);
	free(state);
}

static void topics_init(duckdb_init_info info)
{
	const uint64_t *handle = duckdb_init_get_bind_data(info);
	struct query_run *run = query_engine_find_run(duckdb_init_get_extra_info(info), *handle);
	struct topics_state *state = run ? calloc(1, sizeof *state) : NULL;
	struct pyr_error error = {0};
	if (!state) {
		duckdb_init_set_error(info, QUERY_OWN_ERROR "53200:out of memory");
		return;
	}
	duckdb_init_set_init_data(info, state, topics_free);
	duckdb_init_set_max_threads(info, 1);
	if (run->source->ops->topic_list(run->source, run->principal, &state->topics, &state->count, &error).code !=
	    PYR_OK)
		duckdb_init_set_error(info, error.text);
}

static void topics_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
	struct topics_state *state = duckdb_function_get_init_data(info);
	size_t row = 0, most = duckdb_vector_size();
	for (; row < most && state->next < state->count; row++, state->next++) {
		const char *const cells[] = {"pyralog", "public", state->topics[state->next].name, "BASE TABLE"};
		for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
			duckdb_vector_assign_string_element(duckdb_data_chunk_get_vector(chunk, i), row, cells[i]);
		uint32_t *oids =
			duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, sizeof cells / sizeof *cells));
		oids[row] = FIRST_TOPIC_OID + state->topics[state->next].id;
		int16_t *counts = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 5));
		counts[row] = (int16_t)(OWN_COLUMNS + state->topics[state->next].last_column);
	}
	duckdb_data_chunk_set_size(chunk, row);
}

/* ---- the columns of all topics ---- */

struct columns_state {
	struct query_source *source;
	const struct catalog_principal *principal;
	struct query_topic *topics;
	size_t count;
	size_t topic, place; /* the next row */
	struct catalog_columns *declared; /* of the topic at hand */
};

static void columns_bind(duckdb_bind_info info)
{
	static const struct {
		const char *name;
		duckdb_type type;
	} shown[] = {
		{"oid", DUCKDB_TYPE_UINTEGER},   {"table_name", DUCKDB_TYPE_VARCHAR}, {"name", DUCKDB_TYPE_VARCHAR},
		{"type", DUCKDB_TYPE_UINTEGER},  {"modifier", DUCKDB_TYPE_INTEGER},   {"place", DUCKDB_TYPE_SMALLINT},
		{"filled", DUCKDB_TYPE_BOOLEAN}, {"path", DUCKDB_TYPE_VARCHAR},
	};
	if (!bind_handle(info))
		return;
	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
		add_column(info, shown[i].name, shown[i].type);
}

static void columns_free(void *data)
{
	struct columns_state *state = data;
	catalog_columns_free(state->declared);
	free(state->topics);
	free(state);
}

static void columns_init(duckdb_init_info info)
{
	const uint64_t *handle = duckdb_init_get_bind_data(info);
	struct query_run *run = query_engine_find_run(duckdb_init_get_extra_info(info), *handle);
	struct columns_state *state = run ? calloc(1, sizeof *state) : NULL;
	struct pyr_error error = {0};
	if (!state) {
		duckdb_init_set_error(info, QUERY_OWN_ERROR "53200:out of memory");
		return;
	}
	state->source = run->source;
	state->principal = run->principal;
	duckdb_init_set_init_data(info, state, columns_free);
	duckdb_init_set_max_threads(info, 1);
	if (run->source->ops->topic_list(run->source, run->principal, &state->topics, &state->count, &error).code !=
	    PYR_OK)
		duckdb_init_set_error(info, error.text);
}

static void set_text(duckdb_data_chunk chunk, size_t column, size_t row, const char *text)
{
	duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
	if (text) {
		duckdb_vector_assign_string_element(vector, row, text);
		return;
	}
	duckdb_vector_ensure_validity_writable(vector);
	duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

static void *data_of(duckdb_data_chunk chunk, size_t column)
{
	return duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, column));
}

static void write_column(duckdb_data_chunk chunk, size_t row, const struct query_topic *topic,
                         const struct catalog_column *column, bool filled)
{
	((uint32_t *)data_of(chunk, 0))[row] = FIRST_TOPIC_OID + topic->id;
	set_text(chunk, 1, row, topic->name);
	set_text(chunk, 2, row, column->name);
	((uint32_t *)data_of(chunk, 3))[row] = column->type;
	((int32_t *)data_of(chunk, 4))[row] = column->modifier;
	((int16_t *)data_of(chunk, 5))[row] = (int16_t)column->number;
	((bool *)data_of(chunk, 6))[row] = filled;
	set_text(chunk, 7, row, column->path[0] ? column->path : NULL);
}

/* A topic that is gone meanwhile has no columns to add. */
static bool next_column(struct columns_state *state, struct catalog_column *ret_column, bool *ret_filled)
{
	struct pyr_error error;
	const struct query_topic *topic = &state->topics[state->topic];
	if (state->place < OWN_COLUMNS) {
		*ret_column = (struct catalog_column){.type = own[state->place].type, .modifier = -1};
		memcpy(ret_column->name, own[state->place].name, strlen(own[state->place].name));
		*ret_filled = own[state->place].filled;
		ret_column->number = (uint16_t)++state->place;
		return true;
	}
	if (state->place == OWN_COLUMNS && topic->column_count > 0)
		pyr_ignore(state->source->ops->topic_columns(state->source, state->principal, topic->name,
		                                             &state->declared, &error));
	size_t i = state->place++ - OWN_COLUMNS;
	if (!state->declared || i >= state->declared->count)
		return false;
	*ret_column = state->declared->list[i];
	ret_column->number += OWN_COLUMNS;
	*ret_filled = false;
	return true;
}

static void columns_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
	struct columns_state *state = duckdb_function_get_init_data(info);
	size_t row = 0, most = duckdb_vector_size();
	while (row < most && state->topic < state->count) {
		struct catalog_column column;
		bool filled = false;
		if (next_column(state, &column, &filled)) {
			write_column(chunk, row++, &state->topics[state->topic], &column, filled);
			continue;
		}
		catalog_columns_free(state->declared);
		state->declared = NULL;
		state->topic += 1;
		state->place = 0;
	}
	duckdb_data_chunk_set_size(chunk, row);
}

/* ---- registering ---- */

static bool add(struct query_engine *engine, duckdb_connection connection, const char *name,
                duckdb_table_function_bind_t bind, duckdb_table_function_init_t init, duckdb_table_function_t rows)
{
	duckdb_table_function function = duckdb_create_table_function();
	duckdb_logical_type type = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
	duckdb_table_function_set_name(function, name);
	duckdb_table_function_add_parameter(function, type);
	duckdb_destroy_logical_type(&type);
	duckdb_table_function_set_extra_info(function, engine, NULL);
	duckdb_table_function_set_bind(function, bind);
	duckdb_table_function_set_init(function, init);
	duckdb_table_function_set_function(function, rows);
	bool good = duckdb_register_table_function(connection, function) == DuckDBSuccess;
	duckdb_destroy_table_function(&function);
	return good;
}

bool query_engine_register_topics(struct query_engine *engine, duckdb_connection connection)
{
	return add(engine, connection, "pyralog_topics", topics_bind, topics_init, topics_rows) &&
	       add(engine, connection, "pyralog_columns", columns_bind, columns_init, columns_rows);
}
