/* The node's Scarab IDs: an issuer (coord/scarab_issuer.h) in the folder "scarab" of the data directory, opened when the first
 * id is asked for, so that a node that nobody asks writes nothing.
 *
 * The folder notes its place (place.h): one that was copied with its files, or restored from a backup, gets a number of its own, by
 * chance, so that it gives no id that its original gives; a sentence tells. `number` overrides that.
 *
 * Failure modes: those of the issuer; an opening that failed is tried again at the next call. Threads: node_ids_take() on any,
 * it blocks; the others before and after. */
#ifndef PYRALOG_NODE_IDS_H
#define PYRALOG_NODE_IDS_H

#include "base/error.h"
#include "os/disk.h"
#include "os/report.h"

#include <stddef.h>
#include <stdint.h>

struct node_ids;

/* `root` and `data`: the data directory, whose lock is held, and its path. `number`: the node's, or SCARAB_NODE_KEPT. NULL: out
 * of memory. */
struct node_ids *node_ids_new(struct os_disk *root, const char *data, int number);
void node_ids_free(struct node_ids *ids); /* NULL is fine */
void node_ids_report_to(struct node_ids *ids, struct os_reporter *reporter); /* before the first id; NULL: nobody */

/* `count` ids, 1 to SCARAB_BATCH_MAX, rising; a sentence on failure. */
pyr_result node_ids_take(struct node_ids *ids, size_t count, uint64_t *ret_ids, struct pyr_error *error);
/* The issuer itself, opened; it lives as long as `ids`. Any thread; it blocks. */
struct scarab_issuer;
pyr_result node_ids_issuer(struct node_ids *ids, struct scarab_issuer **ret_issuer, struct pyr_error *error);

#endif
