/* Values in PostgreSQL's binary formats (see values.h). Pure; any thread. */
#include "server/pg/values_priv.h"

#include "query/types.h"

#include <string.h>

/* numeric: groups of four decimal digits around the point: count, weight of the first, sign, digits behind the point. */
static void write_numeric(struct base_writer *writer, const struct query_cell *cell)
{
	uint8_t digits[PG_NUMERIC_DIGITS_MAX + 8] = {0};
	size_t shift = (4 - cell->scale % 4) % 4; /* zeros that make the fraction whole groups */
	size_t count = pg_decimal_digits(cell, digits + shift) + shift;
	size_t groups = count > shift ? (count + 3) / 4 : 0, fraction = (cell->scale + shift) / 4;
	uint16_t values[PG_NUMERIC_DIGITS_MAX / 4 + 2];
	for (size_t i = 0; i < groups; i++)
		values[groups - 1 - i] = (uint16_t)(digits[i * 4] + 10 * digits[i * 4 + 1] + 100 * digits[i * 4 + 2] +
		                                    1000 * digits[i * 4 + 3]);
	base_write_u32be(writer, (uint32_t)(8 + groups * 2));
	base_write_u16be(writer, (uint16_t)groups);
	base_write_u16be(writer, (uint16_t)((int)groups - 1 - (int)fraction));
	base_write_u16be(writer, cell->integer < 0 ? 0x4000 : 0);
	base_write_u16be(writer, cell->scale);
	for (size_t i = 0; i < groups; i++)
		base_write_u16be(writer, values[i]);
}

static void write_u32(struct base_writer *writer, uint32_t value)
{
	base_write_u32be(writer, 4);
	base_write_u32be(writer, value);
}

static void write_u64(struct base_writer *writer, uint64_t value)
{
	base_write_u32be(writer, 8);
	base_write_u64be(writer, value);
}

static void write_integer(struct base_writer *writer, int64_t value, uint32_t type)
{
	if (type == QUERY_TYPE_INT2) {
		base_write_u32be(writer, 2);
		base_write_u16be(writer, (uint16_t)value);
	} else if (type == QUERY_TYPE_INT4 || type == QUERY_TYPE_OID) {
		write_u32(writer, (uint32_t)value);
	} else {
		write_u64(writer, (uint64_t)value);
	}
}

static void write_real(struct base_writer *writer, const struct query_cell *cell)
{
	if (cell->kind == QUERY_CELL_FLOAT4) {
		float single = (float)cell->real;
		uint32_t bits;
		memcpy(&bits, &single, sizeof bits);
		write_u32(writer, bits);
	} else {
		uint64_t bits;
		memcpy(&bits, &cell->real, sizeof bits);
		write_u64(writer, bits);
	}
}

static uint64_t wire_us(int64_t us)
{
	if (us == INT64_MAX)
		return INT64_MAX;
	return us <= INT64_MIN + PG_EPOCH_US ? (uint64_t)INT64_MIN : (uint64_t)(us - PG_EPOCH_US);
}

static void write_bytes(struct base_writer *writer, const struct query_cell *cell, uint32_t type)
{
	base_write_u32be(writer, (uint32_t)cell->bytes.bytes + (type == QUERY_TYPE_JSONB));
	base_write_bytes(writer, "\1", type == QUERY_TYPE_JSONB); /* its version */
	base_write_bytes(writer, cell->bytes.data, cell->bytes.bytes);
}

static void write_interval(struct base_writer *writer, const struct query_cell *cell)
{
	base_write_u32be(writer, 16);
	base_write_u64be(writer, (uint64_t)cell->integer);
	base_write_u32be(writer, (uint32_t)cell->days);
	base_write_u32be(writer, (uint32_t)cell->months);
}

static void write_uuid(struct base_writer *writer, const struct query_cell *cell)
{
	base_write_u32be(writer, 16);
	base_write_u64be(writer, (uint64_t)cell->integer);
	base_write_u64be(writer, cell->lower);
}

/* ---- arrays: dimensions, whether there are nulls, the elements' type, each dimension, then the elements ---- */

