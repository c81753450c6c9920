/* A session: statements prepared, run and read, one at a time. What every way into SQL (wire protocols, console) uses.
 *
 * A session belongs to one thread at a time, with a stack of QUERY_STACK_BYTES; every call may block, unless the
 * session hurries. Only query_session_cancel() is for another thread. The engine is opened at the first statement that needs it. A statement
 * sees, at one moment taken when it starts, all that was acknowledged before.
 */
#ifndef PYRALOG_QUERY_SESSION_H
#define PYRALOG_QUERY_SESSION_H

#include "query/admission.h"
#include "query/cell.h"
#include "query/engine.h"
#include "query/error.h"
#include "query/parse.h"
#include "query/plan.h"
#include "query/settings.h"
#include "query/source.h"
#include "query/types.h"
#include "query/writes.h"

struct query_session;
struct query_statement;

/* `principal` is copied. PYR_OUT_OF_MEMORY. */
pyr_result query_session_new(struct query_engine *engine, struct query_source *source,
                             const struct catalog_principal *principal, struct query_session **ret_session);
/* One more, for a cursor whose rows come beside other statements': it shares settings and cancellation with `parent`,
 * which must outlive it. */
pyr_result query_session_new_beside(struct query_session *parent, struct query_session **ret_session);
void query_session_free(struct query_session *session); /* its statements must be gone; NULL is fine */
/* Ends the statement that runs, if one does, with 57014. Any thread. */
void query_session_cancel(struct query_session *session);
/* The same, and says that it took too long. */
void query_session_time_out(struct query_session *session);
/* Ends it with 57P01 if it never ends by itself: a query over TAIL. Later ones, too. Any thread. */
void query_session_drain(struct query_session *session);
/* The same as cancelling, and every later statement fails with 57P01. Any thread. */
void query_session_stop(struct query_session *session);

/* Whoever runs the session's thread learns when it waits for something but the engine, so that others may run meanwhile:
 * admission.h. Copied. */
void query_session_set_waits(struct query_session *session, const struct query_waits *waits);
/* A large statement that goes on at its reader's pace gives its turn to the next. The session's thread. */
void query_session_yield(struct query_session *session);

/* ---- on a loop: prompt.c ---- */

enum { QUERY_PROMPT_ROWS_MAX = 128, QUERY_PROMPT_TEXT_MAX = 512 };

/* From here on nothing waits: `source` answers at once, or PYR_BUSY, and so does all that would need the engine. NULL: as before.
 * For the time that a loop's thread has the session. */
void query_session_hurry(struct query_session *session, struct query_source *source);
/* Nothing runs, nothing is kept to be appended, no cursor is open: to stop or to commit takes no time. */
bool query_session_is_quiet(const struct query_session *session);
/* Can it ever be carried out without the engine? */
bool query_statement_is_light(const struct query_statement *statement);
/* Of a session that hurries: gets what it reads, if memory has it and it is little. True: start and read it now, with these very
 * parameters; it will not wait. False: it is for a thread, and the next statement of the session that is started; what was found
 * out about where its rows lie is kept for it. */
bool query_statement_ready(struct query_statement *statement, const struct base_bytes *parameters,
                           size_t parameter_count);

/* Since the session began. */
struct query_statistics {
	uint64_t statements;
	uint64_t direct_reads; /* of these, without the engine's planner */
	uint64_t rows;
	uint64_t segments_read;
	uint64_t segments_pruned;
};

struct query_statistics query_session_statistics(const struct query_session *session);

/* Who current_user is; "pyralog" unless set. PYR_OUT_OF_MEMORY. */
pyr_result query_session_set_user(struct query_session *session, const char *user);
void query_session_set_pid(struct query_session *session, uint32_t pid); /* what pg_backend_pid() tells */
struct query_settings *query_session_settings(struct query_session *session);

/* ---- transactions: what was written in a block is appended when it commits ---- */

enum query_block {
	QUERY_BLOCK_NONE,
	QUERY_BLOCK_IMPLICIT, /* several statements at once, without BEGIN */
	QUERY_BLOCK_EXPLICIT,
};

void query_session_begin(struct query_session *session, enum query_block block);
/* Whatever comes of it, the block is over. */
pyr_result query_session_commit(struct query_session *session, struct query_error *error);
void query_session_rollback(struct query_session *session);
/* SAVEPOINT, RELEASE, ROLLBACK TO: as the statement says. 25P01 out of a block, 3B001. */
pyr_result query_session_savepoint(struct query_session *session, const struct query_statement *statement,
                                   struct query_error *error);

/* ---- statements ---- */

/* A text parsed: of several statements perhaps. Shared by the statements made of it. */
struct query_script;

pyr_result query_script_new(const char *text, size_t bytes, struct query_script **ret_script,
                            struct query_error *error);
void query_script_free(struct query_script *script); /* statements made of it stay whole; NULL is fine */
size_t query_script_count(const struct query_script *script);
/* Does nothing but end, or look at, a transaction: allowed after an error in one. */
bool query_script_ends_transaction(const struct query_script *script, size_t i);

struct query_column {
	char *name;
	uint32_t type; /* PostgreSQL's object id */
	int32_t modifier; /* of the type; -1: none */
};

/* Makes statement `i` of the script ready. types: of the parameters $1 and so on, 0 where not declared. */
pyr_result query_statement_new(struct query_session *session, struct query_script *script, size_t i,
                               const uint32_t *types, size_t type_count, struct query_statement **ret_statement,
                               struct query_error *error);
/* The same statement on another session. */
pyr_result query_statement_copy(struct query_session *session, const struct query_statement *statement,
                                struct query_statement **ret_statement, struct query_error *error);
void query_statement_free(struct query_statement *statement); /* ends its run; NULL is fine */
enum query_kind query_statement_kind(const struct query_statement *statement);
const char *query_statement_tag(const struct query_statement *statement); /* "SELECT", "SET" */
const struct query_plan *query_statement_plan(const struct query_statement *statement);
uint64_t query_statement_affected(const struct query_statement *statement); /* INSERT, COPY FROM: rows written */
size_t query_statement_parameter_count(const struct query_statement *statement);
uint32_t query_statement_parameter_type(const struct query_statement *statement, size_t i); /* from 0 */
size_t query_statement_column_count(const struct query_statement *statement); /* 0: it gives no rows */
const struct query_column *query_statement_column(const struct query_statement *statement, size_t i);

/* ---- running ---- */

/* Parameters as PostgreSQL's text; data NULL: null. Whatever ran on this session before is over. */
pyr_result query_statement_start(struct query_statement *statement, const struct base_bytes *parameters,
                                 size_t parameter_count, struct query_error *error);
/* The next rows, a few thousand at most; *ret_rows 0: that was all. */
pyr_result query_statement_next(struct query_statement *statement, size_t *ret_rows, struct query_error *error);
/* Is its next row one that may take long to come? Then what there is should be sent. */
bool query_statement_is_endless(const struct query_statement *statement);
/* A cell of those rows; what it points to lives until the next call. */
struct query_cell query_statement_cell(const struct query_statement *statement, size_t row, size_t column);
/* COPY FROM, between start and end: a row of as many fields as it names columns. */
pyr_result query_statement_add_row(struct query_statement *statement, const struct query_field *fields,
                                   struct query_error *error);
void query_statement_drop_rows(struct query_statement *statement);
pyr_result query_statement_end_rows(struct query_statement *statement, struct query_error *error);
void query_statement_stop(struct query_statement *statement);

#endif
