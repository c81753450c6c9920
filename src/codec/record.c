/* The records inside a batch (see batch.h). Source: kafka.apache.org/documentation, "Record". Pure; any thread.
 *
 * Record: varint length of what follows | i8 attributes (unused) | varlong timestamp delta | varint offset delta |
 * varint key length, key | varint value length, value | varint header count, headers. Length -1: null.
 * Every record is parsed within its own length, so that a lying one can't reach into the next. */
#include "codec/batch.h"

pyr_result codec_record_reader_init(struct codec_record_reader *reader, const struct codec_batch *batch,
                                    size_t inflated_max)
{
	*reader = (struct codec_record_reader){.batch = *batch};
	if (codec_batch_compression(batch) == CODEC_NONE) {
		reader->reader = base_reader_init(batch->records, batch->records_bytes);
		return pyr_ok();
	}
	struct base_bytes packed = {batch->records, batch->records_bytes};
	PYR_TRY(codec_inflate(codec_batch_compression(batch), packed, inflated_max, &reader->inflated));
	reader->reader = base_reader_init(reader->inflated.data, reader->inflated.bytes);
	return pyr_ok();
}

void codec_record_reader_deinit(struct codec_record_reader *reader)
{
	base_slice_release(&reader->inflated);
}

/* A length-prefixed field: -1 is null, anything below fails. */
static inline struct base_bytes read_field(struct base_reader *reader)
{
	int32_t length = base_read_varint32(reader);
	if (length < 0) {
		reader->failed |= length < -1;
		return (struct base_bytes){0};
	}
	const uint8_t *at = base_read_bytes(reader, (size_t)length);
	return (struct base_bytes){.data = at, .bytes = at ? (size_t)length : 0};
}

static bool read_body(const struct codec_batch *batch, struct base_reader body, struct codec_record *ret_record)
{
	base_read_skip(&body, 1);
	int64_t timestamp_delta = base_read_varint64(&body);
	int32_t offset_delta = base_read_varint32(&body);
	bool stamped = codec_batch_is_append_time(batch);
	/* Unsigned, as a hostile delta may wrap. */
	ret_record->timestamp_ms = stamped ? batch->max_timestamp_ms
	                                   : (int64_t)((uint64_t)batch->base_timestamp_ms + (uint64_t)timestamp_delta);
	ret_record->offset = (int64_t)((uint64_t)batch->base_offset + (uint64_t)(int64_t)offset_delta);
	ret_record->key = read_field(&body);
	ret_record->value = read_field(&body);
	int32_t header_count = base_read_varint32(&body);
	/* A header takes two bytes at least. */
	if (body.failed || header_count < 0 || (size_t)header_count > base_reader_left(&body) / 2)
		return false;
	ret_record->header_count = (uint32_t)header_count;
	ret_record->headers = (struct base_bytes){body.at, base_reader_left(&body)};
	return header_count > 0 || ret_record->headers.bytes == 0;
}

bool codec_record_next(struct codec_record_reader *reader, struct codec_record *ret_record)
{
	struct base_reader *records = &reader->reader;
	if (reader->next == reader->batch.record_count) {
		records->failed |= base_reader_left(records) > 0;
		return false;
	}
	int32_t length = base_read_varint32(records);
	const uint8_t *body = length < 0 ? NULL : base_read_bytes(records, (size_t)length);
	if (!body || !read_body(&reader->batch, base_reader_init(body, (size_t)length), ret_record)) {
		records->failed = true;
		return false;
	}
	reader->next += 1;
	return true;
}

void codec_record_skip_to(struct codec_record_reader *reader, int64_t offset)
{
	const struct codec_batch *batch = &reader->batch;
	struct base_reader *records = &reader->reader;
	if (offset <= batch->base_offset || batch->record_count <= 0 ||
	    batch->last_offset_delta != batch->record_count - 1)
		return;
	uint64_t ahead =
		(uint64_t)offset - (uint64_t)batch->base_offset; /* unsigned: a hostile offset may be far away */
	int32_t wanted = ahead < (uint64_t)batch->record_count ? (int32_t)ahead : batch->record_count;
	while (reader->next < wanted && !records->failed) {
		int32_t length = base_read_varint32(records);
		records->failed |= length < 0;
		base_read_skip(records, length < 0 ? 0 : (size_t)length);
		reader->next += 1;
	}
}

pyr_result codec_record_reader_check(const struct codec_record_reader *reader)
{
	return base_reader_check(&reader->reader, PYR_CORRUPT_MESSAGE);
}

bool codec_header_next(struct base_reader *headers, struct codec_header *ret_header)
{
	if (base_reader_left(headers) == 0)
		return false;
	ret_header->key = read_field(headers);
	headers->failed |= !ret_header->key.data;
	ret_header->value = read_field(headers);
	return !headers->failed;
}
