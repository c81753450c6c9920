/* DeleteRecords: moves the beginning of partitions up. Owner: the loop's thread. */
#include "server/kafka/kafka_priv.h"

#include <stdlib.h>
#include <string.h>

struct delete_work;

struct delete_item {
	struct log_append append;
	uint32_t partition; /* the log writes its own into the append */
	struct delete_work *work;
	struct codec_kafka_delete_records_response_partition *answer;
};

struct delete_work {
	struct kafka_request *request;
	struct codec_kafka_delete_records_response response;
	size_t pending; /* changes under way, and 1 while they are being started */
	struct delete_item items[];
};

static void settle(struct delete_work *work)
{
	work->pending -= 1;
	if (work->pending == 0)
		kafka_request_reply(work->request, &work->response);
}

static void on_deleted(struct log_append *append)
{
	struct delete_item *item = BASE_CONTAINER(append, struct delete_item, append);
	struct log_partition_info info;
	struct log *log = item->work->request->server->log;
	item->answer->error_code = kafka_error_of(append->result.code);
	if (append->result.code == PYR_OK && log_partition_get(log, item->partition, &info).code == PYR_OK)
		item->answer->low_watermark = info.log_start_offset;
	settle(item->work);
}

static void delete_partition(struct delete_item *item, const struct catalog_topic *topic,
                             const struct codec_kafka_delete_records_request_partition *asked)
{
	struct kafka_request *request = item->work->request;
	struct log_partition_info info;
	uint32_t partition;
	item->answer->error_code = kafka_partition_find(request, topic, asked->index, &partition, &info);
	if (item->answer->error_code == KAFKA_NONE && (asked->offset < -1 || asked->offset > info.high_watermark))
		item->answer->error_code = kafka_error_of(PYR_OFFSET_OUT_OF_RANGE);
	if (item->answer->error_code != KAFKA_NONE)
		return;
	item->append.partition = item->partition = partition;
	item->append.done = on_deleted;
	item->work->pending += 1;
	log_delete_records(request->server->log, &item->append, asked->offset);
}

static void delete_topic(struct delete_work *work, size_t slot,
                         const struct codec_kafka_delete_records_request_topic *asked,
                         struct codec_kafka_delete_records_response_topic *answer)
{
	struct delete_item *items = &work->items[slot];
	int16_t error_code = KAFKA_NONE;
	const struct catalog_topic *topic =
		kafka_topic_find(work->request, asked->name, NULL, CATALOG_DELETE, &error_code);
	answer->name = asked->name;
	for (size_t i = 0; i < asked->partitions_count; i++) {
		items[i].work = work;
		items[i].answer = &answer->partitions[i];
		items[i].answer->index = asked->partitions[i].index;
		items[i].answer->low_watermark = -1;
		items[i].answer->error_code = error_code;
		if (topic && kafka_request_owns(work->request, slot + i))
			delete_partition(&items[i], topic, &asked->partitions[i]);
	}
}

void kafka_delete_records(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_delete_records_request *asked = message;
	size_t count = 0, first = 0;
	struct codec_kafka_delete_records_response_topic *topics =
		kafka_request_alloc(request, asked->topics_count, sizeof *topics);
	if (!topics)
		return;
	for (size_t i = 0; i < asked->topics_count; i++) {
		topics[i].partitions_count = asked->topics[i].partitions_count;
		topics[i].partitions =
			kafka_request_alloc(request, topics[i].partitions_count, sizeof *topics[i].partitions);
		if (!topics[i].partitions)
			return;
		count += topics[i].partitions_count;
	}
	struct delete_work *work = calloc(1, sizeof *work + count * sizeof work->items[0]);
	request->work = work;
	if (!work) {
		kafka_request_fail(request, "out of memory");
		return;
	}
	*work = (struct delete_work){.request = request, .pending = 1};
	work->response.topics = topics;
	work->response.topics_count = asked->topics_count;
	for (size_t i = 0; i < asked->topics_count; i++) {
		delete_topic(work, first, &asked->topics[i], &topics[i]);
		first += topics[i].partitions_count;
	}
	settle(work);
}
