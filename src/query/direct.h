/* Reads of one topic that need no planner:
 *
 *     SELECT columns FROM topic WHERE partition and "offset" compared with numbers ORDER BY "offset" LIMIT n
 *
 * The engine plans such a statement anew each time it runs, which takes longer than to read its rows. So they are read from
 * the topic's scan here, with the same columns, types, rows and errors (the tests run the same statements both ways; SET
 * pyralog.direct_reads = off leaves them all to the engine). Whatever is written otherwise, has operands that are no plain
 * numbers, or reads much, is the engine's.
 */
#ifndef PYRALOG_QUERY_DIRECT_H
#define PYRALOG_QUERY_DIRECT_H

#include "query/cell.h"
#include "query/plan.h"

enum {
	QUERY_DIRECT_COLUMNS_MAX = 64,
	QUERY_DIRECT_ROWS_MAX = 65536, /* that may have to be looked at; more are for the engine's threads */
	QUERY_DIRECT_LIMIT_MAX = 10000, /* rows; with a LIMIT of no more it does not matter how large the topic is */
	QUERY_DIRECT_BYTES_MAX = 16 << 20,
};

/* The columns that every topic has, as they come. Declared ones follow. */
enum query_direct_source {
	QUERY_DIRECT_OFFSET,
	QUERY_DIRECT_PARTITION,
	QUERY_DIRECT_TIMESTAMP,
	QUERY_DIRECT_KEY,
	QUERY_DIRECT_VALUE,
	QUERY_DIRECT_HEADERS,
	QUERY_DIRECT_KEY_BYTES,
	QUERY_DIRECT_VALUE_BYTES,
	QUERY_DIRECT_DECLARED,
};

struct query_direct_column {
	unsigned source; /* of enum query_direct_source, or behind it a declared column */
	uint32_t type; /* PostgreSQL's object id */
	const char *name; /* borrowed: from the parse, the plan's columns, or static */
};

/* The plan of such a statement; its conditions are the plan's bounds. */
struct query_direct_plan {
	struct query_direct_column columns[QUERY_DIRECT_COLUMNS_MAX];
	size_t column_count;
	bool ordered; /* by offset: only if the bounds leave one partition */
	json_t *limit; /* borrowed: a constant or a parameter; NULL: none */
};

struct query_direct;
struct query_statement;

/* direct.c: what reads the rows, kept by the statement from run to run. A session's thread. */
void query_direct_free(struct query_direct *direct); /* NULL is fine */
/* Can it be read so with these parameters? Comes before the scans are opened. */
bool query_direct_suits(const struct query_statement *statement, const struct base_bytes *parameters, size_t count);
/* Is it little enough? Comes after the scans were opened. Then it can begin: *ret_begun. */
bool query_direct_fits(const struct query_statement *statement, const struct base_bytes *parameters, size_t count);
pyr_result query_direct_begin(struct query_statement *statement, const struct base_bytes *parameters, size_t count,
                              bool *ret_begun, struct query_error *error);
pyr_result query_direct_next(struct query_statement *statement, size_t *ret_rows, struct query_error *error);
struct query_cell query_direct_cell(const struct query_statement *statement, size_t row, size_t column);
void query_direct_end(struct query_statement *statement); /* its scans may go then */

#endif
