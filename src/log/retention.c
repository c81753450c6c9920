/* Retention: what a topic's limits allow to go, goes, a whole sealed part at a time.
 *
 * The new log start is a record of the log: once durable it is applied like any other, in recovery too. Runs on the log's
 * thread, from the housekeeping timer.
 */
#include "log/log_priv.h"

#include <stdlib.h>

struct retention_change {
	struct log_append append;
	struct base_list node; /* log->retentions */
};

static void change_done(struct log_append *append)
{
	struct retention_change *change = BASE_CONTAINER(append, struct retention_change, append);
	base_list_remove(&change->node);
	free(change);
}

/* The first offset to keep: parts that are too old, or too much, end before it. */
static int64_t retention_offset(const struct log_partition *partition, int64_t now_ms)
{
	const struct log_partition_config *config = &partition->config;
	uint64_t bytes = partition->sealed_bytes + partition->tail_bytes;
	int64_t keep_from = partition->log_start_offset;
	if (config->compact && !config->remove)
		return keep_from;
	for (size_t i = 0; i < partition->part_count; i++) {
		const struct log_part *part = &partition->parts[i];
		bool too_old = config->retention_ms >= 0 && part->max_timestamp_ms < now_ms - config->retention_ms;
		bool too_much =
			config->retention_bytes >= 0 && bytes - part->bytes >= (uint64_t)config->retention_bytes;
		if (!too_old && !too_much)
			break;
		bytes -= part->bytes;
		keep_from = part->end_offset;
	}
	return keep_from;
}

static void retain(struct log *log, struct log_partition *partition, int64_t now_ms)
{
	int64_t keep_from = retention_offset(partition, now_ms);
	if (keep_from <= partition->log_start_offset)
		return;
	struct retention_change *change = calloc(1, sizeof *change);
	if (!change)
		return; /* the next round tries again */
	change->append.partition = partition->id;
	change->append.done = change_done;
	base_list_append(&log->retentions, &change->node);
	log_delete_records(log, &change->append, keep_from);
}

void log_retention_abandon(struct log *log)
{
	struct base_list *node;
	while ((node = base_list_pop(&log->retentions)))
		free(BASE_CONTAINER(node, struct retention_change, node));
}

void log_retention_run(struct log *log)
{
	int64_t now_ms = os_wall_ms(log->loop);
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&log->partitions, node))) {
		struct log_partition *partition = BASE_CONTAINER(node, struct log_partition, node);
		if (partition->claimed)
			retain(log, partition, now_ms);
		log_producers_expire(&partition->producers, now_ms - log->options.producer_expiry_ms);
	}
}
