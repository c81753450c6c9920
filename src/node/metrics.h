/* What each shard counts, for SQL. */
#ifndef PYRALOG_NODE_METRICS_H
#define PYRALOG_NODE_METRICS_H

#include "node/node.h"
#include "query/source.h"

/* On a query's thread. What query_source_ops.metric_list promises. */
pyr_result node_metrics_list(const struct node *node, const struct catalog_principal *principal,
                             struct query_metric **ret_metrics, size_t *ret_count, struct pyr_error *error);

#endif
