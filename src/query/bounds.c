/* Bounds from the parse tree: the engine can't push filters into a table function, so we read them ourselves.
 *
 * Only conditions that every row of the result must meet count: the top-level AND of the WHERE of the block that names
 * the topic. Each is strict, a row for which its column is null fails it, so it may prune a topic on either side of an
 * outer join too. A bound may be too wide, never too narrow, for the engine filters again; what is not understood is
 * left to it.
 */
#include "query/plan_priv.h"

#include <string.h>

struct gather {
	struct query_plan *plan;
	const struct query_item *items;
	size_t item_count;
};

static bool column_named(const char *name, enum query_bound_column *ret_column)
{
	static const char *const names[] = {"offset", "partition", "timestamp"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(names[i], name) == 0) {
			*ret_column = (enum query_bound_column)i;
			return true;
		}
	}
	return false;
}

/* The one item that a qualifier names; NULL: none, or more than one. */
static const struct query_item *find_item(const struct gather *gather, const char *qualifier)
{
	const struct query_item *found = NULL;
	if (!qualifier)
		return gather->item_count == 1 ? gather->items : NULL;
	for (size_t i = 0; i < gather->item_count; i++) {
		if (gather->items[i].name && strcmp(gather->items[i].name, qualifier) == 0) {
			if (found)
				return NULL;
			found = &gather->items[i];
		}
	}
	return found;
}

static bool column_of(const struct gather *gather, json_t *node, struct query_bound *ret_bound)
{
	json_t *fields = json_object_get(json_object_get(node, "ColumnRef"), "fields");
	size_t count = json_array_size(fields);
	const char *name = count > 0 && count <= 2 ? query_node_name(fields, count - 1) : NULL;
	if (!name || !column_named(name, &ret_bound->column))
		return false;
	const struct query_item *item = find_item(gather, count == 2 ? query_node_name(fields, 0) : NULL);
	if (!item || item->scan == SIZE_MAX || item->renamed)
		return false;
	ret_bound->scan = item->scan;
	return true;
}

static void add(struct query_plan *plan, struct query_bound bound)
{
	if (plan->bound_count < QUERY_BOUNDS_MAX && (bound.lower || bound.upper) && bound.operand)
		plan->bounds[plan->bound_count++] = bound;
}

static void take_comparison(const struct gather *gather, json_t *expression)
{
	struct query_bound bound = {0};
	const char *name = query_node_name(json_object_get(expression, "name"), 0);
	json_t *left = json_object_get(expression, "lexpr"), *right = json_object_get(expression, "rexpr");
	if (!name || json_array_size(json_object_get(expression, "name")) != 1)
		return;
	bool less = strcmp(name, "<") == 0 || strcmp(name, "<=") == 0;
	bool more = strcmp(name, ">") == 0 || strcmp(name, ">=") == 0;
	bool equal = strcmp(name, "=") == 0;
	if (column_of(gather, left, &bound)) {
		bound.operand = right;
	} else if (column_of(gather, right, &bound)) {
		bound.operand = left;
		bool swapped = less;
		less = more;
		more = swapped;
	}
	bound.lower = more || equal;
	bound.upper = less || equal;
	bound.strict = name[1] == 0 && !equal;
	add(gather->plan, bound);
}

static void take_between(const struct gather *gather, json_t *expression)
{
	struct query_bound bound = {0};
	json_t *items = json_object_get(json_object_get(json_object_get(expression, "rexpr"), "List"), "items");
	if (!column_of(gather, json_object_get(expression, "lexpr"), &bound) || json_array_size(items) != 2)
		return;
	struct query_bound upper = bound;
	bound.lower = true;
	bound.operand = json_array_get(items, 0);
	add(gather->plan, bound);
	upper.upper = true;
	upper.operand = json_array_get(items, 1);
	add(gather->plan, upper);
}

static void take_in(const struct gather *gather, json_t *expression)
{
	struct query_bound bound = {.lower = true, .upper = true};
	const char *name = query_node_name(json_object_get(expression, "name"), 0);
	bound.operand = json_object_get(expression, "rexpr");
	if (name && strcmp(name, "=") == 0 && column_of(gather, json_object_get(expression, "lexpr"), &bound))
		add(gather->plan, bound);
}

static void take_condition(const struct gather *gather, json_t *node)
{
	json_t *body, *part;
	size_t i;
	const char *kind = query_node_kind(node, &body);
	if (!kind)
		return;
	if (strcmp(kind, "BoolExpr") == 0) {
		const char *operation = query_node_string(body, "boolop");
		if (operation && strcmp(operation, "AND_EXPR") == 0)
			json_array_foreach(json_object_get(body, "args"), i, part) take_condition(gather, part);
		return;
	}
	const char *sort = strcmp(kind, "A_Expr") == 0 ? query_node_string(body, "kind") : NULL;
	if (!sort)
		return;
	if (strcmp(sort, "AEXPR_OP") == 0)
		take_comparison(gather, body);
	else if (strcmp(sort, "AEXPR_BETWEEN") == 0)
		take_between(gather, body);
	else if (strcmp(sort, "AEXPR_IN") == 0)
		take_in(gather, body);
}

void query_bounds_collect(struct query_plan *plan, json_t *where, const struct query_item *items, size_t item_count)
{
	struct gather gather = {plan, items, item_count};
	take_condition(&gather, where);
}
