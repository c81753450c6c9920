/* What the engine's results are made of: types as PostgreSQL's object ids, chunks, cells.
 *
 * Invariant: a cell points into its chunk and lives as long. Failure modes: a type that has no counterpart reads as not
 * readable, and the session casts it to text. A result belongs to its session's thread.
 */
#include "query/engine_duckdb.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct query_column_data {
	duckdb_type type;
	duckdb_type decimal; /* how it is stored */
	uint8_t scale;
	bool unscaled; /* numeric was written without one */
	const void *data; /* of the chunk */
	uint64_t *validity;
	struct query_column_data *child; /* of a list: its elements */
};

struct query_result {
	const struct query_run *run;
	duckdb_result duckdb;
	duckdb_data_chunk chunk;
	size_t column_count;
	struct query_column_data columns[];
};

/* ---- types ---- */

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
		return QUERY_TYPE_OID;
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

/* JSON is a VARCHAR with an alias. */
static bool is_json(duckdb_logical_type type)
{
	char *alias = type ? duckdb_logical_type_get_alias(type) : NULL;
	bool json = alias && strcasecmp(alias, "json") == 0;
	duckdb_free(alias);
	return json;
}

/* A list within a list has the type of one: so are PostgreSQL's arrays. */
static uint32_t oid_of_logical(duckdb_logical_type type)
{
	duckdb_type id = type ? duckdb_get_type_id(type) : DUCKDB_TYPE_INVALID;
	if (id == DUCKDB_TYPE_VARCHAR)
		return is_json(type) ? QUERY_TYPE_JSON : QUERY_TYPE_TEXT;
	if (id != DUCKDB_TYPE_LIST)
		return oid_of(id);
	duckdb_logical_type child = duckdb_list_type_child_type(type);
	uint32_t element = oid_of_logical(child);
	duckdb_destroy_logical_type(&child);
	return query_type_element_of(element) ? element : query_type_array_of(element);
}

static bool is_readable(duckdb_logical_type type)
{
	duckdb_type id = type ? duckdb_get_type_id(type) : DUCKDB_TYPE_INVALID;
	if (id == DUCKDB_TYPE_LIST) {
		duckdb_logical_type child = duckdb_list_type_child_type(type);
		bool readable = is_readable(child);
		duckdb_destroy_logical_type(&child);
		return readable;
	}
	return id == DUCKDB_TYPE_VARCHAR || id == DUCKDB_TYPE_SQLNULL || oid_of(id) != QUERY_TYPE_TEXT;
}

static bool is_known(duckdb_type type)
{
	return type != DUCKDB_TYPE_INVALID && type != DUCKDB_TYPE_ANY && type != DUCKDB_TYPE_SQLNULL;
}

uint32_t query_prepared_parameter_type(struct query_prepared *prepared, size_t number)
{
	duckdb_logical_type type = duckdb_param_logical_type(prepared->duckdb, number);
	bool known = type && is_known(duckdb_get_type_id(type));
	uint32_t oid = known ? oid_of_logical(type) : QUERY_TYPE_UNKNOWN;
	duckdb_destroy_logical_type(&type);
	return oid;
}

