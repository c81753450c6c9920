/* Names of result columns, by PostgreSQL 15's rules (FigureColname in its parse_target.c). Pure. */
#include "query/plan_priv.h"

#include <string.h>

struct figure {
	const char *name;
	int strength; /* 2: sure, 1: for want of a better one, 0: none */
};

static struct figure figure_of(json_t *node);

static struct figure last_name(json_t *names)
{
	size_t count = json_array_size(names);
	const char *name = count > 0 ? query_node_name(names, count - 1) : NULL;
	return (struct figure){name, name ? 2 : 0};
}

static struct figure of_cast(json_t *body)
{
	struct figure figure = figure_of(json_object_get(body, "arg"));
	json_t *type = json_object_get(body, "typeName");
	if (figure.strength <= 1 && type) {
		figure = last_name(json_object_get(type, "names"));
		figure.strength = figure.name ? 1 : 0;
	}
	return figure;
}

static struct figure of_case(json_t *body)
{
	struct figure figure = figure_of(json_object_get(body, "defresult"));
	return figure.strength > 1 ? figure : (struct figure){"case", 1};
}

static struct figure of_sublink(json_t *body)
{
	const char *type = query_node_string(body, "subLinkType");
	json_t *select, *target;
	if (type && strcmp(type, "EXISTS_SUBLINK") == 0)
		return (struct figure){"exists", 2};
	if (type && strcmp(type, "ARRAY_SUBLINK") == 0)
		return (struct figure){"array", 2};
	if (!type || strcmp(type, "EXPR_SUBLINK") != 0)
		return (struct figure){0};
	select = json_object_get(json_object_get(body, "subselect"), "SelectStmt");
	target = json_object_get(json_array_get(json_object_get(select, "targetList"), 0), "ResTarget");
	const char *name = query_node_string(target, "name");
	return name ? (struct figure){name, 2} : figure_of(json_object_get(target, "val"));
}

static struct figure of_value_function(json_t *body)
{
	static const struct {
		const char *operation, *name;
	} rows[] = {
		{"SVFOP_CURRENT_DATE", "current_date"},
		{"SVFOP_CURRENT_TIME", "current_time"},
		{"SVFOP_CURRENT_TIME_N", "current_time"},
		{"SVFOP_CURRENT_TIMESTAMP", "current_timestamp"},
		{"SVFOP_CURRENT_TIMESTAMP_N", "current_timestamp"},
		{"SVFOP_LOCALTIME", "localtime"},
		{"SVFOP_LOCALTIMESTAMP", "localtimestamp"},
		{"SVFOP_CURRENT_ROLE", "current_role"},
		{"SVFOP_CURRENT_USER", "current_user"},
		{"SVFOP_USER", "user"},
		{"SVFOP_SESSION_USER", "session_user"},
		{"SVFOP_CURRENT_CATALOG", "current_catalog"},
		{"SVFOP_CURRENT_SCHEMA", "current_schema"},
	};
	const char *operation = query_node_string(body, "op");
	for (size_t i = 0; operation && i < sizeof rows / sizeof *rows; i++)
		if (strcmp(operation, rows[i].operation) == 0)
			return (struct figure){rows[i].name, 2};
	return (struct figure){0};
}

static struct figure of_indirection(json_t *body)
{
	struct figure figure = last_name(json_object_get(body, "indirection"));
	return figure.name ? figure : figure_of(json_object_get(body, "arg"));
}

static struct figure of_expression(json_t *body)
{
	const char *kind = query_node_string(body, "kind");
	return kind && strcmp(kind, "AEXPR_NULLIF") == 0 ? (struct figure){"nullif", 2} : (struct figure){0};
}

static struct figure of_minmax(json_t *body)
{
	const char *operation = query_node_string(body, "op");
	return (struct figure){operation && strcmp(operation, "IS_LEAST") == 0 ? "least" : "greatest", 2};
}

static struct figure figure_of(json_t *node)
{
	json_t *body;
	const char *kind = query_node_kind(node, &body);
	if (!kind)
		return (struct figure){0};
	if (strcmp(kind, "ColumnRef") == 0)
		return last_name(json_object_get(body, "fields"));
	if (strcmp(kind, "FuncCall") == 0)
		return last_name(json_object_get(body, "funcname"));
	if (strcmp(kind, "A_Expr") == 0)
		return of_expression(body);
	if (strcmp(kind, "A_Indirection") == 0)
		return of_indirection(body);
	if (strcmp(kind, "TypeCast") == 0)
		return of_cast(body);
	if (strcmp(kind, "CollateClause") == 0)
		return figure_of(json_object_get(body, "arg"));
	if (strcmp(kind, "CaseExpr") == 0)
		return of_case(body);
	if (strcmp(kind, "SubLink") == 0)
		return of_sublink(body);
	if (strcmp(kind, "SQLValueFunction") == 0)
		return of_value_function(body);
	if (strcmp(kind, "MinMaxExpr") == 0)
		return of_minmax(body);
	if (strcmp(kind, "CoalesceExpr") == 0)
		return (struct figure){"coalesce", 2};
	if (strcmp(kind, "A_ArrayExpr") == 0)
		return (struct figure){"array", 2};
	if (strcmp(kind, "RowExpr") == 0)
		return (struct figure){"row", 2};
	if (strcmp(kind, "GroupingFunc") == 0)
		return (struct figure){"grouping", 2};
	return (struct figure){0};
}

const char *query_column_name(json_t *expression)
{
	json_t *body;
	const char *kind = query_node_kind(expression, &body);
	if (!kind || strcmp(kind, "ColumnRef") == 0)
		return NULL;
	struct figure figure = figure_of(expression);
	return figure.name ? figure.name : "?column?";
}
