/* A group changes its protocol while members are in it (KIP-848, "Consumer Group Migration").
 *
 * Upgrade: a member of the consumer protocol joins a classic group. Its members stay, with the generation as their epoch and
 * what they have as their assignment; whoever waits for an answer is told to join again. Downgrade: the last member of the
 * consumer protocol is gone. Those that are left are members of a classic group whose generation is the epoch, and are told
 * to join again; till then each goes on with the epoch it had. Invariants: a partition that a classic member may still have is its own after an upgrade: what it was
 * assigned, and what its last JoinGroup said that it has, as a cooperative member has that until it was told to give it up;
 * generations and epochs only rise. Failure modes: what can't be read, or the policy, refuses; memory running out
 * changes nothing. Pure (see machine.h). */
#include "group/consumer.h"

#include <assert.h>
#include <stdlib.h>

enum { ARENA_BYTES = 16 << 20 };

static const struct base_bytes consumer_type = {(const uint8_t *)"consumer", 8};

/* ---- upgrade ---- */

/* Unless somebody has it: what members say may contradict. */
static bool claim(struct group *group, struct group_consumer *member, struct base_bytes name, const int32_t *partitions,
                  size_t count, const struct group_world *world)
{
	struct group_topic topic;
	struct group_part part;
	if (!world->topic_find(world->context, name, NULL, &topic))
		return true;
	memcpy(part.topic, topic.id, sizeof part.topic);
	for (size_t i = 0; i < count; i++) {
		part.partition = partitions[i];
		if (part.partition < 0 || (uint32_t)part.partition >= topic.partition_count ||
		    group_part_is_taken(group, member, &part))
			continue;
		if (!group_parts_add(&member->assigned, part.topic, part.partition))
			return false;
	}
	group_parts_sort(&member->assigned);
	return true;
}

/* PYR_CORRUPT or PYR_INVALID_REQUEST: it is not of the protocol that its type says. */
static pyr_result claim_assignment(struct group *group, const struct group_member *from, struct group_consumer *to,
                                   const struct group_world *world, struct codec_arena *arena)
{
	struct codec_kafka_consumer_protocol_assignment assignment;
	struct group_parts none = {0};
	PYR_TRY(group_assignment_read(group_bytes(from->assignment), arena, &assignment));
	for (size_t i = 0; i < assignment.assigned_partitions_count; i++) {
		const struct codec_kafka_consumer_protocol_assignment_topic_partition *topic =
			&assignment.assigned_partitions[i];
		if (!claim(group, to, topic->topic, topic->partitions, topic->partitions_count, world))
			return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	bool kept = group_parts_select(&to->assigned, &none, false, &to->target);
	return pyr_result_of(kept ? PYR_OK : PYR_OUT_OF_MEMORY);
}

static struct base_bytes subscription_of(const struct group *group, const struct group_member *member)
{
	struct base_bytes protocol = group_bytes(group->protocol);
	if (member->protocol_count == 0)
		return (struct base_bytes){0};
	if (protocol.data && group_member_has_protocol(member, protocol))
		return group_member_metadata(member, protocol);
	return group_bytes(member->protocols[0].metadata);
}

static pyr_result claim_owned(struct group *group, const struct group_member *from, struct group_consumer *to,
                              const struct group_world *world, struct codec_arena *arena)
{
	struct codec_kafka_consumer_protocol_subscription subscription;
	int16_t version;
	PYR_TRY(group_subscription_read(subscription_of(group, from), arena, &subscription, &version));
	for (size_t i = 0; i < subscription.owned_partitions_count; i++) {
		const struct codec_kafka_consumer_protocol_subscription_topic_partition *topic =
			&subscription.owned_partitions[i];
		if (!claim(group, to, topic->topic, topic->partitions, topic->partitions_count, world))
			return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	return pyr_ok();
}

static pyr_result copy_member(struct group *group, const struct group_member *from, struct group_consumer *to,
                              struct codec_arena *arena)
{
	struct codec_kafka_consumer_protocol_subscription subscription;
	int16_t version;
	bool changed;
	PYR_TRY(group_subscription_read(subscription_of(group, from), arena, &subscription, &version));
	if (subscription.topics_count > GROUP_TOPICS_MAX)
		return pyr_result_of(PYR_INVALID_REQUEST);
	struct group_protocol *protocols = group_protocols_share(from->protocols, from->protocol_count);
	if (!protocols)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	group_consumer_set_classic(group, to, protocols, from->protocol_count, from->session_timeout_ms);
	to->rebalance_timeout_ms = from->rebalance_timeout_ms;
	to->epoch = to->previous_epoch = group_member_generation(group, from);
	if (!group_keep(&to->instance_id, group_bytes(from->instance_id)) ||
	    !group_keep(&to->rack_id, subscription.rack_id) ||
	    !group_keep(&to->client_id, group_bytes(from->client_id)) ||
	    !group_keep(&to->client_host, group_bytes(from->client_host)))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	return group_consumer_subscribe(to, subscription.topics, subscription.topics_count, (struct base_bytes){0},
	                                &changed, NULL);
}

/* The classic members as members of the other protocol; both are there until the change is sure. */
static pyr_result copy_members(struct group *group, const struct group_world *world, struct codec_arena *arena)
{
	const struct base_list *head = &group->member_list;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group_member *from = BASE_CONTAINER(node, struct group_member, node);
		struct group_consumer *to = group_consumer_new(group, group_bytes(from->id));
		if (!to)
			return pyr_result_of(PYR_OUT_OF_MEMORY);
		PYR_TRY(copy_member(group, from, to, arena));
		PYR_TRY(claim_assignment(group, from, to, world, arena));
		group_consumer_renew(to, group, world);
	}
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group_member *from = BASE_CONTAINER(node, struct group_member, node);
		struct group_consumer *to = group_consumer_find(group, group_bytes(from->id));
		PYR_TRY(claim_owned(group, from, to, world, arena));
	}
	return pyr_ok();
}

