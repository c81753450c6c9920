/* What is remembered of groups, as records of __consumer_offsets in Kafka's own formats (docs/formats/groups.md).
 *
 * A record is a key and a value, each an int16 (a key's is its type, a value's its version) and a message of
 * codec/kafka/messages.def; a null value takes the key's state away. The last record of a key counts, so records may
 * stand in the topic any number of times: a snapshot is simply all of them again. Pure; any thread. */
#include "codec/kafka/api.h"
#include "group/consumer.h"

#include <stdlib.h>

enum key_type { KEY_OFFSET_LEGACY = 0, KEY_OFFSET = 1, KEY_GROUP = 2, KEY_CONSUMERS_LAST = 8 };
enum {
	VALUE_OFFSET_EXPIRING = 1, /* with a time of its own to expire at */
	VALUE_OFFSET = 4,
	VALUE_GROUP = 3,
	RESTORE_ARENA_BYTES = 64 << 20,
};

/* ---- writing ---- */

static void begin_part(struct base_writer *records, int16_t type, size_t *ret_at)
{
	*ret_at = records->bytes;
	base_write_u32be(records, 0);
	base_write_u16be(records, (uint16_t)type);
}

static void end_part(struct base_writer *records, size_t at)
{
	if (!records->failed)
		base_patch_u32be(records, at, (uint32_t)(records->bytes - at - 4));
}

static void write_null(struct base_writer *records)
{
	base_write_u32be(records, UINT32_MAX);
}

static void write_group_key(const struct group *group, struct base_writer *records)
{
	struct codec_kafka_group_metadata_key key = {.group = group_bytes(group->id)};
	size_t at;
	begin_part(records, KEY_GROUP, &at);
	codec_kafka_group_metadata_key_encode(records, 0, &key);
	end_part(records, at);
}

static void write_offset_key(const struct group *group, struct base_bytes topic, int32_t partition,
                             struct base_writer *records)
{
	struct codec_kafka_offset_commit_key key = {group_bytes(group->id), topic, partition};
	size_t at;
	begin_part(records, KEY_OFFSET, &at);
	codec_kafka_offset_commit_key_encode(records, 0, &key);
	end_part(records, at);
}

static void member_value(const struct group *group, const struct group_member *member,
                         struct codec_kafka_group_metadata_value_member *ret_value)
{
	*ret_value = (struct codec_kafka_group_metadata_value_member){
		.member_id = group_bytes(member->id),
		.group_instance_id = group_bytes(member->instance_id),
		.client_id = group_bytes(member->client_id),
		.client_host = group_bytes(member->client_host),
		.rebalance_timeout_ms = member->rebalance_timeout_ms,
		.session_timeout_ms = member->session_timeout_ms,
		.subscription = group_member_metadata(member, group_bytes(group->protocol)),
		.assignment = group_bytes(member->assignment),
	};
}

void group_record_metadata(const struct group *group, bool with_members, struct base_writer *records)
{
	struct codec_kafka_group_metadata_value value = codec_kafka_group_metadata_value_default;
	const struct base_list *head = &group->member_list;
	size_t at;
	value.members = calloc(group->members.count + 1, sizeof *value.members);
	if (!value.members) {
		records->failed = true;
		return;
	}
	value.protocol_type = group_bytes(group->protocol_type);
	value.generation = group->generation;
	value.protocol = with_members ? group_bytes(group->protocol) : (struct base_bytes){0};
	value.leader = with_members ? group_bytes(group->leader) : (struct base_bytes){0};
	value.current_state_ms = group->state_ms;
	for (struct base_list *node = head->next; node != head && with_members; node = node->next)
		member_value(group, BASE_CONTAINER(node, struct group_member, node),
		             &value.members[value.members_count++]);
	write_group_key(group, records);
	begin_part(records, VALUE_GROUP, &at);
	codec_kafka_group_metadata_value_encode(records, VALUE_GROUP, &value);
	end_part(records, at);
	free(value.members);
}

void group_record_offset(const struct group *group, struct base_bytes topic, int32_t partition,
                         const struct group_offset *offset, struct base_bytes metadata, struct base_writer *records)
{
	struct codec_kafka_offset_commit_value value = {
		.offset = offset->offset,
		.leader_epoch = offset->leader_epoch,
		.metadata = metadata,
		.commit_ms = offset->commit_ms,
		.expire_ms = offset->expire_ms,
	};
	int16_t version = offset->expire_ms >= 0 ? VALUE_OFFSET_EXPIRING : VALUE_OFFSET;
	size_t at;
	memcpy(value.topic_id, offset->topic_id, sizeof value.topic_id);
	write_offset_key(group, topic, partition, records);
	begin_part(records, version, &at);
	codec_kafka_offset_commit_value_encode(records, version, &value);
	end_part(records, at);
}

