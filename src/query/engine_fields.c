/* Fills the engine's vectors with declared columns (see engine_fields.h).
 *
 * Each record's value is read once, whatever the number of columns. Invariant: a cell is filled or null; a value that does
 * not fit is null and counted. Threads: the engine's; a set is immutable once it is made.
 */
#include "query/engine_fields.h"

#include <assert.h>
#include <string.h>

static const duckdb_type engine_types[] = {
	[COLUMN_TYPE_BOOL] = DUCKDB_TYPE_BOOLEAN,
	[COLUMN_TYPE_INT2] = DUCKDB_TYPE_SMALLINT,
	[COLUMN_TYPE_INT4] = DUCKDB_TYPE_INTEGER,
	[COLUMN_TYPE_INT8] = DUCKDB_TYPE_BIGINT,
	[COLUMN_TYPE_FLOAT4] = DUCKDB_TYPE_FLOAT,
	[COLUMN_TYPE_FLOAT8] = DUCKDB_TYPE_DOUBLE,
	[COLUMN_TYPE_NUMERIC] = DUCKDB_TYPE_DECIMAL,
	[COLUMN_TYPE_TEXT] = DUCKDB_TYPE_VARCHAR,
	[COLUMN_TYPE_JSON] = DUCKDB_TYPE_VARCHAR,
	[COLUMN_TYPE_DATE] = DUCKDB_TYPE_DATE,
	[COLUMN_TYPE_TIME] = DUCKDB_TYPE_TIME,
	[COLUMN_TYPE_TIMESTAMP] = DUCKDB_TYPE_TIMESTAMP,
	[COLUMN_TYPE_TIMESTAMPTZ] = DUCKDB_TYPE_TIMESTAMP_TZ,
	[COLUMN_TYPE_UUID] = DUCKDB_TYPE_UUID,
};

duckdb_logical_type query_field_engine_type(const struct query_field_column *column)
{
	if (column->type.type == COLUMN_TYPE_NUMERIC)
		return duckdb_create_decimal_type(column->type.precision, column->type.scale);
	duckdb_logical_type type = duckdb_create_logical_type(engine_types[column->type.type]);
	if (column->type.type == COLUMN_TYPE_JSON)
		duckdb_logical_type_set_alias(type, "JSON");
	return type;
}

pyr_result query_field_set_init(struct query_field_set *set, struct pyr_error *error)
{
	const char *paths[COLUMN_JSON_PATHS_MAX];
	assert(set->count <= COLUMN_JSON_PATHS_MAX);
	for (size_t i = 0; i < set->count; i++)
		paths[i] = set->columns[i].path;
	return set->count > 0 ? column_json_paths_new(paths, set->count, &set->paths, error) : pyr_ok();
}

void query_field_set_deinit(struct query_field_set *set)
{
	column_json_paths_free(set->paths);
	set->paths = NULL;
}

/* ---- cells ---- */

static void set_null(duckdb_vector vector, size_t row)
{
	duckdb_vector_ensure_validity_writable(vector);
	duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

static void store_wide(void *data, size_t row, __int128 value)
{
	((duckdb_hugeint *)data)[row] = (duckdb_hugeint){(uint64_t)value, (int64_t)(value >> 64)};
}

/* A decimal is as wide as its precision needs. */
static void store_numeric(void *data, size_t row, int precision, __int128 value)
{
	if (precision <= 4)
		((int16_t *)data)[row] = (int16_t)value;
	else if (precision <= 9)
		((int32_t *)data)[row] = (int32_t)value;
	else if (precision <= 18)
		((int64_t *)data)[row] = (int64_t)value;
	else
		store_wide(data, row, value);
}

static void store(const struct query_field_column *column, duckdb_vector vector, size_t row,
                  const union column_field_value *value)
{
	void *data = duckdb_vector_get_data(vector);
	switch (column->type.type) {
	case COLUMN_TYPE_BOOL:
		((bool *)data)[row] = value->boolean;
		break;
	case COLUMN_TYPE_INT2:
		((int16_t *)data)[row] = (int16_t)value->integer;
		break;
	case COLUMN_TYPE_INT4:
	case COLUMN_TYPE_DATE:
		((int32_t *)data)[row] = (int32_t)value->integer;
		break;
	case COLUMN_TYPE_FLOAT4:
		((float *)data)[row] = (float)value->real;
		break;
	case COLUMN_TYPE_FLOAT8:
		((double *)data)[row] = value->real;
		break;
	case COLUMN_TYPE_NUMERIC:
		store_numeric(data, row, column->type.precision, value->wide);
		break;
	case COLUMN_TYPE_UUID: /* the engine turns the highest bit over, so that they sort as signed numbers */
		store_wide(data, row, (__int128)((unsigned __int128)value->wide ^ (unsigned __int128)1 << 127));
		break;
	case COLUMN_TYPE_TEXT:
	case COLUMN_TYPE_JSON:
		duckdb_vector_assign_string_element_len(vector, row, (const char *)value->text.data, value->text.bytes);
		break;
	default:
		((int64_t *)data)[row] = value->integer;
	}
}

static void fill_row(const struct query_field_set *set, const struct column_json *found, size_t row,
                     struct base_writer *scratch, const duckdb_vector *vectors, uint64_t *misfits)
{
	for (size_t i = 0; i < set->count; i++) {
		union column_field_value value;
		enum column_fit fit = query_field_convert(&set->columns[i], &found[i], scratch, &value);
		if (fit == COLUMN_FIT)
			store(&set->columns[i], vectors[i], row, &value);
		else
			set_null(vectors[i], row);
		*misfits += fit > COLUMN_FIT_NULL;
	}
}

bool query_field_set_fill(const struct query_field_set *set, const struct base_bytes *values, size_t count,
                          struct base_writer *scratch, duckdb_data_chunk chunk, uint64_t *misfits)
{
	struct column_json found[COLUMN_JSON_PATHS_MAX];
	duckdb_vector vectors[COLUMN_JSON_PATHS_MAX];
	for (size_t i = 0; i < set->count; i++)
		vectors[i] = duckdb_data_chunk_get_vector(chunk, set->vectors[i]);
	for (size_t row = 0; row < count && set->count > 0; row++) {
		/* What is no JSON has no fields. A null value has none either, but that is no misfit. */
		if (!column_json_find(set->paths, values[row], found) && values[row].data)
			*misfits += set->count;
		fill_row(set, found, row, scratch, vectors, misfits);
	}
	scratch->bytes = 0;
	return !scratch->failed;
}
