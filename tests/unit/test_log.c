/* What log/log.h promises, on the simulated disk with small limits: truncation, durabilities, retention, deletion, search by
 * time, extents, scrubbing, merging. tests/sim does all of it at once and at random; here each promise stands alone. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "codec/batch.h"
#include "log/log.h"
#include "log/snapshot.h"
#include "os/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTITION = 16, STEPS_MAX = 2000000, SECOND_US = 1000000, PRODUCER = 77, BURST_MAX = 64 };

struct world {
	struct os_sim *sim;
	struct os_loop *loop;
	struct os_disk *disk;
	struct log *log;
	struct log_options options;
	struct log_partition_config config;
	bool closed;
};

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

static void open_log(struct world *world)
{
	static const struct log_observer observer = {.restore = accept, .apply = accept, .snapshot = take_snapshot};
	struct pyr_error error = {0};
	world->loop = os_sim_loop_new(world->sim);
	if (log_open(world->loop, world->disk, &world->options, &observer, &world->log, &error).code != PYR_OK)
		fail_msg("%s", error.text);
	assert_int_equal(log_partition_create(world->log, PARTITION, &world->config).code, PYR_OK);
}

static void die(struct world *world)
{
	os_sim_loop_kill(world->loop);
	log_abandon(world->log);
}

static void crash(struct world *world)
{
	die(world);
	os_sim_disk_crash(world->disk);
	open_log(world);
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	assert_non_null(world);
	world->options = log_options_default();
	world->options.ring_file_bytes = 256 << 10;
	world->options.checkpoint_bytes = 100000;
	world->options.extent_min_bytes = 64 << 10;
	world->config =
		(struct log_partition_config){.retention_ms = -1, .retention_bytes = -1, .segment_bytes = 1 << 20};
	world->sim = os_sim_new(1);
	world->disk = os_sim_disk_new(world->sim);
	open_log(world);
	*state = world;
	return 0;
}

static void on_closed(void *context)
{
	((struct world *)context)->closed = true;
}

static void wait_for(struct world *world, const bool *done)
{
	for (int i = 0; i < STEPS_MAX && !*done; i++)
		assert_true(os_sim_step(world->sim));
	assert_true(*done);
}

static int tear_down(void **state)
{
	struct world *world = *state;
	log_close(world->log, on_closed, world);
	wait_for(world, &world->closed);
	os_sim_loop_kill(world->loop);
	os_sim_disk_free(world->disk);
	os_sim_free(world->sim);
	free(world);
	return 0;
}

static void pass_time(struct world *world, uint64_t us)
{
	uint64_t until = os_sim_now_us(world->sim) + us;
	while (os_sim_now_us(world->sim) < until && os_sim_step(world->sim))
		;
}

/* ---- appending and reading ---- */

struct appending {
	struct log_append append;
	bool done;
};

static void on_append(struct log_append *append)
{
	((struct appending *)(void *)append)->done = true;
}

/* One record: `bytes` of the letter, at that time. sequence -1: not idempotent. */
static struct base_slice make_batch(char letter, size_t bytes, int64_t timestamp_ms, int32_t sequence)
{
	struct codec_batch_builder builder;
	struct base_slice batch;
	uint8_t *value = malloc(bytes);
	assert_non_null(value);
	memset(value, letter, bytes);
	codec_batch_builder_init(&builder, CODEC_NONE, 1 << 22);
	if (sequence >= 0) {
		builder.producer_id = PRODUCER;
		builder.producer_epoch = 0;
		builder.base_sequence = sequence;
	}
	codec_batch_builder_add(&builder, timestamp_ms, (struct base_bytes){0}, (struct base_bytes){value, bytes}, NULL,
	                        0);
	assert_int_equal(codec_batch_builder_take(&builder, &batch).code, PYR_OK);
	codec_batch_builder_deinit(&builder);
	free(value);
	return batch;
}