void group_record_offset_tombstone(const struct group *group, const struct group_offset *offset,
                                   struct base_writer *records)
{
	write_offset_key(group, group_bytes(offset->topic), offset->partition, records);
	write_null(records);
}

void group_record_classic_tombstone(const struct group *group, struct base_writer *records)
{
	write_group_key(group, records);
	write_null(records);
}

void group_record_tombstones(const struct group *group, struct base_writer *records)
{
	for (struct base_table_node *node = NULL; (node = base_table_next(&group->offsets, node));)
		group_record_offset_tombstone(group, BASE_CONTAINER(node, struct group_offset, node), records);
	if (group->kind == GROUP_CONSUMER)
		group_record_consumers_tombstones(group, records);
	else
		group_record_classic_tombstone(group, records);
}

void group_snapshot(const struct group *group, struct base_writer *records)
{
	/* What the group was before is taken away first: that may still wait to be written. */
	if (group->kind == GROUP_CONSUMER) {
		group_record_classic_tombstone(group, records);
		group_record_consumers(group, records);
	} else if (group->protocol_type.data) {
		group_record_consumers_end(group, records);
		group_record_metadata(group, group->state == GROUP_STABLE, records);
	}
	for (struct base_table_node *node = NULL; (node = base_table_next(&group->offsets, node));) {
		const struct group_offset *offset = BASE_CONTAINER(node, struct group_offset, node);
		group_record_offset(group, group_bytes(offset->topic), offset->partition, offset,
		                    group_bytes(offset->metadata), records);
	}
}

/* ---- reading ---- */

bool group_records_next(struct base_reader *reader, struct base_bytes *ret_key, struct base_bytes *ret_value)
{
	if (base_reader_left(reader) == 0)
		return false;
	uint32_t key_bytes = base_read_u32be(reader);
	ret_key->data = base_read_bytes(reader, key_bytes);
	ret_key->bytes = key_bytes;
	uint32_t value_bytes = base_read_u32be(reader);
	bool is_null = value_bytes == UINT32_MAX;
	ret_value->data = is_null ? NULL : base_read_bytes(reader, value_bytes);
	ret_value->bytes = is_null ? 0 : value_bytes;
	return !reader->failed;
}

pyr_result group_record_group(struct base_bytes key, struct base_bytes *ret_group_id)
{
	struct base_reader reader = base_reader_init(key.data, key.bytes);
	int16_t type = (int16_t)base_read_u16be(&reader);
	uint16_t bytes = base_read_u16be(&reader); /* every key begins with the group's id */
	const uint8_t *data = base_read_bytes(&reader, bytes);
	if (!data || bytes > INT16_MAX)
		return pyr_result_of(PYR_CORRUPT);
	if (type < KEY_OFFSET_LEGACY || type > KEY_CONSUMERS_LAST)
		return pyr_result_of(PYR_UNSUPPORTED_FEATURE);
	*ret_group_id = (struct base_bytes){data, bytes};
	return pyr_ok();
}

static int value_version(struct base_reader *reader, int latest)
{
	int16_t version = (int16_t)base_read_u16be(reader);
	if (version < 0 || version > latest)
		reader->failed = true;
	return reader->failed ? 0 : version;
}

static pyr_result restore_offset(struct group *group, struct base_reader *key_reader, struct base_bytes value,
                                 struct codec_arena *arena)
{
	struct codec_kafka_offset_commit_key key;
	struct codec_kafka_offset_commit_value stored;
	PYR_TRY(codec_kafka_offset_commit_key_decode(key_reader, 0, arena, &key));
	if (!value.data) {
		struct group_offset *offset = group_offset_find(group, key.topic, key.partition);
		if (offset)
			group_offset_free(group, offset);
		return pyr_ok();
	}
	struct base_reader reader = base_reader_init(value.data, value.bytes);
	int version = value_version(&reader, VALUE_OFFSET);
	PYR_TRY(base_reader_check(&reader, PYR_CORRUPT));
	PYR_TRY(codec_kafka_offset_commit_value_decode(&reader, version, arena, &stored));
	struct group_offset offset = {
		.offset = stored.offset,
		.leader_epoch = stored.leader_epoch,
		.commit_ms = stored.commit_ms,
		.expire_ms = stored.expire_ms,
	};
	memcpy(offset.topic_id, stored.topic_id, sizeof offset.topic_id);
	group->stored = true;
	return pyr_result_of(group_offset_set(group, key.topic, key.partition, &offset, stored.metadata)
	                             ? PYR_OK
	                             : PYR_OUT_OF_MEMORY);
}

