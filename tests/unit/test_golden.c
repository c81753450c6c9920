/* The formats on disk, to the byte: what the encoders write is what tests/golden/ holds, and the decoders read it back.
 * A failure here means that data written by an earlier version can't be read any more. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "base/crc32c.h"
#include "catalog/catalog_priv.h"
#include "codec/batch.h"
#include "golden.h"
#include "log/format.h"
#include "log/log.h"
#include "log/producers.h"
#include "os/sim/sim.h"

static const uint64_t FILE_ID = 0x1122334455667788;
static const uint64_t HLC = 1700000000000ull << 20;

static struct base_bytes bytes_of(const struct golden *golden)
{
	return (struct base_bytes){golden->bytes, golden->count};
}

/* Every single flipped bit under the checksum must be noticed. */
#define CHECK_EVERY_BIT(golden, from, to, decode)                                                                      \
	for (size_t bit_ = (from)*8; bit_ < (to)*8; bit_++) {                                                          \
		(golden).bytes[bit_ / 8] ^= (uint8_t)(1 << bit_ % 8);                                                  \
		assert_int_not_equal((decode).code, PYR_OK);                                                           \
		(golden).bytes[bit_ / 8] ^= (uint8_t)(1 << bit_ % 8);                                                  \
	}

static void the_identity(void **state)
{
	(void)state;
	struct log_identity identity = {.incarnation = 7}, read;
	struct golden golden;
	uint8_t bytes[LOG_IDENTITY_BYTES];
	log_identity_encode(&identity, bytes);
	golden_check("identity", bytes, sizeof bytes);
	golden_load("identity", &golden);
	assert_int_equal(log_identity_decode(bytes_of(&golden), &read).code, PYR_OK);
	assert_int_equal(read.incarnation, 7);
	CHECK_EVERY_BIT(golden, 0, golden.count, log_identity_decode(bytes_of(&golden), &read))
}

static void check_ring_header(const struct golden *golden)
{
	struct log_ring_header read;
	assert_int_equal(log_ring_header_decode(bytes_of(golden), &read).code, PYR_OK);
	assert_true(read.file_id == FILE_ID && read.incarnation == 7 && read.bytes == 1 << 26);
	assert_true(read.first_group == 1001 && read.after_group == 1000);
}

static void a_ring_header(void **state)
{
	(void)state;
	struct log_ring_header header = {FILE_ID, 7, 1 << 26, 1001, 1000};
	struct golden golden;
	uint8_t bytes[LOG_RING_HEADER_BYTES];
	log_ring_header_encode(&header, bytes);
	golden_check("ring_header", bytes, sizeof bytes);
	golden_load("ring_header", &golden);
	check_ring_header(&golden);
	memset(golden.bytes, 0xee, 2048); /* the second copy is as good */
	check_ring_header(&golden);
	golden_load("ring_header", &golden);
	memset(golden.bytes + 2048, 0xee, 2048);
	check_ring_header(&golden);
}

/* The batch that tests/golden/make.py writes by hand. */
static struct base_slice make_batch(void)
{
	struct codec_batch_builder builder;
	struct base_slice batch;
	codec_batch_builder_init(&builder, CODEC_NONE, 4096);
	builder.producer_id = 1001;
	builder.producer_epoch = 2;
	builder.base_sequence = 9;
	codec_batch_builder_add(&builder, 1700000000000, (struct base_bytes){0},
	                        (struct base_bytes){(const uint8_t *)"hello", 5}, NULL, 0);
	assert_int_equal(codec_batch_builder_take(&builder, &batch).code, PYR_OK);
	codec_batch_builder_deinit(&builder);
	codec_batch_assign((uint8_t *)(uintptr_t)batch.data, 42, 3);
	return batch;
}

static size_t put_frame(const struct log_frame *frame, const uint8_t *payload, uint8_t *at)
{
	log_frame_encode(frame, payload, at);
	memcpy(at + LOG_FRAME_HEADER_BYTES, payload, frame->payload_bytes);
	return (size_t)log_align(LOG_FRAME_HEADER_BYTES + frame->payload_bytes, 8);
}

