/* The log: every partition of one data directory, durable through one shared ring.
 *
 * One writer path: log_append() gives a batch its offset, gathers it into a group, and answers when the group is
 * durable. One reader path: log_read() answers from memory, or by an asynchronous, checksum-verified read.
 * Invariants: what was answered PYR_OK is there after any crash, in order, once; a reader never sees a byte whose
 * checksum fails; offsets of a partition have no gap. Failure modes: a failed sync stops the whole log (PYR_STOPPED);
 * damage found in durable bytes makes the partitions concerned read-only (PYR_READ_ONLY), never shorter.
 * Everything here runs on the thread of the loop given to log_open(), unless a function says otherwise; every `done` is
 * called on that thread, from the loop, never from within the call that started it.
 * Format on disk: docs/formats/log.md.
 */
#ifndef PYRALOG_LOG_LOG_H
#define PYRALOG_LOG_LOG_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/list.h"
#include "os/disk.h"
#include "os/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct log;

enum log_durability {
	LOG_DURABILITY_FSYNC, /* answer after the sync: the default */
	LOG_DURABILITY_INTERVAL, /* answer after the write; a sync follows within sync_interval_ms */
	LOG_DURABILITY_OS, /* answer after the write; the kernel writes back when it likes */
};

/* What a partition obeys; changed as a whole by log_partition_configure(). -1: no limit. */
struct log_partition_config {
	enum log_durability durability;
	int64_t retention_ms;
	int64_t retention_bytes;
	uint64_t segment_bytes; /* a sealed segment of this partition alone grows no further */
	bool append_time; /* message.timestamp.type=LogAppendTime: the log stamps the batch */
	bool manual_commit; /* durable is not yet readable: log_partition_commit() says what is (replication) */
	bool compact; /* cleanup.policy: the newest record of each key is kept */
	bool remove; /* cleanup.policy: retention deletes */
	int64_t min_compaction_lag_ms, max_compaction_lag_ms;
	int64_t delete_retention_ms; /* of tombstones */
	uint32_t min_dirty_permille;
};

struct log_options {
	uint64_t ring_file_bytes; /* size of a ring file; the very first one is smaller */
	uint64_t checkpoint_bytes; /* seal at the latest after so many bytes of ring */
	uint64_t backlog_bytes; /* of ring not yet sealed: beyond it groups are held back, so that sealing keeps up; */
	uint64_t backlog_batches; /* or beyond so many batches: small ones cost sealing, and memory, by their number */
	uint64_t spare_bytes; /* of files that are kept to be written again, while large runs come in */
	uint64_t tail_cache_bytes; /* memory for batches that were just written */
	uint64_t read_cache_bytes; /* memory for what cold reads brought in */
	uint64_t
		extent_min_bytes; /* a run of one partition this large goes to an extent, not to the ring; one with large batches earlier */
	uint64_t compaction_bytes; /* memory for the keys of a partition being compacted, 32 to 64 bytes each */
	uint64_t pending_bytes_max; /* appended, not yet durable: beyond it log_append() answers PYR_BUSY */
	uint64_t background_bytes_per_s; /* prefilling and sealing write no faster */
	uint32_t sync_interval_ms;
	uint32_t open_files_max; /* sealed files kept open */
	uint32_t producers_max; /* idempotent producers remembered in a partition */
	int64_t producer_expiry_ms;
};

struct log_options log_options_default(void);

/* Told of the records that are not the log's own business, in log order: during log_open() for what is replayed, later
 * when durable. The catalog is the only one. */
struct log_observer {
	pyr_result (*restore)(void *context, struct base_bytes snapshot); /* once, first; empty bytes in a new log */
	pyr_result (*apply)(void *context, struct base_bytes record);
	pyr_result (*snapshot)(void *context, struct base_slice *ret_bytes); /* its whole state, for a checkpoint */
	void *context;
};

/* Opens or creates the log; recovers what a crash left. Blocks (reads the ring since the last checkpoint only).
 * PYR_UNSUPPORTED_FEATURE, PYR_BUSY (another process has the directory), PYR_IO, PYR_CORRUPT, each with a sentence. */
pyr_result log_open(struct os_loop *loop, struct os_disk *disk, const struct log_options *options,
                    const struct log_observer *observer, struct log **ret_log, struct pyr_error *error);

/* The limits that may change while the log runs: of caches, compaction, spare files and checkpoints. The other options stay. */
void log_retune(struct log *log, const struct log_options *options);

