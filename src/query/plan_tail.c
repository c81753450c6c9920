/* TAIL(topic) in FROM: a query that goes on with what is appended.
 *
 * It is run again and again over the new rows, so it may do what looks at each row for itself, and joins with what is there
 * then: what needs all rows (aggregates, ORDER BY, DISTINCT, UNION) is refused. LIMIT counts over all rounds. Runs on a
 * query's thread.
 */
#include "column/field.h"
#include "query/plan_priv.h"

#include <stdio.h>
#include <string.h>

/* The parser takes no argument called "from": parse.c gives it this name. */
#define FROM_ARGUMENT "fr0m"

static pyr_result fail(struct query_rewrite *rewrite, const char *what)
{
	pyr_result result = query_fail(rewrite->error, "0A000", "TAIL never ends: %s", what);
	snprintf(rewrite->error->hint, sizeof rewrite->error->hint,
	         "Filter, compute and join in the query over TAIL; leave the rest to whoever reads it, or query the "
	         "topic "
	         "itself.");
	return result;
}

static const char *text_of(json_t *node)
{
	json_t *cast = json_object_get(node, "TypeCast");
	json_t *constant = json_object_get(cast ? json_object_get(cast, "arg") : node, "A_Const");
	return query_node_string(json_object_get(constant, "sval"), "sval");
}

static pyr_result take_start(struct query_rewrite *rewrite, json_t *argument)
{
	struct query_plan *plan = rewrite->plan;
	json_t *named = json_object_get(argument, "NamedArgExpr");
	const char *text = text_of(json_object_get(named, "arg"));
	if (!is(query_node_string(named, "name"), FROM_ARGUMENT) || !text)
		return query_fail(rewrite->error, "42601",
		                  "TAIL(topic) or TAIL(topic, from => 'earliest'): from is 'latest', 'earliest' or a "
		                  "timestamp in quotes");
	plan->tail.earliest = is(text, "earliest");
	if (plan->tail.earliest || is(text, "latest"))
		return pyr_ok();
	/* A time is one more bound of the scan. */
	int64_t us;
	if (!column_time_parse(text, strlen(text), COLUMN_TYPE_TIMESTAMPTZ, &us))
		return query_fail(rewrite->error, "22007",
		                  "invalid input syntax for type timestamp with time zone: \"%.100s\"", text);
	plan->tail.earliest = true;
	if (plan->bound_count < QUERY_BOUNDS_MAX)
		plan->bounds[plan->bound_count++] = (struct query_bound){
			.scan = plan->scan_count,
			.column = QUERY_BOUND_TIMESTAMP,
			.lower = true,
			.operand = json_object_get(named, "arg"),
		};
	return pyr_ok();
}

/* The topic's name: TAIL(flights), TAIL(public.flights), TAIL('user-events'). */
static const char *topic_of(json_t *argument)
{
	json_t *fields = json_object_get(json_object_get(argument, "ColumnRef"), "fields");
	size_t count = json_array_size(fields);
	if (count == 1 || (count == 2 && is(query_node_name(fields, 0), "public")))
		return query_node_name(fields, count - 1);
	return text_of(argument);
}

bool query_is_tail(json_t *function)
{
	json_t *names = json_object_get(function, "funcname");
	return json_array_size(names) == 1 && is(query_node_name(names, 0), "tail");
}

pyr_result query_plan_tail(struct query_rewrite *rewrite, json_t *range, json_t *function)
{
	struct query_plan *plan = rewrite->plan;
	json_t *arguments = json_object_get(function, "args");
	const char *name = topic_of(json_array_get(arguments, 0));
	if (!name || json_array_size(arguments) > 2 || json_is_true(json_object_get(range, "ordinality")))
		return query_fail(rewrite->error, "42601", "TAIL takes a topic: TAIL(flights, from => 'earliest')");
	if (plan->tail.on || (rewrite->scope && rewrite->scope->outer))
		return fail(rewrite, "it stands once, in the FROM of the query itself");
	if (json_array_size(arguments) == 2)
		PYR_TRY(take_start(rewrite, json_array_get(arguments, 1)));
	plan->tail.on = true;
	plan->tail.scan = plan->scan_count;
	plan->tail.rows_max = UINT64_MAX;
	return query_rewrite_tail(rewrite, range, function, name);
}

