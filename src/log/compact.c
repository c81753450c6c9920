/* Compaction: of each key the newest record stays (cleanup.policy=compact).
 *
 *   choose --read what is not compacted--> newest offset of each key --rewrite all parts, oldest first, as a merge does-->
 *
 * The dirtiest partition goes first, when what is not compacted is a large enough share of it, or too old. The map of newest
 * offsets has bounded memory: when it is full, the round ends with the part that filled it, and the next one goes on. Parts
 * are rewritten a few at a time, each time with a record of the log that makes them count: so a crash leaves a compacted
 * beginning, and what is behind it as it was. All goes by offset, not by part: parts may be merged, or go, in between.
 *
 * Only sealed parts are compacted, below the high watermark, and none with a record younger than the lag. Readers and
 * snapshots keep the files that they began with. Invariant: parts marked as compacted come before all others, and hold each
 * key once. Failure: what can't be read stays as it is, and the partition is left alone for a while.
 * Owner: the log's thread; a job touches only what is under "the job's".
 */
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>

enum {
	STEP_BYTES = 1 << 20,
	RETRY_US = 600000000,
	WAIT_US = 20000, /* for a merge to end */
	INFLATED_MAX = 1 << 30,
	SEAL_SOON_US = 1000000,
	SEAL_SOON_BYTES = 1 << 20, /* for so much, a segment is worth it at once */
	SEAL_US = 5000000,
	COVER_SHARE = 4, /* of the memory, for a bit an offset */
};

struct log_compaction {
	struct os_job job;
	struct os_timer timer;
	struct log *log;
	uint32_t partition;
	struct log_keymap newest;
	struct log_thinner thinner;
	int64_t next_offset; /* of the part to be read, or rewritten, next */
	int64_t end_offset; /* nothing at or behind it is compacted in this round */
	int64_t group_end; /* of the parts being rewritten */
	/* The job's: */
	struct log_walk walk; /* walk.file: a reference; NULL between parts */
	uint64_t step_bytes;
	pyr_result result;
	struct log_pacer pacer;
};

static void end_walk(struct log_compaction *compaction)
{
	struct os_pool_file *file = compaction->walk.file;
	log_walk_end(&compaction->walk);
	if (file)
		os_pool_file_unref(file);
}

static void compaction_free(struct log_compaction *compaction)
{
	end_walk(compaction);
	log_thinner_deinit(&compaction->thinner);
	log_keymap_deinit(&compaction->newest);
	free(compaction);
}

static void finish(struct log_compaction *compaction, bool failed)
{
	struct log *log = compaction->log;
	struct log_partition *partition = log_partition_find(log, compaction->partition);
	if (failed && partition)
		partition->compact_after_us = os_now_us(log->loop) + RETRY_US;
	log->metrics.compactions += !failed;
	log->compaction = NULL;
	compaction_free(compaction);
	log_compaction_if_due(log);
}

void log_compaction_cancel(struct log *log)
{
	struct log_compaction *compaction = log->compaction;
	if (!compaction || compaction->timer.slot == 0)
		return;
	os_timer_stop(log->loop, &compaction->timer);
	log_compaction_abandon(log);
}

void log_compaction_abandon(struct log *log)
{
	if (log->compaction)
		compaction_free(log->compaction);
	log->compaction = NULL;
}

/* ---- choosing ---- */

struct dirt {
	int64_t from, to; /* offsets of parts that can be compacted and are not */
	uint64_t clean_bytes, dirty_bytes;
	int64_t oldest_ms;
};

static struct dirt measure(const struct log_partition *partition, int64_t now_ms)
{
	struct dirt dirt = {.oldest_ms = INT64_MAX};
	for (size_t i = 0; i < partition->part_count; i++) {
		const struct log_part *part = &partition->parts[i];
		if (part->flags & LOG_PART_COMPACTED) {
			dirt.clean_bytes += part->bytes;
			continue;
		}
		int64_t lag_ms = partition->config.min_compaction_lag_ms;
		/* Without a lag clocks do not matter: a record from the future must not keep what is behind it. */
		if (part->end_offset > partition->high_watermark ||
		    (lag_ms > 0 && part->max_timestamp_ms > now_ms - lag_ms))
			break;
		if (dirt.dirty_bytes == 0)
			dirt.from = part->base_offset;
		if (part->min_timestamp_ms < dirt.oldest_ms)
			dirt.oldest_ms = part->min_timestamp_ms;
		dirt.to = part->end_offset;
		dirt.dirty_bytes += part->bytes;
	}
	return dirt;
}

/* In thousandths and one; 0: not due. What is older than the lag allows comes before all else. */
static uint64_t urgency(const struct log_partition *partition, const struct dirt *dirt, int64_t now_ms)
{
	if (dirt->dirty_bytes == 0)
		return 0;
	if (dirt->oldest_ms < now_ms - partition->config.max_compaction_lag_ms)
		return UINT64_MAX;
	uint64_t permille = dirt->dirty_bytes * 1000 / (dirt->dirty_bytes + dirt->clean_bytes);
	return permille >= partition->config.min_dirty_permille ? permille + 1 : 0;
}

