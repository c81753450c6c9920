/* Merging: many small parts of many partitions become few.
 *
 * Each checkpoint makes one segment that all partitions share. Ten thousand slow partitions would so get ten thousand new
 * parts with every checkpoint; so MERGE_FAN neighbours of about one size become one, again and again, until a partition's
 * part is worth a file's while. Each byte is rewritten once per tier: log(size) times, not once per checkpoint.
 *
 *   choose --steps in the background: read, verify, write--> a new segment --a record of the log--> parts are replaced
 *
 * The record makes it count, in recovery too; a crash before it leaves a file that recovery sweeps. Damaged sources are
 * left alone. Owner: the log's thread; a step touches only the merge.
 */
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	MERGE_FAN = LOG_MERGE_FAN,
	STEP_BYTES = 512 << 10,
	LARGE_PART_BYTES = 16 << 20,
	RECORD_BYTES_MAX = 32 << 20,
	PART_BYTES = 100
};

/* Consecutive parts of one partition, which become one. */
struct merge_run {
	uint32_t partition;
	struct log_part sources[MERGE_FAN];
	size_t source_count;
	struct log_part part;
};

struct log_merge {
	struct os_job job;
	struct os_timer timer;
	struct log *log;
	struct log_append append;
	struct log_segment *sources[MERGE_FAN]; /* files referenced, so that they stay readable */
	size_t segment_count;
	struct log_thinner *thinner; /* of a compaction, or NULL: batches stay as they are */
	void (*over)(void *context, bool merged);
	void *over_context;
	uint64_t step_bytes; /* read in this step */
	struct log_pacer pacer;
	struct log_segment *target; /* held */
	struct merge_run *runs;
	size_t run_count, run_capacity;
	/* Where the work stands. */
	size_t run;
	size_t source;
	struct log_walk walk; /* of the source being read */
	struct log_segment_writer writer;
	bool writer_open;
	bool part_open;
	bool finished;
	pyr_result result;
};

static struct log_merge *merge_of(struct os_job *job)
{
	return BASE_CONTAINER(job, struct log_merge, job);
}

static void merge_free(struct log_merge *merge)
{
	for (size_t i = 0; i < merge->segment_count; i++)
		os_pool_file_unref(&merge->sources[i]->file);
	if (merge->writer_open)
		log_segment_writer_abort(&merge->writer);
	if (merge->target)
		log_segment_drop(merge->target);
	log_walk_end(&merge->walk);
	free(merge->runs);
	free(merge);
}

static void end(struct log_merge *merge, bool merged)
{
	void (*over)(void *, bool) = merge->over;
	void *context = merge->over_context;
	merge->log->merge = NULL;
	merge_free(merge);
	if (over)
		over(context, merged);
}

void log_merge_cancel(struct log *log)
{
	struct log_merge *merge = log->merge;
	if (!merge || merge->timer.slot == 0)
		return;
	os_timer_stop(log->loop, &merge->timer);
	end(merge, false);
}

void log_merge_abandon(struct log *log)
{
	if (log->merge)
		merge_free(log->merge);
	log->merge = NULL;
}

/* ---- choosing ---- */

static bool is_mergeable(const struct log_segment *segment)
{
	return segment->sealed && !segment->damaged && segment->live_parts > 0 &&
	       segment->bytes / segment->live_parts < LARGE_PART_BYTES;
}

static unsigned tier_of(const struct log *log, const struct log_segment *segment)
{
	unsigned tier = 0;
	for (uint64_t bytes = segment->bytes / 2; bytes > log->options.checkpoint_bytes; bytes /= MERGE_FAN)
		tier += 1;
	return tier;
}

