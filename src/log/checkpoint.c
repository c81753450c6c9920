/* The checkpoint: what is only on the ring goes into segments, then a manifest makes that count, then the ring is free.
 *
 *   start (between two groups): capture state, and how far each tail goes  --steps-->  segment files
 *   --last step-->  manifest  --log's thread-->  parts replace tail entries, ring files are released
 *
 * A step: the log's thread hands out the next PORTION entries of the tails, the background writes them. So nothing that the
 * log's thread does takes longer with more entries, but for moving those that came meanwhile.
 *
 * All partitions' small runs share one segment file; a partition that filled extents gets them completed, with its small
 * runs copied behind. A crash anywhere leaves the manifest before, whose ring is still there. A failure (a full disk)
 * throws the work away and tries again later. Each step handles STEP_BYTES and then rests: twice as fast as the ring
 * fills is fast enough, and whoever waits for a sync is hardly ever behind more than one step.
 */
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	PORTION = 2048,
	MANIFEST_BYTES_MAX = 1 << 30,
	RETRY_US = 1000000,
};

/* What one partition gives to one segment file. */
struct sealed_run {
	uint32_t partition;
	int64_t next_offset; /* handed out below */
	int64_t end_offset;
	size_t sealed; /* batches that could be read */
	bool handed_out; /* all of it */
	struct log_segment *segment; /* held */
	bool extent;
	uint64_t extent_filled;
	struct base_slice producers;
	struct log_part part; /* the outcome; no blocks: nothing of the run could be read */
	struct log_damage *damages; /* what could not */
	size_t damage_count;
};

/* An entry with references of its own, and whose it is. */
struct handed {
	struct log_tail_entry entry;
	size_t run;
};

struct log_checkpoint {
	struct os_job job;
	struct os_timer timer;
	struct log *log;
	struct log_manifest_head head;
	struct base_writer body;
	struct log_segment *shared; /* held; NULL: not needed */
	struct sealed_run *runs; /* those of the shared segment first */
	size_t run_count, run_capacity;
	size_t shared_count;
	size_t hand_run; /* the next to hand out entries of */
	size_t next_run; /* the next to write */
	struct handed portion[PORTION];
	size_t portion_count, portion_done;
	uint64_t portion_bytes;
	uint64_t step_bytes;
	struct log_tail *released; /* what the segments replaced: given back in the background */
	size_t released_count;
	uint64_t cached_end; /* what came to the tail cache before is among it */
	uint64_t batches; /* of metrics.batches, that are sealed when this is over */
	struct log_segment_writer writer;
	struct log_pacer pacer;
	struct log_ring_file *unsynced; /* the file to sync first */
	struct log_cold_ring cold;
	bool writer_open;
	bool part_open;
	bool finished;
	pyr_result result;
};

static struct log_checkpoint *checkpoint_of(struct os_job *job)
{
	return BASE_CONTAINER(job, struct log_checkpoint, job);
}

static void release_run(struct sealed_run *run)
{
	free(run->damages);
	base_slice_release(&run->producers);
	log_segment_drop(run->segment);
}

void log_checkpoint_free(struct log_checkpoint *checkpoint)
{
	if (!checkpoint)
		return;
	for (size_t i = 0; i < checkpoint->portion_count; i++)
		log_tail_entry_release(&checkpoint->portion[i].entry);
	for (size_t i = 0; i < checkpoint->released_count; i++)
		log_tail_release(&checkpoint->released[i]);
	free(checkpoint->released);
	log_cold_ring_release(&checkpoint->cold);
	for (size_t i = 0; i < checkpoint->run_count; i++)
		release_run(&checkpoint->runs[i]);
	if (checkpoint->shared)
		log_segment_drop(checkpoint->shared);
	if (checkpoint->writer_open)
		log_segment_writer_abort(&checkpoint->writer);
	base_writer_deinit(&checkpoint->body);
	free(checkpoint->runs);
	free(checkpoint);
}

/* ---- capturing ---- */

