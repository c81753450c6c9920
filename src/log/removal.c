/* Removal: files that nobody refers to any more become extents again, or go in pieces, one after the other.
 *
 * A file that was written once is written again at the full rate of the disk, where space that was only reserved needs its
 * file system's metadata changed with each write. So while extents are made, some files wait for them. To take one over is
 * to rename it: after a crash it has the old name, which nothing refers to, or the new one.
 * To unlink gigabytes at once keeps file system and disk busy (the journal, and discards where they are on) for tens of
 * milliseconds, and the next sync of the ring behind it. So a large file is cut from its end, with rests that keep to the
 * background's rate. While another process holds the folder (a backup copies it) no file goes and none is taken over, unless
 * the disk is full; a hold that comes between the look and the deed is too late, which its taker finds. Failure, or a crash in between, leaves a file that recovery sweeps away.
 * Owner: the log's thread; the job touches removal.current only.
 */
#include "log/log_priv.h"

enum { PIECE_BYTES = 64 << 20, SPARE_IDLE_US = 60000000, HELD_US = 500000 };

/* True in *ret_more: a piece went, and there is more of it. */
static pyr_result cut(struct os_disk *disk, const char *path, bool *ret_more)
{
	struct os_file *file;
	uint64_t size = 0;
	PYR_TRY(os_file_open(disk, path, OS_OPEN_WRITE, &file));
	pyr_result result = os_file_size(file, &size);
	*ret_more = result.code == PYR_OK && size > PIECE_BYTES;
	if (*ret_more)
		result = os_file_truncate(file, size - PIECE_BYTES);
	os_file_close(file);
	return result;
}

static void run_removal(struct os_job *job)
{
	struct log *log = BASE_CONTAINER(job, struct log, removal.job);
	const char *path = log->removal.current->file.path;
	log->removal.more = false;
	log->removal.held = !log->removal.anyway && os_disk_is_held(log->disk, LOG_HOLD_PATH);
	if (log->removal.held)
		return;
	if (cut(log->disk, path, &log->removal.more).code != PYR_OK)
		log->removal.more = false;
	if (!log->removal.more)
		pyr_ignore(os_file_remove(log->disk, path));
}

static void removal_done(struct os_job *job);

static void submit(struct log *log)
{
	log->removal.job.run = run_removal;
	log->removal.job.done = removal_done;
	log->removal.anyway = log->disk_full;
	log_job_begin(log);
	os_submit(log->background_thread, &log->removal.job);
}

static void go_on(struct os_timer *timer)
{
	submit(BASE_CONTAINER(timer, struct log, removal.timer));
}

static void begin_next(struct log *log)
{
	struct base_list *node = log->closing ? NULL : base_list_pop(&log->removal.waiting);
	if (!node)
		return;
	log->removal.current = BASE_CONTAINER(node, struct log_segment, remove_node);
	submit(log);
}

static void removal_done(struct os_job *job)
{
	struct log *log = BASE_CONTAINER(job, struct log, removal.job);
	if ((log->removal.more || log->removal.held) && !log->closing) {
		uint64_t piece_us = (uint64_t)PIECE_BYTES * 1000000 / log->options.background_bytes_per_s;
		log->removal.timer.fire = go_on;
		os_timer_start(log->loop, &log->removal.timer, log->removal.held ? HELD_US : piece_us);
	} else {
		log_segment_free(log->removal.current);
		log->removal.current = NULL;
		begin_next(log);
	}
	log_job_end(log);
}

/* ---- spares ---- */

static bool is_quiet(struct log *log)
{
	return log->removal.extent_made_us == 0 || os_now_us(log->loop) - log->removal.extent_made_us > SPARE_IDLE_US;
}

static bool is_spare(struct log *log, const struct log_segment *segment)
{
	return segment->written_bytes >= log->options.extent_min_bytes && !log->disk_full && !is_quiet(log) &&
	       log->removal.spare_bytes + segment->written_bytes <= log->options.spare_bytes;
}

struct log_segment *log_removal_take_spare(struct log *log)
{
	struct base_list *node = base_list_pop(&log->removal.spares);
	if (!node)
		return NULL;
	struct log_segment *spare = BASE_CONTAINER(node, struct log_segment, remove_node);
	log->removal.spare_bytes -= spare->written_bytes;
	log->metrics.spares_taken += 1;
	return spare;
}

void log_removal_settle_spare(struct log *log, struct log_segment *spare, bool taken)
{
	if (taken || log->stopped || log->closing)
		log_segment_free(spare);
	else
		log_removal_add(log, spare);
}

void log_removal_drop_spares(struct log *log, bool anyway)
{
	if (!anyway && !is_quiet(log))
		return;
	log->removal.spare_bytes = 0;
	base_list_splice(&log->removal.waiting, &log->removal.spares);
	if (!log->removal.current && !log->stopped)
		begin_next(log);
}

/* ---- what becomes of a file ---- */

void log_removal_add(struct log *log, struct log_segment *segment)
{
	if (is_spare(log, segment)) {
		base_list_append(&log->removal.spares, &segment->remove_node);
		log->removal.spare_bytes += segment->written_bytes;
		return;
	}
	base_list_append(&log->removal.waiting, &segment->remove_node);
	if (!log->removal.current)
		begin_next(log);
}

void log_removal_cancel(struct log *log)
{
	os_timer_stop(log->loop, &log->removal.timer);
}
