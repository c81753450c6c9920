/* pyralog topic: topics of any broker that speaks Kafka's protocol, and their declared columns by SQL. */
#include "cli/answer.h"
#include "cli/broker.h"
#include "cli/cli.h"
#include "cli/infer.h"
#include "codec/kafka/messages.h"

#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 30000, RESOURCE_TOPIC = 2, OPERATION_SET = 0, OPERATION_DELETE = 1, SETTINGS_MAX = 32 };
enum { SOURCE_TOPIC = 1 };

static const struct cli_option topic_options[] = {
	{"broker", "HOST:PORT", "127.0.0.1:9092", "the broker"},
	{"format", "FORMAT", "", "table, plain (tab-separated) or json; a table on a terminal, plain otherwise"},
	{"partitions", "N", "", "create: how many; alter: how many from now on, more than before"},
	{"set", "SETTINGS", "", "create, alter: retention.ms=3600000,...; an empty value goes back to the default"},
	{"all", NULL, "", "list: internal topics too"},
	{"apply", NULL, "", "infer: declare the columns"},
	{"sample", "N", "1000", "infer: records to look at"},
	{"host", "ADDRESS", "127.0.0.1", "infer: the server"},
	{"pg-port", "PORT", "5432", "infer: its port for PostgreSQL's protocol"},
	CLI_COMMON_OPTIONS,
};

static void print_help(void)
{
	printf("usage: pyralog topic list|create|describe|alter|delete|infer [TOPIC] [OPTIONS]\n\n");
	cli_options_help(topic_options, stdout);
	printf("\nexamples:\n"
	       "  pyralog topic list\n"
	       "  pyralog topic create flights --partitions 8 --set retention.ms=-1\n"
	       "  pyralog topic describe flights                     partitions, offsets, settings\n"
	       "  pyralog topic alter flights --partitions 16\n"
	       "  pyralog topic infer flights                        columns that its JSON has, as ALTER TOPIC\n"
	       "  pyralog topic infer flights --apply\n");
}

struct command {
	const struct cli_option *options;
	const char *topic;
	struct cli_broker broker;
	enum cli_format format;
	struct cli_table table;
};

static pyr_result refused(const struct command *command, const char *what, int16_t code, struct base_bytes why,
                          struct pyr_error *error)
{
	char name[32];
	return pyr_fail(error, PYR_CANCELLED, "topic %s is not %s: %s%s%.*s", command->topic, what,
	                client_kafka_error(code, name), why.bytes > 0 ? ": " : "", (int)why.bytes,
	                why.data ? (const char *)why.data : "");
}

/* ---- list ---- */

static const struct cli_column list_columns[] = {{"TOPIC", false}, {"PARTITIONS", true}, {"INTERNAL", false}};

static pyr_result take_list(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_metadata_response *response = message;
	struct command *command = admin->take_context;
	bool all = cli_option_get(command->options, "all")[0];
	(void)error;
	for (size_t i = 0; i < response->topics_count; i++) {
		const struct codec_kafka_metadata_response_topic *topic = &response->topics[i];
		if (topic->is_internal && !all)
			continue;
		cli_table_row(&command->table);
		cli_table_set(&command->table, 0, "%.*s", (int)topic->name.bytes, (const char *)topic->name.data);
		cli_table_set(&command->table, 1, "%zu", topic->partitions_count);
		cli_table_set(&command->table, 2, "%s", topic->is_internal ? "yes" : "no");
	}
	return pyr_ok();
}

static pyr_result list(struct command *command, struct pyr_error *error)
{
	struct codec_kafka_metadata_request request = codec_kafka_metadata_request_default;
	request.topics = NULL; /* all */
	request.allow_auto_topic_creation = false;
	cli_table_init(&command->table, list_columns, sizeof list_columns / sizeof list_columns[0]);
	PYR_TRY(client_admin_ask(&command->broker.admin, CODEC_KAFKA_METADATA, &request, take_list, command, error));
	return cli_table_print(&command->table, command->format, command->options);
}

/* ---- settings: "key=value,key=value" ---- */

struct setting {
	struct base_bytes name, value;
};

