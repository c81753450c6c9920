/* Leaves (see leaves.h). A leaf is the hash of a batch's final bytes, but for the leader epoch, which changes with the leader
 * and proves nothing: it counts as zero. */
#include "log/leaves.h"

#include "log/log_priv.h"

#include <assert.h>
#include <string.h>

enum { EPOCH_AT = 12, EPOCH_END = 16, WRITE_BYTES = 256 << 10, PENDING_BYTES_MAX = 1 << 30 };

void log_leaf_hash(const uint8_t *batch, size_t bytes, uint8_t ret_leaf[BASE_BLAKE3_BYTES])
{
	enum { COPY_BYTES_MAX = 16384 };
	static const uint8_t epoch[EPOCH_END - EPOCH_AT];
	uint8_t copy[COPY_BYTES_MAX];
	if (bytes <= sizeof copy) { /* in one piece BLAKE3 hashes many chunks at a time */
		memcpy(copy, batch, bytes);
		memcpy(copy + EPOCH_AT, epoch, sizeof epoch);
		base_blake3(&(struct base_bytes){copy, bytes}, 1, ret_leaf);
		return;
	}
	struct base_bytes pieces[3] = {
		{batch, EPOCH_AT}, {epoch, sizeof epoch}, {batch + EPOCH_END, bytes - EPOCH_END}};
	base_blake3(pieces, 3, ret_leaf);
}

pyr_result log_leaves_begin(struct log_leaves *leaves, struct os_disk *disk, uint64_t segment_id)
{
	char path[OS_POOL_PATH_MAX];
	*leaves = (struct log_leaves){0};
	base_writer_init(&leaves->pending, PENDING_BYTES_MAX);
	log_segment_leaves_path(segment_id, path);
	PYR_TRY(os_file_open(disk, path, OS_OPEN_WRITE | OS_OPEN_CREATE, &leaves->file));
	base_write_bytes(&leaves->pending, "PYRLEAF1", 8);
	base_write_u64le(&leaves->pending, segment_id);
	return os_file_truncate(leaves->file, 0);
}

bool log_leaves_wait(struct log_leaves *leaves, const struct log_leaf *leaf, size_t at, size_t bytes)
{
	if (leaves->waiting_count == LOG_LEAVES_WAITING_MAX)
		return false;
	leaves->waiting[leaves->waiting_count] = *leaf;
	leaves->waiting_at[leaves->waiting_count] = at;
	leaves->waiting_bytes[leaves->waiting_count] = bytes;
	leaves->waiting_count += 1;
	return true;
}

static void write_leaf(struct log_leaves *leaves, const struct log_leaf *leaf, const uint8_t hash[BASE_BLAKE3_BYTES])
{
	base_write_u64le(&leaves->pending, (uint64_t)leaf->base_offset);
	base_write_u32le(&leaves->pending, leaf->partition);
	base_write_u32le(&leaves->pending, leaf->record_count);
	base_write_bytes(&leaves->pending, hash, BASE_BLAKE3_BYTES);
}

void log_leaves_hash(struct log_leaves *leaves, uint8_t *buffer)
{
	struct base_bytes batches[LOG_LEAVES_WAITING_MAX];
	uint8_t epochs[LOG_LEAVES_WAITING_MAX][EPOCH_END - EPOCH_AT];
	uint8_t hashes[LOG_LEAVES_WAITING_MAX][BASE_BLAKE3_BYTES];
	for (size_t i = 0; i < leaves->waiting_count; i++) {
		uint8_t *batch = buffer + leaves->waiting_at[i];
		batches[i] = (struct base_bytes){batch, leaves->waiting_bytes[i]};
		memcpy(epochs[i], batch + EPOCH_AT, sizeof epochs[i]);
		memset(batch + EPOCH_AT, 0, sizeof epochs[i]);
	}
	base_blake3_many(batches, leaves->waiting_count, hashes);
	for (size_t i = 0; i < leaves->waiting_count; i++) {
		memcpy(buffer + leaves->waiting_at[i] + EPOCH_AT, epochs[i], sizeof epochs[i]);
		write_leaf(leaves, &leaves->waiting[i], hashes[i]);
	}
	leaves->waiting_count = 0;
}

void log_leaves_add(struct log_leaves *leaves, const struct log_leaf *leaf, const uint8_t hash[BASE_BLAKE3_BYTES])
{
	assert(leaves->waiting_count == 0);
	write_leaf(leaves, leaf, hash);
}

pyr_result log_leaves_flush(struct log_leaves *leaves, bool anyway)
{
	struct base_writer *pending = &leaves->pending;
	if (pending->failed)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	if (pending->bytes == 0 || (pending->bytes < WRITE_BYTES && !anyway))
		return pyr_ok();
	struct base_bytes piece = {pending->buffer->data, pending->bytes};
	PYR_TRY(os_file_write(leaves->file, leaves->position, &piece, 1));
	leaves->position += pending->bytes;
	pending->bytes = 0;
	return pyr_ok();
}

pyr_result log_leaves_end(struct log_leaves *leaves)
{
	assert(leaves->waiting_count == 0);
	PYR_TRY(log_leaves_flush(leaves, true));
	return os_file_sync(leaves->file);
}

void log_leaves_close(struct log_leaves *leaves)
{
	os_file_close(leaves->file);
	leaves->file = NULL;
	base_writer_deinit(&leaves->pending);
}
