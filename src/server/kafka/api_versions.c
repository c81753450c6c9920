/* ApiVersions: what this server speaks. What is not there is not in the list. Owner: the loop's thread.
 *
 * Produce is advertised from version 0 though only 3 and later are served: with a higher minimum, older librdkafka stops
 * compressing without a word (KAFKA-18659). */
#include "server/kafka/kafka_priv.h"

static void reply(struct kafka_request *request, int16_t error_code)
{
	struct codec_kafka_api_versions_response response = codec_kafka_api_versions_response_default;
	struct codec_kafka_api_versions_response_api_key *keys =
		kafka_request_alloc(request, codec_kafka_api_count, sizeof *keys);
	if (!keys)
		return;
	for (size_t i = 0; i < codec_kafka_api_count; i++) {
		keys[i].api_key = codec_kafka_apis[i].key;
		keys[i].min_version = codec_kafka_apis[i].advertised_min;
		keys[i].max_version = codec_kafka_apis[i].advertised_max;
	}
	response.error_code = error_code;
	response.api_keys = keys;
	response.api_keys_count = codec_kafka_api_count;
	kafka_request_reply(request, &response);
}

void kafka_api_versions(struct kafka_request *request, const void *message)
{
	(void)message;
	reply(request, KAFKA_NONE);
}

/* A version from the future: answered in version 0, which everybody reads (KIP-511). */
void kafka_api_versions_unsupported(struct kafka_request *request)
{
	request->header.api_version = 0;
	reply(request, KAFKA_UNSUPPORTED_VERSION);
}
