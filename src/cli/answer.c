/* Answers of commands (see answer.h). Source: RFC 8259 for JSON. Failure modes: none; what can't be written is lost, as with printf. */
#include "cli/answer.h"

#include "shell/color.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "": it has no such option. */
static const char *value_of(const struct cli_option *options, const char *name)
{
	for (; options && options->name; options++)
		if (strcmp(options->name, name) == 0)
			return options->value;
	return "";
}

bool cli_wants_json(const struct cli_option *options)
{
	return value_of(options, "json")[0];
}

const char *cli_color(const struct cli_option *options)
{
	const char *when = value_of(options, "color");
	return when[0] ? when : "auto";
}

const struct shell_palette *cli_palette(const struct cli_option *options, FILE *out)
{
	return shell_palette(cli_color(options), out);
}

int cli_end(const char *command, const struct cli_option *options, pyr_result done, const struct pyr_error *error)
{
	const struct shell_palette *palette = cli_palette(options, stderr);
	if (done.code == PYR_OK)
		return 0;
	fflush(stdout);
	fprintf(stderr, "%spyralog %s:%s %s\n", palette->error, command, palette->end,
	        error->text[0] ? error->text : pyr_code_text(done.code));
	return done.code == PYR_USAGE ? 2 : 1;
}

void cli_json_text(const char *text)
{
	putchar('"');
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", (unsigned)*text);
		else
			putchar(*text);
	putchar('"');
}

void cli_json_print(const struct cli_json *members)
{
	putchar('{');
	for (size_t i = 0; members[i].name; i++) {
		printf("%s", i > 0 ? ", " : "");
		cli_json_text(members[i].name);
		printf(": ");
		if (members[i].text)
			cli_json_text(members[i].text);
		else
			printf("%" PRIu64, members[i].number);
	}
	printf("}\n");
}
