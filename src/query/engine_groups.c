/* The table function pyralog_groups(handle): consumer groups and their lag, as the source has them when it starts; the rows
 * of pyralog.consumer_groups. Threads: the engine's; one reads the list. */
#include "query/engine_duckdb.h"

#include <stdlib.h>

enum {
	COLUMN_GROUP,
	COLUMN_TOPIC,
	COLUMN_PLACE,
	COLUMN_COMMITTED,
	COLUMN_END,
	COLUMN_LAG,
	COLUMN_LAG_MS,
	COLUMN_MEMBER,
	COLUMN_CLIENT,
	COLUMN_STATE,
	COLUMN_PROTOCOL,
	COLUMN_COUNT
};

static const struct {
	const char *name;
	duckdb_type type;
} columns[COLUMN_COUNT] = {
	{"group_id", DUCKDB_TYPE_VARCHAR},  {"topic", DUCKDB_TYPE_VARCHAR},
	{"partition", DUCKDB_TYPE_BIGINT},  {"committed_offset", DUCKDB_TYPE_BIGINT},
	{"end_offset", DUCKDB_TYPE_BIGINT}, {"lag", DUCKDB_TYPE_BIGINT},
	{"lag_ms", DUCKDB_TYPE_BIGINT},     {"member_id", DUCKDB_TYPE_VARCHAR},
	{"client_id", DUCKDB_TYPE_VARCHAR}, {"state", DUCKDB_TYPE_VARCHAR},
	{"protocol", DUCKDB_TYPE_VARCHAR},
};

struct groups_state {
	struct query_group *groups;
	size_t count;
	size_t next;
};

static void groups_bind(duckdb_bind_info info)
{
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
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		duckdb_logical_type type = duckdb_create_logical_type(columns[i].type);
		duckdb_bind_add_result_column(info, columns[i].name, type);
		duckdb_destroy_logical_type(&type);
	}
}

static void groups_free(void *data)
{
	struct groups_state *state = data;
	free(state->groups);
	free(state);
}

static void groups_init(duckdb_init_info info)
{
	const uint64_t *handle = duckdb_init_get_bind_data(info);
	struct query_run *run = query_engine_find_run(duckdb_init_get_extra_info(info), *handle);
	struct groups_state *state = run ? calloc(1, sizeof *state) : NULL;
	struct pyr_error error = {0};
	if (!state) {
		duckdb_init_set_error(info, QUERY_OWN_ERROR "53200:out of memory");
		return;
	}
	duckdb_init_set_init_data(info, state, groups_free);
	duckdb_init_set_max_threads(info, 1);
	if (!run->source->ops->group_list)
		return; /* a source without groups has none */
	if (run->source->ops->group_list(run->source, run->principal, &state->groups, &state->count, &error).code !=
	    PYR_OK)
		duckdb_init_set_error(info, error.text);
}

static void set_null(duckdb_vector vector, idx_t row)
{
	duckdb_vector_ensure_validity_writable(vector);
	duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

static void set_number(duckdb_data_chunk chunk, idx_t column, idx_t row, int64_t value)
{
	duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
	((int64_t *)duckdb_vector_get_data(vector))[row] = value;
	if (value < 0)
		set_null(vector, row);
}

static void set_text(duckdb_data_chunk chunk, idx_t column, idx_t row, const char *text)
{
	duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
	if (text[0])
		duckdb_vector_assign_string_element(vector, row, text);
	else
		set_null(vector, row);
}

static int64_t lag_of(const struct query_group *group)
{
	return group->committed >= 0 && group->end >= group->committed ? group->end - group->committed : -1;
}

static void fill_row(duckdb_data_chunk chunk, idx_t row, const struct query_group *group)
{
	set_text(chunk, COLUMN_GROUP, row, group->group);
	set_text(chunk, COLUMN_TOPIC, row, group->topic);
	set_number(chunk, COLUMN_PLACE, row, group->partition);
	set_number(chunk, COLUMN_COMMITTED, row, group->committed);
	set_number(chunk, COLUMN_END, row, group->end);
	set_number(chunk, COLUMN_LAG, row, lag_of(group));
	set_number(chunk, COLUMN_LAG_MS, row, group->lag_ms);
	set_text(chunk, COLUMN_MEMBER, row, group->member);
	set_text(chunk, COLUMN_CLIENT, row, group->client);
	set_text(chunk, COLUMN_STATE, row, group->state);
	set_text(chunk, COLUMN_PROTOCOL, row, group->protocol);
}

static void groups_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
	struct groups_state *state = duckdb_function_get_init_data(info);
	idx_t row = 0, most = duckdb_vector_size();
	for (; row < most && state->next < state->count; row++, state->next++)
		fill_row(chunk, row, &state->groups[state->next]);
	duckdb_data_chunk_set_size(chunk, row);
}

bool query_engine_register_groups(struct query_engine *engine, duckdb_connection connection)
{
	duckdb_table_function function = duckdb_create_table_function();
	duckdb_logical_type type = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
	duckdb_table_function_set_name(function, "pyralog_groups");
	duckdb_table_function_add_parameter(function, type);
	duckdb_destroy_logical_type(&type);
	duckdb_table_function_set_extra_info(function, engine, NULL);
	duckdb_table_function_set_bind(function, groups_bind);
	duckdb_table_function_set_init(function, groups_init);
	duckdb_table_function_set_function(function, groups_rows);
	bool good = duckdb_register_table_function(connection, function) == DuckDBSuccess;
	duckdb_destroy_table_function(&function);
	return good;
}
