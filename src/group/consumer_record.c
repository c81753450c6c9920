/* What is remembered of consumer groups, in Kafka's own formats (docs/formats/groups.md; see record.c). Pure. */
#include "group/consumer.h"

#include <stdlib.h>

enum key_type { KEY_EPOCH = 3, KEY_MEMBER = 5, KEY_TARGET_EPOCH = 6, KEY_TARGET = 7, KEY_CURRENT = 8 };

/* ---- writing: a key is a type and one or two strings; every value has version 0 ---- */

static void write_text(struct base_writer *records, struct base_bytes text)
{
	base_write_u16be(records, (uint16_t)text.bytes);
	base_write_bytes(records, text.data, text.bytes);
}

static void write_key(const struct group *group, enum key_type type, const struct group_consumer *member,
                      struct base_writer *records)
{
	struct base_bytes group_id = group_bytes(group->id);
	size_t bytes = 4 + group_id.bytes + (member ? 2 + member->id.bytes : 0);
	base_write_u32be(records, (uint32_t)bytes);
	base_write_u16be(records, (uint16_t)type);
	write_text(records, group_id);
	if (member)
		write_text(records, group_bytes(member->id));
}

static size_t begin_value(struct base_writer *records)
{
	size_t at = records->bytes;
	base_write_u32be(records, 0);
	base_write_u16be(records, 0);
	return at;
}

static void end_value(struct base_writer *records, size_t at)
{
	if (!records->failed)
		base_patch_u32be(records, at, (uint32_t)(records->bytes - at - 4));
}

void group_record_epoch(const struct group *group, struct base_writer *records)
{
	struct codec_kafka_consumer_group_metadata_value value = {group->consumers->epoch, group->consumers->hash};
	write_key(group, KEY_EPOCH, NULL, records);
	size_t at = begin_value(records);
	codec_kafka_consumer_group_metadata_value_encode(records, 0, &value);
	end_value(records, at);
}

void group_record_target_epoch(const struct group *group, struct base_writer *records)
{
	struct codec_kafka_consumer_group_target_assignment_metadata_value value = {group->consumers->assignment_epoch};
	write_key(group, KEY_TARGET_EPOCH, NULL, records);
	size_t at = begin_value(records);
	codec_kafka_consumer_group_target_assignment_metadata_value_encode(records, 0, &value);
	end_value(records, at);
}

/* Borrowed from the member; NULL: memory is out. */
static struct codec_kafka_consumer_group_member_metadata_value_classic_protocol *
classic_protocols(const struct group_consumer *member)
{
	struct codec_kafka_consumer_group_member_metadata_value_classic_protocol *protocols =
		calloc(member->protocol_count + 1, sizeof *protocols);
	for (size_t i = 0; protocols && i < member->protocol_count; i++) {
		protocols[i].name = group_bytes(member->protocols[i].name);
		protocols[i].metadata = group_bytes(member->protocols[i].metadata);
	}
	return protocols;
}

void group_record_member(const struct group *group, const struct group_consumer *member, struct base_writer *records)
{
	struct codec_kafka_consumer_group_member_metadata_value value =
		codec_kafka_consumer_group_member_metadata_value_default;
	struct codec_kafka_consumer_group_member_metadata_value_classic_protocol *protocols = classic_protocols(member);
	struct base_bytes *names = calloc(member->topic_count + 1, sizeof *names);
	if (!names || !protocols) {
		records->failed = true;
		free(protocols);
		free(names);
		return;
	}
	for (size_t i = 0; i < member->topic_count; i++)
		names[i] = group_bytes(member->topics[i]);
	value.has_classic_member_metadata = group_consumer_is_classic(member);
	value.classic_member_metadata.session_timeout_ms = member->session_timeout_ms;
	value.classic_member_metadata.supported_protocols = protocols;
	value.classic_member_metadata.supported_protocols_count = member->protocol_count;
	value.instance_id = group_bytes(member->instance_id);
	value.rack_id = group_bytes(member->rack_id);
	value.client_id = group_bytes(member->client_id);
	value.client_host = group_bytes(member->client_host);
	value.topic_names = names;
	value.topic_names_count = member->topic_count;
	value.topic_regex = group_bytes(member->regex);
	value.rebalance_timeout_ms = member->rebalance_timeout_ms;
	value.server_assignor = group_bytes(member->assignor);
	write_key(group, KEY_MEMBER, member, records);
	size_t at = begin_value(records);
	codec_kafka_consumer_group_member_metadata_value_encode(records, 0, &value);
	end_value(records, at);
	free(protocols);
	free(names);
}

/* Kafka's [](topic id, partitions), compact, as both kinds of assignment have it. */
static void write_parts(const struct group_parts *parts, struct base_writer *records)
{
	size_t topics = 0;
	for (size_t i = 0; i < parts->count; i++)
		topics += i == 0 || memcmp(parts->items[i].topic, parts->items[i - 1].topic, GROUP_UUID_BYTES) != 0;
	base_write_uvarint(records, topics + 1);
	for (size_t i = 0, end; i < parts->count; i = end) {
		for (end = i; end < parts->count; end++)
			if (memcmp(parts->items[end].topic, parts->items[i].topic, GROUP_UUID_BYTES) != 0)
				break;
		base_write_bytes(records, parts->items[i].topic, GROUP_UUID_BYTES);
		base_write_uvarint(records, end - i + 1);
		for (size_t j = i; j < end; j++)
			base_write_u32be(records, (uint32_t)parts->items[j].partition);
		base_write_uvarint(records, 0); /* no tagged fields */
	}
}

