/* What a loop's thread may carry out itself: statements that need no more than memory and little time.
 *
 * A statement goes to a thread and back because it may block. A read of a few rows that lie in memory does not, and the way
 * takes longer than the reading. So whoever has the session on a loop hurries it: its source is then one that answers at once or
 * not at all (PYR_BUSY), and what would need the engine is PYR_BUSY, too. Nothing has happened then, and a thread does it as ever,
 * with the same rows and errors.
 * Invariants: a statement is made ready and started in one go; nothing runs on the session when it is. Failure modes: whatever
 * fails in making ready is the thread's to fail with. The thread that has the session.
 */
#include "query/session_priv.h"

#include <assert.h>

void query_session_hurry(struct query_session *session, struct query_source *source)
{
	assert(!source != !session->unhurried);
	if (source) {
		session->unhurried = session->run.source;
		session->run.source = source;
	} else {
		session->run.source = session->unhurried;
		session->unhurried = NULL;
	}
}

bool query_session_is_quiet(const struct query_session *session)
{
	return !session->running && session->writes.count == 0 && base_list_empty(&session->children);
}

static bool is_light(enum query_kind kind)
{
	return kind == QUERY_KIND_BEGIN || kind == QUERY_KIND_COMMIT || kind == QUERY_KIND_ROLLBACK ||
	       kind == QUERY_KIND_SET || kind == QUERY_KIND_RESET_ALL || kind == QUERY_KIND_COMMAND;
}

bool query_statement_is_light(const struct query_statement *statement)
{
	bool prepared = statement->prepared || statement->shape;
	return !prepared && (statement->plan->sql ? statement->plan->direct != NULL : is_light(statement->plan->kind));
}

/* Few rows by its bounds, and not because it says LIMIT: that many are looked at. */
static bool is_few(const struct query_scan_request *request)
{
	const struct column_bounds *bounds = &request->bounds;
	if (bounds->partition_min != bounds->partition_max || bounds->offset_min < 0)
		return false;
	return bounds->offset_max < bounds->offset_min ||
	       (uint64_t)(bounds->offset_max - bounds->offset_min) < QUERY_PROMPT_ROWS_MAX;
}

bool query_statement_ready(struct query_statement *statement, const struct base_bytes *parameters,
                           size_t parameter_count)
{
	struct query_session *session = statement->session;
	struct query_error ignored;
	assert(session->unhurried);
	if (statement->ready)
		query_statement_close_scans(statement);
	if (!query_session_is_quiet(session) || !query_statement_is_light(statement))
		return false;
	if (!statement->plan->sql)
		return true;
	if (parameter_count != statement->plan->parameter_count ||
	    !query_direct_suits(statement, parameters, parameter_count) ||
	    query_statement_make_requests(statement, parameters, parameter_count, &ignored).code != PYR_OK)
		return false;
	statement->ready = is_few(&statement->requests[0]) &&
	                   query_statement_open_requests(statement, &ignored).code == PYR_OK &&
	                   query_direct_fits(statement, parameters, parameter_count);
	if (!statement->ready)
		query_statement_close_scans(statement);
	return statement->ready && !statement->requests[0].waits;
}
