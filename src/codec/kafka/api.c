/* Request and response headers (see api.h). Three request headers exist; 0 belongs to an API that is not spoken here,
 * 1 adds the client id, 2 the tagged fields. The client id keeps its plain encoding in all of them. */
#include "codec/kafka/api.h"

#include "codec/kafka/messages.h"
#include "codec/kafka/wire.h"

#include <assert.h>

const struct codec_kafka_api *codec_kafka_api_find(int16_t key)
{
	for (size_t i = 0; i < codec_kafka_api_count; i++)
		if (codec_kafka_apis[i].key == key)
			return &codec_kafka_apis[i];
	return NULL;
}

pyr_result codec_kafka_request_header_decode(struct base_reader *reader, struct codec_kafka_request_header *ret_header)
{
	struct codec_kafka_decoder decoder = {.reader = reader};
	*ret_header = (struct codec_kafka_request_header){0};
	ret_header->api_key = codec_kafka_read_int16(&decoder);
	ret_header->api_version = codec_kafka_read_int16(&decoder);
	ret_header->correlation_id = codec_kafka_read_int32(&decoder);
	PYR_TRY(base_reader_check(reader, PYR_INVALID_REQUEST));
	const struct codec_kafka_api *api = codec_kafka_api_find(ret_header->api_key);
	if (!api || ret_header->api_version < api->version_min || ret_header->api_version > api->version_max)
		return pyr_result_of(PYR_UNSUPPORTED_VERSION);
	ret_header->client_id = codec_kafka_read_string(&decoder, true);
	if (ret_header->api_version >= api->flexible_from)
		codec_kafka_skip_tags(&decoder);
	return base_reader_check(reader, PYR_INVALID_REQUEST);
}

static bool is_flexible(int16_t api_key, int16_t api_version)
{
	const struct codec_kafka_api *api = codec_kafka_api_find(api_key);
	assert(api);
	return api_version >= api->flexible_from;
}

void codec_kafka_request_header_encode(struct base_writer *writer, const struct codec_kafka_request_header *header)
{
	struct codec_kafka_encoder encoder = {.writer = writer};
	codec_kafka_write_int16(&encoder, header->api_key);
	codec_kafka_write_int16(&encoder, header->api_version);
	codec_kafka_write_int32(&encoder, header->correlation_id);
	codec_kafka_write_string(&encoder, true, &header->client_id);
	if (is_flexible(header->api_key, header->api_version))
		base_write_uvarint(writer, 0);
}

void codec_kafka_response_header_encode(struct base_writer *writer, int16_t api_key, int16_t api_version,
                                        int32_t correlation_id)
{
	base_write_u32be(writer, (uint32_t)correlation_id);
	if (api_key != CODEC_KAFKA_API_VERSIONS && is_flexible(api_key, api_version))
		base_write_uvarint(writer, 0);
}

pyr_result codec_kafka_response_header_decode(struct base_reader *reader, int16_t api_key, int16_t api_version,
                                              int32_t *ret_correlation_id)
{
	struct codec_kafka_decoder decoder = {.reader = reader};
	int32_t correlation_id = codec_kafka_read_int32(&decoder);
	if (api_key != CODEC_KAFKA_API_VERSIONS && is_flexible(api_key, api_version))
		codec_kafka_skip_tags(&decoder);
	PYR_TRY(base_reader_check(reader, PYR_INVALID_REQUEST));
	*ret_correlation_id = correlation_id;
	return pyr_ok();
}