/* Nobody waits any more, and nothing of the classic group is left but its generation. */
static void end_classic(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	while (!base_list_empty(&group->member_list))
		group_member_remove(group, BASE_CONTAINER(group->member_list.next, struct group_member, node),
		                    GROUP_REBALANCE_IN_PROGRESS, world, effects);
	while (!base_list_empty(&group->pendings)) /* a consumer group takes any id */
		group_pending_free(BASE_CONTAINER(group->pendings.next, struct group_pending, node));
	group_state_set(group, GROUP_EMPTY, world);
	group->rebalance_deadline_us = group->initial_limit_us = group->sync_deadline_us = 0;
	group->writing_generation = 0;
	base_slice_release(&group->protocol_type);
	base_slice_release(&group->protocol);
	base_slice_release(&group->leader);
}

static pyr_result upgrade(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	struct codec_arena arena;
	pyr_result result = pyr_result_of(PYR_OUT_OF_MEMORY);
	codec_arena_init(&arena, ARENA_BYTES);
	struct group_write *write = group_write_new(group, GROUP_WRITE_RECORDS, NULL);
	if (write && group_consumers_begin(group)) {
		group->consumers->epoch = group->consumers->assignment_epoch = group->generation;
		result = copy_members(group, world, &arena);
	}
	codec_arena_deinit(&arena);
	if (result.code == PYR_OK) {
		if (group->stored)
			group_record_classic_tombstone(group, &write->records);
		group_record_consumers(group, &write->records);
		if (!group_write_queue(write, effects))
			result = pyr_result_of(PYR_OUT_OF_MEMORY);
	} else {
		group_write_drop(write);
	}
	if (result.code == PYR_OK)
		end_classic(group, world, effects);
	else
		group_consumers_free(group);
	return result;
}

static int16_t refuse(struct pyr_error *error, const char *why)
{
	pyr_ignore(pyr_fail(error, PYR_INVALID_REQUEST, "%s", why));
	return GROUP_ID_NOT_FOUND;
}

