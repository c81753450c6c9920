/* Topics and settings of a node in this process: each a change of the catalog, asked for on shard 0's loop.
 *
 * Failure modes: what the catalog says; nothing is changed in part. Lock: a change's own, which makes its caller wait. */
#include "api/embedded.h"
#include "base/table.h"
#include "node/ask.h"
#include "server/kafka/known_settings.h"

#include <stdlib.h>
#include <string.h>

enum { PARTITIONS = 4 };

/* On its caller's stack until it is answered. */
struct change {
	struct os_task task;
	struct node *node;
	void (*begin)(struct catalog *catalog, struct catalog_change *change);
	enum catalog_action action;
	struct catalog_change change;
	struct embedded_wait wait;
	/* alter: read on the loop, where what is there is known */
	const struct pyr_setting *settings;
	size_t setting_count;
	struct pyr_error *error;
};

static void on_changed(struct catalog_change *change)
{
	embedded_wait_end(&BASE_CONTAINER(change, struct change, change)->wait);
}

/* ---- what is altered ---- */

static pyr_result read_topic_settings(struct change *change, const struct catalog *catalog)
{
	struct catalog_change *altered = &change->change;
	const struct catalog_topic *topic = catalog_topic_find(catalog, altered->name, strlen(altered->name));
	if (!topic)
		return pyr_result_of(PYR_UNKNOWN_PARTITION);
	altered->config = topic->config;
	for (size_t i = 0; i < change->setting_count; i++) {
		const struct pyr_setting *setting = &change->settings[i];
		size_t place = catalog_setting_find(setting->name);
		if (!setting->value && place < catalog_setting_count())
			catalog_setting_unset(&altered->config, place);
		else
			PYR_TRY(kafka_topic_setting_parse(&altered->config, setting->name,
			                                  setting->value ? setting->value : "", change->error));
		if (place < catalog_setting_count())
			altered->changed |= 1u << place;
	}
	return pyr_ok();
}

static pyr_result read_group_settings(struct change *change, const struct catalog *catalog)
{
	struct catalog_group_settings *group = &change->change.group;
	struct base_bytes name = {(const uint8_t *)group->group, strlen(group->group)};
	const struct catalog_group_settings *now = catalog_group_settings_find(catalog, name);
	enum catalog_group_key key;
	if (now)
		*group = *now;
	for (size_t i = 0; i < change->setting_count; i++) {
		PYR_TRY(kafka_group_setting_parse(group, change->settings[i].name, change->settings[i].value, &key,
		                                  change->error));
		change->change.changed |= 1u << key;
	}
	return kafka_group_settings_check(group, group_coordinator_options(node_coordinator(change->node)),
	                                  change->error);
}

static pyr_result prepare(struct change *change, const struct catalog *catalog)
{
	const char *name = change->change.name;
	if (change->begin == catalog_group_alter) {
		PYR_TRY(catalog_authorize(catalog, &embedded_principal, change->action, NULL));
		return read_group_settings(change, catalog);
	}
	pyr_result named = catalog_topic_name_check(name, strlen(name));
	if (named.code != PYR_OK)
		return change->begin == catalog_topic_create ? named : pyr_result_of(PYR_UNKNOWN_PARTITION);
	if (group_topic_is_internal(name, strlen(name)))
		return pyr_result_of(PYR_INVALID_TOPIC);
	PYR_TRY(catalog_authorize(catalog, &embedded_principal, change->action, name));
	return change->begin == catalog_topic_alter ? read_topic_settings(change, catalog) : pyr_ok();
}

/* ---- carrying out ---- */

static void on_change(struct os_task *task)
{
	struct change *change = BASE_CONTAINER(task, struct change, task);
	struct catalog *catalog = node_catalog(change->node, 0);
	change->change.result = prepare(change, catalog);
	bool nothing = change->setting_count > 0 && change->change.changed == 0;
	if (change->change.result.code == PYR_OK && !nothing)
		change->begin(catalog, &change->change);
	else
		on_changed(&change->change);
}

static pyr_result carry_out(struct pyralog *log, struct change *change, const char *what, const char *name,
                            struct pyr_error *error)
{
	change->task.run = on_change;
	change->node = node_host_node(embedded_of(log)->host);
	change->error = error;
	change->change.done = on_changed;
	error->text[0] = '\0';
	embedded_wait_init(&change->wait);
	os_loop_post(node_shard(change->node, 0)->loop, &change->task);
	embedded_wait_for(&change->wait);
	pyr_result result = change->change.result;
	if (result.code == PYR_OK || error->text[0])
		return result;
	return pyr_fail(error, result.code, "%s %s: %s", what, name, pyr_code_text(result.code));
}

