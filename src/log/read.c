/* Reads: from the tail cache on the spot, else by a job that reads and verifies.
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

/* ---- jobs ---- */

static void run_entries(struct cold_read *cold)
{
	struct log_read *read = cold->read;
	for (size_t i = 0; i < cold->entry_count; i++) {
		struct base_slice batch;
		read->result = log_tail_entry_read(&cold->entries[i], &batch);
		if (read->result.code != PYR_OK) {
			/* What comes before the damage is good: the next read begins with it, and tells. */
			if (read->result.code == PYR_CORRUPT && i > 0)
				read->result = pyr_ok();
			return;
		}
		add_slice(read, batch);
	}
}

/* From the block that holds the offset, as many blocks as fit. */
static size_t choose_blocks(const struct log_read *read, const struct log_block *blocks, size_t count,
                            size_t *ret_first)
{
	size_t first = 0, taken = 0, bytes = 0;
	while (first < count &&
	       (blocks[first].last_offset < read->offset || blocks[first].max_timestamp_ms < read->timestamp_ms_min))
		first += 1;
	while (first + taken < count && (taken == 0 || bytes + blocks[first + taken].bytes <= read->bytes_max))
		bytes += blocks[first + taken++].bytes;
	*ret_first = first;
	return taken;
}

/* A block may begin before the offset and reach past bytes_max: cut to whole batches. */
static pyr_result trim_to_batches(struct log_read *read, struct base_slice blocks)
{
	size_t from = 0, to = 0;
	int64_t next_offset = -1;
	while (to < blocks.bytes) {
		struct codec_batch batch;
		if (codec_batch_parse((struct base_bytes){blocks.data + to, blocks.bytes - to}, &batch).code != PYR_OK)
			return pyr_result_of(PYR_CORRUPT);
		if (codec_batch_last_offset(&batch) < read->offset)
			from = to + batch.bytes;
		else if (!has_room(read, to - from, to > from, batch.bytes) ||
		         (to > from && batch.base_offset != next_offset))
			break; /* behind a damaged place a new read begins */
		to += batch.bytes;
		next_offset = codec_batch_last_offset(&batch) + 1;
	}
	if (to > from)
		add_slice(read, base_slice_sub(blocks, from, to - from));
	return pyr_ok();
}

static pyr_result read_part(struct cold_read *cold)
{
	struct log_block *blocks;
	struct base_slice bytes = {0};
	size_t first;
	PYR_TRY(log_segment_read_index(cold->file, &cold->part, &blocks));
	size_t count = choose_blocks(cold->read, blocks, cold->part.block_count, &first);
	pyr_result result = count > 0 ? log_segment_read_blocks(cold->file, blocks + first, count, &bytes) : pyr_ok();
	if (result.code == PYR_CORRUPT && count > 1) /* the damage may lie behind what was asked for */
		result = log_segment_read_blocks(cold->file, blocks + first, 1, &bytes);
	free(blocks);
	if (result.code == PYR_OK && count > 0)
		result = trim_to_batches(cold->read, bytes);
	base_slice_release(&bytes);
	return result;
}

static void run_cold(struct os_job *job)
{
	struct cold_read *cold = BASE_CONTAINER(job, struct cold_read, job);
	if (cold->file)
		cold->read->result = read_part(cold);
	else
		run_entries(cold);
}

static void cold_free(struct cold_read *cold)
{
	base_list_remove(&cold->node);
	for (size_t i = 0; i < cold->entry_count; i++)
		os_pool_file_unref(cold->entries[i].file);
	os_pool_file_unref(cold->file);
	free(cold);
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
