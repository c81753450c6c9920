/* Members of the classic protocol in a consumer group: JoinGroup, SyncGroup, Heartbeat and LeaveGroup (see consumer.h; KIP-848,
 * "Consumer Group Migration").
 *
 * JoinGroup is what a heartbeat is to the others: it says what the member wants and still has, and takes it one step toward
 * its target; the generation it is told is its epoch. SyncGroup tells what is assigned to it, Heartbeat whether it must
 * join again. Nobody leads, and nobody waits for others: an answer waits for the records before it alone.
 * Invariant: what a member is told to have was assigned to it by a durable record. Pure (see machine.h). */
#include "group/consumer.h"

#include <stdlib.h>

static const struct base_bytes consumer_type = {(const uint8_t *)"consumer", 8};

struct joining {
	struct group *group;
	struct group_call *call;
	const struct codec_kafka_join_group_request *asked;
	const struct group_world *world;
	struct group_effects *effects;
	struct group_write *write;
	struct codec_kafka_consumer_protocol_subscription subscription;
	struct group_parts owned;
	struct group_consumer *member;
};

static struct base_bytes own_protocol(const struct group_consumer *member)
{
	return group_bytes(member->protocols[0].name);
}

static bool has_protocol(const struct group_consumer *member, struct base_bytes name)
{
	for (size_t i = 0; i < member->protocol_count; i++)
		if (group_same(group_bytes(member->protocols[i].name), name))
			return true;
	return false;
}

/* ---- JoinGroup: checks ---- */

static bool is_self(const struct joining *joining, const struct group_consumer *member)
{
	const struct codec_kafka_join_group_request *asked = joining->asked;
	return group_same(group_bytes(member->id), asked->member_id) ||
	       (asked->group_instance_id.data && member->instance_id.data &&
	        group_same(group_bytes(member->instance_id), asked->group_instance_id));
}

/* Should the group become a classic one, its members need a protocol that all of them know. */
static bool others_know(const struct joining *joining, struct base_bytes name)
{
	const struct base_list *head = &joining->group->consumers->list;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group_consumer *member = BASE_CONTAINER(node, struct group_consumer, node);
		if (group_consumer_is_classic(member) && !is_self(joining, member) && !has_protocol(member, name))
			return false;
	}
	return true;
}

static int16_t check(struct joining *joining)
{
	const struct codec_kafka_join_group_request *asked = joining->asked;
	int16_t error_code = group_join_check(joining->call, joining->world), version;
	bool fits = false;
	if (error_code != GROUP_NONE)
		return error_code;
	for (size_t i = 0; i < asked->protocols_count && !fits; i++)
		fits = others_know(joining, asked->protocols[i].name);
	if (!fits || !group_same(asked->protocol_type, consumer_type))
		return GROUP_INCONSISTENT_PROTOCOL;
	/* Each of its protocols says the same of the subscription. */
	if (group_subscription_read(asked->protocols[0].metadata, joining->call->arena, &joining->subscription,
	                            &version)
	                    .code != PYR_OK ||
	    joining->subscription.topics_count > GROUP_TOPICS_MAX)
		return GROUP_INCONSISTENT_PROTOCOL;
	return GROUP_NONE;
}

/* By name; a topic that is gone has no partitions that somebody else could wait for. */
static bool read_owned(struct joining *joining)
{
	for (size_t i = 0; i < joining->subscription.owned_partitions_count; i++) {
		const struct codec_kafka_consumer_protocol_subscription_topic_partition *topic =
			&joining->subscription.owned_partitions[i];
		struct group_topic found;
		if (!joining->world->topic_find(joining->world->context, topic->topic, NULL, &found))
			continue;
		for (size_t j = 0; j < topic->partitions_count; j++)
			if (!group_parts_add(&joining->owned, found.id, topic->partitions[j]))
				return false;
	}
	group_parts_sort(&joining->owned);
	return true;
}

/* ---- JoinGroup: the member ---- */

static int16_t make_member(struct joining *joining)
{
	const struct codec_kafka_join_group_request *asked = joining->asked;
	struct base_bytes prefix = asked->group_instance_id.data ? asked->group_instance_id : joining->call->client_id;
	struct base_slice id = {0};
	if (joining->group->consumers->members.count >= joining->world->options->members_max)
		return GROUP_MAX_SIZE_REACHED;
	bool kept = asked->member_id.bytes > 0 ? group_keep(&id, asked->member_id)
	                                       : group_new_id(joining->world, prefix, &id);
	if (kept)
		joining->member = group_consumer_new(joining->group, group_bytes(id));
	base_slice_release(&id);
	if (!joining->member)
		return GROUP_UNKNOWN_SERVER_ERROR;
	if (!group_keep(&joining->member->instance_id, asked->group_instance_id)) {
		group_consumer_free(joining->group, joining->member);
		return GROUP_UNKNOWN_SERVER_ERROR;
	}
	return GROUP_NONE;
}

