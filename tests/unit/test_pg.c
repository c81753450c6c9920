/* server/pg/message.h, values.h, and query/edits.h: exact bytes, both ways. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "query/edits.h"
#include "query/to_char.h"
#include "query/tokens.h"
#include "query/types.h"
#include "query/writes.h"
#include "server/pg/copy.h"
#include "server/pg/message.h"
#include "server/pg/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct base_slice written(struct query_cell cell, uint32_t type, bool binary)
{
	struct base_writer writer;
	struct base_slice slice;
	struct query_error error;
	base_writer_init(&writer, 1 << 16);
	assert_int_equal(pg_value_write(&writer, cell, type, binary, &error).code, PYR_OK);
	assert_int_equal(base_writer_take(&writer, &slice).code, PYR_OK);
	assert_int_equal(base_load_u32be(slice.data), slice.bytes - 4);
	return slice;
}

static void check_text(struct query_cell cell, const char *text)
{
	struct base_slice slice = written(cell, QUERY_TYPE_TEXT, false);
	if (slice.bytes - 4 != strlen(text) || memcmp(slice.data + 4, text, strlen(text)) != 0)
		fail_msg("%.*s is not %s", (int)slice.bytes - 4, (const char *)slice.data + 4, text);
	base_slice_release(&slice);
}

static struct query_cell decimal(__int128 value, uint8_t scale)
{
	return (struct query_cell){
		.kind = QUERY_CELL_DECIMAL,
		.integer = (int64_t)(value >> 64),
		.lower = (uint64_t)value,
		.scale = scale,
	};
}

static struct query_cell integer(enum query_cell_kind kind, int64_t value)
{
	return (struct query_cell){.kind = kind, .integer = value};
}

static struct query_cell real(enum query_cell_kind kind, double value)
{
	return (struct query_cell){.kind = kind, .real = value};
}

static struct query_cell interval(int32_t months, int32_t days, int64_t us)
{
	struct query_cell cell = integer(QUERY_CELL_INTERVAL, us);
	cell.months = months;
	cell.days = days;
	return cell;
}

static void texts_are_postgresqls(void **state)
{
	(void)state;
	check_text(integer(QUERY_CELL_BOOL, 1), "t");
	check_text(integer(QUERY_CELL_INTEGER, INT64_MIN), "-9223372036854775808");
	check_text(decimal(0, 0), "0");
	check_text(decimal(-5, 3), "-0.005");
	check_text(decimal(1234567, 2), "12345.67");
	check_text(decimal((__int128)INT64_MAX * 1000, 0), "9223372036854775807000");
	check_text(real(QUERY_CELL_FLOAT8, 0.1), "0.1");
	check_text(real(QUERY_CELL_FLOAT8, 1.0 / 3), "0.3333333333333333");
	check_text(real(QUERY_CELL_FLOAT8, 1e20), "1e+20");
	check_text(real(QUERY_CELL_FLOAT4, (double)0.1f), "0.1");
	check_text(real(QUERY_CELL_FLOAT8, -__builtin_inf()), "-Infinity");
	check_text(integer(QUERY_CELL_DATE, 0), "1970-01-01");
	check_text(integer(QUERY_CELL_DATE, 11016), "2000-02-29");
	check_text(integer(QUERY_CELL_DATE, -719528 - 1), "0002-12-31 BC");
	check_text(integer(QUERY_CELL_TIME, 3723000001), "01:02:03.000001");
	check_text(integer(QUERY_CELL_TIMESTAMP, -1), "1969-12-31 23:59:59.999999");
	check_text(integer(QUERY_CELL_TIMESTAMPTZ, 1356998400500000), "2013-01-01 00:00:00.5+00");
	check_text(integer(QUERY_CELL_TIMESTAMPTZ, INT64_MAX), "infinity");
	check_text(integer(QUERY_CELL_DATE, INT32_MAX), "infinity");
	check_text(real(QUERY_CELL_FLOAT8, 12345678901234568), "1.2345678901234568e+16");
	check_text(interval(14, -3, 14706700000), "1 year 2 mons -3 days +04:05:06.7");
	check_text(interval(0, 0, -1000000), "-00:00:01");
	check_text(interval(0, 0, 0), "00:00:00");
	check_text((struct query_cell){.kind = QUERY_CELL_UUID, .integer = 0x0123456789abcdef, .lower = 5},
	           "01234567-89ab-cdef-0000-000000000005");
	check_text((struct query_cell){.kind = QUERY_CELL_BYTES, .bytes = {(const uint8_t *)"\x00\xff", 2}}, "\\x00ff");
}

static void check_binary(struct query_cell cell, uint32_t type, const char *bytes, size_t count)
{
	struct base_slice slice = written(cell, type, true);
	assert_int_equal(slice.bytes - 4, count);
	assert_memory_equal(slice.data + 4, bytes, count);
	base_slice_release(&slice);
}

static void binaries_are_postgresqls(void **state)
{
	(void)state;
	check_binary(integer(QUERY_CELL_INTEGER, -2), QUERY_TYPE_INT2, "\xff\xfe", 2);
	check_binary(integer(QUERY_CELL_INTEGER, 258), QUERY_TYPE_INT4, "\0\0\1\2", 4);
	check_binary(real(QUERY_CELL_FLOAT8, 1), QUERY_TYPE_FLOAT8, "\x3f\xf0\0\0\0\0\0\0", 8);
	check_binary(integer(QUERY_CELL_DATE, 10958), QUERY_TYPE_DATE, "\0\0\0\1", 4);
	check_binary(integer(QUERY_CELL_TIMESTAMPTZ, 946684800000001), QUERY_TYPE_TIMESTAMPTZ, "\0\0\0\0\0\0\0\1", 8);
	/* numeric: groups, weight, sign, scale, then 12345.67 as 1, 2345, 6700 */
	check_binary(decimal(1234567, 2), QUERY_TYPE_NUMERIC, "\0\3\0\1\0\0\0\2\0\1\x09\x29\x1a\x2c", 14);
	check_binary(decimal(-5, 3), QUERY_TYPE_NUMERIC, "\0\1\xff\xff\x40\0\0\3\0\x32", 10);
	check_binary(decimal(0, 2), QUERY_TYPE_NUMERIC, "\0\0\xff\xfe\0\0\0\2", 8);
	check_binary(interval(1, 2, 3), QUERY_TYPE_INTERVAL, "\0\0\0\0\0\0\0\3\0\0\0\2\0\0\0\1", 16);
	check_binary(integer(QUERY_CELL_INTEGER, 7), QUERY_TYPE_OID, "\0\0\0\7", 4);
	check_binary((struct query_cell){.kind = QUERY_CELL_TEXT, .bytes = {(const uint8_t *)"{}", 2}},
	             QUERY_TYPE_JSONB, "\1{}", 3);
}

