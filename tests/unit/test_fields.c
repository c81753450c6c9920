/* column/json.h and column/field.h: what paths find, what is no JSON, what fits a type; catalog/columns.h. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "catalog/columns.h"
#include "column/field.h"

#include <stdio.h>
#include <string.h>

static struct base_bytes bytes_of(const char *text)
{
	return (struct base_bytes){(const uint8_t *)text, strlen(text)};
}

/* What one path finds, as written; "-": nothing, "!": no JSON. */
static const char *find(const char *path, const char *text, char room[256])
{
	struct column_json_paths *paths;
	struct column_json found;
	assert_int_equal(column_json_paths_new(&path, 1, &paths, NULL).code, PYR_OK);
	bool good = column_json_find(paths, bytes_of(text), &found);
	column_json_paths_free(paths);
	snprintf(room, 256, "%.*s", (int)found.text.bytes, (const char *)found.text.data);
	return !good ? "!" : found.kind == COLUMN_JSON_NONE ? "-" : room;
}

static void paths_find_fields(void **state)
{
	static const char *const rows[][3] = {
		{"a", "{\"a\":1}", "1"},
		{"a", " { \"b\" : [ ] , \"a\" : \"x y\" } ", "x y"},
		{"a.b", "{\"a\":{\"b\":[1, {}]}}", "[1, {}]"},
		{"a[1].b", "{\"a\":[0,{\"b\":true}]}", "true"},
		{"[0]", "[null]", "null"},
		{"\"a.b\"", "{\"a\":{\"b\":1},\"a.b\":2}", "2"},
		{"\"say \"\"x\"\"\"", "{\"say \\\"x\\\"\":2}", "2"},
		{"\xc3\xa9", "{\"\\u00e9\":-1.5e+3}", "-1.5e+3"},
		{"a", "{\"a\":1,\"a\":2}", "1"},
		{"a.y", "{\"a\":{\"x\":1},\"a\":{\"y\":2}}", "-"},
		{"a", "{}", "-"},
		{"a", "7", "-"},
		{"a.b", "{\"a\":7}", "-"},
		{"a", "", "!"},
		{"a", "{", "!"},
		{"a", "{\"a\":1} x", "!"},
		{"a", "{\"a\":01}", "!"},
		{"a", "{\"a\":1.}", "!"},
		{"a", "{\"a\":tru}", "!"},
		{"a", "{\"a\":\"\x01\"}", "!"},
		{"a", "{\"a\":\"\\x\"}", "!"},
		{"a", "{\"a\":\"\\u12g4\"}", "!"},
		{"a", "{\"a\":1,}", "!"},
		{"a", "[1,]", "!"},
		{"a", "{'a':1}", "!"},
	};
	char room[256];
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_string_equal(find(rows[i][0], rows[i][1], room), rows[i][2]);
}

static void depth_is_bounded(void **state)
{
	char text[2 * COLUMN_JSON_DEPTH_MAX + 3], room[256];
	(void)state;
	memset(text, '[', COLUMN_JSON_DEPTH_MAX + 1);
	memset(text + COLUMN_JSON_DEPTH_MAX + 1, ']', COLUMN_JSON_DEPTH_MAX + 1);
	text[2 * COLUMN_JSON_DEPTH_MAX + 2] = 0;
	assert_string_equal(find("a", text, room), "!");
	text[2 * COLUMN_JSON_DEPTH_MAX + 1] = 0;
	assert_string_equal(find("a", text + 1, room), "-");
}

static void bad_paths_are_refused(void **state)
{
	static const char *const paths[] = {"",     ".",   "a.",  "a..b",  ".a",          "a[",
	                                    "a[x]", "a[]", "\"a", "a[1]b", "a[123456789]"};
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		assert_int_equal(column_json_path_check(paths[i], NULL).code, PYR_SYNTAX);
}

static enum column_fit convert(enum column_type type, const char *text, union column_field_value *ret_value)
{
	static const char *path = "[0]";
	struct column_json_paths *paths;
	struct column_json found;
	struct base_writer writer;
	struct column_field_type with = {type, 10, 2};
	assert_int_equal(column_json_paths_new(&path, 1, &paths, NULL).code, PYR_OK);
	assert_true(column_json_find(paths, bytes_of(text), &found));
	base_writer_init(&writer, 1 << 16);
	enum column_fit fit = column_field_convert(with, &found, &writer, ret_value);
	base_writer_deinit(&writer);
	column_json_paths_free(paths);
	return fit;
}

