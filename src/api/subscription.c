/* Subscriptions: topics' partitions together, with or without a group (see pyralog.h). Owner: the thread that calls. */
#include "api/subscription.h"

#include "base/array.h"
#include "os/terminal.h"

#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 100, LOOK_US = 1000000, TOPICS_MAX = 1000, MAX_POLL_MS = 300000 };

static const struct api_feed_ways *feed_of(const struct pyr_subscription *subscription)
{
	return subscription->log->ways->feed;
}

/* ---- parts ---- */

struct api_feed_part *api_feed_find(struct pyr_subscription *subscription, size_t topic, int32_t partition)
{
	for (size_t i = 0; i < subscription->part_count; i++)
		if (subscription->parts[i].topic == topic && subscription->parts[i].partition == partition)
			return &subscription->parts[i];
	return NULL;
}

pyr_result api_feed_have(struct pyr_subscription *subscription, size_t topic, int32_t partition, int64_t next)
{
	if (api_feed_find(subscription, topic, partition))
		return pyr_ok();
	if (!base_array_reserve(&subscription->parts, &subscription->part_room, subscription->part_count + 1,
	                        sizeof *subscription->parts))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	subscription->parts[subscription->part_count++] =
		(struct api_feed_part){.topic = topic, .partition = partition, .next = next, .committed = -1};
	return pyr_ok();
}

/* Where a part begins for which nothing is committed. */
static pyr_result place(struct pyr_subscription *subscription, struct api_feed_part *part, struct pyr_error *error)
{
	int64_t start, end;
	PYR_TRY(feed_of(subscription)->range(subscription, part, &start, &end, error));
	part->next = subscription->start == PYR_LATEST ? end : start;
	return pyr_ok();
}

static pyr_result place_all(struct pyr_subscription *subscription, struct pyr_error *error)
{
	for (size_t i = 0; i < subscription->part_count; i++)
		if (subscription->parts[i].next < 0)
			PYR_TRY(place(subscription, &subscription->parts[i], error));
	return pyr_ok();
}

/* Without a group all partitions are ours; those that are made later are read from their beginning. */
static pyr_result look_for_partitions(struct pyr_subscription *subscription, bool first, struct pyr_error *error)
{
	size_t before = subscription->part_count;
	for (size_t i = 0; i < subscription->topic_count; i++) {
		PYR_TRY(feed_of(subscription)->look(subscription, &subscription->topics[i], error));
		for (unsigned k = 0; k < subscription->topics[i].partitions; k++)
			PYR_TRY(api_feed_have(subscription, i, (int32_t)k, first ? -1 : 0));
	}
	if (!first && subscription->part_count > before)
		feed_of(subscription)->forget(subscription);
	return pyr_ok();
}

static pyr_result keep_up(struct pyr_subscription *subscription, struct pyr_error *error)
{
	uint64_t now_us = os_terminal_now_us();
	if (subscription->group) {
		PYR_TRY(api_member_keep_up(subscription, now_us, error));
	} else if (now_us - subscription->looked_us > LOOK_US) {
		subscription->looked_us = now_us;
		PYR_TRY(look_for_partitions(subscription, false, error));
	}
	return place_all(subscription, error);
}

/* ---- opening and closing ---- */

static bool copy_names(struct pyr_subscription *subscription, const struct pyr_subscription_options *options)
{
	subscription->topics = calloc(options->topic_count, sizeof *subscription->topics);
	subscription->group = options->group ? strdup(options->group) : NULL;
	if (!subscription->topics || (options->group && !subscription->group))
		return false;
	for (size_t i = 0; i < options->topic_count; i++) {
		subscription->topics[i].name = strdup(options->topics[i]);
		if (!subscription->topics[i].name)
			return false;
		subscription->topic_count += 1;
	}
	return true;
}

static pyr_result open_all(struct pyr_subscription *subscription, struct pyr_error *error)
{
	PYR_TRY(feed_of(subscription)->open(subscription, error));
	for (size_t i = 0; i < subscription->topic_count; i++)
		PYR_TRY(feed_of(subscription)->look(subscription, &subscription->topics[i], error));
	if (!subscription->group)
		PYR_TRY(look_for_partitions(subscription, true, error));
	subscription->looked_us = os_terminal_now_us();
	return keep_up(subscription, error);
}

