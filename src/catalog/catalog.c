/* The catalog as a view of the log (see catalog.h): events in, topics out.
 *
 * Invariants: a topic is in both tables or in none; partition ids are never given twice; the version rises with every
 * event. Failure modes: an event that can't be decoded is corruption, and the log says so at open.
 */
#include "base/hash.h"
#include "catalog/catalog_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SNAPSHOT_BYTES_MAX = 1 << 28 };

/* ---- tables ---- */

struct name_key {
	const char *name;
	size_t bytes;
};

static bool equal_name(const struct base_table_node *node, const void *key)
{
	const struct catalog_topic *topic = BASE_CONTAINER(node, struct catalog_topic, by_name);
	const struct name_key *wanted = key;
	return strlen(topic->name) == wanted->bytes && memcmp(topic->name, wanted->name, wanted->bytes) == 0;
}

static bool equal_uuid(const struct base_table_node *node, const void *key)
{
	return memcmp(BASE_CONTAINER(node, struct catalog_topic, by_uuid)->uuid, key, CATALOG_UUID_BYTES) == 0;
}

struct catalog_topic *catalog_find(const struct catalog *catalog, const char *name, size_t name_bytes)
{
	struct name_key key = {name, name_bytes};
	struct base_table_node *node =
		base_table_find(&catalog->by_name, base_hash_bytes(name, name_bytes), equal_name, &key);
	return node ? BASE_CONTAINER(node, struct catalog_topic, by_name) : NULL;
}

const struct catalog_topic *catalog_topic_find(const struct catalog *catalog, const char *name, size_t name_bytes)
{
	return catalog_find(catalog, name, name_bytes);
}

const struct catalog_topic *catalog_topic_find_uuid(const struct catalog *catalog,
                                                    const uint8_t uuid[CATALOG_UUID_BYTES])
{
	struct base_table_node *node =
		base_table_find(&catalog->by_uuid, base_hash_bytes(uuid, CATALOG_UUID_BYTES), equal_uuid, uuid);
	return node ? BASE_CONTAINER(node, struct catalog_topic, by_uuid) : NULL;
}

const struct catalog_topic *catalog_topic_next(const struct catalog *catalog, const struct catalog_topic *topic)
{
	struct base_table_node *node = base_table_next(&catalog->by_name, topic ? &topic->by_name : NULL);
	return node ? BASE_CONTAINER(node, struct catalog_topic, by_name) : NULL;
}

uint32_t catalog_topic_partition(const struct catalog_topic *topic, int32_t index)
{
	if (index < 0 || (uint32_t)index >= topic->partition_count)
		return 0;
	const struct catalog_span *span = &topic->spans[topic->span_count - 1];
	while (span->from > (uint32_t)index)
		span -= 1;
	return span->first + ((uint32_t)index - span->from);
}

struct catalog_topic_config catalog_topic_config_of(const struct catalog *catalog, const struct catalog_topic *topic)
{
	struct catalog_topic_config config = topic->config;
	if (!(config.set & 1u << CATALOG_SETTING_durability))
		config.durability = catalog->durability;
	return config;
}

size_t catalog_topic_count(const struct catalog *catalog)
{
	return catalog->by_name.count;
}

uint64_t catalog_version(const struct catalog *catalog)
{
	return catalog->version;
}

const uint8_t *catalog_cluster_uuid(const struct catalog *catalog)
{
	return catalog->cluster_uuid;
}

pyr_result catalog_authorize(const struct catalog *catalog, const struct catalog_principal *principal,
                             enum catalog_action action, const char *object)
{
	assert(principal && principal->name);
	(void)catalog;
	(void)action;
	(void)object;
	return pyr_ok();
}

/* ---- events ---- */