static size_t put_data_frame(uint8_t *at)
{
	struct base_slice batch = make_batch();
	struct log_frame frame = {.kind = LOG_FRAME_DATA,
	                          .partition = 17,
	                          .index = 5,
	                          .term = 3,
	                          .base_offset = 42,
	                          .hlc = HLC,
	                          .record_count = 1,
	                          .payload_bytes = (uint32_t)batch.bytes,
	                          .payload_crc = base_load_u32be(batch.data + 17)};
	size_t stride = put_frame(&frame, batch.data, at);
	base_slice_release(&batch);
	return stride;
}

static void check_data_frame(struct base_bytes bytes, size_t *ret_stride)
{
	struct log_frame read;
	struct base_bytes payload;
	struct codec_batch batch;
	assert_int_equal(log_frame_decode(bytes, &read, &payload, ret_stride).code, PYR_OK);
	assert_true(read.kind == LOG_FRAME_DATA && read.partition == 17 && read.index == 5 && read.term == 3);
	assert_true(read.base_offset == 42 && read.hlc == HLC && read.record_count == 1 && read.schema_id == 0);
	assert_int_equal(codec_batch_check(payload, &batch).code, PYR_OK);
	assert_true(batch.bytes == payload.bytes && batch.base_offset == 42 && batch.producer_id == 1001);
}

static void a_frame(void **state)
{
	(void)state;
	struct golden golden;
	uint8_t bytes[256] = {0};
	size_t stride = put_data_frame(bytes);
	golden_check("frame", bytes, stride);
	golden_load("frame", &golden);
	check_data_frame(bytes_of(&golden), &stride);
	assert_int_equal(stride, golden.count);
	struct log_frame read;
	struct base_bytes payload;
	assert_int_equal(log_frame_decode(bytes_of(&golden), &read, &payload, &stride).code, PYR_OK);
	size_t end = LOG_FRAME_HEADER_BYTES + payload.bytes; /* then padding */
	CHECK_EVERY_BIT(golden, 0, end, log_frame_decode(bytes_of(&golden), &read, &payload, &stride))
}

static void encode_event(struct base_slice *ret_bytes)
{
	struct base_writer writer;
	struct catalog_event event = {.kind = CATALOG_EVENT_CREATED};
	strcpy(event.topic.name, "flights");
	for (uint8_t i = 0; i < CATALOG_UUID_BYTES; i++)
		event.topic.uuid[i] = i;
	event.topic.partition_count = 3;
	event.topic.span_count = 2;
	event.topic.spans[0] = (struct catalog_span){0, 17};
	event.topic.spans[1] = (struct catalog_span){2, 40};
	event.topic.config = (struct catalog_topic_config){
		.durability = 1,
		.retention_ms = 3600000,
		.retention_bytes = -1,
		.segment_bytes = 1048576,
		.max_message_bytes = 16777216,
		.timestamp_type = 1,
		.min_insync_replicas = 1,
		.min_compaction_lag_ms = 60000,
		.max_compaction_lag_ms = 7200000,
		.delete_retention_ms = 86400000,
		.min_dirty_permille = 250,
		.timestamp_before_max_ms = 1000,
		.timestamp_after_max_ms = 2000,
		.set = 0x23,
	};
	base_writer_init(&writer, 4096);
	catalog_event_encode(&event, &writer);
	assert_int_equal(base_writer_take(&writer, ret_bytes).code, PYR_OK);
	base_writer_deinit(&writer);
}

static size_t put_record_frame(uint8_t *at)
{
	struct base_slice event;
	uint8_t payload[512] = {1};
	encode_event(&event);
	memcpy(payload + 1, event.data, event.bytes);
	struct log_frame frame = {.kind = LOG_FRAME_RECORD,
	                          .base_offset = -1,
	                          .hlc = 1700000000001ull << 20,
	                          .payload_bytes = (uint32_t)event.bytes + 1,
	                          .payload_crc = base_crc32c(0, payload, event.bytes + 1)};
	base_slice_release(&event);
	return put_frame(&frame, payload, at);
}

