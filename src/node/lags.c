/* Lags of consumer groups (see lags.h). A name that is no UTF-8, or too long, would not be told whole, and two of them could
 * become one: it is omitted. */
#include "node/lags.h"

#include "base/array.h"
#include "base/json_text.h"
#include "group/list.h"

#include <stdlib.h>
#include <string.h>

static const struct node_metric rows[] = {
	[NODE_LAG_RECORDS] = {"pyralog_group_lag_records", NODE_GAUGE, 1,
                              "records of a partition that a group has not committed yet"},
	[NODE_LAG_SECONDS] = {"pyralog_group_lag_seconds", NODE_GAUGE, 1000,
                              "age, by its time stamp, of the first record of a partition that a group has not "
                              "committed; 0 when there is none"},
	[NODE_LAGS_OMITTED] = {"pyralog_group_lags_omitted", NODE_GAUGE, 1,
                               "committed offsets whose lag is not among these"},
};

const struct node_metric_table node_lag_metrics = {"Consumer groups' lag", NODE_EACH_OFFSET, rows,
                                                   sizeof rows / sizeof *rows};

struct listing {
	const struct catalog *catalog;
	struct node_lags *lags;
	uint64_t visited;
};

static bool is_tellable(const char *name)
{
	while (*name) {
		size_t bytes = base_utf8_bytes(name);
		if (bytes == 0)
			return false;
		name += bytes;
	}
	return true;
}

/* False: it does not fit, or ends early. */
static bool keep(char text[CATALOG_NAME_MAX + 1], struct base_bytes bytes)
{
	if (bytes.bytes > CATALOG_NAME_MAX || (bytes.bytes > 0 && memchr(bytes.data, 0, bytes.bytes)))
		return false;
	if (bytes.bytes > 0)
		memcpy(text, bytes.data, bytes.bytes);
	text[bytes.bytes] = '\0';
	return true;
}

/* Of a topic that is gone, or that may not be seen, nothing is told. */
static uint32_t find_partition(const struct catalog *catalog, const struct group_committed *committed)
{
	static const struct catalog_principal anonymous = {"anonymous"};
	const struct catalog_topic *topic =
		catalog_topic_find(catalog, (const char *)committed->topic.data, committed->topic.bytes);
	if (!topic || catalog_authorize(catalog, &anonymous, CATALOG_DESCRIBE, topic->name).code != PYR_OK)
		return 0;
	return catalog_topic_partition(topic, committed->partition);
}

static bool on_offset(void *context, const struct group_committed *committed)
{
	struct listing *listing = context;
	struct node_lags *lags = listing->lags;
	if (lags->count == NODE_LAGS_MAX)
		return false;
	listing->visited += 1;
	uint32_t partition = find_partition(listing->catalog, committed);
	if (partition == 0)
		return true;
	if (!base_array_reserve(&lags->rows, &lags->capacity, lags->count + 1, sizeof *lags->rows)) {
		lags->omitted += 1;
		return true;
	}
	struct node_lag *row = &lags->rows[lags->count];
	*row = (struct node_lag){.index = committed->partition, .partition = partition, .lag = -1, .lag_ms = -1};
	row->committed = committed->offset;
	if (keep(row->group, committed->group) && keep(row->topic, committed->topic) && is_tellable(row->group))
		lags->count += 1;
	else
		lags->omitted += 1;
	return true;
}

void node_lags_begin(const struct node *node, struct node_lags *lags)
{
	const struct group_coordinator *coordinator = node_coordinator(node);
	struct listing listing = {.catalog = node_catalog(node, 0), .lags = lags};
	lags->now_ms = os_wall_ms(node_shard(node, 0)->loop);
	group_coordinator_each_offset(coordinator, on_offset, &listing);
	if (lags->count == NODE_LAGS_MAX)
		lags->omitted += group_coordinator_metrics(coordinator).offsets - listing.visited;
}

void node_lags_read_shard(const struct node *node, size_t shard, struct node_lags *lags)
{
	const struct catalog *catalog = node_catalog(node, shard);
	for (size_t i = 0; i < lags->count; i++) {
		struct node_lag *row = &lags->rows[i];
		struct log_partition_info info;
		if (catalog_shard_of(catalog, row->partition) != shard ||
		    log_partition_get(node_log(node, shard), row->partition, &info).code != PYR_OK)
			continue;
		if (info.high_watermark >= row->committed)
			row->lag = info.high_watermark - row->committed;
		row->log_start = info.log_start_offset;
	}
}

void node_lags_deinit(struct node_lags *lags)
{
	free(lags->rows);
	*lags = (struct node_lags){0};
}
