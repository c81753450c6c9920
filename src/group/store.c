/* Groups in the log: the topic __consumer_offsets is read at the start, written to in batches, and kept short by
 * snapshots (see coordinator.h, docs/formats/groups.md).
 *
 * One batch is on its way at a time. So a snapshot's batch, which takes what is in memory at its moment, never stands
 * behind something newer that it does not know: whatever is queued comes later. A group's records of a snapshot leave
 * together, with nothing in between. When every group was written once, and all of it is durable, what lies before the
 * first of these batches is deleted; a crash at any time leaves either the old records or a whole snapshot, or both.
 * Failure modes: a log that is busy is tried again; after any other failure memory may be ahead of what is written, so
 * whoever waits is told to come again, and the topic is read anew. A log that has stopped is not. */
#include "codec/batch.h"
#include "group/coordinator_priv.h"

#include <assert.h>
#include <stdlib.h>

enum {
	BATCH_BYTES = 1 << 20, /* no more is begun */
	BATCH_BYTES_MAX = (GROUP_RECORDS_BYTES_MAX) + (BATCH_BYTES) + (1 << 16),
	READ_BYTES = 1 << 20,
	RETRY_US = 10000,
	INFLATED_BYTES_MAX = 256 << 20,
};

#define SNAPSHOT_BYTES_MAX ((size_t)1 << 31)

static const char topic_name[] = "__consumer_offsets";

/* ---- reading ---- */

static pyr_result load_record(struct group_coordinator *coordinator, const struct codec_record *record)
{
	struct base_bytes id;
	if (!record->key.data)
		return pyr_result_of(PYR_CORRUPT);
	PYR_TRY(group_record_group(record->key, &id));
	struct group_slot *slot = group_slot_make(coordinator, id);
	return slot ? group_restore(&slot->group, record->key, record->value) : pyr_result_of(PYR_OUT_OF_MEMORY);
}

static pyr_result load_batch(struct group_coordinator *coordinator, const struct codec_batch *batch)
{
	struct codec_record_reader records;
	struct codec_record record;
	PYR_TRY(codec_record_reader_init(&records, batch, INFLATED_BYTES_MAX));
	pyr_result result = pyr_ok();
	while (result.code == PYR_OK && codec_record_next(&records, &record))
		result = load_record(coordinator, &record);
	if (result.code == PYR_OK)
		result = codec_record_reader_check(&records);
	codec_record_reader_deinit(&records);
	return result;
}

static pyr_result load_slice(struct group_coordinator *coordinator, struct base_slice slice)
{
	struct codec_batch batch;
	for (size_t at = 0; at < slice.bytes; at += batch.bytes) {
		PYR_TRY(codec_batch_parse((struct base_bytes){slice.data + at, slice.bytes - at}, &batch));
		if (!codec_batch_is_control(&batch))
			PYR_TRY(load_batch(coordinator, &batch));
		coordinator->read.offset = codec_batch_last_offset(&batch) + 1;
	}
	coordinator->written_bytes += slice.bytes;
	return pyr_ok();
}

static void loaded(struct group_coordinator *coordinator)
{
	struct group_world world = group_world_of(coordinator);
	coordinator->phase = GROUP_SERVING;
	for (struct base_list *node = coordinator->list.next, *next; node != &coordinator->list; node = next) {
		struct group_slot *slot = BASE_CONTAINER(node, struct group_slot, node);
		struct group_effects effects;
		next = node->next;
		group_effects_init(&effects);
		group_restored(&slot->group, &world);
		group_carry_out(coordinator, slot, &effects);
	}
}

static void load_failed(struct group_coordinator *coordinator, enum pyr_code code)
{
	coordinator->phase = GROUP_FAILED;
	group_say(coordinator, "the topic %s can't be read at offset %lld (%s): no consumer group is served",
	          topic_name, (long long)coordinator->read.offset, pyr_code_text(code));
}

/* False: that was all, or it failed. */
static bool load_answered(struct group_coordinator *coordinator)
{
	struct log_read *read = &coordinator->read;
	pyr_result result = read->result;
	bool more = read->slice_count > 0;
	for (size_t i = 0; i < read->slice_count && result.code == PYR_OK; i++)
		result = load_slice(coordinator, read->slices[i]);
	log_read_release(read);
	if (result.code != PYR_OK)
		load_failed(coordinator, result.code);
	else if (!more || read->offset >= coordinator->load_end)
		loaded(coordinator);
	return coordinator->phase == GROUP_LOADING;
}