static void begin_append(struct world *world, struct appending *appending, struct base_slice batch,
                         int64_t timestamp_ms)
{
	*appending = (struct appending){.append = {.partition = PARTITION, .batch = batch, .done = on_append}};
	appending->append.min_timestamp_ms = timestamp_ms;
	log_append(world->log, &appending->append);
}

/* The offset it got. */
static int64_t append(struct world *world, char letter, size_t bytes, int64_t timestamp_ms, int32_t sequence)
{
	struct appending appending;
	begin_append(world, &appending, make_batch(letter, bytes, timestamp_ms, sequence), timestamp_ms);
	wait_for(world, &appending.done);
	assert_int_equal(appending.append.result.code, PYR_OK);
	return appending.append.base_offset;
}

static struct log_partition_info info_of(struct world *world)
{
	struct log_partition_info info;
	assert_int_equal(log_partition_get(world->log, PARTITION, &info).code, PYR_OK);
	return info;
}

struct reading {
	struct log_read read;
	bool done;
};

static void on_read(struct log_read *read)
{
	((struct reading *)(void *)read)->done = true;
}

static enum pyr_code read_at(struct world *world, int64_t offset, struct reading *ret_reading)
{
	*ret_reading = (struct reading){.read = {.partition = PARTITION, .offset = offset, .bytes_max = 100000}};
	ret_reading->read.whole_batch_first = true;
	ret_reading->read.done = on_read;
	if (!log_read(world->log, &ret_reading->read))
		wait_for(world, &ret_reading->done);
	return ret_reading->read.result.code;
}

/* The first letter of each record from `offset` to the high watermark, which must all be there. */
static size_t read_letters(struct world *world, int64_t offset, char *ret_letters, size_t letters_max)
{
	size_t count = 0;
	int64_t end = info_of(world).high_watermark;
	while (offset < end) {
		struct reading reading;
		assert_int_equal(read_at(world, offset, &reading), PYR_OK);
		assert_true(reading.read.slice_count > 0);
		for (size_t i = 0; i < reading.read.slice_count; i++)
			for (size_t at = 0; at < reading.read.slices[i].bytes;) {
				struct base_slice slice = reading.read.slices[i];
				struct codec_batch batch;
				assert_int_equal(codec_batch_check(
							 (struct base_bytes){slice.data + at, slice.bytes - at}, &batch)
				                         .code,
				                 PYR_OK);
				assert_int_equal(batch.base_offset, offset);
				assert_true(count < letters_max);
				ret_letters[count++] =
					(char)slice.data[at + batch.bytes - 2]; /* behind it: no headers */
				offset += batch.last_offset_delta + 1;
				at += batch.bytes;
			}
		log_read_release(&reading.read);
	}
	return count;
}

static void check_letters(struct world *world, int64_t offset, const char *expected)
{
	char letters[64] = {0};
	assert_int_equal(read_letters(world, offset, letters, sizeof letters - 1), strlen(expected));
	assert_string_equal(letters, expected);
}

/* ---- replication's part: commit index and truncation ---- */

static void manual(struct world *world)
{
	world->config.manual_commit = true;
	log_partition_configure(world->log, PARTITION, &world->config);
}

static void what_is_not_committed_is_not_read(void **state)
{
	struct world *world = *state;
	struct reading reading;
	manual(world);
	for (int i = 0; i < 4; i++)
		append(world, (char)('a' + i), 100, 1000, -1);
	assert_true(info_of(world).high_watermark == 0 && info_of(world).log_end_offset == 4);
	assert_int_equal(read_at(world, 0, &reading), PYR_OK);
	assert_int_equal(reading.read.slice_count, 0);
	log_partition_commit(world->log, PARTITION, 2);
	check_letters(world, 0, "ab");
	log_partition_commit(world->log, PARTITION, 1); /* never back */
	log_partition_commit(world->log, PARTITION, 100); /* nor beyond what is durable */
	check_letters(world, 0, "abcd");
}

