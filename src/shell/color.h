/* Colours for people at a terminal: the one place that knows escape sequences.
 *
 * A palette is static; each text of it may be "", so that who writes needs no conditions. Sources: ECMA-48 (SGR, EL), and
 * no-color.org for NO_COLOR. Any thread.
 */
#ifndef PYRALOG_SHELL_COLOR_H
#define PYRALOG_SHELL_COLOR_H

#include <stdbool.h>
#include <stdio.h>

struct shell_palette {
	const char *error, *heading, *null, *bar;
	const char *end; /* back to what it was */
};

/* `when`: "always", "never"; all else: if `out` is a terminal, NO_COLOR is not set, and TERM is not "dumb". */
const struct shell_palette *shell_palette(const char *when, FILE *out);
/* What takes the line that the cursor is in away, and leaves it there. */
#define SHELL_ERASE_LINE "\r\033[K"

#endif
