/* A connection that produces (see bench_priv.h).
 *
 * Requests go round its partitions and round the pool of batches. At most in_flight of them are without an answer; with
 * acks=0 nothing is answered, and what keeps the pace is the socket: more is sent when all before has left. At the end a
 * question tells that the broker has come that far. Owner: the worker's thread. */
#include "bench/bench_priv.h"

#include "codec/kafka/messages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { COPY_BYTES_MAX = 2048, PRODUCE_TIMEOUT_MS = 30000, ACKS_0_BURST = 16, GRACE_US = 100 * 1000 };

/* Scratch for one request. */
struct bench_send {
	struct codec_kafka_produce_request request;
	struct codec_kafka_produce_request_topic topic;
	struct client_gap *gaps;
	size_t gap_count;
	struct bench_batch *built; /* honest: ours until sent */
	struct codec_kafka_produce_request_partition partitions[];
};

static void send_free(struct bench_send *send)
{
	if (!send)
		return;
	free(send->gaps);
	free(send->built);
	free(send);
}

static struct bench_send *send_new(const struct bench_plan *plan, uint32_t partitions)
{
	struct bench_send *send = calloc(1, sizeof *send + partitions * sizeof send->partitions[0]);
	if (!send)
		return NULL;
	send->request = codec_kafka_produce_request_default;
	send->request.acks = plan->options->acks;
	send->request.timeout_ms = PRODUCE_TIMEOUT_MS;
	send->request.topics = &send->topic;
	send->request.topics_count = 1;
	send->topic = codec_kafka_produce_request_topic_default;
	send->topic.name = (struct base_bytes){(const uint8_t *)plan->topic, strlen(plan->topic)};
	send->topic.partitions = send->partitions;
	send->topic.partitions_count = partitions;
	send->gaps = calloc(partitions, sizeof *send->gaps);
	send->built = calloc(partitions, sizeof *send->built);
	if (send->gaps && send->built)
		return send;
	send_free(send);
	return NULL;
}

/* ---- sending ---- */

static pyr_result next_batch(struct bench_producer *producer, uint32_t i, struct bench_batch *ret_batch)
{
	struct bench_plan *plan = producer->worker->plan;
	if (plan->options->honest) {
		PYR_TRY(bench_payload_build(plan->payload, os_wall_ms(producer->worker->loop), &producer->batch_cursor,
		                            &producer->send->built[i]));
		*ret_batch = producer->send->built[i];
	} else {
		*ret_batch = plan->pool->batches[producer->batch_cursor++ % plan->pool->count];
	}
	return pyr_ok();
}

/* The request's i-th partition and its batch: by reference, unless copying is cheaper. */
static pyr_result put_batch(struct bench_producer *producer, uint32_t i, struct bench_sent *sent)
{
	struct bench_send *send = producer->send;
	struct bench_partition *partition = &producer->partitions[producer->next];
	struct codec_kafka_produce_request_partition *asked = &send->partitions[i];
	struct bench_batch batch;
	PYR_TRY(next_batch(producer, i, &batch));
	*asked = codec_kafka_produce_request_partition_default;
	asked->index = partition->index;
	asked->records.data = batch.bytes.data;
	asked->records.bytes = batch.bytes.bytes;
	if (batch.bytes.bytes > COPY_BYTES_MAX) {
		send->gaps[send->gap_count].bytes = batch.bytes;
		asked->records.ret_gap_at = &send->gaps[send->gap_count++].at;
	}
	sent->batch_bytes += batch.bytes.bytes;
	sent->payload_bytes += batch.payload_bytes;
	producer->next = (producer->next + 1) % producer->partition_count;
	if (producer->worker->plan->follow)
		return bench_partition_push(partition, sent->intended_us);
	return pyr_ok();
}

static uint64_t request_records(const struct bench_producer *producer)
{
	return (uint64_t)producer->per_request * producer->worker->plan->options->payload.batch_records;
}

