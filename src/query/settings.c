/* SHOW and SET: what clients ask and set when they connect. Values are fixed; setting one to another value is refused
 * only where obeying would change results. Pure.
 */
#include "query/plan_priv.h"

#include <string.h>

static const struct {
	const char *name, *value;
	bool fixed; /* another value can't be obeyed */
} settings[] = {
	{"server_version", "15.0 (Pyralog)", true},
	{"server_version_num", "150000", true},
	{"server_encoding", "UTF8", true},
	{"client_encoding", "UTF8", true},
	{"search_path", "\"$user\", public", false},
	{"transaction_isolation", "read committed", false},
	{"default_transaction_isolation", "read committed", false},
	{"transaction_read_only", "off", false},
	{"default_transaction_read_only", "off", false},
	{"default_transaction_deferrable", "off", false},
	{"transaction_deferrable", "off", false},
	{"standard_conforming_strings", "on", true},
	{"timezone", "UTC", true},
	{"datestyle", "ISO, MDY", true},
	{"intervalstyle", "postgres", true},
	{"integer_datetimes", "on", true},
	{"application_name", "", false},
	{"extra_float_digits", "1", false},
	{"statement_timeout", "0", true},
	{"lock_timeout", "0", false},
	{"idle_in_transaction_session_timeout", "0", false},
	{"client_min_messages", "notice", false},
	{"bytea_output", "hex", true},
	{"max_identifier_length", "63", true},
	{"is_superuser", "off", true},
	{"session_authorization", "pyralog", true},
	{"lc_collate", "C", true},
	{"lc_ctype", "C.UTF-8", true},
	{"lc_messages", "C", false},
	{"lc_monetary", "C", false},
	{"lc_numeric", "C", false},
	{"lc_time", "C", false},
	{"check_function_bodies", "on", false},
	{"row_security", "on", false},
	{"jit", "off", false},
	{"enable_seqscan", "on", false},
	{"synchronous_commit", "on", false},
	{"work_mem", "4MB", false},
};

static size_t find(const char *name)
{
	size_t i = 0;
	while (i < sizeof settings / sizeof *settings && strcasecmp(settings[i].name, name) != 0)
		i += 1;
	return i;
}

const char *query_setting_show(const char *name)
{
	size_t i = find(name);
	return i < sizeof settings / sizeof *settings ? settings[i].value : NULL;
}

/* Spellings of the fixed value that mean the same. */
static bool means_the_same(const char *name, const char *fixed, const char *value)
{
	if (strcasecmp(fixed, value) == 0)
		return true;
	if (strcasecmp(name, "timezone") == 0)
		return strcasecmp(value, "etc/utc") == 0 || strcasecmp(value, "gmt") == 0;
	if (strcasecmp(name, "client_encoding") == 0)
		return strcasecmp(value, "utf-8") == 0 || strcasecmp(value, "unicode") == 0;
	return strcasecmp(name, "datestyle") == 0 && strncasecmp(value, "iso", 3) == 0;
}

static pyr_result check_value(size_t i, json_t *arguments, struct query_error *error)
{
	json_t *constant = json_object_get(json_array_get(arguments, 0), "A_Const");
	const char *value = query_node_string(json_object_get(constant, "sval"), "sval");
	if (!settings[i].fixed || (value && means_the_same(settings[i].name, settings[i].value, value)))
		return pyr_ok();
	if (strcmp(settings[i].name, "statement_timeout") == 0 && !value &&
	    json_integer_value(json_object_get(json_object_get(constant, "ival"), "ival")) == 0)
		return pyr_ok();
	return query_fail(error, "0A000", "parameter \"%s\" can't be changed yet: it is %s", settings[i].name,
	                  settings[i].value);
}

pyr_result query_setting_check(json_t *set_statement, struct query_error *error)
{
	const char *name = query_node_string(set_statement, "name");
	const char *kind = query_node_string(set_statement, "kind");
	/* SET TRANSACTION and SET SESSION CHARACTERISTICS: there is only reading, so every mode is kept. */
	if (!name || strcasecmp(name, "transaction") == 0 || strcasecmp(name, "session characteristics") == 0)
		return pyr_ok();
	size_t i = find(name);
	if (i == sizeof settings / sizeof *settings)
		return query_fail(error, "42704", "unrecognized configuration parameter \"%s\"", name);
	if (kind && strcmp(kind, "VAR_SET_VALUE") != 0)
		return pyr_ok();
	return check_value(i, json_object_get(set_statement, "args"), error);
}
