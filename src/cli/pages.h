/* The tables of commands, settings and metrics as JSON, for `man`, `config reference` and `config metrics`. */
#ifndef PYRALOG_CLI_PAGES_H
#define PYRALOG_CLI_PAGES_H

#include "cli/options.h"
#include "node/metrics.h"

#include <stddef.h>

/* Each writes an array on standard output. */
void cli_pages_commands_json(void);
void cli_pages_settings_json(const struct cli_option *options);
void cli_pages_metrics_json(const struct node_metric_table *const *tables, size_t count);
/* "PYRALOG_KAFKA_PORT", into `room`. */
void cli_pages_variable(const char *option, char room[64]);

#endif
