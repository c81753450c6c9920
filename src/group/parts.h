/* Sets of partitions, sorted: what consumer groups reckon with. Owned by whoever holds the struct; zeroed is empty. */
#ifndef PYRALOG_GROUP_PARTS_H
#define PYRALOG_GROUP_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct group_part {
	uint8_t topic[16];
	int32_t partition;
};

struct group_parts {
	struct group_part *items;
	size_t count;
	size_t capacity;
};

void group_parts_free(struct group_parts *parts);
/* At any place; group_parts_sort() before anything else looks. False: memory is out. */
[[nodiscard]] bool group_parts_add(struct group_parts *parts, const uint8_t topic[16], int32_t partition);
/* Sorts, and drops what is there twice. */
void group_parts_sort(struct group_parts *parts);
bool group_parts_has(const struct group_parts *parts, const struct group_part *part);
/* What is in `a`, and in `b` or not in it, into an empty set. False: memory is out. */
[[nodiscard]] bool group_parts_select(const struct group_parts *a, const struct group_parts *b, bool in_b,
                                      struct group_parts *ret_parts);
bool group_parts_equal(const struct group_parts *a, const struct group_parts *b);
bool group_parts_overlap(const struct group_parts *a, const struct group_parts *b);
/* *to becomes *from, which is empty then. */
void group_parts_move(struct group_parts *to, struct group_parts *from);

#endif
