/* libpg_query behind our bounds. Nesting is bounded three times: by the flat token scan, by bison's own stack (10,000
 * entries, "memory exhausted"), and by jansson's depth (2,048), which is what our own recursion over the tree relies on.
 */
#include "query/parse.h"

#include "query/text.h"

#include <pg_query.h>
#include <stdlib.h>
#include <string.h>

static pyr_result check_text(const char *text, size_t bytes, struct query_error *error)
{
	if (bytes > QUERY_TEXT_MAX)
		return query_fail(error, "54000", "the statement has %zu bytes, %d are allowed: split it", bytes,
		                  QUERY_TEXT_MAX);
	if (!query_text_is_valid(text, bytes))
		return query_fail(error, "22021",
		                  "invalid byte sequence for encoding \"UTF8\": send the statement as UTF-8");
	return pyr_ok();
}

/* AS OF would be read as an alias called "of", silently wrong. */
static pyr_result check_as_of(const struct query_parse *parse, struct query_error *error)
{
	for (size_t i = 0; i + 2 < parse->token_count; i++) {
		const struct query_token *token = &parse->tokens[i];
		if (!query_token_is(parse->text, token, "as") || !query_token_is(parse->text, token + 1, "of"))
			continue;
		if (!query_token_is(parse->text, token + 2, "offset") &&
		    !query_token_is(parse->text, token + 2, "timestamp") &&
		    !query_token_is(parse->text, token + 2, "system"))
			continue;
		pyr_ignore(query_fail(error, "0A000", "AS OF is not supported yet: filter on \"offset\" or timestamp"));
		error->position = query_parse_position(parse, token->at);
		return pyr_result_of(PYR_USAGE);
	}
	return pyr_ok();
}

static pyr_result check_tokens(const struct query_parse *parse, struct query_error *error)
{
	if (parse->token_count > QUERY_TOKENS_MAX)
		return query_fail(error, "54001", "the statement has %zu words and signs, %d are allowed: split it",
		                  parse->token_count, QUERY_TOKENS_MAX);
	if (query_tokens_depth(parse->text, parse->tokens, parse->token_count) > QUERY_NESTING_MAX)
		return query_fail(error, "54001", "the statement nests deeper than %d: simplify it", QUERY_NESTING_MAX);
	return check_as_of(parse, error);
}

static pyr_result fail_syntax(const PgQueryError *from, struct query_error *error)
{
	pyr_ignore(query_fail(error, "42601", "%s", from->message ? from->message : "syntax error"));
	error->position = from->cursorpos > 0 ? from->cursorpos : 0;
	return pyr_result_of(PYR_USAGE);
}

/* Where the next statement's tokens begin. */
static size_t behind_statement(const struct query_parse *parse, size_t i)
{
	while (i < parse->token_count && parse->text[parse->tokens[i].at] != ';')
		i += 1;
	return i + 1;
}

/* ALTER TOPIC is ALTER TABLE for the parser, without its PATH 'a.b': nothing moves, so that every position stays true. */
static void mask_alter_topic(const struct query_parse *parse, char *text)
{
	for (size_t i = 0; i + 1 < parse->token_count; i = behind_statement(parse, i)) {
		const struct query_token *word = &parse->tokens[i];
		if (!query_token_is(parse->text, word, "alter") || (!query_token_is(parse->text, word + 1, "topic") &&
		                                                    !query_token_is(parse->text, word + 1, "table")))
			continue;
		memcpy(text + word[1].at, "TABLE", 5);
		for (size_t k = i + 2; k + 1 < parse->token_count && parse->text[parse->tokens[k].at] != ';'; k++) {
			const struct query_token *path = &parse->tokens[k];
			if (!query_token_is(parse->text, path, "path") || path[1].kind != QUERY_TOKEN_STRING)
				continue;
			memset(text + path->at, ' ', path->bytes);
			memset(text + path[1].at, ' ', path[1].bytes);
		}
	}
}

