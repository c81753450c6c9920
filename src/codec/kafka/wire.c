/* Kafka's primitive types (see wire.h). Source: kafka.apache.org/protocol, "Protocol Primitive Types"; KIP-482.
 *
 * Plain lengths are int16 (strings) or int32 (arrays, records), -1 for null; compact ones are uvarint(length + 1), 0 for
 * null. Every length is checked against the bytes that are left before anything believes it. */
#include "codec/kafka/wire.h"

#include <assert.h>
#include <string.h>

pyr_result codec_kafka_decoder_check(const struct codec_kafka_decoder *decoder)
{
	if (decoder->arena_full)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	return base_reader_check(decoder->reader, PYR_INVALID_REQUEST);
}

bool codec_kafka_read_bool(struct codec_kafka_decoder *decoder)
{
	return base_read_u8(decoder->reader) != 0;
}

int8_t codec_kafka_read_int8(struct codec_kafka_decoder *decoder)
{
	return (int8_t)base_read_u8(decoder->reader);
}

int16_t codec_kafka_read_int16(struct codec_kafka_decoder *decoder)
{
	return (int16_t)base_read_u16be(decoder->reader);
}

int32_t codec_kafka_read_int32(struct codec_kafka_decoder *decoder)
{
	return (int32_t)base_read_u32be(decoder->reader);
}

int64_t codec_kafka_read_int64(struct codec_kafka_decoder *decoder)
{
	return (int64_t)base_read_u64be(decoder->reader);
}

void codec_kafka_read_uuid(struct codec_kafka_decoder *decoder, uint8_t ret_uuid[CODEC_KAFKA_UUID_BYTES])
{
	const uint8_t *at = base_read_bytes(decoder->reader, CODEC_KAFKA_UUID_BYTES);
	if (at)
		memcpy(ret_uuid, at, CODEC_KAFKA_UUID_BYTES);
}

/* A length as both encodings have it: -1 for null. Negative beyond that, or null where it may not be, fails. */
static int64_t read_length(struct codec_kafka_decoder *decoder, bool may_be_null, bool is_short)
{
	int64_t length;
	if (decoder->flexible)
		length = (int64_t)base_read_uvarint32(decoder->reader) - 1;
	else if (is_short)
		length = codec_kafka_read_int16(decoder);
	else
		length = codec_kafka_read_int32(decoder);
	if (length < (may_be_null ? -1 : 0))
		decoder->reader->failed = true;
	return decoder->reader->failed ? -1 : length;
}

static struct base_bytes read_sized(struct codec_kafka_decoder *decoder, bool may_be_null, bool is_short)
{
	int64_t length = read_length(decoder, may_be_null, is_short);
	if (length < 0)
		return (struct base_bytes){0};
	const uint8_t *at = base_read_bytes(decoder->reader, (size_t)length);
	return (struct base_bytes){.data = at, .bytes = at ? (size_t)length : 0};
}

struct base_bytes codec_kafka_read_string(struct codec_kafka_decoder *decoder, bool may_be_null)
{
	return read_sized(decoder, may_be_null, true);
}

struct base_bytes codec_kafka_read_bytes(struct codec_kafka_decoder *decoder, bool may_be_null)
{
	return read_sized(decoder, may_be_null, false);
}

double codec_kafka_read_float64(struct codec_kafka_decoder *decoder)
{
	int64_t bits = codec_kafka_read_int64(decoder);
	double value;
	static_assert(sizeof value == sizeof bits);
	memcpy(&value, &bits, sizeof value);
	return value;
}

struct codec_kafka_records codec_kafka_read_records(struct codec_kafka_decoder *decoder, bool may_be_null)
{
	struct base_bytes bytes = read_sized(decoder, may_be_null, false);
	return (struct codec_kafka_records){.data = bytes.data, .bytes = bytes.bytes};
}

void *codec_kafka_read_array(struct codec_kafka_decoder *decoder, bool may_be_null, size_t wire_bytes_min,
                             size_t element_bytes, size_t *ret_count)
{
	assert(wire_bytes_min > 0);
	*ret_count = 0;
	int64_t count = read_length(decoder, may_be_null, false);
	if (count < 0)
		return NULL;
	if ((uint64_t)count > base_reader_left(decoder->reader) / wire_bytes_min) {
		decoder->reader->failed = true;
		return NULL;
	}
	void *elements = codec_arena_alloc(decoder->arena, (size_t)count, element_bytes);
	if (!elements) {
		decoder->arena_full = true;
		decoder->reader->failed = true;
		return NULL;
	}
	*ret_count = (size_t)count;
	return elements;
}

struct codec_kafka_tags codec_kafka_read_tags(struct codec_kafka_decoder *decoder)
{
	return (struct codec_kafka_tags){.left = base_read_uvarint32(decoder->reader)};
}

