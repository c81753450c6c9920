/* libpq: one statement at a time, row by row (see client.h).
 *
 * Failure modes: the server's errors end the text at hand; a connection that breaks is told as PYR_NETWORK.
 */
#include "shell/client.h"

#include "os/terminal.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 1664, LOOK_US = 100000, COPY_LINES = 1024 };

struct shell_client {
	PGconn *connection;
	PGcancel *cancel;
	const struct shell_sink *sink; /* of the text that runs */
};

static void on_notice(void *context, const char *text)
{
	struct shell_client *client = context;
	if (client->sink && client->sink->notice)
		client->sink->notice(client->sink->context, text);
}

/* libpq ends its messages with a line feed. */
static pyr_result fail_network(const struct shell_client *client, struct pyr_error *error)
{
	const char *text = PQerrorMessage(client->connection);
	return pyr_fail(error, PYR_NETWORK, "%.*s", (int)strcspn(text, "\n"), text);
}

pyr_result shell_client_open(const struct shell_client_options *options, struct shell_client **ret_client,
                             struct pyr_error *error)
{
	const char *names[] = {"host", "port", "user", "dbname", "application_name", "client_encoding", NULL};
	const char *values[] = {options->host, options->port, options->user, options->database,
	                        "pyralog sql", "UTF8",        NULL};
	struct shell_client *client = calloc(1, sizeof *client);
	if (!client)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	client->connection = PQconnectdbParams(names, values, 0);
	if (!client->connection || PQstatus(client->connection) != CONNECTION_OK) {
		pyr_result result = client->connection ? fail_network(client, error)
		                                       : pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
		shell_client_free(client);
		return result;
	}
	client->cancel = PQgetCancel(client->connection);
	PQsetNoticeProcessor(client->connection, on_notice, client);
	*ret_client = client;
	return pyr_ok();
}

void shell_client_free(struct shell_client *client)
{
	if (!client)
		return;
	PQfreeCancel(client->cancel);
	PQfinish(client->connection);
	free(client);
}

void shell_client_interrupt(struct shell_client *client)
{
	char message[256];
	if (client && client->cancel)
		(void)PQcancel(client->cancel, message, sizeof message);
}

bool shell_client_is_alive(const struct shell_client *client)
{
	return PQstatus(client->connection) == CONNECTION_OK;
}

const char *shell_client_parameter(const struct shell_client *client, const char *name)
{
	const char *value = PQparameterStatus(client->connection, name);
	return value ? value : "";
}

const char *shell_client_place(const struct shell_client *client, char room[256])
{
	snprintf(room, 256, "%s:%s/%s", PQhost(client->connection), PQport(client->connection),
	         PQdb(client->connection));
	return room;
}

int shell_client_pid(const struct shell_client *client)
{
	return PQbackendPID(client->connection);
}

char shell_client_block(const struct shell_client *client)
{
	PGTransactionStatusType status = PQtransactionStatus(client->connection);
	return status == PQTRANS_INTRANS ? '*' : status == PQTRANS_INERROR ? '!' : ' ';
}

char *shell_client_quote(struct shell_client *client, const char *text, bool as_name)
{
	char *quoted = as_name ? PQescapeIdentifier(client->connection, text, strlen(text))
	                       : PQescapeLiteral(client->connection, text, strlen(text));
	char *copy = quoted ? strdup(quoted) : NULL;
	PQfreemem(quoted);
	return copy;
}

/* ---- results ---- */

static void tell_columns(const struct shell_sink *sink, const PGresult *result)
{
	const char *names[COLUMNS_MAX];
	uint32_t types[COLUMNS_MAX];
	size_t count = (size_t)PQnfields(result);
	count = count < COLUMNS_MAX ? count : COLUMNS_MAX;
	for (size_t i = 0; i < count; i++) {
		names[i] = PQfname(result, (int)i);
		types[i] = PQftype(result, (int)i);
	}
	if (sink->columns)
		sink->columns(sink->context, count, names, types);
}

