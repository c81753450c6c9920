/* First records by scans that begin at an offset (see ages.h). A scan of a few offsets is nearly always enough, and is little to
 * take even where batches are tiny; where compaction, or control records, have left none in it, a second one looks at all that
 * comes behind. Owner: a thread that may read. */
#include "node/ages.h"

#include <stdlib.h>

enum { SCANS_AT_ONCE = 256, LONG_SCANS_AT_ONCE = 16, OFFSETS_NEAR = 16 };

static void find_first(const struct column_scan *scan, struct node_age *age)
{
	struct column_reader *reader;
	struct column_rows *rows = malloc(sizeof *rows);
	if (!rows || column_reader_new(scan, COLUMN_OFFSET | COLUMN_TIMESTAMP, &reader).code != PYR_OK) {
		free(rows);
		return;
	}
	for (size_t unit = 0; unit < column_scan_unit_count(scan) && age->found_offset < 0; unit++) {
		rows->count = 0;
		if (column_reader_seek(reader, unit, NULL).code != PYR_OK ||
		    column_reader_next(reader, rows, NULL).code != PYR_OK)
			break;
		if (rows->count == 0)
			continue;
		age->found_offset = rows->offset[0];
		age->time_ms = rows->timestamp_ms[0];
	}
	column_reader_free(reader);
	free(rows);
}

static struct query_scan_request request_of(const struct node_age *age, bool near)
{
	struct query_scan_request request = {.topic = age->topic, .bounds = column_bounds_all()};
	request.bounds.partition_min = request.bounds.partition_max = age->partition;
	request.bounds.offset_min = age->offset;
	if (near && age->offset <= INT64_MAX - OFFSETS_NEAR)
		request.bounds.offset_max = age->offset + OFFSETS_NEAR - 1;
	return request;
}

/* Of a topic that is gone meanwhile nothing is found, nor of those asked for with it. */
static void scan(struct query_source *source, const struct catalog_principal *principal, struct node_age *const *ages,
                 size_t count, bool near)
{
	struct query_scan_request requests[SCANS_AT_ONCE];
	for (size_t i = 0; i < count; i++)
		requests[i] = request_of(ages[i], near);
	if (count == 0 || source->ops->scan_open(source, principal, requests, count, NULL).code != PYR_OK)
		return;
	for (size_t i = 0; i < count; i++) {
		find_first(requests[i].scan, ages[i]);
		column_scan_free(requests[i].scan);
	}
}

static void find_all(struct query_source *source, const struct catalog_principal *principal, struct node_age *ages,
                     size_t count, bool near)
{
	struct node_age *some[SCANS_AT_ONCE];
	size_t limit = near ? SCANS_AT_ONCE : LONG_SCANS_AT_ONCE, gathered = 0;
	for (size_t i = 0; i < count; i++) {
		if (ages[i].found_offset < 0)
			some[gathered++] = &ages[i];
		if (gathered == limit || i + 1 == count) {
			scan(source, principal, some, gathered, near);
			gathered = 0;
		}
	}
}

void node_ages_find(struct query_source *source, const struct catalog_principal *principal, struct node_age *ages,
                    size_t count)
{
	for (size_t i = 0; i < count; i++)
		ages[i].found_offset = -1;
	find_all(source, principal, ages, count, true);
	find_all(source, principal, ages, count, false);
}
