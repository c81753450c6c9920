/* Settings from a file, cluster.toml: `key = value` lines of TOML, whose keys are the options' names.
 *
 * Strings, integers and booleans; comments; '-' and '_' are the same in a key. Owner: the command that reads it.
 */
#ifndef PYRALOG_CLI_CONFIG_H
#define PYRALOG_CLI_CONFIG_H

#include "base/buffer.h"
#include "cli/options.h"

struct cli_config {
	char *text; /* what the options' values point into */
};

/* Values of the file become the options'. PYR_INVALID_CONFIG names file, line and what is near. `config` must live as long as
 * the options; a zeroed one may be freed. */
pyr_result cli_config_read(struct cli_config *config, const char *path, struct cli_option *options,
                           struct pyr_error *error);
/* The same of a text. */
pyr_result cli_config_parse(struct cli_config *config, const char *path, struct base_bytes text,
                            struct cli_option *options, struct pyr_error *error);
void cli_config_free(struct cli_config *config);

#endif
