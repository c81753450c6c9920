/* Issues Scarab IDs of one node: a timekeeper, and the node's number as a fenced lease on disk.
 *
 * Invariants: no id is issued twice by one directory, whatever crashes and however the clock jumps; ids of one caller rise.
 * Two directories never issue the same id as long as whoever grants node numbers gives each to one directory, grants an epoch
 * with each opening, remembers the one that scarab_issuer_epoch() told last, and demands it at the next: of a directory and a copy
 * that was taken between two openings the first one goes on, and the other is refused and needs a number of its own. A copy that
 * was taken while the directory was in use always needs one.
 * Failure modes and threads: timekeeper.h. Format: docs/formats/scarab.md.
 */
#ifndef PYRALOG_COORD_SCARAB_ISSUER_H
#define PYRALOG_COORD_SCARAB_ISSUER_H

#include "coord/scarab.h"
#include "coord/timekeeper.h"

enum { SCARAB_NODE_KEPT = -1, SCARAB_BATCH_MAX = 4096 };

struct scarab_issuer;

struct scarab_issuer_options {
	struct timekeeper_clock clock;
	int node; /* 0 .. 2047; SCARAB_NODE_KEPT: the one that the directory has, or 0 */
	uint64_t epoch_min; /* the last one that was told of the number; 0: nobody remembers one */
	uint64_t epoch_grant; /* of this opening, above all of the number before; 0: nobody grants them */
};

/* In the root of `disk`, which is its own and must live longer. The node's number is durable when it returns. PYR_BUSY;
 * PYR_CORRUPT: the directory is an older copy, or its lease is damaged; PYR_IO, PYR_DISK_FULL, PYR_OUT_OF_MEMORY; a sentence. */
pyr_result scarab_issuer_open(struct os_disk *disk, const struct scarab_issuer_options *options,
                              struct scarab_issuer **ret_issuer, struct pyr_error *error);
/* The number that a folder has, without opening it; SCARAB_NODE_KEPT: none. */
pyr_result scarab_issuer_look(struct os_disk *disk, int *ret_node);
void scarab_issuer_close(struct scarab_issuer *issuer); /* NULL is fine */
unsigned scarab_issuer_node(const struct scarab_issuer *issuer);
uint64_t scarab_issuer_epoch(const struct scarab_issuer *issuer); /* rises with every opening, durable */

/* `count` ids, 1 to SCARAB_BATCH_MAX, rising. PYR_STOPPED, PYR_DISK_FULL, PYR_IO; PYR_BAD_TIMESTAMP: the clock is set beyond
 * the year 2094. */
pyr_result scarab_issuer_take(struct scarab_issuer *issuer, size_t count, uint64_t *ret_ids, struct pyr_error *error);
/* The same for a thread that must not block: see timekeeper_try(). Ids beyond the year 2094 are no verdict's: *ret_over is set. */
enum hlc_verdict scarab_issuer_try(struct scarab_issuer *issuer, size_t count, uint64_t *ret_ids, bool *ret_over);
pyr_result scarab_issuer_ahead(struct scarab_issuer *issuer, struct pyr_error *error);

#endif
