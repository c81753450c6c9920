/* The scans of a statement, from start to stop, and whether it is large: then it waits for its turn.
 *
 * How much it reads is known once its scans are open. One that has to wait closes them meanwhile, so that it keeps no files
 * and sees what is there when its turn comes. A session's thread.
 */
#include "query/session_priv.h"

#include <stdlib.h>

pyr_result query_statement_make_requests(struct query_statement *statement, const struct base_bytes *parameters,
                                         size_t parameter_count, struct query_error *error)
{
	size_t count = statement->plan->scan_count;
	statement->requests = calloc(count, sizeof *statement->requests);
	if (!statement->requests)
		return query_fail_memory(error);
	for (size_t i = 0; i < count; i++)
		statement->requests[i] = (struct query_scan_request){
			.topic = statement->plan->scans[i].topic,
			.bounds = column_bounds_all(),
		};
	query_operands_apply(statement, parameters, parameter_count);
	if (statement->tailing)
		statement->requests[statement->plan->tail.scan].positions = query_tail_positions(statement);
	return pyr_ok();
}

pyr_result query_statement_open_requests(struct query_statement *statement, struct query_error *error)
{
	struct query_session *session = statement->session;
	struct pyr_error below = {0};
	size_t count = statement->plan->scan_count;
	pyr_result result = session->run.source->ops->scan_open(session->run.source, &session->principal,
	                                                        statement->requests, count, &below);
	if (result.code != PYR_OK)
		return query_fail_below(error, &below);
	uint64_t total = 0;
	session->run.scans = statement->requests;
	session->run.scan_count = count;
	for (size_t i = 0; i < count; i++) {
		struct column_scan_statistics spared = column_scan_statistics_get(statement->requests[i].scan);
		session->statistics.segments_read += spared.segments_read;
		session->statistics.segments_pruned += spared.segments_pruned;
		total += column_scan_row_estimate(statement->requests[i].scan);
	}
	if (!statement->tailing)
		atomic_store(&session->run.rows_read, 0);
	atomic_store(&session->run.rows_total, total);
	atomic_store(&session->run.reads, true);
	return pyr_ok();
}

static pyr_result open_all(struct query_statement *statement, const struct base_bytes *parameters,
                           size_t parameter_count, struct query_error *error)
{
	if (statement->plan->scan_count == 0)
		return pyr_ok();
	PYR_TRY(query_statement_make_requests(statement, parameters, parameter_count, error));
	return query_statement_open_requests(statement, error);
}

pyr_result query_statement_open_scans(struct query_statement *statement, struct query_error *error)
{
	return open_all(statement, NULL, 0, error);
}

void query_statement_close_scans(struct query_statement *statement)
{
	struct query_run *run = &statement->session->run;
	statement->ready = false;
	run->scans = NULL;
	run->scan_count = 0;
	atomic_store(&run->reads, false);
	for (size_t i = 0; statement->requests && i < statement->plan->scan_count; i++)
		column_scan_free(statement->requests[i].scan);
	free(statement->requests);
	statement->requests = NULL;
}

/* ---- admission ---- */

static uint64_t bytes_to_read(const struct query_statement *statement)
{
	uint64_t bytes = 0;
	for (size_t i = 0; statement->requests && i < statement->plan->scan_count; i++) {
		struct column_scan_statistics found = column_scan_statistics_get(statement->requests[i].scan);
		bytes += found.sealed_bytes + found.hot_bytes;
	}
	return bytes;
}

/* EXPLAIN reads nothing, or is asked by somebody who looks on. */
static bool is_large(const struct query_statement *statement)
{
	const struct query_plan *plan = statement->plan;
	return plan->kind != QUERY_KIND_EXPLAIN && !plan->brief &&
	       bytes_to_read(statement) > query_engine_large_bytes(statement->session->engine);
}

static pyr_result wait_for_turn(struct query_session *session, struct query_error *error)
{
	const struct query_waits *waits = session->waits.begin ? &session->waits : NULL;
	struct query_run *run = &session->run;
	pyr_result result =
		query_admission_wait(query_engine_admission(session->engine), &run->ticket, &run->cancelled, waits);
	if (result.code == PYR_BUSY)
		return query_fail(error, "53300", "%d large statements wait for their turn already: try again later",
		                  QUERY_WAITING_MAX);
	if (result.code != PYR_OK)
		return query_fail(error, "57014", "canceling statement due to user request");
	return result;
}

pyr_result query_statement_open_admitted(struct query_statement *statement, const struct base_bytes *parameters,
                                         size_t parameter_count, struct query_error *error)
{
	struct query_session *session = statement->session;
	PYR_TRY(open_all(statement, parameters, parameter_count, error));
	if (!is_large(statement) || query_admission_try(query_engine_admission(session->engine), &session->run.ticket))
		return pyr_ok();
	query_statement_close_scans(statement);
	PYR_TRY(wait_for_turn(session, error));
	return open_all(statement, parameters, parameter_count, error);
}