static int by_id(const void *a, const void *b)
{
	const struct log_segment *const *x = a, *const *y = b;
	return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

/* All mergeable segments in order of age; NULL: memory is out. */
static struct log_segment **list_mergeable(const struct log *log, size_t *ret_count)
{
	struct log_segment **list = calloc(log->segments.count + 1, sizeof(struct log_segment *));
	struct base_table_node *node = NULL;
	*ret_count = 0;
	while (list && (node = base_table_next(&log->segments, node))) {
		struct log_segment *segment = BASE_CONTAINER(node, struct log_segment, node);
		if (is_mergeable(segment))
			list[(*ret_count)++] = segment;
	}
	if (list)
		qsort(list, *ret_count, sizeof(struct log_segment *), by_id);
	return list;
}

/* The oldest MERGE_FAN neighbours of one tier, the lowest tier first. */
static bool choose(const struct log *log, struct log_segment *ret_sources[MERGE_FAN])
{
	size_t count, run = 0;
	unsigned best = ~0u;
	struct log_segment **list = list_mergeable(log, &count);
	for (size_t i = 0; list && i < count; i++) {
		unsigned tier = tier_of(log, list[i]);
		run = i > 0 && tier == tier_of(log, list[i - 1]) ? run + 1 : 1;
		if (run >= MERGE_FAN && tier < best) {
			memcpy(ret_sources, &list[i + 1 - MERGE_FAN], MERGE_FAN * sizeof(struct log_segment *));
			best = tier;
		}
	}
	free(list);
	return best != ~0u;
}

static bool is_source(const struct log_merge *merge, uint64_t segment_id)
{
	for (size_t i = 0; i < merge->segment_count; i++)
		if (merge->sources[i]->id == segment_id)
			return true;
	return false;
}

static struct merge_run *add_run(struct log_merge *merge, uint32_t partition)
{
	if (!base_array_reserve(&merge->runs, &merge->run_capacity, merge->run_count + 1, sizeof *merge->runs))
		return NULL;
	merge->runs[merge->run_count] = (struct merge_run){.partition = partition};
	return &merge->runs[merge->run_count++];
}

/* The record of the merge must fit into a ring file with room to spare, however many partitions there are. */
static size_t run_count_max(const struct log *log)
{
	uint64_t bytes = log->options.ring_file_bytes / 4;
	return (size_t)((bytes < RECORD_BYTES_MAX ? bytes : RECORD_BYTES_MAX) / (2 * PART_BYTES));
}

/* A part of another segment, or a hole, in between ends a run. */
static pyr_result plan_partition(struct log_merge *merge, const struct log_partition *partition)
{
	struct merge_run *run = NULL;
	for (size_t i = 0; i < partition->part_count; i++) {
		const struct log_part *part = &partition->parts[i];
		const struct log_part *before = run ? &run->sources[run->source_count - 1] : NULL;
		bool follows = before && part->base_offset == before->end_offset && part->flags == before->flags;
		if (!is_source(merge, part->segment_id)) {
			run = NULL;
			continue;
		}
		bool begins = !follows || run->source_count == MERGE_FAN;
		if (begins && merge->run_count == run_count_max(merge->log))
			return pyr_ok(); /* the next merge goes on */
		if (begins)
			run = add_run(merge, partition->id);
		if (!run)
			return pyr_result_of(PYR_OUT_OF_MEMORY);
		run->sources[run->source_count++] = *part;
	}
	return pyr_ok();
}

static pyr_result plan(struct log_merge *merge)
{
	struct log *log = merge->log;
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&log->partitions, node)))
		PYR_TRY(plan_partition(merge, BASE_CONTAINER(node, struct log_partition, node)));
	return pyr_ok();
}

/* ---- steps, in the background ---- */

static pyr_result put_batch(struct log_merge *merge, const struct log_part *source, struct base_slice block,
                            const struct codec_batch *batch)
{
	size_t at = (size_t)(batch->records - CODEC_BATCH_HEADER_BYTES - block.data);
	bool first = batch->base_offset == source->base_offset;
	uint64_t index = first ? source->first_index : source->last_index;
	if (merge->thinner)
		return log_thinner_batch(merge->thinner, &merge->writer, base_slice_sub(block, at, batch->bytes), batch,
		                         index, source->min_timestamp_ms);
	struct base_bytes bytes = {block.data + at, batch->bytes};
	return log_segment_writer_batch(&merge->writer, bytes, index, 0, source->min_timestamp_ms);
}

static pyr_result copy_block(struct log_merge *merge, const struct log_part *source)
{
	struct base_slice bytes = {0};
	if (merge->thinner && log_thinner_skips(merge->thinner, log_walk_peek(&merge->walk))) {
		log_walk_skip(&merge->walk);
		return pyr_ok();
	}
	PYR_TRY(log_walk_next(&merge->walk, &bytes));
	pyr_result result = pyr_ok();
	merge->step_bytes += bytes.bytes;
	for (size_t at = 0; at < bytes.bytes && result.code == PYR_OK;) {
		struct codec_batch batch;
		result = codec_batch_parse((struct base_bytes){bytes.data + at, bytes.bytes - at}, &batch);
		if (result.code == PYR_OK)
			result = put_batch(merge, source, bytes, &batch);
		at += batch.bytes;
	}
	base_slice_release(&bytes);
	return result;
}

static struct os_pool_file *file_of(struct log_merge *merge, const struct log_part *source)
{
	for (size_t i = 0; i < merge->segment_count; i++)
		if (merge->sources[i]->id == source->segment_id)
			return &merge->sources[i]->file;
	assert(!"a part of another segment");
	return NULL;
}