static pyr_result send_request(struct bench_producer *producer, uint64_t intended_us)
{
	struct bench_worker *worker = producer->worker;
	struct bench_plan *plan = worker->plan;
	struct bench_sent sent = {.intended_us = intended_us};
	bool is_answered = plan->options->acks != 0;
	pyr_result result = pyr_ok();
	producer->send->gap_count = 0;
	for (uint32_t i = 0; i < producer->per_request && result.code == PYR_OK; i++)
		result = put_batch(producer, i, &sent);
	if (result.code == PYR_OK)
		result = client_link_send(&producer->link, CODEC_KAFKA_PRODUCE, &producer->send->request,
		                          producer->send->gaps, producer->send->gap_count, is_answered);
	for (uint32_t i = 0; i < producer->per_request; i++)
		base_slice_release(&producer->send->built[i].bytes);
	PYR_TRY(result);
	if (producer->outstanding == 0)
		worker->progress_us = os_now_us(worker->loop); /* waiting begins now */
	if (is_answered) {
		producer->sent[(producer->sent_first + producer->outstanding) % plan->in_flight] = sent;
		producer->outstanding += 1;
	}
	producer->last = sent;
	producer->requests_left -= 1;
	worker->sent_records += request_records(producer);
	return pyr_ok();
}

static void count(struct bench_producer *producer, const struct bench_sent *sent, uint64_t now_us)
{
	struct bench_worker *worker = producer->worker;
	worker->produced.requests += 1;
	worker->produced.records += request_records(producer);
	worker->produced.batch_bytes += sent->batch_bytes;
	worker->produced.payload_bytes += sent->payload_bytes;
	worker->last_us = now_us;
}

/* acks=0: as good as it gets, the bytes have left. */
static void count_unanswered(struct bench_producer *producer, uint64_t now_us)
{
	struct bench_worker *worker = producer->worker;
	worker->progress_us = now_us;
	atomic_store_explicit(&worker->shown_produced, worker->sent_records, memory_order_relaxed);
	if (bench_is_measured(worker->plan, now_us))
		count(producer, &producer->last, now_us);
}

/* Is there a request to be sent now, and when should it have been? */
static bool is_due(struct bench_producer *producer, uint64_t now_us, uint64_t *ret_intended_us)
{
	if (producer->interval_us == 0) {
		*ret_intended_us = now_us;
		return true;
	}
	*ret_intended_us = (uint64_t)producer->due_us;
	if (*ret_intended_us > now_us) {
		bench_worker_alarm(producer->worker, *ret_intended_us);
		return false;
	}
	/* Waiting for the broker to let it go is the broker's doing: latency has it. */
	uint64_t possible_us = *ret_intended_us > producer->room_us ? *ret_intended_us : producer->room_us;
	if (bench_is_measured(producer->worker->plan, *ret_intended_us))
		bench_histogram_add(&producer->worker->late_us, now_us - possible_us);
	producer->due_us += producer->interval_us;
	return true;
}

/* What was scheduled and not sent has waited until now, at least: leaving it out would flatter. */
static void count_missed(struct bench_producer *producer, uint64_t now_us)
{
	struct bench_worker *worker = producer->worker;
	uint64_t until_us = worker->plan->until_us < now_us ? worker->plan->until_us : now_us;
	while (producer->interval_us > 0 && producer->due_us < (double)until_us) {
		uint64_t due_us = (uint64_t)producer->due_us;
		worker->missed_records += request_records(producer);
		if (bench_is_measured(worker->plan, due_us))
			bench_histogram_add(&worker->produced.latency_us, now_us - due_us);
		producer->due_us += producer->interval_us;
	}
}

