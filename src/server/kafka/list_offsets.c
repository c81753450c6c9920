/* ListOffsets and OffsetForLeaderEpoch: where a consumer may begin. Owner: the loop's thread.
 *
 * Times that mean something else (kafka.apache.org, ListOffsets): -1 the end, -2 the beginning, -3 the record with the
 * largest time stamp, -4 the beginning on local disks, -5 and -6 tiered storage, which there is none of. */
#include "server/kafka/kafka_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
	TIME_LATEST = -1,
	TIME_EARLIEST = -2,
	TIME_LARGEST = -3,
	TIME_EARLIEST_LOCAL = -4,
	TIME_TIERED_FIRST = -6, /* -5 and -6 */
	QUERIES_MAX = 10000, /* in one request: each may read from the disk */
};

struct list_work;

struct list_item {
	struct log_time_query query;
	struct list_work *work;
	struct codec_kafka_list_offsets_response_partition *answer;
	int32_t leader_epoch;
};

struct list_work {
	struct kafka_request *request;
	struct codec_kafka_list_offsets_response response;
	size_t pending; /* queries under way, and 1 while they are being started */
	struct list_item *items[]; /* NULL: answered without a query */
};

static void list_work_free(void *context)
{
	struct list_work *work = context;
	size_t count = 0;
	for (size_t i = 0; i < work->response.topics_count; i++)
		count += work->response.topics[i].partitions_count;
	for (size_t i = 0; i < count; i++)
		free(work->items[i]);
	free(work);
}

static void settle(struct list_work *work)
{
	work->pending -= 1;
	if (work->pending == 0)
		kafka_request_reply(work->request, &work->response);
}

static void on_found(struct log_time_query *query)
{
	struct list_item *item = BASE_CONTAINER(query, struct list_item, query);
	item->answer->error_code = kafka_error_of(query->result.code);
	if (query->result.code == PYR_OK && query->found_offset >= 0) {
		item->answer->offset = query->found_offset;
		item->answer->timestamp = query->found_timestamp_ms;
		item->answer->leader_epoch = item->leader_epoch;
	}
	settle(item->work);
}

static void query_time(struct list_work *work, size_t slot, uint32_t partition, int64_t timestamp, int32_t leader_epoch,
                       struct codec_kafka_list_offsets_response_partition *answer)
{
	struct list_item *item = slot < QUERIES_MAX ? calloc(1, sizeof *item) : NULL;
	if (!item) {
		answer->error_code = kafka_error_of(PYR_OUT_OF_MEMORY);
		return;
	}
	work->items[slot] = item;
	item->work = work;
	item->answer = answer;
	item->leader_epoch = leader_epoch;
	item->query.partition = partition;
	item->query.timestamp_ms = timestamp == TIME_LARGEST ? LOG_TIME_MAX : timestamp;
	item->query.done = on_found;
	work->pending += 1;
	log_time_find(work->request->server->log, &item->query);
}

/* The first version that knows a special time. */
static bool time_is_known(int64_t timestamp, int version)
{
	static const int since[] = {1, 1, 7, 8, 9, 11};
	return timestamp >= 0 || (timestamp >= TIME_TIERED_FIRST && version >= since[-timestamp - 1]);
}

static void list_partition(struct list_work *work, size_t slot, const struct catalog_topic *topic,
                           const struct codec_kafka_list_offsets_request_partition *asked,
                           struct codec_kafka_list_offsets_response_partition *answer)
{
	struct log_partition_info info;
	uint32_t partition;
	answer->error_code = kafka_partition_find(work->request, topic, asked->index, &partition, &info);
	if (answer->error_code == KAFKA_NONE)
		answer->error_code = kafka_epoch_check(asked->current_leader_epoch, info.leader_epoch);
	if (answer->error_code == KAFKA_NONE && !time_is_known(asked->timestamp, work->request->header.api_version))
		answer->error_code = KAFKA_UNSUPPORTED_VERSION;
	if (answer->error_code != KAFKA_NONE)
		return;
	if (asked->timestamp >= 0 || asked->timestamp == TIME_LARGEST) {
		query_time(work, slot, partition, asked->timestamp, info.leader_epoch, answer);
		return;
	}
	if (asked->timestamp == TIME_LATEST)
		answer->offset = info.high_watermark;
	else if (asked->timestamp == TIME_EARLIEST || asked->timestamp == TIME_EARLIEST_LOCAL)
		answer->offset = info.log_start_offset;
	answer->leader_epoch = answer->offset >= 0 ? info.leader_epoch : -1;
}

