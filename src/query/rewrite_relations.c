/* Relations in FROM: topics become calls of the engine's table function pyralog_scan(topic, scan, handle, bytes), the system's are
 * looked up in theirs.
 *
 * Failure modes: a name that is none is told with what it may be (42P01). Runs on a query's thread: looking a topic up may block.
 */
#include "query/fields.h"
#include "query/plan_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_with_name(const struct query_rewrite *rewrite, const char *name)
{
	for (size_t i = 0; i < rewrite->name_count; i++)
		if (strcmp(rewrite->names[i], name) == 0)
			return true;
	return false;
}

/* Replaces the relation's name, schema and all, keeping an alias that follows. */
static void replace_relation(struct query_rewrite *rewrite, json_t *body, const char *call)
{
	char quoted[300];
	size_t first = query_token_of(rewrite, body), last = first;
	while (query_is_mark(rewrite, last + 1, '.'))
		last += 2;
	if (last >= rewrite->parse->token_count)
		return;
	size_t at = rewrite->parse->tokens[first].at;
	bool has_alias = json_object_get(body, "alias") != NULL;
	const char *name = query_quote_name(query_node_string(body, "relname"), quoted, sizeof quoted);
	query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at, query_token_end(rewrite, last) - at, "%s%s%s", call,
	               has_alias ? "" : " AS ", has_alias ? "" : name);
}

pyr_result query_plan_columns(struct query_rewrite *rewrite, const char *topic, struct query_scan *scan,
                              char **ret_literal)
{
	struct query_source *source = rewrite->options->source;
	struct pyr_error below = {0};
	if (source->ops->topic_columns(source, rewrite->options->principal, topic, &scan->columns, &below).code !=
	    PYR_OK)
		return query_fail_below(rewrite->error, &below);
	*ret_literal = query_fields_literal(scan->columns);
	return *ret_literal ? pyr_ok() : query_fail_memory(rewrite->error);
}

/* A scan more, and its call, for the caller to free(). `errors`: not the topic's rows, but what is wrong with them. */
static pyr_result new_scan(struct query_rewrite *rewrite, const struct query_topic *topic, bool errors, char **ret_call)
{
	struct query_plan *plan = rewrite->plan;
	unsigned long long handle = (unsigned long long)rewrite->options->handle;
	char *fields = NULL;
	if (plan->scan_count == QUERY_TOPICS_MAX)
		return query_fail(rewrite->error, "54000", "the statement names more than %d topics", QUERY_TOPICS_MAX);
	struct query_scan *scan = &plan->scans[plan->scan_count++];
	memcpy(scan->topic, topic->name, sizeof topic->name);
	if (topic->column_count > 0)
		PYR_TRY(query_plan_columns(rewrite, topic->name, scan, &fields));
	const char *literal = fields ? fields : "'[]'", *bytes = rewrite->bytes_wanted ? "true, " : "false, ";
	int written = asprintf(ret_call, "%s('%s', %zu, %llu, %s%s)", errors ? "pyralog_errors" : "pyralog_scan",
	                       topic->name, plan->scan_count - 1, handle, errors ? "" : bytes, literal);
	free(fields);
	return written < 0 ? query_fail_memory(rewrite->error) : pyr_ok();
}

static pyr_result add_scan(struct query_rewrite *rewrite, json_t *body, const struct query_topic *topic, bool errors)
{
	char *call = NULL;
	PYR_TRY(new_scan(rewrite, topic, errors, &call));
	replace_relation(rewrite, body, call);
	free(call);
	return pyr_ok();
}

pyr_result query_rewrite_tail(struct query_rewrite *rewrite, json_t *range, json_t *function, const char *name)
{
	struct query_source *source = rewrite->options->source;
	struct query_topic topic;
	struct pyr_error below = {0};
	char quoted[300], *call = NULL;
	size_t first = query_token_of(rewrite, function);
	pyr_result found = source->ops->topic_find(source, rewrite->options->principal, name, &topic, &below);
	if (found.code == PYR_UNKNOWN_PARTITION)
		return query_fail_at(rewrite, function, query_fail_unknown(rewrite, NULL, name));
	if (found.code != PYR_OK)
		return query_fail_below(rewrite->error, &below);
	PYR_TRY(new_scan(rewrite, &topic, false, &call));
	size_t end = query_bracket_end(rewrite->parse, first + 1);
	if (end == 0 || end > rewrite->parse->token_count) {
		free(call);
		return query_fail(rewrite->error, "42601", "syntax error at end of input");
	}
	size_t at = rewrite->parse->tokens[first].at;
	bool has_alias = json_object_get(range, "alias") != NULL;
	query_edit_add(&rewrite->edits, QUERY_EDIT_REPLACE, at, query_token_end(rewrite, end - 1) - at, "%s%s%s", call,
	               has_alias ? "" : " AS ", has_alias ? "" : query_quote_name(topic.name, quoted, sizeof quoted));
	free(call);
	return pyr_ok();
}

/* topic$errors: the topic's name, in `room`. */
static bool is_errors_view(const char *name, char room[CATALOG_NAME_MAX + 1])
{
	static const char suffix[] = "$errors";
	size_t bytes = strlen(name), less = sizeof suffix - 1;
	if (bytes <= less || bytes - less > CATALOG_NAME_MAX || strcmp(name + bytes - less, suffix) != 0)
		return false;
	memcpy(room, name, bytes - less);
	room[bytes - less] = 0;
	return true;
}

pyr_result query_fail_unknown(struct query_rewrite *rewrite, const char *schema, const char *name)
{
	pyr_result result = query_fail(rewrite->error, "42P01", "relation \"%s%s%s\" does not exist",
	                               schema ? schema : "", schema ? "." : "", name);
	snprintf(rewrite->error->hint, sizeof rewrite->error->hint,
	         "Every topic is a table: create it, or look at the names in information_schema.tables.");
	return result;
}

static pyr_result resolve_relation(struct query_rewrite *rewrite, json_t *body)
{
	const char *schema = query_node_string(body, "schemaname"), *name = query_node_string(body, "relname");
	struct query_topic topic;
	struct pyr_error below = {0};
	char watched[CATALOG_NAME_MAX + 1];
	const struct query_plan_options *options = rewrite->options;
	if (query_node_string(body, "catalogname"))
		return query_fail(rewrite->error, "0A000",
		                  "cross-database references are not supported: name only the table");
	if (!schema && is_with_name(rewrite, name))
		return pyr_ok();
	if (!schema || is(schema, "public")) {
		bool errors = is_errors_view(name, watched);
		pyr_result found = options->source->ops->topic_find(options->source, options->principal,
		                                                    errors ? watched : name, &topic, &below);
		if (found.code == PYR_OK)
			return add_scan(rewrite, body, &topic, errors);
		if (found.code != PYR_UNKNOWN_PARTITION)
			return query_fail_below(rewrite->error, &below);
	}
	char view[QUERY_VIEW_BYTES];
	if (!query_system_relation(schema, name, options->handle, view, sizeof view))
		return query_fail_unknown(rewrite, schema, name);
	if (view[0])
		replace_relation(rewrite, body, view);
	return pyr_ok();
}

pyr_result query_rewrite_relation(struct query_rewrite *rewrite, json_t *body)
{
	return query_fail_at(rewrite, body, resolve_relation(rewrite, body));
}
