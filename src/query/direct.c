/* Rows read straight from a topic's scan, for statements that plan_direct.c found simple (see direct.h).
 *
 * Invariants: conditions are the bounds of the one scan, and every operand is a plain number, so the bounds say exactly which
 * rows there are; a cell lives until the next call of query_direct_next(). Failure modes: the scan's. A session's thread.
 */
#include "query/direct.h"

#include "codec/arena.h"
#include "query/fields.h"
#include "query/session_priv.h"
#include "query/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_ROWS = 128, TEXT_BYTES_MAX = 64 << 20, CHUNK_BYTES_MAX = 256 << 20 };

/* Declared columns of the statement, with the paths of their fields; the i-th is `columns[i]` of the plan's. */
struct declared {
	struct column_json_paths *paths; /* NULL: none */
	struct query_field_column columns[QUERY_DIRECT_COLUMNS_MAX]; /* names and paths are borrowed from the plan */
	size_t places[QUERY_DIRECT_COLUMNS_MAX]; /* among the plan's columns */
	size_t count;
};

/* One run. */
struct query_direct {
	const struct query_direct_plan *plan;
	const struct query_scan_request *request;
	struct column_reader *reader;
	size_t unit, unit_count; /* the next, and how many there are */
	bool in_unit;
	uint64_t left; /* rows still to be given, at most */
	size_t row; /* the next of `rows` */
	struct declared declared;
	struct codec_arena arena; /* texts of the cells that are not the scan's own */
	struct base_writer scratch;
	struct query_cell *cells; /* CHUNK_ROWS times the plan's columns */
	struct column_rows rows;
};

/* ---- operands ---- */

static bool fits(uint32_t type, int64_t number)
{
	if (type == QUERY_TYPE_INT2)
		return number >= INT16_MIN && number <= INT16_MAX;
	return type != QUERY_TYPE_INT4 || (number >= INT32_MIN && number <= INT32_MAX);
}

/* What else the engine would take for a number, or refuse, it is asked. */
static bool number_of_parameter(struct base_bytes text, uint32_t type, int64_t *ret_number)
{
	bool negative = text.data && text.bytes > 0 && text.data[0] == '-';
	int64_t number = 0;
	if (!text.data || text.bytes == (size_t)negative || text.bytes > 18)
		return false;
	for (size_t i = negative; i < text.bytes; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		number = number * 10 + (text.data[i] - '0');
	}
	*ret_number = negative ? -number : number;
	return fits(type, *ret_number);
}

static bool number_of(const struct query_statement *statement, json_t *node, const struct base_bytes *parameters,
                      size_t count, int64_t *ret_number)
{
	json_t *constant = json_object_get(node, "A_Const");
	if (constant)
		return query_operand_constant(&statement->script->parse, constant, ret_number);
	size_t i = (size_t)json_integer_value(json_object_get(json_object_get(node, "ParamRef"), "number")) - 1;
	return i < count && number_of_parameter(parameters[i], statement->parameter_types[i], ret_number);
}

static bool is_on(const struct query_statement *statement)
{
	char value[QUERY_SETTING_MAX];
	return query_settings_get(statement->session->settings, "pyralog.direct_reads", value) &&
	       strcmp(value, "on") == 0;
}

bool query_direct_suits(const struct query_statement *statement, const struct base_bytes *parameters, size_t count)
{
	const struct query_plan *plan = statement->plan;
	int64_t number = 0;
	if (!plan->direct)
		return false;
	for (size_t i = 0; i < plan->bound_count; i++)
		if (!number_of(statement, plan->bounds[i].operand, parameters, count, &number))
			return false;
	if (plan->direct->limit &&
	    (!number_of(statement, plan->direct->limit, parameters, count, &number) || number < 0))
		return false;
	return is_on(statement);
}

/* ---- beginning ---- */

static bool is_little(const struct query_scan_request *request, uint64_t limit)
{
	struct column_scan_statistics found;
	if (limit <= QUERY_DIRECT_LIMIT_MAX)
		return true;
	found = column_scan_statistics_get(request->scan);
	return column_scan_row_estimate(request->scan) <= QUERY_DIRECT_ROWS_MAX &&
	       found.sealed_bytes + found.hot_bytes <= QUERY_DIRECT_BYTES_MAX;
}

/* How many rows there can be: of one partition no more than it has offsets in the bounds. */
static uint64_t rows_max(const struct column_bounds *bounds, uint64_t limit)
{
	if (bounds->offset_max < bounds->offset_min || bounds->partition_max < bounds->partition_min)
		return 0;
	if (bounds->partition_min != bounds->partition_max || bounds->offset_min < 0)
		return limit;
	uint64_t span = (uint64_t)(bounds->offset_max - bounds->offset_min);
	return span < limit ? span + 1 : limit;
}

