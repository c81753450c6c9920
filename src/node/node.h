/* A node: one data directory's log and catalog on one loop.
 *
 * The protocol adapters (server/) stand above it and are given its parts. Owner: the loop's thread.
 */
#ifndef PYRALOG_NODE_NODE_H
#define PYRALOG_NODE_NODE_H

#include "base/error.h"
#include "catalog/catalog.h"
#include "group/coordinator.h"
#include "log/log.h"

struct node;

struct node_options {
	struct log_options log;
	enum log_durability durability; /* of topics that do not set their own */
	struct group_options group;
};

struct node_options node_options_default(void);

/* Opens or creates the data directory behind `disk`; blocks. The first answer of the catalog comes through the loop. */
pyr_result node_open(struct os_loop *loop, struct os_disk *disk, const struct node_options *options,
                     struct node **ret_node, struct pyr_error *error);
struct log *node_log(struct node *node);
struct catalog *node_catalog(struct node *node);
struct group_coordinator *node_coordinator(struct node *node);

/* Commits what is pending, then calls `closed`. Adapters and queries must be gone. */
void node_close(struct node *node, void (*closed)(void *context), void *context);
/* As a crash would; for simulation. */
void node_abandon(struct node *node);

#endif
