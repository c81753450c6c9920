/* Which connection has which partitions, and when their batches were sent (see bench_priv.h). Owner: a worker's thread. */
#include "bench/bench_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RING_FIRST = 64 };

struct bench_partition *bench_partitions_new(const struct bench_plan *plan, uint32_t first, uint32_t stride,
                                             uint32_t *ret_count)
{
	assert(first < plan->partitions && stride > 0);
	uint32_t count = (plan->partitions - first + stride - 1) / stride;
	struct bench_partition *partitions = calloc(count, sizeof *partitions);
	if (!partitions)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		const struct client_range *range = &plan->ranges[first + i * stride];
		partitions[i].index = (int32_t)(first + i * stride);
		partitions[i].start = range->start;
		partitions[i].next = plan->follow ? range->end : range->start;
	}
	*ret_count = count;
	return partitions;
}

void bench_partitions_free(struct bench_partition *partitions, uint32_t count)
{
	for (uint32_t i = 0; partitions && i < count; i++)
		free(partitions[i].sent_us);
	free(partitions);
}

static pyr_result grow(struct bench_partition *partition)
{
	size_t capacity = partition->sent_capacity > 0 ? partition->sent_capacity * 2 : RING_FIRST;
	uint64_t *bigger = calloc(capacity, sizeof *bigger);
	if (!bigger)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	for (size_t i = 0; i < partition->sent_count; i++)
		bigger[i] = partition->sent_us[(partition->sent_first + i) % partition->sent_capacity];
	free(partition->sent_us);
	partition->sent_us = bigger;
	partition->sent_capacity = capacity;
	partition->sent_first = 0;
	return pyr_ok();
}

pyr_result bench_partition_push(struct bench_partition *partition, uint64_t sent_us)
{
	if (partition->sent_count == partition->sent_capacity)
		PYR_TRY(grow(partition));
	partition->sent_us[(partition->sent_first + partition->sent_count) % partition->sent_capacity] = sent_us;
	partition->sent_count += 1;
	return pyr_ok();
}

bool bench_partition_pop(struct bench_partition *partition, uint64_t *ret_sent_us)
{
	if (partition->sent_count == 0)
		return false;
	*ret_sent_us = partition->sent_us[partition->sent_first];
	partition->sent_first = (partition->sent_first + 1) % partition->sent_capacity;
	partition->sent_count -= 1;
	return true;
}
