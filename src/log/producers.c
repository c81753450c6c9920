/* Idempotent producers of one partition (see producers.h).
 *
 * Invariant: recent[] is in sequence order; entries with an append are not durable and come after those without. The
 * newest entry says which sequence comes next; with no entry left, `committed` does.
 */
#include "log/producers.h"

#include "base/hash.h"
#include "log/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Kafka clients keep at most five batches in flight. */
enum { RECENT_MAX = 8, PERSISTED_MAX = 5 };

struct recent_batch {
	int16_t epoch;
	int32_t first_sequence;
	int32_t last_sequence;
	int64_t base_offset;
	struct log_append *append; /* NULL: durable */
};

struct producer {
	struct base_table_node node;
	int64_t id;
	int64_t last_append_ms;
	size_t recent_count;
	struct recent_batch recent[RECENT_MAX];
	int16_t committed_epoch; /* -1: nothing committed */
	int32_t committed_sequence;
};

static bool equal_id(const struct base_table_node *node, const void *key)
{
	return BASE_CONTAINER(node, struct producer, node)->id == *(const int64_t *)key;
}

static struct producer *find(const struct log_producers *producers, int64_t id)
{
	struct base_table_node *node = base_table_find(&producers->table, base_hash_u64((uint64_t)id), equal_id, &id);
	return node ? BASE_CONTAINER(node, struct producer, node) : NULL;
}

/* Sequences wrap from 2^31 - 1 to 0. */
static int32_t sequence_add(int32_t sequence, int32_t count)
{
	return (int32_t)(((uint32_t)sequence + (uint32_t)count) & INT32_MAX);
}

static int32_t last_sequence_of(const struct codec_batch *batch)
{
	return sequence_add(batch->base_sequence, batch->last_offset_delta);
}

/* What the newest batch, appended or committed, was. False: the producer is new. */
static bool newest(const struct producer *producer, int16_t *ret_epoch, int32_t *ret_last)
{
	if (producer->recent_count > 0) {
		*ret_epoch = producer->recent[producer->recent_count - 1].epoch;
		*ret_last = producer->recent[producer->recent_count - 1].last_sequence;
		return true;
	}
	*ret_epoch = producer->committed_epoch;
	*ret_last = producer->committed_sequence;
	return producer->committed_epoch >= 0;
}

static const struct recent_batch *find_same(const struct producer *producer, const struct codec_batch *batch)
{
	for (size_t i = 0; i < producer->recent_count; i++) {
		const struct recent_batch *recent = &producer->recent[i];
		if (recent->epoch == batch->producer_epoch && recent->first_sequence == batch->base_sequence &&
		    recent->last_sequence == last_sequence_of(batch))
			return recent;
	}
	return NULL;
}

static pyr_result check_next(const struct producer *producer, const struct codec_batch *batch)
{
	int16_t epoch;
	int32_t last;
	if (!newest(producer, &epoch, &last))
		return pyr_ok();
	if (batch->producer_epoch < epoch)
		return pyr_result_of(PYR_PRODUCER_FENCED);
	if (batch->producer_epoch > epoch)
		return pyr_result_of(batch->base_sequence == 0 ? PYR_OK : PYR_OUT_OF_ORDER_SEQUENCE);
	if (batch->base_sequence == sequence_add(last, 1))
		return pyr_ok();
	/* Behind what we have, but no longer remembered batch by batch: it was stored. */
	uint32_t behind = (uint32_t)(last - batch->base_sequence);
	return pyr_result_of(behind < INT32_MAX / 2 ? PYR_DUPLICATE_SEQUENCE : PYR_OUT_OF_ORDER_SEQUENCE);
}

pyr_result log_producers_check(const struct log_producers *producers, const struct codec_batch *batch,
                               struct log_sequence_verdict *ret_verdict)
{
	assert(batch->producer_id >= 0);
	const struct producer *producer = find(producers, batch->producer_id);
	*ret_verdict = (struct log_sequence_verdict){.sequence = LOG_SEQUENCE_NEXT, .base_offset = -1};
	/* A producer begins at 0. Were another sequence taken, the batches before it, refused for a moment and sent again,
	 * would pass for old ones. */
	if (!producer)
		return pyr_result_of(batch->base_sequence == 0 ? PYR_OK : PYR_UNKNOWN_PRODUCER);
	const struct recent_batch *same = find_same(producer, batch);
	if (same) {
		ret_verdict->sequence = same->append ? LOG_SEQUENCE_PENDING : LOG_SEQUENCE_DUPLICATE;
		ret_verdict->base_offset = same->base_offset;
		ret_verdict->original = same->append;
		return pyr_ok();
	}
	PYR_TRY(check_next(producer, batch));
	bool full = producer->recent_count == RECENT_MAX && producer->recent[0].append;
	return pyr_result_of(full ? PYR_BUSY : PYR_OK);
}

