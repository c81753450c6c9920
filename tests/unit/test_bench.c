/* bench/: histograms keep their promise of three digits, and what is sent is what brokers take. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "bench/histogram.h"
#include "bench/payload.h"
#include "codec/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- histogram ---- */

static struct bench_histogram *histogram_new(void)
{
	struct bench_histogram *histogram = calloc(1, sizeof *histogram);
	assert_non_null(histogram);
	return histogram;
}

static void an_empty_histogram_is_zero(void **state)
{
	(void)state;
	struct bench_histogram *histogram = histogram_new();
	assert_int_equal(bench_histogram_percentile(histogram, 0.5), 0);
	assert_true(bench_histogram_mean(histogram) == 0);
	free(histogram);
}

static void small_values_are_exact(void **state)
{
	(void)state;
	struct bench_histogram *histogram = histogram_new();
	for (uint64_t value = 1; value <= 1000; value++)
		bench_histogram_add(histogram, value);
	assert_int_equal(bench_histogram_percentile(histogram, 0.5), 500);
	assert_int_equal(bench_histogram_percentile(histogram, 0.9), 900);
	assert_int_equal(bench_histogram_percentile(histogram, 0.999), 999);
	assert_int_equal(bench_histogram_percentile(histogram, 1), 1000);
	assert_int_equal(histogram->max, 1000);
	assert_true(bench_histogram_mean(histogram) == 500.5);
	free(histogram);
}

/* Each value alone with a larger one, so that the percentile is its slot's and not the maximum. */
static void large_values_are_off_by_a_thousandth_at_most(void **state)
{
	(void)state;
	const uint64_t largest = ((uint64_t)1 << BENCH_HISTOGRAM_BITS_MAX) - 1;
	for (uint64_t value = 1; value < largest / 2; value = value * 9 / 8 + 1) {
		struct bench_histogram *histogram = histogram_new();
		bench_histogram_add(histogram, value);
		bench_histogram_add(histogram, largest);
		uint64_t told = bench_histogram_percentile(histogram, 0.5);
		assert_true(told >= value);
		assert_true(told - value <= value / 1000);
		assert_int_equal(bench_histogram_percentile(histogram, 1), largest);
		free(histogram);
	}
}

static void a_value_beyond_all_slots_is_the_maximum(void **state)
{
	(void)state;
	struct bench_histogram *histogram = histogram_new();
	bench_histogram_add(histogram, 7);
	bench_histogram_add(histogram, UINT64_MAX / 2);
	assert_int_equal(bench_histogram_percentile(histogram, 0.5), 7);
	assert_true(bench_histogram_percentile(histogram, 1) == UINT64_MAX / 2);
	free(histogram);
}

static void two_histograms_add_up(void **state)
{
	(void)state;
	struct bench_histogram *all = histogram_new(), *one = histogram_new(), *other = histogram_new();
	uint64_t chance = 1;
	for (unsigned i = 0; i < 10000; i++) {
		chance = chance * 6364136223846793005u + 1;
		uint64_t value = chance >> 34;
		bench_histogram_add(all, value);
		bench_histogram_add(i % 3 ? one : other, value);
	}
	bench_histogram_merge(one, other);
	assert_memory_equal(one, all, sizeof *all);
	free(all);
	free(one);
	free(other);
}

/* ---- payload ---- */

static struct bench_payload *payload_new(const struct bench_payload_options *options)
{
	struct bench_payload *payload = NULL;
	struct pyr_error error;
	if (bench_payload_new(options, &payload, &error).code != PYR_OK)
		fail_msg("%s", error.text);
	return payload;
}

static struct bench_pool pool_new(const struct bench_payload *payload)
{
	struct bench_pool pool;
	assert_int_equal(bench_pool_init(&pool, payload, 1000, NULL).code, PYR_OK);
	assert_true(pool.count > 1);
	return pool;
}

/* What a broker checks before it takes a batch. */
static void check_batch(const struct bench_batch *one, uint32_t records, struct codec_batch *ret_batch)
{
	struct base_bytes bytes = {one->bytes.data, one->bytes.bytes};
	struct pyr_error error = {0};
	int64_t min_timestamp_ms;
	assert_int_equal(codec_batch_check(bytes, ret_batch).code, PYR_OK);
	assert_int_equal(codec_batch_validate(ret_batch, 1 << 24, &min_timestamp_ms, &error).code, PYR_OK);
	assert_int_equal(ret_batch->bytes, one->bytes.bytes);
	assert_int_equal(ret_batch->record_count, records);
}

static void batches_are_what_brokers_take(void **state)
{
	(void)state;
	for (int codec = 0; codec < CODEC_COMPRESSION_COUNT; codec++) {
		struct bench_payload_options options = {.seed = 3, .record_bytes = 100, .batch_records = 500};
		options.codec = (enum codec_compression)codec;
		struct bench_payload *payload = payload_new(&options);
		struct bench_pool pool = pool_new(payload);
		struct codec_batch batch;
		for (uint32_t i = 0; i < pool.count; i++) {
			check_batch(&pool.batches[i], 500, &batch);
			assert_int_equal(codec_batch_compression(&batch), codec);
			assert_int_equal(pool.batches[i].payload_bytes, 50000);
			assert_true(i == 0 || memcmp(pool.batches[i].bytes.data, pool.batches[i - 1].bytes.data,
			                             CODEC_BATCH_HEADER_BYTES) != 0); /* another checksum */
		}
		bench_pool_deinit(&pool);
		bench_payload_free(payload);
	}
}

