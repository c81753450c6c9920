/* A topic as columns: the rows of a snapshot, decoded batch by batch, for any query engine.
 *
 * A scan is made of units, which may be read in any order, by any thread; each reader has its own cursor. A scan is
 * immutable and keeps what it reads alive. It is a table of functions, so that what is read (segments and tail today,
 * sealed Parquet later, rows made up by a test) is nobody's business above. Thread: a query's; several at once.
 */
#ifndef PYRALOG_COLUMN_SCAN_H
#define PYRALOG_COLUMN_SCAN_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	COLUMN_ROWS_MAX = 2048,
	COLUMN_ROWS_BYTES = 1 << 20, /* keys, values and headers of one set of rows, if it has more than one row */
};

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

/* What is read, and what the bounds spared. */
struct column_scan_statistics {
	uint64_t segments_read;
	uint64_t segments_pruned;
	uint64_t partitions; /* that have rows inside the bounds */
	uint64_t hot_batches, hot_rows; /* not sealed yet; rows as far as the batches' headers tell */
	uint64_t sealed_bytes, hot_bytes;
};

struct column_scan;
struct column_reader;

struct column_scan_ops {
	void (*free)(struct column_scan *scan);
	size_t (*unit_count)(const struct column_scan *scan);
	uint64_t (*row_estimate)(const struct column_scan *scan);
	struct column_scan_statistics (*statistics)(const struct column_scan *scan);
	pyr_result (*reader_new)(const struct column_scan *scan, unsigned columns, struct column_reader **ret_reader);
};

struct column_scan {
	const struct column_scan_ops *ops;
};

struct column_reader_ops {
	void (*free)(struct column_reader *reader);
	pyr_result (*seek)(struct column_reader *reader, size_t unit, struct pyr_error *error);
	pyr_result (*next)(struct column_reader *reader, struct column_rows *ret_rows, struct pyr_error *error);
};

struct column_reader {
	const struct column_reader_ops *ops;
};

static inline void column_scan_free(struct column_scan *scan)
{
	if (scan)
		scan->ops->free(scan);
}

static inline size_t column_scan_unit_count(const struct column_scan *scan)
{
	return scan->ops->unit_count(scan);
}

static inline uint64_t column_scan_row_estimate(const struct column_scan *scan)
{
	return scan->ops->row_estimate(scan);
}

static inline struct column_scan_statistics column_scan_statistics_get(const struct column_scan *scan)
{
	return scan->ops->statistics(scan);
}

/* `columns`: of enum column_set. PYR_OUT_OF_MEMORY. The scan must outlive it. */
static inline pyr_result column_reader_new(const struct column_scan *scan, unsigned columns,
                                           struct column_reader **ret_reader)
{
	return scan->ops->reader_new(scan, columns, ret_reader);
}

static inline void column_reader_free(struct column_reader *reader)
{
	if (reader)
		reader->ops->free(reader);
}

/* Starts on a unit; the one before is dropped. */
static inline pyr_result column_reader_seek(struct column_reader *reader, size_t unit, struct pyr_error *error)
{
	return reader->ops->seek(reader, unit, error);
}

/* The next rows inside the bounds; count 0: the unit is done. A batch that can't be decoded is PYR_CORRUPT with a
 * sentence that names partition and offset. Control batches give no rows. */
static inline pyr_result column_reader_next(struct column_reader *reader, struct column_rows *ret_rows,
                                            struct pyr_error *error)
{
	return reader->ops->next(reader, ret_rows, error);
}

#endif
