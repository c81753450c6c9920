/* Requests about several groups, or none, and refusals of every kind (see coordinator.h). */
#include "group/consumer.h"
#include "group/coordinator_priv.h"

#include <assert.h>
#include <stdlib.h>

static void *respond(struct group_call *call, size_t bytes)
{
	return codec_arena_alloc(call->arena, 1, bytes);
}

static struct base_bytes text(const char *string)
{
	return (struct base_bytes){(const uint8_t *)string, strlen(string)};
}

/* ---- refusals: the error where each response has it ---- */

#define RESPONSE(type)                                                                                                 \
	struct codec_kafka_##type##_response *response = respond(call, sizeof *response);                              \
	if (!response)                                                                                                 \
		return NULL;                                                                                           \
	*response = codec_kafka_##type##_response_default

#define REFUSE(type)                                                                                                   \
	static const void *refuse_##type(struct group_call *call, int16_t error_code)                                  \
	{                                                                                                              \
		RESPONSE(type);                                                                                        \
		response->error_code = error_code;                                                                     \
		return response;                                                                                       \
	}
REFUSE(heartbeat)
REFUSE(leave_group)
REFUSE(list_groups)
REFUSE(consumer_group_heartbeat)
REFUSE(offset_delete)
#undef REFUSE

static const void *refuse_join(struct group_call *call, int16_t error_code)
{
	RESPONSE(join_group);
	response->error_code = error_code;
	response->member_id = ((const struct codec_kafka_join_group_request *)call->request)->member_id;
	return response;
}

static const void *refuse_sync(struct group_call *call, int16_t error_code)
{
	RESPONSE(sync_group);
	response->error_code = error_code;
	response->assignment = text("");
	return response;
}

static const void *refuse_commit(struct group_call *call, int16_t error_code)
{
	const struct codec_kafka_offset_commit_request *asked = call->request;
	RESPONSE(offset_commit);
	response->topics = codec_arena_alloc(call->arena, asked->topics_count, sizeof *response->topics);
	for (size_t i = 0; response->topics && i < asked->topics_count; i++) {
		struct codec_kafka_offset_commit_response_topic *topic = &response->topics[i];
		size_t count = asked->topics[i].partitions_count;
		topic->name = asked->topics[i].name;
		memcpy(topic->topic_id, asked->topics[i].topic_id, sizeof topic->topic_id);
		topic->partitions = codec_arena_alloc(call->arena, count, sizeof *topic->partitions);
		if (!topic->partitions)
			return NULL;
		for (size_t j = 0; j < count; j++)
			topic->partitions[j] = (struct codec_kafka_offset_commit_response_partition){
				asked->topics[i].partitions[j].index, error_code};
		topic->partitions_count = count;
		response->topics_count = i + 1;
	}
	return response->topics ? response : NULL;
}

static const void *refuse_describe(struct group_call *call, int16_t error_code)
{
	const struct codec_kafka_describe_groups_request *asked = call->request;
	RESPONSE(describe_groups);
	response->groups = codec_arena_alloc(call->arena, asked->groups_count, sizeof *response->groups);
	for (size_t i = 0; response->groups && i < asked->groups_count; i++) {
		response->groups[i] = codec_kafka_describe_groups_response_group_default;
		response->groups[i].group_id = asked->groups[i];
		response->groups[i].error_code = error_code;
		response->groups_count = i + 1;
	}
	return response->groups ? response : NULL;
}

static const void *refuse_delete(struct group_call *call, int16_t error_code)
{
	const struct codec_kafka_delete_groups_request *asked = call->request;
	RESPONSE(delete_groups);
	response->results = codec_arena_alloc(call->arena, asked->group_names_count, sizeof *response->results);
	for (size_t i = 0; response->results && i < asked->group_names_count; i++) {
		response->results[i] =
			(struct codec_kafka_delete_groups_response_result){asked->group_names[i], error_code};
		response->results_count = i + 1;
	}
	return response->results ? response : NULL;
}

static const void *refuse_consumers(struct group_call *call, int16_t error_code)
{
	const struct codec_kafka_consumer_group_describe_request *asked = call->request;
	RESPONSE(consumer_group_describe);
	response->groups = codec_arena_alloc(call->arena, asked->group_ids_count, sizeof *response->groups);
	for (size_t i = 0; response->groups && i < asked->group_ids_count; i++) {
		response->groups[i] = codec_kafka_consumer_group_describe_response_group_default;
		response->groups[i].group_id = asked->group_ids[i];
		response->groups[i].error_code = error_code;
		response->groups_count = i + 1;
	}
	return response->groups ? response : NULL;
}

