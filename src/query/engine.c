/* The engine's life, its connections and prepared statements.
 *
 * Invariants: no file is opened, but those that memory spills to, and no extension loaded, by configuration that is locked before the first statement;
 * a result is read before its connection starts another. Failure modes: out of the memory allowed ends the statement
 * (53200), not the server. Lock: engine->lock, taken alone, never held while a statement runs.
 */
#include "query/engine_duckdb.h"

#include "base/hash.h"
#include "query/catalog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE_MEMORY_BYTES = 256 << 20 };

struct query_connection {
	struct query_engine *engine;
	struct query_run *run;
	duckdb_connection duckdb;
};

/* A setting can be locked only after the others are made. */
static const char *const sandbox[] = {
	"SET GLOBAL autoinstall_known_extensions=false",
	"SET GLOBAL autoload_known_extensions=false",
	"SET GLOBAL allow_community_extensions=false",
	"SET GLOBAL TimeZone='UTC'",
	"SET GLOBAL integer_division=true",
	"SET GLOBAL default_null_order='nulls_last_on_asc_first_on_desc'",
	"SET GLOBAL enable_external_access=false",
	"SET GLOBAL lock_configuration=true",
};

struct query_engine_options query_engine_options_default(void)
{
	return (struct query_engine_options){
		.memory_bytes = (uint64_t)1 << 30,
		.threads = 2,
		.large_bytes = (uint64_t)64 << 20,
		.tails_max = 500,
	};
}

/* Each has a processor, and enough memory to be worth it. */
static unsigned large_slots(const struct query_engine_options *options)
{
	uint64_t by_memory = options->memory_bytes / LARGE_MEMORY_BYTES;
	if (options->large_max > 0)
		return options->large_max;
	if (by_memory >= options->threads)
		return options->threads;
	return by_memory > 0 ? (unsigned)by_memory : 1;
}

pyr_result query_engine_new(const struct query_engine_options *options, struct query_engine **ret_engine,
                            struct pyr_error *error)
{
	assert(options->threads > 0 && options->memory_bytes >= 1 << 24);
	const char *version = duckdb_library_version();
	if (strcmp(version, PYR_DUCKDB_VERSION) != 0)
		return pyr_fail(error, PYR_UNSUPPORTED_VERSION,
		                "libduckdb is %s, this program needs %s: install the library that came with it",
		                version, PYR_DUCKDB_VERSION);
	struct query_engine *engine = calloc(1, sizeof *engine);
	struct query_admission *admission = query_admission_new(large_slots(options));
	if (!engine || !admission) {
		free(engine);
		query_admission_free(admission);
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	}
	engine->admission = admission;
	engine->options = *options;
	engine->next_handle = 1;
	os_mutex_init(&engine->lock);
	*ret_engine = engine;
	return pyr_ok();
}

void query_engine_free(struct query_engine *engine)
{
	if (!engine)
		return;
	assert(engine->runs.count == 0);
	if (engine->is_open)
		duckdb_close(&engine->database);
	base_table_deinit(&engine->runs);
	query_admission_free(engine->admission);
	os_mutex_deinit(&engine->lock);
	free(engine);
}

/* ---- opening ---- */

static bool run_all(duckdb_connection connection, const char *const *statements, size_t count, char **ret_message)
{
	for (size_t i = 0; i < count; i++) {
		duckdb_result result;
		bool good = duckdb_query(connection, statements[i], &result) == DuckDBSuccess;
		if (!good)
			*ret_message = strdup(duckdb_result_error(&result));
		duckdb_destroy_result(&result);
		if (!good)
			return false;
	}
	return true;
}

struct catalog_run {
	duckdb_connection connection;
	char **ret_message;
};

static bool run_catalog(void *context, const char *sql)
{
	struct catalog_run *run = context;
	return run_all(run->connection, &sql, 1, run->ret_message);
}

static bool prepare_database(struct query_engine *engine, char **ret_message)
{
	duckdb_connection connection;
	if (duckdb_connect(engine->database, &connection) != DuckDBSuccess)
		return false;
	struct catalog_run run = {connection, ret_message};
	bool good = query_engine_register_functions(engine, connection) && query_catalog_build(run_catalog, &run) &&
	            run_all(connection, query_engine_setup, query_engine_setup_count, ret_message) &&
	            run_all(connection, sandbox, sizeof sandbox / sizeof *sandbox, ret_message);
	duckdb_disconnect(&connection);
	return good;
}

static pyr_result open_database(struct query_engine *engine, struct query_error *error)
{
	duckdb_config config;
	const char *folder = engine->options.spill_folder;
	char memory[32], spill[32], threads[16], *message = NULL;
	if (engine->is_open)
		return pyr_ok();
	if (duckdb_create_config(&config) != DuckDBSuccess)
		return query_fail_memory(error);
	snprintf(memory, sizeof memory, "%lluKiB", (unsigned long long)engine->options.memory_bytes >> 10);
	snprintf(spill, sizeof spill, "%lluKiB", (unsigned long long)engine->options.spill_bytes >> 10);
	snprintf(threads, sizeof threads, "%u", engine->options.threads);
	bool good = duckdb_set_config(config, "memory_limit", memory) == DuckDBSuccess &&
	            duckdb_set_config(config, "threads", threads) == DuckDBSuccess &&
	            duckdb_set_config(config, "temp_directory", folder ? folder : "") == DuckDBSuccess &&
	            (!folder || duckdb_set_config(config, "max_temp_directory_size", spill) == DuckDBSuccess) &&
	            duckdb_open_ext(NULL, &engine->database, config, &message) == DuckDBSuccess;
	duckdb_destroy_config(&config);
	engine->is_open = good;
	if (good && !prepare_database(engine, &message)) {
		duckdb_close(&engine->database);
		engine->is_open = good = false;
	}
	pyr_result result = good ? pyr_ok()
	                         : query_fail(error, "58000", "the query engine does not start: %s",
	                                      message ? message : "no reason given");
	free(message);
	return result;
}

