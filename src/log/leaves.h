/* The file of BLAKE3 leaves beside a segment: one leaf per batch, in the order in which they were added.
 *
 * Batches wait until some are there, or until their bytes are about to move, and are hashed together.
 * Owner: whoever writes the segment, one background job at a time. Functions that write block.
 */
#ifndef PYRALOG_LOG_LEAVES_H
#define PYRALOG_LOG_LEAVES_H

#include "base/cursor.h"
#include "base/hash.h"
#include "os/disk.h"

enum { LOG_LEAVES_WAITING_MAX = 64 };

struct log_leaf {
	int64_t base_offset;
	uint32_t partition;
	uint32_t record_count;
};

struct log_leaves {
	struct os_file *file;
	uint64_t position; /* of the next byte */
	struct base_writer pending; /* bytes not yet written */
	struct log_leaf waiting[LOG_LEAVES_WAITING_MAX]; /* their hashes are not made yet */
	size_t waiting_at[LOG_LEAVES_WAITING_MAX]; /* where their batches begin, in the writer's buffer */
	size_t waiting_bytes[LOG_LEAVES_WAITING_MAX];
	size_t waiting_count;
};

pyr_result log_leaves_begin(struct log_leaves *leaves, struct os_disk *disk, uint64_t segment_id);
/* Of a batch of `bytes` at `at` of a buffer; its bytes stay there until log_leaves_hash(). False: first that, then this. */
bool log_leaves_wait(struct log_leaves *leaves, const struct log_leaf *leaf, size_t at, size_t bytes);
/* Hashes what waits. The bytes are what they were before when it returns, but not meanwhile. */
void log_leaves_hash(struct log_leaves *leaves, uint8_t *buffer);
/* Of a batch whose hash is known. Nothing may wait. */
void log_leaves_add(struct log_leaves *leaves, const struct log_leaf *leaf, const uint8_t hash[BASE_BLAKE3_BYTES]);
/* Writes what has been hashed if it is much, or anyway. */
pyr_result log_leaves_flush(struct log_leaves *leaves, bool anyway);
/* Nothing may wait. */
pyr_result log_leaves_end(struct log_leaves *leaves);
void log_leaves_close(struct log_leaves *leaves); /* zeros are fine */

/* The hash of one batch. */
void log_leaf_hash(const uint8_t *batch, size_t bytes, uint8_t ret_leaf[BASE_BLAKE3_BYTES]);

#endif
