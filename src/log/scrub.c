/* Scrubbing: sealed parts are read again, one after the other, at a small rate, to find damage before a reader does.
 *
 * What fails its checksum is marked damaged (reads of it fail, its partition is read-only) and counted; the next manifest
 * keeps that. Owner: the log's thread; a job touches only the scrub.
 */
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>

enum { SCRUB_BYTES_PER_S = 20 << 20, PAUSE_US = 1000000, STEP_BYTES = 256 << 10 };

struct log_scrub {
	struct os_job job;
	struct log *log;
	struct log_walk walk;
	uint64_t step_bytes; /* read in the step under way */
	bool finished;
	struct log_damage *damages;
	size_t damage_count;
};

static void note_block(struct log_scrub *scrub, int64_t from, int64_t to)
{
	struct log_damage *damages = realloc(scrub->damages, (scrub->damage_count + 1) * sizeof *damages);
	if (!damages)
		return; /* found again in the next round */
	scrub->damages = damages;
	damages[scrub->damage_count++] = (struct log_damage){from, to};
}

static void run_scrub(struct os_job *job)
{
	struct log_scrub *scrub = BASE_CONTAINER(job, struct log_scrub, job);
	struct log_walk *walk = &scrub->walk;
	const struct log_block *block;
	pyr_result opened = log_walk_open(walk);
	if (opened.code == PYR_CORRUPT)
		note_block(scrub, walk->part.base_offset, walk->part.end_offset);
	scrub->step_bytes = 0;
	while (opened.code == PYR_OK && scrub->step_bytes < STEP_BYTES && (block = log_walk_peek(walk))) {
		struct base_slice bytes = {0};
		pyr_result checked = log_walk_next(walk, &bytes);
		base_slice_release(&bytes);
		if (checked.code == PYR_CORRUPT)
			note_block(scrub, block->base_offset, block->last_offset + 1);
		scrub->step_bytes += block->bytes;
	}
	scrub->finished = opened.code != PYR_OK || !log_walk_peek(walk);
}

static void scrub_free(struct log_scrub *scrub)
{
	struct os_pool_file *file = scrub->walk.file;
	log_walk_end(&scrub->walk);
	os_pool_file_unref(file);
	free(scrub->damages);
	free(scrub);
}

static bool is_known(const struct log_partition *partition, const struct log_damage *damage)
{
	for (size_t i = 0; i < partition->damage_count; i++)
		if (partition->damages[i].base_offset <= damage->base_offset &&
		    partition->damages[i].end_offset >= damage->end_offset)
			return true;
	return false;
}

static void tell_damages(struct log *log, const struct log_scrub *scrub)
{
	struct log_partition *partition = log_partition_find(log, scrub->walk.part.partition);
	for (size_t i = 0; partition && i < scrub->damage_count; i++) {
		bool deleted = scrub->damages[i].end_offset <= partition->log_start_offset;
		if (deleted || is_known(partition, &scrub->damages[i]))
			continue;
		log->metrics.corrupt_reads += 1;
		pyr_ignore(
			log_partition_damage(partition, scrub->damages[i].base_offset, scrub->damages[i].end_offset));
	}
}

/* A step in between others' work: the thread is also that of sealing, and of the ring's next file. */
static void scrub_done(struct os_job *job)
{
	struct log_scrub *scrub = BASE_CONTAINER(job, struct log_scrub, job);
	struct log *log = scrub->log;
	uint64_t pause_us = scrub->step_bytes * 1000000 / SCRUB_BYTES_PER_S;
	log->metrics.scrubbed_bytes += scrub->step_bytes;
	if (scrub->finished || log->closing) {
		tell_damages(log, scrub);
		log->scrub = NULL;
		scrub_free(scrub);
		pause_us += PAUSE_US;
	}
	if (!log->closing)
		os_timer_start(log->loop, &log->scrub_timer, pause_us);
	log_job_end(log);
}

void log_scrub_abandon(struct log *log)
{
	if (!log->scrub)
		return;
	scrub_free(log->scrub);
	log->scrub = NULL;
}

/* The part that comes next, in order of partition and offset; NULL: the round is over. */
static const struct log_part *next_part(struct log *log)
{
	const struct log_part *best = NULL;
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&log->partitions, node))) {
		const struct log_partition *partition = BASE_CONTAINER(node, struct log_partition, node);
		if (partition->id < log->scrub_partition || (best && partition->id >= best->partition))
			continue;
		size_t i = partition->id == log->scrub_partition ? log_parts_search(partition, log->scrub_offset) : 0;
		if (i < partition->part_count)
			best = &partition->parts[i];
	}
	return best;
}

static void submit_scrub(struct log *log)
{
	log->scrub->job.run = run_scrub;
	log->scrub->job.done = scrub_done;
	log_job_begin(log);
	os_submit(log->background_thread, &log->scrub->job);
}

void log_scrub_next(struct os_timer *timer)
{
	struct log *log = BASE_CONTAINER(timer, struct log, scrub_timer);
	if (log->closing)
		return;
	if (log->scrub) {
		submit_scrub(log);
		return;
	}
	const struct log_part *part = log->stopped || log->closing ? NULL : next_part(log);
	struct log_scrub *scrub = part ? calloc(1, sizeof *scrub) : NULL;
	if (!scrub) {
		log->scrub_partition = 0;
		log->scrub_offset = 0;
		os_timer_start(log->loop, &log->scrub_timer, 60 * (uint64_t)PAUSE_US);
		return;
	}
	log->scrub_partition = part->partition;
	log->scrub_offset = part->end_offset;
	log->scrub = scrub;
	scrub->log = log;
	log_walk_begin(&scrub->walk, log, os_pool_file_ref(&log_segment_find(log, part->segment_id)->file), part);
	submit_scrub(log);
}