static const void *fetch_offsets(struct group_coordinator *coordinator, struct group_call *call, int16_t error_code);

const void *group_refusal(struct group_call *call, int16_t error_code)
{
	static const struct {
		int16_t key;
		const void *(*refuse)(struct group_call *call, int16_t error_code);
	} rows[] = {
		{CODEC_KAFKA_JOIN_GROUP, refuse_join},
		{CODEC_KAFKA_SYNC_GROUP, refuse_sync},
		{CODEC_KAFKA_HEARTBEAT, refuse_heartbeat},
		{CODEC_KAFKA_LEAVE_GROUP, refuse_leave_group},
		{CODEC_KAFKA_OFFSET_COMMIT, refuse_commit},
		{CODEC_KAFKA_OFFSET_DELETE, refuse_offset_delete},
		{CODEC_KAFKA_DESCRIBE_GROUPS, refuse_describe},
		{CODEC_KAFKA_LIST_GROUPS, refuse_list_groups},
		{CODEC_KAFKA_DELETE_GROUPS, refuse_delete},
		{CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT, refuse_consumer_group_heartbeat},
		{CODEC_KAFKA_CONSUMER_GROUP_DESCRIBE, refuse_consumers},
	};
	if (call->key == CODEC_KAFKA_OFFSET_FETCH)
		return fetch_offsets(NULL, call, error_code);
	size_t i = 0;
	while (rows[i].key != call->key) {
		i += 1;
		assert(i < sizeof rows / sizeof rows[0]);
	}
	return rows[i].refuse(call, error_code);
}

void group_refuse(struct group_call *call, int16_t error_code)
{
	call->answered(call, group_refusal(call, error_code));
}

/* ---- OffsetFetch ---- */

/* Before version 8 there is one group, its topics in the message itself. */
static bool as_group(const struct group_call *call, struct codec_kafka_offset_fetch_request_group *ret_group)
{
	const struct codec_kafka_offset_fetch_request *asked = call->request;
	*ret_group = codec_kafka_offset_fetch_request_group_default;
	ret_group->group_id = asked->group_id;
	if (!asked->topics)
		return true;
	ret_group->topics = codec_arena_alloc(call->arena, asked->topics_count, sizeof *ret_group->topics);
	ret_group->topics_count = asked->topics_count;
	for (size_t i = 0; ret_group->topics && i < asked->topics_count; i++) {
		ret_group->topics[i].name = asked->topics[i].name;
		ret_group->topics[i].indexes = asked->topics[i].indexes;
		ret_group->topics[i].indexes_count = asked->topics[i].indexes_count;
	}
	return ret_group->topics;
}

static bool as_message(struct group_call *call, const struct codec_kafka_offset_fetch_response_group *group,
                       struct codec_kafka_offset_fetch_response *response)
{
	response->error_code = group->error_code;
	response->topics = codec_arena_alloc(call->arena, group->topics_count, sizeof *response->topics);
	for (size_t i = 0; response->topics && i < group->topics_count; i++) {
		size_t count = group->topics[i].partitions_count;
		struct codec_kafka_offset_fetch_response_topic *topic = &response->topics[i];
		topic->name = group->topics[i].name;
		topic->partitions = codec_arena_alloc(call->arena, count, sizeof *topic->partitions);
		if (!topic->partitions)
			return false;
		for (size_t j = 0; j < count; j++) {
			const struct codec_kafka_offset_fetch_response_group_partition *from =
				&group->topics[i].partitions[j];
			topic->partitions[j] = (struct codec_kafka_offset_fetch_response_partition){
				from->index, from->offset, from->leader_epoch, from->metadata, from->error_code};
		}
		topic->partitions_count = count;
		response->topics_count = i + 1;
	}
	return response->topics;
}

static void fetch_group(struct group_coordinator *coordinator, struct group_call *call,
                        const struct codec_kafka_offset_fetch_request_group *asked, int16_t error_code,
                        struct codec_kafka_offset_fetch_response_group *ret_group)
{
	*ret_group = codec_kafka_offset_fetch_response_group_default;
	ret_group->group_id = asked->group_id;
	ret_group->error_code = error_code;
	if (error_code != GROUP_NONE)
		return;
	struct group_world world = group_world_of(coordinator);
	const struct group_slot *slot = group_slot_find(coordinator, asked->group_id);
	struct group_consumer *member;
	if (slot && slot->group.kind == GROUP_CONSUMER && asked->member_id.bytes > 0)
		ret_group->error_code =
			group_consumer_check(&slot->group, asked->member_id, asked->member_epoch, &member);
	if (ret_group->error_code != GROUP_NONE)
		return;
	group_offsets_fetch(slot ? &slot->group : NULL, &world, call->arena, call->version, asked, ret_group);
}

