/* DescribeConfigs: every setting with its value, whether set or default; topics', consumer groups' and this node's; and
 * ListConfigResources. Owner: the first shard's loop, which has the coordinator's defaults. */
#include "server/kafka/kafka_priv.h"
#include "server/kafka/known_settings.h"

#include <stdio.h>
#include <string.h>

/* Source: org.apache.kafka.common.requests.DescribeConfigsResponse.ConfigSource. */
enum { SOURCE_TOPIC = 1, SOURCE_STATIC_BROKER = 4, SOURCE_DEFAULT = 5, SOURCE_GROUP = 8 };

enum { SYNONYMS_MAX = 2, NODE_OPTIONS = 10 + CATALOG_GROUP_KEYS };

struct setting {
	const char *name, *text;
	const char *node_name; /* the node's, whose value `fallback` is; NULL: there is none */
	struct base_bytes value, fallback;
	int8_t type, source;
	bool read_only;
};

static bool is_wanted(const struct codec_kafka_describe_configs_request_resource *asked, const char *name)
{
	size_t bytes = strlen(name);
	if (!asked->configuration_keys)
		return true;
	for (size_t i = 0; i < asked->configuration_keys_count; i++)
		if (asked->configuration_keys[i].bytes == bytes &&
		    memcmp(asked->configuration_keys[i].data, name, bytes) == 0)
			return true;
	return false;
}

/* The setting's own value, if it was set, and what holds without it. */
static void tell_synonyms(struct kafka_request *request, const struct setting *setting,
                          struct codec_kafka_describe_configs_response_config *config)
{
	struct codec_kafka_describe_configs_response_synonym *synonyms =
		codec_arena_alloc(&request->arena, SYNONYMS_MAX, sizeof *synonyms);
	size_t count = 0;
	if (!synonyms)
		return;
	if (setting->source != SOURCE_DEFAULT || !setting->node_name)
		synonyms[count++] = (struct codec_kafka_describe_configs_response_synonym){config->name, config->value,
		                                                                           setting->source};
	if (setting->node_name)
		synonyms[count++] = (struct codec_kafka_describe_configs_response_synonym){
			kafka_text(setting->node_name), setting->fallback, SOURCE_DEFAULT};
	config->synonyms = synonyms;
	config->synonyms_count = count;
}

static void tell(struct kafka_request *request, const struct codec_kafka_describe_configs_request *asked,
                 const struct setting *setting, struct codec_kafka_describe_configs_response_config *config)
{
	*config = codec_kafka_describe_configs_response_config_default;
	config->name = kafka_text(setting->name);
	config->value = setting->value;
	config->read_only = setting->read_only;
	config->config_source = setting->source;
	config->config_type = setting->type;
	if (asked->include_documentation)
		config->documentation = kafka_text(setting->text);
	if (asked->include_synonyms)
		tell_synonyms(request, setting, config);
}

/* What one resource is told into. */
struct telling {
	struct kafka_request *request;
	const struct codec_kafka_describe_configs_request *asked;
	const struct codec_kafka_describe_configs_request_resource *resource;
	struct codec_kafka_describe_configs_response_result *result;
};

static bool make_room(struct telling *telling, size_t count)
{
	struct codec_kafka_describe_configs_response_result *result = telling->result;
	result->configs = codec_arena_alloc(&telling->request->arena, count, sizeof *result->configs);
	if (!result->configs)
		result->error_code = kafka_error_of(PYR_OUT_OF_MEMORY);
	return result->configs;
}

static void add(struct telling *telling, const struct setting *setting)
{
	struct codec_kafka_describe_configs_response_result *result = telling->result;
	if (is_wanted(telling->resource, setting->name))
		tell(telling->request, telling->asked, setting, &result->configs[result->configs_count++]);
}

/* ---- topics ---- */

/* One that the catalog keeps. `topic` NULL: as the node has it. */
static struct base_bytes format_kept(struct kafka_request *request, const struct catalog_topic *topic, size_t i)
{
	struct catalog_topic_config config = catalog_topic_config_default();
	char value[32];
	if (topic)
		config = catalog_topic_config_of(request->server->catalog, topic);
	catalog_setting_format(&config, i, value);
	return kafka_text_copy(request, value);
}

