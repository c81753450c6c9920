/* Decoding and encoding, by bounds-checked cursors. Pure. */
#include "server/pg/message.h"

#include <stdio.h>
#include <string.h>

/* Up to and with its zero; NULL and a failed reader when there is none. */
static const char *read_string(struct base_reader *reader)
{
	size_t left = base_reader_left(reader);
	const uint8_t *end = left > 0 && !reader->failed ? memchr(reader->at, 0, left) : NULL;
	if (!end) {
		reader->failed = true;
		return NULL;
	}
	return (const char *)base_read_bytes(reader, (size_t)(end - reader->at) + 1);
}

static pyr_result finish(const struct base_reader *reader)
{
	if (base_reader_left(reader) > 0)
		return pyr_result_of(PYR_INVALID_REQUEST);
	return base_reader_check(reader, PYR_INVALID_REQUEST);
}

static void note_setting(struct pg_startup *startup, const char *name, const char *value)
{
	if (strcmp(name, "user") == 0)
		startup->user = value;
	else if (strcmp(name, "database") == 0)
		startup->database = value;
	else if (strcmp(name, "application_name") == 0)
		startup->application_name = value;
}

pyr_result pg_startup_decode(struct base_bytes body, struct pg_startup *ret_startup)
{
	struct base_reader reader = base_reader_init(body.data, body.bytes);
	struct pg_startup startup = {.code = base_read_u32be(&reader)};
	if (startup.code == PG_CANCEL_REQUEST) {
		startup.pid = base_read_u32be(&reader);
		startup.secret = base_read_u32be(&reader);
	}
	/* Minor versions are negotiated down; settings of all of them look the same. */
	if (startup.code >> 16 == 3) {
		startup.settings = (struct base_bytes){reader.at, base_reader_left(&reader)};
		const char *name = read_string(&reader);
		while (name && *name) {
			const char *value = read_string(&reader);
			if (!value)
				break;
			note_setting(&startup, name, value);
			name = read_string(&reader);
		}
	}
	PYR_TRY(finish(&reader));
	*ret_startup = startup;
	return pyr_ok();
}

pyr_result pg_query_decode(struct base_bytes body, const char **ret_text)
{
	struct base_reader reader = base_reader_init(body.data, body.bytes);
	const char *text = read_string(&reader);
	PYR_TRY(finish(&reader));
	*ret_text = text;
	return pyr_ok();
}

pyr_result pg_parse_decode(struct base_bytes body, struct pg_parse *ret_parse)
{
	struct base_reader reader = base_reader_init(body.data, body.bytes);
	ret_parse->name = read_string(&reader);
	ret_parse->text = read_string(&reader);
	ret_parse->type_count = base_read_u16be(&reader);
	if (ret_parse->type_count > PG_PARAMETERS_MAX)
		return pyr_result_of(PYR_INVALID_REQUEST);
	for (size_t i = 0; i < ret_parse->type_count; i++)
		ret_parse->types[i] = base_read_u32be(&reader);
	return finish(&reader);
}

static void read_parameter(struct base_reader *reader, struct pg_bind_parameter *parameter)
{
	static const uint8_t nothing[1];
	int32_t bytes = (int32_t)base_read_u32be(reader);
	parameter->value = (struct base_bytes){NULL, 0};
	if (bytes == -1)
		return;
	if (bytes < 0) {
		reader->failed = true;
		return;
	}
	const uint8_t *data = base_read_bytes(reader, (size_t)bytes);
	parameter->value = (struct base_bytes){bytes > 0 ? data : nothing, (size_t)bytes};
}

