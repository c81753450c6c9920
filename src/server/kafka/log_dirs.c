/* DescribeLogDirs and DescribeProducers: what the log knows of partitions, asked on each partition's shard. There is one log
 * directory, whose place is not told. Owner: the loop's thread. */
#include "server/kafka/kafka_priv.h"

#include <stdlib.h>
#include <string.h>

enum { PRODUCERS_MAX = 1000 }; /* told of one partition */

/* ---- DescribeLogDirs ---- */

enum { VERSION_TELLS_SPACE = 4 };

static bool name_partitions(struct kafka_request *request, const struct catalog_topic *topic,
                            struct codec_kafka_describe_log_dirs_request_topic *asked)
{
	asked->name = kafka_text_copy(request, topic->name);
	asked->partitions = kafka_request_alloc(request, topic->partition_count, sizeof *asked->partitions);
	if (!asked->partitions)
		return false;
	for (uint32_t i = 0; i < topic->partition_count; i++)
		asked->partitions[asked->partitions_count++] = (int32_t)i;
	return true;
}

/* Null asks for all topics: they are named, so that each partition finds its shard. */
bool kafka_log_dirs_prepare(struct kafka_request *request, void *message)
{
	struct codec_kafka_describe_log_dirs_request *asked = message;
	const struct catalog *catalog = request->server->catalog;
	const struct catalog_topic *topic = NULL;
	if (asked->topics)
		return true;
	asked->topics = kafka_request_alloc(request, catalog_topic_count(catalog), sizeof *asked->topics);
	if (!asked->topics)
		return false;
	while ((topic = catalog_topic_next(catalog, topic)))
		if (!name_partitions(request, topic, &asked->topics[asked->topics_count++]))
			return false;
	return true;
}

static bool tell_sizes(struct kafka_request *request, const struct codec_kafka_describe_log_dirs_request_topic *asked,
                       size_t slot, struct codec_kafka_describe_log_dirs_response_topic *answer)
{
	int16_t error_code;
	const struct catalog_topic *topic = kafka_topic_find(request, asked->name, NULL, CATALOG_DESCRIBE, &error_code);
	answer->name = asked->name;
	answer->partitions_count = asked->partitions_count;
	answer->partitions = kafka_request_alloc(request, asked->partitions_count, sizeof *answer->partitions);
	if (!answer->partitions)
		return false;
	for (size_t i = 0; i < asked->partitions_count; i++) {
		struct log_partition_info info;
		uint32_t partition;
		answer->partitions[i].index = asked->partitions[i];
		if (topic && kafka_request_owns(request, slot + i) &&
		    kafka_partition_find(request, topic, asked->partitions[i], &partition, &info) == KAFKA_NONE)
			answer->partitions[i].bytes = (int64_t)info.bytes;
	}
	return true;
}

/* An answer that waits for what the disk says. */
struct log_dirs_work {
	struct log_space space;
	struct kafka_request *request;
	struct codec_kafka_describe_log_dirs_response response;
};

static void on_space(struct log_space *space)
{
	struct log_dirs_work *work = BASE_CONTAINER(space, struct log_dirs_work, space);
	if (space->result.code == PYR_OK) {
		work->response.results->total_bytes = (int64_t)space->total_bytes;
		work->response.results->usable_bytes = (int64_t)space->usable_bytes;
	}
	kafka_request_reply(work->request, &work->response);
}

/* All shards' folders are on one disk: where the request arrived it is asked. */
static void reply_with_space(struct kafka_request *request,
                             const struct codec_kafka_describe_log_dirs_response *response)
{
	bool is_part = request->spread && request->spread->origin != request;
	if (is_part || request->header.api_version < VERSION_TELLS_SPACE) {
		kafka_request_reply(request, response);
		return;
	}
	struct log_dirs_work *work = calloc(1, sizeof *work);
	request->work = work;
	if (!work) {
		kafka_request_fail(request, "out of memory");
		return;
	}
	work->request = request;
	work->response = *response;
	work->space.done = on_space;
	log_space_find(request->server->log, &work->space);
}

