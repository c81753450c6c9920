/* Scarab IDs: unique 64 bits that sort by time and are made without asking anybody.
 *
 *	63          23 22    12 11        0
 *	| 41 bits ms  | 11 node | 12 count |    milliseconds since SCARAB_EPOCH_MS; 4,096 a millisecond, 2,048 nodes
 *
 * As text 13 digits of Crockford's base 32 (0-9 A-Z without I L O U; D. Crockford, "Base 32"), which sort as the numbers do.
 * As PostgreSQL's bigint they are positive until the year 2059. Pure; any thread. Format: docs/formats/scarab.md.
 */
#ifndef PYRALOG_COORD_SCARAB_H
#define PYRALOG_COORD_SCARAB_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdint.h>

#define SCARAB_EPOCH_MS UINT64_C(1735689600000) /* 2025-01-01 00:00:00 UTC, in 1970's */

enum {
	SCARAB_MS_BITS = 41,
	SCARAB_NODE_BITS = 11,
	SCARAB_COUNT_BITS = 12,
	SCARAB_NODES = 1 << SCARAB_NODE_BITS,
	SCARAB_TEXT_BYTES = 13,
};

/* A tick is a timestamp of an HLC with SCARAB_COUNT_BITS. */
static inline uint64_t scarab_of(uint64_t tick, unsigned node)
{
	uint64_t ms = tick >> SCARAB_COUNT_BITS, count = tick & ((1 << SCARAB_COUNT_BITS) - 1);
	return ms << (SCARAB_NODE_BITS + SCARAB_COUNT_BITS) | (uint64_t)node << SCARAB_COUNT_BITS | count;
}

static inline uint64_t scarab_ms(uint64_t id) /* since 1970 */
{
	return (id >> (SCARAB_NODE_BITS + SCARAB_COUNT_BITS)) + SCARAB_EPOCH_MS;
}

static inline unsigned scarab_node(uint64_t id)
{
	return (unsigned)(id >> SCARAB_COUNT_BITS) & (SCARAB_NODES - 1);
}

static inline unsigned scarab_count(uint64_t id)
{
	return (unsigned)id & ((1 << SCARAB_COUNT_BITS) - 1);
}

/* Writes SCARAB_TEXT_BYTES characters, and no zero. */
void scarab_write(uint64_t id, char *ret_text);
/* Takes what scarab_write() wrote, lower case too, and, as Crockford has it, I and L for 1, O for 0. PYR_USAGE: it is none,
 * with a sentence; `text` may be anything. */
pyr_result scarab_parse(struct base_bytes text, uint64_t *ret_id, struct pyr_error *error);

#endif