size_t log_producers_list(const struct log_producers *producers, struct log_producer_info *infos, size_t max)
{
	size_t count = 0;
	for (struct base_table_node *node = NULL; count < max && (node = base_table_next(&producers->table, node));) {
		const struct producer *producer = BASE_CONTAINER(node, struct producer, node);
		infos[count] =
			(struct log_producer_info){.id = producer->id, .last_append_ms = producer->last_append_ms};
		if (newest(producer, &infos[count].epoch, &infos[count].last_sequence))
			count += 1;
	}
	return count;
}

static void forget(struct log_producers *producers, struct producer *producer)
{
	base_table_remove(&producers->table, &producer->node);
	free(producer);
}

static bool has_pending(const struct producer *producer)
{
	return producer->recent_count > 0 && producer->recent[producer->recent_count - 1].append;
}

static void forget_quietest(struct log_producers *producers)
{
	struct producer *quietest = NULL;
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&producers->table, node))) {
		struct producer *producer = BASE_CONTAINER(node, struct producer, node);
		if (!has_pending(producer) && (!quietest || producer->last_append_ms < quietest->last_append_ms))
			quietest = producer;
	}
	if (quietest)
		forget(producers, quietest);
}

static struct producer *add(struct log_producers *producers, int64_t id, uint32_t count_max)
{
	if (producers->table.count >= count_max)
		forget_quietest(producers);
	struct producer *producer = calloc(1, sizeof *producer);
	if (!producer)
		return NULL;
	producer->id = id;
	producer->committed_epoch = -1;
	if (!base_table_insert(&producers->table, &producer->node, base_hash_u64((uint64_t)id))) {
		free(producer);
		return NULL;
	}
	return producer;
}

static void commit_through(struct producer *producer, const struct recent_batch *recent)
{
	producer->committed_epoch = recent->epoch;
	producer->committed_sequence = recent->last_sequence;
}

static void push_recent(struct producer *producer, const struct recent_batch *recent)
{
	if (producer->recent_count == RECENT_MAX) {
		producer->recent_count -= 1;
		memmove(&producer->recent[0], &producer->recent[1], producer->recent_count * sizeof *recent);
	}
	producer->recent[producer->recent_count++] = *recent;
	if (!recent->append)
		commit_through(producer, recent);
}

pyr_result log_producers_append(struct log_producers *producers, const struct codec_batch *batch, int64_t base_offset,
                                struct log_append *append, int64_t now_ms, uint32_t count_max)
{
	struct producer *producer = find(producers, batch->producer_id);
	if (!producer)
		producer = add(producers, batch->producer_id, count_max);
	if (!producer)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	struct recent_batch recent = {.epoch = batch->producer_epoch,
	                              .first_sequence = batch->base_sequence,
	                              .last_sequence = last_sequence_of(batch),
	                              .base_offset = base_offset,
	                              .append = append};
	push_recent(producer, &recent);
	if (now_ms > producer->last_append_ms)
		producer->last_append_ms = now_ms;
	return pyr_ok();
}

void log_producers_commit(struct log_producers *producers, int64_t producer_id, const struct log_append *append)
{
	struct producer *producer = find(producers, producer_id);
	for (size_t i = 0; producer && i < producer->recent_count; i++) {
		if (producer->recent[i].append != append)
			continue;
		producer->recent[i].append = NULL;
		commit_through(producer, &producer->recent[i]);
		return;
	}
}

static bool is_empty(const struct producer *producer)
{
	return producer->recent_count == 0 && producer->committed_epoch < 0;
}

