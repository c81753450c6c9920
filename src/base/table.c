/* An intrusive chained hash table (see table.h): doubled when there are more nodes than buckets. */
#include "base/table.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_BUCKETS = 16 };

void base_table_deinit(struct base_table *table)
{
	free(table->buckets);
	*table = (struct base_table){0};
}

static struct base_table_node **bucket_of(const struct base_table *table, uint64_t hash)
{
	return &table->buckets[hash & (table->bucket_count - 1)];
}

struct base_table_node *base_table_find(const struct base_table *table, uint64_t hash, base_table_equal *equal,
                                        const void *key)
{
	if (table->bucket_count == 0)
		return NULL;
	struct base_table_node *node = *bucket_of(table, hash);
	while (node && !(node->hash == hash && equal(node, key)))
		node = node->next;
	return node;
}

static void link_node(struct base_table *table, struct base_table_node *node)
{
	struct base_table_node **bucket = bucket_of(table, node->hash);
	node->next = *bucket;
	*bucket = node;
}

static void grow(struct base_table *table)
{
	size_t bucket_count = table->bucket_count ? table->bucket_count * 2 : FIRST_BUCKETS;
	struct base_table bigger = {.buckets = calloc(bucket_count, sizeof *bigger.buckets)};
	if (!bigger.buckets)
		return;
	bigger.bucket_count = bucket_count;
	bigger.count = table->count;
	for (size_t i = 0; i < table->bucket_count; i++)
		for (struct base_table_node *node = table->buckets[i], *next; node; node = next) {
			next = node->next;
			link_node(&bigger, node);
		}
	free(table->buckets);
	*table = bigger;
}

bool base_table_insert(struct base_table *table, struct base_table_node *node, uint64_t hash)
{
	if (table->count >= table->bucket_count)
		grow(table);
	if (table->bucket_count == 0)
		return false;
	node->hash = hash;
	link_node(table, node);
	table->count += 1;
	return true;
}

void base_table_remove(struct base_table *table, struct base_table_node *node)
{
	struct base_table_node **at = bucket_of(table, node->hash);
	while (*at && *at != node)
		at = &(*at)->next;
	assert(*at == node);
	*at = node->next;
	node->next = NULL;
	table->count -= 1;
}

struct base_table_node *base_table_next(const struct base_table *table, const struct base_table_node *node)
{
	if (node && node->next)
		return node->next;
	size_t i = node ? (node->hash & (table->bucket_count - 1)) + 1 : 0;
	for (; i < table->bucket_count; i++)
		if (table->buckets[i])
			return table->buckets[i];
	return NULL;
}
