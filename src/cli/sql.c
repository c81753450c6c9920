/* pyralog sql: the shell over any server that speaks PostgreSQL's protocol (the work is in shell/).
 *
 * Exit: 0 all went well; 1 a statement failed; 2 the command line is wrong, or there is no server.
 */
#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/place.h"
#include "os/environment.h"
#include "os/terminal.h"
#include "shell/shell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS_MAX = 64, PATH_BYTES_MAX = 4096 };

static const struct cli_option sql_options[] = {
	{"data", "DIR", "", "no server: open this data directory in this process, which no other may have"},
	{"host", "ADDRESS", "127.0.0.1", "the server"},
	{"pg-port", "PORT", "5432", "its port for PostgreSQL's protocol"},
	{"user", "NAME", "pyralog", "who you are"},
	{"database", "NAME", "pyralog", "which database"},
	{"command", "SQL", "", "run this and leave; -c for short; may come several times"},
	{"file", "FILE", "", "run this file and leave; -f for short; - is standard input"},
	{"format", "FORMAT", "",
         "aligned, plain, csv, json, markdown or arrow; aligned on a terminal, plain otherwise"},
	{"output", "FILE", "", "what is written goes there; -o for short"},
	{"csv", NULL, "", "as --format csv"},
	{"expanded", NULL, "", "a line a cell"},
	{"null", "TEXT", "", "what stands for NULL in tables"},
	{"timing", NULL, "", "tell how long statements take"},
	{"keep-going", NULL, "", "do not stop at the first error"},
	{"no-pager", NULL, "", "show long results as they are"},
	{"history", "FILE", "", "of what was typed; ~/.pyralog_history unless given; - for none"},
	CLI_COMMON_OPTIONS,
};

static void print_help(void)
{
	printf("usage: pyralog sql [OPTIONS] [SQL]\n\nA shell on a terminal; with SQL, -c, -f or a pipe it runs what "
	       "it "
	       "is given and leaves:\n0 all went well, 1 a statement failed, 2 there is no server.\n\n");
	cli_options_help(sql_options, stdout);
	printf("\nexamples:\n"
	       "  pyralog sql                                        type; \\? lists the commands\n"
	       "  pyralog sql \"SELECT count(*) FROM flights\"         one statement\n"
	       "  pyralog sql --json -c \"SELECT * FROM flights LIMIT 3\"\n"
	       "  pyralog sql -c \"SELECT key FROM TAIL(flights)\"     goes on until Ctrl-C\n"
	       "  pyralog sql --format arrow -o flights.arrow -c \"SELECT * FROM flights\"\n"
	       "  pyralog sql --data pyralog-data                    a directory, without a server\n"
	       "  pyralog sql < script.sql\n");
}

/* What shall run, in order; a file begins with a zero byte. */
struct texts {
	const char *list[TEXTS_MAX];
	bool is_file[TEXTS_MAX];
	size_t count;
};

static pyr_result add_text(struct texts *texts, const char *text, bool is_file, struct pyr_error *error)
{
	if (texts->count == TEXTS_MAX)
		return pyr_fail(error, PYR_USAGE, "more than %d statements and files: put them into one file",
		                TEXTS_MAX);
	texts->is_file[texts->count] = is_file;
	texts->list[texts->count++] = text;
	return pyr_ok();
}

/* Takes -c, -f, --command, --file and texts without a dash out of argv. */
static pyr_result take_texts(int *argc, char **argv, struct texts *texts, struct pyr_error *error)
{
	int kept = 0;
	for (int i = 0; i < *argc; i++) {
		bool command = strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--command") == 0;
		bool file = strcmp(argv[i], "-f") == 0 || strcmp(argv[i], "--file") == 0;
		if ((command || file) && i + 1 == *argc)
			return pyr_fail(error, PYR_USAGE, "the option %s needs a value", argv[i]);
		if (strcmp(argv[i], "-o") == 0) {
			static char output[] = "--output";
			argv[kept++] = output;
		} else if (command || file) {
			PYR_TRY(add_text(texts, argv[++i], file, error));
		} else if (argv[i][0] != '-' && (kept == 0 || !cli_option_takes_value(sql_options, argv[kept - 1]))) {
			PYR_TRY(add_text(texts, argv[i], false, error));
		} else {
			argv[kept++] = argv[i];
		}
	}
	*argc = kept;
	return pyr_ok();
}

static pyr_result parse_format(const struct cli_option *options, bool scripted, struct shell_style *style,
                               struct pyr_error *error)
{
	const char *text = cli_option_get(options, "format");
	style->format = os_environment_is_terminal() ? SHELL_ALIGNED : SHELL_PLAIN;
	if (cli_option_get(options, "json")[0])
		text = "json";
	if (cli_option_get(options, "csv")[0])
		text = "csv";
	style->bare = scripted && !os_environment_is_terminal();
	style->expanded = cli_option_get(options, "expanded")[0];
	if (style->expanded && !text[0])
		style->format = SHELL_ALIGNED;
	for (size_t i = 0; i < SHELL_FORMATS; i++) {
		if (strcmp(shell_format_names[i], text) == 0) {
			style->format = (enum shell_format)i;
			text = "";
		}
	}
	if (text[0])
		return pyr_fail(error, PYR_USAGE,
		                "--format %s is not valid: give aligned, plain, csv, json, markdown or arrow", text);
	return pyr_ok();
}