static pyr_result change_topic(struct pyralog *log, struct change *change, const char *topic, struct pyr_error *error)
{
	memcpy(change->change.name, topic, strlen(topic) + 1);
	return carry_out(log, change, "topic", topic, error);
}

pyr_result embedded_topic_create(struct pyralog *log, const char *topic, unsigned partitions, struct pyr_error *error)
{
	struct change change = {.begin = catalog_topic_create, .action = CATALOG_CREATE};
	if (partitions > CATALOG_PARTITIONS_MAX)
		return pyr_fail(error, PYR_INVALID_PARTITIONS, "topic %s: ask for 1 to %d partitions, or 0", topic,
		                CATALOG_PARTITIONS_MAX);
	change.change.partition_count = partitions > 0 ? partitions : PARTITIONS;
	change.change.config = catalog_topic_config_default();
	return change_topic(log, &change, topic, error);
}

pyr_result embedded_topic_delete(struct pyralog *log, const char *topic, struct pyr_error *error)
{
	struct change change = {.begin = catalog_topic_delete, .action = CATALOG_DELETE};
	return change_topic(log, &change, topic, error);
}

pyr_result embedded_topic_grow(struct pyralog *log, const char *topic, unsigned partitions, struct pyr_error *error)
{
	struct change change = {.begin = catalog_topic_grow, .action = CATALOG_ALTER};
	change.change.partition_count = partitions;
	return change_topic(log, &change, topic, error);
}

pyr_result embedded_topic_alter(struct pyralog *log, const char *topic, const struct pyr_setting *settings,
                                size_t count, struct pyr_error *error)
{
	struct change change = {.begin = catalog_topic_alter, .action = CATALOG_ALTER};
	change.settings = settings;
	change.setting_count = count;
	return change_topic(log, &change, topic, error);
}

pyr_result embedded_group_alter(struct pyralog *log, const char *group, const struct pyr_setting *settings,
                                size_t count, struct pyr_error *error)
{
	struct change change = {.begin = catalog_group_alter, .action = CATALOG_ALTER};
	change.settings = settings;
	change.setting_count = count;
	memcpy(change.change.group.group, group, strlen(group) + 1);
	return carry_out(log, &change, "group", group, error);
}

/* ---- telling ---- */

pyr_result embedded_topic_list(struct pyralog *log, struct api_topics *topics, struct pyr_error *error)
{
	struct query_source *source = embedded_source(log);
	struct query_topic *found;
	size_t count;
	PYR_TRY(source->ops->topic_list(source, &embedded_principal, &found, &count, error));
	pyr_result result = pyr_ok();
	for (size_t i = 0; i < count && result.code == PYR_OK; i++) {
		struct base_bytes name = {(const uint8_t *)found[i].name, strlen(found[i].name)};
		result = api_topics_add(topics, name, found[i].partition_count);
	}
	free(found);
	return result;
}

struct telling {
	const struct node *node;
	const char *topic;
	struct catalog_topic_config config;
	uint32_t set;
	pyr_result result;
};

static void on_tell(void *context, size_t shard)
{
	struct telling *telling = context;
	const struct catalog *catalog = node_catalog(telling->node, shard);
	const struct catalog_topic *topic = catalog_topic_find(catalog, telling->topic, strlen(telling->topic));
	telling->result = topic ? catalog_authorize(catalog, &embedded_principal, CATALOG_DESCRIBE, telling->topic)
	                        : pyr_result_of(PYR_UNKNOWN_PARTITION);
	if (telling->result.code != PYR_OK)
		return;
	telling->config = catalog_topic_config_of(catalog, topic);
	telling->set = topic->config.set;
}

pyr_result embedded_topic_settings(struct pyralog *log, const char *topic, struct api_settings *settings,
                                   struct pyr_error *error)
{
	struct telling telling = {.node = node_host_node(embedded_of(log)->host), .topic = topic};
	char value[32];
	node_ask(telling.node, 1, on_tell, &telling);
	if (telling.result.code != PYR_OK)
		return pyr_fail(error, telling.result.code, "topic %s: %s", topic, pyr_code_text(telling.result.code));
	for (size_t i = 0; i < catalog_setting_count(); i++) {
		const char *name = catalog_setting_at(i).name;
		catalog_setting_format(&telling.config, i, value);
		PYR_TRY(api_settings_add(settings, (struct base_bytes){(const uint8_t *)name, strlen(name)},
		                         (struct base_bytes){(const uint8_t *)value, strlen(value)},
		                         telling.set & 1u << i));
	}
	return pyr_ok();
}