static void a_truncated_suffix_is_replaced_for_good(void **state)
{
	struct world *world = *state;
	manual(world);
	for (int i = 0; i < 5; i++)
		append(world, (char)('a' + i), 100, 1000, i);
	log_partition_commit(world->log, PARTITION, 3);
	assert_int_equal(log_truncate(world->log, PARTITION, 2).code, PYR_OFFSET_OUT_OF_RANGE);
	assert_int_equal(log_truncate(world->log, PARTITION + 1, 2).code, PYR_UNKNOWN_PARTITION);
	assert_int_equal(log_truncate(world->log, PARTITION, 3).code, PYR_OK);
	assert_int_equal(info_of(world).log_end_offset, 3);
	/* The producer's sequence went back with it: 3 is new again, and then known. */
	assert_int_equal(append(world, 'X', 100, 1000, 3), 3);
	assert_int_equal(append(world, 'X', 100, 1000, 3), 3);
	assert_int_equal(info_of(world).log_end_offset, 4);
	crash(world);
	assert_int_equal(info_of(world).log_end_offset, 4);
	assert_int_equal(append(world, 'X', 100, 1000, 3), 3);
	assert_int_equal(append(world, 'Y', 100, 1000, 4), 4);
	log_partition_commit(world->log, PARTITION, 5);
	check_letters(world, 0, "abcXY");
}

static void a_truncation_of_what_is_under_way_answers_it(void **state)
{
	struct world *world = *state;
	struct appending waiting;
	manual(world);
	append(world, 'a', 100, 1000, -1);
	begin_append(world, &waiting, make_batch('b', 100, 1000, -1), 1000);
	assert_int_equal(log_truncate(world->log, PARTITION, 1).code, PYR_OK);
	wait_for(world, &waiting.done);
	assert_int_equal(waiting.append.result.code, PYR_NOT_LEADER);
	assert_int_equal(append(world, 'c', 100, 1000, -1), 1);
	crash(world);
	log_partition_commit(world->log, PARTITION, 2);
	check_letters(world, 0, "ac");
}

/* ---- durabilities ---- */

static void an_interval_later_it_is_durable(void **state)
{
	struct world *world = *state;
	world->config.durability = LOG_DURABILITY_INTERVAL;
	log_partition_configure(world->log, PARTITION, &world->config);
	for (int i = 0; i < 30; i++) {
		assert_int_equal(append(world, 'a', 100, 1000, -1), i);
		pass_time(world, 3ull * world->options.sync_interval_ms * 1000);
		crash(world);
		assert_int_equal(info_of(world).high_watermark, i + 1);
	}
}

/* While a group is always under way, too. */
static void under_load_an_interval_later_it_is_durable(void **state)
{
	struct world *world = *state;
	struct appending two[2];
	int64_t acknowledged = 0;
	world->options.checkpoint_bytes = world->options.backlog_bytes = 1 << 30; /* a checkpoint would sync, */
	world->options.ring_file_bytes = 16 << 20; /* and so would the end of a file */
	world->options.sync_interval_ms = 20;
	crash(world);
	world->config.durability = LOG_DURABILITY_INTERVAL;
	log_partition_configure(world->log, PARTITION, &world->config);
	uint64_t interval_us = (uint64_t)world->options.sync_interval_ms * 1000;
	uint64_t now_us = os_sim_now_us(world->sim), until_us = now_us + 6 * interval_us;
	begin_append(world, &two[0], make_batch('a', 100, 1000, -1), 1000);
	for (int i = 1; (now_us = os_sim_now_us(world->sim)) < until_us; i++) {
		begin_append(world, &two[i % 2], make_batch('a', 100, 1000, -1), 1000);
		wait_for(world, &two[(i + 1) % 2].done);
		if (now_us < until_us - 3 * interval_us)
			acknowledged = two[(i + 1) % 2].append.base_offset;
	}
	crash(world);
	assert_in_range(acknowledged, 1, INT64_MAX);
	assert_true(info_of(world).high_watermark > acknowledged);
}

