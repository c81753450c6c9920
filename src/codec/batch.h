/* Kafka's record batch, format 2: the unit that travels from socket to disk to consumer unchanged.
 * Source: kafka.apache.org/documentation, "Record Batch"; KIP-98. All integers big-endian, lengths in bytes.
 *
 *   0 base offset i64 | 8 length i32 (of all behind it) | 12 leader epoch i32 | 16 magic i8 = 2 | 17 crc u32 (CRC-32C of
 *   all behind it) | 21 attributes i16 | 23 last offset delta i32 | 27 base timestamp i64 | 35 max timestamp i64 |
 *   43 producer id i64 | 51 producer epoch i16 | 53 base sequence i32 | 57 record count i32 | 61 records
 *
 * Attributes: bits 0-2 compression, 3 timestamp type (1: log append time), 4 transactional, 5 control.
 * Base offset, length, epoch, magic and CRC lie outside the CRC: the broker writes offset and epoch. Pure; any thread.
 */
#ifndef PYRALOG_CODEC_BATCH_H
#define PYRALOG_CODEC_BATCH_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"
#include "codec/compress.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	CODEC_BATCH_HEADER_BYTES = 61,
	CODEC_BATCH_PREFIX_BYTES = 21, /* not under the batch's CRC */
	CODEC_BATCH_LENGTH_AT = 8,
	CODEC_BATCH_CRC_AT = 17,
	CODEC_BATCH_OVERHEAD_BYTES = 12, /* base offset and length, which the length does not count */
};

struct codec_batch {
	int64_t base_offset;
	size_t bytes; /* of the whole batch, header included */
	int32_t leader_epoch;
	uint32_t crc;
	int16_t attributes;
	int32_t last_offset_delta;
	int64_t base_timestamp_ms;
	int64_t max_timestamp_ms;
	int64_t producer_id; /* -1: not idempotent */
	int16_t producer_epoch;
	int32_t base_sequence;
	int32_t record_count;
	const uint8_t *records; /* borrowed, compressed as attributes say */
	size_t records_bytes;
};

static inline enum codec_compression codec_batch_compression(const struct codec_batch *batch)
{
	return (enum codec_compression)(batch->attributes & 7);
}

static inline bool codec_batch_is_append_time(const struct codec_batch *batch)
{
	return batch->attributes & 8;
}

static inline bool codec_batch_is_transactional(const struct codec_batch *batch)
{
	return batch->attributes & 16;
}

static inline bool codec_batch_is_control(const struct codec_batch *batch)
{
	return batch->attributes & 32;
}

static inline int64_t codec_batch_last_offset(const struct codec_batch *batch)
{
	return batch->base_offset + batch->last_offset_delta;
}

/* Reads the header of the batch at the start of `bytes`; there may be more behind it. Does not look at the CRC.
 * PYR_CORRUPT_MESSAGE: cut short or lengths that can't be; PYR_UNSUPPORTED_FORMAT: magic is not 2. */
pyr_result codec_batch_parse(struct base_bytes bytes, struct codec_batch *ret_batch);

/* A header alone, its records being elsewhere: `records` is of no use, and bytes says how long the whole is. */
pyr_result codec_batch_parse_header(const uint8_t at[CODEC_BATCH_HEADER_BYTES], struct codec_batch *ret_batch);

/* The same, and the CRC: what every batch from network or disk passes before anything else believes it. */
pyr_result codec_batch_check(struct base_bytes bytes, struct codec_batch *ret_batch);

/* What a produced batch must also obey: record count and offset delta agree, codec known, every record well formed after
 * decompression (at most `inflated_max` bytes), sequence present if the producer id is. Sentence in `error`.
 * *ret_min_timestamp_ms: the earliest record's time stamp; base_timestamp_ms is only the first's. */
pyr_result codec_batch_validate(const struct codec_batch *batch, size_t inflated_max, int64_t *ret_min_timestamp_ms,
                                struct pyr_error *error);

/* Writes offset and epoch, which no checksum covers. `at` is the batch's first byte. */
void codec_batch_assign(uint8_t *at, int64_t base_offset, int32_t leader_epoch);

/* Re-stamps a batch with log append time and writes its CRC anew. */
void codec_batch_stamp(uint8_t *at, size_t bytes, int64_t append_time_ms);

/* ---- records ---- */

struct codec_record {
	int64_t offset;
	int64_t timestamp_ms;
	struct base_bytes key; /* data NULL: null */
	struct base_bytes value;
	struct base_bytes headers; /* as stored: for each, varint key length, key, varint value length, value */
	uint32_t header_count;
};

struct codec_header {
	struct base_bytes key;
	struct base_bytes value; /* data NULL: null */
};

/* Walks the records of one batch; keeps what it decompressed. */
struct codec_record_reader {
	struct codec_batch batch;
	struct base_reader reader;
	struct base_slice inflated;
	int32_t next; /* records handed out */
};

/* Decompresses if need be. The batch's bytes must stay. PYR_UNSUPPORTED_COMPRESSION, PYR_CORRUPT_MESSAGE (also when more
 * than inflated_max bytes come out), PYR_OUT_OF_MEMORY. */
pyr_result codec_record_reader_init(struct codec_record_reader *reader, const struct codec_batch *batch,
                                    size_t inflated_max);
void codec_record_reader_deinit(struct codec_record_reader *reader);
/* False: no more, or malformed: ask codec_record_reader_check(). Bytes live until deinit. */
bool codec_record_next(struct codec_record_reader *reader, struct codec_record *ret_record);
/* Passes over records before `offset`, without a look at them, if the batch has a record for each of its offsets; else over
 * none. */
void codec_record_skip_to(struct codec_record_reader *reader, int64_t offset);
pyr_result codec_record_reader_check(const struct codec_record_reader *reader);
/* Reads one header off `headers`; false at the end or when malformed (headers->failed tells). */
bool codec_header_next(struct base_reader *headers, struct codec_header *ret_header);

/* ---- building a batch (bench, demo, tests, our own records) ---- */

struct codec_batch_builder {
	struct base_writer writer;
	int64_t base_timestamp_ms;
	int64_t max_timestamp_ms;
	int32_t record_count;
	enum codec_compression compression;
	int64_t producer_id; /* -1 unless idempotent; set these three after init */
	int16_t producer_epoch;
	int32_t base_sequence;
	int16_t extra_attributes; /* transactional, control */
};

void codec_batch_builder_init(struct codec_batch_builder *builder, enum codec_compression compression, size_t limit);
void codec_batch_builder_deinit(struct codec_batch_builder *builder);
/* key, value: data NULL is null. */
void codec_batch_builder_add(struct codec_batch_builder *builder, int64_t timestamp_ms, struct base_bytes key,
                             struct base_bytes value, const struct codec_header *headers, size_t header_count);
/* A batch with its records compressed, in a buffer of its own; what its header says is the caller's to write.
 * PYR_OUT_OF_MEMORY, PYR_UNSUPPORTED_COMPRESSION. */
pyr_result codec_batch_pack(enum codec_compression compression, struct base_slice plain, struct base_slice *ret_batch);
/* The finished batch with base offset 0; the builder is empty again. */
pyr_result codec_batch_builder_take(struct codec_batch_builder *builder, struct base_slice *ret_batch);

#endif
