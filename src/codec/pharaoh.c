/* The messages of the Pharaoh network (see pharaoh.h). Invariant: what decodes encodes to the same bytes. */
#include "codec/pharaoh.h"

#include <assert.h>

enum { NAME_MAX_BYTES = 255, REFUSAL_FIELDS = CODEC_PHARAOH_PORT | CODEC_PHARAOH_NAME };

static const struct {
	const char *text;
	unsigned request, reply;
} ops[] = {
#define X(name, number, text, request, reply) [number] = {text, request, reply},
	CODEC_PHARAOH_OPS(X)
#undef X
};

static const enum pyr_code codes[] = {
#define X(name, number, code) [number] = code,
	CODEC_PHARAOH_CODES(X)
#undef X
};

enum { CODE_COUNT = sizeof codes / sizeof codes[0] };

static uint8_t number_of_code(enum pyr_code code)
{
	for (uint8_t i = 0; i < CODE_COUNT; i++)
		if (codes[i] == code)
			return i;
	return CODE_COUNT - 1;
}

const char *codec_pharaoh_op_text(uint8_t op)
{
	return op < CODEC_PHARAOH_OP_END ? ops[op].text : NULL;
}

static unsigned fields_of(const struct codec_pharaoh *message, bool is_reply)
{
	if (!is_reply)
		return ops[message->op].request;
	return message->code == PYR_OK ? ops[message->op].reply : REFUSAL_FIELDS;
}

pyr_result codec_pharaoh_frame(struct base_bytes bytes, size_t *ret_frame_bytes)
{
	size_t frame = 0;
	if (bytes.bytes >= CODEC_PHARAOH_LENGTH_BYTES) {
		frame = CODEC_PHARAOH_LENGTH_BYTES + (size_t)base_load_u32le(bytes.data);
		if (frame < CODEC_PHARAOH_LENGTH_BYTES + CODEC_PHARAOH_HEADER_BYTES || frame > CODEC_PHARAOH_FRAME_MAX)
			return pyr_result_of(PYR_INVALID_REQUEST);
	}
	*ret_frame_bytes = frame;
	return pyr_ok();
}

/* ---- in ---- */

static struct base_bytes read_bytes(struct base_reader *reader, size_t bytes)
{
	const uint8_t *at = base_read_bytes(reader, bytes);
	return (struct base_bytes){at, at ? bytes : 0};
}

static void read_numbers(struct base_reader *reader, struct codec_pharaoh *message)
{
	message->number_count = base_read_u32le(reader);
	if (message->number_count > CODEC_PHARAOH_NUMBERS_MAX)
		reader->failed = true;
	else
		message->numbers = base_read_bytes(reader, (size_t)8 * message->number_count);
}

static void read_fields(struct base_reader *reader, unsigned fields, struct codec_pharaoh *message)
{
	message->count = fields & CODEC_PHARAOH_COUNT ? base_read_u32le(reader) : 0;
	message->lease = fields & CODEC_PHARAOH_LEASE ? base_read_u32le(reader) : 0;
	message->ttl_ms = fields & CODEC_PHARAOH_TTL ? base_read_u32le(reader) : 0;
	message->wait_ms = fields & CODEC_PHARAOH_WAIT ? base_read_u32le(reader) : 0;
	message->first = fields & CODEC_PHARAOH_FIRST ? base_read_u64le(reader) : 0;
	message->session = fields & CODEC_PHARAOH_SESSION ? base_read_u64le(reader) : 0;
	message->token = fields & CODEC_PHARAOH_TOKEN ? base_read_u64le(reader) : 0;
	message->port = fields & CODEC_PHARAOH_PORT ? base_read_u16le(reader) : 0;
	if (fields & CODEC_PHARAOH_NAME)
		message->name = read_bytes(reader, base_read_u8(reader));
	if (fields & CODEC_PHARAOH_VALUE)
		message->value = read_bytes(reader, base_read_u16le(reader));
	if (fields & CODEC_PHARAOH_NUMBERS)
		read_numbers(reader, message);
}

pyr_result codec_pharaoh_decode(struct base_bytes frame, bool is_reply, struct codec_pharaoh *ret_message)
{
	struct base_reader reader = base_reader_init(frame.data, frame.bytes);
	struct codec_pharaoh message = {0};
	base_read_skip(&reader, CODEC_PHARAOH_LENGTH_BYTES);
	message.id = base_read_u32le(&reader);
	message.op = base_read_u8(&reader);
	uint8_t code = base_read_u8(&reader);
	message.slot = base_read_u16le(&reader);
	message.epoch = base_read_u64le(&reader);
	*ret_message = message; /* so that a refusal can name its request */
	if (reader.failed || !codec_pharaoh_op_text(message.op) || code >= (is_reply ? (uint8_t)CODE_COUNT : 1))
		return pyr_result_of(PYR_INVALID_REQUEST);
	message.code = codes[code];
	read_fields(&reader, fields_of(&message, is_reply), &message);
	if (reader.failed || base_reader_left(&reader) > 0)
		return pyr_result_of(PYR_INVALID_REQUEST);
	*ret_message = message;
	return pyr_ok();
}

