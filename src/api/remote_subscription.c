/* A subscription's records from a server: one fetch of all its partitions at a time, on a connection of its own, whose batches
 * are handed out one by one; and its questions to the groups' coordinator.
 *
 * Invariant: records borrow from `bytes` or from what a batch inflated to, both kept until the next lot. Failure modes: a batch
 * that fails its checksum is PYR_CORRUPT_MESSAGE; an offset that is gone is moved to the nearest that is there. Owner: the thread that has the subscription. */
#include "api/remote.h"
#include "api/subscription.h"
#include "base/array.h"
#include "base/table.h"
#include "codec/kafka/messages.h"
#include "os/real.h"

#include <stdlib.h>
#include <string.h>

enum { PART_BYTES = 1 << 20, FETCH_BYTES = 32 << 20, OUT_OF_RANGE = 1 };

/* What came of one partition. */
struct chunk {
	size_t topic;
	int32_t partition;
	size_t at, end; /* of its bytes */
};

struct feed {
	struct remote_link link;
	uint8_t *bytes;
	size_t room, used;
	struct chunk *chunks;
	size_t chunk_room, chunk_count, chunk; /* the one at hand */
	struct codec_record_reader records; /* of the batch at hand */
	bool in_batch;
	bool lost; /* an offset that was asked for is not there */
	struct os_timer timer;
	pyr_result (*take)(void *context, const void *response, struct pyr_error *error); /* of a question */
	void *context;
};

static struct feed *feed_of(const struct pyr_subscription *subscription)
{
	return subscription->way;
}

/* ---- topics and their ends ---- */

static pyr_result take_topic(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_metadata_response *response = message;
	struct api_feed_topic *topic = admin->take_context;
	if (response->topics_count != 1)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no topic %s", topic->name);
	if (response->topics[0].error_code != 0)
		return remote_refused(response->topics[0].error_code, topic->name, error);
	topic->partitions = (unsigned)response->topics[0].partitions_count;
	memcpy(topic->id, response->topics[0].topic_id, API_UUID_BYTES);
	return pyr_ok();
}

static struct base_bytes name_of(const struct api_feed_topic *topic)
{
	return (struct base_bytes){(const uint8_t *)topic->name, strlen(topic->name)};
}

static pyr_result remote_look(struct pyr_subscription *subscription, struct api_feed_topic *topic,
                              struct pyr_error *error)
{
	struct codec_kafka_metadata_request request = codec_kafka_metadata_request_default;
	struct codec_kafka_metadata_request_topic asked = codec_kafka_metadata_request_topic_default;
	asked.name = name_of(topic);
	request.topics = &asked;
	request.topics_count = 1;
	request.allow_auto_topic_creation = false;
	pyr_result result = client_admin_ask(&feed_of(subscription)->link.admin, CODEC_KAFKA_METADATA, &request,
	                                     take_topic, topic, error);
	return result.code == PYR_UNKNOWN_PARTITION
	               ? pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no topic %s", topic->name)
	               : result;
}

static pyr_result feed_range(struct pyr_subscription *subscription, const struct api_feed_part *part,
                             int64_t *ret_start, int64_t *ret_end, struct pyr_error *error)
{
	struct client_range found;
	PYR_TRY(remote_range(&feed_of(subscription)->link, subscription->topics[part->topic].name, part->partition,
	                     &found, error));
	*ret_start = found.start;
	*ret_end = found.end;
	return pyr_ok();
}

/* ---- fetching ---- */

static void remote_forget(struct pyr_subscription *subscription)
{
	struct feed *feed = feed_of(subscription);
	if (feed->in_batch)
		codec_record_reader_deinit(&feed->records);
	feed->in_batch = false;
	feed->used = feed->chunk_count = feed->chunk = 0;
}

static pyr_result take_part(struct pyr_subscription *subscription, struct api_feed_part *part,
                            const struct codec_kafka_fetch_response_partition *told, struct pyr_error *error)
{
	struct feed *feed = feed_of(subscription);
	if (told->error_code == OUT_OF_RANGE) {
		feed->lost = true;
		return pyr_ok();
	}
	if (told->error_code != 0)
		return remote_refused(told->error_code, subscription->topics[part->topic].name, error);
	if (told->records.bytes == 0)
		return pyr_ok();
	if (!base_array_reserve(&feed->bytes, &feed->room, feed->used + told->records.bytes, 1) ||
	    !base_array_reserve(&feed->chunks, &feed->chunk_room, feed->chunk_count + 1, sizeof *feed->chunks))
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	memcpy(feed->bytes + feed->used, told->records.data, told->records.bytes);
	feed->chunks[feed->chunk_count++] =
		(struct chunk){part->topic, part->partition, feed->used, feed->used + told->records.bytes};
	feed->used += told->records.bytes;
	return pyr_ok();
}

