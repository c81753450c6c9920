/* Results as text: aligned, expanded, plain, CSV, JSON, Markdown (see table.h).
 *
 * Rows may be written in several lots, as they come; columns of an aligned table are as wide as the first lot makes them.
 * Sources: RFC 4180 for CSV, RFC 8259 for JSON, GitHub's Markdown for tables.
 */
#include "shell/table.h"

#include "shell/arrow_file.h"
#include "shell/color.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_BOOL = 16, TYPE_JSON = 114, TYPE_JSONB = 3802 };

const char *const shell_format_names[] = {"aligned", "plain", "csv", "json", "markdown", "arrow"};

static const char *shown(const struct shell_table *table, const struct shell_style *style, size_t row, size_t column)
{
	const char *cell = shell_table_cell(table, row, column);
	return cell ? cell : style->null_text;
}

static const struct shell_palette *palette_of(const struct shell_style *style)
{
	return style->palette ? style->palette : shell_palette("never", NULL);
}

static void repeat(const char *sign, size_t count, FILE *out)
{
	while (count-- > 0)
		fputs(sign, out);
}

/* ---- aligned ---- */

/* The longest line of a cell; *ret_lines: how many it has. */
static size_t cell_width(const char *text, size_t *ret_lines)
{
	size_t width = 0, line = 0, lines = 1;
	for (; *text; text++) {
		if (*text == '\n') {
			lines += 1;
			line = 0;
			continue;
		}
		line += ((unsigned char)*text & 0xc0) != 0x80;
		width = line > width ? line : width;
	}
	*ret_lines = lines;
	return width;
}

static void measure(struct shell_table *table, const struct shell_style *style)
{
	size_t lines;
	table->widths = calloc(table->column_count + 1, sizeof *table->widths);
	for (size_t i = 0; i < table->column_count && table->widths; i++) {
		table->widths[i] = shell_text_width(table->columns[i].name);
		for (size_t row = 0; row < table->row_count; row++) {
			size_t width = cell_width(shown(table, style, row, i), &lines);
			table->widths[i] = width > table->widths[i] ? width : table->widths[i];
		}
	}
}

static void write_padded(const char *text, size_t bytes, size_t width, size_t wanted, bool right, FILE *out)
{
	size_t blanks = wanted > width ? wanted - width : 0;
	repeat(" ", right ? blanks : 0, out);
	fwrite(text, 1, bytes, out);
	repeat(" ", right ? 0 : blanks, out);
}

/* Line `line` of a cell; a cell of several shows a + where it goes on. */
static bool write_line(const char *text, size_t line, size_t wanted, bool right, FILE *out)
{
	for (; line > 0 && text; line--) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	size_t bytes = text ? strcspn(text, "\n") : 0, width = 0;
	for (size_t i = 0; i < bytes; i++)
		width += ((unsigned char)text[i] & 0xc0) != 0x80;
	write_padded(text ? text : "", bytes, width, wanted, right, out);
	return text && text[bytes];
}

static void write_aligned_row(const struct shell_table *table, const struct shell_style *style, size_t row, FILE *out)
{
	const struct shell_palette *palette = palette_of(style);
	bool more = true;
	for (size_t line = 0; more; line++) {
		more = false;
		for (size_t i = 0; i < table->column_count; i++) {
			fputs(i > 0 ? "| " : " ", out);
			bool right = shell_type_is_number(table->columns[i].type);
			size_t wanted = right || i + 1 < table->column_count ? table->widths[i] : 0;
			bool null = !shell_table_cell(table, row, i) && style->null_text[0];
			fputs(null ? palette->null : "", out);
			bool goes_on = write_line(shown(table, style, row, i), line, wanted, right, out);
			fputs(null ? palette->end : "", out);
			fputs(goes_on ? "+" : i + 1 < table->column_count ? " " : "", out);
			more |= goes_on;
		}
		fputc('\n', out);
	}
}

static void write_aligned(struct shell_table *table, const struct shell_style *style, FILE *out)
{
	const struct shell_palette *palette = palette_of(style);
	if (!table->widths) {
		measure(table, style);
		if (!table->widths)
			return;
		for (size_t i = 0; i < table->column_count; i++) {
			size_t width = shell_text_width(table->columns[i].name), blanks = table->widths[i] - width;
			fputs(i > 0 ? "| " : " ", out);
			repeat(" ", blanks / 2, out);
			fprintf(out, "%s%s%s", palette->heading, table->columns[i].name, palette->end);
			repeat(" ", i + 1 < table->column_count ? blanks - blanks / 2 + 1 : 0, out);
		}
		fputc('\n', out);
		for (size_t i = 0; i < table->column_count; i++) {
			fputs(i > 0 ? "+" : "", out);
			repeat("-", table->widths[i] + 2, out);
		}
		fputc('\n', out);
	}
	for (size_t row = table->written; row < table->row_count; row++)
		write_aligned_row(table, style, row, out);
}

static void write_expanded(const struct shell_table *table, const struct shell_style *style, FILE *out)
{
	const struct shell_palette *palette = palette_of(style);
	size_t name_width = 0;
	for (size_t i = 0; i < table->column_count; i++) {
		size_t width = shell_text_width(table->columns[i].name);
		name_width = width > name_width ? width : name_width;
	}
	for (size_t row = table->written; row < table->row_count; row++) {
		fprintf(out, "%s-[ RECORD %zu ]", palette->heading, row + 1);
		repeat("-", 30, out);
		fprintf(out, "%s\n", palette->end);
		for (size_t i = 0; i < table->column_count; i++) {
			const char *name = table->columns[i].name;
			bool null = !shell_table_cell(table, row, i) && style->null_text[0];
			write_padded(name, strlen(name), shell_text_width(name), name_width, false, out);
			fprintf(out, " | %s%s%s\n", null ? palette->null : "", shown(table, style, row, i),
			        null ? palette->end : "");
		}
	}
}