/* ---- what the query around it may do ---- */

static bool is_aggregate(const char *name)
{
	static const char *const names[] = {"count",
	                                    "sum",
	                                    "avg",
	                                    "min",
	                                    "max",
	                                    "string_agg",
	                                    "array_agg",
	                                    "json_agg",
	                                    "jsonb_agg",
	                                    "bool_and",
	                                    "bool_or",
	                                    "every",
	                                    "stddev",
	                                    "stddev_pop",
	                                    "stddev_samp",
	                                    "variance",
	                                    "var_pop",
	                                    "var_samp",
	                                    "bit_and",
	                                    "bit_or",
	                                    "bit_xor",
	                                    "corr",
	                                    "covar_pop",
	                                    "covar_samp",
	                                    "mode",
	                                    "median",
	                                    "quantile",
	                                    "first",
	                                    "last",
	                                    "any_value",
	                                    "arg_max",
	                                    "arg_min",
	                                    "list",
	                                    "histogram",
	                                    "product",
	                                    "approx_count_distinct",
	                                    "percentile_cont",
	                                    "percentile_disc",
	                                    "json_object_agg",
	                                    "jsonb_object_agg",
	                                    "regr_slope",
	                                    "regr_intercept"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (is(name, names[i]))
			return true;
	return false;
}

/* Subqueries see all of what they read, each round anew: their aggregates are their own. */
bool query_needs_all_rows(json_t *node)
{
	const char *key;
	json_t *value;
	size_t i;
	if (json_is_array(node)) {
		json_array_foreach(node, i, value) if (query_needs_all_rows(value)) return true;
		return false;
	}
	json_object_foreach(node, key, value)
	{
		if (strcmp(key, "SubLink") == 0)
			continue;
		json_t *names = strcmp(key, "FuncCall") == 0 ? json_object_get(value, "funcname") : NULL;
		if (names && (json_object_get(value, "over") || json_is_true(json_object_get(value, "agg_star")) ||
		              is_aggregate(query_node_name(names, json_array_size(names) - 1))))
			return true;
		if (query_needs_all_rows(value))
			return true;
	}
	return false;
}

static pyr_result take_limit(struct query_rewrite *rewrite, json_t *limit)
{
	json_t *constant = json_object_get(limit, "A_Const"), *number = json_object_get(constant, "ival");
	if (!limit || json_object_get(constant, "isnull"))
		return pyr_ok();
	if (!number)
		return fail(rewrite, "its LIMIT is a number that is written down");
	int64_t rows = (int64_t)json_integer_value(json_object_get(number, "ival"));
	rewrite->plan->tail.rows_max = rows > 0 ? (uint64_t)rows : 0;
	return pyr_ok();
}

pyr_result query_plan_tail_check(struct query_rewrite *rewrite, json_t *body)
{
	static const char *const clauses[][2] = {{"groupClause", "no GROUP BY"},
	                                         {"havingClause", "no HAVING"},
	                                         {"distinctClause", "no DISTINCT"},
	                                         {"sortClause", "no ORDER BY"},
	                                         {"windowClause", "no WINDOW"},
	                                         {"limitOffset", "no OFFSET"},
	                                         {"larg", "no UNION"}};
	if (!rewrite->plan->tail.on)
		return pyr_ok();
	for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++)
		if (json_object_get(body, clauses[i][0]))
			return fail(rewrite, clauses[i][1]);
	if (query_needs_all_rows(json_object_get(body, "targetList")))
		return fail(rewrite, "no aggregates and no window functions");
	return take_limit(rewrite, json_object_get(body, "limitCount"));
}
