/* SIGHUP: the file that --config names is read again. What may change while the server runs is taken over; what may not is
 * named in the log, and waits for a restart. A file that is not right changes nothing.
 *
 * Invariant: the options' texts lie in the configuration read at the start, or in the newest one that was read since and
 * taken over; both live as long as the options. */
#include "cli/cli.h"
#include "cli/server_priv.h"
#include "os/notify.h"

#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 64 };

pyr_result server_level(const struct cli_option *options, enum os_level *ret_level, struct pyr_error *error)
{
	if (os_level_parse(cli_option_get(options, "log-level"), ret_level))
		return pyr_ok();
	return pyr_fail(error, PYR_USAGE, "--log-level %s is not valid: give debug, info, warning or error",
	                cli_option_get(options, "log-level"));
}

/* What is in force has changed: says so to the part that it concerns. */
static void apply(struct server *server, const struct cli_option *option)
{
	enum os_level level;
	long long number;
	if (strcmp(option->name, "log-level") == 0 && server_level(server->options, &level, NULL).code == PYR_OK)
		os_reporter_set_level(server->reporter, level);
	else if (strcmp(option->name, "partitions") == 0 &&
	         cli_option_number(server->options, "partitions", 1, CATALOG_PARTITIONS_MAX, &number, NULL).code ==
	                 PYR_OK)
		kafka_server_set_partitions(server->kafka, (uint32_t)number);
}

/* Read when they are needed, handed on by apply(), or by server_watch_retune(). */
static bool may_change(const char *name)
{
	static const char *const names[] = {
		"log-level",        "partitions",     "drain-s",         "group-heartbeat-ms",
		"group-session-ms", "checkpoint-mib", "spare-mib",       "tail-cache-mib",
		"read-cache-mib",   "compaction-mib", "group-migration",
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void tell(struct server *server, const struct cli_option *option, const char *value)
{
	const struct os_field fields[] = {
		{.name = "setting", .text = option->name}, {.name = "value", .text = value}, {0}};
	if (may_change(option->name))
		os_report(server->reporter, OS_INFO, "server", fields, "%s is %s from now on", option->name, value);
	else
		os_report(server->reporter, OS_WARNING, "server", fields,
		          "%s can't change while the server runs: restart it", option->name);
}

static void take_over(struct server *server, const struct cli_option *fresh)
{
	size_t changed = 0;
	for (size_t i = 0; server->options[i].name; i++) {
		struct cli_option *option = &server->options[i];
		bool same = strcmp(option->value, fresh[i].value) == 0;
		changed += !same;
		if (!same)
			tell(server, option, fresh[i].value);
		if (!may_change(option->name))
			continue;
		option->value = fresh[i].value; /* also if it is the same: the file's text of before goes */
		if (!same)
			apply(server, option);
	}
	struct node_options node;
	if (changed > 0 && server_node_options(server->options, &node, NULL).code == PYR_OK)
		server_watch_retune(&server->watch, &node);
	else if (changed == 0)
		os_report(server->reporter, OS_INFO, "server", NULL, "the configuration is as it was");
}

static pyr_result read_again(struct server *server, struct cli_option *fresh, struct cli_config *config,
                             struct pyr_error *error)
{
	size_t count = 0;
	while (cli_server_options()[count].name)
		count += 1;
	memcpy(fresh, cli_server_options(), (count + 1) * sizeof *fresh);
	PYR_TRY(cli_options_parse_file(fresh, server->argc, server->argv, config, error));
	return cli_server_check(fresh, error);
}

void server_reload(void *context)
{
	struct server *server = context;
	struct cli_option fresh[OPTIONS_MAX];
	struct cli_config config = {NULL};
	struct pyr_error error = {0};
	if (server->stopping)
		return;
	os_notify_reloading();
	if (read_again(server, fresh, &config, &error).code == PYR_OK) {
		take_over(server, fresh);
		cli_config_free(&server->reloaded);
		server->reloaded = config;
	} else {
		os_report(server->reporter, OS_ERROR, "server", NULL, "the configuration was not read anew: %s",
		          error.text);
		cli_config_free(&config);
	}
	os_notify("READY=1");
}
