/* A statement of PostgreSQL's SQL, made ready for the engine: rewritten text, the topics it scans, their bounds.
 *
 * The dialect's seam: everything that differs between PostgreSQL and the engine is settled here, statically.
 */
#ifndef PYRALOG_QUERY_PLAN_H
#define PYRALOG_QUERY_PLAN_H

#include "catalog/columns.h"
#include "query/parse.h"
#include "query/source.h"
#include "query/types.h"

enum {
	QUERY_TOPICS_MAX = 64, /* a statement may name */
	QUERY_BOUNDS_MAX = 256,
	QUERY_PARAMETERS_MAX = 1000,
	QUERY_TARGETS_MAX = 1664, /* columns of a query, as in PostgreSQL */
	QUERY_CONDITIONS_MAX = 10000, /* in one chain of AND or OR: the engine's planning is quadratic in it */
};

enum query_kind {
	QUERY_KIND_ROWS, /* SELECT, VALUES, SHOW */
	QUERY_KIND_EXPLAIN,
	QUERY_KIND_INSERT,
	QUERY_KIND_BEGIN,
	QUERY_KIND_COMMIT,
	QUERY_KIND_ROLLBACK,
	QUERY_KIND_SAVEPOINT, /* called `name` */
	QUERY_KIND_RELEASE,
	QUERY_KIND_ROLLBACK_TO,
	QUERY_KIND_SET, /* `name`, to `value` */
	QUERY_KIND_RESET_ALL,
	QUERY_KIND_DECLARE, /* a cursor `name` over the rows */
	QUERY_KIND_FETCH, /* and MOVE */
	QUERY_KIND_CLOSE, /* a cursor `name`, or all */
	QUERY_KIND_COPY_OUT,
	QUERY_KIND_COPY_IN,
	QUERY_KIND_DEALLOCATE, /* of `name`, or of all */
	QUERY_KIND_ALTER_TOPIC, /* insert.topic, by `actions` */
	QUERY_KIND_DISCARD, /* whatever the session keeps */
	QUERY_KIND_COMMAND, /* anything else that does nothing */
};

/* Columns of a topic that can be written. */
enum query_write_column {
	QUERY_WRITE_KEY,
	QUERY_WRITE_VALUE,
	QUERY_WRITE_HEADERS,
	QUERY_WRITE_TIMESTAMP,
	QUERY_WRITE_PARTITION,
	QUERY_WRITE_KEY_BYTES,
	QUERY_WRITE_VALUE_BYTES,
	QUERY_WRITE_COLUMNS, /* declared ones follow */
};

enum { QUERY_INSERT_COLUMNS_MAX = QUERY_WRITE_COLUMNS + CATALOG_COLUMNS_MAX };

/* What RETURNING may name. */
enum query_return_column {
	QUERY_RETURN_OFFSET,
	QUERY_RETURN_PARTITION,
	QUERY_RETURN_TIMESTAMP,
	QUERY_RETURN_KEY,
	QUERY_RETURN_VALUE,
	QUERY_RETURN_COLUMNS,
};

struct query_insert {
	char topic[CATALOG_NAME_MAX + 1];
	uint16_t columns[QUERY_INSERT_COLUMNS_MAX]; /* of enum query_write_column, or behind it a declared one */
	size_t column_count;
	struct catalog_columns *declared; /* the topic's; NULL: none is written */
	json_t *shape; /* of the values that are made of them: see fields_write.c */
	enum query_return_column returning[QUERY_RETURN_COLUMNS * 2];
	char return_names[QUERY_RETURN_COLUMNS * 2][64];
	size_t return_count;
};

enum query_copy_format { QUERY_COPY_TEXT, QUERY_COPY_CSV, QUERY_COPY_BINARY };

struct query_copy {
	enum query_copy_format format;
	bool header;
	char delimiter, quote, escape;
	char null_text[64];
	bool force_quote; /* all columns */
};

enum query_bound_column { QUERY_BOUND_OFFSET, QUERY_BOUND_PARTITION, QUERY_BOUND_TIMESTAMP };

/* What the WHERE clause says of one column: column >= operand and so on. */
struct query_bound {
	size_t scan; /* which of the plan's */
	enum query_bound_column column;
	bool lower; /* column >= or > operand */
	bool upper; /* column <= or < operand */
	bool strict; /* > or <: the operand itself is outside */
	json_t *operand; /* borrowed from the parse: literal, parameter, or time arithmetic; a List for IN */
};

struct query_scan {
	char topic[CATALOG_NAME_MAX + 1];
	struct catalog_columns *columns; /* declared, when it was planned; NULL: none */
};

struct query_direct_plan;

struct query_plan {
	enum query_kind kind;
	const char *tag; /* of the command: static */
	char *sql; /* for the engine; NULL when it has nothing to do */
	const char *name; /* borrowed from the parse; NULL: all */
	char *value; /* SET; NULL: the default */
	bool local; /* SET LOCAL */
	bool hold; /* DECLARE WITH HOLD */
	bool moves, backward; /* FETCH: MOVE; anything but forward */
	int64_t row_count; /* FETCH: at most */
	struct query_insert insert; /* INSERT and COPY_IN */
	struct query_copy copy;
	struct base_slice actions; /* ALTER_TOPIC: see catalog/columns.h */
	struct query_scan scans[QUERY_TOPICS_MAX];
	size_t scan_count;
	struct query_bound bounds[QUERY_BOUNDS_MAX];
	size_t bound_count;
	struct {
		bool on;
		size_t scan;
		bool earliest; /* from the beginning; else from now on */
		uint64_t rows_max;
	} tail;
	struct query_direct_plan *direct; /* how to read it without the engine's planner; NULL: it needs it */
	bool brief; /* over once it has its few rows, whatever it reads from */
	size_t parameter_count;
	uint32_t hints[QUERY_PARAMETERS_MAX]; /* types of parameters, where the text tells more than the engine; or 0 */
};

struct query_plan_options {
	struct query_source *source;
	const struct catalog_principal *principal;
	uint64_t handle; /* by which the engine's table function finds the statement's scans */
	const uint32_t *parameter_types; /* object ids; 0: not declared */
	size_t parameter_type_count;
	bool null_parameters; /* nulls stand for them: to learn the columns */
	int numeric_scale; /* of numeric without one */
};

/* Of the parse's statement `i`. The parse must outlive the plan. Writes and whatever else is not there yet: 0A000;
 * functions that reach out of the database: 42501; unknown relations: 42P01. */
pyr_result query_plan_new(const struct query_parse *parse, size_t i, const struct query_plan_options *options,
                          struct query_plan **ret_plan, struct query_error *error);
void query_plan_free(struct query_plan *plan);

#endif
