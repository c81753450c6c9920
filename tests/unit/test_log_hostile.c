/* The log in bad company, on the simulated disk: full disks, closing while others wait, damaged and missing files, lying
 * headers. Each test is a defect that was there once. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "log/log_priv.h"
#include "os/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PARTITION = 16,
	PARTITIONS = 20,
	WAITING_MAX = 2000,
	STEPS_MAX = 2000000,
	RING_FILE_BYTES = 256 << 10,
	SECOND_US = 1000000
};

struct appending {
	struct log_append append;
	bool done;
};

struct world {
	struct os_sim *sim;
	struct os_loop *loop;
	struct os_disk *disk;
	struct log *log;
	struct log_options options;
	struct appending appends[WAITING_MAX];
	size_t append_count;
	bool spread; /* appends go to all partitions in turn, so that no run is large enough for an extent */
	bool closed;
};

/* ---- the world ---- */

static pyr_result accept(void *context, struct base_bytes bytes)
{
	(void)context;
	(void)bytes;
	return pyr_ok();
}

static pyr_result take_snapshot(void *context, struct base_slice *ret_bytes)
{
	(void)context;
	*ret_bytes = (struct base_slice){0};
	return pyr_ok();
}

static const struct log_observer observer = {.restore = accept, .apply = accept, .snapshot = take_snapshot};

static enum pyr_code open_log(struct world *world)
{
	static const struct log_partition_config config = {
		.retention_ms = -1, .retention_bytes = -1, .segment_bytes = 1 << 20};
	struct pyr_error error = {0};
	enum pyr_code code = log_open(world->loop, world->disk, &world->options, &observer, &world->log, &error).code;
	if (code != PYR_OK)
		world->log = NULL;
	for (uint32_t i = 0; code == PYR_OK && i < PARTITIONS; i++)
		assert_int_equal(log_partition_create(world->log, PARTITION + i, &config).code, PYR_OK);
	return code;
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	assert_non_null(world);
	world->options = log_options_default();
	world->options.ring_file_bytes = RING_FILE_BYTES;
	world->options.checkpoint_bytes = 1 << 30;
	world->options.extent_min_bytes = 64 << 10;
	world->sim = os_sim_new(1);
	world->loop = os_sim_loop_new(world->sim);
	world->disk = os_sim_disk_new(world->sim);
	*state = world;
	return 0;
}

static void on_closed(void *context)
{
	((struct world *)context)->closed = true;
}

/* In bounded time, whatever waits. */
static void close_log(struct world *world)
{
	uint64_t deadline_us = os_sim_now_us(world->sim) + 10ull * SECOND_US;
	world->closed = false;
	log_close(world->log, on_closed, world);
	while (!world->closed && os_sim_now_us(world->sim) < deadline_us)
		assert_true(os_sim_step(world->sim));
	assert_true(world->closed);
	world->log = NULL;
}

static int tear_down(void **state)
{
	struct world *world = *state;
	if (world->log)
		close_log(world);
	os_sim_loop_kill(world->loop);
	os_sim_disk_free(world->disk);
	os_sim_free(world->sim);
	free(world);
	return 0;
}

static void wait_for(struct world *world, const bool *done)
{
	for (int i = 0; i < STEPS_MAX && !*done; i++)
		assert_true(os_sim_step(world->sim));
	assert_true(*done);
}

static void pass_time(struct world *world, uint64_t us)
{
	uint64_t until_us = os_sim_now_us(world->sim) + us;
	while (os_sim_now_us(world->sim) < until_us)
		assert_true(os_sim_step(world->sim));
}

/* ---- appending ---- */

static void on_append(struct log_append *append)
{
	((struct appending *)(void *)append)->done = true;
}

static struct base_slice make_batch(size_t value_bytes)
{
	struct codec_batch_builder builder;
	struct base_slice batch;
	uint8_t *value = calloc(1, value_bytes);
	assert_non_null(value);
	codec_batch_builder_init(&builder, CODEC_NONE, 64 << 20);
	codec_batch_builder_add(&builder, 1000, (struct base_bytes){NULL, 0}, (struct base_bytes){value, value_bytes},
	                        NULL, 0);
	assert_int_equal(codec_batch_builder_take(&builder, &batch).code, PYR_OK);
	codec_batch_builder_deinit(&builder);
	free(value);
	return batch;
}