int16_t group_upgrade(struct group *group, const struct group_world *world, struct group_effects *effects,
                      struct pyr_error *error)
{
	enum group_migration policy = world->options->migration;
	bool has_members = group_has_members(group) || !base_list_empty(&group->pendings);
	assert(group->kind == GROUP_CLASSIC);
	if (has_members && policy != GROUP_MIGRATION_BOTH && policy != GROUP_MIGRATION_UPGRADE)
		return refuse(error,
		              "members of the classic protocol are in the group, and group.consumer.migration.policy "
		              "does not let it become one of the consumer protocol");
	if (group_has_members(group) && !group_same(group_bytes(group->protocol_type), consumer_type))
		return refuse(error, "the members of the group are no consumers: another protocol type is theirs");
	if (group->members.count >= world->options->members_max)
		return GROUP_MAX_SIZE_REACHED;
	pyr_result result = upgrade(group, world, effects);
	if (result.code == PYR_OUT_OF_MEMORY)
		return GROUP_UNKNOWN_SERVER_ERROR;
	if (result.code != PYR_OK)
		return refuse(error, "what the group's members of the classic protocol subscribe to can't be read");
	return GROUP_NONE;
}

/* ---- downgrade ---- */

static bool copy_back(struct group *group, struct group_consumer *from, const struct group_world *world)
{
	struct codec_kafka_join_group_request request = codec_kafka_join_group_request_default;
	struct group_call call = {.request = &request};
	struct group_parts held = {0}, none = {0};
	request.group_instance_id = group_bytes(from->instance_id);
	request.session_timeout_ms = from->session_timeout_ms;
	request.rebalance_timeout_ms = from->rebalance_timeout_ms;
	call.client_id = group_bytes(from->client_id);
	call.client_host = group_bytes(from->client_host);
	struct group_member *to = group_member_new(group, group_bytes(from->id), &call);
	struct group_protocol *protocols = group_protocols_share(from->protocols, from->protocol_count);
	if (!to || !protocols) {
		group_protocols_free(protocols, protocols ? from->protocol_count : 0);
		return false;
	}
	group_protocols_free(to->protocols, to->protocol_count);
	to->protocols = protocols;
	to->protocol_count = from->protocol_count;
	to->epoch = from->epoch;
	group_session_renew(to, world);
	/* It is not told; but it is what the member has, should the group be upgraded before all have joined. */
	bool kept = group_parts_select(&from->assigned, &none, false, &held) &&
	            group_parts_select(&from->revoking, &none, false, &held);
	group_parts_sort(&held);
	kept = kept && group_assignment_write(&held, 0, world, &to->assignment).code == PYR_OK;
	group_parts_free(&held);
	return kept;
}

static void forget_copies(struct group *group)
{
	while (!base_list_empty(&group->member_list))
		group_member_free(group, BASE_CONTAINER(group->member_list.next, struct group_member, node));
	base_slice_release(&group->protocol_type);
}

/* The record has no members: should the node die before all have joined again, they come as new ones. */
static bool downgrade(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	const struct base_list *head = &group->consumers->list;
	struct group_write *write = group_write_new(group, GROUP_WRITE_RECORDS, NULL);
	bool done = write && group_keep(&group->protocol_type, consumer_type);
	for (struct base_list *node = head->next; done && node != head; node = node->next)
		done = copy_back(group, BASE_CONTAINER(node, struct group_consumer, node), world);
	if (done) {
		group->generation = group->consumers->epoch;
		group_record_consumers_tombstones(group, &write->records);
		group_record_metadata(group, false, &write->records);
		done = group_write_queue(write, effects);
	} else {
		group_write_drop(write);
	}
	if (!done)
		forget_copies(group);
	return done;
}

void group_downgrade_if_due(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	enum group_migration policy = world->options->migration;
	if (group->kind != GROUP_CONSUMER || group->consumers->members.count == 0 ||
	    group->consumers->classic_count < group->consumers->members.count ||
	    (policy != GROUP_MIGRATION_BOTH && policy != GROUP_MIGRATION_DOWNGRADE) ||
	    !downgrade(group, world, effects))
		return;
	group_consumers_free(group);
	group_state_set(group, GROUP_STABLE, world);
	group_rebalance(group, world, effects);
}