/* Blocks of the current source until the step is full; true: the source is done. */
static pyr_result copy_source(struct log_merge *merge, const struct log_part *source, bool *ret_done)
{
	if (!merge->walk.file)
		log_walk_begin(&merge->walk, merge->log, file_of(merge, source), source);
	PYR_TRY(log_walk_open(&merge->walk));
	while (log_walk_peek(&merge->walk) && merge->step_bytes < STEP_BYTES)
		PYR_TRY(copy_block(merge, source));
	*ret_done = !log_walk_peek(&merge->walk);
	if (*ret_done)
		log_walk_end(&merge->walk);
	return pyr_ok();
}

static pyr_result end_run(struct log_merge *merge, struct merge_run *run)
{
	const struct log_part *first = &run->sources[0], *last = &run->sources[run->source_count - 1];
	if (merge->thinner)
		PYR_TRY(log_thinner_end(merge->thinner, &merge->writer));
	PYR_TRY(log_segment_writer_part_end(&merge->writer, (struct base_bytes){0}, &run->part));
	run->part.flags = merge->thinner ? LOG_PART_COMPACTED : first->flags;
	run->part.first_index = first->first_index;
	run->part.last_index = last->last_index;
	return pyr_ok();
}

static pyr_result copy_run(struct log_merge *merge, struct merge_run *run, bool *ret_done)
{
	*ret_done = false;
	if (!merge->part_open)
		log_segment_writer_part(&merge->writer, run->partition);
	merge->part_open = true;
	while (merge->source < run->source_count) {
		bool source_done;
		PYR_TRY(copy_source(merge, &run->sources[merge->source], &source_done));
		if (!source_done)
			return pyr_ok();
		merge->source += 1;
	}
	merge->source = 0;
	merge->part_open = false;
	*ret_done = true;
	return end_run(merge, run);
}

static pyr_result step(struct log_merge *merge)
{
	if (!merge->writer_open) {
		merge->writer_open = true;
		PYR_TRY(log_segment_writer_begin(&merge->writer, merge->log->disk, merge->target->id, false, 0));
	}
	merge->step_bytes = 0;
	while (merge->run < merge->run_count) {
		bool done;
		PYR_TRY(copy_run(merge, &merge->runs[merge->run], &done));
		if (!done)
			return pyr_ok();
		merge->run += 1;
	}
	PYR_TRY(log_segment_writer_end(&merge->writer));
	merge->writer_open = false;
	merge->finished = true;
	return pyr_ok();
}

static void run_step(struct os_job *job)
{
	merge_of(job)->result = step(merge_of(job));
}

static void step_done(struct os_job *job);

static void submit_step(struct os_timer *timer)
{
	struct log_merge *merge = BASE_CONTAINER(timer, struct log_merge, timer);
	merge->job.run = run_step;
	merge->job.done = step_done;
	log_job_begin(merge->log);
	os_submit(merge->log->background_thread, &merge->job);
}

/* ---- the outcome ---- */

static void recorded(struct log_append *append)
{
	struct log_merge *merge = BASE_CONTAINER(append, struct log_merge, append);
	struct log *log = merge->log;
	if (append->result.code == PYR_OK)
		for (size_t i = 0; i < merge->run_count; i++)
			log->metrics.sealed_bytes += merge->runs[i].part.bytes;
	end(merge, append->result.code == PYR_OK);
	log_job_end(log);
}

static void record(struct log_merge *merge)
{
	struct base_writer writer;
	base_writer_init(&writer, RECORD_BYTES_MAX);
	base_write_u32le(&writer, (uint32_t)merge->segment_count);
	for (size_t i = 0; i < merge->segment_count; i++)
		base_write_u64le(&writer, merge->sources[i]->id);
	base_write_u32le(&writer, (uint32_t)merge->run_count);
	for (size_t i = 0; i < merge->run_count; i++)
		log_part_encode(&merge->runs[i].part, &writer);
	merge->append.done = recorded;
	pyr_result taken = base_writer_take(&writer, &merge->append.batch);
	base_writer_deinit(&writer);
	log_job_begin(merge->log);
	if (taken.code == PYR_OK)
		log_append_manifest_record(merge->log, &merge->append, LOG_RECORD_MERGED);
	else
		recorded(&merge->append);
}

static void give_up(struct log_merge *merge)
{
	/* What can't be read now will not be readable next time either. */
	for (size_t i = 0; i < merge->segment_count && merge->result.code == PYR_CORRUPT; i++)
		merge->sources[i]->damaged = true;
	end(merge, false);
}

