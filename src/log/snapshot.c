/* Snapshots for other threads (see snapshot.h).
 *
 * Taking one shares the tail's chunks and copies what the parts say, with references; the log's thread reads nothing.
 * Loading, on the reader's thread, reads block indexes, looks through the chunks and cuts everything into runs. Immutable
 * after that. Gathering does the same with what memory has, on the log's thread, and stops at what would take longer.
 */
#include "log/snapshot.h"

#include "base/crc32c.h"
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct snapshot_part {
	struct log_part part;
	struct os_pool_file *file;
	size_t slot;
	struct log_index *index; /* once it is loaded */
};

struct snapshot_span {
	struct log_tail_span span;
	size_t slot;
};

struct snapshot_entry {
	const struct log_tail_entry *entry; /* in a span */
	size_t slot;
};

/* Blocks [first, first + count) of a part, or entries [first, first + count). */
struct snapshot_run {
	struct log_run run;
	const struct snapshot_part *part; /* NULL: entries */
	size_t first;
	size_t count;
	struct base_slice bytes; /* gathered */
};

struct log_snapshot {
	struct log_bounds bounds;
	struct log_indexes *indexes;
	int64_t *start_offsets; /* of each partition: its log start at that moment, or what was asked for behind it */
	int64_t *end_offsets; /* high watermarks */
	size_t slot_count;
	struct snapshot_part *parts;
	size_t part_count, part_capacity;
	struct snapshot_span *spans;
	size_t span_count, span_capacity;
	struct snapshot_entry *entries; /* those within the bounds; once it is loaded */
	size_t entry_count, entry_capacity;
	struct snapshot_run *runs;
	size_t run_count, run_capacity;
	size_t pruned;
	uint64_t record_count;
	bool damaged; /* some of it can't be read: loading says so */
	uint32_t damaged_partition;
	struct log_damage damage;
};

struct log_bounds log_bounds_all(void)
{
	return (struct log_bounds){INT64_MIN, INT64_MAX, INT64_MIN, INT64_MAX};
}

static bool overlaps(const struct log_bounds *bounds, int64_t first, int64_t last, int64_t time_min, int64_t time_max)
{
	return last >= bounds->offset_min && first <= bounds->offset_max && time_max >= bounds->timestamp_ms_min &&
	       time_min <= bounds->timestamp_ms_max;
}

/* ---- taking, on the log's thread ---- */

static pyr_result add_part(struct log_snapshot *snapshot, struct log *log, const struct log_part *part, size_t slot)
{
	if (!base_array_reserve(&snapshot->parts, &snapshot->part_capacity, snapshot->part_count + 1,
	                        sizeof *snapshot->parts))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	snapshot->parts[snapshot->part_count++] = (struct snapshot_part){
		.part = *part, .file = os_pool_file_ref(&log_segment_find(log, part->segment_id)->file), .slot = slot};
	return pyr_ok();
}

static pyr_result add_span(struct log_snapshot *snapshot, const struct log_tail *tail, size_t from, size_t to,
                           size_t slot)
{
	if (!base_array_reserve(&snapshot->spans, &snapshot->span_capacity, snapshot->span_count + 1,
	                        sizeof *snapshot->spans))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	snapshot->spans[snapshot->span_count++] =
		(struct snapshot_span){.span = log_tail_share(tail, from, to), .slot = slot};
	return pyr_ok();
}

/* The entries that are readable, and within the bounds of offsets. */
static pyr_result add_tail(struct log_snapshot *snapshot, const struct log_partition *partition, int64_t start,
                           size_t slot)
{
	const struct log_tail *tail = &partition->tail;
	const struct log_bounds *bounds = &snapshot->bounds;
	size_t from = log_tail_search(tail, bounds->offset_min > start ? bounds->offset_min : start);
	size_t to = log_tail_search(tail, partition->high_watermark);
	if (bounds->offset_max < partition->high_watermark) {
		size_t last = log_tail_search(tail, bounds->offset_max);
		to = last < to ? last + 1 : to;
	}
	while (from < to) {
		PYR_TRY(add_span(snapshot, tail, from, to, slot));
		const struct log_tail_span *added = &snapshot->spans[snapshot->span_count - 1].span;
		from += added->to - added->from;
	}
	return pyr_ok();
}