/* The instance is back without its id: the one before is out, whichever protocol it used. */
static int16_t find_static(struct joining *joining)
{
	const struct codec_kafka_join_group_request *asked = joining->asked;
	struct group_consumer *old = group_consumer_of_instance(joining->group, asked->group_instance_id);
	struct base_slice id = {0};
	if (asked->member_id.bytes > 0) {
		joining->member = old;
		if (!old)
			return GROUP_UNKNOWN_MEMBER;
		return group_same(group_bytes(old->id), asked->member_id) ? GROUP_NONE : GROUP_FENCED_INSTANCE;
	}
	if (!old)
		return make_member(joining);
	if (group_new_id(joining->world, asked->group_instance_id, &id))
		joining->member =
			group_consumer_take_over(joining->group, old, group_bytes(id), &joining->write->records);
	base_slice_release(&id);
	return joining->member ? GROUP_NONE : GROUP_UNKNOWN_SERVER_ERROR;
}

static int16_t find_member(struct joining *joining)
{
	if (joining->asked->group_instance_id.data)
		return find_static(joining);
	if (joining->asked->member_id.bytes > 0)
		joining->member = group_consumer_find(joining->group, joining->asked->member_id);
	/* One that was out does not know it yet: what it has may be another's by now. */
	if (!joining->member && joining->owned.count > 0)
		return GROUP_UNKNOWN_MEMBER;
	return joining->member ? GROUP_NONE : make_member(joining);
}

/* False: memory is out. */
static bool update_member(struct joining *joining)
{
	const struct codec_kafka_join_group_request *asked = joining->asked;
	struct group_consumer *member = joining->member;
	static const struct base_bytes none = {(const uint8_t *)"", 0};
	bool changed = false;
	struct group_protocol *protocols = group_protocols_copy(asked->protocols, asked->protocols_count);
	if (!protocols)
		return false;
	group_consumer_set_classic(joining->group, member, protocols, asked->protocols_count,
	                           asked->session_timeout_ms);
	member->rebalance_timeout_ms =
		asked->rebalance_timeout_ms >= 0 ? asked->rebalance_timeout_ms : asked->session_timeout_ms;
	bool kept = group_keep(&member->rack_id, joining->subscription.rack_id) &&
	            group_keep(&member->client_id, joining->call->client_id) &&
	            group_keep(&member->client_host, joining->call->client_host) &&
	            group_consumer_subscribe(member, joining->subscription.topics, joining->subscription.topics_count,
	                                     member->regex.bytes > 0 ? none : (struct base_bytes){0}, &changed, NULL)
	                            .code == PYR_OK;
	base_slice_release(&member->assignor);
	joining->group->consumers->stale |= changed;
	return kept;
}

/* ---- JoinGroup ---- */

static void join_fail(struct joining *joining, int16_t error_code)
{
	group_write_drop(joining->write);
	joining->write = NULL;
	group_join_fail(joining->call, error_code, joining->asked->member_id, joining->effects);
}

static void join_answer(struct joining *joining)
{
	struct group_consumer *member = joining->member;
	struct codec_kafka_join_group_response *response = codec_arena_alloc(joining->call->arena, 1, sizeof *response);
	if (response) {
		*response = codec_kafka_join_group_response_default;
		response->generation = member->epoch;
		response->protocol_type = consumer_type;
		response->protocol_name = group_copy(joining->call->arena, own_protocol(member));
		response->leader = (struct base_bytes){(const uint8_t *)"", 0}; /* nobody */
		response->member_id = group_copy(joining->call->arena, group_bytes(member->id));
	}
	group_write_answer(joining->write, response, joining->effects);
	joining->write = NULL;
}

static void join(struct joining *joining)
{
	bool changed = false;
	int16_t error_code = find_member(joining);
	if (error_code != GROUP_NONE) {
		join_fail(joining, error_code);
		return;
	}
	struct group_consumer *member = joining->member;
	bool is_new = member->epoch == 0;
	struct base_writer *records = &joining->write->records;
	if (!update_member(joining) || !group_consumers_refresh(joining->group, joining->world, records) ||
	    !group_reconcile(joining->group, member, &joining->owned, &changed)) {
		join_fail(joining, GROUP_UNKNOWN_SERVER_ERROR);
		return;
	}
	group_record_member(joining->group, member, records);
	if (changed || is_new)
		group_record_current(joining->group, member, records);
	group_consumer_renew(member, joining->group, joining->world);
	member->sync_us = joining->world->now_us + (uint64_t)member->rebalance_timeout_ms * 1000;
	join_answer(joining);
}

