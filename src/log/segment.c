/* Segments: sealed files, each with parts of one or many partitions.
 *
 *   header | blocks of batches ... | for each part: its block index, its producers | directory | trailer
 *   beside it <id>.leaves: one BLAKE3 leaf per batch; it stays when retention or merging removes the segment's data
 *
 * Invariants: a block is read whole and only believed when its CRC holds; the index too. A segment is immutable once
 * sealed and goes when no partition and no reader refers to it. Writer: one background job at a time; readers: any thread.
 */
#include "log/log_priv.h"

#include "base/crc32c.h"
#include "base/hash.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITE_BYTES = 1 << 20, METADATA_BYTES_MAX = 1 << 30, LEAF_HEADER_BYTES = 16 };

/* ---- the set of segments ---- */

void log_segment_path(uint64_t id, char ret_path[OS_POOL_PATH_MAX])
{
	snprintf(ret_path, OS_POOL_PATH_MAX, "segments/%016llx.seg", (unsigned long long)id);
}

void log_segment_leaves_path(uint64_t id, char ret_path[OS_POOL_PATH_MAX])
{
	snprintf(ret_path, OS_POOL_PATH_MAX, "hashes/%016llx.leaves", (unsigned long long)id);
}

static bool equal_id(const struct base_table_node *node, const void *key)
{
	return BASE_CONTAINER(node, struct log_segment, node)->id == *(const uint64_t *)key;
}

struct log_segment *log_segment_find(const struct log *log, uint64_t id)
{
	struct base_table_node *node = base_table_find(&log->segments, base_hash_u64(id), equal_id, &id);
	return node ? BASE_CONTAINER(node, struct log_segment, node) : NULL;
}

void log_segment_free(struct log_segment *segment)
{
	base_table_remove(&segment->log->segments, &segment->node);
	segment->log->metrics.segment_files -= 1;
	base_list_remove(&segment->remove_node);
	os_pool_file_deinit(&segment->file);
	free(segment);
}

static void on_released(struct os_task *task)
{
	struct os_pool_file *file = BASE_CONTAINER(task, struct os_pool_file, released);
	struct log_segment *segment = file->owner;
	/* A log that stopped does not know whether its last record or manifest counts, and with it this file. */
	if (segment->log->closing || segment->log->stopped) {
		log_segment_free(segment);
		return;
	}
	log_removal_add(segment->log, segment);
}

struct log_segment *log_segment_new(struct log *log, uint64_t id)
{
	struct log_segment *segment = calloc(1, sizeof *segment);
	char path[OS_POOL_PATH_MAX];
	if (!segment)
		return NULL;
	segment->log = log;
	segment->id = id;
	base_list_init(&segment->remove_node);
	log_segment_path(id, path);
	os_pool_file_init(&segment->file, log->files, path, segment, on_released);
	if (!base_table_insert(&log->segments, &segment->node, base_hash_u64(id))) {
		free(segment);
		return NULL;
	}
	log->metrics.segment_files += 1;
	return segment;
}

void log_segment_hold(struct log_segment *segment)
{
	segment->live_parts += 1;
}

void log_segment_drop(struct log_segment *segment)
{
	assert(segment->live_parts > 0);
	segment->live_parts -= 1;
	if (segment->live_parts == 0 && !segment->log->recovering)
		os_pool_file_unref(&segment->file);
}

/* ---- reading ---- */

/* Lengths come from the disk: a large one is believed, and memory taken for it, only if the file reaches that far. */
static pyr_result check_extent(struct os_pool_file *file, uint64_t position, uint64_t bytes)
{
	enum { PLAUSIBLE_BYTES = 1 << 20 };
	uint8_t last;
	if (position > INT64_MAX || bytes > INT64_MAX - position)
		return pyr_result_of(PYR_CORRUPT);
	return bytes > PLAUSIBLE_BYTES ? os_pool_file_read(file, position + bytes - 1, &last, 1) : pyr_ok();
}

