/* Tables as JSON (see pages.h). Source: RFC 8259. */
#include "cli/pages.h"

#include "cli/answer.h"
#include "cli/commands.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void member(const char *before, const char *name, const char *text)
{
	printf("%s\"%s\": ", before, name);
	cli_json_text(text);
}

static const char *between(bool *first)
{
	const char *sign = *first ? "\n  " : ",\n  ";
	*first = false;
	return sign;
}

void cli_pages_variable(const char *option, char room[64])
{
	size_t at = (size_t)snprintf(room, 64, "PYRALOG_");
	for (; *option && at < 63; option++)
		room[at++] = *option == '-' ? '_' : (char)toupper((unsigned char)*option);
	room[at] = '\0';
}

static void write_option(const struct cli_option *option)
{
	char variable[64];
	cli_pages_variable(option->name, variable);
	member("{", "name", option->name);
	member(", ", "environment", variable);
	if (option->placeholder) {
		member(", ", "value", option->placeholder);
		member(", ", "default", option->value);
	}
	member(", ", "help", option->help);
	putchar('}');
}

static void write_words(const char *words)
{
	printf(", \"words\": [");
	for (const char *at = words; *at;) {
		size_t bytes = strcspn(at, " ");
		printf("%s\"%.*s\"", at > words ? ", " : "", (int)bytes, at);
		at += bytes + (at[bytes] == ' ');
	}
	putchar(']');
}

void cli_pages_commands_json(void)
{
	bool first = true;
	putchar('[');
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command_row *row = &cli_commands[i];
		const struct cli_option *option = row->options ? row->options() : NULL;
		fputs(between(&first), stdout);
		member("{", "name", row->name);
		member(", ", "help", row->help);
		write_words(row->words);
		printf(", \"options\": [");
		for (size_t k = 0; option && option[k].name; k++) {
			printf("%s", k > 0 ? ",\n    " : "\n    ");
			write_option(&option[k]);
		}
		printf("]}");
	}
	printf("\n]\n");
}

void cli_pages_settings_json(const struct cli_option *options)
{
	bool first = true;
	putchar('[');
	for (; options->name; options++) {
		if (strcmp(options->name, "help") == 0)
			continue;
		fputs(between(&first), stdout);
		write_option(options);
	}
	printf("\n]\n");
}

void cli_pages_metrics_json(const struct node_metric_table *const *tables, size_t count)
{
	bool first = true;
	putchar('[');
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < tables[i]->count; k++) {
			fputs(between(&first), stdout);
			member("{", "name", tables[i]->metrics[k].name);
			member(", ", "type", tables[i]->metrics[k].kind == NODE_COUNTER ? "counter" : "gauge");
			member(", ", "group", tables[i]->title);
			member(", ", "help", tables[i]->metrics[k].text);
			putchar('}');
		}
	printf("\n]\n");
}