static void tell_rows(const struct shell_sink *sink, const PGresult *result)
{
	const char *cells[COLUMNS_MAX];
	size_t bytes[COLUMNS_MAX], count = (size_t)PQnfields(result);
	count = count < COLUMNS_MAX ? count : COLUMNS_MAX;
	for (int row = 0; row < PQntuples(result) && sink->row; row++) {
		for (size_t i = 0; i < count; i++) {
			cells[i] = PQgetisnull(result, row, (int)i) ? NULL : PQgetvalue(result, row, (int)i);
			bytes[i] = (size_t)PQgetlength(result, row, (int)i);
		}
		sink->row(sink->context, cells, bytes);
	}
}

/* A stream that somebody sees needs nothing beside it. */
static void tell_copied(const struct shell_client *client, FILE *stream, size_t lines)
{
	if (client->sink->waiting && lines % COPY_LINES == 0 && stream && !os_terminal_is(stream))
		client->sink->waiting(client->sink->context);
}

static void copy_out(struct shell_client *client)
{
	char *line;
	int bytes;
	size_t lines = 0;
	while ((bytes = PQgetCopyData(client->connection, &line, 0)) > 0) {
		if (client->sink->copy_to)
			fwrite(line, 1, (size_t)bytes, client->sink->copy_to);
		PQfreemem(line);
		tell_copied(client, client->sink->copy_to, ++lines);
	}
}

static void copy_in(struct shell_client *client)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t bytes;
	size_t lines = 0;
	while (client->sink->copy_from && (bytes = getline(&line, &room, client->sink->copy_from)) > 0) {
		if (strcmp(line, "\\.\n") == 0 || PQputCopyData(client->connection, line, (int)bytes) != 1)
			break;
		tell_copied(client, client->sink->copy_from, ++lines);
	}
	free(line);
	(void)PQputCopyEnd(client->connection, client->sink->copy_from ? NULL : "there is nothing to copy from");
}

/* One result of libpq's; what it says is told, an error kept. */
static void take(struct shell_client *client, PGresult *result, bool *described, char **message)
{
	const struct shell_sink *sink = client->sink;
	switch (PQresultStatus(result)) {
	case PGRES_SINGLE_TUPLE:
	case PGRES_TUPLES_OK:
		if (!*described)
			tell_columns(sink, result);
		*described = true;
		tell_rows(sink, result);
		if (PQresultStatus(result) == PGRES_SINGLE_TUPLE)
			return;
		break;
	case PGRES_COPY_OUT:
		copy_out(client);
		return;
	case PGRES_COPY_IN:
		copy_in(client);
		return;
	case PGRES_COMMAND_OK:
		break;
	case PGRES_EMPTY_QUERY:
		return;
	default:
		if (!*message)
			*message = strdup(PQresultErrorMessage(result));
		return;
	}
	*described = false;
	if (sink->done)
		sink->done(sink->context, PQcmdStatus(result));
}

/* What goes wrong here is found again by whoever reads on. */
static void wait_for_more(struct shell_client *client)
{
	const struct shell_sink *sink = client->sink;
	while (sink->waiting && PQisBusy(client->connection)) {
		(void)os_terminal_wait_input(PQsocket(client->connection), LOOK_US);
		if (PQconsumeInput(client->connection) != 1)
			return;
		sink->waiting(sink->context);
	}
}

pyr_result shell_client_run(struct shell_client *client, const char *text, const struct shell_sink *sink,
                            char **ret_message, struct pyr_error *error)
{
	PGresult *result;
	bool described = false;
	*ret_message = NULL;
	if (PQsendQuery(client->connection, text) != 1)
		return fail_network(client, error);
	client->sink = sink;
	(void)PQsetSingleRowMode(client->connection);
	for (;;) {
		if (sink->idle && PQisBusy(client->connection))
			sink->idle(sink->context);
		wait_for_more(client);
		result = PQgetResult(client->connection);
		if (!result)
			break;
		take(client, result, &described, ret_message);
		PQclear(result);
	}
	client->sink = NULL;
	if (!shell_client_is_alive(client)) {
		free(*ret_message);
		*ret_message = NULL;
		return fail_network(client, error);
	}
	return *ret_message ? pyr_fail(error, PYR_QUERY, "the statement failed") : pyr_ok();
}
