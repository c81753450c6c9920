/* Calls of JSON-RPC: from JSON to a request, from a reply to JSON (see rpc.h). Pure; any thread. */
#include "server/rpc/rpc_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARSE_ERROR = -32700, INVALID_REQUEST = -32600, NO_METHOD = -32601, INVALID_PARAMS = -32602, NUMBER_BYTES = 24 };

/* Method, operation. Its parameters and results are the operation's fields, by the names below. */
static const struct {
	const char *name;
	uint8_t op;
} methods[] = {
	{"ids", CODEC_PHARAOH_IDS},
	{"timestamps", CODEC_PHARAOH_TIMESTAMPS},
	{"begin", CODEC_PHARAOH_BEGIN},
	{"sequence", CODEC_PHARAOH_SEQUENCE},
	{"session.open", CODEC_PHARAOH_OPEN},
	{"session.keep", CODEC_PHARAOH_KEEP},
	{"session.close", CODEC_PHARAOH_CLOSE},
	{"session.resume", CODEC_PHARAOH_RESUME},
	{"session.watch", CODEC_PHARAOH_WATCH},
	{"lock.take", CODEC_PHARAOH_LOCK},
	{"lock.release", CODEC_PHARAOH_UNLOCK},
	{"lock.claim", CODEC_PHARAOH_CLAIM},
	{"lock.look", CODEC_PHARAOH_LOOK},
	{"status", CODEC_PHARAOH_STATUS},
};

static uint8_t op_of(const char *method)
{
	for (size_t i = 0; method && i < sizeof methods / sizeof methods[0]; i++)
		if (strcmp(methods[i].name, method) == 0)
			return methods[i].op;
	return 0;
}

/* ---- answers ---- */

static json_t *answer_with(const struct rpc_call *call, const char *what, json_t *value)
{
	json_t *id = call->id ? json_incref(call->id) : json_null();
	return json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", what, value, "id", id);
}

static json_t *refuse(const struct rpc_call *call, int code, const char *text, size_t bytes)
{
	return answer_with(call, "error", json_pack("{s:i, s:s%}", "code", code, "message", text, bytes));
}

static json_t *refuse_text(const struct rpc_call *call, int code, const char *text)
{
	return refuse(call, code, text, strlen(text));
}

static json_t *long_number(uint64_t number)
{
	char text[NUMBER_BYTES];
	snprintf(text, sizeof text, "%" PRIu64, number);
	return json_string(text);
}

static json_t *number_list(const struct codec_pharaoh *reply)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < reply->number_count; i++)
		json_array_append_new(list, long_number(codec_pharaoh_number(reply, i)));
	return list;
}

static json_t *status_of(struct base_bytes value)
{
	struct base_reader reader = base_reader_init(value.data, value.bytes);
	json_t *status = json_object();
	while (base_reader_left(&reader) > 0 && !reader.failed) {
		size_t bytes = base_read_u8(&reader);
		const char *name = (const char *)base_read_bytes(&reader, bytes);
		json_t *number = json_integer((json_int_t)base_read_u64le(&reader));
		if (name)
			json_object_setn_new(status, name, bytes, number);
		else
			json_decref(number);
	}
	return status;
}

/* A value of bytes that are no UTF-8 is not told. */
static json_t *text_of(struct base_bytes value)
{
	json_t *text = json_stringn((const char *)value.data, value.bytes);
	return text ? text : json_null();
}

