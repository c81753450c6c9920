/* Extents of expressions in the text, which the parse tree does not tell: it knows where a node's main token is.
 *
 * An operator's left operand begins at the first token of its subtree, widened to the brackets around it; its right one
 * ends behind the last token of its subtree, widened likewise and by what follows a name: a call's brackets, a cast.
 */
#include "query/plan_priv.h"

#include <string.h>

struct range {
	size_t first, last; /* tokens; first > last: none yet */
};

static bool is_mark(const struct query_parse *parse, size_t token, char mark)
{
	return token < parse->token_count && parse->tokens[token].kind == QUERY_TOKEN_MARK &&
	       parse->text[parse->tokens[token].at] == mark;
}

static bool is_opening(const struct query_parse *parse, size_t token)
{
	return is_mark(parse, token, '(') || is_mark(parse, token, '[');
}

static bool is_closing(const struct query_parse *parse, size_t token)
{
	return is_mark(parse, token, ')') || is_mark(parse, token, ']');
}

size_t query_bracket_end(const struct query_parse *parse, size_t at)
{
	size_t depth = 0;
	for (; at < parse->token_count; at++) {
		depth += is_opening(parse, at);
		if (is_closing(parse, at) && --depth == 0)
			return at + 1;
	}
	return parse->token_count;
}

static void widen(const struct query_parse *parse, json_t *node, struct range *range)
{
	const char *key;
	json_t *value;
	size_t i;
	if (json_is_array(node)) {
		json_array_foreach(node, i, value) widen(parse, value, range);
		return;
	}
	json_object_foreach(node, key, value)
	{
		if (json_is_integer(value) && strcmp(key, "location") == 0 && json_integer_value(value) >= 0) {
			size_t token = query_parse_token_at(parse, (size_t)json_integer_value(value));
			range->first = token < range->first ? token : range->first;
			range->last = token > range->last ? token : range->last;
		} else {
			widen(parse, value, range);
		}
	}
}

/* Takes brackets in on the left until those that close between `first` and `end` are opened. */
static size_t balance_left(const struct query_parse *parse, size_t first, size_t end)
{
	long missing = 0, depth = 0;
	for (size_t i = first; i < end; i++) {
		depth += is_opening(parse, i);
		depth -= is_closing(parse, i);
		missing = -depth > missing ? -depth : missing;
	}
	for (; missing > 0 && first > 0; first--)
		missing -= is_opening(parse, first - 1) ? 1 : is_closing(parse, first - 1) ? -1 : 0;
	return first;
}

static size_t balance_right(const struct query_parse *parse, size_t from, size_t end)
{
	long depth = 0;
	for (size_t i = from; i < end; i++)
		depth += is_opening(parse, i) - is_closing(parse, i);
	for (; depth > 0 && end < parse->token_count; end++)
		depth += is_opening(parse, end) - is_closing(parse, end);
	return end;
}

static bool is_word(const struct query_parse *parse, size_t token, const char *word)
{
	return token < parse->token_count && query_token_is(parse->text, &parse->tokens[token], word);
}

static bool is_kind(const struct query_parse *parse, size_t token, enum query_token_kind kind)
{
	return token < parse->token_count && parse->tokens[token].kind == kind;
}

static bool is_cast(const struct query_parse *parse, size_t token)
{
	return is_kind(parse, token, QUERY_TOKEN_OPERATOR) && parse->tokens[token].bytes == 2 &&
	       memcmp(parse->text + parse->tokens[token].at, "::", 2) == 0;
}

/* Behind the name of a type: some have two words, and those of time may say which zone. */
static size_t pass_type(const struct query_parse *parse, size_t token)
{
	bool is_time = is_word(parse, token, "timestamp") || is_word(parse, token, "time");
	token += 1;
	while (is_mark(parse, token, '.'))
		token += 2;
	if (is_word(parse, token, "precision") || is_word(parse, token, "varying"))
		token += 1;
	if (is_mark(parse, token, '('))
		token = query_bracket_end(parse, token);
	if (is_time && (is_word(parse, token, "with") || is_word(parse, token, "without")) &&
	    is_word(parse, token + 1, "time"))
		token += 3;
	return token;
}

static size_t pass_case(const struct query_parse *parse, size_t token)
{
	size_t depth = 0;
	for (; token < parse->token_count; token++) {
		depth += is_word(parse, token, "case");
		if (is_word(parse, token, "end") && !is_mark(parse, token - 1, '.') && --depth == 0)
			return token + 1;
	}
	return token;
}

/* FILTER, OVER and WITHIN GROUP behind a call. */
static size_t pass_clauses(const struct query_parse *parse, size_t end)
{
	if (is_word(parse, end, "within") && is_word(parse, end + 1, "group"))
		end = query_bracket_end(parse, end + 2);
	if (is_word(parse, end, "filter") && is_mark(parse, end + 1, '('))
		end = query_bracket_end(parse, end + 1);
	if (is_word(parse, end, "over"))
		end = is_mark(parse, end + 1, '(') ? query_bracket_end(parse, end + 1) : end + 2;
	return end < parse->token_count ? end : parse->token_count;
}

