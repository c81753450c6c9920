/* The shell's life: reading, running, showing (see shell.h).
 *
 * Failure modes: an error of the server is shown, and ends a script unless it shall go on; a lost connection ends the shell.
 */
#include "shell/shell_priv.h"

#include "os/environment.h"
#include "os/terminal.h"
#include "shell/color.h"
#include "shell/line.h"
#include "shell/split.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ROWS_AT_ONCE = 1000, TEXT_BYTES_MAX = 1 << 28 };

/* A signal's handler finds nothing else. */
/* Of the one shell of the process, as signals are. The client is there while a statement runs. */
static struct shell_client *volatile interrupted_client;
static volatile bool interrupted;

static void on_interrupt(void)
{
	interrupted = true;
	shell_client_interrupt(interrupted_client);
}

void shell_interrupts_begin(void)
{
	os_terminal_on_interrupt(on_interrupt);
}

/* At a terminal Ctrl-C never ends the shell, also not between a line and its statement. */
void shell_interrupts_end(const struct shell *shell)
{
	interrupted_client = NULL;
	if (!shell->at_terminal)
		os_terminal_on_interrupt(NULL);
}

pyr_result shell_new(const struct shell_options *options, struct shell **ret_shell, struct pyr_error *error)
{
	struct shell *shell = calloc(1, sizeof *shell);
	if (!shell)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	shell->options = *options;
	shell->out = stdout;
	shell->in = stdin;
	if (options->output && !(shell->out = os_terminal_open_output(options->output))) {
		free(shell);
		return pyr_fail(error, PYR_IO, "can't write %s: %s", options->output, strerror(errno));
	}
	pyr_result result = shell_client_open(&options->server, &shell->client, error);
	if (result.code != PYR_OK) {
		shell_free(shell);
		return result;
	}
	*ret_shell = shell;
	return pyr_ok();
}

void shell_free(struct shell *shell)
{
	if (!shell)
		return;
	if (shell->out != stdout)
		os_terminal_close(shell->out, shell->out_is_program);
	shell_client_free(shell->client);
	shell_client_free(shell->asker);
	shell_table_reset(&shell->table);
	free(shell->buffer);
	free(shell->last);
	free(shell->words);
	free(shell);
}

bool shell_has_failed(const struct shell *shell)
{
	return shell->failed;
}

bool shell_is_connected(const struct shell *shell)
{
	return shell_client_is_alive(shell->client);
}

void shell_complain(struct shell *shell, const char *format, ...)
{
	va_list arguments;
	const struct shell_palette *palette = shell_palette(shell->options.color, stderr);
	shell_progress_clear(&shell->progress);
	fflush(shell->out);
	fputs(palette->error, stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "%s\n", palette->end);
}

/* ---- showing ---- */

struct showing {
	struct shell *shell;
	const struct shell_use *use;
	bool rows; /* the statement gives some */
};

static void on_columns(void *context, size_t count, const char *const *names, const uint32_t *types)
{
	struct showing *showing = context;
	shell_table_columns(&showing->shell->table, count, names, types);
	showing->rows = true;
}

/* Formats that look at each row for itself are written as rows come, and hold none. */
static bool is_streamed(const struct showing *showing)
{
	const struct shell *shell = showing->shell;
	bool aligned = shell->options.style.format == SHELL_ALIGNED;
	return !showing->use->silent && !showing->use->chart && (!aligned || shell->streams);
}

static void write_rows(struct showing *showing)
{
	struct shell *shell = showing->shell;
	shell_progress_clear(&shell->progress);
	if (showing->rows && shell->table.column_count > 0)
		shell_write_rows(&shell->table, &shell->options.style, shell->out);
}

static void on_row(void *context, const char *const *cells, const size_t *bytes)
{
	struct showing *showing = context;
	struct shell_table *table = &showing->shell->table;
	shell_table_row(table, cells, bytes);
	if (table->row_count % ROWS_AT_ONCE == 0)
		shell_wait_tell(showing->shell);
	if (is_streamed(showing) && table->row_count % ROWS_AT_ONCE == 0) {
		write_rows(showing);
		shell_table_drop(table);
	}
}

static void on_idle(void *context)
{
	struct showing *showing = context;
	if (showing->rows && is_streamed(showing) && showing->shell->table.written < showing->shell->table.row_count) {
		write_rows(showing);
		shell_table_drop(&showing->shell->table);
		fflush(showing->shell->out);
	}
}

static void on_waiting(void *context)
{
	struct shell *shell = ((struct showing *)context)->shell;
	if (interrupted) /* the first request may have come before the statement began */
		shell_client_interrupt(shell->client);
	shell_wait_tell(shell);
}