static void put_directory(uint8_t *at)
{
	struct base_slice batch = make_batch(), event;
	encode_event(&event);
	base_store_u32le(at, 17);
	base_store_u32le(at + 4, (uint32_t)batch.bytes);
	base_store_u32le(at + 12, (uint32_t)event.bytes + 1);
	base_slice_release(&batch);
	base_slice_release(&event);
}

static void a_group(void **state)
{
	(void)state;
	struct log_group_header group, read;
	memset(&group, 0, sizeof group); /* and its padding, as both are compared whole */
	memset(&read, 0, sizeof read);
	group.flags = LOG_GROUP_LAST;
	group.file_id = FILE_ID;
	group.incarnation = 7;
	group.number = 1001;
	group.durable_through = 1000;
	group.bytes = 4096;
	group.previous_crc = 0xcafebabe;
	group.frame_count = 2;
	group.directory_count = 2;
	struct golden golden;
	uint8_t bytes[4096] = {0};
	put_directory(bytes + LOG_GROUP_HEADER_BYTES);
	size_t at = log_group_frames_at(&group);
	at += put_data_frame(bytes + at);
	put_record_frame(bytes + at);
	log_group_header_encode(&group, bytes);
	golden_check("group", bytes, sizeof bytes);
	golden_load("group", &golden);
	assert_int_equal(log_group_header_decode(bytes_of(&golden), &read).code, PYR_OK);
	assert_memory_equal(&read, &group, offsetof(struct log_group_header, crc) + sizeof group.crc);
	CHECK_EVERY_BIT(golden, 0, log_group_frames_at(&group), log_group_header_decode(bytes_of(&golden), &read))
	size_t stride;
	at = log_group_frames_at(&read);
	check_data_frame((struct base_bytes){golden.bytes + at, golden.count - at}, &stride);
}

static void a_reference(void **state)
{
	(void)state;
	struct base_slice batch = make_batch();
	struct log_reference reference = {.segment_id = 9, .position = 4096, .bytes = batch.bytes, .batch_count = 1};
	struct log_reference read;
	struct golden golden;
	uint8_t bytes[LOG_REFERENCE_HEADER_BYTES + LOG_REFERENCE_BATCH_BYTES] = {0};
	log_reference_encode(&reference, bytes);
	memcpy(bytes + LOG_REFERENCE_HEADER_BYTES, batch.data, CODEC_BATCH_HEADER_BYTES);
	golden_check("reference", bytes, sizeof bytes);
	golden_load("reference", &golden);
	assert_int_equal(log_reference_decode(bytes_of(&golden), &read).code, PYR_OK);
	assert_true(read.segment_id == 9 && read.position == 4096 && read.bytes == batch.bytes &&
	            read.batch_count == 1);
	assert_memory_equal(read.headers, batch.data, CODEC_BATCH_HEADER_BYTES);
	golden.bytes[24] = 2; /* more batches than there is room for */
	assert_int_equal(log_reference_decode(bytes_of(&golden), &read).code, PYR_CORRUPT);
	base_slice_release(&batch);
}

static const struct log_block BLOCK = {42, 52, 1700000000000, 8192, 65000, 0xdeadbeef, 11};
static const struct log_part PART = {.partition = 17,
                                     .block_count = 2,
                                     .segment_id = 9,
                                     .index_position = 123456,
                                     .index_crc = 0xfeedf00d,
                                     .bytes = 130000,
                                     .record_count = 22,
                                     .base_offset = 42,
                                     .end_offset = 64,
                                     .first_index = 5,
                                     .last_index = 26,
                                     .min_timestamp_ms = 1600000000000,
                                     .max_timestamp_ms = 1700000000000};