static enum pyr_status check_options(const struct pyr_subscription_options *options, struct pyr_failure *failure)
{
	if (options->topic_count == 0 || options->topic_count > TOPICS_MAX || !options->topics)
		return api_fail(failure, PYR_STATUS_USAGE, "", "subscribe to 1 to %d topics", TOPICS_MAX);
	if (options->start != PYR_EARLIEST && options->start != PYR_LATEST)
		return api_fail(failure, PYR_STATUS_USAGE, "", "start with PYR_EARLIEST or PYR_LATEST, and then seek");
	if (options->max_poll_ms > INT32_MAX)
		return api_fail(failure, PYR_STATUS_USAGE, "", "max_poll_ms is at most %d", INT32_MAX);
	if (options->group && !options->group[0])
		return api_fail(failure, PYR_STATUS_USAGE, "", "the group's name is empty");
	return PYR_STATUS_OK;
}

enum pyr_status pyr_subscribe(struct pyralog *log, const struct pyr_subscription_options *options,
                              struct pyr_subscription **ret_subscription, struct pyr_failure *failure)
{
	struct pyr_subscription_options wanted = {0};
	struct pyr_error error = {0};
	memcpy(&wanted, options, options->size < sizeof wanted ? options->size : sizeof wanted);
	enum pyr_status status = check_options(&wanted, failure);
	if (status != PYR_STATUS_OK)
		return status;
	struct pyr_subscription *subscription = calloc(1, sizeof *subscription);
	if (!subscription)
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	subscription->log = log;
	subscription->start = wanted.start;
	subscription->member.max_poll_us = (uint64_t)(wanted.max_poll_ms > 0 ? wanted.max_poll_ms : MAX_POLL_MS) * 1000;
	pyr_result result =
		copy_names(subscription, &wanted) ? open_all(subscription, &error) : pyr_result_of(PYR_OUT_OF_MEMORY);
	if (result.code == PYR_OK)
		result = api_heartbeat_start(subscription);
	if (result.code != PYR_OK)
		pyr_subscription_close(subscription);
	else
		*ret_subscription = subscription;
	return api_settle(result, &error, failure);
}

void pyr_subscription_close(struct pyr_subscription *subscription)
{
	if (!subscription)
		return;
	api_heartbeat_stop(subscription);
	if (subscription->way) {
		api_member_leave(subscription);
		feed_of(subscription)->close(subscription);
	}
	for (size_t i = 0; i < subscription->topic_count; i++)
		free(subscription->topics[i].name);
	free(subscription->topics);
	free(subscription->parts);
	free(subscription->member.assigned);
	free(subscription->group);
	free(subscription->lot);
	free(subscription->headers);
	free(subscription);
}

/* ---- lots ---- */

static struct pyr_bytes public_bytes(struct base_bytes bytes)
{
	return (struct pyr_bytes){bytes.data, bytes.bytes};
}

/* Headers move while they are gathered: records get theirs when the lot is handed out. */
static pyr_result add_headers(struct pyr_subscription *subscription, const struct codec_record *record)
{
	struct base_reader left = base_reader_init(record->headers.data, record->headers.bytes);
	struct codec_header header;
	if (!base_array_reserve(&subscription->headers, &subscription->header_room,
	                        subscription->header_count + record->header_count, sizeof *subscription->headers))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	for (uint32_t i = 0; i < record->header_count; i++) {
		struct pyr_header *to = &subscription->headers[subscription->header_count++];
		*to = (struct pyr_header){{"", 0}, {NULL, 0}};
		if (codec_header_next(&left, &header))
			*to = (struct pyr_header){public_bytes(header.key), public_bytes(header.value)};
	}
	return pyr_ok();
}

pyr_result api_feed_add(struct pyr_subscription *subscription, struct api_feed_part *part,
                        const struct codec_record *record)
{
	if (!base_array_reserve(&subscription->lot, &subscription->lot_room, subscription->lot_count + 1,
	                        sizeof *subscription->lot))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	PYR_TRY(add_headers(subscription, record));
	subscription->lot[subscription->lot_count++] = (struct pyr_consumed){
		.topic = subscription->topics[part->topic].name,
		.record = {.key = public_bytes(record->key),
	                   .value = public_bytes(record->value),
	                   .header_count = record->header_count,
	                   .timestamp_ms = record->timestamp_ms,
	                   .partition = part->partition,
	                   .offset = record->offset},
	};
	part->next = record->offset + 1;
	return pyr_ok();
}

