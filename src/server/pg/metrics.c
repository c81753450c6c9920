/* What the PostgreSQL port counts, by the names that metrics have (see node/metrics.h). Owner: its loop. */
#include "server/pg/pg.h"

#define PG(X)                                                                                                          \
	X(statements, COUNTER, "pyralog_pg_statements_total", "statements run")                                        \
	X(direct_reads, COUNTER, "pyralog_pg_direct_reads_total", "statements read without the engine's planner")      \
	X(prompts, COUNTER, "pyralog_pg_prompt_statements_total", "statements carried out on the connection's loop")   \
	X(errors, COUNTER, "pyralog_pg_errors_total", "statements and messages answered with an error")                \
	X(cancels, COUNTER, "pyralog_pg_cancels_total", "requests to cancel that named a connection")                  \
	X(connections_total, COUNTER, "pyralog_pg_connections_accepted_total", "connections accepted")                 \
	X(connections_refused, COUNTER, "pyralog_pg_connections_refused_total",                                        \
	  "connections refused because there were too many")                                                           \
	X(connections_broken, COUNTER, "pyralog_pg_connections_broken_total",                                          \
	  "connections closed for a malformed or too large message, or for stalling")                                  \
	X(connections, GAUGE, "pyralog_pg_connections", "connections")                                                 \
	X(tails, GAUGE, "pyralog_pg_tails", "statements over TAIL that run")

#define ROW(field, kind, name, text) {name, NODE_##kind, 1, text},
static const struct node_metric rows[] = {PG(ROW)};
#undef ROW

const struct node_metric_table pg_metrics = {"PostgreSQL port", NODE_FIRST_SHARD, rows, sizeof rows / sizeof *rows};

static void read_values(void *context, size_t shard, int64_t *values)
{
	struct pg_server_metrics now = pg_server_metrics_get(context);
	(void)shard;
#define READ(field, ...) *values++ = (int64_t)now.field;
	PG(READ)
#undef READ
}

struct node_metric_source pg_server_metric_source(struct pg_server *server)
{
	return (struct node_metric_source){&pg_metrics, read_values, server};
}
