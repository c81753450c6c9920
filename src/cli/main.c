/* pyralog: one program, many commands. The table in commands.c is the help, too. */
#include "cli/answer.h"
#include "cli/commands.h"
#include "shell/color.h"

#include <stdio.h>
#include <string.h>

static void print_help(FILE *out)
{
	fprintf(out,
	        "pyralog: events, SQL and transactions on one durable log\n\nusage: pyralog COMMAND [OPTIONS]\n\n");
	for (size_t i = 0; i < cli_command_count; i++)
		fprintf(out, "  %-10s %s\n", cli_commands[i].name, cli_commands[i].help);
	fprintf(out, "\nexamples:\n"
	             "  pyralog server                          a node on ./pyralog-data and the usual ports\n"
	             "  pyralog server --data DIR --kafka-port 0    another directory, any free port\n"
	             "  pyralog server --help                   all its options\n"
	             "  pyralog sql                             a shell for SQL\n"
	             "  pyralog group list                      consumer groups; describe GROUP tells their lag\n"
	             "  pyralog bench                           how much the broker on 127.0.0.1:9092 takes\n");
}

int cli_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	print_help(stdout);
	return 0;
}

/* Called pyralog-server, it is that command. */
static bool is_server(const char *called)
{
	const char *slash = strrchr(called, '/');
	return strcmp(slash ? slash + 1 : called, "pyralog-server") == 0;
}

int main(int argc, char **argv)
{
	if (argc > 0 && is_server(argv[0]))
		return cli_server(argc - 1, argv + 1);
	const char *name = argc > 1 ? argv[1] : "help";
	if (strcmp(name, "--help") == 0 || strcmp(name, "--version") == 0)
		name += 2;
	for (size_t i = 0; i < cli_command_count; i++)
		if (strcmp(cli_commands[i].name, name) == 0)
			return cli_commands[i].run(argc > 2 ? argc - 2 : 0, argv + 2);
	const struct shell_palette *palette = cli_palette(NULL, stderr);
	fprintf(stderr, "%spyralog:%s there is no command %s\n\n", palette->error, palette->end, name);
	print_help(stderr);
	return 2;
}