static pyr_result parse_settings(const struct command *command, struct setting settings[SETTINGS_MAX],
                                 size_t *ret_count, struct pyr_error *error)
{
	const char *text = cli_option_get(command->options, "set");
	*ret_count = 0;
	for (const char *at = text; *at; *ret_count += 1) {
		size_t bytes = strcspn(at, ","), name = strcspn(at, "=,");
		if (name == 0 || at[name] != '=' || *ret_count == SETTINGS_MAX)
			return pyr_fail(error, PYR_USAGE, "--set %s is not valid: give KEY=VALUE,KEY=VALUE", text);
		settings[*ret_count].name = (struct base_bytes){(const uint8_t *)at, name};
		settings[*ret_count].value = (struct base_bytes){(const uint8_t *)at + name + 1, bytes - name - 1};
		at += bytes + (at[bytes] == ',');
	}
	return pyr_ok();
}

/* ---- create ---- */

static pyr_result take_created(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_create_topics_response *response = message;
	for (size_t i = 0; i < response->topics_count; i++)
		if (response->topics[i].error_code != 0)
			return refused(admin->take_context, "created", response->topics[i].error_code,
			               response->topics[i].error_message, error);
	return pyr_ok();
}

static pyr_result create(struct command *command, struct pyr_error *error)
{
	struct codec_kafka_create_topics_request request = codec_kafka_create_topics_request_default;
	struct codec_kafka_create_topics_request_topic topic = codec_kafka_create_topics_request_topic_default;
	struct codec_kafka_create_topics_request_config configs[SETTINGS_MAX];
	struct setting settings[SETTINGS_MAX];
	long long partitions = -1; /* the broker's own number */
	if (cli_option_get(command->options, "partitions")[0])
		PYR_TRY(cli_option_number(command->options, "partitions", 1, INT32_MAX, &partitions, error));
	PYR_TRY(parse_settings(command, settings, &topic.configs_count, error));
	for (size_t i = 0; i < topic.configs_count; i++) {
		configs[i] = codec_kafka_create_topics_request_config_default;
		configs[i].name = settings[i].name;
		configs[i].value = settings[i].value;
	}
	topic.name = cli_text(command->topic);
	topic.num_partitions = (int32_t)partitions;
	topic.replication_factor = -1;
	topic.configs = configs;
	request.topics = &topic;
	request.topics_count = 1;
	request.timeout_ms = TIMEOUT_MS;
	return client_admin_ask(&command->broker.admin, CODEC_KAFKA_CREATE_TOPICS, &request, take_created, command,
	                        error);
}

/* ---- describe ---- */

static const struct cli_column partition_columns[] = {
	{"PARTITION", true}, {"START", true}, {"END", true}, {"RECORDS", true}};
static const struct cli_column setting_columns[] = {{"SETTING", false}, {"VALUE", false}, {"SET", false}};

static pyr_result ask_partitions(struct command *command, struct pyr_error *error)
{
	uint32_t count;
	PYR_TRY(cli_broker_partitions(&command->broker, command->topic, &count, error));
	struct client_range *ranges = calloc(count, sizeof *ranges);
	if (!ranges)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pyr_result result = client_admin_ranges(&command->broker.admin, command->topic, count, ranges, error);
	cli_table_init(&command->table, partition_columns, 4);
	for (uint32_t i = 0; i < count && result.code == PYR_OK; i++) {
		cli_table_row(&command->table);
		cli_table_set(&command->table, 0, "%u", i);
		cli_table_set(&command->table, 1, "%lld", (long long)ranges[i].start);
		cli_table_set(&command->table, 2, "%lld", (long long)ranges[i].end);
		cli_table_set(&command->table, 3, "%lld", (long long)(ranges[i].end - ranges[i].start));
	}
	free(ranges);
	return result.code == PYR_OK && command->table.failed ? pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory")
	                                                      : result;
}

static pyr_result take_settings(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_describe_configs_response *response = message;
	struct command *command = admin->take_context;
	for (size_t i = 0; i < response->results_count; i++) {
		const struct codec_kafka_describe_configs_response_result *result = &response->results[i];
		if (result->error_code != 0)
			return refused(command, "described", result->error_code, result->error_message, error);
		for (size_t k = 0; k < result->configs_count; k++) {
			const struct codec_kafka_describe_configs_response_config *config = &result->configs[k];
			cli_table_row(&command->table);
			cli_table_set(&command->table, 0, "%.*s", (int)config->name.bytes,
			              (const char *)config->name.data);
			cli_table_set(&command->table, 1, "%.*s", (int)config->value.bytes,
			              config->value.data ? (const char *)config->value.data : "");
			cli_table_set(&command->table, 2, "%s", config->config_source == SOURCE_TOPIC ? "yes" : "no");
		}
	}
	return pyr_ok();
}