/* A checkpoint ahead of log_close(), so that the next start has little to read back; embedded by the caller. */
struct log_seal {
	struct os_timer timer; /* all the log's */
	struct log *log;
	uint64_t until_us;
	bool begun;
	void (*done)(struct log_seal *seal);
};

/* When nothing is appended any more: calls `done` after a checkpoint, if there is anything worth one, or `within_us`. */
void log_seal(struct log *log, struct log_seal *seal, uint64_t within_us, void (*done)(struct log_seal *seal));
/* Commits what is pending, then calls `closed` and is gone. Answers everything still waiting. */
void log_close(struct log *log, void (*closed)(void *context), void *context);
/* Drops the log where it stands, as a crash would; for simulation. */
void log_abandon(struct log *log);

/* ---- partitions. Ids are given by the catalog, are never used again, and start at 16. ---- */

/* Makes the partition exist in memory; it is durable through the catalog's record and its first append. */
pyr_result log_partition_create(struct log *log, uint32_t partition, const struct log_partition_config *config);
void log_partition_configure(struct log *log, uint32_t partition, const struct log_partition_config *config);
/* Waiting appends and reads are answered PYR_UNKNOWN_PARTITION; files go when nothing refers to them. */
void log_partition_delete(struct log *log, uint32_t partition);

/* Deletes what recovery found but nobody created since: partitions of topics that are gone. */
void log_partitions_sweep(struct log *log);

struct log_partition_info {
	int64_t log_start_offset; /* first offset that can be read */
	int64_t high_watermark; /* first offset that can't be read yet */
	int64_t log_end_offset; /* the next append's offset */
	int64_t max_timestamp_ms; /* of any record so far, -1 if none */
	uint64_t bytes; /* stored, sealed and tail */
	uint32_t segments;
	int32_t leader_epoch;
	bool read_only;
};

/* PYR_UNKNOWN_PARTITION. */
pyr_result log_partition_get(struct log *log, uint32_t partition, struct log_partition_info *ret_info);

/* An idempotent producer, as the partition remembers it. */
struct log_producer_info {
	int64_t id;
	int16_t epoch;
	int32_t last_sequence;
	int64_t last_append_ms;
};

/* At most `max` of them. PYR_UNKNOWN_PARTITION. */
pyr_result log_partition_producers(struct log *log, uint32_t partition, struct log_producer_info *infos, size_t max,
                                   size_t *ret_count);

/* ---- writing ---- */

/* One record batch on its way to the disk: embedded by the caller, who keeps it until `done`. */
struct log_append {
	uint32_t partition;
	/* A whole batch of format 2 whose CRC was checked (codec_batch_check); the log writes base offset, leader epoch
	 * and, with append_time, the time stamp into it, so its buffer must be the caller's own. Released by the log. */
	struct base_slice batch;
	/* Not above any record's time stamp (codec_batch_validate() tells): what pruning by time believes. */
	int64_t min_timestamp_ms;
	void (*done)(struct log_append *append);

	pyr_result result; /* from here on: the answer */
	int64_t base_offset; /* of a duplicate: the original's */
	int64_t append_time_ms; /* -1 unless append_time */
	int64_t log_start_offset;

	struct log_append_state {
		struct base_list node; /* in the queue, the group under way, or an original's waiters */
		struct base_list waiters; /* duplicates that want this append's answer */
		struct os_task answer;
		uint8_t kind; /* enum log_frame_kind */
		bool synced; /* durability is fsync */
		uint32_t record_count;
		bool sync_later; /* durability is interval */
		bool truncated; /* log_truncate() took it back */
		int64_t producer_id;
		uint64_t index;
		uint64_t hlc;
		int64_t min_timestamp_ms, max_timestamp_ms;
		uint64_t position; /* of the payload: in its group, then in its file */
		bool in_extent;
		bool in_place; /* there: written from where it lies, in blocks of its own */
	} state; /* the log's, from log_append() to done() */
};

/* Checks the producer's sequence, assigns offsets and queues the batch. Errors come through done(): PYR_BUSY,
 * PYR_UNKNOWN_PARTITION, PYR_READ_ONLY, PYR_STOPPED, PYR_OUT_OF_ORDER_SEQUENCE, PYR_DUPLICATE_SEQUENCE,
 * PYR_PRODUCER_FENCED, PYR_UNKNOWN_PRODUCER, PYR_OUT_OF_MEMORY, PYR_DISK_FULL, PYR_IO (no ring file could be made; nothing was written).
 * A duplicate is answered like its original, after it. */
void log_append(struct log *log, struct log_append *append);

