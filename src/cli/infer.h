/* Types for the JSON fields of a topic, from a sample of its records. */
#ifndef PYRALOG_CLI_INFER_H
#define PYRALOG_CLI_INFER_H

#include "shell/client.h"

#include <stdbool.h>
#include <stddef.h>

/* Prints the ALTER TOPIC that declares what `sample` records have and the topic does not declare; `apply` runs it. */
pyr_result cli_infer(const struct shell_client_options *server, const char *topic, size_t sample, bool apply,
                     struct pyr_error *error);

#endif