static pyr_result take_fetched(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_fetch_response *response = message;
	struct pyr_subscription *subscription = admin->take_context;
	if (response->error_code != 0)
		return remote_refused(response->error_code, subscription->topics[0].name, error);
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t t = 0; t < subscription->topic_count; t++) {
			struct base_bytes name = name_of(&subscription->topics[t]), told = response->topics[i].name;
			if (name.bytes != told.bytes || memcmp(name.data, told.data, told.bytes) != 0)
				continue;
			for (size_t k = 0; k < response->topics[i].partitions_count; k++) {
				const struct codec_kafka_fetch_response_partition *one =
					&response->topics[i].partitions[k];
				struct api_feed_part *part = api_feed_find(subscription, t, one->index);
				if (part)
					PYR_TRY(take_part(subscription, part, one, error));
			}
		}
	return pyr_ok();
}

/* Those without a place yet are left out. */
static size_t list_parts(const struct pyr_subscription *subscription, size_t topic,
                         struct codec_kafka_fetch_request_partition *parts)
{
	size_t count = 0;
	for (size_t i = 0; i < subscription->part_count; i++) {
		if (subscription->parts[i].topic != topic || subscription->parts[i].next < 0)
			continue;
		parts[count] = codec_kafka_fetch_request_partition_default;
		parts[count].index = subscription->parts[i].partition;
		parts[count].fetch_offset = subscription->parts[i].next;
		parts[count++].max_bytes = PART_BYTES;
	}
	return count;
}

static pyr_result fetch(struct pyr_subscription *subscription, unsigned wait_ms, struct pyr_error *error)
{
	struct codec_kafka_fetch_request request = codec_kafka_fetch_request_default;
	size_t topic_count = subscription->topic_count, used = 0;
	struct codec_kafka_fetch_request_topic *topics = calloc(topic_count, sizeof *topics);
	struct codec_kafka_fetch_request_partition *parts = calloc(subscription->part_count, sizeof *parts);
	pyr_result result = pyr_result_of(PYR_OUT_OF_MEMORY);
	for (size_t i = 0; topics && parts && i < topic_count; i++) {
		struct codec_kafka_fetch_request_topic *topic = &topics[request.topics_count];
		*topic = codec_kafka_fetch_request_topic_default;
		topic->name = name_of(&subscription->topics[i]);
		topic->partitions = parts + used;
		topic->partitions_count = list_parts(subscription, i, parts + used);
		used += topic->partitions_count;
		request.topics_count += topic->partitions_count > 0;
	}
	request.topics = topics;
	request.replica_id = -1;
	request.max_wait_ms = (int32_t)wait_ms;
	request.min_bytes = 1;
	request.max_bytes = FETCH_BYTES;
	if (topics && parts)
		result = client_admin_ask(&feed_of(subscription)->link.admin, CODEC_KAFKA_FETCH, &request, take_fetched,
		                          subscription, error);
	free(topics);
	free(parts);
	return result;
}

/* ---- taking apart ---- */

/* *ret_any false: no whole batch is left in the chunk. */
static pyr_result open_batch(struct feed *feed, struct chunk *chunk, bool *ret_any, struct pyr_error *error)
{
	pyr_result result = remote_open_batch(feed->bytes, &chunk->at, chunk->end, &feed->records, ret_any);
	feed->in_batch = result.code == PYR_OK && *ret_any;
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "partition %d: %s", chunk->partition, pyr_code_text(result.code));
	return pyr_ok();
}

