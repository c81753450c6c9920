/* AlterConfigs and IncrementalAlterConfigs: settings of topics and consumer groups, each resource a change of the catalog,
 * all under way together.
 *
 * The first gives all settings anew, the second some. Every resource is checked whole before it is changed. The node's can't
 * be changed while the server runs, and are refused with a sentence. Owner: the first shard's loop, which has the
 * coordinator's defaults. */
#include "server/kafka/kafka_priv.h"
#include "server/kafka/known_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Source: org.apache.kafka.clients.admin.AlterConfigOp.OpType. */
enum operation { OPERATION_SET, OPERATION_DELETE, OPERATION_APPEND, OPERATION_SUBTRACT };

enum { NAME_BYTES_MAX = 128, VALUE_BYTES_MAX = 256 };

/* One resource: both APIs have the same shape, but for the operation. */
struct alter_item {
	struct catalog_change change;
	struct alter_work *work;
	int8_t type;
	struct base_bytes name;
	int16_t *error_code;
	struct base_bytes *error_message;
};

struct alter_work {
	struct kafka_request *request;
	union {
		struct codec_kafka_alter_configs_response whole;
		struct codec_kafka_incremental_alter_configs_response some;
	} response;
	bool validate_only;
	size_t pending; /* changes under way, and 1 while they are being started */
	struct alter_item items[];
};

static void settle(struct alter_work *work)
{
	work->pending -= 1;
	if (work->pending == 0)
		kafka_request_reply(work->request, &work->response);
}

static void fail(struct alter_item *item, int16_t error_code, const char *text)
{
	*item->error_code = error_code;
	*item->error_message = kafka_text_copy(item->work->request, text);
}

static void on_altered(struct catalog_change *change)
{
	struct alter_item *item = BASE_CONTAINER(change, struct alter_item, change);
	const struct catalog *catalog = item->work->request->server->catalog;
	bool is_full = catalog_group_settings_count(catalog) >= CATALOG_GROUP_SETTINGS_MAX;
	if (change->result.code == PYR_BUSY && item->type == KAFKA_RESOURCE_GROUP && is_full)
		fail(item, kafka_error_of(PYR_POLICY_VIOLATION),
		     "there are as many groups with settings as there may be: 1000");
	else if (change->result.code != PYR_OK)
		fail(item, kafka_error_of(change->result.code), pyr_code_text(change->result.code));
	settle(item->work);
}

/* ---- one setting ---- */

static bool copy_text(struct base_bytes bytes, char *text, size_t room)
{
	if (!bytes.data || bytes.bytes >= room || memchr(bytes.data, 0, bytes.bytes))
		return false;
	memcpy(text, bytes.data, bytes.bytes);
	text[bytes.bytes] = '\0';
	return true;
}

/* The words of a list with those of `value` added or taken away. */
static void edit_list(const char *list, const char *value, bool append, char ret_list[VALUE_BYTES_MAX])
{
	size_t at = 0, value_bytes = strlen(value);
	ret_list[0] = '\0';
	for (const char *word = list; *word; word += strcspn(word, ",") + (word[strcspn(word, ",")] == ',')) {
		size_t bytes = strcspn(word, ",");
		if (bytes == value_bytes && memcmp(word, value, bytes) == 0)
			continue;
		at += (size_t)snprintf(ret_list + at, VALUE_BYTES_MAX - at, "%s%.*s", at > 0 ? "," : "", (int)bytes,
		                       word);
	}
	if (append)
		snprintf(ret_list + at, VALUE_BYTES_MAX - at, "%s%s", at > 0 ? "," : "", value);
}

static pyr_result alter_list(struct alter_item *item, const char *name, const char *value, bool append,
                             struct pyr_error *error)
{
	size_t i = catalog_setting_find(name);
	char now[32], then[VALUE_BYTES_MAX];
	if (i == catalog_setting_count() || catalog_setting_at(i).kind != CATALOG_SETTING_LIST)
		return pyr_fail(error, PYR_INVALID_CONFIG, "%s is not a list that can be added to or taken from", name);
	if (strlen(value) >= VALUE_BYTES_MAX / 2)
		return pyr_fail(error, PYR_INVALID_CONFIG, "the value for %s is too long", name);
	catalog_setting_format(&item->change.config, i, now);
	edit_list(now, value, append, then);
	return kafka_topic_setting_parse(&item->change.config, name, then, error);
}

