/* The ring: prefilled files that are used in turn and again.
 *
 *   being prepared --header synced--> spare --roll--> in use (the last: current) --in segments, no reader--> free
 *
 * A fresh file is filled with zeros, because overwriting a written block costs one disk operation and growing a file
 * several; that happens in the background, at a bounded rate. When appends wait for it, it is only reserved: its first use
 * is a little slower then, but nobody waits for the filling. A recycled file only gets a new header: what it held fails
 * the new file id, incarnation and group numbers. Invariants: the header of a spare is durable before its first group;
 * a file is free only when the manifest on disk begins after it and nobody holds a reference to it.
 * Owner: the log's thread; a job touches only ring.preparing.
 */
#include "log/log_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILL_BYTES = 256 << 10, FIRST_FILE_BYTES = 4 << 20, RETRY_US = 1000000 };

static _Alignas(
	OS_DIRECT_BYTES) uint8_t zeros[FILL_BYTES]; /* never written; const, it would be in the program's file */

static void ring_file_path(uint64_t slot, char ret_path[OS_POOL_PATH_MAX])
{
	snprintf(ret_path, OS_POOL_PATH_MAX, "ring/%016llx", (unsigned long long)slot);
}

static void on_released(struct os_task *task)
{
	struct os_pool_file *file = BASE_CONTAINER(task, struct os_pool_file, released);
	struct log_ring_file *ring_file = file->owner;
	struct log *log = ring_file->log;
	base_list_remove(&ring_file->node);
	base_list_append(&log->ring.free, &ring_file->node);
	log_ring_prepare(log);
}

struct log_ring_file *log_ring_file_new(struct log *log, uint64_t slot)
{
	struct log_ring_file *file = calloc(1, sizeof *file);
	char path[OS_POOL_PATH_MAX];
	if (!file)
		return NULL;
	ring_file_path(slot, path);
	file->log = log;
	file->slot = slot;
	base_list_init(&file->node);
	os_pool_file_init(&file->file, log->files, path, file, on_released);
	return file;
}

void log_ring_file_free(struct log_ring_file *file)
{
	if (!file)
		return;
	base_list_remove(&file->node);
	os_pool_file_deinit(&file->file);
	log_ring_file_close(file);
	free(file);
}

void log_ring_file_close(struct log_ring_file *file)
{
	os_file_close(file->write);
	os_file_close(file->write_cached);
	file->write = file->write_cached = NULL;
}

/* ---- preparing a file: blocking pieces, run as jobs or at open ---- */

static pyr_result open_for_writing(struct log *log, struct log_ring_file *file, bool fresh)
{
	unsigned flags = OS_OPEN_WRITE | OS_OPEN_DIRECT | (fresh ? OS_OPEN_CREATE : 0);
	return os_file_open(log->disk, file->file.path, flags, &file->write);
}

static pyr_result fill(struct log_ring_file *file, uint64_t from, uint64_t bytes)
{
	while (bytes > 0) {
		size_t part = bytes < sizeof zeros ? (size_t)bytes : sizeof zeros;
		struct base_bytes piece = {zeros, part};
		PYR_TRY(os_file_write(file->write, from, &piece, 1));
		from += part;
		bytes -= part;
	}
	return pyr_ok();
}

static pyr_result write_header(struct log *log, struct log_ring_file *file, const struct log_ring_header *header,
                               bool fresh)
{
	_Alignas(OS_DIRECT_BYTES) uint8_t block[LOG_RING_HEADER_BYTES];
	struct base_bytes piece = {block, sizeof block};
	log_ring_header_encode(header, block);
	PYR_TRY(os_file_write(file->write, 0, &piece, 1));
	PYR_TRY(os_file_sync(file->write));
	return fresh ? os_directory_sync(log->disk, "ring") : pyr_ok();
}

static struct log_ring_header header_for(struct log *log, struct log_ring_file *file)
{
	file->id = log->ring.next_id++;
	return (struct log_ring_header){.file_id = file->id, .incarnation = log->incarnation, .bytes = file->bytes};
}

static void begin_use(struct log *log, struct log_ring_file *file)
{
	base_list_append(&log->ring.files, &file->node);
	log->ring.current = file;
	log->ring.position = LOG_RING_HEADER_BYTES;
}