/* A dynamic member comes back with the id that it is given (KIP-394); nothing is kept of it till then. */
static bool require_id(struct joining *joining)
{
	const struct codec_kafka_join_group_request *asked = joining->asked;
	struct base_slice id = {0};
	if (asked->member_id.bytes > 0 || asked->group_instance_id.data || joining->call->version < 4)
		return false;
	if (group_new_id(joining->world, joining->call->client_id, &id))
		group_join_fail(joining->call, GROUP_MEMBER_ID_REQUIRED, group_bytes(id), joining->effects);
	else
		group_answer(joining->effects, joining->call, NULL);
	base_slice_release(&id);
	return true;
}

void group_mixed_join(struct group *group, struct group_call *call, const struct group_world *world,
                      struct group_effects *effects)
{
	struct joining joining = {
		.group = group, .call = call, .asked = call->request, .world = world, .effects = effects};
	int16_t error_code = check(&joining);
	if (error_code == GROUP_NONE && require_id(&joining))
		return;
	if (error_code == GROUP_NONE) {
		joining.write = group_write_new(group, GROUP_WRITE_RECORDS, call);
		if (!joining.write || !read_owned(&joining))
			error_code = GROUP_UNKNOWN_SERVER_ERROR;
	}
	if (error_code == GROUP_NONE)
		join(&joining);
	else
		join_fail(&joining, error_code);
	group_parts_free(&joining.owned);
	group_downgrade_if_due(group, world,
	                       effects); /* it may have taken the place of the last of the other protocol */
}

/* ---- who asks ---- */

static int16_t find(const struct group *group, struct base_bytes id, struct base_bytes instance_id,
                    struct group_consumer **ret_member)
{
	struct group_consumer *member =
		instance_id.data ? group_consumer_of_instance(group, instance_id) : group_consumer_find(group, id);
	if (!member)
		return GROUP_UNKNOWN_MEMBER;
	if (!group_same(group_bytes(member->id), id))
		return GROUP_FENCED_INSTANCE;
	if (!group_consumer_is_classic(member))
		return GROUP_UNKNOWN_MEMBER;
	*ret_member = member;
	return GROUP_NONE;
}

/* It was told to join again, or is about to be. */
static void expect_join(struct group_consumer *member, const struct group_world *world)
{
	if (member->join_us == 0)
		member->join_us = world->now_us + (uint64_t)member->rebalance_timeout_ms * 1000;
}

/* ---- SyncGroup ---- */

static int16_t check_sync(const struct group *group, const struct codec_kafka_sync_group_request *asked,
                          const struct group_world *world, struct group_consumer **ret_member)
{
	struct group_consumer *member;
	int16_t error_code = find(group, asked->member_id, asked->group_instance_id, &member);
	if (error_code != GROUP_NONE)
		return error_code;
	if (asked->generation != member->epoch)
		return GROUP_ILLEGAL_GENERATION;
	if ((asked->protocol_type.data && !group_same(asked->protocol_type, consumer_type)) ||
	    (asked->protocol_name.data && !group_same(asked->protocol_name, own_protocol(member))))
		return GROUP_INCONSISTENT_PROTOCOL;
	/* One that must give up some first learns what it keeps, whatever has come since. */
	if (group->consumers->epoch > member->epoch && member->state != GROUP_MEMBER_UNREVOKED) {
		expect_join(member, world);
		return GROUP_REBALANCE_IN_PROGRESS;
	}
	*ret_member = member;
	return GROUP_NONE;
}

static int16_t subscription_version(const struct group_consumer *member, struct codec_arena *arena)
{
	struct codec_kafka_consumer_protocol_subscription subscription;
	int16_t version = 0;
	pyr_ignore(group_subscription_read(group_bytes(member->protocols[0].metadata), arena, &subscription, &version));
	return version;
}

static const void *synced_response(const struct group_consumer *member, struct group_call *call,
                                   const struct group_world *world)
{
	struct codec_kafka_sync_group_response *response = codec_arena_alloc(call->arena, 1, sizeof *response);
	struct base_slice assignment = {0};
	int16_t version = subscription_version(member, call->arena);
	if (!response || group_assignment_write(&member->assigned, version, world, &assignment).code != PYR_OK)
		return NULL;
	*response = codec_kafka_sync_group_response_default;
	response->protocol_type = consumer_type;
	response->protocol_name = group_copy(call->arena, own_protocol(member));
	response->assignment = group_copy(call->arena, group_bytes(assignment));
	base_slice_release(&assignment);
	return response->assignment.data ? response : NULL;
}

