/* Changes of the catalog asked for by a query's thread. */
#ifndef PYRALOG_NODE_DECLARE_H
#define PYRALOG_NODE_DECLARE_H

#include "node/node.h"

/* catalog_topic_declare() on shard 0's loop; waits until every shard has applied it. */
pyr_result node_declare_columns(const struct node *node, const struct catalog_principal *principal, const char *topic,
                                struct base_bytes actions, struct pyr_error *error);

#endif
