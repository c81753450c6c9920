/* Formats of values. Timestamps count microseconds, from 1970 in cells and from 2000 on the wire; dates days likewise.
 */
#include "server/pg/values_priv.h"

#include "query/text.h"
#include "query/types.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	int64_t days = us / PG_DAY_US - (us % PG_DAY_US < 0);
	if (us == INT64_MAX || us == -INT64_MAX)
		return snprintf(room, bytes, us > 0 ? "infinity" : "-infinity");
	int used = format_date(room, bytes, days);
	room[used++] = ' ';
	used += format_time(room + used, bytes - (size_t)used, us - days * PG_DAY_US);
	used += snprintf(room + used, bytes - (size_t)used, "%s%s", zoned ? "+00" : "",
	                 date_of_days(days).year <= 0 ? " BC" : "");
	return used;
}

/* One more digit than %g shows where it would not use an exponent, but PostgreSQL does. */
static int format_large(char *room, size_t bytes, double value, int digits)
{
	assert(room && bytes > 32);
	int used = snprintf(room, bytes, "%.*e", digits - 1, value);
	char *exponent = strchr(room, 'e'), *end = exponent;
	if (!exponent || !strchr(room, '.'))
		return used;
	while (end[-1] == '0')
		end -= 1;
	end -= end[-1] == '.';
	memmove(end, exponent, strlen(exponent) + 1);
	return used - (int)(exponent - end);
}

/* The shortest digits that read back as the same number. */
int pg_real_format(char *room, size_t bytes, double value, bool single)
{
	int used = 0, digits = single ? 6 : 15;
	if (isnan(value))
		return snprintf(room, bytes, "NaN");
	if (isinf(value))
		return snprintf(room, bytes, value > 0 ? "Infinity" : "-Infinity");
	for (; digits <= 17; digits++) {
		used = snprintf(room, bytes, "%.*g", digits, value);
		if (single ? strtof(room, NULL) == (float)value : strtod(room, NULL) == value)
			break;
	}
	bool large = fabs(value) >= (single ? 1e6 : 1e15) && !strchr(room, 'e');
	return large ? format_large(room, bytes, value, digits) : used;
}

/* Decimal digits of a 128-bit number, least first; returns how many. */
static size_t digits_of(unsigned __int128 number, uint8_t digits[PG_NUMERIC_DIGITS_MAX])
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

size_t pg_decimal_digits(const struct query_cell *cell, uint8_t digits[PG_NUMERIC_DIGITS_MAX])
{
	return digits_of(magnitude_of(cell), digits);
}

static int format_decimal(char *room, const struct query_cell *cell)
{
	uint8_t digits[PG_NUMERIC_DIGITS_MAX] = {0};
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

/* Style "postgres": 1 year 2 mons -3 days +04:05:06. */
static int format_interval(char *room, size_t bytes, const struct query_cell *cell)
{
	const struct {
		int32_t value;
		const char *unit;
	} parts[] = {{cell->months / 12, "year"}, {cell->months % 12, "mon"}, {cell->days, "day"}};
	int used = 0;
	bool before = false;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (parts[i].value == 0)
			continue;
		used += snprintf(room + used, bytes - (size_t)used, "%s%s%d %s%s", used > 0 ? " " : "",
		                 before && parts[i].value > 0 ? "+" : "", parts[i].value, parts[i].unit,
		                 parts[i].value == 1 ? "" : "s");
		before = parts[i].value < 0;
	}
	if (used > 0 && cell->integer == 0)
		return used;
	uint64_t us = cell->integer < 0 ? -(uint64_t)cell->integer : (uint64_t)cell->integer;
	used += snprintf(room + used, bytes - (size_t)used, "%s%s", used > 0 ? " " : "",
	                 cell->integer < 0 ? "-"
	                 : before          ? "+"
	                                   : "");
	return used + format_time(room + used, bytes - (size_t)used, (int64_t)us);
}

static int format_uuid(char *room, size_t bytes, const struct query_cell *cell)
{
	uint64_t upper = (uint64_t)cell->integer, lower = cell->lower;
	return snprintf(room, bytes, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(upper >> 32),
	                (unsigned)(upper >> 16) & 0xffff, (unsigned)upper & 0xffff, (unsigned)(lower >> 48),
	                (unsigned long long)(lower & 0xffffffffffff));
}

