/* How a command answers: its exit code, its errors, JSON for programs, and whether there is colour. */
#ifndef PYRALOG_CLI_ANSWER_H
#define PYRALOG_CLI_ANSWER_H

#include "cli/options.h"

#include <stdbool.h>
#include <stdint.h>

struct shell_palette;

/* 0; 2 if the command line is not right, 1 for what else failed: the sentence is on standard error then. */
int cli_end(const char *command, const struct cli_option *options, pyr_result done, const struct pyr_error *error);
bool cli_wants_json(const struct cli_option *options);
/* What --color says; "auto" where there is none. */
const char *cli_color(const struct cli_option *options);
const struct shell_palette *cli_palette(const struct cli_option *options, FILE *out);

/* A member of a JSON object. */
struct cli_json {
	const char *name; /* NULL: the end */
	const char *text; /* NULL: the number */
	uint64_t number;
};

/* An object on a line of standard output. */
void cli_json_print(const struct cli_json *members);
/* A text in quotes. */
void cli_json_text(const char *text);

#endif
