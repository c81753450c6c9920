/* A session and its statements, as the files know them that make them ready and run them. */
#ifndef PYRALOG_QUERY_SESSION_PRIV_H
#define PYRALOG_QUERY_SESSION_PRIV_H

#include "base/list.h"
#include "query/direct.h"
#include "query/engine_priv.h"
#include "query/session.h"
#include "query/writes.h"

enum { QUERY_EXPLAIN_LINES = 64 };

struct query_script {
	struct query_parse parse;
	unsigned references; /* a session's thread only */
};

struct query_statement {
	struct query_session *session;
	struct query_script *script;
	size_t index; /* in the script */
	struct query_plan *plan;
	struct query_prepared *prepared; /* NULL: nothing for the engine, or it was not needed yet */
	struct query_prepared *shape; /* what tells the columns, if `prepared` can't */
	struct query_column *columns;
	size_t column_count;
	size_t first_column; /* of the engine's that is shown */
	uint32_t *parameter_types;
	int numeric_scale; /* that numeric without one has in `prepared` */

	struct query_writes returned; /* INSERT: what RETURNING shows */
	size_t returned_from; /* the first of them */
	size_t returned_at; /* how far they were read */
	uint64_t affected; /* rows written */

	struct base_slice explained; /* EXPLAIN: its whole text */
	size_t explained_at;
	struct base_bytes lines[QUERY_EXPLAIN_LINES]; /* of it, which next() gave */
	size_t line_count;

	struct query_tailing *tailing; /* while it runs over TAIL */
	struct query_direct *direct; /* while it is read without the engine */
	struct query_result *result; /* while it runs in the engine */
	bool drained; /* read to its end */
	struct query_scan_request *requests; /* of the run */
	bool ready; /* they are open already: see prompt.c */
};

struct query_session {
	struct query_engine *engine;
	struct query_run run;
	struct query_waits waits; /* begin NULL: nobody is told */
	struct catalog_principal principal;
	char *principal_name;
	_Atomic(struct query_connection *) connection; /* opened late; read by query_session_cancel() */
	struct query_statement *running;
	struct query_statistics statistics;
	struct query_settings *settings; /* its parent's, if it has one */
	struct query_writes writes;
	enum query_block block;
	struct query_source *unhurried; /* while it hurries: its usual source; else NULL */

	struct query_session *parent; /* NULL: it is the first of its connection */
	struct os_mutex lock; /* of the list below, which whoever cancels walks */
	struct base_list children;
	struct base_list node; /* in its parent's */
};

/* session.c: forgets an earlier cancellation, and what ran; 57P01 for a session that was stopped. The engine, opened late. */
pyr_result query_session_begin_statement(struct query_session *session, struct query_error *error);
pyr_result query_session_connect(struct query_session *session, struct query_error *error);
/* prepare.c: the plan's text in the engine, if it is not there yet. */
pyr_result query_statement_prepare(struct query_statement *statement, struct query_error *error);

/* The same text again, with numerics of that scale; prepared when it is needed. */
pyr_result query_statement_replan(struct query_statement *statement, int numeric_scale, struct query_error *error);
/* widen.c: makes room for these numerics, if they need more than they have. 22003. */
pyr_result query_statement_widen(struct query_statement *statement, const struct base_bytes *parameters, size_t count,
                                 struct query_error *error);

/* insert.c: the rows of an INSERT that runs, or of a COPY, become writes; out of a block they are appended at once. */
pyr_result query_insert_run(struct query_statement *statement, struct query_error *error);
pyr_result query_insert_finish(struct query_statement *statement, struct query_error *error);
struct query_cell query_insert_cell(const struct query_statement *statement, size_t row, size_t column);
pyr_result query_insert_describe(struct query_statement *statement, struct query_error *error);
const char *query_insert_cast(const struct query_statement *statement, size_t column,
                              bool readable); /* NULL: none needed */
/* A declared column's type, to which the engine casts first, as PostgreSQL would; false: it is another column. */
enum { QUERY_INSERT_TYPE_BYTES = 64 };
bool query_insert_type(const struct query_statement *statement, size_t column, char ret_type[QUERY_INSERT_TYPE_BYTES]);
pyr_result query_writes_flush(struct query_session *session, struct query_error *error);

/* explain.c: reads the engine's plan; then its lines. */
pyr_result query_explain_run(struct query_statement *statement, struct query_error *error);
size_t query_explain_next(struct query_statement *statement);
struct query_cell query_explain_cell(const struct query_statement *statement, size_t row);

/* scans.c: of the statement as it was started. Opening is done in two steps, the first of which asks nobody. */
pyr_result query_statement_make_requests(struct query_statement *statement, const struct base_bytes *parameters,
                                         size_t parameter_count, struct query_error *error);
pyr_result query_statement_open_requests(struct query_statement *statement, struct query_error *error);
pyr_result query_statement_open_scans(struct query_statement *statement, struct query_error *error);
void query_statement_close_scans(struct query_statement *statement);
/* The same when it is its turn, if it is large: see admission.h. */
pyr_result query_statement_open_admitted(struct query_statement *statement, const struct base_bytes *parameters,
                                         size_t parameter_count, struct query_error *error);

/* tail.c: rounds over what is new. */
pyr_result query_tail_begin(struct query_statement *statement, struct query_error *error);
void query_tail_end(struct query_statement *statement); /* fine if it never began */
pyr_result query_tail_next(struct query_statement *statement, size_t *ret_rows, struct query_error *error);
int64_t *query_tail_positions(struct query_statement *statement);

/* operands.c: the bounds of each scan, as the parameters make them. Bounds that can't be had are left open. */
void query_operands_apply(struct query_statement *statement, const struct base_bytes *parameters,
                          size_t parameter_count);
/* The body of an A_Const that is a whole number. */
bool query_operand_constant(const struct query_parse *parse, json_t *body, int64_t *ret_number);

#endif
