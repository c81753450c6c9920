/* A group's life, dispatch, and what every event uses (see machine.h). */
#include "base/hash.h"
#include "group/consumer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- life ---- */

pyr_result group_init(struct group *group, struct base_bytes id)
{
	*group = (struct group){.generation = 0};
	base_list_init(&group->member_list);
	base_list_init(&group->pendings);
	return pyr_result_of(group_keep(&group->id, id) ? PYR_OK : PYR_OUT_OF_MEMORY);
}

static void free_offsets(struct group *group)
{
	struct base_table_node *node;
	while ((node = base_table_next(&group->offsets, NULL)))
		group_offset_free(group, BASE_CONTAINER(node, struct group_offset, node));
	base_table_deinit(&group->offsets);
}

void group_deinit(struct group *group)
{
	while (!base_list_empty(&group->member_list))
		group_member_free(group, BASE_CONTAINER(group->member_list.next, struct group_member, node));
	while (!base_list_empty(&group->pendings))
		group_pending_free(BASE_CONTAINER(group->pendings.next, struct group_pending, node));
	base_table_deinit(&group->members);
	free_offsets(group);
	group_consumers_free(group);
	base_slice_release(&group->id);
	base_slice_release(&group->protocol_type);
	base_slice_release(&group->protocol);
	base_slice_release(&group->leader);
}

bool group_has_members(const struct group *group)
{
	return group->members.count > 0 || (group->consumers && group->consumers->members.count > 0);
}

bool group_is_gone(const struct group *group)
{
	return !group->stored && group->writes == 0 && group->offsets.count == 0 && !group_has_members(group) &&
	       base_list_empty(&group->pendings);
}

const char *group_state_name(const struct group *group)
{
	if (group->kind == GROUP_CONSUMER)
		return group_consumers_state_name(group);
	static const char *const names[] = {"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"};
	return names[group->state];
}

void group_state_set(struct group *group, enum group_state state, const struct group_world *world)
{
	group->state = state;
	group->state_ms = world->wall_ms;
}

/* ---- small things ---- */

bool group_keep(struct base_slice *slice, struct base_bytes bytes)
{
	struct base_slice copy = {0};
	if (bytes.data) {
		copy = base_slice_copy(bytes.data, bytes.bytes);
		if (!copy.owner && bytes.bytes > 0)
			return false;
		if (!copy.data)
			copy.data = (const uint8_t *)"";
	}
	base_slice_release(slice);
	*slice = copy;
	return true;
}

struct base_bytes group_copy(struct codec_arena *arena, struct base_bytes bytes)
{
	if (!bytes.data)
		return bytes;
	uint8_t *copy = codec_arena_alloc(arena, bytes.bytes, 1);
	if (!copy)
		return (struct base_bytes){0};
	if (bytes.bytes > 0)
		memcpy(copy, bytes.data, bytes.bytes);
	return (struct base_bytes){copy, bytes.bytes};
}

bool group_id_fits(struct base_bytes id)
{
	return id.bytes <= GROUP_ID_BYTES_MAX;
}

bool group_new_id(const struct group_world *world, struct base_bytes prefix, struct base_slice *ret_id)
{
	uint8_t random[GROUP_UUID_BYTES];
	char text[GROUP_ID_BYTES_MAX + 64];
	size_t kept = prefix.bytes < GROUP_ID_BYTES_MAX - 64 ? prefix.bytes : GROUP_ID_BYTES_MAX - 64;
	world->random(world->context, random, sizeof random);
	random[6] = (random[6] & 0x0f) | 0x40; /* version 4, RFC 9562 */
	random[8] = (random[8] & 0x3f) | 0x80;
	if (kept > 0)
		memcpy(text, prefix.data, kept);
	size_t at = kept;
	text[at++] = '-';
	for (size_t i = 0; i < sizeof random; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[at++] = '-';
		at += (size_t)snprintf(text + at, 3, "%02x", random[i]);
	}
	return group_keep(ret_id, (struct base_bytes){(const uint8_t *)text, at});
}

/* ---- effects ---- */

void group_effects_init(struct group_effects *effects)
{
	base_list_init(&effects->answers);
	base_list_init(&effects->writes);
}

void group_answer(struct group_effects *effects, struct group_call *call, const void *response)
{
	if (call->slot)
		*call->slot = NULL;
	call->slot = NULL;
	call->response = response;
	base_list_append(&effects->answers, &call->node);
}

void *group_response(struct group_effects *effects, struct group_call *call, size_t bytes)
{
	void *response = codec_arena_alloc(call->arena, 1, bytes);
	if (!response)
		group_answer(effects, call, NULL);
	return response;
}

void group_wait(struct group_call *call, struct group_call **slot)
{
	assert(!*slot && !call->slot);
	*slot = call;
	call->slot = slot;
}

struct group_write *group_write_new(struct group *group, enum group_write_kind kind, struct group_call *call)
{
	struct group_write *write = calloc(1, sizeof *write);
	if (!write)
		return NULL;
	base_list_init(&write->node);
	write->group = group;
	write->kind = kind;
	write->call = call;
	base_writer_init(&write->records, GROUP_RECORDS_BYTES_MAX);
	return write;
}

