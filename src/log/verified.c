/* Verified batches of cold reads, kept in memory: the next reader neither reads nor verifies them again.
 *
 * Invariants: a run holds whole batches without a gap, whose checksums held when they were read; runs of a partition do not
 * overlap and are in offset order; together they take at most read_cache_bytes, the least recently read go first. What is
 * sealed or durable never changes, so a run is true for as long as its partition lives. Owner: the log's thread; a job
 * makes runs that nobody else sees yet.
 */
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>

struct log_verified *log_verified_new(struct base_slice bytes)
{
	struct codec_batch batch;
	int64_t base_offset = -1, next_offset = -1;
	for (size_t at = 0; at < bytes.bytes; at += batch.bytes) {
		if (codec_batch_parse((struct base_bytes){bytes.data + at, bytes.bytes - at}, &batch).code != PYR_OK)
			return NULL;
		if (at == 0)
			base_offset = batch.base_offset;
		else if (batch.base_offset != next_offset)
			return NULL;
		next_offset = codec_batch_last_offset(&batch) + 1;
	}
	struct log_verified *run = base_offset >= 0 ? calloc(1, sizeof *run) : NULL;
	if (!run)
		return NULL;
	run->base_offset = base_offset;
	run->last_offset = next_offset - 1;
	run->bytes = base_slice_ref(bytes);
	base_list_init(&run->node);
	return run;
}

void log_verified_free(struct log_verified *run)
{
	base_list_remove(&run->node);
	base_slice_release(&run->bytes);
	free(run);
}

/* The first run that ends at or behind the offset. */
static size_t search(const struct log_partition *partition, int64_t offset)
{
	size_t low = 0, high = partition->verified_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (partition->verified[middle]->last_offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t cost(const struct log_verified *run)
{
	return run->bytes.bytes + sizeof *run;
}

static void forget(struct log *log, struct log_verified *run)
{
	struct log_partition *partition = run->partition;
	size_t at = search(partition, run->base_offset);
	assert(partition->verified[at] == run);
	partition->verified_count -= 1;
	memmove(partition->verified + at, partition->verified + at + 1,
	        (partition->verified_count - at) * sizeof *partition->verified);
	log->metrics.read_cache_bytes -= cost(run);
	log_verified_free(run);
}

void log_verified_add(struct log *log, struct log_partition *partition, struct log_verified *run)
{
	size_t at = search(partition, run->base_offset), count = partition->verified_count;
	bool overlaps = at < count && partition->verified[at]->base_offset <= run->last_offset;
	if (overlaps || cost(run) > log->options.read_cache_bytes ||
	    !base_array_reserve(&partition->verified, &partition->verified_capacity, count + 1,
	                        sizeof *partition->verified)) {
		log_verified_free(run);
		return;
	}
	memmove(partition->verified + at + 1, partition->verified + at, (count - at) * sizeof *partition->verified);
	partition->verified[at] = run;
	partition->verified_count += 1;
	run->partition = partition;
	base_list_remove(&run->node);
	base_list_append(&log->verified, &run->node);
	log->metrics.read_cache_bytes += cost(run);
	while (log->metrics.read_cache_bytes > log->options.read_cache_bytes)
		forget(log, BASE_CONTAINER(log->verified.next, struct log_verified, node));
}

const struct log_verified *log_verified_find(struct log *log, const struct log_partition *partition, int64_t offset)
{
	size_t at = search(partition, offset);
	if (at == partition->verified_count || partition->verified[at]->base_offset > offset)
		return NULL;
	struct log_verified *run = partition->verified[at];
	base_list_remove(&run->node);
	base_list_append(&log->verified, &run->node);
	return run;
}

void log_verified_drop(struct log *log, struct log_partition *partition)
{
	while (partition->verified_count > 0)
		forget(log, partition->verified[partition->verified_count - 1]);
	free(partition->verified);
	partition->verified = NULL;
	partition->verified_capacity = 0;
}
