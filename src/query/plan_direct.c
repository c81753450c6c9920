/* Is a SELECT one that direct.c can read? Then how (see direct.h).
 *
 * Invariant: what is taken means the same to the engine. So only what is listed here is taken: a key of the parse tree that is
 * not known, a name that could mean two things, an operand that is not a number or a parameter leave it to the engine.
 * Runs on a query's thread.
 */
#include "query/direct.h"
#include "query/fields.h"
#include "query/plan_priv.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	uint32_t type;
} own[QUERY_DIRECT_DECLARED] = {
	[QUERY_DIRECT_OFFSET] = {"offset", QUERY_TYPE_INT8},
	[QUERY_DIRECT_PARTITION] = {"partition", QUERY_TYPE_INT4},
	[QUERY_DIRECT_TIMESTAMP] = {"timestamp", QUERY_TYPE_TIMESTAMPTZ},
	[QUERY_DIRECT_KEY] = {"key", QUERY_TYPE_TEXT},
	[QUERY_DIRECT_VALUE] = {"value", QUERY_TYPE_TEXT},
	[QUERY_DIRECT_HEADERS] = {"headers", QUERY_TYPE_TEXT},
	[QUERY_DIRECT_KEY_BYTES] = {"key_bytes", QUERY_TYPE_BYTEA},
	[QUERY_DIRECT_VALUE_BYTES] = {"value_bytes", QUERY_TYPE_BYTEA},
};

struct attempt {
	struct query_rewrite *rewrite;
	struct query_direct_plan *direct;
	const struct catalog_columns *declared; /* NULL: none */
	const char *qualifier; /* how the topic is called */
	uint32_t types[QUERY_PARAMETERS_MAX]; /* 0: the parameter is not used */
	size_t bounds; /* conditions, as many as must have become bounds of the plan */
};

static bool has_only(json_t *body, const char *const *keys, size_t count)
{
	const char *key;
	json_t *value;
	json_object_foreach(body, key, value)
	{
		size_t i = 0;
		while (i < count && strcmp(keys[i], key) != 0)
			i += 1;
		if (i == count)
			return false;
	}
	return true;
}

/* ---- FROM and the columns ---- */

static bool take_from(struct attempt *attempt, json_t *from)
{
	json_t *range = json_object_get(json_array_get(from, 0), "RangeVar");
	json_t *alias = json_object_get(range, "alias");
	const char *name = query_node_string(range, "relname");
	const struct query_plan *plan = attempt->rewrite->plan;
	if (json_array_size(from) != 1 || !name || strchr(name, '$') || json_object_get(alias, "colnames") ||
	    plan->scan_count != 1 || plan->tail.on)
		return false;
	attempt->qualifier = alias ? query_node_string(alias, "aliasname") : name;
	attempt->declared = plan->scans[0].columns;
	return true;
}

static size_t source_count(const struct attempt *attempt)
{
	return QUERY_DIRECT_DECLARED + (attempt->declared ? attempt->declared->count : 0);
}

static const char *source_name(const struct attempt *attempt, size_t source)
{
	return source < QUERY_DIRECT_DECLARED ? own[source].name
	                                      : attempt->declared->list[source - QUERY_DIRECT_DECLARED].name;
}

static uint32_t source_type(const struct attempt *attempt, size_t source)
{
	return source < QUERY_DIRECT_DECLARED ? own[source].type
	                                      : attempt->declared->list[source - QUERY_DIRECT_DECLARED].type;
}

/* The engine's names are the same in capitals: what could be two columns is none here. */
static bool find_source(const struct attempt *attempt, const char *name, size_t *ret_source)
{
	size_t alike = 0;
	bool found = false;
	for (size_t i = 0; i < source_count(attempt); i++) {
		alike += strcasecmp(source_name(attempt, i), name) == 0;
		if (strcmp(source_name(attempt, i), name) == 0) {
			*ret_source = i;
			found = true;
		}
	}
	return found && alike == 1;
}

/* The names of a reference without the topic's; NULL: something else. */
static json_t *own_name(const struct attempt *attempt, json_t *node)
{
	json_t *fields = json_object_get(json_object_get(node, "ColumnRef"), "fields");
	size_t count = json_array_size(fields);
	if (count == 2 && !is(query_node_name(fields, 0), attempt->qualifier))
		return NULL;
	return count == 1 || count == 2 ? json_array_get(fields, count - 1) : NULL;
}