/* Behind the first part of an operand: a literal, name, CASE or bracket. */
static size_t pass_start(const struct query_parse *parse, size_t token)
{
	while (token + 1 < parse->token_count && parse->tokens[token].kind == QUERY_TOKEN_OPERATOR)
		token += 1; /* a sign: the parser folds it into the number */
	if (is_opening(parse, token))
		return query_bracket_end(parse, token);
	if (is_word(parse, token, "case"))
		return pass_case(parse, token);
	bool typed = is_kind(parse, token, QUERY_TOKEN_WORD) && is_kind(parse, token + 1, QUERY_TOKEN_STRING);
	return token + 1 + typed; /* interval '1 day' */
}

/* Behind the operand that starts at `token`, with its casts, arguments and subscripts. */
static size_t pass_operand(const struct query_parse *parse, size_t token)
{
	size_t end = pass_start(parse, token);
	while (end < parse->token_count) {
		if (is_mark(parse, end, '.'))
			end += 2;
		else if (is_cast(parse, end))
			end = pass_type(parse, end + 1);
		else if (is_opening(parse, end))
			end = query_bracket_end(parse, end);
		else if (is_word(parse, end, "collate"))
			end += 2;
		else
			break;
	}
	return pass_clauses(parse, end);
}

/* Behind the right operand of the operator at `token`, whose subtree's last token is `last`: operators that bind tighter
 * are part of it. */
static size_t pass_right(const struct query_parse *parse, size_t token, size_t last)
{
	size_t end = pass_operand(parse, token + 1);
	while (end <= last && end < parse->token_count) {
		size_t from = is_kind(parse, end, QUERY_TOKEN_OPERATOR) ? end + 1 : last;
		size_t next = pass_operand(parse, from);
		end = next > end ? next : end + 1;
	}
	return end;
}

static struct query_extent extent_of(const struct query_parse *parse, size_t first, size_t end)
{
	struct query_extent none = {0};
	if (first >= end || end > parse->token_count)
		return none;
	const struct query_token *last = &parse->tokens[end - 1];
	return (struct query_extent){parse->tokens[first].at, last->at + last->bytes};
}

size_t query_operator_end(const struct query_parse *parse, size_t at)
{
	return is_word(parse, at, "operator") && is_mark(parse, at + 1, '(') ? query_bracket_end(parse, at + 1)
	                                                                     : at + 1;
}

static struct query_cast_extent extent_of_word(const struct query_parse *parse, size_t cast, size_t type)
{
	struct query_cast_extent none = {0};
	size_t close = query_bracket_end(parse, cast + 1);
	if (!is_mark(parse, cast + 1, '(') || close > parse->token_count || type <= cast + 2 || type >= close)
		return none;
	const struct query_token *as = &parse->tokens[type - 1], *last = &parse->tokens[close - 1];
	return (struct query_cast_extent){parse->tokens[cast].at, parse->tokens[cast + 2].at, as->at,
	                                  last->at + last->bytes, last->at + last->bytes,     true};
}

struct query_cast_extent query_cast_extent(const struct query_parse *parse, json_t *cast)
{
	struct query_cast_extent none = {0};
	size_t sign = query_parse_token_at(parse, (size_t)query_node_location(cast));
	size_t type = query_parse_token_at(parse, (size_t)query_node_location(json_object_get(cast, "typeName")));
	struct range operand = {SIZE_MAX, 0};
	if (is_word(parse, sign, "cast"))
		return extent_of_word(parse, sign, type);
	widen(parse, json_object_get(cast, "arg"), &operand);
	if (!is_cast(parse, sign) || operand.first >= sign)
		return none;
	size_t first = balance_left(parse, operand.first, sign), end = pass_type(parse, type);
	while (is_mark(parse, end, '['))
		end = query_bracket_end(parse, end);
	if (end > parse->token_count)
		return none;
	const struct query_token *last = &parse->tokens[end - 1];
	size_t from = parse->tokens[first].at, to = last->at + last->bytes;
	return (struct query_cast_extent){from, from, parse->tokens[sign].at, to, to, false};
}

struct query_extent query_operator_extent(const struct query_parse *parse, json_t *expression)
{
	size_t operator_at = query_parse_token_at(parse, (size_t)query_node_location(expression));
	struct range left = {SIZE_MAX, 0}, right = {SIZE_MAX, 0};
	widen(parse, json_object_get(expression, "lexpr"), &left);
	widen(parse, json_object_get(expression, "rexpr"), &right);
	if (left.first >= operator_at || right.first == SIZE_MAX || right.last <= operator_at)
		return (struct query_extent){0};
	size_t first = balance_left(parse, left.first, operator_at);
	size_t operand = query_operator_end(parse, operator_at);
	size_t end = pass_right(parse, operand - 1, right.last);
	end = balance_right(parse, operand, end);
	return extent_of(parse, first, end);
}

struct query_extent query_call_extent(const struct query_parse *parse, size_t at)
{
	size_t end = at;
	while (end < parse->token_count && !is_mark(parse, end, '('))
		end += 1;
	return extent_of(parse, at, pass_clauses(parse, query_bracket_end(parse, end)));
}