static bool find_declared(struct query_direct *direct, const struct catalog_columns *columns, struct pyr_error *error)
{
	struct declared *declared = &direct->declared;
	const char *paths[QUERY_DIRECT_COLUMNS_MAX];
	for (size_t i = 0; i < direct->plan->column_count; i++) {
		const struct query_direct_column *column = &direct->plan->columns[i];
		if (column->source < QUERY_DIRECT_DECLARED)
			continue;
		struct catalog_column *from = &columns->list[column->source - QUERY_DIRECT_DECLARED];
		struct query_field_column *to = &declared->columns[declared->count];
		*to = (struct query_field_column){.name = from->name, .path = from->path, .oid = from->type};
		if (!query_field_type(from->type, from->modifier, &to->type))
			return false;
		paths[declared->count] = from->path;
		declared->places[declared->count++] = i;
	}
	return declared->count == 0 ||
	       column_json_paths_new(paths, declared->count, &declared->paths, error).code == PYR_OK;
}

static struct query_direct *direct_new(const struct query_statement *statement)
{
	struct query_direct *direct =
		malloc(sizeof *direct); /* its rows are large, and are written before they are read */
	struct pyr_error error;
	const struct query_direct_plan *plan = statement->plan->direct;
	if (!direct)
		return NULL;
	memset(direct, 0, offsetof(struct query_direct, rows));
	direct->rows.count = 0;
	direct->plan = plan;
	direct->request = &statement->requests[0];
	direct->unit_count = column_scan_unit_count(direct->request->scan);
	codec_arena_init(&direct->arena, CHUNK_BYTES_MAX);
	base_writer_init(&direct->scratch, TEXT_BYTES_MAX);
	direct->cells = malloc(CHUNK_ROWS * plan->column_count * sizeof *direct->cells);
	if (direct->cells && find_declared(direct, statement->plan->scans[0].columns, &error) &&
	    column_reader_new(direct->request->scan,
	                      COLUMN_OFFSET | COLUMN_PARTITION | COLUMN_TIMESTAMP | COLUMN_KEY | COLUMN_VALUE |
	                              COLUMN_HEADERS,
	                      &direct->reader)
	                    .code == PYR_OK)
		return direct;
	query_direct_free(direct);
	return NULL;
}

void query_direct_free(struct query_direct *direct)
{
	if (!direct)
		return;
	column_reader_free(direct->reader);
	column_json_paths_free(direct->declared.paths);
	codec_arena_deinit(&direct->arena);
	base_writer_deinit(&direct->scratch);
	free(direct->cells);
	free(direct);
}

static bool fits_under(const struct query_statement *statement, const struct base_bytes *parameters, size_t count,
                       int64_t *ret_limit)
{
	const struct query_direct_plan *plan = statement->plan->direct;
	const struct query_scan_request *request = &statement->requests[0];
	const struct column_bounds *bounds = &request->bounds;
	*ret_limit = INT64_MAX;
	if (plan->limit && !number_of(statement, plan->limit, parameters, count, ret_limit))
		return false;
	return (!plan->ordered || bounds->partition_min == bounds->partition_max) &&
	       is_little(request, (uint64_t)*ret_limit);
}

bool query_direct_fits(const struct query_statement *statement, const struct base_bytes *parameters, size_t count)
{
	int64_t limit;
	return fits_under(statement, parameters, count, &limit);
}

pyr_result query_direct_begin(struct query_statement *statement, const struct base_bytes *parameters, size_t count,
                              bool *ret_begun, struct query_error *error)
{
	const struct column_bounds *bounds = &statement->requests[0].bounds;
	int64_t limit;
	*ret_begun = false;
	if (!fits_under(statement, parameters, count, &limit))
		return pyr_ok();
	assert(!statement->direct);
	statement->direct = direct_new(statement);
	if (!statement->direct)
		return query_fail_memory(error);
	statement->direct->left = rows_max(bounds, (uint64_t)limit);
	statement->session->statistics.direct_reads += 1;
	*ret_begun = true;
	return pyr_ok();
}

void query_direct_end(struct query_statement *statement)
{
	query_direct_free(statement->direct);
	statement->direct = NULL;
}

/* ---- cells ---- */

/* A copy of what was written to the scratch, which is empty again. */
static bool take_text(struct query_direct *direct, struct query_cell *cell)
{
	size_t bytes = direct->scratch.bytes;
	uint8_t *copy = direct->scratch.failed ? NULL : codec_arena_alloc(&direct->arena, bytes + 1, 1);
	if (copy && bytes > 0)
		memcpy(copy, direct->scratch.buffer->data, bytes);
	direct->scratch.bytes = 0;
	*cell = (struct query_cell){.kind = QUERY_CELL_TEXT, .bytes = {copy, bytes}};
	return copy;
}