/* Otherwise a benchmark would show how well a broker stores repetitions. */
static void random_payload_does_not_compress(void **state)
{
	(void)state;
	struct bench_payload_options options = {
		.seed = 3, .record_bytes = 100, .batch_records = 5000, .codec = CODEC_LZ4};
	struct bench_payload *payload = payload_new(&options);
	struct bench_pool pool = pool_new(payload);
	assert_true(pool.bytes > pool.payload_bytes * 95 / 100);
	bench_pool_deinit(&pool);
	bench_payload_free(payload);
}

static void the_seed_decides_the_payload(void **state)
{
	(void)state;
	struct base_slice first = {0};
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct bench_payload_options options = {.seed = (seed + 1) / 2, .record_bytes = 10, .batch_records = 2};
		struct bench_payload *payload = payload_new(&options);
		struct bench_batch batch;
		uint64_t cursor = 5;
		assert_int_equal(bench_payload_build(payload, 1, &cursor, &batch).code, PYR_OK);
		assert_int_equal(cursor, 7);
		if (seed == 1)
			first = base_slice_ref(batch.bytes);
		bool same = memcmp(first.data, batch.bytes.data, first.bytes) == 0;
		assert_int_equal(same, seed <= 2);
		base_slice_release(&batch.bytes);
		bench_payload_free(payload);
	}
	base_slice_release(&first);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void flights_are_json_with_the_carrier_as_key(void **state)
{
	(void)state;
	char path[] = "/tmp/pyralog-bench-XXXXXX";
	struct bench_payload_options options = {.kind = BENCH_FLIGHTS, .flights_path = path, .batch_records = 3};
	int made = mkstemp(path);
	assert_true(made >= 0);
	write_text(path, "year,dep_delay,carrier,dep_time,note\n2013,-4,UA,517,\n2013,NA,B6,05,x y\n");
	struct bench_payload *payload = payload_new(&options);
	struct bench_batch built;
	struct codec_batch batch;
	struct codec_record_reader reader;
	struct codec_record record;
	uint64_t cursor = 0;
	static const char *const keys[] = {"UA", "B6", "UA"};
	static const char *const values[] = {
		"{\"year\":2013,\"dep_delay\":-4,\"carrier\":\"UA\",\"dep_time\":517,\"note\":null}",
		"{\"year\":2013,\"dep_delay\":null,\"carrier\":\"B6\",\"dep_time\":\"05\",\"note\":\"x y\"}",
		"{\"year\":2013,\"dep_delay\":-4,\"carrier\":\"UA\",\"dep_time\":517,\"note\":null}",
	};
	assert_int_equal(bench_payload_build(payload, 1, &cursor, &built).code, PYR_OK);
	check_batch(&built, 3, &batch);
	assert_int_equal(codec_record_reader_init(&reader, &batch, 1 << 20).code, PYR_OK);
	for (size_t i = 0; i < 3; i++) {
		assert_true(codec_record_next(&reader, &record));
		assert_int_equal(record.key.bytes, 2);
		assert_memory_equal(record.key.data, keys[i], 2);
		assert_int_equal(record.value.bytes, strlen(values[i]));
		assert_memory_equal(record.value.data, values[i], record.value.bytes);
	}
	codec_record_reader_deinit(&reader);
	base_slice_release(&built.bytes);
	bench_payload_free(payload);
	remove(path);
}

static void a_bad_file_is_told_by_a_sentence(void **state)
{
	(void)state;
	char path[] = "/tmp/pyralog-bench-XXXXXX";
	struct bench_payload_options options = {.kind = BENCH_FLIGHTS, .flights_path = path, .batch_records = 3};
	struct bench_payload *payload = NULL;
	struct pyr_error error = {0};
	int made = mkstemp(path);
	assert_true(made >= 0);
	assert_int_equal(bench_payload_new(&options, &payload, &error).code, PYR_USAGE);
	assert_non_null(strstr(error.text, "is empty"));
	write_text(path, "a,b\n1,2\n3\n");
	assert_int_equal(bench_payload_new(&options, &payload, &error).code, PYR_USAGE);
	assert_non_null(strstr(error.text, "row 2"));
	remove(path);
	assert_int_equal(bench_payload_new(&options, &payload, &error).code, PYR_USAGE);
	assert_non_null(strstr(error.text, "can't be read"));
	assert_null(payload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_histogram_is_zero),
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(large_values_are_off_by_a_thousandth_at_most),
		cmocka_unit_test(a_value_beyond_all_slots_is_the_maximum),
		cmocka_unit_test(two_histograms_add_up),
		cmocka_unit_test(batches_are_what_brokers_take),
		cmocka_unit_test(random_payload_does_not_compress),
		cmocka_unit_test(the_seed_decides_the_payload),
		cmocka_unit_test(flights_are_json_with_the_carrier_as_key),
		cmocka_unit_test(a_bad_file_is_told_by_a_sentence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
