/* The catalog: which topics there are, with which partitions and settings.
 *
 * A view of the log: every change is a record there, applied when durable, so what a client was told exists after any
 * crash. It also hands out producer ids. Versioned: each applied change raises the version. Owned by the log's thread.
 * Every change and look-up names a principal and passes authorize(); today it allows everything.
 */
#ifndef PYRALOG_CATALOG_CATALOG_H
#define PYRALOG_CATALOG_CATALOG_H

#include "base/error.h"
#include "base/table.h"
#include "catalog/columns.h"
#include "log/log.h"

#include <stdint.h>

struct catalog;

enum { CATALOG_NAME_MAX = 249, CATALOG_UUID_BYTES = 16, CATALOG_PARTITIONS_MAX = 10000 };

/* Who asks. `name` is borrowed for the time of the call. */
struct catalog_principal {
	const char *name; /* "anonymous" until there are users */
};

enum catalog_action { CATALOG_READ, CATALOG_WRITE, CATALOG_CREATE, CATALOG_DELETE, CATALOG_ALTER, CATALOG_DESCRIBE };

/* The one gate. `object` is a topic's name, or NULL for the node. PYR_NOT_AUTHORIZED. */
pyr_result catalog_authorize(const struct catalog *catalog, const struct catalog_principal *principal,
                             enum catalog_action action, const char *object);

/* Every topic setting once: field, Kafka's name, type, default, what it means. The table makes parser, defaults and
 * DescribeConfigs. Types: LIMIT (a number, -1: no limit), COUNT (0 or more), SIZE (1 or more), PERMILLE (0 to 1, kept in
 * thousandths), or a word (the lists are in settings.c). A new one goes to the end: its place is its number on disk. */
#define CATALOG_TOPIC_SETTINGS(X)                                                                                      \
	X(durability, "pyralog.durability", DURABILITY, LOG_DURABILITY_FSYNC,                                          \
	  "when a write is answered: fsync (after the sync), interval or os")                                          \
	X(retention_ms, "retention.ms", LIMIT, 604800000, "records older than this may be deleted; -1 keeps them")     \
	X(retention_bytes, "retention.bytes", LIMIT, -1,                                                               \
	  "a partition larger than this loses its oldest segments; -1: no limit")                                      \
	X(segment_bytes, "segment.bytes", SIZE, 268435456, "size at which a segment of one partition is full")         \
	X(max_message_bytes, "max.message.bytes", COUNT, 16777216, "the largest record batch accepted")                \
	X(timestamp_type, "message.timestamp.type", TIMESTAMP_TYPE, 0, "CreateTime or LogAppendTime")                  \
	X(cleanup_policy, "cleanup.policy", CLEANUP, 0,                                                                \
	  "delete (by retention), compact (the newest record of each key is kept) or both")                            \
	X(compression_type, "compression.type", COMPRESSION, 0, "producer: batches are kept as they came")             \
	X(min_insync_replicas, "min.insync.replicas", SIZE, 1,                                                         \
	  "replicas that must have a write before it is answered")                                                     \
	X(min_compaction_lag_ms, "min.compaction.lag.ms", COUNT, 0, "records younger than this are not compacted")     \
	X(max_compaction_lag_ms, "max.compaction.lag.ms", SIZE, INT64_MAX, "records are compacted at the latest then") \
	X(delete_retention_ms, "delete.retention.ms", COUNT, 86400000, "how long compaction keeps tombstones")         \
	X(min_dirty_permille, "min.cleanable.dirty.ratio", PERMILLE, 500,                                              \
	  "compaction begins when this share of a partition has not been compacted")                                   \
	X(timestamp_before_max_ms, "message.timestamp.before.max.ms", COUNT, INT64_MAX,                                \
	  "a record whose time is further in the past is refused")                                                     \
	X(timestamp_after_max_ms, "message.timestamp.after.max.ms", COUNT, INT64_MAX,                                  \
	  "a record whose time is further in the future is refused")

enum { CATALOG_CLEANUP_DELETE, CATALOG_CLEANUP_COMPACT, CATALOG_CLEANUP_BOTH };

enum catalog_setting_number {
#define X(field, name, type, value, text) CATALOG_SETTING_##field,
	CATALOG_TOPIC_SETTINGS(X)
#undef X
};

struct catalog_topic_config {
#define X(field, name, type, value, text) int64_t field;
	CATALOG_TOPIC_SETTINGS(X)
#undef X
	uint32_t set; /* bit i: setting i was given, and is not the default */
};

enum catalog_setting_kind { CATALOG_SETTING_NUMBER, CATALOG_SETTING_RATIO, CATALOG_SETTING_WORD, CATALOG_SETTING_LIST };

/* Settings by position, for DescribeConfigs and parsing. */
struct catalog_setting {
	const char *name;
	const char *text;
	enum catalog_setting_kind kind;
};