static void blocks_and_parts(void **state)
{
	(void)state;
	struct base_writer writer;
	struct golden golden;
	struct log_block block = {0};
	struct log_part part = {0};
	base_writer_init(&writer, 4096);
	log_block_encode(&BLOCK, &writer);
	golden_check("block", writer.buffer->data, writer.bytes);
	writer.bytes = 0;
	log_part_encode(&PART, &writer);
	golden_check("part", writer.buffer->data, writer.bytes);
	base_writer_deinit(&writer);
	golden_load("block", &golden);
	struct base_reader reader = base_reader_init(golden.bytes, golden.count);
	assert_int_equal(log_block_decode(&reader, &block).code, PYR_OK);
	assert_true(block.base_offset == 42 && block.last_offset == 52 && block.max_timestamp_ms == 1700000000000);
	assert_true(block.position == 8192 && block.bytes == 65000 && block.crc == 0xdeadbeef &&
	            block.record_count == 11);
	golden_load("part", &golden);
	reader = base_reader_init(golden.bytes, golden.count);
	assert_int_equal(log_part_decode(&reader, &part).code, PYR_OK);
	assert_memory_equal(&part, &PART, offsetof(struct log_part, index_crc) + sizeof part.index_crc);
	assert_memory_equal(&part.bytes, &PART.bytes, sizeof part - offsetof(struct log_part, bytes));
	reader = base_reader_init(golden.bytes, golden.count - 1);
	assert_int_equal(log_part_decode(&reader, &part).code, PYR_CORRUPT);
}

static void a_segments_header_and_trailer(void **state)
{
	(void)state;
	struct log_segment_trailer trailer = {9, 200000, 112, 0x0badcafe, 1}, read;
	struct golden golden;
	uint8_t header[LOG_SEGMENT_HEADER_BYTES], bytes[LOG_SEGMENT_TRAILER_BYTES];
	uint64_t id;
	log_segment_header_encode(9, header);
	golden_check("segment_header", header, sizeof header);
	log_segment_trailer_encode(&trailer, bytes);
	golden_check("trailer", bytes, sizeof bytes);
	golden_load("segment_header", &golden);
	assert_int_equal(log_segment_header_decode(bytes_of(&golden), &id).code, PYR_OK);
	assert_int_equal(id, 9);
	golden_load("trailer", &golden);
	assert_int_equal(log_segment_trailer_decode(bytes_of(&golden), &read).code, PYR_OK);
	assert_true(read.segment_id == 9 && read.directory_position == 200000 && read.directory_bytes == 112);
	assert_true(read.directory_crc == 0x0badcafe && read.part_count == 1);
	CHECK_EVERY_BIT(golden, 0, golden.count, log_segment_trailer_decode(bytes_of(&golden), &read))
}

/* Unknown required features and versions are no damage: they say "upgrade". */
static void newer_versions_are_told_apart_from_damage(void **state)
{
	(void)state;
	struct log_segment_trailer read;
	for (size_t at = 8; at <= 10; at += 2) {
		struct golden golden;
		golden_load("trailer", &golden);
		golden.bytes[at] ^= 2;
		base_store_u32le(golden.bytes + 4, base_crc32c(0, golden.bytes + 8, golden.count - 8));
		assert_int_equal(log_segment_trailer_decode(bytes_of(&golden), &read).code, PYR_UNSUPPORTED_FEATURE);
	}
}

static void producers_of_a_partition(void **state)
{
	(void)state;
	struct log_producers producers = {0};
	struct log_sequence_verdict verdict;
	struct base_writer writer;
	struct golden golden;
	struct codec_batch batch;
	struct base_slice bytes = make_batch();
	golden_load("producers", &golden);
	struct base_reader reader = base_reader_init(golden.bytes, golden.count);
	assert_int_equal(log_producers_decode(&producers, &reader).code, PYR_OK);
	assert_int_equal(base_reader_left(&reader), 0);
	assert_int_equal(codec_batch_parse((struct base_bytes){bytes.data, bytes.bytes}, &batch).code, PYR_OK);
	assert_int_equal(log_producers_check(&producers, &batch, &verdict).code, PYR_OK);
	assert_int_equal(verdict.sequence, LOG_SEQUENCE_DUPLICATE);
	assert_int_equal(verdict.base_offset, 63);
	base_writer_init(&writer, 4096);
	log_producers_encode(&producers, &writer);
	golden_check("producers", writer.buffer->data, writer.bytes);
	base_writer_deinit(&writer);
	log_producers_deinit(&producers);
	base_slice_release(&bytes);
}

