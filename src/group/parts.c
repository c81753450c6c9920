/* Sets of partitions as sorted arrays (see parts.h). Pure; any thread. */
#include "group/parts.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
	const struct group_part *a = left, *b = right;
	int order = memcmp(a->topic, b->topic, sizeof a->topic);
	return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

void group_parts_free(struct group_parts *parts)
{
	free(parts->items);
	*parts = (struct group_parts){0};
}

bool group_parts_add(struct group_parts *parts, const uint8_t topic[16], int32_t partition)
{
	if (!base_array_reserve(&parts->items, &parts->capacity, parts->count + 1, sizeof *parts->items))
		return false;
	struct group_part *part = &parts->items[parts->count++];
	memcpy(part->topic, topic, sizeof part->topic);
	part->partition = partition;
	return true;
}

void group_parts_sort(struct group_parts *parts)
{
	size_t kept = 0;
	if (parts->count == 0)
		return;
	qsort(parts->items, parts->count, sizeof *parts->items, compare);
	for (size_t i = 1; i < parts->count; i++)
		if (compare(&parts->items[kept], &parts->items[i]) != 0)
			parts->items[++kept] = parts->items[i];
	parts->count = kept + 1;
}

bool group_parts_has(const struct group_parts *parts, const struct group_part *part)
{
	return parts->count > 0 && bsearch(part, parts->items, parts->count, sizeof *part, compare);
}

bool group_parts_select(const struct group_parts *a, const struct group_parts *b, bool in_b,
                        struct group_parts *ret_parts)
{
	for (size_t i = 0; i < a->count; i++)
		if (group_parts_has(b, &a->items[i]) == in_b &&
		    !group_parts_add(ret_parts, a->items[i].topic, a->items[i].partition))
			return false;
	return true;
}

bool group_parts_equal(const struct group_parts *a, const struct group_parts *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (compare(&a->items[i], &b->items[i]) != 0)
			return false;
	return true;
}

bool group_parts_overlap(const struct group_parts *a, const struct group_parts *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (group_parts_has(b, &a->items[i]))
			return true;
	return false;
}

void group_parts_move(struct group_parts *to, struct group_parts *from)
{
	group_parts_free(to);
	*to = *from;
	*from = (struct group_parts){0};
}
