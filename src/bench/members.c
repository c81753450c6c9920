/* Members of one group, and the round they go through (see members.h).
 *
 * Invariants: a member has one question under way, but for LeaveGroup, which follows whatever is; the round is settled
 * when all members have an assignment of the same generation. Failure modes: an answer that is no part of a rebalance, a
 * lost connection and a round of two minutes end the round with a sentence. */
#include "bench/members.h"

#include "base/table.h"
#include "client/admin.h"
#include "codec/kafka/messages.h"
#include "os/real.h"

#include <stdlib.h>
#include <string.h>

enum {
	SESSION_MS = 45000,
	REBALANCE_MS = 60000,
	HEARTBEAT_US = 100 * 1000,
	ROUND_US = 120 * 1000 * 1000,
	MEMBER_ID_BYTES_MAX = 255,
	ASSIGNMENT_BYTES_MAX = BENCH_TOPIC_BYTES_MAX + 32,
	ASKED_MAX = 2,
	OPENING_MAX = 32, /* connections at a time: fewer than brokers' backlogs of those not yet accepted */
};
enum {
	COORDINATOR_LOADS = 14,
	COORDINATOR_NOT_AVAILABLE = 15,
	NOT_COORDINATOR = 16,
	ILLEGAL_GENERATION = 22,
	UNKNOWN_MEMBER_ID = 25,
	REBALANCE_IN_PROGRESS = 27,
	MEMBER_ID_REQUIRED = 79,
};

struct member {
	struct bench_members *group;
	struct client_link link;
	uint8_t id[MEMBER_ID_BYTES_MAX];
	size_t id_bytes;
	int32_t generation;
	bool is_asking;
	bool is_assigned;
};

struct bench_members {
	struct bench_members_plan plan;
	struct os_loop *loop;
	struct os_net *net;
	char name[BENCH_TOPIC_BYTES_MAX + 32];
	uint8_t subscription[ASSIGNMENT_BYTES_MAX];
	size_t subscription_bytes;
	struct os_timer heartbeat, late;
	uint64_t joined_us, settled_us;
	uint32_t ready, left, count; /* members greeted, gone, opened */
	bool is_over;
	struct pyr_error *error;
	pyr_result result;
	struct member members[];
};

static void over(struct bench_members *group, pyr_result result)
{
	if (group->is_over)
		return;
	group->is_over = true;
	group->result = result;
	os_real_loop_stop(group->loop);
}

static void refused(struct bench_members *group, const char *what, int16_t code)
{
	char text[32];
	over(group, pyr_fail(group->error, PYR_CANCELLED, "the broker refuses a member of group %s %s: %s", group->name,
	                     what, client_kafka_error(code, text)));
}

static struct base_bytes name_of(const struct bench_members *group)
{
	return (struct base_bytes){(const uint8_t *)group->name, strlen(group->name)};
}

static struct base_bytes id_of(const struct member *member)
{
	return (struct base_bytes){member->id, member->id_bytes};
}

static void ask(struct member *member, int16_t key, const void *message)
{
	member->is_asking = true;
	if (client_link_send(&member->link, key, message, NULL, 0, true).code != PYR_OK)
		over(member->group, pyr_fail(member->group->error, PYR_CANCELLED,
		                             "the broker does not speak the classic protocol of groups"));
}

/* ---- what members tell each other ---- */

/* Of the consumer protocol's version 0: the topic, and for an assignment its partitions. Source:
 * ConsumerProtocolSubscription.json and ConsumerProtocolAssignment.json in Apache Kafka. */
static size_t put_topic(uint8_t *at, const char *topic)
{
	size_t bytes = strlen(topic);
	memset(at, 0, 2);
	base_store_u32be(at + 2, 1);
	at[6] = (uint8_t)(bytes >> 8);
	at[7] = (uint8_t)bytes;
	memcpy(at + 8, topic, bytes);
	return 8 + bytes;
}

static size_t put_subscription(uint8_t *at, const char *topic)
{
	size_t bytes = put_topic(at, topic);
	base_store_u32be(at + bytes, UINT32_MAX); /* no user data */
	return bytes + 4;
}

static size_t put_assignment(uint8_t *at, const struct bench_members_plan *plan, uint32_t number)
{
	size_t bytes = put_topic(at, plan->topic);
	bool has_partition = number < plan->partitions;
	base_store_u32be(at + bytes, has_partition);
	bytes += 4;
	if (has_partition) {
		base_store_u32be(at + bytes, number);
		bytes += 4;
	}
	base_store_u32be(at + bytes, UINT32_MAX);
	return bytes + 4;
}

/* ---- joining ---- */

