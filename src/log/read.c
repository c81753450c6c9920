/* Reads: from memory on the spot (tail cache, or what cold reads brought in), else by a job that reads and verifies.
 *
 * Invariants: nothing at or above the high watermark or below the log start is returned; the first batch holds the offset
 * asked for; bytes that fail a checksum are an error, never data. A job holds references to the files it reads.
 */
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A cold read under way: some tail entries, or a part of a segment. */
struct cold_read {
	struct os_job job;
	struct base_list node; /* log->cold_reads */
	struct log *log;
	struct log_read *read;
	struct log_tail_entry entries[LOG_READ_SLICES_MAX]; /* with references */
	size_t entry_count;
	struct os_pool_file *file; /* a segment's; NULL: entries */
	struct log_part part;
	struct base_list verified; /* what the job read, for the cache */
};

void log_read_release(struct log_read *read)
{
	for (size_t i = 0; i < read->slice_count; i++)
		base_slice_release(&read->slices[i]);
	read->slice_count = 0;
	read->bytes = 0;
}

static void add_slice(struct log_read *read, struct base_slice slice)
{
	assert(read->slice_count < LOG_READ_SLICES_MAX);
	read->slices[read->slice_count++] = slice;
	read->bytes += slice.bytes;
}

/* May a batch of so many bytes be added? */
static bool has_room(const struct log_read *read, size_t so_far, size_t count, size_t bytes)
{
	if (count == 0 && read->whole_batch_first)
		return true;
	return count < LOG_READ_SLICES_MAX && so_far + bytes <= read->bytes_max;
}

static bool is_damaged(const struct log_partition *partition, int64_t offset)
{
	for (size_t i = 0; i < partition->damage_count; i++)
		if (offset >= partition->damages[i].base_offset && offset < partition->damages[i].end_offset)
			return true;
	return false;
}

/* Adds the batches that were asked for and fit, as one slice. *next_offset: of the batch that must follow, -1: any.
 * *ret_all: up to the end. PYR_CORRUPT: the bytes are not batches, though their checksum holds. */
static pyr_result add_batches(struct log_read *read, struct base_slice run, int64_t *next_offset, bool *ret_all)
{
	size_t from = 0, to = 0;
	while (to < run.bytes) {
		struct codec_batch batch;
		if (codec_batch_parse((struct base_bytes){run.data + to, run.bytes - to}, &batch).code != PYR_OK)
			return pyr_result_of(PYR_CORRUPT);
		if (codec_batch_last_offset(&batch) < read->offset)
			from = to + batch.bytes;
		else if ((*next_offset >= 0 && batch.base_offset != *next_offset) ||
		         !has_room(read, read->bytes + to - from, read->slice_count + (to > from), batch.bytes))
			break;
		else
			*next_offset = codec_batch_last_offset(&batch) + 1;
		to += batch.bytes;
	}
	if (to > from)
		add_slice(read, base_slice_sub(run, from, to - from));
	*ret_all = to == run.bytes;
	return pyr_ok();
}

/* ---- jobs ---- */

/* The bytes were verified: what was asked for is answered, and all of them are kept. Releases them. */
static pyr_result take(struct cold_read *cold, struct base_slice bytes, int64_t *next_offset, bool *ret_all)
{
	pyr_result result = add_batches(cold->read, bytes, next_offset, ret_all);
	struct log_verified *run = result.code == PYR_OK ? log_verified_new(bytes) : NULL;
	if (run)
		base_list_append(&cold->verified, &run->node);
	base_slice_release(&bytes);
	return result;
}

/* What comes before damage is good: the next read begins with the damage, and tells. */
static pyr_result unless_damaged_later(const struct cold_read *cold, pyr_result result)
{
	return result.code == PYR_CORRUPT && cold->read->slice_count > 0 ? pyr_ok() : result;
}

static pyr_result read_entries(struct cold_read *cold)
{
	int64_t next_offset = -1;
	bool all = true;
	for (size_t i = 0; i < cold->entry_count && all; i++) {
		struct base_slice batch;
		pyr_result result = log_tail_entry_read(&cold->entries[i], &batch);
		if (result.code == PYR_OK)
			result = take(cold, batch, &next_offset, &all);
		if (result.code != PYR_OK)
			return unless_damaged_later(cold, result);
	}
	return pyr_ok();
}

