/* Scrubbing: sealed parts are read again, one after the other, at a small rate, to find damage before a reader does.
 *
 * What fails its checksum is marked damaged (reads of it fail, its partition is read-only) and counted; the next manifest
 * keeps that. Owner: the log's thread; a job touches only the scrub.
 */
#include "log/log_priv.h"

#include <stdlib.h>

enum { SCRUB_BYTES_PER_S = 20 << 20, PAUSE_US = 1000000 };

struct log_scrub {
	struct os_job job;
	struct log *log;
	struct log_part part;
	struct os_pool_file *file;
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
	struct log_block *blocks;
	pyr_result read = log_segment_read_index(scrub->file, &scrub->part, &blocks);
	if (read.code == PYR_CORRUPT)
		note_block(scrub, scrub->part.base_offset, scrub->part.end_offset);
	if (read.code != PYR_OK)
		return;
	for (uint32_t i = 0; i < scrub->part.block_count; i++) {
		struct base_slice bytes = {0};
		read = log_segment_read_blocks(scrub->file, &blocks[i], 1, &bytes);
		base_slice_release(&bytes);
		if (read.code == PYR_CORRUPT)
			note_block(scrub, blocks[i].base_offset, blocks[i].last_offset + 1);
	}
	free(blocks);
}

static bool is_known(const struct log_partition *partition, const struct log_damage *damage)
{
	for (size_t i = 0; i < partition->damage_count; i++)
		if (partition->damages[i].base_offset <= damage->base_offset &&
		    partition->damages[i].end_offset >= damage->end_offset)
			return true;
	return false;
}

static void scrub_done(struct os_job *job)
{
	struct log_scrub *scrub = BASE_CONTAINER(job, struct log_scrub, job);
	struct log *log = scrub->log;
	struct log_partition *partition = log_partition_find(log, scrub->part.partition);
	for (size_t i = 0; partition && i < scrub->damage_count; i++) {
		if (is_known(partition, &scrub->damages[i]))
			continue;
		log->metrics.corrupt_reads += 1;
		pyr_ignore(log_partition_damage(partition, scrub->damages[i].base_offset, scrub->damages[i].end_offset));
	}
	log->metrics.scrubbed_bytes += scrub->part.bytes;
	uint64_t pause_us = PAUSE_US + scrub->part.bytes * 1000000 / SCRUB_BYTES_PER_S;
	log->scrub = NULL;
	os_pool_file_unref(scrub->file);
	free(scrub->damages);
	free(scrub);
	if (!log->closing)
		os_timer_start(log->loop, &log->scrub_timer, pause_us);
	log_job_end(log);
}

void log_scrub_abandon(struct log *log)
{
	if (!log->scrub)
		return;
	os_pool_file_unref(log->scrub->file);
	free(log->scrub->damages);
	free(log->scrub);
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

void log_scrub_next(struct os_timer *timer)
{
	struct log *log = BASE_CONTAINER(timer, struct log, scrub_timer);
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
	scrub->part = *part;
	scrub->file = os_pool_file_ref(&log_segment_find(log, part->segment_id)->file);
	scrub->job.run = run_scrub;
	scrub->job.done = scrub_done;
	log_job_begin(log);
	os_submit(log->background_thread, &scrub->job);
}