static struct setting topic_setting(struct kafka_request *request, const struct catalog_topic *topic,
                                    const struct kafka_known_setting *known)
{
	size_t i = catalog_setting_find(known->name);
	struct setting setting = {.name = known->name, .text = known->text, .node_name = known->node_name};
	setting.type = known->type;
	setting.source = SOURCE_DEFAULT;
	if (known->value) {
		setting.value = setting.fallback = kafka_text(known->value);
		return setting;
	}
	setting.text = catalog_setting_at(i).text;
	setting.source = topic->config.set & 1u << i ? SOURCE_TOPIC : SOURCE_DEFAULT;
	setting.value = format_kept(request, topic, i);
	setting.fallback = format_kept(request, NULL, i);
	return setting;
}

static void describe_topic(struct telling *telling)
{
	struct kafka_request *request = telling->request;
	const struct catalog_topic *topic = kafka_topic_find(request, telling->resource->resource_name, NULL,
	                                                     CATALOG_DESCRIBE, &telling->result->error_code);
	if (!topic) {
		telling->result->error_message = kafka_text("there is no topic of this name, or you may not see it");
		return;
	}
	if (!make_room(telling, kafka_topic_setting_count()))
		return;
	for (size_t i = 0; i < kafka_topic_setting_count(); i++) {
		struct setting setting = topic_setting(request, topic, kafka_topic_setting_at(i));
		add(telling, &setting);
	}
}

/* ---- consumer groups ---- */

static const struct {
	const char *node_name, *text;
} group_rows[CATALOG_GROUP_KEYS] = {
	[CATALOG_GROUP_SESSION] = {"group.consumer.session.timeout.ms",
                                   "a member that is not heard of for so long is out"},
	[CATALOG_GROUP_HEARTBEAT] = {"group.consumer.heartbeat.interval.ms", "how often members are heard of"},
};

static struct base_bytes format_number(struct kafka_request *request, int32_t number)
{
	char digits[16];
	snprintf(digits, sizeof digits, "%d", number);
	return kafka_text_copy(request, digits);
}

static int32_t node_ms(const struct kafka_request *request, size_t key)
{
	const struct group_options *options = group_coordinator_options(request->server->options.coordinator);
	return key == CATALOG_GROUP_SESSION ? options->consumer_session_timeout_ms : options->consumer_heartbeat_ms;
}

/* Of any group, whether it exists or not. */
static void describe_group(struct telling *telling)
{
	struct kafka_request *request = telling->request;
	struct base_bytes name = telling->resource->resource_name;
	const struct catalog_group_settings *group = catalog_group_settings_find(request->server->catalog, name);
	if (name.bytes == 0) {
		telling->result->error_code = KAFKA_INVALID_REQUEST;
		telling->result->error_message = kafka_text("give the name of the group");
		return;
	}
	if (!make_room(telling, CATALOG_GROUP_KEYS))
		return;
	for (size_t key = 0; key < CATALOG_GROUP_KEYS; key++) {
		bool is_set = group && group->set & 1u << key;
		struct setting setting = {.name = catalog_group_key_name((enum catalog_group_key)key)};
		setting.text = group_rows[key].text;
		setting.node_name = group_rows[key].node_name;
		setting.type = KAFKA_TYPE_INT;
		setting.source = is_set ? SOURCE_GROUP : SOURCE_DEFAULT;
		setting.fallback = format_number(request, node_ms(request, key));
		setting.value = is_set ? format_number(request, group->values[key]) : setting.fallback;
		add(telling, &setting);
	}
}

/* ---- this node ---- */

static void add_option(struct telling *telling, const char *name, int8_t type, const char *text, const char *value)
{
	struct setting setting = {.name = name, .text = text, .type = type, .source = SOURCE_STATIC_BROKER};
	setting.read_only = true;
	setting.value = kafka_text_copy(telling->request, value);
	add(telling, &setting);
}

