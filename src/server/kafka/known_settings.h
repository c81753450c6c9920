/* Kafka's settings as clients know them: of topics (those that the catalog keeps, and those that only have one value here),
 * of consumer groups and of this node. Pure; any thread. */
#ifndef PYRALOG_SERVER_KAFKA_KNOWN_SETTINGS_H
#define PYRALOG_SERVER_KAFKA_KNOWN_SETTINGS_H

#include "base/error.h"
#include "catalog/catalog.h"
#include "group/coordinator.h"

#include <stddef.h>
#include <stdint.h>

/* Source: org.apache.kafka.common.requests.DescribeConfigsResponse.ConfigType. */
enum kafka_setting_type {
	KAFKA_TYPE_BOOLEAN = 1,
	KAFKA_TYPE_STRING = 2,
	KAFKA_TYPE_INT = 3,
	KAFKA_TYPE_LONG = 5,
	KAFKA_TYPE_DOUBLE = 6,
	KAFKA_TYPE_LIST = 7,
};

/* What a group's settings may be. Source: as "Group Configs", but for Kafka's bounds, which are its node's. */
enum {
	KAFKA_GROUP_HEARTBEAT_MIN_MS = 100,
	KAFKA_GROUP_HEARTBEAT_MAX_MS = 60000,
	KAFKA_GROUP_SESSION_MIN_MS = 100,
	KAFKA_GROUP_SESSION_MAX_MS = 3600000,
};

struct kafka_known_setting {
	const char *name;
	const char *node_name; /* the node's setting that is a topic's default; NULL: there is none */
	int8_t type;
	const char *value; /* NULL: the catalog keeps it */
	const char *text; /* NULL: the catalog has it */
};

/* Of topics, all of them. */
size_t kafka_topic_setting_count(void);
const struct kafka_known_setting *kafka_topic_setting_at(size_t i);
/* Sets one of a topic: into the config, or nothing if its one value was given. PYR_INVALID_CONFIG with a sentence. */
pyr_result kafka_topic_setting_parse(struct catalog_topic_config *config, const char *name, const char *value,
                                     struct pyr_error *error);

/* Of consumer groups: sets one, or, with value NULL, goes back to the default; *ret_key: which. PYR_INVALID_CONFIG with a
 * sentence. */
pyr_result kafka_group_setting_parse(struct catalog_group_settings *settings, const char *name, const char *value,
                                     enum catalog_group_key *ret_key, struct pyr_error *error);

/* What will hold for the group, with the node's where it has none: it must hear of its members before it gives them up.
 * PYR_INVALID_CONFIG. */
pyr_result kafka_group_settings_check(const struct catalog_group_settings *group, const struct group_options *options,
                                      struct pyr_error *error);

/* Of the node, whose values are the same on each. */
size_t kafka_node_setting_count(void);
const struct kafka_known_setting *kafka_node_setting_at(size_t i);

#endif
