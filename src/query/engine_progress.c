/* The table function behind pyralog.queries: which sessions read topics just now, how far they are, and which wait.
 *
 * Far is told in rows: those that the scans' snapshots hold, as far as their headers tell, and those read. Threads: the
 * engine's; the table of runs is looked at under the engine's lock, what changes meanwhile is atomic.
 */
#include "query/engine_duckdb.h"

#include <stdlib.h>
#include <string.h>

enum { USER_BYTES = 64, ROWS_MAX = 1024 };

struct progress_row {
	uint32_t pid;
	char user[USER_BYTES];
	uint64_t read, total;
	unsigned place;
	bool follows; /* it has no end to be far from */
};

struct progress_state {
	size_t count, next;
	struct progress_row rows[ROWS_MAX];
};

static void progress_bind(duckdb_bind_info info)
{
	static const struct {
		const char *name;
		duckdb_type type;
	} columns[] = {{"pid", DUCKDB_TYPE_INTEGER},      {"user_name", DUCKDB_TYPE_VARCHAR},
	               {"rows_read", DUCKDB_TYPE_BIGINT}, {"rows_total", DUCKDB_TYPE_BIGINT},
	               {"percent", DUCKDB_TYPE_DOUBLE},   {"state", DUCKDB_TYPE_VARCHAR},
	               {"place", DUCKDB_TYPE_INTEGER}};
	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
		duckdb_logical_type type = duckdb_create_logical_type(columns[i].type);
		duckdb_bind_add_result_column(info, columns[i].name, type);
		duckdb_destroy_logical_type(&type);
	}
}

static void look_at_runs(struct query_engine *engine, struct progress_state *state)
{
	os_mutex_lock(&engine->lock);
	struct base_table_node *node = base_table_next(&engine->runs, NULL);
	for (; node && state->count < ROWS_MAX; node = base_table_next(&engine->runs, node)) {
		const struct query_run *run = BASE_CONTAINER(node, struct query_run, node);
		unsigned place = atomic_load(&run->ticket.place);
		bool follows = atomic_load(&run->follows);
		if (!atomic_load(&run->reads) && place == 0 && !follows)
			continue;
		struct progress_row *row = &state->rows[state->count++];
		row->pid = run->pid;
		strncpy(row->user, run->user, USER_BYTES - 1);
		row->read = atomic_load(&run->rows_read);
		row->total = atomic_load(&run->rows_total);
		row->place = place;
		row->follows = follows;
	}
	os_mutex_unlock(&engine->lock);
}

static void progress_init(duckdb_init_info info)
{
	struct progress_state *state = calloc(1, sizeof *state);
	if (!state) {
		duckdb_init_set_error(info, QUERY_OWN_ERROR "53200:out of memory");
		return;
	}
	look_at_runs(duckdb_init_get_extra_info(info), state);
	duckdb_init_set_init_data(info, state, free);
	duckdb_init_set_max_threads(info, 1);
}

static void *data_of(duckdb_data_chunk chunk, size_t column)
{
	return duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, column));
}

static void set_valid(duckdb_data_chunk chunk, size_t column, size_t row, bool valid)
{
	duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
	duckdb_vector_ensure_validity_writable(vector);
	duckdb_validity_set_row_validity(duckdb_vector_get_validity(vector), row, valid);
}

static void write_place(duckdb_data_chunk chunk, size_t row, unsigned place, bool follows)
{
	duckdb_vector_assign_string_element(duckdb_data_chunk_get_vector(chunk, 5), row,
	                                    place > 0 ? "waiting"
	                                    : follows ? "following"
	                                              : "running");
	((int32_t *)data_of(chunk, 6))[row] = (int32_t)place;
	set_valid(chunk, 3, row, !follows);
	set_valid(chunk, 4, row, !follows);
	set_valid(chunk, 6, row, place > 0);
}

static void progress_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
	struct progress_state *state = duckdb_function_get_init_data(info);
	size_t row = 0, most = duckdb_vector_size();
	for (; row < most && state->next < state->count; row++, state->next++) {
		const struct progress_row *from = &state->rows[state->next];
		double part = from->total > 0 ? (double)from->read / (double)from->total : 1;
		((int32_t *)data_of(chunk, 0))[row] = (int32_t)from->pid;
		duckdb_vector_assign_string_element(duckdb_data_chunk_get_vector(chunk, 1), row, from->user);
		((int64_t *)data_of(chunk, 2))[row] = (int64_t)from->read;
		((int64_t *)data_of(chunk, 3))[row] = (int64_t)from->total;
		((double *)data_of(chunk, 4))[row] = part < 1 ? part * 100 : 100;
		write_place(chunk, row, from->place, from->follows);
	}
	duckdb_data_chunk_set_size(chunk, row);
}

bool query_engine_register_progress(struct query_engine *engine, duckdb_connection connection)
{
	duckdb_table_function function = duckdb_create_table_function();
	duckdb_table_function_set_name(function, "pyralog_queries");
	duckdb_table_function_set_extra_info(function, engine, NULL);
	duckdb_table_function_set_bind(function, progress_bind);
	duckdb_table_function_set_init(function, progress_init);
	duckdb_table_function_set_function(function, progress_rows);
	bool good = duckdb_register_table_function(connection, function) == DuckDBSuccess;
	duckdb_destroy_table_function(&function);
	return good;
}
