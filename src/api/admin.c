/* Topics' settings, partitions and records (see pyralog/admin.h): what both ways share. */
#include "api/admin.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

enum { SETTINGS_MAX = 64 };

static const struct api_admin_ways *ways_of(const struct pyralog *log)
{
	return log->ways->admin;
}

/* The list ends with a setting without a name, so that it can be freed without its length. */
pyr_result api_settings_add(struct api_settings *settings, struct base_bytes name, struct base_bytes value, bool is_set)
{
	if (!base_array_reserve(&settings->settings, &settings->room, settings->count + 2, sizeof *settings->settings))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	char *name_copy = strndup((const char *)name.data, name.bytes);
	char *value_copy = strndup(value.data ? (const char *)value.data : "", value.bytes);
	if (!name_copy || !value_copy) {
		free(name_copy);
		free(value_copy);
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	settings->settings[settings->count++] = (struct pyr_setting){name_copy, value_copy, is_set};
	settings->settings[settings->count] = (struct pyr_setting){NULL, NULL, 0};
	return pyr_ok();
}

void pyr_settings_free(struct pyr_setting *settings)
{
	for (size_t i = 0; settings && settings[i].name; i++) {
		free((void *)(uintptr_t)settings[i].name);
		free((void *)(uintptr_t)settings[i].value);
	}
	free(settings);
}

/* A name that no topic can have is one that there is not. */
static enum pyr_status check_topic(const char *topic, struct pyr_failure *failure)
{
	if (topic && topic[0] && strlen(topic) <= API_TOPIC_BYTES_MAX)
		return PYR_STATUS_OK;
	return api_fail(failure, PYR_STATUS_NOT_FOUND, "", "%s", pyr_code_text(PYR_UNKNOWN_PARTITION));
}

static enum pyr_status check_settings(const struct pyr_setting *settings, size_t count, struct pyr_failure *failure)
{
	if (count == 0 || count > SETTINGS_MAX)
		return api_fail(failure, PYR_STATUS_USAGE, "", "give 1 to %d settings", SETTINGS_MAX);
	for (size_t i = 0; i < count; i++)
		if (!settings[i].name || !settings[i].name[0])
			return api_fail(failure, PYR_STATUS_USAGE, "", "a setting has no name");
	return PYR_STATUS_OK;
}

enum pyr_status pyr_topic_settings(struct pyralog *log, const char *topic, struct pyr_setting **ret_settings,
                                   size_t *ret_count, struct pyr_failure *failure)
{
	struct api_settings settings = {0};
	struct pyr_error error = {0};
	enum pyr_status status = check_topic(topic, failure);
	if (status == PYR_STATUS_OK)
		status = api_settle(ways_of(log)->settings(log, topic, &settings, &error), &error, failure);
	if (status != PYR_STATUS_OK) {
		pyr_settings_free(settings.settings);
		return status;
	}
	*ret_settings = settings.settings;
	*ret_count = settings.count;
	return PYR_STATUS_OK;
}

enum pyr_status pyr_topic_alter(struct pyralog *log, const char *topic, const struct pyr_setting *settings,
                                size_t count, struct pyr_failure *failure)
{
	struct pyr_error error = {0};
	enum pyr_status status = check_topic(topic, failure);
	if (status == PYR_STATUS_OK)
		status = check_settings(settings, count, failure);
	return status == PYR_STATUS_OK
	               ? api_settle(ways_of(log)->alter(log, topic, settings, count, &error), &error, failure)
	               : status;
}

enum pyr_status pyr_topic_grow(struct pyralog *log, const char *topic, unsigned partitions, struct pyr_failure *failure)
{
	struct pyr_error error = {0};
	enum pyr_status status = check_topic(topic, failure);
	if (status == PYR_STATUS_OK && (partitions == 0 || partitions > INT32_MAX))
		return api_fail(failure, PYR_STATUS_USAGE, "", "%s", pyr_code_text(PYR_INVALID_PARTITIONS));
	return status == PYR_STATUS_OK ? api_settle(ways_of(log)->grow(log, topic, partitions, &error), &error, failure)
	                               : status;
}

static pyr_result find_partition(struct pyralog *log, const char *topic, int32_t partition, struct pyr_error *error)
{
	uint32_t count;
	PYR_TRY(ways_of(log)->partitions(log, topic, &count, error));
	if (partition < 0 || (uint32_t)partition >= count)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no partition %d of a topic %s", partition,
		                topic);
	return pyr_ok();
}

enum pyr_status pyr_topic_range(struct pyralog *log, const char *topic, int32_t partition, int64_t *ret_start,
                                int64_t *ret_end, struct pyr_failure *failure)
{
	struct pyr_error error = {0};
	int64_t start = 0, end = 0;
	enum pyr_status status = check_topic(topic, failure);
	if (status != PYR_STATUS_OK)
		return status;
	pyr_result result = find_partition(log, topic, partition, &error);
	if (result.code == PYR_OK)
		result = ways_of(log)->range(log, topic, partition, &start, &end, &error);
	if (result.code == PYR_OK) {
		*ret_start = start;
		*ret_end = end;
	}
	return api_settle(result, &error, failure);
}

enum pyr_status pyr_records_delete(struct pyralog *log, const char *topic, int32_t partition, int64_t offset,
                                   struct pyr_failure *failure)
{
	struct pyr_error error = {0};
	enum pyr_status status = check_topic(topic, failure);
	if (status != PYR_STATUS_OK)
		return status;
	pyr_result result = offset < PYR_LATEST
	                            ? pyr_fail(&error, PYR_OFFSET_OUT_OF_RANGE, "%lld is no offset", (long long)offset)
	                            : find_partition(log, topic, partition, &error);
	if (result.code == PYR_OK)
		result = ways_of(log)->delete_records(log, topic, partition, offset, &error);
	return api_settle(result, &error, failure);
}

enum pyr_status pyr_group_alter(struct pyralog *log, const char *group, const struct pyr_setting *settings,
                                size_t count, struct pyr_failure *failure)
{
	struct pyr_error error = {0};
	if (!group || !group[0] || strlen(group) > API_TOPIC_BYTES_MAX)
		return api_fail(failure, PYR_STATUS_USAGE, "", "a group with settings has a name of 1 to %d bytes",
		                API_TOPIC_BYTES_MAX);
	enum pyr_status status = check_settings(settings, count, failure);
	return status == PYR_STATUS_OK
	               ? api_settle(ways_of(log)->alter_group(log, group, settings, count, &error), &error, failure)
	               : status;
}
