/* The simulator's model of a partition (see model.h). */
#include "model.h"

#include "codec/batch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

void model_deinit(struct model_partition *model)
{
	free(model->batches);
	*model = (struct model_partition){0};
}

size_t model_send(struct model_partition *model, int32_t records, uint32_t value_bytes)
{
	if (model->count == model->capacity) {
		model->capacity = model->capacity ? model->capacity * 2 : 64;
		model->batches = must(realloc(model->batches, model->capacity * sizeof *model->batches));
	}
	model->batches[model->count] = (struct model_batch){
		.state = MODEL_SENT, .records = records, .value_bytes = value_bytes, .may_remain = true};
	model->batches[model->count].keyed = model->compacted;
	return model->count++;
}

void model_acknowledge(struct model_partition *model, size_t batch, int64_t base_offset)
{
	struct model_batch *facts = &model->batches[batch];
	facts->state = MODEL_ACKNOWLEDGED;
	facts->base_offset = base_offset;
	if (base_offset + facts->records > model->acknowledged_end)
		model->acknowledged_end = base_offset + facts->records;
}

void model_refuse(struct model_partition *model, size_t batch, bool may_remain)
{
	model->batches[batch].state = MODEL_REFUSED;
	model->batches[batch].may_remain = may_remain;
}

bool model_lose_from(struct model_partition *model, int64_t offset)
{
	bool lost = model->acknowledged_end > offset;
	for (size_t i = 0; lost && i < model->count; i++)
		if (model->batches[i].state == MODEL_ACKNOWLEDGED && model->batches[i].base_offset >= offset)
			model_refuse(model, i, false);
	if (lost)
		model->acknowledged_end = offset;
	if (model->log_start > offset)
		model->log_start = offset;
	return lost;
}

/* Record i of a batch: "partition/batch/i/" and a filler that depends on all three. */
static size_t record_value(uint32_t id, size_t batch, int32_t i, uint32_t value_bytes, uint8_t *ret_value)
{
	int head = snprintf((char *)ret_value, 64, "%u/%zu/%d/", id, batch, i);
	size_t bytes = (size_t)head + value_bytes;
	uint32_t state = id * 2654435761u + (uint32_t)batch * 40503u + (uint32_t)i;
	for (size_t at = (size_t)head; at < bytes; at++) {
		state = state * 1664525u + 1013904223u;
		ret_value[at] = (uint8_t)(state >> 24);
	}
	return bytes;
}

struct model_record model_record_of(uint32_t id, size_t batch, int32_t i)
{
	uint32_t state = (id * 2654435761u + (uint32_t)batch * 40503u + (uint32_t)i) * 1664525u + 1013904223u;
	state ^= state >> 15;
	return (struct model_record){state % MODEL_KEYS, state / MODEL_KEYS % 8 == 0};
}

static void add_record(struct codec_batch_builder *builder, uint32_t id, size_t batch, int32_t i, bool keyed,
                       int64_t timestamp_ms, struct base_bytes value)
{
	struct model_record record = model_record_of(id, batch, i);
	char key[16];
	int bytes = snprintf(key, sizeof key, "key-%u", record.key);
	struct base_bytes name = {(const uint8_t *)key, (size_t)bytes};
	codec_batch_builder_add(builder, timestamp_ms, keyed ? name : (struct base_bytes){0},
	                        keyed && record.tombstone ? (struct base_bytes){0} : value, NULL, 0);
}

/* Batches are stamped with their own number, so that time goes up with offsets but for reordering. */
static int64_t timestamp_of(size_t batch)
{
	return 1700000000000 + (int64_t)batch;
}

void model_encode(uint32_t id, size_t batch, const struct model_batch *facts, int64_t producer_id, int16_t epoch,
                  int32_t sequence, struct base_slice *ret_batch)
{
	struct codec_batch_builder builder;
	uint8_t *value = must(malloc(facts->value_bytes + 64));
	codec_batch_builder_init(&builder, facts->keyed && batch % 3 == 0 ? CODEC_LZ4 : CODEC_NONE, 1 << 26);
	builder.producer_id = producer_id;
	builder.producer_epoch = epoch;
	builder.base_sequence = sequence;
	for (int32_t i = 0; i < facts->records; i++) {
		size_t bytes = record_value(id, batch, i, facts->value_bytes, value);
		add_record(&builder, id, batch, i, facts->keyed, timestamp_of(batch),
		           (struct base_bytes){value, bytes});
	}
	if (codec_batch_builder_take(&builder, ret_batch).code != PYR_OK)
		abort();
	codec_batch_builder_deinit(&builder);
	free(value);
}

void model_walk_begin(struct model_walk *walk, uint32_t id, struct model_partition *model, int64_t from)
{
	*walk = (struct model_walk){.id = id, .model = model, .next_offset = from};
	walk->seen = must(calloc(model->count + 1, 1));
	for (size_t i = 0; model->compacted && i < MODEL_KEYS; i++) {
		walk->newest = walk->newest ? walk->newest : must(malloc(MODEL_KEYS * sizeof *walk->newest));
		walk->newest[i] = -1;
	}
}