void group_record_target(const struct group *group, const struct group_consumer *member, struct base_writer *records)
{
	write_key(group, KEY_TARGET, member, records);
	size_t at = begin_value(records);
	write_parts(&member->target, records);
	base_write_uvarint(records, 0);
	end_value(records, at);
}

void group_record_current(const struct group *group, const struct group_consumer *member, struct base_writer *records)
{
	write_key(group, KEY_CURRENT, member, records);
	size_t at = begin_value(records);
	base_write_u32be(records, (uint32_t)member->epoch);
	base_write_u32be(records, (uint32_t)member->previous_epoch);
	base_write_u8(records, (uint8_t)member->state);
	write_parts(&member->assigned, records);
	write_parts(&member->revoking, records);
	base_write_uvarint(records, 0);
	end_value(records, at);
}

static void write_tombstone(const struct group *group, enum key_type type, const struct group_consumer *member,
                            struct base_writer *records)
{
	write_key(group, type, member, records);
	base_write_u32be(records, UINT32_MAX);
}

void group_record_member_tombstones(const struct group *group, const struct group_consumer *member,
                                    struct base_writer *records)
{
	write_tombstone(group, KEY_CURRENT, member, records);
	write_tombstone(group, KEY_TARGET, member, records);
	write_tombstone(group, KEY_MEMBER, member, records);
}

void group_record_consumers_end(const struct group *group, struct base_writer *records)
{
	write_tombstone(group, KEY_EPOCH, NULL, records);
}

void group_record_consumers(const struct group *group, struct base_writer *records)
{
	const struct base_list *head = &group->consumers->list;
	group_record_consumers_end(group, records); /* nothing before it counts, whatever this stands behind */
	group_record_epoch(group, records);
	group_record_target_epoch(group, records);
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group_consumer *member = BASE_CONTAINER(node, struct group_consumer, node);
		group_record_member(group, member, records);
		group_record_target(group, member, records);
		group_record_current(group, member, records);
	}
}

void group_record_consumers_tombstones(const struct group *group, struct base_writer *records)
{
	const struct base_list *head = &group->consumers->list;
	for (struct base_list *node = head->next; node != head; node = node->next)
		group_record_member_tombstones(group, BASE_CONTAINER(node, struct group_consumer, node), records);
	write_tombstone(group, KEY_TARGET_EPOCH, NULL, records);
	write_tombstone(group, KEY_EPOCH, NULL, records);
}

/* ---- reading ---- */

static bool read_parts(const struct codec_kafka_consumer_group_current_member_assignment_value_topic_partition *topics,
                       size_t count, struct group_parts *ret_parts)
{
	struct group_parts parts = {0};
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < topics[i].partitions_count; j++)
			if (!group_parts_add(&parts, topics[i].topic_id, topics[i].partitions[j])) {
				group_parts_free(&parts);
				return false;
			}
	group_parts_sort(&parts);
	group_parts_move(ret_parts, &parts);
	return true;
}

static pyr_result restore_current(struct group_consumer *member, struct base_reader *reader, struct codec_arena *arena)
{
	struct codec_kafka_consumer_group_current_member_assignment_value value;
	PYR_TRY(codec_kafka_consumer_group_current_member_assignment_value_decode(reader, 0, arena, &value));
	if (value.state < GROUP_MEMBER_STABLE || value.state > GROUP_MEMBER_UNRELEASED)
		return pyr_result_of(PYR_CORRUPT);
	member->epoch = value.member_epoch;
	member->previous_epoch = value.previous_member_epoch;
	member->state = (enum group_consumer_state)value.state;
	bool kept = read_parts(value.assigned_partitions, value.assigned_partitions_count, &member->assigned) &&
	            read_parts(value.partitions_pending_revocation, value.partitions_pending_revocation_count,
	                       &member->revoking);
	return pyr_result_of(kept ? PYR_OK : PYR_OUT_OF_MEMORY);
}

static pyr_result restore_target(struct group_consumer *member, struct base_reader *reader, struct codec_arena *arena)
{
	struct codec_kafka_consumer_group_target_assignment_member_value value;
	struct group_parts parts = {0};
	PYR_TRY(codec_kafka_consumer_group_target_assignment_member_value_decode(reader, 0, arena, &value));
	for (size_t i = 0; i < value.topic_partitions_count; i++)
		for (size_t j = 0; j < value.topic_partitions[i].partitions_count; j++)
			if (!group_parts_add(&parts, value.topic_partitions[i].topic_id,
			                     value.topic_partitions[i].partitions[j])) {
				group_parts_free(&parts);
				return pyr_result_of(PYR_OUT_OF_MEMORY);
			}
	group_parts_sort(&parts);
	group_parts_move(&member->target, &parts);
	return pyr_ok();
}

