/* The table function pyralog_metrics(handle): what the node counts, the rows of pyralog.metrics. */
#include "query/engine_listing.h"

static const struct query_listing_column columns[] = {
	{"name", DUCKDB_TYPE_VARCHAR},
	{"shard", DUCKDB_TYPE_BIGINT},
	{"value", DUCKDB_TYPE_BIGINT},
	{"description", DUCKDB_TYPE_VARCHAR},
};

static pyr_result load(const struct query_run *run, void **ret_rows, size_t *ret_count, struct pyr_error *error)
{
	struct query_metric *metrics = NULL;
	if (!run->source->ops->metric_list)
		return pyr_ok();
	PYR_TRY(run->source->ops->metric_list(run->source, run->principal, &metrics, ret_count, error));
	*ret_rows = metrics;
	return pyr_ok();
}

static void fill(duckdb_data_chunk chunk, idx_t at, const void *row)
{
	const struct query_metric *metric = row;
	query_listing_set_text(chunk, 0, at, metric->name);
	query_listing_set_number(chunk, 1, at, metric->shard);
	query_listing_set_number(chunk, 2, at, metric->value);
	query_listing_set_text(chunk, 3, at, metric->text);
}

const struct query_listing query_listing_metrics = {
	.function = "pyralog_metrics",
	.columns = columns,
	.column_count = sizeof columns / sizeof *columns,
	.row_bytes = sizeof(struct query_metric),
	.load = load,
	.fill = fill,
};
