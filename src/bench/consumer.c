/* A connection that reads (see bench_priv.h): one request at a time, for all of its partitions, each time beginning with
 * another one, as a consumer does.
 *
 * Batches are counted by their headers; nothing inside is looked at, unless their checksums are to be verified. Reading
 * from the beginning starts again at the high watermark; following ends when all that was sent has come.
 * Owner: the worker's thread. */
#include "bench/bench_priv.h"

#include "codec/batch.h"
#include "codec/kafka/messages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WAIT_MS = 250, RESPONSE_BYTES_MAX = 50 << 20 };

/* ---- asking ---- */

static struct codec_kafka_fetch_request_partition asked_partition(const struct bench_consumer *consumer, uint32_t i)
{
	const struct bench_partition *partition = &consumer->partitions[i];
	struct codec_kafka_fetch_request_partition asked = codec_kafka_fetch_request_partition_default;
	asked.index = partition->index;
	asked.fetch_offset = partition->next;
	asked.max_bytes = (int32_t)consumer->worker->plan->options->fetch_bytes;
	return asked;
}

static void ask(struct bench_consumer *consumer)
{
	struct bench_worker *worker = consumer->worker;
	struct codec_kafka_fetch_request request = codec_kafka_fetch_request_default;
	struct codec_kafka_fetch_request_topic topic = codec_kafka_fetch_request_topic_default;
	struct codec_kafka_fetch_request_partition *partitions = consumer->request_partitions;
	assert(consumer->partition_count > 0 && !consumer->is_waiting);
	for (uint32_t i = 0; i < consumer->partition_count; i++)
		partitions[i] = asked_partition(consumer, (consumer->next + i) % consumer->partition_count);
	consumer->next = (consumer->next + 1) % consumer->partition_count;
	topic.name = (struct base_bytes){(const uint8_t *)worker->plan->topic, strlen(worker->plan->topic)};
	topic.partitions = partitions;
	topic.partitions_count = consumer->partition_count;
	request.max_wait_ms = MAX_WAIT_MS;
	request.min_bytes = 1;
	request.max_bytes = RESPONSE_BYTES_MAX;
	request.topics = &topic;
	request.topics_count = 1;
	consumer->asked_us = os_now_us(worker->loop);
	consumer->is_waiting = true;
	if (client_link_send(&consumer->link, CODEC_KAFKA_FETCH, &request, NULL, 0, true).code != PYR_OK)
		bench_worker_fail(worker, PYR_OUT_OF_MEMORY, "out of memory");
}

/* Following: is nothing under way any more? */
static bool has_caught_up(const struct bench_consumer *consumer)
{
	const struct bench_worker *worker = consumer->worker;
	for (uint32_t i = 0; i < worker->producer_count; i++)
		if (!bench_producer_is_done(&worker->producers[i]))
			return false;
	for (uint32_t i = 0; i < consumer->partition_count; i++)
		if (consumer->partitions[i].sent_count > 0)
			return false;
	return true;
}

void bench_consumer_pump(struct bench_consumer *consumer)
{
	const struct bench_plan *plan = consumer->worker->plan;
	uint64_t now_us = os_now_us(consumer->worker->loop);
	if (!consumer->is_ready || consumer->is_waiting || consumer->is_over || now_us < plan->start_us)
		return;
	if (plan->follow)
		consumer->is_over = has_caught_up(consumer);
	else
		consumer->is_over = bench_is_time_over(plan, now_us) || consumer->records_left == 0;
	if (!consumer->is_over)
		ask(consumer);
}

/* ---- answers ---- */

/* When the batch was sent, by its place: a producer's batches come in the order in which they were sent. */
static bool follow_batch(struct bench_consumer *consumer, struct bench_partition *partition,
                         const struct codec_batch *batch, uint64_t now_us)
{
	struct bench_worker *worker = consumer->worker;
	uint64_t sent_us;
	if (batch->base_offset != partition->next || !bench_partition_pop(partition, &sent_us)) {
		bench_worker_fail(
			worker, PYR_CANCELLED,
			"partition %d holds at offset %lld what was not sent here: give --mode tail a topic of its own",
			partition->index, (long long)batch->base_offset);
		return false;
	}
	if (bench_is_measured(worker->plan, sent_us))
		bench_histogram_add(&worker->tail_us, now_us - sent_us);
	return true;
}

/* The next whole batch of a response; false: no more, or (told) a broken one. */
static bool next_batch(struct bench_consumer *consumer, struct bench_partition *partition, struct base_bytes *rest,
                       struct codec_batch *ret_batch)
{
	bool check = consumer->worker->plan->options->check;
	if (rest->bytes < CODEC_BATCH_HEADER_BYTES)
		return false;
	uint64_t bytes = (uint64_t)base_load_u32be(rest->data + CODEC_BATCH_LENGTH_AT) + CODEC_BATCH_OVERHEAD_BYTES;
	if (bytes > rest->bytes)
		return false; /* the last batch may be cut off */
	pyr_result result = check ? codec_batch_check(*rest, ret_batch) : codec_batch_parse(*rest, ret_batch);
	if (result.code != PYR_OK) {
		bench_worker_fail(consumer->worker, PYR_CANCELLED,
		                  "the broker sends a broken batch of partition %d, at offset %lld", partition->index,
		                  (long long)partition->next);
		return false;
	}
	rest->data += ret_batch->bytes;
	rest->bytes -= ret_batch->bytes;
	return true;
}

struct taken {
	uint64_t records;
	uint64_t bytes;
};

