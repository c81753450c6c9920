/* SyncGroup, Heartbeat and LeaveGroup of a classic group, and the time that runs out (see machine.h).
 *
 * The leader's assignment is written first; only then is it told, to whoever asked before and whoever asks later. */
#include "group/group_priv.h"

#include <assert.h>

/* ---- SyncGroup ---- */

static void sync_answer(struct group_call *call, int16_t error_code, const struct group *group,
                        struct base_bytes assignment, struct group_effects *effects)
{
	struct codec_kafka_sync_group_response *response = group_response(effects, call, sizeof *response);
	if (!response)
		return;
	*response = codec_kafka_sync_group_response_default;
	response->error_code = error_code;
	response->assignment = (struct base_bytes){(const uint8_t *)"", 0};
	if (error_code == GROUP_NONE) {
		response->protocol_type = group_copy(call->arena, group_bytes(group->protocol_type));
		response->protocol_name = group_copy(call->arena, group_bytes(group->protocol));
		if (assignment.bytes > 0)
			response->assignment = group_copy(call->arena, assignment);
	}
	group_answer(effects, call, response->assignment.data ? response : NULL);
}

void group_sync_fail(struct group_call *call, int16_t error_code, struct group_effects *effects)
{
	sync_answer(call, error_code, NULL, (struct base_bytes){0}, effects);
}

static int16_t check_sync(const struct group *group, const struct codec_kafka_sync_group_request *asked,
                          struct group_member **ret_member)
{
	int16_t error_code = group_member_check(group, asked->member_id, asked->group_instance_id, ret_member);
	if (error_code != GROUP_NONE)
		return error_code;
	if (asked->generation != group->generation)
		return group->state == GROUP_PREPARING ? GROUP_REBALANCE_IN_PROGRESS : GROUP_ILLEGAL_GENERATION;
	if ((asked->protocol_type.data && !group_same(asked->protocol_type, group_bytes(group->protocol_type))) ||
	    (asked->protocol_name.data && !group_same(asked->protocol_name, group_bytes(group->protocol))))
		return GROUP_INCONSISTENT_PROTOCOL;
	if (group->state == GROUP_EMPTY)
		return GROUP_UNKNOWN_MEMBER;
	return group->state == GROUP_PREPARING ? GROUP_REBALANCE_IN_PROGRESS : GROUP_NONE;
}

/* The leader's plan becomes the members' assignments; nobody is told yet. */
static bool take_assignments(struct group *group, const struct codec_kafka_sync_group_request *asked)
{
	const struct base_list *head = &group->member_list;
	for (struct base_list *node = head->next; node != head; node = node->next)
		base_slice_release(&BASE_CONTAINER(node, struct group_member, node)->assignment);
	for (size_t i = 0; i < asked->assignments_count; i++) {
		struct group_member *member = group_member_find(group, asked->assignments[i].member_id);
		if (member && !group_keep(&member->assignment, asked->assignments[i].assignment))
			return false;
	}
	return true;
}

static void write_assignments(struct group *group, const struct codec_kafka_sync_group_request *asked,
                              const struct group_world *world, struct group_effects *effects)
{
	struct group_write *write = group_write_new(group, GROUP_WRITE_ASSIGNMENT, NULL);
	if (write && take_assignments(group, asked)) {
		write->generation = group->generation;
		group_record_metadata(group, true, &write->records);
	} else if (write) {
		write->records.failed = true;
	}
	if (write && group_write_queue(write, effects))
		group->writing_generation = group->generation;
	else
		group_rebalance(group, world, effects); /* all are told to try again */
}

void group_sync(struct group *group, struct group_call *call, const struct group_world *world,
                struct group_effects *effects)
{
	const struct codec_kafka_sync_group_request *asked = call->request;
	struct group_member *member;
	int16_t error_code = check_sync(group, asked, &member);
	if (error_code != GROUP_NONE) {
		group_sync_fail(call, error_code, effects);
		return;
	}
	group_session_renew(member, world);
	member->synced = true;
	if (group->state == GROUP_STABLE) {
		sync_answer(call, GROUP_NONE, group, group_bytes(member->assignment), effects);
		return;
	}
	if (member->sync_call)
		group_sync_fail(member->sync_call, GROUP_REBALANCE_IN_PROGRESS, effects);
	group_wait(call, &member->sync_call);
	if (group_same(group_bytes(group->leader), group_bytes(member->id)) &&
	    group->writing_generation != group->generation)
		write_assignments(group, asked, world, effects);
}

static bool all_synced(const struct group *group)
{
	const struct base_list *head = &group->member_list;
	for (struct base_list *node = head->next; node != head; node = node->next)
		if (!BASE_CONTAINER(node, struct group_member, node)->synced)
			return false;
	return true;
}

void group_assignment_written(struct group *group, int32_t generation, pyr_result result,
                              const struct group_world *world, struct group_effects *effects)
{
	const struct base_list *head = &group->member_list;
	if (group->writing_generation == generation)
		group->writing_generation = 0;
	if (group->state != GROUP_COMPLETING || group->generation != generation)
		return;
	if (result.code != PYR_OK) {
		group_rebalance(group, world, effects);
		return;
	}
	group_state_set(group, GROUP_STABLE, world);
	if (all_synced(group))
		group->sync_deadline_us = 0;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		struct group_member *member = BASE_CONTAINER(node, struct group_member, node);
		if (!member->sync_call)
			continue;
		group_session_renew(member, world);
		sync_answer(member->sync_call, GROUP_NONE, group, group_bytes(member->assignment), effects);
	}
}

/* ---- Heartbeat ---- */

