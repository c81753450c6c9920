/* The backend's insides, shared by its files: backend.c takes messages, portals.c keeps statements and portals, rows.c
 * sends rows, effects.c does what statements do beside giving rows, copy.c carries COPY, prompt.c is for the loop.
 */
#ifndef PYRALOG_SERVER_PG_BACKEND_PRIV_H
#define PYRALOG_SERVER_PG_BACKEND_PRIV_H

#include "base/list.h"
#include "server/pg/backend.h"
#include "server/pg/copy.h"

enum { PG_REPORTED_MAX = 8 };

/* A prepared statement; shared by its portals. */
struct prepared {
	struct base_list node;
	char *name;
	struct query_statement *query; /* NULL: an empty text */
	bool ends_transaction;
	size_t text_bytes;
	unsigned references;
	const struct portal *runs; /* whose rows the statement gives now */
};

struct portal {
	struct base_list node;
	char *name;
	struct prepared *prepared; /* NULL: a cursor that was declared */
	struct query_session *session; /* of its own, for rows that come beside other statements'; or NULL */
	struct query_statement *own; /* on that session */
	struct base_slice values; /* all parameters' texts */
	struct base_bytes *parameters;
	size_t parameter_count;
	uint8_t *formats;
	uint16_t format_count;
	bool started, ended;
	bool hold; /* outlives its transaction */
	size_t chunk_rows, chunk_at; /* rows at hand, and how many of them are out */
	uint64_t rows;
};

/* How rows are wanted: formats of the columns, and whether they are described first (simple queries). */
struct pg_shape {
	const uint8_t *formats;
	uint16_t format_count;
	bool described;
};

struct pg_backend {
	struct query_session *session;
	struct pg_sink sink;
	struct base_writer output;
	struct base_list statements;
	struct base_list portals;
	size_t statement_count, portal_count, prepared_bytes;
	char status; /* 'I' idle, 'T' in a transaction block, 'E' in a failed one */
	bool skipping; /* until Sync */
	bool gone;
	bool armed; /* a deadline was asked for */
	struct query_script *script; /* a simple query's, while it runs */
	size_t script_at;
	struct pg_copy_in *copying; /* COPY FROM is under way */
	struct query_statement *copy_query; /* whose; owned unless it is a portal's */
	bool copy_owned;
	char *reported[PG_REPORTED_MAX]; /* settings the client was told */
	uint64_t reported_version;
	struct pg_backend_counts counts;

	/* prompt.c */
	bool hurries; /* on the loop: nothing waits */
	bool prompt_known, prompt_wanted; /* as the setting says, of that version */
	uint64_t prompt_version;
	struct query_script *made_script; /* of the message that comes: parsed and planned already; NULL: it is not */
	struct query_statement *made;
};

/* backend.c */
bool pg_backend_flush_if_full(struct pg_backend *backend);
void pg_backend_notice(struct pg_backend *backend, const char *sqlstate, const char *sentence); /* a WARNING */
pyr_result pg_check_block(const struct pg_backend *backend, bool ends_transaction, struct query_error *error);
/* A statement begins, or has ended: its time is limited. */
void pg_arm(struct pg_backend *backend);
void pg_disarm(struct pg_backend *backend);

/* prompt.c: what was made already; the caller's then. False: nothing was. */
bool pg_take_made_script(struct pg_backend *backend, struct query_script **ret_script);
bool pg_take_made(struct pg_backend *backend, struct query_statement **ret_query);
void pg_drop_made(struct pg_backend *backend); /* its message is over */

/* portals.c */
struct prepared *pg_find_statement(const struct pg_backend *backend, const char *name);
struct portal *pg_find_portal(const struct pg_backend *backend, const char *name);
void pg_drop_statement(struct pg_backend *backend, struct prepared *prepared);
void pg_drop_statements(struct pg_backend *backend);
void pg_drop_portal(struct pg_backend *backend, struct portal *portal);
void pg_drop_portals(struct pg_backend *backend, bool held_too);
/* A portal over a statement of its own, which it starts. */
pyr_result pg_declare(struct pg_backend *backend, const struct query_statement *query,
                      const struct base_bytes *parameters, size_t parameter_count, struct query_error *error);
pyr_result pg_on_parse(struct pg_backend *backend, const struct pg_parse *message, struct query_error *error);
pyr_result pg_on_bind(struct pg_backend *backend, const struct pg_bind *message, struct query_error *error);
pyr_result pg_on_describe(struct pg_backend *backend, const struct pg_target *message, struct query_error *error);
pyr_result pg_on_execute(struct pg_backend *backend, const struct pg_execute *message, struct query_error *error);
void pg_on_close(struct pg_backend *backend, const struct pg_target *message);

static inline struct query_statement *pg_portal_query(const struct portal *portal)
{
	return portal->own ? portal->own : portal->prepared->query;
}

/* rows.c */
bool pg_gives_rows(const struct query_statement *query); /* to whoever executes it */
void pg_describe_rows(struct pg_backend *backend, const struct query_statement *query, const struct pg_shape *shape);
/* All rows of a statement that has been started, and its CommandComplete. */
pyr_result pg_send_all(struct pg_backend *backend, struct query_statement *query, const struct pg_shape *shape,
                       struct query_error *error);
/* Up to `most` rows of a portal, none of them shown if `moves`; *ret_more when it stopped because of that. */
pyr_result pg_send_rows(struct pg_backend *backend, struct portal *portal, uint64_t most, bool moves,
                        const struct pg_shape *shape, bool *ret_more, struct query_error *error);
/* At the end of a row that began at `start` of the output: half a row is none, and what was there before goes. */
pyr_result pg_check_row(struct pg_backend *backend, size_t start, pyr_result result, struct query_error *error);
void pg_complete(struct pg_backend *backend, const struct query_statement *query, uint64_t rows);

/* effects.c: starts the statement, carries it out to its CommandComplete. COPY FROM only begins: see copying. */
pyr_result pg_run(struct pg_backend *backend, struct query_statement *query, const struct base_bytes *parameters,
                  size_t parameter_count, const struct pg_shape *shape, struct query_error *error);
void pg_begin_implicit(struct pg_backend *backend);
/* The end of what was sent together: an implicit block commits. */
pyr_result pg_end_implicit(struct pg_backend *backend, struct query_error *error);

/* copy.c */
pyr_result pg_copy_out(struct pg_backend *backend, struct query_statement *query, struct query_error *error);
pyr_result pg_copy_begin(struct pg_backend *backend, struct query_statement *query, struct query_error *error);
void pg_copy_end(struct pg_backend *backend); /* forgets it */
/* CopyData, CopyDone, CopyFail. *ret_done: it is over, the CommandComplete written. */
pyr_result pg_copy_message(struct pg_backend *backend, char type, struct base_bytes body, bool *ret_done,
                           struct query_error *error);

#endif
