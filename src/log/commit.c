/* From the queue to the disk to the answers.
 *
 *   log_append  --queue-->  assemble a group  --commit thread: extents, ring, sync-->  commit  -->  answers
 *
 * One group is on its way at a time; what arrives meanwhile makes the next, so a lone append goes out at once and groups
 * grow with the load. Invariants: offsets are given in the order of appending; answers are given in that order; nothing is
 * answered PYR_OK before its group, and every group before it, is durable (or written, for weaker durabilities).
 * Failure: any error of the commit thread stops the log for good; everything waiting is answered PYR_STOPPED. But a full
 * disk stops nothing: the ring is written ahead, and a group whose extents find no room is taken back as if it never was.
 */
#include "base/crc32c.h"
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_CONFIRM_US = 50000, HOLD_US_MAX = 50000 };

/* ---- answers ---- */

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
		struct log_append *duplicate = log_append_of(node);
		duplicate->base_offset = base_offset;
		duplicate->result = pyr_result_of(code);
		base_slice_release(&duplicate->batch);
		duplicate->done(duplicate);
	}
}

static void answer_all(struct base_list *appends, enum pyr_code code)
{
	for (struct base_list *node; (node = base_list_pop(appends));)
		answer_now(log_append_of(node), code);
}

/* ---- which appends go next ---- */

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
	uint64_t bytes = group->taken_bytes = 0;
	while (!base_list_empty(&log->queue)) {
		struct log_append *append = log_append_of(log->queue.next);
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
		if (!log_group_note(group, partition))
			return false;
		bytes += stride;
		group->taken_bytes += append->batch.bytes;
		partition->group_bytes += append->batch.bytes;
		if (append->batch.bytes > partition->group_largest)
			partition->group_largest = append->batch.bytes;
		group->sync |= append->state.synced;
		group->sync_later |= append->state.sync_later;
		base_list_remove(&append->state.node);
		base_list_append(&group->appends, &append->state.node);
		if (append->state.kind == LOG_FRAME_TRUNCATE)
			break; /* it voids frames before it: none may come behind it in a group, where extents reorder */
	}
	return true;
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
	memset(group->last_header, 0, sizeof group->last_header);
	log_group_header_encode(&group->last, group->last_header);
	log->last_group = group->last.number;
	log->last_group_crc = group->last.crc;
	return log_ring_roll(log);
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
	log->group_submitted_us = os_now_us(log->loop);
	os_timer_stop(log->loop, &log->idle_timer);
	log_group_write(log, commit_group);
}

static void give_back(struct log *log)
{
	base_list_splice(&log->group.appends, &log->queue);
	base_list_splice(&log->queue, &log->group.appends);
	log_group_reset(log);
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
		log_group_reset(log);
		return;
	}
	group->sync |= log->sync_next;
	struct log_group_plan plan = log_group_plan(log);
	if (!find_room(log, plan.bytes)) {
		give_back(log);
		log_ring_prepare(log);
		return;
	}
	head_group(log);
	if (log_group_encode(log, &plan).code != PYR_OK)
		log_stop(log);
	else
		submit_group(log);
}

/* ---- holding back ---- */

static uint64_t backlog_bytes(const struct log *log)
{
	return (log->ring.current->id - log->replay_file_id) * log->options.ring_file_bytes;
}

static uint64_t hold_us(uint64_t backlog, uint64_t limit)
{
	uint64_t over = backlog > limit ? backlog - limit : 0;
	return over < limit ? over * HOLD_US_MAX / limit : HOLD_US_MAX;
}

/* The farther sealing lags behind, the longer the next group waits, and gathers: memory and disk for what is not sealed stay
 * bounded, and clients feel it as latency. */
static void hold_back(struct log *log)
{
	uint64_t for_bytes_us = hold_us(backlog_bytes(log), log->options.backlog_bytes);
	uint64_t for_batches_us = hold_us(log->metrics.batches - log->sealed_batches, log->options.backlog_batches);
	uint64_t longer_us = for_bytes_us > for_batches_us ? for_bytes_us : for_batches_us;
	log->hold_until_us = longer_us > 0 ? os_now_us(log->loop) + longer_us : 0;
	log->metrics.held_groups += longer_us > 0;
}

static void on_hold_over(struct os_timer *timer)
{
	log_commit_kick(BASE_CONTAINER(timer, struct log, hold_timer));
}

static bool is_held(struct log *log)
{
	uint64_t now_us = log->hold_until_us > 0 ? os_now_us(log->loop) : 0;
	if (now_us >= log->hold_until_us)
		return false;
	log->hold_timer.fire = on_hold_over;
	if (log->hold_timer.slot == 0)
		os_timer_start(log->loop, &log->hold_timer, log->hold_until_us - now_us);
	return true;
}

