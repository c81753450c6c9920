/* Statements for a server, by libpq, one at a time (see pyralog.h).
 *
 * A connection that broke is made anew for the next statement. Lock: pg_lock. */
#include "api/remote.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum pyr_status fail_network(const struct remote *remote, struct pyr_failure *failure)
{
	const char *text = remote->pg ? PQerrorMessage(remote->pg) : "out of memory";
	return api_fail(failure, PYR_STATUS_NETWORK, "", "%.*s", (int)strcspn(text, "\n"), text);
}

static void disconnect(struct remote *remote)
{
	PQfinish(remote->pg);
	remote->pg = NULL;
}

static void on_notice(void *context, const char *text)
{
	(void)context;
	(void)text;
}

static enum pyr_status connect_pg(struct remote *remote, struct pyr_failure *failure)
{
	char port[8];
	const char *const names[] = {"host", "port", "user", "dbname", "application_name", "client_encoding", NULL};
	const char *const values[] = {remote->host, port, "pyralog", "pyralog", "libpyralog", "UTF8", NULL};
	snprintf(port, sizeof port, "%u", remote->pg_port);
	if (remote->pg)
		return PYR_STATUS_OK;
	remote->pg = PQconnectdbParams(names, values, 0);
	if (PQstatus(remote->pg) == CONNECTION_OK) {
		PQsetNoticeProcessor(remote->pg, on_notice, NULL);
		return PYR_STATUS_OK;
	}
	enum pyr_status status = fail_network(remote, failure);
	disconnect(remote);
	return status;
}

static pyr_result take_rows(const PGresult *result, struct pyr_rows *rows)
{
	int columns = PQnfields(result), count = PQntuples(result);
	for (int i = 0; i < columns; i++)
		PYR_TRY(api_rows_column(rows, (size_t)columns, PQfname(result, i), PQftype(result, i),
		                        PQfmod(result, i)));
	for (int row = 0; row < count; row++)
		for (int i = 0; i < columns; i++) {
			const char *value = PQgetisnull(result, row, i) ? NULL : PQgetvalue(result, row, i);
			PYR_TRY(api_rows_cell(rows, (struct base_bytes){(const uint8_t *)value,
			                                                (size_t)PQgetlength(result, row, i)}));
		}
	rows->affected = strncmp(PQcmdStatus((PGresult *)(uintptr_t)result), "INSERT", 6) == 0
	                         ? strtoull(PQcmdTuples((PGresult *)(uintptr_t)result), NULL, 10)
	                         : 0;
	return pyr_ok();
}

static enum pyr_status settle(struct remote *remote, const PGresult *result, struct pyr_rows *rows,
                              struct pyr_failure *failure)
{
	ExecStatusType status = PQresultStatus(result);
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY)
		return take_rows(result, rows).code == PYR_OK
		               ? PYR_STATUS_OK
		               : api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	if (!sqlstate || !message)
		return fail_network(remote, failure);
	return api_fail(failure, PYR_STATUS_QUERY, sqlstate, "%s", message);
}

/* Nothing of a statement may stay for the next. */
static enum pyr_status run(struct remote *remote, const char *text, const char *const *parameters, int parameter_count,
                           struct pyr_rows *rows, struct pyr_failure *failure)
{
	enum pyr_status status = connect_pg(remote, failure);
	if (status != PYR_STATUS_OK)
		return status;
	PGresult *result = PQexecParams(remote->pg, text, parameter_count, NULL, parameters, NULL, NULL, 0);
	status = settle(remote, result, rows, failure);
	PQclear(result);
	if (PQstatus(remote->pg) != CONNECTION_OK || PQtransactionStatus(remote->pg) != PQTRANS_IDLE)
		disconnect(remote);
	return status;
}

enum pyr_status remote_sql(struct pyralog *log, const char *text, const char *const *parameters, size_t parameter_count,
                           struct pyr_rows *rows, struct pyr_failure *failure)
{
	struct remote *remote = remote_of(log);
	if (parameter_count > 65535)
		return api_fail(failure, PYR_STATUS_USAGE, "", "a statement has at most 65535 parameters");
	os_mutex_lock(&remote->pg_lock);
	enum pyr_status status = run(remote, text, parameters, (int)parameter_count, rows, failure);
	os_mutex_unlock(&remote->pg_lock);
	return status;
}