/* A schedule is kept to its end, a little late if need be: only who can't keep up with it misses requests. */
static bool is_time_over(const struct bench_producer *producer, uint64_t now_us)
{
	const struct bench_plan *plan = producer->worker->plan;
	if (producer->interval_us == 0 || now_us < plan->until_us)
		return bench_is_time_over(plan, now_us);
	return producer->due_us >= (double)plan->until_us || now_us - plan->until_us > GRACE_US ||
	       atomic_load(&plan->stop);
}

static bool may_send(const struct bench_producer *producer)
{
	const struct bench_plan *plan = producer->worker->plan;
	if (plan->options->acks != 0)
		return producer->outstanding < plan->in_flight;
	return producer->link.os && os_connection_queued_bytes(producer->link.os) == 0;
}

/* acks=0: one more question, whose answer says that all before was taken in. */
static void ask_last(struct bench_producer *producer)
{
	struct codec_kafka_metadata_request request = codec_kafka_metadata_request_default;
	struct codec_kafka_metadata_request_topic none[1];
	request.topics = none; /* an empty list: no topic */
	request.allow_auto_topic_creation = false;
	if (client_link_send(&producer->link, CODEC_KAFKA_METADATA, &request, NULL, 0, true).code != PYR_OK)
		bench_worker_fail(producer->worker, PYR_OUT_OF_MEMORY, "out of memory");
}

void bench_producer_pump(struct bench_producer *producer)
{
	struct bench_worker *worker = producer->worker;
	struct bench_plan *plan = worker->plan;
	uint64_t now_us = os_now_us(worker->loop), intended_us;
	unsigned burst = 0;
	if (!producer->is_ready || producer->is_over || now_us < plan->start_us)
		return;
	while (!is_time_over(producer, now_us) && producer->requests_left > 0) {
		if (!may_send(producer) || !is_due(producer, now_us, &intended_us))
			return;
		if (plan->options->acks == 0 && burst++ == ACKS_0_BURST) {
			if (!worker->again_posted)
				os_loop_post(worker->loop, &worker->again);
			worker->again_posted = true;
			return;
		}
		if (send_request(producer, intended_us).code != PYR_OK) {
			bench_worker_fail(worker, PYR_OUT_OF_MEMORY,
			                  "out of memory: give fewer --in-flight or --connections");
			return;
		}
		if (plan->options->acks == 0)
			count_unanswered(producer, now_us);
		now_us = os_now_us(worker->loop);
	}
	producer->is_over = true;
	count_missed(producer, now_us);
	if (plan->options->acks == 0)
		ask_last(producer);
}

/* ---- answers ---- */

static bool all_taken(struct bench_producer *producer, const struct codec_kafka_produce_response *response)
{
	uint32_t found = 0;
	char text[32];
	for (size_t i = 0; i < response->topics_count; i++) {
		for (size_t j = 0; j < response->topics[i].partitions_count; j++, found++) {
			const struct codec_kafka_produce_response_partition *one = &response->topics[i].partitions[j];
			if (one->error_code == 0)
				continue;
			bench_worker_fail(producer->worker, PYR_CANCELLED,
			                  "the broker refuses a batch for partition %d: %s", one->index,
			                  client_kafka_error(one->error_code, text));
			return false;
		}
	}
	if (found != producer->per_request)
		bench_worker_fail(producer->worker, PYR_CANCELLED, "the broker answers for %u partitions of %u", found,
		                  producer->per_request);
	return found == producer->per_request;
}

static void on_produced(struct bench_producer *producer, const struct codec_kafka_produce_response *response)
{
	struct bench_worker *worker = producer->worker;
	uint64_t now_us = os_now_us(worker->loop);
	assert(producer->outstanding > 0);
	struct bench_sent sent = producer->sent[producer->sent_first];
	producer->sent_first = (producer->sent_first + 1) % worker->plan->in_flight;
	if (producer->outstanding == worker->plan->in_flight)
		producer->room_us = now_us;
	producer->outstanding -= 1;
	if (!all_taken(producer, response))
		return;
	worker->acknowledged_records += request_records(producer);
	atomic_store_explicit(&worker->shown_produced, worker->acknowledged_records, memory_order_relaxed);
	if (bench_is_measured(worker->plan, now_us))
		count(producer, &sent, now_us);
	if (bench_is_measured(worker->plan, sent.intended_us))
		bench_histogram_add(&worker->produced.latency_us, now_us - sent.intended_us);
}