static void note_damage(struct log_snapshot *snapshot, const struct log_partition *partition, int64_t start)
{
	for (size_t i = 0; i < partition->damage_count; i++) {
		const struct log_damage *damage = &partition->damages[i];
		if (damage->end_offset <= start || damage->end_offset <= snapshot->bounds.offset_min ||
		    damage->base_offset > snapshot->bounds.offset_max)
			continue;
		snapshot->damaged = true;
		snapshot->damaged_partition = partition->id;
		snapshot->damage = *damage;
	}
}

static pyr_result take_partition(struct log_snapshot *snapshot, struct log *log, const struct log_partition *partition,
                                 size_t slot)
{
	const struct log_bounds *bounds = &snapshot->bounds;
	int64_t start = snapshot->start_offsets[slot];
	if (start < partition->log_start_offset)
		snapshot->start_offsets[slot] = start = partition->log_start_offset;
	snapshot->end_offsets[slot] = partition->high_watermark;
	note_damage(snapshot, partition, start);
	for (size_t i = 0; i < partition->part_count; i++) {
		const struct log_part *part = &partition->parts[i];
		if (part->end_offset > start && overlaps(bounds, part->base_offset, part->end_offset - 1,
		                                         part->min_timestamp_ms, part->max_timestamp_ms))
			PYR_TRY(add_part(snapshot, log, part, slot));
		else
			snapshot->pruned += 1;
	}
	return add_tail(snapshot, partition, start, slot);
}

pyr_result log_snapshot_take(struct log *log, const uint32_t *partitions, size_t partition_count,
                             const struct log_bounds *bounds, struct log_snapshot **ret_snapshot)
{
	return log_snapshot_take_from(log, partitions, NULL, partition_count, bounds, ret_snapshot);
}

static bool allocate_slots(struct log_snapshot *snapshot, const int64_t *offsets, size_t count)
{
	snapshot->slot_count = count;
	snapshot->start_offsets = calloc(count + 1, sizeof *snapshot->start_offsets);
	snapshot->end_offsets = calloc(count + 1, sizeof *snapshot->end_offsets);
	if (!snapshot->start_offsets || !snapshot->end_offsets)
		return false;
	for (size_t i = 0; i < count; i++) {
		snapshot->start_offsets[i] = offsets ? offsets[i] : 0;
		snapshot->end_offsets[i] = -1;
	}
	return true;
}

pyr_result log_snapshot_take_from(struct log *log, const uint32_t *partitions, const int64_t *offsets,
                                  size_t partition_count, const struct log_bounds *bounds,
                                  struct log_snapshot **ret_snapshot)
{
	struct log_snapshot *snapshot = calloc(1, sizeof *snapshot);
	if (!snapshot)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	snapshot->bounds = *bounds;
	snapshot->indexes = log->indexes;
	bool good = allocate_slots(snapshot, offsets, partition_count);
	pyr_result result = pyr_result_of(good ? PYR_OK : PYR_OUT_OF_MEMORY);
	for (size_t i = 0; i < partition_count && result.code == PYR_OK; i++) {
		const struct log_partition *partition = log_partition_find(log, partitions[i]);
		if (partition)
			result = take_partition(snapshot, log, partition, i);
	}
	if (result.code == PYR_OK)
		*ret_snapshot = snapshot;
	else
		log_snapshot_release(snapshot);
	return result;
}

void log_snapshot_release(struct log_snapshot *snapshot)
{
	if (!snapshot)
		return;
	for (size_t i = 0; i < snapshot->part_count; i++) {
		os_pool_file_unref(snapshot->parts[i].file);
		log_index_unref(snapshot->parts[i].index);
	}
	for (size_t i = 0; i < snapshot->span_count; i++)
		log_tail_span_release(&snapshot->spans[i].span);
	for (size_t i = 0; i < snapshot->run_count; i++)
		base_slice_release(&snapshot->runs[i].bytes);
	free(snapshot->start_offsets);
	free(snapshot->end_offsets);
	free(snapshot->parts);
	free(snapshot->spans);
	free(snapshot->entries);
	free(snapshot->runs);
	free(snapshot);
}

/* ---- loading, on the reader's thread ---- */