static struct appending *append(struct world *world, size_t value_bytes)
{
	assert_true(world->append_count < WAITING_MAX);
	struct appending *appending = &world->appends[world->append_count++];
	*appending = (struct appending){.append = {.partition = PARTITION, .done = on_append}};
	if (world->spread)
		appending->append.partition += world->append_count % PARTITIONS;
	appending->append.batch = make_batch(value_bytes);
	appending->append.min_timestamp_ms = 1000;
	log_append(world->log, &appending->append);
	return appending;
}

static int64_t append_now(struct world *world, size_t value_bytes)
{
	struct appending *appending = append(world, value_bytes);
	wait_for(world, &appending->done);
	assert_int_equal(appending->append.result.code, PYR_OK);
	return appending->append.base_offset;
}

static size_t count_answers(const struct world *world, enum pyr_code code)
{
	size_t count = 0;
	for (size_t i = 0; i < world->append_count; i++)
		count += world->appends[i].done && world->appends[i].append.result.code == code;
	return count;
}

static void check_all_answered(const struct world *world)
{
	for (size_t i = 0; i < world->append_count; i++)
		assert_true(world->appends[i].done);
}

/* ---- reading ---- */

struct reading {
	struct log_read read;
	bool done;
};

static void on_read(struct log_read *read)
{
	((struct reading *)(void *)read)->done = true;
}

static enum pyr_code read_at(struct world *world, int64_t offset, size_t bytes_max, int64_t *ret_next)
{
	struct reading reading = {.read = {.partition = PARTITION, .offset = offset, .bytes_max = bytes_max}};
	reading.read.whole_batch_first = true;
	reading.read.done = on_read;
	if (!log_read(world->log, &reading.read))
		wait_for(world, &reading.done);
	*ret_next = offset;
	for (size_t i = 0; i < reading.read.slice_count; i++) {
		struct base_slice slice = reading.read.slices[i];
		for (size_t at = 0; at < slice.bytes;) {
			struct codec_batch batch;
			struct base_bytes bytes = {slice.data + at, slice.bytes - at};
			assert_int_equal(codec_batch_parse(bytes, &batch).code, PYR_OK);
			assert_int_equal(batch.base_offset, *ret_next);
			*ret_next = codec_batch_last_offset(&batch) + 1;
			at += batch.bytes;
		}
	}
	log_read_release(&reading.read);
	return reading.read.result.code;
}

static void check_readable(struct world *world, int64_t from, int64_t to)
{
	for (int64_t at = from, next; at < to; at = next) {
		assert_int_equal(read_at(world, at, 1 << 20, &next), PYR_OK);
		assert_true(next > at);
	}
}

static void seal(struct world *world)
{
	uint64_t before = log_metrics_get(world->log).checkpoints;
	log_checkpoint_start(world->log);
	for (int i = 0; i < STEPS_MAX && log_metrics_get(world->log).checkpoints == before; i++)
		assert_true(os_sim_step(world->sim));
	assert_int_equal(log_metrics_get(world->log).checkpoints, before + 1);
}

/* ---- full disks ---- */

static void waiting_appends_hear_of_a_full_disk(void **state)
{
	struct world *world = *state;
	assert_int_equal(open_log(world), PYR_OK);
	pass_time(world, SECOND_US); /* the next file is there, but not the one after it */
	os_sim_disk_faults(world->disk)->capacity_bytes = os_sim_disk_used_bytes(world->disk) + 1000;
	world->spread = true;
	for (int i = 0; i < 100; i++)
		append(world, 10000);
	pass_time(world, 5 * SECOND_US);
	check_all_answered(world);
	size_t written = count_answers(world, PYR_OK);
	assert_true(count_answers(world, PYR_DISK_FULL) > 0);
	assert_int_equal(written + count_answers(world, PYR_DISK_FULL), world->append_count);
	assert_false(log_metrics_get(world->log).stopped);

	os_sim_disk_faults(world->disk)->capacity_bytes = 0;
	pass_time(world, 5 * SECOND_US);
	world->spread = false;
	struct log_partition_info info;
	assert_int_equal(log_partition_get(world->log, PARTITION, &info).code, PYR_OK);
	assert_int_equal(append_now(world, 100), info.high_watermark); /* no offset was lost */
	check_readable(world, 0, info.high_watermark + 1);
	close_log(world);
	assert_int_equal(open_log(world), PYR_OK);
	check_readable(world, 0, info.high_watermark + 1);
}