static pyr_result ask_settings(struct command *command, struct pyr_error *error)
{
	struct codec_kafka_describe_configs_request request = codec_kafka_describe_configs_request_default;
	struct codec_kafka_describe_configs_request_resource resource =
		codec_kafka_describe_configs_request_resource_default;
	cli_table_free(&command->table);
	cli_table_init(&command->table, setting_columns, 3);
	resource.resource_type = RESOURCE_TOPIC;
	resource.resource_name = cli_text(command->topic);
	request.resources = &resource;
	request.resources_count = 1;
	return client_admin_ask(&command->broker.admin, CODEC_KAFKA_DESCRIBE_CONFIGS, &request, take_settings, command,
	                        error);
}

/* Two tables; one object in JSON; with tabs, the partitions alone. */
static pyr_result describe(struct command *command, struct pyr_error *error)
{
	PYR_TRY(ask_partitions(command, error));
	if (command->format == CLI_TABLE)
		printf("topic %s\n\n", command->topic);
	if (command->format == CLI_JSON) {
		printf("{\"topic\": ");
		cli_json_text(command->topic);
		printf(", \"partitions\": ");
		cli_table_json(&command->table);
	} else {
		PYR_TRY(cli_table_print(&command->table, command->format, command->options));
	}
	if (command->format == CLI_PLAIN)
		return pyr_ok();
	PYR_TRY(ask_settings(command, error));
	printf(command->format == CLI_JSON ? ", \"settings\": " : "\n");
	if (command->format == CLI_TABLE)
		return cli_table_print(&command->table, command->format, command->options);
	cli_table_json(&command->table);
	printf("}\n");
	return pyr_ok();
}

/* ---- alter ---- */

static pyr_result take_grown(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_create_partitions_response *response = message;
	for (size_t i = 0; i < response->results_count; i++)
		if (response->results[i].error_code != 0)
			return refused(admin->take_context, "altered", response->results[i].error_code,
			               response->results[i].error_message, error);
	return pyr_ok();
}

static pyr_result grow(struct command *command, struct pyr_error *error)
{
	struct codec_kafka_create_partitions_request request = codec_kafka_create_partitions_request_default;
	struct codec_kafka_create_partitions_request_topic topic = codec_kafka_create_partitions_request_topic_default;
	long long partitions;
	PYR_TRY(cli_option_number(command->options, "partitions", 1, INT32_MAX, &partitions, error));
	topic.name = cli_text(command->topic);
	topic.count = (int32_t)partitions;
	request.topics = &topic;
	request.topics_count = 1;
	request.timeout_ms = TIMEOUT_MS;
	return client_admin_ask(&command->broker.admin, CODEC_KAFKA_CREATE_PARTITIONS, &request, take_grown, command,
	                        error);
}

static pyr_result take_altered(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_incremental_alter_configs_response *response = message;
	for (size_t i = 0; i < response->responses_count; i++)
		if (response->responses[i].error_code != 0)
			return refused(admin->take_context, "altered", response->responses[i].error_code,
			               response->responses[i].error_message, error);
	return pyr_ok();
}

