/* The tail cache: batches in memory until they are sealed, or must make place for newer ones.
 *
 * A queue tells the order in which they came. When a checkpoint has sealed what was durable at its begin, that is the queue's
 * front, and passes it without looking at a batch; only when sealing lags behind does the oldest batch go by itself.
 * Invariant: what is in memory of a tail is found from the queue.
 * Owner: the log's thread.
 */
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>

/* What a small batch costs beyond its bytes: its share of the group's buffer, its entries in tail and queue. */
enum { CACHED_OVERHEAD_BYTES = 256, QUEUE_MIN = 1024 };

static struct log_cached *oldest(const struct log *log)
{
	return &log->cached[log->cached_passed % log->cached_capacity];
}

static void pass_oldest(struct log *log)
{
	log->metrics.cached_bytes -= oldest(log)->bytes;
	log->cached_passed += 1;
	log->cached_count -= 1;
}

static void evict_oldest(struct log *log)
{
	const struct log_cached *cached = oldest(log);
	struct log_partition *partition = log_partition_find(log, cached->partition);
	size_t i = partition ? log_tail_search(&partition->tail, cached->base_offset) : 0;
	if (partition && i < partition->tail.count &&
	    log_tail_at(&partition->tail, i)->base_offset == cached->base_offset)
		log_tail_uncache(&partition->tail, i);
	pass_oldest(log);
}

static bool grow_queue(struct log *log)
{
	size_t capacity = log->cached_capacity ? log->cached_capacity * 2 : QUEUE_MIN;
	struct log_cached *cached = malloc(capacity * sizeof *cached);
	if (!cached)
		return false;
	for (uint64_t at = log->cached_passed; at < log->cached_passed + log->cached_count; at++)
		cached[at % capacity] = log->cached[at % log->cached_capacity];
	free(log->cached);
	log->cached = cached;
	log->cached_capacity = capacity;
	return true;
}

void log_cache_add(struct log *log, const struct log_partition *partition, const struct log_tail_entry *entry)
{
	/* With no room in the queue the oldest makes place: the cache is only a cache. */
	if (log->cached_count == log->cached_capacity && !grow_queue(log)) {
		if (log->cached_count == 0)
			return;
		evict_oldest(log);
	}
	uint32_t bytes = entry->bytes + CACHED_OVERHEAD_BYTES;
	log->cached[log_cache_end(log) % log->cached_capacity] =
		(struct log_cached){partition->id, bytes, entry->base_offset};
	log->cached_count += 1;
	log->metrics.cached_bytes += bytes;
	while (log->metrics.cached_bytes > log->options.tail_cache_bytes && log->cached_count > 0)
		evict_oldest(log);
}

uint64_t log_cache_end(const struct log *log)
{
	return log->cached_passed + log->cached_count;
}

void log_cache_pass(struct log *log, uint64_t end)
{
	assert(end <= log_cache_end(log));
	while (log->cached_passed < end)
		pass_oldest(log);
}

bool log_cache_oldest(const struct log *log, struct log_cached *ret_oldest)
{
	if (log->cached_count == 0)
		return false;
	*ret_oldest = *oldest(log);
	return true;
}