static void check_parameter(const void *bytes, size_t count, uint32_t type, bool binary, const char *text)
{
	struct base_writer writer;
	struct base_slice slice;
	struct query_error error;
	base_writer_init(&writer, 1 << 16);
	struct base_bytes value = {bytes, count};
	assert_int_equal(pg_parameter_write(&writer, value, type, binary, &error).code, PYR_OK);
	base_write_u8(&writer, 0);
	assert_int_equal(base_writer_take(&writer, &slice).code, PYR_OK);
	assert_string_equal(slice.data, text);
	base_slice_release(&slice);
}

static void check_parameter_refused(const void *bytes, size_t count, uint32_t type, bool binary, const char *sqlstate)
{
	struct base_writer writer;
	struct query_error error;
	base_writer_init(&writer, 1 << 16);
	struct base_bytes value = {bytes, count};
	assert_int_equal(pg_parameter_write(&writer, value, type, binary, &error).code, PYR_USAGE);
	assert_string_equal(error.sqlstate, sqlstate);
	base_writer_deinit(&writer);
}

static void parameters_become_text(void **state)
{
	(void)state;
	check_parameter("\xff\xfe", 2, QUERY_TYPE_INT2, true, "-2");
	check_parameter("\1", 1, QUERY_TYPE_BOOL, true, "t");
	check_parameter("\x3f\xf8\0\0\0\0\0\0", 8, QUERY_TYPE_FLOAT8, true, "1.5");
	check_parameter("\0\0\0\1", 4, QUERY_TYPE_DATE, true, "2000-01-02");
	check_parameter("\0\0\0\0\0\0\0\0", 8, QUERY_TYPE_TIMESTAMPTZ, true, "2000-01-01 00:00:00+00");
	check_parameter("\0\3\0\1\0\0\0\2\0\1\x09\x29\x1a\x2c", 14, QUERY_TYPE_NUMERIC, true, "000012345.6700");
	check_parameter("\0\1\xff\xff\x40\0\0\3\0\x32", 10, QUERY_TYPE_NUMERIC, true, "-00000.0050");
	check_parameter("\\x00Ff", 6, QUERY_TYPE_BYTEA, false, "\\x00\\xFF");
	check_parameter("\0\xff", 2, QUERY_TYPE_BYTEA, true, "\\x00\\xFF");
	check_parameter("{1,\"a}\\\"\",\"{}\"}", 15, QUERY_TYPE_TEXT_ARRAY, false, "[\"1\",\"a}\\\"\",\"{}\"]");
	check_parameter("{\"\\\\x00Ff\",\"\\\\x\",NULL}", 22, QUERY_TYPE_BYTEA_ARRAY, false,
	                "[\"\\\\x00\\\\xFf\",\"\",NULL]");
	check_parameter("{\"[1,\\\"a\\\"]\",NULL}", 18, QUERY_TYPE_JSON_ARRAY, false, "[[1,\"a\"],null]");
	check_parameter_refused("{1,{2}}", 7, QUERY_TYPE_INT4_ARRAY, false, "0A000");
	check_parameter("\1{}", 3, QUERY_TYPE_JSONB, true, "{}");
	check_parameter("\0\0\0\1\0\0\0\1\0\0\0\x17\0\0\0\2\0\0\0\1\xff\xff\xff\xff\0\0\0\4\0\0\0\5", 32,
	                QUERY_TYPE_INT4_ARRAY, true, "[NULL,\"5\"]");
	check_parameter("\0\0\0\0\0\0\0\0\0\0\0\x17", 12, QUERY_TYPE_INT4_ARRAY, true, "[]");
	check_parameter("\0\0\0\0\0\0\0\3\0\0\0\2\0\0\0\1", 16, QUERY_TYPE_INTERVAL, true,
	                "1 months 2 days 3 microseconds");
	check_parameter_refused("\0\0\0\1\0\0\0\0\0\0\0\x17\x7f\0\0\0\0\0\0\1", 20, QUERY_TYPE_INT4_ARRAY, true,
	                        "22P03");
	check_parameter_refused("1,2", 3, QUERY_TYPE_INT4_ARRAY, false, "22P02");
	check_parameter_refused("\0", 1, QUERY_TYPE_INT2, true, "22P03");
	check_parameter_refused("\0\3\0\1\0\0\0\2\0\1", 10, QUERY_TYPE_NUMERIC, true, "22P03");
	check_parameter_refused("\\x0", 3, QUERY_TYPE_BYTEA, false, "22023");
	check_parameter_refused("\\x0g", 4, QUERY_TYPE_BYTEA, false, "22023");
	check_parameter_refused("\xff", 1, QUERY_TYPE_TEXT, false, "22021");
	check_parameter_refused("a\0b", 3, QUERY_TYPE_TEXT, true, "22021");
}

