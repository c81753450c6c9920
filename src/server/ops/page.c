/* Prometheus's text format, version 0.0.4: a HELP and a TYPE line a metric, then a line for each shard. Pure. */
#include "server/ops/ops_priv.h"

#include "base/cursor.h"

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

struct base_slice ops_page(const struct node *node, const int64_t *values)
{
	struct page page = {0};
	struct base_slice text = {0};
	base_writer_init(&page.writer, PAGE_BYTES_MAX);
	node_metrics_each(node, values, write_line, &page);
	pyr_ignore(base_writer_take(&page.writer, &text)); /* memory is out: there is none */
	base_writer_deinit(&page.writer);
	return text;
}
