/* PostgreSQL's array texts as the engine reads lists: {1,"a}",NULL} is ["1","a}",NULL]. Pure; any thread. */
#ifndef PYRALOG_QUERY_ARRAYS_H
#define PYRALOG_QUERY_ARRAYS_H

#include "base/cursor.h"

/* PYR_INVALID_REQUEST: no array's text; PYR_OUT_OF_MEMORY. */
pyr_result query_array_write(struct base_writer *writer, struct base_bytes text);
/* One element, in quotes. */
void query_array_write_element(struct base_writer *writer, const uint8_t *text, size_t bytes);

#endif