static void startup_packets_are_read(void **state)
{
	static const char good[] = "\0\3\0\0user\0me\0database\0d\0options\0\0";
	static const char cut[] = "\0\3\0\0user\0me";
	static const char cancel[] = "\x04\xd2\x16\x2e\0\0\0\7\0\0\0\x09";
	struct pg_startup startup;
	(void)state;
	assert_int_equal(pg_startup_decode((struct base_bytes){(const uint8_t *)good, sizeof good}, &startup).code,
	                 PYR_OK);
	assert_string_equal(startup.user, "me");
	assert_string_equal(startup.database, "d");
	assert_int_not_equal(
		pg_startup_decode((struct base_bytes){(const uint8_t *)cut, sizeof cut - 1}, &startup).code, PYR_OK);
	assert_int_equal(pg_startup_decode((struct base_bytes){(const uint8_t *)cancel, 12}, &startup).code, PYR_OK);
	assert_int_equal(startup.pid, 7);
	assert_int_equal(startup.secret, 9);
	assert_int_not_equal(pg_startup_decode((struct base_bytes){(const uint8_t *)cancel, 11}, &startup).code,
	                     PYR_OK);
}

static void edits_nest(void **state)
{
	struct query_edits edits = {0};
	(void)state;
	query_edit_add(&edits, QUERY_EDIT_AFTER, 5, 0, " AS n");
	query_edit_add(&edits, QUERY_EDIT_OPEN, 0, 0, "outer(");
	query_edit_add(&edits, QUERY_EDIT_CLOSE, 5, 0, ", 1)");
	query_edit_add(&edits, QUERY_EDIT_OPEN, 0, 0, "inner(");
	query_edit_add(&edits, QUERY_EDIT_CLOSE, 5, 0, ", 2)");
	query_edit_add(&edits, QUERY_EDIT_REPLACE, 2, 1, ",");
	query_edit_add(&edits, QUERY_EDIT_REPLACE, 2, 1, "never");
	query_edit_add(&edits, QUERY_EDIT_REPLACE, 9, 1, "outside");
	char *text = query_edits_apply(&edits, "a + b FROM", 0, 8);
	assert_string_equal(text, "outer(inner(a , b, 2), 1) AS n FR");
	free(text);
	query_edits_deinit(&edits);
}

