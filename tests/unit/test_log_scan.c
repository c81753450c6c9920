/* column/log_scan.h over a real log on a simulated disk: every record once, over sealed segments and tail, whatever the
 * codec; bounds leave segments unread. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "codec/batch.h"
#include "column/log_scan.h"
#include "log/log_priv.h"
#include "os/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PARTITION = 16,
	BATCHES = 300,
	RECORDS = 10,
	STEPS_MAX = 1000000,
	VALUE_BYTES = 200,
	LARGE = 600 /* records of a batch that has a map */
};

struct world {
	struct os_sim *sim;
	struct os_loop *loop;
	struct os_disk *disk;
	struct log *log;
	bool done;
	struct column_rows rows;
};

static pyr_result restore(void *context, struct base_bytes snapshot)
{
	(void)context;
	(void)snapshot;
	return pyr_ok();
}

static pyr_result take_snapshot(void *context, struct base_slice *ret_bytes)
{
	(void)context;
	*ret_bytes = (struct base_slice){0};
	return pyr_ok();
}

struct appending {
	struct log_append append;
	bool done;
};

static void on_append(struct log_append *append)
{
	((struct appending *)(void *)append)->done = true;
}

static void wait_for(struct world *world, const bool *done)
{
	for (int i = 0; i < STEPS_MAX && !*done; i++)
		assert_true(os_sim_step(world->sim));
	assert_true(*done);
}

/* Record n of the partition: key "k<n>", time n seconds, value with its number in front. */
static void append_records(struct world *world, int64_t first, int64_t count, enum codec_compression compression)
{
	struct codec_batch_builder builder;
	struct appending appending = {.append = {.partition = PARTITION, .done = on_append}};
	codec_batch_builder_init(&builder, compression, 1 << 20);
	for (int64_t n = first; n < first + count; n++) {
		char value[VALUE_BYTES];
		memset(value, 'x', sizeof value);
		snprintf(value, sizeof value, "%lld", (long long)n);
		codec_batch_builder_add(&builder, n * 1000, (struct base_bytes){NULL, 0},
		                        (struct base_bytes){(const uint8_t *)value, sizeof value}, NULL, 0);
	}
	assert_int_equal(codec_batch_builder_take(&builder, &appending.append.batch).code, PYR_OK);
	codec_batch_builder_deinit(&builder);
	appending.append.min_timestamp_ms = first * 1000;
	log_append(world->log, &appending.append);
	wait_for(world, &appending.done);
	assert_int_equal(appending.append.result.code, PYR_OK);
	assert_int_equal(appending.append.base_offset, first);
}

static void append_batch(struct world *world, int64_t first, enum codec_compression compression)
{
	append_records(world, first, RECORDS, compression);
}

static int set_up(void **state)
{
	static const struct log_observer observer = {.restore = restore, .apply = restore, .snapshot = take_snapshot};
	static const struct log_partition_config config = {
		.retention_ms = -1, .retention_bytes = -1, .segment_bytes = 1 << 20};
	struct world *world = calloc(1, sizeof *world);
	struct log_options options = log_options_default();
	struct pyr_error error = {0};
	assert_non_null(world);
	options.ring_file_bytes = 256 << 10;
	options.checkpoint_bytes = 100000;
	options.extent_min_bytes = 64 << 10;
	world->sim = os_sim_new(1);
	world->loop = os_sim_loop_new(world->sim);
	world->disk = os_sim_disk_new(world->sim);
	assert_int_equal(log_open(world->loop, world->disk, &options, &observer, &world->log, &error).code, PYR_OK);
	assert_int_equal(log_partition_create(world->log, PARTITION, &config).code, PYR_OK);
	for (int64_t i = 0; i < BATCHES; i++)
		append_batch(world, i * RECORDS, (enum codec_compression)(i % CODEC_COMPRESSION_COUNT));
	*state = world;
	return 0;
}

static void on_closed(void *context)
{
	*(bool *)context = true;
}

static int tear_down(void **state)
{
	struct world *world = *state;
	log_close(world->log, on_closed, &world->done);
	wait_for(world, &world->done);
	os_sim_loop_kill(world->loop);
	os_sim_disk_free(world->disk);
	os_sim_free(world->sim);
	free(world);
	return 0;
}

static struct column_scan *open_scan(struct world *world, const struct column_bounds *bounds)
{
	struct log_bounds log_bounds = {bounds->offset_min, bounds->offset_max, bounds->timestamp_ms_min,
	                                bounds->timestamp_ms_max};
	struct log_snapshot *snapshot;
	struct column_scan *scan;
	struct pyr_error error = {0};
	const uint32_t partition = PARTITION;
	assert_int_equal(log_snapshot_take(world->log, &partition, 1, &log_bounds, &snapshot).code, PYR_OK);
	if (column_log_scan_new(&snapshot, 1, 7, bounds, &scan, &error).code != PYR_OK)
		fail_msg("%s", error.text);
	return scan;
}