/* Version 1 has no place for an error of the whole: every partition asked for has it. */
static bool spread_error(struct group_call *call, int16_t error_code,
                         const struct codec_kafka_offset_fetch_request_group *asked,
                         struct codec_kafka_offset_fetch_response_group *group)
{
	group->topics = codec_arena_alloc(call->arena, asked->topics_count, sizeof *group->topics);
	for (size_t i = 0; group->topics && i < asked->topics_count; i++) {
		struct codec_kafka_offset_fetch_response_group_topic *topic = &group->topics[i];
		size_t count = asked->topics[i].indexes_count;
		topic->name = asked->topics[i].name;
		topic->partitions = codec_arena_alloc(call->arena, count, sizeof *topic->partitions);
		if (!topic->partitions)
			return false;
		for (size_t j = 0; j < count; j++)
			topic->partitions[j] = (struct codec_kafka_offset_fetch_response_group_partition){
				.index = asked->topics[i].indexes[j],
				.offset = -1,
				.leader_epoch = -1,
				.error_code = error_code};
		topic->partitions_count = count;
		group->topics_count = i + 1;
	}
	return group->topics;
}

static const void *fetch_offsets(struct group_coordinator *coordinator, struct group_call *call, int16_t error_code)
{
	const struct codec_kafka_offset_fetch_request *asked = call->request;
	struct codec_kafka_offset_fetch_request_group one;
	struct codec_kafka_offset_fetch_response_group told;
	RESPONSE(offset_fetch);
	if (call->version < 8) {
		if (!as_group(call, &one))
			return NULL;
		fetch_group(coordinator, call, &one, error_code, &told);
		if (call->version < 2 && error_code != GROUP_NONE && !spread_error(call, error_code, &one, &told))
			return NULL;
		return as_message(call, &told, response) ? response : NULL;
	}
	response->groups = codec_arena_alloc(call->arena, asked->groups_count, sizeof *response->groups);
	for (size_t i = 0; response->groups && i < asked->groups_count; i++) {
		fetch_group(coordinator, call, &asked->groups[i], error_code, &response->groups[i]);
		response->groups_count = i + 1;
	}
	return response->groups ? response : NULL;
}

/* ---- DescribeGroups ---- */

enum { VERSION_TELLS_MISSING = 6 };

static void describe_one(struct group_coordinator *coordinator, struct group_call *call, struct base_bytes id,
                         struct codec_kafka_describe_groups_response_group *told)
{
	const struct group_slot *slot = group_slot_find(coordinator, id);
	*told = codec_kafka_describe_groups_response_group_default;
	told->group_id = id;
	if (slot && slot->group.kind == GROUP_CLASSIC) {
		group_describe(&slot->group, call->arena, told);
		return;
	}
	told->group_state = text("Dead");
	if (call->version < VERSION_TELLS_MISSING)
		return;
	told->error_code = GROUP_ID_NOT_FOUND;
	told->error_message = text(slot ? "the group is not of the classic protocol" : "there is no group of this id");
}

static const void *describe(struct group_coordinator *coordinator, struct group_call *call)
{
	const struct codec_kafka_describe_groups_request *asked = call->request;
	RESPONSE(describe_groups);
	response->groups = codec_arena_alloc(call->arena, asked->groups_count, sizeof *response->groups);
	if (!response->groups)
		return NULL;
	response->groups_count = asked->groups_count;
	for (size_t i = 0; i < asked->groups_count; i++)
		describe_one(coordinator, call, asked->groups[i], &response->groups[i]);
	return response;
}

/* ---- ConsumerGroupDescribe ---- */

