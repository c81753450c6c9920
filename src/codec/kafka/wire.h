/* What the generated codecs are made of: Kafka's primitive types, plain and compact (KIP-482), and tagged fields.
 *
 * Reading fails stickily in the base_reader, writing in the base_writer. Pure; any thread. */
#ifndef PYRALOG_CODEC_KAFKA_WIRE_H
#define PYRALOG_CODEC_KAFKA_WIRE_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"
#include "codec/arena.h"

#include <stdbool.h>
#include <stdint.h>

enum { CODEC_KAFKA_UUID_BYTES = 16 };

/* Record batches inside a message. data NULL (and no gap): null.
 * To encode without copying them, set ret_gap_at: the length is written, the bytes are not, and *ret_gap_at is where in
 * the writer they belong. */
struct codec_kafka_records {
	const uint8_t *data;
	size_t bytes;
	size_t *ret_gap_at;
};

struct codec_kafka_decoder {
	struct base_reader *reader;
	struct codec_arena *arena;
	int version;
	bool flexible;
	bool arena_full;
};

/* PYR_OK, PYR_INVALID_REQUEST or PYR_OUT_OF_MEMORY. */
pyr_result codec_kafka_decoder_check(const struct codec_kafka_decoder *decoder);

bool codec_kafka_read_bool(struct codec_kafka_decoder *decoder);
int8_t codec_kafka_read_int8(struct codec_kafka_decoder *decoder);
int16_t codec_kafka_read_int16(struct codec_kafka_decoder *decoder);
int32_t codec_kafka_read_int32(struct codec_kafka_decoder *decoder);
int64_t codec_kafka_read_int64(struct codec_kafka_decoder *decoder);
void codec_kafka_read_uuid(struct codec_kafka_decoder *decoder, uint8_t ret_uuid[CODEC_KAFKA_UUID_BYTES]);
/* Null where it may not be fails the reader. */
struct base_bytes codec_kafka_read_string(struct codec_kafka_decoder *decoder, bool may_be_null);
struct base_bytes codec_kafka_read_bytes(struct codec_kafka_decoder *decoder, bool may_be_null);
double codec_kafka_read_float64(struct codec_kafka_decoder *decoder);
struct codec_kafka_records codec_kafka_read_records(struct codec_kafka_decoder *decoder, bool may_be_null);
/* Room for the elements, whose count is checked against the bytes left (each takes at least wire_bytes_min). NULL: the
 * array is null, or it failed; *ret_count is 0 then. */
void *codec_kafka_read_array(struct codec_kafka_decoder *decoder, bool may_be_null, size_t wire_bytes_min,
                             size_t element_bytes, size_t *ret_count);

/* Walks the tagged fields; between two steps the reader is confined to one field. */
struct codec_kafka_tags {
	uint32_t left;
	uint32_t number; /* of the current field */
	const uint8_t *field_end; /* NULL before the first */
	const uint8_t *outer_end;
};

struct codec_kafka_tags codec_kafka_read_tags(struct codec_kafka_decoder *decoder);
bool codec_kafka_next_tag(struct codec_kafka_decoder *decoder, struct codec_kafka_tags *tags);
void codec_kafka_skip_tags(struct codec_kafka_decoder *decoder);

struct codec_kafka_encoder {
	struct base_writer *writer;
	int version;
	bool flexible;
};

void codec_kafka_write_bool(struct codec_kafka_encoder *encoder, bool value);
void codec_kafka_write_int8(struct codec_kafka_encoder *encoder, int8_t value);
void codec_kafka_write_int16(struct codec_kafka_encoder *encoder, int16_t value);
void codec_kafka_write_int32(struct codec_kafka_encoder *encoder, int32_t value);
void codec_kafka_write_int64(struct codec_kafka_encoder *encoder, int64_t value);
void codec_kafka_write_uuid(struct codec_kafka_encoder *encoder, const uint8_t uuid[CODEC_KAFKA_UUID_BYTES]);
/* NULL data where null is not allowed is written as empty. */
void codec_kafka_write_string(struct codec_kafka_encoder *encoder, bool may_be_null, const struct base_bytes *value);
void codec_kafka_write_bytes(struct codec_kafka_encoder *encoder, bool may_be_null, const struct base_bytes *value);
void codec_kafka_write_float64(struct codec_kafka_encoder *encoder, double value);
void codec_kafka_write_records(struct codec_kafka_encoder *encoder, bool may_be_null,
                               const struct codec_kafka_records *value);
void codec_kafka_write_array(struct codec_kafka_encoder *encoder, bool may_be_null, const void *elements, size_t count);
bool codec_kafka_uuid_is_zero(const uint8_t uuid[CODEC_KAFKA_UUID_BYTES]);

/* A tagged field's value is written aside, into `value`, because its length comes first; returns the outer writer. */
struct base_writer *codec_kafka_begin_tag(struct codec_kafka_encoder *encoder, struct base_writer *value);
void codec_kafka_end_tag(struct codec_kafka_encoder *encoder, struct base_writer *outer, uint32_t number);

#endif
