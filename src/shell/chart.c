/* Results as bars or a line of a terminal's block characters (see table.h). */
#include "shell/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_WIDTH_MAX = 30, LINE_HEIGHT = 10, NONE = -1 };

static const char *const across[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
static const char *const upward[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

struct chart {
	const struct shell_table *table;
	int label, value; /* columns; label NONE: rows have none */
	double least, most;
};

static double number_of(const struct chart *chart, size_t row)
{
	const char *cell = shell_table_cell(chart->table, row, (size_t)chart->value);
	double number = cell ? strtod(cell, NULL) : 0;
	return isfinite(number) ? number : 0;
}

static const char *label_of(const struct chart *chart, size_t row)
{
	const char *cell = chart->label == NONE ? "" : shell_table_cell(chart->table, row, (size_t)chart->label);
	return cell ? cell : "";
}

static void pick_columns(struct chart *chart)
{
	chart->label = chart->value = NONE;
	for (size_t i = chart->table->column_count; i-- > 0;) {
		if (shell_type_is_number(chart->table->columns[i].type))
			chart->value = (int)i;
		else
			chart->label = (int)i;
	}
	/* Two columns of numbers: the first is what the second is drawn over. */
	for (size_t i = 0; i < chart->table->column_count && chart->label == NONE && chart->value != NONE; i++) {
		if ((int)i != chart->value && shell_type_is_number(chart->table->columns[i].type)) {
			chart->label = chart->value;
			chart->value = (int)i;
		}
	}
}

static size_t bytes_of_width(const char *text, size_t width)
{
	size_t bytes = 0;
	while (text[bytes] && (width > 0 || ((unsigned char)text[bytes] & 0xc0) == 0x80)) {
		width -= ((unsigned char)text[bytes] & 0xc0) != 0x80;
		bytes += 1;
	}
	return bytes;
}

static void write_bars(const struct chart *chart, unsigned columns, FILE *out)
{
	size_t label_width = 0, number_width = 0;
	for (size_t row = 0; row < chart->table->row_count; row++) {
		const char *cell = shell_table_cell(chart->table, row, (size_t)chart->value);
		size_t width = shell_text_width(label_of(chart, row)), digits = cell ? strlen(cell) : 0;
		label_width = width > label_width ? width : label_width;
		number_width = digits > number_width ? digits : number_width;
	}
	label_width = label_width > LABEL_WIDTH_MAX ? LABEL_WIDTH_MAX : label_width;
	size_t taken = label_width + number_width + 3, room = columns > taken + 10 ? columns - taken : 10;
	double scale = fmax(fabs(chart->most), fabs(chart->least));
	for (size_t row = 0; row < chart->table->row_count; row++) {
		const char *label = label_of(chart, row),
			   *cell = shell_table_cell(chart->table, row, (size_t)chart->value);
		size_t width = shell_text_width(label), bytes = bytes_of_width(label, label_width);
		long eighths = scale > 0 ? lround(fabs(number_of(chart, row)) / scale * (double)room * 8) : 0;
		fprintf(out, "%.*s%*s %*s ", (int)bytes, label, (int)(width < label_width ? label_width - width : 0),
		        "", (int)number_width, cell ? cell : "");
		for (; eighths >= 8; eighths -= 8)
			fputs(number_of(chart, row) < 0 ? "░" : across[8], out);
		fprintf(out, "%s\n", across[eighths]);
	}
}

/* The mean of the rows that share a column of the terminal. */
static double level_of(const struct chart *chart, size_t column, size_t width)
{
	size_t rows = chart->table->row_count, from = column * rows / width, to = (column + 1) * rows / width;
	double sum = 0;
	to = to > from ? to : from + 1;
	for (size_t row = from; row < to; row++)
		sum += number_of(chart, row);
	return sum / (double)(to - from);
}

static void write_line(const struct chart *chart, unsigned columns, FILE *out)
{
	size_t width = columns > 24 ? columns - 14 : 10, rows = chart->table->row_count;
	double least = fmin(chart->least, 0), range = fmax(chart->most, 0) - least;
	width = rows < width ? rows : width;
	for (int height = LINE_HEIGHT - 1; height >= 0; height--) {
		if (height == LINE_HEIGHT - 1 || height == 0)
			fprintf(out, "%12.6g ", height == 0 ? least : least + range);
		else
			fprintf(out, "%13s", "");
		for (size_t column = 0; column < width; column++) {
			double part = range > 0 ? (level_of(chart, column, width) - least) / range : 0;
			long eighths = lround(part * LINE_HEIGHT * 8) - height * 8;
			fputs(upward[eighths < 0 ? 0 : eighths > 8 ? 8 : eighths], out);
		}
		fputc('\n', out);
	}
	fprintf(out, "%13s%s ... %s\n", "", label_of(chart, 0), label_of(chart, rows - 1));
}

bool shell_write_chart(const struct shell_table *table, bool line, unsigned columns, FILE *out, const char **ret_why)
{
	struct chart chart = {.table = table};
	pick_columns(&chart);
	if (chart.value == NONE || table->row_count == 0) {
		*ret_why =
			table->row_count == 0 ? "there are no rows to draw" : "there is no column of numbers to draw";
		return false;
	}
	for (size_t row = 0; row < table->row_count; row++) {
		double number = number_of(&chart, row);
		chart.least = row == 0 || number < chart.least ? number : chart.least;
		chart.most = row == 0 || number > chart.most ? number : chart.most;
	}
	fprintf(out, "%s\n", table->columns[chart.value].name);
	if (line)
		write_line(&chart, columns, out);
	else
		write_bars(&chart, columns, out);
	return true;
}
