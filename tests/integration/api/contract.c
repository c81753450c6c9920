/* What the library promises, checked the same way on a node in this process and on a server:
 *
 *	contract open DIRECTORY
 *	contract connect KAFKA_PORT PG_PORT
 *
 * Prints "ok" and a name for each test; what is not as promised ends the program with 1 and a line that says where. */
#include "contract.h"

#include <pyralog/admin.h>
#include <pyralog/arrow.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 5000, THREADS = 4 };

struct pyr_failure failure;

static bool is(struct pyr_bytes bytes, const char *text)
{
	return text ? bytes.data && bytes.bytes == strlen(text) && memcmp(bytes.data, text, bytes.bytes) == 0
	            : bytes.data == NULL;
}

static void test_topics(struct pyralog *log)
{
	struct pyr_topic *topics;
	size_t count;
	OK(pyr_topic_create(log, "t-b", 3, &failure));
	OK(pyr_topic_create(log, "t-a", 0, &failure));
	FAILS(pyr_topic_create(log, "t-a", 1, &failure), PYR_STATUS_EXISTS);
	FAILS(pyr_topic_create(log, "not/valid", 1, &failure), PYR_STATUS_USAGE);
	OK(pyr_topic_list(log, &topics, &count, &failure));
	CHECK(count == 2 && strcmp(topics[0].name, "t-a") == 0 && topics[0].partitions == 4);
	CHECK(strcmp(topics[1].name, "t-b") == 0 && topics[1].partitions == 3);
	pyr_topics_free(topics);
	OK(pyr_topic_delete(log, "t-a", &failure));
	OK(pyr_topic_delete(log, "t-b", NULL));
	FAILS(pyr_topic_delete(log, "t-b", &failure), PYR_STATUS_NOT_FOUND);
	OK(pyr_topic_list(log, &topics, &count, &failure));
	CHECK(count == 0);
	pyr_topics_free(topics);
}

static void test_produce(struct pyralog *log)
{
	struct pyr_header headers[] = {{pyr_text("trace"), pyr_text("1")}, {pyr_text("none"), {NULL, 0}}};
	struct pyr_record records[3] = {pyr_record_of("k", "one"), pyr_record_of(NULL, "two"),
	                                pyr_record_of("k", NULL)};
	struct pyr_reader *reader;
	struct pyr_record record;
	OK(pyr_topic_create(log, "p", 4, &failure));
	records[0].headers = headers;
	records[0].header_count = 2;
	records[0].timestamp_ms = 1700000000123;
	records[1].partition = 2;
	OK(pyr_produce(log, "p", records, 3, &failure));
	/* The partition that Kafka's clients choose for the key. */
	CHECK(records[0].partition == records[2].partition && records[1].partition == 2);
	CHECK(records[2].offset == records[0].offset + 1 && records[2].timestamp_ms > 1700000000123);
	OK(pyr_reader_open(log, "p", records[0].partition, records[0].offset, &reader, &failure));
	OK(pyr_reader_next(reader, PATIENCE_MS, &record, &failure));
	CHECK(record.offset == records[0].offset && record.timestamp_ms == 1700000000123);
	CHECK(is(record.key, "k") && is(record.value, "one") && record.header_count == 2);
	CHECK(is(record.headers[0].key, "trace") && is(record.headers[0].value, "1"));
	CHECK(is(record.headers[1].key, "none") && is(record.headers[1].value, NULL));
	OK(pyr_reader_next(reader, PATIENCE_MS, &record, &failure));
	CHECK(is(record.value, NULL) && record.header_count == 0 && record.partition == records[2].partition);
	pyr_reader_close(reader);
	FAILS(pyr_produce(log, "nowhere", records, 3, &failure), PYR_STATUS_NOT_FOUND);
	records[0].partition = 4;
	FAILS(pyr_produce(log, "p", records, 1, &failure), PYR_STATUS_NOT_FOUND);
	records[0].partition = 0;
	records[0].timestamp_ms = -5;
	FAILS(pyr_produce(log, "p", records, 1, &failure), PYR_STATUS_USAGE);
	OK(pyr_produce(log, "p", records, 0, &failure));
	OK(pyr_topic_delete(log, "p", &failure));
}

struct told {
	size_t count, failed;
	int64_t last;
};

static void on_done(void *context, const struct pyr_record *record, enum pyr_status status)
{
	struct told *told = context;
	told->count += status == PYR_STATUS_OK;
	told->failed += status != PYR_STATUS_OK;
	told->last = record->offset;
}