void group_write_drop(struct group_write *write)
{
	if (!write)
		return;
	base_writer_deinit(&write->records);
	free(write);
}

bool group_write_queue(struct group_write *write, struct group_effects *effects)
{
	if (write->records.failed) {
		group_write_drop(write);
		return false;
	}
	write->group->stored = true;
	write->group->writes += 1;
	write->group->commits += write->kind == GROUP_WRITE_COMMIT;
	base_list_append(&effects->writes, &write->node);
	return true;
}

void group_write_answer(struct group_write *write, const void *response, struct group_effects *effects)
{
	struct group_call *call = write->call;
	bool nothing = write->records.bytes == 0 && !write->records.failed;
	if (!response || (nothing && write->group->writes == 0)) {
		group_write_drop(write);
		group_answer(effects, call, response);
		return;
	}
	write->response = response;
	if (!group_write_queue(write, effects))
		group_answer(effects, call, NULL);
}

void group_written(struct group_write *write, pyr_result result, const struct group_world *world,
                   struct group_effects *effects)
{
	struct group *group = write->group;
	assert(group->writes > 0);
	group->writes -= 1;
	group->commits -= write->kind == GROUP_WRITE_COMMIT;
	if (write->kind == GROUP_WRITE_COMMIT)
		group_commit_written(group, write, result, world, effects);
	else if (write->kind == GROUP_WRITE_ASSIGNMENT)
		group_assignment_written(group, write->generation, result, world, effects);
	else if (write->call)
		group_answer(effects, write->call,
		             result.code == PYR_OK ? write->response : group_refusal(write->call, GROUP_NOT_AVAILABLE));
	group_write_drop(write);
}

/* ---- events ---- */

void group_call(struct group *group, struct group_call *call, const struct group_world *world,
                struct group_effects *effects)
{
	if (call->key == CODEC_KAFKA_HEARTBEAT) /* the policy may have changed */
		group_downgrade_if_due(group, world, effects);
	bool is_mixed = group->kind == GROUP_CONSUMER && group_has_members(group);
	switch (call->key) {
	case CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT:
		group_consumer_heartbeat(group, call, world, effects);
		break;
	case CODEC_KAFKA_JOIN_GROUP:
		(is_mixed ? group_mixed_join : group_join)(group, call, world, effects);
		break;
	case CODEC_KAFKA_SYNC_GROUP:
		(is_mixed ? group_mixed_sync : group_sync)(group, call, world, effects);
		break;
	case CODEC_KAFKA_HEARTBEAT:
		(is_mixed ? group_mixed_heartbeat : group_heartbeat)(group, call, world, effects);
		break;
	case CODEC_KAFKA_LEAVE_GROUP:
		(is_mixed ? group_mixed_leave : group_leave)(group, call, world, effects);
		break;
	case CODEC_KAFKA_OFFSET_COMMIT:
		group_commit(group, call, world, effects);
		break;
	case CODEC_KAFKA_OFFSET_DELETE:
		group_offsets_delete(group, call, world, effects);
		break;
	default:
		assert(!"a key that group_coordinator_serves() names");
	}
}

void group_tick(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	if (group->kind == GROUP_CONSUMER)
		group_consumers_tick(group, world, effects);
	else
		group_classic_tick(group, world, effects);
}

uint64_t group_deadline_us(const struct group *group)
{
	return group->kind == GROUP_CONSUMER ? group_consumers_deadline_us(group) : group_classic_deadline_us(group);
}

void group_refuse_waiting(struct group *group, struct group_effects *effects)
{
	const struct base_list *head = &group->member_list;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		struct group_member *member = BASE_CONTAINER(node, struct group_member, node);
		if (member->join_call)
			group_join_fail(member->join_call, GROUP_NOT_AVAILABLE, group_bytes(member->id), effects);
		if (member->sync_call)
			group_sync_fail(member->sync_call, GROUP_NOT_AVAILABLE, effects);
	}
}

int16_t group_delete(struct group *group, struct group_effects *effects)
{
	struct base_table_node *node;
	if (group_has_members(group) || !base_list_empty(&group->pendings))
		return GROUP_NON_EMPTY;
	if (group->commits > 0) /* a tombstone now would stand behind what is not yet in memory */
		return GROUP_NOT_AVAILABLE;
	struct group_write *write = group_write_new(group, GROUP_WRITE_RECORDS, NULL);
	if (!write)
		return GROUP_UNKNOWN_SERVER_ERROR;
	group_record_tombstones(group, &write->records);
	if (!group_write_queue(write, effects))
		return GROUP_UNKNOWN_SERVER_ERROR;
	while ((node = base_table_next(&group->offsets, NULL)))
		group_offset_free(group, BASE_CONTAINER(node, struct group_offset, node));
	group_consumers_free(group);
	group->stored = false;
	return GROUP_NONE;
}
