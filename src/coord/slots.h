/* Slots: what a request's key hashes to, and what a node is given under a lease.
 *
 * A node's side of a lease: a set of slots, each with the fencing epoch under which it was given, valid until a moment of the
 * node's own steady clock. Once that moment has passed the node owns nothing, whatever it believes. Pure. Owner: one thread.
 */
#ifndef PYRALOG_COORD_SLOTS_H
#define PYRALOG_COORD_SLOTS_H

#include "base/buffer.h"
#include "base/crc32c.h"

#include <stdbool.h>
#include <stdint.h>

enum { SLOTS = 1024 };

/* The top bits of the key's CRC-32C: what a client needs to know to find the node itself. */
static inline uint16_t slot_of(struct base_bytes key)
{
	return (uint16_t)(base_crc32c(0, key.data, key.bytes) >> 22);
}

struct slots {
	uint64_t epochs[SLOTS]; /* 0: not ours */
	uint64_t left
		[SLOTS]; /* the last epoch that we had, and have no more: an answer that was overtaken may give it again */
	uint64_t until_ms; /* of the lease */
};

static inline bool slots_own(const struct slots *slots, uint16_t slot, uint64_t now_ms)
{
	return slot < SLOTS && slots->epochs[slot] > 0 && now_ms < slots->until_ms;
}

#endif
