/* A bump allocator with a limit (see arena.h): blocks of at least 4 KiB, larger wishes get a block of their own. */
#include "codec/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 4096 };

struct codec_arena_block {
	struct codec_arena_block *next;
	size_t used;
	size_t capacity;
	alignas(max_align_t) uint8_t data[];
};

void codec_arena_init(struct codec_arena *arena, size_t limit_bytes)
{
	*arena = (struct codec_arena){.left_bytes = limit_bytes};
}

void codec_arena_deinit(struct codec_arena *arena)
{
	while (arena->blocks) {
		struct codec_arena_block *block = arena->blocks;
		arena->blocks = block->next;
		free(block);
	}
	arena->left_bytes = 0;
}

static struct codec_arena_block *block_with_room(struct codec_arena *arena, size_t bytes)
{
	struct codec_arena_block *block = arena->blocks;
	if (block && block->capacity - block->used >= bytes)
		return block;
	size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
	block = calloc(1, sizeof *block + capacity);
	if (!block)
		return NULL;
	block->capacity = capacity;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

void *codec_arena_alloc(struct codec_arena *arena, size_t count, size_t element_bytes)
{
	assert(element_bytes > 0);
	if (count > arena->left_bytes / element_bytes)
		return NULL;
	size_t bytes = (count * element_bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (bytes > arena->left_bytes)
		return NULL;
	struct codec_arena_block *block = block_with_room(arena, bytes);
	if (!block)
		return NULL;
	void *at = block->data + block->used;
	block->used += bytes;
	arena->left_bytes -= bytes;
	return at;
}
