/* What the node counts: one table a part of it, from which the rows of pyralog.metrics, the page /metrics and
 * docs/METRICS.md all come.
 *
 * A part (log, consumer groups, a port) brings its table and a function that copies its values; it is called where the
 * part's data is owned. Names are Prometheus's: with a unit, and `_total` when they only grow.
 */
#ifndef PYRALOG_NODE_METRICS_H
#define PYRALOG_NODE_METRICS_H

#include "node/node.h"
#include "query/source.h"

struct node_metric {
	const char *name;
	enum node_metric_kind { NODE_COUNTER, NODE_GAUGE } kind;
	uint32_t parts; /* of the unit in its name that the value counts: 1000 when milliseconds are told as seconds */
	const char *text; /* what it means */
};

struct node_metric_table {
	const char *title; /* "Kafka port" */
	/* Who may read: each shard's loop its own, that of shard 0 for all, or any thread. EACH_OFFSET: see lags.h. */
	enum node_metric_scope { NODE_EACH_SHARD, NODE_FIRST_SHARD, NODE_ANY_THREAD, NODE_EACH_OFFSET } scope;
	const struct node_metric *metrics;
	size_t count;
};

struct node_metric_source {
	const struct node_metric_table *table;
	void (*read)(void *context, size_t shard, int64_t *ret_values); /* in the table's order */
	void *context;
};

/* The node's own. */
extern const struct node_metric_table node_log_metrics, node_group_metrics, node_process_metrics;

struct node_metric_source node_process_metric_source(void); /* any thread */

enum { NODE_METRIC_SOURCES_MAX = 16 };

/* Another part's, in the order in which they are told. Before the loops run; the part must be there until nobody asks any
 * more. */
void node_metrics_add(struct node *node, struct node_metric_source source);

/* How many values there are, all shards together. */
size_t node_metrics_count(const struct node *node);
/* On the shard's loop: its values among all. */
void node_metrics_read_shard(const struct node *node, size_t shard, int64_t *values);
/* On any thread: those that any may read. */
void node_metrics_read_rest(const struct node *node, int64_t *values);
/* Metric by metric, and of each shard by shard; shard -1: of the whole node. */
void node_metrics_each(const struct node *node, const int64_t *values,
                       void (*visit)(void *context, const struct node_metric *metric, int64_t shard, int64_t value),
                       void *context);

/* On a query's thread. What query_source_ops.metric_list promises. */
pyr_result node_metrics_list(const struct node *node, const struct catalog_principal *principal,
                             struct query_metric **ret_metrics, size_t *ret_count, struct pyr_error *error);

#endif
