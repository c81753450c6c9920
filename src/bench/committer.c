/* A connection that commits offsets (see bench_priv.h), as a simple consumer does: no generation, no member.
 *
 * Requests go round the groups that are its own; each names the same partitions of the topic. At most in_flight of them
 * are without an answer. A coordinator that is not ready yet is asked again, and the latency goes on. Owner: the worker's
 * thread. */
#include "bench/bench_priv.h"

#include "codec/kafka/messages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { COORDINATOR_LOADS = 14, COORDINATOR_NOT_AVAILABLE = 15, NOT_COORDINATOR = 16 };

static bool not_ready_yet(int16_t code)
{
	return code == COORDINATOR_LOADS || code == COORDINATOR_NOT_AVAILABLE || code == NOT_COORDINATOR;
}

/* ---- sending ---- */

static pyr_result send_commit(struct bench_committer *committer, struct bench_committed committed)
{
	struct bench_worker *worker = committer->worker;
	const struct bench_plan *plan = worker->plan;
	char group[BENCH_TOPIC_BYTES_MAX + 32];
	struct codec_kafka_offset_commit_request request = codec_kafka_offset_commit_request_default;
	struct codec_kafka_offset_commit_request_topic topic = codec_kafka_offset_commit_request_topic_default;
	int bytes = snprintf(group, sizeof group, "%s-%u", plan->topic, committed.group);
	request.group_id = (struct base_bytes){(const uint8_t *)group, (size_t)bytes};
	request.generation = -1;
	request.topics = &topic;
	request.topics_count = 1;
	topic.name = (struct base_bytes){(const uint8_t *)plan->topic, strlen(plan->topic)};
	topic.partitions = committer->partitions;
	topic.partitions_count = committer->partition_count;
	PYR_TRY(client_link_send(&committer->link, CODEC_KAFKA_OFFSET_COMMIT, &request, NULL, 0, true));
	if (committer->outstanding == 0)
		worker->progress_us = os_now_us(worker->loop); /* waiting begins now */
	committer->sent[(committer->sent_first + committer->outstanding) % plan->in_flight] = committed;
	committer->outstanding += 1;
	return pyr_ok();
}

/* The groups number, number + stride, ... of all, again and again; each time round commits one offset more. */
static uint32_t next_group(struct bench_committer *committer)
{
	const struct bench_plan *plan = committer->worker->plan;
	uint32_t group = committer->next;
	if (group == committer->first)
		for (uint32_t i = 0; i < committer->partition_count; i++)
			committer->partitions[i].offset += 1;
	committer->next += plan->committers;
	if (committer->next >= plan->options->groups)
		committer->next = committer->first;
	return group;
}

void bench_committer_pump(struct bench_committer *committer)
{
	struct bench_worker *worker = committer->worker;
	const struct bench_plan *plan = worker->plan;
	uint64_t now_us = os_now_us(worker->loop);
	if (!committer->is_ready || committer->is_over || now_us < plan->start_us)
		return;
	while (!bench_is_time_over(plan, now_us) && committer->requests_left > 0) {
		if (committer->outstanding == plan->in_flight)
			return;
		struct bench_committed committed = {now_us, next_group(committer)};
		if (send_commit(committer, committed).code != PYR_OK) {
			bench_worker_fail(worker, PYR_CANCELLED, "the broker does not speak OffsetCommit");
			return;
		}
		committer->requests_left -= 1;
		now_us = os_now_us(worker->loop);
	}
	committer->is_over = true;
}

/* ---- answers ---- */

/* The first error of the response's partitions; fails the run if some are missing. */
static int16_t error_of(struct bench_committer *committer, const struct codec_kafka_offset_commit_response *response)
{
	uint32_t found = 0;
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t j = 0; j < response->topics[i].partitions_count; j++, found++)
			if (response->topics[i].partitions[j].error_code != 0)
				return response->topics[i].partitions[j].error_code;
	if (found != committer->partition_count)
		bench_worker_fail(committer->worker, PYR_CANCELLED, "the broker answers for %u offsets of %u", found,
		                  committer->partition_count);
	return 0;
}

