/* Calls of functions that the engine has under another name, has otherwise, or that need to know the session.
 *
 * A call's name and its opening bracket are replaced; the arguments stay as they are. What stands for a function is made
 * in engine_setup.c or engine_settings.c.
 */
#include "query/plan_priv.h"

#include <stdio.h>
#include <string.h>

static const struct call_row {
	const char *name; /* PostgreSQL's */
	const char *engine;
	bool handle; /* the session's comes first */
} rows[] = {
	/* the session's */
	{"current_setting", "pyralog_setting", true},
	{"set_config", "pyralog_set_setting", true},
	{"pg_backend_pid", "pyralog_pid", true},
	{"scarab", "pyralog_scarab", true},
	{"to_regclass", "pyralog_to_regclass", true},
	{"has_table_privilege", "pyralog_privilege", false},
	{"has_schema_privilege", "pyralog_privilege", false},
	{"has_database_privilege", "pyralog_privilege", false},
	{"has_column_privilege", "pyralog_privilege", false},
	{"has_any_column_privilege", "pyralog_privilege", false},
	{"has_function_privilege", "pyralog_privilege", false},
	{"has_sequence_privilege", "pyralog_privilege", false},
	{"has_language_privilege", "pyralog_privilege", false},
	{"has_tablespace_privilege", "pyralog_privilege", false},
	{"has_type_privilege", "pyralog_privilege", false},
	{"has_foreign_data_wrapper_privilege", "pyralog_privilege", false},
	{"has_server_privilege", "pyralog_privilege", false},
	{"pg_has_role", "pyralog_privilege", false},
	/* texts of definitions: there are none */
	{"pg_get_expr", "pyralog_no_text", false},
	{"pg_get_indexdef", "pyralog_no_text", false},
	{"pg_get_constraintdef", "pyralog_no_text", false},
	{"pg_get_viewdef", "pyralog_no_text", false},
	{"pg_get_ruledef", "pyralog_no_text", false},
	{"pg_get_triggerdef", "pyralog_no_text", false},
	{"pg_get_functiondef", "pyralog_no_text", false},
	{"pg_get_function_arguments", "pyralog_no_text", false},
	{"pg_get_function_identity_arguments", "pyralog_no_text", false},
	{"pg_get_function_result", "pyralog_no_text", false},
	{"pg_get_statisticsobjdef_columns", "pyralog_no_text", false},
	{"pg_get_partkeydef", "pyralog_no_text", false},
	{"pg_get_serial_sequence", "pyralog_no_text", false},
	{"obj_description", "pyralog_no_text", false},
	{"col_description", "pyralog_no_text", false},
	{"shobj_description", "pyralog_no_text", false},
	{"pg_tablespace_location", "pyralog_no_text", false},
	/* visible is what is in pg_catalog and public */
	{"pg_table_is_visible", "pyralog_table_is_visible", false},
	{"pg_type_is_visible", "pyralog_is_visible", false},
	{"pg_function_is_visible", "pyralog_is_visible", false},
	{"pg_operator_is_visible", "pyralog_is_visible", false},
	{"pg_opclass_is_visible", "pyralog_is_visible", false},
	{"pg_collation_is_visible", "pyralog_is_visible", false},
	{"pg_conversion_is_visible", "pyralog_is_visible", false},
	{"pg_statistics_obj_is_visible", "pyralog_is_visible", false},
	{"pg_ts_config_is_visible", "pyralog_is_visible", false},
	{"pg_relation_is_publishable", "pyralog_is_visible", false},
	/* sizes */
	{"pg_table_size", "pyralog_no_size", false},
	{"pg_relation_size", "pyralog_no_size", false},
	{"pg_total_relation_size", "pyralog_no_size", false},
	{"pg_indexes_size", "pyralog_no_size", false},
	{"pg_database_size", "pyralog_no_size", false},
	{"pg_tablespace_size", "pyralog_no_size", false},
	/* locks: there is nothing to lock */
	{"pg_advisory_lock", "pyralog_void", false},
	{"pg_advisory_xact_lock", "pyralog_void", false},
	{"pg_advisory_unlock_all", "pyralog_void", false},
	{"pg_advisory_unlock", "pyralog_is_visible", false},
	{"pg_try_advisory_lock", "pyralog_is_visible", false},
	{"pg_try_advisory_xact_lock", "pyralog_is_visible", false},
	/* numbers */
	{"avg", "pyralog_avg", false},
	{"every", "bool_and", false},
	{"trunc", "pyralog_trunc", false},
	{"round", "pyralog_round", false},
	{"sqrt", "pyralog_sqrt", false},
	{"mod", "pyralog_mod", false},
	{"div", "pyralog_div", false},
	{"to_number", "pyralog_to_number", false},
	/* texts */
	{"btrim", "trim", false},
	{"initcap", "pyralog_initcap", false},
	{"lpad", "pyralog_lpad", false},
	{"rpad", "pyralog_rpad", false},
	{"octet_length", "pyralog_octet_length", false},
	{"bit_length", "pyralog_bit_length", false},
	{"overlay", "pyralog_overlay", false},
	{"encode", "pyralog_encode", false},
	{"decode", "pyralog_decode", false},
	{"split_part", "pyralog_split_part", false},
	{"to_char", "pyralog_to_char", false},
	{"to_date", "pyralog_to_date", false},
	{"to_timestamp", "pyralog_to_timestamp", false},
	{"regexp_match", "pyralog_regexp_match", false},
	{"substr", "pyralog_substr", false},
	{"substring", "pyralog_substr", false},
	{"to_hex", "pyralog_to_hex", false},
	{"format", "pyralog_format", false},
	{"ascii", "pyralog_ascii", false},
	{"pg_typeof", "pyralog_typeof", false},
	/* time */
	{"clock_timestamp", "now", false},
	{"statement_timestamp", "now", false},
	{"transaction_timestamp", "now", false},
	{"pg_postmaster_start_time", "now", false},
	{"pg_conf_load_time", "now", false},
	/* arrays */
	{"array_upper", "pyralog_array_upper", false},
	{"array_lower", "pyralog_array_lower", false},
	{"array_length", "pyralog_array_upper", false},
	{"array_ndims", "pyralog_array_ndims", false},
	{"cardinality", "pyralog_cardinality", false},
	{"array_remove", "pyralog_array_remove", false},
	{"array_replace", "pyralog_array_replace", false},
	{"array_to_string", "pyralog_array_to_string", false},
	{"string_to_array", "pyralog_string_to_array", false},
	/* JSON */
	{"json_agg", "json_group_array", false},
	{"jsonb_agg", "json_group_array", false},
	{"json_object_agg", "json_group_object", false},
	{"jsonb_object_agg", "json_group_object", false},
	{"json_build_object", "json_object", false},
	{"jsonb_build_object", "json_object", false},
	{"json_build_array", "json_array", false},
	{"jsonb_build_array", "json_array", false},
	{"to_jsonb", "to_json", false},
	{"jsonb_array_length", "pyralog_json_length", false},
	{"jsonb_typeof", "pyralog_json_typeof", false},
	{"json_typeof", "pyralog_json_typeof", false},
	{"json_extract_path_text", "pyralog_json_path_text", false},
	{"jsonb_extract_path_text", "pyralog_json_path_text", false},
	/* functions whose results have another type here */
	{"length", "pyralog_length", false},
	{"char_length", "pyralog_length", false},
	{"character_length", "pyralog_length", false},
	{"strpos", "pyralog_position", false},
	{"json_array_length", "pyralog_json_length", false},
	{"array_position", "pyralog_array_position", false},
	{"gcd", "pyralog_gcd", false},
	{"lcm", "pyralog_lcm", false},
	{"sign", "pyralog_sign", false},
	{"date_part", "pyralog_date_part", false},
	{"date_bin", "pyralog_date_bin", false},
	{"width_bucket", "pyralog_width_bucket", false},
	{"generate_series", "pyralog_series", false},
	{"generate_series/int4", "pyr.series", false},
	{"generate_subscripts", "pyralog_subscripts", false},
	{"generate_subscripts/table", "pyr.subscripts", false},
	/* tables */
	{"pg_get_keywords", "pyr.keywords", false},
};

