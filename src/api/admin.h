/* What the two ways each do for pyralog/admin.h. Arguments are checked before. Any thread. */
#ifndef PYRALOG_API_ADMIN_H
#define PYRALOG_API_ADMIN_H

#include "api/api_priv.h"
#include "pyralog/admin.h"

struct api_settings {
	struct pyr_setting *settings;
	size_t count, room;
};

/* One more, copied. */
pyr_result api_settings_add(struct api_settings *settings, struct base_bytes name, struct base_bytes value,
                            bool is_set);

struct api_admin_ways {
	/* Calls api_settings_add() for each of the catalog's. */
	pyr_result (*settings)(struct pyralog *log, const char *topic, struct api_settings *settings,
	                       struct pyr_error *error);
	pyr_result (*alter)(struct pyralog *log, const char *topic, const struct pyr_setting *settings, size_t count,
	                    struct pyr_error *error);
	pyr_result (*grow)(struct pyralog *log, const char *topic, unsigned partitions, struct pyr_error *error);
	/* PYR_UNKNOWN_PARTITION. */
	pyr_result (*partitions)(struct pyralog *log, const char *topic, uint32_t *ret_partitions,
	                         struct pyr_error *error);
	/* Of a partition below what `partitions` said. */
	pyr_result (*range)(struct pyralog *log, const char *topic, int32_t partition, int64_t *ret_start,
	                    int64_t *ret_end, struct pyr_error *error);
	pyr_result (*delete_records)(struct pyralog *log, const char *topic, int32_t partition, int64_t offset,
	                             struct pyr_error *error);
	pyr_result (*alter_group)(struct pyralog *log, const char *group, const struct pyr_setting *settings,
	                          size_t count, struct pyr_error *error);
	/* A question to the groups' coordinator; `take` gets the decoded response, which lives for the call. */
	pyr_result (*ask)(struct pyralog *log, const char *group, int16_t key, int16_t version, const void *message,
	                  pyr_result (*take)(void *context, const void *response, struct pyr_error *error),
	                  void *context, struct pyr_error *error);
};

extern const struct api_admin_ways embedded_admin, remote_admin;

#endif