static void test_producer(struct pyralog *log)
{
	struct told told = {0};
	struct pyr_producer_options options = {sizeof options, 10000, on_done, &told, 0};
	struct pyr_producer *producer;
	struct pyr_reader *reader;
	struct pyr_record record;
	char text[32];
	OK(pyr_topic_create(log, "many", 1, &failure));
	OK(pyr_producer_new(log, "many", &options, &producer, &failure));
	for (int i = 0; i < RECORDS; i++) {
		snprintf(text, sizeof text, "value %d", i);
		record = pyr_record_of(NULL, text);
		OK(pyr_producer_add(producer, &record, &failure));
	}
	CHECK(told.count > 0 && told.count < RECORDS);
	OK(pyr_producer_flush(producer, &failure));
	CHECK(told.count == RECORDS && told.failed == 0 && told.last == RECORDS - 1);
	OK(pyr_reader_open(log, "many", 0, PYR_EARLIEST, &reader, &failure));
	for (int i = 0; i < RECORDS; i++) {
		OK(pyr_reader_next(reader, PATIENCE_MS, &record, &failure));
		snprintf(text, sizeof text, "value %d", i);
		CHECK(record.offset == i && is(record.value, text));
	}
	FAILS(pyr_reader_next(reader, 20, &record, &failure), PYR_STATUS_TIMED_OUT);
	pyr_reader_close(reader);
	OK(pyr_topic_delete(log, "many", &failure));
	record = pyr_record_of(NULL, "lost");
	OK(pyr_producer_add(producer, &record, &failure));
	FAILS(pyr_producer_flush(producer, &failure), PYR_STATUS_NOT_FOUND);
	CHECK(told.failed == 1);
	OK(pyr_producer_flush(producer, &failure)); /* nothing is left */
	pyr_producer_free(producer);
}

struct told_in_background {
	pthread_t thread; /* which adds */
	long count;
	int64_t next_offset;
	bool in_order, elsewhere; /* on another thread */
};

static void on_told(void *context, const struct pyr_record *record, enum pyr_status status)
{
	struct told_in_background *told = context;
	told->in_order = told->in_order && status == PYR_STATUS_OK && record->offset == told->next_offset;
	told->elsewhere = told->elsewhere && !pthread_equal(pthread_self(), told->thread);
	told->next_offset += 1;
	told->count += 1;
}

static void test_background_producer(struct pyralog *log)
{
	struct told_in_background told = {.thread = pthread_self(), .in_order = true, .elsewhere = true};
	struct pyr_producer_options options = {sizeof options, 64 << 10, on_told, &told, 5};
	struct pyr_producer *producer;
	struct pyr_reader *reader;
	struct pyr_record record = pyr_record_of("k", "some value that fills the buffer"), read;
	OK(pyr_topic_create(log, "background", 1, &failure));
	OK(pyr_producer_new(log, "background", &options, &producer, &failure));
	for (int i = 0; i < 10 * RECORDS; i++)
		OK(pyr_producer_add(producer, &record, &failure));
	OK(pyr_producer_flush(producer, &failure));
	CHECK(told.count == 10 * RECORDS && told.in_order && told.elsewhere);
	/* Without a flush it goes by itself. */
	OK(pyr_reader_open(log, "background", 0, 10 * RECORDS, &reader, &failure));
	OK(pyr_producer_add(producer, &record, &failure));
	OK(pyr_reader_next(reader, PATIENCE_MS, &read, &failure));
	pyr_reader_close(reader);
	OK(pyr_producer_flush(producer, &failure));
	OK(pyr_topic_delete(log, "background", &failure));
	told.in_order = true;
	OK(pyr_producer_add(producer, &record, &failure));
	FAILS(pyr_producer_flush(producer, &failure), PYR_STATUS_NOT_FOUND);
	CHECK(!told.in_order); /* it was told, too */
	OK(pyr_producer_flush(producer, &failure));
	OK(pyr_producer_add(producer, &record, &failure));
	pyr_producer_free(producer); /* with something in it */
}

