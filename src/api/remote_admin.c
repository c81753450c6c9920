/* pyralog/admin.h on a server, by Kafka's requests. Lock: the connection's (remote.h), held for each question. */
#include "api/admin.h"
#include "api/remote.h"

#include "catalog/catalog.h"
#include "codec/kafka/messages.h"

#include <stdlib.h>
#include <string.h>

enum {
	TIMEOUT_MS = 30000,
	RESOURCE_TOPIC = 2,
	RESOURCE_GROUP = 32,
	SOURCE_TOPIC = 1,
	SETTINGS_MAX = 64,
	NAME_MAX = 128
};
enum { OPERATION_SET, OPERATION_DELETE };

static struct base_bytes text(const char *name)
{
	return (struct base_bytes){(const uint8_t *)name, strlen(name)};
}

/* What the server says, if it says something. */
static pyr_result refuse(int16_t code, struct base_bytes why, const char *name, struct pyr_error *error)
{
	if (code == 0)
		return pyr_ok();
	if (why.bytes == 0)
		return remote_refused(code, name, error);
	return pyr_fail(error, api_code_of_kafka(code), "%s: %.*s", name, (int)why.bytes, (const char *)why.data);
}

/* ---- settings ---- */

struct telling {
	const char *topic;
	struct api_settings *settings;
};

/* Kafka has settings that mean nothing here: those that the catalog keeps are told. */
static bool is_ours(struct base_bytes name)
{
	char copy[NAME_MAX];
	if (name.bytes >= sizeof copy)
		return false;
	memcpy(copy, name.data, name.bytes);
	copy[name.bytes] = '\0';
	return catalog_setting_find(copy) < catalog_setting_count();
}

static pyr_result take_settings(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_describe_configs_response *response = message;
	struct telling *telling = admin->take_context;
	for (size_t i = 0; i < response->results_count; i++) {
		const struct codec_kafka_describe_configs_response_result *result = &response->results[i];
		PYR_TRY(refuse(result->error_code, result->error_message, telling->topic, error));
		for (size_t k = 0; k < result->configs_count; k++)
			if (is_ours(result->configs[k].name))
				PYR_TRY(api_settings_add(telling->settings, result->configs[k].name,
				                         result->configs[k].value,
				                         result->configs[k].config_source == SOURCE_TOPIC));
	}
	return pyr_ok();
}

static int by_place(const void *a, const void *b)
{
	size_t left = catalog_setting_find(((const struct pyr_setting *)a)->name);
	size_t right = catalog_setting_find(((const struct pyr_setting *)b)->name);
	return (left > right) - (left < right);
}

static pyr_result settings(struct pyralog *log, const char *topic, struct api_settings *settings,
                           struct pyr_error *error)
{
	struct codec_kafka_describe_configs_request request = codec_kafka_describe_configs_request_default;
	struct codec_kafka_describe_configs_request_resource resource =
		codec_kafka_describe_configs_request_resource_default;
	struct telling telling = {topic, settings};
	resource.resource_type = RESOURCE_TOPIC;
	resource.resource_name = text(topic);
	request.resources = &resource;
	request.resources_count = 1;
	PYR_TRY(remote_ask(log, CODEC_KAFKA_DESCRIBE_CONFIGS, &request, take_settings, &telling, error));
	if (settings->count > 0)
		qsort(settings->settings, settings->count, sizeof *settings->settings, by_place);
	return pyr_ok();
}

static pyr_result take_altered(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_incremental_alter_configs_response *response = message;
	for (size_t i = 0; i < response->responses_count; i++)
		PYR_TRY(refuse(response->responses[i].error_code, response->responses[i].error_message,
		               admin->take_context, error));
	return pyr_ok();
}

static pyr_result alter_resource(struct pyralog *log, int8_t type, const char *name, const struct pyr_setting *settings,
                                 size_t count, struct pyr_error *error)
{
	struct codec_kafka_incremental_alter_configs_request request =
		codec_kafka_incremental_alter_configs_request_default;
	struct codec_kafka_incremental_alter_configs_request_resource resource =
		codec_kafka_incremental_alter_configs_request_resource_default;
	struct codec_kafka_incremental_alter_configs_request_config configs[SETTINGS_MAX];
	for (size_t i = 0; i < count; i++) {
		configs[i] = codec_kafka_incremental_alter_configs_request_config_default;
		configs[i].name = text(settings[i].name);
		configs[i].operation = settings[i].value ? OPERATION_SET : OPERATION_DELETE;
		configs[i].value = settings[i].value ? text(settings[i].value) : (struct base_bytes){NULL, 0};
	}
	resource.resource_type = type;
	resource.resource_name = text(name);
	resource.configs = configs;
	resource.configs_count = count;
	request.resources = &resource;
	request.resources_count = 1;
	return remote_ask(log, CODEC_KAFKA_INCREMENTAL_ALTER_CONFIGS, &request, take_altered, (void *)(uintptr_t)name,
	                  error);
}