static void numbers_fit_or_not(void **state)
{
	static const struct {
		enum column_type type;
		const char *text;
		enum column_fit fit;
		int64_t value;
	} rows[] = {
		{COLUMN_TYPE_INT2, "[32767]", COLUMN_FIT, 32767},
		{COLUMN_TYPE_INT2, "[32768]", COLUMN_FIT_RANGE, 0},
		{COLUMN_TYPE_INT4, "[-2147483648]", COLUMN_FIT, INT32_MIN},
		{COLUMN_TYPE_INT4, "[1e3]", COLUMN_FIT, 1000},
		{COLUMN_TYPE_INT4, "[10.50e1]", COLUMN_FIT, 105},
		{COLUMN_TYPE_INT4, "[1.05e1]", COLUMN_FIT_FRACTION, 0},
		{COLUMN_TYPE_INT4, "[\" 1\"]", COLUMN_FIT_NOT_NUMBER, 0},
		{COLUMN_TYPE_INT8, "[\"-9223372036854775808\"]", COLUMN_FIT, INT64_MIN},
		{COLUMN_TYPE_INT8, "[9223372036854775808]", COLUMN_FIT_RANGE, 0},
		{COLUMN_TYPE_INT8, "[1e900]", COLUMN_FIT_RANGE, 0},
		{COLUMN_TYPE_INT8, "[1e-900]", COLUMN_FIT_FRACTION, 0},
		{COLUMN_TYPE_INT8, "[0e900]", COLUMN_FIT, 0},
		{COLUMN_TYPE_INT8, "[null]", COLUMN_FIT_NULL, 0},
		{COLUMN_TYPE_INT8, "[]", COLUMN_FIT_NULL, 0},
		{COLUMN_TYPE_INT8, "[[]]", COLUMN_FIT_NOT_NUMBER, 0},
		{COLUMN_TYPE_NUMERIC, "[1.005]", COLUMN_FIT, 101},
		{COLUMN_TYPE_NUMERIC, "[-0.004]", COLUMN_FIT, 0},
		{COLUMN_TYPE_NUMERIC, "[99999999.99]", COLUMN_FIT, 9999999999},
		{COLUMN_TYPE_NUMERIC, "[99999999.995]", COLUMN_FIT_RANGE, 0},
		{COLUMN_TYPE_FLOAT4, "[1e39]", COLUMN_FIT_RANGE, 0},
		{COLUMN_TYPE_FLOAT8, "[\"nan\"]", COLUMN_FIT_NOT_NUMBER, 0},
		{COLUMN_TYPE_BOOL, "[\"yes\"]", COLUMN_FIT_NOT_BOOLEAN, 0},
		{COLUMN_TYPE_DATE, "[\"1970-01-02\"]", COLUMN_FIT, 1},
		{COLUMN_TYPE_DATE, "[\"1900-02-29\"]", COLUMN_FIT_NOT_DATE, 0},
		{COLUMN_TYPE_DATE, "[7]", COLUMN_FIT_NOT_DATE, 0},
		{COLUMN_TYPE_TIME, "[\"00:00:01.5\"]", COLUMN_FIT, 1500000},
		{COLUMN_TYPE_TIME, "[\"24:00:01\"]", COLUMN_FIT_NOT_TIME, 0},
		{COLUMN_TYPE_TIMESTAMPTZ, "[\"1970-01-01T01:00:00+01:00\"]", COLUMN_FIT, 0},
		{COLUMN_TYPE_TIMESTAMPTZ, "[\"1969-12-31 23:59:59Z\"]", COLUMN_FIT, -1000000},
		{COLUMN_TYPE_TIMESTAMP, "[\"1970-01-01 00:00+05\"]", COLUMN_FIT, 0},
		{COLUMN_TYPE_TIMESTAMPTZ, "[1]", COLUMN_FIT, 1000000},
		{COLUMN_TYPE_TIMESTAMPTZ, "[1700000000000]", COLUMN_FIT, 1700000000000000},
		{COLUMN_TYPE_TIMESTAMPTZ, "[1e30]", COLUMN_FIT_RANGE, 0},
		{COLUMN_TYPE_UUID, "[\"00000000-0000-0000-0000-00000000000g\"]", COLUMN_FIT_NOT_UUID, 0},
		{COLUMN_TYPE_TEXT, "[\"\\ud800\"]", COLUMN_FIT_NOT_TEXT, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		union column_field_value value = {0};
		assert_int_equal(convert(rows[i].type, rows[i].text, &value), rows[i].fit);
		if (rows[i].fit == COLUMN_FIT && rows[i].type == COLUMN_TYPE_NUMERIC)
			assert_true(value.wide == rows[i].value);
		else if (rows[i].fit == COLUMN_FIT)
			assert_int_equal(value.integer, rows[i].value);
	}
}

static void members_are_walked(void **state)
{
	static const char text[] = "{ \"a\" : 1, \"b\":[2], \"c\":\"x\" }";
	struct column_json name, value;
	size_t at = 0, count = 0;
	(void)state;
	while (column_json_member(bytes_of(text), &at, &name, &value)) {
		assert_int_equal(name.text.data[0], 'a' + (int)count);
		count += 1;
	}
	assert_int_equal(count, 3);
	assert_int_equal(value.kind, COLUMN_JSON_STRING);
}

/* ---- columns of the catalog ---- */

static pyr_result act(struct catalog_columns **columns, enum catalog_column_action action, const char *name,
                      uint16_t number)
{
	struct catalog_column column = {.type = 23, .modifier = -1, .number = number};
	struct base_writer writer;
	snprintf(column.name, sizeof column.name, "%s", name);
	snprintf(column.path, sizeof column.path, "%s", name);
	base_writer_init(&writer, 4096);
	catalog_column_action_write(&writer, action, &column);
	pyr_result result = catalog_columns_apply(columns, (struct base_bytes){writer.buffer->data, writer.bytes});
	base_writer_deinit(&writer);
	return result;
}

static void numbers_are_never_given_again(void **state)
{
	struct catalog_columns *columns = NULL, *again = NULL;
	struct base_writer writer;
	(void)state;
	assert_int_equal(act(&columns, CATALOG_COLUMN_ADD, "a", 0).code, PYR_OK);
	assert_int_equal(act(&columns, CATALOG_COLUMN_ADD, "b", 0).code, PYR_OK);
	assert_int_equal(act(&columns, CATALOG_COLUMN_ADD, "b", 0).code, PYR_EXISTS);
	assert_int_equal(act(&columns, CATALOG_COLUMN_DROP, "b", 0).code, PYR_OK);
	assert_int_equal(act(&columns, CATALOG_COLUMN_DROP, "b", 0).code, PYR_NOT_FOUND);
	base_writer_init(&writer, 4096);
	catalog_columns_write(&writer, columns);
	assert_int_equal(catalog_columns_apply(&again, (struct base_bytes){writer.buffer->data, writer.bytes}).code,
	                 PYR_OK);
	for (size_t cut = 1; cut < writer.bytes - 1; cut++) {
		struct catalog_columns *partly = NULL;
		enum pyr_code code = catalog_columns_apply(&partly, (struct base_bytes){writer.buffer->data, cut}).code;
		assert_true(code == PYR_CORRUPT ||
		            (code == PYR_OK && partly->count == 1)); /* behind the first action */
		catalog_columns_free(partly);
	}
	base_writer_deinit(&writer);
	assert_int_equal(act(&again, CATALOG_COLUMN_ADD, "c", 0).code, PYR_OK);
	assert_true(again->count == 2 && again->list[1].number == 3);
	assert_int_equal(act(&again, CATALOG_COLUMN_ADD, "d", 2).code, PYR_CORRUPT);
	assert_int_equal(act(&again, CATALOG_COLUMN_FLOOR, "", CATALOG_COLUMNS_MAX).code, PYR_OK);
	assert_int_equal(act(&again, CATALOG_COLUMN_ADD, "d", 0).code, PYR_TOO_LARGE);
	catalog_columns_free(columns);
	catalog_columns_free(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_find_fields),     cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(bad_paths_are_refused), cmocka_unit_test(numbers_fit_or_not),
		cmocka_unit_test(members_are_walked),    cmocka_unit_test(numbers_are_never_given_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
