/* Removal: files that nobody refers to any more go in pieces, one after the other.
 *
 * To unlink gigabytes at once keeps file system and disk busy (the journal, and discards where they are on) for tens of
 * milliseconds, and the next sync of the ring behind it. So a large file is cut from its end, with rests that keep to the
 * background's rate. Failure, or a crash in between, leaves a file that recovery sweeps away.
 * Owner: the log's thread; the job touches removal.current only.
 */
#include "log/log_priv.h"

enum { PIECE_BYTES = 64 << 20 };

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
	if (log->removal.more && !log->closing) {
		log->removal.timer.fire = go_on;
		os_timer_start(log->loop, &log->removal.timer,
		               (uint64_t)PIECE_BYTES * 1000000 / log->options.background_bytes_per_s);
	} else {
		log_segment_free(log->removal.current);
		log->removal.current = NULL;
		begin_next(log);
	}
	log_job_end(log);
}

void log_removal_add(struct log *log, struct log_segment *segment)
{
	base_list_append(&log->removal.waiting, &segment->remove_node);
	if (!log->removal.current)
		begin_next(log);
}

void log_removal_cancel(struct log *log)
{
	os_timer_stop(log->loop, &log->removal.timer);
}