/* ---- runs ---- */

static bool is_handle(const struct base_table_node *node, const void *key)
{
	return BASE_CONTAINER(node, struct query_run, node)->handle == *(const uint64_t *)key;
}

struct query_run *query_engine_find_run(struct query_engine *engine, uint64_t handle)
{
	os_mutex_lock(&engine->lock);
	struct base_table_node *node = base_table_find(&engine->runs, base_hash_u64(handle), is_handle, &handle);
	os_mutex_unlock(&engine->lock);
	return node ? BASE_CONTAINER(node, struct query_run, node) : NULL;
}

struct query_admission *query_engine_admission(struct query_engine *engine)
{
	return engine->admission;
}

uint64_t query_engine_large_bytes(const struct query_engine *engine)
{
	return engine->options.large_bytes;
}

unsigned query_engine_tails_max(const struct query_engine *engine)
{
	return engine->options.tails_max;
}

unsigned query_engine_tails(struct query_engine *engine)
{
	os_mutex_lock(&engine->lock);
	unsigned tails = engine->tails;
	os_mutex_unlock(&engine->lock);
	return tails;
}

bool query_engine_tail_begin(struct query_engine *engine)
{
	os_mutex_lock(&engine->lock);
	bool room = engine->tails < engine->options.tails_max;
	engine->tails += room;
	os_mutex_unlock(&engine->lock);
	return room;
}

void query_engine_tail_end(struct query_engine *engine)
{
	os_mutex_lock(&engine->lock);
	assert(engine->tails > 0);
	engine->tails -= 1;
	os_mutex_unlock(&engine->lock);
}

/* ---- connections ---- */

static pyr_result register_run(struct query_engine *engine, struct query_run *run, struct query_error *error)
{
	PYR_TRY(open_database(engine, error));
	run->handle = engine->next_handle++;
	return base_table_insert(&engine->runs, &run->node, base_hash_u64(run->handle)) ? pyr_ok()
	                                                                                : query_fail_memory(error);
}

static void forget_run(struct query_engine *engine, struct query_run *run)
{
	os_mutex_lock(&engine->lock);
	base_table_remove(&engine->runs, &run->node);
	os_mutex_unlock(&engine->lock);
}

pyr_result query_connection_new(struct query_engine *engine, struct query_run *run,
                                struct query_connection **ret_connection, struct query_error *error)
{
	struct query_connection *connection = calloc(1, sizeof *connection);
	if (!connection)
		return query_fail_memory(error);
	os_mutex_lock(&engine->lock);
	pyr_result result = register_run(engine, run, error);
	os_mutex_unlock(&engine->lock);
	if (result.code != PYR_OK) {
		free(connection);
		return result;
	}
	if (duckdb_connect(engine->database, &connection->duckdb) != DuckDBSuccess) {
		forget_run(engine, run);
		free(connection);
		return query_fail(error, "53300", "the query engine takes no more connections");
	}
	connection->engine = engine;
	connection->run = run;
	*ret_connection = connection;
	return pyr_ok();
}

void query_connection_free(struct query_connection *connection)
{
	if (!connection)
		return;
	forget_run(connection->engine, connection->run); /* nobody looks at it any more */
	duckdb_disconnect(&connection->duckdb);
	free(connection);
}

void query_connection_interrupt(struct query_connection *connection)
{
	duckdb_interrupt(connection->duckdb);
}

/* Destroying a result only forgets it: its tasks go on until the connection's next statement ends them, and waits. */
void query_connection_settle(struct query_connection *connection)
{
	duckdb_result result;
	(void)duckdb_query(connection->duckdb, "SELECT 1", &result);
	duckdb_destroy_result(&result);
}

/* ---- statements ---- */

pyr_result query_prepared_new(struct query_connection *connection, const char *sql,
                              struct query_prepared **ret_prepared, struct query_error *error)
{
	struct query_prepared *prepared = calloc(1, sizeof *prepared);
	if (!prepared)
		return query_fail_memory(error);
	prepared->run = connection->run;
	prepared->numeric_scale = QUERY_NUMERIC_SCALE;
	if (duckdb_prepare(connection->duckdb, sql, &prepared->duckdb) != DuckDBSuccess) {
		pyr_result result = query_fail_engine(error, duckdb_prepare_error(prepared->duckdb));
		query_prepared_free(prepared);
		return result;
	}
	*ret_prepared = prepared;
	return pyr_ok();
}

void query_prepared_set_scale(struct query_prepared *prepared, int numeric_scale)
{
	prepared->numeric_scale = numeric_scale;
}

void query_prepared_free(struct query_prepared *prepared)
{
	if (!prepared)
		return;
	duckdb_destroy_prepare(&prepared->duckdb);
	free(prepared);
}

pyr_result query_prepared_bind(struct query_prepared *prepared, size_t number, struct base_bytes text,
                               struct query_error *error)
{
	duckdb_state state =
		text.data ? duckdb_bind_varchar_length(prepared->duckdb, number, (const char *)text.data, text.bytes)
			  : duckdb_bind_null(prepared->duckdb, number);
	return state == DuckDBSuccess ? pyr_ok() : query_fail_engine(error, duckdb_prepare_error(prepared->duckdb));
}
