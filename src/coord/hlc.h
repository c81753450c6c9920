/* A hybrid logical clock: timestamps that follow the wall clock and rise even when it does not.
 *
 * A timestamp is 64 bits: milliseconds since 1970 and, in the low bits, a counter (20 bits of it, unless the rules say
 * otherwise), so that timestamps order as integers. Pure: time comes in, and what shall be made durable goes out. The owner
 * (timekeeper.h) promises milliseconds durably before timestamps of them are given.
 *
 * Invariants: every timestamp given is above all given and observed before, also in earlier lives, whatever the wall clock
 * did; none is of a millisecond that is not promised; none is more than borrow_ms ahead of the reading. The reading is the
 * wall clock, or, after that was set back, goes on at half the pace until the wall clock has caught up.
 * Failure modes: far-future input is refused with a sentence; too many at once wait.
 * After Kulkarni et al., "Logical Physical Clocks" (2014). Owner: one thread at a time.
 */
#ifndef PYRALOG_COORD_HLC_H
#define PYRALOG_COORD_HLC_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	HLC_MS_BITS = 44,
	HLC_COUNTER_BITS = 20,
	HLC_LEASE_MS = 3000, /* promised ahead of the reading */
	HLC_BORROW_MS = 2750, /* less than the lease, or saturation would promise each millisecond by itself */
	HLC_DRIFT_MS = 250, /* how far ahead another node's timestamp may be */
};

/* The same for all lives on one directory, but drift_ms. */
struct hlc_rules {
	unsigned counter_bits;
	uint64_t lease_ms, borrow_ms, drift_ms;
};

struct hlc_rules hlc_rules_default(void);

/* Two clocks, read at one moment. */
struct hlc_time {
	uint64_t wall_ms; /* may jump */
	uint64_t steady_ms; /* since any moment of this life; never goes back */
};

struct hlc {
	struct hlc_rules rules;
	uint64_t next; /* the smallest timestamp that may be given */
	uint64_t promised_ms; /* the first millisecond that is not promised */
	bool kept; /* this life has promised something: an earlier one's last promise may not be durable */
	uint64_t reading_ms;
	uint64_t steady_ms; /* up to here is in the reading */
};

enum hlc_verdict {
	HLC_DONE,
	HLC_PROMISE, /* make hlc_wanted_ms() durable, tell hlc_promised(), and ask again */
	HLC_WAIT, /* the clock must catch up: ask again in a millisecond */
};

/* `promised_ms`: the first millisecond that no earlier life promised; 0: there was none. */
void hlc_init(struct hlc *hlc, const struct hlc_rules *rules, uint64_t promised_ms, struct hlc_time now);
/* `count` consecutive timestamps, 1 to a millisecond's, the first in *ret_first. */
enum hlc_verdict hlc_take(struct hlc *hlc, struct hlc_time now, uint64_t count, uint64_t *ret_first);
/* Whatever is given from here on is above `received`. */
enum hlc_verdict hlc_observe(struct hlc *hlc, struct hlc_time now, uint64_t received);
/* PYR_BAD_TIMESTAMP: it is more than drift_ms ahead of the reading, and must not be observed. */
pyr_result hlc_check(struct hlc *hlc, struct hlc_time now, uint64_t received, struct pyr_error *error);

void hlc_read(struct hlc *hlc, struct hlc_time now); /* moves the reading alone */
uint64_t hlc_wanted_ms(const struct hlc *hlc);
void hlc_promised(struct hlc *hlc, uint64_t promised_ms);

static inline uint64_t hlc_ms(const struct hlc *hlc, uint64_t timestamp)
{
	return timestamp >> hlc->rules.counter_bits;
}

#endif
