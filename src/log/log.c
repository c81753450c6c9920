/* Opening, closing and watching over the log (see log.h; the map of the files is in log_priv.h). */
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>

enum {
	HOUSEKEEPING_US = 1000000,
	HOUSEKEEPING_TURNS = 10,
	SCRUB_AFTER_US = 10000000,
	READ_THREADS = 4,
	EXTENT_THREADS = 4,
	STACK_BYTES = 1 << 20
};

static const char identity_path[] = "PYRALOG";
static const char identity_new_path[] = "PYRALOG.new";

/* The tail cache holds what two checkpoints write: while one part of the ring is sealed, from memory, the next fills. With less,
 * sealing reads the ring back from the disk, and each of these reads delays a group by milliseconds. */
struct log_options log_options_default(void)
{
	return (struct log_options){
		.ring_file_bytes = 64 << 20,
		.checkpoint_bytes = 80 << 20,
		.backlog_bytes = 1 << 30,
		.backlog_batches = 256 << 10,
		.spare_bytes = UINT64_C(4) << 30,
		.tail_cache_bytes = 160 << 20,
		.read_cache_bytes = 64 << 20,
		.extent_min_bytes = 1 << 20,
		.compaction_bytes = 128 << 20,
		.pending_bytes_max = 256 << 20,
		.background_bytes_per_s = 400 << 20,
		.sync_interval_ms = 100,
		.open_files_max = 1024,
		.producers_max = 10000,
		.producer_expiry_ms = 86400000,
	};
}

/* ---- identity ---- */

static pyr_result read_identity(struct os_disk *disk, struct log_identity *ret_identity, struct pyr_error *error)
{
	uint8_t bytes[LOG_IDENTITY_BYTES];
	struct os_file *file;
	size_t got = 0;
	pyr_result result = os_file_open(disk, identity_path, OS_OPEN_READ, &file);
	if (result.code == PYR_NOT_FOUND) {
		*ret_identity = (struct log_identity){0};
		return pyr_ok();
	}
	PYR_TRY(result);
	result = os_file_read(file, 0, bytes, sizeof bytes, &got);
	os_file_close(file);
	PYR_TRY(result);
	result = log_identity_decode((struct base_bytes){bytes, got}, ret_identity);
	if (result.code == PYR_UNSUPPORTED_FEATURE)
		return pyr_fail(error, result.code,
		                "the data directory was written by a newer version: upgrade the program");
	if (result.code == PYR_CORRUPT)
		return pyr_fail(error, result.code,
		                "the file %s of the data directory is damaged: restore it from a backup",
		                identity_path);
	return result;
}

static pyr_result write_identity(struct os_disk *disk, const struct log_identity *identity)
{
	uint8_t bytes[LOG_IDENTITY_BYTES];
	struct base_bytes piece = {bytes, sizeof bytes};
	struct os_file *file;
	log_identity_encode(identity, bytes);
	PYR_TRY(os_file_open(disk, identity_new_path, OS_OPEN_WRITE | OS_OPEN_CREATE, &file));
	pyr_result result = os_file_write(file, 0, &piece, 1);
	if (result.code == PYR_OK)
		result = os_file_sync(file);
	os_file_close(file);
	PYR_TRY(result);
	PYR_TRY(os_file_rename(disk, identity_new_path, identity_path));
	return os_directory_sync(disk, "");
}

static pyr_result begin_incarnation(struct log *log, struct pyr_error *error)
{
	struct log_identity identity;
	PYR_TRY(read_identity(log->disk, &identity, error));
	identity.incarnation += 1;
	log->incarnation = identity.incarnation;
	return write_identity(log->disk, &identity);
}

static pyr_result prepare_directory(struct log *log, struct pyr_error *error)
{
	static const char *const folders[] = {"ring", "segments", "hashes", "manifest"};
	pyr_result locked = os_disk_lock(log->disk, "lock");
	if (locked.code == PYR_BUSY)
		return pyr_fail(error, PYR_BUSY,
		                "another process has this data directory open: stop it, or choose another with --data");
	PYR_TRY(locked);
	/* The process may have died between making a name and syncing it: what recovery sees must be durable. */
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		PYR_TRY(os_directory_make(log->disk, folders[i]));
		PYR_TRY(os_directory_sync(log->disk, folders[i]));
	}
	return os_directory_sync(log->disk, "");
}

