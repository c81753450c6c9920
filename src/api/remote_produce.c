/* Records to a server: a batch for each partition, all in one request (see pyralog.h).
 *
 * Invariant: records of one partition keep their order, so that the i-th of a batch gets its base offset + i. Failure
 * modes: a batch that is refused does not take the others back. */
#include "api/remote.h"
#include "codec/kafka/api.h"
#include "codec/kafka/messages.h"
#include "node/append.h"
#include "os/loop.h"

#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 30000, BATCH_BYTES_MAX = 256 << 20 };

struct sending {
	struct remote *remote;
	const char *topic;
	struct pyr_record *records;
	size_t count;
	uint32_t partition_count;
	struct base_slice *batches; /* of each partition */
	struct codec_kafka_produce_request_partition *parts;
};

/* Chooses partitions and times, where the caller did not. */
static pyr_result place(struct sending *sending, struct pyr_error *error)
{
	int64_t now_ms = os_wall_ms(sending->remote->link.loop);
	for (size_t i = 0; i < sending->count; i++) {
		struct pyr_record *record = &sending->records[i];
		if (record->partition >= (int32_t)sending->partition_count)
			return pyr_fail(error, PYR_UNKNOWN_PARTITION, "topic %s has %u partitions, no %d",
			                sending->topic, sending->partition_count, record->partition);
		if (record->partition < 0)
			record->partition =
				(int32_t)(record->key.data ? node_partition_of_key(api_bytes(record->key),
			                                                           sending->partition_count)
			                                   : sending->remote->turn++ % sending->partition_count);
		if (record->timestamp_ms == 0)
			record->timestamp_ms = now_ms;
	}
	return pyr_ok();
}

static pyr_result add(struct codec_batch_builder *builder, const struct pyr_record *record)
{
	struct codec_header *headers = calloc(record->header_count + 1, sizeof *headers);
	if (!headers)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	for (size_t i = 0; i < record->header_count; i++)
		headers[i] =
			(struct codec_header){api_bytes(record->headers[i].key), api_bytes(record->headers[i].value)};
	codec_batch_builder_add(builder, record->timestamp_ms, api_bytes(record->key), api_bytes(record->value),
	                        headers, record->header_count);
	free(headers);
	return pyr_ok();
}

static pyr_result build(struct sending *sending, size_t *ret_count)
{
	*ret_count = 0;
	for (uint32_t partition = 0; partition < sending->partition_count; partition++) {
		struct codec_batch_builder builder;
		struct base_slice *batch = &sending->batches[partition];
		pyr_result result = pyr_ok();
		codec_batch_builder_init(&builder, CODEC_NONE, BATCH_BYTES_MAX);
		for (size_t i = 0; i < sending->count && result.code == PYR_OK; i++)
			if (sending->records[i].partition == (int32_t)partition)
				result = add(&builder, &sending->records[i]);
		bool any = builder.record_count > 0;
		if (result.code == PYR_OK && any)
			result = codec_batch_builder_take(&builder, batch);
		codec_batch_builder_deinit(&builder);
		PYR_TRY(result);
		if (!any)
			continue;
		struct codec_kafka_produce_request_partition *part = &sending->parts[(*ret_count)++];
		*part = codec_kafka_produce_request_partition_default;
		part->index = (int32_t)partition;
		part->records = (struct codec_kafka_records){.data = batch->data, .bytes = batch->bytes};
	}
	return pyr_ok();
}

static pyr_result take_partition(struct sending *sending, const struct codec_kafka_produce_response_partition *part,
                                 struct pyr_error *error)
{
	int64_t offset = part->base_offset;
	if (part->error_code != 0)
		return remote_refused(part->error_code, sending->topic, error);
	for (size_t i = 0; i < sending->count; i++)
		if (sending->records[i].partition == part->index) {
			sending->records[i].offset = offset++;
			if (part->log_append_time_ms >= 0)
				sending->records[i].timestamp_ms = part->log_append_time_ms;
		}
	return pyr_ok();
}

static pyr_result take_answer(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_produce_response *response = message;
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t j = 0; j < response->topics[i].partitions_count; j++)
			PYR_TRY(take_partition(admin->take_context, &response->topics[i].partitions[j], error));
	return pyr_ok();
}

static pyr_result send(struct sending *sending, struct pyr_error *error)
{
	struct codec_kafka_produce_request request = codec_kafka_produce_request_default;
	struct codec_kafka_produce_request_topic topic = codec_kafka_produce_request_topic_default;
	PYR_TRY(place(sending, error));
	PYR_TRY(build(sending, &topic.partitions_count));
	topic.name = (struct base_bytes){(const uint8_t *)sending->topic, strlen(sending->topic)};
	topic.partitions = sending->parts;
	request.acks = -1;
	request.timeout_ms = TIMEOUT_MS;
	request.topics = &topic;
	request.topics_count = 1;
	return client_admin_ask(&sending->remote->link.admin, CODEC_KAFKA_PRODUCE, &request, take_answer, sending,
	                        error);
}

static pyr_result send_all(struct sending *sending, struct pyr_error *error)
{
	pyr_result result = pyr_result_of(PYR_OUT_OF_MEMORY);
	PYR_TRY(client_admin_topic(&sending->remote->link.admin, sending->topic, &sending->partition_count, error));
	if (sending->partition_count == 0)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no topic %s", sending->topic);
	sending->batches = calloc(sending->partition_count, sizeof *sending->batches);
	sending->parts = calloc(sending->partition_count, sizeof *sending->parts);
	if (sending->batches && sending->parts)
		result = send(sending, error);
	for (uint32_t i = 0; sending->batches && i < sending->partition_count; i++)
		base_slice_release(&sending->batches[i]);
	free(sending->batches);
	free(sending->parts);
	return result;
}

pyr_result remote_produce(struct pyralog *log, const char *topic, struct pyr_record *records, size_t count,
                          struct pyr_error *error)
{
	struct remote *remote = remote_of(log);
	struct sending sending = {.remote = remote, .topic = topic, .records = records, .count = count};
	os_mutex_lock(&remote->lock);
	pyr_result result = send_all(&sending, error);
	os_mutex_unlock(&remote->lock);
	return result;
}
