/* What is written from the tables of commands and options: completion, man page, reference page, the check of a file. */
#include "cli/pages.h"
#include "base/table.h"
#include "cli/answer.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "node/lags.h"
#include "server/kafka/kafka.h"
#include "server/ops/ops.h"
#include "server/pg/pg.h"
#include "server/pharaoh/pharaoh.h"

#include <assert.h>
#include <string.h>

enum { OPTIONS_MAX = 64 };

/* ---- completion ---- */

static void write_options(const struct cli_command_row *row, const char *between)
{
	const struct cli_option *option = row->options ? row->options() : NULL;
	for (; option && option->name; option++)
		printf("%s--%s", between, option->name);
}

static void complete_bash(void)
{
	printf("_pyralog() {\n  local word=${COMP_WORDS[COMP_CWORD]} words=\n  if [ \"$COMP_CWORD\" = 1 ]; then\n"
	       "    words='");
	for (size_t i = 0; i < cli_command_count; i++)
		printf("%s%s", i > 0 ? " " : "", cli_commands[i].name);
	printf("'\n  else\n    case ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; i < cli_command_count; i++) {
		printf("    %s) words='%s", cli_commands[i].name, cli_commands[i].words);
		write_options(&cli_commands[i], " ");
		printf("' ;;\n");
	}
	printf("    esac\n  fi\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n"
	       "complete -o default -F _pyralog pyralog\n");
}

static void complete_zsh(void)
{
	printf("#compdef pyralog\n_pyralog() {\n  local -a list\n  if (( CURRENT == 2 )); then\n    list=(");
	for (size_t i = 0; i < cli_command_count; i++)
		printf("%s%s", i > 0 ? " " : "", cli_commands[i].name);
	printf(")\n  else\n    case $words[2] in\n");
	for (size_t i = 0; i < cli_command_count; i++) {
		printf("    %s) list=(%s", cli_commands[i].name, cli_commands[i].words);
		write_options(&cli_commands[i], " ");
		printf(") ;;\n");
	}
	printf("    esac\n  fi\n  compadd -a list\n  (( CURRENT > 2 )) && _files\n}\ncompdef _pyralog pyralog\n");
}

/* A text in single quotes, for fish. */
static void write_quoted(const char *text)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('\'');
}

static void complete_fish(void)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command_row *row = &cli_commands[i];
		const struct cli_option *option = row->options ? row->options() : NULL;
		printf("complete -c pyralog -f -n __fish_use_subcommand -a %s -d ", row->name);
		write_quoted(row->help);
		printf("\n");
		if (row->words[0])
			printf("complete -c pyralog -n '__fish_seen_subcommand_from %s' -a '%s'\n", row->name,
			       row->words);
		for (; option && option->name; option++) {
			printf("complete -c pyralog -n '__fish_seen_subcommand_from %s' -l %s%s -d ", row->name,
			       option->name, option->placeholder ? " -r" : "");
			write_quoted(option->help);
			printf("\n");
		}
	}
}

int cli_completion(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*write)(void);
	} shells[] = {{"bash", complete_bash}, {"zsh", complete_zsh}, {"fish", complete_fish}};
	for (size_t i = 0; argc == 1 && i < sizeof shells / sizeof *shells; i++) {
		if (strcmp(shells[i].name, argv[0]) == 0) {
			shells[i].write();
			return 0;
		}
	}
	fprintf(stderr, "usage: pyralog completion bash|zsh|fish\n");
	return 2;
}

/* ---- the man page ---- */

/* troff takes a dot or an apostrophe at a line's beginning, and a backslash anywhere, for its own. */
static void write_troff(const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (; *text; text++)
		fputs(*text == '\\' ? "\\e" : *text == '-' ? "\\-" : (char[]){*text, 0}, stdout);
	putchar('\n');
}

static void write_man(void)
{
	printf(".TH PYRALOG 1 \"\" \"pyralog %s\"\n.SH NAME\npyralog \\- events, SQL and transactions on one durable "
	       "log\n"
	       ".SH SYNOPSIS\n.B pyralog\n.I COMMAND\n[\n.I OPTIONS\n]\n.SH COMMANDS\n",
	       PYR_VERSION);
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_option *option = cli_commands[i].options ? cli_commands[i].options() : NULL;
		printf(".SS pyralog %s %s\n", cli_commands[i].name, cli_commands[i].words);
		write_troff(cli_commands[i].help);
		for (; option && option->name; option++) {
			printf(".TP\n.B \\-\\-%s %s\n", option->name, option->placeholder ? option->placeholder : "");
			write_troff(option->help);
			if (option->placeholder && option->value[0])
				printf("(default %s)\n", option->value);
		}
	}
	printf(".SH ENVIRONMENT\nEvery option can be set as PYRALOG_NAME, in upper case, with _ for \\-.\n");
}