static void join(struct member *member)
{
	struct bench_members *group = member->group;
	struct codec_kafka_join_group_request request = codec_kafka_join_group_request_default;
	struct codec_kafka_join_group_request_protocol protocol = codec_kafka_join_group_request_protocol_default;
	member->is_assigned = false;
	request.group_id = name_of(group);
	request.session_timeout_ms = SESSION_MS;
	request.rebalance_timeout_ms = REBALANCE_MS;
	request.member_id = id_of(member);
	request.protocol_type = (struct base_bytes){(const uint8_t *)"consumer", 8};
	request.protocols = &protocol;
	request.protocols_count = 1;
	protocol.name = (struct base_bytes){(const uint8_t *)"range", 5};
	protocol.metadata = (struct base_bytes){group->subscription, group->subscription_bytes};
	ask(member, CODEC_KAFKA_JOIN_GROUP, &request);
}

/* The leader has the list of all. */
static void sync_group(struct member *member, const struct codec_kafka_join_group_response *joined)
{
	struct bench_members *group = member->group;
	struct codec_kafka_sync_group_request request = codec_kafka_sync_group_request_default;
	struct codec_kafka_sync_group_request_assignment *assignments =
		calloc(joined->members_count + 1, sizeof *assignments);
	uint8_t(*bytes)[ASSIGNMENT_BYTES_MAX] = calloc(joined->members_count + 1, sizeof *bytes);
	if (!assignments || !bytes) {
		over(group, pyr_fail(group->error, PYR_OUT_OF_MEMORY, "out of memory"));
	} else {
		for (size_t i = 0; i < joined->members_count; i++) {
			assignments[i] = codec_kafka_sync_group_request_assignment_default;
			assignments[i].member_id = joined->members[i].member_id;
			assignments[i].assignment.data = bytes[i];
			assignments[i].assignment.bytes = put_assignment(bytes[i], &group->plan, (uint32_t)i);
		}
		request.group_id = name_of(group);
		request.generation = member->generation;
		request.member_id = id_of(member);
		request.assignments = assignments;
		request.assignments_count = joined->members_count;
		ask(member, CODEC_KAFKA_SYNC_GROUP, &request);
	}
	free(assignments);
	free(bytes);
}

static void take_id(struct member *member, struct base_bytes id)
{
	member->id_bytes = id.bytes < MEMBER_ID_BYTES_MAX ? id.bytes : MEMBER_ID_BYTES_MAX;
	memcpy(member->id, id.data, member->id_bytes);
}

/* Is it an error that joining again is the answer to? */
static bool is_rebalance(int16_t code)
{
	return code == REBALANCE_IN_PROGRESS || code == ILLEGAL_GENERATION || code == UNKNOWN_MEMBER_ID ||
	       code == COORDINATOR_LOADS || code == COORDINATOR_NOT_AVAILABLE || code == NOT_COORDINATOR;
}

static void join_again(struct member *member, const char *what, int16_t code)
{
	if (code == UNKNOWN_MEMBER_ID)
		member->id_bytes = 0;
	if (is_rebalance(code))
		join(member);
	else
		refused(member->group, what, code);
}

static void on_joined(struct member *member, const struct codec_kafka_join_group_response *response)
{
	if (response->error_code == MEMBER_ID_REQUIRED) {
		take_id(member, response->member_id);
		join(member);
	} else if (response->error_code != 0) {
		join_again(member, "to join", response->error_code);
	} else {
		take_id(member, response->member_id);
		member->generation = response->generation;
		sync_group(member, response);
	}
}

/* ---- settled ---- */

static bool is_settled(const struct bench_members *group)
{
	for (uint32_t i = 0; i < group->count; i++)
		if (!group->members[i].is_assigned || group->members[i].generation != group->members[0].generation)
			return false;
	return true;
}

static void leave_all(struct bench_members *group)
{
	for (uint32_t i = 0; i < group->count; i++) {
		struct codec_kafka_leave_group_request request = codec_kafka_leave_group_request_default;
		request.group_id = name_of(group);
		request.member_id = id_of(&group->members[i]);
		ask(&group->members[i], CODEC_KAFKA_LEAVE_GROUP, &request);
	}
}

static void on_synced(struct member *member, const struct codec_kafka_sync_group_response *response)
{
	struct bench_members *group = member->group;
	if (response->error_code != 0) {
		join_again(member, "its assignment", response->error_code);
		return;
	}
	member->is_assigned = true;
	if (!is_settled(group))
		return;
	group->settled_us = os_now_us(group->loop);
	os_timer_stop(group->loop, &group->heartbeat);
	leave_all(group);
}

static void on_heartbeat(struct os_timer *timer)
{
	struct bench_members *group = BASE_CONTAINER(timer, struct bench_members, heartbeat);
	for (uint32_t i = 0; i < group->count; i++) {
		struct member *member = &group->members[i];
		struct codec_kafka_heartbeat_request request = codec_kafka_heartbeat_request_default;
		if (!member->is_assigned || member->is_asking)
			continue;
		request.group_id = name_of(group);
		request.generation = member->generation;
		request.member_id = id_of(member);
		ask(member, CODEC_KAFKA_HEARTBEAT, &request);
	}
	os_timer_start(group->loop, &group->heartbeat, HEARTBEAT_US);
}