static void a_large_run_on_a_full_disk_is_refused(void **state)
{
	struct world *world = *state;
	assert_int_equal(open_log(world), PYR_OK);
	pass_time(world, SECOND_US);
	append_now(world, 100);
	append_now(world, 100000);
	assert_true(log_metrics_get(world->log).extent_bytes > 0);
	uint64_t used = os_sim_disk_used_bytes(world->disk);
	os_sim_disk_faults(world->disk)->capacity_bytes = used + 5000;
	for (int i = 0; i < 30; i++)
		append(world, 100000 + (size_t)i);
	pass_time(world, 5 * SECOND_US);
	check_all_answered(world);
	assert_true(count_answers(world, PYR_DISK_FULL) > 0);
	assert_int_equal(count_answers(world, PYR_STOPPED), 0);
	assert_false(log_metrics_get(world->log).stopped);
	int64_t next = (int64_t)count_answers(world, PYR_OK);

	os_sim_disk_faults(world->disk)->capacity_bytes = 0;
	pass_time(world, 5 * SECOND_US);
	assert_int_equal(append_now(world, 100), next);
	assert_int_equal(append_now(world, 100000), next + 1);
	check_readable(world, 0, next + 2);
	seal(world);
	check_readable(world, 0, next + 2);
	close_log(world);
	assert_int_equal(open_log(world), PYR_OK);
	check_readable(world, 0, next + 2);
}

static void records_are_still_taken_on_a_full_disk(void **state)
{
	struct world *world = *state;
	assert_int_equal(open_log(world), PYR_OK);
	os_sim_disk_faults(world->disk)->capacity_bytes = os_sim_disk_used_bytes(world->disk) + 1000;
	for (int i = 0; i < 3; i++)
		append(world, 100);
	pass_time(world, 3 * SECOND_US);
	assert_int_equal(count_answers(world, PYR_OK), 3);
	struct appending *refused = append(world, 100);
	wait_for(world, &refused->done);
	assert_int_equal(refused->append.result.code, PYR_DISK_FULL);
	struct appending *deletion = &world->appends[world->append_count++];
	*deletion = (struct appending){.append = {.partition = PARTITION, .done = on_append}};
	log_delete_records(world->log, &deletion->append, 2);
	wait_for(world, &deletion->done);
	assert_int_equal(deletion->append.result.code, PYR_OK);
}

/* ---- closing ---- */

static void closing_waits_for_no_ring_file(void **state)
{
	struct world *world = *state;
	assert_int_equal(open_log(world), PYR_OK);
	world->spread = true;
	for (int i = 0; i < 200; i++)
		append(world, 10000);
	close_log(world);
	check_all_answered(world);
	assert_int_equal(count_answers(world, PYR_OK) + count_answers(world, PYR_STOPPED), 200);
}

static void closing_does_not_wait_for_a_full_disk(void **state)
{
	struct world *world = *state;
	assert_int_equal(open_log(world), PYR_OK);
	append_now(world, 100);
	os_sim_disk_faults(world->disk)->capacity_bytes = os_sim_disk_used_bytes(world->disk) + 1000;
	world->spread = true;
	for (int i = 0; i < 100; i++)
		append(world, 10000);
	close_log(world);
	check_all_answered(world);
}

/* ---- limits ---- */

static void a_record_too_large_for_the_ring_is_refused(void **state)
{
	struct world *world = *state;
	assert_int_equal(open_log(world), PYR_OK);
	struct appending record = {.append = {.done = on_append}};
	struct base_buffer *buffer = base_buffer_new(RING_FILE_BYTES);
	assert_non_null(buffer);
	memset(buffer->data, 0, RING_FILE_BYTES);
	record.append.batch = base_slice_of(buffer, 0, RING_FILE_BYTES);
	base_buffer_unref(buffer);
	log_append_record(world->log, &record.append);
	pass_time(world, 3 * SECOND_US);
	assert_true(record.done);
	assert_int_equal(record.append.result.code, PYR_TOO_LARGE);
	append_now(world, 100);
}

