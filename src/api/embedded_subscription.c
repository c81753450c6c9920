/* A subscription's records from a node in this process: scans of its topics at one moment, one after the other, each from where
 * the last one ended.
 *
 * Invariant: rows live until the next are taken. Owner: the thread that has the subscription. */
#include "api/embedded.h"
#include "api/subscription.h"
#include "base/table.h"
#include "node/ask.h"
#include "os/thread.h"

#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 20 };

struct feed {
	struct query_tail **tails; /* of each topic */
	uint64_t *seen; /* by them */
	struct query_scan_request *requests; /* of the scans under way; one a topic */
	bool scanning;
	size_t request, unit; /* the next of the units */
	struct column_reader *reader;
	struct column_rows rows;
	size_t row; /* the next of these */
};

static struct feed *feed_of(const struct pyr_subscription *subscription)
{
	return subscription->way;
}

/* ---- topics and their ends ---- */

struct look {
	struct node *node;
	struct api_feed_topic *told;
	bool found;
};

static void on_look(void *context, size_t shard)
{
	struct look *look = context;
	const struct catalog *catalog = node_catalog(look->node, shard);
	const struct catalog_topic *topic = catalog_topic_find(catalog, look->told->name, strlen(look->told->name));
	look->found = topic;
	if (!topic)
		return;
	look->told->partitions = topic->partition_count;
	memcpy(look->told->id, topic->uuid, API_UUID_BYTES);
}

static pyr_result feed_look(struct pyr_subscription *subscription, struct api_feed_topic *topic,
                            struct pyr_error *error)
{
	struct look look = {node_host_node(embedded_of(subscription->log)->host), topic, false};
	node_ask(look.node, 1, on_look, &look);
	return look.found ? pyr_ok() : pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no topic %s", topic->name);
}

static pyr_result feed_range(struct pyr_subscription *subscription, const struct api_feed_part *part,
                             int64_t *ret_start, int64_t *ret_end, struct pyr_error *error)
{
	struct log_partition_info info;
	uint32_t partition;
	size_t shard;
	PYR_TRY(embedded_look(subscription->log, subscription->topics[part->topic].name, part->partition, &info, &shard,
	                      &partition, error));
	*ret_start = info.log_start_offset;
	*ret_end = info.high_watermark;
	return pyr_ok();
}

/* ---- scans ---- */

static void embedded_forget(struct pyr_subscription *subscription)
{
	struct feed *feed = feed_of(subscription);
	column_reader_free(feed->reader);
	feed->reader = NULL;
	for (size_t i = 0; i < subscription->topic_count; i++) {
		column_scan_free(feed->requests[i].scan);
		free(feed->requests[i].positions);
		feed->requests[i] = (struct query_scan_request){0};
	}
	feed->scanning = false;
	feed->request = feed->unit = feed->row = feed->rows.count = 0;
}

/* Each of our partitions from its place on, and nothing of the others. */
static pyr_result make_request(struct pyr_subscription *subscription, size_t topic)
{
	struct query_scan_request *request = &feed_of(subscription)->requests[topic];
	*request =
		(struct query_scan_request){.topic = subscription->topics[topic].name, .bounds = column_bounds_all()};
	request->positions = malloc(CATALOG_PARTITIONS_MAX * sizeof *request->positions);
	if (!request->positions)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	for (size_t i = 0; i < CATALOG_PARTITIONS_MAX; i++)
		request->positions[i] = INT64_MAX;
	for (size_t i = 0; i < subscription->part_count; i++)
		if (subscription->parts[i].topic == topic)
			request->positions[subscription->parts[i].partition] = subscription->parts[i].next;
	return pyr_ok();
}

static pyr_result open_scans(struct pyr_subscription *subscription, struct pyr_error *error)
{
	struct query_source *source = embedded_source(subscription->log);
	struct feed *feed = feed_of(subscription);
	pyr_result result = pyr_ok();
	embedded_forget(subscription);
	for (size_t i = 0; i < subscription->topic_count && result.code == PYR_OK; i++)
		result = make_request(subscription, i);
	if (result.code == PYR_OK)
		result = source->ops->scan_open(source, &embedded_principal, feed->requests, subscription->topic_count,
		                                error);
	if (result.code != PYR_OK)
		embedded_forget(subscription);
	feed->scanning = result.code == PYR_OK;
	return result;
}

/* The scans are over: there may be gaps in front of where they ended. */
static void close_scans(struct pyr_subscription *subscription)
{
	struct feed *feed = feed_of(subscription);
	for (size_t i = 0; i < subscription->part_count; i++) {
		struct api_feed_part *part = &subscription->parts[i];
		int64_t end = feed->requests[part->topic].positions[part->partition];
		if (end != INT64_MAX && end > part->next)
			part->next = end;
	}
	embedded_forget(subscription);
}

