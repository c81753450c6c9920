/* Replay: the frames of groups become tails, extents and records; what can't be read becomes damage (see recovery.h). */
#include "log/recovery.h"

#include "base/crc32c.h"

#include <stdlib.h>

/* ---- damage ---- */

/* Something of the partition at its end could not be read; how much, a later frame may tell. */
static pyr_result open_damage(struct log_partition *partition)
{
	if (partition->damage_count > 0 && partition->damages[partition->damage_count - 1].end_offset == INT64_MAX)
		return pyr_ok();
	return log_partition_damage(partition, partition->durable_end, INT64_MAX);
}

static void close_damage(struct log_partition *partition, int64_t at)
{
	struct log_damage *last = partition->damage_count > 0 ? &partition->damages[partition->damage_count - 1] : NULL;
	if (last && last->end_offset == INT64_MAX && last->base_offset < at)
		last->end_offset = at;
}

pyr_result recovery_damage_all(struct recovery *recovery)
{
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&recovery->log->partitions, node))) {
		struct log_partition *partition = BASE_CONTAINER(node, struct log_partition, node);
		if (partition->id != LOG_PARTITION_SYSTEM)
			PYR_TRY(open_damage(partition));
	}
	return pyr_ok();
}

static pyr_result damage_directory(struct recovery *recovery, const struct log_group_header *group, const uint8_t *at)
{
	for (uint32_t i = 0; i < group->directory_count; i++) {
		uint32_t id = base_load_u32le(at + LOG_GROUP_HEADER_BYTES + (size_t)i * LOG_DIRECTORY_ENTRY_BYTES);
		struct log_partition *partition = log_partition_need(recovery->log, id);
		if (!partition)
			return pyr_result_of(PYR_OUT_OF_MEMORY);
		if (id != LOG_PARTITION_SYSTEM)
			PYR_TRY(open_damage(partition));
	}
	return pyr_ok();
}

/* ---- applying frames ---- */

/* A frame at an index that was there already: what came before at or above it is void. */
static void discard_from(struct log_partition *partition, int64_t offset, uint64_t index)
{
	size_t from = partition->tail.count;
	while (from > 0 && (log_tail_at(&partition->tail, from - 1)->index >= index ||
	                    log_tail_at(&partition->tail, from - 1)->last_offset >= offset))
		from -= 1;
	for (size_t i = from; i < partition->tail.count; i++)
		partition->tail_bytes -= log_tail_at(&partition->tail, i)->bytes;
	log_tail_drop_back(&partition->tail, from);
	log_producers_rollback(&partition->producers, offset);
	if (partition->durable_end > offset)
		partition->durable_end = offset;
	partition->durable_index = index;
}

static pyr_result apply_batch(struct recovery *recovery, struct log_partition *partition, const struct log_frame *frame,
                              const struct codec_batch *batch, struct log_tail_entry *entry)
{
	struct log *log = recovery->log;
	if (entry->base_offset < 0 || batch->last_offset_delta < 0 || entry->base_offset > INT64_MAX - (1LL << 32))
		return pyr_result_of(PYR_CORRUPT);
	entry->last_offset = entry->base_offset + batch->last_offset_delta;
	entry->max_timestamp_ms = batch->max_timestamp_ms;
	/* The header tells the first record's time stamp; later ones may be earlier, and are not read here. */
	entry->min_timestamp_ms = codec_batch_is_append_time(batch) ? batch->max_timestamp_ms : INT64_MIN;
	entry->bytes = (uint32_t)batch->bytes;
	if (entry->base_offset < partition->durable_end || entry->index < partition->durable_index)
		discard_from(partition, entry->base_offset, entry->index);
	close_damage(partition, entry->base_offset);
	if (entry->base_offset > partition->durable_end && partition->damage_count == 0)
		PYR_TRY(log_partition_damage(partition, partition->durable_end, entry->base_offset));
	os_pool_file_ref(entry->file);
	pyr_result pushed = log_tail_push(&partition->tail, entry);
	if (pushed.code != PYR_OK) {
		os_pool_file_unref(entry->file);
		return pushed;
	}
	if (batch->producer_id >= 0)
		PYR_TRY(log_producers_append(&partition->producers, batch, entry->base_offset, NULL,
		                             (int64_t)(frame->hlc >> 20), log->options.producers_max));
	partition->tail_bytes += entry->bytes;
	partition->durable_end = entry->last_offset + 1;
	partition->durable_index = entry->index + 1;
	partition->term = frame->term;
	if (entry->max_timestamp_ms > partition->max_timestamp_ms)
		partition->max_timestamp_ms = entry->max_timestamp_ms;
	return pyr_ok();
}