/* ---- open ---- */

/* Each second what somebody may wait for, and each ten what can wait. */
static void housekeep(struct os_timer *timer)
{
	struct log *log = BASE_CONTAINER(timer, struct log, housekeeping_timer);
	log->housekeeping_turn += 1;
	if (log->housekeeping_turn % HOUSEKEEPING_TURNS == 0) {
		if (!log->stopped && !log->closing)
			log_retention_run(log);
		log_removal_drop_spares(log, false);
		log_merge_if_due(log);
	}
	if (!log->group_busy && log_compaction_wants_seal(log))
		log_checkpoint_start(log);
	log_compaction_if_due(log);
	os_timer_start(log->loop, &log->housekeeping_timer, HOUSEKEEPING_US);
}

static void check_options(const struct log_options *options)
{
	assert(options->ring_file_bytes % LOG_BLOCK_BYTES == 0);
	assert(options->extent_min_bytes <= options->ring_file_bytes / 4);
	assert(options->background_bytes_per_s > 0 && options->open_files_max > 0);
	(void)options;
}

static struct log *log_new(struct os_loop *loop, struct os_disk *disk, const struct log_options *options,
                           const struct log_observer *observer)
{
	struct log *log = calloc(1, sizeof *log);
	if (!log)
		return NULL;
	check_options(options);
	log->loop = loop;
	log->disk = disk;
	log->options = *options;
	log->observer = *observer;
	log->ring.next_id = log->next_segment_id = 1;
	base_list_init(&log->queue);
	base_list_init(&log->group.appends);
	base_list_init(&log->ring.files);
	base_list_init(&log->ring.held);
	base_list_init(&log->ring.free);
	base_list_init(&log->cold_reads);
	base_list_init(&log->verified);
	base_list_init(&log->retentions);
	base_list_init(&log->removal.waiting);
	base_list_init(&log->removal.spares);
	log->housekeeping_timer.fire = housekeep;
	return log;
}

static pyr_result start_threads(struct log *log)
{
	log->commit_thread = os_executor_new(log->loop, "log commit", OS_PROMPT, 1, STACK_BYTES);
	log->extent_threads = os_executor_new(log->loop, "log extents", OS_PROMPT, EXTENT_THREADS, STACK_BYTES);
	log->read_threads = os_executor_new(log->loop, "log read", OS_ORDINARY, READ_THREADS, STACK_BYTES);
	log->background_thread = os_executor_new(log->loop, "log background", OS_BACKGROUND, 1, STACK_BYTES);
	log->files = os_file_pool_new(log->loop, log->disk, log->options.open_files_max);
	log->indexes = log_indexes_new();
	bool all = log->commit_thread && log->extent_threads && log->read_threads && log->background_thread &&
	           log->files && log->indexes;
	return pyr_result_of(all ? PYR_OK : PYR_OUT_OF_MEMORY);
}

static void free_tables(struct log *log)
{
	struct base_table_node *node;
	while ((node = base_table_next(&log->partitions, NULL)))
		log_partition_free(log, BASE_CONTAINER(node, struct log_partition, node));
	base_table_deinit(&log->partitions);
	while ((node = base_table_next(&log->segments, NULL)))
		log_segment_free(BASE_CONTAINER(node, struct log_segment, node));
	base_table_deinit(&log->segments);
}

/* No job is under way and nobody waits for an answer. */
static void log_free(struct log *log)
{
	log->closing = true;
	/* First of all: what lets go of a file from here on must not tell, as the file's owner is freed with the log. */
	if (log->files)
		os_file_pool_silence(log->files);
	os_timer_stop(log->loop, &log->idle_timer);
	os_timer_stop(log->loop, &log->sync_timer);
	os_timer_stop(log->loop, &log->hold_timer);
	os_timer_stop(log->loop, &log->housekeeping_timer);
	os_timer_stop(log->loop, &log->scrub_timer);
	log_compaction_cancel(log);
	if (log->merge)
		log_merge_cancel(log);
	os_timer_stop(log->loop, &log->ring.prepare_timer);
	log_removal_cancel(log);
	log_checkpoint_cancel(log);
	log_checkpoint_free(log->checkpoint);
	log_checkpoint_free(log->checkpoint_released);
	log_digests_free(log);
	log_merge_abandon(log);
	log_compaction_abandon(log);
	log_scrub_abandon(log);
	log_read_abandon(log);
	log_retention_abandon(log);
	os_executor_free(log->commit_thread);
	os_executor_free(log->extent_threads);
	os_executor_free(log->read_threads);
	os_executor_free(log->background_thread);
	free_tables(log);
	log_ring_close(log);
	os_file_pool_free(log->files);
	log_indexes_free(log->indexes);
	base_buffer_unref(log->group.buffer);
	base_buffer_unref(log->group.small);
	free(log->group.extents);
	free(log->group.directory);
	free(log->cached);
	free(log);
}