pyr_result pg_bind_decode(struct base_bytes body, struct pg_bind *ret_bind)
{
	struct base_reader reader = base_reader_init(body.data, body.bytes);
	ret_bind->portal = read_string(&reader);
	ret_bind->statement = read_string(&reader);
	uint16_t formats = base_read_u16be(&reader);
	const uint8_t *list = base_read_bytes(&reader, (size_t)formats * 2);
	ret_bind->parameter_count = base_read_u16be(&reader);
	if (reader.failed || ret_bind->parameter_count > PG_PARAMETERS_MAX ||
	    (formats > 1 && formats != ret_bind->parameter_count))
		return pyr_result_of(PYR_INVALID_REQUEST);
	for (size_t i = 0; i < ret_bind->parameter_count; i++) {
		read_parameter(&reader, &ret_bind->parameters[i]);
		ret_bind->parameters[i].binary = pg_format_is_binary(list, formats, i);
	}
	ret_bind->format_count = base_read_u16be(&reader);
	ret_bind->formats = base_read_bytes(&reader, (size_t)ret_bind->format_count * 2);
	return finish(&reader);
}

pyr_result pg_execute_decode(struct base_bytes body, struct pg_execute *ret_execute)
{
	struct base_reader reader = base_reader_init(body.data, body.bytes);
	ret_execute->portal = read_string(&reader);
	ret_execute->rows_max = base_read_u32be(&reader);
	if ((int32_t)ret_execute->rows_max < 0)
		ret_execute->rows_max = 0; /* as PostgreSQL reads it */
	return finish(&reader);
}

pyr_result pg_target_decode(struct base_bytes body, struct pg_target *ret_target)
{
	struct base_reader reader = base_reader_init(body.data, body.bytes);
	ret_target->kind = (char)base_read_u8(&reader);
	ret_target->name = read_string(&reader);
	if (ret_target->kind != 'S' && ret_target->kind != 'P')
		return pyr_result_of(PYR_INVALID_REQUEST);
	return finish(&reader);
}

bool pg_format_is_binary(const uint8_t *formats, uint16_t format_count, size_t i)
{
	if (format_count == 0)
		return false;
	size_t at = format_count == 1 ? 0 : i;
	return at < format_count && base_load_u16be(formats + at * 2) == 1;
}

size_t pg_message_begin(struct base_writer *writer, char type)
{
	base_write_u8(writer, (uint8_t)type);
	size_t at = writer->bytes;
	base_write_u32be(writer, 0);
	return at;
}

void pg_message_end(struct base_writer *writer, size_t at)
{
	if (!writer->failed)
		base_patch_u32be(writer, at, (uint32_t)(writer->bytes - at));
}

void pg_message_empty(struct base_writer *writer, char type)
{
	pg_message_end(writer, pg_message_begin(writer, type));
}

void pg_write_string(struct base_writer *writer, const char *text)
{
	base_write_bytes(writer, text, strlen(text) + 1);
}

static void write_field(struct base_writer *writer, char field, const char *text)
{
	base_write_u8(writer, (uint8_t)field);
	pg_write_string(writer, text);
}

static void write_report(struct base_writer *writer, char type, const char *severity, const struct query_error *error)
{
	char position[16];
	size_t at = pg_message_begin(writer, type);
	write_field(writer, 'S', severity);
	write_field(writer, 'V', severity);
	write_field(writer, 'C', error->sqlstate);
	write_field(writer, 'M', error->message);
	if (error->hint[0])
		write_field(writer, 'H', error->hint);
	if (error->position > 0) {
		snprintf(position, sizeof position, "%d", error->position);
		write_field(writer, 'P', position);
	}
	base_write_u8(writer, 0);
	pg_message_end(writer, at);
}

void pg_write_error(struct base_writer *writer, const char *severity, const struct query_error *error)
{
	write_report(writer, 'E', severity, error);
}

void pg_write_notice(struct base_writer *writer, const char *severity, const struct query_error *notice)
{
	write_report(writer, 'N', severity, notice);
}

void pg_write_parameter(struct base_writer *writer, const char *name, const char *value)
{
	size_t at = pg_message_begin(writer, 'S');
	pg_write_string(writer, name);
	pg_write_string(writer, value);
	pg_message_end(writer, at);
}

void pg_write_ready(struct base_writer *writer, char status)
{
	size_t at = pg_message_begin(writer, 'Z');
	base_write_u8(writer, (uint8_t)status);
	pg_message_end(writer, at);
}

void pg_write_complete(struct base_writer *writer, const char *tag)
{
	size_t at = pg_message_begin(writer, 'C');
	pg_write_string(writer, tag);
	pg_message_end(writer, at);
}
