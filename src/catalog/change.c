/* Changes of the catalog, on the leader's loop: checked, written to the log, applied by the log when durable, then
 * answered, through the followers (follow.c).
 *
 * Two creations of one name may be under way at once: the log orders them, and the second is answered PYR_TOPIC_EXISTS
 * when it is applied. Owner: the log's thread.
 */
#include "catalog/catalog_priv.h"

#include <string.h>

enum { EVENT_BYTES_MAX = 4096 + CATALOG_COLUMN_ACTIONS_BYTES_MAX };

pyr_result catalog_topic_name_check(const char *name, size_t name_bytes)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	bool dots = (name_bytes == 1 && name[0] == '.') || (name_bytes == 2 && name[0] == '.' && name[1] == '.');
	if (name_bytes == 0 || name_bytes > CATALOG_NAME_MAX || dots)
		return pyr_result_of(PYR_INVALID_TOPIC);
	for (size_t i = 0; i < name_bytes; i++)
		if (name[i] == '\0' || !strchr(allowed, name[i]))
			return pyr_result_of(PYR_INVALID_TOPIC);
	return pyr_ok();
}

static void answer_change(struct os_task *task)
{
	struct log_append *append = BASE_CONTAINER(task, struct log_append, state.answer);
	struct catalog_change *change = BASE_CONTAINER(append, struct catalog_change, append);
	catalog_change_finish(change->catalog, change);
}

/* Through the loop: done() never comes from within the call. */
static void refuse(struct catalog *catalog, struct catalog_change *change, enum pyr_code code)
{
	change->result = pyr_result_of(code);
	change->catalog = catalog;
	change->append.state.answer.run = answer_change;
	os_loop_post(catalog->loop, &change->append.state.answer);
}

static void written(struct log_append *append)
{
	struct catalog_change *change = BASE_CONTAINER(append, struct catalog_change, append);
	change->result = append->result;
	if (append->result.code == PYR_TOPIC_EXISTS) {
		const struct catalog_topic *topic =
			catalog_topic_find(change->catalog, change->name, strlen(change->name));
		if (topic)
			memcpy(change->uuid, topic->uuid, CATALOG_UUID_BYTES);
	}
	catalog_change_finish(change->catalog, change);
}

static void write_event(struct catalog *catalog, struct catalog_change *change, const struct catalog_event *event)
{
	struct base_writer writer;
	base_writer_init(&writer, EVENT_BYTES_MAX);
	catalog_event_encode(event, &writer);
	pyr_result taken = base_writer_take(&writer, &change->append.batch);
	base_writer_deinit(&writer);
	change->catalog = catalog;
	change->append.done = written;
	if (taken.code != PYR_OK)
		refuse(catalog, change, taken.code);
	else
		log_append_record(catalog->log, &change->append);
}

static uint32_t first_partition(const struct catalog *catalog, const struct catalog_change *change)
{
	uint32_t next = catalog->promised_partition, from = catalog_shard_of(catalog, next);
	bool skip = change->on_leader && from != catalog->shard && next < UINT32_MAX - catalog->shard_count;
	return skip ? next + (catalog->shard + catalog->shard_count - from) % catalog->shard_count : next;
}

static void create_topic(struct catalog *catalog, struct catalog_change *change)
{
	const struct catalog_topic *there = catalog_topic_find(catalog, change->name, strlen(change->name));
	enum pyr_code code = catalog_topic_name_check(change->name, strlen(change->name)).code;
	uint32_t first = first_partition(catalog, change);
	uint32_t room = UINT32_MAX - first;
	if (code == PYR_OK && (change->partition_count == 0 || change->partition_count > CATALOG_PARTITIONS_MAX ||
	                       change->partition_count > room))
		code = PYR_INVALID_PARTITIONS;
	if (code == PYR_OK && there) {
		memcpy(change->uuid, there->uuid, CATALOG_UUID_BYTES);
		code = PYR_TOPIC_EXISTS;
	}
	if (code != PYR_OK) {
		refuse(catalog, change, code);
		return;
	}
	struct catalog_event event = {.kind = CATALOG_EVENT_CREATED};
	memcpy(event.topic.name, change->name, sizeof event.topic.name);
	os_random(catalog->loop, event.topic.uuid, CATALOG_UUID_BYTES);
	event.topic.uuid[6] = (event.topic.uuid[6] & 0x0f) | 0x40; /* version 4, RFC 9562 */
	event.topic.uuid[8] = (event.topic.uuid[8] & 0x3f) | 0x80;
	memcpy(change->uuid, event.topic.uuid, CATALOG_UUID_BYTES);
	event.topic.partition_count = change->partition_count;
	event.topic.span_count = 1;
	event.topic.spans[0].first = first;
	event.topic.config = change->config;
	catalog->promised_partition = first + change->partition_count;
	write_event(catalog, change, &event);
}

static void change_topic(struct catalog *catalog, struct catalog_change *change, uint8_t kind)
{
	const struct catalog_topic *topic = catalog_topic_find(catalog, change->name, strlen(change->name));
	if (!topic) {
		refuse(catalog, change, PYR_UNKNOWN_PARTITION);
		return;
	}
	struct catalog_event event = {.kind = kind, .topic = *topic};
	if (kind == CATALOG_EVENT_ALTERED) {
		event.topic.config = change->config;
		event.changed = change->changed;
	}
	write_event(catalog, change, &event);
}