static struct sealed_run *add_run(struct log_checkpoint *checkpoint, const struct log_partition *partition,
                                  struct log_segment *segment)
{
	if (!base_array_reserve(&checkpoint->runs, &checkpoint->run_capacity, checkpoint->run_count + 1,
	                        sizeof *checkpoint->runs))
		return NULL;
	struct sealed_run *run = &checkpoint->runs[checkpoint->run_count++];
	*run = (struct sealed_run){.partition = partition->id, .segment = segment};
	log_segment_hold(segment);
	return run;
}

/* The tail's entries [from, to): where they begin and end. */
static pyr_result capture_entries(struct sealed_run *run, const struct log_partition *partition, size_t from, size_t to)
{
	struct base_writer writer;
	run->next_offset = log_tail_at(&partition->tail, from)->base_offset;
	run->end_offset = log_tail_at(&partition->tail, to - 1)->last_offset + 1;
	base_writer_init(&writer, MANIFEST_BYTES_MAX);
	log_producers_encode(&partition->producers, &writer);
	pyr_result taken = base_writer_take(&writer, &run->producers);
	base_writer_deinit(&writer);
	return taken;
}

static pyr_result capture_extents(struct log_checkpoint *checkpoint, struct log_partition *partition, size_t sealed)
{
	size_t from = 0;
	for (struct base_list *node = partition->extents.next; node != &partition->extents; node = node->next) {
		struct log_extent *extent = BASE_CONTAINER(node, struct log_extent, node);
		size_t to = sealed;
		/* Each file takes all runs up to the first of the next file, so that parts never interleave. */
		if (node->next != &partition->extents) {
			struct log_extent *next = BASE_CONTAINER(node->next, struct log_extent, node);
			size_t before = log_tail_search(&partition->tail, next->base_offset);
			to = before < sealed ? before : sealed;
		}
		if (to <= from)
			continue;
		struct sealed_run *run = add_run(checkpoint, partition, extent->segment);
		if (!run)
			return pyr_result_of(PYR_OUT_OF_MEMORY);
		run->extent = true;
		run->extent_filled = extent->filled;
		extent->closed = true;
		PYR_TRY(capture_entries(run, partition, from, to));
		from = to;
	}
	return pyr_ok();
}

static pyr_result capture_small(struct log_checkpoint *checkpoint, struct log_partition *partition, size_t sealed)
{
	struct log *log = checkpoint->log;
	if (!checkpoint->shared) {
		checkpoint->shared = log_segment_new(log, log->next_segment_id);
		if (!checkpoint->shared)
			return pyr_result_of(PYR_OUT_OF_MEMORY);
		log->next_segment_id += 1;
		log_segment_hold(checkpoint->shared);
	}
	struct sealed_run *run = add_run(checkpoint, partition, checkpoint->shared);
	return run ? capture_entries(run, partition, 0, sealed) : pyr_result_of(PYR_OUT_OF_MEMORY);
}

/* Shared runs first, then those with extents. */
static pyr_result capture_partitions(struct log_checkpoint *checkpoint, bool extents)
{
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&checkpoint->log->partitions, node))) {
		struct log_partition *partition = BASE_CONTAINER(node, struct log_partition, node);
		size_t sealed = log_tail_search(&partition->tail, partition->high_watermark);
		if (sealed == 0 || base_list_empty(&partition->extents) == extents)
			continue;
		PYR_TRY(extents ? capture_extents(checkpoint, partition, sealed)
		                : capture_small(checkpoint, partition, sealed));
	}
	return pyr_ok();
}

/* Durable but uncommitted entries stay on the ring: replay can't begin later than before. */
static bool all_committed(const struct log *log)
{
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&log->partitions, node)))
		if (BASE_CONTAINER(node, struct log_partition, node)->high_watermark <
		    BASE_CONTAINER(node, struct log_partition, node)->durable_end)
			return false;
	return true;
}

static pyr_result capture(struct log_checkpoint *checkpoint)
{
	struct log *log = checkpoint->log;
	PYR_TRY(capture_partitions(checkpoint, false));
	checkpoint->shared_count = checkpoint->run_count;
	PYR_TRY(capture_partitions(checkpoint, true));
	bool advance = all_committed(log);
	checkpoint->cached_end = advance ? log_cache_end(log) : 0;
	checkpoint->batches = advance ? log->metrics.batches : log->sealed_batches;
	log_cold_ring_find(log, &checkpoint->cold);
	checkpoint->head = (struct log_manifest_head){
		.number = log->manifest_number + 1,
		.group = advance ? log->last_group : log->replay_group,
		.state_group = log->last_group,
		.ring_file_id = advance ? log->ring.current->id : log->replay_file_id,
		.next_segment_id = log->next_segment_id,
		.last_hlc = log->last_hlc,
	};
	checkpoint->released = calloc(checkpoint->run_count + 1, sizeof *checkpoint->released);
	if (!checkpoint->released)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	base_writer_init(&checkpoint->body, MANIFEST_BYTES_MAX);
	return log_manifest_encode(log, &checkpoint->body);
}