static pyr_result apply_data(struct recovery *recovery, struct log_partition *partition, const struct log_frame *frame,
                             struct base_bytes payload)
{
	struct codec_batch batch;
	struct log_tail_entry entry = {
		.base_offset = frame->base_offset,
		.index = frame->index,
		.file = &recovery->file->file,
		.position = recovery->position + (uint64_t)(payload.data - (recovery->bytes + recovery->position)),
		.prefix_crc = base_crc32c(0, payload.data, log_frame_prefix_bytes(LOG_FRAME_DATA, payload.bytes)),
	};
	if (codec_batch_parse(payload, &batch).code != PYR_OK)
		return pyr_result_of(PYR_CORRUPT);
	return apply_batch(recovery, partition, frame, &batch, &entry);
}

static struct log_extent *need_extent(struct recovery *recovery, struct log_partition *partition, uint64_t segment_id,
                                      int64_t base_offset)
{
	struct log *log = recovery->log;
	for (struct base_list *node = partition->extents.next; node != &partition->extents; node = node->next)
		if (BASE_CONTAINER(node, struct log_extent, node)->segment->id == segment_id)
			return BASE_CONTAINER(node, struct log_extent, node);
	struct log_extent *extent = calloc(1, sizeof *extent);
	if (!extent)
		return NULL;
	extent->segment = log_segment_find(log, segment_id);
	if (!extent->segment)
		extent->segment = log_segment_new(log, segment_id);
	if (!extent->segment) {
		free(extent);
		return NULL;
	}
	log_segment_hold(extent->segment);
	extent->closed = true;
	extent->base_offset = base_offset;
	base_list_append(&partition->extents, &extent->node);
	log->extent_count += 1;
	return extent;
}

static pyr_result apply_reference(struct recovery *recovery, struct log_partition *partition,
                                  const struct log_group_header *group, const struct log_frame *frame,
                                  struct base_bytes payload)
{
	struct log_reference reference;
	PYR_TRY(log_reference_decode(payload, &reference));
	uint64_t known_index = group->number <= recovery->head.state_group ? partition->durable_index : 0;
	if (frame->index + reference.batch_count <= known_index)
		return pyr_ok(); /* all of it; the file may be gone, merged or retained away */
	struct log_segment *segment = log_segment_find(recovery->log, reference.segment_id);
	if (!segment || !segment->sealed) { /* sealed: what was committed of it is in the manifest */
		struct log_extent *extent = need_extent(recovery, partition, reference.segment_id, frame->base_offset);
		if (!extent)
			return pyr_result_of(PYR_OUT_OF_MEMORY);
		if (extent->filled < log_align(reference.position + reference.bytes, LOG_BLOCK_BYTES))
			extent->filled = log_align(reference.position + reference.bytes, LOG_BLOCK_BYTES);
		segment = extent->segment;
	}
	int64_t offset = frame->base_offset;
	uint64_t position = reference.position;
	for (uint32_t i = 0; i < reference.batch_count; i++) {
		const uint8_t *header = reference.headers + (size_t)i * LOG_REFERENCE_BATCH_BYTES;
		struct codec_batch batch;
		PYR_TRY(codec_batch_parse_header(header, &batch));
		position += log_reference_batch_gap(header);
		struct log_tail_entry entry = {
			.base_offset = offset,
			.index = frame->index + i,
			.file = &segment->file,
			.position = position,
			.prefix_crc = base_crc32c(0, header, LOG_BATCH_PREFIX_BYTES),
		};
		if (entry.index >= known_index)
			PYR_TRY(apply_batch(recovery, partition, frame, &batch, &entry));
		offset += batch.last_offset_delta + 1;
		position += batch.bytes;
	}
	return pyr_ok();
}

