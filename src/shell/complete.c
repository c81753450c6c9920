/* What a word may become: keywords, names of topics and columns, settings behind SET (see line.h).
 *
 * Names are asked of the server at the first Tab after a statement; an error there completes nothing.
 */
#include "shell/shell_priv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const keywords[] = {
	"ALTER TOPIC",  "ADD COLUMN",
	"AND",          "AS",
	"ASC",          "BEGIN",
	"BETWEEN",      "BY",
	"CASE",         "CAST",
	"COMMIT",       "COPY",
	"COUNT",        "CROSS JOIN",
	"DESC",         "DISTINCT",
	"DROP COLUMN",  "ELSE",
	"END",          "EXISTS",
	"EXPLAIN",      "EXPLAIN ANALYZE",
	"FILTER",       "FROM",
	"GROUP BY",     "HAVING",
	"ILIKE",        "IN",
	"INNER JOIN",   "INSERT INTO",
	"INTERVAL",     "IS NOT NULL",
	"IS NULL",      "JOIN",
	"LEFT JOIN",    "LIKE",
	"LIMIT",        "NOT",
	"NULL",         "OFFSET",
	"ON",           "OR",
	"ORDER BY",     "OVER",
	"PARTITION BY", "PATH",
	"RETURNING",    "ROLLBACK",
	"SELECT",       "SET",
	"SHOW",         "SUM",
	"TAIL(",        "THEN",
	"TO",           "UNION ALL",
	"USING",        "VALUES",
	"WHEN",         "WHERE",
	"WITH",
};

enum { KEYWORDS = sizeof keywords / sizeof keywords[0] };

static const char *const commands[] = {"\\?",  "\\chart", "\\conninfo", "\\d", "\\dn",     "\\dt",    "\\du",
                                       "\\dv", "\\echo",  "\\format",   "\\g", "\\gx",     "\\i",     "\\l",
                                       "\\o",  "\\pager", "\\q",        "\\r", "\\timing", "\\watch", "\\x"};

static const char names_query[] =
	"SELECT relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
	"WHERE c.relkind IN ('r', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema') UNION "
	"SELECT a.attname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
	"JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE a.attnum > 0 AND "
	"n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";

struct gathering {
	struct base_writer writer;
	struct shell_client *client;
};

static bool is_plain(const char *name)
{
	if (!islower((unsigned char)name[0]) && name[0] != '_')
		return false;
	for (const char *c = name; *c; c++)
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_')
			return false;
	return strcmp(name, "offset") != 0;
}

static void take_name(void *context, const char *const *cells, const size_t *bytes)
{
	struct gathering *gathering = context;
	(void)bytes;
	char *quoted = is_plain(cells[0]) ? strdup(cells[0]) : shell_client_quote(gathering->client, cells[0], true);
	if (quoted)
		base_write_bytes(&gathering->writer, quoted, strlen(quoted) + 1);
	free(quoted);
}

static void ask_names(struct shell *shell)
{
	struct gathering gathering = {.client = shell->client};
	struct shell_sink sink = {.context = &gathering, .row = take_name};
	char *message = NULL;
	if (shell_client_block(shell->client) == '!')
		return;
	base_writer_init(&gathering.writer, 1 << 24);
	pyr_ignore(shell_client_run(shell->client, names_query, &sink, &message, NULL));
	free(message);
	base_write_u8(&gathering.writer, 0);
	shell->words = gathering.writer.failed ? NULL : malloc(gathering.writer.bytes);
	if (shell->words)
		memcpy(shell->words, gathering.writer.buffer->data, gathering.writer.bytes);
	base_writer_deinit(&gathering.writer);
}

/* A keyword in the case of what was typed of it. */
static char *cased(const char *keyword, const char *word)
{
	char *copy = strdup(keyword);
	for (char *c = copy; copy && *c && islower((unsigned char)word[0]); c++)
		*c = (char)tolower((unsigned char)*c);
	return copy;
}

static bool begins(const char *text, const char *word)
{
	return strncasecmp(text, word, strlen(word)) == 0;
}

char *shell_complete(void *context, const char *line, const char *word, size_t i)
{
	struct shell *shell = context;
	size_t at = 0;
	if (word[0] == '\\') {
		for (size_t k = 0; k < sizeof commands / sizeof *commands; k++)
			if (begins(commands[k], word) && at++ == i)
				return strdup(commands[k]);
		return NULL;
	}
	if (!shell->words)
		ask_names(shell);
	for (const char *name = shell->words; name && *name; name += strlen(name) + 1)
		if ((begins(name, word) || (name[0] == '"' && begins(name + 1, word))) && at++ == i)
			return strdup(name);
	for (size_t k = 0; k < KEYWORDS && word[0] && line[strspn(line, " \t")] != '\\'; k++)
		if (begins(keywords[k], word) && at++ == i)
			return cased(keywords[k], word);
	return NULL;
}