static void count(struct bench_committer *committer, uint64_t sent_us, uint64_t now_us)
{
	struct bench_worker *worker = committer->worker;
	worker->committed_offsets += committer->partition_count;
	atomic_store_explicit(&worker->shown_produced, worker->committed_offsets, memory_order_relaxed);
	if (bench_is_measured(worker->plan, now_us)) {
		worker->committed.requests += 1;
		worker->committed.records += committer->partition_count;
		worker->last_us = now_us;
	}
	if (bench_is_measured(worker->plan, sent_us))
		bench_histogram_add(&worker->committed.latency_us, now_us - sent_us);
}

static void on_committed(struct bench_committer *committer, const struct codec_kafka_offset_commit_response *response)
{
	struct bench_worker *worker = committer->worker;
	char text[32];
	assert(committer->outstanding > 0);
	struct bench_committed committed = committer->sent[committer->sent_first];
	committer->sent_first = (committer->sent_first + 1) % worker->plan->in_flight;
	committer->outstanding -= 1;
	int16_t code = error_of(committer, response);
	if (not_ready_yet(code))
		pyr_ignore(send_commit(committer, committed)); /* has been sent before: only memory can be missing */
	else if (code != 0)
		bench_worker_fail(worker, PYR_CANCELLED, "the broker refuses an offset of group %s-%u: %s",
		                  worker->plan->topic, committed.group, client_kafka_error(code, text));
	else
		count(committer, committed.sent_us, os_now_us(worker->loop));
}

static void on_answered(void *context, int16_t key, const void *response)
{
	struct bench_committer *committer = context;
	committer->worker->progress_us = os_now_us(committer->worker->loop);
	if (key == CODEC_KAFKA_OFFSET_COMMIT)
		on_committed(committer, response);
	else
		committer->is_ready = true;
	bench_committer_pump(committer);
}

static void on_lost(void *context, const char *why)
{
	struct bench_committer *committer = context;
	bench_worker_fail(committer->worker, PYR_NETWORK, "a committing connection is lost: %s", why);
}

static const struct client_link_handler handler = {on_answered, NULL, on_lost};

/* ---- life ---- */

static pyr_result name_partitions(struct bench_committer *committer, const struct bench_plan *plan)
{
	uint32_t wanted = plan->options->partitions_per_request;
	committer->partition_count = wanted < plan->partitions ? wanted : plan->partitions;
	committer->partitions = calloc(committer->partition_count, sizeof *committer->partitions);
	if (!committer->partitions)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	for (uint32_t i = 0; i < committer->partition_count; i++) {
		committer->partitions[i] = codec_kafka_offset_commit_request_partition_default;
		committer->partitions[i].index = (int32_t)i;
		committer->partitions[i].metadata = (struct base_bytes){(const uint8_t *)"", 0};
	}
	return pyr_ok();
}

pyr_result bench_committer_init(struct bench_committer *committer, struct bench_worker *worker, uint32_t number)
{
	const struct bench_plan *plan = worker->plan;
	struct codec_kafka_api_versions_request greeting = codec_kafka_api_versions_request_default;
	committer->worker = worker;
	committer->first = committer->next = number;
	committer->requests_left = plan->records / plan->committers + (number < plan->records % plan->committers);
	if (plan->records == 0)
		committer->requests_left = UINT64_MAX;
	committer->sent = calloc(plan->in_flight, sizeof *committer->sent);
	if (!committer->sent)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	PYR_TRY(name_partitions(committer, plan));
	PYR_TRY(client_link_open(&committer->link, worker->net, plan->options->host, plan->options->port,
	                         plan->versions, plan->in_flight + 1, &handler, committer));
	return client_link_send(&committer->link, CODEC_KAFKA_API_VERSIONS, &greeting, NULL, 0, true);
}

void bench_committer_deinit(struct bench_committer *committer)
{
	client_link_deinit(&committer->link);
	free(committer->partitions);
	free(committer->sent);
}

bool bench_committer_is_waiting(const struct bench_committer *committer)
{
	return !committer->is_ready || committer->outstanding > 0;
}

bool bench_committer_is_done(const struct bench_committer *committer)
{
	return committer->is_over && committer->outstanding == 0;
}
