/* Committed offsets of a group: commit, fetch, delete, expiry (see machine.h).
 *
 * A commit holds from the moment its record is durable; until then the offset before it is told. An offset remembers the
 * id of its topic: of a topic that was deleted and made anew under the same name nothing was ever consumed. */
#include "base/hash.h"
#include "group/consumer.h"

#include <assert.h>
#include <stdlib.h>

/* ---- the table ---- */

struct offset_key {
	struct base_bytes topic;
	int32_t partition;
};

static bool equal_key(const struct base_table_node *node, const void *key)
{
	const struct group_offset *offset = BASE_CONTAINER(node, struct group_offset, node);
	const struct offset_key *wanted = key;
	return offset->partition == wanted->partition && group_same(group_bytes(offset->topic), wanted->topic);
}

static uint64_t hash_of(struct base_bytes topic, int32_t partition)
{
	return base_hash_u64(base_hash_bytes(topic.data, topic.bytes) ^ (uint32_t)partition);
}

struct group_offset *group_offset_find(const struct group *group, struct base_bytes topic, int32_t partition)
{
	struct offset_key key = {topic, partition};
	struct base_table_node *node = base_table_find(&group->offsets, hash_of(topic, partition), equal_key, &key);
	return node ? BASE_CONTAINER(node, struct group_offset, node) : NULL;
}

static struct group_offset *offset_new(struct group *group, struct base_bytes topic, int32_t partition)
{
	struct group_offset *offset = calloc(1, sizeof *offset);
	if (!offset)
		return NULL;
	offset->partition = partition;
	if (group_keep(&offset->topic, topic) &&
	    base_table_insert(&group->offsets, &offset->node, hash_of(topic, partition)))
		return offset;
	base_slice_release(&offset->topic);
	free(offset);
	return NULL;
}

bool group_offset_set(struct group *group, struct base_bytes topic, int32_t partition, const struct group_offset *from,
                      struct base_bytes metadata)
{
	struct base_slice kept = {0};
	if (!group_keep(&kept, metadata))
		return false;
	struct group_offset *offset = group_offset_find(group, topic, partition);
	if (!offset)
		offset = offset_new(group, topic, partition);
	if (!offset) {
		base_slice_release(&kept);
		return false;
	}
	base_slice_release(&offset->metadata);
	offset->metadata = kept;
	offset->leader_epoch = from->leader_epoch;
	offset->offset = from->offset;
	offset->commit_ms = from->commit_ms;
	offset->expire_ms = from->expire_ms;
	memcpy(offset->topic_id, from->topic_id, sizeof offset->topic_id);
	return true;
}

void group_offset_free(struct group *group, struct group_offset *offset)
{
	base_table_remove(&group->offsets, &offset->node);
	base_slice_release(&offset->topic);
	base_slice_release(&offset->metadata);
	free(offset);
}

/* ---- OffsetCommit ---- */

static int16_t check_commit(const struct group *group, const struct codec_kafka_offset_commit_request *asked,
                            struct group_member **ret_member)
{
	bool is_simple = asked->generation < 0 && asked->member_id.bytes == 0 && !asked->group_instance_id.data;
	if (is_simple)
		return group_has_members(group) ? GROUP_UNKNOWN_MEMBER : GROUP_NONE;
	if (group->kind == GROUP_CONSUMER) {
		struct group_consumer *member;
		return group_consumer_check(group, asked->member_id, asked->generation, &member);
	}
	int16_t error_code = group_member_check(group, asked->member_id, asked->group_instance_id, ret_member);
	if (error_code != GROUP_NONE)
		return error_code;
	if (asked->generation != group_member_generation(group, *ret_member))
		return GROUP_ILLEGAL_GENERATION;
	return group->state == GROUP_COMPLETING ? GROUP_REBALANCE_IN_PROGRESS : GROUP_NONE;
}

static void commit_one(struct group *group, const struct codec_kafka_offset_commit_request *asked,
                       const struct group_topic *topic,
                       const struct codec_kafka_offset_commit_request_partition *partition,
                       const struct group_world *world, struct group_write *write)
{
	struct group_offset offset = {
		.offset = partition->offset,
		.leader_epoch = partition->leader_epoch,
		.commit_ms = world->wall_ms,
		.expire_ms = asked->retention_ms >= 0 ? world->wall_ms + asked->retention_ms : -1,
	};
	memcpy(offset.topic_id, topic->id, sizeof offset.topic_id);
	group_record_offset(group, topic->name, partition->index, &offset, partition->metadata, &write->records);
}

