/* The tokens of an SQL text, by PostgreSQL 15's lexical rules (its documentation, section 4.1).
 *
 * A flat pass with no recursion: it bounds nesting before any parser sees the text, and tells where edits go. The text
 * must be what PostgreSQL's parser accepted, or is about to be given to it.
 */
#ifndef PYRALOG_QUERY_TOKENS_H
#define PYRALOG_QUERY_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum query_token_kind {
	QUERY_TOKEN_WORD, /* keyword or unquoted name */
	QUERY_TOKEN_QUOTED, /* "name" */
	QUERY_TOKEN_STRING, /* of any sort */
	QUERY_TOKEN_NUMBER,
	QUERY_TOKEN_PARAMETER, /* $1 */
	QUERY_TOKEN_OPERATOR, /* "::" and ":=" too */
	QUERY_TOKEN_MARK, /* one of ( ) [ ] , ; : . and anything else */
};

struct query_token {
	uint32_t at; /* byte in the text */
	uint32_t bytes;
	enum query_token_kind kind;
};

/* Reads the token at or after *at, skipping blanks and comments, and moves *at behind it. False: the text has ended. */
bool query_token_next(const char *text, size_t bytes, size_t *at, struct query_token *ret_token);

/* All tokens, for the caller to free(). False: memory is out. */
[[nodiscard]] bool query_tokens_read(const char *text, size_t bytes, struct query_token **ret_tokens,
                                     size_t *ret_count);

/* How deep the text nests: brackets, CASE, and chains of operators, joins and unions, each of which is one level of the
 * tree too. AND and OR are not: the parser makes one node of a chain of them. */
size_t query_tokens_depth(const char *text, const struct query_token *tokens, size_t count);

/* Is the token this keyword (given in lower case)? Never true for a quoted name. */
bool query_token_is(const char *text, const struct query_token *token, const char *word);

#endif
