/* Topics made of rows in memory, for tests of everything above the log. In one file so that a test needs nothing else.
 *
 * Rows come in segments of FAKE_SEGMENT_ROWS; a segment is a unit, and bounds prune whole segments, as the log does.
 */
#ifndef PYRALOG_TESTS_FAKE_SOURCE_H
#define PYRALOG_TESTS_FAKE_SOURCE_H

#include "base/cursor.h"
#include "query/source.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAKE_SEGMENT_ROWS = 100, FAKE_TOPICS_MAX = 8 };

/* 2013-01-01 00:00:00 UTC; a row is a second later than the one before. */
#define FAKE_START_MS 1356998400000LL

struct fake_topic {
	char name[CATALOG_NAME_MAX + 1];
	int32_t partitions;
	int64_t rows; /* of each partition */
	struct catalog_columns *columns; /* declared */
	/* Key and value of a row; `room` is 256 bytes each; data NULL is null. */
	void (*make)(int32_t partition, int64_t offset, uint8_t *room, struct base_bytes *key,
	             struct base_bytes *value);
};

struct fake_source {
	struct query_source base;
	struct fake_topic topics[FAKE_TOPICS_MAX];
	size_t topic_count;
	atomic_uint opens; /* calls of scan_open */
	atomic_uint appended; /* records */
	atomic_int live_scans;
	atomic_bool stall; /* readers give rows without end */
};

struct fake_scan {
	struct column_scan base;
	struct fake_source *source;
	const struct fake_topic *topic;
	struct column_bounds bounds;
	struct fake_unit {
		int32_t partition;
		int64_t from, to;
	} * units;
	size_t unit_count;
	uint64_t pruned;
	atomic_int live_readers;
};

struct fake_reader {
	struct column_reader base;
	struct fake_scan *scan;
	struct fake_unit unit;
	uint8_t room[COLUMN_ROWS_MAX][2][256];
};

static inline void fake_reader_free(struct column_reader *reader)
{
	atomic_fetch_sub(&((struct fake_reader *)reader)->scan->live_readers, 1);
	free(reader);
}

static inline pyr_result fake_reader_seek(struct column_reader *base, size_t unit, struct pyr_error *error)
{
	struct fake_reader *reader = (struct fake_reader *)base;
	(void)error;
	assert(unit < reader->scan->unit_count);
	reader->unit = reader->scan->units[unit];
	return pyr_ok();
}

static inline void fake_row(struct fake_reader *reader, struct column_rows *rows)
{
	size_t i = rows->count++;
	uint8_t *room = &reader->room[i][0][0];
	rows->offset[i] = reader->unit.from;
	rows->partition[i] = reader->unit.partition;
	rows->timestamp_ms[i] = FAKE_START_MS + reader->unit.from * 1000;
	rows->headers[i] = (struct base_bytes){(const uint8_t *)"\x02h\x02v", 4};
	rows->header_count[i] = 1;
	reader->scan->topic->make(reader->unit.partition, reader->unit.from, room, &rows->key[i], &rows->value[i]);
}

static inline pyr_result fake_reader_next(struct column_reader *base, struct column_rows *rows, struct pyr_error *error)
{
	struct fake_reader *reader = (struct fake_reader *)base;
	(void)error;
	rows->count = 0;
	while (rows->count < COLUMN_ROWS_MAX && reader->unit.from < reader->unit.to) {
		fake_row(reader, rows);
		if (!atomic_load(&reader->scan->source->stall))
			reader->unit.from += 1;
	}
	return pyr_ok();
}

static inline pyr_result fake_reader_new(const struct column_scan *scan, unsigned columns,
                                         struct column_reader **ret_reader)
{
	static const struct column_reader_ops ops = {fake_reader_free, fake_reader_seek, fake_reader_next};
	struct fake_reader *reader = calloc(1, sizeof *reader);
	(void)columns;
	assert(reader);
	reader->base.ops = &ops;
	reader->scan = (struct fake_scan *)(uintptr_t)scan;
	atomic_fetch_add(&reader->scan->live_readers, 1);
	*ret_reader = &reader->base;
	return pyr_ok();
}

static inline void fake_scan_free(struct column_scan *base)
{
	struct fake_scan *scan = (struct fake_scan *)base;
	assert(atomic_load(&scan->live_readers) == 0); /* a scan outlives its readers */
	atomic_fetch_sub(&scan->source->live_scans, 1);
	free(scan->units);
	free(scan);
}

static inline size_t fake_unit_count(const struct column_scan *scan)
{
	return ((const struct fake_scan *)scan)->unit_count;
}

