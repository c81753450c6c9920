/* A topic as columns: the rows of a snapshot, decoded batch by batch, for any query engine.
 *
 * Thread: opened and read on a query's thread; several readers may share one scan, each with its own cursor. A scan is
 * immutable; it keeps its snapshot. Sealed Parquet will be a third source behind the same functions.
 */
#ifndef PYRALOG_COLUMN_SCAN_H
#define PYRALOG_COLUMN_SCAN_H

#include "base/buffer.h"
#include "base/error.h"
#include "log/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

enum { COLUMN_ROWS_MAX = 2048 };

/* Which columns a reader wants filled; the others are left alone. */
enum column_set {
	COLUMN_OFFSET = 1,
	COLUMN_PARTITION = 2,
	COLUMN_TIMESTAMP = 4,
	COLUMN_KEY = 8,
	COLUMN_VALUE = 16,
	COLUMN_HEADERS = 32,
};

/* Up to COLUMN_ROWS_MAX rows. Bytes are borrowed from the reader until its next call. data == NULL: null. */
struct column_rows {
	size_t count;
	int64_t offset[COLUMN_ROWS_MAX];
	int32_t partition[COLUMN_ROWS_MAX];
	int64_t timestamp_ms[COLUMN_ROWS_MAX];
	struct base_bytes key[COLUMN_ROWS_MAX];
	struct base_bytes value[COLUMN_ROWS_MAX];
	struct base_bytes headers[COLUMN_ROWS_MAX]; /* as in the record: varint count, then key and value each */
	uint32_t header_count[COLUMN_ROWS_MAX];
};

struct column_bounds {
	int64_t offset_min, offset_max; /* inclusive */
	int64_t timestamp_ms_min, timestamp_ms_max;
	int32_t partition_min, partition_max;
};

struct column_bounds column_bounds_all(void);

struct column_scan;

/* Takes over the snapshot. */
pyr_result column_scan_new(struct log_snapshot *snapshot, const struct column_bounds *bounds,
                           struct column_scan **ret_scan);
void column_scan_free(struct column_scan *scan);
size_t column_scan_unit_count(const struct column_scan *scan); /* units may be read in any order, by any thread */
uint64_t column_scan_row_estimate(const struct column_scan *scan);
const struct log_snapshot *column_scan_snapshot(const struct column_scan *scan);

struct column_reader;

pyr_result column_reader_new(const struct column_scan *scan, unsigned columns, struct column_reader **ret_reader);
void column_reader_free(struct column_reader *reader);
/* Starts on a unit; the one before is dropped. */
pyr_result column_reader_seek(struct column_reader *reader, size_t unit, struct pyr_error *error);
/* The next rows inside the bounds; count 0: the unit is done. A batch that can't be decoded is PYR_CORRUPT with a
 * sentence that names partition and offset. Control batches give no rows. */
pyr_result column_reader_next(struct column_reader *reader, struct column_rows *ret_rows, struct pyr_error *error);

#endif
