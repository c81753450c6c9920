/* Record batches and compression: a batch made by an independent encoder reads back field for field; every codec makes
 * the round trip; what is malformed is refused, whatever byte of it. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "codec/batch.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { INFLATED_MAX = 1 << 20 };

/* Three records: AA=one with headers h=x and n=null; null=two, 5 ms later; k=null, 3 ms earlier. */
static const char golden_hex[] =
	"00000000000003e8000000560000000502d40c08250000000000020000018bcfe568000000018bcfe56805"
	"000000000000126700070000002a0000000324000000044141066f6e650402680278026e0112000a020106"
	"74776f000e000504026b0100";

static struct base_slice from_hex(const char *hex)
{
	struct base_buffer *buffer = base_buffer_new(strlen(hex) / 2);
	assert_non_null(buffer);
	for (size_t i = 0; i < buffer->capacity; i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
		buffer->data[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return (struct base_slice){.owner = buffer, .data = buffer->data, .bytes = buffer->capacity};
}

static struct base_bytes text(const char *string)
{
	return (struct base_bytes){(const uint8_t *)string, strlen(string)};
}

static struct base_bytes bytes_of(struct base_slice slice)
{
	return (struct base_bytes){slice.data, slice.bytes};
}

static void assert_bytes(struct base_bytes actual, const char *expected)
{
	if (!expected) {
		assert_null(actual.data);
		return;
	}
	assert_non_null(actual.data);
	assert_int_equal(actual.bytes, strlen(expected));
	assert_memory_equal(actual.data, expected, actual.bytes);
}

static void golden_header_is_read(void **state)
{
	(void)state;
	struct codec_batch batch;
	struct base_slice golden = from_hex(golden_hex);
	assert_int_equal(codec_batch_check(bytes_of(golden), &batch).code, PYR_OK);
	assert_int_equal(batch.base_offset, 1000);
	assert_int_equal(codec_batch_last_offset(&batch), 1002);
	assert_int_equal(batch.bytes, golden.bytes);
	assert_int_equal(batch.leader_epoch, 5);
	assert_int_equal(batch.base_timestamp_ms, 1700000000000);
	assert_int_equal(batch.max_timestamp_ms, 1700000000005);
	assert_int_equal(batch.producer_id, 4711);
	assert_int_equal(batch.producer_epoch, 7);
	assert_int_equal(batch.base_sequence, 42);
	assert_int_equal(batch.record_count, 3);
	assert_int_equal(codec_batch_compression(&batch), CODEC_NONE);
	base_slice_release(&golden);
}

static void assert_golden_records(struct codec_record_reader *reader)
{
	struct codec_record record;
	struct codec_header header;
	assert_true(codec_record_next(reader, &record));
	assert_int_equal(record.offset, reader->batch.base_offset);
	assert_int_equal(record.timestamp_ms, 1700000000000);
	assert_bytes(record.key, "AA");
	assert_bytes(record.value, "one");
	assert_int_equal(record.header_count, 2);
	struct base_reader headers = base_reader_init(record.headers.data, record.headers.bytes);
	assert_true(codec_header_next(&headers, &header));
	assert_bytes(header.key, "h");
	assert_bytes(header.value, "x");
	assert_true(codec_header_next(&headers, &header));
	assert_bytes(header.key, "n");
	assert_bytes(header.value, NULL);
	assert_false(codec_header_next(&headers, &header));
	assert_false(headers.failed);
	assert_true(codec_record_next(reader, &record));
	assert_bytes(record.key, NULL);
	assert_bytes(record.value, "two");
	assert_int_equal(record.timestamp_ms, 1700000000005);
	assert_true(codec_record_next(reader, &record));
	assert_int_equal(record.offset, reader->batch.base_offset + 2);
	assert_int_equal(record.timestamp_ms, 1699999999997);
	assert_bytes(record.value, NULL);
	assert_false(codec_record_next(reader, &record));
	assert_int_equal(codec_record_reader_check(reader).code, PYR_OK);
}

static void golden_records_are_read(void **state)
{
	(void)state;
	struct codec_batch batch;
	struct codec_record_reader reader;
	int64_t min_timestamp_ms;
	struct base_slice golden = from_hex(golden_hex);
	assert_int_equal(codec_batch_check(bytes_of(golden), &batch).code, PYR_OK);
	assert_int_equal(codec_batch_validate(&batch, INFLATED_MAX, &min_timestamp_ms, NULL).code, PYR_OK);
	assert_int_equal(min_timestamp_ms, 1699999999997);
	assert_int_equal(codec_record_reader_init(&reader, &batch, INFLATED_MAX).code, PYR_OK);
	assert_golden_records(&reader);
	codec_record_reader_deinit(&reader);
	base_slice_release(&golden);
}

static struct base_slice build(enum codec_compression compression)
{
	struct codec_batch_builder builder;
	struct base_slice batch = {0};
	struct codec_header headers[] = {{text("h"), text("x")}, {text("n"), {0}}};
	codec_batch_builder_init(&builder, compression, 1 << 20);
	builder.producer_id = 4711;
	builder.producer_epoch = 7;
	builder.base_sequence = 42;
	codec_batch_builder_add(&builder, 1700000000000, text("AA"), text("one"), headers, 2);
	codec_batch_builder_add(&builder, 1700000000005, (struct base_bytes){0}, text("two"), NULL, 0);
	codec_batch_builder_add(&builder, 1699999999997, text("k"), (struct base_bytes){0}, NULL, 0);
	assert_int_equal(codec_batch_builder_take(&builder, &batch).code, PYR_OK);
	codec_batch_builder_deinit(&builder);
	return batch;
}

static void builder_makes_the_golden_batch(void **state)
{
	(void)state;
	struct base_slice golden = from_hex(golden_hex), built = build(CODEC_NONE);
	codec_batch_assign(built.owner->data, 1000, 5);
	assert_int_equal(built.bytes, golden.bytes);
	assert_memory_equal(built.data, golden.data, golden.bytes);
	base_slice_release(&golden);
	base_slice_release(&built);
}

static void every_codec_makes_the_round_trip(void **state)
{
	(void)state;
	for (int compression = 0; compression < CODEC_COMPRESSION_COUNT; compression++) {
		struct codec_batch batch;
		struct codec_record_reader reader;
		int64_t min_timestamp_ms;
		struct base_slice built = build(compression);
		assert_int_equal(codec_batch_check(bytes_of(built), &batch).code, PYR_OK);
		assert_int_equal(codec_batch_compression(&batch), compression);
		assert_int_equal(codec_batch_validate(&batch, INFLATED_MAX, &min_timestamp_ms, NULL).code, PYR_OK);
		assert_int_equal(min_timestamp_ms, 1699999999997);
		assert_int_equal(codec_record_reader_init(&reader, &batch, INFLATED_MAX).code, PYR_OK);
		assert_golden_records(&reader);
		codec_record_reader_deinit(&reader);
		base_slice_release(&built);
	}
}

static void stamped_batch_has_one_time_and_a_good_crc(void **state)
{
	(void)state;
	struct codec_batch batch;
	struct codec_record_reader reader;
	struct codec_record record;
	struct base_slice built = build(CODEC_LZ4);
	codec_batch_stamp(built.owner->data, built.bytes, 1800000000000);
	assert_int_equal(codec_batch_check(bytes_of(built), &batch).code, PYR_OK);
	assert_true(codec_batch_is_append_time(&batch));
	assert_int_equal(codec_record_reader_init(&reader, &batch, INFLATED_MAX).code, PYR_OK);
	for (int i = 0; i < 3; i++) {
		assert_true(codec_record_next(&reader, &record));
		assert_int_equal(record.timestamp_ms, 1800000000000);
	}
	codec_record_reader_deinit(&reader);
	base_slice_release(&built);
}

/* The offset that is read first, of a batch from 1000 to 1002, when it begins at `offset`; 0: none. */
static int64_t first_from(struct base_slice built, int64_t offset)
{
	struct codec_batch batch;
	struct codec_record_reader reader;
	struct codec_record record = {0};
	assert_int_equal(codec_batch_check(bytes_of(built), &batch).code, PYR_OK);
	assert_int_equal(codec_record_reader_init(&reader, &batch, INFLATED_MAX).code, PYR_OK);
	codec_record_skip_to(&reader, offset);
	int64_t first = codec_record_next(&reader, &record) ? record.offset - batch.base_offset + 1000 : 0;
	while (codec_record_next(&reader, &record))
		;
	assert_int_equal(codec_record_reader_check(&reader).code, PYR_OK);
	codec_record_reader_deinit(&reader);
	return first;
}

static void records_are_passed_over_by_their_offsets(void **state)
{
	(void)state;
	for (int compression = 0; compression < CODEC_COMPRESSION_COUNT; compression++) {
		struct base_slice built = build(compression);
		struct codec_batch batch;
		assert_int_equal(codec_batch_check(bytes_of(built), &batch).code, PYR_OK);
		static const int64_t asked[] = {INT64_MIN, -1, 0, 1, 2, 3, INT64_MAX - 4000},
				     found[] = {1000, 1000, 1000, 1001, 1002, 0, 0};
		for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
			assert_int_equal(first_from(built, asked[i] < 0 ? asked[i] : batch.base_offset + asked[i]),
			                 found[i]);
		base_slice_release(&built);
	}
}

/* After compaction a batch has offsets without a record: they can't be counted. */
static void a_batch_with_gaps_is_read_from_its_start(void **state)
{
	(void)state;
	struct base_slice golden = from_hex(golden_hex);
	struct codec_batch batch;
	struct codec_record_reader reader;
	struct codec_record record;
	golden.owner->data[26] = 9; /* last offset delta */
	assert_int_equal(codec_batch_parse(bytes_of(golden), &batch).code, PYR_OK);
	assert_int_equal(codec_record_reader_init(&reader, &batch, INFLATED_MAX).code, PYR_OK);
	codec_record_skip_to(&reader, 1001);
	assert_true(codec_record_next(&reader, &record));
	assert_int_equal(record.offset, 1000);
	codec_record_reader_deinit(&reader);
	base_slice_release(&golden);
}

/* Offset, length, epoch and magic are not under the CRC; every other byte is. */
static void every_flipped_bit_behind_the_prefix_is_seen(void **state)
{
	(void)state;
	struct codec_batch batch;
	struct base_slice golden = from_hex(golden_hex);
	for (size_t bit = 17 * 8; bit < golden.bytes * 8; bit++) {
		golden.owner->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(codec_batch_check(bytes_of(golden), &batch).code, PYR_CORRUPT_MESSAGE);
		golden.owner->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	base_slice_release(&golden);
}

static void every_shortened_batch_is_refused(void **state)
{
	(void)state;
	struct codec_batch batch;
	struct base_slice golden = from_hex(golden_hex);
	for (size_t bytes = 0; bytes < golden.bytes; bytes++)
		assert_int_equal(codec_batch_check((struct base_bytes){golden.data, bytes}, &batch).code,
		                 PYR_CORRUPT_MESSAGE);
	golden.owner->data[16] = 1;
	assert_int_equal(codec_batch_check(bytes_of(golden), &batch).code, PYR_UNSUPPORTED_FORMAT);
	base_slice_release(&golden);
}

/* A batch whose header says something else than its records do, with a good CRC. */
static enum pyr_code validated_with(size_t at, uint8_t value)
{
	struct codec_batch batch;
	struct pyr_error error = {0};
	int64_t min_timestamp_ms;
	struct base_slice golden = from_hex(golden_hex);
	golden.owner->data[at] = value;
	assert_int_equal(codec_batch_parse(bytes_of(golden), &batch).code, PYR_OK);
	enum pyr_code code = codec_batch_validate(&batch, INFLATED_MAX, &min_timestamp_ms, &error).code;
	assert_true(code == PYR_OK || error.text[0] != 0);
	base_slice_release(&golden);
	return code;
}

static void validation_refuses_what_a_producer_must_not_send(void **state)
{
	(void)state;
	assert_int_equal(validated_with(0, 0), PYR_OK);
	assert_int_equal(validated_with(22, 32), PYR_INVALID_RECORD); /* control */
	assert_int_equal(validated_with(22, 8), PYR_BAD_TIMESTAMP); /* append time */
	assert_int_equal(validated_with(22, 5), PYR_UNSUPPORTED_COMPRESSION);
	assert_int_equal(validated_with(22, 1), PYR_CORRUPT_MESSAGE); /* gzip, but it is not */
	assert_int_equal(validated_with(26, 3), PYR_INVALID_RECORD); /* last offset delta */
	assert_int_equal(validated_with(60, 4), PYR_INVALID_RECORD); /* one record too few */
	assert_int_equal(validated_with(53, 0x80), PYR_INVALID_RECORD); /* negative sequence */
	assert_int_equal(validated_with(42, 4), PYR_INVALID_RECORD); /* max timestamp below a record's */
	assert_int_equal(validated_with(64, 2), PYR_INVALID_RECORD); /* offset delta of the first record */
	assert_int_equal(validated_with(61, 0x22), PYR_INVALID_RECORD); /* record length */
	assert_int_equal(validated_with(72, 2), PYR_INVALID_RECORD); /* header count */
}

static void output_is_bounded_to_the_byte(void **state)
{
	(void)state;
	enum { BYTES = 100000 };
	uint8_t *zeros = calloc(1, BYTES);
	for (int compression = 0; compression < CODEC_COMPRESSION_COUNT; compression++) {
		struct base_slice packed = {0}, plain = {0};
		assert_int_equal(codec_deflate(compression, (struct base_bytes){zeros, BYTES}, &packed).code, PYR_OK);
		assert_int_equal(codec_inflate(compression, bytes_of(packed), BYTES, &plain).code, PYR_OK);
		assert_int_equal(plain.bytes, BYTES);
		assert_memory_equal(plain.data, zeros, BYTES);
		base_slice_release(&plain);
		assert_int_equal(codec_inflate(compression, bytes_of(packed), BYTES - 1, &plain).code,
		                 PYR_CORRUPT_MESSAGE);
		for (size_t cut = 1; compression != CODEC_NONE && cut < packed.bytes; cut += 1 + cut / 8) {
			struct base_bytes prefix = {packed.data, packed.bytes - cut};
			assert_int_equal(codec_inflate(compression, prefix, BYTES, &plain).code, PYR_CORRUPT_MESSAGE);
		}
		base_slice_release(&packed);
	}
	free(zeros);
}

static void empty_input_makes_the_round_trip(void **state)
{
	(void)state;
	for (int compression = 0; compression < CODEC_COMPRESSION_COUNT; compression++) {
		struct base_slice packed = {0}, plain = {0};
		assert_int_equal(codec_deflate(compression, text(""), &packed).code, PYR_OK);
		assert_int_equal(codec_inflate(compression, bytes_of(packed), 0, &plain).code, PYR_OK);
		assert_int_equal(plain.bytes, 0);
		base_slice_release(&plain);
		base_slice_release(&packed);
	}
}

/* What snappy-java sends: its header, then blocks. */
static void snappy_java_framing_is_read(void **state)
{
	(void)state;
	struct base_slice block = {0}, plain = {0};
	struct base_writer writer;
	base_writer_init(&writer, 1000);
	base_write_bytes(&writer, "\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(codec_deflate(CODEC_SNAPPY, text(i ? "world" : "hello "), &block).code, PYR_OK);
		base_write_u32be(&writer, (uint32_t)block.bytes);
		base_write_bytes(&writer, block.data, block.bytes);
		base_slice_release(&block);
	}
	assert_int_equal(base_writer_take(&writer, &block).code, PYR_OK);
	assert_int_equal(codec_inflate(CODEC_SNAPPY, bytes_of(block), 100, &plain).code, PYR_OK);
	assert_bytes(bytes_of(plain), "hello world");
	base_slice_release(&plain);
	assert_int_equal(codec_inflate(CODEC_SNAPPY, bytes_of(block), 10, &plain).code, PYR_CORRUPT_MESSAGE);
	base_slice_release(&block);
}

/* Some clients flush in the middle: several gzip members or lz4 frames are one stream. */
static void concatenated_members_are_one_stream(void **state)
{
	(void)state;
	static const int codecs[] = {CODEC_GZIP, CODEC_LZ4, CODEC_ZSTD};
	for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
		struct base_slice one = {0}, plain = {0};
		struct base_writer writer;
		base_writer_init(&writer, 1000);
		assert_int_equal(codec_deflate(codecs[i], text("hello "), &one).code, PYR_OK);
		base_write_bytes(&writer, one.data, one.bytes);
		base_write_bytes(&writer, one.data, one.bytes);
		base_slice_release(&one);
		assert_int_equal(base_writer_take(&writer, &one).code, PYR_OK);
		assert_int_equal(codec_inflate(codecs[i], bytes_of(one), 12, &plain).code, PYR_OK);
		assert_bytes(bytes_of(plain), "hello hello ");
		base_slice_release(&plain);
		base_slice_release(&one);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_header_is_read),
		cmocka_unit_test(golden_records_are_read),
		cmocka_unit_test(builder_makes_the_golden_batch),
		cmocka_unit_test(every_codec_makes_the_round_trip),
		cmocka_unit_test(stamped_batch_has_one_time_and_a_good_crc),
		cmocka_unit_test(records_are_passed_over_by_their_offsets),
		cmocka_unit_test(a_batch_with_gaps_is_read_from_its_start),
		cmocka_unit_test(every_flipped_bit_behind_the_prefix_is_seen),
		cmocka_unit_test(every_shortened_batch_is_refused),
		cmocka_unit_test(validation_refuses_what_a_producer_must_not_send),
		cmocka_unit_test(output_is_bounded_to_the_byte),
		cmocka_unit_test(empty_input_makes_the_round_trip),
		cmocka_unit_test(snappy_java_framing_is_read),
		cmocka_unit_test(concatenated_members_are_one_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
