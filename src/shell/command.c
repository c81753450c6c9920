/* Backslash commands (see shell_priv.h): one table, which is their help, too. */
#include "shell/shell_priv.h"

#include "os/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NESTING_MAX = 16, WATCH_SECONDS_MAX = 86400 };

/* What a command is given: its argument without blanks around it, and the statement it is about, or NULL. */
typedef bool command(struct shell *shell, const char *argument, const char *statement);

static bool fail(struct shell *shell, const char *sentence, const char *argument)
{
	shell_complain(shell, "%s%s%s", sentence, argument[0] ? ": " : "", argument);
	shell->failed = true;
	return false;
}

/* "on", "off", or "" for the other one. */
static bool toggle(struct shell *shell, bool *value, const char *name, const char *argument)
{
	if (argument[0] && strcmp(argument, "on") != 0 && strcmp(argument, "off") != 0)
		return fail(shell, "give on or off", argument);
	*value = argument[0] ? strcmp(argument, "on") == 0 : !*value;
	if (shell->at_terminal)
		printf("%s is %s.\n", name, *value ? "on" : "off");
	return true;
}

static bool quit(struct shell *shell, const char *argument, const char *statement)
{
	(void)argument;
	(void)statement;
	shell->quits = true;
	return true;
}

static bool set_expanded(struct shell *shell, const char *argument, const char *statement)
{
	(void)statement;
	return toggle(shell, &shell->options.style.expanded, "Expanded display", argument);
}

static bool set_timing(struct shell *shell, const char *argument, const char *statement)
{
	(void)statement;
	return toggle(shell, &shell->options.timing, "Timing", argument);
}

static bool set_pager(struct shell *shell, const char *argument, const char *statement)
{
	(void)statement;
	return toggle(shell, &shell->options.pager, "The pager", argument);
}

static bool set_format(struct shell *shell, const char *argument, const char *statement)
{
	(void)statement;
	for (size_t i = 0; i < SHELL_FORMATS; i++) {
		if (strcmp(shell_format_names[i], argument) == 0) {
			shell->options.style.format = (enum shell_format)i;
			return true;
		}
	}
	return fail(shell, "the formats are aligned, plain, csv, json, markdown and arrow", argument);
}

static bool set_output(struct shell *shell, const char *argument, const char *statement)
{
	(void)statement;
	FILE *out = argument[0] ? os_terminal_open_output(argument) : stdout;
	if (!out)
		return fail(shell, argument, strerror(errno));
	if (shell->out != stdout)
		os_terminal_close(shell->out, shell->out_is_program);
	shell->out = out;
	shell->out_is_program = argument[0] == '|';
	shell->out_is_used = false;
	return true;
}

static bool include(struct shell *shell, const char *argument, const char *statement)
{
	(void)statement;
	if (shell->nesting == NESTING_MAX)
		return fail(shell, "files include each other too deep", argument);
	FILE *in = os_terminal_open_input(argument);
	if (!in)
		return fail(shell, argument, strerror(errno));
	char *rest = shell->buffer;
	shell->buffer = NULL;
	shell->nesting += 1;
	bool good = shell_run_stream(shell, in);
	shell->nesting -= 1;
	os_terminal_close(in, false);
	free(shell->buffer);
	shell->buffer = rest;
	return good;
}

static bool echo(struct shell *shell, const char *argument, const char *statement)
{
	(void)statement;
	fprintf(shell->out, "%s\n", argument);
	return true;
}

static bool tell_connection(struct shell *shell, const char *argument, const char *statement)
{
	char place[256];
	(void)argument;
	(void)statement;
	fprintf(shell->out, "Connected to %s, %s.\n", shell_client_place(shell->client, place),
	        shell_client_parameter(shell->client, "server_version"));
	return true;
}

/* ---- what concerns a statement: the one in front, or the last ---- */

static const char *statement_of(struct shell *shell, const char *statement)
{
	if (statement) {
		free(shell->last);
		shell->last = strdup(statement);
	}
	if (!shell->last)
		(void)fail(shell, "there is no statement yet", "");
	return shell->last;
}

static bool go(struct shell *shell, const char *argument, const char *statement)
{
	static const struct shell_use shown = {0};
	const char *text = statement_of(shell, statement);
	(void)argument;
	return text && shell_execute(shell, text, &shown);
}