void group_mixed_sync(struct group *group, struct group_call *call, const struct group_world *world,
                      struct group_effects *effects)
{
	struct group_consumer *member;
	int16_t error_code = check_sync(group, call->request, world, &member);
	if (error_code != GROUP_NONE) {
		group_sync_fail(call, error_code, effects);
		return;
	}
	group_consumer_renew(member, group, world);
	member->sync_us = 0;
	struct group_write *write = group_write_new(group, GROUP_WRITE_RECORDS, call);
	if (write)
		group_write_answer(write, synced_response(member, call, world), effects);
	else
		group_answer(effects, call, NULL);
}

/* ---- Heartbeat ---- */

/* It has a newer target, has something to give up, or can have all that it waits for. */
static bool must_join(const struct group *group, const struct group_consumer *member)
{
	return member->epoch < group->consumers->epoch || member->state == GROUP_MEMBER_UNREVOKED ||
	       (member->state == GROUP_MEMBER_UNRELEASED && !group_consumer_waits(group, member));
}

static int16_t heartbeat(struct group *group, const struct codec_kafka_heartbeat_request *asked,
                         const struct group_world *world, struct base_writer *records)
{
	struct group_consumer *member;
	int16_t error_code = find(group, asked->member_id, asked->group_instance_id, &member);
	if (error_code != GROUP_NONE)
		return error_code;
	if (asked->generation != member->epoch)
		return GROUP_ILLEGAL_GENERATION;
	group_consumer_renew(member, group, world);
	if (!group_consumers_refresh(group, world, records))
		return GROUP_NONE; /* the next one, then */
	if (!must_join(group, member))
		return GROUP_NONE;
	expect_join(member, world);
	return GROUP_REBALANCE_IN_PROGRESS;
}

void group_mixed_heartbeat(struct group *group, struct group_call *call, const struct group_world *world,
                           struct group_effects *effects)
{
	struct codec_kafka_heartbeat_response *response = group_response(effects, call, sizeof *response);
	struct group_write *write = response ? group_write_new(group, GROUP_WRITE_RECORDS, call) : NULL;
	if (!response)
		return;
	if (!write) {
		group_answer(effects, call, NULL);
		return;
	}
	*response = codec_kafka_heartbeat_response_default;
	response->error_code = heartbeat(group, call->request, world, &write->records);
	group_write_answer(write, response, effects);
}

/* ---- LeaveGroup ---- */

static int16_t leave(struct group *group, struct base_bytes id, struct base_bytes instance_id,
                     const struct group_world *world, struct base_writer *records)
{
	struct group_consumer *member = NULL;
	int16_t error_code = GROUP_NONE;
	if (instance_id.data && id.bytes == 0) { /* an operator names the instance alone */
		member = group_consumer_of_instance(group, instance_id);
		if (!member || !group_consumer_is_classic(member))
			error_code = GROUP_UNKNOWN_MEMBER;
	} else {
		error_code = find(group, id, instance_id, &member);
	}
	if (error_code == GROUP_NONE)
		group_consumer_remove(group, member, world, records);
	return error_code;
}

/* False: memory is out. */
static bool leave_many(struct group *group, struct group_call *call, struct codec_kafka_leave_group_response *response,
                       const struct group_world *world, struct base_writer *records)
{
	const struct codec_kafka_leave_group_request *asked = call->request;
	response->members = codec_arena_alloc(call->arena, asked->members_count, sizeof *response->members);
	if (!response->members)
		return false;
	response->members_count = asked->members_count;
	for (size_t i = 0; i < asked->members_count; i++) {
		struct codec_kafka_leave_group_response_member *told = &response->members[i];
		told->member_id = asked->members[i].member_id;
		told->group_instance_id = asked->members[i].group_instance_id;
		told->error_code = leave(group, told->member_id, told->group_instance_id, world, records);
	}
	return true;
}

void group_mixed_leave(struct group *group, struct group_call *call, const struct group_world *world,
                       struct group_effects *effects)
{
	const struct codec_kafka_leave_group_request *asked = call->request;
	struct codec_kafka_leave_group_response *response = group_response(effects, call, sizeof *response);
	struct group_write *write = response ? group_write_new(group, GROUP_WRITE_RECORDS, call) : NULL;
	if (!response)
		return;
	*response = codec_kafka_leave_group_response_default;
	bool told = write;
	if (told && call->version >= 3)
		told = leave_many(group, call, response, world, &write->records);
	else if (told)
		response->error_code = leave(group, asked->member_id, (struct base_bytes){0}, world, &write->records);
	if (told)
		group_write_answer(write, response, effects);
	else
		group_write_drop(write);
	if (!told)
		group_answer(effects, call, NULL);
	group_downgrade_if_due(group, world, effects);
}