static bool column_of(const struct attempt *attempt, json_t *node, size_t *ret_source)
{
	const char *name = query_node_string(json_object_get(own_name(attempt, node), "String"), "sval");
	return name && find_source(attempt, name, ret_source);
}

static bool add_column(struct attempt *attempt, size_t source, const char *name)
{
	struct query_direct_plan *direct = attempt->direct;
	if (direct->column_count == QUERY_DIRECT_COLUMNS_MAX)
		return false;
	direct->columns[direct->column_count++] = (struct query_direct_column){
		(unsigned)source, source_type(attempt, source), name ? name : source_name(attempt, source)};
	return true;
}

static bool add_star(struct attempt *attempt)
{
	size_t source;
	for (size_t i = 0; i < source_count(attempt); i++)
		if (i != QUERY_DIRECT_KEY_BYTES && i != QUERY_DIRECT_VALUE_BYTES &&
		    !(find_source(attempt, source_name(attempt, i), &source) && add_column(attempt, i, NULL)))
			return false;
	return true;
}

static bool take_targets(struct attempt *attempt, json_t *targets)
{
	static const char *const keys[] = {"name", "val", "location"};
	json_t *node;
	size_t i, source;
	json_array_foreach(targets, i, node)
	{
		json_t *target = json_object_get(node, "ResTarget"), *value = json_object_get(target, "val");
		const char *name = query_node_string(target, "name");
		if (!target || !has_only(target, keys, sizeof keys / sizeof *keys))
			return false;
		bool star = json_object_get(own_name(attempt, value), "A_Star");
		if (star ? !add_star(attempt)
		         : !column_of(attempt, value, &source) || !add_column(attempt, source, name))
			return false;
	}
	return attempt->direct->column_count > 0;
}

/* ---- conditions ---- */

/* A number as it is written, or a parameter that is, or will be, declared as an integer. */
static bool take_operand(struct attempt *attempt, json_t *node, uint32_t type)
{
	const struct query_plan_options *options = attempt->rewrite->options;
	json_t *constant = json_object_get(node, "A_Const"), *parameter = json_object_get(node, "ParamRef");
	if (constant)
		return json_object_get(constant, "ival") || json_object_get(constant, "fval");
	size_t number = (size_t)json_integer_value(json_object_get(parameter, "number"));
	if (number == 0 || number > QUERY_PARAMETERS_MAX)
		return false;
	uint32_t declared = number <= options->parameter_type_count ? options->parameter_types[number - 1] : 0;
	if (declared && declared != QUERY_TYPE_INT2 && declared != QUERY_TYPE_INT4 && declared != QUERY_TYPE_INT8)
		return false;
	uint32_t *known = &attempt->types[number - 1], wanted = declared ? declared : type;
	if (*known && *known != wanted)
		return false;
	*known = wanted;
	return true;
}

static bool take_comparison(struct attempt *attempt, json_t *expression)
{
	json_t *left = json_object_get(expression, "lexpr"), *right = json_object_get(expression, "rexpr");
	size_t source;
	bool forward = column_of(attempt, left, &source);
	if (!forward && !column_of(attempt, right, &source))
		return false;
	attempt->bounds += 1;
	return source <= QUERY_DIRECT_PARTITION && take_operand(attempt, forward ? right : left, own[source].type);
}

static bool take_between(struct attempt *attempt, json_t *expression)
{
	json_t *items = json_object_get(json_object_get(json_object_get(expression, "rexpr"), "List"), "items");
	size_t source;
	attempt->bounds += 2;
	return column_of(attempt, json_object_get(expression, "lexpr"), &source) && source <= QUERY_DIRECT_PARTITION &&
	       json_array_size(items) == 2 && take_operand(attempt, json_array_get(items, 0), own[source].type) &&
	       take_operand(attempt, json_array_get(items, 1), own[source].type);
}

