/* Pyralog in a program: a log, its topics and SQL over them, in this process or on a server, by the same functions.
 *
 *	struct pyralog *log;
 *	struct pyr_failure failure;
 *	if (pyr_open("data", NULL, &log, &failure) != PYR_STATUS_OK)
 *		fprintf(stderr, "%s\n", failure.text);
 *
 * Errors: every function that can fail gives an enum pyr_status and, when `failure` is not NULL, a sentence. What a
 * function gives through ret_... is untouched when it fails.
 * Ownership: whoever got a handle frees it; each ..._free() and ..._close() takes NULL. What is passed in is borrowed for
 * the call, unless said otherwise. Readers and producers go before the handle that they came from; rows stand alone.
 * Threads: a struct pyralog may be used by several threads at once; a reader, a producer and rows by one at a time. No
 * function may be called from a callback of this library, but where said.
 * Signals: SIGPIPE is ignored from the first handle on. Allocator: the program's.
 * Versions: within one ABI version functions and members are only added; structures that grow begin with their size,
 * which the caller sets to sizeof.
 */
#ifndef PYRALOG_PYRALOG_H
#define PYRALOG_PYRALOG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PYR_ABI_VERSION 1

#define PYR_API __attribute__((visibility("default")))
#define PYR_CHECKED __attribute__((visibility("default"), warn_unused_result))

enum pyr_status {
	PYR_STATUS_OK = 0,
	PYR_STATUS_USAGE = 1, /* an argument is not right */
	PYR_STATUS_NOT_FOUND = 2, /* no such topic or partition */
	PYR_STATUS_EXISTS = 3,
	PYR_STATUS_TIMED_OUT = 4,
	PYR_STATUS_NETWORK =
		5, /* the server can't be reached, or the connection broke: what was asked for may be done */
	PYR_STATUS_OUT_OF_MEMORY = 6,
	PYR_STATUS_TOO_LARGE = 7, /* a record, for its topic */
	PYR_STATUS_OUT_OF_RANGE = 8, /* an offset that is not there, or not any more */
	PYR_STATUS_QUERY = 9, /* the statement: failure.sqlstate says why */
	PYR_STATUS_NOT_SUPPORTED = 10,
	PYR_STATUS_NOT_AUTHORIZED = 11,
	PYR_STATUS_BUSY = 12, /* a limit, for now: try again */
	PYR_STATUS_IO = 13, /* the disk */
	PYR_STATUS_CORRUPT = 14,
	PYR_STATUS_INTERNAL = 15,
};

/* The caller's; written on failure only. */
struct pyr_failure {
	enum pyr_status status;
	char sqlstate[8]; /* PostgreSQL's, of PYR_STATUS_QUERY; else "" */
	char text[1000]; /* one sentence, always terminated */
};

/* Of the library that runs: other than PYR_ABI_VERSION, and it does not fit the header. */
PYR_API int pyr_abi_version(void);
PYR_API const char *pyr_library_version(void); /* "0.1.0" */
PYR_API const char *pyr_status_name(enum pyr_status status); /* "PYR_STATUS_OK"; static */

/* ---- a node in this process, or a connection to one ---- */

struct pyralog;

struct pyr_open_options {
	size_t size; /* sizeof(struct pyr_open_options) */
	unsigned
		shards; /* event loops with a log each, kept from when the directory was made; 0: half the processors */
	unsigned sql_memory_mib; /* of all statements together; 0: 1024 */
	unsigned sql_threads; /* besides one a statement; 0: 2 */
};

/* Opens a data directory, made if it is not there, and runs a node on it, on threads of its own; no port is opened.
 * A process has one at a time, and a directory one process: PYR_STATUS_BUSY. `options`: NULL for the defaults. */
PYR_CHECKED enum pyr_status pyr_open(const char *directory, const struct pyr_open_options *options,
                                     struct pyralog **ret_log, struct pyr_failure *failure);