/* The block that holds the offset, or comes next. */
static size_t first_block(const struct log_read *read, const struct log_index *index)
{
	size_t first = log_index_search(index, read->offset);
	while (first < index->count && index->blocks[first].max_timestamp_ms < read->timestamp_ms_min)
		first += 1;
	return first;
}

static pyr_result read_blocks(struct cold_read *cold, const struct log_index *index)
{
	const struct log_read *read = cold->read;
	const struct log_block *blocks = index->blocks;
	int64_t next_offset = -1;
	bool all = true;
	for (size_t i = first_block(read, index); i < index->count && all; i++) {
		struct base_slice bytes;
		if (read->slice_count > 0 && !has_room(read, read->bytes, read->slice_count, blocks[i].bytes))
			break;
		pyr_result result = log_segment_read_blocks(cold->file, &blocks[i], 1, &bytes);
		if (result.code == PYR_OK)
			result = take(cold, bytes, &next_offset, &all);
		if (result.code != PYR_OK)
			return unless_damaged_later(cold, result);
	}
	return pyr_ok();
}

static pyr_result read_part(struct cold_read *cold)
{
	struct log_index *index;
	PYR_TRY(log_indexes_read(cold->log->indexes, cold->file, &cold->part, &index));
	pyr_result result = read_blocks(cold, index);
	log_index_unref(index);
	return result;
}

static void run_cold(struct os_job *job)
{
	struct cold_read *cold = BASE_CONTAINER(job, struct cold_read, job);
	cold->read->result = cold->file ? read_part(cold) : read_entries(cold);
}

static void cold_free(struct cold_read *cold)
{
	base_list_remove(&cold->node);
	for (size_t i = 0; i < cold->entry_count; i++)
		os_pool_file_unref(cold->entries[i].file);
	os_pool_file_unref(cold->file);
	while (!base_list_empty(&cold->verified))
		log_verified_free(BASE_CONTAINER(cold->verified.next, struct log_verified, node));
	free(cold);
}

static void keep_verified(struct cold_read *cold)
{
	struct log_partition *partition = log_partition_find(cold->log, cold->read->partition);
	struct base_list *node;
	while (partition && (node = base_list_pop(&cold->verified)))
		log_verified_add(cold->log, partition, BASE_CONTAINER(node, struct log_verified, node));
}

void log_read_abandon(struct log *log)
{
	while (!base_list_empty(&log->cold_reads)) {
		struct cold_read *cold = BASE_CONTAINER(log->cold_reads.next, struct cold_read, node);
		log_read_release(cold->read);
		cold_free(cold);
	}
}

static void cold_done(struct os_job *job)
{
	struct cold_read *cold = BASE_CONTAINER(job, struct cold_read, job);
	struct log_read *read = cold->read;
	struct log *log = cold->log;
	keep_verified(cold);
	cold_free(cold);
	if (read->result.code != PYR_OK) {
		log_read_release(read);
		log->metrics.corrupt_reads += read->result.code == PYR_CORRUPT;
	}
	read->done(read);
	log_job_end(log);
}

static struct cold_read *cold_new(struct log *log, struct log_read *read)
{
	struct cold_read *cold = calloc(1, sizeof *cold);
	if (!cold)
		return NULL;
	cold->log = log;
	cold->read = read;
	base_list_init(&cold->verified);
	cold->job.run = run_cold;
	cold->job.done = cold_done;
	base_list_append(&log->cold_reads, &cold->node);
	return cold;
}

/* False: memory is out, and the read is answered. */
static bool submit_cold(struct log *log, struct cold_read *cold)
{
	log->metrics.cold_reads += 1;
	log_job_begin(log);
	os_submit(log->read_threads, &cold->job);
	return false;
}

/* ---- choosing where to read ---- */

static bool answer(struct log_read *read, enum pyr_code code)
{
	read->result = pyr_result_of(code);
	return true;
}

/* Does the entry follow the one before it? Behind a damaged place a new read begins. */
static bool follows(const struct log_partition *partition, size_t first, size_t i)
{
	return i == first ||
	       log_tail_at(&partition->tail, i)->base_offset == log_tail_at(&partition->tail, i - 1)->last_offset + 1;
}

