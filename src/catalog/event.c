/* The catalog's records: an event to bytes and back (docs/formats/catalog.md). Pure; any thread.
 *
 * Failure modes: what could not have been written is PYR_CORRUPT, so that whoever applies an event may believe it. */
#include "catalog/catalog_priv.h"

#include <string.h>

enum { FORMAT_FIRST = 1, FORMAT = 2, FORMAT_FIRST_SETTINGS = 9 };

#define X(field, name, type, value, text) +1
enum { SETTING_COUNT = 0 CATALOG_TOPIC_SETTINGS(X) };
#undef X

static void write_text(struct base_writer *writer, const char *text)
{
	base_write_u16le(writer, (uint16_t)strlen(text));
	base_write_bytes(writer, text, strlen(text));
}

static void encode_topic(const struct catalog_event *event, struct base_writer *writer)
{
	const struct catalog_topic *topic = &event->topic;
	write_text(writer, topic->name);
	base_write_bytes(writer, topic->uuid, CATALOG_UUID_BYTES);
	base_write_u32le(writer, topic->partition_count);
	base_write_u32le(writer, topic->schema_id);
	base_write_u64le(writer, (uint64_t)event->producer_id);
	base_write_u32le(writer, event->changed);
	base_write_u32le(writer, topic->config.set);
	base_write_u8(writer, (uint8_t)topic->span_count);
	for (uint32_t i = 0; i < topic->span_count; i++) {
		base_write_u32le(writer, topic->spans[i].from);
		base_write_u32le(writer, topic->spans[i].first);
	}
	base_write_u8(writer, SETTING_COUNT);
#define X(field, name, type, value, text) base_write_u64le(writer, (uint64_t)topic->config.field);
	CATALOG_TOPIC_SETTINGS(X)
#undef X
}

static void encode_quota(const struct catalog_quota *quota, struct base_writer *writer)
{
	base_write_u8(writer, quota->entity.user_part);
	write_text(writer, quota->entity.user);
	base_write_u8(writer, quota->entity.client_part);
	write_text(writer, quota->entity.client);
	base_write_u8(writer, (uint8_t)quota->set);
	for (size_t i = 0; i < CATALOG_QUOTA_KEYS; i++) {
		uint64_t bits;
		memcpy(&bits, &quota->values[i], sizeof bits);
		base_write_u64le(writer, bits);
	}
}

static void encode_group(const struct catalog_event *event, struct base_writer *writer)
{
	write_text(writer, event->group.group);
	base_write_u8(writer, (uint8_t)event->changed);
	base_write_u8(writer, (uint8_t)event->group.set);
	for (size_t i = 0; i < CATALOG_GROUP_KEYS; i++)
		base_write_u32le(writer, (uint32_t)event->group.values[i]);
}

void catalog_event_encode(const struct catalog_event *event, struct base_writer *writer)
{
	base_write_u8(writer, FORMAT);
	base_write_u8(writer, event->kind);
	if (event->kind == CATALOG_EVENT_QUOTA)
		encode_quota(&event->quota, writer);
	else if (event->kind == CATALOG_EVENT_GROUP)
		encode_group(event, writer);
	else
		encode_topic(event, writer);
	if (event->kind == CATALOG_EVENT_COLUMNS) {
		base_write_u32le(writer, (uint32_t)event->actions.bytes);
		base_write_bytes(writer, event->actions.data, event->actions.bytes);
	}
}

/* ---- reading ---- */

static void read_text(struct base_reader *reader, char ret_text[CATALOG_NAME_MAX + 1])
{
	uint16_t bytes = base_read_u16le(reader);
	const uint8_t *text = bytes <= CATALOG_NAME_MAX ? base_read_bytes(reader, bytes) : NULL;
	if (text)
		memcpy(ret_text, text, bytes);
	else
		reader->failed = true;
}