/* Through a pager if it would not fit the terminal. */
static void write_all(struct shell *shell)
{
	unsigned columns, lines;
	FILE *out = shell->out, *pager = NULL;
	os_terminal_size(&columns, &lines);
	bool whole = shell->table.dropped == 0;
	bool paged = whole && shell->at_terminal && out == stdout && shell->options.pager &&
	             shell->options.style.columns > 0;
	if (paged && shell_table_lines(&shell->table, &shell->options.style) > lines)
		pager = os_terminal_open_pager();
	shell_write_rows(&shell->table, &shell->options.style, pager ? pager : out);
	shell_write_end(&shell->table, &shell->options.style, pager ? pager : out);
	if (pager)
		os_terminal_close(pager, true);
}

static void draw(struct showing *showing)
{
	struct shell *shell = showing->shell;
	const char *why = NULL;
	unsigned columns, lines;
	os_terminal_size(&columns, &lines);
	if (!shell_write_chart(&shell->table, showing->use->line, columns, shell->out, &why))
		shell_complain(shell, "\\chart: %s", why);
}

static void on_done(void *context, const char *tag)
{
	struct showing *showing = context;
	struct shell *shell = showing->shell;
	shell_progress_clear(&shell->progress);
	if (shell->table.failed)
		shell_complain(shell, "out of memory: the result is not whole");
	if (showing->use->silent)
		return;
	if (!showing->rows) {
		if (shell->at_terminal && tag[0])
			fprintf(shell->out, "%s\n", tag);
	} else if (showing->use->chart) {
		draw(showing);
	} else {
		write_all(shell);
		shell->out_is_used |= shell->options.style.format == SHELL_ARROW;
	}
	if (shell->table.problem[0]) {
		shell_complain(shell, "%s", shell->table.problem);
		shell->failed = true;
	}
	showing->rows = false;
	fflush(shell->out);
}

static void on_notice(void *context, const char *text)
{
	struct showing *showing = context;
	shell_progress_clear(&showing->shell->progress);
	fflush(showing->shell->out);
	fprintf(stderr, "%.*s\n", (int)strcspn(text, "\n"), text);
}

/* ---- running ---- */

static bool names_tail(const char *text)
{
	const char *found = strcasestr(text, "tail");
	return found && found[4 + strspn(found + 4, " ")] == '(';
}

/* An Arrow file is no text for a terminal, and holds one result. */
static bool may_write(struct shell *shell, const struct shell_use *use)
{
	if (shell->options.style.format != SHELL_ARROW || use->silent || use->chart)
		return true;
	bool fits = !shell->out_is_used && (shell->out != stdout || !os_environment_is_terminal());
	if (!fits)
		shell_complain(shell,
		               shell->out_is_used
		                       ? "an Arrow file holds one result: name another file, \\o FILE"
		                       : "an Arrow file is not for a terminal: name a file, \\o FILE or -o FILE");
	shell->failed |= !fits;
	return fits;
}

bool shell_execute(struct shell *shell, const char *text, const struct shell_use *use)
{
	struct showing showing = {.shell = shell, .use = use};
	struct shell_sink sink = {.context = &showing,
	                          .columns = on_columns,
	                          .row = on_row,
	                          .idle = on_idle,
	                          .waiting = on_waiting,
	                          .done = on_done,
	                          .notice = on_notice,
	                          .copy_to = shell->out,
	                          .copy_from = shell->in};
	struct pyr_error error = {0};
	char *message = NULL;
	uint64_t before = os_terminal_now_us();
	if (!may_write(shell, use))
		return false;
	shell->streams = names_tail(text);
	shell->options.style.palette = shell_palette(shell->options.color, shell->out);
	shell_wait_begin(shell, !shell->streams && !use->silent);
	interrupted_client = shell->client;
	shell_interrupts_begin();
	pyr_result result = shell_client_run(shell->client, text, &sink, &message, &error);
	shell_interrupts_end(shell);
	interrupted = false;
	shell_progress_clear(&shell->progress);
	if (result.code != PYR_OK) {
		write_rows(&showing); /* what came before it was ended */
		shell_complain(shell, "%.*s", message ? (int)(strlen(message) - (message[0] != 0)) : 500,
		               message ? message : error.text);
		shell->failed = true;
		shell->quits |= result.code == PYR_NETWORK;
	}
	free(message);
	if (shell->table.problem[0])
		result = pyr_result_of(PYR_USAGE);
	if (shell->options.timing && !use->silent)
		fprintf(shell->out, "Time: %.3f ms\n", (double)(os_terminal_now_us() - before) / 1000);
	fflush(shell->out);
	return result.code == PYR_OK;
}