static bool read_cached(struct log_read *read, const struct log_partition *partition, size_t i)
{
	for (size_t first = i; i < partition->tail.count && follows(partition, first, i); i++) {
		const struct log_tail_entry *entry = log_tail_at(&partition->tail, i);
		bool readable = entry->last_offset < partition->high_watermark && entry->slice.data;
		if (!readable || !has_room(read, read->bytes, read->slice_count, entry->bytes))
			break;
		add_slice(read, base_slice_ref(entry->slice));
	}
	return answer(read, PYR_OK);
}

static bool read_uncached(struct log *log, struct log_read *read, const struct log_partition *partition, size_t i)
{
	struct cold_read *cold = cold_new(log, read);
	size_t bytes = 0;
	if (!cold)
		return answer(read, PYR_OUT_OF_MEMORY);
	for (size_t first = i; i < partition->tail.count && follows(partition, first, i); i++) {
		const struct log_tail_entry *entry = log_tail_at(&partition->tail, i);
		bool readable = entry->last_offset < partition->high_watermark && !entry->slice.data;
		if (!readable || !has_room(read, bytes, cold->entry_count, entry->bytes))
			break;
		cold->entries[cold->entry_count++] = *entry;
		os_pool_file_ref(entry->file);
		bytes += entry->bytes;
	}
	return submit_cold(log, cold);
}

static bool read_sealed(struct log *log, struct log_read *read, const struct log_part *part)
{
	struct cold_read *cold = cold_new(log, read);
	if (!cold)
		return answer(read, PYR_OUT_OF_MEMORY);
	cold->part = *part;
	cold->file = os_pool_file_ref(&log_segment_find(log, part->segment_id)->file);
	return submit_cold(log, cold);
}

static bool read_verified(struct log *log, struct log_read *read, const struct log_partition *partition,
                          const struct log_verified *run)
{
	int64_t next_offset = -1;
	bool all = true;
	while (run) {
		pyr_result added = add_batches(read, run->bytes, &next_offset, &all);
		assert(added.code == PYR_OK);
		(void)added;
		run = all && read->bytes < read->bytes_max ? log_verified_find(log, partition, next_offset) : NULL;
	}
	return answer(read, PYR_OK);
}

bool log_read(struct log *log, struct log_read *read)
{
	const struct log_partition *partition = log_partition_find(log, read->partition);
	read->slice_count = 0;
	read->bytes = 0;
	if (log_partition_get(log, read->partition, &read->info).code != PYR_OK)
		return answer(read, PYR_UNKNOWN_PARTITION);
	if (is_damaged(partition, read->offset))
		return answer(read, PYR_CORRUPT);
	if (read->offset < partition->log_start_offset || read->offset > partition->high_watermark)
		return answer(read, PYR_OFFSET_OUT_OF_RANGE);
	if (read->offset == partition->high_watermark || (read->bytes_max == 0 && !read->whole_batch_first))
		return answer(read, PYR_OK);
	const struct log_verified *run =
		read->timestamp_ms_min == 0 ? log_verified_find(log, partition, read->offset) : NULL;
	if (run)
		return read_verified(log, read, partition, run);
	size_t part = log_parts_search(partition, read->offset);
	if (part < partition->part_count)
		return read_sealed(log, read, &partition->parts[part]);
	size_t i = log_tail_search(&partition->tail, read->offset);
	if (i == partition->tail.count || log_tail_at(&partition->tail, i)->base_offset > read->offset)
		return answer(read, PYR_CORRUPT); /* a hole that recovery did not explain */
	if (log_tail_at(&partition->tail, i)->slice.data)
		return read_cached(read, partition, i);
	return read_uncached(log, read, partition, i);
}

size_t log_readable_bytes(struct log *log, uint32_t id, int64_t offset, size_t enough)
{
	const struct log_partition *partition = log_partition_find(log, id);
	size_t bytes = 0;
	if (!partition || offset >= partition->high_watermark)
		return 0;
	size_t part = log_parts_search(partition, offset);
	for (; part < partition->part_count && bytes < enough; part++)
		bytes += partition->parts[part].bytes;
	for (size_t i = log_tail_search(&partition->tail, offset); i < partition->tail.count && bytes < enough; i++) {
		const struct log_tail_entry *entry = log_tail_at(&partition->tail, i);
		if (entry->last_offset >= partition->high_watermark)
			break;
		bytes += entry->bytes;
	}
	return bytes;
}
