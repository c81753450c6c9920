/* The table of settings, and a session's values (see settings.h).
 *
 * A value is kept as PostgreSQL shows it. What a transaction block changed is kept beside it until the block ends.
 */
#include "query/settings.h"

#include "os/thread.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum setting_kind {
	SETTING_TEXT, /* any value is kept */
	SETTING_FIXED, /* another value can't be obeyed */
	SETTING_BOOL,
	SETTING_TIME, /* milliseconds */
};

enum { CUSTOM_MAX = 64 };

static const struct setting_row {
	const char *name, *value;
	enum setting_kind kind;
} rows[] = {
	{"application_name", "", SETTING_TEXT},
	{"bytea_output", "hex", SETTING_FIXED},
	{"check_function_bodies", "on", SETTING_BOOL},
	{"client_encoding", "UTF8", SETTING_FIXED},
	{"client_min_messages", "notice", SETTING_TEXT},
	{"constraint_exclusion", "partition", SETTING_TEXT},
	{"cursor_tuple_fraction", "0.1", SETTING_TEXT},
	{"DateStyle", "ISO, MDY", SETTING_FIXED},
	{"default_table_access_method", "heap", SETTING_TEXT},
	{"default_tablespace", "", SETTING_TEXT},
	{"default_text_search_config", "pg_catalog.simple", SETTING_TEXT},
	{"default_transaction_deferrable", "off", SETTING_BOOL},
	{"default_transaction_isolation", "read committed", SETTING_TEXT},
	{"default_transaction_read_only", "off", SETTING_BOOL},
	{"effective_cache_size", "4GB", SETTING_TEXT},
	{"enable_hashjoin", "on", SETTING_BOOL},
	{"enable_indexscan", "on", SETTING_BOOL},
	{"enable_nestloop", "on", SETTING_BOOL},
	{"enable_seqscan", "on", SETTING_BOOL},
	{"escape_string_warning", "on", SETTING_BOOL},
	{"extra_float_digits", "1", SETTING_TEXT},
	{"geqo", "on", SETTING_BOOL},
	{"idle_in_transaction_session_timeout", "0", SETTING_TIME},
	{"idle_session_timeout", "0", SETTING_TIME},
	{"in_hot_standby", "off", SETTING_FIXED},
	{"integer_datetimes", "on", SETTING_FIXED},
	{"IntervalStyle", "postgres", SETTING_FIXED},
	{"is_superuser", "off", SETTING_FIXED},
	{"jit", "off", SETTING_BOOL},
	{"lc_collate", "C", SETTING_FIXED},
	{"lc_ctype", "C.UTF-8", SETTING_FIXED},
	{"lc_messages", "C", SETTING_TEXT},
	{"lc_monetary", "C", SETTING_TEXT},
	{"lc_numeric", "C", SETTING_TEXT},
	{"lc_time", "C", SETTING_TEXT},
	{"lock_timeout", "0", SETTING_TIME},
	{"maintenance_work_mem", "64MB", SETTING_TEXT},
	{"max_connections", "10000", SETTING_FIXED},
	{"max_identifier_length", "63", SETTING_FIXED},
	{"max_index_keys", "32", SETTING_FIXED},
	{"max_parallel_workers_per_gather", "2", SETTING_TEXT},
	{"password_encryption", "scram-sha-256", SETTING_TEXT},
	{"port", "5432", SETTING_FIXED},
	{"pyralog.direct_reads", "on", SETTING_BOOL},
	{"pyralog.prompt_statements", "on", SETTING_BOOL},
	{"random_page_cost", "4", SETTING_TEXT},
	{"role", "none", SETTING_TEXT},
	{"row_security", "on", SETTING_BOOL},
	{"search_path", "\"$user\", public", SETTING_TEXT},
	{"server_encoding", "UTF8", SETTING_FIXED},
	{"server_version", "15.0 (Pyralog)", SETTING_FIXED},
	{"server_version_num", "150000", SETTING_FIXED},
	{"session_authorization", "pyralog", SETTING_TEXT},
	{"ssl", "off", SETTING_FIXED},
	{"standard_conforming_strings", "on", SETTING_FIXED},
	{"statement_timeout", "0", SETTING_TIME},
	{"synchronize_seqscans", "on", SETTING_BOOL},
	{"synchronous_commit", "on", SETTING_TEXT},
	{"temp_buffers", "8MB", SETTING_TEXT},
	{"TimeZone", "UTC", SETTING_FIXED},
	{"transaction_deferrable", "off", SETTING_BOOL},
	{"transaction_isolation", "read committed", SETTING_TEXT},
	{"transaction_read_only", "off", SETTING_BOOL},
	{"wal_level", "replica", SETTING_FIXED},
	{"work_mem", "4MB", SETTING_TEXT},
	{"xmloption", "content", SETTING_TEXT},
};

enum { ROW_COUNT = sizeof rows / sizeof *rows };

