/* base/cursor.h with hostile bytes: no read leaves the input, a failed reader gives zeros for good, and what a writer
 * wrote is what a reader reads. The first half of the input picks operations, the second half is what they read. */
#include "base/cursor.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static uint64_t read_one(struct base_reader *reader, uint8_t operation)
{
	switch (operation % 9) {
	case 0:
		return base_read_u8(reader);
	case 1:
		return base_read_u16be(reader);
	case 2:
		return base_read_u32le(reader);
	case 3:
		return base_read_u64be(reader);
	case 4:
		return base_read_uvarint32(reader);
	case 5:
		return base_read_uvarint64(reader);
	case 6:
		return (uint64_t)base_read_varint64(reader);
	case 7:
		return base_read_bytes(reader, operation) ? operation : 0;
	default:
		base_read_skip(reader, operation);
		return 0;
	}
}

static void read_hostile(const uint8_t *operations, size_t count, const uint8_t *data, size_t bytes)
{
	struct base_reader reader = base_reader_init(data, bytes);
	for (size_t i = 0; i < count; i++) {
		bool had_failed = reader.failed;
		uint64_t value = read_one(&reader, operations[i]);
		assert(reader.at >= data && reader.at <= data + bytes);
		assert(!had_failed || (reader.failed && value == 0));
	}
	assert(base_reader_check(&reader, PYR_CORRUPT).code == (reader.failed ? PYR_CORRUPT : PYR_OK));
}

static void read_back(uint64_t value, size_t limit)
{
	struct base_writer writer;
	struct base_slice written;
	base_writer_init(&writer, limit);
	base_write_uvarint(&writer, value);
	base_write_varint(&writer, (int64_t)value);
	base_write_u64le(&writer, value);
	base_write_u16be(&writer, (uint16_t)value);
	if (base_writer_take(&writer, &written).code == PYR_OK) {
		assert(written.bytes <= limit);
		struct base_reader reader = base_reader_init(written.data, written.bytes);
		assert(base_read_uvarint64(&reader) == value);
		assert(base_read_varint64(&reader) == (int64_t)value);
		assert(base_read_u64le(&reader) == value);
		assert(base_read_u16be(&reader) == (uint16_t)value);
		assert(!reader.failed && base_reader_left(&reader) == 0);
		base_slice_release(&written);
	} else {
		assert(limit < 2 * 10 + 8 + 2);
	}
	base_writer_deinit(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	size_t half = bytes / 2;
	read_hostile(data, half, data + half, bytes - half);
	if (bytes > 8)
		read_back(base_load_u64be(data), data[8]);
	return 0;
}
