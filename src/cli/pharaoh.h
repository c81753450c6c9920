/* A node of the Pharaoh network for a command: its loop, and the connection. */
#ifndef PYRALOG_CLI_PHARAOH_H
#define PYRALOG_CLI_PHARAOH_H

#include "cli/options.h"
#include "client/pharaoh.h"

enum { CLI_PHARAOH_US = 10 * 1000000 }; /* for an answer */

struct cli_pharaoh {
	struct os_loop *loop;
	struct os_net *net;
	struct client_pharaoh client;
};

/* The rows of an options table that it needs. */
#define CLI_PHARAOH_OPTIONS                                                                                            \
	{                                                                                                              \
		"pharaoh", "HOST:PORT", "127.0.0.1:9640", "the node's port for the Pharaoh network"                    \
	}

pyr_result cli_pharaoh_open(struct cli_pharaoh *pharaoh, const struct cli_option *options, struct pyr_error *error);
void cli_pharaoh_close(struct cli_pharaoh *pharaoh); /* also after a failure */
pyr_result cli_pharaoh_ask(struct cli_pharaoh *pharaoh, const struct codec_pharaoh *request,
                           struct codec_pharaoh *ret_reply, struct pyr_error *error);
/* A number of 64 bits, as a session's or a token. PYR_USAGE. */
pyr_result cli_pharaoh_number(const char *what, const char *text, uint64_t *ret_number, struct pyr_error *error);

/* What a command takes besides options. */
struct cli_words {
	const char *words[3];
	int count;
	char **rest; /* behind "--" */
	int rest_count;
};

/* Words first, then options, then -- and the rest. PYR_USAGE. */
pyr_result cli_pharaoh_parse(struct cli_option *options, int argc, char **argv, struct cli_words *ret_words,
                             struct pyr_error *error);

#endif
