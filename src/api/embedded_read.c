/* Reading a partition of a node in this process: scans, one after the other, each from where the last one ended.
 *
 * Invariant: a scan's runs of one partition come in the order of their offsets; its rows live until the next are taken.
 * Owner: the thread that has the reader. */
#include "api/embedded.h"
#include "node/ask.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
	struct query_tail *tail;
	uint64_t seen;
	struct column_scan *scan; /* NULL: none under way */
	struct column_reader *rows_of;
	size_t unit; /* the next of the scan */
	int64_t end; /* of the partition, when the scan was opened */
	size_t at; /* the next of the rows */
	struct column_rows rows;
};

/* ---- where the partition begins and ends ---- */

struct range_question {
	struct node *node;
	const char *topic;
	int32_t partition;
	pyr_result result; /* written by the owner's shard alone */
	struct log_partition_info info;
};

static void on_shard(void *context, size_t shard)
{
	struct range_question *question = context;
	const struct catalog *catalog = node_catalog(question->node, shard);
	const struct catalog_topic *topic = catalog_topic_find(catalog, question->topic, strlen(question->topic));
	uint32_t partition = topic ? catalog_topic_partition(topic, question->partition) : 0;
	if (partition > 0 && catalog_shard_of(catalog, partition) == shard)
		question->result = log_partition_get(node_log(question->node, shard), partition, &question->info);
}

static pyr_result find_range(const struct pyr_reader *reader, struct log_partition_info *ret_info,
                             struct pyr_error *error)
{
	struct range_question question = {.node = node_host_node(embedded_of(reader->log)->host),
	                                  .topic = reader->topic,
	                                  .partition = reader->partition,
	                                  .result = {PYR_UNKNOWN_PARTITION}};
	node_ask(question.node, node_shard_count(question.node), on_shard, &question);
	if (question.result.code != PYR_OK)
		return pyr_fail(error, question.result.code, "there is no partition %d of a topic %s",
		                reader->partition, reader->topic);
	*ret_info = question.info;
	return pyr_ok();
}

pyr_result embedded_reader_open(struct pyralog *log, struct pyr_reader *reader, struct pyr_error *error)
{
	struct query_source *source = embedded_source(log);
	struct log_partition_info info;
	PYR_TRY(find_range(reader, &info, error));
	struct cursor *cursor = calloc(1, sizeof *cursor);
	if (!cursor)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	reader->way = cursor;
	if (reader->offset < 0)
		reader->offset = reader->offset == PYR_LATEST ? info.high_watermark : info.log_start_offset;
	return source->ops->tail_open(source, &embedded_principal, reader->topic, &cursor->tail, error);
}

/* ---- scans ---- */

static void drop_scan(struct cursor *cursor)
{
	column_reader_free(cursor->rows_of);
	column_scan_free(cursor->scan);
	cursor->rows_of = NULL;
	cursor->scan = NULL;
	cursor->unit = cursor->at = cursor->rows.count = 0;
}

static pyr_result open_scan(struct pyr_reader *reader, struct cursor *cursor, struct pyr_error *error)
{
	const unsigned columns = COLUMN_OFFSET | COLUMN_TIMESTAMP | COLUMN_KEY | COLUMN_VALUE | COLUMN_HEADERS;
	struct query_source *source = embedded_source(reader->log);
	struct query_scan_request request = {.topic = reader->topic, .bounds = column_bounds_all()};
	struct log_partition_info info;
	PYR_TRY(find_range(reader, &info, error));
	if (reader->offset < info.log_start_offset || reader->offset > info.high_watermark)
		return pyr_fail(error, PYR_OFFSET_OUT_OF_RANGE, "partition %d has offsets %lld to %lld, not %lld",
		                reader->partition, (long long)info.log_start_offset, (long long)info.high_watermark,
		                (long long)reader->offset);
	cursor->end = info.high_watermark;
	if (reader->offset == cursor->end)
		return pyr_ok();
	request.bounds.offset_min = reader->offset;
	request.bounds.offset_max = cursor->end - 1;
	request.bounds.partition_min = request.bounds.partition_max = reader->partition;
	PYR_TRY(source->ops->scan_open(source, &embedded_principal, &request, 1, error));
	cursor->scan = request.scan;
	pyr_result result = column_reader_new(cursor->scan, columns, &cursor->rows_of);
	if (result.code != PYR_OK)
		drop_scan(cursor);
	return result;
}

/* The next rows of the scan; without any, it is over, and gone. */
static pyr_result fill(struct pyr_reader *reader, struct cursor *cursor, struct pyr_error *error)
{
	cursor->at = 0;
	for (;;) {
		if (cursor->unit > 0)
			PYR_TRY(column_reader_next(cursor->rows_of, &cursor->rows, error));
		if (cursor->rows.count > 0)
			return pyr_ok();
		if (cursor->unit == column_scan_unit_count(cursor->scan))
			break;
		PYR_TRY(column_reader_seek(cursor->rows_of, cursor->unit++, error));
	}
	reader->offset = cursor->end; /* there may be gaps */
	drop_scan(cursor);
	return pyr_ok();
}

static void take_row(struct cursor *cursor, struct codec_record *ret_record)
{
	const struct column_rows *rows = &cursor->rows;
	size_t i = cursor->at++;
	*ret_record = (struct codec_record){
		.offset = rows->offset[i],
		.timestamp_ms = rows->timestamp_ms[i],
		.key = rows->key[i],
		.value = rows->value[i],
		.headers = rows->headers[i],
		.header_count = rows->header_count[i],
	};
}

pyr_result embedded_reader_next(struct pyr_reader *reader, unsigned wait_ms, struct codec_record *ret_record,
                                bool *ret_any, struct pyr_error *error)
{
	struct query_source *source = embedded_source(reader->log);
	struct cursor *cursor = reader->way;
	*ret_any = false;
	for (int round = 0; round < 2; round++) {
		if (cursor->at == cursor->rows.count && !cursor->scan)
			PYR_TRY(open_scan(reader, cursor, error));
		if (cursor->at == cursor->rows.count && cursor->scan)
			PYR_TRY(fill(reader, cursor, error));
		*ret_any = cursor->at < cursor->rows.count;
		if (*ret_any || round == 1)
			break;
		source->ops->tail_wait(source, cursor->tail, &cursor->seen, (uint64_t)wait_ms * 1000);
	}
	if (*ret_any)
		take_row(cursor, ret_record);
	return pyr_ok();
}

void embedded_reader_close(struct pyr_reader *reader)
{
	struct query_source *source = embedded_source(reader->log);
	struct cursor *cursor = reader->way;
	drop_scan(cursor);
	source->ops->tail_close(source, cursor->tail);
	free(cursor);
}
