/* The tables of Kafka's settings (see known_settings.h). Source: kafka.apache.org/documentation, "Topic Configs" and "Broker
 * Configs". What has one value here is told with it, accepted with it, and refused with another. */
#include "server/kafka/known_settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define KEPT(name, node_name, type)                                                                                    \
	{                                                                                                              \
		name, node_name, KAFKA_TYPE_##type, NULL, NULL                                                         \
	}
#define ONLY(name, node_name, type, value, text)                                                                       \
	{                                                                                                              \
		name, node_name, KAFKA_TYPE_##type, value, text                                                        \
	}

static const struct kafka_known_setting topic_settings[] = {
	KEPT("cleanup.policy", "log.cleanup.policy", LIST),
	ONLY("compression.gzip.level", "compression.gzip.level", INT, "-1", "batches are kept as they came"),
	ONLY("compression.lz4.level", "compression.lz4.level", INT, "9", "batches are kept as they came"),
	KEPT("compression.type", "compression.type", STRING),
	ONLY("compression.zstd.level", "compression.zstd.level", INT, "3", "batches are kept as they came"),
	KEPT("delete.retention.ms", "log.cleaner.delete.retention.ms", LONG),
	ONLY("file.delete.delay.ms", "log.segment.delete.delay.ms", LONG, "60000", "files go when nothing reads them"),
	ONLY("flush.messages", "log.flush.interval.messages", LONG, "9223372036854775807",
             "pyralog.durability says when a write is synced"),
	ONLY("flush.ms", "log.flush.interval.ms", LONG, "9223372036854775807",
             "pyralog.durability says when a write is synced"),
	ONLY("follower.replication.throttled.replicas", NULL, LIST, "", "this node stands alone"),
	ONLY("index.interval.bytes", "log.index.interval.bytes", INT, "4096", "every block of a segment is indexed"),
	ONLY("leader.replication.throttled.replicas", NULL, LIST, "", "this node stands alone"),
	ONLY("local.retention.bytes", "log.local.retention.bytes", LONG, "-2", "there is no remote storage"),
	ONLY("local.retention.ms", "log.local.retention.ms", LONG, "-2", "there is no remote storage"),
	KEPT("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", LONG),
	KEPT("max.message.bytes", "message.max.bytes", INT),
	KEPT("message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", LONG),
	KEPT("message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms", LONG),
	KEPT("message.timestamp.type", "log.message.timestamp.type", STRING),
	KEPT("min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio", DOUBLE),
	KEPT("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms", LONG),
	KEPT("min.insync.replicas", "min.insync.replicas", INT),
	ONLY("preallocate", "log.preallocate", BOOLEAN, "false", "the ring is always reserved, segments never are"),
	KEPT("pyralog.durability", NULL, STRING),
	ONLY("remote.log.copy.disable", NULL, BOOLEAN, "false", "there is no remote storage"),
	ONLY("remote.log.delete.on.disable", NULL, BOOLEAN, "false", "there is no remote storage"),
	ONLY("remote.storage.enable", NULL, BOOLEAN, "false", "there is no remote storage"),
	KEPT("retention.bytes", "log.retention.bytes", LONG),
	KEPT("retention.ms", "log.retention.ms", LONG),
	KEPT("segment.bytes", "log.segment.bytes", INT),
	ONLY("segment.index.bytes", "log.index.size.max.bytes", INT, "10485760", "an index is as large as it must be"),
	ONLY("segment.jitter.ms", "log.roll.jitter.ms", LONG, "0", "segments are sealed by size, not by time"),
	ONLY("segment.ms", "log.roll.ms", LONG, "604800000", "segments are sealed by size, not by time"),
	ONLY("unclean.leader.election.enable", "unclean.leader.election.enable", BOOLEAN, "false",
             "nothing acknowledged is ever given up"),
};

