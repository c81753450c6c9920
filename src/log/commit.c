/* From the queue to the disk to the answers.
 *
 *   log_append  --queue-->  assemble a group  --commit thread: extents, ring, sync-->  commit  -->  answers
 *
 * One group is on its way at a time; what arrives meanwhile makes the next, so a lone append goes out at once and groups
 * grow with the load. Invariants: offsets are given in the order of appending; answers are given in that order; nothing is
 * answered PYR_OK before its group, and every group before it, is durable (or written, for weaker durabilities).
 * Failure: any error of the commit thread stops the log for good; everything waiting is answered PYR_STOPPED.
 */
#include "base/crc32c.h"
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_CONFIRM_US = 50000 };

static struct log_append *append_of(struct base_list *node)
{
	return BASE_CONTAINER(node, struct log_append, state.node);
}

/* ---- answers ---- */

static void run_answer(struct os_task *task)
{
	struct log_append *append = BASE_CONTAINER(task, struct log_append, state.answer);
	append->done(append);
}

void log_answer_later(struct log *log, struct log_append *append, enum pyr_code code)
{
	append->result = pyr_result_of(code);
	base_slice_release(&append->batch);
	append->state.answer.run = run_answer;
	os_loop_post(log->loop, &append->state.answer);
}

/* The append's own answer, and the same one for its duplicates. */
static void answer_now(struct log_append *append, enum pyr_code code)
{
	struct base_list waiters;
	int64_t base_offset = append->base_offset;
	base_list_init(&waiters);
	base_list_splice(&waiters, &append->state.waiters);
	append->result = pyr_result_of(code);
	base_slice_release(&append->batch);
	append->done(append);
	for (struct base_list *node; (node = base_list_pop(&waiters));) {
		struct log_append *duplicate = append_of(node);
		duplicate->base_offset = base_offset;
		duplicate->result = pyr_result_of(code);
		base_slice_release(&duplicate->batch);
		duplicate->done(duplicate);
	}
}

static void answer_all(struct base_list *appends, enum pyr_code code)
{
	for (struct base_list *node; (node = base_list_pop(appends));)
		answer_now(append_of(node), code);
}

/* ---- into the queue ---- */

static void init_append(struct log_append *append, uint8_t kind)
{
	append->result = pyr_ok();
	append->base_offset = -1;
	append->append_time_ms = -1;
	append->log_start_offset = -1;
	append->state = (struct log_append_state){.kind = kind, .synced = true, .producer_id = -1};
	base_list_init(&append->state.node);
	base_list_init(&append->state.waiters);
}

static void run_kick(struct os_task *task)
{
	struct log *log = BASE_CONTAINER(task, struct log, kick_task);
	log->kicked = false;
	log_commit_kick(log);
}

void log_enqueue(struct log *log, struct log_append *append)
{
	base_list_append(&log->queue, &append->state.node);
	log->queued_bytes += append->batch.bytes;
	log->metrics.pending_bytes = log->queued_bytes;
	/* Not at once: everything that arrived in this turn of the loop shall share the group. */
	if (log->group_busy || log->kicked)
		return;
	log->kicked = true;
	log->kick_task.run = run_kick;
	os_loop_post(log->loop, &log->kick_task);
}

static enum pyr_code refusal(const struct log *log, size_t bytes)
{
	if (log->stopped || log->closing)
		return PYR_STOPPED;
	if (log->disk_full)
		return PYR_DISK_FULL;
	if (log->queued_bytes > 0 && log->queued_bytes + bytes > log->options.pending_bytes_max)
		return PYR_BUSY;
	return PYR_OK;
}