/* ---- events ---- */

static const struct client_link_handler handler;

static pyr_result open_member(struct bench_members *group)
{
	const struct bench_options *options = group->plan.options;
	struct codec_kafka_api_versions_request greeting = codec_kafka_api_versions_request_default;
	struct member *member = &group->members[group->count++];
	member->group = group;
	PYR_TRY(client_link_open(&member->link, group->net, options->host, options->port, group->plan.versions,
	                         ASKED_MAX, &handler, member));
	return client_link_send(&member->link, CODEC_KAFKA_API_VERSIONS, &greeting, NULL, 0, true);
}

static void open_some(struct bench_members *group)
{
	uint32_t wanted = group->plan.options->connections;
	while (!group->is_over && group->count < wanted && group->count - group->ready < OPENING_MAX)
		if (open_member(group).code != PYR_OK)
			over(group, pyr_fail(group->error, PYR_NETWORK,
			                     "can't open %u connections: are there enough file descriptors?", wanted));
}

static void on_greeted(struct bench_members *group)
{
	group->ready += 1;
	open_some(group);
	if (group->ready < group->plan.options->connections)
		return;
	group->joined_us = os_now_us(group->loop);
	os_timer_start(group->loop, &group->heartbeat, HEARTBEAT_US);
	for (uint32_t i = 0; i < group->count; i++)
		join(&group->members[i]);
}

static void on_answered(void *context, int16_t key, const void *response)
{
	struct member *member = context;
	struct bench_members *group = member->group;
	member->is_asking = false;
	if (group->is_over)
		return;
	if (key == CODEC_KAFKA_LEAVE_GROUP) {
		group->left += 1;
		if (group->left == group->count)
			over(group, pyr_ok());
	} else if (group->settled_us != 0) {
		return; /* a heartbeat that was under way */
	} else if (key == CODEC_KAFKA_JOIN_GROUP) {
		on_joined(member, response);
	} else if (key == CODEC_KAFKA_SYNC_GROUP) {
		on_synced(member, response);
	} else if (key == CODEC_KAFKA_HEARTBEAT) {
		int16_t code = ((const struct codec_kafka_heartbeat_response *)response)->error_code;
		if (code != 0)
			join_again(member, "its heartbeat", code);
	} else {
		on_greeted(group);
	}
}

static void on_lost(void *context, const char *why)
{
	struct member *member = context;
	over(member->group, pyr_fail(member->group->error, PYR_NETWORK, "a member's connection is lost: %s", why));
}

static void on_late(struct os_timer *timer)
{
	struct bench_members *group = BASE_CONTAINER(timer, struct bench_members, late);
	over(group,
	     pyr_fail(group->error, PYR_CANCELLED, "the group %s has not settled within %d s: see the broker's log",
	              group->name, ROUND_US / 1000000));
}

static const struct client_link_handler handler = {on_answered, NULL, on_lost};

/* ---- life ---- */

static struct bench_members *new_group(const struct bench_members_plan *plan, struct os_loop *loop,
                                       struct pyr_error *error)
{
	uint32_t count = plan->options->connections;
	struct bench_members *group = calloc(1, sizeof *group + count * sizeof group->members[0]);
	if (!group)
		return NULL;
	group->plan = *plan;
	group->loop = loop;
	group->error = error;
	group->heartbeat.fire = on_heartbeat;
	group->late.fire = on_late;
	snprintf(group->name, sizeof group->name, "%s-%u", plan->topic, plan->round);
	group->subscription_bytes = put_subscription(group->subscription, plan->topic);
	return group;
}

pyr_result bench_members_run(const struct bench_members_plan *plan, struct os_loop *loop, struct os_net *net,
                             struct bench_members **ret_members, uint64_t *ret_settled_us, struct pyr_error *error)
{
	struct bench_members *group = *ret_members = new_group(plan, loop, error);
	if (!group)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	group->net = net;
	open_some(group);
	os_timer_start(loop, &group->late, ROUND_US);
	if (!group->is_over)
		os_real_loop_run(loop);
	os_timer_stop(loop, &group->late);
	os_timer_stop(loop, &group->heartbeat);
	*ret_settled_us = group->settled_us - group->joined_us;
	return group->result;
}

void bench_members_stop(struct bench_members *group)
{
	over(group, pyr_fail(group->error, PYR_CANCELLED, "interrupted before the group %s settled", group->name));
}

void bench_members_close(struct bench_members *group)
{
	group->is_over = true;
	for (uint32_t i = 0; i < group->count; i++)
		client_link_close(&group->members[i].link);
}

void bench_members_free(struct bench_members *group)
{
	for (uint32_t i = 0; i < group->count; i++)
		client_link_deinit(&group->members[i].link);
	free(group);
}
