/* Topic settings: one table (CATALOG_TOPIC_SETTINGS) makes defaults, parser and texts. Pure; any thread. */
#include "catalog/catalog_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum setting_type { TYPE_I64, TYPE_DURABILITY, TYPE_TIMESTAMP_TYPE, TYPE_CLEANUP, TYPE_COMPRESSION };

struct setting_row {
	struct catalog_setting setting;
	enum setting_type type;
	int64_t value;
	size_t field_at;
};

#define X(field, name, type, value, text)                                                                              \
	{{name, text}, TYPE_##type, value, offsetof(struct catalog_topic_config, field)},
static const struct setting_row rows[] = {CATALOG_TOPIC_SETTINGS(X)};
#undef X

/* The words of each enumerated type; a value is the word's place. */
static const char *const words_of[][4] = {
	[TYPE_DURABILITY] = {"fsync", "interval", "os", NULL},
	[TYPE_TIMESTAMP_TYPE] = {"CreateTime", "LogAppendTime", NULL},
	[TYPE_CLEANUP] = {"delete", NULL},
	[TYPE_COMPRESSION] = {"producer", NULL},
};

size_t catalog_setting_count(void)
{
	return sizeof rows / sizeof rows[0];
}

struct catalog_setting catalog_setting_at(size_t i)
{
	assert(i < catalog_setting_count());
	return rows[i].setting;
}

static int64_t *field_of(struct catalog_topic_config *config, size_t i)
{
	return (int64_t *)(void *)((char *)config + rows[i].field_at);
}

struct catalog_topic_config catalog_topic_config_default(void)
{
	struct catalog_topic_config config = {.set = 0};
	for (size_t i = 0; i < catalog_setting_count(); i++)
		*field_of(&config, i) = rows[i].value;
	return config;
}

void catalog_setting_format(const struct catalog_topic_config *config, size_t i, char ret_text[32])
{
	assert(i < catalog_setting_count());
	int64_t value = *(const int64_t *)(const void *)((const char *)config + rows[i].field_at);
	if (rows[i].type == TYPE_I64)
		snprintf(ret_text, 32, "%lld", (long long)value);
	else
		snprintf(ret_text, 32, "%s", words_of[rows[i].type][value]);
}

static bool is_possible(size_t i, int64_t value)
{
	if (rows[i].type == TYPE_I64)
		return value >= -1;
	int64_t count = 0;
	while (words_of[rows[i].type][count])
		count += 1;
	return value >= 0 && value < count;
}

bool catalog_config_is_possible(const struct catalog_topic_config *config)
{
	for (size_t i = 0; i < catalog_setting_count(); i++)
		if (!is_possible(i, *(const int64_t *)(const void *)((const char *)config + rows[i].field_at)))
			return false;
	return true;
}

static pyr_result parse_number(const char *name, const char *value, int64_t *ret_value, struct pyr_error *error)
{
	char *end;
	errno = 0;
	long long number = strtoll(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || number < -1)
		return pyr_fail(error, PYR_INVALID_CONFIG,
		                "%s=%s is not valid: give a whole number, or -1 for no limit", name, value);
	*ret_value = number;
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
	return pyr_fail(error, PYR_INVALID_CONFIG, "%s=%s is not supported: the values are %s", rows[i].setting.name,
	                value, known);
}

pyr_result catalog_setting_parse(struct catalog_topic_config *config, const char *name, const char *value,
                                 struct pyr_error *error)
{
	size_t i = 0;
	while (i < catalog_setting_count() && strcmp(rows[i].setting.name, name) != 0)
		i += 1;
	if (i == catalog_setting_count())
		return pyr_fail(error, PYR_INVALID_CONFIG, "there is no topic setting %s", name);
	int64_t parsed = 0;
	PYR_TRY(rows[i].type == TYPE_I64 ? parse_number(name, value, &parsed, error)
	                                 : parse_word(i, value, &parsed, error));
	*field_of(config, i) = parsed;
	config->set |= 1u << i;
	return pyr_ok();
}
