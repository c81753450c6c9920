/* Kafka's messages: bytes that a real client sent are understood; every message in every version makes the round trip
 * with random content; every prefix of one is refused; unknown tagged fields are skipped. SEED=n replays. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "codec/kafka/api.h"
#include "codec/kafka/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 1 << 20, MESSAGE_BYTES_MAX = 1 << 20, ROUNDS = 20 };

static uint64_t random_state;
static uint8_t fill_text[64] = "the quick brown fox jumps over the lazy dog, and then some more";

static uint32_t fill_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % n;
}

#include "kafka_messages_fill.h"

static struct base_slice encoded(const struct codec_kafka_message *message, int version, const void *from)
{
	struct base_writer writer;
	struct base_slice bytes = {0};
	base_writer_init(&writer, MESSAGE_BYTES_MAX);
	message->encode(&writer, version, from);
	assert_int_equal(base_writer_take(&writer, &bytes).code, PYR_OK);
	return bytes;
}

static pyr_result decode(const struct codec_kafka_message *message, int version, struct base_bytes bytes,
                         struct codec_arena *arena, void *to, size_t *ret_left)
{
	struct base_reader reader = base_reader_init(bytes.data, bytes.bytes);
	codec_arena_init(arena, ARENA_BYTES);
	pyr_result result = message->decode(&reader, version, arena, to);
	*ret_left = base_reader_left(&reader);
	return result;
}

static void round_trip(const struct codec_kafka_message *message, fill_message *fill, int version)
{
	struct codec_arena filled, arena;
	size_t left;
	void *sent = calloc(1, message->struct_bytes), *received = calloc(1, message->struct_bytes);
	codec_arena_init(&filled, ARENA_BYTES);
	fill(sent, version, &filled);
	struct base_slice first = encoded(message, version, sent);
	struct base_bytes bytes = {first.data ? first.data : (const uint8_t *)"", first.bytes};
	assert_int_equal(decode(message, version, bytes, &arena, received, &left).code, PYR_OK);
	assert_int_equal(left, 0);
	struct base_slice second = encoded(message, version, received);
	assert_int_equal(first.bytes, second.bytes);
	assert_memory_equal(first.data ? first.data : bytes.data, second.data ? second.data : bytes.data, first.bytes);
	codec_arena_deinit(&arena);
	for (size_t cut = 0; cut < first.bytes; cut++) {
		bytes.bytes = cut;
		assert_int_equal(decode(message, version, bytes, &arena, received, &left).code, PYR_INVALID_REQUEST);
		codec_arena_deinit(&arena);
	}
	base_slice_release(&first);
	base_slice_release(&second);
	codec_arena_deinit(&filled);
	free(sent);
	free(received);
}

static void every_message_makes_the_round_trip(void **state)
{
	(void)state;
	const char *seed = getenv("SEED");
	random_state = seed ? strtoull(seed, NULL, 10) : 1;
	for (size_t i = 0; i < codec_kafka_api_count; i++) {
		const struct codec_kafka_api *api = &codec_kafka_apis[i];
		for (int version = api->version_min; version <= api->version_max; version++)
			for (int round = 0; round < ROUNDS; round++) {
				round_trip(&api->request, fill_messages[i][0], version);
				round_trip(&api->response, fill_messages[i][1], version);
			}
	}
	for (size_t i = 0; i < codec_kafka_record_type_count; i++) {
		const struct codec_kafka_record_type *type = &codec_kafka_record_types[i];
		for (int version = type->version_min; version <= type->version_max; version++)
			for (int round = 0; round < ROUNDS; round++)
				round_trip(&type->message, fill_records_of[i], version);
	}
}

static struct base_reader hex_reader(const char *hex, uint8_t *buffer)
{
	size_t bytes = strlen(hex) / 2;
	for (size_t i = 0; i < bytes; i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
		buffer[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return base_reader_init(buffer, bytes);
}

static void assert_text(struct base_bytes actual, const char *expected)
{
	assert_int_equal(actual.bytes, strlen(expected));
	assert_memory_equal(actual.data, expected, actual.bytes);
}

/* The first request of librdkafka 2.0.2 (kcat 1.7.1), without its length. */
static void a_client_s_first_request_is_understood(void **state)
{
	(void)state;
	uint8_t buffer[64];
	struct codec_arena arena;
	struct codec_kafka_request_header header;
	struct codec_kafka_api_versions_request request;
	struct base_reader reader =
		hex_reader("0012000300000001000772646b61666b61000b6c696272646b61666b6106322e302e3200", buffer);
	codec_arena_init(&arena, ARENA_BYTES);
	assert_int_equal(codec_kafka_request_header_decode(&reader, &header).code, PYR_OK);
	assert_int_equal(header.api_key, CODEC_KAFKA_API_VERSIONS);
	assert_int_equal(header.api_version, 3);
	assert_int_equal(header.correlation_id, 1);
	assert_text(header.client_id, "rdkafka");
	assert_int_equal(codec_kafka_api_versions_request_decode(&reader, 3, &arena, &request).code, PYR_OK);
	assert_text(request.client_software_name, "librdkafka");
	assert_text(request.client_software_version, "2.0.2");
	assert_int_equal(base_reader_left(&reader), 0);
	codec_arena_deinit(&arena);
}

