/* JoinGroup and rebalances of a classic group: from somebody who wants in to a generation that all are told of.
 *
 * A rebalance ends when every member has joined again, or when the longest of their rebalance timeouts is over; then who
 * has not joined is out, unless its instance id says that it will be back. The first rebalance of an empty group waits a
 * little for more members (KIP-134). Pure (see machine.h). */
#include "group/consumer.h"

#include <assert.h>
#include <stdlib.h>

static uint64_t later_us(const struct group_world *world, int64_t ms)
{
	return world->now_us + (uint64_t)ms * 1000;
}

void group_session_renew(struct group_member *member, const struct group_world *world)
{
	member->deadline_us = later_us(world, member->session_timeout_ms);
}

static int64_t rebalance_timeout_ms(const struct group *group)
{
	const struct base_list *head = &group->member_list;
	int64_t longest = 0;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group_member *member = BASE_CONTAINER(node, struct group_member, node);
		longest = member->rebalance_timeout_ms > longest ? member->rebalance_timeout_ms : longest;
	}
	return longest;
}

/* ---- answers ---- */

void group_join_fail(struct group_call *call, int16_t error_code, struct base_bytes member_id,
                     struct group_effects *effects)
{
	struct codec_kafka_join_group_response *response = group_response(effects, call, sizeof *response);
	if (!response)
		return;
	*response = codec_kafka_join_group_response_default;
	response->error_code = error_code;
	response->member_id = group_copy(call->arena, member_id);
	group_answer(effects, call, response);
}

static bool tell_members(const struct group *group, struct group_call *call,
                         struct codec_kafka_join_group_response *response)
{
	const struct base_list *head = &group->member_list;
	response->members = codec_arena_alloc(call->arena, group->members.count, sizeof *response->members);
	if (!response->members)
		return false;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group_member *member = BASE_CONTAINER(node, struct group_member, node);
		struct codec_kafka_join_group_response_member *told = &response->members[response->members_count++];
		struct base_bytes metadata = group_member_metadata(member, group_bytes(group->protocol));
		told->member_id = group_copy(call->arena, group_bytes(member->id));
		told->group_instance_id = group_copy(call->arena, group_bytes(member->instance_id));
		told->metadata = group_copy(call->arena, metadata);
		if (!told->member_id.data || !told->metadata.data)
			return false;
	}
	return true;
}

static struct codec_kafka_join_group_response *joined_response(const struct group *group, struct group_call *call,
                                                               const struct group_member *member,
                                                               struct group_effects *effects)
{
	struct codec_kafka_join_group_response *response = group_response(effects, call, sizeof *response);
	if (!response)
		return NULL;
	*response = codec_kafka_join_group_response_default;
	response->generation = group->generation;
	response->protocol_type = group_copy(call->arena, group_bytes(group->protocol_type));
	response->protocol_name = group_copy(call->arena, group_bytes(group->protocol));
	response->leader = group_copy(call->arena, group_bytes(group->leader));
	response->member_id = group_copy(call->arena, group_bytes(member->id));
	return response;
}

void group_join_answer(const struct group *group, struct group_member *member, struct group_call *call,
                       struct group_effects *effects)
{
	struct codec_kafka_join_group_response *response = joined_response(group, call, member, effects);
	if (!response)
		return;
	bool is_leader = group_same(group_bytes(group->leader), group_bytes(member->id));
	bool told = !is_leader || tell_members(group, call, response);
	group_answer(effects, call, told ? response : NULL);
}

/* ---- rebalances ---- */

/* Whoever waits for an assignment of the generation that has ended. */
static void end_generation(struct group *group, struct group_effects *effects)
{
	const struct base_list *head = &group->member_list;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		struct group_member *member = BASE_CONTAINER(node, struct group_member, node);
		if (group->state == GROUP_COMPLETING)
			base_slice_release(&member->assignment);
		if (member->sync_call)
			group_sync_fail(member->sync_call, GROUP_REBALANCE_IN_PROGRESS, effects);
	}
	group->sync_deadline_us = 0;
}

void group_rebalance(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	int64_t timeout_ms = rebalance_timeout_ms(group);
	if (group->state == GROUP_PREPARING) {
		group_rebalance_progress(group, world, effects);
		return;
	}
	bool first = group->state == GROUP_EMPTY;
	end_generation(group, effects);
	group_state_set(group, GROUP_PREPARING, world);
	group->initial_limit_us = 0;
	group->rebalance_deadline_us = later_us(world, timeout_ms);
	if (first && world->options->initial_delay_ms > 0) {
		int64_t delay_ms = world->options->initial_delay_ms;
		group->initial_limit_us = group->rebalance_deadline_us;
		group->rebalance_deadline_us = later_us(world, delay_ms < timeout_ms ? delay_ms : timeout_ms);
		group->member_added = false;
	}
	group_rebalance_progress(group, world, effects);
}