static void much_damage_is_remembered(void **state)
{
	struct world *world = *state;
	assert_int_equal(open_log(world), PYR_OK);
	append_now(world, 100);
	struct log_partition *partition = log_partition_find(world->log, PARTITION);
	for (int64_t i = 0; i < 70000; i++)
		assert_int_equal(log_partition_damage(partition, 10 + 2 * i, 11 + 2 * i).code, PYR_OK);
	seal(world);
	close_log(world);
	assert_int_equal(open_log(world), PYR_OK);
	struct log_partition_info info;
	assert_int_equal(log_partition_get(world->log, PARTITION, &info).code, PYR_OK);
	assert_true(info.read_only);
	int64_t next;
	assert_int_equal(read_at(world, 0, 1000, &next), PYR_OK);
	assert_int_equal(read_at(world, 10 + 2 * 69999, 1000, &next), PYR_CORRUPT);
}

/* ---- damaged and missing files ---- */

static void what_lies_before_a_damaged_batch_is_read(void **state)
{
	struct world *world = *state;
	int64_t next;
	world->options.tail_cache_bytes = 1;
	assert_int_equal(open_log(world), PYR_OK);
	for (int i = 0; i < 3; i++)
		append_now(world, 1000);
	const struct log_tail_entry *entry = log_tail_at(&log_partition_find(world->log, PARTITION)->tail, 1);
	assert_true(os_sim_disk_flip(world->disk, entry->file->path, entry->position + 500, 3));
	assert_int_equal(read_at(world, 0, 100000, &next), PYR_OK);
	assert_int_equal(next, 1);
	assert_int_equal(read_at(world, 1, 100000, &next), PYR_CORRUPT);
	assert_int_equal(read_at(world, 2, 100000, &next), PYR_OK);
}

static void what_lies_before_a_damaged_block_is_read(void **state)
{
	struct world *world = *state;
	int64_t next;
	assert_int_equal(open_log(world), PYR_OK);
	for (int i = 0; i < 3; i++)
		append_now(world, 50000); /* a block each */
	seal(world);
	const struct log_part *part = &log_partition_find(world->log, PARTITION)->parts[0];
	assert_int_equal(part->block_count, 3);
	char path[OS_POOL_PATH_MAX];
	log_segment_path(part->segment_id, path);
	assert_true(os_sim_disk_flip(world->disk, path, LOG_SEGMENT_HEADER_BYTES + 75000, 3));
	assert_int_equal(read_at(world, 0, 1 << 20, &next), PYR_OK);
	assert_int_equal(next, 1);
	assert_int_equal(read_at(world, 1, 1 << 20, &next), PYR_CORRUPT);
	assert_int_equal(read_at(world, 2, 1 << 20, &next), PYR_OK);
}

/* The file of the partition's first part is damaged everywhere: only memory can answer now. */
static void damage_first_part(struct world *world)
{
	const struct log_part *part = &log_partition_find(world->log, PARTITION)->parts[0];
	char path[OS_POOL_PATH_MAX];
	log_segment_path(part->segment_id, path);
	for (uint32_t i = 0; i < part->block_count; i++)
		assert_true(os_sim_disk_flip(world->disk, path, LOG_SEGMENT_HEADER_BYTES + 25000 + i * 50000, 3));
}

static void what_was_verified_is_read_from_memory(void **state)
{
	struct world *world = *state;
	int64_t next;
	assert_int_equal(open_log(world), PYR_OK);
	for (int i = 0; i < 3; i++)
		append_now(world, 50000); /* a block each */
	seal(world);
	check_readable(world, 0, 3);
	damage_first_part(world);
	struct log_metrics before = log_metrics_get(world->log);
	assert_int_equal(read_at(world, 0, 1 << 20, &next), PYR_OK);
	assert_int_equal(next, 3);
	assert_int_equal(read_at(world, 1, 60000, &next), PYR_OK);
	assert_int_equal(next, 2);
	assert_int_equal(log_metrics_get(world->log).cold_reads, before.cold_reads);
	log_partition_delete(world->log, PARTITION);
	assert_int_equal(log_metrics_get(world->log).read_cache_bytes, 0);
}