struct pyr_connect_options {
	size_t size; /* sizeof(struct pyr_connect_options) */
	const char *host; /* NULL: 127.0.0.1 */
	uint16_t kafka_port; /* 0: 9092 */
	uint16_t pg_port; /* 0: 5432; asked at the first statement of SQL */
};

PYR_CHECKED enum pyr_status pyr_connect(const struct pyr_connect_options *options, struct pyralog **ret_log,
                                        struct pyr_failure *failure);

/* Makes what was acknowledged last as safe as the rest, and ends the node or the connection. */
PYR_API void pyr_close(struct pyralog *log);

/* ---- topics ---- */

/* `partitions`: 0 leaves it to the node. PYR_STATUS_EXISTS. */
PYR_CHECKED enum pyr_status pyr_topic_create(struct pyralog *log, const char *topic, unsigned partitions,
                                             struct pyr_failure *failure);
/* With all its records. PYR_STATUS_NOT_FOUND. */
PYR_CHECKED enum pyr_status pyr_topic_delete(struct pyralog *log, const char *topic, struct pyr_failure *failure);

struct pyr_topic {
	const char *name;
	unsigned partitions;
};

/* All topics by name, but the node's own; for pyr_topics_free(). */
PYR_CHECKED enum pyr_status pyr_topic_list(struct pyralog *log, struct pyr_topic **ret_topics, size_t *ret_count,
                                           struct pyr_failure *failure);
PYR_API void pyr_topics_free(struct pyr_topic *topics);

/* ---- records ---- */

struct pyr_bytes {
	const void *data; /* NULL: null, which is not the same as nothing */
	size_t bytes;
};

struct pyr_header {
	struct pyr_bytes key, value;
};

struct pyr_record {
	struct pyr_bytes key, value;
	const struct pyr_header *headers;
	size_t header_count;
	int64_t timestamp_ms; /* since 1970; to produce, 0: now */
	int32_t partition; /* to produce, -1: by the key, as Kafka's clients do; without one, in turn */
	int64_t offset; /* to produce: becomes the one it got */
};

/* Of text that ends with a zero, which is not counted. */
PYR_API struct pyr_bytes pyr_text(const char *text);
/* Key, value (NULL: null) and otherwise what leaves everything to the node. */
PYR_API struct pyr_record pyr_record_of(const char *key, const char *value);

/* Returns when all records are durable, as their topic says, with partition, offset and timestamp in each. When it fails,
 * some may have been written. */
PYR_CHECKED enum pyr_status pyr_produce(struct pyralog *log, const char *topic, struct pyr_record *records,
                                        size_t count, struct pyr_failure *failure);

struct pyr_producer;

struct pyr_producer_options {
	size_t size; /* sizeof(struct pyr_producer_options) */
	size_t buffer_bytes; /* what is kept until it is sent; 0: 1 MiB */
	/* Called for every record when it was written or refused, in the order of adding, from pyr_producer_add(), _flush()
	 * and on their thread; `record` lives for the call. NULL: not called. */
	void (*done)(void *context, const struct pyr_record *record, enum pyr_status status);
	void *context;
	/* Above 0: a thread of the producer's writes what was added so long ago, or when half the buffer is full, and calls
	 * `done`, which must not use the producer. pyr_producer_add() does not wait, unless the buffer is full: then until there
	 * is room. pyr_producer_flush() waits until all is written, and tells the first failure since the last one. Any thread
	 * may add and flush. */
	unsigned linger_ms;
};

/* Collects records of one topic and writes them together. */
PYR_CHECKED enum pyr_status pyr_producer_new(struct pyralog *log, const char *topic,
                                             const struct pyr_producer_options *options,
                                             struct pyr_producer **ret_producer, struct pyr_failure *failure);
/* Copies the record; when the buffer is full, what is in it is written first. A failure is that of the writing: then what
 * was in the buffer is gone, `done` was told, and this record is not added. */
PYR_CHECKED enum pyr_status pyr_producer_add(struct pyr_producer *producer, const struct pyr_record *record,
                                             struct pyr_failure *failure);