/* A free file with its counted reference restored, or NULL. */
static struct log_ring_file *take_free(struct log *log)
{
	struct base_list *node = base_list_pop(&log->ring.free);
	if (!node)
		return NULL;
	struct log_ring_file *file = BASE_CONTAINER(node, struct log_ring_file, node);
	char path[OS_POOL_PATH_MAX];
	ring_file_path(file->slot, path);
	os_pool_file_init(&file->file, log->files, path, file, on_released);
	return file;
}

static struct log_ring_file *make_file(struct log *log, uint64_t bytes)
{
	struct log_ring_file *file = log_ring_file_new(log, log->ring.next_slot);
	if (!file)
		return NULL;
	log->ring.next_slot += 1;
	log->ring.count += 1;
	file->bytes = bytes;
	return file;
}

static uint64_t first_file_bytes(const struct log *log)
{
	return log->options.ring_file_bytes < FIRST_FILE_BYTES ? log->options.ring_file_bytes : FIRST_FILE_BYTES;
}

pyr_result log_ring_start(struct log *log, uint64_t after_group)
{
	struct log_ring_file *file = take_free(log);
	bool fresh = !file;
	if (!file)
		file = make_file(log, first_file_bytes(log));
	if (!file)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	if (file->bytes < LOG_RING_BYTES_MIN) {
		fresh = true;
		file->bytes = first_file_bytes(log);
	}
	struct log_ring_header header = header_for(log, file);
	header.first_group = after_group + 1;
	header.after_group = after_group;
	begin_use(log, file);
	PYR_TRY(open_for_writing(log, file, fresh));
	if (fresh)
		PYR_TRY(fill(file, 0, file->bytes));
	return write_header(log, file, &header, fresh);
}

/* ---- the spare, in the background ---- */

static pyr_result prepare_step(struct log *log)
{
	struct log_ring_file *file = log->ring.preparing;
	if (!file->write)
		PYR_TRY(open_for_writing(log, file, log->ring.prepare_fresh));
	uint64_t left = file->bytes - log->ring.prepared_bytes;
	if (log->ring.prepare_fresh && left > 0) {
		uint64_t step = left < FILL_BYTES ? left : FILL_BYTES;
		if (!log->ring.prepare_urgent) {
			PYR_TRY(fill(file, log->ring.prepared_bytes, step));
			log->ring.prepared_bytes += step;
			return pyr_ok();
		}
		PYR_TRY(os_file_allocate(file->write, 0, file->bytes));
	}
	PYR_TRY(write_header(log, file, &log->ring.prepare_header, log->ring.prepare_fresh));
	log->ring.prepared_bytes = UINT64_MAX; /* ready */
	return pyr_ok();
}

static void run_prepare(struct os_job *job)
{
	struct log *log = BASE_CONTAINER(job, struct log, ring.prepare_job);
	log->ring.prepare_result = prepare_step(log);
	/* Sealing may free more with this space than a file half filled is worth. */
	if (log->ring.prepare_result.code == PYR_DISK_FULL && log->ring.preparing->write)
		pyr_ignore(os_file_truncate(log->ring.preparing->write, 0));
}

static void prepare_done(struct os_job *job);

/* Is there no spare while appends wait for one? */
static bool someone_waits(const struct log *log)
{
	return !base_list_empty(&log->queue) && !log->group_busy;
}

static void submit_prepare(struct log *log)
{
	log->ring.prepare_job.run = run_prepare;
	log->ring.prepare_job.done = prepare_done;
	log->ring.prepare_urgent = someone_waits(log);
	log_job_begin(log);
	os_submit(log->read_threads, &log->ring.prepare_job); /* not behind a step of the checkpoint */
}

static void prepare_again(struct os_timer *timer)
{
	struct log *log = BASE_CONTAINER(timer, struct log, ring.prepare_timer);
	if (log->ring.preparing) {
		submit_prepare(log);
		return;
	}
	if (log->ring.spare)
		log->disk_full = false; /* it was an extent that found no room: the next one may */
	log_ring_prepare(log);
}

void log_ring_disk_full(struct log *log)
{
	log->disk_full = true;
	log_removal_drop_spares(log, true);
	log->ring.prepare_timer.fire = prepare_again;
	if (!log->ring.preparing && log->ring.prepare_timer.slot == 0)
		os_timer_start(log->loop, &log->ring.prepare_timer, RETRY_US);
}