/* A setting with one value only is at its default already. */
static pyr_result unset(struct alter_item *item, const char *name, struct pyr_error *error)
{
	size_t i = catalog_setting_find(name);
	if (i < catalog_setting_count()) {
		catalog_setting_unset(&item->change.config, i);
		return pyr_ok();
	}
	for (size_t k = 0; k < kafka_topic_setting_count(); k++)
		if (strcmp(kafka_topic_setting_at(k)->name, name) == 0)
			return pyr_ok();
	return pyr_fail(error, PYR_INVALID_CONFIG, "there is no topic setting %s", name);
}

static pyr_result alter_group(struct alter_item *item, const char *name, const char *value, int8_t operation,
                              struct pyr_error *error)
{
	enum catalog_group_key key;
	if (operation != OPERATION_SET && operation != OPERATION_DELETE)
		return pyr_fail(error, PYR_INVALID_CONFIG, "%s is not a list that can be added to or taken from", name);
	PYR_TRY(kafka_group_setting_parse(&item->change.group, name, operation == OPERATION_SET ? value : NULL, &key,
	                                  error));
	item->change.changed |= 1u << key;
	return pyr_ok();
}

static pyr_result alter_one(struct alter_item *item, struct base_bytes name_bytes, struct base_bytes value_bytes,
                            int8_t operation, struct pyr_error *error)
{
	char name[NAME_BYTES_MAX], value[VALUE_BYTES_MAX] = "";
	bool has_value = copy_text(value_bytes, value, sizeof value);
	if (!copy_text(name_bytes, name, sizeof name) || (operation != OPERATION_DELETE && !has_value))
		return pyr_fail(error, PYR_INVALID_CONFIG, "a setting's name or value is missing or too long");
	if (item->type == KAFKA_RESOURCE_GROUP)
		return alter_group(item, name, value, operation, error);
	size_t i = catalog_setting_find(name);
	if (i < catalog_setting_count())
		item->change.changed |= 1u << i;
	switch (operation) {
	case OPERATION_SET:
		return kafka_topic_setting_parse(&item->change.config, name, value, error);
	case OPERATION_DELETE:
		return unset(item, name, error);
	case OPERATION_APPEND:
	case OPERATION_SUBTRACT:
		return alter_list(item, name, value, operation == OPERATION_APPEND, error);
	default:
		return pyr_fail(error, PYR_INVALID_CONFIG, "operation %d is not known", operation);
	}
}

/* ---- one resource ---- */

/* Whether there is a group of this name does not matter: it may come. */
static bool begin_group(struct alter_item *item)
{
	struct kafka_request *request = item->work->request;
	struct catalog_group_settings *group = &item->change.group;
	pyr_result allowed = catalog_authorize(request->server->catalog, &request->principal, CATALOG_ALTER, NULL);
	if (allowed.code != PYR_OK) {
		fail(item, kafka_error_of(allowed.code), "you may not change settings of groups");
		return false;
	}
	if (item->name.bytes == 0 || !copy_text(item->name, group->group, sizeof group->group)) {
		fail(item, KAFKA_INVALID_REQUEST, "a group with settings has a name of 1 to 249 bytes");
		return false;
	}
	const struct catalog_group_settings *now = catalog_group_settings_find(request->server->catalog, item->name);
	if (now)
		*group = *now;
	return true;
}

/* The topic or group that it names: its settings are where the change begins. False: refused. */
static bool begin_item(struct alter_item *item)
{
	struct kafka_request *request = item->work->request;
	int16_t error_code;
	item->change.done = on_altered;
	if (item->type == KAFKA_RESOURCE_GROUP)
		return begin_group(item);
	if (item->type != KAFKA_RESOURCE_TOPIC) {
		fail(item,
		     item->type == KAFKA_RESOURCE_BROKER ? kafka_error_of(PYR_INVALID_CONFIG) : KAFKA_INVALID_REQUEST,
		     "only topics and groups have settings that can be changed while the server runs: give it options "
		     "at its start");
		return false;
	}
	const struct catalog_topic *topic = kafka_topic_find(request, item->name, NULL, CATALOG_ALTER, &error_code);
	if (!topic) {
		fail(item, error_code,
		     error_code == kafka_error_of(PYR_INVALID_TOPIC) ? "this topic is the server's own"
		                                                     : "there is no topic of this name");
		return false;
	}
	memcpy(item->change.name, topic->name, sizeof item->change.name);
	item->change.config = topic->config;
	return true;
}