static void a_catalog_event(void **state)
{
	(void)state;
	struct base_slice bytes;
	struct catalog_event event;
	struct golden golden;
	encode_event(&bytes);
	golden_check("event", bytes.data, bytes.bytes);
	base_slice_release(&bytes);
	golden_load("event", &golden);
	struct base_reader reader = base_reader_init(golden.bytes, golden.count);
	assert_int_equal(catalog_event_decode(&reader, &event).code, PYR_OK);
	assert_int_equal(base_reader_left(&reader), 0);
	assert_string_equal(event.topic.name, "flights");
	assert_true(event.kind == CATALOG_EVENT_CREATED && event.topic.partition_count == 3);
	assert_true(event.topic.uuid[15] == 15 && event.topic.config.set == 0x23 && event.topic.span_count == 2);
	assert_int_equal(catalog_topic_partition(&event.topic, 1), 18);
	assert_int_equal(catalog_topic_partition(&event.topic, 2), 40);
	assert_int_equal(catalog_topic_partition(&event.topic, 3), 0);
	assert_true(event.topic.config.durability == 1 && event.topic.config.retention_bytes == -1);
	assert_true(event.topic.config.timestamp_type == 1 && event.topic.config.min_insync_replicas == 1);
	for (size_t cut = 0; cut < golden.count; cut++) {
		reader = base_reader_init(golden.bytes, cut);
		assert_int_equal(catalog_event_decode(&reader, &event).code, PYR_CORRUPT);
	}
}

static void an_event_of_the_first_format(void **state)
{
	(void)state;
	struct golden golden;
	struct catalog_event event;
	golden_load("event_1", &golden);
	struct base_reader reader = base_reader_init(golden.bytes, golden.count);
	assert_int_equal(catalog_event_decode(&reader, &event).code, PYR_OK);
	assert_int_equal(base_reader_left(&reader), 0);
	assert_true(event.topic.span_count == 1 && event.topic.spans[0].first == 17);
	assert_true(event.topic.config.min_insync_replicas == 1 && event.topic.config.min_dirty_permille == 500);
}

static void a_quota(void **state)
{
	(void)state;
	struct golden golden;
	struct base_writer writer;
	struct catalog_event event = {.kind = CATALOG_EVENT_QUOTA};
	event.quota.entity = (struct catalog_quota_entity){CATALOG_QUOTA_NAMED, CATALOG_QUOTA_DEFAULT, "ada", ""};
	event.quota.set = 1u << CATALOG_QUOTA_PRODUCE | 1u << CATALOG_QUOTA_REQUEST;
	event.quota.values[CATALOG_QUOTA_PRODUCE] = 1000.5;
	event.quota.values[CATALOG_QUOTA_REQUEST] = 50;
	base_writer_init(&writer, 4096);
	catalog_event_encode(&event, &writer);
	golden_check("quota", writer.buffer->data, writer.bytes);
	base_writer_deinit(&writer);
	golden_load("quota", &golden);
	struct base_reader reader = base_reader_init(golden.bytes, golden.count);
	assert_int_equal(catalog_event_decode(&reader, &event).code, PYR_OK);
	assert_true(event.quota.values[CATALOG_QUOTA_PRODUCE] == 1000.5 && event.quota.set == 5);
	for (size_t cut = 0; cut < golden.count; cut++) {
		reader = base_reader_init(golden.bytes, cut);
		assert_int_equal(catalog_event_decode(&reader, &event).code, PYR_CORRUPT);
	}
	golden.bytes[golden.count - 1] |= 0x80; /* less than nothing a second */
	reader = base_reader_init(golden.bytes, golden.count);
	assert_int_equal(catalog_event_decode(&reader, &event).code, PYR_CORRUPT);
}

