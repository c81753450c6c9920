/* Watches over a topic's partitions on all shards, for a query's thread that waits for records. */
#ifndef PYRALOG_NODE_TAIL_H
#define PYRALOG_NODE_TAIL_H

#include "node/node.h"
#include "query/source.h"

/* See query_source_ops. Each call is made on one query's thread; opening and closing wait for the shards. */
pyr_result node_tail_open(const struct node *node, const struct catalog_principal *principal, const char *topic,
                          struct query_tail **ret_tail, struct pyr_error *error);
void node_tail_wait(struct query_tail *tail, uint64_t *seen, uint64_t timeout_us);
void node_tail_close(struct query_tail *tail); /* NULL is fine */

#endif