static const struct call_row *find(const char *name)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (is(name, rows[i].name))
			return &rows[i];
	return NULL;
}

/* The name, with its schema, becomes the engine's; a handle goes behind the bracket. */
void query_rewrite_call(struct query_rewrite *rewrite, json_t *body, const char *name)
{
	const struct query_parse *parse = rewrite->parse;
	size_t first = query_token_of(rewrite, body), last = first;
	const struct call_row *row = find(name);
	while (query_is_mark(rewrite, last + 1, '.'))
		last += 2;
	if (last + 1 >= parse->token_count || (!row && last == first) || !query_is_mark(rewrite, last + 1, '('))
		return;
	size_t at = parse->tokens[first].at, bytes = query_token_end(rewrite, last) - at;
	if (!row) /* only its schema goes */
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at, parse->tokens[last].at - at, "%s", "");
	else
		query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at, bytes, "%s", row->engine);
	if (row && row->handle)
		query_edit_add(&rewrite->edits, QUERY_EDIT_AFTER, query_token_end(rewrite, last + 1), 0, "%llu%s",
		               (unsigned long long)rewrite->options->handle,
		               json_array_size(json_object_get(body, "args")) > 0 ? ", " : "");
}

/* current_user and the like, which are words. */
void query_rewrite_value(struct query_rewrite *rewrite, json_t *body)
{
	static const struct {
		const char *operation, *call;
	} values[] = {
		{"SVFOP_CURRENT_USER", "pyralog_user(%llu)"},
		{"SVFOP_USER", "pyralog_user(%llu)"},
		{"SVFOP_SESSION_USER", "pyralog_user(%llu)"},
		{"SVFOP_CURRENT_ROLE", "pyralog_user(%llu)"},
		{"SVFOP_CURRENT_CATALOG", "current_database()"},
		{"SVFOP_CURRENT_SCHEMA", "current_schema()"},
		{"SVFOP_LOCALTIMESTAMP", "CAST(now() AS TIMESTAMP)"},
		{"SVFOP_LOCALTIME", "CAST(now() AS TIME)"},
		{"SVFOP_CURRENT_TIMESTAMP_N", "now()"},
	};
	const char *operation = query_node_string(body, "op");
	size_t token = query_token_of(rewrite, body);
	if (token >= rewrite->parse->token_count)
		return;
	size_t at = rewrite->parse->tokens[token].at, to = query_token_end(rewrite, token);
	if (query_is_mark(rewrite, token + 1, '(') && strstr(operation ? operation : "", "_N"))
		to = query_token_end(rewrite, query_bracket_end(rewrite->parse, token + 1) - 1);
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		char call[64];
		const char *mark = strstr(values[i].call, "%llu");
		if (!is(operation, values[i].operation))
			continue;
		snprintf(call, sizeof call, "%.*s", mark ? (int)(mark - values[i].call) : (int)strlen(values[i].call),
		         values[i].call);
		if (mark)
			query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at, to - at, "%s%llu)", call,
			               (unsigned long long)rewrite->options->handle);
		else
			query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at, to - at, "%s", call);
	}
}
