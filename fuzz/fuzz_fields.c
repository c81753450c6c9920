/* Declared columns with hostile bytes: a path, a JSON text, every type; and the catalog's actions. The first byte says where
 * path and text part. */
#include "catalog/columns.h"
#include "column/field.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void convert_all(const struct column_json *field)
{
	struct base_writer writer;
	union column_field_value value;
	base_writer_init(&writer, 1 << 20);
	for (int type = COLUMN_TYPE_BOOL; type <= COLUMN_TYPE_UUID; type++) {
		struct column_field_type with = {(enum column_type)type, 38, 11};
		enum column_fit fit = column_field_convert(with, field, &writer, &value);
		assert(column_fit_reason(fit));
	}
	base_writer_deinit(&writer);
}

static void walk(const struct column_json *value, int depth)
{
	struct column_json name, member;
	size_t at = 0;
	convert_all(value);
	if (depth > 0 && (value->kind == COLUMN_JSON_OBJECT || value->kind == COLUMN_JSON_ARRAY))
		while (column_json_member(value->text, &at, &name, &member))
			walk(&member, depth - 1);
}

static void walk_path(const char *path)
{
	const char *at = path;
	char name[COLUMN_JSON_NAME_MAX + 1];
	bool any = true;
	int steps = 0;
	while (any && column_json_path_name(path, &at, name, &any))
		steps += any;
	assert(steps <= COLUMN_JSON_STEPS_MAX);
}

static void apply(const uint8_t *data, size_t bytes)
{
	struct catalog_columns *columns = NULL, *again = NULL;
	struct base_writer writer;
	if (catalog_columns_apply(&columns, (struct base_bytes){data, bytes}).code != PYR_OK)
		return;
	base_writer_init(&writer, 1 << 20);
	catalog_columns_write(&writer, columns);
	struct base_bytes written = {writer.buffer->data, writer.bytes};
	assert(catalog_columns_apply(&again, written).code == PYR_OK && again->count == columns->count);
	base_writer_deinit(&writer);
	catalog_columns_free(columns);
	catalog_columns_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char path[256] = "";
	struct column_json_paths *paths;
	struct column_json found;
	if (bytes < 1)
		return 0;
	apply(data, bytes);
	size_t first = data[0] < bytes - 1 ? data[0] : bytes - 1;
	memcpy(path, data + 1, first);
	const char *names = path;
	if (column_json_paths_new(&names, 1, &paths, NULL).code != PYR_OK)
		return 0;
	walk_path(path);
	if (column_json_find(paths, (struct base_bytes){data + 1 + first, bytes - 1 - first}, &found))
		walk(&found, 3);
	column_json_paths_free(paths);
	return 0;
}