static struct log_partition_config partition_config(const struct catalog *catalog, const struct catalog_topic *topic)
{
	struct catalog_topic_config settings = catalog_topic_config_of(catalog, topic), *config = &settings;
	return (struct log_partition_config){
		.durability = (enum log_durability)config->durability,
		.retention_ms = config->retention_ms,
		.retention_bytes = config->retention_bytes,
		.segment_bytes = config->segment_bytes > 0 ? (uint64_t)config->segment_bytes : UINT64_MAX / 2,
		.append_time = config->timestamp_type == 1,
		.compact = config->cleanup_policy != CATALOG_CLEANUP_DELETE,
		.remove = config->cleanup_policy != CATALOG_CLEANUP_COMPACT,
		.min_compaction_lag_ms = config->min_compaction_lag_ms,
		.max_compaction_lag_ms = config->max_compaction_lag_ms,
		.delete_retention_ms = config->delete_retention_ms,
		.min_dirty_permille = (uint32_t)config->min_dirty_permille,
	};
}

/* The log's partitions of a topic, from one index on. */
static pyr_result create_partitions(struct catalog *catalog, const struct catalog_topic *topic, uint32_t from)
{
	struct log_partition_config config = partition_config(catalog, topic);
	for (uint32_t i = from; catalog->log && i < topic->partition_count; i++) {
		uint32_t partition = catalog_topic_partition(topic, (int32_t)i);
		if (catalog_shard_of(catalog, partition) == catalog->shard)
			PYR_TRY(log_partition_create(catalog->log, partition, &config));
	}
	return pyr_ok();
}

/* Ids are never given again. */
static void pass_ids(struct catalog *catalog, const struct catalog_topic *topic)
{
	for (uint32_t i = 0; i < topic->span_count; i++) {
		uint32_t end = i + 1 < topic->span_count ? topic->spans[i + 1].from : topic->partition_count;
		uint32_t behind = topic->spans[i].first + (end - topic->spans[i].from);
		if (behind > catalog->next_partition)
			catalog->next_partition = behind;
	}
}