static void settings_of_a_group(void **state)
{
	(void)state;
	struct golden golden;
	struct base_writer writer;
	struct catalog_event event = {.kind = CATALOG_EVENT_GROUP, .changed = CATALOG_GROUP_ALL};
	event.group = (struct catalog_group_settings){.group = "app", .set = 1u << CATALOG_GROUP_SESSION};
	event.group.values[CATALOG_GROUP_SESSION] = 60000;
	base_writer_init(&writer, 4096);
	catalog_event_encode(&event, &writer);
	golden_check("group_settings", writer.buffer->data, writer.bytes);
	base_writer_deinit(&writer);
	golden_load("group_settings", &golden);
	struct base_reader reader = base_reader_init(golden.bytes, golden.count);
	assert_int_equal(catalog_event_decode(&reader, &event).code, PYR_OK);
	assert_true(event.changed == CATALOG_GROUP_ALL && event.group.values[CATALOG_GROUP_SESSION] == 60000);
	for (size_t cut = 0; cut < golden.count; cut++) {
		reader = base_reader_init(golden.bytes, cut);
		assert_int_equal(catalog_event_decode(&reader, &event).code, PYR_CORRUPT);
	}
	golden.bytes[golden.count - 1] |= 0x80; /* of a value that is not set */
	reader = base_reader_init(golden.bytes, golden.count);
	assert_int_equal(catalog_event_decode(&reader, &event).code, PYR_CORRUPT);
}

static void an_event_of_columns(void **state)
{
	(void)state;
	struct catalog_event event = {.kind = CATALOG_EVENT_COLUMNS}, read;
	struct catalog_column delay = {.name = "delay", .path = "dep.delay", .type = 23, .modifier = -1};
	struct catalog_column late = {.name = "late"};
	struct base_writer actions, writer;
	struct golden golden;
	strcpy(event.topic.name, "flights");
	base_writer_init(&actions, 4096);
	base_writer_init(&writer, 4096);
	catalog_column_action_write(&actions, CATALOG_COLUMN_ADD, &delay);
	catalog_column_action_write(&actions, CATALOG_COLUMN_DROP, &late);
	event.actions = (struct base_bytes){actions.buffer->data, actions.bytes};
	catalog_event_encode(&event, &writer);
	golden_check("columns_event", writer.buffer->data, writer.bytes);
	base_writer_deinit(&actions);
	base_writer_deinit(&writer);
	golden_load("columns_event", &golden);
	struct base_reader reader = base_reader_init(golden.bytes, golden.count);
	assert_int_equal(catalog_event_decode(&reader, &read).code, PYR_OK);
	assert_true(read.kind == CATALOG_EVENT_COLUMNS && read.actions.bytes == event.actions.bytes);
	for (size_t cut = 0; cut < golden.count; cut++) {
		reader = base_reader_init(golden.bytes, cut);
		assert_int_equal(catalog_event_decode(&reader, &read).code, PYR_CORRUPT);
	}
}

/* Behind a right checksum, but impossible: it would index tables and number partitions. */
static void an_impossible_event_is_refused(void **state)
{
	(void)state;
	enum {
		PARTITIONS_AT = 27,
		SPANS_AT = 51,
		FIRST_AT = 56,
		FROM_AT = 60,
		DURABILITY_AT = 69,
		TIMESTAMP_TYPE_AT = 109
	};
	static const struct {
		size_t at;
		uint8_t value;
	} wrong[] = {{FIRST_AT, 3},
	             {PARTITIONS_AT, 0},
	             {PARTITIONS_AT + 2, 1},
	             {DURABILITY_AT, 3},
	             {DURABILITY_AT + 7, 0x80},
	             {TIMESTAMP_TYPE_AT, 2},
	             {SPANS_AT, 0},
	             {SPANS_AT, CATALOG_SPANS_MAX + 1},
	             {FROM_AT, 0},
	             {FROM_AT, 3},
	             {0, 3}};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct golden golden;
		struct catalog_event event;
		golden_load("event", &golden);
		golden.bytes[wrong[i].at] = wrong[i].value;
		struct base_reader reader = base_reader_init(golden.bytes, golden.count);
		assert_int_equal(catalog_event_decode(&reader, &event).code, PYR_CORRUPT);
	}
	struct golden golden;
	struct catalog_event event;
	golden_load("event", &golden);
	memset(golden.bytes + FIRST_AT, 0xff, 4); /* the last ids, and then around */
	struct base_reader reader = base_reader_init(golden.bytes, golden.count);
	assert_int_equal(catalog_event_decode(&reader, &event).code, PYR_CORRUPT);
}

