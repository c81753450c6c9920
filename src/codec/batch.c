/* Headers of record batches (see batch.h): parsing, checking, writing what the broker writes. Pure; any thread.
 *
 * A batch passes three gates, each believing only the one before: parse (lengths), check (CRC), validate (the records
 * and what a producer must obey). Disk and cache are read through check alone. */
#include "codec/batch.h"

#include "base/crc32c.h"

#include <assert.h>

enum {
	EPOCH_AT = 12,
	MAGIC_AT = 16,
	ATTRIBUTES_AT = 21,
	MAX_TIMESTAMP_AT = 35,
	MAGIC = 2,
	APPEND_TIME_BIT = 8,
};

static void read_header(struct base_bytes bytes, struct codec_batch *ret_batch)
{
	struct base_reader reader = base_reader_init(bytes.data, bytes.bytes);
	ret_batch->base_offset = (int64_t)base_read_u64be(&reader);
	base_read_skip(&reader, 4);
	ret_batch->bytes = bytes.bytes;
	ret_batch->leader_epoch = (int32_t)base_read_u32be(&reader);
	base_read_skip(&reader, 1);
	ret_batch->crc = base_read_u32be(&reader);
	ret_batch->attributes = (int16_t)base_read_u16be(&reader);
	ret_batch->last_offset_delta = (int32_t)base_read_u32be(&reader);
	ret_batch->base_timestamp_ms = (int64_t)base_read_u64be(&reader);
	ret_batch->max_timestamp_ms = (int64_t)base_read_u64be(&reader);
	ret_batch->producer_id = (int64_t)base_read_u64be(&reader);
	ret_batch->producer_epoch = (int16_t)base_read_u16be(&reader);
	ret_batch->base_sequence = (int32_t)base_read_u32be(&reader);
	ret_batch->record_count = (int32_t)base_read_u32be(&reader);
	ret_batch->records = reader.at;
	ret_batch->records_bytes = base_reader_left(&reader);
	assert(!reader.failed);
}

pyr_result codec_batch_parse(struct base_bytes bytes, struct codec_batch *ret_batch)
{
	struct codec_batch batch;
	if (bytes.bytes > MAGIC_AT && bytes.data[MAGIC_AT] != MAGIC)
		return pyr_result_of(PYR_UNSUPPORTED_FORMAT);
	if (bytes.bytes < CODEC_BATCH_HEADER_BYTES)
		return pyr_result_of(PYR_CORRUPT_MESSAGE);
	uint32_t length = base_load_u32be(bytes.data + CODEC_BATCH_LENGTH_AT);
	if (length < CODEC_BATCH_HEADER_BYTES - CODEC_BATCH_OVERHEAD_BYTES || length > INT32_MAX ||
	    length > bytes.bytes - CODEC_BATCH_OVERHEAD_BYTES)
		return pyr_result_of(PYR_CORRUPT_MESSAGE);
	bytes.bytes = (size_t)length + CODEC_BATCH_OVERHEAD_BYTES;
	read_header(bytes, &batch);
	if (batch.record_count < 0 || batch.last_offset_delta < 0)
		return pyr_result_of(PYR_CORRUPT_MESSAGE);
	*ret_batch = batch;
	return pyr_ok();
}

pyr_result codec_batch_parse_header(const uint8_t at[CODEC_BATCH_HEADER_BYTES], struct codec_batch *ret_batch)
{
	uint32_t length = base_load_u32be(at + CODEC_BATCH_LENGTH_AT);
	if (at[MAGIC_AT] != MAGIC || length < CODEC_BATCH_HEADER_BYTES - CODEC_BATCH_OVERHEAD_BYTES ||
	    length > INT32_MAX)
		return pyr_result_of(PYR_CORRUPT_MESSAGE);
	read_header((struct base_bytes){at, CODEC_BATCH_HEADER_BYTES}, ret_batch);
	ret_batch->bytes = (size_t)length + CODEC_BATCH_OVERHEAD_BYTES;
	ret_batch->records = NULL;
	ret_batch->records_bytes = 0;
	bool possible = ret_batch->record_count >= 0 && ret_batch->last_offset_delta >= 0;
	return pyr_result_of(possible ? PYR_OK : PYR_CORRUPT_MESSAGE);
}

pyr_result codec_batch_check(struct base_bytes bytes, struct codec_batch *ret_batch)
{
	struct codec_batch batch;
	PYR_TRY(codec_batch_parse(bytes, &batch));
	uint32_t crc = base_crc32c(0, bytes.data + CODEC_BATCH_PREFIX_BYTES, batch.bytes - CODEC_BATCH_PREFIX_BYTES);
	if (crc != batch.crc)
		return pyr_result_of(PYR_CORRUPT_MESSAGE);
	*ret_batch = batch;
	return pyr_ok();
}

/* What a producer may set in the header. */
static pyr_result validate_header(const struct codec_batch *batch, struct pyr_error *error)
{
	if (batch->record_count < 1)
		return pyr_fail(error, PYR_INVALID_RECORD, "the batch holds no records");
	if (batch->last_offset_delta != batch->record_count - 1)
		return pyr_fail(error, PYR_INVALID_RECORD, "%d records, but a last offset delta of %d",
		                batch->record_count, batch->last_offset_delta);
	if (codec_batch_is_control(batch))
		return pyr_fail(error, PYR_INVALID_RECORD, "clients may not write control batches");
	if (codec_batch_is_append_time(batch))
		return pyr_fail(error, PYR_BAD_TIMESTAMP,
		                "only the server may mark a batch as LogAppendTime: send CreateTime");
	if (batch->producer_id >= 0 && (batch->producer_epoch < 0 || batch->base_sequence < 0))
		return pyr_fail(error, PYR_INVALID_RECORD, "a producer id needs an epoch and a sequence");
	if (codec_batch_is_transactional(batch) && batch->producer_id < 0)
		return pyr_fail(error, PYR_INVALID_RECORD, "a transactional batch needs a producer id");
	return pyr_ok();
}

