/* pyralog: one program, many commands. The table below is the help, too. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

struct command {
	const char *name;
	cli_command *run;
	const char *help;
};

static const struct command commands[] = {
	{"server", cli_server, "run a node: Kafka protocol and SQL on one durable log"},
	{"sql", cli_sql, "a shell for SQL, and for scripts"},
	{"topic", cli_topic, "topics: list, create, describe, alter, delete, infer columns"},
	{"produce", cli_produce, "records out of files: lines, JSON lines, CSV"},
	{"consume", cli_consume, "records of a topic: lines, CSV, JSON lines"},
	{"group", cli_group, "consumer groups: list, describe with lag, reset offsets, delete"},
	{"bench", cli_bench, "load a broker that speaks Kafka's protocol, and tell how fast it is"},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_help(FILE *out)
{
	fprintf(out,
	        "pyralog: events, SQL and transactions on one durable log\n\nusage: pyralog COMMAND [OPTIONS]\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	fprintf(out, "  %-10s %s\n", "version", "print the version");
	fprintf(out, "\nexamples:\n"
	             "  pyralog server                          a node on ./pyralog-data and the usual ports\n"
	             "  pyralog server --data DIR --kafka-port 0    another directory, any free port\n"
	             "  pyralog server --help                   all its options\n"
	             "  pyralog group list                      consumer groups; describe GROUP tells their lag\n"
	             "  pyralog bench                           how much the broker on 127.0.0.1:9092 takes\n");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "--help";
	if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
		print_help(stdout);
		return 0;
	}
	if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
		printf("pyralog %s\n", PYR_VERSION);
		return 0;
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(argc - 2, argv + 2);
	fprintf(stderr, "pyralog: there is no command %s\n\n", name);
	print_help(stderr);
	return 2;
}
