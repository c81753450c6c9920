/* The line (see progress.h): a bar where the end is known, what was done, and for how long. */
#include "shell/progress.h"

#include "os/terminal.h"
#include "shell/color.h"

#include <assert.h>

enum { EVERY_US = 200000, BAR_WIDTH = 24, LINE_BYTES = 256 };

void shell_progress_begin(struct shell_progress *progress, const char *color, FILE *out, uint64_t after_us)
{
	*progress = (struct shell_progress){
		.out = os_terminal_is(out) ? out : NULL,
		.palette = shell_palette(color, out),
		.began_us = os_terminal_now_us(),
		.after_us = after_us,
	};
}

bool shell_progress_is_due(const struct shell_progress *progress)
{
	if (!progress->out)
		return false;
	uint64_t now_us = os_terminal_now_us();
	return now_us - progress->began_us >= progress->after_us && now_us - progress->drawn_us >= EVERY_US;
}

/* [########----------------]  33% */
static void draw_bar(const struct shell_progress *progress, double part)
{
	char bar[BAR_WIDTH + 1];
	int filled = (int)(part * BAR_WIDTH);
	assert(filled >= 0 && filled <= BAR_WIDTH);
	for (int i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < filled ? '#' : '-';
	bar[BAR_WIDTH] = '\0';
	fprintf(progress->out, "%s[%s]%s %3.0f%%  ", progress->palette->bar, bar, progress->palette->end, part * 100);
}

void shell_progress_tell(struct shell_progress *progress, double part, const char *text)
{
	char line[LINE_BYTES];
	unsigned columns, lines;
	if (!shell_progress_is_due(progress))
		return;
	uint64_t now_us = os_terminal_now_us();
	os_terminal_size(&columns, &lines);
	bool barred = part >= 0 && columns > BAR_WIDTH + 30;
	int room = (int)columns - 1 - (barred ? BAR_WIDTH + 9 : 0);
	snprintf(line, sizeof line, "%s, %.0f s", text, (double)(now_us - progress->began_us) / 1e6);
	fputs(SHELL_ERASE_LINE, progress->out);
	if (barred)
		draw_bar(progress, part < 1 ? part : 1);
	fprintf(progress->out, "%.*s", room > 0 ? room : 0, line);
	fflush(progress->out);
	progress->drawn_us = now_us;
	progress->shown = true;
}

void shell_progress_clear(struct shell_progress *progress)
{
	if (!progress->shown)
		return;
	fputs(SHELL_ERASE_LINE, progress->out);
	fflush(progress->out);
	progress->shown = false;
}
