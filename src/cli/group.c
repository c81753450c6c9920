/* pyralog group: consumer groups of any broker that speaks Kafka's protocol: list, describe with lag, reset, delete. */
#include "cli/answer.h"
#include "cli/broker.h"
#include "cli/cli.h"
#include "cli/group_state.h"
#include "cli/options.h"
#include "cli/table.h"
#include "client/admin.h"
#include "codec/kafka/messages.h"
#include "os/real.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_BYTES_MAX = 256, TIME_LATEST = -1, TIME_EARLIEST = -2 };

static const struct cli_option group_options[] = {
	{"broker", "HOST:PORT", "127.0.0.1:9092", "the broker"},
	{"format", "FORMAT", "", "table, plain (tab-separated) or json; a table on a terminal, plain otherwise"},
	{"topic", "NAME", "", "reset: the topic"},
	{"partition", "N", "", "reset: only this partition; all if not given"},
	{"to", "WHERE", "", "reset: earliest, latest, an offset, or @MS for the first record at that time"},
	CLI_COMMON_OPTIONS,
};

static void print_help(void)
{
	printf("usage: pyralog group list|describe|reset|delete [GROUP] [OPTIONS]\n\n"
	       "Shows and changes consumer groups of a broker that speaks Kafka's protocol. Lag is told in records, "
	       "and in\n"
	       "time: how old the oldest record is that was not consumed.\n\n");
	cli_options_help(group_options, stdout);
	printf("\nexamples:\n"
	       "  pyralog group list\n"
	       "  pyralog group describe billing                    members, committed offsets, lag\n"
	       "  pyralog group describe billing --format json\n"
	       "  pyralog group reset billing --topic orders --to earliest\n"
	       "  pyralog group reset billing --topic orders --partition 3 --to @1700000000000\n"
	       "  pyralog group delete billing                      once nobody is in it\n");
}

struct command {
	const struct cli_option *options;
	const char *group; /* "": not given */
	struct client_admin admin;
	struct os_loop *loop;
	struct os_net *net;
	char host[HOST_BYTES_MAX];
	uint16_t port;
	enum cli_format format;
	struct cli_table table;
};

/* ---- options ---- */

static pyr_result parse_broker(struct command *command, struct pyr_error *error)
{
	const char *text = cli_option_get(command->options, "broker");
	const char *colon = strrchr(text, ':');
	char *end = NULL;
	long port = colon ? strtol(colon + 1, &end, 10) : 0;
	if (!colon || colon == text || *end != '\0' || port < 1 || port > 65535 || colon - text >= HOST_BYTES_MAX)
		return pyr_fail(error, PYR_USAGE, "--broker %s is not valid: give HOST:PORT", text);
	memcpy(command->host, text, (size_t)(colon - text));
	command->port = (uint16_t)port;
	return pyr_ok();
}

/* ---- list ---- */

static const struct cli_column list_columns[] = {
	{"GROUP", false}, {"TYPE", false}, {"STATE", false}, {"PROTOCOL", false}};

static void set_text(struct cli_table *table, size_t column, struct base_bytes bytes)
{
	cli_table_set(table, column, "%.*s", (int)bytes.bytes, bytes.data ? (const char *)bytes.data : "");
}

static pyr_result take_list(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_list_groups_response *response = message;
	struct cli_table *table = admin->take_context;
	char name[32];
	if (response->error_code != 0)
		return pyr_fail(error, PYR_CANCELLED, "the broker refuses to list its groups: %s",
		                client_kafka_error(response->error_code, name));
	for (size_t i = 0; i < response->groups_count; i++) {
		cli_table_row(table);
		set_text(table, 0, response->groups[i].group_id);
		set_text(table, 1, response->groups[i].group_type);
		set_text(table, 2, response->groups[i].group_state);
		set_text(table, 3, response->groups[i].protocol_type);
	}
	return pyr_ok();
}

static pyr_result list(struct command *command, struct pyr_error *error)
{
	struct codec_kafka_list_groups_request request = codec_kafka_list_groups_request_default;
	cli_table_init(&command->table, list_columns, sizeof list_columns / sizeof list_columns[0]);
	PYR_TRY(client_admin_ask(&command->admin, CODEC_KAFKA_LIST_GROUPS, &request, take_list, &command->table,
	                         error));
	return cli_table_print(&command->table, command->format, command->options);
}

/* ---- describe ---- */

static const struct cli_column lag_columns[] = {
	{"TOPIC", false}, {"PARTITION", true}, {"OFFSET", true},  {"END", true},     {"LAG", true},
	{"LAG-MS", true}, {"AGE", false},      {"CLIENT", false}, {"MEMBER", false},
};

static void set_number(struct cli_table *table, size_t column, int64_t number)
{
	if (number >= 0)
		cli_table_set(table, column, "%lld", (long long)number);
}

