/* DescribeConfigs: every setting with its value, whether set or default; topics' and this node's. Owner: the loop's
 * thread. */
#include "server/kafka/kafka_priv.h"

#include <stdio.h>
#include <string.h>

/* Source: org.apache.kafka.common.config.ConfigResource.Type, DescribeConfigsResponse.ConfigSource and ConfigType. */
enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4 };
enum { SOURCE_TOPIC = 1, SOURCE_STATIC_BROKER = 4, SOURCE_DEFAULT = 5 };
enum { TYPE_STRING = 2, TYPE_LONG = 5 };

struct setting {
	const char *name;
	const char *text;
	char value[256];
	int8_t source;
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

static int8_t type_of(const char *value)
{
	size_t digits = strspn(value, "-0123456789");
	return digits > 0 && value[digits] == 0 ? TYPE_LONG : TYPE_STRING;
}

static void tell_synonym(struct kafka_request *request, struct codec_kafka_describe_configs_response_config *config)
{
	config->synonyms = codec_arena_alloc(&request->arena, 1, sizeof *config->synonyms);
	if (!config->synonyms)
		return;
	config->synonyms_count = 1;
	config->synonyms[0].name = config->name;
	config->synonyms[0].value = config->value;
	config->synonyms[0].source = config->config_source;
}

static void tell(struct kafka_request *request, const struct codec_kafka_describe_configs_request *asked,
                 const struct setting *setting, struct codec_kafka_describe_configs_response_config *config)
{
	*config = codec_kafka_describe_configs_response_config_default;
	config->name = kafka_text(setting->name);
	config->value = kafka_text_copy(request, setting->value);
	config->read_only = setting->read_only;
	config->config_source = setting->source;
	config->config_type = type_of(setting->value);
	if (asked->include_documentation)
		config->documentation = kafka_text(setting->text);
	if (asked->include_synonyms)
		tell_synonym(request, config);
}

static void describe(struct kafka_request *request, const struct codec_kafka_describe_configs_request *asked,
                     const struct codec_kafka_describe_configs_request_resource *resource,
                     const struct setting *settings, size_t setting_count,
                     struct codec_kafka_describe_configs_response_result *result)
{
	result->configs = codec_arena_alloc(&request->arena, setting_count, sizeof *result->configs);
	if (!result->configs) {
		result->error_code = kafka_error_of(PYR_OUT_OF_MEMORY);
		return;
	}
	for (size_t i = 0; i < setting_count; i++)
		if (is_wanted(resource, settings[i].name))
			tell(request, asked, &settings[i], &result->configs[result->configs_count++]);
}

enum { TOPIC_SETTINGS_MAX = 32 };

static void describe_topic(struct kafka_request *request, const struct codec_kafka_describe_configs_request *asked,
                           const struct codec_kafka_describe_configs_request_resource *resource,
                           struct codec_kafka_describe_configs_response_result *result)
{
	struct setting settings[TOPIC_SETTINGS_MAX];
	size_t count = 0;
	const struct catalog_topic *topic =
		kafka_topic_find(request, resource->resource_name, NULL, CATALOG_DESCRIBE, &result->error_code);
	if (!topic) {
		result->error_message = kafka_text("there is no topic of this name, or you may not see it");
		return;
	}
	struct catalog_topic_config config = catalog_topic_config_of(request->server->catalog, topic);
	for (; count < catalog_setting_count() && count < TOPIC_SETTINGS_MAX; count++) {
		struct catalog_setting known = catalog_setting_at(count);
		char value[32];
		catalog_setting_format(&config, count, value);
		settings[count] = (struct setting){.name = known.name, .text = known.text};
		settings[count].source = topic->config.set & 1u << count ? SOURCE_TOPIC : SOURCE_DEFAULT;
		memcpy(settings[count].value, value, sizeof value);
	}
	describe(request, asked, resource, settings, count, result);
}

static void format_node(const struct kafka_server *server, struct setting *settings, size_t *ret_count)
{
	const struct kafka_server_options *options = &server->options;
	size_t count = 0;
#define SETTING(setting_name, setting_text, format, ...)                                                               \
	settings[count] =                                                                                              \
		(struct setting){.name = setting_name, .text = setting_text, .source = SOURCE_STATIC_BROKER};          \
	settings[count].read_only = true;                                                                              \
	snprintf(settings[count].value, sizeof settings[count].value, format, __VA_ARGS__);                            \
	count += 1
	SETTING("node.id", "the number of this node", "%d", options->node_id);
	SETTING("broker.id", "the number of this node", "%d", options->node_id);
	SETTING("advertised.listeners", "where clients connect to", "PLAINTEXT://%s:%u",
	        server->options.advertised_host, server->advertised_port);
	SETTING("num.partitions", "of a topic that does not say how many", "%u", options->default_partitions);
	SETTING("default.replication.factor", "this node stands alone", "%d", 1);
	SETTING("auto.create.topics.enable", "asking for an unknown topic makes it", "%s",
	        options->auto_create ? "true" : "false");
	SETTING("socket.request.max.bytes", "the largest request", "%u", options->request_bytes_max);
	SETTING("queued.max.request.bytes", "received and not yet answered, of all clients", "%llu",
	        (unsigned long long)options->memory_bytes_max);
	SETTING("max.connections", "clients at once", "%u", options->connections_max);
#undef SETTING
	*ret_count = count;
}

/* The node's own name is its number; the empty one means the defaults of all nodes, which are the same. */
static void describe_node(struct kafka_request *request, const struct codec_kafka_describe_configs_request *asked,
                          const struct codec_kafka_describe_configs_request_resource *resource,
                          struct codec_kafka_describe_configs_response_result *result)
{
	struct setting settings[16];
	char name[16];
	size_t count;
	snprintf(name, sizeof name, "%d", request->server->options.node_id);
	if (resource->resource_name.bytes > 0 && (resource->resource_name.bytes != strlen(name) ||
	                                          memcmp(resource->resource_name.data, name, strlen(name)) != 0)) {
		result->error_code = KAFKA_INVALID_REQUEST;
		result->error_message = kafka_text("there is no such node: ask for the node id that Metadata tells");
		return;
	}
	format_node(request->server, settings, &count);
	describe(request, asked, resource, settings, count, result);
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
		const struct codec_kafka_describe_configs_request_resource *resource = &asked->resources[i];
		struct codec_kafka_describe_configs_response_result *result = &response.results[i];
		result->resource_type = resource->resource_type;
		result->resource_name = resource->resource_name;
		if (resource->resource_type == RESOURCE_TOPIC) {
			describe_topic(request, asked, resource, result);
		} else if (resource->resource_type == RESOURCE_BROKER) {
			describe_node(request, asked, resource, result);
		} else {
			result->error_code = KAFKA_INVALID_REQUEST;
			result->error_message = kafka_text("only topics and brokers have settings here");
		}
	}
	kafka_request_reply(request, &response);
}
