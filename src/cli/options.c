/* Options from a table (see options.h). */
#include "cli/options.h"

#include "cli/config.h"

#include "os/environment.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct cli_option *find(struct cli_option *options, const char *name, size_t bytes)
{
	for (struct cli_option *option = options; option->name; option++)
		if (strlen(option->name) == bytes && memcmp(option->name, name, bytes) == 0)
			return option;
	return NULL;
}

struct cli_option *cli_option_find(struct cli_option *options, const char *name)
{
	return find(options, name, strlen(name));
}

/* How many letters have to change, come or go (Levenshtein), for names of up to 63. */
static size_t distance(const char *a, const char *b)
{
	size_t row[64], columns = strlen(b), before;
	for (size_t i = 0; i <= columns && i < 64; i++)
		row[i] = i;
	for (size_t i = 0; a[i]; i++) {
		before = row[0]++;
		for (size_t k = 0; k < columns; k++) {
			size_t above = row[k + 1], change = before + (a[i] != b[k]);
			size_t other = (above < row[k] ? above : row[k]) + 1;
			row[k + 1] = change < other ? change : other;
			before = above;
		}
	}
	return row[columns];
}

const char *cli_option_near(const struct cli_option *options, const char *name)
{
	const char *nearest = NULL;
	size_t least = 4;
	for (; options->name && strlen(name) < 64; options++) {
		size_t far = strlen(options->name) < 64 ? distance(name, options->name) : least;
		if (far < least) {
			least = far;
			nearest = options->name;
		}
	}
	return nearest;
}

static void from_environment(struct cli_option *option)
{
	char variable[64] = "PYRALOG_";
	size_t at = strlen(variable);
	for (const char *c = option->name; *c && at < sizeof variable - 1; c++)
		variable[at++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	variable[at] = '\0';
	const char *value = os_environment_get(variable);
	if (value)
		option->value = value;
}

static pyr_result check_color(struct cli_option *options, struct pyr_error *error)
{
	const struct cli_option *color = cli_option_find(options, "color");
	const char *when = color ? color->value : "auto";
	if (strcmp(when, "auto") == 0 || strcmp(when, "always") == 0 || strcmp(when, "never") == 0)
		return pyr_ok();
	return pyr_fail(error, PYR_USAGE, "--color %s is not valid: give always, never or auto", when);
}

pyr_result cli_options_parse(struct cli_option *options, int argc, char **argv, struct pyr_error *error)
{
	for (struct cli_option *option = options; option->name; option++)
		from_environment(option);
	for (int i = 0; i < argc; i++) {
		const char *text = argv[i];
		if (strncmp(text, "--", 2) != 0)
			return pyr_fail(error, PYR_USAGE, "unexpected argument %s: options begin with --; see --help",
			                text);
		const char *equals = strchr(text, '=');
		size_t bytes = equals ? (size_t)(equals - text) - 2 : strlen(text) - 2;
		struct cli_option *option = find(options, text + 2, bytes);
		if (!option) {
			char name[64];
			snprintf(name, sizeof name, "%.*s", bytes < sizeof name ? (int)bytes : 0, text + 2);
			const char *near = cli_option_near(options, name);
			return pyr_fail(error, PYR_USAGE, "unknown option %s: %s%s", text,
			                near ? "is it --" : "see --help", near ? near : "");
		}
		if (!option->placeholder && equals)
			return pyr_fail(error, PYR_USAGE, "the option --%s takes no value", option->name);
		if (option->placeholder && !equals && i + 1 == argc)
			return pyr_fail(error, PYR_USAGE, "the option --%s needs a value: --%s %s", option->name,
			                option->name, option->placeholder);
		option->value = !option->placeholder ? "1" : equals ? equals + 1 : argv[++i];
	}
	return check_color(options, error);
}

pyr_result cli_options_parse_file(struct cli_option *options, int argc, char **argv, struct cli_config *config,
                                  struct pyr_error *error)
{
	struct cli_option *named = cli_option_find(options, "config");
	assert(named);
	from_environment(named);
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "--config=", 9) == 0)
			named->value = argv[i] + 9;
		else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
			named->value = argv[i + 1];
	}
	if (named->value[0])
		PYR_TRY(cli_config_read(config, named->value, options, error));
	return cli_options_parse(options, argc, argv, error);
}

const char *cli_option_get(const struct cli_option *options, const char *name)
{
	for (; options->name; options++)
		if (strcmp(options->name, name) == 0)
			return options->value;
	assert(!"an option that is in the table");
	return "";
}

pyr_result cli_option_number(const struct cli_option *options, const char *name, long long min, long long max,
                             long long *ret_number, struct pyr_error *error)
{
	const char *text = cli_option_get(options, name);
	char *end;
	errno = 0;
	*ret_number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *ret_number < min || *ret_number > max)
		return pyr_fail(error, PYR_USAGE, "--%s %s is not valid: give a number from %lld to %lld", name, text,
		                min, max);
	return pyr_ok();
}

bool cli_option_takes_value(const struct cli_option *options, const char *argument)
{
	for (; options->name; options++)
		if (options->placeholder && strncmp(argument, "--", 2) == 0 && strcmp(argument + 2, options->name) == 0)
			return true;
	return false;
}

void cli_options_help(const struct cli_option *options, FILE *out)
{
	for (; options->name; options++) {
		char left[40];
		snprintf(left, sizeof left, "--%s%s%s", options->name, options->placeholder ? " " : "",
		         options->placeholder ? options->placeholder : "");
		fprintf(out, "  %-26s %s", left, options->help);
		if (options->placeholder && options->value[0])
			fprintf(out, " (default %s)", options->value);
		fputc('\n', out);
	}
}
