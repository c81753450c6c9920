/* Block indexes of sealed parts, kept in memory: whoever reads one row again does not read, check and decode what lists all
 * blocks.
 *
 * Invariants: an index never changes, so it is true for as long as anybody holds it; together they take at most
 * LOG_INDEXES_BYTES, with the maps (map.c) of their blocks, the least recently used go first, and one that would take a quarter of
 * that is not kept. Any thread; lock:
 * indexes->lock, taken alone. Failure modes: the reading's; what can't be kept for want of memory is not.
 */
#include "log/log_priv.h"
#include "os/thread.h"

#include <assert.h>
#include <stdlib.h>

struct log_indexes {
	struct os_mutex lock;
	struct base_table by_part;
	struct base_list lru; /* least recently used first */
	size_t bytes;
};

struct log_indexes *log_indexes_new(void)
{
	struct log_indexes *indexes = calloc(1, sizeof *indexes);
	if (!indexes)
		return NULL;
	os_mutex_init(&indexes->lock);
	base_list_init(&indexes->lru);
	return indexes;
}

static void forget(struct log_indexes *indexes, struct log_index *index)
{
	base_table_remove(&indexes->by_part, &index->node);
	base_list_remove(&index->lru);
	indexes->bytes -= index->bytes;
	index->kept = false;
	log_index_unref(index);
}

void log_indexes_free(struct log_indexes *indexes)
{
	if (!indexes)
		return;
	while (!base_list_empty(&indexes->lru))
		forget(indexes, BASE_CONTAINER(indexes->lru.next, struct log_index, lru));
	base_table_deinit(&indexes->by_part);
	os_mutex_deinit(&indexes->lock);
	free(indexes);
}

void log_index_unref(struct log_index *index)
{
	if (!index || atomic_fetch_sub_explicit(&index->references, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < index->count && index->maps; i++)
		free(atomic_load_explicit(&index->maps[i], memory_order_relaxed));
	free(index->maps);
	free(index->blocks);
	free(index);
}

/* ---- the set ---- */

/* A segment has an id of its own for ever; in it a part's index has its place. */
static uint64_t hash_of(const struct log_part *part)
{
	return base_hash_u64(part->segment_id ^ part->index_position << 20);
}

static bool is_of(const struct base_table_node *node, const void *key)
{
	const struct log_index *index = BASE_CONTAINER(node, struct log_index, node);
	const struct log_part *part = key;
	return index->segment_id == part->segment_id && index->position == part->index_position &&
	       index->crc == part->index_crc && index->count == part->block_count;
}

/* Under the lock. */
static struct log_index *find(struct log_indexes *indexes, const struct log_part *part)
{
	struct base_table_node *node = base_table_find(&indexes->by_part, hash_of(part), is_of, part);
	if (!node)
		return NULL;
	struct log_index *index = BASE_CONTAINER(node, struct log_index, node);
	base_list_remove(&index->lru);
	base_list_append(&indexes->lru, &index->lru);
	atomic_fetch_add_explicit(&index->references, 1, memory_order_relaxed);
	return index;
}

struct log_index *log_indexes_find(struct log_indexes *indexes, const struct log_part *part)
{
	os_mutex_lock(&indexes->lock);
	struct log_index *index = find(indexes, part);
	os_mutex_unlock(&indexes->lock);
	return index;
}

static void shrink(struct log_indexes *indexes)
{
	while (indexes->bytes > LOG_INDEXES_BYTES)
		forget(indexes, BASE_CONTAINER(indexes->lru.next, struct log_index, lru));
}

/* Takes a reference of its own, unless another thread was faster. */
static void keep(struct log_indexes *indexes, struct log_index *index, const struct log_part *part)
{
	if (index->bytes > LOG_INDEXES_BYTES / 4)
		return;
	os_mutex_lock(&indexes->lock);
	bool there = base_table_find(&indexes->by_part, hash_of(part), is_of, part);
	if (!there && base_table_insert(&indexes->by_part, &index->node, hash_of(part))) {
		atomic_fetch_add_explicit(&index->references, 1, memory_order_relaxed);
		base_list_append(&indexes->lru, &index->lru);
		indexes->bytes += index->bytes;
		index->kept = true;
	}
	shrink(indexes);
	os_mutex_unlock(&indexes->lock);
}

void log_indexes_map(struct log_indexes *indexes, struct log_index *index, size_t i, struct base_bytes block)
{
	struct log_map *none = NULL;
	assert(i < index->count && index->blocks[i].bytes == block.bytes);
	struct log_map *map = atomic_load(&index->maps[i]) ? NULL : log_map_new(block);
	if (!map)
		return;
	size_t bytes = log_map_bytes(map);
	if (!atomic_compare_exchange_strong(&index->maps[i], &none, map)) {
		free(map); /* another thread was faster */
		return;
	}
	os_mutex_lock(&indexes->lock);
	index->bytes += bytes;
	indexes->bytes += index->kept ? bytes : 0;
	shrink(indexes);
	os_mutex_unlock(&indexes->lock);
}

/* ---- reading ---- */

/* NULL: memory is out. */
static struct log_index *index_new(const struct log_part *part)
{
	struct log_index *index = calloc(1, sizeof *index);
	if (!index)
		return NULL;
	atomic_init(&index->references, 1);
	base_list_init(&index->lru);
	index->segment_id = part->segment_id;
	index->position = part->index_position;
	index->crc = part->index_crc;
	index->count = part->block_count;
	index->bytes = sizeof *index + index->count * (sizeof *index->blocks + sizeof *index->maps);
	return index;
}

pyr_result log_indexes_read(struct log_indexes *indexes, struct os_pool_file *file, const struct log_part *part,
                            struct log_index **ret_index)
{
	struct log_index *index = log_indexes_find(indexes, part);
	if (index) {
		*ret_index = index;
		return pyr_ok();
	}
	index = index_new(part);
	if (!index)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	pyr_result result = log_segment_read_index(file, part, &index->blocks);
	if (result.code == PYR_OK && !(index->maps = calloc(index->count, sizeof *index->maps)))
		result = pyr_result_of(PYR_OUT_OF_MEMORY);
	if (result.code != PYR_OK) {
		log_index_unref(index);
		return result;
	}
	keep(indexes, index, part);
	*ret_index = index;
	return pyr_ok();
}

size_t log_index_search(const struct log_index *index, int64_t offset)
{
	size_t low = 0, high = index->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (index->blocks[middle].last_offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void log_indexes_seed(struct log_indexes *indexes, const struct log_part *part, struct base_bytes raw,
                      struct log_map **maps, size_t map_count)
{
	struct log_index *index = index_new(part);
	bool good = index && (index->blocks = calloc(index->count, sizeof *index->blocks)) &&
	            (index->maps = calloc(index->count, sizeof *index->maps)) && map_count <= index->count &&
	            log_segment_decode_index(part, raw.data, raw.bytes, index->blocks).code == PYR_OK;
	for (size_t i = 0; i < map_count; i++) {
		if (!good) {
			free(maps[i]);
			continue;
		}
		index->bytes += maps[i] ? log_map_bytes(maps[i]) : 0;
		atomic_init(&index->maps[i], maps[i]);
	}
	if (good)
		keep(indexes, index, part);
	log_index_unref(index);
}
