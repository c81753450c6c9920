/* One moment of some partitions, for readers on other threads (SQL scans, verification).
 *
 * Taken on the log's thread, then immutable: any thread may read it, several at once. It keeps alive the files and
 * buffers it refers to; release it soon. What was acknowledged before log_snapshot_take() is in it, each batch once.
 */
#ifndef PYRALOG_LOG_SNAPSHOT_H
#define PYRALOG_LOG_SNAPSHOT_H

#include "log/log.h"

struct log_snapshot;

/* Bounds that spare reading: a run that lies wholly outside is left out; inside, the reader still filters. */
struct log_bounds {
	int64_t offset_min, offset_max; /* inclusive */
	int64_t timestamp_ms_min, timestamp_ms_max; /* inclusive */
};

struct log_bounds log_bounds_all(void);

/* Of `partitions` (unknown ones are empty), on the log's thread. PYR_OUT_OF_MEMORY. */
pyr_result log_snapshot_take(struct log *log, const uint32_t *partitions, size_t partition_count,
                             const struct log_bounds *bounds, struct log_snapshot **ret_snapshot);
/* The same, each partition from an offset of its own on (and within the bounds). */
pyr_result log_snapshot_take_from(struct log *log, const uint32_t *partitions, const int64_t *offsets,
                                  size_t partition_count, const struct log_bounds *bounds,
                                  struct log_snapshot **ret_snapshot);
/* The high watermark of partitions[slot] at that moment; -1: it was not there. */
int64_t log_snapshot_end_offset(const struct log_snapshot *snapshot, size_t slot);
/* Reads the indexes of the sealed segments that the bounds touch and lays out the runs. Once, on the reader's thread,
 * before anything below. Blocks. PYR_CORRUPT, PYR_IO, PYR_OUT_OF_MEMORY. */
pyr_result log_snapshot_load(struct log_snapshot *snapshot, struct pyr_error *error);
/* The same for a loop's thread, which must not wait, if memory has the indexes: PYR_BUSY otherwise, also for whatever loading would
 * fail with; then it may only be released. *ret_whole: the bytes of all runs are held, too, as memory had them and they cost no more
 * than the reading of `bytes_max` bytes; else who reads them waits. */
pyr_result log_snapshot_gather(struct log_snapshot *snapshot, uint64_t bytes_max, bool *ret_whole);
void log_snapshot_release(struct log_snapshot *snapshot); /* any thread; NULL is fine */

/* A run: consecutive batches of one partition, read and verified together (up to about 1 MiB, or one larger batch). */
struct log_run {
	size_t partition_slot; /* index into `partitions` of log_snapshot_take() */
	int64_t base_offset;
	int64_t last_offset;
	uint64_t bytes;
	bool sealed; /* from a segment, not from the tail */
};

size_t log_snapshot_run_count(const struct log_snapshot *snapshot);
struct log_run log_snapshot_run(const struct log_snapshot *snapshot, size_t run);
/* Records in the snapshot, as far as the batch headers tell. */
uint64_t log_snapshot_record_count(const struct log_snapshot *snapshot);
/* Sealed segments that the bounds left in and out: what pruning is measured by. */
size_t log_snapshot_segments_read(const struct log_snapshot *snapshot);
size_t log_snapshot_segments_pruned(const struct log_snapshot *snapshot);

size_t log_snapshot_hot_batches(const struct log_snapshot *snapshot); /* of the tail */

/* The bytes of a run: whole batches, verified; no copy if they are in memory. Blocks on the disk otherwise.
 * The first or last batch may reach past the run's offsets: skip records outside [base_offset, last_offset].
 * PYR_CORRUPT, PYR_IO, PYR_OUT_OF_MEMORY. */
pyr_result log_snapshot_read(const struct log_snapshot *snapshot, size_t run, struct base_slice *ret_batches);

#endif
