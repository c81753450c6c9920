/* What operators and their machines ask over HTTP: /metrics, /health, /ready.
 *
 * The page is Prometheus's text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). Each shard's values are
 * copied on its own loop, one after the other; ages of records are read on a thread of their own; the text is made on the HTTP
 * thread. The routes serve from before the node
 * is open until after its ports are closed: until then, and from then on, they say so with 503.
 */
#ifndef PYRALOG_SERVER_OPS_OPS_H
#define PYRALOG_SERVER_OPS_OPS_H

#include "node/metrics.h"
#include "server/http/http.h"

struct ops;

enum ops_state { OPS_STARTING, OPS_READY, OPS_BROKEN, OPS_DRAINING };

enum { OPS_ROUTES = 3 };

/* NULL: memory is out. */
struct ops *ops_new(void);
void ops_routes(struct ops *ops, struct http_route ret_routes[OPS_ROUTES]);
/* On shard 0's thread, before its loop runs: the node is open, its ports too, and all its metrics are known. `source` is the
 * node's, and outlives ops_close(); NULL: lags in time are not told. */
struct query_source;
void ops_ready(struct ops *ops, const struct node *node, struct query_source *source);
/* On shard 0's loop: a log has stopped, and /ready refuses from here on. */
void ops_break(struct ops *ops);
/* On shard 0's loop: /ready refuses from here on. */
void ops_drain(struct ops *ops);
/* On shard 0's loop: metrics are not read any more; `closed` comes at once or when the last reading is over. Before any
 * part with metrics goes. */
void ops_close(struct ops *ops, void (*closed)(void *context), void *context);
/* When the HTTP server and the loops have ended. NULL is fine. */
void ops_free(struct ops *ops);

/* The page of parts without a node, each read now, on the calling thread; {NULL} when memory is out. */
struct base_slice ops_sources_page(const struct node_metric_source *sources, size_t count);

/* The HTTP port's own metrics. */
extern const struct node_metric_table http_metrics;
struct node_metric_source http_server_metric_source(struct http_server *server);

#endif
