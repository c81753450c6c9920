/* The messages of the Pharaoh network's binary protocol: one table for requests, replies and their codes.
 *
 * A message is a frame: its length, a header, and the fields that its operation has, in the order of CODEC_PHARAOH_FIELDS;
 * little-endian. What is decoded points into the frame. Pure. Format: docs/formats/pharaoh.md.
 */
#ifndef PYRALOG_CODEC_PHARAOH_H
#define PYRALOG_CODEC_PHARAOH_H

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	CODEC_PHARAOH_LENGTH_BYTES = 4,
	CODEC_PHARAOH_HEADER_BYTES = 16, /* behind the length */
	CODEC_PHARAOH_FRAME_MAX = 1 << 16, /* length included */
	CODEC_PHARAOH_NUMBERS_MAX = 8000, /* in a message */
	CODEC_PHARAOH_SLOTS = 1024,
	CODEC_PHARAOH_SESSION_SLOT_SHIFT = 53, /* of a session's id */
};

enum codec_pharaoh_field {
	CODEC_PHARAOH_COUNT = 1, /* u32 */
	CODEC_PHARAOH_LEASE = 2, /* u32 */
	CODEC_PHARAOH_TTL = 4, /* u32, milliseconds */
	CODEC_PHARAOH_WAIT = 8, /* u32, milliseconds */
	CODEC_PHARAOH_FIRST = 16, /* u64 */
	CODEC_PHARAOH_SESSION = 32, /* u64 */
	CODEC_PHARAOH_TOKEN = 64, /* u64 */
	CODEC_PHARAOH_PORT = 128, /* u16 */
	CODEC_PHARAOH_NAME = 256, /* u8 and that many bytes */
	CODEC_PHARAOH_VALUE = 512, /* u16 and that many bytes */
	CODEC_PHARAOH_NUMBERS = 1024, /* u32 and that many u64 */
};

/* Operation, number, its text, fields of its request, of its reply when the code is 0. */
#define CODEC_PHARAOH_OPS(X)                                                                                           \
	X(MAP, 1, "map", 0, CODEC_PHARAOH_VALUE)                                                                       \
	X(IDS, 2, "ids", CODEC_PHARAOH_COUNT, CODEC_PHARAOH_NUMBERS)                                                   \
	X(TIMESTAMPS, 3, "timestamps", CODEC_PHARAOH_COUNT, CODEC_PHARAOH_COUNT | CODEC_PHARAOH_FIRST)                 \
	X(BEGIN, 4, "begin", CODEC_PHARAOH_COUNT, CODEC_PHARAOH_COUNT | CODEC_PHARAOH_FIRST | CODEC_PHARAOH_NUMBERS)   \
	X(SEQUENCE, 5, "sequence", CODEC_PHARAOH_COUNT | CODEC_PHARAOH_LEASE | CODEC_PHARAOH_NAME,                     \
	  CODEC_PHARAOH_COUNT | CODEC_PHARAOH_FIRST)                                                                   \
	X(OPEN, 6, "open", CODEC_PHARAOH_TTL, CODEC_PHARAOH_TTL | CODEC_PHARAOH_SESSION)                               \
	X(KEEP, 7, "keep", CODEC_PHARAOH_NUMBERS, CODEC_PHARAOH_COUNT | CODEC_PHARAOH_NUMBERS)                         \
	X(CLOSE, 8, "close", CODEC_PHARAOH_SESSION, 0)                                                                 \
	X(RESUME, 9, "resume", CODEC_PHARAOH_TTL | CODEC_PHARAOH_SESSION, CODEC_PHARAOH_TTL | CODEC_PHARAOH_SESSION)   \
	X(LOCK, 10, "lock", CODEC_PHARAOH_WAIT | CODEC_PHARAOH_SESSION | CODEC_PHARAOH_NAME | CODEC_PHARAOH_VALUE,     \
	  CODEC_PHARAOH_SESSION | CODEC_PHARAOH_TOKEN)                                                                 \
	X(UNLOCK, 11, "unlock", CODEC_PHARAOH_SESSION | CODEC_PHARAOH_TOKEN | CODEC_PHARAOH_NAME, 0)                   \
	X(CLAIM, 12, "claim", CODEC_PHARAOH_SESSION | CODEC_PHARAOH_TOKEN | CODEC_PHARAOH_NAME | CODEC_PHARAOH_VALUE,  \
	  CODEC_PHARAOH_SESSION | CODEC_PHARAOH_TOKEN)                                                                 \
	X(LOOK, 13, "look", CODEC_PHARAOH_NAME,                                                                        \
	  CODEC_PHARAOH_COUNT | CODEC_PHARAOH_SESSION | CODEC_PHARAOH_TOKEN | CODEC_PHARAOH_VALUE)                     \
	X(STATUS, 14, "status", 0, CODEC_PHARAOH_VALUE)                                                                \
	X(WATCH, 15, "watch", CODEC_PHARAOH_WAIT | CODEC_PHARAOH_SESSION, CODEC_PHARAOH_SESSION)

