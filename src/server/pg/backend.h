/* One connection's conversation behind the startup: messages in, answers out. Knows nothing of sockets.
 *
 * Belongs to one query's thread at a time (a stack of QUERY_STACK_BYTES), or to the connection's loop for pg_backend_try(); only
 * pg_backend_cancel() and its like are for others.
 * Invariants: after an error in the extended protocol everything up to Sync is skipped; after an error in a transaction
 * block only its end is carried out. Limits: statements and portals by number, prepared texts by bytes.
 */
#ifndef PYRALOG_SERVER_PG_BACKEND_H
#define PYRALOG_SERVER_PG_BACKEND_H

#include "query/session.h"
#include "server/pg/message.h"

struct pg_backend;

enum {
	PG_STATEMENTS_MAX = 1000,
	PG_PORTALS_MAX = 100,
	PG_PREPARED_BYTES_MAX = 8 << 20,
	PG_ROW_BYTES_MAX = 256 << 20,
	PG_OUTPUT_BYTES = 64 << 10, /* handed over when so many are there, or at a flush */
};

struct pg_sink {
	/* Takes over the slice. May block while the peer is slow. False: the peer is gone, stop. */
	bool (*send)(void *context, struct base_slice *slice);
	void *context;
	/* pg_backend_time_out() is wanted in so many microseconds; 0: not any more. NULL: nobody can. */
	void (*deadline)(void *context, uint64_t delay_us);
	struct query_waits waits; /* begin NULL: nobody needs to know */
};

/* What the client said when it began: user, and settings as name and value in turn, each with its zero; "" ends them. */
struct pg_introduction {
	const char *user; /* NULL: not said */
	uint32_t pid; /* what it was told */
	const char *settings; /* NULL: none */
};

pyr_result pg_backend_new(struct query_engine *engine, struct query_source *source,
                          const struct pg_introduction *introduction, const struct pg_sink *sink,
                          struct pg_backend **ret_backend);
void pg_backend_free(struct pg_backend *backend); /* NULL is fine */
/* Carries one message out. False: the conversation is over. */
bool pg_backend_message(struct pg_backend *backend, char type, struct base_bytes body);
/* The same on the connection's loop, if that needs no more than memory and little time; `source` answers at once, or PYR_BUSY. */
enum pg_prompt {
	PG_PROMPT_LATER, /* this message is for a thread, before any other */
	PG_PROMPT_DONE,
	PG_PROMPT_OVER, /* the conversation is */
};

enum pg_prompt pg_backend_try(struct pg_backend *backend, struct query_source *source, char type,
                              struct base_bytes body);
/* Hands over what has been written; false: the peer is gone. */
bool pg_backend_flush(struct pg_backend *backend);
/* The client makes room slowly: what runs gives its turn away. The backend's thread, in send(). */
void pg_backend_stalls(struct pg_backend *backend);
void pg_backend_cancel(struct pg_backend *backend); /* what runs now; any thread */
void pg_backend_time_out(struct pg_backend *backend); /* what runs now; any thread */
void pg_backend_drain(struct pg_backend *backend); /* what never ends; any thread */
void pg_backend_stop(struct pg_backend *backend); /* for good; any thread */

struct pg_backend_counts {
	uint64_t statements;
	uint64_t errors;
	uint64_t direct_reads; /* statements that needed no planner */
	uint64_t prompts; /* statements carried out by pg_backend_try() */
};

struct pg_backend_counts pg_backend_counts_get(const struct pg_backend *backend);

#endif
