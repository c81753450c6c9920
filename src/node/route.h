/* Who coordinates what: a key's slot, and the node that owns it. Asked on the first shard's loop. */
#ifndef PYRALOG_NODE_ROUTE_H
#define PYRALOG_NODE_ROUTE_H

#include "base/buffer.h"

enum node_owner_where {
	NODE_OWNER_HERE,
	NODE_OWNER_THERE,
	NODE_OWNER_NOBODY, /* at the moment */
};

struct node_owner {
	enum node_owner_where where;
	int32_t node_id; /* what follows is of one that is there */
	const char *host; /* borrowed until the next question */
	uint16_t port;
};

struct node_route {
	struct node_owner (*find)(void *context, struct base_bytes key); /* NULL: everything is here */
	void *context;
};

static inline struct node_owner node_route_find(const struct node_route *route, struct base_bytes key)
{
	return route->find ? route->find(route->context, key) : (struct node_owner){.where = NODE_OWNER_HERE};
}

#endif
