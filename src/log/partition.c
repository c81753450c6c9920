/* Partitions: the table of them, their tails and their sealed parts.
 *
 * Invariants: log_start <= high_watermark <= durable_end <= next_offset; the tail's entries and the parts are disjoint and
 * in offset order, all parts before all entries.
 * Owner: the log's thread.
 */
#include "log/log_priv.h"

#include "base/crc32c.h"
#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool equal_id(const struct base_table_node *node, const void *key)
{
	return BASE_CONTAINER(node, struct log_partition, node)->id == *(const uint32_t *)key;
}

struct log_partition *log_partition_find(const struct log *log, uint32_t id)
{
	struct base_table_node *node = base_table_find(&log->partitions, base_hash_u64(id), equal_id, &id);
	return node ? BASE_CONTAINER(node, struct log_partition, node) : NULL;
}

struct log_partition *log_partition_need(struct log *log, uint32_t id)
{
	struct log_partition *partition = log_partition_find(log, id);
	if (partition)
		return partition;
	partition = calloc(1, sizeof *partition);
	if (!partition)
		return NULL;
	partition->id = id;
	partition->next_index = partition->durable_index = 1;
	partition->max_timestamp_ms = -1;
	partition->config.retention_ms = partition->config.retention_bytes = -1;
	base_list_init(&partition->extents);
	base_list_init(&partition->watches);
	if (!base_table_insert(&log->partitions, &partition->node, base_hash_u64(id))) {
		free(partition);
		return NULL;
	}
	return partition;
}

/* ---- sealed parts ---- */

