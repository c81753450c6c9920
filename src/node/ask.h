/* A question from a query's thread to the shards' loops, which waits for all of them. */
#ifndef PYRALOG_NODE_ASK_H
#define PYRALOG_NODE_ASK_H

#include "node/node.h"

/* Runs `on_shard` on the loops of the first `shard_count` shards, at the same time, and returns when all have run. Never from
 * a loop. */
void node_ask(const struct node *node, size_t shard_count, void (*on_shard)(void *context, size_t shard),
              void *context);

#endif