static json_t *result_of(const struct codec_pharaoh *reply)
{
	json_t *result = json_pack("{s:i, s:o}", "slot", (int)reply->slot, "epoch", long_number(reply->epoch));
	switch (reply->op) {
	case CODEC_PHARAOH_IDS:
		json_object_set_new(result, "ids", number_list(reply));
		break;
	case CODEC_PHARAOH_BEGIN:
		json_object_set_new(result, "ids", number_list(reply));
		__attribute__((fallthrough));
	case CODEC_PHARAOH_TIMESTAMPS:
	case CODEC_PHARAOH_SEQUENCE:
		json_object_set_new(result, "first", long_number(reply->first));
		json_object_set_new(result, "count", json_integer(reply->count));
		break;
	case CODEC_PHARAOH_KEEP:
		json_object_set_new(result, "kept", json_integer(reply->count));
		json_object_set_new(result, "gone", number_list(reply));
		break;
	case CODEC_PHARAOH_STATUS:
		json_object_set_new(result, "counters", status_of(reply->value));
		break;
	case CODEC_PHARAOH_LOOK:
		json_object_set_new(result, "waiting", json_integer(reply->count));
		json_object_set_new(result, "value", text_of(reply->value));
		break;
	default:
		break;
	}
	if (reply->session > 0)
		json_object_set_new(result, "session", long_number(reply->session));
	if (reply->token > 0)
		json_object_set_new(result, "token", long_number(reply->token));
	if (reply->ttl_ms > 0)
		json_object_set_new(result, "ttl_ms", json_integer(reply->ttl_ms));
	return result;
}

static int number_of_code(enum pyr_code code)
{
	switch (code) {
#define X(name, number, error)                                                                                         \
	case error:                                                                                                    \
		return number;
		CODEC_PHARAOH_CODES(X)
#undef X
	default:
		return 14;
	}
}

void rpc_call_answer(struct rpc_call *call, const struct codec_pharaoh *reply)
{
	assert(!call->answer);
	if (reply->code == PYR_OK)
		call->answer = answer_with(call, "result", result_of(reply));
	else
		call->answer =
			refuse(call, number_of_code(reply->code), (const char *)reply->name.data, reply->name.bytes);
	if (!call->answer) /* a sentence with a client's bytes, perhaps */
		call->answer = refuse_text(call, number_of_code(reply->code), "the request is refused");
}

char *rpc_batch_text(struct rpc_batch *batch)
{
	json_t *answers = json_array();
	char *text = NULL;
	for (size_t i = 0; i < batch->count; i++) {
		struct rpc_call *call = &batch->calls[i];
		if ((call->id || call->is_none) && call->answer)
			json_array_append(answers, call->answer);
	}
	if (json_array_size(answers) > 0)
		text = json_dumps(batch->is_array ? answers : json_array_get(answers, 0), JSON_COMPACT);
	json_decref(answers);
	return text;
}

/* ---- calls ---- */

static bool read_number(const json_t *params, const char *name, uint64_t max, uint64_t *number)
{
	const json_t *value = json_object_get(params, name);
	const char *text = json_string_value(value);
	char *end = NULL;
	if (!value)
		return true;
	if (json_is_integer(value) && json_integer_value(value) >= 0)
		*number = (uint64_t)json_integer_value(value);
	else if (text && text[0] >= '0' && text[0] <= '9')
		*number = strtoull(text, &end, 10);
	else
		return false;
	return *number <= max && (!end || *end == '\0');
}

static bool read_u32(const json_t *params, const char *name, uint32_t *number)
{
	uint64_t wide = *number;
	bool read = read_number(params, name, UINT32_MAX, &wide);
	*number = (uint32_t)wide;
	return read;
}

static bool read_text(const json_t *params, const char *name, size_t max, struct base_bytes *bytes)
{
	const json_t *value = json_object_get(params, name);
	if (!value)
		return true;
	*bytes = (struct base_bytes){(const uint8_t *)json_string_value(value), json_string_length(value)};
	return json_is_string(value) && bytes->bytes <= max;
}

