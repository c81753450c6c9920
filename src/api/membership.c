/* A subscription as a member of a consumer group: KIP-848's protocol, in which the coordinator tells who has what.
 *
 * A heartbeat says what we have and brings what we shall have, which is kept until the owner's next call: what is taken from us
 * is let go between two lots, and the heartbeat behind it says so. While the owner works, heartbeat.c sends them. Invariant: a
 * partition is read only while it is ours, from what is committed for it on. Failure modes: a coordinator that still reads its
 * log is asked again; a member that was away too long joins again, with nothing. Owner: who holds the subscription's lock. */
#include "api/subscription.h"

#include "base/array.h"
#include "client/admin.h"
#include "codec/kafka/messages.h"

#include <stdlib.h>
#include <string.h>

enum { HEARTBEAT_VERSION = 0, FETCH_VERSION = 7, COMMIT_VERSION = 9, SOON_US = 50000, AGAIN_US = 1000000, TRIES = 3 };
enum {
	COORDINATOR_LOADS = 14,
	COORDINATOR_NOT_AVAILABLE = 15,
	NOT_COORDINATOR = 16,
	ILLEGAL_GENERATION = 22,
	UNKNOWN_MEMBER = 25,
	FENCED_MEMBER_EPOCH = 110,
	STALE_MEMBER_EPOCH = 113,
	LEAVE_EPOCH = -1,
};

static struct base_bytes text(const char *string)
{
	return (struct base_bytes){(const uint8_t *)string, strlen(string)};
}

static const struct api_feed_ways *feed_of(const struct pyr_subscription *subscription)
{
	return subscription->log->ways->feed;
}

static bool comes_back(int16_t code)
{
	return code == COORDINATOR_LOADS || code == COORDINATOR_NOT_AVAILABLE || code == NOT_COORDINATOR;
}

static bool is_out(int16_t code)
{
	return code == UNKNOWN_MEMBER || code == FENCED_MEMBER_EPOCH || code == ILLEGAL_GENERATION;
}

static pyr_result refused(const struct pyr_subscription *subscription, int16_t code, struct pyr_error *error)
{
	char room[32];
	if (comes_back(code))
		return pyr_fail(error, PYR_BUSY, "the coordinator of group %s is not ready: try again",
		                subscription->group);
	if (is_out(code) || code == STALE_MEMBER_EPOCH)
		return pyr_fail(error, PYR_BUSY,
		                "group %s has given these partitions to others: what was not committed comes again",
		                subscription->group);
	return pyr_fail(error, api_code_of_kafka(code), "group %s: %s", subscription->group,
	                client_kafka_error(code, room));
}

static void lose_all(struct pyr_subscription *subscription)
{
	subscription->part_count = 0;
	subscription->member.epoch = 0;
	subscription->member.is_out = subscription->member.is_told = false;
	subscription->member.beat_us = 0;
	feed_of(subscription)->forget(subscription);
}

/* ---- the heartbeat ---- */

struct beat {
	struct pyr_subscription *subscription;
	int16_t code;
	uint64_t interval_us;
};

static bool is_assigned(const struct pyr_subscription *subscription, const struct api_feed_part *part)
{
	const struct api_member *member = &subscription->member;
	const uint8_t *id = subscription->topics[part->topic].id;
	for (size_t i = 0; i < member->assigned_count; i++)
		if (member->assigned[i].partition == part->partition &&
		    memcmp(member->assigned[i].topic, id, API_UUID_BYTES) == 0)
			return true;
	return false;
}

static bool let_go(struct pyr_subscription *subscription)
{
	size_t kept = 0, before = subscription->part_count;
	for (size_t i = 0; i < before; i++)
		if (is_assigned(subscription, &subscription->parts[i]))
			subscription->parts[kept++] = subscription->parts[i];
	subscription->part_count = kept;
	return kept < before;
}

static pyr_result take_over(struct pyr_subscription *subscription, const struct api_assigned *assigned)
{
	for (size_t i = 0; i < subscription->topic_count; i++)
		if (memcmp(assigned->topic, subscription->topics[i].id, API_UUID_BYTES) == 0)
			PYR_TRY(api_feed_have(subscription, i, assigned->partition, -1));
	return pyr_ok();
}

