/* Reading the metrics of all parts (see metrics.h).
 *
 * All values of the node are one array: source by source, in each shard by shard, in the table's order. Owner: whoever
 * asks, but for what is read on the loops. */
#include "node/metrics.h"

#include "node/ask.h"
#include "node/node_priv.h"

#include <assert.h>
#include <stdlib.h>

void node_metrics_add(struct node *node, struct node_metric_source source)
{
	assert(node->metric_source_count < NODE_METRIC_SOURCES_MAX);
	node->metric_sources[node->metric_source_count++] = source;
}

static size_t shards_of(const struct node *node, const struct node_metric_table *table)
{
	return table->scope == NODE_EACH_SHARD ? node->shard_count : 1;
}

size_t node_metrics_count(const struct node *node)
{
	size_t count = 0;
	for (size_t i = 0; i < node->metric_source_count; i++) {
		const struct node_metric_table *table = node->metric_sources[i].table;
		count += table->count * shards_of(node, table);
	}
	return count;
}

void node_metrics_read_shard(const struct node *node, size_t shard, int64_t *values)
{
	for (size_t i = 0; i < node->metric_source_count; i++) {
		const struct node_metric_source *source = &node->metric_sources[i];
		if (source->table->scope == NODE_EACH_SHARD)
			source->read(source->context, shard, values + shard * source->table->count);
		else if (source->table->scope == NODE_FIRST_SHARD && shard == 0)
			source->read(source->context, shard, values);
		values += source->table->count * shards_of(node, source->table);
	}
}

void node_metrics_read_rest(const struct node *node, int64_t *values)
{
	for (size_t i = 0; i < node->metric_source_count; i++) {
		const struct node_metric_source *source = &node->metric_sources[i];
		if (source->table->scope == NODE_ANY_THREAD)
			source->read(source->context, 0, values);
		values += source->table->count * shards_of(node, source->table);
	}
}

void node_metrics_each(const struct node *node, const int64_t *values,
                       void (*visit)(void *context, const struct node_metric *metric, int64_t shard, int64_t value),
                       void *context)
{
	for (size_t i = 0; i < node->metric_source_count; i++) {
		const struct node_metric_table *table = node->metric_sources[i].table;
		size_t shards = shards_of(node, table);
		for (size_t k = 0; k < table->count; k++)
			for (size_t shard = 0; shard < shards; shard++)
				visit(context, &table->metrics[k],
				      table->scope == NODE_EACH_SHARD ? (int64_t)shard : -1,
				      values[shard * table->count + k]);
		values += table->count * shards;
	}
}

/* ---- for SQL ---- */

struct metrics_call {
	const struct node *node;
	int64_t *values;
	struct query_metric *next;
};

static void on_shard(void *context, size_t shard)
{
	struct metrics_call *call = context;
	node_metrics_read_shard(call->node, shard, call->values);
}

static void write_row(void *context, const struct node_metric *metric, int64_t shard, int64_t value)
{
	struct metrics_call *call = context;
	*call->next++ = (struct query_metric){metric->name, shard, value / metric->parts, metric->text};
}

pyr_result node_metrics_list(const struct node *node, const struct catalog_principal *principal,
                             struct query_metric **ret_metrics, size_t *ret_count, struct pyr_error *error)
{
	size_t count = node_metrics_count(node);
	pyr_result allowed = catalog_authorize(node_catalog(node, 0), principal, CATALOG_DESCRIBE, NULL);
	if (allowed.code != PYR_OK)
		return pyr_fail(error, allowed.code, "metrics can't be told: %s", pyr_code_text(allowed.code));
	struct metrics_call call = {.node = node, .values = calloc(count, sizeof *call.values)};
	struct query_metric *metrics = calloc(count, sizeof *metrics);
	if (!call.values || !metrics) {
		free(call.values);
		free(metrics);
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	}
	node_ask(node, node->shard_count, on_shard, &call);
	node_metrics_read_rest(node, call.values);
	call.next = metrics;
	node_metrics_each(node, call.values, write_row, &call);
	free(call.values);
	*ret_metrics = metrics;
	*ret_count = count;
	return pyr_ok();
}