static const struct kafka_known_setting node_settings[] = {
	ONLY("authorizer.class.name", NULL, STRING, "", "everybody may do everything, on loopback"),
	ONLY("auto.leader.rebalance.enable", NULL, BOOLEAN, "true", "this node leads every partition"),
	ONLY("broker.rack", NULL, STRING, "", "where the node stands"),
	ONLY("compression.gzip.level", NULL, INT, "-1", "batches are kept as they came"),
	ONLY("compression.lz4.level", NULL, INT, "9", "batches are kept as they came"),
	ONLY("compression.type", NULL, STRING, "producer", "batches are kept as they came"),
	ONLY("compression.zstd.level", NULL, INT, "3", "batches are kept as they came"),
	ONLY("controlled.shutdown.enable", NULL, BOOLEAN, "true", "what is pending is committed at a stop"),
	ONLY("default.replication.factor", NULL, INT, "1", "this node stands alone"),
	ONLY("delete.topic.enable", NULL, BOOLEAN, "true", "topics can be deleted"),
	ONLY("group.coordinator.rebalance.protocols", NULL, LIST, "classic,consumer",
             "which consumer groups are served"),
	ONLY("group.consumer.max.heartbeat.interval.ms", NULL, INT, "60000", "what a group may set"),
	ONLY("group.consumer.max.session.timeout.ms", NULL, INT, "3600000", "what a group may set"),
	ONLY("group.consumer.min.heartbeat.interval.ms", NULL, INT, "100", "what a group may set"),
	ONLY("group.consumer.min.session.timeout.ms", NULL, INT, "100", "what a group may set"),
	ONLY("log.dirs", NULL, STRING, "data", "the data directory (its place is not told)"),
	ONLY("log.flush.interval.messages", NULL, LONG, "9223372036854775807", "pyralog.durability says it"),
	ONLY("log.index.interval.bytes", NULL, INT, "4096", "every block of a segment is indexed"),
	ONLY("log.index.size.max.bytes", NULL, INT, "10485760", "an index is as large as it must be"),
	ONLY("log.local.retention.bytes", NULL, LONG, "-2", "there is no remote storage"),
	ONLY("log.local.retention.ms", NULL, LONG, "-2", "there is no remote storage"),
	ONLY("log.preallocate", NULL, BOOLEAN, "false", "the ring is always reserved, segments never are"),
	ONLY("log.roll.jitter.ms", NULL, LONG, "0", "segments are sealed by size, not by time"),
	ONLY("log.roll.ms", NULL, LONG, "604800000", "segments are sealed by size, not by time"),
	ONLY("log.segment.delete.delay.ms", NULL, LONG, "60000", "files go when nothing reads them"),
	ONLY("max.incremental.fetch.session.cache.slots", NULL, INT, "0", "fetch sessions are not kept"),
	ONLY("offsets.topic.num.partitions", NULL, INT, "1", "partitions of __consumer_offsets"),
	ONLY("offsets.topic.replication.factor", NULL, INT, "1", "this node stands alone"),
	ONLY("process.roles", NULL, LIST, "broker,controller", "this node stands alone"),
	ONLY("quota.window.size.seconds", NULL, INT, "1", "what a quota allows at once"),
	ONLY("transaction.state.log.replication.factor", NULL, INT, "1", "this node stands alone"),
	ONLY("unclean.leader.election.enable", NULL, BOOLEAN, "false", "nothing acknowledged is ever given up"),
};

size_t kafka_topic_setting_count(void)
{
	return sizeof topic_settings / sizeof topic_settings[0];
}

const struct kafka_known_setting *kafka_topic_setting_at(size_t i)
{
	assert(i < kafka_topic_setting_count());
	return &topic_settings[i];
}

pyr_result kafka_topic_setting_parse(struct catalog_topic_config *config, const char *name, const char *value,
                                     struct pyr_error *error)
{
	for (size_t i = 0; i < kafka_topic_setting_count(); i++) {
		const struct kafka_known_setting *known = &topic_settings[i];
		if (!known->value || strcmp(known->name, name) != 0)
			continue;
		if (strcmp(known->value, value) == 0)
			return pyr_ok();
		return pyr_fail(error, PYR_INVALID_CONFIG, "%s=%s is not supported: it is always \"%s\", as %s", name,
		                value, known->value, known->text);
	}
	return catalog_setting_parse(config, name, value, error);
}

