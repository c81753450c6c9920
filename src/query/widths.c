/* Which integer type an expression has in PostgreSQL, as far as the text tells: sums and divisions depend on it.
 *
 * Columns are followed into subqueries, WITH queries, VALUES and generate_series of the query block and those around it;
 * what can't be told that way (a column of a function, a type of the engine's) is 0, and the engine's own type stays.
 * Pure; the tree is borrowed. Recursion is bounded by DEPTH_MAX, as a WITH query may name itself.
 */
#include "query/parse.h"
#include "query/plan_priv.h"

#include <string.h>

enum { DEPTH_MAX = 64 };

struct lookup {
	const struct query_scope *scope;
	int depth;
};

static int width_of(struct lookup lookup, json_t *node);

/* The wider of two; 0 if one is not known. */
static int wider(int a, int b)
{
	return a == 0 || b == 0 ? 0 : a > b ? a : b;
}

static int width_of_type(json_t *type)
{
	json_t *names = json_object_get(type, "names");
	const char *name = query_node_name(names, json_array_size(names) - 1);
	if (json_object_get(type, "arrayBounds") || !name)
		return 0;
	if (is(name, "int4") || is(name, "int2") || is(name, "integer") || is(name, "smallint"))
		return 4;
	return is(name, "int8") || is(name, "bigint") ? 8 : 0;
}

static int width_of_operator(struct lookup lookup, json_t *body)
{
	const char *name = query_node_name(json_object_get(body, "name"), 0);
	json_t *left = json_object_get(body, "lexpr");
	if (!name || strlen(name) != 1 || !strchr("+-*/%", *name))
		return 0;
	int right_width = width_of(lookup, json_object_get(body, "rexpr"));
	return wider(left ? width_of(lookup, left) : right_width, right_width);
}

static int width_of_case(struct lookup lookup, json_t *body)
{
	json_t *when, *otherwise = json_object_get(body, "defresult");
	int width = otherwise ? width_of(lookup, otherwise) : 4;
	size_t i;
	json_array_foreach(json_object_get(body, "args"), i, when) width =
		wider(width, width_of(lookup, json_object_get(json_object_get(when, "CaseWhen"), "result")));
	return width;
}

static int width_of_all(struct lookup lookup, json_t *arguments)
{
	json_t *argument;
	int width = json_array_size(arguments) > 0 ? 4 : 0;
	size_t i;
	json_array_foreach(arguments, i, argument) width = wider(width, width_of(lookup, argument));
	return width;
}

/* What PostgreSQL's functions return; ARGUMENT: what they are given. */
enum { ARGUMENT = 1, SUM = 2 };

static int width_of_call(struct lookup lookup, json_t *body)
{
	static const struct {
		const char *name;
		int width;
	} functions[] = {
		{"length", 4},
		{"char_length", 4},
		{"character_length", 4},
		{"octet_length", 4},
		{"bit_length", 4},
		{"strpos", 4},
		{"ascii", 4},
		{"cardinality", 4},
		{"count", 8},
		{"row_number", 8},
		{"rank", 8},
		{"dense_rank", 8},
		{"abs", ARGUMENT},
		{"min", ARGUMENT},
		{"max", ARGUMENT},
		{"first_value", ARGUMENT},
		{"last_value", ARGUMENT},
		{"sum", SUM},
	};
	json_t *names = json_object_get(body, "funcname"), *arguments = json_object_get(body, "args");
	const char *name = query_node_name(names, json_array_size(names) - 1);
	for (size_t i = 0; name && i < sizeof functions / sizeof functions[0]; i++) {
		if (!is(name, functions[i].name))
			continue;
		if (functions[i].width >= 4)
			return functions[i].width;
		int given = width_of(lookup, json_array_get(arguments, 0));
		return functions[i].width == ARGUMENT ? given : given == 4 ? 8 : 0;
	}
	return 0;
}

/* ---- columns ---- */

static const char *column_name(json_t *fields)
{
	return query_node_name(fields, json_array_size(fields) - 1);
}

/* The place of a column of an item with alias; SIZE_MAX: its names are not the alias's. */
static size_t place_in_alias(json_t *alias, const char *name)
{
	json_t *names = json_object_get(alias, "colnames");
	for (size_t i = 0; i < json_array_size(names); i++)
		if (is(query_node_name(names, i), name))
			return i;
	return SIZE_MAX;
}

static int width_in_values(struct lookup lookup, json_t *rows, size_t place)
{
	json_t *row;
	int width = json_array_size(rows) > 0 ? 4 : 0;
	size_t i;
	json_array_foreach(rows, i, row)
	{
		json_t *items = json_object_get(json_object_get(row, "List"), "items");
		width = wider(width, width_of(lookup, json_array_get(items, place)));
	}
	return width;
}

/* Column `name`, or the one at `place`, of a query. */
static int width_in_query(struct lookup lookup, json_t *body, const char *name, size_t place)
{
	json_t *target;
	size_t i;
	while (json_object_get(body, "larg"))
		body = json_object_get(body, "larg"); /* the first of a UNION names the columns */
	struct query_scope scope = {body, lookup.scope, lookup.scope ? lookup.scope->plan : NULL};
	struct lookup inside = {&scope, lookup.depth + 1};
	if (json_object_get(body, "valuesLists"))
		return place == SIZE_MAX ? 0 : width_in_values(inside, json_object_get(body, "valuesLists"), place);
	json_array_foreach(json_object_get(body, "targetList"), i, target)
	{
		json_t *result = json_object_get(target, "ResTarget"), *value = json_object_get(result, "val"), *column;
		const char *called = query_node_string(result, "name");
		if (!called && is(query_node_kind(value, &column), "ColumnRef"))
			called = column_name(json_object_get(column, "fields"));
		if (!called)
			called = query_column_name(value);
		if (place == SIZE_MAX ? is(called, name) : i == place)
			return width_of(inside, value);
	}
	return 0;
}