static void add_number(struct telling *telling, const char *name, const char *text, uint64_t value)
{
	char digits[32];
	snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
	add_option(telling, name, KAFKA_TYPE_LONG, text, digits);
}

static void add_options(struct telling *telling)
{
	const struct kafka_server *server = telling->request->server;
	const struct kafka_server_options *options = &server->options;
	char listener[300];
	snprintf(listener, sizeof listener, "PLAINTEXT://%s:%u", options->advertised_host, server->advertised_port);
	add_number(telling, "node.id", "the number of this node", (uint64_t)options->node_id);
	add_number(telling, "broker.id", "the number of this node", (uint64_t)options->node_id);
	add_option(telling, "advertised.listeners", KAFKA_TYPE_LIST, "where clients connect to", listener);
	add_number(telling, "num.partitions", "of a topic that does not say how many",
	           kafka_default_partitions(server));
	add_option(telling, "auto.create.topics.enable", KAFKA_TYPE_BOOLEAN, "asking for an unknown topic makes it",
	           options->auto_create ? "true" : "false");
	add_number(telling, "socket.request.max.bytes", "the largest request", options->request_bytes_max);
	add_number(telling, "queued.max.request.bytes", "received and not yet answered, of all clients",
	           options->memory_bytes_max);
	add_number(telling, "max.connections", "clients at once", options->connections_max);
	add_number(telling, "connections.max.idle.ms", "no progress in the middle of a request or response",
	           options->stall_us_max / 1000);
	for (size_t key = 0; key < CATALOG_GROUP_KEYS; key++)
		add_number(telling, group_rows[key].node_name, group_rows[key].text,
		           (uint64_t)node_ms(telling->request, key));
	add_option(telling, "group.consumer.migration.policy", KAFKA_TYPE_STRING,
	           "which way groups may change their protocol while members are in them",
	           group_migration_name(group_coordinator_options(options->coordinator)->migration));
}

/* What topics have that do not say. */
static void add_defaults(struct telling *telling)
{
	for (size_t i = 0; i < kafka_topic_setting_count(); i++) {
		const struct kafka_known_setting *known = kafka_topic_setting_at(i);
		struct setting setting = {.name = known->node_name, .type = known->type, .source = SOURCE_DEFAULT};
		if (known->value || !known->node_name)
			continue;
		size_t kept = catalog_setting_find(known->name);
		setting.text = catalog_setting_at(kept).text;
		setting.read_only = true;
		setting.value = format_kept(telling->request, NULL, kept);
		add(telling, &setting);
	}
	for (size_t i = 0; i < kafka_node_setting_count(); i++) {
		const struct kafka_known_setting *known = kafka_node_setting_at(i);
		struct setting setting = {.name = known->name, .text = known->text, .type = known->type};
		setting.value = kafka_text(known->value);
		setting.source = SOURCE_DEFAULT;
		setting.read_only = true;
		add(telling, &setting);
	}
}

/* The node's own name is its number; the empty one means what was set for all nodes, which is nothing. */
static void describe_node(struct telling *telling)
{
	struct base_bytes name = telling->resource->resource_name;
	if (name.bytes > 0 && !kafka_is_this_node(telling->request->server, name)) {
		telling->result->error_code = KAFKA_INVALID_REQUEST;
		telling->result->error_message =
			kafka_text("there is no such node: ask for the node id that Metadata tells");
		return;
	}
	size_t count = NODE_OPTIONS + kafka_topic_setting_count() + kafka_node_setting_count();
	if (name.bytes == 0 || !make_room(telling, count))
		return;
	add_options(telling);
	add_defaults(telling);
}

bool kafka_is_this_node(const struct kafka_server *server, struct base_bytes name)
{
	char number[16];
	snprintf(number, sizeof number, "%d", server->options.node_id);
	return name.bytes == strlen(number) && memcmp(name.data, number, name.bytes) == 0;
}