static bool take_condition(struct attempt *attempt, json_t *node, unsigned depth)
{
	json_t *body, *part;
	size_t i;
	const char *kind = query_node_kind(node, &body), *sort = kind ? query_node_string(body, "kind") : NULL;
	if (is(kind, "BoolExpr") && is(query_node_string(body, "boolop"), "AND_EXPR") && depth < QUERY_NESTING_MAX) {
		json_array_foreach(json_object_get(body, "args"), i,
		                   part) if (!take_condition(attempt, part, depth + 1)) return false;
		return true;
	}
	if (!is(kind, "A_Expr"))
		return false;
	return is(sort, "AEXPR_OP")        ? take_comparison(attempt, body)
	       : is(sort, "AEXPR_BETWEEN") ? take_between(attempt, body)
	                                   : false;
}

/* ---- the rest ---- */

/* A name in ORDER BY is the result's first: it must not be another column's there. */
static bool is_renamed(const struct attempt *attempt, size_t source)
{
	for (size_t i = 0; i < attempt->direct->column_count; i++) {
		const struct query_direct_column *column = &attempt->direct->columns[i];
		if (column->source != source && strcasecmp(column->name, own[source].name) == 0)
			return true;
	}
	return false;
}

/* [partition,] "offset", both upwards: as they come, if there is only one partition. */
static bool take_order(struct attempt *attempt, json_t *sorts)
{
	size_t count = json_array_size(sorts), i, source = SIZE_MAX;
	json_t *node;
	if (count > 2)
		return false;
	json_array_foreach(sorts, i, node)
	{
		json_t *sort = json_object_get(node, "SortBy");
		const char *direction = query_node_string(sort, "sortby_dir");
		const char *nulls = query_node_string(sort, "sortby_nulls");
		if ((!is(direction, "SORTBY_DEFAULT") && !is(direction, "SORTBY_ASC")) ||
		    !is(nulls, "SORTBY_NULLS_DEFAULT") || !column_of(attempt, json_object_get(sort, "node"), &source) ||
		    source != (i + 1 == count ? QUERY_DIRECT_OFFSET : QUERY_DIRECT_PARTITION) ||
		    is_renamed(attempt, source))
			return false;
	}
	attempt->direct->ordered = count > 0;
	return true;
}

static bool take_limit(struct attempt *attempt, json_t *body)
{
	const char *option = query_node_string(body, "limitOption");
	attempt->direct->limit = json_object_get(body, "limitCount");
	if (!is(option, "LIMIT_OPTION_DEFAULT") && !is(option, "LIMIT_OPTION_COUNT"))
		return false;
	return !attempt->direct->limit || take_operand(attempt, attempt->direct->limit, QUERY_TYPE_INT8);
}

/* Every parameter has a place, and so a type. */
static bool take_parameters(const struct attempt *attempt)
{
	for (size_t i = 0; i < attempt->rewrite->plan->parameter_count; i++)
		if (attempt->types[i] == 0)
			return false;
	return true;
}

static bool try(struct attempt *attempt, json_t *body)
{
	static const char *const keys[] = {"targetList", "fromClause",  "whereClause", "sortClause",
	                                   "limitCount", "limitOption", "op"};
	const struct query_plan *plan = attempt->rewrite->plan;
	json_t *where = json_object_get(body, "whereClause");
	return has_only(body, keys, sizeof keys / sizeof *keys) && is(query_node_string(body, "op"), "SETOP_NONE") &&
	       take_from(attempt, json_object_get(body, "fromClause")) &&
	       take_targets(attempt, json_object_get(body, "targetList")) &&
	       (!where || take_condition(attempt, where, 0)) && attempt->bounds == plan->bound_count &&
	       take_order(attempt, json_object_get(body, "sortClause")) && take_limit(attempt, body) &&
	       take_parameters(attempt);
}

void query_plan_direct(struct query_rewrite *rewrite, json_t *body)
{
	struct attempt attempt = {.rewrite = rewrite, .direct = calloc(1, sizeof *attempt.direct)};
	struct query_plan *plan = rewrite->plan;
	if (!attempt.direct || !try(&attempt, body)) {
		free(attempt.direct);
		return;
	}
	plan->direct = attempt.direct;
	for (size_t i = 0; i < plan->parameter_count; i++)
		plan->hints[i] = attempt.types[i];
}
