/* Rows of log snapshots, batch by batch; a unit is a run of one of them.
 *
 * A reader hands out rows that point into the run's bytes, or into what a batch was inflated to; both stay until its
 * next call. So that many small batches make one set of rows, up to READERS_MAX inflated batches are kept that long.
 * Failure modes: a batch that can't be decoded ends the scan with PYR_CORRUPT, naming partition and offset.
 */
#include "column/log_scan.h"

#include "catalog/catalog.h"
#include "codec/batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { READERS_MAX = 64, INFLATED_BYTES_MAX = 1 << 30 };

struct log_scan {
	struct column_scan base;
	struct column_bounds bounds;
	int32_t first_partition;
	size_t snapshot_count;
	struct log_snapshot *snapshots[];
};

struct log_reader {
	struct column_reader base;
	const struct log_scan *scan;
	struct log_run run;
	struct base_slice bytes; /* of the run */
	size_t at; /* of the next batch in it */
	size_t rows_bytes; /* of the rows handed out last */
	bool in_batch; /* the last of `readers` has records left */
	size_t reader_count;
	struct codec_record_reader readers[READERS_MAX]; /* whose bytes the rows may point to */
};

/* ---- the reader ---- */

/* All but the one that is still open. */
static void release_batches(struct log_reader *reader)
{
	struct codec_record_reader open;
	size_t kept = reader->in_batch && reader->reader_count > 0;
	if (kept)
		open = reader->readers[--reader->reader_count];
	for (size_t i = 0; i < reader->reader_count; i++)
		codec_record_reader_deinit(&reader->readers[i]);
	if (kept)
		reader->readers[0] = open;
	reader->reader_count = kept;
}

static void release_run(struct log_reader *reader)
{
	reader->in_batch = false;
	release_batches(reader);
	base_slice_release(&reader->bytes);
	reader->at = 0;
}

static void reader_free(struct column_reader *base)
{
	struct log_reader *reader = (struct log_reader *)base;
	release_run(reader);
	free(reader);
}

static int32_t partition_of(const struct log_reader *reader)
{
	return reader->scan->first_partition + (int32_t)reader->run.partition_slot;
}

/* The snapshot whose run the unit is; *unit becomes the run's number there. */
static const struct log_snapshot *snapshot_of(const struct log_scan *scan, size_t *unit)
{
	size_t i = 0;
	while (*unit >= log_snapshot_run_count(scan->snapshots[i]))
		*unit -= log_snapshot_run_count(scan->snapshots[i++]);
	return scan->snapshots[i];
}

static pyr_result reader_seek(struct column_reader *base, size_t unit, struct pyr_error *error)
{
	struct log_reader *reader = (struct log_reader *)base;
	const struct log_snapshot *snapshot = snapshot_of(reader->scan, &unit);
	release_run(reader);
	reader->run = log_snapshot_run(snapshot, unit);
	pyr_result result = log_snapshot_read(snapshot, unit, &reader->bytes);
	if (result.code == PYR_OK)
		return result;
	return pyr_fail(error, result.code, "partition %d from offset %lld on: %s", partition_of(reader),
	                (long long)reader->run.base_offset, pyr_code_text(result.code));
}

static pyr_result fail_batch(const struct log_reader *reader, int64_t offset, pyr_result why, struct pyr_error *error)
{
	enum pyr_code code = why.code == PYR_OUT_OF_MEMORY ? PYR_OUT_OF_MEMORY : PYR_CORRUPT;
	return pyr_fail(error, code, "partition %d, the batch at offset %lld: %s", partition_of(reader),
	                (long long)offset, pyr_code_text(why.code));
}

/* False in *ret_any: the run is at its end. Batches of markers, and those outside the bounds, are passed over. */
static pyr_result open_batch(struct log_reader *reader, bool *ret_any, struct pyr_error *error)
{
	const struct column_bounds *bounds = &reader->scan->bounds;
	struct codec_batch batch;
	*ret_any = false;
	while (reader->at < reader->bytes.bytes) {
		struct base_bytes left = {reader->bytes.data + reader->at, reader->bytes.bytes - reader->at};
		pyr_result result = codec_batch_parse(left, &batch);
		if (result.code != PYR_OK)
			return fail_batch(reader, reader->run.base_offset, result, error);
		reader->at += batch.bytes;
		if (codec_batch_is_control(&batch) || codec_batch_last_offset(&batch) < bounds->offset_min ||
		    batch.base_offset > bounds->offset_max || batch.max_timestamp_ms < bounds->timestamp_ms_min)
			continue;
		result = codec_record_reader_init(&reader->readers[reader->reader_count], &batch, INFLATED_BYTES_MAX);
		if (result.code != PYR_OK)
			return fail_batch(reader, batch.base_offset, result, error);
		codec_record_skip_to(&reader->readers[reader->reader_count], bounds->offset_min);
		reader->reader_count += 1;
		reader->in_batch = *ret_any = true;
		break;
	}
	return pyr_ok();
}

