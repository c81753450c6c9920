/* Segments and tail as a scan: the rows of a log snapshot. */
#ifndef PYRALOG_COLUMN_LOG_SCAN_H
#define PYRALOG_COLUMN_LOG_SCAN_H

#include "column/scan.h"
#include "log/snapshot.h"

/* Takes the snapshots over, on failure too, and loads them: blocks. One a shard, each with the same slots, of which it holds
 * those of its own; they are zeroed. first_partition: the topic's partition that slot 0 is; the others follow. PYR_CORRUPT,
 * PYR_IO, PYR_OUT_OF_MEMORY. */
pyr_result column_log_scan_new(struct log_snapshot **snapshots, size_t snapshot_count, int32_t first_partition,
                               const struct column_bounds *bounds, struct column_scan **ret_scan,
                               struct pyr_error *error);
/* The same of one shard's, on its loop: see log_snapshot_gather(). *ret_whole: readers of the scan never wait. PYR_BUSY. */
pyr_result column_log_scan_gather(struct log_snapshot *snapshot, int32_t first_partition,
                                  const struct column_bounds *bounds, uint64_t bytes_max, bool *ret_whole,
                                  struct column_scan **ret_scan);

#endif
