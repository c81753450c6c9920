/* Statements whose rows are taken as they come (see pyralog.h). Owner: the thread that calls; cancelling is for any. */
#include "api/api_priv.h"

#include <stdlib.h>

enum pyr_status pyr_query_start(struct pyralog *log, const char *text, const char *const *parameters,
                                size_t parameter_count, struct pyr_query **ret_query, struct pyr_failure *failure)
{
	struct pyr_failure unwanted;
	if (api_concerns_session(text))
		return api_fail(failure, PYR_STATUS_NOT_SUPPORTED, "",
		                "each statement stands for itself: this one is for a session, as psql has one");
	struct pyr_query *query = calloc(1, sizeof *query);
	if (!query)
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	query->log = log;
	enum pyr_status status =
		log->ways->query_start(query, text, parameters, parameter_count, failure ? failure : &unwanted);
	if (status != PYR_STATUS_OK)
		pyr_query_free(query);
	else
		*ret_query = query;
	return status;
}

enum pyr_status pyr_query_next(struct pyr_query *query, struct pyr_rows **ret_rows, struct pyr_failure *failure)
{
	struct pyr_failure unwanted;
	struct pyr_rows *rows = calloc(1, sizeof *rows);
	if (!rows)
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	enum pyr_status status = PYR_STATUS_OK;
	if (query->over)
		status = api_fail(failure, PYR_STATUS_USAGE, "", "the query is over: nothing more comes");
	else
		status = query->log->ways->query_next(query, rows, failure ? failure : &unwanted);
	query->over = query->over || status != PYR_STATUS_OK || pyr_rows_count(rows) == 0;
	if (status != PYR_STATUS_OK)
		pyr_rows_free(rows);
	else
		*ret_rows = rows;
	return status;
}

void pyr_query_cancel(struct pyr_query *query)
{
	query->log->ways->query_cancel(query);
}

void pyr_query_free(struct pyr_query *query)
{
	if (!query)
		return;
	if (query->way)
		query->log->ways->query_free(query);
	free(query);
}