/* Bytes put together by hand from the protocol guide: Metadata v1 for the topic "t", v12 with a null name and an id. */
static void metadata_requests_are_understood(void **state)
{
	(void)state;
	uint8_t buffer[64];
	struct codec_arena arena;
	struct codec_kafka_metadata_request request;
	struct base_reader reader = hex_reader("00000001000174", buffer);
	codec_arena_init(&arena, ARENA_BYTES);
	assert_int_equal(codec_kafka_metadata_request_decode(&reader, 1, &arena, &request).code, PYR_OK);
	assert_int_equal(request.topics_count, 1);
	assert_text(request.topics[0].name, "t");
	assert_true(request.allow_auto_topic_creation);
	reader = hex_reader("ffffffff", buffer);
	assert_int_equal(codec_kafka_metadata_request_decode(&reader, 1, &arena, &request).code, PYR_OK);
	assert_null(request.topics);
	reader = hex_reader("02000102030405060708090a0b0c0d0e0f0000000100", buffer);
	assert_int_equal(codec_kafka_metadata_request_decode(&reader, 12, &arena, &request).code, PYR_OK);
	assert_null(request.topics[0].name.data);
	assert_int_equal(request.topics[0].topic_id[15], 15);
	assert_false(request.allow_auto_topic_creation);
	assert_true(request.include_topic_authorized_operations);
	assert_int_equal(base_reader_left(&reader), 0);
	codec_arena_deinit(&arena);
}

static void responses_are_written_to_the_byte(void **state)
{
	(void)state;
	static const uint8_t whole[] = {0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 5, 0};
	struct codec_kafka_init_producer_id_response response = codec_kafka_init_producer_id_response_default;
	struct base_writer writer;
	base_writer_init(&writer, 100);
	response.producer_id = 9;
	response.producer_epoch = 5;
	codec_kafka_response_header_encode(&writer, CODEC_KAFKA_INIT_PRODUCER_ID, 2, 7);
	assert_int_equal(writer.bytes, 5); /* correlation id and no tags */
	codec_kafka_init_producer_id_response_encode(&writer, 2, &response);
	assert_int_equal(writer.bytes, sizeof whole);
	assert_memory_equal(writer.buffer->data, whole, sizeof whole);
	base_writer_deinit(&writer);
	base_writer_init(&writer, 100);
	codec_kafka_response_header_encode(&writer, CODEC_KAFKA_API_VERSIONS, 3, 7);
	assert_int_equal(writer.bytes, 4); /* never tags */
	base_writer_deinit(&writer);
}

