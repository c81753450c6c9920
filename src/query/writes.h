/* What a session has written and not appended yet: the rows of a statement, or of a transaction block until it commits.
 *
 * Belongs to its session. Bounded by bytes. Each record owns its texts. Savepoints are marks in the list.
 */
#ifndef PYRALOG_QUERY_WRITES_H
#define PYRALOG_QUERY_WRITES_H

#include "query/cell.h"
#include "query/error.h"
#include "query/plan.h"

enum { QUERY_WRITES_BYTES_MAX = 64 << 20, QUERY_SAVEPOINTS_MAX = 1000 };

struct query_writes {
	struct query_record *records;
	size_t count, room;
	size_t bytes;
	struct query_savepoint {
		char *name;
		size_t count; /* of records when it was made */
	} * savepoints;
	size_t savepoint_count;
};

void query_writes_deinit(struct query_writes *writes);
/* Forgets all records behind the first `count`. */
void query_writes_cut(struct query_writes *writes, size_t count);

/* One column's value as text or bytes. */
struct query_field {
	struct base_bytes text; /* data NULL: null */
	bool is_bytes; /* exact bytes, whatever the column */
	int64_t us; /* a time stamp that is none of text: is_time */
	bool is_time;
};

/* Adds a record of `fields`, one for each of the insert's columns. 22P02, 22007, 54000, 23514. */
pyr_result query_writes_add(struct query_writes *writes, const struct query_insert *insert,
                            const struct query_field *fields, struct query_error *error);

/* 3B001: there is no such savepoint. */
pyr_result query_writes_savepoint(struct query_writes *writes, const char *name, struct query_error *error);
pyr_result query_writes_release(struct query_writes *writes, const char *name, struct query_error *error);
pyr_result query_writes_rollback_to(struct query_writes *writes, const char *name, struct query_error *error);
void query_writes_forget_savepoints(struct query_writes *writes);

/* "2013-01-01 05:06:07.25+01" in microseconds since 1970; without a zone it is UTC. False: it is none. */
bool query_timestamp_read(struct base_bytes text, int64_t *ret_us);

#endif
