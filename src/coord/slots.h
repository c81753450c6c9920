/* Slots: what a request's key hashes to, and what a node is given under a lease.
 *
 * A node's side of a lease: a set of slots, each with the fencing epoch under which it was given, valid until a moment of the
 * node's own steady clock. Once that moment has passed the node owns nothing, whatever it believes. Pure. Owner: one thread.
 */
#ifndef PYRALOG_COORD_SLOTS_H
#define PYRALOG_COORD_SLOTS_H

#include "codec/pharaoh.h"

#include <stdbool.h>
#include <stdint.h>

enum { SLOTS = CODEC_PHARAOH_SLOTS };

struct slots {
	uint64_t until_ms; /* of the lease */
	uint64_t epochs[SLOTS]; /* 0: not ours */
	uint64_t left
		[SLOTS]; /* the last epoch that we had, and have no more: an answer that was overtaken may give it again */
};

static inline bool slots_own(const struct slots *slots, uint16_t slot, uint64_t now_ms)
{
	return slot < SLOTS && slots->epochs[slot] > 0 && now_ms < slots->until_ms;
}

#endif
