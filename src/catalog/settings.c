/* Topic settings: one table (CATALOG_TOPIC_SETTINGS) makes defaults, parser and texts. Pure; any thread. */
#include "catalog/catalog_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum setting_type {
	TYPE_LIMIT,
	TYPE_COUNT,
	TYPE_SIZE,
	TYPE_PERMILLE,
	TYPE_DURABILITY,
	TYPE_TIMESTAMP_TYPE,
	TYPE_CLEANUP,
	TYPE_COMPRESSION,
};

struct setting_row {
	const char *name, *text;
	enum setting_type type;
	int64_t value;
	size_t field_at;
};

#define X(field, name, type, value, text)                                                                              \
	{name, text, TYPE_##type, value, offsetof(struct catalog_topic_config, field)},
static const struct setting_row rows[] = {CATALOG_TOPIC_SETTINGS(X)};
#undef X

/* The words of each enumerated type; a value is the word's place. */
static const char *const words_of[][4] = {
	[TYPE_DURABILITY] = {"fsync", "interval", "os", NULL},
	[TYPE_TIMESTAMP_TYPE] = {"CreateTime", "LogAppendTime", NULL},
	[TYPE_CLEANUP] = {"delete", "compact", "compact,delete", NULL},
	[TYPE_COMPRESSION] = {"producer", NULL},
};

size_t catalog_setting_count(void)
{
	return sizeof rows / sizeof rows[0];
}

struct catalog_setting catalog_setting_at(size_t i)
{
	static const enum catalog_setting_kind kinds[] = {
		[TYPE_PERMILLE] = CATALOG_SETTING_RATIO,      [TYPE_DURABILITY] = CATALOG_SETTING_WORD,
		[TYPE_TIMESTAMP_TYPE] = CATALOG_SETTING_WORD, [TYPE_CLEANUP] = CATALOG_SETTING_LIST,
		[TYPE_COMPRESSION] = CATALOG_SETTING_WORD,
	};
	assert(i < catalog_setting_count());
	return (struct catalog_setting){rows[i].name, rows[i].text, kinds[rows[i].type]};
}

size_t catalog_setting_find(const char *name)
{
	size_t i = 0;
	while (i < catalog_setting_count() && strcmp(rows[i].name, name) != 0)
		i += 1;
	return i;
}

static int64_t *field_of(struct catalog_topic_config *config, size_t i)
{
	return (int64_t *)(void *)((char *)config + rows[i].field_at);
}

static int64_t value_of(const struct catalog_topic_config *config, size_t i)
{
	return *(const int64_t *)(const void *)((const char *)config + rows[i].field_at);
}

struct catalog_topic_config catalog_topic_config_default(void)
{
	struct catalog_topic_config config = {.set = 0};
	for (size_t i = 0; i < catalog_setting_count(); i++)
		*field_of(&config, i) = rows[i].value;
	return config;
}

void catalog_config_merge(struct catalog_topic_config *into, const struct catalog_topic_config *from, uint32_t changed)
{
	for (size_t i = 0; i < catalog_setting_count(); i++)
		if (changed & 1u << i)
			*field_of(into, i) = value_of(from, i);
	into->set = (into->set & ~changed) | (from->set & changed);
}

void catalog_setting_unset(struct catalog_topic_config *config, size_t i)
{
	assert(i < catalog_setting_count());
	*field_of(config, i) = rows[i].value;
	config->set &= ~(1u << i);
}

/* "0.25": a ratio has no more digits than it needs, but one. */
static void format_permille(int64_t value, char ret_text[32])
{
	snprintf(ret_text, 32, "%lld.%03lld", (long long)(value / 1000), (long long)(value % 1000));
	for (size_t last = strlen(ret_text) - 1; ret_text[last] == '0' && ret_text[last - 1] != '.'; last--)
		ret_text[last] = '\0';
}

void catalog_setting_format(const struct catalog_topic_config *config, size_t i, char ret_text[32])
{
	assert(i < catalog_setting_count());
	int64_t value = value_of(config, i);
	if (rows[i].type == TYPE_PERMILLE)
		format_permille(value, ret_text);
	else if (rows[i].type < TYPE_PERMILLE)
		snprintf(ret_text, 32, "%lld", (long long)value);
	else
		snprintf(ret_text, 32, "%s", words_of[rows[i].type][value]);
}

static bool is_possible(size_t i, int64_t value)
{
	if (rows[i].type == TYPE_PERMILLE)
		return value >= 0 && value <= 1000;
	if (rows[i].type < TYPE_PERMILLE)
		return value >= -1;
	int64_t count = 0;
	while (words_of[rows[i].type][count])
		count += 1;
	return value >= 0 && value < count;
}

bool catalog_config_is_possible(const struct catalog_topic_config *config)
{
	for (size_t i = 0; i < catalog_setting_count(); i++)
		if (!is_possible(i, value_of(config, i)))
			return false;
	return true;
}

/* ---- parsing ---- */

static pyr_result parse_number(size_t i, const char *value, int64_t *ret_value, struct pyr_error *error)
{
	static const struct {
		int64_t least;
		const char *text;
	} limits[] = {
		[TYPE_LIMIT] = {-1, "a whole number, or -1 for no limit"},
		[TYPE_COUNT] = {0, "a whole number, 0 or more"},
		[TYPE_SIZE] = {1, "a whole number, 1 or more"},
	};
	char *end;
	errno = 0;
	long long number = strtoll(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || number < limits[rows[i].type].least)
		return pyr_fail(error, PYR_INVALID_CONFIG, "%s=%s is not valid: give %s", rows[i].name, value,
		                limits[rows[i].type].text);
	*ret_value = number;
	return pyr_ok();
}

static pyr_result parse_permille(size_t i, const char *value, int64_t *ret_value, struct pyr_error *error)
{
	char *end;
	double ratio = strtod(value, &end);
	if (end == value || *end != '\0' || !(ratio >= 0 && ratio <= 1))
		return pyr_fail(error, PYR_INVALID_CONFIG, "%s=%s is not valid: give a number from 0 to 1",
		                rows[i].name, value);
	*ret_value = (int64_t)(ratio * 1000 + 0.5);
	return pyr_ok();
}

static pyr_result parse_word(size_t i, const char *value, int64_t *ret_value, struct pyr_error *error)
{
	const char *const *words = words_of[rows[i].type];
	char known[96] = "";
	size_t at = 0;
	for (int64_t k = 0; words[k]; k++) {
		if (strcmp(words[k], value) == 0) {
			*ret_value = k;
			return pyr_ok();
		}
		at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", k > 0 ? ", " : "", words[k]);
	}
	return pyr_fail(error, PYR_INVALID_CONFIG, "%s=%s is not supported: the values are %s", rows[i].name, value,
	                known);
}

/* A list in any order, with blanks. */
static pyr_result parse_cleanup(const char *value, int64_t *ret_value, struct pyr_error *error)
{
	bool compact = false, remove = false;
	const char *at = value + strspn(value, " ");
	for (;;) {
		size_t bytes = strcspn(at, ", ");
		bool is_delete = bytes == 6 && memcmp(at, "delete", 6) == 0;
		bool is_compact = bytes == 7 && memcmp(at, "compact", 7) == 0;
		if (!is_delete && !is_compact)
			return pyr_fail(error, PYR_INVALID_CONFIG,
			                "cleanup.policy=%s is not valid: give delete, compact or compact,delete",
			                value);
		compact |= is_compact;
		remove |= is_delete;
		at += bytes;
		at += strspn(at, " ");
		if (*at != ',')
			break;
		at += 1 + strspn(at + 1, " ");
	}
	if (*at != '\0')
		return pyr_fail(error, PYR_INVALID_CONFIG, "cleanup.policy=%s is not valid: put commas between", value);
	*ret_value = !compact ? CATALOG_CLEANUP_DELETE : remove ? CATALOG_CLEANUP_BOTH : CATALOG_CLEANUP_COMPACT;
	return pyr_ok();
}

static pyr_result parse(size_t i, const char *value, int64_t *ret_value, struct pyr_error *error)
{
	if (rows[i].type == TYPE_PERMILLE)
		return parse_permille(i, value, ret_value, error);
	if (rows[i].type == TYPE_CLEANUP)
		return parse_cleanup(value, ret_value, error);
	if (rows[i].type < TYPE_PERMILLE)
		return parse_number(i, value, ret_value, error);
	return parse_word(i, value, ret_value, error);
}

pyr_result catalog_setting_parse(struct catalog_topic_config *config, const char *name, const char *value,
                                 struct pyr_error *error)
{
	size_t i = catalog_setting_find(name);
	int64_t parsed = 0;
	if (i == catalog_setting_count())
		return pyr_fail(error, PYR_INVALID_CONFIG, "there is no topic setting %s", name);
	PYR_TRY(parse(i, value, &parsed, error));
	*field_of(config, i) = parsed;
	config->set |= 1u << i;
	return pyr_ok();
}
