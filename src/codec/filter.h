/* Compaction of one record batch: some of its records go, the others stay byte for byte, at their offsets.
 *
 * What is left is a batch of the same base offset, producer and sequence; its last offset delta stays (or grows over batches
 * that went behind it), its record count shrinks, perhaps to 0. A tombstone (null value) is kept for a time, so that readers
 * see it: the first compaction that meets it writes the batch's delete horizon. Source: KIP-534: attribute bit 6 says that
 * the base timestamp is that horizon; the records' timestamp deltas count from it. Pure; any thread.
 */
#ifndef PYRALOG_CODEC_FILTER_H
#define PYRALOG_CODEC_FILTER_H

#include "codec/batch.h"

enum { CODEC_DELETE_HORIZON_BIT = 64 };

struct codec_filter {
	/* Is it the newest record of its key, as far as anybody knows? Records without a key are never asked for, and go. */
	bool (*is_newest)(void *context, const struct codec_record *record);
	void *context;
	int64_t now_ms;
	int64_t delete_horizon_ms; /* for tombstones that have none yet */
	size_t inflated_max;
};

struct codec_filtered {
	struct base_slice batch; /* {0}: all records stay, and nothing changes */
	int32_t kept;
};

/* `batch` must have passed codec_batch_check(). Control batches stay as they are.
 * PYR_CORRUPT_MESSAGE, PYR_OUT_OF_MEMORY. */
pyr_result codec_batch_filter(const struct codec_filter *filter, const struct codec_batch *batch,
                              struct codec_filtered *ret_filtered);

/* Has every record a key? A compacted partition takes no other. The batch must have passed codec_batch_validate().
 * PYR_INVALID_RECORD with a sentence. */
pyr_result codec_batch_require_keys(const struct codec_batch *batch, size_t inflated_max, struct pyr_error *error);

/* A copy that takes the offsets up to `last_offset`. Its owner is NULL when memory is out. */
struct base_slice codec_batch_extend(struct base_bytes batch, int64_t last_offset);

#endif