static int16_t check_partition(const struct group_topic *topic,
                               const struct codec_kafka_offset_commit_request_partition *partition,
                               const struct group_world *world)
{
	if (partition->index < 0 || (uint32_t)partition->index >= topic->partition_count)
		return GROUP_UNKNOWN_TOPIC_OR_PARTITION;
	if (partition->metadata.bytes > world->options->metadata_bytes_max)
		return GROUP_OFFSET_METADATA_TOO_LARGE;
	return GROUP_NONE;
}

/* False: memory is out. */
static bool commit_topic(struct group *group, struct group_call *call, size_t i, int16_t error_code,
                         const struct group_world *world, struct group_write *write,
                         struct codec_kafka_offset_commit_response_topic *told)
{
	const struct codec_kafka_offset_commit_request *asked = call->request;
	const struct codec_kafka_offset_commit_request_topic *topic = &asked->topics[i];
	struct group_topic found;
	bool known = world->topic_find(world->context, topic->name, topic->topic_id, &found);
	told->name = topic->name;
	memcpy(told->topic_id, topic->topic_id, sizeof told->topic_id);
	told->partitions = codec_arena_alloc(call->arena, topic->partitions_count, sizeof *told->partitions);
	if (!told->partitions)
		return false;
	told->partitions_count = topic->partitions_count;
	if (error_code == GROUP_NONE && !known)
		error_code = topic->name.data ? GROUP_UNKNOWN_TOPIC_OR_PARTITION : GROUP_UNKNOWN_TOPIC_ID;
	for (size_t j = 0; j < topic->partitions_count; j++) {
		int16_t one =
			error_code != GROUP_NONE ? error_code : check_partition(&found, &topic->partitions[j], world);
		told->partitions[j].index = topic->partitions[j].index;
		told->partitions[j].error_code = one;
		if (one == GROUP_NONE)
			commit_one(group, asked, &found, &topic->partitions[j], world, write);
	}
	return true;
}

static bool commit_topics(struct group *group, struct group_call *call, int16_t error_code,
                          const struct group_world *world, struct group_write *write,
                          struct codec_kafka_offset_commit_response *response)
{
	const struct codec_kafka_offset_commit_request *asked = call->request;
	response->topics = codec_arena_alloc(call->arena, asked->topics_count, sizeof *response->topics);
	if (!response->topics)
		return false;
	response->topics_count = asked->topics_count;
	for (size_t i = 0; i < asked->topics_count; i++)
		if (!commit_topic(group, call, i, error_code, world, write, &response->topics[i]))
			return false;
	return true;
}

void group_commit(struct group *group, struct group_call *call, const struct group_world *world,
                  struct group_effects *effects)
{
	struct group_member *member = NULL;
	struct codec_kafka_offset_commit_response *response = group_response(effects, call, sizeof *response);
	struct group_write *write = response ? group_write_new(group, GROUP_WRITE_COMMIT, call) : NULL;
	if (!response)
		return;
	*response = codec_kafka_offset_commit_response_default;
	int16_t error_code = check_commit(group, call->request, &member);
	bool built = write && commit_topics(group, call, error_code, world, write, response);
	if (member && error_code == GROUP_NONE)
		group_session_renew(member, world);
	if (!built || write->records.failed || write->records.bytes == 0) {
		bool failed = !built || write->records.failed;
		group_write_drop(write);
		group_answer(effects, call, failed ? NULL : response);
		return;
	}
	write->response = response;
	bool queued = group_write_queue(write, effects);
	assert(queued);
}

/* What was written, read back: the request's bytes may name a topic by an id that is gone by now. */
static bool apply_records(struct group *group, const struct group_write *write)
{
	struct base_bytes key, value;
	struct base_reader reader = base_reader_init(write->records.buffer->data, write->records.bytes);
	bool applied = true;
	while (group_records_next(&reader, &key, &value))
		applied &= group_restore(group, key, value).code == PYR_OK;
	return applied;
}

