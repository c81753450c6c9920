/* Records whose value is made of declared columns: a JSON object with a field for each that is not null. */
#ifndef PYRALOG_QUERY_FIELDS_WRITE_H
#define PYRALOG_QUERY_FIELDS_WRITE_H

#include "query/writes.h"

/* Makes room in insert->shape for declared column `declared`, whose values are field number `field`. 0A000: its path leads
 * through an array; 42701: another column is the same field, or holds it. */
pyr_result query_fields_shape(struct query_insert *insert, size_t declared, size_t field, struct query_error *error);
/* The value of one row, for the caller to release. 22P02, 22003, 22007, 22021: a field is no such value. */
pyr_result query_fields_write(const struct query_insert *insert, const struct query_field *fields,
                              struct base_slice *ret_value, struct query_error *error);

#endif
