/* pyralog id: Scarab IDs from a server, by SQL, and what is in one (coord/scarab.h), without a server. */
#include "cli/answer.h"
#include "cli/broker.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "coord/scarab.h"
#include "server/pg/values.h"
#include "shell/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_MAX = 10000000, TEXT_BYTES = 128 };

static const struct cli_option id_options[] = {
	{"count", "N", "1", "how many"},
	{"host", "ADDRESS", "127.0.0.1", "the server"},
	{"pg-port", "PORT", "5432", "its port for PostgreSQL's protocol"},
	{"format", "FORMAT", "",
         "decode: table, plain (tab-separated) or json; a table on a terminal, plain otherwise"},
	CLI_COMMON_OPTIONS,
};

static void print_help(void)
{
	printf("usage: pyralog id [OPTIONS]\n       pyralog id decode ID\n\nUnique ids that sort by time, a line "
	       "each.\n\n");
	cli_options_help(id_options, stdout);
	printf("\nexamples:\n"
	       "  pyralog id --count 3\n"
	       "  pyralog id decode 0DX8SS7JG0000    when and where it was made; asks no server\n");
}

/* ---- decode ---- */

static const struct cli_column part_columns[] = {
	{"ID", false}, {"NUMBER", true}, {"TIME", false}, {"NODE", true}, {"COUNT", true}};

/* As SQL tells it, in UTC. */
static void set_time(struct cli_table *table, size_t column, uint64_t ms)
{
	struct query_cell cell = {.kind = QUERY_CELL_TIMESTAMPTZ, .integer = (int64_t)ms * 1000};
	struct base_writer writer;
	base_writer_init(&writer, TEXT_BYTES);
	pg_value_write_text(&writer, &cell);
	if (!writer.failed)
		cli_table_set(table, column, "%.*s", (int)writer.bytes, (const char *)writer.buffer->data);
	base_writer_deinit(&writer);
}

static pyr_result decode(const struct cli_option *options, const char *text, struct pyr_error *error)
{
	struct cli_table table;
	enum cli_format format;
	char canonical[SCARAB_TEXT_BYTES];
	uint64_t id;
	PYR_TRY(cli_broker_format(options, &format, error));
	PYR_TRY(scarab_parse((struct base_bytes){(const uint8_t *)text, strlen(text)}, &id, error));
	scarab_write(id, canonical);
	cli_table_init(&table, part_columns, sizeof part_columns / sizeof part_columns[0]);
	cli_table_row(&table);
	cli_table_set(&table, 0, "%.*s", SCARAB_TEXT_BYTES, canonical);
	cli_table_set(&table, 1, "%" PRId64, (int64_t)id); /* as SQL has it */
	set_time(&table, 2, scarab_ms(id));
	cli_table_set(&table, 3, "%u", scarab_node(id));
	cli_table_set(&table, 4, "%u", scarab_count(id));
	pyr_result printed = cli_table_print(&table, format, options);
	cli_table_free(&table);
	return printed;
}

/* ---- new ones ---- */

struct printing {
	bool json;
	size_t rows;
};

static void print_row(void *context, const char *const *cells, const size_t *bytes)
{
	struct printing *printing = context;
	(void)bytes;
	if (!printing->json) {
		printf("%s\n", cells[0] ? cells[0] : "");
		return;
	}
	printf("%s", printing->rows++ > 0 ? ", " : "[");
	cli_json_text(cells[0] ? cells[0] : "");
}

static pyr_result generate(const struct cli_option *options, struct pyr_error *error)
{
	struct shell_client_options server = {cli_option_get(options, "host"), cli_option_get(options, "pg-port"),
	                                      "pyralog", "pyralog"};
	struct printing printing = {cli_wants_json(options), 0};
	struct shell_sink sink = {.row = print_row, .context = &printing};
	struct shell_client *client;
	char statement[TEXT_BYTES], *message = NULL;
	long long count;
	PYR_TRY(cli_option_number(options, "count", 1, COUNT_MAX, &count, error));
	snprintf(statement, sizeof statement, "SELECT scarab_text(scarab()) FROM generate_series(1, %lld)", count);
	PYR_TRY(shell_client_open(&server, &client, error));
	pyr_result result = shell_client_run(client, statement, &sink, &message, error);
	if (message)
		result = pyr_fail(error, PYR_QUERY, "%.*s", (int)strcspn(message, "\n"), message);
	free(message);
	shell_client_free(client);
	if (printing.rows > 0)
		printf("]\n");
	return result;
}

/* ---- the command ---- */

const struct cli_option *cli_id_options(void)
{
	return id_options;
}

int cli_id(int argc, char **argv)
{
	struct cli_option options[sizeof id_options / sizeof id_options[0]];
	struct pyr_error error = {0};
	bool decodes = argc > 0 && strcmp(argv[0], "decode") == 0;
	bool named = decodes && argc > 1 && strncmp(argv[1], "--", 2) != 0;
	int taken = decodes + named;
	memcpy(options, id_options, sizeof options);
	pyr_result done = cli_options_parse(options, argc - taken, argv + taken, &error);
	if (done.code == PYR_OK && cli_option_get(options, "help")[0]) {
		print_help();
		return 0;
	}
	if (done.code == PYR_OK && decodes && !named)
		done = pyr_fail(&error, PYR_USAGE, "which id? pyralog id decode ID");
	if (done.code == PYR_OK)
		done = decodes ? decode(options, argv[1], &error) : generate(options, &error);
	return cli_end("id", options, done, &error);
}
