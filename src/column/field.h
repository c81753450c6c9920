/* A declared column's value out of a JSON field: converted, missing, or a reason why it does not fit.
 *
 * What fits is what PostgreSQL's casts would take of the field's text, but that nothing is rounded to a whole number and a
 * time may be a number (seconds, or from 1e11 on milliseconds, since 1970). Pure; any thread.
 */
#ifndef PYRALOG_COLUMN_FIELD_H
#define PYRALOG_COLUMN_FIELD_H

#include "column/json.h"

enum column_type {
	COLUMN_TYPE_BOOL,
	COLUMN_TYPE_INT2,
	COLUMN_TYPE_INT4,
	COLUMN_TYPE_INT8,
	COLUMN_TYPE_FLOAT4,
	COLUMN_TYPE_FLOAT8,
	COLUMN_TYPE_NUMERIC, /* with precision and scale */
	COLUMN_TYPE_TEXT,
	COLUMN_TYPE_JSON, /* the field as it was written */
	COLUMN_TYPE_DATE, /* days since 1970 */
	COLUMN_TYPE_TIME, /* microseconds since midnight */
	COLUMN_TYPE_TIMESTAMP, /* microseconds since 1970 */
	COLUMN_TYPE_TIMESTAMPTZ,
	COLUMN_TYPE_UUID,
};

struct column_field_type {
	enum column_type type;
	uint8_t precision, scale; /* NUMERIC */
};

union column_field_value {
	bool boolean;
	int64_t integer; /* and times */
	double real;
	__int128 wide; /* NUMERIC, times ten to the scale; UUID, its bytes from the highest on */
	struct base_bytes text; /* borrowed: from the JSON, or from the writer */
};

enum column_fit {
	COLUMN_FIT, /* the value is there */
	COLUMN_FIT_NULL, /* the field is missing or null */
	COLUMN_FIT_NOT_JSON, /* from here on it does not fit */
	COLUMN_FIT_NOT_BOOLEAN,
	COLUMN_FIT_NOT_NUMBER,
	COLUMN_FIT_FRACTION,
	COLUMN_FIT_RANGE,
	COLUMN_FIT_NOT_TEXT,
	COLUMN_FIT_NOT_DATE,
	COLUMN_FIT_NOT_TIME,
	COLUMN_FIT_NOT_TIMESTAMP,
	COLUMN_FIT_NOT_UUID,
};

/* "out of range", for a person to read. */
const char *column_fit_reason(enum column_fit fit);

/* `writer` is scratch for strings with escapes: what it holds afterwards is borrowed by *ret_value until its next use. */
enum column_fit column_field_convert(struct column_field_type type, const struct column_json *field,
                                     struct base_writer *writer, union column_field_value *ret_value);

/* field_time.c: ISO 8601 dates and times, as PostgreSQL writes them or with a T. False: it is something else. */
bool column_time_parse(const char *text, size_t bytes, enum column_type type, int64_t *ret_value);

#endif