static pyr_result apply_created(struct catalog *catalog, const struct catalog_event *event)
{
	if (catalog_find(catalog, event->topic.name, strlen(event->topic.name)))
		return pyr_result_of(PYR_TOPIC_EXISTS);
	struct catalog_topic *topic = malloc(sizeof *topic);
	if (!topic)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	*topic = event->topic;
	topic->version = catalog->version;
	topic->columns = NULL;
	if (!base_table_insert(&catalog->by_name, &topic->by_name, base_hash_bytes(topic->name, strlen(topic->name)))) {
		free(topic);
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	if (!base_table_insert(&catalog->by_uuid, &topic->by_uuid, base_hash_bytes(topic->uuid, CATALOG_UUID_BYTES))) {
		base_table_remove(&catalog->by_name, &topic->by_name);
		free(topic);
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	pass_ids(catalog, topic);
	return create_partitions(catalog, topic, 0);
}

static void apply_deleted(struct catalog *catalog, struct catalog_topic *topic)
{
	base_table_remove(&catalog->by_name, &topic->by_name);
	base_table_remove(&catalog->by_uuid, &topic->by_uuid);
	for (uint32_t i = 0; catalog->log && i < topic->partition_count; i++)
		log_partition_delete(catalog->log, catalog_topic_partition(topic, (int32_t)i));
	catalog_columns_free(topic->columns);
	free(topic);
}

static void apply_altered(struct catalog *catalog, struct catalog_topic *topic, const struct catalog_event *event)
{
	catalog_config_merge(&topic->config, &event->topic.config, event->changed);
	topic->version = catalog->version;
	struct log_partition_config config = partition_config(catalog, topic);
	for (uint32_t i = 0; catalog->log && i < topic->partition_count; i++)
		log_partition_configure(catalog->log, catalog_topic_partition(topic, (int32_t)i), &config);
}

/* Of two that were under way at once, the second was meant for another number of partitions, and is refused. */
static pyr_result apply_grown(struct catalog *catalog, struct catalog_topic *topic, const struct catalog_event *event)
{
	uint32_t from = topic->partition_count;
	pass_ids(catalog, &event->topic);
	if (memcmp(topic->uuid, event->topic.uuid, CATALOG_UUID_BYTES) != 0)
		return pyr_result_of(PYR_UNKNOWN_PARTITION);
	if (event->topic.spans[0].from != from || topic->span_count == CATALOG_SPANS_MAX)
		return pyr_result_of(PYR_INVALID_PARTITIONS);
	topic->spans[topic->span_count++] = event->topic.spans[0];
	topic->partition_count = event->topic.partition_count;
	topic->version = catalog->version;
	return create_partitions(catalog, topic, from);
}

static pyr_result apply_columns(struct catalog *catalog, struct catalog_topic *topic, const struct catalog_event *event)
{
	PYR_TRY(catalog_columns_apply(&topic->columns, event->actions));
	topic->version = catalog->version;
	return pyr_ok();
}

pyr_result catalog_event_apply(struct catalog *catalog, const struct catalog_event *event)
{
	struct catalog_topic *topic = catalog_find(catalog, event->topic.name, strlen(event->topic.name));
	catalog->version += 1;
	switch (event->kind) {
	case CATALOG_EVENT_CREATED:
		return apply_created(catalog, event);
	case CATALOG_EVENT_DELETED:
		if (!topic)
			return pyr_result_of(PYR_UNKNOWN_PARTITION);
		apply_deleted(catalog, topic);
		return pyr_ok();
	case CATALOG_EVENT_ALTERED:
		if (!topic)
			return pyr_result_of(PYR_UNKNOWN_PARTITION);
		apply_altered(catalog, topic, event);
		return pyr_ok();
	case CATALOG_EVENT_GROWN:
		if (!topic)
			return pyr_result_of(PYR_UNKNOWN_PARTITION);
		return apply_grown(catalog, topic, event);
	case CATALOG_EVENT_QUOTA:
		return catalog_quota_apply(catalog, &event->quota);
	case CATALOG_EVENT_GROUP:
		return catalog_group_apply(catalog, &event->group, event->changed);
	case CATALOG_EVENT_COLUMNS:
		return topic ? apply_columns(catalog, topic, event) : pyr_result_of(PYR_UNKNOWN_PARTITION);
	case CATALOG_EVENT_PRODUCERS:
		if (event->producer_id > catalog->next_producer_id)
			catalog->next_producer_id = event->producer_id;
		return pyr_ok();
	case CATALOG_EVENT_CLUSTER:
		memcpy(catalog->cluster_uuid, event->topic.uuid, CATALOG_UUID_BYTES);
		return pyr_ok();
	default:
		return pyr_result_of(PYR_UNSUPPORTED_FEATURE);
	}
}

/* ---- as the log's observer ---- */

static pyr_result restore(void *context, struct base_bytes snapshot)
{
	struct catalog *catalog = context;
	if (snapshot.bytes == 0)
		return pyr_ok();
	struct base_reader reader = base_reader_init(snapshot.data, snapshot.bytes);
	uint64_t version = base_read_u64le(&reader);
	catalog->next_partition = base_read_u32le(&reader);
	uint32_t count = base_read_u32le(&reader);
	for (uint32_t i = 0; i < count; i++) {
		struct catalog_event event;
		PYR_TRY(catalog_event_decode(&reader, &event));
		PYR_TRY(catalog_event_apply(catalog, &event));
	}
	catalog->version = version;
	return base_reader_check(&reader, PYR_CORRUPT);
}

static pyr_result apply(void *context, struct base_bytes record)
{
	struct catalog_event event;
	struct base_reader reader = base_reader_init(record.data, record.bytes);
	PYR_TRY(catalog_event_decode(&reader, &event));
	PYR_TRY(catalog_feed(context, &event));
	return catalog_event_apply(context, &event);
}

static uint32_t declared_count(const struct catalog *catalog)
{
	const struct catalog_topic *topic = NULL;
	uint32_t count = 0;
	while ((topic = catalog_topic_next(catalog, topic)))
		count += topic->columns != NULL;
	return count;
}

static void encode_columns(const struct catalog_topic *topic, struct base_writer *writer)
{
	struct catalog_event event = {.kind = CATALOG_EVENT_COLUMNS, .topic = *topic};
	struct base_writer actions;
	base_writer_init(&actions, SNAPSHOT_BYTES_MAX);
	catalog_columns_write(&actions, topic->columns);
	writer->failed |= actions.failed;
	if (actions.buffer)
		event.actions = (struct base_bytes){actions.buffer->data, actions.bytes};
	catalog_event_encode(&event, writer);
	base_writer_deinit(&actions);
}

/* The events that would make this state. */
static pyr_result snapshot(void *context, struct base_slice *ret_bytes)
{
	struct catalog *catalog = context;
	struct base_writer writer;
	struct catalog_event event = {.kind = CATALOG_EVENT_PRODUCERS, .producer_id = catalog->next_producer_id};
	base_writer_init(&writer, SNAPSHOT_BYTES_MAX);
	base_write_u64le(&writer, catalog->version);
	base_write_u32le(&writer, catalog->next_partition);
	base_write_u32le(&writer, (uint32_t)(catalog->by_name.count + catalog->quota_count + catalog->group_count + 2) +
	                                  declared_count(catalog));
	catalog_event_encode(&event, &writer);
	event = (struct catalog_event){.kind = CATALOG_EVENT_CLUSTER};
	memcpy(event.topic.uuid, catalog->cluster_uuid, CATALOG_UUID_BYTES);
	catalog_event_encode(&event, &writer);
	const struct catalog_topic *topic = NULL;
	while ((topic = catalog_topic_next(catalog, topic))) {
		event = (struct catalog_event){.kind = CATALOG_EVENT_CREATED, .topic = *topic};
		catalog_event_encode(&event, &writer);
		if (topic->columns)
			encode_columns(topic, &writer);
	}
	for (size_t i = 0; i < catalog->quota_count; i++) {
		event = (struct catalog_event){.kind = CATALOG_EVENT_QUOTA, .quota = catalog->quotas[i]};
		catalog_event_encode(&event, &writer);
	}
	for (size_t i = 0; i < catalog->group_count; i++) {
		event = (struct catalog_event){.kind = CATALOG_EVENT_GROUP, .group = catalog->groups[i]};
		event.changed = CATALOG_GROUP_ALL;
		catalog_event_encode(&event, &writer);
	}
	pyr_result taken = base_writer_take(&writer, ret_bytes);
	base_writer_deinit(&writer);
	return taken;
}

struct log_observer catalog_observer(struct catalog *catalog)
{
	return (struct log_observer){.restore = restore, .apply = apply, .snapshot = snapshot, .context = catalog};
}

/* ---- life ---- */

pyr_result catalog_new(struct os_loop *loop, struct catalog **ret_catalog)
{
	struct catalog *catalog = calloc(1, sizeof *catalog);
	if (!catalog)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	catalog->loop = loop;
	catalog->shard_count = 1;
	base_list_init(&catalog->feeds);
	base_list_init(&catalog->waiting);
	catalog->next_partition = CATALOG_PARTITION_FIRST;
	catalog->next_producer_id = 1;
	*ret_catalog = catalog;
	return pyr_ok();
}

void catalog_free(struct catalog *catalog)
{
	if (!catalog)
		return;
	const struct catalog_topic *topic;
	catalog->log = NULL;
	catalog_followers_free(catalog);
	while ((topic = catalog_topic_next(catalog, NULL)))
		apply_deleted(catalog, catalog_find(catalog, topic->name, strlen(topic->name)));
	base_table_deinit(&catalog->by_name);
	base_table_deinit(&catalog->by_uuid);
	free(catalog->quotas);
	free(catalog->groups);
	free(catalog);
}

void catalog_set_durability(struct catalog *catalog, enum log_durability durability)
{
	catalog->durability = durability;
}

void catalog_set_shard(struct catalog *catalog, uint32_t shard, uint32_t shard_count)
{
	assert(shard < shard_count && !catalog->log);
	catalog->shard = shard;
	catalog->shard_count = shard_count;
}

uint32_t catalog_shard_of(const struct catalog *catalog, uint32_t partition)
{
	return partition % catalog->shard_count;
}

pyr_result catalog_attach(struct catalog *catalog, struct log *log)
{
	const struct catalog_topic *topic = NULL;
	catalog->log = log;
	catalog->promised_partition = catalog->next_partition;
	catalog->promised_producer_id = catalog->next_producer_id;
	while ((topic = catalog_topic_next(catalog, topic)))
		PYR_TRY(create_partitions(catalog, topic, 0));
	log_partitions_sweep(log);
	return pyr_ok();
}