static void without_a_sync_the_machine_may_lose_it_the_process_may_not(void **state)
{
	struct world *world = *state;
	int64_t lost = 0;
	world->config.durability = LOG_DURABILITY_OS;
	log_partition_configure(world->log, PARTITION, &world->config);
	for (int i = 0; i < 30; i++) {
		int64_t offset = append(world, 'a', 100, 1000, -1);
		if (i % 2) {
			die(world);
			os_sim_disk_kill(world->disk);
			open_log(world);
			assert_int_equal(info_of(world).high_watermark, offset + 1);
		} else {
			crash(world);
			lost += info_of(world).high_watermark <= offset;
		}
	}
	assert_true(lost > 0); /* or it was synced after all */
}

/* ---- what goes ---- */

static void what_is_too_old_goes(void **state)
{
	struct world *world = *state;
	int64_t now_ms = os_wall_ms(world->loop), hour_ms = 3600000;
	struct reading reading;
	for (int i = 0; i < 60; i++)
		append(world, 'o', 2000, now_ms - 2 * hour_ms, -1);
	for (int i = 0; i < 60; i++)
		append(world, 'n', 2000, now_ms, -1);
	world->config.retention_ms = hour_ms;
	log_partition_configure(world->log, PARTITION, &world->config);
	pass_time(world, 30 * SECOND_US);
	int64_t start = info_of(world).log_start_offset;
	assert_in_range(start, 20, 60); /* whole parts */
	assert_int_equal(read_at(world, start - 1, &reading), PYR_OFFSET_OUT_OF_RANGE);
	crash(world);
	assert_int_equal(info_of(world).log_start_offset, start);
	char letters[120];
	assert_int_equal(read_letters(world, start, letters, sizeof letters), 120 - start);
}

static void what_is_too_much_goes(void **state)
{
	struct world *world = *state;
	for (int i = 0; i < 400; i++)
		append(world, 'a', 2000, 1000, -1);
	pass_time(world, SECOND_US);
	assert_true(info_of(world).bytes > 700000);
	world->config.retention_bytes = 300000;
	log_partition_configure(world->log, PARTITION, &world->config);
	pass_time(world, 30 * SECOND_US);
	/* A part goes when the rest is still enough: at most one part more than the limit, and never less. */
	assert_in_range(info_of(world).bytes, 300000, 600000);
	assert_true(info_of(world).log_start_offset > 0);
}

static enum pyr_code delete_until(struct world *world, int64_t offset, int64_t *ret_start)
{
	struct appending deletion = {.append = {.partition = PARTITION, .done = on_append}};
	log_delete_records(world->log, &deletion.append, offset);
	wait_for(world, &deletion.done);
	*ret_start = deletion.append.log_start_offset;
	return deletion.append.result.code;
}

static void deleted_records_stay_deleted(void **state)
{
	struct world *world = *state;
	struct reading reading;
	int64_t start;
	for (int i = 0; i < 5; i++)
		append(world, (char)('a' + i), 100, 1000, -1);
	assert_int_equal(delete_until(world, 6, &start), PYR_OFFSET_OUT_OF_RANGE);
	assert_int_equal(delete_until(world, 2, &start), PYR_OK);
	assert_int_equal(start, 2);
	assert_int_equal(delete_until(world, 1, &start), PYR_OK); /* never back */
	assert_int_equal(info_of(world).log_start_offset, 2);
	crash(world);
	assert_int_equal(read_at(world, 1, &reading), PYR_OFFSET_OUT_OF_RANGE);
	check_letters(world, 2, "cde");
	assert_int_equal(delete_until(world, -1, &start), PYR_OK);
	assert_int_equal(start, 5);
	crash(world);
	assert_true(info_of(world).log_start_offset == 5 && info_of(world).high_watermark == 5);
	assert_int_equal(append(world, 'f', 100, 1000, -1), 5);
	check_letters(world, 5, "f");
}