void group_commit_written(struct group *group, const struct group_write *write, pyr_result result,
                          const struct group_world *world, struct group_effects *effects)
{
	struct codec_kafka_offset_commit_response *response = (void *)(uintptr_t)write->response;
	(void)world;
	bool applied = result.code == PYR_OK && apply_records(group, write);
	for (size_t i = 0; i < response->topics_count && !applied; i++)
		for (size_t j = 0; j < response->topics[i].partitions_count; j++)
			if (response->topics[i].partitions[j].error_code == GROUP_NONE)
				response->topics[i].partitions[j].error_code = GROUP_NOT_AVAILABLE;
	group_answer(effects, write->call, response);
}

/* ---- OffsetFetch ---- */

/* The offset that holds for a topic as it is now; NULL: there is none. */
static const struct group_offset *offset_of(const struct group *group, const struct group_topic *topic, int32_t index)
{
	const struct group_offset *offset = group ? group_offset_find(group, topic->name, index) : NULL;
	if (!offset || codec_kafka_uuid_is_zero(offset->topic_id) || codec_kafka_uuid_is_zero(topic->id))
		return offset;
	return memcmp(offset->topic_id, topic->id, sizeof topic->id) == 0 ? offset : NULL;
}

static void tell_offset(const struct group_offset *offset, int32_t index, struct codec_arena *arena,
                        struct codec_kafka_offset_fetch_response_group_partition *told)
{
	*told = codec_kafka_offset_fetch_response_group_partition_default;
	told->index = index;
	told->offset = offset ? offset->offset : -1;
	told->leader_epoch = offset ? offset->leader_epoch : -1;
	told->metadata = (struct base_bytes){(const uint8_t *)"", 0};
	if (offset && offset->metadata.bytes > 0)
		told->metadata = group_copy(arena, group_bytes(offset->metadata));
}

static bool fetch_topic(const struct group *group, const struct group_world *world, struct codec_arena *arena,
                        int version, const struct codec_kafka_offset_fetch_request_group_topic *asked,
                        struct codec_kafka_offset_fetch_response_group_topic *told)
{
	struct group_topic topic = {.name = asked->name};
	bool known = world->topic_find(world->context, asked->name, asked->topic_id, &topic);
	if (!known)
		topic = (struct group_topic){.name = asked->name};
	told->name = asked->name;
	memcpy(told->topic_id, asked->topic_id, sizeof told->topic_id);
	told->partitions = codec_arena_alloc(arena, asked->indexes_count, sizeof *told->partitions);
	if (!told->partitions)
		return false;
	told->partitions_count = asked->indexes_count;
	for (size_t i = 0; i < asked->indexes_count; i++) {
		tell_offset(offset_of(group, &topic, asked->indexes[i]), asked->indexes[i], arena,
		            &told->partitions[i]);
		if (!known && version >= 10)
			told->partitions[i].error_code = GROUP_UNKNOWN_TOPIC_ID;
	}
	return true;
}

