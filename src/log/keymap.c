/* Keys and their newest offsets (see keymap.h): open addressing, linear probing, doubled when three quarters full. */
#include "log/keymap.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 1024 };

static void hash_key(struct base_bytes key, uint64_t ret_hash[2])
{
	uint8_t hash[BASE_BLAKE3_BYTES];
	base_blake3(&key, 1, hash);
	memcpy(ret_hash, hash, 2 * sizeof *ret_hash);
}

static struct log_keymap_entry *find(const struct log_keymap *map, const uint64_t hash[2])
{
	for (size_t i = hash[0] & (map->capacity - 1);; i = (i + 1) & (map->capacity - 1)) {
		struct log_keymap_entry *entry = &map->entries[i];
		if (entry->offset_plus_1 == 0 || (entry->hash[0] == hash[0] && entry->hash[1] == hash[1]))
			return entry;
	}
}

static bool grow(struct log_keymap *map)
{
	struct log_keymap larger = {.count = map->count};
	larger.capacity = map->capacity > 0 ? map->capacity * 2 : CAPACITY_MIN;
	larger.entries = calloc(larger.capacity, sizeof *larger.entries);
	if (!larger.entries)
		return false;
	for (size_t i = 0; i < map->capacity; i++)
		if (map->entries[i].offset_plus_1 > 0)
			*find(&larger, map->entries[i].hash) = map->entries[i];
	free(map->entries);
	*map = larger;
	return true;
}

bool log_keymap_put(struct log_keymap *map, struct base_bytes key, int64_t offset)
{
	uint64_t hash[2];
	if (map->count >= map->capacity / 4 * 3 && !grow(map))
		return false;
	hash_key(key, hash);
	struct log_keymap_entry *entry = find(map, hash);
	if (entry->offset_plus_1 == 0) {
		*entry = (struct log_keymap_entry){{hash[0], hash[1]}, offset + 1};
		map->count += 1;
	} else if (entry->offset_plus_1 < offset + 1) {
		entry->offset_plus_1 = offset + 1;
	}
	return true;
}

int64_t log_keymap_get(const struct log_keymap *map, struct base_bytes key)
{
	uint64_t hash[2];
	if (map->count == 0)
		return -1;
	hash_key(key, hash);
	return find(map, hash)->offset_plus_1 - 1;
}

size_t log_keymap_bytes(const struct log_keymap *map)
{
	return map->capacity * sizeof *map->entries;
}

void log_keymap_deinit(struct log_keymap *map)
{
	free(map->entries);
	*map = (struct log_keymap){0};
}
