/* Types for the JSON fields of a topic, from a sample of its records. */
#ifndef PYRALOG_CLI_INFER_H
#define PYRALOG_CLI_INFER_H

#include "shell/client.h"

#include <stdbool.h>
#include <stddef.h>

struct cli_infer_options {
	const char *topic;
	size_t sample; /* records to look at */
	bool apply; /* runs what is printed */
	bool json;
	const char *color; /* of progress: see shell/color.h */
};

/* Prints the ALTER TOPIC that declares what the sample has and the topic does not declare. */
pyr_result cli_infer(const struct shell_client_options *server, const struct cli_infer_options *how,
                     struct pyr_error *error);

#endif
