/* Produce: batches are checked here and handed to the log, all of a request together; the answer waits for the last.
 *
 * The batch's bytes go to the log as they came in, a slice of what the connection received; only a small batch that
 * would keep a much larger buffer alive is copied. Versions 0 to 2 (old record formats) are not served.
 * acks 1 and all are the same on a node that stands alone: durable as the topic's setting says; 0 is not answered, but an
 * error closes the connection, which is all that such a client can be told. Owner: the loop's thread. */
#include "codec/filter.h"
#include "server/kafka/kafka_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	COPY_BYTES_MAX = 16 << 10,
	INFLATED_FACTOR = 8, /* a batch may expand to so many times max.message.bytes */
	ZSTD_VERSION_MIN = 7,
};
#define INFLATED_BYTES_MAX ((size_t)1 << 30)

struct produce_work;

struct produce_item {
	struct log_append append;
	struct produce_work *work;
	struct codec_kafka_produce_response_partition *answer;
};

struct produce_work {
	struct kafka_request *request;
	const struct codec_kafka_produce_request *asked;
	struct codec_kafka_produce_response response;
	size_t pending; /* appends under way, and 1 while they are being started */
	bool failed; /* any partition */
	size_t item_count;
	struct produce_item items[];
};

/* A batch is still there only if the log was abandoned. */
static void produce_work_free(void *context)
{
	struct produce_work *work = context;
	for (size_t i = 0; i < work->item_count; i++)
		base_slice_release(&work->items[i].append.batch);
	free(work);
}

static void settle(struct produce_work *work)
{
	struct kafka_request *request = work->request;
	work->pending -= 1;
	if (work->pending > 0)
		return;
	if (work->asked->acks != 0)
		kafka_request_reply(request, &work->response);
	else if (work->failed)
		kafka_request_fail(request, "a batch with acks=0 was refused");
	else
		kafka_request_reply_nothing(request);
}

static void refuse(struct produce_item *item, int16_t error_code, struct base_bytes message)
{
	item->answer->error_code = error_code;
	item->answer->error_message = message;
	item->answer->base_offset = -1;
	item->work->failed = true;
}

static void on_appended(struct log_append *append)
{
	struct produce_item *item = BASE_CONTAINER(append, struct produce_item, append);
	enum pyr_code code = append->result.code;
	if (code == PYR_OK) {
		item->answer->base_offset = append->base_offset;
		item->answer->log_append_time_ms = append->append_time_ms;
		item->answer->log_start_offset = append->log_start_offset;
		item->work->request->server->metrics.produced_batches += 1;
	} else {
		refuse(item, kafka_error_of(code), kafka_text(pyr_code_text(code)));
	}
	settle(item->work);
}

/* The batch as the log shall keep it. */
static struct base_slice batch_slice(const struct kafka_request *request, const uint8_t *data, size_t bytes)
{
	const struct base_slice *whole = &request->bytes;
	if (bytes < COPY_BYTES_MAX && bytes < whole->owner->capacity / 2)
		return base_slice_copy(data, bytes);
	return base_slice_sub(*whole, (size_t)(data - whole->data), bytes);
}

static size_t inflated_max(const struct catalog_topic *topic)
{
	size_t allowed = (size_t)topic->config.max_message_bytes;
	return allowed < INFLATED_BYTES_MAX / INFLATED_FACTOR ? allowed * INFLATED_FACTOR : INFLATED_BYTES_MAX;
}

/* Against the topic's message.timestamp settings, which a topic that stamps records itself does not need. */
static pyr_result check_times(const struct kafka_request *request, const struct catalog_topic_config *config,
                              int64_t min_ms, int64_t max_ms, struct pyr_error *error)
{
	int64_t now_ms = os_wall_ms(request->server->loop);
	if (config->timestamp_type == 1)
		return pyr_ok();
	if (max_ms > now_ms && max_ms - now_ms > config->timestamp_after_max_ms)
		return pyr_fail(error, PYR_BAD_TIMESTAMP,
		                "a record is %lld ms ahead of this server's clock; "
		                "message.timestamp.after.max.ms of the topic is %lld",
		                (long long)(max_ms - now_ms), (long long)config->timestamp_after_max_ms);
	if (min_ms >= 0 && min_ms < now_ms && now_ms - min_ms > config->timestamp_before_max_ms)
		return pyr_fail(error, PYR_BAD_TIMESTAMP,
		                "a record is %lld ms old; message.timestamp.before.max.ms of the topic is %lld",
		                (long long)(now_ms - min_ms), (long long)config->timestamp_before_max_ms);
	return pyr_ok();
}

static pyr_result check_batch(const struct kafka_request *request, const struct catalog_topic *topic,
                              struct base_bytes records, int64_t *ret_min_timestamp_ms, struct pyr_error *error)
{
	struct codec_batch batch;
	if (records.bytes == 0)
		return pyr_fail(error, PYR_INVALID_RECORD, "there is no record batch");
	pyr_result result = codec_batch_check(records, &batch);
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "%s", pyr_code_text(result.code));
	if (batch.bytes != records.bytes)
		return pyr_fail(error, PYR_INVALID_RECORD, "send one record batch a partition in a request");
	assert(topic);
	if ((int64_t)batch.bytes > topic->config.max_message_bytes)
		return pyr_fail(error, PYR_TOO_LARGE, "the batch has %zu bytes; max.message.bytes of the topic is %lld",
		                batch.bytes, (long long)topic->config.max_message_bytes);
	if (codec_batch_compression(&batch) == CODEC_ZSTD && request->header.api_version < ZSTD_VERSION_MIN)
		return pyr_fail(error, PYR_UNSUPPORTED_COMPRESSION, "zstd needs version 7 of the Produce request");
	if (codec_batch_is_transactional(&batch))
		return pyr_fail(error, PYR_NOT_SUPPORTED,
		                "transactions are not served: produce without transactional.id");
	PYR_TRY(codec_batch_validate(&batch, inflated_max(topic), ret_min_timestamp_ms, error));
	if (topic->config.cleanup_policy != CATALOG_CLEANUP_DELETE)
		PYR_TRY(codec_batch_require_keys(&batch, inflated_max(topic), error));
	return check_times(request, &topic->config, *ret_min_timestamp_ms, batch.max_timestamp_ms, error);
}

