/* The engine's life, its connections, statements and results.
 *
 * Invariants: no file is opened and no extension loaded, by configuration that is locked before the first statement;
 * a result is read before its connection starts another. Failure modes: out of the memory allowed ends the statement
 * (53200), not the server. Lock: engine->lock, taken alone, never held while a statement runs.
 */
#include "query/engine_duckdb.h"

#include "base/hash.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct query_connection {
	struct query_engine *engine;
	struct query_run *run;
	duckdb_connection duckdb;
};

struct query_prepared {
	const struct query_run *run;
	duckdb_prepared_statement duckdb;
};

struct query_result {
	duckdb_result duckdb;
	duckdb_data_chunk chunk;
	size_t column_count;
	struct result_column {
		duckdb_type type;
		duckdb_type decimal; /* how it is stored */
		uint8_t scale;
		const void *data; /* of the chunk */
		uint64_t *validity;
	} columns[];
};

/* What PostgreSQL's users rely on and the engine has under another name, or not at all. */
static const char *const setup[] = {
	"CREATE MACRO version() AS 'PostgreSQL 15.0 (Pyralog)'",
	"CREATE MACRO current_database() AS 'pyralog'",
	"CREATE MACRO current_schema() AS 'public'",
	"CREATE MACRO current_schemas(implicit) AS ['pg_catalog', 'public']",
	"CREATE MACRO regexp_full_match(a, b) AS regexp_matches(a, b)",
	("CREATE MACRO pyralog_divisor(b) AS CASE WHEN b = 0 THEN error('" QUERY_OWN_ERROR
         "22012:division by zero') ELSE b END"),
	"CREATE MACRO pyralog_any(x, list) AS list_contains(list, x)",
	"CREATE MACRO pg_backend_pid() AS 1",
	"CREATE MACRO pg_is_in_recovery() AS false",
	"CREATE MACRO pg_table_is_visible(id) AS true",
	"CREATE MACRO pg_get_userbyid(id) AS 'pyralog'",
	"CREATE MACRO pg_encoding_to_char(id) AS 'UTF8'",
	"CREATE MACRO quote_ident(name) AS '\"' || replace(name, '\"', '\"\"') || '\"'",
	"CREATE MACRO set_config(name, value, local) AS value",
	"CREATE MACRO pg_advisory_unlock_all() AS NULL",
};