static void start_change(struct alter_item *item)
{
	struct catalog *catalog = item->work->request->server->catalog;
	item->work->pending += 1;
	if (item->type == KAFKA_RESOURCE_GROUP)
		catalog_group_alter(catalog, &item->change);
	else
		catalog_topic_alter(catalog, &item->change);
}

static void finish_item(struct alter_item *item, pyr_result result, struct pyr_error *error)
{
	if (result.code == PYR_OK && item->type == KAFKA_RESOURCE_GROUP)
		result = kafka_group_settings_check(
			&item->change.group,
			group_coordinator_options(item->work->request->server->options.coordinator), error);
	if (result.code != PYR_OK) {
		fail(item, kafka_error_of(result.code), error->text);
	} else if (!item->work->validate_only && item->change.changed != 0) {
		start_change(item);
	}
}

static struct alter_work *work_new(struct kafka_request *request, size_t count)
{
	if (count > KAFKA_CHANGES_MAX) {
		kafka_request_fail(request, "it changes too many resources at once");
		return NULL;
	}
	struct alter_work *work = calloc(1, sizeof *work + count * sizeof work->items[0]);
	request->work = work;
	if (!work) {
		kafka_request_fail(request, "out of memory");
		return NULL;
	}
	work->request = request;
	work->pending = 1;
	return work;
}

/* What both APIs have alike, of one resource and its answer. */
#define INIT_ITEM(item, the_work, resource, answer)                                                                    \
	do {                                                                                                           \
		(answer)->resource_type = (resource)->resource_type;                                                   \
		(answer)->resource_name = (resource)->resource_name;                                                   \
		(item)->work = (the_work);                                                                             \
		(item)->type = (resource)->resource_type;                                                              \
		(item)->name = (resource)->resource_name;                                                              \
		(item)->error_code = &(answer)->error_code;                                                            \
		(item)->error_message = &(answer)->error_message;                                                      \
	} while (0)

static void alter_whole(struct alter_item *item, const struct codec_kafka_alter_configs_request_resource *resource)
{
	struct pyr_error error = {0};
	pyr_result result = pyr_ok();
	if (!begin_item(item))
		return;
	item->change.config = catalog_topic_config_default();
	item->change.group.set = 0;
	memset(item->change.group.values, 0, sizeof item->change.group.values);
	for (size_t i = 0; i < resource->configs_count && result.code == PYR_OK; i++)
		result = alter_one(item, resource->configs[i].name, resource->configs[i].value, OPERATION_SET, &error);
	item->change.changed = UINT32_MAX; /* who is not named goes back to its default */
	finish_item(item, result, &error);
}

void kafka_alter_configs(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_alter_configs_request *asked = message;
	struct codec_kafka_alter_configs_response_response *answers =
		kafka_request_alloc(request, asked->resources_count, sizeof *answers);
	struct alter_work *work = answers ? work_new(request, asked->resources_count) : NULL;
	if (!work)
		return;
	work->validate_only = asked->validate_only;
	work->response.whole.responses = answers;
	work->response.whole.responses_count = asked->resources_count;
	for (size_t i = 0; i < asked->resources_count; i++) {
		INIT_ITEM(&work->items[i], work, &asked->resources[i], &answers[i]);
		alter_whole(&work->items[i], &asked->resources[i]);
	}
	settle(work);
}

static void alter_some(struct alter_item *item,
                       const struct codec_kafka_incremental_alter_configs_request_resource *resource)
{
	struct pyr_error error = {0};
	pyr_result result = pyr_ok();
	if (!begin_item(item))
		return;
	for (size_t i = 0; i < resource->configs_count && result.code == PYR_OK; i++)
		result = alter_one(item, resource->configs[i].name, resource->configs[i].value,
		                   resource->configs[i].operation, &error);
	finish_item(item, result, &error);
}

void kafka_incremental_alter_configs(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_incremental_alter_configs_request *asked = message;
	struct codec_kafka_incremental_alter_configs_response_response *answers =
		kafka_request_alloc(request, asked->resources_count, sizeof *answers);
	struct alter_work *work = answers ? work_new(request, asked->resources_count) : NULL;
	if (!work)
		return;
	work->validate_only = asked->validate_only;
	work->response.some.responses = answers;
	work->response.some.responses_count = asked->resources_count;
	for (size_t i = 0; i < asked->resources_count; i++) {
		INIT_ITEM(&work->items[i], work, &asked->resources[i], &answers[i]);
		alter_some(&work->items[i], &asked->resources[i]);
	}
	settle(work);
}