size_t log_parts_search(const struct log_partition *partition, int64_t offset)
{
	size_t low = 0, high = partition->part_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (partition->parts[middle].end_offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

pyr_result log_parts_push(struct log *log, struct log_partition *partition, const struct log_part *part)
{
	if (!base_array_reserve(&partition->parts, &partition->part_capacity, partition->part_count + 1,
	                        sizeof *partition->parts))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	struct log_segment *segment = log_segment_find(log, part->segment_id);
	assert(segment);
	log_segment_hold(segment);
	size_t at = partition->part_count++;
	for (; at > 0 && partition->parts[at - 1].base_offset > part->base_offset; at--)
		partition->parts[at] = partition->parts[at - 1];
	partition->parts[at] = *part;
	partition->sealed_bytes += part->bytes;
	segment->bytes += part->bytes;
	return pyr_ok();
}

void log_parts_trim(struct log *log, struct log_partition *partition)
{
	size_t gone = 0;
	while (gone < partition->part_count && partition->parts[gone].end_offset <= partition->log_start_offset) {
		partition->sealed_bytes -= partition->parts[gone].bytes;
		log_segment_drop(log_segment_find(log, partition->parts[gone].segment_id));
		gone += 1;
	}
	partition->part_count -= gone;
	if (gone > 0)
		memmove(partition->parts, partition->parts + gone, partition->part_count * sizeof *partition->parts);
}

/* Deleted before they were sealed: there is no need to seal them. */
static void trim_tail(struct log_partition *partition)
{
	size_t gone = log_tail_search(&partition->tail, partition->log_start_offset);
	for (size_t i = 0; i < gone; i++)
		partition->tail_bytes -= log_tail_at(&partition->tail, i)->bytes;
	log_tail_drop_front(&partition->tail, gone);
}

void log_partition_start_at(struct log *log, struct log_partition *partition, int64_t offset)
{
	if (offset <= partition->log_start_offset)
		return;
	partition->log_start_offset = offset;
	log_parts_trim(log, partition);
	trim_tail(partition);
	log_partition_notify(partition);
}

pyr_result log_partition_damage(struct log_partition *partition, int64_t from, int64_t to)
{
	/* Neighbours are one; and beyond what a manifest can tell, too much is called damaged rather than too little. */
	struct log_damage *last = partition->damage_count > 0 ? &partition->damages[partition->damage_count - 1] : NULL;
	partition->read_only = true;
	if (last && (last->end_offset == from || partition->damage_count == LOG_DAMAGES_MAX)) {
		last->base_offset = from < last->base_offset ? from : last->base_offset;
		last->end_offset = to > last->end_offset ? to : last->end_offset;
		return pyr_ok();
	}
	struct log_damage *damages = realloc(partition->damages, (partition->damage_count + 1) * sizeof *damages);
	if (!damages)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	partition->damages = damages;
	damages[partition->damage_count++] = (struct log_damage){from, to};
	return pyr_ok();
}

/* ---- life ---- */

/* An extent that the group under way writes to goes later. */
static void free_extents(struct log_partition *partition)
{
	struct base_list *node;
	while ((node = base_list_pop(&partition->extents))) {
		struct log_extent *extent = BASE_CONTAINER(node, struct log_extent, node);
		if (extent == partition->group_extent)
			extent->orphan = true;
		else
			log_extent_free(extent);
	}
}

void log_partition_free(struct log *log, struct log_partition *partition)
{
	base_table_remove(&log->partitions, &partition->node);
	log_tail_release(&partition->tail);
	partition->log_start_offset = INT64_MAX;
	log_parts_trim(log, partition);
	free_extents(partition);
	log_verified_drop(log, partition);
	log_producers_deinit(&partition->producers);
	free(partition->parts);
	free(partition->damages);
	free(partition);
}

void log_partition_notify(struct log_partition *partition)
{
	for (struct base_list *node = partition->watches.next, *next; node != &partition->watches; node = next) {
		struct log_watch *watch = BASE_CONTAINER(node, struct log_watch, node);
		next = node->next;
		watch->changed(watch);
	}
}

void log_partition_advance(struct log_partition *partition, int64_t committed)
{
	int64_t to = committed < partition->durable_end ? committed : partition->durable_end;
	if (to <= partition->high_watermark)
		return;
	partition->high_watermark = to;
	log_partition_notify(partition);
}

pyr_result log_partition_create(struct log *log, uint32_t id, const struct log_partition_config *config)
{
	assert(id >= 16);
	struct log_partition *partition = log_partition_need(log, id);
	if (!partition)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	partition->claimed = true;
	partition->config = *config;
	/* What recovery found is durable; without replication that is all it takes. */
	if (!config->manual_commit)
		log_partition_advance(partition, partition->durable_end);
	return pyr_ok();
}

void log_partition_configure(struct log *log, uint32_t id, const struct log_partition_config *config)
{
	struct log_partition *partition = log_partition_find(log, id);
	if (partition)
		partition->config = *config;
}

void log_partition_delete(struct log *log, uint32_t id)
{
	struct log_partition *partition = log_partition_find(log, id);
	if (!partition)
		return;
	/* Watchers look the partition up again and find it gone. */
	struct base_list watches;
	base_list_init(&watches);
	base_list_splice(&watches, &partition->watches);
	log_partition_free(log, partition);
	struct base_list *node;
	while ((node = base_list_pop(&watches))) {
		struct log_watch *watch = BASE_CONTAINER(node, struct log_watch, node);
		watch->changed(watch);
	}
}

void log_partitions_sweep(struct log *log)
{
	struct base_table_node *node = base_table_next(&log->partitions, NULL), *next;
	for (; node; node = next) {
		struct log_partition *partition = BASE_CONTAINER(node, struct log_partition, node);
		next = base_table_next(&log->partitions, node);
		if (!partition->claimed && partition->id != LOG_PARTITION_SYSTEM)
			log_partition_free(log, partition);
	}
}

pyr_result log_partition_get(struct log *log, uint32_t id, struct log_partition_info *ret_info)
{
	const struct log_partition *partition = log_partition_find(log, id);
	if (!partition)
		return pyr_result_of(PYR_UNKNOWN_PARTITION);
	*ret_info = (struct log_partition_info){
		.log_start_offset = partition->log_start_offset,
		.high_watermark = partition->high_watermark,
		.log_end_offset = partition->next_offset,
		.max_timestamp_ms = partition->max_timestamp_ms,
		.bytes = partition->sealed_bytes + partition->tail_bytes,
		.segments = (uint32_t)partition->part_count,
		.leader_epoch = (int32_t)partition->term,
		.read_only = partition->read_only,
	};
	return pyr_ok();
}

pyr_result log_partition_producers(struct log *log, uint32_t id, struct log_producer_info *infos, size_t max,
                                   size_t *ret_count)
{
	const struct log_partition *partition = log_partition_find(log, id);
	if (!partition)
		return pyr_result_of(PYR_UNKNOWN_PARTITION);
	*ret_count = log_producers_list(&partition->producers, infos, max);
	return pyr_ok();
}

void log_partition_commit(struct log *log, uint32_t id, int64_t offset)
{
	struct log_partition *partition = log_partition_find(log, id);
	if (partition)
		log_partition_advance(partition, offset);
}

pyr_result log_watch_add(struct log *log, uint32_t id, struct log_watch *watch)
{
	struct log_partition *partition = log_partition_find(log, id);
	if (!partition)
		return pyr_result_of(PYR_UNKNOWN_PARTITION);
	base_list_append(&partition->watches, &watch->node);
	return pyr_ok();
}

void log_watch_remove(struct log_watch *watch)
{
	if (watch->node.next)
		base_list_remove(&watch->node);
}

uint64_t log_hlc_next(struct log *log)
{
	uint64_t now = (uint64_t)os_wall_ms(log->loop) << 20;
	log->last_hlc = now > log->last_hlc ? now : log->last_hlc + 1;
	return log->last_hlc;
}