/* A gap for records: the length is there, the bytes are the sender's to splice in. */
static void records_can_be_spliced(void **state)
{
	(void)state;
	size_t gap_at = 0, left;
	struct codec_arena arena;
	struct base_writer writer;
	struct codec_kafka_produce_request_partition partition = {.records = {.bytes = 5, .ret_gap_at = &gap_at}};
	struct codec_kafka_produce_request_topic topic = {.name = {(const uint8_t *)"t", 1}, .partitions = &partition};
	struct codec_kafka_produce_request request = {.acks = 1, .topics = &topic, .topics_count = 1}, received;
	topic.partitions_count = 1;
	base_writer_init(&writer, 1000);
	codec_kafka_produce_request_encode(&writer, 9, &request);
	assert_int_equal(writer.bytes - gap_at, 3); /* tags of partition, topic, request */
	uint8_t whole[100];
	memcpy(whole, writer.buffer->data, gap_at);
	memcpy(whole + gap_at, "batch", 5);
	memcpy(whole + gap_at + 5, writer.buffer->data + gap_at, 3);
	const struct codec_kafka_message *message = &codec_kafka_api_find(CODEC_KAFKA_PRODUCE)->request;
	struct base_bytes bytes = {whole, writer.bytes + 5};
	assert_int_equal(decode(message, 9, bytes, &arena, &received, &left).code, PYR_OK);
	assert_int_equal(left, 0);
	assert_memory_equal(received.topics[0].partitions[0].records.data, "batch", 5);
	codec_arena_deinit(&arena);
	base_writer_deinit(&writer);
}

/* ApiVersions v3 with empty names and one tagged field that nobody knows. */
static void unknown_tags_are_skipped(void **state)
{
	(void)state;
	uint8_t buffer[64];
	struct codec_arena arena;
	struct codec_kafka_api_versions_request request;
	codec_arena_init(&arena, ARENA_BYTES);
	struct base_reader reader = hex_reader("0101016303616263", buffer);
	assert_int_equal(codec_kafka_api_versions_request_decode(&reader, 3, &arena, &request).code, PYR_OK);
	assert_int_equal(base_reader_left(&reader), 0);
	reader = hex_reader("01010163046162", buffer);
	assert_int_equal(codec_kafka_api_versions_request_decode(&reader, 3, &arena, &request).code,
	                 PYR_INVALID_REQUEST);
	codec_arena_deinit(&arena);
}

static void a_count_is_not_believed(void **state)
{
	(void)state;
	uint8_t buffer[64];
	struct codec_arena arena;
	struct codec_kafka_metadata_request request;
	codec_arena_init(&arena, ARENA_BYTES);
	struct base_reader reader = hex_reader("7fffffff000174", buffer);
	assert_int_equal(codec_kafka_metadata_request_decode(&reader, 1, &arena, &request).code, PYR_INVALID_REQUEST);
	reader = hex_reader("80000000000174", buffer);
	assert_int_equal(codec_kafka_metadata_request_decode(&reader, 1, &arena, &request).code, PYR_INVALID_REQUEST);
	codec_arena_deinit(&arena);
	codec_arena_init(&arena, 16);
	reader = hex_reader("00000001000174", buffer);
	assert_int_equal(codec_kafka_metadata_request_decode(&reader, 1, &arena, &request).code, PYR_OUT_OF_MEMORY);
	codec_arena_deinit(&arena);
}

static void unknown_versions_still_give_the_correlation_id(void **state)
{
	(void)state;
	uint8_t buffer[64];
	struct codec_kafka_request_header header;
	struct base_reader reader = hex_reader("001200630000002a0000", buffer);
	assert_int_equal(codec_kafka_request_header_decode(&reader, &header).code, PYR_UNSUPPORTED_VERSION);
	assert_int_equal(header.api_key, CODEC_KAFKA_API_VERSIONS);
	assert_int_equal(header.correlation_id, 42);
	reader = hex_reader("03e700000000002a", buffer);
	assert_int_equal(codec_kafka_request_header_decode(&reader, &header).code, PYR_UNSUPPORTED_VERSION);
	reader = hex_reader("0012000300", buffer);
	assert_int_equal(codec_kafka_request_header_decode(&reader, &header).code, PYR_INVALID_REQUEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_s_first_request_is_understood),
		cmocka_unit_test(metadata_requests_are_understood),
		cmocka_unit_test(responses_are_written_to_the_byte),
		cmocka_unit_test(records_can_be_spliced),
		cmocka_unit_test(unknown_tags_are_skipped),
		cmocka_unit_test(a_count_is_not_believed),
		cmocka_unit_test(unknown_versions_still_give_the_correlation_id),
		cmocka_unit_test(every_message_makes_the_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