/* Duplicates are answered here; *ret_append_it: this one is new. */
static enum pyr_code check_sequence(struct log *log, struct log_partition *partition, struct log_append *append,
                                    const struct codec_batch *batch, bool *ret_append_it)
{
	struct log_sequence_verdict verdict;
	*ret_append_it = false;
	pyr_result checked = log_producers_check(&partition->producers, batch, &verdict);
	if (checked.code != PYR_OK)
		return checked.code;
	if (verdict.sequence == LOG_SEQUENCE_PENDING) {
		base_list_append(&verdict.original->state.waiters, &append->state.node);
		append->log_start_offset = partition->log_start_offset;
		return PYR_OK;
	}
	if (verdict.sequence == LOG_SEQUENCE_DUPLICATE) {
		append->base_offset = verdict.base_offset;
		append->log_start_offset = partition->log_start_offset;
		log_answer_later(log, append, PYR_OK);
		return PYR_OK;
	}
	*ret_append_it = true;
	return log_producers_append(&partition->producers, batch, partition->next_offset, append, os_wall_ms(log->loop),
	                            log->options.producers_max)
	        .code;
}

static void stamp(struct log *log, struct log_partition *partition, struct log_append *append,
                  struct codec_batch *batch)
{
	/* The bytes are the caller's own until here (log.h), and nobody else sees them yet. */
	uint8_t *at = (uint8_t *)(uintptr_t)append->batch.data;
	if (partition->config.append_time) {
		append->append_time_ms = os_wall_ms(log->loop);
		codec_batch_stamp(at, append->batch.bytes, append->append_time_ms);
		append->min_timestamp_ms = batch->max_timestamp_ms = append->append_time_ms;
	}
	codec_batch_assign(at, partition->next_offset, (int32_t)partition->term);
}

static void assign(struct log *log, struct log_partition *partition, struct log_append *append,
                   const struct codec_batch *batch)
{
	append->base_offset = partition->next_offset;
	append->log_start_offset = partition->log_start_offset;
	append->state.synced = partition->config.durability == LOG_DURABILITY_FSYNC;
	append->state.record_count = (uint32_t)batch->last_offset_delta + 1;
	append->state.sync_later = partition->config.durability == LOG_DURABILITY_INTERVAL;
	append->state.producer_id = batch->producer_id;
	append->state.index = partition->next_index++;
	append->state.hlc = log_hlc_next(log);
	append->state.max_timestamp_ms = batch->max_timestamp_ms;
	append->state.min_timestamp_ms = append->min_timestamp_ms;
	partition->next_offset += append->state.record_count;
}

void log_append(struct log *log, struct log_append *append)
{
	struct log_partition *partition = log_partition_find(log, append->partition);
	struct codec_batch batch;
	init_append(append, LOG_FRAME_DATA);
	enum pyr_code code = partition ? refusal(log, append->batch.bytes) : PYR_UNKNOWN_PARTITION;
	if (code == PYR_OK && partition->read_only)
		code = PYR_READ_ONLY;
	if (code == PYR_OK)
		code = codec_batch_parse((struct base_bytes){append->batch.data, append->batch.bytes}, &batch).code;
	if (code == PYR_OK && (batch.bytes != append->batch.bytes || batch.last_offset_delta < 0))
		code = PYR_CORRUPT_MESSAGE;
	bool append_it = true;
	if (code == PYR_OK && batch.producer_id >= 0)
		code = check_sequence(log, partition, append, &batch, &append_it);
	if (code != PYR_OK) {
		log_answer_later(log, append, code);
	} else if (append_it) {
		stamp(log, partition, append, &batch);
		assign(log, partition, append, &batch);
		log_enqueue(log, append);
	}
}

static void append_record(struct log *log, struct log_append *append)
{
	enum pyr_code code = refusal(log, append->batch.bytes);
	append->partition = LOG_PARTITION_SYSTEM;
	append->state.hlc = log_hlc_next(log);
	if (code != PYR_OK)
		log_answer_later(log, append, code);
	else
		log_enqueue(log, append);
}

void log_append_record(struct log *log, struct log_append *append)
{
	log_append_manifest_record(log, append, LOG_RECORD_OBSERVER);
}

