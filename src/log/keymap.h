/* The newest offset of each key, while a partition is compacted: a table of bounded memory.
 *
 * Keys are told apart by 128 bits of their BLAKE3 hash, so that two never meet, also not if somebody tries. 24 bytes a key,
 * at most three quarters full. One owner at a time.
 */
#ifndef PYRALOG_LOG_KEYMAP_H
#define PYRALOG_LOG_KEYMAP_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

struct log_keymap_entry {
	uint64_t hash[2];
	int64_t offset_plus_1; /* 0: free */
};

struct log_keymap {
	struct log_keymap_entry *entries;
	size_t capacity; /* a power of two */
	size_t count;
};

/* Notes the offset if it is newer than the key's. False: memory is out. */
bool log_keymap_put(struct log_keymap *map, struct base_bytes key, int64_t offset);
/* -1: the key is not there. */
int64_t log_keymap_get(const struct log_keymap *map, struct base_bytes key);
size_t log_keymap_bytes(const struct log_keymap *map);
void log_keymap_deinit(struct log_keymap *map);

#endif
