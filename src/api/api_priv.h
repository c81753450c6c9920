/* What the parts of the library share: handles, and what a node in this process and a connection each do in their way.
 *
 * The public functions check arguments and turn errors into statuses; the ways (api_ways) do the work with the layers'
 * own errors. Any thread, unless a handle says otherwise (pyralog.h). */
#ifndef PYRALOG_API_API_PRIV_H
#define PYRALOG_API_API_PRIV_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/batch.h"
#include "pyralog/pyralog.h"

struct api_topics;
struct api_feed_ways;
struct api_admin_ways;

enum { API_TOPIC_BYTES_MAX = 249 };

struct api_ways {
	const struct api_feed_ways *feed; /* subscription.h */
	const struct api_admin_ways *admin; /* admin.h */
	void (*close)(struct pyralog *log);
	pyr_result (*topic_create)(struct pyralog *log, const char *topic, unsigned partitions,
	                           struct pyr_error *error);
	pyr_result (*topic_delete)(struct pyralog *log, const char *topic, struct pyr_error *error);
	/* Calls api_topics_add() for each. */
	pyr_result (*topic_list)(struct pyralog *log, struct api_topics *topics, struct pyr_error *error);
	pyr_result (*produce)(struct pyralog *log, const char *topic, struct pyr_record *records, size_t count,
	                      struct pyr_error *error);
	pyr_result (*reader_open)(struct pyralog *log, struct pyr_reader *reader, struct pyr_error *error);
	/* *ret_any false: none within `wait_ms`. The record lives until the next call. */
	pyr_result (*reader_next)(struct pyr_reader *reader, unsigned wait_ms, struct codec_record *ret_record,
	                          bool *ret_any, struct pyr_error *error);
	void (*reader_close)(struct pyr_reader *reader);
	/* `failure` is not NULL and is filled in. */
	enum pyr_status (*sql)(struct pyralog *log, const char *text, const char *const *parameters,
	                       size_t parameter_count, struct pyr_rows *rows, struct pyr_failure *failure);
	/* Fills query->way in. The texts live for the call only. */
	enum pyr_status (*query_start)(struct pyr_query *query, const char *text, const char *const *parameters,
	                               size_t parameter_count, struct pyr_failure *failure);
	/* Columns, and rows if there are any more. */
	enum pyr_status (*query_next)(struct pyr_query *query, struct pyr_rows *rows, struct pyr_failure *failure);
	void (*query_cancel)(struct pyr_query *query); /* any thread */
	void (*query_free)(struct pyr_query *query);
};

struct pyr_query {
	struct pyralog *log;
	void *way; /* its own; NULL: it did not start */
	bool over; /* nothing more comes */
};

/* The beginning of each way's own. */
struct pyralog {
	const struct api_ways *ways;
};

struct pyr_reader {
	struct pyralog *log;
	char *topic;
	int32_t partition;
	int64_t offset; /* the next record's, or later */
	void *way; /* its own */
	struct pyr_header *headers; /* of the record that was handed out */
	size_t header_room;
};

/* ---- errors ---- */

enum pyr_status api_status_of(enum pyr_code code);
enum pyr_code api_code_of_kafka(int16_t code);
/* Fills `failure` (may be NULL) from a layer's error. */
enum pyr_status api_settle(pyr_result result, const struct pyr_error *error, struct pyr_failure *failure);
[[gnu::format(printf, 4, 5)]] enum pyr_status api_fail(struct pyr_failure *failure, enum pyr_status status,
                                                       const char *sqlstate, const char *format, ...);

/* ---- results ---- */

struct api_topics {
	struct pyr_topic *topics;
	size_t count, room;
};

pyr_result api_topics_add(struct api_topics *topics, struct base_bytes name, unsigned partitions);

struct api_cell {
	size_t at; /* in the rows' bytes; SIZE_MAX: null */
};

struct api_column {
	char *name;
	uint32_t type; /* PostgreSQL's */
};

enum { API_ROWS_BYTES_MAX = 256 << 20 }; /* of all texts of a result */

struct pyr_rows {
	struct api_column *columns;
	size_t column_count;
	struct api_cell *cells;
	size_t cell_count, cell_room;
	char *bytes;
	size_t byte_count, byte_room;
	uint64_t affected;
};

pyr_result api_rows_column(struct pyr_rows *rows, size_t column_count, const char *name, uint32_t type);
/* Row after row, column after column; text.data NULL: null. PYR_TOO_LARGE: it is more than API_ROWS_BYTES_MAX. */
pyr_result api_rows_cell(struct pyr_rows *rows, struct base_bytes text);
/* Is this a statement that a call can't stand for itself with? */
bool api_concerns_session(const char *text);
/* What a failure to keep rows means to the caller. */
enum pyr_status api_rows_settle(pyr_result result, struct pyr_failure *failure);

static inline struct base_bytes api_bytes(struct pyr_bytes bytes)
{
	return (struct base_bytes){bytes.data, bytes.data ? bytes.bytes : 0};
}

#endif