static pyr_result parse(const struct cli_option *options, const struct texts *texts, struct shell_options *shell,
                        char history[PATH_BYTES_MAX], struct pyr_error *error)
{
	const char *file = cli_option_get(options, "history"), *home = os_environment_get("HOME");
	unsigned lines;
	*shell = (struct shell_options){
		.server = {cli_option_get(options, "host"), cli_option_get(options, "pg-port"),
	                   cli_option_get(options, "user"), cli_option_get(options, "database")},
		.timing = cli_option_get(options, "timing")[0],
		.keep_going = cli_option_get(options, "keep-going")[0],
		.pager = !cli_option_get(options, "no-pager")[0],
		.color = cli_color(options),
	};
	shell->output = cli_option_get(options, "output")[0] ? cli_option_get(options, "output") : NULL;
	shell->style.null_text = cli_option_get(options, "null");
	os_terminal_size(&shell->style.columns, &lines);
	if (strcmp(file, "-") != 0 && (file[0] || home)) {
		snprintf(history, PATH_BYTES_MAX, "%s%s", file[0] ? file : home, file[0] ? "" : "/.pyralog_history");
		shell->history = history;
	}
	return parse_format(options, texts->count > 0 || !os_terminal_is_input(), &shell->style, error);
}

static bool run_file(struct shell *shell, const char *path)
{
	if (strcmp(path, "-") == 0)
		return shell_run_stream(shell, stdin);
	FILE *in = os_terminal_open_input(path);
	if (!in) {
		fprintf(stderr, "pyralog sql: %s: %s\n", path, strerror(errno));
		return false;
	}
	bool good = shell_run_stream(shell, in);
	os_terminal_close(in, false);
	return good && !shell_has_failed(shell);
}

static int run(const struct shell_options *options, const struct texts *texts, const struct cli_option *given)
{
	struct shell *shell;
	struct pyr_error error = {0};
	bool good = true;
	pyr_result opened = shell_new(options, &shell, &error);
	if (opened.code != PYR_OK) {
		(void)cli_end("sql", given, opened, &error);
		return 2;
	}
	for (size_t i = 0; i < texts->count && (good || options->keep_going); i++)
		good = texts->is_file[i] ? run_file(shell, texts->list[i]) : shell_run_text(shell, texts->list[i]);
	if (texts->count == 0 && os_terminal_is_input())
		shell_run_terminal(shell);
	else if (texts->count == 0)
		good = shell_run_stream(shell, stdin);
	int exit_code = !shell_is_connected(shell) ? 2 : good && !shell_has_failed(shell) ? 0 : 1;
	shell_free(shell);
	return exit_code;
}

/* On a directory: a node in this process, and its port. */
static int run_on(const char *directory, struct shell_options *options, const struct texts *texts,
                  const struct cli_option *given)
{
	struct cli_place *place;
	struct pyr_error error = {0};
	char port[16];
	pyr_result opened = cli_place_open(directory, &place, &error);
	if (opened.code != PYR_OK) {
		(void)cli_end("sql", given, opened, &error);
		return 2;
	}
	snprintf(port, sizeof port, "%u", cli_place_port(place));
	options->server.host = "127.0.0.1";
	options->server.port = port;
	int exit_code = run(options, texts, given);
	options->server.port = NULL;
	cli_place_close(place);
	return exit_code;
}

const struct cli_option *cli_sql_options(void)
{
	return sql_options;
}

int cli_sql(int argc, char **argv)
{
	struct cli_option options[sizeof sql_options / sizeof sql_options[0]];
	struct shell_options shell;
	struct texts texts = {.count = 0};
	struct pyr_error error = {0};
	char history[PATH_BYTES_MAX];
	bool names_data = false;
	for (int i = 0; i < argc; i++)
		names_data |= strcmp(argv[i], "--data") == 0 || strncmp(argv[i], "--data=", 7) == 0;
	memcpy(options, sql_options, sizeof options);
	pyr_result result = take_texts(&argc, argv, &texts, &error);
	if (result.code == PYR_OK)
		result = cli_options_parse(options, argc, argv, &error);
	if (result.code == PYR_OK && cli_option_get(options, "help")[0]) {
		print_help();
		return 0;
	}
	if (result.code == PYR_OK)
		result = parse(options, &texts, &shell, history, &error);
	if (result.code != PYR_OK) {
		(void)cli_end("sql", options, result, &error);
		return 2;
	}
	/* Said here, not by PYRALOG_DATA, which a server's surroundings may hold. */
	const char *directory = names_data ? cli_option_get(options, "data") : "";
	return directory[0] ? run_on(directory, &shell, &texts, options) : run(&shell, &texts, options);
}
