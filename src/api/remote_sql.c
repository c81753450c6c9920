/* Statements for a server, by libpq, one at a time (see pyralog.h).
 *
 * A connection that broke is made anew for the next statement. Lock: pg_lock. */
#include "api/remote.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum pyr_status fail_network(PGconn *pg, struct pyr_failure *failure)
{
	const char *text = pg ? PQerrorMessage(pg) : "out of memory";
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

enum pyr_status remote_pg_open(const struct remote *remote, struct pg_conn **ret_pg, struct pyr_failure *failure)
{
	char port[8];
	const char *const names[] = {"host", "port", "user", "dbname", "application_name", "client_encoding", NULL};
	const char *const values[] = {remote->host, port, "pyralog", "pyralog", "libpyralog", "UTF8", NULL};
	snprintf(port, sizeof port, "%u", remote->pg_port);
	PGconn *pg = PQconnectdbParams(names, values, 0);
	if (PQstatus(pg) == CONNECTION_OK) {
		PQsetNoticeProcessor(pg, on_notice, NULL);
		*ret_pg = pg;
		return PYR_STATUS_OK;
	}
	enum pyr_status status = fail_network(pg, failure);
	PQfinish(pg);
	return status;
}

/* A row, or at the end none; what a statement is told to have done stands in the last. */
static pyr_result take_rows(PGresult *result, struct pyr_rows *rows)
{
	int columns = PQnfields(result), count = PQntuples(result);
	for (int i = 0; i < columns && rows->column_count < (size_t)columns; i++)
		PYR_TRY(api_rows_column(rows, (size_t)columns, PQfname(result, i), PQftype(result, i)));
	for (int row = 0; row < count; row++)
		for (int i = 0; i < columns; i++) {
			const char *value = PQgetisnull(result, row, i) ? NULL : PQgetvalue(result, row, i);
			PYR_TRY(api_rows_cell(rows, (struct base_bytes){(const uint8_t *)value,
			                                                (size_t)PQgetlength(result, row, i)}));
		}
	if (strncmp(PQcmdStatus(result), "INSERT", 6) == 0)
		rows->affected = strtoull(PQcmdTuples(result), NULL, 10);
	return pyr_ok();
}

enum pyr_status remote_settle(struct pg_conn *pg, struct pg_result *result, struct pyr_rows *rows,
                              struct pyr_failure *failure)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	switch (PQresultStatus(result)) {
	case PGRES_SINGLE_TUPLE:
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
		return api_rows_settle(take_rows(result, rows), failure);
	case PGRES_COPY_OUT:
	case PGRES_COPY_IN:
	case PGRES_COPY_BOTH:
		return api_fail(failure, PYR_STATUS_NOT_SUPPORTED, "", "COPY needs a session, as psql has one");
	default:
		return sqlstate && message ? api_fail(failure, PYR_STATUS_QUERY, sqlstate, "%s", message)
		                           : fail_network(pg, failure);
	}
}

/* Row by row, so that no more is held than rows may have. Behind a failure of ours more may come: then the connection
 * goes. */
static enum pyr_status take_results(struct remote *remote, struct pyr_rows *rows, struct pyr_failure *failure)
{
	enum pyr_status status = PYR_STATUS_OK;
	PGresult *result;
	while (status == PYR_STATUS_OK && (result = PQgetResult(remote->pg)) != NULL) {
		status = remote_settle(remote->pg, result, rows, failure);
		PQclear(result);
	}
	if (status == PYR_STATUS_QUERY)
		PQclear(PQgetResult(remote->pg)); /* none: the server's error was the last */
	return status;
}

/* Nothing of a statement may stay for the next. */
static enum pyr_status run(struct remote *remote, const char *text, const char *const *parameters, int parameter_count,
                           struct pyr_rows *rows, struct pyr_failure *failure)
{
	enum pyr_status status = remote->pg ? PYR_STATUS_OK : remote_pg_open(remote, &remote->pg, failure);
	if (status != PYR_STATUS_OK)
		return status;
	if (PQsendQueryParams(remote->pg, text, parameter_count, NULL, parameters, NULL, NULL, 0) == 1) {
		(void)PQsetSingleRowMode(remote->pg);
		status = take_results(remote, rows, failure);
	} else {
		status = fail_network(remote->pg, failure);
	}
	if (status == PYR_STATUS_OK && PQtransactionStatus(remote->pg) != PQTRANS_IDLE)
		status = api_fail(failure, PYR_STATUS_NOT_SUPPORTED, "",
		                  "a transaction needs a session, as psql has one");
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
