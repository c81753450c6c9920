/* How far something long is: one line at a terminal, shown once it takes long, taken away when it ends.
 *
 * Written to a stream that is a terminal, or nowhere. Owner: one thread. It is drawn at most five times a second.
 */
#ifndef PYRALOG_SHELL_PROGRESS_H
#define PYRALOG_SHELL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct shell_palette;

/* A command's work is told of when it takes so long; a statement of the shell earlier. */
enum { SHELL_PROGRESS_US = 2000000, SHELL_PROGRESS_STATEMENT_US = 1000000 };

struct shell_progress {
	FILE *out; /* NULL: nobody looks */
	const struct shell_palette *palette;
	uint64_t began_us, after_us, drawn_us;
	bool shown;
};

/* Begins now. `out` is written to only if it is a terminal; `color`: as shell_palette() takes it. */
void shell_progress_begin(struct shell_progress *progress, const char *color, FILE *out, uint64_t after_us);
/* Is it time to draw? Whoever has to ask how far it is asks this first. */
bool shell_progress_is_due(const struct shell_progress *progress);
/* Draws if it is time. `part`: 0 to 1; less: nobody knows. `text`: "12 files, 3 MiB". */
void shell_progress_tell(struct shell_progress *progress, double part, const char *text);
/* Takes the line away; more may be told after. */
void shell_progress_clear(struct shell_progress *progress);

#endif
