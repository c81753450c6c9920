/* A group's way to the disk: its extents, each on a thread of its own, and when all of them are synced, the ring.
 *
 * The ring comes last, so that a group whose extents find no room is not on it. One group is on its way at a time.
 * Owner: the log's thread hands the group out and gets it back; in between it belongs to the jobs.
 */
#include "log/log_priv.h"

#include <string.h>

enum { CACHED_BYTES_MAX = 64 << 10, WRITE_BACK_BYTES = 1 << 20 };

/* ---- the ring ---- */

static pyr_result close_rolled(const struct log_group *group)
{
	_Alignas(OS_DIRECT_BYTES) uint8_t block[LOG_BLOCK_BYTES] = {0};
	struct base_bytes piece = {block, sizeof block};
	memcpy(block, group->last_header, sizeof group->last_header);
	PYR_TRY(os_file_write(group->rolled->write, group->rolled_position, &piece, 1));
	return os_file_sync(group->rolled->write);
}

/* Into the page cache: nobody waits for the disk, and the sync that closes the file must not find all of it to write. */
static pyr_result write_cached(struct log *log, struct log_ring_file *file)
{
	const struct log_group *group = &log->group;
	uint64_t end = group->position + group->piece.bytes;
	if (!file->write_cached) {
		PYR_TRY(os_file_open(log->disk, file->file.path, OS_OPEN_WRITE, &file->write_cached));
		file->written_back = group->position;
	}
	PYR_TRY(os_file_write(file->write_cached, group->position, &group->piece, 1));
	if (end - file->written_back >= WRITE_BACK_BYTES) {
		os_file_write_back(file->write_cached, file->written_back, end - file->written_back);
		file->written_back = end;
	}
	return pyr_ok();
}

/* A large group is not worth a copy. Groups share no page, so both ways go together. */
static pyr_result write_ring(struct log *log)
{
	const struct log_group *group = &log->group;
	struct log_ring_file *file = group->file;
	if (!group->sync && group->piece.bytes <= CACHED_BYTES_MAX)
		return write_cached(log, file);
	PYR_TRY(os_file_write(file->write, group->position, &group->piece, 1));
	return group->sync ? os_file_sync(file->write) : pyr_ok();
}

/* A full disk takes nothing back if another extent met a real error: that one may have lost what it wrote. */
static pyr_result extents_written(struct log_group *group)
{
	pyr_result full = pyr_ok();
	for (size_t i = 0; i < group->extent_count; i++) {
		if (group->extents[i].result.code != PYR_DISK_FULL)
			PYR_TRY(group->extents[i].result);
		else
			full = group->extents[i].result;
	}
	group->no_room = full.code == PYR_DISK_FULL; /* and nothing on the ring knows of this group */
	return full;
}

static pyr_result write_group(struct log *log)
{
	struct log_group *group = &log->group;
	if (log->sync_failed) /* a checkpoint's: what it dropped may lie before this group */
		return pyr_result_of(PYR_IO);
	if (group->roll) /* also when the group is taken back: the next one goes to the new file, too */
		PYR_TRY(close_rolled(group));
	PYR_TRY(extents_written(group));
	return write_ring(log);
}

static void run_group(struct os_job *job)
{
	struct log *log = BASE_CONTAINER(job, struct log, group.job);
	log->group.result = write_group(log);
}

/* ---- the extents before it ---- */

static void run_extent(struct os_job *job)
{
	struct log_group_extent *place = BASE_CONTAINER(job, struct log_group_extent, job);
	place->result = log_extent_write(place->log, place);
}

static void extent_done(struct os_job *job)
{
	struct log *log = BASE_CONTAINER(job, struct log_group_extent, job)->log;
	log->group.extents_left -= 1;
	if (log->group.extents_left == 0)
		os_submit(log->commit_thread, &log->group.job);
}

void log_group_write(struct log *log, void (*done)(struct os_job *job))
{
	struct log_group *group = &log->group;
	group->job.run = run_group;
	group->job.done = done;
	group->extents_left = group->extent_count;
	for (size_t i = 0; i < group->extent_count; i++) {
		group->extents[i].log = log;
		group->extents[i].job.run = run_extent;
		group->extents[i].job.done = extent_done;
		os_submit(log->extent_threads, &group->extents[i].job);
	}
	if (group->extent_count == 0)
		os_submit(log->commit_thread, &group->job);
}