/* A length and so many bytes; -1 is null. */
static inline void skip_field(struct base_reader *reader)
{
	int32_t length = base_read_varint32(reader);
	reader->failed |= length < -1;
	if (length > 0)
		base_read_skip(reader, (size_t)length);
}

static bool headers_are_sound(struct base_reader body, int32_t count)
{
	struct codec_header header;
	struct base_reader headers = base_reader_init(body.at, base_reader_left(&body));
	while (count > 0 && codec_header_next(&headers, &header))
		count -= 1;
	return count == 0 && !headers.failed && base_reader_left(&headers) == 0;
}

/* What is checked of one record. Every record of every produced batch comes through here: no calls but for long numbers. */
struct record_facts {
	int64_t timestamp_delta;
	int32_t offset_delta;
};

static inline bool check_record(struct base_reader *records, struct record_facts *ret_facts)
{
	int32_t length = base_read_varint32(records);
	const uint8_t *at = length < 0 ? NULL : base_read_bytes(records, (size_t)length);
	if (!at)
		return false;
	struct base_reader body = {.at = at, .end = at + length};
	base_read_skip(&body, 1); /* attributes, unused */
	ret_facts->timestamp_delta = base_read_varint64(&body);
	ret_facts->offset_delta = base_read_varint32(&body);
	skip_field(&body); /* key */
	skip_field(&body); /* value */
	int32_t header_count = base_read_varint32(&body);
	if (body.failed || header_count < 0)
		return false;
	return header_count == 0 ? body.at == body.end : headers_are_sound(body, header_count);
}

static pyr_result validate_records(struct codec_record_reader *reader, int64_t *ret_min_timestamp_ms,
                                   struct pyr_error *error)
{
	const struct codec_batch *batch = &reader->batch;
	struct base_reader records = reader->reader;
	int64_t min_timestamp_ms = INT64_MAX;
	for (int32_t i = 0; i < batch->record_count; i++) {
		struct record_facts facts;
		if (!check_record(&records, &facts))
			return pyr_fail(error, PYR_INVALID_RECORD, "record %d is malformed", i);
		if (facts.offset_delta != i)
			return pyr_fail(error, PYR_INVALID_RECORD, "record %d has the offset delta %d", i,
			                facts.offset_delta);
		int64_t timestamp_ms = codec_batch_is_append_time(batch)
		                               ? batch->max_timestamp_ms
		                               : (int64_t)((uint64_t)batch->base_timestamp_ms +
		                                           (uint64_t)facts.timestamp_delta); /* it may wrap */
		if (timestamp_ms > batch->max_timestamp_ms)
			return pyr_fail(error, PYR_INVALID_RECORD, "record %d is later than the batch's max timestamp",
			                i);
		if (timestamp_ms < min_timestamp_ms)
			min_timestamp_ms = timestamp_ms;
	}
	if (base_reader_left(&records) > 0)
		return pyr_fail(error, PYR_INVALID_RECORD, "there are bytes behind the last record");
	*ret_min_timestamp_ms = min_timestamp_ms;
	return pyr_ok();
}

pyr_result codec_batch_validate(const struct codec_batch *batch, size_t inflated_max, int64_t *ret_min_timestamp_ms,
                                struct pyr_error *error)
{
	struct codec_record_reader reader;
	PYR_TRY(validate_header(batch, error));
	pyr_result result = codec_record_reader_init(&reader, batch, inflated_max);
	if (result.code == PYR_UNSUPPORTED_COMPRESSION)
		return pyr_fail(error, result.code, "compression codec %d is not known",
		                codec_batch_compression(batch));
	if (result.code == PYR_CORRUPT_MESSAGE)
		return pyr_fail(error, result.code, "the records do not decompress, or to more than %zu bytes",
		                inflated_max);
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "%s", pyr_code_text(result.code));
	result = validate_records(&reader, ret_min_timestamp_ms, error);
	codec_record_reader_deinit(&reader);
	return result;
}

void codec_batch_assign(uint8_t *at, int64_t base_offset, int32_t leader_epoch)
{
	base_store_u64be(at, (uint64_t)base_offset);
	base_store_u32be(at + EPOCH_AT, (uint32_t)leader_epoch);
}

void codec_batch_stamp(uint8_t *at, size_t bytes, int64_t append_time_ms)
{
	assert(bytes >= CODEC_BATCH_HEADER_BYTES);
	at[ATTRIBUTES_AT + 1] |= APPEND_TIME_BIT;
	base_store_u64be(at + MAX_TIMESTAMP_AT, (uint64_t)append_time_ms);
	uint32_t crc = base_crc32c(0, at + CODEC_BATCH_PREFIX_BYTES, bytes - CODEC_BATCH_PREFIX_BYTES);
	base_store_u32be(at + CODEC_BATCH_CRC_AT, crc);
}
