/* The node's topics and their rows, for the query layer. */
#ifndef PYRALOG_NODE_SOURCE_H
#define PYRALOG_NODE_SOURCE_H

#include "catalog/catalog.h"
#include "log/log.h"
#include "query/source.h"

/* Answers calls from query threads by messages to the loop, which must run as long as queries do. NULL: memory is out. */
struct query_source *node_source_new(struct os_loop *loop, struct catalog *catalog, struct log *log);
void node_source_free(struct query_source *source); /* NULL is fine */

#endif
