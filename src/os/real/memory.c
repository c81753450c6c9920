/* The process's memory: jemalloc, and how it is set (see environment.h).
 *
 * A loaded server's large buffers come and go a thousand times a second: memory that was just freed is used again rather
 * than faulted in anew, and what stays unused goes back after ten seconds. Not huge pages, whose first touch stops a
 * request for milliseconds (docs/adr/0008-jemalloc.md). Sanitizers bring their own allocator; only speed is lost then.
 */
#include "os/environment.h"

#ifdef PYR_JEMALLOC
#include <jemalloc/jemalloc.h>
#include <malloc.h>

/* Programs link it; the library does not, as a process has one allocator and that is its program's to choose. */
#pragma weak mallctl

/* Read by jemalloc when the process starts. */
[[gnu::visibility("default")]] const char *malloc_conf = "dirty_decay_ms:10000,muzzy_decay_ms:0";

#define TEXT(value) #value
#define PURGE_ALL(arenas) "arena." TEXT(arenas) ".purge"

void os_memory_trim(void)
{
	if (mallctl)
		(void)mallctl(PURGE_ALL(MALLCTL_ARENAS_ALL), NULL, NULL, NULL, 0);
	else
		malloc_trim(0);
}
#else
#include <malloc.h>

void os_memory_trim(void)
{
	malloc_trim(0);
}
#endif
