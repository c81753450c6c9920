/* Shared by the files of values.h: values.c writes text, values_binary.c binary, parameters.c reads. */
#ifndef PYRALOG_SERVER_PG_VALUES_PRIV_H
#define PYRALOG_SERVER_PG_VALUES_PRIV_H

#include "server/pg/values.h"

#define PG_EPOCH_DAYS 10957 /* 1970-01-01 to 2000-01-01 */
#define PG_DAY_US 86400000000LL
#define PG_EPOCH_US (PG_EPOCH_DAYS * PG_DAY_US)

enum { PG_CELL_TEXT_MAX = 128, PG_NUMERIC_DIGITS_MAX = 40, PG_DIMENSIONS_MAX = 6 };

/* Any cell but texts, bytes and lists; returns how many bytes. */
int pg_cell_format(char room[PG_CELL_TEXT_MAX], const struct query_cell *cell);
int pg_real_format(char *room, size_t bytes, double value, bool single);
/* Decimal digits of a DECIMAL's magnitude, least first; returns how many. */
size_t pg_decimal_digits(const struct query_cell *cell, uint8_t digits[PG_NUMERIC_DIGITS_MAX]);
/* One hexadecimal digit's value. */
bool pg_unhex(char c, uint8_t *ret_digit);

/* values_binary.c: length and bytes. */
pyr_result pg_value_write_binary(struct base_writer *writer, const struct query_cell *cell, uint32_t type,
                                 struct query_error *error);

#endif