size_t catalog_setting_count(void);
struct catalog_setting catalog_setting_at(size_t i);
struct catalog_topic_config catalog_topic_config_default(void);
/* The value as Kafka writes it ("604800000", "producer"), at most 31 characters. */
void catalog_setting_format(const struct catalog_topic_config *config, size_t i, char ret_text[32]);
/* The place of the setting of that name; catalog_setting_count() if there is none. */
size_t catalog_setting_find(const char *name);
/* Back to the default. */
void catalog_setting_unset(struct catalog_topic_config *config, size_t i);
/* Sets one by name. PYR_INVALID_CONFIG with a sentence. */
pyr_result catalog_setting_parse(struct catalog_topic_config *config, const char *name, const char *value,
                                 struct pyr_error *error);

/* A topic's partitions from `from` on, up to the next span's, have the log's ids from `first` on. */
struct catalog_span {
	uint32_t from;
	uint32_t first;
};

enum { CATALOG_SPANS_MAX = 32 }; /* made at first, and each time that it grew */

struct catalog_topic {
	struct base_table_node by_name, by_uuid; /* the catalog's */
	char name[CATALOG_NAME_MAX + 1];
	uint8_t uuid[CATALOG_UUID_BYTES];
	uint32_t partition_count;
	uint32_t span_count;
	struct catalog_span spans[CATALOG_SPANS_MAX];
	uint32_t schema_id; /* 0: raw bytes */
	uint64_t version; /* of the catalog when it last changed */
	struct catalog_topic_config config;
	struct catalog_columns *columns; /* declared; NULL: none. The catalog's */
};

/* Makes the catalog; give catalog_observer() to log_open(), then catalog_attach() the log. */
pyr_result catalog_new(struct os_loop *loop, struct catalog **ret_catalog);
void catalog_free(struct catalog *catalog);
struct log_observer catalog_observer(struct catalog *catalog);
/* What topics obey that do not set pyralog.durability themselves; fsync unless this is called, before catalog_attach(). */
void catalog_set_durability(struct catalog *catalog, enum log_durability durability);
/* With several shards (see node.h), each has a catalog on its own loop: one leads, and its observer is the log's; the others
 * follow. Only partitions of `shard` get a log in catalog_attach(), before which this is called; shard 0 of 1 unless it is. */
void catalog_set_shard(struct catalog *catalog, uint32_t shard, uint32_t shard_count);
/* The shard that owns a partition of the log. */
uint32_t catalog_shard_of(const struct catalog *catalog, uint32_t partition);
/* Makes a new catalog a copy of the leader, fed with its events from now on; before either's loop runs. Changes may be asked
 * for on any loop, and are answered there when every catalog has applied them. PYR_OUT_OF_MEMORY. */
pyr_result catalog_follow(struct catalog *leader, struct catalog *follower);
/* Creates the log's partitions for every topic known. */
pyr_result catalog_attach(struct catalog *catalog, struct log *log);

/* The topic's settings with what the server sets where the topic does not. */
struct catalog_topic_config catalog_topic_config_of(const struct catalog *catalog, const struct catalog_topic *topic);
uint64_t catalog_version(const struct catalog *catalog);
const uint8_t *catalog_cluster_uuid(const struct catalog *catalog); /* CATALOG_UUID_BYTES */
size_t catalog_topic_count(const struct catalog *catalog);
/* NULL: there is none. Valid until the loop goes on. */
const struct catalog_topic *catalog_topic_find(const struct catalog *catalog, const char *name, size_t name_bytes);
const struct catalog_topic *catalog_topic_find_uuid(const struct catalog *catalog,
                                                    const uint8_t uuid[CATALOG_UUID_BYTES]);
/* In any order; NULL starts and ends; no change in between. */
const struct catalog_topic *catalog_topic_next(const struct catalog *catalog, const struct catalog_topic *topic);
/* The log's partition, or 0 when the index is out of range. */
uint32_t catalog_topic_partition(const struct catalog_topic *topic, int32_t index);

/* ---- quotas of clients (quotas.c) ---- */

enum catalog_quota_key { CATALOG_QUOTA_PRODUCE, CATALOG_QUOTA_FETCH, CATALOG_QUOTA_REQUEST, CATALOG_QUOTA_KEYS };
enum catalog_quota_part { CATALOG_QUOTA_ANY, CATALOG_QUOTA_NAMED, CATALOG_QUOTA_DEFAULT };
enum { CATALOG_QUOTAS_MAX = 1000 };

/* Whose: a user, a client id, or a user's client id; each by name or, as a default, of all that have no quota by name. */
struct catalog_quota_entity {
	uint8_t user_part, client_part; /* of enum catalog_quota_part; not both ANY */
	char user[CATALOG_NAME_MAX + 1], client[CATALOG_NAME_MAX + 1];
};

struct catalog_quota {
	struct catalog_quota_entity entity;
	uint32_t set; /* bit k: there is a value of key k */
	double values[CATALOG_QUOTA_KEYS]; /* bytes a second, bytes a second, percent of one thread; positive */
};

const char *catalog_quota_key_name(enum catalog_quota_key key); /* "producer_byte_rate" */
size_t catalog_quota_count(const struct catalog *catalog);
const struct catalog_quota *catalog_quota_at(const struct catalog *catalog, size_t i); /* until the loop goes on */
const struct catalog_quota *catalog_quota_find(const struct catalog *catalog,
                                               const struct catalog_quota_entity *entity);