static bool is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n;")] == 0;
}

static bool run_statement(struct shell *shell, const char *text)
{
	static const struct shell_use shown = {0};
	if (is_blank(text))
		return true;
	free(shell->last);
	shell->last = strdup(text);
	free(shell->words); /* it may have changed them */
	shell->words = NULL;
	return shell_execute(shell, text, &shown);
}

static bool goes_on(const struct shell *shell, bool good)
{
	return !shell->quits && (good || shell->options.keep_going || shell->at_terminal);
}

/* Runs what is whole in the buffer; keeps the rest. */
static bool run_buffer(struct shell *shell)
{
	bool good = true;
	while (goes_on(shell, good) && shell->buffer) {
		struct shell_split split = shell_split(shell->buffer);
		if (split.kind == SHELL_SPLIT_MORE)
			break;
		size_t end = split.at + 1;
		if (split.kind == SHELL_SPLIT_COMMAND)
			end = split.at + strcspn(shell->buffer + split.at, "\n");
		char *rest = strdup(shell->buffer + end), *part = shell->buffer;
		shell->buffer = rest;
		if (split.kind == SHELL_SPLIT_STATEMENT) {
			part[split.at + 1] = 0;
			good = run_statement(shell, part);
		} else {
			part[end] = 0;
			char *line = strdup(part + split.at);
			part[split.at] = 0;
			good = line && shell_command(shell, line, is_blank(part) ? NULL : part);
			free(line);
		}
		free(part);
		if (shell->buffer && is_blank(shell->buffer)) {
			free(shell->buffer);
			shell->buffer = NULL;
		}
	}
	return goes_on(shell, good);
}

static bool add_line(struct shell *shell, const char *line)
{
	char *joined = NULL;
	if (asprintf(&joined, "%s%s%s", shell->buffer ? shell->buffer : "", shell->buffer ? "\n" : "", line) < 0)
		return false;
	free(shell->buffer);
	shell->buffer = joined;
	return true;
}

/* The input is over: a statement needs no semicolon at its end. */
static bool finish(struct shell *shell)
{
	char *text = shell->buffer;
	shell->buffer = NULL;
	bool good = !text || run_statement(shell, text);
	free(text);
	return goes_on(shell, good);
}

bool shell_run_text(struct shell *shell, const char *text)
{
	return add_line(shell, text) && run_buffer(shell) && finish(shell);
}

bool shell_run_stream(struct shell *shell, FILE *in)
{
	FILE *before = shell->in;
	char *line = NULL;
	size_t room = 0;
	ssize_t bytes;
	bool good = true;
	shell->in = in;
	while (good && (bytes = getline(&line, &room, in)) >= 0) {
		if (bytes > 0 && line[bytes - 1] == '\n')
			line[bytes - 1] = 0;
		good = add_line(shell, line) && run_buffer(shell);
	}
	free(line);
	good = good && finish(shell);
	shell->in = before;
	return good;
}

/* pyralog=> , pyralog-> within a statement, pyralog'> within a quote. */
static void make_prompt(const struct shell *shell, char room[64])
{
	char block = shell_client_block(shell->client), mark = '=';
	if (shell->buffer) {
		char open = shell_split(shell->buffer).open;
		mark = open ? open : '-';
	}
	snprintf(room, 64, "pyralog%c%s> ", mark, block == ' ' ? "" : (char[]){block, 0});
}

void shell_run_terminal(struct shell *shell)
{
	char prompt[64], place[256], *line;
	shell->at_terminal = true;
	printf("Connected to %s, %s.\nStatements end with a semicolon; \\? lists the commands, \\q leaves.\n",
	       shell_client_place(shell->client, place), shell_client_parameter(shell->client, "server_version"));
	shell_line_begin(shell->options.history, shell_complete, shell);
	shell_interrupts_begin();
	while (!shell->quits) {
		make_prompt(shell, prompt);
		interrupted = false;
		line = shell_line_read(prompt);
		if (!line && interrupted) { /* what was typed is forgotten */
			putchar('\n');
			free(shell->buffer);
			shell->buffer = NULL;
			continue;
		}
		if (!line)
			break;
		shell_line_remember(line);
		if (add_line(shell, line))
			(void)run_buffer(shell);
		free(line);
		if (shell_is_connected(shell))
			shell->failed = false; /* whoever sits there has seen it */
	}
	shell_line_end();
}