static bool all_joined(const struct group *group)
{
	const struct base_list *head = &group->member_list;
	for (struct base_list *node = head->next; node != head; node = node->next)
		if (!BASE_CONTAINER(node, struct group_member, node)->joined)
			return false;
	return true;
}

/* Drops who has not joined. Static members stay: their sessions will tell. */
static void drop_absent(struct group *group)
{
	for (struct base_list *node = group->member_list.next, *next; node != &group->member_list; node = next) {
		struct group_member *member = BASE_CONTAINER(node, struct group_member, node);
		next = node->next;
		if (!member->joined && !member->instance_id.data) {
			assert(!member->join_call && !member->sync_call);
			group_member_free(group, member);
		}
	}
}

/* The leader stays if it has joined; otherwise the first who has. False: nobody has, or memory is out. */
static bool elect_leader(struct group *group)
{
	const struct base_list *head = &group->member_list;
	const struct group_member *leader = group_member_find(group, group_bytes(group->leader));
	if (leader && leader->joined)
		return true;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group_member *member = BASE_CONTAINER(node, struct group_member, node);
		if (member->joined)
			return group_keep(&group->leader, group_bytes(member->id));
	}
	return false;
}

/* Nobody is left: remembered, so that the generation goes on from here, and offsets begin to age. */
static void become_empty(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	group_state_set(group, GROUP_EMPTY, world);
	base_slice_release(&group->protocol);
	base_slice_release(&group->leader);
	struct group_write *write = group_write_new(group, GROUP_WRITE_RECORDS, NULL);
	if (!write)
		return; /* the older record says the same but for the generation */
	group_record_metadata(group, false, &write->records);
	(void)group_write_queue(write, effects);
}

static void begin_generation(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	const struct base_list *head = &group->member_list;
	if (!group_keep(&group->protocol, group_protocol_elect(group)))
		return; /* tried again when the deadline is looked at */
	group_state_set(group, GROUP_COMPLETING, world);
	group->sync_deadline_us = later_us(world, rebalance_timeout_ms(group));
	for (struct base_list *node = head->next; node != head; node = node->next) {
		struct group_member *member = BASE_CONTAINER(node, struct group_member, node);
		member->joined = member->synced = false;
		member->epoch = 0;
		group_session_renew(member, world);
		if (member->join_call)
			group_join_answer(group, member, member->join_call, effects);
	}
}

static void complete(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	assert(group->state == GROUP_PREPARING);
	drop_absent(group);
	group->initial_limit_us = 0;
	if (group_has_members(group) && !elect_leader(group)) {
		group->rebalance_deadline_us = later_us(world, rebalance_timeout_ms(group));
		return;
	}
	group->rebalance_deadline_us = 0;
	group->generation = group->generation == INT32_MAX ? 1 : group->generation + 1;
	if (group_has_members(group))
		begin_generation(group, world, effects);
	else
		become_empty(group, world, effects);
}

void group_rebalance_progress(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	if (group->state != GROUP_PREPARING)
		return;
	bool waits_for_more = group->initial_limit_us > 0 && group_has_members(group);
	if (!waits_for_more && base_list_empty(&group->pendings) && all_joined(group))
		complete(group, world, effects);
}

void group_join_tick(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	if (group->state != GROUP_PREPARING || world->now_us < group->rebalance_deadline_us)
		return;
	if (group->member_added && world->now_us < group->initial_limit_us) {
		uint64_t next_us = later_us(world, world->options->initial_delay_ms);
		group->member_added = false;
		group->rebalance_deadline_us = next_us < group->initial_limit_us ? next_us : group->initial_limit_us;
		return;
	}
	complete(group, world, effects);
}

/* ---- members come and go ---- */

void group_member_remove(struct group *group, struct group_member *member, int16_t error_code,
                         const struct group_world *world, struct group_effects *effects)
{
	(void)world;
	if (member->join_call)
		group_join_fail(member->join_call, error_code, group_bytes(member->id), effects);
	if (member->sync_call)
		group_sync_fail(member->sync_call, error_code, effects);
	if (group_same(group_bytes(group->leader), group_bytes(member->id)))
		base_slice_release(&group->leader);
	group_member_free(group, member);
}