const char *const query_settings_reported[] = {"application_name",
                                               "client_encoding",
                                               "DateStyle",
                                               "IntervalStyle",
                                               "TimeZone",
                                               "standard_conforming_strings",
                                               NULL};

struct setting_value {
	char *value; /* NULL: the default */
	char *before; /* what it is when the block ends as `touched` says */
	bool touched; /* in the block at hand */
	bool local; /* until its end only */
};

struct query_settings {
	atomic_uint_least64_t version;
	struct os_mutex lock; /* of all that follows */
	struct setting_value values[ROW_COUNT + CUSTOM_MAX];
	char *custom_names[CUSTOM_MAX];
	size_t custom_count;
};

struct query_settings *query_settings_new(void)
{
	struct query_settings *settings = calloc(1, sizeof *settings);
	if (settings)
		os_mutex_init(&settings->lock);
	return settings;
}

void query_settings_free(struct query_settings *settings)
{
	if (!settings)
		return;
	for (size_t i = 0; i < ROW_COUNT + CUSTOM_MAX; i++) {
		free(settings->values[i].value);
		free(settings->values[i].before);
	}
	for (size_t i = 0; i < settings->custom_count; i++)
		free(settings->custom_names[i]);
	os_mutex_deinit(&settings->lock);
	free(settings);
}

static size_t find_row(const char *name)
{
	size_t i = 0;
	while (i < ROW_COUNT && strcasecmp(rows[i].name, name) != 0)
		i += 1;
	return i;
}

const char *query_setting_name(const char *name)
{
	size_t i = find_row(name);
	return i < ROW_COUNT ? rows[i].name : strchr(name, '.') ? name : NULL;
}

/* Index of a value, or SIZE_MAX. */
static size_t find(const struct query_settings *settings, const char *name)
{
	size_t i = find_row(name);
	if (i < ROW_COUNT)
		return i;
	for (i = 0; i < settings->custom_count; i++)
		if (strcasecmp(settings->custom_names[i], name) == 0)
			return ROW_COUNT + i;
	return SIZE_MAX;
}

static bool read_value(const struct query_settings *settings, size_t i, char *ret_value)
{
	const char *value = settings->values[i].value;
	if (!value)
		value = i < ROW_COUNT ? rows[i].value : NULL;
	snprintf(ret_value, QUERY_SETTING_MAX, "%s", value ? value : "");
	return value;
}

bool query_settings_get(struct query_settings *settings, const char *name, char ret_value[QUERY_SETTING_MAX])
{
	os_mutex_lock(&settings->lock);
	size_t i = find(settings, name);
	bool found = i != SIZE_MAX && read_value(settings, i, ret_value);
	os_mutex_unlock(&settings->lock);
	return found;
}

bool query_settings_at(struct query_settings *settings, size_t i, const char **ret_name,
                       char ret_value[QUERY_SETTING_MAX])
{
	if (i >= ROW_COUNT)
		return false;
	os_mutex_lock(&settings->lock);
	read_value(settings, i, ret_value);
	os_mutex_unlock(&settings->lock);
	*ret_name = rows[i].name;
	return true;
}

/* ---- values ---- */

static bool is_switch(const char *value, bool *ret_on)
{
	static const char *const on[] = {"on", "true", "yes", "1"}, *const off[] = {"off", "false", "no", "0"};
	for (size_t i = 0; i < sizeof on / sizeof *on; i++) {
		*ret_on = strcasecmp(value, on[i]) == 0;
		if (*ret_on || strcasecmp(value, off[i]) == 0)
			return true;
	}
	return false;
}

/* "5s", "100": milliseconds, or -1. */
static int64_t read_time_ms(const char *value)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"", 1}, {"us", 0.001}, {"ms", 1}, {"s", 1e3}, {"min", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}};
	char *end;
	double number = strtod(value, &end);
	while (isspace((unsigned char)*end))
		end += 1;
	for (size_t i = 0; i < sizeof units / sizeof *units && end != value; i++)
		if (strcmp(end, units[i].unit) == 0 && number >= 0 && number * units[i].ms <= INT32_MAX)
			return (int64_t)(number * units[i].ms);
	return -1;
}

static void write_time(char *room, int64_t ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"d", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}};
	size_t i = 0;
	while (ms % units[i].ms != 0)
		i += 1;
	snprintf(room, QUERY_SETTING_MAX, ms == 0 ? "0" : "%lld%s", (long long)(ms / units[i].ms), units[i].unit);
}

/* Spellings of the fixed value that mean the same. */
static bool means_the_same(const char *name, const char *fixed, const char *value)
{
	if (strcasecmp(fixed, value) == 0)
		return true;
	if (strcmp(name, "TimeZone") == 0)
		return strcasecmp(value, "etc/utc") == 0 || strcasecmp(value, "gmt") == 0 ||
		       strcasecmp(value, "etc/gmt") == 0 || strcasecmp(value, "default") == 0;
	if (strcmp(name, "client_encoding") == 0)
		return strcasecmp(value, "utf-8") == 0 || strcasecmp(value, "unicode") == 0;
	bool on, wanted;
	return (strcmp(name, "DateStyle") == 0 && strncasecmp(value, "iso", 3) == 0) ||
	       (is_switch(fixed, &on) && is_switch(value, &wanted) && on == wanted);
}

