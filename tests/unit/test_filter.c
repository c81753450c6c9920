/* Compaction of one batch: which records stay, at which offsets, with which times; tombstones and their horizon. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "codec/filter.h"

#include <string.h>

enum { INFLATED_MAX = 1 << 20, NOW_MS = 5000, HORIZON_MS = 9000, BASE_OFFSET = 100 };

static struct base_bytes text(const char *string)
{
	return (struct base_bytes){(const uint8_t *)string, string ? strlen(string) : 0};
}

struct sent {
	const char *key, *value; /* NULL: null */
	int64_t timestamp_ms;
};

static struct base_slice make(const struct sent *records, size_t count, enum codec_compression compression)
{
	struct codec_batch_builder builder;
	struct base_slice batch;
	codec_batch_builder_init(&builder, compression, 1 << 20);
	builder.producer_id = 7;
	builder.producer_epoch = 1;
	builder.base_sequence = 42;
	for (size_t i = 0; i < count; i++)
		codec_batch_builder_add(&builder, records[i].timestamp_ms, text(records[i].key), text(records[i].value),
		                        NULL, 0);
	assert_int_equal(codec_batch_builder_take(&builder, &batch).code, PYR_OK);
	codec_batch_builder_deinit(&builder);
	codec_batch_assign(batch.owner->data, BASE_OFFSET, 3);
	return batch;
}

/* Bit i of *context: the record at offset BASE_OFFSET + i is the newest of its key. */
static bool is_newest(void *context, const struct codec_record *record)
{
	return *(const unsigned *)context >> (record->offset - BASE_OFFSET) & 1;
}

static struct codec_filtered filter(struct base_slice batch, unsigned newest, int64_t now_ms)
{
	struct codec_filter filter = {is_newest, &newest, now_ms, HORIZON_MS, INFLATED_MAX};
	struct codec_batch parsed;
	struct codec_filtered filtered;
	assert_int_equal(codec_batch_check((struct base_bytes){batch.data, batch.bytes}, &parsed).code, PYR_OK);
	assert_int_equal(codec_batch_filter(&filter, &parsed, &filtered).code, PYR_OK);
	return filtered;
}

static void check_record(struct codec_record_reader *reader, int64_t offset, const struct sent *sent)
{
	struct codec_record record;
	assert_true(codec_record_next(reader, &record));
	assert_int_equal(record.offset, offset);
	assert_int_equal(record.timestamp_ms, sent->timestamp_ms);
	assert_memory_equal(record.key.data, sent->key, strlen(sent->key));
	assert_true(!record.value.data == !sent->value);
	if (sent->value)
		assert_memory_equal(record.value.data, sent->value, strlen(sent->value));
}

static const struct sent three[] = {{"a", "one", 1000}, {"b", "two", 3000}, {"c", "three", 2000}};

static void records_that_stay_keep_offset_and_time(void **state)
{
	(void)state;
	for (int compression = CODEC_NONE; compression < CODEC_COMPRESSION_COUNT; compression++) {
		struct base_slice batch = make(three, 3, (enum codec_compression)compression);
		struct codec_filtered filtered = filter(batch, 5, NOW_MS);
		struct codec_batch left;
		struct codec_record_reader reader;
		assert_int_equal(filtered.kept, 2);
		assert_int_equal(
			codec_batch_check((struct base_bytes){filtered.batch.data, filtered.batch.bytes}, &left).code,
			PYR_OK);
		assert_true(left.base_offset == BASE_OFFSET && left.last_offset_delta == 2 && left.record_count == 2);
		assert_true(left.producer_id == 7 && left.base_sequence == 42 && left.leader_epoch == 3);
		assert_true(left.max_timestamp_ms == 2000 && left.base_timestamp_ms == 1000);
		assert_int_equal(codec_record_reader_init(&reader, &left, INFLATED_MAX).code, PYR_OK);
		check_record(&reader, BASE_OFFSET, &three[0]);
		check_record(&reader, BASE_OFFSET + 2, &three[2]);
		assert_int_equal(codec_record_reader_check(&reader).code, PYR_OK);
		codec_record_reader_deinit(&reader);
		base_slice_release(&filtered.batch);
		base_slice_release(&batch);
	}
}