#define X(name, number, text, request, reply) CODEC_PHARAOH_##name = number,
enum codec_pharaoh_op { CODEC_PHARAOH_OPS(X) CODEC_PHARAOH_OP_END };
#undef X

/* Code of a reply, number, error here. A reply whose code is not 0 has, instead of its fields, a sentence (NAME cut at 255
 * bytes), and with MOVED the host instead, and its port. */
#define CODEC_PHARAOH_CODES(X)                                                                                         \
	X(OK, 0, PYR_OK)                                                                                               \
	X(MOVED, 1, PYR_NOT_LEADER)                                                                                    \
	X(MALFORMED, 2, PYR_INVALID_REQUEST)                                                                           \
	X(NOT_FOUND, 3, PYR_NOT_FOUND)                                                                                 \
	X(BUSY, 4, PYR_BUSY)                                                                                           \
	X(TOO_LARGE, 5, PYR_TOO_LARGE)                                                                                 \
	X(STALE, 6, PYR_PRODUCER_FENCED)                                                                               \
	X(STOPPED, 7, PYR_STOPPED)                                                                                     \
	X(DISK_FULL, 8, PYR_DISK_FULL)                                                                                 \
	X(DISK, 9, PYR_IO)                                                                                             \
	X(CLOCK, 10, PYR_BAD_TIMESTAMP)                                                                                \
	X(MEMORY, 11, PYR_OUT_OF_MEMORY)                                                                               \
	X(TIMED_OUT, 12, PYR_TIMED_OUT)                                                                                \
	X(UNSUPPORTED, 13, PYR_NOT_SUPPORTED)                                                                          \
	X(INTERNAL, 14, PYR_INTERNAL)

/* A request or a reply: fields that its operation does not have are zero. */
struct codec_pharaoh {
	uint32_t id; /* the client's, given back */
	uint8_t op;
	enum pyr_code code; /* of replies */
	uint16_t slot;
	uint64_t epoch; /* under which the slot is owned; of requests: the one that is expected, or 0 */
	uint32_t count, lease, ttl_ms, wait_ms;
	uint64_t first, session, token;
	uint16_t port;
	struct base_bytes name, value;
	const uint8_t *numbers; /* number_count of 8 bytes, little-endian, at any address */
	uint32_t number_count;
};

const char *codec_pharaoh_op_text(uint8_t op); /* NULL: there is none */

/* Bytes of the frame that begins with these, its length included; 0: fewer than CODEC_PHARAOH_LENGTH_BYTES are there.
 * PYR_INVALID_REQUEST: it is too short or too long to be one. */
pyr_result codec_pharaoh_frame(struct base_bytes bytes, size_t *ret_frame_bytes);
/* A whole frame. PYR_INVALID_REQUEST. */
pyr_result codec_pharaoh_decode(struct base_bytes frame, bool is_reply, struct codec_pharaoh *ret_message);
/* Appends a frame. */
void codec_pharaoh_encode(struct base_writer *writer, bool is_reply, const struct codec_pharaoh *message);

static inline uint64_t codec_pharaoh_number(const struct codec_pharaoh *message, uint32_t i)
{
	return base_load_u64le(message->numbers + (size_t)8 * i);
}

/* ---- slots ---- */

/* The top bits of the key's CRC-32C: what a client needs to know to find the node itself. */
static inline uint16_t codec_pharaoh_slot_of(struct base_bytes key)
{
	return (uint16_t)(base_crc32c(0, key.data, key.bytes) >> 22);
}

static inline uint16_t codec_pharaoh_session_slot(uint64_t session)
{
	return (uint16_t)(session >> CODEC_PHARAOH_SESSION_SLOT_SHIFT & (CODEC_PHARAOH_SLOTS - 1));
}

/* Of the request's key; without one, the slot that it names. */
uint16_t codec_pharaoh_slot(const struct codec_pharaoh *request);

/* Slots of one owner, as the reply to `map` has them; epoch 0: nobody's. */
struct codec_pharaoh_run {
	uint16_t first, count, port;
	uint64_t epoch;
	struct base_bytes host;
};

/* The next one of a map's value; false: there is none, or none that makes sense. */
bool codec_pharaoh_run_read(struct base_reader *reader, struct codec_pharaoh_run *ret_run);

#endif