static void test_reader(struct pyralog *log)
{
	struct pyr_record record = pyr_record_of(NULL, "before"), read;
	struct pyr_reader *latest, *beyond;
	OK(pyr_topic_create(log, "r", 1, &failure));
	FAILS(pyr_reader_open(log, "r", 1, 0, &latest, &failure), PYR_STATUS_NOT_FOUND);
	FAILS(pyr_reader_open(log, "nowhere", 0, 0, &latest, &failure), PYR_STATUS_NOT_FOUND);
	FAILS(pyr_reader_open(log, "r", 0, -3, &latest, &failure), PYR_STATUS_USAGE);
	OK(pyr_produce(log, "r", &record, 1, &failure));
	OK(pyr_reader_open(log, "r", 0, PYR_LATEST, &latest, &failure));
	FAILS(pyr_reader_next(latest, 0, &read, &failure), PYR_STATUS_TIMED_OUT);
	record = pyr_record_of(NULL, "after");
	OK(pyr_produce(log, "r", &record, 1, &failure));
	OK(pyr_reader_next(latest, PATIENCE_MS, &read, &failure));
	CHECK(read.offset == 1 && is(read.value, "after"));
	pyr_reader_close(latest);
	OK(pyr_reader_open(log, "r", 0, 7, &beyond, &failure));
	FAILS(pyr_reader_next(beyond, PATIENCE_MS, &read, &failure), PYR_STATUS_OUT_OF_RANGE);
	pyr_reader_close(beyond);
	OK(pyr_topic_delete(log, "r", &failure));
}

/* ---- subscriptions ---- */

static void write_some(struct pyralog *log, const char *topic, int from, int count, int partitions)
{
	struct pyr_record *records = calloc((size_t)count, sizeof *records);
	char(*texts)[16] = calloc((size_t)count, sizeof *texts);
	struct pyr_header header = {pyr_text("n"), pyr_text("1")};
	for (int i = 0; i < count; i++) {
		snprintf(texts[i], sizeof texts[i], "%d", from + i);
		records[i] = pyr_record_of(NULL, texts[i]);
		records[i].partition = i % partitions;
		records[i].headers = &header;
		records[i].header_count = (size_t)i % 2;
	}
	OK(pyr_produce(log, topic, records, (size_t)count, &failure));
	free(records);
	free(texts);
}

enum { SEEN_MAX = 4096 };

static int number_of(struct pyr_bytes bytes)
{
	char text[16] = "";
	CHECK(bytes.bytes < sizeof text);
	memcpy(text, bytes.data, bytes.bytes);
	return atoi(text);
}

/* Reads until `count` records more were seen; each counts in seen[its number]. */
static void read_some(struct pyr_subscription *subscription, int count, unsigned char *seen)
{
	int64_t last[2][8]; /* of each topic's partitions */
	memset(last, 0xff, sizeof last);
	while (count > 0) {
		const struct pyr_consumed *records;
		size_t got;
		OK(pyr_subscription_next(subscription, PATIENCE_MS, &records, &got, &failure));
		CHECK(got > 0 && (int)got <= count);
		for (size_t i = 0; i < got; i++) {
			const struct pyr_record *record = &records[i].record;
			int number = number_of(record->value);
			CHECK(record->partition == records[0].record.partition && number < SEEN_MAX);
			int64_t *before = &last[strcmp(records[i].topic, "s-two") == 0][record->partition];
			CHECK(record->offset > *before);
			*before = record->offset;
			CHECK(record->header_count == 0 || is(record->headers[0].key, "n"));
			seen[number] += 1;
		}
		count -= (int)got;
	}
}

static bool all_once(const unsigned char *seen, int from, int to)
{
	for (int i = from; i < to; i++)
		if (seen[i] != 1)
			return false;
	return true;
}

static void nothing_comes(struct pyr_subscription *subscription)
{
	const struct pyr_consumed *records;
	size_t count;
	FAILS(pyr_subscription_next(subscription, 30, &records, &count, &failure), PYR_STATUS_TIMED_OUT);
}

