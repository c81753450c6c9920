/* Numbers that are given once: a durable counter in a directory, without a server.
 *
 *	struct pyr_obelisk *obelisk;
 *	uint64_t number;
 *	if (pyr_obelisk_open("numbers", NULL, &obelisk, &failure) == PYR_STATUS_OK &&
 *	    pyr_obelisk_next(obelisk, &number, &failure) == PYR_STATUS_OK)
 *		printf("%llu\n", (unsigned long long)number);
 *
 * No number is given twice, whatever crashes, and the numbers of one caller rise. Numbers are promised many at once (the
 * lease) and then cost an atomic addition; what a crash leaves of a lease is never given. `durable` promises each number by
 * itself, so that none is wasted, for a sync a call (callers at the same time share it).
 * Errors, ownership and `failure` are as in pyralog.h. Threads: taking numbers on any; opening and closing alone.
 */
#ifndef PYRALOG_OBELISK_H
#define PYRALOG_OBELISK_H

#include "pyralog.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PYR_OBELISK_BATCH_MAX (UINT64_C(1) << 32) /* numbers a call */
#define PYR_OBELISK_LEASE_MAX (UINT64_C(1) << 40)

struct pyr_obelisk;

struct pyr_obelisk_options {
	size_t size; /* sizeof(struct pyr_obelisk_options) */
	uint64_t lease; /* numbers promised at once; 0: 2^20 */
	/* The epoch that the caller remembers, kept elsewhere; 0: none. A directory of an older one was restored from a copy, and
	 * would give numbers again: PYR_STATUS_CORRUPT. */
	uint64_t epoch_min;
	int durable; /* not 0: every number is promised by itself */
};

/* Opens the counter in a directory of its own, made if it is not there; its parent must be there. The first number is 0.
 * `options`: NULL for the defaults. PYR_STATUS_BUSY: somebody has it open. */
PYR_CHECKED enum pyr_status pyr_obelisk_open(const char *directory, const struct pyr_obelisk_options *options,
                                             struct pyr_obelisk **ret_obelisk, struct pyr_failure *failure);
PYR_CHECKED enum pyr_status pyr_obelisk_next(struct pyr_obelisk *obelisk, uint64_t *ret_value,
                                             struct pyr_failure *failure);
/* `count` numbers, one after the other, 1 to PYR_OBELISK_BATCH_MAX; *ret_first is the first one. */
PYR_CHECKED enum pyr_status pyr_obelisk_next_batch(struct pyr_obelisk *obelisk, uint64_t count, uint64_t *ret_first,
                                                   struct pyr_failure *failure);
/* Rises with every opening, from 1: what to remember for epoch_min. */
PYR_API uint64_t pyr_obelisk_epoch(const struct pyr_obelisk *obelisk);
PYR_API void pyr_obelisk_close(struct pyr_obelisk *obelisk);

#ifdef __cplusplus
}
#endif

#endif
