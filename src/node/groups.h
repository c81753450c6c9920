/* Consumer groups and their lag, for queries (query/source.h). */
#ifndef PYRALOG_NODE_GROUPS_H
#define PYRALOG_NODE_GROUPS_H

#include "node/node.h"
#include "query/source.h"

/* On a query's thread; `source` is this node's. What query_source_ops.group_list promises. */
pyr_result node_groups_list(const struct node *node, struct query_source *source,
                            const struct catalog_principal *principal, struct query_group **ret_groups,
                            size_t *ret_count, struct pyr_error *error);

#endif