static void read_uuid(struct base_reader *reader, uint8_t ret_uuid[CATALOG_UUID_BYTES])
{
	const uint8_t *uuid = base_read_bytes(reader, CATALOG_UUID_BYTES);
	if (uuid)
		memcpy(ret_uuid, uuid, CATALOG_UUID_BYTES);
}

/* An older version knew fewer settings; the others have their defaults. */
static void read_settings(struct base_reader *reader, size_t count, struct catalog_topic_config *ret_config)
{
	uint32_t set = ret_config->set;
	size_t i = 0;
	*ret_config = catalog_topic_config_default();
	ret_config->set = set;
#define X(field, name, type, value, text)                                                                              \
	if (i++ < count)                                                                                               \
		ret_config->field = (int64_t)base_read_u64le(reader);
	CATALOG_TOPIC_SETTINGS(X)
#undef X
}

/* One span, no list of what changed. */
static void decode_first_format(struct base_reader *reader, struct catalog_event *event)
{
	struct catalog_topic *topic = &event->topic;
	read_text(reader, topic->name);
	read_uuid(reader, topic->uuid);
	topic->partition_count = base_read_u32le(reader);
	topic->spans[0].first = base_read_u32le(reader);
	topic->span_count = topic->spans[0].first > 0;
	topic->schema_id = base_read_u32le(reader);
	event->producer_id = (int64_t)base_read_u64le(reader);
	topic->config.set = base_read_u32le(reader);
	event->changed = UINT32_MAX;
	read_settings(reader, FORMAT_FIRST_SETTINGS, &topic->config);
}

static pyr_result decode_topic(struct base_reader *reader, struct catalog_event *event)
{
	struct catalog_topic *topic = &event->topic;
	read_text(reader, topic->name);
	read_uuid(reader, topic->uuid);
	topic->partition_count = base_read_u32le(reader);
	topic->schema_id = base_read_u32le(reader);
	event->producer_id = (int64_t)base_read_u64le(reader);
	event->changed = base_read_u32le(reader);
	topic->config.set = base_read_u32le(reader);
	topic->span_count = base_read_u8(reader);
	if (topic->span_count > CATALOG_SPANS_MAX)
		return pyr_result_of(PYR_CORRUPT);
	for (uint32_t i = 0; i < topic->span_count; i++) {
		topic->spans[i].from = base_read_u32le(reader);
		topic->spans[i].first = base_read_u32le(reader);
	}
	uint8_t settings = base_read_u8(reader);
	PYR_TRY(base_reader_check(reader, PYR_CORRUPT));
	if (settings > SETTING_COUNT)
		return pyr_result_of(PYR_UNSUPPORTED_FEATURE);
	read_settings(reader, settings, &topic->config);
	return pyr_ok();
}

static bool is_possible_span(const struct catalog_topic *topic, uint32_t i)
{
	const struct catalog_span *span = &topic->spans[i];
	uint32_t end = i + 1 < topic->span_count ? topic->spans[i + 1].from : topic->partition_count;
	return span->from < end && span->first >= CATALOG_PARTITION_FIRST && span->first <= UINT32_MAX - end;
}

static bool are_possible_spans(const struct catalog_topic *topic)
{
	if (topic->span_count == 0 || topic->partition_count > CATALOG_PARTITIONS_MAX)
		return false;
	for (uint32_t i = 0; i < topic->span_count; i++)
		if (!is_possible_span(topic, i))
			return false;
	return true;
}

static bool is_possible(const struct catalog_event *event)
{
	const struct catalog_topic *topic = &event->topic;
	if (event->kind == CATALOG_EVENT_CREATED && (!are_possible_spans(topic) || topic->spans[0].from != 0))
		return false;
	if (event->kind == CATALOG_EVENT_GROWN &&
	    (!are_possible_spans(topic) || topic->span_count != 1 || topic->spans[0].from == 0))
		return false;
	return catalog_config_is_possible(&topic->config);
}

static bool is_possible_part(uint8_t part, const char *name)
{
	return part <= CATALOG_QUOTA_DEFAULT && (part == CATALOG_QUOTA_NAMED || name[0] == '\0');
}

