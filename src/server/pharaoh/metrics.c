/* What the Pharaoh port and its node count, by the names that metrics have (see node/metrics.h). Owner: its loop. */
#include "server/pharaoh/pharaoh_priv.h"

#define COUNTED(X)                                                                                                     \
	X(requests, COUNTER, "pyralog_pharaoh_requests_total", "requests answered")                                    \
	X(refused, COUNTER, "pyralog_pharaoh_refused_total", "requests answered with an error")                        \
	X(moved, COUNTER, "pyralog_pharaoh_moved_total", "requests for slots that another node owns")                  \
	X(ids, COUNTER, "pyralog_pharaoh_ids_total", "ids given")                                                      \
	X(timestamps, COUNTER, "pyralog_pharaoh_timestamps_total", "timestamps given")                                 \
	X(values, COUNTER, "pyralog_pharaoh_values_total", "values of sequences given")                                \
	X(begins, COUNTER, "pyralog_pharaoh_begins_total", "transactions begun")                                       \
	X(keep_alives, COUNTER, "pyralog_pharaoh_keep_alives_total", "sessions kept alive")                            \
	X(sessions_opened, COUNTER, "pyralog_pharaoh_sessions_opened_total", "sessions opened or resumed")             \
	X(sessions_expired, COUNTER, "pyralog_pharaoh_sessions_expired_total", "sessions that were not heard of")      \
	X(grants, COUNTER, "pyralog_pharaoh_locks_granted_total", "locks granted")                                     \
	X(promises, COUNTER, "pyralog_pharaoh_promises_total", "promises made durable")                                \
	X(sessions, GAUGE, "pyralog_pharaoh_sessions", "sessions")                                                     \
	X(session_bytes, GAUGE, "pyralog_pharaoh_session_bytes", "memory for sessions")                                \
	X(locks, GAUGE, "pyralog_pharaoh_locks", "locks held or waited for")                                           \
	X(waiters, GAUGE, "pyralog_pharaoh_waiters", "requests in line for locks")                                     \
	X(sequences, GAUGE, "pyralog_pharaoh_sequences", "named sequences")                                            \
	X(slots, GAUGE, "pyralog_pharaoh_slots", "slots that the node owns")

#define SERVED(X)                                                                                                      \
	X(connections_total, COUNTER, "pyralog_pharaoh_connections_accepted_total", "connections accepted")            \
	X(connections_refused, COUNTER, "pyralog_pharaoh_connections_refused_total",                                   \
	  "connections refused because there were too many")                                                           \
	X(connections_broken, COUNTER, "pyralog_pharaoh_connections_broken_total",                                     \
	  "connections closed for a malformed request, or for stalling")                                               \
	X(connections, GAUGE, "pyralog_pharaoh_connections", "connections")

#define ROW(field, kind, name, text) {name, NODE_##kind, 1, text},
static const struct node_metric rows[] = {COUNTED(ROW) SERVED(ROW)};
#undef ROW

const struct node_metric_table pharaoh_metrics = {"Pharaoh port", NODE_FIRST_SHARD, rows, sizeof rows / sizeof *rows};

static void read_values(void *context, size_t shard, int64_t *values)
{
	const struct pharaoh_server *server = context;
	struct pharaoh_metrics counted = pharaoh_metrics_get(server->options.core, pharaoh_server_now_ms(server));
	struct pharaoh_server_metrics served = server->metrics;
	(void)shard;
#define READ(field, ...) *values++ = (int64_t)counted.field;
	COUNTED(READ)
#undef READ
#define READ(field, ...) *values++ = (int64_t)served.field;
	SERVED(READ)
#undef READ
}

struct node_metric_source pharaoh_server_metric_source(struct pharaoh_server *server)
{
	return (struct node_metric_source){&pharaoh_metrics, read_values, server};
}
