/* Look-ups in the table of types. Pure. */
#include "query/types.h"

#include <stddef.h>

struct type_row {
	uint32_t oid;
	int bytes;
	const char *engine;
	uint32_t array; /* 0: it is one itself */
	uint32_t element; /* of an array; else 0 */
};

#define X(name, oid, bytes, engine, array) {oid, bytes, engine, array, 0}, {array, -1, engine "[]", 0, oid},
static const struct type_row type_rows[] = {QUERY_TYPES(X)};
#undef X

static const struct type_row *row_of(uint32_t oid)
{
	for (size_t i = 0; i < sizeof type_rows / sizeof *type_rows; i++)
		if (type_rows[i].oid == oid)
			return &type_rows[i];
	return NULL;
}

const char *query_type_engine_name(uint32_t oid)
{
	const struct type_row *row = row_of(oid);
	return row ? row->engine : NULL;
}

int query_type_bytes(uint32_t oid)
{
	const struct type_row *row = row_of(oid);
	return row ? row->bytes : -1;
}

uint32_t query_type_array_of(uint32_t element)
{
	const struct type_row *row = row_of(element);
	return row ? row->array : 0;
}

uint32_t query_type_element_of(uint32_t array)
{
	const struct type_row *row = row_of(array);
	return row ? row->element : 0;
}