static void load_more(struct group_coordinator *coordinator)
{
	do {
		if (!log_read(coordinator->log, &coordinator->read))
			return;
	} while (load_answered(coordinator) && !coordinator->closed);
	coordinator->reading = false;
	group_settle(coordinator);
}

static void on_read(struct log_read *read)
{
	struct group_coordinator *coordinator = BASE_CONTAINER(read, struct group_coordinator, read);
	if (load_answered(coordinator) && !coordinator->closed) {
		load_more(coordinator);
		return;
	}
	coordinator->reading = false;
	group_settle(coordinator);
}

static uint32_t find_partition(const struct group_coordinator *coordinator)
{
	const struct catalog_topic *topic = catalog_topic_find(coordinator->catalog, topic_name, sizeof topic_name - 1);
	return topic ? catalog_topic_partition(topic, 0) : 0;
}

void group_store_load(struct group_coordinator *coordinator)
{
	struct log_partition_info info;
	coordinator->partition = find_partition(coordinator);
	if (coordinator->partition == 0) {
		coordinator->phase = GROUP_SERVING;
		return;
	}
	pyr_result result = log_partition_get(coordinator->log, coordinator->partition, &info);
	if (result.code != PYR_OK) {
		load_failed(coordinator, result.code);
		return;
	}
	coordinator->read = (struct log_read){
		.partition = coordinator->partition,
		.offset = info.log_start_offset,
		.bytes_max = READ_BYTES,
		.whole_batch_first = true,
		.done = on_read,
	};
	coordinator->load_end = info.high_watermark;
	coordinator->reading = true;
	load_more(coordinator);
}

/* ---- the topic ---- */

static void fail_queue(struct group_coordinator *coordinator, enum pyr_code code);

static void on_created(struct catalog_change *change)
{
	struct group_coordinator *coordinator = BASE_CONTAINER(change, struct group_coordinator, create);
	coordinator->creating = false;
	coordinator->partition = find_partition(coordinator);
	if (coordinator->partition == 0)
		fail_queue(coordinator, change->result.code == PYR_OK ? PYR_INTERNAL : change->result.code);
	group_store_kick(coordinator);
	group_settle(coordinator);
}

static void create_topic(struct group_coordinator *coordinator)
{
	struct catalog_change *change = &coordinator->create;
	*change = (struct catalog_change){.partition_count = 1, .on_leader = true, .done = on_created};
	memcpy(change->name, topic_name, sizeof topic_name);
	change->config = catalog_topic_config_default();
	pyr_result set = catalog_setting_parse(&change->config, "retention.ms", "-1", NULL);
	if (set.code == PYR_OK)
		set = catalog_setting_parse(&change->config, "pyralog.durability", "fsync", NULL);
	assert(set.code == PYR_OK);
	coordinator->creating = true;
	catalog_topic_create(coordinator->catalog, change);
}

/* ---- writing ---- */

static void written(struct group_coordinator *coordinator, struct group_write *write, pyr_result result)
{
	struct group_slot *slot = BASE_CONTAINER(write->group, struct group_slot, group);
	struct group_world world = group_world_of(coordinator);
	struct group_effects effects;
	group_effects_init(&effects);
	group_written(write, result, &world, &effects);
	group_carry_out(coordinator, slot, &effects);
}

static void answer_writes(struct group_coordinator *coordinator, struct base_list *writes, pyr_result result)
{
	struct base_list *node;
	while ((node = base_list_pop(writes)))
		written(coordinator, BASE_CONTAINER(node, struct group_write, node), result);
}

static void fail_queue(struct group_coordinator *coordinator, enum pyr_code code)
{
	struct base_list failed;
	base_list_init(&failed);
	base_list_splice(&failed, &coordinator->queue);
	answer_writes(coordinator, &failed, pyr_result_of(code));
}

static void on_appended(struct log_append *append);

static void append_batch(struct group_coordinator *coordinator, struct codec_batch_builder *builder, int64_t now_ms)
{
	struct base_slice batch = {0};
	pyr_result result = codec_batch_builder_take(builder, &batch);
	if (result.code != PYR_OK) {
		struct base_list failed;
		base_list_init(&failed);
		base_list_splice(&failed, &coordinator->flying);
		coordinator->snapshotting = false; /* tried again when more was written */
		answer_writes(coordinator, &failed, result);
		return;
	}
	coordinator->append = (struct log_append){
		.partition = coordinator->partition,
		.batch = batch,
		.min_timestamp_ms = now_ms,
		.done = on_appended,
	};
	coordinator->appending = true;
	coordinator->written_bytes += batch.bytes;
	coordinator->metrics.batches += 1;
	log_append(coordinator->log, &coordinator->append);
}

