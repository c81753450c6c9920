/* Lines typed at a terminal, with history and completion: libedit, behind this header. One thread; one at a time. */
#ifndef PYRALOG_SHELL_LINE_H
#define PYRALOG_SHELL_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* The i-th text that `word` may become, for the caller's to free(); NULL: there are no more. `line`: what stands in front
 * of the word. */
typedef char *shell_line_complete(void *context, const char *line, const char *word, size_t i);

/* `history`: a file, read now and written by shell_line_end(); NULL: none. */
void shell_line_begin(const char *history, shell_line_complete *complete, void *context);
/* Without its line feed, for the caller to free(); NULL: the input has ended. */
char *shell_line_read(const char *prompt);
void shell_line_remember(const char *text);
void shell_line_end(void);

#endif
