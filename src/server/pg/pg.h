/* The PostgreSQL port: a thin adapter between sockets and query sessions.
 *
 * Source of the protocol: PostgreSQL 15's documentation, chapter 55 (version 3.0). Startup without a password, simple
 * and extended query, cancel requests. Connections belong to the loop's thread; statements run on threads of their own,
 * at most threads_max at once, each with a stack of QUERY_STACK_BYTES, but those that need no more than memory on the loop. Limits: a message, what waits to be done and what
 * waits to be sent are bounded for each connection; a peer that reads slowly makes its statement wait, and is closed
 * after stall_us_max without progress.
 */
#ifndef PYRALOG_SERVER_PG_PG_H
#define PYRALOG_SERVER_PG_PG_H

#include "base/error.h"
#include "node/metrics.h"
#include "os/loop.h"
#include "os/net.h"
#include "query/engine.h"
#include "query/source.h"

#include <stdbool.h>
#include <stdint.h>

struct pg_server;

struct pg_server_options {
	struct os_loop *loop;
	struct os_net *net;
	struct query_engine *engine;
	struct query_source *source;
	struct query_source *prompt; /* the same for statements that the loop carries out itself; NULL: it does none */
	const char *host; /* to listen on */
	uint16_t port; /* 0: any free one */
	uint32_t connections_max;
	unsigned threads_max; /* statements that run at once; the others wait */
	uint64_t startup_us_max; /* a connection that has not introduced itself by then is closed */
	uint64_t stall_us_max;
};

/* All but loop, net, engine and source. */
struct pg_server_options pg_server_options_default(void);

/* Listens. PYR_NETWORK with a sentence, PYR_OUT_OF_MEMORY. */
pyr_result pg_server_new(const struct pg_server_options *options, struct pg_server **ret_server,
                         struct pyr_error *error);
uint16_t pg_server_port(const struct pg_server *server);

/* Stops listening; each connection is closed with SQLSTATE 57P01 when it has nothing to do: at once, or when what it was told
 * is done. pg_server_drained(): no connection is left. pg_server_close() follows. */
void pg_server_drain(struct pg_server *server);
bool pg_server_drained(const struct pg_server *server);

/* Stops listening, cancels what runs, closes every connection; then calls `closed`, from the loop, and is gone. Close
 * it before the engine, the source and the log. */
void pg_server_close(struct pg_server *server, void (*closed)(void *context), void *context);

struct pg_server_metrics {
	uint64_t statements;
	uint64_t direct_reads; /* statements that needed no planner */
	uint64_t prompts; /* statements carried out on the loop */
	uint64_t errors; /* answered with an ErrorResponse */
	uint64_t cancels; /* requests that named a connection */
	uint64_t connections_total;
	uint64_t connections_refused; /* over connections_max */
	uint64_t connections_broken; /* closed for a malformed or too large message, or for stalling */
	uint32_t connections; /* now */
	uint32_t tails; /* statements over TAIL, now */
};

struct pg_server_metrics pg_server_metrics_get(const struct pg_server *server);
/* The same as the node's metrics: from its loop. */
extern const struct node_metric_table pg_metrics;
struct node_metric_source pg_server_metric_source(struct pg_server *server);

#endif
