/* A hybrid logical clock whose promises are kept: hlc.h over an Obelisk sequencer that counts milliseconds.
 *
 * Invariants: those of hlc.h, across crashes, since a millisecond is promised on disk before timestamps of it are given.
 * An idle clock writes nothing; one in use syncs once in a lease.
 * Failure modes: a failed sync stops it for good (PYR_STOPPED); a full disk is an error, and a later call tries again; a
 * second owner and, by its epoch, a restored copy are refused (obelisk.h).
 * Threads: taking and observing on any; they block, for a sync or for the clock. Opening and closing alone.
 * Format: docs/formats/obelisk.md.
 */
#ifndef PYRALOG_COORD_TIMEKEEPER_H
#define PYRALOG_COORD_TIMEKEEPER_H

#include "coord/hlc.h"
#include "os/disk.h"

struct timekeeper;

/* The clocks of the world. */
struct timekeeper_clock {
	struct hlc_time (*now)(void *context);
	void (*wait)(void *context); /* a millisecond or so */
	void *context;
};

struct timekeeper_options {
	struct hlc_rules rules;
	struct timekeeper_clock clock;
	uint64_t epoch_ms; /* milliseconds are counted from here, of 1970's */
	uint64_t epoch_min, epoch_grant; /* see obelisk_options */
};

/* In the root of `disk`, which is its own and must live longer. PYR_BUSY, PYR_CORRUPT, PYR_IO, PYR_DISK_FULL,
 * PYR_OUT_OF_MEMORY; a sentence. */
pyr_result timekeeper_open(struct os_disk *disk, const struct timekeeper_options *options,
                           struct timekeeper **ret_timekeeper, struct pyr_error *error);
void timekeeper_close(struct timekeeper *timekeeper); /* NULL is fine */
uint64_t timekeeper_epoch(const struct timekeeper *timekeeper); /* obelisk_epoch() */

/* `count` consecutive timestamps, 1 to a millisecond's, the first in *ret_first. */
pyr_result timekeeper_take(struct timekeeper *timekeeper, uint64_t count, uint64_t *ret_first, struct pyr_error *error);
/* The same for a thread that must not block: HLC_PROMISE: timekeeper_ahead(), on any other thread, and then again; HLC_WAIT:
 * again in a millisecond. */
enum hlc_verdict timekeeper_try(struct timekeeper *timekeeper, uint64_t count, uint64_t *ret_first);
/* Promises a lease from now on, for timekeeper_try(). */
pyr_result timekeeper_ahead(struct timekeeper *timekeeper, struct pyr_error *error);
/* All timestamps taken from here on are above `received`, that of a message. PYR_BAD_TIMESTAMP: too far ahead. */
pyr_result timekeeper_observe(struct timekeeper *timekeeper, uint64_t received, struct pyr_error *error);

#endif
