/* Records and batches (see payload.h). Owner: whoever calls; immutable once made. */
#include "bench/payload.h"

#include "base/array.h"
#include "codec/batch.h"
#include "os/environment.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TEXT_BYTES = 16 << 20, /* of random characters; longer than a batch, so that none repeats itself */
	FLIGHTS_BYTES_MAX = 256 << 20,
	BATCH_BYTES_MAX = 64 << 20,
	POOL_BATCHES_MAX = 64,
	POOL_BATCHES_MIN = 4,
	POOL_BYTES = 64 << 20,
	COLUMNS_MAX = 64,
	KEY_BYTES = 12,
};

struct record {
	struct base_bytes key; /* data NULL: none */
	struct base_bytes value;
};

struct bench_payload {
	struct bench_payload_options options;
	uint8_t *text; /* random: TEXT_BYTES; flights: all rows, one behind the other */
	size_t text_bytes, text_capacity;
	struct row {
		size_t at;
		uint32_t bytes;
		uint32_t key_bytes; /* the key lies before the value */
	} * rows;
	size_t row_count, row_capacity;
	char (*keys)[KEY_BYTES];
};

/* ---- random ---- */

/* splitmix64. Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators" (2014). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t value = *state += 0x9e3779b97f4a7c15;
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 27) * 0x94d049bb133111eb;
	return value ^ value >> 31;
}

static pyr_result make_text(struct bench_payload *payload)
{
	uint64_t state = payload->options.seed;
	payload->text = malloc(TEXT_BYTES);
	if (!payload->text)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	payload->text_bytes = TEXT_BYTES;
	for (size_t i = 0; i < TEXT_BYTES; i += 8) {
		uint64_t bits = next_random(&state);
		for (size_t j = 0; j < 8; j++)
			payload->text[i + j] = (uint8_t)(' ' + ((bits >> 8 * j & 0xff) * 95 >> 8));
	}
	return pyr_ok();
}

static pyr_result make_keys(struct bench_payload *payload)
{
	uint32_t count = payload->options.keys;
	payload->keys = calloc(count + 1, sizeof *payload->keys);
	if (!payload->keys)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	for (uint32_t i = 0; i < count; i++) {
		char text[KEY_BYTES + 1];
		snprintf(text, sizeof text, "k-%010u", i);
		memcpy(payload->keys[i], text, KEY_BYTES);
	}
	return pyr_ok();
}

static struct base_bytes key_at(const struct bench_payload *payload, uint64_t number)
{
	if (payload->options.keys == 0)
		return (struct base_bytes){0};
	const char *key = payload->keys[next_random(&number) % payload->options.keys];
	return (struct base_bytes){(const uint8_t *)key, KEY_BYTES};
}

/* ---- flights ---- */

static bool is_number(struct base_bytes field)
{
	size_t i = field.bytes > 1 && field.data[0] == '-';
	for (; i < field.bytes; i++)
		if (field.data[i] < '0' || field.data[i] > '9')
			return false;
	return field.bytes > 0 && (field.bytes == 1 || field.data[0] != '0');
}

static bool put(struct bench_payload *payload, const void *bytes, size_t count)
{
	if (!base_array_reserve(&payload->text, &payload->text_capacity, payload->text_bytes + count, 1))
		return false;
	memcpy(payload->text + payload->text_bytes, bytes, count);
	payload->text_bytes += count;
	return true;
}

static bool put_field(struct bench_payload *payload, struct base_bytes name, struct base_bytes field, bool first)
{
	bool missing = field.bytes == 0 || (field.bytes == 2 && memcmp(field.data, "NA", 2) == 0);
	const char *quote = missing || is_number(field) ? "" : "\"";
	return put(payload, first ? "{\"" : ",\"", 2) && put(payload, name.data, name.bytes) &&
	       put(payload, "\":", 2) && put(payload, quote, strlen(quote)) &&
	       put(payload, missing ? (const void *)"null" : field.data, missing ? 4 : field.bytes) &&
	       put(payload, quote, strlen(quote));
}

