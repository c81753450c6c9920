/* Any bytes as any Kafka message or stored record: the first three pick which, direction and version. What decodes must
 * encode, and that must decode again. */
#include "codec/kafka/api.h"

#include <stdlib.h>

enum { ARENA_BYTES = 1 << 18, ENCODED_MAX = 1 << 22 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void decode_again(const struct codec_kafka_message *message, int version, const struct base_writer *writer)
{
	struct codec_arena arena;
	void *again = malloc(message->struct_bytes);
	struct base_reader reader = base_reader_init(writer->bytes ? writer->buffer->data : NULL, writer->bytes);
	codec_arena_init(&arena, ARENA_BYTES);
	if (message->decode(&reader, version, &arena, again).code != PYR_OK)
		abort();
	codec_arena_deinit(&arena);
	free(again);
}

static const struct codec_kafka_message *pick(const uint8_t *data, int *ret_version)
{
	const struct codec_kafka_api *api = &codec_kafka_apis[data[0] % codec_kafka_api_count];
	const struct codec_kafka_record_type *record =
		&codec_kafka_record_types[data[0] % codec_kafka_record_type_count];
	if (data[1] & 2) {
		*ret_version = record->version_min + data[2] % (record->version_max - record->version_min + 1);
		return &record->message;
	}
	*ret_version = api->version_min + data[2] % (api->version_max - api->version_min + 1);
	return data[1] & 1 ? &api->response : &api->request;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 3)
		return 0;
	int version;
	const struct codec_kafka_message *message = pick(data, &version);
	struct codec_arena arena;
	struct base_writer writer;
	struct base_reader reader = base_reader_init(data + 3, bytes - 3);
	void *decoded = malloc(message->struct_bytes);
	codec_arena_init(&arena, ARENA_BYTES);
	base_writer_init(&writer, ENCODED_MAX);
	if (message->decode(&reader, version, &arena, decoded).code == PYR_OK) {
		message->encode(&writer, version, decoded);
		if (!writer.failed)
			decode_again(message, version, &writer);
	}
	base_writer_deinit(&writer);
	codec_arena_deinit(&arena);
	free(decoded);
	return 0;
}
