/* Shared by the files that make a plan: rewrite.c walks the tree, the others know one concern each. */
#ifndef PYRALOG_QUERY_PLAN_PRIV_H
#define PYRALOG_QUERY_PLAN_PRIV_H

#include "query/edits.h"
#include "query/plan.h"

enum { QUERY_NAMES_MAX = 256, QUERY_ITEMS_MAX = 128 };

/* A FROM item of the query block at hand. */
struct query_item {
	const char *name; /* alias, or the relation's name; borrowed */
	size_t scan; /* SIZE_MAX: not a topic */
	bool renamed; /* its columns have other names: t AS x(a, b) */
};

/* The query blocks around an expression, innermost first. */
struct query_scope {
	json_t *block; /* body of a SelectStmt */
	const struct query_scope *outer;
};

struct query_rewrite {
	const struct query_parse *parse;
	const struct query_plan_options *options;
	struct query_plan *plan;
	struct query_edits edits;
	struct query_error *error;
	const char *names[QUERY_NAMES_MAX]; /* of WITH queries in scope, innermost last */
	size_t name_count;
	const struct query_scope *scope; /* of the block being walked; means nothing after an error */
	bool bytes_wanted; /* key_bytes or value_bytes is named somewhere */
	size_t from, to; /* the statement in the text */
};

/* operators.c: where the operands of the operator at token `at` begin and end, in bytes of the text. */
struct query_extent {
	size_t from, to;
};

struct query_extent query_operator_extent(const struct query_parse *parse, json_t *expression);
/* The whole call that starts at token `at`: name, brackets, FILTER, OVER, WITHIN GROUP. */
struct query_extent query_call_extent(const struct query_parse *parse, size_t at);
/* Token behind the bracket that matches the one at token `at`. */
size_t query_bracket_end(const struct query_parse *parse, size_t at);

/* names.c: what PostgreSQL calls a column of this expression; NULL when the engine calls it the same. */
const char *query_column_name(json_t *expression);

/* widths.c: 4: int2 or int4, whose sums are bigint. 8: bigint, whose sums are numeric. 0: something else, or not known. */
int query_integer_width(const struct query_scope *scope, json_t *node);

/* bounds.c: takes from a WHERE clause what it says of offset, partition and timestamp. */
void query_bounds_collect(struct query_plan *plan, json_t *where, const struct query_item *items, size_t item_count);

/* functions.c: may this function be called, in an expression or as a table? 42501, 42883. */
pyr_result query_function_check(const char *name, bool as_table, struct query_error *error);

enum { QUERY_VIEW_BYTES = 1024 };

/* system.c: is this a relation of the system? Then what stands for it in FROM; "": itself. schema may be NULL. */
bool query_system_relation(const char *schema, const char *name, uint64_t handle, char *room, size_t room_bytes);

/* settings.c: SHOW and SET. NULL: no such setting. */
const char *query_setting_show(const char *name);
pyr_result query_setting_check(json_t *set_statement, struct query_error *error);

#endif
