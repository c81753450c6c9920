/* Hashes (see hash.h). Pure; any thread. */
#include "base/hash.h"

#include <assert.h>
#include <blake3.h>
#include <sodium/crypto_shorthash_siphash24.h>
#include <stdlib.h>

void base_blake3(const struct base_bytes *parts, size_t part_count, uint8_t ret_hash[BASE_BLAKE3_BYTES])
{
	blake3_hasher hasher;
	blake3_hasher_init(&hasher);
	for (size_t i = 0; i < part_count; i++)
		blake3_hasher_update(&hasher, parts[i].data, parts[i].bytes);
	blake3_hasher_finalize(&hasher, ret_hash, BASE_BLAKE3_BYTES);
}

struct base_hasher {
	blake3_hasher blake3;
};

struct base_hasher *base_hasher_new(void)
{
	struct base_hasher *hasher = malloc(sizeof *hasher);
	if (hasher)
		blake3_hasher_init(&hasher->blake3);
	return hasher;
}

void base_hasher_add(struct base_hasher *hasher, struct base_bytes bytes)
{
	blake3_hasher_update(&hasher->blake3, bytes.data, bytes.bytes);
}

void base_hasher_end(struct base_hasher *hasher, uint8_t ret_hash[BASE_BLAKE3_BYTES])
{
	blake3_hasher_finalize(&hasher->blake3, ret_hash, BASE_BLAKE3_BYTES);
	free(hasher);
}

static_assert(crypto_shorthash_siphashx24_BYTES == 2 * sizeof(uint64_t), "two words");
static_assert(crypto_shorthash_siphashx24_KEYBYTES == BASE_SIPHASH_KEY_BYTES, "its key");

void base_siphash(const uint8_t key[BASE_SIPHASH_KEY_BYTES], struct base_bytes bytes, uint64_t ret_hash[2])
{
	(void)crypto_shorthash_siphashx24((uint8_t *)ret_hash, bytes.data, bytes.bytes, key); /* can't fail */
}

uint64_t base_hash_u64(uint64_t value)
{
	value ^= value >> 30;
	value *= 0xbf58476d1ce4e5b9u;
	value ^= value >> 27;
	value *= 0x94d049bb133111ebu;
	return value ^ value >> 31;
}

uint64_t base_hash_bytes(const void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u;
	return base_hash_u64(hash);
}