pyr_result log_segment_decode_index(const struct log_part *part, const uint8_t *raw, size_t bytes,
                                    struct log_block *blocks)
{
	struct base_reader reader = base_reader_init(raw, bytes);
	if (base_crc32c(0, raw, bytes) != part->index_crc)
		return pyr_result_of(PYR_CORRUPT);
	for (uint32_t i = 0; i < part->block_count; i++)
		PYR_TRY(log_block_decode(&reader, &blocks[i]));
	return pyr_ok();
}

pyr_result log_segment_read_index(struct os_pool_file *file, const struct log_part *part, struct log_block **ret_blocks)
{
	size_t bytes = (size_t)part->block_count * LOG_BLOCK_ENTRY_BYTES;
	PYR_TRY(check_extent(file, part->index_position, bytes));
	uint8_t *raw = malloc(bytes);
	struct log_block *blocks = calloc(part->block_count, sizeof *blocks);
	pyr_result result = pyr_result_of(PYR_OUT_OF_MEMORY);
	if (raw && blocks)
		result = os_pool_file_read(file, part->index_position, raw, bytes);
	if (result.code == PYR_OK)
		result = log_segment_decode_index(part, raw, bytes, blocks);
	free(raw);
	if (result.code == PYR_OK)
		*ret_blocks = blocks;
	else
		free(blocks);
	return result;
}

pyr_result log_segment_read_blocks(struct os_pool_file *file, const struct log_block *blocks, size_t count,
                                   struct base_slice *ret_bytes)
{
	size_t bytes = 0, at = 0;
	for (size_t i = 0; i < count; i++) {
		PYR_TRY(check_extent(file, blocks[i].position, blocks[i].bytes));
		bytes += blocks[i].bytes;
	}
	struct base_buffer *buffer = base_buffer_new(bytes);
	if (!buffer)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	pyr_result result = pyr_ok();
	for (size_t i = 0; i < count && result.code == PYR_OK; i++) {
		result = os_pool_file_read(file, blocks[i].position, buffer->data + at, blocks[i].bytes);
		if (result.code == PYR_OK && base_crc32c(0, buffer->data + at, blocks[i].bytes) != blocks[i].crc)
			result = pyr_result_of(PYR_CORRUPT);
		at += blocks[i].bytes;
	}
	if (result.code == PYR_OK)
		*ret_bytes = base_slice_of(buffer, 0, bytes);
	base_buffer_unref(buffer);
	return result;
}

static pyr_result check_tail_batch(const struct log_tail_entry *entry, struct base_bytes bytes)
{
	struct codec_batch batch;
	if (base_crc32c(0, bytes.data, LOG_BATCH_PREFIX_BYTES) != entry->prefix_crc)
		return pyr_result_of(PYR_CORRUPT);
	return pyr_result_of(codec_batch_check(bytes, &batch).code == PYR_OK ? PYR_OK : PYR_CORRUPT);
}

pyr_result log_tail_entry_read(const struct log_tail_entry *entry, struct base_slice *ret_batch)
{
	if (entry->slice.data) {
		*ret_batch = base_slice_ref(entry->slice);
		return pyr_ok();
	}
	PYR_TRY(check_extent(entry->file, entry->position, entry->bytes));
	struct base_buffer *buffer = base_buffer_new(entry->bytes);
	if (!buffer)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	pyr_result result = os_pool_file_read(entry->file, entry->position, buffer->data, entry->bytes);
	if (result.code == PYR_OK)
		result = check_tail_batch(entry, (struct base_bytes){buffer->data, entry->bytes});
	if (result.code == PYR_OK)
		*ret_batch = base_slice_of(buffer, 0, entry->bytes);
	base_buffer_unref(buffer);
	return result;
}

/* ---- writing ---- */