static void declare_columns(struct catalog *catalog, struct catalog_change *change)
{
	const struct catalog_topic *topic = catalog_topic_find(catalog, change->name, strlen(change->name));
	if (!topic || change->actions.bytes > CATALOG_COLUMN_ACTIONS_BYTES_MAX) {
		refuse(catalog, change, topic ? PYR_TOO_LARGE : PYR_UNKNOWN_PARTITION);
		return;
	}
	struct catalog_event event = {.kind = CATALOG_EVENT_COLUMNS, .topic = *topic, .actions = change->actions};
	write_event(catalog, change, &event);
}

static void delete_topic(struct catalog *catalog, struct catalog_change *change)
{
	change_topic(catalog, change, CATALOG_EVENT_DELETED);
}

static void alter_topic(struct catalog *catalog, struct catalog_change *change)
{
	change_topic(catalog, change, CATALOG_EVENT_ALTERED);
}

static enum pyr_code check_growth(const struct catalog *catalog, const struct catalog_change *change,
                                  const struct catalog_topic *topic)
{
	if (!topic)
		return PYR_UNKNOWN_PARTITION;
	bool fits = change->partition_count > topic->partition_count &&
	            change->partition_count <= CATALOG_PARTITIONS_MAX && topic->span_count < CATALOG_SPANS_MAX &&
	            catalog->promised_partition < UINT32_MAX - 2 * CATALOG_PARTITIONS_MAX;
	return fits ? PYR_OK : PYR_INVALID_PARTITIONS;
}

static void grow_topic(struct catalog *catalog, struct catalog_change *change)
{
	const struct catalog_topic *topic = catalog_topic_find(catalog, change->name, strlen(change->name));
	enum pyr_code code = check_growth(catalog, change, topic);
	if (code != PYR_OK) {
		refuse(catalog, change, code);
		return;
	}
	struct catalog_event event = {.kind = CATALOG_EVENT_GROWN, .topic = *topic};
	event.topic.partition_count = change->partition_count;
	event.topic.span_count = 1;
	event.topic.spans[0] = (struct catalog_span){topic->partition_count, catalog->promised_partition};
	catalog->promised_partition += change->partition_count - topic->partition_count;
	write_event(catalog, change, &event);
}

static void set_quota(struct catalog *catalog, struct catalog_change *change)
{
	struct catalog_event event = {.kind = CATALOG_EVENT_QUOTA, .quota = change->quota};
	bool is_new = !catalog_quota_find(catalog, &change->quota.entity);
	if (is_new && catalog->quota_count >= CATALOG_QUOTAS_MAX)
		refuse(catalog, change, PYR_BUSY);
	else
		write_event(catalog, change, &event);
}

static void alter_group(struct catalog *catalog, struct catalog_change *change)
{
	struct catalog_event event = {
		.kind = CATALOG_EVENT_GROUP, .group = change->group, .changed = change->changed & CATALOG_GROUP_ALL};
	struct base_bytes id = {(const uint8_t *)change->group.group, strlen(change->group.group)};
	bool is_new = !catalog_group_settings_find(catalog, id) && change->group.set & event.changed;
	if (is_new && catalog->group_count >= CATALOG_GROUP_SETTINGS_MAX)
		refuse(catalog, change, PYR_BUSY);
	else
		write_event(catalog, change, &event);
}

static void begin_cluster(struct catalog *catalog, struct catalog_change *change)
{
	static const uint8_t none[CATALOG_UUID_BYTES];
	struct catalog_event event = {.kind = CATALOG_EVENT_CLUSTER};
	if (memcmp(catalog->cluster_uuid, none, sizeof none) != 0) {
		refuse(catalog, change, PYR_OK);
		return;
	}
	os_random(catalog->loop, event.topic.uuid, CATALOG_UUID_BYTES);
	memcpy(catalog->cluster_uuid, event.topic.uuid, CATALOG_UUID_BYTES);
	write_event(catalog, change, &event);
}

static void take_block(struct catalog *catalog, struct catalog_change *change)
{
	change->producer_id = catalog->promised_producer_id;
	catalog->promised_producer_id += CATALOG_PRODUCER_BLOCK;
	struct catalog_event event = {.kind = CATALOG_EVENT_PRODUCERS, .producer_id = catalog->promised_producer_id};
	write_event(catalog, change, &event);
}

/* ---- on any catalog's loop ---- */

void catalog_topic_create(struct catalog *catalog, struct catalog_change *change)
{
	catalog_change_begin(catalog, change, create_topic);
}

void catalog_topic_delete(struct catalog *catalog, struct catalog_change *change)
{
	catalog_change_begin(catalog, change, delete_topic);
}

void catalog_topic_alter(struct catalog *catalog, struct catalog_change *change)
{
	catalog_change_begin(catalog, change, alter_topic);
}

void catalog_topic_grow(struct catalog *catalog, struct catalog_change *change)
{
	catalog_change_begin(catalog, change, grow_topic);
}

void catalog_quota_set(struct catalog *catalog, struct catalog_change *change)
{
	catalog_change_begin(catalog, change, set_quota);
}

void catalog_group_alter(struct catalog *catalog, struct catalog_change *change)
{
	catalog_change_begin(catalog, change, alter_group);
}

void catalog_topic_declare(struct catalog *catalog, struct catalog_change *change)
{
	catalog_change_begin(catalog, change, declare_columns);
}

void catalog_cluster_begin(struct catalog *catalog, struct catalog_change *change)
{
	catalog_change_begin(catalog, change, begin_cluster);
}

void catalog_cluster_follow(struct catalog *catalog, const struct catalog *leader)
{
	memcpy(catalog->cluster_uuid, leader->cluster_uuid, CATALOG_UUID_BYTES);
}

void catalog_producer_block(struct catalog *catalog, struct catalog_change *change)
{
	catalog_change_begin(catalog, change, take_block);
}