static void a_batch_that_keeps_all_is_left_alone(void **state)
{
	(void)state;
	struct base_slice batch = make(three, 3, CODEC_LZ4);
	struct codec_filtered filtered = filter(batch, 7, NOW_MS);
	assert_true(filtered.kept == 3 && !filtered.batch.owner);
	base_slice_release(&batch);
}

static void a_batch_may_end_up_empty_and_take_more_offsets(void **state)
{
	(void)state;
	struct base_slice batch = make(three, 3, CODEC_ZSTD);
	struct codec_filtered filtered = filter(batch, 0, NOW_MS);
	struct base_slice longer =
		codec_batch_extend((struct base_bytes){filtered.batch.data, filtered.batch.bytes}, BASE_OFFSET + 50);
	struct codec_batch left;
	assert_int_equal(codec_batch_check((struct base_bytes){longer.data, longer.bytes}, &left).code, PYR_OK);
	assert_true(left.record_count == 0 && left.bytes == CODEC_BATCH_HEADER_BYTES);
	assert_int_equal(codec_batch_last_offset(&left), BASE_OFFSET + 50);
	assert_int_equal(codec_batch_compression(&left), CODEC_NONE);
	base_slice_release(&longer);
	base_slice_release(&filtered.batch);
	base_slice_release(&batch);
}

static void a_tombstone_stays_until_its_horizon(void **state)
{
	(void)state;
	static const struct sent records[] = {{"a", NULL, 1000}, {"b", "two", 3000}};
	struct base_slice batch = make(records, 2, CODEC_SNAPPY);
	struct codec_filtered first = filter(batch, 3, NOW_MS);
	struct codec_batch left;
	struct codec_record_reader reader;
	assert_int_equal(first.kept, 2);
	assert_int_equal(codec_batch_check((struct base_bytes){first.batch.data, first.batch.bytes}, &left).code,
	                 PYR_OK);
	assert_true((left.attributes & CODEC_DELETE_HORIZON_BIT) && left.base_timestamp_ms == HORIZON_MS);
	assert_int_equal(codec_record_reader_init(&reader, &left, INFLATED_MAX).code, PYR_OK);
	check_record(&reader, BASE_OFFSET, &records[0]);
	check_record(&reader, BASE_OFFSET + 1, &records[1]);
	codec_record_reader_deinit(&reader);
	struct codec_filtered before = filter(first.batch, 3, HORIZON_MS - 1);
	assert_true(before.kept == 2 && !before.batch.owner);
	struct codec_filtered after = filter(first.batch, 3, HORIZON_MS);
	assert_int_equal(after.kept, 1);
	base_slice_release(&after.batch);
	base_slice_release(&first.batch);
	base_slice_release(&batch);
}

static void what_has_no_key_goes(void **state)
{
	(void)state;
	static const struct sent records[] = {{NULL, "one", 1000}, {"b", "two", 3000}};
	struct base_slice batch = make(records, 2, CODEC_NONE);
	struct codec_filtered filtered = filter(batch, 3, NOW_MS);
	struct codec_batch parsed;
	struct pyr_error error;
	assert_int_equal(filtered.kept, 1);
	assert_int_equal(codec_batch_parse((struct base_bytes){batch.data, batch.bytes}, &parsed).code, PYR_OK);
	assert_int_equal(codec_batch_require_keys(&parsed, INFLATED_MAX, &error).code, PYR_INVALID_RECORD);
	base_slice_release(&filtered.batch);
	base_slice_release(&batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_that_stay_keep_offset_and_time),
		cmocka_unit_test(a_batch_that_keeps_all_is_left_alone),
		cmocka_unit_test(a_batch_may_end_up_empty_and_take_more_offsets),
		cmocka_unit_test(a_tombstone_stays_until_its_horizon),
		cmocka_unit_test(what_has_no_key_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