static size_t split(struct base_bytes line, struct base_bytes fields[COLUMNS_MAX])
{
	size_t count = 0;
	const uint8_t *at = line.data, *end = line.data + line.bytes;
	while (count < COLUMNS_MAX) {
		const uint8_t *comma = memchr(at, ',', (size_t)(end - at));
		const uint8_t *stop = comma ? comma : end;
		fields[count++] = (struct base_bytes){at, (size_t)(stop - at)};
		if (!comma)
			break;
		at = comma + 1;
	}
	return count;
}

static bool next_line(struct base_bytes *rest, struct base_bytes *ret_line)
{
	if (rest->bytes == 0)
		return false;
	const uint8_t *end = memchr(rest->data, '\n', rest->bytes);
	size_t bytes = end ? (size_t)(end - rest->data) : rest->bytes;
	*ret_line = (struct base_bytes){rest->data, bytes};
	rest->data += bytes + (end != NULL);
	rest->bytes -= bytes + (end != NULL);
	if (bytes > 0 && ret_line->data[bytes - 1] == '\r')
		ret_line->bytes -= 1;
	return true;
}

static bool add_row(struct bench_payload *payload, const struct base_bytes *names, const struct base_bytes *fields,
                    size_t count, size_t key_column)
{
	struct row row = {.at = payload->text_bytes};
	if (key_column < count) {
		row.key_bytes = (uint32_t)fields[key_column].bytes;
		if (!put(payload, fields[key_column].data, fields[key_column].bytes))
			return false;
	}
	size_t value_at = payload->text_bytes;
	for (size_t i = 0; i < count; i++)
		if (!put_field(payload, names[i], fields[i], i == 0))
			return false;
	if (!put(payload, "}", 1) ||
	    !base_array_reserve(&payload->rows, &payload->row_capacity, payload->row_count + 1, sizeof *payload->rows))
		return false;
	row.bytes = (uint32_t)(payload->text_bytes - value_at);
	payload->rows[payload->row_count++] = row;
	return true;
}

static pyr_result parse_flights(struct bench_payload *payload, struct base_bytes csv, struct pyr_error *error)
{
	struct base_bytes line, names[COLUMNS_MAX], fields[COLUMNS_MAX];
	const char *path = payload->options.flights_path;
	if (!next_line(&csv, &line))
		return pyr_fail(error, PYR_USAGE, "%s is empty: give a CSV file with a header line", path);
	size_t columns = split(line, names), key_column = 0;
	while (key_column < columns &&
	       (names[key_column].bytes != 7 || memcmp(names[key_column].data, "carrier", 7) != 0))
		key_column += 1;
	while (next_line(&csv, &line)) {
		if (line.bytes == 0)
			continue;
		if (split(line, fields) != columns)
			return pyr_fail(error, PYR_USAGE, "%s: row %zu has not the %zu fields of the header line", path,
			                payload->row_count + 1, columns);
		if (!add_row(payload, names, fields, columns, key_column))
			return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	}
	if (payload->row_count == 0)
		return pyr_fail(error, PYR_USAGE, "%s has no rows", path);
	return pyr_ok();
}

static pyr_result read_flights(struct bench_payload *payload, struct pyr_error *error)
{
	struct base_slice csv = {0};
	pyr_result result = os_environment_read_file(payload->options.flights_path, FLIGHTS_BYTES_MAX, &csv);
	if (result.code != PYR_OK)
		return pyr_fail(error, PYR_USAGE,
		                "%s can't be read: give the flights' CSV with --flights (make deps fetches it)",
		                payload->options.flights_path);
	result = parse_flights(payload, (struct base_bytes){csv.data, csv.bytes}, error);
	base_slice_release(&csv);
	return result;
}

/* ---- both ---- */