/* Lists within lists must be of one length, as PostgreSQL's arrays are. */
static bool measure(const struct query_cell *list, size_t depth, uint32_t *lengths, size_t *dimensions)
{
	if (depth == PG_DIMENSIONS_MAX)
		return false;
	if (*dimensions == depth) {
		lengths[depth] = (uint32_t)list->count;
		*dimensions += 1;
	} else if (lengths[depth] != list->count) {
		return false;
	}
	for (size_t i = 0; i < list->count; i++) {
		struct query_cell element = query_cell_element(list, i);
		bool deeper = element.kind == QUERY_CELL_LIST;
		if (deeper != (*dimensions > depth + 1) && (i > 0 || !deeper))
			return false;
		if (deeper && !measure(&element, depth + 1, lengths, dimensions))
			return false;
	}
	return true;
}

static pyr_result write_elements(struct base_writer *writer, const struct query_cell *list, uint32_t type,
                                 struct query_error *error)
{
	for (size_t i = 0; i < list->count; i++) {
		struct query_cell element = query_cell_element(list, i);
		if (element.kind == QUERY_CELL_LIST)
			PYR_TRY(write_elements(writer, &element, type, error));
		else
			PYR_TRY(pg_value_write(writer, element, type, true, error));
	}
	return pyr_ok();
}

static pyr_result write_array(struct base_writer *writer, const struct query_cell *list, uint32_t type,
                              struct query_error *error)
{
	uint32_t lengths[PG_DIMENSIONS_MAX] = {0}, element = query_type_element_of(type);
	size_t dimensions = 0, at = writer->bytes;
	if (list->count > 0 && !measure(list, 0, lengths, &dimensions))
		return query_fail(error, "2202E",
		                  "multidimensional arrays must have sub-arrays with matching dimensions");
	base_write_u32be(writer, 0);
	base_write_u32be(writer, (uint32_t)dimensions);
	base_write_u32be(writer, 1);
	base_write_u32be(writer, element ? element : QUERY_TYPE_TEXT);
	for (size_t i = 0; i < dimensions; i++) {
		base_write_u32be(writer, lengths[i]);
		base_write_u32be(writer, 1);
	}
	PYR_TRY(write_elements(writer, list, element ? element : QUERY_TYPE_TEXT, error));
	if (!writer->failed)
		base_patch_u32be(writer, at, (uint32_t)(writer->bytes - at - 4));
	return pyr_ok();
}

pyr_result pg_value_write_binary(struct base_writer *writer, const struct query_cell *cell, uint32_t type,
                                 struct query_error *error)
{
	switch (cell->kind) {
	case QUERY_CELL_BOOL:
		base_write_u32be(writer, 1);
		base_write_u8(writer, cell->integer != 0);
		return pyr_ok();
	case QUERY_CELL_INTEGER:
		write_integer(writer, cell->integer, type);
		return pyr_ok();
	case QUERY_CELL_FLOAT4:
	case QUERY_CELL_FLOAT8:
		write_real(writer, cell);
		return pyr_ok();
	case QUERY_CELL_DECIMAL:
		write_numeric(writer, cell);
		return pyr_ok();
	case QUERY_CELL_DATE:
		write_u32(writer, cell->integer == INT32_MAX    ? INT32_MAX
		                  : cell->integer == -INT32_MAX ? (uint32_t)INT32_MIN
		                                                : (uint32_t)(cell->integer - PG_EPOCH_DAYS));
		return pyr_ok();
	case QUERY_CELL_TIME:
		write_u64(writer, (uint64_t)cell->integer);
		return pyr_ok();
	case QUERY_CELL_TIMESTAMP:
	case QUERY_CELL_TIMESTAMPTZ:
		write_u64(writer, wire_us(cell->integer));
		return pyr_ok();
	case QUERY_CELL_INTERVAL:
		write_interval(writer, cell);
		return pyr_ok();
	case QUERY_CELL_UUID:
		write_uuid(writer, cell);
		return pyr_ok();
	case QUERY_CELL_LIST:
		return write_array(writer, cell, type, error);
	default:
		write_bytes(writer, cell, type);
		return pyr_ok();
	}
}
