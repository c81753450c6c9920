/* One value of a result, whatever engine made it. */
#ifndef PYRALOG_QUERY_CELL_H
#define PYRALOG_QUERY_CELL_H

#include "base/buffer.h"

#include <stdint.h>

enum query_cell_kind {
	QUERY_CELL_NULL,
	QUERY_CELL_BOOL,
	QUERY_CELL_INTEGER,
	QUERY_CELL_FLOAT4,
	QUERY_CELL_FLOAT8,
	QUERY_CELL_DECIMAL, /* (upper * 2^64 + lower) / 10^scale */
	QUERY_CELL_TEXT,
	QUERY_CELL_BYTES,
	QUERY_CELL_DATE, /* integer: days since 1970 */
	QUERY_CELL_TIME, /* integer: microseconds */
	QUERY_CELL_TIMESTAMP, /* integer: microseconds since 1970 */
	QUERY_CELL_TIMESTAMPTZ,
	QUERY_CELL_INTERVAL, /* integer: microseconds; months, days */
	QUERY_CELL_UUID, /* integer: the upper half, lower */
	QUERY_CELL_LIST, /* see query_cell_element() */
};

struct query_cell {
	enum query_cell_kind kind;
	uint8_t scale;
	int64_t integer; /* BOOL too; DECIMAL: upper */
	uint64_t lower;
	union {
		double real;
		struct {
			int32_t months, days; /* INTERVAL */
		};
	};
	struct base_bytes bytes; /* lives as long as its chunk */
	const struct query_column_data *elements; /* LIST: where they lie, from `first` on; as long as its chunk */
	size_t first, count;
};

/* A DECIMAL: value / 10^scale, without the zeros at its end if its type has no scale: see QUERY_NUMERIC_SCALE. */
struct query_cell query_cell_numeric(__int128 value, uint8_t scale);
/* Of a LIST, i < count. */
struct query_cell query_cell_element(const struct query_cell *list, size_t i);

#endif
