/* Right checksums for wrong bytes: fuzzed input that a decoder would refuse at its CRC gets behind it.
 * Knows the positions of docs/formats/log.md on its own account. */
#ifndef PYRALOG_FUZZ_SEAL_H
#define PYRALOG_FUZZ_SEAL_H

#include "base/crc32c.h"
#include "base/cursor.h"
#include "log/format.h"

/* A small header: magic and version as they must be, CRC at 4 over all behind it. */
static inline void seal_header(uint8_t *at, const char *magic, size_t bytes)
{
	for (size_t i = 0; i < 4; i++)
		at[i] = (uint8_t)magic[i];
	base_store_u32le(at + 8, LOG_FORMAT_VERSION);
	base_store_u32le(at + 4, base_crc32c(0, at + 8, bytes - 8));
}

/* The frame at `at`, if it fits in `left`: bytes to the next one, or 0. */
static inline size_t seal_frame(uint8_t *at, size_t left)
{
	if (left < LOG_FRAME_HEADER_BYTES)
		return 0;
	size_t payload = base_load_u32le(at + 56);
	if (payload > left - LOG_FRAME_HEADER_BYTES)
		return 0;
	size_t prefix = log_frame_prefix_bytes(at[8], payload);
	base_store_u32le(at + 4, base_crc32c(0, at + LOG_FRAME_HEADER_BYTES + prefix, payload - prefix));
	uint32_t crc = base_crc32c(0, at + 4, LOG_FRAME_HEADER_BYTES - 4);
	base_store_u32le(at, base_crc32c(crc, at + LOG_FRAME_HEADER_BYTES, prefix));
	return (size_t)log_align(LOG_FRAME_HEADER_BYTES + payload, 8);
}

/* A group that lies in `bytes`, frames first. `bytes` is a multiple of LOG_BLOCK_BYTES. */
static inline void seal_group(uint8_t *at, size_t bytes)
{
	size_t entries = base_load_u32le(at + 56);
	if (entries > (bytes - LOG_GROUP_HEADER_BYTES) / LOG_DIRECTORY_ENTRY_BYTES)
		return;
	size_t head = LOG_GROUP_HEADER_BYTES + entries * LOG_DIRECTORY_ENTRY_BYTES, frame = head;
	for (size_t stride; (stride = seal_frame(at + frame, bytes - frame)) > 0;)
		frame += stride;
	base_store_u32le(at + 4, base_crc32c(0, at + 8, head - 8));
}

#endif