static const struct cli_option man_options[] = {
	CLI_COMMON_OPTIONS,
};

const struct cli_option *cli_man_options(void)
{
	return man_options;
}

int cli_man(int argc, char **argv)
{
	struct cli_option options[sizeof man_options / sizeof man_options[0]];
	struct pyr_error error = {0};
	memcpy(options, man_options, sizeof options);
	pyr_result done = cli_options_parse(options, argc, argv, &error);
	if (done.code == PYR_OK && cli_option_get(options, "help")[0])
		printf("usage: pyralog man [--json]\n");
	else if (done.code == PYR_OK && cli_wants_json(options))
		cli_pages_commands_json();
	else if (done.code == PYR_OK)
		write_man();
	return cli_end("man", options, done, &error);
}

const struct cli_option *cli_version_options(void)
{
	return man_options;
}

int cli_version(int argc, char **argv)
{
	static const struct cli_json told[] = {{"version", PYR_VERSION, 0}, {NULL, NULL, 0}};
	struct cli_option options[sizeof man_options / sizeof man_options[0]];
	struct pyr_error error = {0};
	memcpy(options, man_options, sizeof options);
	pyr_result done = cli_options_parse(options, argc, argv, &error);
	if (done.code == PYR_OK && cli_wants_json(options))
		cli_json_print(told);
	else if (done.code == PYR_OK)
		printf("pyralog %s\n", PYR_VERSION);
	return cli_end("version", options, done, &error);
}

/* ---- configuration ---- */

static void write_reference(void)
{
	char variable[64];
	printf("# Configuration\n\nThe server's settings, from weakest to strongest: defaults, the file that "
	       "`--config` "
	       "names, the environment, the command\nline. Written by `pyralog config reference`; a test compares.\n\n"
	       "    # cluster.toml\n    data = \"/var/lib/pyralog\"\n    kafka-port = 9092\n    durability = "
	       "\"fsync\"\n\n"
	       "    pyralog server --config cluster.toml\n    pyralog config check cluster.toml\n\n"
	       "The file is TOML: keys by themselves, strings in quotes, numbers, true and false; `kafka_port` is "
	       "`kafka-port`. A key that is\nnot known stops the server, which names the one that is near.\n\n"
	       "| key, option | environment | default | |\n|---|---|---|---|\n");
	for (const struct cli_option *option = cli_server_options(); option->name; option++) {
		if (strcmp(option->name, "help") == 0)
			continue;
		cli_pages_variable(option->name, variable);
		printf("| `%s` | `%s` | %s%s%s | %s |\n", option->name, variable, option->value[0] ? "`" : "",
		       option->value, option->value[0] ? "`" : "", option->help);
	}
}

static void write_metrics_of(const struct node_metric_table *table)
{
	static const char *const scopes[] = {
		[NODE_EACH_SHARD] = "Of each shard: with the label `shard`.",
		[NODE_FIRST_SHARD] = "Of the whole node.",
		[NODE_ANY_THREAD] = "Of the whole node.",
		[NODE_EACH_OFFSET] =
			"At `/metrics` only; in SQL it is `pyralog.consumer_groups`. A lag has the labels `group`, "
			"`topic` and `partition`: of each\noffset that a group has committed, at most 2,000. Which "
			"ones "
			"are told when there are more may change. The seconds are found by reading\nthat record, "
			"off the loops, when a page is asked for and the offset has changed, or a minute has passed; "
			"where no record is\nleft behind the offset but the log does not end there, they are not told.",
	};
	printf("\n## %s\n\n%s\n\n| name | type | |\n|---|---|---|\n", table->title, scopes[table->scope]);
	for (size_t i = 0; i < table->count; i++)
		printf("| `%s` | %s | %s |\n", table->metrics[i].name,
		       table->metrics[i].kind == NODE_COUNTER ? "counter" : "gauge", table->metrics[i].text);
}

