/* The lease authority: which node owns which slots, and which number a node has in Scarab IDs. Off the path of requests: a node
 * renews its lease a few times in its length, and a request never asks.
 *
 * A node is a data directory, by a number of its own (`directory`). It gets a node number for good, and with every opening an
 * epoch above all that were ever granted. With that goes the last epoch that the directory told: one that is older is a copy, and
 * refuses itself (scarab_issuer.h); while the lease of the last opening is in force, none is granted. Slots are spread evenly
 * over the nodes whose leases are in force; as few as possible move. One that moves is first taken from its owner's lease, and
 * given to the next one when the owner has told that it saw that, or when its lease has run out. What an answer gives has an
 * epoch of its own, from a durable counter, so epochs of a slot rise.
 *
 * Who owns what is soft state: after a restart, for the length of a lease, owners claim what they have, and nothing is given to
 * anybody else. Numbers and told epochs are durable before they are answered.
 *
 * Invariants: a slot has one owner at a time, by the clocks of the nodes as long as those run no more than a tenth faster or
 * slower than the authority's; epochs never come again; no number has two directories. Failure modes: no numbers left:
 * a sentence; what the disk says. It blocks for syncs where something new is granted. Owner: one thread.
 */
#ifndef PYRALOG_COORD_AUTHORITY_H
#define PYRALOG_COORD_AUTHORITY_H

#include "coord/names.h"
#include "coord/obelisk.h"
#include "coord/slots.h"

enum { AUTHORITY_NODES_MAX = 2048, AUTHORITY_LEASE_MS = 3000, AUTHORITY_HOST_MAX = 64 };

struct authority;

struct authority_options {
	struct obelisk *epochs; /* its own, and must live longer */
	struct names *names; /* the same */
	uint64_t lease_ms;
	uint64_t now_ms; /* steady */
	bool alone; /* its only node is of the same process: nobody of another life can have a lease */
};

/* Its life gets an epoch, too: what it answers is above what it answered in earlier ones. */
pyr_result authority_new(const struct authority_options *options, struct authority **ret_authority,
                         struct pyr_error *error);
void authority_free(struct authority *authority); /* NULL is fine */

/* A node opens its directory. */
struct authority_opening {
	uint64_t directory; /* not 0 */
	int number_wanted; /* -1: any. PYR_EXISTS: another directory has it */
};

struct authority_grant {
	unsigned number;
	uint64_t epoch; /* of this opening: authority_told() confirms that the directory has it durable */
	uint64_t epoch_min; /* what the directory must have from before */
};

pyr_result authority_open(struct authority *authority, uint64_t now_ms, const struct authority_opening *opening,
                          struct authority_grant *ret_grant, struct pyr_error *error);
/* The directory has opened under this epoch. PYR_PRODUCER_FENCED: it was granted a newer one since, or the opening before has
 * renewed its lease meanwhile. */
pyr_result authority_told(struct authority *authority, uint64_t now_ms, uint64_t directory, uint64_t epoch,
                          struct pyr_error *error);

/* A node renews its lease: what it has, and the last answer that it saw (`seen`, 0 at first). */
struct authority_renewal {
	unsigned number;
	uint64_t epoch; /* of its opening */
	uint64_t seen;
	const uint64_t *epochs; /* SLOTS of them: 0 where it has none, everywhere once its lease has run out */
	const char *host; /* where its clients find it */
	uint16_t port;
};

struct authority_lease {
	uint64_t answer; /* to be `seen` */
	uint64_t lease_ms; /* from when the node sent the renewal */
	uint64_t epochs[SLOTS]; /* 0: not, or not any more */
};

/* PYR_PRODUCER_FENCED: a newer opening of the directory has the number, or the epoch was not told. */
pyr_result authority_renew(struct authority *authority, uint64_t now_ms, const struct authority_renewal *renewal,
                           struct authority_lease *ret_lease, struct pyr_error *error);

/* What a client's map of slots is made of: the node that has the slot, as far as the authority knows; epoch 0: nobody. */
struct authority_owner {
	uint64_t epoch;
	unsigned number;
	const char *host; /* borrowed */
	uint16_t port;
};

struct authority_owner authority_owner(const struct authority *authority, uint64_t now_ms, uint16_t slot);
size_t authority_live(const struct authority *authority, uint64_t now_ms); /* nodes */

#endif
