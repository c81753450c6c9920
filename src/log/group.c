/* A group's bytes: which frames it holds, what of it goes to the ring, what to extents.
 *
 *   header | directory of partitions | frames, each header and payload | zeros up to 4 KiB
 *
 * plan() counts, encode() writes; the header comes last, because its CRC covers the directory and its length everything.
 * The ring is written past the page cache, so the group is one piece of whole blocks. The tail cache keeps the group's
 * buffer, not the sockets', which may be much larger; a group too small for a buffer of pages of its own is therefore
 * written from a buffer that stays. Owner: the log's thread. Format: docs/formats/log.md.
 */
#include "base/crc32c.h"
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool log_group_note(struct log_group *group, struct log_partition *partition)
{
	if (partition->group_slot > 0)
		return true;
	if (!base_array_reserve(&group->directory, &group->directory_capacity, group->directory_count + 1,
	                        sizeof *group->directory))
		return false;
	group->directory[group->directory_count++] = partition->id;
	partition->group_slot = (uint32_t)group->directory_count;
	return true;
}

enum { LARGE_SHARE = 4, MEDIUM_SHARE = 32, EXTENTS_MAX = 256 };

/* All of a partition's batches in the group, or none: a large run, or one of which a batch is large by itself, or of medium size
 * in a group that is large: under such a load sealing would have to copy them at the rate at which they come, and could not.
 * When there is little to write, or it is of many partitions, the ring alone is faster: each extent is a sync of its own.
 * Small batches are better on the ring anyway, from which they are sealed side by side: whoever reads them later reads many
 * at once. */
static bool goes_to_extent(const struct log *log, const struct log_partition *partition,
                           const struct log_append *append)
{
	uint64_t least = log->options.extent_min_bytes;
	bool busy = log->group.taken_bytes >= least / LARGE_SHARE && log->extent_count < EXTENTS_MAX;
	bool large = partition->group_bytes >= least ||
	             partition->group_largest >= least / (busy ? MEDIUM_SHARE : LARGE_SHARE);
	return large && append->state.kind == LOG_FRAME_DATA;
}

static size_t references_bytes(size_t batch_count)
{
	return LOG_FRAME_HEADER_BYTES + LOG_REFERENCE_HEADER_BYTES + batch_count * LOG_REFERENCE_BATCH_BYTES;
}

struct log_group_plan log_group_plan(struct log *log)
{
	struct log_group *group = &log->group;
	struct log_group_plan plan = {.bytes = LOG_GROUP_HEADER_BYTES +
	                                       group->directory_count * LOG_DIRECTORY_ENTRY_BYTES};
	for (struct base_list *node = group->appends.next; node != &group->appends; node = node->next) {
		struct log_append *append = log_append_of(node);
		struct log_partition *partition = log_partition_find(log, append->partition);
		append->state.in_extent = goes_to_extent(log, partition, append);
		bool referenced = append->state.in_extent && partition->group_planned;
		if (append->state.in_extent) {
			partition->group_planned = true;
			plan.bytes += LOG_REFERENCE_BATCH_BYTES + (referenced ? 0 : references_bytes(0) + 8);
		} else {
			plan.bytes += LOG_FRAME_HEADER_BYTES + log_align(append->batch.bytes, 8) + 8;
		}
		plan.frame_count += !referenced;
	}
	return plan;
}

/* Zeros up to the next frame, at a multiple of 8. */
static size_t pad(struct log_group *group, size_t at)
{
	size_t padded = (size_t)log_align(at, 8);
	memset(group->buffer->data + at, 0, padded - at);
	return padded;
}

static struct log_frame frame_of(const struct log_append *append, const struct log_partition *partition)
{
	bool data = append->state.kind == LOG_FRAME_DATA;
	struct log_frame frame = {
		.kind = append->state.kind,
		.partition = append->partition,
		.index = append->state.index,
		.term = partition->term,
		.base_offset = append->base_offset,
		.hlc = append->state.hlc,
		.record_count = append->state.record_count,
		.payload_bytes = (uint32_t)append->batch.bytes,
	};
	/* A batch's own CRC, checked when it came in, is that of all behind the prefix: no second pass over the bytes. */
	frame.payload_crc = data ? base_load_u32be(append->batch.data + CODEC_BATCH_CRC_AT)
	                         : base_crc32c(0, append->batch.data, append->batch.bytes);
	return frame;
}

/* One frame at `at`; returns where the next one goes. The append keeps the copy instead of what it came with. */
static size_t put_frame(struct log_group *group, struct log_append *append, const struct log_partition *partition,
                        size_t at)
{
	struct log_frame frame = frame_of(append, partition);
	log_frame_encode(&frame, append->batch.data, group->buffer->data + at);
	at += LOG_FRAME_HEADER_BYTES;
	append->state.position = at;
	if (append->batch.bytes > 0)
		memcpy(group->buffer->data + at, append->batch.data, append->batch.bytes);
	if (append->state.kind == LOG_FRAME_DATA) {
		struct base_slice copy = base_slice_of(group->buffer, at, append->batch.bytes);
		base_slice_release(&append->batch);
		append->batch = copy;
	}
	return pad(group, at + append->batch.bytes);
}

