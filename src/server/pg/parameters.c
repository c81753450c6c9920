/* Parameters: PostgreSQL's text and binary formats to the texts that the engine reads (see values.h). Pure; any thread.
 */
#include "server/pg/values_priv.h"

#include "query/arrays.h"
#include "query/text.h"
#include "query/types.h"
#include "server/pg/message.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool pg_unhex(char c, uint8_t *ret_digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, c | 32) : NULL;
	*ret_digit = found ? (uint8_t)(found - digits) : 0;
	return found;
}

static pyr_result fail_binary(struct query_error *error)
{
	return query_fail(error, "22P03", "incorrect binary data format in a bind parameter");
}

static void write_string(struct base_writer *writer, const char *text, int bytes)
{
	base_write_bytes(writer, text, (size_t)bytes);
}

/* The engine reads blobs as \xAA\xBB. */
static void write_blob(struct base_writer *writer, const uint8_t *data, size_t bytes)
{
	char digits[8];
	for (size_t i = 0; i < bytes; i++)
		write_string(writer, digits, snprintf(digits, sizeof digits, "\\x%02X", data[i]));
}

static pyr_result write_blob_text(struct base_writer *writer, struct base_bytes text, struct query_error *error)
{
	uint8_t high, low;
	if (text.bytes < 2 || text.data[0] != '\\' || text.data[1] != 'x') {
		write_blob(writer, text.data, text.bytes);
		return pyr_ok();
	}
	if (text.bytes % 2 != 0)
		return query_fail(error, "22023", "invalid hexadecimal data: odd number of digits");
	for (size_t i = 2; i < text.bytes; i += 2) {
		if (!pg_unhex((char)text.data[i], &high) || !pg_unhex((char)text.data[i + 1], &low))
			return query_fail(error, "22023", "invalid hexadecimal digit in bytea");
		uint8_t byte = (uint8_t)(high << 4 | low);
		write_blob(writer, &byte, 1);
	}
	return pyr_ok();
}

static pyr_result write_binary_numeric(struct base_writer *writer, struct base_bytes value, struct query_error *error)
{
	struct base_reader reader = base_reader_init(value.data, value.bytes);
	int groups = base_read_u16be(&reader), weight = (int16_t)base_read_u16be(&reader);
	uint16_t sign = base_read_u16be(&reader);
	int scale = base_read_u16be(&reader);
	char part[16];
	if (reader.failed || base_reader_left(&reader) != (size_t)groups * 2 || (sign != 0 && sign != 0x4000) ||
	    groups > 64 || weight < -64 || weight > 64 || scale > 256)
		return fail_binary(error);
	write_string(writer, "-", sign ? 1 : 0);
	write_string(writer, "0", 1);
	int last = (scale + 3) / 4;
	for (int i = weight < 0 ? 0 : weight; i >= -last; i--) {
		int at = weight - i;
		unsigned group = at >= 0 && at < groups ? base_read_u16be(&reader) : 0;
		if (group > 9999)
			return fail_binary(error);
		write_string(writer, ".", i == -1);
		write_string(writer, part, snprintf(part, sizeof part, "%04u", group));
	}
	return pyr_ok();
}

static pyr_result write_binary_integer(struct base_writer *writer, struct base_bytes value, uint32_t type)
{
	char text[PG_CELL_TEXT_MAX];
	struct query_cell cell = {.kind = QUERY_CELL_INTEGER};
	uint64_t raw = 0;
	for (size_t i = 0; i < value.bytes; i++)
		raw = raw << 8 | value.data[i];
	switch (type) {
	case QUERY_TYPE_BOOL:
		cell = (struct query_cell){.kind = QUERY_CELL_BOOL, .integer = raw != 0};
		break;
	case QUERY_TYPE_INT2:
		cell.integer = (int16_t)raw;
		break;
	case QUERY_TYPE_INT4:
		cell.integer = (int32_t)raw;
		break;
	case QUERY_TYPE_DATE:
		cell = (struct query_cell){.kind = QUERY_CELL_DATE, .integer = (int64_t)(int32_t)raw + PG_EPOCH_DAYS};
		break;
	case QUERY_TYPE_TIME:
		cell = (struct query_cell){.kind = QUERY_CELL_TIME, .integer = (int64_t)(raw % PG_DAY_US)};
		break;
	case QUERY_TYPE_TIMESTAMP:
	case QUERY_TYPE_TIMESTAMPTZ:
		cell.kind = type == QUERY_TYPE_TIMESTAMP ? QUERY_CELL_TIMESTAMP : QUERY_CELL_TIMESTAMPTZ;
		cell.integer = (int64_t)raw;
		if (cell.integer < INT64_MAX - PG_EPOCH_US)
			cell.integer += PG_EPOCH_US;
		break;
	default:
		cell.integer = (int64_t)raw;
	}
	write_string(writer, text, pg_cell_format(text, &cell));
	return pyr_ok();
}

