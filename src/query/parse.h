/* SQL text to PostgreSQL's parse tree, with bounds before anything recursive sees the text.
 *
 * Source of the tree's shape: libpg_query 15 (its protobuf/pg_query.proto, as JSON). Positions in it ("location") are
 * bytes from the start of the text; absent means 0. Call on a thread with a stack of QUERY_STACK_BYTES.
 */
#ifndef PYRALOG_QUERY_PARSE_H
#define PYRALOG_QUERY_PARSE_H

#include "query/error.h"
#include "query/tokens.h"

#include <jansson.h>

enum {
	QUERY_TEXT_MAX = 1 << 20,
	QUERY_TOKENS_MAX = 100000, /* what bounds the tree: some 1 KiB of memory each */
	QUERY_NESTING_MAX = 1000,
	QUERY_STACK_BYTES = 256 << 20,
};

/* A text of any number of statements. */
struct query_parse {
	char *text; /* a copy, terminated */
	size_t bytes;
	struct query_token *tokens;
	size_t token_count;
	json_t *tree;
	json_t *statements; /* borrowed from tree: an array of {"stmt": ..., "stmt_location", "stmt_len"} */
};

/* 42601 with a position for a syntax error; 54000, 54001 for what is too large or too deep; 22021 for bytes that are not
 * UTF-8. */
pyr_result query_parse_init(struct query_parse *parse, const char *text, size_t bytes, struct query_error *error);
void query_parse_deinit(struct query_parse *parse); /* a zeroed one is fine */

size_t query_parse_count(const struct query_parse *parse);

/* The characters before byte `at`, plus one: what PostgreSQL calls a position. */
int query_parse_position(const struct query_parse *parse, size_t at);

/* Index of the token that starts at byte `at` or holds it; token_count when there is none. */
size_t query_parse_token_at(const struct query_parse *parse, size_t at);

/* The one key of a wrapped node, {"SelectStmt": {...}}: its name, and its body in *ret_body. NULL: not such a node. */
const char *query_node_kind(json_t *node, json_t **ret_body);
const char *query_node_string(json_t *body, const char *key); /* NULL when absent */
long query_node_location(json_t *body); /* -1: unknown */
/* The i-th of a list of {"String": {"sval": ...}}; NULL when it is not there. */
const char *query_node_name(json_t *names, size_t i);

#endif