static pyr_result add_run(struct log_snapshot *snapshot, const struct snapshot_run *run)
{
	if (!base_array_reserve(&snapshot->runs, &snapshot->run_capacity, snapshot->run_count + 1,
	                        sizeof *snapshot->runs))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	struct snapshot_run *added = &snapshot->runs[snapshot->run_count++];
	*added = *run;
	int64_t start = snapshot->start_offsets[run->run.partition_slot];
	if (added->run.base_offset < start)
		added->run.base_offset = start;
	return pyr_ok();
}

/* Does this piece still belong to the run, or does it begin the next? */
static bool joins(const struct snapshot_run *run, size_t i, size_t slot, uint64_t bytes)
{
	return run->count > 0 && run->first + run->count == i && run->run.partition_slot == slot &&
	       run->run.bytes + bytes <= LOG_RUN_BYTES;
}

static pyr_result cut_part(struct log_snapshot *snapshot, const struct snapshot_part *part)
{
	struct snapshot_run run = {0};
	int64_t start = snapshot->start_offsets[part->slot];
	int64_t from = snapshot->bounds.offset_min > start ? snapshot->bounds.offset_min : start;
	for (size_t i = log_index_search(part->index, from); i < part->index->count; i++) {
		const struct log_block *block = &part->index->blocks[i];
		if (block->base_offset > snapshot->bounds.offset_max)
			break;
		bool wanted =
			block->last_offset >= start && overlaps(&snapshot->bounds, block->base_offset,
		                                                block->last_offset, INT64_MIN, block->max_timestamp_ms);
		if (!wanted)
			continue;
		if (!joins(&run, i, part->slot, block->bytes)) {
			if (run.count > 0)
				PYR_TRY(add_run(snapshot, &run));
			run = (struct snapshot_run){.part = part, .first = i};
			run.run = (struct log_run){
				.partition_slot = part->slot, .base_offset = block->base_offset, .sealed = true};
		}
		run.count += 1;
		run.run.bytes += block->bytes;
		run.run.last_offset = block->last_offset;
		snapshot->record_count += block->record_count;
	}
	return run.count > 0 ? add_run(snapshot, &run) : pyr_ok();
}

static pyr_result look_through(struct log_snapshot *snapshot, const struct snapshot_span *shared)
{
	const struct log_tail_span *span = &shared->span;
	size_t count = snapshot->entry_count + span->to - span->from;
	if (!base_array_reserve(&snapshot->entries, &snapshot->entry_capacity, count, sizeof *snapshot->entries))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	for (size_t i = span->from; i < span->to; i++) {
		const struct log_tail_entry *entry = &span->chunk->entries[i];
		if (overlaps(&snapshot->bounds, entry->base_offset, entry->last_offset, entry->min_timestamp_ms,
		             entry->max_timestamp_ms))
			snapshot->entries[snapshot->entry_count++] = (struct snapshot_entry){entry, shared->slot};
	}
	return pyr_ok();
}

static pyr_result cut_tail(struct log_snapshot *snapshot)
{
	struct snapshot_run run = {0};
	for (size_t i = 0; i < snapshot->span_count; i++)
		PYR_TRY(look_through(snapshot, &snapshot->spans[i]));
	for (size_t i = 0; i < snapshot->entry_count; i++) {
		const struct log_tail_entry *entry = snapshot->entries[i].entry;
		size_t slot = snapshot->entries[i].slot;
		if (entry->last_offset < snapshot->start_offsets[slot])
			continue;
		if (!joins(&run, i, slot, entry->bytes)) {
			if (run.count > 0)
				PYR_TRY(add_run(snapshot, &run));
			run = (struct snapshot_run){.first = i};
			run.run = (struct log_run){.partition_slot = slot, .base_offset = entry->base_offset};
		}
		run.count += 1;
		run.run.bytes += entry->bytes;
		run.run.last_offset = entry->last_offset;
		snapshot->record_count += (uint64_t)(entry->last_offset - entry->base_offset) + 1;
	}
	return run.count > 0 ? add_run(snapshot, &run) : pyr_ok();
}

