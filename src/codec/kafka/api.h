/* The APIs that Pyralog speaks (made from messages.def), and the headers that open requests and responses.
 * Source: kafka.apache.org/protocol, "Request Header", "Response Header". Pure; any thread. */
#ifndef PYRALOG_CODEC_KAFKA_API_H
#define PYRALOG_CODEC_KAFKA_API_H

#include "base/cursor.h"
#include "base/error.h"
#include "codec/arena.h"

#include <stdint.h>

/* For code that treats all messages alike (dispatch, tests, fuzzing): the typed functions are in messages.h. */
struct codec_kafka_message {
	size_t struct_bytes;
	pyr_result (*decode)(struct base_reader *reader, int version, struct codec_arena *arena, void *ret_message);
	void (*encode)(struct base_writer *writer, int version, const void *message);
};

struct codec_kafka_api {
	int16_t key;
	const char *name;
	int16_t version_min, version_max; /* encoded and decoded */
	int16_t advertised_min, advertised_max; /* what ApiVersions tells; more than the above where clients insist */
	int16_t flexible_from; /* version with compact encodings and tagged fields */
	bool has_throttle; /* the response has a throttle_time_ms, an int32_t at throttle_at of its struct */
	size_t throttle_at;
	struct codec_kafka_message request, response;
};

/* Sorted by key. */
extern const struct codec_kafka_api codec_kafka_apis[];
extern const size_t codec_kafka_api_count;
const struct codec_kafka_api *codec_kafka_api_find(int16_t key); /* NULL: not spoken */

/* A message that is stored in a topic of ours or carried inside another message; its version stands before it. */
struct codec_kafka_record_type {
	const char *name;
	int16_t version_min, version_max;
	struct codec_kafka_message message;
};

extern const struct codec_kafka_record_type codec_kafka_record_types[];
extern const size_t codec_kafka_record_type_count;

struct codec_kafka_request_header {
	int16_t api_key;
	int16_t api_version;
	int32_t correlation_id;
	struct base_bytes client_id; /* borrowed; data NULL: null */
};

/* Leaves the reader at the message. PYR_INVALID_REQUEST: cut short. PYR_UNSUPPORTED_VERSION: no such API or version (then
 * key, version and correlation id are there, and nothing more is known). */
pyr_result codec_kafka_request_header_decode(struct base_reader *reader, struct codec_kafka_request_header *ret_header);
void codec_kafka_request_header_encode(struct base_writer *writer, const struct codec_kafka_request_header *header);

/* Header of the response to a request of that key and version: without tags for ApiVersions, whatever the version, since
 * its reader can't know yet what the server speaks (KIP-511). */
void codec_kafka_response_header_encode(struct base_writer *writer, int16_t api_key, int16_t api_version,
                                        int32_t correlation_id);
/* The same, read by a client; correlation id, or PYR_INVALID_REQUEST. */
pyr_result codec_kafka_response_header_decode(struct base_reader *reader, int16_t api_key, int16_t api_version,
                                              int32_t *ret_correlation_id);

#endif
