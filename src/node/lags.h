/* How far consumer groups are behind, for /metrics: a row for each partition that a group has committed an offset for, at most
 * NODE_LAGS_MAX of them, read shard by shard as the metrics are (SQL has pyralog.consumer_groups: see node/groups.h).
 * The lag in time is the age of the first record that is not committed, by its time stamp; it takes reads, so a thread of its own
 * finds it, for what has changed since the last reading.
 *
 * Owner: one reading, from loop to loop. */
#ifndef PYRALOG_NODE_LAGS_H
#define PYRALOG_NODE_LAGS_H

#include "node/metrics.h"

enum { NODE_LAGS_MAX = 2000 };

struct node_lag {
	char group[CATALOG_NAME_MAX + 1], topic[CATALOG_NAME_MAX + 1];
	int32_t index; /* of the partition in its topic */
	uint32_t partition; /* the log's */
	int64_t committed;
	int64_t lag; /* records; -1: not known */
	int64_t log_start;
	int64_t lag_ms; /* 0: nothing is left to consume; -1: not known */
};

struct node_lags {
	struct node_lag *rows;
	size_t count, capacity;
	int64_t now_ms; /* of the reading */
	uint64_t omitted; /* offsets that there was no room for, or whose group has a name that can't be told */
};

/* Zeroed before. On shard 0's loop: the rows. What there is no memory for is omitted. */
void node_lags_begin(const struct node *node, struct node_lags *lags);
/* On the shard's loop, shard 0 included: the lags of its partitions. */
void node_lags_read_shard(const struct node *node, size_t shard, struct node_lags *lags);
/* On a thread that may read, one reading at a time. `ages` is what readings before have found. */
struct query_source;
struct node_lag_ages;
void node_lags_find_ages(struct node_lags *lags, struct query_source *source, struct node_lag_ages *ages);
void node_lags_deinit(struct node_lags *lags);

/* NULL: memory is out. */
struct node_lag_ages *node_lag_ages_new(void);
void node_lag_ages_free(struct node_lag_ages *ages); /* NULL is fine */

/* The names that they are told by: the lags, with labels, and what was omitted. No values are read through it. */
enum { NODE_LAG_RECORDS, NODE_LAG_SECONDS, NODE_LAGS_OMITTED };
extern const struct node_metric_table node_lag_metrics;

#endif
