/* Encoders and decoders of the log's own files (see format.h and docs/formats/log.md).
 *
 * Invariant: what a decoder returns PYR_OK for has passed its checksum, and every length in it stays inside the bytes
 * that were given. Pure; any thread.
 */
#include "log/format.h"

#include "base/crc32c.h"

#include <assert.h>
#include <string.h>

enum {
	MAGIC_IDENTITY = 0x4c525950, /* "PYRL" */
	MAGIC_RING = 0x47525950, /* "PYRG" */
	MAGIC_GROUP = 0x50524750, /* "PGRP" */
	MAGIC_SEGMENT = 0x53525950, /* "PYRS" */
	MAGIC_TRAILER = 0x54525950, /* "PYRT" */
	REFERENCE_GAP_AT = 61, /* behind the batch's header */
	RING_HEADER_USED = 64,
	RING_HEADER_COPY_AT = 2048, /* the second copy survives what hits the first */
};

/* Every small header begins: magic u32, CRC u32 of all behind it, version u16, features u16. */
static void seal_header(uint8_t *at, uint32_t magic, size_t bytes)
{
	base_store_u32le(at, magic);
	base_store_u32le(at + 8, LOG_FORMAT_VERSION);
	base_store_u32le(at + 4, base_crc32c(0, at + 8, bytes - 8));
}

static pyr_result check_header(struct base_bytes bytes, uint32_t magic, size_t needed)
{
	if (bytes.bytes < needed || base_load_u32le(bytes.data) != magic)
		return pyr_result_of(PYR_CORRUPT);
	if (base_load_u32le(bytes.data + 4) != base_crc32c(0, bytes.data + 8, needed - 8))
		return pyr_result_of(PYR_CORRUPT);
	uint32_t version = base_load_u32le(bytes.data + 8);
	if ((version & 0xffff) != LOG_FORMAT_VERSION || (version >> 16 & ~(uint32_t)LOG_FEATURES_KNOWN) != 0)
		return pyr_result_of(PYR_UNSUPPORTED_FEATURE);
	return pyr_ok();
}

void log_identity_encode(const struct log_identity *identity, uint8_t ret_bytes[LOG_IDENTITY_BYTES])
{
	memset(ret_bytes, 0, LOG_IDENTITY_BYTES);
	base_store_u64le(ret_bytes + 16, identity->incarnation);
	seal_header(ret_bytes, MAGIC_IDENTITY, LOG_IDENTITY_BYTES);
}

pyr_result log_identity_decode(struct base_bytes bytes, struct log_identity *ret_identity)
{
	PYR_TRY(check_header(bytes, MAGIC_IDENTITY, LOG_IDENTITY_BYTES));
	ret_identity->incarnation = base_load_u64le(bytes.data + 16);
	return pyr_ok();
}

void log_ring_header_encode(const struct log_ring_header *header, uint8_t ret_bytes[LOG_RING_HEADER_BYTES])
{
	memset(ret_bytes, 0, LOG_RING_HEADER_BYTES);
	base_store_u64le(ret_bytes + 16, header->file_id);
	base_store_u64le(ret_bytes + 24, header->incarnation);
	base_store_u64le(ret_bytes + 32, header->bytes);
	base_store_u64le(ret_bytes + 40, header->first_group);
	base_store_u64le(ret_bytes + 48, header->after_group);
	seal_header(ret_bytes, MAGIC_RING, RING_HEADER_USED);
	memcpy(ret_bytes + RING_HEADER_COPY_AT, ret_bytes, RING_HEADER_USED);
}

pyr_result log_ring_header_decode(struct base_bytes bytes, struct log_ring_header *ret_header)
{
	if (bytes.bytes < LOG_RING_HEADER_BYTES)
		return pyr_result_of(PYR_CORRUPT);
	const uint8_t *at = bytes.data;
	if (check_header(bytes, MAGIC_RING, RING_HEADER_USED).code != PYR_OK) {
		at += RING_HEADER_COPY_AT;
		PYR_TRY(check_header((struct base_bytes){at, bytes.bytes - RING_HEADER_COPY_AT}, MAGIC_RING,
		                     RING_HEADER_USED));
	}
	ret_header->file_id = base_load_u64le(at + 16);
	ret_header->incarnation = base_load_u64le(at + 24);
	ret_header->bytes = base_load_u64le(at + 32);
	ret_header->first_group = base_load_u64le(at + 40);
	ret_header->after_group = base_load_u64le(at + 48);
	return pyr_ok();
}

static size_t group_header_bytes(uint32_t directory_count)
{
	return LOG_GROUP_HEADER_BYTES + (size_t)directory_count * LOG_DIRECTORY_ENTRY_BYTES;
}