void log_commit_kick(struct log *log)
{
	if (!log->group_busy && !log->stopped && !base_list_empty(&log->queue) && !is_held(log))
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
	if (append->state.in_place)
		entry.digest = log_digest_begin(log, append->batch);
	if (log_tail_push(&partition->tail, &entry).code != PYR_OK) {
		os_pool_file_unref(entry.file);
		base_slice_release(&entry.slice);
		base_buffer_unref(entry.digest);
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
		struct log_append *append = log_append_of(node);
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
	log_group_reset(log);
	for (struct base_list *node; (node = base_list_pop(&finished));) {
		struct log_append *append = log_append_of(node);
		answer_now(append, append->result.code);
	}
}

/* An empty, synced group: says that the one before it is durable, and makes it so. */
static bool submit_empty(struct log *log)
{
	struct log_group_plan plan = {.bytes = LOG_GROUP_HEADER_BYTES};
	if (!find_room(log, LOG_GROUP_HEADER_BYTES))
		return false;
	head_group(log);
	log->group.sync = true;
	if (log_group_encode(log, &plan).code != PYR_OK) {
		log_stop(log); /* the file before may have to be closed, and no group will */
		return false;
	}
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
	log->sync_next = log->group_busy; /* under load there is always one */
	if (!log->group_busy)
		(void)submit_empty(log);
	if (!log->stopped)
		sync_soon(log); /* looks whether that was enough */
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

/* Offsets, indexes and sequences of an append that will not be written are given again. */
static void roll_back(struct log *log, const struct log_append *append)
{
	struct log_partition *partition = log_partition_find(log, append->partition);
	bool counts = partition && append->state.kind == LOG_FRAME_DATA && !append->state.truncated;
	if (!counts || append->base_offset >= partition->next_offset)
		return;
	partition->next_offset = append->base_offset;
	partition->next_index = append->state.index;
	log_producers_rollback(&partition->producers, append->base_offset);
}

void log_refuse_waiting(struct log *log, enum pyr_code code)
{
	struct base_list waiting, refused;
	assert(!log->group_busy);
	base_list_init(&waiting);
	base_list_init(&refused);
	base_list_splice(&waiting, &log->group.appends);
	base_list_splice(&waiting, &log->queue);
	for (struct base_list *node; (node = base_list_pop(&waiting));) {
		struct log_append *append = log_append_of(node);
		bool stays = append->state.kind == LOG_FRAME_TRUNCATE; /* it has happened in memory */
		base_list_append(stays ? &log->queue : &refused, node);
		if (stays)
			continue;
		roll_back(log, append);
		log->queued_bytes -= append->batch.bytes;
	}
	log->metrics.pending_bytes = log->queued_bytes;
	log_group_reset(log);
	answer_all(&refused, code);
}

/* No room for the group's extents: it was not written, and what it took is given back. */
static void take_back_group(struct log *log)
{
	struct log_group *group = &log->group;
	log->ring.position = group->position;
	log->last_group = group->header.number - 1;
	log->last_group_crc = group->header.previous_crc;
	for (size_t i = 0; i < group->extent_count; i++) {
		struct log_extent *extent = group->extents[i].extent;
		extent->closed = true;
		if (!group->extents[i].create)
			continue;
		extent->filled = 0; /* perhaps there is no file */
		base_list_remove(&extent->node);
		extent->orphan = true; /* goes with the group */
	}
	log_ring_disk_full(log);
	log_refuse_waiting(log, PYR_DISK_FULL);
	if (!log->stopped)
		after_commit(log, true);
}

static void commit_group(struct os_job *job)
{
	struct log *log = BASE_CONTAINER(job, struct log, group.job);
	struct log_group *group = &log->group;
	log->group_busy = false;
	if (group->rolled) {
		log_ring_file_close(group->rolled);
	}
	if (group->no_room && !log->stopped) {
		take_back_group(log);
		return;
	}
	if (group->result.code != PYR_OK || log->stopped) {
		log_stop(log);
		return;
	}
	if (group->sync) {
		log->durable_through = group->header.number;
		log->sync_next = false;
	} else if (group->sync_later) {
		sync_soon(log);
	}
	bool had_content = !base_list_empty(&group->appends);
	log->metrics.groups += 1;
	log->metrics.ring_bytes += group->header.bytes;
	log->since_checkpoint_bytes += group->header.bytes;
	commit_appends(log);
	hold_back(log);
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
	log_group_reset(log);
	answer_all(&all, PYR_STOPPED);
}