static bool is_possible_quota(const struct catalog_quota *quota)
{
	const struct catalog_quota_entity *entity = &quota->entity;
	if (!is_possible_part(entity->user_part, entity->user) ||
	    !is_possible_part(entity->client_part, entity->client) || quota->set >> CATALOG_QUOTA_KEYS)
		return false;
	for (size_t i = 0; i < CATALOG_QUOTA_KEYS; i++)
		if (quota->set & 1u << i ? !(quota->values[i] > 0) : quota->values[i] != 0)
			return false;
	return entity->user_part != CATALOG_QUOTA_ANY || entity->client_part != CATALOG_QUOTA_ANY;
}

static pyr_result decode_quota(struct base_reader *reader, struct catalog_quota *quota)
{
	quota->entity.user_part = base_read_u8(reader);
	read_text(reader, quota->entity.user);
	quota->entity.client_part = base_read_u8(reader);
	read_text(reader, quota->entity.client);
	quota->set = base_read_u8(reader);
	for (size_t i = 0; i < CATALOG_QUOTA_KEYS; i++) {
		uint64_t bits = base_read_u64le(reader);
		memcpy(&quota->values[i], &bits, sizeof bits);
	}
	PYR_TRY(base_reader_check(reader, PYR_CORRUPT));
	return pyr_result_of(is_possible_quota(quota) ? PYR_OK : PYR_CORRUPT);
}

static bool is_possible_group(const struct catalog_event *event)
{
	const struct catalog_group_settings *group = &event->group;
	if (group->group[0] == '\0' || event->changed > CATALOG_GROUP_ALL || group->set > CATALOG_GROUP_ALL)
		return false;
	for (size_t i = 0; i < CATALOG_GROUP_KEYS; i++)
		if (group->set & 1u << i ? group->values[i] <= 0 : group->values[i] != 0)
			return false;
	return true;
}

static pyr_result decode_group(struct base_reader *reader, struct catalog_event *event)
{
	read_text(reader, event->group.group);
	event->changed = base_read_u8(reader);
	event->group.set = base_read_u8(reader);
	for (size_t i = 0; i < CATALOG_GROUP_KEYS; i++)
		event->group.values[i] = (int32_t)base_read_u32le(reader);
	PYR_TRY(base_reader_check(reader, PYR_CORRUPT));
	return pyr_result_of(is_possible_group(event) ? PYR_OK : PYR_CORRUPT);
}

static void decode_actions(struct base_reader *reader, struct catalog_event *event)
{
	uint32_t bytes = base_read_u32le(reader);
	const uint8_t *data = bytes <= CATALOG_COLUMN_ACTIONS_BYTES_MAX ? base_read_bytes(reader, bytes) : NULL;
	event->actions = (struct base_bytes){data, bytes};
	reader->failed |= !data;
}

pyr_result catalog_event_decode(struct base_reader *reader, struct catalog_event *ret_event)
{
	*ret_event = (struct catalog_event){0};
	uint8_t format = base_read_u8(reader);
	if (format < FORMAT_FIRST || format > FORMAT)
		return pyr_result_of(PYR_CORRUPT);
	ret_event->kind = base_read_u8(reader);
	if (ret_event->kind == CATALOG_EVENT_QUOTA)
		return decode_quota(reader, &ret_event->quota);
	if (ret_event->kind == CATALOG_EVENT_GROUP)
		return decode_group(reader, ret_event);
	if (format == FORMAT_FIRST)
		decode_first_format(reader, ret_event);
	else
		PYR_TRY(decode_topic(reader, ret_event));
	if (ret_event->kind == CATALOG_EVENT_COLUMNS)
		decode_actions(reader, ret_event);
	PYR_TRY(base_reader_check(reader, PYR_CORRUPT));
	return pyr_result_of(is_possible(ret_event) ? PYR_OK : PYR_CORRUPT);
}
