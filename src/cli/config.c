/* cluster.toml (see config.h). Source: TOML 1.0.0, of which there are top-level keys with strings, integers and booleans.
 *
 * The file is read into one text, which is cut into lines and values in place. Failure modes: the first thing that is not
 * understood is told with its line; nothing is guessed.
 */
#include "cli/config.h"

#include "os/environment.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1 << 20 };

struct place {
	const char *path;
	int line;
};

[[gnu::format(printf, 3, 4)]] static pyr_result fail(struct place place, struct pyr_error *error, const char *format,
                                                     ...)
{
	char sentence[400];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	return pyr_fail(error, PYR_INVALID_CONFIG, "%s, line %d: %s", place.path, place.line, sentence);
}

static char *skip_blanks(char *at)
{
	while (*at == ' ' || *at == '\t')
		at += 1;
	return at;
}

static bool ends(const char *at)
{
	return !*at || *at == '#' || *at == '\r';
}

/* "a \"b\"" and 'a': the text between, in place; *ret_end behind it. */
static pyr_result read_string(struct place place, char *at, char **ret_value, char **ret_end, struct pyr_error *error)
{
	char quote = *at, *to = at + 1;
	*ret_value = to;
	for (at += 1; *at && *at != quote; at++) {
		if (quote == '"' && *at == '\\') {
			at += 1;
			const char *sign = *at ? strchr("\"\\nt", *at) : NULL;
			if (!sign)
				return fail(place, error,
				            "a string knows \\\", \\\\, \\n and \\t; or put it in 'single quotes'");
			*to++ = *at == 'n' ? '\n' : *at == 't' ? '\t' : *at;
			continue;
		}
		*to++ = *at;
	}
	if (!*at)
		return fail(place, error, "a string has no end");
	*ret_end = at + 1;
	*to = 0;
	return pyr_ok();
}

/* 1_000 is 1000. */
static pyr_result read_bare(struct place place, char *at, char **ret_value, char **ret_end, struct pyr_error *error)
{
	char *to = at, *from = at;
	while (isalnum((unsigned char)*at) || *at == '-' || *at == '+' || *at == '_' || *at == '.')
		at += 1;
	bool truth = (size_t)(at - from) == 4 && memcmp(from, "true", 4) == 0;
	bool lie = (size_t)(at - from) == 5 && memcmp(from, "false", 5) == 0;
	*ret_value = from;
	*ret_end = at;
	for (char *c = from; c < at && !truth && !lie; c++) {
		if (!isdigit((unsigned char)*c) && *c != '_' && !(c == from && (*c == '-' || *c == '+')))
			return fail(place, error,
			            "%.*s is no value: texts stand in quotes, the rest is numbers, true and false",
			            (int)(at - from), from);
		if (*c != '_')
			*to++ = *c;
	}
	if (at == from)
		return fail(place, error, "there is no value behind the =");
	if (!truth && !lie && to < at)
		memset(to, ' ', (size_t)(at - to));
	return pyr_ok();
}

/* ["a", "b"] is the text a,b: written over itself, which is never longer. */
static pyr_result read_list(struct place place, char *at, char **ret_value, char **ret_end, struct pyr_error *error)
{
	char *to = at, *item, *end = skip_blanks(at + 1);
	*ret_value = at;
	while (*end == '"' || *end == '\'') {
		PYR_TRY(read_string(place, end, &item, &end, error));
		size_t bytes = strlen(item);
		if (to > at)
			*to++ = ',';
		memmove(to, item, bytes);
		to += bytes;
		end = skip_blanks(end);
		if (*end != ',')
			break;
		end = skip_blanks(end + 1);
	}
	if (*end != ']')
		return fail(place, error, "a list is of texts in quotes, with commas between, and ends with ]");
	*ret_end = end + 1;
	*to = 0;
	return pyr_ok();
}

static pyr_result set(struct place place, struct cli_option *options, const char *key, char *value, bool bare,
                      struct pyr_error *error)
{
	struct cli_option *option = cli_option_find(options, key);
	if (!option || strcmp(option->name, "help") == 0 || strcmp(option->name, "config") == 0) {
		const char *near = cli_option_near(options, key);
		return fail(place, error, "there is no key %s%s%s%s", key, near ? ": is it " : "", near ? near : "",
		            near ? "?" : "");
	}
	bool truth = bare && strcmp(value, "true") == 0, lie = bare && strcmp(value, "false") == 0;
	if (!option->placeholder && !truth && !lie)
		return fail(place, error, "%s is true or false", option->name);
	if (option->placeholder && (truth || lie))
		return fail(place, error, "%s is no matter of true and false: give %s", option->name,
		            option->placeholder);
	option->value = truth ? "1" : lie ? "" : value;
	return pyr_ok();
}

static pyr_result read_line(struct place place, char *line, struct cli_option *options, struct pyr_error *error)
{
	char *key = skip_blanks(line), *at = key, *value, *end = key;
	if (ends(key))
		return pyr_ok();
	if (*key == '[')
		return fail(place, error, "there are no tables: keys stand by themselves");
	while (isalnum((unsigned char)*at) || *at == '-' || *at == '_')
		at += 1;
	char *behind = skip_blanks(at);
	if (at == key || *behind != '=')
		return fail(place, error, "a line is key = value");
	*at = 0;
	for (char *c = key; *c; c++)
		*c = *c == '_' ? '-' : *c;
	value = skip_blanks(behind + 1);
	bool list = *value == '[', quoted = list || *value == '"' || *value == '\'';
	if (list)
		PYR_TRY(read_list(place, value, &value, &end, error));
	else if (quoted)
		PYR_TRY(read_string(place, value, &value, &end, error));
	else
		PYR_TRY(read_bare(place, value, &value, &end, error));
	char *rest = skip_blanks(end);
	if (!ends(rest))
		return fail(place, error, "something stands behind the value: %.40s", rest);
	if (!quoted)
		*end = 0;
	if (!quoted)
		value[strcspn(value, " ")] = 0;
	return set(place, options, key, value, !quoted, error);
}

pyr_result cli_config_parse(struct cli_config *config, const char *path, struct base_bytes text,
                            struct cli_option *options, struct pyr_error *error)
{
	struct place place = {path, 0};
	free(config->text);
	config->text = malloc(text.bytes + 1);
	if (!config->text)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	if (text.bytes > 0)
		memcpy(config->text, text.data, text.bytes);
	config->text[text.bytes] = 0;
	if (strlen(config->text) != text.bytes)
		return pyr_fail(error, PYR_INVALID_CONFIG, "%s is no text: it holds a zero byte", path);
	for (char *line = config->text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		place.line += 1;
		PYR_TRY(read_line(place, line, options, error));
	}
	return pyr_ok();
}

pyr_result cli_config_read(struct cli_config *config, const char *path, struct cli_option *options,
                           struct pyr_error *error)
{
	struct base_slice bytes;
	pyr_result result = os_environment_read_file(path, FILE_BYTES_MAX, &bytes);
	if (result.code != PYR_OK)
		return pyr_fail(error, PYR_INVALID_CONFIG, "%s can't be read: %s", path,
		                result.code == PYR_TOO_LARGE ? "it is longer than 1 MiB" : "is it there?");
	result = cli_config_parse(config, path, (struct base_bytes){bytes.data, bytes.bytes}, options, error);
	base_slice_release(&bytes);
	return result;
}

void cli_config_free(struct cli_config *config)
{
	free(config->text);
	config->text = NULL;
}