static bool is_wanted(const struct log_reader *reader, const struct codec_record *record)
{
	const struct column_bounds *bounds = &reader->scan->bounds;
	return record->offset >= reader->run.base_offset && record->offset <= reader->run.last_offset &&
	       record->offset >= bounds->offset_min && record->offset <= bounds->offset_max &&
	       record->timestamp_ms >= bounds->timestamp_ms_min && record->timestamp_ms <= bounds->timestamp_ms_max;
}

static void add_row(struct log_reader *reader, const struct codec_record *record, struct column_rows *rows)
{
	size_t i = rows->count++;
	reader->rows_bytes += record->key.bytes + record->value.bytes + record->headers.bytes;
	rows->offset[i] = record->offset;
	rows->partition[i] = partition_of(reader);
	rows->timestamp_ms[i] = record->timestamp_ms;
	rows->key[i] = record->key;
	rows->value[i] = record->value;
	rows->headers[i] = record->headers;
	rows->header_count[i] = record->header_count;
}

/* Whoever copies the rows copies no more than this, whatever a record holds. */
static bool is_full(const struct log_reader *reader, const struct column_rows *rows)
{
	return rows->count == COLUMN_ROWS_MAX || reader->rows_bytes >= COLUMN_ROWS_BYTES;
}

/* Takes rows from the open batch until it ends or the rows are full. */
static pyr_result take_rows(struct log_reader *reader, struct column_rows *rows, struct pyr_error *error)
{
	struct codec_record_reader *batch = &reader->readers[reader->reader_count - 1];
	struct codec_record record;
	while (!is_full(reader, rows)) {
		if (!codec_record_next(batch, &record)) {
			reader->in_batch = false;
			pyr_result result = codec_record_reader_check(batch);
			return result.code == PYR_OK ? result
			                             : fail_batch(reader, batch->batch.base_offset, result, error);
		}
		if (record.offset > reader->scan->bounds.offset_max) { /* and so are all behind it */
			reader->in_batch = false;
			return pyr_ok();
		}
		if (is_wanted(reader, &record))
			add_row(reader, &record, rows);
	}
	return pyr_ok();
}

static pyr_result reader_next(struct column_reader *base, struct column_rows *rows, struct pyr_error *error)
{
	struct log_reader *reader = (struct log_reader *)base;
	release_batches(reader);
	rows->count = reader->rows_bytes = 0;
	while (!is_full(reader, rows)) {
		bool any = reader->in_batch;
		if (!any && reader->reader_count == READERS_MAX && rows->count > 0)
			break;
		if (!any && reader->reader_count == READERS_MAX)
			release_batches(reader);
		if (!any)
			PYR_TRY(open_batch(reader, &any, error));
		if (!any)
			break;
		PYR_TRY(take_rows(reader, rows, error));
	}
	return pyr_ok();
}

static const struct column_reader_ops reader_ops = {
	.free = reader_free,
	.seek = reader_seek,
	.next = reader_next,
};

/* ---- the scan ---- */

static void release_all(struct log_snapshot **snapshots, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		log_snapshot_release(snapshots[i]);
		snapshots[i] = NULL;
	}
}

static void scan_free(struct column_scan *base)
{
	struct log_scan *scan = (struct log_scan *)base;
	release_all(scan->snapshots, scan->snapshot_count);
	free(scan);
}

static size_t scan_unit_count(const struct column_scan *base)
{
	const struct log_scan *scan = (const struct log_scan *)base;
	size_t count = 0;
	for (size_t i = 0; i < scan->snapshot_count; i++)
		count += log_snapshot_run_count(scan->snapshots[i]);
	return count;
}

static uint64_t scan_row_estimate(const struct column_scan *base)
{
	const struct log_scan *scan = (const struct log_scan *)base;
	uint64_t count = 0;
	for (size_t i = 0; i < scan->snapshot_count; i++)
		count += log_snapshot_record_count(scan->snapshots[i]);
	return count;
}

