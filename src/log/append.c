/* Into the queue: what is asked of the log becomes an append with its place, or is refused.
 *
 * Invariants: offsets and raft indexes are given in the order of the calls; a duplicate is never queued; a refusal changes
 * nothing and is told through the loop, never from within the call. Owner: the log's thread.
 */
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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
	os_loop_defer(log->loop, &log->kick_task);
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
		base_slice_release(&append->batch); /* nobody needs it twice */
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

/* What a group of this one record takes of a file, its closing block included. */
static uint64_t record_room(size_t bytes)
{
	uint64_t group = LOG_GROUP_HEADER_BYTES + LOG_DIRECTORY_ENTRY_BYTES + LOG_FRAME_HEADER_BYTES + bytes + 8;
	return log_align(group, LOG_BLOCK_BYTES) + LOG_BLOCK_BYTES;
}

static enum pyr_code record_refusal(const struct log *log, size_t bytes)
{
	if (record_room(bytes) + LOG_RING_HEADER_BYTES > log->options.ring_file_bytes)
		return PYR_TOO_LARGE;
	/* On a full disk records may use what is left of the file, because deleting is one of them. */
	bool fits = base_list_empty(&log->queue) && log->ring.position + record_room(bytes) <= log->ring.current->bytes;
	enum pyr_code code = refusal(log, bytes);
	return code == PYR_DISK_FULL && fits ? PYR_OK : code;
}

static void append_record(struct log *log, struct log_append *append)
{
	enum pyr_code code = record_refusal(log, append->batch.bytes);
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
		struct log_append *append = log_append_of(node);
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