/* All batches of one partition that go to its extent: data there, one reference frame here. */
static size_t put_reference(struct log *log, const struct log_group_extent *place, struct log_append *first,
                            const struct log_partition *partition, size_t at)
{
	struct log_group *group = &log->group;
	struct log_frame frame = frame_of(first, partition);
	struct log_reference reference = {.segment_id = place->extent->segment->id, .position = place->position};
	uint8_t *header_at = group->buffer->data + at;
	uint8_t *payload = header_at + LOG_FRAME_HEADER_BYTES;
	uint8_t *entry = payload + LOG_REFERENCE_HEADER_BYTES;
	frame.record_count = 0;
	for (struct log_append *append = first; append; append = log_extent_next(log, append)) {
		uint64_t gap = append->state.position - (reference.position + reference.bytes);
		log_reference_batch_encode(append->batch.data, (uint16_t)gap, entry);
		entry += LOG_REFERENCE_BATCH_BYTES;
		reference.bytes += gap + append->batch.bytes;
		reference.batch_count += 1;
		frame.record_count += append->state.record_count;
	}
	log_reference_encode(&reference, payload);
	frame.kind = LOG_FRAME_REFERENCE;
	frame.payload_bytes = (uint32_t)(entry - payload);
	frame.payload_crc = base_crc32c(0, payload, frame.payload_bytes);
	log_frame_encode(&frame, payload, header_at);
	return pad(group, at + LOG_FRAME_HEADER_BYTES + frame.payload_bytes);
}

static bool reserve_extents(struct log_group *group)
{
	return base_array_reserve(&group->extents, &group->extent_capacity, group->extent_count + 1,
	                          sizeof *group->extents);
}

static pyr_result put_extent(struct log *log, struct log_append *first, struct log_partition *partition, size_t *at)
{
	struct log_group *group = &log->group;
	struct log_extent_run run = log_extent_lay(log, first);
	if (!reserve_extents(group))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	struct log_group_extent *place = &group->extents[group->extent_count];
	PYR_TRY(log_extent_place(log, partition, first->base_offset, run.bytes, place));
	group->extent_count += 1;
	PYR_TRY(log_extent_gather(log, first, &run, place));
	partition->group_extent = place->extent;
	*at = put_reference(log, place, first, partition, *at);
	log->since_checkpoint_extent_bytes += run.bytes;
	log->metrics.extent_bytes += run.bytes;
	return pyr_ok();
}

static pyr_result put_frames(struct log *log, size_t *at)
{
	struct log_group *group = &log->group;
	for (struct base_list *node = group->appends.next; node != &group->appends; node = node->next) {
		struct log_append *append = log_append_of(node);
		struct log_partition *partition = log_partition_find(log, append->partition);
		if (!append->state.in_extent)
			*at = put_frame(group, append, partition, *at);
		else if (!partition->group_extent)
			PYR_TRY(put_extent(log, append, partition, at));
	}
	return pyr_ok();
}

static void put_directory(const struct log *log)
{
	const struct log_group *group = &log->group;
	for (size_t i = 0; i < group->directory_count; i++) {
		uint8_t *entry = group->buffer->data + LOG_GROUP_HEADER_BYTES + i * LOG_DIRECTORY_ENTRY_BYTES;
		struct log_partition *partition = log_partition_find(log, group->directory[i]);
		base_store_u32le(entry, group->directory[i]);
		base_store_u32le(entry + 4, (uint32_t)(partition ? partition->group_bytes : 0));
	}
}

/* Whole blocks that can be written as they lie. The last page of a paged buffer is zeros behind its capacity. */
static pyr_result choose_piece(struct log_group *group)
{
	group->piece = (struct base_bytes){group->buffer->data, group->header.bytes};
	if (base_buffer_is_paged(group->buffer))
		return pyr_ok();
	if (!group->small)
		group->small = base_buffer_new(BASE_PAGED_BYTES_MIN);
	if (!group->small)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	memset(group->small->data, 0, BASE_PAGED_BYTES_MIN);
	memcpy(group->small->data, group->buffer->data, group->buffer->capacity);
	group->piece.data = group->small->data;
	return pyr_ok();
}

pyr_result log_group_encode(struct log *log, const struct log_group_plan *plan)
{
	struct log_group *group = &log->group;
	group->buffer = base_buffer_new(plan->bytes);
	if (!group->buffer)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	size_t end = LOG_GROUP_HEADER_BYTES + group->directory_count * LOG_DIRECTORY_ENTRY_BYTES;
	put_directory(log);
	PYR_TRY(put_frames(log, &end));
	assert(end <= plan->bytes);
	memset(group->buffer->data + end, 0, plan->bytes - end);
	group->header.frame_count = (uint32_t)plan->frame_count;
	group->header.directory_count = (uint32_t)group->directory_count;
	group->header.bytes = (uint32_t)log_align(end, LOG_BLOCK_BYTES);
	log_group_header_encode(&group->header, group->buffer->data);
	return choose_piece(group);
}

static void clear_marks(struct log *log)
{
	for (size_t i = 0; i < log->group.directory_count; i++) {
		struct log_partition *partition = log_partition_find(log, log->group.directory[i]);
		if (!partition)
			continue;
		partition->group_slot = 0;
		partition->group_bytes = partition->group_largest = 0;
		partition->group_extent = NULL;
		partition->group_planned = false;
	}
	log->group.directory_count = 0;
}

void log_group_reset(struct log *log)
{
	struct log_group *group = &log->group;
	clear_marks(log);
	for (size_t i = 0; i < group->extent_count; i++) {
		free(group->extents[i].parts);
		base_buffer_unref(group->extents[i].packed);
		if (group->extents[i].spare)
			log_removal_settle_spare(log, group->extents[i].spare, group->extents[i].spare_taken);
		if (group->extents[i].extent->orphan)
			log_extent_free(group->extents[i].extent);
	}
	base_buffer_unref(group->buffer);
	group->buffer = NULL;
	group->extent_count = 0;
	group->sync = group->sync_later = group->roll = group->no_room = false;
	group->rolled = NULL;
}