/* ---- search ---- */

struct searching {
	struct log_time_query query;
	bool done;
};

static void on_found(struct log_time_query *query)
{
	((struct searching *)(void *)query)->done = true;
}

static int64_t find_time(struct world *world, int64_t timestamp_ms)
{
	struct searching searching = {
		.query = {.partition = PARTITION, .timestamp_ms = timestamp_ms, .done = on_found}};
	log_time_find(world->log, &searching.query);
	wait_for(world, &searching.done);
	assert_int_equal(searching.query.result.code, PYR_OK);
	return searching.query.found_offset;
}

static void a_time_is_found_in_segments_and_tail(void **state)
{
	struct world *world = *state;
	enum { RECORDS = 300 };
	for (int i = 0; i < RECORDS; i++)
		append(world, 'a', 2000, 10 * i, -1);
	assert_true(info_of(world).segments > 0);
	for (int i = 0; i < RECORDS; i += 7) {
		assert_int_equal(find_time(world, 10 * i), i);
		assert_int_equal(find_time(world, 10 * i - 9), i);
	}
	assert_int_equal(find_time(world, 10 * (RECORDS - 1) + 1), -1);
	assert_int_equal(find_time(world, LOG_TIME_MAX), RECORDS - 1);
	assert_int_equal(find_time(world, -5), 0);
}

static void bounds_leave_segments_out(void **state)
{
	struct world *world = *state;
	const uint32_t partition = PARTITION;
	struct log_bounds all = log_bounds_all(), some = log_bounds_all();
	struct log_snapshot *whole, *few;
	for (int i = 0; i < 300; i++)
		append(world, 'a', 2000, 10 * i, -1);
	some.timestamp_ms_min = 500;
	some.timestamp_ms_max = 510;
	assert_int_equal(log_snapshot_take(world->log, &partition, 1, &all, &whole).code, PYR_OK);
	assert_int_equal(log_snapshot_take(world->log, &partition, 1, &some, &few).code, PYR_OK);
	assert_int_equal(log_snapshot_segments_read(whole), info_of(world).segments);
	assert_int_equal(log_snapshot_segments_pruned(whole), 0);
	assert_int_equal(log_snapshot_segments_read(few), 1);
	assert_int_equal(log_snapshot_segments_pruned(few), info_of(world).segments - 1);
	log_snapshot_release(whole);
	log_snapshot_release(few);
}

/* ---- lanes and upkeep ---- */

static void append_burst(struct world *world, size_t count, size_t bytes)
{
	struct appending burst[BURST_MAX];
	assert_in_range(count, 1, BURST_MAX);
	for (size_t i = 0; i < count; i++)
		begin_append(world, &burst[i], make_batch((char)('A' + i % 26), bytes, 1000, -1), 1000);
	for (size_t i = 0; i < count; i++) {
		wait_for(world, &burst[i].done);
		assert_int_equal(burst[i].append.result.code, PYR_OK);
	}
}

static void a_large_run_is_written_once(void **state)
{
	struct world *world = *state;
	enum { BURSTS = 8, BATCHES = 40, BYTES = 3000 };
	for (int i = 0; i < BURSTS; i++)
		append_burst(world, BATCHES, BYTES);
	struct log_metrics metrics = log_metrics_get(world->log);
	assert_true(metrics.extent_bytes >= (uint64_t)BURSTS * BATCHES * BYTES * 3 / 4);
	assert_true(metrics.ring_bytes < metrics.bytes / 2);
	for (int round = 0; round < 2; round++) {
		char letters[BURSTS * BATCHES];
		assert_int_equal(read_letters(world, 0, letters, sizeof letters), BURSTS * BATCHES);
		for (size_t i = 0; i < sizeof letters; i++)
			assert_int_equal(letters[i], 'A' + i % BATCHES % 26);
		crash(world);
	}
}