/* ---- for programs ---- */

static void write_plain_cell(const char *text, FILE *out)
{
	for (; *text; text++)
		fputs((char[]){*text == '\t' || *text == '\n' ? ' ' : *text, 0}, out);
}

static void write_csv_cell(const char *text, FILE *out)
{
	if (!text)
		return;
	if (text[0] && !strpbrk(text, ",\"\r\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		fputs(*text == '"' ? "\"" : "", out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void write_csv(const struct shell_table *table, FILE *out)
{
	for (size_t i = 0; i < table->column_count && table->written == 0; i++) {
		fputs(i > 0 ? "," : "", out);
		write_csv_cell(table->columns[i].name, out);
		fputs(i + 1 == table->column_count ? "\n" : "", out);
	}
	for (size_t row = table->written; row < table->row_count; row++) {
		for (size_t i = 0; i < table->column_count; i++) {
			fputs(i > 0 ? "," : "", out);
			write_csv_cell(shell_table_cell(table, row, i), out);
		}
		fputc('\n', out);
	}
}

static void write_json_text(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			fprintf(out, "\\u%04x", (unsigned)(unsigned char)*text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

/* Numbers, booleans and JSON as they are; NaN and Infinity, which JSON has not, as texts. */
static void write_json_cell(const char *text, uint32_t type, FILE *out)
{
	bool number = shell_type_is_number(type) && (text && strspn(text, "+-0123456789.eE") == strlen(text));
	if (!text)
		fputs("null", out);
	else if (type == TYPE_BOOL)
		fputs(text[0] == 't' ? "true" : "false", out);
	else if (number || type == TYPE_JSON || type == TYPE_JSONB)
		fputs(text, out);
	else
		write_json_text(text, out);
}

static void write_json(const struct shell_table *table, FILE *out)
{
	for (size_t row = table->written; row < table->row_count; row++) {
		fputs(row == 0 ? "[\n  {" : ",\n  {", out);
		for (size_t i = 0; i < table->column_count; i++) {
			fputs(i > 0 ? ", " : "", out);
			write_json_text(table->columns[i].name, out);
			fputs(": ", out);
			write_json_cell(shell_table_cell(table, row, i), table->columns[i].type, out);
		}
		fputc('}', out);
	}
}

static void write_markdown_cell(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '|')
			fputs("\\|", out);
		else if (*text == '\n')
			fputs("<br>", out);
		else
			fputc(*text, out);
	}
}

static void write_markdown(const struct shell_table *table, const struct shell_style *style, FILE *out)
{
	for (size_t i = 0; i < table->column_count && table->written == 0; i++) {
		fputs("| ", out);
		write_markdown_cell(table->columns[i].name, out);
		fputs(i + 1 == table->column_count ? " |\n" : " ", out);
	}
	for (size_t i = 0; i < table->column_count && table->written == 0; i++)
		fprintf(out, "|%s%s", shell_type_is_number(table->columns[i].type) ? "---:" : "---",
		        i + 1 == table->column_count ? "|\n" : "");
	for (size_t row = table->written; row < table->row_count; row++) {
		for (size_t i = 0; i < table->column_count; i++) {
			fputs("| ", out);
			write_markdown_cell(shown(table, style, row, i), out);
			fputc(' ', out);
		}
		fputs("|\n", out);
	}
}

static void write_plain(const struct shell_table *table, const struct shell_style *style, FILE *out)
{
	for (size_t row = table->written; row < table->row_count; row++) {
		for (size_t i = 0; i < table->column_count; i++) {
			fputs(i > 0 ? "\t" : "", out);
			write_plain_cell(shown(table, style, row, i), out);
		}
		fputc('\n', out);
	}
}

/* ---- all ---- */

void shell_write_rows(struct shell_table *table, const struct shell_style *style, FILE *out)
{
	switch (style->format) {
	case SHELL_PLAIN:
		write_plain(table, style, out);
		break;
	case SHELL_CSV:
		write_csv(table, out);
		break;
	case SHELL_JSON:
		write_json(table, out);
		break;
	case SHELL_MARKDOWN:
		write_markdown(table, style, out);
		break;
	case SHELL_ARROW:
		shell_arrow_write_rows(table, out);
		break;
	default:
		if (style->expanded)
			write_expanded(table, style, out);
		else
			write_aligned(table, style, out);
	}
	table->written = table->row_count;
}

void shell_write_end(struct shell_table *table, const struct shell_style *style, FILE *out)
{
	if (style->format == SHELL_ARROW)
		shell_arrow_write_end(table, out);
	if (style->format == SHELL_JSON)
		fputs(table->row_count > 0 ? "\n]\n" : "[]\n", out);
	if (style->format == SHELL_ALIGNED && !style->bare)
		fprintf(out, "(%zu row%s)\n\n", table->row_count, table->row_count == 1 ? "" : "s");
}

size_t shell_table_lines(const struct shell_table *table, const struct shell_style *style)
{
	size_t lines = 0, of_cell;
	assert(table->dropped == 0);
	if (style->expanded)
		return table->row_count * (table->column_count + 1) + 2;
	for (size_t row = 0; row < table->row_count; row++) {
		size_t most = 1;
		for (size_t i = 0; i < table->column_count; i++) {
			(void)cell_width(shown(table, style, row, i), &of_cell);
			most = of_cell > most ? of_cell : most;
		}
		lines += most;
	}
	return lines + 4;
}
