/* Where a statement ends: PostgreSQL's quotes, comments and brackets, as far as a client has to know them. Pure. */
#ifndef PYRALOG_SHELL_SPLIT_H
#define PYRALOG_SHELL_SPLIT_H

#include <stddef.h>

enum shell_split_kind {
	SHELL_SPLIT_MORE, /* it goes on */
	SHELL_SPLIT_STATEMENT, /* a semicolon at `at` */
	SHELL_SPLIT_COMMAND, /* a backslash at `at` */
};

struct shell_split {
	enum shell_split_kind kind;
	size_t at;
	char open; /* MORE: what is open: ' " $ * (a comment) ( or 0 */
};

struct shell_split shell_split(const char *text);

#endif
