/* What a session needs of the engine: connections, prepared statements, results by the chunk.
 *
 * A connection is used by one thread at a time; query_connection_interrupt() is for any other. A result is read before
 * the next one starts on its connection; the scans must outlive it.
 */
#ifndef PYRALOG_QUERY_ENGINE_PRIV_H
#define PYRALOG_QUERY_ENGINE_PRIV_H

#include "base/table.h"
#include "os/thread.h"
#include "query/admission.h"
#include "query/cell.h"
#include "query/engine.h"
#include "query/error.h"
#include "query/settings.h"
#include "query/source.h"
#include "query/types.h"

#include <stdatomic.h>

/* ---- what the table functions find by their handle ---- */

/* A session, as far as the engine's threads see it. */
struct query_run {
	struct base_table_node node;
	uint64_t handle;
	struct query_source *source;
	const struct catalog_principal *principal;
	struct query_scan_request *scans; /* of the statement that runs; NULL: none does */
	size_t scan_count;
	struct query_settings *settings;
	const char *user;
	uint32_t pid; /* the client's name for the session, for cancelling */
	struct query_ticket ticket;
	atomic_bool reads; /* scans are open */
	atomic_bool follows; /* a query over TAIL, in a round or between two */
	atomic_uint_least64_t rows_read, rows_total; /* of those scans */
	atomic_uint_least64_t misfits; /* values that did not fit their declared columns */
	bool in_block; /* a transaction's; of the statement that runs */
	atomic_bool cancelled; /* the statement that runs */
	atomic_bool timed_out; /* that is why */
	atomic_bool draining; /* what never ends shall end; the rest goes on */
	atomic_bool stopped; /* the session, for good */
};

/* Queries over TAIL are counted, as each keeps a thread that waits. False: there are options.tails_max. */
bool query_engine_tail_begin(struct query_engine *engine);
void query_engine_tail_end(struct query_engine *engine);
unsigned query_engine_tails_max(const struct query_engine *engine);
struct query_admission *query_engine_admission(struct query_engine *engine);
uint64_t query_engine_large_bytes(const struct query_engine *engine);

/* ---- connections ---- */

struct query_connection;

/* Opens the engine if this is the first. `run` gets its handle and must live as long as the connection. */
pyr_result query_connection_new(struct query_engine *engine, struct query_run *run,
                                struct query_connection **ret_connection, struct query_error *error);
void query_connection_free(struct query_connection *connection);
void query_connection_interrupt(struct query_connection *connection); /* any thread */
/* Returns when the engine's threads have let go of a statement that was not read to its end; then its scans may go. */
void query_connection_settle(struct query_connection *connection);

/* ---- statements ---- */

struct query_prepared;

pyr_result query_prepared_new(struct query_connection *connection, const char *sql,
                              struct query_prepared **ret_prepared, struct query_error *error);
/* Numerics of that scale were written without one: zeros at their end are not shown. */
void query_prepared_set_scale(struct query_prepared *prepared, int numeric_scale);
void query_prepared_free(struct query_prepared *prepared);
uint32_t query_prepared_parameter_type(struct query_prepared *prepared, size_t number); /* 0: anything; from 1 */
bool query_prepared_is_resolved(struct query_prepared *prepared); /* are its columns known? */
size_t query_prepared_column_count(struct query_prepared *prepared);
/* For the caller to free(); NULL: memory is out. */
char *query_prepared_column_name(struct query_prepared *prepared, size_t column);
uint32_t query_prepared_column_type(struct query_prepared *prepared, size_t column);
/* False: cells of this type can't be read; cast the column to VARCHAR. */
bool query_prepared_column_readable(struct query_prepared *prepared, size_t column);

/* text.data NULL: null. */
pyr_result query_prepared_bind(struct query_prepared *prepared, size_t number, struct base_bytes text,
                               struct query_error *error);

/* ---- results ---- */

struct query_result;

pyr_result query_result_new(struct query_prepared *prepared, struct query_result **ret_result,
                            struct query_error *error);
void query_result_free(struct query_result *result);
/* The next rows; *ret_rows 0: there are no more. */
pyr_result query_result_next(struct query_result *result, size_t *ret_rows, struct query_error *error);
struct query_cell query_result_cell(struct query_result *result, size_t row, size_t column);

/* Runs a query of our own, and reads its first row as integers (null: missing[i]). */
pyr_result query_connection_integers(struct query_connection *connection, const char *sql, size_t count,
                                     int64_t *ret_values, bool *ret_missing, struct query_error *error);

#endif