static void append_batch(struct produce_item *item, const struct catalog_topic *topic,
                         const struct codec_kafka_produce_request_partition *asked)
{
	struct kafka_request *request = item->work->request;
	struct pyr_error error = {0};
	struct base_bytes records = {asked->records.data, asked->records.bytes};
	pyr_result result = check_batch(request, topic, records, &item->append.min_timestamp_ms, &error);
	if (result.code == PYR_OK) {
		item->append.batch = batch_slice(request, records.data, records.bytes);
		if (!item->append.batch.owner)
			result = pyr_fail(&error, PYR_OUT_OF_MEMORY, "out of memory");
	}
	if (result.code == PYR_NOT_SUPPORTED) {
		refuse(item, KAFKA_INVALID_TXN_STATE, kafka_text_copy(request, error.text));
	} else if (result.code != PYR_OK) {
		refuse(item, kafka_error_of(result.code), kafka_text_copy(request, error.text));
	} else {
		item->append.partition = catalog_topic_partition(topic, asked->index);
		item->append.done = on_appended;
		item->work->pending += 1;
		log_append(request->server->log, &item->append);
	}
}

/* What makes the whole request wrong. */
static int16_t request_error(const struct codec_kafka_produce_request *asked)
{
	if (asked->acks < -1 || asked->acks > 1)
		return KAFKA_INVALID_REQUIRED_ACKS;
	return asked->transactional_id.data ? KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED : KAFKA_NONE;
}

static void produce_partition(struct produce_item *item, const struct codec_kafka_produce_request_topic *asked_topic,
                              const struct codec_kafka_produce_request_partition *asked)
{
	struct produce_work *work = item->work;
	struct kafka_request *request = work->request;
	*item->answer = codec_kafka_produce_response_partition_default;
	item->answer->index = asked->index;
	int16_t error_code = request_error(work->asked);
	const struct catalog_topic *topic = NULL;
	if (error_code == KAFKA_NONE)
		topic = kafka_topic_find(request, asked_topic->name, asked_topic->topic_id, CATALOG_WRITE, &error_code);
	if (topic && catalog_topic_partition(topic, asked->index) == 0)
		error_code = kafka_error_of(PYR_UNKNOWN_PARTITION);
	else if (topic && work->asked->acks == -1 && topic->config.min_insync_replicas > 1)
		error_code = KAFKA_NOT_ENOUGH_REPLICAS;
	if (error_code == KAFKA_NONE)
		append_batch(item, topic, asked);
	else
		refuse(item, error_code, (struct base_bytes){0});
}

static size_t partition_count(const struct codec_kafka_produce_request *asked)
{
	size_t count = 0;
	for (size_t i = 0; i < asked->topics_count; i++)
		count += asked->topics[i].partitions_count;
	return count;
}

/* Arrays for the response; NULL work: the request has failed. */
static struct produce_work *work_new(struct kafka_request *request, const struct codec_kafka_produce_request *asked,
                                     struct codec_kafka_produce_response_partition **ret_answers)
{
	size_t count = partition_count(asked);
	struct codec_kafka_produce_response_topic *topics =
		kafka_request_alloc(request, asked->topics_count, sizeof *topics);
	struct codec_kafka_produce_response_partition *answers =
		topics ? kafka_request_alloc(request, count, sizeof *answers) : NULL;
	if (!answers)
		return NULL;
	struct produce_work *work = calloc(1, sizeof *work + count * sizeof work->items[0]);
	if (!work) {
		kafka_request_fail(request, "out of memory");
		return NULL;
	}
	request->work = work;
	request->work_free = produce_work_free;
	work->item_count = count;
	work->request = request;
	work->asked = asked;
	work->pending = 1;
	work->response = codec_kafka_produce_response_default;
	work->response.topics = topics;
	work->response.topics_count = asked->topics_count;
	*ret_answers = answers;
	return work;
}

void kafka_produce(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_produce_request *asked = message;
	struct codec_kafka_produce_response_partition *answers;
	struct produce_work *work = work_new(request, asked, &answers);
	if (!work)
		return;
	struct produce_item *item = work->items;
	for (size_t i = 0; i < asked->topics_count; i++) {
		struct codec_kafka_produce_response_topic *topic = &work->response.topics[i];
		topic->name = asked->topics[i].name;
		memcpy(topic->topic_id, asked->topics[i].topic_id, sizeof topic->topic_id);
		topic->partitions = answers;
		topic->partitions_count = asked->topics[i].partitions_count;
		for (size_t j = 0; j < topic->partitions_count; j++, item++, answers++) {
			if (!kafka_request_owns(request, (size_t)(item - work->items)))
				continue;
			item->work = work;
			item->answer = answers;
			produce_partition(item, &asked->topics[i], &asked->topics[i].partitions[j]);
		}
	}
	settle(work);
}