static const struct node_metric_table *const metric_tables[] = {
	&node_log_metrics, &node_group_metrics, &node_process_metrics, &kafka_metrics,
	&pg_metrics,       &pharaoh_metrics,    &http_metrics,         &node_lag_metrics,
};

enum { METRIC_TABLES = sizeof metric_tables / sizeof metric_tables[0] };

static void write_metrics(void)
{
	printf("# Metrics\n\nWhat a server counts: at `/metrics` of its HTTP port, in Prometheus's text format, and in "
	       "SQL "
	       "as `pyralog.metrics`, under\nthe same names. Written by `pyralog config metrics`; a test compares. "
	       "Counters begin anew with every start. SQL's values\nare whole numbers: of seconds the fraction is cut "
	       "off.\n\n"
	       "    curl -s localhost:8080/metrics\n"
	       "    SELECT name, sum(value) FROM pyralog.metrics GROUP BY name ORDER BY name;\n");
	for (size_t i = 0; i < METRIC_TABLES; i++)
		write_metrics_of(metric_tables[i]);
}

static const struct cli_option config_options[] = {
	CLI_COMMON_OPTIONS,
};

static void print_settings(const struct cli_option *options, bool json)
{
	const struct cli_option *defaults = cli_server_options();
	struct cli_json told[OPTIONS_MAX];
	size_t count = 0;
	for (size_t i = 0; options[i].name; i++) {
		if (options[i].value == defaults[i].value)
			continue;
		told[count++] = (struct cli_json){options[i].name, options[i].value, 0};
		if (!json)
			printf("%s = %s\n", options[i].name, options[i].value);
	}
	told[count] = (struct cli_json){NULL, NULL, 0};
	if (json)
		cli_json_print(told);
}

static pyr_result check(const char *path, bool json, struct pyr_error *error)
{
	struct cli_option options[OPTIONS_MAX];
	struct cli_config config = {NULL};
	size_t count = 0;
	while (cli_server_options()[count].name)
		count += 1;
	assert(count < OPTIONS_MAX);
	memcpy(options, cli_server_options(), (count + 1) * sizeof *options);
	pyr_result result = cli_config_read(&config, path, options, error);
	if (result.code == PYR_OK)
		result = cli_server_check(options, error);
	if (result.code == PYR_OK)
		print_settings(options, json);
	cli_config_free(&config);
	return result.code == PYR_USAGE ? pyr_result_of(PYR_INVALID_CONFIG) : result;
}

static void print_help(void)
{
	printf("usage: pyralog config check [FILE] | reference | metrics [OPTIONS]\n\nWould a server start with this "
	       "file (cluster.toml)? The pages of settings and of metrics.\n\n");
	cli_options_help(config_options, stdout);
}

const struct cli_option *cli_config_options(void)
{
	return config_options;
}

static pyr_result configure(const struct cli_option *options, const char *verb, const char *path,
                            struct pyr_error *error)
{
	bool json = cli_wants_json(options);
	if (strcmp(verb, "check") == 0)
		return check(path ? path : "cluster.toml", json, error);
	bool reference = strcmp(verb, "reference") == 0;
	if (path || (!reference && strcmp(verb, "metrics") != 0))
		return pyr_fail(error, PYR_USAGE, "say what to do: pyralog config check [FILE], reference or metrics");
	if (reference && json)
		cli_pages_settings_json(cli_server_options());
	else if (reference)
		write_reference();
	else if (json)
		cli_pages_metrics_json(metric_tables, METRIC_TABLES);
	else
		write_metrics();
	return pyr_ok();
}

int cli_config(int argc, char **argv)
{
	struct cli_option options[sizeof config_options / sizeof config_options[0]];
	struct pyr_error error = {0};
	const char *words[2] = {"", NULL};
	int count = 0;
	memcpy(options, config_options, sizeof options);
	for (; count < 2 && count < argc && strncmp(argv[count], "--", 2) != 0; count++)
		words[count] = argv[count];
	pyr_result done = cli_options_parse(options, argc - count, argv + count, &error);
	if (done.code == PYR_OK && cli_option_get(options, "help")[0]) {
		print_help();
		return 0;
	}
	if (done.code == PYR_OK)
		done = configure(options, words[0], words[1], &error);
	return cli_end("config", options, done, &error);
}
