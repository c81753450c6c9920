/* PostgreSQL's array texts as the engine reads lists: {1,"a}",NULL} is ["1","a}",NULL]. Pure; any thread. */
#ifndef PYRALOG_QUERY_ARRAYS_H
#define PYRALOG_QUERY_ARRAYS_H

#include "base/cursor.h"

#define QUERY_ARRAY_DIMENSIONS                                                                                         \
	"an array as a text or a parameter has one dimension: write ARRAY[ARRAY[1, 2], ARRAY[3, 4]]"

/* What the elements are, as far as it matters: bytea's \x0061 is \x00\x61 to the engine, and JSON stands without quotes. */
enum query_array_kind { QUERY_ARRAY_TEXTS, QUERY_ARRAY_BYTEAS, QUERY_ARRAY_JSONS };

/* PYR_INVALID_REQUEST: no array's text; PYR_NOT_SUPPORTED: more than one dimension; PYR_OUT_OF_MEMORY. */
pyr_result query_array_write(struct base_writer *writer, struct base_bytes text, enum query_array_kind kind);
void query_array_write_null(struct base_writer *writer, enum query_array_kind kind);
/* One element, as the engine has texts of its kind. */
void query_array_write_element(struct base_writer *writer, const uint8_t *text, size_t bytes,
                               enum query_array_kind kind);

#endif
