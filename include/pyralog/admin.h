/* What a program does with topics and consumer groups besides reading and writing: settings, more partitions, records deleted,
 * lag, offsets. The same on a node in this process and on a server; errors, ownership and threads as pyralog.h says. */
#ifndef PYRALOG_ADMIN_H
#define PYRALOG_ADMIN_H

#include <pyralog/pyralog.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- topics ---- */

/* "retention.ms" and "3600000", as Kafka names and writes them. */
struct pyr_setting {
	const char *name;
	const char *value; /* to alter, NULL: back to the default */
	int is_set; /* told only: it was given, and is not the default */
};

/* The settings that a topic can have, in the node's order; for pyr_settings_free(). PYR_STATUS_NOT_FOUND. */
PYR_CHECKED enum pyr_status pyr_topic_settings(struct pyralog *log, const char *topic,
                                               struct pyr_setting **ret_settings, size_t *ret_count,
                                               struct pyr_failure *failure);
PYR_API void pyr_settings_free(struct pyr_setting *settings);
/* All of them, or none; they are in force when it returns. PYR_STATUS_USAGE names the setting that is not right. */
PYR_CHECKED enum pyr_status pyr_topic_alter(struct pyralog *log, const char *topic, const struct pyr_setting *settings,
                                            size_t count, struct pyr_failure *failure);
/* More partitions, so many in all. Keys may go to others from then on. PYR_STATUS_USAGE: there are as many, or more. */
PYR_CHECKED enum pyr_status pyr_topic_grow(struct pyralog *log, const char *topic, unsigned partitions,
                                           struct pyr_failure *failure);
/* The first offset that can be read, and the one that the next record gets. PYR_STATUS_NOT_FOUND. */
PYR_CHECKED enum pyr_status pyr_topic_range(struct pyralog *log, const char *topic, int32_t partition,
                                            int64_t *ret_start, int64_t *ret_end, struct pyr_failure *failure);
/* Deletes a partition's records below an offset, or all (PYR_LATEST), for good. PYR_STATUS_OUT_OF_RANGE: it is not there. */
PYR_CHECKED enum pyr_status pyr_records_delete(struct pyralog *log, const char *topic, int32_t partition,
                                               int64_t offset, struct pyr_failure *failure);

/* ---- consumer groups ---- */

struct pyr_group {
	const char *name;
	const char *state, *protocol; /* as Kafka names them: "Stable", "Empty" ...; "consumer" or "classic" */
};

/* By name; for pyr_groups_free(). Asks by SQL, as pyr_group_describe() does: pyralog.consumer_groups. */
PYR_CHECKED enum pyr_status pyr_group_list(struct pyralog *log, struct pyr_group **ret_groups, size_t *ret_count,
                                           struct pyr_failure *failure);
PYR_API void pyr_groups_free(struct pyr_group *groups);

/* A partition that the group has committed an offset for, or that a member has. */
struct pyr_group_partition {
	const char *topic;
	int32_t partition;
	int64_t committed; /* where the group goes on; -1: nothing is committed */
	int64_t end; /* of the partition */
	int64_t lag, lag_ms; /* records that are not consumed, and how old the oldest of them is; -1: nobody knows */
	const char *member, *client; /* who has it; NULL: nobody */
};

/* By topic and partition; for pyr_group_partitions_free(). PYR_STATUS_NOT_FOUND: there is no such group. */
PYR_CHECKED enum pyr_status pyr_group_describe(struct pyralog *log, const char *group,
                                               struct pyr_group_partition **ret_partitions, size_t *ret_count,
                                               struct pyr_failure *failure);
PYR_API void pyr_group_partitions_free(struct pyr_group_partition *partitions);

/* Where a group without members goes on: an offset, PYR_EARLIEST or PYR_LATEST, in one partition, or in all (-1). Makes the group
 * if there is none. PYR_STATUS_BUSY: it has members. PYR_STATUS_OUT_OF_RANGE. */
PYR_CHECKED enum pyr_status pyr_group_reset(struct pyralog *log, const char *group, const char *topic,
                                            int32_t partition, int64_t offset, struct pyr_failure *failure);
/* Forgets what the group has committed of a topic. PYR_STATUS_BUSY: a member is subscribed to it. */
PYR_CHECKED enum pyr_status pyr_group_forget(struct pyralog *log, const char *group, const char *topic,
                                             struct pyr_failure *failure);
/* PYR_STATUS_BUSY: it has members. PYR_STATUS_NOT_FOUND. */
PYR_CHECKED enum pyr_status pyr_group_delete(struct pyralog *log, const char *group, struct pyr_failure *failure);
/* "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"; of a group that may not be there yet. */
PYR_CHECKED enum pyr_status pyr_group_alter(struct pyralog *log, const char *group, const struct pyr_setting *settings,
                                            size_t count, struct pyr_failure *failure);

#ifdef __cplusplus
}
#endif

#endif