static void test_subscription(struct pyralog *log)
{
	const char *const topics[] = {"s-one", "s-two"}, *const nowhere[] = {"s-none"};
	struct pyr_subscription_options options = {sizeof options, topics, 2, NULL, PYR_EARLIEST, 0};
	struct pyr_subscription *subscription, *later;
	unsigned char seen[SEEN_MAX] = {0}, seen_later[SEEN_MAX] = {0};
	OK(pyr_topic_create(log, "s-one", 3, &failure));
	OK(pyr_topic_create(log, "s-two", 1, &failure));
	write_some(log, "s-one", 0, 3000, 3);
	OK(pyr_subscribe(log, &options, &subscription, &failure));
	CHECK(pyr_subscription_partitions(subscription) == 4);
	read_some(subscription, 3000, seen);
	CHECK(all_once(seen, 0, 3000));
	nothing_comes(subscription);
	options.start = PYR_LATEST;
	OK(pyr_subscribe(log, &options, &later, &failure));
	nothing_comes(later);
	write_some(log, "s-two", 3000, 10, 1);
	write_some(log, "s-one", 3010, 90, 3);
	read_some(subscription, 100, seen);
	read_some(later, 100, seen_later);
	CHECK(all_once(seen, 3000, 3100) && all_once(seen_later, 3000, 3100) && seen_later[0] == 0);
	FAILS(pyr_subscription_commit(subscription, &failure), PYR_STATUS_USAGE);
	FAILS(pyr_subscription_seek(subscription, "s-one", 3, 0, &failure), PYR_STATUS_NOT_FOUND);
	FAILS(pyr_subscription_seek(subscription, "s-two", 0, 11, &failure), PYR_STATUS_OUT_OF_RANGE);
	OK(pyr_subscription_seek(subscription, "s-two", 0, 4, &failure));
	read_some(subscription, 6, seen);
	CHECK(seen[3003] == 1 && seen[3004] == 2 && seen[3009] == 2);
	OK(pyr_subscription_seek(subscription, "s-one", 0, PYR_LATEST, &failure));
	nothing_comes(subscription);
	pyr_subscription_close(later);
	pyr_subscription_close(subscription);
	options.topics = nowhere;
	options.topic_count = 1;
	FAILS(pyr_subscribe(log, &options, &subscription, &failure), PYR_STATUS_NOT_FOUND);
	options.start = 7;
	FAILS(pyr_subscribe(log, &options, &subscription, &failure), PYR_STATUS_USAGE);
	OK(pyr_topic_delete(log, "s-one", &failure));
	OK(pyr_topic_delete(log, "s-two", &failure));
}

/* Calls next() of both until each has as many partitions; whatever comes meanwhile is counted. */
static void share(struct pyr_subscription *one, struct pyr_subscription *two, size_t ones, size_t twos,
                  unsigned char *seen)
{
	struct pyr_subscription *both[] = {one, two};
	for (int round = 0; round < 500; round++) {
		for (int i = 0; i < 2; i++) {
			const struct pyr_consumed *records;
			size_t count = 0;
			if (both[i] && pyr_subscription_next(both[i], 20, &records, &count, &failure) == PYR_STATUS_OK)
				for (size_t k = 0; k < count; k++)
					seen[number_of(records[k].record.value)] += 1;
		}
		if (pyr_subscription_partitions(one) == ones && (!two || pyr_subscription_partitions(two) == twos))
			return;
	}
	CHECK(!"the members share the partitions");
}

static void test_group(struct pyralog *log)
{
	const char *const topics[] = {"s-group"};
	struct pyr_subscription_options options = {sizeof options, topics, 1, "workers", PYR_EARLIEST, 0};
	struct pyr_subscription *one, *two;
	unsigned char seen[SEEN_MAX] = {0}, again[SEEN_MAX] = {0};
	const struct pyr_setting brisk = {"consumer.heartbeat.interval.ms", "100", 0};
	OK(pyr_topic_create(log, "s-group", 4, &failure));
	OK(pyr_group_alter(log, "workers", &brisk, 1, &failure));
	write_some(log, "s-group", 0, 100, 4);
	OK(pyr_subscribe(log, &options, &one, &failure));
	read_some(one, 100, seen);
	CHECK(all_once(seen, 0, 100) && pyr_subscription_partitions(one) == 4);
	OK(pyr_subscription_commit(one, &failure));
	/* What is not committed comes again, to whoever gets the partition. */
	write_some(log, "s-group", 100, 40, 4);
	read_some(one, 40, seen);
	pyr_subscription_close(one);
	OK(pyr_subscribe(log, &options, &one, &failure));
	read_some(one, 40, again);
	CHECK(all_once(again, 100, 140) && again[99] == 0);
	OK(pyr_subscription_commit(one, &failure));
	nothing_comes(one);
	/* Two share, and one gets all when the other leaves. */
	memset(seen, 0, sizeof seen);
	OK(pyr_subscribe(log, &options, &two, &failure));
	share(one, two, 2, 2, seen);
	CHECK(seen[139] == 0);
	write_some(log, "s-group", 200, 400, 4);
	read_some(one, 200, seen);
	read_some(two, 200, seen);
	CHECK(all_once(seen, 200, 600));
	OK(pyr_subscription_commit(one, &failure));
	OK(pyr_subscription_commit(two, &failure));
	pyr_subscription_close(two);
	share(one, NULL, 4, 0, seen);
	write_some(log, "s-group", 600, 40, 4);
	read_some(one, 40, seen);
	CHECK(all_once(seen, 200, 640));
	OK(pyr_subscription_commit(one, &failure));
	pyr_subscription_close(one);
	OK(pyr_topic_delete(log, "s-group", &failure));
}

