/* Bounds-checked cursors (see cursor.h). Pure; a cursor belongs to one thread. */
#include "base/cursor.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define LOAD(name, type, convert)                                                                                      \
	type base_load_##name(const void *at)                                                                          \
	{                                                                                                              \
		type value;                                                                                            \
		memcpy(&value, at, sizeof value);                                                                      \
		return convert(value);                                                                                 \
	}
LOAD(u16be, uint16_t, be16toh)
LOAD(u32be, uint32_t, be32toh)
LOAD(u64be, uint64_t, be64toh)
LOAD(u16le, uint16_t, le16toh)
LOAD(u32le, uint32_t, le32toh)
LOAD(u64le, uint64_t, le64toh)
#undef LOAD

#define STORE(name, type, convert)                                                                                     \
	void base_store_##name(void *at, type value)                                                                   \
	{                                                                                                              \
		value = convert(value);                                                                                \
		memcpy(at, &value, sizeof value);                                                                      \
	}
STORE(u32be, uint32_t, htobe32)
STORE(u64be, uint64_t, htobe64)
STORE(u16le, uint16_t, htole16)
STORE(u32le, uint32_t, htole32)
STORE(u64le, uint64_t, htole64)
#undef STORE

struct base_reader base_reader_init(const void *data, size_t bytes)
{
	assert(data || bytes == 0);
	return (struct base_reader){.at = data, .end = bytes ? (const uint8_t *)data + bytes : data};
}

#define READ(name, type, convert)                                                                                      \
	type base_read_##name(struct base_reader *reader)                                                              \
	{                                                                                                              \
		type value = 0;                                                                                        \
		const uint8_t *at = base_read_bytes(reader, sizeof value);                                             \
		if (at)                                                                                                \
			memcpy(&value, at, sizeof value);                                                              \
		return convert(value);                                                                                 \
	}
READ(u8, uint8_t, )
READ(u16be, uint16_t, be16toh)
READ(u32be, uint32_t, be32toh)
READ(u64be, uint64_t, be64toh)
READ(u16le, uint16_t, le16toh)
READ(u32le, uint32_t, le32toh)
READ(u64le, uint64_t, le64toh)
#undef READ

uint64_t base_read_leb128(struct base_reader *reader, unsigned bits)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < bits; shift += 7) {
		uint8_t byte = base_read_u8(reader);
		uint64_t low = byte & 0x7f;
		if (shift + 7 > bits && low >> (bits - shift) != 0)
			break;
		value |= low << shift;
		if (!(byte & 0x80))
			return value;
	}
	reader->failed = true;
	return 0;
}

pyr_result base_reader_check(const struct base_reader *reader, enum pyr_code code)
{
	return pyr_result_of(reader->failed ? code : PYR_OK);
}

void base_writer_init(struct base_writer *writer, size_t limit)
{
	*writer = (struct base_writer){.limit = limit};
}

void base_writer_deinit(struct base_writer *writer)
{
	base_buffer_unref(writer->buffer);
	writer->buffer = NULL;
	writer->bytes = 0;
}

static size_t grown_capacity(const struct base_writer *writer, size_t needed)
{
	size_t capacity = writer->buffer ? writer->buffer->capacity * 2 : 256;
	if (capacity < needed)
		capacity = needed;
	return capacity < writer->limit ? capacity : writer->limit;
}

/* Room for `bytes` more at the returned address, or NULL and a failed writer. */
static uint8_t *reserve(struct base_writer *writer, size_t bytes)
{
	if (writer->failed || bytes > writer->limit - writer->bytes) {
		writer->failed = true;
		return NULL;
	}
	size_t needed = writer->bytes + bytes;
	assert(writer->bytes == 0 || writer->buffer);
	if (!writer->buffer || needed > writer->buffer->capacity) {
		struct base_buffer *bigger = base_buffer_new(grown_capacity(writer, needed));
		if (!bigger) {
			writer->failed = true;
			return NULL;
		}
		if (writer->bytes > 0)
			memcpy(bigger->data, writer->buffer->data, writer->bytes);
		base_buffer_unref(writer->buffer);
		writer->buffer = bigger;
	}
	uint8_t *at = writer->buffer->data + writer->bytes;
	writer->bytes = needed;
	return at;
}

void base_write_bytes(struct base_writer *writer, const void *data, size_t bytes)
{
	uint8_t *at = bytes > 0 ? reserve(writer, bytes) : NULL;
	if (at)
		memcpy(at, data, bytes);
}

void base_write_zeros(struct base_writer *writer, size_t bytes)
{
	uint8_t *at = bytes > 0 ? reserve(writer, bytes) : NULL;
	if (at)
		memset(at, 0, bytes);
}

#define WRITE(name, type, convert)                                                                                     \
	void base_write_##name(struct base_writer *writer, type value)                                                 \
	{                                                                                                              \
		value = convert(value);                                                                                \
		base_write_bytes(writer, &value, sizeof value);                                                        \
	}
WRITE(u8, uint8_t, )
WRITE(u16be, uint16_t, htobe16)
WRITE(u32be, uint32_t, htobe32)
WRITE(u64be, uint64_t, htobe64)
WRITE(u16le, uint16_t, htole16)
WRITE(u32le, uint32_t, htole32)
WRITE(u64le, uint64_t, htole64)
#undef WRITE

void base_write_uvarint(struct base_writer *writer, uint64_t value)
{
	uint8_t encoded[10];
	size_t bytes = 0;
	while (value >= 0x80) {
		encoded[bytes++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	encoded[bytes++] = (uint8_t)value;
	base_write_bytes(writer, encoded, bytes);
}

void base_write_varint(struct base_writer *writer, int64_t value)
{
	base_write_uvarint(writer, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

void base_patch_u32be(struct base_writer *writer, size_t at, uint32_t value)
{
	if (writer->failed)
		return;
	assert(at + sizeof value <= writer->bytes);
	base_store_u32be(writer->buffer->data + at, value);
}

void base_patch_u32le(struct base_writer *writer, size_t at, uint32_t value)
{
	if (writer->failed)
		return;
	assert(at + sizeof value <= writer->bytes);
	base_store_u32le(writer->buffer->data + at, value);
}

pyr_result base_writer_take(struct base_writer *writer, struct base_slice *ret_slice)
{
	if (writer->failed)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	*ret_slice = (struct base_slice){.owner = writer->buffer, .bytes = writer->bytes};
	ret_slice->data = writer->buffer ? writer->buffer->data : NULL;
	base_writer_init(writer, writer->limit);
	return pyr_ok();
}
