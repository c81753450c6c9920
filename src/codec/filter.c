/* Filtering a batch's records (see filter.h). Two passes: which stay; then, if some go, the new batch. A record
 * count is believed only as far as there are bytes for it. */
#include "codec/filter.h"

#include "base/crc32c.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	LENGTH_AT = 8,
	CRC_AT = 17,
	ATTRIBUTES_AT = 21,
	LAST_DELTA_AT = 23,
	BASE_TIME_AT = 27,
	MAX_TIME_AT = 35,
	COUNT_AT = 57
};
enum { COMPRESSION_MASK = 7, RECORD_BYTES_LIMIT = 1 << 30 };

struct pass {
	const struct codec_filter *filter;
	const struct codec_batch *batch;
	struct base_writer writer; /* header, then the records that stay */
	int64_t base_timestamp_ms; /* of the new batch */
	int64_t max_timestamp_ms;
	int32_t kept;
	uint8_t *stays; /* a bit for each record: is asked for once */
	bool has_horizon; /* the batch had one before */
	bool sets_horizon;
};

static bool is_set(const struct pass *pass, int32_t i)
{
	return pass->stays[i / 8] >> (i % 8) & 1;
}

static bool shall_stay(const struct pass *pass, const struct codec_record *record)
{
	if (!record->key.data)
		return false;
	bool is_tombstone = !record->value.data;
	if (is_tombstone && pass->has_horizon && pass->filter->now_ms >= pass->batch->base_timestamp_ms)
		return false;
	return pass->filter->is_newest(pass->filter->context, record);
}

static pyr_result count(struct pass *pass)
{
	struct codec_record_reader reader;
	struct codec_record record;
	PYR_TRY(codec_record_reader_init(&reader, pass->batch, pass->filter->inflated_max));
	bool possible = (size_t)pass->batch->record_count <= base_reader_left(&reader.reader);
	pass->stays = possible ? calloc((size_t)pass->batch->record_count / 8 + 1, 1) : NULL;
	if (!pass->stays) {
		codec_record_reader_deinit(&reader);
		return pyr_result_of(possible ? PYR_OUT_OF_MEMORY : PYR_CORRUPT_MESSAGE);
	}
	for (int32_t i = 0; codec_record_next(&reader, &record); i++) {
		if (!shall_stay(pass, &record))
			continue;
		pass->stays[i / 8] |= (uint8_t)(1u << i % 8);
		pass->kept += 1;
		pass->sets_horizon |= !record.value.data && !pass->has_horizon;
	}
	pyr_result result = codec_record_reader_check(&reader);
	codec_record_reader_deinit(&reader);
	return result;
}

/* The record with another time delta; what follows its offset delta stays as it is. */
static void write_record(struct pass *pass, const struct codec_record *record, struct base_bytes rest)
{
	int64_t time_delta = (int64_t)((uint64_t)record->timestamp_ms - (uint64_t)pass->base_timestamp_ms);
	int64_t offset_delta = (int64_t)((uint64_t)record->offset - (uint64_t)pass->batch->base_offset);
	size_t bytes = 1 + base_varint_bytes(time_delta) + base_varint_bytes(offset_delta) + rest.bytes;
	base_write_varint(&pass->writer, (int64_t)bytes);
	base_write_u8(&pass->writer, 0);
	base_write_varint(&pass->writer, time_delta);
	base_write_varint(&pass->writer, offset_delta);
	base_write_bytes(&pass->writer, rest.data, rest.bytes);
}

/* From the key's length on. The record was parsed before. */
static struct base_bytes rest_of(const uint8_t *at, const uint8_t *end)
{
	struct base_reader reader = base_reader_init(at, (size_t)(end - at));
	(void)base_read_varint32(&reader);
	base_read_skip(&reader, 1);
	(void)base_read_varint64(&reader);
	(void)base_read_varint32(&reader);
	return (struct base_bytes){reader.at, base_reader_left(&reader)};
}

static pyr_result write_records(struct pass *pass)
{
	struct codec_record_reader reader;
	struct codec_record record;
	PYR_TRY(codec_record_reader_init(&reader, pass->batch, pass->filter->inflated_max));
	pass->max_timestamp_ms = -1;
	const uint8_t *next = reader.reader.at;
	for (int32_t i = 0; codec_record_next(&reader, &record); i++) {
		const uint8_t *at = next;
		next = reader.reader.at;
		if (!is_set(pass, i))
			continue;
		if (record.timestamp_ms > pass->max_timestamp_ms)
			pass->max_timestamp_ms = record.timestamp_ms;
		if (pass->sets_horizon)
			write_record(pass, &record, rest_of(at, next));
		else
			base_write_bytes(&pass->writer, at, (size_t)(next - at));
	}
	codec_record_reader_deinit(&reader);
	return pyr_result_of(pass->writer.failed ? PYR_OUT_OF_MEMORY : PYR_OK);
}