static void tokens_are_postgresqls(void **state)
{
	static const char text[] =
		"a->>-1 ||E'x\\'y' $1 \"q\"\"r\"--c\n$$s$$ /*a/*b*/*/ x.end::int @-1 1.5e3 'a' --b\n'c'";
	static const char *const expected[] = {"a",  "->>",        "-",     "1", "||",    "E'x\\'y'",
	                                       "$1", "\"q\"\"r\"", "$$s$$", "x", ".",     "end",
	                                       "::", "int",        "@-",    "1", "1.5e3", "'a' --b\n'c'"};
	struct query_token *tokens;
	size_t count;
	(void)state;
	assert_true(query_tokens_read(text, strlen(text), &tokens, &count));
	for (size_t i = 0; i < count && i < sizeof expected / sizeof *expected; i++) {
		assert_int_equal(tokens[i].bytes, strlen(expected[i]));
		assert_memory_equal(text + tokens[i].at, expected[i], tokens[i].bytes);
	}
	assert_int_equal(count, sizeof expected / sizeof *expected);
	free(tokens);
}

/* ---- COPY ---- */

struct copied {
	char text[256]; /* fields by '|', rows by '/', nulls as ~ */
};

static pyr_result take_row(void *context, const struct query_field *fields, struct query_error *error)
{
	struct copied *copied = context;
	size_t used = strlen(copied->text);
	(void)error;
	for (size_t i = 0; i < 2; i++)
		used += (size_t)snprintf(copied->text + used, sizeof copied->text - used, "%.*s%s",
		                         fields[i].text.data ? (int)fields[i].text.bytes : 1,
		                         fields[i].text.data ? (const char *)fields[i].text.data : "~",
		                         i == 0 ? "|" : "/");
	return pyr_ok();
}