size_t log_group_frames_at(const struct log_group_header *group)
{
	return group_header_bytes(group->directory_count);
}

void log_group_header_encode(struct log_group_header *group, uint8_t *at)
{
	assert(group->bytes % LOG_BLOCK_BYTES == 0 && group->bytes <= LOG_GROUP_BYTES_MAX);
	base_store_u32le(at, MAGIC_GROUP);
	base_store_u32le(at + 8, LOG_FORMAT_VERSION | (uint32_t)group->flags << 16);
	base_store_u32le(at + 12, group->bytes);
	base_store_u64le(at + 16, group->file_id);
	base_store_u64le(at + 24, group->incarnation);
	base_store_u64le(at + 32, group->number);
	base_store_u64le(at + 40, group->durable_through);
	base_store_u32le(at + 48, group->previous_crc);
	base_store_u32le(at + 52, group->frame_count);
	base_store_u32le(at + 56, group->directory_count);
	base_store_u32le(at + 60, 0);
	group->crc = base_crc32c(0, at + 8, group_header_bytes(group->directory_count) - 8);
	base_store_u32le(at + 4, group->crc);
}

pyr_result log_group_header_decode(struct base_bytes bytes, struct log_group_header *ret_group)
{
	const uint8_t *at = bytes.data;
	if (bytes.bytes < LOG_GROUP_HEADER_BYTES || base_load_u32le(at) != MAGIC_GROUP)
		return pyr_result_of(PYR_CORRUPT);
	*ret_group = (struct log_group_header){
		.crc = base_load_u32le(at + 4),
		.flags = (uint16_t)(base_load_u32le(at + 8) >> 16),
		.bytes = base_load_u32le(at + 12),
		.file_id = base_load_u64le(at + 16),
		.incarnation = base_load_u64le(at + 24),
		.number = base_load_u64le(at + 32),
		.durable_through = base_load_u64le(at + 40),
		.previous_crc = base_load_u32le(at + 48),
		.frame_count = base_load_u32le(at + 52),
		.directory_count = base_load_u32le(at + 56),
	};
	bool fits = ret_group->bytes % LOG_BLOCK_BYTES == 0 && ret_group->bytes <= LOG_GROUP_BYTES_MAX &&
	            ret_group->bytes <= bytes.bytes && ret_group->bytes > 0 &&
	            ret_group->directory_count <= ret_group->bytes / LOG_DIRECTORY_ENTRY_BYTES &&
	            group_header_bytes(ret_group->directory_count) <= ret_group->bytes;
	if (!fits || (base_load_u32le(at + 8) & 0xffff) != LOG_FORMAT_VERSION)
		return pyr_result_of(PYR_CORRUPT);
	uint32_t crc = base_crc32c(0, at + 8, group_header_bytes(ret_group->directory_count) - 8);
	return pyr_result_of(crc == ret_group->crc ? PYR_OK : PYR_CORRUPT);
}

size_t log_frame_prefix_bytes(uint8_t kind, size_t payload_bytes)
{
	if (kind != LOG_FRAME_DATA)
		return 0;
	return payload_bytes < LOG_BATCH_PREFIX_BYTES ? payload_bytes : LOG_BATCH_PREFIX_BYTES;
}

static uint32_t frame_crc(const uint8_t *header, uint8_t kind, const uint8_t *payload, size_t payload_bytes)
{
	uint32_t crc = base_crc32c(0, header + 4, LOG_FRAME_HEADER_BYTES - 4);
	return base_crc32c(crc, payload, log_frame_prefix_bytes(kind, payload_bytes));
}

void log_frame_encode(const struct log_frame *frame, const uint8_t *payload, uint8_t ret_bytes[LOG_FRAME_HEADER_BYTES])
{
	memset(ret_bytes, 0, LOG_FRAME_HEADER_BYTES);
	base_store_u32le(ret_bytes + 4, frame->payload_crc);
	ret_bytes[8] = frame->kind;
	base_store_u32le(ret_bytes + 12, frame->partition);
	base_store_u64le(ret_bytes + 16, frame->index);
	base_store_u64le(ret_bytes + 24, frame->term);
	base_store_u64le(ret_bytes + 32, (uint64_t)frame->base_offset);
	base_store_u64le(ret_bytes + 40, frame->hlc);
	base_store_u32le(ret_bytes + 48, frame->record_count);
	base_store_u32le(ret_bytes + 52, frame->schema_id);
	base_store_u32le(ret_bytes + 56, frame->payload_bytes);
	base_store_u32le(ret_bytes, frame_crc(ret_bytes, frame->kind, payload, frame->payload_bytes));
}