static bool make_text(struct query_direct *direct, struct base_bytes bytes, struct query_cell *cell)
{
	*cell = (struct query_cell){.kind = bytes.data ? QUERY_CELL_TEXT : QUERY_CELL_NULL, .bytes = bytes};
	if (!bytes.data || query_text_is_valid(bytes.data, bytes.bytes))
		return true;
	query_text_write_hex(&direct->scratch, bytes.data, bytes.bytes);
	return take_text(direct, cell);
}

static struct query_cell integer_cell(enum query_cell_kind kind, int64_t value)
{
	return (struct query_cell){.kind = kind, .integer = value};
}

static bool make_own(struct query_direct *direct, unsigned source, size_t row, struct query_cell *cell)
{
	const struct column_rows *rows = &direct->rows;
	struct base_bytes bytes = source == QUERY_DIRECT_KEY_BYTES ? rows->key[row] : rows->value[row];
	switch (source) {
	case QUERY_DIRECT_OFFSET:
		return *cell = integer_cell(QUERY_CELL_INTEGER, rows->offset[row]), true;
	case QUERY_DIRECT_PARTITION:
		return *cell = integer_cell(QUERY_CELL_INTEGER, rows->partition[row]), true;
	case QUERY_DIRECT_TIMESTAMP:
		*cell = query_timestamp_is_shown(rows->timestamp_ms[row])
		                ? integer_cell(QUERY_CELL_TIMESTAMPTZ, rows->timestamp_ms[row] * 1000)
		                : integer_cell(QUERY_CELL_NULL, 0);
		return true;
	case QUERY_DIRECT_KEY:
		return make_text(direct, rows->key[row], cell);
	case QUERY_DIRECT_VALUE:
		return make_text(direct, rows->value[row], cell);
	case QUERY_DIRECT_HEADERS:
		query_text_write_headers(&direct->scratch, rows->headers[row], rows->header_count[row]);
		return take_text(direct, cell);
	default:
		*cell = (struct query_cell){.kind = bytes.data ? QUERY_CELL_BYTES : QUERY_CELL_NULL, .bytes = bytes};
		return true;
	}
}

static struct query_cell wide_cell(enum query_cell_kind kind, __int128 value)
{
	return (struct query_cell){.kind = kind, .integer = (int64_t)(value >> 64), .lower = (uint64_t)value};
}

static struct query_cell field_cell(struct column_field_type type, const union column_field_value *value)
{
	static const enum query_cell_kind kinds[] = {
		[COLUMN_TYPE_BOOL] = QUERY_CELL_BOOL,
		[COLUMN_TYPE_INT2] = QUERY_CELL_INTEGER,
		[COLUMN_TYPE_INT4] = QUERY_CELL_INTEGER,
		[COLUMN_TYPE_INT8] = QUERY_CELL_INTEGER,
		[COLUMN_TYPE_FLOAT4] = QUERY_CELL_FLOAT4,
		[COLUMN_TYPE_FLOAT8] = QUERY_CELL_FLOAT8,
		[COLUMN_TYPE_NUMERIC] = QUERY_CELL_DECIMAL,
		[COLUMN_TYPE_TEXT] = QUERY_CELL_TEXT,
		[COLUMN_TYPE_JSON] = QUERY_CELL_TEXT,
		[COLUMN_TYPE_DATE] = QUERY_CELL_DATE,
		[COLUMN_TYPE_TIME] = QUERY_CELL_TIME,
		[COLUMN_TYPE_TIMESTAMP] = QUERY_CELL_TIMESTAMP,
		[COLUMN_TYPE_TIMESTAMPTZ] = QUERY_CELL_TIMESTAMPTZ,
		[COLUMN_TYPE_UUID] = QUERY_CELL_UUID,
	};
	switch (type.type) {
	case COLUMN_TYPE_BOOL:
		return integer_cell(QUERY_CELL_BOOL, value->boolean);
	case COLUMN_TYPE_FLOAT4:
		return (struct query_cell){.kind = QUERY_CELL_FLOAT4, .real = (double)(float)value->real};
	case COLUMN_TYPE_FLOAT8:
		return (struct query_cell){.kind = QUERY_CELL_FLOAT8, .real = value->real};
	case COLUMN_TYPE_NUMERIC:
		return query_cell_numeric(value->wide, type.scale);
	case COLUMN_TYPE_UUID:
		return wide_cell(QUERY_CELL_UUID, value->wide);
	default:
		return integer_cell(kinds[type.type], value->integer);
	}
}

