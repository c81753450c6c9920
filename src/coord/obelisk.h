/* The Obelisk sequencer: a durable counter whose value is a file's size.
 *
 * To promise values is to make a sparse file longer and to sync it; to hand them out is an atomic addition; to recover is to
 * ask for the file's size. No block is ever allocated. Two ways to take values: leased (a promise of many at once, whose rest
 * a crash wastes) and durable (each value is promised before it is returned; callers at the same time share a sync).
 *
 * Invariants: no value is returned twice, whatever crashes; values returned by one caller rise; what was returned lies below
 * what the file promises. Failure modes: a failed sync stops the sequencer for good (the kernel may have dropped the page):
 * PYR_STOPPED; a full disk or a file system's limit is an error, and a later call tries again; a second owner is refused.
 * Threads: obelisk_take() and obelisk_take_durable() on any; all others before and after. They block.
 * Format and crash argument: docs/formats/obelisk.md.
 */
#ifndef PYRALOG_COORD_OBELISK_H
#define PYRALOG_COORD_OBELISK_H

#include "base/error.h"
#include "os/disk.h"

#include <stdatomic.h>
#include <stdint.h>

struct obelisk;

struct obelisk_options {
	uint64_t lease; /* values promised at once by obelisk_take() */
	uint64_t file_values; /* a file grows no longer; then comes the next */
	/* The epoch that the owner remembers from elsewhere; 0: none. A directory of an older epoch was restored from a copy, and
	 * would give values a second time: it is refused. */
	uint64_t epoch_min;
	/* The epoch that the owner gives to this opening, above all that it ever gave; 0: one more than the last. Epochs that a
	 * directory counts by itself are those of its copies, too, once an opening fails before it is told. */
	uint64_t epoch_grant;
};

struct obelisk_options obelisk_options_default(void); /* 2^20, 2^43, 0 */

/* Opens or makes the sequencer in the root of `disk`, which is its own and must live longer. Takes the lock against a second
 * owner. PYR_BUSY: somebody else has it; PYR_CORRUPT: see epoch_min; PYR_IO, PYR_DISK_FULL, PYR_OUT_OF_MEMORY; a sentence. */
pyr_result obelisk_open(struct os_disk *disk, const struct obelisk_options *options, struct obelisk **ret_obelisk,
                        struct pyr_error *error);
void obelisk_close(struct obelisk *obelisk); /* NULL is fine */

/* What a folder promises, without opening it: somebody else may have it open, and promise more. PYR_IO, PYR_NOT_FOUND. */
pyr_result obelisk_look(struct os_disk *disk, uint64_t *ret_promised);

/* Rises with every opening; durable when obelisk_open() returns. To be remembered by whoever gives the ownership. */
uint64_t obelisk_epoch(const struct obelisk *obelisk);
/* The first value that was never promised: no value at or above it was ever returned. */
uint64_t obelisk_promised(const struct obelisk *obelisk);

/* What the caller of the fast path sees: two words on cache lines of their own. */
struct obelisk_counter {
	_Alignas(64) atomic_uint_fast64_t next;
	_Alignas(64) atomic_uint_fast64_t promised;
};

/* The first member of every sequencer, so that taking a value costs no call. */
static inline struct obelisk_counter *obelisk_counter(struct obelisk *obelisk)
{
	return (struct obelisk_counter *)(void *)obelisk;
}

/* Promises values until `end` lies below. What obelisk_take() does when the lease is used up. */
pyr_result obelisk_promise(struct obelisk *obelisk, uint64_t end);

/* Takes `count` consecutive values, the first in *ret_first: promised long before, as a rule. PYR_STOPPED, PYR_DISK_FULL, PYR_IO:
 * these values are nobody's. */
static inline pyr_result obelisk_take(struct obelisk *obelisk, uint64_t count, uint64_t *ret_first)
{
	struct obelisk_counter *counter = obelisk_counter(obelisk);
	uint64_t first = atomic_fetch_add_explicit(&counter->next, count, memory_order_relaxed);
	*ret_first = first;
	if (__builtin_expect(first + count <= atomic_load_explicit(&counter->promised, memory_order_acquire), 1))
		return pyr_ok();
	return obelisk_promise(obelisk, first + count);
}

/* The same, promised no further than what callers wait for: nothing is wasted by a crash. Not to be mixed with obelisk_take(). */
pyr_result obelisk_take_durable(struct obelisk *obelisk, uint64_t count, uint64_t *ret_first);

#endif