static void check_rows(const struct column_rows *rows, bool *seen)
{
	for (size_t i = 0; i < rows->count; i++) {
		int64_t offset = rows->offset[i];
		assert_in_range(offset, 0, BATCHES * RECORDS + LARGE - 1);
		assert_false(seen[offset]);
		seen[offset] = true;
		assert_int_equal(rows->partition[i], 7);
		assert_int_equal(rows->timestamp_ms[i], offset * 1000);
		assert_null(rows->key[i].data);
		assert_int_equal(rows->value[i].bytes, VALUE_BYTES);
		assert_int_equal(atoll((const char *)rows->value[i].data), offset);
	}
}

/* The rows of all units, each seen once; how many there are. */
static size_t read_all(struct world *world, const struct column_scan *scan, bool *seen)
{
	struct column_reader *reader;
	struct pyr_error error = {0};
	size_t total = 0;
	assert_int_equal(column_reader_new(scan, COLUMN_OFFSET | COLUMN_VALUE, &reader).code, PYR_OK);
	for (size_t unit = column_scan_unit_count(scan); unit-- > 0;) {
		assert_int_equal(column_reader_seek(reader, unit, &error).code, PYR_OK);
		do {
			if (column_reader_next(reader, &world->rows, &error).code != PYR_OK)
				fail_msg("%s", error.text);
			check_rows(&world->rows, seen);
			total += world->rows.count;
		} while (world->rows.count > 0);
	}
	column_reader_free(reader);
	return total;
}

static void every_record_is_read_once(void **state)
{
	struct world *world = *state;
	bool seen[BATCHES * RECORDS] = {0};
	struct column_bounds all = column_bounds_all();
	struct column_scan *scan = open_scan(world, &all);
	struct column_scan_statistics statistics = column_scan_statistics_get(scan);
	assert_true(statistics.segments_read >= 3); /* sealed, besides the tail */
	assert_int_equal(statistics.segments_pruned, 0);
	assert_true(column_scan_row_estimate(scan) >= BATCHES * RECORDS);
	assert_int_equal(read_all(world, scan, seen), BATCHES * RECORDS);
	column_scan_free(scan);
}

static void check_bounds(struct world *world, const struct column_bounds *bounds, int64_t first, int64_t last)
{
	bool seen[BATCHES * RECORDS] = {0};
	struct column_bounds all = column_bounds_all();
	struct column_scan *whole = open_scan(world, &all), *scan = open_scan(world, bounds);
	uint64_t segments = column_scan_statistics_get(whole).segments_read;
	struct column_scan_statistics statistics = column_scan_statistics_get(scan);
	assert_int_equal(read_all(world, scan, seen), last - first + 1);
	for (int64_t offset = first; offset <= last; offset++)
		assert_true(seen[offset]);
	assert_int_equal(statistics.segments_read + statistics.segments_pruned, segments);
	assert_true(statistics.segments_read <= 2);
	column_scan_free(whole);
	column_scan_free(scan);
}

static void bounds_leave_segments_unread(void **state)
{
	struct column_bounds offsets = column_bounds_all(), times = column_bounds_all(), late = column_bounds_all();
	offsets.offset_min = 55;
	offsets.offset_max = 64;
	check_bounds(*state, &offsets, 55, 64);
	times.timestamp_ms_min = 700 * 1000;
	times.timestamp_ms_max = 710 * 1000;
	check_bounds(*state, &times, 700, 710);
	late.offset_min = BATCHES * RECORDS - 3;
	check_bounds(*state, &late, BATCHES * RECORDS - 3, BATCHES * RECORDS - 1);
}

static void a_snapshot_does_not_see_what_comes_later(void **state)
{
	struct world *world = *state;
	bool seen[BATCHES * RECORDS] = {0};
	struct column_bounds all = column_bounds_all();
	struct column_scan *scan = open_scan(world, &all);
	append_batch(world, BATCHES * RECORDS, CODEC_NONE);
	assert_int_equal(read_all(world, scan, seen), BATCHES * RECORDS);
	column_scan_free(scan);
}

/* ---- gathered on the loop ---- */

static struct column_scan *gather(struct world *world, const struct column_bounds *bounds, uint64_t bytes_max)
{
	struct log_bounds log_bounds = {bounds->offset_min, bounds->offset_max, bounds->timestamp_ms_min,
	                                bounds->timestamp_ms_max};
	struct log_snapshot *snapshot;
	struct column_scan *scan = NULL;
	const uint32_t partition = PARTITION;
	assert_int_equal(log_snapshot_take(world->log, &partition, 1, &log_bounds, &snapshot).code, PYR_OK);
	bool whole = false, seen[BATCHES * RECORDS + LARGE] = {0};
	pyr_result result = column_log_scan_gather(snapshot, 7, bounds, bytes_max, &whole, &scan);
	assert_true(result.code == (scan ? PYR_OK : PYR_BUSY));
	if (!scan || whole)
		return scan;
	read_all(world, scan, seen); /* all the same, as ever */
	column_scan_free(scan);
	return NULL;
}