static void wait_joined(struct group *group, struct group_member *member, struct group_call *call,
                        const struct group_world *world, struct group_effects *effects)
{
	if (member->join_call) /* an earlier try, over another connection perhaps */
		group_join_fail(member->join_call, GROUP_UNKNOWN_MEMBER, group_bytes(member->id), effects);
	if (member->sync_call)
		group_sync_fail(member->sync_call, GROUP_REBALANCE_IN_PROGRESS, effects);
	member->joined = true;
	group_session_renew(member, world);
	group_wait(call, &member->join_call);
	group_rebalance(group, world, effects);
}

static void add_member(struct group *group, struct group_call *call, struct base_bytes id,
                       const struct group_world *world, struct group_effects *effects)
{
	const struct codec_kafka_join_group_request *asked = call->request;
	bool empty = !group_has_members(group);
	if (group->members.count >= world->options->members_max) {
		group_join_fail(call, GROUP_MAX_SIZE_REACHED, asked->member_id, effects);
		return;
	}
	struct group_member *member = group_member_new(group, id, call);
	if (!member || (empty && !group_keep(&group->protocol_type, asked->protocol_type))) {
		if (member)
			group_member_free(group, member);
		group_answer(effects, call, NULL);
		return;
	}
	if (group->initial_limit_us > 0)
		group->member_added = true;
	wait_joined(group, member, call, world, effects);
}

static void rejoin(struct group *group, struct group_member *member, struct group_call *call,
                   const struct group_world *world, struct group_effects *effects)
{
	if (!group_member_update(member, call))
		group_answer(effects, call, NULL);
	else
		wait_joined(group, member, call, world, effects);
}

/* ---- static members (KIP-345) ---- */

/* The instance is back under a new id and wants what it had: no rebalance, if its protocols still lead to the same one.
 * The answer waits until the new id is durable. */
static void take_over_stable(struct group *group, struct group_member *member, struct group_call *call, bool was_leader,
                             struct base_bytes old_id, struct group_effects *effects)
{
	bool can_skip = call->version >= 9;
	struct codec_kafka_join_group_response *response = joined_response(group, call, member, effects);
	if (!response)
		return;
	/* An older client would compute an assignment if it were told that it leads. */
	if (was_leader && !can_skip)
		response->leader = group_copy(call->arena, old_id);
	if (was_leader && can_skip && !tell_members(group, call, response)) {
		group_answer(effects, call, NULL);
		return;
	}
	response->skip_assignment = was_leader && can_skip;
	struct group_write *write = group_write_new(group, GROUP_WRITE_RECORDS, call);
	if (write) {
		write->response = response;
		group_record_metadata(group, true, &write->records);
	}
	if (!write || !group_write_queue(write, effects))
		group_answer(effects, call, NULL);
}

static void take_over(struct group *group, struct group_member *member, struct group_call *call,
                      const struct group_world *world, struct group_effects *effects)
{
	bool was_leader = group_same(group_bytes(group->leader), group_bytes(member->id));
	struct base_slice old_id = base_slice_ref(member->id), new_id = {0};
	if (member->join_call)
		group_join_fail(member->join_call, GROUP_FENCED_INSTANCE, group_bytes(member->id), effects);
	if (member->sync_call)
		group_sync_fail(member->sync_call, GROUP_FENCED_INSTANCE, effects);
	bool done = group_new_id(world, group_bytes(member->instance_id), &new_id) &&
	            group_member_rename(group, member, group_bytes(new_id)) && group_member_update(member, call) &&
	            (!was_leader || group_keep(&group->leader, group_bytes(new_id)));
	group_session_renew(member, world);
	if (!done)
		group_answer(effects, call, NULL);
	else if (group->state == GROUP_STABLE && group_same(group_protocol_elect(group), group_bytes(group->protocol)))
		take_over_stable(group, member, call, was_leader, group_bytes(old_id), effects);
	else
		wait_joined(group, member, call, world, effects);
	base_slice_release(&old_id);
	base_slice_release(&new_id);
}

/* ---- the request ---- */

int16_t group_join_check(const struct group_call *call, const struct group_world *world)
{
	const struct codec_kafka_join_group_request *asked = call->request;
	const struct group_options *options = world->options;
	if (asked->session_timeout_ms < options->session_timeout_min_ms ||
	    asked->session_timeout_ms > options->session_timeout_max_ms)
		return GROUP_INVALID_SESSION_TIMEOUT;
	bool fits = group_id_fits(asked->member_id) && group_id_fits(asked->group_instance_id) &&
	            group_id_fits(asked->protocol_type) && asked->protocols_count <= GROUP_PROTOCOLS_MAX;
	for (size_t i = 0; i < asked->protocols_count && fits; i++)
		fits = group_id_fits(asked->protocols[i].name);
	return fits ? GROUP_NONE : GROUP_INVALID_REQUEST;
}