static bool is_candidate(struct log *log, const struct log_partition *partition)
{
	return partition->claimed && partition->config.compact && partition->damage_count == 0 &&
	       os_now_us(log->loop) >= partition->compact_after_us;
}

static struct log_partition *choose(struct log *log, struct dirt *ret_dirt)
{
	int64_t now_ms = os_wall_ms(log->loop);
	struct log_partition *chosen = NULL;
	uint64_t most = 0;
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&log->partitions, node))) {
		struct log_partition *partition = BASE_CONTAINER(node, struct log_partition, node);
		if (!is_candidate(log, partition))
			continue;
		struct dirt dirt = measure(partition, now_ms);
		uint64_t now = urgency(partition, &dirt, now_ms);
		if (now <= most)
			continue;
		most = now;
		chosen = partition;
		*ret_dirt = dirt;
	}
	return chosen;
}

/* ---- rewriting ---- */

static void rewrite_next(struct os_timer *timer);

static void on_rewritten(void *context, bool merged)
{
	struct log_compaction *compaction = context;
	struct log *log = compaction->log;
	if (!merged || log->closing || log->stopped) {
		finish(compaction, true);
		return;
	}
	compaction->next_offset = compaction->group_end;
	compaction->timer.fire = rewrite_next;
	os_timer_start(log->loop, &compaction->timer, 0);
}

/* The next parts that become one: neighbours, together no larger than a segment. */
static size_t take_group(const struct log_compaction *compaction, const struct log_partition *partition,
                         struct log_part ret_parts[LOG_MERGE_FAN])
{
	size_t count = 0;
	uint64_t bytes = 0;
	for (size_t i = log_parts_search(partition, compaction->next_offset);
	     i < partition->part_count && count < LOG_MERGE_FAN; i++) {
		const struct log_part *part = &partition->parts[i];
		bool follows = count == 0 || (part->base_offset == ret_parts[count - 1].end_offset &&
		                              bytes + part->bytes <= partition->config.segment_bytes);
		if (!follows || part->end_offset > compaction->end_offset)
			break;
		ret_parts[count++] = *part;
		bytes += part->bytes;
	}
	return count;
}

static void rewrite_next(struct os_timer *timer)
{
	struct log_compaction *compaction = BASE_CONTAINER(timer, struct log_compaction, timer);
	struct log *log = compaction->log;
	const struct log_partition *partition = log_partition_find(log, compaction->partition);
	struct log_part parts[LOG_MERGE_FAN];
	if (log->merge) {
		os_timer_start(log->loop, timer, WAIT_US);
		return;
	}
	size_t count = partition ? take_group(compaction, partition, parts) : 0;
	if (count == 0) {
		finish(compaction, false);
		return;
	}
	compaction->group_end = parts[count - 1].end_offset;
	if (!log_merge_thin(log, parts, count, &compaction->thinner, on_rewritten, compaction))
		finish(compaction, true);
}

static void begin_rewriting(struct log_compaction *compaction)
{
	struct log *log = compaction->log;
	const struct log_partition *partition = log_partition_find(log, compaction->partition);
	int64_t retention_ms = partition ? partition->config.delete_retention_ms : 0;
	log_thinner_init(&compaction->thinner, &compaction->newest, os_wall_ms(log->loop), retention_ms);
	compaction->end_offset = compaction->next_offset;
	compaction->next_offset = partition ? partition->log_start_offset : 0;
	compaction->timer.fire = rewrite_next;
	os_timer_start(log->loop, &compaction->timer, 0);
}

/* ---- finding the newest of each key ---- */

static pyr_result note_batch(struct log_compaction *compaction, const struct codec_batch *batch)
{
	struct codec_record_reader reader;
	struct codec_record record;
	bool noted = true;
	if (codec_batch_is_control(batch) || batch->record_count == 0)
		return pyr_ok();
	PYR_TRY(codec_record_reader_init(&reader, batch, INFLATED_MAX));
	while (noted && codec_record_next(&reader, &record))
		noted = !record.key.data || log_keymap_put(&compaction->newest, record.key, record.offset);
	pyr_result result = noted ? codec_record_reader_check(&reader) : pyr_result_of(PYR_OUT_OF_MEMORY);
	codec_record_reader_deinit(&reader);
	return result;
}

static pyr_result note_block(struct log_compaction *compaction)
{
	struct base_slice bytes;
	PYR_TRY(log_walk_next(&compaction->walk, &bytes));
	pyr_result result = pyr_ok();
	for (size_t at = 0; at < bytes.bytes && result.code == PYR_OK;) {
		struct codec_batch batch;
		result = codec_batch_parse((struct base_bytes){bytes.data + at, bytes.bytes - at}, &batch);
		if (result.code != PYR_OK)
			break;
		result = note_batch(compaction, &batch);
		at += batch.bytes;
	}
	compaction->step_bytes += bytes.bytes;
	base_slice_release(&bytes);
	return result;
}

