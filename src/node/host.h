/* A whole node of the real world: a data directory's disks, a loop for each shard, the node on them, and what queries need.
 *
 * What the server and the embedded library have in common; ports are the server's. Shard 0's loop is the caller's to run,
 * or started as the others. Owner: the thread that opens it, until the loops run; then shard 0's.
 */
#ifndef PYRALOG_NODE_HOST_H
#define PYRALOG_NODE_HOST_H

#include "node/node.h"
#include "query/engine.h"
#include "query/source.h"

struct node_host_options {
	const char *data; /* the directory, made if it is not there */
	size_t shards; /* 0: half the processors; kept from when the directory was made */
	int id_node; /* the number in its Scarab IDs; -1: the one that the directory has, or 0 */
	struct node_options node;
	struct query_engine_options engine; /* its spill folder is the host's to choose; spill_bytes 0: none */
};

struct node_host_options node_host_options_default(void);

struct node_host;

/* Recovers the node; no loop runs yet. The options are not needed any more afterwards. PYR_BUSY and what else the disk
 * says. */
pyr_result node_host_open(const struct node_host_options *options, struct node_host **ret_host,
                          struct pyr_error *error);
/* Runs the loops of all shards from `first` on, on threads of their own. */
pyr_result node_host_start(struct node_host *host, size_t first, struct pyr_error *error);
struct node *node_host_node(struct node_host *host);
struct query_engine *node_host_engine(struct node_host *host);
struct query_source *node_host_source(struct node_host *host);
struct node_ids *node_host_ids(struct node_host *host);
struct os_disk *node_host_root(struct node_host *host); /* the data directory */
const char *node_host_data(const struct node_host *host); /* its path */
struct os_loop *node_host_loop(struct node_host *host, size_t shard);

/* On shard 0's loop: commits what is pending, ends the other loops, then this one. Adapters and queries must be gone. */
void node_host_stop(struct node_host *host);
/* When no loop runs any more. A host whose node was never stopped is dropped as a crash would. NULL is fine. */
void node_host_free(struct node_host *host);

#endif