static pyr_result alter(struct pyralog *log, const char *topic, const struct pyr_setting *settings, size_t count,
                        struct pyr_error *error)
{
	return alter_resource(log, RESOURCE_TOPIC, topic, settings, count, error);
}

static pyr_result alter_group(struct pyralog *log, const char *group, const struct pyr_setting *settings, size_t count,
                              struct pyr_error *error)
{
	return alter_resource(log, RESOURCE_GROUP, group, settings, count, error);
}

/* ---- partitions ---- */

static pyr_result take_grown(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_create_partitions_response *response = message;
	for (size_t i = 0; i < response->results_count; i++)
		PYR_TRY(refuse(response->results[i].error_code, response->results[i].error_message, admin->take_context,
		               error));
	return pyr_ok();
}

static pyr_result grow(struct pyralog *log, const char *name, unsigned partitions, struct pyr_error *error)
{
	struct codec_kafka_create_partitions_request request = codec_kafka_create_partitions_request_default;
	struct codec_kafka_create_partitions_request_topic topic = codec_kafka_create_partitions_request_topic_default;
	topic.name = text(name);
	topic.count = (int32_t)partitions;
	request.topics = &topic;
	request.topics_count = 1;
	request.timeout_ms = TIMEOUT_MS;
	return remote_ask(log, CODEC_KAFKA_CREATE_PARTITIONS, &request, take_grown, (void *)(uintptr_t)name, error);
}

static pyr_result partitions(struct pyralog *log, const char *topic, uint32_t *ret_partitions, struct pyr_error *error)
{
	struct remote *remote = remote_of(log);
	os_mutex_lock(&remote->lock);
	pyr_result result = client_admin_topic(&remote->link.admin, topic, ret_partitions, error);
	os_mutex_unlock(&remote->lock);
	if (result.code == PYR_OK && *ret_partitions == 0)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no topic %s", topic);
	return result;
}

static pyr_result range(struct pyralog *log, const char *topic, int32_t partition, int64_t *ret_start, int64_t *ret_end,
                        struct pyr_error *error)
{
	struct remote *remote = remote_of(log);
	struct client_range found;
	os_mutex_lock(&remote->lock);
	pyr_result result = remote_range(&remote->link, topic, partition, &found, error);
	os_mutex_unlock(&remote->lock);
	*ret_start = result.code == PYR_OK ? found.start : *ret_start;
	*ret_end = result.code == PYR_OK ? found.end : *ret_end;
	return result;
}

static pyr_result take_records_deleted(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_delete_records_response *response = message;
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t k = 0; k < response->topics[i].partitions_count; k++)
			PYR_TRY(refuse(response->topics[i].partitions[k].error_code, (struct base_bytes){NULL, 0},
			               admin->take_context, error));
	return pyr_ok();
}

static pyr_result delete_records(struct pyralog *log, const char *name, int32_t partition, int64_t offset,
                                 struct pyr_error *error)
{
	struct codec_kafka_delete_records_request_partition part = {.index = partition, .offset = offset};
	struct codec_kafka_delete_records_request_topic topic = {
		.name = text(name), .partitions = &part, .partitions_count = 1};
	struct codec_kafka_delete_records_request request = {
		.topics = &topic, .topics_count = 1, .timeout_ms = TIMEOUT_MS};
	return remote_ask(log, CODEC_KAFKA_DELETE_RECORDS, &request, take_records_deleted, (void *)(uintptr_t)name,
	                  error);
}

/* ---- the coordinator ---- */

struct question {
	pyr_result (*take)(void *context, const void *response, struct pyr_error *error);
	void *context;
};

static pyr_result take_answer(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct question *question = admin->take_context;
	return question->take(question->context, message, error);
}

/* In the version that client/admin.c agreed on, which is that one. */
static pyr_result ask(struct pyralog *log, const char *group, int16_t key, int16_t version, const void *message,
                      pyr_result (*take)(void *context, const void *response, struct pyr_error *error), void *context,
                      struct pyr_error *error)
{
	struct remote *remote = remote_of(log);
	struct question question = {take, context};
	(void)version;
	os_mutex_lock(&remote->lock);
	pyr_result result = client_admin_coordinator(&remote->link.admin, group, error);
	if (result.code == PYR_OK)
		result = client_admin_ask(&remote->link.admin, key, message, take_answer, &question, error);
	os_mutex_unlock(&remote->lock);
	return result;
}

const struct api_admin_ways remote_admin = {
	settings, alter, grow, partitions, range, delete_records, alter_group, ask,
};