static pyr_result alter(struct command *command, struct pyr_error *error)
{
	struct codec_kafka_incremental_alter_configs_request request =
		codec_kafka_incremental_alter_configs_request_default;
	struct codec_kafka_incremental_alter_configs_request_resource resource =
		codec_kafka_incremental_alter_configs_request_resource_default;
	struct codec_kafka_incremental_alter_configs_request_config configs[SETTINGS_MAX];
	struct setting settings[SETTINGS_MAX];
	PYR_TRY(parse_settings(command, settings, &resource.configs_count, error));
	bool grows = cli_option_get(command->options, "partitions")[0];
	if (!grows && resource.configs_count == 0)
		return pyr_fail(error, PYR_USAGE, "what shall change? Give --partitions N or --set KEY=VALUE");
	for (size_t i = 0; i < resource.configs_count; i++) {
		configs[i] = codec_kafka_incremental_alter_configs_request_config_default;
		configs[i].name = settings[i].name;
		configs[i].operation = settings[i].value.bytes > 0 ? OPERATION_SET : OPERATION_DELETE;
		configs[i].value = settings[i].value;
	}
	resource.resource_type = RESOURCE_TOPIC;
	resource.resource_name = cli_text(command->topic);
	resource.configs = configs;
	request.resources = &resource;
	request.resources_count = 1;
	if (grows)
		PYR_TRY(grow(command, error));
	return resource.configs_count == 0
	               ? pyr_ok()
	               : client_admin_ask(&command->broker.admin, CODEC_KAFKA_INCREMENTAL_ALTER_CONFIGS, &request,
	                                  take_altered, command, error);
}

static pyr_result delete (struct command *command, struct pyr_error *error)
{
	uint32_t count;
	PYR_TRY(cli_broker_partitions(&command->broker, command->topic, &count, error));
	return client_admin_delete(&command->broker.admin, command->topic, error);
}

static pyr_result infer(struct command *command, struct pyr_error *error)
{
	long long sample;
	PYR_TRY(cli_option_number(command->options, "sample", 1, 1000000, &sample, error));
	struct shell_client_options server = {cli_option_get(command->options, "host"),
	                                      cli_option_get(command->options, "pg-port"), "pyralog", "pyralog"};
	struct cli_infer_options how = {command->topic, (size_t)sample, cli_option_get(command->options, "apply")[0],
	                                command->format == CLI_JSON, cli_color(command->options)};
	return cli_infer(&server, &how, error);
}

/* ---- the command ---- */

static const struct {
	const char *name;
	pyr_result (*run)(struct command *command, struct pyr_error *error);
	bool of_topic, by_sql;
	bool is_silent; /* prints nothing, but for programs */
} verbs[] = {{"list", list, false, false, false},        {"create", create, true, false, true},
             {"describe", describe, true, false, false}, {"alter", alter, true, false, true},
             {"delete", delete, true, false, true},      {"infer", infer, true, true, false}};

enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

static pyr_result run(struct command *command, size_t verb, struct pyr_error *error)
{
	if (verbs[verb].of_topic && !command->topic[0])
		return pyr_fail(error, PYR_USAGE, "which topic? pyralog topic %s TOPIC", verbs[verb].name);
	PYR_TRY(cli_broker_format(command->options, &command->format, error));
	if (!verbs[verb].by_sql)
		PYR_TRY(cli_broker_open(&command->broker, command->options, error));
	PYR_TRY(verbs[verb].run(command, error));
	const struct cli_json told[] = {{"topic", command->topic, 0}, {"done", verbs[verb].name, 0}, {NULL, NULL, 0}};
	if (verbs[verb].is_silent && command->format == CLI_JSON)
		cli_json_print(told);
	return pyr_ok();
}

const struct cli_option *cli_topic_options(void)
{
	return topic_options;
}

int cli_topic(int argc, char **argv)
{
	struct cli_option options[sizeof topic_options / sizeof topic_options[0]];
	struct command command = {.options = options, .topic = ""};
	struct pyr_error error = {0};
	size_t verb = 0;
	memcpy(options, topic_options, sizeof options);
	while (argc > 0 && verb < VERB_COUNT && strcmp(verbs[verb].name, argv[0]) != 0)
		verb += 1;
	bool named = argc > 1 && strncmp(argv[1], "--", 2) != 0;
	if (argc == 0 || strcmp(argv[0], "--help") == 0 || (argc > 1 && strcmp(argv[1], "--help") == 0)) {
		print_help();
		return argc == 0 ? 2 : 0;
	}
	if (verb == VERB_COUNT) {
		fprintf(stderr, "pyralog topic: there is no %s: see pyralog topic --help\n", argv[0]);
		return 2;
	}
	if (named)
		command.topic = argv[1];
	pyr_result done = cli_options_parse(options, argc - 1 - named, argv + 1 + named, &error);
	if (done.code == PYR_OK)
		done = run(&command, verb, &error);
	cli_broker_close(&command.broker);
	cli_table_free(&command.table);
	return cli_end("topic", options, done, &error);
}
