/* Keys and their newest offsets (see keymap.h): open addressing, linear probing, doubled when three quarters full. */
#include "log/keymap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 1024, WORD_BITS = 64 };

void log_keymap_init(struct log_keymap *map, const uint8_t secret[BASE_SIPHASH_KEY_BYTES])
{
	*map = (struct log_keymap){0};
	memcpy(map->secret, secret, sizeof map->secret);
}

static void hash_key(const struct log_keymap *map, struct base_bytes key, uint64_t ret_hash[2])
{
	base_siphash(map->secret, key, ret_hash);
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
	struct log_keymap larger = {.capacity = map->capacity > 0 ? map->capacity * 2 : CAPACITY_MIN};
	larger.entries = calloc(larger.capacity, sizeof *larger.entries);
	if (!larger.entries)
		return false;
	for (size_t i = 0; i < map->capacity; i++)
		if (map->entries[i].offset_plus_1 > 0)
			*find(&larger, map->entries[i].hash) = map->entries[i];
	free(map->entries);
	map->entries = larger.entries;
	map->capacity = larger.capacity;
	return true;
}

/* ---- what is superseded ---- */

static size_t words(int64_t from, int64_t to)
{
	return ((size_t)(to - from) + WORD_BITS - 1) / WORD_BITS;
}

static bool is_covered(const struct log_keymap *map, int64_t offset)
{
	return map->superseded && offset >= map->from && offset < map->to;
}

static uint64_t bit_of(const struct log_keymap *map, int64_t offset)
{
	return UINT64_C(1) << (size_t)(offset - map->from) % WORD_BITS;
}

static uint64_t *word_of(const struct log_keymap *map, int64_t offset)
{
	return &map->superseded[(size_t)(offset - map->from) / WORD_BITS];
}

void log_keymap_cover(struct log_keymap *map, int64_t from, int64_t to, size_t bytes_max)
{
	assert(map->count == 0 && map->waiting_count == 0 && !map->superseded && from <= to);
	if (words(from, to) > bytes_max / sizeof *map->superseded)
		return;
	map->superseded = calloc(words(from, to) + 1, sizeof *map->superseded); /* NULL: questions take longer */
	map->from = from;
	map->to = to;
}

/* ---- putting ---- */

static void supersede(struct log_keymap *map, int64_t offset)
{
	if (is_covered(map, offset))
		*word_of(map, offset) |= bit_of(map, offset);
}

/* A record may come again, and after newer ones: parts are merged while others are read. */
static void enter(struct log_keymap *map, const struct log_keymap_entry *put)
{
	struct log_keymap_entry *entry = find(map, put->hash);
	bool is_new = entry->offset_plus_1 == 0;
	map->count += is_new;
	if (entry->offset_plus_1 > put->offset_plus_1)
		supersede(map, put->offset_plus_1 - 1);
	else if (!is_new && entry->offset_plus_1 < put->offset_plus_1)
		supersede(map, entry->offset_plus_1 - 1);
	if (entry->offset_plus_1 < put->offset_plus_1)
		*entry = *put;
}

bool log_keymap_settle(struct log_keymap *map)
{
	while (map->count + map->waiting_count > map->capacity / 4 * 3)
		if (!grow(map))
			return false;
	for (size_t i = 0; i < map->waiting_count; i++)
		__builtin_prefetch(&map->entries[map->waiting[i].hash[0] & (map->capacity - 1)], 1);
	for (size_t i = 0; i < map->waiting_count; i++)
		enter(map, &map->waiting[i]);
	map->waiting_count = 0;
	return true;
}

bool log_keymap_put(struct log_keymap *map, struct base_bytes key, int64_t offset)
{
	struct log_keymap_entry *entry = &map->waiting[map->waiting_count++];
	hash_key(map, key, entry->hash);
	entry->offset_plus_1 = offset + 1;
	return map->waiting_count < LOG_KEYMAP_WAITING_MAX || log_keymap_settle(map);
}

/* ---- asking ---- */

bool log_keymap_is_newest(const struct log_keymap *map, struct base_bytes key, int64_t offset)
{
	uint64_t hash[2];
	assert(map->waiting_count == 0);
	if (is_covered(map, offset))
		return !(*word_of(map, offset) & bit_of(map, offset));
	if (map->count == 0)
		return true;
	hash_key(map, key, hash);
	return offset + 1 >= find(map, hash)->offset_plus_1;
}

bool log_keymap_is_superseded(const struct log_keymap *map, int64_t from, int64_t last)
{
	if (!is_covered(map, from) || !is_covered(map, last))
		return false;
	size_t first_word = (size_t)(from - map->from) / WORD_BITS, last_word = (size_t)(last - map->from) / WORD_BITS;
	for (size_t i = first_word; i <= last_word; i++) {
		uint64_t asked = ~UINT64_C(0);
		if (i == first_word)
			asked &= ~(bit_of(map, from) - 1);
		if (i == last_word)
			asked &= bit_of(map, last) | (bit_of(map, last) - 1);
		if ((map->superseded[i] & asked) != asked)
			return false;
	}
	return true;
}

size_t log_keymap_bytes(const struct log_keymap *map)
{
	return map->capacity * sizeof *map->entries;
}

void log_keymap_deinit(struct log_keymap *map)
{
	free(map->entries);
	free(map->superseded);
	*map = (struct log_keymap){0};
}
