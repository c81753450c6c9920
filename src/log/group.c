/* A group's bytes: which frames it holds, what of it is copied, what is written from where it lies.
 *
 *   header | directory of partitions | frames, each header and payload | padding to 4 KiB
 *
 * plan() counts, encode() writes; the header comes last, because its CRC covers the directory and its length everything.
 * Invariant: `parts`, one behind the other, are exactly header.bytes bytes; whatever they point to is referenced by an append
 * of the group until it is reset. Owner: the log's thread. Format: docs/formats/log.md.
 */
#include "base/crc32c.h"
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool reserve_parts(struct log_group *group, size_t more)
{
	return base_array_reserve(&group->parts, &group->part_capacity, group->part_count + more, sizeof *group->parts);
}

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

static bool goes_to_extent(const struct log *log, const struct log_partition *partition,
                           const struct log_append *append)
{
	return append->state.kind == LOG_FRAME_DATA && partition->group_bytes >= log->options.extent_min_bytes;
}

static size_t references_bytes(size_t batch_count)
{
	return LOG_FRAME_HEADER_BYTES + LOG_REFERENCE_HEADER_BYTES + batch_count * LOG_REFERENCE_BATCH_BYTES;
}

struct log_group_plan log_group_plan(struct log *log)
{
	struct log_group *group = &log->group;
	struct log_group_plan plan = {.ring_parts = 3};
	plan.buffer_bytes = LOG_GROUP_HEADER_BYTES + group->directory_count * LOG_DIRECTORY_ENTRY_BYTES;
	plan.ring_bytes = plan.buffer_bytes;
	for (struct base_list *node = group->appends.next; node != &group->appends; node = node->next) {
		struct log_append *append = log_append_of(node);
		struct log_partition *partition = log_partition_find(log, append->partition);
		append->state.in_extent = goes_to_extent(log, partition, append);
		if (append->state.in_extent) {
			size_t first = partition->group_planned ? 0 : references_bytes(0) + 8;
			partition->group_planned = true;
			plan.frame_count += first > 0;
			plan.buffer_bytes += first + LOG_REFERENCE_BATCH_BYTES;
			plan.ring_bytes += first + LOG_REFERENCE_BATCH_BYTES;
			plan.extent_parts += 1;
			continue;
		}
		bool copied = append->batch.bytes <= LOG_COPY_MAX_BYTES;
		plan.frame_count += 1;
		plan.ring_parts += copied ? 0 : 3;
		plan.buffer_bytes += LOG_FRAME_HEADER_BYTES + (copied ? append->batch.bytes : 0) + 8;
		plan.ring_bytes += log_align(LOG_FRAME_HEADER_BYTES + append->batch.bytes, 8);
	}
	return plan;
}

/* Where the next byte of the group's buffer goes, and how far the ring's position has come. */
struct group_cursor {
	size_t in_buffer;
	size_t piece_from; /* of the buffer, not yet in parts */
	uint64_t in_group;
};

static void flush_piece(struct log_group *group, struct group_cursor *cursor)
{
	if (cursor->in_buffer == cursor->piece_from)
		return;
	group->parts[group->part_count++] =
		(struct base_bytes){group->buffer->data + cursor->piece_from, cursor->in_buffer - cursor->piece_from};
	cursor->piece_from = cursor->in_buffer;
}

static void pad_to(struct log_group *group, struct group_cursor *cursor, uint64_t alignment)
{
	size_t padding = (size_t)(log_align(cursor->in_group, alignment) - cursor->in_group);
	memset(group->buffer->data + cursor->in_buffer, 0, padding);
	cursor->in_buffer += padding;
	cursor->in_group += padding;
}