/* ---- of groups ---- */

static pyr_result fail_group(const char *name, struct pyr_error *error)
{
	static const char share[] = "share.", streams[] = "streams.";
	if (strncmp(name, share, sizeof share - 1) == 0)
		return pyr_fail(error, PYR_INVALID_CONFIG, "%s can't be set: there are no share groups here", name);
	if (strncmp(name, streams, sizeof streams - 1) == 0)
		return pyr_fail(error, PYR_INVALID_CONFIG,
		                "%s can't be set: there are no groups of the streams protocol here (KIP-1071); Kafka "
		                "Streams uses the classic one",
		                name);
	return pyr_fail(error, PYR_INVALID_CONFIG, "there is no group setting %s: there are %s and %s", name,
	                catalog_group_key_name(CATALOG_GROUP_SESSION), catalog_group_key_name(CATALOG_GROUP_HEARTBEAT));
}

pyr_result kafka_group_setting_parse(struct catalog_group_settings *settings, const char *name, const char *value,
                                     enum catalog_group_key *ret_key, struct pyr_error *error)
{
	static const struct {
		int32_t min_ms, max_ms;
	} bounds[CATALOG_GROUP_KEYS] = {
		[CATALOG_GROUP_SESSION] = {KAFKA_GROUP_SESSION_MIN_MS, KAFKA_GROUP_SESSION_MAX_MS},
		[CATALOG_GROUP_HEARTBEAT] = {KAFKA_GROUP_HEARTBEAT_MIN_MS, KAFKA_GROUP_HEARTBEAT_MAX_MS},
	};
	size_t key = 0;
	char *end = NULL;
	while (key < CATALOG_GROUP_KEYS && strcmp(catalog_group_key_name((enum catalog_group_key)key), name) != 0)
		key += 1;
	if (key == CATALOG_GROUP_KEYS)
		return fail_group(name, error);
	long long number = value ? strtoll(value, &end, 10) : 0;
	if (value && (end == value || *end || number < bounds[key].min_ms || number > bounds[key].max_ms))
		return pyr_fail(error, PYR_INVALID_CONFIG, "%s must be a whole number from %d to %d, not \"%s\"", name,
		                bounds[key].min_ms, bounds[key].max_ms, value);
	settings->values[key] = (int32_t)number;
	settings->set = value ? settings->set | 1u << key : settings->set & ~(1u << key);
	*ret_key = (enum catalog_group_key)key;
	return pyr_ok();
}

pyr_result kafka_group_settings_check(const struct catalog_group_settings *group, const struct group_options *options,
                                      struct pyr_error *error)
{
	int32_t session_ms = options->consumer_session_timeout_ms, heartbeat_ms = options->consumer_heartbeat_ms;
	if (group->set & 1u << CATALOG_GROUP_SESSION)
		session_ms = group->values[CATALOG_GROUP_SESSION];
	if (group->set & 1u << CATALOG_GROUP_HEARTBEAT)
		heartbeat_ms = group->values[CATALOG_GROUP_HEARTBEAT];
	if (group->set != 0 && heartbeat_ms >= session_ms)
		return pyr_fail(error, PYR_INVALID_CONFIG, "%s (%d) must be more than %s (%d)",
		                catalog_group_key_name(CATALOG_GROUP_SESSION), session_ms,
		                catalog_group_key_name(CATALOG_GROUP_HEARTBEAT), heartbeat_ms);
	return pyr_ok();
}

/* ---- of the node ---- */

size_t kafka_node_setting_count(void)
{
	return sizeof node_settings / sizeof node_settings[0];
}

const struct kafka_known_setting *kafka_node_setting_at(size_t i)
{
	assert(i < kafka_node_setting_count());
	return &node_settings[i];
}