/* The value as it shall be shown. */
static pyr_result check(const struct setting_row *row, const char *value, char *room, struct query_error *error)
{
	bool on;
	int64_t ms;
	snprintf(room, QUERY_SETTING_MAX, "%s", value);
	switch (row->kind) {
	case SETTING_FIXED:
		snprintf(room, QUERY_SETTING_MAX, "%s", row->value);
		if (means_the_same(row->name, row->value, value))
			return pyr_ok();
		return query_fail(error, "0A000", "parameter \"%s\" can't be changed yet: it is %s", row->name,
		                  row->value);
	case SETTING_BOOL:
		if (!is_switch(value, &on))
			return query_fail(error, "22023", "parameter \"%s\" requires a Boolean value", row->name);
		snprintf(room, QUERY_SETTING_MAX, "%s", on ? "on" : "off");
		return pyr_ok();
	case SETTING_TIME:
		ms = read_time_ms(value);
		if (ms < 0)
			return query_fail(error, "22023", "invalid value for parameter \"%s\": \"%s\"", row->name,
			                  value);
		write_time(room, ms);
		return pyr_ok();
	default:
		return pyr_ok();
	}
}

/* ---- setting ---- */

static size_t add_custom(struct query_settings *settings, const char *name)
{
	if (settings->custom_count == CUSTOM_MAX)
		return SIZE_MAX;
	char *copy = strdup(name);
	if (!copy)
		return SIZE_MAX;
	settings->custom_names[settings->custom_count] = copy;
	return ROW_COUNT + settings->custom_count++;
}

static void take_value(struct setting_value *value, char *copy, bool local, bool in_block)
{
	if (in_block && !value->touched) {
		value->before = value->value;
		value->value = NULL;
		value->touched = true;
	}
	free(value->value);
	value->value = copy;
	value->local = local && in_block;
}

static pyr_result set_locked(struct query_settings *settings, const char *name, const char *value, bool local,
                             bool in_block, struct query_error *error)
{
	char room[QUERY_SETTING_MAX];
	size_t i = find(settings, name);
	if (i == SIZE_MAX && !strchr(name, '.'))
		return query_fail(error, "42704", "unrecognized configuration parameter \"%s\"", name);
	if (i == SIZE_MAX && (i = add_custom(settings, name)) == SIZE_MAX)
		return query_fail(error, "53400", "too many settings of your own: %d are allowed", CUSTOM_MAX);
	if (value && i < ROW_COUNT) {
		PYR_TRY(check(&rows[i], value, room, error));
		value = room;
	}
	char *copy = value ? strndup(value, QUERY_SETTING_MAX - 1) : NULL;
	if (value && !copy)
		return query_fail_memory(error);
	if (local && !in_block)
		free(copy); /* as PostgreSQL, which warns */
	else
		take_value(&settings->values[i], copy, local, in_block);
	return pyr_ok();
}

pyr_result query_settings_set(struct query_settings *settings, const char *name, const char *value, bool local,
                              bool in_block, struct query_error *error)
{
	os_mutex_lock(&settings->lock);
	pyr_result result = set_locked(settings, name, value, local, in_block, error);
	settings->version += 1;
	os_mutex_unlock(&settings->lock);
	return result;
}

void query_settings_reset(struct query_settings *settings)
{
	os_mutex_lock(&settings->lock);
	settings->version += 1;
	for (size_t i = 0; i < ROW_COUNT + CUSTOM_MAX; i++) {
		free(settings->values[i].value);
		settings->values[i].value = NULL;
	}
	os_mutex_unlock(&settings->lock);
}

void query_settings_end_block(struct query_settings *settings, bool committed)
{
	os_mutex_lock(&settings->lock);
	for (size_t i = 0; i < ROW_COUNT + CUSTOM_MAX; i++) {
		struct setting_value *value = &settings->values[i];
		if (!value->touched)
			continue;
		settings->version += 1;
		if (committed && !value->local) {
			free(value->before);
		} else {
			free(value->value);
			value->value = value->before;
		}
		value->before = NULL;
		value->touched = value->local = false;
	}
	os_mutex_unlock(&settings->lock);
}

uint64_t query_settings_version(const struct query_settings *settings)
{
	return settings->version;
}

uint64_t query_settings_timeout_us(struct query_settings *settings)
{
	char value[QUERY_SETTING_MAX];
	int64_t ms = query_settings_get(settings, "statement_timeout", value) ? read_time_ms(value) : 0;
	return ms > 0 ? (uint64_t)ms * 1000 : 0;
}