/* A setting can be locked only after the others are made. */
static const char *const sandbox[] = {
	"SET GLOBAL temp_directory=''",
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
	return (struct query_engine_options){.memory_bytes = (uint64_t)1 << 30, .threads = 2};
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
	if (!engine)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
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

static bool prepare_database(struct query_engine *engine, char **ret_message)
{
	duckdb_connection connection;
	if (duckdb_connect(engine->database, &connection) != DuckDBSuccess)
		return false;
	bool good = query_engine_register_functions(engine, connection) &&
	            run_all(connection, setup, sizeof setup / sizeof *setup, ret_message) &&
	            run_all(connection, sandbox, sizeof sandbox / sizeof *sandbox, ret_message);
	duckdb_disconnect(&connection);
	return good;
}

static pyr_result open_database(struct query_engine *engine, struct query_error *error)
{
	duckdb_config config;
	char memory[32], threads[16], *message = NULL;
	if (engine->is_open)
		return pyr_ok();
	if (duckdb_create_config(&config) != DuckDBSuccess)
		return query_fail_memory(error);
	snprintf(memory, sizeof memory, "%lluKiB", (unsigned long long)engine->options.memory_bytes >> 10);
	snprintf(threads, sizeof threads, "%u", engine->options.threads);
	bool good = duckdb_set_config(config, "memory_limit", memory) == DuckDBSuccess &&
	            duckdb_set_config(config, "threads", threads) == DuckDBSuccess &&
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
	duckdb_disconnect(&connection->duckdb);
	forget_run(connection->engine, connection->run);
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
	if (duckdb_prepare(connection->duckdb, sql, &prepared->duckdb) != DuckDBSuccess) {
		pyr_result result = query_fail_engine(error, duckdb_prepare_error(prepared->duckdb));
		query_prepared_free(prepared);
		return result;
	}
	*ret_prepared = prepared;
	return pyr_ok();
}

void query_prepared_free(struct query_prepared *prepared)
{
	if (!prepared)
		return;
	duckdb_destroy_prepare(&prepared->duckdb);
	free(prepared);
}

static uint32_t oid_of(duckdb_type type)
{
	switch (type) {
	case DUCKDB_TYPE_BOOLEAN:
		return QUERY_TYPE_BOOL;
	case DUCKDB_TYPE_TINYINT:
	case DUCKDB_TYPE_UTINYINT:
	case DUCKDB_TYPE_SMALLINT:
		return QUERY_TYPE_INT2;
	case DUCKDB_TYPE_USMALLINT:
	case DUCKDB_TYPE_INTEGER:
		return QUERY_TYPE_INT4;
	case DUCKDB_TYPE_UINTEGER:
	case DUCKDB_TYPE_BIGINT:
		return QUERY_TYPE_INT8;
	case DUCKDB_TYPE_UBIGINT:
	case DUCKDB_TYPE_HUGEINT:
	case DUCKDB_TYPE_DECIMAL:
		return QUERY_TYPE_NUMERIC;
	case DUCKDB_TYPE_FLOAT:
		return QUERY_TYPE_FLOAT4;
	case DUCKDB_TYPE_DOUBLE:
		return QUERY_TYPE_FLOAT8;
	case DUCKDB_TYPE_BLOB:
		return QUERY_TYPE_BYTEA;
	case DUCKDB_TYPE_DATE:
		return QUERY_TYPE_DATE;
	case DUCKDB_TYPE_TIME:
		return QUERY_TYPE_TIME;
	case DUCKDB_TYPE_TIMESTAMP:
		return QUERY_TYPE_TIMESTAMP;
	case DUCKDB_TYPE_TIMESTAMP_TZ:
		return QUERY_TYPE_TIMESTAMPTZ;
	case DUCKDB_TYPE_INTERVAL:
		return QUERY_TYPE_INTERVAL;
	case DUCKDB_TYPE_UUID:
		return QUERY_TYPE_UUID;
	default:
		return QUERY_TYPE_TEXT;
	}
}

static bool is_readable(duckdb_type type)
{
	switch (type) {
	case DUCKDB_TYPE_VARCHAR:
	case DUCKDB_TYPE_SQLNULL:
		return true;
	case DUCKDB_TYPE_INTERVAL:
	case DUCKDB_TYPE_UUID:
		return false;
	default:
		return oid_of(type) != QUERY_TYPE_TEXT;
	}
}

static bool is_known(duckdb_type type)
{
	return type != DUCKDB_TYPE_INVALID && type != DUCKDB_TYPE_ANY && type != DUCKDB_TYPE_SQLNULL;
}

uint32_t query_prepared_parameter_type(struct query_prepared *prepared, size_t number)
{
	duckdb_type type = duckdb_param_type(prepared->duckdb, number);
	return is_known(type) ? oid_of(type) : QUERY_TYPE_UNKNOWN;
}

size_t query_prepared_column_count(struct query_prepared *prepared)
{
	return duckdb_prepared_statement_column_count(prepared->duckdb);
}

char *query_prepared_column_name(struct query_prepared *prepared, size_t column)
{
	const char *name = duckdb_prepared_statement_column_name(prepared->duckdb, column);
	char *copy = strdup(name ? name : "?column?");
	duckdb_free((void *)(uintptr_t)name);
	return copy;
}

/* JSON is a VARCHAR with an alias. */
static bool is_json(struct query_prepared *prepared, size_t column)
{
	duckdb_logical_type type = duckdb_prepared_statement_column_logical_type(prepared->duckdb, column);
	char *alias = type ? duckdb_logical_type_get_alias(type) : NULL;
	bool json = alias && strcasecmp(alias, "json") == 0;
	duckdb_free(alias);
	duckdb_destroy_logical_type(&type);
	return json;
}

uint32_t query_prepared_column_type(struct query_prepared *prepared, size_t column)
{
	duckdb_type type = duckdb_prepared_statement_column_type(prepared->duckdb, column);
	return type == DUCKDB_TYPE_VARCHAR && is_json(prepared, column) ? QUERY_TYPE_JSON : oid_of(type);
}

bool query_prepared_column_readable(struct query_prepared *prepared, size_t column)
{
	return is_readable(duckdb_prepared_statement_column_type(prepared->duckdb, column));
}

pyr_result query_prepared_bind(struct query_prepared *prepared, size_t number, struct base_bytes text,
                               struct query_error *error)
{
	duckdb_state state =
		text.data ? duckdb_bind_varchar_length(prepared->duckdb, number, (const char *)text.data, text.bytes)
			  : duckdb_bind_null(prepared->duckdb, number);
	return state == DuckDBSuccess ? pyr_ok() : query_fail_engine(error, duckdb_prepare_error(prepared->duckdb));
}

/* ---- results ---- */

static void note_columns(struct query_result *result)
{
	for (size_t i = 0; i < result->column_count; i++) {
		duckdb_logical_type type = duckdb_column_logical_type(&result->duckdb, i);
		result->columns[i].type = duckdb_get_type_id(type);
		if (result->columns[i].type == DUCKDB_TYPE_DECIMAL) {
			result->columns[i].decimal = duckdb_decimal_internal_type(type);
			result->columns[i].scale = duckdb_decimal_scale(type);
		}
		duckdb_destroy_logical_type(&type);
	}
}

/* Making the result pending clears an interrupt, so whoever cancels first sets the run's flag and then interrupts, and
 * we look at the flag once it is pending: neither order loses it. */
static pyr_result start(struct query_prepared *prepared, duckdb_result *ret_result, struct query_error *error)
{
	duckdb_pending_result pending;
	pyr_result result = pyr_ok();
	if (duckdb_pending_prepared_streaming(prepared->duckdb, &pending) != DuckDBSuccess) {
		result = query_fail_engine(error, duckdb_pending_error(pending));
	} else if (atomic_load(&prepared->run->cancelled)) {
		result = query_fail(error, "57014", "canceling statement due to user request");
	} else if (duckdb_execute_pending(pending, ret_result) != DuckDBSuccess) {
		result = query_fail_engine(error, duckdb_result_error(ret_result));
		duckdb_destroy_result(ret_result);
	}
	duckdb_destroy_pending(&pending);
	return result;
}

pyr_result query_result_new(struct query_prepared *prepared, struct query_result **ret_result,
                            struct query_error *error)
{
	duckdb_result started;
	PYR_TRY(start(prepared, &started, error));
	size_t count = duckdb_column_count(&started);
	struct query_result *result = calloc(1, sizeof *result + count * sizeof result->columns[0]);
	if (!result) {
		duckdb_destroy_result(&started);
		return query_fail_memory(error);
	}
	result->duckdb = started;
	result->column_count = count;
	note_columns(result);
	*ret_result = result;
	return pyr_ok();
}

void query_result_free(struct query_result *result)
{
	if (!result)
		return;
	duckdb_destroy_data_chunk(&result->chunk);
	duckdb_destroy_result(&result->duckdb);
	free(result);
}

pyr_result query_result_next(struct query_result *result, size_t *ret_rows, struct query_error *error)
{
	duckdb_destroy_data_chunk(&result->chunk);
	result->chunk = duckdb_fetch_chunk(result->duckdb);
	if (!result->chunk) {
		const char *message = duckdb_result_error(&result->duckdb);
		if (message && *message)
			return query_fail_engine(error, message);
		*ret_rows = 0;
		return pyr_ok();
	}
	for (size_t i = 0; i < result->column_count; i++) {
		duckdb_vector vector = duckdb_data_chunk_get_vector(result->chunk, i);
		result->columns[i].data = duckdb_vector_get_data(vector);
		result->columns[i].validity = duckdb_vector_get_validity(vector);
	}
	*ret_rows = duckdb_data_chunk_get_size(result->chunk);
	return pyr_ok();
}

static struct query_cell integer_cell(enum query_cell_kind kind, int64_t value)
{
	return (struct query_cell){.kind = kind, .integer = value};
}

static struct query_cell wide_cell(int64_t upper, uint64_t lower, uint8_t scale)
{
	return (struct query_cell){.kind = QUERY_CELL_DECIMAL, .integer = upper, .lower = lower, .scale = scale};
}

static struct query_cell decimal_cell(const struct result_column *column, size_t row)
{
	int64_t value = 0;
	switch (column->decimal) {
	case DUCKDB_TYPE_SMALLINT:
		value = ((const int16_t *)column->data)[row];
		break;
	case DUCKDB_TYPE_INTEGER:
		value = ((const int32_t *)column->data)[row];
		break;
	case DUCKDB_TYPE_BIGINT:
		value = ((const int64_t *)column->data)[row];
		break;
	default: {
		const duckdb_hugeint *huge = (const duckdb_hugeint *)column->data + row;
		return wide_cell(huge->upper, huge->lower, column->scale);
	}
	}
	return wide_cell(value < 0 ? -1 : 0, (uint64_t)value, column->scale);
}

static struct query_cell bytes_cell(enum query_cell_kind kind, const struct result_column *column, size_t row)
{
	duckdb_string_t *string = (duckdb_string_t *)(uintptr_t)column->data + row;
	return (struct query_cell){
		.kind = kind,
		.bytes = {(const uint8_t *)duckdb_string_t_data(string), duckdb_string_t_length(*string)},
	};
}

static struct query_cell real_cell(enum query_cell_kind kind, double value)
{
	return (struct query_cell){.kind = kind, .real = value};
}

struct query_cell query_result_cell(struct query_result *result, size_t row, size_t index)
{
	const struct result_column *column = &result->columns[index];
	assert(index < result->column_count);
	if (column->validity && !duckdb_validity_row_is_valid(column->validity, row))
		return (struct query_cell){.kind = QUERY_CELL_NULL};
	switch (column->type) {
	case DUCKDB_TYPE_BOOLEAN:
		return integer_cell(QUERY_CELL_BOOL, ((const bool *)column->data)[row]);
	case DUCKDB_TYPE_TINYINT:
		return integer_cell(QUERY_CELL_INTEGER, ((const int8_t *)column->data)[row]);
	case DUCKDB_TYPE_UTINYINT:
		return integer_cell(QUERY_CELL_INTEGER, ((const uint8_t *)column->data)[row]);
	case DUCKDB_TYPE_SMALLINT:
		return integer_cell(QUERY_CELL_INTEGER, ((const int16_t *)column->data)[row]);
	case DUCKDB_TYPE_USMALLINT:
		return integer_cell(QUERY_CELL_INTEGER, ((const uint16_t *)column->data)[row]);
	case DUCKDB_TYPE_INTEGER:
		return integer_cell(QUERY_CELL_INTEGER, ((const int32_t *)column->data)[row]);
	case DUCKDB_TYPE_UINTEGER:
		return integer_cell(QUERY_CELL_INTEGER, ((const uint32_t *)column->data)[row]);
	case DUCKDB_TYPE_BIGINT:
		return integer_cell(QUERY_CELL_INTEGER, ((const int64_t *)column->data)[row]);
	case DUCKDB_TYPE_UBIGINT:
		return wide_cell(0, ((const uint64_t *)column->data)[row], 0);
	case DUCKDB_TYPE_HUGEINT:
		return wide_cell(((const duckdb_hugeint *)column->data)[row].upper,
		                 ((const duckdb_hugeint *)column->data)[row].lower, 0);
	case DUCKDB_TYPE_DECIMAL:
		return decimal_cell(column, row);
	case DUCKDB_TYPE_FLOAT:
		return real_cell(QUERY_CELL_FLOAT4, (double)((const float *)column->data)[row]);
	case DUCKDB_TYPE_DOUBLE:
		return real_cell(QUERY_CELL_FLOAT8, ((const double *)column->data)[row]);
	case DUCKDB_TYPE_DATE:
		return integer_cell(QUERY_CELL_DATE, ((const int32_t *)column->data)[row]);
	case DUCKDB_TYPE_TIME:
		return integer_cell(QUERY_CELL_TIME, ((const int64_t *)column->data)[row]);
	case DUCKDB_TYPE_TIMESTAMP:
		return integer_cell(QUERY_CELL_TIMESTAMP, ((const int64_t *)column->data)[row]);
	case DUCKDB_TYPE_TIMESTAMP_TZ:
		return integer_cell(QUERY_CELL_TIMESTAMPTZ, ((const int64_t *)column->data)[row]);
	case DUCKDB_TYPE_BLOB:
		return bytes_cell(QUERY_CELL_BYTES, column, row);
	case DUCKDB_TYPE_VARCHAR:
		return bytes_cell(QUERY_CELL_TEXT, column, row);
	default:
		return (struct query_cell){.kind = QUERY_CELL_NULL};
	}
}

static pyr_result read_integers(struct query_prepared *prepared, size_t count, int64_t *ret_values, bool *ret_missing,
                                struct query_error *error)
{
	struct query_result *result = NULL;
	size_t rows = 0;
	PYR_TRY(query_result_new(prepared, &result, error));
	assert(result);
	pyr_result read = query_result_next(result, &rows, error);
	for (size_t i = 0; i < count && read.code == PYR_OK; i++) {
		struct query_cell cell = {.kind = QUERY_CELL_NULL};
		if (rows > 0 && i < result->column_count)
			cell = query_result_cell(result, 0, i);
		ret_values[i] = cell.integer;
		ret_missing[i] = cell.kind == QUERY_CELL_NULL;
	}
	query_result_free(result);
	return read;
}

pyr_result query_connection_integers(struct query_connection *connection, const char *sql, size_t count,
                                     int64_t *ret_values, bool *ret_missing, struct query_error *error)
{
	struct query_prepared *prepared = NULL;
	PYR_TRY(query_prepared_new(connection, sql, &prepared, error));
	assert(prepared);
	pyr_result result = read_integers(prepared, count, ret_values, ret_missing, error);
	query_prepared_free(prepared);
	return result;
}
