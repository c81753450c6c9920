/* A Pharaoh network for a command: its loop, and the network's client, asked one question at a time. */
#ifndef PYRALOG_CLI_PHARAOH_H
#define PYRALOG_CLI_PHARAOH_H

#include "cli/options.h"
#include "client/network.h"

enum { CLI_PHARAOH_US = 5 * 1000000 }; /* for an answer */

struct cli_pharaoh {
	struct os_loop *loop;
	struct os_net *net;
	struct client_network *network;

	/* The question that is asked. */
	struct client_network_ask ask;
	pyr_result result;
	struct pyr_error error;
	struct codec_pharaoh reply;
	uint8_t value[CODEC_PHARAOH_FRAME_MAX]; /* the reply's */
};

/* The rows of an options table that it needs. */
#define CLI_PHARAOH_OPTIONS                                                                                            \
	{                                                                                                              \
		"pharaoh", "HOST:PORT", "127.0.0.1:9640",                                                              \
			"a node's port for the Pharaoh network, or several with commas"                                \
	}

pyr_result cli_pharaoh_open(struct cli_pharaoh *pharaoh, const struct cli_option *options, struct pyr_error *error);
void cli_pharaoh_close(struct cli_pharaoh *pharaoh); /* also after a failure */
/* The reply's value is valid until the next question; its name and numbers are not handed out. */
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
