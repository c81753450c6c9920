/* The SQL shell: statements and backslash commands from a terminal, a file or a text, results to people or programs.
 *
 * One thread. Needs a server that speaks PostgreSQL's protocol, Pyralog or another.
 */
#ifndef PYRALOG_SHELL_SHELL_H
#define PYRALOG_SHELL_SHELL_H

#include "shell/client.h"
#include "shell/table.h"

struct shell;

struct shell_options {
	struct shell_client_options server;
	struct shell_style style;
	bool timing;
	bool keep_going; /* after an error in a script */
	bool pager;
	const char *output; /* a file; NULL: standard output */
	const char *history; /* NULL: none */
	const char *color; /* "always", "never", "auto": see color.h */
};

/* PYR_NETWORK: there is no server. */
pyr_result shell_new(const struct shell_options *options, struct shell **ret_shell, struct pyr_error *error);
void shell_free(struct shell *shell); /* NULL is fine */
/* Statements and commands of a text. False: one failed, or \q was met (see shell_has_failed()). */
bool shell_run_text(struct shell *shell, const char *text);
bool shell_run_stream(struct shell *shell, FILE *in);
/* At a terminal, until \q or the end of the input. */
void shell_run_terminal(struct shell *shell);
bool shell_has_failed(const struct shell *shell);
bool shell_is_connected(const struct shell *shell);

#endif