void log_producers_rollback(struct log_producers *producers, int64_t offset)
{
	struct base_table_node *node = base_table_next(&producers->table, NULL), *next;
	for (; node; node = next) {
		struct producer *producer = BASE_CONTAINER(node, struct producer, node);
		next = base_table_next(&producers->table, node);
		bool durable_gone = false;
		while (producer->recent_count > 0 && producer->recent[producer->recent_count - 1].base_offset >= offset)
			durable_gone |= !producer->recent[--producer->recent_count].append;
		if (durable_gone) {
			producer->committed_epoch = -1;
			for (size_t i = 0; i < producer->recent_count; i++)
				if (!producer->recent[i].append)
					commit_through(producer, &producer->recent[i]);
		}
		if (is_empty(producer))
			forget(producers, producer);
	}
}

void log_producers_expire(struct log_producers *producers, int64_t before_ms)
{
	struct base_table_node *node = base_table_next(&producers->table, NULL), *next;
	for (; node; node = next) {
		struct producer *producer = BASE_CONTAINER(node, struct producer, node);
		next = base_table_next(&producers->table, node);
		if (producer->last_append_ms < before_ms && !has_pending(producer))
			forget(producers, producer);
	}
}

void log_producers_deinit(struct log_producers *producers)
{
	struct base_table_node *node;
	while ((node = base_table_next(&producers->table, NULL)))
		forget(producers, BASE_CONTAINER(node, struct producer, node));
	base_table_deinit(&producers->table);
}

static size_t durable_count(const struct producer *producer)
{
	size_t count = producer->recent_count;
	while (count > 0 && producer->recent[count - 1].append)
		count -= 1;
	return count;
}

static void encode_one(const struct producer *producer, struct base_writer *writer)
{
	size_t count = durable_count(producer);
	size_t first = count > PERSISTED_MAX ? count - PERSISTED_MAX : 0;
	base_write_u64le(writer, (uint64_t)producer->id);
	base_write_u64le(writer, (uint64_t)producer->last_append_ms);
	base_write_u16le(writer, (uint16_t)producer->committed_epoch);
	base_write_u32le(writer, (uint32_t)producer->committed_sequence);
	base_write_u8(writer, (uint8_t)(count - first));
	for (size_t i = first; i < count; i++) {
		const struct recent_batch *recent = &producer->recent[i];
		base_write_u16le(writer, (uint16_t)recent->epoch);
		base_write_u32le(writer, (uint32_t)recent->first_sequence);
		base_write_u32le(writer, (uint32_t)recent->last_sequence);
		base_write_u64le(writer, (uint64_t)recent->base_offset);
	}
}

void log_producers_encode(const struct log_producers *producers, struct base_writer *writer)
{
	base_write_u32le(writer, (uint32_t)producers->table.count);
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&producers->table, node)))
		encode_one(BASE_CONTAINER(node, struct producer, node), writer);
}

static pyr_result decode_one(struct log_producers *producers, struct base_reader *reader)
{
	int64_t id = (int64_t)base_read_u64le(reader);
	if (reader->failed || find(producers, id))
		return pyr_result_of(PYR_CORRUPT);
	struct producer *producer = add(producers, id, UINT32_MAX);
	if (!producer)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	producer->last_append_ms = (int64_t)base_read_u64le(reader);
	producer->committed_epoch = (int16_t)base_read_u16le(reader);
	producer->committed_sequence = (int32_t)base_read_u32le(reader);
	size_t count = base_read_u8(reader);
	if (count > RECENT_MAX)
		return pyr_result_of(PYR_CORRUPT);
	for (size_t i = 0; i < count; i++) {
		struct recent_batch *recent = &producer->recent[i];
		recent->epoch = (int16_t)base_read_u16le(reader);
		recent->first_sequence = (int32_t)base_read_u32le(reader);
		recent->last_sequence = (int32_t)base_read_u32le(reader);
		recent->base_offset = (int64_t)base_read_u64le(reader);
	}
	producer->recent_count = count;
	return base_reader_check(reader, PYR_CORRUPT);
}

pyr_result log_producers_decode(struct log_producers *producers, struct base_reader *reader)
{
	uint32_t count = base_read_u32le(reader);
	for (uint32_t i = 0; i < count && !reader->failed; i++)
		PYR_TRY(decode_one(producers, reader));
	return base_reader_check(reader, PYR_CORRUPT);
}
