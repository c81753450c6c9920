/* A statement for a server whose rows are taken as they come: a connection of its own, row by row (see pyralog.h).
 *
 * Rows that have arrived are taken together, up to a limit; it never waits for a second one. Cancelling is a connection of its
 * own, as the protocol has it, made on the thread that cancels; a request that comes when the server does not work on the
 * statement yet is lost, so it is made until the answer is there. Owner: the thread that uses the query. Lock: the query's own. */
#include "api/remote.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_ROWS_MAX = 2048, BATCH_BYTES_MAX = 1 << 20, CANCEL_AGAIN_US = 50000, CANCELS_MAX = 200 };

struct running {
	PGconn *pg;
	PGcancel *cancel;
	struct os_mutex lock; /* of what follows */
	struct os_condition ended; /* a wait for rows has */
	bool cancelled, waiting;
};

enum pyr_status remote_query_start(struct pyr_query *query, const char *text, const char *const *parameters,
                                   size_t parameter_count, struct pyr_failure *failure)
{
	struct running *running = calloc(1, sizeof *running);
	if (!running)
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	os_mutex_init(&running->lock);
	os_condition_init(&running->ended);
	query->way = running;
	if (parameter_count > 65535)
		return api_fail(failure, PYR_STATUS_USAGE, "", "a statement has at most 65535 parameters");
	enum pyr_status status = remote_pg_open(remote_of(query->log), &running->pg, failure);
	if (status != PYR_STATUS_OK)
		return status;
	running->cancel = PQgetCancel(running->pg);
	if (!running->cancel ||
	    PQsendQueryParams(running->pg, text, (int)parameter_count, NULL, parameters, NULL, NULL, 0) != 1)
		return api_fail(failure, PYR_STATUS_NETWORK, "", "%.200s", PQerrorMessage(running->pg));
	(void)PQsetSingleRowMode(running->pg);
	return PYR_STATUS_OK;
}

static bool is_full(const struct pyr_rows *rows)
{
	return pyr_rows_count(rows) >= BATCH_ROWS_MAX || rows->byte_count >= BATCH_BYTES_MAX;
}

/* At the end of the rows their columns come once more, or the number of those written: then the batch is empty. */
static enum pyr_status take_rows(struct running *running, struct pyr_rows *rows, struct pyr_failure *failure)
{
	enum pyr_status status = PYR_STATUS_OK;
	do {
		PGresult *result = PQgetResult(running->pg);
		if (!result)
			break;
		status = remote_settle(running->pg, result, rows, failure);
		bool more = PQresultStatus(result) == PGRES_SINGLE_TUPLE;
		PQclear(result);
		if (!more)
			break;
	} while (status == PYR_STATUS_OK && !is_full(rows) && !PQisBusy(running->pg));
	return status;
}

enum pyr_status remote_query_next(struct pyr_query *query, struct pyr_rows *rows, struct pyr_failure *failure)
{
	struct running *running = query->way;
	os_mutex_lock(&running->lock);
	bool cancelled = running->cancelled;
	running->waiting = !cancelled;
	os_mutex_unlock(&running->lock);
	if (cancelled)
		return api_fail(failure, PYR_STATUS_QUERY, "57014", "canceling statement due to user request");
	enum pyr_status status = take_rows(running, rows, failure);
	os_mutex_lock(&running->lock);
	running->waiting = false;
	os_condition_broadcast(&running->ended);
	os_mutex_unlock(&running->lock);
	return status;
}

void remote_query_cancel(struct pyr_query *query)
{
	struct running *running = query->way;
	char why[256];
	os_mutex_lock(&running->lock);
	running->cancelled = true;
	for (int i = 0; i < CANCELS_MAX && running->waiting; i++) {
		os_mutex_unlock(&running->lock);
		(void)PQcancel(running->cancel, why, sizeof why);
		os_mutex_lock(&running->lock);
		if (running->waiting)
			(void)os_condition_wait_for(&running->ended, &running->lock, CANCEL_AGAIN_US);
	}
	os_mutex_unlock(&running->lock);
}

void remote_query_free(struct pyr_query *query)
{
	struct running *running = query->way;
	PQfreeCancel(running->cancel);
	PQfinish(running->pg); /* the server ends what runs when its client is gone */
	os_condition_deinit(&running->ended);
	os_mutex_deinit(&running->lock);
	free(running);
}