/* What we have becomes what we were told to have. */
static pyr_result obey(struct pyr_subscription *subscription)
{
	struct api_member *member = &subscription->member;
	if (!member->is_told)
		return pyr_ok();
	bool changed = let_go(subscription);
	size_t before = subscription->part_count;
	for (size_t i = 0; i < member->assigned_count; i++)
		PYR_TRY(take_over(subscription, &member->assigned[i]));
	member->is_told = false;
	if (!changed && subscription->part_count == before)
		return pyr_ok();
	member->beat_us = 0; /* the coordinator waits to hear of it */
	feed_of(subscription)->forget(subscription);
	return pyr_ok();
}

static pyr_result remember(struct api_member *member,
                           const struct codec_kafka_consumer_group_heartbeat_response_assignment *assignment)
{
	member->is_told = false;
	member->assigned_count = 0;
	for (size_t i = 0; i < assignment->topic_partitions_count; i++)
		for (size_t k = 0; k < assignment->topic_partitions[i].partitions_count; k++) {
			if (!base_array_reserve(&member->assigned, &member->assigned_room, member->assigned_count + 1,
			                        sizeof *member->assigned))
				return pyr_result_of(PYR_OUT_OF_MEMORY);
			struct api_assigned *assigned = &member->assigned[member->assigned_count++];
			assigned->partition = assignment->topic_partitions[i].partitions[k];
			memcpy(assigned->topic, assignment->topic_partitions[i].topic_id, API_UUID_BYTES);
		}
	member->is_told = true;
	return pyr_ok();
}

static pyr_result take_beat(void *context, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_consumer_group_heartbeat_response *response = message;
	struct beat *beat = context;
	struct pyr_subscription *subscription = beat->subscription;
	struct api_member *member = &subscription->member;
	(void)error;
	beat->code = response->error_code;
	if (response->error_code != 0)
		return pyr_ok();
	beat->interval_us = response->heartbeat_interval_ms > 0 ? (uint64_t)response->heartbeat_interval_ms * 1000 : 0;
	member->epoch = response->member_epoch;
	if (response->member_id.data && response->member_id.bytes <= API_MEMBER_ID_BYTES_MAX) {
		memcpy(member->id, response->member_id.data, response->member_id.bytes);
		member->id[response->member_id.bytes] = 0;
	}
	return response->has_assignment ? remember(member, &response->assignment) : pyr_ok();
}

/* What we have, topic by topic: `numbers` has room for all parts. */
static size_t list_parts(const struct pyr_subscription *subscription,
                         struct codec_kafka_consumer_group_heartbeat_request_topic_partition *topics, int32_t *numbers)
{
	size_t count = 0, used = 0;
	for (size_t i = 0; i < subscription->topic_count; i++) {
		struct codec_kafka_consumer_group_heartbeat_request_topic_partition *topic = &topics[count];
		*topic = (struct codec_kafka_consumer_group_heartbeat_request_topic_partition){.partitions =
		                                                                                       &numbers[used]};
		memcpy(topic->topic_id, subscription->topics[i].id, API_UUID_BYTES);
		for (size_t k = 0; k < subscription->part_count; k++)
			if (subscription->parts[k].topic == i)
				topic->partitions[topic->partitions_count++] = subscription->parts[k].partition;
		used += topic->partitions_count;
		count += topic->partitions_count > 0;
	}
	return count;
}

