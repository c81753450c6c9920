/* Which functions a statement may call.
 *
 * In an expression everything the engine has, but for what reaches out of the database or runs text as SQL. In FROM,
 * where functions open files and look into the engine, only those listed. The engine's own sandbox is the second wall.
 */
#include "query/plan_priv.h"

#include <string.h>

static const char *const denied[] = {
	"getenv",
	"getvariable",
	"query",
	"query_table",
	"read_text",
	"read_blob",
	"read_csv",
	"read_csv_auto",
	"read_json",
	"read_json_auto",
	"read_ndjson",
	"read_parquet",
	"parquet_scan",
	"glob",
	"write_log",
	"nextval",
	"currval",
	"setval",
	"pg_read_file",
	"pg_read_binary_file",
	"pg_ls_dir",
	"pg_stat_file",
	"lo_import",
	"lo_export",
	"json_execute_serialized_sql",
	"json_serialize_plan",
	"json_serialize_sql",
	"json_deserialize_sql",
	"sniff_csv",
	"sql_auto_complete",
	"pyralog_scan",
	"pyralog_topics",
	"force_checkpoint",
	"checkpoint",
	"which_secret",
	"duckdb_secrets",
	"in_search_path",
	"txid_current",
	"current_query",
	"pg_sleep",
	"sleep_ms",
};

static const char *const tables[] = {
	"generate_series",
	"range",
	"unnest",
	"json_each",
	"json_tree",
	"json_array_elements",
	"json_array_elements_text",
	"jsonb_array_elements",
	"regexp_split_to_table",
	"string_to_table",
	"string_to_array",
	"generate_subscripts",
	"pg_get_keywords",
};

static bool is_in(const char *const *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(list[i], name) == 0)
			return true;
	return false;
}

pyr_result query_function_check(const char *name, bool as_table, struct query_error *error)
{
	if (is_in(denied, sizeof denied / sizeof *denied, name) || strncasecmp(name, "duckdb_", 7) == 0 ||
	    strncasecmp(name, "pyralog_", 8) == 0 || strncasecmp(name, "pragma_", 7) == 0 ||
	    strncasecmp(name, "read_", 5) == 0)
		return query_fail(error, "42501", "permission denied for function %s", name);
	if (as_table && !is_in(tables, sizeof tables / sizeof *tables, name))
		return query_fail(error, "42883", "function %s can't be used in FROM", name);
	return pyr_ok();
}
