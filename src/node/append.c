/* Records become batches on the query's thread, and the logs' on the shards' (see append.h).
 *
 * A message to shard 0 asks for the topics' partitions; then each shard that has some gets a message with its batches, and
 * the call is answered when the last is durable. Invariants: records of one partition keep their order; a batch is no larger than BATCH_BYTES_MAX and the
 * topic allow. Failure modes: a batch that fails does not take the others back, and the call tells the first failure.
 * Lock: the call's own, as in source.c.
 */
#include "node/append.h"

#include "os/thread.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TOPICS_MAX = 64, BATCH_BYTES_MAX = 1 << 20, RECORD_OVERHEAD_BYTES = 64 };

struct target {
	const struct query_record *example; /* whose topic it is */
	uint32_t *partitions; /* the log's ids */
	uint32_t partition_count;
	int64_t bytes_max;
	bool compacted; /* every record needs a key */
};

struct append_call;

struct item {
	struct log_append append;
	struct append_call *call;
	size_t first, count; /* in the call's order */
	size_t shard;
};

/* A message to a shard. */
struct leg {
	struct os_task task;
	struct append_call *call;
	size_t shard;
};

struct append_call {
	const struct node_append *append;
	struct query_record *records;
	size_t record_count;
	struct placed {
		size_t target, record;
	} * order; /* by topic, partition, and as they came */
	struct target targets[TOPICS_MAX];
	size_t target_count;
	struct item *items;
	size_t item_count, item_room;
	int64_t now_ms;

	struct leg legs[NODE_SHARDS_MAX];
	pyr_result (*answer)(struct append_call *call, size_t shard, struct pyr_error *error);
	struct os_mutex lock; /* of what follows, which several shards change */
	struct os_condition answered;
	size_t pending; /* messages, and batches under way */
	pyr_result result; /* the first failure */
	struct pyr_error *error;
};

uint32_t node_partition_of_key(struct base_bytes key, uint32_t partition_count)
{
	const uint32_t m = 0x5bd1e995;
	uint32_t h = 0x9747b28c ^ (uint32_t)key.bytes;
	size_t i = 0;
	for (; i + 4 <= key.bytes; i += 4) {
		uint32_t k = base_load_u32le(key.data + i) * m;
		k = (k ^ k >> 24) * m;
		h = h * m ^ k;
	}
	for (size_t left = key.bytes - i; left > 0; left--)
		h ^= (uint32_t)key.data[i + left - 1] << (left - 1) * 8;
	if (i < key.bytes)
		h *= m;
	h = (h ^ h >> 13) * m;
	h ^= h >> 15;
	return (h & INT32_MAX) % partition_count;
}

/* ---- asking the shards ---- */

static void begin_one(struct append_call *call)
{
	os_mutex_lock(&call->lock);
	call->pending += 1;
	os_mutex_unlock(&call->lock);
}

/* A message or a batch is done with. */
static void end_one(struct append_call *call, pyr_result result, const struct pyr_error *error)
{
	os_mutex_lock(&call->lock);
	if (result.code != PYR_OK && call->result.code == PYR_OK) {
		call->result = result;
		if (call->error)
			*call->error = *error;
	}
	call->pending -= 1;
	if (call->pending == 0)
		os_condition_signal(&call->answered);
	os_mutex_unlock(&call->lock);
}

static void on_leg(struct os_task *task)
{
	struct leg *leg = BASE_CONTAINER(task, struct leg, task);
	struct pyr_error error = {0};
	pyr_result result = leg->call->answer(leg->call, leg->shard, &error);
	end_one(leg->call, result, &error);
}

/* Sends the call to the shards that are marked, and waits until they and their batches are done. */
static pyr_result ask(struct append_call *call, const bool shards[NODE_SHARDS_MAX],
                      pyr_result (*answer_of)(struct append_call *, size_t, struct pyr_error *))
{
	const struct node *node = call->append->node;
	call->answer = answer_of;
	call->result = pyr_ok();
	call->pending = 1; /* until all are sent */
	for (size_t i = 0; i < node_shard_count(node); i++) {
		if (!shards[i])
			continue;
		begin_one(call);
		call->legs[i] = (struct leg){{.run = on_leg}, call, i};
		os_loop_post(node_shard(node, i)->loop, &call->legs[i].task);
	}
	os_mutex_lock(&call->lock);
	call->pending -= 1;
	while (call->pending > 0)
		os_condition_wait(&call->answered, &call->lock);
	os_mutex_unlock(&call->lock);
	return call->result;
}

/* ---- on a shard's thread ---- */