static void test_sql(struct pyralog *log)
{
	const char *parameters[] = {"a", NULL};
	struct pyr_rows *rows;
	OK(pyr_topic_create(log, "s", 1, &failure));
	OK(pyr_sql(log, "INSERT INTO s (key, value) VALUES ('a', '1'), ('b', '2')", NULL, 0, &rows, &failure));
	CHECK(pyr_rows_affected(rows) == 2 && pyr_rows_column_count(rows) == 0 && pyr_rows_count(rows) == 0);
	pyr_rows_free(rows);
	OK(pyr_sql(log, "SELECT key, \"offset\", $2::text AS nothing FROM s WHERE key = $1", parameters, 2, &rows,
	           &failure));
	CHECK(pyr_rows_count(rows) == 1 && pyr_rows_column_count(rows) == 3 && pyr_rows_affected(rows) == 0);
	CHECK(strcmp(pyr_rows_column_name(rows, 1), "offset") == 0 && pyr_rows_column_type(rows, 1) == 20);
	CHECK(strcmp(pyr_rows_value(rows, 0, 0), "a") == 0 && strcmp(pyr_rows_value(rows, 0, 1), "0") == 0);
	CHECK(!pyr_rows_value(rows, 0, 2) && !pyr_rows_value(rows, 1, 0) && !pyr_rows_value(rows, 0, 3));
	pyr_rows_free(rows);
	OK(pyr_sql(log, "SELECT true, 1.50, '2024-02-29'::date, timestamp '2024-02-29 12:00:00.5', 'x''y'", NULL, 0,
	           &rows, &failure));
	CHECK(strcmp(pyr_rows_value(rows, 0, 0), "t") == 0 && strcmp(pyr_rows_value(rows, 0, 1), "1.50") == 0);
	CHECK(strcmp(pyr_rows_value(rows, 0, 2), "2024-02-29") == 0);
	CHECK(strcmp(pyr_rows_value(rows, 0, 3), "2024-02-29 12:00:00.5") == 0);
	CHECK(strcmp(pyr_rows_value(rows, 0, 4), "x'y") == 0);
	pyr_rows_free(rows);
	OK(pyr_sql(log, "SELECT * FROM generate_series(1, 10000) AS g(i)", NULL, 0, &rows, &failure));
	CHECK(pyr_rows_count(rows) == 10000 && strcmp(pyr_rows_value(rows, 9999, 0), "10000") == 0);
	pyr_rows_free(rows);
	OK(pyr_topic_delete(log, "s", &failure));
}

static void test_sql_errors(struct pyralog *log)
{
	const char *parameters[] = {"1"};
	struct pyr_rows *rows = NULL;
	FAILS(pyr_sql(log, "SELEC", NULL, 0, &rows, &failure), PYR_STATUS_QUERY);
	CHECK(strcmp(failure.sqlstate, "42601") == 0 && !rows);
	FAILS(pyr_sql(log, "SELECT * FROM nowhere", NULL, 0, &rows, &failure), PYR_STATUS_QUERY);
	CHECK(strcmp(failure.sqlstate, "42P01") == 0);
	FAILS(pyr_sql(log, "SELECT 1 / 0", NULL, 0, &rows, &failure), PYR_STATUS_QUERY);
	CHECK(strcmp(failure.sqlstate, "22012") == 0);
	FAILS(pyr_sql(log, "SELECT 1; SELECT 2", NULL, 0, &rows, &failure), PYR_STATUS_QUERY);
	CHECK(strcmp(failure.sqlstate, "42601") == 0);
	FAILS(pyr_sql(log, "SELECT 1", parameters, 1, &rows, &failure), PYR_STATUS_QUERY);
	FAILS(pyr_sql(log, " Begin", NULL, 0, &rows, &failure), PYR_STATUS_NOT_SUPPORTED);
	FAILS(pyr_sql(log, "/* */ -- no\n set x = 1", NULL, 0, &rows, &failure), PYR_STATUS_NOT_SUPPORTED);
	/* Nested comments hide the word from the library, not from the node. */
	FAILS(pyr_sql(log, "/*/**/*/ BEGIN", NULL, 0, &rows, &failure), PYR_STATUS_NOT_SUPPORTED);
	FAILS(pyr_sql(log, "/*/**/*/ COPY (SELECT 1) TO STDOUT", NULL, 0, &rows, &failure), PYR_STATUS_NOT_SUPPORTED);
	FAILS(pyr_sql(log, "SELECT repeat('x', 1000000) FROM generate_series(1, 300)", NULL, 0, &rows, &failure),
	      PYR_STATUS_TOO_LARGE);
	OK(pyr_sql(log, "", NULL, 0, &rows, &failure));
	CHECK(pyr_rows_count(rows) == 0);
	pyr_rows_free(rows);
}

