/* The process's memory: jemalloc, and how it is set (see environment.h).
 *
 * A loaded server's large buffers come and go a thousand times a second: memory that was just freed is used again rather
 * than faulted in anew, and what stays unused goes back after ten seconds. Only large buffers are made of huge pages, which
 * reach the disk in fewer, larger pieces: the first touch of one stops a request for a millisecond or more, which whoever
 * sends large batches does not notice, and others would (docs/adr/0008-jemalloc.md). Sanitizers bring their own allocator;
 * only speed is lost then.
 */
#include "os/environment.h"

#include <malloc.h>

#ifdef PYR_JEMALLOC
#include <jemalloc/jemalloc.h>
#include <sys/mman.h>

/* Programs link it; the library does not, as a process has one allocator and that is its program's to choose. */
#pragma weak mallctl
#pragma weak mallocx

/* Read by jemalloc when the process starts. */
[[gnu::visibility("default")]] const char *malloc_conf = "dirty_decay_ms:10000,muzzy_decay_ms:0";

#define TEXT(value) #value
#define PURGE_ALL(arenas) "arena." TEXT(arenas) ".purge"

enum { HUGE_PAGE_BYTES = 2 << 20 };

static extent_hooks_t default_hooks, huge_hooks;
static unsigned huge_arena;

static void *extent_of_huge_pages(extent_hooks_t *hooks, void *at, size_t bytes, size_t alignment, bool *zero,
                                  bool *commit, unsigned arena)
{
	(void)hooks;
	if (alignment < HUGE_PAGE_BYTES)
		alignment = HUGE_PAGE_BYTES;
	void *extent = default_hooks.alloc(&default_hooks, at, bytes, alignment, zero, commit, arena);
	if (extent)
		(void)madvise(extent, bytes, MADV_HUGEPAGE); /* refused: pages as usual */
	return extent;
}

/* free() finds out where it came from. */
static void *new_large(size_t alignment, size_t bytes)
{
	return mallocx(bytes, MALLOCX_ALIGN(alignment) | MALLOCX_ARENA(huge_arena) | MALLOCX_TCACHE_NONE);
}

void os_memory_use_huge_pages(void)
{
	extent_hooks_t *found, *ours = &huge_hooks;
	size_t bytes = sizeof found, arena_bytes = sizeof huge_arena;
	if (!mallctl || !mallocx || mallctl("arena.0.extent_hooks", &found, &bytes, NULL, 0) != 0)
		return;
	default_hooks = huge_hooks = *found;
	huge_hooks.alloc = extent_of_huge_pages;
	if (mallctl("arenas.create", &huge_arena, &arena_bytes, &ours, sizeof ours) == 0)
		base_buffer_set_large_source(new_large);
}

void os_memory_trim(void)
{
	if (mallctl)
		(void)mallctl(PURGE_ALL(MALLCTL_ARENAS_ALL), NULL, NULL, NULL, 0);
	else
		malloc_trim(0);
}
#else
void os_memory_use_huge_pages(void)
{
}

void os_memory_trim(void)
{
	malloc_trim(0);
}
#endif
