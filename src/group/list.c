/* Groups as rows (see list.h). Owner: the loop's thread. */
#include "group/list.h"

#include "base/array.h"
#include "base/hash.h"
#include "group/consumer.h"
#include "group/coordinator_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 16 << 20 };

/* Which row a committed offset has. */
struct place {
	struct base_table_node node;
	const struct group_offset *offset;
	size_t row;
};

struct listing {
	const struct group_coordinator *coordinator;
	const struct group *group;
	struct group_row *rows;
	size_t count, capacity;
	struct place *places; /* of this group's offsets */
	struct base_table by_offset;
	bool failed; /* memory is out */
};

static void keep(char text[CATALOG_NAME_MAX + 1], struct base_bytes bytes)
{
	size_t count = bytes.bytes < CATALOG_NAME_MAX ? bytes.bytes : CATALOG_NAME_MAX;
	if (count > 0)
		memcpy(text, bytes.data, count);
	text[count] = '\0';
}

static struct group_row *add_row(struct listing *listing, struct base_bytes topic, int32_t partition)
{
	const struct group *group = listing->group;
	if (!base_array_reserve(&listing->rows, &listing->capacity, listing->count + 1, sizeof *listing->rows)) {
		listing->failed = true;
		return NULL;
	}
	struct group_row *row = &listing->rows[listing->count++];
	*row = (struct group_row){.partition = partition, .committed = -1, .state = group_state_name(group)};
	row->protocol = group->kind == GROUP_CONSUMER ? "consumer" : "classic";
	keep(row->group, group_bytes(group->id));
	keep(row->topic, topic);
	return row;
}

static uint64_t hash_of(const struct group_offset *offset)
{
	return base_hash_u64((uint64_t)(uintptr_t)offset);
}

static bool is_place_of(const struct base_table_node *node, const void *offset)
{
	return BASE_CONTAINER(node, struct place, node)->offset == offset;
}

static void add_offset(struct listing *listing, const struct group_offset *offset, struct place *place)
{
	struct group_row *row = add_row(listing, group_bytes(offset->topic), offset->partition);
	if (!row)
		return;
	row->committed = offset->offset;
	*place = (struct place){.offset = offset, .row = listing->count - 1};
	if (!base_table_insert(&listing->by_offset, &place->node, hash_of(offset)))
		listing->failed = true;
}

static void add_offsets(struct listing *listing)
{
	size_t i = 0;
	listing->by_offset = (struct base_table){0};
	listing->places = calloc(listing->group->offsets.count + 1, sizeof *listing->places);
	if (!listing->places)
		listing->failed = true;
	for (struct base_table_node *node = NULL;
	     !listing->failed && (node = base_table_next(&listing->group->offsets, node));)
		add_offset(listing, BASE_CONTAINER(node, struct group_offset, node), &listing->places[i++]);
}

/* The row of the partition's offset, if one was committed; a new one otherwise. */
static struct group_row *row_of(struct listing *listing, struct base_bytes topic, int32_t partition)
{
	const struct group_offset *offset = group_offset_find(listing->group, topic, partition);
	struct base_table_node *node =
		offset ? base_table_find(&listing->by_offset, hash_of(offset), is_place_of, offset) : NULL;
	if (!node)
		return add_row(listing, topic, partition);
	return &listing->rows[BASE_CONTAINER(node, struct place, node)->row];
}

static void give(struct listing *listing, struct base_bytes topic, int32_t partition, struct base_slice member,
                 struct base_slice client)
{
	struct group_row *row = row_of(listing, topic, partition);
	if (!row)
		return;
	keep(row->member, group_bytes(member));
	keep(row->client, group_bytes(client));
}

/* What can't be read is another protocol's than consumers', and not ours to tell. */
static void add_assignment(struct listing *listing, const struct group_member *member, struct codec_arena *arena)
{
	struct codec_kafka_consumer_protocol_assignment assignment;
	if (group_assignment_read(group_bytes(member->assignment), arena, &assignment).code != PYR_OK)
		return;
	for (size_t i = 0; i < assignment.assigned_partitions_count; i++)
		for (size_t j = 0; j < assignment.assigned_partitions[i].partitions_count; j++)
			give(listing, assignment.assigned_partitions[i].topic,
			     assignment.assigned_partitions[i].partitions[j], member->id, member->client_id);
}

static void add_members(struct listing *listing)
{
	const struct base_list *head = &listing->group->member_list;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		struct codec_arena arena;
		codec_arena_init(&arena, ARENA_BYTES);
		add_assignment(listing, BASE_CONTAINER(node, struct group_member, node), &arena);
		codec_arena_deinit(&arena);
	}
}

static void add_consumers(struct listing *listing)
{
	const struct base_list *head = &listing->group->consumers->list;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group_consumer *member = BASE_CONTAINER(node, struct group_consumer, node);
		for (size_t i = 0; i < member->assigned.count; i++) {
			const struct group_part *part = &member->assigned.items[i];
			const struct catalog_topic *topic =
				catalog_topic_find_uuid(listing->coordinator->catalog, part->topic);
			if (topic)
				give(listing, (struct base_bytes){(const uint8_t *)topic->name, strlen(topic->name)},
				     part->partition, member->id, member->client_id);
		}
	}
}

static void add_group(struct listing *listing, const struct group *group)
{
	size_t before = listing->count;
	listing->group = group;
	add_offsets(listing);
	if (listing->failed)
		; /* told by the caller */
	else if (group->kind == GROUP_CONSUMER)
		add_consumers(listing);
	else if (group->state == GROUP_STABLE)
		add_members(listing);
	if (listing->count == before)
		(void)add_row(listing, (struct base_bytes){0}, -1);
	base_table_deinit(&listing->by_offset);
	free(listing->places);
}

pyr_result group_coordinator_list(const struct group_coordinator *coordinator, struct group_row **ret_rows,
                                  size_t *ret_count)
{
	struct listing listing = {.coordinator = coordinator};
	if (coordinator->phase != GROUP_SERVING)
		return pyr_result_of(PYR_BUSY);
	const struct base_list *head = &coordinator->list;
	for (struct base_list *node = head->next; node != head && !listing.failed; node = node->next)
		add_group(&listing, &BASE_CONTAINER(node, struct group_slot, node)->group);
	if (listing.failed) {
		free(listing.rows);
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	*ret_rows = listing.rows;
	*ret_count = listing.count;
	return pyr_ok();
}

static bool each_offset(const struct group *group,
                        bool (*visit)(void *context, const struct group_committed *committed), void *context)
{
	for (struct base_table_node *node = NULL; (node = base_table_next(&group->offsets, node));) {
		const struct group_offset *offset = BASE_CONTAINER(node, struct group_offset, node);
		struct group_committed committed = {group_bytes(group->id), group_bytes(offset->topic),
		                                    offset->partition, offset->offset};
		if (!visit(context, &committed))
			return false;
	}
	return true;
}

void group_coordinator_each_offset(const struct group_coordinator *coordinator,
                                   bool (*visit)(void *context, const struct group_committed *committed), void *context)
{
	const struct base_list *head = &coordinator->list;
	bool more = coordinator->phase == GROUP_SERVING;
	for (struct base_list *node = head->next; node != head && more; node = node->next)
		more = each_offset(&BASE_CONTAINER(node, struct group_slot, node)->group, visit, context);
}