/* Adds records from `reader` until the batch is full. */
static void add_records(struct codec_batch_builder *builder, struct base_reader *reader, int64_t now_ms)
{
	struct base_bytes key, value;
	while (builder->writer.bytes < BATCH_BYTES && group_records_next(reader, &key, &value))
		codec_batch_builder_add(builder, now_ms, key, value, NULL, 0);
}

/* What waited only for the writes before it: they are durable. */
static void answer_empty(struct group_coordinator *coordinator)
{
	struct base_list answered;
	base_list_init(&answered);
	base_list_splice(&answered, &coordinator->flying);
	answer_writes(coordinator, &answered, pyr_ok());
}

static void append_queue(struct group_coordinator *coordinator)
{
	struct codec_batch_builder builder;
	int64_t now_ms = os_wall_ms(coordinator->loop);
	codec_batch_builder_init(&builder, CODEC_NONE, BATCH_BYTES_MAX);
	while (!base_list_empty(&coordinator->queue) && builder.writer.bytes < BATCH_BYTES) {
		struct base_list *node = base_list_pop(&coordinator->queue);
		const struct group_write *write = BASE_CONTAINER(node, struct group_write, node);
		struct base_bytes key, value;
		const uint8_t *data = write->records.bytes > 0 ? write->records.buffer->data : NULL;
		struct base_reader reader = base_reader_init(data, write->records.bytes);
		while (group_records_next(&reader, &key, &value))
			codec_batch_builder_add(&builder, now_ms, key, value, NULL, 0);
		base_list_append(&coordinator->flying, node);
	}
	coordinator->append_is_snapshot = false;
	if (builder.record_count > 0)
		append_batch(coordinator, &builder, now_ms);
	else
		answer_empty(coordinator);
	codec_batch_builder_deinit(&builder);
}

/* ---- snapshots ---- */

static void on_trimmed(struct log_append *append)
{
	struct group_coordinator *coordinator = BASE_CONTAINER(append, struct group_coordinator, trim);
	coordinator->trimming = false; /* a failure leaves more to read at the next start, no more */
	group_settle(coordinator);
}

static void end_snapshot(struct group_coordinator *coordinator)
{
	coordinator->snapshotting = false;
	coordinator->metrics.snapshots += 1;
	coordinator->live_bytes = coordinator->written_bytes;
	coordinator->written_bytes = 0;
	base_slice_release(&coordinator->snapshot_records);
	if (coordinator->snapshot_offset < 0)
		return;
	coordinator->trim = (struct log_append){.partition = coordinator->partition, .done = on_trimmed};
	coordinator->trimming = true;
	log_delete_records(coordinator->log, &coordinator->trim, coordinator->snapshot_offset);
}

static void begin_snapshot(struct group_coordinator *coordinator)
{
	uint64_t due = coordinator->options.snapshot_bytes_min;
	if (due < 2 * coordinator->live_bytes)
		due = 2 * coordinator->live_bytes;
	if (coordinator->snapshotting || coordinator->trimming || coordinator->written_bytes < due)
		return;
	coordinator->snapshotting = true;
	coordinator->snapshot += 1;
	coordinator->snapshot_offset = -1;
	coordinator->snapshot_at = 0;
	coordinator->written_bytes = 0;
}

/* The next group's records, as they are at this moment. False: memory is out, or there is none left. */
static bool next_group(struct group_coordinator *coordinator)
{
	struct base_writer writer;
	base_slice_release(&coordinator->snapshot_records);
	coordinator->snapshot_at = 0;
	if (base_list_empty(&coordinator->list))
		return false;
	struct group_slot *slot = BASE_CONTAINER(coordinator->list.next, struct group_slot, node);
	if (slot->snapshot == coordinator->snapshot)
		return false;
	base_writer_init(&writer, SNAPSHOT_BYTES_MAX);
	group_snapshot(&slot->group, &writer);
	bool taken = base_writer_take(&writer, &coordinator->snapshot_records).code == PYR_OK;
	base_writer_deinit(&writer);
	if (!taken) {
		coordinator->snapshotting = false;
		return false;
	}
	slot->snapshot = coordinator->snapshot;
	base_list_remove(&slot->node);
	base_list_append(&coordinator->list, &slot->node);
	return true;
}