static pyr_result note_part(struct log_compaction *compaction)
{
	PYR_TRY(log_walk_open(&compaction->walk));
	while (log_walk_peek(&compaction->walk) && compaction->step_bytes < STEP_BYTES)
		PYR_TRY(note_block(compaction));
	return pyr_result_of(log_keymap_settle(&compaction->newest) ? PYR_OK : PYR_OUT_OF_MEMORY);
}

static void run_note(struct os_job *job)
{
	struct log_compaction *compaction = BASE_CONTAINER(job, struct log_compaction, job);
	compaction->step_bytes = 0;
	compaction->result = note_part(compaction);
}

/* One more part of the same size might need a larger table. */
static bool is_full(const struct log_compaction *compaction)
{
	const struct log_keymap *map = &compaction->newest;
	return map->count > map->capacity / 2 && 2 * log_keymap_bytes(map) > compaction->log->options.compaction_bytes;
}

static void go_on_noting(struct log_compaction *compaction)
{
	struct log *log = compaction->log;
	if (!log_walk_peek(&compaction->walk)) {
		compaction->next_offset = compaction->walk.part.end_offset;
		end_walk(compaction);
	}
	if (!compaction->walk.file && (is_full(compaction) || compaction->next_offset >= compaction->end_offset))
		begin_rewriting(compaction);
	else
		os_timer_start(log->loop, &compaction->timer,
		               log_pacer_rest(&compaction->pacer, log, compaction->step_bytes));
}

static void note_done(struct os_job *job)
{
	struct log_compaction *compaction = BASE_CONTAINER(job, struct log_compaction, job);
	struct log *log = compaction->log;
	if (compaction->result.code != PYR_OK || log->closing || log->stopped)
		finish(compaction, true);
	else
		go_on_noting(compaction);
	log_job_end(log);
}

/* Finds the part that holds the next offset; false: there is none any more. */
static bool open_part(struct log_compaction *compaction)
{
	struct log *log = compaction->log;
	const struct log_partition *partition = log_partition_find(log, compaction->partition);
	size_t i = partition ? log_parts_search(partition, compaction->next_offset) : 0;
	if (!partition || i == partition->part_count || partition->parts[i].end_offset > compaction->end_offset)
		return false;
	const struct log_part *part = &partition->parts[i];
	log_walk_begin(&compaction->walk, log, os_pool_file_ref(&log_segment_find(log, part->segment_id)->file), part);
	return true;
}

static void note_next(struct os_timer *timer)
{
	struct log_compaction *compaction = BASE_CONTAINER(timer, struct log_compaction, timer);
	struct log *log = compaction->log;
	if (!compaction->walk.file && !open_part(compaction)) {
		begin_rewriting(compaction);
		return;
	}
	compaction->job.run = run_note;
	compaction->job.done = note_done;
	log_job_begin(log);
	os_submit(log->background_thread, &compaction->job);
}

static void init_map(struct log_compaction *compaction)
{
	uint8_t secret[BASE_SIPHASH_KEY_BYTES];
	os_random(compaction->log->loop, secret, sizeof secret);
	log_keymap_init(&compaction->newest, secret);
}

void log_compaction_if_due(struct log *log)
{
	struct dirt dirt;
	if (log->compaction || log->stopped || log->closing)
		return;
	const struct log_partition *partition = choose(log, &dirt);
	struct log_compaction *compaction = partition ? calloc(1, sizeof *compaction) : NULL;
	if (!compaction)
		return;
	compaction->log = log;
	compaction->partition = partition->id;
	compaction->next_offset = dirt.from;
	compaction->end_offset = dirt.to;
	init_map(compaction);
	log_keymap_cover(&compaction->newest, dirt.from, dirt.to, log->options.compaction_bytes / COVER_SHARE);
	compaction->timer.fire = note_next;
	log->compaction = compaction;
	note_next(&compaction->timer);
}

/* Only what is sealed is compacted: a tail that must be compacted soon is sealed now. Not all the time, though: records may
 * have old time stamps for ever. */
static bool is_worth_sealing(const struct log *log, const struct log_partition *partition)
{
	uint64_t after_us = partition->tail_bytes >= SEAL_SOON_BYTES ? SEAL_SOON_US : SEAL_US;
	return partition->tail.count > 0 && os_now_us(log->loop) - log->checkpoint_begun_us >= after_us;
}

bool log_compaction_wants_seal(struct log *log)
{
	int64_t now_ms = os_wall_ms(log->loop);
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&log->partitions, node))) {
		const struct log_partition *partition = BASE_CONTAINER(node, struct log_partition, node);
		if (is_candidate(log, partition) && is_worth_sealing(log, partition) &&
		    log_tail_at(&partition->tail, 0)->min_timestamp_ms <
		            now_ms - partition->config.max_compaction_lag_ms)
			return true;
	}
	return false;
}
