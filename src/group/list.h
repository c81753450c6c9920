/* All groups as rows: every partition that a group has committed an offset for, or that a member of it has. On the
 * coordinator's loop. */
#ifndef PYRALOG_GROUP_LIST_H
#define PYRALOG_GROUP_LIST_H

#include "group/coordinator.h"

struct group_row {
	char group[CATALOG_NAME_MAX + 1], topic[CATALOG_NAME_MAX + 1];
	int32_t partition; /* -1: the group has none at all, and no topic */
	int64_t committed; /* -1: nothing */
	char member[CATALOG_NAME_MAX + 1], client[CATALOG_NAME_MAX + 1]; /* who has it; "": nobody */
	const char *state; /* a literal: "Stable" */
	const char *protocol; /* "classic", "consumer" */
};

/* For the caller to free(). Longer names are cut. PYR_BUSY: the groups are not read yet, or can't be; PYR_OUT_OF_MEMORY. */
pyr_result group_coordinator_list(const struct group_coordinator *coordinator, struct group_row **ret_rows,
                                  size_t *ret_count);

/* An offset that a group has committed; borrowed. */
struct group_committed {
	struct base_bytes group, topic;
	int32_t partition;
	int64_t offset;
};

/* Every one, group by group, until `visit` says that it wants no more; none while the groups are not read. */
void group_coordinator_each_offset(const struct group_coordinator *coordinator,
                                   bool (*visit)(void *context, const struct group_committed *committed),
                                   void *context);

#endif