static void forget_members(struct group *group)
{
	while (!base_list_empty(&group->member_list))
		group_member_free(group, BASE_CONTAINER(group->member_list.next, struct group_member, node));
	base_slice_release(&group->protocol_type);
	base_slice_release(&group->protocol);
	base_slice_release(&group->leader);
	group->generation = 0;
	group->state = GROUP_EMPTY;
}

/* A member as it would join: its one known protocol is the group's. */
static pyr_result restore_member(struct group *group, struct base_bytes protocol,
                                 const struct codec_kafka_group_metadata_value_member *stored)
{
	struct codec_kafka_join_group_request_protocol known = {protocol, stored->subscription};
	struct codec_kafka_join_group_request request = codec_kafka_join_group_request_default;
	request.session_timeout_ms = stored->session_timeout_ms;
	request.rebalance_timeout_ms = stored->rebalance_timeout_ms;
	request.group_instance_id = stored->group_instance_id;
	request.protocols = &known;
	request.protocols_count = 1;
	struct group_call call = {
		.request = &request, .client_id = stored->client_id, .client_host = stored->client_host};
	if (group_member_find(group, stored->member_id))
		return pyr_result_of(PYR_CORRUPT);
	struct group_member *member = group_member_new(group, stored->member_id, &call);
	if (!member || !group_keep(&member->assignment, stored->assignment))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	member->synced = true;
	return pyr_ok();
}

static pyr_result restore_metadata(struct group *group, struct base_bytes value, struct codec_arena *arena)
{
	struct codec_kafka_group_metadata_value stored;
	struct base_reader reader = base_reader_init(value.data, value.bytes);
	int version = value_version(&reader, 4);
	PYR_TRY(base_reader_check(&reader, PYR_CORRUPT));
	PYR_TRY(codec_kafka_group_metadata_value_decode(&reader, version, arena, &stored));
	if (group->consumers) /* a group is of one protocol or the other */
		return pyr_result_of(PYR_CORRUPT);
	group->stored = true;
	group->generation = stored.generation;
	group->state_ms = stored.current_state_ms;
	if (!group_keep(&group->protocol_type, stored.protocol_type) ||
	    !group_keep(&group->protocol, stored.protocol) || !group_keep(&group->leader, stored.leader))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	if (stored.members_count > 0 &&
	    (stored.protocol_type.bytes == 0 || !stored.protocol.data || !stored.leader.data))
		return pyr_result_of(PYR_CORRUPT);
	for (size_t i = 0; i < stored.members_count; i++)
		PYR_TRY(restore_member(group, stored.protocol, &stored.members[i]));
	group->state = stored.members_count > 0 ? GROUP_STABLE : GROUP_EMPTY;
	return pyr_ok();
}

pyr_result group_restore(struct group *group, struct base_bytes key, struct base_bytes value)
{
	struct base_reader reader = base_reader_init(key.data, key.bytes);
	int16_t type = (int16_t)base_read_u16be(&reader);
	struct codec_arena arena;
	pyr_result result = pyr_ok();
	codec_arena_init(&arena, RESTORE_ARENA_BYTES);
	if (type == KEY_OFFSET || type == KEY_OFFSET_LEGACY) {
		result = restore_offset(group, &reader, value, &arena);
	} else if (type > KEY_GROUP) {
		result = group_consumers_restore(group, type, &reader, value, &arena);
	} else {
		forget_members(group);
		group->stored = value.data;
		if (value.data)
			result = restore_metadata(group, value, &arena);
	}
	codec_arena_deinit(&arena);
	return result.code == PYR_INVALID_REQUEST ? pyr_result_of(PYR_CORRUPT) : result;
}

void group_restored(struct group *group, const struct group_world *world)
{
	const struct base_list *head = &group->member_list;
	for (struct base_list *node = head->next; node != head; node = node->next)
		group_session_renew(BASE_CONTAINER(node, struct group_member, node), world);
	if (group->kind == GROUP_CONSUMER)
		group_consumers_restored(group, world);
}
