/* Bounds-checked reading and writing of every wire and disk format.
 *
 * Both cursors fail stickily: after the first overrun every read gives zero and every write is dropped, so a codec may
 * run straight through and ask once, at the end. A count read from the world must be checked against
 * base_reader_left() before it sizes an allocation or bounds a loop.
 * be: big-endian (Kafka, PostgreSQL). le: little-endian (our own files).
 */
#ifndef PYRALOG_BASE_CURSOR_H
#define PYRALOG_BASE_CURSOR_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads borrowed bytes; results that point into them live as long as they do. */
struct base_reader {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

struct base_reader base_reader_init(const void *data, size_t bytes);

static inline size_t base_reader_left(const struct base_reader *reader)
{
	return reader->failed ? 0 : (size_t)(reader->end - reader->at);
}

/* NULL past the end. */
static inline const uint8_t *base_read_bytes(struct base_reader *reader, size_t bytes)
{
	const uint8_t *at = reader->at;
	if (base_reader_left(reader) < bytes || reader->failed) {
		reader->failed = true;
		return NULL;
	}
	reader->at += bytes;
	return at;
}

static inline void base_read_skip(struct base_reader *reader, size_t bytes)
{
	(void)base_read_bytes(reader, bytes);
}

uint8_t base_read_u8(struct base_reader *reader);
uint16_t base_read_u16be(struct base_reader *reader);
uint32_t base_read_u32be(struct base_reader *reader);
uint64_t base_read_u64be(struct base_reader *reader);
uint16_t base_read_u16le(struct base_reader *reader);
uint32_t base_read_u32le(struct base_reader *reader);
uint64_t base_read_u64le(struct base_reader *reader);
/* LEB128 of up to `bits`, 32 or 64; a longer encoding fails the reader. */
uint64_t base_read_leb128(struct base_reader *reader, unsigned bits);

/* Nearly all numbers of a record take one or two bytes: those without a call. */
static inline uint64_t base_read_uvarint(struct base_reader *reader, unsigned bits)
{
	const uint8_t *at = reader->at;
	size_t left = base_reader_left(reader);
	if (left > 0 && at[0] < 0x80) {
		reader->at += 1;
		return at[0];
	}
	if (left > 1 && at[1] < 0x80) {
		reader->at += 2;
		return (at[0] & 0x7fu) | (unsigned)at[1] << 7;
	}
	return base_read_leb128(reader, bits);
}

static inline uint32_t base_read_uvarint32(struct base_reader *reader)
{
	return (uint32_t)base_read_uvarint(reader, 32);
}

static inline uint64_t base_read_uvarint64(struct base_reader *reader)
{
	return base_read_uvarint(reader, 64);
}

/* Zigzag, as in Protocol Buffers and Kafka. */
static inline int32_t base_read_varint32(struct base_reader *reader)
{
	uint32_t raw = base_read_uvarint32(reader);
	return (int32_t)(raw >> 1 ^ -(raw & 1));
}

static inline int64_t base_read_varint64(struct base_reader *reader)
{
	uint64_t raw = base_read_uvarint64(reader);
	return (int64_t)(raw >> 1 ^ -(raw & 1));
}

/* PYR_OK, or `code` when anything ran past the end. */
pyr_result base_reader_check(const struct base_reader *reader, enum pyr_code code);

/* Appends to a heap block that grows up to `limit` bytes. Owned by whoever called init; deinit is always safe. */
struct base_writer {
	struct base_buffer *buffer;
	size_t bytes; /* written so far */
	size_t limit;
	bool failed; /* out of memory or over the limit */
};

void base_writer_init(struct base_writer *writer, size_t limit);
void base_writer_deinit(struct base_writer *writer);
void base_write_bytes(struct base_writer *writer, const void *data, size_t bytes);
void base_write_zeros(struct base_writer *writer, size_t bytes);
void base_write_u8(struct base_writer *writer, uint8_t value);
void base_write_u16be(struct base_writer *writer, uint16_t value);
void base_write_u32be(struct base_writer *writer, uint32_t value);
void base_write_u64be(struct base_writer *writer, uint64_t value);
void base_write_u16le(struct base_writer *writer, uint16_t value);
void base_write_u32le(struct base_writer *writer, uint32_t value);
void base_write_u64le(struct base_writer *writer, uint64_t value);
void base_write_uvarint(struct base_writer *writer, uint64_t value);
void base_write_varint(struct base_writer *writer, int64_t value); /* zigzag */
/* How many bytes base_write_varint() takes for it. */
static inline size_t base_varint_bytes(int64_t value)
{
	uint64_t raw = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
	size_t bytes = 1;
	while (raw >>= 7)
		bytes += 1;
	return bytes;
}

/* Overwrites bytes written before, to fill in lengths and checksums. Asserts that they were written. */
void base_patch_u32be(struct base_writer *writer, size_t at, uint32_t value);
void base_patch_u32le(struct base_writer *writer, size_t at, uint32_t value);
/* What was written, as a slice; the writer is empty again and reusable. PYR_OUT_OF_MEMORY when it failed. */
pyr_result base_writer_take(struct base_writer *writer, struct base_slice *ret_slice);

/* Loads and stores at a known-good address. */
uint16_t base_load_u16be(const void *at);
uint32_t base_load_u32be(const void *at);
uint64_t base_load_u64be(const void *at);
uint16_t base_load_u16le(const void *at);
uint32_t base_load_u32le(const void *at);
uint64_t base_load_u64le(const void *at);
void base_store_u32be(void *at, uint32_t value);
void base_store_u64be(void *at, uint64_t value);
void base_store_u16le(void *at, uint16_t value);
void base_store_u32le(void *at, uint32_t value);
void base_store_u64le(void *at, uint64_t value);

#endif