/* Partitions seen, a bit each. */
struct partitions {
	uint64_t bits[(CATALOG_PARTITIONS_MAX + 63) / 64];
};

static void add_runs(const struct log_snapshot *snapshot, struct partitions *seen,
                     struct column_scan_statistics *statistics)
{
	for (size_t i = 0; i < log_snapshot_run_count(snapshot); i++) {
		struct log_run run = log_snapshot_run(snapshot, i);
		assert(run.partition_slot < CATALOG_PARTITIONS_MAX);
		uint64_t *bits = &seen->bits[run.partition_slot / 64], bit = (uint64_t)1 << run.partition_slot % 64;
		statistics->partitions += !(*bits & bit);
		*bits |= bit;
		*(run.sealed ? &statistics->sealed_bytes : &statistics->hot_bytes) += run.bytes;
		statistics->hot_rows += run.sealed ? 0 : (uint64_t)(run.last_offset - run.base_offset) + 1;
	}
}

static struct column_scan_statistics scan_statistics(const struct column_scan *base)
{
	const struct log_scan *scan = (const struct log_scan *)base;
	struct column_scan_statistics statistics = {0};
	struct partitions seen = {0};
	for (size_t i = 0; i < scan->snapshot_count; i++) {
		statistics.segments_read += log_snapshot_segments_read(scan->snapshots[i]);
		statistics.hot_batches += log_snapshot_hot_batches(scan->snapshots[i]);
		add_runs(scan->snapshots[i], &seen, &statistics);
		statistics.segments_pruned += log_snapshot_segments_pruned(scan->snapshots[i]);
	}
	return statistics;
}

static pyr_result scan_reader_new(const struct column_scan *base, unsigned columns, struct column_reader **ret_reader)
{
	struct log_reader *reader = calloc(1, sizeof *reader);
	if (!reader)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	reader->base.ops = &reader_ops;
	reader->scan = (const struct log_scan *)base;
	(void)columns; /* a record is decoded as a whole, without a copy */
	*ret_reader = &reader->base;
	return pyr_ok();
}

static const struct column_scan_ops scan_ops = {
	.free = scan_free,
	.unit_count = scan_unit_count,
	.row_estimate = scan_row_estimate,
	.statistics = scan_statistics,
	.reader_new = scan_reader_new,
};

static pyr_result load(struct log_scan *scan, struct pyr_error *error)
{
	for (size_t i = 0; i < scan->snapshot_count; i++)
		PYR_TRY(log_snapshot_load(scan->snapshots[i], error));
	return pyr_ok();
}

/* NULL: memory is out, and the snapshots are released. */
static struct log_scan *scan_new(struct log_snapshot **snapshots, size_t snapshot_count, int32_t first_partition,
                                 const struct column_bounds *bounds)
{
	struct log_scan *scan = calloc(1, sizeof *scan + snapshot_count * sizeof scan->snapshots[0]);
	if (!scan) {
		release_all(snapshots, snapshot_count);
		return NULL;
	}
	*scan = (struct log_scan){{&scan_ops}, *bounds, first_partition, snapshot_count};
	memcpy(scan->snapshots, snapshots, snapshot_count * sizeof *snapshots);
	memset(snapshots, 0, snapshot_count * sizeof *snapshots);
	return scan;
}

static pyr_result hand_out(struct log_scan *scan, pyr_result result, struct column_scan **ret_scan)
{
	if (result.code == PYR_OK)
		*ret_scan = &scan->base;
	else
		scan_free(&scan->base);
	return result;
}

pyr_result column_log_scan_new(struct log_snapshot **snapshots, size_t snapshot_count, int32_t first_partition,
                               const struct column_bounds *bounds, struct column_scan **ret_scan,
                               struct pyr_error *error)
{
	struct log_scan *scan = scan_new(snapshots, snapshot_count, first_partition, bounds);
	return scan ? hand_out(scan, load(scan, error), ret_scan) : pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
}

pyr_result column_log_scan_gather(struct log_snapshot *snapshot, int32_t first_partition,
                                  const struct column_bounds *bounds, uint64_t bytes_max, bool *ret_whole,
                                  struct column_scan **ret_scan)
{
	struct log_scan *scan = scan_new(&snapshot, 1, first_partition, bounds);
	return scan ? hand_out(scan, log_snapshot_gather(scan->snapshots[0], bytes_max, ret_whole), ret_scan)
	            : pyr_result_of(PYR_BUSY);
}