/* What the manifest holds already is not applied twice. */
static bool is_in_manifest(const struct recovery *recovery, const struct log_group_header *group,
                           const struct log_partition *partition, const struct log_frame *frame)
{
	if (group->number > recovery->head.state_group)
		return false;
	/* Of a reference frame the manifest may hold the first batches: apply_reference() looks at each. */
	return frame->kind == LOG_FRAME_RECORD ||
	       (frame->kind != LOG_FRAME_REFERENCE && frame->index < partition->durable_index);
}

/* A record may have been refused when it was first applied (a second creation of one name): then it is again. */
static pyr_result replay_record(struct log *log, struct base_bytes record)
{
	pyr_result applied = log_record_apply(log, record);
	bool fatal = applied.code == PYR_CORRUPT || applied.code == PYR_OUT_OF_MEMORY ||
	             applied.code == PYR_UNSUPPORTED_FEATURE;
	return fatal ? applied : pyr_ok();
}

static pyr_result apply_frame(struct recovery *recovery, const struct log_group_header *group,
                              const struct log_frame *frame, struct base_bytes payload)
{
	struct log *log = recovery->log;
	struct log_partition *partition = log_partition_need(log, frame->partition);
	if (!partition)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	if (frame->hlc > log->last_hlc)
		log->last_hlc = frame->hlc;
	if (is_in_manifest(recovery, group, partition, frame))
		return pyr_ok();
	switch (frame->kind) {
	case LOG_FRAME_DATA:
		return apply_data(recovery, partition, frame, payload);
	case LOG_FRAME_REFERENCE:
		return apply_reference(recovery, partition, group, frame, payload);
	case LOG_FRAME_RECORD:
		return replay_record(log, payload);
	case LOG_FRAME_TRUNCATE:
		discard_from(partition, frame->base_offset, frame->index + 1);
		return pyr_ok();
	default:
		return pyr_result_of(PYR_UNSUPPORTED_FEATURE);
	}
}

/* A frame that fails its checksum in a durable group. Its header may still tell whose it is. */
static pyr_result damage_frame(struct recovery *recovery, const struct log_frame *frame)
{
	if (frame->partition == LOG_PARTITION_SYSTEM)
		return pyr_result_of(PYR_CORRUPT); /* the catalog can't go on with a gap */
	struct log_partition *partition = log_partition_need(recovery->log, frame->partition);
	return partition ? open_damage(partition) : pyr_result_of(PYR_OUT_OF_MEMORY);
}

pyr_result recovery_apply(struct recovery *recovery, const struct log_group_header *group, struct base_bytes bytes)
{
	size_t at = log_group_frames_at(group);
	for (uint32_t i = 0; i < group->frame_count; i++) {
		struct log_frame frame;
		struct base_bytes payload;
		size_t stride;
		pyr_result decoded = log_frame_decode((struct base_bytes){bytes.data + at, bytes.bytes - at}, &frame,
		                                      &payload, &stride);
		if (decoded.code != PYR_OK && stride == 0)
			return damage_directory(recovery, group, bytes.data); /* and nothing behind it can be found */
		PYR_TRY(decoded.code == PYR_OK ? apply_frame(recovery, group, &frame, payload)
		                               : damage_frame(recovery, &frame));
		at += stride;
	}
	return pyr_ok();
}