static inline uint64_t fake_row_estimate(const struct column_scan *scan)
{
	return ((const struct fake_scan *)scan)->unit_count * FAKE_SEGMENT_ROWS;
}

static inline struct column_scan_statistics fake_statistics(const struct column_scan *base)
{
	const struct fake_scan *scan = (const struct fake_scan *)base;
	return (struct column_scan_statistics){.segments_read = scan->unit_count, .segments_pruned = scan->pruned};
}

static inline bool fake_unit_wanted(const struct column_bounds *bounds, const struct fake_unit *unit)
{
	int64_t first_ms = FAKE_START_MS + unit->from * 1000, last_ms = FAKE_START_MS + (unit->to - 1) * 1000;
	return unit->partition >= bounds->partition_min && unit->partition <= bounds->partition_max &&
	       unit->to > bounds->offset_min && unit->from <= bounds->offset_max &&
	       last_ms >= bounds->timestamp_ms_min && first_ms <= bounds->timestamp_ms_max;
}

static inline struct column_scan *fake_scan_new(struct fake_source *source, const struct fake_topic *topic,
                                                const struct column_bounds *bounds)
{
	static const struct column_scan_ops ops = {fake_scan_free, fake_unit_count, fake_row_estimate, fake_statistics,
	                                           fake_reader_new};
	struct fake_scan *scan = calloc(1, sizeof *scan);
	size_t most = (size_t)topic->partitions * (size_t)(topic->rows / FAKE_SEGMENT_ROWS + 1);
	assert(scan);
	scan->base.ops = &ops;
	scan->source = source;
	scan->topic = topic;
	scan->bounds = *bounds;
	scan->units = calloc(most, sizeof *scan->units);
	for (int32_t partition = 0; partition < topic->partitions; partition++) {
		for (int64_t at = 0; at < topic->rows; at += FAKE_SEGMENT_ROWS) {
			int64_t end = at + FAKE_SEGMENT_ROWS < topic->rows ? at + FAKE_SEGMENT_ROWS : topic->rows;
			struct fake_unit unit = {partition, at, end};
			if (fake_unit_wanted(bounds, &unit))
				scan->units[scan->unit_count++] = unit;
			else
				scan->pruned += 1;
		}
	}
	atomic_fetch_add(&source->live_scans, 1);
	return &scan->base;
}

static inline const struct fake_topic *fake_find(const struct fake_source *source, const char *name)
{
	for (int exact = 1; exact >= 0; exact--)
		for (size_t i = 0; i < source->topic_count; i++)
			if (exact ? strcmp(source->topics[i].name, name) == 0
			          : query_topic_reads_as(source->topics[i].name, name))
				return &source->topics[i];
	return NULL;
}

static inline pyr_result fake_topic_list(struct query_source *base, const struct catalog_principal *principal,
                                         struct query_topic **ret_topics, size_t *ret_count, struct pyr_error *error)
{
	struct fake_source *source = (struct fake_source *)base;
	struct query_topic *topics = calloc(FAKE_TOPICS_MAX, sizeof *topics);
	(void)error;
	assert(topics && principal->name);
	for (size_t i = 0; i < source->topic_count; i++)
		memcpy(topics[i].name, source->topics[i].name, sizeof topics[i].name);
	*ret_topics = topics;
	*ret_count = source->topic_count;
	return pyr_ok();
}

static inline pyr_result fake_topic_find(struct query_source *base, const struct catalog_principal *principal,
                                         const char *name, struct query_topic *ret_topic, struct pyr_error *error)
{
	const struct fake_topic *topic = fake_find((struct fake_source *)base, name);
	assert(principal->name);
	if (!topic)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "no topic %s", name);
	memcpy(ret_topic->name, topic->name, sizeof topic->name);
	ret_topic->partition_count = (uint32_t)topic->partitions;
	ret_topic->column_count = topic->columns ? (uint16_t)topic->columns->count : 0;
	ret_topic->last_column = topic->columns ? topic->columns->last_number : 0;
	return pyr_ok();
}

static inline pyr_result fake_topic_columns(struct query_source *base, const struct catalog_principal *principal,
                                            const char *name, struct catalog_columns **ret_columns,
                                            struct pyr_error *error)
{
	struct fake_topic *topic = (struct fake_topic *)(uintptr_t)fake_find((struct fake_source *)base, name);
	(void)error;
	assert(principal->name && topic);
	return topic->columns ? catalog_columns_copy(topic->columns, ret_columns) : pyr_ok();
}

