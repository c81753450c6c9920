/* A connection to anything that speaks PostgreSQL's protocol: libpq, behind this header.
 *
 * Rows are handed on as they arrive. Owner: one thread, but shell_client_interrupt(), which a signal's handler may call.
 */
#ifndef PYRALOG_SHELL_CLIENT_H
#define PYRALOG_SHELL_CLIENT_H

#include "base/error.h"

#include <stdint.h>
#include <stdio.h>

struct shell_client;

struct shell_client_options {
	const char *host, *port, *user, *database; /* "" leaves it to libpq: its environment, its defaults */
};

/* PYR_NETWORK with libpq's sentence. */
pyr_result shell_client_open(const struct shell_client_options *options, struct shell_client **ret_client,
                             struct pyr_error *error);
void shell_client_free(struct shell_client *client); /* NULL is fine */
void shell_client_interrupt(struct shell_client *client); /* asks the server to end what runs */
bool shell_client_is_alive(const struct shell_client *client);
const char *shell_client_parameter(const struct shell_client *client, const char *name); /* "server_version"; "" */
const char *shell_client_place(const struct shell_client *client, char room[256]); /* "127.0.0.1:5432/pyralog" */
int shell_client_pid(const struct shell_client *client); /* as pg_backend_pid() tells */
char shell_client_block(const struct shell_client *client); /* ' ', '*' in a transaction, '!' in a failed one */

/* What is told of a result while it arrives; any may be NULL. Texts are valid during the call; a null cell is NULL. */
struct shell_sink {
	void *context;
	void (*columns)(void *context, size_t count, const char *const *names, const uint32_t *types);
	void (*row)(void *context, const char *const *cells, const size_t *bytes);
	void (*idle)(void *context); /* no more has arrived yet */
	void (*waiting)(void *context); /* now and then, until more arrives, and while a COPY goes on */
	void (*done)(void *context, const char *tag); /* "SELECT 3": the statement is over */
	void (*notice)(void *context, const char *text);
	FILE *copy_to; /* what COPY TO STDOUT gives */
	FILE *copy_from; /* what COPY FROM STDIN takes, up to its end or a line \. */
};

/* Runs a text of statements. PYR_QUERY with the server's message, as many lines as psql shows; PYR_NETWORK. */
pyr_result shell_client_run(struct shell_client *client, const char *text, const struct shell_sink *sink,
                            char **ret_message, struct pyr_error *error);
/* 'a''b' or "a""b", for the caller to free(); NULL: memory is out. */
char *shell_client_quote(struct shell_client *client, const char *text, bool as_name);

#endif
