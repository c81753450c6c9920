/* DescribeConfigs: every setting with its value, whether set or default; topics' and this node's. Owner: the loop's
 * thread. */
#include "server/kafka/kafka_priv.h"
#include "server/kafka/known_settings.h"

#include <stdio.h>
#include <string.h>

/* Source: org.apache.kafka.common.requests.DescribeConfigsResponse.ConfigSource. */
enum { SOURCE_TOPIC = 1, SOURCE_STATIC_BROKER = 4, SOURCE_DEFAULT = 5 };

enum { SYNONYMS_MAX = 2, NODE_OPTIONS = 9 };

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

/* Consumer groups (KIP-1043) and clients' metrics (KIP-714) have none of their own. */
static void describe_other(struct telling *telling)
{
	if (telling->resource->resource_type == KAFKA_RESOURCE_GROUP ||
	    telling->resource->resource_type == KAFKA_RESOURCE_CLIENT_METRICS)
		return;
	telling->result->error_code = KAFKA_INVALID_REQUEST;
	telling->result->error_message = kafka_text("only topics and brokers have settings here");
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
		if (telling.resource->resource_type == KAFKA_RESOURCE_TOPIC)
			describe_topic(&telling);
		else if (telling.resource->resource_type == KAFKA_RESOURCE_BROKER)
			describe_node(&telling);
		else
			describe_other(&telling);
	}
	kafka_request_reply(request, &response);
}
