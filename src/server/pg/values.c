/* Formats of values. Timestamps count microseconds, from 1970 in cells and from 2000 on the wire; dates days likewise.
 */
#include "server/pg/values.h"

#include "query/text.h"
#include "query/types.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_DAYS 10957 /* 1970-01-01 to 2000-01-01 */
#define DAY_US 86400000000LL
#define EPOCH_US (EPOCH_DAYS * DAY_US)

enum { NUMERIC_DIGITS_MAX = 40, CELL_TEXT_MAX = 128 };

/* ---- text ---- */

struct date {
	int64_t year; /* 0 is 1 BC */
	int month, day;
};

/* Days since 1970 to the Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
static struct date date_of_days(int64_t days)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t of_era = days - era * 146097;
	int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t march_month = (5 * of_year + 2) / 153;
	int month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
	return (struct date){
		.year = year_of_era + era * 400 + (month <= 2),
		.month = month,
		.day = (int)(of_year - (153 * march_month + 2) / 5 + 1),
	};
}

static int format_date(char *room, size_t bytes, int64_t days)
{
	struct date date = date_of_days(days);
	long long year = date.year > 0 ? date.year : 1 - date.year;
	return snprintf(room, bytes, "%04lld-%02d-%02d", year, date.month, date.day);
}

static int format_time(char *room, size_t bytes, int64_t us)
{
	long long seconds = us / 1000000;
	int used = snprintf(room, bytes, "%02lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60, seconds % 60);
	if (us % 1000000 == 0)
		return used;
	used += snprintf(room + used, bytes - (size_t)used, ".%06lld", (long long)(us % 1000000));
	while (room[used - 1] == '0')
		room[--used] = 0;
	return used;
}

static int format_timestamp(char *room, size_t bytes, int64_t us, bool zoned)
{
	int64_t days = us / DAY_US - (us % DAY_US < 0);
	if (us == INT64_MAX || us == -INT64_MAX)
		return snprintf(room, bytes, us > 0 ? "infinity" : "-infinity");
	int used = format_date(room, bytes, days);
	room[used++] = ' ';
	used += format_time(room + used, bytes - (size_t)used, us - days * DAY_US);
	used += snprintf(room + used, bytes - (size_t)used, "%s%s", zoned ? "+00" : "",
	                 date_of_days(days).year <= 0 ? " BC" : "");
	return used;
}

/* The shortest digits that read back as the same number. */
static int format_real(char *room, size_t bytes, double value, bool single)
{
	int used = 0;
	if (isnan(value))
		return snprintf(room, bytes, "NaN");
	if (isinf(value))
		return snprintf(room, bytes, value > 0 ? "Infinity" : "-Infinity");
	for (int digits = single ? 6 : 15; digits <= 17; digits++) {
		used = snprintf(room, bytes, "%.*g", digits, value);
		if (single ? strtof(room, NULL) == (float)value : strtod(room, NULL) == value)
			break;
	}
	return used;
}

/* Decimal digits of a 128-bit number, least first; returns how many. */
static size_t digits_of(unsigned __int128 number, uint8_t digits[NUMERIC_DIGITS_MAX])
{
	size_t count = 0;
	for (; number > 0; number /= 10)
		digits[count++] = (uint8_t)(number % 10);
	return count;
}

static unsigned __int128 magnitude_of(const struct query_cell *cell)
{
	unsigned __int128 number = (unsigned __int128)(uint64_t)cell->integer << 64 | cell->lower;
	return cell->integer < 0 ? -number : number;
}

static int format_decimal(char *room, const struct query_cell *cell)
{
	uint8_t digits[NUMERIC_DIGITS_MAX] = {0};
	size_t count = digits_of(magnitude_of(cell), digits), used = 0;
	if (count < (size_t)cell->scale + 1)
		count = (size_t)cell->scale + 1;
	if (cell->integer < 0)
		room[used++] = '-';
	for (size_t i = count; i > 0; i--) {
		if (i == cell->scale)
			room[used++] = '.';
		room[used++] = (char)('0' + digits[i - 1]);
	}
	return (int)used;
}