static bool broken(const struct model_walk *walk, const char *what, size_t batch, int64_t offset)
{
	fprintf(stderr, "partition %u: %s (batch %zu, offset %lld)\n", walk->id, what, batch, (long long)offset);
	return false;
}

static bool check_records(struct model_walk *walk, struct codec_record_reader *reader, size_t number)
{
	const struct model_batch *facts = &walk->model->batches[number];
	uint8_t *expected = must(malloc(facts->value_bytes + 64));
	struct codec_record record;
	bool same = true;
	for (int32_t i = 0; same && i < facts->records && codec_record_next(reader, &record); i++) {
		size_t bytes = record_value(walk->id, number, i, facts->value_bytes, expected);
		same = record.value.bytes == bytes && memcmp(record.value.data, expected, bytes) == 0;
	}
	free(expected);
	return same && reader->next == facts->records;
}

static bool check_batch(struct model_walk *walk, const struct codec_batch *batch)
{
	struct codec_record_reader reader;
	struct codec_record first;
	unsigned id;
	size_t number;
	if (codec_record_reader_init(&reader, batch, 1 << 26).code != PYR_OK)
		return broken(walk, "a batch can't be read", 0, batch->base_offset);
	bool read = codec_record_next(&reader, &first) && first.value.bytes < 1 << 26 &&
	            sscanf((const char *)first.value.data, "%u/%zu/", &id, &number) == 2;
	codec_record_reader_deinit(&reader);
	if (!read || id != walk->id || number >= walk->model->count)
		return broken(walk, "a record that nobody sent here", 0, batch->base_offset);
	const struct model_batch *facts = &walk->model->batches[number];
	if (codec_record_reader_init(&reader, batch, 1 << 26).code != PYR_OK)
		return broken(walk, "a batch can't be read", number, batch->base_offset);
	bool same = check_records(walk, &reader, number);
	codec_record_reader_deinit(&reader);
	if (!same)
		return broken(walk, "a batch with other records than were sent", number, batch->base_offset);
	if (walk->seen[number]++)
		return broken(walk, "a batch is there twice", number, batch->base_offset);
	if (facts->state == MODEL_ACKNOWLEDGED && facts->base_offset != batch->base_offset)
		return broken(walk, "an acknowledged batch at another offset", number, batch->base_offset);
	if (facts->state != MODEL_ACKNOWLEDGED && !facts->may_remain)
		return broken(walk, "a batch that was refused", number, batch->base_offset);
	return true;
}

/* ---- compacted partitions ---- */

static bool is_value(uint32_t id, const struct model_batch *facts, size_t number, int32_t i, struct base_bytes value)
{
	uint8_t *expected = must(malloc(facts->value_bytes + 64));
	size_t bytes = record_value(id, number, i, facts->value_bytes, expected);
	bool same = value.bytes == bytes && memcmp(value.data, expected, bytes) == 0;
	free(expected);
	return same;
}

/* A tombstone says nothing of itself: its place and key do, if it was acknowledged. */
static bool find_tombstone(const struct model_walk *walk, int64_t offset, unsigned key, size_t *ret_number,
                           int32_t *ret_i)
{
	for (size_t number = 0; number < walk->model->count; number++) {
		const struct model_batch *facts = &walk->model->batches[number];
		int64_t i = offset - facts->base_offset;
		if (facts->state != MODEL_ACKNOWLEDGED || i < 0 || i >= facts->records)
			continue;
		struct model_record sent = model_record_of(walk->id, number, (int32_t)i);
		if (sent.tombstone && sent.key == key) {
			*ret_number = number;
			*ret_i = (int32_t)i;
			return true;
		}
	}
	return false;
}

static bool find_value(const struct model_walk *walk, struct base_bytes value, size_t *ret_number, int32_t *ret_i)
{
	unsigned id;
	return value.bytes < 1 << 26 && sscanf((const char *)value.data, "%u/%zu/%d/", &id, ret_number, ret_i) == 3 &&
	       id == walk->id && *ret_number < walk->model->count && *ret_i >= 0 &&
	       *ret_i < walk->model->batches[*ret_number].records;
}