/* ---- a whole manifest, loaded by a log ---- */

static void put_file(struct os_disk *disk, const char *path, const struct golden *golden)
{
	struct os_file *file;
	struct base_bytes piece = bytes_of(golden);
	assert_int_equal(os_file_open(disk, path, OS_OPEN_WRITE | OS_OPEN_CREATE, &file).code, PYR_OK);
	assert_int_equal(os_file_write(file, 0, &piece, 1).code, PYR_OK);
	assert_int_equal(os_file_sync(file).code, PYR_OK);
	os_file_close(file);
}

static void check_restored(struct catalog *catalog, struct log *log)
{
	struct log_partition_info info;
	assert_non_null(catalog_topic_find(catalog, "flights", 7));
	assert_int_equal(log_partition_get(log, 17, &info).code, PYR_OK);
	assert_true(info.log_start_offset == 42 && info.log_end_offset == 64 && info.high_watermark == 64);
	assert_true(info.segments == 1 && info.bytes == 130000 && info.leader_epoch == 3 && info.read_only);
	assert_int_equal(info.max_timestamp_ms, 1700000000000);
	assert_int_equal(log_partition_get(log, 40, &info).code, PYR_OK);
	assert_int_equal(log_partition_get(log, 19, &info).code, PYR_UNKNOWN_PARTITION);
	assert_int_equal(log_partition_get(log, 41, &info).code, PYR_UNKNOWN_PARTITION);
}

static void a_manifest(void **state)
{
	(void)state;
	struct os_sim *sim = os_sim_new(1);
	struct os_loop *loop = os_sim_loop_new(sim);
	struct os_disk *disk = os_sim_disk_new(sim);
	struct log_options options = log_options_default();
	struct pyr_error error = {0};
	struct catalog *catalog;
	struct log *log;
	struct golden golden;
	options.ring_file_bytes = 1 << 16;
	options.extent_min_bytes = 1 << 14;
	golden_load("manifest", &golden);
	put_file(disk, "manifest/0000000000000003", &golden);
	assert_int_equal(catalog_new(loop, &catalog).code, PYR_OK);
	struct log_observer observer = catalog_observer(catalog);
	if (log_open(loop, disk, &options, &observer, &log, &error).code != PYR_OK)
		fail_msg("%s", error.text);
	assert_int_equal(catalog_attach(catalog, log).code, PYR_OK);
	check_restored(catalog, log);
	log_abandon(log);
	golden.bytes[golden.count - 1] ^= 1;
	put_file(disk, "manifest/0000000000000003", &golden);
	assert_int_equal(log_open(loop, disk, &options, &observer, &log, &error).code, PYR_CORRUPT);
	catalog_free(catalog);
	os_sim_loop_kill(loop);
	os_sim_disk_free(disk);
	os_sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_identity),
		cmocka_unit_test(a_ring_header),
		cmocka_unit_test(a_frame),
		cmocka_unit_test(a_group),
		cmocka_unit_test(a_reference),
		cmocka_unit_test(blocks_and_parts),
		cmocka_unit_test(a_segments_header_and_trailer),
		cmocka_unit_test(newer_versions_are_told_apart_from_damage),
		cmocka_unit_test(producers_of_a_partition),
		cmocka_unit_test(a_catalog_event),
		cmocka_unit_test(an_event_of_the_first_format),
		cmocka_unit_test(a_quota),
		cmocka_unit_test(settings_of_a_group),
		cmocka_unit_test(an_event_of_columns),
		cmocka_unit_test(an_impossible_event_is_refused),
		cmocka_unit_test(a_manifest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