/* Gives out an id that the client must come back with, so that one which gave up leaves no member behind (KIP-394). */
static void require_id(struct group *group, struct group_call *call, struct base_bytes id,
                       const struct group_world *world, struct group_effects *effects)
{
	const struct codec_kafka_join_group_request *asked = call->request;
	struct group_pending *pending = calloc(1, sizeof *pending);
	if (!pending || !group_keep(&pending->id, id)) {
		free(pending);
		group_answer(effects, call, NULL);
		return;
	}
	pending->deadline_us = later_us(world, asked->session_timeout_ms);
	base_list_append(&group->pendings, &pending->node);
	group_join_fail(call, GROUP_MEMBER_ID_REQUIRED, id, effects);
}

static void join_unknown(struct group *group, struct group_call *call, const struct group_world *world,
                         struct group_effects *effects)
{
	const struct codec_kafka_join_group_request *asked = call->request;
	struct base_bytes instance_id = asked->group_instance_id;
	struct group_member *member = instance_id.data ? group_member_of_instance(group, instance_id) : NULL;
	struct base_slice id = {0};
	if (member) {
		take_over(group, member, call, world, effects);
		return;
	}
	if (!group_new_id(world, instance_id.data ? instance_id : call->client_id, &id))
		group_answer(effects, call, NULL);
	else if (!instance_id.data && call->version >= 4)
		require_id(group, call, group_bytes(id), world, effects);
	else
		add_member(group, call, group_bytes(id), world, effects);
	base_slice_release(&id);
}

static void join_known(struct group *group, struct group_member *member, struct group_call *call,
                       const struct group_world *world, struct group_effects *effects)
{
	bool same = group_member_matches(member, call->request);
	bool is_leader = group_same(group_bytes(group->leader), group_bytes(member->id));
	if (group->state == GROUP_COMPLETING && same) { /* the first answer may have been lost */
		group_session_renew(member, world);
		group_join_answer(group, member, call, effects);
	} else if (group->state == GROUP_STABLE && same && !is_leader) {
		group_session_renew(member, world);
		group_join_answer(group, member, call, effects);
	} else if (group->state == GROUP_EMPTY) {
		group_join_fail(call, GROUP_UNKNOWN_MEMBER, group_bytes(member->id), effects);
	} else {
		rejoin(group, member, call, world, effects);
	}
}

/* A consumer group that nobody is in goes on as a classic one, its generations behind its epochs. */
static int16_t convert(struct group *group, struct group_effects *effects)
{
	if (group->kind == GROUP_CLASSIC)
		return GROUP_NONE;
	assert(!group_has_members(group)); /* mixed.c's otherwise */
	struct group_write *write = group_write_new(group, GROUP_WRITE_RECORDS, NULL);
	if (!write)
		return GROUP_UNKNOWN_SERVER_ERROR;
	group_record_consumers_tombstones(group, &write->records);
	if (!group_write_queue(write, effects))
		return GROUP_UNKNOWN_SERVER_ERROR;
	group->generation = group->consumers->epoch;
	group->state = GROUP_EMPTY;
	group_consumers_free(group);
	return GROUP_NONE;
}

void group_join(struct group *group, struct group_call *call, const struct group_world *world,
                struct group_effects *effects)
{
	const struct codec_kafka_join_group_request *asked = call->request;
	struct group_member *member;
	int16_t error_code = convert(group, effects);
	if (error_code == GROUP_NONE)
		error_code = group_join_check(call, world);
	if (error_code == GROUP_NONE && !group_protocols_fit(group, asked))
		error_code = GROUP_INCONSISTENT_PROTOCOL;
	if (error_code != GROUP_NONE) {
		group_join_fail(call, error_code, asked->member_id, effects);
		return;
	}
	if (asked->member_id.bytes == 0) {
		join_unknown(group, call, world, effects);
		return;
	}
	struct group_pending *pending = group_pending_find(group, asked->member_id);
	if (pending && !asked->group_instance_id.data) {
		group_pending_free(pending);
		add_member(group, call, asked->member_id, world, effects);
		return;
	}
	error_code = group_member_check(group, asked->member_id, asked->group_instance_id, &member);
	if (error_code != GROUP_NONE)
		group_join_fail(call, error_code, asked->member_id, effects);
	else
		join_known(group, member, call, world, effects);
}
