/* Where the records of a large batch lie, so that a few of them are read and checked without the rest.
 *
 * A block is believed only when the checksum over all of it holds, so its first reader reads it whole. Then it is known what
 * checksum each few KiB of it must have: that, and which record begins there, is its map. Who comes with a map reads the pieces
 * that hold the records, and gets them as a batch of these records alone, under the header that was checked.
 *
 * Invariants: a map is made of bytes that were verified, and never changes; only of a block that is one batch, not compressed,
 * with a record for each of its offsets. Failure modes: pieces that do not check are PYR_CORRUPT, and the whole block tells.
 * Any thread.
 */
#include "log/log_priv.h"

#include "base/crc32c.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES_MIN = 32 << 10, PIECE_BYTES = 4 << 10, LAST_DELTA_AT = 23, COUNT_AT = 57 };

struct piece {
	uint32_t position; /* in the block */
	uint32_t record; /* the first that begins in it; every record lies in one piece */
	uint32_t crc;
};

struct log_map {
	uint32_t piece_count, record_count;
	uint8_t header[CODEC_BATCH_HEADER_BYTES];
	struct piece pieces[]; /* and one behind the last, where the block ends */
};

/* ---- making ---- */

static bool is_fit(struct base_bytes block, struct codec_batch *ret_batch)
{
	return block.bytes >= BLOCK_BYTES_MIN && codec_batch_parse(block, ret_batch).code == PYR_OK &&
	       ret_batch->bytes == block.bytes && codec_batch_compression(ret_batch) == CODEC_NONE &&
	       ret_batch->record_count > 0 && ret_batch->last_offset_delta == ret_batch->record_count - 1;
}

/* False: the records are malformed. */
static bool find_pieces(struct log_map *map, struct base_bytes block, const struct codec_batch *batch)
{
	struct base_reader reader = base_reader_init(batch->records, batch->records_bytes);
	for (int32_t i = 0; i < batch->record_count; i++) {
		uint32_t at = (uint32_t)(reader.at - block.data);
		if (i == 0 || at - map->pieces[map->piece_count - 1].position >= PIECE_BYTES)
			map->pieces[map->piece_count++] = (struct piece){.position = at, .record = (uint32_t)i};
		int32_t length = base_read_varint32(&reader);
		if (length < 0 || reader.failed) /* a count may lie */
			return false;
		base_read_skip(&reader, (size_t)length);
	}
	map->pieces[map->piece_count] = (struct piece){(uint32_t)block.bytes, map->record_count, 0};
	return !reader.failed && base_reader_left(&reader) == 0;
}

size_t log_map_room(size_t block_bytes)
{
	return sizeof(struct log_map) + (block_bytes / PIECE_BYTES + 2) * sizeof(struct piece);
}

bool log_map_make(struct base_bytes block, struct log_map *map)
{
	struct codec_batch batch;
	if (!is_fit(block, &batch))
		return false;
	*map = (struct log_map){.record_count = (uint32_t)batch.record_count};
	memcpy(map->header, block.data, sizeof map->header);
	if (!find_pieces(map, block, &batch))
		return false;
	assert(log_map_bytes(map) <= log_map_room(block.bytes));
	for (size_t i = 0; i < map->piece_count; i++) {
		struct piece *piece = &map->pieces[i];
		piece->crc = base_crc32c(0, block.data + piece->position, piece[1].position - piece->position);
	}
	return true;
}

struct log_map *log_map_new(struct base_bytes block)
{
	struct log_map *map = block.bytes >= BLOCK_BYTES_MIN ? malloc(log_map_room(block.bytes)) : NULL;
	if (map && log_map_make(block, map))
		return map;
	free(map);
	return NULL;
}

struct log_map *log_map_copy(const struct log_map *map)
{
	struct log_map *copy = malloc(log_map_bytes(map));
	return copy ? memcpy(copy, map, log_map_bytes(map)) : NULL;
}

size_t log_map_bytes(const struct log_map *map)
{
	return sizeof *map + (map->piece_count + 1) * sizeof map->pieces[0];
}

/* ---- reading ---- */

/* The piece that holds the record. */
static size_t find(const struct log_map *map, uint32_t record)
{
	size_t low = 0, high = map->piece_count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (map->pieces[middle].record <= record)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The header as it would be if the batch held these pieces' records alone. */
static void write_header(const struct log_map *map, size_t first, size_t last, uint8_t *header)
{
	uint32_t bytes = map->pieces[last + 1].position - map->pieces[first].position;
	memcpy(header, map->header, sizeof map->header);
	base_store_u32be(header + CODEC_BATCH_LENGTH_AT, bytes + CODEC_BATCH_HEADER_BYTES - CODEC_BATCH_OVERHEAD_BYTES);
	base_store_u32be(header + LAST_DELTA_AT, map->pieces[last + 1].record - 1);
	base_store_u32be(header + COUNT_AT, map->pieces[last + 1].record - map->pieces[first].record);
}

static bool check(const struct log_map *map, size_t first, size_t last, const uint8_t *bytes)
{
	for (size_t i = first; i <= last; i++) {
		uint32_t length = map->pieces[i + 1].position - map->pieces[i].position;
		if (base_crc32c(0, bytes, length) != map->pieces[i].crc)
			return false;
		bytes += length;
	}
	return true;
}

pyr_result log_map_read(const struct log_map *map, struct os_pool_file *file, const struct log_block *block,
                        int64_t first_offset, int64_t last_offset, bool at_once, struct base_slice *ret_batch)
{
	first_offset = first_offset > block->base_offset ? first_offset : block->base_offset;
	last_offset = last_offset < block->last_offset ? last_offset : block->last_offset;
	assert(first_offset <= last_offset);
	size_t first = find(map, (uint32_t)(first_offset - block->base_offset));
	size_t last = find(map, (uint32_t)(last_offset - block->base_offset));
	uint64_t position = block->position + map->pieces[first].position;
	size_t bytes = map->pieces[last + 1].position - map->pieces[first].position;
	struct base_buffer *buffer = base_buffer_new(bytes + CODEC_BATCH_HEADER_BYTES);
	if (!buffer)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	uint8_t *records = buffer->data + CODEC_BATCH_HEADER_BYTES;
	pyr_result result = pyr_ok();
	write_header(map, first, last, buffer->data);
	if (!at_once)
		result = os_pool_file_read(file, position, records, bytes);
	else if (!os_pool_file_read_at_once(file, position, records, bytes))
		result = pyr_result_of(PYR_BUSY);
	if (result.code == PYR_OK && !check(map, first, last, records))
		result = pyr_result_of(PYR_CORRUPT);
	if (result.code == PYR_OK)
		*ret_batch = base_slice_of(buffer, 0, bytes + CODEC_BATCH_HEADER_BYTES);
	base_buffer_unref(buffer);
	return result;
}