static pyr_result write_binary_real(struct base_writer *writer, struct base_bytes value, uint32_t type)
{
	char text[PG_CELL_TEXT_MAX];
	double real;
	if (type == QUERY_TYPE_FLOAT4) {
		uint32_t bits = base_load_u32be(value.data);
		float single;
		memcpy(&single, &bits, sizeof single);
		real = (double)single;
	} else {
		uint64_t bits = base_load_u64be(value.data);
		memcpy(&real, &bits, sizeof real);
	}
	write_string(writer, text, pg_real_format(text, sizeof text, real, type == QUERY_TYPE_FLOAT4));
	return pyr_ok();
}

static pyr_result write_binary_uuid(struct base_writer *writer, struct base_bytes value)
{
	char part[8];
	for (size_t i = 0; i < value.bytes; i++) {
		bool dash = i == 4 || i == 6 || i == 8 || i == 10;
		write_string(writer, part, snprintf(part, sizeof part, dash ? "-%02x" : "%02x", value.data[i]));
	}
	return pyr_ok();
}

static pyr_result write_text_parameter(struct base_writer *writer, struct base_bytes value, struct query_error *error)
{
	if (!query_text_is_valid(value.data, value.bytes))
		return query_fail(error, "22021", "invalid byte sequence for encoding \"UTF8\" in a bind parameter");
	base_write_bytes(writer, value.data, value.bytes);
	return pyr_ok();
}

/* ---- arrays ---- */

static enum query_array_kind kind_of(uint32_t element)
{
	return element == QUERY_TYPE_BYTEA                                 ? QUERY_ARRAY_BYTEAS
	       : element == QUERY_TYPE_JSON || element == QUERY_TYPE_JSONB ? QUERY_ARRAY_JSONS
	                                                                   : QUERY_ARRAY_TEXTS;
}

static pyr_result write_text_array(struct base_writer *writer, struct base_bytes text, uint32_t element,
                                   struct query_error *error)
{
	if (!query_text_is_valid(text.data, text.bytes))
		return query_fail(error, "22021", "invalid byte sequence for encoding \"UTF8\" in a bind parameter");
	pyr_result result = query_array_write(writer, text, kind_of(element));
	if (result.code == PYR_OUT_OF_MEMORY)
		return query_fail_memory(error);
	if (result.code == PYR_NOT_SUPPORTED)
		return query_fail(error, "0A000", QUERY_ARRAY_DIMENSIONS);
	return result.code == PYR_OK ? result
	                             : query_fail(error, "22P02", "malformed array literal: \"%.*s\"", (int)text.bytes,
	                                          (const char *)text.data);
}

static pyr_result write_binary_element(struct base_writer *writer, struct base_reader *reader, uint32_t type,
                                       struct query_error *error)
{
	struct base_writer scratch;
	struct base_slice text = {0};
	uint32_t bytes = base_read_u32be(reader);
	if (bytes == UINT32_MAX) {
		query_array_write_null(writer, kind_of(type));
		return pyr_ok();
	}
	struct base_bytes value = {base_read_bytes(reader, bytes), bytes};
	if (reader->failed || !value.data)
		return fail_binary(error);
	base_writer_init(&scratch, PG_MESSAGE_BYTES_MAX * 4);
	pyr_result result = pg_parameter_write(&scratch, value, type, true, error);
	if (result.code == PYR_OK && scratch.bytes > 0 && base_writer_take(&scratch, &text).code != PYR_OK)
		result = query_fail_memory(error);
	if (result.code == PYR_OK)
		query_array_write_element(writer, text.data, text.bytes, kind_of(type));
	base_slice_release(&text);
	base_writer_deinit(&scratch);
	return result;
}

