/* Prometheus's text format, version 0.0.4: a HELP and a TYPE line a metric, then a line for each shard, or for each offset that
 * a consumer group has committed. Pure. */
#include "server/ops/ops_priv.h"

#include "base/cursor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PAGE_BYTES_MAX = 16 << 20 };

struct page {
	struct base_writer writer;
	const struct node_metric *last; /* whose head was written */
};

static void write_text(struct page *page, const char *text)
{
	base_write_bytes(&page->writer, text, strlen(text));
}

static void write_head(struct page *page, const struct node_metric *metric)
{
	write_text(page, "# HELP ");
	write_text(page, metric->name);
	write_text(page, " ");
	write_text(page, metric->text);
	write_text(page, "\n# TYPE ");
	write_text(page, metric->name);
	write_text(page, metric->kind == NODE_COUNTER ? " counter\n" : " gauge\n");
}

static void write_value(struct page *page, int64_t value, uint32_t parts)
{
	char text[64];
	if (parts == 1)
		snprintf(text, sizeof text, " %" PRId64 "\n", value);
	else
		snprintf(text, sizeof text, " %.6f\n", (double)value / parts);
	write_text(page, text);
}

static void write_line(void *context, const struct node_metric *metric, int64_t shard, int64_t value)
{
	struct page *page = context;
	char label[32];
	if (page->last != metric)
		write_head(page, metric);
	page->last = metric;
	write_text(page, metric->name);
	if (shard >= 0) {
		snprintf(label, sizeof label, "{shard=\"%" PRId64 "\"}", shard);
		write_text(page, label);
	}
	write_value(page, value, metric->parts);
}

/* ---- lags ---- */

static void write_label(struct page *page, const char *name, const char *value)
{
	write_text(page, name);
	write_text(page, "=\"");
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			write_text(page, "\\");
		if (*value == '\n')
			write_text(page, "\\n");
		else
			base_write_u8(&page->writer, (uint8_t)*value);
	}
	write_text(page, "\"");
}

static void write_lag(struct page *page, const struct node_metric *metric, const struct node_lag *lag, int64_t value)
{
	char text[32];
	write_text(page, metric->name);
	write_label(page, "{group", lag->group);
	write_label(page, ",topic", lag->topic);
	snprintf(text, sizeof text, ",partition=\"%" PRId32 "\"}", lag->index);
	write_text(page, text);
	write_value(page, value, metric->parts);
}

static void write_lags(struct page *page, const struct node_lags *lags)
{
	const struct node_metric *metrics = node_lag_metrics.metrics;
	write_head(page, &metrics[NODE_LAG_RECORDS]);
	for (size_t i = 0; i < lags->count; i++)
		if (lags->rows[i].lag >= 0)
			write_lag(page, &metrics[NODE_LAG_RECORDS], &lags->rows[i], lags->rows[i].lag);
	write_head(page, &metrics[NODE_LAG_SECONDS]);
	for (size_t i = 0; i < lags->count; i++)
		if (lags->rows[i].lag_ms >= 0)
			write_lag(page, &metrics[NODE_LAG_SECONDS], &lags->rows[i], lags->rows[i].lag_ms);
	write_head(page, &metrics[NODE_LAGS_OMITTED]);
	write_text(page, metrics[NODE_LAGS_OMITTED].name);
	write_value(page, (int64_t)lags->omitted, metrics[NODE_LAGS_OMITTED].parts);
}

struct base_slice ops_page(const struct node *node, const int64_t *values, const struct node_lags *lags)
{
	struct page page = {0};
	struct base_slice text = {0};
	base_writer_init(&page.writer, PAGE_BYTES_MAX);
	node_metrics_each(node, values, write_line, &page);
	write_lags(&page, lags);
	pyr_ignore(base_writer_take(&page.writer, &text)); /* memory is out: there is none */
	base_writer_deinit(&page.writer);
	return text;
}

struct base_slice ops_sources_page(const struct node_metric_source *sources, size_t count)
{
	enum { VALUES_MAX = 128 };
	struct page page = {.last = NULL};
	struct base_slice slice = {0};
	int64_t values[VALUES_MAX];
	base_writer_init(&page.writer, PAGE_BYTES_MAX);
	for (size_t i = 0; i < count; i++) {
		assert(sources[i].table->count <= VALUES_MAX);
		sources[i].read(sources[i].context, 0, values);
		for (size_t k = 0; k < sources[i].table->count; k++)
			write_line(&page, &sources[i].table->metrics[k], -1, values[k]);
	}
	if (base_writer_take(&page.writer, &slice).code != PYR_OK)
		slice = (struct base_slice){0};
	base_writer_deinit(&page.writer);
	return slice;
}
