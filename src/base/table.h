/* An intrusive hash table: nodes live inside the caller's structs, the table owns only its bucket array.
 *
 * One owner thread. Growth that finds no memory keeps the old array: slower, never wrong. */
#ifndef PYRALOG_BASE_TABLE_H
#define PYRALOG_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct base_table_node {
	struct base_table_node *next;
	uint64_t hash;
};

struct base_table {
	struct base_table_node **buckets;
	size_t bucket_count; /* a power of two, or 0 before the first insert */
	size_t count;
};

/* Is `node` the one that `key` names? Called for nodes whose hash is equal. */
typedef bool base_table_equal(const struct base_table_node *node, const void *key);

void base_table_deinit(struct base_table *table); /* the nodes stay the caller's */
struct base_table_node *base_table_find(const struct base_table *table, uint64_t hash, base_table_equal *equal,
                                        const void *key);
/* False when memory is out (only at the first insert). The key must not be in the table. */
[[nodiscard]] bool base_table_insert(struct base_table *table, struct base_table_node *node, uint64_t hash);
void base_table_remove(struct base_table *table, struct base_table_node *node);
/* Any order; NULL starts, NULL ends. The table must not change in between. */
struct base_table_node *base_table_next(const struct base_table *table, const struct base_table_node *node);

/* The struct that holds `node` as `member`. */
#define BASE_CONTAINER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#endif