/* Nobody wants a file any more: the log is closing, and nothing waits. */
static bool is_over(const struct log *log)
{
	return log->stopped || (log->closing && base_list_empty(&log->queue));
}

/* Out of space, most likely: what waits for the file is refused, and so is what comes, until a later try succeeds. */
static void prepare_failed(struct log *log)
{
	struct log_ring_file *file = log->ring.preparing;
	enum pyr_code code = log->ring.prepare_result.code;
	log->ring.preparing = NULL;
	log_ring_file_close(file);
	file->bytes = 0; /* not even its name is durable: whoever takes it next begins from nothing */
	base_list_append(&log->ring.free, &file->node);
	log->disk_full = code == PYR_DISK_FULL;
	os_timer_start(log->loop, &log->ring.prepare_timer, RETRY_US);
	if (log->group_busy)
		return;
	if (log->closing) {
		log_stop(log); /* closing does not wait for the disk */
		return;
	}
	log_refuse_waiting(log, code);
	if (log->disk_full && log->ring.files.next != &log->ring.current->node)
		log_checkpoint_start(log); /* frees a file that exists already */
}

static void prepare_done(struct os_job *job)
{
	struct log *log = BASE_CONTAINER(job, struct log, ring.prepare_job);
	log->ring.prepare_timer.fire = prepare_again;
	if (is_over(log)) {
		base_list_append(&log->ring.free, &log->ring.preparing->node);
		log->ring.preparing = NULL;
	} else if (log->ring.prepare_result.code != PYR_OK) {
		prepare_failed(log);
	} else if (log->ring.prepared_bytes != UINT64_MAX) {
		uint64_t pause_us = log_pacer_pause(&log->ring.prepare_pacer, log, FILL_BYTES);
		os_timer_start(log->loop, &log->ring.prepare_timer, someone_waits(log) ? 0 : pause_us);
	} else {
		log->ring.spare = log->ring.preparing;
		log->ring.preparing = NULL;
		log->disk_full = false;
		log_commit_kick(log);
	}
	log_job_end(log);
}

void log_ring_prepare(struct log *log)
{
	if (log->ring.preparing && log->ring.prepare_timer.slot != 0 && someone_waits(log)) {
		os_timer_start(log->loop, &log->ring.prepare_timer, 0); /* it rested between two pieces */
		return;
	}
	if (log->ring.spare || log->ring.preparing || is_over(log) || log->ring.prepare_timer.slot != 0)
		return;
	struct log_ring_file *file = take_free(log);
	/* A file that never was filled, or a small first one, is not worth having twice: fill it anew. */
	log->ring.prepare_fresh = !file || file->bytes < log->options.ring_file_bytes;
	if (!file)
		file = make_file(log, log->options.ring_file_bytes);
	if (!file)
		return;
	file->bytes = log->options.ring_file_bytes;
	log->ring.preparing = file;
	log->ring.prepared_bytes = 0;
	log->ring.prepare_header = header_for(log, file);
	submit_prepare(log);
}

bool log_ring_roll(struct log *log)
{
	struct log_ring_file *spare = log->ring.spare;
	if (!spare)
		return false;
	log->ring.spare = NULL;
	begin_use(log, spare);
	return true;
}

void log_ring_release_before(struct log *log, uint64_t id)
{
	while (!base_list_empty(&log->ring.files)) {
		struct log_ring_file *oldest = BASE_CONTAINER(log->ring.files.next, struct log_ring_file, node);
		if (oldest->id >= id || oldest == log->ring.current)
			return;
		base_list_remove(&oldest->node);
		base_list_append(&log->ring.held, &oldest->node);
		os_pool_file_unref(&oldest->file);
	}
}

static void close_list(struct base_list *list)
{
	while (!base_list_empty(list))
		log_ring_file_free(BASE_CONTAINER(list->next, struct log_ring_file, node));
}

void log_ring_close(struct log *log)
{
	close_list(&log->ring.files);
	close_list(&log->ring.held);
	close_list(&log->ring.free);
	log_ring_file_free(log->ring.spare);
	log_ring_file_free(log->ring.preparing);
}