/* ---- steps, in the background ---- */

/* A batch that fails its checksum must not keep all others on the ring: its place is told damaged, for good. */
static pyr_result note_damage(struct sealed_run *run, const struct log_tail_entry *entry)
{
	struct log_damage *damages = realloc(run->damages, (run->damage_count + 1) * sizeof *damages);
	if (!damages)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	run->damages = damages;
	damages[run->damage_count++] = (struct log_damage){entry->base_offset, entry->last_offset + 1};
	return pyr_ok();
}

static pyr_result seal_entry(struct log_checkpoint *checkpoint, struct sealed_run *run, struct log_tail_entry *entry)
{
	struct base_slice batch;
	bool in_place = run->extent && entry->file == &run->segment->file;
	const struct log_digest *digest = in_place ? log_digest_get(entry->digest) : NULL;
	if (digest) {
		run->sealed += 1;
		return log_segment_writer_digest(&checkpoint->writer, digest, entry);
	}
	pyr_result read = log_tail_entry_read(entry, &batch);
	if (read.code == PYR_CORRUPT)
		return note_damage(run, entry);
	PYR_TRY(read);
	run->sealed += 1;
	pyr_result result =
		log_segment_writer_batch(&checkpoint->writer, (struct base_bytes){batch.data, batch.bytes},
	                                 entry->index, in_place ? entry->position : 0, entry->min_timestamp_ms);
	base_slice_release(&batch);
	return result;
}

static pyr_result end_run(struct log_checkpoint *checkpoint, struct sealed_run *run)
{
	struct base_bytes producers = {run->producers.data, run->producers.bytes};
	checkpoint->part_open = false;
	if (run->sealed > 0)
		PYR_TRY(log_segment_writer_part_end(&checkpoint->writer, producers, &run->part));
	bool last_of_file = run->extent || (size_t)(run - checkpoint->runs) + 1 == checkpoint->shared_count;
	if (last_of_file) {
		PYR_TRY(log_segment_writer_end(&checkpoint->writer));
		checkpoint->writer_open = false;
	}
	return pyr_ok();
}

static pyr_result begin_run(struct log_checkpoint *checkpoint, struct sealed_run *run)
{
	if (checkpoint->part_open)
		return pyr_ok();
	if (!checkpoint->writer_open) {
		checkpoint->writer_open = true;
		PYR_TRY(log_segment_writer_begin(&checkpoint->writer, checkpoint->log->disk, run->segment->id,
		                                 run->extent, run->extent_filled));
		checkpoint->writer.indexes = checkpoint->log->indexes;
	}
	log_segment_writer_part(&checkpoint->writer, run->partition);
	checkpoint->part_open = true;
	return pyr_ok();
}

static struct handed *next_handed(struct log_checkpoint *checkpoint)
{
	struct handed *next = &checkpoint->portion[checkpoint->portion_done];
	bool any = checkpoint->portion_done < checkpoint->portion_count && next->run == checkpoint->next_run;
	return any ? next : NULL;
}

/* As many entries of the next run as a step allows; true in *ret_done: the run is complete. */
static pyr_result seal_run(struct log_checkpoint *checkpoint, bool *ret_done)
{
	struct sealed_run *run = &checkpoint->runs[checkpoint->next_run];
	struct handed *handed;
	PYR_TRY(begin_run(checkpoint, run));
	while ((handed = next_handed(checkpoint)) && checkpoint->writer.written_bytes < checkpoint->step_bytes) {
		checkpoint->portion_done += 1;
		PYR_TRY(seal_entry(checkpoint, run, &handed->entry));
	}
	*ret_done = !handed && run->handed_out;
	return *ret_done ? end_run(checkpoint, run) : pyr_ok();
}