/* Leaves that wait lie in the bytes not yet written. If those are incomplete, the segment is not to be. */
static void hash_waiting(struct log_segment_writer *writer)
{
	if (writer->pending.failed)
		writer->leaves.waiting_count = 0;
	else
		log_leaves_hash(&writer->leaves, writer->pending.buffer->data);
}

/* The segment itself is written past the page cache: dirty pages of its gigabytes would stand in the way of the next sync
 * of the ring. So whole blocks; the rest waits. */
static pyr_result flush_blocks(struct log_segment_writer *writer)
{
	struct base_writer *pending = &writer->pending;
	size_t whole = pending->bytes / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
	if (pending->failed)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	hash_waiting(writer);
	if (whole == 0)
		return pyr_ok();
	struct base_bytes piece = {pending->buffer->data, whole};
	PYR_TRY(os_file_write(writer->file, writer->position, &piece, 1));
	writer->position += whole;
	pending->bytes -= whole;
	memmove(pending->buffer->data, pending->buffer->data + whole, pending->bytes);
	return pyr_ok();
}

pyr_result log_segment_writer_begin(struct log_segment_writer *writer, struct os_disk *disk, uint64_t id, bool extent,
                                    uint64_t filled)
{
	char path[OS_POOL_PATH_MAX];
	*writer = (struct log_segment_writer){.disk = disk, .id = id};
	base_writer_init(&writer->pending, METADATA_BYTES_MAX);
	base_writer_init(&writer->index, METADATA_BYTES_MAX);
	base_writer_init(&writer->directory, METADATA_BYTES_MAX);
	log_segment_path(id, path);
	base_write_zeros(&writer->pending, BASE_PAGED_BYTES_MIN); /* what is written directly must lie in pages */
	writer->pending.bytes = 0;
	PYR_TRY(os_file_open(disk, path, OS_OPEN_WRITE | OS_OPEN_CREATE | OS_OPEN_DIRECT, &writer->file));
	PYR_TRY(log_leaves_begin(&writer->leaves, disk, id));
	if (extent) {
		writer->position = filled;
		return pyr_ok();
	}
	uint8_t header[LOG_SEGMENT_HEADER_BYTES];
	log_segment_header_encode(id, header);
	base_write_bytes(&writer->pending, header, sizeof header);
	return os_file_truncate(writer->file, 0);
}

static uint64_t position_of(const struct log_segment_writer *writer)
{
	return writer->position + writer->pending.bytes;
}

void log_segment_writer_part(struct log_segment_writer *writer, uint32_t partition)
{
	assert(writer->block.bytes == 0);
	writer->index.bytes = 0;
	writer->part = (struct log_part){.partition = partition, .segment_id = writer->id, .base_offset = -1};
	writer->part.min_timestamp_ms = INT64_MAX;
	writer->part.max_timestamp_ms = INT64_MIN;
}

static void end_block(struct log_segment_writer *writer)
{
	if (writer->block.bytes == 0)
		return;
	log_block_encode(&writer->block, &writer->index);
	writer->part.block_count += 1;
	writer->block = (struct log_block){0};
}

static struct log_leaf leaf_of(const struct log_segment_writer *writer, const struct codec_batch *batch)
{
	return (struct log_leaf){
		.base_offset = batch->base_offset,
		.partition = writer->part.partition,
		.record_count = (uint32_t)batch->record_count,
	};
}

/* Copies a batch behind what is there, its leaf to be made with others. */
static void copy_batch(struct log_segment_writer *writer, struct base_bytes bytes, const struct log_leaf *leaf)
{
	size_t at = writer->pending.bytes;
	base_write_bytes(&writer->pending, bytes.data, bytes.bytes);
	while (!log_leaves_wait(&writer->leaves, leaf, at, bytes.bytes))
		hash_waiting(writer);
}