static pyr_result restore_classic(struct group *group, struct group_consumer *member,
                                  const struct codec_kafka_consumer_group_member_metadata_value *value)
{
	size_t count = value->classic_member_metadata.supported_protocols_count;
	struct group_protocol *protocols = NULL;
	bool kept = true;
	if (count > GROUP_PROTOCOLS_MAX)
		return pyr_result_of(PYR_CORRUPT);
	if (value->has_classic_member_metadata) {
		protocols = calloc(count + 1, sizeof *protocols);
		kept = protocols;
	}
	for (size_t i = 0; protocols && kept && i < count; i++)
		kept = group_keep(&protocols[i].name, value->classic_member_metadata.supported_protocols[i].name) &&
		       group_keep(&protocols[i].metadata,
		                  value->classic_member_metadata.supported_protocols[i].metadata);
	if (!kept) {
		group_protocols_free(protocols, protocols ? count : 0);
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	group_consumer_set_classic(group, member, protocols, count, value->classic_member_metadata.session_timeout_ms);
	return pyr_ok();
}

static pyr_result restore_member(struct group *group, struct group_consumer *member, struct base_reader *reader,
                                 struct codec_arena *arena)
{
	struct codec_kafka_consumer_group_member_metadata_value value;
	bool changed;
	PYR_TRY(codec_kafka_consumer_group_member_metadata_value_decode(reader, 0, arena, &value));
	member->rebalance_timeout_ms = value.rebalance_timeout_ms;
	if (!group_keep(&member->instance_id, value.instance_id) || !group_keep(&member->rack_id, value.rack_id) ||
	    !group_keep(&member->client_id, value.client_id) || !group_keep(&member->client_host, value.client_host) ||
	    !group_keep(&member->assignor, value.server_assignor))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	PYR_TRY(restore_classic(group, member, &value));
	pyr_result result = group_consumer_subscribe(member, value.topic_names, value.topic_names_count,
	                                             value.topic_regex, &changed, NULL);
	return result.code == PYR_SYNTAX ? pyr_result_of(PYR_CORRUPT) : result;
}

static pyr_result restore_epochs(struct group *group, int16_t type, struct base_reader *reader,
                                 struct codec_arena *arena)
{
	struct codec_kafka_consumer_group_metadata_value epoch;
	struct codec_kafka_consumer_group_target_assignment_metadata_value target;
	if (type == KEY_EPOCH) {
		PYR_TRY(codec_kafka_consumer_group_metadata_value_decode(reader, 0, arena, &epoch));
		group->consumers->epoch = epoch.epoch;
		group->consumers->hash = epoch.metadata_hash;
		return pyr_ok();
	}
	PYR_TRY(codec_kafka_consumer_group_target_assignment_metadata_value_decode(reader, 0, arena, &target));
	group->consumers->assignment_epoch = target.assignment_epoch;
	return pyr_ok();
}

/* A member's tombstones come together, and the group's come last. */
static pyr_result forget(struct group *group, int16_t type, struct group_consumer *member)
{
	if (type == KEY_MEMBER && member)
		group_consumer_free(group, member);
	if (type == KEY_EPOCH) {
		group_consumers_free(group);
		group->stored = group->offsets.count > 0;
	}
	return pyr_ok();
}

pyr_result group_consumers_restore(struct group *group, int16_t type, struct base_reader *key, struct base_bytes value,
                                   struct codec_arena *arena)
{
	struct group_consumer *member = NULL;
	struct base_reader reader = base_reader_init(value.data, value.bytes);
	bool of_member = type == KEY_MEMBER || type == KEY_TARGET || type == KEY_CURRENT;
	struct base_bytes id = {0};
	base_read_skip(key, base_read_u16be(key));
	if (of_member) {
		id.bytes = base_read_u16be(key);
		id.data = base_read_bytes(key, id.bytes);
	}
	PYR_TRY(base_reader_check(key, PYR_CORRUPT));
	if ((!of_member && type != KEY_EPOCH && type != KEY_TARGET_EPOCH) || id.bytes > INT16_MAX)
		return pyr_result_of(PYR_CORRUPT);
	if (!value.data && !group->consumers)
		return pyr_ok();
	if (group->members.count > 0) /* a group is of one protocol or the other */
		return pyr_result_of(PYR_CORRUPT);
	if (!group_consumers_begin(group))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	if (of_member)
		member = group_consumer_find(group, id);
	if (!value.data)
		return forget(group, type, member);
	group->stored = true;
	if (base_read_u16be(&reader) != 0 || reader.failed)
		return pyr_result_of(PYR_CORRUPT);
	if (!of_member)
		return restore_epochs(group, type, &reader, arena);
	if (!member)
		member = group_consumer_new(group, id);
	if (!member)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	return type == KEY_MEMBER   ? restore_member(group, member, &reader, arena)
	       : type == KEY_TARGET ? restore_target(member, &reader, arena)
	                            : restore_current(member, &reader, arena);
}