static void the_least_recently_read_leaves_memory(void **state)
{
	struct world *world = *state;
	int64_t next;
	world->options.read_cache_bytes = 120000; /* two blocks */
	assert_int_equal(open_log(world), PYR_OK);
	for (int i = 0; i < 3; i++)
		append_now(world, 50000);
	seal(world);
	assert_int_equal(read_at(world, 0, 50000, &next), PYR_OK);
	assert_int_equal(read_at(world, 1, 50000, &next), PYR_OK);
	assert_int_equal(read_at(world, 0, 50000, &next), PYR_OK);
	assert_int_equal(read_at(world, 2, 50000, &next), PYR_OK);
	assert_true(log_metrics_get(world->log).read_cache_bytes <= 120000);
	damage_first_part(world);
	assert_int_equal(read_at(world, 0, 50000, &next), PYR_OK);
	assert_int_equal(read_at(world, 1, 50000, &next), PYR_CORRUPT);
	assert_int_equal(read_at(world, 2, 50000, &next), PYR_OK);
}

static void a_count_beyond_the_file_takes_no_memory(void **state)
{
	struct world *world = *state;
	assert_int_equal(open_log(world), PYR_OK);
	append_now(world, 1000);
	seal(world);
	const struct log_part *part = &log_partition_find(world->log, PARTITION)->parts[0];
	struct os_pool_file *file = &log_segment_find(world->log, part->segment_id)->file;
	struct log_part lying = *part;
	struct log_block *blocks = NULL, block = {.position = LOG_SEGMENT_HEADER_BYTES, .bytes = UINT32_MAX};
	struct base_slice bytes;
	lying.block_count = UINT32_MAX; /* 400 GB of blocks */
	assert_int_equal(log_segment_read_index(file, &lying, &blocks).code, PYR_CORRUPT);
	assert_int_equal(log_segment_read_blocks(file, &block, 1, &bytes).code, PYR_CORRUPT);
	block.position = UINT64_MAX - 10;
	assert_int_equal(log_segment_read_blocks(file, &block, 1, &bytes).code, PYR_CORRUPT);
}

static void find_name(void *context, const char *name)
{
	strcpy(context, name);
}

static void count_name(void *context, const char *name)
{
	(void)name;
	*(size_t *)context += 1;
}

static void a_lost_manifest_deletes_nothing(void **state)
{
	struct world *world = *state;
	char name[OS_POOL_PATH_MAX] = "", path[2 * OS_POOL_PATH_MAX];
	size_t before = 0, after = 0;
	assert_int_equal(open_log(world), PYR_OK);
	for (int i = 0; i < 80; i++)
		append_now(world, 12500);
	seal(world);
	for (int i = 0; i < 80; i++) /* the first ring file is used again */
		append_now(world, 12500);
	close_log(world);
	assert_int_equal(os_directory_list(world->disk, "segments", count_name, &before).code, PYR_OK);
	assert_int_equal(os_directory_list(world->disk, "manifest", find_name, name).code, PYR_OK);
	snprintf(path, sizeof path, "manifest/%s", name);
	assert_int_equal(os_file_remove(world->disk, path).code, PYR_OK);
	assert_int_equal(open_log(world), PYR_CORRUPT);
	assert_int_equal(os_directory_list(world->disk, "segments", count_name, &after).code, PYR_OK);
	assert_int_equal(before, after);
}

static void large_batches_are_sealed_from_their_digests(void **state)
{
	struct world *world = *state;
	enum { BURSTS = 4, BATCHES = 3, BYTES = 40001 };
	assert_int_equal(open_log(world), PYR_OK);
	for (int i = 0; i < BURSTS; i++) {
		for (int k = 0; k < BATCHES; k++)
			append(world, BYTES + (size_t)i);
		pass_time(world, SECOND_US / 10);
		seal(world);
	}
	assert_int_equal(count_answers(world, PYR_OK), BURSTS * BATCHES);
	assert_true(log_metrics_get(world->log).extent_bytes > 0);
	check_readable(world, 0, BURSTS * BATCHES);
	close_log(world);
	assert_int_equal(open_log(world), PYR_OK);
	check_readable(world, 0, BURSTS * BATCHES);
	assert_int_equal(log_metrics_get(world->log).corrupt_reads, 0);
}

