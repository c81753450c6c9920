/* The node's insides, shared by its files. */
#ifndef PYRALOG_NODE_NODE_PRIV_H
#define PYRALOG_NODE_NODE_PRIV_H

#include "node/node.h"

struct node {
	struct os_loop *loop;
	struct catalog *catalog;
	struct log *log;
	struct group_coordinator *coordinator;
	struct catalog_change begin;
	void (*closed)(void *context);
	void *closed_context;
};

#endif