static int by_topic_and_partition(const void *left, const void *right)
{
	const struct group_offset *a = *(const struct group_offset *const *)left;
	const struct group_offset *b = *(const struct group_offset *const *)right;
	size_t shorter = a->topic.bytes < b->topic.bytes ? a->topic.bytes : b->topic.bytes;
	int order = memcmp(a->topic.data, b->topic.data, shorter);
	if (order == 0 && a->topic.bytes != b->topic.bytes)
		order = a->topic.bytes < b->topic.bytes ? -1 : 1;
	return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

/* All offsets that hold, sorted; NULL: memory is out. */
static const struct group_offset **sorted_offsets(const struct group *group, const struct group_world *world,
                                                  struct codec_arena *arena, size_t *ret_count)
{
	size_t count = 0, room = group ? group->offsets.count : 0;
	const struct group_offset **offsets = codec_arena_alloc(arena, room, sizeof *offsets);
	if (!offsets)
		return NULL;
	for (struct base_table_node *node = NULL; group && (node = base_table_next(&group->offsets, node));) {
		const struct group_offset *offset = BASE_CONTAINER(node, struct group_offset, node);
		struct group_topic topic;
		if (world->topic_find(world->context, group_bytes(offset->topic), NULL, &topic) &&
		    offset_of(group, &topic, offset->partition) == offset)
			offsets[count++] = offset;
	}
	qsort(offsets, count, sizeof *offsets, by_topic_and_partition);
	*ret_count = count;
	return offsets;
}

static bool fetch_all(const struct group *group, const struct group_world *world, struct codec_arena *arena,
                      struct codec_kafka_offset_fetch_response_group *told)
{
	size_t count;
	const struct group_offset **offsets = sorted_offsets(group, world, arena, &count);
	if (!offsets)
		return false;
	told->topics = codec_arena_alloc(arena, count, sizeof *told->topics);
	struct codec_kafka_offset_fetch_response_group_partition *partitions =
		codec_arena_alloc(arena, count, sizeof *partitions);
	if (!told->topics || !partitions)
		return false;
	struct codec_kafka_offset_fetch_response_group_topic *topic = NULL;
	for (size_t i = 0; i < count; i++) {
		struct group_topic found;
		if (i == 0 || !group_same(group_bytes(offsets[i]->topic), group_bytes(offsets[i - 1]->topic))) {
			topic = &told->topics[told->topics_count++];
			topic->name = group_copy(arena, group_bytes(offsets[i]->topic));
			topic->partitions = &partitions[i];
			if (world->topic_find(world->context, topic->name, NULL, &found))
				memcpy(topic->topic_id, found.id, sizeof found.id);
		}
		tell_offset(offsets[i], offsets[i]->partition, arena, &partitions[i]);
		topic->partitions_count += 1;
	}
	return true;
}

void group_offsets_fetch(const struct group *group, const struct group_world *world, struct codec_arena *arena,
                         int version, const struct codec_kafka_offset_fetch_request_group *asked,
                         struct codec_kafka_offset_fetch_response_group *ret_answer)
{
	*ret_answer = codec_kafka_offset_fetch_response_group_default;
	ret_answer->group_id = asked->group_id;
	bool told = true;
	if (asked->topics) {
		ret_answer->topics = codec_arena_alloc(arena, asked->topics_count, sizeof *ret_answer->topics);
		ret_answer->topics_count = asked->topics_count;
		told = ret_answer->topics;
		for (size_t i = 0; i < asked->topics_count && told; i++)
			told = fetch_topic(group, world, arena, version, &asked->topics[i], &ret_answer->topics[i]);
	} else {
		told = fetch_all(group, world, arena, ret_answer);
	}
	if (told)
		return;
	*ret_answer = codec_kafka_offset_fetch_response_group_default;
	ret_answer->group_id = asked->group_id;
	ret_answer->error_code = GROUP_UNKNOWN_SERVER_ERROR;
}

/* ---- who is subscribed ---- */

enum { SUBSCRIPTION_ARENA_BYTES = 1 << 20 };

/* What can't be read counts as subscribed. */
static bool metadata_names(struct base_bytes metadata, struct base_bytes topic)
{
	struct codec_kafka_consumer_protocol_subscription subscription;
	struct codec_arena arena;
	int16_t version;
	codec_arena_init(&arena, SUBSCRIPTION_ARENA_BYTES);
	bool named = group_subscription_read(metadata, &arena, &subscription, &version).code != PYR_OK;
	for (size_t i = 0; !named && i < subscription.topics_count; i++)
		named = group_same(subscription.topics[i], topic);
	codec_arena_deinit(&arena);
	return named;
}

static bool is_subscribed(const struct group *group, struct base_bytes topic)
{
	static const struct base_bytes consumer = {(const uint8_t *)"consumer", 8};
	const struct base_list *head = &group->member_list;
	if (group->kind == GROUP_CONSUMER)
		return group_consumers_subscribe(group, topic);
	if (!group_has_members(group))
		return false;
	if (!group_same(group_bytes(group->protocol_type), consumer) || !group->protocol.data)
		return true;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group_member *member = BASE_CONTAINER(node, struct group_member, node);
		if (metadata_names(group_member_metadata(member, group_bytes(group->protocol)), topic))
			return true;
	}
	return false;
}

/* ---- OffsetDelete ---- */

static int16_t delete_one(struct group *group, const struct group_topic *topic, int32_t index,
                          struct group_write *write)
{
	struct group_offset *offset = group_offset_find(group, topic->name, index);
	if (index < 0 || (uint32_t)index >= topic->partition_count)
		return GROUP_UNKNOWN_TOPIC_OR_PARTITION;
	if (offset) {
		group_record_offset_tombstone(group, offset, &write->records);
		group_offset_free(group, offset);
	}
	return GROUP_NONE;
}