static struct ArrowArrayStream stream_of(struct pyralog *log, const char *text)
{
	struct ArrowArrayStream stream;
	struct pyr_rows *rows;
	OK(pyr_sql(log, text, NULL, 0, &rows, &failure));
	OK(pyr_rows_arrow(rows, &stream, &failure));
	return stream;
}

static bool is_value(const struct ArrowArray *batch, int64_t column, const void *value, size_t bytes)
{
	const struct ArrowArray *array = batch->children[column];
	return array->null_count == 0 && memcmp(array->buffers[array->n_buffers - 1], value, bytes) == 0;
}

static void test_arrow_types(struct pyralog *log)
{
	static const char *const formats[] = {"b", "s", "i",   "l",    "f",       "g", "d:38,16",
	                                      "u", "z", "tdD", "tsu:", "tsu:UTC", "i"};
	struct ArrowArrayStream stream = stream_of(
		log, "SELECT 1 = 1, 7::int2, -8::int4, 9000000000::int8, 1.5::float4, -0.25::float8,"
		     " 12.50::numeric(10,2), 'text', '\\x00ff'::bytea, date '2024-02-29',"
		     " timestamp '1970-01-01 00:00:01.5', timestamptz '1970-01-01 01:00:00+01', NULL::int4 AS last");
	struct ArrowSchema schema;
	struct ArrowArray batch;
	CHECK(stream.get_schema(&stream, &schema) == 0 && strcmp(schema.format, "+s") == 0);
	CHECK(schema.n_children == 13 && strcmp(schema.children[12]->name, "last") == 0);
	for (int i = 0; i < 13; i++)
		CHECK(strcmp(schema.children[i]->format, formats[i]) == 0);
	schema.release(&schema);
	CHECK(stream.get_next(&stream, &batch) == 0 && batch.length == 1 && batch.n_children == 13);
	CHECK((*(const uint8_t *)batch.children[0]->buffers[1] & 1) == 1);
	CHECK(is_value(&batch, 1, &(int16_t){7}, 2) && is_value(&batch, 2, &(int32_t){-8}, 4));
	CHECK(is_value(&batch, 3, &(int64_t){9000000000}, 8) && is_value(&batch, 4, &(float){1.5f}, 4));
	CHECK(is_value(&batch, 5, &(double){-0.25}, 8) &&
	      is_value(&batch, 6, (const int64_t[]){125000000000000000, 0}, 16));
	CHECK(is_value(&batch, 7, "text", 4) && is_value(&batch, 8, "\0\377", 2));
	CHECK(((const int32_t *)batch.children[8]->buffers[1])[1] == 2);
	CHECK(is_value(&batch, 9, &(int32_t){19782}, 4) && is_value(&batch, 10, &(int64_t){1500000}, 8));
	CHECK(is_value(&batch, 11, &(int64_t){0}, 8) && batch.children[12]->null_count == 1);
	CHECK((*(const uint8_t *)batch.children[12]->buffers[0] & 1) == 0);
	batch.release(&batch);
	CHECK(stream.get_next(&stream, &batch) == 0 && !batch.release); /* the end */
	stream.release(&stream);
}

static void test_arrow_batches(struct pyralog *log)
{
	struct ArrowArrayStream stream = stream_of(
		log, "SELECT i::int8, CASE WHEN i % 2 = 0 THEN 'even' END FROM generate_series(0, 99999) AS g(i)");
	struct ArrowArray batch, moved;
	int64_t rows = 0;
	while (stream.get_next(&stream, &batch) == 0 && batch.release) {
		CHECK(batch.children[1]->null_count == batch.length / 2);
		moved = *batch.children[0]; /* a child may outlive its parent */
		batch.children[0]->release = NULL;
		rows += batch.length;
		batch.release(&batch);
		CHECK(((const int64_t *)moved.buffers[1])[moved.length - 1] == rows - 1);
		moved.release(&moved);
	}
	CHECK(rows == 100000);
	stream.release(&stream);
	stream = stream_of(log, "SELECT 1 AS a WHERE false");
	CHECK(stream.get_next(&stream, &batch) == 0 && !batch.release);
	stream.release(&stream);
}

/* ---- rows as they come ---- */

