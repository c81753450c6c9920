/* Messages of the PostgreSQL protocol 3.0, decoded and encoded (its documentation, section 55.7). Pure; any thread.
 *
 * Strings and bytes of a decoded message point into its body. Nothing is allocated; lists are walked where they lie.
 */
#ifndef PYRALOG_SERVER_PG_MESSAGE_H
#define PYRALOG_SERVER_PG_MESSAGE_H

#include "base/cursor.h"
#include "query/error.h"

#include <stdbool.h>

enum {
	PG_HEADER_BYTES = 5, /* type, then length, which counts itself but not the type */
	PG_STARTUP_BYTES_MAX = 10000, /* as in PostgreSQL */
	PG_MESSAGE_BYTES_MAX = (1 << 20) + (1 << 16), /* a statement of the largest size, and its parameters */
	PG_PARAMETERS_MAX = 1000,
	PG_PROTOCOL_3 = 196608,
	PG_CANCEL_REQUEST = 80877102,
	PG_SSL_REQUEST = 80877103,
	PG_GSSENC_REQUEST = 80877104,
};

/* ---- the first packet, which has no type ---- */

struct pg_startup {
	uint32_t code; /* protocol version, or one of the requests above */
	uint32_t pid, secret; /* PG_CANCEL_REQUEST */
	const char *user;
	const char *database; /* NULL: not said */
	const char *application_name; /* NULL: not said */
	struct base_bytes settings; /* all that was said, name and value in turn, with an empty name behind */
};

/* The body behind the length. PYR_INVALID_REQUEST. */
pyr_result pg_startup_decode(struct base_bytes body, struct pg_startup *ret_startup);

/* ---- the client's messages ---- */

struct pg_parse {
	const char *name;
	const char *text;
	uint16_t type_count;
	uint32_t types[PG_PARAMETERS_MAX];
};

struct pg_bind_parameter {
	struct base_bytes value; /* data NULL: null */
	bool binary;
};

struct pg_bind {
	const char *portal;
	const char *statement;
	uint16_t parameter_count;
	struct pg_bind_parameter parameters[PG_PARAMETERS_MAX];
	uint16_t format_count; /* of results: 0: text, 1: for all, or one each */
	const uint8_t *formats; /* big-endian, two bytes each */
};

struct pg_execute {
	const char *portal;
	uint32_t rows_max; /* 0: all */
};

/* Describe and Close. */
struct pg_target {
	char kind; /* 'S' or 'P' */
	const char *name;
};

/* Each: PYR_INVALID_REQUEST when malformed. */
pyr_result pg_query_decode(struct base_bytes body, const char **ret_text);
pyr_result pg_parse_decode(struct base_bytes body, struct pg_parse *ret_parse);
pyr_result pg_bind_decode(struct base_bytes body, struct pg_bind *ret_bind);
pyr_result pg_execute_decode(struct base_bytes body, struct pg_execute *ret_execute);
pyr_result pg_target_decode(struct base_bytes body, struct pg_target *ret_target);

/* Is column `i` wanted in binary? */
bool pg_format_is_binary(const uint8_t *formats, uint16_t format_count, size_t i);

/* ---- the server's messages ---- */

/* Starts a message; give what it returns to pg_message_end(), which writes the length. */
size_t pg_message_begin(struct base_writer *writer, char type);
void pg_message_end(struct base_writer *writer, size_t at);
void pg_message_empty(struct base_writer *writer, char type); /* one without a body */
void pg_write_string(struct base_writer *writer, const char *text); /* with its zero */
void pg_write_error(struct base_writer *writer, const char *severity, const struct query_error *error);
void pg_write_notice(struct base_writer *writer, const char *severity, const struct query_error *notice);
void pg_write_parameter(struct base_writer *writer, const char *name, const char *value); /* ParameterStatus */
void pg_write_ready(struct base_writer *writer, char status);
void pg_write_complete(struct base_writer *writer, const char *tag); /* CommandComplete */

#endif