static int format_cell(char room[CELL_TEXT_MAX], const struct query_cell *cell)
{
	switch (cell->kind) {
	case QUERY_CELL_BOOL:
		return snprintf(room, CELL_TEXT_MAX, cell->integer ? "t" : "f");
	case QUERY_CELL_INTEGER:
		return snprintf(room, CELL_TEXT_MAX, "%lld", (long long)cell->integer);
	case QUERY_CELL_FLOAT4:
	case QUERY_CELL_FLOAT8:
		return format_real(room, CELL_TEXT_MAX, cell->real, cell->kind == QUERY_CELL_FLOAT4);
	case QUERY_CELL_DECIMAL:
		return format_decimal(room, cell);
	case QUERY_CELL_DATE: {
		int used = format_date(room, CELL_TEXT_MAX, cell->integer);
		bool before = date_of_days(cell->integer).year <= 0;
		return used + snprintf(room + used, CELL_TEXT_MAX - (size_t)used, before ? " BC" : "");
	}
	case QUERY_CELL_TIME:
		return format_time(room, CELL_TEXT_MAX, cell->integer);
	default:
		return format_timestamp(room, CELL_TEXT_MAX, cell->integer, cell->kind == QUERY_CELL_TIMESTAMPTZ);
	}
}

static void write_text(struct base_writer *writer, const struct query_cell *cell)
{
	char room[CELL_TEXT_MAX];
	if (cell->kind == QUERY_CELL_TEXT) {
		base_write_u32be(writer, (uint32_t)cell->bytes.bytes);
		base_write_bytes(writer, cell->bytes.data, cell->bytes.bytes);
	} else if (cell->kind == QUERY_CELL_BYTES) {
		base_write_u32be(writer, (uint32_t)(cell->bytes.bytes * 2 + 2));
		query_text_write_hex(writer, cell->bytes.data, cell->bytes.bytes);
	} else {
		int bytes = format_cell(room, cell);
		base_write_u32be(writer, (uint32_t)bytes);
		base_write_bytes(writer, room, (size_t)bytes);
	}
}

/* ---- binary ---- */

/* numeric: groups of four decimal digits around the point: count, weight of the first, sign, digits behind the point. */
static void write_numeric(struct base_writer *writer, const struct query_cell *cell)
{
	uint8_t digits[NUMERIC_DIGITS_MAX + 8] = {0};
	size_t shift = (4 - cell->scale % 4) % 4; /* zeros that make the fraction whole groups */
	size_t count = digits_of(magnitude_of(cell), digits + shift) + shift;
	size_t groups = count > shift ? (count + 3) / 4 : 0, fraction = (cell->scale + shift) / 4;
	uint16_t values[NUMERIC_DIGITS_MAX / 4 + 2];
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
	} else if (type == QUERY_TYPE_INT4) {
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
	return us <= INT64_MIN + EPOCH_US ? (uint64_t)INT64_MIN : (uint64_t)(us - EPOCH_US);
}

static bool unhex(char c, uint8_t *ret_digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, c | 32) : NULL;
	*ret_digit = found ? (uint8_t)(found - digits) : 0;
	return found;
}

static pyr_result write_uuid(struct base_writer *writer, struct base_bytes text, struct query_error *error)
{
	uint8_t high = 0, low = 0;
	size_t written = 0;
	base_write_u32be(writer, 16);
	for (size_t i = 0; i + 1 < text.bytes; i++) {
		if (text.data[i] == '-')
			continue;
		if (!unhex((char)text.data[i], &high) || !unhex((char)text.data[i + 1], &low))
			break;
		base_write_u8(writer, (uint8_t)(high << 4 | low));
		written += 1;
		i += 1;
	}
	return written == 16 ? pyr_ok() : query_fail(error, "XX000", "a uuid has 32 hexadecimal digits");
}

static pyr_result write_bytes(struct base_writer *writer, const struct query_cell *cell, uint32_t type,
                              struct query_error *error)
{
	if (type == QUERY_TYPE_UUID)
		return write_uuid(writer, cell->bytes, error);
	if (type == QUERY_TYPE_INTERVAL)
		return query_fail(error, "0A000", "interval has no binary format here yet: ask for text, or cast it");
	base_write_u32be(writer, (uint32_t)cell->bytes.bytes);
	base_write_bytes(writer, cell->bytes.data, cell->bytes.bytes);
	return pyr_ok();
}