bool query_prepared_is_resolved(struct query_prepared *prepared)
{
	return duckdb_prepared_statement_column_count(prepared->duckdb) != 1 ||
	       duckdb_prepared_statement_column_type(prepared->duckdb, 0) != DUCKDB_TYPE_INVALID;
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

uint32_t query_prepared_column_type(struct query_prepared *prepared, size_t column)
{
	duckdb_logical_type type = duckdb_prepared_statement_column_logical_type(prepared->duckdb, column);
	uint32_t oid = oid_of_logical(type);
	duckdb_destroy_logical_type(&type);
	return oid;
}

bool query_prepared_column_readable(struct query_prepared *prepared, size_t column)
{
	duckdb_logical_type type = duckdb_prepared_statement_column_logical_type(prepared->duckdb, column);
	bool readable = is_readable(type);
	duckdb_destroy_logical_type(&type);
	return readable;
}

/* ---- results ---- */

static bool note_column(struct query_column_data *column, duckdb_logical_type type, int numeric_scale)
{
	column->type = duckdb_get_type_id(type);
	if (column->type == DUCKDB_TYPE_DECIMAL) {
		column->decimal = duckdb_decimal_internal_type(type);
		column->scale = duckdb_decimal_scale(type);
		column->unscaled = column->scale == numeric_scale;
	}
	if (column->type != DUCKDB_TYPE_LIST)
		return true;
	column->child = calloc(1, sizeof *column->child);
	duckdb_logical_type child = duckdb_list_type_child_type(type);
	bool good = column->child && note_column(column->child, child, numeric_scale);
	duckdb_destroy_logical_type(&child);
	return good;
}

static bool note_columns(struct query_result *result, int numeric_scale)
{
	bool good = true;
	for (size_t i = 0; i < result->column_count && good; i++) {
		duckdb_logical_type type = duckdb_column_logical_type(&result->duckdb, i);
		good = note_column(&result->columns[i], type, numeric_scale);
		duckdb_destroy_logical_type(&type);
	}
	return good;
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
	result->run = prepared->run;
	result->duckdb = started;
	result->column_count = count;
	if (!note_columns(result, prepared->numeric_scale)) {
		query_result_free(result);
		return query_fail_memory(error);
	}
	*ret_result = result;
	return pyr_ok();
}

void query_result_free(struct query_result *result)
{
	if (!result)
		return;
	for (size_t i = 0; i < result->column_count; i++)
		for (struct query_column_data *child = result->columns[i].child, *next; child; child = next) {
			next = child->child;
			free(child);
		}
	duckdb_destroy_data_chunk(&result->chunk);
	duckdb_destroy_result(&result->duckdb);
	free(result);
}

static void look_at(struct query_column_data *column, duckdb_vector vector)
{
	column->data = duckdb_vector_get_data(vector);
	column->validity = duckdb_vector_get_validity(vector);
	if (column->child)
		look_at(column->child, duckdb_list_vector_get_child(vector));
}

pyr_result query_result_next(struct query_result *result, size_t *ret_rows, struct query_error *error)
{
	duckdb_destroy_data_chunk(&result->chunk);
	result->chunk = duckdb_fetch_chunk(result->duckdb);
	if (!result->chunk) {
		const char *message = duckdb_result_error(&result->duckdb);
		if (message && *message)
			return query_fail_engine(error, message);
		/* An interrupt may close the result without an error: its rows are not all, and its tasks may still run. */
		if (atomic_load(&result->run->cancelled))
			return query_fail(error, "57014", "canceling statement due to user request");
		*ret_rows = 0;
		return pyr_ok();
	}
	for (size_t i = 0; i < result->column_count; i++)
		look_at(&result->columns[i], duckdb_data_chunk_get_vector(result->chunk, i));
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

/* A numeric without a scale is kept with one, whose zeros are not shown. */
static struct query_cell numeric_cell(__int128 value, uint8_t scale, bool unscaled)
{
	while (unscaled && scale > 0 && value % 10 == 0) {
		value /= 10;
		scale -= 1;
	}
	return wide_cell((int64_t)(value >> 64), (uint64_t)value, scale);
}

struct query_cell query_cell_numeric(__int128 value, uint8_t scale)
{
	return numeric_cell(value, scale, scale == QUERY_NUMERIC_SCALE);
}

static struct query_cell decimal_cell(const struct query_column_data *column, size_t row)
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
		__int128 wide = (__int128)((unsigned __int128)(uint64_t)huge->upper << 64 | huge->lower);
		return numeric_cell(wide, column->scale, column->unscaled);
	}
	}
	return numeric_cell(value, column->scale, column->unscaled);
}

static struct query_cell bytes_cell(enum query_cell_kind kind, const struct query_column_data *column, size_t row)
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

static struct query_cell interval_cell(const struct query_column_data *column, size_t row)
{
	const duckdb_interval *interval = (const duckdb_interval *)column->data + row;
	struct query_cell cell = {.kind = QUERY_CELL_INTERVAL, .integer = interval->micros};
	cell.months = interval->months;
	cell.days = interval->days;
	return cell;
}

/* The engine turns the highest bit, so that its numbers have the order of the texts. */
static struct query_cell uuid_cell(const struct query_column_data *column, size_t row)
{
	const duckdb_hugeint *huge = (const duckdb_hugeint *)column->data + row;
	return (struct query_cell){.kind = QUERY_CELL_UUID, .integer = huge->upper ^ INT64_MIN, .lower = huge->lower};
}

static struct query_cell list_cell(const struct query_column_data *column, size_t row)
{
	const duckdb_list_entry *entry = (const duckdb_list_entry *)column->data + row;
	return (struct query_cell){
		.kind = QUERY_CELL_LIST, .elements = column->child, .first = entry->offset, .count = entry->length};
}

static struct query_cell cell_of(const struct query_column_data *column, size_t row)
{
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
	case DUCKDB_TYPE_INTERVAL:
		return interval_cell(column, row);
	case DUCKDB_TYPE_UUID:
		return uuid_cell(column, row);
	case DUCKDB_TYPE_LIST:
		return list_cell(column, row);
	case DUCKDB_TYPE_BLOB:
		return bytes_cell(QUERY_CELL_BYTES, column, row);
	case DUCKDB_TYPE_VARCHAR:
		return bytes_cell(QUERY_CELL_TEXT, column, row);
	default:
		return (struct query_cell){.kind = QUERY_CELL_NULL};
	}
}

struct query_cell query_result_cell(struct query_result *result, size_t row, size_t index)
{
	assert(index < result->column_count);
	return cell_of(&result->columns[index], row);
}

struct query_cell query_cell_element(const struct query_cell *list, size_t i)
{
	assert(list->kind == QUERY_CELL_LIST && i < list->count);
	return cell_of(list->elements, list->first + i);
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