static bool check_thinned_record(struct model_walk *walk, const struct codec_record *record)
{
	size_t number;
	int32_t i;
	unsigned key;
	char name[16] = "";
	if (record->key.data && record->key.bytes < sizeof name)
		memcpy(name, record->key.data, record->key.bytes);
	if (sscanf(name, "key-%u", &key) != 1 || key >= MODEL_KEYS)
		return broken(walk, "a key that nobody sent", 0, record->offset);
	if (record->offset > walk->newest[key])
		walk->newest[key] = record->offset;
	if (!record->value.data && !find_tombstone(walk, record->offset, key, &number, &i))
		return true; /* of a batch whose answer never came */
	if (record->value.data && !find_value(walk, record->value, &number, &i))
		return broken(walk, "a record that nobody sent here", 0, record->offset);
	const struct model_batch *facts = &walk->model->batches[number];
	struct model_record sent = model_record_of(walk->id, number, i);
	bool same = sent.key == key && sent.tombstone == !record->value.data &&
	            (sent.tombstone || is_value(walk->id, facts, number, i, record->value));
	if (!same)
		return broken(walk, "another record than was sent", number, record->offset);
	if (facts->state == MODEL_ACKNOWLEDGED && record->offset != facts->base_offset + i)
		return broken(walk, "an acknowledged record at another offset", number, record->offset);
	if (walk->seen[number] & 1u << i)
		return broken(walk, "a record is there twice", number, record->offset);
	walk->seen[number] |= (uint8_t)(1u << i);
	if (facts->state != MODEL_ACKNOWLEDGED && !facts->may_remain)
		return broken(walk, "a batch that was refused", number, record->offset);
	return true;
}

static bool check_thinned_batch(struct model_walk *walk, const struct codec_batch *batch)
{
	struct codec_record_reader reader;
	struct codec_record record;
	bool right = true;
	if (codec_record_reader_init(&reader, batch, 1 << 26).code != PYR_OK)
		return broken(walk, "a batch can't be read", 0, batch->base_offset);
	while (right && codec_record_next(&reader, &record))
		right = check_thinned_record(walk, &record);
	if (right && codec_record_reader_check(&reader).code != PYR_OK)
		right = broken(walk, "a batch with malformed records", 0, batch->base_offset);
	codec_record_reader_deinit(&reader);
	return right;
}

/* A newer tombstone of the key, or one whose place nobody knows, may have taken it along, and gone. */
static bool is_buried(const struct model_walk *walk, unsigned key, int64_t offset)
{
	const struct model_partition *model = walk->model;
	for (size_t number = 0; number < model->count; number++) {
		const struct model_batch *facts = &model->batches[number];
		bool acknowledged = facts->state == MODEL_ACKNOWLEDGED;
		for (int32_t i = 0; (acknowledged || facts->may_remain) && i < facts->records; i++) {
			struct model_record record = model_record_of(walk->id, number, i);
			if (record.key == key && record.tombstone &&
			    (!acknowledged || facts->base_offset + i >= offset))
				return true;
		}
	}
	return false;
}

static bool check_newest(const struct model_walk *walk, size_t number)
{
	const struct model_batch *facts = &walk->model->batches[number];
	for (int32_t i = 0; facts->state == MODEL_ACKNOWLEDGED && i < facts->records; i++) {
		int64_t offset = facts->base_offset + i;
		unsigned key = model_record_of(walk->id, number, i).key;
		bool there = walk->seen[number] & 1u << i;
		if (!there && offset >= walk->model->log_start && walk->newest[key] < offset &&
		    !is_buried(walk, key, offset))
			return broken(walk, "the newest record of a key is lost", number, offset);
	}
	return true;
}

bool model_walk_bytes(struct model_walk *walk, struct base_bytes bytes)
{
	while (bytes.bytes > 0) {
		struct codec_batch batch;
		if (codec_batch_check(bytes, &batch).code != PYR_OK)
			return broken(walk, "bytes that are no valid batch", 0, walk->next_offset);
		bool first =
			walk->next_offset >= batch.base_offset && walk->next_offset <= codec_batch_last_offset(&batch);
		if (!first)
			return broken(walk, "a gap or a repetition of offsets", (size_t)walk->next_offset,
			              batch.base_offset);
		if (!(walk->model->compacted ? check_thinned_batch(walk, &batch) : check_batch(walk, &batch)))
			return false;
		walk->next_offset = codec_batch_last_offset(&batch) + 1;
		bytes.data += batch.bytes;
		bytes.bytes -= batch.bytes;
	}
	return true;
}

bool model_walk_end(struct model_walk *walk, bool complete, int64_t high_watermark)
{
	struct model_partition *model = walk->model;
	bool right = true;
	for (size_t i = 0; complete && right && i < model->count; i++) {
		const struct model_batch *facts = &model->batches[i];
		if (model->compacted) {
			right = check_newest(walk, i);
			continue;
		}
		bool deleted = facts->base_offset + facts->records <= model->log_start;
		if (facts->state == MODEL_ACKNOWLEDGED && !walk->seen[i] && !deleted)
			right = broken(walk, "an acknowledged batch is lost", i, facts->base_offset);
	}
	if (right && complete && walk->next_offset != high_watermark)
		right = broken(walk, "the walk ended before the high watermark", 0, walk->next_offset);
	if (right && complete && high_watermark < model->acknowledged_end)
		right = broken(walk, "the high watermark went back", 0, high_watermark);
	free(walk->seen);
	free(walk->newest);
	walk->seen = NULL;
	walk->newest = NULL;
	return right;
}
