/* Records appended for the query layer: see append() in query/source.h. */
#ifndef PYRALOG_NODE_APPEND_H
#define PYRALOG_NODE_APPEND_H

#include "node/node.h"
#include "query/source.h"

#include <stdatomic.h>

struct node_append {
	const struct node *node;
	const struct catalog_principal *principal;
	atomic_uint *turn; /* which partition a record without a key gets next */
};

/* Blocks until the shards have answered; a query's thread. */
pyr_result node_append_records(const struct node_append *node, struct query_record *records, size_t record_count,
                               struct pyr_error *error);

/* The partition that Kafka's clients choose for a key: murmur2, as org.apache.kafka.common.utils.Utils has it. */
uint32_t node_partition_of_key(struct base_bytes key, uint32_t partition_count);

#endif