/* ---- out ---- */

static void write_fields(struct base_writer *writer, unsigned fields, const struct codec_pharaoh *message)
{
	if (fields & CODEC_PHARAOH_COUNT)
		base_write_u32le(writer, message->count);
	if (fields & CODEC_PHARAOH_LEASE)
		base_write_u32le(writer, message->lease);
	if (fields & CODEC_PHARAOH_TTL)
		base_write_u32le(writer, message->ttl_ms);
	if (fields & CODEC_PHARAOH_WAIT)
		base_write_u32le(writer, message->wait_ms);
	if (fields & CODEC_PHARAOH_FIRST)
		base_write_u64le(writer, message->first);
	if (fields & CODEC_PHARAOH_SESSION)
		base_write_u64le(writer, message->session);
	if (fields & CODEC_PHARAOH_TOKEN)
		base_write_u64le(writer, message->token);
	if (fields & CODEC_PHARAOH_PORT)
		base_write_u16le(writer, message->port);
}

static void write_texts(struct base_writer *writer, unsigned fields, const struct codec_pharaoh *message)
{
	if (fields & CODEC_PHARAOH_NAME) {
		size_t bytes = message->name.bytes < NAME_MAX_BYTES ? message->name.bytes : NAME_MAX_BYTES;
		base_write_u8(writer, (uint8_t)bytes);
		base_write_bytes(writer, message->name.data, bytes);
	}
	if (fields & CODEC_PHARAOH_VALUE) {
		assert(message->value.bytes <= UINT16_MAX);
		base_write_u16le(writer, (uint16_t)message->value.bytes);
		base_write_bytes(writer, message->value.data, message->value.bytes);
	}
	if (fields & CODEC_PHARAOH_NUMBERS) {
		assert(message->number_count <= CODEC_PHARAOH_NUMBERS_MAX);
		base_write_u32le(writer, message->number_count);
		base_write_bytes(writer, message->numbers, (size_t)8 * message->number_count);
	}
}

void codec_pharaoh_encode(struct base_writer *writer, bool is_reply, const struct codec_pharaoh *message)
{
	size_t from = writer->bytes;
	unsigned fields = codec_pharaoh_op_text(message->op) ? fields_of(message, is_reply) : REFUSAL_FIELDS;
	base_write_u32le(writer, 0);
	base_write_u32le(writer, message->id);
	base_write_u8(writer, message->op);
	base_write_u8(writer, is_reply ? number_of_code(message->code) : 0);
	base_write_u16le(writer, message->slot);
	base_write_u64le(writer, message->epoch);
	write_fields(writer, fields, message);
	write_texts(writer, fields, message);
	if (!writer->failed)
		base_patch_u32le(writer, from, (uint32_t)(writer->bytes - from - CODEC_PHARAOH_LENGTH_BYTES));
}

/* ---- slots ---- */

uint16_t codec_pharaoh_slot(const struct codec_pharaoh *request)
{
	switch (request->op) {
	case CODEC_PHARAOH_SEQUENCE:
	case CODEC_PHARAOH_LOCK:
	case CODEC_PHARAOH_UNLOCK:
	case CODEC_PHARAOH_CLAIM:
	case CODEC_PHARAOH_LOOK:
		return codec_pharaoh_slot_of(request->name);
	case CODEC_PHARAOH_CLOSE:
	case CODEC_PHARAOH_RESUME:
	case CODEC_PHARAOH_WATCH:
		return codec_pharaoh_session_slot(request->session);
	case CODEC_PHARAOH_KEEP:
		return request->number_count > 0 ? codec_pharaoh_session_slot(codec_pharaoh_number(request, 0))
		                                 : request->slot;
	default:
		return request->slot;
	}
}

bool codec_pharaoh_run_read(struct base_reader *reader, struct codec_pharaoh_run *ret_run)
{
	struct codec_pharaoh_run run;
	if (base_reader_left(reader) == 0)
		return false;
	run.first = base_read_u16le(reader);
	run.count = base_read_u16le(reader);
	run.epoch = base_read_u64le(reader);
	run.port = base_read_u16le(reader);
	run.host = read_bytes(reader, base_read_u8(reader));
	*ret_run = run;
	return !reader->failed && (uint32_t)run.first + run.count <= CODEC_PHARAOH_SLOTS;
}