static bool go_expanded(struct shell *shell, const char *argument, const char *statement)
{
	struct shell_style before = shell->options.style;
	shell->options.style.expanded = true;
	shell->options.style.format = SHELL_ALIGNED;
	bool good = go(shell, argument, statement);
	shell->options.style = before;
	return good;
}

static bool draw_chart(struct shell *shell, const char *argument, const char *statement)
{
	struct shell_use use = {.chart = true, .line = strcmp(argument, "line") == 0};
	if (argument[0] && !use.line && strcmp(argument, "bars") != 0)
		return fail(shell, "a chart has bars or is a line", argument);
	const char *text = statement_of(shell, statement);
	return text && shell_execute(shell, text, &use);
}

static bool watch(struct shell *shell, const char *argument, const char *statement)
{
	static const struct shell_use shown = {0};
	char *end = NULL;
	double seconds = argument[0] ? strtod(argument, &end) : 2;
	const char *text = statement_of(shell, statement);
	if (!text)
		return false;
	if ((end && *end) || !(seconds > 0 && seconds <= WATCH_SECONDS_MAX))
		return fail(shell, "give a number of seconds", argument);
	bool good, waited;
	do {
		good = shell_execute(shell, text, &shown);
		shell_interrupts_begin(); /* one ends the wait */
		waited = good && os_terminal_wait_us((uint64_t)(seconds * 1e6));
		shell_interrupts_end(shell);
	} while (waited && shell_is_connected(shell));
	return good;
}

static bool reset_buffer(struct shell *shell, const char *argument, const char *statement)
{
	(void)shell;
	(void)argument;
	(void)statement; /* it goes */
	return true;
}

static command help;

static const struct {
	const char *name;
	command *run;
	const char *argument, *text;
} commands[] = {
	{"?", help, "", "this list"},
	{"q", quit, "", "leave"},
	{"g", go, "", "run the statement in front of it, or the last one"},
	{"gx", go_expanded, "", "the same, a line a cell"},
	{"watch", watch, "[SECONDS]", "run it again and again, every 2 s, until Ctrl-C"},
	{"chart", draw_chart, "[bars|line]", "draw its result"},
	{"r", reset_buffer, "", "forget the statement in front of it"},
	{"x", set_expanded, "[on|off]", "a line a cell"},
	{"format", set_format, "FORMAT", "aligned, plain, csv, json, markdown or arrow"},
	{"timing", set_timing, "[on|off]", "tell how long statements take"},
	{"pager", set_pager, "[on|off]", "long results through $PAGER, or less"},
	{"o", set_output, "[FILE]", "results to a file, or to \"|program\"; without: to where they were"},
	{"i", include, "FILE", "run a file"},
	{"echo", echo, "TEXT", "write it"},
	{"conninfo", tell_connection, "", "what this is connected to"},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static bool help(struct shell *shell, const char *argument, const char *statement)
{
	(void)argument;
	(void)statement;
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		char left[40];
		snprintf(left, sizeof left, "\\%s %s", commands[i].name, commands[i].argument);
		fprintf(shell->out, "  %-22s %s\n", left, commands[i].text);
	}
	fprintf(shell->out, "  %-22s topics and views; \\d NAME: its columns; \\dt \\dv \\dn \\du \\l \\dS\n", "\\d");
	fprintf(shell->out, "  %-22s Ctrl-C ends a statement, Ctrl-D the shell, Tab completes names\n", "");
	return true;
}

bool shell_command(struct shell *shell, const char *line, const char *statement)
{
	char name[32], *argument;
	size_t bytes = strcspn(line + 1, " \t\\");
	snprintf(name, sizeof name, "%.*s", (int)(bytes < sizeof name ? bytes : sizeof name - 1), line + 1);
	line += 1 + bytes;
	line += strspn(line, " \t");
	size_t end = strlen(line);
	while (end > 0 && strchr(" \t\r;", line[end - 1]))
		end -= 1;
	argument = strndup(line, end);
	if (!argument)
		return false;
	bool good = false, known = false;
	for (size_t i = 0; i < COMMAND_COUNT && !known; i++) {
		if (strcmp(commands[i].name, name) == 0) {
			known = true;
			good = commands[i].run(shell, argument, statement);
		}
	}
	if (!known && (name[0] == 'd' || strcmp(name, "l") == 0)) {
		known = shell_describe(shell, name, argument);
		good = known && !shell->failed;
	}
	if (!known)
		(void)fail(shell, "there is no such command; \\? lists them", name);
	free(argument);
	return good;
}