static struct column_bounds bounds_of(int64_t first, int64_t last)
{
	struct column_bounds bounds = column_bounds_all();
	bounds.offset_min = first;
	bounds.offset_max = last;
	return bounds;
}

/* The simulated disk has not all in memory each time. */
static struct column_scan *gather_soon(struct world *world, const struct column_bounds *bounds, uint64_t bytes_max)
{
	struct column_scan *scan = NULL;
	for (int i = 0; i < 10 && !scan; i++)
		scan = gather(world, bounds, bytes_max);
	return scan;
}

static size_t count_rows(struct world *world, struct column_scan *scan)
{
	static bool seen[BATCHES * RECORDS + LARGE];
	memset(seen, 0, sizeof seen);
	assert_non_null(scan);
	size_t count = read_all(world, scan, seen);
	column_scan_free(scan);
	return count;
}

static void what_memory_has_is_gathered(void **state)
{
	struct world *world = *state;
	struct column_bounds last = bounds_of(BATCHES * RECORDS - 1, BATCHES * RECORDS - 1);
	struct column_bounds behind = bounds_of(BATCHES * RECORDS, BATCHES * RECORDS + 5), all = column_bounds_all();
	assert_int_equal(count_rows(world, gather(world, &last, 1 << 20)), 1);
	assert_int_equal(count_rows(world, gather(world, &behind, 1 << 20)), 0);
	assert_null(gather(world, &last, 10)); /* costs more */
	assert_null(gather(world, &all, 1 << 20)); /* many small batches */
}

static void what_is_sealed_is_gathered_once_its_index_is_known(void **state)
{
	struct world *world = *state;
	struct column_bounds first = bounds_of(0, RECORDS - 1);
	assert_null(gather_soon(world, &first, 1 << 20));
	assert_int_equal(count_rows(world, open_scan(world, &first)), RECORDS);
	assert_int_equal(count_rows(world, gather_soon(world, &first, 1 << 20)), RECORDS);
	assert_null(gather_soon(world, &first, 1000));
}

static void seal(struct world *world)
{
	struct column_bounds large = bounds_of(BATCHES * RECORDS, BATCHES * RECORDS);
	for (int64_t at = BATCHES * RECORDS + LARGE;; at += RECORDS) {
		append_batch(world, at, CODEC_NONE);
		struct column_scan *scan = open_scan(world, &large);
		bool sealed = column_scan_statistics_get(scan).sealed_bytes > 0;
		column_scan_free(scan);
		if (sealed)
			return;
	}
}

static size_t count_maps(struct world *world)
{
	const struct log_partition *partition = log_partition_find(world->log, PARTITION);
	size_t count = 0;
	for (size_t i = 0; i < partition->part_count; i++) {
		struct log_index *index = log_indexes_find(world->log->indexes, &partition->parts[i]);
		for (size_t k = 0; index && k < index->count; k++)
			count += atomic_load(&index->maps[k]) != NULL;
		log_index_unref(index);
	}
	return count;
}

/* Whole the first time, unless sealing made a map; then what is wanted of it, which costs less. Any place of it gives what it holds. */
static void few_records_of_a_large_batch_are_read_alone(void **state)
{
	struct world *world = *state;
	int64_t base = BATCHES * RECORDS;
	append_records(world, base, LARGE, CODEC_NONE);
	seal(world);
	assert_int_equal(count_maps(world), 1); /* from when it was in memory */
	struct column_bounds one = bounds_of(base + 300, base + 300);
	assert_int_equal(count_rows(world, open_scan(world, &one)), 1);
	assert_int_equal(count_rows(world, gather_soon(world, &one, 20000)), 1);
	for (int64_t i = 0; i < LARGE; i += 13) {
		int64_t last = i + i % 60 < LARGE ? i + i % 60 : LARGE - 1;
		struct column_bounds some = bounds_of(base + i, base + last);
		assert_int_equal(count_rows(world, gather_soon(world, &some, 1 << 20)), last - i + 1);
		assert_int_equal(count_rows(world, open_scan(world, &some)), last - i + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_record_is_read_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bounds_leave_segments_unread, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_snapshot_does_not_see_what_comes_later, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_memory_has_is_gathered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_sealed_is_gathered_once_its_index_is_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(few_records_of_a_large_batch_are_read_alone, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
