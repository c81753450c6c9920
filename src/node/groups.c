/* Consumer groups and their lag (see groups.h): rows from the coordinator, ends from every shard, and the time of the oldest
 * record that was not consumed from a scan that begins there. Each step sees a moment of its own. Owner: a query's thread,
 * but for what is asked on the shards' loops. */
#include "node/groups.h"

#include "group/list.h"
#include "node/ages.h"
#include "node/ask.h"

#include <stdlib.h>
#include <string.h>

struct groups_call {
	const struct node *node;
	const struct catalog_principal *principal;
	struct group_row *rows;
	size_t count;
	int64_t now_ms;
	pyr_result result;
	struct query_group *groups;
};

static void on_coordinator(void *context, size_t shard)
{
	struct groups_call *call = context;
	call->now_ms = os_wall_ms(node_shard(call->node, shard)->loop);
	call->result = group_coordinator_list(node_coordinator(call->node), &call->rows, &call->count);
}

/* Each shard answers for its own partitions: no two write one row. */
static void on_ends(void *context, size_t shard)
{
	struct groups_call *call = context;
	const struct catalog *catalog = node_catalog(call->node, shard);
	for (size_t i = 0; i < call->count; i++) {
		struct query_group *group = &call->groups[i];
		struct log_partition_info info;
		const struct catalog_topic *topic = catalog_topic_find(catalog, group->topic, strlen(group->topic));
		uint32_t partition = topic ? catalog_topic_partition(topic, group->partition) : 0;
		if (partition == 0 || catalog_shard_of(catalog, partition) != shard ||
		    catalog_authorize(catalog, call->principal, CATALOG_DESCRIBE, topic->name).code != PYR_OK)
			continue;
		if (log_partition_get(node_log(call->node, shard), partition, &info).code == PYR_OK)
			group->end = info.high_watermark;
	}
}

static void copy_row(const struct group_row *row, struct query_group *group)
{
	*group = (struct query_group){.partition = row->partition, .committed = row->committed, .end = -1};
	group->lag_ms = -1;
	group->state = row->state;
	group->protocol = row->protocol;
	memcpy(group->group, row->group, sizeof group->group);
	memcpy(group->topic, row->topic, sizeof group->topic);
	memcpy(group->member, row->member, sizeof group->member);
	memcpy(group->client, row->client, sizeof group->client);
}

/* ---- how old the oldest record is that was not consumed ---- */

static bool is_behind(const struct query_group *group)
{
	return group->committed >= 0 && group->committed < group->end;
}

/* A record that can't be read leaves the age unknown: the rest is told. */
static void find_ages(const struct groups_call *call, struct query_source *source)
{
	struct node_age *ages = calloc(call->count + 1, sizeof *ages);
	size_t count = 0;
	for (size_t i = 0; ages && i < call->count; i++) {
		const struct query_group *group = &call->groups[i];
		if (is_behind(group))
			ages[count++] = (struct node_age){
				.topic = group->topic, .partition = group->partition, .offset = group->committed};
	}
	node_ages_find(source, call->principal, ages, count);
	for (size_t i = 0, k = 0; k < count; i++) {
		if (!is_behind(&call->groups[i]))
			continue;
		const struct node_age *age = &ages[k++];
		if (age->found_offset >= 0)
			call->groups[i].lag_ms = call->now_ms > age->time_ms ? call->now_ms - age->time_ms : 0;
	}
	free(ages);
}

pyr_result node_groups_list(const struct node *node, struct query_source *source,
                            const struct catalog_principal *principal, struct query_group **ret_groups,
                            size_t *ret_count, struct pyr_error *error)
{
	struct groups_call call = {.node = node, .principal = principal};
	node_ask(node, 1, on_coordinator, &call);
	if (call.result.code != PYR_OK)
		return pyr_fail(error, call.result.code, "consumer groups: %s", pyr_code_text(call.result.code));
	call.groups = calloc(call.count + 1, sizeof *call.groups);
	for (size_t i = 0; call.groups && i < call.count; i++)
		copy_row(&call.rows[i], &call.groups[i]);
	free(call.rows);
	if (!call.groups)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	node_ask(node, node_shard_count(node), on_ends, &call);
	for (size_t i = 0; i < call.count; i++)
		if (call.groups[i].committed >= 0 && call.groups[i].committed == call.groups[i].end)
			call.groups[i].lag_ms = 0;
	find_ages(&call, source);
	*ret_groups = call.groups;
	*ret_count = call.count;
	return pyr_ok();
}