pyr_result log_frame_decode(struct base_bytes bytes, struct log_frame *ret_frame, struct base_bytes *ret_payload,
                            size_t *ret_stride)
{
	const uint8_t *at = bytes.data;
	*ret_stride = 0;
	if (bytes.bytes < LOG_FRAME_HEADER_BYTES)
		return pyr_result_of(PYR_CORRUPT);
	*ret_frame = (struct log_frame){
		.payload_crc = base_load_u32le(at + 4),
		.kind = at[8],
		.partition = base_load_u32le(at + 12),
		.index = base_load_u64le(at + 16),
		.term = base_load_u64le(at + 24),
		.base_offset = (int64_t)base_load_u64le(at + 32),
		.hlc = base_load_u64le(at + 40),
		.record_count = base_load_u32le(at + 48),
		.schema_id = base_load_u32le(at + 52),
		.payload_bytes = base_load_u32le(at + 56),
	};
	if (ret_frame->payload_bytes > bytes.bytes - LOG_FRAME_HEADER_BYTES)
		return pyr_result_of(PYR_CORRUPT);
	const uint8_t *payload = at + LOG_FRAME_HEADER_BYTES;
	size_t prefix = log_frame_prefix_bytes(ret_frame->kind, ret_frame->payload_bytes);
	if (base_load_u32le(at) != frame_crc(at, ret_frame->kind, payload, ret_frame->payload_bytes))
		return pyr_result_of(PYR_CORRUPT);
	*ret_payload = (struct base_bytes){payload, ret_frame->payload_bytes};
	*ret_stride = log_align(LOG_FRAME_HEADER_BYTES + (size_t)ret_frame->payload_bytes, 8);
	if (base_crc32c(0, payload + prefix, ret_frame->payload_bytes - prefix) != ret_frame->payload_crc)
		return pyr_result_of(PYR_CORRUPT);
	return pyr_ok();
}

void log_reference_encode(const struct log_reference *reference, uint8_t ret_bytes[LOG_REFERENCE_HEADER_BYTES])
{
	memset(ret_bytes, 0, LOG_REFERENCE_HEADER_BYTES);
	base_store_u64le(ret_bytes, reference->segment_id);
	base_store_u64le(ret_bytes + 8, reference->position);
	base_store_u64le(ret_bytes + 16, reference->bytes);
	base_store_u32le(ret_bytes + 24, reference->batch_count);
}

void log_reference_batch_encode(const uint8_t *batch, uint16_t gap, uint8_t ret_entry[LOG_REFERENCE_BATCH_BYTES])
{
	memset(ret_entry, 0, LOG_REFERENCE_BATCH_BYTES);
	memcpy(ret_entry, batch, REFERENCE_GAP_AT);
	base_store_u16le(ret_entry + REFERENCE_GAP_AT, gap);
}

uint16_t log_reference_batch_gap(const uint8_t entry[LOG_REFERENCE_BATCH_BYTES])
{
	return base_load_u16le(entry + REFERENCE_GAP_AT);
}

pyr_result log_reference_decode(struct base_bytes bytes, struct log_reference *ret_reference)
{
	if (bytes.bytes < LOG_REFERENCE_HEADER_BYTES)
		return pyr_result_of(PYR_CORRUPT);
	ret_reference->segment_id = base_load_u64le(bytes.data);
	ret_reference->position = base_load_u64le(bytes.data + 8);
	ret_reference->bytes = base_load_u64le(bytes.data + 16);
	ret_reference->batch_count = base_load_u32le(bytes.data + 24);
	ret_reference->headers = bytes.data + LOG_REFERENCE_HEADER_BYTES;
	size_t room = (bytes.bytes - LOG_REFERENCE_HEADER_BYTES) / LOG_REFERENCE_BATCH_BYTES;
	return pyr_result_of(ret_reference->batch_count <= room ? PYR_OK : PYR_CORRUPT);
}

void log_block_encode(const struct log_block *block, struct base_writer *writer)
{
	base_write_u64le(writer, (uint64_t)block->base_offset);
	base_write_u64le(writer, (uint64_t)block->last_offset);
	base_write_u64le(writer, (uint64_t)block->max_timestamp_ms);
	base_write_u64le(writer, block->position);
	base_write_u32le(writer, block->bytes);
	base_write_u32le(writer, block->crc);
	base_write_u32le(writer, block->record_count);
	base_write_u32le(writer, 0);
}