static void add_partition(struct cli_table *table, const struct cli_group_partition *row)
{
	char age[32] = "";
	cli_table_row(table);
	cli_table_set(table, 0, "%s", row->topic);
	set_number(table, 1, row->partition);
	set_number(table, 2, row->offset);
	set_number(table, 3, row->end);
	if (row->offset >= 0 && row->end >= row->offset)
		set_number(table, 4, row->end - row->offset);
	set_number(table, 5, row->lag_ms);
	if (row->lag_ms >= 0)
		cli_table_duration(row->lag_ms, age);
	cli_table_set(table, 6, "%s", age);
	cli_table_set(table, 7, "%s", row->client);
	cli_table_set(table, 8, "%s", row->member);
}

static int by_place(const void *left, const void *right)
{
	const struct cli_group_partition *a = left, *b = right;
	int order = strcmp(a->topic, b->topic);
	return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

static pyr_result print_group(struct command *command, struct cli_group *group)
{
	cli_table_init(&command->table, lag_columns, sizeof lag_columns / sizeof lag_columns[0]);
	if (group->count > 0)
		qsort(group->partitions, group->count, sizeof *group->partitions, by_place);
	for (size_t i = 0; i < group->count; i++)
		add_partition(&command->table, &group->partitions[i]);
	if (command->format == CLI_TABLE)
		printf("group %s: %s, %s, %zu members%s%s\n\n", group->name, group->type, group->state,
		       group->member_count, group->assignor[0] ? ", assignor " : "", group->assignor);
	return cli_table_print(&command->table, command->format, command->options);
}

static pyr_result ask_group(struct command *command, struct cli_group *group, struct pyr_error *error)
{
	snprintf(group->name, sizeof group->name, "%s", command->group);
	PYR_TRY(cli_group_ask_members(&command->admin, group, error));
	if (!group->found)
		return pyr_fail(error, PYR_NOT_FOUND, "there is no group %s: see pyralog group list", group->name);
	return pyr_ok();
}

static pyr_result describe(struct command *command, struct pyr_error *error)
{
	struct cli_group group = {.found = false};
	pyr_result result = ask_group(command, &group, error);
	if (result.code == PYR_OK)
		result = cli_group_ask_offsets(&command->admin, &group, error);
	if (result.code == PYR_OK)
		result = cli_group_ask_lag(&command->admin, &group, os_wall_ms(command->loop), error);
	if (result.code == PYR_OK)
		result = print_group(command, &group);
	cli_group_free(&group);
	return result;
}

/* ---- reset ---- */

static pyr_result add_targets(struct command *command, struct cli_group *group, struct pyr_error *error)
{
	const char *topic = cli_option_get(command->options, "topic");
	uint32_t count;
	long long only = -1;
	if (!topic[0])
		return pyr_fail(error, PYR_USAGE, "reset needs --topic NAME");
	PYR_TRY(client_admin_topic(&command->admin, topic, &count, error));
	if (count == 0)
		return pyr_fail(error, PYR_NOT_FOUND, "there is no topic %s", topic);
	if (cli_option_get(command->options, "partition")[0])
		PYR_TRY(cli_option_number(command->options, "partition", 0, count - 1, &only, error));
	for (uint32_t i = 0; i < count; i++)
		if ((only < 0 || only == i) &&
		    !cli_group_partition(group, (struct base_bytes){(const uint8_t *)topic, strlen(topic)}, (int32_t)i))
			return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	return pyr_ok();
}

static pyr_result parse_where(const char *text, int64_t *ret_time, int64_t *ret_offset, struct pyr_error *error)
{
	char *end;
	const char *digits = text[0] == '@' ? text + 1 : text;
	*ret_offset = -1;
	*ret_time = strcmp(text, "earliest") == 0 ? TIME_EARLIEST : TIME_LATEST;
	if (strcmp(text, "earliest") == 0 || strcmp(text, "latest") == 0)
		return pyr_ok();
	errno = 0;
	long long number = strtoll(digits, &end, 10);
	if (errno != 0 || end == digits || *end != '\0' || number < 0)
		return pyr_fail(error, PYR_USAGE,
		                "--to %s is not valid: give earliest, latest, an offset, or @ and milliseconds since "
		                "1970-01-01",
		                text);
	*(text[0] == '@' ? ret_time : ret_offset) = number;
	return pyr_ok();
}

/* A time after the last record means the end. */
static pyr_result find_targets(struct command *command, struct cli_group *group, struct pyr_error *error)
{
	int64_t time_ms, offset;
	PYR_TRY(parse_where(cli_option_get(command->options, "to"), &time_ms, &offset, error));
	if (offset < 0)
		PYR_TRY(cli_group_ask_times(&command->admin, group, time_ms, error));
	for (size_t i = 0; i < group->count; i++)
		group->partitions[i].offset = offset >= 0 ? offset : group->partitions[i].end;
	PYR_TRY(cli_group_ask_times(&command->admin, group, TIME_LATEST, error));
	for (size_t i = 0; i < group->count; i++)
		if (group->partitions[i].offset < 0 || group->partitions[i].offset > group->partitions[i].end)
			group->partitions[i].offset = group->partitions[i].end;
	return pyr_ok();
}

static pyr_result reset_group(struct command *command, struct cli_group *group, struct pyr_error *error)
{
	snprintf(group->name, sizeof group->name, "%s", command->group);
	PYR_TRY(add_targets(command, group, error));
	PYR_TRY(find_targets(command, group, error));
	PYR_TRY(cli_group_commit(&command->admin, group, error));
	PYR_TRY(cli_group_ask_members(&command->admin, group, error));
	PYR_TRY(cli_group_ask_lag(&command->admin, group, os_wall_ms(command->loop), error));
	return print_group(command, group);
}

static pyr_result reset(struct command *command, struct pyr_error *error)
{
	struct cli_group group = {.found = false};
	pyr_result result = reset_group(command, &group, error);
	cli_group_free(&group);
	return result;
}

/* ---- delete ---- */

static pyr_result take_deleted(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_delete_groups_response *response = message;
	const struct command *command = admin->take_context;
	char name[32];
	for (size_t i = 0; i < response->results_count; i++)
		if (response->results[i].error_code != 0)
			return pyr_fail(error, PYR_CANCELLED, "group %s is not deleted: %s", command->group,
			                client_kafka_error(response->results[i].error_code, name));
	return pyr_ok();
}

static pyr_result delete (struct command *command, struct pyr_error *error)
{
	struct codec_kafka_delete_groups_request request = codec_kafka_delete_groups_request_default;
	struct base_bytes name = {(const uint8_t *)command->group, strlen(command->group)};
	request.group_names = &name;
	request.group_names_count = 1;
	PYR_TRY(client_admin_ask(&command->admin, CODEC_KAFKA_DELETE_GROUPS, &request, take_deleted, command, error));
	const struct cli_json told[] = {{"group", command->group, 0}, {"done", "delete", 0}, {NULL, NULL, 0}};
	if (command->format == CLI_JSON)
		cli_json_print(told);
	return pyr_ok();
}

/* ---- the command ---- */

static const struct {
	const char *name;
	pyr_result (*run)(struct command *command, struct pyr_error *error);
	bool of_group;
} verbs[] = {{"list", list, false}, {"describe", describe, true}, {"reset", reset, true}, {"delete", delete, true}};

enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

static pyr_result run(struct command *command, size_t verb, struct pyr_error *error)
{
	PYR_TRY(parse_broker(command, error));
	PYR_TRY(cli_broker_format(command->options, &command->format, error));
	if (verbs[verb].of_group && !command->group[0])
		return pyr_fail(error, PYR_USAGE, "which group? pyralog group %s GROUP", verbs[verb].name);
	command->loop = os_real_loop_new();
	command->net = command->loop ? os_real_net_new(command->loop) : NULL;
	if (!command->net)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	PYR_TRY(client_admin_open(&command->admin, command->loop, command->net, command->host, command->port, error));
	return verbs[verb].run(command, error);
}

static void clean_up(struct command *command)
{
	if (command->net) {
		client_admin_close(&command->admin);
		os_real_net_free(command->net);
	}
	if (command->loop)
		os_real_loop_free(command->loop);
	if (command->net)
		client_admin_deinit(&command->admin);
	cli_table_free(&command->table);
}

const struct cli_option *cli_group_options(void)
{
	return group_options;
}

int cli_group(int argc, char **argv)
{
	struct cli_option options[sizeof group_options / sizeof group_options[0]];
	struct command command = {.options = options, .group = ""};
	struct pyr_error error = {0};
	size_t verb = 0;
	memcpy(options, group_options, sizeof options);
	if (argc == 0 || strcmp(argv[0], "--help") == 0) {
		print_help();
		return argc == 0 ? 2 : 0;
	}
	while (verb < VERB_COUNT && strcmp(verbs[verb].name, argv[0]) != 0)
		verb += 1;
	if (verb == VERB_COUNT) {
		fprintf(stderr, "pyralog group: there is no %s: list, describe, reset or delete; see --help\n",
		        argv[0]);
		return 2;
	}
	bool named = argc > 1 && strncmp(argv[1], "--", 2) != 0;
	if (named)
		command.group = argv[1];
	pyr_result done = cli_options_parse(options, argc - 1 - named, argv + 1 + named, &error);
	if (done.code == PYR_OK && cli_option_get(options, "help")[0]) {
		print_help();
		return 0;
	}
	if (done.code == PYR_OK)
		done = run(&command, verb, &error);
	clean_up(&command);
	return cli_end("group", options, done, &error);
}
