/* pyralog backup, pyralog restore: copies of data directories (backup/backup.h), with progress at a terminal. */
#include "backup/backup.h"
#include "cli/cli.h"
#include "os/environment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct cli_option backup_options[] = {
	{"data", "DIR", "pyralog-data", "the data directory; its server may run"},
	{"to", "DIR", "", "where the copy goes: a directory that is not there, or empty"},
	{"help", NULL, "", "show this"},
	{NULL, NULL, NULL, NULL},
};

static const struct cli_option restore_options[] = {
	{"from", "DIR", "", "the copy that pyralog backup made"},
	{"data", "DIR", "pyralog-data", "the data directory to make: one that is not there, or empty"},
	{"help", NULL, "", "show this"},
	{NULL, NULL, NULL, NULL},
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

static void show(void *context, const struct backup_counts *so_far)
{
	(void)context;
	fprintf(stderr, "\r%" PRIu64 " files, %" PRIu64 " MiB", so_far->files, so_far->bytes >> 20);
	fflush(stderr);
}

static int end(const char *command, pyr_result result, const struct pyr_error *error,
               const struct backup_counts *counts, const char *done)
{
	if (os_environment_is_terminal() && counts->files > 0)
		fprintf(stderr, "\n");
	if (counts->doubtful > 0)
		fprintf(stderr,
		        "pyralog %s: %" PRIu64
		        " segments fail their checksums and were copied as they are: left over from a "
		        "crash, or damaged: stop the server and see pyralog inspect\n",
		        command, counts->doubtful);
	if (result.code == PYR_OK) {
		printf("%s: %" PRIu64 " files, %" PRIu64 " bytes\n", done, counts->files, counts->bytes);
		return 0;
	}
	fprintf(stderr, "pyralog %s: %s\n", command, error->text[0] ? error->text : pyr_code_text(result.code));
	return result.code == PYR_USAGE ? 2 : 1;
}

const struct cli_option *cli_backup_options(void)
{
	return backup_options;
}

const struct cli_option *cli_restore_options(void)
{
	return restore_options;
}

int cli_backup(int argc, char **argv)
{
	struct cli_option options[sizeof backup_options / sizeof backup_options[0]];
	struct backup_watch watch = {os_environment_is_terminal() ? show : NULL, NULL};
	struct backup_counts counts = {0};
	struct pyr_error error = {0};
	memcpy(options, backup_options, sizeof options);
	bool makes = argc > 0 && strcmp(argv[0], "make") == 0;
	if (argc == 2 && strcmp(argv[0], "verify") == 0) {
		pyr_result checked = backup_verify(argv[1], &watch, &counts, &error);
		return end("backup", checked, &error, &counts, "the backup is whole");
	}
	pyr_result result = makes ? cli_options_parse(options, argc - 1, argv + 1, &error)
	                          : pyr_fail(&error, PYR_USAGE, "say make or verify: pyralog backup --help");
	if (argc == 0 || strcmp(argv[0], "--help") == 0 || (makes && cli_option_get(options, "help")[0])) {
		print_help(false);
		return argc > 0 ? 0 : 2;
	}
	if (result.code == PYR_OK && !cli_option_get(options, "to")[0])
		result = pyr_fail(&error, PYR_USAGE, "--to is missing: a directory for the copy");
	if (result.code == PYR_OK)
		result = backup_make(cli_option_get(options, "data"), cli_option_get(options, "to"), &watch, &counts,
		                     &error);
	return end("backup", result, &error, &counts, "backed up");
}

int cli_restore(int argc, char **argv)
{
	struct cli_option options[sizeof restore_options / sizeof restore_options[0]];
	struct backup_watch watch = {os_environment_is_terminal() ? show : NULL, NULL};
	struct backup_counts counts = {0};
	struct pyr_error error = {0};
	memcpy(options, restore_options, sizeof options);
	pyr_result result = cli_options_parse(options, argc, argv, &error);
	if (argc == 0 || (result.code == PYR_OK && cli_option_get(options, "help")[0])) {
		print_help(true);
		return argc > 0 ? 0 : 2;
	}
	if (result.code == PYR_OK && !cli_option_get(options, "from")[0])
		result = pyr_fail(&error, PYR_USAGE, "--from is missing: a directory that pyralog backup made");
	if (result.code == PYR_OK)
		result = backup_restore(cli_option_get(options, "from"), cli_option_get(options, "data"), &watch,
		                        &counts, &error);
	return end("restore", result, &error, &counts, "restored");
}