static pyr_result send_beat(struct pyr_subscription *subscription, int32_t epoch, struct beat *beat,
                            struct pyr_error *error)
{
	struct codec_kafka_consumer_group_heartbeat_request request =
		codec_kafka_consumer_group_heartbeat_request_default;
	size_t topic_count = subscription->topic_count;
	struct codec_kafka_consumer_group_heartbeat_request_topic_partition *topics =
		calloc(topic_count + 1, sizeof *topics);
	int32_t *numbers = calloc(subscription->part_count + 1, sizeof *numbers);
	struct base_bytes *names = calloc(topic_count, sizeof *names);
	pyr_result result = pyr_result_of(PYR_OUT_OF_MEMORY);
	*beat = (struct beat){.subscription = subscription};
	request.group_id = text(subscription->group);
	request.member_id = text(subscription->member.id);
	request.member_epoch = epoch;
	request.rebalance_timeout_ms = (int32_t)(subscription->member.max_poll_us / 1000);
	for (size_t i = 0; names && i < topic_count; i++)
		names[i] = text(subscription->topics[i].name);
	request.topic_names = names;
	request.topic_names_count = topic_count;
	request.topic_partitions = topics;
	if (topics && numbers && names) {
		request.topic_partitions_count = list_parts(subscription, topics, numbers);
		result = feed_of(subscription)
		                 ->ask(subscription, CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT, HEARTBEAT_VERSION, &request,
		                       take_beat, beat, error);
	}
	free(topics);
	free(numbers);
	free(names);
	return result;
}

/* ---- where to begin ---- */

static pyr_result take_offsets(void *context, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_offset_fetch_response *response = message;
	struct pyr_subscription *subscription = context;
	if (response->error_code != 0)
		return refused(subscription, response->error_code, error);
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t k = 0; k < response->topics[i].partitions_count; k++) {
			const struct codec_kafka_offset_fetch_response_partition *told =
				&response->topics[i].partitions[k];
			struct base_bytes name = response->topics[i].name;
			for (size_t t = 0; t < subscription->topic_count; t++) {
				struct api_feed_part *part = api_feed_find(subscription, t, told->index);
				const char *own = subscription->topics[t].name;
				bool same = strlen(own) == name.bytes && memcmp(own, name.data, name.bytes) == 0;
				if (same && part && part->next < 0 && told->error_code == 0 && told->offset >= 0)
					part->next = part->committed = told->offset;
			}
		}
	return pyr_ok();
}

/* Of the parts that have no place yet; those without a committed offset are left as they are. */
static pyr_result fetch_offsets(struct pyr_subscription *subscription, struct pyr_error *error)
{
	struct codec_kafka_offset_fetch_request request = codec_kafka_offset_fetch_request_default;
	struct codec_kafka_offset_fetch_request_topic *topics = calloc(subscription->part_count + 1, sizeof *topics);
	pyr_result result = pyr_ok();
	if (!topics)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	for (size_t i = 0; i < subscription->part_count; i++) {
		struct api_feed_part *part = &subscription->parts[i];
		if (part->next >= 0)
			continue;
		topics[request.topics_count].name = text(subscription->topics[part->topic].name);
		topics[request.topics_count].indexes = &part->partition;
		topics[request.topics_count++].indexes_count = 1;
	}
	request.group_id = text(subscription->group);
	request.topics = topics;
	if (request.topics_count > 0)
		result = feed_of(subscription)
		                 ->ask(subscription, CODEC_KAFKA_OFFSET_FETCH, FETCH_VERSION, &request, take_offsets,
		                       subscription, error);
	free(topics);
	return result;
}

static pyr_result settle_beat(struct pyr_subscription *subscription, const struct beat *beat, uint64_t now_us,
                              struct pyr_error *error)
{
	bool soon = subscription->part_count == 0 || beat->code != 0;
	subscription->member.beat_us = now_us + (soon ? SOON_US : beat->interval_us);
	if (is_out(beat->code))
		lose_all(subscription);
	else if (beat->code != 0 && !comes_back(beat->code))
		return refused(subscription, beat->code, error);
	return obey(subscription);
}

pyr_result api_member_keep_up(struct pyr_subscription *subscription, uint64_t now_us, struct pyr_error *error)
{
	struct beat beat;
	if (subscription->member.is_out)
		lose_all(subscription);
	PYR_TRY(obey(subscription));
	if (now_us >= subscription->member.beat_us) {
		PYR_TRY(send_beat(subscription, subscription->member.epoch, &beat, error));
		PYR_TRY(settle_beat(subscription, &beat, now_us, error));
	}
	for (size_t i = 0; i < subscription->part_count; i++)
		if (subscription->parts[i].next < 0)
			return fetch_offsets(subscription, error);
	return pyr_ok();
}