static void take_partition(struct bench_consumer *consumer, struct bench_partition *partition,
                           const struct codec_kafka_fetch_response_partition *answer, uint64_t now_us,
                           struct taken *taken)
{
	bool follow = consumer->worker->plan->follow;
	struct base_bytes rest = {answer->records.data, answer->records.bytes};
	struct codec_batch batch;
	while (next_batch(consumer, partition, &rest, &batch)) {
		if (codec_batch_last_offset(&batch) < partition->next)
			continue;
		if (follow && !follow_batch(consumer, partition, &batch, now_us))
			return;
		taken->records += (uint64_t)batch.record_count;
		taken->bytes += batch.bytes;
		partition->next = codec_batch_last_offset(&batch) + 1;
	}
	if (!follow && partition->next >= answer->high_watermark)
		partition->next = partition->start;
}

static bool take_answer(struct bench_consumer *consumer, const struct codec_kafka_fetch_response_partition *answer,
                        uint64_t now_us, struct taken *taken)
{
	uint32_t place = ((uint32_t)answer->index - consumer->first) / consumer->stride;
	char text[32];
	if (answer->error_code != 0) {
		bench_worker_fail(consumer->worker, PYR_CANCELLED, "the broker refuses to read partition %d: %s",
		                  answer->index, client_kafka_error(answer->error_code, text));
		return false;
	}
	if (place >= consumer->partition_count || consumer->partitions[place].index != answer->index) {
		bench_worker_fail(consumer->worker, PYR_CANCELLED,
		                  "the broker sends partition %d, which nobody asked for", answer->index);
		return false;
	}
	take_partition(consumer, &consumer->partitions[place], answer, now_us, taken);
	return true;
}

static void count(struct bench_consumer *consumer, struct taken taken, uint64_t now_us)
{
	struct bench_worker *worker = consumer->worker;
	consumer->records_left -= taken.records < consumer->records_left ? taken.records : consumer->records_left;
	worker->fetched_records += taken.records;
	atomic_store_explicit(&worker->shown_fetched, worker->fetched_records, memory_order_relaxed);
	if (!bench_is_measured(worker->plan, now_us))
		return;
	worker->fetched.requests += 1;
	worker->fetched.records += taken.records;
	worker->fetched.batch_bytes += taken.bytes;
	bench_histogram_add(&worker->fetched.latency_us, now_us - consumer->asked_us);
	worker->last_us = now_us;
}

static void on_fetched(struct bench_consumer *consumer, const struct codec_kafka_fetch_response *response)
{
	struct bench_worker *worker = consumer->worker;
	uint64_t now_us = os_now_us(worker->loop);
	struct taken taken = {0};
	char text[32];
	if (response->error_code != 0) {
		bench_worker_fail(worker, PYR_CANCELLED, "the broker refuses to read: %s",
		                  client_kafka_error(response->error_code, text));
		return;
	}
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t j = 0; j < response->topics[i].partitions_count; j++)
			if (!take_answer(consumer, &response->topics[i].partitions[j], now_us, &taken))
				return;
	count(consumer, taken, now_us);
}

static void on_answered(void *context, int16_t key, const void *response)
{
	struct bench_consumer *consumer = context;
	consumer->worker->progress_us = os_now_us(consumer->worker->loop);
	consumer->is_waiting = false;
	if (key == CODEC_KAFKA_FETCH)
		on_fetched(consumer, response);
	else
		consumer->is_ready = true;
	bench_consumer_pump(consumer);
}

static void on_lost(void *context, const char *why)
{
	struct bench_consumer *consumer = context;
	bench_worker_fail(consumer->worker, PYR_NETWORK, "a reading connection is lost: %s", why);
}

static const struct client_link_handler handler = {on_answered, NULL, on_lost};

/* ---- life ---- */

pyr_result bench_consumer_init(struct bench_consumer *consumer, struct bench_worker *worker, uint32_t number,
                               struct bench_producer *paired)
{
	const struct bench_plan *plan = worker->plan;
	const struct bench_options *options = plan->options;
	struct codec_kafka_api_versions_request greeting = codec_kafka_api_versions_request_default;
	consumer->worker = worker;
	consumer->stride = plan->consumers < plan->partitions ? plan->consumers : plan->partitions;
	consumer->first = number % consumer->stride;
	consumer->records_left =
		plan->records > 0 ? (plan->records + plan->consumers - 1) / plan->consumers : UINT64_MAX;
	if (paired) {
		consumer->partitions = paired->partitions;
		consumer->partition_count = paired->partition_count;
	} else {
		consumer->partitions =
			bench_partitions_new(plan, consumer->first, consumer->stride, &consumer->partition_count);
	}
	if (!consumer->partitions)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	consumer->request_partitions =
		calloc(consumer->partition_count, sizeof(struct codec_kafka_fetch_request_partition));
	if (!consumer->request_partitions)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	PYR_TRY(client_link_open(&consumer->link, worker->net, options->host, options->port, plan->versions, 1,
	                         &handler, consumer));
	return client_link_send(&consumer->link, CODEC_KAFKA_API_VERSIONS, &greeting, NULL, 0, true);
}

void bench_consumer_deinit(struct bench_consumer *consumer)
{
	client_link_deinit(&consumer->link);
	if (consumer->worker && !consumer->worker->plan->follow)
		bench_partitions_free(consumer->partitions, consumer->partition_count);
	free(consumer->request_partitions);
}

bool bench_consumer_is_done(const struct bench_consumer *consumer)
{
	return consumer->is_over;
}