/* One batch of the snapshot. False: nothing to write, it is at its end or given up. */
static bool append_snapshot(struct group_coordinator *coordinator)
{
	struct codec_batch_builder builder;
	int64_t now_ms = os_wall_ms(coordinator->loop);
	codec_batch_builder_init(&builder, CODEC_NONE, BATCH_BYTES_MAX);
	while (builder.writer.bytes < BATCH_BYTES) {
		if (coordinator->snapshot_at == coordinator->snapshot_records.bytes && !next_group(coordinator))
			break;
		const struct base_slice *records = &coordinator->snapshot_records;
		struct base_reader reader = base_reader_init(records->data + coordinator->snapshot_at,
		                                             records->bytes - coordinator->snapshot_at);
		add_records(&builder, &reader, now_ms);
		coordinator->snapshot_at = (size_t)(reader.at - records->data);
	}
	bool any = builder.record_count > 0;
	if (any) {
		coordinator->append_is_snapshot = true;
		append_batch(coordinator, &builder, now_ms);
	} else if (coordinator->snapshotting) {
		end_snapshot(coordinator);
	}
	codec_batch_builder_deinit(&builder);
	return any;
}

static void on_retry(struct os_timer *timer)
{
	group_store_kick(BASE_CONTAINER(timer, struct group_coordinator, retry));
}

void group_store_init(struct group_coordinator *coordinator)
{
	coordinator->retry.fire = on_retry;
}

/* The batch goes again, before what was queued meanwhile. */
static void try_again(struct group_coordinator *coordinator)
{
	base_list_splice(&coordinator->flying, &coordinator->queue);
	base_list_splice(&coordinator->queue, &coordinator->flying);
	coordinator->appending = false;
	os_timer_start(coordinator->loop, &coordinator->retry, RETRY_US);
}

static void read_anew(struct group_coordinator *coordinator, enum pyr_code code)
{
	coordinator->phase = GROUP_LOADING;
	fail_queue(coordinator, code);
	group_forget_all(coordinator);
	coordinator->appending = coordinator->snapshotting = false;
	base_slice_release(&coordinator->snapshot_records);
	coordinator->snapshot_at = 0;
	if (code == PYR_STOPPED)
		load_failed(coordinator, code);
	else if (!coordinator->closed)
		group_store_load(coordinator);
	group_settle(coordinator);
}

static void on_appended(struct log_append *append)
{
	struct group_coordinator *coordinator = BASE_CONTAINER(append, struct group_coordinator, append);
	struct base_list answered;
	bool ok = append->result.code == PYR_OK;
	if (append->result.code == PYR_BUSY && !coordinator->append_is_snapshot && !coordinator->closed) {
		try_again(coordinator);
		return;
	}
	base_list_init(&answered);
	base_list_splice(&answered, &coordinator->flying);
	if (coordinator->append_is_snapshot && !ok)
		coordinator->snapshotting = false;
	if (coordinator->append_is_snapshot && ok && coordinator->snapshot_offset < 0)
		coordinator->snapshot_offset = append->base_offset;
	/* Still appending while answers go out, so that the next batch takes all that they lead to. */
	answer_writes(coordinator, &answered, append->result);
	if (!ok && !coordinator->append_is_snapshot) {
		read_anew(coordinator, append->result.code);
		return;
	}
	coordinator->appending = false;
	group_store_kick(coordinator);
	group_settle(coordinator);
}

void group_store_kick(struct group_coordinator *coordinator)
{
	if (coordinator->appending || coordinator->creating || coordinator->phase != GROUP_SERVING)
		return;
	begin_snapshot(coordinator);
	bool in_group = coordinator->snapshot_at < coordinator->snapshot_records.bytes;
	bool its_turn = in_group || base_list_empty(&coordinator->queue) || !coordinator->append_is_snapshot;
	if (coordinator->snapshotting && its_turn && !coordinator->closed && append_snapshot(coordinator))
		return;
	if (base_list_empty(&coordinator->queue))
		return;
	if (coordinator->partition == 0)
		create_topic(coordinator);
	else
		append_queue(coordinator);
}