static void add_leaf(struct log_segment_writer *writer, const struct log_leaf *leaf,
                     const uint8_t hash[BASE_BLAKE3_BYTES])
{
	hash_waiting(writer);
	log_leaves_add(&writer->leaves, leaf, hash);
}

static void note_in_part(struct log_part *part, const struct codec_batch *batch, uint64_t index,
                         int64_t min_timestamp_ms)
{
	if (part->base_offset < 0) {
		part->base_offset = batch->base_offset;
		part->first_index = index;
	}
	part->end_offset = codec_batch_last_offset(batch) + 1;
	part->last_index = index;
	part->bytes += batch->bytes;
	part->record_count += (uint32_t)batch->record_count;
	if (min_timestamp_ms < part->min_timestamp_ms)
		part->min_timestamp_ms = min_timestamp_ms;
	if (batch->max_timestamp_ms > part->max_timestamp_ms)
		part->max_timestamp_ms = batch->max_timestamp_ms;
}

static void note_in_block(struct log_block *block, const struct codec_batch *batch, uint64_t position)
{
	if (block->bytes == 0) {
		block->base_offset = batch->base_offset;
		block->position = position;
		block->max_timestamp_ms = INT64_MIN;
	}
	block->last_offset = codec_batch_last_offset(batch);
	block->bytes += (uint32_t)batch->bytes;
	block->record_count += (uint32_t)batch->record_count;
	if (batch->max_timestamp_ms > block->max_timestamp_ms)
		block->max_timestamp_ms = batch->max_timestamp_ms;
}

pyr_result log_segment_writer_batch(struct log_segment_writer *writer, struct base_bytes bytes, uint64_t index,
                                    uint64_t position, int64_t min_timestamp_ms)
{
	struct codec_batch batch;
	if (codec_batch_parse(bytes, &batch).code != PYR_OK || batch.bytes != bytes.bytes)
		return pyr_result_of(PYR_CORRUPT);
	bool copied = position == 0;
	uint64_t at = copied ? position_of(writer) : position;
	/* A block is contiguous: what an extent holds and what is copied never share one. */
	bool follows = writer->block.bytes > 0 && at == writer->block.position + writer->block.bytes;
	if (!follows || writer->block.bytes + batch.bytes > LOG_SEGMENT_BLOCK_BYTES)
		end_block(writer);
	note_in_block(&writer->block, &batch, at);
	writer->block.crc = base_crc32c(writer->block.crc, bytes.data, bytes.bytes);
	note_in_part(&writer->part, &batch, index, min_timestamp_ms);
	struct log_leaf leaf = leaf_of(writer, &batch);
	uint8_t hash[BASE_BLAKE3_BYTES];
	writer->written_bytes += bytes.bytes;
	if (copied) {
		copy_batch(writer, bytes, &leaf);
	} else {
		log_leaf_hash(bytes.data, bytes.bytes, hash);
		add_leaf(writer, &leaf, hash);
	}
	PYR_TRY(log_leaves_flush(&writer->leaves, false));
	return writer->pending.bytes >= WRITE_BYTES ? flush_blocks(writer) : pyr_ok();
}

static void drop_maps(struct log_segment_writer *writer)
{
	for (size_t i = 0; i < writer->map_count; i++)
		free(writer->maps[i]);
	writer->map_count = 0;
}

/* Of the block that was written last. For want of memory there is none. */
static void note_map(struct log_segment_writer *writer, const struct log_map *map)
{
	size_t count = writer->part.block_count;
	if (!map || !writer->indexes ||
	    !base_array_reserve(&writer->maps, &writer->map_capacity, count, sizeof *writer->maps))
		return;
	while (writer->map_count < count)
		writer->maps[writer->map_count++] = NULL;
	writer->maps[count - 1] = log_map_copy(map);
}

