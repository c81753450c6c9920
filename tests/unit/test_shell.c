/* shell/split.h: where statements end, whatever stands in quotes and comments. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "shell/split.h"

#include <string.h>

static void statements_end_at_their_semicolon(void **state)
{
	static const struct {
		const char *text;
		enum shell_split_kind kind;
		size_t at;
		char open;
	} rows[] = {
		{"", SHELL_SPLIT_MORE, 0, 0},
		{"SELECT 1", SHELL_SPLIT_MORE, 8, 0},
		{"SELECT 1;", SHELL_SPLIT_STATEMENT, 8, 0},
		{"SELECT ';' ;", SHELL_SPLIT_STATEMENT, 11, 0},
		{"'it''s;';", SHELL_SPLIT_STATEMENT, 8, 0},
		{"E'\\';';", SHELL_SPLIT_STATEMENT, 6, 0},
		{"'\\';", SHELL_SPLIT_STATEMENT, 3, 0},
		{"\"a;\"\"\";", SHELL_SPLIT_STATEMENT, 6, 0},
		{"-- ;\n;", SHELL_SPLIT_STATEMENT, 5, 0},
		{"/* ; /* ; */ ; */;", SHELL_SPLIT_STATEMENT, 17, 0},
		{"$$;$$;", SHELL_SPLIT_STATEMENT, 5, 0},
		{"$a$;$b$;$a$;", SHELL_SPLIT_STATEMENT, 11, 0},
		{"$1;", SHELL_SPLIT_STATEMENT, 2, 0},
		{"a$b$;", SHELL_SPLIT_STATEMENT, 4, 0},
		{"(;);", SHELL_SPLIT_STATEMENT, 3, 0},
		{");", SHELL_SPLIT_STATEMENT, 1, 0},
		{"SELECT 1 \\gx", SHELL_SPLIT_COMMAND, 9, 0},
		{"'a", SHELL_SPLIT_MORE, 0, '\''},
		{"E'\\", SHELL_SPLIT_MORE, 1, '\''},
		{"\"a", SHELL_SPLIT_MORE, 0, '"'},
		{"/* /* */", SHELL_SPLIT_MORE, 0, '*'},
		{"$x$ $y$", SHELL_SPLIT_MORE, 0, '$'},
		{"(1", SHELL_SPLIT_MORE, 2, '('},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct shell_split split = shell_split(rows[i].text);
		assert_int_equal(split.kind, rows[i].kind);
		assert_int_equal(split.at, rows[i].at);
		assert_int_equal(split.open, rows[i].open);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(statements_end_at_their_semicolon)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