static pyr_result answer_target(struct append_call *call, const struct catalog *catalog, struct target *target,
                                struct pyr_error *error)
{
	const char *name = target->example->topic;
	const struct catalog_topic *topic = catalog_topic_find(catalog, name, strlen(name));
	if (!topic)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "relation \"%s\" does not exist any more", name);
	if (catalog_authorize(catalog, call->append->principal, CATALOG_WRITE, name).code != PYR_OK ||
	    group_topic_is_internal(name, strlen(name)))
		return pyr_fail(error, PYR_NOT_AUTHORIZED, "permission denied for table %s", name);
	target->partitions = calloc(topic->partition_count, sizeof *target->partitions);
	if (!target->partitions)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	target->partition_count = topic->partition_count;
	for (uint32_t i = 0; i < topic->partition_count; i++)
		target->partitions[i] = catalog_topic_partition(topic, (int32_t)i);
	struct catalog_topic_config config = catalog_topic_config_of(catalog, topic);
	target->bytes_max = config.max_message_bytes;
	target->compacted = config.cleanup_policy != CATALOG_CLEANUP_DELETE;
	return pyr_ok();
}

static pyr_result answer_targets(struct append_call *call, size_t shard, struct pyr_error *error)
{
	call->now_ms = os_wall_ms(node_shard(call->append->node, shard)->loop);
	for (size_t i = 0; i < call->target_count; i++)
		PYR_TRY(answer_target(call, node_catalog(call->append->node, shard), &call->targets[i], error));
	return pyr_ok();
}

static void on_appended(struct log_append *append)
{
	struct item *item = BASE_CONTAINER(append, struct item, append);
	struct append_call *call = item->call;
	pyr_result result = append->result;
	struct pyr_error error = {0};
	if (result.code != PYR_OK)
		result = pyr_fail(&error, result.code, "the rows were not written: %s", pyr_code_text(result.code));
	for (size_t i = 0; i < item->count && result.code == PYR_OK; i++) {
		struct query_record *record = &call->records[call->order[item->first + i].record];
		record->offset = append->base_offset + (int64_t)i;
		if (append->append_time_ms >= 0)
			record->timestamp_ms = append->append_time_ms;
	}
	end_one(call, result, &error);
}

static pyr_result answer_append(struct append_call *call, size_t shard, struct pyr_error *error)
{
	(void)error;
	for (size_t i = 0; i < call->item_count; i++) {
		struct item *item = &call->items[i];
		if (item->shard != shard)
			continue;
		begin_one(call);
		item->call = call;
		item->append.done = on_appended;
		log_append(node_log(call->append->node, shard), &item->append);
	}
	return pyr_ok();
}

/* ---- on the query's thread ---- */

static pyr_result place_records(struct append_call *call, struct pyr_error *error)
{
	for (size_t i = 0; i < call->record_count; i++) {
		size_t t = 0;
		while (t < call->target_count && strcmp(call->targets[t].example->topic, call->records[i].topic) != 0)
			t += 1;
		if (t == TOPICS_MAX)
			return pyr_fail(error, PYR_TOO_LARGE, "more than %d topics in one transaction", TOPICS_MAX);
		if (t == call->target_count)
			call->targets[call->target_count++].example = &call->records[i];
		call->order[i] = (struct placed){t, i};
	}
	return pyr_ok();
}

static pyr_result choose_partitions(struct append_call *call, struct pyr_error *error)
{
	for (size_t i = 0; i < call->record_count; i++) {
		struct query_record *record = &call->records[i];
		uint32_t count = call->targets[call->order[i].target].partition_count;
		if (record->partition >= (int32_t)count)
			return pyr_fail(error, PYR_UNKNOWN_PARTITION, "topic %s has no partition %d, only 0 to %u",
			                record->topic, record->partition, count - 1);
		if (call->targets[call->order[i].target].compacted && !record->key.data)
			return pyr_fail(error, PYR_INVALID_RECORD,
			                "topic %s is compacted (cleanup.policy=compact): give every row a key",
			                record->topic);
		if (record->partition < 0)
			record->partition =
				(int32_t)(record->key.data ? node_partition_of_key(record->key, count)
			                                   : atomic_fetch_add(call->append->turn, 1) % count);
		if (record->timestamp_ms < 0)
			record->timestamp_ms = call->now_ms;
	}
	return pyr_ok();
}

static int compare(const void *left, const void *right, void *context)
{
	const struct placed *a = left, *b = right;
	const struct query_record *records = context;
	if (a->target != b->target)
		return a->target < b->target ? -1 : 1;
	int32_t p = records[a->record].partition, q = records[b->record].partition;
	if (p != q)
		return p < q ? -1 : 1;
	return a->record < b->record ? -1 : a->record > b->record;
}