static const void *describe_consumers(struct group_coordinator *coordinator, struct group_call *call)
{
	const struct codec_kafka_consumer_group_describe_request *asked = call->request;
	struct group_world world = group_world_of(coordinator);
	RESPONSE(consumer_group_describe);
	response->groups = codec_arena_alloc(call->arena, asked->group_ids_count, sizeof *response->groups);
	if (!response->groups)
		return NULL;
	response->groups_count = asked->group_ids_count;
	for (size_t i = 0; i < asked->group_ids_count; i++) {
		const struct group_slot *slot = group_slot_find(coordinator, asked->group_ids[i]);
		struct codec_kafka_consumer_group_describe_response_group *told = &response->groups[i];
		*told = codec_kafka_consumer_group_describe_response_group_default;
		told->group_id = asked->group_ids[i];
		if (slot && slot->group.kind == GROUP_CONSUMER) {
			if (!group_consumers_describe(&slot->group, &world, call->arena, told))
				return NULL;
			continue;
		}
		told->error_code = GROUP_ID_NOT_FOUND;
		told->error_message =
			text(slot ? "the group is not of the consumer protocol" : "there is no group of this id");
	}
	return response;
}

/* ---- ListGroups ---- */

static bool same_word(struct base_bytes word, const char *other)
{
	if (word.bytes != strlen(other))
		return false;
	for (size_t i = 0; i < word.bytes; i++)
		if ((word.data[i] | 0x20) != ((uint8_t)other[i] | 0x20))
			return false;
	return true;
}

static bool passes(const struct base_bytes *filter, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (same_word(filter[i], word))
			return true;
	return count == 0;
}

static const void *list(struct group_coordinator *coordinator, struct group_call *call)
{
	const struct codec_kafka_list_groups_request *asked = call->request;
	const struct base_list *head = &coordinator->list;
	RESPONSE(list_groups);
	response->groups = codec_arena_alloc(call->arena, coordinator->groups.count, sizeof *response->groups);
	if (!response->groups)
		return NULL;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group *group = &BASE_CONTAINER(node, struct group_slot, node)->group;
		const char *state = group_state_name(group);
		const char *type = group->kind == GROUP_CLASSIC ? "classic" : "consumer";
		if (!passes(asked->states_filter, asked->states_filter_count, state) ||
		    !passes(asked->types_filter, asked->types_filter_count, type))
			continue;
		/* Borrowed: encoded before anything changes. */
		response->groups[response->groups_count++] = (struct codec_kafka_list_groups_response_group){
			group_bytes(group->id),
			group->kind == GROUP_CONSUMER ? text("consumer") : group_bytes(group->protocol_type),
			text(state), text(type)};
	}
	return response;
}

/* ---- DeleteGroups ---- */

static void delete_groups(struct group_coordinator *coordinator, struct group_call *call)
{
	const struct codec_kafka_delete_groups_request *asked = call->request;
	struct group_effects effects;
	struct codec_kafka_delete_groups_response *response = respond(call, sizeof *response);
	group_effects_init(&effects);
	if (response)
		*response = codec_kafka_delete_groups_response_default;
	if (response)
		response->results = codec_arena_alloc(call->arena, asked->group_names_count, sizeof *response->results);
	if (!response || !response->results) {
		call->answered(call, NULL);
		return;
	}
	response->results_count = asked->group_names_count;
	for (size_t i = 0; i < asked->group_names_count; i++) {
		struct group_slot *slot = group_slot_find(coordinator, asked->group_names[i]);
		response->results[i].group_id = asked->group_names[i];
		response->results[i].error_code = slot ? group_delete(&slot->group, &effects) : GROUP_ID_NOT_FOUND;
	}
	if (base_list_empty(&effects.writes)) {
		call->answered(call, response);
		return;
	}
	/* The last of the tombstones is durable when all are. */
	struct group_write *last = BASE_CONTAINER(effects.writes.previous, struct group_write, node);
	last->call = call;
	last->response = response;
	group_carry_out(coordinator, NULL, &effects);
}

void group_serve_many(struct group_coordinator *coordinator, struct group_call *call)
{
	switch (call->key) {
	case CODEC_KAFKA_OFFSET_FETCH:
		call->answered(call, fetch_offsets(coordinator, call, GROUP_NONE));
		break;
	case CODEC_KAFKA_DESCRIBE_GROUPS:
		call->answered(call, describe(coordinator, call));
		break;
	case CODEC_KAFKA_CONSUMER_GROUP_DESCRIBE:
		call->answered(call, describe_consumers(coordinator, call));
		break;
	case CODEC_KAFKA_LIST_GROUPS:
		call->answered(call, list(coordinator, call));
		break;
	case CODEC_KAFKA_DELETE_GROUPS:
		delete_groups(coordinator, call);
		break;
	default:
		assert(!"a key that group_coordinator_serves() names");
	}
}
