/* A part read from its beginning to its end, block by block, by work in the background: merging, compaction, scrubbing.
 *
 * Large parts are read past the page cache, a window of many blocks at a time: who reads everything once must not push out
 * what readers want, and filling the cache costs more than the disk does. Small parts go through the cache, as their
 * neighbours in the file are wanted next. Failure: what does not check is PYR_CORRUPT, for this block alone.
 * Owner: whoever runs the job; the file must stay referenced.
 */
#include "base/crc32c.h"
#include "log/log_priv.h"

#include <stdlib.h>

enum { WINDOW_BYTES = 4 << 20 };

void log_walk_begin(struct log_walk *walk, const struct log *log, struct os_pool_file *file,
                    const struct log_part *part)
{
	*walk = (struct log_walk){.log = log, .file = file, .part = *part};
}

pyr_result log_walk_open(struct log_walk *walk)
{
	if (walk->blocks)
		return pyr_ok();
	PYR_TRY(log_segment_read_index(walk->file, &walk->part, &walk->blocks));
	if (walk->part.bytes < walk->log->options.extent_min_bytes)
		return pyr_ok();
	return os_file_open(walk->log->disk, walk->file->path, OS_OPEN_READ | OS_OPEN_DIRECT, &walk->direct);
}

const struct log_block *log_walk_peek(const struct log_walk *walk)
{
	return walk->block < walk->part.block_count ? &walk->blocks[walk->block] : NULL;
}

void log_walk_skip(struct log_walk *walk)
{
	walk->block += 1;
}

/* Room that nobody else refers to; a batch that is kept keeps its window. */
static pyr_result make_room(struct log_walk *walk, size_t bytes)
{
	walk->window_bytes = 0;
	if (walk->window && walk->window->capacity >= bytes && atomic_load(&walk->window->references) == 1)
		return pyr_ok();
	base_buffer_unref(walk->window);
	walk->window = base_buffer_new(bytes > WINDOW_BYTES ? bytes : WINDOW_BYTES);
	return pyr_result_of(walk->window ? PYR_OK : PYR_OUT_OF_MEMORY);
}

/* From the block on as much as fits, but nothing behind the part. */
static pyr_result read_window(struct log_walk *walk, const struct log_block *block)
{
	const struct log_block *last = &walk->blocks[walk->part.block_count - 1];
	uint64_t from = block->position - block->position % OS_DIRECT_BYTES, size;
	PYR_TRY(os_file_size(walk->direct, &size));
	if (block->position > size || block->bytes > size - block->position)
		return pyr_result_of(PYR_CORRUPT);
	uint64_t bytes = log_align(block->position + block->bytes, LOG_BLOCK_BYTES) - from;
	uint64_t rest = log_align(last->position + last->bytes, LOG_BLOCK_BYTES) - from;
	if (bytes < rest && bytes < WINDOW_BYTES)
		bytes = rest < WINDOW_BYTES ? rest : WINDOW_BYTES;
	PYR_TRY(make_room(walk, (size_t)bytes));
	walk->window_from = from;
	return os_file_read(walk->direct, from, walk->window->data, (size_t)bytes, &walk->window_bytes);
}

static bool is_in_window(const struct log_walk *walk, const struct log_block *block)
{
	return walk->window_bytes > 0 && block->position >= walk->window_from &&
	       block->position + block->bytes <= walk->window_from + walk->window_bytes;
}

static pyr_result read_direct(struct log_walk *walk, const struct log_block *block, struct base_slice *ret_bytes)
{
	if (!is_in_window(walk, block))
		PYR_TRY(read_window(walk, block));
	size_t at = (size_t)(block->position - walk->window_from);
	if (!is_in_window(walk, block) || base_crc32c(0, walk->window->data + at, block->bytes) != block->crc)
		return pyr_result_of(PYR_CORRUPT);
	*ret_bytes = base_slice_of(walk->window, at, block->bytes);
	return pyr_ok();
}

pyr_result log_walk_next(struct log_walk *walk, struct base_slice *ret_bytes)
{
	const struct log_block *block = &walk->blocks[walk->block++];
	if (walk->direct)
		return read_direct(walk, block, ret_bytes);
	return log_segment_read_blocks(walk->file, block, 1, ret_bytes);
}

void log_walk_end(struct log_walk *walk)
{
	os_file_close(walk->direct);
	base_buffer_unref(walk->window);
	free(walk->blocks);
	*walk = (struct log_walk){0};
}
