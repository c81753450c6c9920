/* libedit (see line.h). Its interface has no place for a context of ours, so that is kept here. */
#include "shell/line.h"

#include <editline/readline.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY_LINES = 5000 };

static struct {
	const char *history;
	shell_line_complete *complete;
	void *context;
	size_t next;
} line;

static char *next_word(const char *word, int state)
{
	char *front;
	if (state == 0)
		line.next = 0;
	size_t at = rl_point > 0 ? (size_t)rl_point : 0, bytes = strlen(word);
	front = strndup(rl_line_buffer, at > bytes ? at - bytes : 0);
	char *found = front ? line.complete(line.context, front, word, line.next++) : NULL;
	free(front);
	return found;
}

static char **complete(const char *word, int from, int to)
{
	(void)from;
	(void)to;
	rl_attempted_completion_over = 1; /* names of files are none of ours */
	return rl_completion_matches(word, next_word);
}

void shell_line_begin(const char *history, shell_line_complete *with, void *context)
{
	static char breaks[] = " \t\n,;()=<>+-*/'";
	line.history = history;
	line.complete = with;
	line.context = context;
	rl_initialize();
	rl_attempted_completion_function = complete;
	rl_basic_word_break_characters = breaks;
	rl_completer_word_break_characters = breaks;
	using_history();
	stifle_history(HISTORY_LINES);
	if (history)
		(void)read_history(history);
}

char *shell_line_read(const char *prompt)
{
	return readline(prompt);
}

void shell_line_remember(const char *text)
{
	if (text[0])
		(void)add_history(text);
}

void shell_line_end(void)
{
	if (line.history)
		(void)write_history(line.history);
}