int pg_cell_format(char room[PG_CELL_TEXT_MAX], const struct query_cell *cell)
{
	switch (cell->kind) {
	case QUERY_CELL_BOOL:
		return snprintf(room, PG_CELL_TEXT_MAX, cell->integer ? "t" : "f");
	case QUERY_CELL_INTEGER:
		return snprintf(room, PG_CELL_TEXT_MAX, "%lld", (long long)cell->integer);
	case QUERY_CELL_FLOAT4:
	case QUERY_CELL_FLOAT8:
		return pg_real_format(room, PG_CELL_TEXT_MAX, cell->real, cell->kind == QUERY_CELL_FLOAT4);
	case QUERY_CELL_DECIMAL:
		return format_decimal(room, cell);
	case QUERY_CELL_DATE: {
		if (cell->integer == INT32_MAX || cell->integer == -INT32_MAX)
			return snprintf(room, PG_CELL_TEXT_MAX, cell->integer > 0 ? "infinity" : "-infinity");
		int used = format_date(room, PG_CELL_TEXT_MAX, cell->integer);
		bool before = date_of_days(cell->integer).year <= 0;
		return used + snprintf(room + used, PG_CELL_TEXT_MAX - (size_t)used, before ? " BC" : "");
	}
	case QUERY_CELL_INTERVAL:
		return format_interval(room, PG_CELL_TEXT_MAX, cell);
	case QUERY_CELL_UUID:
		return format_uuid(room, PG_CELL_TEXT_MAX, cell);
	case QUERY_CELL_TIME:
		return format_time(room, PG_CELL_TEXT_MAX, cell->integer);
	default:
		return format_timestamp(room, PG_CELL_TEXT_MAX, cell->integer, cell->kind == QUERY_CELL_TIMESTAMPTZ);
	}
}

static void write_cell(struct base_writer *writer, const struct query_cell *cell);

static bool needs_quotes(const uint8_t *text, size_t bytes)
{
	if (bytes == 0 || (bytes == 4 && strncasecmp((const char *)text, "null", 4) == 0))
		return true;
	for (size_t i = 0; i < bytes; i++)
		if (strchr("{}\",\\ \t\n\r\v\f", text[i]) && text[i])
			return true;
	return false;
}

static void write_quoted(struct base_writer *writer, const uint8_t *text, size_t bytes)
{
	if (!needs_quotes(text, bytes)) {
		base_write_bytes(writer, text, bytes);
		return;
	}
	base_write_u8(writer, '"');
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '"' || text[i] == '\\')
			base_write_u8(writer, '\\');
		base_write_u8(writer, text[i]);
	}
	base_write_u8(writer, '"');
}

static void write_element(struct base_writer *writer, const struct query_cell *cell)
{
	struct base_writer scratch;
	struct base_slice text = {0};
	if (cell->kind == QUERY_CELL_LIST) {
		write_cell(writer, cell);
	} else if (cell->kind == QUERY_CELL_NULL) {
		base_write_bytes(writer, "NULL", 4);
	} else if (cell->kind == QUERY_CELL_TEXT) {
		write_quoted(writer, cell->bytes.data, cell->bytes.bytes);
	} else {
		base_writer_init(&scratch, SIZE_MAX);
		write_cell(&scratch, cell);
		if (base_writer_take(&scratch, &text).code == PYR_OK)
			write_quoted(writer, text.data, text.bytes);
		else
			writer->failed = true;
		base_slice_release(&text);
		base_writer_deinit(&scratch);
	}
}

static void write_list(struct base_writer *writer, const struct query_cell *list)
{
	base_write_u8(writer, '{');
	for (size_t i = 0; i < list->count; i++) {
		struct query_cell element = query_cell_element(list, i);
		base_write_bytes(writer, ",", i > 0);
		write_element(writer, &element);
	}
	base_write_u8(writer, '}');
}

static void write_cell(struct base_writer *writer, const struct query_cell *cell)
{
	char room[PG_CELL_TEXT_MAX];
	if (cell->kind == QUERY_CELL_TEXT)
		base_write_bytes(writer, cell->bytes.data, cell->bytes.bytes);
	else if (cell->kind == QUERY_CELL_BYTES)
		query_text_write_hex(writer, cell->bytes.data, cell->bytes.bytes);
	else if (cell->kind == QUERY_CELL_LIST)
		write_list(writer, cell);
	else
		base_write_bytes(writer, room, (size_t)pg_cell_format(room, cell));
}

void pg_value_write_text(struct base_writer *writer, const struct query_cell *cell)
{
	assert(cell->kind != QUERY_CELL_NULL);
	write_cell(writer, cell);
}

pyr_result pg_value_write(struct base_writer *writer, struct query_cell cell, uint32_t type, bool binary,
                          struct query_error *error)
{
	if (cell.kind == QUERY_CELL_NULL) {
		base_write_u32be(writer, UINT32_MAX);
		return pyr_ok();
	}
	if (binary)
		return pg_value_write_binary(writer, &cell, type, error);
	size_t at = writer->bytes;
	base_write_u32be(writer, 0);
	write_cell(writer, &cell);
	if (!writer->failed)
		base_patch_u32be(writer, at, (uint32_t)(writer->bytes - at - 4));
	return pyr_ok();
}
