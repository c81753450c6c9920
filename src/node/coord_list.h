/* The rows of pyralog.slots, pyralog.sessions and pyralog.locks: a copy of what the Pharaoh node on shard 0's loop has. */
#ifndef PYRALOG_NODE_COORD_LIST_H
#define PYRALOG_NODE_COORD_LIST_H

#include "coord/pharaoh.h"
#include "node/node.h"
#include "query/source.h"

/* `pharaoh` is read on shard 0's loop; it may be NULL by then: no rows. Never from a loop. */
pyr_result node_coord_list(const struct node *node, struct pharaoh *const *pharaoh, enum query_coord_kind kind,
                           void **ret_rows, size_t *ret_count, struct pyr_error *error);

#endif
