/* Shared by session.c and operands.c. */
#ifndef PYRALOG_QUERY_SESSION_PRIV_H
#define PYRALOG_QUERY_SESSION_PRIV_H

#include "query/engine_priv.h"
#include "query/session.h"

struct query_script {
	struct query_parse parse;
	unsigned references; /* a session's thread only */
};

struct query_statement {
	struct query_session *session;
	struct query_script *script;
	struct query_plan *plan;
	struct query_prepared *prepared; /* NULL: nothing for the engine */
	struct query_column *columns;
	size_t column_count;
	size_t first_column; /* of the engine's that is shown */
	uint32_t *parameter_types;

	struct query_result *result; /* while it runs */
	bool drained; /* read to its end */
	struct query_scan_request *requests; /* of the run */
};

struct query_session {
	struct query_engine *engine;
	struct query_run run;
	struct catalog_principal principal;
	char *principal_name;
	_Atomic(struct query_connection *) connection; /* opened late; read by query_session_cancel() */
	struct query_statement *running;
	struct query_statistics statistics;
};

/* operands.c: the bounds of each scan, as the parameters make them. Bounds that can't be had are left open. */
void query_operands_apply(struct query_statement *statement, const struct base_bytes *parameters,
                          size_t parameter_count);

#endif
