/* The node's topics and their rows, for the query layer. */
#ifndef PYRALOG_NODE_SOURCE_H
#define PYRALOG_NODE_SOURCE_H

#include "node/ids.h"
#include "node/node.h"
#include "query/source.h"

/* Answers calls from query threads by messages to the shards' loops, which must run as long as queries do. NULL: memory is
 * out. `ids` must live longer. */
struct query_source *node_source_new(const struct node *node, struct node_ids *ids);
/* What pyralog.slots, .sessions and .locks show, on shard 0's loop; NULL: nothing, or not any more. Before the loops run, or on
 * that of shard 0. */
struct pharaoh;
void node_source_set_pharaoh(struct query_source *source, struct pharaoh *pharaoh);
/* The same for shard 0's loop: what would have to wait, for another loop or for the disk, or would take long, is PYR_BUSY. Lives
 * with `source`. */
struct query_source *node_source_prompt(struct query_source *source);
void node_source_free(struct query_source *source); /* NULL is fine */

#endif
