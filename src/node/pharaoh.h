/* The Pharaoh services of a node of the real world: the folder "pharaoh" of a data directory, its own lease authority, and the
 * node (coord/pharaoh.h) on them. Such a node stands alone: it owns every slot for as long as it runs, and its epochs rise with
 * each start.
 *
 *   pharaoh/clock       the hybrid clock of timestamps        pharaoh/sequences   what sequences have promised
 *   pharaoh/epochs      the authority's counter of epochs     pharaoh/memory      what it remembers, and the longest time to live
 *
 * Failure modes: what the disk says, with a sentence. Owner: the thread of the loop that serves it; it blocks for syncs when it
 * is opened and announced. Formats: docs/formats/obelisk.md, scarab.md, names.md.
 */
#ifndef PYRALOG_NODE_PHARAOH_H
#define PYRALOG_NODE_PHARAOH_H

#include "coord/pharaoh.h"
#include "node/ids.h"
#include "node/route.h"

struct node_pharaoh;

struct node_pharaoh_options {
	struct os_disk *root; /* the data directory, whose lock is held; and its path */
	const char *data;
	struct node_ids *ids; /* must live longer */
	uint32_t ttl_max_ms; /* of sessions */
};

pyr_result node_pharaoh_open(const struct node_pharaoh_options *options, struct node_pharaoh **ret_pharaoh,
                             struct pyr_error *error);
void node_pharaoh_free(struct node_pharaoh *pharaoh); /* NULL is fine */
/* Where its clients find it: from here on it owns its slots. */
pyr_result node_pharaoh_announce(struct node_pharaoh *pharaoh, const char *host, uint16_t port,
                                 struct pyr_error *error);
struct pharaoh *node_pharaoh_core(struct node_pharaoh *pharaoh);
/* Who coordinates what has this name. On the loop. */
struct node_owner node_pharaoh_route(const struct node_pharaoh *pharaoh, struct base_bytes key);

#endif
