/* BLAKE3 of many short inputs at once (see hash.h).
 *
 * The library hashes the chunks of one input beside each other, so that an input of a chunk or two gains nothing by it. Here
 * the first chunks of all inputs go beside each other, then their second ones, through the same function of the library; the
 * last chunk of each, which may be partial, and the few nodes above go one by one. Chunks, flags and tree as in the BLAKE3
 * paper, section 2 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn).
 * Pure; any thread.
 */
#include "base/hash.h"

#include <blake3_impl.h>
#include <string.h>

enum { MANY = 64, CHUNKS_MAX = 4, CHUNK_BLOCKS = BLAKE3_CHUNK_LEN / BLAKE3_BLOCK_LEN };

struct node {
	uint32_t words[8]; /* a chaining value */
};

static size_t chunk_count(struct base_bytes input)
{
	return input.bytes == 0 ? 1 : (input.bytes - 1) / BLAKE3_CHUNK_LEN + 1;
}

/* The chunks with this number, of all inputs that have a later one too. False: none has. */
static bool hash_chunks(const struct base_bytes *inputs, size_t count, size_t number, struct node (*nodes)[CHUNKS_MAX])
{
	const uint8_t *chunks[MANY];
	size_t whose[MANY], found = 0;
	uint8_t hashes[MANY][BLAKE3_OUT_LEN];
	for (size_t i = 0; i < count; i++) {
		if (chunk_count(inputs[i]) > CHUNKS_MAX || chunk_count(inputs[i]) <= number + 1)
			continue;
		chunks[found] = inputs[i].data + number * BLAKE3_CHUNK_LEN;
		whose[found++] = i;
	}
	if (found > 0)
		blake3_hash_many(chunks, found, CHUNK_BLOCKS, IV, number, false, 0, CHUNK_START, CHUNK_END, hashes[0]);
	for (size_t i = 0; i < found; i++)
		load_key_words(hashes[i], nodes[whose[i]][number].words);
	return found > 0;
}

static struct node hash_last_chunk(struct base_bytes chunk, uint64_t number, uint8_t root)
{
	struct node node;
	uint8_t start = CHUNK_START;
	memcpy(node.words, IV, sizeof node.words);
	for (; chunk.bytes > BLAKE3_BLOCK_LEN; chunk.data += BLAKE3_BLOCK_LEN, chunk.bytes -= BLAKE3_BLOCK_LEN) {
		blake3_compress_in_place(node.words, chunk.data, BLAKE3_BLOCK_LEN, number, start);
		start = 0;
	}
	uint8_t block[BLAKE3_BLOCK_LEN] = {0};
	if (chunk.bytes > 0)
		memcpy(block, chunk.data, chunk.bytes);
	blake3_compress_in_place(node.words, block, (uint8_t)chunk.bytes, number, start | CHUNK_END | root);
	return node;
}

static struct node hash_parent(const struct node *left, const struct node *right, uint8_t root)
{
	struct node node;
	uint8_t block[BLAKE3_BLOCK_LEN];
	memcpy(node.words, IV, sizeof node.words);
	store_cv_words(block, (uint32_t *)left->words);
	store_cv_words(block + BLAKE3_OUT_LEN, (uint32_t *)right->words);
	blake3_compress_in_place(node.words, block, BLAKE3_BLOCK_LEN, 0, PARENT | root);
	return node;
}

/* The left subtree is the largest complete one that leaves something for the right. */
static struct node hash_tree(const struct node *chunks, size_t count, uint8_t root)
{
	if (count == 1)
		return chunks[0];
	size_t left_count = round_down_to_power_of_2(count - 1);
	struct node left = hash_tree(chunks, left_count, 0);
	struct node right = hash_tree(chunks + left_count, count - left_count, 0);
	return hash_parent(&left, &right, root);
}

static void hash_end(struct base_bytes input, struct node *chunks, uint8_t ret_hash[BASE_BLAKE3_BYTES])
{
	size_t count = chunk_count(input), before = (count - 1) * BLAKE3_CHUNK_LEN;
	struct base_bytes last = {input.data ? input.data + before : NULL, input.bytes - before};
	chunks[count - 1] = hash_last_chunk(last, count - 1, count == 1 ? ROOT : 0);
	struct node root = hash_tree(chunks, count, ROOT);
	store_cv_words(ret_hash, root.words);
}

static void hash_group(const struct base_bytes *inputs, size_t count, uint8_t (*ret_hashes)[BASE_BLAKE3_BYTES])
{
	struct node nodes[MANY][CHUNKS_MAX];
	for (size_t number = 0; hash_chunks(inputs, count, number, nodes); number++)
		;
	for (size_t i = 0; i < count; i++) {
		if (chunk_count(inputs[i]) > CHUNKS_MAX)
			base_blake3(&inputs[i], 1, ret_hashes[i]);
		else
			hash_end(inputs[i], nodes[i], ret_hashes[i]);
	}
}

void base_blake3_many(const struct base_bytes *inputs, size_t count, uint8_t (*ret_hashes)[BASE_BLAKE3_BYTES])
{
	for (size_t i = 0; i < count; i += MANY)
		hash_group(inputs + i, count - i < MANY ? count - i : MANY, ret_hashes + i);
}