static void on_answered(void *context, int16_t key, const void *response)
{
	struct bench_producer *producer = context;
	producer->worker->progress_us = os_now_us(producer->worker->loop);
	if (key == CODEC_KAFKA_PRODUCE)
		on_produced(producer, response);
	else if (producer->is_over)
		producer->is_settled = true;
	else
		producer->is_ready = true;
	bench_producer_pump(producer);
}

static void on_drained(void *context)
{
	struct bench_producer *producer = context;
	if (producer->worker->plan->options->acks == 0)
		bench_producer_pump(producer);
}

static void on_lost(void *context, const char *why)
{
	struct bench_producer *producer = context;
	bench_worker_fail(producer->worker, PYR_NETWORK, "a producing connection is lost: %s", why);
}

static const struct client_link_handler handler = {on_answered, on_drained, on_lost};

/* ---- life ---- */

static void plan_requests(struct bench_producer *producer, uint32_t number)
{
	const struct bench_plan *plan = producer->worker->plan;
	uint64_t each = request_records(producer), wanted = (plan->records + each - 1) / each;
	producer->requests_left = wanted / plan->producers + (number < wanted % plan->producers);
	if (plan->records == 0)
		producer->requests_left = UINT64_MAX;
	if (plan->rate > 0) {
		producer->interval_us = (double)each * 1e6 * plan->producers / plan->rate;
		producer->due_us = (double)plan->start_us + producer->interval_us * number / plan->producers;
	}
}

pyr_result bench_producer_init(struct bench_producer *producer, struct bench_worker *worker, uint32_t number)
{
	const struct bench_plan *plan = worker->plan;
	const struct bench_options *options = plan->options;
	struct codec_kafka_api_versions_request greeting = codec_kafka_api_versions_request_default;
	uint32_t stride = plan->producers < plan->partitions ? plan->producers : plan->partitions;
	producer->worker = worker;
	producer->partitions = bench_partitions_new(plan, number % stride, stride, &producer->partition_count);
	if (!producer->partitions)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	producer->per_request = options->partitions_per_request < producer->partition_count
	                                ? options->partitions_per_request
	                                : producer->partition_count;
	producer->batch_cursor =
		(uint64_t)number * 7919; /* so that connections do not send the same at the same time */
	producer->send = send_new(plan, producer->per_request);
	producer->sent = calloc(plan->in_flight, sizeof *producer->sent);
	if (!producer->send || !producer->sent)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	plan_requests(producer, number);
	PYR_TRY(client_link_open(&producer->link, worker->net, options->host, options->port, plan->versions,
	                         plan->in_flight + 1, &handler, producer));
	return client_link_send(&producer->link, CODEC_KAFKA_API_VERSIONS, &greeting, NULL, 0, true);
}

void bench_producer_deinit(struct bench_producer *producer)
{
	client_link_deinit(&producer->link);
	bench_partitions_free(producer->partitions, producer->partition_count);
	send_free(producer->send);
	free(producer->sent);
}

bool bench_producer_is_waiting(const struct bench_producer *producer)
{
	bool has_unsent = producer->link.os && os_connection_queued_bytes(producer->link.os) > 0;
	return !producer->is_ready || producer->outstanding > 0 || has_unsent ||
	       (producer->is_over && !bench_producer_is_done(producer));
}

bool bench_producer_is_done(const struct bench_producer *producer)
{
	bool needs_settling = producer->worker->plan->options->acks == 0;
	return producer->is_over && producer->outstanding == 0 && (!needs_settling || producer->is_settled);
}