static void encode_damages(const struct sealed_run *run, struct base_writer *body)
{
	for (size_t i = 0; i < run->damage_count; i++) {
		base_write_u32le(body, run->partition);
		base_write_u64le(body, (uint64_t)run->damages[i].base_offset);
		base_write_u64le(body, (uint64_t)run->damages[i].end_offset);
	}
}

static pyr_result write_manifest(struct log_checkpoint *checkpoint)
{
	struct base_writer *body = &checkpoint->body;
	size_t parts = 0, damages = 0;
	for (size_t i = 0; i < checkpoint->run_count; i++) {
		parts += checkpoint->runs[i].part.block_count > 0;
		damages += checkpoint->runs[i].damage_count;
	}
	base_write_u32le(body, (uint32_t)parts);
	for (size_t i = 0; i < checkpoint->run_count; i++)
		if (checkpoint->runs[i].part.block_count > 0)
			log_part_encode(&checkpoint->runs[i].part, body);
	base_write_u32le(body, (uint32_t)damages);
	for (size_t i = 0; i < checkpoint->run_count; i++)
		encode_damages(&checkpoint->runs[i], body);
	if (body->failed)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	struct base_bytes bytes = {body->buffer->data, body->bytes};
	return log_manifest_write(checkpoint->log->disk, &checkpoint->head, bytes);
}

static pyr_result step(struct log_checkpoint *checkpoint)
{
	checkpoint->writer.written_bytes = 0;
	log_cold_ring_read(&checkpoint->cold);
	while (checkpoint->next_run < checkpoint->run_count) {
		bool done = false;
		PYR_TRY(seal_run(checkpoint, &done));
		if (!done)
			return pyr_ok();
		checkpoint->next_run += 1;
	}
	checkpoint->finished = true;
	return write_manifest(checkpoint);
}

static void run_step(struct os_job *job)
{
	struct log_checkpoint *checkpoint = checkpoint_of(job);
	checkpoint->result = step(checkpoint);
	if (checkpoint->portion_done < checkpoint->portion_count)
		return;
	for (size_t i = 0; i < checkpoint->portion_count; i++)
		log_tail_entry_release(&checkpoint->portion[i].entry);
	checkpoint->portion_count = checkpoint->portion_done = 0;
}

static bool has_room(const struct log_checkpoint *checkpoint)
{
	return checkpoint->portion_count < PORTION && checkpoint->portion_bytes < checkpoint->step_bytes;
}

/* The next entries of a run, on the log's thread. Those that were deleted meanwhile are passed over. */
static void hand_out_run(struct log_checkpoint *checkpoint, struct sealed_run *run)
{
	const struct log_partition *partition = log_partition_find(checkpoint->log, run->partition);
	size_t count = partition ? partition->tail.count : 0;
	size_t i = partition ? log_tail_search(&partition->tail, run->next_offset) : 0;
	for (; i < count && has_room(checkpoint); i++) {
		const struct log_tail_entry *entry = log_tail_at(&partition->tail, i);
		if (entry->base_offset >= run->end_offset)
			break;
		checkpoint->portion[checkpoint->portion_count++] =
			(struct handed){log_tail_entry_ref(entry), checkpoint->hand_run};
		checkpoint->portion_bytes += entry->bytes;
		run->next_offset = entry->last_offset + 1;
	}
	run->handed_out = i == count || log_tail_at(&partition->tail, i)->base_offset >= run->end_offset;
}

static void hand_out(struct log_checkpoint *checkpoint)
{
	if (checkpoint->portion_count > 0)
		return;
	checkpoint->portion_bytes = 0;
	checkpoint->step_bytes = log_pacer_step_bytes(checkpoint->log);
	log_cold_ring_extend(checkpoint->log, &checkpoint->cold);
	for (size_t looked = 0; looked < PORTION && checkpoint->hand_run < checkpoint->run_count; looked++) {
		struct sealed_run *run = &checkpoint->runs[checkpoint->hand_run];
		hand_out_run(checkpoint, run);
		if (!run->handed_out)
			break;
		checkpoint->hand_run += 1;
	}
}

static void step_done(struct os_job *job);