static void test_query(struct pyralog *log)
{
	const char *const most[] = {"99999"};
	struct pyr_query *query;
	struct pyr_rows *rows;
	size_t count = 0, batches = 0, got;
	long long sum = 0;
	OK(pyr_query_start(log, "SELECT i FROM generate_series(0, $1::int4) AS g(i)", most, 1, &query, &failure));
	do {
		OK(pyr_query_next(query, &rows, &failure));
		got = pyr_rows_count(rows);
		for (size_t i = 0; i < got; i++)
			sum += atoll(pyr_rows_value(rows, i, 0));
		count += got;
		batches += got > 0;
		pyr_rows_free(rows);
	} while (got > 0);
	CHECK(count == 100000 && sum == 4999950000 && batches > 10);
	FAILS(pyr_query_next(query, &rows, &failure), PYR_STATUS_USAGE);
	pyr_query_free(query);
	OK(pyr_query_start(log, "SELECT i FROM generate_series(0, 999999) AS g(i)", NULL, 0, &query, &failure));
	OK(pyr_query_next(query, &rows, &failure));
	pyr_rows_free(rows);
	pyr_query_free(query); /* in the middle */
	pyr_query_free(NULL);
	FAILS(pyr_query_start(log, "BEGIN", NULL, 0, &query, &failure), PYR_STATUS_NOT_SUPPORTED);
	OK(pyr_query_start(log, "SELECT nope", NULL, 0, &query, &failure));
	FAILS(pyr_query_next(query, &rows, &failure), PYR_STATUS_QUERY);
	CHECK(strcmp(failure.sqlstate, "42703") == 0);
	pyr_query_free(query);
}

/* An endless one: rows come as they are written. */
static void test_query_over_tail(struct pyralog *log)
{
	struct pyr_record record = pyr_record_of("k", "first");
	struct pyr_query *query;
	struct pyr_rows *rows;
	OK(pyr_topic_create(log, "endless", 1, &failure));
	OK(pyr_produce(log, "endless", &record, 1, &failure));
	OK(pyr_query_start(log, "SELECT value FROM TAIL(endless, from => 'earliest')", NULL, 0, &query, &failure));
	OK(pyr_query_next(query, &rows, &failure));
	CHECK(pyr_rows_count(rows) == 1 && strcmp(pyr_rows_value(rows, 0, 0), "first") == 0);
	pyr_rows_free(rows);
	for (int i = 0; i < 3; i++) {
		OK(pyr_produce(log, "endless", &record, 1, &failure));
		OK(pyr_query_next(query, &rows, &failure));
		CHECK(pyr_rows_count(rows) == 1);
		pyr_rows_free(rows);
	}
	pyr_query_free(query);
}

static void *next_of(void *context)
{
	struct pyr_rows *rows;
	static struct pyr_failure told;
	enum pyr_status status;
	while ((status = pyr_query_next(context, &rows, &told)) == PYR_STATUS_OK)
		pyr_rows_free(rows);
	return status == PYR_STATUS_QUERY ? told.sqlstate : NULL;
}

static void test_query_is_cancelled(struct pyralog *log)
{
	static const char *const texts[] = {
		"SELECT value FROM TAIL(endless)",
		"SELECT count(*) FROM generate_series(0, 999999) a(i), generate_series(0, 999999) b(i) WHERE a.i = b.i "
		"+ 1"
		" OR a.i * b.i = 7",
		"SELECT 1 FROM generate_series(0, 999999) a(i), generate_series(0, 999999) b(i)"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct pyr_query *query;
		pthread_t thread;
		void *sqlstate;
		OK(pyr_query_start(log, texts[i], NULL, 0, &query, &failure));
		CHECK(pthread_create(&thread, NULL, next_of, query) == 0);
		pyr_query_cancel(query);
		pthread_join(thread, &sqlstate);
		CHECK(sqlstate && strcmp(sqlstate, "57014") == 0);
		pyr_query_free(query);
	}
}

static void test_query_as_arrow(struct pyralog *log)
{
	struct pyr_query *query;
	struct ArrowArrayStream stream;
	struct ArrowSchema schema;
	struct ArrowArray batch;
	int64_t rows = 0;
	OK(pyr_query_start(log, "SELECT i::int8 FROM generate_series(0, 99999) AS g(i)", NULL, 0, &query, &failure));
	OK(pyr_query_arrow(query, &stream, &failure));
	CHECK(stream.get_schema(&stream, &schema) == 0 && strcmp(schema.children[0]->format, "l") == 0);
	schema.release(&schema);
	while (stream.get_next(&stream, &batch) == 0 && batch.release) {
		CHECK(((const int64_t *)batch.children[0]->buffers[1])[0] == rows);
		rows += batch.length;
		batch.release(&batch);
	}
	CHECK(rows == 100000);
	stream.release(&stream);
	OK(pyr_query_start(log, "SELECT value FROM TAIL(endless)", NULL, 0, &query, &failure));
	OK(pyr_query_arrow(query, &stream, &failure));
	pyr_query_cancel(query);
	CHECK(stream.get_next(&stream, &batch) != 0 && stream.get_last_error(&stream));
	stream.release(&stream);
	OK(pyr_topic_delete(log, "endless", &failure));
}