/* The records of the batch at hand, as many as fit into a lot; behind the last of them the part goes on behind the batch. */
static pyr_result take_records(struct pyr_subscription *subscription, struct api_feed_part *part)
{
	struct feed *feed = feed_of(subscription);
	struct codec_record record;
	bool is_control = codec_batch_is_control(&feed->records.batch);
	codec_record_skip_to(&feed->records, part->next);
	while (subscription->lot_count < API_LOT_RECORDS_MAX) {
		if (is_control || !codec_record_next(&feed->records, &record)) {
			int64_t behind = codec_batch_last_offset(&feed->records.batch) + 1;
			part->next = part->next < behind ? behind : part->next;
			feed->in_batch = subscription->lot_count > 0; /* its bytes are borrowed until the next lot */
			if (!feed->in_batch)
				codec_record_reader_deinit(&feed->records);
			return pyr_ok();
		}
		if (record.offset >= part->next)
			PYR_TRY(api_feed_add(subscription, part, &record));
	}
	return pyr_ok();
}

/* The next lot of what was fetched, if there is any. */
static pyr_result take_lot(struct pyr_subscription *subscription, struct pyr_error *error)
{
	struct feed *feed = feed_of(subscription);
	while (feed->chunk < feed->chunk_count && subscription->lot_count == 0) {
		struct chunk *chunk = &feed->chunks[feed->chunk];
		struct api_feed_part *part = api_feed_find(subscription, chunk->topic, chunk->partition);
		bool any = feed->in_batch && part;
		if (!any && part)
			PYR_TRY(open_batch(feed, chunk, &any, error));
		if (any)
			PYR_TRY(take_records(subscription, part));
		else
			feed->chunk += 1;
	}
	return pyr_ok();
}

/* Parts whose records are gone, or never were, go on with the nearest that there is. */
static pyr_result find_again(struct pyr_subscription *subscription, struct pyr_error *error)
{
	int64_t start, end;
	feed_of(subscription)->lost = false;
	for (size_t i = 0; i < subscription->part_count; i++) {
		struct api_feed_part *part = &subscription->parts[i];
		PYR_TRY(feed_range(subscription, part, &start, &end, error));
		part->next = part->next < start ? start : part->next > end ? end : part->next;
	}
	return pyr_ok();
}

static void on_timer(struct os_timer *timer)
{
	struct feed *feed = BASE_CONTAINER(timer, struct feed, timer);
	os_real_loop_stop(feed->link.loop);
}

static void wait(struct feed *feed, unsigned wait_ms)
{
	feed->timer.fire = on_timer;
	os_timer_start(feed->link.loop, &feed->timer, (uint64_t)wait_ms * 1000);
	os_real_loop_run(feed->link.loop);
	os_timer_stop(feed->link.loop, &feed->timer);
}

static pyr_result remote_next(struct pyr_subscription *subscription, unsigned wait_ms, struct pyr_error *error)
{
	struct feed *feed = feed_of(subscription);
	PYR_TRY(take_lot(subscription, error));
	if (subscription->lot_count > 0)
		return pyr_ok();
	remote_forget(subscription);
	if (subscription->part_count == 0) {
		wait(feed, wait_ms);
		return pyr_ok();
	}
	PYR_TRY(fetch(subscription, wait_ms, error));
	if (feed->lost)
		PYR_TRY(find_again(subscription, error));
	return take_lot(subscription, error);
}

/* ---- the coordinator ---- */

static pyr_result take_answer(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	struct feed *feed = admin->take_context;
	return feed->take(feed->context, message, error);
}

/* In the version that client/admin.c agreed on, which is that one. */
static pyr_result feed_ask(struct pyr_subscription *subscription, int16_t key, int16_t version, const void *message,
                           pyr_result (*take)(void *context, const void *response, struct pyr_error *error),
                           void *context, struct pyr_error *error)
{
	struct feed *feed = feed_of(subscription);
	(void)version;
	feed->take = take;
	feed->context = context;
	return client_admin_ask(&feed->link.admin, key, message, take_answer, feed, error);
}

/* ---- life ---- */

static pyr_result remote_open(struct pyr_subscription *subscription, struct pyr_error *error)
{
	struct feed *feed = calloc(1, sizeof *feed);
	if (!feed)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	subscription->way = feed;
	PYR_TRY(remote_link_open(&feed->link, remote_of(subscription->log), error));
	return subscription->group ? client_admin_coordinator(&feed->link.admin, subscription->group, error) : pyr_ok();
}

static void remote_close(struct pyr_subscription *subscription)
{
	struct feed *feed = feed_of(subscription);
	remote_forget(subscription);
	remote_link_close(&feed->link);
	free(feed->bytes);
	free(feed->chunks);
	free(feed);
}

const struct api_feed_ways remote_feed = {
	remote_open, remote_close, remote_look, feed_range, remote_next, remote_forget, feed_ask,
};
