/* What is written from the tables of commands and options: completion, man page, reference page, the check of a file. */
#include "base/table.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "node/lags.h"
#include "server/kafka/kafka.h"
#include "server/ops/ops.h"
#include "server/pg/pg.h"
#include "server/pharaoh/pharaoh.h"

#include <ctype.h>
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
	       "    words='version help");
	for (size_t i = 0; i < cli_command_count; i++)
		printf(" %s", cli_commands[i].name);
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
	printf("#compdef pyralog\n_pyralog() {\n  local -a list\n  if (( CURRENT == 2 )); then\n    list=(version "
	       "help");
	for (size_t i = 0; i < cli_command_count; i++)
		printf(" %s", cli_commands[i].name);
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
	printf("complete -c pyralog -f -n __fish_use_subcommand -a 'version help'\n");
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

int cli_man(int argc, char **argv)
{
	(void)argv;
	if (argc > 0) {
		fprintf(stderr, "usage: pyralog man\n");
		return 2;
	}
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
	return 0;
}

/* ---- configuration ---- */

static void write_reference(void)
{
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
		printf("| `%s` | `PYRALOG_", option->name);
		for (const char *c = option->name; *c; c++)
			putchar(*c == '-' ? '_' : toupper((unsigned char)*c));
		printf("` | %s%s%s | %s |\n", option->value[0] ? "`" : "", option->value, option->value[0] ? "`" : "",
		       option->help);
	}
}

static void write_metrics_of(const struct node_metric_table *table)
{
	static const char *const scopes[] = {
		[NODE_EACH_SHARD] = "Of each shard: with the label `shard`.",
		[NODE_FIRST_SHARD] = "Of the whole node.",
		[NODE_ANY_THREAD] = "Of the whole node.",
		[NODE_EACH_OFFSET] =
			"At `/metrics` only; in SQL it is `pyralog.consumer_groups`. The lag has the labels `group`, "
			"`topic` and `partition`: of each\noffset that a group has committed, at most 2,000. Which "
			"ones "
			"are told when there are more may change.",
	};
	printf("\n## %s\n\n%s\n\n| name | type | |\n|---|---|---|\n", table->title, scopes[table->scope]);
	for (size_t i = 0; i < table->count; i++)
		printf("| `%s` | %s | %s |\n", table->metrics[i].name,
		       table->metrics[i].kind == NODE_COUNTER ? "counter" : "gauge", table->metrics[i].text);
}

static void write_metrics(void)
{
	static const struct node_metric_table *const tables[] = {
		&node_log_metrics, &node_group_metrics, &node_process_metrics, &kafka_metrics,
		&pg_metrics,       &pharaoh_metrics,    &http_metrics,         &node_lag_metrics,
	};
	printf("# Metrics\n\nWhat a server counts: at `/metrics` of its HTTP port, in Prometheus's text format, and in "
	       "SQL "
	       "as `pyralog.metrics`, under\nthe same names. Written by `pyralog config metrics`; a test compares. "
	       "Counters begin anew with every start. SQL's values\nare whole numbers: of seconds the fraction is cut "
	       "off.\n\n"
	       "    curl -s localhost:8080/metrics\n"
	       "    SELECT name, sum(value) FROM pyralog.metrics GROUP BY name ORDER BY name;\n");
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		write_metrics_of(tables[i]);
}

static int check(const char *path)
{
	struct cli_option options[OPTIONS_MAX];
	struct cli_config config = {NULL};
	struct pyr_error error = {0};
	size_t count = 0;
	while (cli_server_options()[count].name)
		count += 1;
	memcpy(options, cli_server_options(), (count + 1) * sizeof *options);
	pyr_result result = cli_config_read(&config, path, options, &error);
	if (result.code == PYR_OK)
		result = cli_server_check(options, &error);
	for (size_t i = 0; i < count && result.code == PYR_OK; i++)
		if (options[i].value != cli_server_options()[i].value)
			printf("%s = %s\n", options[i].name, options[i].value);
	cli_config_free(&config);
	if (result.code == PYR_OK)
		return 0;
	fprintf(stderr, "pyralog config: %s\n", error.text[0] ? error.text : pyr_code_text(result.code));
	return 1;
}

int cli_config(int argc, char **argv)
{
	if (argc >= 1 && argc <= 2 && strcmp(argv[0], "check") == 0)
		return check(argc == 2 ? argv[1] : "cluster.toml");
	if (argc == 1 && strcmp(argv[0], "reference") == 0) {
		write_reference();
		return 0;
	}
	if (argc == 1 && strcmp(argv[0], "metrics") == 0) {
		write_metrics();
		return 0;
	}
	fprintf(stderr, "usage: pyralog config check [FILE] | reference | metrics\n");
	return 2;
}
