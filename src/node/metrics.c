/* Metrics (see metrics.h): one table gives names and meaning; each shard's loop copies its own. Owner: a query's thread, but for
 * what is asked on the loops. */
#include "node/metrics.h"

#include "node/ask.h"

#include <stdlib.h>

#define METRICS(X)                                                                                                     \
	X(groups, "groups of appends committed")                                                                       \
	X(batches, "record batches appended")                                                                          \
	X(bytes, "bytes of batches appended")                                                                          \
	X(ring_bytes, "bytes written to the ring, padding included")                                                   \
	X(extent_bytes, "bytes of large runs written straight to segment files")                                       \
	X(spares_taken, "used files written again as extents")                                                         \
	X(sealed_bytes, "bytes written to segments by sealing, merging and compaction")                                \
	X(checkpoints, "checkpoints made")                                                                             \
	X(compactions, "rounds of compaction that ended well")                                                         \
	X(pending_bytes, "bytes appended and not yet durable: beyond the limit appends are refused")                   \
	X(held_groups, "groups that waited because sealing lagged behind")                                             \
	X(cached_bytes, "bytes in the tail cache")                                                                     \
	X(read_cache_bytes, "bytes of verified batches that cold reads brought in")                                    \
	X(cold_reads, "reads that went to a file")                                                                     \
	X(scrubbed_bytes, "bytes read again to verify them")                                                           \
	X(corrupt_reads, "reads of bytes that failed their checksum")                                                  \
	X(ring_files, "files of the ring")                                                                             \
	X(segment_files, "segment files")                                                                              \
	X(partitions, "partitions")                                                                                    \
	X(stopped, "1: the log met an error of the disk and takes nothing more")

#define X(field, text) +1
enum { METRIC_COUNT = 0 METRICS(X) };
#undef X

struct metrics_call {
	const struct node *node;
	struct query_metric *metrics; /* METRIC_COUNT for each shard */
};

static void on_shard(void *context, size_t shard)
{
	struct metrics_call *call = context;
	struct log_metrics now = log_metrics_get(node_log(call->node, shard));
	struct query_metric *next = call->metrics + shard * METRIC_COUNT;
#define X(field, text) *next++ = (struct query_metric){#field, (int64_t)shard, (int64_t)now.field, text};
	METRICS(X)
#undef X
}

pyr_result node_metrics_list(const struct node *node, const struct catalog_principal *principal,
                             struct query_metric **ret_metrics, size_t *ret_count, struct pyr_error *error)
{
	size_t count = node_shard_count(node) * METRIC_COUNT;
	struct metrics_call call = {.node = node, .metrics = calloc(count, sizeof *call.metrics)};
	pyr_result allowed = catalog_authorize(node_catalog(node, 0), principal, CATALOG_DESCRIBE, NULL);
	if (allowed.code != PYR_OK || !call.metrics) {
		free(call.metrics);
		return pyr_fail(error, allowed.code != PYR_OK ? allowed.code : PYR_OUT_OF_MEMORY,
		                "metrics can't be told: %s",
		                pyr_code_text(allowed.code != PYR_OK ? allowed.code : PYR_OUT_OF_MEMORY));
	}
	node_ask(node, node_shard_count(node), on_shard, &call);
	*ret_metrics = call.metrics;
	*ret_count = count;
	return pyr_ok();
}