static void step_done(struct os_job *job)
{
	struct log_merge *merge = merge_of(job);
	struct log *log = merge->log;
	if (merge->result.code != PYR_OK || log->closing || log->stopped)
		give_up(merge);
	else if (merge->finished)
		record(merge);
	else
		os_timer_start(log->loop, &merge->timer, log_pacer_rest(&merge->pacer, log, merge->step_bytes));
	log_job_end(log);
}

static struct log_merge *merge_new(struct log *log)
{
	struct log_merge *merge = calloc(1, sizeof *merge);
	if (!merge)
		return NULL;
	merge->log = log;
	merge->timer.fire = submit_step;
	return merge;
}

static void add_source(struct log_merge *merge, struct log_segment *segment)
{
	if (is_source(merge, segment->id))
		return;
	os_pool_file_ref(&segment->file);
	merge->sources[merge->segment_count++] = segment;
}

/* Takes the merge over. False: there is nothing to merge, or no memory, and it is freed. */
static bool start(struct log_merge *merge)
{
	struct log *log = merge->log;
	merge->target = merge->run_count > 0 ? log_segment_new(log, log->next_segment_id) : NULL;
	if (!merge->target) {
		merge_free(merge);
		return false;
	}
	log->next_segment_id += 1;
	log_segment_hold(merge->target);
	log->merge = merge;
	submit_step(&merge->timer);
	return true;
}

void log_merge_if_due(struct log *log)
{
	struct log_segment *sources[MERGE_FAN];
	if (log->merge || log->stopped || log->closing || log->segments.count < MERGE_FAN || !choose(log, sources))
		return;
	struct log_merge *merge = merge_new(log);
	if (!merge)
		return;
	for (size_t i = 0; i < MERGE_FAN; i++)
		add_source(merge, sources[i]);
	if (plan(merge).code == PYR_OK)
		(void)start(merge);
	else
		merge_free(merge);
}

bool log_merge_thin(struct log *log, const struct log_part *parts, size_t count, struct log_thinner *thinner,
                    void (*over)(void *context, bool merged), void *context)
{
	assert(!log->merge && count > 0 && count <= MERGE_FAN);
	struct log_merge *merge = merge_new(log);
	struct merge_run *run = merge ? add_run(merge, parts[0].partition) : NULL;
	if (!run) {
		free(merge);
		return false;
	}
	merge->thinner = thinner;
	merge->over = over;
	merge->over_context = context;
	for (size_t i = 0; i < count; i++) {
		add_source(merge, log_segment_find(log, parts[i].segment_id));
		run->sources[run->source_count++] = parts[i];
	}
	return start(merge);
}

/* ---- applying the record: when durable, and in recovery ---- */

static bool is_among(const uint64_t *ids, uint32_t count, uint64_t id)
{
	for (uint32_t i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* The new part takes the place of the old ones that lie inside it. */
static pyr_result replace_parts(struct log *log, const struct log_part *part, const uint64_t *ids, uint32_t id_count)
{
	struct log_partition *partition = log_partition_find(log, part->partition);
	if (!partition || part->end_offset <= partition->log_start_offset)
		return pyr_ok();
	if (!log_segment_find(log, part->segment_id) && !log_segment_new(log, part->segment_id))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	log_segment_find(log, part->segment_id)->sealed = true;
	size_t kept = 0;
	for (size_t i = 0; i < partition->part_count; i++) {
		struct log_part old = partition->parts[i];
		bool replaced = is_among(ids, id_count, old.segment_id) && old.base_offset >= part->base_offset &&
		                old.end_offset <= part->end_offset;
		if (!replaced) {
			partition->parts[kept++] = old;
			continue;
		}
		partition->sealed_bytes -= old.bytes;
		log_segment_find(log, old.segment_id)->bytes -= old.bytes;
		log_segment_drop(log_segment_find(log, old.segment_id));
	}
	partition->part_count = kept;
	if (part->flags & LOG_PART_COMPACTED)
		log_verified_drop(log, partition);
	return log_parts_push(log, partition, part);
}

pyr_result log_merge_apply(struct log *log, struct base_reader *reader)
{
	uint64_t ids[MERGE_FAN];
	uint32_t id_count = base_read_u32le(reader);
	if (id_count > MERGE_FAN)
		return pyr_result_of(PYR_CORRUPT);
	for (uint32_t i = 0; i < id_count; i++)
		ids[i] = base_read_u64le(reader);
	uint32_t part_count = base_read_u32le(reader);
	for (uint32_t i = 0; i < part_count && !reader->failed; i++) {
		struct log_part part;
		PYR_TRY(log_part_decode(reader, &part));
		PYR_TRY(replace_parts(log, &part, ids, id_count));
	}
	return base_reader_check(reader, PYR_CORRUPT);
}