/* A record for the observer, durable and applied before `done`: the same struct, partition ignored. */
void log_append_record(struct log *log, struct log_append *append);

/* With manual_commit: everything below `offset` that is durable may be read. */
void log_partition_commit(struct log *log, uint32_t partition, int64_t offset);

/* Discards everything from `offset` on, as a new leader's log demands; not below the high watermark of a partition
 * whose records were acknowledged. Takes effect in memory at once, on disk with the next group. */
pyr_result log_truncate(struct log *log, uint32_t partition, int64_t offset);

/* Moves the log start up to `offset` (at most the high watermark; -1: that). The struct as in log_append. */
void log_delete_records(struct log *log, struct log_append *append, int64_t offset);

/* ---- reading ---- */

enum { LOG_READ_SLICES_MAX = 64 };

/* A read of one partition: embedded by the caller. */
struct log_read {
	uint32_t partition;
	int64_t offset; /* the batch that holds it comes first, whole */
	size_t bytes_max; /* soft: the first batch comes even if larger, when whole_batch_first */
	bool whole_batch_first;
	int64_t timestamp_ms_min; /* sealed blocks with no record as late as this are skipped; 0: none is */
	void (*done)(struct log_read *read);

	pyr_result result; /* PYR_OFFSET_OUT_OF_RANGE, PYR_UNKNOWN_PARTITION, PYR_CORRUPT, PYR_IO */
	struct log_partition_info info; /* at the time of the answer */
	struct base_slice slices[LOG_READ_SLICES_MAX]; /* whole batches, in order; the caller's to release */
	size_t slice_count; /* 0: nothing there yet */
	size_t bytes;
};

/* At the end of an answered read: drops what the caller did not take. */
void log_read_release(struct log_read *read);

/* True: answered on the spot, done() will not be called. False: done() follows. */
bool log_read(struct log *log, struct log_read *read);

/* Bytes that a read at `offset` could return now, without reading: for min_bytes of a long poll. */
size_t log_readable_bytes(struct log *log, uint32_t partition, int64_t offset, size_t enough);

/* Tells when something can be read: `changed` is called after the high watermark moved or the partition was deleted.
 * Embedded by the caller; stays until removed. Costs nothing while idle. */
struct log_watch {
	struct base_list node;
	void (*changed)(struct log_watch *watch);
};

pyr_result log_watch_add(struct log *log, uint32_t partition, struct log_watch *watch);
void log_watch_remove(struct log_watch *watch);

/* The first record with a time stamp >= timestamp_ms: offset -1 when there is none. Embedded by the caller. */
struct log_time_query {
	uint32_t partition;
	int64_t timestamp_ms; /* LOG_TIME_MAX: the record with the largest time stamp instead */
	void (*done)(struct log_time_query *query);

	pyr_result result;
	int64_t found_offset;
	int64_t found_timestamp_ms;

	struct log_read read; /* from here on: the log's */
	struct os_task answer;
	struct log *log;
	int64_t from; /* where the search goes on */
};

#define LOG_TIME_MAX INT64_MAX

/* done() always follows. */
void log_time_find(struct log *log, struct log_time_query *query);

/* ---- the whole ---- */

/* The disk below the log: embedded by the caller. */
struct log_space {
	void (*done)(struct log_space *space);

	pyr_result result; /* PYR_IO */
	uint64_t total_bytes, usable_bytes; /* of the file system */

	struct os_job job; /* from here on: the log's */
	struct log *log;
};

/* done() always follows. */
void log_space_find(struct log *log, struct log_space *space);

struct log_metrics {
	uint64_t groups; /* committed */
	uint64_t batches;
	uint64_t bytes; /* of batches appended */
	uint64_t ring_bytes; /* written to the ring, padding included */
	uint64_t extent_bytes;
	uint64_t sealed_bytes; /* written to segments by sealing and merging */
	uint64_t pending_bytes; /* appended, not durable */
	uint64_t cached_bytes; /* in the tail cache */
	uint64_t read_cache_bytes; /* of verified batches that cold reads brought in */
	uint64_t cold_reads;
	uint64_t scrubbed_bytes;
	uint64_t corrupt_reads;
	uint64_t checkpoints;
	uint64_t compactions; /* rounds that ended well */
	uint64_t spares_taken; /* files written again as extents */
	uint64_t held_groups; /* by backlog_bytes */
	uint32_t ring_files;
	uint32_t segment_files;
	uint32_t partitions;
	bool stopped;
};

struct log_metrics log_metrics_get(const struct log *log);

#endif
