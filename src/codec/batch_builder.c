/* Builds record batches (see batch.h): records go into one growing block behind room for the header, which is written,
 * and the records compressed, when the batch is taken. Pure; one owner.
 *
 * A failure (memory, limit) sticks in the writer and is told by take. */
#include "codec/batch.h"

#include "base/crc32c.h"

#include <assert.h>
#include <string.h>

void codec_batch_builder_init(struct codec_batch_builder *builder, enum codec_compression compression, size_t limit)
{
	assert(limit > CODEC_BATCH_HEADER_BYTES && compression < CODEC_COMPRESSION_COUNT);
	*builder = (struct codec_batch_builder){.compression = compression, .producer_id = -1};
	builder->producer_epoch = -1;
	builder->base_sequence = -1;
	base_writer_init(&builder->writer, limit);
}

void codec_batch_builder_deinit(struct codec_batch_builder *builder)
{
	base_writer_deinit(&builder->writer);
}

static int64_t field_length(struct base_bytes field)
{
	return field.data ? (int64_t)field.bytes : -1;
}

static size_t field_bytes(struct base_bytes field)
{
	return base_varint_bytes(field_length(field)) + field.bytes;
}

static void write_field(struct base_writer *writer, struct base_bytes field)
{
	assert(field.data || field.bytes == 0);
	base_write_varint(writer, field_length(field));
	base_write_bytes(writer, field.data, field.bytes);
}

static size_t headers_bytes(const struct codec_header *headers, size_t header_count)
{
	size_t bytes = base_varint_bytes((int64_t)header_count);
	for (size_t i = 0; i < header_count; i++)
		bytes += field_bytes(headers[i].key) + field_bytes(headers[i].value);
	return bytes;
}

static void begin(struct codec_batch_builder *builder, int64_t timestamp_ms)
{
	base_write_zeros(&builder->writer, CODEC_BATCH_HEADER_BYTES);
	builder->base_timestamp_ms = builder->max_timestamp_ms = timestamp_ms;
}

void codec_batch_builder_add(struct codec_batch_builder *builder, int64_t timestamp_ms, struct base_bytes key,
                             struct base_bytes value, const struct codec_header *headers, size_t header_count)
{
	struct base_writer *writer = &builder->writer;
	if (builder->record_count == 0)
		begin(builder, timestamp_ms);
	int64_t timestamp_delta = timestamp_ms - builder->base_timestamp_ms;
	size_t body_bytes = 1 + base_varint_bytes(timestamp_delta) + base_varint_bytes(builder->record_count) +
	                    field_bytes(key) + field_bytes(value) + headers_bytes(headers, header_count);
	base_write_varint(writer, (int64_t)body_bytes);
	base_write_u8(writer, 0);
	base_write_varint(writer, timestamp_delta);
	base_write_varint(writer, builder->record_count);
	write_field(writer, key);
	write_field(writer, value);
	base_write_varint(writer, (int64_t)header_count);
	for (size_t i = 0; i < header_count; i++) {
		assert(headers[i].key.data);
		write_field(writer, headers[i].key);
		write_field(writer, headers[i].value);
	}
	if (timestamp_ms > builder->max_timestamp_ms)
		builder->max_timestamp_ms = timestamp_ms;
	builder->record_count += 1;
}

pyr_result codec_batch_pack(enum codec_compression compression, struct base_slice plain, struct base_slice *ret_batch)
{
	struct base_bytes records = {plain.data + CODEC_BATCH_HEADER_BYTES, plain.bytes - CODEC_BATCH_HEADER_BYTES};
	struct base_slice packed = {0};
	PYR_TRY(codec_deflate(compression, records, &packed));
	struct base_buffer *buffer = base_buffer_new(CODEC_BATCH_HEADER_BYTES + packed.bytes);
	if (buffer) {
		memcpy(buffer->data + CODEC_BATCH_HEADER_BYTES, packed.data, packed.bytes);
		*ret_batch = (struct base_slice){buffer, buffer->data, CODEC_BATCH_HEADER_BYTES + packed.bytes};
	}
	base_slice_release(&packed);
	return pyr_result_of(buffer ? PYR_OK : PYR_OUT_OF_MEMORY);
}

/* The layout at the top of batch.h. `at` is the first of `bytes`. */
static void write_header(const struct codec_batch_builder *builder, uint8_t *at, size_t bytes)
{
	uint16_t attributes = (uint16_t)((unsigned)builder->compression | (uint16_t)builder->extra_attributes);
	memset(at, 0, CODEC_BATCH_HEADER_BYTES);
	base_store_u32be(at + 8, (uint32_t)(bytes - CODEC_BATCH_OVERHEAD_BYTES));
	base_store_u32be(at + 12, UINT32_MAX);
	at[16] = 2;
	at[21] = (uint8_t)(attributes >> 8);
	at[22] = (uint8_t)attributes;
	base_store_u32be(at + 23, (uint32_t)(builder->record_count - 1));
	base_store_u64be(at + 27, (uint64_t)builder->base_timestamp_ms);
	base_store_u64be(at + 35, (uint64_t)builder->max_timestamp_ms);
	base_store_u64be(at + 43, (uint64_t)builder->producer_id);
	at[51] = (uint8_t)((uint16_t)builder->producer_epoch >> 8);
	at[52] = (uint8_t)builder->producer_epoch;
	base_store_u32be(at + 53, (uint32_t)builder->base_sequence);
	base_store_u32be(at + 57, (uint32_t)builder->record_count);
	base_store_u32be(at + 17, base_crc32c(0, at + CODEC_BATCH_PREFIX_BYTES, bytes - CODEC_BATCH_PREFIX_BYTES));
}

pyr_result codec_batch_builder_take(struct codec_batch_builder *builder, struct base_slice *ret_batch)
{
	struct base_slice batch = {0};
	assert(builder->record_count > 0);
	PYR_TRY(base_writer_take(&builder->writer, &batch));
	if (builder->compression != CODEC_NONE) {
		struct base_slice plain = batch;
		pyr_result result = codec_batch_pack(builder->compression, plain, &batch);
		base_slice_release(&plain);
		PYR_TRY(result);
	}
	write_header(builder, batch.owner->data, batch.bytes);
	builder->record_count = 0;
	*ret_batch = batch;
	return pyr_ok();
}