/* Writes what is in the buffer; afterwards it is empty, whatever comes of it. */
PYR_CHECKED enum pyr_status pyr_producer_flush(struct pyr_producer *producer, struct pyr_failure *failure);
/* What was not flushed is dropped, and `done` not called for it. */
PYR_API void pyr_producer_free(struct pyr_producer *producer);

struct pyr_reader;

#define PYR_LATEST (-1) /* what is written from now on */
#define PYR_EARLIEST (-2) /* the first record that is still there */

/* Reads a partition from an offset on, and follows it. PYR_STATUS_NOT_FOUND. */
PYR_CHECKED enum pyr_status pyr_reader_open(struct pyralog *log, const char *topic, int32_t partition, int64_t offset,
                                            struct pyr_reader **ret_reader, struct pyr_failure *failure);
/* The next record, which lives until the next call. PYR_STATUS_TIMED_OUT: none came; the reader goes on.
 * PYR_STATUS_OUT_OF_RANGE: the offset is not there. A wait may end up to 100 ms late. */
PYR_CHECKED enum pyr_status pyr_reader_next(struct pyr_reader *reader, unsigned timeout_ms,
                                            struct pyr_record *ret_record, struct pyr_failure *failure);
PYR_API void pyr_reader_close(struct pyr_reader *reader);

/* All partitions of topics together, or those that a group gives us. */
struct pyr_subscription;

struct pyr_subscription_options {
	size_t size; /* sizeof(struct pyr_subscription_options) */
	const char *const *topics; /* of the node: PYR_STATUS_NOT_FOUND */
	size_t topic_count;
	/* A consumer group (KIP-848, with clients of Kafka that speak it): its members share the partitions, and each goes on
	 * from what was committed. NULL: all partitions, those that are made later too, and nothing is committed. */
	const char *group;
	int64_t start; /* PYR_EARLIEST or PYR_LATEST: where nothing is committed */
	/* Of a group: how long the program may work between two calls; 0: 300,000. So long a thread of the subscription's tells
	 * the group that we are there; then it leaves, and others go on from what was committed. */
	unsigned max_poll_ms;
};

struct pyr_consumed {
	const char *topic; /* lives as long as the subscription */
	struct pyr_record record;
};

PYR_CHECKED enum pyr_status pyr_subscribe(struct pyralog *log, const struct pyr_subscription_options *options,
                                          struct pyr_subscription **ret_subscription, struct pyr_failure *failure);
/* The next records, of one partition in its order, one or more; they live until the next call. Records that are gone are passed over.
 * Keeps up with the group, too: partitions come and go in this call only, at least every max_poll_ms. PYR_STATUS_TIMED_OUT: none
 * came. PYR_STATUS_BUSY: the group's coordinator is not ready. After either the subscription goes on. */
PYR_CHECKED enum pyr_status pyr_subscription_next(struct pyr_subscription *subscription, unsigned timeout_ms,
                                                  const struct pyr_consumed **ret_records, size_t *ret_count,
                                                  struct pyr_failure *failure);
/* Of the group: all that was handed out is consumed. Returns when that is durable. PYR_STATUS_BUSY: the partitions are others'
 * by now, who get again what was not committed; go on with pyr_subscription_next(). PYR_STATUS_USAGE: there is no group. */
PYR_CHECKED enum pyr_status pyr_subscription_commit(struct pyr_subscription *subscription, struct pyr_failure *failure);
/* Goes on there, in a partition that we have; PYR_EARLIEST, PYR_LATEST. PYR_STATUS_NOT_FOUND, PYR_STATUS_OUT_OF_RANGE. */
PYR_CHECKED enum pyr_status pyr_subscription_seek(struct pyr_subscription *subscription, const char *topic,
                                                  int32_t partition, int64_t offset, struct pyr_failure *failure);
PYR_API size_t pyr_subscription_partitions(const struct pyr_subscription *subscription); /* that we have now */
/* Leaves the group, whose other members get our partitions at once. Commits nothing. */
PYR_API void pyr_subscription_close(struct pyr_subscription *subscription);

