/* Shared by the files that make a plan: rewrite.c walks the tree, the others know one concern each. */
#ifndef PYRALOG_QUERY_PLAN_PRIV_H
#define PYRALOG_QUERY_PLAN_PRIV_H

#include "query/edits.h"
#include "query/plan.h"

#include <string.h>

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
	const struct query_plan *plan; /* whose scans tell declared columns */
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
	bool ordinality; /* of the function in FROM at hand */
	int numeric_scale; /* of the numeric that is being cast to; -1: not known */
};

static inline bool is(const char *name, const char *wanted)
{
	return name && strcmp(name, wanted) == 0;
}

/* rewrite.c: a query and all in it; then query_edits_apply(). */
pyr_result query_rewrite_select(struct query_rewrite *rewrite, json_t *body);
bool query_names_bytes(json_t *node); /* does it name key_bytes or value_bytes? */
pyr_result query_fail_unknown(struct query_rewrite *rewrite, const char *schema, const char *name); /* 42P01 */
/* Tokens of the statement's text. Where a node begins; the byte behind a token. */
size_t query_token_of(const struct query_rewrite *rewrite, json_t *body);
size_t query_token_end(const struct query_rewrite *rewrite, size_t token);
bool query_is_mark(const struct query_rewrite *rewrite, size_t token, char mark);
bool query_is_word(const struct query_rewrite *rewrite, size_t token, const char *word);
/* "a""b" for a"b, into a buffer cut at its end. */
const char *query_quote_name(const char *name, char *room, size_t bytes);

/* rewrite.c: a node that stands for an expression; `dropped` is a cast around it that goes away with its tokens. */
pyr_result query_rewrite_node(struct query_rewrite *rewrite, json_t *node, json_t *dropped);

/* rewrite.c: all below a node. A failure with the place of `body`. */
pyr_result query_rewrite_walk(struct query_rewrite *rewrite, json_t *node);
pyr_result query_fail_at(struct query_rewrite *rewrite, json_t *body, pyr_result result);
/* rewrite_relations.c */
pyr_result query_rewrite_relation(struct query_rewrite *rewrite, json_t *body);
/* rewrite_expressions.c */
pyr_result query_rewrite_function(struct query_rewrite *rewrite, json_t *body, bool as_table);
pyr_result query_rewrite_expression(struct query_rewrite *rewrite, json_t *body);
pyr_result query_rewrite_parameter(struct query_rewrite *rewrite, json_t *body);
pyr_result query_rewrite_collation(struct query_rewrite *rewrite, json_t *body);
void query_rewrite_column(struct query_rewrite *rewrite, json_t *body);
/* rewrite_blocks.c */
pyr_result query_rewrite_range_function(struct query_rewrite *rewrite, json_t *body);

/* calls.c: names of functions, and words that are calls. */
void query_rewrite_call(struct query_rewrite *rewrite, json_t *body, const char *name);
void query_rewrite_value(struct query_rewrite *rewrite, json_t *body);
/* syntax.c: a call in SQL's own grammar (true: it is one), and operators with a pattern or a path. */
bool query_rewrite_syntax_call(struct query_rewrite *rewrite, json_t *body, const char *name);
void query_rewrite_like(struct query_rewrite *rewrite, json_t *body);
void query_rewrite_similar(struct query_rewrite *rewrite, json_t *body);
bool query_rewrite_path(struct query_rewrite *rewrite, json_t *body, const char *name);
/* casts.c: a cast, and all in it; shown: it is a column of the result. The name of a type. */
pyr_result query_rewrite_cast(struct query_rewrite *rewrite, json_t *body, bool shown);
void query_rewrite_type(struct query_rewrite *rewrite, json_t *type);

/* statements.c: the rewritten text from token `from` on becomes the plan's, behind `before` and in front of `after`. */
pyr_result query_plan_apply(struct query_rewrite *rewrite, size_t from, size_t to, const char *before,
                            const char *after);
/* plan_session.c: SET, SHOW, cursors, transactions. plan_write.c: INSERT and COPY. NULL: another kind of statement. */
typedef pyr_result query_planner(struct query_rewrite *rewrite, json_t *body);
query_planner *query_plan_session(const char *kind);
query_planner *query_plan_write(const char *kind);
query_planner query_plan_alter; /* plan_topic.c */
/* The relation as insert.topic. 42P01, 42501. */
pyr_result query_plan_find_topic(struct query_rewrite *rewrite, json_t *relation);
/* rewrite_relations.c: the topic's declared columns, for the scan to keep and as a literal to free(). */
pyr_result query_plan_columns(struct query_rewrite *rewrite, const char *topic, struct query_scan *scan,
                              char **ret_literal);
pyr_result query_plan_select(struct query_rewrite *rewrite, json_t *body, size_t from);

/* plan_direct.c: of a query that was rewritten: sets the plan's `direct`, if it can be. */
void query_plan_direct(struct query_rewrite *rewrite, json_t *body);

/* plan_tail.c: TAIL(topic) in FROM; then, of the whole query: may it stand there? */
bool query_is_tail(json_t *function);
/* Aggregates or window functions, but for those of subqueries. */
bool query_needs_all_rows(json_t *node);
pyr_result query_plan_tail(struct query_rewrite *rewrite, json_t *range, json_t *function);
pyr_result query_plan_tail_check(struct query_rewrite *rewrite, json_t *body);
/* rewrite_relations.c: the call becomes a scan of that topic. */
pyr_result query_rewrite_tail(struct query_rewrite *rewrite, json_t *range, json_t *function, const char *name);

/* operators.c: where the operands of the operator at token `at` begin and end, in bytes of the text. */
struct query_extent {
	size_t from, to;
};

struct query_extent query_operator_extent(const struct query_parse *parse, json_t *expression);
/* A cast, x::type or CAST(x AS type), in bytes of the text: where it starts, where x does, what goes from behind x to the
 * end. `to` 0: it is written otherwise. */
struct query_cast_extent {
	size_t from, operand, sign, to, end;
	bool is_word; /* CAST: `to` is in front of its closing bracket, `end` behind it */
};

struct query_cast_extent query_cast_extent(const struct query_parse *parse, json_t *cast);
/* Behind the last token of the operator at token `at`: OPERATOR(pg_catalog.~) has several. */
size_t query_operator_end(const struct query_parse *parse, size_t at);
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

#endif