static bool read_sessions(struct rpc_call *call, const json_t *params)
{
	const json_t *list = json_object_get(params, "sessions");
	size_t count = json_array_size(list);
	if (!list)
		return true;
	if (!json_is_array(list) || count > CODEC_PHARAOH_NUMBERS_MAX || !(call->numbers = malloc(8 * count + 1)))
		return false;
	for (size_t i = 0; i < count; i++) {
		uint64_t number = 0;
		json_t *one = json_pack("{s:O}", "n", json_array_get(list, i));
		bool read = one && read_number(one, "n", UINT64_MAX, &number);
		json_decref(one);
		if (!read)
			return false;
		base_store_u64le(call->numbers + 8 * i, number);
	}
	call->ask.request.numbers = call->numbers;
	call->ask.request.number_count = (uint32_t)count;
	return true;
}

static bool read_params(struct rpc_call *call, const json_t *params)
{
	struct codec_pharaoh *request = &call->ask.request;
	uint32_t slot = 0;
	request->count = 1;
	if (params && !json_is_object(params))
		return false;
	bool read = read_u32(params, "count", &request->count) && read_u32(params, "lease", &request->lease) &&
	            read_u32(params, "ttl_ms", &request->ttl_ms) && read_u32(params, "wait_ms", &request->wait_ms) &&
	            read_u32(params, "slot", &slot) && slot < SLOTS &&
	            read_number(params, "epoch", UINT64_MAX, &request->epoch) &&
	            read_number(params, "session", UINT64_MAX, &request->session) &&
	            read_number(params, "token", UINT64_MAX, &request->token) &&
	            read_text(params, "name", LOCKS_NAME_MAX, &request->name) &&
	            read_text(params, "value", LOCKS_VALUE_MAX, &request->value) && read_sessions(call, params);
	request->slot = (uint16_t)slot;
	return read;
}

static void read_call(struct rpc_call *call, const json_t *json)
{
	const char *version = json_string_value(json_object_get(json, "jsonrpc"));
	const char *method = json_string_value(json_object_get(json, "method"));
	json_t *id = json_object_get(json, "id");
	call->id = json_is_string(id) || json_is_number(id) || json_is_null(id) ? id : NULL;
	if (!version || strcmp(version, "2.0") != 0 || !method || (id && !call->id)) {
		call->is_none = true;
		call->answer = refuse_text(call, INVALID_REQUEST,
		                           "a call has \"jsonrpc\": \"2.0\", \"method\", \"params\" and \"id\"");
		return;
	}
	uint8_t op = op_of(method);
	if (op == 0)
		call->answer = refuse_text(call, NO_METHOD, "there is no such method");
	else if (!read_params(call, json_object_get(json, "params")))
		call->answer = refuse_text(
			call, INVALID_PARAMS,
			"the parameters are by name; one of them has not the type or size that it must have");
	call->ask.request.op = op;
}

struct rpc_batch *rpc_batch_parse(struct base_bytes text)
{
	json_t *root = json_loadb((const char *)text.data, text.bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	size_t size = json_array_size(root);
	bool good = root && (json_is_object(root) || (json_is_array(root) && size > 0 && size <= RPC_CALLS_MAX));
	size_t count = good && json_is_array(root) ? size : 1;
	struct rpc_batch *batch = calloc(1, sizeof *batch + count * sizeof batch->calls[0]);
	if (!batch) {
		json_decref(root);
		return NULL;
	}
	batch->root = root;
	batch->count = count;
	batch->is_array = good && json_is_array(root);
	for (size_t i = 0; i < count; i++) {
		struct rpc_call *call = &batch->calls[i];
		call->batch = batch;
		call->is_none = !good;
		if (good)
			read_call(call, batch->is_array ? json_array_get(root, i) : root);
		else
			call->answer = refuse_text(call, root ? INVALID_REQUEST : PARSE_ERROR,
			                           root ? "a text is a call, or a list of 1 to 1,000 of them"
			                                : "the text is no JSON");
	}
	return batch;
}

void rpc_batch_free(struct rpc_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		json_decref(batch->calls[i].answer);
		free(batch->calls[i].numbers);
	}
	json_decref(batch->root);
	free(batch);
}