/* Leaves the field just read, whatever of it was not understood, and enters the next. */
bool codec_kafka_next_tag(struct codec_kafka_decoder *decoder, struct codec_kafka_tags *tags)
{
	struct base_reader *reader = decoder->reader;
	if (tags->field_end) {
		reader->end = tags->outer_end;
		if (!reader->failed)
			reader->at = tags->field_end;
		tags->field_end = NULL;
	}
	if (tags->left == 0 || reader->failed)
		return false;
	tags->left -= 1;
	tags->number = base_read_uvarint32(reader);
	uint32_t bytes = base_read_uvarint32(reader);
	if (bytes > base_reader_left(reader))
		reader->failed = true;
	if (reader->failed)
		return false;
	tags->outer_end = reader->end;
	tags->field_end = reader->end = reader->at + bytes;
	return true;
}

void codec_kafka_skip_tags(struct codec_kafka_decoder *decoder)
{
	struct codec_kafka_tags tags = codec_kafka_read_tags(decoder);
	while (codec_kafka_next_tag(decoder, &tags))
		;
}

void codec_kafka_write_bool(struct codec_kafka_encoder *encoder, bool value)
{
	base_write_u8(encoder->writer, value);
}

void codec_kafka_write_int8(struct codec_kafka_encoder *encoder, int8_t value)
{
	base_write_u8(encoder->writer, (uint8_t)value);
}

void codec_kafka_write_int16(struct codec_kafka_encoder *encoder, int16_t value)
{
	base_write_u16be(encoder->writer, (uint16_t)value);
}

void codec_kafka_write_int32(struct codec_kafka_encoder *encoder, int32_t value)
{
	base_write_u32be(encoder->writer, (uint32_t)value);
}

void codec_kafka_write_int64(struct codec_kafka_encoder *encoder, int64_t value)
{
	base_write_u64be(encoder->writer, (uint64_t)value);
}

void codec_kafka_write_uuid(struct codec_kafka_encoder *encoder, const uint8_t uuid[CODEC_KAFKA_UUID_BYTES])
{
	base_write_bytes(encoder->writer, uuid, CODEC_KAFKA_UUID_BYTES);
}

static void write_length(struct codec_kafka_encoder *encoder, bool is_null, size_t length, bool is_short)
{
	assert(is_null || length <= (size_t)(is_short && !encoder->flexible ? INT16_MAX : INT32_MAX));
	if (encoder->flexible)
		base_write_uvarint(encoder->writer, is_null ? 0 : (uint64_t)length + 1);
	else if (is_short)
		base_write_u16be(encoder->writer, is_null ? UINT16_MAX : (uint16_t)length);
	else
		base_write_u32be(encoder->writer, is_null ? UINT32_MAX : (uint32_t)length);
}

void codec_kafka_write_string(struct codec_kafka_encoder *encoder, bool may_be_null, const struct base_bytes *value)
{
	assert(value->data || value->bytes == 0);
	write_length(encoder, may_be_null && !value->data, value->bytes, true);
	base_write_bytes(encoder->writer, value->data, value->bytes);
}

void codec_kafka_write_bytes(struct codec_kafka_encoder *encoder, bool may_be_null, const struct base_bytes *value)
{
	assert(value->data || value->bytes == 0);
	write_length(encoder, may_be_null && !value->data, value->bytes, false);
	base_write_bytes(encoder->writer, value->data, value->bytes);
}

void codec_kafka_write_float64(struct codec_kafka_encoder *encoder, double value)
{
	int64_t bits;
	memcpy(&bits, &value, sizeof bits);
	codec_kafka_write_int64(encoder, bits);
}

void codec_kafka_write_records(struct codec_kafka_encoder *encoder, bool may_be_null,
                               const struct codec_kafka_records *value)
{
	assert(value->data || value->ret_gap_at || value->bytes == 0);
	write_length(encoder, may_be_null && !value->data && !value->ret_gap_at, value->bytes, false);
	if (value->ret_gap_at)
		*value->ret_gap_at = encoder->writer->bytes;
	else
		base_write_bytes(encoder->writer, value->data, value->bytes);
}

void codec_kafka_write_array(struct codec_kafka_encoder *encoder, bool may_be_null, const void *elements, size_t count)
{
	assert(elements || count == 0);
	write_length(encoder, may_be_null && !elements, count, false);
}

bool codec_kafka_uuid_is_zero(const uint8_t uuid[CODEC_KAFKA_UUID_BYTES])
{
	static const uint8_t zero[CODEC_KAFKA_UUID_BYTES];
	return memcmp(uuid, zero, sizeof zero) == 0;
}

struct base_writer *codec_kafka_begin_tag(struct codec_kafka_encoder *encoder, struct base_writer *value)
{
	struct base_writer *outer = encoder->writer;
	base_writer_init(value, outer->limit);
	encoder->writer = value;
	return outer;
}

void codec_kafka_end_tag(struct codec_kafka_encoder *encoder, struct base_writer *outer, uint32_t number)
{
	struct base_writer *value = encoder->writer;
	encoder->writer = outer;
	base_write_uvarint(outer, number);
	base_write_uvarint(outer, value->bytes);
	if (value->bytes > 0)
		base_write_bytes(outer, value->buffer->data, value->bytes);
	outer->failed |= value->failed;
	base_writer_deinit(value);
}