static pyr_result write_elements(struct base_writer *writer, struct base_reader *reader, uint32_t count, uint32_t type,
                                 struct query_error *error)
{
	base_write_u8(writer, '[');
	for (uint32_t i = 0; i < count; i++) {
		base_write_bytes(writer, ",", i > 0);
		PYR_TRY(write_binary_element(writer, reader, type, error));
	}
	base_write_u8(writer, ']');
	return pyr_ok();
}

static pyr_result write_binary_array(struct base_writer *writer, struct base_bytes value, struct query_error *error)
{
	struct base_reader reader = base_reader_init(value.data, value.bytes);
	uint32_t dimensions = base_read_u32be(&reader), lengths[PG_DIMENSIONS_MAX];
	uint64_t elements = 1;
	(void)base_read_u32be(&reader); /* whether there are nulls */
	uint32_t type = base_read_u32be(&reader);
	if (reader.failed || dimensions > PG_DIMENSIONS_MAX || query_type_element_of(type))
		return fail_binary(error);
	if (dimensions == 0) {
		base_write_bytes(writer, "[]", 2);
		return pyr_ok();
	}
	for (uint32_t i = 0; i < dimensions; i++) {
		lengths[i] = base_read_u32be(&reader);
		(void)base_read_u32be(&reader); /* the first index */
		elements = elements * lengths[i];
		if (elements > value.bytes)
			return fail_binary(error);
	}
	if (reader.failed || elements * 4 > value.bytes)
		return fail_binary(error);
	if (dimensions > 1)
		return query_fail(error, "0A000", QUERY_ARRAY_DIMENSIONS);
	PYR_TRY(write_elements(writer, &reader, lengths[0], type, error));
	return base_reader_left(&reader) == 0 && !reader.failed ? pyr_ok() : fail_binary(error);
}

static pyr_result write_binary_interval(struct base_writer *writer, struct base_bytes value)
{
	char text[PG_CELL_TEXT_MAX];
	struct query_cell cell = {.kind = QUERY_CELL_INTERVAL, .integer = (int64_t)base_load_u64be(value.data)};
	int32_t days = (int32_t)base_load_u32be(value.data + 8), months = (int32_t)base_load_u32be(value.data + 12);
	write_string(writer, text,
	             snprintf(text, sizeof text, "%d months %d days %lld microseconds", months, days,
	                      (long long)cell.integer));
	return pyr_ok();
}

pyr_result pg_parameter_write(struct base_writer *writer, struct base_bytes value, uint32_t type, bool binary,
                              struct query_error *error)
{
	assert(value.data);
	uint32_t element = query_type_element_of(type);
	if (element)
		return binary ? write_binary_array(writer, value, error)
		              : write_text_array(writer, value, element, error);
	if (!binary)
		return type == QUERY_TYPE_BYTEA ? write_blob_text(writer, value, error)
		                                : write_text_parameter(writer, value, error);
	int bytes = query_type_bytes(type);
	if (bytes >= 0 && value.bytes != (size_t)bytes)
		return fail_binary(error);
	switch (type) {
	case QUERY_TYPE_BYTEA:
		write_blob(writer, value.data, value.bytes);
		return pyr_ok();
	case QUERY_TYPE_NUMERIC:
		return write_binary_numeric(writer, value, error);
	case QUERY_TYPE_FLOAT4:
	case QUERY_TYPE_FLOAT8:
		return write_binary_real(writer, value, type);
	case QUERY_TYPE_UUID:
		return write_binary_uuid(writer, value);
	case QUERY_TYPE_INTERVAL:
		return write_binary_interval(writer, value);
	case QUERY_TYPE_JSONB:
		if (value.bytes == 0 || value.data[0] != 1)
			return fail_binary(error);
		return write_text_parameter(writer, (struct base_bytes){value.data + 1, value.bytes - 1}, error);
	default:
		return bytes > 0 ? write_binary_integer(writer, value, type)
		                 : write_text_parameter(writer, value, error);
	}
}