/* The same whole and byte by byte. */
static void check_copy(struct query_copy copy, const char *data, size_t bytes, const char *rows, const char *sqlstate)
{
	for (size_t step = 1; step <= bytes; step += bytes > 1 ? bytes - 1 : 1) {
		struct copied copied = {""};
		struct pg_copy_sink sink = {take_row, &copied};
		struct query_error error = {0};
		struct pg_copy_in *in = pg_copy_in_new(&copy, 2, &sink);
		pyr_result result = pyr_ok();
		for (size_t at = 0; at < bytes && result.code == PYR_OK; at += step)
			result = pg_copy_in_take(
				in,
				(struct base_bytes){(const uint8_t *)data + at, bytes - at < step ? bytes - at : step},
				&error);
		if (result.code == PYR_OK)
			result = pg_copy_in_end(in, &error);
		pg_copy_in_free(in);
		assert_string_equal(error.sqlstate, sqlstate);
		assert_string_equal(copied.text, rows);
	}
}

#define BYTES(literal) literal, sizeof(literal) - 1

static void copies_are_read(void **state)
{
	struct query_copy text = {
		.format = QUERY_COPY_TEXT, .delimiter = '\t', .quote = '"', .escape = '"', .null_text = "\\N"};
	struct query_copy csv = {
		.format = QUERY_COPY_CSV, .delimiter = ',', .quote = '"', .escape = '"', .header = true};
	struct query_copy binary = {.format = QUERY_COPY_BINARY};
	(void)state;
	check_copy(text, BYTES("a\tb\n\\N\t\n"), "a|b/~|/", "");
	check_copy(text, BYTES("a\\tb\tc\\\\\\101\\x\r\nlast\tline"), "a\tb|c\\Ax/last|line/", "");
	check_copy(text, BYTES("a\tb\n\\.\nignored"), "a|b/", "");
	check_copy(text, BYTES("a\n"), "", "22P04");
	check_copy(text, BYTES("a\tb\tc\n"), "", "22P04");
	check_copy(csv, BYTES("h1,h2\na,\"b,\n\"\"c\"\"\"\n,\"\"\n"), "a|b,\n\"c\"/~|/", "");
	check_copy(csv, BYTES("h1,h2\na,\"b"), "", "22P04");
	check_copy(binary, BYTES("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\2\0\0\0\1x\xff\xff\xff\xff\xff\xff"), "x|~/",
	           "");
	check_copy(binary, BYTES("PGCOPX\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\2"), "", "22P04");
	check_copy(binary, BYTES("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\3"), "", "22P04");
}

/* ---- time ---- */

static void check_time(const char *text, const char *expected)
{
	char room[QUERY_TO_CHAR_MAX] = "none";
	int64_t us = 0;
	if (query_timestamp_read((struct base_bytes){(const uint8_t *)text, strlen(text)}, &us))
		query_time_format(us, "YYYY-MM-DD HH24:MI:SS.US", false, room);
	assert_string_equal(room, expected);
}

static void timestamps_are_read(void **state)
{
	(void)state;
	check_time("2024-02-29 13:14:15.678", "2024-02-29 13:14:15.678000");
	check_time("2024-02-29T13:14:15Z", "2024-02-29 13:14:15.000000");
	check_time("2024-02-29 00:30:00+01", "2024-02-28 23:30:00.000000");
	check_time("2024-02-29 00:30-0330", "2024-02-29 04:00:00.000000");
	check_time("2024-02-29 00:30 +05:30", "2024-02-28 19:00:00.000000");
	check_time("2024-02-29", "2024-02-29 00:00:00.000000");
	check_time("2024-13-01", "none");
	check_time("2024-01-01 10:00:00 nowhere", "none");
	check_time("", "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_postgresqls),
		cmocka_unit_test(binaries_are_postgresqls),
		cmocka_unit_test(parameters_become_text),
		cmocka_unit_test(startup_packets_are_read),
		cmocka_unit_test(copies_are_read),
		cmocka_unit_test(timestamps_are_read),
		cmocka_unit_test(edits_nest),
		cmocka_unit_test(tokens_are_postgresqls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
