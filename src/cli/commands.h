/* The one table of commands: help, completion, man pages and the reference page come from it. */
#ifndef PYRALOG_CLI_COMMANDS_H
#define PYRALOG_CLI_COMMANDS_H

#include "cli/cli.h"
#include "cli/options.h"

#include <stddef.h>

struct cli_command_row {
	const char *name;
	cli_command *run;
	const char *help;
	const char *words; /* what may follow the name, with blanks between; "" */
	const struct cli_option *(*options)(void); /* NULL: it has none */
};

extern const struct cli_command_row cli_commands[];
extern const size_t cli_command_count;

#endif
