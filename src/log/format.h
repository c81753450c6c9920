/* The log's formats on disk, as structs. Byte layout and reasons: docs/formats/log.md. Little-endian throughout.
 *
 * Decoders take bytes from the disk: anything may be wrong with them, and PYR_CORRUPT says so. Pure; any thread.
 */
#ifndef PYRALOG_LOG_FORMAT_H
#define PYRALOG_LOG_FORMAT_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"

#include <stdint.h>

enum {
	LOG_FORMAT_VERSION = 1,
	LOG_BLOCK_BYTES = 4096, /* groups are aligned to this and padded to it */
	LOG_RING_HEADER_BYTES = LOG_BLOCK_BYTES,
	LOG_GROUP_HEADER_BYTES = 64,
	LOG_GROUP_BYTES_MAX = 64 << 20,
	LOG_DIRECTORY_ENTRY_BYTES = 8,
	LOG_FRAME_HEADER_BYTES = 64,
	LOG_BATCH_PREFIX_BYTES = 21, /* of a record batch: outside its own CRC, so under the frame's */
	LOG_REFERENCE_BATCH_BYTES = 64, /* a batch's header of 61 bytes, the gap before the batch, one byte zero */
	LOG_SEGMENT_HEADER_BYTES = LOG_BLOCK_BYTES,
	LOG_SEGMENT_TRAILER_BYTES = 64,
	LOG_BLOCK_ENTRY_BYTES = 48,
	LOG_LEAF_BYTES = 48,
};

/* Required features a reader must know; unknown bits refuse to open. None yet. */
enum { LOG_FEATURES_KNOWN = 0 };

static inline uint64_t log_align(uint64_t bytes, uint64_t to)
{
	return (bytes + to - 1) / to * to;
}

/* ---- the folder of a shard ---- */

/* Whoever holds it (os_disk_hold()) is reading the folder from outside: no file of a segment goes meanwhile. */
#define LOG_HOLD_PATH "hold"

/* ---- identity of a data directory: the file PYRALOG ---- */

struct log_identity {
	uint64_t incarnation; /* raised at every start */
};

enum { LOG_IDENTITY_BYTES = 64 };
void log_identity_encode(const struct log_identity *identity, uint8_t ret_bytes[LOG_IDENTITY_BYTES]);
pyr_result log_identity_decode(struct base_bytes bytes, struct log_identity *ret_identity);

/* ---- ring ---- */

struct log_ring_header {
	uint64_t file_id;
	uint64_t incarnation;
	uint64_t bytes; /* of the file */
	uint64_t first_group; /* number of the first group here, if this file opens an incarnation; else 0 */
	uint64_t after_group; /* opens an incarnation: the last group of the ones before that counts */
};

void log_ring_header_encode(const struct log_ring_header *header, uint8_t ret_bytes[LOG_RING_HEADER_BYTES]);
pyr_result log_ring_header_decode(struct base_bytes bytes, struct log_ring_header *ret_header);

enum log_group_flags { LOG_GROUP_LAST = 1 /* the next group is in the next file */ };

struct log_group_header {
	uint16_t flags;
	uint64_t file_id;
	uint64_t incarnation;
	uint64_t number;
	uint64_t durable_through;
	uint32_t bytes; /* padding included */
	uint32_t previous_crc;
	uint32_t frame_count;
	uint32_t directory_count;
	uint32_t crc; /* of header and directory; set by encode and decode */
};

/* `at` holds header and directory (already filled in behind the header); writes the header and sets group->crc. */
void log_group_header_encode(struct log_group_header *group, uint8_t *at);
/* Checks magic, version, lengths and CRC of header and directory. */
pyr_result log_group_header_decode(struct base_bytes bytes, struct log_group_header *ret_group);
size_t log_group_frames_at(const struct log_group_header *group);

enum log_frame_kind {
	LOG_FRAME_DATA = 1, /* payload: one record batch as the client sent it */
	LOG_FRAME_REFERENCE = 2, /* payload: where in an extent, and each batch's header */
	LOG_FRAME_RECORD = 3, /* payload: a record of the manifest or its observer; partition 0 */
	LOG_FRAME_TRUNCATE = 4, /* no payload: everything of the partition from base_offset and index on is void */
	LOG_FRAME_BARRIER = 5, /* raft; an index, no offset */
	LOG_FRAME_CONFIGURATION = 6, /* raft */
	LOG_FRAME_VOTE = 7, /* raft: term and vote */
};

