/* Finding a statement's end (see split.h). Source: PostgreSQL 15's documentation, section 4.1. */
#include "shell/split.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Behind the quote that closes; 0: it is open. E'' knows backslashes. */
static size_t behind_quote(const char *text, size_t at, char quote, bool escapes)
{
	for (at += 1; text[at]; at++) {
		if (escapes && text[at] == '\\' && text[at + 1])
			at += 1;
		else if (text[at] == quote && text[at + 1] == quote)
			at += 1;
		else if (text[at] == quote)
			return at + 1;
	}
	return 0;
}

static size_t behind_comment(const char *text, size_t at)
{
	int depth = 0;
	for (; text[at]; at++) {
		if (text[at] == '/' && text[at + 1] == '*') {
			depth += 1;
			at += 1;
		} else if (text[at] == '*' && text[at + 1] == '/') {
			at += 1;
			if (--depth == 0)
				return at + 1;
		}
	}
	return 0;
}

/* $tag$ ... $tag$; `at` itself behind the sign when it is none. */
static size_t behind_dollar(const char *text, size_t at, bool *ret_open)
{
	size_t end = at + 1;
	*ret_open = false;
	while (isalnum((unsigned char)text[end]) || text[end] == '_')
		end += 1;
	if (text[end] != '$' || isdigit((unsigned char)text[at + 1]) ||
	    (at > 0 && (isalnum((unsigned char)text[at - 1]) || text[at - 1] == '_')))
		return at + 1;
	size_t bytes = end + 1 - at;
	for (const char *found = text + end + 1; (found = strchr(found, '$')); found++)
		if (strncmp(found, text + at, bytes) == 0)
			return (size_t)(found - text) + bytes;
	*ret_open = true;
	return 0;
}

struct shell_split shell_split(const char *text)
{
	int depth = 0;
	for (size_t at = 0; text[at];) {
		size_t next = at + 1;
		char open = 0;
		bool tag_open = false;
		if (text[at] == '\'' || text[at] == '"') {
			bool escapes = text[at] == '\'' && at > 0 && (text[at - 1] == 'e' || text[at - 1] == 'E');
			next = behind_quote(text, at, text[at], escapes);
			open = text[at];
		} else if (text[at] == '/' && text[at + 1] == '*') {
			next = behind_comment(text, at);
			open = '*';
		} else if (text[at] == '-' && text[at + 1] == '-') {
			next = at + strcspn(text + at, "\n");
		} else if (text[at] == '$') {
			next = behind_dollar(text, at, &tag_open);
			open = '$';
		} else if (text[at] == '(' || text[at] == ')') {
			depth += text[at] == '(' ? 1 : depth > 0 ? -1 : 0;
		} else if (text[at] == ';' && depth == 0) {
			return (struct shell_split){SHELL_SPLIT_STATEMENT, at, 0};
		} else if (text[at] == '\\') {
			return (struct shell_split){SHELL_SPLIT_COMMAND, at, 0};
		}
		if (next == 0)
			return (struct shell_split){SHELL_SPLIT_MORE, at, open};
		at = next;
	}
	return (struct shell_split){SHELL_SPLIT_MORE, strlen(text), depth > 0 ? '(' : 0};
}