/* ---- a call that fails, at any place of sealing and merging, and then a crash ---- */

static void crash_and_reopen(struct world *world)
{
	os_sim_loop_kill(world->loop);
	log_abandon(world->log);
	os_sim_disk_crash(world->disk);
	world->loop = os_sim_loop_new(world->sim);
	assert_int_equal(open_log(world), PYR_OK);
}

static void kill_and_reopen(struct world *world)
{
	os_sim_loop_kill(world->loop);
	log_abandon(world->log);
	os_sim_disk_kill(world->disk);
	world->loop = os_sim_loop_new(world->sim);
	assert_int_equal(open_log(world), PYR_OK);
}

static void begin_seal(struct world *world)
{
	while (world->log->group_busy)
		assert_true(os_sim_step(world->sim));
	if (!log_metrics_get(world->log).stopped)
		log_checkpoint_start(world->log);
}

/* With manual commit a checkpoint may seal the first batches of a run and leave the others for later. */
static void a_run_committed_in_part_is_whole_after_a_restart(void **state)
{
	static const struct log_partition_config manual = {
		.retention_ms = -1, .retention_bytes = -1, .segment_bytes = 1 << 20, .manual_commit = true};
	struct world *world = *state;
	enum { BATCHES = 4, COMMITTED = 2, BYTES = 40000 };
	assert_int_equal(open_log(world), PYR_OK);
	log_partition_configure(world->log, PARTITION, &manual);
	for (int i = 0; i < BATCHES; i++)
		append(world, BYTES);
	pass_time(world, SECOND_US / 10);
	assert_int_equal(count_answers(world, PYR_OK), BATCHES);
	assert_true(log_metrics_get(world->log).extent_bytes > 0);
	log_partition_commit(world->log, PARTITION, COMMITTED);
	seal(world);
	for (int round = 0; round < 3; round++) {
		kill_and_reopen(world);
		log_partition_configure(world->log, PARTITION, &manual);
		log_partition_commit(world->log, PARTITION, BATCHES + round);
		check_readable(world, 0, BATCHES + round);
		assert_int_equal(append_now(world, 100), BATCHES + round);
		log_partition_commit(world->log, PARTITION, BATCHES + round + 1);
		seal(world);
		check_readable(world, 0, BATCHES + round + 1);
	}
}

/* Seals after every append, until segments are merged; false: the log could not even be opened. */
static bool seal_and_merge(struct world *world)
{
	enum { SEALS = 10 };
	if (open_log(world) != PYR_OK)
		return false;
	for (int i = 0; i < SEALS; i++) {
		append(world, 1000);
		pass_time(world, SECOND_US / 50);
		begin_seal(world);
		pass_time(world, SECOND_US / 50);
	}
	pass_time(world, SECOND_US / 10);
	return true;
}

static void check_acknowledged(struct world *world)
{
	int64_t end = 0;
	for (size_t i = 0; i < world->append_count; i++)
		if (world->appends[i].done && world->appends[i].append.result.code == PYR_OK)
			end = world->appends[i].append.base_offset + 1;
	check_readable(world, 0, end);
}

static void fail_and_crash(uint64_t seed, uint64_t call, bool sync)
{
	void *state;
	set_up(&state);
	struct world *world = state;
	os_sim_free(world->sim);
	world->sim = os_sim_new(seed);
	world->loop = os_sim_loop_new(world->sim);
	os_sim_disk_free(world->disk);
	world->disk = os_sim_disk_new(world->sim);
	world->options.ring_file_bytes = 64 << 10;
	world->options.extent_min_bytes = 16 << 10;
	if (sync)
		os_sim_disk_faults(world->disk)->fail_sync_at = call;
	else
		os_sim_disk_faults(world->disk)->fail_at_call = call;
	if (seal_and_merge(world)) {
		crash_and_reopen(world);
		check_acknowledged(world);
	}
	tear_down(&state);
}

