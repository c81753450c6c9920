/* Two palettes (see color.h): one of them has nothing in it. */
#include "shell/color.h"

#include "os/environment.h"
#include "os/terminal.h"

#include <string.h>

static const struct shell_palette colored = {
	.error = "\033[31m", .heading = "\033[1m", .null = "\033[2m", .bar = "\033[36m", .end = "\033[0m"};
static const struct shell_palette plain = {"", "", "", "", ""};

static bool is_wanted(FILE *out)
{
	const char *none = os_environment_get("NO_COLOR"), *terminal = os_environment_get("TERM");
	bool dumb = terminal && strcmp(terminal, "dumb") == 0;
	return os_terminal_is(out) && !(none && none[0]) && !dumb;
}

const struct shell_palette *shell_palette(const char *when, FILE *out)
{
	if (strcmp(when, "always") == 0)
		return &colored;
	return strcmp(when, "never") != 0 && is_wanted(out) ? &colored : &plain;
}