/* One field; text may stand in the scratch, which is used again for the next. */
static bool make_field(struct query_direct *direct, const struct query_field_column *column,
                       const struct column_json *found, struct query_cell *cell)
{
	union column_field_value value;
	*cell = (struct query_cell){.kind = QUERY_CELL_NULL};
	if (query_field_convert(column, found, &direct->scratch, &value) != COLUMN_FIT) {
		direct->scratch.bytes = 0;
		return !direct->scratch.failed;
	}
	if (column->type.type != COLUMN_TYPE_TEXT && column->type.type != COLUMN_TYPE_JSON) {
		*cell = field_cell(column->type, &value);
		direct->scratch.bytes = 0;
		return !direct->scratch.failed;
	}
	uint8_t *copy = codec_arena_alloc(&direct->arena, value.text.bytes + 1, 1);
	if (copy && value.text.bytes > 0)
		memcpy(copy, value.text.data, value.text.bytes);
	direct->scratch.bytes = 0;
	*cell = (struct query_cell){.kind = QUERY_CELL_TEXT, .bytes = {copy, value.text.bytes}};
	return copy && !direct->scratch.failed;
}

static bool make_row(struct query_direct *direct, size_t row, struct query_cell *cells)
{
	const struct declared *declared = &direct->declared;
	struct column_json found[QUERY_DIRECT_COLUMNS_MAX];
	for (size_t i = 0; i < direct->plan->column_count; i++) {
		unsigned source = direct->plan->columns[i].source;
		if (source < QUERY_DIRECT_DECLARED && !make_own(direct, source, row, &cells[i]))
			return false;
	}
	if (declared->count > 0) /* what is no JSON has no fields */
		(void)column_json_find(declared->paths, direct->rows.value[row], found);
	for (size_t i = 0; i < declared->count; i++)
		if (!make_field(direct, &declared->columns[i], &found[i], &cells[declared->places[i]]))
			return false;
	return true;
}

/* ---- reading ---- */

static bool is_wanted(const struct query_direct *direct, size_t row)
{
	const struct column_bounds *bounds = &direct->request->bounds;
	int64_t offset = direct->rows.offset[row], partition = direct->rows.partition[row];
	return offset >= bounds->offset_min && offset <= bounds->offset_max && partition >= bounds->partition_min &&
	       partition <= bounds->partition_max;
}

/* The next rows of the scan; none: it is over. */
static pyr_result read_rows(struct query_direct *direct, struct query_run *run, struct query_error *error)
{
	struct pyr_error below = {0};
	pyr_result result = pyr_ok();
	direct->row = direct->rows.count = 0;
	while (result.code == PYR_OK && direct->rows.count == 0) {
		if (atomic_load(&run->cancelled))
			return query_fail(error, "57014", "canceling statement due to user request");
		if (!direct->in_unit && direct->unit == direct->unit_count)
			return pyr_ok();
		if (!direct->in_unit)
			result = column_reader_seek(direct->reader, direct->unit++, &below);
		direct->in_unit = true;
		if (result.code == PYR_OK)
			result = column_reader_next(direct->reader, &direct->rows, &below);
		direct->in_unit = direct->rows.count > 0;
	}
	atomic_fetch_add(&run->rows_read, direct->rows.count);
	if (result.code == PYR_OUT_OF_MEMORY)
		return query_fail_memory(error);
	return result.code == PYR_OK ? result : query_fail_below(error, &below);
}

pyr_result query_direct_next(struct query_statement *statement, size_t *ret_rows, struct query_error *error)
{
	struct query_direct *direct = statement->direct;
	size_t count = 0;
	codec_arena_deinit(&direct->arena);
	codec_arena_init(&direct->arena, CHUNK_BYTES_MAX);
	while (count == 0 && direct->left > 0) {
		if (direct->row == direct->rows.count)
			PYR_TRY(read_rows(direct, &statement->session->run, error));
		if (direct->rows.count == 0)
			break;
		for (; direct->row < direct->rows.count && count < CHUNK_ROWS && direct->left > 0; direct->row++) {
			if (!is_wanted(direct, direct->row))
				continue;
			if (!make_row(direct, direct->row, &direct->cells[count * direct->plan->column_count]))
				return query_fail_memory(error);
			count += 1;
			direct->left -= 1;
		}
	}
	*ret_rows = count;
	return pyr_ok();
}

struct query_cell query_direct_cell(const struct query_statement *statement, size_t row, size_t column)
{
	const struct query_direct *direct = statement->direct;
	assert(row < CHUNK_ROWS && column < direct->plan->column_count);
	return direct->cells[row * direct->plan->column_count + column];
}
