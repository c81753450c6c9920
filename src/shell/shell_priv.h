/* Shared by the shell's files. */
#ifndef PYRALOG_SHELL_SHELL_PRIV_H
#define PYRALOG_SHELL_SHELL_PRIV_H

#include "base/cursor.h"
#include "shell/progress.h"
#include "shell/shell.h"

struct shell {
	struct shell_options options;
	struct shell_client *client;
	struct shell_table table; /* the last result */
	char *buffer; /* a statement that goes on */
	char *last; /* the last one that ran */
	FILE *out; /* \o; standard output */
	bool out_is_program;
	bool out_is_used; /* an Arrow file is in it */
	FILE *in; /* what COPY FROM STDIN reads */
	bool at_terminal;
	bool failed, quits;
	bool streams; /* the statement that runs never ends: rows are shown as they come */
	char *words; /* names for completion, each with a zero; "" ends them. NULL: not asked yet */
	unsigned nesting; /* of \i */
	struct shell_progress progress; /* of the statement that runs */
	struct shell_client *asker; /* asks how far it is; NULL: not needed yet */
	bool asker_failed; /* it can't be asked */
};

/* What becomes of a result that is not just shown. */
struct shell_use {
	bool silent; /* gathered only */
	bool chart, line; /* \chart */
};

/* shell.c: Ctrl-C ends what runs, or the wait for something, instead of the program. In between, at a terminal, it ends
 * nothing. */
void shell_interrupts_begin(void);
void shell_interrupts_end(const struct shell *shell);
/* Runs a text and shows, or gathers, what it gives. False: it failed, and the user was told. */
bool shell_execute(struct shell *shell, const char *text, const struct shell_use *use);
[[gnu::format(printf, 2, 3)]] void shell_complain(struct shell *shell, const char *format, ...);
/* command.c: "\x on" from the backslash on; `statement` is what stood in front of it, or NULL. */
bool shell_command(struct shell *shell, const char *line, const char *statement);
/* waiting.c: how far the statement is, on a line at the terminal. `looks`: somebody may want to see it. */
void shell_wait_begin(struct shell *shell, bool looks);
void shell_wait_tell(struct shell *shell);
/* describe.c: \d and its family. False: that is none. */
bool shell_describe(struct shell *shell, const char *command, const char *argument);
/* complete.c */
char *shell_complete(void *shell, const char *line, const char *word, size_t i);

#endif
