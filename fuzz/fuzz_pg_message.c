/* server/pg/message.h with hostile bytes: every decoder, and what they hand out lies inside the input. The first byte
 * picks the decoder. Parameters that decode are written as the engine would read them. */
#include "server/pg/message.h"
#include "server/pg/values.h"

#include "query/types.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_inside(struct base_bytes body, const char *string)
{
	const uint8_t *at = (const uint8_t *)string;
	assert(at >= body.data && at + strlen(string) < body.data + body.bytes);
}

static void decode_startup(struct base_bytes body)
{
	struct pg_startup startup;
	if (pg_startup_decode(body, &startup).code != PYR_OK)
		return;
	if (startup.user)
		check_inside(body, startup.user);
	if (startup.database)
		check_inside(body, startup.database);
}

static void write_parameter(struct base_bytes value, uint8_t pick, bool binary)
{
	static const uint32_t types[] = {
#define X(name, oid, wire, engine, array) oid, array,
		QUERY_TYPES(X)
#undef X
	};
	struct base_writer writer;
	struct query_error error;
	base_writer_init(&writer, 1 << 20);
	pyr_ignore(pg_parameter_write(&writer, value, types[pick % (sizeof types / sizeof *types)], binary, &error));
	base_writer_deinit(&writer);
}

static void decode_bind(struct base_bytes body)
{
	struct pg_bind *bind = malloc(sizeof *bind);
	assert(bind);
	if (pg_bind_decode(body, bind).code == PYR_OK) {
		check_inside(body, bind->portal);
		check_inside(body, bind->statement);
		for (size_t i = 0; i < bind->parameter_count; i++)
			if (bind->parameters[i].value.data)
				for (uint8_t pick = 0; pick < 44; pick++)
					write_parameter(bind->parameters[i].value, pick, bind->parameters[i].binary);
		for (size_t i = 0; i < 8; i++)
			(void)pg_format_is_binary(bind->formats, bind->format_count, i);
	}
	free(bind);
}

static void decode_parse(struct base_bytes body)
{
	struct pg_parse *parse = malloc(sizeof *parse);
	assert(parse);
	if (pg_parse_decode(body, parse).code == PYR_OK) {
		check_inside(body, parse->name);
		check_inside(body, parse->text);
	}
	free(parse);
}

static void decode_short(struct base_bytes body)
{
	struct pg_execute execute;
	struct pg_target target;
	const char *text;
	if (pg_query_decode(body, &text).code == PYR_OK)
		check_inside(body, text);
	if (pg_execute_decode(body, &execute).code == PYR_OK)
		check_inside(body, execute.portal);
	if (pg_target_decode(body, &target).code == PYR_OK)
		check_inside(body, target.name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 2)
		return 0;
	struct base_bytes body = {data + 2, bytes - 2};
	switch (data[0] % 5) {
	case 0:
		decode_startup(body);
		break;
	case 1:
		decode_bind(body);
		break;
	case 2:
		decode_parse(body);
		break;
	case 3:
		decode_short(body);
		break;
	default:
		write_parameter(body, data[1], data[1] & 0x80);
	}
	return 0;
}
