/* The table function pyralog_groups(handle): consumer groups and their lag, the rows of pyralog.consumer_groups. */
#include "query/engine_listing.h"

static const struct query_listing_column columns[] = {
	{"group_id", DUCKDB_TYPE_VARCHAR},  {"topic", DUCKDB_TYPE_VARCHAR},
	{"partition", DUCKDB_TYPE_BIGINT},  {"committed_offset", DUCKDB_TYPE_BIGINT},
	{"end_offset", DUCKDB_TYPE_BIGINT}, {"lag", DUCKDB_TYPE_BIGINT},
	{"lag_ms", DUCKDB_TYPE_BIGINT},     {"member_id", DUCKDB_TYPE_VARCHAR},
	{"client_id", DUCKDB_TYPE_VARCHAR}, {"state", DUCKDB_TYPE_VARCHAR},
	{"protocol", DUCKDB_TYPE_VARCHAR},
};

/* A source without groups has none. */
static pyr_result load(const struct query_run *run, void **ret_rows, size_t *ret_count, struct pyr_error *error)
{
	struct query_group *groups = NULL;
	if (!run->source->ops->group_list)
		return pyr_ok();
	PYR_TRY(run->source->ops->group_list(run->source, run->principal, &groups, ret_count, error));
	*ret_rows = groups;
	return pyr_ok();
}

static int64_t lag_of(const struct query_group *group)
{
	return group->committed >= 0 && group->end >= group->committed ? group->end - group->committed : -1;
}

static void fill(duckdb_data_chunk chunk, idx_t at, const void *row)
{
	const struct query_group *group = row;
	idx_t column = 0;
	query_listing_set_text(chunk, column++, at, group->group);
	query_listing_set_text(chunk, column++, at, group->topic);
	query_listing_set_number(chunk, column++, at, group->partition);
	query_listing_set_number(chunk, column++, at, group->committed);
	query_listing_set_number(chunk, column++, at, group->end);
	query_listing_set_number(chunk, column++, at, lag_of(group));
	query_listing_set_number(chunk, column++, at, group->lag_ms);
	query_listing_set_text(chunk, column++, at, group->member);
	query_listing_set_text(chunk, column++, at, group->client);
	query_listing_set_text(chunk, column++, at, group->state);
	query_listing_set_text(chunk, column++, at, group->protocol);
}

const struct query_listing query_listing_groups = {
	.function = "pyralog_groups",
	.columns = columns,
	.column_count = sizeof columns / sizeof *columns,
	.row_bytes = sizeof(struct query_group),
	.load = load,
	.fill = fill,
};
