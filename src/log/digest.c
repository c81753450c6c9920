/* Digests: the BLAKE3 leaves of large batches, made while the batch is still in memory.
 *
 * Sealing an extent needs of each batch its header, a checksum and its leaf. To read a gigabyte back for that costs more
 * than to write it; so a batch that goes to an extent is hashed in the background right after its commit. The tail entry
 * has the digest from the start, and whoever seals sees whether it is ready; where it is not (too much waited, or a
 * restart lies between), the batch is read again. Invariant: a digest is of the very bytes that were written; whether the
 * disk kept them is found out at the next read, by the block's checksum.
 * Owner: the log's thread; a job owns the items that it was given.
 */
#include "base/hash.h"
#include "log/log_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
	WAITING_BYTES_MAX = 32 << 20,
	CALM_BYTES_MAX =
		1
		<< 20, /* at hand at once: then there is time for maps (map.c), else they are left to the first reader */
	MAP_AT = (sizeof(struct log_digest) + 7) / 8 * 8,
};

static struct log_digest *digest_of(const struct base_buffer *buffer)
{
	return (struct log_digest *)(void *)buffer->data;
}

const struct log_digest *log_digest_get(const struct base_buffer *buffer)
{
	return buffer && atomic_load_explicit(&digest_of(buffer)->ready, memory_order_acquire) ? digest_of(buffer)
	                                                                                       : NULL;
}

static struct log_map *map_of(const struct log_digest *digest)
{
	return (struct log_map *)(void *)((uint8_t *)(uintptr_t)digest + MAP_AT);
}

const struct log_map *log_digest_map(const struct log_digest *digest)
{
	return digest->mapped ? map_of(digest) : NULL;
}

static void release_items(struct log_digest_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		base_slice_release(&items[i].batch);
		base_buffer_unref(items[i].digest);
	}
	free(items);
}

static void run_digests(struct os_job *job)
{
	struct log_digests *digests = BASE_CONTAINER(job, struct log_digests, job);
	for (size_t i = 0; i < digests->running_count; i++) {
		const struct log_digest_item *item = &digests->running[i];
		struct log_digest *digest = digest_of(item->digest);
		memcpy(digest->header, item->batch.data, sizeof digest->header);
		log_leaf_hash(item->batch.data, item->batch.bytes, digest->leaf);
		digest->mapped = digests->running_bytes <= CALM_BYTES_MAX &&
		                 log_map_make((struct base_bytes){item->batch.data, item->batch.bytes}, map_of(digest));
		atomic_store_explicit(&digest->ready, true, memory_order_release);
	}
}

static void submit(struct log *log);

static void digests_done(struct os_job *job)
{
	struct log_digests *digests = BASE_CONTAINER(job, struct log_digests, job);
	struct log *log = BASE_CONTAINER(digests, struct log, digests);
	release_items(digests->running, digests->running_count);
	digests->running = NULL;
	digests->running_count = 0;
	submit(log);
	log_job_end(log);
}

static void submit(struct log *log)
{
	struct log_digests *digests = &log->digests;
	if (digests->running || digests->waiting_count == 0 || log->closing || log->stopped)
		return;
	digests->running = digests->waiting;
	digests->running_count = digests->waiting_count;
	digests->running_bytes = digests->waiting_bytes;
	digests->waiting = NULL;
	digests->waiting_count = digests->waiting_capacity = 0;
	digests->waiting_bytes = 0;
	digests->job.run = run_digests;
	digests->job.done = digests_done;
	log_job_begin(log);
	os_submit(log->background_thread, &digests->job);
}

struct base_buffer *log_digest_begin(struct log *log, struct base_slice batch)
{
	struct log_digests *digests = &log->digests;
	if (digests->waiting_bytes + batch.bytes > WAITING_BYTES_MAX ||
	    !base_array_reserve(&digests->waiting, &digests->waiting_capacity, digests->waiting_count + 1,
	                        sizeof *digests->waiting))
		return NULL;
	struct base_buffer *buffer = base_buffer_new(MAP_AT + log_map_room(batch.bytes));
	if (!buffer)
		return NULL;
	atomic_init(&digest_of(buffer)->ready, false);
	digests->waiting[digests->waiting_count++] =
		(struct log_digest_item){.batch = base_slice_ref(batch), .digest = base_buffer_ref(buffer)};
	digests->waiting_bytes += batch.bytes;
	submit(log);
	return buffer;
}

void log_digests_free(struct log *log)
{
	release_items(log->digests.waiting, log->digests.waiting_count);
	release_items(log->digests.running, log->digests.running_count);
	log->digests = (struct log_digests){0};
}
