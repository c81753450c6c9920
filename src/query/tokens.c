/* Scanning of SQL text. Pure; any thread.
 *
 * A string or comment that does not end reaches to the end of the text: PostgreSQL's parser refuses it then.
 */
#include "query/tokens.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct scan {
	const char *text;
	size_t bytes;
	size_t at;
};

static char look(const struct scan *scan, size_t ahead)
{
	return scan->at + ahead < scan->bytes ? scan->text[scan->at + ahead] : 0;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_word(char c)
{
	return is_word_start(c) || is_digit(c) || c == '$';
}

static bool is_operator(char c)
{
	return c && strchr("~!@#^&|`?+-*/%<>=", c);
}

static void skip_line(struct scan *scan)
{
	while (scan->at < scan->bytes && scan->text[scan->at] != '\n' && scan->text[scan->at] != '\r')
		scan->at += 1;
}

/* Block comments nest. */
static void skip_block(struct scan *scan)
{
	size_t depth = 0;
	do {
		if (look(scan, 0) == '/' && look(scan, 1) == '*') {
			depth += 1;
			scan->at += 2;
		} else if (look(scan, 0) == '*' && look(scan, 1) == '/') {
			depth -= 1;
			scan->at += 2;
		} else {
			scan->at += 1;
		}
	} while (depth > 0 && scan->at < scan->bytes);
	if (scan->at > scan->bytes)
		scan->at = scan->bytes;
}

static void skip_blanks(struct scan *scan)
{
	for (;;) {
		if (scan->at < scan->bytes && is_blank(look(scan, 0)))
			scan->at += 1;
		else if (look(scan, 0) == '-' && look(scan, 1) == '-')
			skip_line(scan);
		else if (look(scan, 0) == '/' && look(scan, 1) == '*')
			skip_block(scan);
		else
			return;
	}
}

/* From the opening quote; a doubled quote stays inside. */
static void pass_quoted(struct scan *scan, char quote, bool escapes)
{
	for (scan->at += 1; scan->at < scan->bytes; scan->at += 1) {
		if (escapes && scan->text[scan->at] == '\\') {
			scan->at += 1;
		} else if (scan->text[scan->at] == quote) {
			if (look(scan, 1) != quote)
				break;
			scan->at += 1;
		}
	}
	scan->at = scan->at < scan->bytes ? scan->at + 1 : scan->bytes;
}

/* Behind a string: to the quote with which it goes on, if nothing but blanks with a line's end among them and line
 * comments that end stand between. */
static bool goes_on(struct scan *scan)
{
	struct scan ahead = *scan;
	bool line_ended = false;
	for (;;) {
		bool comment = look(&ahead, 0) == '-' && look(&ahead, 1) == '-';
		if (comment)
			skip_line(&ahead);
		else if (!is_blank(look(&ahead, 0)))
			break;
		char c = look(&ahead, 0);
		if (comment && c != '\n' && c != '\r')
			return false;
		line_ended = line_ended || c == '\n' || c == '\r';
		ahead.at += 1;
	}
	if (!line_ended || look(&ahead, 0) != '\'')
		return false;
	*scan = ahead;
	return true;
}

static enum query_token_kind pass_string(struct scan *scan, bool escapes)
{
	do
		pass_quoted(scan, '\'', escapes);
	while (goes_on(scan));
	return QUERY_TOKEN_STRING;
}

/* Bytes of an opening $tag$, or 0. */
static size_t dollar_tag(const struct scan *scan)
{
	size_t length = 1;
	if (is_digit(look(scan, 1)))
		return 0;
	while (is_word(look(scan, length)) && look(scan, length) != '$')
		length += 1;
	return look(scan, length) == '$' ? length + 1 : 0;
}

static void pass_dollar_quoted(struct scan *scan, size_t tag_bytes)
{
	const char *tag = scan->text + scan->at;
	scan->at += tag_bytes;
	const char *end = memmem(scan->text + scan->at, scan->bytes - scan->at, tag, tag_bytes);
	scan->at = end ? (size_t)(end - scan->text) + tag_bytes : scan->bytes;
}

static void pass_number(struct scan *scan)
{
	while (is_digit(look(scan, 0)))
		scan->at += 1;
	if (look(scan, 0) == '.' && look(scan, 1) != '.') {
		scan->at += 1;
		while (is_digit(look(scan, 0)))
			scan->at += 1;
	}
	size_t sign = look(scan, 1) == '+' || look(scan, 1) == '-';
	if ((look(scan, 0) | 32) == 'e' && is_digit(look(scan, 1 + sign))) {
		scan->at += 1 + sign;
		while (is_digit(look(scan, 0)))
			scan->at += 1;
	}
}

/* An operator of several characters ends in + or - only if it has one of ~!@#^&|`?% in it. */
static void pass_operator(struct scan *scan)
{
	size_t length = 0;
	bool special = false;
	while (is_operator(look(scan, length))) {
		char c = look(scan, length), next = look(scan, length + 1);
		if ((c == '-' && next == '-') || (c == '/' && next == '*'))
			break;
		special = special || strchr("~!@#^&|`?%", c);
		length += 1;
	}
	while (length > 1 && !special && (look(scan, length - 1) == '+' || look(scan, length - 1) == '-'))
		length -= 1;
	scan->at += length;
}

/* The n of n'text' is a token of its own in PostgreSQL. */
static enum query_token_kind pass_word(struct scan *scan)
{
	char first = look(scan, 0) | 32, second = look(scan, 1);
	if (second == '\'' && (first == 'e' || first == 'b' || first == 'x')) {
		scan->at += 1;
		return pass_string(scan, first == 'e');
	}
	if (first == 'u' && second == '&' && (look(scan, 2) == '\'' || look(scan, 2) == '"')) {
		scan->at += 2;
		if (look(scan, 0) == '\'')
			return pass_string(scan, false);
		return pass_quoted(scan, '"', false), QUERY_TOKEN_QUOTED;
	}
	while (is_word(look(scan, 0)))
		scan->at += 1;
	return QUERY_TOKEN_WORD;
}

static enum query_token_kind pass_dollar(struct scan *scan)
{
	size_t tag_bytes = dollar_tag(scan);
	if (tag_bytes > 0) {
		pass_dollar_quoted(scan, tag_bytes);
		return QUERY_TOKEN_STRING;
	}
	scan->at += 1;
	if (!is_digit(look(scan, 0)))
		return QUERY_TOKEN_MARK;
	while (is_digit(look(scan, 0)))
		scan->at += 1;
	return QUERY_TOKEN_PARAMETER;
}

static enum query_token_kind pass_token(struct scan *scan)
{
	char c = look(scan, 0);
	if (is_word_start(c))
		return pass_word(scan);
	if (is_digit(c) || (c == '.' && is_digit(look(scan, 1))))
		return pass_number(scan), QUERY_TOKEN_NUMBER;
	if (c == '\'')
		return pass_string(scan, false);
	if (c == '"')
		return pass_quoted(scan, '"', false), QUERY_TOKEN_QUOTED;
	if (c == '$')
		return pass_dollar(scan);
	if (c == ':' && (look(scan, 1) == ':' || look(scan, 1) == '='))
		return scan->at += 2, QUERY_TOKEN_OPERATOR;
	if (is_operator(c))
		return pass_operator(scan), QUERY_TOKEN_OPERATOR;
	scan->at += 1;
	return QUERY_TOKEN_MARK;
}

bool query_token_next(const char *text, size_t bytes, size_t *at, struct query_token *ret_token)
{
	struct scan scan = {.text = text, .bytes = bytes, .at = *at};
	skip_blanks(&scan);
	size_t start = scan.at;
	if (start < bytes) {
		enum query_token_kind kind = pass_token(&scan);
		*ret_token = (struct query_token){(uint32_t)start, (uint32_t)(scan.at - start), kind};
	}
	*at = scan.at;
	return start < bytes;
}

bool query_tokens_read(const char *text, size_t bytes, struct query_token **ret_tokens, size_t *ret_count)
{
	struct query_token *tokens = NULL, token;
	size_t count = 0, room = 0, at = 0;
	while (query_token_next(text, bytes, &at, &token)) {
		if (count == room) {
			room = room ? room * 2 : 64;
			struct query_token *more = realloc(tokens, room * sizeof *tokens);
			if (!more) {
				free(tokens);
				return false;
			}
			tokens = more;
		}
		tokens[count++] = token;
	}
	*ret_tokens = tokens;
	*ret_count = count;
	return true;
}

bool query_token_is(const char *text, const struct query_token *token, const char *word)
{
	return token->kind == QUERY_TOKEN_WORD && strlen(word) == token->bytes &&
	       strncasecmp(text + token->at, word, token->bytes) == 0;
}

static bool is_one_of(const char *text, const struct query_token *token, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (query_token_is(text, token, words[i]))
			return true;
	return false;
}

/* What makes the tree a level deeper without a bracket. */
static bool deepens(const char *text, const struct query_token *token)
{
	static const char *const words[] = {"not", "union",   "intersect", "except", "join",
	                                    "is",  "collate", "at",        "explain"};
	return token->kind == QUERY_TOKEN_OPERATOR ||
	       (token->kind == QUERY_TOKEN_WORD && is_one_of(text, token, words, sizeof words / sizeof *words));
}

/* What begins an expression of its own beside the one before. */
static bool separates(const char *text, const struct query_token *token)
{
	static const char *const words[] = {"and", "or", "when", "then", "else"};
	if (token->kind == QUERY_TOKEN_MARK)
		return text[token->at] == ',' || text[token->at] == ';';
	return token->kind == QUERY_TOKEN_WORD && is_one_of(text, token, words, sizeof words / sizeof *words);
}

/* CASE and brackets are counted apart: a column called x.end must not hide a bracket. A chain is forgotten at a bracket,
 * so the sum is not exact, but what one level holds and how many levels there are is bounded. */
size_t query_tokens_depth(const char *text, const struct query_token *tokens, size_t count)
{
	size_t brackets = 0, cases = 0, chain = 0, deepest = 0;
	for (size_t i = 0; i < count; i++) {
		char c = tokens[i].kind == QUERY_TOKEN_MARK ? text[tokens[i].at] : 0;
		if (c == '(' || c == '[')
			brackets += 1;
		else if ((c == ')' || c == ']') && brackets > 0)
			brackets -= 1;
		else if (query_token_is(text, &tokens[i], "case"))
			cases += 1;
		else if (cases > 0 && query_token_is(text, &tokens[i], "end"))
			cases -= 1;
		if (separates(text, &tokens[i]))
			chain = 0;
		else
			chain += deepens(text, &tokens[i]);
		if (brackets + cases + chain > deepest)
			deepest = brackets + cases + chain;
	}
	return deepest;
}