static void hand_out(struct pyr_subscription *subscription)
{
	const struct pyr_header *headers = subscription->headers;
	for (size_t i = 0; i < subscription->lot_count; i++) {
		subscription->lot[i].record.headers = headers;
		headers += subscription->lot[i].record.header_count;
	}
}

static enum pyr_status next_lot(struct pyr_subscription *subscription, unsigned timeout_ms, struct pyr_failure *failure)
{
	uint64_t start_us = os_terminal_now_us(), passed_ms = 0;
	struct pyr_error error = {0};
	subscription->lot_count = subscription->header_count = 0;
	for (;;) {
		uint64_t left_ms = timeout_ms - passed_ms;
		pyr_result result = keep_up(subscription, &error);
		if (result.code == PYR_OK)
			result = feed_of(subscription)
			                 ->next(subscription, left_ms < WAIT_MS ? (unsigned)left_ms : WAIT_MS, &error);
		if (result.code != PYR_OK)
			return api_settle(result, &error, failure);
		if (subscription->lot_count > 0)
			break;
		passed_ms = (os_terminal_now_us() - start_us) / 1000;
		if (passed_ms >= timeout_ms)
			return api_fail(failure, PYR_STATUS_TIMED_OUT, "", "no record came within %u ms", timeout_ms);
	}
	hand_out(subscription);
	return PYR_STATUS_OK;
}

enum pyr_status pyr_subscription_next(struct pyr_subscription *subscription, unsigned timeout_ms,
                                      const struct pyr_consumed **ret_records, size_t *ret_count,
                                      struct pyr_failure *failure)
{
	api_call_begin(subscription);
	enum pyr_status status = next_lot(subscription, timeout_ms, failure);
	api_call_end(subscription);
	if (status == PYR_STATUS_OK) {
		*ret_records = subscription->lot;
		*ret_count = subscription->lot_count;
	}
	return status;
}

/* ---- positions ---- */

size_t pyr_subscription_partitions(const struct pyr_subscription *subscription)
{
	return subscription->part_count;
}

static enum pyr_status seek(struct pyr_subscription *subscription, const char *topic, int32_t partition, int64_t offset,
                            struct pyr_failure *failure)
{
	struct pyr_error error = {0};
	int64_t start, end;
	struct api_feed_part *part = NULL;
	for (size_t i = 0; i < subscription->topic_count && !part; i++)
		if (strcmp(subscription->topics[i].name, topic) == 0)
			part = api_feed_find(subscription, i, partition);
	if (!part)
		return api_fail(failure, PYR_STATUS_NOT_FOUND, "",
		                "the subscription does not have partition %d of a topic %s", partition, topic);
	pyr_result result = feed_of(subscription)->range(subscription, part, &start, &end, &error);
	if (result.code != PYR_OK)
		return api_settle(result, &error, failure);
	offset = offset == PYR_EARLIEST ? start : offset == PYR_LATEST ? end : offset;
	if (offset < start || offset > end)
		return api_fail(failure, PYR_STATUS_OUT_OF_RANGE, "", "partition %d has offsets %lld to %lld, not %lld",
		                partition, (long long)start, (long long)end, (long long)offset);
	part->next = offset;
	feed_of(subscription)->forget(subscription);
	return PYR_STATUS_OK;
}

enum pyr_status pyr_subscription_seek(struct pyr_subscription *subscription, const char *topic, int32_t partition,
                                      int64_t offset, struct pyr_failure *failure)
{
	api_call_begin(subscription);
	enum pyr_status status = seek(subscription, topic, partition, offset, failure);
	api_call_end(subscription);
	return status;
}

enum pyr_status pyr_subscription_commit(struct pyr_subscription *subscription, struct pyr_failure *failure)
{
	struct pyr_error error = {0};
	if (!subscription->group)
		return api_fail(failure, PYR_STATUS_USAGE, "", "offsets are a group's: name one when you subscribe");
	api_call_begin(subscription);
	pyr_result result = api_member_commit(subscription, &error);
	api_call_end(subscription);
	return api_settle(result, &error, failure);
}