static void a_call_that_fails_loses_nothing(void **state)
{
	(void)state;
	for (uint64_t call = 1; call < 500; call++)
		fail_and_crash(call, call, false);
}

static void a_sync_that_fails_loses_nothing(void **state)
{
	(void)state;
	for (uint64_t call = 1; call < 120; call++)
		for (uint64_t seed = 0; seed < 3; seed++)
			fail_and_crash(3 * call + seed, call, true);
}

/* A ring file whose header is on the disk though its sync failed is never used: the log goes on in another one. */
static void fail_making_ring_files(uint64_t call)
{
	enum { BATCHES = 80, SEAL_AT = 40 };
	void *state;
	set_up(&state);
	struct world *world = state;
	world->options.ring_file_bytes = 64 << 10;
	world->options.extent_min_bytes = 16 << 10;
	os_sim_disk_faults(world->disk)->fail_at_call = call;
	if (open_log(world) == PYR_OK) {
		for (int i = 0; i < BATCHES; i++) {
			append(world, 12000);
			pass_time(world, SECOND_US / 100);
			if (i == SEAL_AT)
				begin_seal(world); /* then there are files to be used again */
		}
		kill_and_reopen(world);
		check_acknowledged(world);
		append_now(world, 100);
	}
	tear_down(&state);
}

static void a_ring_file_not_made_ready_is_passed_over(void **state)
{
	(void)state;
	for (uint64_t call = 1; call < 500; call++)
		fail_making_ring_files(call);
}

/* Groups that nobody waited for, a manifest, a sync that fails: what it dropped is in the page cache until the machine
 * dies, and by then the log has gone on behind it. */
static void fail_sync_behind_a_manifest(uint64_t sync)
{
	static const struct log_partition_config weak = {
		.durability = LOG_DURABILITY_OS, .retention_ms = -1, .retention_bytes = -1, .segment_bytes = 1 << 20};
	void *state;
	set_up(&state);
	struct world *world = state;
	os_sim_disk_faults(world->disk)->fail_sync_at = sync;
	if (open_log(world) == PYR_OK) {
		log_partition_configure(world->log, PARTITION, &weak);
		for (int i = 0; i < 8; i++) {
			append(world, 100);
			pass_time(world, SECOND_US / 100);
			if (i == 4)
				begin_seal(world);
		}
		struct appending *synced = &world->appends[world->append_count++];
		*synced = (struct appending){.append = {.partition = PARTITION + 1, .done = on_append}};
		synced->append.batch = make_batch(100);
		log_append(world->log, &synced->append);
		wait_for(world, &synced->done);
		kill_and_reopen(world);
		append_now(world, 100);
		crash_and_reopen(world);
		append_now(world, 100);
	}
	tear_down(&state);
}

static void a_manifest_waits_for_the_ring(void **state)
{
	(void)state;
	for (uint64_t sync = 1; sync < 40; sync++)
		fail_sync_behind_a_manifest(sync);
}

/* ---- lying headers ---- */

static void on_time(struct log_time_query *query)
{
	query->timestamp_ms = -1;
}

static void a_lying_time_stamp_is_searched_in_turns(void **state)
{
	struct world *world = *state;
	enum { BATCHES = 20 * LOG_READ_SLICES_MAX, MAX_TIMESTAMP_AT = 35 };
	assert_int_equal(open_log(world), PYR_OK);
	for (int i = 0; i < BATCHES; i++) {
		struct appending *appending = &world->appends[i];
		*appending = (struct appending){.append = {.partition = PARTITION, .done = on_append}};
		appending->append.batch = make_batch(10);
		base_store_u64be((uint8_t *)(uintptr_t)appending->append.batch.data + MAX_TIMESTAMP_AT, 1u << 30);
		appending->append.min_timestamp_ms = 1000;
		log_append(world->log, &appending->append);
	}
	wait_for(world, &world->appends[BATCHES - 1].done);
	pass_time(world, SECOND_US);
	struct log_time_query query = {.partition = PARTITION, .timestamp_ms = 5000, .done = on_time};
	int steps = 0;
	log_time_find(world->log, &query);
	for (; steps < STEPS_MAX && query.timestamp_ms != -1; steps++)
		assert_true(os_sim_step(world->sim));
	assert_true(steps >= 20);
	assert_int_equal(query.result.code, PYR_OK);
	assert_int_equal(query.found_offset, -1);
}

