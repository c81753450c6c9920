/* A node: the shards of one data directory, each a log with a catalog on a loop of its own.
 *
 * A partition belongs to one shard (catalog_shard_of()), and everything that is done with it is done on that shard's loop:
 * nothing is shared, messages go between loops. Shard 0 leads the catalog; the others follow (catalog.h). The number of
 * shards is a property of the data directory (layout.h). The protocol adapters (server/) stand above and are given the
 * shards. Owner: the thread of shard 0's loop, but that node_open() may be called before any of the loops runs.
 */
#ifndef PYRALOG_NODE_NODE_H
#define PYRALOG_NODE_NODE_H

#include "base/error.h"
#include "catalog/catalog.h"
#include "group/coordinator.h"
#include "log/log.h"

struct node;

enum { NODE_SHARDS_MAX = 64 };

struct node_options {
	struct log_options log; /* of the whole node: memory, files and background bytes are shared out evenly */
	enum log_durability durability; /* of topics that do not set their own */
	struct group_options group;
	uint64_t seal_within_us; /* node_close() makes a last checkpoint, if it takes no longer; 0: none */
};

struct node_options node_options_default(void);

/* Where a shard lives: the caller's, longer than the node. */
struct node_place {
	struct os_loop *loop;
	struct os_disk *disk; /* its folder */
};

/* What a shard has; only its own loop may touch it while that runs. */
struct node_shard {
	struct os_loop *loop;
	struct catalog *catalog;
	struct log *log;
};

/* Opens or creates the shards; blocks. The first answer of the catalog comes through shard 0's loop. */
pyr_result node_open(const struct node_place *places, size_t count, const struct node_options *options,
                     struct node **ret_node, struct pyr_error *error);
size_t node_shard_count(const struct node *node);
const struct node_shard *node_shard(const struct node *node, size_t shard);
struct log *node_log(const struct node *node, size_t shard);
struct catalog *node_catalog(const struct node *node, size_t shard);
/* Consumer groups live on shard 0. */
struct group_coordinator *node_coordinator(const struct node *node);

/* On the shard's loop: the options that may change while the node runs (log_retune(), group_coordinator_retune()). */
void node_retune(const struct node *node, size_t shard, const struct node_options *options);

/* Commits what is pending, then calls `closed` on shard 0's loop. All loops must run until then; adapters and queries must
 * be gone. */
void node_close(struct node *node, void (*closed)(void *context), void *context);
/* As a crash would; for simulation. */
void node_abandon(struct node *node);

#endif
