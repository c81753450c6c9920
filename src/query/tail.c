/* Running a query over TAIL(topic): rounds over what is new (see plan_tail.c).
 *
 * A round opens the scans, the tail's from where the last one ended, and runs the prepared statement over them. Invariants: a
 * record is in exactly one round; memory is that of one round, whose rows are read as they are sent. While there is nothing
 * new the thread waits, and looks every WAIT_US whether it was cancelled; each LOOKS times it looks for partitions that were
 * made meanwhile. A session's thread.
 */
#include "query/session_priv.h"

#include <stdlib.h>
#include <string.h>

enum { WAIT_US = 100000, LOOKS = 10 };

struct query_tailing {
	struct query_tail *watch;
	uint64_t seen; /* by the watch */
	uint64_t sent; /* rows */
	int64_t before[CATALOG_PARTITIONS_MAX];
	int64_t positions[CATALOG_PARTITIONS_MAX];
};

pyr_result query_tail_begin(struct query_statement *statement, struct query_error *error)
{
	struct query_session *session = statement->session;
	const struct query_plan *plan = statement->plan;
	struct query_source *source = session->run.source;
	struct pyr_error below = {0};
	struct query_tailing *tailing = calloc(1, sizeof *tailing);
	if (!tailing)
		return query_fail_memory(error);
	if (!query_engine_tail_begin(session->engine)) {
		free(tailing);
		return query_fail(error, "53300", "too many queries over TAIL: %u may run at once",
		                  query_engine_tails_max(session->engine));
	}
	statement->tailing = tailing;
	atomic_store(&session->run.rows_read, 0);
	atomic_store(&session->run.follows, true);
	for (size_t i = 0; i < CATALOG_PARTITIONS_MAX; i++)
		tailing->positions[i] = plan->tail.earliest ? 0 : INT64_MAX;
	if (source->ops
	            ->tail_open(source, &session->principal, plan->scans[plan->tail.scan].topic, &tailing->watch,
	                        &below)
	            .code != PYR_OK)
		return query_fail_below(error, &below);
	return pyr_ok();
}

void query_tail_end(struct query_statement *statement)
{
	struct query_tailing *tailing = statement->tailing;
	struct query_source *source = statement->session->run.source;
	if (!tailing)
		return;
	if (tailing->watch)
		source->ops->tail_close(source, tailing->watch);
	query_engine_tail_end(statement->session->engine);
	atomic_store(&statement->session->run.follows, false);
	free(tailing);
	statement->tailing = NULL;
}

int64_t *query_tail_positions(struct query_statement *statement)
{
	return statement->tailing->positions;
}

/* Partitions that were not there at the first round begin at their beginning. */
static bool advanced(struct query_tailing *tailing)
{
	bool any = memcmp(tailing->before, tailing->positions, sizeof tailing->positions) != 0;
	for (size_t i = 0; i < CATALOG_PARTITIONS_MAX; i++)
		if (tailing->positions[i] == INT64_MAX)
			tailing->positions[i] = 0;
	return any;
}

/* Whether it goes on. */
static pyr_result check(const struct query_run *run, struct query_error *error)
{
	if (atomic_load(&run->cancelled))
		return query_fail(error, "57014", "canceling statement due to user request");
	if (atomic_load(&run->draining))
		return query_fail(error, "57P01", "terminating connection due to administrator command");
	return pyr_ok();
}

static pyr_result wait_for_news(struct query_statement *statement, struct query_error *error)
{
	struct query_tailing *tailing = statement->tailing;
	struct query_session *session = statement->session;
	struct query_source *source = session->run.source;
	uint64_t seen = tailing->seen;
	bool ends = false;
	if (session->waits.begin)
		session->waits.begin(session->waits.context);
	for (int i = 0; i < LOOKS && tailing->seen == seen && !ends; i++) {
		source->ops->tail_wait(source, tailing->watch, &tailing->seen, WAIT_US);
		ends = atomic_load(&session->run.cancelled) || atomic_load(&session->run.draining);
	}
	if (session->waits.end)
		session->waits.end(session->waits.context);
	return check(&session->run, error);
}

/* Opens the next round's scans, once there is something new for it. */
static pyr_result next_round(struct query_statement *statement, struct query_error *error)
{
	struct query_tailing *tailing = statement->tailing;
	for (;;) {
		PYR_TRY(check(&statement->session->run, error));
		memcpy(tailing->before, tailing->positions, sizeof tailing->positions);
		PYR_TRY(query_statement_open_scans(statement, error));
		bool any = advanced(tailing);
		size_t scan = statement->plan->tail.scan;
		if (any && column_scan_unit_count(statement->requests[scan].scan) > 0)
			return pyr_ok();
		query_statement_close_scans(statement);
		if (!any)
			PYR_TRY(wait_for_news(statement, error));
	}
}

static pyr_result read_round(struct query_statement *statement, size_t *ret_rows, struct query_error *error)
{
	PYR_TRY(query_result_next(statement->result, ret_rows, error));
	statement->drained = *ret_rows == 0;
	if (!statement->drained)
		return pyr_ok();
	query_result_free(statement->result);
	statement->result = NULL;
	query_statement_close_scans(statement);
	return pyr_ok();
}

pyr_result query_tail_next(struct query_statement *statement, size_t *ret_rows, struct query_error *error)
{
	struct query_tailing *tailing = statement->tailing;
	uint64_t most = statement->plan->tail.rows_max;
	*ret_rows = 0;
	while (*ret_rows == 0 && tailing->sent < most) {
		if (!statement->result) {
			PYR_TRY(next_round(statement, error));
			statement->drained = false;
			PYR_TRY(query_result_new(statement->prepared, &statement->result, error));
		}
		PYR_TRY(read_round(statement, ret_rows, error));
	}
	if (*ret_rows > most - tailing->sent)
		*ret_rows = (size_t)(most - tailing->sent);
	tailing->sent += *ret_rows;
	statement->session->statistics.rows += *ret_rows;
	return pyr_ok();
}