static void *produce_some(void *context)
{
	for (int i = 0; i < 50; i++) {
		struct pyr_record record = pyr_record_of("k", "v");
		struct pyr_rows *rows;
		if (pyr_produce(context, "threads", &record, 1, NULL) != PYR_STATUS_OK)
			return context;
		if (pyr_sql(context, "SELECT count(*) FROM threads", NULL, 0, &rows, NULL) != PYR_STATUS_OK)
			return context;
		pyr_rows_free(rows);
	}
	return NULL;
}

static void test_threads(struct pyralog *log)
{
	pthread_t threads[THREADS];
	struct pyr_rows *rows;
	OK(pyr_topic_create(log, "threads", 2, &failure));
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, produce_some, log) == 0);
	for (int i = 0; i < THREADS; i++) {
		void *failed;
		CHECK(pthread_join(threads[i], &failed) == 0 && !failed);
	}
	OK(pyr_sql(log, "SELECT count(*) FROM threads", NULL, 0, &rows, &failure));
	CHECK(strcmp(pyr_rows_value(rows, 0, 0), "200") == 0);
	pyr_rows_free(rows);
	OK(pyr_topic_delete(log, "threads", &failure));
}

static void test_abi(struct pyralog *log)
{
	(void)log;
	CHECK(pyr_abi_version() == PYR_ABI_VERSION && pyr_library_version()[0]);
	CHECK(strcmp(pyr_status_name(PYR_STATUS_INTERNAL), "PYR_STATUS_INTERNAL") == 0);
	pyr_close(NULL);
	pyr_rows_free(NULL);
	pyr_reader_close(NULL);
	pyr_subscription_close(NULL);
	pyr_producer_free(NULL);
	pyr_topics_free(NULL);
	pyr_settings_free(NULL);
	pyr_groups_free(NULL);
	pyr_group_partitions_free(NULL);
}

static struct pyralog *start(char **arguments)
{
	struct pyralog *log = NULL;
	struct pyr_connect_options options = {sizeof options, NULL, 0, 0};
	if (strcmp(arguments[1], "open") == 0) {
		OK(pyr_open(arguments[2], NULL, &log, &failure));
		FAILS(pyr_open(arguments[2], NULL, &log, &failure), PYR_STATUS_BUSY);
		return log;
	}
	options.kafka_port = 1; /* nobody's */
	FAILS(pyr_connect(&options, &log, &failure), PYR_STATUS_NETWORK);
	options.kafka_port = (uint16_t)atoi(arguments[2]);
	options.pg_port = (uint16_t)atoi(arguments[3]);
	OK(pyr_connect(&options, &log, &failure));
	return log;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct pyralog *log);
	} tests[] = {{"abi", test_abi},
	             {"topics", test_topics},
	             {"produce", test_produce},
	             {"producer", test_producer},
	             {"background producer", test_background_producer},
	             {"reader", test_reader},
	             {"subscription", test_subscription},
	             {"group", test_group},
	             {"topic administration", test_topic_administration},
	             {"group administration", test_group_administration},
	             {"heartbeats", test_heartbeats},
	             {"sql", test_sql},
	             {"sql errors", test_sql_errors},
	             {"arrow types", test_arrow_types},
	             {"arrow batches", test_arrow_batches},
	             {"query", test_query},
	             {"query over tail", test_query_over_tail},
	             {"query is cancelled", test_query_is_cancelled},
	             {"query as arrow", test_query_as_arrow},
	             {"threads", test_threads}};
	if (argc < 3)
		return 2;
	struct pyralog *log = start(argv);
	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
		tests[i].run(log);
		printf("ok %s\n", tests[i].name);
		fflush(stdout);
	}
	pyr_close(log);
	if (strcmp(argv[1], "open") == 0) { /* once more, on what is there */
		OK(pyr_open(argv[2], NULL, &log, &failure));
		test_topics(log);
		pyr_close(log);
		printf("ok again\n");
	}
	return 0;
}