/* What the owner has is left alone: it works with that. A beat that got lost is sent again by whoever comes next. */
void api_member_beat(struct pyr_subscription *subscription, uint64_t now_us)
{
	struct api_member *member = &subscription->member;
	struct beat beat;
	struct pyr_error error;
	pyr_result sent = send_beat(subscription, member->epoch, &beat, &error);
	bool good = sent.code == PYR_OK && beat.code == 0 && beat.interval_us > 0;
	member->beat_us = now_us + (good ? beat.interval_us : AGAIN_US);
	member->is_out = sent.code == PYR_OK && is_out(beat.code);
}

void api_member_leave(struct pyr_subscription *subscription)
{
	struct beat beat;
	struct pyr_error error;
	if (subscription->group && subscription->member.epoch > 0)
		pyr_ignore(send_beat(subscription, LEAVE_EPOCH, &beat, &error));
	subscription->member.is_out = true;
}

/* ---- committing ---- */

struct commit {
	struct pyr_subscription *subscription;
	int16_t code; /* the first error */
};

static pyr_result take_commit(void *context, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_offset_commit_response *response = message;
	struct commit *commit = context;
	(void)error;
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t k = 0; k < response->topics[i].partitions_count; k++)
			if (commit->code == 0)
				commit->code = response->topics[i].partitions[k].error_code;
	return pyr_ok();
}

static pyr_result send_commit(struct commit *commit, struct pyr_error *error)
{
	struct pyr_subscription *subscription = commit->subscription;
	struct codec_kafka_offset_commit_request request = codec_kafka_offset_commit_request_default;
	size_t room = subscription->part_count + 1;
	struct codec_kafka_offset_commit_request_topic *topics = calloc(room, sizeof *topics);
	struct codec_kafka_offset_commit_request_partition *parts = calloc(room, sizeof *parts);
	pyr_result result = pyr_result_of(topics && parts ? PYR_OK : PYR_OUT_OF_MEMORY);
	commit->code = 0;
	for (size_t i = 0; i < subscription->part_count && result.code == PYR_OK; i++) {
		const struct api_feed_part *part = &subscription->parts[i];
		if (part->next < 0 || part->next == part->committed)
			continue;
		size_t k = request.topics_count++;
		parts[k] = codec_kafka_offset_commit_request_partition_default;
		parts[k].index = part->partition;
		parts[k].offset = part->next;
		topics[k].name = text(subscription->topics[part->topic].name);
		topics[k].partitions = &parts[k];
		topics[k].partitions_count = 1;
	}
	request.group_id = text(subscription->group);
	request.member_id = text(subscription->member.id);
	request.generation = subscription->member.epoch;
	request.topics = topics;
	if (result.code == PYR_OK && request.topics_count > 0)
		result = feed_of(subscription)
		                 ->ask(subscription, CODEC_KAFKA_OFFSET_COMMIT, COMMIT_VERSION, &request, take_commit,
		                       commit, error);
	free(topics);
	free(parts);
	return result;
}

/* A member that is an epoch behind learns it by a heartbeat. What that takes from us is not committed: others have it. */
pyr_result api_member_commit(struct pyr_subscription *subscription, struct pyr_error *error)
{
	struct commit commit = {.subscription = subscription};
	if (subscription->member.is_out)
		return refused(subscription, UNKNOWN_MEMBER, error);
	for (int i = 0; i < TRIES; i++) {
		PYR_TRY(send_commit(&commit, error));
		if (commit.code != STALE_MEMBER_EPOCH)
			break;
		struct beat beat;
		PYR_TRY(send_beat(subscription, subscription->member.epoch, &beat, error));
		PYR_TRY(settle_beat(subscription, &beat, 0, error));
	}
	if (is_out(commit.code))
		lose_all(subscription);
	if (commit.code != 0)
		return refused(subscription, commit.code, error);
	for (size_t i = 0; i < subscription->part_count; i++)
		subscription->parts[i].committed = subscription->parts[i].next;
	return pyr_ok();
}
