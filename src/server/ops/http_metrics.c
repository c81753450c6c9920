/* What the HTTP port counts, by the names that metrics have (see node/metrics.h). Any thread. */
#include "server/ops/ops.h"

#define HTTP(X)                                                                                                        \
	X(requests, COUNTER, "pyralog_http_requests_total", "requests received")                                       \
	X(request_errors, COUNTER, "pyralog_http_request_errors_total",                                                \
	  "requests answered with a status of 400 or more")                                                            \
	X(requests_ended, COUNTER, "pyralog_http_requests_ended_total",                                                \
	  "requests that took too long to arrive, to be answered or to be taken")                                      \
	X(connections_total, COUNTER, "pyralog_http_connections_accepted_total", "connections accepted")               \
	X(connections_refused, COUNTER, "pyralog_http_connections_refused_total",                                      \
	  "connections refused because there were too many")                                                           \
	X(connections, GAUGE, "pyralog_http_connections", "connections")                                               \
	X(sockets, GAUGE, "pyralog_http_websockets", "WebSocket connections")

#define ROW(field, kind, name, text) {name, NODE_##kind, 1, text},
static const struct node_metric rows[] = {HTTP(ROW)};
#undef ROW

const struct node_metric_table http_metrics = {"HTTP port", NODE_ANY_THREAD, rows, sizeof rows / sizeof *rows};

static void read_values(void *context, size_t shard, int64_t *values)
{
	struct http_server_metrics now = http_server_metrics_get(context);
	(void)shard;
#define READ(field, ...) *values++ = (int64_t)now.field;
	HTTP(READ)
#undef READ
}

struct node_metric_source http_server_metric_source(struct http_server *server)
{
	return (struct node_metric_source){&http_metrics, read_values, server};
}