static void submit_step(struct os_timer *timer)
{
	struct log_checkpoint *checkpoint = BASE_CONTAINER(timer, struct log_checkpoint, timer);
	hand_out(checkpoint);
	checkpoint->job.run = run_step;
	checkpoint->job.done = step_done;
	log_job_begin(checkpoint->log);
	os_submit(checkpoint->log->background_thread, &checkpoint->job);
}

/* ---- the outcome, on the log's thread ---- */

static void free_sealed_extent(struct log_partition *partition, const struct sealed_run *run)
{
	for (struct base_list *node = partition->extents.next; node != &partition->extents; node = node->next) {
		struct log_extent *extent = BASE_CONTAINER(node, struct log_extent, node);
		if (extent->segment != run->segment)
			continue;
		base_list_remove(node);
		log_extent_free(extent);
		return;
	}
}

/* The tail's entries that the segment holds now; they are released later. */
static void take_sealed(struct log_checkpoint *checkpoint, struct log_partition *partition,
                        const struct sealed_run *run)
{
	size_t sealed = log_tail_search(&partition->tail, run->end_offset);
	for (size_t i = 0; i < sealed; i++)
		partition->tail_bytes -= log_tail_at(&partition->tail, i)->bytes;
	log_tail_take_front(&partition->tail, sealed, &checkpoint->released[checkpoint->released_count]);
	checkpoint->released_count += 1;
}

static void adopt_run(struct log_checkpoint *checkpoint, struct sealed_run *run)
{
	struct log *log = checkpoint->log;
	struct log_partition *partition = log_partition_find(log, run->partition);
	run->segment->sealed = true;
	if (!partition)
		return;
	pyr_result adopted = run->part.block_count > 0 ? log_parts_push(log, partition, &run->part) : pyr_ok();
	for (size_t i = 0; i < run->damage_count && adopted.code == PYR_OK; i++)
		adopted = log_partition_damage(partition, run->damages[i].base_offset, run->damages[i].end_offset);
	if (adopted.code != PYR_OK) {
		log_stop(log); /* the manifest knows more than memory does */
		return;
	}
	take_sealed(checkpoint, partition, run);
	log->metrics.corrupt_reads += run->damage_count;
	log_parts_trim(log, partition);
	free_sealed_extent(partition, run);
}

static void adopt(struct log_checkpoint *checkpoint)
{
	struct log *log = checkpoint->log;
	for (size_t i = 0; i < checkpoint->run_count; i++) {
		adopt_run(checkpoint, &checkpoint->runs[i]);
		log->metrics.sealed_bytes += checkpoint->runs[i].part.bytes;
	}
	if (checkpoint->cached_end > log->cached_passed)
		log_cache_pass(log, checkpoint->cached_end);
	log->sealed_batches = checkpoint->batches;
	log->manifest_number = checkpoint->head.number;
	log->replay_group = checkpoint->head.group;
	log->replay_file_id = checkpoint->head.ring_file_id;
	log->metrics.checkpoints += 1;
	log_ring_release_before(log, checkpoint->head.ring_file_id);
	log_ring_prepare(log);
	log_merge_if_due(log);
	log_compaction_if_due(log);
}

static void run_release(struct os_job *job)
{
	struct log_checkpoint *checkpoint = checkpoint_of(job);
	for (size_t i = 0; i < checkpoint->released_count; i++)
		log_tail_release(&checkpoint->released[i]);
	checkpoint->released_count = 0;
}

static void release_done(struct os_job *job)
{
	struct log_checkpoint *checkpoint = checkpoint_of(job);
	struct log *log = checkpoint->log;
	log->checkpoint_released = NULL;
	log_checkpoint_free(checkpoint);
	log_job_end(log);
}

/* The background thread keeps its order: what the checkpoint before released is gone when this one's steps run. */
static void submit_release(struct log_checkpoint *checkpoint)
{
	struct log *log = checkpoint->log;
	assert(!log->checkpoint_released);
	log->checkpoint_released = checkpoint;
	checkpoint->job.run = run_release;
	checkpoint->job.done = release_done;
	log_job_begin(log);
	os_submit(log->background_thread, &checkpoint->job);
}