/* The next rows of the scans; none: they are over. */
static pyr_result fill(struct pyr_subscription *subscription, struct pyr_error *error)
{
	const unsigned columns = COLUMN_OFFSET | COLUMN_TIMESTAMP | COLUMN_KEY | COLUMN_VALUE | COLUMN_HEADERS;
	struct feed *feed = feed_of(subscription);
	feed->row = feed->rows.count = 0;
	while (feed->request < subscription->topic_count) {
		struct column_scan *scan = feed->requests[feed->request].scan;
		if (!feed->reader)
			PYR_TRY(column_reader_new(scan, columns, &feed->reader));
		if (feed->unit > 0)
			PYR_TRY(column_reader_next(feed->reader, &feed->rows, error));
		if (feed->rows.count > 0)
			return pyr_ok();
		if (feed->unit < column_scan_unit_count(scan)) {
			PYR_TRY(column_reader_seek(feed->reader, feed->unit++, error));
			continue;
		}
		column_reader_free(feed->reader);
		feed->reader = NULL;
		feed->unit = 0;
		feed->request += 1;
	}
	return pyr_ok();
}

static pyr_result take_rows(struct pyr_subscription *subscription)
{
	struct feed *feed = feed_of(subscription);
	const struct column_rows *rows = &feed->rows;
	struct api_feed_part *part = NULL;
	for (; feed->row < rows->count; feed->row++) {
		size_t i = feed->row;
		if (!part || part->partition != rows->partition[i])
			part = api_feed_find(subscription, feed->request, rows->partition[i]);
		struct codec_record record = {
			.offset = rows->offset[i],
			.timestamp_ms = rows->timestamp_ms[i],
			.key = rows->key[i],
			.value = rows->value[i],
			.headers = rows->headers[i],
			.header_count = rows->header_count[i],
		};
		if (part && record.offset >= part->next)
			PYR_TRY(api_feed_add(subscription, part, &record));
	}
	return pyr_ok();
}

static pyr_result read_ahead(struct pyr_subscription *subscription, struct pyr_error *error)
{
	struct feed *feed = feed_of(subscription);
	if (!feed->scanning)
		PYR_TRY(open_scans(subscription, error));
	while (subscription->lot_count == 0) {
		PYR_TRY(fill(subscription, error));
		if (feed->rows.count == 0) {
			close_scans(subscription);
			return pyr_ok();
		}
		PYR_TRY(take_rows(subscription));
	}
	return pyr_ok();
}

static void wait_for_news(struct pyr_subscription *subscription, unsigned wait_ms)
{
	struct query_source *source = embedded_source(subscription->log);
	struct feed *feed = feed_of(subscription);
	size_t count = subscription->topic_count;
	uint64_t each_ms = count == 1 ? wait_ms : wait_ms < WAIT_MS ? wait_ms : WAIT_MS;
	for (size_t i = 0; i < count; i++) {
		uint64_t before = feed->seen[i];
		source->ops->tail_wait(source, feed->tails[i], &feed->seen[i], each_ms * 1000 / count);
		if (feed->seen[i] != before)
			return;
	}
}

static pyr_result embedded_next(struct pyr_subscription *subscription, unsigned wait_ms, struct pyr_error *error)
{
	PYR_TRY(read_ahead(subscription, error));
	if (subscription->lot_count > 0)
		return pyr_ok();
	wait_for_news(subscription, wait_ms);
	return read_ahead(subscription, error);
}

static pyr_result feed_ask(struct pyr_subscription *subscription, int16_t key, int16_t version, const void *message,
                           pyr_result (*take)(void *context, const void *response, struct pyr_error *error),
                           void *context, struct pyr_error *error)
{
	return embedded_ask(subscription->log, subscription->group, key, version, message, take, context, error);
}

/* ---- life ---- */

static pyr_result embedded_open(struct pyr_subscription *subscription, struct pyr_error *error)
{
	struct query_source *source = embedded_source(subscription->log);
	size_t count = subscription->topic_count;
	struct feed *feed = calloc(1, sizeof *feed);
	if (!feed)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	subscription->way = feed;
	feed->tails = calloc(count, sizeof(struct query_tail *));
	feed->seen = calloc(count, sizeof *feed->seen);
	feed->requests = calloc(count, sizeof *feed->requests);
	if (!feed->tails || !feed->seen || !feed->requests)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		PYR_TRY(source->ops->tail_open(source, &embedded_principal, subscription->topics[i].name,
		                               &feed->tails[i], error));
	return pyr_ok();
}

static void embedded_close(struct pyr_subscription *subscription)
{
	struct query_source *source = embedded_source(subscription->log);
	struct feed *feed = feed_of(subscription);
	if (feed->requests)
		embedded_forget(subscription);
	for (size_t i = 0; feed->tails && i < subscription->topic_count; i++)
		source->ops->tail_close(source, feed->tails[i]);
	free(feed->tails);
	free(feed->seen);
	free(feed->requests);
	free(feed);
}

const struct api_feed_ways embedded_feed = {
	embedded_open, embedded_close, feed_look, feed_range, embedded_next, embedded_forget, feed_ask,
};
