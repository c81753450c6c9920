/* Growing a heap array by doubling. */
#ifndef PYRALOG_BASE_ARRAY_H
#define PYRALOG_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BASE_ARRAY_FIRST = 8 };

/* Makes room for `needed` items of `item_bytes` each in the array that the pointer at `items_at` points to (NULL at first).
 * False when memory is out: array and capacity are as they were. */
[[nodiscard]] static inline bool base_array_reserve(void *items_at, size_t *capacity, size_t needed, size_t item_bytes)
{
	void *items;
	if (needed <= *capacity)
		return true;
	size_t larger = *capacity > 0 ? *capacity * 2 : BASE_ARRAY_FIRST;
	if (larger < needed)
		larger = needed;
	if (larger > SIZE_MAX / item_bytes)
		return false;
	memcpy(&items, items_at, sizeof items);
	items = realloc(items, larger * item_bytes);
	if (!items)
		return false;
	memcpy(items_at, &items, sizeof items);
	*capacity = larger;
	return true;
}

#endif