void log_append_manifest_record(struct log *log, struct log_append *append, uint8_t kind)
{
	struct base_slice body = append->batch;
	struct base_buffer *buffer = base_buffer_new(body.bytes + 1);
	init_append(append, LOG_FRAME_RECORD);
	if (!buffer) {
		log_answer_later(log, append, PYR_OUT_OF_MEMORY);
		return;
	}
	buffer->data[0] = kind;
	memcpy(buffer->data + 1, body.data, body.bytes);
	base_slice_release(&body);
	append->batch = (struct base_slice){.owner = buffer, .data = buffer->data, .bytes = buffer->capacity};
	append_record(log, append);
}

void log_delete_records(struct log *log, struct log_append *append, int64_t offset)
{
	struct log_partition *partition = log_partition_find(log, append->partition);
	enum { BYTES = 13 };
	init_append(append, LOG_FRAME_RECORD);
	append->batch = (struct base_slice){0};
	if (partition && offset == -1)
		offset = partition->high_watermark;
	enum pyr_code code = !partition                                         ? PYR_UNKNOWN_PARTITION
	                     : offset < 0 || offset > partition->high_watermark ? PYR_OFFSET_OUT_OF_RANGE
	                                                                        : PYR_OK;
	struct base_buffer *buffer = code == PYR_OK ? base_buffer_new(BYTES) : NULL;
	if (!buffer) {
		log_answer_later(log, append, code == PYR_OK ? PYR_OUT_OF_MEMORY : code);
		return;
	}
	buffer->data[0] = LOG_RECORD_LOG_START;
	base_store_u32le(buffer->data + 1, append->partition);
	base_store_u64le(buffer->data + 5, (uint64_t)offset);
	append->batch = (struct base_slice){.owner = buffer, .data = buffer->data, .bytes = BYTES};
	append->log_start_offset = offset;
	append_record(log, append);
}

/* A truncation needs no answer: it owns itself. */
static void free_append(struct log_append *append)
{
	free(append);
}

static void drop_tail_from(struct log_partition *partition, int64_t offset)
{
	size_t from = log_tail_search(&partition->tail, offset);
	for (size_t i = from; i < partition->tail.count; i++)
		partition->tail_bytes -= log_tail_at(&partition->tail, i)->bytes;
	log_tail_drop_back(&partition->tail, from);
}

static void mark_truncated(struct base_list *appends, uint32_t partition, int64_t offset)
{
	for (struct base_list *node = appends->next; node != appends; node = node->next) {
		struct log_append *append = append_of(node);
		if (append->partition == partition && append->state.kind == LOG_FRAME_DATA &&
		    append->base_offset >= offset)
			append->state.truncated = true;
	}
}

pyr_result log_truncate(struct log *log, uint32_t id, int64_t offset)
{
	struct log_partition *partition = log_partition_find(log, id);
	if (!partition)
		return pyr_result_of(PYR_UNKNOWN_PARTITION);
	if (offset < partition->high_watermark)
		return pyr_result_of(PYR_OFFSET_OUT_OF_RANGE);
	if (offset >= partition->next_offset)
		return pyr_ok();
	size_t at = log_tail_search(&partition->tail, offset);
	if (at < partition->tail.count && log_tail_at(&partition->tail, at)->base_offset != offset)
		return pyr_result_of(PYR_OFFSET_OUT_OF_RANGE); /* only between batches */
	struct log_append *append = calloc(1, sizeof *append);
	if (!append)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	append->partition = id;
	append->done = free_append;
	init_append(append, LOG_FRAME_TRUNCATE);
	append->base_offset = offset;
	append->state.hlc = log_hlc_next(log);
	append->state.index = partition->next_index++;
	drop_tail_from(partition, offset);
	mark_truncated(&log->queue, id, offset);
	mark_truncated(&log->group.appends, id, offset);
	log_producers_rollback(&partition->producers, offset);
	partition->next_offset = offset;
	if (partition->durable_end > offset)
		partition->durable_end = offset;
	log_enqueue(log, append);
	return pyr_ok();
}

/* ---- assembling a group ---- */

