/* Files that many readers share: counted references, and at most so many open at once.
 *
 * Any thread may hold, read and release a file; opening happens at the first read, closing when others need the place.
 * The last release tells the pool's owner through `released`, on its loop: then the file may be removed or recycled.
 * Lock: pool->lock, taken alone.
 */
#ifndef PYRALOG_OS_FILE_POOL_H
#define PYRALOG_OS_FILE_POOL_H

#include "os/disk.h"
#include "os/loop.h"

#include <stdatomic.h>

struct os_file_pool;

enum { OS_POOL_PATH_MAX = 64 };

struct os_pool_file {
	struct os_task released; /* posted at the last release */
	struct base_list lru; /* under the pool's lock */
	struct os_file_pool *pool;
	struct os_file *open; /* under the pool's lock; NULL while closed */
	unsigned pins; /* under the pool's lock: reads under way */
	atomic_uint references;
	void *owner; /* whoever added it */
	char path[OS_POOL_PATH_MAX];
};

/* `released` runs on the loop's thread; it may free what holds the file. NULL: memory is out. */
struct os_file_pool *os_file_pool_new(struct os_loop *loop, struct os_disk *disk, unsigned open_max);
/* Every file must have been released. */
void os_file_pool_free(struct os_file_pool *pool);
/* From now on releases tell nobody: the owner is about to free everything. */
void os_file_pool_silence(struct os_file_pool *pool);
unsigned os_file_pool_open_count(struct os_file_pool *pool);

/* Initialises an embedded file with one reference. */
void os_pool_file_init(struct os_pool_file *file, struct os_file_pool *pool, const char *path, void *owner,
                       void (*released)(struct os_task *task));
struct os_pool_file *os_pool_file_ref(struct os_pool_file *file);
void os_pool_file_unref(struct os_pool_file *file);
/* Closes it whoever refers to it: its owner is about to free it, and nobody else will read. NULL-safe. */
void os_pool_file_deinit(struct os_pool_file *file);
/* Reads exactly `bytes`. PYR_CORRUPT when the file is shorter. Blocks. */
pyr_result os_pool_file_read(struct os_pool_file *file, uint64_t position, void *ret_bytes, size_t bytes);
/* The same without waiting; false: the file is closed, or the system would have to ask the disk. Any thread, loops too. */
bool os_pool_file_read_at_once(struct os_pool_file *file, uint64_t position, void *ret_bytes, size_t bytes);
/* See os_file_prefetch(). */
void os_pool_file_prefetch(struct os_pool_file *file, uint64_t position, uint64_t bytes);

#endif
