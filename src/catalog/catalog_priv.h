/* The catalog's insides, shared by its files. */
#ifndef PYRALOG_CATALOG_CATALOG_PRIV_H
#define PYRALOG_CATALOG_CATALOG_PRIV_H

#include "base/cursor.h"
#include "catalog/catalog.h"

struct catalog {
	struct os_loop *loop;
	struct log *log; /* NULL until catalog_attach() */
	struct base_table by_name;
	struct base_table by_uuid;
	uint64_t version;
	enum log_durability durability; /* of topics that do not set their own */
	uint32_t next_partition;
	int64_t next_producer_id;
	uint8_t cluster_uuid[CATALOG_UUID_BYTES];
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
};

struct catalog_event {
	uint8_t kind;
	struct catalog_topic topic;
	int64_t producer_id;
};

void catalog_event_encode(const struct catalog_event *event, struct base_writer *writer);
pyr_result catalog_event_decode(struct base_reader *reader, struct catalog_event *ret_event);
pyr_result catalog_event_apply(struct catalog *catalog, const struct catalog_event *event);
struct catalog_topic *catalog_find(const struct catalog *catalog, const char *name, size_t name_bytes);
/* Is every value one that catalog_setting_parse() could have made? */
bool catalog_config_is_possible(const struct catalog_topic_config *config);

#endif