static bool reserve_parts(struct log_group *group, size_t more)
{
	if (group->part_count + more <= group->part_capacity)
		return true;
	size_t capacity = (group->part_count + more) * 2;
	struct base_bytes *parts = realloc(group->parts, capacity * sizeof *parts);
	if (!parts)
		return false;
	group->parts = parts;
	group->part_capacity = capacity;
	return true;
}

static bool add_to_directory(struct log_group *group, struct log_partition *partition)
{
	if (partition->group_slot > 0)
		return true;
	if (group->directory_count == group->directory_capacity) {
		size_t capacity = group->directory_capacity ? group->directory_capacity * 2 : 64;
		uint32_t *directory = realloc(group->directory, capacity * sizeof *directory);
		if (!directory)
			return false;
		group->directory = directory;
		group->directory_capacity = capacity;
	}
	group->directory[group->directory_count++] = partition->id;
	partition->group_slot = (uint32_t)group->directory_count;
	return true;
}

/* Was the partition deleted, or this append truncated away, while it waited? */
static enum pyr_code still_wanted(struct log *log, const struct log_append *append)
{
	if (!log_partition_find(log, append->partition))
		return PYR_UNKNOWN_PARTITION;
	return append->state.truncated ? PYR_NOT_LEADER : PYR_OK;
}

static void finish_unwanted(struct log *log, struct log_append *append, enum pyr_code code)
{
	log->queued_bytes -= append->batch.bytes;
	answer_now(append, code);
}

/* Moves appends from the queue into the group, as many as one group should have. */
static bool take_appends(struct log *log, uint64_t bytes_max)
{
	struct log_group *group = &log->group;
	uint64_t bytes = 0;
	while (!base_list_empty(&log->queue)) {
		struct log_append *append = append_of(log->queue.next);
		enum pyr_code wanted = still_wanted(log, append);
		if (wanted != PYR_OK) {
			base_list_remove(&append->state.node);
			finish_unwanted(log, append, wanted);
			continue;
		}
		uint64_t stride = LOG_FRAME_HEADER_BYTES + append->batch.bytes + LOG_DIRECTORY_ENTRY_BYTES + 8;
		if (bytes > 0 && bytes + stride > bytes_max)
			break;
		struct log_partition *partition = log_partition_find(log, append->partition);
		if (!add_to_directory(group, partition))
			return false;
		bytes += stride;
		partition->group_bytes += append->batch.bytes;
		group->sync |= append->state.synced;
		group->sync_later |= append->state.sync_later;
		base_list_remove(&append->state.node);
		base_list_append(&group->appends, &append->state.node);
		if (append->state.kind == LOG_FRAME_TRUNCATE)
			break; /* it voids frames before it: none may come behind it in a group, where extents reorder */
	}
	return true;
}

static bool goes_to_extent(const struct log *log, const struct log_partition *partition,
                           const struct log_append *append)
{
	return append->state.kind == LOG_FRAME_DATA && partition->group_bytes >= log->options.extent_min_bytes;
}

/* Bytes of the group's buffer: header, directory, frames with what is copied, padding included by the caller. */
struct group_plan {
	uint64_t ring_bytes; /* all of the group on the ring, before padding */
	size_t buffer_bytes;
	size_t frame_count;
	size_t ring_parts; /* pieces written to the ring, at most */
	size_t extent_parts;
};

static size_t references_bytes(size_t batch_count)
{
	return LOG_FRAME_HEADER_BYTES + LOG_REFERENCE_HEADER_BYTES + batch_count * LOG_REFERENCE_BATCH_BYTES;
}