static int width_in_series(struct lookup lookup, json_t *body)
{
	json_t *list = json_object_get(json_array_get(json_object_get(body, "functions"), 0), "List");
	json_t *call = json_object_get(json_array_get(json_object_get(list, "items"), 0), "FuncCall");
	if (!is(query_node_name(json_object_get(call, "funcname"), 0), "generate_series"))
		return 0;
	return width_of_all(lookup, json_object_get(call, "args"));
}

static json_t *find_with(const struct query_scope *scope, const char *name)
{
	json_t *node;
	size_t i;
	for (; scope; scope = scope->outer)
		json_array_foreach(json_object_get(json_object_get(scope->block, "withClause"), "ctes"), i,
		                   node) if (is(query_node_string(json_object_get(node, "CommonTableExpr"), "ctename"),
		                                name)) return json_object_get(node, "CommonTableExpr");
	return NULL;
}

static int width_in_with(struct lookup lookup, json_t *with, const char *name)
{
	json_t *names = json_object_get(with, "aliascolnames");
	size_t place = SIZE_MAX;
	for (size_t i = 0; i < json_array_size(names); i++)
		if (is(query_node_name(names, i), name))
			place = i;
	return width_in_query(lookup, json_object_get(json_object_get(with, "ctequery"), "SelectStmt"), name, place);
}

/* Column `name` of one FROM item; `qualifier` NULL: whatever the item is called. */
static int width_in_item(struct lookup lookup, json_t *item, const char *qualifier, const char *name)
{
	json_t *body;
	const char *kind = query_node_kind(item, &body);
	if (is(kind, "JoinExpr")) {
		int left = width_in_item(lookup, json_object_get(body, "larg"), qualifier, name);
		return left ? left : width_in_item(lookup, json_object_get(body, "rarg"), qualifier, name);
	}
	json_t *alias = json_object_get(body, "alias");
	const char *called = query_node_string(alias, "aliasname"), *relation = query_node_string(body, "relname");
	if (qualifier && !is(called ? called : relation, qualifier))
		return 0;
	size_t place = place_in_alias(alias, name);
	if (is(kind, "RangeSubselect"))
		return width_in_query(lookup, json_object_get(json_object_get(body, "subquery"), "SelectStmt"), name,
		                      place);
	if (is(kind, "RangeFunction"))
		return place == 0 || is(called, name) ? width_in_series(lookup, body) : 0;
	json_t *with = relation ? find_with(lookup.scope, relation) : NULL;
	if (with && !json_object_get(alias, "colnames"))
		return width_in_with(lookup, with, name);
	return 0;
}

/* A declared column of one of the statement's topics. */
static int width_of_declared(const struct query_plan *plan, const char *name)
{
	for (size_t i = 0; plan && i < plan->scan_count; i++) {
		const struct catalog_columns *columns = plan->scans[i].columns;
		for (size_t k = 0; columns && k < columns->count; k++) {
			uint32_t type = columns->list[k].type;
			if (strcmp(columns->list[k].name, name) == 0)
				return type == QUERY_TYPE_INT2 || type == QUERY_TYPE_INT4 ? 4
				       : type == QUERY_TYPE_INT8                          ? 8
				                                                          : 0;
		}
	}
	return 0;
}

static int width_of_column(struct lookup lookup, json_t *body)
{
	json_t *fields = json_object_get(body, "fields"), *item;
	const char *name = column_name(fields);
	const char *qualifier = json_array_size(fields) == 2 ? query_node_name(fields, 0) : NULL;
	size_t i;
	for (const struct query_scope *scope = lookup.scope; name && scope; scope = scope->outer)
		json_array_foreach(json_object_get(scope->block, "fromClause"), i, item)
		{
			int width = width_in_item((struct lookup){scope, lookup.depth + 1}, item, qualifier, name);
			if (width > 0)
				return width;
		}
	if (is(name, "partition") || is(name, "offset"))
		return is(name, "partition") ? 4 : 8;
	return name && lookup.scope ? width_of_declared(lookup.scope->plan, name) : 0;
}

static int width_of(struct lookup lookup, json_t *node)
{
	json_t *body;
	const char *kind = query_node_kind(node, &body);
	if (lookup.depth++ > DEPTH_MAX)
		return 0;
	if (is(kind, "TypeCast"))
		return width_of_type(json_object_get(body, "typeName"));
	if (is(kind, "A_Const"))
		return json_object_get(body, "ival") ? 4 : 0;
	if (is(kind, "A_Expr"))
		return width_of_operator(lookup, body);
	if (is(kind, "CaseExpr"))
		return width_of_case(lookup, body);
	if (is(kind, "CoalesceExpr"))
		return width_of_all(lookup, json_object_get(body, "args"));
	if (is(kind, "FuncCall"))
		return width_of_call(lookup, body);
	return is(kind, "ColumnRef") ? width_of_column(lookup, body) : 0;
}

int query_integer_width(const struct query_scope *scope, json_t *node)
{
	return width_of((struct lookup){scope, 0}, node);
}
