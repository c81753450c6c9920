/* Forms of SQL's grammar that the engine reads otherwise: substring(x FROM 2), overlay, position, extract, LIKE with its
 * backslash, SIMILAR TO, #>>.
 */
#include "query/plan_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void replace_token(struct query_rewrite *rewrite, size_t token, const char *text)
{
	const struct query_token *at = &rewrite->parse->tokens[token];
	query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at->at, at->bytes, "%s", text);
}

/* ---- calls with words between their arguments ---- */

/* substring(x FROM 2 FOR 3) is substring(x, 2, 3): the words between become commas. */
static void replace_words(struct query_rewrite *rewrite, size_t open)
{
	static const char *const words[] = {"from", "for", "placing", "in"};
	const struct query_parse *parse = rewrite->parse;
	size_t end = query_bracket_end(parse, open), token = open + 1;
	bool has_from = false;
	for (; token + 1 < end; token++) {
		if (query_is_mark(rewrite, token, '(') || query_is_mark(rewrite, token, '[')) {
			token = query_bracket_end(parse, token) - 1;
			continue;
		}
		for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
			if (!query_is_word(rewrite, token, words[i]) || query_is_mark(rewrite, token - 1, '.'))
				continue;
			replace_token(rewrite, token, i == 1 && !has_from ? ", 1, " : ",");
			has_from = true;
		}
	}
}

/* extract(year FROM x): the field is a word or a string; behind the point there are digits for some. */
static void rewrite_extract(struct query_rewrite *rewrite, json_t *body, size_t first)
{
	json_t *field = json_object_get(json_array_get(json_object_get(body, "args"), 0), "A_Const");
	const char *name = query_node_string(json_object_get(field, "sval"), "sval");
	const struct query_parse *parse = rewrite->parse;
	if (!name || strchr(name, '\'') || !query_is_word(rewrite, first + 3, "from"))
		return;
	bool fraction = is(name, "epoch") || is(name, "second") || is(name, "seconds");
	size_t at = parse->tokens[first].at, to = query_token_end(rewrite, first + 3);
	query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at, to - at, "%s('%s', ",
	               fraction ? "pyralog_extract_exact" : "pyralog_extract", name);
}

bool query_rewrite_syntax_call(struct query_rewrite *rewrite, json_t *body, const char *name)
{
	static const char *const names[][2] = {
		{"substring", "pyralog_substr"}, {"overlay", "pyralog_overlay"}, {"position", "pyralog_position_in"}};
	size_t first = query_token_of(rewrite, body);
	if (!is(query_node_string(body, "funcformat"), "COERCE_SQL_SYNTAX") || !query_is_mark(rewrite, first + 1, '('))
		return is(query_node_string(body, "funcformat"), "COERCE_SQL_SYNTAX");
	if (is(name, "extract"))
		rewrite_extract(rewrite, body, first);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (!is(name, names[i][0]))
			continue;
		replace_token(rewrite, first, names[i][1]);
		replace_words(rewrite, first + 1);
	}
	return true;
}

/* ---- patterns ---- */

static const char *literal_of(json_t *node)
{
	return query_node_string(json_object_get(json_object_get(node, "A_Const"), "sval"), "sval");
}

/* PostgreSQL's patterns have the backslash as their escape unless told otherwise, the engine's have none. */
void query_rewrite_like(struct query_rewrite *rewrite, json_t *body)
{
	json_t *pattern = json_object_get(body, "rexpr");
	const char *literal = literal_of(pattern);
	struct query_extent extent = query_operator_extent(rewrite->parse, body);
	json_t *names = json_object_get(json_object_get(pattern, "FuncCall"), "funcname");
	bool told = names && is(query_node_name(names, json_array_size(names) - 1), "like_escape");
	if (told || (literal && !strchr(literal, '\\')) || extent.to == 0)
		return;
	query_edit_add(&rewrite->edits, QUERY_EDIT_CLOSE, extent.to, 0, " ESCAPE '\\'");
}

/* A pattern of SIMILAR TO, where % and _ mean what they do in LIKE, is a regular expression to the engine. */
void query_rewrite_similar(struct query_rewrite *rewrite, json_t *body)
{
	json_t *call = json_object_get(json_object_get(body, "rexpr"), "FuncCall");
	json_t *constant = json_object_get(json_array_get(json_object_get(call, "args"), 0), "A_Const");
	const char *literal = query_node_string(json_object_get(constant, "sval"), "sval");
	size_t token = constant ? query_token_of(rewrite, constant) : rewrite->parse->token_count, used = 0;
	char pattern[1024];
	if (!literal || token >= rewrite->parse->token_count || strlen(literal) * 2 + 1 > sizeof pattern)
		return;
	for (; *literal; literal++) {
		if (*literal == '%')
			pattern[used++] = '.';
		if (*literal == '\'' || *literal == '.' || *literal == '^' || *literal == '$')
			pattern[used++] = *literal == '\'' ? '\'' : '\\';
		pattern[used++] = (char)(*literal == '%' ? '*' : *literal == '_' ? '.' : *literal);
	}
	const struct query_token *at = &rewrite->parse->tokens[token];
	query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at->at, at->bytes, "'%.*s'", (int)used, pattern);
}

/* x #>> '{a,b}' is x ->> '/a/b'. */
bool query_rewrite_path(struct query_rewrite *rewrite, json_t *body, const char *name)
{
	json_t *constant = json_object_get(json_object_get(body, "rexpr"), "A_Const");
	const char *literal = query_node_string(json_object_get(constant, "sval"), "sval");
	size_t at = query_token_of(rewrite, body);
	size_t token = constant ? query_token_of(rewrite, constant) : rewrite->parse->token_count, used = 0;
	char path[1024];
	size_t bytes = literal ? strlen(literal) : 0;
	if (bytes < 2 || literal[0] != '{' || bytes * 2 > sizeof path || strchr(literal, '\'') ||
	    strchr(literal, '"') || token >= rewrite->parse->token_count)
		return false;
	for (size_t i = 0; i + 1 < bytes; i++)
		path[used++] = (char)(literal[i] == '{' || literal[i] == ',' ? '/' : literal[i]);
	replace_token(rewrite, at, is(name, "#>>") ? "->>" : "->");
	const struct query_token *string = &rewrite->parse->tokens[token];
	query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, string->at, string->bytes, "'%.*s'", (int)used, path);
	return true;
}