/* A failure is tried again, but not at once: a full disk would be asked at every group. */
static void finish(struct log_checkpoint *checkpoint)
{
	struct log *log = checkpoint->log;
	log->checkpoint = NULL;
	if (checkpoint->result.code == PYR_STOPPED)
		log_stop(log);
	if (checkpoint->result.code == PYR_OK && checkpoint->finished) {
		adopt(checkpoint);
		submit_release(checkpoint);
		return;
	}
	log->since_checkpoint_bytes += log->options.checkpoint_bytes;
	log->checkpoint_retry_us = os_now_us(log->loop) + RETRY_US;
	log_checkpoint_free(checkpoint);
}

static void step_done(struct os_job *job)
{
	struct log_checkpoint *checkpoint = checkpoint_of(job);
	struct log *log = checkpoint->log;
	if (checkpoint->result.code != PYR_OK || checkpoint->finished || log->closing) {
		finish(checkpoint);
	} else {
		uint64_t pause_us = log_pacer_pause(&checkpoint->pacer, log, checkpoint->writer.written_bytes);
		if (pause_us > 0)
			os_timer_start(log->loop, &checkpoint->timer, pause_us);
		else
			submit_step(&checkpoint->timer); /* a timer would rest for a tick all the same */
	}
	log_job_end(log);
}

/* ---- the ring before the manifest ---- */

static void run_sync(struct os_job *job)
{
	struct log_checkpoint *checkpoint = checkpoint_of(job);
	pyr_result synced = os_file_sync(checkpoint->unsynced->write);
	checkpoint->log->sync_failed |= synced.code != PYR_OK;
	checkpoint->result = synced.code == PYR_OK ? synced : pyr_result_of(PYR_STOPPED);
}

static void sync_done(struct os_job *job)
{
	struct log_checkpoint *checkpoint = checkpoint_of(job);
	struct log *log = checkpoint->log;
	if (checkpoint->result.code != PYR_OK || log->stopped || log->closing) {
		finish(checkpoint);
	} else {
		if (log->durable_through < checkpoint->head.state_group)
			log->durable_through = checkpoint->head.state_group;
		submit_step(&checkpoint->timer);
	}
	log_job_end(log);
}

/* Groups that nobody waited for may not be durable. The manifest says that they are, and replay finds its way through
 * them: they are synced first, by the thread that writes them, so that the error of another sync is not missed. */
static void submit_sync(struct log_checkpoint *checkpoint)
{
	struct log *log = checkpoint->log;
	checkpoint->unsynced = log->ring.current;
	checkpoint->job.run = run_sync;
	checkpoint->job.done = sync_done;
	log_job_begin(log);
	os_submit(log->commit_thread, &checkpoint->job);
}

void log_checkpoint_cancel(struct log *log)
{
	struct log_checkpoint *checkpoint = log->checkpoint;
	if (!checkpoint || checkpoint->timer.slot == 0)
		return;
	os_timer_stop(log->loop, &checkpoint->timer);
	log->checkpoint = NULL;
	log_checkpoint_free(checkpoint);
}

void log_checkpoint_start(struct log *log)
{
	assert(!log->group_busy);
	if (log->checkpoint || log->stopped || log->closing)
		return;
	struct log_checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
	if (!checkpoint)
		return;
	checkpoint->log = log;
	checkpoint->timer.fire = submit_step;
	if (capture(checkpoint).code != PYR_OK) {
		log_checkpoint_free(checkpoint);
		return;
	}
	uint64_t now_us = os_now_us(log->loop);
	log->filled_per_s = log->since_checkpoint_bytes * 1000000 / (now_us - log->checkpoint_begun_us + 1);
	log->checkpoint_begun_us = now_us;
	log->since_checkpoint_bytes = log->since_checkpoint_extent_bytes = 0;
	log->checkpoint = checkpoint;
	if (log->durable_through < checkpoint->head.state_group)
		submit_sync(checkpoint);
	else
		submit_step(&checkpoint->timer);
}

void log_checkpoint_if_due(struct log *log)
{
	bool due = log->since_checkpoint_bytes >= log->options.checkpoint_bytes ||
	           log->since_checkpoint_extent_bytes >= 8 * log->options.checkpoint_bytes;
	if (due && os_now_us(log->loop) >= log->checkpoint_retry_us)
		log_checkpoint_start(log);
}