pyr_result log_segment_writer_digest(struct log_segment_writer *writer, const struct log_digest *digest,
                                     const struct log_tail_entry *entry)
{
	struct codec_batch batch;
	if (codec_batch_parse_header(digest->header, &batch).code != PYR_OK || batch.bytes != entry->bytes)
		return pyr_result_of(PYR_CORRUPT);
	end_block(writer);
	note_in_block(&writer->block, &batch, entry->position);
	writer->block.crc = base_crc32c_combine(entry->prefix_crc, batch.crc, batch.bytes - LOG_BATCH_PREFIX_BYTES);
	end_block(writer);
	note_map(writer, log_digest_map(digest));
	note_in_part(&writer->part, &batch, entry->index, entry->min_timestamp_ms);
	struct log_leaf leaf = leaf_of(writer, &batch);
	add_leaf(writer, &leaf, digest->leaf);
	return log_leaves_flush(&writer->leaves, false);
}

pyr_result log_segment_writer_part_end(struct log_segment_writer *writer, struct base_bytes producers,
                                       struct log_part *ret_part)
{
	end_block(writer);
	if (writer->index.failed)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	writer->part.index_position = position_of(writer);
	writer->part.index_crc = base_crc32c(0, writer->index.buffer->data, writer->index.bytes);
	base_write_bytes(&writer->pending, writer->index.buffer->data, writer->index.bytes);
	log_part_encode(&writer->part, &writer->directory);
	base_write_u64le(&writer->directory, position_of(writer));
	base_write_u32le(&writer->directory, (uint32_t)producers.bytes);
	base_write_u32le(&writer->directory, base_crc32c(0, producers.data, producers.bytes));
	base_write_bytes(&writer->pending, producers.data, producers.bytes);
	writer->part_count += 1;
	*ret_part = writer->part;
	if (writer->map_count > 0)
		log_indexes_seed(writer->indexes, ret_part,
		                 (struct base_bytes){writer->index.buffer->data, writer->index.bytes}, writer->maps,
		                 writer->map_count);
	writer->map_count = 0;
	return writer->pending.bytes >= WRITE_BYTES ? flush_blocks(writer) : pyr_ok();
}

static void end_directory(struct log_segment_writer *writer)
{
	uint8_t trailer[LOG_SEGMENT_TRAILER_BYTES];
	if (writer->directory.failed || writer->part_count == 0)
		return;
	struct log_segment_trailer values = {
		.segment_id = writer->id,
		.directory_position = position_of(writer),
		.directory_bytes = (uint32_t)writer->directory.bytes,
		.directory_crc = base_crc32c(0, writer->directory.buffer->data, writer->directory.bytes),
		.part_count = writer->part_count,
	};
	log_segment_trailer_encode(&values, trailer);
	base_write_bytes(&writer->pending, writer->directory.buffer->data, writer->directory.bytes);
	base_write_bytes(&writer->pending, trailer, sizeof trailer);
}

pyr_result log_segment_writer_end(struct log_segment_writer *writer)
{
	end_directory(writer);
	uint64_t end = position_of(writer);
	base_write_zeros(&writer->pending, (size_t)(log_align(end, LOG_BLOCK_BYTES) - end));
	PYR_TRY(flush_blocks(writer));
	PYR_TRY(os_file_truncate(writer->file, end));
	PYR_TRY(os_file_sync(writer->file));
	PYR_TRY(log_leaves_end(&writer->leaves));
	PYR_TRY(os_directory_sync(writer->disk, "segments"));
	PYR_TRY(os_directory_sync(writer->disk, "hashes"));
	log_segment_writer_abort(writer);
	return pyr_ok();
}

void log_segment_writer_abort(struct log_segment_writer *writer)
{
	os_file_close(writer->file);
	log_leaves_close(&writer->leaves);
	writer->file = NULL;
	base_writer_deinit(&writer->pending);
	base_writer_deinit(&writer->index);
	base_writer_deinit(&writer->directory);
	drop_maps(writer);
	free(writer->maps);
	writer->maps = NULL;
	writer->map_capacity = 0;
}