pyr_result log_block_decode(struct base_reader *reader, struct log_block *ret_block)
{
	ret_block->base_offset = (int64_t)base_read_u64le(reader);
	ret_block->last_offset = (int64_t)base_read_u64le(reader);
	ret_block->max_timestamp_ms = (int64_t)base_read_u64le(reader);
	ret_block->position = base_read_u64le(reader);
	ret_block->bytes = base_read_u32le(reader);
	ret_block->crc = base_read_u32le(reader);
	ret_block->record_count = base_read_u32le(reader);
	base_read_skip(reader, 4);
	return base_reader_check(reader, PYR_CORRUPT);
}

void log_part_encode(const struct log_part *part, struct base_writer *writer)
{
	base_write_u32le(writer, part->partition);
	base_write_u32le(writer, part->block_count);
	base_write_u64le(writer, part->segment_id);
	base_write_u64le(writer, part->index_position);
	base_write_u32le(writer, part->index_crc);
	base_write_u32le(writer, part->flags);
	base_write_u64le(writer, part->bytes);
	base_write_u64le(writer, part->record_count);
	base_write_u64le(writer, (uint64_t)part->base_offset);
	base_write_u64le(writer, (uint64_t)part->end_offset);
	base_write_u64le(writer, part->first_index);
	base_write_u64le(writer, part->last_index);
	base_write_u64le(writer, (uint64_t)part->min_timestamp_ms);
	base_write_u64le(writer, (uint64_t)part->max_timestamp_ms);
}

pyr_result log_part_decode(struct base_reader *reader, struct log_part *ret_part)
{
	ret_part->partition = base_read_u32le(reader);
	ret_part->block_count = base_read_u32le(reader);
	ret_part->segment_id = base_read_u64le(reader);
	ret_part->index_position = base_read_u64le(reader);
	ret_part->index_crc = base_read_u32le(reader);
	ret_part->flags = base_read_u32le(reader);
	ret_part->bytes = base_read_u64le(reader);
	ret_part->record_count = base_read_u64le(reader);
	ret_part->base_offset = (int64_t)base_read_u64le(reader);
	ret_part->end_offset = (int64_t)base_read_u64le(reader);
	ret_part->first_index = base_read_u64le(reader);
	ret_part->last_index = base_read_u64le(reader);
	ret_part->min_timestamp_ms = (int64_t)base_read_u64le(reader);
	ret_part->max_timestamp_ms = (int64_t)base_read_u64le(reader);
	return base_reader_check(reader, PYR_CORRUPT);
}

enum { SEGMENT_HEADER_USED = 32 };

void log_segment_header_encode(uint64_t segment_id, uint8_t ret_bytes[LOG_SEGMENT_HEADER_BYTES])
{
	memset(ret_bytes, 0, LOG_SEGMENT_HEADER_BYTES);
	base_store_u64le(ret_bytes + 16, segment_id);
	seal_header(ret_bytes, MAGIC_SEGMENT, SEGMENT_HEADER_USED);
}

pyr_result log_segment_header_decode(struct base_bytes bytes, uint64_t *ret_segment_id)
{
	PYR_TRY(check_header(bytes, MAGIC_SEGMENT, SEGMENT_HEADER_USED));
	*ret_segment_id = base_load_u64le(bytes.data + 16);
	return pyr_ok();
}

void log_segment_trailer_encode(const struct log_segment_trailer *trailer, uint8_t ret_bytes[LOG_SEGMENT_TRAILER_BYTES])
{
	memset(ret_bytes, 0, LOG_SEGMENT_TRAILER_BYTES);
	base_store_u64le(ret_bytes + 16, trailer->segment_id);
	base_store_u64le(ret_bytes + 24, trailer->directory_position);
	base_store_u32le(ret_bytes + 32, trailer->directory_bytes);
	base_store_u32le(ret_bytes + 36, trailer->directory_crc);
	base_store_u32le(ret_bytes + 40, trailer->part_count);
	seal_header(ret_bytes, MAGIC_TRAILER, LOG_SEGMENT_TRAILER_BYTES);
}

pyr_result log_segment_trailer_decode(struct base_bytes bytes, struct log_segment_trailer *ret_trailer)
{
	PYR_TRY(check_header(bytes, MAGIC_TRAILER, LOG_SEGMENT_TRAILER_BYTES));
	ret_trailer->segment_id = base_load_u64le(bytes.data + 16);
	ret_trailer->directory_position = base_load_u64le(bytes.data + 24);
	ret_trailer->directory_bytes = base_load_u32le(bytes.data + 32);
	ret_trailer->directory_crc = base_load_u32le(bytes.data + 36);
	ret_trailer->part_count = base_load_u32le(bytes.data + 40);
	return pyr_ok();
}