static pyr_result write_binary(struct base_writer *writer, const struct query_cell *cell, uint32_t type,
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
		write_u32(writer, (uint32_t)(cell->integer - EPOCH_DAYS));
		return pyr_ok();
	case QUERY_CELL_TIME:
		write_u64(writer, (uint64_t)cell->integer);
		return pyr_ok();
	case QUERY_CELL_TIMESTAMP:
	case QUERY_CELL_TIMESTAMPTZ:
		write_u64(writer, wire_us(cell->integer));
		return pyr_ok();
	default:
		return write_bytes(writer, cell, type, error);
	}
}

pyr_result pg_value_write(struct base_writer *writer, struct query_cell cell, uint32_t type, bool binary,
                          struct query_error *error)
{
	if (cell.kind == QUERY_CELL_NULL) {
		base_write_u32be(writer, UINT32_MAX);
		return pyr_ok();
	}
	if (binary)
		return write_binary(writer, &cell, type, error);
	write_text(writer, &cell);
	return pyr_ok();
}

/* ---- parameters ---- */

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
		if (!unhex((char)text.data[i], &high) || !unhex((char)text.data[i + 1], &low))
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
	char text[CELL_TEXT_MAX];
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
		cell = (struct query_cell){.kind = QUERY_CELL_DATE, .integer = (int64_t)(int32_t)raw + EPOCH_DAYS};
		break;
	case QUERY_TYPE_TIME:
		cell = (struct query_cell){.kind = QUERY_CELL_TIME, .integer = (int64_t)(raw % DAY_US)};
		break;
	case QUERY_TYPE_TIMESTAMP:
	case QUERY_TYPE_TIMESTAMPTZ:
		cell.kind = type == QUERY_TYPE_TIMESTAMP ? QUERY_CELL_TIMESTAMP : QUERY_CELL_TIMESTAMPTZ;
		cell.integer = (int64_t)raw;
		if (cell.integer < INT64_MAX - EPOCH_US)
			cell.integer += EPOCH_US;
		break;
	default:
		cell.integer = (int64_t)raw;
	}
	write_string(writer, text, format_cell(text, &cell));
	return pyr_ok();
}

static pyr_result write_binary_real(struct base_writer *writer, struct base_bytes value, uint32_t type)
{
	char text[CELL_TEXT_MAX];
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
	write_string(writer, text, format_real(text, sizeof text, real, type == QUERY_TYPE_FLOAT4));
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

static bool is_array(uint32_t type)
{
	return type == QUERY_TYPE_INT2_ARRAY || type == QUERY_TYPE_INT4_ARRAY || type == QUERY_TYPE_INT8_ARRAY ||
	       type == QUERY_TYPE_TEXT_ARRAY || type == QUERY_TYPE_VARCHAR_ARRAY || type == QUERY_TYPE_FLOAT8_ARRAY;
}

/* {1,"a}"} is [1,"a}"] to the engine. */
static pyr_result write_array(struct base_writer *writer, struct base_bytes text, struct query_error *error)
{
	bool quoted = false;
	if (!query_text_is_valid(text.data, text.bytes))
		return query_fail(error, "22021", "invalid byte sequence for encoding \"UTF8\" in a bind parameter");
	for (size_t i = 0; i < text.bytes; i++) {
		uint8_t c = text.data[i];
		if (quoted && c == '\\' && i + 1 < text.bytes) {
			base_write_u8(writer, c);
			c = text.data[++i];
		} else if (c == '"') {
			quoted = !quoted;
		} else if (!quoted && (c == '{' || c == '}')) {
			c = c == '{' ? '[' : ']';
		}
		base_write_u8(writer, c);
	}
	return pyr_ok();
}

pyr_result pg_parameter_write(struct base_writer *writer, struct base_bytes value, uint32_t type, bool binary,
                              struct query_error *error)
{
	assert(value.data);
	if (is_array(type))
		return binary ? query_fail(error, "0A000", "array parameters are not read in binary yet: send text")
		              : write_array(writer, value, error);
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
		return query_fail(error, "0A000", "interval parameters are not read in binary yet: send text");
	case QUERY_TYPE_JSONB:
		if (value.bytes == 0 || value.data[0] != 1)
			return fail_binary(error);
		return write_text_parameter(writer, (struct base_bytes){value.data + 1, value.bytes - 1}, error);
	default:
		return bytes > 0 ? write_binary_integer(writer, value, type)
		                 : write_text_parameter(writer, value, error);
	}
}