struct log_frame {
	uint8_t kind;
	uint32_t partition;
	uint64_t index; /* raft's; every frame but truncations takes one */
	uint64_t term;
	int64_t base_offset;
	uint64_t hlc; /* 44 bits of milliseconds, 20 logical */
	uint32_t record_count; /* offsets the frame takes */
	uint32_t schema_id;
	uint32_t payload_bytes;
	uint32_t payload_crc; /* of the payload behind the prefix */
};

/* Writes the header; `payload` is needed for the prefix only. The frame's payload_crc must be set. */
void log_frame_encode(const struct log_frame *frame, const uint8_t *payload, uint8_t ret_bytes[LOG_FRAME_HEADER_BYTES]);
/* Decodes and verifies one frame at the start of `bytes`, payload included; *ret_payload points into it.
 * ret_stride: bytes to the next frame, valid whenever the header itself was (also with PYR_CORRUPT and *ret_stride > 0). */
pyr_result log_frame_decode(struct base_bytes bytes, struct log_frame *ret_frame, struct base_bytes *ret_payload,
                            size_t *ret_stride);
/* Bytes of a payload that the frame's own CRC covers. */
size_t log_frame_prefix_bytes(uint8_t kind, size_t payload_bytes);

/* ---- reference frames ---- */

struct log_reference {
	uint64_t segment_id;
	uint64_t position;
	uint64_t bytes; /* from there to the last batch's end, gaps included */
	uint32_t batch_count;
	const uint8_t *headers; /* batch_count times LOG_REFERENCE_BATCH_BYTES */
};

/* One batch's entry: its header, and how many bytes of no meaning lie before it. */
void log_reference_batch_encode(const uint8_t *batch, uint16_t gap, uint8_t ret_entry[LOG_REFERENCE_BATCH_BYTES]);
uint16_t log_reference_batch_gap(const uint8_t entry[LOG_REFERENCE_BATCH_BYTES]);

enum { LOG_REFERENCE_HEADER_BYTES = 32 };
void log_reference_encode(const struct log_reference *reference, uint8_t ret_bytes[LOG_REFERENCE_HEADER_BYTES]);
pyr_result log_reference_decode(struct base_bytes bytes, struct log_reference *ret_reference);

/* ---- segments ---- */

/* A block: consecutive batches of one partition, read and verified as one. */
struct log_block {
	int64_t base_offset;
	int64_t last_offset;
	int64_t max_timestamp_ms;
	uint64_t position;
	uint32_t bytes;
	uint32_t crc; /* of all its bytes */
	uint32_t record_count;
};

void log_block_encode(const struct log_block *block, struct base_writer *writer);
pyr_result log_block_decode(struct base_reader *reader, struct log_block *ret_block);

/* Compacted together with all before it: no key is in them twice. */
enum { LOG_PART_COMPACTED = 1 };

/* What the manifest and the segment's own directory know of one partition's part of a segment. */
struct log_part {
	uint32_t partition;
	uint32_t block_count;
	uint64_t segment_id;
	uint64_t index_position; /* block_count entries */
	uint32_t index_crc;
	uint32_t flags; /* LOG_PART_COMPACTED */
	uint64_t bytes; /* of batches */
	uint64_t record_count;
	int64_t base_offset;
	int64_t end_offset; /* one past the last */
	uint64_t first_index, last_index; /* raft's */
	int64_t min_timestamp_ms, max_timestamp_ms;
};

void log_part_encode(const struct log_part *part, struct base_writer *writer);
pyr_result log_part_decode(struct base_reader *reader, struct log_part *ret_part);

struct log_segment_trailer {
	uint64_t segment_id;
	uint64_t directory_position;
	uint32_t directory_bytes;
	uint32_t directory_crc;
	uint32_t part_count;
};

void log_segment_header_encode(uint64_t segment_id, uint8_t ret_bytes[LOG_SEGMENT_HEADER_BYTES]);
pyr_result log_segment_header_decode(struct base_bytes bytes, uint64_t *ret_segment_id);
void log_segment_trailer_encode(const struct log_segment_trailer *trailer,
                                uint8_t ret_bytes[LOG_SEGMENT_TRAILER_BYTES]);
pyr_result log_segment_trailer_decode(struct base_bytes bytes, struct log_segment_trailer *ret_trailer);

#endif