static bool delete_topic(struct group *group, struct group_call *call,
                         const struct codec_kafka_offset_delete_request_topic *asked, const struct group_world *world,
                         struct group_write *write, struct codec_kafka_offset_delete_response_topic *told)
{
	struct group_topic topic;
	bool known = world->topic_find(world->context, asked->name, NULL, &topic);
	int16_t error_code = !known                              ? GROUP_UNKNOWN_TOPIC_OR_PARTITION
	                     : is_subscribed(group, asked->name) ? GROUP_SUBSCRIBED_TO_TOPIC
	                                                         : GROUP_NONE;
	told->name = asked->name;
	told->partitions = codec_arena_alloc(call->arena, asked->partitions_count, sizeof *told->partitions);
	if (!told->partitions)
		return false;
	told->partitions_count = asked->partitions_count;
	for (size_t i = 0; i < asked->partitions_count; i++) {
		told->partitions[i].index = asked->partitions[i].index;
		told->partitions[i].error_code = error_code != GROUP_NONE
		                                         ? error_code
		                                         : delete_one(group, &topic, asked->partitions[i].index, write);
	}
	return true;
}

void group_offsets_delete(struct group *group, struct group_call *call, const struct group_world *world,
                          struct group_effects *effects)
{
	const struct codec_kafka_offset_delete_request *asked = call->request;
	struct codec_kafka_offset_delete_response *response = group_response(effects, call, sizeof *response);
	if (!response)
		return;
	*response = codec_kafka_offset_delete_response_default;
	if (!group->stored && group->offsets.count == 0 && !group_has_members(group))
		response->error_code = GROUP_ID_NOT_FOUND;
	else if (group->commits > 0) /* a tombstone now would stand behind what is not yet in memory */
		response->error_code = GROUP_NOT_AVAILABLE;
	if (response->error_code != GROUP_NONE) {
		group_answer(effects, call, response);
		return;
	}
	struct group_write *write = group_write_new(group, GROUP_WRITE_RECORDS, call);
	response->topics = codec_arena_alloc(call->arena, asked->topics_count, sizeof *response->topics);
	response->topics_count = asked->topics_count;
	bool told = write && response->topics;
	for (size_t i = 0; told && i < asked->topics_count; i++)
		told = delete_topic(group, call, &asked->topics[i], world, write, &response->topics[i]);
	if (told && write->records.bytes > 0) {
		write->response = response;
		if (!group_write_queue(write, effects))
			group_answer(effects, call, NULL);
		return;
	}
	group_write_drop(write);
	group_answer(effects, call, told ? response : NULL);
}

/* ---- expiry ---- */

static bool is_expired(const struct group *group, const struct group_offset *offset, const struct group_world *world)
{
	struct group_topic topic;
	if (!world->topic_find(world->context, group_bytes(offset->topic), NULL, &topic))
		return true; /* the topic was deleted */
	if (offset->expire_ms >= 0)
		return world->wall_ms >= offset->expire_ms && !is_subscribed(group, group_bytes(offset->topic));
	bool is_empty = !group_has_members(group);
	int64_t since_ms = is_empty && group->state_ms > offset->commit_ms ? group->state_ms : offset->commit_ms;
	return world->wall_ms - since_ms >= world->options->offsets_retention_ms &&
	       !is_subscribed(group, group_bytes(offset->topic));
}

void group_expire(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	struct group_write *write = NULL;
	if (group->commits == 0) /* a tombstone now would stand behind what is not yet in memory */
		write = group_write_new(group, GROUP_WRITE_RECORDS, NULL);
	if (!write)
		return; /* the next time, then */
	for (struct base_table_node *node = base_table_next(&group->offsets, NULL), *next; node; node = next) {
		struct group_offset *offset = BASE_CONTAINER(node, struct group_offset, node);
		next = base_table_next(&group->offsets, node);
		if (is_expired(group, offset, world)) {
			group_record_offset_tombstone(group, offset, &write->records);
			group_offset_free(group, offset);
		}
	}
	bool is_over = group->offsets.count == 0 && !group_has_members(group) && base_list_empty(&group->pendings) &&
	               group->writes == 0 && group->stored;
	if (is_over)
		group_record_tombstones(group, &write->records);
	if (write->records.bytes == 0 || !group_write_queue(write, effects)) {
		if (write->records.bytes == 0)
			group_write_drop(write);
		return;
	}
	if (is_over)
		group->stored = false;
}
