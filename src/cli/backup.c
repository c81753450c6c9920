/* pyralog backup, pyralog restore: copies of data directories (backup/backup.h), with progress at a terminal. */
#include "backup/backup.h"
#include "cli/answer.h"
#include "cli/cli.h"
#include "shell/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct cli_option backup_options[] = {
	{"data", "DIR", "pyralog-data", "the data directory; its server may run"},
	{"to", "DIR", "", "where the copy goes: a directory that is not there, or empty"},
	CLI_COMMON_OPTIONS,
};

static const struct cli_option restore_options[] = {
	{"from", "DIR", "", "the copy that pyralog backup made"},
	{"data", "DIR", "pyralog-data", "the data directory to make: one that is not there, or empty"},
	CLI_COMMON_OPTIONS,
};

static void print_help(bool restores)
{
	if (restores)
		printf("usage: pyralog restore --from DIR [OPTIONS]\n\nPuts a backup into a new data directory; every "
		       "file's "
		       "BLAKE3 is checked. Nothing is\nwritten over.\n\n");
	else
		printf("usage: pyralog backup make --to DIR [OPTIONS]\n       pyralog backup verify DIR\n\nCopies a "
		       "data "
		       "directory while its server runs: all that was acknowledged before it\nbegan is in the copy, as "
		       "after a "
		       "power cut at one moment. verify checks a copy's hashes.\n\n");
	cli_options_help(restores ? restore_options : backup_options, stdout);
	printf(restores ? "\nexample:\n  pyralog restore --from /backup/monday --data pyralog-data\n"
	                : "\nexamples:\n  pyralog backup make --data pyralog-data --to /backup/monday\n"
	                  "  pyralog backup verify /backup/monday\n");
}

/* A command at work: where its progress is told, and how it ends. */
struct work {
	const char *command;
	const struct cli_option *options;
	struct shell_progress progress;
	struct backup_watch watch;
	struct backup_counts counts;
};

static void show(void *context, const struct backup_counts *so_far)
{
	char text[64];
	snprintf(text, sizeof text, "%" PRIu64 " files, %" PRIu64 " MiB", so_far->files, so_far->bytes >> 20);
	shell_progress_tell(context, -1, text);
}

static void begin(struct work *work, const char *command, const struct cli_option *options)
{
	*work = (struct work){.command = command, .options = options};
	shell_progress_begin(&work->progress, cli_color(options), stderr, SHELL_PROGRESS_US);
	work->watch = (struct backup_watch){show, &work->progress};
}

static int end(struct work *work, pyr_result result, const struct pyr_error *error, const char *done)
{
	const struct backup_counts *counts = &work->counts;
	shell_progress_clear(&work->progress);
	if (counts->doubtful > 0)
		fprintf(stderr,
		        "pyralog %s: %" PRIu64
		        " segments fail their checksums and were copied as they are: left over from a "
		        "crash, or damaged: stop the server and see pyralog inspect\n",
		        work->command, counts->doubtful);
	const struct cli_json told[] = {{"done", done, 0},
	                                {"files", NULL, counts->files},
	                                {"bytes", NULL, counts->bytes},
	                                {"doubtful", NULL, counts->doubtful},
	                                {NULL, NULL, 0}};
	if (result.code == PYR_OK && cli_wants_json(work->options))
		cli_json_print(told);
	else if (result.code == PYR_OK)
		printf("%s: %" PRIu64 " files, %" PRIu64 " bytes\n", done, counts->files, counts->bytes);
	return cli_end(work->command, work->options, result, error);
}

const struct cli_option *cli_backup_options(void)
{
	return backup_options;
}

const struct cli_option *cli_restore_options(void)
{
	return restore_options;
}

static pyr_result make(struct work *work, struct pyr_error *error)
{
	if (!cli_option_get(work->options, "to")[0])
		return pyr_fail(error, PYR_USAGE, "--to is missing: a directory for the copy");
	return backup_make(cli_option_get(work->options, "data"), cli_option_get(work->options, "to"), &work->watch,
	                   &work->counts, error);
}

int cli_backup(int argc, char **argv)
{
	struct cli_option options[sizeof backup_options / sizeof backup_options[0]];
	struct pyr_error error = {0};
	struct work work;
	memcpy(options, backup_options, sizeof options);
	bool makes = argc > 0 && strcmp(argv[0], "make") == 0;
	bool verifies = argc > 1 && strcmp(argv[0], "verify") == 0 && strncmp(argv[1], "--", 2) != 0;
	int words = makes ? 1 : verifies ? 2 : 0;
	pyr_result result = cli_options_parse(options, argc - words, argv + words, &error);
	if (argc == 0 || (result.code == PYR_OK && cli_option_get(options, "help")[0])) {
		print_help(false);
		return argc > 0 ? 0 : 2;
	}
	if (!makes && !verifies)
		result = pyr_fail(&error, PYR_USAGE, "say make, or verify and a directory: pyralog backup --help");
	begin(&work, "backup", options);
	if (result.code == PYR_OK && makes)
		result = make(&work, &error);
	else if (result.code == PYR_OK)
		result = backup_verify(argv[1], &work.watch, &work.counts, &error);
	return end(&work, result, &error, makes ? "backed up" : "the backup is whole");
}

int cli_restore(int argc, char **argv)
{
	struct cli_option options[sizeof restore_options / sizeof restore_options[0]];
	struct pyr_error error = {0};
	struct work work;
	memcpy(options, restore_options, sizeof options);
	pyr_result result = cli_options_parse(options, argc, argv, &error);
	if (argc == 0 || (result.code == PYR_OK && cli_option_get(options, "help")[0])) {
		print_help(true);
		return argc > 0 ? 0 : 2;
	}
	if (result.code == PYR_OK && !cli_option_get(options, "from")[0])
		result = pyr_fail(&error, PYR_USAGE, "--from is missing: a directory that pyralog backup made");
	begin(&work, "restore", options);
	if (result.code == PYR_OK)
		result = backup_restore(cli_option_get(options, "from"), cli_option_get(options, "data"), &work.watch,
		                        &work.counts, &error);
	return end(&work, result, &error, "restored");
}