static struct item *add_item(struct append_call *call)
{
	if (call->item_count == call->item_room) {
		size_t room = call->item_room ? call->item_room * 2 : 8;
		struct item *items = realloc(call->items, room * sizeof *items);
		if (!items)
			return NULL;
		call->items = items;
		call->item_room = room;
	}
	struct item *item = &call->items[call->item_count++];
	*item = (struct item){0};
	return item;
}

static size_t record_bytes(const struct query_record *record)
{
	size_t bytes = record->key.bytes + record->value.bytes + RECORD_OVERHEAD_BYTES;
	for (size_t i = 0; i < record->header_count; i++)
		bytes += record->headers[i].key.bytes + record->headers[i].value.bytes + 20;
	return bytes;
}

/* One batch of the records from `first` on, as many as are of one partition and fit. */
static pyr_result build_batch(struct append_call *call, struct item *item, struct pyr_error *error)
{
	const struct placed *placed = &call->order[item->first];
	const struct target *target = &call->targets[placed->target];
	int32_t partition = call->records[placed->record].partition;
	size_t most = target->bytes_max < BATCH_BYTES_MAX ? (size_t)target->bytes_max : BATCH_BYTES_MAX, bytes = 0;
	struct codec_batch_builder builder;
	codec_batch_builder_init(&builder, CODEC_NONE, SIZE_MAX);
	item->append.min_timestamp_ms = INT64_MAX;
	for (; item->first + item->count < call->record_count; item->count++, placed++) {
		const struct query_record *record = &call->records[placed->record];
		bytes += record_bytes(record);
		if (&call->targets[placed->target] != target || record->partition != partition ||
		    (item->count > 0 && bytes + CODEC_BATCH_HEADER_BYTES > most))
			break;
		codec_batch_builder_add(&builder, record->timestamp_ms, record->key, record->value, record->headers,
		                        record->header_count);
		if (record->timestamp_ms < item->append.min_timestamp_ms)
			item->append.min_timestamp_ms = record->timestamp_ms;
	}
	item->append.partition = target->partitions[partition];
	item->shard = catalog_shard_of(node_catalog(call->append->node, 0), item->append.partition);
	pyr_result result = codec_batch_builder_take(&builder, &item->append.batch);
	codec_batch_builder_deinit(&builder);
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "%s", pyr_code_text(result.code));
	if ((int64_t)item->append.batch.bytes > target->bytes_max)
		return pyr_fail(error, PYR_TOO_LARGE, "a row has %zu bytes; max.message.bytes of topic %s is %lld",
		                item->append.batch.bytes, target->example->topic, (long long)target->bytes_max);
	return pyr_ok();
}

static pyr_result build_batches(struct append_call *call, struct pyr_error *error)
{
	for (size_t first = 0; first < call->record_count;) {
		struct item *item = add_item(call);
		if (!item)
			return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
		item->first = first;
		PYR_TRY(build_batch(call, item, error));
		assert(item->count > 0);
		first += item->count;
	}
	return pyr_ok();
}

static pyr_result carry_out(struct append_call *call, struct pyr_error *error)
{
	static const bool first[NODE_SHARDS_MAX] = {true};
	bool shards[NODE_SHARDS_MAX] = {false};
	PYR_TRY(place_records(call, error));
	PYR_TRY(ask(call, first, answer_targets));
	PYR_TRY(choose_partitions(call, error));
	qsort_r(call->order, call->record_count, sizeof *call->order, compare, call->records);
	pyr_result result = build_batches(call, error);
	for (size_t i = 0; i < call->item_count; i++)
		shards[call->items[i].shard] = true;
	if (result.code == PYR_OK)
		return ask(call, shards, answer_append);
	for (size_t i = 0; i < call->item_count; i++)
		base_slice_release(&call->items[i].append.batch);
	return result;
}

pyr_result node_append_records(const struct node_append *append, struct query_record *records, size_t record_count,
                               struct pyr_error *error)
{
	struct append_call call = {.append = append, .records = records, .record_count = record_count, .error = error};
	if (record_count == 0)
		return pyr_ok();
	call.order = calloc(record_count, sizeof *call.order);
	if (!call.order)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	os_mutex_init(&call.lock);
	os_condition_init(&call.answered);
	pyr_result result = carry_out(&call, error);
	os_condition_deinit(&call.answered);
	os_mutex_deinit(&call.lock);
	for (size_t i = 0; i < call.target_count; i++)
		free(call.targets[i].partitions);
	free(call.items);
	free(call.order);
	return result;
}