pyr_result log_snapshot_load(struct log_snapshot *snapshot, struct pyr_error *error)
{
	assert(snapshot->run_count == 0);
	if (snapshot->damaged)
		return pyr_fail(error, PYR_CORRUPT,
		                "stored records of log partition %u from offset %lld on are damaged: restore them from "
		                "a replica or "
		                "a backup, or read other offsets",
		                snapshot->damaged_partition, (long long)snapshot->damage.base_offset);
	for (size_t i = 0; i < snapshot->part_count; i++) {
		struct snapshot_part *part = &snapshot->parts[i];
		pyr_result read = log_indexes_read(snapshot->indexes, part->file, &part->part, &part->index);
		if (read.code != PYR_OK)
			return pyr_fail(error, read.code, "segment %s: %s", part->file->path, pyr_code_text(read.code));
		PYR_TRY(cut_part(snapshot, part));
	}
	return cut_tail(snapshot);
}

/* ---- a few records of a large block ---- */

enum { FEW_OFFSETS = 1000 };

static bool wants_few(const struct log_snapshot *snapshot, const struct snapshot_run *run)
{
	const struct log_bounds *bounds = &snapshot->bounds;
	return run->part && run->count == 1 && bounds->offset_min >= 0 && bounds->offset_max >= bounds->offset_min &&
	       bounds->offset_max - bounds->offset_min < FEW_OFFSETS;
}

/* False: there is no map, or what it leads to is not as it should be: the whole block will tell. */
static bool read_mapped(const struct log_snapshot *snapshot, const struct snapshot_run *run, bool at_once,
                        struct base_slice *ret_bytes)
{
	const struct log_map *map = wants_few(snapshot, run) ? atomic_load(&run->part->index->maps[run->first]) : NULL;
	return map && log_map_read(map, run->part->file, &run->part->index->blocks[run->first],
	                           snapshot->bounds.offset_min, snapshot->bounds.offset_max, at_once, ret_bytes)
	                              .code == PYR_OK;
}

static void map_block(const struct log_snapshot *snapshot, const struct snapshot_run *run, struct base_slice block)
{
	if (wants_few(snapshot, run))
		log_indexes_map(snapshot->indexes, run->part->index, run->first,
		                (struct base_bytes){block.data, block.bytes});
}

/* ---- gathering, on a loop ---- */

enum {
	RECORD_COST = 20, /* of stepping over it */
	INFLATION = 8, /* what a compressed batch may cost more than one that is not */
	GATHER_PARTS_MAX = 8,
	HELD_DISCOUNT = 8, /* what a batch that memory has already costs less: it is neither copied nor checked */
};

/* In bytes read, copied and checked. */
static uint64_t cost_of(const struct snapshot_run *run)
{
	struct codec_batch batch;
	uint64_t cost = 0;
	for (size_t at = 0; at < run->bytes.bytes; at += batch.bytes) {
		struct base_bytes left = {run->bytes.data + at, run->bytes.bytes - at};
		if (codec_batch_parse(left, &batch).code != PYR_OK)
			return UINT64_MAX;
		bool plain = codec_batch_compression(&batch) == CODEC_NONE;
		cost += plain ? batch.bytes / (run->part ? 1 : HELD_DISCOUNT) : batch.bytes * INFLATION;
		cost += (uint64_t)batch.record_count * RECORD_COST;
	}
	return cost;
}

/* Its first reader reads it whole. */
static bool gather_whole(const struct log_snapshot *snapshot, const struct snapshot_run *run,
                         struct base_slice *ret_bytes)
{
	const struct log_block *block = &run->part->index->blocks[run->first];
	struct base_buffer *buffer = base_buffer_new(block->bytes);
	bool good = buffer && os_pool_file_read_at_once(run->part->file, block->position, buffer->data, block->bytes) &&
	            base_crc32c(0, buffer->data, block->bytes) == block->crc;
	if (good)
		*ret_bytes = base_slice_of(buffer, 0, block->bytes);
	base_buffer_unref(buffer);
	if (good)
		map_block(snapshot, run, *ret_bytes);
	return good;
}

/* Runs of one piece: many small batches are the threads' work. */
static bool gather_run(const struct log_snapshot *snapshot, struct snapshot_run *run, uint64_t bytes_max)
{
	const struct log_tail_entry *entry = run->part ? NULL : snapshot->entries[run->first].entry;
	if (run->count != 1 || (entry && !entry->slice.data))
		return false;
	if (run->part && read_mapped(snapshot, run, true, &run->bytes))
		return true;
	if (run->part)
		return run->run.bytes <= bytes_max && gather_whole(snapshot, run, &run->bytes);
	run->bytes = base_slice_ref(entry->slice);
	return true;
}

