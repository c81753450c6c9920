/* The node's insides, shared by its files. */
#ifndef PYRALOG_NODE_NODE_PRIV_H
#define PYRALOG_NODE_NODE_PRIV_H

#include "node/metrics.h"
#include "node/node.h"

/* A message to a shard's loop and back, when the node closes. */
struct node_closing {
	struct os_task task;
	struct node *node;
	size_t shard;
	struct log_seal seal;
};

struct node {
	struct group_coordinator *coordinator;
	struct catalog_change begin;
	void (*closed)(void *context);
	void *closed_context;
	uint64_t seal_within_us;
	size_t open_count; /* shards not yet closed */
	struct node_closing *closings;
	struct node_metric_source metric_sources[NODE_METRIC_SOURCES_MAX];
	size_t metric_source_count;
	size_t shard_count;
	struct node_shard shards[];
};

/* own_metrics.c: the log's, the groups', the process's. */
void node_metrics_add_own(struct node *node);

#endif