/* ---- the pool of open files ---- */

static struct os_pool_file *pool_files;
static size_t pool_depth;

/* A disk whose reads read the next file of the pool, as threads do that read at the same time. */
struct nested_disk {
	struct os_disk base;
	unsigned open;
	unsigned open_max;
};

static pyr_result nested_open(struct os_disk *disk, const char *path, unsigned flags, struct os_file **ret_file)
{
	(void)path;
	(void)flags;
	struct nested_disk *nested = (struct nested_disk *)disk;
	*ret_file = calloc(1, sizeof **ret_file);
	assert_non_null(*ret_file);
	(*ret_file)->disk = disk;
	nested->open += 1;
	return pyr_ok();
}

static void nested_close(struct os_file *file)
{
	((struct nested_disk *)file->disk)->open -= 1;
	free(file);
}

static pyr_result nested_read(struct os_file *file, uint64_t position, void *ret_bytes, size_t bytes, size_t *ret_read)
{
	(void)file;
	(void)position;
	memset(ret_bytes, 0, bytes);
	*ret_read = bytes;
	uint8_t byte;
	return pool_depth > 0 ? os_pool_file_read(&pool_files[--pool_depth], 0, &byte, 1) : pyr_ok();
}

static void files_beyond_the_limit_are_closed_again(void **state)
{
	struct world *world = *state;
	static const struct os_disk_ops ops = {.open = nested_open, .close = nested_close, .read = nested_read};
	struct nested_disk disk = {.base = {.ops = &ops}};
	struct os_pool_file files[5];
	struct os_file_pool *pool = os_file_pool_new(world->loop, &disk.base, 1);
	uint8_t byte;
	assert_non_null(pool);
	for (size_t i = 0; i < 5; i++)
		os_pool_file_init(&files[i], pool, "f", NULL, NULL);
	pool_files = files;
	pool_depth = 4;
	assert_int_equal(os_pool_file_read(&files[4], 0, &byte, 1).code, PYR_OK);
	assert_int_equal(os_file_pool_open_count(pool), 1);
	assert_int_equal(disk.open, 1);
	for (size_t i = 0; i < 5; i++)
		os_pool_file_deinit(&files[i]);
	assert_int_equal(disk.open, 0);
	os_file_pool_free(pool);
}

int main(void)
{
#define HOSTILE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		HOSTILE(waiting_appends_hear_of_a_full_disk),
		HOSTILE(a_large_run_on_a_full_disk_is_refused),
		HOSTILE(records_are_still_taken_on_a_full_disk),
		HOSTILE(closing_waits_for_no_ring_file),
		HOSTILE(closing_does_not_wait_for_a_full_disk),
		HOSTILE(a_record_too_large_for_the_ring_is_refused),
		HOSTILE(much_damage_is_remembered),
		HOSTILE(what_lies_before_a_damaged_batch_is_read),
		HOSTILE(what_lies_before_a_damaged_block_is_read),
		HOSTILE(what_was_verified_is_read_from_memory),
		HOSTILE(the_least_recently_read_leaves_memory),
		HOSTILE(a_count_beyond_the_file_takes_no_memory),
		HOSTILE(a_lost_manifest_deletes_nothing),
		cmocka_unit_test(a_call_that_fails_loses_nothing),
		HOSTILE(large_batches_are_sealed_from_their_digests),
		HOSTILE(a_run_committed_in_part_is_whole_after_a_restart),
		cmocka_unit_test(a_sync_that_fails_loses_nothing),
		cmocka_unit_test(a_ring_file_not_made_ready_is_passed_over),
		cmocka_unit_test(a_manifest_waits_for_the_ring),
		HOSTILE(a_lying_time_stamp_is_searched_in_turns),
		HOSTILE(files_beyond_the_limit_are_closed_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