void kafka_describe_log_dirs(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_describe_log_dirs_request *asked = message;
	struct codec_kafka_describe_log_dirs_response response = codec_kafka_describe_log_dirs_response_default;
	struct codec_kafka_describe_log_dirs_response_result *result = kafka_request_alloc(request, 1, sizeof *result);
	size_t slot = 0;
	if (!result)
		return;
	*result = codec_kafka_describe_log_dirs_response_result_default;
	result->log_dir = kafka_text("data");
	result->topics = kafka_request_alloc(request, asked->topics_count, sizeof *result->topics);
	if (!result->topics)
		return;
	result->topics_count = asked->topics_count;
	for (size_t i = 0; i < asked->topics_count; i++) {
		if (!tell_sizes(request, &asked->topics[i], slot, &result->topics[i]))
			return;
		slot += asked->topics[i].partitions_count;
	}
	response.results = result;
	response.results_count = 1;
	reply_with_space(request, &response);
}

/* ---- DescribeProducers ---- */

static void tell_producers(struct kafka_request *request, const struct catalog_topic *topic, int32_t index,
                           struct codec_kafka_describe_producers_response_partition *answer)
{
	struct log_producer_info infos[PRODUCERS_MAX];
	size_t count = 0;
	uint32_t partition = catalog_topic_partition(topic, index);
	answer->error_code = kafka_error_of(
		log_partition_producers(request->server->log, partition, infos, PRODUCERS_MAX, &count).code);
	answer->active_producers = codec_arena_alloc(&request->arena, count, sizeof *answer->active_producers);
	if (!answer->active_producers)
		answer->error_code = kafka_error_of(PYR_OUT_OF_MEMORY);
	if (answer->error_code != KAFKA_NONE)
		return;
	answer->active_producers_count = count;
	for (size_t i = 0; i < count; i++) {
		struct codec_kafka_describe_producers_response_producer *producer = &answer->active_producers[i];
		*producer = codec_kafka_describe_producers_response_producer_default;
		producer->producer_id = infos[i].id;
		producer->producer_epoch = infos[i].epoch;
		producer->last_sequence = infos[i].last_sequence;
		producer->last_timestamp_ms = infos[i].last_append_ms;
		producer->coordinator_epoch = -1;
	}
}

static bool tell_topic(struct kafka_request *request, const struct codec_kafka_describe_producers_request_topic *asked,
                       size_t slot, struct codec_kafka_describe_producers_response_topic *answer)
{
	int16_t error_code;
	const struct catalog_topic *topic = kafka_topic_find(request, asked->name, NULL, CATALOG_READ, &error_code);
	answer->name = asked->name;
	answer->partitions_count = asked->partitions_count;
	answer->partitions = kafka_request_alloc(request, asked->partitions_count, sizeof *answer->partitions);
	if (!answer->partitions)
		return false;
	for (size_t i = 0; i < asked->partitions_count; i++) {
		answer->partitions[i].index = asked->partitions[i];
		answer->partitions[i].error_code = error_code;
		if (topic && kafka_request_owns(request, slot + i))
			tell_producers(request, topic, asked->partitions[i], &answer->partitions[i]);
	}
	return true;
}

void kafka_describe_producers(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_describe_producers_request *asked = message;
	struct codec_kafka_describe_producers_response response = codec_kafka_describe_producers_response_default;
	size_t slot = 0;
	response.topics = kafka_request_alloc(request, asked->topics_count, sizeof *response.topics);
	if (!response.topics)
		return;
	response.topics_count = asked->topics_count;
	for (size_t i = 0; i < asked->topics_count; i++) {
		if (!tell_topic(request, &asked->topics[i], slot, &response.topics[i]))
			return;
		slot += asked->topics[i].partitions_count;
	}
	kafka_request_reply(request, &response);
}