/* TAIL(topic, from => ...): FROM is no argument's name for the parser; fr0m is. */
static void mask_tail(const struct query_parse *parse, char *text)
{
	for (size_t i = 1; i + 1 < parse->token_count; i++) {
		const struct query_token *token = &parse->tokens[i];
		if (query_token_is(parse->text, token, "from") && token[1].bytes == 2 &&
		    memcmp(parse->text + token[1].at, "=>", 2) == 0 && parse->text[token[-1].at] == ',')
			text[token->at + 2] = '0';
	}
}

static pyr_result parse_tree(struct query_parse *parse, struct query_error *error)
{
	json_error_t detail;
	char *masked = strdup(parse->text);
	if (!masked)
		return query_fail_memory(error);
	mask_alter_topic(parse, masked);
	mask_tail(parse, masked);
	PgQueryParseResult parsed = pg_query_parse(masked);
	free(masked);
	if (parsed.error) {
		pyr_result result = fail_syntax(parsed.error, error);
		pg_query_free_parse_result(parsed);
		return result;
	}
	parse->tree = json_loads(parsed.parse_tree, JSON_ALLOW_NUL, &detail);
	pg_query_free_parse_result(parsed);
	if (!parse->tree && json_error_code(&detail) == json_error_stack_overflow)
		return query_fail(error, "54001", "the statement nests too deep: split long chains of operators");
	if (!parse->tree)
		return query_fail_memory(error);
	parse->statements = json_object_get(parse->tree, "stmts");
	return pyr_ok();
}

/* Names without quotes are folded, as PostgreSQL does: the engine would keep their case in the columns' names. */
static void fold_words(struct query_parse *parse)
{
	for (size_t i = 0; i < parse->token_count; i++) {
		const struct query_token *token = &parse->tokens[i];
		for (size_t k = 0; token->kind == QUERY_TOKEN_WORD && k < token->bytes; k++) {
			char *c = &parse->text[token->at + k];
			*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 'a' - 'A' : *c);
		}
	}
}

pyr_result query_parse_init(struct query_parse *parse, const char *text, size_t bytes, struct query_error *error)
{
	*parse = (struct query_parse){0};
	PYR_TRY(check_text(text, bytes, error));
	parse->text = calloc(1, bytes + 1);
	if (parse->text && bytes > 0)
		memcpy(parse->text, text, bytes);
	parse->bytes = bytes;
	if (!parse->text || !query_tokens_read(parse->text, bytes, &parse->tokens, &parse->token_count)) {
		query_parse_deinit(parse);
		return query_fail_memory(error);
	}
	pyr_result result = check_tokens(parse, error);
	if (result.code == PYR_OK)
		result = parse_tree(parse, error);
	if (result.code == PYR_OK)
		fold_words(parse);
	if (result.code != PYR_OK)
		query_parse_deinit(parse);
	return result;
}

void query_parse_deinit(struct query_parse *parse)
{
	json_decref(parse->tree);
	free(parse->tokens);
	free(parse->text);
	*parse = (struct query_parse){0};
}

size_t query_parse_count(const struct query_parse *parse)
{
	return json_array_size(parse->statements);
}

int query_parse_position(const struct query_parse *parse, size_t at)
{
	int position = 1;
	for (size_t i = 0; i < at && i < parse->bytes; i++)
		position += ((unsigned char)parse->text[i] & 0xc0) != 0x80;
	return position;
}

size_t query_parse_token_at(const struct query_parse *parse, size_t at)
{
	size_t low = 0, high = parse->token_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (parse->tokens[middle].at + parse->tokens[middle].bytes <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const char *query_node_kind(json_t *node, json_t **ret_body)
{
	void *only = json_object_iter(node);
	if (!only || json_object_size(node) != 1)
		return NULL;
	*ret_body = json_object_iter_value(only);
	return json_object_iter_key(only);
}

const char *query_node_string(json_t *body, const char *key)
{
	return json_string_value(json_object_get(body, key));
}

long query_node_location(json_t *body)
{
	return (long)json_integer_value(json_object_get(body, "location"));
}

const char *query_node_name(json_t *names, size_t i)
{
	return query_node_string(json_object_get(json_array_get(names, i), "String"), "sval");
}