static size_t list_topic(struct list_work *work, size_t slot,
                         const struct codec_kafka_list_offsets_request_topic *asked,
                         struct codec_kafka_list_offsets_response_topic *answer)
{
	int16_t error_code = KAFKA_NONE;
	const struct catalog_topic *topic =
		kafka_topic_find(work->request, asked->name, NULL, CATALOG_DESCRIBE, &error_code);
	for (size_t i = 0; i < asked->partitions_count; i++) {
		answer->partitions[i] = codec_kafka_list_offsets_response_partition_default;
		answer->partitions[i].index = asked->partitions[i].index;
		answer->partitions[i].error_code = error_code;
		if (topic && kafka_request_owns(work->request, slot + i))
			list_partition(work, slot + i, topic, &asked->partitions[i], &answer->partitions[i]);
	}
	return slot + asked->partitions_count;
}

/* All arrays of the response, so that it can be freed at any time after. NULL: the request has failed. */
static struct list_work *list_work_new(struct kafka_request *request,
                                       const struct codec_kafka_list_offsets_request *asked)
{
	size_t count = 0;
	struct codec_kafka_list_offsets_response_topic *topics =
		kafka_request_alloc(request, asked->topics_count, sizeof *topics);
	if (!topics)
		return NULL;
	for (size_t i = 0; i < asked->topics_count; i++) {
		topics[i].name = asked->topics[i].name;
		topics[i].partitions_count = asked->topics[i].partitions_count;
		topics[i].partitions =
			kafka_request_alloc(request, topics[i].partitions_count, sizeof *topics[i].partitions);
		if (!topics[i].partitions)
			return NULL;
		count += topics[i].partitions_count;
	}
	struct list_work *work = calloc(1, sizeof *work + count * sizeof work->items[0]);
	if (!work) {
		kafka_request_fail(request, "out of memory");
		return NULL;
	}
	request->work = work;
	request->work_free = list_work_free;
	work->request = request;
	work->response.topics = topics;
	work->response.topics_count = asked->topics_count;
	work->pending = 1;
	return work;
}

void kafka_list_offsets(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_list_offsets_request *asked = message;
	struct list_work *work = list_work_new(request, asked);
	size_t slot = 0;
	if (!work)
		return;
	for (size_t i = 0; i < asked->topics_count; i++)
		slot = list_topic(work, slot, &asked->topics[i], &work->response.topics[i]);
	settle(work);
}

/* ---- OffsetForLeaderEpoch ---- */

/* No acknowledged record of a node that stands alone was ever taken back, so for a consumer every epoch that has been
 * reaches to the end: nothing it has read was truncated. */
static void end_of_epoch(struct kafka_request *request, const struct catalog_topic *topic,
                         const struct codec_kafka_offset_for_leader_epoch_request_partition *asked,
                         struct codec_kafka_offset_for_leader_epoch_response_partition *answer)
{
	struct log_partition_info info;
	uint32_t partition;
	answer->error_code = kafka_partition_find(request, topic, asked->index, &partition, &info);
	if (answer->error_code == KAFKA_NONE)
		answer->error_code = kafka_epoch_check(asked->current_leader_epoch, info.leader_epoch);
	if (answer->error_code != KAFKA_NONE || asked->leader_epoch > info.leader_epoch)
		return;
	answer->leader_epoch = asked->leader_epoch;
	answer->end_offset = info.high_watermark;
}

static bool epochs_of_topic(struct kafka_request *request, size_t slot,
                            const struct codec_kafka_offset_for_leader_epoch_request_topic *asked,
                            struct codec_kafka_offset_for_leader_epoch_response_topic *answer)
{
	int16_t error_code = KAFKA_NONE;
	const struct catalog_topic *topic = kafka_topic_find(request, asked->name, NULL, CATALOG_DESCRIBE, &error_code);
	answer->name = asked->name;
	answer->partitions_count = asked->partitions_count;
	answer->partitions = kafka_request_alloc(request, answer->partitions_count, sizeof *answer->partitions);
	if (!answer->partitions)
		return false;
	for (size_t i = 0; i < answer->partitions_count; i++) {
		answer->partitions[i] = codec_kafka_offset_for_leader_epoch_response_partition_default;
		answer->partitions[i].index = asked->partitions[i].index;
		answer->partitions[i].error_code = error_code;
		if (topic && kafka_request_owns(request, slot + i))
			end_of_epoch(request, topic, &asked->partitions[i], &answer->partitions[i]);
	}
	return true;
}

void kafka_offset_for_leader_epoch(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_offset_for_leader_epoch_request *asked = message;
	struct codec_kafka_offset_for_leader_epoch_response *response =
		kafka_request_alloc(request, 1, sizeof *response);
	size_t slot = 0;
	if (!response)
		return;
	response->topics = kafka_request_alloc(request, asked->topics_count, sizeof *response->topics);
	if (!response->topics)
		return;
	response->topics_count = asked->topics_count;
	for (size_t i = 0; i < asked->topics_count; i++) {
		if (!epochs_of_topic(request, slot, &asked->topics[i], &response->topics[i]))
			return;
		slot += asked->topics[i].partitions_count;
	}
	kafka_request_reply(request, response);
}