static void seal(uint8_t *at, size_t bytes)
{
	base_store_u32be(at + LENGTH_AT, (uint32_t)(bytes - CODEC_BATCH_OVERHEAD_BYTES));
	base_store_u32be(at + CRC_AT, base_crc32c(0, at + CODEC_BATCH_PREFIX_BYTES, bytes - CODEC_BATCH_PREFIX_BYTES));
}

/* The header of the batch before, changed; `at` has room for it. */
static void write_header(const struct pass *pass, enum codec_compression compression, uint8_t *at, size_t bytes)
{
	const uint8_t *before = pass->batch->records - CODEC_BATCH_HEADER_BYTES;
	uint16_t attributes = (uint16_t)((unsigned)pass->batch->attributes & ~(unsigned)COMPRESSION_MASK);
	attributes = (uint16_t)(attributes | compression | (pass->sets_horizon ? CODEC_DELETE_HORIZON_BIT : 0));
	memcpy(at, before, CODEC_BATCH_HEADER_BYTES);
	at[ATTRIBUTES_AT] = (uint8_t)(attributes >> 8);
	at[ATTRIBUTES_AT + 1] = (uint8_t)attributes;
	base_store_u64be(at + BASE_TIME_AT, (uint64_t)pass->base_timestamp_ms);
	/* With append time it is the time of all records; an empty batch keeps its own, as readers skip by it. */
	if (pass->kept > 0 && !codec_batch_is_append_time(pass->batch))
		base_store_u64be(at + MAX_TIME_AT, (uint64_t)pass->max_timestamp_ms);
	base_store_u32be(at + COUNT_AT, (uint32_t)pass->kept);
	seal(at, bytes);
}

static pyr_result rewrite(struct pass *pass, struct base_slice *ret_batch)
{
	enum codec_compression compression = pass->kept > 0 ? codec_batch_compression(pass->batch) : CODEC_NONE;
	struct base_slice batch = {0};
	pass->base_timestamp_ms = pass->sets_horizon ? pass->filter->delete_horizon_ms : pass->batch->base_timestamp_ms;
	base_write_zeros(&pass->writer, CODEC_BATCH_HEADER_BYTES);
	PYR_TRY(write_records(pass));
	PYR_TRY(base_writer_take(&pass->writer, &batch));
	if (compression != CODEC_NONE) {
		struct base_slice plain = batch;
		pyr_result packed = codec_batch_pack(compression, plain, &batch);
		base_slice_release(&plain);
		PYR_TRY(packed);
	}
	write_header(pass, compression, batch.owner->data, batch.bytes);
	*ret_batch = batch;
	return pyr_ok();
}

pyr_result codec_batch_filter(const struct codec_filter *filter, const struct codec_batch *batch,
                              struct codec_filtered *ret_filtered)
{
	struct pass pass = {.filter = filter, .batch = batch};
	*ret_filtered = (struct codec_filtered){.kept = batch->record_count};
	if (codec_batch_is_control(batch) || batch->record_count == 0)
		return pyr_ok();
	pass.has_horizon = batch->attributes & CODEC_DELETE_HORIZON_BIT;
	pyr_result result = count(&pass);
	ret_filtered->kept = pass.kept;
	base_writer_init(&pass.writer, RECORD_BYTES_LIMIT);
	if (result.code == PYR_OK && (pass.kept < batch->record_count || pass.sets_horizon))
		result = rewrite(&pass, &ret_filtered->batch);
	base_writer_deinit(&pass.writer);
	free(pass.stays);
	return result;
}

struct base_slice codec_batch_extend(struct base_bytes batch, int64_t last_offset)
{
	int64_t delta = last_offset - (int64_t)base_load_u64be(batch.data);
	struct base_slice copy = base_slice_copy(batch.data, batch.bytes);
	assert(delta >= 0 && delta <= INT32_MAX);
	if (!copy.owner)
		return copy;
	base_store_u32be(copy.owner->data + LAST_DELTA_AT, (uint32_t)delta);
	seal(copy.owner->data, copy.bytes);
	return copy;
}

pyr_result codec_batch_require_keys(const struct codec_batch *batch, size_t inflated_max, struct pyr_error *error)
{
	struct codec_record_reader reader;
	struct codec_record record;
	bool all = true;
	PYR_TRY(codec_record_reader_init(&reader, batch, inflated_max));
	while (all && codec_record_next(&reader, &record))
		all = record.key.data != NULL;
	codec_record_reader_deinit(&reader);
	return all ? pyr_ok()
	           : pyr_fail(error, PYR_INVALID_RECORD,
	                      "the topic is compacted (cleanup.policy=compact): give every record a key");
}
