/* Finding the first record as late as a time stamp.
 *
 * The time bounds of parts and tail entries lead to a candidate, the time stamps in a part's block index further on, and the
 * records of a batch to the answer. A batch may claim a later time stamp than any of its records has: then the search goes on
 * behind it. Owner: the log's thread; what has to be read is read by log_read().
 */
#include "log/log_priv.h"

enum { INFLATED_MAX = 1 << 30 };

static void run_answer(struct os_task *task)
{
	struct log_time_query *query = BASE_CONTAINER(task, struct log_time_query, answer);
	query->done(query);
}

static void answer(struct log_time_query *query, enum pyr_code code)
{
	query->result = pyr_result_of(code);
	query->answer.run = run_answer;
	os_loop_post(query->log->loop, &query->answer);
}

/* True: the batch holds a record that is late enough, and it is noted. */
static bool find_in_batch(struct log_time_query *query, const struct codec_batch *batch, pyr_result *ret_result)
{
	struct codec_record_reader reader;
	struct codec_record record;
	bool found = false;
	*ret_result = codec_record_reader_init(&reader, batch, INFLATED_MAX);
	if (ret_result->code != PYR_OK)
		return false;
	while (!found && codec_record_next(&reader, &record))
		found = record.timestamp_ms >= query->timestamp_ms &&
		        record.offset >= query->read.info.log_start_offset;
	*ret_result = codec_record_reader_check(&reader);
	codec_record_reader_deinit(&reader);
	if (found) {
		query->found_offset = record.offset;
		query->found_timestamp_ms = record.timestamp_ms;
	}
	return found;
}

/* Goes through whole batches; *ret_next is the offset behind the last one looked at. */
static bool find_in_slice(struct log_time_query *query, struct base_slice slice, int64_t *ret_next,
                          pyr_result *ret_result)
{
	bool found = false;
	for (size_t at = 0; at < slice.bytes && !found;) {
		struct codec_batch batch;
		*ret_result = codec_batch_parse((struct base_bytes){slice.data + at, slice.bytes - at}, &batch);
		if (ret_result->code != PYR_OK)
			return false;
		if (batch.max_timestamp_ms >= query->timestamp_ms)
			found = find_in_batch(query, &batch, ret_result);
		if (ret_result->code != PYR_OK)
			return false;
		*ret_next = codec_batch_last_offset(&batch) + 1;
		at += batch.bytes;
	}
	return found;
}

/* The first offset at or behind `from` from which a record can be late enough; -1: none. */
static int64_t candidate_offset(const struct log_partition *partition, int64_t from, int64_t timestamp_ms)
{
	for (size_t i = log_parts_search(partition, from); i < partition->part_count; i++)
		if (partition->parts[i].max_timestamp_ms >= timestamp_ms)
			return partition->parts[i].base_offset > from ? partition->parts[i].base_offset : from;
	for (size_t i = log_tail_search(&partition->tail, from); i < partition->tail.count; i++) {
		const struct log_tail_entry *entry = log_tail_at(&partition->tail, i);
		if (entry->max_timestamp_ms >= timestamp_ms && entry->last_offset < partition->high_watermark)
			return entry->base_offset > from ? entry->base_offset : from;
	}
	return -1;
}

/* Where the search goes on when no block behind the read's offset was late enough: behind the part. */
static int64_t behind_part(const struct log_partition *partition, int64_t offset)
{
	size_t part = log_parts_search(partition, offset);
	return part < partition->part_count ? partition->parts[part].end_offset : INT64_MAX;
}

/* Looks at what was read. True: the search is over; else *ret_from is where it goes on. */
static bool is_over(struct log_time_query *query, int64_t *ret_from, pyr_result *ret_result)
{
	struct log_read *read = &query->read;
	const struct log_partition *partition = log_partition_find(query->log, query->partition);
	bool found = false;
	*ret_result = partition ? read->result : pyr_result_of(PYR_UNKNOWN_PARTITION);
	if (ret_result->code == PYR_OK && read->slice_count == 0)
		*ret_from = behind_part(partition, read->offset);
	for (size_t i = 0; i < read->slice_count && !found && ret_result->code == PYR_OK; i++)
		found = find_in_slice(query, read->slices[i], ret_from, ret_result);
	log_read_release(read);
	return found || ret_result->code != PYR_OK || *ret_from == INT64_MAX;
}

static void on_read(struct log_read *read);

static void go_on(struct os_task *task)
{
	struct log_time_query *query = BASE_CONTAINER(task, struct log_time_query, answer);
	struct log *log = query->log;
	on_read(&query->read);
	log_job_end(log);
}

/* One read a turn of the loop: batches that claim too much may lead through all of a tail. */
static void search_from(struct log_time_query *query, int64_t from)
{
	const struct log_partition *partition = log_partition_find(query->log, query->partition);
	int64_t offset = partition ? candidate_offset(partition, from, query->timestamp_ms) : -1;
	if (offset < 0) {
		answer(query, PYR_OK);
		return;
	}
	query->read.offset = offset;
	if (!log_read(query->log, &query->read))
		return; /* on_read() goes on */
	log_job_begin(query->log);
	query->answer.run = go_on;
	os_loop_post(query->log->loop, &query->answer);
}

static void on_read(struct log_read *read)
{
	struct log_time_query *query = BASE_CONTAINER(read, struct log_time_query, read);
	int64_t from = 0;
	pyr_result result;
	if (is_over(query, &from, &result))
		answer(query, result.code);
	else
		search_from(query, from);
}

void log_time_find(struct log *log, struct log_time_query *query)
{
	const struct log_partition *partition = log_partition_find(log, query->partition);
	query->log = log;
	query->found_offset = query->found_timestamp_ms = -1;
	if (!partition) {
		answer(query, PYR_UNKNOWN_PARTITION);
		return;
	}
	if (query->timestamp_ms == LOG_TIME_MAX)
		query->timestamp_ms = partition->max_timestamp_ms;
	query->read =
		(struct log_read){.partition = query->partition, .bytes_max = LOG_RUN_BYTES, .whole_batch_first = true};
	query->read.timestamp_ms_min = query->timestamp_ms;
	query->read.done = on_read;
	search_from(query, partition->log_start_offset);
}