pyr_result bench_payload_new(const struct bench_payload_options *options, struct bench_payload **ret_payload,
                             struct pyr_error *error)
{
	assert(options->record_bytes <= TEXT_BYTES && options->batch_records > 0);
	struct bench_payload *payload = calloc(1, sizeof *payload);
	if (!payload)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	payload->options = *options;
	pyr_result result = options->kind == BENCH_RANDOM ? make_text(payload) : read_flights(payload, error);
	if (result.code == PYR_OK)
		result = make_keys(payload);
	if (result.code != PYR_OK) {
		bench_payload_free(payload);
		return result;
	}
	*ret_payload = payload;
	return pyr_ok();
}

void bench_payload_free(struct bench_payload *payload)
{
	if (!payload)
		return;
	free(payload->text);
	free(payload->rows);
	free(payload->keys);
	free(payload);
}

static struct record record_at(const struct bench_payload *payload, uint64_t number)
{
	if (payload->options.kind == BENCH_FLIGHTS) {
		const struct row *row = &payload->rows[number % payload->row_count];
		const uint8_t *at = payload->text + row->at;
		return (struct record){.key = {row->key_bytes > 0 ? at : NULL, row->key_bytes},
		                       .value = {at + row->key_bytes, row->bytes}};
	}
	/* One window behind the other; each pass through the text begins at another place. */
	uint64_t bytes = payload->options.record_bytes;
	uint64_t windows = bytes > 0 ? (TEXT_BYTES - bytes) / bytes + 1 : 1;
	uint64_t shift = bytes > 0 && windows > 1 ? number / windows % bytes : 0;
	uint64_t at = number % windows * bytes + shift;
	if (at + bytes > TEXT_BYTES)
		at = shift;
	return (struct record){.key = key_at(payload, number), .value = {payload->text + at, bytes}};
}

static pyr_result build(const struct bench_payload *payload, int64_t timestamp_ms, uint64_t *cursor,
                        struct bench_batch *ret_batch, uint64_t *raw_bytes)
{
	struct codec_batch_builder builder;
	codec_batch_builder_init(&builder, payload->options.codec, BATCH_BYTES_MAX);
	*ret_batch = (struct bench_batch){0};
	for (uint32_t i = 0; i < payload->options.batch_records; i++) {
		struct record record = record_at(payload, (*cursor)++);
		codec_batch_builder_add(&builder, timestamp_ms, record.key, record.value, NULL, 0);
		ret_batch->payload_bytes += record.key.bytes + record.value.bytes;
	}
	*raw_bytes += builder.writer.bytes;
	pyr_result result = codec_batch_builder_take(&builder, &ret_batch->bytes);
	codec_batch_builder_deinit(&builder);
	return result;
}

pyr_result bench_payload_build(const struct bench_payload *payload, int64_t timestamp_ms, uint64_t *cursor,
                               struct bench_batch *ret_batch)
{
	uint64_t raw_bytes = 0;
	return build(payload, timestamp_ms, cursor, ret_batch, &raw_bytes);
}

pyr_result bench_pool_init(struct bench_pool *pool, const struct bench_payload *payload, int64_t timestamp_ms,
                           struct pyr_error *error)
{
	uint64_t cursor = 0;
	*pool = (struct bench_pool){.batches = calloc(POOL_BATCHES_MAX, sizeof *pool->batches)};
	if (!pool->batches)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	while (pool->count < POOL_BATCHES_MAX && (pool->count < POOL_BATCHES_MIN || pool->bytes < POOL_BYTES)) {
		struct bench_batch *batch = &pool->batches[pool->count];
		if (build(payload, timestamp_ms, &cursor, batch, &pool->raw_bytes).code != PYR_OK)
			return pyr_fail(error, PYR_USAGE,
			                "a batch of %u records is larger than %d MiB or than memory: give fewer "
			                "--batch-records",
			                payload->options.batch_records, BATCH_BYTES_MAX >> 20);
		pool->count += 1;
		pool->bytes += batch->bytes.bytes;
		pool->payload_bytes += batch->payload_bytes;
	}
	return pyr_ok();
}

void bench_pool_deinit(struct bench_pool *pool)
{
	for (uint32_t i = 0; i < pool->count; i++)
		base_slice_release(&pool->batches[i].bytes);
	free(pool->batches);
	*pool = (struct bench_pool){0};
}