static pyr_result open_log(struct log *log, struct pyr_error *error)
{
	PYR_TRY(start_threads(log));
	PYR_TRY(prepare_directory(log, error));
	PYR_TRY(begin_incarnation(log, error));
	PYR_TRY(log_recover(log, error));
	return pyr_result_of(log_partition_need(log, LOG_PARTITION_SYSTEM) ? PYR_OK : PYR_OUT_OF_MEMORY);
}

pyr_result log_open(struct os_loop *loop, struct os_disk *disk, const struct log_options *options,
                    const struct log_observer *observer, struct log **ret_log, struct pyr_error *error)
{
	struct log *log = log_new(loop, disk, options, observer);
	if (!log)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	if (error)
		error->code = PYR_OK;
	pyr_result result = open_log(log, error);
	if (result.code != PYR_OK) {
		log_free(log);
		if (error && error->code == PYR_OK)
			return pyr_fail(error, result.code, "the data directory can't be opened: %s",
			                pyr_code_text(result.code));
		return result;
	}
	os_timer_start(loop, &log->housekeeping_timer, HOUSEKEEPING_US);
	log->scrub_timer.fire = log_scrub_next;
	os_timer_start(loop, &log->scrub_timer, SCRUB_AFTER_US);
	log_ring_prepare(log);
	*ret_log = log;
	return pyr_ok();
}

void log_retune(struct log *log, const struct log_options *options)
{
	log->options.tail_cache_bytes = options->tail_cache_bytes;
	log->options.read_cache_bytes = options->read_cache_bytes;
	log->options.compaction_bytes = options->compaction_bytes;
	log->options.spare_bytes = options->spare_bytes;
	log->options.checkpoint_bytes = options->checkpoint_bytes;
}

/* ---- close ---- */

void log_job_begin(struct log *log)
{
	log->jobs += 1;
}

static void finish_close(struct os_task *task)
{
	struct log *log = BASE_CONTAINER(task, struct log, close_task);
	void (*closed)(void *context) = log->closed;
	void *context = log->closed_context;
	log_free(log);
	closed(context);
}

static void close_if_idle(struct log *log)
{
	bool busy = log->jobs > 0 || log->group_busy || (!log->stopped && !base_list_empty(&log->queue));
	if (!log->closing || busy || log->close_task.run)
		return;
	log->close_task.run = finish_close;
	os_loop_post(log->loop, &log->close_task);
}

void log_job_end(struct log *log)
{
	assert(log->jobs > 0);
	log->jobs -= 1;
	close_if_idle(log);
}

static void poll_close(struct os_timer *timer)
{
	struct log *log = BASE_CONTAINER(timer, struct log, housekeeping_timer);
	close_if_idle(log);
	if (!log->close_task.run)
		os_timer_start(log->loop, &log->housekeeping_timer, 1000);
}

void log_close(struct log *log, void (*closed)(void *context), void *context)
{
	assert(!log->closing);
	log->closing = true;
	log->closed = closed;
	log->closed_context = context;
	log_checkpoint_cancel(log);
	log_compaction_cancel(log);
	log_merge_cancel(log);
	log_removal_cancel(log);
	log->housekeeping_timer.fire = poll_close;
	os_timer_start(log->loop, &log->housekeeping_timer, 0);
}

void log_abandon(struct log *log)
{
	log->group_busy = false;
	log_stop(log);
	log_free(log);
}

struct log_metrics log_metrics_get(const struct log *log)
{
	struct log_metrics metrics = log->metrics;
	metrics.ring_files = log->ring.count;
	metrics.partitions = (uint32_t)log->partitions.count;
	return metrics;
}
