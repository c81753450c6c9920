/* A bounded set of open files (see file_pool.h).
 *
 * Invariants: open_count <= open_max, but for files that are all being read at this moment; a file with pins > 0 is open
 * and not in the LRU list; an open file without pins is in it.
 */
#include "os/file_pool.h"

#include "base/table.h"
#include "os/thread.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct os_file_pool {
	struct os_loop *loop;
	struct os_disk *disk;
	unsigned open_max;
	bool silent;
	struct os_mutex lock;
	unsigned open_count;
	struct base_list lru; /* least recently read first */
};

struct os_file_pool *os_file_pool_new(struct os_loop *loop, struct os_disk *disk, unsigned open_max)
{
	assert(open_max > 0);
	struct os_file_pool *pool = calloc(1, sizeof *pool);
	if (!pool)
		return NULL;
	pool->loop = loop;
	pool->disk = disk;
	pool->open_max = open_max;
	os_mutex_init(&pool->lock);
	base_list_init(&pool->lru);
	return pool;
}

void os_file_pool_free(struct os_file_pool *pool)
{
	if (!pool)
		return;
	assert(base_list_empty(&pool->lru));
	os_mutex_deinit(&pool->lock);
	free(pool);
}

void os_file_pool_silence(struct os_file_pool *pool)
{
	pool->silent = true;
}

unsigned os_file_pool_open_count(struct os_file_pool *pool)
{
	os_mutex_lock(&pool->lock);
	unsigned count = pool->open_count;
	os_mutex_unlock(&pool->lock);
	return count;
}

void os_pool_file_init(struct os_pool_file *file, struct os_file_pool *pool, const char *path, void *owner,
                       void (*released)(struct os_task *task))
{
	assert(strlen(path) < OS_POOL_PATH_MAX);
	*file = (struct os_pool_file){.pool = pool, .owner = owner, .released.run = released};
	memcpy(file->path, path, strlen(path) + 1);
	base_list_init(&file->lru);
	atomic_init(&file->references, 1);
}

struct os_pool_file *os_pool_file_ref(struct os_pool_file *file)
{
	atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
	return file;
}

/* Takes a file out of the set; the caller closes it outside the lock. */
static struct os_file *take_open(struct os_file_pool *pool, struct os_pool_file *file)
{
	struct os_file *open = file->open;
	if (!open)
		return NULL;
	base_list_remove(&file->lru);
	file->open = NULL;
	pool->open_count -= 1;
	return open;
}

void os_pool_file_deinit(struct os_pool_file *file)
{
	if (!file->pool)
		return;
	os_mutex_lock(&file->pool->lock);
	struct os_file *open = take_open(file->pool, file);
	os_mutex_unlock(&file->pool->lock);
	os_file_close(open);
}

void os_pool_file_unref(struct os_pool_file *file)
{
	if (!file || atomic_fetch_sub_explicit(&file->references, 1, memory_order_acq_rel) != 1)
		return;
	struct os_file_pool *pool = file->pool;
	os_mutex_lock(&pool->lock);
	assert(file->pins == 0);
	struct os_file *open = take_open(pool, file);
	os_mutex_unlock(&pool->lock);
	os_file_close(open);
	if (!pool->silent)
		os_loop_post(pool->loop, &file->released);
}

/* With the lock: the file that was read longest ago, when there are too many. */
static struct os_file *evict(struct os_file_pool *pool)
{
	if (pool->open_count < pool->open_max || base_list_empty(&pool->lru))
		return NULL;
	return take_open(pool, BASE_CONTAINER(pool->lru.next, struct os_pool_file, lru));
}

static void pin_locked(struct os_pool_file *file)
{
	file->pins += 1;
	base_list_remove(&file->lru);
}

/* Opens the file unless it is open; the pin keeps it so. */
static pyr_result pin(struct os_pool_file *file)
{
	struct os_file_pool *pool = file->pool;
	struct os_file *surplus = NULL;
	os_mutex_lock(&pool->lock);
	bool open = file->open != NULL;
	if (open)
		pin_locked(file);
	os_mutex_unlock(&pool->lock);
	if (open)
		return pyr_ok();
	struct os_file *opened;
	pyr_result result = os_file_open(pool->disk, file->path, OS_OPEN_READ, &opened);
	if (result.code == PYR_NOT_FOUND)
		return pyr_result_of(PYR_CORRUPT); /* somebody took it away */
	PYR_TRY(result);
	os_mutex_lock(&pool->lock);
	struct os_file *evicted = file->open ? NULL : evict(pool);
	if (file->open) {
		surplus = opened; /* another thread was faster */
	} else {
		file->open = opened;
		pool->open_count += 1;
	}
	pin_locked(file);
	os_mutex_unlock(&pool->lock);
	os_file_close(surplus);
	os_file_close(evicted);
	return pyr_ok();
}

static void unpin(struct os_pool_file *file)
{
	struct os_file_pool *pool = file->pool;
	struct os_file *surplus = NULL;
	os_mutex_lock(&pool->lock);
	assert(file->pins > 0);
	if (--file->pins == 0) {
		base_list_append(&pool->lru, &file->lru);
		/* More were read at one time than may stay open. */
		if (pool->open_count > pool->open_max)
			surplus = take_open(pool, BASE_CONTAINER(pool->lru.next, struct os_pool_file, lru));
	}
	os_mutex_unlock(&pool->lock);
	os_file_close(surplus);
}

pyr_result os_pool_file_read(struct os_pool_file *file, uint64_t position, void *ret_bytes, size_t bytes)
{
	size_t got = 0;
	PYR_TRY(pin(file));
	pyr_result read = os_file_read(file->open, position, ret_bytes, bytes, &got);
	unpin(file);
	PYR_TRY(read);
	return pyr_result_of(got == bytes ? PYR_OK : PYR_CORRUPT);
}

bool os_pool_file_read_at_once(struct os_pool_file *file, uint64_t position, void *ret_bytes, size_t bytes)
{
	os_mutex_lock(&file->pool->lock);
	bool open = file->open != NULL;
	if (open)
		pin_locked(file);
	os_mutex_unlock(&file->pool->lock);
	if (!open)
		return false;
	bool read = os_file_read_at_once(file->open, position, ret_bytes, bytes);
	unpin(file);
	return read;
}

void os_pool_file_prefetch(struct os_pool_file *file, uint64_t position, uint64_t bytes)
{
	if (pin(file).code != PYR_OK)
		return;
	os_file_prefetch(file->open, position, bytes);
	unpin(file);
}
