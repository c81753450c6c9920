/* \d and its family: queries of pg_catalog and information_schema that any PostgreSQL answers (see shell_priv.h). */
#include "shell/shell_priv.h"

#include <stdlib.h>
#include <string.h>

#define RELATIONS(kinds, rest)                                                                                         \
	"SELECT n.nspname AS \"Schema\", c.relname AS \"Name\", CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN "   \
	"'view' ELSE 'other' END AS \"Type\", pg_catalog.pg_get_userbyid(c.relowner) AS \"Owner\" "                    \
	"FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "                         \
	"WHERE c.relkind IN (" kinds ") AND " rest " ORDER BY 1, 2"
#define USERS "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"

static const struct {
	const char *name, *query;
} lists[] = {
	{"d", RELATIONS("'r', 'v'", USERS)},
	{"dt", RELATIONS("'r'", USERS)},
	{"dv", RELATIONS("'v'", USERS)},
	{"dS", RELATIONS("'r', 'v'", "true")},
	{"dn", "SELECT nspname AS \"Name\", pg_catalog.pg_get_userbyid(nspowner) AS \"Owner\" FROM "
               "pg_catalog.pg_namespace ORDER BY 1"},
	{"du", "SELECT rolname AS \"Role name\", rolsuper AS \"Superuser\", rolcanlogin AS \"Can login\" FROM "
               "pg_catalog.pg_roles ORDER BY 1"},
	{"l", "SELECT datname AS \"Name\", pg_catalog.pg_get_userbyid(datdba) AS \"Owner\", "
              "pg_catalog.pg_encoding_to_char(encoding) AS \"Encoding\" FROM pg_catalog.pg_database ORDER BY 1"},
};

static const char columns_query[] =
	"SELECT a.attname AS \"Column\", pg_catalog.format_type(a.atttypid, a.atttypmod) AS \"Type\", "
	"CASE WHEN a.attnotnull THEN 'not null' ELSE '' END AS \"Nullable\" FROM pg_catalog.pg_attribute a "
	"JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
	"WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relname = %s%s%s ORDER BY a.attnum";

/* name, "Name", schema.name. */
static void split_name(const char *argument, char schema[128], char name[256])
{
	char *into = name;
	size_t used = 0, room = 255;
	schema[0] = 0;
	for (bool quoted = false; *argument; argument++) {
		if (*argument == '"') {
			quoted = !quoted;
		} else if (*argument == '.' && !quoted && into == name && !schema[0]) {
			name[used] = 0;
			snprintf(schema, 128, "%.127s", name);
			used = 0;
		} else if (used < room) {
			into[used++] = *argument;
		}
	}
	name[used] = 0;
}

static bool describe_one(struct shell *shell, const char *argument)
{
	static const struct shell_use gathered = {.silent = true};
	char schema[128], name[256], *query = NULL;
	split_name(argument, schema, name);
	char *quoted = shell_client_quote(shell->client, name, false);
	char *of_schema = shell_client_quote(shell->client, schema, false);
	bool good = quoted && of_schema &&
	            asprintf(&query, columns_query, quoted, schema[0] ? " AND n.nspname = " : "",
	                     schema[0] ? of_schema : "") >= 0 &&
	            shell_execute(shell, query, &gathered);
	if (good && shell->table.row_count == 0) {
		shell_complain(shell, "there is no relation \"%s\"", argument);
		shell->failed = true;
	} else if (good) {
		if (shell->options.style.format == SHELL_ALIGNED)
			fprintf(shell->out, "Relation %s\n", argument);
		shell_write_rows(&shell->table, &shell->options.style, shell->out);
		shell_write_end(&shell->table, &shell->options.style, shell->out);
		fflush(shell->out);
	}
	free(query);
	free(quoted);
	free(of_schema);
	return true;
}

bool shell_describe(struct shell *shell, const char *command, const char *argument)
{
	static const struct shell_use shown = {0};
	if (argument[0] && (strcmp(command, "d") == 0 || strcmp(command, "d+") == 0))
		return describe_one(shell, argument);
	size_t bytes = strcspn(command, "+");
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		if (strlen(lists[i].name) == bytes && strncmp(lists[i].name, command, bytes) == 0) {
			(void)shell_execute(shell, lists[i].query, &shown);
			return true;
		}
	}
	return false;
}