uint64_t catalog_quota_version(const struct catalog *catalog); /* rises with every change of a quota */
/* Which quota holds for that user and client id: NULL, or the first there is of (user, client), (user, default client),
 * user, (default user, client), (default user, default client), default user, client, default client. */
const struct catalog_quota *catalog_quota_of(const struct catalog *catalog, enum catalog_quota_key key,
                                             const char *user, struct base_bytes client);

/* ---- settings of consumer groups (groups.c) ---- */

enum catalog_group_key { CATALOG_GROUP_SESSION, CATALOG_GROUP_HEARTBEAT, CATALOG_GROUP_KEYS };
enum { CATALOG_GROUP_SETTINGS_MAX = 1000, CATALOG_GROUP_ALL = (1 << CATALOG_GROUP_KEYS) - 1 };

/* Of a group by its id, whether there is one of it or not (KIP-848, KIP-1043). */
struct catalog_group_settings {
	char group[CATALOG_NAME_MAX + 1]; /* never empty; longer ids have no settings */
	uint32_t set; /* bit k: there is a value of key k */
	int32_t values[CATALOG_GROUP_KEYS]; /* milliseconds: 1 or more */
};

const char *catalog_group_key_name(enum catalog_group_key key); /* "consumer.session.timeout.ms" */
size_t catalog_group_settings_count(const struct catalog *catalog);
/* In the order of their ids; until the loop goes on. */
const struct catalog_group_settings *catalog_group_settings_at(const struct catalog *catalog, size_t i);
/* NULL: nothing was set. */
const struct catalog_group_settings *catalog_group_settings_find(const struct catalog *catalog,
                                                                 struct base_bytes group);

/* Letters, digits, '.', '_', '-'; not "." or ".."; at most 249. PYR_INVALID_TOPIC. */
pyr_result catalog_topic_name_check(const char *name, size_t name_bytes);

/* A change under way: embedded by the caller, kept until done(). Changes of one name are carried out in order. */
struct catalog_change {
	struct log_append append; /* the catalog's, as all up to `name` */
	struct catalog *home; /* where it was asked for */
	struct os_task travel;
	struct base_list node;
	void (*carry_out)(struct catalog *leader, struct catalog_change *change);
	uint64_t version;
	struct catalog *catalog;
	char name[CATALOG_NAME_MAX + 1]; /* create, delete, alter */
	uint32_t partition_count; /* create; grow: what it becomes */
	bool on_leader; /* create: partition 0 shall be on the leader's shard */
	struct catalog_topic_config config; /* create: whole, as the topic shall have it; alter: what changes */
	uint32_t changed; /* alter: bit i: setting i changes to what `config`, or `group`, has */
	struct catalog_quota quota;
	struct catalog_group_settings group;
	struct base_bytes actions; /* declare: borrowed until done(), see columns.h */
	void (*done)(struct catalog_change *change);

	pyr_result result;
	uint8_t uuid[CATALOG_UUID_BYTES]; /* create: the new topic's (of the existing one with PYR_TOPIC_EXISTS) */
	int64_t producer_id; /* first of the block of CATALOG_PRODUCER_BLOCK */
};

enum { CATALOG_PRODUCER_BLOCK = 1000 };

/* done() always follows, from the loop. PYR_TOPIC_EXISTS, PYR_INVALID_TOPIC, PYR_INVALID_PARTITIONS, the log's. */
void catalog_topic_create(struct catalog *catalog, struct catalog_change *change);
void catalog_topic_delete(struct catalog *catalog, struct catalog_change *change); /* PYR_UNKNOWN_PARTITION */
void catalog_topic_alter(struct catalog *catalog, struct catalog_change *change);
/* More partitions; those that are there stay. PYR_INVALID_PARTITIONS: not more than there are, or it grew too often. */
void catalog_topic_grow(struct catalog *catalog, struct catalog_change *change);
/* The quota of change->quota.entity becomes that; without any value it is forgotten. PYR_BUSY: CATALOG_QUOTAS_MAX. */
void catalog_quota_set(struct catalog *catalog, struct catalog_change *change);
/* Of the settings of change->group.group those of `changed` become what change->group has, set or not. PYR_BUSY:
 * CATALOG_GROUP_SETTINGS_MAX. */
void catalog_group_alter(struct catalog *catalog, struct catalog_change *change);
/* Adds and drops declared columns: all of the change's actions, or none. PYR_EXISTS, PYR_NOT_FOUND, PYR_TOO_LARGE. */
void catalog_topic_declare(struct catalog *catalog, struct catalog_change *change);
/* Gives a new cluster its id; without effect when it has one. On the leader, before anything else is appended: the id counts
 * at once, as nothing can be durable without it. */
void catalog_cluster_begin(struct catalog *catalog, struct catalog_change *change);
/* The follower's id is the leader's, before its loop runs. */
void catalog_cluster_follow(struct catalog *catalog, const struct catalog *leader);
/* A block of producer ids that nobody was ever given. */
void catalog_producer_block(struct catalog *catalog, struct catalog_change *change);

#endif
