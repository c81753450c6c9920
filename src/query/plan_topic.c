/* ALTER TOPIC: declared columns (ALTER TABLE says the same).
 *
 * ADD COLUMN name type [PATH 'a.b'], DROP COLUMN name, several with commas; IF NOT EXISTS and IF EXISTS. The parser has
 * seen ALTER TABLE without PATH (parse.c), which is read here from the tokens behind the column. Runs on a query's thread.
 */
#include "query/fields.h"
#include "query/plan_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct declaration {
	struct query_rewrite *rewrite;
	struct catalog_columns *columns; /* there are now; NULL: none */
	struct base_writer actions;
};

static const struct catalog_column *find(const struct declaration *declaration, const char *name)
{
	for (size_t i = 0; declaration->columns && i < declaration->columns->count; i++)
		if (strcmp(declaration->columns->list[i].name, name) == 0)
			return &declaration->columns->list[i];
	return NULL;
}

static bool is_taken(const char *name)
{
	static const char *const names[] = {"offset",  "partition", "timestamp",   "key",      "value",
	                                    "headers", "key_bytes", "value_bytes", "tableoid", "xmin",
	                                    "xmax",    "cmin",      "cmax",        "ctid"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (is(name, names[i]))
			return true;
	return false;
}

/* ---- one column ---- */

static int32_t modifier_of(json_t *type)
{
	json_t *given = json_object_get(type, "typmods"), *node;
	int64_t numbers[2] = {0, 0};
	size_t i;
	if (json_array_size(given) == 0 || json_array_size(given) > 2)
		return -1;
	json_array_foreach(given, i, node) numbers[i] =
		json_integer_value(json_object_get(json_object_get(json_object_get(node, "A_Const"), "ival"), "ival"));
	if (numbers[0] < 0 || numbers[0] > 1000 || numbers[1] < 0 || numbers[1] > 1000)
		return 4; /* numeric(0), which there is none of */
	return (int32_t)(numbers[0] << 16 | numbers[1]) + 4;
}

static pyr_result take_type(struct query_rewrite *rewrite, json_t *type, struct catalog_column *column)
{
	struct column_field_type known;
	json_t *names = json_object_get(type, "names");
	const char *name = query_node_name(names, json_array_size(names) - 1);
	column->type = json_object_get(type, "arrayBounds") ? 0 : query_field_type_named(name);
	column->modifier = column->type == QUERY_TYPE_NUMERIC ? modifier_of(type) : -1;
	if (column->type == 0)
		return query_fail(rewrite->error, "0A000",
		                  "a column can't have type %s%s: there are boolean, smallint, integer, bigint, real, "
		                  "double precision, numeric, text, json, date, time, timestamp, timestamptz and uuid",
		                  name ? name : "", json_object_get(type, "arrayBounds") ? "[]" : "");
	if (!query_field_type(column->type, column->modifier, &known))
		return query_fail(rewrite->error, "22023", "numeric has up to 38 digits, those behind the point too");
	return pyr_ok();
}

/* The text of a string in quotes, '' for '. False: too long. */
static bool read_string(const char *text, size_t bytes, char *room, size_t room_bytes)
{
	size_t used = 0;
	if (bytes < 2 || text[0] != '\'')
		return false;
	for (size_t i = 1; i + 1 < bytes; i++) {
		i += text[i] == '\'';
		if (used + 1 >= room_bytes)
			return false;
		room[used++] = text[i];
	}
	room[used] = 0;
	return true;
}

/* PATH 'a.b' stands behind the type, in front of the next comma; a column without one reads the field of its name. */
static pyr_result take_path(struct query_rewrite *rewrite, size_t token, struct catalog_column *column)
{
	const struct query_parse *parse = rewrite->parse;
	char quoted[CATALOG_COLUMN_PATH_MAX + 1];
	struct pyr_error below = {0};
	for (; token + 1 < parse->token_count && parse->tokens[token].at < rewrite->to; token++) {
		const struct query_token *next = &parse->tokens[token + 1];
		if (query_is_mark(rewrite, token, '('))
			token = query_bracket_end(parse, token) - 1;
		if (query_is_mark(rewrite, token, ',') || query_is_mark(rewrite, token, ';'))
			break;
		if (!query_is_word(rewrite, token, "path") || next->kind != QUERY_TOKEN_STRING)
			continue;
		if (!read_string(parse->text + next->at, next->bytes, column->path, sizeof column->path))
			return query_fail(rewrite->error, "22023", "PATH is a string of up to %d bytes",
			                  CATALOG_COLUMN_PATH_MAX);
		break;
	}
	if (!column->path[0]) {
		bool plain = !strpbrk(column->name, ".[\"");
		snprintf(column->path, sizeof column->path, "%s",
		         plain ? column->name : query_quote_name(column->name, quoted, sizeof quoted));
	}
	if (column_json_path_check(column->path, &below).code != PYR_OK)
		return query_fail(rewrite->error, "22023", "%s", below.text);
	return pyr_ok();
}

static pyr_result add_column(struct declaration *declaration, json_t *command)
{
	struct query_rewrite *rewrite = declaration->rewrite;
	json_t *definition = json_object_get(json_object_get(command, "def"), "ColumnDef");
	const char *name = query_node_string(definition, "colname");
	struct catalog_column column = {0};
	if (!definition || !name || json_array_size(json_object_get(definition, "constraints")) > 0)
		return query_fail(rewrite->error, "0A000",
		                  "a topic's column is ADD COLUMN name type [PATH 'a.b']: it has no constraints and no "
		                  "default");
	if (strlen(name) > CATALOG_COLUMN_NAME_MAX)
		return query_fail(rewrite->error, "42622", "a column's name has up to %d bytes",
		                  CATALOG_COLUMN_NAME_MAX);
	if (is_taken(name) || find(declaration, name)) {
		if (json_is_true(json_object_get(command, "missing_ok")) && !is_taken(name))
			return pyr_ok();
		return query_fail(rewrite->error, "42701", "column \"%s\" of relation \"%s\" already exists", name,
		                  rewrite->plan->insert.topic);
	}
	memcpy(column.name, name, strlen(name));
	PYR_TRY(take_type(rewrite, json_object_get(definition, "typeName"), &column));
	PYR_TRY(take_path(rewrite, query_token_of(rewrite, definition), &column));
	catalog_column_action_write(&declaration->actions, CATALOG_COLUMN_ADD, &column);
	return pyr_ok();
}

static pyr_result drop_column(struct declaration *declaration, json_t *command)
{
	struct query_rewrite *rewrite = declaration->rewrite;
	const char *name = query_node_string(command, "name");
	struct catalog_column column = {0};
	if (is_taken(name))
		return query_fail(rewrite->error, "0A000", "column \"%s\" is every topic's: it can't be dropped", name);
	if (!name || !find(declaration, name)) {
		if (json_is_true(json_object_get(command, "missing_ok")))
			return pyr_ok();
		return query_fail(rewrite->error, "42703", "column \"%s\" of relation \"%s\" does not exist",
		                  name ? name : "", rewrite->plan->insert.topic);
	}
	snprintf(column.name, sizeof column.name, "%s", name);
	catalog_column_action_write(&declaration->actions, CATALOG_COLUMN_DROP, &column);
	return pyr_ok();
}

/* ---- the statement ---- */

static pyr_result take_commands(struct declaration *declaration, json_t *commands)
{
	json_t *node;
	size_t i;
	json_array_foreach(commands, i, node)
	{
		json_t *command = json_object_get(node, "AlterTableCmd");
		const char *kind = query_node_string(command, "subtype");
		if (is(kind, "AT_AddColumn"))
			PYR_TRY(add_column(declaration, command));
		else if (is(kind, "AT_DropColumn"))
			PYR_TRY(drop_column(declaration, command));
		else
			return query_fail(declaration->rewrite->error, "0A000",
			                  "ALTER TOPIC knows ADD COLUMN and DROP COLUMN; settings are changed by "
			                  "Kafka's AlterConfigs");
	}
	return pyr_ok();
}

pyr_result query_plan_alter(struct query_rewrite *rewrite, json_t *body)
{
	struct declaration declaration = {.rewrite = rewrite};
	struct query_source *source = rewrite->options->source;
	struct pyr_error below = {0};
	if (!is(query_node_string(body, "objtype"), "OBJECT_TABLE"))
		return query_fail(rewrite->error, "0A000",
		                  "only topics can be altered: ALTER TOPIC name ADD COLUMN ...");
	PYR_TRY(query_plan_find_topic(rewrite, json_object_get(body, "relation")));
	if (source->ops
	            ->topic_columns(source, rewrite->options->principal, rewrite->plan->insert.topic,
	                            &declaration.columns, &below)
	            .code != PYR_OK)
		return query_fail_below(rewrite->error, &below);
	base_writer_init(&declaration.actions, CATALOG_COLUMN_ACTIONS_BYTES_MAX);
	pyr_result result = take_commands(&declaration, json_object_get(body, "cmds"));
	bool large = declaration.actions.failed;
	if (result.code == PYR_OK && base_writer_take(&declaration.actions, &rewrite->plan->actions).code != PYR_OK)
		result = large ? query_fail(rewrite->error, "54011", "too many columns in one statement: use several")
		               : query_fail_memory(rewrite->error);
	base_writer_deinit(&declaration.actions);
	catalog_columns_free(declaration.columns);
	rewrite->plan->kind = QUERY_KIND_ALTER_TOPIC;
	rewrite->plan->tag = "ALTER TOPIC";
	return result;
}