static int16_t heartbeat(struct group *group, const struct codec_kafka_heartbeat_request *asked,
                         const struct group_world *world)
{
	struct group_member *member;
	int16_t error_code = group_member_check(group, asked->member_id, asked->group_instance_id, &member);
	if (error_code != GROUP_NONE)
		return error_code;
	if (asked->generation != group_member_generation(group, member))
		return GROUP_ILLEGAL_GENERATION;
	if (group->state == GROUP_EMPTY)
		return GROUP_UNKNOWN_MEMBER;
	group_session_renew(member, world);
	return group->state == GROUP_PREPARING ? GROUP_REBALANCE_IN_PROGRESS : GROUP_NONE;
}

void group_heartbeat(struct group *group, struct group_call *call, const struct group_world *world,
                     struct group_effects *effects)
{
	struct codec_kafka_heartbeat_response *response = group_response(effects, call, sizeof *response);
	if (!response)
		return;
	*response = codec_kafka_heartbeat_response_default;
	response->error_code = heartbeat(group, call->request, world);
	group_answer(effects, call, response);
}

/* ---- LeaveGroup ---- */

static void after_removal(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	if (group->state == GROUP_STABLE || group->state == GROUP_COMPLETING)
		group_rebalance(group, world, effects);
	else
		group_rebalance_progress(group, world, effects);
}

static int16_t leave(struct group *group, struct base_bytes id, struct base_bytes instance_id,
                     const struct group_world *world, struct group_effects *effects)
{
	struct group_member *member;
	struct group_pending *pending = group_pending_find(group, id);
	if (pending && !instance_id.data) {
		group_pending_free(pending);
		return GROUP_NONE;
	}
	/* An operator names the instance alone. */
	if (instance_id.data && id.bytes == 0) {
		member = group_member_of_instance(group, instance_id);
		if (!member)
			return GROUP_UNKNOWN_MEMBER;
	} else {
		int16_t error_code = group_member_check(group, id, instance_id, &member);
		if (error_code != GROUP_NONE)
			return error_code;
	}
	group_member_remove(group, member, GROUP_UNKNOWN_MEMBER, world, effects);
	return GROUP_NONE;
}

/* Several members, each with an answer of its own. NULL: memory is out. */
static bool leave_many(struct group *group, struct group_call *call, struct codec_kafka_leave_group_response *response,
                       const struct group_world *world, struct group_effects *effects)
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
		told->error_code = leave(group, told->member_id, told->group_instance_id, world, effects);
	}
	return true;
}

void group_leave(struct group *group, struct group_call *call, const struct group_world *world,
                 struct group_effects *effects)
{
	const struct codec_kafka_leave_group_request *asked = call->request;
	struct codec_kafka_leave_group_response *response = group_response(effects, call, sizeof *response);
	if (!response)
		return;
	*response = codec_kafka_leave_group_response_default;
	bool told = true;
	if (call->version >= 3)
		told = leave_many(group, call, response, world, effects);
	else
		response->error_code = leave(group, asked->member_id, (struct base_bytes){0}, world, effects);
	group_answer(effects, call, told ? response : NULL);
	after_removal(group, world, effects);
}

/* ---- time ---- */

/* A member that waits for us is alive. */
static bool is_waiting(const struct group_member *member)
{
	return member->join_call || member->sync_call;
}

static bool drop_silent(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	bool sync_is_over = group->sync_deadline_us > 0 && world->now_us >= group->sync_deadline_us;
	bool dropped = false;
	for (struct base_list *node = group->member_list.next, *next; node != &group->member_list; node = next) {
		struct group_member *member = BASE_CONTAINER(node, struct group_member, node);
		next = node->next;
		bool silent = !is_waiting(member) && world->now_us >= member->deadline_us;
		if (silent || (sync_is_over && !member->synced)) {
			group_member_remove(group, member, GROUP_UNKNOWN_MEMBER, world, effects);
			dropped = true;
		}
	}
	if (sync_is_over)
		group->sync_deadline_us = 0;
	return dropped;
}

static void drop_pendings(struct group *group, const struct group_world *world)
{
	for (struct base_list *node = group->pendings.next, *next; node != &group->pendings; node = next) {
		struct group_pending *pending = BASE_CONTAINER(node, struct group_pending, node);
		next = node->next;
		if (world->now_us >= pending->deadline_us)
			group_pending_free(pending);
	}
}

void group_classic_tick(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	drop_pendings(group, world);
	if (drop_silent(group, world, effects))
		after_removal(group, world, effects);
	else
		group_rebalance_progress(group, world, effects);
	group_join_tick(group, world, effects);
}

static void sooner(uint64_t *deadline_us, uint64_t other_us)
{
	if (other_us < *deadline_us)
		*deadline_us = other_us;
}

uint64_t group_classic_deadline_us(const struct group *group)
{
	uint64_t deadline_us = UINT64_MAX;
	for (struct base_list *node = group->pendings.next; node != &group->pendings; node = node->next)
		sooner(&deadline_us, BASE_CONTAINER(node, struct group_pending, node)->deadline_us);
	for (struct base_list *node = group->member_list.next; node != &group->member_list; node = node->next) {
		const struct group_member *member = BASE_CONTAINER(node, struct group_member, node);
		if (!is_waiting(member))
			sooner(&deadline_us, member->deadline_us);
	}
	if (group->state == GROUP_PREPARING)
		sooner(&deadline_us, group->rebalance_deadline_us);
	if (group->sync_deadline_us > 0)
		sooner(&deadline_us, group->sync_deadline_us);
	return deadline_us;
}