/* What was gathered before it turned out to be too much stays held. */
static bool gather_runs(struct log_snapshot *snapshot, uint64_t bytes_max)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < snapshot->run_count; i++) {
		struct snapshot_run *run = &snapshot->runs[i];
		if (!gather_run(snapshot, run, bytes_max - bytes))
			return false;
		uint64_t cost = cost_of(run);
		if (cost > bytes_max - bytes)
			return false;
		bytes += cost;
	}
	return true;
}

static size_t shared_count(const struct log_snapshot *snapshot)
{
	size_t count = 0;
	for (size_t i = 0; i < snapshot->span_count; i++)
		count += snapshot->spans[i].span.to - snapshot->spans[i].span.from;
	return count;
}

pyr_result log_snapshot_gather(struct log_snapshot *snapshot, uint64_t bytes_max, bool *ret_whole)
{
	assert(snapshot->run_count == 0);
	if (snapshot->damaged || snapshot->part_count > GATHER_PARTS_MAX || shared_count(snapshot) > GATHER_PARTS_MAX)
		return pyr_result_of(PYR_BUSY);
	for (size_t i = 0; i < snapshot->part_count; i++) {
		struct snapshot_part *part = &snapshot->parts[i];
		part->index = log_indexes_find(snapshot->indexes, &part->part);
		if (!part->index || cut_part(snapshot, part).code != PYR_OK)
			return pyr_result_of(PYR_BUSY);
	}
	if (cut_tail(snapshot).code != PYR_OK)
		return pyr_result_of(PYR_BUSY);
	*ret_whole = gather_runs(snapshot, bytes_max);
	return pyr_ok();
}

/* ---- reading, on any thread ---- */

size_t log_snapshot_run_count(const struct log_snapshot *snapshot)
{
	return snapshot->run_count;
}

struct log_run log_snapshot_run(const struct log_snapshot *snapshot, size_t run)
{
	assert(run < snapshot->run_count);
	return snapshot->runs[run].run;
}

uint64_t log_snapshot_record_count(const struct log_snapshot *snapshot)
{
	return snapshot->record_count;
}

size_t log_snapshot_segments_read(const struct log_snapshot *snapshot)
{
	return snapshot->part_count;
}

size_t log_snapshot_segments_pruned(const struct log_snapshot *snapshot)
{
	return snapshot->pruned;
}

int64_t log_snapshot_end_offset(const struct log_snapshot *snapshot, size_t slot)
{
	assert(slot < snapshot->slot_count);
	return snapshot->end_offsets[slot];
}

size_t log_snapshot_hot_batches(const struct log_snapshot *snapshot)
{
	return snapshot->entry_count;
}

static pyr_result read_entries(const struct log_snapshot *snapshot, const struct snapshot_run *run,
                               struct base_slice *ret_batches)
{
	if (run->count == 1)
		return log_tail_entry_read(snapshot->entries[run->first].entry, ret_batches);
	struct base_buffer *buffer = base_buffer_new(run->run.bytes);
	pyr_result result = pyr_result_of(buffer ? PYR_OK : PYR_OUT_OF_MEMORY);
	size_t at = 0;
	for (size_t i = 0; i < run->count && result.code == PYR_OK; i++) {
		struct base_slice batch = {0};
		result = log_tail_entry_read(snapshot->entries[run->first + i].entry, &batch);
		if (result.code == PYR_OK)
			memcpy(buffer->data + at, batch.data, batch.bytes);
		at += batch.bytes;
		base_slice_release(&batch);
	}
	if (result.code == PYR_OK)
		*ret_batches = base_slice_of(buffer, 0, at);
	base_buffer_unref(buffer);
	return result;
}

pyr_result log_snapshot_read(const struct log_snapshot *snapshot, size_t i, struct base_slice *ret_batches)
{
	assert(i < snapshot->run_count);
	const struct snapshot_run *run = &snapshot->runs[i];
	if (run->bytes.data) {
		*ret_batches = base_slice_ref(run->bytes);
		return pyr_ok();
	}
	if (!run->part)
		return read_entries(snapshot, run, ret_batches);
	if (read_mapped(snapshot, run, false, ret_batches))
		return pyr_ok();
	PYR_TRY(log_segment_read_blocks(run->part->file, run->part->index->blocks + run->first, run->count,
	                                ret_batches));
	map_block(snapshot, run, *ret_batches);
	return pyr_ok();
}