/* The tail cache keeps the buffer, so the padding to a whole block is not in it. */
static void pad_group(struct log_group *group, struct group_cursor *cursor)
{
	static const uint8_t zeros[LOG_BLOCK_BYTES];
	size_t padding = (size_t)(log_align(cursor->in_group, LOG_BLOCK_BYTES) - cursor->in_group);
	if (padding > 0)
		group->parts[group->part_count++] = (struct base_bytes){zeros, padding};
	cursor->in_group += padding;
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

/* One frame: header and small payloads into the buffer, large payloads as pieces of their own. */
static void put_frame(struct log_group *group, struct log_append *append, const struct log_partition *partition,
                      struct group_cursor *cursor)
{
	struct log_frame frame = frame_of(append, partition);
	log_frame_encode(&frame, append->batch.data, group->buffer->data + cursor->in_buffer);
	cursor->in_buffer += LOG_FRAME_HEADER_BYTES;
	cursor->in_group += LOG_FRAME_HEADER_BYTES;
	append->state.position = cursor->in_group;
	if (append->batch.bytes > LOG_COPY_MAX_BYTES) {
		flush_piece(group, cursor);
		group->parts[group->part_count++] = (struct base_bytes){append->batch.data, append->batch.bytes};
	} else if (append->batch.bytes > 0) {
		uint8_t *at = group->buffer->data + cursor->in_buffer;
		memcpy(at, append->batch.data, append->batch.bytes);
		cursor->in_buffer += append->batch.bytes;
		/* The tail cache keeps the group's buffer, not the socket's, which may be much larger. */
		if (append->state.kind == LOG_FRAME_DATA) {
			struct base_slice copy =
				base_slice_of(group->buffer, (size_t)(at - group->buffer->data), append->batch.bytes);
			base_slice_release(&append->batch);
			append->batch = copy;
		}
	}
	cursor->in_group += append->batch.bytes;
	pad_to(group, cursor, 8);
}

/* All batches of one partition that go to its extent: data there, one reference frame here. */
static void put_reference(struct log *log, const struct log_group_extent *place, struct log_append *first,
                          const struct log_partition *partition, struct group_cursor *cursor)
{
	struct log_group *group = &log->group;
	struct log_frame frame = frame_of(first, partition);
	struct log_reference reference = {.segment_id = place->extent->segment->id, .position = place->position};
	uint8_t *header_at = group->buffer->data + cursor->in_buffer;
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
	cursor->in_buffer += LOG_FRAME_HEADER_BYTES + frame.payload_bytes;
	cursor->in_group += LOG_FRAME_HEADER_BYTES + frame.payload_bytes;
	pad_to(group, cursor, 8);
}

static bool reserve_extents(struct log_group *group)
{
	return base_array_reserve(&group->extents, &group->extent_capacity, group->extent_count + 1,
	                          sizeof *group->extents);
}

static pyr_result put_extent(struct log *log, struct log_append *first, struct log_partition *partition,
                             struct group_cursor *cursor)
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
	put_reference(log, place, first, partition, cursor);
	log->since_checkpoint_extent_bytes += run.bytes;
	log->metrics.extent_bytes += run.bytes;
	return pyr_ok();
}

static pyr_result put_frames(struct log *log, struct group_cursor *cursor)
{
	struct log_group *group = &log->group;
	for (struct base_list *node = group->appends.next; node != &group->appends; node = node->next) {
		struct log_append *append = log_append_of(node);
		struct log_partition *partition = log_partition_find(log, append->partition);
		if (!append->state.in_extent)
			put_frame(group, append, partition, cursor);
		else if (!partition->group_extent)
			PYR_TRY(put_extent(log, append, partition, cursor));
	}
	return pyr_ok();
}

/* Makes bytes of the group; the header comes last, because it knows the whole. */
pyr_result log_group_encode(struct log *log, const struct log_group_plan *plan)
{
	struct log_group *group = &log->group;
	group->buffer = base_buffer_new(plan->buffer_bytes);
	if (!group->buffer || !reserve_parts(group, plan->ring_parts))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	struct group_cursor cursor = {.in_buffer = LOG_GROUP_HEADER_BYTES +
	                                           group->directory_count * LOG_DIRECTORY_ENTRY_BYTES};
	cursor.in_group = cursor.in_buffer;
	for (size_t i = 0; i < group->directory_count; i++) {
		uint8_t *entry = group->buffer->data + LOG_GROUP_HEADER_BYTES + i * LOG_DIRECTORY_ENTRY_BYTES;
		struct log_partition *partition = log_partition_find(log, group->directory[i]);
		base_store_u32le(entry, group->directory[i]);
		base_store_u32le(entry + 4, (uint32_t)(partition ? partition->group_bytes : 0));
	}
	PYR_TRY(put_frames(log, &cursor));
	flush_piece(group, &cursor);
	pad_group(group, &cursor);
	group->ring_parts = group->part_count;
	group->header.frame_count = (uint32_t)plan->frame_count;
	group->header.directory_count = (uint32_t)group->directory_count;
	group->header.bytes = (uint32_t)cursor.in_group;
	log_group_header_encode(&group->header, group->buffer->data);
	return pyr_ok();
}

static void clear_marks(struct log *log)
{
	for (size_t i = 0; i < log->group.directory_count; i++) {
		struct log_partition *partition = log_partition_find(log, log->group.directory[i]);
		if (!partition)
			continue;
		partition->group_slot = 0;
		partition->group_bytes = 0;
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
		if (group->extents[i].extent->orphan)
			log_extent_free(group->extents[i].extent);
	}
	base_buffer_unref(group->buffer);
	group->buffer = NULL;
	group->part_count = group->extent_count = group->ring_parts = 0;
	group->sync = group->sync_later = group->roll = group->no_room = false;
	group->rolled = NULL;
}