/* ---- SQL: PostgreSQL's dialect, see docs/SQL.md ---- */

struct pyr_rows;

/* Runs one statement. Parameters ($1 and so on) are PostgreSQL's text, NULL for null. Each call stands for itself: there
 * are no transactions, settings or cursors from one to the next (PYR_STATUS_NOT_SUPPORTED). The result is held in memory:
 * PYR_STATUS_TOO_LARGE beyond 256 MiB of text. Waits as long as the statement runs, over TAIL() perhaps for ever: a reader
 * follows a partition. PYR_STATUS_QUERY. */
PYR_CHECKED enum pyr_status pyr_sql(struct pyralog *log, const char *text, const char *const *parameters,
                                    size_t parameter_count, struct pyr_rows **ret_rows, struct pyr_failure *failure);
PYR_API void pyr_rows_free(struct pyr_rows *rows);
PYR_API size_t pyr_rows_count(const struct pyr_rows *rows);
PYR_API size_t pyr_rows_column_count(const struct pyr_rows *rows);
PYR_API const char *pyr_rows_column_name(const struct pyr_rows *rows, size_t column);
PYR_API uint32_t pyr_rows_column_type(const struct pyr_rows *rows, size_t column); /* PostgreSQL's object id */
/* As PostgreSQL's text, terminated; NULL: null. Lives as long as the rows. */
PYR_API const char *pyr_rows_value(const struct pyr_rows *rows, size_t row, size_t column);
PYR_API uint64_t pyr_rows_affected(const struct pyr_rows *rows); /* records that INSERT wrote */

/* The same, rows as they come, so that neither a large result nor one without an end (TAIL) is held in memory. One thread uses
 * a query at a time; only pyr_query_cancel() is for others. Each has a thread of the node's, or a connection, until it is
 * freed; up to 500 may be open. */
struct pyr_query;

/* Does not wait for the statement, so that it can be cancelled from its beginning on. */
PYR_CHECKED enum pyr_status pyr_query_start(struct pyralog *log, const char *text, const char *const *parameters,
                                            size_t parameter_count, struct pyr_query **ret_query,
                                            struct pyr_failure *failure);
/* The next rows, a few thousand or a megabyte at most, for pyr_rows_free(); none in them: that was all. What is
 * wrong with the statement is told here, the first time; after a failure nothing more comes. */
PYR_CHECKED enum pyr_status pyr_query_next(struct pyr_query *query, struct pyr_rows **ret_rows,
                                           struct pyr_failure *failure);
/* Ends it: what waits in pyr_query_next(), or calls it later, gets PYR_STATUS_QUERY with SQLSTATE 57014. Any thread, until
 * pyr_query_free() is called. */
PYR_API void pyr_query_cancel(struct pyr_query *query);
PYR_API void pyr_query_free(struct pyr_query *query); /* cancels what still runs; NULL is fine */

/* The rows as a stream of Arrow's C stream interface (pyralog/arrow.h), in batches of up to 65,536 rows. Afterwards the rows
 * belong to the stream: its release() frees them. bool, int2, int4, int8, oid, float4, float8, numeric (decimal128(38, 16)),
 * bytea, date (date32), timestamp and timestamptz (microseconds; UTC) become Arrow's own types, all others utf8 with
 * PostgreSQL's text. get_next() gives EINVAL for dates outside of the years 1 to 9999 and for numerics with more than 22
 * digits in front of the point or 16 behind it: cast those to text. */
struct ArrowArrayStream;
PYR_CHECKED enum pyr_status pyr_rows_arrow(struct pyr_rows *rows, struct ArrowArrayStream *ret_stream,
                                           struct pyr_failure *failure);
/* The same of rows as they come: get_next() waits for them, and gives EIO for a failure of the query. The query belongs to
 * the stream, but pyr_query_cancel() may be called until its release(). */
PYR_CHECKED enum pyr_status pyr_query_arrow(struct pyr_query *query, struct ArrowArrayStream *ret_stream,
                                            struct pyr_failure *failure);

#ifdef __cplusplus
}
#endif

#endif