static struct group_plan plan_group(struct log *log)
{
	struct log_group *group = &log->group;
	struct group_plan plan = {.ring_parts = 2};
	plan.buffer_bytes = LOG_GROUP_HEADER_BYTES + group->directory_count * LOG_DIRECTORY_ENTRY_BYTES;
	plan.ring_bytes = plan.buffer_bytes;
	for (struct base_list *node = group->appends.next; node != &group->appends; node = node->next) {
		struct log_append *append = append_of(node);
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
	plan.buffer_bytes += LOG_BLOCK_BYTES;
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
	frame.payload_crc = data ? base_load_u32be(append->batch.data + 17)
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
static void put_reference(struct log *log, struct log_group_extent *place, struct log_append *first,
                          struct log_partition *partition, struct group_cursor *cursor)
{
	struct log_group *group = &log->group;
	struct log_frame frame = frame_of(first, partition);
	struct log_reference reference = {.segment_id = place->extent->segment->id, .position = place->position};
	uint8_t *header_at = group->buffer->data + cursor->in_buffer;
	uint8_t *payload = header_at + LOG_FRAME_HEADER_BYTES;
	uint8_t *entry = payload + LOG_REFERENCE_HEADER_BYTES;
	frame.record_count = 0;
	for (struct base_list *node = &first->state.node; node != &group->appends; node = node->next) {
		struct log_append *append = append_of(node);
		if (append->partition != first->partition || !append->state.in_extent)
			continue;
		append->state.position = place->position + reference.bytes;
		place->parts[place->part_count++] = (struct base_bytes){append->batch.data, append->batch.bytes};
		memset(entry, 0, LOG_REFERENCE_BATCH_BYTES);
		memcpy(entry, append->batch.data, CODEC_BATCH_HEADER_BYTES);
		entry += LOG_REFERENCE_BATCH_BYTES;
		reference.bytes += append->batch.bytes;
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
	if (group->extent_count < group->extent_capacity)
		return true;
	size_t capacity = group->extent_capacity ? group->extent_capacity * 2 : 8;
	struct log_group_extent *extents = realloc(group->extents, capacity * sizeof *extents);
	if (!extents)
		return false;
	group->extents = extents;
	group->extent_capacity = capacity;
	return true;
}

static pyr_result put_extent(struct log *log, struct log_append *first, struct log_partition *partition,
                             struct group_cursor *cursor)
{
	struct log_group *group = &log->group;
	uint64_t bytes = 0;
	size_t count = 0;
	for (struct base_list *node = &first->state.node; node != &group->appends; node = node->next) {
		struct log_append *append = append_of(node);
		if (append->partition == first->partition && append->state.in_extent) {
			bytes += append->batch.bytes;
			count += 1;
		}
	}
	if (!reserve_extents(group))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	struct log_group_extent *place = &group->extents[group->extent_count];
	PYR_TRY(log_extent_place(log, partition, first->base_offset, bytes, place));
	place->parts = malloc(count * sizeof *place->parts);
	if (!place->parts)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	group->extent_count += 1;
	partition->group_extent = place->extent;
	put_reference(log, place, first, partition, cursor);
	log->since_checkpoint_extent_bytes += bytes;
	log->metrics.extent_bytes += bytes;
	return pyr_ok();
}

static pyr_result put_frames(struct log *log, struct group_cursor *cursor)
{
	struct log_group *group = &log->group;
	for (struct base_list *node = group->appends.next; node != &group->appends; node = node->next) {
		struct log_append *append = append_of(node);
		struct log_partition *partition = log_partition_find(log, append->partition);
		if (!append->state.in_extent)
			put_frame(group, append, partition, cursor);
		else if (!partition->group_extent)
			PYR_TRY(put_extent(log, append, partition, cursor));
	}
	return pyr_ok();
}

/* Makes bytes of the group; the header comes last, because it knows the whole. */
static pyr_result encode_group(struct log *log, const struct group_plan *plan)
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
	pad_to(group, &cursor, LOG_BLOCK_BYTES);
	flush_piece(group, &cursor);
	group->ring_parts = group->part_count;
	group->header.frame_count = (uint32_t)plan->frame_count;
	group->header.directory_count = (uint32_t)group->directory_count;
	group->header.bytes = (uint32_t)cursor.in_group;
	log_group_header_encode(&group->header, group->buffer->data);
	return pyr_ok();
}

static void head_group(struct log *log)
{
	struct log_group *group = &log->group;
	group->header = (struct log_group_header){
		.file_id = log->ring.current->id,
		.incarnation = log->incarnation,
		.number = log->last_group + 1,
		.durable_through = log->durable_through,
		.previous_crc = log->last_group_crc,
	};
}

/* Room for the group, and for the block that would close the file behind it. False: the next file is not ready. */
static bool find_room(struct log *log, uint64_t bytes)
{
	struct log_group *group = &log->group;
	uint64_t needed = log_align(bytes, LOG_BLOCK_BYTES) + LOG_BLOCK_BYTES;
	if (log->ring.position + needed <= log->ring.current->bytes)
		return true;
	if (!log->ring.spare || needed + LOG_RING_HEADER_BYTES > log->ring.spare->bytes)
		return false;
	group->roll = true;
	group->rolled = log->ring.current;
	group->rolled_position = log->ring.position;
	head_group(log);
	group->last = group->header;
	group->last.flags = LOG_GROUP_LAST;
	group->last.bytes = LOG_BLOCK_BYTES;
	memset(group->last_block, 0, LOG_BLOCK_BYTES);
	log_group_header_encode(&group->last, group->last_block);
	log->last_group = group->last.number;
	log->last_group_crc = group->last.crc;
	return log_ring_roll(log);
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

static void reset_group(struct log *log)
{
	struct log_group *group = &log->group;
	clear_marks(log);
	for (size_t i = 0; i < group->extent_count; i++) {
		free(group->extents[i].parts);
		if (group->extents[i].extent->orphan)
			log_extent_free(group->extents[i].extent);
	}
	base_buffer_unref(group->buffer);
	group->buffer = NULL;
	group->part_count = group->extent_count = group->ring_parts = 0;
	group->sync = group->sync_later = group->roll = false;
	group->rolled = NULL;
}

static pyr_result write_group(struct log *log)
{
	struct log_group *group = &log->group;
	for (size_t i = 0; i < group->extent_count; i++)
		PYR_TRY(log_extent_write(log, &group->extents[i]));
	if (group->roll) {
		struct base_bytes last = {group->last_block, LOG_BLOCK_BYTES};
		PYR_TRY(os_file_write(group->rolled->write, group->rolled_position, &last, 1));
		PYR_TRY(os_file_sync(group->rolled->write));
	}
	PYR_TRY(os_file_write(group->file->write, group->position, group->parts, group->ring_parts));
	return group->sync ? os_file_sync(group->file->write) : pyr_ok();
}

static void run_group(struct os_job *job)
{
	struct log *log = BASE_CONTAINER(job, struct log, group.job);
	log->group.result = write_group(log);
}

static void commit_group(struct os_job *job);

static void submit_group(struct log *log)
{
	struct log_group *group = &log->group;
	group->file = log->ring.current;
	group->position = log->ring.position;
	log->ring.position += group->header.bytes;
	log->last_group = group->header.number;
	log->last_group_crc = group->header.crc;
	log->group_busy = true;
	group->job.run = run_group;
	group->job.done = commit_group;
	os_timer_stop(log->loop, &log->idle_timer);
	os_submit(log->commit_thread, &group->job);
}

/* An append that can never be written would block all behind it. */
static void give_back(struct log *log)
{
	base_list_splice(&log->group.appends, &log->queue);
	base_list_splice(&log->queue, &log->group.appends);
	reset_group(log);
}

/* What is left of the current file, if that is worth a group; else half a file, as the next one will hold. */
static uint64_t group_bytes_max(const struct log *log)
{
	uint64_t half = log->options.ring_file_bytes / 2;
	uint64_t most = half < LOG_GROUP_TARGET_BYTES ? half : LOG_GROUP_TARGET_BYTES;
	uint64_t left = log->ring.current->bytes - log->ring.position;
	uint64_t usable = left > 4 * LOG_BLOCK_BYTES ? left - 4 * LOG_BLOCK_BYTES : 0;
	return usable < most && usable >= most / 16 ? usable : most;
}

static void assemble(struct log *log)
{
	struct log_group *group = &log->group;
	if (!take_appends(log, group_bytes_max(log))) {
		log_stop(log);
		return;
	}
	if (base_list_empty(&group->appends)) {
		reset_group(log);
		return;
	}
	struct group_plan plan = plan_group(log);
	if (!find_room(log, plan.ring_bytes)) {
		give_back(log);
		log_ring_prepare(log);
		return;
	}
	head_group(log);
	if (encode_group(log, &plan).code != PYR_OK)
		log_stop(log);
	else
		submit_group(log);
}

void log_commit_kick(struct log *log)
{
	if (!log->group_busy && !log->stopped && !base_list_empty(&log->queue))
		assemble(log);
}

/* ---- the group is on disk ---- */

pyr_result log_record_apply(struct log *log, struct base_bytes record)
{
	struct base_reader reader = base_reader_init(record.data, record.bytes);
	uint8_t kind = base_read_u8(&reader);
	if (kind == LOG_RECORD_OBSERVER)
		return log->observer.apply(log->observer.context,
		                           (struct base_bytes){record.data + 1, record.bytes - 1});
	if (kind == LOG_RECORD_MERGED)
		return log_merge_apply(log, &reader);
	if (kind != LOG_RECORD_LOG_START)
		return pyr_result_of(PYR_UNSUPPORTED_FEATURE);
	struct log_partition *partition = log_partition_find(log, base_read_u32le(&reader));
	int64_t offset = (int64_t)base_read_u64le(&reader);
	if (partition && !reader.failed)
		log_partition_start_at(log, partition, offset);
	return base_reader_check(&reader, PYR_CORRUPT);
}

static struct log_tail_entry entry_of(const struct log_group *group, const struct log_append *append,
                                      struct os_pool_file *file)
{
	return (struct log_tail_entry){
		.base_offset = append->base_offset,
		.last_offset = append->base_offset + append->state.record_count - 1,
		.min_timestamp_ms = append->state.min_timestamp_ms,
		.max_timestamp_ms = append->state.max_timestamp_ms,
		.index = append->state.index,
		.group = group->header.number,
		.file = os_pool_file_ref(file),
		.position = append->state.position + (append->state.in_extent ? 0 : group->position),
		.bytes = (uint32_t)append->batch.bytes,
		.prefix_crc = base_crc32c(0, append->batch.data, LOG_BATCH_PREFIX_BYTES),
		.slice = base_slice_ref(append->batch),
	};
}

static enum pyr_code commit_data(struct log *log, struct log_partition *partition, struct log_append *append)
{
	struct log_group *group = &log->group;
	struct os_pool_file *file =
		append->state.in_extent ? &partition->group_extent->segment->file : &group->file->file;
	struct log_tail_entry entry = entry_of(group, append, file);
	if (log_tail_push(&partition->tail, &entry).code != PYR_OK) {
		os_pool_file_unref(entry.file);
		base_slice_release(&entry.slice);
		log_stop(log);
		return PYR_STOPPED;
	}
	partition->tail_bytes += entry.bytes;
	partition->durable_end = entry.last_offset + 1;
	partition->durable_index = entry.index + 1;
	if (entry.max_timestamp_ms > partition->max_timestamp_ms)
		partition->max_timestamp_ms = entry.max_timestamp_ms;
	if (append->state.producer_id >= 0)
		log_producers_commit(&partition->producers, append->state.producer_id, append);
	log_cache_add(log, partition, &entry);
	log->metrics.batches += 1;
	log->metrics.bytes += entry.bytes;
	return PYR_OK;
}

static enum pyr_code commit_append(struct log *log, struct log_append *append)
{
	struct log_partition *partition = log_partition_find(log, append->partition);
	if (append->state.kind == LOG_FRAME_RECORD) {
		pyr_result applied =
			log_record_apply(log, (struct base_bytes){append->batch.data, append->batch.bytes});
		return applied.code;
	}
	if (append->state.kind == LOG_FRAME_TRUNCATE)
		return PYR_OK;
	enum pyr_code wanted = still_wanted(log, append);
	return wanted == PYR_OK ? commit_data(log, partition, append) : wanted;
}

/* First everything becomes readable, then everybody is told: an answer may look at any partition. */
static void commit_appends(struct log *log)
{
	struct log_group *group = &log->group;
	struct base_list finished;
	base_list_init(&finished);
	for (struct base_list *node; (node = base_list_pop(&group->appends));) {
		struct log_append *append = append_of(node);
		log->queued_bytes -= append->batch.bytes;
		append->result = pyr_result_of(commit_append(log, append));
		base_list_append(&finished, node);
	}
	for (size_t i = 0; i < group->directory_count; i++) {
		struct log_partition *partition = log_partition_find(log, group->directory[i]);
		if (partition && !partition->config.manual_commit)
			log_partition_advance(partition, partition->durable_end);
	}
	log->metrics.pending_bytes = log->queued_bytes;
	reset_group(log);
	for (struct base_list *node; (node = base_list_pop(&finished));) {
		struct log_append *append = append_of(node);
		answer_now(append, append->result.code);
	}
}

/* An empty, synced group: says that the one before it is durable, and makes it so. */
static bool submit_empty(struct log *log)
{
	struct group_plan plan = {.buffer_bytes = LOG_GROUP_HEADER_BYTES + LOG_BLOCK_BYTES, .ring_parts = 2};
	if (!find_room(log, LOG_GROUP_HEADER_BYTES))
		return false;
	head_group(log);
	log->group.sync = true;
	if (encode_group(log, &plan).code != PYR_OK)
		return false;
	submit_group(log);
	return true;
}

static void confirm_last(struct os_timer *timer)
{
	struct log *log = BASE_CONTAINER(timer, struct log, idle_timer);
	if (log->group_busy || log->stopped || !base_list_empty(&log->queue) || log->durable_through < log->last_group)
		return;
	(void)submit_empty(log); /* the next group confirms as well */
}

static void sync_soon(struct log *log);

static void run_interval_sync(struct os_timer *timer)
{
	struct log *log = BASE_CONTAINER(timer, struct log, sync_timer);
	if (log->stopped || log->durable_through >= log->last_group)
		return;
	if (log->group_busy || !submit_empty(log))
		sync_soon(log);
}

static void sync_soon(struct log *log)
{
	log->sync_timer.fire = run_interval_sync;
	if (log->sync_timer.slot == 0)
		os_timer_start(log->loop, &log->sync_timer, (uint64_t)log->options.sync_interval_ms * 1000);
}

static void after_commit(struct log *log, bool had_content)
{
	log_checkpoint_if_due(log);
	log_ring_prepare(log);
	if (!base_list_empty(&log->queue)) {
		log_commit_kick(log);
		return;
	}
	if (!had_content)
		return;
	log->idle_timer.fire = confirm_last;
	os_timer_start(log->loop, &log->idle_timer, IDLE_CONFIRM_US);
}

static void commit_group(struct os_job *job)
{
	struct log *log = BASE_CONTAINER(job, struct log, group.job);
	struct log_group *group = &log->group;
	log->group_busy = false;
	if (group->rolled) {
		os_file_close(group->rolled->write);
		group->rolled->write = NULL;
	}
	if (group->result.code != PYR_OK || log->stopped) {
		log_stop(log);
		return;
	}
	if (group->sync)
		log->durable_through = group->header.number;
	else if (group->sync_later)
		sync_soon(log);
	bool had_content = !base_list_empty(&group->appends);
	log->metrics.groups += 1;
	log->metrics.ring_bytes += group->header.bytes;
	log->since_checkpoint_bytes += group->header.bytes;
	commit_appends(log);
	if (!log->stopped)
		after_commit(log, had_content);
}

void log_stop(struct log *log)
{
	log->stopped = true;
	log->metrics.stopped = true;
	if (log->group_busy)
		return; /* its job still uses the group; commit_group() comes back here */
	struct base_list all;
	base_list_init(&all);
	base_list_splice(&all, &log->group.appends);
	base_list_splice(&all, &log->queue);
	log->queued_bytes = log->metrics.pending_bytes = 0;
	reset_group(log);
	answer_all(&all, PYR_STOPPED);
}
