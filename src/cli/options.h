/* Command-line options from a table: parser, defaults, environment and help all come from it.
 *
 * An option is --name VALUE or --name=VALUE; a flag has no value. Each may also come from the environment as PYRALOG_NAME
 * (upper case, '_' for '-'); the command line wins. Texts are borrowed from argv and the environment.
 */
#ifndef PYRALOG_CLI_OPTIONS_H
#define PYRALOG_CLI_OPTIONS_H

#include "base/error.h"

#include <stdio.h>

struct cli_option {
	const char *name; /* without the dashes */
	const char *placeholder; /* "DIR"; NULL: a flag */
	const char *value; /* default; replaced by what was given; "" is not given, "1" a flag that was */
	const char *help;
};

/* What the table of each command ends with. */
/* clang-format off */
#define CLI_COMMON_OPTIONS                                                                                             \
	{"json", NULL, "", "JSON on standard output, for programs"},                                                   \
	{"color", "WHEN", "auto", "always, never, or auto: at a terminal, unless NO_COLOR is set"},                    \
	{"help", NULL, "", "show this"},                                                                               \
	{NULL, NULL, NULL, NULL}
/* clang-format on */

/* The one of that name; NULL: there is none. The one whose name is nearest, if it is near. */
struct cli_option *cli_option_find(struct cli_option *options, const char *name);
const char *cli_option_near(const struct cli_option *options, const char *name);
/* Fills in `value`. PYR_USAGE with a sentence that names the option. Ends with an option whose name is NULL. */
pyr_result cli_options_parse(struct cli_option *options, int argc, char **argv, struct pyr_error *error);
struct cli_config;
/* The same; what --config names is read first. `config` (config.h) must live as long as the options. */
pyr_result cli_options_parse_file(struct cli_option *options, int argc, char **argv, struct cli_config *config,
                                  struct pyr_error *error);
const char *cli_option_get(const struct cli_option *options, const char *name);
/* A number from `min` to `max`. PYR_USAGE. */
pyr_result cli_option_number(const struct cli_option *options, const char *name, long long min, long long max,
                             long long *ret_number, struct pyr_error *error);
/* Is `argument` the name, with its dashes, of an option whose value follows? */
bool cli_option_takes_value(const struct cli_option *options, const char *argument);
void cli_options_help(const struct cli_option *options, FILE *out);

#endif
