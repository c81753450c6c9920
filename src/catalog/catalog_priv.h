/* The catalog's insides, shared by its files. */
#ifndef PYRALOG_CATALOG_CATALOG_PRIV_H
#define PYRALOG_CATALOG_CATALOG_PRIV_H

#include "base/array.h"
#include "base/cursor.h"
#include "catalog/catalog.h"

struct catalog {
	struct os_loop *loop;
	struct log *log; /* NULL until catalog_attach() */
	struct base_table by_name;
	struct base_table by_uuid;
	uint64_t version;
	enum log_durability durability; /* of topics that do not set their own */
	struct catalog_quota *quotas;
	size_t quota_count, quota_capacity;
	uint64_t quota_version;
	struct catalog_group_settings *groups; /* sorted by id */
	size_t group_count, group_capacity;
	uint32_t next_partition;
	int64_t next_producer_id;
	uint8_t cluster_uuid[CATALOG_UUID_BYTES];
	uint32_t shard, shard_count; /* whose partitions have their logs here */

	struct catalog *leader; /* NULL: this is the leader */
	struct catalog_follower **followers;
	size_t follower_count, follower_capacity;
	struct base_list feeds; /* events on their way to followers */
	struct base_list waiting; /* changes that followers have not applied yet */
	uint32_t promised_partition; /* next_partition, counting creations under way */
	int64_t promised_producer_id;
};

/* One record of the catalog in the log, decoded. docs/formats/catalog.md. */
enum catalog_event_kind {
	CATALOG_EVENT_CREATED = 1,
	CATALOG_EVENT_DELETED = 2,
	CATALOG_EVENT_ALTERED = 3,
	CATALOG_EVENT_PRODUCERS = 4, /* producer ids below producer_id are given out */
	CATALOG_EVENT_CLUSTER = 5, /* the cluster's uuid */
	CATALOG_EVENT_GROWN = 6, /* topic: the new count, and one span, of the new partitions */
	CATALOG_EVENT_QUOTA = 7,
	CATALOG_EVENT_GROUP = 8, /* the settings of a group that changed */
	CATALOG_EVENT_COLUMNS = 16, /* of a topic, by name: actions */
};

struct catalog_event {
	uint8_t kind;
	struct catalog_topic topic;
	uint32_t changed; /* altered, group: which settings */
	int64_t producer_id;
	struct catalog_quota quota;
	struct catalog_group_settings group;
	struct base_bytes actions; /* COLUMNS: borrowed from what was decoded */
};

enum { CATALOG_PARTITION_FIRST = 16 }; /* the log's ids below are its own */

void catalog_event_encode(const struct catalog_event *event, struct base_writer *writer);
/* PYR_CORRUPT; PYR_UNSUPPORTED_FEATURE: a newer version wrote it. */
pyr_result catalog_event_decode(struct base_reader *reader, struct catalog_event *ret_event);
pyr_result catalog_event_apply(struct catalog *catalog, const struct catalog_event *event);
struct catalog_topic *catalog_find(const struct catalog *catalog, const char *name, size_t name_bytes);
pyr_result catalog_quota_apply(struct catalog *catalog, const struct catalog_quota *quota);
pyr_result catalog_group_apply(struct catalog *catalog, const struct catalog_group_settings *group, uint32_t changed);

/* ---- follow.c ---- */

/* Takes a change from the loop it was asked for on to the leader's. */
void catalog_change_begin(struct catalog *home, struct catalog_change *change,
                          void (*carry_out_there)(struct catalog *leader, struct catalog_change *change));
/* It is decided: answers it at home when all followers have applied what the leader has. */
void catalog_change_finish(struct catalog *leader, struct catalog_change *change);
/* Sends an event to all followers, before the leader applies it. PYR_OUT_OF_MEMORY: to none. */
pyr_result catalog_feed(struct catalog *leader, const struct catalog_event *event);
void catalog_followers_free(struct catalog *leader);

/* Would every value do no harm? */
bool catalog_config_is_possible(const struct catalog_topic_config *config);
/* Those of `changed` from one config into another. */
void catalog_config_merge(struct catalog_topic_config *into, const struct catalog_topic_config *from, uint32_t changed);

#endif