/* Files that nobody needs any more are written again, hold only what is new, and go when no more is written. */
static void a_used_file_is_written_again(void **state)
{
	struct world *world = *state;
	enum { ROUNDS = 4, BURSTS = 16, BATCHES = 40, BYTES = 4000 };
	for (int round = 0; round < ROUNDS; round++) {
		char letters[BURSTS * BATCHES];
		int64_t start;
		for (int i = 0; i < BURSTS; i++)
			append_burst(world, BATCHES, BYTES);
		assert_true(round % 2 == 0 || log_metrics_get(world->log).spares_taken > 0);
		if (round % 2 == 1)
			crash(world);
		int64_t first = info_of(world).log_start_offset;
		assert_int_equal(read_letters(world, first, letters, sizeof letters), sizeof letters);
		for (size_t i = 0; i < sizeof letters; i++)
			assert_int_equal(letters[i], 'A' + i % BATCHES % 26);
		assert_int_equal(delete_until(world, -1, &start), PYR_OK);
		pass_time(world, 1000000);
		append_burst(world, BATCHES, BYTES); /* so that extents are being made after a crash, too */
		assert_int_equal(delete_until(world, -1, &start), PYR_OK);
		pass_time(world, 1000000);
	}
	pass_time(world, 200000000);
	assert_in_range(log_metrics_get(world->log).segment_files, 0,
	                4); /* open extents, however many rounds: no spare */
}

/* The clock of whoever made a record says nothing of when it is compacted, unless a lag is set. */
static void records_from_the_future_are_compacted(void **state)
{
	struct world *world = *state;
	enum { BURSTS = 4, BATCHES = 20, BYTES = 3000 };
	world->config.compact = true;
	world->config.max_compaction_lag_ms = INT64_MAX;
	log_partition_configure(world->log, PARTITION, &world->config);
	for (int i = 0; i < BURSTS * BATCHES; i++)
		append(world, 'a', BYTES, INT64_C(4000000000000), -1);
	pass_time(world, 5000000);
	assert_true(log_metrics_get(world->log).compactions > 0);
}

static void keep_largest(void *context, const char *name)
{
	strcpy(context, name);
}

static void scrubbing_finds_a_flipped_bit(void **state)
{
	struct world *world = *state;
	char name[64] = "", path[80];
	struct reading reading;
	for (int i = 0; i < 150; i++)
		append(world, 'a', 2000, 1000, -1);
	pass_time(world, SECOND_US);
	pass_time(world, 200ull * SECOND_US);
	assert_true(log_metrics_get(world->log).scrubbed_bytes > 100000);
	assert_int_equal(log_metrics_get(world->log).corrupt_reads, 0);
	assert_int_equal(os_directory_list(world->disk, "segments", keep_largest, name).code, PYR_OK);
	snprintf(path, sizeof path, "segments/%s", name);
	assert_true(os_sim_disk_flip(world->disk, path, 4096 + 1000, 3));
	pass_time(world, 200ull * SECOND_US);
	assert_int_equal(log_metrics_get(world->log).corrupt_reads, 1);
	assert_true(info_of(world).read_only);
	unsigned failed = 0;
	for (int64_t offset = 0; offset < 150; offset++) {
		enum pyr_code code = read_at(world, offset, &reading);
		assert_true(code == PYR_OK || code == PYR_CORRUPT);
		failed += code == PYR_CORRUPT;
		log_read_release(&reading.read);
	}
	assert_in_range(failed, 1, 40); /* a block of 64 KiB */
	struct appending refused;
	begin_append(world, &refused, make_batch('b', 10, 1000, -1), 1000);
	wait_for(world, &refused.done);
	assert_int_equal(refused.append.result.code, PYR_READ_ONLY);
}