static inline pyr_result fake_topic_declare(struct query_source *base, const struct catalog_principal *principal,
                                            const char *name, struct base_bytes actions, struct pyr_error *error)
{
	struct fake_topic *topic = (struct fake_topic *)(uintptr_t)fake_find((struct fake_source *)base, name);
	assert(principal->name && topic);
	pyr_result result = catalog_columns_apply(&topic->columns, actions);
	return result.code == PYR_OK ? result : pyr_fail(error, result.code, "%s", pyr_code_text(result.code));
}

static inline pyr_result fake_scan_open(struct query_source *base, const struct catalog_principal *principal,
                                        struct query_scan_request *requests, size_t count, struct pyr_error *error)
{
	struct fake_source *source = (struct fake_source *)base;
	(void)error;
	assert(principal->name);
	atomic_fetch_add(&source->opens, 1);
	for (size_t i = 0; i < count; i++)
		requests[i].scan = fake_scan_new(source, fake_find(source, requests[i].topic), &requests[i].bounds);
	return pyr_ok();
}

/* {"carrier": "UA", "delay": offset % 7, "n": offset}; key is the carrier. */
static inline void fake_flight(int32_t partition, int64_t offset, uint8_t *room, struct base_bytes *key,
                               struct base_bytes *value)
{
	static const char *const carriers[] = {"UA", "AA", "B6"};
	const char *carrier = carriers[(offset + partition) % 3];
	int bytes = snprintf((char *)room, 256, "{\"carrier\": \"%s\", \"delay\": %d, \"n\": %lld}", carrier,
	                     (int)(offset % 7), (long long)offset);
	*key = (struct base_bytes){(const uint8_t *)carrier, 2};
	*value = (struct base_bytes){room, (size_t)bytes};
}

/* Row 0 is plain text, row 1 no UTF-8, row 2 null, row 3 has a zero byte. */
static inline void fake_odd(int32_t partition, int64_t offset, uint8_t *room, struct base_bytes *key,
                            struct base_bytes *value)
{
	static const char *const values[] = {"h\xc3\xa9llo", "\xff\xfe\x01", NULL, "a\0b"};
	static const size_t bytes[] = {6, 3, 0, 3};
	(void)partition;
	(void)room;
	*key = (struct base_bytes){NULL, 0};
	*value = (struct base_bytes){(const uint8_t *)values[offset % 4], bytes[offset % 4]};
}

static inline void fake_source_add(struct fake_source *source, const char *name, int32_t partitions, int64_t rows,
                                   void (*make)(int32_t, int64_t, uint8_t *, struct base_bytes *, struct base_bytes *))
{
	struct fake_topic *topic = &source->topics[source->topic_count++];
	assert(source->topic_count <= FAKE_TOPICS_MAX);
	*topic = (struct fake_topic){.partitions = partitions, .rows = rows, .make = make};
	memcpy(topic->name, name, strlen(name) + 1);
}

/* flights: 4 partitions of 1,000 rows; user-events: 1 of 10; odd: 4 rows that are not all text; empty: none. */
/* Records of the topic "empty" are counted and get offsets in turn; others are refused. */
static inline pyr_result fake_append(struct query_source *base, const struct catalog_principal *principal,
                                     struct query_record *records, size_t record_count, struct pyr_error *error)
{
	struct fake_source *source = (struct fake_source *)base;
	(void)principal;
	for (size_t i = 0; i < record_count; i++) {
		if (strcmp(records[i].topic, "empty") != 0)
			return pyr_fail(error, PYR_BUSY, "only empty takes rows");
		records[i].offset = (int64_t)atomic_fetch_add(&source->appended, 1);
		records[i].partition = records[i].partition < 0 ? 0 : records[i].partition;
	}
	return pyr_ok();
}

static inline void fake_source_init(struct fake_source *source)
{
	static const struct query_source_ops ops = {fake_topic_list,
	                                            fake_topic_find,
	                                            fake_topic_columns,
	                                            fake_topic_declare,
	                                            fake_scan_open,
	                                            NULL,
	                                            NULL,
	                                            NULL,
	                                            fake_append,
	                                            NULL,
	                                            NULL,
	                                            NULL,
	                                            NULL};
	memset(source, 0, sizeof *source);
	source->base.ops = &ops;
	fake_source_add(source, "flights", 4, 1000, fake_flight);
	fake_source_add(source, "user-events", 1, 10, fake_flight);
	fake_source_add(source, "odd", 1, 4, fake_odd);
	fake_source_add(source, "empty", 1, 0, fake_flight);
}

#endif
