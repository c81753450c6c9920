/* A bump allocator with a limit: what one request decodes into lives and dies together. One owner; any thread.
 *
 * The limit is what keeps a hostile request (a million empty topics) from costing many times its own size. */
#ifndef PYRALOG_CODEC_ARENA_H
#define PYRALOG_CODEC_ARENA_H

#include <stddef.h>

struct codec_arena_block;

struct codec_arena {
	struct codec_arena_block *blocks; /* newest first */
	size_t left_bytes; /* of the limit */
};

/* Allocates nothing yet. */
void codec_arena_init(struct codec_arena *arena, size_t limit_bytes);
void codec_arena_deinit(struct codec_arena *arena); /* twice is harmless */
/* `count` zeroed elements, aligned for any type; not NULL for count 0. NULL: memory or limit is spent. */
void *codec_arena_alloc(struct codec_arena *arena, size_t count, size_t element_bytes);

#endif