static void describe_one(struct telling *telling)
{
	switch (telling->resource->resource_type) {
	case KAFKA_RESOURCE_TOPIC:
		describe_topic(telling);
		break;
	case KAFKA_RESOURCE_BROKER:
		describe_node(telling);
		break;
	case KAFKA_RESOURCE_GROUP:
		describe_group(telling);
		break;
	case KAFKA_RESOURCE_CLIENT_METRICS: /* KIP-714: there are none */
		break;
	default:
		telling->result->error_code = KAFKA_INVALID_REQUEST;
		telling->result->error_message = kafka_text("only topics, groups and brokers have settings here");
	}
}

void kafka_describe_configs(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_describe_configs_request *asked = message;
	struct codec_kafka_describe_configs_response response = codec_kafka_describe_configs_response_default;
	response.results_count = asked->resources_count;
	response.results = kafka_request_alloc(request, asked->resources_count, sizeof *response.results);
	if (!response.results)
		return;
	for (size_t i = 0; i < asked->resources_count; i++) {
		struct telling telling = {request, asked, &asked->resources[i], &response.results[i]};
		telling.result->resource_type = telling.resource->resource_type;
		telling.result->resource_name = telling.resource->resource_name;
		describe_one(&telling);
	}
	kafka_request_reply(request, &response);
}

/* ---- ListConfigResources ---- */

/* Version 0 asks for clients' metrics, of which there are none; nothing named asks for everything. */
static bool is_listed(const struct codec_kafka_list_config_resources_request *asked, int16_t version, int8_t type)
{
	for (size_t i = 0; i < asked->resource_types_count; i++)
		if (asked->resource_types[i] == type)
			return true;
	return version > 0 && asked->resource_types_count == 0;
}

static bool are_known(const struct codec_kafka_list_config_resources_request *asked)
{
	static const int8_t known[] = {KAFKA_RESOURCE_TOPIC, KAFKA_RESOURCE_BROKER, KAFKA_RESOURCE_BROKER_LOGGER,
	                               KAFKA_RESOURCE_CLIENT_METRICS, KAFKA_RESOURCE_GROUP};
	for (size_t i = 0; i < asked->resource_types_count; i++)
		if (!memchr(known, asked->resource_types[i], sizeof known))
			return false;
	return true;
}

static void list_one(struct codec_kafka_list_config_resources_response *response, int8_t type, struct base_bytes name)
{
	struct codec_kafka_list_config_resources_response_config_resource *resource =
		&response->config_resources[response->config_resources_count++];
	resource->resource_type = type;
	resource->resource_name = name;
}

static void list_all(struct kafka_request *request, const struct codec_kafka_list_config_resources_request *asked,
                     struct codec_kafka_list_config_resources_response *response)
{
	const struct catalog *catalog = request->server->catalog;
	int16_t version = request->header.api_version;
	const struct catalog_topic *topic = NULL;
	while (is_listed(asked, version, KAFKA_RESOURCE_TOPIC) && (topic = catalog_topic_next(catalog, topic)))
		list_one(response, KAFKA_RESOURCE_TOPIC, kafka_text_copy(request, topic->name));
	if (is_listed(asked, version, KAFKA_RESOURCE_BROKER))
		list_one(response, KAFKA_RESOURCE_BROKER, format_number(request, request->server->options.node_id));
	for (size_t i = 0; is_listed(asked, version, KAFKA_RESOURCE_GROUP) && i < catalog_group_settings_count(catalog);
	     i++)
		list_one(response, KAFKA_RESOURCE_GROUP,
		         kafka_text_copy(request, catalog_group_settings_at(catalog, i)->group));
}

void kafka_list_config_resources(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_list_config_resources_request *asked = message;
	struct codec_kafka_list_config_resources_response response = codec_kafka_list_config_resources_response_default;
	const struct catalog *catalog = request->server->catalog;
	size_t count = catalog_topic_count(catalog) + catalog_group_settings_count(catalog) + 1;
	response.config_resources = kafka_request_alloc(request, count, sizeof *response.config_resources);
	if (!response.config_resources)
		return;
	if (are_known(asked))
		list_all(request, asked, &response);
	else
		response.error_code = KAFKA_UNSUPPORTED_VERSION;
	kafka_request_reply(request, &response);
}
