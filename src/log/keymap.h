/* Which record of each key is the newest, while a partition is compacted: a table of bounded memory.
 *
 * Keys are told apart by 128 bits of their hash under a random secret, so that two never meet, also not if somebody tries.
 * 24 bytes a key, at most three quarters full. For a range of offsets a bit each remembers what was superseded: who asks
 * about records there needs neither hash nor table. One owner at a time.
 */
#ifndef PYRALOG_LOG_KEYMAP_H
#define PYRALOG_LOG_KEYMAP_H

#include "base/buffer.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stdint.h>

enum { LOG_KEYMAP_WAITING_MAX = 32 };

struct log_keymap_entry {
	uint64_t hash[2];
	int64_t offset_plus_1; /* 0: free */
};

struct log_keymap {
	struct log_keymap_entry *entries;
	size_t capacity; /* a power of two */
	size_t count;
	struct log_keymap_entry
		waiting[LOG_KEYMAP_WAITING_MAX]; /* put, not in the table yet: they miss the cache together */
	size_t waiting_count;
	uint64_t *superseded; /* a bit for each offset of [from, to), or NULL */
	int64_t from, to;
	uint8_t secret[BASE_SIPHASH_KEY_BYTES];
};

/* An empty map; `secret` is random. */
void log_keymap_init(struct log_keymap *map, const uint8_t secret[BASE_SIPHASH_KEY_BYTES]);

/* From now on it is remembered which records of [from, to) are superseded, if `bytes_max` are enough for that: all of them
 * must be put. For an empty map. */
void log_keymap_cover(struct log_keymap *map, int64_t from, int64_t to, size_t bytes_max);
/* Notes a record. False: memory is out. */
bool log_keymap_put(struct log_keymap *map, struct base_bytes key, int64_t offset);
/* Nothing waits any more: before questions, and before `count` is looked at. False: memory is out. */
bool log_keymap_settle(struct log_keymap *map);
/* Was no newer record of the key put than this one, whether it was or not? */
bool log_keymap_is_newest(const struct log_keymap *map, struct base_bytes key, int64_t offset);
/* Is every offset from `from` through `last` that of a record of which a newer one was put? False: not, or not known. */
bool log_keymap_is_superseded(const struct log_keymap *map, int64_t from, int64_t last);
size_t log_keymap_bytes(const struct log_keymap *map);
void log_keymap_deinit(struct log_keymap *map);

#endif