static void merging_bounds_the_number_of_segments(void **state)
{
	struct world *world = *state;
	enum { RECORDS = 4000 };
	for (int i = 0; i < RECORDS; i++)
		append(world, 'a', 2000, 1000, -1);
	pass_time(world, 60 * SECOND_US);
	struct log_metrics metrics = log_metrics_get(world->log);
	assert_true(metrics.checkpoints > 60);
	assert_in_range(metrics.segment_files, 1, 24); /* seven of a tier, and what is under way */
	assert_true(metrics.sealed_bytes < 5 * metrics.bytes);
	crash(world);
	char *letters = malloc(RECORDS);
	assert_non_null(letters);
	assert_int_equal(read_letters(world, 0, letters, RECORDS), RECORDS);
	free(letters);
}

/* ---- the last checkpoint ---- */

struct sealing {
	struct log_seal seal;
	bool done;
};

static void on_sealed(struct log_seal *seal)
{
	((struct sealing *)(void *)seal)->done = true;
}

static uint64_t seal(struct world *world, uint64_t within_us)
{
	struct sealing sealing = {.done = false};
	uint64_t begun_us = os_sim_now_us(world->sim);
	log_seal(world->log, &sealing.seal, within_us, on_sealed);
	wait_for(world, &sealing.done);
	return os_sim_now_us(world->sim) - begun_us;
}

static void close_and_open(struct world *world)
{
	world->closed = false;
	log_close(world->log, on_closed, world);
	wait_for(world, &world->closed);
	os_sim_loop_kill(world->loop);
	world->closed = false;
	open_log(world);
}

static void sealing_leaves_nothing_to_read_back(void **state)
{
	struct world *world = *state;
	world->options.checkpoint_bytes = 64 << 20;
	close_and_open(world);
	for (int i = 0; i < 40; i++)
		append(world, (char)('a' + i % 26), 50000, 1000, -1);
	assert_int_equal(log_metrics_get(world->log).checkpoints, 0);
	seal(world, 10 * SECOND_US);
	assert_int_equal(log_metrics_get(world->log).checkpoints, 1);
	seal(world, 10 * SECOND_US); /* nothing is worth another one */
	assert_int_equal(log_metrics_get(world->log).checkpoints, 1);
	close_and_open(world);
	assert_true(log_metrics_get(world->log).cached_bytes < 1 << 20);
	assert_int_equal(info_of(world).high_watermark, 40);
	check_letters(world, 20, "uvwxyzabcdefghijklmn");
}

static void sealing_ends_in_time(void **state)
{
	struct world *world = *state;
	world->options.checkpoint_bytes = 64 << 20;
	close_and_open(world);
	for (int i = 0; i < 40; i++)
		append(world, 'a', 50000, 1000, -1);
	assert_true(seal(world, 0) < SECOND_US);
	assert_int_equal(log_metrics_get(world->log).checkpoints, 0);
	assert_int_equal(info_of(world).high_watermark, 40);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_committed_is_not_read),
		TEST(a_truncated_suffix_is_replaced_for_good),
		TEST(a_truncation_of_what_is_under_way_answers_it),
		TEST(an_interval_later_it_is_durable),
		TEST(under_load_an_interval_later_it_is_durable),
		TEST(without_a_sync_the_machine_may_lose_it_the_process_may_not),
		TEST(what_is_too_old_goes),
		TEST(what_is_too_much_goes),
		TEST(deleted_records_stay_deleted),
		TEST(a_time_is_found_in_segments_and_tail),
		TEST(bounds_leave_segments_out),
		TEST(a_large_run_is_written_once),
		TEST(a_used_file_is_written_again),
		TEST(records_from_the_future_are_compacted),
		TEST(scrubbing_finds_a_flipped_bit),
		TEST(merging_bounds_the_number_of_segments),
		TEST(sealing_leaves_nothing_to_read_back),
		TEST(sealing_ends_in_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
